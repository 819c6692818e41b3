//! Ten million rows × 5 columns to csv (and other formats), on one core. `cargo bench --bench render [FORMAT…] [rows=N]`.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{
    ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use skep::render::{Format, Options, renderer};
use skep_engine::Batch;

const BATCH: usize = 8192;

/// Counts bytes and writes.
#[derive(Default)]
struct Counter {
    bytes: u64,
    writes: u64,
}

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes += bytes.len() as u64;
        self.writes += 1;
        std::hint::black_box(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Rows that differ, as data does: ids, words, amounts with cents and full doubles, times, small numbers.
fn batch(number: usize) -> Batch {
    let rows = number * BATCH..(number + 1) * BATCH;
    // A multiplier with no pattern in it spreads the values over the whole range.
    let spread = |row: usize| (row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "id",
            Arc::new(Int64Array::from_iter_values(rows.clone().map(|r| r as i64))),
        ),
        (
            "name",
            Arc::new(StringArray::from_iter_values(
                rows.clone().map(|r| format!("user-{}", spread(r) >> 44)),
            )),
        ),
        (
            "amount",
            Arc::new(Float64Array::from_iter_values(
                rows.clone()
                    .map(|r| (spread(r) >> 11) as f64 / (1u64 << 53) as f64 * 1000.0),
            )),
        ),
        (
            "at",
            Arc::new(TimestampMillisecondArray::from_iter_values(
                rows.clone().map(|r| 1_700_000_000_000 + (r as i64) * 37),
            )),
        ),
        (
            "count",
            Arc::new(Int32Array::from_iter_values(rows.map(|r| (spread(r) >> 48) as i32))),
        ),
    ];
    Batch::inserts(RecordBatch::try_from_iter(columns).expect("columns of one length"))
}

/// The most memory that the process has had, as Linux tells it.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.map_or_else(|| "(not known)".to_owned(), |peak| peak.trim().to_owned())
}

fn main() -> io::Result<()> {
    let mut formats = Vec::new();
    let mut total = 10_000_000;
    for argument in std::env::args().skip(1) {
        if let Some(rows) = argument.strip_prefix("rows=") {
            total = rows.parse().map_err(io::Error::other)?;
        } else if !argument.starts_with('-') {
            formats.push(argument.parse::<Format>().map_err(io::Error::other)?);
        }
    }
    if formats.is_empty() {
        formats.push(Format::Csv);
    }
    // A few batches again and again: building them is not what is measured.
    let batches: Vec<Batch> = (0..16).map(batch).collect();
    for format in formats {
        let mut out = Counter::default();
        let mut renderer = renderer(format, &Options::default());
        let start = Instant::now();
        renderer.begin(batches[0].rows.schema_ref(), false, &mut out)?;
        let mut rows = 0;
        for batch in batches.iter().cycle() {
            if rows >= total {
                break;
            }
            renderer.batch(batch, &mut out)?;
            rows += BATCH;
        }
        renderer.end(&mut out)?;
        let seconds = start.elapsed().as_secs_f64();
        writeln!(
            io::stdout(),
            "{format}: {rows} rows in {seconds:.2} s: {:.2} M rows/s, {:.0} MB/s, {:.0} KB a write, memory at most {}",
            rows as f64 / seconds / 1e6,
            out.bytes as f64 / seconds / 1e6,
            out.bytes as f64 / out.writes as f64 / 1e3,
            peak_memory(),
        )?;
    }
    Ok(())
}
