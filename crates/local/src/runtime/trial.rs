//! A statement that is tried from a saved state: no job, no directory, and its rows go into temporary files.

use std::fs::File;
use std::io::{BufReader, BufWriter, Seek, Write};
use std::sync::Arc;
use std::thread;

use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch, UInt8Array};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt8Type};
use datafusion::arrow::ipc::reader::StreamReader;
use datafusion::arrow::ipc::writer::StreamWriter;
use skep_engine::{
    Batch, EngineError, ErrorKind, HeldState, JobId, LogRing, LostState, Result, RowKind, Rows, Trial, TrialState,
    Tried, TriedTable, async_trait,
};
use tokio::sync::oneshot;

use super::restore::{compare, local_path};
use super::sink::{self, MemoryTables, Opening, Successor};
use super::snapshot::{self, Manifest};
use crate::catalog::{DEFAULT_CATALOG, DEFAULT_DATABASE};
use crate::dataflow::{Dataflow, Progress, State};
use crate::table::{Table, TablePath};

/// A saved state as it was read.
#[derive(Clone)]
pub(crate) struct Held(Arc<(Manifest, State)>);

/// The state that a trial goes on from.
///
/// # Errors
/// It can't be read; [`ErrorKind::NotFound`] if it is not there, or no longer.
pub(crate) fn hold(state: &TrialState) -> Result<Held> {
    match state {
        TrialState::Path(path) => {
            let path = local_path(path)?;
            let loaded = snapshot::load(&path).map_err(|error| match path.exists() {
                true => error,
                // It was taken away while it was read.
                false => EngineError::not_found(error.message),
            })?;
            Ok(Held(Arc::new(loaded)))
        }
        TrialState::Held(held) => {
            let held = held.0.downcast_ref::<Held>().cloned();
            held.ok_or_else(|| EngineError::refused("the state is not one of the embedded engine's"))
        }
    }
}

/// Runs a dataflow over the slice of its input that the trial names; what its outlets give would have gone into `tables`.
///
/// # Errors
/// The state can't be read or taken over, the statement fails, or it was withdrawn.
pub(crate) async fn try_out(
    dataflow: Box<dyn Dataflow>,
    tables: Vec<Arc<Table>>,
    held: Held,
    trial: Trial,
) -> Result<Tried> {
    let withdrawal = trial.withdrawal.clone();
    let (sender, tried) = oneshot::channel();
    thread::Builder::new()
        .name("trial".to_owned())
        .stack_size(crate::compute::STACK)
        .spawn(move || {
            // Whoever asked may have gone.
            let _ = sender.send(run(dataflow, &tables, &held, &trial));
        })
        .map_err(|error| EngineError::failed(format!("the trial's thread could not be started: {error}")))?;
    // A caller who goes takes the trial back.
    let _guard = Guard(withdrawal);
    tried.await.unwrap_or_else(|_| {
        Err(EngineError::failed(
            "the statement panicked, which is a defect of the engine",
        ))
    })
}

struct Guard(skep_engine::Withdrawal);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.ask();
    }
}

fn run(mut dataflow: Box<dyn Dataflow>, tables: &[Arc<Table>], held: &Held, trial: &Trial) -> Result<Tried> {
    let (manifest, state) = held.0.as_ref();
    let outlets = dataflow.outlets();
    // Tables of no host, which nobody sees.
    let (memory, log) = (MemoryTables::default(), LogRing::default());
    let nobody = JobId::from_bytes([0; 16]);
    let mut now = dataflow.fingerprints();
    let mut spools: Vec<Spool> = Vec::new();
    let mut places = Vec::new();
    for (table, outlet) in tables.iter().zip(&outlets) {
        let opening = Opening {
            schema: Arc::clone(&outlet.schema),
            updating: outlet.updating,
            log: &log,
            memory: &memory,
            successor: Successor {
                root: nobody,
                job: nobody,
            },
        };
        sink::check(table, &opening)?;
        let known = spools.iter().position(|spool| spool.table.path == table.path);
        places.push(match known {
            Some(place) => place,
            None => {
                now.extend(sink::fingerprint(table, &memory)?);
                spools.push(Spool::new(table, outlet.updating)?);
                spools.len() - 1
            }
        });
    }
    let differences = compare(&manifest.fingerprints, &now);
    let is_kept = |operator: &str| !differences.iter().any(|difference| difference.operator == operator);
    let rows_of = |operator: &str| {
        let saved = state.operators.iter().find(|saved| saved.operator == operator);
        saved.map_or(0, |saved| {
            saved.tables.iter().map(|table| table.num_rows() as u64).sum()
        })
    };
    let lost = differences.iter().map(|difference| LostState {
        operator: difference.operator.clone(),
        rows: Some(rows_of(&difference.operator)).filter(|rows| *rows > 0),
        reason: difference.what.clone(),
    });
    let lost = lost.collect();
    let kept = state.operators.iter().filter(|saved| {
        // What the tables hold already is not what is written now.
        is_kept(&saved.operator)
            && !spools
                .iter()
                .any(|spool| sink::operator(&spool.table) == saved.operator)
    });
    let operators = kept.cloned().collect();
    dataflow.restore(State { operators })?;
    dataflow.cut(&|table| trial.same.get(&name(table)).copied().unwrap_or(trial.rows));
    let mut write = |output: Vec<Vec<Batch>>| {
        for (batches, place) in output.iter().zip(&places) {
            for batch in batches.iter().filter(|batch| batch.rows.num_rows() > 0) {
                spools[*place].write(batch)?;
            }
        }
        Ok::<_, EngineError>(())
    };
    loop {
        if trial.withdrawal.is_asked() {
            return Err(EngineError::new(ErrorKind::Cancelled, "the trial was taken back"));
        }
        let step = dataflow.step()?;
        write(step.output)?;
        match step.progress {
            Progress::More => {}
            // There is no more now: what is open gives what it has.
            Progress::Idle(_) => {
                write(dataflow.drain()?)?;
                break;
            }
            Progress::Finished => break,
        }
    }
    Ok(Tried {
        state: HeldState(Arc::new(held.clone())),
        tables: spools.into_iter().map(Spool::finish).collect::<Result<_>>()?,
        lost,
        read: dataflow
            .taken()
            .iter()
            .map(|(table, rows)| (name(table), Some(*rows)))
            .collect(),
        notes: Vec::new(),
    })
}

