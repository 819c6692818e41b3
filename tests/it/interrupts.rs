//! Ctrl-C, Ctrl-Z, Ctrl-D and the signals, in a real terminal, against an engine that misbehaves on command.

use std::fs::File;
use std::io::{BufRead, BufReader};

use crate::world::pty::Ended;
use crate::world::{Pty, World, scripted};
use rustix::process::Signal;

const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const CTRL_Z: &str = "\x1a";

/// A shell on the scripted engine that waits for its first statement.
fn shell(world: &World) -> Pty {
    let pty = world.scripted().with("-u scripted:").pty();
    pty.wait_prompt("scripted> ");
    pty
}

/// A shell within a shell with job control, which is what Ctrl-Z and `fg` are about.
fn shell_in_bash(world: &World) -> Pty {
    shell_in_bash_at(world, "scripted:")
}

fn shell_in_bash_at(world: &World, url: &str) -> Pty {
    let mut pty = world
        .program("bash")
        .with("--norc --noprofile -i")
        .env("PS1", "bash$ ")
        .pty();
    pty.wait_for("bash", |screen| screen.line == "bash$ ");
    pty.line(&format!("{} -u {url}", scripted().display()));
    pty.wait_prompt("scripted> ");
    pty
}

/// Types a statement that gives rows without end and waits until some have come.
fn start_endless(pty: &mut Pty) {
    pty.line("SELECT ENDLESS QUIETLY;");
    pty.wait_text("row 2");
}

#[test]
fn ctrl_c_ends_an_endless_query_and_the_job_behind_it() {
    let world = World::new();
    let mut pty = shell(&world);
    start_endless(&mut pty);
    pty.send(CTRL_C);
    let screen = pty.wait_prompt("scripted> ");
    assert!(
        screen.has("cancelling …") && screen.has("3 rows · cancelled: job "),
        "{screen}"
    );
    assert!(screen.has(" is CANCELED"), "{screen}");
    assert!(world.journal().contains(&"cancel operation of endless".to_owned()));
    pty.line("!jobs -a");
    pty.wait_for("the engine's word", |screen| {
        screen.has("CANCELED  ") && !screen.has("RUNNING")
    });
}

#[test]
fn ctrl_c_ends_a_query_whose_rows_come_faster_than_they_can_be_shown() {
    let world = World::new();
    let mut pty = shell(&world);
    pty.line("SELECT ENDLESS;");
    pty.wait_text("row 1");
    pty.send(CTRL_C);
    let screen = pty.wait_for("the prompt", |screen| screen.editing && screen.line == "scripted> ");
    assert!(screen.has(" rows · cancelled: job "), "{screen}");
}

#[test]
fn a_second_ctrl_c_leaves_a_cancel_that_hangs_to_the_job_table() {
    let world = World::new();
    let mut pty = shell(&world);
    pty.line("CANCEL HANGS;");
    pty.wait_text("ok ·");
    start_endless(&mut pty);
    pty.send(CTRL_C);
    pty.wait_text("cancelling …");
    pty.send(CTRL_C);
    let screen = pty.wait_prompt("scripted [1]> ");
    assert!(
        screen.has("[1] the cancel of job ") && screen.has(" goes on · !job %1"),
        "{screen}"
    );
    pty.line("!jobs");
    pty.wait_text("RUNNING, cancelling");
    world.open_gate();
    pty.wait_text("[1] cancelled");
    pty.line("!jobs");
    pty.wait_for("the end in the table", |screen| screen.has("%1  CANCELED"));
    pty.wait_prompt("scripted> ");
}

#[test]
fn a_cancel_that_lies_is_not_believed() {
    let world = World::new();
    let mut pty = shell(&world);
    pty.line("CANCEL LIES;");
    pty.wait_text("ok ·");
    start_endless(&mut pty);
    pty.send(CTRL_C);
    let screen = pty.wait_prompt("scripted> ");
    assert!(screen.has(" is CANCELED"), "{screen}");
    // The operation's cancel changed nothing: the job was asked for by its id.
    let journal = world.journal();
    let steps: Vec<&str> = journal
        .iter()
        .map(String::as_str)
        .filter(|line| line.starts_with("cancel "))
        .collect();
    assert_eq!(steps, ["cancel operation of endless", "cancel job endless"]);
}

#[test]
fn a_query_that_can_t_be_cancelled_is_said_to_run() {
    let world = World::new();
    let mut pty = shell(&world);
    pty.line("CANCEL FAILS;");
    pty.wait_text("ok ·");
    start_endless(&mut pty);
    pty.send(CTRL_C);
    let screen = pty.wait_prompt("scripted> ");
    // The ladder goes on to the job's id, which works.
    assert!(screen.has(" is CANCELED"), "{screen}");
}

