//! `!wait`.

use crate::cluster::Cluster;
use crate::job::Job;
use crate::shell::Shell;
use crate::suite::cases;

cases! {
    jobs 1: until_it_runs_and_has_a_checkpoint,
    jobs 1: until_the_time_is_up,
    jobs 1: for_one_that_finishes,
    jobs 1: for_one_that_is_cancelled_meanwhile,
}

fn until_it_runs_and_has_a_checkpoint(cluster: &Cluster) {
    let shell = Shell::rest(cluster);
    let job = Job::submit(cluster, "waited for");
    let _ = shell.one_shot(&format!("wait --until running {job}")).expect(0, "");
    assert!(cluster.witness().runs(&job));
    let output = shell
        .one_shot(&format!("wait --until first-checkpoint {job}"))
        .expect(0, "");
    output.expect_stderr("checkpoint ");
    assert!(cluster.witness().checkpoints(&job)["counts"]["completed"].as_u64() > Some(0));
}

fn until_the_time_is_up(cluster: &Cluster) {
    let job = Job::start(cluster, "without an end");
    let output = Shell::rest(cluster)
        .one_shot(&format!("wait --timeout 1s {job}"))
        .expect(4, "");
    output.expect_stderr("still running");
    assert_eq!(cluster.witness().state(&job), "RUNNING");
}

fn for_one_that_finishes(cluster: &Cluster) {
    let job = Job::submit_query(
        cluster,
        "with an end",
        "SELECT id, id FROM (VALUES (CAST(1 AS BIGINT))) AS t (id)",
    );
    let _ = Shell::rest(cluster).one_shot(&format!("wait {job}")).expect(0, "");
    assert_eq!(cluster.witness().state(&job), "FINISHED");
}

fn for_one_that_is_cancelled_meanwhile(cluster: &Cluster) {
    let job = Job::start(cluster, "cancelled by another");
    let mut waiting = Shell::rest(cluster).skep().start();
    // What stands before it has been done when this is read.
    waiting.send(format!("!wait {job} --until running\n!wait {job}\n"));
    waiting.wait_err("is RUNNING");
    cluster.witness().cancel(&job);
    waiting.wait().expect(3, "").expect_stderr("CANCELED");
}
