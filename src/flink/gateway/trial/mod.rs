//! A statement that is tried from a state: as a query, whose rows come back through the gateway instead of going into a sink.
//!
//! Flink gives an operator its state by a hash over what stands before it and over how many of those behind it it is chained
//! with (`StreamGraphHasherV2`), so that what stands before the sink of an `INSERT` is known by the same ids in the query
//! that the `INSERT` has (seen on 1.20.3 and 2.3.0). It is not taken on trust: each query is first run on sources without an
//! end, and the savepoint of that run tells which operators it has.

mod sources;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use skep_engine::{
    Batch, Dialect, Discarded, EngineError, ErrorKind, HeldState, JobControl, JobId, LostState, Operation,
    OperatorState, Restore, Result, Rows, SavepointRequest, Sql, Stores, Submit, Trial, TrialState, Tried, TriedTable,
};

use super::rows::absence;
use super::sql::GatewaySql;
use crate::flink::limits::Backoff;
use crate::syntax::insert::{Insert, insert};
use crate::syntax::literal::quote_identifier;
use crate::syntax::table_definition::TableDefinition;
use sources::{Ends, Reading, Source, ends, shown};

/// So many rows a statement may write in a trial: they are held in memory.
const MOST_ROWS: usize = 1_000_000;

/// So many forms of a query are tried for the one that takes over the state.
const SHAPES: usize = 2;

// Each form is a job, and then the rows of one of them are read.
const _: () = assert!(SHAPES < Trial::MOST_JOBS);

/// A state that a trial has looked into.
struct Held {
    path: String,
    operators: Vec<OperatorState>,
    /// Operators that only the sink has: no query takes their state.
    of_sink: BTreeSet<String>,
}

impl Held {
    /// The operators whose state would find no place among those.
    fn left_behind<'a>(&'a self, found: &'a Shape) -> impl Iterator<Item = &'a OperatorState> {
        let is_lost = |operator: &&OperatorState| operator.size > 0 && !found.operators.contains(&operator.id);
        self.operators.iter().filter(is_lost)
    }

    /// What stands in the way of a trial of the statement that made the state: state that is no sink's.
    fn astray(&self, found: &Shape) -> Option<String> {
        let ids: BTreeSet<&str> = self.operators.iter().map(|operator| operator.id.as_str()).collect();
        let unknown = found.sources.iter().find(|(id, _)| !ids.contains(id.as_str()));
        let of_query = |operator: &&OperatorState| {
            let name = operator.name.as_deref().unwrap_or_default();
            // It is a sink's, and keeps what it has written by key.
            operator.keyed && !name.contains("Materializer")
        };
        let keyed = self.left_behind(found).find(of_query).map(called);
        keyed.or_else(|| unknown.map(|(_, name)| name.clone()))
    }
}

/// The operators of a query that runs.
struct Shape {
    operators: BTreeSet<String>,
    /// Of each source the id and the name.
    sources: Vec<(String, String)>,
}

/// Tries a statement.
///
/// # Errors
/// It can't be tried, it fails, or it was withdrawn. No job of it runs then.
pub(super) async fn try_out(sql: GatewaySql, stores: Arc<dyn Stores>, trial: Trial) -> Result<Tried> {
    Attempt::new(sql, stores, trial)?.run().await
}

/// Looks whether a statement can be tried. Nothing is made for it.
///
/// # Errors
/// It can't be.
pub(super) async fn check(sql: GatewaySql, stores: Arc<dyn Stores>, trial: Trial) -> Result<()> {
    Attempt::new(sql, stores, trial)?.look().await.map(drop)
}

struct Attempt {
    sql: GatewaySql,
    stores: Arc<dyn Stores>,
    jobs: Arc<dyn JobControl>,
    deadline: Option<Instant>,
    trial: Trial,
    parts: Insert,
}

