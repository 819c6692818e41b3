//! A running job as others see it: its status, its log, and the way to its thread.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use skep_engine::{
    EndedBy, EngineError, ErrorKind, JobId, JobState, JobStatus, LogLine, LogRing, OperationHandle, Result, Savepoint,
    Vertex, Watched,
};
use tokio::sync::{OnceCell, oneshot, watch};
use tokio::task::AbortHandle;

use super::file;

/// That many answered requests are remembered.
const REQUESTS: usize = 64;

/// Where an answer goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T>>;

/// What a dataflow says of itself.
pub(crate) type Vertices = (Vec<Vertex>, Option<Timestamp>);

/// What a job's thread is told between two steps.
pub(crate) enum Command {
    /// There is room for rows again.
    Wake,
    /// Describe the dataflow.
    Vertices(oneshot::Sender<Vertices>),
    /// Take a checkpoint.
    Checkpoint(Reply<Savepoint>),
    /// Take a savepoint.
    Savepoint {
        /// In which directory, if not the usual one.
        dir: Option<PathBuf>,
        /// The savepoint, when it is complete.
        reply: Reply<Savepoint>,
    },
    /// Take a savepoint and end.
    Stop {
        /// In which directory, if not the usual one.
        dir: Option<PathBuf>,
        /// End every open window first.
        drain: bool,
        /// The savepoint, when the job has ended.
        reply: Reply<Savepoint>,
    },
    /// End at once.
    Cancel,
}

/// How a job ended.
pub(super) struct Ended {
    pub(super) state: JobState,
    pub(super) ended_by: EndedBy,
    pub(super) at: Timestamp,
    pub(super) error: Option<String>,
    pub(super) vertices: Vertices,
}

/// A job of this process.
pub(crate) struct Handle {
    pub(crate) job_id: JobId,
    pub(crate) name: String,
    /// The job's directory.
    pub(crate) dir: PathBuf,
    /// Where its host puts savepoints.
    pub(crate) savepoints: PathBuf,
    pub(crate) log: LogRing,
    commands: Sender<Command>,
    status: watch::Sender<Watched>,
    last_vertices: Mutex<Vertices>,
    socket: Mutex<Option<(PathBuf, AbortHandle)>>,
    requests: Mutex<HashMap<JobId, Arc<OnceCell<Result<Savepoint>>>>>,
}

impl Handle {
    /// A handle of a job that is about to start.
    pub(super) fn new(
        (job_id, name): (JobId, String),
        (dir, savepoints): (PathBuf, PathBuf),
        log: LogRing,
        commands: Sender<Command>,
    ) -> Self {
        let mut status = JobStatus::new(JobState::Initializing);
        status.started = Some(status.as_of);
        status.tasks = Some((1, 1));
        let watched = Watched {
            status: Some(status),
            problem: None,
        };
        Self {
            job_id,
            name,
            dir,
            savepoints,
            log,
            commands,
            status: watch::channel(watched).0,
            last_vertices: Mutex::default(),
            socket: Mutex::default(),
            requests: Mutex::default(),
        }
    }

    /// Changes the status and tells those who watch.
    pub(super) fn publish(&self, change: impl FnOnce(&mut JobStatus)) {
        self.status.send_modify(|watched| {
            let status = watched
                .status
                .get_or_insert_with(|| JobStatus::new(JobState::Initializing));
            change(status);
            status.as_of = Timestamp::now();
        });
    }

    /// Tells the job's end: the last word.
    pub(super) fn end(&self, ended: Ended) {
        *self.last_vertices.lock().unwrap_or_else(PoisonError::into_inner) = ended.vertices;
        self.publish(|status| {
            status.state = ended.state;
            status.ended = Some(ended.at);
            status.ended_by = Some(ended.ended_by);
            status.error = ended.error;
        });
    }

    /// Serves the job verbs at that socket by that task.
    pub(super) fn open_socket(&self, path: PathBuf, task: AbortHandle) {
        *self.socket.lock().unwrap_or_else(PoisonError::into_inner) = Some((path, task));
    }

    /// Ends the service of the job verbs.
    pub(super) fn close_socket(&self) {
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((path, task)) = socket {
            // It is of no use to anybody once its process has let go of the lock.
            let _ = fs::remove_file(path);
            task.abort();
        }
    }

    /// The status now.
    pub(crate) fn status(&self) -> JobStatus {
        let status = self.status.borrow().status.clone();
        let mut status = status.unwrap_or_else(|| JobStatus::new(JobState::Initializing));
        if !status.state.is_terminal() {
            status.as_of = Timestamp::now();
        }
        status
    }

    /// The status as a latest value.
    pub(crate) fn watch(&self) -> watch::Receiver<Watched> {
        self.status.subscribe()
    }

