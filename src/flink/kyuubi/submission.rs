//! A statement's way to the engine. What starts a job goes, with the settings that are for it alone, through a session that is
//! opened for it: the engine takes no settings that go with a statement, and what is SET would stick. It is sent once: what
//! becomes of a lost reply is asked of the cluster, by the job's id.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{AsArray, RecordBatch};
use skep_engine::{
    Attempt, Dialect, EngineError, ErrorKind, JobId, LogRing, Operation, OperationId, Result, StartedJob, Submit,
};
use skep_hive::{Error, OperationHandle};

use super::Flink;
use super::changes;
use super::fetch;
use super::list::List;
use super::operation::{self, Query};
use super::rows;
use crate::flink::gateway::complaint;
use crate::flink::gateway::operation::end_job;
use crate::flink::gateway::rows::fate;
use crate::flink::gateway::settings::{self, Circumstances};
use crate::flink::gateway::submission::search;
use crate::flink::given::Given;
use crate::hive::failure::explain;
use crate::hive::operation::Running;
use crate::hive::rows::{ANSWER_LIMIT, too_long};
use crate::hive::session::{Live, Session};
use crate::syntax::classifier::{Kind, classify};
use crate::syntax::rewritten::Rewritten;
use crate::syntax::{job_name, statement_set};

/// The configuration of a session.
pub(super) async fn configuration(session: &Session) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for rows in rows_of(session, "SET").await? {
        let columns: Vec<_> = rows
            .columns()
            .iter()
            .filter_map(|column| column.as_string_opt::<i32>())
            .collect();
        let [keys, values] = columns[..] else {
            return Err(EngineError::new(
                ErrorKind::Protocol,
                "SET answered without keys and values",
            ));
        };
        for (key, value) in keys.iter().zip(values) {
            found.insert(key.unwrap_or_default().to_owned(), value.unwrap_or_default().to_owned());
        }
    }
    Ok(found)
}

/// The rows of a statement that starts no job and has them all at once, see [`List::of`].
pub(super) async fn rows_of(session: &Session, text: &str) -> Result<Vec<RecordBatch>> {
    let running = carried_out(session, text).await?;
    let found = gather(running.clone(), text).await;
    running.close().await;
    found
}

async fn gather(running: Running, text: &str) -> Result<Vec<RecordBatch>> {
    let mut list = List::of(running, true).await?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    while let Some((rows, took)) = list.next().await? {
        found.push(rows);
        bytes += took;
        if bytes > ANSWER_LIMIT {
            return Err(too_long(text));
        }
    }
    Ok(found)
}

/// Carries out a statement that starts no job, and whose rows are not wanted.
pub(super) async fn tell(session: &Session, text: &str) -> Result<()> {
    carried_out(session, text).await?.close().await;
    Ok(())
}

async fn carried_out(session: &Session, text: &str) -> Result<Running> {
    let (live, operation) = execute(session, text, &Attempt::default()).await?;
    let running = Running::new(Arc::clone(&live.client), operation);
    running.finish().await?;
    Ok(running)
}

/// Sends a statement through the session that all share.
async fn execute(session: &Session, text: &str, attempt: &Attempt) -> Result<(Arc<Live>, OperationHandle)> {
    let text: Arc<str> = text.into();
    session
        .call(attempt, |live| {
            let text = Arc::clone(&text);
            async move { live.client.execute(&live.handle, &text, &BTreeMap::new(), None).await }
        })
        .await
}

/// Hands a statement over and returns when it has been carried out: its job is submitted, or its rows can be fetched.
pub(super) async fn submit(flink: Flink, submit: Submit) -> Result<Operation> {
    let kind = classify(&submit.text, &Dialect::FLINK);
    let mut operation = if kind.starts_job() || matches!(kind, Kind::Query) {
        start(&flink, &submit, &kind).await?
    } else {
        carry_out(&flink, &submit, &kind).await?
    };
    let said = flink.0.session.unsaid().await;
    operation.notes.splice(0..0, said);
    Ok(operation)
}

