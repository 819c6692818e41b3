//! What a job may be restored from, and what not.

use std::fs;
use std::path::{Path, PathBuf};

use super::{COPY, END, contents, counting, files, local, numbers, object, objects, slowly, stopped, visible};
use crate::world::World;

/// Nothing was started, and nothing written.
#[track_caller]
fn assert_same(before: &[(PathBuf, Vec<u8>)], after: &[(PathBuf, Vec<u8>)]) {
    let changed = after.iter().find(|file| !before.contains(file));
    let changed = changed.map(|(path, bytes)| (path, String::from_utf8_lossy(bytes)));
    assert!(changed.is_none() && before.len() == after.len(), "{changed:?}");
}

#[test]
fn altering_any_byte_of_a_saved_state_makes_the_restore_refuse() {
    let world = World::new();
    // A state with something in it: groups, and a table in memory.
    let preamble = counting()
        + "CREATE TABLE sums (k BIGINT, s BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'memory');\n";
    let path = stopped(
        &world,
        &preamble,
        "INSERT INTO sums SELECT n % 7, sum(n) FROM n GROUP BY n % 7 &;\n",
    );
    let state = files(Path::new(&path));
    assert!(state.len() >= 3, "{state:?}");
    let jobs = contents(&world.path("state/jobs"));
    for file in state {
        let bytes = fs::read(&file).unwrap();
        let last = bytes.len() - 1;
        for offset in [0, last / 3, last / 2, last] {
            let mut altered = bytes.clone();
            altered[offset] ^= 0x20;
            fs::write(&file, &altered).unwrap();
            for which in ["", &path] {
                let output = local(&world).with("restore sums").with(which).run();
                let what = format!("{} altered at {offset}", file.display());
                assert!(output.code == 1 && output.stdout.is_empty(), "{what}: {output}");
                assert!(output.stderr.contains(&path), "{what}: {output}");
            }
        }
        // One that is cut off, and one that is gone.
        fs::write(&file, &bytes[..last]).unwrap();
        local(&world)
            .with("restore sums")
            .run()
            .expect(1, "")
            .expect_stderr(&path);
        fs::remove_file(&file).unwrap();
        local(&world)
            .with("restore sums")
            .run()
            .expect(1, "")
            .expect_stderr(&path);
        fs::write(&file, &bytes).unwrap();
    }
    assert_same(&jobs, &contents(&world.path("state/jobs")));
    // And whole again it is accepted.
    let output = local(&world)
        .stdin("!restore sums\nSELECT sum(s) FROM sums;")
        .with("-o csv --showHeader=false")
        .run();
    output.expect(0, &format!("{}\n", END * (END + 1) / 2));
}

#[test]
fn a_changed_query_or_source_is_refused_and_what_differs_is_named() {
    let world = World::new();
    let preamble = counting()
        + "CREATE TABLE other (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '5');\n\
           CREATE TABLE sums (k BIGINT, s BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'memory');\n";
    let path = stopped(
        &world,
        &preamble,
        "INSERT INTO sums SELECT n % 7, sum(n) FROM n GROUP BY n % 7 &;\n",
    );
    let jobs = contents(&world.path("state/jobs"));
    for (sql, names) in [
        (
            "INSERT INTO sums SELECT n % 8, sum(n) FROM n GROUP BY n % 8",
            "aggregate",
        ),
        (
            "INSERT INTO sums SELECT n % 7, max(n) FROM n GROUP BY n % 7",
            "aggregate",
        ),
        (
            "INSERT INTO sums SELECT n % 7, sum(n) FROM other GROUP BY n % 7",
            "other",
        ),
        ("INSERT INTO copy SELECT n FROM n", "aggregate"),
    ] {
        let output = local(&world).stdin(format!("!restore sums AS {sql};\n")).run();
        let output = output.expect(1, "").expect_stderr(names);
        assert!(
            output.stderr.contains(&path) || output.stderr.contains("savepoint"),
            "{output}"
        );
        // The same by path, in a session with the same tables.
        let output = local(&world)
            .stdin(format!("{preamble}!restore {path} AS {sql};\n"))
            .run();
        output.expect(1, "").expect_stderr(names);
        let script = format!("{preamble}!set restore {path}\n{sql};\n");
        local(&world).stdin(script).run().expect(1, "").expect_stderr(names);
    }
    // What it names as the way out is one.
    let output = local(&world)
        .stdin("!restore sums AS INSERT INTO sums SELECT n % 8, sum(n) FROM n GROUP BY n % 8;")
        .run();
    let output = output.expect_code(1);
    let flag = output
        .stderr
        .split_whitespace()
        .find(|word| word.starts_with("--allow"))
        .unwrap()
        .to_owned();
    local(&world)
        .with("restore")
        .arg(&flag)
        .with("--help")
        .run()
        .expect_code(0);
    // A source that has the same name and is another one.
    let changed = preamble.replace("'fields.n.start' = '1'", "'fields.n.start' = '2'");
    let script = format!("{changed}!restore {path} AS INSERT INTO sums SELECT n % 7, sum(n) FROM n GROUP BY n % 7;\n");
    local(&world)
        .stdin(script)
        .run()
        .expect(1, "")
        .expect_stderr("fields.n.start");
    assert_same(&jobs, &contents(&world.path("state/jobs")));
}