/// What a statement reads and writes.
struct Scope {
    ends: Ends,
    /// The columns that it writes, in its order.
    columns: Vec<String>,
    /// Those of the primary key of the table that it writes.
    key: Vec<String>,
    sources: Vec<Source>,
}

impl Attempt {
    fn new(sql: GatewaySql, stores: Arc<dyn Stores>, trial: Trial) -> Result<Self> {
        let jobs = sql
            .jobs()
            .ok_or_else(|| EngineError::unsupported("nobody can be asked about jobs"))?;
        let parts = insert(&trial.text, &Dialect::FLINK).ok_or_else(|| {
            EngineError::refused(
                "only a single INSERT can be tried on Flink: it knows the operators of a statement set by the shape of the \
                 whole set",
            )
        })?;
        if parts.partition {
            return Err(EngineError::refused(
                "an INSERT into a PARTITION can't be tried on Flink",
            ));
        }
        Ok(Self {
            deadline: trial.patience.map(|patience| Instant::now() + patience),
            sql,
            stores,
            jobs,
            trial,
            parts,
        })
    }

    /// What the statement reads and writes, and how its sources can be read twice.
    async fn look(&self) -> Result<Scope> {
        let explained = self.sql.ask(format!("EXPLAIN PLAN FOR {}", self.trial.text));
        let explained: Vec<String> = explained.await.map_err(nowhere)?.into_iter().flatten().collect();
        let ends = ends(&explained.join("\n"));
        let (columns, key) = self.columns(&ends).await?;
        let sources = self.sources(&ends).await?;
        Ok(Scope {
            ends,
            columns,
            key,
            sources,
        })
    }

    async fn run(&self) -> Result<Tried> {
        let Scope {
            ends,
            columns,
            key,
            sources,
        } = self.look().await?;
        for source in &sources {
            self.tell(source.aside()).await?;
        }
        let texts = queries(self.parts.query.of(&self.trial.text), &columns);

        self.declare(&sources, Reading::Endless).await?;
        let (held, text, lost) = match &self.trial.state {
            TrialState::Path(path) => {
                let (held, text) = self.first(path, texts).await?;
                (Arc::new(held), text, Vec::new())
            }
            TrialState::Held(held) => {
                let held = Arc::clone(&held.0).downcast::<Held>();
                let held = held.map_err(|_| EngineError::refused("the state is not one of Flink's"))?;
                let (text, lost) = self.second(&held, texts).await?;
                (held, text, lost)
            }
        };
        self.declare(&sources, Reading::Slice).await?;
        let rows = self.rows(&text, &held.path, columns.len()).await?;
        let table = match ends.sink.as_deref() {
            Some(sink) => shown(&sink.split('.').map(str::to_owned).collect::<Vec<_>>()),
            None => String::new(),
        };
        let mut notes: Vec<String> = sources.into_iter().map(|source| source.slice).collect();
        let of_sink = held
            .operators
            .iter()
            .filter(|operator| held.of_sink.contains(&operator.id));
        let of_sink: Vec<String> = of_sink.map(called).collect();
        if lost.is_empty() && !of_sink.is_empty() {
            notes.push(format!("what the sink keeps is not tried: {}", of_sink.join(", ")));
        }
        Ok(Tried {
            state: HeldState(held),
            tables: vec![TriedTable {
                table,
                key,
                rows: Box::new(rows),
            }],
            lost,
            read: ends.scans.iter().map(|scan| (shown(&scan.path), None)).collect(),
            notes,
        })
    }

    /// The columns that the statement writes, in its order, and those of the table's primary key.
    async fn columns(&self, ends: &Ends) -> Result<(Vec<String>, Vec<String>)> {
        let sink = ends.sink.as_deref();
        let sink = sink.ok_or_else(|| EngineError::refused("the plan does not say what the statement writes to"))?;
        let quoted: Vec<String> = sink.split('.').map(quote_identifier).collect();
        let described = self.sql.ask(format!("DESCRIBE {}", quoted.join("."))).await?;
        let mut columns = Vec::new();
        let mut key = Vec::new();
        for row in described {
            let cell = |place: usize| row.get(place).map(String::as_str).unwrap_or_default();
            // Name, type, null, key, extras, watermark.
            if cell(3).starts_with("PRI") {
                key.push(cell(0).to_owned());
            }
            if !cell(4).starts_with("AS ") && !cell(4).contains("VIRTUAL") {
                columns.push(cell(0).to_owned());
            }
        }
        Ok((self.parts.columns.clone().unwrap_or(columns), key))
    }

