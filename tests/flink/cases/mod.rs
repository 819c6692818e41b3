//! What is to be so on every version, a topic a file.

mod cancel;
mod checkpoint;
mod conformance;
mod early_rows;
mod failures;
mod faults;
mod files;
mod interrupts;
mod lists;
mod looks;
mod matrix;
mod one_shots;
mod outages;
mod plans;
mod rehearse;
mod restore;
mod savepoint;
mod secure;
mod sessions;
mod statements;
mod stop;
mod submission;
mod types;
mod upgrade;
mod versions;
mod wait;
mod without_rest;

use std::fs;
use std::path::Path;

use crate::cluster::Cluster;
use crate::suite::Case;

/// All of them.
pub fn all() -> Vec<Case> {
    [
        savepoint::CASES,
        stop::CASES,
        cancel::CASES,
        checkpoint::CASES,
        wait::CASES,
        lists::CASES,
        looks::CASES,
        statements::CASES,
        types::CASES,
        plans::CASES,
        without_rest::CASES,
        versions::CASES,
        faults::CASES,
        early_rows::CASES,
        failures::CASES,
        interrupts::CASES,
        sessions::CASES,
        submission::CASES,
        outages::CASES,
        matrix::CASES,
        one_shots::CASES,
        restore::objects::CASES,
        restore::disaster::CASES,
        restore::CASES,
        upgrade::CASES,
        rehearse::CASES,
        restore::changed::CASES,
        restore::claims::CASES,
        restore::fits::CASES,
        restore::plans::CASES,
        files::CASES,
        conformance::CASES,
    ]
    .concat()
}

/// A job that nobody has.
const UNKNOWN: &str = "ffffffffffffffffffffffffffffffff";

/// The directory as Flink and skep name it.
fn uri(path: &Path) -> String {
    format!("file:{}", path.display())
}

/// Whether a savepoint is there whole, as far as that is seen from outside.
fn has_metadata(savepoint: &str) -> bool {
    Path::new(savepoint.trim_start_matches("file:"))
        .join("_metadata")
        .is_file()
}

/// A directory that nobody can write, not even root: a path below a regular file.
fn unwritable(cluster: &Cluster, name: &str) -> String {
    let file = cluster.path(name);
    fs::write(&file, "a regular file").unwrap();
    uri(&file.join("below"))
}
