//! A SQL statement on its way: from the text to rows on the screen, or to a job in the table.

mod check;
mod objects;
mod plan;
pub mod replay;
mod running;
mod submission;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use skep_engine::{
    ClaimMode, Connection, Dialect, EngineError, ErrorKind, JobControl, JobId, JobStatus, Lineage, LogRing, Operation,
    OperationHandle, Restore, Sql, Submit, Withdrawal,
};

use crate::error::Error;
use crate::interrupt::Signal;
use crate::ledger::{self, Intent, Plan};
use crate::savepoint::{self, Chosen, Which};
use crate::session::{self, RestoreFrom, Session};
use crate::syntax::definitions::Definitions;
use crate::syntax::{Kind, classifier};
use crate::syntax::{job_name, secrets};
use crate::ui::quantity;

pub use check::{Change, Statement, same_query};
use running::Running;
use submission::Submitted;

/// A statement to be run.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Its text, without the `;`.
    pub text: String,
    /// The prompt is given back at once.
    pub background: bool,
    /// The state it is to start from.
    pub restore: Option<Start>,
    /// The id that its job shall have; a new one if none.
    pub job_id: Option<ChosenId>,
}

/// The id that a job shall have, chosen before the statement was run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChosenId {
    /// The id.
    pub id: JobId,
    /// A shell that has ended may have submitted the same statement under it.
    pub again: bool,
}

/// What a job is to start from, and where.
#[derive(Clone)]
pub struct Start {
    /// The state.
    pub restore: Restore,
    /// The number of the checkpoint, for the record.
    pub checkpoint_id: Option<u64>,
    /// Whether another statement than the one that made the state is meant.
    pub change: Change,
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
    let own_session = request.restore.as_ref().and_then(|start| start.session.clone());
    let is_restored = request.restore.is_some();
    let (sql, prelude) = match own_session {
        Some((sql, prelude)) => (sql, prelude),
        None => (open.sql()?, open.needs()),
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
    let start = match (request.restore, starts_job) {
        (Some(start), _) => Some(start),
        (None, true) => waiting(session, &connection).await?,
        (None, false) => None,
    };
    let submitted = check::Statement {
        sql: sql.as_ref(),
        text: &redacted.text,
        prelude: &prelude,
    };
    let maker = match &start {
        Some(start) => Some(check::Maker::find(session, &connection, &start.restore).await),
        None => None,
    };
    if let (Some(start), Some(maker)) = (&start, &maker) {
        check::same_as_made(session, &connection, &submitted, maker, start.change)?;
    }
    let may_be_job = starts_job || matches!(kind, Kind::Query);
    let chosen = request.job_id;
    let job_id = (connection.capabilities.chosen_job_id && may_be_job)
        .then(|| chosen.map_or_else(new_job_id, |chosen| chosen.id));
    let wanted = plan::Wanted {
        submitted: &submitted,
        text: &text,
        kind: &kind,
        job_id,
        maker: maker.as_ref(),
        allow_non_restored: start.as_ref().is_some_and(|start| start.restore.allow_non_restored),
    };
    if let Some(maker) = &maker {
        check::fits(session, maker, &submitted, maker.submission.plan.is_some()).await?;
    }
    let plan = plan::choose(session, &connection, &wanted).await?;
    // Nothing has been submitted yet: Ctrl-C while the server is asked for these takes it back.
    let how = async { Ok(how(&submitted, &kind, start.as_ref(), plan.clone()).await) };
    let how = session.unless_interrupted(how).await.inspect_err(|error| {
        if error.kind == crate::error::ErrorKind::Interrupted {
            session
                .ui
                .say("taken back before it was submitted: nothing was started");
        }
    })?;
    if let Some(maker) = &maker {
        check::same_objects(session, maker, &how.objects, &dialect);
    }
    let restore = start.as_ref().map(|start| start.restore.clone());
    let name = name_of(&kind, &request.text, &dialect);
    let (withdrawal, log) = (Withdrawal::default(), LogRing::default());
    let submit = Submit {
        text,
        job_id,
        settings: BTreeMap::new(),
        prelude: prelude.clone().into(),
        recorded: redacted.text.clone(),
        restore: restore.clone(),
        plan: plan.map(|plan| plan.path),
        keep_checkpoints: session.settings.keep_checkpoints,
        foreground: !request.background,
        withdrawal: withdrawal.clone(),
        log: log.clone(),
    };
    let lineage = restore.as_ref().map(|restore| Lineage {
        job_id: restore.job_id,
        checkpoint_id: start.as_ref().and_then(|start| start.checkpoint_id),
        path: restore.path.clone(),
    });
    let leaves_job = starts_job || connection.capabilities.queries_are_jobs;
    let intent = match job_id {
        Some(job_id) if leaves_job && session.settings.remember => {
            let intent = Intent {
                job_id,
                url: connection.url.clone(),
                engine: connection.label.clone(),
                name: name.clone(),
                sql: redacted.text.clone(),
                prelude,
                restored_from: lineage.clone(),
                submission: how,
            };
            let intended = match chosen {
                Some(ChosenId { again: true, .. }) => session.ledger.intend_again(intent).await,
                _ => session.ledger.intend(intent).await,
            };
            is_written(session, intended)?.then_some(job_id)
        }
        _ => None,
    };
    let mut task = tokio::spawn(async move { sql.submit(submit).await });
    let waiting = session.ui.waiting(began, "Ctrl-C takes it back");
    let answer = submission::answer(session, &mut task, &withdrawal);
    let not_yet = || match log.lines().0.last() {
        Some(line) => line.text.clone(),
        None => "the engine has not answered yet".to_owned(),
    };
    let (submitted, asked) = match waiting.until(not_yet, answer).await {
        Submitted::Answered(answer, asked) => (answer, asked),
        Submitted::Left(signal) => {
            // Whether it was started is not known: the next one is not to start from there as well.
            if starts_job && !is_restored {
                session.settings.restore.spend();
            }
            submission::leave(session, task, name, &connection, intent);
            return Err(signal.error());
        }
    };
    if starts_job && !is_restored && may_have_started(&submitted) {
        // It was for this statement alone.
        session.settings.restore.spend();
    }
    let operation = match submitted {
        Ok(operation) => operation,
        Err(error) => {
            if let Some(job_id) = intent {
                submission::note_refusal(&session.ledger, &session.ui, &connection.url, job_id, &error);
            }
            if error.kind == ErrorKind::Cancelled
                && let Some(signal) = asked
            {
                session
                    .ui
                    .say(&format!("cancelled · {}", quantity::duration(began.elapsed())));
                return Err(signal.error());
            }
            return Err(error.into());
        }
    };
    for note in &operation.notes {
        session.ui.warn(note);
    }
    if kind.is_session_scoped()
        && !is_restored
        && let Some(open) = &mut session.open
        // What outlives the session is there already when it is told again.
        && !Definitions::of(open.prelude.iter().map(String::as_str), &dialect).outlives(&redacted.text, &dialect)
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
        is_query: matches!(kind, Kind::Query),
    };
    if asked == Some(Signal::Interrupt) {
        return running.take_back(session, operation).await;
    }
    running.go_on(session, operation).await
}

