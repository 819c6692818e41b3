//! Several queries as one dataflow: each gives what it gives alone, and what they share is read once.

use datafusion::arrow::datatypes::DataType;
use skep_engine::ErrorKind;
use skep_local::dataflow::Progress;

use crate::world::{Output, TIMESTAMP, World, rows, run, through_ipc};

const WINDOWED: &str = "SELECT window_end, count(*) FROM (SELECT *, date_bin(INTERVAL '10' SECOND, ts) + INTERVAL '10' \
                        SECOND AS window_end FROM t) w GROUP BY window_end";

/// Files of `t` (k STRING, n BIGINT, ts TIMESTAMP), whose third file comes late, and of `u` (n BIGINT), without times.
fn world(mut world: World) -> World {
    for (index, file) in [
        "a,1,2024-05-01 00:00:01\nb,2,2024-05-01 00:00:02\n",
        "a,3,2024-05-01 00:00:25\n",
        "b,4,2024-05-01 00:00:03\na,5,2024-05-01 00:00:26\n",
        "c,6,2024-05-01 00:00:47\n",
    ]
    .iter()
    .enumerate()
    {
        world.write(&format!("t/{index}"), file);
    }
    let columns = [("k", DataType::Utf8), ("n", DataType::Int64), ("ts", TIMESTAMP)];
    world.csv_table("t", &columns).watermark("ts", "ts").add();
    world.write("u/0", "7\n8\n");
    world.csv_table("u", &[("n", DataType::Int64)]).add();
    world
}

/// What each outlet gives: all rows in their order.
#[derive(Debug, Default, PartialEq)]
struct Outputs {
    rows: Vec<Vec<String>>,
    read: u64,
    late: u64,
}

/// Runs to the end; between any two steps the state may go through a file into a dataflow of its own.
fn run_set(world: &World, queries: &[&str], is_restored: bool) -> Outputs {
    let mut flow = world.together(queries).unwrap();
    let mut all = Outputs {
        rows: vec![Vec::new(); queries.len()],
        ..Outputs::default()
    };
    loop {
        let step = flow.step().unwrap();
        for (outlet, batches) in step.output.iter().enumerate() {
            all.rows[outlet].extend(batches.iter().flat_map(rows));
        }
        all.read += step.rows_in;
        all.late += step.late_rows;
        if step.progress == Progress::Finished {
            return all;
        }
        if is_restored {
            let state = through_ipc(flow.snapshot().unwrap());
            flow = world.together(queries).unwrap();
            flow.restore(state).unwrap();
        }
    }
}

const QUERIES: [&str; 5] = [
    "SELECT k, n FROM t",
    "SELECT k, sum(n) FROM t GROUP BY k",
    WINDOWED,
    "SELECT n FROM u UNION ALL SELECT n FROM t WHERE k <> 'a'",
    "SELECT column1 FROM (VALUES (1), (2))",
];

#[test]
fn each_query_gives_what_it_gives_alone_and_shared_tables_are_read_once() {
    for world in [world(World::streaming()), world(World::new())] {
        let together = run_set(&world, &QUERIES, false);
        let mut late = 0;
        for (query, rows) in QUERIES.iter().zip(&together.rows) {
            let mut alone = Output::default();
            run(world.dataflow(query).unwrap().as_mut(), &mut alone).unwrap();
            late += alone.late;
            let (mut rows, mut expected) = (rows.clone(), alone.rows);
            rows.sort();
            expected.sort();
            assert_eq!(rows, expected, "{query}");
        }
        // Six rows of `t` and two of `u`, whoever reads them, and the two constants.
        assert_eq!((together.read, together.late), (10, late));
        assert_eq!(run_set(&world, &QUERIES, true), together);
    }
    assert_eq!(
        run_set(&world(World::streaming()), &[WINDOWED, WINDOWED], false).late,
        2
    );
}

