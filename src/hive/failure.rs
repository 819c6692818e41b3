//! What HiveServer2 says when something did not work, as errors of the shell's.

use skep_engine::{EngineError, ErrorKind, Position};
use skep_hive::{Caller, Error, Failure};

/// A message is cut here, in characters.
const MESSAGE_LIMIT: usize = 600;

/// How the shell says who it is.
const CREDENTIALS: &str = "-n USER and -p or -w FILE; over HTTP also --token-file FILE or --header @FILE";

/// Where the name is that a server has in Kerberos.
const SERVICES: &str = "hive.server2.authentication.kerberos.principal, or Kyuubi's kyuubi.kinit.principal; over HTTP \
                        kyuubi.spnego.principal, which begins with HTTP/";

/// What to look at when there is no way to a server, by what is spoken to it.
const WAY: &str = "is the server up, and is this its port (HiveServer2's hive.server2.thrift.port, 10000 unless it is set, or Kyuubi's \
                   kyuubi.frontend.thrift.binary.bind.port, 10009)? ;ssl=true, ;auth=noSasl and ;transportMode=http must be as the server has them";

const REST_WAY: &str = "is Kyuubi up, and is this the port of its REST API (kyuubi.frontend.rest.bind.port, 10099 unless it is \
                        set)? kyuubi+https:// is with TLS, kyuubi+http:// without; a server that was just started takes no sessions \
                        for some seconds";

/// The same error, said of a server that is spoken to over REST.
pub(crate) fn over_rest(mut error: EngineError) -> EngineError {
    for hint in &mut error.hints {
        if hint == WAY {
            hint.clear();
            hint.push_str(REST_WAY);
        }
    }
    error
}

/// The error that it is to the shell if there is no way to a server.
pub(crate) fn explain_connecting(error: Error) -> EngineError {
    let is_away = matches!(error, Error::Connect { .. });
    let mut shown = explain(error);
    if is_away {
        shown.hints = vec![WAY.to_owned()];
    }
    shown
}

/// The error that it is to the shell if no session could be opened.
pub(crate) fn explain_opening(error: Error) -> EngineError {
    let is_silence = matches!(
        error,
        Error::Lost { .. } | Error::Timeout { .. } | Error::Protocol { .. } | Error::Http { .. }
    );
    let mut shown = explain_connecting(error);
    shown.kind = ErrorKind::Connect;
    if is_silence {
        // A server that speaks otherwise closes the connection, or says what nobody understands.
        shown.hints = vec![WAY.to_owned()];
    }
    shown
}

/// The error that a call's failure is to the shell.
pub(crate) fn explain(error: Error) -> EngineError {
    let text = one_line(&error.to_string());
    let kind = match &error {
        Error::Server(failure) => return of_failure(failure),
        Error::Connect { .. }
        | Error::Registry { .. }
        | Error::Tls { .. }
        | Error::Login { .. }
        | Error::Kerberos { .. }
        | Error::Closed(_) => ErrorKind::Connect,
        Error::Certificate(_) => ErrorKind::Rejected,
        Error::Lost { .. } => ErrorKind::Lost,
        Error::Timeout { .. } => ErrorKind::Timeout,
        Error::Refused { .. } => ErrorKind::Unsupported,
        Error::Http { status: 502, .. } => ErrorKind::Lost,
        Error::Http { status: 503, .. } => ErrorKind::Connect,
        Error::Http { status: 504, .. } => ErrorKind::Timeout,
        _ => ErrorKind::Protocol,
    };
    let shown = EngineError::new(kind, text);
    match error {
        Error::Kerberos { cause, .. } => of_kerberos(shown, &cause),
        Error::Login {
            caller,
            cause,
            is_of_no_use,
            ..
        } => of_login(shown, &caller, &cause, is_of_no_use),
        Error::Tls { .. } => shown
            .hint("--ca FILE (in the URL ;ca=FILE or ;sslTrustStore=FILE) names the authority to trust, in PEM")
            .hint("a server without TLS is reached without ;ssl=true, or by kyuubi+http://"),
        // A session was open, so that its address is the right one.
        Error::Connect { .. } => shown.hint("is the server up? the next statement is sent in a new session when it is"),
        Error::Closed(_) | Error::Lost { .. } | Error::Timeout { .. } => {
            shown.hint("it was not sent again; the next statement is, in a session that is told what this one was")
        }
        Error::Http { text, .. } if !text.trim().is_empty() => shown.trace(text),
        _ => shown,
    }
}

