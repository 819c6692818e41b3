//! Savepoints and checkpoints as the cluster's statistics know them.

use std::path::Path;
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
use reqwest::Method;
use serde_json::json;
use skep_engine::{EngineError, ErrorKind, JobId, JobState, Result, Savepoint, SavepointKind, Verdict, path_key};

use super::answers::{Checkpoint, CheckpointConfig, Checkpoints, Triggered};
use super::operations::{Waiting, read_id};
use super::{Cluster, time};
use crate::flink::directories::kind_by_name;
use crate::flink::failure::{self, RootCause};
use crate::flink::files::local;
use crate::flink::http::Repeat;
use crate::flink::limits::Backoff;

/// What [`Savepoint::sources`] says of those that the statistics name.
pub(super) const SOURCE: &str = "cluster";

/// What was asked for a moment before the end may have been remembered a moment after it.
const JITTER: Duration = Duration::from_millis(100);

/// Statistics that are renewed more seldom are not waited for to the end.
const LONGEST_RENEWAL: Duration = Duration::from_secs(30);

/// Jobs that are asked about at the same time.
pub(super) const AT_ONCE: usize = 8;

impl Cluster {
    /// The savepoints and checkpoints of one job, newest first.
    pub(super) async fn find_of(&self, job: &JobId) -> Result<Vec<Savepoint>> {
        let state = self.state(job).await?;
        if state.is_terminal() {
            self.await_renewal(job).await?;
        }
        self.find_in(job, state).await
    }

    /// Waits until the statistics of a job that has just ended can't be from before its end: to go back to an older state
    /// than the last would publish rows twice.
    async fn await_renewal(&self, job: &JobId) -> Result<()> {
        if self.is_archive() {
            return Ok(());
        }
        // The server's clock says for how long it has been over; a graph from before the end, that it just has.
        let graph = self.graph(job).await?;
        let over = if graph.end_time > 0 {
            Duration::from_millis(graph.now.saturating_sub(graph.end_time).try_into().unwrap_or(0))
        } else {
            Duration::ZERO
        };
        let left = self.refresh.saturating_add(JITTER).saturating_sub(over);
        tokio::time::sleep(left.min(LONGEST_RENEWAL)).await;
        Ok(())
    }

    async fn find_in(&self, job: &JobId, state: JobState) -> Result<Vec<Savepoint>> {
        let Some(statistics) = self.checkpoints(job).await? else {
            return Ok(Vec::new());
        };
        let kept = if state.is_terminal() {
            kept(state, self.checkpoint_config(job).await?.as_ref())
        } else {
            true
        };
        Ok(known_of(job, &statistics, kept))
    }

    /// Those of all jobs, newest first.
    pub(super) async fn find_all(&self) -> Result<Vec<Savepoint>> {
        let jobs = self.list_jobs().await?;
        let found = stream::iter(jobs).map(|job| async move { self.find_in(&job.job_id, job.status.state).await });
        let mut found: Vec<Savepoint> = found.buffer_unordered(AT_ONCE).try_concat().await?;
        found.sort_by_key(|savepoint| std::cmp::Reverse((savepoint.taken, savepoint.checkpoint_id)));
        Ok(found)
    }

    /// The savepoint or checkpoint at that path, as the statistics know it.
    pub(super) async fn inspect_path(&self, path: &str) -> Result<Savepoint> {
        let wanted = path_key(path);
        let known = self.find_all().await?;
        if let Some(savepoint) = known.into_iter().find(|savepoint| path_key(&savepoint.path) == wanted) {
            return Ok(savepoint);
        }
        let shown = failure::fit_to_show(path);
        let message = format!(
            "the cluster at {} knows of nothing at {shown}, nor is it on this machine",
            self.server()
        );
        Err(EngineError::not_found(message)
            .hint("statistics name the last ten of each job only; give the path of the directory that has _metadata"))
    }

    /// Has the cluster delete a savepoint.
    pub(super) async fn dispose(&self, path: &str) -> Result<()> {
        let shown = failure::fit_to_show(path);
        let wanted = path_key(path);
        let known = self
            .find_all()
            .await?
            .into_iter()
            .find(|saved| path_key(&saved.path) == wanted);
        let kind = known.map_or_else(|| kind_by_name(&wanted), |saved| saved.kind);
        if kind == SavepointKind::Checkpoint {
            let message = format!("{shown} is a checkpoint, which is the engine's own to delete");
            return Err(EngineError::refused(message));
        }
        if let Some(job) = self.user_of(&wanted).await? {
            let message = format!("job {job} runs on {shown} and has no checkpoint of its own yet, or has claimed it");
            return Err(EngineError::refused(message));
        }
        let body = json!({ "savepoint-path": path });
        // Once deleted it can't be deleted again: the second of two requests would fail.
        let sent = self
            .client
            .send::<Triggered>(Method::POST, "/v1/savepoint-disposal", Some(&body), Repeat::Never);
        let progress = format!("/v1/savepoint-disposal/{}", read_id(&sent.await?)?);
        let what = format!("the deletion of {shown}");
        let outcome = self.await_outcome(&Waiting { what: &what, progress }).await?;
        let Some(failed) = outcome.failure_cause else {
            return Ok(());
        };
        let cause = RootCause::read(&failed.stack_trace);
        let kind = if cause.class == "FileNotFoundException" {
            ErrorKind::NotFound
        } else {
            ErrorKind::Failed
        };
        let message = format!("{}; {what} failed", cause.sentence.trim_end_matches('.'));
        Err(EngineError::new(kind, message).trace(cause.trace))
    }

