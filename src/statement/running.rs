//! A statement that the engine has accepted, until it is over or a job in the table.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use skep_engine::{Connection, EngineError, ErrorKind, JobId, Lineage, Operation, Rows};

use super::Done;
use crate::error::Error;
use crate::foreground::{self, End};
use crate::interrupt::Signal;
use crate::job::record::{Action, Job, Known, Origin};
use crate::job::spool::Spool;
use crate::job::table::Entry;
use crate::job::wait::{self, Until};
use crate::job::watcher;
use crate::session::Session;
use crate::ui::quantity;

/// How long a shell that is told to end waits for the cancel of what is in the foreground.
const LAST_CANCEL: Duration = Duration::from_secs(5);

/// How long the engine's word on a cancel is waited for before the prompt comes back, or a script ends. It is more than
/// all steps of a ladder take that each do their work.
const CANCEL: Duration = Duration::from_secs(10);

/// A statement that the engine has accepted.
pub(super) struct Running {
    pub(super) name: String,
    pub(super) sql: String,
    pub(super) connection: Arc<Connection>,
    pub(super) began: Instant,
    pub(super) lineage: Option<Lineage>,
    pub(super) intent: Option<JobId>,
    pub(super) wait: bool,
    pub(super) background: bool,
    pub(super) is_query: bool,
}

impl Running {
    /// What was to be cancelled before it was accepted.
    pub(super) async fn take_back(self, session: &mut Session, mut operation: Operation) -> Result<Done, Error> {
        let signal = Signal::Interrupt;
        if operation.rows.take().is_none() && operation.job.is_none() {
            session.ui.say("it was carried out before it could be cancelled");
            return Err(signal.error());
        }
        self.accept(session, &operation);
        session.ui.say("cancelling …");
        self.cancel(session, operation, "nothing shown", signal).await
    }

    /// Writes down that the engine has accepted it.
    fn accept(&self, session: &Session, operation: &Operation) {
        if let (Some(job_id), Some(started)) = (self.intent, &operation.job) {
            let url = &self.connection.url;
            session
                .ledger
                .accepted(url, job_id, started.clone(), Some(operation.id.clone()));
        }
    }

    /// A query that is over leaves nothing to go back to. (A job that writes somewhere stays known.)
    fn forget(&self, session: &Session, operation: &Operation) {
        if let (Some(_), Some(job), true) = (self.intent, &operation.job, self.is_query) {
            session.ledger.forget(&self.connection.url, job.job_id);
        }
    }

    /// The rows ended with an error that nobody here asked for. What became of the job behind them is written down as the
    /// engine has it.
    fn ended(&self, session: &Session, operation: &Operation, error: EngineError) -> Error {
        if let (Some(_), Some(job), Some(jobs)) = (self.intent, &operation.job, &self.connection.jobs) {
            let (job_id, jobs, ledger) = (job.job_id, Arc::clone(jobs), session.ledger.clone());
            let url = self.connection.url.clone();
            tokio::spawn(async move {
                if let Ok(status) = jobs.status(&job_id).await {
                    ledger.status(&url, job_id, status);
                }
            });
        }
        Error::of_rows(error, operation.job.is_some())
    }

    /// Shows its rows, or follows its job, in the foreground or the background as was asked for.
    pub(super) async fn go_on(self, session: &mut Session, mut operation: Operation) -> Result<Done, Error> {
        self.accept(session, &operation);
        match operation.rows.take() {
            Some(rows) if self.background => self.detach(session, operation, rows),
            Some(rows) => self.show(session, operation, rows).await,
            None if operation.job.is_some() => self.follow(session, operation).await,
            None => {
                if session.settings.interactive {
                    session
                        .ui
                        .say(&format!("ok · {}", quantity::duration(self.began.elapsed())));
                }
                Ok(Done::Over)
            }
        }
    }

    /// Rows in the foreground.
    async fn show(self, session: &mut Session, operation: Operation, mut rows: Box<dyn Rows>) -> Result<Done, Error> {
        let shown = foreground::show(session, rows.as_mut(), &operation.log, false, self.began).await;
        let (count, end) = match shown {
            Ok(shown) => shown,
            Err(error) => {
                // The reader is gone: nobody wants the rest.
                drop(rows);
                let job = operation.job.as_ref().map(|job| job.job_id);
                let _ = super::end(operation.handle.as_ref(), self.connection.jobs.as_deref(), job).await;
                return Err(error);
            }
        };
        let rows_text = quantity::counted(count, "row", "rows");
        // A statement that gives nothing has no columns.
        let is_empty = rows.schema().fields().is_empty();
        match end {
            End::Complete => {
                self.forget(session, &operation);
                if session.settings.interactive {
                    let what = if is_empty { "ok" } else { rows_text.as_str() };
                    session
                        .ui
                        .say(&format!("{what} · {}", quantity::duration(self.began.elapsed())));
                }
                Ok(Done::Over)
            }
            End::Failed(error) => Err(self.ended(session, &operation, error)),
            End::Interrupted(Signal::Suspend) => self.detach(session, operation, rows),
            End::Interrupted(signal) => {
                session.ui.say("cancelling …");
                // Nobody pulls any more: the engine must be able to end without a reader.
                drop(rows);
                self.cancel(session, operation, &rows_text, signal).await
            }
        }
    }

