//! A query over micro-batches gives what it gives over all rows at once, also when it was saved and restored between.

use datafusion::arrow::datatypes::DataType;

use crate::world::{Output, TIMESTAMP, World, run_all, through_ipc};

/// What is asked of a table `t` (k STRING, n BIGINT, v DOUBLE, ts TIMESTAMP).
const GROUPED: &[&str] = &[
    "SELECT k, count(*), sum(n) FROM t GROUP BY k",
    "SELECT count(*), sum(n), min(k), max(ts) FROM t",
    "SELECT k, count(v), avg(n), min(v), max(v) FROM t GROUP BY k",
    "SELECT k, count(*) FILTER (WHERE n > 3), sum(n) FILTER (WHERE v < 0) FROM t GROUP BY k",
    "SELECT k, count(DISTINCT n) FROM t GROUP BY k",
    "SELECT count(DISTINCT k) FROM t",
    "SELECT n % 3, k, count(DISTINCT n), count(DISTINCT k), sum(DISTINCT n), max(ts) FROM t GROUP BY n % 3, k",
    "SELECT DISTINCT k, n % 2 FROM t",
    "SELECT DISTINCT k FROM t WHERE n > 0",
    "SELECT k, sum(n) + count(*) FROM t GROUP BY k HAVING count(*) > 3 AND sum(n) % 2 = 0",
    "SELECT k, sum(n) AS s FROM t WHERE v IS NOT NULL GROUP BY k HAVING sum(n) < 20",
    "SELECT upper(k), bit_xor(n), bool_and(n > 0), bool_or(v > 0) FROM t GROUP BY upper(k)",
    "SELECT k, median(n), approx_distinct(n) FROM t GROUP BY k",
    "SELECT k, first_value(n ORDER BY ts), last_value(n ORDER BY ts) FROM t GROUP BY k",
    "SELECT k, array_agg(n), string_agg(k, ',') FROM t GROUP BY k",
    "SELECT count(*) FROM t WHERE n > 1000000",
    "SELECT max(c) AS c FROM (SELECT n * 2 AS c, k FROM t WHERE n > 1) x WHERE k <> 'a'",
    "SELECT date_trunc('minute', ts), k, count(*) FROM t GROUP BY date_trunc('minute', ts), k",
    "SELECT k, sum(n) FROM (SELECT k, n FROM t UNION ALL SELECT upper(k), n + 1 FROM t WHERE n > 2) x GROUP BY k",
];

const STATELESS: &[&str] = &[
    "SELECT * FROM t",
    "SELECT k, n + 1, v * 2 FROM t WHERE n % 2 = 0 OR k IS NULL",
    "SELECT count, 'x' || k FROM (SELECT n AS count, k FROM t) y WHERE k LIKE 'a%'",
    "SELECT n FROM t WHERE k = 'a' UNION ALL SELECT n * 100 FROM t WHERE k <> 'a'",
    "SELECT t.n, d.name FROM t JOIN (VALUES ('a', 'Anna'), ('b', 'Bert')) d (k, name) ON t.k = d.k",
    "SELECT t.n, d.name FROM t LEFT JOIN (VALUES ('a', 'Anna')) d (k, name) ON t.k = d.k",
    "SELECT n, k FROM t WHERE k IN (SELECT column1 FROM (VALUES ('a'), ('c')))",
    "SELECT 1 FROM t",
];

fn content(rows: &[(Option<&str>, i64, Option<f64>, i64)]) -> String {
    let mut csv = String::new();
    for (k, n, v, seconds) in rows {
        let v = v.map(|v| v.to_string()).unwrap_or_default();
        let time = format!(
            "2024-05-01 {:02}:{:02}:{:02}",
            seconds / 3600 % 24,
            seconds / 60 % 60,
            seconds % 60
        );
        csv.push_str(&format!("{},{n},{v},{time}\n", k.unwrap_or("NIL")));
    }
    csv
}

/// Rows that look random and are always the same.
fn some_rows(count: u64, seed: u64) -> Vec<(Option<&'static str>, i64, Option<f64>, i64)> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move |limit: u64| {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x % limit
    };
    let keys = [Some("a"), Some("b"), Some("c"), Some("ab"), None];
    (0..count)
        .map(|row| {
            let v = (next(6) > 0).then(|| next(100) as f64 / 4.0 - 10.0);
            (
                keys[next(5) as usize],
                next(12) as i64 - 3,
                v,
                (row * 3 + next(4)) as i64,
            )
        })
        .collect()
}

fn world(world: World, files: &[String]) -> World {
    let mut world = world;
    for (index, file) in files.iter().enumerate() {
        world.write(&format!("t/{index:03}.csv"), file);
    }
    let columns = [
        ("k", DataType::Utf8),
        ("n", DataType::Int64),
        ("v", DataType::Float64),
        ("ts", TIMESTAMP),
    ];
    world.csv_table("t", &columns).option("csv.null-literal", "NIL").add();
    world
}

