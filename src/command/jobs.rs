//! `!jobs`.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::args::Args;
use super::handler::{Command, Flow};
use super::spec::{Category, Flag, Kind, Spec};
use super::target;
use crate::error::Error;
use crate::job::record::{Action, Job, Known};
use crate::savepoint::path_key;
use crate::session::Session;
use crate::ui::quantity;
use crate::ui::{Align, Listing};

/// `!jobs [-a]`.
#[derive(Debug)]
pub struct Jobs;

static SPEC: Spec = Spec {
    name: "jobs",
    aliases: &[],
    category: Category::Jobs,
    summary: "lists this session's jobs",
    help: "With --all also the jobs that the ledger and the engine know of this connection, marked by where they are\n\
           known from. On the command line, where there is no session, always with --all.",
    positionals: &[],
    flags: &[
        Flag {
            name: "all",
            short: Some('a'),
            value: None,
            help: "also those of other sessions",
        },
        Flag {
            name: "limit",
            short: None,
            value: Some(("N", Kind::Word)),
            help: "list so many, the newest; what runs is always listed. With --all 1000 if nothing is said, with --json and with 0 all",
        },
    ],
    example: "!jobs --all",
    one_shot: true,
};

#[async_trait]
impl Command for Jobs {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, session: &mut Session, args: Args) -> Result<Flow, Error> {
        let own = session.jobs.entries();
        let everything = args.has("all") || session.settings.one_shot;
        let limit = limit(&args, session.settings.json)?;
        let (mut jobs, unlisted) = if everything {
            // One more tells whether there are others.
            let newest = limit.map(|limit| limit.saturating_add(1));
            target::known(session, target::Part::Newest(newest)).await?
        } else {
            (own.into_iter().map(|entry| entry.job).collect(), None)
        };
        if let Some(limit) = limit.filter(|_| everything || args.has("limit")) {
            let all = jobs.len();
            keep_newest(&mut jobs, limit as usize);
            if jobs.len() < all {
                session.ui.say("older ones are not listed · --limit 0 lists all");
            }
        }
        complete(session, &mut jobs).await?;
        let now = Timestamp::now();
        if session.settings.json {
            for job in jobs {
                session.ui.json(&job.timed(now))?;
            }
        } else if !jobs.is_empty() {
            session.ui.list(&listing(jobs, everything, now))?;
        } else if unlisted.is_none() {
            session.ui.say(if everything {
                "no jobs"
            } else {
                "no jobs in this session · !jobs -a lists earlier ones"
            });
        }
        // What could be had has been listed.
        unlisted.map_or(Ok(Flow::Continue), Err)
    }
}

/// Leaves so many jobs, the newest, and all that run: who shortens a list does not want to overlook one of these.
fn keep_newest(jobs: &mut Vec<Job>, most: usize) {
    let runs = |job: &Job| job.known == Known::Live && job.state.is_none_or(|state| !state.is_terminal());
    let mut over: Vec<(Option<Timestamp>, usize)> = jobs
        .iter()
        .enumerate()
        .filter(|(_, job)| !runs(job))
        .map(|(at, job)| (job.started, at))
        .collect();
    over.sort_by_key(|&(started, _)| Reverse(started));
    let room = most.saturating_sub(jobs.len() - over.len());
    let doomed: HashSet<usize> = over.into_iter().skip(room).map(|(_, at)| at).collect();
    let mut at = 0..;
    jobs.retain(|_| at.next().is_none_or(|at| !doomed.contains(&at)));
}

/// So many running jobs are asked for their newest checkpoint, where the engine's list does not tell it.
const ASKED: usize = 32;

/// Adds what neither the engine's list nor the job's own record tells: the newest checkpoint of what runs here, and the newest
/// savepoint that the ledger knows. One that is not there any more is not named.
async fn complete(session: &Session, jobs: &mut [Job]) -> Result<(), Error> {
    let connection = session.open.as_ref().map(|open| Arc::clone(&open.connection));
    if let Some((connection, control)) = connection.and_then(|here| here.jobs.clone().map(|jobs| (here, jobs))) {
        let untold = jobs
            .iter_mut()
            .filter(|job| job.known == Known::Live && job.url == connection.url && job.checkpoint_id.is_none());
        let asked = untold
            .take(ASKED)
            .filter_map(|job| job.job_id.map(|id| (job, id)))
            .map(|(job, id)| {
                let control = Arc::clone(&control);
                async move {
                    // That one can't be asked leaves it as it is.
                    if let Ok(status) = control.status(&id).await {
                        job.apply(&status);
                    }
                }
            });
        session
            .unless_interrupted(async { Ok(futures::future::join_all(asked).await) })
            .await?;
    }
    // A ledger that can't be read knows nothing; the shell has said so already.
    let saved = session.ledger.newest_savepoints().await.unwrap_or_default();
    let stores = session.open.as_ref().and_then(|open| open.connection.stores.as_ref());
    for job in jobs {
        let Some(id) = job.job_id else { continue };
        let is_there = |path: &String| {
            !saved.gone.contains(path_key(path).as_ref()) && !stores.is_some_and(|stores| stores.is_missing(path))
        };
        let known = saved.newest.get(&id).cloned();
        job.savepoint = job.savepoint.take().into_iter().chain(known).find(is_there);
    }
    Ok(())
}

