//! The rows of a query. The engine answers a fetch once a second at most, and holds the session meanwhile.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use skep_engine::{Batch, ENGINE_TYPE, EngineError, ErrorKind, LogRing, Result, Rows};
use skep_hive::Error;
use tokio::sync::mpsc;

use super::operation::Query;
use super::orphan;
use crate::flink::gateway::operation::end_job;
use crate::flink::gateway::rows::{absence, fate};
use crate::hive::failure::explain;
use crate::hive::rows::NO_ROWS_PAUSE;

/// Pages that are fetched before anybody has read the first of them.
const AHEAD: usize = 2;

/// A page: the first asks for one row, so that it is seen as soon as it is there.
const FIRST_PAGE: usize = 1;
const PAGE: usize = 1000;

/// After so long without a row the job is looked at, and then as often.
const LOOK: Duration = Duration::from_secs(2);

/// What the engine says when no rows have come within `kyuubi.session.engine.flink.fetch.timeout`.
const NO_ROWS_YET: &str = "Futures timed out";

/// What it says when it has given as many rows as it keeps.
const NO_MORE_KEPT: &str = "The max rows should be larger than 0";

/// How many rows it keeps of one statement.
pub(super) const MOST_ROWS: &str = "kyuubi.session.engine.flink.max.rows";

/// What it says of columns whose type it has no word for.
const NO_SUCH_TYPE: &str = "is not supported currently";

/// The rows, for their one owner.
pub(super) struct QueryRows {
    schema: SchemaRef,
    batches: mpsc::Receiver<Result<Batch>>,
}

/// Begins to fetch the rows of a query whose columns those are.
pub(super) fn fetch(query: Arc<Query>, schema: SchemaRef, log: LogRing) -> QueryRows {
    let (sender, batches) = mpsc::channel(AHEAD);
    let fetching = Fetching {
        query,
        schema: SchemaRef::clone(&schema),
        log,
        said: None,
    };
    tokio::spawn(fetching.run(sender));
    QueryRows { schema, batches }
}

#[async_trait]
impl Rows for QueryRows {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    async fn next(&mut self) -> Result<Option<Batch>> {
        self.batches.recv().await.transpose()
    }
}

/// The columns of a query.
pub(super) async fn schema(query: &Query) -> Result<SchemaRef> {
    match query.live.client.schema(&query.operation).await {
        Ok(schema) => Ok(schema.to_arrow(ENGINE_TYPE)),
        // INTERVAL, of which rows would come, but no columns.
        Err(Error::Server(failure)) if failure.message.contains(NO_SUCH_TYPE) => {
            Err(explain(Error::Server(failure)).hint("CAST(column AS STRING) gives it as text"))
        }
        Err(error) => Err(explain(error)),
    }
}

/// Whether a fetch has failed because the engine has given as many rows as it keeps.
pub(super) fn is_no_more_kept(error: &Error) -> bool {
    matches!(error, Error::Server(failure) if failure.message.contains(NO_MORE_KEPT))
}

/// The error that a fetch's failure is to the shell.
pub(super) fn explain_fetch(error: Error) -> EngineError {
    if !is_no_more_kept(&error) {
        return explain(error);
    }
    EngineError {
        message: "the engine has given as many rows as it keeps of one statement".to_owned(),
        ..explain(error)
    }
    .hint(format!("{MOST_ROWS}, behind `?` in the URL, is their number"))
}

struct Fetching {
    query: Arc<Query>,
    schema: SchemaRef,
    log: LogRing,
    /// What the reader was told last, so as not to say it again.
    said: Option<String>,
}

impl Fetching {
    /// Fetches until the end, an error, or until nobody reads any more. Then the job goes on: ending it is for its handle.
    async fn run(mut self, sender: mpsc::Sender<Result<Batch>>) {
        let query = Arc::clone(&self.query);
        let mut size = FIRST_PAGE;
        let mut quiet = Instant::now();
        while !query.is_cancelled() && !sender.is_closed() {
            // A fetch that has begun is waited for: the rows that it takes are given only once.
            let fetched = query.live.client.fetch(&query.operation, &self.schema, size).await;
            let (rows, more) = match fetched {
                Ok(set) => (set.rows.filter(|rows| rows.num_rows() > 0), set.more),
                Err(Error::Server(failure)) if failure.message.contains(NO_ROWS_YET) => (None, true),
                Err(error) => {
                    if !query.is_cancelled() {
                        let _ = sender.send(Err(self.explain(error).await)).await;
                    }
                    return;
                }
            };
            let Some(rows) = rows else {
                if more {
                    if quiet.elapsed() >= LOOK {
                        quiet = Instant::now();
                        self.look().await;
                    }
                    // One that says so at once is not asked without a pause.
                    tokio::time::sleep(NO_ROWS_PAUSE).await;
                    continue;
                }
                query.close().await;
                return;
            };
            query.has_rows.store(true, Ordering::Release);
            quiet = Instant::now();
            size = PAGE;
            if sender.send(Ok(Batch::inserts(rows))).await.is_err() {
                return;
            }
        }
    }

    /// Why the rows end before their end.
    async fn explain(&self, error: Error) -> EngineError {
        let (job, jobs) = (self.query.job, Some(self.query.jobs.as_ref()));
        let shown = explain_fetch(error.clone());
        match error {
            error if is_no_more_kept(&error) => {
                // The query would go on, and nobody could ever read its rows.
                let ended = self.query.end().await;
                let fate = fate(jobs, Some(job)).await;
                let told = EngineError {
                    message: format!("{}; {fate}", shown.message),
                    ..shown
                };
                match ended {
                    Ok(()) => told,
                    Err(error) => told.hint(format!("it could not be ended: {error}; !cancel {job} asks again")),
                }
            }
            Error::Server(failure) if !failure.is_unknown_handle => {
                let fate = fate(jobs, Some(job)).await;
                EngineError {
                    message: format!("{}; {fate}", shown.message),
                    ..shown
                }
            }
            // The engine and the job live on when the server is gone, and nobody can read its rows any more.
            _ => {
                let ended = end_job(self.query.jobs.as_ref(), &job).await;
                let fate = fate(jobs, Some(job)).await;
                let what = match ended {
                    Ok(()) => "; its job was ended",
                    Err(_) => {
                        orphan::end_later(&self.query.jobs, job);
                        "; its job is ended as soon as that can be asked for"
                    }
                };
                let mut told = EngineError::new(ErrorKind::Lost, format!("{}{what}; {fate}", shown.message));
                told.trace = shown.trace;
                told.hint(format!(
                    "!job {job} shows it, !cancel {job} ends it; its rows can't be had any more"
                ))
            }
        }
    }

    /// Looks why there are no rows, and tells the reader.
    async fn look(&mut self) {
        let said = match self.query.jobs.status(&self.query.job).await {
            Ok(status) => absence(&self.query.job, status),
            Err(error) => Some(format!("no rows, and the cluster can't be asked why: {error}")),
        };
        if let Some(said) = &said
            && self.said.as_ref() != Some(said)
        {
            self.log.push(said.clone());
        }
        self.said = said;
    }
}
