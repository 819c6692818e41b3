//! The beginning of a job, which is not to be cut short.

use std::time::{Duration, Instant};

use skep_engine::{JobControl, JobId, JobState};

/// How long a job that is to end is given to begin. On a machine that has nothing else to do that takes less than one second.
const BEGINNING: Duration = Duration::from_secs(10);

/// How long a job is seen without slots until it is believed to wait for some, so that it has no task that could be hurt. Between the
/// moment in which its tasks are scheduled and that in which they have the slots that there are, a busy cluster was seen to
/// take half a second.
const SCHEDULING: Duration = Duration::from_secs(1);

const LOOK: Duration = Duration::from_millis(20);

/// Waits until the tasks of a job run, for a moment from then on: a query that is cancelled while it is INITIALIZING takes its whole
/// TaskManager with it, and all jobs on that (a NullPointerException in `CollectSinkFunction.accumulateFinalResults`, which
/// Flink counts as fatal; seen on 2.3.0).
pub(super) async fn await_tasks(jobs: &dyn JobControl, job: &JobId, since: Instant) {
    let deadline = since + BEGINNING;
    let mut scheduled: Option<Instant> = None;
    while Instant::now() < deadline {
        match jobs.status(job).await {
            Ok(status) if status.all_tasks_run() && status.tasks.is_some() => return,
            // A task is begun when all have slots.
            Ok(status) if status.waiting.is_some_and(|waiting| waiting > 0) => {
                if scheduled.get_or_insert_with(Instant::now).elapsed() >= SCHEDULING {
                    return;
                }
                tokio::time::sleep(LOOK).await;
            }
            Ok(status)
                if !matches!(
                    status.state,
                    JobState::Initializing | JobState::Created | JobState::Running
                ) =>
            {
                return;
            }
            Ok(_) => {
                scheduled = None;
                tokio::time::sleep(LOOK).await;
            }
            // Who can't be asked can't be waited for.
            Err(_) => return,
        }
    }
}