    /// The sources, by their definitions.
    async fn sources(&self, ends: &Ends) -> Result<Vec<Source>> {
        if ends.scans.is_empty() {
            return Err(EngineError::refused("the plan names no table that the statement reads"));
        }
        let mut sources = Vec::new();
        for (number, scan) in ends.scans.iter().enumerate() {
            let definition = self.sql.definition(&scan.path).await?;
            let definition = definition.and_then(|text| TableDefinition::read(&text, &Dialect::FLINK));
            sources.push(Source::new(
                scan,
                number,
                &definition.unwrap_or_default(),
                self.trial.rows,
            )?);
        }
        Ok(sources)
    }

    async fn declare(&self, sources: &[Source], reading: Reading) -> Result<()> {
        for source in sources {
            self.tell(source.declare(reading)).await?;
        }
        Ok(())
    }

    async fn tell(&self, statements: [String; 2]) -> Result<()> {
        for statement in statements {
            self.sql.ask(statement).await.map_err(nowhere)?;
        }
        Ok(())
    }

    /// Looks into the state, and finds the query that takes of it all but the sink's.
    async fn first(&self, path: &str, texts: [String; SHAPES]) -> Result<(Held, String)> {
        let mut held = Held {
            path: path.to_owned(),
            operators: self.stores.examine(path).await?.operators,
            of_sink: BTreeSet::new(),
        };
        let mut refusal = None;
        for (number, text) in texts.into_iter().enumerate() {
            let found = self.shape(number, &text, path).await?;
            match held.astray(&found) {
                None => {
                    held.of_sink = held.left_behind(&found).map(|operator| operator.id.clone()).collect();
                    return Ok((held, text));
                }
                Some(astray) => {
                    refusal.get_or_insert(astray);
                }
            }
        }
        Err(EngineError::refused(format!(
            "without its sink the statement can't take over the state of {}: Flink knows that by the shape of the whole job",
            refusal.unwrap_or_default()
        )))
    }

    /// Finds the query that leaves behind the least, and what that is.
    async fn second(&self, held: &Held, texts: [String; SHAPES]) -> Result<(String, Vec<LostState>)> {
        let mut best: Option<(String, Vec<LostState>)> = None;
        for (number, text) in texts.into_iter().enumerate() {
            let found = self.shape(number, &text, &held.path).await?;
            let lost = held
                .left_behind(&found)
                .filter(|operator| !held.of_sink.contains(&operator.id));
            let lost: Vec<LostState> = lost.map(lost_state).collect();
            if best.as_ref().is_none_or(|(_, least)| lost.len() < least.len()) {
                best = Some((text, lost));
            }
            if best.as_ref().is_some_and(|(_, least)| least.is_empty()) {
                break;
            }
        }
        best.ok_or_else(|| EngineError::failed("internal error: there is no query"))
    }

