//! Jobs: list, status, detail, cancel.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::Method;
use serde::de::IgnoredAny;
use skep_engine::{EndedBy, EngineError, ErrorKind, JobDetail, JobId, JobState, JobStatus, JobSummary, Result, Vertex};

use super::answers::{
    Checkpoint, CheckpointConfig, Checkpoints, Exception, Exceptions, Job, JobOverview, JobsOverview, Metric, State,
};
use super::{Cluster, Needs, stores, time};
use crate::flink::failure::{self, RootCause};
use crate::flink::http::Repeat;
use crate::flink::limits::Backoff;

/// Failures of a job that are shown.
const EXCEPTIONS: usize = 10;

/// The cause of a failure that the server does not tell at once is waited for, at most so long.
const LONGEST_CAUSE: Duration = Duration::from_secs(10);

impl Cluster {
    /// All jobs, newest first.
    pub(super) async fn list_jobs(&self) -> Result<Vec<JobSummary>> {
        let mut jobs = self.overview().await?;
        jobs.sort_by_key(|job| std::cmp::Reverse(job.start_time));
        jobs.into_iter()
            .map(|job| {
                let job_id = job
                    .jid
                    .parse()
                    .map_err(|error| EngineError::new(ErrorKind::Protocol, format!("{}: {error}", self.server())))?;
                let status = status_of(&job)?;
                Ok(JobSummary {
                    job_id,
                    cluster_id: self.id.clone(),
                    name: job.name,
                    status,
                })
            })
            .collect()
    }

    /// The jobs as they are now: unlike [`Cluster::graph`] this is never an older answer.
    async fn overview(&self) -> Result<Vec<JobOverview>> {
        Ok(self
            .client
            .get::<JobsOverview>(&format!("{}/jobs/overview", self.root))
            .await?
            .jobs)
    }

    /// One job of the list.
    pub(super) async fn overview_of(&self, job: &JobId) -> Result<JobStatus> {
        let id = job.to_string();
        let found = self.overview().await?.into_iter().find(|entry| entry.jid == id);
        status_of(&found.ok_or_else(|| self.unknown_job(job))?)
    }

    fn job_path(&self, job: &JobId, tail: &str) -> String {
        format!("{}/jobs/{job}{tail}", self.root)
    }

    /// The job's state as it is now.
    pub(super) async fn state(&self, job: &JobId) -> Result<JobState> {
        if self.is_archive() {
            // What has ended does not change, and the archive has no other word for it.
            return self.graph(job).await?.state.parse();
        }
        let state = self.client.get::<State>(&format!("/v1/jobs/{job}/status")).await;
        state.map_err(|error| self.about_job(job, error))?.status.parse()
    }

    /// The job with its vertices. May be as old as `web.refresh-interval` (3 s): the server answers from a cache.
    pub(super) async fn graph(&self, job: &JobId) -> Result<Job> {
        let graph = self.client.get(&self.job_path(job, "")).await;
        graph.map_err(|error| self.about_job(job, error))
    }

    /// The checkpoint statistics, none for a job that never takes any or is still being set up. As old as
    /// [`Cluster::graph`] may be.
    pub(super) async fn checkpoints(&self, job: &JobId) -> Result<Option<Checkpoints>> {
        match self.client.get(&self.job_path(job, "/checkpoints")).await {
            Err(error) if failure::is_not_set_up(&error) => Ok(None),
            answer => known(answer),
        }
    }

    /// How the job takes checkpoints, none if it never does.
    pub(super) async fn checkpoint_config(&self, job: &JobId) -> Result<Option<CheckpointConfig>> {
        known(self.client.get(&self.job_path(job, "/checkpoints/config")).await)
    }

    /// The job's failures, newest first.
    pub(super) async fn exceptions(&self, job: &JobId, most: usize) -> Result<Vec<Exception>> {
        let path = self.job_path(job, &format!("/exceptions?maxExceptions={most}"));
        let answer = known::<Exceptions>(self.client.get(&path).await)?;
        Ok(answer.map(|answer| answer.history.entries).unwrap_or_default())
    }

    /// The job's status now.
    pub(super) async fn job_status(&self, job: &JobId) -> Result<JobStatus> {
        Ok(self.ask(job).await?.summary.status)
    }

