//! A job gets another statement, and the shell may die at any step of it.

use serde_json::Value;

use super::{COPY, END, counting, local, numbers, object, objects, slowly, stopped};
#[cfg(feature = "failpoints")]
use crate::world::Output;
use crate::world::{Live, Program, Pty, World};

/// Another statement that writes the same rows.
const SAME: &str = "INSERT INTO copy SELECT n FROM n WHERE n > 0";
/// A statement that is understood, and fails with its first row.
const FAILS: &str = "INSERT INTO copy SELECT n / (n - n) FROM n";

/// A shell that runs the copying job, which has saved something, and the job's id.
pub(super) fn owner(world: &World) -> (Live, String) {
    let mut live = slowly(world).start();
    live.send(counting());
    live.send(COPY);
    live.send("!wait %1 --until first-checkpoint\n!job %1 --json\n!wait\n");
    let out = live.wait_for_out("the job as JSON", |out| out.contains('{') && out.ends_with('\n'));
    let id = object(&out)["job_id"].as_str().unwrap().to_owned();
    (live, id)
}

#[test]
fn what_is_waited_for_stands_on_a_terminal() {
    let world = World::new();
    let mut live = slowly(&world).start();
    // So rare that the first one has to be asked for, which is after a while.
    live.send(counting().replace("'20 ms'", "'1 h'"));
    live.send(COPY);
    live.send("!wait %1 --until running\n!job %1 --json\n!wait\n");
    live.wait_for_out("the job as JSON", |out| out.contains('{') && out.ends_with('\n'));
    let program = slowly(&world).with("upgrade copy").arg(SAME);
    let mut pty = Pty::spawn(&program, 40, 160);
    pty.wait_for("what is waited for", |screen| {
        screen.has("copy RUNNING")
            && screen.has(" · its first checkpoint is awaited · ")
            && screen.has("Ctrl-C takes the upgrade back")
    });
    pty.send("\x03");
    let screen = pty.wait_text("copy runs its old statement again: job ");
    assert!(!screen.text.contains("awaited"), "{screen}");
    drop(pty);
    drop(live.wait().expect_code(0));
}

fn upgrade(world: &World, options: &str, sql: &str) -> Program {
    local(world).with("upgrade --json").with(options).arg("copy").arg(sql)
}

/// Every row is there, and once.
#[track_caller]
fn assert_whole(world: &World) {
    let rows = numbers(&world.path("copy"));
    assert!(
        rows == (1..=END).collect::<Vec<_>>(),
        "{} rows from {:?} to {:?}",
        rows.len(),
        rows.first(),
        rows.last()
    );
}

/// The jobs that run.
fn running(world: &World) -> Vec<Value> {
    let listed = local(world).with("jobs --all --json").run().expect_code(0);
    let runs = |job: &Value| job["known"] == "live";
    objects(&listed.stdout).into_iter().filter(runs).collect()
}

#[test]
fn another_statement_goes_on_from_the_state() {
    let world = World::new();
    let (live, old) = owner(&world);
    let output = upgrade(&world, "", SAME).run().expect_code(0);
    drop(live.wait().expect_code(0));
    let done = object(&output.stdout);
    assert_eq!(done["outcome"], "upgraded");
    assert_eq!(done["old_job_id"], old.as_str());
    assert_eq!(done["job_id"], done["new_job_id"]);
    let (job, path) = (done["job_id"].as_str().unwrap(), done["savepoint"].as_str().unwrap());
    let last = format!("copy is upgraded: job {job} runs · savepoint {path}");
    assert_whole(&world);
    let output = output.expect_stderr(&last);
    let shown = local(&world).with("job --json").arg(job).run().expect_code(0);
    let shown = object(&shown.stdout);
    assert_eq!(shown["restored_from"], path, "{output}");
    assert_eq!(shown["sql"], SAME);
    local(&world)
        .with("upgrade")
        .run()
        .expect(0, "")
        .expect_stderr("every upgrade is finished");
}

