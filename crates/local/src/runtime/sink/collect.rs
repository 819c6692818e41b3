//! Rows for whoever reads them: a queue with a bound, at which the job waits.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use skep_engine::{Batch, EngineError, Result, Rows};
use tokio::sync::Notify;

use super::Sink;

/// With that many rows in the queue the job waits. One step's rows may come on top.
const ROOM: usize = 64 * 1024;

/// Tells the job's thread that there is room again.
pub(crate) type Wake = Box<dyn Fn() + Send + Sync>;

#[derive(Default)]
struct Queue {
    batches: VecDeque<Batch>,
    rows: usize,
    outcome: Option<Result<()>>,
    abandoned: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    filled: Notify,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing is left half done where a panic could happen.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The job's end of the queue.
pub(crate) struct Collect {
    shared: Arc<Shared>,
}

/// The reader's end.
pub(crate) struct CollectedRows {
    shared: Arc<Shared>,
    schema: SchemaRef,
    changelog: bool,
    wake: Wake,
}

/// A queue of rows of those columns.
pub(crate) fn channel(schema: SchemaRef, changelog: bool, wake: Wake) -> (Collect, CollectedRows) {
    let shared = Arc::new(Shared {
        queue: Mutex::default(),
        filled: Notify::new(),
    });
    let collect = Collect {
        shared: Arc::clone(&shared),
    };
    let rows = CollectedRows {
        shared,
        schema,
        changelog,
        wake,
    };
    (collect, rows)
}

impl Sink for Collect {
    fn name(&self) -> String {
        "rows to the client".to_owned()
    }

    fn write(&mut self, batch: &Batch, _epoch: u64) -> Result<()> {
        if batch.rows.num_rows() == 0 {
            return Ok(());
        }
        let mut queue = self.shared.lock();
        if !queue.abandoned {
            queue.rows += batch.rows.num_rows();
            queue.batches.push_back(batch.clone());
        }
        drop(queue);
        self.shared.filled.notify_one();
        Ok(())
    }

    fn has_room(&self) -> bool {
        let queue = self.shared.lock();
        queue.abandoned || queue.rows < ROOM
    }

    /// The rows are the reader's as they come: nothing waits for a checkpoint.
    fn wants_checkpoints(&self) -> bool {
        false
    }

    fn close(&mut self, outcome: Result<()>) {
        self.shared.lock().outcome.get_or_insert(outcome);
        self.shared.filled.notify_one();
    }
}

impl Drop for Collect {
    fn drop(&mut self) {
        self.close(Err(EngineError::failed("the job's thread ended without a word")));
    }
}

#[async_trait]
impl Rows for CollectedRows {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn is_changelog(&self) -> bool {
        self.changelog
    }

    async fn next(&mut self) -> Result<Option<Batch>> {
        loop {
            {
                let mut queue = self.shared.lock();
                if let Some(batch) = queue.batches.pop_front() {
                    let was_full = queue.rows >= ROOM;
                    queue.rows -= batch.rows.num_rows();
                    let has_room = queue.rows < ROOM;
                    drop(queue);
                    if was_full && has_room {
                        (self.wake)();
                    }
                    return Ok(Some(batch));
                }
                match &mut queue.outcome {
                    Some(Ok(())) => return Ok(None),
                    // The error is told once; after it the stream has ended.
                    Some(outcome) => return std::mem::replace(outcome, Ok(())).map(|()| None),
                    None => {}
                }
            }
            self.shared.filled.notified().await;
        }
    }
}

impl Drop for CollectedRows {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.abandoned = true;
        queue.batches.clear();
        queue.rows = 0;
        drop(queue);
        (self.wake)();
    }
}
