//! CSV as Flink's `csv` format reads it: no header line, `"` quotes, `''` is NULL for all but strings.
//!
//! Written for a stream: it is given bytes as they come, takes whole records only, and says how far it got, so that an
//! offset always stands at the start of a record, whatever a quoted field contains.

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::SchemaRef;
use skep_engine::{EngineError, Result};

use super::options::Options;
use super::value::Column;
use crate::dataflow::failed;
use crate::sql::types::flink_name;
use crate::table::Table;

/// The format's options.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    delimiter: u8,
    quote: Option<u8>,
    escape: Option<u8>,
    comments: bool,
    null: Option<Vec<u8>>,
    lenient: bool,
    /// Whether each file begins with a line of column names.
    pub(super) header: bool,
}

impl Layout {
    /// The options that a table may have.
    pub(super) const KNOWN: [&'static str; 9] = [
        "csv.field-delimiter",
        "csv.quote-character",
        "csv.disable-quote-character",
        "csv.escape-character",
        "csv.allow-comments",
        "csv.ignore-parse-errors",
        "csv.null-literal",
        "csv.write-bigdecimal-in-scientific-notation",
        "csv.header",
    ];

    /// Reads the options.
    pub(super) fn new(options: &Options<'_>) -> Result<Self> {
        let quote = match options.boolean("csv.disable-quote-character")? {
            true => None,
            false => Some(options.byte("csv.quote-character")?.unwrap_or(b'"')),
        };
        Ok(Self {
            delimiter: options.byte("csv.field-delimiter")?.unwrap_or(b','),
            quote,
            escape: options.byte("csv.escape-character")?,
            comments: options.boolean("csv.allow-comments")?,
            null: options.text("csv.null-literal").map(|text| text.as_bytes().to_vec()),
            lenient: options.boolean("csv.ignore-parse-errors")?,
            header: options.boolean("csv.header")?,
        })
    }
}

/// A field's bytes in the buffer.
struct Field {
    start: usize,
    end: usize,
    quoted: bool,
    /// Whether quotes are doubled or characters escaped in it.
    escaped: bool,
}

/// Where one record ends.
enum Record {
    /// After that many bytes and lines.
    Whole { end: usize, lines: u64 },
    /// Not in these bytes.
    Incomplete,
    /// It can't be one.
    Malformed { field: usize, reason: &'static str },
}

/// How far a call of [`Parser::parse`] got.
pub(super) struct Parsed {
    /// Bytes of whole records.
    pub(super) bytes: usize,
    /// Lines of whole records.
    pub(super) lines: u64,
}

/// Turns bytes into rows of some of a table's columns.
pub(super) struct Parser {
    layout: Layout,
    schema: SchemaRef,
    names: Vec<String>,
    /// For each field of a record, the output column that it fills.
    targets: Vec<Option<usize>>,
    columns: Vec<Column>,
    fields: Vec<Field>,
    scratch: Vec<u8>,
    rows: usize,
}

impl Parser {
    /// A parser that gives those physical columns of the table.
    pub(super) fn new(table: &Table, layout: Layout, wanted: &[usize]) -> Result<Self> {
        let schema = failed(table.physical.project(wanted))?;
        let mut targets = vec![None; table.physical.fields().len()];
        let mut columns = Vec::new();
        for (target, index) in wanted.iter().enumerate() {
            targets[*index] = Some(target);
            let field = table.physical.field(*index);
            columns.push(Column::new(field.data_type()).ok_or_else(|| unsupported(table, *index))?);
        }
        let names = table
            .physical
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect();
        Ok(Self {
            layout,
            schema: schema.into(),
            names,
            targets,
            columns,
            fields: Vec::new(),
            scratch: Vec::new(),
            rows: 0,
        })
    }

    /// Whether every column has a text form.
    pub(super) fn check(table: &Table) -> Result<()> {
        match table
            .physical
            .fields()
            .iter()
            .position(|field| Column::new(field.data_type()).is_none())
        {
            Some(index) => Err(unsupported(table, index)),
            None => Ok(()),
        }
    }

    /// Rows parsed and not yet taken.
    pub(super) const fn rows(&self) -> usize {
        self.rows
    }

