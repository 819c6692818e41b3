//! Queries over bounded input.

use crate::world::World;

const FLIGHTS: &str = "carrier,dep_delay,distance,ts\nUA,2,1400,2013-01-01 05:17:00\nAA,,1089,2013-01-01 05:42:00\n\
                       UA,7,1416,2013-01-01 06:05:00\nB6,-1,1576,2013-01-01 06:44:00\n";

#[tokio::test]
async fn what_has_no_name_is_named_as_in_flink() {
    let w = World::new().await;
    assert_eq!(w.rows("SELECT 1").await, ["EXPR$0", "1"]);
    assert_eq!(w.rows("SELECT 1, 1, 'x' AS s").await, ["EXPR$0|EXPR$1|s", "1|1|x"]);
    assert_eq!(
        w.rows("VALUES (1, 'a'), (2, NULL)").await,
        ["EXPR$0|EXPR$1", "1|a", "2|∅"]
    );
    assert_eq!(w.rows("SELECT a, a FROM (VALUES (1)) AS t(a)").await, ["a|a0", "1|1"]);
}

#[tokio::test]
async fn a_path_is_a_table() {
    let w = World::new().await;
    let file = w.file("flights/a.csv", FLIGHTS);
    w.file("flights/.hidden.csv", "nonsense");
    let expected = ["carrier|flights|delay", "UA|2|4.5", "AA|1|∅", "B6|1|-1.0"];
    for path in [file, w.path("flights")] {
        let sql = format!(
            "SELECT carrier, count(*) AS flights, round(avg(CAST(dep_delay AS DOUBLE)), 1) AS delay FROM '{path}' \
             GROUP BY carrier ORDER BY flights DESC, carrier"
        );
        assert_eq!(w.rows(&sql).await, expected);
    }
    let error = w.error(&format!("SELECT * FROM '{}'", w.path("none.csv"))).await;
    assert!(error.message.contains("none.csv can't be read"), "{error}");
}

#[tokio::test]
async fn a_file_without_a_header_has_numbered_columns() {
    let w = World::new().await;
    let file = w.file("n.csv", "1,a,2.5\n2,b,3.5\n");
    assert_eq!(
        w.rows(&format!("SELECT * FROM '{file}'")).await,
        ["f0|f1|f2", "1|a|2.5", "2|b|3.5"]
    );
}

#[tokio::test]
async fn a_declared_table_is_read_with_its_computed_columns() {
    let w = World::new().await;
    w.file(
        "in/a.csv",
        "UA,2,2013-01-01 05:17:00\nAA,,2013-01-01 05:42:00\nUA,8,2013-01-01 06:05:00\n",
    );
    w.run(&format!(
        "CREATE TABLE flights (carrier STRING, delay INT, ts TIMESTAMP(3), late AS delay > 5, WATERMARK FOR ts AS ts - \
         INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv')",
        w.path("in")
    ))
    .await;
    assert_eq!(
        w.rows("SELECT carrier, late, ts FROM flights WHERE delay IS NOT NULL ORDER BY delay")
            .await,
        [
            "carrier|late|ts",
            "UA|false|2013-01-01T05:17:00",
            "UA|true|2013-01-01T06:05:00"
        ]
    );
    assert_eq!(
        w.rows(
            "SELECT carrier, window_start, window_end, window_time, avg(delay) AS delay FROM TABLE(TUMBLE(TABLE flights, \
             DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY carrier, window_start, window_end, window_time ORDER BY \
             window_start, carrier"
        )
        .await,
        [
            "carrier|window_start|window_end|window_time|delay",
            "AA|2013-01-01T05:00:00|2013-01-01T06:00:00|2013-01-01T05:59:59.999|∅",
            "UA|2013-01-01T05:00:00|2013-01-01T06:00:00|2013-01-01T05:59:59.999|2",
            "UA|2013-01-01T06:00:00|2013-01-01T07:00:00|2013-01-01T06:59:59.999|8",
        ]
    );
    // Joins, windows and sorts are all there in a batch.
    assert_eq!(
        w.rows(
            "SELECT f.carrier, n.name, row_number() OVER (PARTITION BY f.carrier ORDER BY f.ts) AS n FROM flights f JOIN \
             (VALUES ('UA', 'United')) AS n(code, name) ON f.carrier = n.code ORDER BY n"
        )
        .await,
        ["carrier|name|n", "UA|United|1", "UA|United|2"]
    );
}

