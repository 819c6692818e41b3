//! `table`: rows in a frame, streamed.
//!
//! The widths come from the header and the first rows, and then stay. What they are decided on is at least
//! [`SAMPLE`] rows, or all rows, or those that had come when the caller asked for them (`flush`); in the last case the
//! columns get some room for wider values to come.
//!
//! Off a terminal nothing is ever cut: a later value that is wider than its column makes that line longer. On a
//! terminal the table fits its width: text that is too wide is cut and ends with `…`; a number is never cut, its line
//! is longer instead; the values of a single column are wrapped, so that a plan or a DDL text is all there; and
//! columns that can't fit at all are shown as `vertical` does. A value of several lines takes several lines: `↵` in
//! the margin (`+` in ASCII) says that the value goes on after a line end, `…` (`.`) that it was wrapped.

use std::io::{self, Write};

use arrow::datatypes::{DataType, Field, SchemaRef, TimeUnit};
use skep_engine::Batch;

use super::column::{Column, Reader, is_number};
use super::time::digits_of;
use super::vertical::Vertical;
use super::{OP, Options, Renderer, columns, kind_at, spill};
use crate::ui::text;

/// So many rows are held back to find the widths.
pub(super) const SAMPLE: usize = 1000;

/// A column of text is not made narrower than this to fit the terminal.
const NARROWEST: usize = 8;

/// The columns that values to come are likely to take, to be kept for them.
fn room(kind: &DataType) -> usize {
    let fraction = |unit: &TimeUnit| match digits_of(*unit) {
        0 => 0,
        digits => 1 + digits,
    };
    match kind {
        DataType::Null | DataType::Boolean | DataType::UInt16 => 5,
        DataType::Int8 | DataType::UInt8 => 4,
        DataType::Int16 => 6,
        DataType::Int32 | DataType::UInt32 => 11,
        DataType::Date32 | DataType::Date64 => 10,
        DataType::Time32(unit) | DataType::Time64(unit) => 8 + fraction(unit),
        DataType::Timestamp(unit, zone) => 19 + fraction(unit) + usize::from(zone.is_some()),
        kind if kind.is_numeric() => 12,
        _ => TEXT_ROOM,
    }
}

/// The columns that are kept for text to come.
const TEXT_ROOM: usize = 16;

/// Renders a table.
pub(super) struct Table {
    options: Options,
    schema: Option<SchemaRef>,
    changelog: bool,
    headings: Vec<Heading>,
    /// Rows that wait for the widths.
    held: Vec<Batch>,
    held_rows: usize,
    layout: Option<Layout>,
    cells: Vec<Cell>,
    buffer: Vec<u8>,
}

/// What is known of a column before any row.
struct Heading {
    name: String,
    number: bool,
    room: usize,
}

enum Layout {
    /// The width of each column.
    Frame(Vec<usize>),
    /// The columns don't fit.
    Vertical(Box<Vertical>),
}

/// One value as it is shown, cut into lines. Reused from row to row.
#[derive(Default)]
struct Cell {
    text: String,
    lines: Vec<Line>,
}

/// A line of a cell: the bytes of its text, the columns it takes, and what stands in the margin after it.
#[derive(Clone, Copy)]
struct Line {
    start: usize,
    end: usize,
    width: usize,
    margin: Margin,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Margin {
    Blank,
    LineEnd,
    Wrapped,
}

/// The pieces of a frame.
struct Border {
    horizontal: &'static str,
    vertical: &'static str,
    /// Left end, crossing, right end: of the top, the line under the header, the bottom.
    corners: [[&'static str; 3]; 3],
    cut: &'static str,
    line_end: &'static str,
    wrapped: &'static str,
}

const BOX: Border = Border {
    horizontal: "─",
    vertical: "│",
    corners: [["┌", "┬", "┐"], ["├", "┼", "┤"], ["└", "┴", "┘"]],
    cut: "…",
    line_end: "↵",
    wrapped: "…",
};

const ASCII: Border = Border {
    horizontal: "-",
    vertical: "|",
    corners: [["+", "+", "+"]; 3],
    cut: "...",
    line_end: "+",
    wrapped: ".",
};

/// Appends a value as a person is shown it: control characters as escapes, line ends as they are.
pub(super) fn push_shown(column: &Column<'_>, row: usize, null: &str, to: &mut String) -> io::Result<()> {
    if column.is_null(row) {
        to.push_str(null);
        return Ok(());
    }
    let formatted;
    let bytes = match column.text(row) {
        Some(bytes) => bytes,
        None => {
            let mut buffer = Vec::with_capacity(32);
            column.push_text(row, Reader::Person, &mut buffer)?;
            formatted = buffer;
            &formatted
        }
    };
    // Arrow text is UTF-8, and so is everything that is formatted here.
    let value = std::str::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    to.push_str(&text::sanitize_lines(value));
    Ok(())
}

impl Cell {
    /// Finds the cell's lines, wrapped at that many columns if at all.
    fn split(&mut self, wrap: Option<usize>) {
        let Self { text: whole, lines } = self;
        lines.clear();
        let mut push = |start: usize, end: usize, margin| {
            let width = text::width(&whole[start..end]);
            lines.push(Line {
                start,
                end,
                width,
                margin,
            });
        };
        let mut start = 0;
        loop {
            let end = whole[start..].find('\n').map_or(whole.len(), |at| start + at);
            while let Some(columns) = wrap {
                let rest = &whole[start..end];
                let taken = text::prefix(rest, columns).len();
                if taken == rest.len() {
                    break;
                }
                // A character wider than the column goes in all the same.
                let first = rest.chars().next().map_or(1, char::len_utf8);
                push(start, start + taken.max(first), Margin::Wrapped);
                start += taken.max(first);
            }
            if end == whole.len() {
                push(start, end, Margin::Blank);
                return;
            }
            push(start, end, Margin::LineEnd);
            start = end + 1;
        }
    }

    fn width(&self) -> usize {
        self.lines.iter().map(|line| line.width).max().unwrap_or(0)
    }
}

impl Table {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            options: options.clone(),
            schema: None,
            changelog: false,
            headings: Vec::new(),
            held: Vec::new(),
            held_rows: 0,
            layout: None,
            cells: Vec::new(),
            buffer: Vec::new(),
        }
    }