#[test]
fn ctrl_c_before_the_engine_has_answered_cancels_what_it_then_starts() {
    let world = World::new();
    let mut pty = shell(&world);
    pty.line("INSERT INTO orders SLOWLY;");
    pty.wait_for("the statement", |screen| !screen.editing);
    pty.send(CTRL_C);
    pty.wait_text("will be cancelled as soon as the engine answers");
    world.open_gate();
    let screen = pty.wait_prompt("scripted> ");
    assert!(
        screen.has("nothing shown · cancelled: job ") && screen.has(" is CANCELED"),
        "{screen}"
    );
}

#[test]
fn a_second_ctrl_c_leaves_a_submission_that_hangs() {
    let world = World::new();
    let mut pty = shell(&world);
    pty.line("INSERT INTO orders SLOWLY;");
    pty.wait_for("the statement", |screen| !screen.editing);
    pty.send(CTRL_C);
    pty.wait_text("will be cancelled as soon as the engine answers");
    pty.send(CTRL_C);
    pty.wait_prompt("scripted> ");
    world.open_gate();
    pty.wait_text("accepted late as job ");
    pty.wait_text("and cancelled");
    pty.wait_prompt("scripted> ");
}

#[test]
fn ctrl_c_between_the_statements_of_a_script_stops_it() {
    let world = World::new();
    // So many statements that most of the time is spent between them.
    let script = world.write("script.sql", &"CANCEL WORKS;\n".repeat(200_000));
    let mut pty = world
        .scripted()
        .with("-u scripted: -e")
        .arg("SELECT 3")
        .arg("-f")
        .arg(script)
        .pty();
    pty.wait_text("row 2");
    pty.send(CTRL_C);
    let Ended { code, screen, .. } = pty.wait();
    assert_eq!(code, 130, "{screen}");
    assert!(world.journal().len() < 200_000);
}

#[test]
fn ctrl_z_detaches_a_query_and_fg_shows_each_row_once() {
    let world = World::new();
    let mut pty = shell(&world);
    start_endless(&mut pty);
    pty.send(CTRL_Z);
    let screen = pty.wait_prompt("scripted [1]> ");
    assert!(screen.has("[1] detached · job "), "{screen}");
    pty.line("!jobs");
    pty.wait_text("%1  RUNNING");
    assert!(
        !world.journal().iter().any(|line| line.starts_with("cancel")),
        "nothing was cancelled"
    );
}

#[test]
fn rows_of_a_detached_query_are_all_seen_exactly_once() {
    let world = World::new();
    // Results go to a pipe, so that every row is counted when it comes.
    let pipe = world.path("rows");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let command = format!(
        "exec {} -u scripted: -o csv --showHeader=false >{}",
        scripted().display(),
        pipe.display()
    );
    let mut pty = world.program("bash").arg("-c").arg(command).pty();
    let mut rows = BufReader::new(File::open(pipe).unwrap()).lines().map(Result::unwrap);
    pty.wait_prompt("scripted> ");
    pty.line("SELECT GATED 3000;");
    let shown: Vec<String> = rows.by_ref().take(3).collect();
    pty.send(CTRL_Z);
    let screen = pty.wait_prompt("scripted [1]> ");
    assert!(screen.has("[1] detached · job "), "{screen}");
    world.open_gate();
    pty.line("!fg %1");
    // The pipe holds less than all rows.
    let rest: Vec<String> = rows.by_ref().take(2997).collect();
    pty.wait_text("[1] 2,997 rows, and no more to come");
    // Its end is told where nobody attends to it, which !fg may still have done.
    pty.line("!wait %1");
    let screen = pty.wait_prompt("scripted> ");
    assert!(screen.has("FINISHED"), "{screen}");
    pty.send(CTRL_D);
    assert_eq!(pty.wait().code, 0);
    let expected: Vec<String> = (0..3000).map(|n| format!("{n},row {n}")).collect();
    assert_eq!([shown, rest].concat(), expected);
    assert_eq!(rows.next(), None);
}

