//! What statements give that start no job: lists, and words such as OK.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use skep_engine::{Batch, ENGINE_TYPE, EngineError, Operation, OperationId, Result, Rows};
use tokio::sync::mpsc;

use super::fetch::{Ending, Fetches, Page};
use super::rows::explain_fetch;
use crate::hive::failure::explain;
use crate::hive::operation::Running;

/// Rows that are asked for at once.
const PAGE: usize = 1000;

/// Pages that are fetched before anybody has read the first of them.
const AHEAD: usize = 2;

/// The rows of such a statement, which has been carried out.
pub(super) struct List {
    running: Running,
    schema: SchemaRef,
    fetches: Fetches,
    /// No job has to end before the rows do.
    over: Instant,
}

impl List {
    /// The rows of that statement. `is_whole` says that Flink has them all before it answers (`ResultFetcher.fromResults`), so that their
    /// end need not be waited for, which takes a second: SET, SHOW JOBS and DESCRIBE JOB; of others it has some, and then more.
    pub(super) async fn of(running: Running, is_whole: bool) -> Result<Self> {
        let schema = running.client.schema(&running.operation).await.map_err(explain)?;
        Ok(Self {
            schema: schema.to_arrow(ENGINE_TYPE),
            fetches: if is_whole { Fetches::of_whole() } else { Fetches::new() },
            over: Instant::now(),
            running,
        })
    }

    /// The next rows, of which they took so many bytes on their way.
    pub(super) async fn next(&mut self) -> Result<Option<(RecordBatch, usize)>> {
        let Running { client, operation, .. } = &self.running;
        loop {
            let page = self
                .fetches
                .next(client, operation, &self.schema, PAGE, Some(self.over));
            match page.await.map_err(explain_fetch)? {
                Page::Rows { rows, bytes } => return Ok(Some((rows, bytes))),
                Page::NotYet => {}
                Page::End => {
                    let what = match self.fetches.ending(client, operation).await {
                        Ending::Whole => return Ok(None),
                        Ending::Cut => "has dropped",
                        Ending::Unknown => "may have dropped",
                    };
                    let message = format!("the engine {what} the last rows, which were fetched too late");
                    return Err(EngineError::failed(message).hint("it can be asked again"));
                }
            }
        }
    }

    /// As an operation, whose rows are read by whoever wants them.
    pub(super) fn follow(mut self) -> Operation {
        let running = self.running.clone();
        let schema = SchemaRef::clone(&self.schema);
        let (sender, batches) = mpsc::channel(AHEAD);
        tokio::spawn(async move {
            let ended = tokio::select! {
                ended = self.send(&sender) => ended,
                // Nobody reads. Ending the operation is for its handle.
                () = sender.closed() => return,
            };
            self.running.close().await;
            if let Err(error) = ended
                && !self.running.cancelled.load(Ordering::Acquire)
            {
                let _ = sender.send(Err(error)).await;
            }
        });
        Operation {
            id: OperationId(running.operation.id().to_string()),
            job: None,
            rows: Some(Box::new(ListRows { schema, batches })),
            notes: Vec::new(),
            log: running.log.clone(),
            handle: Arc::new(running),
        }
    }

    async fn send(&mut self, sender: &mpsc::Sender<Result<Batch>>) -> Result<()> {
        while let Some((rows, _)) = self.next().await? {
            if sender.send(Ok(Batch::inserts(rows))).await.is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// The rows, for their one owner.
struct ListRows {
    schema: SchemaRef,
    batches: mpsc::Receiver<Result<Batch>>,
}

#[async_trait]
impl Rows for ListRows {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    async fn next(&mut self) -> Result<Option<Batch>> {
        self.batches.recv().await.transpose()
    }
}
