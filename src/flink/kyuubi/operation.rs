//! The end of a query, as a ladder: its operation is cancelled, which does nothing here, and closed; if its job goes on, that is
//! asked for by its id. Each step is held against the job's real state.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use skep_engine::{JobControl, JobId, JobState, OperationHandle, Result};
use skep_hive::Error;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::flink::beginning::await_tasks;
use crate::flink::gateway::operation::{await_end, end_job};
use crate::flink::in_task;
use crate::hive::failure::explain;
use crate::hive::session::Live;

/// How long the server is waited for at the end of a query: it answers behind a fetch, which takes a tenth of that.
const CLOSING: Duration = Duration::from_secs(1);

/// A query that the engine runs, in a session of its own.
pub(super) struct Query {
    pub(super) live: Arc<Live>,
    pub(super) operation: skep_hive::OperationHandle,
    pub(super) job: JobId,
    pub(super) jobs: Arc<dyn JobControl>,
    /// When its job was submitted, or a little later.
    begun: Instant,
    /// Set once its end was asked for.
    pub(super) cancelled: AtomicBool,
    /// Set once a row has come: its tasks run then.
    pub(super) has_rows: AtomicBool,
    /// Set once the server was told that it is not needed any more. Whoever comes while that is under way waits for it.
    closed: OnceCell<()>,
}

impl Query {
    pub(super) fn new(
        live: Arc<Live>,
        operation: skep_hive::OperationHandle,
        job: JobId,
        jobs: Arc<dyn JobControl>,
    ) -> Self {
        Self {
            live,
            operation,
            job,
            jobs,
            begun: Instant::now(),
            cancelled: AtomicBool::new(false),
            has_rows: AtomicBool::new(false),
            closed: OnceCell::new(),
        }
    }

    /// Whether its end was asked for.
    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// Lets the server forget it, and its session; its job ends with it.
    pub(super) async fn close(&self) {
        let closing = async || {
            let _ = self.live.client.close(&self.operation).await;
            self.live.close().await;
        };
        self.closed.get_or_init(closing).await;
    }

    /// Ends it and its job.
    ///
    /// # Errors
    /// The job goes on, or nobody can say.
    pub(super) async fn end(&self) -> Result<()> {
        if !self.has_rows.load(Ordering::Acquire) {
            await_tasks(self.jobs.as_ref(), &self.job, self.begun).await;
        }
        let (live, operation) = (Arc::clone(&self.live), self.operation.clone());
        let mut closing = tokio::spawn(async move { live.client.close(&operation).await });
        let answered = match timeout(CLOSING, &mut closing).await {
            Ok(Ok(Err(Error::Server(failure)))) if failure.is_unknown_handle => true,
            // The server may be gone while engine and job live on.
            Ok(Ok(Err(Error::Lost { .. } | Error::Closed(_) | Error::Timeout { .. } | Error::Connect { .. }))) => false,
            Ok(Ok(closed)) => closed.map(|()| true).map_err(explain)?,
            // It hangs, perhaps.
            Ok(Err(_)) | Err(_) => false,
        };
        let has_ended = answered
            && await_end(self.jobs.as_ref(), &self.job)
                .await
                .is_some_and(JobState::is_terminal);
        if !has_ended {
            end_job(self.jobs.as_ref(), &self.job).await?;
        }
        let closed = async || {
            if answered {
                self.live.close().await;
                return;
            }
            let live = Arc::clone(&self.live);
            tokio::spawn(async move {
                if !closing.is_finished() {
                    let _ = closing.await;
                }
                live.close().await;
            });
        };
        self.closed.get_or_init(closed).await;
        Ok(())
    }
}

/// The handle of a query.
pub(super) struct Running(pub(super) Arc<Query>);

#[async_trait]
impl OperationHandle for Running {
    async fn cancel(&self) -> Result<()> {
        self.0.cancelled.store(true, Ordering::Release);
        let query = Arc::clone(&self.0);
        in_task(async move { query.end().await }).await
    }
}

/// The handle of a statement that has been carried out: if it left a job behind, that is all there is to end.
pub(super) struct Done;

#[async_trait]
impl OperationHandle for Done {
    async fn cancel(&self) -> Result<()> {
        Ok(())
    }
}
