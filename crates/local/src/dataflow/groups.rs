//! An aggregation whose results change with every row: the state is a table with a row for each group.
//!
//! A micro-batch gathers the state of the groups that it touches, brings it up to date, appends the new rows as a chunk,
//! and gives old and new results. The chunks are never changed, so that a snapshot shares them; what is stale in them is
//! dropped when it is more than half.

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use datafusion::arrow::compute::{interleave, take};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::logical_expr::EmitTo;
use skep_engine::{EngineError, Result};

use super::aggregate::{Aggregation, Keys};
use super::error::failed;

/// Rows kept before the first compaction.
const COMPACT_FROM: usize = 8192;
/// Gathering costs something for each chunk.
const MOST_CHUNKS: usize = 1024;

/// The state of all groups.
pub(super) struct Groups {
    keys: Keys,
    /// Keys and state; of each group only the row that [`Self::at`] says is current.
    chunks: Vec<Vec<ArrayRef>>,
    /// Chunk and row of each group.
    at: Vec<(usize, usize)>,
    stored: usize,
    /// Scratch: each group's number in the micro-batch, or [`usize::MAX`].
    local: Vec<usize>,
    ids: Vec<usize>,
    /// Whether any result has been given.
    touched: bool,
}

/// What a micro-batch changed: the groups that it touched, and their results before and after.
pub(super) struct Changes {
    /// Results before, for the touched groups that were there; keys first.
    pub(super) old: RecordBatch,
    /// Results after, a row for each touched group; those that were there come first, in the same order.
    pub(super) new: RecordBatch,
}

impl Groups {
    /// No groups yet.
    pub(super) fn new(aggregation: &Aggregation) -> Result<Self> {
        Ok(Self {
            keys: Keys::new(aggregation, &[])?,
            chunks: Vec::new(),
            at: Vec::new(),
            stored: 0,
            local: Vec::new(),
            ids: Vec::new(),
            touched: false,
        })
    }

    /// Takes rows in.
    pub(super) fn update(&mut self, aggregation: &Aggregation, batch: &RecordBatch) -> Result<Changes> {
        let input = aggregation.evaluate(batch)?;
        let known = self.at.len();
        let mut ids = std::mem::take(&mut self.ids);
        self.keys.intern(&input.keys, input.rows, &mut ids)?;
        self.local.resize(self.keys.len(), usize::MAX);
        // Known groups are numbered before new ones: the accumulators take it that the groups that a batch adds are all in
        // the batch, so that the saved states must be merged before there is any new group.
        let (mut old_ids, mut new_ids, mut old_rows, mut new_rows) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (row, id) in (0_u32..).zip(&ids) {
            if self.local[*id] == usize::MAX {
                let (ids, rows) = if *id < known {
                    (&mut old_ids, &mut old_rows)
                } else {
                    (&mut new_ids, &mut new_rows)
                };
                self.local[*id] = ids.len();
                ids.push(*id);
                rows.push(row);
            }
        }
        let old_count = old_ids.len();
        for id in &mut ids {
            *id = self.local[*id] + if *id < known { 0 } else { old_count };
        }
        let (groups, first_rows) = ([old_ids, new_ids].concat(), [old_rows, new_rows].concat());
        for id in &groups {
            self.local[*id] = usize::MAX;
        }
        let result = self.change(aggregation, &input, &ids, &groups, first_rows, old_count);
        self.ids = ids;
        result
    }

    fn change(
        &mut self,
        aggregation: &Aggregation,
        input: &super::aggregate::Evaluated,
        locals: &[usize],
        groups: &[usize],
        first_rows: Vec<u32>,
        old_count: usize,
    ) -> Result<Changes> {
        let count = groups.len();
        let places: Vec<(usize, usize)> = groups[..old_count].iter().map(|id| self.at[*id]).collect();
        let before = self.gather(aggregation, &places)?;
        let (old_keys, old_state) = before.split_at(aggregation.keys());

        let first_rows = UInt32Array::from(first_rows);
        let keys: Vec<ArrayRef> = failed(
            input
                .keys
                .iter()
                .map(|key| take(key, &first_rows, None))
                .collect::<Result<_, _>>(),
        )?;
        let mut state = keys.clone();
        let mut old = old_keys.to_vec();
        let mut new = keys;
        let all: Vec<usize> = (0..count).collect();
        let (mut working, mut showing, mut past) = (
            aggregation.accumulators()?,
            aggregation.accumulators()?,
            aggregation.accumulators()?,
        );
        for (index, old_part) in aggregation.split(old_state).enumerate() {
            let accumulator = &mut working[index];
            if old_count > 0 {
                failed(accumulator.merge_batch(old_part, &all[..old_count], old_count))?;
                failed(past[index].merge_batch(old_part, &all[..old_count], old_count))?;
                old.push(failed(past[index].evaluate(EmitTo::All))?);
            }
            let filter = input.filters[index].as_ref();
            failed(accumulator.update_batch(&input.arguments[index], locals, filter, count))?;
            let part = failed(accumulator.state(EmitTo::All))?;
            failed(showing[index].merge_batch(&part, &all, count))?;
            new.push(failed(showing[index].evaluate(EmitTo::All))?);
            state.extend(part);
        }
        let old = match old_count {
            0 => RecordBatch::new_empty(aggregation.output.clone()),
            rows => aggregation.output_rows(old, rows)?,
        };
        let new = aggregation.output_rows(new, count)?;
        self.store(aggregation, state, groups)?;
        self.touched |= count > 0;
        Ok(Changes { old, new })
    }

