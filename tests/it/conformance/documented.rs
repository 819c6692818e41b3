//! What differs is told to people too.

use super::script::Mode;

/// A script in which the embedded engine differs is named in docs/conformance.md, and no other one is.
#[test]
fn every_difference_is_documented() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/conformance.md");
    let page = std::fs::read_to_string(path).unwrap();
    for script in super::scripts() {
        let differs = script.statements().any(|s| {
            [Mode::Batch, Mode::Streaming]
                .iter()
                .any(|mode| s.local.get(*mode).is_some())
        });
        let name = format!("`{}.sql`", script.name());
        assert_eq!(
            page.contains(&name),
            differs,
            "{name}: differs, or is in docs/conformance.md"
        );
    }
}
