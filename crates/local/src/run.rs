//! Queries and INSERTs: batch or stream, rows or a job.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use datafusion::common::TableReference;
use datafusion::sql::sqlparser::ast::Query;
use skep_engine::{EngineError, JobId, Operation, Result, StartedJob, Submit, Trial, Tried};

use crate::batch;
use crate::catalog::Entry;
use crate::dataflow::{self, Dataflow, Part, source};
use crate::plan::scan::is_memory;
use crate::plan::{Mode, Planned, Planner, explain, sink};
use crate::runtime::{JobSpec, SinkSpec, Started, sha256};
use crate::session::Inner;
use crate::setting::{self, RuntimeMode};
use crate::sql::statement::Insert;
use crate::sql::{Statement, absolute};
use crate::table::Table;

/// A SELECT: over bounded tables the rows of a batch query, else the changelog of a job.
pub(crate) async fn query(session: &Inner, query: Box<Query>, submit: Submit) -> Result<Operation> {
    let settings = session.settings(&submit.settings);
    let planner = session.planner(&settings)?;
    let planned = plan(&planner, query, &settings)?;
    match planned.mode {
        Mode::Batch => {
            if submit.restore.is_some() {
                return Err(EngineError::refused(
                    "a batch query has no state to be restored: run it again",
                ));
            }
            let (rows, handle) = batch::query(planned.query).await?;
            Ok(Operation {
                id: session.operation_id(),
                job: None,
                rows: Some(rows),
                notes: Vec::new(),
                log: skep_engine::LogRing::default(),
                handle,
            })
        }
        Mode::Streaming => {
            let dataflow = stream(&planned.query, &settings)?;
            let name = job_name(&settings).unwrap_or_else(|| first_words(&submit.text));
            start(session, name, submit, settings, SinkSpec::Collect, dataflow).await
        }
    }
}

/// An INSERT: a job.
pub(crate) async fn insert(session: &Inner, insert: Insert, submit: Submit) -> Result<Operation> {
    let settings = session.settings(&submit.settings);
    let (table, dataflow) = plan_insert(session, &insert, &settings)?;
    let name = job_name(&settings).unwrap_or_else(|| table.path.name.clone());
    let sink = SinkSpec::Tables(vec![table]);
    start(session, name, submit, settings, sink, dataflow).await
}

/// What an INSERT writes, and what it computes.
fn plan_insert(
    session: &Inner,
    insert: &Insert,
    settings: &BTreeMap<String, String>,
) -> Result<(Arc<Table>, Box<dyn Dataflow>)> {
    let planner = session.planner(settings)?;
    let table = target(&planner, insert)?;
    let mut planned = plan(&planner, insert.query.clone(), settings)?;
    planned.query.plan = sink::fit(insert, planned.query.plan, &table)?;
    let dataflow = stream(&planned.query, settings)?;
    Ok((table, dataflow))
}

/// A statement that is tried: what it would write.
pub(crate) async fn try_out(session: &Inner, trial: Trial) -> Result<Tried> {
    // First of all: a running job deletes the states that it no longer needs.
    let held = crate::runtime::hold(&trial.state)?;
    let settings = session.settings(&BTreeMap::new());
    let (tables, dataflow) = match Statement::read(&trial.text)? {
        Statement::Insert(insert) => {
            let (table, dataflow) = plan_insert(session, &insert, &settings)?;
            (vec![table], dataflow)
        }
        Statement::Inserts(inserts) => {
            let set = plan_set(session, &inserts, &settings)?;
            let dataflow = set.stream(&settings)?;
            (set.tables, dataflow)
        }
        _ => return Err(EngineError::rejected("only an INSERT or a statement set can be tried")),
    };
    crate::runtime::try_out(dataflow, tables, held, trial).await
}

/// A statement set: one job that writes all of its tables.
pub(crate) async fn set(session: &Inner, inserts: &[Insert], submit: Submit) -> Result<Operation> {
    let settings = session.settings(&submit.settings);
    let set = plan_set(session, inserts, &settings)?;
    let dataflow = set.stream(&settings)?;
    // The first one's, as for any engine's.
    let first = set.tables.first().map(|table| table.path.name.clone());
    let name = job_name(&settings).or(first).unwrap_or_default();
    start(session, name, submit, settings, SinkSpec::Tables(set.tables), dataflow).await
}

/// The INSERTs of a statement set, planned.
struct Set<'a> {
    inserts: &'a [Insert],
    tables: Vec<Arc<Table>>,
    queries: Vec<Planned>,
    /// What tells each from the others: its table, and its number where several write that one.
    names: Vec<String>,
}