    /// Takes whole records, until there are `max_rows` rows. With `last`, what is left at the end is a record too.
    /// `line` is the number of the first line, for messages; `header` says that the first record is a line of names.
    pub(super) fn parse(
        &mut self,
        bytes: &[u8],
        last: bool,
        max_rows: usize,
        line: u64,
        mut header: bool,
    ) -> Result<Parsed> {
        let mut parsed = Parsed { bytes: 0, lines: 0 };
        while parsed.bytes < bytes.len() && self.rows < max_rows {
            let start = parsed.bytes;
            let here = line + parsed.lines;
            if self.layout.comments && bytes[start] == b'#' {
                match bytes[start..].iter().position(|byte| *byte == b'\n') {
                    Some(at) => parsed.bytes += at + 1,
                    None if last => parsed.bytes = bytes.len(),
                    None => break,
                }
                parsed.lines += 1;
                continue;
            }
            match self.split(bytes, start, last) {
                Record::Incomplete => break,
                Record::Malformed { field, reason } => {
                    let end = bytes[start..].iter().position(|b| *b == b'\n').map(|at| start + at + 1);
                    if !self.layout.lenient || (end.is_none() && !last) {
                        return Err(self.error(here, field, &bytes[start..end.unwrap_or(bytes.len())], reason));
                    }
                    parsed.bytes = end.unwrap_or(bytes.len());
                    parsed.lines += 1;
                }
                Record::Whole { end, lines } => {
                    let blank =
                        self.fields.len() == 1 && !self.fields[0].quoted && self.fields[0].start == self.fields[0].end;
                    let skipped = std::mem::take(&mut header) || (blank && self.targets.len() > 1);
                    if !skipped {
                        self.append(bytes, here)?;
                    }
                    parsed.bytes = end;
                    parsed.lines += lines;
                }
            }
        }
        Ok(parsed)
    }

    /// Finds the fields of the record at `start`.
    fn split(&mut self, bytes: &[u8], start: usize, last: bool) -> Record {
        let (delimiter, escape) = (self.layout.delimiter, self.layout.escape);
        self.fields.clear();
        let mut at = start;
        let mut lines = 1;
        loop {
            let quote = self.layout.quote.filter(|quote| bytes.get(at) == Some(quote));
            if let Some(quote) = quote {
                at += 1;
                let begin = at;
                let mut escaped = false;
                loop {
                    match bytes.get(at) {
                        None if last => {
                            return Record::Malformed {
                                field: self.fields.len(),
                                reason: "a quote is not closed",
                            };
                        }
                        None => return Record::Incomplete,
                        Some(byte) if Some(*byte) == escape && escape != Some(quote) => {
                            escaped = true;
                            at += 2;
                        }
                        Some(byte) if *byte == quote => match bytes.get(at + 1) {
                            Some(next) if *next == quote => {
                                escaped = true;
                                at += 2;
                            }
                            None if !last => return Record::Incomplete,
                            _ => break,
                        },
                        Some(byte) => {
                            lines += u64::from(*byte == b'\n');
                            at += 1;
                        }
                    }
                }
                self.fields.push(Field {
                    start: begin,
                    end: at,
                    quoted: true,
                    escaped,
                });
                at += 1;
                if bytes.get(at) == Some(&b'\r') {
                    match bytes.get(at + 1) {
                        Some(b'\n') => at += 1,
                        None if last => at += 1,
                        None => return Record::Incomplete,
                        Some(_) => {}
                    }
                }
            } else {
                let begin = at;
                let mut escaped = false;
                match escape {
                    None => at = find_end(bytes, at, delimiter),
                    Some(escape) => {
                        while let Some(byte) = bytes.get(at) {
                            if *byte == escape {
                                escaped = true;
                                at += 2;
                            } else if *byte == delimiter || *byte == b'\n' {
                                break;
                            } else {
                                at += 1;
                            }
                        }
                    }
                }
                if at >= bytes.len() && !last {
                    return Record::Incomplete;
                }
                at = at.min(bytes.len());
                let ends_line = bytes.get(at) != Some(&delimiter);
                let strip = usize::from(ends_line && at > begin && bytes[at - 1] == b'\r');
                self.fields.push(Field {
                    start: begin,
                    end: at - strip,
                    quoted: false,
                    escaped,
                });
            }
            match bytes.get(at) {
                None if last => {
                    return Record::Whole {
                        end: bytes.len(),
                        lines,
                    };
                }
                None => return Record::Incomplete,
                Some(b'\n') => return Record::Whole { end: at + 1, lines },
                Some(byte) if *byte == delimiter => at += 1,
                Some(_) => {
                    return Record::Malformed {
                        field: self.fields.len() - 1,
                        reason: "text follows a closing quote",
                    };
                }
            }
        }
    }