/// How a statement is submitted, as it is written down.
async fn how(
    submitted: &check::Statement<'_>,
    kind: &Kind,
    start: Option<&Start>,
    plan: Option<Plan>,
) -> ledger::Submission {
    if !kind.starts_job() {
        return ledger::Submission {
            is_query: matches!(kind, Kind::Query),
            ..ledger::Submission::default()
        };
    }
    ledger::Submission {
        claim: start.map_or(ClaimMode::NoClaim, |start| start.restore.claim),
        plan,
        // What can't be asked for is not known later.
        circumstances: submitted.sql.circumstances().await.unwrap_or_default(),
        objects: objects::definitions(submitted).await,
        is_query: false,
    }
}

/// The state that `!set restore` has named for the next statement that starts a job.
///
/// # Errors
/// It is not there any more, or can't be used.
async fn waiting(session: &Session, connection: &Connection) -> Result<Option<Start>, Error> {
    let RestoreFrom::Path { path, fork } = session.settings.restore.clone() else {
        return Ok(None);
    };
    if connection.stores.is_some() {
        session
            .unless_interrupted(given(session, connection, &path, fork))
            .await?;
    }
    let found = check::state(session, connection, &path).await;
    Ok(Some(Start {
        restore: Restore {
            path,
            job_id: found.as_ref().and_then(|found| found.job_id),
            fork,
            ..Restore::default()
        },
        checkpoint_id: found.and_then(|found| found.checkpoint_id),
        change: Change::Unasked,
        session: None,
    }))
}