/// What to do where Kerberos says no, by MIT's words for the common cases.
fn of_kerberos(error: EngineError, cause: &str) -> EngineError {
    const TICKET: &str = "kinit gets a ticket, klist shows those that there are; KRB5CCNAME says where they lie";
    let name = format!("is ;principal=… in the URL the server's name, with _HOST for the URL's host? It is {SERVICES}");
    if cause.contains("sasl.qop") {
        return error.hint("leave out ;saslQop=…, and what the server asks for is taken (hive.server2.thrift.sasl.qop, kyuubi.authentication.sasl.qop)");
    }
    // "Server krbtgt/THEIRS@OWN not found in Kerberos database"
    let realms = cause
        .split_once("krbtgt/")
        .and_then(|(_, realms)| realms.split_once('@'));
    if let Some((theirs, own)) = realms
        && own.contains("not found")
    {
        let own = own.split_whitespace().next().unwrap_or_default();
        return error
            .hint(format!(
                "the ticket is of the realm {own}, which knows no way to {theirs}: kinit NAME@{theirs} gets one there"
            ))
            .hint(name);
    }
    if cause.contains("not found in Kerberos database") {
        return error.hint(name);
    }
    if cause.contains("expired") || cause.contains("No Kerberos credentials") {
        return error.hint(TICKET);
    }
    error.hint(TICKET).hint(name)
}

/// What to do about a log-in that failed.
fn of_login(error: EngineError, caller: &Caller, cause: &str, is_of_no_use: bool) -> EngineError {
    match caller {
        Caller::Ticket if is_of_no_use => error.hint(format!(
            "the server takes no tickets of Kerberos: leave out ;principal=…, and say who you are by {CREDENTIALS}"
        )),
        Caller::Ticket => error
            .hint(format!("is ;principal=… in the URL this server's own name? It is {SERVICES}"))
            .hint("klist shows whose the ticket is, and for which servers; a new one (kinit) is known again if the server's keys have changed"),
        _ if cause.contains("Unsupported mechanism type PLAIN") || cause.contains("Kerberos") => error.hint(format!(
            "the server wants Kerberos: ;principal=hive/_HOST@REALM in the URL, the server's name: {SERVICES}"
        )),
        _ if is_of_no_use => error
            .hint(format!("the server wants other credentials: {CREDENTIALS}"))
            .hint(format!("or it wants Kerberos: ;principal=HTTP/_HOST@REALM in the URL, {SERVICES}")),
        _ => error.hint(format!("the server wants other credentials: {CREDENTIALS}")),
    }
}

/// The error that a server's no is.
pub(crate) fn of_failure(failure: &Failure) -> EngineError {
    let state = failure.sql_state.as_deref().unwrap_or_default();
    let position = position(&failure.message);
    // Class 42 of SQLSTATE: syntax error or access rule violation. Hive has its own codes for what it can't compile.
    let is_rejected = state.starts_with("42") || position.is_some() || (10_000..20_000).contains(&failure.code);
    let kind = match () {
        () if failure.is_unknown_handle => ErrorKind::NotFound,
        () if is_rejected => ErrorKind::Rejected,
        () => ErrorKind::Failed,
    };
    let mut message = headline(&failure.message);
    if kind == ErrorKind::Failed
        && let Some(root) = &failure.root
    {
        let root = headline(root);
        if !root.is_empty() {
            message = root;
        }
    }
    if !state.is_empty() {
        message = format!("{message} (SQLSTATE {})", one_line(state));
    }
    let mut error = EngineError::new(kind, message).trace(format!("{}\n{}", failure.message, failure.trace));
    error.position = position;
    if failure.is_unknown_handle {
        error = error.hint("the server has dropped the session or the statement; the next one gets a session that is told what this was");
    }
    error
}

/// What a person needs of a message: without the wrappers in front, the plan and the statement behind.
fn headline(text: &str) -> String {
    let mut text = text.trim();
    for wrapper in [
        "Error running query:",
        "Error while compiling statement:",
        "Error operating ExecuteStatement:",
        "FAILED:",
    ] {
        text = text.strip_prefix(wrapper).unwrap_or(text).trim_start();
    }
    // Spark: `[CODE] class: ` and the message itself, which begins with the code again.
    if let Some((code, _)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']'))
        && let Some(again) = text[1..].find(&format!("[{code}]"))
    {
        text = &text[again + 1..];
    }
    for mark in ["\n\n== SQL", "\n== SQL", ";\n", "\n\nDriver stacktrace", "\n\tat "] {
        text = text.find(mark).map_or(text, |end| &text[..end]);
    }
    one_line(&without_package(text))
}

