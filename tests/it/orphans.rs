//! What a shell that was killed leaves on a cluster which outlives it.

use std::fs;

use skep::ledger::Ledger;

use crate::world::{Live, Program, World, wait_until};

fn kept(world: &World) -> Program {
    world.scripted().with("-u scripted:kept -o csv")
}

/// The names of the jobs that run on the cluster, sorted.
fn running(world: &World) -> Vec<String> {
    let files = fs::read_dir(world.path("cluster")).unwrap();
    let mut names: Vec<_> = files
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    names.sort();
    names
}

/// A shell with an INSERT, and with a query of which three rows have come; the ledger knows of both.
fn with_a_query(world: &World) -> Live {
    let mut live = kept(world).start();
    live.send("INSERT INTO orders;\nSELECT ENDLESS QUIETLY;\n");
    live.wait_out("row 2");
    let accepted = || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let ledger = Ledger::open(&world.path("data")).unwrap();
        let jobs = runtime
            .block_on(ledger.jobs(skep::ledger::JobFilter::default()))
            .unwrap();
        jobs.len() == 2 && jobs.iter().all(|job| !job.outcome.is_unsettled())
    };
    wait_until(|| "two jobs in the ledger".to_owned(), accepted);
    live
}

/// Such a shell that was killed.
fn killed_with_a_query() -> World {
    let world = World::new();
    with_a_query(&world).kill();
    assert_eq!(running(&world), ["endless", "orders"]);
    world
}

#[test]
fn a_query_whose_shell_was_killed_is_cancelled_by_the_next_and_an_insert_goes_on() {
    let world = killed_with_a_query();
    let output = kept(&world).with("--json").stdin("!jobs -a\n").run().expect_code(0);
    let output = output.expect_stderr("endless (job ").expect_stderr(
        "is a query of a shell that has ended: nobody can read its rows any more · cancelled, it is CANCELED",
    );
    assert_eq!(running(&world), ["orders"], "{output}");
    assert_eq!(
        world
            .journal()
            .iter()
            .filter(|line| line.starts_with("cancel"))
            .collect::<Vec<_>>(),
        ["cancel job endless"]
    );
    let states: Vec<_> = output
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|job| format!("{} {}", job["name"].as_str().unwrap(), job["state"].as_str().unwrap()))
        .collect();
    assert!(states.contains(&"endless CANCELED".to_owned()), "{states:?}");
    assert!(states.contains(&"orders RUNNING".to_owned()), "{states:?}");
    // It is said once.
    let output = kept(&world).stdin("!jobs -a\n").run().expect_code(0);
    assert!(!output.stderr.contains("has ended"), "{output}");
}

#[test]
fn who_does_not_want_that_is_told_or_left_alone() {
    let world = killed_with_a_query();
    let set = |value: &str| {
        let config = world.write("config.toml", &format!("[set]\norphans = '{value}'\n"));
        kept(&world).env("SKEP_CONFIG", config).stdin("!set orphans\n").run()
    };
    let output = set("leave").expect(0, "leave\n");
    assert!(!output.stderr.contains("endless"), "{output}");
    drop(
        set("tell")
            .expect(0, "tell\n")
            .expect_stderr("nobody can read its rows any more · it is RUNNING · !cancel "),
    );
    drop(
        set("kill")
            .expect_code(2)
            .expect_stderr("none of cancel, tell and leave"),
    );
    // A single command does what it says, and nothing besides.
    let output = kept(&world).with("jobs").run().expect_code(0);
    assert!(!output.stderr.contains("endless"), "{output}");
    assert_eq!(running(&world), ["endless", "orders"]);
    drop(
        kept(&world)
            .run()
            .expect_code(0)
            .expect_stderr("cancelled, it is CANCELED"),
    );
}

#[test]
fn a_query_that_somebody_reads_is_nobody_elses() {
    let world = World::new();
    let reader = with_a_query(&world);
    let output = kept(&world).stdin("!jobs -a\n").run().expect_code(0);
    assert!(!output.stderr.contains("endless"), "{output}");

    // In a copy of the ledger, as on another machine, its shell's lock is not seen: it is told of, and left alone.
    fs::create_dir(world.path("copy")).unwrap();
    for file in fs::read_dir(world.path("data")).unwrap().map(Result::unwrap) {
        if file.path().is_file() {
            fs::copy(file.path(), world.path("copy").join(file.file_name())).unwrap();
        }
    }
    let output = kept(&world)
        .env("SKEP_DATA_DIR", world.path("copy"))
        .run()
        .expect_code(0);
    drop(output.expect_stderr(&format!(
        "is RUNNING, a query of process {}, perhaps on another machine: whether anybody still reads its rows can't be seen \
         from here · !cancel ",
        reader.pid()
    )));
    assert_eq!(running(&world), ["endless", "orders"]);
    let journal = world.journal();
    assert!(!journal.iter().any(|line| line.starts_with("cancel")), "{journal:?}");
}
