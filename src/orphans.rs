//! What shells that have ended left on a cluster: statements of which they never heard what came of them, and queries whose rows
//! nobody can read any more. The next shell that connects there sees to both.

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::join_all;
use skep_engine::{Connection, JobControl, JobId, JobState, StartedJob};

use crate::job;
use crate::ledger::{Abandoned, Ledger, Outcome};
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

/// Sees to what shells that have ended left on that cluster.
pub async fn settle(connection: Arc<Connection>, ledger: Ledger, ui: Ui, queries: OrphanedQueries) {
    let Some(jobs) = &connection.jobs else { return };
    settle_statements(&connection, jobs.as_ref(), &ledger, &ui).await;
    if queries != OrphanedQueries::Leave && !connection.capabilities.jobs_end_with_shell {
        settle_queries(&connection, jobs.as_ref(), &ledger, &ui, queries).await;
    }
}

/// Asks the engine about the statements of shells that have ended without hearing what came of them, and says it. One that
/// it knows was accepted. That it does not know one proves nothing: a server forgets, and then it is unknown, and asked
/// for again by the next shell.
async fn settle_statements(connection: &Connection, jobs: &dyn JobControl, ledger: &Ledger, ui: &Ui) {
    // What ran in a shell that has ended does not run any more.
    let may_run = !connection.capabilities.jobs_end_with_shell;
    // A ledger that can't be read has nothing to settle; the shell has said so already.
    for record in ledger.orphans(Some(&connection.url)).await.unwrap_or_default() {
        let chosen = record.job_id();
        let name = record.intent.name;
        let why = match jobs.submitted(&chosen).await {
            Ok(Some((job_id, status))) => {
                if may_run {
                    let state = status.state;
                    ui.note(&format!(
                        "{name}, which an earlier shell submitted and heard nothing of: job {job_id} is {state}"
                    ));
                }
                let started = StartedJob {
                    job_id,
                    cluster_id: None,
                    name,
                    bounded: false,
                };
                ledger.accepted(&connection.url, chosen, started, record.operation_id);
                ledger.status(&connection.url, job_id, status);
                continue;
            }
            // Such an engine's jobs are its shell's, and leave a record: without one there was none.
            Ok(None) if !may_run => {
                ledger.settled(&connection.url, chosen, Outcome::NeverArrived);
                continue;
            }
            Ok(None) => "the cluster knows no job of that id".to_owned(),
            Err(error) => error.message,
        };
        // What is unknown already has been said.
        if may_run && record.outcome == Outcome::Open {
            ui.note(&format!(
                "{name}, which an earlier shell submitted and heard nothing of: whether job {chosen} was started is not \
                 known ({why}) · !job {chosen} asks again"
            ));
            let unheard = format!("the shell ended before it heard what came of it; {why}");
            ledger.settled(&connection.url, chosen, Outcome::Unknown(unheard));
        }
    }
}

/// Ends the queries that have lost their shell, or tells of them. A job's id is a random one: whatever URL its shell reached this
/// cluster by, what runs here under that id is that query. One whose shell may live, for all that can be seen from here,
/// is told of and left alone.
async fn settle_queries(
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