#[test]
fn at_the_prompt_it_may_span_lines_and_the_job_stays_in_the_session() {
    let world = World::new();
    let script = format!(
        "{}{COPY}!wait %1 --until first-checkpoint\n!upgrade %1 --until running\nINSERT INTO copy\n  SELECT n FROM n WHERE n > 0;\n\
         !jobs --json\n",
        counting()
    );
    let output = slowly(&world).stdin(script).run().expect_code(0);
    let jobs = objects(&output.stdout);
    assert_eq!(jobs.len(), 2, "{output}");
    assert_eq!(
        (&jobs[0]["state"], &jobs[1]["state"]),
        (&"FINISHED".into(), &"RUNNING".into())
    );
    assert_eq!(jobs[0]["savepoint"], jobs[1]["restored_from"]);
    // Its id is the result.
    assert_eq!(output.stdout.lines().next(), jobs[1]["job_id"].as_str());
    let output = output.expect_stderr("may come twice");
    drop(output.expect_stderr("[2] copy stopped with a savepoint"));
    drop(local(&world).with("restore copy").run().expect_code(0));
    assert_whole(&world);
}

#[test]
fn one_that_does_not_come_up_is_taken_back() {
    for (options, sql, cause) in [("", FAILS, "FAILED"), ("--timeout 0s", SAME, "it was not up after")] {
        let world = World::new();
        let (live, old) = owner(&world);
        let output = upgrade(&world, options, sql).run().expect_code(1);
        drop(live.wait().expect_code(0));
        let done = object(&output.stdout);
        assert_eq!(done["outcome"], "rolled_back", "{output}");
        assert_eq!(done["old_job_id"], old.as_str());
        assert_eq!(done["job_id"], done["restored_job_id"]);
        let (job, path) = (done["job_id"].as_str().unwrap(), done["savepoint"].as_str().unwrap());
        let output = output.expect_stderr(cause);
        let output = output.expect_stderr(&format!(
            "copy runs its old statement again: job {job} · savepoint {path}"
        ));
        // On a machine that is slow enough a checkpoint comes before the time is up, and what it wrote comes again.
        if !output.stderr.contains("comes again from the old one") {
            assert_whole(&world);
        }
    }
}

#[test]
fn what_is_refused_stops_nothing() {
    let world = World::new();
    let (live, old) = owner(&world);
    for (sql, says) in [
        ("INSERT INTO copy SELECT m FROM n", "nothing was stopped"),
        ("INSERT INTO nowhere SELECT n FROM n", "nowhere"),
        ("SELECT n FROM n", "starts no job"),
        (
            "INSERT INTO copy SELECT sum(n) FROM n GROUP BY n % 7",
            "nothing was stopped; the new statement: ",
        ),
        (
            "INSERT INTO copy SELECT n FROM n WHERE n > ${env:NOT_THERE}",
            "NOT_THERE",
        ),
    ] {
        drop(upgrade(&world, "", sql).run().expect(1, "").expect_stderr(says));
    }
    drop(upgrade(&world, "--resume", SAME).run().expect_code(2));
    drop(local(&world).with("upgrade copy").run().expect_code(2));
    drop(local(&world).with("upgrade --resume").run().expect(1, ""));
    let runs = running(&world);
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0]["job_id"], old.as_str());
    drop(live);
    let stopped = World::new();
    self::stopped(&stopped, &counting(), COPY);
    let output = upgrade(&stopped, "", SAME).run().expect(1, "");
    drop(output.expect_stderr("!restore"));
}

