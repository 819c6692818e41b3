//! What is being typed: a statement, over as many lines as it takes.

use crate::session::Session;
use crate::syntax::{Input, Piece, Splitter, secrets};
use crate::ui::text;
use crate::{script, syntax};

use super::editor::Request;
use super::prompt::Prompt;

/// The lines of a statement that is not complete yet.
pub struct Entry {
    prompt: Prompt,
    splitter: Splitter,
    /// All lines so far, each with its line end.
    typed: String,
    /// Up to here it has been taken out.
    taken: usize,
    /// What the next line begins with, before and behind the cursor.
    initial: (String, String),
    /// The rows that the lines take on the screen, while nothing else stands between them.
    rows: Option<usize>,
}

impl Entry {
    /// Nothing yet, in the session as it is now.
    pub fn new(session: &Session) -> Self {
        Self {
            prompt: Prompt::of(session),
            splitter: script::splitter(session),
            typed: String::new(),
            taken: 0,
            initial: Default::default(),
            rows: Some(0),
        }
    }

    /// A line that is not entered yet.
    pub fn with_initial(session: &Session, initial: (String, String)) -> Self {
        Self {
            initial,
            ..Self::new(session)
        }
    }

    /// Nothing has been typed, or all of it has been taken out.
    pub fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    /// What has not been taken out.
    pub fn rest(&self) -> &str {
        self.typed[self.taken..].trim_start()
    }

    /// All that was typed, as the history may keep it. A statement's secrets are references, so that it can be run again;
    /// a command's can't be had back.
    pub fn without_secrets(&self, session: &Session) -> String {
        let typed = self.typed.trim_end_matches('\n');
        let dialect = session.dialect();
        let mut splitter = script::splitter(session);
        splitter.feed(typed);
        splitter.finish();
        let pieces = std::iter::from_fn(|| splitter.next_piece());
        pieces
            .map(|piece| {
                let text = piece.span.of(typed);
                match piece.input {
                    Input::Bang { .. } => secrets::mask(text, &dialect),
                    _ => secrets::redact(text, &dialect).text,
                }
            })
            .collect()
    }

    /// What to ask the editor for.
    pub fn request(&mut self, session: &Session) -> Request {
        let continues = self.splitter.pending().is_some();
        let prompt = if continues {
            Prompt::continuation(&self.prompt, self.splitter.pending().as_ref(), &self.typed)
        } else {
            self.prompt.clone()
        };
        Request {
            prompt,
            before: if continues {
                self.rest().to_owned()
            } else {
                String::new()
            },
            initial: std::mem::take(&mut self.initial),
            dialect: session.dialect(),
        }
    }

    /// Puts back what stood in the line, to be edited further.
    pub fn put_back(&mut self, left: String, right: String) {
        self.initial = (left, right);
        self.rows = None;
    }

    /// Adds a line, which stood behind a prompt of that width on a terminal of so many columns.
    pub fn push(&mut self, line: &str, prompt: usize, columns: usize) {
        let mut before = prompt;
        for part in line.split('\n') {
            let width = before + text::width(part);
            self.rows = self.rows.map(|rows| rows + width / columns + 1);
            before = 0;
        }
        self.typed.push_str(line);
        self.typed.push('\n');
        self.splitter.feed(line);
        self.splitter.feed("\n");
    }

    /// Something else was written to the screen, above the line that is being edited.
    pub fn interrupted(&mut self) {
        self.rows = self.rows.filter(|rows| *rows == 0);
    }

    /// The rows that the lines take on the screen, if they stand there in one piece.
    pub fn rows(&self) -> Option<usize> {
        self.rows
    }

    /// Whether every statement in it is complete.
    pub fn is_complete(&self) -> bool {
        let mut splitter = self.splitter.clone();
        while splitter.next_piece().is_some() {}
        splitter.pending().is_none()
    }

    /// Takes out the next statement or command.
    pub fn next_piece(&mut self, dialect: skep_engine::Dialect) -> Option<Piece> {
        self.splitter.set_dialect(dialect);
        loop {
            let piece = self.splitter.next_piece()?;
            self.taken = piece.span.end;
            if piece.input != syntax::Input::Trivia {
                return Some(piece);
            }
        }
    }
}