/// A statement that starts no job.
async fn carry_out(flink: &Flink, submit: &Submit, kind: &Kind) -> Result<Operation> {
    let session = &flink.0.session;
    let sent = Rewritten::unchanged(&submit.text);
    let complain = |error| complaint::of_statement(error, &submit.text, &sent);
    let (live, operation) = execute(session, &submit.text, &submit.attempt())
        .await
        .map_err(complain)?;
    let running = Running::new(Arc::clone(&live.client), operation);
    running.finish().await.map_err(complain)?;
    if !kind.is_session_scoped() {
        return follow(running).await.map_err(complain);
    }
    // That it is OK would take a fetch, and that two seconds.
    running.close().await;
    session.remember(&live, &submit.text).await;
    Ok(Operation {
        id: OperationId(running.operation.id().to_string()),
        job: None,
        rows: None,
        notes: Vec::new(),
        log: running.log,
        handle: Arc::new(operation::Done),
    })
}

/// What comes of a statement that has been carried out and is no query.
async fn follow(running: Running) -> Result<Operation> {
    match List::of(running.clone(), false).await {
        Ok(list) => Ok(list.follow()),
        Err(error) => {
            running.close().await;
            Err(error)
        }
    }
}

/// A statement that starts a job.
async fn start(flink: &Flink, submit: &Submit, kind: &Kind) -> Result<Operation> {
    let configuration = flink.settings().await;
    let circumstances = Circumstances(&configuration);
    let name = circumstances
        .job_name()
        .map(str::to_owned)
        .or_else(|| job_name(&submit.text, &Dialect::FLINK))
        .unwrap_or_else(|| "query".to_owned());
    let (mut settings, early) = settings::of(submit, kind, &name, circumstances, flink.0.version);
    let mut notes = Vec::new();
    if early && !flink.0.said_early.swap(true, Ordering::Relaxed) {
        notes.push(settings::EARLY.to_owned());
    }
    if kind.starts_job() && !matches!(kind, Kind::Insert { values: true }) {
        notes.extend(circumstances.at_risk(submit.keep_checkpoints).map(str::to_owned));
    }
    if matches!(kind, Kind::Query) {
        if !circumstances.is_batch() && changes::may_update(&submit.text) {
            notes.push(changes::UNKNOWN.to_owned());
        }
        let (key, value) = fetch::TIMEOUT;
        settings.insert(key.to_owned(), value.to_owned());
    }
    let sent =
        statement_set::as_execute(&submit.text, &Dialect::FLINK).unwrap_or_else(|| Rewritten::unchanged(&submit.text));
    let submission = Submission {
        flink,
        submit,
        kind,
        sent,
        name,
        is_batch: circumstances.is_batch(),
    };
    let live = Arc::new(flink.0.session.branch(&settings, &submit.attempt()).await?);
    let mut operation = submission.send(live).await?;
    operation.notes.splice(0..0, notes);
    Ok(operation)
}

struct Submission<'a> {
    flink: &'a Flink,
    submit: &'a Submit,
    kind: &'a Kind,
    sent: Rewritten,
    name: String,
    is_batch: bool,
}

