//! The rows of an operation: a task waits for its end and fetches page after page, ahead of who reads them by a few.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use skep_engine::{Batch, ENGINE_TYPE, EngineError, ErrorKind, Operation, OperationId, Result, Rows};
use tokio::sync::mpsc;

use super::failure::explain;
use super::operation::Running;

/// Pages that are fetched before anybody has read the first of them.
const AHEAD: usize = 2;

/// Rows that are asked for first, and at most.
const FIRST_PAGE: usize = 1000;
const LARGEST_PAGE: usize = 100_000;

/// What a page is to have, in bytes: more is held here, and twice on its way; less costs round trips.
const PAGE_BYTES: usize = 2 * 1024 * 1024;

/// How long a server is left alone that has no rows yet and says that there will be some.
const NO_ROWS_PAUSE: Duration = Duration::from_millis(50);

/// From so many bytes on the next page is asked for before this one is read. An empty one is smaller, so that nothing is asked
/// for behind the last.
const LARGE_PAGE: usize = 64 * 1024;

/// What is gathered before it is looked at may have so many bytes: lists, and answers to the shell's own questions.
pub(crate) const ANSWER_LIMIT: usize = 64 * 1024 * 1024;

/// The failure of what would be longer.
pub(crate) fn too_long(what: &str) -> EngineError {
    let message = format!("the server's answer to {what} is longer than {ANSWER_LIMIT} bytes");
    EngineError::new(ErrorKind::Protocol, message)
}

/// What comes of an operation, in this order.
enum Event {
    /// It is finished: these are its columns.
    Columns(SchemaRef),
    /// Rows of it.
    Rows(RecordBatch),
}

/// The rows, for their one owner.
struct HiveRows {
    schema: SchemaRef,
    is_ready: bool,
    events: mpsc::Receiver<Result<Event>>,
}

/// Begins to follow an operation.
pub(crate) fn follow(running: Running) -> Operation {
    let (sender, events) = mpsc::channel(AHEAD);
    let following = running.clone();
    tokio::spawn(async move {
        let ended = tokio::select! {
            ended = fetch(&following, &sender) => ended,
            // Nobody reads. Ending the operation is for its handle.
            () = sender.closed() => return,
        };
        if let Err(error) = ended
            && !following.cancelled.load(Ordering::Acquire)
        {
            following.close().await;
            let _ = sender.send(Err(error)).await;
        }
    });
    Operation {
        id: OperationId(running.operation.id().to_string()),
        job: None,
        rows: Some(Box::new(HiveRows {
            schema: Arc::new(Schema::empty()),
            is_ready: false,
            events,
        })),
        notes: Vec::new(),
        log: running.log.clone(),
        handle: Arc::new(running),
    }
}

/// Waits for the operation's end and fetches its rows until the last, or until nobody reads any more.
async fn fetch(running: &Running, sender: &mpsc::Sender<Result<Event>>) -> Result<()> {
    let Running { client, operation, .. } = running;
    let status = running.finish().await?;
    let has_result = status.has_result_set.unwrap_or(operation.has_result_set);
    let schema = if has_result {
        client.schema(operation).await.map_err(explain)?.to_arrow(ENGINE_TYPE)
    } else {
        Arc::new(Schema::empty())
    };
    let mut size = FIRST_PAGE;
    let mut is_first = true;
    let mut ahead = None;
    while !schema.fields().is_empty() {
        let page = match ahead.take() {
            Some(page) => page,
            None => client.page(operation, size).await.map_err(explain)?,
        };
        let read = async {
            let set = page.read(&schema).map_err(explain)?;
            let count = set.rows.as_ref().map_or(0, RecordBatch::num_rows);
            // A statement without a result has a column by name in Spark, and none in what it gives.
            if let Some(rows) = set.rows {
                if std::mem::take(&mut is_first) {
                    send(sender, Event::Columns(SchemaRef::clone(&schema))).await;
                }
                if count > 0 {
                    send(sender, Event::Rows(rows)).await;
                }
            }
            Ok::<_, EngineError>((count, set.more))
        };
        let (count, more) = if page.size() < LARGE_PAGE {
            read.await?
        } else {
            // The server sends the next one while this one is read; as large as this one, unless rows change.
            let (next, read) = tokio::join!(client.page(operation, next_size(size, size, page.size())), read);
            let counted = read?;
            ahead = Some(next.map_err(explain)?);
            counted
        };
        if count == 0 && more {
            tokio::time::sleep(NO_ROWS_PAUSE).await;
            continue;
        }
        if count == 0 {
            break;
        }
        size = next_size(size, count, page.size());
    }
    if is_first {
        send(sender, Event::Columns(Arc::new(Schema::empty()))).await;
    }
    // All is read: the server need not keep it.
    running.close().await;
    Ok(())
}

/// How many rows are asked for after a page of `count` rows and so many bytes, for which `size` were asked.
fn next_size(size: usize, count: usize, bytes: usize) -> usize {
    let fitting = PAGE_BYTES * count / bytes.max(1);
    fitting.clamp(1, LARGEST_PAGE).min(size.saturating_mul(8))
}

async fn send(sender: &mpsc::Sender<Result<Event>>, event: Event) -> Option<()> {
    sender.send(Ok(event)).await.ok()
}

#[async_trait]
impl Rows for HiveRows {
    async fn ready(&mut self) -> Result<()> {
        if self.is_ready {
            return Ok(());
        }
        match self.events.recv().await.transpose()? {
            Some(Event::Columns(schema)) => self.schema = schema,
            // Columns come first: there is nothing if the operation was cancelled.
            Some(Event::Rows(_)) | None => {}
        }
        self.is_ready = true;
        Ok(())
    }

    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    async fn next(&mut self) -> Result<Option<Batch>> {
        self.ready().await?;
        match self.events.recv().await.transpose()? {
            Some(Event::Rows(rows)) => Ok(Some(Batch::inserts(rows))),
            Some(Event::Columns(_)) => Err(EngineError::failed("internal error: columns came twice")),
            None => Ok(None),
        }
    }
}
