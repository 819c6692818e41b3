//! The contract of docs/exit-codes.md, of signals and of readers that go away: the letters G and H.

use rustix::process::Signal;

use crate::world::World;

// G: 129, 130 and 143, by a signal.

const SIGNALS: [(Signal, i32); 3] = [(Signal::HUP, 129), (Signal::INT, 130), (Signal::TERM, 143)];

#[test]
fn g1_a_query_that_is_shown_is_cancelled_by_a_signal() {
    for (signal, code) in SIGNALS {
        let world = World::new();
        let program = world
            .scripted()
            .with("-u scripted: -o csv -e")
            .arg("SELECT ENDLESS QUIETLY; SELECT 1;");
        let live = program.start();
        live.wait_out("2,row 2\n");
        live.signal(signal);
        let output = live.wait_open().expect(code, "n,text\n0,row 0\n1,row 1\n2,row 2\n");
        output
            .expect_stderr("3 rows · cancelled: job ")
            .expect_stderr("is CANCELED");
        assert_eq!(
            world.journal(),
            ["submit SELECT ENDLESS QUIETLY", "cancel operation of endless"]
        );
    }
}

#[test]
fn g2_waiting_is_ended_by_a_signal_and_the_job_is_not() {
    for (signal, code) in SIGNALS {
        let world = World::new();
        let program = world
            .scripted()
            .with("-u scripted: -e")
            .arg("INSERT INTO a;\n!job %1\n!wait\nSELECT 1;");
        let live = program.start();
        live.wait_out("RUNNING");
        live.signal(signal);
        let output = live.wait_open().expect_code(code);
        output.expect_stderr("[1] a goes on");
        assert_eq!(world.journal(), ["submit INSERT INTO a"]);
    }
}

#[test]
fn g3_a_shell_that_waits_for_input_is_ended_by_a_signal() {
    for (signal, code) in SIGNALS {
        let world = World::new();
        let mut live = world.scripted().with("-u scripted: -o csv").start();
        live.send("SELECT 1;\n");
        live.wait_out("0,row 0");
        live.signal(signal);
        live.wait_open().expect(code, "n,text\n0,row 0\n");
    }
}

#[test]
fn g4_jobs_inside_the_shell_are_stopped_with_a_savepoint_at_a_signal() {
    for (signal, code) in SIGNALS {
        let world = World::new();
        let mut live = world.scripted().with("-u scripted:inside -o csv").start();
        // What is answered last stands behind the query, which is over then.
        live.send("INSERT INTO a;\nSELECT 1;\n!set restore\n");
        live.wait_out("0,row 0\noff\n");
        live.signal(signal);
        let output = live.wait_open().expect_code(code);
        let output = output.expect_stderr("[1] a stopped with a savepoint");
        output.expect_stderr("to go on: skep -u scripted:inside, then !restore a\n");
        assert_eq!(world.journal(), ["submit INSERT INTO a", "submit SELECT 1", "stop a"]);
    }
}

// H: 141, the reader went away.

#[test]
fn h1_nothing_is_said_when_the_reader_has_gone() {
    for format in ["csv", "table", "json", "jsonl", "vertical", "tsv"] {
        let world = World::new();
        let program = world.scripted().with("-u scripted: -o").arg(format).with("-e");
        let output = program.arg("SELECT ENDLESS; SELECT 1;").run_and_leave_after(1);
        output.expect_code(141).expect_quiet();
        let journal = world.journal();
        assert_eq!(journal, ["submit SELECT ENDLESS", "cancel operation of endless"]);
    }
}

#[test]
fn h2_force_does_not_go_on_without_a_reader() {
    let world = World::new();
    let program = world
        .scripted()
        .with("-u scripted: -o csv --force -e")
        .arg("SELECT ENDLESS; SELECT 1;");
    program.run_and_leave_after(1).expect_code(141).expect_quiet();
    assert_eq!(world.journal().len(), 2);
}

#[test]
fn h3_a_reader_of_listings_and_of_json_may_go_as_well() {
    let world = World::new();
    let script = "!help\n".repeat(2000);
    let file = world.write("help.sql", &script);
    let output = world
        .scripted()
        .with("-u scripted: -f")
        .arg(file)
        .run_and_leave_after(1);
    output.expect_code(141).expect_quiet();
}
