//! What an aggregation computes, and the pieces that its two forms share.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::common::ScalarValue;
use datafusion::error::Result as PlanResult;
use datafusion::logical_expr::GroupsAccumulator;
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::{GroupsAccumulatorAdapter, PhysicalExpr};
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;
use datafusion::physical_plan::aggregates::{
    AggregateExec, AggregateMode, PhysicalGroupBy, aggregate_expressions, evaluate_group_by,
};
use skep_engine::{EngineError, Result};

use super::error::failed;

/// An accumulator of one aggregate for many groups.
pub(super) type Accumulator = Box<dyn GroupsAccumulator>;

/// What an aggregation computes.
pub(super) struct Aggregation {
    group_by: PhysicalGroupBy,
    key_schema: SchemaRef,
    /// The aggregate calls.
    pub(super) calls: Vec<Arc<AggregateFunctionExpr>>,
    arguments: Vec<Vec<Arc<dyn PhysicalExpr>>>,
    filters: Vec<Option<Arc<dyn PhysicalExpr>>>,
    /// Keys, then results.
    pub(super) output: SchemaRef,
    /// Keys, then each call's state.
    pub(super) state: SchemaRef,
    /// How many columns of the state belong to each call.
    widths: Vec<usize>,
}

/// A batch as the accumulators want it.
pub(super) struct Evaluated {
    /// The keys' columns.
    pub(super) keys: Vec<ArrayRef>,
    /// Each call's arguments.
    pub(super) arguments: Vec<Vec<ArrayRef>>,
    /// Each call's FILTER.
    pub(super) filters: Vec<Option<BooleanArray>>,
    /// Rows.
    pub(super) rows: usize,
}

impl Aggregation {
    /// Takes over what a planned aggregate computes. `output` is the schema of its final form.
    pub(super) fn new(exec: &AggregateExec, output: SchemaRef) -> Result<Self> {
        let input = exec.input_schema();
        let key_schema = failed(exec.group_expr().group_schema(&input))?;
        let calls = exec.aggr_expr().to_vec();
        let mut fields: Vec<Field> = Vec::new();
        for (index, field) in key_schema.fields().iter().enumerate() {
            fields.push(Field::new(
                format!("key{index}.{}", field.name()),
                field.data_type().clone(),
                true,
            ));
        }
        let mut widths = Vec::new();
        for (index, call) in calls.iter().enumerate() {
            let state = failed(call.state_fields())?;
            widths.push(state.len());
            for (part, field) in state.iter().enumerate() {
                fields.push(Field::new(
                    format!("call{index}.{part}"),
                    field.data_type().clone(),
                    true,
                ));
            }
        }
        Ok(Self {
            group_by: exec.group_expr().clone(),
            key_schema,
            arguments: failed(aggregate_expressions(&calls, &AggregateMode::Partial, 0))?,
            filters: exec.filter_expr().to_vec(),
            calls,
            output,
            state: Arc::new(Schema::new(fields)),
            widths,
        })
    }

    /// How many keys.
    pub(super) fn keys(&self) -> usize {
        self.key_schema.fields().len()
    }

    /// The keys' names and types.
    pub(super) fn key_schema(&self) -> &Schema {
        &self.key_schema
    }

    /// Evaluates keys, arguments and filters.
    pub(super) fn evaluate(&self, batch: &RecordBatch) -> Result<Evaluated> {
        let rows = batch.num_rows();
        let keys = match self.keys() {
            0 => Vec::new(),
            _ => failed(evaluate_group_by(&self.group_by, batch))?
                .into_iter()
                .next()
                .unwrap_or_default(),
        };
        let column = |expression: &Arc<dyn PhysicalExpr>| expression.evaluate(batch)?.into_array(rows);
        let arguments = self
            .arguments
            .iter()
            .map(|list| list.iter().map(column).collect::<PlanResult<Vec<_>>>());
        let filters = self.filters.iter().map(|filter| {
            filter
                .as_ref()
                .map(|filter| Ok(column(filter)?.as_boolean().clone()))
                .transpose()
        });
        Ok(Evaluated {
            keys,
            arguments: failed(arguments.collect())?,
            filters: failed(filters.collect::<PlanResult<_>>())?,
            rows,
        })
    }

    /// The one result that a query without keys has of no rows. An accumulator of many groups can't tell it: it takes it
    /// that there is no group without a row.
    pub(super) fn result_of_nothing(&self) -> Result<RecordBatch> {
        let result = |call: &Arc<AggregateFunctionExpr>| call.create_accumulator()?.evaluate()?.to_array();
        let columns = self.calls.iter().map(result).collect::<PlanResult<Vec<_>>>();
        self.output_rows(failed(columns)?, 1)
    }

    /// Fresh accumulators.
    pub(super) fn accumulators(&self) -> Result<Vec<Accumulator>> {
        let new = |call: &Arc<AggregateFunctionExpr>| -> PlanResult<Accumulator> {
            if call.groups_accumulator_supported() {
                return call.create_groups_accumulator();
            }
            let call = call.clone();
            Ok(Box::new(GroupsAccumulatorAdapter::new(move || {
                call.create_accumulator()
            })))
        };
        failed(self.calls.iter().map(new).collect())
    }

