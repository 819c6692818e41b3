//! Sinks that keep nothing: rows into the job's log, and rows into nowhere.

use std::fmt::Write;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use skep_engine::{Batch, EngineError, LogRing, Result, RowKind};

use super::Sink;
use crate::table::Table;

/// How values are shown.
const FORMAT: FormatOptions<'static> = FormatOptions::new()
    .with_null("null")
    .with_timestamp_format(Some("%Y-%m-%dT%H:%M:%S%.f"))
    .with_timestamp_tz_format(Some("%Y-%m-%dT%H:%M:%S%.fZ"));

/// Writes each row into the job's log as Flink's print connector does: `+I[a, b]`. At least once: after a restore rows
/// since the restored state come again.
pub(crate) struct Print {
    prefix: String,
    schema: SchemaRef,
    log: LogRing,
}

impl Print {
    /// A sink that writes into that log.
    pub(super) fn new(table: &Table, schema: SchemaRef, log: LogRing) -> Self {
        let prefix = match table.options.get("print-identifier") {
            Some(identifier) if !identifier.is_empty() => format!("{identifier}> "),
            _ => String::new(),
        };
        Self { prefix, schema, log }
    }
}

impl Sink for Print {
    fn name(&self) -> String {
        "print".to_owned()
    }

    fn write(&mut self, batch: &Batch, _epoch: u64) -> Result<()> {
        let failed = |error| EngineError::failed(format!("a row can't be printed: {error}"));
        debug_assert_eq!(batch.rows.num_columns(), self.schema.fields().len());
        let columns = batch
            .rows
            .columns()
            .iter()
            .map(|c| ArrayFormatter::try_new(c.as_ref(), &FORMAT));
        let columns = columns.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        for row in 0..batch.rows.num_rows() {
            let kind = batch.kinds.as_ref().and_then(|kinds| kinds.get(row)).copied();
            let mut line = format!("{}{}[", self.prefix, kind.unwrap_or(RowKind::Insert).as_str());
            for (number, column) in columns.iter().enumerate() {
                if number > 0 {
                    line.push_str(", ");
                }
                write!(line, "{}", column.value(row)).map_err(|_| EngineError::failed("a row can't be printed"))?;
            }
            line.push(']');
            self.log.push(line);
        }
        Ok(())
    }

    fn close(&mut self, _outcome: Result<()>) {}
}

/// Takes rows and forgets them.
pub(crate) struct Blackhole;

impl Sink for Blackhole {
    fn name(&self) -> String {
        "blackhole".to_owned()
    }

    fn write(&mut self, _batch: &Batch, _epoch: u64) -> Result<()> {
        Ok(())
    }

    fn close(&mut self, _outcome: Result<()>) {}
}
