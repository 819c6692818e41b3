//! The side of a connection that takes statements.

use std::future::Future;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use async_trait::async_trait;
use skep_engine::{
    Attempt, Column, Dialect, ENGINE_TYPE, EngineError, ErrorKind, Object, ObjectKind, Operation, Result, Sql, Submit,
};
use skep_hive::{Client, OperationHandle};

use super::failure::explain;
use super::operation::Running;
use super::rows;
use super::session::{Live, Session};
use crate::syntax::classifier::{Kind, Scope, classify};

/// So many rows of a catalog are asked for at once.
const PAGE: usize = 1000;

/// What a server says that wants to be told which kinds of tables to list.
const ONLY_KINDS: &str = "only support to list TABLE, VIEW";

/// A session, as the shell sees it.
pub(crate) struct HiveSql(pub(crate) Arc<Session>);

impl HiveSql {
    /// All rows of a statement that only looks.
    async fn ask(&self, text: String) -> Result<Vec<RecordBatch>> {
        let operation = accept(Arc::clone(&self.0), Submit::new(text)).await?;
        let mut found = Vec::new();
        if let Some(mut answer) = operation.rows {
            answer.ready().await?;
            let mut bytes = 0;
            while let Some(batch) = answer.next().await? {
                bytes += batch.rows.get_array_memory_size();
                if bytes > rows::ANSWER_LIMIT {
                    return Err(rows::too_long("a question of the shell's"));
                }
                found.push(batch.rows);
            }
        }
        Ok(found)
    }

    /// All rows of a question about the catalog. It is answered at once.
    async fn list<F>(&self, question: impl Fn(Arc<Live>) -> F + Send) -> Result<Vec<RecordBatch>>
    where
        F: Future<Output = skep_hive::Result<OperationHandle>> + Send,
    {
        let (live, operation) = self.0.call(&Attempt::default(), question).await?;
        let listed = read_list(&live.client, &operation).await;
        // What could not be closed is closed with the session.
        let _ = live.client.close(&operation).await;
        listed
    }

    /// The tables and views of the databases that fit a pattern of LIKE.
    pub(crate) async fn objects_like(&self, databases: &str) -> Result<Vec<Object>> {
        let pattern: Arc<str> = databases.into();
        let list = async |kinds: &'static [&'static str]| {
            self.list(|live| {
                let pattern = Arc::clone(&pattern);
                async move {
                    live.client
                        .tables(&live.handle, None, Some(&pattern), Some("%"), kinds)
                        .await
                }
            })
            .await
        };
        let listed = match list(&[]).await {
            // Flink 1.20's own endpoint: all kinds are more than it can list.
            Err(error) if error.message.contains(ONLY_KINDS) => list(&["TABLE", "VIEW"]).await?,
            listed => listed?,
        };
        let mut objects = Vec::new();
        // As in JDBC: catalog, schema, name, type.
        for rows in listed {
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

    /// The columns of a table: in the database that it names, else in those that fit a pattern of LIKE.
    pub(crate) async fn columns_like(&self, databases: &str, table: &str) -> Result<Vec<Column>> {
        let plain = |name: &str| escape(name.trim().trim_matches('`'));
        let patterns: Arc<[String; 2]> = Arc::new(match table.rsplit_once('.') {
            Some((database, name)) => [plain(database), plain(name)],
            None => [databases.to_owned(), plain(table)],
        });
        let listed = self.list(|live| {
            let patterns = Arc::clone(&patterns);
            async move {
                let [database, name] = &*patterns;
                live.client
                    .columns(&live.handle, None, Some(database), Some(name), Some("%"))
                    .await
            }
        });
        let mut columns = Vec::new();
        // As in JDBC: the name is the fourth column, the type's name the sixth.
        for rows in listed.await? {
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

    async fn database(&self) -> Result<String> {
        let rows = self.ask("SELECT current_database()".to_owned()).await?;
        Ok(rows.first().map(|rows| text(rows, 0, 0)).unwrap_or_default())
    }
}

async fn read_list(client: &Client, operation: &OperationHandle) -> Result<Vec<RecordBatch>> {
    let schema = client.schema(operation).await.map_err(explain)?.to_arrow(ENGINE_TYPE);
    let mut found = Vec::new();
    let mut bytes = 0;
    loop {
        let page = client.fetch(operation, &schema, PAGE).await.map_err(explain)?;
        let Some(rows) = page.rows.filter(|rows| rows.num_rows() > 0) else {
            return Ok(found);
        };
        bytes += page.bytes;
        if bytes > rows::ANSWER_LIMIT {
            return Err(rows::too_long("a question about the catalog"));
        }
        found.push(rows);
    }
}

/// Hands a statement over. In a task of its own: the answer, and with it the handle, is not lost if nobody waits for it.
async fn accept(session: Arc<Session>, statement: Submit) -> Result<Operation> {
    let accepted = tokio::spawn(async move {
        let statement = Arc::new(statement);
        let (live, operation) = session
            .call(&statement.attempt(), |live| {
                let statement = Arc::clone(&statement);
                async move {
                    live.client
                        .execute(&live.handle, &statement.text, &statement.settings, None)
                        .await
                }
            })
            .await?;
        let running = Running::new(Arc::clone(&live.client), operation);
        let kind = classify(&statement.text, &Dialect::HIVE);
        let mut accepted = rows::follow(running);
        // What changes the session is in force when the next statement comes, and remembered only if it was carried out.
        if kind.scope() == Scope::Session {
            if let Some(rows) = &mut accepted.rows {
                tokio::select! {
                    ready = rows.ready() => ready?,
                    () = statement.withdrawal.asked() => {
                        accepted.handle.cancel().await?;
                        return Err(EngineError::new(ErrorKind::Cancelled, "cancelled"));
                    }
                }
                if rows.schema().fields().is_empty() {
                    accepted.rows = None;
                }
            }
            session.remember(&live, &statement.text).await;
        } else if kind == Kind::Ctas {
            session.remember(&live, &statement.text).await;
        }
        accepted.notes = session.unsaid().await;
        Ok(accepted)
    });
    accepted
        .await
        .unwrap_or_else(|error| Err(EngineError::failed(format!("internal error: {error}"))))
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
        accept(Arc::clone(&self.0), statement).await
    }

    async fn fresh(&self) -> Result<Arc<dyn Sql>> {
        Ok(Arc::new(Self(self.0.another().await?)))
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
        self.objects_like(&escape(&database)).await
    }

    async fn columns(&self, table: &str) -> Result<Vec<Column>> {
        let database = match table.rsplit_once('.') {
            Some(_) => String::new(),
            None => self.database().await?,
        };
        self.columns_like(&escape(&database), table).await
    }

    async fn close(&self) -> Result<()> {
        let live = self.0.live();
        live.client.close_session(&live.handle).await.map_err(explain)
    }
}

/// The name as a pattern that fits nothing else.
fn escape(name: &str) -> String {
    name.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}
