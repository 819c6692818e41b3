//! `!job`.

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;
use skep_engine::{EngineError, ErrorKind, JobDetail, Savepoint};

use super::args::Args;
use super::gather;
use super::handler::{Command, Flow};
use super::jobs::age_ms;
use super::savepoints;
use super::spec::{Arity, Category, Kind, Positional, Spec};
use super::target::{self, Target};
use crate::error::Error;
use crate::job::{Known, Origin};
use crate::savepoint::{ChooseError, Chosen};
use crate::session::Session;
use crate::ui::quantity;
use crate::ui::{Align, Listing};

/// `!job REF`.
#[derive(Debug)]
pub struct Job;

static SPEC: Spec = Spec {
    name: "job",
    aliases: &[],
    category: Category::Jobs,
    summary: "shows one job whole",
    help: "Its SQL, state, rows, tasks, checkpoints, failures, and what it was restored from.",
    positionals: &[Positional {
        name: "REF",
        kind: Kind::Reference,
        arity: Arity::Optional,
    }],
    flags: &[],
    example: "!job %%",
    one_shot: true,
};

#[async_trait]
impl Command for Job {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, session: &mut Session, args: Args) -> Result<Flow, Error> {
        let mut target = target::resolve(session, args.word(0).unwrap_or("%%")).await?;
        let answer = session.unless_interrupted(ask(&mut target)).await?;
        let detail = match answer {
            Answer::Told(detail) => Some(*detail),
            Answer::NotKnown => None,
            Answer::Silent(why) => {
                session
                    .ui
                    .warn(&format!("this is what was known of it last: {}", why.message));
                target.job.doubt();
                if let Some(handle) = target.job.handle {
                    session.jobs.update(handle, |entry| entry.job.doubt());
                }
                None
            }
        };
        if let Some(stores) = &target.connection.stores {
            target.job.savepoint = target.job.savepoint.take().filter(|path| !stores.is_missing(path));
        }
        let left = match (&detail, target.job.job_id) {
            (None, Some(job_id)) if target.job.known != Known::Ended => {
                let left = gather::way_back(&target.connection, &session.ledger, job_id);
                // Where nobody can be asked for states there is nothing to be told of them.
                session.unless_interrupted(left).await.ok()
            }
            _ => None,
        };
        if session.settings.json {
            let mut object =
                serde_json::to_value(target.job.clone().timed(Timestamp::now())).map_err(Error::internal)?;
            if let (Some(detail), Some(fields)) = (&detail, object.as_object_mut()) {
                fields.insert("vertices".to_owned(), json!(detail.vertices));
                fields.insert("checkpoints".to_owned(), json!(detail.checkpoints));
                fields.insert("exceptions".to_owned(), json!(detail.exceptions));
            }
            if let (Some((_, states)), Some(fields)) = (&left, object.as_object_mut()) {
                fields.insert("checkpoints".to_owned(), json!(states));
            }
            session.ui.json(&object)?;
        } else {
            print(session, &target, detail.as_ref(), left)?;
        }
        Ok(Flow::Continue)
    }
}

/// What the engine says of a job.
enum Answer {
    /// All that there is.
    Told(Box<JobDetail>),
    /// It is not known there (any more), or nobody can be asked.
    NotKnown,
    /// Nobody answers, but this shell knows something itself.
    Silent(EngineError),
}

async fn ask(target: &mut Target) -> Result<Answer, Error> {
    let (Some(jobs), Some(job_id)) = (target.connection.jobs.clone(), target.job.job_id) else {
        return Ok(Answer::NotKnown);
    };
    match jobs.detail(&job_id).await {
        Ok(detail) => {
            target.job.apply(&detail.summary.status);
            if target.job.origin == Origin::Cluster {
                // Who gave a whole id has not been told the name yet.
                target.job.name.clone_from(&detail.summary.name);
            }
            target.job.restored_from = detail.restored_from.clone().or_else(|| target.job.restored_from.take());
            Ok(Answer::Told(Box::new(detail)))
        }
        Err(error) => match error.kind {
            ErrorKind::NotFound => Ok(Answer::NotKnown),
            ErrorKind::Connect | ErrorKind::Timeout | ErrorKind::Lost if target.job.origin != Origin::Cluster => {
                Ok(Answer::Silent(error))
            }
            _ => Err(error.into()),
        },
    }
}

/// What an engine that does not know a job has left of it: the state that brings it back, or why none does, and all of them.
type Left = (Result<Chosen, ChooseError>, Vec<Savepoint>);

