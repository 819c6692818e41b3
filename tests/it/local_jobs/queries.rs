//! What runs as a job, and what is refused.

use super::{END, counting, local, object, slowly, stopped};
use crate::world::World;

const SUMS: &str =
    "CREATE TABLE sums (k BIGINT, s BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'memory');\n";
const SUM: &str = "INSERT INTO sums SELECT n % 3, sum(n) FROM n GROUP BY n % 3 &;\n";

#[test]
fn a_grouped_query_into_a_memory_table_can_be_looked_at_while_it_runs() {
    let world = World::new();
    let script = format!(
        "{}{SUMS}{SUM}!wait %1 --until first-checkpoint\n!set format csv\n!set header off\n\
         SELECT count(*) FROM sums;\n!job %1 --json\n",
        counting()
    );
    let output = slowly(&world).stdin(script).run().expect_code(0);
    assert_eq!(output.stdout.lines().next(), Some("3"), "{output}");
    assert_eq!(object(&output.stdout)["state"], "RUNNING", "{output}");
}

#[test]
fn the_contents_of_a_memory_table_are_part_of_the_state() {
    let world = World::new();
    let preamble = counting() + SUMS;
    stopped(&world, &preamble, SUM);
    let script = "!restore sums\n!set format csv\n!set header off\nSELECT k, s FROM sums ORDER BY k;\n";
    let output = local(&world).stdin(script).run();
    // 3 + 6 + … + END, 1 + 4 + … + (END - 2), 2 + 5 + … + (END - 1).
    let third = END / 3;
    let sums = [third * (END + 3) / 2, third * (END - 1) / 2, third * (END + 1) / 2];
    output.expect(0, &format!("0,{}\n1,{}\n2,{}\n", sums[0], sums[1], sums[2]));
}

#[test]
fn rows_that_come_too_late_are_dropped_and_counted() {
    let world = World::new();
    let rows = "2026-01-01 00:00:10,a\n2026-01-01 00:05:00,b\n2026-01-01 00:00:20,late\n2026-01-01 00:04:58,c\n\
                2026-01-01 00:00:30,late\n2026-01-01 00:09:00,d\n";
    world.write("events/1.csv", rows);
    let script = "SET 'execution.runtime-mode' = 'streaming';
        CREATE TABLE events (ts TIMESTAMP(3), w STRING, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
        WITH ('connector' = 'filesystem', 'path' = 'events', 'format' = 'csv');
        CREATE TABLE counts (start_ TIMESTAMP(3), c BIGINT) WITH ('connector' = 'filesystem', 'path' = 'counts', 'format' = 'csv');
        INSERT INTO counts SELECT window_start, count(*)
        FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;
        !job %1 --json
        SELECT c FROM counts ORDER BY start_;\n";
    let output = local(&world)
        .with("-o csv --showHeader=false")
        .stdin(script)
        .run()
        .expect_code(0);
    let job = object(&output.stdout);
    assert_eq!((&job["rows_in"], &job["late_rows"]), (&6.into(), &2.into()), "{output}");
    let counts: Vec<_> = output.stdout.lines().filter(|line| !line.starts_with('{')).collect();
    assert_eq!(counts, ["1", "1", "1", "1"], "{output}");
}

#[test]
fn what_cannot_run_as_a_stream_is_refused_in_a_sentence() {
    let world = World::new();
    let preamble = "CREATE TABLE n (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '1000');\n\
        CREATE TABLE copy (n BIGINT) WITH ('connector' = 'filesystem', 'path' = 'copy', 'format' = 'csv');\n\
        CREATE TABLE pairs (a BIGINT, b BIGINT) WITH ('connector' = 'blackhole');\n"
        .to_owned()
        + SUMS;
    for sql in [
        "INSERT INTO copy SELECT n FROM n ORDER BY n",
        "INSERT INTO copy SELECT n FROM n LIMIT 3",
        "INSERT INTO copy SELECT DISTINCT n FROM n",
        "INSERT INTO sums SELECT k, sum(c) FROM (SELECT n % 3 AS k, count(*) AS c FROM n GROUP BY n % 3) AS x GROUP BY k",
        "INSERT INTO pairs SELECT a.n, b.n FROM n AS a JOIN n AS b ON a.n = b.n",
        "INSERT INTO pairs SELECT n % 3, sum(n) OVER (ORDER BY n) FROM n",
        "INSERT INTO copy SELECT n FROM n UNION SELECT n FROM n",
        "INSERT INTO copy SELECT sum(n) FROM n GROUP BY n % 3",
        "INSERT INTO copy SELECT n FROM n WHERE n IN (SELECT n FROM n)",
        "INSERT INTO copy SELECT (SELECT max(n) FROM n)",
        "INSERT INTO copy SELECT v FROM (VALUES (1)) AS x(v) WHERE v IN (SELECT n FROM n)",
        "INSERT INTO copy SELECT v FROM (VALUES (1)) AS x(v) WHERE EXISTS (SELECT n FROM n)",
        "SELECT n FROM n ORDER BY n",
    ] {
        let output = local(&world).stdin(format!("{preamble}{sql};\n")).run().expect(1, "");
        let error = output.stderr.lines().find(|line| line.starts_with("error: "));
        let words = error.map_or(0, |line| line.split_whitespace().count());
        assert!(words > 6, "{sql}: {output}");
        for leak in [
            "LogicalPlan",
            "DataFusion",
            "Internal",
            "internal error",
            "panicked",
            "TableScan",
        ] {
            assert!(!output.stderr.contains(leak), "{sql}: {output}");
        }
    }
    local(&world).with("jobs -a --json").run().expect(0, "");
    assert!(!world.path("copy").exists(), "nothing was written");
}

#[test]
fn what_ends_is_computed_whole_where_it_cannot_be_computed_as_it_comes() {
    for mode in ["streaming", "batch", "automatic"] {
        let world = World::new();
        let preamble = counting().replace("'streaming'", &format!("'{mode}'"));
        for (sql, expected) in [
            ("SELECT n FROM n LIMIT 3", "3"),
            ("SELECT n FROM n ORDER BY n DESC LIMIT 4", "4"),
            (
                "SELECT a.n FROM n AS a JOIN (SELECT n FROM n LIMIT 5) AS b ON a.n = b.n",
                "5",
            ),
            (
                "SELECT sum(c) FROM (SELECT count(*) AS c FROM n GROUP BY n % 3) AS x",
                "1",
            ),
        ] {
            let script = format!("{preamble}INSERT INTO copy {sql};\nRESET;\nSELECT count(*) FROM copy;\n");
            let output = local(&world).with("-o csv --showHeader=false").stdin(script).run();
            drop(output.expect(0, &format!("{expected}\n")));
            std::fs::remove_dir_all(world.path("copy")).unwrap();
        }
    }
}
