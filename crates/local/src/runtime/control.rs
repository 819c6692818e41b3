//! The job verbs for every job of a directory: one's own directly, another process's through its socket, and those that
//! nobody runs from what is written down.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::Either;
use jiff::Timestamp;
use skep_engine::{
    CheckpointRequest, EndedBy, EngineError, ErrorKind, Format, JobControl, JobDetail, JobId, JobState, JobStatus,
    JobSummary, LogLine, Result, Savepoint, SavepointRequest, StopRequest, Stores, Vertex, Watched,
};
use tokio::sync::watch;

use super::file;
use super::handle::{self, Command, Handle};
use super::host::Host;
use super::lock::{self, OWNER};
use super::record::Record;
use super::snapshot;
use super::socket::{Answer, Client, Verb};

/// How soon an owner that does not answer, and has not let go of its job, is asked again.
const AGAIN: Duration = Duration::from_millis(100);

/// Who can be asked about a job.
pub(super) enum Place {
    /// This process.
    Here(Arc<Handle>),
    /// Another process, at that socket.
    Elsewhere(Record, PathBuf),
    /// Nobody: it has ended, or its process is gone.
    Nobody(Record),
}

impl Host {
    /// Finds out who can be asked about a job.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if the directory knows no such job.
    pub(super) fn place(&self, job: &JobId) -> Result<Place> {
        if let Some(handle) = self.own(job) {
            return Ok(Place::Here(handle));
        }
        // The lock is looked at first: an owner writes its last word before it lets go, and until then it has not ended.
        let dir = self.job_dir(job);
        let held = lock::is_held(&dir, OWNER).map_err(|error| file::failed("look at the lock of", &dir, &error))?;
        let record = self.record(job)?;
        match record.socket.clone().filter(|_| held) {
            Some(socket) => Ok(Place::Elsewhere(record, socket)),
            None => Ok(Place::Nobody(record)),
        }
    }

    fn record(&self, job: &JobId) -> Result<Record> {
        Record::read(&self.job_dir(job)).map_err(|error| match error.kind {
            ErrorKind::NotFound => EngineError::not_found(format!("{} knows no job {job}", self.dir().display()))
                .hint("!jobs -a lists the jobs that it knows"),
            _ => error,
        })
    }

    /// What is written down about a job, if that is its end.
    fn ended(&self, job: &JobId) -> Result<Option<Record>> {
        Ok(Some(self.record(job)?).filter(Record::ended))
    }

