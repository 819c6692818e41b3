//! What skep makes of answers that are late, cut, broken, or somebody else's.

use std::fs;
use std::time::Duration;

use super::has_metadata;
use crate::cluster::Cluster;
use crate::job::Job;
use crate::proxy::{Break, Proxy};
use crate::shell::{Shell, object};
use crate::suite::cases;
use crate::witness::wait_for;
use crate::world::Output;
use crate::world::http::Fault;

cases! {
    jobs 1: a_savepoint_whose_acceptance_is_cut_off_is_asked_for_once_more_and_made_once,
    jobs 1: a_stop_whose_answer_is_lost_stops_once,
    jobs 1: a_shell_that_is_killed_while_it_saves_saves_once,
    jobs 1: an_answer_cut_at_any_byte_is_an_error_or_asked_for_again,
    jobs 0: answers_of_any_kind_make_an_error,
    jobs 0: an_answer_without_an_end_takes_no_memory,
    jobs 1: a_slow_server_is_waited_for,
    jobs 0: nobody_is_sent_elsewhere,
}

/// skep, by way of a proxy.
fn through(cluster: &Cluster) -> (Proxy, Shell) {
    let proxy = Proxy::before(&cluster.rest());
    let shell = Shell::at(&format!("flink-rest://{}", proxy.address()));
    (proxy, shell)
}

/// An error in words: no panic, and nothing that moves a terminal's cursor.
#[track_caller]
fn assert_told(output: &Output, codes: &[i32]) {
    assert!(codes.contains(&output.code), "{output}");
    assert!(output.stderr.contains("error: "), "{output}");
    assert!(!output.stderr.contains("panicked"), "{output}");
    assert!(!output.stderr.chars().any(|c| c.is_control() && c != '\n'), "{output}");
}

/// Savepoints that the cluster has made of a job, complete or not.
fn savepoints_of(cluster: &Cluster, job: &str) -> usize {
    let made = fs::read_dir(cluster.path("savepoints")).unwrap();
    let of_job = format!("savepoint-{}-", &job[..6]);
    let names = made.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(&of_job)).count()
}

fn a_savepoint_whose_acceptance_is_cut_off_is_asked_for_once_more_and_made_once(cluster: &Cluster) {
    let (proxy, shell) = through(cluster);
    let job = Job::start(cluster, "savepoint, cut off");
    let asked = format!("POST /v1/jobs/{job}/savepoints");
    for bytes in [0, 1, 17, 60, 120] {
        let before = proxy.seen(&asked).len();
        proxy.break_next(&asked, Break::Short(bytes));
        let output = shell.one_shot(&format!("savepoint {job}")).expect_code(0);
        assert!(has_metadata(output.stdout.trim_end()), "{output}");
        let sent = proxy.seen(&asked).split_off(before);
        assert_eq!(sent.len(), 2, "{sent:?}");
        assert!(
            sent[0].body["triggerId"].is_string() && sent[0].body == sent[1].body,
            "{sent:?}"
        );
        cluster.witness().wait_savepoint(&job, output.stdout.trim_end());
    }
    assert_eq!(savepoints_of(cluster, &job), 5);
}

fn a_stop_whose_answer_is_lost_stops_once(cluster: &Cluster) {
    let (proxy, shell) = through(cluster);
    let job = Job::start(cluster, "stop, cut off");
    let asked = format!("POST /v1/jobs/{job}/stop");
    proxy.break_next(&asked, Break::After(Fault::Cut));
    let output = shell.one_shot(&format!("stop {job}")).expect_code(0);
    assert!(has_metadata(output.stdout.trim_end()), "{output}");
    let sent = proxy.seen(&asked);
    assert!(sent.len() == 2 && sent[0].body == sent[1].body, "{sent:?}");
    assert_eq!(cluster.witness().state(&job), "FINISHED");
}

fn a_shell_that_is_killed_while_it_saves_saves_once(cluster: &Cluster) {
    let (proxy, shell) = through(cluster);
    let job = Job::start(cluster, "saved by the dead");
    let asked = format!("POST /v1/jobs/{job}/savepoints");
    let saving = shell.skep().with("savepoint").arg(&*job).start();
    proxy.wait_seen(&asked, 1);
    saving.kill();
    let made = wait_for("the savepoint", || {
        let now = cluster.witness().checkpoints(&job);
        let path = now["latest"]["savepoint"]["external_path"].as_str().map(str::to_owned);
        path.ok_or(now)
    });
    assert!(has_metadata(&made));
    assert_eq!(proxy.seen(&asked).len(), 1);
    assert_eq!(savepoints_of(cluster, &job), 1);
}

