//! How fast the splitter is: `cargo bench -p skep --no-default-features --bench splitter`.
//!
//! Splits a script of 64 MB with strings, comments, quoted names and statement sets, fed whole and in chunks of 64 KiB,
//! and one statement of 64 MB.
#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::time::Instant;

use skep::syntax::Splitter;
use skep_engine::Dialect;

const SIZE: usize = 64 << 20;
const ROUNDS: usize = 5;

const SCRIPT: &str = "\
-- flights of a day; by carrier
CREATE TABLE flights (carrier STRING, dep_delay INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH ('connector' = 'filesystem', 'path' = 'incoming', 'format' = 'csv', 'source.monitor-interval' = '1 s');
SET 'table.exec.state.ttl' = '1 h'; /* it's kept; for an hour */ USE `my db`;
INSERT INTO delays SELECT carrier, window_end, avg(dep_delay) AS \"avg;delay\", CASE WHEN x THEN 'a;b' ELSE 'it''s' END
  FROM TABLE(TUMBLE(TABLE flights /*+ OPTIONS('scan.mode'='latest') */, DESCRIPTOR(ts), INTERVAL '1' HOUR))
  GROUP BY carrier, window_end HAVING count(*) > 12.5 -- not the rare ones
  ORDER BY carrier DESC, window_end; &
EXECUTE STATEMENT SET BEGIN
  INSERT INTO a SELECT id, name FROM source WHERE id % 2 = 0;
  INSERT INTO b SELECT id, name FROM source WHERE id % 2 = 1;
END;
!jobs -a
";

fn split(text: &str, chunk: usize) -> usize {
    let mut splitter = Splitter::new(Dialect::FLINK);
    let mut pieces = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let (head, tail) = rest.split_at(rest.floor_char_boundary(chunk.min(rest.len())));
        splitter.feed(head);
        rest = tail;
        while let Some(piece) = splitter.next_piece() {
            black_box(&piece);
            pieces += 1;
        }
    }
    splitter.finish();
    while let Some(piece) = splitter.next_piece() {
        black_box(&piece);
        pieces += 1;
    }
    pieces
}

fn measure(what: &str, text: &str, chunk: usize) {
    let mut best = f64::INFINITY;
    let mut pieces = 0;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        pieces = split(black_box(text), chunk);
        best = best.min(start.elapsed().as_secs_f64());
    }
    let speed = text.len() as f64 / 1e6 / best;
    println!("{what:<32} {speed:>7.0} MB/s  {pieces:>9} pieces");
}

fn main() {
    let script = SCRIPT.repeat(SIZE / SCRIPT.len());
    measure("a script, whole", &script, usize::MAX);
    measure("a script, chunks of 64 KiB", &script, 64 << 10);
    let rows = "(1, 'a', 2.5), (2, 'b;c', NULL), ";
    let statement = format!("INSERT INTO t VALUES {}(3, '', 0);\n", rows.repeat(SIZE / rows.len()));
    measure("one statement, whole", &statement, usize::MAX);
    measure("one statement, chunks of 64 KiB", &statement, 64 << 10);
    measure("one statement, chunks of 512 B", &statement, 512);
}
