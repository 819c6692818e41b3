//! Servers that are killed, hang, and come back.

use rustix::process::Signal;

use super::has_metadata;
use crate::cluster::{Cluster, Service};
use crate::job::Job;
use crate::shell::Shell;
use crate::suite::cases;

cases! {
    own 1: a_jobmanager_that_hangs_and_is_killed,
}

/// Without high availability a new JobManager knows nothing of the jobs of the old one.
fn a_jobmanager_that_hangs_and_is_killed(cluster: &Cluster) {
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

    cluster.kill(Service::JobManager);
    shell
        .one_shot(&format!("job {job}"))
        .expect(5, "")
        .expect_stderr("can't be reached");
    prompt.line(&format!("!job {job}"));
    prompt.wait_text("can't be reached");

    cluster.start_again(Service::JobManager);
    shell.one_shot(&format!("job {job}")).expect(1, "").expect_stderr(&job);
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
