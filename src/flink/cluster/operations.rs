//! Savepoints, stops and checkpoints: asked for, then waited for.

use std::time::Instant;

use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use skep_engine::{
    CheckpointRequest, EndedBy, EngineError, ErrorKind, Format, JobId, JobState, Result, Savepoint, SavepointKind,
    SavepointRequest, StopRequest, Verdict,
};

use super::answers::{Operation, Outcome, Triggered};
use super::forgotten::Asked;
use super::{Cluster, stores};
use crate::flink::failure::{self, RootCause};
use crate::flink::http::Repeat;
use crate::flink::limits::Backoff;

/// Vertices that are named when not all run.
const NAMED: usize = 3;

/// What Flink says of a savepoint that fails because a task did (`CheckpointFailureReason`), without why that one did: before the
/// savepoint was begun, and while it was being made.
const RESTARTING: [&str; 3] = [
    "Not all required tasks",
    "FailoverRegion is restarting",
    "Checkpoint Coordinator is suspending",
];

/// An operation that the cluster carries out while we wait.
pub(super) struct Waiting<'a> {
    /// What it makes, with its article: `a savepoint of job 5f2c9a4e`.
    pub(super) what: &'a str,
    /// Where its progress is asked.
    pub(super) progress: String,
}

impl Cluster {
    /// Takes a savepoint and waits for it.
    pub(super) async fn take_savepoint(&self, job: &JobId, request: &SavepointRequest) -> Result<Savepoint> {
        let what = savepoint_of(job);
        let asked = asked_for(job, &what, request, false);
        let outcome = self.trigger(&asked, &savepoint_body(request)).await;
        let outcome = outcome.map_err(|error| mind_dir(error, request))?;
        self.saved_by(&asked, outcome, request).await
    }

    /// Has the cluster begin a savepoint, unless it has already.
    pub(super) async fn begin_savepoint(&self, job: &JobId, request: &SavepointRequest) -> Result<()> {
        let what = savepoint_of(job);
        let asked = asked_for(job, &what, request, false);
        let begun = self.ask_for(&asked, &savepoint_body(request)).await;
        begun.map(drop).map_err(|error| mind_dir(error, request))
    }

    /// Waits for a savepoint that was begun before, and begins none.
    pub(super) async fn await_savepoint(&self, job: &JobId, request: &SavepointRequest) -> Result<Savepoint> {
        let what = savepoint_of(job);
        let asked = asked_for(job, &what, request, false);
        let outcome = match self.client.get::<Operation>(&asked.progress).await {
            Ok(_) => self.await_request(&asked, Instant::now()).await?,
            Err(error) if error.kind == ErrorKind::NotFound => return Err(self.unknown_request(job, request).await),
            Err(error) => return Err(self.lost(job, &what, error).await),
        };
        self.saved_by(&asked, outcome, request).await
    }

    /// Stops the job with a savepoint and waits for both.
    pub(super) async fn stop_job(&self, job: &JobId, request: &StopRequest) -> Result<Savepoint> {
        let what = format!("a stop of job {} with a savepoint", job.short());
        let savepoint = &request.savepoint;
        let asked = asked_for(job, &what, savepoint, true);
        let body = json!({
            "triggerId": savepoint.trigger.to_string(),
            "drain": request.drain,
            "formatType": format_word(savepoint.format),
            "targetDirectory": savepoint.dir,
        });
        let outcome = self.trigger(&asked, &body).await;
        let outcome = outcome.map_err(|error| mind_dir(error, savepoint))?;
        match read_location(outcome) {
            Ok(location) => {
                self.await_end(job, &location).await?;
                let ended_by = if request.drain {
                    EndedBy::Drained
                } else {
                    EndedBy::Stopped
                };
                self.deeds.remember(job, &location, Some(ended_by));
                Ok(self.saved(job, location, savepoint.numbered).await)
            }
            Err(cause) => Err(self.not_done(job, &what, &cause).await),
        }
    }