fn an_answer_cut_at_any_byte_is_an_error_or_asked_for_again(cluster: &Cluster) {
    let (proxy, shell) = through(cluster);
    let job = Job::start(cluster, "answers cut");
    let asked = format!("GET /v1/jobs/{job}/status");
    let whole = 200;
    for bytes in 0..whole {
        // Once, which is made good; then each time, which is told.
        if bytes % 20 == 0 {
            proxy.break_next(&asked, Break::Short(bytes));
            let _ = shell.one_shot(&format!("job {job} --json")).expect_code(0);
        }
        proxy.break_all(&asked, Break::Short(bytes));
        let output = shell.one_shot(&format!("job {job}"));
        proxy.mend();
        let complete = output.code == 0 && output.stdout.contains("RUNNING");
        if complete {
            // Nothing was cut any more.
            assert!(bytes > 60, "{bytes}: {output}");
            return;
        }
        assert_told(&output, &[1, 5]);
    }
    panic!("an answer of {whole} bytes is not whole");
}

fn answers_of_any_kind_make_an_error(cluster: &Cluster) {
    let (proxy, shell) = through(cluster);
    for fault in [
        Fault::Status(500, r#"{"errors": ["Internal server error."]}"#),
        Fault::Status(500, "\u{1b}[31mred\u{7}"),
        Fault::Status(404, "<html>nothing here</html>"),
        Fault::Status(200, r#"{"jobs": ["#),
        Fault::Status(200, r#"{"jobs": 7}"#),
        Fault::Status(200, r#"{"jobs": [{"jid": 7, "name": [], "state": null}]}"#),
        Fault::Status(200, ""),
        Fault::Status(204, ""),
        Fault::Body(vec![0xff, 0xfe, 0, 1]),
        Fault::NotHttp,
        Fault::Huge,
        Fault::Cut,
    ] {
        // The first answer, and one in the middle of the work.
        for asked in ["GET /v1/config", "GET /v1/jobs/overview"] {
            proxy.break_all(asked, Break::Before(fault.clone()));
            let output = shell.one_shot("cancel ffffffffffffffff");
            proxy.mend();
            assert_told(&output, &[1, 5]);
        }
    }
}

fn an_answer_without_an_end_takes_no_memory(cluster: &Cluster) {
    let (proxy, shell) = through(cluster);
    for fault in [Fault::Line(1 << 30), Fault::Endless] {
        proxy.break_all("GET /v1/jobs/overview", Break::Before(fault));
        let mut asking = shell.skep().with("--force").start();
        asking.send("!jobs -a\n!set\n");
        // What follows is done all the same.
        asking.wait_err("is longer than");
        #[cfg(target_os = "linux")]
        assert!(asking.peak_memory() < 400_000, "{} kB", asking.peak_memory());
        proxy.mend();
        let _ = asking.wait();
    }
}

fn a_slow_server_is_waited_for(cluster: &Cluster) {
    let (proxy, shell) = through(cluster);
    let job = Job::start(cluster, "far away");
    proxy.break_all("*", Break::Late(Duration::from_millis(300)));
    let output = shell.one_shot(&format!("savepoint {job} --json")).expect_code(0);
    let path = object(&output.stdout)["path"].as_str().unwrap().to_owned();
    cluster.witness().wait_savepoint(&job, &path);
    assert_eq!(proxy.seen("POST *").len(), 1);
}

fn nobody_is_sent_elsewhere(cluster: &Cluster) {
    let (proxy, shell) = through(cluster);
    let elsewhere = Proxy::before(&cluster.rest());
    let there = format!("http://{}/v1/jobs/overview", elsewhere.address());
    proxy.break_all("GET /v1/jobs/overview", Break::Before(Fault::Redirect(there)));
    assert_told(&shell.one_shot("cancel ffffffffffffffff"), &[1, 5]);
    assert_eq!(elsewhere.seen("*").len(), 0);
}
