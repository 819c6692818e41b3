//! The shell's own tables, without borders: `!jobs` and its like.

use crate::ui::text;

/// What stands between two columns, and before the first.
const GAP: &str = "  ";

/// How a column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A header and rows, shown with two spaces between the columns.
#[derive(Debug, Clone)]
pub struct Listing {
    columns: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
    /// Lines that stand below rows, each with how many rows are above it.
    notes: Vec<(usize, String)>,
}

impl Listing {
    /// A listing with these columns.
    pub fn new<'a>(columns: impl IntoIterator<Item = (&'a str, Align)>) -> Self {
        Self {
            columns: columns
                .into_iter()
                .map(|(name, align)| (name.to_owned(), align))
                .collect(),
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Adds a row; hidden characters are made visible. Cells beyond the last column are dropped, missing ones are empty.
    pub fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) {
        let mut row: Vec<String> = cells
            .into_iter()
            .take(self.columns.len())
            .map(|cell| text::sanitize(cell.as_ref()).into_owned())
            .collect();
        row.resize(self.columns.len(), String::new());
        self.rows.push(row);
    }

    /// Adds a line below the last row, that is no cell of it.
    pub fn note(&mut self, text: &str) {
        self.notes.push((self.rows.len(), text::sanitize(text).into_owned()));
    }

    /// Whether it has no rows.
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines, each with its line end. They are not cut to the terminal: a path that can't be copied is of no use.
    pub fn render(&self) -> String {
        let header: Vec<String> = self.columns.iter().map(|(name, _)| name.clone()).collect();
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|at| {
                let cells = self.rows.iter().chain([&header]);
                cells.map(|row| text::width(&row[at])).max().unwrap_or(0)
            })
            .collect();
        let mut lines = String::new();
        let nameless = header.iter().all(String::is_empty);
        let mut notes = self.notes.iter().peekable();
        let rows = std::iter::once((0, &header)).filter(|_| !nameless);
        for (above, row) in rows.chain((1..).zip(&self.rows)) {
            let mut line = String::new();
            for ((cell, (_, align)), &width) in row.iter().zip(&self.columns).zip(&widths) {
                let pad = " ".repeat(width - text::width(cell));
                let (before, after) = match align {
                    Align::Left => ("", pad.as_str()),
                    Align::Right => (pad.as_str(), ""),
                };
                line.extend([GAP, before, cell, after]);
            }
            lines.push_str(line.trim_end());
            lines.push('\n');
            while let Some((_, note)) = notes.next_if(|(rows, _)| *rows == above) {
                lines.extend([GAP, GAP, note, "\n"]);
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jobs() -> Listing {
        let mut jobs = Listing::new([
            ("", Align::Left),
            ("state", Align::Left),
            ("name", Align::Left),
            ("rows in", Align::Right),
            ("savepoint", Align::Left),
        ]);
        jobs.row(["%1", "RUNNING", "delays", "12,400", "–"]);
        jobs.row(["%12", "FAILED", "漢字\x1b", "7"]);
        jobs
    }

    #[test]
    fn a_note_stands_below_its_row_and_widens_nothing() {
        let mut states = Listing::new([("id", Align::Right), ("verdict", Align::Left)]);
        states.row(["7", "missing"]);
        states.note("1 of 3 files is not there");
        states.row(["8", "usable"]);
        assert_eq!(
            states.render(),
            "  id  verdict\n   7  missing\n    1 of 3 files is not there\n   8  usable\n"
        );
    }

    #[test]
    fn columns_stand_under_their_names() {
        assert_eq!(
            jobs().render(),
            "       state    name        rows in  savepoint\n  \
             %1   RUNNING  delays       12,400  –\n  \
             %12  FAILED   漢字\\u{1b}        7\n"
        );
    }
}
