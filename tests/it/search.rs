//! A search of directories: how it goes, how it is ended, and what is said of places that can't be searched.

use std::fs;
use std::net::TcpListener;

use crate::inspect::{copy_sample, objects};
use crate::world::World;
use crate::world::http::Nobody;

const JOB: &str = "c0ffee12000000000000000000000001";

#[test]
fn ctrl_c_ends_a_search_and_shows_what_it_has_found() {
    let world = World::new();
    for name in ["chk-1", "chk-2"] {
        copy_sample(&world, "1.20.3-heap-files", &format!("chk/{JOB}/{name}"));
    }
    // A store that takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut pty = world
        .program("sh")
        .arg("-c")
        .arg(format!(
            "trap : INT; {} savepoints --json --dir chk --dir webhdfs://{}/x >found; echo code $?",
            env!("CARGO_BIN_EXE_skep"),
            silent.local_addr().unwrap()
        ))
        .pty();
    pty.wait_text("2 states looked at");
    // It has been asked.
    let _asked = silent.accept().unwrap();
    pty.send("\x03");
    let screen = pty.wait_text("code 130");
    assert!(screen.has("this list is not complete"), "{screen}");
    assert!(!screen.has("looked at"), "{screen}");
    let found = world.read("found");
    assert_eq!(found.lines().count(), 2, "{found}");
    assert!(found.contains("chk-1") && found.contains("chk-2"), "{found}");
}

#[test]
fn a_place_that_can_t_be_searched_is_named_and_the_others_are_shown() {
    let world = World::new();
    copy_sample(&world, "2.3.0-heap-savepoint-canonical", "sp/savepoint-c0ffee-1");
    let nobody = Nobody::new();
    let gone = nobody.address();
    let output = world
        .skep()
        .with(&format!(
            "savepoints --json --dir sp --dir webhdfs://{gone}/x --dir oss://bucket/x"
        ))
        .run()
        .expect_code(1)
        .expect_stderr(&format!(
            "webhdfs://{gone}/x could not be searched: {gone} can't be reached"
        ))
        .expect_stderr("oss:// is not a file system that skep reads");
    let found = objects(&output);
    assert_eq!(found.len(), 1, "{output}");
    assert_eq!(found[0]["verdict"], "usable");
}

#[cfg(not(feature = "cloud"))]
#[test]
fn an_object_store_needs_a_build_with_it() {
    let world = World::new();
    for command in [
        "inspect s3a://bucket/sp/savepoint-1",
        "savepoints --dir s3a://bucket/sp",
    ] {
        let output = world.skep().with(command).run().expect(1, "");
        output.expect_stderr("built without s3a://: cargo build --features cloud");
    }
}

#[cfg(feature = "cloud")]
#[test]
fn an_object_store_is_not_asked_before_somebody_says_who_asks() {
    let world = World::new();
    for (url, variable) in [
        ("s3a://bucket/sp", "AWS_ACCESS_KEY_ID"),
        ("gs://bucket/sp", "GOOGLE_APPLICATION_CREDENTIALS"),
        ("abfss://c@account.dfs.core.windows.net/sp", "AZURE_STORAGE_ACCOUNT_KEY"),
    ] {
        for command in ["inspect", "savepoints --dir"] {
            let output = world.skep().with(command).arg(url).run().expect(1, "");
            output.expect_stderr(variable);
        }
    }
}

#[test]
fn what_a_table_shows_is_what_there_is() {
    let world = World::new();
    copy_sample(&world, "1.20.3-heap-savepoint-canonical", "sp/savepoint-c0ffee-1");
    let broken = copy_sample(&world, "1.20.3-heap-files", &format!("sp/{JOB}/chk-5"));
    for entry in fs::read_dir(&broken).unwrap() {
        let path = entry.unwrap().path();
        if !path.ends_with("_metadata") {
            fs::remove_file(path).unwrap();
        }
    }
    let output = world.skep().with("savepoints --dir sp").run().expect_code(0);
    let lines: Vec<&str> = output.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{output}");
    // Nothing has a label; what is missing stands below its row and widens none.
    assert!(lines[0].trim_start().starts_with("kind"), "{output}");
    let reason = lines
        .iter()
        .position(|line| line.contains("3 of 3 files are missing"))
        .unwrap();
    assert!(lines[reason - 1].contains("chk-5"), "{output}");
    let saved = lines.iter().find(|line| line.contains("savepoint-c0ffee-1")).unwrap();
    assert!(saved.len() < 200, "{output}");
}

#[test]
fn of_many_the_newest_are_listed_unless_all_are_wanted() {
    let world = World::new();
    let sample = copy_sample(&world, "1.20.3-heap-savepoint-canonical", "sample");
    for n in 0..101 {
        let to = world.path(&format!("home/savepoints/savepoint-c0ffee-{n}"));
        fs::create_dir_all(&to).unwrap();
        for entry in fs::read_dir(&sample).unwrap() {
            let from = entry.unwrap().path();
            fs::hard_link(&from, to.join(from.file_name().unwrap())).unwrap();
        }
    }
    let listed = |flags: &str| {
        let output = world
            .skep()
            .with("-u local:home savepoints --json")
            .with(flags)
            .run()
            .expect_code(0);
        (objects(&output).len(), output.stderr.contains("--all"))
    };
    assert_eq!(listed(""), (100, true));
    assert_eq!(listed("--all"), (101, false));
    assert_eq!(listed("--dir home/savepoints"), (101, false));
}
