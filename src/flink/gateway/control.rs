//! Job verbs as SQL, for when the cluster's REST interface can't be reached: what `SHOW JOBS`, `DESCRIBE JOB` and
//! `STOP JOB` offer, over a session of its own, so that a statement which blocks the person's session blocks no verb.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Array, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use async_trait::async_trait;
use skep_engine::{
    CheckpointRequest, EngineError, ErrorKind, Format, JobControl, JobDetail, JobId, JobState, JobStatus, JobSummary,
    LogLine, Result, Savepoint, SavepointKind, SavepointRequest, StopRequest, Verdict,
};
use tokio::sync::Mutex;

use super::api::{Api, Handle};
use super::complaint;
use super::decode::Decoder;
use super::page::{self, ResultType, RowFormat};
use crate::flink::in_task;

/// The directory that a savepoint is made in: 1.20 and 2.x, and the key before it.
const SAVEPOINT_DIR: &str = "execution.checkpointing.savepoint-dir";

/// How long a question is waited for that a JobManager answers at once, but the gateway carries to one that is away for a
/// minute.
const SOON: Duration = Duration::from_secs(10);

/// For so long one that has not answered is not asked again.
const AWAY: Duration = Duration::from_secs(10);

/// Rows of a list that are read.
const MOST_ROWS: usize = 100_000;

/// A row of `SHOW JOBS` or `DESCRIBE JOB`: job id, job name, status, start time.
pub(in crate::flink) type Row = Vec<Option<String>>;

/// A session apart from the person's, one statement at a time.
#[async_trait]
pub(in crate::flink) trait Ask: Send + Sync {
    /// Carries out a statement, with settings for it alone; its rows.
    ///
    /// # Errors
    /// It was not carried out.
    async fn ask(&self, text: &str, settings: &BTreeMap<String, String>) -> Result<Vec<Row>>;

    /// Asks what takes the JobManager no time.
    ///
    /// # Errors
    /// It was not answered, perhaps because one before was not.
    async fn look(&self, text: &str) -> Result<Vec<Row>> {
        self.ask(text, &BTreeMap::new()).await
    }
}

/// Job control over SQL.
#[derive(Clone)]
pub(in crate::flink) struct Control(Arc<Inner>);

struct Inner {
    session: Arc<dyn Ask>,
    /// What tells the cluster from others, where it has a name.
    cluster_id: Option<String>,
    /// Why the cluster's REST interface can't be used.
    instead_of: String,
}

/// A session of a gateway's.
struct GatewaySession {
    api: Arc<Api>,
    properties: BTreeMap<String, String>,
    /// One statement at a time.
    session: Mutex<Asked>,
}

/// What is known from the questions so far.
#[derive(Default)]
struct Asked {
    /// Opened when it is first needed, and again when the gateway has dropped it.
    handle: Option<Handle>,
    /// When the JobManager has last not answered a question, and what is said of that.
    silent: Option<(Instant, EngineError)>,
}

#[async_trait]
impl Ask for GatewaySession {
    async fn ask(&self, text: &str, settings: &BTreeMap<String, String>) -> Result<Vec<Row>> {
        let mut asked = self.session.lock().await;
        let limit = self.api.client().limits().request;
        self.carry_out(&mut asked, text, settings, limit).await
    }

    async fn look(&self, text: &str) -> Result<Vec<Row>> {
        let mut asked = self.session.lock().await;
        if let Some((at, error)) = &asked.silent
            && at.elapsed() < AWAY
        {
            return Err(error.clone());
        }
        let limit = self.api.client().limits().request.min(SOON);
        let rows = self.carry_out(&mut asked, text, &BTreeMap::new(), limit).await;
        asked.silent = match &rows {
            Err(error) if error.kind == ErrorKind::Timeout => Some((Instant::now(), error.clone())),
            _ => None,
        };
        rows
    }
}

