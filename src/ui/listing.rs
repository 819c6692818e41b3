//! The shell's own tables, without borders: `!jobs` and its like.
//!
//! A pipe gets every row on a line of its own, however long. On a terminal a row that is wider than the window would be
//! broken somewhere by the terminal, and no value would stand below its name any more: there, columns give way until it fits
//! (see [`Listing::render`]).

use std::borrow::Cow;

use crate::ui::text;

/// What stands between two columns, and before the first.
const GAP: &str = "  ";

/// A column that may be cut keeps so many columns of the terminal, if it needs them.
const LEAST: usize = 16;

/// What ends a cell that was cut.
const MARK: &str = "…";

/// What stands in a cell that has nothing to tell.
const NOTHING: &str = "–";

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
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
    /// Lines that stand below rows, each with how many rows are above it.
    notes: Vec<(usize, String)>,
}

#[derive(Debug, Clone)]
struct Column {
    name: String,
    align: Align,
    fit: Fit,
}

/// What becomes of a column where a row is wider than the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// It stays, until the others have given way and that was not enough.
    Last,
    /// It goes below, beside its name, before others do: the lowest number first.
    Yields(usize),
    /// Each value goes below the row, whole and on a line of its own, before anything else does.
    Below,
    /// It is cut to what there is, and everywhere to so many columns.
    Cut(usize),
}

/// How the columns stand on one window.
struct Layout {
    /// The columns of a row, by their index, each with its width.
    row: Vec<(usize, usize)>,
    /// Those whose values stand below it as they are.
    bare: Vec<usize>,
    /// Those whose values stand below it beside their names.
    named: Vec<usize>,
}

