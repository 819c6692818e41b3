//! The calls, over whatever is spoken.

use std::collections::BTreeMap;
use std::time::Duration;

use arrow::datatypes::SchemaRef;

use crate::calls;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::page::{Orientation, Page, Sent};
use crate::rest::{self, EngineEntry, OperationEntry, SessionEntry};
use crate::schema::TableSchema;
use crate::service::{OperationHandle, OperationStatus, RowSet, Session, SessionHandle};
use crate::transport::{Endpoint, Transport};

/// A connection to a server.
///
/// Calls over TCP are answered one after another, in the order in which they were made. A call is carried out also if the
/// caller stops waiting for it. Over TCP, Hive and Spark close a session when the connection ends that opened it.
#[derive(Debug)]
pub struct Client {
    wire: Wire,
    limits: Limits,
}

#[derive(Debug)]
enum Wire {
    Thrift(Box<calls::Calls>),
    Rest(rest::Calls),
}

/// Makes the call of that name on whichever wire there is.
macro_rules! call {
    ($self:ident.$name:ident($($argument:expr),*)) => {
        match &$self.wire {
            Wire::Thrift(calls) => calls.$name($($argument),*).await,
            Wire::Rest(calls) => calls.$name($($argument),*).await,
        }
    };
}

impl Client {
    /// Connects. Over HTTP nothing is sent before the first call.
    ///
    /// # Errors
    /// [`Error::Connect`], [`Error::Tls`], [`Error::Login`], [`Error::Certificate`].
    pub async fn connect(endpoint: &Endpoint, limits: Limits) -> Result<Self> {
        let rest = match &endpoint.transport {
            Transport::Rest { .. } => rest::Calls::connect(endpoint, limits)?,
            _ => None,
        };
        let wire = match rest {
            Some(calls) => Wire::Rest(calls),
            None => Wire::Thrift(Box::new(calls::Calls::connect(endpoint, limits).await?)),
        };
        Ok(Self { wire, limits })
    }