    /// Cancels what is in the foreground and waits for the engine's word; a second Ctrl-C leaves the rest to the job
    /// table.
    async fn cancel(
        self,
        session: &mut Session,
        operation: Operation,
        so_far: &str,
        signal: Signal,
    ) -> Result<Done, Error> {
        let job = operation.job.as_ref().map(|job| job.job_id);
        let asked = Instant::now();
        let handle = Arc::clone(&operation.handle);
        let connection = Arc::clone(&self.connection);
        let mut task = tokio::spawn(async move { super::end(handle.as_ref(), connection.jobs.as_deref(), job).await });
        let ended = if signal.is_final() {
            // The shell is about to end, and the cancel would end with it.
            tokio::time::timeout(LAST_CANCEL, &mut task).await.ok()
        } else {
            let ended = session.patiently(
                &mut task,
                "it has not ended yet · Ctrl-C again leaves it to end by itself",
            );
            tokio::select! {
                ended = ended => Some(ended),
                _ = session.interrupts.next() => {
                    session.ui.clear_key();
                    None
                }
                () = tokio::time::sleep(CANCEL) => None,
            }
        };
        let what = job.map_or_else(
            || format!("operation {}", operation.id),
            |id| format!("job {}", id.short()),
        );
        match ended {
            Some(Ok(Ok(status))) => {
                self.forget(session, &operation);
                // Its watcher learns of the end a moment later, and the session may end before that.
                if let (Some(status), Some(job), Some(handle)) = (&status, job, registered(session, &operation)) {
                    session.jobs.update(handle, |entry| entry.job.apply(status));
                    session.ledger.status(&self.connection.url, job, status.clone());
                }
                let took = quantity::duration(asked.elapsed());
                let word = match status {
                    Some(status) => format!("cancelled: {what} is {}", status.state),
                    None => "cancelled".to_owned(),
                };
                session.ui.say(&format!("{so_far} · {word} · {took}"));
            }
            Some(Ok(Err(error))) => {
                let handle = self.register(session, &operation, None, Action::None);
                return Err(Error::from(error).hint(format!("{what} is %{handle} · !cancel %{handle} tries again")));
            }
            Some(Err(panic)) => return Err(Error::internal(panic)),
            None => {
                let handle = self.register(session, &operation, None, Action::Cancelling);
                session
                    .ui
                    .say(&format!("[{handle}] the cancel of {what} goes on · !job %{handle}"));
                let (table, ui) = (session.jobs.clone(), session.ui.clone());
                tokio::spawn(async move {
                    let ended = task.await;
                    table.update(handle, |entry| {
                        entry.job.action = Action::None;
                        match &ended {
                            Ok(Ok(Some(status))) => entry.job.apply(status),
                            Ok(Ok(None)) => {
                                let cancelled = EngineError::new(ErrorKind::Cancelled, "cancelled");
                                watcher::settle(entry, Some(&cancelled));
                            }
                            Ok(Err(error)) => entry.job.error = Some(error.message.clone()),
                            Err(panic) => entry.job.error = Some(panic.to_string()),
                        }
                    });
                    match ended {
                        Ok(Ok(_)) => ui.note(&format!("[{handle}] cancelled")),
                        Ok(Err(error)) => ui.note(&format!("[{handle}] could not be cancelled: {error}")),
                        Err(_) => {}
                    }
                });
            }
        }
        Err(signal.error())
    }

    /// Rows in the background: they are kept until `!fg` shows them.
    fn detach(self, session: &mut Session, operation: Operation, rows: Box<dyn Rows>) -> Result<Done, Error> {
        let limit = session.settings.spool_limit;
        let spool = match Spool::start(rows, limit) {
            Ok(spool) => spool,
            Err((cause, rows)) => {
                drop(rows);
                let handle = operation.handle;
                tokio::spawn(async move { drop(handle.cancel().await) });
                return Err(Error::failed(format!(
                    "the rows can't be kept on disk: {cause}; the query was cancelled"
                )));
            }
        };
        let progress = spool.progress();
        let handle = self.register(session, &operation, Some(spool), Action::None);
        if operation.job.is_none() {
            tokio::spawn(watcher::follow_rows(
                session.jobs.clone(),
                handle,
                progress,
                session.ui.clone(),
            ));
        }
        let id = operation
            .job
            .as_ref()
            .map(|job| format!(" · job {}", job.job_id))
            .unwrap_or_default();
        if session.settings.json
            && let Some(entry) = session.jobs.get(handle)
        {
            session.ui.json(&entry.job.timed(Timestamp::now()))?;
        }
        let word = if self.background { "running" } else { "detached" };
        session.ui.say(&format!(
            "[{handle}] {word}{id} · rows are kept (limit {}), !fg %{handle} shows them",
            quantity::bytes(limit)
        ));
        Ok(Done::Job(handle))
    }

