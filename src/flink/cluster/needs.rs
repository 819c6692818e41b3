//! What the jobs that run on a cluster still need of saved states.

use futures::{StreamExt, TryStreamExt, stream};
use skep_engine::{JobId, Result, Savepoint, SavepointKind, Verdict, path_key};

use super::Cluster;
use super::answers::Checkpoints;
use super::stores::AT_ONCE;

/// What running jobs need.
#[derive(Debug, Default)]
pub(crate) struct Needs(Vec<Need>);

/// What one running job needs.
#[derive(Debug, PartialEq, Eq)]
struct Need {
    job: JobId,
    /// The state that it has claimed, by its path without what may be written or left out.
    claimed: Option<String>,
    /// Where its checkpoints lie, once the statistics tell of one. They lag by some seconds.
    dir: Option<String>,
}

impl Cluster {
    /// What the jobs need that run now.
    ///
    /// # Errors
    /// The JobManager could not be asked.
    pub(crate) async fn needs(&self) -> Result<Needs> {
        let jobs = self.list_jobs().await?;
        let running = jobs.into_iter().filter(|job| !job.status.state.is_terminal());
        let needs = stream::iter(running).map(|job| async move {
            let statistics = self.checkpoints(&job.job_id).await?;
            Ok(Need::of(job.job_id, statistics.as_ref()))
        });
        Ok(Needs(needs.buffer_unordered(AT_ONCE).try_collect().await?))
    }
}

impl Needs {
    /// What one job needs that runs, by its statistics.
    pub(super) fn of(job: JobId, statistics: Option<&Checkpoints>) -> Self {
        Self(vec![Need::of(job, statistics)])
    }

    /// Says of each state which running job needs it.
    pub(crate) fn mark(&self, found: &mut [Savepoint]) {
        for savepoint in found {
            for need in &self.0 {
                need.mark(savepoint);
            }
        }
    }
}

impl Need {
    fn of(job: JobId, statistics: Option<&Checkpoints>) -> Self {
        let newest = statistics.and_then(|statistics| statistics.latest.completed.as_ref()?.external_path.as_deref());
        Self {
            job,
            claimed: statistics.and_then(|statistics| claimed(&job, statistics)),
            dir: newest.and_then(|path| Some(around(&path_key(path))?.to_owned())),
        }
    }

    fn mark(&self, savepoint: &mut Savepoint) {
        let job = self.job.short();
        let path = path_key(&savepoint.path).into_owned();
        if self.claimed.as_deref() == Some(path.as_str()) {
            if savepoint.verdict == Verdict::Missing && !savepoint.is_seen() {
                // Nothing lies there: the job has needed it no more.
                savepoint.verdict = Verdict::Gone;
                savepoint.reasons.clear();
            }
            savepoint.note_claim(&self.job);
            return;
        }
        // A copy that lies elsewhere is not the job's.
        let lies_there = self.dir.as_deref().is_none_or(|dir| around(&path) == Some(dir));
        let is_own = savepoint.kind == SavepointKind::Checkpoint && savepoint.job_id == Some(self.job) && lies_there;
        let reason = match savepoint.verdict {
            Verdict::Usable if is_own => {
                savepoint.verdict = Verdict::InUse;
                format!("job {job} runs, and deletes it when it has newer ones")
            }
            Verdict::Incomplete if is_own => format!("job {job} runs, and may be writing it"),
            _ => return,
        };
        savepoint.reasons.push(reason);
    }
}

/// The directory that a path lies in.
fn around(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(dir, _)| dir)
}

/// What a job has claimed: of a restored state that was claimed `is_savepoint` is false, whatever it is (seen on 1.20 and
/// 2.3). One of the job's own is what it came back to by itself after a failure.
fn claimed(job: &JobId, statistics: &Checkpoints) -> Option<String> {
    let restored = statistics.latest.restored.as_ref()?;
    let path = path_key(restored.external_path.as_deref()?);
    let is_own = path.rsplit('/').nth(1) == Some(&job.to_string());
    (!restored.is_savepoint && !is_own).then(|| path.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &str = "c0ffee12000000000000000000000001";

    fn state(path: &str, kind: SavepointKind, job: &str) -> Savepoint {
        Savepoint {
            path: path.to_owned(),
            kind,
            job_id: Some(job.parse().unwrap()),
            checkpoint_id: None,
            taken: None,
            size: None,
            format_version: None,
            label: None,
            verdict: Verdict::Usable,
            reasons: Vec::new(),
            sources: Vec::new(),
        }
    }

    fn verdict(dir: Option<&str>, state: Savepoint) -> Verdict {
        let need = Need {
            job: JOB.parse().unwrap(),
            claimed: Some("/sp/savepoint-1".to_owned()),
            dir: dir.map(str::to_owned),
        };
        let mut states = [state];
        Needs(vec![need]).mark(&mut states);
        states[0].verdict
    }

    #[test]
    fn a_running_job_needs_its_own_checkpoints_and_what_it_has_claimed() {
        use SavepointKind::{Checkpoint, Savepoint};
        let own = format!("file:/c/{JOB}/chk-3");
        let copied = format!("/backup/{JOB}/chk-3");
        let other = "/c/c0ffee12000000000000000000000002/chk-3";
        let here = format!("/c/{JOB}");
        for (dir, state, expected) in [
            // The statistics know of none yet.
            (None, state(&own, Checkpoint, JOB), Verdict::InUse),
            (Some(here.as_str()), state(&own, Checkpoint, JOB), Verdict::InUse),
            (Some(here.as_str()), state(&copied, Checkpoint, JOB), Verdict::Usable),
            (None, state("/sp/savepoint-c0ffee-2", Savepoint, JOB), Verdict::Usable),
            (None, state(other, Checkpoint, &JOB.replace('1', "2")), Verdict::Usable),
            (None, state("file:///sp/savepoint-1/", Savepoint, JOB), Verdict::Claimed),
        ] {
            assert_eq!(verdict(dir, state.clone()), expected, "{state:?}");
        }
        let unfinished = skep_engine::Savepoint {
            verdict: Verdict::Incomplete,
            ..state(&own, Checkpoint, JOB)
        };
        assert_eq!(verdict(None, unfinished), Verdict::Incomplete);
        // What was claimed and is not there was deleted; what lies there with holes is another matter.
        for (source, expected) in [
            ("cluster", Verdict::Gone),
            (skep_engine::Savepoint::SEEN, Verdict::Missing),
        ] {
            let missing = skep_engine::Savepoint {
                verdict: Verdict::Missing,
                sources: vec![source.to_owned()],
                ..state("/sp/savepoint-1", Savepoint, JOB)
            };
            assert_eq!(verdict(None, missing), expected);
        }
    }
}