#[test]
fn ctrl_c_stops_fg_and_loses_no_row() {
    let world = World::new();
    let pipe = world.path("rows");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let command = format!(
        "exec {} -u scripted: -o csv --showHeader=false >{}",
        scripted().display(),
        pipe.display()
    );
    let mut pty = world.program("bash").arg("-c").arg(command).pty();
    let mut rows = BufReader::new(File::open(pipe).unwrap()).lines().map(Result::unwrap);
    pty.wait_prompt("scripted> ");
    // So many more rows than the pipe holds that Ctrl-C comes while they are being shown, however slow its handler is.
    pty.line("SELECT 1000000 &;");
    pty.wait_text("FINISHED");
    pty.line("!fg %1");
    let mut shown: Vec<String> = rows.by_ref().take(100).collect();
    pty.send(CTRL_C);
    pty.wait_text("^C");
    // Reading on lets what is being written through; the prompt comes without all rows having come.
    let (told, count) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        shown.extend(rows.inspect(|_| told.send(()).unwrap_or_default()));
        shown
    });
    pty.wait_text("[1] goes on in the background");
    pty.wait_prompt("scripted> ");
    assert!(count.try_iter().count() < 999_900, "it was shown to its end");
    pty.line("!fg %1");
    pty.wait_text("and no more to come");
    pty.wait_prompt("scripted> ");
    pty.send(CTRL_D);
    assert_eq!(pty.wait().code, 0);
    let expected: Vec<String> = (0..1_000_000).map(|n| format!("{n},row {n}")).collect();
    assert!(reader.join().unwrap() == expected, "rows were lost or shown twice");
}

#[test]
fn ctrl_z_makes_a_job_that_is_waited_for_go_on_in_the_background() {
    let world = World::new();
    let mut pty = shell(&world);
    pty.line("INSERT INTO batch BOUNDED;");
    pty.wait_text("RUNNING");
    pty.wait_for("no editing", |screen| !screen.editing);
    pty.send(CTRL_Z);
    let screen = pty.wait_prompt("scripted [1]> ");
    assert!(screen.has("[1] goes on in the background"), "{screen}");
    world.open_gate();
    pty.wait_text("[1] batch");
    pty.wait_text("FINISHED");
}

#[test]
fn ctrl_c_stops_a_wait_and_not_the_job() {
    let world = World::new();
    let mut pty = shell(&world);
    pty.line("INSERT INTO orders;");
    pty.wait_prompt("scripted [1]> ");
    pty.line("!wait");
    pty.wait_for("the wait", |screen| !screen.editing);
    pty.send(CTRL_C);
    let screen = pty.wait_prompt("scripted [1]> ");
    assert!(screen.has("no longer waiting; the jobs go on"), "{screen}");
    assert!(!world.journal().iter().any(|line| line.starts_with("cancel")));
}

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
fn state_of(pty: &Pty) -> String {
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

#[test]
fn ctrl_d_stops_local_jobs_with_a_savepoint_and_says_how_to_go_on() {
    let world = World::new();
    let mut pty = world.scripted().with("-u scripted:inside").pty();
    pty.wait_prompt("scripted> ");
    pty.line("INSERT INTO orders;");
    pty.wait_prompt("scripted [1]> ");
    pty.send(CTRL_D);
    let Ended { code, screen, .. } = pty.wait();
    assert_eq!(code, 0, "{screen}");
    assert!(screen.has("[1] orders stopped with a savepoint"), "{screen}");
    assert!(
        screen.has("to go on: skep -u scripted:inside, then !restore orders"),
        "{screen}"
    );
    assert!(world.journal().contains(&"stop orders".to_owned()));
}

#[test]
fn ctrl_c_while_leaving_ends_at_once_and_says_what_is_left() {
    let world = World::new();
    let mut pty = world.scripted().with("-u scripted:inside").pty();
    pty.wait_prompt("scripted> ");
    pty.line("INSERT INTO orders; SAVEPOINT HANGS;");
    pty.wait_text("ok ·");
    pty.wait_prompt("scripted [1]> ");
    pty.send(CTRL_D);
    pty.wait_for("the end of editing", |screen| !screen.editing);
    world.wait_journal("stop orders");
    pty.send(CTRL_C);
    let Ended { code, screen, .. } = pty.wait();
    assert_eq!(code, 130, "{screen}");
    assert!(screen.has("[1] orders ends at once, without a checkpoint"), "{screen}");
}

#[test]
fn a_job_that_can_t_be_saved_is_said_so_when_the_shell_leaves() {
    let world = World::new();
    let mut pty = world.scripted().with("-u scripted:inside").pty();
    pty.wait_prompt("scripted> ");
    pty.line("INSERT INTO orders; SAVEPOINT FAILS;");
    pty.wait_text("ok ·");
    pty.wait_prompt("scripted [1]> ");
    pty.send(CTRL_D);
    let Ended { code, screen, .. } = pty.wait();
    assert_eq!(code, 1, "{screen}");
    assert!(screen.has("the savepoint could not be written: disk full"), "{screen}");
}

#[test]
fn ctrl_d_leaves_jobs_on_a_cluster_running_and_names_them() {
    let world = World::new();
    let mut pty = shell(&world);
    pty.line("INSERT INTO orders;");
    pty.wait_prompt("scripted [1]> ");
    pty.send(CTRL_D);
    let Ended { code, screen, .. } = pty.wait();
    assert_eq!(code, 0, "{screen}");
    assert!(screen.has("orders goes on: job "), "{screen}");
    assert!(!world.journal().iter().any(|line| line.starts_with("stop")));
}

#[test]
fn sigterm_while_editing_leaves_properly() {
    let world = World::new();
    let mut pty = world.scripted().with("-u scripted:inside").pty();
    pty.wait_prompt("scripted> ");
    pty.line("INSERT INTO orders;");
    pty.wait_prompt("scripted [1]> ");
    pty.send("SELECT half a li");
    pty.wait_for("the line", |screen| screen.line.ends_with("half a li"));
    assert!(!pty.is_cooked());
    pty.signal(Signal::TERM);
    let Ended { code, screen, cooked } = pty.wait();
    assert_eq!(code, 143, "{screen}");
    assert!(screen.has("[1] orders stopped with a savepoint"), "{screen}");
    assert!(!screen.editing, "bracketed paste was left on");
    assert!(cooked, "the terminal was left raw");
}

#[test]
fn sigterm_while_a_query_runs_leaves_properly() {
    let world = World::new();
    let mut pty = shell(&world);
    start_endless(&mut pty);
    pty.signal(Signal::TERM);
    let Ended { code, screen, .. } = pty.wait();
    assert_eq!(code, 143, "{screen}");
    assert!(world.journal().contains(&"cancel operation of endless".to_owned()));
}

#[test]
fn sighup_while_editing_leaves_properly() {
    let world = World::new();
    let mut pty = world.scripted().with("-u scripted:inside").pty();
    pty.wait_prompt("scripted> ");
    pty.line("INSERT INTO orders;");
    pty.wait_prompt("scripted [1]> ");
    pty.signal(Signal::HUP);
    let Ended { code, screen, .. } = pty.wait();
    assert_eq!(code, 129, "{screen}");
    assert!(world.journal().contains(&"stop orders".to_owned()));
}

#[test]
fn a_terminal_that_is_taken_away_ends_the_shell() {
    let world = World::new();
    // The system takes the terminal from everybody when the session's leader dies. A subshell that outlives it tells how
    // skep ended, through a pipe that can be waited for.
    let told = world.path("told");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&told)
            .status()
            .unwrap()
            .success()
    );
    let mut pty = world
        .program("bash")
        .with("--norc --noprofile -i")
        .env("PS1", "bash$ ")
        .pty();
    pty.wait_for("bash", |screen| screen.line == "bash$ ");
    pty.line(&format!(
        "(trap '' HUP; {} -u scripted:inside; echo $? >{})",
        scripted().display(),
        told.display()
    ));
    pty.wait_prompt("scripted> ");
    pty.line("INSERT INTO orders;");
    pty.wait_prompt("scripted [1]> ");
    pty.signal(Signal::KILL);
    assert_eq!(std::fs::read_to_string(&told).unwrap(), "129\n");
    assert!(world.journal().contains(&"stop orders".to_owned()));
}

