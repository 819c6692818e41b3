//! What can go wrong with the ledger.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use skep_engine::JobId;

/// What the ledger's operations return.
pub type Result<T, E = LedgerError> = std::result::Result<T, E>;

/// Why something could not be kept, or could not be looked up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The directory or the file could not be made or opened.
    #[error("the ledger {} can't be opened: {cause}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's word.
        cause: String,
    },
    /// A later version of the shell has written it.
    #[error("the ledger {} has format {found}; this version knows up to {known}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The format it has.
        found: i64,
        /// The newest format that is known here.
        known: i64,
    },
    /// It is a database of something else.
    #[error("{} is a database, but not a ledger", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Its contents can't be read as a database.
    #[error("the ledger {} is damaged: {cause}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// SQLite's word.
        cause: String,
    },
    /// Another process has held it for longer than we wait.
    #[error("the ledger {} is held by another process", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// It could not be read or written.
    #[error("the ledger {} could not be used: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// SQLite's word.
        cause: String,
    },
    /// An intent for this job id is there already.
    #[error("the ledger already holds job {0}")]
    Duplicate(JobId),
    /// No job of that id is there.
    #[error("the ledger holds no job {0}")]
    NoJob(JobId),
    /// No savepoint of that path is there.
    #[error("the ledger holds no savepoint {0:?}")]
    NoSavepoint(String),
    /// An upgrade of the job has been begun and is not finished.
    #[error("an upgrade of this job has been begun and is not finished")]
    UpgradeOpen(JobId),
    /// No unfinished upgrade of that id is there.
    #[error("the ledger holds no unfinished upgrade {}", .0.short())]
    NoUpgrade(JobId),
    /// Another shell is at it.
    #[error("process {0} is at this upgrade")]
    UpgradeHeld(u32),
    /// The thread that writes is gone.
    #[error("the ledger is closed")]
    Closed,
}

impl LedgerError {
    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Open { path, .. } => Some(format!("make {} writable", path.display())),
            Self::Newer { .. } => Some("use the newer version of skep".to_owned()),
            Self::Foreign { path } | Self::Damaged { path, .. } => Some(format!(
                "move {} and what lies beside it under that name away, and a new one is begun",
                path.display()
            )),
            Self::Busy { .. } => Some("see which process holds it, and try again".to_owned()),
            Self::UpgradeOpen(id) => Some(format!(
                "!upgrade --resume {0} finishes it, !upgrade --abort {0} takes it back",
                id.short()
            )),
            Self::NoUpgrade(_) => Some("!upgrade lists those that are not finished".to_owned()),
            Self::UpgradeHeld(_) => Some("wait for it, or end that process".to_owned()),
            Self::Io { path, .. } => Some(format!("see whether there is room for {}", path.display())),
            Self::Duplicate(_) | Self::NoJob(_) | Self::NoSavepoint(_) | Self::Closed => None,
        }
    }

    /// What an error of SQLite's means for the ledger at that path.
    pub(super) fn of(path: &Path, error: &rusqlite::Error) -> Self {
        let path = path.to_owned();
        let cause = error.to_string();
        if matches!(
            error,
            rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::InvalidColumnType(..)
        ) {
            return Self::Damaged { path, cause };
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged { path, cause },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path },
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
                Self::Open { path, cause }
            }
            _ => Self::Io { path, cause },
        }
    }
}
