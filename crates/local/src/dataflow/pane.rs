//! Groups whose results are wanted once, at the end: those of one window, or of a bounded query.

use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::logical_expr::EmitTo;
use skep_engine::{EngineError, Result};

use super::aggregate::{Accumulator, Aggregation, Evaluated, Keys};
use super::error::failed;

/// Live accumulators for a set of groups.
pub(super) struct Pane {
    keys: Keys,
    accumulators: Vec<Accumulator>,
    ids: Vec<usize>,
}

impl Pane {
    /// No groups yet. The keys `same` have one value in all of them.
    pub(super) fn new(aggregation: &Aggregation, same: &[usize]) -> Result<Self> {
        Ok(Self {
            keys: Keys::new(aggregation, same)?,
            accumulators: aggregation.accumulators()?,
            ids: Vec::new(),
        })
    }

    /// Takes rows in.
    pub(super) fn update(&mut self, input: &Evaluated) -> Result<()> {
        self.keys.intern(&input.keys, input.rows, &mut self.ids)?;
        let groups = self.keys.len();
        for (index, accumulator) in self.accumulators.iter_mut().enumerate() {
            let filter = input.filters[index].as_ref();
            failed(accumulator.update_batch(&input.arguments[index], &self.ids, filter, groups))?;
        }
        Ok(())
    }

    /// Takes a saved state in. A group must not be in it twice.
    pub(super) fn merge(&mut self, aggregation: &Aggregation, state: &[ArrayRef], rows: usize) -> Result<()> {
        let (keys, state) = state.split_at(aggregation.keys());
        let before = self.keys.len();
        self.keys.intern(keys, rows, &mut self.ids)?;
        let groups = self.keys.len();
        if groups != before + rows {
            return Err(EngineError::refused(
                "the saved state of the aggregation has a group twice",
            ));
        }
        for (accumulator, part) in self.accumulators.iter_mut().zip(aggregation.split(state)) {
            failed(accumulator.merge_batch(part, &self.ids, groups))?;
        }
        Ok(())
    }

    /// The state of all groups. Taking it empties the accumulators, so it is merged back.
    pub(super) fn snapshot(&mut self, aggregation: &Aggregation) -> Result<RecordBatch> {
        let rows = self.keys.len();
        if rows == 0 {
            return Ok(RecordBatch::new_empty(aggregation.state.clone()));
        }
        let mut columns = self.keys.take()?;
        for accumulator in &mut self.accumulators {
            columns.extend(failed(accumulator.state(EmitTo::All))?);
        }
        let state = aggregation.state_rows(columns, rows)?;
        self.accumulators = aggregation.accumulators()?;
        self.merge(aggregation, state.columns(), rows)?;
        Ok(state)
    }

    /// The results of all groups. A query without keys has one result even of no rows.
    pub(super) fn finish(mut self, aggregation: &Aggregation) -> Result<RecordBatch> {
        let rows = self.keys.len();
        if aggregation.keys() == 0 && rows == 0 {
            return aggregation.result_of_nothing();
        }
        if rows == 0 {
            return Ok(RecordBatch::new_empty(aggregation.output.clone()));
        }
        let mut columns = self.keys.take()?;
        for accumulator in &mut self.accumulators {
            columns.push(failed(accumulator.evaluate(EmitTo::All))?);
        }
        aggregation.output_rows(columns, rows)
    }
}
