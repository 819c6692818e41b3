//! Statements, jobs and queries.

use rustix::process::Signal;

use super::{Case, Door, Way};
use crate::cases::Shell;
use crate::peer;
use crate::witness::wait_for;

/// A source of five rows a second, which are counted (each checkpoint has all numbers that are to come), and a sink.
pub const TABLES: &str = "CREATE TABLE src (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '5', \
                          'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '20000');\n\
                          CREATE TABLE snk (id BIGINT) WITH ('connector' = 'blackhole');\n";

/// A source of ten rows.
const TEN: &str = "CREATE TABLE ten (id BIGINT) WITH ('connector' = 'datagen', 'fields.id.kind' = 'sequence', \
                   'fields.id.start' = '1', 'fields.id.end' = '10');\n";

/// Nobody listens there.
const NO_REST: &str = "--rest http://127.0.0.1:1";

/// Each has sessions and names of jobs of its own.
pub fn all() -> Vec<Case> {
    let shared = |name, run| Case {
        name,
        run,
        alone: false,
        stand_in_only: false,
    };
    vec![
        shared("statements", statements),
        shared("errors", errors),
        shared("types", types),
        shared("recorded", recorded),
        shared("a_job_and_back", a_job_and_back),
        shared("without_rest", without_rest),
        shared("dml_sync", dml_sync),
        shared("dml_sync_in_the_background", dml_sync_in_the_background),
        shared("dml_sync_interrupted", dml_sync_interrupted),
        shared("short_lists", short_lists),
        shared("a_query_that_ends", a_query_that_ends),
        shared("a_query_that_fails", a_query_that_fails),
        shared("late_rows", late_rows),
        Case {
            stand_in_only: true,
            ..shared("held_up", held_up)
        },
        Case {
            stand_in_only: true,
            ..shared("dropped_rows", dropped_rows)
        },
        shared("an_endless_query", an_endless_query),
        shared("no_slots", no_slots),
        shared("most_rows", most_rows),
        shared("a_query_ends_with_the_shell", a_query_ends_with_the_shell),
        shared("kept_alive", kept_alive),
    ]
}

fn statements(door: &Door) {
    let shell = Shell::new();
    let script = format!("{TABLES}SHOW TABLES;\n!tables s%\n!describe src\nSELECT 1;\n");
    let output = door.csv(&shell).stdin(script).run().expect_code(0);
    assert!(output.stdout.starts_with("table name\nsnk\nsrc\n"), "{output}");
    assert!(output.stdout.contains("default_database"), "{output}");
    assert!(output.stdout.contains("id    BIGINT"), "{output}");
    assert!(output.stdout.ends_with("EXPR$0\n1\n"), "{output}");
}

fn errors(door: &Door) {
    let shell = Shell::new();
    let run = |sql: &str| door.csv(&shell).stdin(sql).run().expect_code(1);
    run("SELEC 1;\n").expect_stderr("Non-query expression encountered in illegal context");
    let output = run("SELECT id FROM nosuch;\n").expect_stderr("Object 'nosuch' not found");
    output.expect_stderr("\n                  ^^^^^^\n");
    run("SELECT 1/0;\n").expect_stderr("Division by zero");
    let output = run("ADD JAR '/no/such.jar';\n");
    assert!(output.stderr.contains("/no/such.jar"), "{output}");
    run("CREATE TABLE twice (a INT) WITH ('connector' = 'blackhole');\nCREATE TABLE twice (a INT) WITH ('connector' = 'blackhole');\n")
        .expect_stderr("twice");
    // Rows of it would come, but its columns can't be told.
    run("SELECT INTERVAL '1' DAY AS iv;\n").expect_stderr("CAST(column AS STRING)");
}