    /// The ids of all jobs that have a directory.
    pub(super) fn job_ids(&self) -> Result<Vec<JobId>> {
        let dir = self.jobs_dir();
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(file::failed("read", &dir, &error)),
        };
        Ok(entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect())
    }

    async fn ask_owner(&self, job: &JobId, verb: Verb) -> Result<Answer> {
        match self.place(job)? {
            Place::Elsewhere(_, socket) => match (Client::send(&socket, *job, verb).await, self.ended(job)?) {
                (Ok(client), _) => client.answer().await,
                // It ended before it could be asked.
                (Err(_), Some(record)) => Err(not_running(job, &written_status(&record, &self.job_dir(job)))),
                (Err(error), None) => Err(error),
            },
            Place::Here(handle) => Err(not_running(job, &handle.status())),
            Place::Nobody(record) => Err(not_running(job, &written_status(&record, &self.job_dir(job)))),
        }
    }

    /// Asks the owner for the end of a job; gives the answer or, instead of it, what is written down about the end. A
    /// process that waits for nothing but this job ends with it, and may be faster than its answer.
    async fn ask_for_end(&self, job: &JobId, verb: Verb) -> Result<Either<Answer, Record>> {
        match self.ask_owner(job, verb).await {
            Err(error) if error.kind == ErrorKind::Lost => self.ended(job)?.map(Either::Right).ok_or(error),
            answer => answer.map(Either::Left),
        }
    }

    async fn summary(&self, job: &JobId) -> Result<JobSummary> {
        let (name, status) = match self.place(job)? {
            Place::Here(handle) => (handle.name.clone(), handle.status()),
            Place::Nobody(record) => {
                let status = written_status(&record, &self.job_dir(job));
                (record.recipe.name, status)
            }
            Place::Elsewhere(record, socket) => {
                let asked = match Client::send(&socket, *job, Verb::Status).await {
                    Ok(client) => client.answer().await,
                    Err(error) => Err(error),
                };
                let status = match (asked, self.place(job)?) {
                    (Ok(Answer::Status(status)), _) => status,
                    // It ended while it was asked.
                    (_, Place::Nobody(record)) => written_status(&record, &self.job_dir(job)),
                    (_, Place::Elsewhere(record, _)) if record.ended() => written_status(&record, &self.job_dir(job)),
                    (Ok(_), _) => return Err(unexpected(job)),
                    (Err(error), _) => {
                        let mut status = written_status(&record, &self.job_dir(job));
                        status.lost = false;
                        status.error = Some(error.to_string());
                        status
                    }
                };
                (record.recipe.name, status)
            }
        };
        Ok(JobSummary {
            job_id: *job,
            cluster_id: None,
            name,
            status,
        })
    }

    /// A job whose record is damaged, or is a later version's: all that is known of it is whether somebody runs it, and
    /// what it left.
    fn unreadable(&self, job: &JobId, error: &EngineError) -> JobSummary {
        let dir = self.job_dir(job);
        let mut status = JobStatus::new(JobState::Running);
        status.lost = lock::is_held(&dir, OWNER).is_ok_and(|held| !held);
        status.last_checkpoint = newest_checkpoint(&dir);
        status.error = Some(match &status.last_checkpoint {
            Some((number, _)) => format!(
                "{error}; !restore {} AS SQL goes on from its last checkpoint",
                dir.join(format!("chk-{number}")).display()
            ),
            None => error.to_string(),
        });
        JobSummary {
            job_id: *job,
            cluster_id: None,
            name: job.short(),
            status,
        }
    }
}

fn unexpected(job: &JobId) -> EngineError {
    EngineError::new(
        ErrorKind::Protocol,
        format!(
            "the process that runs job {} gave another answer than was asked for",
            job.short()
        ),
    )
}

fn not_running(job: &JobId, status: &JobStatus) -> EngineError {
    if status.lost {
        return EngineError::not_found(format!(
            "job {} does not run: {}",
            job.short(),
            status.error.as_deref().unwrap_or("its process is gone")
        ));
    }
    EngineError::refused(format!("job {} has ended: {}", job.short(), status.state))
}

/// The newest checkpoint in a job's directory.
pub(super) fn newest_checkpoint(dir: &Path) -> Option<(u64, Timestamp)> {
    let entries = fs::read_dir(dir).ok()?.flatten();
    let number = |path: &Path| path.file_name()?.to_str()?.strip_prefix("chk-")?.parse::<u64>().ok();
    let mut paths: Vec<_> = entries
        .filter_map(|entry| Some((number(&entry.path())?, entry.path())))
        .collect();
    paths.sort_unstable();
    let mut newest_first = paths.into_iter().rev();
    newest_first.find_map(|(number, path)| Some((number, snapshot::peek(&path).ok()?.taken)))
}

/// The status of a job that nobody runs: the last that was written down. If that is not an end, the job is lost.
fn written_status(record: &Record, dir: &Path) -> JobStatus {
    let recipe = &record.recipe;
    let mut status = JobStatus::new(recipe.state);
    status.started = Some(recipe.started);
    status.ended = recipe.ended;
    status.ended_by = recipe.ended_by;
    status.rows_in = Some(record.rows.0);
    status.rows_out = Some(record.rows.1);
    status.late_rows = Some(record.late_rows);
    status.last_checkpoint = newest_checkpoint(dir);
    status.savepoint = record.savepoints.last().map(|path| path.display().to_string());
    status.error.clone_from(&recipe.error);
    if !record.ended() {
        status.lost = true;
        status.rows_in = None;
        status.rows_out = None;
        status.late_rows = None;
        let from = match (&status.last_checkpoint, &status.savepoint, &recipe.restored_from) {
            (Some((number, _)), ..) => format!("it can be restored from checkpoint {number}"),
            (None, Some(path), _) => format!("it can be restored from {path}"),
            (None, None, Some(from)) => format!("it can be restored from {}, as it was before", from.path),
            (None, None, None) => "it had no checkpoint yet".to_owned(),
        };
        status.error = Some(format!("its process {} is gone; {from}", record.pid));
    }
    status
}

