//! An aggregation by windows: each window has its groups, and gives their results once, when the watermark has passed it.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::{DataType, TimeUnit, TimestampMillisecondType};
use skep_engine::{EngineError, Result};

use super::aggregate::Aggregation;
use super::error::failed;
use super::input::passed;
use super::pane::Pane;

/// Runs of so many rows of one window, on average, are not copied together.
const LONG_RUN: usize = 256;

/// The open windows by their ends, in milliseconds.
pub(super) struct Windows {
    panes: BTreeMap<i64, Pane>,
    /// Which of the keys is the window's end.
    key: usize,
    /// The keys that are the same in all rows of a window: its end, and what follows from it.
    same: Vec<usize>,
}

impl Windows {
    /// No window yet. The key at `key` is a window's end; those at `following` are the same wherever it is.
    pub(super) fn new(key: usize, following: impl IntoIterator<Item = usize>) -> Self {
        Self {
            panes: BTreeMap::new(),
            key,
            same: following.into_iter().chain([key]).collect(),
        }
    }

    /// Takes rows in.
    pub(super) fn update(&mut self, aggregation: &Aggregation, batch: &RecordBatch) -> Result<()> {
        let input = aggregation.evaluate(batch)?;
        let ends = self.ends(&input.keys)?;
        let runs = runs(&ends);
        if runs.len() <= 1 + ends.len() / LONG_RUN {
            for (end, rows) in runs {
                self.pane(aggregation, end)?.update(&input.slice(rows))?;
            }
            return Ok(());
        }
        for (end, rows) in partition(&ends) {
            let part = input.take(&rows.into())?;
            self.pane(aggregation, end)?.update(&part)?;
        }
        Ok(())
    }

    fn pane(&mut self, aggregation: &Aggregation, end: i64) -> Result<&mut Pane> {
        use std::collections::btree_map::Entry;
        Ok(match self.panes.entry(end) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Pane::new(aggregation, &self.same)?),
        })
    }

    /// The end of each row's window.
    fn ends(&self, keys: &[ArrayRef]) -> Result<Vec<i64>> {
        let ends = failed(cast(&keys[self.key], &DataType::Timestamp(TimeUnit::Millisecond, None)))?;
        if ends.null_count() > 0 {
            return Err(
                EngineError::failed("a row's event time is NULL, so that it falls into no window")
                    .hint("leave such rows out with WHERE … IS NOT NULL"),
            );
        }
        Ok(ends.as_primitive::<TimestampMillisecondType>().values().to_vec())
    }

    /// Closes the windows that the watermark has passed and gives their results, the earliest first.
    pub(super) fn close(&mut self, aggregation: &Aggregation, watermark: i64) -> Result<Vec<RecordBatch>> {
        let mut results = Vec::new();
        while let Some(entry) = self.panes.first_entry() {
            if !passed(*entry.key(), watermark) {
                break;
            }
            results.push(entry.remove().finish(aggregation)?);
        }
        Ok(results)
    }

    /// The state: a table for each open window.
    pub(super) fn snapshot(&mut self, aggregation: &Aggregation) -> Result<Vec<RecordBatch>> {
        self.panes.values_mut().map(|pane| pane.snapshot(aggregation)).collect()
    }

    /// Takes over a saved state.
    pub(super) fn restore(&mut self, aggregation: &Aggregation, tables: &[RecordBatch]) -> Result<()> {
        for table in tables.iter().filter(|table| table.num_rows() > 0) {
            aggregation.accepts(table)?;
            let ends = self.ends(&table.columns()[..aggregation.keys()])?;
            for (end, rows) in partition(&ends) {
                let rows = UInt32Array::from(rows);
                let part = table
                    .columns()
                    .iter()
                    .map(|column| take(column, &rows, None))
                    .collect::<Result<Vec<_>, _>>();
                self.pane(aggregation, end)?
                    .merge(aggregation, &failed(part)?, rows.len())?;
            }
        }
        Ok(())
    }
}

/// The rows as they stand, cut wherever the window changes.
fn runs(ends: &[i64]) -> Vec<(i64, Range<usize>)> {
    let mut at = 0;
    let run = |same: &[i64]| {
        let from = at;
        at += same.len();
        (same[0], from..at)
    };
    ends.chunk_by(|a, b| a == b).map(run).collect()
}

/// The rows of each window. Neighbours mostly fall into the same few.
fn partition(ends: &[i64]) -> Vec<(i64, Vec<u32>)> {
    let mut parts: Vec<(i64, Vec<u32>)> = Vec::new();
    let mut by_end: HashMap<i64, usize> = HashMap::new();
    let mut last: Option<(i64, usize)> = None;
    for (row, end) in (0_u32..).zip(ends) {
        let part = match last {
            Some((of, part)) if of == *end => part,
            _ => *by_end.entry(*end).or_insert_with(|| {
                parts.push((*end, Vec::new()));
                parts.len() - 1
            }),
        };
        parts[part].1.push(row);
        last = Some((*end, part));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_cut_where_the_window_changes() {
        assert_eq!(runs(&[7, 7, 9, 7, 7, 7]), [(7, 0..2), (9, 2..3), (7, 3..6)]);
        assert_eq!(runs(&[7]), [(7, 0..1)]);
        assert_eq!(runs(&[]), []);
    }
}
