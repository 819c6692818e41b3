//! `!upgrade`: another statement goes on counting, or the old one does; killed at any step, never two jobs do.

use std::collections::BTreeMap;
use std::fs;

use super::uri;
use crate::cluster::Cluster;
use crate::shell::{Shell, object};
use crate::suite::cases;
use crate::witness::wait_for;
use crate::world::Output;

cases! {
    jobs 2: goes_on_from_the_state,
    jobs 3: is_taken_back_if_it_does_not_come_up,
    jobs 1: refused_it_changes_nothing,
    jobs 2: killed_before_the_stop_it_is_resumed,
    jobs 2: killed_after_the_stop_it_is_resumed,
    jobs 2: killed_after_the_submission_it_is_resumed,
    jobs 3: killed_before_the_submission_it_is_taken_back,
    jobs 3: killed_while_the_new_job_is_watched_it_is_taken_back,
    jobs 3: killed_while_it_is_taken_back_it_is_resumed,
}

/// Each row's number among those of its last digit.
const OLD: &str = "INSERT INTO counted SELECT id, COUNT(*) OVER (PARTITION BY MOD(id, 10) ORDER BY pt ROWS BETWEEN \
                   UNBOUNDED PRECEDING AND CURRENT ROW) FROM (SELECT id, PROCTIME() AS pt FROM gen)";
/// The same rows by another statement of the same shape.
const NEW: &str = "INSERT INTO counted SELECT id, 1 * COUNT(*) OVER (PARTITION BY MOD(id, 10) ORDER BY pt ROWS BETWEEN \
                   UNBOUNDED PRECEDING AND CURRENT ROW) FROM (SELECT id, PROCTIME() AS pt FROM gen)";
/// It is understood, and fails with its first row.
const FAILS: &str = "INSERT INTO counted SELECT id, COUNT(*) OVER (PARTITION BY MOD(id, 10) ORDER BY pt ROWS BETWEEN \
                     UNBOUNDED PRECEDING AND CURRENT ROW) / (id - id) FROM (SELECT id, PROCTIME() AS pt FROM gen)";

/// A counting job that skep has started, and that has saved something.
struct Counting<'a> {
    cluster: &'a Cluster,
    name: &'a str,
    shell: Shell,
    first: String,
}

impl<'a> Counting<'a> {
    fn start(cluster: &'a Cluster, name: &'a str) -> Self {
        let path = uri(&cluster.path(&format!("rows/{name}")));
        let shell = Shell::sql(cluster);
        let script = format!(
            "CREATE TABLE gen (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '20', \
             'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '50000');\n\
             CREATE TABLE counted (id BIGINT, n BIGINT) WITH ('connector' = 'filesystem', 'path' = '{path}', \
             'format' = 'csv', 'sink.rolling-policy.rollover-interval' = '2 s', \
             'sink.rolling-policy.check-interval' = '1 s');\n\
             SET 'pipeline.name' = '{name}';\n{OLD};\n"
        );
        let _ = shell.script(&script).expect_code(0);
        let first = cluster.witness().wait_named(name);
        cluster.witness().wait_running(&first);
        cluster.witness().wait_checkpoint(&first);
        Self {
            cluster,
            name,
            shell,
            first,
        }
    }

    fn upgrade(&self, options: &str, sql: &str) -> Output {
        let program = self.shell.skep().with("upgrade --json").with(options).arg(self.name);
        program.arg(sql).run()
    }

    /// Dies at that step, and is finished by another shell.
    fn killed(&self, point: &str, options: &str, finish: &str) -> Output {
        let program = self.shell.skep().env("SKEP_FAILPOINT", point);
        let program = program.with("upgrade --json").with(options).arg(self.name).arg(NEW);
        let _ = program.run().expect_code(128 + 6);
        self.shell.one_shot(&format!("upgrade --json {finish} {}", self.name))
    }

    /// One job of the name runs, and it is this one; it goes on counting from where the first one was, and every row is
    /// there once.
    fn assert_goes_on(&self, job: &str, output: &Output) {
        let witness = self.cluster.witness();
        witness.wait_running(job);
        let running: Vec<_> = witness.named(self.name);
        let running: Vec<_> = running
            .iter()
            .filter(|job| job.state == "RUNNING")
            .map(|job| &job.id)
            .collect();
        assert_eq!(running, [job], "{output}");
        assert_ne!(job, self.first);
        let before = self.rows(output).len();
        wait_for("more rows", || {
            let now = self.rows(output).len();
            if now > before { Ok(()) } else { Err(now) }
        });
        witness.cancel(job);
    }

