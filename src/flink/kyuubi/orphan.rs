//! A query's job whose server has died: engine and job live on, and nobody can read its rows any more.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use skep_engine::{JobControl, JobId};

use crate::flink::gateway::operation::end_job;

/// How often its end is asked for.
const PAUSE: Duration = Duration::from_secs(2);

/// For how long a server is waited for.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// Ends the job once that can be asked for: where job verbs go over SQL, nobody can before the server is back. Asking twice
/// for the end of a job does no more than asking once.
pub(super) fn end_later(jobs: &Arc<dyn JobControl>, job: JobId) {
    let jobs: Weak<dyn JobControl> = Arc::downgrade(jobs);
    tokio::spawn(async move {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            tokio::time::sleep(PAUSE).await;
            // Its connection was closed.
            let Some(jobs) = jobs.upgrade() else { return };
            if end_job(jobs.as_ref(), &job).await.is_ok() {
                return;
            }
        }
    });
}
