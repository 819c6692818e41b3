//! Job verbs where the cluster's REST interface can't be reached: what SQL can do is done, the rest is said.

use skep::ledger::Outcome;

use super::has_metadata;
use crate::cluster::Cluster;
use crate::job::Job;
use crate::shell::{Shell, object, objects};
use crate::suite::cases;

cases! {
    jobs 4: what_sql_can_do_is_done,
}

fn what_sql_can_do_is_done(cluster: &Cluster) {
    // Nobody listens on port 1.
    let shell = Shell::at(&format!("flink://{};rest=127.0.0.1:1", cluster.gateway()));
    let witness = cluster.witness();
    let (cancelled, stopped) = (Job::start(cluster, "SQL cancels"), Job::start(cluster, "SQL stops"));

    let listed = objects(&shell.one_shot("jobs --all --json").expect_code(0).stdout);
    for job in [&cancelled, &stopped] {
        let found = listed
            .iter()
            .find(|found| found["job_id"] == **job)
            .expect("it is listed");
        assert_eq!(found["state"], "RUNNING");
    }
    let shown = object(&shell.one_shot(&format!("job {stopped} --json")).expect_code(0).stdout);
    assert_eq!(
        (&shown["name"], &shown["state"]),
        (&"SQL stops".into(), &"RUNNING".into())
    );
    let shown = shell
        .script(&format!("SHOW JOBS;\nDESCRIBE JOB '{cancelled}';\n"))
        .expect_code(0);
    assert!(
        shown.stdout.contains(&stopped[..8]) && shown.stdout.contains("SQL cancels"),
        "{shown}"
    );

    // What it can't do is said, with why and what would help, and nothing is done.
    for (command, what) in [
        (format!("savepoint {stopped}"), "take a savepoint of a job that runs on"),
        (format!("checkpoint {stopped}"), "trigger a checkpoint"),
        (format!("stop {stopped} --format native"), "ask for the native format"),
        (
            format!("savepoint {stopped} --detach"),
            "take a savepoint of a job that runs on",
        ),
        (format!("logs {stopped}"), "read what a job has logged"),
        (
            format!("cancel --savepoint {stopped}"),
            "take a savepoint of a job that runs on",
        ),
    ] {
        let output = shell.one_shot(&command).expect(1, "");
        let output = output.expect_stderr(what).expect_stderr("127.0.0.1:1");
        assert!(output.stderr.contains("--rest"), "{output}");
    }
    assert_eq!(witness.state(&stopped), "RUNNING");

    let output = shell.one_shot(&format!("cancel {cancelled}")).expect(0, "");
    output.expect_stderr("CANCELED");
    assert_eq!(witness.state(&cancelled), "CANCELED");
    let dir = super::uri(&cluster.path("savepoints/by-sql"));
    let output = shell.one_shot(&format!("stop {stopped} --dir {dir}")).expect_code(0);
    let path = output.stdout.trim_end();
    assert!(path.contains("/by-sql/") && has_metadata(path), "{output}");
    assert_eq!(witness.state(&stopped), "FINISHED");

    let another = Shell::at(&format!("flink://{};rest=127.0.0.1:1", cluster.gateway()));
    // A state where neither this machine nor the cluster's statistics can look is the gateway's to judge.
    let sql = "INSERT INTO nowhere SELECT id FROM gen";
    let tables = "CREATE TEMPORARY TABLE gen (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '5');\n\
                  CREATE TEMPORARY TABLE nowhere (id BIGINT) WITH ('connector' = 'blackhole');\n";
    let script = format!("{tables}!restore s3://nowhere/savepoint-c0ffee-1 AS {sql};\n");
    let output = another
        .script(&script)
        .expect(1, "")
        .expect_stderr("whether it is there and whole was not checked");
    assert!(output.stderr.contains("scheme 's3'"), "{output}");

    // A job of the shell's own is known by its id all the same, and SQL's own verbs reach it.
    let output = shell
        .script(
            "SET 'pipeline.name' = 'started without REST';\n\
             CREATE TEMPORARY TABLE gen (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '5');\n\
             CREATE TEMPORARY TABLE nowhere (id BIGINT) WITH ('connector' = 'blackhole');\n\
             INSERT INTO nowhere SELECT id FROM gen;\n\
             !wait --until running\n",
        )
        .expect_code(0);
    let job = witness.wait_named("started without REST");
    let intents = shell.ledger();
    assert_eq!(intents.len(), 1, "{output}");
    assert_eq!(
        (intents[0].job_id().to_string(), &intents[0].outcome),
        (job.clone(), &Outcome::Accepted),
        "{output}"
    );
    witness.wait_running(&job);
    let stop = format!("STOP JOB '{job}' WITH SAVEPOINT WITH DRAIN;\n");
    let output = shell.script(&stop).expect_code(0);
    assert!(has_metadata(output.stdout.trim_end()), "{output}");
    assert_eq!(witness.state(&job), "FINISHED");
}
