//! Rows as text, streamed: each format holds no more than the rows it needs to find its widths.
//!
//! In every format an SQL timestamp is `2026-11-20 14:02:11.000` with the digits of its precision, an instant
//! (TIMESTAMP_LTZ) the same in UTC with a `Z`, an interval `+1-02` or `+2 10:00:00.000`, as Flink prints them. Outside
//! JSON, nested values are `[a, b]`, `{k=v}` and `(a, b)`. Formats for people show control characters as escapes.

mod column;
mod delimited;
mod format;
mod json;
mod markdown;
mod names;
mod number;
mod table;
mod time;
mod vertical;
mod xml;

use std::io::{self, Write};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use skep_engine::{Batch, RowKind};

pub use format::{Format, UnknownFormat};
pub use number::NumberText;

use column::Column;

/// The name of the column that says what a changelog's row does.
const OP: &str = "op";

/// A renderer hands its bytes on when it has so many.
const CHUNK: usize = 128 * 1024;

/// How rows are to be shown.
#[derive(Debug, Clone)]
pub struct Options {
    /// Column names come first. `vertical`, `markdown`, JSON and XML show them anyway.
    pub show_header: bool,
    /// What stands for NULL in formats for people.
    pub null: String,
    /// The output is a terminal: csv and tsv show control characters as escapes too.
    pub terminal: bool,
    /// The terminal's columns, which a table has to fit into. `None`: any width, and no value is cut.
    pub width: Option<usize>,
    /// The most columns that a text takes in a table that has to fit; numbers are never cut.
    pub max_column_width: usize,
    /// Box lines and `…`; otherwise `+-|` and `...`.
    pub unicode: bool,
    /// How floating-point numbers are spelled.
    pub numbers: NumberText,
    /// What stands between the values of `dsv`.
    pub delimiter: char,
}

impl Default for Options {
    /// As for a pipe: ASCII, any width.
    fn default() -> Self {
        Self {
            show_header: true,
            null: "NULL".to_owned(),
            terminal: false,
            width: None,
            max_column_width: 1000,
            unicode: false,
            numbers: NumberText::default(),
            delimiter: '|',
        }
    }
}

/// Writes one result in one format: `begin`, then `batch` for each batch, then `end`.
///
/// Every call hands whole lines to `out`, and `out` may buffer them. The errors are those of `out`, and `Unsupported`
/// for an Arrow type that has no text. After an error nothing more is to be called.
pub trait Renderer: Send {
    /// Starts the result. With `changelog`, a column `op` (`+I -U +U -D`) comes first.
    ///
    /// # Errors
    /// See [`Renderer`].
    fn begin(&mut self, schema: &SchemaRef, changelog: bool, out: &mut dyn Write) -> io::Result<()>;

    /// Adds rows. They may be held back until the widths are known.
    ///
    /// # Errors
    /// See [`Renderer`].
    fn batch(&mut self, batch: &Batch, out: &mut dyn Write) -> io::Result<()>;

    /// Writes what is held back: to be called when no more rows come for now, so that a person sees those that came.
    ///
    /// # Errors
    /// See [`Renderer`].
    fn flush(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let _ = out;
        Ok(())
    }

    /// Ends the result, also one that was cancelled or failed, so that what was written is whole.
    ///
    /// # Errors
    /// See [`Renderer`].
    fn end(&mut self, out: &mut dyn Write) -> io::Result<()>;
}

/// A renderer of that format.
pub fn renderer(format: Format, options: &Options) -> Box<dyn Renderer> {
    match format {
        Format::Table => Box::new(table::Table::new(options)),
        Format::Vertical => Box::new(vertical::Vertical::new(options)),
        Format::Csv => Box::new(delimited::Delimited::new(',', options)),
        Format::Tsv => Box::new(delimited::Delimited::new('\t', options)),
        Format::Dsv => Box::new(delimited::Delimited::new(options.delimiter, options)),
        Format::Json => Box::new(json::Json::new(false, options.numbers)),
        Format::Jsonl => Box::new(json::Json::new(true, options.numbers)),
        Format::Markdown => Box::new(markdown::Markdown::new(options)),
        Format::XmlAttr => Box::new(xml::Xml::new(true, options.numbers)),
        Format::XmlElements => Box::new(xml::Xml::new(false, options.numbers)),
    }
}

fn columns(rows: &RecordBatch, numbers: NumberText) -> io::Result<Vec<Column<'_>>> {
    rows.columns()
        .iter()
        .zip(rows.schema_ref().fields())
        .map(|(array, field)| Column::new(array.as_ref(), field, numbers))
        .collect()
}

/// What a row of a changelog does, in Flink's short form.
fn kind_at(batch: &Batch, row: usize) -> &'static str {
    batch
        .kinds
        .as_ref()
        .and_then(|kinds| kinds.get(row))
        .copied()
        .unwrap_or(RowKind::Insert)
        .as_str()
}

/// Hands the bytes on if there are many.
fn spill(buffer: &mut Vec<u8>, out: &mut dyn Write) -> io::Result<()> {
    if buffer.len() >= CHUNK {
        out.write_all(buffer)?;
        buffer.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests;
