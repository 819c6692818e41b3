//! `!jobs`, `!job` and `!savepoints`.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::restore::{COUNT, Run};
use super::uri;
use crate::cluster::{Cluster, Options};
use crate::job::Job;
use crate::shell::{Shell, object, objects};
use crate::suite::cases;
use crate::witness::wait_for;

/// Its statistics are as old as the first question about them, and no checkpoint is taken but those that are asked for.
const LAGGING: Options = Options {
    settings: &[
        ("web.refresh-interval", "600000"),
        ("execution.checkpointing.interval", "1 h"),
    ],
    tls: false,
};

cases! {
    jobs 2: jobs_of_others_are_listed_with_their_states,
    jobs 1: saved_states_are_listed_until_they_are_gone,
    jobs 1: at_the_prompt,
    jobs 2: what_has_become_of_a_state_is_told,
    own 1: a_running_job_needs_what_the_statistics_do_not_know_yet with LAGGING,
}

fn jobs_of_others_are_listed_with_their_states(cluster: &Cluster) {
    let shell = Shell::rest(cluster);
    let (running, ended) = (
        Job::start(cluster, "listed, runs"),
        Job::start(cluster, "listed, ended"),
    );
    cluster.witness().cancel(&ended);
    cluster.witness().wait_state(&ended, "CANCELED");
    let listed = objects(&shell.script("!jobs -a --json\n").expect_code(0).stdout);
    for (job, name, state, known) in [
        (&running, "listed, runs", "RUNNING", "live"),
        (&ended, "listed, ended", "CANCELED", "ended"),
    ] {
        let found = listed.iter().find(|found| found["job_id"] == **job).unwrap();
        assert_eq!((&found["name"], &found["state"]), (&name.into(), &state.into()));
        assert_eq!((&found["known"], &found["origin"]), (&known.into(), &"cluster".into()));
    }
    let shown = object(&shell.one_shot(&format!("job {running} --json")).expect_code(0).stdout);
    assert_eq!(shown["name"], "listed, runs");
    // The server answers from a cache that is some seconds old: somebody may have filled it before the job had tasks.
    wait_for("the tasks", || {
        let text = shell.one_shot(&format!("job {running}")).expect_code(0);
        if text.stdout.contains("Source: gen") {
            Ok(())
        } else {
            Err(text)
        }
    });
}

fn saved_states_are_listed_until_they_are_gone(cluster: &Cluster) {
    let (shell, witness) = (Shell::rest(cluster), cluster.witness());
    let job = Job::start(cluster, "listed, saved");
    witness.wait_checkpoint(&job);
    let saved = shell
        .one_shot(&format!("savepoint {job} --label before"))
        .expect_code(0);
    let path = saved.stdout.trim_end();
    witness.wait_savepoint(&job, path);
    let list = || {
        objects(
            &shell
                .one_shot(&format!("savepoints {job} --json"))
                .expect_code(0)
                .stdout,
        )
    };
    let listed = list();
    let found = listed.iter().find(|found| found["path"] == path).unwrap();
    assert_eq!(
        (&found["verdict"], &found["label"]),
        (&"usable".into(), &"before".into())
    );
    let checkpoints = uri(&cluster.path(&format!("checkpoints/{job}")));
    let is_checkpoint = |path: &serde_json::Value| path.as_str().unwrap().starts_with(&checkpoints);
    assert!(listed.iter().any(|found| is_checkpoint(&found["path"])), "{listed:?}");
    let _ = shell.one_shot(&format!("drop-savepoint {path} --yes")).expect(0, "");
    let usable = |found: &serde_json::Value| found["path"] == path && found["verdict"] == "usable";
    assert!(!list().iter().any(usable));
}

fn at_the_prompt(cluster: &Cluster) {
    let job = Job::start(cluster, "seen at the prompt");
    let mut prompt = crate::world::Pty::spawn(&Shell::rest(cluster).skep(), 40, 220);
    prompt.wait_text("Apache Flink");
    prompt.line("!jobs -a");
    // The newest is listed first: a long list takes it off the screen.
    prompt.wait_for("the job", |screen| screen.raw.contains("seen at the prompt"));
    prompt.line(&format!("!savepoint {}", &job[..12]));
    // The list names savepoints of others. A line that is whole is followed by another.
    let own = format!("/savepoint-{}-", &job[..6]);
    let path = |raw: &str| {
        let (before, after) = raw.split_once(&own)?;
        let (name, _) = after.split_once(char::is_whitespace)?;
        Some(format!("{}{own}{name}", &before[before.rfind("file:")?..]))
    };
    let screen = prompt.wait_for("the savepoint", |screen| path(&screen.raw).is_some());
    cluster.witness().wait_savepoint(&job, &path(&screen.raw).unwrap());
    prompt.line(&format!("!cancel {}", &job[..12]));
    prompt.wait_text("is CANCELED");
    assert_eq!(cluster.witness().state(&job), "CANCELED");
    prompt.line("!quit");
    assert_eq!(prompt.wait().code, 0);
}

/// What a list says of the state at that path.
#[track_caller]
fn state_at(shell: &Shell, list: &str, path: &str) -> Value {
    let output = shell.one_shot(list).expect_code(0);
    let plain = |path: &Value| path.as_str().unwrap().trim_start_matches("file:").to_owned();
    let mut states = objects(&output.stdout).into_iter();
    let found = states.find(|state| plain(&state["path"]) == path.trim_start_matches("file:"));
    found.unwrap_or_else(|| panic!("{path} is not listed\n{output}"))
}

