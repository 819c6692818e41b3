//! What is shown of a job and of a failure, beside the lists.

use serde_json::json;

use crate::cluster::Cluster;
use crate::job::Job;
use crate::shell::{Shell, object, objects};
use crate::suite::cases;

cases! {
    jobs 1: a_job_is_shown_with_its_tasks_and_its_log,
    jobs 1: a_savepoint_goes_on_without_who_asked_for_it,
    jobs 0: the_last_error_is_shown_at_length,
}

fn a_job_is_shown_with_its_tasks_and_its_log(cluster: &Cluster) {
    let shell = Shell::rest(cluster);
    let job = Job::start(cluster, "looked at");
    cluster.witness().wait_checkpoint(&job);
    let shown = shell.one_shot(&format!("job {job} --json")).expect_code(0);
    let shown = object(&shown.stdout);
    let tasks = shown["vertices"].as_array().unwrap();
    assert!(!tasks.is_empty(), "{shown}");
    for task in tasks {
        assert_eq!(task["state"], "RUNNING", "{task}");
        assert!(task.get("busy").is_some() && task.get("back_pressured").is_some() && task.get("watermark").is_some());
    }
    let listed = shell.one_shot(&format!("checkpoints {job} --json")).expect_code(0);
    let kinds: Vec<_> = objects(&listed.stdout)
        .into_iter()
        .map(|found| found["kind"].clone())
        .collect();
    assert!(
        !kinds.is_empty() && kinds.iter().all(|kind| kind == "checkpoint"),
        "{kinds:?}"
    );
    let log = shell.one_shot(&format!("logs {job}")).expect_code(0).stdout;
    assert!(
        log.contains("JobManager: ") && log.contains(&*job) && log.contains("TaskManager "),
        "{log}"
    );
}

fn a_savepoint_goes_on_without_who_asked_for_it(cluster: &Cluster) {
    let shell = Shell::rest(cluster);
    let job = Job::start(cluster, "saved meanwhile");
    let begun = shell
        .one_shot(&format!("savepoint {job} --detach --json"))
        .expect_code(0);
    let begun = object(&begun.stdout);
    let trigger = begun["trigger"].as_str().unwrap().to_owned();
    // Another process waits for the same request, twice: it is one savepoint.
    let waits = || {
        let done = shell
            .one_shot(&format!("savepoint {job} --trigger {trigger} --json"))
            .expect_code(0);
        object(&done.stdout)["path"].clone()
    };
    let path = waits();
    assert_eq!(waits(), path);
    let counted = cluster.witness().checkpoints(&job);
    let saved = counted["history"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|taken| taken["is_savepoint"] == json!(true));
    assert!(saved.count() <= 1, "{counted}");
}

fn the_last_error_is_shown_at_length(cluster: &Cluster) {
    let shell = Shell::at(&format!("flink://{}", cluster.gateway()));
    let shown = shell.script("!set force true\nSELECT nope FROM (VALUES (1)) t(a);\n!error\n");
    assert!(
        shown.stdout.contains("Caused by: ") && shown.stdout.contains("nope"),
        "{shown}"
    );
    let plan = shell.script("!plan SELECT 1;\n").expect_code(0);
    assert!(plan.stdout.contains("== Optimized Physical Plan =="), "{plan}");
}
