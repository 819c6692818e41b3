//! The side of a connection that takes statements.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    Attempt, Compile, Compiled, Dialect, EngineError, Fit, JobId, LogRing, Misfit, OperationId, Result, Rows, Trial,
    Trials, Tried, Withdrawal,
};

/// Whose a state is, once a job has started from it. The names are Flink's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimMode {
    /// It stays as it is, and the job needs nothing of it once it has a checkpoint of its own.
    #[default]
    NoClaim,
    /// It is the job's: deleted when the job no longer needs it.
    Claim,
    /// It stays as it is, and the job may go on needing files of it.
    Legacy,
}

impl ClaimMode {
    /// How it is written, on a command line and in a record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoClaim => "no_claim",
            Self::Claim => "claim",
            Self::Legacy => "legacy",
        }
    }
}

/// A state to start from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Restore {
    /// The savepoint's or checkpoint's path.
    pub path: String,
    /// The job that made it, if known.
    pub job_id: Option<JobId>,
    /// Leave behind the state of operators that the statement no longer has.
    pub allow_non_restored: bool,
    /// Go back behind what the same sink has already published.
    pub fork: bool,
    /// Whose the state is from then on. Another than the default only where [`crate::Capabilities::claim`] is declared.
    pub claim: ClaimMode,
}

/// A statement on its way to the engine.
#[derive(Debug, Clone, Default)]
pub struct Submit {
    /// The statement, without its `;`.
    pub text: String,
    /// The id that the job it may start shall have. Only where [`crate::Capabilities::chosen_job_id`] is declared.
    pub job_id: Option<JobId>,
    /// Settings for this statement alone; they win over the session's.
    pub settings: BTreeMap<String, String>,
    /// The session-scoped statements that came before, secrets as references. An engine that keeps its own record of a
    /// job (see [`crate::Recipe`]) writes them down.
    pub prelude: Arc<[String]>,
    /// The statement as it may be written down: secrets as references. Empty means the same as `text`.
    pub recorded: String,
    /// The state to start from.
    pub restore: Option<Restore>,
    /// The compiled plan that is run instead of the statement, which it was compiled from. Only where
    /// [`crate::Capabilities::plans`] is declared.
    pub plan: Option<String>,
    /// The job's checkpoints stay when it is cancelled or fails, whatever is configured.
    pub keep_checkpoints: bool,
    /// Somebody waits for its rows as they come: an engine that would hold them back until they are settled gives them
    /// out at once where it can.
    pub foreground: bool,
    /// Tells when it is no longer wanted.
    pub withdrawal: Withdrawal,
    /// What happens until it is accepted, where that may take its time: a line each, fit to be shown.
    pub log: LogRing,
}

impl Submit {
    /// As an attempt at what has to be opened first.
    pub fn attempt(&self) -> Attempt {
        Attempt {
            log: self.log.clone(),
            withdrawal: self.withdrawal.clone(),
        }
    }

    /// A plain statement.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }
}

/// The job that a statement started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartedJob {
    /// Its id.
    pub job_id: JobId,
    /// The cluster it runs on, where there are several.
    pub cluster_id: Option<String>,
    /// Its name: `pipeline.name`, or the sink's, or the statement's first words.
    pub name: String,
    /// All its inputs end, so that it ends by itself.
    pub bounded: bool,
}

/// What the engine made of a statement that it accepted.
pub struct Operation {
    /// The server's handle of it.
    pub id: OperationId,
    /// The job it started, if any.
    pub job: Option<StartedJob>,
    /// Its rows, if it has any: a pull stream with one owner.
    pub rows: Option<Box<dyn Rows>>,
    /// A word of the engine's about it (such as a warning that a SET key is unknown), one line each.
    pub notes: Vec<String>,
    /// What the server logs about it, and what its reader should know while rows stay away.
    pub log: LogRing,
    /// Ends it.
    pub handle: Arc<dyn OperationHandle>,
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation")
            .field("id", &self.id)
            .field("job", &self.job)
            .finish_non_exhaustive()
    }
}

/// Ends an operation.
#[async_trait]
pub trait OperationHandle: Send + Sync {
    /// Asks the engine to cancel and returns when the engine says that the operation, and the job behind it, has ended.
    /// After an `Ok` the row stream ends.
    ///
    /// # Errors
    /// The engine could not be asked, or did not end it.
    async fn cancel(&self) -> Result<()>;
}

/// The sort of a catalog object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// A table.
    Table,
    /// A view.
    View,
}

/// A table or view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Catalog.
    pub catalog: String,
    /// Database.
    pub database: String,
    /// Name.
    pub name: String,
    /// Table or view.
    pub kind: ObjectKind,
}

/// A column of a table, as far as the completer needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Name.
    pub name: String,
    /// The engine's own word for its type.
    pub data_type: String,
}

