//! What the ledger holds of a job.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use skep_engine::{ClaimMode, EndedBy, JobId, JobState, Lineage, OperationId};

/// A statement that is about to be submitted. Written before the engine hears of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The id that was chosen for the job; once the engine has accepted, the id that it has.
    pub job_id: JobId,
    /// The connection's URL, without secrets.
    pub url: String,
    /// The engine's label.
    pub engine: String,
    /// The job's name.
    pub name: String,
    /// The statement, secrets as references.
    pub sql: String,
    /// The session-scoped statements it needs, in order, secrets as references.
    pub prelude: Vec<String>,
    /// The state it starts from.
    pub restored_from: Option<Lineage>,
    /// How it is submitted. The facts in it come with a job that is asked for by its id, not with lists.
    #[serde(skip)]
    pub submission: Submission,
}

/// How a statement is submitted, beyond what it says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Submission {
    /// Whose the state is that it starts from.
    pub claim: ClaimMode,
    /// The compiled plan that is run in its place.
    pub plan: Option<Plan>,
    /// Settings by which it is decided whether its state fits elsewhere, as they were.
    pub circumstances: BTreeMap<String, String>,
    /// The definitions of what it uses that outlives its session, by name; secrets as references.
    pub objects: BTreeMap<String, String>,
    /// Its rows are for the shell that submits it alone: nobody else can ever read them.
    #[serde(skip)]
    pub is_query: bool,
}

/// A compiled plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The file's path or URI.
    pub path: String,
    /// The SHA-256 of the file in hex, if this machine could read it.
    pub sha256: Option<String>,
}

/// What came of an intent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", content = "message", rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing has been heard yet.
    Open,
    /// The engine has accepted it.
    Accepted,
    /// The engine has refused it, with these words.
    Refused(String),
    /// The reply was lost, for this reason: it may or may not have been accepted.
    Unknown(String),
    /// The engine, asked later, has never heard of it.
    NeverArrived,
}

impl Outcome {
    /// Whether the engine's word is still to be had.
    pub const fn is_unsettled(&self) -> bool {
        matches!(self, Self::Open | Self::Unknown(_))
    }
}

/// A job's state when it was last seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastKnown {
    /// The engine's word.
    pub state: JobState,
    /// When this was so.
    pub as_of: Timestamp,
    /// When it started.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How it ended.
    pub ended_by: Option<EndedBy>,
    /// Why it failed.
    pub error: Option<String>,
}

/// A job as the ledger holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRecord {
    /// What was submitted.
    #[serde(flatten)]
    pub intent: Intent,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// The cluster it runs on.
    pub cluster_id: Option<String>,
    /// The operation that submitted it.
    pub operation_id: Option<OperationId>,
    /// When the intent was written, or when the job started if it was found in an engine's own record.
    pub created: Timestamp,
    /// The process that submitted it; `None` if it was found in an engine's own record.
    pub shell_pid: Option<u32>,
    /// Its state when it was last seen.
    pub last: Option<LastKnown>,
}

impl JobRecord {
    /// Its id.
    pub const fn job_id(&self) -> JobId {
        self.intent.job_id
    }

    /// Whether it is known to have ended.
    pub fn has_ended(&self) -> bool {
        self.last.as_ref().is_some_and(|last| last.state.is_terminal())
    }
}

/// A query that was left behind by the shell that it gave its rows to, or may have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abandoned {
    /// The query.
    pub record: JobRecord,
    /// Its shell has certainly ended; otherwise nobody here can tell.
    pub is_certain: bool,
}

/// Of these jobs, and of jobs they do not hold, those from which another of these was restored.
pub fn superseded(jobs: &[JobRecord]) -> HashSet<JobId> {
    let origins = jobs.iter().filter_map(|job| job.intent.restored_from.as_ref());
    origins.filter_map(|origin| origin.job_id).collect()
}

/// Which part of the jobs is meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Part {
    /// Those that exist or may exist: all but the refused and those that never arrived.
    #[default]
    Jobs,
    /// Of these, those that are not known to have ended.
    NotEnded,
    /// Those whose outcome is still to be had.
    Unsettled,
    /// Every statement.
    All,
}

/// Which jobs to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Of this connection; of all if none is given.
    pub url: Option<String>,
    /// Which part.
    pub part: Part,
    /// At most so many, the newest.
    pub limit: Option<u32>,
    /// Without their preludes.
    pub brief: bool,
}

/// What the ledger knows of savepoints, at a glance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewestSavepoints {
    /// Of each job the path of the newest that is not known to be gone.
    pub newest: HashMap<JobId, String>,
    /// Those that are, by [`skep_engine::path_key`].
    pub gone: HashSet<String>,
}

/// A label for a savepoint that was asked for, and of which the path is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwaitedLabel {
    /// The job.
    pub job: JobId,
    /// The connection that it runs on.
    pub url: String,
    /// The label.
    pub label: String,
    /// When it was asked for: the savepoint is a later one.
    pub asked: Timestamp,
}

/// The jobs before and after a job: who was restored from whose state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Family {
    /// What the job was restored from, what the job that made that state was restored from, and so on.
    pub ancestors: Vec<Lineage>,
    /// Every job that was restored from the job's state, or from one of theirs, oldest first.
    pub descendants: Vec<JobRecord>,
}
