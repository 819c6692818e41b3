//! `markdown`: a table of GitHub Flavored Markdown. Characters that mean something there are escaped, line ends are
//! `<br>`.

use std::io::{self, Write};

use arrow::datatypes::SchemaRef;
use skep_engine::Batch;

use super::column::is_number;
use super::table::push_shown;
use super::{OP, Options, Renderer, columns, kind_at, spill};
use crate::ui::text;

/// Renders Markdown.
pub(super) struct Markdown {
    options: Options,
    changelog: bool,
    buffer: Vec<u8>,
    shown: String,
}

impl Markdown {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            options: options.clone(),
            changelog: false,
            buffer: Vec::new(),
            shown: String::new(),
        }
    }
}

fn push_cell(text: &str, to: &mut Vec<u8>) {
    to.push(b' ');
    for c in text.chars() {
        match c {
            '\n' => to.extend_from_slice(b"<br>"),
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '~' => to.extend_from_slice(&[b'\\', c as u8]),
            c => to.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    to.extend_from_slice(b" |");
}

impl Renderer for Markdown {
    fn begin(&mut self, schema: &SchemaRef, changelog: bool, out: &mut dyn Write) -> io::Result<()> {
        self.changelog = changelog;
        // A table needs a header in Markdown, so that it is there in any case.
        let mut rule = String::from("|");
        self.buffer.push(b'|');
        if changelog {
            push_cell(OP, &mut self.buffer);
            rule.push_str(" --- |");
        }
        for field in schema.fields() {
            push_cell(&text::sanitize(field.name()), &mut self.buffer);
            rule.push_str(if is_number(field) { " ---: |" } else { " --- |" });
        }
        self.buffer.push(b'\n');
        out.write_all(&self.buffer)?;
        self.buffer.clear();
        writeln!(out, "{rule}")
    }

    fn batch(&mut self, batch: &Batch, out: &mut dyn Write) -> io::Result<()> {
        let columns = columns(&batch.rows, self.options.numbers)?;
        for row in 0..batch.rows.num_rows() {
            self.buffer.push(b'|');
            if self.changelog {
                push_cell(kind_at(batch, row), &mut self.buffer);
            }
            for column in &columns {
                self.shown.clear();
                push_shown(column, row, &self.options.null, &mut self.shown)?;
                push_cell(&self.shown, &mut self.buffer);
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