fn savepoint_dir(request: &SavepointRequest) -> Result<Option<PathBuf>> {
    if request.format == Format::Native {
        return Err(EngineError::unsupported(
            "the embedded engine has one savepoint format, not a native one",
        ));
    }
    // Relative to the directory of whoever asks, not of whoever runs the job.
    let absolute = |dir: &String| match dir.starts_with("file:") {
        true => Ok(PathBuf::from(dir)),
        false => std::path::absolute(dir).map_err(|error| file::failed("find", Path::new(dir), &error)),
    };
    request.dir.as_ref().map(absolute).transpose()
}

#[async_trait]
impl JobControl for Host {
    async fn list(&self) -> Result<Vec<JobSummary>> {
        let ids = self.job_ids()?;
        let summaries = ids.iter().map(|job| async {
            match self.summary(job).await {
                Ok(summary) => Some(summary),
                // A start that was killed before it wrote anything down, or a job whose directory has just been deleted.
                Err(error) if error.kind == ErrorKind::NotFound => None,
                Err(error) => Some(self.unreadable(job, &error)),
            }
        });
        let summaries = futures::future::join_all(summaries).await;
        let mut summaries: Vec<_> = summaries.into_iter().flatten().collect();
        summaries.sort_by_key(|summary| std::cmp::Reverse(summary.status.started));
        Ok(summaries)
    }

    async fn status(&self, job: &JobId) -> Result<JobStatus> {
        Ok(self.summary(job).await?.status)
    }

    async fn detail(&self, job: &JobId) -> Result<JobDetail> {
        let summary = self.summary(job).await?;
        let (mut vertices, watermark): (Vec<Vertex>, Option<Timestamp>) = match self.place(job)? {
            Place::Here(handle) => handle.vertices().await,
            Place::Elsewhere(..) => match self.ask_owner(job, Verb::Detail).await {
                Ok(Answer::Detail { vertices, watermark }) => (vertices, watermark),
                // It ended, or does not answer: the summary says so.
                _ => Default::default(),
            },
            Place::Nobody(_) => Default::default(),
        };
        if summary.status.state.is_terminal() {
            // A task that was running when the job was stopped, cancelled or failed has ended in the same way.
            for vertex in vertices.iter_mut().filter(|vertex| vertex.state == "RUNNING") {
                vertex.state = summary.status.state.to_string();
            }
        }
        let record = Record::read(&self.job_dir(job))?;
        let mut facts = vec![
            ("sink".to_owned(), record.sink.clone()),
            ("process".to_owned(), record.pid.to_string()),
            ("directory".to_owned(), self.job_dir(job).display().to_string()),
        ];
        if let Some(watermark) = watermark {
            facts.insert(0, ("watermark".to_owned(), watermark.to_string()));
        }
        Ok(JobDetail {
            exceptions: summary.status.error.clone().into_iter().collect(),
            vertices,
            facts,
            checkpoints: self.find(Some(job), &[]).await?,
            restored_from: record.recipe.restored_from.map(|from| from.path),
            summary,
        })
    }

    async fn savepoint(&self, job: &JobId, request: SavepointRequest) -> Result<Savepoint> {
        let dir = savepoint_dir(&request)?;
        let trigger = request.trigger;
        if let Place::Here(handle) = self.place(job)? {
            return handle.savepoint(trigger, dir).await;
        }
        match self.ask_owner(job, Verb::Savepoint { dir, trigger }).await? {
            Answer::Saved(savepoint) => Ok(savepoint),
            _ => Err(unexpected(job)),
        }
    }