#[test]
fn readers_of_one_table_see_the_same_rows_in_the_same_steps() {
    let world = world(World::streaming());
    let mut flow = world
        .together(&["SELECT n FROM t", "SELECT n FROM t WHERE n > 0", "SELECT n FROM u"])
        .unwrap();
    let mut steps = 0;
    loop {
        let step = flow.step().unwrap();
        if step.progress == Progress::Finished {
            break;
        }
        let lines = |outlet: usize| step.output[outlet].iter().flat_map(rows).collect::<Vec<_>>();
        assert_eq!(lines(0), lines(1));
        steps += 1;
    }
    assert!(steps > 1, "{steps}");
    // One source each, whoever reads it.
    let sources = flow
        .fingerprints()
        .into_iter()
        .filter(|f| f.operator.starts_with("source"));
    assert_eq!(sources.count(), 2);
}

/// The windows of one query don't wait for a table that only another one reads.
#[test]
fn a_window_waits_for_its_own_tables_alone() {
    let mut world = world(World::new());
    world
        .csv_table("endless", &[("n", DataType::Int64)])
        .option("source.monitor-interval", "1 h")
        .add();
    let mut flow = world.together(&[WINDOWED, "SELECT n FROM endless"]).unwrap();
    assert!(!flow.is_bounded());
    let mut windows = Vec::new();
    loop {
        let step = flow.step().unwrap();
        windows.extend(step.output.iter().take(1).flatten().flat_map(rows));
        // `t` has ended: all of its windows are given, though the job goes on.
        if step.progress != Progress::More {
            assert!(matches!(step.progress, Progress::Idle(_)));
            break;
        }
    }
    windows.sort();
    let (first, last) = ("+I 2024-05-01T00:00:10|2", "+I 2024-05-01T00:00:50|1");
    assert_eq!(
        (windows.len(), windows[0].as_str(), windows[2].as_str()),
        (3, first, last)
    );
    assert!(flow.drain().unwrap().iter().all(Vec::is_empty));
}

#[test]
fn a_table_that_one_query_needs_whole_is_read_once_too_or_refused() {
    const SORTED: &str = "SELECT n FROM t ORDER BY n DESC";
    let batch = world(World::new());
    let queries = ["SELECT k, sum(n) FROM t GROUP BY k", SORTED, "SELECT max(n) FROM t"];
    let mut flow = batch.together(&queries).unwrap();
    let mut rows_of = vec![Vec::new(); 3];
    let first = flow.step().unwrap();
    // Whatever comes into the directory now, each of them has read the same.
    batch.write("t/9", "z,1000,2024-05-01 00:00:59\n");
    let mut step = first;
    loop {
        for (outlet, batches) in step.output.iter().enumerate() {
            rows_of[outlet].extend(batches.iter().flat_map(rows));
        }
        if step.progress == Progress::Finished {
            break;
        }
        step = flow.step().unwrap();
    }
    rows_of[0].sort();
    assert_eq!(rows_of[0], ["+I a|9", "+I b|6", "+I c|6"]);
    assert_eq!(rows_of[1], ["+I 6", "+I 5", "+I 4", "+I 3", "+I 2", "+I 1"]);
    assert_eq!(rows_of[2], ["+I 6"]);

    let error = world(World::streaming())
        .together(&["SELECT n FROM t", SORTED])
        .err()
        .unwrap();
    assert_eq!(error.kind, ErrorKind::Refused);
    assert!(error.message.contains("needs all of table t at once"), "{error}");
    assert_eq!(error.position.unwrap().line, 2);
}

#[test]
fn what_a_query_of_a_set_may_not_contain_is_said_where_it_stands() {
    let mut world = World::new();
    world
        .csv_table("endless", &[("n", DataType::Int64)])
        .option("source.monitor-interval", "1 h")
        .add();
    let queries = ["SELECT n FROM endless", "SELECT n FROM endless ORDER BY n"];
    let error = world.together(&queries).err().unwrap();
    assert!(error.message.contains("ORDER BY"), "{error}");
    assert_eq!(error.position.unwrap().line, 2);
}
