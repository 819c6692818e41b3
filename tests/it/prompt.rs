//! The prompt in a real terminal.

use std::os::unix::fs::PermissionsExt;

use crate::world::pty::Ended;
use crate::world::{Pty, World};

const CTRL_D: &str = "\x04";
const UP: &str = "\x1b[A";

fn shell(world: &World) -> Pty {
    let pty = world.scripted().with("-u scripted:").pty();
    pty.wait_prompt("scripted> ");
    pty
}

/// What a terminal sends for text that is pasted.
fn paste(text: &str) -> String {
    format!("\x1b[200~{}\x1b[201~", text.replace('\n', "\r"))
}

#[test]
fn a_statement_may_take_several_lines_and_the_prompt_says_what_is_open() {
    let world = World::new();
    let mut pty = shell(&world);
    pty.line("SELECT");
    pty.wait_prompt("        > ");
    pty.line("/* a comment;");
    pty.wait_prompt("      /*> ");
    pty.line("*/ 2");
    pty.wait_prompt("        > ");
    pty.line(";");
    pty.wait_text("2 rows");
    pty.wait_prompt("scripted> ");
    pty.line("FAIL 'it;");
    pty.wait_prompt("       '> ");
    pty.line("is so';");
    let screen = pty.wait_text("hint: do not ask for failures");
    assert!(screen.has("error: it;\nis so"), "{screen}");
    pty.line("BEGIN STATEMENT SET;");
    pty.wait_prompt("     set> ");
}

#[test]
fn several_statements_on_a_line_run_one_after_the_other() {
    let world = World::new();
    let mut pty = shell(&world);
    pty.line("SELECT 1; SELECT 2; SELECT");
    let screen = pty.wait_prompt("        > ");
    assert!(screen.has("1 row ·") && screen.has("2 rows ·"), "{screen}");
    pty.line("3;");
    pty.wait_text("3 rows");
}

#[test]
fn pasted_statements_run_one_after_the_other() {
    let world = World::new();
    for text in [
        paste("SELECT 1;\nSELECT\n 2;\n!jobs\nSELECT 3;") + "\r",
        "SELECT 1;\rSELECT\r 2;\r!jobs\rSELECT 3;\r".to_owned(),
    ] {
        let mut pty = shell(&world);
        pty.send(&text);
        let screen = pty.wait_text("3 rows");
        let places =
            ["1 row ·", "2 rows ·", "no jobs", "3 rows ·"].map(|text| screen.text.find(text).unwrap_or(usize::MAX));
        assert!(places.is_sorted(), "{screen}");
        pty.wait_prompt("scripted> ");
    }
    let submitted = ["SELECT 1", "SELECT\n 2", "SELECT 3"]
        .map(|sql| format!("submit {sql}"))
        .join("\n");
    assert_eq!(world.read("journal"), format!("{submitted}\n").repeat(2));
}

#[test]
fn an_error_does_not_end_what_was_pasted() {
    let world = World::new();
    let mut pty = shell(&world);
    pty.send(&(paste("SELECT 1;\nFAIL 'no';\nSELECT 2;") + "\r"));
    let screen = pty.wait_text("2 rows");
    assert!(screen.has("error: no\n   FAIL 'no'\n        ^^^^"), "{screen}");
}

#[test]
fn ctrl_c_drops_the_rest_of_what_was_pasted() {
    let world = World::new();
    let mut pty = shell(&world);
    pty.send(&(paste("SELECT ENDLESS QUIETLY;\nSELECT 7;") + "\r"));
    pty.wait_text("row 2");
    pty.send("\x03");
    pty.wait_prompt("scripted> ");
    pty.line("SELECT 1;");
    pty.wait_text("1 row");
    assert!(!world.journal().contains(&"submit SELECT 7".to_owned()));
}

#[test]
fn what_is_typed_while_a_statement_runs_is_not_lost() {
    let world = World::new();
    let mut pty = shell(&world);
    pty.line("SLOW;");
    pty.wait_for("the statement", |screen| !screen.editing);
    // A whole line, and the beginning of one.
    pty.send("SELECT 2;\rSELECT ");
    pty.wait_text("SELECT 2;");
    world.open_gate();
    pty.wait_text("2 rows");
    pty.wait_prompt("scripted> SELECT ");
    pty.line("3;");
    pty.wait_text("3 rows");
}

#[test]
fn up_opens_the_lines_before_for_editing() {
    let world = World::new();
    let mut pty = shell(&world);
    pty.line("SELECT");
    pty.wait_prompt("        > ");
    pty.line("4");
    pty.wait_prompt("        > ");
    pty.send("5;");
    pty.wait_for("the line", |screen| screen.line == "        > 5;");
    pty.send(UP);
    let screen = pty.wait_for("the lines", |screen| screen.has("scripted> SELECT\n4\n5;"));
    assert!(!screen.has(" > 4"), "they are not shown twice: {screen}");
    // The cursor is at the end of the line before.
    pty.send("\x7f-- ");
    pty.wait_for("the change", |screen| screen.has("scripted> SELECT\n-- \n5;"));
    pty.send("\r");
    pty.wait_text("5 rows");
}

