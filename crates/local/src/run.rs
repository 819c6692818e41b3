//! Queries and INSERTs: batch or stream, rows or a job.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use datafusion::common::TableReference;
use datafusion::sql::sqlparser::ast::Query;
use skep_engine::{EngineError, JobId, Operation, Result, StartedJob, Submit};

use crate::batch;
use crate::catalog::Entry;
use crate::dataflow::{self, Dataflow, source};
use crate::plan::scan::is_memory;
use crate::plan::{Mode, Planned, Planner, explain, sink};
use crate::runtime::{JobSpec, SinkSpec, Started};
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
    let planner = session.planner(&settings)?;
    let table = target(&planner, &insert)?;
    let mut planned = plan(&planner, insert.query.clone(), &settings)?;
    planned.query.plan = sink::fit(&insert, planned.query.plan, &table)?;
    let dataflow = stream(&planned.query, &settings)?;
    let name = job_name(&settings).unwrap_or_else(|| table.path.name.clone());
    start(session, name, submit, settings, SinkSpec::Table(table), dataflow).await
}

/// What EXPLAIN says of a query or an INSERT.
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
        _ => Err(EngineError::unsupported("EXPLAIN takes a query or an INSERT")),
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
    let tables = |name: &TableReference| planned.tables.get(name).filter(|table| !is_memory(table)).cloned();
    dataflow::build(&planned.state, planned.plan.clone(), &tables, settings)
}

/// The table that an INSERT writes.
fn target(planner: &Planner, insert: &Insert) -> Result<Arc<Table>> {
    let catalog = &planner.catalog;
    let path = insert.table.resolve(&catalog.current, &catalog.database);
    let at = insert.table.position();
    let table = match catalog.find(&path).map_err(|e| e.at(at))? {
        Entry::Table(entry) => Arc::clone(&entry.table),
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
        notes: Vec::new(),
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
