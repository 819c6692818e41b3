//! The end of an operation, as a ladder: cancel it, close it; the job behind it is looked at after each step.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use skep_engine::{EngineError, ErrorKind, JobControl, JobId, JobState, OperationHandle, Result};

use super::api::{Api, Handle};
use super::complaint;
use crate::flink::beginning::await_tasks;

/// How long the job of a closed query is given to end, before it is asked for by its id.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(20);

/// An operation that the gateway has accepted.
pub(super) struct Accepted {
    pub(super) api: Arc<Api>,
    pub(super) session: Handle,
    pub(super) operation: Handle,
    /// The job of a query, which ends with the operation.
    pub(super) job: Option<JobId>,
    pub(super) jobs: Option<Arc<dyn JobControl>>,
    pub(super) cancelled: Arc<AtomicBool>,
}

#[async_trait]
impl OperationHandle for Accepted {
    /// Cancelling answers 500 for whatever has been executed, which a query has once its job is submitted, and that job
    /// runs on (seen on 1.20 and 2.3); closing cancels the job of a query. Of any other statement nothing is left to end
    /// but its job, which is the caller's to end by its id.
    async fn cancel(&self) -> Result<()> {
        self.cancelled.store(true, Ordering::Release);
        if let (Some(jobs), Some(job)) = (&self.jobs, &self.job) {
            await_tasks(jobs.as_ref(), job, Instant::now()).await;
        }
        let (api, session, operation) = (Arc::clone(&self.api), self.session.clone(), self.operation.clone());
        let closed = tokio::spawn(async move {
            let _ = api.cancel(&session, &operation).await;
            api.close(&session, &operation).await
        });
        let closed = closed
            .await
            .unwrap_or_else(|error| Err(EngineError::failed(format!("internal error: {error}"))));
        match closed {
            Err(error) if !complaint::is_session_gone(&error) && !complaint::is_operation_gone(&error) => {
                return Err(error);
            }
            _ => {}
        }
        if let (Some(jobs), Some(job)) = (&self.jobs, &self.job) {
            await_end(jobs.as_ref(), job).await;
        }
        Ok(())
    }
}

/// Ends a job by its id, and waits a moment for it.
///
/// # Errors
/// The cluster could not be asked, or the job goes on.
pub(in crate::flink) async fn end_job(jobs: &dyn JobControl, job: &JobId) -> Result<()> {
    await_tasks(jobs, job, Instant::now()).await;
    jobs.cancel(job).await?;
    match await_end(jobs, job).await {
        Some(state) if !state.is_terminal() => {
            let message = format!("job {job} has been asked to end and is still {state}");
            Err(EngineError::failed(message).hint(format!("!job {job} shows it, !cancel {job} asks again")))
        }
        _ => Ok(()),
    }
}

/// Waits a moment for the job to end; gives the state it was seen in last.
pub(in crate::flink) async fn await_end(jobs: &dyn JobControl, job: &JobId) -> Option<JobState> {
    let deadline = Instant::now() + PATIENCE;
    let mut seen = None;
    while Instant::now() < deadline {
        match jobs.status(job).await {
            Ok(status) => seen = Some(status.state),
            Err(error) if error.kind == ErrorKind::Timeout => {}
            Err(_) => break,
        }
        if seen.is_some_and(JobState::is_terminal) {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    seen
}
