//! Ways in for the fuzzer (`fuzz/`), which makes up what a server says. Only what no server may bring about fails here.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use tokio::runtime::{Builder, Runtime};

use crate::calls::{self, Calls};
use crate::error::Error;
use crate::limits::Limits;
use crate::rest;
use crate::schema::{ColumnType, TableSchema, TypeId};
use crate::service::{Handle, OperationHandle, Protocol, RowSet, SessionHandle};
use crate::thrift::Scanner;
use crate::transport::fuzzing::Answering;

/// The key of the server's types, as the shell has it.
const KEY: &str = "type";

/// Takes a number below `end` off the front.
fn take(data: &mut &[u8], end: u8) -> u8 {
    let Some((first, rest)) = data.split_first() else {
        return 0;
    };
    *data = rest;
    first % end
}

/// The result of what never waits.
fn now<T>(work: impl Future<Output = T>) -> T {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => unreachable!("what has all its bytes waits for nothing"),
    }
}

/// Some columns of any types.
fn columns(data: &mut &[u8]) -> SchemaRef {
    let count = take(data, 17);
    let columns = (0..count).map(|at| (at.to_string(), ColumnType::of(TypeId(i32::from(take(data, 24))))));
    let columns = columns.collect();
    TableSchema { columns }.to_arrow(KEY)
}

/// Rows are as many in each column as there are, and of the types that were told.
fn check(set: &RowSet, schema: &SchemaRef) {
    if let Some(rows) = &set.rows {
        assert_eq!(rows.schema_ref(), schema);
        for column in rows.columns() {
            assert_eq!(column.len(), rows.num_rows());
            column
                .to_data()
                .validate_full()
                .expect("a column that was read is whole");
        }
    }
}

/// An answer to each call over Thrift.
pub fn thrift(mut data: &[u8]) {
    let (call, is_raw) = (take(&mut data, 16), take(&mut data, 4) == 0);
    let schema = columns(&mut data);
    let handle = Handle::of_uuid("856d3052-e6f6-4882-8e33-9c7bff3633cf").expect("a UUID");
    let (session, operation) = (SessionHandle(handle.clone()), OperationHandle::unknown(handle, true));
    let calls = Calls::answered_by(Answering::new(data, is_raw), Limits::default());
    let none = BTreeMap::new();
    now(async {
        match call {
            0 => drop(calls.open(Protocol::V11, "u", "p", &none).await),
            1 => drop(calls.close_session(&session).await),
            2 => drop(calls.info(&session, 17).await),
            3 => drop(
                calls
                    .execute(&session, "SELECT 1", &none, Some(Duration::from_secs(1)))
                    .await,
            ),
            4 => drop(calls.status(&operation).await),
            5 => drop(calls.query_id(&operation).await),
            6 => drop(calls.tables(&session, None, None, None, &[]).await),
            7 => drop(calls.cancel(&operation).await),
            8 => {
                if let Ok(found) = calls.schema(&operation).await {
                    assert_eq!(found.to_arrow(KEY).fields().len(), found.columns.len());
                }
            }
            9 => {
                let lines = TableSchema {
                    columns: vec![("log".to_owned(), ColumnType::of(TypeId(7)))],
                };
                let lines = lines.to_arrow(KEY);
                if let Ok(set) = calls.log(&operation, &lines, 10).await {
                    check(&set, &lines);
                }
            }
            _ => {
                if let Ok(page) = calls.page(&operation, 10).await
                    && let Ok(set) = calls::read_page(&page, &schema)
                {
                    check(&set, &schema);
                }
            }
        }
    });
}

/// A message that comes in pieces has its end where it has it in one piece, and what is skipped is no longer than what is there.
pub fn pieces(mut data: &[u8]) {
    let size = usize::from(take(&mut data, 32)) + 1;
    let whole = Scanner::message(1 << 20).advance(data);
    let mut scanner = Scanner::message(1 << 20);
    let mut found = Ok(None);
    for end in (0..data.len()).step_by(size).chain([data.len()]) {
        found = scanner.advance(&data[..end]);
        if !matches!(found, Ok(None)) {
            break;
        }
    }
    match (whole, found) {
        (Ok(Some(whole)), Ok(found)) => assert_eq!(found, Some(whole)),
        (Ok(None), Ok(found)) => assert_eq!(found, None),
        (Err(_), Err(_)) => {}
        // What stands behind the end of a message that has come is never looked at.
        (whole, found) => panic!("in one piece {whole:?}, in pieces {found:?}"),
    }
    if let Ok(Some(end)) = Scanner::message(1 << 20).advance(data) {
        assert!(end <= data.len());
    }
}

/// Log-ins by SASL, with Kerberos too, and what comes in its frames, on a connection that ends after that.
pub fn sasl(mut data: &[u8]) {
    thread_local! {
        /// Steps of Kerberos are taken on a thread beside.
        static RUNTIME: Runtime = Builder::new_current_thread().build().expect("a runtime without timers and sockets");
    }
    let log_in = take(&mut data, 3);
    RUNTIME.with(|runtime| runtime.block_on(crate::transport::fuzzing::exchange(data, log_in)));
}

/// An answer of Kyuubi's REST API.
pub fn rest(mut data: &[u8]) {
    let what = take(&mut data, 4);
    let schema = columns(&mut data);
    if what == 0 {
        rest::fuzzing::understand(data, KEY);
        return;
    }
    match rest::read_page(data, &schema) {
        Ok(set) => check(&set, &schema),
        Err(Error::Protocol { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}
