//! `csv`, `tsv`, `dsv`: values with a delimiter between them, quoted as RFC 4180 says; lines end with LF.
//!
//! NULL is nothing between two delimiters, the empty string is `""`. A value is quoted when it holds the delimiter, a
//! quote, a line end, or nothing. This is what beeline's csv2, tsv2 and dsv do with quoting switched on; nothing is
//! lost. Only on a terminal, control characters are shown as escapes.

use std::io::{self, Write};

use arrow::datatypes::SchemaRef;
use skep_engine::Batch;

use super::column::{Column, Reader};
use super::number::NumberText;
use super::{OP, Options, Renderer, columns, kind_at, spill};
use crate::ui::text;

/// Renders delimited values.
pub(super) struct Delimited {
    delimiter: [u8; 4],
    delimiter_length: usize,
    show_header: bool,
    terminal: bool,
    numbers: NumberText,
    changelog: bool,
    /// The bytes that make quotes necessary: of the delimiter, its first.
    special: [bool; 256],
    /// The delimiter can occur in numbers, dates and times, so that they need a look too.
    delimiter_in_bare: bool,
    buffer: Vec<u8>,
    scratch: Vec<u8>,
}

impl Delimited {
    pub(super) fn new(delimiter: char, options: &Options) -> Self {
        let mut bytes = [0; 4];
        let delimiter_length = delimiter.encode_utf8(&mut bytes).len();
        let mut special = [false; 256];
        for byte in [b'"', b'\n', b'\r', bytes[0]] {
            special[usize::from(byte)] = true;
        }
        Self {
            delimiter: bytes,
            delimiter_length,
            show_header: options.show_header,
            terminal: options.terminal,
            numbers: options.numbers,
            changelog: false,
            special,
            delimiter_in_bare: delimiter.is_ascii_alphanumeric() || "+-.: ".contains(delimiter),
            buffer: Vec::new(),
            scratch: Vec::new(),
        }
    }

    fn push_delimiter(&mut self) {
        self.buffer.extend_from_slice(&self.delimiter[..self.delimiter_length]);
    }

    /// Appends a value, quoted where it must be.
    fn push_value(&mut self, value: &[u8]) {
        if self.terminal
            && !text::is_plain(value)
            && let Ok(value) = std::str::from_utf8(value)
        {
            let shown = text::sanitize(value).into_owned();
            push_quoted(shown.as_bytes(), &self.special, &mut self.buffer);
        } else {
            push_quoted(value, &self.special, &mut self.buffer);
        }
    }

    fn push_cell(&mut self, column: &Column<'_>, row: usize) -> io::Result<()> {
        if column.is_null(row) {
            return Ok(());
        }
        if column.is_bare() && !self.delimiter_in_bare {
            // Empty bytes are the one bare value without a character.
            let before = self.buffer.len();
            column.push_text(row, Reader::Program, &mut self.buffer)?;
            if self.buffer.len() == before {
                self.buffer.extend_from_slice(b"\"\"");
            }
        } else if let Some(value) = column.text(row) {
            self.push_value(value);
        } else {
            let mut value = std::mem::take(&mut self.scratch);
            value.clear();
            column.push_text(row, Reader::Program, &mut value)?;
            self.push_value(&value);
            self.scratch = value;
        }
        Ok(())
    }
}

fn push_quoted(value: &[u8], special: &[bool; 256], to: &mut Vec<u8>) {
    if !value.is_empty() && !value.iter().any(|&b| special[usize::from(b)]) {
        to.extend_from_slice(value);
        return;
    }
    to.push(b'"');
    for part in value.split_inclusive(|&b| b == b'"') {
        to.extend_from_slice(part);
        if part.ends_with(b"\"") {
            to.push(b'"');
        }
    }
    to.push(b'"');
}

impl Renderer for Delimited {
    fn begin(&mut self, schema: &SchemaRef, changelog: bool, out: &mut dyn Write) -> io::Result<()> {
        self.changelog = changelog;
        if !self.show_header {
            return Ok(());
        }
        if changelog {
            self.push_value(OP.as_bytes());
        }
        for (at, field) in schema.fields().iter().enumerate() {
            if at > 0 || changelog {
                self.push_delimiter();
            }
            self.push_value(field.name().as_bytes());
        }
        self.buffer.push(b'\n');
        out.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    fn batch(&mut self, batch: &Batch, out: &mut dyn Write) -> io::Result<()> {
        let columns = columns(&batch.rows, self.numbers)?;
        for row in 0..batch.rows.num_rows() {
            if self.changelog {
                self.push_value(kind_at(batch, row).as_bytes());
            }
            for (at, column) in columns.iter().enumerate() {
                if at > 0 || self.changelog {
                    self.push_delimiter();
                }
                self.push_cell(column, row)?;
            }
            self.buffer.push(b'\n');
            spill(&mut self.buffer, out)?;
        }
        out.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    fn end(&mut self, _out: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}