/// The state at a path that somebody has given. Of one that lies where this machine can't look nothing is known, which is said:
/// the engine's machines may see it.
///
/// # Errors
/// There is none, or it can't be used.
pub async fn given(session: &Session, connection: &Connection, path: &str, fork: bool) -> Result<Chosen, Error> {
    let savepoint = match session::stores(connection)?.inspect(path).await {
        Ok(savepoint) => savepoint,
        Err(error) if is_out_of_reach(path, &error) && !connection.capabilities.exact_state => {
            session
                .ui
                .warn(&format!("{error}; whether it is there and whole was not checked"));
            savepoint::unseen(path)
        }
        Err(error) => return Err(error.into()),
    };
    let known = savepoint::Known {
        job: savepoint.job_id,
        ancestors: &[],
        savepoints: std::slice::from_ref(&savepoint),
        descendants: &[],
    };
    Ok(savepoint::choose(&Which::Path(savepoint.path.clone()), &known, fork)?)
}

/// Whether a path is on another file system, which could not be asked.
fn is_out_of_reach(path: &str, error: &EngineError) -> bool {
    let is_elsewhere = path.split_once("://").is_some_and(|(scheme, _)| scheme != "file");
    is_elsewhere
        && !matches!(
            error.kind,
            ErrorKind::NotFound | ErrorKind::Protocol | ErrorKind::Cancelled
        )
}

/// Whether a job was started, as far as is known.
fn may_have_started(submitted: &Result<Operation, EngineError>) -> bool {
    match submitted {
        Ok(_) => true,
        Err(error) => matches!(error.kind, ErrorKind::Lost | ErrorKind::Timeout),
    }
}

/// Whether the intent is in the ledger. Where there is no room for it the shell works on without, and says so once.
///
/// # Errors
/// It may well be written in a moment: if this shell ended before the engine has answered, nobody would know of the job.
fn is_written(session: &Session, intended: ledger::Result<()>) -> Result<bool, Error> {
    match intended {
        Ok(()) => Ok(true),
        Err(cause) if cause.is_lasting() => {
            if session.ledger.is_news(&cause) {
                session.ui.warn(&format!("{cause}; what runs now is not remembered"));
            }
            Ok(false)
        }
        Err(cause) => {
            let mut error = Error::failed(format!(
                "{cause}: the statement can't be written down, and was not submitted"
            ));
            error.hints.extend(cause.hint());
            Err(error.hint("!set ledger off submits without writing down"))
        }
    }
}

/// A random id for a job.
pub fn new_job_id() -> JobId {
    JobId::from_bytes(rand::random())
}

/// The words of a statement before what it says in particular, to tell it from others: `CREATE TABLE orders`.
fn beginning(text: &str) -> String {
    const LENGTH: usize = 60;
    let said = text.split(['(', '=', '\'']).next().unwrap_or_default();
    said.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .take(LENGTH)
        .collect()
}

/// The statement with `${env:X}` and `${secret:…}` replaced by what they stand for. A secret that nobody has given is
/// asked for at a terminal.
///
/// # Errors
/// One of them stands for nothing.
pub fn expand(session: &mut Session, text: &str, dialect: &Dialect) -> Result<String, Error> {
    for name in secrets::references(text, dialect) {
        if session.secrets.contains_key(name) {
            continue;
        }
        if let Some(secret) = session.config.secret(name)? {
            session.secrets.insert(name.to_owned(), secret);
        } else if let Some(secret) = session
            .ui
            .password(&format!("secret {name}, for {}: ", beginning(text)))
        {
            session.secrets.insert(name.to_owned(), secret.reveal().to_owned());
        }
    }
    let secret = |name: &str| session.secrets.get(name).cloned();
    secrets::resolve(text, dialect, secret, |name| std::env::var(name).ok()).map_err(|missing| {
        let error = Error::failed(format!("{missing}; nothing was submitted"));
        match missing.origin {
            secrets::Origin::Secret => error.hint(format!(
                "--secret {}=@FILE gives it, or [secrets] in the configuration file",
                missing.name
            )),
            secrets::Origin::Environment => error.hint(format!("set the environment variable {}", missing.name)),
        }
    })
}

fn name_of(kind: &Kind, text: &str, dialect: &Dialect) -> String {
    if let Some(name) = job_name(text, dialect) {
        return name;
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
        session
            .unless_interrupted(async { Ok(sql.setting(key).await?) })
            .await
            .ok()
            .flatten()
            .is_some_and(|set| set.eq_ignore_ascii_case(value))
    };
    is("table.dml-sync", "true").await || is("execution.runtime-mode", "batch").await
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
    crate::job::cancel::cancel(jobs, &job).await.map(Some)
}