    /// Takes a checkpoint and waits for it and for the statistics to name its path.
    pub(super) async fn take_checkpoint(&self, job: &JobId, request: CheckpointRequest) -> Result<Savepoint> {
        let what = format!("a checkpoint of job {}", job.short());
        self.await_tasks(job, &what).await?;
        let word = match request {
            CheckpointRequest::Configured => "CONFIGURED",
            CheckpointRequest::Full => "FULL",
            CheckpointRequest::Incremental => "INCREMENTAL",
        };
        let path = format!("/v1/jobs/{job}/checkpoints");
        let body = json!({ "checkpointType": word });
        // No id of the caller's comes with this request, so that a second one would be a second checkpoint.
        let triggered = self
            .client
            .send::<Triggered>(Method::POST, &path, Some(&body), Repeat::Never);
        let triggered = triggered.await.map_err(|error| self.not_sent(job, &what, error))?;
        let progress = format!("{path}/{}", read_id(&triggered)?);
        let outcome = self.await_outcome(&Waiting { what: &what, progress }).await?;
        if let Some(cause) = &outcome.failure_cause {
            return Err(self.not_done(job, &what, &RootCause::read(&cause.stack_trace)).await);
        }
        let id = outcome.checkpoint_id.ok_or_else(|| {
            EngineError::new(
                ErrorKind::Protocol,
                format!("{what} was taken, but its number is missing"),
            )
        })?;
        self.find_checkpoint(job, id).await
    }

    /// What came of a savepoint that leaves the job running.
    async fn saved_by(&self, asked: &Asked<'_>, outcome: Outcome, request: &SavepointRequest) -> Result<Savepoint> {
        match read_location(outcome) {
            Ok(location) => {
                self.deeds.remember(asked.job, &location, None);
                Ok(self.saved(asked.job, location, request.numbered).await)
            }
            Err(cause) => Err(self.not_done(asked.job, asked.what, &cause).await),
        }
    }

    /// Triggers a savepoint or stop, unless the cluster has the request already, and waits for its outcome.
    async fn trigger(&self, asked: &Asked<'_>, body: &Value) -> Result<Outcome> {
        let since = self.ask_for(asked, body).await?;
        self.await_request(asked, since).await
    }

    /// Waits for the outcome of a savepoint or stop that was there at that moment.
    async fn await_request(&self, asked: &Asked<'_>, since: Instant) -> Result<Outcome> {
        let waiting = Waiting {
            what: asked.what,
            progress: asked.progress.clone(),
        };
        match self.poll(&waiting).await {
            Ok(Some(outcome)) => Ok(outcome),
            Ok(None) => self.recall(asked, since).await,
            Err(error) if error.kind == ErrorKind::Lost => {
                let message = format!("{}, and {}", error.message, self.fate(asked.job).await);
                Err(EngineError { message, ..error })
            }
            Err(error) => Err(error),
        }
    }

    /// Triggers a savepoint or stop, unless the cluster has the request already. Returns a moment at which it had not ended.
    async fn ask_for(&self, asked: &Asked<'_>, body: &Value) -> Result<Instant> {
        let Asked { job, what, .. } = asked;
        let since = Instant::now();
        // A request that is made again, its first answer lost, is met here: the job may have ended since.
        let asked_before = match self.client.get::<Operation>(&asked.progress).await {
            Ok(_) => true,
            Err(error) if error.kind == ErrorKind::NotFound => false,
            Err(error) => {
                let message = format!("{}; {what} was not asked for", error.message);
                return Err(EngineError { message, ..error });
            }
        };
        if !asked_before {
            self.await_tasks(job, what).await?;
            let verb = if asked.stops { "stop" } else { "savepoints" };
            let path = format!("/v1/jobs/{job}/{verb}");
            let since = Instant::now();
            let sent = self
                .client
                .send::<Triggered>(Method::POST, &path, Some(body), Repeat::Idempotent);
            if let Err(error) = sent.await {
                self.settle_request(asked, error).await?;
            }
            return Ok(since);
        }
        Ok(since)
    }

