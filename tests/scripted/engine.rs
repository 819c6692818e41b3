//! The driver and its session.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use skep_engine::arrow::array::{Int64Array, RecordBatch, StringArray};
use skep_engine::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use skep_engine::{
    Batch, Capabilities, Column, Connection, Dialect, Engine, EngineError, ErrorKind, JobId, JobState, LogRing, Object,
    ObjectKind, Operation, OperationHandle, OperationId, Position, Result, Rows, Sql, StartedJob, Submit, Target,
    async_trait,
};
use tokio::sync::watch;

use crate::jobs::{Cluster, Habit, Run};

/// The driver.
pub struct Scripted;

#[async_trait]
impl Engine for Scripted {
    fn schemes(&self) -> &'static [&'static str] {
        &["scripted"]
    }

    fn summary(&self) -> &'static str {
        "scripted:    misbehaves on command"
    }

    async fn connect(&self, target: &Target) -> Result<Connection> {
        if target.url == "scripted:away" {
            return Err(EngineError::new(ErrorKind::Connect, "nobody answers at scripted:away"));
        }
        let cluster = Arc::new(match (target.url.as_str(), std::env::var_os("SCRIPTED_CLUSTER")) {
            ("scripted:kept", Some(dir)) => Cluster::kept_in(Path::new(&dir)),
            ("scripted:mute", _) => Cluster::mute(),
            _ => Cluster::default(),
        });
        Ok(Connection {
            url: target.url.clone(),
            label: "scripted".to_owned(),
            greeting: "a scripted engine".to_owned(),
            capabilities: Capabilities {
                chosen_job_id: true,
                savepoint: true,
                stop: true,
                cancel: true,
                checkpoint: true,
                restore: true,
                jobs_end_with_shell: target.url == "scripted:inside",
                queries_are_jobs: target.url == "scripted:kept",
                ..Capabilities::default()
            },
            sql: Some(Arc::new(Session {
                cluster: Arc::clone(&cluster),
                settings: Mutex::default(),
            })),
            jobs: Some(cluster),
            stores: None,
            server: None,
        })
    }
}

/// Writes a line of what was asked for.
pub fn journal(line: &str) {
    let Ok(path) = std::env::var("SCRIPTED_JOURNAL") else {
        return;
    };
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .expect("the journal can be written");
    writeln!(file, "{line}").expect("the journal can be written");
}

/// Returns when the gate is open.
pub async fn gate() {
    let path = std::env::var("SCRIPTED_GATE").unwrap_or_default();
    there(Path::new(&path), true).await;
}

