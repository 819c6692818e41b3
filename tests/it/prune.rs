//! Savepoints that need not be kept any more.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::inspect::{copy_sample, objects};
use crate::world::{Pty, World};

/// Makes three savepoints of one job that Flink wrote, ten days apart, the third the newest.
fn three(world: &World) {
    for (n, days) in [(1, 30), (2, 20), (3, 10)] {
        let dir = copy_sample(
            world,
            "1.20.3-heap-savepoint-canonical",
            &format!("sp/savepoint-c0ffee-{n}"),
        );
        let file = File::options().write(true).open(dir.join("_metadata")).unwrap();
        let then = SystemTime::now() - Duration::from_secs(days * 86_400);
        file.set_modified(then).unwrap();
    }
}

fn left(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn nothing_is_deleted_before_a_yes_and_then_what_was_shown() {
    let world = World::new();
    three(&world);
    let all = ["savepoint-c0ffee-1", "savepoint-c0ffee-2", "savepoint-c0ffee-3"];
    let prune = || world.skep().with("savepoints prune --dir sp");
    let output = prune().with("--keep 2").run().expect_code(0);
    assert!(
        output.stdout.contains(all[0]) && !output.stdout.contains(all[1]),
        "{output}"
    );
    let output = output.expect_stderr("1 savepoint would be deleted");
    assert!(output.stderr.contains("kept, the newest usable one: file:"), "{output}");
    let fates = objects(&prune().with("--keep 0 --older-than 15d --json").run().expect_code(0));
    let fates: Vec<_> = fates
        .iter()
        .map(|told| (told["fate"].as_str().unwrap(), told["why"].as_str()))
        .collect();
    assert_eq!(
        fates,
        [
            ("keep", Some("the newest usable one")),
            ("delete", None),
            ("delete", None)
        ]
    );
    assert_eq!(left(&world.path("sp")), all);
    prune()
        .with("--older-than 25d --yes")
        .run()
        .expect_code(0)
        .expect_stderr("deleted 1 savepoint");
    assert_eq!(left(&world.path("sp")), all[1..]);
    prune().with("--keep 1 --yes").run().expect_code(0);
    assert_eq!(left(&world.path("sp")), all[2..]);
    // What is left is whole.
    world.skep().with("inspect sp/savepoint-c0ffee-3").run().expect_code(0);
}

#[test]
fn what_is_to_be_kept_must_be_said() {
    let world = World::new();
    for wrong in [
        "prune",
        "prune --keep many",
        "prune --older-than soon",
        "--keep 1",
        "a b --dir x",
    ] {
        let output = world.skep().with("savepoints").with(wrong).run().expect(2, "");
        assert!(output.stderr.contains("error"), "{output}");
    }
}

#[test]
fn older_savepoints_of_a_job_are_deleted_and_the_ledger_knows() {
    let world = World::new();
    let script = "SET 'execution.runtime-mode' = 'streaming';\n\
                  CREATE TABLE n (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '10');\n\
                  CREATE TABLE hole (n BIGINT) WITH ('connector' = 'blackhole');\n\
                  INSERT INTO hole SELECT n FROM n &;\n\
                  !wait %1 --until first-checkpoint\n\
                  !savepoint %1\n!savepoint %1 --label before\n!savepoint %1\n!savepoint %1\n\
                  !savepoints prune --keep 1 --yes\n\
                  !cancel %1 --yes\n";
    let output = world.skep().with("-u local:state").stdin(script).run().expect_code(0);
    let output = output.expect_stderr("deleted 2 savepoints");
    assert!(output.stderr.contains("kept, it has a label"), "{output}");
    assert_eq!(left(&world.path("state/savepoints")).len(), 2);
    let found = objects(
        &world
            .skep()
            .with("-u local:state savepoints --json")
            .run()
            .expect_code(0),
    );
    let saved = |verdict: &str| {
        let of_it = found
            .iter()
            .filter(|s| s["kind"] == "savepoint" && s["verdict"] == verdict);
        of_it.count()
    };
    assert_eq!((saved("usable"), saved("gone")), (2, 2), "{found:?}");
}

#[test]
fn what_is_forgotten_stays_where_it_lies() {
    let world = World::new();
    three(&world);
    let prune = world.skep().with("savepoints prune --dir sp --keep 1 --forget --yes");
    prune.run().expect_code(0).expect_stderr("forgotten 2 savepoints");
    assert_eq!(left(&world.path("sp")).len(), 3);
}

#[test]
fn at_a_terminal_the_question_is_about_what_was_shown() {
    let world = World::new();
    let setup = "SET 'execution.runtime-mode' = 'streaming';\n\
                 CREATE TABLE n (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '10');\n\
                 CREATE TABLE hole (n BIGINT) WITH ('connector' = 'blackhole');\n\
                 INSERT INTO hole SELECT n FROM n &;\n\
                 !wait %1 --until first-checkpoint\n\
                 !savepoint %1\n!savepoint %1\n!savepoint %1\n\
                 !cancel %1 --yes\n";
    let made = world.skep().with("-u local:state").stdin(setup).run().expect_code(0);
    let dir = world.path("state/savepoints");
    let all = left(&dir);
    assert_eq!(all.len(), 3, "{made}");
    let newest = all
        .iter()
        .max_by_key(|name| fs::metadata(dir.join(name)).unwrap().modified().unwrap());

    let mut pty = Pty::spawn(&world.skep().with("-u local:state"), 60, 200);
    let mut ask = |command: &str, question: &str, answer: &str, done: &str| {
        pty.wait_prompt("local:state> ");
        pty.line(&format!("!savepoints prune {command}"));
        let asked = pty.wait_for(question, |screen| screen.line == format!("{question} [y/N] "));
        assert!(!asked.has(done), "{asked}");
        pty.send(answer);
        pty.wait_text(done);
        // The next one is not to find what this one has said. What is typed before the prompt is there is not for the editor.
        pty.wait_prompt("local:state> ");
        pty.send("\x0c");
        pty.wait_for("an empty screen", |screen| !screen.has(done));
    };
    // Ctrl-C and Enter alone are a no, too.
    for no in ["n\r", "\r", "yess\r", "\x03", "\x04"] {
        ask("--keep 1", "delete 2 savepoints?", no, "nothing was done");
        assert_eq!(left(&dir), all);
    }
    ask(
        "--keep 2 --forget",
        "forget 1 savepoint?",
        "y\r",
        "forgotten 1 savepoint",
    );
    assert_eq!(left(&dir), all);
    ask("--keep 1", "delete 2 savepoints?", "yes\r", "deleted 2 savepoints");
    assert_eq!(left(&dir).iter().collect::<Vec<_>>(), Vec::from_iter(newest));
    // Where there is nothing to be deleted nothing is asked.
    pty.wait_prompt("local:state> ");
    pty.line("!savepoints prune --keep 1");
    pty.wait_text("no savepoint is to be deleted");
    pty.wait_prompt("local:state> ");
    pty.line("!quit");
    assert_eq!(pty.wait().code, 0);
}