#[track_caller]
fn assert_told(state: &Value, verdict: &str, why: &str) {
    let reasons = state["reasons"].as_array().unwrap();
    let is_why = |reason: &Value| reason.as_str().unwrap().contains(why);
    assert!(state["verdict"] == verdict && reasons.iter().any(is_why), "{state}");
}

fn what_has_become_of_a_state_is_told(cluster: &Cluster) {
    let (name, witness) = ("told", cluster.witness());
    let run = Run::new(cluster, name, COUNT);
    let shell = &run.shell;
    // No checkpoint but those which are asked for.
    let often = "SET 'execution.checkpointing.interval' = '1 h'";
    let _ = shell
        .script(&format!("{};\n{often};\n{COUNT};\n", run.prelude()))
        .expect_code(0);
    let first = witness.wait_named(name);
    witness.wait_running(&first);
    let taken = object(
        &shell
            .one_shot(&format!("checkpoint {name} --json"))
            .expect_code(0)
            .stdout,
    );
    let saved = shell.one_shot(&format!("savepoint {name}")).expect_code(0);
    let saved = saved.stdout.trim_end();
    let number = witness.wait_savepoint(&first, saved)["id"].clone();
    let listed = |job: &str| {
        let jobs = objects(&shell.one_shot("jobs --json").expect_code(0).stdout);
        jobs.into_iter().find(|listed| listed["job_id"] == job).unwrap()
    };
    let list = format!("savepoints {first} --json");

    // A running job's checkpoint is its own, a savepoint anybody's.
    let checkpoint = state_at(shell, &list, taken["path"].as_str().unwrap());
    assert_told(&checkpoint, "in_use", &format!("job {} runs", &first[..8]));
    assert_eq!(state_at(shell, &list, saved)["verdict"], "usable");
    // Another process than the one that started the job and saved it tells both.
    let job = listed(&first);
    assert_eq!(
        (&job["checkpoint_id"], &job["savepoint"]),
        (&number, &saved.into()),
        "{job}"
    );
    let table = shell.one_shot("jobs").expect_code(0);
    let line = table.stdout.lines().find(|line| line.contains(&first[..8])).unwrap();
    assert!(
        line.contains(&format!(" {number} · ")) && line.contains(" ago"),
        "{table}"
    );
    assert!(line.contains(saved), "{table}");

    let _ = shell.one_shot(&format!("drop-savepoint {saved} --yes")).expect(0, "");
    assert_told(&state_at(shell, &list, saved), "gone", "it was dropped");
    assert_eq!(listed(&first)["savepoint"], Value::Null);

    let stopped = shell.one_shot(&format!("stop {name}")).expect_code(0);
    let stopped = stopped.stdout.trim_end();
    let _ = shell
        .script(&format!("!restore {name} --claim claim --yes\n"))
        .expect_code(0);
    let second = run.running();
    assert_told(
        &state_at(shell, &list, stopped),
        "claimed",
        &format!("job {} has claimed it", &second[..8]),
    );
    // Three are kept, of which the one that was claimed is the oldest.
    for _ in 0..3 {
        let _ = shell.one_shot(&format!("checkpoint {second}")).expect_code(0);
    }
    // Flink deletes the directory last.
    let claimed = Path::new(stopped.trim_start_matches("file:"));
    wait_for("the claimed savepoint to be deleted", || match claimed.exists() {
        true => Err("it is there"),
        false => Ok(()),
    });
    assert_told(
        &state_at(shell, &list, stopped),
        "gone",
        &format!("job {} had claimed it", &second[..8]),
    );
    // The statistics of neither job know that, and no list of jobs names it.
    assert_eq!(listed(&first)["savepoint"], Value::Null);
    let shown = object(&shell.one_shot(&format!("job {second} --json")).expect_code(0).stdout);
    let own = shown["checkpoints"].as_array().unwrap().iter();
    let own: Vec<_> = own.map(|state| state["verdict"].clone()).collect();
    assert!(
        !own.is_empty() && own.iter().all(|verdict| verdict == "in_use" || verdict == "gone"),
        "{shown}"
    );
    witness.cancel(&second);
}

fn a_running_job_needs_what_the_statistics_do_not_know_yet(cluster: &Cluster) {
    let (shell, witness) = (Shell::rest(cluster), cluster.witness());
    let job = Job::submit(cluster, "younger than its statistics");
    assert_eq!(witness.checkpoints(&job)["counts"]["completed"], 0);
    witness.wait_running(&job);
    witness.trigger_checkpoint(&job);
    let dir = cluster.path(&format!("checkpoints/{}", &*job));
    let taken = wait_for("a checkpoint", || {
        let mut entries = fs::read_dir(&dir).into_iter().flatten().flatten();
        let whole = entries.find(|entry| entry.path().join("_metadata").is_file());
        whole.map(|entry| entry.path()).ok_or("there is none")
    });
    let path = uri(&taken);
    for list in [format!("savepoints {job} --json"), "savepoints --json".to_owned()] {
        let state = state_at(&shell, &list, &path);
        assert_told(&state, "in_use", &format!("job {} runs", &job[..8]));
        assert_eq!(state["sources"], serde_json::json!(["directory"]), "{state}");
    }
    let inspected = object(&shell.one_shot(&format!("inspect {path} --json")).expect_code(0).stdout);
    assert_eq!(inspected["verdict"], "in_use", "{inspected}");
    // The statistics have known of none all the time.
    assert_eq!(witness.checkpoints(&job)["counts"]["completed"], 0);
}
