//! The contract of docs/exit-codes.md: a letter for each exit code, a number for each way to it.

use rustix::process::Signal;

use crate::world::World;
use crate::world::http::Nobody;

// A: 0, all went well.

#[test]
fn a1_a_script_that_goes_well_is_zero_and_quiet() {
    let world = World::new();
    let output = world.scripted().with("-u scripted: -o csv -e").arg("SELECT 1;").run();
    output.expect(0, "n,text\n0,row 0\n").expect_quiet();
}

#[test]
fn a2_an_empty_script_goes_well() {
    let world = World::new();
    for script in ["", "\n\n", "-- nothing\n", "/* nothing */", ";", " ; ;; \n"] {
        world
            .scripted()
            .with("-u scripted:")
            .stdin(script)
            .run()
            .expect(0, "")
            .expect_quiet();
    }
}

#[test]
fn a3_the_last_statement_needs_no_semicolon() {
    let world = World::new();
    for script in ["SELECT 1", "SELECT 1 -- the end", "SELECT 1\n/* the end */"] {
        let output = world.scripted().with("-u scripted: -o csv").stdin(script).run();
        output.expect(0, "n,text\n0,row 0\n").expect_quiet();
    }
}

#[test]
fn a4_quit_in_the_middle_ends_everything() {
    let world = World::new();
    let file = world.write("a.sql", "SELECT 1;\n!quit\nFAIL 'never';\n");
    let program = world
        .scripted()
        .with("-u scripted: -o csv --showHeader=false -f")
        .arg(file)
        .with("-e");
    program.arg("FAIL 'never'").run().expect(0, "0,row 0\n").expect_quiet();
    // Also from within a script that a script runs.
    let outer = world.write("b.sql", "!run a.sql\nFAIL 'never';\n");
    let program = world
        .scripted()
        .with("-u scripted: -o csv --showHeader=false -f")
        .arg(outer);
    program.run().expect(0, "0,row 0\n").expect_quiet();
}