    /// Appends the record whose fields were found.
    fn append(&mut self, bytes: &[u8], line: u64) -> Result<()> {
        let (found, expected) = (self.fields.len(), self.targets.len());
        if found != expected && !(self.layout.lenient && found < expected) {
            if self.layout.lenient {
                return Ok(());
            }
            return Err(EngineError::failed(format!(
                "line {line} has {found} fields, but the table has {expected} columns"
            )));
        }
        for index in 0..expected {
            let Some(target) = self.targets[index] else { continue };
            let column = &mut self.columns[target];
            let Some(field) = self.fields.get(index) else {
                column.append_null();
                continue;
            };
            let raw = &bytes[field.start..field.end];
            let text = if field.escaped {
                unescape(raw, &self.layout, field.quoted, &mut self.scratch);
                self.scratch.as_slice()
            } else {
                raw
            };
            let is_null = match &self.layout.null {
                Some(null) if !field.quoted && text == null => true,
                _ => text.is_empty() && !column.keeps_empty(),
            };
            if is_null {
                if !self.schema.field(target).is_nullable() {
                    return Err(self.error(
                        line,
                        index,
                        bytes.get(field.start..field.end).unwrap_or(&[]),
                        "it is NULL, but the column is NOT NULL",
                    ));
                }
                column.append_null();
            } else if column.append(text).is_none() {
                if !self.layout.lenient {
                    let reason = format!("it is no {}", flink_name(self.schema.field(target).data_type()));
                    return Err(self.error(line, index, raw, &reason));
                }
                column.append_null();
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// The rows so far.
    pub(super) fn finish(&mut self) -> Result<RecordBatch> {
        let columns = self
            .columns
            .iter_mut()
            .map(Column::finish)
            .collect::<datafusion::error::Result<Vec<_>>>();
        let options = RecordBatchOptions::new().with_row_count(Some(std::mem::take(&mut self.rows)));
        failed(RecordBatch::try_new_with_options(
            self.schema.clone(),
            failed(columns)?,
            &options,
        ))
    }

    /// A field that can't be read.
    fn error(&self, line: u64, field: usize, value: &[u8], reason: &str) -> EngineError {
        let shown = String::from_utf8_lossy(&value[..value.len().min(80)]);
        let column = match self.names.get(field) {
            Some(name) => format!("column {} ({name})", field + 1),
            None => format!("field {}", field + 1),
        };
        EngineError::failed(format!(
            "line {line}, {column}: {:?} can't be read: {reason}",
            shown.trim_end()
        ))
        .hint("set 'csv.ignore-parse-errors' = 'true' on the table to read such fields as NULL")
    }
}

/// Where a field without quotes ends: the first delimiter or line end from `at` on, or the end of the bytes.
///
/// Eight bytes are looked at at once. In the difference to eight times the wanted byte a hit is a zero; of the highest
/// bits that the subtraction below leaves set, the lowest one belongs to the first zero.
#[inline]
fn find_end(bytes: &[u8], mut at: usize, delimiter: u8) -> usize {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGHEST: u64 = u64::from_ne_bytes([0x80; 8]);
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGHEST;
    let (delimiters, line_ends) = (ONES * u64::from(delimiter), ONES * u64::from(b'\n'));
    while let Some(eight) = bytes[at..].first_chunk() {
        let word = u64::from_le_bytes(*eight);
        let hits = zeros(word ^ delimiters) | zeros(word ^ line_ends);
        if hits != 0 {
            return at + hits.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = &bytes[at..];
    let end = rest.iter().position(|byte| *byte == delimiter || *byte == b'\n');
    at + end.unwrap_or(rest.len())
}

/// Replaces doubled quotes and escaped characters.
fn unescape(raw: &[u8], layout: &Layout, quoted: bool, into: &mut Vec<u8>) {
    into.clear();
    let mut at = 0;
    while at < raw.len() {
        let byte = raw[at];
        let skips = Some(byte) == layout.escape || (quoted && Some(byte) == layout.quote);
        if skips && at + 1 < raw.len() {
            at += 1;
        }
        into.push(raw[at]);
        at += 1;
    }
}

fn unsupported(table: &Table, column: usize) -> EngineError {
    let field = table.physical.field(column);
    EngineError::rejected(format!(
        "column {} of table {} has the type {}, which can't be read from CSV",
        field.name(),
        table.path.name,
        flink_name(field.data_type())
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_field_ends_at_the_first_delimiter_or_line_end(
            bytes in prop::collection::vec(prop::sample::select(b"ab,;\n\r\x00\x01\x0b\x2d\x80\x8a\xac\xff".as_slice()), 0..40),
            at in 0_usize..40,
            delimiter in prop::sample::select(b",;\x00\x80\xff".as_slice()),
        ) {
            let at = at.min(bytes.len());
            let expected = bytes[at..].iter().position(|byte| *byte == delimiter || *byte == b'\n');
            let expected = expected.map_or(bytes.len(), |found| at + found);
            prop_assert_eq!(find_end(&bytes, at, delimiter), expected);
        }
    }
}