/// Returns when a file is there, or is not.
pub async fn there(path: &Path, wanted: bool) {
    while path.exists() != wanted {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}

struct Session {
    cluster: Arc<Cluster>,
    settings: Mutex<BTreeMap<String, String>>,
}

#[async_trait]
impl Sql for Session {
    fn dialect(&self) -> Dialect {
        Dialect::FLINK
    }

    async fn submit(&self, statement: Submit) -> Result<Operation> {
        journal(&format!("submit {}", statement.text));
        let dialect = Dialect::FLINK;
        let tokens = skep::syntax::lexer::significant(&statement.text, &dialect);
        let words: Vec<&str> = tokens.map(|token| token.span.of(&statement.text)).collect();
        let quoted = || statement.text.split('\'').nth(1).unwrap_or_default().to_owned();
        match words.as_slice() {
            ["SELECT", "ENDLESS", quietly @ ..] => {
                let run = self
                    .cluster
                    .start(job_id(&statement), "endless", false, statement.restore.as_ref());
                let mut stream = Counting::of(&run, i64::MAX);
                stream.pause_after = (!quietly.is_empty()).then_some(3);
                Ok(job(&run, Some(Box::new(stream))))
            }
            ["SELECT", "GATED", n, late @ ..] => {
                let run = self
                    .cluster
                    .start(job_id(&statement), "gated", false, statement.restore.as_ref());
                let mut stream = Counting::of(&run, number(n)?);
                stream.gated_after = Some(if late.is_empty() { 3 } else { 0 });
                Ok(job(&run, Some(Box::new(stream))))
            }
            ["EXPLAIN", ..] => Ok(rows(Counting::new(1, None))),
            ["SELECT", n] => Ok(rows(Counting::new(number(n)?, None))),
            ["SELECT", n, "FAILING", ..] => Ok(rows(Counting::new(number(n)?, Some(quoted())))),
            ["FAIL", ..] => {
                let word = Position {
                    line: 1,
                    column: 6,
                    length: 2 + quoted().chars().count() as u32,
                };
                Err(EngineError::rejected(quoted()).at(word).hint("do not ask for failures"))
            }
            ["INSERT", "INTO", name, "LOST"] => {
                self.cluster.start(job_id(&statement), name, false, None);
                Err(EngineError::new(
                    ErrorKind::Lost,
                    "the connection broke before the reply came",
                ))
            }
            ["INSERT", "INTO", name, "UNANSWERED"] => {
                let run = self.cluster.start(job_id(&statement), name, false, None);
                journal(&format!("unanswered {name}"));
                gate().await;
                Ok(job(&run, None))
            }
            ["INSERT", "INTO", name, rest @ ..] => {
                if rest.contains(&"SLOWLY") {
                    gate().await;
                }
                let bounded = rest.contains(&"BOUNDED");
                Ok(job(
                    &self
                        .cluster
                        .start(job_id(&statement), name, bounded, statement.restore.as_ref()),
                    None,
                ))
            }
            ["DIE", name, ..] => {
                self.cluster.run_named(name)?.end(JobState::Failed, Some(quoted()));
                Ok(done())
            }
            ["SELECT", "PANIC", ..] => panic!("{}", quoted()),
            ["SLOW"] => {
                gate().await;
                Ok(rows(Counting::new(1, None)))
            }
            ["CANCEL", habit] => {
                self.cluster.set_cancels(match *habit {
                    "LIES" => Habit::Lies,
                    "HANGS" => Habit::Hangs,
                    "FAILS" => Habit::Fails,
                    _ => Habit::Works,
                });
                Ok(done())
            }
            ["SAVEPOINT", habit] => {
                self.cluster.set_savepoints(match *habit {
                    "FAILS" => Habit::Fails,
                    "HANGS" => Habit::Hangs,
                    _ => Habit::Works,
                });
                Ok(done())
            }
            ["SET", ..] => {
                let parts: Vec<&str> = statement.text.split('\'').collect();
                if let (Some(key), Some(value)) = (parts.get(1), parts.get(3)) {
                    self.settings
                        .lock()
                        .expect("not poisoned")
                        .insert((*key).to_owned(), (*value).to_owned());
                }
                Ok(done())
            }
            _ => Err(EngineError::rejected(format!(
                "{} is not the beginning of a statement",
                words.first().unwrap_or(&"")
            ))
            .at(Position {
                line: 1,
                column: 1,
                length: words.first().map_or(1, |word| word.chars().count() as u32),
            })),
        }
    }

    async fn fresh(&self) -> Result<Arc<dyn Sql>> {
        Ok(Arc::new(Self {
            cluster: Arc::clone(&self.cluster),
            settings: Mutex::default(),
        }))
    }

    async fn setting(&self, key: &str) -> Result<Option<String>> {
        Ok(self.settings.lock().expect("not poisoned").get(key).cloned())
    }

    async fn objects(&self) -> Result<Vec<Object>> {
        let table = |name: &&str| Object {
            catalog: "default_catalog".to_owned(),
            database: "default_database".to_owned(),
            name: (*name).to_owned(),
            kind: ObjectKind::Table,
        };
        Ok(TABLES.iter().map(|(name, _)| name).map(table).collect())
    }

    async fn columns(&self, table: &str) -> Result<Vec<Column>> {
        let Some((_, columns)) = TABLES.iter().find(|(name, _)| *name == table) else {
            return Err(EngineError::not_found(format!("no table {table}")));
        };
        let column = |name: &&str| Column {
            name: (*name).to_owned(),
            data_type: "STRING".to_owned(),
        };
        Ok(columns.iter().map(column).collect())
    }

    /// Of tables that outlive every session: what stands in the file of that name beside the gate.
    async fn definition(&self, name: &[String]) -> Result<Option<String>> {
        let gate = std::env::var("SCRIPTED_GATE").unwrap_or_default();
        let file = Path::new(&gate).with_file_name(format!("{}.ddl", name.join(".")));
        Ok(std::fs::read_to_string(file).ok())
    }
}

/// The tables that are there, with their columns.
const TABLES: [(&str, &[&str]); 2] = [("flights", &["carrier", "dep_delay"]), ("weather", &["origin", "temp"])];

fn number(word: &str) -> Result<i64> {
    word.parse()
        .map_err(|_| EngineError::rejected(format!("{word} is not a number")))
}

fn job_id(statement: &Submit) -> JobId {
    statement
        .job_id
        .expect("the shell chooses the job id where the engine declares it")
}

fn done() -> Operation {
    operation(None, None)
}

fn rows(stream: Counting) -> Operation {
    operation(None, Some(Box::new(stream)))
}

fn job(run: &Arc<Run>, rows: Option<Box<dyn Rows>>) -> Operation {
    operation(Some(Arc::clone(run)), rows)
}

fn operation(run: Option<Arc<Run>>, rows: Option<Box<dyn Rows>>) -> Operation {
    let job = run.as_ref().map(|run| StartedJob {
        job_id: run.job_id,
        cluster_id: None,
        name: run.name.clone(),
        bounded: run.bounded,
    });
    Operation {
        id: OperationId("op".to_owned()),
        job,
        rows,
        notes: Vec::new(),
        log: LogRing::default(),
        handle: Arc::new(Handle { run }),
    }
}

struct Handle {
    run: Option<Arc<Run>>,
}

#[async_trait]
impl OperationHandle for Handle {
    async fn cancel(&self) -> Result<()> {
        match &self.run {
            Some(run) => run.cancel().await,
            None => Ok(()),
        }
    }
}

/// Rows that count.
struct Counting {
    next: i64,
    end: i64,
    failure: Option<String>,
    pause_after: Option<i64>,
    gated_after: Option<i64>,
    run: Option<Arc<Run>>,
    /// So many come at once.
    batch: i64,
}

impl Counting {
    fn new(end: i64, failure: Option<String>) -> Self {
        Self {
            next: 0,
            end,
            failure,
            pause_after: None,
            gated_after: None,
            run: None,
            batch: 10_000,
        }
    }

    /// Rows of a job, one by one.
    fn of(run: &Arc<Run>, end: i64) -> Self {
        Self {
            run: Some(Arc::clone(run)),
            batch: 1,
            ..Self::new(end, None)
        }
    }
}

async fn ended(run: Option<&Arc<Run>>) {
    match run {
        Some(run) => {
            let mut status: watch::Receiver<_> = run.status();
            let _ = status.wait_for(|status| status.state.is_terminal()).await;
        }
        None => std::future::pending().await,
    }
}

#[async_trait]
impl Rows for Counting {
    fn schema(&self) -> SchemaRef {
        let fields = vec![
            Field::new("n", DataType::Int64, false),
            Field::new("text", DataType::Utf8, true),
        ];
        Arc::new(Schema::new(fields))
    }

    async fn next(&mut self) -> Result<Option<Batch>> {
        if let Some(run) = &self.run
            && run.status().borrow().state.is_terminal()
        {
            return Err(EngineError::new(ErrorKind::Cancelled, "the query was cancelled"));
        }
        if self.pause_after.is_some_and(|n| self.next >= n) {
            ended(self.run.as_ref()).await;
            return Err(EngineError::new(ErrorKind::Cancelled, "the query was cancelled"));
        }
        if self.gated_after.is_some_and(|n| self.next >= n) {
            gate().await;
            self.gated_after = None;
            self.batch = 10_000;
        }
        if self.next >= self.end {
            if let Some(run) = &self.run {
                run.end(JobState::Finished, None);
            }
            return match self.failure.take() {
                Some(message) => Err(EngineError::failed(message)),
                None => Ok(None),
            };
        }
        // An endless stream lets others have a turn.
        tokio::task::yield_now().await;
        let to = self.end.min(self.next + self.batch);
        let numbers: Vec<i64> = (self.next..to).collect();
        let texts = StringArray::from_iter_values(numbers.iter().map(|n| format!("row {n}")));
        self.next = to;
        let columns = vec![Arc::new(Int64Array::from(numbers)) as _, Arc::new(texts) as _];
        let rows = RecordBatch::try_new(self.schema(), columns).expect("the columns are of the schema's types");
        Ok(Some(Batch::inserts(rows)))
    }
}