    /// Gives the thread a command and waits for its answer.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] if the job has ended; else as the thread answers.
    pub(crate) async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let sent = self.commands.send(command(reply));
        if sent.is_ok()
            && let Ok(answer) = answer.await
        {
            return Ok(answer);
        }
        self.ended().await;
        Err(self.has_ended())
    }

    /// Takes a savepoint. Repeating it with the same `trigger` is the same request.
    ///
    /// # Errors
    /// It was not taken.
    pub(crate) async fn savepoint(self: &Arc<Self>, trigger: JobId, dir: Option<PathBuf>) -> Result<Savepoint> {
        self.once(trigger, |reply| Command::Savepoint { dir, reply }).await
    }

    /// Stops the job with a savepoint. Repeating it with the same `trigger` is the same request.
    ///
    /// # Errors
    /// It was not stopped.
    pub(crate) async fn stop(self: &Arc<Self>, trigger: JobId, dir: Option<PathBuf>, drain: bool) -> Result<Savepoint> {
        self.once(trigger, move |reply| Command::Stop { dir, drain, reply })
            .await
    }

    async fn once(
        self: &Arc<Self>,
        trigger: JobId,
        command: impl FnOnce(Reply<Savepoint>) -> Command + Send + 'static,
    ) -> Result<Savepoint> {
        let request = {
            let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
            if requests.len() >= REQUESTS {
                requests.retain(|_, request| !request.initialized());
            }
            Arc::clone(requests.entry(trigger).or_default())
        };
        let handle = Arc::clone(self);
        // A task of its own: a caller who goes away leaves the request to those who repeat it.
        let asking = tokio::spawn(async move {
            let answer = request
                .get_or_init(|| async { handle.ask(command).await.and_then(|answer| answer) })
                .await;
            answer.clone()
        });
        asking
            .await
            .unwrap_or_else(|error| Err(EngineError::failed(format!("the request was dropped: {error}"))))
    }

    /// The error of a verb that needs a running job.
    fn has_ended(&self) -> EngineError {
        EngineError::refused(format!(
            "job {} has ended: {}",
            self.job_id.short(),
            self.status().state
        ))
    }

    /// Returns when the job has ended.
    pub(crate) async fn ended(&self) {
        let mut watch = self.watch();
        // The sender lives as long as `self`.
        let _ = watch
            .wait_for(|watched| watched.status.as_ref().is_some_and(|status| status.state.is_terminal()))
            .await;
    }

    /// Asks for the end of the job.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] if it has ended.
    pub(crate) fn request_cancel(&self) -> Result<()> {
        if self.status().state.is_terminal() || self.commands.send(Command::Cancel).is_err() {
            return Err(self.has_ended());
        }
        Ok(())
    }

    /// What the dataflow says of itself, or said last.
    pub(crate) async fn vertices(&self) -> Vertices {
        match self.ask(Command::Vertices).await {
            Ok(vertices) => vertices,
            Err(_) => self
                .last_vertices
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        }
    }
}

/// Ends a statement by ending its job.
pub(super) struct CancelJob(pub(super) Arc<Handle>);

#[async_trait]
impl OperationHandle for CancelJob {
    async fn cancel(&self) -> Result<()> {
        // A job that has ended by itself is as ended as can be.
        if let Err(error) = self.0.request_cancel()
            && error.kind != ErrorKind::Refused
        {
            return Err(error);
        }
        self.0.ended().await;
        Ok(())
    }
}

/// A line of a log as it is written down.
#[derive(Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) at: Timestamp,
    pub(super) text: String,
}

const LOG: &str = "log";
const LOG_LIMIT: u64 = 4 << 20;

/// Leaves a job's log in its directory, so that it can be read when its process is gone.
pub(super) fn write_log(dir: &Path, log: &LogRing) {
    let mut bytes = Vec::new();
    for LogLine { at, text } in log.lines().0 {
        if let Ok(line) = serde_json::to_string(&Line { at, text }) {
            bytes.extend_from_slice(line.as_bytes());
            bytes.push(b'\n');
        }
    }
    // A log that can't be written is no reason to lose anything else.
    if let Ok(mut file) = file::create_private(&dir.join(LOG)) {
        let _ = std::io::Write::write_all(&mut file, &bytes);
    }
}

/// Reads the log that a job left.
pub(super) fn read_log(dir: &Path) -> Vec<LogLine> {
    let bytes = file::read_capped(&dir.join(LOG), LOG_LIMIT).unwrap_or_default();
    let lines = bytes
        .split(|&byte| byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Line>(line).ok());
    lines.map(|Line { at, text }| LogLine { at, text }).collect()
}
