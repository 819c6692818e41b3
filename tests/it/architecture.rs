//! What the layers may know of one another, held by looking at the sources.

use std::fs;
use std::path::{Path, PathBuf};

/// Every Rust file below a folder of the repository.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !path.to_string_lossy().ends_with("tests.rs")
            {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has sources");
    found
}

/// The lines of code, without comments and without the unit tests at the end.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//"))
}

fn assert_nowhere(folders: &[&str], words: &[&str]) {
    let mut found = Vec::new();
    for (path, text) in folders.iter().flat_map(|folder| sources(folder)) {
        for line in code(&text) {
            let lower = line.to_ascii_lowercase();
            if words.iter().any(|word| lower.contains(word)) {
                found.push(format!("{}: {}", path.display(), line.trim()));
            }
        }
    }
    assert!(
        found.is_empty(),
        "these lines name what they must not know:\n{}",
        found.join("\n")
    );
}

#[test]
fn commands_renderers_and_the_prompt_name_no_engine() {
    let engines = [
        "flink",
        "kyuubi",
        "hive2",
        "hiveserver",
        "skep_local",
        "localengine",
        "datafusion",
        "\"local:",
    ];
    assert_nowhere(
        &[
            "src/command",
            "src/render",
            "src/shell",
            "src/job",
            "src/ledger",
            "src/savepoint",
        ],
        &engines,
    );
}

#[test]
fn data_walks_one_way() {
    // What is pure knows nothing of the session, of output, or of any engine's driver.
    assert_nowhere(
        &["src/syntax"],
        &[
            "crate::session",
            "crate::ui",
            "crate::command",
            "crate::render",
            "crate::ledger",
        ],
    );
    assert_nowhere(
        &["src/render"],
        &["crate::session", "crate::command", "crate::ledger", "crate::job"],
    );
    // Jobs and the ledger don't know who asks.
    assert_nowhere(
        &["src/job", "src/ledger", "src/savepoint"],
        &["crate::session", "crate::command", "crate::shell"],
    );
    // Nor do the commands know what brings them their words.
    assert_nowhere(
        &["src/command", "src/statement"],
        &[
            "crate::script",
            "crate::dispatch",
            "crate::cli",
            "crate::app",
            "crate::shell",
        ],
    );
    // Drivers know the seam only.
    assert_nowhere(
        &["src/flink"],
        &[
            "crate::session",
            "crate::command",
            "crate::ui",
            "crate::job",
            "crate::ledger",
        ],
    );
    // A protocol's driver does not know the engines that speak through it: they are handed to it.
    assert_nowhere(
        &["src/hive"],
        &[
            "crate::flink",
            "crate::session",
            "crate::command",
            "crate::ui",
            "crate::ledger",
        ],
    );
    // The seam knows nobody.
    assert_nowhere(&["crates/engine/src"], &["skep::", "datafusion"]);
}
