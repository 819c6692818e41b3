//! An engine of one's own, from outside, through the public API alone: the shell over a directory.
//!
//! ```text
//! cargo run --example engine -- -u dir:examples -e 'LIST;'
//! ```
//!
//! It has no jobs and no savepoints, and says so by leaving those sides of the connection empty: the shell then refuses
//! `!savepoint` and its like by name.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use skep_engine::arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use skep_engine::arrow::datatypes::SchemaRef;
use skep_engine::{
    Batch, Capabilities, Column, Connection, Dialect, Engine, EngineError, ErrorKind, LogRing, Object, Operation,
    OperationHandle, OperationId, Position, Result, Rows, Sql, Submit, Target, async_trait,
};

/// The driver: it answers to `dir:PATH`.
struct Directories;

#[async_trait]
impl Engine for Directories {
    fn schemes(&self) -> &'static [&'static str] {
        &["dir"]
    }

    fn summary(&self) -> &'static str {
        "dir:PATH    a directory; LIST shows what is in it"
    }

    async fn connect(&self, target: &Target) -> Result<Connection> {
        let dir = PathBuf::from(target.url.trim_start_matches("dir:"));
        if !dir.is_dir() {
            return Err(EngineError::new(
                ErrorKind::Connect,
                format!("{} is not a directory", dir.display()),
            ));
        }
        Ok(Connection {
            url: target.url.clone(),
            label: "dir".to_owned(),
            greeting: format!("the directory {}", dir.display()),
            capabilities: Capabilities::default(),
            sql: Some(Arc::new(Directory { dir })),
            jobs: None,
            stores: None,
            server: None,
        })
    }
}

/// The session: it takes one statement, `LIST`.
struct Directory {
    dir: PathBuf,
}

impl Directory {
    fn list(&self) -> Result<RecordBatch> {
        let failed = |cause: std::io::Error| EngineError::failed(format!("{}: {cause}", self.dir.display()));
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let size = entry.metadata().map_err(failed)?.len();
            files.push((entry.file_name().to_string_lossy().into_owned(), size));
        }
        files.sort();
        let names: ArrayRef = Arc::new(StringArray::from_iter_values(files.iter().map(|(name, _)| name)));
        let sizes: ArrayRef = Arc::new(UInt64Array::from_iter_values(files.iter().map(|(_, size)| *size)));
        RecordBatch::try_from_iter([("name", names), ("size", sizes)])
            .map_err(|cause| EngineError::failed(cause.to_string()))
    }
}

#[async_trait]
impl Sql for Directory {
    fn dialect(&self) -> Dialect {
        Dialect::FLINK
    }

    async fn submit(&self, statement: Submit) -> Result<Operation> {
        if !statement.text.trim().eq_ignore_ascii_case("list") {
            let place = Position {
                line: 1,
                column: 1,
                length: 1,
            };
            return Err(EngineError::rejected("the only statement here is LIST").at(place));
        }
        Ok(Operation {
            id: OperationId("list".to_owned()),
            job: None,
            rows: Some(Box::new(Once::new(self.list()?))),
            notes: Vec::new(),
            log: LogRing::default(),
            handle: Arc::new(Nothing),
        })
    }

    async fn fresh(&self) -> Result<Arc<dyn Sql>> {
        Ok(Arc::new(Self { dir: self.dir.clone() }))
    }

    async fn setting(&self, _key: &str) -> Result<Option<String>> {
        Ok(None)
    }

    async fn objects(&self) -> Result<Vec<Object>> {
        Ok(Vec::new())
    }

    async fn columns(&self, table: &str) -> Result<Vec<Column>> {
        Err(EngineError::not_found(format!("no table {table}")))
    }
}

/// Rows that are all there already.
struct Once {
    schema: SchemaRef,
    rows: Option<RecordBatch>,
}

impl Once {
    fn new(rows: RecordBatch) -> Self {
        // A batch is never empty: the stream of an empty directory has none.
        Self {
            schema: rows.schema(),
            rows: Some(rows).filter(|rows| rows.num_rows() > 0),
        }
    }
}

#[async_trait]
impl Rows for Once {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    async fn next(&mut self) -> Result<Option<Batch>> {
        Ok(self.rows.take().map(Batch::inserts))
    }
}

/// There is nothing to cancel: the rows were there when the statement was accepted.
struct Nothing;

#[async_trait]
impl OperationHandle for Nothing {
    async fn cancel(&self) -> Result<()> {
        Ok(())
    }
}

fn main() -> ExitCode {
    let mut engines = skep::engines::Engines::builtin();
    engines.add(Arc::new(Directories));
    skep::app::main(engines)
}
