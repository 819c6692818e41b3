//! A table on its way into the plan: paced, with its watermark, its late rows apart.

use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::array::{Array, AsArray, BooleanArray, PrimitiveArray, RecordBatch};
use datafusion::arrow::buffer::BooleanBuffer;
use datafusion::arrow::compute::{cast, filter_record_batch, max, min, not};
use datafusion::arrow::datatypes::{DataType, TimeUnit, TimestampMillisecondType};
use datafusion::common::DFSchema;
use datafusion::execution::session_state::SessionState;
use datafusion::physical_expr::PhysicalExpr;
use serde_json::{Value, json};
use skep_engine::{EngineError, Result};

use super::error::{failed, rejected};
use super::pace::Pace;
use super::slot::{Scan, Slot};
use super::source::{Pull, Reader};
use super::trace::Traced;
use crate::plan;
use crate::table::Table;

/// Milliseconds as Arrow has them.
type Millis = PrimitiveArray<TimestampMillisecondType>;

/// A scan that the input feeds.
struct Feed {
    branch: usize,
    slot: Arc<Slot>,
    /// The slot's columns among the reader's.
    columns: Vec<usize>,
    /// The end of the window that a row falls into.
    window_end: Option<Arc<dyn PhysicalExpr>>,
}

/// One table that the statement reads, once for all its branches.
pub(super) struct Input {
    /// The table.
    pub(super) table: Arc<Table>,
    reader: Reader,
    feeds: Vec<Feed>,
    watermark: Option<Arc<dyn PhysicalExpr>>,
    /// The watermark after the rows so far, in milliseconds.
    pub(super) current: Option<i64>,
    pace: Pace,
    /// What may still be read of a slice, and what was read of it.
    slice: Option<(u64, u64)>,
    ended: bool,
    /// Rows read so far.
    pub(super) rows: u64,
}

/// Late rows of one scan.
pub(super) struct Late {
    /// The branch that would have read them.
    pub(super) branch: usize,
    pub(super) slot: Arc<Slot>,
    pub(super) rows: RecordBatch,
}

/// What an input did.
pub(super) enum Fed {
    /// It put rows into its slots; the late ones are apart.
    Rows {
        rows: usize,
        late: Vec<Late>,
    },
    Idle(Duration),
    End,
}

impl Input {
    /// Reads a table for those scans of it. `windows` has the window end of each reference of the statement, if rows that come
    /// after their window's end are to be dropped.
    pub(super) fn new(
        state: &SessionState,
        scans: Vec<Scan>,
        windows: &[Traced],
        per_second: Option<u64>,
    ) -> Result<Option<Self>> {
        let Some(table) = scans.first().map(|scan| scan.table.clone()) else {
            return Ok(None);
        };
        let mut wanted: Vec<usize> = scans.iter().flat_map(|scan| scan.projection.iter().copied()).collect();
        let mut watermark = None;
        if let Some(declared) = &table.watermark {
            let expression = plan::expression::bind(state, &declared.expression, &table.schema)?;
            for column in expression.column_refs() {
                wanted.push(failed(table.schema.index_of(&column.name))?);
            }
            watermark = Some(expression);
        }
        wanted.sort_unstable();
        wanted.dedup();
        let reader = Reader::new(state, &table, &wanted, true)?;
        let watermark = match watermark {
            None => None,
            Some(expression) => {
                let schema = rejected(DFSchema::try_from(reader.schema()))?;
                Some(rejected(state.create_physical_expr(expression, &schema))?)
            }
        };
        let mut feeds = Vec::new();
        for scan in scans {
            let columns = scan
                .projection
                .iter()
                .filter_map(|column| wanted.binary_search(column).ok())
                .collect();
            let window_end = match windows.iter().find(|traced| traced.reference == scan.reference) {
                Some(traced) if watermark.is_some() => {
                    let schema = DFSchema::try_from_qualified_schema(traced.name.clone(), &reader.schema());
                    let expression = state.create_physical_expr(traced.expression.clone(), &rejected(schema)?);
                    Some(rejected(expression)?)
                }
                _ => None,
            };
            feeds.push(Feed {
                branch: scan.branch,
                slot: scan.slot,
                columns,
                window_end,
            });
        }
        let pace = Pace::new(per_second);
        Ok(Some(Self {
            table,
            reader,
            feeds,
            watermark,
            current: None,
            pace,
            slice: None,
            ended: false,
            rows: 0,
        }))
    }

    /// Reads no more than that, as fast as it comes.
    pub(super) const fn cut(&mut self, rows: u64) {
        self.pace = Pace::new(None);
        self.slice = Some((rows, 0));
    }

    /// How much of its slice was read.
    pub(super) fn taken(&self) -> u64 {
        self.slice.map_or(0, |(_, taken)| taken)
    }

    /// Whether the table has a watermark.
    pub(super) const fn has_watermark(&self) -> bool {
        self.watermark.is_some()
    }

    /// Whether all rows were read.
    pub(super) const fn ended(&self) -> bool {
        self.ended
    }

    /// Reads some rows into the slots.
    pub(super) fn feed(&mut self) -> Result<Fed> {
        if self.ended {
            return Ok(Fed::End);
        }
        let allowed = match self.pace.allowance(Instant::now()) {
            Ok(rows) => rows,
            Err(wait) => return Ok(Fed::Idle(wait)),
        };
        let allowed = match self.slice {
            None => allowed,
            Some((0, _)) => {
                self.ended = true;
                return Ok(Fed::End);
            }
            Some((left, _)) => allowed.min(usize::try_from(left).unwrap_or(usize::MAX)),
        };
        let batch = match self.reader.pull(allowed)? {
            Pull::Rows(batch) => batch,
            Pull::Idle(wait) => return Ok(Fed::Idle(wait)),
            Pull::End => {
                self.ended = true;
                return Ok(Fed::End);
            }
        };
        let rows = batch.num_rows();
        self.pace.spend(rows);
        if let Some((left, taken)) = &mut self.slice {
            *left = left.saturating_sub(rows as u64);
            *taken += rows as u64;
        }
        self.rows += rows as u64;
        let late = self.distribute(&batch)?;
        Ok(Fed::Rows { rows, late })
    }