#[tokio::test]
async fn bounded_datagen_is_a_table() {
    let w = World::new().await;
    w.run(
        "CREATE TABLE g (id BIGINT, v INT) WITH ('connector' = 'datagen', 'number-of-rows' = '1000', \
         'rows-per-second' = '1000000', 'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '1000', \
         'fields.v.min' = '1', 'fields.v.max' = '5')",
    )
    .await;
    assert_eq!(
        w.rows("SELECT count(*) AS n, sum(id) AS s, min(v) >= 1 AND max(v) <= 5 AS ok FROM g")
            .await,
        ["n|s|ok", "1000|500500|true"]
    );
}

#[tokio::test]
async fn rows_are_pulled_and_not_piled_up() {
    let w = World::new().await;
    // Ten thousand million rows: only a stream gives its first ones at once.
    let operation = w
        .submit("SELECT \"value\" * 2 AS v FROM generate_series(1, 10000000000)")
        .await
        .unwrap();
    let mut rows = operation.rows.unwrap();
    let first = rows.next().await.unwrap().unwrap();
    assert!(first.rows.num_rows() > 0 && first.rows.num_rows() <= 100_000);
    operation.handle.cancel().await.unwrap();
    assert!(rows.next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_statement_that_gives_no_rows_can_be_cancelled() {
    let w = World::new().await;
    let operation = w
        .submit("SELECT max(\"value\" % 7) AS v FROM generate_series(1, 10000000000000)")
        .await
        .unwrap();
    let (handle, mut rows) = (operation.handle, operation.rows.unwrap());
    let fetched = tokio::spawn(async move { rows.next().await });
    handle.cancel().await.unwrap();
    assert!(fetched.await.unwrap().unwrap().is_none());
}

#[tokio::test]
async fn views_are_opened() {
    let w = World::new().await;
    w.run("CREATE VIEW v (a, b) AS SELECT * FROM (VALUES (1, 'x'), (2, 'y')) AS t(p, q)")
        .await;
    w.run("CREATE TEMPORARY VIEW w AS SELECT a + 1 AS c FROM v WHERE b = 'y'")
        .await;
    assert_eq!(w.rows("SELECT * FROM v JOIN w ON v.a = 1").await, ["a|b|c", "1|x|3"]);
    // A view's names are looked up where it was made.
    w.run("CREATE DATABASE d").await;
    w.run("USE d").await;
    assert_eq!(w.rows("SELECT * FROM default_database.w").await, ["c", "3"]);
    w.run("DROP VIEW default_catalog.default_database.v").await;
    let error = w.error("SELECT * FROM default_database.w").await;
    assert!(
        error.message.starts_with("in the view w: there is no table or view"),
        "{error}"
    );
}

#[tokio::test]
async fn nulls_come_first() {
    let w = World::new().await;
    let sql = "SELECT a FROM (VALUES (2), (NULL), (1)) AS t(a) ORDER BY a";
    assert_eq!(w.values(sql).await, ["∅", "1", "2"]);
    assert_eq!(w.values(&format!("{sql} DESC")).await, ["2", "1", "∅"]);
}

#[tokio::test]
async fn explain_shows_the_plans() {
    let w = World::new().await;
    let plan = w
        .value("EXPLAIN PLAN FOR SELECT count(*) FROM (VALUES (1), (2)) AS t(a) WHERE a > 1")
        .await;
    for part in [
        "== Logical Plan ==",
        "Filter: t.a > ",
        "== Physical Plan (batch) ==",
        "AggregateExec",
    ] {
        assert!(plan.contains(part), "{part} in {plan}");
    }
    w.run("CREATE TABLE endless (a INT) WITH ('connector' = 'datagen')")
        .await;
    let plan = w.value("EXPLAIN SELECT a FROM endless WHERE a > 1").await;
    assert!(
        plan.contains("== Streaming Plan ==") && plan.contains("changelogMode=[I]"),
        "{plan}"
    );
    let plan = w.value("EXPLAIN SELECT a FROM endless ORDER BY a").await;
    assert!(plan.contains("can't run: ") && plan.contains("ORDER BY"), "{plan}");
}

#[tokio::test]
async fn deep_expressions_do_no_harm() {
    let w = World::new().await;
    let long = format!("SELECT {}", vec!["1"; 500].join(" + "));
    assert_eq!(w.value(&long).await, "500");
    let deep = format!("SELECT {}1{}", "(".repeat(100_000), ")".repeat(100_000));
    let error = w.error(&deep).await;
    assert!(error.message.contains("nested"), "{error}");
    // The session goes on.
    assert_eq!(w.value("SELECT 1").await, "1");
}