#[test]
fn notices_stand_above_the_line_being_edited() {
    let world = World::new();
    let mut pty = shell(&world);
    pty.line("INSERT INTO batch BOUNDED &;");
    pty.wait_text("RUNNING");
    pty.wait_prompt("scripted [1]> ");
    pty.send("SELECT 'half");
    pty.wait_for("the line", |screen| screen.line.ends_with("'half"));
    world.open_gate();
    pty.wait_for("the notice above the line", |screen| {
        let [.., notice, line] = screen.text.lines().collect::<Vec<_>>()[..] else {
            return false;
        };
        let is_notice = notice.starts_with("[1] batch · job ") && notice.ends_with("FINISHED");
        is_notice && line == "scripted [1]> SELECT 'half" && screen.line == line
    });
    pty.send("\x03");
    pty.wait_prompt("scripted> ");
}

#[test]
fn the_prompt_counts_jobs() {
    let world = World::new();
    let mut pty = shell(&world);
    pty.line("INSERT INTO a; INSERT INTO b;");
    pty.wait_prompt("scripted [2]> ");
    pty.line("DIE a 'broken pipe';");
    let screen = pty.wait_text("FAILED: broken pipe · !job %1");
    assert!(screen.has("[1] a · job "), "{screen}");
    pty.send("\r");
    pty.wait_prompt("scripted [1, 1 failed]> ");
}

#[test]
fn history_is_shared_kept_once_and_has_no_secrets() {
    let world = World::new();
    let mut one = shell(&world);
    let mut other = shell(&world);
    one.line("SELECT 1;");
    one.wait_text("1 row");
    one.wait_prompt("scripted> ");
    // Each shell reads what others have added when it shows a prompt.
    other.send("\r");
    other.wait_for("another prompt", |screen| {
        screen.editing && screen.line == "scripted> " && screen.text.matches("scripted>").count() == 2
    });
    other.send(UP);
    other.wait_prompt("scripted> SELECT 1;");
    other.send("\r");
    other.wait_text("1 row");
    other.wait_prompt("scripted> ");
    other.line(" SELECT 2;");
    other.wait_text("2 rows");
    other.wait_prompt("scripted> ");
    other.line("CREATE TABLE t (a INT)");
    other.line("WITH ('password' = 'hunter2');");
    other.wait_text("error:");
    other.wait_prompt("scripted> ");
    other.send(CTRL_D);
    assert_eq!(other.wait().code, 0);
    let history = world.read("data/history");
    assert_eq!(
        history,
        "SELECT 1;\nCREATE TABLE t (a INT)\\nWITH ('password' = '${secret:t.password}');\n"
    );
    let mode = world.path("data/history").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // A statement of several lines comes back as one.
    let mut third = shell(&world);
    third.send(UP);
    third.wait_text("scripted> CREATE TABLE t (a INT)\nWITH ('password' = '${secret:t.password}');");
}

#[test]
fn tab_completes_commands_keywords_tables_and_jobs() {
    let world = World::new();
    let mut pty = shell(&world);
    let mut completes = |typed: &str, expected: &str| {
        pty.send(&format!("{typed}\t"));
        pty.wait_for(expected, |screen| screen.line == format!("scripted> {expected}"));
        pty.send("\x03");
        pty.wait_prompt("scripted> ");
    };
    completes("!savepoints", "!savepoints ");
    completes("!wait --unt", "!wait --until ");
    completes("!wait --until fir", "!wait --until first-checkpoint ");
    completes("!set spo", "!set spool-limit ");
    completes("describ", "describe");
    completes("SELECT * FROM fli", "SELECT * FROM flights");
    completes("SELECT dep_d", "SELECT dep_delay");
    pty.line("INSERT INTO quarterly;");
    pty.wait_prompt("scripted [1]> ");
    pty.send("!savepoint quar\t");
    pty.wait_for("the job's name", |screen| {
        screen.line == "scripted [1]> !savepoint quarterly "
    });
    pty.send("\x03");
    pty.wait_prompt("scripted [1]> ");
    // What could be meant is listed.
    pty.send("!wait --until \t\t");
    let screen = pty.wait_text("running");
    assert!(screen.has("first-checkpoint  ") && screen.has("finished"), "{screen}");
}

#[test]
fn keywords_are_coloured_unless_nobody_wants_colours() {
    let world = World::new();
    let mut pty = shell(&world);
    pty.send("SELECT 'a");
    pty.wait_for("the line", |screen| screen.line.ends_with("'a"));
    assert!(pty.screen().raw.contains("\x1b[1;34mSELECT\x1b[0m"));
    let mut pty = world.scripted().with("-u scripted:").env("NO_COLOR", "1").pty();
    pty.wait_prompt("scripted> ");
    pty.send("SELECT 'a");
    let screen = pty.wait_for("the line", |screen| screen.line.ends_with("'a"));
    assert!(
        !screen.raw.contains("\x1b[1;34m") && !screen.raw.contains("\x1b[32m"),
        "{:?}",
        screen.raw
    );
}