    /// The operators of a query: it is run on sources without an end, and its savepoint is looked into.
    async fn shape(&self, number: usize, text: &str, path: &str) -> Result<Shape> {
        let operation = self.begin(number, text, path).await?;
        let job = job_of(&operation);
        let ready = self.wait(job, self.running(job)).await;
        let (seen, saving) = match ready {
            Ok((job, sources)) => {
                let (jobs, stores, dir) = (Arc::clone(&self.jobs), Arc::clone(&self.stores), self.trial.dir.clone());
                let mut saving = tokio::spawn(operators(jobs, stores, job, dir, self.trial.discarded.clone()));
                let saved = self.wait(Some(job), async {
                    let saved = (&mut saving).await;
                    saved.map_err(|error| EngineError::failed(format!("internal error: {error}")))?
                });
                let seen = saved.await.map(|operators| Shape { operators, sources });
                (seen, Some(saving))
            }
            Err(error) => (Err(error), None),
        };
        let ended = operation.handle.cancel().await;
        if let Some(saving) = saving.filter(|saving| !saving.is_finished()) {
            // Its job has ended: it fails, or deletes what it has just got.
            let _ = saving.await;
        }
        let seen = seen?;
        ended?;
        Ok(seen)
    }

    /// Waits until all tasks of a job run. Its sources, each with id and name.
    async fn running(&self, job: Option<JobId>) -> Result<(JobId, Vec<(String, String)>)> {
        let job = job.ok_or_else(|| EngineError::failed("the gateway does not tell the query's job"))?;
        let mut backoff = Backoff::new();
        loop {
            let status = self.jobs.status(&job).await?;
            if status.all_tasks_run() && status.tasks.is_some() {
                // The list of vertices comes out of a cache, which somebody may have filled before the job had any. Without its
                // sources it would be taken for one that goes on from the state.
                let vertices = self.jobs.detail(&job).await?.vertices;
                if !vertices.is_empty() {
                    let sources = vertices.into_iter().filter(|vertex| vertex.name.starts_with("Source:"));
                    let sources = sources.filter_map(|vertex| Some((vertex.id?, vertex.name)));
                    return Ok((job, sources.collect()));
                }
            }
            if status.state.is_terminal() {
                let why = status
                    .error
                    .unwrap_or_else(|| "there is nothing left to be read behind the state".to_owned());
                let message = format!("job {} is {}: {why}", job.short(), status.state);
                return Err(EngineError::failed(message));
            }
            backoff.pause().await;
        }
    }

    /// Runs a query to its end.
    async fn rows(&self, text: &str, path: &str, width: usize) -> Result<Kept> {
        let mut operation = self.begin(SHAPES, text, path).await?;
        let rows = operation.rows.take();
        let read = self.wait(job_of(&operation), keep(rows, width)).await;
        if read.is_err() {
            // What went wrong is more than that it could not be ended.
            let _ = operation.handle.cancel().await;
        }
        read
    }

    /// Starts the trial's job of that number.
    async fn begin(&self, number: usize, text: &str, path: &str) -> Result<Operation> {
        let job_id = self.trial.job_ids.get(number).copied();
        let name = format!("rehearsal of {}", self.trial.name);
        let settings = [
            ("pipeline.name", name.as_str()),
            ("execution.runtime-mode", "streaming"),
            ("execution.checkpointing.mode", "AT_LEAST_ONCE"),
            ("restart-strategy.type", "none"),
        ];
        let submit = Submit {
            text: text.to_owned(),
            job_id: Some(job_id.unwrap_or_else(|| JobId::from_bytes(rand::random()))),
            settings: settings.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            restore: Some(Restore {
                path: path.to_owned(),
                allow_non_restored: true,
                ..Restore::default()
            }),
            foreground: true,
            withdrawal: self.trial.withdrawal.clone(),
            ..Submit::default()
        };
        self.sql.submit(submit).await.map_err(nowhere)
    }