    async fn ask(&self, job: &JobId) -> Result<Known> {
        let (state, graph, checkpoints) = tokio::try_join!(self.state(job), self.graph(job), self.checkpoints(job))?;
        let mut status = JobStatus::new(state);
        status.started = time(graph.start_time);
        status.ended = time(graph.end_time);
        status.tasks = tasks_of(&graph);
        let all_run = status.tasks.is_some_and(|(running, all)| running == all);
        let is_steady = graph.state == state.as_str() && (all_run || state.is_terminal());
        if !is_steady {
            // The vertices may be from before something changed. The list is live, and longer: not for every question.
            let now = self.overview_of(job).await?;
            status = JobStatus { state, ..now };
        }
        if let Some(checkpoints) = &checkpoints {
            status.last_checkpoint = newest_checkpoint(checkpoints);
            status.savepoint = checkpoints
                .latest
                .savepoint
                .as_ref()
                .and_then(|savepoint| savepoint.external_path.clone());
        }
        status.ended_by = self.ended_by(state, &graph, checkpoints.as_ref());
        self.deeds.complete(job, &mut status, self.refresh);
        if matches!(state, JobState::Restarting | JobState::Failing | JobState::Failed) {
            status.error = self.cause(job, state, &graph).await?;
        }
        Ok(Known {
            summary: JobSummary {
                job_id: *job,
                cluster_id: self.id.clone(),
                name: graph.name.clone(),
                status,
            },
            graph,
            checkpoints,
        })
    }

    /// Why the job failed. The server gives its failures out of the same cache as the graph: right after the end they may
    /// be of before it, and are asked for again until that can't be.
    async fn cause(&self, job: &JobId, state: JobState, graph: &Job) -> Result<Option<String>> {
        let is_older = state == JobState::Failed && graph.state != state.as_str();
        let deadline = Instant::now() + self.refresh.min(LONGEST_CAUSE);
        let mut backoff = Backoff::new();
        loop {
            let newest = self.exceptions(job, 1).await?;
            if let Some(exception) = newest.first() {
                return Ok(Some(RootCause::read(&exception.stacktrace).sentence));
            }
            if !is_older || Instant::now() >= deadline {
                return Ok(None);
            }
            backoff.pause().await;
        }
    }

    /// How the job ended. A stop with a savepoint and the end of all input are both FINISHED: the statistics tell them
    /// apart, once they are newer than the end.
    fn ended_by(&self, state: JobState, graph: &Job, checkpoints: Option<&Checkpoints>) -> Option<EndedBy> {
        match state {
            JobState::Failed => return Some(EndedBy::Failed),
            JobState::Canceled => return Some(EndedBy::Cancelled),
            JobState::Finished => {}
            _ => return None,
        }
        let Some(checkpoints) = checkpoints else {
            return Some(EndedBy::Completed);
        };
        let mut completed = checkpoints
            .history
            .iter()
            .filter(|checkpoint| checkpoint.status == "COMPLETED");
        let is_stop = |checkpoint: &Checkpoint| checkpoint.checkpoint_type.as_deref() == Some("SYNC_SAVEPOINT");
        // The history is newest first. A checkpoint after the stop's savepoint is one of what a drain gave out; a
        // drain that was over sooner looks like a plain stop.
        let ended_by = match (completed.next(), completed.next()) {
            (Some(last), _) if is_stop(last) => Some(EndedBy::Stopped),
            (Some(last), Some(before)) if is_stop(before) && !last.is_savepoint => Some(EndedBy::Drained),
            _ => None,
        };
        if ended_by.is_some() {
            return ended_by;
        }
        let age = u64::try_from(graph.now.saturating_sub(graph.end_time)).map(Duration::from_millis);
        let up_to_date = graph.end_time > 0 && age.is_ok_and(|age| age > self.refresh);
        let never_took_any = checkpoints.counts.total == 0 && graph.job_type.as_deref() == Some("BATCH");
        (up_to_date || never_took_any).then_some(EndedBy::Completed)
    }

