//! Queries whose rows nobody can read any more, because the shell that read them has ended.

use std::collections::HashMap;

use futures::future::join_all;
use skep_engine::{Connection, JobControl, JobId, JobState};

use crate::job;
use crate::ledger::{Abandoned, Ledger};
use crate::ui::{Ui, sanitize};

/// What is done with a query that runs on although the shell that read its rows has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OrphanedQueries {
    /// It is cancelled, and that is told.
    #[default]
    Cancel,
    /// It is told of.
    Tell,
    /// Nothing.
    Leave,
}

/// Ends the queries that have lost their shell, or tells of them. A job's id is a random one: whatever URL its shell reached this
/// cluster by, what runs here under that id is that query. One whose shell may live, for all that can be seen from here,
/// is told of and left alone.
pub async fn settle(
    connection: &Connection,
    jobs: &dyn JobControl,
    ledger: &Ledger,
    ui: &Ui,
    queries: OrphanedQueries,
) {
    // A ledger that can't be read knows of none; the shell has said so already.
    let abandoned = ledger.abandoned().await.unwrap_or_default();
    if abandoned.is_empty() {
        return;
    }
    // Whether the engine can be asked is for whoever asks it for something.
    let Ok(listed) = jobs.list().await else { return };
    let listed: HashMap<JobId, _> = listed.into_iter().map(|job| (job.job_id, job.status)).collect();
    let mut found = Vec::new();
    for query in abandoned {
        match listed.get(&query.record.job_id()) {
            Some(status) if status.state.is_terminal() => {
                ledger.status(&query.record.intent.url, query.record.job_id(), status.clone());
            }
            Some(status) if !status.lost => found.push((query, status.state)),
            _ => {}
        }
    }
    let seen_to = found
        .iter()
        .map(|(query, state)| see_to(connection, jobs, ledger, ui, queries, query, *state));
    join_all(seen_to).await;
}

async fn see_to(
    connection: &Connection,
    jobs: &dyn JobControl,
    ledger: &Ledger,
    ui: &Ui,
    queries: OrphanedQueries,
    query: &Abandoned,
    state: JobState,
) {
    let (intent, id) = (&query.record.intent, query.record.job_id());
    let what = format!("{} (job {})", sanitize(&intent.name), id.short());
    if !query.is_certain {
        let whose = match query.record.shell_pid {
            Some(pid) => format!("process {pid}, perhaps on another machine"),
            None => "another process".to_owned(),
        };
        ui.note(&format!(
            "{what} is {state}, a query of {whose}: whether anybody still reads its rows can't be seen from here · \
             !cancel {} ends it",
            id.short()
        ));
        return;
    }
    let orphaned = format!("{what} is a query of a shell that has ended: nobody can read its rows any more");
    if queries != OrphanedQueries::Cancel || !connection.capabilities.cancel {
        ui.note(&format!("{orphaned} · it is {state} · !cancel {} ends it", id.short()));
        return;
    }
    match job::cancel::cancel(jobs, &id).await {
        Ok(status) => {
            ui.note(&format!("{orphaned} · cancelled, it is {}", status.state));
            ledger.status(&intent.url, id, status);
        }
        Err(error) => ui.note(&format!(
            "{orphaned} · it could not be cancelled: {error} · !cancel {} tries again",
            id.short()
        )),
    }
}
