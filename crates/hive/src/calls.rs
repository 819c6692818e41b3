//! The calls over Thrift.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arrow::datatypes::SchemaRef;

use crate::column::read_row_set;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::page::Orientation;
use crate::schema::TableSchema;
use crate::service::{Fields, OperationHandle, OperationStatus, Protocol, RowSet, Session, SessionHandle, read_map};
use crate::thrift::{Kind, Malformed, Reader, Writer};
use crate::transport::{Channel, Endpoint};

/// A connection that Thrift is spoken on. What each call does: [`crate::Client`].
#[derive(Debug)]
pub(crate) struct Calls {
    endpoint: Endpoint,
    /// It is another one only if the server ended the first over the version of the protocol.
    channel: Mutex<Arc<Channel>>,
    limits: Limits,
    sequence: AtomicI32,
}

/// The call that gives rows, and lines of the log.
const FETCH: &str = "FetchResults";

/// What is fetched of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fetch {
    Rows = 0,
    Log = 1,
}

impl Calls {
    pub(crate) async fn connect(endpoint: &Endpoint, limits: Limits) -> Result<Self> {
        Ok(Self {
            endpoint: endpoint.clone(),
            channel: Mutex::new(Arc::new(Channel::open(endpoint, &limits).await?)),
            limits,
            sequence: AtomicI32::new(1),
        })
    }

    /// Of a server that is not there.
    #[cfg(fuzzing)]
    pub(crate) fn answered_by(answering: crate::transport::fuzzing::Answering, limits: Limits) -> Self {
        let endpoint = Endpoint {
            host: String::new(),
            port: 0,
            transport: crate::transport::Transport::Plain,
            tls: None,
        };
        Self {
            endpoint,
            channel: Mutex::new(Arc::new(Channel::Fuzzing(answering))),
            limits,
            sequence: AtomicI32::new(1),
        }
    }

    pub(crate) async fn open_session(
        &self,
        user: &str,
        password: &str,
        configuration: &BTreeMap<String, String>,
    ) -> Result<Session> {
        const CALL: &str = "OpenSession";
        let mut refusal = None;
        for protocol in [Protocol::V11, Protocol::V8, Protocol::V6] {
            match self.open(protocol, user, password, configuration).await {
                // An older server does not know the number, takes the field as missing, and has opened nothing. It has not
                // read the message to its end either: what comes next on this connection, it does not understand.
                Err(Error::Refused { call, message }) if message.contains("client_protocol") => {
                    let channel = Channel::open(&self.endpoint, &self.limits).await?;
                    *self.channel.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(channel);
                    refusal = Some(Error::Refused { call, message });
                }
                other => return other,
            }
        }
        Err(refusal.unwrap_or_else(|| Error::protocol(CALL, "it was not asked")))
    }