/// `a.b.Class: text` as `Class: text`, and `a.b.Class: c.d.Other:text`, which Kyuubi makes of a cause, as `text`.
fn without_package(text: &str) -> String {
    if let Some(cause) = behind_class(text).map(str::trim_start)
        && let Some(mut inner) = behind_class(cause)
    {
        while let Some(text) = behind_class(inner.trim_start()) {
            inner = text;
        }
        if !inner.trim().is_empty() {
            return inner.trim_start().to_owned();
        }
    }
    match text.split_once(": ") {
        Some((class, rest))
            if class.contains('.')
                && class
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'$')) =>
        {
            format!("{}: {rest}", class.rsplit(['.', '$']).next().unwrap_or(class))
        }
        _ => text.to_owned(),
    }
}

/// What is behind the name of a class, with its package, and a colon, where the text begins so.
fn behind_class(text: &str) -> Option<&str> {
    let (name, rest) = text.split_once(':')?;
    let (package, class) = name.rsplit_once('.')?;
    let is_name = |text: &str, more: &[u8]| text.bytes().all(|c| c.is_ascii_alphanumeric() || more.contains(&c));
    let is_class = class.starts_with(|c: char| c.is_ascii_uppercase()) && is_name(class, b"_$");
    (is_class && is_name(package, b"._$")).then_some(rest)
}

/// The text in one line, cut to a length that fits a message.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(word.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }));
        if line.chars().count() > MESSAGE_LIMIT {
            return line.chars().take(MESSAGE_LIMIT).chain(['…']).collect();
        }
    }
    line
}

