//! Queries over all of their input, once, for whoever fetches the rows.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;
use skep_engine::{Batch, OperationHandle, Result, Rows, async_trait};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::compute;
use crate::failure::Explained;
use crate::plan::Planned;

/// Batches that wait to be fetched. More would only take memory.
const AHEAD: usize = 2;

/// A query that runs on the engine's threads, a few batches ahead of whoever reads it.
struct Running {
    schema: SchemaRef,
    batches: mpsc::Receiver<Result<RecordBatch>>,
    task: JoinHandle<()>,
}

/// Plans the query to its end and starts it.
async fn start(planned: Planned) -> Result<Running> {
    let plan = planned.state.create_physical_plan(&planned.plan).await.rejected()?;
    let schema = plan.schema();
    let stream = execute_stream(plan, planned.state.task_ctx()).failed()?;
    let (sender, batches) = mpsc::channel(AHEAD);
    let task = compute::handle()?.spawn(pump(stream, sender));
    Ok(Running { schema, batches, task })
}

async fn pump(mut stream: SendableRecordBatchStream, sender: mpsc::Sender<Result<RecordBatch>>) {
    loop {
        let next = tokio::select! {
            biased;
            () = sender.closed() => return,
            next = stream.next() => next,
        };
        let batch = match next {
            None => return,
            Some(Ok(batch)) if batch.num_rows() == 0 => continue,
            Some(batch) => batch.failed(),
        };
        let ended = batch.is_err();
        if sender.send(batch).await.is_err() || ended {
            return;
        }
        // A source that always has rows must not keep the thread to itself.
        tokio::task::yield_now().await;
    }
}

/// Starts a query whose rows are fetched.
pub(crate) async fn query(planned: Planned) -> Result<(Box<dyn Rows>, Arc<dyn OperationHandle>)> {
    let Running { schema, batches, task } = start(planned).await?;
    let (cancelled, cancel) = watch::channel(false);
    let abort = task.abort_handle();
    let rows = QueryRows {
        schema,
        batches,
        cancel,
        task: Some(task),
        ended: cancelled.clone(),
    };
    let handle = QueryHandle { cancelled, abort };
    Ok((Box::new(rows), Arc::new(handle)))
}

/// The rows of a query.
struct QueryRows {
    schema: SchemaRef,
    batches: mpsc::Receiver<Result<RecordBatch>>,
    cancel: watch::Receiver<bool>,
    task: Option<JoinHandle<()>>,
    ended: watch::Sender<bool>,
}

#[async_trait]
impl Rows for QueryRows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    async fn next(&mut self) -> Result<Option<Batch>> {
        let batch = tokio::select! {
            biased;
            _ = self.cancel.wait_for(|cancelled| *cancelled) => None,
            batch = self.batches.recv() => batch,
        };
        match batch {
            Some(Ok(batch)) => Ok(Some(Batch::inserts(batch))),
            Some(Err(error)) => {
                self.batches.close();
                Err(error)
            }
            None => {
                // The stream is over, or the task broke: a panic must not look like an end.
                match self.task.take() {
                    Some(task) if !*self.cancel.borrow() => compute::ended(task).await?,
                    _ => {}
                }
                Ok(None)
            }
        }
    }
}

impl Drop for QueryRows {
    fn drop(&mut self) {
        self.ended.send_replace(true);
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Ends a query.
struct QueryHandle {
    cancelled: watch::Sender<bool>,
    abort: tokio::task::AbortHandle,
}

#[async_trait]
impl OperationHandle for QueryHandle {
    async fn cancel(&self) -> Result<()> {
        self.cancelled.send_replace(true);
        self.abort.abort();
        // An aborted task ends at its next turn.
        while !self.abort.is_finished() {
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

/// The handle of a statement that has ended with its reply.
pub(crate) struct Done;

#[async_trait]
impl OperationHandle for Done {
    async fn cancel(&self) -> Result<()> {
        Ok(())
    }
}

/// Rows that are there already.
pub(crate) struct Ready {
    schema: SchemaRef,
    batch: Option<RecordBatch>,
}

impl Ready {
    /// One batch of rows; none if it is empty.
    pub fn new(batch: RecordBatch) -> Self {
        Self {
            schema: batch.schema(),
            batch: (batch.num_rows() > 0).then_some(batch),
        }
    }
}

#[async_trait]
impl Rows for Ready {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    async fn next(&mut self) -> Result<Option<Batch>> {
        Ok(self.batch.take().map(Batch::inserts))
    }
}
