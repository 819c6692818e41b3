//! `!savepoint`.

use super::{UNKNOWN, has_metadata, unwritable, uri};
use crate::cluster::Cluster;
use crate::job::Job;
use crate::shell::{Shell, object};
use crate::suite::cases;

cases! {
    jobs 1: canonical_and_native,
    jobs 1: into_a_directory,
    jobs 1: a_directory_that_can_not_be_written,
    jobs 2: several_at_once,
    jobs 1: before_the_tasks_run,
    jobs 1: a_job_that_can_not_run,
    jobs 1: a_job_that_has_ended,
    jobs 0: an_unknown_job,
}

fn canonical_and_native(cluster: &Cluster) {
    let (shell, witness) = (Shell::rest(cluster), cluster.witness());
    let job = Job::start(cluster, "savepoint formats");
    for (format, flags) in [("CANONICAL", ""), ("NATIVE", "--format native")] {
        let output = shell.one_shot(&format!("savepoint {job} {flags}")).expect_code(0);
        let path = output.stdout.trim_end();
        let dir = uri(&cluster.path("savepoints"));
        assert!(path.starts_with(&format!("{dir}/savepoint-{}-", &job[..6])), "{output}");
        assert!(has_metadata(path), "{output}");
        assert_eq!(witness.wait_savepoint(&job, path)["savepointFormat"], format);
    }
    assert_eq!(witness.state(&job), "RUNNING");
}

fn into_a_directory(cluster: &Cluster) {
    let shell = Shell::rest(cluster);
    let job = Job::start(cluster, "savepoint elsewhere");
    let dir = uri(&cluster.path("elsewhere/deep"));
    let output = shell
        .script(&format!("!savepoint {job} --dir {dir} --json\n"))
        .expect_code(0);
    let saved = object(&output.stdout);
    let path = saved["path"].as_str().unwrap();
    assert!(
        path.starts_with(&format!("{dir}/savepoint-")) && has_metadata(path),
        "{output}"
    );
    assert_eq!(saved["job_id"], *job);
    assert_eq!(
        (&saved["kind"], &saved["verdict"]),
        (&"savepoint".into(), &"usable".into())
    );
    cluster.witness().wait_savepoint(&job, path);
}

fn a_directory_that_can_not_be_written(cluster: &Cluster) {
    let (shell, witness) = (Shell::rest(cluster), cluster.witness());
    let job = Job::start(cluster, "savepoint nowhere");
    let dir = unwritable(cluster, "savepoint-occupied");
    let output = shell.one_shot(&format!("savepoint {job} --dir {dir}")).expect(1, "");
    let output = output.expect_stderr("FileAlreadyExistsException: ");
    assert!(output.stderr.contains("the job runs on"), "{output}");
    assert_eq!(witness.state(&job), "RUNNING");
    assert_eq!(
        witness.checkpoints(&job)["latest"]["savepoint"],
        serde_json::Value::Null
    );
}

fn several_at_once(cluster: &Cluster) {
    let jobs = [Job::start(cluster, "one of two"), Job::start(cluster, "two of two")];
    let command = format!("savepoint {} {}", jobs[0], jobs[1]);
    let output = Shell::rest(cluster).one_shot(&command).expect_code(0);
    let paths: Vec<&str> = output.stdout.lines().collect();
    assert_eq!(paths.len(), 2, "{output}");
    for (job, path) in jobs.iter().zip(paths) {
        assert!(path.contains(&format!("/savepoint-{}-", &job[..6])), "{output}");
        cluster.witness().wait_savepoint(job, path);
    }
}

/// Flink says RUNNING before a job's tasks run, and refuses a savepoint until then.
fn before_the_tasks_run(cluster: &Cluster) {
    let job = Job::submit(cluster, "savepoint early");
    let output = Shell::rest(cluster)
        .one_shot(&format!("savepoint {job}"))
        .expect_code(0);
    assert!(has_metadata(output.stdout.trim_end()), "{output}");
}

fn a_job_that_can_not_run(cluster: &Cluster) {
    let job = Job::submit_query(cluster, "fails for ever", "SELECT 1 / (id - id), 1 FROM gen");
    cluster.witness().wait_state(&job, "RESTARTING");
    let output = Shell::rest(cluster).one_shot(&format!("savepoint {job}")).expect(1, "");
    output.expect_stderr("/ by zero");
}

fn a_job_that_has_ended(cluster: &Cluster) {
    let job = Job::start(cluster, "ended before");
    cluster.witness().cancel(&job);
    cluster.witness().wait_state(&job, "CANCELED");
    let output = Shell::rest(cluster).one_shot(&format!("savepoint {job}")).expect(1, "");
    output.expect_stderr("is CANCELED");
}

fn an_unknown_job(cluster: &Cluster) {
    let shell = Shell::rest(cluster);
    for verb in ["savepoint", "stop", "cancel", "checkpoint", "job", "wait", "savepoints"] {
        let output = shell.one_shot(&format!("{verb} {UNKNOWN}")).expect(1, "");
        output.expect_stderr(UNKNOWN);
    }
}
