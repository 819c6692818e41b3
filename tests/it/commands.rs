//! Every command on the embedded engine: its example, its JSON, its SQL form; and what a reference means.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use skep::command::COMMANDS;

use crate::world::{Output, Program, World};

/// A job `delays` that runs for ever as `%1`, and a table of what it reads.
const RUNNING: &str = "SET 'execution.checkpointing.interval' = '1 h';
    CREATE TABLE n (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '100');
    CREATE TABLE delays (n BIGINT) WITH ('connector' = 'filesystem', 'path' = 'delays', 'format' = 'csv');
    INSERT INTO delays SELECT n FROM n;
    !checkpoint %1\n";

/// The keys of a job, as docs/exit-codes.md has them.
const JOB: [&str; 24] = [
    "handle",
    "job_id",
    "cluster_id",
    "name",
    "state",
    "action",
    "known",
    "as_of",
    "engine",
    "url",
    "origin",
    "sql",
    "started",
    "ended",
    "ended_by",
    "duration_ms",
    "savepoint",
    "restored_from",
    "error",
    "rows_in",
    "rows_out",
    "late_rows",
    "checkpoint_id",
    "checkpoint_taken",
];

/// The keys of a savepoint.
const SAVEPOINT: [&str; 11] = [
    "path",
    "kind",
    "job_id",
    "checkpoint_id",
    "taken",
    "size",
    "format_version",
    "label",
    "verdict",
    "reasons",
    "sources",
];

fn local(world: &World) -> Program {
    world.skep().with("-u local:state")
}

fn objects(text: &str) -> Vec<Value> {
    let lines = text.lines().map(serde_json::from_str::<Value>);
    lines
        .map(|line| line.unwrap_or_else(|error| panic!("{error}: {text}")))
        .collect()
}

#[track_caller]
fn assert_keys(object: &Value, keys: &[&str]) {
    let has: BTreeSet<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(has, keys.iter().copied().collect(), "{object}");
}

/// What must have happened before a command's example makes sense.
fn before(world: &World, name: &str) -> String {
    match name {
        "fg" => format!("{RUNNING}!async SELECT 1;\n"),
        "restore" => format!("{RUNNING}!stop %1\n"),
        "run" => {
            world.write(
                "examples/tables.sql",
                "CREATE TABLE made (a INT) WITH ('connector' = 'blackhole');\n",
            );
            String::new()
        }
        "drop-savepoint" | "inspect" => {
            let script = format!("{RUNNING}!stop %1 --dir savepoints\n");
            drop(local(world).stdin(script).run().expect_code(0));
            let made = fs::read_dir(world.path("savepoints"))
                .unwrap()
                .next()
                .unwrap()
                .unwrap()
                .path();
            fs::rename(made, world.path("savepoints/savepoint-5f2c9a-8d1e0b")).unwrap();
            String::new()
        }
        _ => RUNNING.to_owned(),
    }
}

/// The command that asks a server, which the embedded engine has none of. The tests on Kyuubi try it.
const NOT_HERE: &str = "server";

#[test]
fn every_example_does_what_it_says() {
    for command in COMMANDS {
        let spec = command.spec();
        let world = World::new();
        let script = before(&world, spec.name);
        let output = local(&world)
            .with("--yes")
            .stdin(format!("{script}{}\n", spec.example))
            .run();
        if spec.name == NOT_HERE {
            output.expect_code(1).expect_stderr("does not tell what else it does");
            continue;
        }
        let output = output.expect_code(0);
        let silent = [
            "async",
            "every",
            "run",
            "set",
            "quit",
            "restore",
            "cancel",
            "wait",
            "drop-savepoint",
            "logs",
            "error",
        ];
        let results = output.stdout.lines().count()
            - ["!checkpoint", "!stop"]
                .map(|made| script.matches(made).count())
                .iter()
                .sum::<usize>();
        assert!(
            results > 0 || silent.contains(&spec.name),
            "!{} has no result: {output}",
            spec.name
        );
    }
}

