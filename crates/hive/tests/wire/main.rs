//! The client against a server that answers as it is told: what Apache Thrift's own code writes, and anything else.
#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod http;
mod idle;
mod probe;
mod rest;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow::util::display::array_value_to_string;
use proptest::prelude::*;
use skep_hive::{Client, Endpoint, Error, Limits, OperationHandle, OperationState, Orientation, Session, Transport};
use tokio::runtime::Runtime;

/// Calls and answers as PyHive's generated code writes them: `golden.py`.
const GOLDEN: &str = include_str!("golden.txt");

/// The call and the answer of that name.
fn golden(name: &str) -> (Vec<u8>, Vec<u8>) {
    let line = GOLDEN
        .lines()
        .find(|line| line.split(' ').next() == Some(name))
        .unwrap();
    let mut parts = line.split(' ').skip(1).map(unhex);
    (parts.next().unwrap(), parts.next().unwrap())
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| u8::try_from(digit.to_digit(16).unwrap()).unwrap())
        .collect();
    digits.chunks(2).map(|pair| pair[0] * 16 + pair[1]).collect()
}

/// The bytes of an answer with another sequence number in it.
fn renumbered(answer: &[u8], sequence: u8) -> Vec<u8> {
    let mut answer = answer.to_vec();
    let name = usize::from(answer[7]);
    answer[8 + name + 3] = sequence;
    answer
}

/// Answers each call on a connection with the next of those that are for it, and ends it. What it was sent is in `heard`.
struct Server {
    port: u16,
    heard: mpsc::Receiver<Vec<u8>>,
}

impl Server {
    fn start(sasl: Option<&'static [u8]>, answers: Vec<Vec<u8>>) -> Self {
        Self::start_each(sasl, vec![answers])
    }

    /// One connection after another.
    fn start_each(sasl: Option<&'static [u8]>, connections: Vec<Vec<Vec<u8>>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, heard) = mpsc::channel();
        thread::spawn(move || {
            for answers in connections {
                let (mut stream, _) = listener.accept().unwrap();
                if let Some(answer) = sasl {
                    sender.send(read_login(&mut stream)).unwrap();
                    stream.write_all(answer).unwrap();
                }
                for answer in answers {
                    let mut call = vec![0; 64 * 1024];
                    let count = match stream.read(&mut call) {
                        Ok(0) | Err(_) => return,
                        Ok(count) => count,
                    };
                    call.truncate(count);
                    let _ = sender.send(call);
                    if stream.write_all(&answer).is_err() {
                        return;
                    }
                }
            }
        });
        Self { port, heard }
    }

    fn endpoint(&self, transport: Transport) -> Endpoint {
        Endpoint {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            transport,
            tls: None,
        }
    }
}

fn read_login(stream: &mut TcpStream) -> Vec<u8> {
    let mut heard = Vec::new();
    for _ in 0..2 {
        let mut header = [0; 5];
        stream.read_exact(&mut header).unwrap();
        let mut payload = vec![0; usize::from(header[4])];
        stream.read_exact(&mut payload).unwrap();
        heard.extend(header);
        heard.extend(payload);
    }
    heard
}

fn limits() -> Limits {
    let limit = Duration::from_secs(60);
    Limits {
        connect: limit,
        open: limit,
        execute: limit,
        fetch: limit,
        request: limit,
    }
}

async fn connect(server: &Server, transport: Transport) -> Client {
    Client::connect(&server.endpoint(transport), limits()).await.unwrap()
}

