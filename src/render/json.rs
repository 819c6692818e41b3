//! `json`: one array of objects. `jsonl`: an object a line.
//!
//! Integers and decimals are exact numbers, `NaN` and the infinities are strings, bytes are lower-case hex, dates and
//! times are strings as Flink prints them, lists, maps and rows nest. Two columns of one name get `_2`, `_3`, … so that
//! no value is lost. Characters that would act on a terminal are `\uXXXX`.

use std::io::{self, Write};

use arrow::datatypes::SchemaRef;
use skep_engine::Batch;

use super::column::Column;
use super::names::distinct;
use super::number::NumberText;
use super::{OP, Renderer, columns, kind_at, spill};
use crate::ui::text::is_hidden;

/// Renders JSON.
pub(super) struct Json {
    /// An object a line, instead of one array.
    lines: bool,
    numbers: NumberText,
    changelog: bool,
    /// Each column's name as JSON, with what stands before and after it.
    keys: Vec<Vec<u8>>,
    rows: u64,
    buffer: Vec<u8>,
}

impl Json {
    pub(super) const fn new(lines: bool, numbers: NumberText) -> Self {
        Self {
            lines,
            numbers,
            changelog: false,
            keys: Vec::new(),
            rows: 0,
            buffer: Vec::new(),
        }
    }

    fn push_row(&mut self, columns: &[Column<'_>], batch: &Batch, row: usize) -> io::Result<()> {
        let to = &mut self.buffer;
        if !self.lines {
            to.extend_from_slice(if self.rows == 0 { b"[\n" } else { b",\n" });
        }
        self.rows += 1;
        let mut keys = self.keys.iter();
        to.push(b'{');
        if self.changelog
            && let Some(key) = keys.next()
        {
            to.extend_from_slice(key);
            push_string(kind_at(batch, row), to);
        }
        for (key, column) in keys.zip(columns) {
            to.extend_from_slice(key);
            column.push_json(row, to)?;
        }
        to.push(b'}');
        if self.lines {
            to.push(b'\n');
        }
        Ok(())
    }
}

impl Renderer for Json {
    fn begin(&mut self, schema: &SchemaRef, changelog: bool, _out: &mut dyn Write) -> io::Result<()> {
        self.changelog = changelog;
        self.rows = 0;
        let op = changelog.then_some(OP);
        let names = op.into_iter().chain(schema.fields().iter().map(|f| f.name().as_str()));
        self.keys = distinct(names)
            .iter()
            .enumerate()
            .map(|(at, name)| {
                let mut key = if at == 0 { Vec::new() } else { vec![b','] };
                push_string(name, &mut key);
                key.push(b':');
                key
            })
            .collect();
        Ok(())
    }

    fn batch(&mut self, batch: &Batch, out: &mut dyn Write) -> io::Result<()> {
        let columns = columns(&batch.rows, self.numbers)?;
        for row in 0..batch.rows.num_rows() {
            self.push_row(&columns, batch, row)?;
            spill(&mut self.buffer, out)?;
        }
        out.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.lines {
            return Ok(());
        }
        out.write_all(if self.rows == 0 { b"[]\n" } else { b"\n]\n" })
    }
}

/// Appends a string in quotes. What would act on a terminal is escaped too, which leaves the value the same.
pub(super) fn push_string(text: &str, to: &mut Vec<u8>) {
    to.push(b'"');
    let bytes = text.as_bytes();
    if bytes
        .iter()
        .all(|&b| (b' '..=b'~').contains(&b) && b != b'"' && b != b'\\')
    {
        to.extend_from_slice(bytes);
    } else {
        for c in text.chars() {
            match c {
                '"' => to.extend_from_slice(b"\\\""),
                '\\' => to.extend_from_slice(b"\\\\"),
                '\n' => to.extend_from_slice(b"\\n"),
                '\r' => to.extend_from_slice(b"\\r"),
                '\t' => to.extend_from_slice(b"\\t"),
                c if is_hidden(c) => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        to.extend_from_slice(b"\\u");
                        for byte in unit.to_be_bytes() {
                            for digit in [byte >> 4, byte & 15] {
                                to.push(b"0123456789abcdef"[usize::from(digit)]);
                            }
                        }
                    }
                }
                c => to.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }
    to.push(b'"');
}
