//! A session in a directory of its own.

use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use skep_engine::{Connection, Engine, EngineError, Operation, Sql, Submit, Target};
use skep_local::LocalEngine;

pub struct World {
    pub dir: tempfile::TempDir,
    pub connection: Connection,
    pub sql: Arc<dyn Sql>,
}

impl World {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut target = Target::new(format!("local:{}", dir.path().join("jobs").display()), dir.path());
        target
            .properties
            .insert("table.local-time-zone".to_owned(), "UTC".to_owned());
        let connection = LocalEngine.connect(&target).await.unwrap();
        let sql = connection.sql.clone().unwrap();
        Self { dir, connection, sql }
    }

    /// Writes a file under the session's directory and gives its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    pub fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    pub async fn submit(&self, text: &str) -> Result<Operation, EngineError> {
        self.sql.submit(Submit::new(text)).await
    }

    /// Carries out a statement that has no rows.
    pub async fn run(&self, text: &str) {
        let operation = self
            .submit(text)
            .await
            .unwrap_or_else(|e| panic!("{text}: {e} {:?}", e.hints));
        assert!(operation.rows.is_none(), "{text} has rows");
    }

    /// The rows as text: a header line, then `a|b` a line; NULL is `∅`.
    pub async fn rows(&self, text: &str) -> Vec<String> {
        let operation = self
            .submit(text)
            .await
            .unwrap_or_else(|e| panic!("{text}: {e} {:?}", e.hints));
        let rows = fetch(operation).await;
        rows.unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    /// The rows without the header.
    pub async fn values(&self, text: &str) -> Vec<String> {
        self.rows(text).await.split_off(1)
    }

    /// The one value.
    pub async fn value(&self, text: &str) -> String {
        let mut rows = self.values(text).await;
        assert_eq!(rows.len(), 1, "{text}: {rows:?}");
        rows.remove(0)
    }

    /// Why the statement fails, at once or while its rows are fetched.
    pub async fn error(&self, text: &str) -> EngineError {
        match self.submit(text).await {
            Err(error) => error,
            Ok(operation) => match fetch(operation).await {
                Err(error) => error,
                Ok(rows) => panic!("{text} gives {rows:?}"),
            },
        }
    }

    /// Waits for the end of an INSERT's job and says how it ended.
    pub async fn wait(&self, operation: &Operation) -> skep_engine::JobStatus {
        let job = operation.job.as_ref().unwrap().job_id;
        let jobs = self.connection.jobs.clone().unwrap();
        let mut watch = jobs.watch(job);
        loop {
            if let Some(status) = &watch.borrow_and_update().status
                && status.state.is_terminal()
            {
                return status.clone();
            }
            watch.changed().await.unwrap();
        }
    }

    /// Runs an INSERT to its end.
    pub async fn insert(&self, text: &str) {
        let operation = self
            .submit(text)
            .await
            .unwrap_or_else(|e| panic!("{text}: {e} {:?}", e.hints));
        let status = self.wait(&operation).await;
        assert_eq!(status.error, None, "{text}");
    }
}

/// All rows of an operation.
pub async fn fetch(operation: Operation) -> Result<Vec<String>, EngineError> {
    let mut rows = operation.rows.expect("the statement has rows");
    let names: Vec<String> = rows.schema().fields().iter().map(|f| f.name().clone()).collect();
    let mut lines = vec![names.join("|")];
    while let Some(batch) = rows.next().await? {
        assert!(batch.rows.num_rows() > 0, "a batch is never empty");
        let kinds = batch.kinds.clone();
        for (row, line) in lines_of(&batch.rows).into_iter().enumerate() {
            match &kinds {
                Some(kinds) => lines.push(format!("{} {line}", kinds[row].as_str())),
                None => lines.push(line),
            }
        }
    }
    Ok(lines)
}

fn lines_of(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("∅");
    let columns: Vec<ArrayFormatter<'_>> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column, &options).unwrap())
        .collect();
    (0..batch.num_rows())
        .map(|row| {
            columns
                .iter()
                .map(|c| c.value(row).to_string())
                .collect::<Vec<_>>()
                .join("|")
        })
        .collect()
}

/// The files under a directory that are not hidden, as one sorted list of lines.
pub fn lines_under(dir: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with('.') || !path.is_file() {
            continue;
        }
        lines.extend(std::fs::read_to_string(path).unwrap().lines().map(str::to_owned));
    }
    lines.sort();
    lines
}
