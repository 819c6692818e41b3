//! The calls over Kyuubi's REST API, `/api/v1` (seen on 1.11.1).
//!
//! A session and an operation have the same ids as over Thrift. Nearly every refusal is a 404, whatever it is about, whose
//! body says `{"message": "…"}` with a stack trace in it.

mod body;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod rows;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::SchemaRef;
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub use body::{EngineEntry, OperationEntry, SessionEntry};

use crate::error::{Error, Failure, Result};
use crate::limits::Limits;
use crate::page::Orientation;
use crate::schema::TableSchema;
use crate::service::{
    Handle, OperationHandle, OperationState, OperationStatus, Protocol, RowSet, Session, SessionHandle,
};
use crate::transport::Endpoint;
use crate::transport::http::{Answer, Http, Request};

/// The call that gives rows.
const ROW_SET: &str = "GET /operations/…/rowset";

/// How the operation that starts a session's engine calls itself.
const LAUNCH: &str = "LaunchEngine";

/// Lines of a log that are asked for at once.
const LOG_LINES: usize = 1000;

/// The pauses between looks at an operation that is not finished.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// A Kyuubi server. What each call does: [`crate::Client`].
#[derive(Debug)]
pub(crate) struct Calls {
    http: Http,
    limits: Limits,
}

/// Reads the rows of a page, in the columns that `schema` has.
pub(crate) fn read_page(page: &[u8], schema: &SchemaRef) -> Result<RowSet> {
    Ok(RowSet {
        rows: Some(rows::read(page, schema).map_err(Error::malformed(ROW_SET))?),
        bytes: page.len(),
        more: false,
    })
}

impl Calls {
    pub(crate) fn connect(endpoint: &Endpoint, limits: Limits) -> Result<Option<Self>> {
        Ok(Http::open(endpoint, &limits)?.map(|http| Self { http, limits }))
    }

    /// The user that the request says it is opens it.
    pub(crate) async fn open_session(&self, configuration: &BTreeMap<String, String>) -> Result<Session> {
        const CALL: &str = "POST /sessions";
        let body = json!({ "configs": configuration });
        let begun: body::Begun = self.post(CALL, "/sessions", &body, self.limits.open).await?;
        let handle = handle(CALL, &begun.identifier)?;
        Ok(Session {
            handle: SessionHandle(handle),
            protocol: Protocol::V1,
            configuration: BTreeMap::new(),
        })
    }

    pub(crate) async fn close_session(&self, session: &SessionHandle) -> Result<()> {
        let request = Request {
            method: Method::DELETE,
            path: of_session(session),
            body: None,
        };
        self.send("DELETE /sessions/…", request, self.limits.request).await?;
        Ok(())
    }

    pub(crate) async fn session_status(&self, session: &SessionHandle) -> Result<OperationStatus> {
        let event: body::SessionEvent = self.get("GET /sessions/…", &of_session(session)).await?;
        Ok(event.status())
    }

    /// Everybody may ask for it on a server without authentication, an administrator elsewhere. Where nobody else has an
    /// operation, the session's own list has it too; else that fails ("No serializer found", a bug of the server's).
    pub(crate) async fn launch(&self, session: &SessionHandle) -> Result<Option<OperationHandle>> {
        let operations = self.operations(session).await?;
        let own = session.id().to_string();
        let launch = operations
            .iter()
            .find(|entry| entry.statement == LAUNCH && entry.session_id == own);
        let handle = launch.and_then(|entry| Handle::of_uuid(&entry.identifier));
        Ok(handle.map(|handle| OperationHandle::unknown(handle, false)))
    }

