//! What a table's options may say, what datagen makes, and which states fit.

use datafusion::arrow::datatypes::DataType;
use skep_local::dataflow::{Progress, source};

use crate::world::{Output, TIMESTAMP, World};

const COLUMNS: [(&str, DataType); 2] = [("n", DataType::Int64), ("s", DataType::Utf8)];

#[test]
fn options_are_checked() {
    let mut world = World::new();
    for (key, value, says) in [
        ("csv.delimiter", ";", "unknown option 'csv.delimiter'"),
        ("csv.field-delimiter", "ab", "one ASCII character"),
        ("format", "orc", "must be csv"),
        ("path", "s3://bucket/x", "a local path"),
        ("source.monitor-interval", "soon", "a duration"),
        ("source.monitor-interval", "0 s", "more than 0"),
        ("csv.header", "yes", "true or false"),
    ] {
        let table = world.csv_table("t", &COLUMNS).option(key, value).add();
        let error = source::validate(&table).unwrap_err();
        assert!(
            error.message.contains(says) && error.message.contains("table t "),
            "{error}"
        );
    }
    let table = world.csv_table("t", &COLUMNS).option("csv.delimiter", ";").add();
    assert!(source::validate(&table).unwrap_err().hints[0].contains("csv.field-delimiter"));
    for (key, value, says) in [
        ("fields.n.kind", "serial", "random or sequence"),
        ("fields.n.min", "9", "not more than the maximum"),
        ("fields.x.min", "9", "unknown option"),
        ("rows-per-second", "0", "more than 0"),
        ("fields.s.null-rate", "2", "from 0 to 1"),
    ] {
        let table = world
            .table("g", &COLUMNS)
            .option("connector", "datagen")
            .option("fields.n.max", "5");
        let error = source::validate(&table.option(key, value).add()).unwrap_err();
        assert!(error.message.contains(says), "{error}");
    }
    let table = world.table("p", &COLUMNS).option("connector", "print").add();
    source::validate(&table).unwrap();
    assert!(
        source::is_bounded(&table)
            .unwrap_err()
            .message
            .contains("can't be read")
    );
}

fn datagen(world: &mut World, rows: &str) {
    let columns = [
        ("id", DataType::Int64),
        ("n", DataType::Int32),
        ("s", DataType::Utf8),
        ("ts", TIMESTAMP),
        ("d", DataType::Decimal128(10, 2)),
    ];
    let table = world
        .table("g", &columns)
        .option("connector", "datagen")
        .option("number-of-rows", rows);
    let table = table
        .option("fields.id.kind", "sequence")
        .option("fields.id.start", "1")
        .option("fields.id.end", "30000");
    let table = table
        .option("fields.n.min", "-3")
        .option("fields.n.max", "3")
        .option("fields.s.length", "5");
    table
        .option("fields.s.null-rate", "0.5")
        .option("fields.ts.max-past", "1 h")
        .option("rows-per-second", "100000000")
        .add();
}

#[test]
fn datagen_goes_on_where_it_stopped() {
    let mut world = World::new();
    datagen(&mut world, "20000");
    let sql = "SELECT id, n, s, d, ts FROM g";
    let mut flow = world.dataflow(sql).unwrap();
    let mut output = Output::default();
    while output.rows_in == 0 {
        output.take(flow.step().unwrap());
    }
    let state = flow.snapshot().unwrap();
    let mut other = world.dataflow(sql).unwrap();
    other.restore(state).unwrap();
    let mut rest = Output::default();
    while !rest.finished {
        rest.take(other.step().unwrap());
    }
    let mut same = Output::default();
    while !same.finished {
        same.take(flow.step().unwrap());
    }
    assert_eq!(rest.rows, same.rows);
    assert_eq!(output.rows_in + rest.rows_in, 20_000);
    assert!(
        rest.rows.last().unwrap().starts_with("+I 20000|"),
        "{:?}",
        rest.rows.last()
    );
    let nulls = same
        .rows
        .iter()
        .filter(|row| row.split('|').nth(2) == Some("NULL"))
        .count();
    let share = nulls as f64 / same.rows.len() as f64;
    assert!((0.45..0.55).contains(&share), "{share}");
    datagen(&mut world, "40000");
    assert_eq!(
        run_to_end(&world, "SELECT count(*), min(n), max(n) FROM g"),
        ["+I 30000|-3|3"]
    );
}