/// Plans all INSERTs for one job, which has one mode: without an end if one of them reads a table that has none.
fn plan_set<'a>(session: &Inner, inserts: &'a [Insert], settings: &BTreeMap<String, String>) -> Result<Set<'a>> {
    let planner = session.planner(settings)?;
    let mut tables = Vec::with_capacity(inserts.len());
    let mut chosen = Vec::with_capacity(inserts.len());
    for insert in inserts {
        tables.push(target(&planner, insert)?);
        chosen.push(plan(&planner, insert.query.clone(), settings)?);
    }
    let is_streaming = chosen.iter().any(|chosen| chosen.mode == Mode::Streaming);
    let mut queries = Vec::with_capacity(inserts.len());
    for ((insert, table), chosen) in inserts.iter().zip(&tables).zip(chosen) {
        let mut query = match chosen.mode {
            Mode::Batch if is_streaming => planner.plan(insert.query.clone(), Mode::Streaming)?,
            _ => chosen.query,
        };
        query.plan = sink::fit(insert, query.plan, table)?;
        queries.push(query);
    }
    let name = |(number, table): (usize, &Arc<Table>)| {
        let is_same = |other: &&Arc<Table>| other.path == table.path;
        match tables.iter().filter(is_same).count() {
            1 => format!("INSERT INTO {}", table.path),
            _ => {
                let number = tables[..=number].iter().filter(is_same).count();
                format!("INSERT {number} INTO {}", table.path)
            }
        }
    };
    Ok(Set {
        names: tables.iter().enumerate().map(name).collect(),
        inserts,
        tables,
        queries,
    })
}

impl Set<'_> {
    fn stream(&self, settings: &BTreeMap<String, String>) -> Result<Box<dyn Dataflow>> {
        let Some(first) = self.queries.first() else {
            return Err(EngineError::rejected("a statement set holds at least one INSERT"));
        };
        let finders: Vec<_> = self.queries.iter().map(sources).collect();
        let mut parts = Vec::with_capacity(self.inserts.len());
        for (number, (insert, query)) in self.inserts.iter().zip(&self.queries).enumerate() {
            parts.push(Part {
                plan: query.plan.clone(),
                tables: &finders[number],
                name: self.names[number].clone(),
                facts: self.facts(number),
                position: insert.table.position(),
            });
        }
        dataflow::build_set(&first.state, parts, settings)
    }

    /// Several INSERTs into one table have nothing but their texts to tell them by: not even a filter may change then. A
    /// text may hold a secret, so that its sum is kept.
    fn facts(&self, number: usize) -> BTreeMap<String, String> {
        let path = &self.tables[number].path;
        if self.tables.iter().filter(|table| table.path == *path).count() < 2 {
            return BTreeMap::new();
        }
        let text = absolute(&self.inserts[number].text);
        BTreeMap::from([("SHA-256 of the query's text".to_owned(), sha256(text.as_bytes()))])
    }
}

/// What EXPLAIN says of a query, an INSERT or a statement set.
pub(crate) async fn explain(session: &Inner, statement: Statement, submit: &Submit) -> Result<String> {
    let settings = session.settings(&submit.settings);
    let planner = session.planner(&settings)?;
    match statement {
        Statement::Query(query) => {
            let planned = plan(&planner, query, &settings)?;
            match planned.mode {
                Mode::Batch => explain::batch(&planned.query).await,
                Mode::Streaming => explain::streaming(&planned.query, stream(&planned.query, &settings)),
            }
        }
        Statement::Insert(insert) => {
            let table = target(&planner, &insert)?;
            let mut planned = plan(&planner, insert.query.clone(), &settings)?;
            planned.query.plan = sink::fit(&insert, planned.query.plan, &table)?;
            explain::streaming(&planned.query, stream(&planned.query, &settings))
        }
        Statement::Inserts(inserts) => {
            let set = plan_set(session, &inserts, &settings)?;
            let dataflow = set.stream(&settings);
            let parts: Vec<_> = set.names.into_iter().zip(set.queries).collect();
            explain::set(&parts, dataflow)
        }
        _ => Err(EngineError::unsupported(
            "EXPLAIN takes a query, an INSERT or a statement set",
        )),
    }
}

/// A planned query, and how it runs.
struct Chosen {
    query: Planned,
    mode: Mode,
}

