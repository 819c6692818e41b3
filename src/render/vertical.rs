//! `vertical`: a line a value, for rows that are too wide for a table. Further lines of a value are indented.

use std::io::{self, Write};

use arrow::datatypes::SchemaRef;
use skep_engine::Batch;

use super::column::Column;
use super::table::push_shown;
use super::{OP, Options, Renderer, columns, kind_at, spill};
use crate::ui::text;

/// The columns that the line above a row takes.
const RULE: usize = 24;

/// Renders a line a value.
pub(super) struct Vertical {
    options: Options,
    changelog: bool,
    /// Names as they are shown, padded to one width.
    names: Vec<String>,
    /// The width of a name and the gap after it.
    indent: usize,
    rows: u64,
    buffer: Vec<u8>,
    shown: String,
}

impl Vertical {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            options: options.clone(),
            changelog: false,
            names: Vec::new(),
            indent: 0,
            rows: 0,
            buffer: Vec::new(),
            shown: String::new(),
        }
    }

    /// The line above a row: its number, or nothing but a gap without headers.
    fn push_rule(&mut self) {
        self.rows += 1;
        if !self.options.show_header {
            if self.rows > 1 {
                self.buffer.push(b'\n');
            }
            return;
        }
        let dash = if self.options.unicode { "─" } else { "-" };
        let label = format!("{dash}[ {} ]", self.rows);
        let rest = RULE.saturating_sub(text::width(&label)).max(1);
        self.buffer.extend_from_slice(label.as_bytes());
        self.buffer.extend_from_slice(dash.repeat(rest).as_bytes());
        self.buffer.push(b'\n');
    }

    fn push_value(&mut self, name: usize) {
        self.buffer.extend_from_slice(self.names[name].as_bytes());
        for (at, line) in self.shown.split('\n').enumerate() {
            if at > 0 {
                self.buffer.push(b'\n');
                self.buffer.resize(self.buffer.len() + self.indent, b' ');
            }
            self.buffer.extend_from_slice(line.as_bytes());
        }
        self.buffer.push(b'\n');
    }

    fn push_row(&mut self, columns: &[Column<'_>], batch: &Batch, row: usize) -> io::Result<()> {
        self.push_rule();
        let mut name = 0;
        if self.changelog {
            self.shown.clear();
            self.shown.push_str(kind_at(batch, row));
            self.push_value(name);
            name += 1;
        }
        for column in columns {
            self.shown.clear();
            push_shown(column, row, &self.options.null, &mut self.shown)?;
            self.push_value(name);
            name += 1;
        }
        Ok(())
    }
}

impl Renderer for Vertical {
    fn begin(&mut self, schema: &SchemaRef, changelog: bool, _out: &mut dyn Write) -> io::Result<()> {
        self.changelog = changelog;
        self.rows = 0;
        let names: Vec<_> = changelog
            .then_some(OP)
            .into_iter()
            .chain(schema.fields().iter().map(|field| field.name().as_str()))
            .map(text::sanitize)
            .collect();
        self.indent = names.iter().map(|name| text::width(name)).max().unwrap_or(0) + 2;
        self.names = names
            .iter()
            .map(|name| format!("{name}{:1$}", "", self.indent - text::width(name)))
            .collect();
        Ok(())
    }

    fn batch(&mut self, batch: &Batch, out: &mut dyn Write) -> io::Result<()> {
        let columns = columns(&batch.rows, self.options.numbers)?;
        for row in 0..batch.rows.num_rows() {
            self.push_row(&columns, batch, row)?;
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
