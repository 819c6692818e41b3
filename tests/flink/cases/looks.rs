//! What is shown of a job and of a failure, beside the lists.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::cluster::Cluster;
use crate::job::Job;
use crate::shell::{Shell, object, objects};
use crate::suite::cases;
use crate::witness::wait_for;

cases! {
    jobs 1: a_job_is_shown_with_its_tasks_and_its_log,
    jobs 1: a_savepoint_goes_on_without_who_asked_for_it,
    jobs 0: the_last_error_is_shown_at_length,
    jobs 2: what_a_heap_holds_is_read_from_its_checkpoints_and_savepoints,
}

fn a_job_is_shown_with_its_tasks_and_its_log(cluster: &Cluster) {
    let shell = Shell::rest(cluster);
    let job = Job::start(cluster, "looked at");
    cluster.witness().wait_checkpoint(&job);
    // The server answers from a cache that is some seconds old: it may be of when the tasks still began.
    let tasks = wait_for("tasks that are shown as running", || {
        let shown = shell.one_shot(&format!("job {job} --json")).expect_code(0);
        let tasks = object(&shown.stdout)["vertices"].as_array().unwrap().clone();
        let run = !tasks.is_empty() && tasks.iter().all(|task| task["state"] == "RUNNING");
        if run { Ok(tasks) } else { Err(tasks) }
    });
    for task in tasks {
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

/// The rows of a state that counts ids from 1 on by their last digit, as `local:` reads them, and how many ids that makes.
#[track_caller]
fn counted(reader: &Shell, path: &str) -> u64 {
    let sql = format!("SELECT k0, v0 FROM STATE OF '{path}' OPERATOR 'accState' ORDER BY k0");
    let output = reader
        .skep()
        .with("-o csv --showHeader=false -e")
        .arg(sql)
        .run()
        .expect_code(0);
    let rows: Vec<(u64, u64)> = output
        .stdout
        .lines()
        .map(|row| {
            let (key, count) = row.split_once(',').unwrap_or_else(|| panic!("{output}"));
            (key.parse().unwrap(), count.parse().unwrap())
        })
        .collect();
    let ids: u64 = rows.iter().map(|(_, count)| count).sum();
    let expected: Vec<_> = (0..10)
        .map(|key| (key, (1..=ids).filter(|id| id % 10 == key).count() as u64))
        .filter(|(_, count)| *count > 0)
        .collect();
    assert_eq!(rows, expected, "{path}");
    ids
}

fn what_a_heap_holds_is_read_from_its_checkpoints_and_savepoints(cluster: &Cluster) {
    let (shell, reader) = (Shell::rest(cluster), Shell::at("local:state"));
    // One with a state alone; one with timers and a map beside it.
    let over = "SELECT k, COUNT(*) OVER (PARTITION BY k ORDER BY pt ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM \
                (SELECT MOD(id, 10) AS k, PROCTIME() AS pt FROM gen)";
    let plain = "SELECT MOD(id, 10), COUNT(*) FROM gen GROUP BY MOD(id, 10)";
    for (name, query) in [("heap, plain", plain), ("heap, with timers", over)] {
        let job = Job::submit_query(cluster, name, query);
        cluster.witness().wait_running(&job);
        cluster.witness().wait_checkpoint(&job);
        let save = |format: &str| {
            let saved = shell
                .one_shot(&format!("savepoint {job} --format {format}"))
                .expect_code(0);
            counted(&reader, saved.stdout.trim_end())
        };
        let (canonical, native) = (save("canonical"), save("native"));
        assert!(native >= canonical && canonical > 0, "{canonical}, {native}");
        // Retained, so that it stays while it is read.
        let _ = shell.one_shot(&format!("cancel {job}")).expect_code(0);
        let number = |path: &Path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.strip_prefix("chk-").and_then(|number| number.parse::<u64>().ok())
        };
        let entries = fs::read_dir(cluster.path(&format!("checkpoints/{}", &*job))).unwrap();
        let kept = entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| number(path).is_some());
        let mut kept: Vec<_> = kept.filter(|path| path.join("_metadata").is_file()).collect();
        kept.sort_by_key(|path| number(path));
        // So many are kept; one that is older is being deleted.
        kept.drain(..kept.len().saturating_sub(3));
        let counts: Vec<u64> = kept
            .iter()
            .map(|path| counted(&reader, path.to_str().unwrap()))
            .collect();
        assert!(!counts.is_empty() && counts.is_sorted(), "{counts:?}");
    }
}