/// The place that a message names: `line 1, pos 7` or `line 1 pos 7` (Spark, whose columns begin at 0), `line 1:7` (Hive,
/// the same).
fn position(message: &str) -> Option<Position> {
    let mut rest = message;
    while let Some(at) = rest.find("line ") {
        rest = &rest[at + "line ".len()..];
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (line, after) = rest.split_at(digits);
        let column = [", pos ", " pos ", ":"]
            .iter()
            .find_map(|between| after.strip_prefix(between));
        let Some(column) = column else { continue };
        let digits = column.bytes().take_while(u8::is_ascii_digit).count();
        if let (Ok(line), Ok(column)) = (line.parse::<u32>(), column[..digits].parse::<u32>()) {
            return Some(Position {
                line: line.max(1),
                column: column.saturating_add(1),
                length: 1,
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(message: &str, state: Option<&str>) -> EngineError {
        of_failure(&Failure {
            message: message.to_owned(),
            sql_state: state.map(str::to_owned),
            ..Failure::default()
        })
    }

    #[test]
    fn sparks_message_is_said_once_and_points_into_the_statement() {
        let error = failed(
            "Error running query: [PARSE_SYNTAX_ERROR] org.apache.spark.sql.catalyst.parser.ParseException: \n\
             [PARSE_SYNTAX_ERROR] Syntax error at or near 'SELEC'.(line 1, pos 0)\n\n== SQL ==\nSELEC 1\n^^^\n",
            Some("42601"),
        );
        assert_eq!(error.kind, ErrorKind::Rejected);
        assert_eq!(
            error.message,
            "[PARSE_SYNTAX_ERROR] Syntax error at or near 'SELEC'.(line 1, pos 0) (SQLSTATE 42601)"
        );
        let position = error.position.unwrap();
        assert_eq!((position.line, position.column), (1, 1));
    }

    #[test]
    fn the_plan_is_for_the_trace() {
        let error = failed(
            "Error running query: [X] org.apache.spark.sql.AnalysisException: [X] The table `n` cannot be found.\nUse \
             DROP.; line 1 pos 19;\n'Project ['nosuch]\n",
            Some("42P01"),
        );
        assert_eq!(
            error.message,
            "[X] The table `n` cannot be found. Use DROP.; line 1 pos 19 (SQLSTATE 42P01)"
        );
        assert_eq!(error.position.unwrap().column, 20);
        assert!(error.trace.unwrap().contains("'Project"));
    }

    #[test]
    fn hives_message_points_too() {
        let error = failed(
            "Error while compiling statement: FAILED: SemanticException [Error 10001]: Line 1:14 Table not found 'n'",
            Some("42S02"),
        );
        assert!(error.message.starts_with("SemanticException [Error 10001]"), "{error}");
    }

    #[test]
    fn a_cause_is_said_without_the_classes_before_it() {
        let error = failed(
            "java.lang.RuntimeException: org.apache.calcite.sql.validate.SqlValidatorException:Column 'vv' not found",
            None,
        );
        assert_eq!(error.message, "Column 'vv' not found");
        let error = failed("java.lang.RuntimeException: java.lang.NullPointerException:", None);
        assert_eq!(error.message, "RuntimeException: java.lang.NullPointerException:");
        let error = failed("java.io.IOException: 127.0.0.1:80: refused", None);
        assert_eq!(error.message, "IOException: 127.0.0.1:80: refused");
    }

    #[test]
    fn what_failed_while_it_ran_says_its_root() {
        let error = of_failure(&Failure {
            message: "Error running query: org.apache.spark.SparkException: Job aborted".to_owned(),
            root: Some("java.lang.RuntimeException: boom".to_owned()),
            ..Failure::default()
        });
        assert_eq!(
            (error.kind, error.message.as_str()),
            (ErrorKind::Failed, "RuntimeException: boom")
        );
    }

    #[test]
    fn a_log_in_that_fails_is_told_what_to_do() {
        let user = || Caller::User("bee".to_owned());
        for (caller, cause, is_of_no_use, hint) in [
            (
                user(),
                "Unsupported mechanism type PLAIN",
                true,
                "wants Kerberos: ;principal=",
            ),
            (
                user(),
                "401 Unauthorized, the server wants Kerberos",
                false,
                "wants Kerberos: ;principal=",
            ),
            (
                user(),
                "the server knows no log-in of this kind",
                true,
                ";principal=HTTP/_HOST@REALM",
            ),
            (
                Caller::Nobody,
                "the server knows no log-in of this kind",
                true,
                "wants other credentials",
            ),
            (user(), "401 Unauthorized", false, "wants other credentials"),
            (Caller::Ticket, "GSS initiate failed", false, "this server's own name?"),
            (Caller::Ticket, "403 Forbidden", false, "begins with HTTP/"),
            (
                Caller::Ticket,
                "Unsupported mechanism type GSSAPI",
                true,
                "leave out ;principal=",
            ),
            (
                Caller::Ticket,
                "the server knows no log-in of this kind",
                true,
                "leave out ;principal=",
            ),
        ] {
            let (place, cause) = ("h:1".to_owned(), cause.to_owned());
            let error = explain(Error::Login {
                place,
                caller,
                cause,
                is_of_no_use,
            });
            assert!(error.hints.iter().any(|line| line.contains(hint)), "{hint}: {error:?}");
        }
    }

    #[test]
    fn kerberos_that_fails_is_told_what_to_do() {
        for (cause, hint, not) in [
            ("Ticket expired", "kinit gets", ";principal="),
            (
                "No Kerberos credentials available (default cache: FILE:/x)",
                "kinit gets",
                ";principal=",
            ),
            (
                "Server hive/h@A not found in Kerberos database",
                ";principal=",
                "kinit gets",
            ),
            (
                "Server krbtgt/A@B not found in Kerberos database",
                "kinit NAME@A",
                "kinit gets",
            ),
            (
                "the server does not offer auth-conf (sasl.qop), but auth",
                "saslQop",
                "kinit",
            ),
            ("Cannot contact any KDC for realm 'A'", "kinit gets", "sasl.qop"),
        ] {
            let (place, cause) = ("h:1".to_owned(), cause.to_owned());
            let hints = explain(Error::Kerberos { place, cause }).hints.join("\n");
            assert!(hints.contains(hint) && !hints.contains(not), "{hints}");
        }
    }

    #[test]
    fn any_text_makes_a_line() {
        assert_eq!(one_line("a\u{1b}[31m\n b"), "a\u{fffd}[31m b");
        assert!(one_line(&"xy ".repeat(2000)).chars().count() <= MESSAGE_LIMIT + 1);
        assert_eq!(position("line line 99999999999:1 line 3:"), None);
    }
}
