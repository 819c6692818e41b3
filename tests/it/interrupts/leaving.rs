//! The end of the shell: what becomes of its jobs, and how the terminal is left.

use rustix::process::Signal;

use super::{CTRL_C, CTRL_D, CTRL_Z, shell, shell_in_bash, start_endless};
use crate::world::pty::Ended;
use crate::world::{World, scripted, wait_until};

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
fn whatever_way_it_is_left_the_terminal_drops_what_it_dropped_before() {
    for way in ["Ctrl-D", "SIGTERM", "Ctrl-Z", "Ctrl-C again and again"] {
        let world = World::new();
        let mut pty = shell_in_bash(&world);
        pty.line("SELECT 2;");
        pty.wait_text("2 rows");
        pty.wait_prompt("scripted> ");
        match way {
            "Ctrl-D" => pty.send(CTRL_D),
            "Ctrl-Z" => pty.send(CTRL_Z),
            "SIGTERM" => {
                start_endless(&mut pty);
                let shell = world.program("pkill").with("-P").arg(pty.pid().to_string());
                shell.run().expect_code(0).expect_quiet();
            }
            _ => {
                // It is stuck in writing rows that nobody reads, and hears of nothing.
                pty.line("SELECT GATED 100000;");
                pty.wait_text("row 2");
                pty.hold_at("row 20");
                world.open_gate();
                pty.wait_for("row 20", |screen| screen.raw.contains("row 20"));
                let children = world.program("pgrep").with("-P").arg(pty.pid().to_string());
                wait_until(
                    || "its end".to_owned(),
                    || {
                        pty.send(CTRL_C);
                        children.run().code == 1
                    },
                );
                pty.release();
                // The last key may have thrown away a part of the prompt: another one is asked for.
                pty.line("");
            }
        }
        // What was written before it may stand in its line.
        pty.wait_for("bash", |screen| screen.editing && screen.line.ends_with("bash$ "));
        pty.line("stty -a | grep -o '.noflsh'");
        pty.wait_text("\n-noflsh");
    }
}
