//! Jobs: their states, and the verbs that act on them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::{EngineError, ErrorKind, JobId, LogLine, Result, Savepoint};

/// A job's state: the engine's own word. The set is Flink's `JobStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JobState {
    /// Being set up.
    Initializing,
    /// Set up; no task runs yet.
    Created,
    /// Running. Says nothing of its tasks: see [`JobStatus::tasks`].
    Running,
    /// Failed and about to be started again by the engine.
    Restarting,
    /// Failing.
    Failing,
    /// Failed for good.
    Failed,
    /// Being cancelled.
    Cancelling,
    /// Cancelled for good.
    Canceled,
    /// Ended by itself, or stopped with a savepoint.
    Finished,
    /// Suspended: another master may take it up.
    Suspended,
    /// A master that has just come back is finding out about it.
    Reconciling,
}

impl JobState {
    /// Every state, in Flink's order.
    pub const ALL: [Self; 11] = [
        Self::Initializing,
        Self::Created,
        Self::Running,
        Self::Failing,
        Self::Failed,
        Self::Cancelling,
        Self::Canceled,
        Self::Finished,
        Self::Restarting,
        Self::Suspended,
        Self::Reconciling,
    ];

    /// The engine's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Initializing => "INITIALIZING",
            Self::Created => "CREATED",
            Self::Running => "RUNNING",
            Self::Restarting => "RESTARTING",
            Self::Failing => "FAILING",
            Self::Failed => "FAILED",
            Self::Cancelling => "CANCELLING",
            Self::Canceled => "CANCELED",
            Self::Finished => "FINISHED",
            Self::Suspended => "SUSPENDED",
            Self::Reconciling => "RECONCILING",
        }
    }

    /// Whether the job will never run again under this id.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Failed | Self::Canceled | Self::Finished)
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for JobState {
    type Err = EngineError;

    fn from_str(text: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|state| state.as_str() == text);
        known.ok_or_else(|| EngineError::new(ErrorKind::Protocol, format!("unknown job state {text:?}")))
    }
}

/// How a job came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// All its input was read.
    Completed,
    /// Stopped with a savepoint.
    Stopped,
    /// Stopped with a savepoint after a drain.
    Drained,
    /// Cancelled.
    Cancelled,
    /// It failed.
    Failed,
}

/// A job's status at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobStatus {
    /// The engine's word.
    pub state: JobState,
    /// When this was so.
    pub as_of: Timestamp,
    /// When it started.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How it ended, where the engine can tell.
    pub ended_by: Option<EndedBy>,
    /// Tasks that run (or have finished), and all tasks.
    pub tasks: Option<(u32, u32)>,
    /// Tasks that wait for a place to run.
    #[serde(default)]
    pub waiting: Option<u32>,
    /// Rows read from sources since it started.
    pub rows_in: Option<u64>,
    /// Rows given to sinks since it started.
    pub rows_out: Option<u64>,
    /// Late rows that were dropped since it started.
    pub late_rows: Option<u64>,
    /// The newest completed checkpoint: number and time.
    pub last_checkpoint: Option<(u64, Timestamp)>,
    /// The path of the newest savepoint.
    pub savepoint: Option<String>,
    /// The root cause of the newest failure.
    pub error: Option<String>,
    /// The job's process is gone without a word: `state` is the last that it wrote down, and `error` says what could
    /// bring the job back.
    #[serde(default)]
    pub lost: bool,
}

impl JobStatus {
    /// A status that says nothing but the state.
    pub fn new(state: JobState) -> Self {
        Self {
            state,
            as_of: Timestamp::now(),
            started: None,
            ended: None,
            ended_by: None,
            tasks: None,
            waiting: None,
            rows_in: None,
            rows_out: None,
            late_rows: None,
            last_checkpoint: None,
            savepoint: None,
            error: None,
            lost: false,
        }
    }

