//! A job's checkpoints and savepoints: their numbers, names and keeping.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use skep_engine::{EndedBy, EngineError, JobId, LogRing, Recipe, Result, Savepoint, SavepointKind, Verdict};

use super::file;
use super::job::Failure;
use super::settings::Retention;
use super::snapshot::{self, FORMAT_VERSION, Manifest, Segment, SinkState};
use crate::dataflow::{Fingerprint, State};
use crate::failpoint;

/// What is to be saved, and where.
pub(super) struct Saving<'a> {
    pub(super) target: &'a Path,
    pub(super) number: u64,
    pub(super) kind: SavepointKind,
    pub(super) rows: (u64, u64, u64),
    pub(super) fingerprints: Vec<Fingerprint>,
    pub(super) sinks: Vec<SinkState>,
}

/// The numbers of a job's checkpoints. Savepoints share them, as in Flink.
pub(super) struct Checkpoints {
    next: u64,
    kept: Vec<u64>,
    root: JobId,
    lineage: Vec<Segment>,
}

impl Checkpoints {
    /// The numbers of a job that starts at `next`.
    pub(super) const fn new(next: u64, root: JobId, lineage: Vec<Segment>) -> Self {
        Self {
            next,
            kept: Vec::new(),
            root,
            lineage,
        }
    }

    /// The number that comes next.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// Uses up a number. A failed checkpoint's number is not used again.
    pub(super) const fn take_number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    /// The newest checkpoint of this job.
    pub(super) fn newest(&self) -> Option<u64> {
        self.kept.last().copied()
    }

    /// Saves a state.
    pub(super) fn save(&self, saving: Saving<'_>, state: &State, recipe: &Recipe) -> Result<Savepoint, Failure> {
        let taken = Timestamp::now();
        let mut manifest = Manifest {
            engine: env!("CARGO_PKG_VERSION").to_owned(),
            datafusion: datafusion::DATAFUSION_VERSION.to_owned(),
            job_id: recipe.job_id,
            name: recipe.name.clone(),
            sql: recipe.sql.clone(),
            checkpoint_id: saving.number,
            kind: saving.kind,
            taken,
            rows: saving.rows,
            fingerprints: saving.fingerprints,
            operators: Vec::new(),
            sinks: saving.sinks,
            root: self.root,
            lineage: self.lineage.clone(),
            restored_from: recipe.restored_from.clone(),
        };
        let size = snapshot::write(saving.target, state, &mut manifest).map_err(|error| {
            // Once it has its name it counts, even if its name could not be made durable.
            if saving.target.exists() {
                Failure::Fatal(error)
            } else {
                Failure::Harmless(error)
            }
        })?;
        Ok(Savepoint {
            path: saving.target.display().to_string(),
            kind: saving.kind,
            job_id: Some(recipe.job_id),
            checkpoint_id: Some(saving.number),
            taken: Some(taken),
            size: Some(size),
            format_version: Some(FORMAT_VERSION),
            label: None,
            verdict: Verdict::Usable,
            reasons: Vec::new(),
            sources: vec![Savepoint::SEEN.to_owned()],
        })
    }

    /// Notes a checkpoint and deletes those beyond the number that are kept.
    pub(super) fn keep(&mut self, dir: &Path, number: u64, retained: usize, log: &LogRing) {
        self.kept.push(number);
        let surplus = self.kept.len().saturating_sub(retained);
        for number in self.kept.drain(..surplus) {
            remove(dir, number, log);
        }
    }

    /// Deletes the checkpoints that the job's end leaves nobody a use for.
    pub(super) fn discard(&mut self, dir: &Path, ended_by: EndedBy, retention: Retention, log: &LogRing) {
        let kept = match ended_by {
            EndedBy::Failed => true,
            EndedBy::Cancelled => retention == Retention::OnCancellation,
            // A stopped job has its savepoint; a completed one has read everything.
            EndedBy::Completed | EndedBy::Stopped | EndedBy::Drained => false,
        };
        if !kept {
            for number in self.kept.drain(..) {
                remove(dir, number, log);
            }
        }
    }
}

fn remove(dir: &Path, number: u64, log: &LogRing) {
    failpoint::hit("retention.before-delete");
    if let Err(error) = file::remove_dir(&dir.join(format!("chk-{number}"))) {
        log.push(format!("checkpoint {number} could not be deleted: {error}"));
    }
    failpoint::hit("retention.after-delete");
}

/// The name of a new savepoint, as Flink makes it: part of the job's id and something random.
pub(super) fn savepoint_name(job: &JobId) -> Result<String> {
    let mut random = [0; 6];
    getrandom::fill(&mut random)
        .map_err(|error| EngineError::failed(format!("the system gave no random bytes: {error}")))?;
    Ok(format!("savepoint-{}-{}", &job.to_string()[..6], file::hex(&random)))
}

/// Makes the directory for savepoints and gives its absolute path.
pub(super) fn prepare_savepoint_dir(dir: PathBuf) -> Result<PathBuf> {
    let text = dir.to_string_lossy();
    let dir = match text.strip_prefix("file://").or_else(|| text.strip_prefix("file:")) {
        Some(path) => PathBuf::from(path),
        None if text.contains("://") => {
            return Err(EngineError::refused(format!(
                "savepoints can't be written to {text}, only to a local directory"
            )));
        }
        None => dir,
    };
    file::create_private_dir(&dir).map_err(|error| file::failed("make", &dir, &error))?;
    fs::canonicalize(&dir).map_err(|error| file::failed("find", &dir, &error))
}
