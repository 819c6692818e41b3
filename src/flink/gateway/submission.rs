//! A statement's way to the gateway, and to its first answer. It is sent once: what becomes of a lost reply is asked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use skep_engine::{
    Compile, Compiled, Dialect, EngineError, ErrorKind, JobControl, JobId, JobState, LogRing, Operation, OperationId,
    Result, StartedJob, Submit, Withdrawal,
};

use super::api::{Api, Handle};
use super::complaint;
use super::decode::Decoder;
use super::operation::{self, Accepted};
use super::page::{self, Page, ResultKind, ResultType, RowFormat};
use super::plan;
use super::rows::{self, Source};
use super::session::{Memory, Session};
use super::settings::{self, Circumstances};
use crate::flink::given::Given;
use crate::flink::limits::Backoff;
use crate::syntax::classifier::{Kind, classify};
use crate::syntax::rewritten::Rewritten;
use crate::syntax::{job_name, statement_set};

/// The pauses between two questions whether a statement has been executed.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// How long a job is looked for whose submission was not heard of.
const SEARCH: Duration = Duration::from_secs(10);

/// How long a job is looked for that was on its way when its statement was cancelled.
const LATE: Duration = Duration::from_secs(2);

/// A statement that does nothing, and is done once all before it are.
const BARRIER: &str = "SHOW CURRENT DATABASE";

/// Hands a statement over and returns when it has been executed: its job is submitted, or its rows can be fetched.
pub(super) async fn submit(session: Arc<Session>, submit: Submit) -> Result<Operation> {
    let mut memory = tokio::select! {
        memory = session.turn.lock() => memory,
        () = submit.withdrawal.asked() => return Err(withdrawn()),
    };
    let mut notes = Session::untold(&mut memory);
    let kind = classify(&submit.text, &Dialect::FLINK);
    let leaves_job = kind.starts_job() || matches!(kind, Kind::Query);
    let configuration = if leaves_job {
        session.revived_configuration(&mut memory, &mut notes).await?
    } else {
        BTreeMap::new()
    };
    let circumstances = Circumstances(&configuration);
    let name = circumstances
        .job_name()
        .map(str::to_owned)
        .or_else(|| job_name(&submit.text, &Dialect::FLINK))
        .unwrap_or_else(|| "query".to_owned());
    let (settings, early) = settings::of(&submit, &kind, &name, circumstances, session.version);
    if early && !memory.said_early {
        memory.said_early = true;
        notes.push(settings::EARLY.to_owned());
    }
    if kind.starts_job() && !matches!(kind, Kind::Insert { values: true }) {
        notes.extend(circumstances.at_risk(submit.keep_checkpoints).map(str::to_owned));
    }
    let sent = match &submit.plan {
        Some(path) => plan::executing(path),
        None => statement_set::as_execute(&submit.text, &Dialect::FLINK)
            .unwrap_or_else(|| Rewritten::unchanged(&submit.text)),
    };
    let statement = Statement {
        session: &session,
        submit: &submit,
        kind: &kind,
        sent: &sent,
        settings,
        name,
        is_batch: circumstances.is_batch(),
    };
    let mut operation = statement.carry_out(&mut memory, &mut notes).await?;
    operation.notes = notes;
    if kind.is_session_scoped() {
        Session::remember(&mut memory, &submit.text);
    }
    Ok(operation)
}

/// Compiles a statement into a file, which the gateway writes. Gives its nodes the numbers of an earlier plan where it is to
/// be like that one.
pub(super) async fn compile(session: Arc<Session>, request: Compile) -> Result<Compiled> {
    let mut memory = session.turn.lock().await;
    let mut notes = Vec::new();
    session.revived_configuration(&mut memory, &mut notes).await?;
    let sent = plan::compiling(&request.text, &request.path);
    let (key, value) = plan::CATALOG_OBJECTS;
    let settings = BTreeMap::from([(key.to_owned(), value.to_owned())]);
    run_with(&session.api, &session.handle(), sent.text(), &settings)
        .await
        .map_err(|error| complaint::of_statement(error, &request.text, &sent))?;
    drop(memory);
    let path = request.path.clone();
    let fitted = tokio::task::spawn_blocking(move || plan::fit(&request)).await;
    let mut compiled = match fitted.map_err(|error| EngineError::failed(format!("internal error: {error}"))) {
        Ok(Ok(compiled)) => compiled,
        Ok(Err(error)) | Err(error) => {
            // Nothing is to be run from it.
            plan::remove(&path);
            return Err(error);
        }
    };
    compiled.notes.splice(0..0, notes);
    Ok(compiled)
}