fn limit(args: &Args, json: bool) -> Result<Option<u32>, Error> {
    match args.value("limit").map(str::parse) {
        None => Ok((!json).then_some(target::ENOUGH)),
        Some(Ok(0)) => Ok(None),
        Some(Ok(limit)) => Ok(Some(limit)),
        Some(Err(_)) => Err(Error::usage("--limit is a number")),
    }
}

/// A name is cut here: an engine may take a query's whole text for it. `!job` and the JSON form have it in full.
const NAME_WIDTH: usize = 48;

fn listing(jobs: Vec<Job>, everything: bool, now: Timestamp) -> Listing {
    let mut columns = vec![("", Align::Right), ("state", Align::Left)];
    if everything {
        columns.extend([("known", Align::Left), ("origin", Align::Left)]);
    }
    columns.extend([
        ("name", Align::Left),
        ("job id", Align::Left),
        ("started", Align::Left),
        ("for", Align::Right),
    ]);
    // Not every engine counts the rows of a whole job.
    let has_rows = jobs.iter().any(|job| job.rows_in.is_some() || job.rows_out.is_some());
    if has_rows {
        columns.extend([("rows in", Align::Right), ("rows out", Align::Right)]);
    }
    columns.extend([("last checkpoint", Align::Left), ("savepoint", Align::Left)]);
    let mut listing = Listing::new(columns)
        .below("savepoint")
        .cut("name", NAME_WIDTH)
        .yielding(&["last checkpoint", "origin", "known", "rows out", "rows in"]);
    for job in jobs {
        let job = job.timed(now);
        let dash = || "–".to_owned();
        let mut row = vec![
            job.handle.map_or_else(dash, |handle| format!("%{handle}")),
            state(&job, now),
        ];
        if everything {
            row.extend([word(&job.known), word(&job.origin)]);
        }
        let checkpoint = job.checkpoint_id.map(|id| match job.checkpoint_taken {
            Some(taken) if job.known == Known::Live => {
                format!("{id} · {} ago", age_ms(now.as_millisecond() - taken.as_millisecond()))
            }
            Some(taken) => format!("{id} · {}", quantity::moment(taken, now, &TimeZone::system())),
            None => id.to_string(),
        });
        row.extend([
            job.name.clone(),
            job.job_id.map_or_else(dash, |id| id.short()),
            job.started
                .map_or_else(dash, |started| quantity::moment(started, now, &TimeZone::system())),
            job.duration_ms.map_or_else(dash, age_ms),
        ]);
        if has_rows {
            row.extend([
                job.rows_in.map_or_else(dash, quantity::count),
                job.rows_out.map_or_else(dash, quantity::count),
            ]);
        }
        row.extend([
            checkpoint.unwrap_or_else(dash),
            job.savepoint.clone().unwrap_or_else(dash),
        ]);
        listing.row(row);
    }
    listing
}

/// How long something has been so, from milliseconds; a clock that went back makes it none at all.
pub fn age_ms(ms: i64) -> String {
    quantity::age(Duration::from_millis(u64::try_from(ms).unwrap_or(0)))
}

/// The engine's word, with what the shell is doing to the job.
fn state(job: &Job, now: Timestamp) -> String {
    let state = match (job.state, job.known) {
        (_, Known::Lost) => "lost".to_owned(),
        // The engine can't be asked: that is what it said last, and when.
        (Some(state), Known::Unknown) => match job.as_of {
            Some(seen) => format!("was {state} at {}", quantity::moment(seen, now, &TimeZone::system())),
            None => format!("was {state}"),
        },
        (Some(state), _) => state.to_string(),
        (None, _) => "–".to_owned(),
    };
    match job.action {
        Action::None => state,
        action => format!("{state}, {}", word(&action)),
    }
}

/// The word that the JSON form has for it.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use skep_engine::JobState;

    use super::*;
    use crate::job::Origin;

    fn job(name: &str, started: i64, state: JobState) -> Job {
        let mut job = Job::new(name.to_owned(), "e".to_owned(), "e:".to_owned(), Origin::Cluster);
        job.started = Some(Timestamp::from_second(started).unwrap());
        job.state = Some(state);
        job.known = if state.is_terminal() { Known::Ended } else { Known::Live };
        job
    }

    #[test]
    fn a_limit_is_of_all_jobs_and_hides_none_that_runs() {
        // Those of the session stand first, whenever they began.
        let jobs = [
            job("own", 1, JobState::Finished),
            job("new", 9, JobState::Failed),
            job("middle", 5, JobState::Canceled),
            job("old", 2, JobState::Running),
        ];
        let kept = |most| {
            let mut jobs = jobs.to_vec();
            keep_newest(&mut jobs, most);
            jobs.into_iter().map(|job| job.name).collect::<Vec<_>>()
        };
        assert_eq!(kept(4), ["own", "new", "middle", "old"]);
        assert_eq!(kept(3), ["new", "middle", "old"]);
        assert_eq!(kept(2), ["new", "old"]);
        assert_eq!(kept(1), ["old"]);
    }
}
