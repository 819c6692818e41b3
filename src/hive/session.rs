//! A session, as the shell sees it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use async_trait::async_trait;
use skep_engine::{
    Column, Dialect, ENGINE_TYPE, EngineError, ErrorKind, Object, ObjectKind, Operation, Result, Sql, Submit,
};
use skep_hive::{Client, Endpoint, Limits, OperationHandle, SessionHandle};

use super::failure::explain;
use super::operation::Running;
use super::rows;
use crate::syntax::classifier::{Scope, classify};

/// `CLI_DBMS_NAME` and `CLI_DBMS_VER` of `TGetInfoType`.
const PRODUCT: i32 = 17;
const VERSION: i32 = 18;

/// So many rows of a catalog are asked for at once.
const PAGE: usize = 1000;

/// What it takes to open a session.
#[derive(Debug, Clone)]
pub(super) struct Opening {
    pub(super) endpoint: Endpoint,
    pub(super) limits: Limits,
    pub(super) user: String,
    pub(super) password: String,
    pub(super) configuration: BTreeMap<String, String>,
}

/// A session on a connection of its own: the server closes the one with the other.
pub(super) struct HiveSql {
    opening: Arc<Opening>,
    client: Arc<Client>,
    session: SessionHandle,
}

impl HiveSql {
    /// Opens a session.
    pub(super) async fn open(opening: Arc<Opening>) -> Result<Self> {
        let not_connected = |error| EngineError {
            kind: ErrorKind::Connect,
            ..explain(error)
        };
        let client = Client::connect(&opening.endpoint, opening.limits)
            .await
            .map_err(explain)?;
        let session = client
            .open_session(&opening.user, &opening.password, &opening.configuration)
            .await
            .map_err(not_connected)?;
        Ok(Self {
            opening,
            client: Arc::new(client),
            session: session.handle,
        })
    }

    /// Name and version of what stands there. Who does not say is HiveServer2.
    pub(super) async fn product(&self) -> (String, String) {
        let info = async |what| self.client.info(&self.session, what).await.ok().flatten();
        let name = info(PRODUCT).await.unwrap_or_else(|| "HiveServer2".to_owned());
        (name, info(VERSION).await.unwrap_or_default())
    }

    /// All rows of a statement that only looks.
    async fn ask(&self, text: String) -> Result<Vec<RecordBatch>> {
        let operation = self.submit(Submit::new(text)).await?;
        let mut found = Vec::new();
        if let Some(mut rows) = operation.rows {
            rows.ready().await?;
            while let Some(batch) = rows.next().await? {
                found.push(batch.rows);
            }
        }
        Ok(found)
    }

    /// All rows of a question about the catalog. It is answered at once.
    async fn list(&self, asked: skep_hive::Result<OperationHandle>) -> Result<Vec<RecordBatch>> {
        let operation = asked.map_err(explain)?;
        let listed = self.read_list(&operation).await;
        // What could not be closed is closed with the session.
        let _ = self.client.close(&operation).await;
        listed.map_err(explain)
    }

    async fn read_list(&self, operation: &OperationHandle) -> skep_hive::Result<Vec<RecordBatch>> {
        let schema = self.client.schema(operation).await?.to_arrow(ENGINE_TYPE);
        let mut found = Vec::new();
        while let Some(rows) = self.client.fetch(operation, &schema, PAGE).await?.rows
            && rows.num_rows() > 0
        {
            found.push(rows);
        }
        Ok(found)
    }

    async fn database(&self) -> Result<String> {
        let rows = self.ask("SELECT current_database()".to_owned()).await?;
        Ok(rows.first().map(|rows| text(rows, 0, 0)).unwrap_or_default())
    }
}

/// The text in a cell; empty where there is none.
fn text(rows: &RecordBatch, row: usize, column: usize) -> String {
    let column: Option<&ArrayRef> = rows.columns().get(column);
    let texts = column.and_then(|column| column.as_string_opt::<i32>());
    texts
        .filter(|texts| row < texts.len() && texts.is_valid(row))
        .map(|texts| texts.value(row).to_owned())
        .unwrap_or_default()
}

