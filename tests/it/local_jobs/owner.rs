//! A job has one owner; every other process reaches it through that.

use super::{COPY, END, counting, local, numbers, object, objects, slowly};
use crate::world::{Live, World};

/// A shell that runs the copying job, and its job as JSON.
fn owner(world: &World) -> (Live, serde_json::Value) {
    let mut live = slowly(world).start();
    // Its checkpoints stay: only one is taken.
    live.send(counting().replace("'20 ms'", "'1 h'"));
    live.send(COPY);
    live.send("!checkpoint %1\n!job %1 --json\n!wait\n");
    let out = live.wait_for_out("the job as JSON", |out| out.contains('{') && out.ends_with('\n'));
    let job = object(&out);
    (live, job)
}

#[test]
fn another_process_lists_saves_and_stops_a_job() {
    let world = World::new();
    let (live, job) = owner(&world);
    let id = job["job_id"].as_str().unwrap().to_owned();

    let output = local(&world).with("jobs --all --json").run().expect_code(0);
    let listed = object(&output.stdout);
    assert_eq!(listed["job_id"], id.as_str());
    assert_eq!(
        (listed["state"].as_str(), listed["known"].as_str()),
        (Some("RUNNING"), Some("live"))
    );
    assert!(listed["rows_in"].is_u64() && listed["checkpoint_id"] == 1, "{output}");

    // By id, by its beginning, by name.
    for word in [id.as_str(), &id[..4], "copy"] {
        let output = local(&world).with("savepoint --json").arg(word).run().expect_code(0);
        let savepoint = object(&output.stdout);
        assert_eq!(
            (&savepoint["job_id"], &savepoint["kind"]),
            (&job["job_id"], &"savepoint".into())
        );
        assert!(
            world
                .path(savepoint["path"].as_str().unwrap())
                .join("_metadata")
                .exists()
        );
    }
    let output = local(&world).with("checkpoint copy").run().expect_code(0);
    output.stdout.trim().parse::<u64>().expect("the checkpoint's number");
    local(&world).with("job copy").run().expect_code(0);
    local(&world).with("logs copy").run().expect_code(0);
    local(&world)
        .with("wait copy --until running --timeout 2m")
        .run()
        .expect_code(0);
    local(&world).with("wait copy --timeout 10ms").run().expect_code(4);

    let output = local(&world).with("stop copy").run().expect_code(0);
    let path = output.stdout.trim().to_owned();
    // The owner sees that its job has ended, and so does its `!wait`.
    let output = live.wait().expect_code(0).expect_stderr("[1] copy is FINISHED");
    assert!(!output.stderr.contains("to go on"), "{output}");

    local(&world)
        .with("restore copy AS INSERT INTO copy SELECT n FROM n WHERE n < 0")
        .arg("&")
        .run()
        .expect_code(1);
    let output = local(&world).with("savepoints copy --json").run().expect_code(0);
    assert_eq!(objects(&output.stdout)[0]["path"], path.as_str());
}

#[test]
fn another_process_cancels_a_job() {
    let world = World::new();
    let (live, job) = owner(&world);
    let output = local(&world).with("cancel copy --json").run().expect_code(0);
    assert_eq!(object(&output.stdout)["state"], "CANCELED");
    // Whoever waited for it is told so.
    live.wait().expect_code(3).expect_stderr("ended CANCELED");
    let output = local(&world).with("jobs -a --json").run().expect_code(0);
    let listed = object(&output.stdout);
    assert_eq!(
        (&listed["job_id"], &listed["ended_by"]),
        (&job["job_id"], &"cancelled".into())
    );
}

#[test]
fn who_goes_on_from_a_drained_savepoint_is_told_what_that_means() {
    let world = World::new();
    let (live, _) = owner(&world);
    drop(local(&world).with("stop copy --drain --yes").run().expect_code(0));
    // What has ended is not asked about: there is nothing to lose.
    let again = local(&world).with("stop copy --drain").run().expect_code(1);
    assert!(
        !again.stderr.contains("--yes") && again.stderr.contains("FINISHED"),
        "{again}"
    );
    drop(live.wait().expect_code(0));
    let output = local(&world).with("restore copy").run().expect_code(0);
    drop(output.expect_stderr("drained into this savepoint"));
}