/// Runs a statement that has no rows to show and starts no job, and waits for it.
pub(super) async fn run(api: &Api, session: &Handle, text: &str) -> Result<()> {
    run_with(api, session, text, &BTreeMap::new()).await
}

async fn run_with(api: &Api, session: &Handle, text: &str, settings: &BTreeMap<String, String>) -> Result<()> {
    let operation = api.submit(session, text, settings).await?;
    let first = await_page(api, session, &operation, &Withdrawal::default()).await;
    let closed = api.close(session, &operation).await;
    first?;
    closed
}

struct Statement<'a> {
    session: &'a Session,
    submit: &'a Submit,
    kind: &'a Kind,
    sent: &'a Rewritten,
    settings: BTreeMap<String, String>,
    name: String,
    is_batch: bool,
}

impl Statement<'_> {
    async fn carry_out(&self, memory: &mut Memory, notes: &mut Vec<String>) -> Result<Operation> {
        let (handle, operation) = match self.send(memory, notes).await {
            Ok(sent) => sent,
            Err(error) if is_unheard(&error) || error.kind == ErrorKind::Protocol => {
                return self.find(error, true, notes).await;
            }
            Err(error) => return self.refused_unsent(error, notes).await,
        };
        let api = &self.session.api;
        let first = match await_page(api, &handle, &operation, &self.submit.withdrawal).await {
            Ok(first) => first,
            Err(error) if error.kind == ErrorKind::Cancelled => {
                self.clear_away().await?;
                return Err(error);
            }
            Err(error) if is_gone(&error) => {
                let message = format!("{} has dropped the statement (was it restarted?)", api.server());
                return self.find(EngineError { message, ..error }, false, notes).await;
            }
            Err(error) if is_unheard(&error) || error.kind == ErrorKind::Protocol => {
                return self.find(error, false, notes).await;
            }
            Err(error) => return self.refused(error, notes).await,
        };
        match self.take(handle, operation, &first) {
            // It has been executed, and what it answers can't be understood.
            Err(error) if error.kind == ErrorKind::Protocol => self.find(error, false, notes).await,
            taken => taken,
        }
    }

    /// The gateway says that it failed. Its own way to the JobManager may have broken after the job had arrived there,
    /// and then the job runs (a submission that the gateway repeated is answered with `DuplicateJobSubmissionException`).
    /// A job that could not be set up, because the state to restore does not fit it, is in the cluster's list as FAILED
    /// (seen on 1.20 and 2.3): that one never ran, and the gateway's word is its end.
    async fn refused(&self, error: EngineError, notes: &mut Vec<String>) -> Result<Operation> {
        let was_repeated = complaint::is_repeated(&error);
        let error = self.complaint(error);
        if let (ErrorKind::Failed, true) = (error.kind, self.kind.starts_job())
            && let (Some(jobs), Some(chosen)) = (&self.session.jobs, self.submit.job_id)
            && let Ok(Some((job_id, status))) = jobs.submitted(&chosen).await
            && (was_repeated || status.state != JobState::Failed)
        {
            return self.found(job_id, error, notes).await;
        }
        Err(error)
    }

    /// The statement itself was answered with an error. Whoever answered may have passed it on all the same; then its job is
    /// there once the session has done what was sent to it.
    async fn refused_unsent(&self, error: EngineError, notes: &mut Vec<String>) -> Result<Operation> {
        if let (ErrorKind::Failed, true) = (error.kind, self.kind.starts_job())
            && let (Some(jobs), Some(chosen)) = (&self.session.jobs, self.submit.job_id)
            && run(&self.session.api, &self.session.handle(), BARRIER).await.is_ok()
            && let Ok(Some((job_id, _))) = jobs.submitted(&chosen).await
        {
            return self.found(job_id, error, notes).await;
        }
        Err(self.complaint(error))
    }

    /// Sends it. A session that is gone can't have taken it: it is sent again in a new one.
    async fn send(&self, memory: &Memory, notes: &mut Vec<String>) -> Result<(Handle, Handle)> {
        let api = &self.session.api;
        let handle = self.session.handle();
        match api.submit(&handle, self.sent.text(), &self.settings).await {
            Ok(operation) => Ok((handle, operation)),
            Err(error) if complaint::is_session_gone(&error) => {
                self.session.revive(memory, notes).await?;
                let handle = self.session.handle();
                let operation = api.submit(&handle, self.sent.text(), &self.settings).await?;
                Ok((handle, operation))
            }
            Err(error) => Err(error),
        }
    }

    fn complaint(&self, error: EngineError) -> EngineError {
        complaint::of_statement(error, &self.submit.text, self.sent)
    }

    /// Makes an operation of the first page.
    fn take(&self, handle: Handle, operation: Handle, first: &First) -> Result<Operation> {
        let page = page::read(&first.bytes)?;
        let Some(results) = &page.results else {
            return Err(EngineError::new(
                ErrorKind::Protocol,
                "the gateway gave a result without columns",
            ));
        };
        let decoder = Decoder::new(results.columns.clone(), first.format);
        let batch = decoder.decode(results)?;
        // Version 1 of the interface does not say it.
        let is_query = page.is_query.unwrap_or(matches!(self.kind, Kind::Query));
        let job_id = job_of(&page, batch.as_ref());
        let cancelled = Arc::new(AtomicBool::new(false));
        let log = LogRing::default();
        let session = self.session;
        let job = job_id.map(|job_id| self.started(job_id));
        let has_rows = is_query || (page.kind != Some(ResultKind::Success) && job.is_none());
        let query_job = job_id.filter(|_| is_query);
        let rows = if has_rows {
            let source = Source {
                api: Arc::clone(&session.api),
                session: handle.clone(),
                operation: operation.clone(),
                format: first.format,
                job: query_job,
                jobs: session.jobs.clone(),
                cancelled: Arc::clone(&cancelled),
                log: log.clone(),
            };
            let next = page.next_token.filter(|_| page.result_type == ResultType::Payload);
            let given = Given::nothing_of(self.sent.text());
            let rows = rows::fetch(source, decoder, is_query && !self.is_batch, given, batch, next);
            Some(Box::new(rows) as Box<dyn skep_engine::Rows>)
        } else {
            // The gateway need not keep it: what it did is done, and its job goes on.
            let (api, session, operation) = (Arc::clone(&session.api), handle.clone(), operation.clone());
            tokio::spawn(async move { api.close(&session, &operation).await });
            None
        };
        Ok(Operation {
            id: OperationId(operation.as_str().to_owned()),
            job,
            rows,
            notes: Vec::new(),
            log,
            handle: Arc::new(Accepted {
                api: Arc::clone(&session.api),
                session: handle,
                operation,
                job: query_job,
                jobs: session.jobs.clone(),
                cancelled,
            }),
        })
    }

    fn started(&self, job_id: JobId) -> StartedJob {
        StartedJob {
            job_id,
            cluster_id: self.session.cluster_id.clone(),
            name: self.name.clone(),
            bounded: self.is_batch || matches!(self.kind, Kind::Insert { values: true }),
        }
    }

    /// Looks for the job of a statement whose acceptance was not heard of. `unsent`: the statement itself may not have
    /// arrived.
    async fn find(&self, error: EngineError, unsent: bool, notes: &mut Vec<String>) -> Result<Operation> {
        let lost = |error: EngineError| EngineError {
            kind: ErrorKind::Lost,
            ..error
        };
        let (Some(jobs), Some(chosen)) = (&self.session.jobs, self.submit.job_id) else {
            return Err(lost(error));
        };
        if let Some(job_id) = search(jobs.as_ref(), &chosen).await {
            return self.found(job_id, error, notes).await;
        }
        if unsent && error.kind != ErrorKind::Timeout {
            // Once a later statement of the session is done, the earlier one is too, if it arrived at all.
            let (api, handle) = (&self.session.api, self.session.handle());
            if run(api, &handle, BARRIER).await.is_ok() {
                return match jobs.submitted(&chosen).await {
                    Ok(Some((job_id, _))) => self.found(job_id, error, notes).await,
                    Ok(None) => Err(EngineError {
                        kind: ErrorKind::Failed,
                        message: format!(
                            "{}; the statement did not arrive, and nothing was started",
                            error.message
                        ),
                        ..error
                    }),
                    Err(_) => Err(lost(error)),
                };
            }
        }
        Err(lost(error))
    }

    /// The statement was accepted, but its operation can't be asked any more.
    async fn found(&self, job_id: JobId, error: EngineError, notes: &mut Vec<String>) -> Result<Operation> {
        if matches!(self.kind, Kind::Query) {
            // Nobody will ever read its rows.
            let jobs = self.session.jobs.as_deref();
            let ended = match jobs {
                Some(jobs) => operation::end_job(jobs, &job_id).await,
                None => Ok(()),
            };
            // One that goes on stays in the ledger.
            let kind = match ended {
                Ok(()) => ErrorKind::Failed,
                Err(_) => ErrorKind::Lost,
            };
            let fate = rows::fate(jobs, Some(job_id)).await;
            let message = match ended {
                Ok(()) => format!(
                    "{}; its rows can't be had, so that it was cancelled: {fate}",
                    error.message
                ),
                Err(failed) => format!(
                    "{}; its rows can't be had, and it could not be cancelled ({failed}): {fate}",
                    error.message
                ),
            };
            return Err(EngineError { kind, message, ..error });
        }
        notes.push(format!("{}: the job was found on the cluster by its id", error.message));
        Ok(Operation {
            id: OperationId(String::new()),
            job: Some(self.started(job_id)),
            rows: None,
            notes: Vec::new(),
            log: LogRing::default(),
            handle: Arc::new(Lost),
        })
    }

    /// The operation was cancelled before it had been executed; its job may have been on its way.
    async fn clear_away(&self) -> Result<()> {
        let (Some(jobs), Some(chosen)) = (&self.session.jobs, self.submit.job_id) else {
            return Ok(());
        };
        // Cancelling interrupts the gateway's own wait; what it had sent to the JobManager by then arrives all the same.
        let deadline = Instant::now() + LATE;
        let mut backoff = Backoff::new();
        loop {
            match jobs.submitted(&chosen).await {
                Ok(Some((job_id, status))) if !status.state.is_terminal() => {
                    return operation::end_job(jobs.as_ref(), &job_id).await;
                }
                Ok(None) if Instant::now() < deadline => backoff.pause().await,
                Ok(_) => return Ok(()),
                Err(error) => {
                    return Err(EngineError {
                        kind: ErrorKind::Lost,
                        message: format!(
                            "the statement was cancelled; whether its job {chosen} had started is not known: {error}"
                        ),
                        ..error
                    });
                }
            }
        }
    }
}

