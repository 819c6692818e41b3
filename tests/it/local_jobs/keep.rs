//! What is kept beside the jobs: labels and notes, regular savepoints, and a ledger that goes elsewhere.

use std::fs;

use super::{COPY, END, counting, local, numbers, object, objects, slowly, stopped};
use crate::world::World;

#[test]
fn a_state_is_labelled_and_noted_later_and_found_by_its_label() {
    let world = World::new();
    let path = stopped(&world, &counting(), COPY);
    let output = local(&world)
        .with("note --label good")
        .arg(&path)
        .arg("the last one of")
        .arg("Monday")
        .run();
    let output = output.expect_code(0).expect_stderr("has the label good");
    assert!(output.stdout.contains("the last one of Monday"), "{output}");
    drop(local(&world).with("note copy").arg("carries on").run().expect_code(0));
    let output = local(&world).with("--json note good").run().expect_code(0);
    let note = object(&output.stdout);
    assert_eq!(
        (&note["path"], &note["text"]),
        (&path.as_str().into(), &"the last one of Monday".into())
    );
    let output = local(&world).with("--json note copy").run().expect_code(0);
    assert!(object(&output.stdout)["job_id"].is_string());
    // A label is a saved state's.
    drop(
        local(&world)
            .with("note copy --label better")
            .run()
            .expect(1, "")
            .expect_stderr("saved state"),
    );
    for label in ["latest", "42", "a/b", "@noon", ""] {
        let output = local(&world)
            .arg("note")
            .arg(format!("--label={label}"))
            .arg(&path)
            .run();
        assert!(output.code == 1 && output.stderr.contains("label"), "{output}");
        let other = World::new();
        let script = format!("{}{COPY}!savepoint %1 '--label={label}'\n!cancel %1\n", counting());
        let output = local(&other).stdin(script).run();
        assert!(output.code != 0 && output.stderr.contains("label"), "{output}");
    }
    let output = local(&world).with("--json restore copy good").run().expect_code(0);
    assert_eq!(object(&output.stdout)["restored_from"], path.as_str());
    assert_eq!(numbers(&world.path("copy")), (1..=END).collect::<Vec<_>>());
    drop(local(&world).with("drop-savepoint good --yes").run().expect_code(0));
    assert!(!fs::exists(&path).unwrap());
}

#[test]
fn from_another_home_a_rebuilt_ledger_brings_the_job_back() {
    let world = World::new();
    let path = stopped(&world, &counting(), COPY);
    let elsewhere = || local(&world).env("SKEP_DATA_DIR", world.path("other home"));
    let output = elsewhere().with("--json ledger rebuild").run().expect_code(0);
    let rebuilt = object(&output.stdout);
    assert_eq!(rebuilt["jobs"], 1);
    assert!(rebuilt["savepoints"].as_u64().unwrap() >= 1, "{output}");
    let output = elsewhere().with("--json restore copy").run().expect_code(0);
    assert_eq!(object(&output.stdout)["restored_from"], path.as_str());
    assert_eq!(numbers(&world.path("copy")), (1..=END).collect::<Vec<_>>());
}

#[test]
fn states_of_a_directory_are_written_down() {
    let world = World::new();
    let path = stopped(&world, &counting(), COPY);
    let moved = world.path("moved");
    fs::create_dir(&moved).unwrap();
    fs::rename(&path, moved.join("savepoint-1")).unwrap();
    let other = || {
        world
            .skep()
            .with("-u local:other")
            .env("SKEP_DATA_DIR", world.path("other home"))
    };
    let output = other()
        .with("--json ledger rebuild --dir")
        .arg(&moved)
        .run()
        .expect_code(0);
    assert_eq!(object(&output.stdout)["savepoints"], 1);
    let output = other().with("--json savepoints").run().expect_code(0);
    assert_eq!(
        object(&output.stdout)["path"],
        moved.join("savepoint-1").to_str().unwrap()
    );
}

