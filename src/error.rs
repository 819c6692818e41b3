//! The shell's one error: what happened, where, what to do next. The exit code follows from its kind.

use std::fmt;
use std::io;

use serde::ser::{Serialize, SerializeStruct, Serializer};
use skep_engine::{Dialect, EngineError, Position};

use crate::syntax::job_statement::JobStatementError;
use crate::syntax::secrets;

/// The result of what the shell does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// A command failed or was refused, or a statement was rejected or failed before it had a job id.
    Failed,
    /// Wrong usage, or a file that can't be read.
    Usage,
    /// A job that was waited for ended FAILED or CANCELED, or was lost.
    JobEnded,
    /// The time ran out; the job still runs.
    Timeout,
    /// No connection to the server.
    Connect,
    /// SIGHUP.
    HungUp,
    /// SIGINT.
    Interrupted,
    /// SIGTERM.
    Terminated,
    /// The reader of the results went away (`| head`). Nothing is said about it.
    ReaderGone,
}

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExitCode(pub u8);

impl ExitCode {
    /// All well.
    pub const SUCCESS: Self = Self(0);

    /// Whether all was well.
    pub const fn is_success(self) -> bool {
        self.0 == 0
    }

    /// This one if it tells of a failure, else the other: the first failure wins.
    #[must_use]
    pub const fn or(self, later: Self) -> Self {
        if self.is_success() { later } else { self }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.0)
    }
}

impl ErrorKind {
    /// The exit code: 128 and the signal's number where one ended it.
    pub const fn exit_code(self) -> ExitCode {
        ExitCode(match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::JobEnded => 3,
            Self::Timeout => 4,
            Self::Connect => 5,
            Self::HungUp => 129,
            Self::Interrupted => 130,
            Self::ReaderGone => 141,
            Self::Terminated => 143,
        })
    }

    /// The kind in snake case, for `--json`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::JobEnded => "job_ended",
            Self::Timeout => "timeout",
            Self::Connect => "connect",
            Self::HungUp => "hung_up",
            Self::Interrupted => "interrupted",
            Self::Terminated => "terminated",
            Self::ReaderGone => "reader_gone",
        }
    }
}

/// Where a statement came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Origin {
    /// Typed at the prompt, where line and column are not said: the person sees the statement.
    #[default]
    Prompt,
    /// Read from standard input.
    Stdin,
    /// A file, or an argument such as `-e`: whatever is to be named.
    Named(String),
}

/// A place in the text that was given, with the line for the caret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Where the text came from.
    pub origin: Origin,
    /// The line in it, from 1.
    pub line: u32,
    /// The column in that line, in characters, from 1.
    pub column: u32,
    /// How many characters are meant; 0 if only the statement is known in which it is, and no caret can be shown.
    pub length: u32,
    /// The statement's line (a file's line may hold more before and after it).
    pub text: String,
    /// Where in `text` the characters begin, in characters, from 0.
    pub offset: u32,
}

impl Place {
    /// The place that a position in a statement has in the text that the statement begins in, at `line` and `column`
    /// (both from 1). What lies behind the end of a line is its end; a line that is not there has no place.
    pub fn new(origin: Origin, statement: &str, line: u32, column: u32, position: Position) -> Option<Self> {
        let below = position.line.saturating_sub(1);
        let text = statement.split('\n').nth(below as usize)?.trim_end_matches('\r');
        let end = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        let offset = position.column.saturating_sub(1).min(end);
        Some(Self {
            origin,
            line: line.saturating_add(below),
            column: if below == 0 {
                column.saturating_add(offset)
            } else {
                offset.saturating_add(1)
            },
            length: position.length.max(1),
            text: text.to_owned(),
            offset,
        })
    }
}

/// What happened, where, and what to do next. Texts may be a server's own: [`crate::ui::Ui`] makes them safe to show.
#[derive(Debug, Clone)]
pub struct Error {
    /// The sort of failure.
    pub kind: ErrorKind,
    /// One sentence, the root cause first.
    pub message: String,
    /// Where, if it is known.
    pub place: Option<Box<Place>>,
    /// What the person can do, a sentence each.
    pub hints: Vec<String>,
    /// The server's own account at length, for `!error`.
    pub trace: Option<String>,
    /// Where in the statement an engine saw it, until [`Error::locate`] has made a place of it.
    pub position: Option<Position>,
}

