//! Sessions that are opened: their engines are followed while they start, and the server's lists tell of them.

use serde_json::Value;

use super::cases::TABLES;
use super::{Case, Door, Way};
use crate::cases::Shell;

/// Each has sessions of its own.
pub fn all() -> Vec<Case> {
    let shared = |name, run, stand_in_only| Case {
        name,
        run,
        alone: false,
        stand_in_only,
    };
    vec![
        shared("an_engine_that_starts", an_engine_that_starts, true),
        shared("an_engine_that_does_not_start", an_engine_that_does_not_start, true),
        shared(
            "an_engine_that_starts_for_a_statement",
            an_engine_that_starts_for_a_statement,
            true,
        ),
        shared("another_door", another_door, false),
        shared("few_rows", few_rows, false),
        shared("variables", variables, false),
        shared("lists", lists, false),
        shared("for_somebody_else", for_somebody_else, true),
        shared("strangers", strangers, false),
    ]
}

/// What the server says meanwhile is seen, in short, and Ctrl-C gives up: nothing of it is left on the server.
fn an_engine_that_starts(door: &Door) {
    let (shell, name) = (Shell::new(), format!("given up by {}", door.way));
    let mut prompt = door
        .csv_with(&shell, &format!("stand-in.launch=never;kyuubi.session.name={name}"))
        .pty();
    prompt.wait_text("ProcBuilder: Creating");
    prompt.wait_text(" s · ");
    prompt.send("\x03");
    prompt.wait_text("interrupted");
    prompt.wait();
    let journal = door.server.journal().unwrap();
    let opened: Vec<_> = journal
        .iter()
        .filter(|entry| entry["opened"]["kyuubi.session.name"] == name)
        .collect();
    let [opened] = opened[..] else { panic!("{journal:?}") };
    let closed = |entry: &Value| entry["session"] == opened["session"] && entry["closed"] == true;
    assert!(journal.iter().any(closed), "{journal:?}");
}

/// Why not is said, and what the server says of it at length is there.
fn an_engine_that_does_not_start(door: &Door) {
    let shell = Shell::new();
    let output = door
        .csv_with(&shell, "stand-in.launch=fails")
        .stdin("SELECT 1;\n")
        .run();
    assert_ne!(output.code, 0, "{output}");
    let output = output.expect_stderr("the session's engine could not be started: NoClassDefFoundError: scala/Product");
    let output = output.expect_stderr("its own log is on the server, in /srv/skep-engines");
    output.expect_stderr("kyuubi.engine.type");

    let url = door.url();
    let script = format!("!connect {url}?stand-in.launch=fails\n!error\n");
    let output = shell.at("local:").with("--force").stdin(script).run();
    assert!(output.stdout.contains("The end of the launch's log:"), "{output}");
    assert!(
        output
            .stdout
            .contains("main class org.apache.kyuubi.engine.flink.FlinkSQLEngine"),
        "{output}"
    );
}

/// The same when a statement gets a session of its own, and when a session is opened again for one.
fn an_engine_that_starts_for_a_statement(door: &Door) {
    let (shell, name) = (Shell::new(), format!("started late by {}", door.way));
    let mut prompt = door
        .csv_with(&shell, &format!("stand-in.launch=once;kyuubi.session.name={name}"))
        .pty();
    prompt.wait_text("> ");
    prompt.line("SELECT 7 AS seven;");
    prompt.wait_text("ProcBuilder: Creating");
    prompt.send("\x03");
    prompt.wait_text("cancelled · ");
    let sessions = || {
        let journal = door.server.journal().unwrap();
        let opened = journal
            .iter()
            .filter(|entry| entry["opened"]["kyuubi.session.name"] == name);
        let closed = |entry: &Value| {
            let is_closed = |other: &Value| other["session"] == entry["session"] && other["closed"] == true;
            journal.iter().any(is_closed)
        };
        opened
            .map(|entry| (entry["session"].as_str().unwrap().to_owned(), closed(entry)))
            .collect::<Vec<_>>()
    };
    let [(first, false), (_, true)] = &sessions()[..] else {
        panic!("{:?}", sessions())
    };
    door.server.close_session(first);
    prompt.line("SHOW TABLES;");
    prompt.wait_for("the launch", |screen| {
        screen
            .text
            .lines()
            .last()
            .is_some_and(|line| line.contains("ProcBuilder: Creating"))
    });
    prompt.send("\x03");
    prompt.wait_for("the end of the second", |screen| {
        screen.text.matches("cancelled · ").count() == 2
    });
    assert!(matches!(&sessions()[..], [_, _, (_, true)]), "{:?}", sessions());
    prompt.line("!quit");
    prompt.wait();
}