    /// The error for a request that is to be waited for and that the cluster does not know.
    async fn unknown_request(&self, job: &JobId, request: &SavepointRequest) -> EngineError {
        let Ok(statistics) = self.checkpoints(job).await else {
            return self.unknown_job(job);
        };
        let error = EngineError::not_found(format!(
            "the cluster at {} knows no request {} of job {}, and nothing was asked for again",
            self.server(),
            request.trigger,
            job.short()
        ));
        let error = error.hint("it forgets a request some minutes after its end (rest.async.store-duration)");
        let newest = statistics.and_then(|statistics| statistics.latest.savepoint?.external_path);
        match newest {
            Some(path) => error.hint(format!("the job's newest savepoint is {}", failure::fit_to_show(&path))),
            None => error,
        }
    }

    /// The error for a request whose acceptance was not heard of.
    fn not_sent(&self, job: &JobId, what: &str, error: EngineError) -> EngineError {
        match error.kind {
            ErrorKind::Lost | ErrorKind::Timeout => lost(what, error),
            _ => self.about_job(job, error),
        }
    }

    /// Waits until every task of the job runs or has finished: before that each savepoint fails. RUNNING alone says
    /// nothing of the tasks.
    async fn await_tasks(&self, job: &JobId, what: &str) -> Result<()> {
        let deadline = Instant::now() + self.client.limits().tasks;
        let mut backoff = Backoff::new();
        loop {
            let status = self.overview_of(job).await?;
            if status.state == JobState::Running && status.tasks.is_some_and(|(running, all)| running == all) {
                return Ok(());
            }
            if status.state.is_terminal() || status.state == JobState::Cancelling {
                let message = format!("job {} is {}: {what} needs it running", job.short(), status.state);
                return Err(EngineError::refused(message));
            }
            if Instant::now() >= deadline {
                return Err(self.not_running(job, status.state, what).await);
            }
            backoff.pause().await;
        }
    }

    /// Why the job's tasks do not all run.
    async fn not_running(&self, job: &JobId, state: JobState, what: &str) -> EngineError {
        let waited = self.client.limits().tasks;
        let mut message = format!(
            "{what} needs every task running, and after {waited:?} job {} is {state}",
            job.short()
        );
        if let Ok(graph) = self.graph(job).await {
            let idle = |vertex: &&super::answers::Vertex| !matches!(vertex.status.as_str(), "RUNNING" | "FINISHED");
            let vertices: Vec<String> = graph
                .vertices
                .iter()
                .filter(idle)
                .take(NAMED)
                .map(|vertex| {
                    format!(
                        "{} is {}",
                        failure::fit_to_show(&vertex.name),
                        failure::fit_to_show(&vertex.status)
                    )
                })
                .collect();
            if !vertices.is_empty() {
                message = format!("{message} ({})", vertices.join(", "));
            }
        }
        let newest = self.exceptions(job, 1).await.unwrap_or_default();
        match newest.first() {
            Some(exception) => {
                let cause = RootCause::read(&exception.stacktrace);
                EngineError::refused(format!("{}; {message}", cause.sentence)).trace(cause.trace)
            }
            None => EngineError::refused(message).hint("are there free slots for it? The job itself was not touched"),
        }
    }

    /// Asks again and again until the operation has completed. A server that is away for a moment is waited for.
    pub(super) async fn await_outcome(&self, waiting: &Waiting<'_>) -> Result<Outcome> {
        let forgotten = || EngineError::not_found(format!("{} does not know the request any more", self.server()));
        self.poll(waiting).await?.ok_or_else(|| lost(waiting.what, forgotten()))
    }

