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
