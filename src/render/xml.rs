//! `xmlattr` and `xmlelements`, as beeline writes them: a `result` in a `resultset` for each row.
//!
//! A NULL is left out, the empty string is empty. A character that no XML name may hold is `_` in a column's name, and
//! names that repeat get a number. What XML 1.0 has no form for (most control characters) is an escape such as
//! `\\u{1b}`; other characters that would act on a terminal are character references.

use std::io::{self, Write};

use arrow::datatypes::SchemaRef;
use skep_engine::Batch;

use super::column::{Column, Reader};
use super::names::distinct;
use super::number::NumberText;
use super::{OP, Renderer, columns, kind_at, spill};
use crate::ui::text::is_hidden;

/// Renders XML.
pub(super) struct Xml {
    /// Values are attributes of their row, not elements in it.
    attributes: bool,
    numbers: NumberText,
    changelog: bool,
    names: Vec<String>,
    buffer: Vec<u8>,
    value: Vec<u8>,
}

impl Xml {
    pub(super) const fn new(attributes: bool, numbers: NumberText) -> Self {
        Self {
            attributes,
            numbers,
            changelog: false,
            names: Vec::new(),
            buffer: Vec::new(),
            value: Vec::new(),
        }
    }

    /// Appends the value that `self.value` holds.
    fn push_value(&mut self, name: usize) -> io::Result<()> {
        // Arrow text is UTF-8, and so is everything that is formatted.
        let value =
            std::str::from_utf8(&self.value).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let to = &mut self.buffer;
        let name = self.names[name].as_bytes();
        if self.attributes {
            to.push(b' ');
            to.extend_from_slice(name);
            to.extend_from_slice(b"=\"");
            push_escaped(value, to);
            to.push(b'"');
        } else {
            to.extend_from_slice(b"    <");
            to.extend_from_slice(name);
            to.push(b'>');
            push_escaped(value, to);
            to.extend_from_slice(b"</");
            to.extend_from_slice(name);
            to.extend_from_slice(b">\n");
        }
        Ok(())
    }

    fn push_row(&mut self, columns: &[Column<'_>], batch: &Batch, row: usize) -> io::Result<()> {
        self.buffer
            .extend_from_slice(if self.attributes { b"  <result" } else { b"  <result>\n" });
        let first = usize::from(self.changelog);
        if self.changelog {
            self.value.clear();
            self.value.extend_from_slice(kind_at(batch, row).as_bytes());
            self.push_value(0)?;
        }
        for (at, column) in columns.iter().enumerate() {
            if !column.is_null(row) {
                self.value.clear();
                column.push_text(row, Reader::Program, &mut self.value)?;
                self.push_value(first + at)?;
            }
        }
        self.buffer
            .extend_from_slice(if self.attributes { b"/>\n" } else { b"  </result>\n" });
        Ok(())
    }
}

/// A name that XML allows. Colons are namespaces' own.
fn xml_name(name: &str) -> String {
    let mut valid: String = name
        .chars()
        .map(|c| {
            if c.is_alphanumeric() || matches!(c, '_' | '-' | '.') {
                c
            } else {
                '_'
            }
        })
        .collect();
    if !valid.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        valid.insert(0, '_');
    }
    valid
}

fn push_escaped(text: &str, to: &mut Vec<u8>) {
    for c in text.chars() {
        match c {
            '<' => to.extend_from_slice(b"&lt;"),
            '>' => to.extend_from_slice(b"&gt;"),
            '&' => to.extend_from_slice(b"&amp;"),
            '"' => to.extend_from_slice(b"&quot;"),
            '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}' => {
                to.extend_from_slice(c.escape_unicode().to_string().as_bytes());
            }
            // As a reference, a line end survives the normalisation of attributes.
            c if is_hidden(c) => to.extend_from_slice(format!("&#x{:x};", u32::from(c)).as_bytes()),
            c => to.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

impl Renderer for Xml {
    fn begin(&mut self, schema: &SchemaRef, changelog: bool, out: &mut dyn Write) -> io::Result<()> {
        self.changelog = changelog;
        let names: Vec<String> = changelog
            .then_some(OP)
            .into_iter()
            .chain(schema.fields().iter().map(|field| field.name().as_str()))
            .map(xml_name)
            .collect();
        self.names = distinct(names.iter().map(String::as_str));
        out.write_all(b"<resultset>\n")
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
        out.write_all(b"</resultset>\n")
    }
}
