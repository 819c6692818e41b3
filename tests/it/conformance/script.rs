//! A script with what Flink answers.
//!
//! ```sql
//! -- What it is about.
//! --modes batch streaming
//!
//! SELECT a / 2, s FROM (VALUES (3, 'x'), (CAST(NULL AS INT), 'y')) AS t(a, s);
//! --: EXPR$0 INT, s CHAR(1) NOT NULL
//! --> [1, "x"]
//! --> [null, "y"]
//! ```
//!
//! A statement ends with the `;` at the end of a line. Below it stands what Flink answered: `--:` the columns with Flink's
//! own types, `-->` a row, `--!` an error. Where batch and streaming mode differ the lines begin with `--batch` and
//! `--streaming`. A changelog is recorded as the rows that are left when it has been applied. Rows are sorted unless the
//! statement sorts them itself. Below these, `--local: --local> --local!` (`--local batch>` and so on) say what the
//! embedded engine gives where that differs (`--local= done`: it carries the statement out), and `--1.20: --1.20> --1.20!`
//! what Flink 1.20 gives where it is not as 2.3; after the `!` of these stands a part of the message. `${data}` is the
//! directory of the scripts' data, `${dir}` an empty one of the run.

use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What the lines of the embedded engine begin with.
const LOCAL: &str = "local";
/// What those of the older Flink begin with.
const OLDER: &str = "1.20";

/// Who is held to the recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "the Flinks are those of tests/flink")]
pub enum Engine {
    /// The embedded one.
    Local,
    /// The Flink that was recorded, by way of skep.
    Flink23,
    /// An older one.
    Flink120,
}

/// How a statement is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Batch,
    Streaming,
}

impl Mode {
    /// The value of `execution.runtime-mode`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Streaming => "streaming",
        }
    }
}

/// What came of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was carried out and gave no rows.
    Done,
    /// It gave rows.
    Rows {
        /// Names and types.
        columns: Vec<(String, String)>,
        /// Each row's values, as JSON.
        rows: Vec<Vec<String>>,
    },
    /// It failed.
    Failed(String),
}

impl Outcome {
    /// Whether the two are the same answer, whatever an error says.
    pub fn agrees(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Failed(_), Self::Failed(_)) => true,
            (Self::Rows { columns, rows }, Self::Rows { columns: c, rows: r }) => {
                columns == c && sorted(rows) == sorted(r)
            }
            _ => self == other,
        }
    }
}

/// Rows in the order of their text.
pub fn sorted(rows: &[Vec<String>]) -> Vec<Vec<String>> {
    let mut rows = rows.to_vec();
    rows.sort();
    rows
}

/// What is expected, by mode.
#[derive(Debug, Default, Clone)]
pub struct Expected {
    both: Option<Outcome>,
    batch: Option<Outcome>,
    streaming: Option<Outcome>,
}

impl Expected {
    /// What is expected in that mode, if something is said.
    pub fn get(&self, mode: Mode) -> Option<&Outcome> {
        let own = match mode {
            Mode::Batch => self.batch.as_ref(),
            Mode::Streaming => self.streaming.as_ref(),
        };
        own.or(self.both.as_ref())
    }

    /// From what came in each mode; `None` for a mode that was not run.
    pub fn from_outcomes(batch: Option<Outcome>, streaming: Option<Outcome>) -> Self {
        match (batch, streaming) {
            (Some(batch), Some(streaming)) if batch.agrees(&streaming) => Self {
                both: Some(batch),
                ..Self::default()
            },
            (Some(one), None) | (None, Some(one)) => Self {
                both: Some(one),
                ..Self::default()
            },
            (batch, streaming) => Self {
                both: None,
                batch,
                streaming,
            },
        }
    }

    /// Of the modes in which something differs; `None` where nothing does.
    pub fn of_differences(batch: Option<Outcome>, streaming: Option<Outcome>) -> Self {
        match (&batch, &streaming) {
            (Some(one), Some(other)) if one.agrees(other) => Self::from_outcomes(batch, streaming),
            _ => Self {
                both: None,
                batch,
                streaming,
            },
        }
    }

    /// The outcome that a line speaks of.
    fn slot(&mut self, mode: &str) -> &mut Outcome {
        let slot = match mode {
            "batch" => &mut self.batch,
            "streaming" => &mut self.streaming,
            _ => &mut self.both,
        };
        slot.get_or_insert(Outcome::Done)
    }

