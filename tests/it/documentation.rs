//! The documentation says what the program does.

use std::fs;
use std::path::Path;

#[test]
fn the_page_of_commands_is_the_table_of_commands() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md");
    let page = skep::command::manual::page();
    if std::env::var_os("SKEP_BLESS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap();
    assert!(
        written == page,
        "docs/commands.md is not what the table says: run the tests once with SKEP_BLESS=1"
    );
}
