//! Tables in memory that a job writes and a query can read. Their contents are part of the job's state.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::row::{RowConverter, SortField};
use skep_engine::{Batch, EngineError, Result, RowKind};

use super::{Sink, under};
use crate::dataflow::{Fingerprint, OperatorState};
use crate::table::{Table, TablePath};

/// Rows are read out in batches of that many.
const BATCH: usize = 8192;

/// Checks the options and the key.
pub(super) fn validate(table: &Table) -> Result<()> {
    super::known(table, &[])?;
    key_columns(table).map(drop)
}

fn key_columns(table: &Table) -> Result<Vec<usize>> {
    let columns = table.primary_key.iter().map(|name| {
        table.physical.index_of(name).map_err(|_| {
            EngineError::rejected(format!("table {} has no column {name} for its primary key", table.path))
        })
    });
    columns.collect()
}

fn converter(schema: &Schema, columns: impl Iterator<Item = usize>) -> Result<RowConverter> {
    let fields = columns.map(|column| SortField::new(schema.field(column).data_type().clone()));
    RowConverter::new(fields.collect())
        .map_err(|error| EngineError::rejected(format!("a memory table can't hold these columns: {error}")))
}

fn broken(error: &ArrowError) -> EngineError {
    EngineError::failed(format!("a memory table's rows can't be converted: {error}"))
}

/// The name of a table's state.
pub(super) fn operator(path: &TablePath) -> String {
    format!("sink {path}")
}

type Row = Arc<[u8]>;

/// The rows of a table, each in Arrow's row format.
#[derive(Debug)]
enum Contents {
    /// With a key: one row a key, in the key's order.
    Keyed(BTreeMap<Row, Row>),
    /// Without: as many as were inserted, in that order.
    Bag {
        rows: BTreeMap<u64, Row>,
        next: u64,
        /// Where each row stands; made when the first row is taken away.
        places: Option<HashMap<Row, Vec<u64>>>,
    },
}

impl Contents {
    fn new(keyed: bool) -> Self {
        if keyed {
            return Self::Keyed(BTreeMap::new());
        }
        Self::Bag {
            rows: BTreeMap::new(),
            next: 0,
            places: None,
        }
    }

    fn apply(&mut self, kind: RowKind, key: Option<Row>, row: Row) {
        match (self, key) {
            (Self::Keyed(rows), Some(key)) => match kind {
                RowKind::Insert | RowKind::UpdateAfter => {
                    rows.insert(key, row);
                }
                RowKind::Delete => {
                    rows.remove(&key);
                }
                // The row after the update replaces it. If that one has another key, this one has to go, but only if a
                // newer row has not taken its place.
                RowKind::UpdateBefore => {
                    if rows.get(&key) == Some(&row) {
                        rows.remove(&key);
                    }
                }
            },
            (Self::Bag { rows, next, places }, _) => match kind {
                RowKind::Insert | RowKind::UpdateAfter => {
                    if let Some(places) = places {
                        places.entry(Arc::clone(&row)).or_default().push(*next);
                    }
                    rows.insert(*next, row);
                    *next += 1;
                }
                RowKind::Delete | RowKind::UpdateBefore => {
                    let places = places.get_or_insert_with(|| {
                        let mut places: HashMap<Row, Vec<u64>> = HashMap::new();
                        for (place, row) in rows.iter() {
                            places.entry(Arc::clone(row)).or_default().push(*place);
                        }
                        places
                    });
                    if let Some(found) = places.get_mut(&row) {
                        if let Some(place) = found.pop() {
                            rows.remove(&place);
                        }
                        if found.is_empty() {
                            places.remove(&row);
                        }
                    }
                }
            },
            (Self::Keyed(_), None) => {}
        }
    }

    fn rows(&self) -> Vec<&Row> {
        match self {
            Self::Keyed(rows) => rows.values().collect(),
            Self::Bag { rows, .. } => rows.values().collect(),
        }
    }
}

/// A table in memory.
#[derive(Debug)]
pub(crate) struct MemoryTable {
    schema: SchemaRef,
    key: Vec<usize>,
    contents: Mutex<Contents>,
    written: AtomicBool,
}

