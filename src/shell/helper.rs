//! What the line editor asks the shell: what could stand here, and in what colour.

use std::borrow::Cow;

use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{Context, Helper};
use skep_engine::Dialect;

use super::catalog::Catalog;
use super::completion::{self, Known};
use super::highlight::highlight;
use crate::job::Table;

/// The editor's helper. There is no validator: the shell itself asks for the next line of a statement, with a prompt that
/// says what is open.
pub struct LineHelper {
    /// Tables and columns.
    pub catalog: Catalog,
    /// This session's jobs.
    pub jobs: Table,
    /// The names of connections.
    pub connections: Vec<String>,
    /// How the connection's SQL is read.
    pub dialect: Dialect,
    /// The statement up to the line being edited.
    pub before: String,
}

impl LineHelper {
    fn known(&self) -> Known {
        let mut jobs = Vec::new();
        for job in self.jobs.entries().into_iter().map(|entry| entry.job) {
            jobs.extend(job.handle.map(|handle| format!("%{handle}")));
            jobs.extend(job.job_id.map(|id| id.to_string()));
            if !job.name.contains(char::is_whitespace) {
                jobs.push(job.name);
            }
        }
        Known {
            names: self.catalog.names(),
            jobs,
            connections: self.connections.clone(),
        }
    }
}

impl Helper for LineHelper {}
impl Validator for LineHelper {}

impl Hinter for LineHelper {
    type Hint = String;
}

impl Completer for LineHelper {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, ctx: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let text = format!("{}{}", self.before, &line[..pos]);
        let completion = completion::complete(&text, self.dialect, &self.known());
        if completion.file {
            return FilenameCompleter::new().complete(line, pos, ctx);
        }
        let pair = |word: String| Pair {
            display: word.trim_end().to_owned(),
            replacement: word,
        };
        // A word never begins on an earlier line.
        Ok((
            completion.start.saturating_sub(self.before.len()),
            completion.words.into_iter().map(pair).collect(),
        ))
    }
}

impl Highlighter for LineHelper {
    fn highlight<'l>(&self, line: &'l str, _pos: usize) -> Cow<'l, str> {
        Cow::Owned(highlight(&self.before, line, &self.dialect))
    }

    fn highlight_char(&self, line: &str, _pos: usize, kind: CmdKind) -> bool {
        // Any key can make a word a keyword, or open a string.
        !line.is_empty() && kind != CmdKind::MoveCursor
    }
}
