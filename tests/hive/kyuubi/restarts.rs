//! The server is killed: engines and jobs live on.

use rustix::process::Signal;

use super::cases::TABLES;
use super::{Case, Door};
use crate::cases::Shell;

/// Each kills the server.
pub fn all() -> Vec<Case> {
    let alone = |name, run, stand_in_only| Case {
        name,
        run,
        alone: true,
        stand_in_only,
    };
    vec![
        alone("restarted", restarted, false),
        alone("restarted_without_rest", restarted_without_rest, false),
        alone("lost_reply", lost_reply, true),
        alone("hung", hung, false),
    ]
}

/// The session is opened again with what it was told, the person is told, the job goes on and is found, and the query, whose rows
/// nobody can read any more, does not go on.
fn restarted(door: &Door) {
    let shell = Shell::new();
    let (kept, orphan) = (format!("kept by {}", door.way), format!("orphan by {}", door.way));
    let witness = door.server.witness();
    let mut live = door.csv(&shell).with("--force").start();
    live.send(format!(
        "{TABLES}SET 'pipeline.name' = '{kept}';\nINSERT INTO snk SELECT id AS kept FROM src;\n"
    ));
    let kept_id = witness.wait_named(&kept);
    witness.wait_running(&kept_id);
    live.send(format!(
        "SET 'pipeline.name' = '{orphan}';\nSELECT id AS orphan FROM src &;\n"
    ));
    let orphan_id = witness.wait_named(&orphan);
    witness.wait_running(&orphan_id);
    live.wait_err("[2]");
    door.server.kill();
    witness.wait_state(&orphan_id, "CANCELED");
    door.server.start_again();
    live.send("SHOW TABLES;\n");
    live.wait_out("table name\nsnk\nsrc\n");
    live.wait_err("it was opened again and told the 4 statements that had changed it");
    assert_eq!(witness.state(&kept_id), "RUNNING");
    live.send("!jobs\n!cancel %1\n!quit\n");
    let output = live.wait();
    assert!(output.stdout.contains(&kept), "{output}");
    assert_eq!(witness.state(&kept_id), "CANCELED", "{output}");
    door.expect_sent_once("AS kept", &kept_id);
    door.expect_sent_once("AS orphan", &orphan_id);
    // Another shell finds a job by its id, in what was written down.
    let output = door.csv(&shell).stdin(format!("!job {kept_id}\n")).run();
    assert!(output.stdout.contains("CANCELED"), "{output}");
}

/// The same where job verbs are SQL: the query's job is ended when the server is back.
fn restarted_without_rest(door: &Door) {
    let (shell, orphan) = (Shell::new(), format!("late orphan by {}", door.way));
    let witness = door.server.witness();
    let mut live = door
        .csv(&shell)
        .with("--rest http://127.0.0.1:1")
        .with("--force")
        .start();
    live.send(format!(
        "{TABLES}SET 'pipeline.name' = '{orphan}';\nSELECT id FROM src &;\n"
    ));
    let id = witness.wait_named(&orphan);
    witness.wait_running(&id);
    live.wait_err("[1]");
    door.server.kill();
    door.server.start_again();
    witness.wait_state(&id, "CANCELED");
    live.send("!quit\n");
    live.wait();
}

/// A server that hangs does not keep a query's job from its end: the cluster is asked.
fn hung(door: &Door) {
    let (shell, name) = (Shell::new(), format!("hung by {}", door.way));
    let witness = door.server.witness();
    let mut prompt = door.csv(&shell).pty();
    prompt.wait_text("> ");
    for line in format!("{TABLES}SET 'pipeline.name' = '{name}';\nSELECT id FROM src;").lines() {
        prompt.line(line);
    }
    prompt.wait_for("two rows", |screen| screen.text.lines().any(|line| line.trim() == "2"));
    let id = witness.wait_named(&name);
    door.server.signal(Signal::STOP);
    prompt.send("\x03");
    witness.wait_state(&id, "CANCELED");
    prompt.wait_text("cancelled");
    door.server.signal(Signal::CONT);
    prompt.line("SELECT 7 AS after;");
    prompt.wait_for("the next", |screen| screen.text.lines().any(|line| line.trim() == "7"));
    prompt.line("!quit");
    prompt.wait();
}

/// The server dies between carrying out and answering: the job is found by the id that it was given, and not sent again.
fn lost_reply(door: &Door) {
    let (shell, name) = (Shell::new(), format!("unanswered by {}", door.way));
    let witness = door.server.witness();
    let mut live = door.csv(&shell).with("--force").start();
    // The stand-in dies of that word.
    live.send(format!(
        "{TABLES}SET 'pipeline.name' = '{name}';\nINSERT INTO snk SELECT id AS unanswered FROM src;\n"
    ));
    door.server.wait_dead();
    let id = witness.wait_named(&name);
    live.wait_err("found on the cluster by its id");
    door.server.start_again();
    live.send("SHOW TABLES;\n!cancel %1\n!quit\n");
    let output = live.wait();
    assert!(output.stdout.contains("table name\nsnk\nsrc\n"), "{output}");
    assert_eq!(witness.state(&id), "CANCELED");
    assert_eq!(witness.named(&name).len(), 1);
    door.expect_sent_once("AS unanswered", &id);
}
