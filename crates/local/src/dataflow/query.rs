//! A planned query at work.

use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::physical_plan::ExecutionPlan;
use jiff::Timestamp;
use serde_json::{Value, json};
use skep_engine::{Batch, EngineError, Result, Vertex};

use super::aggregate::Aggregation;
use super::constant::Constant;
use super::error::failed;
use super::groups::Groups;
use super::input::{Fed, Input, Late};
use super::lower::Executor;
use super::pane::Pane;
use super::slot::Slot;
use super::upper::Upper;
use super::windows::Windows;
use super::{Dataflow, Fingerprint, OperatorState, Progress, State, Step};

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

/// A planned query.
pub(super) struct Query {
    pub(super) inputs: Vec<Input>,
    pub(super) constants: Vec<(Constant, Arc<Slot>)>,
    /// What is run over each micro-batch: all, or what stands below the aggregation.
    pub(super) lower: Arc<dyn ExecutionPlan>,
    pub(super) summary: Option<Summary>,
    pub(super) executor: Executor,
    pub(super) bounded: bool,
    pub(super) fingerprints: Vec<Fingerprint>,
    pub(super) finished: bool,
    /// Rows into the aggregation, and rows out of the query.
    pub(super) counts: (u64, u64),
}

/// The name of the aggregation's state.
pub(super) const AGGREGATE: &str = "aggregate";

/// The name of a table's source.
pub(super) fn source_name(input: &Input) -> String {
    format!("source {}", input.table.path)
}

/// The name of a constant input.
pub(super) fn constant_name(index: usize) -> String {
    format!("constant {index}")
}

impl Query {
    /// Reads what there is into the slots.
    fn feed(&mut self) -> Result<(u64, Vec<Late>, Progress)> {
        let (mut rows_in, mut late_rows) = (0, Vec::new());
        let mut wait: Option<Duration> = None;
        for input in &mut self.inputs {
            match input.feed()? {
                Fed::Rows { rows, late } => {
                    rows_in += rows as u64;
                    late_rows.extend(late);
                }
                Fed::Idle(idle) => wait = Some(wait.map_or(idle, |wait| wait.min(idle))),
                Fed::End => {}
            }
        }
        for (constant, slot) in &mut self.constants {
            if let Some(rows) = constant.pull(&mut self.executor)? {
                rows_in += rows.num_rows() as u64;
                slot.push(rows);
            }
        }
        let progress = match wait {
            _ if rows_in > 0 => Progress::More,
            Some(wait) => Progress::Idle(wait),
            None => Progress::Finished,
        };
        Ok((rows_in, late_rows, progress))
    }

    /// Computes what follows from the rows in the slots.
    fn compute(&mut self) -> Result<Vec<Batch>> {
        let batches = self.executor.run(&self.lower)?;
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

    /// How many late rows would have come to the windows.
    fn count_late(&mut self, late: Vec<Late>) -> Result<u64> {
        let mut rows = 0;
        for Late { slot, rows: dropped } in late {
            slot.push(dropped);
            rows += count(&self.executor.run(&self.lower)?);
        }
        Ok(rows)
    }

    /// The results of the windows that the watermark has passed.
    fn close(&mut self, watermark: i64) -> Result<Vec<Batch>> {
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

    /// The results that wait for the end of the input.
    fn finish(&mut self) -> Result<Vec<Batch>> {
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
                // As in Flink nothing comes of no rows.
                Grouping::Changes(_) | Grouping::Windows(_) => {}
            }
        }
        self.finished = true;
        Ok(output)
    }

    /// The least watermark of what still gives rows; `i64::MAX` if nothing does, `None` if something has none yet.
    fn current(&self) -> Option<i64> {
        if self.constants.iter().any(|(constant, _)| !constant.ended()) {
            return None;
        }
        let open = self.inputs.iter().filter(|input| !input.ended());
        open.map(|input| input.current).min().unwrap_or(Some(i64::MAX))
    }
}

impl Dataflow for Query {
    fn schema(&self) -> SchemaRef {
        match &self.summary {
            Some(summary) => summary.upper.schema(),
            None => self.lower.schema(),
        }
    }

    fn is_updating(&self) -> bool {
        matches!(
            &self.summary,
            Some(Summary {
                grouping: Grouping::Changes(_),
                ..
            })
        )
    }

