//! Every verb that keeps jobs and their states, from the command line with `--json`, as a pipeline calls it.

use serde_json::Value;

use super::uri;
use crate::cluster::Cluster;
use crate::shell::{Shell, objects};
use crate::suite::cases;

cases! {
    jobs 4: each_answers_in_json_and_with_its_exit_code,
}

const OLD: &str = "INSERT INTO nowhere SELECT MOD(id, 10), COUNT(*) FROM gen GROUP BY MOD(id, 10)";
const NEW: &str = "INSERT INTO nowhere SELECT MOD(id, 10), 1 * COUNT(*) FROM gen GROUP BY MOD(id, 10)";

/// The commands in order, the exit code of each, and what each of its objects has; nothing where it answers nothing. `PATH`
/// is the savepoint that the last command has made which made one, `DIR` a directory for files.
const COMMANDS: &[(&str, i32, &[&str])] = &[
    ("jobs", 0, &["job_id", "state", "known", "as_of"]),
    ("job one-shot", 0, &["job_id", "vertices", "checkpoints", "exceptions"]),
    (
        "wait --until first-checkpoint one-shot",
        0,
        &["job_id", "checkpoint_id"],
    ),
    ("wait --timeout 1s one-shot", 4, &["job_id", "state"]),
    ("checkpoint one-shot", 0, &["checkpoint_id", "path", "kind"]),
    ("checkpoints one-shot", 0, &["path", "verdict", "reasons"]),
    ("checkpoint --keep one-shot", 0, &["checkpoint_id", "path", "verdict"]),
    (
        "savepoint one-shot --dir DIR/a --label kept",
        0,
        &["path", "label", "verdict"],
    ),
    ("savepoints one-shot", 0, &["path", "kind", "verdict", "sources"]),
    ("savepoints --dir DIR/a", 0, &["path", "kind", "verdict", "sources"]),
    ("inspect PATH", 0, &["path", "operators", "files"]),
    ("note one-shot before", 0, &["job_id", "text"]),
    ("lineage one-shot", 0, &["job_id", "how", "from"]),
    ("upgrade one-shot SQL", 0, &["outcome", "job_id", "savepoint"]),
    ("upgrade --resume one-shot", 1, &[]),
    ("stop one-shot --dir DIR/b", 0, &["path", "job_id", "verdict"]),
    ("stop one-shot", 1, &[]),
    ("savepoint one-shot", 1, &[]),
    ("restore one-shot", 0, &["job_id", "restored_from"]),
    ("restore one-shot", 1, &[]),
    ("cancel one-shot", 0, &["job_id", "state"]),
    ("wait one-shot", 3, &["job_id", "state"]),
    ("restore one-shot nothing-so-called", 1, &[]),
    (
        "run --load-checkpoint one-shot,PATH DIR/script.sql",
        0,
        &["job_id", "restored_from"],
    ),
    ("cancel one-shot", 0, &["job_id", "state"]),
    ("savepoints prune --keep 1 one-shot", 0, &["path"]),
    ("drop-savepoint PATH", 1, &[]),
    ("drop-savepoint PATH --yes", 0, &[]),
    ("inspect PATH", 1, &[]),
    ("ledger export", 0, &[]),
    ("ledger rebuild", 0, &["jobs", "savepoints"]),
    ("savepoint", 2, &[]),
    ("inspect", 2, &[]),
    ("ledger import DIR/not-there", 2, &[]),
];

fn each_answers_in_json_and_with_its_exit_code(cluster: &Cluster) {
    let shell = Shell::sql(cluster);
    let prelude = "CREATE TABLE gen (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '20', \
                   'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '50000');\n\
                   CREATE TABLE nowhere (k BIGINT, n BIGINT) WITH ('connector' = 'blackhole');\n\
                   SET 'pipeline.name' = 'one-shot';\n";
    let dir = cluster.path("one-shots");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("script.sql"), format!("{prelude}{NEW};\n")).unwrap();
    let _ = shell.script(&format!("{prelude}{OLD};\n")).expect_code(0);
    let (mut path, mut wrong) = (String::new(), Vec::new());
    for (command, code, keys) in COMMANDS {
        let mut skep = shell.skep().arg("--silent");
        // Behind a statement it would be a comment in it.
        let command = command.replacen(' ', " --json ", 1);
        let command = if command.contains("--json") {
            command
        } else {
            format!("{command} --json")
        };
        for word in command.split(' ') {
            let place = if command.contains("script") || command.contains("import") {
                dir.display().to_string()
            } else {
                uri(&dir)
            };
            skep = skep.arg(match word {
                "SQL" => NEW.to_owned(),
                word => word.replace("PATH", &path).replace("DIR", &place),
            });
        }
        let output = skep.run();
        let lines = output.stdout.lines().map(serde_json::from_str);
        // What is no object has none of the keys.
        let answers: Vec<Value> = lines.map(Result::unwrap_or_default).collect();
        let has_all = |answer: &Value| keys.iter().all(|key| answer.get(key).is_some());
        let is_as_told = output.code == *code
            && output.stderr.contains("error") == (*code != 0)
            && (keys.is_empty() || !answers.is_empty())
            && answers.iter().all(|answer| answer.is_object() && has_all(answer));
        if !is_as_told {
            wrong.push(format!("skep {command}: expected {code} and {keys:?}: {output}"));
        }
        let made = answers.first().and_then(|answer| answer["path"].as_str());
        if let (Some(made), true) = (
            made,
            command.contains("--dir DIR") && !command.starts_with("savepoints"),
        ) {
            made.clone_into(&mut path);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Nobody listens on port 1.
    for command in ["jobs", "savepoint one-shot", "restore one-shot", "upgrade --resume"] {
        let away = Shell::at("flink://127.0.0.1:1");
        let output = away.one_shot(&format!("{command} --json")).expect_code(5);
        assert!(objects(&output.stdout).iter().all(Value::is_object), "{output}");
    }
}
