//! What went wrong.

use std::fmt;
use std::time::Duration;

use crate::thrift::Malformed;

/// The result of every call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Who logs in, as was said to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// By user name and password.
    User(String),
    /// By a token.
    Token,
    /// By a ticket of Kerberos.
    Ticket,
    /// By nothing that is known here; a header may say it.
    Nobody,
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User(name) => name,
            Self::Token => "the bearer of this token",
            Self::Ticket => "the holder of this ticket",
            Self::Nobody => "nobody in particular",
        })
    }
}

/// What went wrong between here and the server, or there.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server could not be reached. Nothing was sent.
    #[error("{place} can't be reached: {cause}")]
    Connect {
        /// The server as `host:port`.
        place: String,
        /// Why not.
        cause: String,
    },
    /// ZooKeeper was reached, and tells of no servers.
    #[error("{place}: {cause}")]
    Registry {
        /// ZooKeeper's server.
        place: String,
        /// Why not.
        cause: String,
    },
    /// The server, or this client, is not trusted.
    #[error("{place}: no TLS: {cause}")]
    Tls {
        /// The server as `host:port`.
        place: String,
        /// Why not.
        cause: String,
    },
    /// Kerberos gives no ticket for the server, or does not know it again.
    #[error("{place}: no Kerberos: {cause}")]
    Kerberos {
        /// The server as `host:port`.
        place: String,
        /// Why not.
        cause: String,
    },
    /// A certificate, key or token can't be used.
    #[error("{0}")]
    Certificate(String),
    /// The server does not accept the user.
    #[error("{place} does not let {caller} in: {cause}")]
    Login {
        /// The server as `host:port`.
        place: String,
        /// Who it was, as was said to the server.
        caller: Caller,
        /// The server's word.
        cause: String,
        /// The server does not look at what says so: it lets nobody in that way.
        is_of_no_use: bool,
    },
    /// The connection was broken before: this call was not sent.
    #[error("the connection is gone ({0}): nothing was sent")]
    Closed(String),
    /// The connection broke after the call was sent. Whether it took effect is not known.
    #[error("the connection broke while {call} was under way: {cause}")]
    Lost {
        /// The call.
        call: &'static str,
        /// How it broke.
        cause: String,
    },
    /// The server did not answer in time. Whether the call took effect is not known.
    #[error("no answer to {call} in {limit:?}")]
    Timeout {
        /// The call.
        call: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// The answer can't be understood.
    #[error("the answer to {call} can't be understood: {cause}")]
    Protocol {
        /// The call.
        call: &'static str,
        /// Why not.
        cause: String,
    },
    /// The server's HTTP layer, or a proxy, refuses the request.
    #[error("HTTP status {status} in answer to {call}")]
    Http {
        /// The call.
        call: &'static str,
        /// The status code.
        status: u16,
        /// The beginning of what came with it.
        text: String,
    },
    /// The server's Thrift layer refuses the call: it does not know it, or can't read it.
    #[error("the server refuses {call}: {message}")]
    Refused {
        /// The call.
        call: &'static str,
        /// The server's word.
        message: String,
    },
    /// The server has understood, and says no.
    #[error("{0}")]
    Server(Box<Failure>),
}

impl Error {
    pub(crate) fn protocol(call: &'static str, cause: impl Into<String>) -> Self {
        Self::Protocol {
            call,
            cause: cause.into(),
        }
    }

    pub(crate) fn malformed(call: &'static str) -> impl Fn(Malformed) -> Self {
        move |Malformed(cause)| Self::Protocol { call, cause }
    }
}

/// What HiveServer2 says of a failure.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What happened, as the server words it: often the text of several exceptions in one another. May have several lines.
    pub message: String,
    /// The SQLSTATE, where the server gives one.
    pub sql_state: Option<String>,
    /// The vendor's code, 0 where there is none.
    pub code: i32,
    /// The innermost exception, `class: message`, where the server's account names one.
    pub root: Option<String>,
    /// The server's account at length.
    pub trace: String,
    /// The handle that was sent is not known there (any more).
    pub is_unknown_handle: bool,
}

/// An account is cut here, in bytes.
const TRACE_LIMIT: usize = 256 * 1024;

impl Failure {
    /// Of a call's status: `info` is the stack of exceptions as `HiveSQLException.toString` encodes it, an element for each
    /// exception (`*class:message:depth:cut`) and frame (`class:method:file:line`).
    pub(crate) fn of_status(message: Option<String>, sql_state: Option<String>, code: i32, info: &[String]) -> Self {
        let thrown: Vec<_> = info.iter().filter_map(|entry| thrown(entry)).collect();
        let mut trace = String::new();
        for entry in info {
            if trace.len() > TRACE_LIMIT {
                trace.push_str("…\n");
                break;
            }
            match thrown_parts(entry) {
                Some((class, message)) if trace.is_empty() => trace.push_str(&format!("{class}: {message}\n")),
                Some((class, message)) => trace.push_str(&format!("Caused by: {class}: {message}\n")),
                None => trace.push_str(&format!("\tat {entry}\n")),
            }
        }
        let first = thrown.first().cloned();
        let message = message
            .filter(|message| !message.trim().is_empty())
            .or(first)
            .unwrap_or_else(|| "the server gives no reason".to_owned());
        let (mut message, tail) = clean(&message);
        if message.is_empty() {
            message.push_str("the server gives no reason");
        }
        trace.push_str(&tail);
        let is_unknown_handle = ["Invalid SessionHandle", "Invalid OperationHandle"]
            .iter()
            .any(|words| message.contains(words) || thrown.iter().any(|text| text.contains(words)));
        Self {
            root: root(&message, &trace).or_else(|| thrown.last().cloned()),
            message,
            sql_state: sql_state.filter(|state| !state.is_empty()),
            code,
            trace,
            is_unknown_handle,
        }
    }