impl GatewaySession {
    async fn carry_out(
        &self,
        asked: &mut Asked,
        text: &str,
        settings: &BTreeMap<String, String>,
        limit: Duration,
    ) -> Result<Vec<Row>> {
        let Self { api, properties, .. } = self;
        let session = &mut asked.handle;
        let handle = match session.clone() {
            Some(handle) => handle,
            None => api.open_session(properties).await?,
        };
        *session = Some(handle.clone());
        let submitted = match api.submit(&handle, text, settings).await {
            Err(error) if complaint::is_session_gone(&error) => {
                let handle = api.open_session(properties).await?;
                *session = Some(handle.clone());
                api.submit(&handle, text, settings)
                    .await
                    .map(|operation| (handle, operation))
            }
            submitted => submitted.map(|operation| (handle, operation)),
        };
        let (handle, operation) = submitted?;
        // SHOW JOBS waits a minute for a JobManager that is away, and the session with it.
        let Ok(rows) = tokio::time::timeout(limit, read(api, &handle, &operation)).await else {
            let message = format!("{} did not carry out {text} within {limit:?}", api.server());
            *session = None;
            return Err(EngineError::new(ErrorKind::Timeout, message));
        };
        let _ = api.close(&handle, &operation).await;
        rows
    }
}

impl Control {
    /// Control over that gateway; `instead_of` says why it is not the cluster's REST interface.
    pub(super) fn new(
        api: Arc<Api>,
        properties: BTreeMap<String, String>,
        cluster_id: Option<String>,
        instead_of: String,
    ) -> Self {
        let session = GatewaySession {
            api,
            properties,
            session: Mutex::default(),
        };
        Self::over(Arc::new(session), cluster_id, instead_of)
    }

    /// Control over any session.
    pub(in crate::flink) fn over(session: Arc<dyn Ask>, cluster_id: Option<String>, instead_of: String) -> Self {
        Self(Arc::new(Inner {
            session,
            cluster_id,
            instead_of,
        }))
    }

    async fn ask(&self, text: &str, settings: &BTreeMap<String, String>) -> Result<Vec<Row>> {
        self.0.session.ask(text, settings).await
    }

    async fn look(&self, text: &str) -> Result<Vec<Row>> {
        self.0.session.look(text).await
    }

    fn refuse<T>(&self, what: &str) -> Result<T> {
        let error = EngineError::refused(format!("SQL has no way to {what}, and {}", self.0.instead_of));
        Err(error.hint("--rest HOST:PORT names the cluster's REST address"))
    }

    async fn describe(&self, job: &JobId) -> Result<JobSummary> {
        let rows = self.look(&format!("DESCRIBE JOB '{job}'")).await;
        let rows = rows.map_err(|error| {
            if error.message.contains("not found") || error.message.contains("Could not find") {
                EngineError::not_found(format!("the cluster knows no job {job}"))
            } else {
                error
            }
        })?;
        let first = rows
            .first()
            .ok_or_else(|| EngineError::not_found(format!("the cluster knows no job {job}")))?;
        self.summary(first)
    }

    fn summary(&self, row: &Row) -> Result<JobSummary> {
        let cell = |at: usize| row.get(at).cloned().flatten().unwrap_or_default();
        let job_id = cell(0)
            .parse()
            .map_err(|error| EngineError::new(ErrorKind::Protocol, format!("the gateway's list of jobs: {error}")))?;
        let mut status = JobStatus::new(cell(2).parse()?);
        status.started = started(&cell(3));
        Ok(JobSummary {
            job_id,
            cluster_id: self.0.cluster_id.clone(),
            name: cell(1),
            status,
        })
    }
}

/// All rows of an operation, every value as text.
async fn read(api: &Api, session: &Handle, operation: &Handle) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut token = 0;
    let mut decoder: Option<Decoder> = None;
    loop {
        let bytes = api.fetch(session, operation, token, RowFormat::Json).await?;
        let page = page::read(&bytes)?;
        if page.result_type == ResultType::NotReady {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            continue;
        }
        if let Some(results) = &page.results {
            let decoder = decoder.get_or_insert_with(|| Decoder::new(results.columns.clone(), RowFormat::Json));
            if let Some(batch) = decoder.decode(results)? {
                texts(&batch.rows, &mut rows)?;
            }
        }
        match page.next_token {
            Some(next) if page.result_type == ResultType::Payload && rows.len() < MOST_ROWS => token = next,
            _ => return Ok(rows),
        }
    }
}