/// The owner ends with its job, and so fast that whoever asked for the end hears no answer.
#[cfg(feature = "failpoints")]
#[test]
fn an_end_that_was_asked_for_is_known_though_the_owner_dies_without_an_answer() {
    let owner = |world: &World, point: &str| {
        let mut live = slowly(world).env("SKEP_FAILPOINT", point).start();
        live.send(counting());
        live.send(COPY);
        live.send("!wait --until first-checkpoint\n!wait\n");
        live.wait_err("is RUNNING · checkpoint ");
        live
    };
    for (verb, ended_by) in [
        ("stop", "stopped"),
        ("stop --drain --yes", "drained"),
        ("cancel", "cancelled"),
    ] {
        let world = World::new();
        let live = owner(&world, "end.after-record");
        let output = local(&world).with(verb).arg("copy").run().expect_code(0);
        drop(live.wait_open().expect_code(128 + 6));
        let jobs = local(&world).with("jobs -a --json").run().expect_code(0);
        let job = object(&jobs.stdout);
        assert_eq!(job["ended_by"], ended_by, "{jobs}");
        if ended_by != "cancelled" {
            assert_eq!(job["savepoint"], output.stdout.trim(), "{output}");
        }
        let rows = numbers(&world.path("copy"));
        assert_eq!(rows, (1..=rows.len() as u64).collect::<Vec<_>>());
    }
    // Before it has written down its end it is lost, and there is no more to say; what it saved is there.
    for verb in ["stop", "cancel"] {
        let world = World::new();
        let live = owner(&world, "end.before-record");
        let output = local(&world).with(verb).arg("copy").run();
        drop(live.wait_open().expect_code(128 + 6));
        drop(output.expect(1, "").expect_stderr("copy"));
        let job = object(&local(&world).with("jobs -a --json").run().expect_code(0).stdout);
        assert_eq!(job["known"], "lost");
        assert_eq!(job["savepoint"].is_string(), verb == "stop");
        drop(local(&world).with("restore copy").run().expect_code(0));
        assert_eq!(numbers(&world.path("copy")), (1..=END).collect::<Vec<_>>());
    }
}

#[test]
fn a_running_job_is_not_restored_and_its_owner_is_named() {
    let world = World::new();
    let (live, job) = owner(&world);
    let pid = live.pid().to_string();
    for which in ["", "latest", "1"] {
        let output = local(&world).with("restore copy").with(which).run().expect(1, "");
        let output = output.expect_stderr(&pid).expect_stderr("still runs");
        drop(output);
    }
    // Nor are its checkpoints, by their path.
    let checkpoint = job["checkpoints"][0]["path"].as_str().unwrap();
    let script = format!(
        "{}!restore {checkpoint} AS INSERT INTO copy SELECT n FROM n;",
        counting()
    );
    local(&world).stdin(script).run().expect(1, "").expect_stderr(&pid);
    let output = local(&world).with("jobs -a --json").run().expect_code(0);
    assert_eq!(object(&output.stdout)["job_id"], job["job_id"], "it is the only one");
    live.kill();
}

#[test]
fn the_end_of_a_script_stops_its_jobs_and_says_how_to_go_on() {
    for end in ["", "!quit\n"] {
        let world = World::new();
        let script = format!("{}{COPY}!wait %1 --until first-checkpoint\n{end}", counting());
        let output = slowly(&world).stdin(script).run().expect(0, "");
        let output = output.expect_stderr("[1] copy stopped with a savepoint · checkpoint ");
        let output = output
            .expect_stderr("    to go on: skep -u local:/")
            .expect_stderr("/state, then !restore copy\n");
        drop(output);
        local(&world).stdin("!restore copy\n").run().expect_code(0);
        assert_eq!(numbers(&world.path("copy")), (1..=END).collect::<Vec<_>>());
    }
}

#[test]
fn a_one_shot_restore_stays_until_the_job_ends() {
    let world = World::new();
    super::stopped(&world, &counting(), COPY);
    let output = local(&world).with("restore copy").run().expect_code(0);
    let output = output.expect_stderr("[1] copy FINISHED");
    drop(output);
    assert_eq!(numbers(&world.path("copy")), (1..=END).collect::<Vec<_>>());
}

#[test]
fn a_one_shot_restore_of_an_endless_job_is_stopped_by_sigterm() {
    let world = World::new();
    super::stopped(&world, &counting(), COPY);
    let live = slowly(&world).with("restore copy --json").start();
    live.wait_out("job_id");
    local(&world)
        .with("wait copy --until first-checkpoint")
        .run()
        .expect_code(0);
    live.signal(rustix::process::Signal::TERM);
    live.wait_open()
        .expect_code(143)
        .expect_stderr("stopped with a savepoint");
    let rows = numbers(&world.path("copy"));
    assert_eq!(rows, (1..=rows.len() as u64).collect::<Vec<_>>());
}
