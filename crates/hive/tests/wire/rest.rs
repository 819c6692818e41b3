//! Kyuubi's REST API: what is asked, and what is made of answers as a real server (1.11.1) was recorded to give.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use skep_hive::{
    Authorization, Client, Endpoint, Error, Header, OperationHandle, OperationState, Orientation, Session, Transport,
};

use crate::http::{Server, answer};
use crate::limits;

const SESSION: &str = "856d3052-e6f6-4882-8e33-9c7bff3633cf";
const OPERATION: &str = "be60467c-52bb-4c2d-9eff-41031ae821c1";

fn ok(body: &str) -> Vec<u8> {
    answer("200 OK", "content-type: application/json\r\n", body.as_bytes())
}

fn no(message: &str) -> Vec<u8> {
    let body = format!(r#"{{"message": "{message}"}}"#);
    answer("404 Not Found", "content-type: application/json\r\n", body.as_bytes())
}

fn begun(id: &str) -> Vec<u8> {
    ok(&format!(
        r#"{{"identifier": "{id}", "kyuubiInstance": "127.0.0.1:10099"}}"#
    ))
}

fn event(state: &str) -> Vec<u8> {
    ok(&format!(
        r#"{{"statementId": "{OPERATION}", "state": "{state}_STATE", "exception": null}}"#
    ))
}

async fn connect(server: &Server) -> Client {
    let endpoint = Endpoint {
        host: "127.0.0.1".to_owned(),
        port: server.port,
        transport: Transport::Rest {
            authorization: Some(Authorization::Basic {
                user: "alice".to_owned(),
                password: "x".to_owned(),
            }),
            headers: vec![Header("x-trace".to_owned(), "7".to_owned())],
        },
        tls: None,
    };
    Client::connect(&endpoint, limits()).await.unwrap()
}

/// A server, a session on it, and an operation of that: what follows is answered by these.
async fn started(answers: Vec<Vec<u8>>) -> (Server, Client, Session, OperationHandle) {
    let answers = [vec![begun(SESSION), begun(OPERATION)], answers].concat();
    let server = Server::start(None, answers);
    let client = connect(&server).await;
    let configuration = BTreeMap::from([("kyuubi.engine.type".to_owned(), "FLINK_SQL".to_owned())]);
    let session = client.open_session("", "", &configuration).await.unwrap();
    let operation = client
        .execute(
            &session.handle,
            "SELECT 'é'",
            &BTreeMap::new(),
            Some(Duration::from_secs(7)),
        )
        .await
        .unwrap();
    (server, client, session, operation)
}

/// What was asked since the session and its operation were begun, each in a line.
fn asked(server: &Server) -> Vec<String> {
    server
        .heard
        .try_iter()
        .skip(2)
        .map(|request| {
            let line = request.head[0].trim_end_matches(" HTTP/1.1").replace("/api/v1", "");
            let line = line.replace(SESSION, "S").replace(OPERATION, "O");
            format!("{line} {}", String::from_utf8(request.body).unwrap())
                .trim()
                .to_owned()
        })
        .collect()
}

#[tokio::test]
async fn sessions_and_statements_are_posts_of_json() {
    let (server, _client, session, operation) = started(Vec::new()).await;
    assert_eq!(session.handle.id().to_string(), SESSION);
    assert_eq!(operation.id().to_string(), OPERATION);
    let open = server.heard.recv().unwrap();
    assert_eq!(open.head[0], "POST /api/v1/sessions HTTP/1.1");
    assert_eq!(open.header("authorization"), Some("Basic YWxpY2U6eA=="));
    assert_eq!(open.header("content-type"), Some("application/json"));
    assert_eq!(open.header("x-trace"), Some("7"));
    assert_eq!(open.body, br#"{"configs":{"kyuubi.engine.type":"FLINK_SQL"}}"#);
    let execute = server.heard.recv().unwrap();
    assert_eq!(
        execute.head[0],
        format!("POST /api/v1/sessions/{SESSION}/operations/statement HTTP/1.1")
    );
    assert_eq!(
        execute.body,
        r#"{"statement":"SELECT 'é'","runAsync":true,"queryTimeout":7}"#.as_bytes()
    );
}

#[tokio::test]
async fn each_call_is_a_request() {
    let (server, client, session, operation) = started(vec![
        ok(r#"{"openedTime": -1, "exception": null}"#),
        ok(r#"{"infoType": "CLI_SERVER_NAME", "infoValue": "Apache Flink"}"#),
        begun(OPERATION),
        begun(OPERATION),
        event("RUNNING"),
        ok(r#"{"logRowSet": ["one", "two"], "rowCount": 2}"#),
        answer("200 OK", "", b""),
        answer("200 OK", "", b""),
        answer("200 OK", "", b""),
    ])
    .await;
    let status = client.session_status(&session.handle).await.unwrap().unwrap();
    assert_eq!(status.state, OperationState::Running);
    assert_eq!(
        client.info(&session.handle, 13).await.unwrap().as_deref(),
        Some("Apache Flink")
    );
    client
        .tables(&session.handle, None, Some("%"), Some("t_"), &[])
        .await
        .unwrap();
    client
        .columns(&session.handle, None, Some("%"), Some("t"), Some("%"))
        .await
        .unwrap();
    assert_eq!(client.status(&operation).await.unwrap().state, OperationState::Running);
    let schema = Arc::new(Schema::new(vec![Field::new("log", DataType::Utf8, true)]));
    let log = client.log(&operation, &schema, 100).await.unwrap().rows.unwrap();
    assert_eq!(log.column(0).as_string::<i32>().value(1), "two");
    client.cancel(&operation).await.unwrap();
    client.close(&operation).await.unwrap();
    client.close_session(&session.handle).await.unwrap();
    assert_eq!(
        asked(&server),
        [
            "GET /sessions/S",
            "GET /sessions/S/info/13",
            r#"POST /sessions/S/operations/tables {"catalogName":null,"schemaName":"%","tableName":"t_","tableTypes":[]}"#,
            r#"POST /sessions/S/operations/columns {"catalogName":null,"schemaName":"%","tableName":"t","columnName":"%"}"#,
            "GET /operations/O/event",
            "GET /operations/O/log?maxrows=100",
            r#"PUT /operations/O {"action":"CANCEL"}"#,
            r#"PUT /operations/O {"action":"CLOSE"}"#,
            "DELETE /sessions/S",
        ]
    );
}

/// Rows that are asked for before the operation is finished are asked for again when it is, and then only.
#[tokio::test]
async fn who_comes_too_early_waits() {
    let early = "Error getting result row set for operation handle O: org.apache.kyuubi.KyuubiSQLException: Expected state \
                 FINISHED, but found RUNNING\\n\\tat org.apache.kyuubi.X.y(X.scala:1)\\n";
    let (server, client, _session, operation) = started(vec![
        ok(r#"{"columns": [{"columnName": "x", "dataType": "BIGINT_TYPE", "columnIndex": 0, "precision": 0, "scale": 0}]}"#),
        no(early),
        event("RUNNING"),
        event("FINISHED"),
        ok(r#"{"rows": [{"fields": [{"dataType": "I64_VAL", "value": -2751879784529822007}]}], "rowCount": 1}"#),
        ok(r#"{"rows": [], "rowCount": 0}"#),
    ])
    .await;
    let schema = client.schema(&operation).await.unwrap().to_arrow("type");
    let rows = client.fetch(&operation, &schema, 5).await.unwrap().rows.unwrap();
    assert_eq!(
        rows.column(0).as_primitive::<Int64Type>().value(0),
        -2_751_879_784_529_822_007
    );
    assert_eq!(
        client
            .fetch(&operation, &schema, 5)
            .await
            .unwrap()
            .rows
            .unwrap()
            .num_rows(),
        0
    );
    let rowset = "GET /operations/O/rowset?maxrows=5&fetchorientation=FETCH_NEXT";
    let event = "GET /operations/O/event";
    let metadata = "GET /operations/O/resultsetmetadata";
    assert_eq!(asked(&server), [metadata, rowset, event, event, rowset, rowset]);
}

#[tokio::test]
async fn a_place_in_a_result_is_asked_for() {
    let words = "Error getting result row set for operation handle O: org.apache.kyuubi.KyuubiSQLException: Cannot skip to \
                 an unreachable position 3.\\n\\tat org.apache.kyuubi.X.y(X.scala:1)\\n";
    let (server, client, _session, operation) = started(vec![ok(r#"{"rows": [], "rowCount": 0}"#), no(words)]).await;
    client.turn(&operation, Orientation::First, 0).await.unwrap();
    let refused = client.turn(&operation, Orientation::Prior, -3).await.unwrap_err();
    assert_eq!(refused.to_string(), "Cannot skip to an unreachable position 3.");
    assert_eq!(
        asked(&server),
        [
            "GET /operations/O/rowset?maxrows=0&fetchorientation=FETCH_FIRST",
            "GET /operations/O/rowset?maxrows=-3&fetchorientation=FETCH_PRIOR",
        ]
    );
}

#[tokio::test]
async fn the_job_is_named_by_the_log() {
    let log = r#"{"logRowSet": ["2026-11-21 01:17:56.755 INFO X a.RestClusterClient: Submitting job 'SELECT `src`.`id`",
        "FROM `src`' (9369c4f0541ee62ed3a413b57e6b1406).", "2026-11-21 01:17:56.871 INFO X a.Y: Successfully"], "rowCount": 3}"#;
    let nothing = r#"{"logRowSet": ["2026-11-21 01:17:56.755 INFO X a.B: c"], "rowCount": 1}"#;
    let (server, client, _session, operation) =
        started(vec![event("FINISHED"), ok(log), event("FINISHED"), ok(nothing)]).await;
    let id = client.query_id(&operation).await.unwrap();
    assert_eq!(id, "9369c4f0541ee62ed3a413b57e6b1406");
    let none = client.query_id(&operation).await.unwrap_err();
    assert!(matches!(none, Error::Refused { .. }), "{none}");
    assert_eq!(asked(&server)[1], "GET /operations/O/log?maxrows=1000");
}

#[tokio::test]
async fn the_launch_is_found_though_one_list_fails() {
    let launch = format!(
        r#"[{{"identifier": "00000000-0000-0000-0000-000000000001", "statement": "SELECT 1", "sessionId": "{SESSION}"}},
            {{"identifier": "{OPERATION}", "statement": "LaunchEngine", "state": "RUNNING_STATE", "sessionId": "{SESSION}"}}]"#
    );
    let forbidden = answer(
        "403 Forbidden",
        "",
        br#"{"message": "alice is not allowed to list all the operations"}"#,
    );
    let bug = answer(
        "400 Bad Request",
        "content-type: text/plain\r\n",
        b"No serializer found for class scala.runtime.BoxedUnit",
    );
    let (server, client, session, _operation) = started(vec![
        ok(&launch),
        forbidden.clone(),
        ok(&launch),
        forbidden.clone(),
        bug.clone(),
        forbidden.clone(),
        forbidden,
        bug,
    ])
    .await;
    for _ in 0..2 {
        let found = client.launch(&session).await.unwrap().unwrap();
        assert_eq!(found.id().to_string(), OPERATION);
    }
    let refused = client.launch(&session).await.unwrap_err();
    assert!(refused.to_string().contains("not allowed"), "{refused}");
    let refused = client.list_operations(&session.handle).await.unwrap_err();
    assert!(refused.to_string().contains("not allowed"), "{refused}");
    let (all, own) = ("GET /admin/operations?sessionHandle=S", "GET /sessions/S/operations");
    assert_eq!(
        asked(&server),
        [all, all, own, all, own, "GET /admin/operations", all, own]
    );
}

#[tokio::test]
async fn a_refusal_is_told_and_nothing_is_sent_again() {
    let unknown = format!(
        "Error getting an operation event: org.apache.kyuubi.KyuubiSQLException: Invalid OperationHandle [{OPERATION}]\\n\\tat a.B\\n"
    );
    let failed = "Error getting result row set: org.apache.kyuubi.KyuubiSQLException: Futures timed out after [1000 milliseconds]\
                  \\n\\tat a.B\\nCaused by: java.util.concurrent.TimeoutException: Futures timed out after [1000 milliseconds]\\n\\tat c.D";
    let (server, client, _session, operation) = started(vec![
        no(&unknown),
        no(failed),
        no("HTTP 404 Not Found"),
        answer("401 Unauthorized", "", b"<html>Error 401"),
        answer("502 Bad Gateway", "", b"<html>"),
        answer("307 Elsewhere", "location: http://127.0.0.1:1/\r\n", b""),
        ok("<html>"),
        b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{".to_vec(),
    ])
    .await;
    let Err(Error::Server(failure)) = client.status(&operation).await else {
        panic!("it knows no such operation")
    };
    assert!(failure.is_unknown_handle);
    assert_eq!(failure.message, format!("Invalid OperationHandle [{OPERATION}]"));
    let schema = Arc::new(Schema::empty());
    let Err(Error::Server(failure)) = client.fetch(&operation, &schema, 1).await else {
        panic!("there are no rows yet")
    };
    assert_eq!(failure.message, "Futures timed out after [1000 milliseconds]");
    for status in [404, 401, 502, 307] {
        let error = client.status(&operation).await.unwrap_err();
        match error {
            Error::Http { status: told, .. } => assert_eq!(told, status),
            Error::Login { .. } => assert_eq!(status, 401),
            other => panic!("{other}"),
        }
    }
    let nonsense = client.status(&operation).await.unwrap_err();
    assert!(matches!(nonsense, Error::Protocol { .. }), "{nonsense}");
    let cut = client.status(&operation).await.unwrap_err();
    assert!(matches!(cut, Error::Lost { .. }), "{cut}");
    assert_eq!(asked(&server).len(), 8);
}

#[tokio::test]
async fn the_servers_lists_are_read() {
    let sessions = format!(
        r#"[{{"identifier": "{SESSION}", "user": "alice", "ipAddr": "127.0.0.1", "conf": {{"kyuubi.session.name": "t1",
            "kyuubi.engine.type": "FLINK_SQL"}}, "createTime": 1795222994372, "duration": 164398, "idleTime": 12, "exception": ""}}]"#
    );
    let engines = r#"[{"version": "1.11.1", "user": "al ice", "engineType": "FLINK_SQL", "sharelevel": "USER", "subdomain": "default",
        "instance": "h:43715", "namespace": "/x", "attributes": {"refId": "r", "serverUri": "h:43715"}}]"#;
    let (server, client, _session, _operation) = started(vec![ok(&sessions), ok(engines)]).await;
    let listed = client.list_sessions().await.unwrap();
    assert_eq!((listed[0].identifier.as_str(), listed[0].idle_time), (SESSION, 12));
    assert_eq!(
        (listed[0].conf.name.as_str(), listed[0].conf.engine.as_str()),
        ("t1", "FLINK_SQL")
    );
    let listed = client
        .list_engines(&[("type", "FLINK_SQL"), ("proxyUser", "al ice&x")])
        .await
        .unwrap();
    assert_eq!(
        (listed[0].instance.as_str(), listed[0].attributes.ref_id.as_str()),
        ("h:43715", "r")
    );
    assert_eq!(
        asked(&server),
        [
            "GET /sessions",
            "GET /admin/engine?type=FLINK_SQL&proxyUser=al%20ice%26x"
        ]
    );
}