/// Adds the rows of a batch, every value as text.
pub(in crate::flink) fn texts(batch: &arrow::array::RecordBatch, rows: &mut Vec<Row>) -> Result<()> {
    let unreadable = |error: arrow::error::ArrowError| EngineError::new(ErrorKind::Protocol, error.to_string());
    let mut columns = Vec::new();
    for column in batch.columns() {
        columns.push(cast(column, &DataType::Utf8).map_err(unreadable)?);
    }
    for row in 0..batch.num_rows() {
        let cells = columns.iter().map(|column| {
            let column = column.as_any().downcast_ref::<StringArray>()?;
            column.is_valid(row).then(|| column.value(row).to_owned())
        });
        rows.push(cells.collect());
    }
    Ok(())
}

/// The start time, as milliseconds of a `TIMESTAMP_LTZ` that was cast to text.
fn started(text: &str) -> Option<jiff::Timestamp> {
    let text = text.replacen(' ', "T", 1);
    text.parse().ok().or_else(|| format!("{text}Z").parse().ok())
}

/// The savepoint that a stop has made.
fn saved(job: &JobId, path: String) -> Savepoint {
    Savepoint {
        path,
        kind: SavepointKind::Savepoint,
        job_id: Some(*job),
        checkpoint_id: None,
        taken: Some(jiff::Timestamp::now()),
        size: None,
        format_version: None,
        label: None,
        verdict: Verdict::Usable,
        reasons: Vec::new(),
        sources: vec!["sql".to_owned()],
    }
}

#[async_trait]
impl JobControl for Control {
    async fn list(&self) -> Result<Vec<JobSummary>> {
        let rows = self.look("SHOW JOBS").await?;
        let mut jobs = rows.iter().map(|row| self.summary(row)).collect::<Result<Vec<_>>>()?;
        jobs.sort_by_key(|job| std::cmp::Reverse(job.status.started));
        Ok(jobs)
    }

    async fn status(&self, job: &JobId) -> Result<JobStatus> {
        Ok(self.describe(job).await?.status)
    }

    async fn detail(&self, job: &JobId) -> Result<JobDetail> {
        let summary = self.describe(job).await?;
        let less = format!("no more than this is known: {}", self.0.instead_of);
        Ok(JobDetail {
            summary,
            vertices: Vec::new(),
            facts: vec![("limits".to_owned(), less)],
            checkpoints: Vec::new(),
            exceptions: Vec::new(),
            restored_from: None,
        })
    }

    async fn savepoint(&self, _job: &JobId, _request: SavepointRequest) -> Result<Savepoint> {
        self.refuse("take a savepoint of a job that runs on")
    }

    async fn begin_savepoint(&self, _job: &JobId, _request: SavepointRequest) -> Result<()> {
        self.refuse("take a savepoint of a job that runs on")
    }

    async fn log(&self, _job: &JobId) -> Result<Vec<LogLine>> {
        self.refuse("read what a job has logged")
    }

    async fn stop(&self, job: &JobId, request: StopRequest) -> Result<Savepoint> {
        if request.savepoint.format == Format::Native {
            return self.refuse("ask for the native format");
        }
        let status = self.status(job).await?;
        if status.state != JobState::Running {
            let message = format!(
                "job {} is {}: a stop with a savepoint needs it running",
                job.short(),
                status.state
            );
            return Err(EngineError::refused(message));
        }
        let drain = if request.drain { " WITH DRAIN" } else { "" };
        let text = format!("STOP JOB '{job}' WITH SAVEPOINT{drain}");
        let settings: BTreeMap<String, String> = request
            .savepoint
            .dir
            .into_iter()
            .map(|dir| (SAVEPOINT_DIR.to_owned(), dir))
            .collect();
        let (control, job) = (self.clone(), *job);
        in_task(async move {
            let rows = control.ask(&text, &settings).await?;
            let path = rows.into_iter().next().and_then(|row| row.into_iter().next().flatten());
            let path = path.ok_or_else(|| EngineError::new(ErrorKind::Protocol, "STOP JOB answered without a path"))?;
            Ok(saved(&job, path))
        })
        .await
    }

    async fn cancel(&self, job: &JobId) -> Result<()> {
        let (control, job) = (self.clone(), *job);
        in_task(async move {
            control
                .ask(&format!("STOP JOB '{job}'"), &BTreeMap::new())
                .await
                .map(|_| ())
        })
        .await
    }

    async fn checkpoint(&self, _job: &JobId, _request: CheckpointRequest) -> Result<Savepoint> {
        self.refuse("trigger a checkpoint")
    }
}