/// Runs to the end although the source is paced.
fn run_to_end(world: &World, sql: &str) -> Vec<String> {
    let mut flow = world.dataflow(sql).unwrap();
    let mut output = Output::default();
    while !output.finished {
        output.take(flow.step().unwrap());
    }
    output.rows
}

#[test]
fn a_rate_holds_rows_back_without_waiting() {
    let mut world = World::new();
    world.write("t/0", "1,a\n2,b\n");
    world.csv_table("t", &COLUMNS).add();
    world.set("local.source.rows-per-second", "1");
    let mut flow = world.dataflow("SELECT * FROM t").unwrap();
    // A step that waited would bring a row.
    let step = flow.step().unwrap();
    assert!(
        step.rows_in == 0 && matches!(step.progress, Progress::Idle(wait) if wait.as_millis() > 500),
        "{:?}",
        step.progress
    );
    world.set("local.source.rows-per-second", "none");
    assert!(world.dataflow("SELECT * FROM t").is_err());
}

#[test]
fn fingerprints_tell_what_changed() {
    let mut world = World::new();
    world.write("t/0", "1,a\n");
    world
        .csv_table("t", &COLUMNS)
        .option("source.monitor-interval", "1 s")
        .add();
    let prints = |world: &World, sql: &str| world.dataflow(sql).unwrap().fingerprints();
    let base = prints(&world, "SELECT s, sum(n) FROM t GROUP BY s");
    assert_eq!(base[0].operator, "source `c`.`d`.`t`");
    assert_eq!(base[1].operator, "aggregate");
    for same in [
        "SELECT s, sum(n) AS total FROM t GROUP BY s HAVING sum(n) > 3",
        "SELECT sum(n) * 2, s FROM t WHERE n > 0 GROUP BY s",
        "SELECT x, sum(y) FROM (SELECT s AS x, n AS y FROM t) z GROUP BY x",
    ] {
        assert_eq!(prints(&world, same), base, "{same}");
    }
    for different in [
        "SELECT s, sum(n + 1) FROM t GROUP BY s",
        "SELECT s, sum(n) FILTER (WHERE n > 0) FROM t GROUP BY s",
        "SELECT s, sum(DISTINCT n) FROM t GROUP BY s",
        "SELECT s, max(n) FROM t GROUP BY s",
        "SELECT upper(s), sum(n) FROM t GROUP BY upper(s)",
        "SELECT s, sum(y) FROM (SELECT s, n * 2 AS y FROM t) z GROUP BY s",
    ] {
        let prints = prints(&world, different);
        assert_eq!(prints[0], base[0]);
        assert_ne!(prints[1], base[1], "{different}");
    }
    world
        .csv_table("t", &COLUMNS)
        .option("source.monitor-interval", "2 s")
        .add();
    assert_eq!(prints(&world, "SELECT s, sum(n) FROM t GROUP BY s"), base);
    world
        .csv_table("t", &COLUMNS)
        .option("source.monitor-interval", "2 s")
        .option("csv.null-literal", "-")
        .add();
    assert_ne!(prints(&world, "SELECT s, sum(n) FROM t GROUP BY s"), base);
}

#[test]
fn a_state_that_does_not_fit_is_refused() {
    let mut world = World::new();
    world.write("t/0", "1,a\n");
    world
        .csv_table("t", &COLUMNS)
        .option("source.monitor-interval", "1 h")
        .add();
    let mut flow = world.dataflow("SELECT s, sum(n) FROM t GROUP BY s").unwrap();
    flow.step().unwrap();
    let state = flow.snapshot().unwrap();
    let refused = |sql: &str| world.dataflow(sql).unwrap().restore(state.clone()).unwrap_err().message;
    assert!(refused("SELECT n, sum(n) FROM t GROUP BY n").contains("has the type"));
    assert!(refused("SELECT s, sum(n), max(n) FROM t GROUP BY s").contains("columns"));
    assert!(refused("SELECT s FROM t").contains("which this query has not"));
}