#[test]
fn of_several_jobs_of_a_name_the_one_that_is_meant_is_named() {
    let world = World::new();
    let path = stopped(&world, &counting(), COPY);
    let restore = || {
        local(&world)
            .with("restore --fork copy")
            .arg(&path)
            .run()
            .expect_code(0)
    };
    let output = restore();
    assert!(output.stderr.contains("copy from savepoint "), "{output}");
    let output = restore();
    let id = output
        .stderr
        .split("copy (job ")
        .nth(1)
        .and_then(|rest| rest.split_once(") from savepoint "));
    let Some((id, _)) = id else { panic!("{output}") };
    let listed = local(&world).with("jobs --all --json").run().expect_code(0);
    let listed = objects(&listed.stdout);
    let is_it = |job: &&serde_json::Value| job["job_id"].as_str().unwrap().starts_with(id);
    assert_eq!(listed.iter().filter(is_it).count(), 1, "{output}");
}

#[test]
fn what_is_stateless_may_change() {
    let world = World::new();
    let path = stopped(&world, &counting(), COPY);
    let before = numbers(&world.path("copy"));
    let script = format!(
        "{}!restore {path} AS INSERT INTO copy SELECT n + 1000000 FROM n WHERE n > 5;\n",
        counting()
    );
    local(&world).stdin(script).run().expect_code(0);
    let after = numbers(&world.path("copy"));
    let next = *before.last().unwrap() + 1;
    let expected: Vec<u64> = (1..next).chain(1_000_000 + next..=1_000_000 + END).collect();
    assert_eq!(after, expected);
}

#[test]
fn what_has_changed_is_shown_before_it_starts() {
    let world = World::new();
    stopped(&world, &counting(), COPY);
    let other = "INSERT INTO copy SELECT n + 1000000 FROM n WHERE n > 5";
    let output = local(&world)
        .stdin(format!("!restore copy AS {other};\n"))
        .run()
        .expect_code(0);
    for line in ["- SELECT n", "+ SELECT n + 1000000", "+ WHERE n > 5"] {
        assert!(output.stderr.lines().any(|shown| shown == line), "{line}: {output}");
    }
    // The same statement in other words is the same: its tables are compared by what they are, whatever the directory.
    let world = World::new();
    let path = stopped(&world, &counting(), COPY);
    let script = format!(
        "{}!restore {path} AS insert into copy select n /* all */ from n;\n",
        counting().replace("CREATE TABLE", "create  table")
    );
    let output = local(&world).stdin(script).run().expect_code(0);
    assert!(!output.stderr.contains("made the state"), "{output}");
}

#[test]
fn a_savepoint_may_be_moved() {
    let world = World::new();
    let path = stopped(&world, &counting(), COPY);
    let moved = world.path("elsewhere");
    fs::rename(&path, &moved).unwrap();
    // By the name alone it is not found any more.
    let output = local(&world).with("restore copy").run().expect(1, "");
    assert!(output.stderr.contains(&path), "{output}");
    let output = local(&world)
        .with("--json restore copy")
        .arg(&moved)
        .run()
        .expect_code(0);
    assert_eq!(object(&output.stdout)["restored_from"], moved.to_str().unwrap());
    assert_eq!(numbers(&world.path("copy")), (1..=END).collect::<Vec<_>>());
    // A copied directory of jobs is nothing that a machine must have: the savepoint alone is enough.
}