fn print(session: &Session, target: &Target, detail: Option<&JobDetail>, left: Option<Left>) -> Result<(), Error> {
    let now = Timestamp::now();
    let job = target.job.clone().timed(now);
    let mut facts = Listing::new([("", Align::Left), ("", Align::Left)]);
    let mut fact = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            facts.row([name.to_owned(), value]);
        }
    };
    let when = |time: Option<Timestamp>| time.map(|time| quantity::moment(time, now, &TimeZone::system()));
    fact("name", Some(job.name.clone()));
    fact("job id", job.job_id.map(|id| id.to_string()));
    fact("state", job.state.map(|state| state.to_string()));
    fact("known", Some(format!("{:?}", job.known).to_lowercase()));
    fact("engine", Some(job.url.clone()));
    fact("started", when(job.started));
    fact("ended", when(job.ended));
    fact("ended by", job.ended_by.map(|by| format!("{by:?}").to_lowercase()));
    fact("for", job.duration_ms.map(age_ms));
    fact("rows in", job.rows_in.map(quantity::count));
    fact("rows out", job.rows_out.map(quantity::count));
    fact("late rows", job.late_rows.filter(|n| *n > 0).map(quantity::count));
    for (name, value) in detail.iter().flat_map(|detail| &detail.facts) {
        fact(name, Some(value.clone()));
    }
    fact(
        "checkpoint",
        job.checkpoint_id.map(|id| match job.checkpoint_taken {
            Some(taken) => format!("{id} · {}", quantity::moment(taken, now, &TimeZone::system())),
            None => id.to_string(),
        }),
    );
    fact("savepoint", job.savepoint.clone());
    fact("restored from", job.restored_from.clone());
    fact("error", job.error.clone());
    if let Some((chosen, _)) = &left {
        let way = match chosen {
            Ok(chosen) => format!(
                "!restore {} starts it from {} ({})",
                job.job_id.map(|id| id.short()).unwrap_or_default(),
                chosen.savepoint.path,
                chosen.why
            ),
            Err(none) => format!("none: {none}"),
        };
        fact("way back", Some(way));
    }
    if let Some(spool) = target.entry.as_ref().and_then(|entry| entry.spool.as_ref()) {
        let progress = spool.progress().borrow().clone();
        let held = if progress.full {
            ", the query is held back until !fg"
        } else {
            ""
        };
        fact(
            "rows kept",
            Some(format!(
                "{} ({} not shown yet{held})",
                quantity::count(progress.rows),
                quantity::bytes(progress.waiting)
            )),
        );
    }
    session.ui.list(&facts)?;
    if let Some(sql) = &job.sql {
        session.ui.print("")?;
        session.ui.print(sql)?;
    }
    if let Some((_, states)) = left.filter(|(_, states)| !states.is_empty()) {
        session.ui.print("")?;
        session.ui.list(&savepoints::listing(&states, now))?;
    }
    let Some(detail) = detail else { return Ok(()) };
    if !detail.vertices.is_empty() {
        session.ui.print("")?;
        let mut vertices = Listing::new([
            ("task", Align::Left),
            ("state", Align::Left),
            ("parallelism", Align::Right),
            ("rows in", Align::Right),
            ("rows out", Align::Right),
            ("busy", Align::Right),
            ("back-pressured", Align::Right),
            ("watermark", Align::Left),
        ])
        .below("task")
        .yielding(&["watermark", "back-pressured", "busy"]);
        for vertex in &detail.vertices {
            let dash = || "–".to_owned();
            let count = |n: Option<u64>| n.map_or_else(dash, quantity::count);
            let share = |share: Option<f64>| share.map_or_else(dash, |share| format!("{:.0} %", share * 100.0));
            vertices.row([
                vertex.name.clone(),
                vertex.state.clone(),
                vertex.parallelism.to_string(),
                count(vertex.rows_in),
                count(vertex.rows_out),
                share(vertex.busy),
                share(vertex.back_pressured),
                when(vertex.watermark).unwrap_or_else(dash),
            ]);
        }
        session.ui.list(&vertices)?;
    }
    // How many there were in all is said above.
    let told = detail
        .checkpoints
        .iter()
        .filter(|state| !savepoints::is_routinely_gone(state));
    let told: Vec<Savepoint> = told.cloned().collect();
    if !told.is_empty() {
        session.ui.print("")?;
        session.ui.list(&savepoints::listing(&told, now))?;
    }
    for exception in &detail.exceptions {
        session.ui.print("")?;
        session.ui.print(exception)?;
    }
    Ok(())
}
