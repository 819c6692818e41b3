//! Statement sets: one job, whatever it writes.

use super::{END, counting, local, numbers, object, objects, slowly};
use crate::world::World;

/// Tables `copy`, `tens` and `sums` beside what is counted.
fn tables() -> String {
    counting()
        + "CREATE TABLE tens (n BIGINT) WITH ('connector' = 'filesystem', 'path' = 'tens', 'format' = 'csv');\n\
           CREATE TABLE sums (k BIGINT, s BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'memory');\n"
}

const SET: &str = "BEGIN STATEMENT SET;\n\
                   INSERT INTO copy SELECT n FROM n;\n\
                   INSERT INTO tens SELECT n FROM n WHERE n % 10 = 0;\n\
                   INSERT INTO sums SELECT n % 2, sum(n) FROM n GROUP BY n % 2;\n\
                   END";

/// What the directories hold in the end.
#[track_caller]
fn assert_whole(world: &World, end: u64) {
    assert_eq!(numbers(&world.path("copy")), (1..=end).collect::<Vec<_>>());
    let tens: Vec<_> = (1..=end).filter(|n| n % 10 == 0).collect();
    assert_eq!(numbers(&world.path("tens")), tens);
}

#[test]
fn a_set_is_one_job_with_one_savepoint_and_one_way_back() {
    let world = World::new();
    let script = format!(
        "{}{SET} &;\n!wait %1 --until first-checkpoint\n!jobs --json\n!stop %1\n",
        tables()
    );
    let output = slowly(&world).stdin(script).run().expect_code(0);
    let job = object(&output.stdout);
    assert_eq!(job["name"], "copy");
    let output = local(&world).with("savepoints copy --json").run().expect_code(0);
    let saved = objects(&output.stdout);
    assert_eq!(
        (saved.len(), saved[0]["kind"].as_str()),
        (1, Some("savepoint")),
        "{output}"
    );
    // What is there now is what both had at one moment.
    let last = *numbers(&world.path("copy")).last().unwrap();
    assert!(last < END, "{last}");
    assert_whole(&world, last);
    // Without one of its INSERTs its state fits no more.
    let output = local(&world)
        .stdin("!restore copy AS EXECUTE STATEMENT SET BEGIN INSERT INTO copy SELECT n FROM n; END;\n")
        .run();
    output
        .expect(1, "")
        .expect_stderr("aggregate of INSERT INTO `default_catalog`.`default_database`.`sums` is no longer there");
    let script = "!restore copy\nSELECT k, s FROM sums ORDER BY k;\n";
    let output = local(&world).with("-o csv --showHeader=false").stdin(script).run();
    let half = END / 2;
    output.expect(0, &format!("0,{}\n1,{}\n", half * (half + 1), half * half));
    assert_whole(&world, END);
}

#[test]
fn killed_again_and_again_both_sinks_end_with_each_row_once() {
    let world = World::new();
    let mut live = slowly(&world).stdin(tables() + SET + ";\n").start();
    // The last of those that restore it comes to the end.
    for restoring in [slowly(&world), slowly(&world), local(&world)] {
        live.wait_err("[1] copy · job ");
        local(&world)
            .with("wait copy --until first-checkpoint")
            .run()
            .expect_code(0);
        live.kill();
        live = restoring.with("restore copy").start();
    }
    live.wait().expect_code(0).expect_stderr("FINISHED");
    assert_whole(&world, END);
    let output = local(&world).with("jobs -a --json").run().expect_code(0);
    let known: Vec<_> = objects(&output.stdout).iter().map(|job| job["known"].clone()).collect();
    assert_eq!(known, ["ended", "lost", "lost", "lost"]);
}

#[test]
fn an_error_in_a_set_points_into_what_was_written() {
    let world = World::new();
    let script = tables() + &SET.replace("SELECT n % 2, sum(n)", "SELECT n % 2, sum(m)") + ";\n";
    let output = local(&world).stdin(script).run();
    let output = output.expect_code(1).expect_stderr("no column m in n");
    let mut lines = output.stderr.lines();
    let source = lines
        .find(|line| line.contains("INSERT INTO sums SELECT n % 2, sum(m)"))
        .unwrap();
    let caret = lines.next().unwrap();
    assert_eq!(caret.find('^'), source.find("m)"), "{output}");
}