    fn channel(&self) -> Arc<Channel> {
        Arc::clone(&self.channel.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Opens a session in that version of the protocol.
    pub(crate) async fn open(
        &self,
        protocol: Protocol,
        user: &str,
        password: &str,
        configuration: &BTreeMap<String, String>,
    ) -> Result<Session> {
        const CALL: &str = "OpenSession";
        let write = |writer: &mut Writer| {
            writer.i32(1, protocol.wire());
            writer.text(2, Some(user));
            writer.text(3, Some(password));
            let entries = configuration.iter();
            writer.map(4, entries.map(|(key, value)| (key.as_str(), value.as_str())));
        };
        let (mut version, mut handle, mut settings) = (None, None, BTreeMap::new());
        self.call(CALL, self.limits.open, write, |fields| {
            fields.read(|reader, id, kind| {
                match (id, kind) {
                    (2, Kind::I32) => version = Some(reader.i32()?),
                    (3, Kind::Struct) => handle = Some(SessionHandle::read(reader)?),
                    (4, Kind::Map) => settings = read_map(reader)?,
                    _ => return Ok(false),
                }
                Ok(true)
            })
        })
        .await?;
        let handle = handle.ok_or_else(|| Error::protocol(CALL, "there is no session in it"))?;
        let version = version.unwrap_or_default();
        let protocol = Protocol::of_wire(version).ok_or_else(|| {
            let cause = format!(
                "the server speaks version {} of the protocol",
                version.saturating_add(1)
            );
            Error::protocol(CALL, format!("{cause}; this client speaks 6 to 11"))
        })?;
        Ok(Session {
            handle,
            protocol,
            configuration: settings,
        })
    }

    pub(crate) async fn close_session(&self, session: &SessionHandle) -> Result<()> {
        let write = |writer: &mut Writer| session.write(writer, 1);
        self.call("CloseSession", self.limits.request, write, nothing_more)
            .await
    }

    pub(crate) async fn info(&self, session: &SessionHandle, what: i32) -> Result<Option<String>> {
        let write = |writer: &mut Writer| {
            session.write(writer, 1);
            writer.i32(2, what);
        };
        let mut text = None;
        self.call("GetInfo", self.limits.request, write, |fields| {
            fields.read(|reader, id, kind| {
                if (id, kind) != (2, Kind::Struct) {
                    return Ok(false);
                }
                reader.structure(|reader, id, kind| {
                    if (id, kind) != (1, Kind::Binary) {
                        return Ok(false);
                    }
                    text = Some(reader.text()?);
                    Ok(true)
                })?;
                Ok(true)
            })
        })
        .await?;
        Ok(text)
    }

    pub(crate) async fn execute(
        &self,
        session: &SessionHandle,
        statement: &str,
        settings: &BTreeMap<String, String>,
        timeout: Option<Duration>,
    ) -> Result<OperationHandle> {
        self.operation("ExecuteStatement", self.limits.execute, |writer| {
            session.write(writer, 1);
            writer.text(2, Some(statement));
            if !settings.is_empty() {
                let entries = settings.iter();
                writer.map(3, entries.map(|(key, value)| (key.as_str(), value.as_str())));
            }
            writer.bool(4, true);
            if let Some(timeout) = timeout {
                let seconds = timeout.as_secs().max(1);
                writer.i64(5, i64::try_from(seconds).unwrap_or(i64::MAX));
            }
        })
        .await
    }

    pub(crate) async fn catalogs(&self, session: &SessionHandle) -> Result<OperationHandle> {
        self.operation("GetCatalogs", self.limits.request, |writer| session.write(writer, 1))
            .await
    }

    pub(crate) async fn schemas(
        &self,
        session: &SessionHandle,
        catalog: Option<&str>,
        schema: Option<&str>,
    ) -> Result<OperationHandle> {
        self.operation("GetSchemas", self.limits.request, |writer| {
            session.write(writer, 1);
            writer.text(2, catalog);
            writer.text(3, schema);
        })
        .await
    }

    pub(crate) async fn tables(
        &self,
        session: &SessionHandle,
        catalog: Option<&str>,
        schema: Option<&str>,
        table: Option<&str>,
        types: &[&str],
    ) -> Result<OperationHandle> {
        self.operation("GetTables", self.limits.request, |writer| {
            session.write(writer, 1);
            writer.text(2, catalog);
            writer.text(3, schema);
            writer.text(4, table);
            if !types.is_empty() {
                writer.texts(5, types);
            }
        })
        .await
    }

    pub(crate) async fn columns(
        &self,
        session: &SessionHandle,
        catalog: Option<&str>,
        schema: Option<&str>,
        table: Option<&str>,
        column: Option<&str>,
    ) -> Result<OperationHandle> {
        self.operation("GetColumns", self.limits.request, |writer| {
            session.write(writer, 1);
            writer.text(2, catalog);
            writer.text(3, schema);
            writer.text(4, table);
            writer.text(5, column);
        })
        .await
    }

    pub(crate) async fn status(&self, operation: &OperationHandle) -> Result<OperationStatus> {
        let write = |writer: &mut Writer| {
            operation.write(writer, 1);
            writer.bool(2, true);
        };
        self.call("GetOperationStatus", self.limits.request, write, OperationStatus::read)
            .await
    }

    /// On a connection of its own if this one waits for an answer: servers answer a question about an operation's state only when
    /// that changes, or after seconds.
    pub(crate) async fn cancel(&self, operation: &OperationHandle) -> Result<()> {
        const CALL: &str = "CancelOperation";
        let write = |writer: &mut Writer| operation.write(writer, 1);
        let apart = match &*self.channel() {
            Channel::Stream(stream) if stream.is_busy() => self.another().await.ok().flatten(),
            _ => None,
        };
        let calls = apart.as_ref().unwrap_or(self);
        calls.call(CALL, self.limits.request, write, nothing_more).await
    }

    /// Another connection to the same server, where calls wait for each other. Over HTTP they do not.
    pub(crate) async fn another(&self) -> Result<Option<Self>> {
        match &*self.channel() {
            Channel::Http(_) => Ok(None),
            Channel::Stream(_) => Self::connect(&self.endpoint, self.limits).await.map(Some),
            #[cfg(fuzzing)]
            Channel::Fuzzing(_) => Ok(None),
        }
    }

    pub(crate) async fn close(&self, operation: &OperationHandle) -> Result<()> {
        let write = |writer: &mut Writer| operation.write(writer, 1);
        self.call("CloseOperation", self.limits.request, write, nothing_more)
            .await
    }

    pub(crate) async fn schema(&self, operation: &OperationHandle) -> Result<TableSchema> {
        const CALL: &str = "GetResultSetMetadata";
        let write = |writer: &mut Writer| operation.write(writer, 1);
        let mut schema = None;
        self.call(CALL, self.limits.request, write, |fields| {
            fields.read(|reader, id, kind| {
                if (id, kind) != (2, Kind::Struct) {
                    return Ok(false);
                }
                schema = Some(TableSchema::read(reader)?);
                Ok(true)
            })
        })
        .await?;
        Ok(schema.unwrap_or(TableSchema { columns: Vec::new() }))
    }

    /// The next rows, as they were sent; what the server says of them is read by [`read_page`].
    pub(crate) async fn page(&self, operation: &OperationHandle, limit: usize) -> Result<Vec<u8>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.page_of(operation, Fetch::Rows, Orientation::Next, limit).await
    }

    pub(crate) async fn turn(&self, operation: &OperationHandle, orientation: Orientation, count: i32) -> Result<()> {
        let page = self
            .page_of(operation, Fetch::Rows, orientation, i64::from(count))
            .await?;
        read_fields(FETCH, &page, nothing_more)
    }

    pub(crate) async fn log(&self, operation: &OperationHandle, schema: &SchemaRef, limit: usize) -> Result<RowSet> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let page = self.page_of(operation, Fetch::Log, Orientation::Next, limit).await?;
        read_page(&page, schema)
    }

