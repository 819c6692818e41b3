//! Where a job's rows go.

mod collect;
mod csv;
mod filesystem;
mod memory;
mod parts;
mod print;
mod sinks;

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use skep_engine::{Batch, EngineError, LogRing, Result};

use super::snapshot::SinkState;
use crate::dataflow::{Fingerprint, OperatorState};
use crate::table::Table;

pub(crate) use collect::channel;
pub(crate) use filesystem::Filesystem;
pub(crate) use memory::MemoryTables;
pub(crate) use parts::{Recovery, Successor, hidden_part_of};
use print::{Blackhole, Print};
pub(crate) use sinks::Sinks;

/// Takes a job's rows on the job's thread.
///
/// The order at a checkpoint: [`Sink::prepare`] makes durable, and names, what was written since the last one; the
/// manifest is written; [`Sink::commit`] makes it visible.
pub(crate) trait Sink: Send {
    /// The sink in words.
    fn name(&self) -> String;

    /// Takes rows. `epoch` is the number that the next checkpoint will have. Never blocks on whoever reads them.
    fn write(&mut self, batch: &Batch, epoch: u64) -> Result<()>;

    /// Whether there is room for another step's rows.
    fn has_room(&self) -> bool {
        true
    }

    /// Whether a checkpoint is needed for what was written to become visible.
    fn has_uncommitted(&self) -> bool {
        false
    }

    /// Whether the job is worth periodic checkpoints.
    fn wants_checkpoints(&self) -> bool {
        true
    }

    /// Makes durable what was written, and names it.
    fn prepare(&mut self) -> Result<SinkState> {
        Ok(SinkState {
            name: self.name(),
            dir: None,
            parts: Vec::new(),
        })
    }

    /// Makes visible what the last [`Sink::prepare`] named: its manifest is durable.
    fn commit(&mut self) -> Result<()> {
        Ok(())
    }

    /// Leaves to the next restore what the last [`Sink::prepare`] named: its manifest may or may not be durable.
    fn abandon(&mut self) {}

    /// What the state of the sink must match to be taken over, if it has any.
    fn fingerprint(&self) -> Option<Fingerprint> {
        None
    }

    /// The state of the sink, if it has any.
    fn snapshot(&self) -> Result<Option<OperatorState>> {
        Ok(None)
    }

    /// Takes over a state.
    fn restore(&mut self, _state: OperatorState) -> Result<()> {
        Ok(())
    }

    /// The job has ended: what is not committed is discarded.
    fn close(&mut self, outcome: Result<()>);
}

/// The connectors that a job can write.
const CONNECTORS: &str = "filesystem, print, blackhole, memory";

/// Checks a table's options as a sink's.
///
/// # Errors
/// [`skep_engine::ErrorKind::Rejected`]: the connector is unknown or can't be written, an option is unknown, missing or
/// has a value that can't be used; the message names it.
pub fn validate(table: &Table) -> Result<()> {
    let connector = connector(table)?;
    match connector {
        "filesystem" => filesystem::validate(table).map(drop),
        "memory" => memory::validate(table),
        "print" => known(table, &["print-identifier", "standard-error", "sink.parallelism"]),
        "blackhole" => known(table, &[]),
        other => Err(EngineError::rejected(format!(
            "table {} has connector '{other}', which can't be written; those that can: {CONNECTORS}",
            table.path
        ))),
    }
}

fn connector(table: &Table) -> Result<&str> {
    table.options.get("connector").map(String::as_str).ok_or_else(|| {
        EngineError::rejected(format!("table {} has no 'connector' option", table.path))
            .hint(format!("connectors that can be written: {CONNECTORS}"))
    })
}

/// Refuses options that are not in the list.
fn known(table: &Table, options: &[&str]) -> Result<()> {
    for key in table.options.keys() {
        if key != "connector" && !options.contains(&key.as_str()) {
            let mut error = EngineError::rejected(format!("table {} has an unknown option '{key}'", table.path));
            if !options.is_empty() {
                error = error.hint(format!("options of this connector: {}", options.join(", ")));
            }
            return Err(error);
        }
    }
    Ok(())
}

/// What it takes to open a sink.
pub(crate) struct Opening<'a> {
    /// The dataflow's columns.
    pub schema: SchemaRef,
    /// Whether the dataflow updates and deletes earlier rows.
    pub updating: bool,
    /// The job's log.
    pub log: &'a LogRing,
    /// The host's memory tables.
    pub memory: &'a MemoryTables,
    /// Who names the parts.
    pub successor: Successor,
}

/// Refuses rows that a table can't take.
pub(crate) fn check(table: &Arc<Table>, opening: &Opening<'_>) -> Result<()> {
    validate(table)?;
    fits(table, &opening.schema)?;
    if opening.updating && connector(table)? == "filesystem" {
        return Err(EngineError::refused(format!(
            "table sink {} doesn't support consuming update changes, which the query produces",
            table.path
        ))
        .hint("write to a table with 'connector' = 'memory' and a PRIMARY KEY, or to 'print'"));
    }
    Ok(())
}

/// Opens a table as a sink of rows that it can take. Nothing that others can see changes before the first row.
pub(crate) fn open(table: &Arc<Table>, opening: Opening<'_>) -> Result<Box<dyn Sink>> {
    match connector(table)? {
        "filesystem" => Ok(Box::new(Filesystem::open(table, opening.successor)?)),
        "memory" => Ok(Box::new(opening.memory.open(table)?)),
        "print" => Ok(Box::new(Print::new(table, opening.schema, opening.log.clone()))),
        _ => Ok(Box::new(Blackhole)),
    }
}

/// What the state of a table must match to be taken over, if it has any. `memory`: tables that nobody else writes.
pub(crate) fn fingerprint(table: &Table, memory: &MemoryTables) -> Result<Option<Fingerprint>> {
    match connector(table)? {
        "memory" => Ok(memory.open(table)?.fingerprint()),
        _ => Ok(None),
    }
}

/// The name of a table's state, if it has any.
pub(crate) fn operator(table: &Table) -> String {
    memory::operator(&table.path)
}

/// Refuses rows that the table has no columns for.
fn fits(table: &Table, schema: &SchemaRef) -> Result<()> {
    let describe = |schema: &SchemaRef| {
        let fields = schema
            .fields()
            .iter()
            .map(|f| format!("{} {}", f.name(), f.data_type()));
        fields.collect::<Vec<_>>().join(", ")
    };
    let same = table.physical.fields().len() == schema.fields().len()
        && std::iter::zip(table.physical.fields(), schema.fields()).all(|(a, b)| a.data_type() == b.data_type());
    if same {
        return Ok(());
    }
    Err(EngineError::rejected(format!(
        "the query's columns do not match those of {}: query [{}], table [{}]",
        table.path,
        describe(schema),
        describe(&table.physical)
    )))
}

/// The same rows under the table's column names.
pub(crate) fn under(schema: &SchemaRef, rows: &RecordBatch) -> Result<RecordBatch> {
    RecordBatch::try_new(Arc::clone(schema), rows.columns().to_vec())
        .map_err(|error| EngineError::failed(format!("the rows do not fit the table: {error}")))
}