#[test]
fn a_ledger_is_carried_to_another_home() {
    let world = World::new();
    let path = stopped(&world, &counting(), COPY);
    drop(
        local(&world)
            .with("note --label good")
            .arg(&path)
            .arg("keep it")
            .run()
            .expect_code(0),
    );
    let file = world.path("ledger.jsonl");
    drop(local(&world).with("ledger export").arg(&file).run().expect(0, ""));
    // What is there is not written over.
    drop(local(&world).with("ledger export").arg(&file).run().expect(1, ""));
    let printed = local(&world).with("ledger export").run().expect_code(0);
    assert_eq!(printed.stdout, fs::read_to_string(&file).unwrap());
    let elsewhere = || local(&world).env("SKEP_DATA_DIR", world.path("other home"));
    let output = elsewhere().with("--json ledger import").arg(&file).run().expect_code(0);
    let taken = object(&output.stdout);
    // The job was found in its directory when the shell connected there.
    assert_eq!(
        (&taken["notes"], &taken["upgrades"]),
        (&1.into(), &0.into()),
        "{output}"
    );
    let again = elsewhere().with("--json ledger import").arg(&file).run().expect_code(0);
    assert_eq!(
        again.stdout,
        "{\"jobs\":0,\"savepoints\":0,\"upgrades\":0,\"notes\":0}\n"
    );
    let output = elsewhere().with("--json restore copy good").run().expect_code(0);
    assert_eq!(object(&output.stdout)["restored_from"], path.as_str());
    for (text, says) in [
        ("", "no export"),
        ("honey\n", "line 1"),
        ("{\"type\":\"ledger\",\"version\":99}\n", "newer version"),
        ("{\"type\":\"ledger\",\"version\":1}\n{\"type\":\"job\"}\n", "line 2"),
    ] {
        let bad = world.write("bad.jsonl", text);
        let output = elsewhere().with("ledger import").arg(&bad).run();
        assert!(output.code == 1 && output.stderr.contains(says), "{text:?}: {output}");
    }
}

#[test]
fn savepoints_are_taken_again_and_again_until_the_job_ends() {
    let world = World::new();
    let mut live = slowly(&world).start();
    live.send(counting());
    live.send(COPY);
    live.send("!wait %1 --until first-checkpoint\n!every 50ms !savepoint %1 --label regular\n");
    live.wait_err("!every --stop 1 ends it");
    // Nothing is typed meanwhile.
    live.wait_for_err("three savepoints", |err| {
        err.matches("[1] copy · savepoint ").count() >= 3
    });
    live.send("!every --json\n");
    let out = live.wait_for_out("the plan", |out| out.contains('{') && out.ends_with('\n'));
    let plan = object(&out);
    assert!(plan["done"].as_u64().unwrap() >= 3 && plan["failed"] == 0, "{plan}");
    assert_eq!(plan["command"], "!savepoint %1 --label regular");
    live.send("!every --stop 1\n!every\n");
    live.wait_err("nothing is planned");
    // Where nothing can be typed the way out is another one.
    let outside = local(&world).with("every 50ms savepoint copy").start();
    outside.wait_err("every 50 ms: !savepoint ");
    outside.wait_err("· Ctrl-C ends it");
    outside.wait_for_out("a path", |out| out.contains("savepoint-"));
    live.send("!every 50ms savepoint copy\n!stop %1\n");
    live.wait_err("[1] copy has ended, and with it");
    drop(outside.wait().expect_code(0));
    let output = live.wait().expect_code(0);
    assert!(!output.stderr.contains("savepoint failed"), "{output}");
    let output = local(&world).with("--json savepoints copy").run().expect_code(0);
    let labelled: Vec<_> = objects(&output.stdout)
        .into_iter()
        .filter(|state| state["label"] == "regular")
        .collect();
    assert_eq!(labelled.len(), 1, "{output}");
    for (words, says) in [
        ("every 0s savepoint copy", "longer than nothing"),
        ("every 6h savepoint copy", "does not run"),
        ("every 6h stop copy", "takes TIME"),
        ("every --stop 7", "number 7"),
    ] {
        let output = local(&world).with(words).run();
        assert!(output.code > 0 && output.stderr.contains(says), "{words}: {output}");
    }
}

