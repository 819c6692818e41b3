//! What is wrong, where, and what to do.

use skep_engine::ErrorKind;

use crate::world::World;

#[tokio::test]
async fn names_that_are_not_there_are_pointed_at() {
    let w = World::new().await;
    w.run(
        "CREATE TABLE flights (carrier STRING, dep_delay INT) WITH ('connector' = 'datagen', 'number-of-rows' = '1')",
    )
    .await;
    for (sql, message, at, hint) in [
        (
            "SELECT carier FROM flights",
            "no column carier in flights",
            (1, 8, 6),
            "did you mean carrier?",
        ),
        (
            "SELECT f.carier FROM flights f",
            "no column carier in f",
            (1, 8, 8),
            "did you mean carrier?",
        ),
        (
            "SELECT x.carrier\nFROM flights",
            "there is no table x in this query to take carrier from",
            (1, 8, 9),
            "did you mean carrier?",
        ),
        (
            "SELECT *\n  FROM flihgts",
            "there is no table or view flihgts",
            (2, 8, 7),
            "did you mean flights?",
        ),
        (
            "SELECT uper(carrier) FROM flights",
            "there is no function uper",
            (1, 8, 4),
            "did you mean upper?",
        ),
        (
            "SELECT * FROM d.flights",
            "there is no database d in the catalog default_catalog",
            (1, 15, 1),
            "",
        ),
        (
            "DESCRIBE flihgts",
            "there is no table or view flihgts",
            (1, 10, 7),
            "did you mean flights?",
        ),
        (
            "INSERT INTO fligths SELECT 1",
            "there is no table or view fligths",
            (1, 13, 7),
            "did you mean flights?",
        ),
        (
            "DROP TABLE fligths",
            "there is no table fligths",
            (1, 12, 7),
            "did you mean flights?",
        ),
        (
            "SELECT 1 +",
            "expected an expression, found the end of the statement",
            (1, 11, 1),
            "",
        ),
    ] {
        let error = w.error(sql).await;
        assert_eq!(error.message, message, "{sql}");
        assert_eq!(error.kind, ErrorKind::Rejected, "{sql}");
        let place = error.position.map(|p| (p.line, p.column, p.length));
        assert_eq!(place.map(|p| (p.0, p.1)), Some((at.0, at.1)), "{sql}: {error:?}");
        if at.2 > 1 {
            assert_eq!(place.map(|p| p.2), Some(at.2), "{sql}");
        }
        assert_eq!(error.hints.first().map_or("", String::as_str), hint, "{sql}");
    }
}

#[tokio::test]
async fn a_table_must_make_sense() {
    let w = World::new().await;
    for (sql, message) in [
        ("CREATE TABLE t (a INT)", "the table t has no option 'connector'"),
        (
            "CREATE TABLE t (a INT) WITH ('connector' = 'kafka')",
            "the embedded engine has no connector 'kafka'",
        ),
        (
            "CREATE TABLE t (a INT, b AS c + 1) WITH ('connector' = 'datagen')",
            "no column c here",
        ),
        (
            "CREATE TABLE t (a INT, WATERMARK FOR a AS a) WITH ('connector' = 'datagen')",
            "the watermark's column a is INT, and must be a TIMESTAMP(3) or TIMESTAMP_LTZ(3)",
        ),
        (
            "CREATE TABLE t (a INT, WATERMARK FOR ts AS ts) WITH ('connector' = 'datagen')",
            "no column ts in t",
        ),
        (
            "CREATE TABLE t (a INT, PRIMARY KEY (b) NOT ENFORCED) WITH ('connector' = 'memory')",
            "no column b in t",
        ),
    ] {
        let error = w.error(sql).await;
        assert_eq!(error.message, message, "{sql}");
        assert!(error.position.is_some(), "{sql}");
    }
    for connector in ["datagen", "print", "blackhole", "memory"] {
        let sql = format!("CREATE TABLE t (a INT) WITH ('connector' = '{connector}', 'rows-per-secnd' = '5')");
        let error = w.error(&sql).await;
        assert!(
            error.message.contains("unknown option 'rows-per-secnd'"),
            "{connector}: {error}"
        );
    }
    assert!(w.sql.objects().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_fails_while_it_runs_says_why() {
    let w = World::new().await;
    for (sql, message) in [
        ("SELECT 1 / a FROM (VALUES (0)) AS t(a)", "division by zero"),
        ("SELECT CAST(a AS INT) FROM (VALUES ('abc')) AS t(a)", "'abc' is no INT"),
    ] {
        let error = w.error(sql).await;
        assert_eq!(error.message, message, "{sql}");
    }
}