    /// The job that needs the savepoint at that path: it was restored from it and has no checkpoint of its own yet, or
    /// it has claimed it, or it does not say what it is being restored from.
    async fn user_of(&self, wanted: &str) -> Result<Option<JobId>> {
        for job in self.list_jobs().await? {
            if job.status.state.is_terminal() {
                continue;
            }
            if job.status.state == JobState::Initializing && !self.is_set_up(&job.job_id).await? {
                return Ok(Some(job.job_id));
            }
            let Some(statistics) = self.checkpoints(&job.job_id).await? else {
                continue;
            };
            let Some(restored) = &statistics.latest.restored else {
                continue;
            };
            let needed = statistics.counts.completed == 0 || !restored.is_savepoint;
            if needed
                && restored
                    .external_path
                    .as_deref()
                    .is_some_and(|path| path_key(path) == wanted)
            {
                return Ok(Some(job.job_id));
            }
        }
        Ok(None)
    }

    /// Waits until a job that is being set up can be asked what it was restored from.
    async fn is_set_up(&self, job: &JobId) -> Result<bool> {
        let began = Instant::now();
        let mut backoff = Backoff::new();
        while began.elapsed() < self.client.limits().tasks {
            match self.state(job).await {
                Ok(JobState::Initializing) => backoff.pause().await,
                Ok(_) => return Ok(true),
                Err(error) if error.kind == ErrorKind::NotFound => return Ok(true),
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }
}

/// Whether a job in that state leaves its completed checkpoints behind. Those of a finished job are always deleted,
/// whatever `execution.checkpointing.externalized-checkpoint-retention` says (seen on 1.20 and 2.3).
pub(super) fn kept(state: JobState, config: Option<&CheckpointConfig>) -> bool {
    let Some(config) = config else {
        return !state.is_terminal();
    };
    let kept = &config.externalization;
    match state {
        JobState::Finished => false,
        JobState::Canceled => kept.enabled && !kept.delete_on_cancellation,
        JobState::Failed => kept.enabled,
        _ => true,
    }
}

/// The completed savepoints and checkpoints of a job's statistics, newest first. `kept`: the job's checkpoints are
/// still there.
pub(super) fn known_of(job: &JobId, statistics: &Checkpoints, kept: bool) -> Vec<Savepoint> {
    let latest = &statistics.latest;
    let mut completed: Vec<&Checkpoint> = statistics
        .history
        .iter()
        // A long row of checkpoints pushes the newest savepoint out of the history.
        .chain(&latest.savepoint)
        .chain(&latest.completed)
        .filter(|checkpoint| checkpoint.status == "COMPLETED")
        .collect();
    completed.sort_by_key(|checkpoint| std::cmp::Reverse(checkpoint.id));
    completed.dedup_by_key(|checkpoint| checkpoint.id);
    completed
        .into_iter()
        .filter_map(|checkpoint| saved(job, checkpoint, kept))
        .collect()
}

fn saved(job: &JobId, checkpoint: &Checkpoint, kept: bool) -> Option<Savepoint> {
    // Without a path it can't be restored from.
    let path = checkpoint.external_path.clone()?;
    let (verdict, reason) = if is_here(&path) {
        (Verdict::Usable, None)
    } else if checkpoint.discarded {
        (Verdict::Gone, Some("the cluster has deleted it"))
    } else if !checkpoint.is_savepoint && !kept {
        (
            Verdict::Gone,
            Some("the cluster deleted the job's checkpoints when the job ended"),
        )
    } else if is_missing_here(&path) {
        (
            Verdict::Missing,
            Some("the directory it was written to is on this machine, and it is not there"),
        )
    } else {
        (Verdict::Usable, None)
    };
    let kind = if checkpoint.is_savepoint {
        SavepointKind::Savepoint
    } else {
        SavepointKind::Checkpoint
    };
    Some(Savepoint {
        path,
        kind,
        job_id: Some(*job),
        checkpoint_id: Some(checkpoint.id),
        taken: time(checkpoint.latest_ack_timestamp),
        size: u64::try_from(checkpoint.state_size).ok(),
        format_version: None,
        label: None,
        verdict,
        reasons: reason.map(str::to_owned).into_iter().collect(),
        sources: vec![SOURCE.to_owned()],
    })
}

/// Whether this machine has a savepoint or checkpoint at that path.
fn is_here(path: &str) -> bool {
    local(path).is_some_and(|path| path.join("_metadata").is_file())
}

/// Whether this machine has the directory around that path and in it no savepoint or checkpoint. Without that directory
/// nothing can be said: the cluster's machines may have it.
pub(in crate::flink) fn is_missing_here(path: &str) -> bool {
    local(path).is_some_and(|path| path.parent().is_some_and(Path::is_dir) && !path.join("_metadata").is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_named_by_number_is_a_checkpoint() {
        assert_eq!(kind_by_name("s3://b/0123/chk-17"), SavepointKind::Checkpoint);
        assert_eq!(
            kind_by_name("/a/savepoint-ed9153-35098e9d5d24"),
            SavepointKind::Savepoint
        );
        assert_eq!(kind_by_name("/a/chk-new"), SavepointKind::Savepoint);
    }
}