#[test]
fn a_savepoint_alone_is_enough_on_another_machine() {
    let world = World::new();
    let path = stopped(&world, &counting(), COPY);
    let before = numbers(&world.path("copy")).len() as u64;
    let other = World::new();
    fs::create_dir(other.path("carried")).unwrap();
    for file in files(Path::new(&path)) {
        fs::copy(&file, other.path("carried").join(file.file_name().unwrap())).unwrap();
    }
    let script = format!(
        "{}!restore ./carried AS INSERT INTO copy SELECT n FROM n;\n",
        counting()
    );
    local(&other).stdin(script).run().expect_code(0);
    assert_eq!(numbers(&other.path("copy")), (before + 1..=END).collect::<Vec<_>>());
}

#[test]
fn the_state_is_named_by_path_number_label_or_latest() {
    for which in ["", "latest", "LATEST", "tagged", "path", "number"] {
        let world = World::new();
        let script = format!(
            "{}{COPY}!wait %1 --until first-checkpoint\n!stop %1 --label tagged --json\n",
            counting()
        );
        let output = slowly(&world).stdin(script).run().expect_code(0);
        let savepoint = object(&output.stdout);
        let which = match which {
            "path" => savepoint["path"].as_str().unwrap().to_owned(),
            "number" => savepoint["checkpoint_id"].to_string(),
            word => word.to_owned(),
        };
        assert_eq!(savepoint["label"], "tagged");
        let output = local(&world)
            .with("--json restore copy")
            .with(&which)
            .run()
            .expect_code(0);
        assert_eq!(object(&output.stdout)["restored_from"], savepoint["path"], "{which}");
        assert_eq!(numbers(&world.path("copy")), (1..=END).collect::<Vec<_>>(), "{which}");
    }
}

#[test]
fn a_state_that_is_not_there_is_refused() {
    let world = World::new();
    stopped(&world, &counting(), COPY);
    for (which, says) in [
        ("99", "99"),
        ("untagged", "untagged"),
        ("/nowhere/savepoint", "/nowhere/savepoint"),
        ("@yesterday", "yesterday"),
    ] {
        let output = local(&world).with("restore copy").arg(which).run();
        output.expect(1, "").expect_stderr(says);
    }
    let output = local(&world).with("restore nothing").run();
    output.expect(1, "").expect_stderr("nothing");
    let before = visible(&world.path("copy"));
    // From an older state than what the sink already holds nothing is started, unless it is said.
    local(&world).with("restore copy").run().expect_code(0);
    assert_eq!(numbers(&world.path("copy")), (1..=END).collect::<Vec<_>>());
    local(&world)
        .with("restore copy")
        .run()
        .expect(1, "")
        .expect_stderr("--fork");
    assert!(visible(&world.path("copy")).len() > before.len());
    assert_eq!(numbers(&world.path("copy")), (1..=END).collect::<Vec<_>>());
}

#[test]
fn set_restore_is_for_one_statement() {
    let world = World::new();
    let path = stopped(&world, &counting(), COPY);
    let script = format!(
        "{}!set restore {path}\n!set restore\n{}!set restore\n!wait\n!job %1 --json\n",
        counting(),
        COPY
    );
    let output = local(&world).stdin(script).run().expect_code(0);
    let lines: Vec<_> = output.stdout.lines().collect();
    assert_eq!((lines[0], lines[1]), (path.as_str(), "off"));
    assert_eq!(object(&output.stdout)["restored_from"], path.as_str());
    assert_eq!(numbers(&world.path("copy")), (1..=END).collect::<Vec<_>>());
}

#[test]
fn with_auto_a_script_is_run_again_as_it_is() {
    let world = World::new();
    let script = format!("!set restore auto\n{}{COPY}", counting());
    let output = slowly(&world)
        .stdin(format!("{script}!wait %1 --until first-checkpoint\n"))
        .run()
        .expect_code(0);
    assert!(
        output
            .stderr
            .contains("copy has not run before: it starts from nothing"),
        "{output}"
    );
    let before = numbers(&world.path("copy")).len() as u64;
    assert!(before < END, "{before}");
    // Killed in the middle: what it had saved is where the next run begins.
    let live = slowly(&world).stdin(script.clone() + "!wait\n").start();
    let said = live.wait_err("[1] copy · job ");
    assert!(said.contains("it starts from savepoint"), "{said}");
    local(&world)
        .with("wait copy --until first-checkpoint")
        .run()
        .expect_code(0);
    live.kill();
    let output = local(&world).stdin(script.clone() + "!wait\n").run().expect_code(0);
    assert!(output.stderr.contains("it starts from checkpoint"), "{output}");
    assert_eq!(numbers(&world.path("copy")), (1..=END).collect::<Vec<_>>());
    // Another statement is not that one.
    let other = script.replace("SELECT n FROM n", "SELECT n FROM n WHERE n < 0");
    let output = local(&world).stdin(other + "!wait\n").run().expect_code(0);
    assert!(output.stderr.contains("has not run before"), "{output}");
}

