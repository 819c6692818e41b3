//! A SQL statement on its way: from the text to rows on the screen, or to a job in the table.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use skep_engine::{
    Connection, Dialect, EngineError, ErrorKind, JobControl, JobId, JobStatus, Lineage, Operation, OperationHandle,
    Restore, Rows, Sql, Submit,
};
use tokio::task::JoinHandle;

use crate::error::Error;
use crate::foreground::{self, End};
use crate::interrupt::Signal;
use crate::job::record::{Action, Job, Known, Origin};
use crate::job::spool::Spool;
use crate::job::table::Entry;
use crate::job::wait::{self, Until};
use crate::job::watcher;
use crate::ledger::{Intent, Outcome};
use crate::session::Session;
use crate::syntax::classifier::{self, Kind};
use crate::syntax::{secrets, sink};
use crate::ui::quantity;

/// How long a shell that is told to end waits for the cancel of what is in the foreground.
const LAST_CANCEL: Duration = Duration::from_secs(5);

/// A statement to be run.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Its text, without the `;`.
    pub text: String,
    /// The prompt is given back at once.
    pub background: bool,
    /// The state it is to start from.
    pub restore: Option<Start>,
}

/// What a job is to start from, and where.
#[derive(Clone)]
pub struct Start {
    /// The state.
    pub restore: Restore,
    /// The number of the checkpoint, for the record.
    pub checkpoint_id: Option<u64>,
    /// A session with the prelude replayed; the current one if none.
    pub session: Option<(Arc<dyn Sql>, Vec<String>)>,
}

impl std::fmt::Debug for Start {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Start")
            .field("restore", &self.restore)
            .finish_non_exhaustive()
    }
}

/// What became of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It is over.
    Over,
    /// It is a job with this handle.
    Job(u32),
}

/// Runs a statement.
///
/// # Errors
/// It was not accepted, it failed, or the job that was waited for did not end well.
pub async fn execute(session: &mut Session, request: Request) -> Result<Done, Error> {
    let began = Instant::now();
    let open = session.open()?.clone();
    let (sql, prelude) = match request.restore.as_ref().and_then(|start| start.session.clone()) {
        Some((sql, prelude)) => (sql, prelude),
        None => (open.sql()?, open.prelude.clone()),
    };
    let dialect = sql.dialect();
    let kind = classifier::classify(&request.text, &dialect);
    let redacted = secrets::redact(&request.text, &dialect);
    let text = expand(session, &request.text, &dialect)?;
    // What was typed here need not be asked for when a job of this session is restored.
    session
        .secrets
        .extend(redacted.secrets.into_iter().map(|secret| (secret.name, secret.value)));
    let connection = open.connection;

    let starts_job = kind.starts_job();
    let restore = match (&request.restore, starts_job) {
        (Some(start), _) => Some(start.restore.clone()),
        (None, true) => session.settings.restore.take().map(|path| Restore {
            path,
            job_id: None,
            allow_non_restored: false,
            fork: false,
        }),
        (None, false) => None,
    };
    let may_be_job = starts_job || matches!(kind, Kind::Query);
    let job_id = (connection.capabilities.chosen_job_id && may_be_job).then(new_job_id);
    let name = job_name(&kind, &request.text, &dialect);
    let submit = Submit {
        text,
        job_id,
        settings: BTreeMap::new(),
        prelude: prelude.clone().into(),
        recorded: redacted.text.clone(),
        restore: restore.clone(),
    };
    let lineage = restore.as_ref().map(|restore| Lineage {
        job_id: restore.job_id,
        checkpoint_id: request.restore.as_ref().and_then(|start| start.checkpoint_id),
        path: restore.path.clone(),
    });
    let intent = match job_id {
        Some(job_id) if starts_job => {
            let intent = Intent {
                job_id,
                url: connection.url.clone(),
                engine: connection.label.clone(),
                name: name.clone(),
                sql: redacted.text.clone(),
                prelude,
                restored_from: lineage.clone(),
            };
            if let Err(cause) = session.ledger.intend(intent).await {
                session.ui.warn(&format!("this statement is not remembered: {cause}"));
            }
            Some(job_id)
        }
        _ => None,
    };
    let mut task = tokio::spawn(async move { sql.submit(submit).await });
    let (submitted, asked) = match submission(session, &mut task).await {
        Submitted::Answered(answer, asked) => (answer, asked),
        Submitted::Left(signal) => {
            leave_submission(session, task, name, &connection);
            return Err(signal.error());
        }
    };
    let operation = match submitted {
        Ok(operation) => operation,
        Err(error) => {
            if let Some(job_id) = intent {
                note_refusal(session, job_id, &error);
            }
            return Err(error.into());
        }
    };
    for note in &operation.notes {
        session.ui.warn(note);
    }
    if kind.is_session_scoped()
        && request.restore.is_none()
        && let Some(open) = &mut session.open
    {
        open.prelude.push(redacted.text.clone());
    }
    let bounded = operation.job.as_ref().map(|job| job.bounded);
    let wait = waits(session, &kind, bounded, request.background).await;
    let running = Running {
        name: operation.job.as_ref().map_or(name, |job| job.name.clone()),
        sql: redacted.text,
        connection,
        began,
        lineage,
        intent,
        wait,
        background: request.background || asked == Some(Signal::Suspend),
    };
    if asked == Some(Signal::Interrupt) {
        return running.take_back(session, operation).await;
    }
    running.go_on(session, operation).await
}

