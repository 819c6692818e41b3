//! Runs a physical plan over one micro-batch.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::execution_plan::{ExecutionPlanProperties, reset_plan_states};
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream};
use futures::StreamExt;
use skep_engine::{EngineError, Result};
use tokio::runtime::{Builder, Runtime};

use super::error::failed;

/// Where plans run: on the calling thread. Some operators start tasks, so that it is a runtime.
pub(super) struct Executor {
    runtime: Option<Runtime>,
    context: Arc<TaskContext>,
}

impl Executor {
    /// An executor of plans made with that context.
    pub(super) const fn new(context: Arc<TaskContext>) -> Self {
        Self { runtime: None, context }
    }

    fn runtime(&mut self) -> Result<&Runtime> {
        if self.runtime.is_none() {
            let runtime = Builder::new_current_thread().build();
            self.runtime = Some(runtime.map_err(|e| EngineError::failed(format!("can't run the query: {e}")))?);
        }
        self.runtime
            .as_ref()
            .ok_or_else(|| EngineError::failed("can't run the query"))
    }

    /// Runs the plan over what its slots hold and gives all it yields, partition after partition.
    pub(super) fn run(&mut self, plan: &Arc<dyn ExecutionPlan>) -> Result<Vec<RecordBatch>> {
        // A plan that ran keeps what it built (a join its hash table): without the reset later rows would never be seen.
        let plan = failed(reset_plan_states(plan.clone()))?;
        let mut all = Vec::new();
        for partition in 0..plan.output_partitioning().partition_count() {
            let mut stream = failed(plan.execute(partition, self.context.clone()))?;
            while let Some(batch) = self.next(&mut stream)? {
                all.push(batch);
            }
        }
        Ok(all)
    }

    /// The next rows of a running plan.
    pub(super) fn next(&mut self, stream: &mut SendableRecordBatchStream) -> Result<Option<RecordBatch>> {
        loop {
            match self.runtime()?.block_on(stream.next()) {
                Some(Ok(batch)) if batch.num_rows() == 0 => {}
                Some(Ok(batch)) => return Ok(Some(batch)),
                Some(Err(error)) => return failed(Err(error)),
                None => return Ok(None),
            }
        }
    }

    /// Starts one partition of a plan.
    pub(super) fn start(&self, plan: &Arc<dyn ExecutionPlan>, partition: usize) -> Result<SendableRecordBatchStream> {
        failed(plan.execute(partition, self.context.clone()))
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        // A runtime that is dropped within another one's task would panic while it waits.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