#[test]
fn a_reader_that_goes_away_ends_a_script_without_a_word() {
    let world = World::new();
    let scripted = scripted();
    let output = world
        .program("bash")
        .arg("-c")
        .arg(format!(
            "{} -u scripted: -e 'SELECT ENDLESS' | head -n 3; echo ${{PIPESTATUS[0]}}",
            scripted.display()
        ))
        .run();
    let last = output.stdout.lines().last().map(str::to_owned);
    let output = output.expect_code(0).expect_quiet();
    assert_eq!(last.as_deref(), Some("141"), "{output}");
    assert!(world.journal().contains(&"cancel operation of endless".to_owned()));
}

#[test]
fn a_reader_that_goes_away_ends_the_prompt_too() {
    let world = World::new();
    let command = format!(
        "{} -u scripted: | head -n 1; echo code ${{PIPESTATUS[0]}}",
        scripted().display()
    );
    let mut pty = world.program("bash").arg("-c").arg(command).pty();
    pty.wait_prompt("scripted> ");
    pty.line("SELECT ENDLESS;");
    let Ended { screen, cooked, .. } = pty.wait();
    assert!(screen.has("code 141") && !screen.has("error"), "{screen}");
    assert!(cooked);
}

#[test]
fn ctrl_c_in_a_script_cancels_and_stops_it() {
    let world = World::new();
    let script = world.write("script.sql", "SELECT ENDLESS QUIETLY; SELECT 7;");
    let mut pty = world.scripted().with("-u scripted: -f").arg(script).pty();
    pty.wait_text("row 2");
    pty.send(CTRL_C);
    let Ended { code, screen, .. } = pty.wait();
    assert_eq!(code, 130, "{screen}");
    assert!(!screen.has("row 6"), "{screen}");
    assert!(world.journal().contains(&"cancel operation of endless".to_owned()));
}