impl MemoryTable {
    fn lock(&self) -> MutexGuard<'_, Contents> {
        // A row is applied whole: a panic elsewhere leaves a table that is still one.
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply(&self, batch: &Batch) -> Result<()> {
        let rows = under(&self.schema, &batch.rows)?;
        let all = converter(&self.schema, 0..rows.num_columns())?
            .convert_columns(rows.columns())
            .map_err(|error| broken(&error))?;
        let keys = if self.key.is_empty() {
            None
        } else {
            let columns: Vec<_> = self.key.iter().map(|&column| Arc::clone(rows.column(column))).collect();
            let converter = converter(&self.schema, self.key.iter().copied())?;
            Some(converter.convert_columns(&columns).map_err(|error| broken(&error))?)
        };
        let mut contents = self.lock();
        for (number, row) in all.iter().enumerate() {
            let kind = batch.kinds.as_ref().and_then(|kinds| kinds.get(number)).copied();
            let key = keys.as_ref().map(|keys| Row::from(keys.row(number).as_ref()));
            contents.apply(kind.unwrap_or(RowKind::Insert), key, Row::from(row.as_ref()));
        }
        Ok(())
    }

    /// The rows now.
    pub(crate) fn batches(&self) -> Result<Vec<RecordBatch>> {
        let converter = converter(&self.schema, 0..self.schema.fields().len())?;
        let rows: Vec<Row> = self.lock().rows().into_iter().cloned().collect();
        let parser = converter.parser();
        let batches = rows.chunks(BATCH).map(|rows| {
            let columns = converter.convert_rows(rows.iter().map(|row| parser.parse(row)))?;
            RecordBatch::try_new(Arc::clone(&self.schema), columns)
        });
        batches.collect::<Result<_, _>>().map_err(|error| broken(&error))
    }
}

/// The memory tables of a host.
#[derive(Debug, Default)]
pub(crate) struct MemoryTables(Mutex<HashMap<TablePath, Arc<MemoryTable>>>);

impl MemoryTables {
    fn lock(&self) -> MutexGuard<'_, HashMap<TablePath, Arc<MemoryTable>>> {
        // The map is changed by single calls.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The table, if a job has written it in this process.
    pub(crate) fn get(&self, path: &TablePath) -> Option<Arc<MemoryTable>> {
        self.lock().get(path).cloned()
    }

    /// Forgets a table. A job that writes it keeps its own.
    pub(crate) fn remove(&self, path: &TablePath) {
        self.lock().remove(path);
    }

    /// Opens a table for one job; it goes on from what the table holds.
    pub(super) fn open(&self, table: &Table) -> Result<Memory> {
        let key = key_columns(table)?;
        let mut tables = self.lock();
        let known = tables
            .get(&table.path)
            .filter(|t| t.schema == table.physical && t.key == key);
        let memory = match known {
            Some(memory) => Arc::clone(memory),
            None => {
                converter(&table.physical, 0..table.physical.fields().len())?;
                Arc::new(MemoryTable {
                    schema: Arc::clone(&table.physical),
                    contents: Mutex::new(Contents::new(!key.is_empty())),
                    key,
                    written: AtomicBool::new(false),
                })
            }
        };
        if memory.written.swap(true, Ordering::AcqRel) {
            return Err(EngineError::refused(format!(
                "table {} is written by another running job; a memory table is one job's state",
                table.path
            ))
            .hint("stop that job first (!jobs), or write to a table of another name"));
        }
        tables.insert(table.path.clone(), Arc::clone(&memory));
        Ok(Memory {
            path: table.path.clone(),
            columns: table.primary_key.join(", "),
            table: memory,
        })
    }
}

/// The sink: one job's hold on a table.
pub(crate) struct Memory {
    path: TablePath,
    columns: String,
    table: Arc<MemoryTable>,
}

impl Sink for Memory {
    fn name(&self) -> String {
        format!("memory table {}", self.path)
    }

    fn write(&mut self, batch: &Batch, _epoch: u64) -> Result<()> {
        self.table.apply(batch)
    }

    fn fingerprint(&self) -> Option<Fingerprint> {
        let fields = self.table.schema.fields();
        let columns = fields
            .iter()
            .map(|field| format!("{} {}", field.name(), field.data_type()));
        Some(Fingerprint {
            operator: operator(&self.path),
            facts: BTreeMap::from([
                ("columns".to_owned(), columns.collect::<Vec<_>>().join(", ")),
                ("primary key".to_owned(), self.columns.clone()),
            ]),
        })
    }

    fn snapshot(&self) -> Result<Option<OperatorState>> {
        Ok(Some(OperatorState {
            operator: operator(&self.path),
            tables: self.table.batches()?,
            meta: serde_json::Value::Null,
        }))
    }

    fn restore(&mut self, state: OperatorState) -> Result<()> {
        *self.table.lock() = Contents::new(!self.table.key.is_empty());
        state
            .tables
            .into_iter()
            .try_for_each(|rows| self.table.apply(&Batch::inserts(rows)))
    }

    fn close(&mut self, _outcome: Result<()>) {}
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.table.written.store(false, Ordering::Release);
    }
}
