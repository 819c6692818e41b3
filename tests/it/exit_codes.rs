//! How the process ends: the contract that scripts rely on, a test for each code. Those of signals stand with the
//! interrupts.

use crate::world::World;

#[test]
fn a_0_all_well() {
    let world = World::new();
    world
        .scripted()
        .with("-u scripted: -o csv")
        .stdin("SELECT 1;")
        .run()
        .expect(0, "n,text\n0,row 0\n")
        .expect_quiet();
    world
        .skep()
        .with("--version")
        .run()
        .expect(0, &format!("skep {}\n", env!("CARGO_PKG_VERSION")))
        .expect_quiet();
}

#[test]
fn b_1_a_statement_was_rejected_and_the_script_ended_there() {
    let world = World::new();
    let script = "SELECT 1; FAIL 'no'; SELECT 1;";
    let output = world.scripted().with("-u scripted: -o csv").stdin(script).run();
    output
        .expect(1, "n,text\n0,row 0\n")
        .expect_stderr("error: line 1, column 16: no\n");
}

#[test]
fn c_1_a_query_failed_after_some_rows() {
    let world = World::new();
    let output = world
        .scripted()
        .with("-u scripted: -o csv -e")
        .arg("SELECT 2 FAILING 'broken'")
        .run();
    output.expect(1, "n,text\n0,row 0\n1,row 1\n").expect_stderr("broken");
}

#[test]
fn d_1_with_force_it_went_on() {
    let world = World::new();
    let script = "FAIL 'no'; SELECT 1;";
    let output = world.scripted().with("-u scripted: -o csv --force").stdin(script).run();
    output.expect(1, "n,text\n0,row 0\n").expect_stderr("no");
}

#[test]
fn e_1_a_command_was_refused() {
    let world = World::new();
    world
        .scripted()
        .with("-u scripted:")
        .stdin("!savepoint %7")
        .run()
        .expect(1, "")
        .expect_stderr("no job %7");
    world
        .scripted()
        .with("-u scripted:")
        .stdin("!nonsense")
        .run()
        .expect(1, "")
        .expect_stderr("no command !nonsense");
}

#[test]
fn f_2_wrong_usage() {
    let world = World::new();
    world
        .scripted()
        .with("--nonsense")
        .run()
        .expect(2, "")
        .expect_stderr("--nonsense");
    world
        .scripted()
        .with("-u scripted: -f missing.sql")
        .run()
        .expect(2, "")
        .expect_stderr("missing.sql can't be read");
    let output = world
        .scripted()
        .with("-u scripted:")
        .stdin("!wait --until tomorrow")
        .run();
    output.expect(2, "").expect_stderr("usage: !wait");
    world
        .scripted()
        .with("-u nothing:")
        .run()
        .expect(2, "")
        .expect_stderr("nothing");
}

#[test]
fn g_2_what_is_no_text_can_t_be_read() {
    let world = World::new();
    let output = world
        .scripted()
        .with("-u scripted: -o csv")
        .stdin(b"SELECT 1;\nSELECT '\xff';")
        .run();
    output.expect(2, "").expect_stderr("byte 18 of the input is not UTF-8");
}

#[test]
fn h_3_a_job_that_was_waited_for_failed() {
    let world = World::new();
    let script = "INSERT INTO orders; DIE orders 'disk full'; !wait %1";
    let output = world.scripted().with("-u scripted:").stdin(script).run();
    output.expect(3, "").expect_stderr("disk full");
}

#[test]
fn i_3_a_job_that_was_waited_for_was_cancelled() {
    let world = World::new();
    let script = "INSERT INTO orders;\n!cancel %1\n!wait %1";
    world
        .scripted()
        .with("-u scripted:")
        .stdin(script)
        .run()
        .expect(3, "")
        .expect_stderr("CANCELED");
}

#[test]
fn j_4_the_time_was_up_and_the_job_runs() {
    let world = World::new();
    let script = "INSERT INTO orders;\n!wait %1 --timeout 10ms";
    let output = world.scripted().with("-u scripted:").stdin(script).run();
    output.expect(4, "").expect_stderr("the time is up, still running: ");
    assert!(
        !world
            .journal()
            .iter()
            .any(|line| line.starts_with("cancel") || line.starts_with("stop"))
    );
}

#[test]
fn k_5_nobody_answers() {
    let world = World::new();
    let output = world.scripted().with("-u scripted:away").stdin("SELECT 1;").run();
    output.expect(5, "").expect_stderr("nobody answers at scripted:away");
}

#[test]
fn l_the_first_that_is_not_0_wins() {
    let world = World::new();
    let script =
        "INSERT INTO orders;\nINSERT INTO other;\nDIE orders 'disk full';\n!wait %1\n!wait %2 --timeout 10ms\n";
    let output = world.scripted().with("-u scripted:").stdin(script).run();
    output.expect_code(3);
}