    /// Puts the rows into the slots and moves the watermark. A row is late if the watermark of the rows before it has
    /// passed its window; only the order of the rows decides, never where a micro-batch ends.
    fn distribute(&mut self, batch: &RecordBatch) -> Result<Vec<Late>> {
        let Some(watermark) = &self.watermark else {
            for feed in &self.feeds {
                feed.slot.push(failed(batch.project(&feed.columns))?);
            }
            return Ok(Vec::new());
        };
        let watermarks = millis(watermark, batch)?;
        let before = self.current;
        let mut late = Vec::new();
        for feed in &self.feeds {
            let rows = failed(batch.project(&feed.columns))?;
            let Some(window_end) = &feed.window_end else {
                feed.slot.push(rows);
                continue;
            };
            let Some(is_late) = lateness(&millis(window_end, batch)?, &watermarks, before) else {
                feed.slot.push(rows);
                continue;
            };
            late.push(Late {
                branch: feed.branch,
                slot: feed.slot.clone(),
                rows: failed(filter_record_batch(&rows, &is_late))?,
            });
            feed.slot
                .push(failed(filter_record_batch(&rows, &failed(not(&is_late))?))?);
        }
        self.current = max(&watermarks).max(before);
        Ok(late)
    }

    /// Its offset and watermark.
    pub(super) fn snapshot(&mut self) -> Result<(Vec<RecordBatch>, Value)> {
        let (tables, source) = self.reader.snapshot()?;
        Ok((
            tables,
            json!({ "source": source, "watermark": self.current, "rows": self.rows }),
        ))
    }

    /// Goes to an offset.
    pub(super) fn restore(&mut self, tables: Vec<RecordBatch>, meta: &Value) -> Result<()> {
        let missing = || {
            EngineError::refused(format!(
                "the saved state of table {} is not complete",
                self.table.path.name
            ))
        };
        self.reader.restore(tables, meta.get("source").ok_or_else(missing)?)?;
        self.current = meta.get("watermark").and_then(Value::as_i64);
        self.rows = meta.get("rows").and_then(Value::as_u64).ok_or_else(missing)?;
        Ok(())
    }
}

/// Evaluates an expression that is a time.
fn millis(expression: &Arc<dyn PhysicalExpr>, batch: &RecordBatch) -> Result<Millis> {
    let array = failed(
        expression
            .evaluate(batch)
            .and_then(|value| value.into_array(batch.num_rows())),
    )?;
    if !matches!(array.data_type(), DataType::Timestamp(..)) {
        return Err(EngineError::failed(format!(
            "a watermark must be a timestamp, but is {}",
            array.data_type()
        )));
    }
    let array = failed(cast(&array, &DataType::Timestamp(TimeUnit::Millisecond, None)))?;
    Ok(array.as_primitive::<TimestampMillisecondType>().clone())
}

/// Which rows come after the end of their window; `None` if no row does.
fn lateness(window_ends: &Millis, watermarks: &Millis, before: Option<i64>) -> Option<BooleanArray> {
    let highest = max(watermarks).max(before)?;
    if !min(window_ends).is_some_and(|earliest| passed(earliest, highest)) {
        return None;
    }
    let mut current = before.unwrap_or(i64::MIN);
    let (ends, marks) = (window_ends.values(), watermarks.values());
    let nulls = window_ends.null_count() + watermarks.null_count() > 0;
    // A micro-batch may have many thousand rows, and most have no NULL: this is a loop over two slices.
    let late = BooleanBuffer::collect_bool(ends.len(), |row| {
        let late = passed(ends[row], current) && !(nulls && window_ends.is_null(row));
        if !(nulls && watermarks.is_null(row)) {
            current = current.max(marks[row]);
        }
        late
    });
    (late.count_set_bits() > 0).then(|| BooleanArray::new(late, None))
}

/// Whether a watermark closes a window: it is at the window's last millisecond.
pub(super) const fn passed(window_end: i64, watermark: i64) -> bool {
    window_end.saturating_sub(1) <= watermark
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Row after row, as the rule is told.
    fn told(ends: &[Option<i64>], marks: &[Option<i64>], before: Option<i64>) -> Vec<bool> {
        let mut current = before;
        let rows = ends.iter().zip(marks).map(|(end, mark)| {
            let late = end.zip(current).is_some_and(|(end, current)| passed(end, current));
            current = current.max(*mark);
            late
        });
        rows.collect()
    }

    proptest! {
        #[test]
        fn a_row_is_late_by_the_rows_before_it(
            rows in prop::collection::vec((prop::option::weighted(0.9, 0_i64..50), prop::option::weighted(0.9, 0_i64..50)), 0..40),
            before in prop::option::of(0_i64..50),
        ) {
            let (ends, marks): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
            let expected = told(&ends, &marks, before);
            let late = lateness(&Millis::from(ends), &Millis::from(marks), before);
            let late = late.map_or_else(|| vec![false; expected.len()], |late| late.values().iter().collect());
            prop_assert_eq!(late, expected);
        }
    }
}