    async fn page_of(
        &self,
        operation: &OperationHandle,
        what: Fetch,
        orientation: Orientation,
        limit: i64,
    ) -> Result<Vec<u8>> {
        let write = |writer: &mut Writer| {
            operation.write(writer, 1);
            writer.i32(2, orientation.wire());
            writer.i64(3, limit);
            writer.i16(4, what as i16);
        };
        self.answer(FETCH, self.limits.fetch, write).await
    }

    pub(crate) async fn query_id(&self, operation: &OperationHandle) -> Result<String> {
        const CALL: &str = "GetQueryId";
        let answer = self
            .answer(CALL, self.limits.request, |writer| operation.write(writer, 1))
            .await?;
        let mut found = String::new();
        // The only answer without a status.
        read_answer(CALL, &answer, |reader| {
            reader.structure(|reader, id, kind| {
                if (id, kind) != (1, Kind::Binary) {
                    return Ok(false);
                }
                found = reader.text()?;
                Ok(true)
            })
        })?;
        Ok(found)
    }

    /// A call that starts an operation.
    async fn operation(
        &self,
        call: &'static str,
        limit: Duration,
        write: impl FnOnce(&mut Writer),
    ) -> Result<OperationHandle> {
        let mut handle = None;
        self.call(call, limit, write, |fields| {
            fields.read(|reader, id, kind| {
                if (id, kind) != (2, Kind::Struct) {
                    return Ok(false);
                }
                handle = Some(OperationHandle::read(reader)?);
                Ok(true)
            })
        })
        .await?;
        handle.ok_or_else(|| Error::protocol(call, "there is no operation in it"))
    }

