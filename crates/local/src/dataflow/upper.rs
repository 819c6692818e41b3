//! What stands above the aggregation: filters (HAVING) and projections, run here so that each row keeps its place.
//!
//! A group's change is -U/+U only if both its old and its new result pass the filters; to know that, the rows that come
//! out must be known by the rows that went in.

use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use datafusion::arrow::compute::{filter_record_batch, prep_null_mask_filter, take_record_batch};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use skep_engine::{Batch, EngineError, Result, RowKind};

use super::error::failed;
use super::groups::Changes;

/// One operator.
enum Operator {
    Filter {
        predicate: Arc<dyn PhysicalExpr>,
        projection: Option<Vec<usize>>,
    },
    Project {
        expressions: Vec<Arc<dyn PhysicalExpr>>,
        schema: SchemaRef,
    },
}

/// The operators between the aggregation and the output, in the order in which rows meet them.
pub(super) struct Upper {
    operators: Vec<Operator>,
    schema: SchemaRef,
}

/// The plan cut at its aggregation.
pub(super) struct Cut {
    /// What stands above it.
    pub(super) upper: Upper,
    /// The aggregation that rows enter.
    pub(super) aggregate: Arc<dyn ExecutionPlan>,
    /// The columns that it gives.
    pub(super) output: SchemaRef,
}

/// Cuts a plan at its aggregation; `None` if it has none on the way from its root to where it branches.
pub(super) fn cut(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<Cut>> {
    let mut operators = Vec::new();
    let mut node = plan.clone();
    let mut foreign = None;
    loop {
        if let Some(exec) = node.downcast_ref::<AggregateExec>() {
            if let Some(name) = foreign {
                return Err(EngineError::refused(format!(
                    "a streaming query can't contain {name} above an aggregation"
                )));
            }
            operators.reverse();
            let upper = Upper {
                operators,
                schema: plan.schema(),
            };
            let output = exec.schema();
            return Ok(Some(Cut {
                upper,
                aggregate: first_stage(&node),
                output,
            }));
        }
        let children = node.children();
        let [child] = children.as_slice() else { return Ok(None) };
        if let Some(filter) = node.downcast_ref::<FilterExec>() {
            operators.push(Operator::Filter {
                predicate: filter.predicate().clone(),
                projection: filter.projection().as_ref().map(|projection| projection.to_vec()),
            });
        } else if let Some(project) = node.downcast_ref::<ProjectionExec>() {
            operators.push(Operator::Project {
                expressions: project.expr().iter().map(|item| item.expr.clone()).collect(),
                schema: project.schema(),
            });
        } else if !is_transparent(node.as_ref()) {
            foreign = Some(node.name().to_owned());
        }
        let child = Arc::clone(child);
        node = child;
    }
}

/// Whether the operator only moves rows on.
fn is_transparent(node: &dyn ExecutionPlan) -> bool {
    matches!(
        node.name(),
        "CoalesceBatchesExec" | "CoalescePartitionsExec" | "CooperativeExec" | "RepartitionExec"
    )
}

/// The stage of an aggregation that takes rows: of a final one, the partial one below it.
fn first_stage(node: &Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    let mut stage = node.clone();
    let mut below = node.clone();
    loop {
        let children = below.children();
        let [child] = children.as_slice() else { return stage };
        let child = Arc::clone(child);
        let takes_states = stage.downcast_ref::<AggregateExec>().is_some_and(|exec| {
            use datafusion::physical_plan::aggregates::AggregateInputMode;
            exec.mode().input_mode() == AggregateInputMode::Partial
        });
        if !takes_states {
            return stage;
        }
        if child.is::<AggregateExec>() {
            stage = child.clone();
        }
        below = child;
    }
}

impl Upper {
    /// The columns of the output.
    pub(super) fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// Runs the operators over results. With the rows comes, for each, the row that it was.
    fn run(&self, batch: RecordBatch) -> Result<(RecordBatch, Vec<usize>)> {
        let mut batch = batch;
        let mut origin: Vec<usize> = (0..batch.num_rows()).collect();
        for operator in &self.operators {
            match operator {
                Operator::Filter { predicate, projection } => {
                    let mask = failed(
                        predicate
                            .evaluate(&batch)
                            .and_then(|value| value.into_array(batch.num_rows())),
                    )?;
                    let mask = mask.as_boolean();
                    let mask = if mask.null_count() > 0 {
                        prep_null_mask_filter(mask)
                    } else {
                        mask.clone()
                    };
                    batch = failed(filter_record_batch(&batch, &mask))?;
                    origin = kept(&origin, &mask);
                    if let Some(projection) = projection {
                        batch = failed(batch.project(projection))?;
                    }
                }
                Operator::Project { expressions, schema } => {
                    let rows = batch.num_rows();
                    let columns = expressions
                        .iter()
                        .map(|expression| expression.evaluate(&batch)?.into_array(rows));
                    let options = RecordBatchOptions::new().with_row_count(Some(rows));
                    let columns = failed(columns.collect::<Result<Vec<_>, datafusion::error::DataFusionError>>())?;
                    batch = failed(RecordBatch::try_new_with_options(schema.clone(), columns, &options))?;
                }
            }
        }
        Ok((batch, origin))
    }

    /// Final results as rows of the output.
    pub(super) fn inserts(&self, results: RecordBatch) -> Result<Option<Batch>> {
        let (rows, _) = self.run(results)?;
        Ok((rows.num_rows() > 0).then(|| Batch::inserts(rows)))
    }

    /// Changed results as a changelog.
    pub(super) fn changes(&self, changes: Changes) -> Result<Option<Batch>> {
        let unchanged = changes.unchanged()?;
        let Changes { old, new } = changes;
        let groups = new.num_rows();
        let (old, old_origin) = self.run(old)?;
        let (new, new_origin) = self.run(new)?;
        let mut old_row = vec![None; groups];
        for (row, group) in old_origin.into_iter().enumerate() {
            old_row[group] = Some(row);
        }
        let mut new_row = vec![None; groups];
        for (row, group) in new_origin.into_iter().enumerate() {
            new_row[group] = Some(row);
        }
        let mut kinds = Vec::new();
        let mut places = Vec::new();
        let mut push = |kind, place: usize| {
            kinds.push(kind);
            places.push(u32::try_from(place).unwrap_or(u32::MAX));
        };
        let olds = old.num_rows();
        for group in (0..groups).filter(|group| !unchanged[*group]) {
            match (old_row[group], new_row[group]) {
                (None, None) => {}
                (None, Some(new)) => push(RowKind::Insert, olds + new),
                (Some(old), None) => push(RowKind::Delete, old),
                (Some(old), Some(new)) => {
                    push(RowKind::UpdateBefore, old);
                    push(RowKind::UpdateAfter, olds + new);
                }
            }
        }
        if kinds.is_empty() {
            return Ok(None);
        }
        let both = failed(datafusion::arrow::compute::concat_batches(&self.schema, [&old, &new]))?;
        let rows = failed(take_record_batch(&both, &UInt32Array::from(places)))?;
        Ok(Some(Batch {
            rows,
            kinds: Some(kinds),
        }))
    }
}

fn kept(origin: &[usize], mask: &BooleanArray) -> Vec<usize> {
    origin
        .iter()
        .zip(mask.values())
        .filter(|(_, keep)| *keep)
        .map(|(row, _)| *row)
        .collect()
}