impl Submission<'_> {
    /// Sends it through a session of its own.
    async fn send(&self, live: Arc<Live>) -> Result<Operation> {
        let sent = live
            .client
            .execute(&live.handle, self.sent.text(), &BTreeMap::new(), None)
            .await;
        let operation = match sent {
            Ok(operation) => operation,
            Err(error @ (Error::Lost { .. } | Error::Timeout { .. } | Error::Protocol { .. })) => {
                return self.find(explain(error)).await;
            }
            Err(error) => {
                live.close().await;
                return Err(self.complaint(explain(error)));
            }
        };
        // Asked before anything is fetched: it would wait for that.
        let job_id = match live.client.query_id(&operation).await {
            Ok(text) => text.parse().ok(),
            // Not told: if it has been carried out, its job has the id that was chosen for it.
            Err(_) => match Running::new(Arc::clone(&live.client), operation.clone()).finish().await {
                Ok(_) => self.submit.job_id,
                Err(error) if matches!(error.kind, ErrorKind::Lost | ErrorKind::Timeout | ErrorKind::Connect) => {
                    return self.find(error).await;
                }
                Err(error) => {
                    live.close().await;
                    return Err(self.complaint(error));
                }
            },
        };
        match job_id {
            Some(job_id) if matches!(self.kind, Kind::Query) => self.query(live, operation, job_id).await,
            Some(job_id) => {
                let id = OperationId(operation.id().to_string());
                // What it did is done, and its job goes on.
                tokio::spawn(async move {
                    let _ = live.client.close(&operation).await;
                    live.close().await;
                });
                Ok(self.accepted(id, self.started(job_id)))
            }
            None => {
                let running = Running::new(Arc::clone(&live.client), operation);
                running.finish().await.map_err(|error| self.complaint(error))?;
                follow(running).await
            }
        }
    }

    /// A query, whose rows are fetched.
    async fn query(&self, live: Arc<Live>, operation: OperationHandle, job_id: JobId) -> Result<Operation> {
        let running = Running::new(Arc::clone(&live.client), operation.clone());
        let jobs = Arc::clone(&self.flink.0.jobs);
        let query = Arc::new(Query::new(live, operation, job_id, jobs));
        self.flink.keep(&query);
        let schema = match running.finish().await {
            Ok(_) => rows::schema(&query).await,
            Err(error) => Err(error),
        };
        let schema = match schema {
            Ok(schema) => schema,
            Err(error) => {
                // Nobody will ever read its rows: its job ends with it.
                query.close().await;
                return Err(self.complaint(error));
            }
        };
        let log = LogRing::default();
        let kept = self.flink.0.base.get(rows::MAX_ROWS);
        let given = Given::nothing_of(&self.submit.text);
        let fetched = rows::fetch(Arc::clone(&query), schema, log.clone(), given, kept.map(String::as_str));
        Ok(Operation {
            id: OperationId(query.operation.id().to_string()),
            job: Some(self.started(job_id)),
            rows: Some(Box::new(fetched)),
            notes: Vec::new(),
            log,
            handle: Arc::new(operation::Running(query)),
        })
    }

    fn complaint(&self, error: EngineError) -> EngineError {
        complaint::of_statement(error, &self.submit.text, &self.sent)
    }

    fn started(&self, job_id: JobId) -> StartedJob {
        StartedJob {
            job_id,
            cluster_id: self.flink.0.cluster_id.clone(),
            name: self.name.clone(),
            bounded: self.is_batch || matches!(self.kind, Kind::Insert { values: true }),
        }
    }

    fn accepted(&self, id: OperationId, job: StartedJob) -> Operation {
        Operation {
            id,
            job: Some(job),
            rows: None,
            notes: Vec::new(),
            log: LogRing::default(),
            handle: Arc::new(operation::Done),
        }
    }

    /// Looks for the job of a statement whose acceptance was not heard of.
    async fn find(&self, error: EngineError) -> Result<Operation> {
        let jobs = self.flink.0.jobs.as_ref();
        let lost = |message: String| EngineError {
            kind: ErrorKind::Lost,
            message,
            ..error.clone()
        };
        let Some(chosen) = self.submit.job_id else {
            return Err(lost(error.message.clone()));
        };
        let Some(job_id) = search(jobs, &chosen).await else {
            return Err(lost(format!(
                "{}; job {chosen} has not turned up on the cluster",
                error.message
            )));
        };
        if matches!(self.kind, Kind::Query) {
            let ended = end_job(jobs, &job_id).await;
            let fate = fate(Some(jobs), Some(job_id)).await;
            let mut told = lost(format!("{}; its rows can't be had: {fate}", error.message));
            if ended.is_ok() {
                told.kind = ErrorKind::Failed;
            }
            return Err(told);
        }
        let mut operation = self.accepted(OperationId(String::new()), self.started(job_id));
        operation
            .notes
            .push(format!("{}: the job was found on the cluster by its id", error.message));
        Ok(operation)
    }
}