/// A random id for a job.
pub fn new_job_id() -> JobId {
    JobId::from_bytes(rand::random())
}

/// The statement with `${env:X}` and `${secret:…}` replaced by what they stand for. A secret that nobody has given is
/// asked for at a terminal.
///
/// # Errors
/// One of them stands for nothing.
pub fn expand(session: &mut Session, text: &str, dialect: &Dialect) -> Result<String, Error> {
    for name in secrets::references(text, dialect) {
        if !session.secrets.contains_key(name)
            && let Some(secret) = session.ui.password(&format!("{name}: "))
        {
            session.secrets.insert(name.to_owned(), secret.reveal().to_owned());
        }
    }
    let secret = |name: &str| session.secrets.get(name).cloned();
    secrets::resolve(text, dialect, secret, |name| std::env::var(name).ok()).map_err(|missing| {
        let error = Error::failed(format!("{missing}; nothing was submitted"));
        match missing.origin {
            secrets::Origin::Secret => error.hint(format!(
                "--secret {0}=@FILE gives it, or --secret {0}=VALUE",
                missing.name
            )),
            secrets::Origin::Environment => error.hint(format!("set the environment variable {}", missing.name)),
        }
    })
}

fn job_name(kind: &Kind, text: &str, dialect: &Dialect) -> String {
    if let Some(sink) = sink(text, dialect) {
        return sink;
    }
    match kind {
        Kind::Query => "query".to_owned(),
        _ => text.split_whitespace().take(3).collect::<Vec<_>>().join(" "),
    }
}

/// Whether a job (`bounded` says of one whether it ends by itself) is waited for: it is, or was asked to be.
async fn waits(session: &Session, kind: &Kind, bounded: Option<bool>, background: bool) -> bool {
    if background || bounded.is_none() || !kind.starts_job() {
        return false;
    }
    if bounded == Some(true) {
        return true;
    }
    let Some(sql) = session.open.as_ref().and_then(|open| open.connection.sql.clone()) else {
        return false;
    };
    let is = async |key: &str, value: &str| {
        sql.setting(key)
            .await
            .ok()
            .flatten()
            .is_some_and(|set| set.eq_ignore_ascii_case(value))
    };
    is("table.dml-sync", "true").await || is("execution.runtime-mode", "batch").await
}

enum Submitted {
    /// The engine's answer, and what was asked for in the meantime: Ctrl-C or Ctrl-Z.
    Answered(Result<Operation, EngineError>, Option<Signal>),
    Left(Signal),
}

/// Waits for the engine's answer. The first Ctrl-C says so and goes on waiting, since what was sent can't be taken back;
/// the second leaves.
async fn submission(session: &mut Session, task: &mut JoinHandle<Result<Operation, EngineError>>) -> Submitted {
    let mut asked = None;
    loop {
        tokio::select! {
            answer = &mut *task => {
                let answer = answer.unwrap_or_else(|panic| Err(EngineError::failed(format!("internal error: {panic}"))));
                return Submitted::Answered(answer, asked);
            }
            signal = session.interrupts.next() => match signal {
                Signal::Interrupt if asked == Some(Signal::Interrupt) => return Submitted::Left(signal),
                signal if signal.is_final() => return Submitted::Left(signal),
                Signal::Interrupt => {
                    asked = Some(signal);
                    session.ui.say("the statement is being submitted and will be cancelled as soon as the engine answers · Ctrl-C again to leave it");
                }
                signal => asked = asked.or(Some(signal)),
            }
        }
    }
}

