//! What came of a savepoint or stop whose request can't be asked about: one whose acceptance was not heard of, and one that
//! the JobManager has forgotten. It forgets a request some minutes after its end (`rest.async.store-duration`, 5 minutes
//! unless it is set); the job's checkpoint statistics remember what was taken.

use std::time::{Duration, Instant};

use skep_engine::{EngineError, ErrorKind, JobId, JobState, Result, path_key};

use super::Cluster;
use super::answers::{Checkpoint, FailureCause, Operation, Outcome};
use super::operations::lost;
use crate::flink::limits::Backoff;

/// A request whose connection broke may arrive that much later than this was noticed.
const LATE: Duration = Duration::from_secs(2);

/// The type that the statistics give the savepoint of a stop.
const OF_A_STOP: &str = "SYNC_SAVEPOINT";

/// A savepoint or stop that was asked for.
pub(super) struct Asked<'a> {
    /// Of which job.
    pub(super) job: &'a JobId,
    /// What it is, with its article: `a savepoint of job 5f2c9a4e`.
    pub(super) what: &'a str,
    /// Where its progress is asked.
    pub(super) progress: String,
    /// It stops the job.
    pub(super) stops: bool,
    /// The directory that it was to be made in, if one was named.
    pub(super) dir: Option<&'a str>,
}

impl Cluster {
    /// A request was answered with an error, or not at all. Its own id tells whether the cluster has it all the same.
    ///
    /// # Errors
    /// It has not, or that is not known.
    pub(super) async fn settle_request(&self, asked: &Asked<'_>, error: EngineError) -> Result<()> {
        let Asked { job, what, .. } = asked;
        if !may_have_arrived(error.kind) {
            return Err(self.about_job(job, error));
        }
        let broke = Instant::now();
        let mut backoff = Backoff::new();
        loop {
            match self.client.get::<Operation>(&asked.progress).await {
                Ok(_) => return Ok(()),
                Err(unknown) if unknown.kind == ErrorKind::NotFound => {}
                Err(_) => return Err(self.lost(job, what, error).await),
            }
            let is_answer = error.kind == ErrorKind::Failed;
            if is_answer || broke.elapsed() >= LATE {
                break;
            }
            backoff.pause().await;
        }
        // What nobody has answered for so long may still wait somewhere on its way.
        if error.kind == ErrorKind::Timeout {
            return Err(self.lost(job, what, error).await);
        }
        let fate = self.fate(job).await;
        let cause = error.message.trim_end_matches('.');
        let message = format!("{cause}; the cluster has not begun {what}, and {fate}");
        let kind = match error.kind {
            ErrorKind::Lost => ErrorKind::Failed,
            kind => kind,
        };
        Err(EngineError { kind, message, ..error })
    }

    /// The outcome of a request that the cluster has forgotten, by the statistics of the job. `since`: when it was sent, or
    /// was seen to be there.
    ///
    /// # Errors
    /// The job is not known any more, or no savepoint was taken since.
    pub(super) async fn recall(&self, asked: &Asked<'_>, since: Instant) -> Result<Outcome> {
        let Asked { job, what, .. } = asked;
        let limits = self.client.limits();
        let began = Instant::now();
        let mut backoff = Backoff::new();
        loop {
            let taken = match self.taken_since(asked, since).await {
                Ok(taken) => taken,
                Err(error) if error.kind == ErrorKind::NotFound => {
                    let error = EngineError {
                        message: format!("{} (was its JobManager restarted?)", error.message),
                        ..error
                    };
                    let hint = format!("!job {job} names what could bring it back");
                    return Err(lost(what, error).hint(hint));
                }
                Err(error) if began.elapsed() >= limits.outage => return Err(self.lost(job, what, error).await),
                Err(_) => {
                    backoff.pause().await;
                    continue;
                }
            };
            // Statistics from before the request tell nothing of it.
            let is_told = since.elapsed() >= self.refresh;
            let completed = taken.iter().rfind(|checkpoint| checkpoint.status == "COMPLETED");
            if let (true, Some(path)) = (is_told, completed.and_then(|taken| taken.external_path.clone())) {
                return Ok(Outcome::at(path));
            }
            let runs = taken.iter().any(|checkpoint| checkpoint.status == "IN_PROGRESS");
            // A JobManager that is busy begins what it has been asked for some seconds later.
            let patience = limits.outage.max(self.refresh.saturating_mul(2));
            let is_over = !taken.is_empty() && is_told;
            if !runs && (is_over || began.elapsed() >= patience) {
                return match taken.last() {
                    Some(failed) => Ok(Outcome::failed(failed.failure_message.clone().unwrap_or_default())),
                    None => Err(self.never_taken(job, what).await),
                };
            }
            if since.elapsed() >= limits.operation {
                let message = format!(
                    "{what} is not complete after {:?}; it may still come to be",
                    limits.operation
                );
                return Err(EngineError::new(ErrorKind::Timeout, message));
            }
            backoff.pause().await;
        }
    }