#[test]
fn a5_a_byte_order_mark_and_line_ends_of_windows_change_nothing() {
    let world = World::new();
    let script = "\u{feff}SELECT 1;\r\n-- a comment\r\n!set format json\r\nSELECT\r\n1;\r\n";
    let file = world.write("windows.sql", script);
    let expected = "n,text\n0,row 0\n";
    let program = world.scripted().with("-u scripted: -o csv");
    let from_file = program.clone().with("-f").arg(file).run().expect_code(0).expect_quiet();
    let from_stdin = program.stdin(script).run().expect_code(0).expect_quiet();
    assert!(from_file.stdout.starts_with(expected), "{from_file}");
    assert!(from_file.stdout.contains(r#""text":"row 0""#), "{from_file}");
    assert_eq!(from_file.stdout, from_stdin.stdout);
}

#[test]
fn a6_texts_and_files_run_in_the_order_in_which_they_stand() {
    let world = World::new();
    let one = world.write("one.sql", "SELECT 1;");
    let three = world.write("three.sql", "SELECT 3");
    let program = world.scripted().with("-u scripted: -o csv --showHeader=false");
    let program = program.with("-e").arg("SELECT 2").with("-f").arg(one);
    let program = program.with("-e").arg("!set format json").with("-f").arg(three);
    let output = program.run().expect_code(0).expect_quiet();
    assert!(
        output.stdout.starts_with("0,row 0\n1,row 1\n0,row 0\n") && output.stdout.contains('{'),
        "{output}"
    );
    let submitted: Vec<_> = world.journal();
    assert_eq!(submitted, ["submit SELECT 2", "submit SELECT 1", "submit SELECT 3"]);
}

#[test]
fn a7_the_init_file_runs_first() {
    let world = World::new();
    let init = world.write("init.sql", "!set format csv\n!set header off\nSELECT 1;");
    let program = world.scripted().with("-u scripted: -i").arg(init);
    program
        .clone()
        .stdin("SELECT 2;")
        .run()
        .expect(0, "0,row 0\n0,row 0\n1,row 1\n");
    // Before a one-shot command, too.
    program.with("jobs").run().expect_code(0);
}

#[test]
fn a8_standard_input_is_run_as_it_comes() {
    let world = World::new();
    let mut live = world.scripted().with("-u scripted: -o csv --showHeader=false").start();
    live.send("SELECT 1; SEL");
    live.wait_out("0,row 0\n");
    live.send("ECT 2;\n");
    live.wait_out("0,row 0\n0,row 0\n1,row 1\n");
    live.wait().expect_code(0).expect_quiet();
}

#[test]
fn a9_scripts_run_scripts() {
    let world = World::new();
    world.write("sub/inner.sql", "SELECT 1;\n");
    let outer = world.write("outer.sql", "!run sub/inner.sql\nSELECT 2;\n!run 'sub/inner.sql'\n");
    let program = world
        .scripted()
        .with("-u scripted: -o csv --showHeader=false -f")
        .arg(outer);
    program
        .run()
        .expect(0, "0,row 0\n0,row 0\n1,row 1\n0,row 0\n")
        .expect_quiet();
}

#[test]
fn a10_help_and_version_are_results() {
    let world = World::new();
    let help = world.skep().with("--help").run().expect_code(0).expect_quiet();
    assert!(help.stdout.contains("--force"), "{help}");
    let version = world.skep().with("--version").run();
    version
        .expect(0, concat!("skep ", env!("CARGO_PKG_VERSION"), "\n"))
        .expect_quiet();
}

#[test]
fn a11_a_job_that_nobody_waited_for_does_not_count() {
    let world = World::new();
    let program = world
        .scripted()
        .with("-u scripted: -e")
        .arg("INSERT INTO a; DIE a 'boom';");
    program.run().expect(0, "");
}

#[test]
fn a12_a_job_on_a_cluster_goes_on_and_is_named() {
    let world = World::new();
    let output = world.scripted().with("-u scripted: -e").arg("INSERT INTO a;").run();
    output
        .expect(0, "")
        .expect_stderr("[1] a goes on: job ")
        .expect_stderr(" on scripted:\n");
    assert_eq!(world.journal(), ["submit INSERT INTO a"]);
}

// B: 1, a command failed or was refused, or a statement was rejected or failed.

#[test]
fn b1_a_rejected_statement_is_one_and_its_place_is_shown() {
    let world = World::new();
    let file = world.write("a.sql", "SELECT 1;\n\n  FAIL\n  'no'; SELECT 1;\n");
    let program = world.scripted().with("-u scripted: -o csv -f").arg(file);
    let output = program.run().expect(1, "n,text\n0,row 0\n");
    assert!(
        output.stderr.starts_with("error: ") && output.stderr.contains("a.sql: line 3, column "),
        "{output}"
    );
    let program = world.scripted().with("-u scripted: -e").arg("SELECT 1;   FAIL 'no';");
    program
        .run()
        .expect_code(1)
        .expect_stderr("error: -e: line 1, column 18: no\n   FAIL 'no'\n        ^^^^\nhint: do not ask for failures\n");
    let program = world
        .scripted()
        .with("-u scripted:")
        .stdin("-- one\n-- two\nFAIL 'no';");
    program
        .run()
        .expect_code(1)
        .expect_stderr("error: line 3, column 6: no\n");
}

#[test]
fn b2_a_failure_at_run_time_comes_after_the_rows() {
    let world = World::new();
    let program = world
        .scripted()
        .with("-u scripted: -o csv -e")
        .arg("SELECT 2 FAILING 'boom'; SELECT 1");
    let output = program.run().expect(1, "n,text\n0,row 0\n1,row 1\n");
    output.expect_stderr("error: -e: line 1, column 1: boom\n");
    assert_eq!(world.journal().len(), 1, "the first failure ends the script");
}

#[test]
fn b3_a_command_that_is_refused_is_one() {
    let world = World::new();
    for (command, message) in [
        ("!frobnicate", "no command !frobnicate"),
        ("!cancel %7", "no job %7"),
        ("!job nothing", "nothing"),
        ("!fg", "no job"),
        ("!set nonsense 1", "no setting nonsense"),
        ("!help nonsense", "nonsense"),
        ("SHOW SAVEPOINTS FOR NOTHING;", "JOB"),
        ("STOP JOB;", "usage: STOP JOB"),
        ("CREATE SAVEPOINT FOR JOB 'ffff';", "ffff"),
    ] {
        let program = world.scripted().with("-u scripted: -e").arg(command);
        let output = program.run().expect(1, "").expect_stderr(message);
        assert!(output.stderr.starts_with("error: -e: line 1, column "), "{output}");
    }
}

#[test]
fn b4_one_shot_commands_are_refused_alike() {
    let world = World::new();
    let output = world.scripted().with("-u scripted: cancel nothing").run();
    output.expect(1, "").expect_stderr("error: no job ");
}

#[cfg(feature = "local")]
#[test]
fn b5_what_needs_a_yes_is_refused_without_a_terminal() {
    let world = World::new();
    let make = "CREATE TABLE n (a BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '100');\n\
                CREATE TABLE nowhere (a BIGINT) WITH ('connector' = 'blackhole');\n\
                INSERT INTO nowhere SELECT a FROM n;\n";
    let output = world.skep().stdin(format!("{make}!stop %1 --drain\n!jobs")).run();
    let output = output.expect(1, "").expect_stderr("error: line 4, column 1: ");
    let output = output.expect_stderr("--yes");
    // It ran on, to the end of the shell.
    let output = output.expect_stderr("[1] nowhere stopped with a savepoint");
    drop(output);
    for (args, command) in [
        ("--yes", "!stop %1 --drain"),
        ("-y", "!stop %1 --drain"),
        ("", "!stop %1 --drain --yes"),
    ] {
        let script = format!("{make}{command}\n!wait %1\n");
        let output = world.skep().with(args).stdin(script).run().expect_code(0);
        assert_eq!(output.stdout.lines().count(), 1, "the savepoint's path: {output}");
    }
}

#[test]
fn b6_with_force_a_script_goes_on_and_ends_in_one() {
    let world = World::new();
    let script = "FAIL 'one';\n!frobnicate\n!run missing.sql\nINSERT INTO a;\n!wait --timeout 1ms\nSELECT 1;\n";
    let program = world.scripted().with("-u scripted: -o csv --force").stdin(script);
    let output = program.run().expect(1, "n,text\n0,row 0\n");
    for line in [
        "error: line 1, column 6: one",
        "error: line 2, column 1: no command !frobnicate",
        "missing.sql",
        "error: line 5, column 1: the time is up",
    ] {
        assert!(output.stderr.contains(line), "{line}\n{output}");
    }
    // Without a failure it changes nothing.
    world
        .scripted()
        .with("-u scripted: --force=true -e")
        .arg("SELECT 1")
        .run()
        .expect_code(0);
    // Set within a script it holds from there.
    let program = world.scripted().with("-u scripted: -o csv");
    program
        .stdin("!set force on\nFAIL 'x';\nSELECT 1;")
        .run()
        .expect(1, "n,text\n0,row 0\n");
}

#[test]
fn b7_a_failure_within_nested_scripts_names_the_inner_place() {
    let world = World::new();
    world.write("inner.sql", "SELECT 1;\nFAIL 'no';\n");
    let outer = world.write("outer.sql", "!run inner.sql\nSELECT 2;\n");
    let program = world.scripted().with("-u scripted: -o csv -f").arg(outer);
    let output = program.run().expect(1, "n,text\n0,row 0\n");
    output.expect_stderr("error: inner.sql: line 2, column 6: no\n");
}

#[test]
fn b8_results_that_cannot_be_written_are_a_failure() {
    let world = World::new();
    let full = std::path::Path::new("/dev/full");
    if !full.exists() {
        return;
    }
    for arguments in ["-u scripted: -e 'SELECT 100000'", "help", "jobs --help"] {
        let script = format!("exec {} {arguments} >/dev/full", world.scripted_path().display());
        let output = world.program("sh").with("-c").arg(script).run();
        output.expect(1, "").expect_stderr("No space left");
    }
}

#[test]
fn b9_a_comment_that_is_not_closed_is_an_error_and_runs_nothing_of_what_it_swallows() {
    let world = World::new();
    let script = "SELECT 1;\nSELECT 2 /* the end\n;\nFAIL 'never';\n";
    let file = world.write("open.sql", script);
    let program = || world.scripted().with("-u scripted: -o csv --showHeader=false");
    let runs = [
        program().stdin(script).run(),
        program().with("-f").arg(&file).run(),
        program().with("-e").arg(script).run(),
        program().with("--force -f").arg(&file).run(),
    ];
    for output in runs {
        output
            .expect(1, "0,row 0\n")
            .expect_stderr("line 2, column 10: a comment begins here and is not closed");
    }
}

// C: 2, wrong usage, or a file that can't be read.

#[test]
fn c1_unknown_flags_formats_and_commands_are_wrong_usage() {
    let world = World::new();
    for args in [
        "--nonsense",
        "-o nonsense",
        "--showHeader=perhaps",
        "jobs --nonsense",
        "frobnicate",
        "wait --until dawn %1",
        "savepoint",
        "-D nonsense -e x",
    ] {
        let output = world.scripted().with("-u scripted:").with(args).run().expect(2, "");
        assert!(output.stderr.starts_with("error: "), "{output}");
    }
    assert!(world.journal().is_empty());
}

#[test]
fn c2_a_command_that_is_used_wrongly_within_a_script() {
    let world = World::new();
    for command in [
        "!savepoint",
        "!wait --until dawn",
        "!set format nonsense",
        "!wait --timeout soon",
        "!jobs --nonsense",
        "!run",
        "!quit now",
    ] {
        let program = world.scripted().with("-u scripted: -e").arg(command);
        let output = program.run().expect(2, "");
        assert!(output.stderr.starts_with("error: -e: line 1, column 1: "), "{output}");
    }
}

#[test]
fn c3_a_file_that_cannot_be_read() {
    let world = World::new();
    for args in [
        "-f missing.sql",
        "-i missing.sql",
        "-f tmp",
        "-i tmp",
        "-w missing.txt",
        "--secret k=@missing.txt",
    ] {
        let program = world
            .scripted()
            .with("-u scripted:")
            .with(args)
            .with("-e")
            .arg("SELECT 1");
        let output = program.run().expect(2, "");
        assert!(
            output.stderr.starts_with("error: ") && output.stderr.contains(args.split([' ', '@']).next_back().unwrap()),
            "{output}"
        );
    }
    let program = world.scripted().with("-u scripted: -e").arg("!run missing.sql");
    program.run().expect(2, "").expect_stderr("missing.sql");
    assert!(world.journal().is_empty());
}

#[test]
fn c4_bytes_that_are_not_utf8() {
    let world = World::new();
    let script = b"SELECT 1;\nSELECT '\xff';\n";
    let program = world.scripted().with("-u scripted: -o csv");
    let output = program.clone().stdin(script).run();
    output
        .expect_code(2)
        .expect_stderr("standard input: byte 18 of the input is not UTF-8");
    std::fs::write(world.path("latin1.sql"), script).unwrap();
    let output = program.with("-f latin1.sql").run();
    output.expect_code(2).expect_stderr("latin1.sql: byte 18");
}

#[test]
fn c5_a_script_that_runs_itself_ends() {
    let world = World::new();
    let file = world.write("loop.sql", "SELECT 1;\n!run loop.sql\n");
    let output = world.scripted().with("-u scripted: -o csv -f").arg(file).run();
    let output = output.expect_code(2).expect_stderr("more than 16 deep");
    assert_eq!(output.stderr.lines().count(), 1, "it is said once: {output}");
    assert_eq!(world.journal().len(), 16);
}

#[test]
fn c6_an_engine_that_does_not_exist() {
    let world = World::new();
    let output = world.scripted().with("-u nowhere:").run();
    output.expect(2, "").expect_stderr("known are ");
}

#[test]
fn c7_a_secret_on_the_command_line() {
    let world = World::new();
    let output = world.scripted().with("--secret k=hunter2 -u scripted: -e SELECT").run();
    let output = output.expect_code(2).expect_stderr("--secret k needs a file: k=@FILE");
    assert!(!output.stderr.contains("hunter2"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_password_does_not_stay_in_the_process_list() {
    let world = World::new();
    let mut shell = world.scripted().with("-p hunter2 -u scripted: -o csv").start();
    shell.send("SELECT 1;\n");
    shell.wait_out("row 0");
    let listed = std::fs::read_to_string(format!("/proc/{}/cmdline", shell.pid())).unwrap();
    assert!(listed.ends_with("\0-u\0scripted:\0-o\0csv\0"), "{listed:?}");
    assert!(!listed.contains("hunter2"), "{listed:?}");
    shell.wait().expect_code(0);
}

// D: 3, a job that was waited for ended FAILED or CANCELED, or is lost.

#[test]
fn d1_a_job_that_was_waited_for_has_failed() {
    let world = World::new();
    let program = world.scripted().with("-u scripted: -e");
    let script = "INSERT INTO a; INSERT INTO b; DIE a 'boom';\n!wait %1";
    let output = program.arg(script).run();
    output
        .expect(3, "")
        .expect_stderr("ended FAILED: boom\nhint: !job %1 shows it\n");
}

#[test]
fn d2_a_job_that_was_waited_for_was_cancelled() {
    let world = World::new();
    let program = world.scripted().with("-u scripted: -e");
    program
        .arg("INSERT INTO a;\n!cancel %1\n!wait %1")
        .run()
        .expect(3, "")
        .expect_stderr("ended CANCELED");
}

#[test]
fn d3_a_statement_that_is_waited_for_is_a_job_as_well() {
    let world = World::new();
    let mut live = world.scripted().with("-u scripted:").start();
    live.send("INSERT INTO a BOUNDED;\n");
    let started = live.wait_err("[1] a · job ");
    let id = started
        .split("job ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .to_owned();
    live.signal(Signal::TERM);
    let output = live.wait_open();
    assert!(output.stderr.contains(&id[..8]), "{output}");
    output.expect_code(143);
}

#[test]
fn d4_one_of_several_is_enough() {
    let world = World::new();
    let script = "INSERT INTO a; INSERT INTO b; DIE b 'boom';\n";
    let program = world.scripted().with("-u scripted:");
    program
        .clone()
        .stdin(format!("{script}!wait %1 %2 --any"))
        .run()
        .expect_code(3);
    program
        .stdin(format!("{script}!wait %1 --until running"))
        .run()
        .expect_code(0);
}

// E: 4, the time given to !wait was up; the job still runs.

#[test]
fn e1_the_time_was_up() {
    let world = World::new();
    let program = world.scripted().with("-u scripted: -e");
    let output = program.arg("INSERT INTO a;\n!wait %1 --timeout 10ms\nSELECT 1;").run();
    output
        .expect(4, "")
        .expect_stderr("the time is up, still running: [1] a\n")
        .expect_stderr("[1] a goes on");
    // In JSON the jobs are told of as they are.
    let program = world.scripted().with("-u scripted: --json -e");
    let output = program.arg("INSERT INTO a;\n!wait %1 --timeout 10ms").run();
    let waited = output.stdout.lines().last().unwrap_or_default().to_owned();
    let output = output.expect_code(4);
    let job: serde_json::Value = serde_json::from_str(&waited).unwrap_or_else(|_| panic!("{output}"));
    assert_eq!(
        (&job["handle"], &job["state"], &job["known"]),
        (&1.into(), &"RUNNING".into(), &"live".into())
    );
}

// F: 5, no connection.

#[test]
fn f1_nobody_answers() {
    let world = World::new();
    let output = world.scripted().with("-u scripted:away -e").arg("SELECT 1").run();
    output.expect(5, "").expect_stderr("error: nobody answers");
    let nobody = Nobody::new();
    let output = world
        .skep()
        .with(&format!("-u flink-rest://{} jobs", nobody.address()))
        .run();
    output.expect(5, "").expect_stderr("can't be reached");
}

#[test]
fn f2_a_connection_that_fails_within_a_script() {
    let world = World::new();
    let program = world
        .scripted()
        .with("-u scripted: -e")
        .arg("!connect scripted:away\nSELECT 1;");
    program
        .run()
        .expect(5, "")
        .expect_stderr("error: -e: line 1, column 1: nobody answers");
    // And the one before is still there.
    let program = world
        .scripted()
        .with("-u scripted: -o csv --force -e")
        .arg("!connect scripted:away\nSELECT 1;");
    program.run().expect(1, "n,text\n0,row 0\n");
}

// G and H stand in exit_signals.rs.

// I: the first that is not 0 counts.

#[test]
fn i1_the_first_failure_counts() {
    let world = World::new();
    // The job that is left can't be stopped with a savepoint: that is a failure, but not the first.
    let script = "INSERT INTO a; INSERT INTO b; SAVEPOINT FAILS;\n";
    let program = world.scripted().with("-u scripted:inside");
    let output = program.clone().stdin(script).run();
    output.expect(1, "").expect_stderr("disk full");
    let output = program.stdin(format!("{script}DIE a 'boom';\n!wait %1\n")).run();
    output
        .expect(3, "")
        .expect_stderr("ended FAILED: boom")
        .expect_stderr("disk full");
}

#[test]
fn i2_a_text_that_fails_ends_what_comes_after_it() {
    let world = World::new();
    let program = world
        .scripted()
        .with("-u scripted: -o csv -e")
        .arg("FAIL 'x'")
        .with("-f missing.sql -e");
    program.arg("SELECT 1").run().expect(1, "");
    assert_eq!(world.journal(), ["submit FAIL 'x'"]);
}

#[test]
fn i3_the_init_file_that_fails_ends_everything() {
    let world = World::new();
    let init = world.write("init.sql", "FAIL 'x';");
    let program = world
        .scripted()
        .with("-u scripted: -i")
        .arg(init)
        .with("-e")
        .arg("SELECT 1");
    program
        .run()
        .expect(1, "")
        .expect_stderr("init.sql: line 1, column 6: x");
}