/// Whoever knocks at the wrong door is told which one is right.
fn another_door(door: &Door) {
    let (shell, thrift, rest) = (Shell::new(), door.server.url(), door.server.rest_url());
    let thrift = thrift.trim_start_matches("jdbc:");
    let (thrift_place, rest_place) = (
        format!("127.0.0.1:{}", door.server.port()),
        format!("127.0.0.1:{}", door.server.rest_port()),
    );
    let wrong: &[(String, &str)] = match door.way {
        Way::Thrift => &[
            (format!("kyuubi://{rest_place}/"), &rest),
            (format!("jdbc:hive2://{rest_place}/;auth=noSasl"), &rest),
            (format!("kyuubi://{rest_place}/;ssl=true"), &rest),
        ],
        Way::Rest => &[
            (format!("kyuubi+http://{thrift_place}/"), thrift),
            (format!("kyuubi://{thrift_place}/;transportMode=http"), thrift),
            (format!("kyuubi+https://{rest_place}/"), &rest),
        ],
    };
    for (wrong, right) in wrong {
        let output = shell.at(wrong).stdin("SELECT 1;\n").run().expect_code(5);
        let output = output.expect_stderr("is spoken there, and not ");
        output.expect_stderr(&format!("try {right}\n"));
    }
}

/// A person who wants few rows kept is connected all the same: lists are not kept from anybody.
fn few_rows(door: &Door) {
    let shell = Shell::new();
    let output = door
        .csv_with(&shell, "kyuubi.session.engine.flink.max.rows=5")
        .stdin("SELECT 7 AS seven;\nSET;\n")
        .run()
        .expect_code(0);
    assert!(output.stdout.starts_with("seven\n7\nkey,value\n"), "{output}");
    assert!(output.stdout.lines().count() > 10, "{output}");
}

/// The engine puts in no variables: the shell does.
fn variables(door: &Door) {
    let shell = Shell::new();
    let url = format!("{}#who=bee", door.url());
    let output = shell
        .at(&url)
        .with("-o csv --hivevar n=40")
        .stdin("SELECT '${who}' AS v, ${hivevar:n} + 2 AS n;\nSET hivevar:who=wasp;\nSELECT '${who}' AS v;\n")
        .run();
    output.expect(0, "v,n\nbee,42\nv\nwasp\n");
}

/// Whoever has REST sees who uses the server.
fn lists(door: &Door) {
    let (shell, name) = (Shell::new(), format!("listed by {}", door.way));
    let ask = |what: &str| {
        let settings = format!("kyuubi.session.name={name}");
        let script =
            format!("{TABLES}SELECT id AS listed, 'password' = 'geheim' AS known FROM src &;\n!server {what} --json\n");
        door.csv_with(&shell, &settings).stdin(script).run()
    };
    if door.way == Way::Thrift {
        ask("sessions")
            .expect_code(1)
            .expect_stderr("does not tell what else it does");
        return;
    }
    let read = |what: &str| -> Vec<Value> {
        let output = ask(what).expect_code(0);
        assert!(!output.stdout.contains("geheim"), "{output}");
        let lines = output.stdout.lines().filter(|line| line.starts_with('{'));
        lines.map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let sessions = read("sessions");
    let own: Vec<_> = sessions.iter().filter(|entry| entry["own"] == true).collect();
    let [own] = own[..] else { panic!("{sessions:?}") };
    assert_eq!(
        (&own["name"], &own["user"]),
        (&name.as_str().into(), &"anonymous".into())
    );
    let operations = read("operations");
    let query = operations.iter().find(|entry| {
        entry["statement"]
            .as_str()
            .is_some_and(|text| text.contains("AS listed"))
    });
    assert!(
        query.unwrap()["statement"].as_str().unwrap().contains("***"),
        "{operations:?}"
    );
    let launch = operations
        .iter()
        .find(|entry| entry["own"] == true && entry["statement"] == "LaunchEngine");
    assert_eq!(launch.unwrap()["state"], "FINISHED", "{operations:?}");
    let engines = read("engines");
    let flink = engines.iter().find(|entry| entry["engine"] == "FLINK_SQL");
    assert_eq!(flink.unwrap()["user"], "anonymous", "{engines:?}");

    // For a person they are tables.
    let script = "!server sessions\n!server operations\n!server engines\n";
    let output = door.csv(&shell).stdin(script).run().expect_code(0);
    assert!(output.stdout.contains("  *  "), "{output}");
    assert!(output.stdout.contains("LaunchEngine"), "{output}");
    assert!(output.stdout.contains("FLINK_SQL"), "{output}");
}

/// The session is opened for whom the URL names.
fn for_somebody_else(door: &Door) {
    let shell = Shell::new();
    for (number, url) in [
        format!("{};hive.server2.proxy.user=bob", door.url()),
        format!("{}?kyuubi.session.proxy.user=bob", door.url()),
    ]
    .into_iter()
    .enumerate()
    {
        let table = format!("of_bob_{number}_{}", door.way);
        let program = shell.at(&url).with("-o csv -n alice -p x");
        program
            .stdin(format!(
                "CREATE TABLE {table} (a INT) WITH ('connector' = 'blackhole');\n"
            ))
            .run()
            .expect_code(0);
        let sessions = door.sessions_of(&table).unwrap();
        // By its own name, as the server looks for it, and not among the settings.
        assert_eq!(sessions[0][0]["user"], "bob", "{sessions:?}");
    }
}

/// Who the server does not know is told what it wants, and that secret is nowhere.
fn strangers(door: &Door) {
    if door.way == Way::Thrift {
        return;
    }
    let shell = Shell::new();
    let output = door.csv(&shell).env("SKEP_TOKEN", "geheim").stdin("SELECT 1;\n").run();
    assert_ne!(output.code, 0, "{output}");
    assert!(!output.stderr.contains("geheim"), "{output}");
    output.expect_stderr("wants other credentials");
}
