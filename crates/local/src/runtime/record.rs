//! `job.json`: what is written down about a job, the truth from which a ledger can be rebuilt.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use skep_engine::{EngineError, ErrorKind, JobState, Recipe, Result};

use super::file;
use crate::failpoint;

/// The name of the file in a job's directory.
const NAME: &str = "job.json";
/// Its name until it is whole.
pub(super) const UNFINISHED: &str = ".job.json.new";
/// No record is longer than that.
const LIMIT: u64 = 16 << 20;
/// The version that this program writes.
const VERSION: u32 = 1;

/// What every form of the file begins with.
#[derive(Deserialize)]
struct Form {
    version: u32,
}

/// What is written down about a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The version of this file's form.
    pub version: u32,
    /// What it takes to run the job again.
    #[serde(flatten)]
    pub recipe: Recipe,
    /// The settings it ran with.
    pub settings: BTreeMap<String, String>,
    /// The process that ran it.
    pub pid: u32,
    /// Where that process took job verbs.
    pub socket: Option<PathBuf>,
    /// The job's sink, in words.
    pub sink: String,
    /// Rows read and written since the job started, when this was last written.
    pub rows: (u64, u64),
    /// Late rows that were dropped since the job started, when this was last written.
    #[serde(default)]
    pub late_rows: u64,
    /// The paths of the savepoints that it made, oldest first.
    pub savepoints: Vec<PathBuf>,
}

impl Record {
    /// A record of that recipe.
    pub(crate) fn new(recipe: Recipe, settings: BTreeMap<String, String>, sink: String) -> Self {
        Self {
            version: VERSION,
            recipe,
            settings,
            pid: std::process::id(),
            socket: None,
            sink,
            rows: (0, 0),
            late_rows: 0,
            savepoints: Vec::new(),
        }
    }

    /// Reads the record of a job's directory.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is none; else it can't be understood.
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(NAME);
        let bytes = file::read_capped(&path, LIMIT).map_err(|error| file::failed("read", &path, &error))?;
        let damaged = |why: String| {
            EngineError::new(
                ErrorKind::Failed,
                format!("{} can't be understood: {why}", path.display()),
            )
        };
        // A later form may lack what this one must have: its number is looked at first.
        let form: Form = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if form.version > VERSION {
            return Err(damaged(format!(
                "a later version of skep has written it (form {}, {VERSION} is known here)",
                form.version
            )));
        }
        serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))
    }

    /// Writes the record: the old one is replaced whole or not at all.
    ///
    /// # Errors
    /// It could not be written; the old one stands.
    pub(crate) fn write(&self, dir: &Path) -> Result<()> {
        let path = dir.join(NAME);
        let new = dir.join(UNFINISHED);
        failpoint::hit("record.before-write");
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|error| EngineError::failed(format!("can't write {}: {error}", path.display())))?;
        bytes.push(b'\n');
        let write = || {
            file::write_synced(&new, &bytes)?;
            failpoint::hit("record.after-write");
            fs::rename(&new, &path)?;
            failpoint::hit("record.after-rename");
            file::sync_dir(dir)
        };
        write().map_err(|error| file::failed("write", &path, &error))
    }

    /// Whether there is a record in the directory.
    pub(crate) fn exists(dir: &Path) -> bool {
        dir.join(NAME).exists()
    }

    /// Whether the job's process wrote down that it ended.
    pub(crate) const fn ended(&self) -> bool {
        matches!(
            self.recipe.state,
            JobState::Failed | JobState::Canceled | JobState::Finished
        )
    }
}
