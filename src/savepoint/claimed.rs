//! States that a job has taken over. It deletes them when it no longer needs them, and of a checkpoint what it shared with
//! others too, which go on looking whole.

use skep_engine::{JobId, Lineage, Savepoint, SavepointKind, Verdict, path_key};

/// A job that has taken over the state that it started from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The job.
    pub by: JobId,
    /// The connection that the job was submitted on.
    pub url: String,
    /// The state.
    pub state: Lineage,
}

/// Gives those that have been claimed, and the checkpoints beside them, the verdict that says so.
pub fn mark_claimed(savepoints: &mut [Savepoint], claims: &[Claim]) {
    for savepoint in savepoints {
        let is_it = |claim: &&Claim| path_key(&savepoint.path) == path_key(&claim.state.path);
        if let Some(claim) = claims.iter().find(is_it) {
            savepoint.note_claim(&claim.by);
            continue;
        }
        if savepoint.verdict == Verdict::Gone {
            continue;
        }
        if let Some(claim) = claims.iter().find(|claim| shares(savepoint, &claim.state)) {
            // What is not whole any more is worse.
            if matches!(savepoint.verdict, Verdict::Usable | Verdict::InUse) {
                savepoint.verdict = Verdict::Claimed;
            }
            savepoint.reasons.push(format!(
                "job {} has claimed {} of the same job, and deletes files that both may need",
                claim.by.short(),
                claim.state.path
            ));
        }
    }
}

/// A state of which nobody knows more than that it is said to be there.
pub fn unseen(path: &str) -> Savepoint {
    Savepoint {
        path: path.to_owned(),
        kind: match is_checkpoint(path) {
            true => SavepointKind::Checkpoint,
            false => SavepointKind::Savepoint,
        },
        job_id: None,
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

/// What has been claimed of that job, or of any, and nobody else knows of: the job that claimed it may have deleted it.
pub fn claimed_unknown(known: &[Savepoint], claims: &[Claim], job: Option<JobId>) -> Vec<Savepoint> {
    let is_meant = |claim: &&Claim| {
        (job.is_none() || claim.state.job_id == job)
            && !known
                .iter()
                .any(|known| path_key(&known.path) == path_key(&claim.state.path))
    };
    let unknown = claims.iter().filter(is_meant).map(|claim| Savepoint {
        job_id: claim.state.job_id,
        checkpoint_id: claim.state.checkpoint_id,
        sources: vec![super::LEDGER.to_owned()],
        ..unseen(&claim.state.path)
    });
    unknown.collect()
}

/// Whether a state may need files of another one: checkpoints of one job share theirs, savepoints have their own.
pub fn shares(savepoint: &Savepoint, state: &Lineage) -> bool {
    savepoint.kind == SavepointKind::Checkpoint
        && (savepoint.job_id.is_some() && savepoint.job_id == state.job_id || beside(&savepoint.path, &state.path))
        && is_checkpoint(&state.path)
        && path_key(&savepoint.path) != path_key(&state.path)
}

/// Both are checkpoints in one directory.
fn beside(one: &str, other: &str) -> bool {
    let (one, other) = (path_key(one), path_key(other));
    match (one.rsplit_once('/'), other.rsplit_once('/')) {
        (Some((one, _)), Some((other, _))) => one == other,
        _ => false,
    }
}

/// `chk-N`: what checkpoints are called wherever they lie.
fn is_checkpoint(path: &str) -> bool {
    let key = path_key(path);
    let name = key.rsplit('/').next().unwrap_or_default();
    name.strip_prefix("chk-")
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claimed_checkpoint_takes_those_beside_it_along_and_a_savepoint_only_itself() {
        let (job, by) = (JobId::from_bytes([1; 16]), JobId::from_bytes([2; 16]));
        let state = |path: &str, kind, verdict| Savepoint {
            path: path.to_owned(),
            kind,
            job_id: Some(job),
            checkpoint_id: None,
            taken: None,
            size: None,
            format_version: None,
            label: None,
            verdict,
            reasons: Vec::new(),
            sources: Vec::new(),
        };
        let claim = |path: &str| Claim {
            by,
            url: "flink://a:1".to_owned(),
            state: Lineage {
                job_id: Some(job),
                checkpoint_id: None,
                path: path.to_owned(),
            },
        };
        let states = [
            state("file:/c/1/chk-6", SavepointKind::Checkpoint, Verdict::Usable),
            state("/c/1/chk-7", SavepointKind::Checkpoint, Verdict::Usable),
            state("/c/1/chk-8", SavepointKind::Checkpoint, Verdict::Gone),
            state("/s/savepoint-1", SavepointKind::Savepoint, Verdict::Usable),
        ];
        let verdicts = |claims: &[Claim]| {
            let mut states = states.clone();
            mark_claimed(&mut states, claims);
            states.map(|state| state.verdict)
        };
        use Verdict::{Claimed, Gone, Usable};
        assert_eq!(verdicts(&[]), [Usable, Usable, Gone, Usable]);
        assert_eq!(verdicts(&[claim("/c/1/chk-6")]), [Claimed, Claimed, Gone, Usable]);
        assert_eq!(verdicts(&[claim("/s/savepoint-1")]), [Usable, Usable, Gone, Claimed]);
        // Its job may have deleted what nobody else knows of.
        let claims = [claim("/s/savepoint-1"), claim("/c/1/chk-9")];
        let unknown = claimed_unknown(&states, &claims, Some(job));
        assert_eq!(unknown.len(), 1);
        assert_eq!(
            (unknown[0].path.as_str(), unknown[0].kind),
            ("/c/1/chk-9", SavepointKind::Checkpoint)
        );
        assert!(claimed_unknown(&states, &claims, Some(by)).is_empty());
    }
}
