//! Whose a state is after a restore, and which checkpoints stay.

use super::{COUNT, Run, Tables, restored_from};
use crate::cluster::Cluster;
use crate::shell::{Shell, objects};
use crate::suite::cases;
use crate::witness::wait_for;

cases! {
    jobs 2: a_claimed_savepoint_is_asked_about_and_remembered,
    jobs 2: a_claimed_checkpoint_takes_its_siblings_along,
    jobs 2: auto_starts_a_known_statement_from_its_newest_state,
    jobs 2: kept_checkpoints_outlive_a_cancel,
    jobs 2: a_script_is_run_from_a_checkpoint,
}

/// What the list says of the states of a job, by path.
fn verdicts(shell: &Shell, job: &str) -> Vec<(String, String)> {
    let output = shell.one_shot(&format!("savepoints {job} --json")).expect_code(0);
    let text = |value: &serde_json::Value| value.as_str().unwrap().trim_start_matches("file:").to_owned();
    let states = objects(&output.stdout);
    states
        .iter()
        .map(|state| (text(&state["path"]), text(&state["verdict"])))
        .collect()
}

fn a_claimed_savepoint_is_asked_about_and_remembered(cluster: &Cluster) {
    let name = "claimed-savepoint";
    let run = Run::start(cluster, name, COUNT);
    let first = run.running();
    let output = run.shell.one_shot(&format!("stop {name}")).expect_code(0);
    let path = output.stdout.trim_end().to_owned();
    // Without a terminal nobody can be asked.
    let output = run.shell.script(&format!("!restore {name} --claim claim\n"));
    let output = output.expect(1, "").expect_stderr("--yes");
    assert!(output.stderr.contains(&format!("will delete {path}")), "{output}");
    let _ = run
        .shell
        .script(&format!("!restore {name} --claim claim --yes\n"))
        .expect_code(0);
    let job = run.running();
    assert_eq!(restored_from(cluster, &job), path);
    // Flink says so in its way.
    let restored = cluster.witness().checkpoints(&job)["latest"]["restored"].clone();
    assert_eq!(restored["is_savepoint"], false);
    let plain = path.trim_start_matches("file:").to_owned();
    let verdicts = verdicts(&run.shell, &first);
    let verdict = verdicts.iter().find(|(known, _)| *known == plain);
    let verdict = verdict.map(|(_, verdict)| verdict.as_str());
    assert!(matches!(verdict, Some("claimed" | "missing" | "gone")), "{verdicts:?}");
    cluster.witness().cancel(&job);
}

fn a_claimed_checkpoint_takes_its_siblings_along(cluster: &Cluster) {
    let name = "claimed-checkpoint";
    let run = Run::start(cluster, name, COUNT);
    let first = run.running();
    wait_for("three checkpoints", || {
        let now = cluster.witness().checkpoints(&first);
        if now["counts"]["completed"].as_u64() >= Some(3) {
            Ok(())
        } else {
            Err(now["counts"].clone())
        }
    });
    let _ = run.shell.one_shot(&format!("cancel {name}")).expect_code(0);
    let usable = || {
        let states = verdicts(&run.shell, &first).into_iter();
        states.filter(|(_, verdict)| verdict == "usable").count()
    };
    assert!(usable() >= 2);
    let output = run
        .shell
        .script(&format!("!restore {name} --claim claim --yes\n"))
        .expect_code(0);
    assert!(output.stderr.contains("which will go on looking whole"), "{output}");
    let job = run.running();
    assert_eq!(usable(), 0, "{:?}", verdicts(&run.shell, &first));
    cluster.witness().cancel(&job);
}

fn auto_starts_a_known_statement_from_its_newest_state(cluster: &Cluster) {
    let name = "auto";
    let run = Run::start(cluster, name, COUNT);
    let first = run.running();
    let tables = run.tables.statements(20, 50_000).join(";\n");
    let script = format!("!set restore auto\n{tables};\nSET 'pipeline.name' = '{name}';\n{COUNT};\n");
    let output = run.shell.script(&script).expect(0, "");
    assert!(
        output.stderr.contains("still runs: it is not started a second time"),
        "{output}"
    );
    assert_eq!(run.running(), first);
    // Its checkpoints are all that is left of it.
    let _ = run.shell.one_shot(&format!("cancel {first}")).expect_code(0);
    let output = run.shell.script(&script).expect_code(0);
    assert!(
        output.stderr.contains(&format!("has run before (job {}", &first[..8])),
        "{output}"
    );
    let job = run.running();
    assert!(restored_from(cluster, &job).contains(&format!("/{first}/chk-")));
    cluster.witness().cancel(&job);
}

fn kept_checkpoints_outlive_a_cancel(cluster: &Cluster) {
    let shell = Shell::sql(cluster);
    let tables = Tables {
        cluster,
        name: "kept-checkpoints",
    };
    let delete = "SET 'execution.checkpointing.externalized-checkpoint-retention' = 'DELETE_ON_CANCELLATION'";
    let start = |name: &str, keep: &str| {
        let tables = tables.statements(20, 50_000).join(";\n");
        let script = format!("{tables};\n{delete};\n{keep}SET 'pipeline.name' = '{name}';\n{COUNT};\n");
        let output = shell.script(&script).expect_code(0);
        let job = cluster.witness().wait_named(name);
        cluster.witness().wait_checkpoint(&job);
        let _ = shell.one_shot(&format!("cancel {job}")).expect_code(0);
        (output.stderr.contains("!set keep checkpoints"), verdicts(&shell, &job))
    };
    let (warned, left) = start("kept-not", "");
    assert!(
        warned && left.iter().all(|(_, verdict)| verdict != "usable"),
        "{left:?}"
    );
    let (warned, left) = start("kept", "!set keep checkpoints\n");
    assert!(
        !warned && left.iter().any(|(_, verdict)| verdict == "usable"),
        "{left:?}"
    );
}

fn a_script_is_run_from_a_checkpoint(cluster: &Cluster) {
    let name = "loaded";
    let run = Run::start(cluster, name, COUNT);
    let output = run.shell.one_shot(&format!("checkpoint {name} --keep")).expect_code(0);
    let (id, path) = output.stdout.trim_end().split_once(' ').unwrap();
    let _ = run.shell.one_shot(&format!("cancel {name}")).expect_code(0);
    let tables = run.tables.statements(20, 50_000).join(";\n");
    let file = cluster.path("loaded.sql");
    std::fs::write(&file, format!("{tables};\nSET 'pipeline.name' = '{name}';\n{COUNT};\n")).unwrap();
    let command = format!("run --load-checkpoint {name},{id} {}", file.display());
    let _ = run.shell.one_shot(&command).expect_code(0);
    let job = run.running();
    assert_eq!(restored_from(cluster, &job), path);
    cluster.witness().cancel(&job);
}
