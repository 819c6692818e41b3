//! The same script on two engines.
//!
//! `tests/conformance/*.sql` are scripts whose results were recorded from Flink. The embedded engine has to give the same
//! results, in batch and in streaming mode; where it does not, the script says what it gives instead, and
//! docs/conformance.md says why. How a script looks is told in [`script`]. tests/flink holds skep on real clusters to them.

pub mod answers;
pub mod compare;
#[cfg(feature = "local")]
mod documented;
mod gateway;
mod record;
#[cfg(feature = "local")]
mod run;
pub mod script;
mod value;

use std::path::PathBuf;

use script::Script;

/// Where scripts and their data are.
fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/conformance")
}

/// All scripts, in the order of their names; with `SKEP_CONFORMANCE_ONLY` those with one of its words in their name.
pub fn scripts() -> Vec<Script> {
    let only = std::env::var("SKEP_CONFORMANCE_ONLY").unwrap_or_default();
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "sql"))
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            only.is_empty() || only.split(',').any(|word| name.contains(word))
        })
        .collect();
    paths.sort();
    paths.into_iter().map(|path| Script::read(&path)).collect()
}