impl Listing {
    /// A listing with these columns.
    pub fn new<'a>(columns: impl IntoIterator<Item = (&'a str, Align)>) -> Self {
        Self {
            columns: columns
                .into_iter()
                .map(|(name, align)| Column {
                    name: name.to_owned(),
                    align,
                    fit: Fit::Last,
                })
                .collect(),
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// The values of this column, such as paths, stand below their rows where these are wider than the window: whole, for
    /// to be copied.
    #[must_use]
    pub fn below(self, name: &str) -> Self {
        self.fit(name, Fit::Below)
    }

    /// Where rows are wider than the window these columns go below them, the first before the others.
    #[must_use]
    pub fn yielding(self, names: &[&str]) -> Self {
        let ranked = names.iter().enumerate();
        ranked.fold(self, |listing, (rank, name)| listing.fit(name, Fit::Yields(rank)))
    }

    /// The values of this column are cut to so many columns of a terminal, and to fewer where the window has no more.
    #[must_use]
    pub fn cut(self, name: &str, most: usize) -> Self {
        self.fit(name, Fit::Cut(most))
    }

    fn fit(mut self, name: &str, fit: Fit) -> Self {
        for column in self.columns.iter_mut().filter(|column| column.name == name) {
            column.fit = fit;
        }
        self
    }

    /// Adds a row; hidden characters are made visible. Cells beyond the last column are dropped, missing ones are empty.
    pub fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) {
        let cells = cells.into_iter().zip(&self.columns);
        let mut row: Vec<String> = cells
            .map(|(cell, column)| {
                let cell = text::sanitize(cell.as_ref());
                match column.fit {
                    Fit::Cut(most) => text::cut(&cell, most, MARK).into_owned(),
                    _ => cell.into_owned(),
                }
            })
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

    /// The lines, each with its line end. Without a window every row is one line. In a window of so many columns that is too
    /// narrow for the widest row, columns give way until that fits: paths and their like go below their rows, then what
    /// may be cut is cut, then the least important columns go below, each beside its name, where they have something to
    /// tell. Paths are never cut: one that can't be copied is of no use.
    pub fn render(&self, window: Option<usize>) -> String {
        let layout = self.layout(window);
        let mut lines = String::new();
        if self.columns.iter().any(|column| !column.name.is_empty()) {
            let header: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
            self.push_row(&header, &layout, &mut lines);
            for &at in layout.bare.iter().filter(|&&at| self.tells(at)) {
                lines.extend([GAP, GAP, header[at], "\n"]);
            }
        }
        let mut notes = self.notes.iter().peekable();
        for (above, row) in (1..).zip(&self.rows) {
            let cells: Vec<&str> = row.iter().map(String::as_str).collect();
            self.push_row(&cells, &layout, &mut lines);
            self.push_below(&cells, &layout, window, &mut lines);
            while let Some((_, note)) = notes.next_if(|(rows, _)| *rows == above) {
                lines.extend([GAP, GAP, note, "\n"]);
            }
        }
        lines
    }

    fn layout(&self, window: Option<usize>) -> Layout {
        let cells = |at: usize| self.rows.iter().map(move |row| text::width(&row[at]));
        let named = |at: usize| text::width(&self.columns[at].name);
        let mut layout = Layout {
            row: (0..self.columns.len())
                .map(|at| (at, cells(at).max().unwrap_or(0).max(named(at))))
                .collect(),
            bare: Vec::new(),
            named: Vec::new(),
        };
        let Some(window) = window else { return layout };
        // What the row needs if all that may be cut is cut as far as it may be.
        let least = |row: &[(usize, usize)]| -> usize {
            let widths = row.iter().map(|&(at, width)| match self.columns[at].fit {
                Fit::Cut(_) => width.min(LEAST.max(named(at))),
                _ => width,
            });
            widths.map(|width| GAP.len() + width).sum()
        };
        let whole = |row: &[(usize, usize)]| -> usize { row.iter().map(|&(_, width)| GAP.len() + width).sum() };
        if whole(&layout.row) > window {
            let is_below = |at: usize| self.columns[at].fit == Fit::Below;
            layout.bare = (0..self.columns.len()).filter(|&at| is_below(at)).collect();
            layout.row.retain(|&(at, _)| !is_below(at));
        }
        while least(&layout.row) > window
            && layout.row.len() > 2
            && let Some(next) = self.next_to_yield(&layout.row)
        {
            layout.row.retain(|&(at, _)| at != next);
            layout.named.push(next);
        }
        layout.named.sort_unstable();
        let mut over = whole(&layout.row).saturating_sub(window);
        for (at, width) in &mut layout.row {
            if let Fit::Cut(_) = self.columns[*at].fit {
                let given = over.min(width.saturating_sub(LEAST.max(named(*at))));
                *width -= given;
                over -= given;
            }
        }
        layout
    }

    /// The column of a row that is missed least. The first ones say what the row is about.
    fn next_to_yield(&self, row: &[(usize, usize)]) -> Option<usize> {
        let indices = row.iter().map(|&(at, _)| at).filter(|&at| at > 0);
        indices
            .filter_map(|at| match self.columns[at].fit {
                Fit::Yields(rank) => Some((rank, 0, at)),
                // The last of the others first.
                Fit::Last => Some((usize::MAX, self.columns.len() - at, at)),
                Fit::Below | Fit::Cut(_) => None,
            })
            .min()
            .map(|(.., at)| at)
    }

    /// Whether any row has something to tell in this column.
    fn tells(&self, at: usize) -> bool {
        self.rows.iter().any(|row| tells(&row[at]))
    }

    fn push_row(&self, cells: &[&str], layout: &Layout, lines: &mut String) {
        let mut line = String::new();
        for &(at, width) in &layout.row {
            let cell: Cow<'_, str> = text::cut(cells[at], width, MARK);
            let pad = " ".repeat(width - text::width(&cell));
            let (before, after) = match self.columns[at].align {
                Align::Left => ("", pad.as_str()),
                Align::Right => (pad.as_str(), ""),
            };
            line.extend([GAP, before, &cell, after]);
        }
        lines.push_str(line.trim_end());
        lines.push('\n');
    }

    /// What gave way, below its row.
    fn push_below(&self, cells: &[&str], layout: &Layout, window: Option<usize>, lines: &mut String) {
        for &at in layout.bare.iter().filter(|&&at| tells(cells[at])) {
            lines.extend([GAP, GAP, cells[at], "\n"]);
        }
        let mut line = String::new();
        for &at in layout.named.iter().filter(|&&at| tells(cells[at])) {
            let name = &self.columns[at].name;
            let colon = if name.is_empty() { "" } else { ": " };
            let part = format!("{GAP}{name}{colon}{}", cells[at]);
            let is_full = window.is_some_and(|window| GAP.len() + text::width(&line) + text::width(&part) > window);
            if is_full && !line.is_empty() {
                lines.extend([GAP, &line, "\n"]);
                line.clear();
            }
            line.push_str(&part);
        }
        if !line.is_empty() {
            lines.extend([GAP, &line, "\n"]);
        }
    }
}

fn tells(cell: &str) -> bool {
    !cell.is_empty() && cell != NOTHING
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
            states.render(None),
            "  id  verdict\n   7  missing\n    1 of 3 files is not there\n   8  usable\n"
        );
    }

    #[test]
    fn columns_stand_under_their_names() {
        assert_eq!(
            jobs().render(None),
            "       state    name        rows in  savepoint\n  \
             %1   RUNNING  delays       12,400  –\n  \
             %12  FAILED   漢字\\u{1b}        7\n"
        );
    }

    fn states() -> Listing {
        let columns = [
            ("id", Align::Right),
            ("taken", Align::Left),
            ("verdict", Align::Left),
            ("found in", Align::Left),
            ("path", Align::Left),
        ];
        let mut states = Listing::new(columns).below("path").yielding(&["found in"]);
        states.row(["7", "06:58:02", "in use", "directory", "s3://prod/chk/7"]);
        states.note("it runs");
        states.row(["8640", "06:59:31", "usable", "", "s3://prod/chk/8640"]);
        states
    }

    #[test]
    fn what_fits_into_the_window_stands_as_in_a_pipe() {
        let states = states();
        let widest = states.render(None).lines().map(text::width).max().unwrap();
        assert_eq!(states.render(Some(widest)), states.render(None));
        assert_ne!(states.render(Some(widest - 1)), states.render(None));
    }

    #[test]
    fn a_path_stands_whole_below_a_row_that_is_wider_than_the_window() {
        let shown = "    id  taken     verdict  found in\n    path\n     \
                     7  06:58:02  in use   directory\n    s3://prod/chk/7\n    it runs\n  \
                     8640  06:59:31  usable\n    s3://prod/chk/8640\n";
        assert_eq!(states().render(Some(40)), shown);
    }

    #[test]
    fn columns_give_way_beside_their_names_where_they_tell_something() {
        let shown = "    id  taken     verdict\n    path\n     \
                     7  06:58:02  in use\n    s3://prod/chk/7\n    found in: directory\n    it runs\n  \
                     8640  06:59:31  usable\n    s3://prod/chk/8640\n";
        assert_eq!(states().render(Some(30)), shown);
    }

    #[test]
    fn a_name_is_cut_to_the_window_and_a_pipe_has_more_of_it() {
        let mut jobs =
            Listing::new([("", Align::Right), ("name", Align::Left), ("rows", Align::Right)]).cut("name", 30);
        jobs.row(["%1", "INSERT INTO delays SELECT carrier FROM flights", "7"]);
        assert_eq!(
            jobs.render(Some(30)),
            "      name                rows\n  %1  INSERT INTO delay…     7\n"
        );
        assert!(jobs.render(None).contains("  INSERT INTO delays SELECT car…  "));
        assert!(
            jobs.render(Some(2)).contains("  INSERT INTO del…"),
            "it is still known by it"
        );
    }

    proptest::proptest! {
        #[test]
        fn no_row_is_wider_than_a_window_that_has_room_for_two_columns(window in 26usize..90) {
            let mut states = Listing::new([
                ("label", Align::Left), ("kind", Align::Left), ("size", Align::Right), ("state", Align::Left), ("name", Align::Left),
            ]).below("state").cut("name", 48);
            states.row(["a", "checkpoint", "12 KB", "a state of the statement", "SELECT every 漢字 that there is in the whole world"]);
            states.row(["–", "savepoint", "–", "–", "x"]);
            let shown = states.render(Some(window));
            for line in shown.lines().filter(|line| !line.contains("a state of the statement")) {
                proptest::prop_assert!(text::width(line) <= window, "{line:?}");
            }
            for whole in ["checkpoint", "12 KB", "a state of the statement"] {
                proptest::prop_assert!(shown.contains(whole), "{shown}");
            }
        }
    }
}
