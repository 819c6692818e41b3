//! What is said of a statement or a job that fails.

use crate::cluster::Cluster;
use crate::job::Job;
use crate::shell::Shell;
use crate::suite::cases;

cases! {
    jobs 2: a_state_that_does_not_fit_starts_nothing,
    jobs 1: why_a_job_failed_that_was_waited_for,
}

fn a_state_that_does_not_fit_starts_nothing(cluster: &Cluster) {
    let job = Job::start(cluster, "whose state does not fit");
    let shell = Shell::sql(cluster);
    let saved = shell.one_shot(&format!("savepoint {job}")).expect_code(0);
    let name = "a state that does not fit";
    let script = format!(
        "CREATE TABLE gen (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '20');\n\
         CREATE TABLE nowhere (k BIGINT, n BIGINT) WITH ('connector' = 'blackhole');\n\
         SET 'pipeline.name' = '{name}';\n\
         SET 'execution.state-recovery.path' = '{}';\n\
         INSERT INTO nowhere SELECT id, id FROM gen;\n",
        saved.stdout.trim_end()
    );
    let output = shell.script(&script).expect(1, "");
    let output = output.expect_stderr("Cannot map checkpoint/savepoint state");
    assert!(!output.stderr.contains("found on the cluster"), "{output}");
    assert!(!output.stderr.contains("RUNNING"), "{output}");
    // The cluster has it in its list all the same.
    let jobs = cluster.witness().named(name);
    assert!(jobs.iter().all(|job| job.state == "FAILED"), "{jobs:?}");
}

fn why_a_job_failed_that_was_waited_for(cluster: &Cluster) {
    let output = Shell::sql(cluster)
        .script(
            "CREATE TABLE gen (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '20', \
             'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '200');\n\
             CREATE TABLE nowhere (k BIGINT, n BIGINT) WITH ('connector' = 'blackhole');\n\
             SET 'table.dml-sync' = 'true';\n\
             SET 'restart-strategy.type' = 'none';\n\
             SET 'pipeline.name' = 'fails after a while';\n\
             INSERT INTO nowhere SELECT id, 1 / (60 - id) FROM gen;\n",
        )
        .expect(3, "");
    let _ = output.expect_stderr("ended FAILED: ArithmeticException: / by zero");
}
