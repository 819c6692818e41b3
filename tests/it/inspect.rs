//! Looking into saved states and searching directories for them, with and without anything to connect to.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::world::{Output, World};

/// Makes a state that a real Flink wrote, with all its files, at that path of the world.
pub fn copy_sample(world: &World, name: &str, to: &str) -> PathBuf {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/metadata/tests/samples");
    let to = world.path(to);
    fs::create_dir_all(&to).unwrap();
    for entry in fs::read_dir(samples.join(name)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
    to
}

fn state_file(dir: &Path) -> PathBuf {
    let mut paths: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().find(|path| !path.ends_with("_metadata")).unwrap()
}

#[track_caller]
fn object(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{output}"))
}

#[track_caller]
pub fn objects(output: &Output) -> Vec<Value> {
    let lines = output.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{output}")))
        .collect()
}

#[test]
fn a_state_is_looked_into_without_any_connection() {
    let world = World::new();
    copy_sample(&world, "2.3.0-rocksdb-savepoint-native", "sp/savepoint-c0ffee-1");
    let output = world.skep().with("inspect sp/savepoint-c0ffee-1").run().expect_code(0);
    for part in [
        "native savepoint",
        "checkpoint id   8",
        "verdict         usable",
        "OverAggregate[",
        "128",
        "9 files",
        "whole",
    ] {
        assert!(output.stdout.contains(part), "{part:?} in {output}");
    }
    // Nothing was opened for it.
    assert!(!world.path("data/local").exists());
    let seen = object(
        &world
            .skep()
            .with("inspect sp/savepoint-c0ffee-1/_metadata --json")
            .run()
            .expect_code(0),
    );
    assert_eq!(seen["kind"], "savepoint");
    assert_eq!(seen["format"], "native");
    assert_eq!(seen["format_version"], 6);
    assert_eq!(seen["verdict"], "usable");
    assert_eq!(seen["operators"].as_array().unwrap().len(), 6);
    assert_eq!(seen["operators"][0]["parallelism"], 1);
    assert_eq!(seen["files"].as_array().unwrap().len(), 9);
    assert!(
        seen["files"]
            .as_array()
            .unwrap()
            .iter()
            .all(|file| file["verdict"] == "whole")
    );
}

#[test]
fn a_state_with_a_file_missing_is_named_and_ends_in_1() {
    let world = World::new();
    let dir = copy_sample(
        &world,
        "1.20.3-heap-files",
        "chk/c0ffee12000000000000000000000001/chk-5",
    );
    let file = state_file(&dir);
    fs::remove_file(&file).unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();
    let output = world
        .skep()
        .with("inspect --json")
        .arg(&dir)
        .run()
        .expect_code(1)
        .expect_stderr("files are missing or damaged");
    let seen = object(&output);
    assert_eq!(seen["verdict"], "missing");
    assert_eq!(seen["job_id"], "c0ffee12000000000000000000000001");
    assert_eq!(seen["checkpoint_id"], 5);
    assert!(seen["reasons"][0].as_str().unwrap().contains(name), "{seen}");
    let output = world.skep().with("inspect").arg(&dir).run().expect_code(1);
    let line = output
        .stdout
        .lines()
        .find(|line| line.contains(name) && !line.contains("of 3"));
    assert!(line.is_some_and(|line| line.ends_with("missing")), "{output}");
}

#[test]
fn what_can_be_no_state_is_not_usable() {
    let world = World::new();
    let dir = world.path("sp");
    type Make = fn(&Path);
    let make: [(&str, Make); 5] = [
        ("a directory", |path| fs::create_dir(path).unwrap()),
        ("a pipe", |path| {
            let made = std::process::Command::new("mkfifo").arg(path).status();
            assert!(made.unwrap().success());
        }),
        ("a link to itself", |path| {
            std::os::unix::fs::symlink(path, path).unwrap();
        }),
        ("a device", |path| {
            std::os::unix::fs::symlink("/dev/zero", path).unwrap();
        }),
        ("zeros", |path| fs::write(path, [0; 4096]).unwrap()),
    ];
    for (what, make) in make {
        fs::create_dir(&dir).unwrap();
        make(&dir.join("_metadata"));
        let output = world.skep().with("inspect sp").run().expect_code(1);
        assert!(output.stderr.contains("can't be used"), "{what}: {output}");
        fs::remove_dir_all(&dir).unwrap();
    }
}

#[test]
fn where_there_is_nothing_it_is_said() {
    let world = World::new();
    world.write("empty/other", "");
    for path in ["empty", "nowhere", "s3://bucket/savepoint-1"] {
        let output = world.skep().with("inspect").arg(path).run().expect(1, "");
        assert!(output.stderr.contains(path), "{output}");
    }
    world.skep().with("inspect").run().expect_code(2);
}

#[cfg(feature = "local")]
#[test]
fn a_state_of_one_engine_is_looked_into_while_another_is_connected() {
    let world = World::new();
    copy_sample(&world, "2.0.0-heap-files", "chk-5");
    let output = world.skep().with("-u local:state inspect chk-5 --json").run();
    // Its files are not among the samples.
    assert_eq!(object(&output.expect_code(1))["format_version"], 5);
}

#[cfg(feature = "local")]
#[test]
fn directories_are_searched_whoever_is_connected() {
    let world = World::new();
    copy_sample(
        &world,
        "2.3.0-heap-files",
        "keep/c0ffee12000000000000000000000001/chk-6",
    );
    let cut = copy_sample(
        &world,
        "2.3.0-heap-files",
        "keep/c0ffee12000000000000000000000001/chk-7",
    );
    copy_sample(&world, "1.20.3-heap-savepoint-canonical", "keep/old/before-upgrade");
    fs::create_dir_all(world.path("keep/savepoint-c0ffee-9")).unwrap();
    let file = state_file(&cut);
    let bytes = fs::read(&file).unwrap();
    fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    let output = world.skep().with("savepoints --dir keep --json").run().expect_code(0);
    let found = objects(&output);
    let verdict = |name: &str| {
        let state = found
            .iter()
            .find(|state| state["path"].as_str().unwrap().ends_with(name));
        state.unwrap_or_else(|| panic!("{name} in {output}")).clone()
    };
    assert_eq!(found.len(), 4, "{output}");
    assert_eq!(verdict("/chk-6")["verdict"], "usable");
    assert_eq!(verdict("/chk-7")["verdict"], "missing");
    assert!(
        verdict("/chk-7")["reasons"][0]
            .as_str()
            .unwrap()
            .contains("bytes instead of")
    );
    assert_eq!(verdict("/before-upgrade")["kind"], "savepoint");
    assert_eq!(verdict("/before-upgrade")["format_version"], 4);
    assert_eq!(verdict("/savepoint-c0ffee-9")["verdict"], "incomplete");
    // Of the savepoint's name only one job is known.
    assert_eq!(
        verdict("/savepoint-c0ffee-9")["job_id"],
        "c0ffee12000000000000000000000001"
    );
}
