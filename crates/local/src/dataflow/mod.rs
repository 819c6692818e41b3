//! A planned statement that computes micro-batches, and whose state can be saved and brought back.

mod aggregate;
mod branch;
mod check;
mod constant;
mod error;
mod fingerprint;
mod grouping;
mod groups;
mod input;
mod lower;
mod pace;
mod pane;
mod plan;
mod query;
mod slot;
pub mod source;
mod trace;
mod upper;
mod windows;

use std::collections::BTreeMap;
use std::time::Duration;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use skep_engine::{Batch, Result, Vertex};

use self::error::{failed, rejected};
pub use self::plan::{Part, build, build_set};
use crate::table::TablePath;

/// What comes after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// There may be more input right now.
    More,
    /// No input now; ask again after that long at the latest.
    Idle(Duration),
    /// All input is read and everything that was held back is in this step's output.
    Finished,
}

/// Rows for one outlet, in their order.
pub type Batches = Vec<Batch>;

/// Where a dataflow's rows come out: one for a SELECT or an INSERT, one for each INSERT of a statement set.
#[derive(Debug, Clone)]
pub struct Outlet {
    /// Its columns.
    pub schema: SchemaRef,
    /// Whether its rows update and delete earlier ones.
    pub updating: bool,
}

/// What one micro-batch did.
#[derive(Debug)]
pub struct Step {
    /// Rows for each outlet; may be empty if there are none for any.
    pub output: Vec<Batches>,
    /// Rows read from sources.
    pub rows_in: u64,
    /// Late rows that were dropped.
    pub late_rows: u64,
    /// What comes next.
    pub progress: Progress,
}

/// What must be the same for a state to be taken over: one entry an operator or source that has state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Which operator, such as `source flights` or `aggregate`.
    pub operator: String,
    /// What defines it, by name: key expressions with types, each aggregate's call, a source's options.
    pub facts: BTreeMap<String, String>,
}

impl Fingerprint {
    /// Whether it is an aggregation's.
    pub(crate) fn is_aggregate(&self) -> bool {
        self.operator.split(' ').next() == Some(AGGREGATE)
    }
}

/// The first word of an aggregation's name.
const AGGREGATE: &str = "aggregate";

/// The state of one operator or source.
#[derive(Debug, Clone)]
pub struct OperatorState {
    /// The same word as in its [`Fingerprint`].
    pub operator: String,
    /// Its rows, all of one schema; may be empty.
    pub tables: Vec<RecordBatch>,
    /// Offsets, watermarks, counters.
    pub meta: serde_json::Value,
}

/// A dataflow's state between two steps.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// One entry an operator or source that has state.
    pub operators: Vec<OperatorState>,
}

/// A planned statement. The runtime owns it on one thread and calls it between commands; a state is taken only between two
/// steps, so that it is consistent without barriers.
pub trait Dataflow: Send {
    /// Its outlets, at least one.
    fn outlets(&self) -> Vec<Outlet>;

    /// Whether its input ends.
    fn is_bounded(&self) -> bool;

    /// Reads some input and computes what follows from it. Never blocks on a source that has nothing.
    ///
    /// # Errors
    /// The job has failed: a row that can't be read, an expression that failed.
    fn step(&mut self) -> Result<Step>;

    /// Takes the watermark to its end and gives what every open window holds, for each outlet. The dataflow takes no step after it.
    ///
    /// # Errors
    /// The job has failed.
    fn drain(&mut self) -> Result<Vec<Batches>>;

    /// What a state must match to be taken over.
    fn fingerprints(&self) -> Vec<Fingerprint>;

    /// The state now. The dataflow goes on unchanged.
    ///
    /// # Errors
    /// The state can't be expressed.
    fn snapshot(&mut self) -> Result<State>;

    /// Takes over a state, before the first step. The caller has compared the fingerprints.
    ///
    /// # Errors
    /// The state does not fit.
    fn restore(&mut self, state: State) -> Result<()>;

    /// From now on so many rows are read of each source, as fast as they come; what is behind them counts as not there.
    fn cut(&mut self, rows: &dyn Fn(&TablePath) -> u64);

    /// How many rows were read of each source since [`Dataflow::cut`].
    fn taken(&self) -> BTreeMap<TablePath, u64>;

    /// Its sources and operators, for `!job`.
    fn vertices(&self) -> Vec<Vertex>;

    /// The watermark, if it has one and a row has set it.
    fn watermark(&self) -> Option<Timestamp>;
}
