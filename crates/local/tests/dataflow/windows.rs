//! Windows, watermarks and late rows.

use std::time::Duration;

use datafusion::arrow::datatypes::DataType;
use skep_local::dataflow::Progress;

use crate::world::{Output, TIMESTAMP, World, run, through_ipc};

/// What `TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND))` is rewritten to.
const TUMBLE: &str = "SELECT window_start, window_end, k, count(*), sum(n) FROM (SELECT *, date_bin(INTERVAL '10' SECOND, ts) AS window_start, \
     date_bin(INTERVAL '10' SECOND, ts) + INTERVAL '10' SECOND AS window_end FROM t) w WHERE n >= 0 GROUP BY window_start, window_end, k";

const COLUMNS: [(&str, DataType); 3] = [("k", DataType::Utf8), ("n", DataType::Int64), ("ts", TIMESTAMP)];

fn line(k: &str, n: i64, second: i64) -> String {
    format!("{k},{n},2024-05-01 00:{:02}:{:02}.000\n", second / 60, second % 60)
}

fn world(files: &[String], watched: bool) -> World {
    let mut world = World::streaming();
    for (index, file) in files.iter().enumerate() {
        world.write(&format!("t/{index:03}"), file);
    }
    let mut table = world
        .csv_table("t", &COLUMNS)
        .watermark("ts", "ts - INTERVAL '3' SECOND");
    if watched {
        table = table.option("source.monitor-interval", "1 ms");
    }
    table.add();
    world
}

#[test]
fn a_window_closes_when_the_watermark_has_passed_it() {
    let world = world(&[line("a", 1, 1) + &line("a", 2, 9) + &line("b", 4, 12)], true);
    let mut flow = world.dataflow(TUMBLE).unwrap();
    assert!(!flow.outlets()[0].updating && !flow.is_bounded());
    let mut output = Output::default();
    run(flow.as_mut(), &mut output).unwrap();
    assert_eq!(output.rows, [""; 0], "the watermark is at 9 s");
    assert_eq!(flow.watermark().unwrap().to_string(), "2024-05-01T00:00:09Z");

    // 9.999 is the window's last millisecond.
    world.write("t/1", "b,8,2024-05-01 00:00:12.999\n");
    await_rows(flow.as_mut(), &mut output, 4);
    assert_eq!(output.rows, ["+I 2024-05-01T00:00:00|2024-05-01T00:00:10|a|2|3"]);

    world.write("t/2", line("a", 16, 9) + &line("a", 32, 11) + &line("a", -1, 9));
    await_rows(flow.as_mut(), &mut output, 7);
    assert_eq!(
        output.late, 1,
        "the row that the WHERE leaves out would not have come to the window"
    );
    let drained: Vec<String> = flow
        .drain()
        .unwrap()
        .iter()
        .flatten()
        .flat_map(crate::world::rows)
        .collect();
    assert_eq!(
        drained,
        [
            "+I 2024-05-01T00:00:10|2024-05-01T00:00:20|b|2|12",
            "+I 2024-05-01T00:00:10|2024-05-01T00:00:20|a|1|32"
        ]
    );
}

/// Steps until that many rows have been read; the source looks again every millisecond.
fn await_rows(flow: &mut dyn skep_local::dataflow::Dataflow, output: &mut Output, rows: u64) {
    while output.rows_in < rows {
        let step = flow.step().unwrap();
        if let Progress::Idle(wait) = step.progress {
            assert!(wait <= Duration::from_millis(1));
        }
        output.take(step);
    }
}

#[test]
fn the_end_of_the_input_closes_all_windows() {
    let world = world(&[line("a", 1, 1) + &line("b", 2, 35)], false);
    let output = crate::world::run_all(&world, TUMBLE).unwrap();
    assert_eq!(
        output.rows,
        [
            "+I 2024-05-01T00:00:00|2024-05-01T00:00:10|a|1|1",
            "+I 2024-05-01T00:00:30|2024-05-01T00:00:40|b|1|2"
        ]
    );
    assert!(output.finished);
}

#[test]
fn no_row_is_late_in_a_batch() {
    let mut world = world(&[line("a", 1, 1) + &line("b", 2, 35) + &line("a", 4, 2)], false);
    assert_eq!(crate::world::run_all(&world, TUMBLE).unwrap().late, 1);
    world.set("execution.runtime-mode", "automatic");
    let output = crate::world::run_all(&world, TUMBLE).unwrap();
    assert_eq!((output.late, output.rows.len()), (0, 2));
}

#[test]
fn a_null_time_fails_with_its_reason() {
    let world = world(&["a,1,\n".into()], false);
    let error = crate::world::run_all(&world, TUMBLE).map(|_| ()).unwrap_err();
    assert!(error.message.contains("event time is NULL"), "{error}");
}

#[test]
fn a_window_needs_a_watermark() {
    let mut world = World::new();
    world
        .csv_table("t", &COLUMNS)
        .option("source.monitor-interval", "1 s")
        .add();
    let error = world.dataflow(TUMBLE).map(|_| ()).unwrap_err();
    assert!(error.message.contains("has no watermark"), "{error}");
}

