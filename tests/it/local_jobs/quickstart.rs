//! The main job: real flights, a streaming query, a savepoint strictly within, and another process that goes on.

use std::fs;
use std::path::Path;

use super::{local, object, visible};
use crate::world::World;

const COLUMNS: &str =
    "ts TIMESTAMP(3), carrier STRING, flight INT, origin STRING, dest STRING, dep_delay INT, distance INT";

fn preamble() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/flights");
    format!(
        "SET 'execution.runtime-mode' = 'streaming';
         SET 'execution.checkpointing.interval' = '50 ms';
         CREATE TABLE flights ({COLUMNS}, WATERMARK FOR ts AS ts - INTERVAL '5' MINUTE) WITH (
           'connector' = 'filesystem', 'path' = '{}', 'format' = 'csv', 'csv.allow-comments' = 'true');
         CREATE TABLE delays (window_start TIMESTAMP(3), carrier STRING, flights BIGINT, cancelled BIGINT, worst INT)
         WITH ('connector' = 'filesystem', 'path' = 'delays', 'format' = 'csv');\n",
        path.display()
    )
}

const JOB: &str = "INSERT INTO delays
    SELECT window_start, carrier, count(*), count(*) FILTER (WHERE dep_delay IS NULL), max(dep_delay)
    FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(ts), INTERVAL '1' HOUR))
    GROUP BY window_start, window_end, carrier";

/// The same as one query over files.
const BATCH: &str = "SELECT date_bin(INTERVAL '1' HOUR, ts) AS h, carrier, count(*), \
                     count(*) FILTER (WHERE dep_delay IS NULL), max(dep_delay) \
                     FROM flights GROUP BY date_bin(INTERVAL '1' HOUR, ts), carrier";

/// The records in the example's files.
fn records() -> u64 {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/flights");
    let lines = visible(&dir).into_iter().flat_map(|path| {
        let text = fs::read_to_string(path).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    });
    lines.filter(|line| !line.starts_with('#') && !line.is_empty()).count() as u64
}

#[test]
fn a_job_is_stopped_in_one_process_and_goes_on_in_another() {
    let world = World::new();
    let script = format!(
        "{}{JOB} &;\n!wait %1 --until first-checkpoint\n!stop %1\n!job %1 --json\n",
        preamble()
    );
    // So slowly that it can't come to the end before it is stopped: that would take three minutes.
    let program = local(&world).with("-D local.source.rows-per-second=20");
    let output = program.stdin(script).run().expect_code(0);
    let first = object(&output.stdout);
    assert_eq!(
        (
            first["state"].as_str(),
            first["ended_by"].as_str(),
            first["known"].as_str()
        ),
        (Some("FINISHED"), Some("stopped"), Some("ended")),
        "{output}"
    );
    let path = output.stdout.lines().next().unwrap();
    assert_eq!(first["savepoint"], path);

    let script = format!(
        "!restore delays\n!job delays --json\nRESET;\n\
         !set format csv\n!set header off\n\
         SELECT sum(flights) FROM delays;\n\
         SELECT * FROM delays EXCEPT {BATCH};\n\
         {BATCH} EXCEPT SELECT * FROM delays;\n\
         SELECT count(*) FROM delays;\nSELECT count(*) FROM ({BATCH}) AS b;\n"
    );
    let output = local(&world).stdin(script).run().expect_code(0);
    let second = object(&output.stdout);
    assert_eq!(second["restored_from"], path);
    assert_eq!(second["ended_by"], "completed");

    // Each record was read once, by the one or by the other, and neither read all.
    let (one, two) = (first["rows_in"].as_u64().unwrap(), second["rows_in"].as_u64().unwrap());
    assert!(one > 0 && two > 0, "{one} and {two}");
    assert_eq!(one + two, records());
    assert_eq!((&first["late_rows"], &second["late_rows"]), (&0.into(), &0.into()));

    let results: Vec<_> = output.stdout.lines().filter(|line| !line.starts_with('{')).collect();
    let [sum, windows, batch] = results[..] else {
        panic!("the windows are those of one query over the files: {output}")
    };
    assert_eq!(sum, records().to_string());
    assert_eq!(windows, batch);
}

#[test]
fn the_same_query_in_batch_mode_gives_the_same_rows() {
    let world = World::new();
    let output = local(&world)
        .with("-o csv --showHeader=false")
        .stdin(format!(
            "{}SET 'execution.runtime-mode' = 'batch';\n{JOB};\n\
             SELECT sum(flights) FROM delays;\nSELECT * FROM delays EXCEPT {BATCH};\n",
            preamble()
        ))
        .run();
    output.expect(0, &format!("{}\n", records()));
}