    fn add(&mut self, mode: &str, mark: char, text: &str) {
        let outcome = self.slot(mode);
        match mark {
            ':' => {
                let columns = split_columns(text);
                *outcome = Outcome::Rows {
                    columns,
                    rows: Vec::new(),
                };
            }
            '>' => {
                let row: Vec<Box<serde_json::value::RawValue>> = serde_json::from_str(text).unwrap();
                let Outcome::Rows { rows, .. } = outcome else {
                    panic!("a row before its columns: {text}")
                };
                rows.push(row.iter().map(|value| value.get().to_owned()).collect());
            }
            '=' => *outcome = Outcome::Done,
            _ => *outcome = Outcome::Failed(text.to_owned()),
        }
    }

    fn write(&self, engine: &str, out: &mut String) {
        for (mode, outcome) in [("", &self.both), ("batch", &self.batch), ("streaming", &self.streaming)] {
            let blank = if engine.is_empty() || mode.is_empty() { "" } else { " " };
            let head = format!("--{engine}{blank}{mode}");
            match outcome {
                Some(Outcome::Done) if !engine.is_empty() => writeln!(out, "{head}= done").unwrap(),
                None | Some(Outcome::Done) => {}
                Some(Outcome::Failed(message)) => writeln!(out, "{head}! {message}").unwrap(),
                Some(Outcome::Rows { columns, rows }) => {
                    let columns: Vec<String> = columns
                        .iter()
                        .map(|(name, kind)| match name.contains([' ', ',', '`']) {
                            true => format!("`{name}` {kind}"),
                            false => format!("{name} {kind}"),
                        })
                        .collect();
                    writeln!(out, "{head}: {}", columns.join(", ")).unwrap();
                    for row in rows {
                        writeln!(out, "{head}> [{}]", row.join(", ")).unwrap();
                    }
                }
            }
        }
    }
}

