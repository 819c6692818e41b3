//! Cancelling a job by its id, and seeing that it has ended.

use std::time::Duration;

use skep_engine::{EngineError, JobControl, JobId, JobStatus, Result};

/// How often a job that is to end is looked at: first quickly, then less.
const FIRST_LOOK: Duration = Duration::from_millis(10);
const LAST_LOOK: Duration = Duration::from_millis(500);

/// How long a job is given to end after the engine has taken the request.
const LIMIT: Duration = Duration::from_secs(60);

/// Asks for the end of a job and returns when it has ended.
///
/// # Errors
/// The engine could not be asked, the job was lost before it ended, or it has not ended within a minute.
pub async fn cancel(jobs: &dyn JobControl, job: &JobId) -> Result<JobStatus> {
    let status = jobs.status(job).await?;
    if status.state.is_terminal() {
        return Ok(status);
    }
    jobs.cancel(job).await?;
    let mut look = FIRST_LOOK;
    let mut waited = Duration::ZERO;
    loop {
        let status = jobs.status(job).await?;
        if status.state.is_terminal() {
            return Ok(status);
        }
        if status.lost {
            let why = status.error.as_deref().unwrap_or("nobody runs it any more");
            return Err(EngineError::not_found(format!("job {} is lost: {why}", job.short())));
        }
        if waited >= LIMIT {
            let message = format!(
                "job {} has been asked to end and is still {} after {} s",
                job.short(),
                status.state,
                LIMIT.as_secs()
            );
            return Err(EngineError::failed(message).hint("it may end yet: !job shows its state"));
        }
        tokio::time::sleep(look).await;
        waited += look;
        look = (look * 2).min(LAST_LOOK);
    }
}
