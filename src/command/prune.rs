//! `!savepoints prune`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use skep_engine::{Connection, EngineError, ErrorKind, JobId, Savepoint, Search, Stores};

use super::args::Args;
use super::gather;
use super::savepoints::listing;
use crate::error::Error;
use crate::ledger::LedgerError;
use crate::savepoint::{Fate, Rules, merge, path_key, prune};
use crate::session::{self, Session};
use crate::ui::quantity;

/// How a savepoint is told in JSON.
#[derive(Debug, Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    savepoint: &'a Savepoint,
    fate: &'static str,
    why: Option<&'a str>,
}

/// Deletes the savepoints that need not be kept any more, or forgets them. Without a yes it only says which.
///
/// # Errors
/// What is needed can't be told, or some could not be deleted.
pub async fn run(
    session: &mut Session,
    connection: &Arc<Connection>,
    job: Option<JobId>,
    args: &Args,
) -> Result<(), Error> {
    let before = match args.duration("older-than")? {
        Some(age) => Some(Timestamp::now().checked_sub(age).map_err(Error::internal)?),
        None => None,
    };
    let keep = match args.value("keep") {
        Some(text) => text
            .parse()
            .map_err(|_| Error::usage(format!("--keep {text:?} is not a number")).hint("such as --keep 3"))?,
        None if before.is_some() => 1,
        None => {
            return Err(Error::usage("!savepoints prune: what is to be kept is not said")
                .hint("--keep N keeps so many of each job, --older-than 7d all that are younger"));
        }
    };
    let mut needed = needed(session, connection).await?;
    needed.extend(promised(session).await?);
    let (found, keepers) = search(session, connection, job, &args.values("dir")).await?;
    let rules = Rules {
        keep,
        before,
        needed: &needed,
    };
    let fates = prune(&found, &rules);
    tell(session, &fates)?;
    let doomed = fates
        .iter()
        .filter(|(_, fate)| *fate == Fate::Delete)
        .map(|(savepoint, _)| *savepoint);
    let doomed: Vec<&Savepoint> = doomed.collect();
    let count = quantity::counted(doomed.len() as u64, "savepoint", "savepoints");
    let forget = args.has("forget");
    let what = if forget { "forgotten" } else { "deleted" };
    if doomed.is_empty() {
        session.ui.say(&format!("no savepoint is to be {what}"));
        return Ok(());
    }
    if !args.has("yes") && !session.settings.yes {
        let verb = if forget { "forget" } else { "delete" };
        // Who has the list before their eyes says yes to that one.
        match session.ui.confirm(&format!("{verb} {count}?")) {
            Some(true) => {}
            Some(false) => {
                session.ui.say("nothing was done");
                return Ok(());
            }
            None => {
                session.ui.say(&format!("{count} would be {what} · --yes does it"));
                return Ok(());
            }
        }
    }
    let mut failures = Vec::new();
    for savepoint in &doomed {
        if forget {
            session.ledger.forget_saved(&savepoint.path);
            continue;
        }
        let stores = match keepers.get(path_key(&savepoint.path).as_ref()) {
            Some(stores) => Arc::clone(stores),
            None => session::stores(connection)?,
        };
        match stores.delete(&savepoint.path).await {
            // Somebody else was there before, and it is what was wanted.
            Ok(())
            | Err(EngineError {
                kind: ErrorKind::NotFound,
                ..
            }) => {
                let gone = (*savepoint).clone().gone("it was pruned");
                session.ledger.saved(&connection.url, gone);
            }
            Err(error) => {
                session.ui.warn(&format!("{} was not deleted: {error}", savepoint.path));
                failures.push(error);
            }
        }
    }
    let done = (doomed.len() - failures.len()) as u64;
    session.ui.say(&format!(
        "{what} {}",
        quantity::counted(done, "savepoint", "savepoints")
    ));
    match failures.len() {
        0 => Ok(()),
        failed => Err(Error::failed(format!("{failed} of {count} could not be deleted"))),
    }
}