    /// Waits for that until nobody wants it any more, or the time is up.
    async fn wait<T>(&self, job: Option<JobId>, work: impl Future<Output = Result<T>>) -> Result<T> {
        let late = async {
            match self.deadline {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            done = work => done,
            () = self.trial.withdrawal.asked() => Err(EngineError::new(ErrorKind::Cancelled, "the trial was taken back")),
            () = late => {
                let status = match job {
                    Some(job) => self.jobs.status(&job).await.ok().and_then(|status| absence(&job, status)),
                    None => None,
                };
                let patience = self.trial.patience.unwrap_or(Duration::ZERO);
                let why = status.unwrap_or_else(|| "it still reads".to_owned());
                let message = format!("the trial was not over after {patience:?}: {why}");
                Err(EngineError::new(ErrorKind::Timeout, message).hint("--timeout DURATION gives it longer"))
            }
        }
    }
}

/// The ids of a job's operators, by a savepoint that is deleted again.
async fn operators(
    jobs: Arc<dyn JobControl>,
    stores: Arc<dyn Stores>,
    job: JobId,
    dir: Option<String>,
    discarded: Discarded,
) -> Result<BTreeSet<String>> {
    let request = SavepointRequest {
        trigger: JobId::from_bytes(rand::random()),
        dir,
        format: skep_engine::Format::Canonical,
        numbered: false,
    };
    let saved = jobs.savepoint(&job, request).await?;
    let seen = stores.examine(&saved.path).await;
    stores.delete(&saved.path).await?;
    discarded.note(saved);
    Ok(seen?.operators.into_iter().map(|operator| operator.id).collect())
}

/// The statement's query as one that stands alone, its columns named as those of the table. What stands before the sink is
/// chained with it or not; so it is with one more step behind it in the first, and without one in the second: only a trial
/// tells which of them is like the statement.
fn queries(query: &str, columns: &[String]) -> [String; SHAPES] {
    let names: Vec<String> = columns.iter().map(|name| quote_identifier(name)).collect();
    let from = format!("FROM (\n{query}\n) AS q({})", names.join(", "));
    [format!("SELECT q.*, 0 {from}"), format!("SELECT q.* {from}")]
}

fn job_of(operation: &Operation) -> Option<JobId> {
    operation.job.as_ref().map(|job| job.job_id)
}

/// What is said of a place is about a text that the person has not written.
fn nowhere(error: EngineError) -> EngineError {
    EngineError {
        position: None,
        ..error
    }
}

/// What an operator is called where its state has no name.
fn called(operator: &OperatorState) -> String {
    match &operator.name {
        Some(name) => name.clone(),
        None => format!("operator {}", operator.id),
    }
}

fn lost_state(operator: &OperatorState) -> LostState {
    LostState {
        operator: called(operator),
        rows: None,
        reason: format!(
            "{} has {} bytes of state, and the new statement no such operator",
            called(operator),
            operator.size
        ),
    }
}

/// Rows that have been read to their end.
struct Kept {
    schema: SchemaRef,
    changelog: bool,
    batches: VecDeque<Batch>,
}

/// Reads rows to their end, and keeps so many columns of them.
async fn keep(rows: Option<Box<dyn Rows>>, width: usize) -> Result<Kept> {
    let mut rows = rows.ok_or_else(|| EngineError::failed("the gateway gives no rows of the query"))?;
    let wanted: Vec<usize> = (0..width).collect();
    let unfit = |error| EngineError::failed(format!("the rows don't have the columns of the table: {error}"));
    let mut kept = Kept {
        schema: Arc::new(rows.schema().project(&wanted).map_err(unfit)?),
        changelog: rows.is_changelog(),
        batches: VecDeque::new(),
    };
    let mut count = 0;
    while let Some(batch) = rows.next().await? {
        count += batch.rows.num_rows();
        if count > MOST_ROWS {
            let message =
                format!("the statement writes more than {MOST_ROWS} rows from the slice: that is too much to compare");
            return Err(EngineError::refused(message)
                .hint("--rows N takes a smaller slice of what is counted; files are read to their end"));
        }
        kept.batches.push_back(Batch {
            rows: batch.rows.project(&wanted).map_err(unfit)?,
            kinds: batch.kinds,
        });
    }
    Ok(kept)
}

#[async_trait]
impl Rows for Kept {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn is_changelog(&self) -> bool {
        self.changelog
    }

    async fn next(&mut self) -> Result<Option<Batch>> {
        Ok(self.batches.pop_front())
    }
}
