//! Jobs of the embedded engine, as somebody sees them who types commands and looks at files.

mod keep;
mod ledger_tables;
mod lineage;
mod lost;
mod owner;
mod places;
mod queries;
mod quickstart;
mod rehearse;
mod restore;
mod sets;
mod state_of;
mod upgrade;
mod verdicts;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::world::{Program, World};

/// `skep` with an engine whose jobs live in the world's `state`.
fn local(world: &World) -> Program {
    world.skep().with("-u local:state")
}

/// The JSON objects among the lines.
fn objects(text: &str) -> Vec<Value> {
    let lines = text.lines().filter(|line| line.starts_with('{'));
    lines
        .map(|line| serde_json::from_str(line).expect("it is JSON"))
        .collect()
}

/// The one JSON object among the lines.
#[track_caller]
fn object(text: &str) -> Value {
    let mut objects = objects(text);
    assert_eq!(objects.len(), 1, "{text}");
    objects.remove(0)
}

/// What lets a job read so few rows a second that one which is to be stopped or killed still runs then, however slow the
/// machine is.
const SLOWLY: &str = "-D local.source.rows-per-second=200";

/// The same, whose jobs read slowly.
fn slowly(world: &World) -> Program {
    local(world).with(SLOWLY)
}

/// How far the table `n` counts: `slowly` ten minutes, else a moment.
const END: u64 = 120_000;

/// Tables `n`, which counts from 1 to [`END`], and `copy`, a directory of CSV files. Checkpoints come often.
fn counting() -> String {
    format!(
        "SET 'execution.runtime-mode' = 'streaming';\n\
         SET 'execution.checkpointing.interval' = '20 ms';\n\
         CREATE TABLE n (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '10000000', \
         'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '{END}');\n\
         CREATE TABLE copy (n BIGINT) WITH ('connector' = 'filesystem', 'path' = 'copy', 'format' = 'csv');\n"
    )
}

/// The job that copies what is counted, in the background.
const COPY: &str = "INSERT INTO copy SELECT n FROM n &;\n";

/// The rows in a directory of CSV files, sorted as numbers.
fn numbers(dir: &Path) -> Vec<u64> {
    let mut rows: Vec<u64> = visible(dir)
        .iter()
        .flat_map(|path| {
            let text = fs::read_to_string(path).unwrap();
            text.lines().map(|line| line.parse().unwrap()).collect::<Vec<_>>()
        })
        .collect();
    rows.sort_unstable();
    rows
}

/// The files in a directory that a reader sees.
fn visible(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths
        .filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with(['.', '_']))
        .collect();
    paths.sort();
    paths
}

/// Every file below a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// What the files below a directory hold, but for the locks, in which stands who held them last.
fn contents(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let is_lock = |path: &Path| path.ends_with("lock") || path.ends_with("successor");
    let files = files(dir).into_iter().filter(|path| !is_lock(path));
    files.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Runs a job until its first checkpoint and stops it: the path of its savepoint.
fn stopped(world: &World, preamble: &str, job: &str) -> String {
    let script = format!("{preamble}{job}!wait %1 --until first-checkpoint\n!stop %1 --json\n");
    let output = slowly(world).stdin(script).run().expect_code(0);
    let savepoint = object(&output.stdout);
    assert_eq!(savepoint["verdict"], "usable");
    savepoint["path"].as_str().unwrap().to_owned()
}