    /// The rows in finished files: each id's number among those of its last digit. None is there twice, unless it was said
    /// that some would be.
    fn rows(&self, output: &Output) -> BTreeMap<u64, u64> {
        let mut rows = BTreeMap::new();
        let dir = self.cluster.path(&format!("rows/{}", self.name));
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            for line in fs::read_to_string(entry.path()).unwrap().lines() {
                let (id, n) = line.split_once(',').unwrap_or_else(|| panic!("{line:?}"));
                let (id, n): (u64, u64) = (id.parse().unwrap(), n.parse().unwrap());
                assert_eq!(n, (id - 1) / 10 + 1, "row {id}: {output}");
                let twice = rows.insert(id, n).is_some();
                assert!(
                    !twice || output.stderr.contains("comes again"),
                    "{id} is there twice: {output}"
                );
            }
        }
        rows
    }
}

fn goes_on_from_the_state(cluster: &Cluster) {
    let counting = Counting::start(cluster, "upgraded");
    let output = counting.upgrade("", NEW).expect_code(0);
    let done = object(&output.stdout);
    assert_eq!(done["outcome"], "upgraded");
    assert_eq!(done["old_job_id"], counting.first.as_str());
    assert!(super::has_metadata(done["savepoint"].as_str().unwrap()), "{output}");
    assert_eq!(cluster.witness().state(&counting.first), "FINISHED");
    let job = done["job_id"].as_str().unwrap();
    let last = format!("upgraded is upgraded: job {job} runs · savepoint ");
    assert!(output.stderr.lines().any(|line| line.starts_with(&last)), "{output}");
    counting.assert_goes_on(job, &output);
}

fn is_taken_back_if_it_does_not_come_up(cluster: &Cluster) {
    let counting = Counting::start(cluster, "taken-back");
    let output = counting.upgrade("--timeout 15s", FAILS).expect_code(1);
    let done = object(&output.stdout);
    assert_eq!(done["outcome"], "rolled_back", "{output}");
    let new = done["new_job_id"].as_str().unwrap();
    let state = cluster.witness().state(new);
    assert!(state == "CANCELED" || state == "FAILED", "{state}: {output}");
    let job = done["job_id"].as_str().unwrap();
    let last = format!("taken-back runs its old statement again: job {job} · savepoint ");
    assert!(output.stderr.contains(&last), "{output}");
    counting.assert_goes_on(job, &output);
}

fn refused_it_changes_nothing(cluster: &Cluster) {
    let counting = Counting::start(cluster, "not-upgraded");
    for (sql, says) in [
        ("INSERT INTO counted SELECT nothing FROM gen", "nothing was stopped"),
        ("SELECT 1", "starts no job"),
    ] {
        let _ = counting.upgrade("", sql).expect(1, "").expect_stderr(says);
    }
    assert!(cluster.witness().runs(&counting.first));
    cluster.witness().cancel(&counting.first);
}

/// What comes of an upgrade that died at that step.
fn finished(cluster: &Cluster, name: &str, point: &str, options: &str, finish: &str, outcome: &str) {
    let counting = Counting::start(cluster, name);
    let output = counting.killed(point, options, finish);
    let done = object(&output.stdout);
    assert_eq!(done["outcome"], outcome, "{output}");
    let code = i32::from(outcome == "rolled_back" && finish == "--resume");
    let output = output.expect_code(code);
    counting.assert_goes_on(done["job_id"].as_str().unwrap(), &output);
}

fn killed_before_the_stop_it_is_resumed(cluster: &Cluster) {
    finished(cluster, "killed-1", "upgrade.stopping", "", "--resume", "upgraded");
}

fn killed_after_the_stop_it_is_resumed(cluster: &Cluster) {
    finished(cluster, "killed-2", "upgrade.stopped", "", "--resume", "upgraded");
}

fn killed_after_the_submission_it_is_resumed(cluster: &Cluster) {
    finished(cluster, "killed-3", "upgrade.submitted", "", "--resume", "upgraded");
}

fn killed_before_the_submission_it_is_taken_back(cluster: &Cluster) {
    finished(cluster, "killed-4", "upgrade.submitting", "", "--abort", "rolled_back");
}

fn killed_while_the_new_job_is_watched_it_is_taken_back(cluster: &Cluster) {
    finished(cluster, "killed-5", "upgrade.watching", "", "--abort", "rolled_back");
}

fn killed_while_it_is_taken_back_it_is_resumed(cluster: &Cluster) {
    let options = "--timeout 0s";
    finished(
        cluster,
        "killed-6",
        "upgrade.restored",
        options,
        "--resume",
        "rolled_back",
    );
}