#[test]
fn from_the_command_line_it_stays_until_the_job_ends() {
    let world = World::new();
    let mut owner = slowly(&world).start();
    owner.send(counting());
    owner.send(COPY);
    owner.send("!wait %1 --until first-checkpoint\n!wait\n");
    owner.wait_err("is RUNNING · checkpoint");
    let keeper = local(&world).with("every 50ms savepoint copy").start();
    let out = keeper.wait_for_out("two paths", |out| out.lines().count() >= 2);
    assert!(fs::exists(out.lines().next().unwrap()).unwrap());
    drop(local(&world).with("stop copy").run().expect_code(0));
    drop(keeper.wait().expect_code(0));
    drop(owner.wait().expect_code(0));
}

/// The label is in the ledger before the savepoint is asked for: a shell that is killed when it has been taken has not noted
/// where it is.
#[cfg(feature = "failpoints")]
#[test]
fn the_label_of_a_stop_outlives_the_shell() {
    let world = World::new();
    let (live, id) = super::upgrade::owner(&world);
    let stop = local(&world).env("SKEP_FAILPOINT", "ledger.savepoint.before");
    drop(stop.with("stop --label before-fix").arg(&id).run().expect_code(128 + 6));
    drop(live.wait().expect_code(0));
    let found = local(&world).with("savepoints --json").arg(&id).run().expect_code(0);
    let found = objects(&found.stdout);
    let labelled: Vec<_> = found.iter().filter(|state| state["label"] == "before-fix").collect();
    assert_eq!(labelled.len(), 1, "{found:?}");
    assert_eq!(labelled[0]["kind"], "savepoint");
    // It is chosen by it, and has it once.
    drop(local(&world).with("restore copy before-fix").run().expect_code(0));
    assert_eq!(numbers(&world.path("copy")), (1..=END).collect::<Vec<_>>());
}

/// What the command line or a named connection has set comes back with the job; what is about this machine does not.
#[test]
fn settings_of_the_connection_come_back_with_the_job() {
    let world = World::new();
    let script = format!(
        "{}{COPY}!wait %1 --until first-checkpoint\n!stop %1 --json\n",
        counting()
    );
    let program = slowly(&world)
        .with("-D pipeline.name=named -D table.local-time-zone=Asia/Tokyo")
        .stdin(script);
    let job = object(&program.run().expect_code(0).stdout)["job_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let recorded = local(&world).with("-o csv --showHeader=false");
    let sql = "SELECT sql FROM skep.statements WHERE kind = 'prelude' ORDER BY position LIMIT 3;";
    recorded.stdin(sql).run().expect(
        0,
        "SET 'pipeline.name' = 'named'\nSET 'table.local-time-zone' = 'Asia/Tokyo'\n\
         SET 'execution.runtime-mode' = 'streaming'\n",
    );
    let output = local(&world)
        .with("-D table.local-time-zone=UTC restore --json")
        .arg(&job)
        .run()
        .expect_code(0);
    let again = object(&output.stdout);
    assert_eq!(again["name"], "named", "{output}");
    drop(output.expect_stderr("table.local-time-zone is Asia/Tokyo as the job had it, not UTC"));
}

/// A list names no savepoint that is not there any more.
#[test]
fn a_dropped_savepoint_is_not_named() {
    let world = World::new();
    let path = stopped(&world, &counting(), COPY);
    let named = || object(&local(&world).with("jobs -a --json").run().expect_code(0).stdout)["savepoint"].clone();
    assert_eq!(named(), path.as_str());
    drop(
        local(&world)
            .with("drop-savepoint --yes")
            .arg(&path)
            .run()
            .expect_code(0),
    );
    assert_eq!(named(), serde_json::Value::Null);
}
