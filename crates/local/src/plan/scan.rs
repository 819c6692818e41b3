//! Tables as DataFusion reads them in a batch.

use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use skep_engine::{EngineError, async_trait};

use crate::dataflow::source;
use crate::runtime::Host;
use crate::table::Table;

/// Whether the host keeps the table's rows: they are read as they are, never as a stream.
pub(crate) fn is_memory(table: &Table) -> bool {
    table
        .options
        .get("connector")
        .is_some_and(|connector| connector == "memory")
}

/// A declared table.
pub(crate) struct LocalTable {
    pub table: Arc<Table>,
    pub host: Arc<Host>,
}

impl fmt::Debug for LocalTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalTable({})", self.table.path)
    }
}

#[async_trait]
impl TableProvider for LocalTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.table.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> datafusion::common::Result<Arc<dyn ExecutionPlan>> {
        let Some(state) = session.as_any().downcast_ref::<SessionState>() else {
            return datafusion::common::internal_err!("the session is not one of the embedded engine's");
        };
        let schema = match projection {
            Some(columns) => Arc::new(self.table.schema.project(columns)?),
            None => Arc::clone(&self.table.schema),
        };
        let part = Scan {
            table: Arc::clone(&self.table),
            host: Arc::clone(&self.host),
            state: state.clone(),
            projection: projection.cloned(),
            schema,
        };
        one_partition(Arc::new(part), None, limit)
    }
}

/// A physical scan of one partition.
pub(crate) fn one_partition(
    part: Arc<dyn PartitionStream>,
    projection: Option<&Vec<usize>>,
    limit: Option<usize>,
) -> datafusion::common::Result<Arc<dyn ExecutionPlan>> {
    let schema = Arc::clone(part.schema());
    Ok(Arc::new(StreamingTableExec::try_new(
        schema,
        vec![part],
        projection,
        vec![],
        false,
        limit,
    )?))
}

/// A stream of batches that may not have come about.
pub(crate) fn stream<I>(schema: &SchemaRef, batches: skep_engine::Result<I>) -> SendableRecordBatchStream
where
    I: Iterator<Item = skep_engine::Result<RecordBatch>> + Send + 'static,
{
    let schema = Arc::clone(schema);
    match batches {
        Ok(batches) => {
            let batches = batches.map(|batch| batch.map_err(|e| DataFusionError::External(Box::new(e))));
            Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::iter(batches)))
        }
        Err(e) => {
            let error = futures::stream::iter([Err(DataFusionError::External(Box::new(e)))]);
            Box::pin(RecordBatchStreamAdapter::new(schema, error))
        }
    }
}

/// Reads all rows that a table has now.
struct Scan {
    table: Arc<Table>,
    host: Arc<Host>,
    state: SessionState,
    projection: Option<Vec<usize>>,
    schema: SchemaRef,
}

impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scan({})", self.table.path)
    }
}

impl PartitionStream for Scan {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        if is_memory(&self.table) {
            let batches = match self.host.memory_table(&self.table.path) {
                Ok(batches) => batches.unwrap_or_default(),
                Err(e) => return stream::<std::iter::Empty<_>>(&self.schema, Err(e)),
            };
            let columns = self.projection.clone();
            let batches = batches.into_iter().map(move |batch| match &columns {
                Some(columns) => batch.project(columns).map_err(|e| EngineError::failed(e.to_string())),
                None => Ok(batch),
            });
            return stream(&self.schema, Ok(batches));
        }
        match source::scan(&self.state, &self.table, self.projection.as_deref()) {
            Ok(rows) => rows,
            Err(e) => stream::<std::iter::Empty<_>>(&self.schema, Err(e)),
        }
    }
}