    /// Of what Kyuubi's REST API says: words of the resource's, and behind the class of the exception what Thrift would say,
    /// with the stack below.
    pub(crate) fn of_answer(message: &str) -> Self {
        const CLASS: &str = "org.apache.kyuubi.KyuubiSQLException: ";
        let first = message.lines().next().unwrap_or_default();
        let said = first.find(CLASS).map_or(message, |at| &message[at..]);
        Self::of_status(Some(said.to_owned()), None, 0, &[])
    }

    /// Of an operation that failed: the text is a message and, in Spark, a Java stack trace below it.
    pub(crate) fn of_operation(message: Option<String>, sql_state: Option<String>, code: i32) -> Self {
        Self::of_status(message, sql_state, code, &[])
    }
}

/// `*class:message:depth:cut`, as class and message. The message may hold colons.
fn thrown_parts(entry: &str) -> Option<(&str, &str)> {
    let (class, rest) = entry.strip_prefix('*')?.split_once(':')?;
    let mut from_end = rest.rsplitn(3, ':');
    let (cut, depth, message) = (from_end.next()?, from_end.next()?, from_end.next()?);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit());
    (is_number(cut) && is_number(depth)).then_some((class, message))
}

fn thrown(entry: &str) -> Option<String> {
    let (class, message) = thrown_parts(entry)?;
    let class = class.rsplit(['.', '$']).next().unwrap_or(class);
    Some(match class {
        // What it says is the message itself.
        "HiveSQLException" | "KyuubiSQLException" => clean(message).0,
        _ => format!("{class}: {}", clean(message).0),
    })
}

/// The message, and the stack trace that was below it.
fn clean(text: &str) -> (String, String) {
    let mut end = text.len();
    for mark in ["\n\tat ", "\nCaused by: "] {
        end = text.find(mark).map_or(end, |at| at.min(end));
    }
    let mut tail = text[end..].trim_start_matches('\n').to_owned();
    if tail.len() > TRACE_LIMIT {
        let cut = (0..=TRACE_LIMIT)
            .rev()
            .find(|&at| tail.is_char_boundary(at))
            .unwrap_or(0);
        tail.truncate(cut);
    }
    let mut message = text[..end].trim();
    for wrapper in [
        "org.apache.hive.service.cli.HiveSQLException: ",
        "org.apache.kyuubi.KyuubiSQLException: ",
    ] {
        message = message.strip_prefix(wrapper).unwrap_or(message);
    }
    (message.to_owned(), tail)
}

/// The innermost cause in a stack trace.
fn root(message: &str, trace: &str) -> Option<String> {
    let mut found = None;
    for line in trace.lines() {
        if let Some(cause) = line.strip_prefix("Caused by: ") {
            found = Some(cause.trim());
        }
    }
    found.filter(|cause| !message.contains(cause)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_as_hive_encodes_it() {
        let info = [
            "*org.apache.hive.service.cli.HiveSQLException:Invalid OperationHandle: OperationHandle [opType=X, y=1]:12:11",
            "org.apache.hive.service.cli.operation.OperationManager:getOperation:OperationManager.java:168",
            "*java.lang.IllegalStateException:a: b:3:2",
        ]
        .map(str::to_owned);
        let failure = Failure::of_status(None, Some("HY000".to_owned()), 7, &info);
        assert_eq!(
            failure.message,
            "Invalid OperationHandle: OperationHandle [opType=X, y=1]"
        );
        assert!(failure.is_unknown_handle);
        assert_eq!((failure.sql_state.as_deref(), failure.code), (Some("HY000"), 7));
        assert_eq!(failure.root.as_deref(), Some("java.lang.IllegalStateException: a: b"));
        assert!(
            failure.trace.contains("\tat org.apache.hive.service.cli.operation"),
            "{}",
            failure.trace
        );
    }

    #[test]
    fn an_operations_message_is_apart_from_its_stack() {
        let text = "org.apache.hive.service.cli.HiveSQLException: Error running query: [X] a.B: \n[X] Syntax error\n\n== SQL ==\nSELEC 1\n^^^\n\n\tat a.B.c(D.scala:1)\nCaused by: a.B: deep\n\tat e.F";
        let failure = Failure::of_operation(Some(text.to_owned()), Some("42601".to_owned()), 0);
        assert!(failure.message.starts_with("Error running query: [X]"));
        assert!(failure.message.ends_with("^^^"), "{}", failure.message);
        assert_eq!(failure.root.as_deref(), Some("a.B: deep"));
        assert!(failure.trace.starts_with("\tat a.B.c"));
    }

    #[test]
    fn a_status_that_says_nothing_is_a_failure_still() {
        let failure = Failure::of_status(Some("  ".to_owned()), None, 0, &["*x".to_owned(), "*:::".to_owned()]);
        assert!(!failure.message.is_empty());
    }
}
