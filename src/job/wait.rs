//! Waiting for jobs.

use std::time::Duration;

use skep_engine::{EndedBy, JobState};

use super::record::{Job, Known};
use super::table::Table;
use crate::interrupt::{Interrupts, Signal};
use crate::ui::quantity;

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// It runs: the engine says RUNNING, and so do all its tasks where they are known.
    Running,
    /// It has completed a checkpoint.
    FirstCheckpoint,
    /// It has ended.
    Finished,
}

impl Until {
    /// The words of `--until`.
    pub const WORDS: &'static [&'static str] = &["running", "first-checkpoint", "finished"];

    /// What the word means; one of [`Until::WORDS`].
    pub fn from_word(word: &str) -> Self {
        match word {
            "running" => Self::Running,
            "first-checkpoint" => Self::FirstCheckpoint,
            _ => Self::Finished,
        }
    }

    /// Whether the job has come so far; an error if it never will.
    fn reached(self, job: &Job) -> Option<Result<(), Trouble>> {
        let ended = match (job.known, job.state) {
            (Known::Lost, _) => Some(Err(Trouble::Lost)),
            (Known::Ended, Some(JobState::Failed)) => Some(Err(Trouble::Failed)),
            (Known::Ended, Some(JobState::Canceled)) => Some(Err(Trouble::Cancelled)),
            (Known::Ended, _) => Some(Ok(())),
            _ => None,
        };
        match self {
            Self::Finished => ended,
            Self::Running => match ended {
                None => (job.state == Some(JobState::Running) && job.all_tasks_run).then_some(Ok(())),
                ended => ended,
            },
            Self::FirstCheckpoint if job.checkpoint_id.is_some() => Some(Ok(())),
            // A job that is stopped with a savepoint has one; one that has read all its input needs none.
            Self::FirstCheckpoint => match ended {
                Some(Ok(())) if matches!(job.ended_by, Some(EndedBy::Stopped | EndedBy::Drained)) => Some(Ok(())),
                Some(Ok(())) => Some(Err(Trouble::EndedBefore)),
                ended => ended,
            },
        }
    }
}

/// Why a job will never come so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It has failed.
    Failed,
    /// It was cancelled.
    Cancelled,
    /// The engine does not know it any more.
    Lost,
    /// It ended, well, before it had a checkpoint.
    EndedBefore,
}

/// How waiting ended.
#[derive(Debug)]
pub enum Outcome {
    /// All (or, with `any`, one) have come so far; those that came to trouble instead are named.
    Reached(Vec<(Job, Result<(), Trouble>)>),
    /// Time is up; these still run.
    TimedOut(Vec<Job>),
    /// A signal came.
    Interrupted(Signal),
}

/// How far the jobs of these handles have come, in a line.
pub fn so_far(table: &Table, handles: &[u32]) -> String {
    let jobs = handles.iter().filter_map(|handle| table.get(*handle));
    let active: Vec<_> = jobs.map(|entry| entry.job).filter(Job::is_active).collect();
    match &active[..] {
        [job] => {
            let state = job.state.map(|state| format!(" {state}")).unwrap_or_default();
            let rows = job.rows_out.filter(|rows| *rows > 0);
            let rows = rows.map(|n| format!(" · {}", quantity::counted(n, "row", "rows")));
            format!("{}{state}{}", job.title(), rows.unwrap_or_default())
        }
        jobs => format!("{} of {} jobs go on", jobs.len(), handles.len()),
    }
}

/// Waits until all jobs of these handles, or with `any` one of them, have come so far.
pub async fn wait(
    table: &Table,
    handles: &[u32],
    until: Until,
    any: bool,
    timeout: Option<Duration>,
    interrupts: &mut Interrupts,
) -> Outcome {
    let mut changes = table.watch();
    let deadline = timeout.map(|timeout| tokio::time::Instant::now() + timeout);
    loop {
        changes.borrow_and_update();
        let mut reached = Vec::new();
        let mut open = Vec::new();
        for job in handles
            .iter()
            .filter_map(|handle| table.get(*handle))
            .map(|entry| entry.job)
        {
            match until.reached(&job) {
                Some(result) => reached.push((job, result)),
                None => open.push(job),
            }
        }
        if open.is_empty() || (any && !reached.is_empty()) {
            return Outcome::Reached(reached);
        }
        let time_is_up = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            signal = interrupts.next() => return Outcome::Interrupted(signal),
            // The table lives as long as `table` does.
            _ = changes.changed() => {}
            () = time_is_up => return Outcome::TimedOut(open),
        }
    }
}
