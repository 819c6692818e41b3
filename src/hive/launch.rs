//! The start of a session's engine, which a Kyuubi server begins when the session is opened: followed, and told.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use skep_engine::{Attempt, EngineError, ErrorKind, Result};
use skep_hive::{Client, Error, OperationHandle, OperationState, OperationStatus, Session};

use super::failure::{explain_opening, of_failure, one_line};

/// The pauses between looks at it.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// Lines of its log that are asked for at once, and that are kept for whoever asks why it failed.
const LOG_LINES: usize = 1000;
const PAGES: usize = 10;
const KEPT_LINES: usize = 100;

/// Waits until the engine of a session runs: any other call would wait for it as well, for as long as calls may take. What
/// the server says meanwhile is told, in short.
///
/// # Errors
/// It could not be started, has not been in time, or could not be asked about.
pub(super) async fn follow(client: &Client, session: &Session, attempt: &Attempt) -> Result<()> {
    let limit = client.limits().open;
    let deadline = Instant::now() + limit;
    let mut pause = FIRST_PAUSE;
    let mut log: Option<Log> = None;
    // A connection for what is asked while the other one waits, if there is need of it.
    let mut beside: Option<Option<Client>> = None;
    loop {
        let mut asked = pin!(ask(client, session));
        let answered = loop {
            tokio::select! {
                answered = &mut asked => break answered,
                () = tokio::time::sleep(LONGEST_PAUSE) => {}
            }
            // Kyuubi answers over Thrift when the state has changed, or after five seconds (kyuubi.operation.status.polling.timeout).
            let beside = match &mut beside {
                Some(beside) => beside,
                none => none.insert(client.another().await.ok().flatten()),
            };
            if let Some(beside) = beside {
                let log = match &mut log {
                    Some(log) => log,
                    none => none.insert(Log::begin(client, session, attempt).await),
                };
                log.read(beside, attempt).await;
            }
        };
        let status = match answered {
            Ok(Some(status)) => status,
            // Without an operation to ask about there is nothing to wait for.
            Ok(None) => return Ok(()),
            // It is not told any more: the session's first call tells what became of it.
            Err(Error::Server(_)) => return Ok(()),
            Err(error) => return Err(explain_opening(error)),
        };
        let has_failed = status.failure.is_some() || status.state == OperationState::Error;
        if status.state.is_terminal() && !has_failed {
            if log.is_some() {
                attempt.log.push("the session's engine runs");
            }
            return Ok(());
        }
        if log.is_none() {
            log = Some(Log::begin(client, session, attempt).await);
        }
        if let Some(log) = &mut log {
            log.read(client, attempt).await;
        }
        if has_failed {
            let failure = of_failure(&status.failure.unwrap_or_default());
            return Err(explain(failure, log));
        }
        if Instant::now() >= deadline {
            let message = format!("the session's engine has not started in {limit:?}");
            return Err(told(EngineError::new(ErrorKind::Connect, message), log));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// How far it is; nothing if nobody tells.
async fn ask(client: &Client, session: &Session) -> skep_hive::Result<Option<OperationStatus>> {
    match client.session_status(&session.handle).await? {
        Some(status) => Ok(Some(status)),
        None => match launch(client, session).await {
            Some(launch) => client.status(&launch).await.map(Some),
            None => Ok(None),
        },
    }
}

/// The operation that starts it. Not every server tells whoever asks, and it can be waited for without.
async fn launch(client: &Client, session: &Session) -> Option<OperationHandle> {
    client.launch(session).await.ok().flatten()
}

/// Why an engine could not be started, and what can be done.
fn explain(failure: EngineError, log: Option<Log>) -> EngineError {
    let trace = failure.trace.unwrap_or_default();
    let mut error = EngineError::new(
        ErrorKind::Connect,
        format!("the session's engine could not be started: {}", failure.message),
    );
    // "…, please check DIRECTORY at server side if necessary."
    if let Some((_, rest)) = trace.split_once("please check ")
        && let Some((place, _)) = rest.split_once(" at server side")
        && !place.contains(char::is_whitespace)
    {
        error = error.hint(format!("its own log is on the server, in {}", one_line(place)));
    }
    error = error
        .hint("?kyuubi.engine.type=FLINK_SQL in the URL (SPARK_SQL, TRINO, …) says which engine; the server has to know where that is installed")
        .trace(trace);
    told(error, log)
}

/// With the end of the launch's log.
fn told(mut error: EngineError, log: Option<Log>) -> EngineError {
    let Some(log) = log else { return error };
    if let Some(last) = log.last {
        error = error.hint(format!("the last word of its log: {last}"));
    }
    if !log.kept.is_empty() {
        let trace = error.trace.take().unwrap_or_default();
        let kept: Vec<_> = log.kept.into();
        error.trace = Some(format!("{trace}\nThe end of the launch's log:\n{}", kept.join("\n")));
    }
    error
}

/// The log of the operation that starts the engine: of its tens of kilobytes a person wants a line now and then.
struct Log {
    /// None if there is no operation, or no log of it, that whoever asks may read.
    launch: Option<OperationHandle>,
    schema: SchemaRef,
    kept: VecDeque<String>,
    last: Option<String>,
}

impl Log {
    fn new(launch: Option<OperationHandle>) -> Self {
        Self {
            launch,
            schema: Arc::new(Schema::new(vec![Field::new("log", DataType::Utf8, true)])),
            kept: VecDeque::new(),
            last: None,
        }
    }

    async fn begin(client: &Client, session: &Session, attempt: &Attempt) -> Self {
        attempt.log.push("the session's engine is being started");
        Self::new(launch(client, session).await)
    }

    /// Reads what has been added, up to some pages: who asks looks at the clock in between.
    async fn read(&mut self, client: &Client, attempt: &Attempt) {
        for _ in 0..PAGES {
            let Some(launch) = &self.launch else { return };
            let Ok(set) = client.log(launch, &self.schema, LOG_LINES).await else {
                self.launch = None;
                return;
            };
            let texts = set.rows.as_ref().and_then(|rows| rows.column(0).as_string_opt::<i32>());
            let Some(texts) = texts.filter(|texts| !texts.is_empty()) else {
                return;
            };
            for line in texts.iter().flatten().flat_map(str::lines) {
                if self.kept.len() == KEPT_LINES {
                    self.kept.pop_front();
                }
                self.kept.push_back(line.to_owned());
                if let Some(short) = in_short(line) {
                    attempt.log.push(short.clone());
                    self.last = Some(short);
                }
            }
            if texts.len() < LOG_LINES {
                return;
            }
        }
    }
}

/// What a person wants of a line, `2026-11-21 01:03:14.388 INFO a thread: 64 a.b.Class: message`: the class and the message;
/// nothing of those that the server's own machinery writes.
fn in_short(line: &str) -> Option<String> {
    const COMPLAINTS: [&str; 3] = ["Error: ", "Caused by: ", "Exception in thread"];
    if COMPLAINTS.iter().any(|word| line.starts_with(word)) {
        return Some(one_line(line));
    }
    let (date, rest) = line.split_once(' ')?;
    let (time, rest) = rest.trim_start().split_once(' ')?;
    let (level, mut rest) = rest.trim_start().split_once(' ')?;
    if !date.starts_with(|c: char| c.is_ascii_digit()) || !time.contains(':') {
        return None;
    }
    while let Some((before, message)) = rest.split_once(": ") {
        rest = message;
        let name = before.rsplit(' ').next().unwrap_or_default();
        let Some((package, class)) = name.rsplit_once('.') else {
            continue;
        };
        if !class.starts_with(|c: char| c.is_ascii_uppercase()) {
            continue;
        }
        let is_grave = matches!(level, "WARN" | "ERROR" | "FATAL");
        let is_machinery = package.contains(".shaded.")
            || package.contains("zookeeper")
            || class.ends_with("AuditLogger")
            || message.starts_with("Processing ");
        return match (is_machinery && !is_grave, is_grave) {
            (true, _) => None,
            (false, true) => Some(one_line(&format!("{level} {class}: {message}"))),
            (false, false) => Some(one_line(&format!("{class}: {message}"))),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_log_is_told_in_short() {
        let audit = "2026-11-21 01:03:14.373 INFO KyuubiRestFrontendService-43 org.apache.kyuubi.operation.OperationAuditLogger: \
                     operation=fa61\topType=LaunchEngine";
        let curator = "2026-11-21 01:03:14.388 INFO Pool: Thread-64 org.apache.kyuubi.shaded.curator.X: Starting";
        let processing = "2026-11-21 01:03:14.387 INFO Pool: Thread-64 org.apache.kyuubi.operation.LaunchEngine: Processing alice's \
                          query[fa61]: PENDING_STATE -> RUNNING_STATE, statement:";
        for line in [audit, curator, processing, "LaunchEngine", "\t--conf a=b \\", ""] {
            assert_eq!(in_short(line), None, "{line}");
        }
        for (line, short) in [
            (
                "2026-11-21 01:03:14.390 INFO Pool: Thread-64 org.apache.kyuubi.engine.ProcBuilder: Creating the directory: /x",
                "ProcBuilder: Creating the directory: /x",
            ),
            (
                "2026-11-21 01:03:14,390 WARN  main org.apache.kyuubi.shaded.zookeeper.Y: no \x1b[2J way",
                "WARN Y: no \u{fffd}[2J way",
            ),
            (
                "Error: Could not find or load main class a.B",
                "Error: Could not find or load main class a.B",
            ),
        ] {
            assert_eq!(in_short(line).as_deref(), Some(short));
        }
    }

    #[test]
    fn a_failure_says_its_root_and_where_to_look() {
        let failure = EngineError::failed("NoClassDefFoundError: scala/Product").trace(
            "Failed to detect the root cause, please check /srv/engines at server side if necessary. The last 10 line(s) of log \
             are:\nError: no",
        );
        let mut log = Log::new(None);
        log.kept.push_back("Error: no".to_owned());
        log.last = Some("Error: no".to_owned());
        let error = explain(failure, Some(log));
        assert!(
            error.message.ends_with(": NoClassDefFoundError: scala/Product"),
            "{error}"
        );
        assert!(error.hints[0].ends_with("/srv/engines"), "{:?}", error.hints);
        assert!(error.hints.last().unwrap().ends_with("Error: no"), "{:?}", error.hints);
        assert!(
            error
                .trace
                .unwrap()
                .ends_with("The end of the launch's log:\nError: no")
        );
    }

    proptest! {
        #[test]
        fn any_line_is_told_or_left_out(line in "[0-9]{0,3}([ -~é\t]|: |a\\.B: |INFO ){0,40}") {
            if let Some(short) = in_short(&line) {
                prop_assert!(!short.contains(char::is_control));
            }
        }
    }
}