/// Runs the query with a save and a restore before each of those steps.
fn run_with_restores(world: &World, sql: &str, restores: &[usize]) -> Output {
    let mut output = Output::default();
    let mut flow = world.dataflow(sql).unwrap();
    let mut steps = 0;
    loop {
        if restores.contains(&steps) {
            let fingerprints = flow.fingerprints();
            let state = through_ipc(flow.snapshot().unwrap());
            // The old one goes on after the snapshot, and what it gives is thrown away: a snapshot must not share.
            let _ = flow.step();
            flow = world.dataflow(sql).unwrap();
            assert_eq!(flow.fingerprints(), fingerprints);
            flow.restore(state).unwrap();
        }
        let step = flow.step().unwrap();
        let snapshot = flow.snapshot().unwrap();
        assert_eq!(snapshot.operators.len(), flow.fingerprints().len(), "{sql}");
        steps += 1;
        output.take(step);
        if output.finished {
            return output;
        }
    }
}

fn check(seed: u64, count: u64, cuts: &[usize], restores: &[usize]) {
    let rows = some_rows(count, seed);
    let mut files = Vec::new();
    let mut from = 0;
    for cut in cuts
        .iter()
        .map(|cut| cut % (rows.len() + 1))
        .collect::<std::collections::BTreeSet<_>>()
    {
        files.push(content(&rows[from..cut]));
        from = cut;
    }
    files.push(content(&rows[from..]));
    for (mode, is_streaming) in [(World::new(), false), (World::streaming(), true)] {
        let world = world(mode, &files);
        let all = [world.scan("t").unwrap()];
        for sql in GROUPED.iter().chain(STATELESS) {
            let mut expected = world.answer("t", &all, sql);
            if is_streaming && GROUPED.contains(sql) && !sql.contains("GROUP BY") {
                // As in Flink nothing comes of no rows.
                let rows = format!("SELECT 1{}", &sql[sql.find(" FROM ").unwrap()..]);
                if world.answer("t", &all, &rows).is_empty() {
                    expected.clear();
                }
            }
            let output = run_with_restores(&world, sql, restores);
            assert_eq!(output.table(), expected, "{sql}, streaming: {is_streaming}");
        }
    }
}

#[test]
fn micro_batches_give_what_one_batch_gives() {
    check(1, 60, &[1, 5, 20, 21, 40], &[]);
}

#[test]
fn a_restored_query_goes_on() {
    check(2, 60, &[1, 5, 20, 21, 40], &[1, 3, 4]);
    check(3, 7, &[2], &[0, 1, 2]);
}

#[test]
fn no_rows_at_all() {
    check(4, 0, &[], &[0]);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 3, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_batches_any_restores(
        seed in 0_u64..1000,
        count in 1_u64..80,
        cuts in proptest::collection::vec(0_usize..80, 0..6),
        restores in proptest::collection::vec(0_usize..7, 0..3),
    ) {
        check(seed, count, &cuts, &restores);
    }
}

#[test]
fn what_needs_all_rows_is_computed_at_once_over_bounded_tables() {
    let world = world(World::new(), &[content(&some_rows(30, 9)), content(&some_rows(30, 10))]);
    let all = [world.scan("t").unwrap()];
    for sql in [
        "SELECT k, n FROM t ORDER BY n, k LIMIT 5",
        "SELECT n, sum(n) OVER (PARTITION BY k ORDER BY ts, n) FROM t",
        "SELECT max(s) FROM (SELECT k, sum(n) AS s FROM t GROUP BY k) x",
        "SELECT a.k, count(*) FROM t a JOIN t b ON a.k = b.k GROUP BY a.k",
        "SELECT k, sum(n) FROM t GROUP BY GROUPING SETS ((k), ())",
        "SELECT count(*) FROM t WHERE n > (SELECT avg(n) FROM t)",
    ] {
        assert_eq!(
            run_with_restores(&world, sql, &[1]).sorted(),
            world.answer("t", &all, sql),
            "{sql}"
        );
    }
}

#[test]
fn values_and_series_are_sources() {
    let world = World::new();
    assert_eq!(
        run_all(&world, "VALUES (1, 'a'), (2, NULL)").unwrap().rows,
        ["+I 1|a", "+I 2|NULL"]
    );
    assert_eq!(run_all(&world, "SELECT 1 + 1").unwrap().rows, ["+I 2"]);
    let output = run_with_restores(&world, "SELECT value * 2 FROM generate_series(1, 200000)", &[1, 2]);
    assert_eq!(output.rows.len(), 200_000);
    assert_eq!(output.rows[199_999], "+I 400000");
}