    /// Whether every task runs (or has finished), so that a savepoint can be taken.
    pub fn all_tasks_run(&self) -> bool {
        self.state == JobState::Running && self.tasks.is_none_or(|(running, all)| running == all)
    }
}

/// A job as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobSummary {
    /// Its id.
    pub job_id: JobId,
    /// The cluster it runs on, where there are several.
    pub cluster_id: Option<String>,
    /// Its name.
    pub name: String,
    /// Its status.
    pub status: JobStatus,
}

/// A vertex (a task with its parallel instances) of a job.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Vertex {
    /// The engine's id of it: that of the first of its operators.
    #[serde(default)]
    pub id: Option<String>,
    /// Its name.
    pub name: String,
    /// The engine's word for its state.
    pub state: String,
    /// Parallel instances.
    pub parallelism: u32,
    /// Rows in, since the job started.
    pub rows_in: Option<u64>,
    /// Rows out, since the job started.
    pub rows_out: Option<u64>,
    /// The share of the time, from 0 to 1, that its busiest instance works.
    #[serde(default)]
    pub busy: Option<f64>,
    /// The share of the time, from 0 to 1, that one of its instances waits because those after it don't keep up.
    #[serde(default)]
    pub back_pressured: Option<f64>,
    /// How far its event time has come.
    #[serde(default)]
    pub watermark: Option<Timestamp>,
}

/// One job whole.
#[derive(Debug, Clone)]
pub struct JobDetail {
    /// Name and status.
    pub summary: JobSummary,
    /// Its vertices.
    pub vertices: Vec<Vertex>,
    /// Metrics and facts beyond the status, as names and values, in the order to be shown.
    pub facts: Vec<(String, String)>,
    /// Its checkpoints and savepoints, newest first.
    pub checkpoints: Vec<Savepoint>,
    /// Its failures, newest first.
    pub exceptions: Vec<String>,
    /// What it was restored from.
    pub restored_from: Option<String>,
}

/// The format of a savepoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Readable by every state backend of the engine.
    #[default]
    Canonical,
    /// The backend's own.
    Native,
}

/// A savepoint to be taken.
#[derive(Debug, Clone)]
pub struct SavepointRequest {
    /// Our own id of the request: repeating it with the same id is the same request.
    pub trigger: JobId,
    /// The directory in which it is made; the engine's default if none.
    pub dir: Option<String>,
    /// Its format.
    pub format: Format,
    /// Wait until its number is known too, where the engine tells that later than that the savepoint is complete.
    pub numbered: bool,
}

/// A job to be stopped with a savepoint.
#[derive(Debug, Clone)]
pub struct StopRequest {
    /// The savepoint.
    pub savepoint: SavepointRequest,
    /// End every open window first. Can't be taken back.
    pub drain: bool,
}

/// The sort of checkpoint to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CheckpointRequest {
    /// As the job is configured.
    #[default]
    Configured,
    /// Everything.
    Full,
    /// What changed.
    Incremental,
}

/// A latest value: a job's status, and why a newer one could not be had.
#[derive(Debug, Clone, Default)]
pub struct Watched {
    /// The newest status that is known.
    pub status: Option<JobStatus>,
    /// Why the engine could not be asked just now. [`ErrorKind::NotFound`]: it no longer knows the job.
    pub problem: Option<EngineError>,
}

/// The verbs that act on jobs. They need no SQL session.
#[async_trait]
pub trait JobControl: Send + Sync {
    /// All jobs that the engine knows, newest first.
    ///
    /// # Errors
    /// The engine could not be asked.
    async fn list(&self) -> Result<Vec<JobSummary>>;

    /// Jobs that have ended, as an archive beside the engine knows them, also when the engine itself can't be asked. The
    /// default has none.
    ///
    /// # Errors
    /// The archive could not be asked.
    async fn archived(&self) -> Result<Vec<JobSummary>> {
        Ok(Vec::new())
    }

    /// A job's status now.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if the engine does not know it.
    async fn status(&self, job: &JobId) -> Result<JobStatus>;