/// Plans the query in the mode that the settings and its tables ask for.
fn plan(planner: &Planner, query: Box<Query>, settings: &BTreeMap<String, String>) -> Result<Chosen> {
    let wanted = setting::runtime_mode(settings)?;
    let planned = planner.plan(query.clone(), Mode::Batch)?;
    let mut endless = None;
    for (name, table) in &planned.tables {
        if !is_memory(table) && !source::is_bounded(table)? {
            endless = Some(name.clone());
        }
    }
    let mode = match (wanted, endless) {
        (RuntimeMode::Batch, Some(name)) => {
            return Err(
                EngineError::rejected(format!("{name} has no end and can't be read in batch mode"))
                    .hint("SET 'execution.runtime-mode' = 'streaming'"),
            );
        }
        (RuntimeMode::Automatic, Some(_)) => Mode::Streaming,
        // A stream over no table at all would be one batch.
        (RuntimeMode::Streaming, _) if planned.tables.values().any(|table| !is_memory(table)) => Mode::Streaming,
        _ => Mode::Batch,
    };
    let query = match mode {
        Mode::Batch => planned,
        // Planned anew for the clock: a stream's moves on.
        Mode::Streaming => planner.plan(query, Mode::Streaming)?,
    };
    Ok(Chosen { query, mode })
}

fn stream(planned: &Planned, settings: &BTreeMap<String, String>) -> Result<Box<dyn Dataflow>> {
    dataflow::build(&planned.state, planned.plan.clone(), &sources(planned), settings)
}

/// The tables that are read as sources.
fn sources(planned: &Planned) -> impl Fn(&TableReference) -> Option<Arc<Table>> {
    |name| planned.tables.get(name).filter(|table| !is_memory(table)).cloned()
}

/// The table that an INSERT writes.
fn target(planner: &Planner, insert: &Insert) -> Result<Arc<Table>> {
    let catalog = &planner.catalog;
    let path = insert.table.resolve(&catalog.current, &catalog.database);
    let at = insert.table.position();
    let table = match catalog.find(&path).map_err(|e| e.at(at))? {
        Entry::Table(entry) => Arc::clone(&entry.table),
        Entry::Shell(_) => {
            return Err(EngineError::rejected(format!(
                "{} is a table of the shell's own: nothing can be written to it",
                insert.table
            ))
            .at(at));
        }
        Entry::View(_) => {
            return Err(
                EngineError::rejected(format!("{} is a view: nothing can be written to it", insert.table)).at(at),
            );
        }
    };
    crate::runtime::validate(&table).map_err(|e| e.at(at))?;
    Ok(table)
}

async fn start(
    session: &Inner,
    name: String,
    submit: Submit,
    mut settings: BTreeMap<String, String>,
    sink: SinkSpec,
    dataflow: Box<dyn Dataflow>,
) -> Result<Operation> {
    // What the job ran with is written down. Settings that mean nothing to it may be anything, secrets too.
    settings.retain(|key, _| setting::is_known(key));
    let bounded = dataflow.is_bounded();
    let sql = if submit.recorded.is_empty() {
        submit.text
    } else {
        submit.recorded
    };
    let spec = JobSpec {
        job_id: submit.job_id.unwrap_or_else(new_job_id),
        name: name.clone(),
        // A restore may be asked for in another directory.
        sql: absolute(&sql),
        prelude: submit.prelude.iter().map(|statement| absolute(statement)).collect(),
        settings,
        restore: submit.restore,
        sink,
    };
    let Started {
        job_id,
        rows,
        log,
        left_behind,
        handle,
    } = session.host.start(spec, dataflow).await?;
    Ok(Operation {
        id: session.operation_id(),
        job: Some(StartedJob {
            job_id,
            cluster_id: None,
            name,
            bounded,
        }),
        rows,
        notes: left_behind
            .into_iter()
            .map(|operator| format!("the state of {operator} is left behind"))
            .collect(),
        log,
        handle,
    })
}

fn job_name(settings: &BTreeMap<String, String>) -> Option<String> {
    settings
        .get(setting::JOB_NAME)
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
}

/// The beginning of the statement, to name a job by that has no sink.
fn first_words(text: &str) -> String {
    const WORDS: usize = 4;
    let mut words = text.split_whitespace();
    let mut name = words.by_ref().take(WORDS).collect::<Vec<_>>().join(" ");
    if words.next().is_some() {
        name.push_str(" …");
    }
    name.chars().take(64).collect()
}

/// An id of our own for a job whose submitter chose none.
fn new_job_id() -> JobId {
    // Each `RandomState` is seeded from the operating system's randomness.
    let half = || {
        RandomState::new()
            .hash_one(jiff::Timestamp::now().as_nanosecond())
            .to_be_bytes()
    };
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&half());
    bytes[8..].copy_from_slice(&half());
    JobId::from_bytes(bytes)
}