    /// The same; none if the cluster does not know the operation any more.
    async fn poll(&self, waiting: &Waiting<'_>) -> Result<Option<Outcome>> {
        let Waiting { what, progress } = waiting;
        let limits = self.client.limits();
        let deadline = Instant::now() + limits.operation;
        let mut heard = Instant::now();
        let mut backoff = Backoff::new();
        loop {
            match self.client.get::<Operation>(progress).await {
                Ok(Operation { status, operation }) => match (status.id.as_str(), operation) {
                    ("COMPLETED", Some(outcome)) => return Ok(Some(outcome)),
                    ("IN_PROGRESS", _) => heard = Instant::now(),
                    (word, _) => {
                        let word = failure::fit_to_show(word);
                        let message = format!("{} said {word:?} of {what}, without an outcome", self.server());
                        return Err(EngineError::new(ErrorKind::Protocol, message));
                    }
                },
                Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
                // A JobManager that is busy says 500 to what it has an answer to a moment later.
                Err(error)
                    if (is_passing(error.kind) || error.kind == ErrorKind::Failed)
                        && heard.elapsed() < limits.outage => {}
                Err(error) => return Err(lost(what, error)),
            }
            if Instant::now() >= deadline {
                let message = format!(
                    "{what} is not complete after {:?}; it may still come to be",
                    limits.operation
                );
                return Err(EngineError::new(ErrorKind::Timeout, message)
                    .hint("the job's execution.checkpointing.timeout ends it on the cluster's side"));
            }
            backoff.pause().await;
        }
    }

    /// A stop's savepoint is complete: waits until the job has ended too.
    async fn await_end(&self, job: &JobId, location: &str) -> Result<()> {
        let deadline = Instant::now() + self.client.limits().tasks;
        let mut backoff = Backoff::new();
        loop {
            let message = match self.state(job).await {
                Ok(JobState::Finished) => return Ok(()),
                Ok(state) if state.is_terminal() || Instant::now() >= deadline => {
                    format!("job {} is {state} instead of FINISHED", job.short())
                }
                Err(error) if !is_passing(error.kind) || Instant::now() >= deadline => {
                    format!("{error}; the state of job {} is not known", job.short())
                }
                _ => {
                    backoff.pause().await;
                    continue;
                }
            };
            return Err(EngineError::failed(format!(
                "{message}, though its savepoint {location} is complete"
            )));
        }
    }

    /// A savepoint that is complete. Its number and size come from the statistics, if these name it already, or if they
    /// are to be waited for.
    async fn saved(&self, job: &JobId, location: String, numbered: bool) -> Savepoint {
        let named = |savepoint: &Savepoint| savepoint.path == location;
        let known = if numbered {
            self.await_statistics(job, named).await
        } else {
            self.find_in_statistics(job, named).await
        };
        // The savepoint itself is complete, whether the statistics can be had or not.
        known.ok().flatten().unwrap_or_else(|| Savepoint {
            path: location,
            kind: SavepointKind::Savepoint,
            job_id: Some(*job),
            checkpoint_id: None,
            taken: Some(Timestamp::now()),
            size: None,
            format_version: None,
            label: None,
            verdict: Verdict::Usable,
            reasons: Vec::new(),
            sources: vec![stores::SOURCE.to_owned()],
        })
    }

    /// A checkpoint that is complete, once the statistics name it.
    async fn find_checkpoint(&self, job: &JobId, id: u64) -> Result<Savepoint> {
        let numbered = |checkpoint: &Savepoint| checkpoint.checkpoint_id == Some(id);
        self.await_statistics(job, numbered).await?.ok_or_else(|| {
            let message = format!(
                "checkpoint {id} of job {} was taken, but the cluster does not say where it is",
                job.short()
            );
            EngineError::new(ErrorKind::Protocol, message)
                .hint("the job's checkpoint directory has it as chk-NUMBER, unless newer ones have replaced it")
        })
    }

    /// A saved state of the job as the statistics name it now, if they do.
    async fn find_in_statistics(&self, job: &JobId, is: impl Fn(&Savepoint) -> bool) -> Result<Option<Savepoint>> {
        let statistics = self.checkpoints(job).await?;
        let known = statistics.map(|statistics| stores::known_of(job, &statistics, true));
        Ok(known.into_iter().flatten().find(is))
    }

