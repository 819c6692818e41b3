//! Saved states: savepoints, checkpoints, and what is known of the jobs that made them.

use std::collections::HashMap;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{EndedBy, EngineError, Inspection, JobId, JobState, Result, Search};

/// Who asked for a saved state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SavepointKind {
    /// The engine's own, numbered.
    Checkpoint,
    /// Asked for by a person.
    Savepoint,
}

/// Whether a saved state can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// All is there.
    Usable,
    /// It was never finished.
    Incomplete,
    /// Files it needs are missing or damaged.
    Missing,
    /// A running job needs it.
    InUse,
    /// A job has claimed it and may delete it.
    Claimed,
    /// It was there once.
    Gone,
}

/// A savepoint or checkpoint. Its JSON form is the one that users' scripts read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Savepoint {
    /// Where it is.
    pub path: String,
    /// Savepoint or checkpoint.
    pub kind: SavepointKind,
    /// The job that made it.
    pub job_id: Option<JobId>,
    /// Its number within that job.
    pub checkpoint_id: Option<u64>,
    /// When it was completed.
    pub taken: Option<Timestamp>,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// The version of its format.
    pub format_version: Option<u32>,
    /// The label that a person gave it.
    pub label: Option<String>,
    /// Whether it can be used.
    pub verdict: Verdict,
    /// Why not, a sentence each.
    pub reasons: Vec<String>,
    /// Where it is known from, such as `directory`, `ledger`, `cluster`.
    pub sources: Vec<String>,
}

impl Savepoint {
    /// The source of what has been looked at where it lies. All others only tell.
    pub const SEEN: &str = "directory";

    /// Whether it has been looked at where it lies, and not only been told of.
    #[must_use]
    pub fn is_seen(&self) -> bool {
        self.sources.iter().any(|source| source == Self::SEEN)
    }

    /// The same, as it is known when it has been deleted, for that reason.
    #[must_use]
    pub fn gone(self, why: &str) -> Self {
        Self {
            verdict: Verdict::Gone,
            reasons: vec![why.to_owned()],
            ..self
        }
    }

    /// Notes that a job has claimed it. Of one that is gone that says who has deleted it.
    pub fn note_claim(&mut self, job: &JobId) {
        if matches!(self.verdict, Verdict::Usable | Verdict::InUse) {
            self.verdict = Verdict::Claimed;
        }
        let job = job.short();
        let reason = match self.verdict {
            Verdict::Gone => format!("job {job} had claimed it"),
            _ => format!("job {job} has claimed it and deletes it when it needs it no more"),
        };
        // The engine and the ledger may both know.
        if !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }
}

/// Where a job's state came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    /// The job whose state it was.
    pub job_id: Option<JobId>,
    /// The number of the checkpoint or savepoint.
    pub checkpoint_id: Option<u64>,
    /// Its path.
    pub path: String,
}

/// What it takes to run a job again: an engine's own record of it, where the engine keeps one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// The job.
    pub job_id: JobId,
    /// Its name.
    pub name: String,
    /// Its statement, secrets as references.
    pub sql: String,
    /// The session-scoped statements it needs, in order, secrets as references.
    pub prelude: Vec<String>,
    /// When it started.
    pub started: Timestamp,
    /// When it ended, if it did and somebody wrote it down.
    pub ended: Option<Timestamp>,
    /// How it ended.
    pub ended_by: Option<EndedBy>,
    /// The last state that was written down.
    pub state: JobState,
    /// What it was restored from.
    pub restored_from: Option<Lineage>,
    /// Why it failed.
    pub error: Option<String>,
}

/// The places where saved states lie.
#[async_trait]
pub trait Stores: Send + Sync {
    /// Whose states these are, in a word.
    fn engine(&self) -> &'static str {
        ""
    }

    /// The savepoints and checkpoints of one job, or of all, newest first, each checked. `dirs` are searched besides the
    /// engine's own places.
    ///
    /// # Errors
    /// The places could not be read at all; what can't be read in part is in the verdicts.
    async fn find(&self, job: Option<&JobId>, dirs: &[String]) -> Result<Vec<Savepoint>>;

    /// The same, for somebody who wants to know how far it has come, or to end it with what has been found so far, or who
    /// wants the newest only. The default does neither.
    ///
    /// # Errors
    /// As [`Stores::find`].
    async fn search(&self, job: Option<&JobId>, dirs: &[String], search: &Search) -> Result<Vec<Savepoint>> {
        let _ = search;
        self.find(job, dirs).await
    }

    /// Whether nothing lies at that path any more, as far as that is seen at once: no server is asked. What can't be told so is
    /// taken to be there.
    fn is_missing(&self, path: &str) -> bool {
        let _ = path;
        false
    }

    /// Looks at those paths again, each as [`Stores::inspect`] does, all together. Those that are not in the answer were not
    /// come to before the search was ended.
    async fn recheck(&self, paths: Vec<String>, search: &Search) -> HashMap<String, Result<Savepoint>> {
        let mut seen = HashMap::new();
        for path in paths {
            if search.is_ended() {
                break;
            }
            let savepoint = self.inspect(&path).await;
            seen.insert(path, savepoint);
        }
        seen
    }

    /// One savepoint or checkpoint, checked: every file is there and as it was written.
    ///
    /// # Errors
    /// There is nothing of the kind at that path.
    async fn inspect(&self, path: &str) -> Result<Savepoint>;

    /// The same with what is in it. The default knows no more than [`Stores::inspect`].
    ///
    /// # Errors
    /// As [`Stores::inspect`].
    async fn examine(&self, path: &str) -> Result<Inspection> {
        Ok(Inspection::of(self.inspect(path).await?))
    }

    /// What the engine itself has written down about its jobs, newest first. Engines without such a record have none.
    ///
    /// # Errors
    /// The record could not be read.
    async fn recipes(&self) -> Result<Vec<Recipe>> {
        Ok(Vec::new())
    }

    /// Deletes a savepoint. A checkpoint is the engine's own: it is refused.
    ///
    /// # Errors
    /// It is not a savepoint, or is in use, or could not be deleted.
    async fn delete(&self, path: &str) -> Result<()> {
        Err(EngineError::unsupported(format!(
            "this engine can't delete the savepoint {path}"
        )))
    }
}
