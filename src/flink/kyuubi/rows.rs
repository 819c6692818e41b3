//! The rows of a query. A fetch holds its session while it waits.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use skep_engine::{Batch, ENGINE_TYPE, EngineError, ErrorKind, JobStatus, LogRing, Result, Rows};
use skep_hive::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::fetch::{Ending, Fetches, Page};
use super::operation::Query;
use super::orphan;
use crate::flink::gateway::operation::end_job;
use crate::flink::gateway::rows::{absence, fate};
use crate::flink::given::Given;
use crate::hive::failure::explain;

/// Pages that are fetched before anybody has read the first of them. The engine keeps all rows of a query as well, and ends it after a
/// million, so that it is not held back by who reads slowly.
const AHEAD: usize = 1024;

/// So much of them is held, in KiB.
const AHEAD_KIB: u32 = 256 * 1024;

/// A page: the first asks for one row, so that it is seen as soon as it is there.
const FIRST_PAGE: usize = 1;
const PAGE: usize = 1000;

/// The pauses between looks whether the job goes on: short at first, since most queries that end do so soon.
const FIRST_LOOK: Duration = Duration::from_millis(100);
const LONGEST_LOOK: Duration = Duration::from_secs(1);

/// After so long without a row it is said why there are none.
const QUIET: Duration = Duration::from_secs(2);

/// How many rows of one query the engine keeps, and unless it is told otherwise.
pub(super) const MAX_ROWS: &str = "kyuubi.session.engine.flink.max.rows";
const MAX_ROWS_UNTOLD: u64 = 1_000_000;

/// What it says at times when it has given so many; at others it makes that the end.
const NO_MORE_KEPT: &str = "The max rows should be larger than 0";

/// Behind its end a query's job has ended as well. One that is still running after so long has more rows to give.
const ENDING: Duration = Duration::from_secs(2);
const ENDING_LOOK: Duration = Duration::from_millis(50);

/// What it says of columns whose type it has no word for.
const NO_SUCH_TYPE: &str = "is not supported currently";

/// The rows, for their one owner.
pub(super) struct QueryRows {
    schema: SchemaRef,
    batches: mpsc::Receiver<Fetched>,
}

/// Rows, and the room that they take until they are read; or why there are no more.
type Fetched = Result<(Batch, OwnedSemaphorePermit)>;