/// The objects that a command prints with `--json`, after what its example needs.
fn json_of(world: &World, script: &str, command: &str) -> (Vec<Value>, Output) {
    let script = format!("{script}!set format\n{command}\n");
    let output = local(world).with("--yes").stdin(script).run().expect_code(0);
    let (_, results) = output.stdout.split_once("table\n").unwrap();
    (objects(results), output)
}

#[test]
fn every_command_answers_in_json() {
    for command in COMMANDS.iter().filter(|command| command.spec().name != NOT_HERE) {
        let spec = command.spec();
        let world = World::new();
        let script = before(&world, spec.name);
        let name = format!("!{}", spec.name);
        let example = spec.example.replacen(&name, &format!("{name} --json"), 1);
        let (objects, output) = json_of(&world, &script, &example);
        let keys: &[&str] = match spec.name {
            "jobs" | "wait" | "cancel" | "restore" | "async" => &JOB,
            "savepoint" | "stop" | "checkpoint" | "checkpoints" | "savepoints" | "drop-savepoint" => &SAVEPOINT,
            "inspect" => {
                assert_keys(
                    &objects[0],
                    &[&SAVEPOINT[..], &["format", "drained", "operators", "files"]].concat(),
                );
                continue;
            }
            "job" => {
                let more = ["vertices", "checkpoints", "exceptions"];
                assert_keys(&objects[0], &[&JOB[..], &more].concat());
                assert_keys(&objects[0]["checkpoints"][0], &SAVEPOINT);
                continue;
            }
            "connect" => &["url", "engine", "greeting"],
            "tables" => &["catalog", "database", "name", "kind"],
            "describe" => &["name", "type"],
            "help" => &[
                "name", "aliases", "category", "summary", "usage", "help", "example", "one_shot",
            ],
            "upgrade" => &[
                "upgrade",
                "name",
                "outcome",
                "job_id",
                "old_job_id",
                "new_job_id",
                "restored_job_id",
                "savepoint",
                "cause",
                "began",
            ],
            "every" => &["number", "every_ms", "command", "next", "done", "failed", "last"],
            "lineage" => &[
                "job_id",
                "name",
                "parent",
                "how",
                "fork",
                "from",
                "state",
                "known",
                "started",
                "ended",
                "ended_by",
                "sql",
                "changed",
                "changed_prelude",
                "notes",
            ],
            "note" => &["job_id", "path", "at", "text"],
            "ledger" => {
                assert_eq!(objects[0]["type"], "ledger");
                assert!(objects.iter().any(|object| object["type"] == "job"), "{output}");
                continue;
            }
            "fg" => &["EXPR$0"],
            "plan" => &["result"],
            "logs" => &["at", "text"],
            // These change something, and have nothing to tell; no error has come before.
            "set" | "run" | "quit" | "error" => &[],
            other => panic!("what does !{other} answer?"),
        };
        let may_be_empty = ["logs", "set", "run", "quit", "error"].contains(&spec.name);
        assert!(!objects.is_empty() || may_be_empty, "!{}: {output}", spec.name);
        for object in &objects {
            assert_keys(object, keys);
        }
    }
}

