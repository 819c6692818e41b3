//! Dataflows over the natural numbers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use datafusion::arrow::array::{AsArray, Int64Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use jiff::Timestamp;
use skep_engine::{Batch, EngineError, Result, RowKind, Vertex};
use skep_local::dataflow::{Dataflow, Fingerprint, OperatorState, Outlet, Progress, State, Step};
use skep_local::table::TablePath;

/// What is computed from each number `n` with key `n % 7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Query {
    /// The key and the number.
    Each,
    /// The key and how many of it there have been: a row a number.
    Running,
    /// For each window of 100 numbers and each key how many there were, when the window is over.
    Windowed,
    /// The key and its count, as updates.
    Updating,
}

/// Numbers from 0, and a query over them.
pub struct Numbers {
    pub query: Query,
    /// Where the input ends, if it does.
    pub end: Option<i64>,
    /// Numbers a step.
    pub per_step: i64,
    /// How many numbers may be read; more may be allowed later. Without it there is no such bound.
    pub gate: Option<Arc<AtomicU64>>,
    /// Called after each step with the rows written so far.
    pub after_step: Option<Box<dyn FnMut(u64) + Send>>,
    /// Fails at that number.
    pub fail_at: Option<i64>,
    /// Panics at that number.
    pub panic_at: Option<i64>,
    /// It is not dropped before something comes here, or the sender is gone.
    pub held: Option<Receiver<()>>,
    next: i64,
    written: u64,
    counts: BTreeMap<i64, i64>,
}

const KEYS: i64 = 7;
const WINDOW: i64 = 100;

impl Numbers {
    pub fn new(query: Query) -> Self {
        Self {
            query,
            end: None,
            per_step: 10,
            gate: None,
            after_step: None,
            fail_at: None,
            panic_at: None,
            held: None,
            next: 0,
            written: 0,
            counts: BTreeMap::new(),
        }
    }

    pub fn to(mut self, end: i64) -> Self {
        self.end = Some(end);
        self
    }

    pub fn gated(mut self, gate: &Arc<AtomicU64>) -> Self {
        self.gate = Some(Arc::clone(gate));
        self
    }

    fn close_window(&mut self, window: i64, out: &mut VecDeque<(RowKind, i64, i64)>) {
        for (key, count) in std::mem::take(&mut self.counts) {
            out.push_back((RowKind::Insert, window * KEYS + key, count));
        }
    }

    fn take(&mut self, n: i64, out: &mut VecDeque<(RowKind, i64, i64)>) {
        let key = n % KEYS;
        match self.query {
            Query::Each => out.push_back((RowKind::Insert, key, n)),
            Query::Running => {
                let count = self.counts.entry(key).or_default();
                *count += 1;
                out.push_back((RowKind::Insert, key, *count));
            }
            Query::Updating => {
                let count = self.counts.entry(key).or_default();
                if *count == 0 {
                    out.push_back((RowKind::Insert, key, 1));
                } else {
                    out.push_back((RowKind::UpdateBefore, key, *count));
                    out.push_back((RowKind::UpdateAfter, key, *count + 1));
                }
                *count += 1;
            }
            Query::Windowed => {
                if n > 0 && n % WINDOW == 0 {
                    self.close_window(n / WINDOW - 1, out);
                }
                *self.counts.entry(key).or_default() += 1;
            }
        }
    }

    fn batches(&mut self, rows: VecDeque<(RowKind, i64, i64)>) -> Vec<Batch> {
        if rows.is_empty() {
            return Vec::new();
        }
        self.written += rows.len() as u64;
        let keys: Int64Array = rows.iter().map(|row| Some(row.1)).collect();
        let values: Int64Array = rows.iter().map(|row| Some(row.2)).collect();
        let batch = RecordBatch::try_new(schema(), vec![Arc::new(keys), Arc::new(values)]).unwrap();
        let kinds = (self.query == Query::Updating).then(|| rows.iter().map(|row| row.0).collect());
        vec![Batch { rows: batch, kinds }]
    }
}

pub fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, true),
        Field::new("v", DataType::Int64, true),
    ]))
}

/// What an undisturbed run over the numbers below `end` writes.
pub fn expected(query: Query, end: i64) -> Vec<(i64, i64)> {
    let mut flow = Numbers::new(query).to(end);
    let mut out = VecDeque::new();
    for n in 0..end {
        flow.take(n, &mut out);
    }
    if query == Query::Windowed && end > 0 {
        flow.close_window((end - 1) / WINDOW, &mut out);
    }
    let mut rows: Vec<_> = out.into_iter().map(|(_, k, v)| (k, v)).collect();
    rows.sort_unstable();
    rows
}

