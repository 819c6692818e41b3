//! The owner is killed: what it leaves behind, and the way back.

use std::fs;

use super::{COPY, END, counting, local, numbers, object, objects, slowly, stopped};
use crate::world::World;

#[test]
fn a_killed_owner_leaves_a_lost_job_that_comes_back() {
    let world = World::new();
    let mut live = slowly(&world).start();
    live.send(counting());
    live.send(COPY);
    live.send("!wait %1 --until first-checkpoint\n!job %1 --json\n!wait\n");
    let out = live.wait_for_out("the job as JSON", |out| out.contains('{') && out.ends_with('\n'));
    let id = object(&out)["job_id"].as_str().unwrap().to_owned();
    let pid = live.pid().to_string();
    live.kill();

    let output = local(&world).with("jobs -a --json").run().expect_code(0);
    let lost = object(&output.stdout);
    assert_eq!(
        (lost["job_id"].as_str(), lost["known"].as_str()),
        (Some(id.as_str()), Some("lost"))
    );
    let error = lost["error"].as_str().unwrap();
    assert!(
        error.contains(&pid) && error.contains("it can be restored from checkpoint"),
        "{error}"
    );
    let output = local(&world).with("jobs -a").run().expect_code(0);
    assert!(output.stdout.contains("lost"), "{output}");
    local(&world).with("job copy").run().expect_code(0);
    // What can't be done to it says why.
    for verb in ["savepoint", "stop", "cancel", "checkpoint"] {
        let output = local(&world).with(verb).arg("copy").run();
        output.expect(1, "").expect_stderr(&pid);
    }
    local(&world)
        .with("wait copy")
        .run()
        .expect(3, "")
        .expect_stderr("is lost");

    let output = local(&world).with("savepoints copy --json").run().expect_code(0);
    let newest = &objects(&output.stdout)[0];
    assert_eq!(
        (newest["kind"].as_str(), newest["verdict"].as_str()),
        (Some("checkpoint"), Some("usable"))
    );
    let output = local(&world).with("restore copy --json").run().expect_code(0);
    assert_eq!(object(&output.stdout)["restored_from"], newest["path"]);
    assert_eq!(numbers(&world.path("copy")), (1..=END).collect::<Vec<_>>());
}

#[test]
fn killed_again_and_again_the_sink_ends_with_each_row_once() {
    let world = World::new();
    let script = counting() + "INSERT INTO copy SELECT n FROM n;\n";
    let mut live = slowly(&world).stdin(script).start();
    // The last of those that restore it comes to the end.
    for restoring in [slowly(&world), slowly(&world), slowly(&world), local(&world)] {
        live.wait_err("[1] copy · job ");
        local(&world)
            .with("wait copy --until first-checkpoint")
            .run()
            .expect_code(0);
        live.kill();
        live = restoring.with("restore copy").start();
    }
    live.wait().expect_code(0).expect_stderr("FINISHED");
    assert_eq!(numbers(&world.path("copy")), (1..=END).collect::<Vec<_>>());
    let output = local(&world).with("jobs -a --json").run().expect_code(0);
    let known: Vec<_> = objects(&output.stdout).iter().map(|job| job["known"].clone()).collect();
    assert_eq!(known, ["ended", "lost", "lost", "lost", "lost"]);
}

#[test]
fn a_job_whose_record_can_not_be_read_is_listed_with_the_reason() {
    let world = World::new();
    drop(stopped(&world, &counting(), COPY));
    let output = local(&world).with("jobs --json").run().expect_code(0);
    let id = object(&output.stdout)["job_id"].as_str().unwrap().to_owned();
    let record = world.path(&format!("state/jobs/{id}/job.json"));
    for (bytes, reason) in [
        ("", "can't be understood"),
        (r#"{"version": 1}"#, "can't be understood"),
        (
            r#"{"version": 7, "jobs": []}"#,
            "a later version of skep has written it",
        ),
    ] {
        fs::write(&record, bytes).unwrap();
        // Whose ledger has never heard of the job has no other word of it.
        let other = || local(&world).env("SKEP_DATA_DIR", world.path("other"));
        let output = other().with("jobs --json").run().expect_code(0);
        let job = object(&output.stdout);
        assert_eq!(
            (job["job_id"].as_str(), job["known"].as_str()),
            (Some(id.as_str()), Some("lost"))
        );
        let error = job["error"].as_str().unwrap();
        assert!(error.contains("job.json") && error.contains(reason), "{error}");
        for verb in ["job", "stop", "savepoint"] {
            let output = other().with(verb).arg(&id).run();
            output.expect(1, "").expect_stderr("job.json").expect_stderr(reason);
        }
        // An end that the ledger has seen stays seen.
        let output = local(&world).with("jobs --json").run().expect_code(0);
        let job = object(&output.stdout);
        assert_eq!(
            (job["known"].as_str(), job["state"].as_str()),
            (Some("ended"), Some("FINISHED"))
        );
    }
}

#[cfg(feature = "failpoints")]
#[test]
fn what_was_written_down_and_never_begun_is_no_job_once_its_shell_is_dead() {
    let world = World::new();
    let output = local(&world)
        .env("SKEP_FAILPOINT", "ledger.intent.after")
        .stdin(counting() + COPY)
        .run();
    let _ = output.expect_code(128 + 6);
    let listed = local(&world).with("jobs --all --json").run().expect_code(0);
    assert_eq!(listed.stdout, "", "{listed}");
}