    /// The savepoints of that kind that were begun, or ended, since then: complete, failed or under way, newest first. The
    /// server's own clock says how long ago they were.
    async fn taken_since(&self, asked: &Asked<'_>, since: Instant) -> Result<Vec<Checkpoint>> {
        let (statistics, graph) = tokio::try_join!(self.checkpoints(asked.job), self.graph(asked.job))?;
        let Some(statistics) = statistics else {
            return Ok(Vec::new());
        };
        let elapsed = i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX);
        let earliest = graph.now.saturating_sub(elapsed);
        let latest = statistics.latest;
        let known = statistics.history.into_iter();
        let known = known.chain(latest.savepoint).chain(latest.failed);
        let mut taken: Vec<Checkpoint> = known
            .filter(|checkpoint| {
                let of_a_stop = checkpoint.checkpoint_type.as_deref() == Some(OF_A_STOP);
                let there = checkpoint.external_path.as_deref().map(path_key);
                let elsewhere = there
                    .zip(asked.dir.map(path_key))
                    .is_some_and(|(path, dir)| !path.starts_with(dir.as_ref()));
                let moment = checkpoint.trigger_timestamp.max(checkpoint.latest_ack_timestamp);
                checkpoint.is_savepoint && of_a_stop == asked.stops && !elsewhere && moment >= earliest
            })
            .collect();
        taken.sort_by_key(|checkpoint| std::cmp::Reverse(checkpoint.id));
        taken.dedup_by_key(|checkpoint| checkpoint.id);
        Ok(taken)
    }

    async fn never_taken(&self, job: &JobId, what: &str) -> EngineError {
        let fate = self.fate(job).await;
        EngineError::failed(format!(
            "the cluster at {} has forgotten the request, and the job's statistics name nothing that came of it: there is no \
             result of {what}, and {fate}",
            self.server()
        ))
    }

    /// The cluster may have taken the request, and can't be asked what came of it.
    pub(super) async fn lost(&self, job: &JobId, what: &str, error: EngineError) -> EngineError {
        let fate = self.fate(job).await;
        let mut lost = lost(what, error);
        lost.message = format!("{}, and {fate}", lost.message);
        lost
    }

    /// What is known of the job now, as half a sentence.
    pub(super) async fn fate(&self, job: &JobId) -> String {
        match self.state(job).await {
            Ok(JobState::Running) => "the job runs on".to_owned(),
            Ok(state) => format!("the job is {state}"),
            Err(error) if error.kind == ErrorKind::NotFound => "the cluster knows the job no more".to_owned(),
            Err(_) => "the job's state is not known".to_owned(),
        }
    }
}

/// Whether a request that failed so may have been taken: a 5xx may be the word of a proxy, or of a JobManager that did not
/// wait for itself.
const fn may_have_arrived(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Lost | ErrorKind::Timeout | ErrorKind::Failed | ErrorKind::Protocol | ErrorKind::Connect
    )
}

impl Outcome {
    fn at(path: String) -> Self {
        Self {
            location: Some(path),
            checkpoint_id: None,
            failure_cause: None,
        }
    }

    fn failed(message: String) -> Self {
        Self {
            location: None,
            checkpoint_id: None,
            failure_cause: Some(FailureCause { stack_trace: message }),
        }
    }
}
