//! Rows that need no source: VALUES, `generate_series`, or a whole bounded query. The offset is the number of rows given.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::physical_plan::execution_plan::ExecutionPlanProperties;
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream};
use serde_json::{Value, json};
use skep_engine::{EngineError, Result};

use super::lower::Executor;

/// A plan that is run once; one partition, so that its rows always come in the same order.
pub(super) struct Constant {
    plan: Arc<dyn ExecutionPlan>,
    partition: usize,
    stream: Option<SendableRecordBatchStream>,
    given: u64,
    /// Rows to leave out, which were given before the restore.
    skip: u64,
    ended: bool,
}

impl Constant {
    /// A plan's rows.
    pub(super) const fn new(plan: Arc<dyn ExecutionPlan>) -> Self {
        Self {
            plan,
            partition: 0,
            stream: None,
            given: 0,
            skip: 0,
            ended: false,
        }
    }

    /// The next rows; `None` after the last.
    pub(super) fn pull(&mut self, executor: &mut Executor) -> Result<Option<RecordBatch>> {
        while !self.ended {
            if self.stream.is_none() {
                if self.partition >= self.plan.output_partitioning().partition_count() {
                    self.ended = true;
                    break;
                }
                self.stream = Some(executor.start(&self.plan, self.partition)?);
            }
            let Some(stream) = &mut self.stream else { break };
            let Some(batch) = executor.next(stream)? else {
                self.stream = None;
                self.partition += 1;
                continue;
            };
            let rows = batch.num_rows() as u64;
            let skipped = rows.min(self.skip);
            self.skip -= skipped;
            if skipped < rows {
                self.given += rows - skipped;
                let from = usize::try_from(skipped).unwrap_or(usize::MAX);
                return Ok(Some(batch.slice(from, batch.num_rows() - from)));
            }
        }
        Ok(None)
    }

    /// Whether all rows were given.
    pub(super) const fn ended(&self) -> bool {
        self.ended
    }

    /// How many rows were given.
    pub(super) const fn given(&self) -> u64 {
        self.given
    }

    /// The offset.
    pub(super) fn snapshot(&self) -> Value {
        json!({ "rows": self.given })
    }

    /// Goes to an offset, before the first pull.
    pub(super) fn restore(&mut self, meta: &Value) -> Result<()> {
        let rows = meta.get("rows").and_then(Value::as_u64);
        self.given =
            rows.ok_or_else(|| EngineError::refused("the saved state of a constant input has no row number"))?;
        self.skip = self.given;
        Ok(())
    }
}
