//! Ctrl-C in an upgrade: a job that was stopped for it does not stay so.

use super::{CTRL_C, shell};
use crate::world::{Pty, World};

const TAKEN_BACK: &str = "the upgrade is taken back";
const AGAIN: &str = "orders runs its old statement again: job ";

fn begin(pty: &mut Pty, habit: &str, sql: &str) {
    pty.line("INSERT INTO orders;");
    pty.wait_text("RUNNING");
    if !habit.is_empty() {
        pty.line(habit);
        pty.wait_text("ok ·");
    }
    pty.line(&format!("!upgrade %1 --changed-query {sql};"));
}

fn runs_its_old_statement(pty: &mut Pty, world: &World) {
    let screen = pty.wait_for("who runs now", |screen| screen.has(AGAIN) && screen.editing);
    assert!(screen.has("savepoint /savepoints/"), "{screen}");
    let submitted = world.journal();
    let submitted = submitted.iter().filter(|line| *line == "submit INSERT INTO orders");
    assert_eq!(submitted.count(), 2);
    pty.line("!jobs --json");
    let screen = pty.wait_for("the jobs", |screen| screen.has("\"handle\":2") && screen.editing);
    assert_eq!(
        screen.text.replace('\n', "").matches("\"state\":\"RUNNING\"").count(),
        1,
        "{screen}"
    );
    pty.line("!upgrade");
    pty.wait_text("every upgrade is finished");
}

#[test]
fn while_the_old_job_is_being_stopped() {
    let world = World::new();
    let mut pty = shell(&world);
    begin(&mut pty, "SAVEPOINT HANGS;", "INSERT INTO orders BOUNDED");
    world.wait_journal("stop orders");
    pty.send(CTRL_C);
    pty.wait_text(TAKEN_BACK);
    world.open_gate();
    runs_its_old_statement(&mut pty, &world);
}

#[test]
fn while_the_new_statement_is_being_submitted() {
    let world = World::new();
    let mut pty = shell(&world);
    begin(&mut pty, "", "INSERT INTO orders SLOWLY");
    world.wait_journal("submit INSERT INTO orders SLOWLY");
    pty.send(CTRL_C);
    pty.wait_text("will be cancelled as soon as the engine answers");
    world.open_gate();
    runs_its_old_statement(&mut pty, &world);
}

#[test]
fn a_second_one_leaves_it_and_says_how_to_go_on() {
    let world = World::new();
    let mut pty = shell(&world);
    begin(&mut pty, "SAVEPOINT HANGS;", "INSERT INTO orders BOUNDED");
    world.wait_journal("stop orders");
    pty.send(CTRL_C);
    pty.wait_text(TAKEN_BACK);
    pty.send(CTRL_C);
    let screen = pty.wait_for("the prompt", |screen| {
        screen.has("the upgrade is not finished") && screen.editing
    });
    let text = screen.text.replace('\n', "");
    assert!(
        text.contains("!upgrade --resume ") && text.contains(" may run"),
        "{screen}"
    );
    world.open_gate();
}