    const fn border(&self) -> &'static Border {
        if self.options.unicode { &BOX } else { &ASCII }
    }

    /// Whether values are wrapped instead of cut.
    fn wraps(&self) -> bool {
        self.headings.len() - usize::from(self.changelog) == 1
    }

    /// Fills the cells with a row.
    fn load(&mut self, columns: &[Column<'_>], batch: &Batch, row: usize, wrap: Option<usize>) -> io::Result<()> {
        let mut cells = self.cells.iter_mut();
        if self.changelog
            && let Some(cell) = cells.next()
        {
            cell.text.clear();
            cell.text.push_str(kind_at(batch, row));
            cell.split(None);
        }
        for (cell, column) in cells.zip(columns) {
            cell.text.clear();
            push_shown(column, row, &self.options.null, &mut cell.text)?;
            cell.split(wrap);
        }
        Ok(())
    }

    /// Decides the widths on the rows that are held, and writes them.
    fn open(&mut self, more: bool, out: &mut dyn Write) -> io::Result<()> {
        let held = std::mem::take(&mut self.held);
        let mut values = vec![0; self.headings.len()];
        for batch in &held {
            let columns = columns(&batch.rows, self.options.numbers)?;
            for row in 0..batch.rows.num_rows() {
                self.load(&columns, batch, row, None)?;
                for (width, cell) in values.iter_mut().zip(&self.cells) {
                    *width = cell.width().max(*width);
                }
            }
        }
        match self.fit(&values, more, self.held_rows < SAMPLE) {
            Some(widths) => {
                self.layout = Some(Layout::Frame(widths));
                self.push_head();
            }
            None => {
                let mut vertical = Box::new(Vertical::new(&self.options));
                if let Some(schema) = &self.schema {
                    vertical.begin(schema, self.changelog, out)?;
                }
                self.layout = Some(Layout::Vertical(vertical));
            }
        }
        for batch in &held {
            self.write(batch, out)?;
        }
        out.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// The width of each column; `None` if they can't fit the terminal.
    fn fit(&self, values: &[usize], more: bool, few: bool) -> Option<Vec<usize>> {
        let count = values.len();
        let limit = self.options.width.map(|_| self.options.max_column_width.max(1));
        let natural: Vec<usize> = self
            .headings
            .iter()
            .zip(values)
            .map(|(heading, &value)| {
                let width = text::width(&heading.name).max(value);
                match limit {
                    Some(limit) if heading.number => width.min(limit.max(value)),
                    Some(limit) if !self.wraps() => width.min(limit),
                    _ => width,
                }
            })
            .collect();
        let roomy: Vec<usize> = natural
            .iter()
            .zip(&self.headings)
            .map(|(&width, heading)| match heading.room {
                _ if !more => width,
                // Many rows tell how wide texts are; numbers grow.
                TEXT_ROOM if !few => width,
                room => width.max(room),
            })
            .collect();
        let Some(columns) = self.options.width else {
            return Some(roomy);
        };
        let available = columns.saturating_sub(3 * count + 1);
        if roomy.iter().sum::<usize>() <= available {
            return Some(roomy);
        }
        if natural.iter().sum::<usize>() <= available {
            return Some(natural);
        }
        if self.wraps() {
            let op = if self.changelog { natural[0] } else { 0 };
            let last = available.saturating_sub(op).max(1);
            return Some(natural[..count - 1].iter().copied().chain([last]).collect());
        }
        let narrowest = |at: usize| {
            if self.headings[at].number || (at == 0 && self.changelog) {
                values[at]
            } else {
                natural[at].min(NARROWEST)
            }
        };
        let capped =
            |cap: usize| -> Vec<usize> { (0..count).map(|at| natural[at].min(cap).max(narrowest(at))).collect() };
        // The widest columns give way first: the greatest cap on all that lets them fit.
        let fits = |cap: usize| capped(cap).iter().sum::<usize>() <= available;
        if !fits(0) {
            return None;
        }
        let (mut low, mut high) = (0, available + 1);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if fits(middle) { low = middle } else { high = middle }
        }
        Some(capped(low))
    }

    fn widths(&self) -> &[usize] {
        match &self.layout {
            Some(Layout::Frame(widths)) => widths,
            _ => &[],
        }
    }

    fn push_rule(&mut self, corners: usize) {
        let border = self.border();
        let [left, cross, right] = border.corners[corners];
        let mut line = String::from(left);
        for (at, width) in self.widths().iter().enumerate() {
            if at > 0 {
                line.push_str(cross);
            }
            line.push_str(&border.horizontal.repeat(width + 2));
        }
        line.push_str(right);
        line.push('\n');
        self.buffer.extend_from_slice(line.as_bytes());
    }

    fn push_head(&mut self) {
        self.push_rule(0);
        if !self.options.show_header {
            return;
        }
        for (cell, heading) in self.cells.iter_mut().zip(&self.headings) {
            cell.text.clear();
            cell.text.push_str(&heading.name);
            cell.split(None);
        }
        self.push_cells(true);
        self.push_rule(1);
    }

    /// Appends the lines of the row that the cells hold.
    fn push_cells(&mut self, head: bool) {
        let border = self.border();
        let height = self.cells.iter().map(|cell| cell.lines.len()).max().unwrap_or(0);
        let cuts = self.options.width.is_some();
        let Some(Layout::Frame(widths)) = &self.layout else {
            return;
        };
        let to = &mut self.buffer;
        for at in 0..height {
            for ((cell, heading), &width) in self.cells.iter().zip(&self.headings).zip(widths) {
                to.extend_from_slice(border.vertical.as_bytes());
                to.push(b' ');
                let Some(line) = cell.lines.get(at) else {
                    to.resize(to.len() + width + 1, b' ');
                    continue;
                };
                let shown = &cell.text[line.start..line.end];
                if line.width <= width {
                    let pad = width - line.width;
                    if heading.number {
                        to.resize(to.len() + pad, b' ');
                        to.extend_from_slice(shown.as_bytes());
                    } else {
                        to.extend_from_slice(shown.as_bytes());
                        to.resize(to.len() + pad, b' ');
                    }
                } else if cuts && (head || !heading.number) {
                    let cut = text::cut(shown, width, border.cut);
                    to.extend_from_slice(cut.as_bytes());
                    to.resize(to.len() + width.saturating_sub(text::width(&cut)), b' ');
                } else {
                    to.extend_from_slice(shown.as_bytes());
                }
                to.extend_from_slice(match line.margin {
                    Margin::Blank => b" ",
                    Margin::LineEnd => border.line_end.as_bytes(),
                    Margin::Wrapped => border.wrapped.as_bytes(),
                });
            }
            to.extend_from_slice(border.vertical.as_bytes());
            to.push(b'\n');
        }
    }

    fn write(&mut self, batch: &Batch, out: &mut dyn Write) -> io::Result<()> {
        let wrap = match &mut self.layout {
            Some(Layout::Vertical(vertical)) => return vertical.batch(batch, out),
            Some(Layout::Frame(widths)) => widths.last().copied(),
            None => None,
        };
        let wrap = wrap.filter(|_| self.wraps() && self.options.width.is_some());
        let columns = columns(&batch.rows, self.options.numbers)?;
        for row in 0..batch.rows.num_rows() {
            self.load(&columns, batch, row, wrap)?;
            self.push_cells(false);
            spill(&mut self.buffer, out)?;
        }
        Ok(())
    }
}

impl Renderer for Table {
    fn begin(&mut self, schema: &SchemaRef, changelog: bool, _out: &mut dyn Write) -> io::Result<()> {
        let heading = |field: &Field| Heading {
            name: text::sanitize(field.name()).into_owned(),
            number: is_number(field),
            room: room(field.data_type()),
        };
        self.headings = changelog
            .then(|| Heading {
                name: OP.to_owned(),
                number: false,
                room: 0,
            })
            .into_iter()
            .chain(schema.fields().iter().map(|field| heading(field)))
            .collect();
        self.cells.resize_with(self.headings.len(), Cell::default);
        self.schema = Some(SchemaRef::clone(schema));
        self.changelog = changelog;
        self.layout = None;
        self.held.clear();
        self.held_rows = 0;
        Ok(())
    }

    fn batch(&mut self, batch: &Batch, out: &mut dyn Write) -> io::Result<()> {
        if self.layout.is_none() {
            self.held.push(batch.clone());
            self.held_rows += batch.rows.num_rows();
            return if self.held_rows < SAMPLE {
                Ok(())
            } else {
                self.open(true, out)
            };
        }
        self.write(batch, out)?;
        out.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    fn flush(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.held.is_empty() {
            Ok(())
        } else {
            self.open(true, out)
        }
    }

    fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.layout.is_none() {
            self.open(false, out)?;
        }
        if matches!(self.layout, Some(Layout::Frame(_))) {
            self.push_rule(2);
            out.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }
}