/// Databases with their tables and these with their columns, all by names that need no quotes.
pub type Offered = BTreeMap<String, BTreeMap<String, Vec<String>>>;

/// A session that takes statements.
#[async_trait]
pub trait Sql: Send + Sync {
    /// How its statements are to be read.
    fn dialect(&self) -> Dialect;

    /// Hands the statement over. Returns when the engine has accepted it (a job is submitted, the rows can be fetched)
    /// or not. A statement with neither rows nor a job has been carried out.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Lost`] and [`crate::ErrorKind::Timeout`] if the reply was lost: it may or may not have been
    /// accepted. [`crate::ErrorKind::Cancelled`] if it was withdrawn. Any kind but the first two says that nothing runs.
    async fn submit(&self, statement: Submit) -> Result<Operation>;

    /// Whether a query can read a saved state as a table: `FROM STATE OF 'path'`.
    fn reads_states(&self) -> bool {
        false
    }

    /// How statements can be tried here ([`Sql::try_out`]), if they can be.
    fn trials(&self) -> Option<Trials> {
        None
    }

    /// Tries a statement that writes tables: reads a bounded slice of its input, going on from a saved state, and gives
    /// what it would have written. Nothing is changed: no job stays, no table gets a row, and the state stays as it is.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Unsupported`] unless [`Sql::trials`] says how. The state can't be read, or the statement fails.
    async fn try_out(&self, trial: Trial) -> Result<Tried> {
        let _ = trial;
        Err(EngineError::unsupported("statements can't be tried here"))
    }

    /// Looks whether a statement can be tried, before anything is made for it. The trial's state need not be known yet.
    ///
    /// # Errors
    /// It can't be, as far as that can be told beforehand.
    async fn check_trial(&self, trial: Trial) -> Result<()> {
        let _ = trial;
        Ok(())
    }

    /// Variables of statements that the URL gives (`#NAME=VALUE`), where the server does not put them in itself.
    fn variables(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    /// The settings that the session was opened with (`-D k=v`, a named connection), as far as SET would set them in another
    /// one: what a job keeps of them. Not those that hold for one submission, or for this machine.
    fn opened_with(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    /// A new session of the same server with nothing in it: no temporary objects, no settings but the connection's.
    ///
    /// # Errors
    /// The session could not be opened.
    async fn fresh(&self) -> Result<Arc<dyn Sql>>;

    /// The value of a setting as the session has it now; `None` if it is not set.
    ///
    /// # Errors
    /// The server could not be asked.
    async fn setting(&self, key: &str) -> Result<Option<String>>;

    /// The tables and views of the current database.
    ///
    /// # Errors
    /// The server could not be asked.
    async fn objects(&self) -> Result<Vec<Object>>;

    /// Databases beyond the current one that are worth offering to who types: their tables, with their columns' names. No
    /// server is asked.
    fn offered(&self) -> Offered {
        Offered::new()
    }

    /// The columns of a table or view.
    ///
    /// # Errors
    /// There is no such table, or the server could not be asked.
    async fn columns(&self, table: &str) -> Result<Vec<Column>>;

    /// The settings by which it is decided whether the state of a job that is submitted now fits elsewhere, as
    /// [`Sql::misfits`] needs them later.
    ///
    /// # Errors
    /// The server could not be asked.
    async fn circumstances(&self) -> Result<BTreeMap<String, String>> {
        Ok(BTreeMap::new())
    }

    /// What stands in the way of starting from a state in this session. Nothing is submitted.
    ///
    /// # Errors
    /// The server could not be asked.
    async fn misfits(&self, fit: &Fit<'_>) -> Result<Vec<Misfit>> {
        let _ = fit;
        Ok(Vec::new())
    }

    /// How a table or view is defined, as a statement that would make it; none if there is none of that name.
    ///
    /// # Errors
    /// The server could not be asked.
    async fn definition(&self, name: &[String]) -> Result<Option<String>> {
        let _ = name;
        Ok(None)
    }

    /// Compiles a statement into a file. No job is started.
    ///
    /// # Errors
    /// It was not compiled, and there is no such file.
    async fn compile(&self, request: Compile) -> Result<Compiled> {
        Err(EngineError::unsupported(format!(
            "this engine has no compiled plans, so that {} can't be made",
            request.path
        )))
    }

    /// The SHA-256 of a compiled plan's file in hex; none if this machine can't read it.
    ///
    /// # Errors
    /// It is not there any more.
    async fn plan_sum(&self, path: &str) -> Result<Option<String>> {
        let _ = path;
        Ok(None)
    }

    /// A statement as the engine's own record of a job has it (see [`crate::Recipe`]).
    fn as_recorded(&self, text: &str) -> String {
        text.to_owned()
    }

    /// Ends the session. Jobs that run on a cluster go on.
    ///
    /// # Errors
    /// The server could not be told.
    async fn close(&self) -> Result<()> {
        Ok(())
    }
}