    /// A job without rows: the prompt comes back, or it is waited for.
    async fn follow(self, session: &mut Session, operation: Operation) -> Result<Done, Error> {
        let handle = self.register(session, &operation, None, Action::None);
        let Some(entry) = session.jobs.get(handle) else {
            return Err(Error::internal("the job is not in the table"));
        };
        let job = &entry.job;
        if session.settings.json {
            session.ui.json(&job.clone().timed(Timestamp::now()))?;
        }
        let id = job.job_id.map(|id| format!(" · job {id}")).unwrap_or_default();
        let cluster = job
            .cluster_id
            .as_ref()
            .map(|id| format!(" on cluster {id}"))
            .unwrap_or_default();
        let state = job.state.map(|state| format!(" · {state}")).unwrap_or_default();
        session.ui.say(&format!("{}{id}{state}{cluster}", job.title()));
        if self.wait {
            self.attend(session, handle, operation).await
        } else {
            Ok(Done::Job(handle))
        }
    }

    /// Waits for a job in the foreground: Ctrl-C cancels it, Ctrl-Z gives the prompt back.
    async fn attend(self, session: &mut Session, handle: u32, operation: Operation) -> Result<Done, Error> {
        let table = session.jobs.clone();
        watcher::attend(&table, handle);
        let ways_out = if session.settings.interactive {
            "Ctrl-C cancels, Ctrl-Z puts it into the background"
        } else {
            "Ctrl-C cancels"
        };
        let waiting = session.ui.waiting(self.began, ways_out);
        let handles = [handle];
        let finished = wait::wait(&table, &handles, Until::Finished, false, None, &mut session.interrupts);
        let outcome = waiting.until(|| wait::so_far(&table, &handles), finished).await;
        if let wait::Outcome::Interrupted(_) = outcome {
            session.ui.clear_key();
        }
        let is_told = matches!(outcome, wait::Outcome::Reached(_));
        watcher::release(&table, handle, is_told, &session.ui);
        match outcome {
            wait::Outcome::Reached(ended) => {
                for (job, result) in ended {
                    if result.is_err() {
                        return Err(job.ended_badly());
                    }
                    let rows = job
                        .rows_out
                        .map(|n| format!(" · {}", quantity::counted(n, "row", "rows")))
                        .unwrap_or_default();
                    session.ui.say(&format!(
                        "{} FINISHED{rows} · {}",
                        job.title(),
                        quantity::duration(self.began.elapsed())
                    ));
                }
                Ok(Done::Over)
            }
            wait::Outcome::Interrupted(Signal::Suspend) => {
                session.ui.say(&format!("[{handle}] goes on in the background"));
                Ok(Done::Job(handle))
            }
            // The end of the shell is not the end of the job: it is stopped with a savepoint, or stays on its cluster.
            wait::Outcome::Interrupted(signal) if signal.is_final() => Err(signal.error()),
            wait::Outcome::Interrupted(signal) => {
                session.ui.say("cancelling …");
                self.cancel(session, operation, "not finished", signal).await
            }
            wait::Outcome::TimedOut(_) => Ok(Done::Job(handle)),
        }
    }

    /// Puts it into the table and has it followed.
    fn register(&self, session: &Session, operation: &Operation, spool: Option<Spool>, action: Action) -> u32 {
        if let Some(handle) = registered(session, operation) {
            session.jobs.update(handle, |entry| entry.job.action = action);
            return handle;
        }
        let mut job = Job::new(
            self.name.clone(),
            self.connection.label.clone(),
            self.connection.url.clone(),
            Origin::Session,
        );
        job.job_id = operation.job.as_ref().map(|job| job.job_id);
        job.cluster_id = operation.job.as_ref().and_then(|job| job.cluster_id.clone());
        job.sql = Some(self.sql.clone());
        job.started = Some(Timestamp::now());
        job.known = Known::Live;
        job.state = Some(skep_engine::JobState::Running);
        job.as_of = job.started;
        job.action = action;
        job.restored_from = self.lineage.as_ref().map(|lineage| lineage.path.clone());
        let entry = Entry {
            job,
            connection: Arc::clone(&self.connection),
            operation: Some(Arc::clone(&operation.handle)),
            log: operation.log.clone(),
            spool,
            attended: false,
            untold: false,
            silent: false,
        };
        let handle = session.jobs.add(entry);
        if let (Some(job), Some(jobs)) = (&operation.job, &self.connection.jobs) {
            let watched = Arc::clone(jobs).watch(job.job_id);
            let (table, ledger, ui) = (session.jobs.clone(), session.ledger.clone(), session.ui.clone());
            tokio::spawn(watcher::follow(table, handle, job.job_id, watched, ledger, ui));
        }
        handle
    }
}

/// The number in the table of that operation's job, if it is there.
fn registered(session: &Session, operation: &Operation) -> Option<u32> {
    let id = operation.job.as_ref()?.job_id;
    let entries = session.jobs.entries();
    let entry = entries.iter().find(|entry| entry.job.job_id == Some(id))?;
    entry.job.handle
}
