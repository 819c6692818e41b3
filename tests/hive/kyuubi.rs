//! Kyuubi's Flink engine, as far as `kyuubi.py` stands in for it. Its jobs can be reached by SQL alone.

use serde_json::Value;

use crate::cases::{Case, Shell};
use crate::server::Server;

const TABLES: &str = "CREATE TABLE src (id BIGINT) WITH ('connector' = 'datagen');\n\
                      CREATE TABLE snk (id BIGINT) WITH ('connector' = 'blackhole');\n";

/// All cases. Each has sessions of its own, and looks at nothing but its own jobs.
pub fn cases() -> Vec<(&'static str, Case)> {
    use Case::Shared;
    vec![
        ("statements", Shared(statements)),
        ("errors", Shared(errors)),
        ("a_job_and_back", Shared(a_job_and_back)),
        ("nothing_blocks", Shared(nothing_blocks)),
        ("an_endless_query", Shared(an_endless_query)),
        ("a_query_ends_with_the_shell", Shared(a_query_ends_with_the_shell)),
    ]
}

/// The entries about a session in the journal that has carried out a statement which contains this.
fn sessions_of(server: &Server, part: &str) -> Vec<Vec<Value>> {
    let journal = server.journal();
    let asked = journal
        .iter()
        .filter(|entry| entry["statement"].as_str().is_some_and(|text| text.contains(part)));
    asked
        .map(|found| {
            let same = journal.iter().filter(|entry| entry["session"] == found["session"]);
            same.cloned().collect()
        })
        .collect()
}

fn statements(server: &Server) {
    let shell = Shell::new();
    let script = format!("{TABLES}SHOW TABLES;\n!tables s%\nSELECT 1;\n");
    let output = shell.csv(server).stdin(script).run().expect_code(0);
    assert!(output.stdout.starts_with("table name\nsnk\nsrc\n"), "{output}");
    assert!(output.stdout.ends_with("EXPR$0\n1\n"), "{output}");
    assert!(output.stdout.contains("default_database"), "{output}");
}

fn errors(server: &Server) {
    let shell = Shell::new();
    let output = shell.csv(server).stdin("SELEC 1;\n").run().expect_code(1);
    output.expect_stderr("SQL parse failed");
    let output = shell.csv(server).stdin("SELECT id FROM nosuch;\n").run().expect_code(1);
    let output = output.expect_stderr("Object 'nosuch' not found");
    output.expect_stderr("\n                  ^^^^^^\n");
}

/// An INSERT is stopped with a savepoint and brought back from it.
fn a_job_and_back(server: &Server) {
    let shell = Shell::new();
    let script =
        format!("{TABLES}SET 'pipeline.name' = 'there and back';\nINSERT INTO snk SELECT * FROM src;\n!stop %1\n");
    let output = shell.csv(server).stdin(script).run().expect_code(0);
    let path = output.stdout.trim().to_owned();
    assert!(path.contains("/savepoints/savepoint-"), "{output}");
    let output = shell
        .csv(server)
        .stdin("!restore 'there and back'\n!cancel 'there and back'\n")
        .run()
        .expect_code(0);
    output.expect_stderr("CANCELED");

    let journal = server.journal();
    let sessions: Vec<_> = sessions_of(server, "INSERT INTO snk")
        .into_iter()
        .filter(|entries| {
            let named = entries.iter().filter_map(|entry| entry["statement"].as_str());
            named.into_iter().any(|text| text.contains("there and back"))
        })
        .collect();
    // Each was sent once, in a session that was opened for it with the job's id, and closed.
    assert_eq!(sessions.len(), 2, "{journal:?}");
    let restored: Vec<_> = sessions
        .iter()
        .map(|entries| {
            let opened = &entries[0]["opened"];
            let id = &opened["$internal.pipeline.job-id"];
            assert_eq!(entries.last().unwrap()["closed"], true, "{entries:?}");
            let job = journal.iter().find(|entry| &entry["job"] == id).unwrap();
            assert_eq!(job["restored"], opened["execution.state-recovery.path"]);
            job["restored"].clone()
        })
        .collect();
    assert_eq!(restored, [Value::Null, Value::String(path)]);
}

/// `table.dml-sync`, which would hold the session until the job ends, is never told to the server for an INSERT.
fn nothing_blocks(server: &Server) {
    let shell = Shell::new();
    let script = format!(
        "{TABLES}SET 'table.dml-sync' = 'true';\nINSERT INTO snk SELECT id AS waited FROM src &;\n!cancel %1\n"
    );
    shell.csv(server).stdin(script).run().expect_code(0);
    let sessions = sessions_of(server, "AS waited");
    let [entries] = &sessions[..] else {
        panic!("{sessions:?}")
    };
    let id = &entries[0]["opened"]["$internal.pipeline.job-id"];
    let journal = server.journal();
    let job = journal.iter().find(|entry| &entry["job"] == id).unwrap();
    assert_eq!(job["dml_sync"], "false");
}

/// Rows come while the query runs, Ctrl-C ends its job, and the session goes on.
fn an_endless_query(server: &Server) {
    let shell = Shell::new();
    let mut prompt = shell.csv(server).pty();
    prompt.wait_text("> ");
    prompt.line("CREATE TABLE src (id BIGINT) WITH ('connector' = 'datagen');");
    prompt.wait_text("ok");
    prompt.line("SELECT id AS endless FROM src;");
    prompt.wait_for("two rows", |screen| screen.text.lines().any(|line| line.trim() == "2"));
    prompt.send("\x03");
    prompt.wait_text("cancelled");
    let sessions = sessions_of(server, "AS endless");
    let [entries] = &sessions[..] else {
        panic!("{sessions:?}")
    };
    let opened = &entries[0]["opened"];
    let id = &opened["$internal.pipeline.job-id"];
    assert_eq!(opened["execution.checkpointing.mode"], "AT_LEAST_ONCE");
    let ended = |entry: &Value| &entry["job"] == id && entry["cancelled"] == true;
    assert!(server.journal().iter().any(ended), "{:?}", server.journal());
    prompt.line("SELECT 1;");
    prompt.wait_text("EXPR$0");
    prompt.line("!quit");
    prompt.wait();
}

/// A query in the background has a session of its own, which is closed, and its job with it.
fn a_query_ends_with_the_shell(server: &Server) {
    let shell = Shell::new();
    let script = format!("{TABLES}SELECT id AS detached FROM src &;\n");
    shell.csv(server).stdin(script).run().expect_code(0);
    let sessions = sessions_of(server, "AS detached");
    let [entries] = &sessions[..] else {
        panic!("{sessions:?}")
    };
    let id = &entries[0]["opened"]["$internal.pipeline.job-id"];
    let journal = server.journal();
    let ended = |entry: &Value| &entry["job"] == id && entry["cancelled"] == true;
    assert!(journal.iter().any(ended), "{journal:?}");
    assert_eq!(entries.last().unwrap()["closed"], true, "{entries:?}");
}
