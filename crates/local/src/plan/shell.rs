//! Tables of the shell's own, read as they are when a query begins.

use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::stream;
use skep_engine::{EngineError, ShellTables, async_trait};

use super::scan::one_partition;

/// One of them.
#[derive(Debug, Clone)]
pub(crate) struct ShellTable {
    name: &'static str,
    schema: SchemaRef,
    tables: Arc<dyn ShellTables>,
}

impl ShellTable {
    /// All that the shell has.
    pub fn all(tables: &Arc<dyn ShellTables>) -> impl Iterator<Item = Self> {
        tables.tables().into_iter().map(|(name, schema)| Self {
            name,
            schema,
            tables: Arc::clone(tables),
        })
    }

    /// Its name in the shell's database.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Its columns.
    pub const fn schema(&self) -> &SchemaRef {
        &self.schema
    }
}

#[async_trait]
impl TableProvider for ShellTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> datafusion::common::Result<Arc<dyn ExecutionPlan>> {
        one_partition(Arc::new(self.clone()), projection, limit)
    }
}

impl PartitionStream for ShellTable {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let external = |error: EngineError| DataFusionError::External(Box::new(error));
        let rows = stream::try_unfold(self.tables.rows(self.name), move |rows| async move {
            let mut rows = rows.map_err(external)?;
            let batch = rows.next().await.map_err(external)?;
            Ok(batch.map(|batch| (batch.rows, Ok(rows))))
        });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows))
    }
}