async fn open(client: &Client) -> skep_hive::Result<Session> {
    let configuration = [("set:hiveconf:a", "b"), ("use:database", "db")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    client.open_session("alice", "x", &configuration).await
}

async fn execute(client: &Client, session: &Session) -> skep_hive::Result<OperationHandle> {
    let settings = BTreeMap::from([("c".to_owned(), "d".to_owned())]);
    client
        .execute(&session.handle, "SELECT 1", &settings, Some(Duration::from_secs(7)))
        .await
}

#[tokio::test]
async fn calls_and_answers_are_those_of_thrifts_own_code() {
    let names = [
        "open", "info", "execute", "status", "schema", "rows", "none", "tables", "columns", "catalogs", "schemas",
        "cancel", "close", "end",
    ];
    let server = Server::start(None, names.map(|name| golden(name).1).into());
    let client = connect(&server, Transport::Plain).await;

    let session = open(&client).await.unwrap();
    assert_eq!(session.protocol.to_string(), "V10");
    assert_eq!(session.configuration["k"], "v");
    assert_eq!(session.handle.id().to_string(), "00010203-0405-0607-0809-0a0b0c0d0e0f");
    let product = client.info(&session.handle, 17).await.unwrap();
    assert_eq!(product.as_deref(), Some("Spark SQL"));
    let operation = execute(&client, &session).await.unwrap();
    assert!(operation.has_result_set);

    let status = client.status(&operation).await.unwrap();
    assert_eq!(status.state, OperationState::Error);
    let failure = status.failure.unwrap();
    assert_eq!(
        (failure.message.as_str(), failure.sql_state.as_deref(), failure.code),
        ("no", Some("42601"), 3)
    );
    assert_eq!(failure.root.as_deref(), Some("x.Y: deep"));
    let progress = status.progress.unwrap();
    assert_eq!(
        (progress.header.len(), progress.rows.len(), progress.share),
        (2, 1, 0.5)
    );

    let schema = client.schema(&operation).await.unwrap();
    let names_of_types: Vec<_> = schema.columns.iter().map(|(_, column)| column.name()).collect();
    assert_eq!(
        names_of_types,
        [
            "BOOLEAN",
            "TINYINT",
            "SMALLINT",
            "INT",
            "BIGINT",
            "FLOAT",
            "DOUBLE",
            "STRING",
            "TIMESTAMP",
            "BINARY",
            "ARRAY",
            "STRUCT",
            "DECIMAL(20,4)",
            "VARCHAR(5)",
            "VOID",
            "DATE",
        ]
    );
    let schema = schema.to_arrow("type");
    assert_eq!(schema.field(12).metadata()["type"], "DECIMAL(20,4)");
    assert!(schema.field(7).metadata().is_empty());
    let rows = client.fetch(&operation, &schema, 3).await.unwrap().rows.unwrap();
    check_rows(&rows);
    assert!(client.fetch(&operation, &schema, 3).await.unwrap().rows.is_none());

    let tables = client
        .tables(&session.handle, None, Some("db"), Some("%"), &["TABLE", "VIEW"])
        .await;
    let Err(Error::Server(failure)) = tables else {
        panic!("{tables:?}")
    };
    assert_eq!(failure.to_string(), "not now");
    assert_eq!((failure.sql_state.as_deref(), failure.code), (Some("HY000"), 9));
    assert!(failure.trace.contains("\tat a.B:c:d:1"));
    client
        .columns(&session.handle, Some("c"), None, None, Some("x"))
        .await
        .unwrap();
    client.catalogs(&session.handle).await.unwrap();
    client.schemas(&session.handle, None, Some("%")).await.unwrap();
    client.cancel(&operation).await.unwrap();
    let closed = client.close(&operation).await;
    assert!(
        matches!(&closed, Err(Error::Refused { message, .. }) if message == "Internal error"),
        "{closed:?}"
    );
    client.close_session(&session.handle).await.unwrap();

    for name in names {
        let heard = server.heard.recv().unwrap();
        assert_eq!(heard, golden(name).0, "{name}");
    }
}

/// Where in a result something is asked for, in Thrift's numbers.
#[tokio::test]
async fn a_place_in_a_result_is_asked_for() {
    let answers = [("open", 1), ("execute", 2), ("none", 3), ("none", 4)];
    let server = Server::start(
        None,
        answers
            .map(|(name, sequence)| renumbered(&golden(name).1, sequence))
            .into(),
    );
    let client = connect(&server, Transport::Plain).await;
    let session = open(&client).await.unwrap();
    let operation = execute(&client, &session).await.unwrap();
    client.turn(&operation, Orientation::First, 0).await.unwrap();
    client.turn(&operation, Orientation::Prior, -3).await.unwrap();
    let heard: Vec<_> = (0..4).map(|_| server.heard.recv().unwrap()).collect();
    for (call, fields) in [
        (&heard[2], "080002000000040a0003000000000000000006000400000000"),
        (&heard[3], "080002000000010a0003fffffffffffffffd06000400000000"),
    ] {
        assert!(call.ends_with(&unhex(fields)), "{call:02x?}");
    }
}

fn check_rows(rows: &RecordBatch) {
    let column = |at: usize| rows.column(at);
    for at in 0..rows.num_columns() {
        assert!(at == 14 || column(at).is_null(2), "column {at}");
    }
    assert!(column(0).as_boolean().value(0) && !column(0).as_boolean().value(1));
    assert_eq!(column(1).as_primitive::<Int8Type>().values()[..2], [i8::MIN, i8::MAX]);
    assert_eq!(
        column(2).as_primitive::<Int16Type>().values()[..2],
        [i16::MIN, i16::MAX]
    );
    assert_eq!(
        column(3).as_primitive::<Int32Type>().values()[..2],
        [i32::MIN, i32::MAX]
    );
    assert_eq!(
        column(4).as_primitive::<Int64Type>().values()[..2],
        [i64::MIN, i64::MAX]
    );
    assert_eq!(
        column(5).as_primitive::<Float32Type>().values()[..2],
        [1.1, f32::NEG_INFINITY]
    );
    assert_eq!(column(6).as_primitive::<Float64Type>().value(0), 1e308);
    assert!(column(6).as_primitive::<Float64Type>().value(1).is_nan());
    assert_eq!(column(9).as_binary::<i32>().value(1), [0, 255]);
    assert_eq!(column(14).data_type(), &DataType::Null);
    let text = |at: usize| [0, 1].map(|row| array_value_to_string(column(at), row).unwrap());
    assert_eq!(text(7), ["", "tèxt 🐝"]);
    assert_eq!(text(8), ["2024-02-29 12:34:56.123456", "0001-01-01 00:00:00"]);
    assert_eq!(text(10), ["[1,2,null]", "[]"]);
    assert_eq!(text(12), ["12345.6789", "-0.0001"]);
    assert_eq!(text(15), ["2024-02-29", "0001-01-01"]);
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(message.len()).unwrap().to_be_bytes().to_vec();
    frame.extend(message);
    frame
}

fn alice() -> Transport {
    Transport::Sasl {
        user: "alice".to_owned(),
        password: "x".to_owned(),
    }
}

#[tokio::test]
async fn a_log_in_is_as_it_was_recorded() {
    let server = Server::start(Some(&[5, 0, 0, 0, 0]), vec![framed(&golden("open").1)]);
    let client = connect(&server, alice()).await;
    open(&client).await.unwrap();
    let login = server.heard.recv().unwrap();
    assert_eq!(login, unhex("0100000005504c41494e020000000800616c6963650078"));
    assert_eq!(server.heard.recv().unwrap(), framed(&golden("open").0));
}

#[tokio::test]
async fn a_message_may_come_in_several_frames() {
    let answer = golden("open").1;
    let (front, back) = answer.split_at(20);
    let server = Server::start(Some(&[5, 0, 0, 0, 0]), vec![[framed(front), framed(back)].concat()]);
    open(&connect(&server, alice()).await).await.unwrap();
}

#[tokio::test]
async fn who_is_refused_is_told_why() {
    for (answer, is_login) in [
        (&b"\x03\0\0\0\x09bad luck\x1b"[..], true),
        (b"\x04\0\0\0\0", true),
        (b"HTTP/1.1 400 Bad Request\r\n", false),
        (b"\x02\0\0\0\0", false),
        (b"\x05\xff\xff\xff\xff", false),
        (b"\x05\0", false),
    ] {
        let server = Server::start(Some(answer), Vec::new());
        let error = Client::connect(&server.endpoint(alice()), limits()).await.unwrap_err();
        assert_eq!(matches!(error, Error::Login { .. }), is_login, "{error}");
        assert_eq!(matches!(error, Error::Connect { .. }), !is_login, "{error}");
    }
}

#[tokio::test]
async fn an_older_server_is_asked_in_its_own_version() {
    let refusal = {
        // The answer to CloseOperation, with the name and the text of Hive 1.2's to a version that it does not know.
        let mut bytes = unhex("80010003");
        bytes.extend(framed(b"OpenSession"));
        bytes.extend(1u32.to_be_bytes());
        bytes.extend([11, 0, 1]);
        bytes.extend(framed(b"Required field 'client_protocol' is unset!"));
        bytes.extend([8, 0, 2, 0, 0, 0, 7, 0]);
        bytes
    };
    let answer = renumbered(&golden("open").1, 2);
    // It has left the end of the call unread, and ends the connection when it does not understand that.
    let server = Server::start_each(None, vec![vec![refusal], vec![answer]]);
    open(&connect(&server, Transport::Plain).await).await.unwrap();
}

#[tokio::test]
async fn what_is_lost_is_not_sent_again() {
    let server = Server::start(None, vec![golden("open").1, Vec::new()]);
    let client = connect(&server, Transport::Plain).await;
    let session = open(&client).await.unwrap();
    let lost = client.info(&session.handle, 17).await;
    assert!(matches!(lost, Err(Error::Lost { call: "GetInfo", .. })), "{lost:?}");
    let next = client.info(&session.handle, 17).await;
    assert!(matches!(next, Err(Error::Closed(_))), "{next:?}");
    assert_eq!(server.heard.iter().count(), 2);
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server {
        port: listener.local_addr().unwrap().port(),
        heard: mpsc::channel().1,
    };
    let mut limits = limits();
    limits.open = Duration::from_millis(50);
    let client = Client::connect(&server.endpoint(Transport::Plain), limits)
        .await
        .unwrap();
    let late = open(&client).await;
    assert!(
        matches!(
            late,
            Err(Error::Timeout {
                call: "OpenSession",
                ..
            })
        ),
        "{late:?}"
    );
    assert!(matches!(open(&client).await, Err(Error::Closed(_))));
}

#[tokio::test]
async fn an_answer_to_another_call_ends_the_connection() {
    let server = Server::start(None, vec![renumbered(&golden("open").1, 9), golden("open").1]);
    let client = connect(&server, Transport::Plain).await;
    assert!(matches!(open(&client).await, Err(Error::Protocol { .. })));
    assert!(matches!(open(&client).await, Err(Error::Closed(_))));
}

/// All calls whose answers are read in ways of their own; each is answered with the same bytes.
fn ask_all(sasl: bool, answer: &[u8]) {
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        for call in 0..5_u8 {
            let mut answers = vec![golden("open").1, golden("execute").1];
            answers[1] = renumbered(&answers[1], 2);
            let mut last = answer.to_vec();
            if call > 0 {
                answers.push(renumbered(&golden("schema").1, 3));
            }
            if last.len() > 8 && usize::from(last[7]) + 12 <= last.len() {
                last = renumbered(&last, if call > 0 { 4 } else { 3 });
            }
            answers.push(last);
            if sasl {
                answers = answers.iter().map(|answer| framed(answer)).collect();
            }
            let login: Option<&[u8]> = sasl.then_some(&[5, 0, 0, 0, 0]);
            let server = Server::start(login, answers);
            let client = connect(&server, if sasl { alice() } else { Transport::Plain }).await;
            let session = open(&client).await.unwrap();
            let operation = execute(&client, &session).await.unwrap();
            // Whatever comes of it, it comes to an end.
            let schema = client.schema(&operation).await;
            if call == 0 {
                continue;
            }
            let schema = schema.unwrap().to_arrow("type");
            match call {
                1 => drop(client.fetch(&operation, &schema, 3).await),
                2 => drop(client.status(&operation).await),
                3 => drop(client.log(&operation, &schema, 3).await),
                _ => drop(client.tables(&session.handle, None, None, None, &[]).await),
            }
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200), sasl: bool) {
        ask_all(sasl, &bytes);
    }

    #[test]
    fn a_cut_answer_is_an_error(name in prop_oneof!["rows", "schema", "status", "tables"], at: prop::sample::Index, sasl: bool) {
        let answer = golden(&name).1;
        ask_all(sasl, &answer[..at.index(answer.len())]);
    }

    #[test]
    fn a_flipped_answer_does_no_harm(
        name in prop_oneof!["rows", "schema", "status", "tables"],
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        sasl: bool,
    ) {
        let mut answer = golden(&name).1;
        for (at, byte) in flips {
            let at = at.index(answer.len());
            answer[at] = byte;
        }
        ask_all(sasl, &answer);
    }
}