    /// The operations of a session.
    async fn operations(&self, session: &SessionHandle) -> Result<Vec<OperationEntry>> {
        let path = format!("/admin/operations?sessionHandle={}", session.id());
        match self.get("GET /admin/operations", &path).await {
            Ok(found) => Ok(found),
            Err(error @ (Error::Server(_) | Error::Http { .. } | Error::Login { .. })) => {
                let path = format!("{}/operations", of_session(session));
                let own = self.get("GET /sessions/…/operations", &path).await;
                own.map_err(|_| error)
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn list_sessions(&self) -> Result<Vec<SessionEntry>> {
        self.get("GET /sessions", "/sessions").await
    }

    pub(crate) async fn list_operations(&self, own: &SessionHandle) -> Result<(Vec<OperationEntry>, bool)> {
        match self.get("GET /admin/operations", "/admin/operations").await {
            Ok(found) => Ok((found, true)),
            Err(error @ (Error::Server(_) | Error::Http { .. } | Error::Login { .. })) => {
                let own = self.operations(own).await;
                own.map(|found| (found, false)).map_err(|_| error)
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn list_engines(&self, filters: &[(&str, &str)]) -> Result<Vec<EngineEntry>> {
        let filters: Vec<_> = filters
            .iter()
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect();
        let path = format!("/admin/engine?{}", filters.join("&"));
        self.get("GET /admin/engine", path.trim_end_matches('?')).await
    }

    pub(crate) async fn info(&self, session: &SessionHandle, what: i32) -> Result<Option<String>> {
        let path = format!("{}/info/{what}", of_session(session));
        let info: body::Info = self.get("GET /sessions/…/info", &path).await?;
        Ok(info.info_value)
    }

    pub(crate) async fn execute(
        &self,
        session: &SessionHandle,
        statement: &str,
        settings: &BTreeMap<String, String>,
        timeout: Option<Duration>,
    ) -> Result<OperationHandle> {
        let mut body = json!({ "statement": statement, "runAsync": true });
        if !settings.is_empty() {
            body["confOverlay"] = json!(settings);
        }
        if let Some(timeout) = timeout {
            body["queryTimeout"] = json!(timeout.as_secs().max(1));
        }
        self.begin(session, "statement", Some(&body), self.limits.execute).await
    }

    pub(crate) async fn catalogs(&self, session: &SessionHandle) -> Result<OperationHandle> {
        self.begin(session, "catalogs", None, self.limits.request).await
    }

    pub(crate) async fn schemas(
        &self,
        session: &SessionHandle,
        catalog: Option<&str>,
        schema: Option<&str>,
    ) -> Result<OperationHandle> {
        let body = json!({ "catalogName": catalog, "schemaName": schema });
        self.begin(session, "schemas", Some(&body), self.limits.request).await
    }

    pub(crate) async fn tables(
        &self,
        session: &SessionHandle,
        catalog: Option<&str>,
        schema: Option<&str>,
        table: Option<&str>,
        types: &[&str],
    ) -> Result<OperationHandle> {
        let body = json!({ "catalogName": catalog, "schemaName": schema, "tableName": table, "tableTypes": types });
        self.begin(session, "tables", Some(&body), self.limits.request).await
    }

    pub(crate) async fn columns(
        &self,
        session: &SessionHandle,
        catalog: Option<&str>,
        schema: Option<&str>,
        table: Option<&str>,
        column: Option<&str>,
    ) -> Result<OperationHandle> {
        let body = json!({ "catalogName": catalog, "schemaName": schema, "tableName": table, "columnName": column });
        self.begin(session, "columns", Some(&body), self.limits.request).await
    }

    pub(crate) async fn status(&self, operation: &OperationHandle) -> Result<OperationStatus> {
        let path = format!("{}/event", of_operation(operation));
        let event: body::OperationEvent = self.get("GET /operations/…/event", &path).await?;
        Ok(event.status())
    }

    pub(crate) async fn cancel(&self, operation: &OperationHandle) -> Result<()> {
        self.act(operation, "CANCEL").await
    }

    pub(crate) async fn close(&self, operation: &OperationHandle) -> Result<()> {
        self.act(operation, "CLOSE").await
    }

    pub(crate) async fn schema(&self, operation: &OperationHandle) -> Result<TableSchema> {
        let path = format!("{}/resultsetmetadata", of_operation(operation));
        let answer = self
            .result("GET /operations/…/resultsetmetadata", operation, &path)
            .await?;
        let metadata: body::Metadata = understood("GET /operations/…/resultsetmetadata", &answer)?;
        Ok(metadata.schema())
    }

    pub(crate) async fn page(&self, operation: &OperationHandle, limit: usize) -> Result<Vec<u8>> {
        // The server reads it as an `int`.
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        self.row_set(operation, Orientation::Next, limit).await
    }

    pub(crate) async fn turn(&self, operation: &OperationHandle, orientation: Orientation, count: i32) -> Result<()> {
        self.row_set(operation, orientation, count).await.map(|_| ())
    }

    async fn row_set(&self, operation: &OperationHandle, orientation: Orientation, limit: i32) -> Result<Vec<u8>> {
        let path = format!(
            "{}/rowset?maxrows={limit}&fetchorientation={}",
            of_operation(operation),
            orientation.name()
        );
        self.result(ROW_SET, operation, &path).await
    }

    pub(crate) async fn log(&self, operation: &OperationHandle, schema: &SchemaRef, limit: usize) -> Result<RowSet> {
        const CALL: &str = "GET /operations/…/log";
        let lines = self.lines(operation, limit).await?;
        let bytes = lines.iter().map(String::len).sum();
        let column: ArrayRef = Arc::new(StringArray::from(lines));
        let rows = RecordBatch::try_new(SchemaRef::clone(schema), vec![column])
            .map_err(|error| Error::protocol(CALL, error.to_string()))?;
        Ok(RowSet {
            rows: Some(rows),
            bytes,
            more: false,
        })
    }

    /// There is no such call over REST: the engine's log names the job that it submitted.
    pub(crate) async fn query_id(&self, operation: &OperationHandle) -> Result<String> {
        let since = Instant::now();
        self.await_end(operation, self.limits.request).await?;
        let mut log = Vec::new();
        loop {
            let lines = self.lines(operation, LOG_LINES).await?;
            let is_last = lines.len() < LOG_LINES || since.elapsed() >= self.limits.request;
            log.extend(lines);
            if is_last {
                break;
            }
            // The newest lines are those of the submission.
            log.drain(..log.len().saturating_sub(LOG_LINES));
        }
        submitted(&log.join("\n")).ok_or_else(|| Error::Refused {
            call: "GET /operations/…/log",
            message: "no job is named in it".to_owned(),
        })
    }

    async fn lines(&self, operation: &OperationHandle, limit: usize) -> Result<Vec<String>> {
        let path = format!("{}/log?maxrows={limit}", of_operation(operation));
        let log: body::Log = self.get("GET /operations/…/log", &path).await?;
        Ok(log.log_row_set)
    }

    /// Begins an operation in a session.
    async fn begin(
        &self,
        session: &SessionHandle,
        what: &'static str,
        body: Option<&Value>,
        limit: Duration,
    ) -> Result<OperationHandle> {
        let call = match what {
            "statement" => "POST /sessions/…/operations/statement",
            _ => "POST /sessions/…/operations",
        };
        let path = format!("{}/operations/{what}", of_session(session));
        let begun: body::Begun = match body {
            Some(body) => self.post(call, &path, body, limit).await?,
            None => self.post(call, &path, &json!({}), limit).await?,
        };
        Ok(OperationHandle::unknown(handle(call, &begun.identifier)?, true))
    }

    /// Does something to an operation. One that is no more is told by a 404 as everything else.
    async fn act(&self, operation: &OperationHandle, action: &str) -> Result<()> {
        let request = Request {
            method: Method::PUT,
            path: of_operation(operation),
            body: json_body(&json!({ "action": action })),
        };
        self.send("PUT /operations/…", request, self.limits.request).await?;
        Ok(())
    }

    /// What an operation has resulted in. Who asks before it is finished is refused, and asks again then.
    async fn result(&self, call: &'static str, operation: &OperationHandle, path: &str) -> Result<Vec<u8>> {
        let (since, limit) = (Instant::now(), self.limits.fetch);
        let mut pause = FIRST_PAUSE;
        loop {
            match self.bytes(call, path, limit).await {
                Err(Error::Server(failure)) if is_early(&failure) => {
                    let left = limit.saturating_sub(since.elapsed());
                    self.await_end(operation, left).await?;
                    if since.elapsed() >= limit {
                        return Err(Error::Timeout { call, limit });
                    }
                    // It may say that it has ended, and not know that itself.
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                other => return other,
            }
        }
    }

    /// Waits until an operation runs no more.
    async fn await_end(&self, operation: &OperationHandle, limit: Duration) -> Result<OperationState> {
        let since = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let state = self.status(operation).await?.state;
            if state.is_terminal() {
                return Ok(state);
            }
            if since.elapsed() >= limit {
                return Err(Error::Timeout {
                    call: "GET /operations/…/event",
                    limit,
                });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn get<T: DeserializeOwned>(&self, call: &'static str, path: &str) -> Result<T> {
        let answer = self.bytes(call, path, self.limits.request).await?;
        understood(call, &answer)
    }

    async fn bytes(&self, call: &'static str, path: &str, limit: Duration) -> Result<Vec<u8>> {
        let request = Request {
            method: Method::GET,
            path: path.to_owned(),
            body: None,
        };
        self.send(call, request, limit).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        call: &'static str,
        path: &str,
        body: &Value,
        limit: Duration,
    ) -> Result<T> {
        let request = Request {
            method: Method::POST,
            path: path.to_owned(),
            body: json_body(body),
        };
        let answer = self.send(call, request, limit).await?;
        understood(call, &answer)
    }

    async fn send(&self, call: &'static str, request: Request, limit: Duration) -> Result<Vec<u8>> {
        let answer = self.http.ask(call, request, limit).await?;
        if answer.status.is_success() {
            Ok(answer.body)
        } else {
            Err(self.refused(call, &answer))
        }
    }

    /// What an answer other than 2xx stands for.
    fn refused(&self, call: &'static str, answer: &Answer) -> Error {
        if answer.status == StatusCode::UNAUTHORIZED {
            return self.http.stranger(answer);
        }
        let refusal = serde_json::from_slice::<body::Refusal>(&answer.body);
        match refusal {
            // The words of the layer that has no such path: it is not the API, or not this version of it.
            Ok(refusal) if !refusal.message.starts_with("HTTP ") => {
                Error::Server(Box::new(Failure::of_answer(&refusal.message)))
            }
            _ if answer.status == StatusCode::FORBIDDEN => self.http.stranger(answer),
            _ => Error::Http {
                call,
                status: answer.status.as_u16(),
                text: answer.text(),
            },
        }
    }
}

fn of_session(session: &SessionHandle) -> String {
    format!("/sessions/{}", session.id())
}

fn of_operation(operation: &OperationHandle) -> String {
    format!("/operations/{}", operation.id())
}

fn json_body(value: &Value) -> Option<(&'static str, Vec<u8>)> {
    Some(("application/json", value.to_string().into_bytes()))
}

fn handle(call: &'static str, text: &str) -> Result<Handle> {
    Handle::of_uuid(text).ok_or_else(|| Error::protocol(call, "its identifier is no UUID"))
}

fn understood<T: DeserializeOwned>(call: &'static str, answer: &[u8]) -> Result<T> {
    serde_json::from_slice(answer).map_err(|error| Error::protocol(call, error.to_string()))
}

/// A value of a query in a URL.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// "Expected state FINISHED, but found RUNNING".
fn is_early(failure: &Failure) -> bool {
    let Some((_, found)) = failure.message.split_once("Expected state FINISHED, but found ") else {
        return false;
    };
    !OperationState::of_name(found.split_whitespace().next().unwrap_or_default()).is_terminal()
}

/// The id of the job in `Submitting job 'NAME' (ID).`, which is over lines where the name is.
fn submitted(log: &str) -> Option<String> {
    const DIGITS: usize = 32;
    let (_, mut rest) = log.rsplit_once("Submitting job '")?;
    while let Some((_, after)) = rest.split_once("' (") {
        if let Some((id, end)) = after.split_at_checked(DIGITS)
            && end.starts_with(')')
            && id.bytes().all(|digit| digit.is_ascii_hexdigit())
        {
            return Some(id.to_owned());
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "9369c4f0541ee62ed3a413b57e6b1406";

    #[test]
    fn the_log_names_the_job_though_its_name_is_over_lines() {
        let log = format!(
            "2026-11-21 01:17:56.755 INFO X a.b.RestClusterClient: Submitting job 'SELECT `src`.`id`\nFROM 'x' (y)\n' ({ID}).\n\
             2026-11-21 01:17:56.871 INFO X a.b.RestClusterClient: Successfully submitted job 'SELECT' ({ID}) to 'http://h'."
        );
        assert_eq!(submitted(&log).as_deref(), Some(ID));
        assert_eq!(submitted("Submitting job 'x' (9369)."), None);
        assert_eq!(submitted("nothing"), None);
    }

    #[test]
    fn a_refusal_is_what_thrift_would_say() {
        let failure = Failure::of_answer(
            "Error executing statement: org.apache.kyuubi.KyuubiSQLException: Error operating ExecuteStatement: \
             org.apache.flink.table.api.ValidationException: SQL validation failed. From line 1, column 8 to line 1, column \
             13: Column 'nosuch' not found in any table\n\tat a.B.c(D.scala:1)\nCaused by: e.F: deep\n\tat g.H\n",
        );
        assert!(
            failure
                .message
                .starts_with("Error operating ExecuteStatement: org.apache.flink"),
            "{failure:?}"
        );
        assert!(failure.message.ends_with("not found in any table"), "{failure:?}");
        assert_eq!(failure.root.as_deref(), Some("e.F: deep"));
        let id = "d88a2c0c-2012-48b4-9f16-92741b1b8e0b";
        for words in ["Error executing statement", &format!("Invalid {id}")] {
            let text = format!("{words}: org.apache.kyuubi.KyuubiSQLException: Invalid SessionHandle [{id}]\n\tat a\n");
            assert!(Failure::of_answer(&text).is_unknown_handle, "{text}");
        }
        assert!(Failure::of_answer(&format!("Invalid SessionHandle [{id}]")).is_unknown_handle);
    }

    #[test]
    fn who_asks_too_early_is_told_so() {
        let early = |text: &str| is_early(&Failure::of_answer(text));
        assert!(early(
            "Error getting result row set: org.apache.kyuubi.KyuubiSQLException: Expected state FINISHED, but found RUNNING\n\tat a"
        ));
        assert!(early("Expected state FINISHED, but found PENDING"));
        assert!(!early("Expected state FINISHED, but found ERROR"));
        assert!(!early("Expected state FINISHED, but found "));
        assert!(!early("no"));
    }

    #[test]
    fn a_uuid_is_a_handle_and_nothing_else() {
        let id = "856d3052-e6f6-4882-8e33-9c7bff3633cf";
        assert_eq!(Handle::of_uuid(id).unwrap().to_string(), id);
        for text in [
            "",
            "856d3052",
            "856d3052-e6f6-4882-8e33-9c7bff3633cg",
            "856d3052-e6f6-4882-8e33-9c7bff3633cé",
        ] {
            assert!(Handle::of_uuid(text).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_log_is_searched(text in "(Submitting job '|' \\(|[0-9a-f)é\n]{0,40}){0,6}") {
            if let Some(id) = submitted(&text) {
                prop_assert!(text.contains(&id) && id.len() == 32);
            }
        }

        #[test]
        fn any_refusal_is_a_failure(text in "(org\\.apache\\.kyuubi\\.KyuubiSQLException: |\n\tat |\nCaused by: |[ -~é]{0,20}){0,8}") {
            prop_assert!(!Failure::of_answer(&text).message.is_empty());
        }
    }
}