#[test]
fn with_auto_what_still_runs_is_not_started_a_second_time() {
    let world = World::new();
    let script = format!("!set restore auto\n{}INSERT INTO copy SELECT n FROM n;\n", counting());
    let live = slowly(&world).stdin(script.clone() + "!wait\n").start();
    live.wait_err("[1] copy · job ");
    // That is said, and the script goes on: with those of its statements that have died, too.
    let rest = "INSERT INTO other SELECT n FROM n &;\n!cancel %1\nSELECT 'end';\n";
    let other = "CREATE TABLE other (n BIGINT) WITH ('connector' = 'memory');\n";
    let output = slowly(&world)
        .with("-o csv")
        .stdin(format!("{other}{script}{rest}"))
        .run()
        .expect_code(0);
    assert!(
        output.stderr.contains("still runs, in process") && output.stderr.contains("not started a second time"),
        "{output}"
    );
    assert!(output.stderr.contains("[1] other · job "), "{output}");
    assert!(output.stdout.contains("end"), "{output}");
    live.kill();
}

#[test]
fn a_path_that_is_set_is_looked_at_when_it_is_set_and_when_it_is_used() {
    let world = World::new();
    let path = stopped(&world, &counting(), COPY);
    for nothing in ["nowhere", "copy"] {
        let script = format!("{}!set restore {nothing}\n", counting());
        let output = local(&world).stdin(script).run().expect(1, "");
        assert!(output.stderr.contains(nothing), "{output}");
    }
    let mut live = local(&world).start();
    live.send(format!("{}!set restore {path}\n!set restore\n", counting()));
    live.wait_out(&path);
    fs::remove_dir_all(path.strip_prefix("file:").unwrap_or(&path)).unwrap();
    live.send("INSERT INTO copy SELECT n FROM n;\n");
    let output = live.wait().expect_code(1);
    assert!(
        output.stderr.contains(&path) && !output.stderr.contains("[1] copy"),
        "{output}"
    );
}

#[test]
fn a_script_can_be_run_from_the_state_of_a_job() {
    let world = World::new();
    stopped(&world, &counting(), COPY);
    let script = counting() + "INSERT INTO copy SELECT n FROM n;\n!wait\n!job %1 --json\n";
    let file = world.write("again.sql", &script);
    for which in ["copy,99", "copy,nothing", "nothing"] {
        let output = local(&world).with("run --load-checkpoint").arg(which).arg(&file).run();
        output.expect(1, "");
    }
    let output = local(&world)
        .with("run --load-checkpoint copy,latest")
        .arg(&file)
        .run()
        .expect_code(0);
    let path = object(&output.stdout)["restored_from"].as_str().unwrap().to_owned();
    assert!(path.contains("savepoint"), "{path}");
    assert_eq!(numbers(&world.path("copy")), (1..=END).collect::<Vec<_>>());
    let empty = world.write("empty.sql", "SHOW TABLES;\n");
    let output = local(&world)
        .with("run --load-checkpoint copy")
        .arg(&empty)
        .run()
        .expect_code(0);
    assert!(output.stderr.contains("nothing was started from"), "{output}");
}

#[test]
fn a_state_that_is_left_behind_is_named_and_no_state_is_given_away() {
    let world = World::new();
    let preamble = counting()
        + "CREATE TABLE sums (k BIGINT, s BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'memory');\n";
    stopped(
        &world,
        &preamble,
        "INSERT INTO sums SELECT n % 7, sum(n) FROM n GROUP BY n % 7 &;\n",
    );
    let output = local(&world)
        .stdin("!restore sums --claim claim --yes\n")
        .run()
        .expect(1, "");
    assert!(output.stderr.contains("claim mode"), "{output}");
    let output = local(&world)
        .stdin("!restore sums --allow-non-restored-state AS INSERT INTO sums SELECT n % 8, sum(n) FROM n GROUP BY n % 8;\n")
        .run()
        .expect_code(0);
    assert!(
        output.stderr.contains("the state of aggregate is left behind"),
        "{output}"
    );
}