    /// Each call's columns of a state.
    pub(super) fn split<'a>(&self, state: &'a [ArrayRef]) -> impl Iterator<Item = &'a [ArrayRef]> {
        let mut at = 0;
        let widths = self.widths.clone();
        widths.into_iter().map(move |width| {
            at += width;
            &state[at - width..at]
        })
    }

    /// A state as rows. A call whose state has other types than it declared is an error: it could not be read back.
    pub(super) fn state_rows(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        self.check(self.state.fields().iter().map(|f| f.data_type()), &columns)?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        failed(RecordBatch::try_new_with_options(self.state.clone(), columns, &options))
    }

    /// Keys and results as rows.
    pub(super) fn output_rows(&self, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        failed(RecordBatch::try_new_with_options(
            self.output.clone(),
            columns,
            &options,
        ))
    }

    /// Whether a saved state has this aggregation's columns.
    pub(super) fn accepts(&self, saved: &RecordBatch) -> Result<()> {
        self.check(self.state.fields().iter().map(|f| f.data_type()), saved.columns())
    }

    fn check<'a>(&self, expected: impl ExactSizeIterator<Item = &'a DataType>, columns: &[ArrayRef]) -> Result<()> {
        if expected.len() != columns.len() {
            return Err(EngineError::refused(format!(
                "the state of the aggregation has {} columns, but {} are expected",
                columns.len(),
                expected.len()
            )));
        }
        for ((expected, column), field) in expected.zip(columns).zip(self.state.fields()) {
            if expected != column.data_type() {
                return Err(EngineError::refused(format!(
                    "the state column {} of the aggregation has the type {}, but {expected} is expected",
                    field.name(),
                    column.data_type()
                )));
            }
        }
        Ok(())
    }
}

/// The groups seen so far, numbered from 0 as they came.
pub(super) struct Keys {
    values: Option<Box<dyn GroupValues>>,
    /// Those of the keys that tell groups apart.
    telling: Vec<usize>,
    /// Their names and types.
    schema: SchemaRef,
    /// The keys that have one value in all groups, and that value from the first row on.
    same: BTreeMap<usize, Option<ScalarValue>>,
    count: usize,
}

impl Keys {
    /// None yet. The keys `same` have one value in all rows that will come: nothing is hashed or stored of them.
    pub(super) fn new(aggregation: &Aggregation, same: &[usize]) -> Result<Self> {
        let telling: Vec<usize> = (0..aggregation.keys()).filter(|key| !same.contains(key)).collect();
        let schema = Arc::new(failed(aggregation.key_schema.project(&telling))?);
        Ok(Self {
            values: new_values(&schema)?,
            telling,
            schema,
            same: same.iter().map(|key| (*key, None)).collect(),
            count: 0,
        })
    }

    /// How many.
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    /// The number of each row's group. Without keys that tell groups apart all rows are of group 0.
    pub(super) fn intern(&mut self, keys: &[ArrayRef], rows: usize, ids: &mut Vec<usize>) -> Result<()> {
        ids.clear();
        if rows > 0 {
            for (key, value) in self.same.iter_mut().filter(|(_, value)| value.is_none()) {
                *value = Some(failed(ScalarValue::try_from_array(&keys[*key], 0))?);
            }
        }
        match &mut self.values {
            None => {
                ids.resize(rows, 0);
                self.count = self.count.max(usize::from(rows > 0));
            }
            Some(values) => {
                let telling: Vec<ArrayRef> = self.telling.iter().map(|key| keys[*key].clone()).collect();
                failed(values.intern(&telling, ids))?;
                self.count = values.len();
            }
        }
        Ok(())
    }

    /// Gives all keys, in the order of their numbers, and is empty then.
    pub(super) fn take(&mut self) -> Result<Vec<ArrayRef>> {
        let count = std::mem::take(&mut self.count);
        let mut columns = Vec::new();
        if let Some(values) = &mut self.values {
            columns = failed(values.emit(datafusion::logical_expr::EmitTo::All))?;
            // Some implementations keep a stale hash table after they have given everything: only a new one is safe.
            self.values = new_values(&self.schema)?;
        }
        // In the order of the keys each column finds its place.
        for (key, value) in &mut self.same {
            if let Some(value) = value.take() {
                columns.insert(*key, failed(value.to_array_of_size(count))?);
            }
        }
        Ok(columns)
    }
}

fn new_values(schema: &SchemaRef) -> Result<Option<Box<dyn GroupValues>>> {
    if schema.fields().is_empty() {
        return Ok(None);
    }
    failed(new_group_values(schema.clone(), &GroupOrdering::None)).map(Some)
}

impl Evaluated {
    /// Neighbouring rows, without a copy.
    pub(super) fn slice(&self, rows: Range<usize>) -> Self {
        let (from, length) = (rows.start, rows.len());
        let some = |column: &ArrayRef| column.slice(from, length);
        let filter = |filter: &Option<BooleanArray>| filter.as_ref().map(|filter| filter.slice(from, length));
        Self {
            keys: self.keys.iter().map(some).collect(),
            arguments: self
                .arguments
                .iter()
                .map(|columns| columns.iter().map(some).collect())
                .collect(),
            filters: self.filters.iter().map(filter).collect(),
            rows: length,
        }
    }

    /// Some of the rows.
    pub(super) fn take(&self, rows: &UInt32Array) -> Result<Self> {
        let some = |column: &ArrayRef| take(column, rows, None);
        let filter = |filter: &Option<BooleanArray>| match filter {
            Some(filter) => Ok(Some(take(filter, rows, None)?.as_boolean().clone())),
            None => Ok(None),
        };
        let arguments = self
            .arguments
            .iter()
            .map(|columns| columns.iter().map(some).collect::<Result<Vec<_>, _>>());
        Ok(Self {
            keys: failed(self.keys.iter().map(some).collect::<Result<_, ArrowError>>())?,
            arguments: failed(arguments.collect::<Result<_, ArrowError>>())?,
            filters: failed(self.filters.iter().map(filter).collect::<Result<_, ArrowError>>())?,
            rows: rows.len(),
        })
    }
}