    fn is_bounded(&self) -> bool {
        self.bounded
    }

    fn step(&mut self) -> Result<Step> {
        if self.finished {
            return Ok(Step {
                output: Vec::new(),
                rows_in: 0,
                late_rows: 0,
                progress: Progress::Finished,
            });
        }
        let (rows_in, late, progress) = self.feed()?;
        let mut output = if rows_in > 0 { self.compute()? } else { Vec::new() };
        let late_rows = self.count_late(late)?;
        if let Some(watermark) = self.current() {
            output.extend(self.close(watermark)?);
        }
        if progress == Progress::Finished {
            output.extend(self.finish()?);
        }
        self.counts.1 += output.iter().map(|batch| batch.rows.num_rows() as u64).sum::<u64>();
        Ok(Step {
            output,
            rows_in,
            late_rows,
            progress,
        })
    }

    fn drain(&mut self) -> Result<Vec<Batch>> {
        if self.finished { Ok(Vec::new()) } else { self.finish() }
    }

    fn fingerprints(&self) -> Vec<Fingerprint> {
        self.fingerprints.clone()
    }

    fn snapshot(&mut self) -> Result<State> {
        let mut operators = Vec::new();
        for input in &mut self.inputs {
            let (tables, meta) = input.snapshot()?;
            operators.push(OperatorState {
                operator: source_name(input),
                tables,
                meta,
            });
        }
        for (index, (constant, _)) in self.constants.iter().enumerate() {
            let meta = constant.snapshot();
            operators.push(OperatorState {
                operator: constant_name(index),
                tables: Vec::new(),
                meta,
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
            let meta = json!({ "finished": self.finished });
            operators.push(OperatorState {
                operator: AGGREGATE.into(),
                tables,
                meta,
            });
        }
        Ok(State { operators })
    }

    fn restore(&mut self, state: State) -> Result<()> {
        for OperatorState { operator, tables, meta } in state.operators {
            if let Some(input) = self.inputs.iter_mut().find(|input| source_name(input) == operator) {
                input.restore(tables, &meta)?;
                continue;
            }
            let constant = (0..self.constants.len()).find(|index| constant_name(*index) == operator);
            if let Some(index) = constant {
                self.constants[index].0.restore(&meta)?;
                continue;
            }
            match &mut self.summary {
                Some(Summary {
                    aggregation, grouping, ..
                }) if operator == AGGREGATE => {
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
                        Grouping::Changes(groups) => groups.restore(aggregation, &tables)?,
                        Grouping::Windows(windows) => windows.restore(aggregation, &tables)?,
                    }
                    self.finished = meta.get("finished").and_then(Value::as_bool).unwrap_or(false);
                }
                _ => {
                    return Err(EngineError::refused(format!(
                        "the saved state has an operator `{operator}`, which this query has not"
                    )));
                }
            }
        }
        Ok(())
    }

    fn vertices(&self) -> Vec<Vertex> {
        let vertex = |name: String, ended: bool, rows_in, rows_out| Vertex {
            name,
            state: if ended { "FINISHED" } else { "RUNNING" }.into(),
            parallelism: 1,
            rows_in,
            rows_out,
            ..Vertex::default()
        };
        let mut vertices: Vec<Vertex> = self
            .inputs
            .iter()
            .map(|input| {
                vertex(
                    format!("source {}", input.table.path.name),
                    input.ended(),
                    None,
                    Some(input.rows),
                )
            })
            .collect();
        for (index, (constant, _)) in self.constants.iter().enumerate() {
            vertices.push(vertex(
                constant_name(index),
                constant.ended(),
                None,
                Some(constant.given()),
            ));
        }
        if let Some(summary) = &self.summary {
            let name = match summary.grouping {
                Grouping::Windows(_) => "window aggregate",
                _ => AGGREGATE,
            };
            vertices.push(vertex(
                name.into(),
                self.finished,
                Some(self.counts.0),
                Some(self.counts.1),
            ));
        }
        vertices
    }

    fn watermark(&self) -> Option<Timestamp> {
        let open = self.inputs.iter().filter(|input| input.has_watermark());
        let least = open.map(|input| input.current).min().flatten()?;
        Timestamp::from_millisecond(least).ok()
    }
}

fn count(batches: &[RecordBatch]) -> u64 {
    batches.iter().map(|batch| batch.num_rows() as u64).sum()
}