    /// Makes a call: `write` writes the fields of its request, `read` reads those of the answer.
    async fn call<T>(
        &self,
        call: &'static str,
        limit: Duration,
        write: impl FnOnce(&mut Writer),
        read: impl FnOnce(&mut Fields<'_, '_>) -> Result<T, Malformed>,
    ) -> Result<T> {
        read_fields(call, &self.answer(call, limit, write).await?, read)
    }

    /// The bytes of the answer to a call.
    async fn answer(&self, call: &'static str, limit: Duration, write: impl FnOnce(&mut Writer)) -> Result<Vec<u8>> {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        let mut writer = Writer::call(call, sequence);
        // The arguments are a struct with one field: the request.
        writer.structure(1, write);
        writer.stop();
        let answer = self.channel().call(call, writer.finish(), limit).await?;
        let (message, _) = Reader::message(&answer).map_err(Error::malformed(call))?;
        if message.sequence != sequence {
            // Whatever comes next may answer another call as well.
            let cause = format!("it answers call {} in place of {sequence}", message.sequence);
            self.channel().give_up(&cause);
            return Err(Error::protocol(call, cause));
        }
        Ok(answer)
    }
}

/// Reads the rows of a page, in the columns that `schema` has.
pub(crate) fn read_page(page: &[u8], schema: &SchemaRef) -> Result<RowSet> {
    let mut set = RowSet {
        rows: None,
        bytes: page.len(),
        more: false,
    };
    read_fields(FETCH, page, |fields| {
        fields.read(|reader, id, kind| {
            match (id, kind) {
                (2, Kind::Bool) => set.more = reader.bool()?,
                (3, Kind::Struct) => set.rows = read_row_set(reader, schema)?,
                _ => return Ok(false),
            }
            Ok(true)
        })
    })?;
    Ok(set)
}

/// Reads an answer that begins with a status.
fn read_fields<T>(
    call: &'static str,
    answer: &[u8],
    read: impl FnOnce(&mut Fields<'_, '_>) -> Result<T, Malformed>,
) -> Result<T> {
    let (value, failure) = read_answer(call, answer, |reader| {
        let mut fields = Fields { reader, failure: None };
        let value = read(&mut fields)?;
        Ok((value, fields.failure))
    })?;
    match failure {
        Some(failure) => Err(Error::Server(Box::new(failure))),
        None => Ok(value),
    }
}

/// Reads an answer's struct, in which field 0 is what the method gives.
fn read_answer<T>(
    call: &'static str,
    answer: &[u8],
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, Malformed>,
) -> Result<T> {
    let malformed = Error::malformed(call);
    let (message, mut reader) = Reader::message(answer).map_err(&malformed)?;
    if message.is_exception {
        let message = read_exception(&mut reader).map_err(&malformed)?;
        return Err(Error::Refused { call, message });
    }
    if message.name != call.as_bytes() {
        return Err(Error::protocol(call, "it answers another call"));
    }
    let (mut read, mut value) = (Some(read), None);
    reader
        .structure(|reader, id, kind| match (id, kind, read.take()) {
            (0, Kind::Struct, Some(read)) => {
                value = Some(read(reader)?);
                Ok(true)
            }
            (_, _, left) => {
                read = left;
                Ok(false)
            }
        })
        .map_err(&malformed)?;
    value.ok_or_else(|| Error::protocol(call, "it is empty"))
}

/// Reads a `TApplicationException`.
fn read_exception(reader: &mut Reader<'_>) -> Result<String, Malformed> {
    let mut text = String::new();
    reader.structure(|reader, id, kind| {
        if (id, kind) != (1, Kind::Binary) {
            return Ok(false);
        }
        text = reader.text()?;
        Ok(true)
    })?;
    Ok(text)
}

fn nothing_more(fields: &mut Fields<'_, '_>) -> Result<(), Malformed> {
    fields.read(|_, _, _| Ok(false))
}