    /// Appends the new rows of those groups.
    fn store(&mut self, aggregation: &Aggregation, rows: Vec<ArrayRef>, groups: &[usize]) -> Result<()> {
        let chunk = self.chunks.len();
        self.chunks
            .push(aggregation.state_rows(rows, groups.len())?.columns().to_vec());
        self.at.resize(self.keys.len(), (usize::MAX, 0));
        for (row, id) in groups.iter().enumerate() {
            self.at[*id] = (chunk, row);
        }
        self.stored += groups.len();
        if (self.stored > COMPACT_FROM && self.stored > 2 * self.at.len()) || self.chunks.len() > MOST_CHUNKS {
            self.compact(aggregation)?;
        }
        Ok(())
    }

    /// The rows at those places.
    fn gather(&self, aggregation: &Aggregation, places: &[(usize, usize)]) -> Result<Vec<ArrayRef>> {
        if places.is_empty() {
            return Ok(RecordBatch::new_empty(aggregation.state.clone()).columns().to_vec());
        }
        let width = aggregation.state.fields().len();
        let column = |index: usize| {
            let arrays: Vec<&dyn Array> = self.chunks.iter().map(|chunk| chunk[index].as_ref()).collect();
            interleave(&arrays, places)
        };
        failed((0..width).map(column).collect::<Result<_, _>>())
    }

    /// Leaves one chunk, with one row for each group, in the order of their numbers.
    fn compact(&mut self, aggregation: &Aggregation) -> Result<()> {
        let current = self.chunks.len() == 1 && self.stored == self.at.len();
        if !current && !self.at.is_empty() {
            self.chunks = vec![self.gather(aggregation, &self.at)?];
            self.stored = self.at.len();
            self.at = (0..self.stored).map(|row| (0, row)).collect();
        }
        Ok(())
    }

    /// The state of all groups.
    pub(super) fn snapshot(&mut self, aggregation: &Aggregation) -> Result<RecordBatch> {
        self.compact(aggregation)?;
        match self.chunks.first() {
            Some(chunk) => aggregation.state_rows(chunk.clone(), self.at.len()),
            None => Ok(RecordBatch::new_empty(aggregation.state.clone())),
        }
    }

    /// Takes over a saved state.
    pub(super) fn restore(&mut self, aggregation: &Aggregation, tables: &[RecordBatch]) -> Result<()> {
        for table in tables.iter().filter(|table| table.num_rows() > 0) {
            aggregation.accepts(table)?;
            let before = self.keys.len();
            let mut ids = Vec::new();
            self.keys
                .intern(&table.columns()[..aggregation.keys()], table.num_rows(), &mut ids)?;
            if self.keys.len() != before + table.num_rows() {
                return Err(EngineError::refused(
                    "the saved state of the aggregation has a group twice",
                ));
            }
            self.touched = true;
            self.store(aggregation, table.columns().to_vec(), &ids)?;
        }
        Ok(())
    }

    /// The one result of a query without keys that has seen no row.
    pub(super) fn result_of_nothing(&mut self, aggregation: &Aggregation) -> Result<Option<RecordBatch>> {
        if self.touched || aggregation.keys() > 0 {
            return Ok(None);
        }
        self.touched = true;
        aggregation.result_of_nothing().map(Some)
    }
}

impl Changes {
    /// Which groups' results are what they were.
    pub(super) fn unchanged(&self) -> Result<Vec<bool>> {
        let mut unchanged = vec![false; self.new.num_rows()];
        if self.old.num_rows() == 0 {
            return Ok(unchanged);
        }
        let fields: Vec<_> = self
            .new
            .schema()
            .fields()
            .iter()
            .map(|f| SortField::new(f.data_type().clone()))
            .collect();
        if !RowConverter::supports_fields(&fields) {
            return Ok(unchanged);
        }
        let converter = failed(RowConverter::new(fields))?;
        let old = failed(converter.convert_columns(self.old.columns()))?;
        let new = failed(converter.convert_columns(self.new.columns()))?;
        for (group, unchanged) in unchanged.iter_mut().enumerate().take(self.old.num_rows()) {
            *unchanged = old.row(group) == new.row(group);
        }
        Ok(unchanged)
    }
}
