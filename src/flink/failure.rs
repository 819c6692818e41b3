//! What a Flink server says when something did not work: Java stack traces, and errors made of them.

use serde::Deserialize;
use skep_engine::{EngineError, ErrorKind};

use super::address::Server;
use super::http::Peer;

/// A message is cut here, in characters.
const MESSAGE_LIMIT: usize = 600;

/// A stack trace is cut here, in bytes. Real ones have up to 50 kB.
const TRACE_LIMIT: usize = 256 * 1024;

/// Said below a cause that says more.
const SAYS_NOTHING: &str = "Hadoop is not in the classpath/dependencies.";

/// One exception of a stack trace.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Thrown {
    /// The class without its package; empty if the text has none.
    class: String,
    /// Its message, empty if it has none.
    message: String,
}

impl Thrown {
    fn read(header: &str) -> Self {
        let (class, message) = match header.split_once(": ") {
            Some((class, message)) => (class, message),
            None => (header.trim_end().trim_end_matches(':'), ""),
        };
        let is_class = class.contains('.')
            && class
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '$'))
            && !class.ends_with('.');
        if !is_class {
            return Self {
                class: String::new(),
                message: fit_to_show(header),
            };
        }
        let simple = class.rsplit(['.', '$']).next().unwrap_or(class);
        Self {
            class: simple.to_owned(),
            message: fit_to_show(message),
        }
    }

    fn sentence(&self) -> String {
        match (self.class.as_str(), self.message.as_str()) {
            ("", message) => message.to_owned(),
            (class, "") => class.to_owned(),
            (class, message) => format!("{class}: {message}"),
        }
    }
}

/// The innermost cause of a failure, and the account it was taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RootCause {
    /// The exception's class without its package, empty if there is none.
    pub(crate) class: String,
    /// One sentence, fit to be shown.
    pub(crate) sentence: String,
    /// The server's text at length.
    pub(crate) trace: String,
}

impl RootCause {
    /// Reads a stack trace as `Throwable.printStackTrace` writes it; any other text is taken as it is.
    pub(crate) fn read(text: &str) -> Self {
        let trace = cut(text, TRACE_LIMIT);
        let mut chain = read_chain(trace);
        if chain.len() > 1 && chain.last().is_some_and(|thrown| thrown.message == SAYS_NOTHING) {
            chain.pop();
        }
        let (class, sentence) = match chain.split_last() {
            None => (String::new(), "no reason was given".to_owned()),
            Some((root, outer)) => {
                let mut sentence = root.sentence();
                // A bare class name tells little: the nearest exception around it that says something helps.
                if root.message.is_empty()
                    && let Some(near) = outer.iter().rev().find(|thrown| !thrown.message.is_empty())
                {
                    sentence = format!("{sentence} ({})", near.sentence());
                }
                (root.class.clone(), sentence)
            }
        };
        Self {
            class,
            sentence,
            trace: trace.to_owned(),
        }
    }

    /// The job that the request named is not there (any more).
    pub(crate) fn is_job_not_found(&self) -> bool {
        self.class == "FlinkJobNotFoundException"
    }
}

/// The job is there and still being set up: what its JobMaster would be asked can't be asked yet.
pub(crate) fn is_not_set_up(error: &EngineError) -> bool {
    error.message.starts_with("UnavailableDispatcherOperationException: ")
}

/// The exceptions of a trace, outermost first.
fn read_chain(text: &str) -> Vec<Thrown> {
    let text = text.trim();
    let text = text.strip_prefix("<Exception on server side:").unwrap_or(text);
    let text = text.strip_suffix("End of exception on server side>").unwrap_or(text);
    let mut headers: Vec<String> = Vec::new();
    // After a header come its further lines, then its frames, up to the next cause.
    let mut in_header = false;
    for line in text.trim().lines() {
        if let Some(header) = line.strip_prefix("Caused by: ") {
            headers.push(header.to_owned());
            in_header = true;
        } else if line.starts_with("\tat ") || line.starts_with("\t... ") || line.starts_with("\tSuppressed: ") {
            in_header = false;
        } else if headers.is_empty() {
            headers.push(line.to_owned());
            in_header = true;
        } else if in_header && let Some(header) = headers.last_mut() {
            header.push(' ');
            header.push_str(line.trim());
        }
    }
    headers.iter().map(|header| Thrown::read(header)).collect()
}

