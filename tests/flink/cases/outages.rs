//! Servers that are killed, hang, and come back.

use rustix::process::Signal;
use serde_json::json;

use super::{has_metadata, interrupts, secure, sessions, submission};
use crate::cluster::{Cluster, Options, Service};
use crate::job::Job;
use crate::shell::{Shell, object, objects};
use crate::suite::cases;
use crate::witness::wait_for;
use crate::world::Live;

cases! {
    own 7: a_jobmanager_that_hangs_and_is_killed with SECURED,
    own 4: statements_on_their_way with FORGETFUL,
}

/// What is said of an outage does not depend on how the server is reached.
const SECURED: Options = Options {
    settings: &[],
    tls: true,
};

/// Sessions are closed that were not used for as long as a shell on a busy machine never keeps silent.
const FORGETFUL: Options = Options {
    settings: &[
        ("sql-gateway.session.idle-timeout", "20 s"),
        ("sql-gateway.session.check-interval", "1 s"),
    ],
    tls: false,
};

/// One cluster for all of it, since each takes its time to start.
fn statements_on_their_way(cluster: &Cluster) {
    sessions::one_that_was_idle_for_too_long(cluster);
    submission::the_gateway_is_killed(cluster);
    sessions::a_gateway_that_is_killed_within_a_result(cluster);
    interrupts::ctrl_c_while_a_statement_is_on_its_way(cluster);
}

/// A job that had ended is told of by the History Server, with its end and its savepoint, while its cluster is away.
fn has_an_afterlife(cluster: &Cluster, ended: &str, saved: &str) {
    let with_history = Shell::rest(cluster).option("history", &format!("https://{}", cluster.history()));
    let told = with_history.one_shot(&format!("job {ended} --json")).expect_code(0);
    let told = object(&told.stdout);
    assert_eq!(
        (&told["state"], &told["ended_by"]),
        (&json!("FINISHED"), &json!("stopped")),
        "{told}"
    );
    // What the archive knows is listed; the cluster's own list could not be had.
    let listed = with_history.one_shot("jobs --all --json").expect_code(5);
    assert!(
        objects(&listed.stdout).iter().any(|job| job["job_id"] == ended),
        "{listed}"
    );
    let kept = with_history
        .one_shot(&format!("checkpoints {ended} --json"))
        .expect_code(0);
    let kept = objects(&kept.stdout);
    assert!(!kept.is_empty());
    for state in &kept {
        assert_eq!(
            (&state["kind"], &state["job_id"]),
            (&json!("checkpoint"), &json!(ended))
        );
    }
    let states = with_history
        .one_shot(&format!("savepoints {ended} --json"))
        .expect_code(0);
    let states = objects(&states.stdout);
    let found = states
        .iter()
        .find(|state| state["path"] == saved)
        .expect("the savepoint is known");
    assert_eq!(found["kind"], "savepoint", "{found}");
    let sources = found["sources"].as_array().unwrap();
    assert!(sources.contains(&json!("history")), "{found}");
    assert!(!sources.contains(&json!("cluster")), "{found}");
}

/// A shell, its standard input still open, with a job that runs.
fn with_a_job_of_its_own(cluster: &Cluster) -> Live {
    let mut shell = Shell::sql(cluster).skep().start();
    shell.send(
        "CREATE TABLE gen (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '5');\n\
         CREATE TABLE nowhere (id BIGINT) WITH ('connector' = 'blackhole');\n\
         SET 'pipeline.name' = 'known here';\nINSERT INTO nowhere SELECT id FROM gen;\n\
         !wait --until running\n",
    );
    shell.wait_err("is RUNNING");
    shell
}

/// A shell that reads a query without an end.
fn with_rows_that_come(cluster: &Cluster) -> Live {
    let mut shell = Shell::sql(cluster).skep().start();
    shell.send(
        "CREATE TABLE gen (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '5');\nSELECT id FROM gen;\n",
    );
    shell.wait_for_out("two rows", |out| out.lines().count() > 3);
    shell
}

/// Without high availability a new JobManager knows nothing of the jobs of the old one.
fn a_jobmanager_that_hangs_and_is_killed(cluster: &Cluster) {
    secure::only_who_is_known_comes_in(cluster);
    secure::all_is_done_over_tls(cluster);
    let shell = Shell::rest(cluster);
    let job = Job::start(cluster, "outlives nothing");
    cluster.witness().wait_checkpoint(&job);
    let mut prompt = shell.skep().pty();
    prompt.wait_text("Apache Flink");

    // One that says nothing is not waited for without end, and the shell goes on.
    cluster.signal(Service::JobManager, Signal::STOP);
    prompt.line("!jobs -a");
    prompt.wait_text("did not answer");
    cluster.signal(Service::JobManager, Signal::CONT);

    let ended = Job::start(cluster, "ended before");
    cluster.witness().wait_checkpoint(&ended);
    let saved = shell.one_shot(&format!("stop {ended}")).expect_code(0).stdout;
    wait_for("the History Server to know of it", || {
        cluster.witness().ask(&cluster.history(), &format!("/jobs/{ended}"))
    });

    let mut own = with_a_job_of_its_own(cluster);
    let reading = with_rows_that_come(cluster);

    cluster.kill(Service::JobManager);
    // What a shell knows of its own jobs is there all the same, and said to be old.
    own.send("!job %1\n!jobs\n");
    own.wait_out("INSERT INTO nowhere SELECT id FROM gen");
    own.wait_out("was RUNNING");
    own.wait_err("what was known of it last");
    let _ = own.wait().expect_code(0);
    // A server that is named without a scheme is reached without TLS.
    let without = Shell::rest(cluster).option("history", &cluster.history());
    let output = without.one_shot(&format!("job {ended}")).expect(5, "");
    output
        .expect_stderr("can't be reached")
        .expect_stderr("the History Server can't be asked either")
        .expect_stderr("it wants TLS: https://");
    has_an_afterlife(cluster, &ended, saved.trim());
    shell
        .one_shot(&format!("job {job}"))
        .expect(5, "")
        .expect_stderr("can't be reached");
    prompt.line(&format!("!job {job}"));
    prompt.wait_text("can't be reached");

    // The gateway goes on giving empty pages of a query whose job is gone.
    reading.wait_err("the cluster can't be asked why");
    cluster.start_again(Service::JobManager);
    let read = reading
        .wait_open()
        .expect_code(3)
        .expect_stderr("no more rows will come");
    assert!(read.stderr.contains("names what it has left"), "{read}");
    // Nobody knows it any more, but what it has left.
    let left = shell.one_shot(&format!("job {job}")).expect_code(0);
    assert!(
        left.stdout.contains("way back") && left.stdout.contains(&format!("/{job}/chk-")),
        "{left}"
    );
    // The shell that was there before works on with what there is now.
    let again = Job::start(cluster, "after the outage");
    prompt.line(&format!("!cancel {}", &again[..12]));
    prompt.wait_text("is CANCELED");
    assert_eq!(cluster.witness().state(&again), "CANCELED");
    // What the dead job has left is still there.
    let checkpoints = std::fs::read_dir(cluster.path(&format!("checkpoints/{job}"))).unwrap();
    let left = checkpoints.map(|entry| entry.unwrap().path().display().to_string());
    assert!(left.into_iter().any(|path| has_metadata(&path)));
    prompt.line("!quit");
    assert_eq!(prompt.wait().code, 0);
}