/// What the jobs that run were restored from.
async fn needed(session: &Session, connection: &Connection) -> Result<HashSet<String>, Error> {
    let mut needed = HashSet::new();
    let Some(jobs) = &connection.jobs else {
        return Ok(needed);
    };
    let unknown = |error| Error::from(error).within("what running jobs need is not known, so that nothing is pruned");
    for job in jobs.list().await.map_err(unknown)? {
        if job.status.state.is_terminal() || job.status.lost {
            continue;
        }
        let detail = jobs.detail(&job.job_id).await.map_err(unknown)?;
        // One that has just been submitted does not tell yet.
        let recorded = session.ledger.job(&connection.url, job.job_id).await.ok().flatten();
        let recorded = recorded.and_then(|job| job.intent.restored_from);
        let paths = [detail.restored_from, recorded.map(|state| state.path)];
        needed.extend(paths.into_iter().flatten().map(|path| path_key(&path).into_owned()));
    }
    Ok(needed)
}

/// What statements that are being submitted are restored from, and upgrades that are not finished may go back to.
async fn promised(session: &Session) -> Result<HashSet<String>, Error> {
    let unknown = |cause: LedgerError| {
        Error::failed(format!(
            "{cause}: what is being restored is not known, so that nothing is pruned"
        ))
    };
    let submitted = session.ledger.submitted().await.map_err(unknown)?;
    let upgrades = session.ledger.open_upgrades(None, false).await.map_err(unknown)?;
    let restored = submitted.into_iter().filter_map(|job| job.intent.restored_from);
    let stopped = upgrades.into_iter().filter_map(|upgrade| upgrade.savepoint);
    let states = restored.chain(stopped);
    Ok(states.map(|state| path_key(&state.path).into_owned()).collect())
}

/// What there is, and for what the connection does not know whose it is.
async fn search(
    session: &Session,
    connection: &Connection,
    job: Option<JobId>,
    dirs: &[String],
) -> Result<(Vec<Savepoint>, HashMap<String, Arc<dyn Stores>>), Error> {
    let course = Search::new();
    let mut lists = vec![gather::search(connection, &session.ledger, job, dirs, &course).await?];
    let known: HashSet<String> = lists[0].iter().map(|s| path_key(&s.path).into_owned()).collect();
    let mut keepers = HashMap::new();
    let others = session.engines.offline(connection.stores.as_deref());
    for stores in others.into_iter().filter(|_| !dirs.is_empty()) {
        let found = stores.search(job.as_ref(), dirs, &course).await?;
        for savepoint in &found {
            let key = path_key(&savepoint.path).into_owned();
            if !known.contains(&key) {
                keepers.insert(key, Arc::clone(&stores));
            }
        }
        lists.push(found);
    }
    for trouble in course.troubles() {
        session.ui.warn(&trouble);
    }
    Ok((merge(lists), keepers))
}

fn tell(session: &Session, fates: &[(&Savepoint, Fate)]) -> Result<(), Error> {
    if session.settings.json {
        for (savepoint, fate) in fates {
            let (fate, why) = match fate {
                Fate::Delete => ("delete", None),
                Fate::Keep(why) | Fate::Within(why) => ("keep", Some(*why)),
            };
            session.ui.json(&Told { savepoint, fate, why })?;
        }
        return Ok(());
    }
    let doomed: Vec<Savepoint> = fates
        .iter()
        .filter(|(_, fate)| *fate == Fate::Delete)
        .map(|(savepoint, _)| (*savepoint).clone())
        .collect();
    if !doomed.is_empty() {
        session.ui.list(&listing(&doomed, Timestamp::now()))?;
    }
    for (savepoint, fate) in fates {
        if let Fate::Keep(why) = fate {
            session.ui.say(&format!("kept, {why}: {}", savepoint.path));
        }
    }
    Ok(())
}