/// An answer to the fourth call, FetchResults, with these bytes in its struct.
fn fetched(fields: &[u8]) -> Vec<u8> {
    let mut bytes = unhex("800100020000000c");
    bytes.extend(b"FetchResults");
    bytes.extend(4u32.to_be_bytes());
    bytes.extend(fields);
    bytes
}

#[tokio::test]
async fn lengths_that_nothing_stands_behind_are_refused() {
    // In the answer's struct 0: the row set 3, with these columns, or lists in lists, or a map of billions.
    let huge: [&[u8]; 5] = [
        &[12, 0, 0, 12, 0, 3, 15, 0, 3, 12, 0x7f, 0xff, 0xff, 0xff],
        &[
            12, 0, 0, 12, 0, 3, 15, 0, 3, 12, 0, 0, 0, 1, 12, 0, 1, 15, 0, 1, 2, 0x7f, 0xff, 0xff, 0xff,
        ],
        &[12, 0, 0, 12, 0, 3, 11, 0, 2, 0x7f, 0xff, 0xff, 0xff],
        &[13, 0, 0, 11, 11, 0x7f, 0xff, 0xff, 0xff],
        &[11, 0, 0, 0xff, 0xff, 0xff, 0xff],
    ];
    let deep = [12, 0, 0].repeat(100_000);
    for fields in huge.into_iter().chain([deep.as_slice()]) {
        for sasl in [false, true] {
            let mut answers = vec![golden("open").1, renumbered(&golden("execute").1, 2)];
            answers.push(renumbered(&golden("schema").1, 3));
            answers.push(fetched(fields));
            if sasl {
                answers = answers.iter().map(|answer| framed(answer)).collect();
            }
            let login: Option<&[u8]> = sasl.then_some(&[5, 0, 0, 0, 0]);
            let server = Server::start(login, answers);
            let client = connect(&server, if sasl { alice() } else { Transport::Plain }).await;
            let session = open(&client).await.unwrap();
            let operation = execute(&client, &session).await.unwrap();
            let schema = client.schema(&operation).await.unwrap().to_arrow("type");
            let error = client.fetch(&operation, &schema, 3).await.unwrap_err();
            assert!(matches!(error, Error::Protocol { .. } | Error::Lost { .. }), "{error}");
        }
    }
}
