//! A line being edited.

use super::{CTRL_C, CTRL_D, CTRL_Z, shell, shell_in_bash, shell_in_bash_at};
use crate::world::{World, scripted};

#[test]
fn ctrl_z_at_the_prompt_stops_the_shell_and_fg_brings_the_line_back() {
    let world = World::new();
    let mut pty = shell_in_bash(&world);
    pty.send("SELECT 1");
    pty.wait_for("the line", |screen| screen.line == "scripted> SELECT 1");
    // The cursor is brought back as well.
    pty.send("\x1b[D");
    pty.wait_for("the cursor", |screen| screen.line == "scripted> SELECT ");
    pty.send(CTRL_Z);
    let screen = pty.wait_for("bash", |screen| screen.has("Stopped") && screen.line == "bash$ ");
    assert!(pty.is_cooked() || screen.editing, "bash edits by itself: {screen}");
    // Text for skep that is typed before it is there again.
    pty.send("fg\r2");
    pty.wait_for("the line again", |screen| screen.line == "scripted> SELECT 2");
    pty.send("\x05;\r");
    pty.wait_text("21 rows");
    pty.wait_prompt("scripted> ");
    pty.send(CTRL_D);
    pty.wait_for("bash", |screen| screen.line == "bash$ ");
    pty.line("echo code $?");
    pty.wait_text("code 0");
}

#[test]
fn ctrl_z_keeps_the_lines_of_a_statement_that_is_not_complete() {
    let world = World::new();
    let mut pty = shell_in_bash(&world);
    pty.line("SELECT");
    pty.wait_prompt("        > ");
    pty.send(CTRL_Z);
    pty.wait_for("bash", |screen| screen.has("Stopped") && screen.line == "bash$ ");
    pty.line("fg");
    pty.wait_prompt("        > ");
    pty.line("2;");
    pty.wait_text("2 rows");
}

#[cfg(target_os = "linux")]
#[test]
fn the_system_says_that_a_suspended_shell_is_stopped() {
    let world = World::new();
    let mut pty = shell_in_bash(&world);
    pty.send(CTRL_Z);
    pty.wait_for("bash", |screen| screen.has("Stopped") && screen.line == "bash$ ");
    assert_eq!(state_of(&pty), "T");
    pty.line("fg");
    pty.wait_prompt("scripted> ");
}

#[test]
fn a_stopped_shell_that_is_killed_leaves_properly() {
    let world = World::new();
    let mut pty = shell_in_bash_at(&world, "scripted:inside");
    pty.line("INSERT INTO orders;");
    pty.wait_prompt("scripted [1]> ");
    pty.send(CTRL_Z);
    pty.wait_for("bash", |screen| screen.has("Stopped") && screen.line == "bash$ ");
    pty.line("kill %1");
    pty.wait_text("[1] orders stopped with a savepoint");
    // Until bash has heard that the job goes on, its wait answers 147 at once.
    pty.line("until wait %1 2>/dev/null; c=$?; test $c != 147; do :; done; echo code $c");
    pty.wait_text("code 143");
    assert!(world.journal().contains(&"stop orders".to_owned()));
}

#[test]
fn ctrl_z_stops_a_shell_that_leaves_editing_to_the_terminal() {
    let world = World::new();
    let mut pty = world
        .program("bash")
        .with("--norc --noprofile -i")
        .env("PS1", "bash$ ")
        .env("TERM", "dumb")
        .pty();
    pty.wait_for("bash", |screen| screen.line == "bash$ ");
    pty.line(&format!("{} -u scripted:", scripted().display()));
    pty.wait_for("the prompt", |screen| screen.line == "scripted> ");
    pty.send(CTRL_Z);
    pty.wait_for("bash", |screen| screen.has("Stopped") && screen.line == "bash$ ");
    pty.line("fg");
    pty.wait_for("the prompt", |screen| screen.line == "scripted> ");
    pty.line("SELECT 2;");
    pty.wait_text("2 rows");
}

#[test]
fn without_job_control_ctrl_z_stops_nothing() {
    let world = World::new();
    let mut pty = shell(&world);
    pty.send(CTRL_Z);
    let screen = pty.wait_text("hint:");
    assert!(screen.has("it was not started by a shell with job control"), "{screen}");
    pty.wait_prompt("scripted> ");
    pty.line("SELECT 1;");
    pty.wait_text("1 row");
}

/// The state of the program's child as the system tells it: T is stopped.
#[cfg(target_os = "linux")]
fn state_of(pty: &crate::world::Pty) -> String {
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", pty.pid())).unwrap();
    let child = children.split_whitespace().next().unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap();
    stat.rsplit(") ").next().unwrap()[..1].to_owned()
}

#[test]
fn ctrl_c_clears_the_line_and_on_an_empty_one_says_how_to_leave() {
    let world = World::new();
    let mut pty = shell(&world);
    pty.send("SELECT 'a");
    pty.wait_for("the line", |screen| screen.line.ends_with("'a"));
    pty.send(CTRL_C);
    let screen = pty.wait_prompt("scripted> ");
    assert!(!screen.has("hint:"), "{screen}");
    pty.send(CTRL_C);
    pty.wait_text("hint: Ctrl-D or !quit leaves");
    pty.wait_prompt("scripted> ");
    pty.line("SELECT");
    pty.wait_prompt("        > ");
    pty.send(CTRL_C);
    pty.wait_prompt("scripted> ");
    pty.line("SELECT 1;");
    pty.wait_text("1 row");
    assert!(!world.journal().iter().any(|line| line.contains("SELECT SELECT")));
}
