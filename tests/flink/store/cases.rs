//! What is to be so wherever saved states lie.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Store, put_sample};
use crate::LIMIT;
use crate::shell::{object, objects};
use crate::world::World;

/// Something that is to be so.
#[derive(Clone, Copy)]
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// The function, which fails by panicking. The directory is its own.
    pub run: fn(&dyn Store),
}

/// What is to be so in every store.
pub const ALL: [Case; 3] = [
    Case {
        name: "states_are_found_with_their_verdicts",
        run: states_are_found_with_their_verdicts,
    },
    Case {
        name: "a_state_is_looked_into",
        run: a_state_is_looked_into,
    },
    Case {
        name: "what_is_not_needed_is_deleted_and_nothing_else",
        run: what_is_not_needed_is_deleted_and_nothing_else,
    },
];

const JOB: &str = "c0ffee12000000000000000000000001";

/// A checkpoint of which three files lie beside `_metadata`.
const CHECKPOINT: &str = "1.20.3-heap-files";
const SAVEPOINT: &str = "1.20.3-heap-savepoint-canonical";

/// Leaves all files as they are.
fn whole(_: &str, _: &mut Option<Vec<u8>>) {}

/// By the last part of its path.
fn by_name(listed: &str) -> BTreeMap<String, Value> {
    let named = objects(listed).into_iter().map(|state| {
        let path = state["path"].as_str().unwrap();
        (path.rsplit('/').next().unwrap().to_owned(), state)
    });
    named.collect()
}

fn states_are_found_with_their_verdicts(store: &dyn Store) {
    let chk = |n: u32| format!("found/chk/{JOB}/chk-{n}");
    put_sample(store, CHECKPOINT, &chk(5), whole);
    put_sample(store, CHECKPOINT, &chk(6), |name, bytes| {
        if name != "_metadata" {
            *bytes = None;
        }
    });
    put_sample(store, CHECKPOINT, &chk(7), |name, bytes| {
        if name != "_metadata" {
            bytes.as_mut().unwrap().pop();
        }
    });
    put_sample(store, CHECKPOINT, &chk(8), |name, bytes| {
        if name == "_metadata" {
            *bytes = None;
        }
    });
    put_sample(store, SAVEPOINT, "found/sp/savepoint-c0ffee-1", whole);
    store.put("found/sp/notes.txt", b"mine");
    let world = World::with_limit(LIMIT);
    let mut search = store
        .skep(&world)
        .with("savepoints --json --dir")
        .arg(store.uri("found"));
    if let Some(alias) = store.alias("found/chk") {
        search = search.with("--dir").arg(alias);
    }
    let output = search.run().expect_code(0).expect_quiet();
    let found = by_name(&output.stdout);
    assert_eq!((objects(&output.stdout).len(), found.len()), (5, 5), "{output}");
    let verdict = |name: &str| found[name]["verdict"].as_str().unwrap();
    assert_eq!(verdict("chk-5"), "usable");
    assert_eq!(verdict("chk-6"), "missing");
    assert_eq!(verdict("chk-7"), "missing");
    assert_eq!(verdict("chk-8"), "incomplete");
    assert_eq!(verdict("savepoint-c0ffee-1"), "usable");
    assert_eq!(found["chk-5"]["job_id"], JOB);
    assert!(
        found["chk-5"]["taken"].is_string() && found["chk-5"]["size"].is_number(),
        "{output}"
    );
    let reason = |name: &str| found[name]["reasons"][0].as_str().unwrap();
    assert!(reason("chk-6").contains("3 of 3 files are missing"), "{output}");
    assert!(reason("chk-7").contains("bytes instead of"), "{output}");

    let output = store
        .skep(&world)
        .with("savepoints --dir")
        .arg(store.uri("nothing"))
        .run();
    output.expect(1, "").expect_stderr("there is no such directory");
}

fn a_state_is_looked_into(store: &dyn Store) {
    put_sample(store, SAVEPOINT, "seen/savepoint-c0ffee-1", whole);
    let world = World::with_limit(LIMIT);
    let inspect = |path: &str| store.skep(&world).with("inspect --json").arg(store.uri(path)).run();
    let output = inspect("seen/savepoint-c0ffee-1/_metadata")
        .expect_code(0)
        .expect_quiet();
    let seen = object(&output.stdout);
    assert_eq!(seen["path"], store.uri("seen/savepoint-c0ffee-1").as_str());
    assert_eq!(
        (&seen["verdict"], &seen["format"]),
        (&"usable".into(), &"canonical".into())
    );
    let files = seen["files"].as_array().unwrap();
    assert!(
        !files.is_empty() && files.iter().all(|file| file["verdict"] == "whole"),
        "{output}"
    );

    let lost = files[0]["path"].as_str().unwrap().to_owned();
    put_sample(store, SAVEPOINT, "seen/savepoint-c0ffee-2", |name, bytes| {
        if name == lost {
            *bytes = None;
        }
    });
    let output = inspect("seen/savepoint-c0ffee-2")
        .expect_code(1)
        .expect_stderr("files are missing");
    assert!(
        object(&output.stdout)["reasons"][0].as_str().unwrap().contains(&lost),
        "{output}"
    );
    let output = inspect("seen/nothing").expect(1, "");
    output.expect_stderr("nothing is known of");
}

fn what_is_not_needed_is_deleted_and_nothing_else(store: &dyn Store) {
    for n in 1..=2 {
        put_sample(store, SAVEPOINT, &format!("old/savepoint-c0ffee-{n}"), whole);
    }
    put_sample(store, CHECKPOINT, &format!("old/{JOB}/chk-5"), whole);
    store.put("old/savepoint-c0ffee-1/notes.txt", b"mine");
    store.put("old/savepoint-c0ffee-2/notes.txt", b"mine");
    let world = World::with_limit(LIMIT);
    let list = || {
        let listed = store
            .skep(&world)
            .with("savepoints --json --dir")
            .arg(store.uri("old"))
            .run();
        by_name(&listed.expect_code(0).stdout)
    };
    let prune = || {
        store
            .skep(&world)
            .with("savepoints prune --keep 1 --dir")
            .arg(store.uri("old"))
    };
    let output = prune()
        .run()
        .expect_code(0)
        .expect_stderr("1 savepoint would be deleted");
    assert_eq!(list().len(), 3, "{output}");
    let output = prune()
        .with("--yes")
        .run()
        .expect_code(0)
        .expect_stderr("deleted 1 savepoint");
    let left = list();
    // Of the one that is deleted only what was not its own is left.
    let verdicts: Vec<&str> = left.values().map(|state| state["verdict"].as_str().unwrap()).collect();
    assert_eq!(left.len(), 3, "{output}");
    assert_eq!(
        verdicts.iter().filter(|verdict| **verdict == "usable").count(),
        2,
        "{output}"
    );
    assert_eq!(left["chk-5"]["verdict"], "usable");
    assert!(verdicts.contains(&"incomplete"), "{output}");
}