    async fn stop(&self, job: &JobId, request: StopRequest) -> Result<Savepoint> {
        let dir = savepoint_dir(&request.savepoint)?;
        let trigger = request.savepoint.trigger;
        let drain = request.drain;
        if let Place::Here(handle) = self.place(job)? {
            return handle.stop(trigger, dir, drain).await;
        }
        let ended_by = if drain { EndedBy::Drained } else { EndedBy::Stopped };
        match self.ask_for_end(job, Verb::Stop { dir, drain, trigger }).await? {
            Either::Left(Answer::Saved(savepoint)) => Ok(savepoint),
            Either::Left(_) => Err(unexpected(job)),
            Either::Right(record) => match record.savepoints.last() {
                Some(path) if record.recipe.ended_by == Some(ended_by) => {
                    self.inspect(&path.display().to_string()).await
                }
                _ => Err(not_running(job, &written_status(&record, &self.job_dir(job)))),
            },
        }
    }

    async fn cancel(&self, job: &JobId) -> Result<()> {
        if let Place::Here(handle) = self.place(job)? {
            return handle.request_cancel();
        }
        match self.ask_for_end(job, Verb::Cancel).await? {
            Either::Right(record) if record.recipe.ended_by != Some(EndedBy::Cancelled) => {
                Err(not_running(job, &written_status(&record, &self.job_dir(job))))
            }
            _ => Ok(()),
        }
    }

    async fn checkpoint(&self, job: &JobId, request: CheckpointRequest) -> Result<Savepoint> {
        if request == CheckpointRequest::Incremental {
            return Err(EngineError::unsupported(
                "the embedded engine's checkpoints are always full",
            ));
        }
        if let Place::Here(handle) = self.place(job)? {
            return handle.ask(Command::Checkpoint).await?;
        }
        match self.ask_owner(job, Verb::Checkpoint).await? {
            Answer::Saved(savepoint) => Ok(savepoint),
            _ => Err(unexpected(job)),
        }
    }

    async fn log(&self, job: &JobId) -> Result<Vec<LogLine>> {
        match self.place(job)? {
            Place::Here(handle) => Ok(handle.log.lines().0),
            Place::Nobody(_) => Ok(handle::read_log(&self.job_dir(job))),
            Place::Elsewhere(..) => match (self.ask_owner(job, Verb::Log).await, self.ended(job)?) {
                (Ok(Answer::Log(lines)), _) => {
                    Ok(lines.into_iter().map(|l| LogLine { at: l.at, text: l.text }).collect())
                }
                // It ended while it was asked, and has left its log.
                (_, Some(_)) => Ok(handle::read_log(&self.job_dir(job))),
                (Ok(_), None) => Err(unexpected(job)),
                (Err(error), None) => Err(error),
            },
        }
    }

    /// A local status comes as it changes: from the job's thread, or over its owner's socket. A job whose process is
    /// gone shows as [`JobStatus::lost`], with [`ErrorKind::NotFound`] as the problem.
    fn watch(self: Arc<Self>, job: JobId) -> watch::Receiver<Watched> {
        if let Some(handle) = self.own(&job) {
            return handle.watch();
        }
        let (sender, receiver) = watch::channel(Watched::default());
        tokio::spawn(async move {
            tokio::select! {
                () = sender.closed() => {}
                () = follow(&self, job, &sender) => {}
            }
        });
        receiver
    }
}

/// Follows a job that another process runs, or that nobody does, to its end.
async fn follow(host: &Host, job: JobId, sender: &watch::Sender<Watched>) {
    loop {
        if let Ok(Place::Elsewhere(_, socket)) = host.place(&job)
            && let Ok(mut client) = Client::send(&socket, job, Verb::Watch).await
        {
            while let Ok(Answer::Status(status)) = client.next().await {
                let ended = status.state.is_terminal();
                sender.send_replace(Watched {
                    status: Some(status),
                    problem: None,
                });
                if ended {
                    return;
                }
            }
        }
        let is_over = match host.status(&job).await {
            Ok(status) => {
                let is_over = status.lost || status.state.is_terminal();
                let problem = status.lost.then(|| not_running(&job, &status));
                sender.send_replace(Watched {
                    status: Some(status),
                    problem,
                });
                is_over
            }
            Err(problem) => {
                let is_gone = problem.kind == ErrorKind::NotFound;
                sender.send_modify(|watched| watched.problem = Some(problem));
                is_gone
            }
        };
        if is_over {
            return;
        }
        // A process that is killed may close its socket before it lets go of the lock.
        tokio::time::sleep(AGAIN).await;
    }
}
