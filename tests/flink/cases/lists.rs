//! `!jobs`, `!job` and `!savepoints`.

use super::uri;
use crate::cluster::Cluster;
use crate::job::Job;
use crate::shell::{Shell, object, objects};
use crate::suite::cases;

cases! {
    jobs 2: jobs_of_others_are_listed_with_their_states,
    jobs 1: saved_states_are_listed_until_they_are_gone,
    jobs 1: at_the_prompt,
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
    let text = shell.one_shot(&format!("job {running}")).expect_code(0);
    assert!(text.stdout.contains("Source: gen"), "{text}");
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
    prompt.wait_text("seen at the prompt");
    prompt.line(&format!("!savepoint {}", &job[..12]));
    let screen = prompt.wait_text(&format!("savepoint-{}-", &job[..6]));
    let start = screen.text.find("file:").unwrap();
    let path = screen.text[start..].split_whitespace().next().unwrap();
    cluster.witness().wait_savepoint(&job, path);
    prompt.line(&format!("!cancel {}", &job[..12]));
    prompt.wait_text("is CANCELED");
    assert_eq!(cluster.witness().state(&job), "CANCELED");
    prompt.line("!quit");
    assert_eq!(prompt.wait().code, 0);
}