impl Error {
    /// An error of that kind with that message.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            place: None,
            hints: Vec::new(),
            trace: None,
            position: None,
        }
    }

    /// A command failed or was refused.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Failed, message)
    }

    /// Wrong usage.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    /// Something that can't happen, and did.
    pub fn internal(message: impl fmt::Display) -> Self {
        Self::failed(format!("internal error: {message}")).hint("this is a mistake in skep: please report it")
    }

    /// A connection has no such capability.
    pub fn unsupported(label: &str, what: &str) -> Self {
        Self::failed(format!("{label} can't do that: it has no {what}"))
    }

    /// A file can't be read.
    pub fn unreadable(name: &str, cause: &io::Error) -> Self {
        let name = if name.is_empty() { "standard input" } else { name };
        Self::usage(format!("{name} can't be read: {cause}"))
    }

    /// The end of rows that an engine could not go on with. Behind those of a query that `is_job` there is a job that was
    /// waited for, and ended FAILED or CANCELED.
    pub fn of_rows(error: EngineError, is_job: bool) -> Self {
        use skep_engine::ErrorKind as Engine;
        let ended = is_job && matches!(error.kind, Engine::Failed | Engine::Cancelled);
        let mut error = Self::from(error);
        if ended {
            error.kind = ErrorKind::JobEnded;
        }
        error
    }

    /// The same about a part of what was asked for, which is named first.
    #[must_use]
    pub fn within(mut self, what: &str) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// The same with the place in a statement that stands alone, such as one that a command was given.
    #[must_use]
    pub fn in_statement(self, statement: &str) -> Self {
        self.locate(&Origin::Prompt, statement, 1, 1)
    }

    /// A statement about jobs that is not written as it must be.
    pub fn malformed(statement: &str, cause: &JobStatementError) -> Self {
        let before = crate::syntax::Place::of(statement, cause.span.start);
        let length = cause.span.of(statement).chars().count();
        let mut error = Self::failed(&cause.message).hint(format!("usage: {}", cause.usage));
        error.position = Some(Position {
            line: before.line as u32,
            column: before.column as u32,
            length: length.max(1) as u32,
        });
        error
    }

    /// The same with the place where the statement begins, if it came from a script and no better place is known.
    #[must_use]
    pub fn begun_at(mut self, origin: &Origin, line: u32, column: u32) -> Self {
        if self.place.is_none() && *origin != Origin::Prompt && !self.ends_script() {
            self.place = Some(Box::new(Place {
                origin: origin.clone(),
                line,
                column,
                length: 0,
                text: String::new(),
                offset: 0,
            }));
        }
        self
    }

    /// Whether a script ends whatever was asked for: a signal came, or nobody reads the results.
    pub const fn ends_script(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::HungUp | ErrorKind::Interrupted | ErrorKind::Terminated | ErrorKind::ReaderGone
        )
    }

    /// Adds a hint: what the person can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds the place.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(Box::new(place));
        self
    }

    /// Adds the server's own long account.
    #[must_use]
    pub fn trace(mut self, trace: impl Into<String>) -> Self {
        self.trace = Some(trace.into());
        self
    }

    /// Says where the statement stands in which the engine saw it: makes the engine's position a place, if there is
    /// one and no place yet. `line` and `column`, from 1, are those of the statement's first character.
    #[must_use]
    pub fn locate(mut self, origin: &Origin, statement: &str, line: u32, column: u32) -> Self {
        if self.place.is_none()
            && let Some(position) = self.position
        {
            // What is shown of the statement is shown without its secrets.
            let shown = secrets::blank(statement, &Dialect::FLINK);
            self.place = Place::new(origin.clone(), &shown, line, column, position).map(Box::new);
        }
        self
    }

    /// The exit code.
    pub const fn exit_code(&self) -> ExitCode {
        self.kind.exit_code()
    }
}