    /// The job that was submitted under a chosen id, if the engine knows it. Where an engine gives its own ids, the driver
    /// finds it by the mark that it made when it submitted.
    ///
    /// # Errors
    /// The engine could not be asked.
    async fn submitted(&self, chosen: &JobId) -> Result<Option<(JobId, JobStatus)>> {
        match self.status(chosen).await {
            Ok(status) => Ok(Some((*chosen, status))),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// One job whole.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if the engine does not know it.
    async fn detail(&self, job: &JobId) -> Result<JobDetail>;

    /// Takes a savepoint and returns when it is complete.
    ///
    /// # Errors
    /// It was not taken; the job runs on.
    async fn savepoint(&self, job: &JobId, request: SavepointRequest) -> Result<Savepoint>;

    /// Asks for a savepoint and returns once the engine has taken the request. [`JobControl::savepoint`] with the same
    /// trigger waits for it.
    ///
    /// # Errors
    /// The request was not taken, or the engine can't do one without the other.
    async fn begin_savepoint(&self, job: &JobId, request: SavepointRequest) -> Result<()> {
        let _ = (job, request);
        Err(EngineError::unsupported("this engine takes a savepoint while the caller waits").hint("leave out --detach"))
    }

    /// Waits for a savepoint that was asked for before, with the same trigger. An engine that does not know the request any
    /// more is not asked for another one; the default takes it that [`JobControl::savepoint`] sees to that.
    ///
    /// # Errors
    /// It was not taken, or is not known any more.
    async fn await_savepoint(&self, job: &JobId, request: SavepointRequest) -> Result<Savepoint> {
        self.savepoint(job, request).await
    }

    /// Stops the job with a savepoint and returns when both are done.
    ///
    /// # Errors
    /// It was not stopped; if the savepoint failed the job runs on.
    async fn stop(&self, job: &JobId, request: StopRequest) -> Result<Savepoint>;

    /// Asks for the end of the job, without a savepoint. Returns when the engine has taken the request: whether it has
    /// ended is for [`JobControl::status`] to say.
    ///
    /// # Errors
    /// The engine could not be asked, or does not know it.
    async fn cancel(&self, job: &JobId) -> Result<()>;

    /// Takes a checkpoint and returns when it is complete.
    ///
    /// # Errors
    /// It was not taken; the job runs on.
    async fn checkpoint(&self, job: &JobId, request: CheckpointRequest) -> Result<Savepoint>;

    /// What the job has logged, oldest first.
    ///
    /// # Errors
    /// The engine keeps no log of it.
    async fn log(&self, job: &JobId) -> Result<Vec<LogLine>> {
        Err(EngineError::unsupported(format!(
            "this engine keeps no log of job {}",
            job.short()
        )))
    }

    /// The job's status as a latest value. The default asks again and again, in a task that ends when nobody looks any
    /// more or the job has ended.
    fn watch(self: Arc<Self>, job: JobId) -> watch::Receiver<Watched>
    where
        Self: 'static,
    {
        watch_by_polling(self, job, Duration::from_millis(500))
    }
}

/// Watches a job by asking for its status again and again.
fn watch_by_polling<J: JobControl + ?Sized + 'static>(
    jobs: Arc<J>,
    job: JobId,
    every: Duration,
) -> watch::Receiver<Watched> {
    let (sender, receiver) = watch::channel(Watched::default());
    tokio::spawn(async move {
        loop {
            let answer = jobs.status(&job).await;
            let ended = match answer {
                Ok(status) => {
                    let ended = status.state.is_terminal();
                    sender.send_replace(Watched {
                        status: Some(status),
                        problem: None,
                    });
                    ended
                }
                Err(problem) => {
                    let gone = problem.kind == ErrorKind::NotFound;
                    sender.send_modify(|watched| watched.problem = Some(problem));
                    gone
                }
            };
            if ended {
                break;
            }
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                () = sender.closed() => break,
            }
        }
    });
    receiver
}