    /// One job whole.
    pub(super) async fn job_detail(&self, job: &JobId) -> Result<JobDetail> {
        let (known, config, exceptions, restarts) = tokio::try_join!(
            self.ask(job),
            self.checkpoint_config(job),
            self.exceptions(job, EXCEPTIONS),
            self.restarts(job),
        )?;
        let Known {
            summary,
            graph,
            checkpoints,
        } = known;
        let kept = stores::kept(summary.status.state, config.as_ref());
        let saved = checkpoints
            .as_ref()
            .map(|checkpoints| stores::known_of(job, checkpoints, kept));
        let mut saved = saved.unwrap_or_default();
        if !summary.status.state.is_terminal() {
            Needs::of(*job, checkpoints.as_ref()).mark(&mut saved);
        }
        let restored_from = checkpoints
            .as_ref()
            .and_then(|checkpoints| checkpoints.latest.restored.as_ref()?.external_path.clone());
        let mut vertices: Vec<Vertex> = graph.vertices.iter().map(vertex).collect();
        if summary.status.state == JobState::Running {
            self.measure(job, &graph.vertices, &mut vertices).await;
        }
        Ok(JobDetail {
            facts: facts(
                &graph,
                summary.status.state,
                config.as_ref(),
                checkpoints.as_ref(),
                restarts,
            ),
            vertices,
            checkpoints: saved,
            exceptions: exceptions.iter().map(account).collect(),
            restored_from,
            summary,
        })
    }

    /// How often the job has been restarted, as far as the metrics tell.
    async fn restarts(&self, job: &JobId) -> Result<Option<u64>> {
        let path = format!("/v1/jobs/{job}/metrics?get=numRestarts");
        let metrics: Vec<Metric> = known(self.client.get(&path).await)?.unwrap_or_default();
        let restarts = metrics.into_iter().find(|metric| metric.id == "numRestarts");
        Ok(restarts.and_then(|metric| metric.value.parse().ok()))
    }

    /// Asks for the end of the job.
    pub(super) async fn cancel_job(&self, job: &JobId) -> Result<()> {
        let path = format!("/v1/jobs/{job}?mode=cancel");
        let answer = self
            .client
            .send::<IgnoredAny>(Method::PATCH, &path, None, Repeat::Idempotent)
            .await;
        match answer {
            Ok(_) => Ok(()),
            Err(error) => Err(self.about_job(job, error)),
        }
    }
}

/// What was asked about one job.
struct Known {
    summary: JobSummary,
    graph: Job,
    checkpoints: Option<Checkpoints>,
}

/// A 404 below `/jobs/:id` of a job that is there says that it has nothing of the kind.
fn known<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn status_of(job: &JobOverview) -> Result<JobStatus> {
    let mut status = JobStatus::new(job.state.parse()?);
    status.started = time(job.start_time);
    status.ended = time(job.end_time);
    let running = job.tasks.running.saturating_add(job.tasks.finished);
    // A job that is still being set up has no tasks yet, which is not the same as all of them running.
    status.tasks = (job.tasks.total > 0).then_some((running, job.tasks.total));
    status.waiting = status.tasks.map(|_| job.tasks.scheduled);
    status.ended_by = match status.state {
        JobState::Failed => Some(EndedBy::Failed),
        JobState::Canceled => Some(EndedBy::Cancelled),
        _ => None,
    };
    Ok(status)
}

fn tasks_of(graph: &Job) -> Option<(u32, u32)> {
    let mut running = 0u32;
    let mut all = 0u32;
    for vertex in &graph.vertices {
        all = all.saturating_add(vertex.parallelism);
        for state in ["RUNNING", "FINISHED"] {
            running = running.saturating_add(vertex.tasks.get(state).copied().unwrap_or(0));
        }
    }
    (all > 0).then_some((running, all))
}

/// The newest completed checkpoint or savepoint.
fn newest_checkpoint(checkpoints: &Checkpoints) -> Option<(u64, Timestamp)> {
    let latest = &checkpoints.latest;
    let completed = latest.completed.iter().chain(&latest.savepoint);
    let newest = completed.max_by_key(|checkpoint| checkpoint.id)?;
    Some((newest.id, time(newest.latest_ack_timestamp)?))
}