#[async_trait]
impl Sql for HiveSql {
    fn dialect(&self) -> Dialect {
        Dialect::HIVE
    }

    async fn submit(&self, statement: Submit) -> Result<Operation> {
        if statement.restore.is_some() {
            return Err(EngineError::unsupported(
                "HiveServer2 has no savepoints: nothing can be started from one",
            ));
        }
        let (client, session) = (Arc::clone(&self.client), self.session.clone());
        let withdrawal = statement.withdrawal.clone();
        // In a task of its own: the answer, and with it the handle, is not lost if nobody waits for it.
        let accepted = tokio::spawn(async move {
            client
                .execute(&session, &statement.text, &statement.settings, None)
                .await
                .map(|operation| (statement.text, operation))
        });
        let (text, operation) = accepted
            .await
            .map_err(|error| EngineError::failed(format!("internal error: {error}")))?
            .map_err(explain)?;
        let running = Running::new(Arc::clone(&self.client), operation);
        let mut accepted = rows::follow(running);
        // What changes the session is in force when the next statement comes, and remembered only if it was carried out.
        if classify(&text, &Dialect::HIVE).scope() == Scope::Session
            && let Some(rows) = &mut accepted.rows
        {
            tokio::select! {
                ready = rows.ready() => ready?,
                () = withdrawal.asked() => {
                    accepted.handle.cancel().await?;
                    return Err(EngineError::new(ErrorKind::Cancelled, "cancelled"));
                }
            }
            if rows.schema().fields().is_empty() {
                accepted.rows = None;
            }
        }
        Ok(accepted)
    }

    async fn fresh(&self) -> Result<Arc<dyn Sql>> {
        Ok(Arc::new(Self::open(Arc::clone(&self.opening)).await?))
    }

    async fn setting(&self, key: &str) -> Result<Option<String>> {
        let rows = self.ask(format!("SET {key}")).await?;
        let Some(rows) = rows.first() else { return Ok(None) };
        // Spark answers with key and value, Hive with one text, `key=value` or `key is undefined`.
        let value = match rows.num_columns() {
            1 => text(rows, 0, 0).split_once('=').map(|(_, value)| value.to_owned()),
            _ => Some(text(rows, 0, 1)).filter(|value| value != "<undefined>"),
        };
        Ok(value)
    }

    async fn objects(&self) -> Result<Vec<Object>> {
        let database = self.database().await?;
        let pattern = escape(&database);
        let asked = self
            .client
            .tables(&self.session, None, Some(&pattern), Some("%"), &[])
            .await;
        let mut objects = Vec::new();
        // As in JDBC: catalog, schema, name, type.
        for rows in self.list(asked).await? {
            for row in 0..rows.num_rows() {
                objects.push(Object {
                    catalog: text(&rows, row, 0),
                    database: text(&rows, row, 1),
                    name: text(&rows, row, 2),
                    kind: if text(&rows, row, 3).contains("VIEW") {
                        ObjectKind::View
                    } else {
                        ObjectKind::Table
                    },
                });
            }
        }
        Ok(objects)
    }

    async fn columns(&self, table: &str) -> Result<Vec<Column>> {
        let plain = |name: &str| name.trim().trim_matches('`').to_owned();
        let (database, name) = match table.rsplit_once('.') {
            Some((database, name)) => (plain(database), plain(name)),
            None => (self.database().await?, plain(table)),
        };
        let asked = self
            .client
            .columns(
                &self.session,
                None,
                Some(&escape(&database)),
                Some(&escape(&name)),
                Some("%"),
            )
            .await;
        let mut columns = Vec::new();
        // As in JDBC: the name is the fourth column, the type's name the sixth.
        for rows in self.list(asked).await? {
            for row in 0..rows.num_rows() {
                columns.push(Column {
                    name: text(&rows, row, 3),
                    data_type: text(&rows, row, 5),
                });
            }
        }
        if columns.is_empty() {
            return Err(EngineError::not_found(format!("there is no table {table}")));
        }
        Ok(columns)
    }

    async fn close(&self) -> Result<()> {
        self.client.close_session(&self.session).await.map_err(explain)
    }
}

/// The name as a pattern that fits nothing else.
fn escape(name: &str) -> String {
    name.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}