/// Keys that follow from the window are not hashed, wherever they stand among the others.
#[test]
fn the_windows_own_keys_stand_where_the_query_has_them() {
    let world = world(&[line("a", 1, 1) + &line("b", 2, 2) + &line("a", 4, 13)], false);
    let inner = "(SELECT *, date_bin(INTERVAL '10' SECOND, ts) AS window_start, date_bin(INTERVAL '10' SECOND, ts) + \
                 INTERVAL '10' SECOND AS window_end FROM t) w";
    for (keys, expected) in [
        (
            "window_end, k, window_start",
            [
                "2024-05-01T00:00:10|a|2024-05-01T00:00:00|1",
                "2024-05-01T00:00:10|b|2024-05-01T00:00:00|2",
                "2024-05-01T00:00:20|a|2024-05-01T00:00:10|4",
            ]
            .as_slice(),
        ),
        (
            "k, n, window_end",
            &[
                "a|1|2024-05-01T00:00:10|1",
                "a|4|2024-05-01T00:00:20|4",
                "b|2|2024-05-01T00:00:10|2",
            ],
        ),
        (
            "window_start, window_end",
            &[
                "2024-05-01T00:00:00|2024-05-01T00:00:10|3",
                "2024-05-01T00:00:10|2024-05-01T00:00:20|4",
            ],
        ),
        ("window_end", &["2024-05-01T00:00:10|3", "2024-05-01T00:00:20|4"]),
    ] {
        let query = format!("SELECT {keys}, sum(n) FROM {inner} GROUP BY {keys}");
        for restored in [&[][..], &[0, 1]] {
            let output = run_restored_of(&world, &query, restored);
            assert_eq!(output.sorted(), expected, "{keys}");
        }
    }
}

/// Two windows may end at the same time and start at different ones.
#[test]
fn windows_of_two_lengths_that_end_together_are_two() {
    let world = world(&[line("a", 1, 1) + &line("a", 2, 11)], false);
    let windows = |seconds: u32| {
        format!(
            "SELECT *, date_bin(INTERVAL '{seconds}' SECOND, ts) AS window_start, date_bin(INTERVAL '{seconds}' SECOND, ts) \
             + INTERVAL '{seconds}' SECOND AS window_end FROM t"
        )
    };
    let query = format!(
        "SELECT window_start, window_end, sum(n) FROM ({} UNION ALL {}) w GROUP BY window_start, window_end",
        windows(10),
        windows(20)
    );
    for restored in [&[][..], &[0, 1]] {
        assert_eq!(
            run_restored_of(&world, &query, restored).sorted(),
            [
                "2024-05-01T00:00:00|2024-05-01T00:00:10|1",
                "2024-05-01T00:00:00|2024-05-01T00:00:20|3",
                "2024-05-01T00:00:10|2024-05-01T00:00:20|2",
            ]
        );
    }
}

#[test]
fn two_streams_wait_for_each_other() {
    let mut world = world(&[line("a", 1, 1) + &line("a", 2, 40)], true);
    world.write("u/0", line("b", 4, 2));
    let table = world.csv_table("u", &COLUMNS).option("source.monitor-interval", "1 ms");
    table.watermark("ts", "ts - INTERVAL '3' SECOND").add();
    let both = TUMBLE.replace("FROM t)", "FROM (SELECT * FROM t UNION ALL SELECT * FROM u) b)");
    let mut flow = world.dataflow(&both).unwrap();
    let mut output = Output::default();
    run(flow.as_mut(), &mut output).unwrap();
    assert_eq!(output.rows, [""; 0], "the second stream stands before the window's end");
    world.write("u/1", line("c", 8, 13));
    await_rows(flow.as_mut(), &mut output, 4);
    assert_eq!(output.sorted().len(), 2, "{:?}", output.rows);
}

/// Rows with times that go forward and back by up to 8 s, in files.
fn disordered(count: u64, seed: u64, cuts: &[usize]) -> Vec<String> {
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move |limit: u64| {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        (x % limit) as i64
    };
    let mut files = vec![String::new()];
    for row in 0..count {
        if cuts.contains(&(row as usize)) {
            files.push(String::new());
        }
        let second = (row as i64 * 2 - next(9)).max(0);
        files
            .last_mut()
            .unwrap()
            .push_str(&line(["a", "b", "c"][next(3) as usize], next(10), second));
    }
    files
}

fn run_restored(world: &World, restores: &[usize]) -> Output {
    run_restored_of(world, TUMBLE, restores)
}

/// Runs to the end, saving and restoring before those steps.
fn run_restored_of(world: &World, query: &str, restores: &[usize]) -> Output {
    let mut flow = world.dataflow(query).unwrap();
    let mut output = Output::default();
    for step in 0.. {
        if restores.contains(&step) {
            let state = through_ipc(flow.snapshot().unwrap());
            let _ = flow.step();
            flow = world.dataflow(query).unwrap();
            flow.restore(state).unwrap();
        }
        output.take(flow.step().unwrap());
        flow.snapshot().unwrap();
        if output.finished {
            break;
        }
    }
    output
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() })]

    /// Which rows are late and what each window gives depends on the rows' order alone.
    #[test]
    fn batches_and_restores_change_nothing(
        seed in 0_u64..1000,
        count in 1_u64..100,
        cuts in proptest::collection::vec(1_usize..100, 0..6),
        restores in proptest::collection::vec(0_usize..7, 0..4),
    ) {
        let whole = world(&disordered(count, seed, &[]), false);
        let expected = run_restored(&whole, &[]);
        let parts = world(&disordered(count, seed, &cuts), false);
        let output = run_restored(&parts, &restores);
        assert_eq!(output.late, expected.late);
        assert_eq!(output.sorted(), expected.sorted());
        assert_eq!(output.rows_in, count);
    }
}