/// `a INT, b DECIMAL(3, 2)`: a comma in parentheses or angles parts no columns. Names with blanks are in backticks.
fn split_columns(text: &str) -> Vec<(String, String)> {
    let mut parts = vec![String::new()];
    let mut depth = 0_usize;
    for ch in text.chars() {
        match ch {
            '(' | '<' => depth += 1,
            ')' | '>' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().unwrap().push(ch);
    }
    let column = |part: &String| {
        let part = part.trim();
        let end = match part.strip_prefix('`') {
            Some(rest) => rest.find('`').unwrap() + 2,
            None => part.find(' ').unwrap_or(part.len()),
        };
        let (name, kind) = part.split_at(end);
        (name.trim_matches('`').to_owned(), kind.trim().to_owned())
    };
    parts
        .iter()
        .filter(|part| !part.trim().is_empty())
        .map(column)
        .collect()
}

/// A statement with what is expected of it.
#[derive(Debug, Clone)]
pub struct Statement {
    /// Its text, without the semicolon.
    pub text: String,
    /// The number of its first line.
    pub line: usize,
    /// What Flink answered.
    pub flink: Expected,
    /// Where the embedded engine differs.
    pub local: Expected,
    /// Where Flink 1.20 differs.
    pub older: Expected,
}

impl Statement {
    /// What is written down of an engine where it differs from the recording.
    pub fn own(&self, engine: Engine) -> Option<&Expected> {
        match engine {
            Engine::Local => Some(&self.local),
            Engine::Flink23 => None,
            Engine::Flink120 => Some(&self.older),
        }
    }

    /// Writes it down.
    pub fn set_own(&mut self, engine: Engine, own: Expected) {
        match engine {
            Engine::Local => self.local = own,
            Engine::Flink23 => {}
            Engine::Flink120 => self.older = own,
        }
    }

    /// Whether it is a query, which a view could be made of.
    pub fn is_query(&self) -> bool {
        let first = self.text.trim_start_matches('(').split_whitespace().next();
        first.is_some_and(|word| ["SELECT", "WITH", "VALUES"].contains(&word.to_uppercase().as_str()))
    }

    /// Whether it sorts its rows.
    pub fn is_sorted(&self) -> bool {
        let mut depth = 0_usize;
        let outside: String = self
            .text
            .chars()
            .filter(|ch| {
                match ch {
                    '(' => depth += 1,
                    ')' => depth -= 1,
                    _ => {}
                }
                depth == 0
            })
            .collect();
        outside.to_uppercase().contains("ORDER BY")
    }
}

/// A part of a script.
#[derive(Debug)]
pub enum Part {
    /// A comment or a blank line.
    Other(String),
    Statement(Box<Statement>),
}

/// A script.
#[derive(Debug)]
pub struct Script {
    pub path: PathBuf,
    pub modes: Vec<Mode>,
    pub parts: Vec<Part>,
}

/// `--local batch> […]` is `("local", "batch", '>', "[…]")`.
fn expectation(line: &str) -> Option<(&str, &str, char, &str)> {
    let rest = line.strip_prefix("--")?;
    let at = rest.find([':', '>', '!', '='])?;
    let mark = rest[at..].chars().next()?;
    let text = rest[at + 1..].trim();
    match rest[..at].split(' ').collect::<Vec<_>>().as_slice() {
        [""] => Some(("", "", mark, text)),
        [engine @ (LOCAL | OLDER)] => Some((engine, "", mark, text)),
        [engine @ (LOCAL | OLDER), mode @ ("batch" | "streaming")] => Some((engine, mode, mark, text)),
        [mode @ ("batch" | "streaming")] => Some(("", mode, mark, text)),
        _ => None,
    }
}

impl Script {
    /// Reads a script.
    pub fn read(path: &Path) -> Self {
        Self::parse(path, &std::fs::read_to_string(path).unwrap())
    }

    fn parse(path: &Path, text: &str) -> Self {
        let mut script = Self {
            path: path.to_owned(),
            modes: vec![Mode::Batch, Mode::Streaming],
            parts: Vec::new(),
        };
        let mut open: Option<(usize, String)> = None;
        for (at, line) in text.lines().enumerate() {
            if open.is_none() {
                if let Some((engine, mode, mark, text)) = expectation(line) {
                    let Some(Part::Statement(statement)) = script.parts.last_mut() else {
                        panic!("{}: line {}: no statement stands above", path.display(), at + 1)
                    };
                    let expected = match engine {
                        LOCAL => &mut statement.local,
                        OLDER => &mut statement.older,
                        _ => &mut statement.flink,
                    };
                    expected.add(mode, mark, text);
                    continue;
                }
                if let Some(modes) = line.strip_prefix("--modes") {
                    script
                        .modes
                        .retain(|mode| modes.split_whitespace().any(|name| name == mode.name()));
                }
                if line.trim().is_empty() || line.starts_with("--") {
                    script.parts.push(Part::Other(line.to_owned()));
                    continue;
                }
            }
            let (_, text) = open.get_or_insert((at + 1, String::new()));
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(line);
            if line.ends_with(';')
                && let Some((line, mut text)) = open.take()
            {
                text.pop();
                script.parts.push(Part::Statement(Box::new(Statement {
                    text,
                    line,
                    flink: Expected::default(),
                    local: Expected::default(),
                    older: Expected::default(),
                })));
            }
        }
        assert!(open.is_none(), "{}: the last statement has no end", path.display());
        script
    }

    /// The script's name.
    pub fn name(&self) -> String {
        self.path.file_stem().unwrap().to_string_lossy().into_owned()
    }

    /// Its statements.
    pub fn statements(&self) -> impl Iterator<Item = &Statement> {
        self.parts.iter().filter_map(|part| match part {
            Part::Statement(statement) => Some(statement.as_ref()),
            Part::Other(_) => None,
        })
    }

    /// Its statements, to be changed.
    pub fn statements_mut(&mut self) -> impl Iterator<Item = &mut Statement> {
        self.parts.iter_mut().filter_map(|part| match part {
            Part::Statement(statement) => Some(statement.as_mut()),
            Part::Other(_) => None,
        })
    }

    /// Writes it back.
    pub fn write(&self) {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Other(line) => writeln!(out, "{line}").unwrap(),
                Part::Statement(statement) => {
                    writeln!(out, "{};", statement.text).unwrap();
                    statement.flink.write("", &mut out);
                    statement.local.write(LOCAL, &mut out);
                    statement.older.write(OLDER, &mut out);
                }
            }
        }
        std::fs::write(&self.path, out).unwrap();
    }
}

/// A statement's text as an engine is given it.
pub fn filled(text: &str, dir: &Path) -> String {
    let data = super::directory().join("data");
    text.replace("${data}", &data.display().to_string())
        .replace("${dir}", &dir.display().to_string())
}
