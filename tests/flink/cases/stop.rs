//! `!stop`.

use super::{has_metadata, unwritable, uri};
use crate::cluster::Cluster;
use crate::job::Job;
use crate::shell::{Shell, object};
use crate::suite::cases;

cases! {
    jobs 1: ends_the_job_with_a_savepoint,
    jobs 1: drained,
    jobs 1: into_a_directory,
    jobs 1: runs_on_when_the_savepoint_fails,
}

fn ends_the_job_with_a_savepoint(cluster: &Cluster) {
    let shell = Shell::rest(cluster);
    let job = Job::start(cluster, "to be stopped");
    let output = shell.one_shot(&format!("stop {job}")).expect_code(0);
    let path = output.stdout.trim_end();
    assert!(has_metadata(path), "{output}");
    // The command does not say so before it is so.
    assert_eq!(cluster.witness().state(&job), "FINISHED");
    assert_eq!(
        cluster.witness().wait_savepoint(&job, path)["savepointFormat"],
        "CANONICAL"
    );
    let shown = shell.one_shot(&format!("job {job} --json")).expect_code(0);
    let shown = object(&shown.stdout);
    assert_eq!(
        (&shown["state"], &shown["known"]),
        (&"FINISHED".into(), &"ended".into())
    );
    // Once more is refused, and says why.
    shell
        .one_shot(&format!("stop {job}"))
        .expect(1, "")
        .expect_stderr("is FINISHED");
}

fn drained(cluster: &Cluster) {
    let shell = Shell::rest(cluster);
    let job = Job::start(cluster, "to be drained");
    // What can't be taken back is asked for, and nobody is there to answer.
    shell
        .one_shot(&format!("stop --drain {job}"))
        .expect(1, "")
        .expect_stderr("--yes");
    assert_eq!(cluster.witness().state(&job), "RUNNING");
    let output = shell.one_shot(&format!("stop --drain --yes {job}")).expect_code(0);
    assert!(has_metadata(output.stdout.trim_end()), "{output}");
    assert_eq!(cluster.witness().state(&job), "FINISHED");
}

fn into_a_directory(cluster: &Cluster) {
    let job = Job::start(cluster, "stopped elsewhere");
    let dir = uri(&cluster.path("stopped"));
    let script = format!("!stop {job} --dir {dir} --format native\n");
    let output = Shell::rest(cluster).script(&script).expect_code(0);
    let path = output.stdout.trim_end();
    assert!(
        path.starts_with(&format!("{dir}/savepoint-")) && has_metadata(path),
        "{output}"
    );
    assert_eq!(cluster.witness().state(&job), "FINISHED");
    assert_eq!(
        cluster.witness().wait_savepoint(&job, path)["savepointFormat"],
        "NATIVE"
    );
}

fn runs_on_when_the_savepoint_fails(cluster: &Cluster) {
    let job = Job::start(cluster, "not to be stopped");
    let dir = unwritable(cluster, "stop-occupied");
    let output = Shell::rest(cluster)
        .one_shot(&format!("stop {job} --dir {dir}"))
        .expect(1, "");
    output.expect_stderr("FileAlreadyExistsException: ");
    assert!(cluster.witness().runs(&job));
}