/// The text in one line, without control characters, cut to a length that fits a message.
pub(crate) fn fit_to_show(text: &str) -> String {
    let mut shown = String::new();
    let mut count = 0;
    let mut words = text.split_whitespace();
    'words: for word in words.by_ref() {
        if !shown.is_empty() {
            shown.push(' ');
        }
        for c in word.chars() {
            if count == MESSAGE_LIMIT {
                shown.push('…');
                break 'words;
            }
            count += 1;
            if c.is_control() {
                shown.extend(c.escape_default());
            } else {
                shown.push(c);
            }
        }
    }
    shown
}

/// The first bytes of a text, whole characters only.
fn cut(text: &str, limit: usize) -> &str {
    let end = (0..=limit.min(text.len()))
        .rev()
        .find(|&i| text.is_char_boundary(i))
        .unwrap_or(0);
    &text[..end]
}

/// How the shell says who it is.
const CREDENTIALS: &str = "-n USER and -p or -w FILE, --token-file FILE, --header @FILE, or --cert FILE and --key FILE";

/// The body of a refusal: `{"errors": ["…", …]}`.
#[derive(Deserialize)]
struct Errors {
    errors: Vec<String>,
}

/// The error that an answer other than 2xx stands for. `request` is the method and path.
pub(crate) fn from_answer(status: u16, body: &[u8], request: &str, peer: &Peer) -> EngineError {
    let Ok(Errors { errors }) = serde_json::from_slice(body) else {
        return not_flink(status, body, request, peer);
    };
    let said = errors.iter().rev().find(|text| !text.trim().is_empty());
    let cause = RootCause::read(said.map_or("", String::as_str));
    let kind = match status {
        400 | 405 | 413 | 415 | 422 => ErrorKind::Rejected,
        401 | 403 | 503 => ErrorKind::Connect,
        // A proxy lost the server behind it: the request may have arrived there.
        502 => ErrorKind::Lost,
        404 => ErrorKind::NotFound,
        409 => ErrorKind::Refused,
        504 => ErrorKind::Timeout,
        // `/jobs/:id/status` of an unknown job is a 500 (seen on 1.20 and 2.3), where other paths say 404.
        500 if cause.is_job_not_found() => ErrorKind::NotFound,
        _ => ErrorKind::Failed,
    };
    let error = EngineError::new(kind, cause.sentence).trace(cut(&errors.join("\n"), TRACE_LIMIT));
    match status {
        503 => error.hint(format!(
            "{peer} is up but not ready (a leader is being elected?): ask again"
        )),
        401 | 403 => error.hint(format!("{peer} wants other credentials: {CREDENTIALS}")),
        _ => error,
    }
}

/// What to do about an answer that sends elsewhere. Flink's own servers do so where they are reached without TLS and want it.
pub(crate) fn elsewhere(location: Option<&str>, peer: &Peer) -> String {
    let Some(location) = location else {
        return "it points elsewhere: connect to that address itself".to_owned();
    };
    let there = location.strip_prefix("https://").map(|rest| rest.split('/').next());
    if there == Some(Some(&*peer.place)) {
        return format!("it wants TLS: {}", over_tls(peer));
    }
    let location = fit_to_show(location);
    format!("it points to {location}: connect to that address itself")
}

/// How the server is named in order to be reached over TLS.
pub(crate) fn over_tls(peer: &Peer) -> String {
    match peer.server {
        Server::HistoryServer => format!("https://{peer}"),
        server => format!("{}+https://{peer}", server.scheme()),
    }
}