#[test]
fn a_terminal_that_can_t_move_its_cursor_will_do() {
    let world = World::new();
    let mut pty = world.scripted().with("-u scripted:").env("TERM", "dumb").pty();
    let ready = |pty: &Pty, prompt: &str| pty.wait_for(prompt, |screen| screen.line == prompt);
    ready(&pty, "scripted> ");
    pty.line("SELECT");
    ready(&pty, "        > ");
    pty.line("2;");
    pty.wait_text("2 rows");
    ready(&pty, "scripted> ");
    pty.send("SELECT half");
    pty.wait_text("SELECT half");
    pty.send("\x03");
    pty.wait_text("Ctrl-D or !quit leaves");
    ready(&pty, "scripted> ");
    pty.line("SELECT ENDLESS QUIETLY;");
    pty.wait_text("row 2");
    pty.send("\x03");
    pty.wait_text("is CANCELED");
    ready(&pty, "scripted> ");
    pty.send(CTRL_D);
    let Ended { code, screen, cooked } = pty.wait();
    assert_eq!(code, 0, "{screen}");
    assert!(cooked);
    assert!(!screen.raw.contains('\x1b'), "{:?}", screen.raw);
}

#[test]
fn a_line_is_drawn_anew_when_the_terminal_becomes_narrower() {
    let world = World::new();
    let mut pty = shell(&world);
    let text = "SELECT 'a string that is longer than the screen will be soon'";
    pty.send(text);
    pty.wait_for("the line", |screen| screen.line.ends_with("soon'"));
    pty.resize(24, 40);
    pty.send(" ");
    pty.wait_for("the cursor in the next row", |screen| {
        let width = "scripted> ".len() + text.len() + 1;
        usize::from(screen.cursor.1) == width % 40
    });
    pty.send("\x03");
    pty.wait_prompt("scripted> ");
    pty.line("SELECT 1;");
    pty.wait_text("1 row");
}

#[test]
fn the_prompt_and_notices_stay_out_of_results_that_go_to_a_file() {
    let world = World::new();
    let rows = world.path("rows");
    let command = format!(
        "exec {} -u scripted: -o csv >{}",
        crate::world::scripted().display(),
        rows.display()
    );
    let mut pty = world.program("bash").arg("-c").arg(command).pty();
    pty.wait_prompt("scripted> ");
    pty.line("SELECT 2;");
    pty.wait_text("2 rows");
    pty.wait_prompt("scripted> ");
    pty.send(CTRL_D);
    assert_eq!(pty.wait().code, 0);
    assert_eq!(std::fs::read_to_string(&rows).unwrap(), "n,text\n0,row 0\n1,row 1\n");
}

#[test]
fn quit_leaves_and_an_interactive_error_is_no_failure_of_the_shell() {
    let world = World::new();
    let mut pty = shell(&world);
    pty.line("FAIL 'no';");
    pty.wait_text("error: no");
    pty.line("!quit");
    let Ended { code, cooked, screen } = pty.wait();
    assert_eq!(code, 0, "{screen}");
    assert!(cooked && !screen.editing);
}

/// Jobs of earlier sessions that the embedded engine can go on with.
#[cfg(feature = "local")]
#[test]
fn a_session_begins_with_what_can_be_brought_back() {
    const JOB: &str = "CREATE TABLE n (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '100');\n\
                       CREATE TABLE copy (n BIGINT) WITH ('connector' = 'memory');\n\
                       INSERT INTO copy SELECT n FROM n;\n!wait --until first-checkpoint\n";
    let world = World::new();
    let local = || world.skep().with("-u local:state");
    let pty = local().pty();
    let screen = pty.wait_prompt("local:state> ");
    assert!(!screen.has("brought back"), "{screen}");
    drop(pty);

    local().stdin(JOB).run().expect_code(0);
    let mut pty = local().pty();
    pty.wait_text("1 job can be brought back: copy (stopped ");
    pty.wait_text(" · !restore copy");
    // One that goes on is none that could be brought back.
    pty.line("!restore copy");
    pty.wait_text("[1] copy · job ");
    let other = local().pty();
    let screen = other.wait_prompt("local:state> ");
    assert!(!screen.has("brought back"), "{screen}");
    pty.line("!wait %1 --until first-checkpoint");
    pty.wait_text("copy is RUNNING · checkpoint ");
    // Dropping it kills it; the job is lost once that has come about.
    drop(pty);
    local().with("wait copy").run().expect_code(3);

    let pty = local().pty();
    pty.wait_text("1 job can be brought back: copy (lost, checkpoint ");
}