/// The person does not want to wait for the engine's answer: when it comes, what it started is cancelled.
fn leave_submission(
    session: &Session,
    task: JoinHandle<Result<Operation, EngineError>>,
    name: String,
    connection: &Arc<Connection>,
) {
    let ui = session.ui.clone();
    let connection = Arc::clone(connection);
    tokio::spawn(async move {
        let Ok(Ok(operation)) = task.await else { return };
        let job = operation.job.as_ref().map(|job| job.job_id);
        let what = job.map_or_else(|| format!("operation {}", operation.id), |id| format!("job {id}"));
        match end(operation.handle.as_ref(), connection.jobs.as_deref(), job).await {
            Ok(_) => ui.note(&format!("{name}: accepted late as {what}, and cancelled")),
            Err(error) => ui.note(&format!(
                "{name}: accepted late as {what}, and could not be cancelled: {error}"
            )),
        }
    });
}

fn note_refusal(session: &Session, job_id: JobId, error: &EngineError) {
    match error.kind {
        ErrorKind::Lost | ErrorKind::Timeout => {
            session.ledger.settled(job_id, Outcome::Unknown(error.message.clone()));
            session.ui.warn(&format!(
                "whether job {job_id} was started is not known · !job {job_id} asks the engine"
            ));
        }
        _ => session.ledger.settled(job_id, Outcome::Refused(error.message.clone())),
    }
}

/// Ends an operation and the job behind it, and looks whether it has ended. Returns its last status, where it is a job.
///
/// # Errors
/// The engine could not be asked, or the job goes on.
pub async fn end(
    operation: &dyn OperationHandle,
    jobs: Option<&dyn JobControl>,
    job: Option<JobId>,
) -> Result<Option<JobStatus>, EngineError> {
    let asked = operation.cancel().await;
    let (Some(jobs), Some(job)) = (jobs, job) else {
        return asked.map(|()| None);
    };
    let status = match jobs.status(&job).await {
        Ok(status) => status,
        // A job that the engine does not list can't be looked at: its word has to do.
        Err(error) if error.kind == ErrorKind::NotFound => return asked.map(|()| None),
        Err(error) => return Err(error),
    };
    if status.state.is_terminal() {
        return Ok(Some(status));
    }
    // The engine has taken the request, and the job runs on: it is asked for by its id.
    super::job::cancel::cancel(jobs, &job).await.map(Some)
}

/// A statement that the engine has accepted.
struct Running {
    name: String,
    sql: String,
    connection: Arc<Connection>,
    began: Instant,
    lineage: Option<Lineage>,
    intent: Option<JobId>,
    wait: bool,
    background: bool,
}

impl Running {
    /// What was to be cancelled before it was accepted.
    async fn take_back(self, session: &mut Session, mut operation: Operation) -> Result<Done, Error> {
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
            session
                .ledger
                .accepted(job_id, started.clone(), Some(operation.id.clone()));
        }
    }

    async fn go_on(self, session: &mut Session, mut operation: Operation) -> Result<Done, Error> {
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
        let shown = foreground::show(session, rows.as_mut(), false).await;
        let (count, end) = match shown {
            Ok(shown) => shown,
            Err(error) => {
                // The reader is gone: nobody wants the rest.
                drop(rows);
                let job = operation.job.as_ref().map(|job| job.job_id);
                let _ = self::end(operation.handle.as_ref(), self.connection.jobs.as_deref(), job).await;
                return Err(error);
            }
        };
        let rows_text = quantity::counted(count, "row", "rows");
        match end {
            End::Complete => {
                if session.settings.interactive {
                    session
                        .ui
                        .say(&format!("{rows_text} · {}", quantity::duration(self.began.elapsed())));
                }
                Ok(Done::Over)
            }
            End::Failed(error) => Err(error.into()),
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
        let mut task = tokio::spawn(async move { end(handle.as_ref(), connection.jobs.as_deref(), job).await });
        let ended = if signal.is_final() {
            // The shell is about to end, and the cancel would end with it.
            tokio::time::timeout(LAST_CANCEL, &mut task).await.ok()
        } else {
            tokio::select! {
                ended = &mut task => Some(ended),
                _ = session.interrupts.next() => None,
            }
        };
        let what = job.map_or_else(
            || format!("operation {}", operation.id),
            |id| format!("job {}", id.short()),
        );
        match ended {
            Some(Ok(Ok(status))) => {
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
        session.jobs.update(handle, |entry| entry.attended = true);
        let table = session.jobs.clone();
        let outcome = wait::wait(&table, &[handle], Until::Finished, false, None, &mut session.interrupts).await;
        session.jobs.update(handle, |entry| entry.attended = false);
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
        if let Some(handle) = session.jobs.entries().iter().find_map(|entry| {
            let same = operation.job.is_some() && entry.job.job_id == operation.job.as_ref().map(|job| job.job_id);
            same.then_some(entry.job.handle).flatten()
        }) {
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