#[test]
fn state_that_would_be_lost_is_seen_before_anything_is_stopped() {
    let world = World::new();
    let mut live = slowly(&world).start();
    live.send(counting());
    live.send("CREATE TABLE sums (k BIGINT, s BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'memory');\n");
    live.send("INSERT INTO sums SELECT n % 7, sum(n) FROM n GROUP BY n % 7 &;\n");
    live.send("!wait %1 --until first-checkpoint\n!job %1 --json\n!wait\n");
    let out = live.wait_for_out("the job as JSON", |out| out.contains('{') && out.ends_with('\n'));
    let id = object(&out)["job_id"].as_str().unwrap().to_owned();
    let sql = "INSERT INTO sums SELECT n % 7, max(n) FROM n GROUP BY n % 7";
    let output = local(&world).with("upgrade --json sums").arg(sql).run().expect(1, "");
    let output = output.expect_stderr("nothing was stopped; the new statement does not take over the state: ");
    drop(output.expect_stderr("--allow-non-restored-state"));
    let runs = running(&world);
    assert_eq!((runs.len(), runs[0]["job_id"].as_str()), (1, Some(id.as_str())));
    drop(live);
}

#[test]
fn a_file_may_bring_tables_of_its_own() {
    let world = World::new();
    let (live, _) = owner(&world);
    let tables = counting().replace("SET 'execution.checkpointing.interval' = '20 ms';\n", "");
    let file = world.write("new.sql", &format!("-- another one\n{tables}{SAME};\n"));
    let output = local(&world)
        .with("upgrade copy --json --file")
        .arg(&file)
        .run()
        .expect_code(0);
    drop(live.wait().expect_code(0));
    assert_whole(&world);
    let job = object(&output.stdout)["job_id"].as_str().unwrap().to_owned();
    let ledger = world.path("data");
    let records = skep::ledger::Ledger::open(&ledger).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let record = runtime
        .block_on(records.job("", job.parse().unwrap()))
        .unwrap()
        .unwrap();
    assert_eq!(record.intent.prelude.len(), 3);
    for (text, says) in [
        ("", "no statement"),
        ("!jobs\n", "!jobs"),
        ("SHOW TABLES; INSERT INTO copy SELECT n FROM n;", "SHOW TABLES"),
    ] {
        let file = world.write("bad.sql", text);
        let output = local(&world).with("upgrade copy --file").arg(&file).run();
        assert_ne!(output.code, 0);
        // The job has ended by now; what is wrong with the file is not looked at before that.
        assert!(
            output.stderr.contains(says) || output.stderr.contains("needs it running"),
            "{output}"
        );
    }
}

/// Dies at a step of an upgrade; what another shell makes of it.
#[cfg(feature = "failpoints")]
fn killed_at(point: &str, options: &str, finish: &str) -> (World, Output) {
    let world = World::new();
    let script = format!(
        "{}{COPY}!wait %1 --until first-checkpoint\n!upgrade %1 {options} {SAME};\n!wait\n",
        counting()
    );
    let program = slowly(&world).env("SKEP_FAILPOINT", point).stdin(script);
    let output = program.run().expect_code(128 + 6);
    assert!(!output.stderr.contains("is not finished"), "{output}");
    // Who comes next is told.
    let next = local(&world).with("-e").arg("!upgrade --json").run().expect_code(0);
    let open = object(&next.stdout);
    let id = open["upgrade"].as_str().unwrap();
    drop(next.expect_stderr(&format!("!upgrade --resume {} goes on", &id[..8])));
    let mut finished = local(&world).with("--json upgrade").arg(finish).run();
    // What the first has said was said, too.
    finished.stderr.insert_str(0, &output.stderr);
    assert!(running(&world).is_empty());
    // And it is finished.
    drop(local(&world).with("--json upgrade").run().expect(0, ""));
    drop(local(&world).with("upgrade").arg(finish).run().expect(1, ""));
    (world, finished)
}

/// Every row is there. What the new job has committed before it was taken back comes twice, and that is said.
#[cfg(feature = "failpoints")]
#[track_caller]
fn assert_whole_but_for_what_was_said(world: &World, finished: &Output, point: &str) {
    let mut rows = numbers(&world.path("copy"));
    let all = rows.len();
    rows.dedup();
    assert_eq!(rows, (1..=END).collect::<Vec<_>>(), "{point}");
    assert!(
        all == rows.len() || finished.stderr.contains("comes again"),
        "{point}: {finished}"
    );
}