#[test]
fn json_can_be_set_for_all() {
    let world = World::new();
    let script =
        format!("{RUNNING}!set json on\n!jobs\n!savepoint %1\n!set format\nSELECT 1 AS a;\n!stop %1\n!set json off\n");
    let output = local(&world).stdin(script).run().expect_code(0);
    let objects = objects(output.stdout.split_once('\n').unwrap().1);
    assert_keys(&objects[0], &JOB);
    assert_keys(&objects[1], &SAVEPOINT);
    assert_keys(&objects[2], &["name", "value", "help"]);
    assert_eq!(objects[3].to_string(), r#"{"a":1}"#);
    assert_keys(&objects[4], &SAVEPOINT);
    assert_eq!(objects.len(), 5);
}

#[test]
fn values_in_json_have_the_documented_forms() {
    let world = World::new();
    let (jobs, _) = json_of(&world, RUNNING, "!jobs --json");
    let job = &jobs[0];
    for time in ["as_of", "started", "checkpoint_taken"] {
        let text = job[time].as_str().unwrap();
        text.parse::<jiff::Timestamp>()
            .unwrap_or_else(|error| panic!("{time} is {text}: {error}"));
        assert!(text.ends_with('Z'), "{text}");
    }
    assert!(
        job["duration_ms"].is_i64() && job["checkpoint_id"].is_u64() && job["handle"] == 1,
        "{job}"
    );
    for none in ["ended", "ended_by", "savepoint", "restored_from", "error", "cluster_id"] {
        assert!(job[none].is_null(), "{none}: {job}");
    }
    let words = (job["action"].as_str(), job["known"].as_str(), job["origin"].as_str());
    assert_eq!(words, (Some("none"), Some("live"), Some("session")));
    let (saved, _) = json_of(&world, RUNNING, "!savepoint %1 --label x --json");
    let saved = &saved[0];
    assert!(
        saved["size"].as_u64() > Some(0) && saved["format_version"].is_u64(),
        "{saved}"
    );
    let words = (
        saved["kind"].as_str(),
        saved["verdict"].as_str(),
        saved["label"].as_str(),
    );
    assert_eq!(words, (Some("savepoint"), Some("usable"), Some("x")));
    assert_eq!(saved["reasons"], serde_json::json!([]));
}

#[test]
fn who_wants_the_plan_of_a_job_is_told_where_its_tasks_are() {
    let world = World::new();
    let output = world
        .scripted()
        .with("-u scripted: -e")
        .arg("!plan %1;")
        .run()
        .expect(2, "");
    drop(output.expect_stderr("!job %1 shows its tasks"));
}

// The SQL forms.

/// Without what differs from run to run: ids, times, paths and lengths of time.
fn shape(value: &Value) -> Value {
    let mut value = value.clone();
    let vary = [
        "job_id",
        "as_of",
        "started",
        "ended",
        "duration_ms",
        "savepoint",
        "path",
        "taken",
        "checkpoint_taken",
        "rows_in",
        "rows_out",
        "size",
        "url",
        "checkpoint_id",
    ];
    for key in vary {
        if let Some(found) = value.get_mut(key) {
            *found = Value::Bool(!found.is_null());
        }
    }
    value
}

#[test]
fn the_sql_forms_do_the_same_as_the_commands() {
    for (sql, command) in [
        ("SHOW JOBS;", "!jobs --all"),
        ("DESCRIBE JOB 'ID';", "!job ID"),
        ("DESC JOB 'ID';", "!job ID"),
        ("STOP JOB 'ID';", "!cancel ID"),
        ("STOP JOB 'ID' WITH SAVEPOINT;", "!stop ID"),
        ("stop job 'ID' with savepoint with drain;", "!stop ID --drain --yes"),
        ("CREATE SAVEPOINT FOR JOB 'ID';", "!savepoint ID"),
        ("SHOW SAVEPOINTS;", "!savepoints"),
        ("SHOW SAVEPOINTS FOR JOB 'ID';", "!savepoints ID"),
    ] {
        let answers: Vec<_> = [sql, command]
            .map(|form| {
                let world = World::new();
                let mut live = local(&world).with("--json").start();
                live.send(RUNNING);
                let out = live.wait_for_out("the checkpoint", |out| out.lines().count() == 2 && out.ends_with('\n'));
                let id = objects(&out)[0]["job_id"].as_str().unwrap().to_owned();
                live.send(form.replace("ID", &id) + "\n");
                let output = live.wait().expect_code(0);
                let answer: Vec<Value> = objects(&output.stdout)[2..].to_vec();
                assert!(!answer.is_empty(), "{form}: {output}");
                answer
                    .iter()
                    .map(|object| without_lists(&shape(object)))
                    .collect::<Vec<_>>()
            })
            .into();
        assert_eq!(answers[0], answers[1], "{sql} and {command}");
    }
}

/// The lists within say what varies, again.
fn without_lists(value: &Value) -> Value {
    let mut value = value.clone();
    for key in ["vertices", "reasons"] {
        if let Some(Value::Array(items)) = value.get_mut(key) {
            *items = vec![Value::from(items.len())];
        }
    }
    // A job that runs may have taken another one in between.
    if let Some(Value::Array(items)) = value.get_mut("checkpoints") {
        *items = vec![Value::from(!items.is_empty())];
    }
    value
}

#[test]
fn drop_savepoint_deletes_it_in_sql_as_well() {
    let world = World::new();
    for form in ["DROP SAVEPOINT 'PATH';", "!drop-savepoint PATH --yes"] {
        let output = local(&world).stdin(format!("{RUNNING}!stop %1\n")).run().expect_code(0);
        let path = output.stdout.lines().last().unwrap().to_owned();
        assert!(world.path(&path).join("_metadata").exists());
        drop(local(&world).stdin(form.replace("PATH", &path)).run().expect(0, ""));
        assert!(!world.path(&path).exists());
        let output = local(&world).with("drop-savepoint --yes").arg(&path).run();
        drop(output.expect(1, "").expect_stderr(&path));
        let output = local(&world).with("restore delays").arg(&path).run();
        drop(output.expect(1, "").expect_stderr(&path));
    }
    // What is no savepoint is not deleted, whatever is said.
    world.write("precious/file", "text");
    let output = local(&world)
        .with("--yes drop-savepoint")
        .arg(world.path("precious"))
        .run();
    drop(output.expect_code(1));
    assert_eq!(world.read("precious/file"), "text");
}

#[test]
fn a_job_statement_that_is_not_right_says_where_and_how() {
    let world = World::new();
    for (sql, column) in [
        ("STOP JOB delays;", 10),
        ("STOP JOB 'x' WITH FIRE;", 19),
        ("CREATE SAVEPOINT 'x';", 18),
        ("DROP SAVEPOINT;", 15),
        ("SHOW SAVEPOINTS FOR 'x';", 21),
        ("SHOW JOBS NOW;", 11),
    ] {
        let output = local(&world)
            .stdin(sql)
            .run()
            .expect(1, "")
            .expect_stderr("hint: usage: ");
        drop(output.expect_stderr(&format!("error: line 1, column {column}: ")));
    }
}

// References.

#[test]
fn a_job_is_meant_by_handle_id_beginning_of_the_id_or_name() {
    let world = World::new();
    let mut live = local(&world).with("--json").start();
    live.send(RUNNING);
    live.send("CREATE TABLE other (n BIGINT) WITH ('connector' = 'blackhole');\nINSERT INTO other SELECT n FROM n;\n");
    let out = live.wait_for_out("both jobs", |out| out.lines().count() == 3 && out.ends_with('\n'));
    let jobs = objects(&out);
    let ids = [&jobs[0], &jobs[2]].map(|job| job["job_id"].as_str().unwrap().to_owned());
    let mut lines = 3;
    for (word, expected) in [
        ("%1", 0),
        ("%2", 1),
        ("%%", 1),
        ("%-", 0),
        ("delays", 0),
        ("other", 1),
        (&ids[0], 0),
        (&ids[1], 1),
        (&ids[0][..4], 0),
        (&ids[1][..12], 1),
        (&ids[1].to_uppercase()[..8], 1),
    ] {
        live.send(format!("!job {word}\n"));
        lines += 1;
        let out = live.wait_for_out(word, |out| out.lines().count() == lines && out.ends_with('\n'));
        assert_eq!(objects(&out)[lines - 1]["job_id"], ids[expected].as_str(), "{word}");
    }
    drop(live.wait().expect_code(0));
}

#[test]
fn what_means_no_job_is_refused_and_what_means_several_lists_them() {
    let world = World::new();
    for word in [
        "%3",
        "%0",
        "%x",
        "nothing",
        "ffff",
        "0123456789abcdef0123456789abcdef",
        "%-",
    ] {
        let script = format!("{RUNNING}!savepoint {word}\n");
        let output = local(&world).stdin(script).run().expect_code(1);
        assert!(output.stderr.contains("error: line "), "{word}: {output}");
        assert!(!output.stderr.contains("· savepoint"), "{word}: {output}");
    }
    // Too short to be a beginning, and no name.
    let output = local(&world).stdin(format!("{RUNNING}!savepoint abc\n")).run();
    drop(output.expect_code(1).expect_stderr("abc"));
    // Two jobs of one name.
    let script = format!("{RUNNING}INSERT INTO delays SELECT n + 1 FROM n;\n!savepoint delays\n");
    let output = local(&world).stdin(script).run().expect_code(1);
    assert!(output.stderr.contains("%1") && output.stderr.contains("%2"), "{output}");
    assert!(!output.stderr.contains("· savepoint"), "{output}");
}

#[test]
fn a_command_without_a_session_speaks_of_none() {
    let world = World::new();
    for (command, code) in [
        ("job nope", 1),
        ("job %1", 1),
        ("job", 1),
        ("wait", 0),
        ("cancel --all", 0),
    ] {
        let output = local(&world).with(command).run().expect_code(code);
        assert!(
            !output.stderr.is_empty() && !output.stderr.contains("this session"),
            "{output}"
        );
    }
    let output = local(&world).with("stop nope").run().expect_code(1);
    drop(
        output
            .expect_stderr("no job nope")
            .expect_stderr("skep jobs lists them"),
    );
}

#[test]
fn several_jobs_are_saved_side_by_side() {
    let world = World::new();
    let second =
        "CREATE TABLE other (n BIGINT) WITH ('connector' = 'blackhole');\nINSERT INTO other SELECT n FROM n;\n";
    let script = format!("{RUNNING}{second}!savepoint %1 %2 %1\n!stop %1 %2\n");
    let output = local(&world).stdin(script).run().expect_code(0);
    let paths: Vec<_> = output.stdout.lines().skip(1).collect();
    assert_eq!(paths.len(), 4, "each job once: {output}");
    assert!(
        paths.iter().all(|path| world.path(path).join("_metadata").exists()),
        "{output}"
    );
    let script = format!("{RUNNING}{second}!savepoint %1 %2 --label same\n");
    drop(
        local(&world)
            .stdin(script)
            .run()
            .expect_code(2)
            .expect_stderr("one label"),
    );
    let script = format!("{RUNNING}{second}!cancel --all\n!jobs --json\n");
    let output = local(&world).stdin(script).run().expect_code(0);
    let states: Vec<_> = output
        .stdout
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["state"].clone())
        .collect();
    assert_eq!(states, ["CANCELED", "CANCELED"], "{output}");
}

#[test]
fn a_relative_directory_of_jobs_is_another_one_elsewhere() {
    let world = World::new();
    fs::create_dir(world.path("elsewhere")).unwrap();
    drop(local(&world).stdin(format!("{RUNNING}!stop %1\n")).run().expect_code(0));
    let here = local(&world).with("jobs -a --json").run().expect_code(0);
    assert_eq!(objects(&here.stdout).len(), 1);
    let there = local(&world)
        .with("jobs -a --json")
        .dir("elsewhere")
        .run()
        .expect(0, "");
    drop(there);
    // By its whole name it is the same one.
    let url = format!("local:{}", world.path("state").display());
    let whole = world
        .skep()
        .with("-u")
        .arg(url)
        .with("jobs -a --json")
        .dir("elsewhere")
        .run()
        .expect_code(0);
    assert_eq!(objects(&whole.stdout).len(), 1);
}
