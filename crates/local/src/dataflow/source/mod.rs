//! Where rows come from: what a table's connector gives, with offsets that can be saved and gone back to.

mod csv;
mod datagen;
mod filesystem;
mod options;
mod reader;
mod value;

use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use serde_json::Value;
use skep_engine::{EngineError, Result};

use self::options::Options;
pub(super) use self::reader::Reader;
use crate::table::Table;

/// What a source has to give.
pub(super) enum Pull {
    /// Rows; at least one.
    Rows(RecordBatch),
    /// None now; ask again after that long.
    Idle(Duration),
    /// None any more.
    End,
}

/// Rows with an offset.
pub(super) trait Source: Send {
    /// The next rows, at most that many (more than 0). Never blocks.
    fn pull(&mut self, max_rows: usize) -> Result<Pull>;

    /// The offset.
    fn snapshot(&mut self) -> Result<(Vec<RecordBatch>, Value)>;

    /// Goes to an offset, before the first pull.
    fn restore(&mut self, tables: Vec<RecordBatch>, meta: &Value) -> Result<()>;
}

/// The connectors that can be read.
enum Connector {
    Filesystem(filesystem::Config),
    Datagen(datagen::Config),
}

impl Connector {
    fn new(table: &Table) -> Result<Self> {
        match Options(table).required("connector")? {
            "filesystem" => Ok(Self::Filesystem(filesystem::Config::new(table)?)),
            "datagen" => Ok(Self::Datagen(datagen::Config::new(table)?)),
            other => Err(EngineError::rejected(format!(
                "table {} has the connector '{other}', which can't be read",
                table.path.name
            ))
            .hint("the connectors that can be read are filesystem and datagen")),
        }
    }
}

/// Checks a table's options. A connector that is none of the sources' is left to those who write to it.
///
/// # Errors
/// An option is unknown (the known ones are named), or its value is not what it must be.
pub fn validate(table: &Table) -> Result<()> {
    match Options(table).text("connector") {
        Some("filesystem") => {
            filesystem::Config::new(table)?;
            csv::Parser::check(table)
        }
        Some("datagen") => datagen::Config::new(table).map(|_| ()),
        _ => Ok(()),
    }
}

/// Whether reading the table comes to an end.
///
/// # Errors
/// The options are not valid, or the connector can't be read.
pub fn is_bounded(table: &Table) -> Result<bool> {
    Ok(match Connector::new(table)? {
        Connector::Filesystem(config) => config.monitor.is_none(),
        Connector::Datagen(config) => config.rows.is_some(),
    })
}

/// Reads once what the table holds now: those of [`Table::schema`]'s columns, or all. The watched directory of an
/// endless table is read as it stands.
///
/// # Errors
/// The options are not valid, or the table has no end (`datagen` without `number-of-rows`). What is wrong with a row
/// comes as an item of the stream.
pub fn scan(
    state: &SessionState,
    table: &Arc<Table>,
    projection: Option<&[usize]>,
) -> Result<SendableRecordBatchStream> {
    if let Connector::Datagen(datagen::Config { rows: None, .. }) = Connector::new(table)? {
        return Err(EngineError::refused(format!("table {} has no end", table.path.name))
            .hint("set 'number-of-rows' on it, or use it in a streaming query"));
    }
    let all: Vec<usize> = (0..table.schema.fields().len()).collect();
    let mut reader = Reader::new(state, table, projection.unwrap_or(&all), false)?;
    let schema = reader.schema();
    let rows = std::iter::from_fn(move || match reader.pull(usize::MAX) {
        Ok(Pull::Rows(batch)) => Some(Ok(batch)),
        Ok(Pull::Idle(_) | Pull::End) => None,
        Err(error) => Some(Err(DataFusionError::External(Box::new(error)))),
    });
    let mut failed = false;
    let rows = rows.take_while(move |item| !std::mem::replace(&mut failed, item.is_err()));
    Ok(Box::pin(RecordBatchStreamAdapter::new(
        schema,
        futures::stream::iter(rows),
    )))
}

/// Opens a table's source for those physical columns. `follow`: an endless table is read without end.
fn open(table: &Table, wanted: &[usize], follow: bool) -> Result<Box<dyn Source>> {
    Ok(match Connector::new(table)? {
        Connector::Filesystem(_) => Box::new(filesystem::Filesystem::new(table, wanted, follow)?),
        Connector::Datagen(_) => Box::new(datagen::Datagen::new(table, wanted)?),
    })
}

/// How many rows a second the table's own options allow.
pub(super) fn rate(table: &Table) -> Result<Option<u64>> {
    Ok(match Connector::new(table)? {
        Connector::Filesystem(_) => None,
        Connector::Datagen(config) => Some(config.rate),
    })
}

/// The schema of some columns.
fn project(schema: &SchemaRef, columns: &[usize]) -> Result<SchemaRef> {
    super::failed(schema.project(columns)).map(Arc::new)
}
