//! What one query of a statement computes from the rows of its inputs: a SELECT's, an INSERT's, or one of several INSERTs.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;
use datafusion::physical_plan::ExecutionPlan;
use serde_json::{Value, json};
use skep_engine::{Batch, Result, Vertex};

use super::aggregate::Aggregation;
use super::constant::Constant;
use super::error::failed;
use super::groups::Groups;
use super::input::Input;
use super::lower::Executor;
use super::pane::Pane;
use super::slot::Slot;
use super::upper::Upper;
use super::windows::Windows;
use super::{AGGREGATE, OperatorState, Outlet};

/// How the groups of an aggregation are kept and when their results are given.
pub(super) enum Grouping {
    /// Once, when all input is read.
    AtEnd(Option<Pane>),
    /// Whenever they change.
    Changes(Groups),
    /// Once, when the watermark has passed their window.
    Windows(Windows),
}

/// The aggregation and what stands above it.
pub(super) struct Summary {
    pub(super) aggregation: Aggregation,
    pub(super) grouping: Grouping,
    pub(super) upper: Upper,
}

/// A name of a branch's operators: the same for one statement's, told apart by their sinks in a set.
#[derive(Debug, Clone, Default)]
pub(super) struct Name(pub(super) Option<String>);

impl Name {
    fn of(&self, operator: &str) -> String {
        match &self.0 {
            None => operator.to_owned(),
            Some(branch) => format!("{operator} of {branch}"),
        }
    }

    /// The name of the aggregation's state.
    pub(super) fn aggregate(&self) -> String {
        self.of(AGGREGATE)
    }

    /// The name of a constant input.
    pub(super) fn constant(&self, index: usize) -> String {
        self.of(&format!("constant {index}"))
    }
}

/// One query at work.
pub(super) struct Branch {
    pub(super) name: Name,
    /// Which of the dataflow's inputs it reads.
    pub(super) inputs: Vec<usize>,
    pub(super) constants: Vec<(Constant, Arc<Slot>)>,
    /// What is run over each micro-batch: all, or what stands below the aggregation.
    pub(super) lower: Arc<dyn ExecutionPlan>,
    pub(super) summary: Option<Summary>,
    pub(super) finished: bool,
    /// Rows into the aggregation, and rows out of the query.
    pub(super) counts: (u64, u64),
}

impl Branch {
    /// Its output.
    pub(super) fn outlet(&self) -> Outlet {
        let (schema, updating) = match &self.summary {
            Some(summary) => (summary.upper.schema(), matches!(summary.grouping, Grouping::Changes(_))),
            None => (self.lower.schema(), false),
        };
        Outlet { schema, updating }
    }

    /// Reads what there is of the constants, and gives the number of rows.
    pub(super) fn feed(&mut self, executor: &mut Executor) -> Result<u64> {
        let mut rows_in = 0;
        for (constant, slot) in &mut self.constants {
            if let Some(rows) = constant.pull(executor)? {
                rows_in += rows.num_rows() as u64;
                slot.push(rows);
            }
        }
        Ok(rows_in)
    }

    /// Computes what follows from the rows in the slots.
    pub(super) fn compute(&mut self, executor: &mut Executor) -> Result<Vec<Batch>> {
        let batches = executor.run(&self.lower)?;
        let Some(summary) = &mut self.summary else {
            return Ok(batches.into_iter().map(Batch::inserts).collect());
        };
        self.counts.0 += count(&batches);
        let aggregation = &summary.aggregation;
        let mut output = Vec::new();
        match &mut summary.grouping {
            Grouping::AtEnd(pane) => {
                for batch in &batches {
                    if pane.is_none() {
                        *pane = Some(Pane::new(aggregation, &[])?);
                    }
                    if let Some(pane) = pane {
                        pane.update(&aggregation.evaluate(batch)?)?;
                    }
                }
            }
            Grouping::Changes(groups) => {
                if let Some(first) = batches.first() {
                    let batch = failed(concat_batches(&first.schema(), &batches))?;
                    output.extend(summary.upper.changes(groups.update(aggregation, &batch)?)?);
                }
            }
            Grouping::Windows(windows) => {
                for batch in &batches {
                    windows.update(aggregation, batch)?;
                }
            }
        }
        Ok(output)
    }

    /// How many of the late rows in the slots would have come to the windows.
    pub(super) fn count_late(&self, executor: &mut Executor) -> Result<u64> {
        Ok(count(&executor.run(&self.lower)?))
    }

    /// The results of the windows that the watermark has passed.
    pub(super) fn close(&mut self, watermark: i64) -> Result<Vec<Batch>> {
        let Some(Summary {
            aggregation,
            grouping: Grouping::Windows(windows),
            upper,
        }) = &mut self.summary
        else {
            return Ok(Vec::new());
        };
        let mut output = Vec::new();
        for results in windows.close(aggregation, watermark)? {
            output.extend(upper.inserts(results)?);
        }
        Ok(output)
    }