/// What a table is called: the same in every session, whatever database is its current one.
fn name(path: &TablePath) -> String {
    let TablePath {
        catalog,
        database,
        name,
    } = path;
    match (catalog.as_str(), database.as_str()) {
        (DEFAULT_CATALOG, DEFAULT_DATABASE) => name.clone(),
        _ => format!("{catalog}.{database}.{name}"),
    }
}

/// Rows of one table in a file that has no name: whatever becomes of this process, nothing of it stays.
struct Spool {
    table: Arc<Table>,
    schema: SchemaRef,
    /// The same with the rows' kinds.
    stored: SchemaRef,
    changelog: bool,
    writer: StreamWriter<BufWriter<File>>,
}

fn unkept(cause: impl std::fmt::Display) -> EngineError {
    EngineError::failed(format!("the rows can't be kept in a temporary file: {cause}"))
}

/// The kinds of rows as they stand in the file.
const KINDS: [RowKind; 4] = [
    RowKind::Insert,
    RowKind::UpdateBefore,
    RowKind::UpdateAfter,
    RowKind::Delete,
];

impl Spool {
    fn new(table: &Arc<Table>, changelog: bool) -> Result<Self> {
        let schema = Arc::clone(&table.physical);
        let kind = Arc::new(Field::new("kind", DataType::UInt8, false));
        let fields: Vec<_> = schema.fields().iter().cloned().chain([kind]).collect();
        let stored = Arc::new(Schema::new(fields));
        let file = BufWriter::new(tempfile::tempfile().map_err(unkept)?);
        Ok(Self {
            table: Arc::clone(table),
            writer: StreamWriter::try_new(file, &stored).map_err(unkept)?,
            schema,
            stored,
            changelog,
        })
    }

    fn write(&mut self, batch: &Batch) -> Result<()> {
        let rows = sink::under(&self.schema, &batch.rows)?;
        let kind = |row: usize| match &batch.kinds {
            Some(kinds) => kinds.get(row).copied().unwrap_or(RowKind::Insert),
            None => RowKind::Insert,
        };
        let number = |kind: RowKind| KINDS.iter().position(|known| *known == kind).unwrap_or(0) as u8;
        let kinds: UInt8Array = (0..rows.num_rows()).map(|row| Some(number(kind(row)))).collect();
        let mut columns = rows.columns().to_vec();
        columns.push(Arc::new(kinds) as ArrayRef);
        let written = RecordBatch::try_new(Arc::clone(&self.stored), columns);
        written.and_then(|rows| self.writer.write(&rows)).map_err(unkept)
    }

    fn finish(self) -> Result<TriedTable> {
        let mut file = self.writer.into_inner().map_err(unkept)?;
        file.flush().map_err(unkept)?;
        let mut file = file.into_inner().map_err(unkept)?;
        file.rewind().map_err(unkept)?;
        Ok(TriedTable {
            table: name(&self.table.path),
            key: self.table.primary_key.clone(),
            rows: Box::new(Spooled {
                schema: self.schema,
                changelog: self.changelog,
                reader: StreamReader::try_new(BufReader::new(file), None).map_err(unkept)?,
            }),
        })
    }
}

/// The rows of a file.
struct Spooled {
    schema: SchemaRef,
    changelog: bool,
    reader: StreamReader<BufReader<File>>,
}

#[async_trait]
impl Rows for Spooled {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn is_changelog(&self) -> bool {
        self.changelog
    }

    async fn next(&mut self) -> Result<Option<Batch>> {
        let Some(rows) = self.reader.next() else {
            return Ok(None);
        };
        let rows = rows.map_err(unkept)?;
        let (columns, kinds) = rows.columns().split_at(self.schema.fields().len());
        let kinds = kinds.first().map(|kinds| kinds.as_primitive::<UInt8Type>());
        let kind = |number: &u8| KINDS.get(usize::from(*number)).copied().unwrap_or(RowKind::Insert);
        Ok(Some(Batch {
            rows: RecordBatch::try_new(Arc::clone(&self.schema), columns.to_vec()).map_err(unkept)?,
            kinds: kinds.map(|kinds| kinds.values().iter().map(kind).collect()),
        }))
    }
}