    /// The same, waiting for the statistics to be renewed: they may be as old as `web.refresh-interval`.
    async fn await_statistics(&self, job: &JobId, is: impl Fn(&Savepoint) -> bool) -> Result<Option<Savepoint>> {
        let deadline = Instant::now() + self.refresh * 2;
        let mut backoff = Backoff::new();
        loop {
            let found = self.find_in_statistics(job, &is).await?;
            if found.is_some() || Instant::now() >= deadline {
                return Ok(found);
            }
            backoff.pause().await;
        }
    }

    /// The error for an operation that failed: the root cause first, then what became of the job.
    async fn not_done(&self, job: &JobId, what: &str, cause: &RootCause) -> EngineError {
        if cause.is_job_not_found() {
            return self.unknown_job(job).trace(cause.trace.clone());
        }
        let state = self.fate(job).await;
        let root = cause.sentence.trim_end_matches('.');
        let error = EngineError::failed(format!("{root}; there is no result of {what}, and {state}"));
        let error = error.trace(cause.trace.clone());
        if cause.class == "CheckpointException" && RESTARTING.iter().any(|reason| cause.sentence.contains(reason)) {
            let newest = self.exceptions(job, 1).await.unwrap_or_default();
            return error.hint(match newest.first() {
                Some(exception) => format!(
                    "a task was just being restarted, because of {}",
                    RootCause::read(&exception.stacktrace).sentence
                ),
                None => "a task was just being restarted: ask again".to_owned(),
            });
        }
        error
    }
}

/// What is asked for, and where its progress is asked: that of a stop as that of a savepoint.
fn asked_for<'a>(job: &'a JobId, what: &'a str, request: &'a SavepointRequest, stops: bool) -> Asked<'a> {
    Asked {
        job,
        what,
        progress: format!("/v1/jobs/{job}/savepoints/{}", request.trigger),
        stops,
        dir: request.dir.as_deref(),
    }
}

fn savepoint_of(job: &JobId) -> String {
    format!("a savepoint of job {}", job.short())
}

fn savepoint_body(request: &SavepointRequest) -> Value {
    json!({
        "triggerId": request.trigger.to_string(),
        "cancel-job": false,
        "formatType": format_word(request.format),
        "target-directory": request.dir,
    })
}

/// A failure that the next question may not meet.
const fn is_passing(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Connect | ErrorKind::Timeout | ErrorKind::Lost)
}

/// The cluster took the request, and can't be asked any more what came of it.
pub(super) fn lost(what: &str, error: EngineError) -> EngineError {
    let kind = if is_passing(error.kind) || error.kind == ErrorKind::NotFound {
        ErrorKind::Lost
    } else {
        error.kind
    };
    let mut lost = EngineError::new(kind, format!("{}; what came of {what} is not known", error.message));
    lost.hints = error.hints;
    lost.trace = error.trace;
    lost.hint("the job's savepoints, as the cluster lists them, tell whether it was taken")
}

fn read_location(outcome: Outcome) -> Result<String, RootCause> {
    match (outcome.location, outcome.failure_cause) {
        (Some(location), None) => Ok(location),
        (_, Some(cause)) => Err(RootCause::read(&cause.stack_trace)),
        (None, None) => Err(RootCause::read("the cluster gave neither a path nor a reason")),
    }
}

/// The server's id of a request, which is to become part of a path.
pub(super) fn read_id(triggered: &Triggered) -> Result<JobId> {
    let id = triggered.request_id.parse();
    id.map_err(|error| EngineError::new(ErrorKind::Protocol, format!("the request's id: {error}")))
}

/// A request without a directory is malformed where the cluster has no default one.
fn mind_dir(error: EngineError, request: &SavepointRequest) -> EngineError {
    if error.kind == ErrorKind::Rejected && request.dir.is_none() {
        return error.hint("give the directory to save in: the cluster has no default one");
    }
    error
}

const fn format_word(format: Format) -> &'static str {
    match format {
        Format::Canonical => "CANONICAL",
        Format::Native => "NATIVE",
    }
}