#[cfg(feature = "failpoints")]
#[test]
fn killed_at_any_step_it_is_resumed() {
    for point in [
        "ledger.upgrade.after:1",
        "upgrade.stopping",
        "upgrade.stopped",
        "upgrade.submitting",
        "upgrade.submitted",
        "upgrade.watching",
        "upgrade.up",
    ] {
        let (world, finished) = killed_at(point, "", "--resume");
        let finished = finished.expect_code(0);
        assert_eq!(object(&finished.stdout)["outcome"], "upgraded", "{point}: {finished}");
        assert_whole(&world);
    }
}

#[cfg(feature = "failpoints")]
#[test]
fn killed_while_it_is_taken_back_the_old_statement_is_restored() {
    for point in [
        "upgrade.cancelling",
        "upgrade.cancelled",
        "upgrade.restoring",
        "upgrade.restored",
    ] {
        for finish in ["--resume", "--abort"] {
            let (world, finished) = killed_at(point, "--timeout 0s", finish);
            let finished = finished.expect_code(i32::from(finish == "--resume"));
            assert_eq!(
                object(&finished.stdout)["outcome"],
                "rolled_back",
                "{point}: {finished}"
            );
            assert_whole_but_for_what_was_said(&world, &finished, point);
        }
    }
}

#[cfg(feature = "failpoints")]
#[test]
fn killed_at_any_step_it_is_taken_back() {
    for point in [
        "upgrade.stopping",
        "upgrade.stopped",
        "upgrade.submitting",
        "upgrade.submitted",
        "upgrade.watching",
        "upgrade.up",
    ] {
        let (world, finished) = killed_at(point, "", "--abort");
        let finished = finished.expect_code(0);
        assert_eq!(
            object(&finished.stdout)["outcome"],
            "rolled_back",
            "{point}: {finished}"
        );
        assert_whole_but_for_what_was_said(&world, &finished, point);
    }
}

#[cfg(feature = "failpoints")]
#[test]
fn what_somebody_starts_from_its_savepoint_and_an_unfinished_upgrade_know_of_each_other() {
    let world = World::new();
    let script = format!(
        "{}{COPY}!wait %1 --until first-checkpoint\n!upgrade %1 {SAME};\n!wait\n",
        counting()
    );
    let program = slowly(&world).env("SKEP_FAILPOINT", "upgrade.submitting").stdin(script);
    drop(program.run().expect_code(128 + 6));
    // Whoever wants the job back, or another upgrade of it, is told that there is one.
    for command in ["restore copy", "upgrade copy"] {
        let refused = local(&world)
            .with(command)
            .arg(if command == "restore copy" { "latest" } else { SAME })
            .run();
        let refused = refused
            .expect(1, "")
            .expect_stderr("an upgrade of copy is not finished");
        drop(refused.expect_stderr("!upgrade --resume "));
    }
    let mut live = slowly(&world).start();
    // It is followed to its end, which is far: what comes behind it in the script does not come.
    live.send("!restore copy --fork\n");
    live.wait_err("[1] copy · job ");
    let runs = running(&world);
    let id = runs[0]["job_id"].as_str().unwrap();
    let resumed = local(&world).with("upgrade --resume").run().expect_code(1);
    drop(resumed.expect_stderr(&format!(
        "job {id} runs, which somebody has started from the same savepoint"
    )));
    let aborted = local(&world).with("--json upgrade --abort").run().expect_code(1);
    let aborted = aborted.expect_stderr(&format!("copy goes on as job {id}"));
    assert_eq!(object(&aborted.stdout)["outcome"], "failed");
    assert_eq!(running(&world).len(), 1);
    drop(local(&world).with("--json upgrade").run().expect(0, ""));
}