impl Drop for Numbers {
    fn drop(&mut self) {
        if let Some(held) = &self.held {
            let _ = held.recv();
        }
    }
}

impl Dataflow for Numbers {
    fn outlets(&self) -> Vec<Outlet> {
        vec![Outlet {
            schema: schema(),
            updating: self.query == Query::Updating,
        }]
    }

    fn is_bounded(&self) -> bool {
        self.end.is_some()
    }

    fn step(&mut self) -> Result<Step> {
        let allowed = self
            .gate
            .as_ref()
            .map_or(i64::MAX, |gate| gate.load(Ordering::Acquire) as i64);
        let end = self.end.unwrap_or(i64::MAX);
        let upto = (self.next + self.per_step).min(allowed).min(end);
        let mut out = VecDeque::new();
        let from = self.next;
        while self.next < upto {
            if self.fail_at == Some(self.next) {
                return Err(EngineError::failed(format!("can't read number {}", self.next)));
            }
            assert_ne!(self.panic_at, Some(self.next), "that number");
            self.take(self.next, &mut out);
            self.next += 1;
        }
        let finished = self.next == end;
        if finished && self.query == Query::Windowed && from < end {
            self.close_window((end - 1) / WINDOW, &mut out);
        }
        let output = vec![self.batches(out)];
        let written = self.written;
        if let Some(after_step) = &mut self.after_step {
            after_step(written);
        }
        let progress = if finished {
            Progress::Finished
        } else if self.next == allowed {
            Progress::Idle(Duration::from_secs(3600))
        } else {
            Progress::More
        };
        Ok(Step {
            output,
            rows_in: (self.next - from) as u64,
            late_rows: 0,
            progress,
        })
    }

    fn drain(&mut self) -> Result<Vec<Vec<Batch>>> {
        let mut out = VecDeque::new();
        if self.query == Query::Windowed {
            self.close_window((self.next - 1) / WINDOW, &mut out);
        }
        Ok(vec![self.batches(out)])
    }

    fn fingerprints(&self) -> Vec<Fingerprint> {
        let fact = |name: &str, value: String| BTreeMap::from([(name.to_owned(), value)]);
        vec![
            Fingerprint {
                operator: "source numbers".to_owned(),
                facts: fact("end", format!("{:?}", self.end)),
            },
            Fingerprint {
                operator: "aggregate".to_owned(),
                facts: fact("query", format!("{:?}", self.query)),
            },
        ]
    }

    fn snapshot(&mut self) -> Result<State> {
        let keys: Int64Array = self.counts.keys().map(|k| Some(*k)).collect();
        let values: Int64Array = self.counts.values().map(|v| Some(*v)).collect();
        let table = RecordBatch::try_new(schema(), vec![Arc::new(keys), Arc::new(values)]).unwrap();
        Ok(State {
            operators: vec![
                OperatorState {
                    operator: "source numbers".to_owned(),
                    tables: Vec::new(),
                    meta: serde_json::json!({"next": self.next, "written": self.written}),
                },
                OperatorState {
                    operator: "aggregate".to_owned(),
                    tables: vec![table],
                    meta: serde_json::Value::Null,
                },
            ],
        })
    }

    fn restore(&mut self, state: State) -> Result<()> {
        for operator in state.operators {
            if operator.operator == "source numbers" {
                self.next = operator.meta["next"].as_i64().unwrap();
                self.written = operator.meta["written"].as_u64().unwrap();
            } else {
                for table in operator.tables {
                    let keys = table.column(0).as_primitive::<Int64Type>();
                    let values = table.column(1).as_primitive::<Int64Type>();
                    self.counts
                        .extend(std::iter::zip(keys.values(), values.values()).map(|(k, v)| (*k, *v)));
                }
            }
        }
        Ok(())
    }

    fn cut(&mut self, _: &dyn Fn(&TablePath) -> u64) {}

    fn taken(&self) -> BTreeMap<TablePath, u64> {
        BTreeMap::new()
    }

    fn vertices(&self) -> Vec<Vertex> {
        vec![Vertex {
            name: "numbers".to_owned(),
            state: "RUNNING".to_owned(),
            parallelism: 1,
            rows_in: Some(self.next as u64),
            rows_out: Some(self.written),
            ..Vertex::default()
        }]
    }

    fn watermark(&self) -> Option<Timestamp> {
        None
    }
}