    /// The results that wait for the end of the input; none if they have been given.
    pub(super) fn finish(&mut self) -> Result<Vec<Batch>> {
        if self.finished {
            return Ok(Vec::new());
        }
        let mut output = self.close(i64::MAX)?;
        if let Some(Summary {
            aggregation,
            grouping,
            upper,
        }) = &mut self.summary
        {
            match grouping {
                Grouping::AtEnd(pane) => {
                    let pane = match pane.take() {
                        Some(pane) => pane,
                        None => Pane::new(aggregation, &[])?,
                    };
                    output.extend(upper.inserts(pane.finish(aggregation)?)?);
                }
                Grouping::Changes(groups) => {
                    if let Some(result) = groups.result_of_nothing(aggregation)? {
                        output.extend(upper.inserts(result)?);
                    }
                }
                Grouping::Windows(_) => {}
            }
        }
        self.finished = true;
        Ok(output)
    }

    /// Whether nothing more comes.
    pub(super) fn ended(&self, inputs: &[Input]) -> bool {
        self.inputs.iter().all(|input| inputs[*input].ended())
            && self.constants.iter().all(|(constant, _)| constant.ended())
    }

    /// The least watermark of what still gives it rows; `i64::MAX` if nothing does, `None` if something has none yet.
    pub(super) fn current(&self, inputs: &[Input]) -> Option<i64> {
        if self.constants.iter().any(|(constant, _)| !constant.ended()) {
            return None;
        }
        let open = self.inputs.iter().map(|input| &inputs[*input]);
        let open = open.filter(|input| !input.ended());
        open.map(|input| input.current).min().unwrap_or(Some(i64::MAX))
    }

    /// What it keeps.
    pub(super) fn snapshot(&mut self) -> Result<Vec<OperatorState>> {
        let mut operators = Vec::new();
        for (index, (constant, _)) in self.constants.iter().enumerate() {
            operators.push(OperatorState {
                operator: self.name.constant(index),
                tables: Vec::new(),
                meta: constant.snapshot(),
            });
        }
        if let Some(Summary {
            aggregation, grouping, ..
        }) = &mut self.summary
        {
            let tables = match grouping {
                Grouping::AtEnd(None) => Vec::new(),
                Grouping::AtEnd(Some(pane)) => vec![pane.snapshot(aggregation)?],
                Grouping::Changes(groups) => vec![groups.snapshot(aggregation)?],
                Grouping::Windows(windows) => windows.snapshot(aggregation)?,
            };
            operators.push(OperatorState {
                operator: self.name.aggregate(),
                tables,
                meta: json!({ "finished": self.finished }),
            });
        }
        Ok(operators)
    }

    /// Takes over a state, if it is one of its own.
    pub(super) fn restore(&mut self, state: &OperatorState) -> Result<bool> {
        let OperatorState { operator, tables, meta } = state;
        let constant = (0..self.constants.len()).find(|index| self.name.constant(*index) == *operator);
        if let Some(index) = constant {
            self.constants[index].0.restore(meta)?;
            return Ok(true);
        }
        let Some(Summary {
            aggregation, grouping, ..
        }) = &mut self.summary
        else {
            return Ok(false);
        };
        if self.name.aggregate() != *operator {
            return Ok(false);
        }
        match grouping {
            Grouping::AtEnd(pane) => {
                for table in tables.iter().filter(|table| table.num_rows() > 0) {
                    aggregation.accepts(table)?;
                    let mut restored = match pane.take() {
                        Some(pane) => pane,
                        None => Pane::new(aggregation, &[])?,
                    };
                    restored.merge(aggregation, table.columns(), table.num_rows())?;
                    *pane = Some(restored);
                }
            }
            Grouping::Changes(groups) => groups.restore(aggregation, tables)?,
            Grouping::Windows(windows) => windows.restore(aggregation, tables)?,
        }
        self.finished = meta.get("finished").and_then(Value::as_bool).unwrap_or(false);
        Ok(true)
    }

    /// Its operators.
    pub(super) fn vertices(&self) -> Vec<Vertex> {
        let mut vertices = Vec::new();
        for (index, (constant, _)) in self.constants.iter().enumerate() {
            let name = self.name.constant(index);
            vertices.push(vertex(name, constant.ended(), None, Some(constant.given())));
        }
        if let Some(summary) = &self.summary {
            let name = match summary.grouping {
                Grouping::Windows(_) => self.name.of("window aggregate"),
                _ => self.name.aggregate(),
            };
            vertices.push(vertex(name, self.finished, Some(self.counts.0), Some(self.counts.1)));
        }
        vertices
    }
}

/// An operator as `!job` shows it.
pub(super) fn vertex(name: String, ended: bool, rows_in: Option<u64>, rows_out: Option<u64>) -> Vertex {
    Vertex {
        name,
        state: if ended { "FINISHED" } else { "RUNNING" }.into(),
        parallelism: 1,
        rows_in,
        rows_out,
        ..Vertex::default()
    }
}

fn count(batches: &[RecordBatch]) -> u64 {
    batches.iter().map(|batch| batch.num_rows() as u64).sum()
}
