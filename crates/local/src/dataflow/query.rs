//! A planned statement at work: its inputs, and the queries that share them.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use skep_engine::{EngineError, Result, Vertex};

use super::branch::{Branch, vertex};
use super::input::{Fed, Input, Late};
use super::lower::Executor;
use crate::table::TablePath;

use super::{Batches, Dataflow, Fingerprint, OperatorState, Outlet, Progress, State, Step};

/// A planned statement. Each table is read once, whichever of the branches read it: they see the same rows in the same
/// steps, and one position and watermark.
pub(super) struct Query {
    pub(super) inputs: Vec<Input>,
    pub(super) branches: Vec<Branch>,
    pub(super) executor: Executor,
    pub(super) bounded: bool,
    pub(super) fingerprints: Vec<Fingerprint>,
}

/// The name of a table's source.
pub(super) fn source_name(input: &Input) -> String {
    format!("source {}", input.table.path)
}

/// What was read into the slots.
struct Feed {
    rows_in: u64,
    late: Vec<Late>,
    /// Which branches got rows.
    fed: Vec<bool>,
    progress: Progress,
}

impl Query {
    /// Reads what there is into the slots.
    fn feed(&mut self) -> Result<Feed> {
        let (mut rows_in, mut late_rows) = (0, Vec::new());
        let mut wait: Option<Duration> = None;
        let mut fed = vec![false; self.branches.len()];
        for (index, input) in self.inputs.iter_mut().enumerate() {
            match input.feed()? {
                Fed::Rows { rows, late } => {
                    rows_in += rows as u64;
                    late_rows.extend(late);
                    for (fed, branch) in fed.iter_mut().zip(&self.branches) {
                        *fed |= branch.inputs.contains(&index);
                    }
                }
                Fed::Idle(idle) => wait = Some(wait.map_or(idle, |wait| wait.min(idle))),
                Fed::End => {}
            }
        }
        for (fed, branch) in fed.iter_mut().zip(&mut self.branches) {
            let rows = branch.feed(&mut self.executor)?;
            rows_in += rows;
            *fed |= rows > 0;
        }
        let progress = match wait {
            _ if rows_in > 0 => Progress::More,
            Some(wait) => Progress::Idle(wait),
            None => Progress::Finished,
        };
        Ok(Feed {
            rows_in,
            late: late_rows,
            fed,
            progress,
        })
    }

    /// How many late rows would have come to the windows.
    fn count_late(&mut self, late: Vec<Late>) -> Result<u64> {
        let mut rows = 0;
        for Late {
            branch,
            slot,
            rows: dropped,
        } in late
        {
            slot.push(dropped);
            rows += self.branches[branch].count_late(&mut self.executor)?;
        }
        Ok(rows)
    }

    fn is_finished(&self) -> bool {
        self.branches.iter().all(|branch| branch.finished)
    }
}

impl Dataflow for Query {
    fn outlets(&self) -> Vec<Outlet> {
        self.branches.iter().map(Branch::outlet).collect()
    }

    fn is_bounded(&self) -> bool {
        self.bounded
    }

    fn step(&mut self) -> Result<Step> {
        if self.is_finished() {
            return Ok(Step {
                output: Vec::new(),
                rows_in: 0,
                late_rows: 0,
                progress: Progress::Finished,
            });
        }
        let Feed {
            rows_in,
            late,
            fed,
            progress,
        } = self.feed()?;
        let mut output: Vec<Batches> = Vec::with_capacity(self.branches.len());
        for (branch, fed) in self.branches.iter_mut().zip(fed) {
            let computed = if fed && !branch.finished {
                branch.compute(&mut self.executor)?
            } else {
                Vec::new()
            };
            output.push(computed);
        }
        let late_rows = self.count_late(late)?;
        for (branch, output) in self.branches.iter_mut().zip(&mut output) {
            if let Some(watermark) = branch.current(&self.inputs) {
                output.extend(branch.close(watermark)?);
            }
            if progress == Progress::Finished || branch.ended(&self.inputs) {
                output.extend(branch.finish()?);
            }
            branch.counts.1 += output.iter().map(|batch| batch.rows.num_rows() as u64).sum::<u64>();
        }
        Ok(Step {
            output,
            rows_in,
            late_rows,
            progress,
        })
    }

    fn drain(&mut self) -> Result<Vec<Batches>> {
        self.branches.iter_mut().map(Branch::finish).collect()
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
        for branch in &mut self.branches {
            operators.extend(branch.snapshot()?);
        }
        Ok(State { operators })
    }

    fn restore(&mut self, state: State) -> Result<()> {
        'operators: for operator in state.operators {
            let mut inputs = self.inputs.iter_mut();
            if let Some(input) = inputs.find(|input| source_name(input) == operator.operator) {
                input.restore(operator.tables, &operator.meta)?;
                continue;
            }
            for branch in &mut self.branches {
                if branch.restore(&operator)? {
                    continue 'operators;
                }
            }
            return Err(EngineError::refused(format!(
                "the saved state has an operator `{}`, which this query has not",
                operator.operator
            )));
        }
        Ok(())
    }

    fn cut(&mut self, rows: &dyn Fn(&TablePath) -> u64) {
        for input in &mut self.inputs {
            let allowed = rows(&input.table.path);
            input.cut(allowed);
        }
    }

    fn taken(&self) -> BTreeMap<TablePath, u64> {
        let taken = |input: &Input| (input.table.path.clone(), input.taken());
        self.inputs.iter().map(taken).collect()
    }

    fn vertices(&self) -> Vec<Vertex> {
        let source = |input: &Input| {
            let name = format!("source {}", input.table.path.name);
            vertex(name, input.ended(), None, Some(input.rows))
        };
        let sources = self.inputs.iter().map(source);
        sources.chain(self.branches.iter().flat_map(Branch::vertices)).collect()
    }

    fn watermark(&self) -> Option<Timestamp> {
        let open = self.inputs.iter().filter(|input| input.has_watermark());
        let least = open.map(|input| input.current).min().flatten()?;
        Timestamp::from_millisecond(least).ok()
    }
}
