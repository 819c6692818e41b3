//! Trying a statement from a saved state, without anything being changed.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::{JobId, Rows, Savepoint, Withdrawal};

/// How statements are tried, where they can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trials {
    /// In this process. A state is read once, and may be gone after that.
    Here,
    /// As jobs of the cluster: the state has to stay for as long as they run, and what they have saved lies beside it.
    AsJobs,
}

/// A statement to be tried: what it would write, had it gone on from a saved state.
#[derive(Debug, Clone, Default)]
pub struct Trial {
    /// The statement, without its `;`.
    pub text: String,
    /// The job that it is tried for.
    pub name: String,
    /// The state that it goes on from.
    pub state: TrialState,
    /// So many rows are read of each source, of what there is now.
    pub rows: u64,
    /// So many of these sources instead: what another trial has read of them, so that both see the same.
    pub same: BTreeMap<String, u64>,
    /// Where states that the trial itself has made may lie until it is over; the engine's default if none.
    pub dir: Option<String>,
    /// Where it is tried as jobs: their ids, in the order in which they are started. Chosen beforehand, so that what is left
    /// of a shell that dies can be found. Jobs beyond them have ids of the engine's choosing.
    pub job_ids: Vec<JobId>,
    /// How long it may take where it waits for others; without a limit if none.
    pub patience: Option<Duration>,
    /// Tells when it is no longer wanted.
    pub withdrawal: Withdrawal,
    /// The states that it has made for itself and has deleted again.
    pub discarded: Discarded,
}

impl Trial {
    /// No engine starts more jobs for one trial.
    pub const MOST_JOBS: usize = 3;
}

/// States that were made for a while and have been deleted. The engine may go on naming them: whoever knows that they were
/// deleted does not miss them. All clones are the same list.
#[derive(Debug, Clone, Default)]
pub struct Discarded(Arc<Mutex<Vec<Savepoint>>>);

impl Discarded {
    /// This one has been deleted.
    pub fn note(&self, state: Savepoint) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(state);
    }

    /// Those that have been noted since this was asked last.
    pub fn take(&self) -> Vec<Savepoint> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The state that a trial goes on from.
#[derive(Debug, Clone)]
pub enum TrialState {
    /// By its path.
    Path(String),
    /// The one that another trial of the same engine has read: it may be gone by now.
    Held(HeldState),
}

impl Default for TrialState {
    fn default() -> Self {
        Self::Path(String::new())
    }
}

/// A state that an engine has read. Only that engine knows what it is.
#[derive(Clone)]
pub struct HeldState(pub Arc<dyn Any + Send + Sync>);

impl fmt::Debug for HeldState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HeldState")
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Tried {
    /// The state that it went on from.
    pub state: HeldState,
    /// What it would have written, by table.
    pub tables: Vec<TriedTable>,
    /// The parts of the state that it does not take over.
    pub lost: Vec<LostState>,
    /// How many rows were read of each source, where that is known.
    pub read: BTreeMap<String, Option<u64>>,
    /// What is to be said of it, a sentence each.
    pub notes: Vec<String>,
}

/// The rows that a statement would have written into a table, without those of the state itself.
pub struct TriedTable {
    /// The table's full name.
    pub table: String,
    /// The columns of its primary key; none if it has none.
    pub key: Vec<String>,
    /// The rows, in the order in which they would have been written.
    pub rows: Box<dyn Rows>,
}

impl fmt::Debug for TriedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TriedTable")
            .field("table", &self.table)
            .finish_non_exhaustive()
    }
}

/// A part of a state that a statement does not take over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostState {
    /// The operator that it is of.
    pub operator: String,
    /// Its rows, where it has any and they are known.
    pub rows: Option<u64>,
    /// Why.
    pub reason: String,
}