/// The handle of an operation that can't be asked any more: its job is all there is.
struct Lost;

#[async_trait::async_trait]
impl skep_engine::OperationHandle for Lost {
    async fn cancel(&self) -> Result<()> {
        Ok(())
    }
}

/// The first page of a result, and the format it could be had in.
pub(super) struct First {
    bytes: Vec<u8>,
    format: RowFormat,
}

/// Waits until an operation has been executed, or has failed. If it is withdrawn before, it is cancelled.
async fn await_page(api: &Api, session: &Handle, operation: &Handle, withdrawal: &Withdrawal) -> Result<First> {
    let mut format = RowFormat::Json;
    let mut pause = FIRST_PAUSE;
    let mut away: Option<Instant> = None;
    // Once is enough: what could not be cancelled has been executed, or the gateway is away.
    let mut asked = false;
    loop {
        match api.fetch(session, operation, 0, format).await {
            Ok(bytes) => {
                if page::read(&bytes)?.result_type != ResultType::NotReady {
                    return Ok(First { bytes, format });
                }
                away = None;
            }
            // Types that can't be written in JSON: the same page can be asked for in another form.
            Err(error) if complaint::is_unwritable(&error) && format == RowFormat::Json => {
                format = RowFormat::PlainText;
                continue;
            }
            Err(error) if is_unheard(&error) || error.kind == ErrorKind::Connect => {
                let since = *away.get_or_insert_with(Instant::now);
                if since.elapsed() >= api.client().limits().outage {
                    return Err(EngineError {
                        kind: ErrorKind::Lost,
                        ..error
                    });
                }
            }
            Err(error) => return Err(error),
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = withdrawal.asked(), if !asked => {
                asked = true;
                if api.cancel(session, operation).await.is_ok() {
                    let _ = api.close(session, operation).await;
                    return Err(withdrawn());
                }
            }
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// The job that was submitted under that id, if it turns up within a while. That it does not proves nothing.
pub(in crate::flink) async fn search(jobs: &dyn JobControl, chosen: &JobId) -> Option<JobId> {
    let deadline = Instant::now() + SEARCH;
    let mut backoff = Backoff::new();
    loop {
        if let Ok(Some((job_id, _))) = jobs.submitted(chosen).await {
            return Some(job_id);
        }
        if Instant::now() >= deadline {
            return None;
        }
        backoff.pause().await;
    }
}

/// The job that a statement started. Version 1 of the interface says it in a row only.
fn job_of(page: &Page<'_>, batch: Option<&skep_engine::Batch>) -> Option<JobId> {
    if page.job_id.is_some() {
        return page.job_id;
    }
    let rows = &batch?.rows;
    let schema = rows.schema();
    if schema.fields().len() != 1 || schema.field(0).name() != "job id" {
        return None;
    }
    rows.column(0).as_string_opt::<i32>()?.value(0).parse().ok()
}

/// The request may have been taken: its reply was not heard.
fn is_unheard(error: &EngineError) -> bool {
    matches!(error.kind, ErrorKind::Lost | ErrorKind::Timeout)
}

/// The gateway does not know the operation any more.
fn is_gone(error: &EngineError) -> bool {
    complaint::is_operation_gone(error) || complaint::is_session_gone(error)
}

fn withdrawn() -> EngineError {
    EngineError::new(
        ErrorKind::Cancelled,
        "the statement was cancelled before it had started anything",
    )
}
