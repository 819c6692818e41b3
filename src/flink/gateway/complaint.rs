//! What the gateway says of a statement that it did not carry out.
//!
//! Everything to do with SQL is an HTTP 500 with a stack trace, whatever its cause: the text tells (seen on 1.20 and 2.3).

use skep_engine::{EngineError, ErrorKind, Position};

use crate::syntax::rewritten::Rewritten;

/// Exceptions whose message says all: their name adds nothing for a person who wrote SQL.
const SPEAK_FOR_THEMSELVES: [&str; 8] = [
    "SqlValidatorException",
    "CalciteContextException",
    "ValidationException",
    "SqlParserException",
    "SqlParserEOFException",
    "SqlParseException",
    "ParseException",
    "TokenMgrError",
];

/// The session is not there (any more): the gateway has closed it, or was restarted. What was asked for was not done.
pub(super) fn is_session_gone(error: &EngineError) -> bool {
    error.message.contains("Session '") && error.message.contains("does not exist")
}

/// The operation is not there (any more).
pub(super) fn is_operation_gone(error: &EngineError) -> bool {
    error.message.contains("Can not find the submitted operation")
}

/// The answer could not be written in that row format.
pub(super) fn is_unwritable(error: &EngineError) -> bool {
    error.message.contains("Could not map response to JSON")
}

/// Somebody has cancelled the job behind the operation.
pub(super) fn is_job_cancelled(error: &EngineError) -> bool {
    error.message.starts_with("JobCancellationException") || error.message.contains("Job was cancelled")
}

/// The JobManager does not know the job behind the operation: it is another one than the one that ran it.
pub(super) fn is_job_unknown(error: &EngineError) -> bool {
    error.message.contains("FlinkJobNotFoundException") || error.message.contains("Could not find Flink job")
}

/// The gateway sent the job twice, and the JobManager had taken it the first time.
pub(in crate::flink) fn is_repeated(error: &EngineError) -> bool {
    let text = error.trace.as_deref().unwrap_or(&error.message);
    text.contains("DuplicateJobSubmissionException")
}

/// The error of a statement, as the one who wrote it can use it: whether it is not valid or failed, where, and no longer
/// than needed. `sent` is what the gateway got of `original`.
pub(in crate::flink) fn of_statement(mut error: EngineError, original: &str, sent: &Rewritten) -> EngineError {
    if error.kind != ErrorKind::Failed {
        return error;
    }
    let trace = error.trace.as_deref().unwrap_or(&error.message);
    if SPEAK_FOR_THEMSELVES.iter().any(|class| trace.contains(class)) {
        error.kind = ErrorKind::Rejected;
    }
    let position = find_position(trace).map(|position| sent.locate(original, position));
    if error.kind == ErrorKind::Rejected {
        error.position = position;
    }
    let mut message = error.message.as_str();
    for class in SPEAK_FOR_THEMSELVES {
        if let Some(rest) = message.strip_prefix(class).and_then(|rest| rest.strip_prefix(": ")) {
            message = rest;
            break;
        }
    }
    // The parser lists every word that it knows; the list is in the trace.
    let message = message.split(" Was expecting").next().unwrap_or(message);
    // Once the caret says where, the words need not.
    let message = match (&error.position, message.split_once(" at line ")) {
        (Some(_), Some((what, place))) if place.split_once('.').is_some_and(|(_, rest)| rest.trim().is_empty()) => what,
        _ => message,
    };
    error.message = message.trim_end().to_owned();
    error
}

/// The first place that a text names: `From line 1, column 8 to line 1, column 11` or `at line 3, column 1`.
fn find_position(text: &str) -> Option<Position> {
    let mut rest = text;
    while let Some(at) = rest.find("line ") {
        let before = &rest[..at];
        rest = &rest[at + "line ".len()..];
        if !(before.ends_with("From ") || before.ends_with("at ") || before.ends_with("At ")) {
            continue;
        }
        let Some((line, column, after)) = read_place(rest) else {
            continue;
        };
        let end = after.strip_prefix(" to line ").and_then(read_place);
        let length = match end {
            Some((last_line, last, _)) if last_line == line && last >= column => last - column + 1,
            // It goes on over lines: the caret shows the first to its end.
            Some((last_line, _, _)) if last_line > line => u32::MAX,
            _ => 1,
        };
        return Some(Position { line, column, length });
    }
    None
}

/// `3, column 14…`: line, column and what follows.
fn read_place(text: &str) -> Option<(u32, u32, &str)> {
    let (line, rest) = read_number(text)?;
    let (column, rest) = read_number(rest.strip_prefix(", column ")?)?;
    Some((line, column, rest))
}

fn read_number(text: &str) -> Option<(u32, &str)> {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at(end);
    Some((number.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complain(message: &str, trace: &str, sql: &str) -> EngineError {
        let error = EngineError::failed(message).trace(trace);
        of_statement(error, sql, &Rewritten::unchanged(sql))
    }

    #[test]
    fn a_name_that_is_not_there_is_shown_where_it_stands() {
        let trace = "a.SqlExecutionException: Failed to execute the operation 1.\n\
                     Caused by: a.ValidationException: SQL validation failed. From line 1, column 15 to line 1, column 18: Object 'nope' not found\n\
                     Caused by: a.SqlValidatorException: Object 'nope' not found\n";
        let error = complain(
            "SqlValidatorException: Object 'nope' not found",
            trace,
            "SELECT * FROM nope",
        );
        assert_eq!(error.kind, ErrorKind::Rejected);
        assert_eq!(error.message, "Object 'nope' not found");
        assert_eq!(
            error.position,
            Some(Position {
                line: 1,
                column: 15,
                length: 4
            })
        );
    }

    #[test]
    fn a_syntax_error_does_not_list_the_whole_grammar() {
        let message =
            "ParseException: Encountered \"WHER\" at line 3, column 1. Was expecting one of: <EOF> \"CROSS\" ...";
        let trace = "Caused by: a.SqlParserException: SQL parse failed. Encountered \"WHER\" at line 3, column 1.\nWas expecting one of:\n    <EOF>";
        let error = complain(message, trace, "SELECT 1\nFROM t\nWHER a");
        assert_eq!(error.message, "Encountered \"WHER\"");
        assert_eq!(
            error.position,
            Some(Position {
                line: 3,
                column: 1,
                length: 1
            })
        );
    }

    #[test]
    fn a_failure_at_run_time_has_no_place() {
        let error = complain(
            "ArithmeticException: / by zero",
            "a.ArithmeticException: / by zero",
            "SELECT 1/0",
        );
        assert_eq!((error.kind, error.position), (ErrorKind::Failed, None));
        assert_eq!(error.message, "ArithmeticException: / by zero");
    }

    #[test]
    fn places_are_found_or_not() {
        let find = |text: &str| find_position(text).map(|p| (p.line, p.column, p.length));
        assert_eq!(find("From line 1, column 8 to line 1, column 11: x"), Some((1, 8, 4)));
        assert_eq!(
            find("From line 1, column 8 to line 2, column 3: x"),
            Some((1, 8, u32::MAX))
        );
        assert_eq!(find("Lexical error at line 2, column 9.  Encountered"), Some((2, 9, 1)));
        assert_eq!(find("a line 3, column 4"), None);
        assert_eq!(find("at line 99999999999, column 4"), None);
        assert_eq!(find("at line 3, column"), None);
        assert_eq!(find(""), None);
    }
}
