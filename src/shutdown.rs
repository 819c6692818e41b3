//! The end of a session: what runs inside this process is stopped with a savepoint, what runs on a cluster is named.

use std::sync::Arc;
use std::time::Duration;

use skep_engine::{Connection, ErrorKind, JobState, SavepointRequest, StopRequest};

use crate::engines::DEFAULT_URL;
use crate::error::Error;
use crate::interrupt::Signal;
use crate::job::record::Action;
use crate::job::table::Entry;
use crate::session::Session;
use crate::statement::{self, new_job_id};

/// How long the servers are given to close their sessions.
const LAST_WORD: Duration = Duration::from_secs(2);

/// Leaves the session.
///
/// # Errors
/// A job could not be stopped with a savepoint, or a second Ctrl-C came first.
pub async fn leave(session: &mut Session) -> Result<(), Error> {
    let active: Vec<Entry> = session
        .jobs
        .entries()
        .into_iter()
        .filter(|entry| entry.job.is_active() && is_own(entry))
        .collect();
    let (inside, outside): (Vec<_>, Vec<_>) = active
        .into_iter()
        .partition(|entry| entry.connection.capabilities.jobs_end_with_shell || entry.spool.is_some());
    for entry in &outside {
        if let Some(id) = entry.job.job_id {
            session
                .ui
                .say(&format!("{} goes on: job {id} on {}", entry.job.title(), entry.job.url));
        }
    }
    let stopped = stop_all(session, &inside).await;
    session.ledger.flush().await;
    close(session).await;
    stopped
}

/// Ends the sessions on the servers. One that can't be told finds out by itself that nobody uses it any more.
async fn close(session: &Session) {
    let mut connections: Vec<Arc<Connection>> = session
        .jobs
        .entries()
        .into_iter()
        .map(|entry| entry.connection)
        .chain(session.open.iter().map(|open| Arc::clone(&open.connection)))
        .collect();
    connections.sort_by_key(Arc::as_ptr);
    connections.dedup_by_key(|connection| Arc::as_ptr(connection));
    let closing = connections
        .iter()
        .filter_map(|connection| connection.sql.as_ref())
        .map(|sql| sql.close());
    let _ = tokio::time::timeout(LAST_WORD, futures::future::join_all(closing)).await;
}

/// Whether this session started it: one that it only looked at is another's to end.
const fn is_own(entry: &Entry) -> bool {
    entry.operation.is_some()
}

async fn stop_all(session: &mut Session, entries: &[Entry]) -> Result<(), Error> {
    // A Ctrl-C that ended the script is not the second one.
    session.interrupts.forget();
    let tasks: Vec<_> = entries
        .iter()
        .map(|entry| {
            let acting = session.jobs.acting(entry.job.handle, Action::Stopping);
            if let Some(handle) = entry.job.handle {
                // What comes of it is told here, not by its watcher.
                session.jobs.update(handle, |entry| entry.attended = true);
            }
            let entry = entry.clone();
            tokio::spawn(async move {
                let stopped = stop(&entry).await;
                drop(acting);
                stopped
            })
        })
        .collect();
    let mut failure = None;
    for (entry, mut task) in entries.iter().zip(tasks) {
        let stopped = loop {
            tokio::select! {
                stopped = &mut task => break stopped.map_err(Error::internal)?,
                signal = session.interrupts.next() => {
                    // SIGTERM and SIGHUP stay asked for: they are why this is being done.
                    if signal == Signal::Interrupt {
                        name_checkpoints(session, entries);
                        return Err(signal.error());
                    }
                    tokio::task::yield_now().await;
                    if signal.is_final() {
                        break (&mut task).await.map_err(Error::internal)?;
                    }
                }
            }
        };
        match stopped {
            Ok(Stopped::Saved(savepoint)) => {
                session.ledger.saved(&entry.connection.url, savepoint.clone());
                let number = savepoint
                    .checkpoint_id
                    .map(|id| format!(" · checkpoint {id}"))
                    .unwrap_or_default();
                session
                    .ui
                    .say(&format!("{} stopped with a savepoint{number}", entry.job.title()));
                let url = if entry.job.url == DEFAULT_URL {
                    String::new()
                } else {
                    format!(" -u {}", quote(&entry.job.url))
                };
                let job = entry.job.lasting_reference();
                session.ui.say(&format!("    to go on: skep{url}, then !restore {job}"));
            }
            Ok(Stopped::Ended(state)) => session.ui.say(&format!("{} is {state}", entry.job.title())),
            // It was faster than we.
            Ok(Stopped::Cancelled) if has_finished(session, entry) => {
                session
                    .ui
                    .say(&format!("{} is {}", entry.job.title(), JobState::Finished));
            }
            Ok(Stopped::Cancelled) => session.ui.say(&format!("{} cancelled", entry.job.title())),
            Err(error) => failure = Some(error.within(&entry.job.title())),
        }
    }
    failure.map_or(Ok(()), Err)
}

