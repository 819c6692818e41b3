//! A table as a query sees it: its source's columns and the computed ones.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::execution::session_state::SessionState;
use datafusion::physical_expr::PhysicalExpr;
use serde_json::Value;
use skep_engine::Result;

use super::{Pull, Source, open, project};
use crate::dataflow::{failed, rejected};
use crate::plan;
use crate::table::Table;

/// Where a column comes from.
enum Column {
    /// That column of the source.
    Physical(usize),
    /// An expression over the source's columns.
    Computed {
        expression: Arc<dyn PhysicalExpr>,
        data_type: DataType,
    },
}

/// Reads some of a table's columns.
pub(in crate::dataflow) struct Reader {
    source: Box<dyn Source>,
    columns: Vec<Column>,
    schema: SchemaRef,
}

impl Reader {
    /// A reader of those columns of [`Table::schema`], in that order.
    pub(in crate::dataflow) fn new(
        state: &SessionState,
        table: &Table,
        wanted: &[usize],
        follow: bool,
    ) -> Result<Self> {
        let schema = project(&table.schema, wanted)?;
        let mut physical = BTreeSet::new();
        let mut expressions = Vec::new();
        for field in schema.fields() {
            if let Some(computed) = table.computed.iter().find(|computed| computed.name == *field.name()) {
                let expression = plan::expression::bind(state, &computed.expression, &table.physical)?;
                for column in expression.column_refs() {
                    physical.insert(rejected(table.physical.index_of(&column.name).map_err(Into::into))?);
                }
                expressions.push(Some(expression));
            } else {
                physical.insert(rejected(table.physical.index_of(field.name()).map_err(Into::into))?);
                expressions.push(None);
            }
        }
        let physical: Vec<usize> = physical.into_iter().collect();
        let stored = project(&table.physical, &physical)?;
        let stored_schema = rejected(DFSchema::try_from(stored.clone()))?;
        let mut columns = Vec::new();
        for (field, expression) in schema.fields().iter().zip(expressions) {
            columns.push(match expression {
                None => Column::Physical(rejected(stored.index_of(field.name()).map_err(Into::into))?),
                Some(expression) => Column::Computed {
                    expression: rejected(state.create_physical_expr(expression, &stored_schema))?,
                    data_type: field.data_type().clone(),
                },
            });
        }
        Ok(Self {
            source: open(table, &physical, follow)?,
            columns,
            schema,
        })
    }

    /// The columns.
    pub(in crate::dataflow) fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// The next rows; see [`Source::pull`].
    pub(in crate::dataflow) fn pull(&mut self, max_rows: usize) -> Result<Pull> {
        let batch = match self.source.pull(max_rows)? {
            Pull::Rows(batch) => batch,
            other => return Ok(other),
        };
        let mut arrays = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            arrays.push(match column {
                Column::Physical(index) => batch.column(*index).clone(),
                Column::Computed { expression, data_type } => {
                    let value = failed(expression.evaluate(&batch))?;
                    let array = failed(value.into_array(batch.num_rows()))?;
                    if array.data_type() == data_type {
                        array
                    } else {
                        failed(cast(&array, data_type))?
                    }
                }
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        failed(RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)).map(Pull::Rows)
    }

    /// See [`Source::snapshot`].
    pub(in crate::dataflow) fn snapshot(&mut self) -> Result<(Vec<RecordBatch>, Value)> {
        self.source.snapshot()
    }

    /// See [`Source::restore`].
    pub(in crate::dataflow) fn restore(&mut self, tables: Vec<RecordBatch>, meta: &Value) -> Result<()> {
        self.source.restore(tables, meta)
    }
}
