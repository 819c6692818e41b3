//! Follows jobs: what the engine says of one goes into the table, into the ledger when it ends, and above the prompt when
//! it is news.

use skep_engine::{EndedBy, EngineError, ErrorKind, JobId, JobState, Watched};
use tokio::sync::watch;

use super::record::{Action, Known};
use super::spool::Progress;
use super::table::{Entry, Table};
use crate::ledger::Ledger;
use crate::ui::Ui;

/// Follows a job until it has ended or is lost.
pub async fn follow(
    table: Table,
    handle: u32,
    job: JobId,
    mut watched: watch::Receiver<Watched>,
    ledger: Ledger,
    ui: Ui,
) {
    loop {
        let now = watched.borrow_and_update().clone();
        if now.status.is_some() || now.problem.is_some() {
            let gone = now
                .problem
                .as_ref()
                .is_some_and(|problem| problem.kind == ErrorKind::NotFound);
            let before = table.get(handle).map(|entry| entry.job);
            let entry = table.update(handle, |entry| entry.job.apply_watched(&now));
            if let (Some(before), Some(entry)) = (before, entry) {
                if before.state != entry.job.state || before.known != entry.job.known {
                    if let Some(status) = now.status {
                        ledger.status(job, status);
                    }
                    announce(&ui, &entry);
                }
                if gone || entry.job.known == Known::Ended {
                    return;
                }
            }
        }
        if watched.changed().await.is_err() {
            return;
        }
    }
}

/// Follows a statement that has no job id, by its rows.
pub async fn follow_rows(table: Table, handle: u32, mut progress: watch::Receiver<Progress>, ui: Ui) {
    loop {
        let now = progress.borrow_and_update().clone();
        let entry = table.update(handle, |entry| {
            entry.job.rows_out = Some(now.rows);
            if let Some(end) = &now.end {
                settle(entry, end.as_ref().err());
            }
        });
        if now.end.is_some() {
            if let Some(entry) = entry {
                announce(&ui, &entry);
            }
            return;
        }
        if progress.changed().await.is_err() {
            return;
        }
    }
}

/// Writes down that a statement without a job id has ended.
pub fn settle(entry: &mut Entry, error: Option<&EngineError>) {
    let state = match error {
        None => JobState::Finished,
        Some(error) if error.kind == ErrorKind::Cancelled => JobState::Canceled,
        Some(_) => JobState::Failed,
    };
    let mut status = skep_engine::JobStatus::new(state);
    // A cancel and a failure are told by the state.
    status.ended_by = (state == JobState::Finished).then_some(EndedBy::Completed);
    status.error = error
        .filter(|_| state == JobState::Failed)
        .map(|error| error.message.clone());
    entry.job.apply(&status);
}

/// Tells of an end that nobody asked for and nobody is waiting for.
fn announce(ui: &Ui, entry: &Entry) {
    let job = &entry.job;
    if entry.attended || job.action != Action::None {
        return;
    }
    let id = job
        .job_id
        .map(|id| format!(" · job {}", id.short()))
        .unwrap_or_default();
    let see = job
        .handle
        .map(|handle| format!(" · !job %{handle}"))
        .unwrap_or_default();
    match (job.known, job.state) {
        (Known::Ended, Some(JobState::Failed)) => {
            let why = job.error.as_deref().unwrap_or("the engine does not say why");
            ui.note(&format!("{}{id} FAILED: {why}{see}", job.title()));
        }
        (Known::Ended, Some(state)) => ui.note(&format!("{}{id} {state}", job.title())),
        (Known::Lost, _) => ui.note(&format!(
            "{}{id} is lost: the engine does not know it any more{see}",
            job.title()
        )),
        (_, Some(JobState::Restarting)) => {
            let why = job.error.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
            ui.note(&format!("{}{id} RESTARTING{why}{see}", job.title()));
        }
        _ => {}
    }
}
