//! Results that are Flink's and not DataFusion's.

use crate::world::{World, fetch};

#[tokio::test]
async fn results_are_flinks() {
    let w = World::new().await;
    let mut wrong = Vec::new();
    for (sql, expected) in [
        // Averages of integers are integers, with the fraction cut off.
        ("SELECT avg(a) FROM (VALUES (1), (2), (NULL)) AS t(a)", "1"),
        ("SELECT avg(a) FROM (VALUES (-1), (-2)) AS t(a)", "-1"),
        ("SELECT avg(a) FROM (VALUES (1), (2)) AS t(a) WHERE a > 5", "∅"),
        ("SELECT avg(DISTINCT a) FROM (VALUES (1), (1), (4)) AS t(a)", "2"),
        ("SELECT avg(CAST(a AS DOUBLE)) FROM (VALUES (1), (2)) AS t(a)", "1.5"),
        ("SELECT 5 / 2", "2"),
        ("SELECT -5 / 2", "-2"),
        ("SELECT MOD(-5, 3)", "-2"),
        // Numbers with a point are decimals.
        ("SELECT 1.10 * 3", "3.30"),
        ("SELECT 0.1 + 0.2", "0.3"),
        // Casts to text.
        ("SELECT CAST(TRUE AS STRING)", "TRUE"),
        ("SELECT CAST(CAST(1 AS DOUBLE) AS STRING)", "1.0"),
        ("SELECT CAST(1e10 AS VARCHAR)", "1.0E10"),
        (
            "SELECT CAST(TIMESTAMP '2024-01-02 03:04:05' AS STRING)",
            "2024-01-02 03:04:05",
        ),
        (
            "SELECT CAST(CAST(TIMESTAMP '2024-01-02 03:04:05.678' AS TIMESTAMP(3)) AS STRING)",
            "2024-01-02 03:04:05.678",
        ),
        ("SELECT CAST(DATE '2024-01-02' AS STRING)", "2024-01-02"),
        ("SELECT CAST(12.50 AS STRING)", "12.50"),
        ("SELECT CAST('12' AS INT) + 1", "13"),
        ("SELECT CAST(1.9 AS INT)", "1"),
        ("SELECT TRY_CAST('x' AS INT)", "∅"),
        // Text.
        ("SELECT CONCAT('a', NULL)", "∅"),
        ("SELECT CONCAT('a', 'b', 'c')", "abc"),
        ("SELECT UPPER('é') || LOWER('X')", "Éx"),
        ("SELECT SUBSTRING('hello' FROM 2 FOR 3)", "ell"),
        ("SELECT CHAR_LENGTH('héé')", "3"),
        ("SELECT IF(1 > 2, 'a', 'b')", "b"),
        ("SELECT COALESCE(NULL, 'x')", "x"),
        ("SELECT NULLIF(1, 1)", "∅"),
        // Time.
        (
            "SELECT DATE_FORMAT(TIMESTAMP '2013-01-05 14:07:09', 'yyyy-MM-dd HH:mm')",
            "2013-01-05 14:07",
        ),
        ("SELECT DATE_FORMAT('2013-01-05 14:07:09', 'dd.MM.yy')", "05.01.13"),
        ("SELECT EXTRACT(HOUR FROM TIMESTAMP '2013-01-05 14:07:09')", "14"),
        (
            "SELECT TIMESTAMP '2013-01-05 14:07:09' + INTERVAL '1' DAY",
            "2013-01-06T14:07:09",
        ),
        // Windows, in all years.
        (
            "SELECT date_bin(INTERVAL '1' DAY, CAST(TIMESTAMP '0001-01-01 10:00:00' AS TIMESTAMP(3)))",
            "0001-01-01T00:00:00",
        ),
        (
            "SELECT date_bin(INTERVAL '1' DAY, CAST(TIMESTAMP '9999-12-31 23:59:59.999' AS TIMESTAMP(3)))",
            "9999-12-31T00:00:00",
        ),
        (
            "SELECT date_bin(INTERVAL '1' HOUR, TIMESTAMP '1969-12-31 23:59:59.999999')",
            "1969-12-31T23:00:00",
        ),
        (
            "SELECT date_bin(INTERVAL '1' DAY, TIMESTAMP '2024-03-10 01:00:00', TIMESTAMP '1970-01-01 00:00:00' + \
             INTERVAL '2' HOUR)",
            "2024-03-09T02:00:00",
        ),
        (
            "SELECT date_bin(INTERVAL '1' MONTH, TIMESTAMP '2024-03-10 01:00:00')",
            "2024-03-01T00:00:00",
        ),
        ("SELECT date_bin(INTERVAL '1' DAY, CAST(NULL AS TIMESTAMP(3)))", "∅"),
        (
            "SELECT * FROM TABLE(TUMBLE((SELECT LOCALTIMESTAMP AS ts), DESCRIPTOR(ts), INTERVAL '0' SECOND))",
            "the size of a window must be more than 0",
        ),
        (
            "SELECT * FROM TABLE(TUMBLE((SELECT LOCALTIMESTAMP AS ts), DESCRIPTOR(ts), INTERVAL '-1' DAY))",
            "the size of a window must be more than 0",
        ),
        (
            "SELECT INTERVAL '1' DAY + TIMESTAMP '1969-12-30 22:30:00'",
            "1969-12-31T22:30:00",
        ),
        (
            "SELECT TIMESTAMP '1970-01-01 00:00:00.000' - INTERVAL '0.001' SECOND",
            "1969-12-31T23:59:59.999",
        ),
        // No zone has a say in a TIMESTAMP, and an instant moves by 24 hours.
        (
            "SELECT TIMESTAMP '2024-03-30 02:30:00' + INTERVAL '1' DAY",
            "2024-03-31T02:30:00",
        ),
        (
            "SELECT CAST(TIMESTAMP '2024-03-30 02:30:00' AS TIMESTAMP_LTZ(3)) + INTERVAL '1' DAY",
            "2024-03-31T02:30:00Z",
        ),
        // Less than a TIMESTAMP's last digit.
        (
            "SELECT CAST(TIMESTAMP '1970-01-01 00:00:00' AS TIMESTAMP(3)) - INTERVAL '0.0004' SECOND",
            "1969-12-31T23:59:59.999",
        ),
        // Months are as long as the calendar has them.
        (
            "SELECT TIMESTAMP '2024-01-31 10:00:00' + INTERVAL '1' MONTH",
            "2024-02-29T10:00:00",
        ),
        (
            "SELECT TIMESTAMP '1969-03-31 10:00:00' - INTERVAL '1' MONTH",
            "1969-02-28T10:00:00",
        ),
        (
            "SELECT TIMESTAMP '2024-02-29 10:00:00' + INTERVAL '1' YEAR",
            "2025-02-28T10:00:00",
        ),
        (
            "SELECT ts + INTERVAL '1' SECOND FROM (VALUES (TIMESTAMP '2024-01-01 00:00:00'), (CAST(NULL AS TIMESTAMP))) \
             AS t(ts)",
            "2024-01-01T00:00:01, ∅",
        ),
        // Rounding.
        ("SELECT ROUND(2.5)", "3"),
        ("SELECT ROUND(CAST(-2.5 AS DOUBLE))", "-3.0"),
        ("SELECT ROUND(2.345, 2)", "2.35"),
    ] {
        let found = match w.submit(sql).await {
            Ok(operation) => fetch(operation)
                .await
                .map_or_else(|e| e.message, |rows| rows[1..].join(", ")),
            Err(e) => e.message,
        };
        if found != expected {
            wrong.push(format!("{sql}: {found}, expected {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_batch_query_has_one_instant() {
    let w = World::new().await;
    let sql = "SELECT count(DISTINCT CURRENT_TIMESTAMP) AS n, count(DISTINCT PROCTIME()) AS p, \
               count(DISTINCT NOW()) AS w FROM generate_series(1, 200000)";
    assert_eq!(w.values(sql).await, ["1|1|1"]);
    let now = jiff::Timestamp::now().as_second();
    let told: i64 = w.value("SELECT UNIX_TIMESTAMP()").await.parse().unwrap();
    assert!((now - told).abs() < 60, "{now} {told}");
    let today = w.value("SELECT CURRENT_DATE = CAST(LOCALTIMESTAMP AS DATE)").await;
    assert_eq!(today, "true");
}

#[tokio::test]
async fn a_tables_own_expressions_mean_what_a_querys_do() {
    let w = World::new().await;
    w.run(
        "CREATE TABLE t (a INT, ts AS TIMESTAMP '2024-01-01 00:00:00', b AS IF(a > 1, 'x', 'y'), c AS MOD(a, 2), \
         d AS a * 1e10, e AS CAST(a > 1 AS STRING), WATERMARK FOR ts AS IF(MOD(1, 2) = 1, ts, ts)) \
         WITH ('connector' = 'datagen', 'number-of-rows' = '2', 'fields.a.kind' = 'sequence', 'fields.a.start' = '1', \
         'fields.a.end' = '2')",
    )
    .await;
    let sql = "SELECT a, b, c, d, e FROM t";
    let expected = ["1|y|1|10000000000.0|FALSE", "2|x|0|20000000000.0|TRUE"];
    assert_eq!(w.values(sql).await, expected);
    w.run("CREATE TABLE copy (a INT, b STRING, c INT, d DOUBLE, e STRING) WITH ('connector' = 'memory')")
        .await;
    w.run("SET 'execution.runtime-mode' = 'streaming'").await;
    w.insert(&format!("INSERT INTO copy {sql}")).await;
    w.run("RESET").await;
    assert_eq!(w.values("SELECT * FROM copy").await, expected);
    for expression in ["sum(a)", "(SELECT 1)", "row_number() OVER ()"] {
        let error = w
            .error(&format!(
                "CREATE TABLE u (a INT, b AS {expression}) WITH ('connector' = 'memory')"
            ))
            .await;
        assert!(error.message.contains("from its own row"), "{expression}: {error}");
    }
}