impl Serialize for Error {
    /// As `--json` shows it: `kind, message, exit_code, source, line, column, hints`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let place = self.place.as_ref();
        let source = place.and_then(|place| match &place.origin {
            Origin::Named(name) => Some(name.as_str()),
            Origin::Prompt | Origin::Stdin => None,
        });
        let mut object = serializer.serialize_struct("Error", 7)?;
        object.serialize_field("kind", self.kind.as_str())?;
        object.serialize_field("message", &self.message)?;
        object.serialize_field("exit_code", &self.exit_code().0)?;
        object.serialize_field("source", &source)?;
        object.serialize_field("line", &place.map(|place| place.line))?;
        object.serialize_field("column", &place.map(|place| place.column))?;
        object.serialize_field("hints", &self.hints)?;
        object.end()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        use skep_engine::ErrorKind as Engine;
        let EngineError {
            kind,
            message,
            position,
            hints,
            trace,
        } = error;
        Self {
            kind: match kind {
                Engine::Connect => ErrorKind::Connect,
                // Who asked for it here knows the signal. This is the word of somebody else.
                Engine::Cancelled => ErrorKind::Failed,
                // A server that is slow to answer says nothing of a job that still runs, which is what exit code 4
                // promises.
                Engine::Timeout
                | Engine::Rejected
                | Engine::Refused
                | Engine::Failed
                | Engine::Unsupported
                | Engine::NotFound
                | Engine::Lost
                | Engine::Protocol => ErrorKind::Failed,
            },
            message,
            place: None,
            hints,
            trace,
            position,
        }
    }
}

impl From<io::Error> for Error {
    /// An error of the writer of results.
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::new(ErrorKind::ReaderGone, "the reader of the results went away")
        } else {
            Self::failed(format!("the results can't be written: {error}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_exit_code() {
        for (kind, code) in [
            (ErrorKind::Failed, 1),
            (ErrorKind::Usage, 2),
            (ErrorKind::JobEnded, 3),
            (ErrorKind::Timeout, 4),
            (ErrorKind::Connect, 5),
            (ErrorKind::HungUp, 129),
            (ErrorKind::Interrupted, 130),
            (ErrorKind::ReaderGone, 141),
            (ErrorKind::Terminated, 143),
        ] {
            assert_eq!(kind.exit_code(), ExitCode(code));
        }
    }

    #[test]
    fn as_json_what_is_not_known_is_null() {
        assert_eq!(
            serde_json::to_string(&Error::usage("no such flag").hint("see --help")).unwrap(),
            r#"{"kind":"usage","message":"no such flag","exit_code":2,"source":null,"line":null,"column":null,"hints":["see --help"]}"#
        );
    }

    #[test]
    fn the_first_failure_wins() {
        let (well, usage, failed) = (ExitCode::SUCCESS, ExitCode(2), ExitCode(1));
        assert_eq!(well.or(usage).or(failed), usage);
        assert_eq!(well.or(well), well);
    }

    #[test]
    fn a_reader_that_went_away_is_told_from_a_full_disk() {
        let gone: Error = io::Error::from(io::ErrorKind::BrokenPipe).into();
        assert_eq!(gone.kind, ErrorKind::ReaderGone);
        let full: Error = io::Error::from(io::ErrorKind::StorageFull).into();
        assert_eq!(full.kind, ErrorKind::Failed);
    }

    #[test]
    fn a_position_in_a_statement_becomes_a_place_in_the_file() {
        let engine = EngineError::rejected("no column x").at(Position {
            line: 2,
            column: 3,
            length: 1,
        });
        let place = Error::from(engine)
            .locate(&Origin::Stdin, "SELECT\r\n  x\r\nFROM t", 5, 10)
            .place
            .unwrap();
        assert_eq!((place.line, place.column, place.offset), (6, 3, 2));
        assert_eq!(place.text, "  x");
        let first = Position {
            line: 1,
            column: 3,
            length: 0,
        };
        let place = |position| Place::new(Origin::Stdin, "SELECT", 5, 10, position);
        let found = place(first).unwrap();
        assert_eq!((found.line, found.column, found.offset, found.length), (5, 12, 2, 1));
        let beyond = place(Position { column: 100, ..first }).unwrap();
        assert_eq!((beyond.line, beyond.column, beyond.offset), (5, 16, 6));
        assert_eq!(place(Position { line: 2, ..first }), None);
    }
}