/// Begins to fetch the rows of a query whose columns those are, of which the engine keeps so many as it was told (`MAX_ROWS`).
pub(super) fn fetch(query: Arc<Query>, schema: SchemaRef, log: LogRing, given: Given, kept: Option<&str>) -> QueryRows {
    let (sender, batches) = mpsc::channel(AHEAD);
    let fetching = Fetching {
        query,
        schema: SchemaRef::clone(&schema),
        log,
        given,
        kept: kept.and_then(|kept| kept.parse().ok()).unwrap_or(MAX_ROWS_UNTOLD),
        looks: Looks::new(),
        quiet: Instant::now(),
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
        let fetched = self.batches.recv().await.transpose()?;
        Ok(fetched.map(|(batch, _)| batch))
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

/// The error that a fetch's failure is to the shell.
pub(super) fn explain_fetch(error: Error) -> EngineError {
    match error {
        Error::Server(failure) if failure.message.contains(NO_MORE_KEPT) => {
            let trace = explain(Error::Server(failure)).trace;
            EngineError {
                trace,
                ..no_more_kept()
            }
        }
        error => explain(error),
    }
}

fn no_more_kept() -> EngineError {
    EngineError::failed("the engine has given as many rows as it keeps of one statement")
        .hint(format!("{MAX_ROWS}, behind `?` in the URL, is their number"))
}

struct Fetching {
    query: Arc<Query>,
    schema: SchemaRef,
    log: LogRing,
    given: Given,
    /// So many rows of it the engine keeps.
    kept: u64,
    looks: Looks,
    /// Since when there were no rows, or since when it was said why.
    quiet: Instant,
    /// What the reader was told last, so as not to say it again.
    said: Option<String>,
}

/// Looks at the job of a query. Rows do not wait for them: a cluster may be slow whose query's rows are there.
struct Looks {
    under_way: Option<JoinHandle<(Instant, Result<JobStatus>)>>,
    last: Instant,
    pause: Duration,
    /// When the job was first seen to have ended, or could not be seen.
    over: Option<Instant>,
}

impl Looks {
    fn new() -> Self {
        Self {
            under_way: None,
            last: Instant::now(),
            pause: FIRST_LOOK,
            over: None,
        }
    }

    /// What one has seen that is over; begins another when it is time.
    async fn seen(&mut self, query: &Query) -> Option<Result<JobStatus>> {
        if self.under_way.is_none() && self.last.elapsed() >= self.pause {
            let (jobs, job) = (Arc::clone(&query.jobs), query.job);
            self.under_way = Some(tokio::spawn(async move {
                let status = jobs.status(&job).await;
                (Instant::now(), status)
            }));
        }
        let look = self.under_way.take_if(|look| look.is_finished())?;
        let (when, status) = look.await.ok()?;
        self.last = when;
        self.pause = (self.pause * 2).min(LONGEST_LOOK);
        let goes_on = status.as_ref().is_ok_and(|status| !status.state.is_terminal());
        self.over = if goes_on { None } else { self.over.or(Some(when)) };
        Some(status)
    }
}

impl Fetching {
    /// Fetches until the end, an error, or until nobody reads any more. Then the job goes on: ending it is for its handle.
    async fn run(mut self, sender: mpsc::Sender<Fetched>) {
        let query = Arc::clone(&self.query);
        let mut size = FIRST_PAGE;
        let mut fetches = Fetches::new();
        let room = Arc::new(Semaphore::new(AHEAD_KIB as usize));
        while !query.is_cancelled() && !sender.is_closed() {
            // A fetch that has begun is waited for: the rows that it takes are given only once.
            let (client, operation) = (&query.live.client, &query.operation);
            let fetched = fetches
                .next(client, operation, &self.schema, size, self.looks.over)
                .await;
            match fetched {
                Ok(Page::Rows { rows, bytes }) => {
                    query.has_rows.store(true, Ordering::Release);
                    self.quiet = Instant::now();
                    size = PAGE;
                    let batch = Batch::inserts(rows);
                    self.given.count(&batch);
                    let taken = u32::try_from(bytes / 1024 + 1).map_or(AHEAD_KIB, |kib| kib.min(AHEAD_KIB));
                    // What nobody reads any more gives its room back.
                    let Ok(taken) = Arc::clone(&room).acquire_many_owned(taken).await else {
                        return;
                    };
                    if sender.send(Ok((batch, taken))).await.is_err() {
                        return;
                    }
                    self.look().await;
                }
                Ok(Page::NotYet) => self.look().await,
                Ok(Page::End) => {
                    if let Err(error) = self.check_end(&fetches).await
                        && !query.is_cancelled()
                    {
                        let _ = sender.send(Err(error)).await;
                    }
                    query.close().await;
                    return;
                }
                Err(error) => {
                    // Who has asked for its end sees to it all.
                    if !query.is_cancelled() {
                        let _ = sender.send(Err(self.explain(error).await)).await;
                        query.close().await;
                    }
                    return;
                }
            }
        }
    }

    /// What looks like the end of the rows may be none: the engine gives no more than it keeps, and may have dropped rows.
    async fn check_end(&self, fetches: &Fetches) -> Result<()> {
        let count = self.given.rows();
        let deadline = Instant::now() + ENDING;
        let goes_on = loop {
            match self.query.jobs.status(&self.query.job).await {
                Ok(status) if !status.state.is_terminal() => {}
                // A job that can't be looked at says nothing.
                Ok(_) | Err(_) => break false,
            }
            if Instant::now() >= deadline {
                break true;
            }
            tokio::time::sleep(ENDING_LOOK).await;
        };
        if goes_on || count >= self.kept {
            return Err(self.give_up(no_more_kept()).await);
        }
        let what = match fetches.ending(&self.query.live.client, &self.query.operation).await {
            Ending::Whole => return Ok(()),
            Ending::Cut => "the engine has dropped the last rows, which were fetched too late",
            Ending::Unknown => "the engine may have dropped the last rows, and does not say whether it has",
        };
        let come = match count {
            1 => "1 row has come".to_owned(),
            count => format!("{count} rows have come"),
        };
        Err(EngineError::failed(format!("{what}; {come}"))
            .hint("the query can be sent again; INSERT INTO a table keeps all rows"))
    }

    /// Ends a query that would go on, and whose rows nobody could ever read.
    async fn give_up(&self, shown: EngineError) -> EngineError {
        let job = self.query.job;
        let ended = self.query.end().await;
        let fate = fate(Some(self.query.jobs.as_ref()), Some(job)).await;
        let told = EngineError {
            message: format!("{}; {fate}", shown.message),
            ..shown
        };
        match ended {
            Ok(()) => told,
            Err(error) => told.hint(format!("it could not be ended: {error}; !cancel {job} asks again")),
        }
    }

    /// Why the rows end before their end.
    async fn explain(&self, error: Error) -> EngineError {
        let (job, jobs) = (self.query.job, Some(self.query.jobs.as_ref()));
        let shown = explain_fetch(error.clone());
        match error {
            Error::Server(failure) if failure.message.contains(NO_MORE_KEPT) => self.give_up(shown).await,
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
                let (what, hint) = match ended {
                    Ok(()) => ("; its job was ended", "its rows can't be had any more".to_owned()),
                    Err(_) => {
                        orphan::end_later(&self.query.jobs, job);
                        (
                            "; its job is ended as soon as that can be asked for",
                            format!("!job {job} shows it, !cancel {job} ends it; its rows can't be had any more"),
                        )
                    }
                };
                let mut told = EngineError::new(ErrorKind::Lost, format!("{}{what}; {fate}", shown.message));
                told.trace = shown.trace;
                told.hint(hint)
            }
        }
    }

    /// Looks whether there may be more rows, and if there were none for a while, why not, which the reader is told.
    async fn look(&mut self) {
        let Some(status) = self.looks.seen(&self.query).await else {
            return;
        };
        if self.quiet.elapsed() < QUIET {
            return;
        }
        self.quiet = Instant::now();
        let said = match status {
            Ok(status) => {
                let (job, state) = (&self.query.job, status.state);
                absence(job, status).or_else(|| self.given.limit_reached(job, state))
            }
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