fn has_finished(session: &Session, entry: &Entry) -> bool {
    let now = entry.job.handle.and_then(|handle| session.jobs.get(handle));
    now.is_some_and(|entry| entry.job.state == Some(JobState::Finished))
}

/// The word as a POSIX shell reads it.
fn quote(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/:.,_-+=@%".contains(c);
    match word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

enum Stopped {
    Saved(skep_engine::Savepoint),
    Cancelled,
    Ended(JobState),
}

/// Stops one job. A query whose rows somebody was to look at has nobody to look any more: it is cancelled.
async fn stop(entry: &Entry) -> Result<Stopped, Error> {
    let jobs = entry.connection.jobs.clone();
    if let (None, Some(jobs), Some(job_id)) = (&entry.spool, &jobs, entry.job.job_id) {
        let savepoint = SavepointRequest {
            trigger: new_job_id(),
            dir: None,
            format: skep_engine::Format::default(),
            numbered: false,
        };
        match jobs
            .stop(
                &job_id,
                StopRequest {
                    savepoint,
                    drain: false,
                },
            )
            .await
        {
            Ok(savepoint) => return Ok(Stopped::Saved(savepoint)),
            Err(error) => match jobs.status(&job_id).await {
                // It was faster than we.
                Ok(status) if status.state.is_terminal() => return Ok(Stopped::Ended(status.state)),
                // A job that can't be saved, such as a batch job, is cancelled below.
                _ if matches!(error.kind, ErrorKind::Unsupported | ErrorKind::Refused) => {}
                _ => return Err(error.into()),
            },
        }
    }
    if let Some(spool) = &entry.spool {
        spool.release();
    }
    if let Some(operation) = &entry.operation {
        statement::end(operation.as_ref(), jobs.as_deref(), entry.job.job_id).await?;
    }
    Ok(Stopped::Cancelled)
}

/// What is left when nobody waits for the savepoints.
fn name_checkpoints(session: &Session, entries: &[Entry]) {
    for handle in entries.iter().filter_map(|entry| entry.job.handle) {
        let Some(entry) = session.jobs.get(handle).filter(|entry| entry.job.is_active()) else {
            continue;
        };
        match entry.job.checkpoint_id {
            Some(id) => session.ui.say(&format!(
                "{} ends at once: its last checkpoint is {id}",
                entry.job.title()
            )),
            None => session
                .ui
                .say(&format!("{} ends at once, without a checkpoint", entry.job.title())),
        }
    }
}

/// The handles of this session's jobs that run inside this process.
fn inside(session: &Session) -> Vec<u32> {
    let entries = session.jobs.entries().into_iter();
    let inside = entries
        .filter(|entry| entry.job.is_active() && is_own(entry) && entry.connection.capabilities.jobs_end_with_shell);
    inside.filter_map(|entry| entry.job.handle).collect()
}

/// Whether a job of this session runs inside this process.
pub fn has_inside(session: &Session) -> bool {
    !inside(session).is_empty()
}

/// Waits until every job that runs inside this process has ended; Ctrl-C ends the waiting.
///
/// # Errors
/// A job has failed, or a signal came.
pub async fn stay(session: &mut Session) -> Result<(), Error> {
    use crate::job::wait::{self, Outcome, Until};
    let handles = inside(session);
    let table = Arc::new(session.jobs.clone());
    match wait::wait(&table, &handles, Until::Finished, false, None, &mut session.interrupts).await {
        Outcome::Reached(jobs) => jobs
            .iter()
            .find(|(_, result)| result.is_err())
            .map_or(Ok(()), |(job, _)| Err(job.ended_badly())),
        Outcome::Interrupted(signal) => Err(signal.error()),
        Outcome::TimedOut(_) => Ok(()),
    }
}
