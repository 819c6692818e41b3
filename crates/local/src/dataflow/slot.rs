//! The leaves of a plan: slots that a step fills and the plan drains, and tables that are read whole.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream};
use futures::StreamExt;

use super::source;
use crate::table::Table;

/// A leaf of a plan: a step puts rows in, the plan takes them out.
pub(super) struct Slot {
    schema: SchemaRef,
    batches: Mutex<Vec<RecordBatch>>,
}

impl Slot {
    /// An empty slot.
    pub(super) fn new(schema: SchemaRef) -> Arc<Self> {
        Arc::new(Self {
            schema,
            batches: Mutex::default(),
        })
    }

    /// Puts rows in.
    pub(super) fn push(&self, batch: RecordBatch) {
        lock(&self.batches).push(batch);
    }

    /// The leaf of a plan that drains the slot. It says that it is finite: the plan runs over one micro-batch at a time.
    pub(super) fn leaf(self: &Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        leaf(self.clone(), None, None)
    }
}

fn leaf(
    stream: Arc<dyn PartitionStream>,
    projection: Option<&Vec<usize>>,
    limit: Option<usize>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = stream.schema().clone();
    Ok(Arc::new(StreamingTableExec::try_new(
        schema,
        vec![stream],
        projection,
        vec![],
        false,
        limit,
    )?))
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slot")
    }
}

/// One scan of a table in a plan.
#[derive(Debug, Clone)]
pub(super) struct Scan {
    /// Which reference of the statement it is.
    pub(super) reference: usize,
    /// Which branch reads it.
    pub(super) branch: usize,
    /// The table.
    pub(super) table: Arc<Table>,
    /// The table's columns that the plan wants.
    pub(super) projection: Vec<usize>,
    /// Where its rows are put.
    pub(super) slot: Arc<Slot>,
}

impl PartitionStream for Slot {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batches = std::mem::take(&mut *lock(&self.batches));
        let rows = futures::stream::iter(batches.into_iter().map(Ok));
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), rows))
    }
}

/// What stands in the plan for a table that is read as a stream. Each scan of it makes a slot.
#[derive(Debug)]
pub(super) struct SlotTable {
    /// Which reference of the statement it is.
    pub(super) reference: usize,
    /// Which branch reads it.
    branch: usize,
    /// The table.
    pub(super) table: Arc<Table>,
    /// Whether its input ends.
    pub(super) bounded: bool,
    made: Arc<Scans>,
}

/// The scans of a plan.
#[derive(Debug, Default)]
pub(super) struct Scans(Mutex<Vec<Scan>>);

impl Scans {
    /// The scan that this leaf of a physical plan is.
    pub(super) fn of(&self, leaf: &dyn ExecutionPlan) -> Option<Scan> {
        let exec = leaf.downcast_ref::<StreamingTableExec>()?;
        let stream = Arc::as_ptr(exec.partitions().first()?).cast::<()>();
        lock(&self.0)
            .iter()
            .find(|scan| Arc::as_ptr(&scan.slot).cast::<()>() == stream)
            .cloned()
    }
}

impl Scans {
    /// The table of that reference of the statement.
    pub(super) fn table(&self, reference: usize) -> Option<Arc<Table>> {
        lock(&self.0)
            .iter()
            .find(|scan| scan.reference == reference)
            .map(|scan| Arc::clone(&scan.table))
    }
}

impl SlotTable {
    /// A stand-in for that reference of the statement, in that branch.
    pub(super) fn new((reference, branch): (usize, usize), table: Arc<Table>, bounded: bool, made: Arc<Scans>) -> Self {
        Self {
            reference,
            branch,
            table,
            bounded,
            made,
        }
    }
}

#[async_trait]
impl TableProvider for SlotTable {
    fn schema(&self) -> SchemaRef {
        self.table.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let projection = projection
            .cloned()
            .unwrap_or_else(|| (0..self.table.schema.fields().len()).collect());
        let schema: SchemaRef = self.table.schema.project(&projection)?.into();
        let slot = Slot::new(schema);
        let scan = Scan {
            reference: self.reference,
            branch: self.branch,
            table: self.table.clone(),
            projection,
            slot: slot.clone(),
        };
        lock(&self.made.0).push(scan);
        slot.leaf()
    }
}

/// The rows of a table that is read whole only once.
pub(super) type Cache = Arc<OnceLock<Vec<RecordBatch>>>;

/// How a table is read whole.
pub(super) enum Keeping {
    /// Whenever the plan runs.
    Nothing,
    /// The first time that the plan runs.
    Own,
    /// The first time that any of the plans runs that have this cache: it holds all columns.
    Shared(Cache),
}

/// A table that is read whole.
pub(super) struct WholeTable {
    state: Arc<SessionState>,
    scan: Scan,
    cache: Option<Cache>,
    /// The cache holds all of the table's columns.
    shared: bool,
}

impl WholeTable {
    /// A leaf that gives all rows of that scan, in the place of `slot`: the optimizer may have given that a projection and
    /// a limit of its own.
    pub(super) fn leaf(
        state: Arc<SessionState>,
        scan: Scan,
        keeping: Keeping,
        slot: &dyn ExecutionPlan,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let projection = slot
            .downcast_ref::<StreamingTableExec>()
            .and_then(|exec| exec.projection().as_ref());
        let projection = projection.map(|columns| columns.to_vec());
        let shared = matches!(keeping, Keeping::Shared(_));
        let whole = Self {
            state,
            scan,
            cache: match keeping {
                Keeping::Nothing => None,
                Keeping::Own => Some(Arc::default()),
                Keeping::Shared(cache) => Some(cache),
            },
            shared,
        };
        leaf(Arc::new(whole), projection.as_ref(), slot.fetch())
    }
}

impl fmt::Debug for WholeTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WholeTable({})", self.scan.table.path)
    }
}

impl PartitionStream for WholeTable {
    fn schema(&self) -> &SchemaRef {
        &self.scan.slot.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = self.scan.slot.schema.clone();
        let (state, scan, cache, shared) = (self.state.clone(), self.scan.clone(), self.cache.clone(), self.shared);
        let rows = futures::stream::once(async move {
            let open = || {
                let columns = (!shared).then_some(scan.projection.as_slice());
                source::scan(&state, &scan.table, columns).map_err(|error| DataFusionError::External(Box::new(error)))
            };
            let Some(cache) = cache else { return open() };
            if cache.get().is_none() {
                let batches = open()?
                    .collect::<Vec<_>>()
                    .await
                    .into_iter()
                    .collect::<Result<Vec<_>>>()?;
                cache.get_or_init(|| batches);
            }
            let batches = cache.get().cloned().unwrap_or_default();
            let columns = shared.then_some(scan.projection);
            let rows = batches.into_iter().map(move |batch| match &columns {
                Some(columns) => Ok(batch.project(columns)?),
                None => Ok(batch),
            });
            let rows = futures::stream::iter(rows);
            let stream: SendableRecordBatchStream =
                Box::pin(RecordBatchStreamAdapter::new(scan.slot.schema.clone(), rows));
            Ok(stream)
        });
        let rows = rows.flat_map(|opened| match opened {
            Ok(stream) => stream,
            Err(error) => {
                let schema = Arc::new(datafusion::arrow::datatypes::Schema::empty());
                Box::pin(RecordBatchStreamAdapter::new(
                    schema,
                    futures::stream::iter([Err(error)]),
                ))
            }
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, rows))
    }
}

/// A panic while the lock was held can't have left the list half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