/// Not a Flink server's form of refusal: something else stands there, or a proxy in between answered.
fn not_flink(status: u16, body: &[u8], request: &str, peer: &Peer) -> EngineError {
    let kind = match status {
        401 | 403 | 407 | 503 => ErrorKind::Connect,
        502 => ErrorKind::Lost,
        504 => ErrorKind::Timeout,
        _ => ErrorKind::Protocol,
    };
    let start = String::from_utf8_lossy(&body[..body.len().min(200)]);
    let shown = fit_to_show(&start);
    let said = if shown.is_empty() {
        String::new()
    } else {
        format!(": {shown}")
    };
    let error = EngineError::new(kind, format!("{peer} answered {request} with HTTP {status}{said}"));
    match status {
        401 | 403 => error.hint(format!("it wants to know who asks: {CREDENTIALS}")),
        407 => error.hint("the proxy wants to know who asks: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT"),
        // The answer's header says where to.
        300..=399 => error,
        _ => error.hint(format!(
            "is {peer} the REST address of a Flink {server}, or a proxy whose {server} is away?",
            server = peer.server
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer() -> Peer {
        Peer {
            server: crate::flink::address::Server::JobManager,
            place: "jm:8081".to_owned(),
        }
    }

    fn sentence(text: &str) -> String {
        RootCause::read(text).sentence
    }

    #[test]
    fn where_a_redirect_leads_is_said() {
        let told = |location: Option<&str>| elsewhere(location, &peer());
        let tls = format!("https://{}/v1/config", peer().place);
        assert!(told(Some(&tls)).contains("+https://"));
        assert!(!told(Some("https://evil\x1b[2J/x")).contains('\x1b'));
        assert!(told(Some("https://other/x")).contains("https://other/x"));
        assert!(told(None).contains("elsewhere"));
    }

    #[test]
    fn the_innermost_cause_is_the_root() {
        let trace = "java.util.concurrent.CompletionException: a.b.CheckpointException: IO-problem detected.\n\
                     \tat a.b.C.d(C.java:1)\n\
                     \tSuppressed: java.lang.Exception: beside\n\
                     \tCaused by: java.lang.Exception: beside it\n\
                     Caused by: a.b.CheckpointException: IO-problem detected.\n\t... 3 more\n\
                     Caused by: java.io.IOException: Failed to create savepoint\n  directory at file:/proc/nope\n\
                     \tat a.b.C.d(C.java:1)\n\t... 11 more\n";
        let cause = RootCause::read(trace);
        assert_eq!(
            cause.sentence,
            "IOException: Failed to create savepoint directory at file:/proc/nope"
        );
        assert_eq!(cause.class, "IOException");
        assert_eq!(cause.trace, trace);
    }

    #[test]
    fn a_cause_without_a_message_is_given_its_surroundings() {
        let trace = "a.b.FlinkException: Could not restore.\n\tat x.Y.z(Y.java:1)\nCaused by: java.io.EOFException\n";
        assert_eq!(sentence(trace), "EOFException (FlinkException: Could not restore.)");
        assert_eq!(sentence("java.lang.NullPointerException"), "NullPointerException");
    }

    #[test]
    fn a_cause_that_says_nothing_gives_way() {
        let trace = "a.UnsupportedFileSystemSchemeException: no file system for scheme 'nofs'.\n\tat x.Y.z(Y.java:1)\n\
                     Caused by: a.UnsupportedFileSystemSchemeException: Hadoop is not in the classpath/dependencies.\n";
        assert_eq!(
            sentence(trace),
            "UnsupportedFileSystemSchemeException: no file system for scheme 'nofs'."
        );
    }

    #[test]
    fn any_text_at_all_makes_a_sentence() {
        assert_eq!(sentence(""), "no reason was given");
        assert_eq!(sentence("File not found."), "File not found.");
        assert_eq!(sentence("note: this is text"), "note: this is text");
        assert_eq!(sentence("a\u{1b}[31mb\r\nc"), "a\\u{1b}[31mb c");
        assert_eq!(sentence(&"x".repeat(5000)).chars().count(), MESSAGE_LIMIT + 1);
        assert!(RootCause::read(&"é".repeat(TRACE_LIMIT)).trace.len() <= TRACE_LIMIT);
    }

    #[test]
    fn a_refusal_tells_its_kind_by_its_status() {
        let body = br#"{"errors": ["Internal server error.", "<Exception on server side:\na.B: no\n\tat x.Y.z(Y.java:1)\nCaused by: a.C: because\n\nEnd of exception on server side>"]}"#;
        let error = from_answer(500, body, "GET /v1/jobs", &peer());
        assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Failed, "C: because"));
        assert!(
            error
                .trace
                .is_some_and(|trace| trace.starts_with("Internal server error."))
        );
        let kind = |status| from_answer(status, br#"{"errors": []}"#, "GET /", &peer()).kind;
        assert_eq!(kind(404), ErrorKind::NotFound);
        assert_eq!(kind(409), ErrorKind::Refused);
        assert_eq!(kind(503), ErrorKind::Connect);
    }

    #[test]
    fn a_proxys_page_is_not_taken_for_flinks_word() {
        let error = from_answer(404, b"<html>\x1b[2Jnothing here</html>", "GET /v1/config", &peer());
        assert_eq!(error.kind, ErrorKind::Protocol);
        assert_eq!(
            error.message,
            "jm:8081 answered GET /v1/config with HTTP 404: <html>\\u{1b}[2Jnothing here</html>"
        );
    }
}