/// Each type as the engine puts it, of which some is lost on its way.
fn types(door: &Door) {
    let shell = Shell::new();
    let sql = "SELECT CAST(1 AS TINYINT) ti, CAST(2 AS SMALLINT) si, 3 i, CAST(4 AS BIGINT) bi, CAST(1.5 AS FLOAT) f, \
               CAST(2.5 AS DOUBLE) d, CAST(12345.6789 AS DECIMAL(20,4)) de, TRUE b, CAST('ab' AS CHAR(4)) c, CAST('vc' AS \
               VARCHAR(5)) v, DATE '2024-02-29' dt, TIME '12:34:56' tm, TIMESTAMP '2024-02-29 12:34:56.123456' ts, \
               ARRAY[1,2] a, MAP['k',1] m, CAST(NULL AS INT) n1, CAST(NULL AS STRING) n2;\n";
    let output = door.csv(&shell).stdin(sql).run();
    output.expect(
        0,
        "ti,si,i,bi,f,d,de,b,c,v,dt,tm,ts,a,m,n1,n2\n\
         1,2,3,4,1.5,2.5,12345.6789,true,ab  ,vc,2024-02-29,12:34:56,2024-02-29 12:34:56.123456,\"[1,2]\",{k=1},,\n",
    );
    let sql = "SELECT CAST(TIMESTAMP '2024-02-29 12:34:56.123' AS TIMESTAMP_LTZ(3)) tl, ROW(1,'x') r;\n";
    let output = door.csv(&shell).stdin(sql).run().expect_code(0);
    assert!(output.stdout.contains("2024-02-29 12:34:56.123"), "{output}");
    assert!(
        output.stdout.contains(r#""{INT NOT NULL:1,CHAR(1) NOT NULL:""x""}""#),
        "{output}"
    );
}

/// What was recorded of a real server, asked again.
fn recorded(door: &Door) {
    match door.way {
        Way::Thrift => peer::replay(door.server.port(), door.peer()),
        Way::Rest => peer::replay_rest(door.server.rest_port()),
    }
}

/// An INSERT is saved, stopped with a savepoint and brought back from it.
fn a_job_and_back(door: &Door) {
    let (shell, name) = (Shell::new(), format!("there and back by {}", door.way));
    let script = format!(
        "{TABLES}SET 'pipeline.name' = '{name}';\nINSERT INTO snk SELECT id AS there_and_back FROM src;\n!savepoint \
         %1\n!stop %1\n"
    );
    let output = door.csv(&shell).stdin(script).run().expect_code(0);
    let paths: Vec<_> = output
        .stdout
        .lines()
        .filter(|line| line.contains("/savepoint-"))
        .collect();
    let [_, path] = paths[..] else { panic!("{output}") };
    let witness = door.server.witness();
    let [first] = &witness.named(&name)[..] else {
        panic!("{:?}", witness.named(&name))
    };
    assert_eq!(first.state, "FINISHED");
    let script = format!("!restore '{name}'\n!cancel '{name}'\n");
    let output = door.csv(&shell).stdin(script).run().expect_code(0);
    output.expect_stderr("CANCELED");

    let jobs = witness.named(&name);
    let second = jobs.iter().find(|job| job.id != first.id).unwrap();
    assert_eq!((jobs.len(), second.state.as_str()), (2, "CANCELED"));
    // The statistics come out of a cache that is some seconds old.
    wait_for("the statistics to say from what it was restored", || {
        let now = witness.checkpoints(&second.id);
        if now["latest"]["restored"]["external_path"] == path {
            Ok(())
        } else {
            Err(now)
        }
    });
    // Each was sent once, in a session that was opened for it with the job's id, and closed.
    if let Some(sessions) = door.sessions_of("there_and_back") {
        let ids: Vec<_> = sessions
            .iter()
            .filter(|entries| entries.iter().any(|entry| entry["closed"] == true))
            .map(|entries| entries[0]["opened"]["$internal.pipeline.job-id"].clone())
            .collect();
        assert!(ids.contains(&first.id.as_str().into()), "{sessions:?}");
        assert!(ids.contains(&second.id.as_str().into()), "{sessions:?}");
    }
}

/// Where the cluster's REST interface can't be reached, SQL through a session apart does what it can, and what it can't is said.
fn without_rest(door: &Door) {
    let (shell, name) = (Shell::new(), format!("without rest by {}", door.way));
    let script = format!(
        "{TABLES}SET 'pipeline.name' = '{name}';\nINSERT INTO snk SELECT id FROM src;\n!jobs\n!savepoint %1\n!stop %1\n"
    );
    let output = door.csv(&shell).with(NO_REST).with("--force").stdin(script).run();
    let [job] = &door.server.witness().named(&name)[..] else {
        panic!("{output}")
    };
    assert!(output.stdout.contains("/savepoint-"), "{output}");
    assert_eq!(job.state, "FINISHED", "{output}");
    output.expect_stderr(
        "SQL has no way to take a savepoint of a job that runs on, and the cluster's REST interface can't be used",
    );

    // An endless query's own session is held by its fetch: another one ends it.
    let query = format!("a query without rest by {}", door.way);
    let mut prompt = door.csv(&shell).with(NO_REST).pty();
    prompt.wait_text("> ");
    for line in format!("{TABLES}SET 'pipeline.name' = '{query}';\nSELECT id FROM src;").lines() {
        prompt.line(line);
    }
    prompt.wait_for("two rows", |screen| screen.text.lines().any(|line| line.trim() == "2"));
    prompt.send("\x03");
    prompt.wait_text("cancelled");
    let [job] = &door.server.witness().named(&query)[..] else {
        panic!("{:?}", door.server.witness().jobs())
    };
    assert_eq!(job.state, "CANCELED");
    prompt.line("!quit");
    prompt.wait();
}

/// The end of a job is waited for by skep, not by the server, whose session it would hold.
fn dml_sync(door: &Door) {
    let (shell, name) = (Shell::new(), format!("waited for by {}", door.way));
    let script = format!(
        "{TABLES}{TEN}SET 'table.dml-sync' = 'true';\nSET 'pipeline.name' = '{name}';\nINSERT INTO snk SELECT id FROM \
         ten;\n!jobs -a\n"
    );
    let output = door.csv(&shell).stdin(script).run().expect_code(0);
    // The list was made when the job had ended.
    assert!(output.stdout.contains("FINISHED"), "{output}");
    let [job] = &door.server.witness().named(&name)[..] else {
        panic!("{output}")
    };
    assert_eq!(job.state, "FINISHED");
}

/// One in the background holds nothing, though the server is to wait for it.
fn dml_sync_in_the_background(door: &Door) {
    let (shell, name) = (Shell::new(), format!("not waited for by {}", door.way));
    let script = format!(
        "{TABLES}SET 'table.dml-sync' = 'true';\nSET 'pipeline.name' = '{name}';\nINSERT INTO snk SELECT id AS unwaited \
         FROM src &;\nSHOW TABLES;\n!cancel %1\n"
    );
    let output = door.csv(&shell).stdin(script).run().expect_code(0);
    assert!(output.stdout.contains("table name\nsnk\nsrc\n"), "{output}");
    let [job] = &door.server.witness().named(&name)[..] else {
        panic!("{output}")
    };
    assert_eq!(job.state, "CANCELED");
    door.expect_sent_once("AS unwaited", &job.id);
}

/// A script that waits for its job is interrupted: the job has ended when that is said, and nothing else is said of it.
fn dml_sync_interrupted(door: &Door) {
    let (shell, name) = (Shell::new(), format!("interrupted by {}", door.way));
    let witness = door.server.witness();
    let mut live = door.csv(&shell).start();
    live.send(format!(
        "{TABLES}SET 'table.dml-sync' = 'true';\nSET 'pipeline.name' = '{name}';\nINSERT INTO snk SELECT id FROM src;\n"
    ));
    let id = witness.wait_named(&name);
    live.wait_err("[1]");
    witness.wait_running(&id);
    live.signal(Signal::INT);
    let output = live.wait().expect_code(130);
    let output = output.expect_stderr(" is CANCELED");
    assert!(!output.stderr.contains("goes on"), "{output}");
    assert_eq!(witness.state(&id), "CANCELED");
}

/// What statements list comes whole, also where fetches have a time limit: skep's own, where the URL says which engine it is for, or
/// one that the URL sets, and that is shorter than the engine's rounds.
fn short_lists(door: &Door) {
    let shell = Shell::new();
    let script = format!("SHOW TABLES;\n{TABLES}SHOW TABLES;\nDESCRIBE src;\nSHOW FUNCTIONS;\n");
    let list = |settings: &str| {
        let output = door.csv_with(&shell, settings).stdin(&script).run().expect_code(0);
        assert!(
            output
                .stdout
                .starts_with("table name\ntable name\nsnk\nsrc\nname,type,"),
            "{output}"
        );
        output.stdout
    };
    let own = list("kyuubi.engine.type=FLINK_SQL");
    assert!(own.lines().count() > 100, "{own}");
    assert_eq!(list("kyuubi.session.engine.flink.fetch.timeout=PT1S"), own);
}

/// All rows of a query that ends, in their order, across pages and the engine's time-outs.
fn a_query_that_ends(door: &Door) {
    let shell = Shell::new();
    let output = door.csv(&shell).stdin(format!("{TEN}SELECT id FROM ten;\n")).run();
    output.expect(0, "id\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n");
}

/// A query that fails among its rows: why is said, and its session does not stay on the server.
fn a_query_that_fails(door: &Door) {
    let shell = Shell::new();
    let output = door
        .csv(&shell)
        .stdin(format!(
            "{TEN}SET 'restart-strategy.type' = 'none';\nSELECT 1 / (id - 4) AS failing FROM ten;\n"
        ))
        .run()
        .expect_code(3);
    output.expect_stderr("/ by zero");
    expect_closed(door, "AS failing");
}

/// That the sessions in which that was sent have been closed, by the time that their shell has ended.
#[track_caller]
fn expect_closed(door: &Door, part: &str) {
    let sessions = door.sessions_of(part).unwrap_or_default();
    let are_closed = sessions.iter().all(|entries| entries.last().unwrap()["closed"] == true);
    assert!(are_closed, "{sessions:?}");
}

/// Rows that come long after the first fetch, and then all at once with their end, of which the engine drops what it gave nobody before.
fn late_rows(door: &Door) {
    let shell = Shell::new();
    let script = "SET 'execution.runtime-mode' = 'batch';\nCREATE TABLE late (id BIGINT) WITH ('connector' = 'datagen', \
                  'rows-per-second' = '1000', 'number-of-rows' = '2700', 'fields.id.kind' = 'sequence', 'fields.id.start' = '1', \
                  'fields.id.end' = '2700');\nSELECT id FROM late ORDER BY id;\n";
    let rows: String = (1..=2700).map(|id| format!("{id}\n")).collect();
    door.csv(&shell).stdin(script).run().expect(0, &format!("id\n{rows}"));
}

/// Fetches that are held up until all has passed that others have begun: rows wait for them, and nothing is said.
fn held_up(door: &Door) {
    let shell = Shell::new();
    let program = door.csv_with(&shell, "stand-in.stall=rounds");
    let output = program.stdin(format!("{TEN}SELECT id AS awaited FROM ten;\n")).run();
    let output = output.expect(0, "awaited\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n");
    assert!(!output.stderr.contains("dropped"), "{output}");
    expect_closed(door, "AS awaited");
}

/// An engine that has met the end before all rows were fetched: what came is shown, and that it is not all.
fn dropped_rows(door: &Door) {
    let shell = Shell::new();
    let program = door.csv_with(&shell, "stand-in.stall=end");
    let output = program.stdin(format!("{TEN}SELECT id AS late FROM ten;\n")).run();
    let output = output.expect(3, "late\n1\n");
    output.expect_stderr("the engine has dropped the last rows, which were fetched too late; 1 row has come");
    expect_closed(door, "AS late");
}

/// Rows come while the query runs, Ctrl-C ends its job, and the session goes on.
fn an_endless_query(door: &Door) {
    let (shell, name) = (Shell::new(), format!("endless by {}", door.way));
    let mut prompt = door.csv(&shell).pty();
    prompt.wait_text("> ");
    for line in format!("{TABLES}SET 'pipeline.name' = '{name}';\nSELECT id AS endless FROM src;").lines() {
        prompt.line(line);
    }
    prompt.wait_for("two rows", |screen| screen.text.lines().any(|line| line.trim() == "2"));
    prompt.send("\x03");
    prompt.wait_text("cancelled");
    // When that is said, it is so.
    let [job] = &door.server.witness().named(&name)[..] else {
        panic!("{:?}", door.server.witness().jobs())
    };
    assert_eq!(job.state, "CANCELED");
    let opened = door.expect_sent_once("AS endless", &job.id);
    if !opened.is_null() {
        assert_eq!(opened["execution.checkpointing.mode"], "AT_LEAST_ONCE");
    }
    prompt.line("SELECT 7 AS after;");
    prompt.wait_for("the next", |screen| screen.text.lines().any(|line| line.trim() == "7"));
    prompt.line("!quit");
    prompt.wait();
}

/// A query whose tasks wait for slots gives no rows, and that is why.
fn no_slots(door: &Door) {
    let (shell, name) = (Shell::new(), format!("no slots by {}", door.way));
    let mut prompt = door.csv(&shell).pty();
    prompt.wait_text("> ");
    let script =
        format!("{TABLES}SET 'parallelism.default' = '99';\nSET 'pipeline.name' = '{name}';\nSELECT id FROM src;");
    for line in script.lines() {
        prompt.line(line);
    }
    // After a moment the cluster gives up, and the job begins anew.
    prompt.wait_for("why there are no rows", |screen| {
        screen.has("waits for slots") || screen.has("NoResourceAvailableException")
    });
    prompt.send("\x03");
    prompt.wait_text("cancelled");
    let [job] = &door.server.witness().named(&name)[..] else {
        panic!("{:?}", door.server.witness().jobs())
    };
    assert_eq!(job.state, "CANCELED");
    prompt.line("!quit");
    prompt.wait();
}

/// The engine keeps so many rows of a query, and then fails it: that is said in words, and its job does not go on.
fn most_rows(door: &Door) {
    let (shell, name) = (Shell::new(), format!("most rows by {}", door.way));
    let script = format!(
        "CREATE TABLE fast (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '1000', 'fields.id.kind' = \
         'sequence', 'fields.id.start' = '1', 'fields.id.end' = '20000');\nSET 'pipeline.name' = '{name}';\nSELECT id \
         FROM fast;\n"
    );
    // What the shell asks for itself is less.
    let program = door.csv_with(&shell, "kyuubi.session.engine.flink.max.rows=1500");
    // Its job has ended, and not by itself.
    let output = program.stdin(script).run().expect_code(3);
    // In their order; those of the fetch that failed may be lost.
    let count = output.stdout.lines().count() - 1;
    let rows: String = (1..=count).map(|id| format!("{id}\n")).collect();
    assert!(
        (1..=1500).contains(&count) && output.stdout == format!("id\n{rows}"),
        "{output}"
    );
    let output = output.expect_stderr("as many rows as it keeps of one statement");
    output.expect_stderr("kyuubi.session.engine.flink.max.rows");
    let witness = door.server.witness();
    let [job] = &witness.named(&name)[..] else {
        panic!("{:?}", witness.jobs())
    };
    assert_eq!(job.state, "CANCELED");
}

/// A query in the background has a session of its own, which is closed, and its job with it.
fn a_query_ends_with_the_shell(door: &Door) {
    let (shell, name) = (Shell::new(), format!("detached by {}", door.way));
    let script = format!("{TABLES}SET 'pipeline.name' = '{name}';\nSELECT id AS detached FROM src &;\n");
    door.csv(&shell).stdin(script).run().expect_code(0);
    let witness = door.server.witness();
    let id = witness.wait_named(&name);
    witness.wait_state(&id, "CANCELED");
    door.expect_sent_once("AS detached", &id);
    wait_for("the end of its session", || match door.sessions_of("AS detached") {
        Some(sessions) if sessions[0].last().unwrap()["closed"] != true => Err(sessions),
        _ => Ok(()),
    });
}

/// A session of skep's outlives one that nobody uses and that is closed for it.
fn kept_alive(door: &Door) {
    let shell = Shell::new();
    let mut live = door.csv(&shell).start();
    live.send("CREATE TABLE kept (id BIGINT) WITH ('connector' = 'blackhole');\nSHOW TABLES;\n");
    live.wait_out("table name\nkept\n");
    peer::replay(
        door.server.port(),
        &[door.peer(), &["--idle", &door.server.rest().to_string()]].concat(),
    );
    live.send("SELECT 7 AS seven;\nSHOW TABLES;\n!quit\n");
    live.wait_out("seven\n7\ntable name\nkept\n");
    let output = live.wait();
    assert!(!output.stderr.contains("opened again"), "{output}");
}