    /// Another connection to the same server, on which sessions and operations can be asked about while a call on this one waits;
    /// none where calls do not wait for each other, as over HTTP.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub async fn another(&self) -> Result<Option<Self>> {
        let Wire::Thrift(calls) = &self.wire else {
            return Ok(None);
        };
        let another = calls.another().await?;
        Ok(another.map(|calls| Self {
            wire: Wire::Thrift(Box::new(calls)),
            limits: self.limits,
        }))
    }

    /// The time limits.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Opens a session, over Thrift in the newest version of the protocol that the server has. `configuration` is as JDBC
    /// drivers send it: `set:hiveconf:KEY`, `set:hivevar:KEY`, `use:database`. Over REST, user and password are those that
    /// the [`Transport`] has.
    ///
    /// # Errors
    /// The server refuses it, or speaks no version with columnar results.
    pub async fn open_session(
        &self,
        user: &str,
        password: &str,
        configuration: &BTreeMap<String, String>,
    ) -> Result<Session> {
        match &self.wire {
            Wire::Thrift(calls) => calls.open_session(user, password, configuration).await,
            Wire::Rest(calls) => calls.open_session(configuration).await,
        }
    }

    /// Closes a session, and all its operations with it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn close_session(&self, session: &SessionHandle) -> Result<()> {
        call!(self.close_session(session))
    }

    /// How far a session is that has just been opened, as if an operation opened it; none over Thrift, where an operation
    /// may do so, [`Client::launch`].
    ///
    /// # Errors
    /// The server could not be asked; that the session's engine could not be started is in the status.
    pub async fn session_status(&self, session: &SessionHandle) -> Result<Option<OperationStatus>> {
        match &self.wire {
            Wire::Thrift(_) => Ok(None),
            Wire::Rest(calls) => calls.session_status(session).await.map(Some),
        }
    }

    /// The operation by which the server starts the engine of a session: Kyuubi's have one.
    ///
    /// # Errors
    /// The server does not tell whoever asks.
    pub async fn launch(&self, session: &Session) -> Result<Option<OperationHandle>> {
        match &self.wire {
            Wire::Thrift(_) => Ok(OperationHandle::launch(&session.configuration)),
            Wire::Rest(calls) => calls.launch(&session.handle).await,
        }
    }

    /// A fact about the server (`TGetInfoType`), where it is a text: 13 its name, 17 the product, 18 the version. Spark
    /// drops the connection when it is asked for others. To ask is to use the session, so that it is not closed for want of
    /// use.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn info(&self, session: &SessionHandle, what: i32) -> Result<Option<String>> {
        call!(self.info(session, what))
    }

    /// Hands a statement over, to be run asynchronously. Settings are for this statement alone, where the server heeds
    /// them; `timeout` is the server's own.
    ///
    /// # Errors
    /// The statement is refused, as by a server that compiles it at once. After [`Error::Lost`] and [`Error::Timeout`] it
    /// may run.
    pub async fn execute(
        &self,
        session: &SessionHandle,
        statement: &str,
        settings: &BTreeMap<String, String>,
        timeout: Option<Duration>,
    ) -> Result<OperationHandle> {
        call!(self.execute(session, statement, settings, timeout))
    }

    /// The catalogs.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn catalogs(&self, session: &SessionHandle) -> Result<OperationHandle> {
        call!(self.catalogs(session))
    }

    /// The schemas (databases) whose names match a pattern of SQL's LIKE.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn schemas(
        &self,
        session: &SessionHandle,
        catalog: Option<&str>,
        schema: Option<&str>,
    ) -> Result<OperationHandle> {
        call!(self.schemas(session, catalog, schema))
    }

    /// The tables and views whose names match patterns; `types` is as in JDBC, empty for all.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn tables(
        &self,
        session: &SessionHandle,
        catalog: Option<&str>,
        schema: Option<&str>,
        table: Option<&str>,
        types: &[&str],
    ) -> Result<OperationHandle> {
        call!(self.tables(session, catalog, schema, table, types))
    }

    /// The columns whose tables and names match patterns.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn columns(
        &self,
        session: &SessionHandle,
        catalog: Option<&str>,
        schema: Option<&str>,
        table: Option<&str>,
        column: Option<&str>,
    ) -> Result<OperationHandle> {
        call!(self.columns(session, catalog, schema, table, column))
    }

    /// How far an operation is.
    ///
    /// # Errors
    /// The server could not be asked; that the operation has failed is in the status.
    pub async fn status(&self, operation: &OperationHandle) -> Result<OperationStatus> {
        call!(self.status(operation))
    }

    /// Asks the server to end an operation. That it has is in its status.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn cancel(&self, operation: &OperationHandle) -> Result<()> {
        call!(self.cancel(operation))
    }

    /// Lets the server forget an operation.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn close(&self, operation: &OperationHandle) -> Result<()> {
        call!(self.close(operation))
    }

    /// The columns of an operation's result. Spark knows them only when it is finished.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn schema(&self, operation: &OperationHandle) -> Result<TableSchema> {
        call!(self.schema(operation))
    }

    /// The next rows of a result, up to `limit`; none of them after the last. The columns are those that
    /// [`Client::schema`] gave.
    ///
    /// # Errors
    /// The operation has failed, was cancelled, or is not finished yet.
    pub async fn fetch(&self, operation: &OperationHandle, schema: &SchemaRef, limit: usize) -> Result<RowSet> {
        self.page(operation, limit).await?.read(schema)
    }

    /// The same, not read yet: the next ones can be asked for before that, so that the server need not wait.
    ///
    /// # Errors
    /// The server could not be asked. What it says of the operation may be in the page.
    pub async fn page(&self, operation: &OperationHandle, limit: usize) -> Result<Page> {
        Ok(Page(match &self.wire {
            Wire::Thrift(calls) => Sent::Thrift(calls.page(operation, limit).await?),
            Wire::Rest(calls) => Sent::Rest(calls.page(operation, limit).await?),
        }))
    }

    /// Asks for `count` rows in that orientation and reads none of them: what is asked is whether there is such a place in the
    /// result. Servers take counts below zero, too.
    ///
    /// # Errors
    /// The server has no such orientation, or the result no such place; the server could not be asked.
    pub async fn turn(&self, operation: &OperationHandle, orientation: Orientation, count: i32) -> Result<()> {
        call!(self.turn(operation, orientation, count))
    }

    /// What the server has logged about an operation since it was asked last, up to `limit` lines, as a column of text.
    ///
    /// # Errors
    /// The server keeps no log, or could not be asked.
    pub async fn log(&self, operation: &OperationHandle, schema: &SchemaRef, limit: usize) -> Result<RowSet> {
        call!(self.log(operation, schema, limit))
    }

    /// The id that the engine behind the server gives the query: of Kyuubi's Flink engine the job's. Empty if there is
    /// none. Over REST it is looked for in the operation's log, which is read with that.
    ///
    /// # Errors
    /// The server does not have the call (Hive before 2.4 and 3.0, Spark), its log does not say, or it could not be asked.
    pub async fn query_id(&self, operation: &OperationHandle) -> Result<String> {
        call!(self.query_id(operation))
    }

    /// The sessions that the server has, of everybody.
    ///
    /// # Errors
    /// There is no such call over Thrift; the server does not tell whoever asks.
    pub async fn list_sessions(&self) -> Result<Vec<SessionEntry>> {
        self.rest()?.list_sessions().await
    }

    /// The operations that the server has, and whether they are everybody's: of a session alone if who asks may see no more.
    ///
    /// # Errors
    /// As [`Client::list_sessions`].
    pub async fn list_operations(&self, own: &SessionHandle) -> Result<(Vec<OperationEntry>, bool)> {
        self.rest()?.list_operations(own).await
    }

    /// The engines that run for a user, of the type, share level and subdomain that the filters name (`type`, `sharelevel`,
    /// `subdomain`, `proxyUser`); the server's defaults hold for what they don't name.
    ///
    /// # Errors
    /// As [`Client::list_sessions`].
    pub async fn list_engines(&self, filters: &[(&str, &str)]) -> Result<Vec<EngineEntry>> {
        self.rest()?.list_engines(filters).await
    }

    fn rest(&self) -> Result<&rest::Calls> {
        match &self.wire {
            Wire::Rest(calls) => Ok(calls),
            Wire::Thrift(_) => Err(Error::Refused {
                call: "a list",
                message: "Thrift has none of the server's own".to_owned(),
            }),
        }
    }

    /// Whether the server's own lists can be had.
    pub const fn has_lists(&self) -> bool {
        matches!(self.wire, Wire::Rest(_))
    }
}
