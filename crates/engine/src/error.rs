//! What an engine says when something did not work.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The result of every call into an engine.
pub type Result<T, E = EngineError> = std::result::Result<T, E>;

/// What sort of failure it was. The shell's exit code and wording follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The statement is not valid: it did not parse, or names what is not there. Nothing ran.
    Rejected,
    /// The request is understood and not carried out, for a reason the message states. Nothing changed.
    Refused,
    /// It ran and failed.
    Failed,
    /// The engine has no such capability.
    Unsupported,
    /// There is no such job, operation, table, path.
    NotFound,
    /// The server could not be reached, or the session could not be opened.
    Connect,
    /// The server did not answer in time. Whether the request took effect may be unknown.
    Timeout,
    /// The connection broke after the request was sent: whether it took effect is not known.
    Lost,
    /// The server's answer could not be understood.
    Protocol,
    /// The caller asked for the end of it.
    Cancelled,
}

/// A place in the statement that was submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// How many characters are meant; 1 when only the start is known.
    pub length: u32,
}

/// A failure of an engine: what happened, where in the statement, and what to do next.
#[derive(Debug, Clone)]
pub struct EngineError {
    /// The sort of failure.
    pub kind: ErrorKind,
    /// One sentence, the root cause first.
    pub message: String,
    /// Where in the submitted statement, if the engine said so.
    pub position: Option<Position>,
    /// What the person can do, a sentence each.
    pub hints: Vec<String>,
    /// The server's own account at length (a stack trace), for `!error`.
    pub trace: Option<String>,
}

impl EngineError {
    /// An error of that kind with that message.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            position: None,
            hints: Vec::new(),
            trace: None,
        }
    }

    /// A statement that is not valid.
    pub fn rejected(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Rejected, message)
    }

    /// A request that is understood and not carried out.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Refused, message)
    }

    /// Something that ran and failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Failed, message)
    }

    /// Something this engine has no way to do.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// Something that is not there.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// Adds a hint: what the person can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds the place in the statement.
    #[must_use]
    pub fn at(mut self, position: Position) -> Self {
        self.position = Some(position);
        self
    }

    /// Adds the server's own long account.
    #[must_use]
    pub fn trace(mut self, trace: impl Into<String>) -> Self {
        self.trace = Some(trace.into());
        self
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for EngineError {}