fn vertex(vertex: &super::answers::Vertex) -> Vertex {
    let metrics = &vertex.metrics;
    // The server collects them every ten seconds and says 0 until it has (seen on 1.20 and 2.3).
    let not_yet = vertex.status == "RUNNING" && metrics.read_records == 0 && metrics.write_records == 0;
    let count = |records, complete: bool| (complete && !not_yet).then(|| u64::try_from(records).ok()).flatten();
    Vertex {
        id: Some(vertex.id.to_string()),
        rows_in: count(metrics.read_records, metrics.read_records_complete),
        rows_out: count(metrics.write_records, metrics.write_records_complete),
        name: vertex.name.clone(),
        state: vertex.status.clone(),
        parallelism: vertex.parallelism,
        ..Vertex::default()
    }
}

/// A failure in a line: why, when, which task.
fn account(exception: &Exception) -> String {
    let mut text = RootCause::read(&exception.stacktrace).sentence;
    if let Some(task) = &exception.task_name {
        text = format!("{text} (in {})", failure::fit_to_show(task));
    }
    match time(exception.timestamp) {
        Some(at) => format!("{at}: {text}"),
        None => text,
    }
}

fn facts(
    graph: &Job,
    state: JobState,
    config: Option<&CheckpointConfig>,
    checkpoints: Option<&Checkpoints>,
    restarts: Option<u64>,
) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    let mut fact = |name: &str, value: String| facts.push((name.to_owned(), value));
    if state.is_terminal() && graph.state != state.as_str() {
        fact(
            "tasks",
            "as they were before the end: the cluster's statistics lag by some seconds".to_owned(),
        );
    }
    if let Some(job_type) = &graph.job_type {
        fact("type", job_type.clone());
    }
    if let Some(scheduler) = &graph.scheduler_type {
        fact("scheduler", scheduler.clone());
    }
    if let Some(restarts) = restarts {
        fact("restarts", restarts.to_string());
    }
    match config {
        None => fact("checkpointing", "off".to_owned()),
        Some(config) => {
            fact("checkpointing", interval(config));
            fact("checkpoints kept", externalized(config).to_owned());
            // What is not set up yet, or never was, has none.
            if let Some(backend) = config.state_backend.as_ref().filter(|backend| *backend != "Unknown") {
                fact("state backend", backend.clone());
            }
        }
    }
    if let Some(checkpoints) = checkpoints {
        let counts = &checkpoints.counts;
        let line = format!(
            "{} completed, {} failed, {} in progress",
            counts.completed, counts.failed, counts.in_progress
        );
        fact("checkpoints", line);
        if let Some(last) = &checkpoints.latest.completed {
            fact("last checkpoint", size_and_duration(last));
        }
        if let Some(failed) = &checkpoints.latest.failed {
            let why = failed.failure_message.as_deref().unwrap_or("no reason was given");
            fact(
                "last failed checkpoint",
                format!("{}: {}", failed.id, failure::fit_to_show(why)),
            );
        }
    }
    facts
}

fn interval(config: &CheckpointConfig) -> String {
    if config.interval <= 0 || config.interval == i64::MAX {
        return "on request only".to_owned();
    }
    format!("every {}, {}", seconds(config.interval), config.mode)
}

fn externalized(config: &CheckpointConfig) -> &'static str {
    let kept = &config.externalization;
    match (kept.enabled, kept.delete_on_cancellation) {
        (false, _) => "never after the job's end",
        (true, true) => "after a failure, not after a cancel",
        (true, false) => "after a failure or a cancel",
    }
}

fn size_and_duration(checkpoint: &Checkpoint) -> String {
    let size = u64::try_from(checkpoint.state_size).map_or_else(|_| "size unknown".to_owned(), kilobytes);
    format!(
        "{} · {size} in {}",
        checkpoint.id,
        seconds(checkpoint.end_to_end_duration)
    )
}

/// A time given in milliseconds: `500 ms`, `3 s`, `1.25 s`.
fn seconds(millis: i64) -> String {
    if (0..1000).contains(&millis) {
        return format!("{millis} ms");
    }
    let (whole, rest) = (millis / 1000, millis % 1000);
    let decimals = format!("{whole}.{:03}", rest.unsigned_abs());
    format!("{} s", decimals.trim_end_matches('0').trim_end_matches('.'))
}

/// A size, by thousands, to one decimal below ten.
fn kilobytes(bytes: u64) -> String {
    match bytes {
        0..1000 => format!("{bytes} B"),
        1000..10_000 => format!("{}.{} kB", bytes / 1000, bytes % 1000 / 100),
        10_000..10_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}
