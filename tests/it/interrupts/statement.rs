//! A statement in the foreground, the waiting for a job, a script.

use std::fs::File;
use std::io::{BufRead, BufReader};

use rustix::process::Signal;

use super::{CTRL_C, CTRL_D, CTRL_Z, shell, start_endless};
use crate::world::pty::Ended;
use crate::world::{World, scripted};

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
    pty.wait_text("it has not ended yet · Ctrl-C again leaves it to end by itself");
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
    world.wait_journal("submit INSERT INTO orders SLOWLY");
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
    world.wait_journal("submit INSERT INTO orders SLOWLY");
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
fn a_key_that_the_terminal_has_shown_stands_before_no_message() {
    let world = World::new();
    let mut pty = shell(&world);
    pty.line("INSERT INTO orders SLOWLY;");
    world.wait_journal("submit INSERT INTO orders SLOWLY");
    pty.send(CTRL_Z);
    pty.wait_for("the key to be seen and taken away", |screen| {
        let behind = screen.raw.split_once("^Z");
        behind.is_some_and(|(_, behind)| behind.contains("\x1b[K"))
    });
    world.open_gate();
    let screen = pty.wait_prompt("scripted [1]> ");
    let said = screen.text.lines().find(|line| line.contains("[1] orders · job "));
    assert!(
        said.is_some_and(|line| line.starts_with("[1]")) && !screen.has("^Z"),
        "{screen}"
    );
}

#[test]
fn any_number_of_queries_can_be_detached_one_after_the_other() {
    let world = World::new();
    let mut pty = shell(&world);
    for number in 1..=6 {
        pty.line("SELECT ENDLESS QUIETLY;");
        pty.wait_for("the query's rows", |screen| {
            screen.raw.matches("│ row 2").count() == number
        });
        pty.send(CTRL_Z);
        pty.wait_prompt(&format!("scripted [{number}]> "));
    }
    pty.line("!jobs");
    pty.wait_text("%6  RUNNING");
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
fn ctrl_z_on_a_terminal_that_is_slow_loses_no_row() {
    const END: u64 = 20_000;
    let world = World::new();
    let mut pty = world.scripted().with("-u scripted: -o csv").pty();
    pty.wait_prompt("scripted> ");
    pty.line(&format!("SELECT GATED {END};"));
    pty.wait_text("row 2");
    // What is written from then on waits to be read.
    pty.hold_at("row 50");
    world.open_gate();
    pty.wait_for("row 50", |screen| screen.raw.contains("row 50"));
    pty.send(CTRL_Z);
    pty.release();
    pty.wait_text("[1] detached · job ");
    pty.line("!fg %1");
    pty.wait_text("and no more to come");
    // Its end is told where nobody attends to it, which !fg may still have done.
    pty.line("!wait %1");
    let screen = pty.wait_prompt("scripted> ");
    assert_eq!(numbers(&screen.raw), (0..END).collect::<Vec<_>>());
}

/// The numbers of the rows that were shown, in order.
fn numbers(raw: &str) -> Vec<u64> {
    // The terminal shows the key wherever it finds itself.
    let shown = raw.replace("^Z", "");
    let numbers = shown.split(",row ").skip(1).map(|rest| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    });
    numbers.collect()
}

#[test]
fn what_was_typed_ahead_is_run_after_ctrl_z_and_dropped_by_ctrl_c() {
    let world = World::new();
    let mut pty = shell(&world);
    start_endless(&mut pty);
    pty.send("SELECT 5;\r");
    pty.wait_text("SELECT 5;");
    pty.send(CTRL_Z);
    pty.wait_text("5 rows · ");
    pty.wait_prompt("scripted [1]> ");
    pty.line("SELECT ENDLESS QUIETLY;");
    pty.wait_for("the query", |screen| screen.raw.matches("row 2").count() == 3);
    pty.send("SELECT 7;\r");
    pty.wait_text("SELECT 7;");
    pty.send(CTRL_C);
    pty.wait_text("3 rows · cancelled: job ");
    pty.wait_prompt("scripted [1]> ");
    pty.line("SELECT 9;");
    pty.wait_text("9 rows · ");
    let submitted = world.journal();
    assert!(submitted.contains(&"submit SELECT 5".to_owned()), "{submitted:?}");
    assert!(!submitted.contains(&"submit SELECT 7".to_owned()), "{submitted:?}");
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
    pty.wait_text("Ctrl-C stops the waiting, not the jobs");
    pty.send(CTRL_C);
    let screen = pty.wait_prompt("scripted [1]> ");
    assert!(screen.has("no longer waiting; the jobs go on"), "{screen}");
    assert!(!world.journal().iter().any(|line| line.starts_with("cancel")));
}

#[test]
fn a_script_does_not_wait_without_end_for_a_cancel() {
    let world = World::new();
    let script = world.scripted().with("-u scripted: -o csv -e");
    let running = script.arg("CANCEL HANGS; SELECT ENDLESS QUIETLY").start();
    running.wait_out("row 2");
    running.signal(Signal::INT);
    running
        .wait()
        .expect_code(130)
        .expect_stderr("the cancel of job ")
        .expect_stderr(" goes on: job ");
}

#[test]
fn a_query_that_somebody_else_cancels_was_not_interrupted() {
    let world = World::new();
    let kept = || world.scripted().with("-u scripted:kept");
    let query = kept().with("-o csv -e").arg("SELECT ENDLESS QUIETLY").start();
    query.wait_out("row 2");
    drop(kept().with("cancel endless").run().expect_code(0));
    query
        .wait()
        .expect(3, "n,text\n0,row 0\n1,row 1\n2,row 2\n")
        .expect_stderr("the query was cancelled");
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

#[test]
fn what_takes_its_time_says_for_how_long_and_how_to_leave_it() {
    let world = World::new();
    let mut pty = shell(&world);
    pty.line("INSERT INTO slow UNANSWERED;");
    pty.wait_text("the engine has not answered yet · ");
    pty.send(CTRL_C);
    pty.wait_text("will be cancelled as soon as the engine answers");
    pty.send(CTRL_C);
    pty.wait_prompt("scripted> ");
    pty.line("SELECT GATED 2 LATE;");
    let screen = pty.wait_text("no row yet · ");
    assert!(
        screen.has("Ctrl-C cancels, Ctrl-Z puts it into the background"),
        "{screen}"
    );
    world.open_gate();
    let screen = pty.wait_text("2 rows ·");
    assert!(!screen.has("no row yet") && !screen.has("not answered yet"), "{screen}");
    pty.line("INSERT INTO endless;");
    pty.wait_text("RUNNING");
    pty.line("!wait");
    let screen = pty.wait_text("Ctrl-C stops the waiting, not the jobs");
    assert!(screen.has("endless RUNNING"), "{screen}");
    pty.send(CTRL_C);
    let screen = pty.wait_text("no longer waiting; the jobs go on");
    assert!(!screen.has("stops the waiting"), "{screen}");
}
