//! All savepoints and checkpoints that anybody knows of.

use std::time::Duration;

use skep_engine::{Connection, ErrorKind, JobId, Lineage, Savepoint, SavepointKind, Search, Stores, Verdict};

use crate::error::Error;
use crate::ledger::{Family, Ledger};
use crate::savepoint::{
    self, ChooseError, Chosen, Claim, Known, Which, claimed_unknown, is_remembered, mark_claimed, merge,
};

/// Those of one job, or of all: from the engine and its directories, and from the ledger; each path once, newest first.
/// What only the ledger remembers is looked at again.
///
/// # Errors
/// The engine's places could not be read.
pub async fn gather(
    connection: &Connection,
    ledger: &Ledger,
    job: Option<JobId>,
    dirs: &[String],
) -> Result<Vec<Savepoint>, Error> {
    search(connection, ledger, job, dirs, &Search::new()).await
}

/// As [`gather`], for somebody who wants to know how the search goes, or to end it.
///
/// # Errors
/// As [`gather`].
pub async fn search(
    connection: &Connection,
    ledger: &Ledger,
    job: Option<JobId>,
    dirs: &[String],
    search: &Search,
) -> Result<Vec<Savepoint>, Error> {
    let found = match &connection.stores {
        Some(stores) => stores.search(job.as_ref(), dirs, search).await?,
        None => Vec::new(),
    };
    // A ledger that can't be read knows nothing; the shell has said so already.
    let recorded = match job {
        Some(job) => ledger.savepoints(vec![job]).await,
        None => ledger.all_savepoints(Some(&connection.url)).await,
    };
    let claims = ledger.claims().await.unwrap_or_default();
    let mut all = merge([found, recorded.unwrap_or_default()]);
    let here: Vec<Claim> = claims
        .iter()
        .filter(|claim| claim.url == connection.url)
        .cloned()
        .collect();
    let unknown = claimed_unknown(&all, &here, job);
    all = merge([all, unknown]);
    if let Some(wanted) = search.newest().filter(|wanted| *wanted < all.len()) {
        all.truncate(wanted);
        search.leave_out();
    }
    if let Some(stores) = &connection.stores {
        look_again(&mut all, stores.as_ref(), search).await;
    }
    give_labels(&mut all, connection, ledger, job).await;
    mark_claimed(&mut all, &claims);
    Ok(all)
}

/// Clocks of a cluster and of this machine may be that far apart.
const SKEW: Duration = Duration::from_secs(2);

/// Gives savepoints the labels that they were asked for with, where the shell that did so has not heard of them.
async fn give_labels(all: &mut [Savepoint], connection: &Connection, ledger: &Ledger, job: Option<JobId>) {
    // A ledger that can't be read awaits nothing.
    for awaited in ledger.awaited_labels(job).await.unwrap_or_default() {
        let since = awaited.asked.checked_sub(SKEW).unwrap_or(awaited.asked);
        let is_it = |savepoint: &&mut Savepoint| {
            savepoint.kind == SavepointKind::Savepoint
                && savepoint.job_id == Some(awaited.job)
                && savepoint.taken.is_some_and(|taken| taken >= since)
                && savepoint.label.is_none()
                && savepoint.verdict != Verdict::Gone
        };
        let here = awaited.url == connection.url;
        // The first that was taken after that: later ones were asked for by others.
        if let Some(found) = all
            .iter_mut()
            .filter(is_it)
            .filter(|_| here)
            .min_by_key(|found| found.taken)
        {
            found.label = Some(awaited.label);
            ledger.saved(&connection.url, found.clone());
        }
    }
}

/// Looks at what only the ledger remembers. What was seen to be gone, and has not been found again since, stays so.
async fn look_again(all: &mut [Savepoint], stores: &dyn Stores, search: &Search) {
    let is_to_be_seen = |savepoint: &Savepoint| is_remembered(savepoint) && savepoint.verdict != Verdict::Gone;
    let paths: Vec<String> = all
        .iter()
        .filter(|savepoint| is_to_be_seen(savepoint))
        .map(|savepoint| savepoint.path.clone())
        .collect();
    if paths.is_empty() {
        return;
    }
    let mut looks = stores.recheck(paths, search).await;
    for savepoint in all.iter_mut().filter(|savepoint| is_to_be_seen(savepoint)) {
        match looks.remove(&savepoint.path) {
            Some(Ok(seen)) => {
                savepoint.verdict = seen.verdict;
                savepoint.reasons = seen.reasons;
                savepoint.size = seen.size.or(savepoint.size);
                savepoint.format_version = seen.format_version.or(savepoint.format_version);
                savepoint.sources.extend(seen.sources);
            }
            Some(Err(error)) if error.kind == ErrorKind::NotFound => {
                savepoint.verdict = Verdict::Gone;
                savepoint.reasons = vec![error.message];
            }
            Some(Err(error)) => savepoint.reasons.push(format!("could not be looked at: {error}")),
            None => savepoint
                .reasons
                .push("was not looked at before the search was ended".to_owned()),
        }
    }
}

/// Those of a job and of the jobs that it came from, with what the ledger knows of its family.
///
/// # Errors
/// See [`gather`].
pub async fn gather_line(
    connection: &Connection,
    ledger: &Ledger,
    job: JobId,
    dirs: &[String],
) -> Result<(Family, Vec<Savepoint>), Error> {
    search_line(connection, ledger, job, dirs, &Search::new()).await
}

/// As [`gather_line`], for somebody who wants to know how the search goes, or to end it.
///
/// # Errors
/// See [`gather`].
pub async fn search_line(
    connection: &Connection,
    ledger: &Ledger,
    job: JobId,
    dirs: &[String],
    course: &Search,
) -> Result<(Family, Vec<Savepoint>), Error> {
    // A ledger that can't be read knows no family.
    let family = ledger.family(job).await.unwrap_or_default();
    let mut lists = vec![search(connection, ledger, Some(job), dirs, course).await?];
    for ancestor in family.ancestors.iter().filter_map(|lineage| lineage.job_id) {
        lists.push(search(connection, ledger, Some(ancestor), &[], course).await?);
    }
    lists.push(origins(connection, ledger, &family.ancestors).await);
    Ok((family, merge(lists)))
}

/// The state of a job that is meant, to be read and no more: that a running job needs it is no hindrance.
///
/// # Errors
/// See [`gather`]; or there is no such state.
pub async fn readable(connection: &Connection, ledger: &Ledger, job: JobId, which: &Which) -> Result<Savepoint, Error> {
    let (family, mut line) = gather_line(connection, ledger, job, &[]).await?;
    for state in line.iter_mut().filter(|state| state.verdict == Verdict::InUse) {
        state.verdict = Verdict::Usable;
    }
    let known = Known {
        job: Some(job),
        ancestors: &family.ancestors,
        savepoints: &line,
        descendants: &[],
    };
    Ok(savepoint::choose(which, &known, true)?.savepoint)
}

/// What could bring a job back that is not there any more: the newest usable one of its states, and all that is known of
/// them.
///
/// # Errors
/// They could not be looked at.
pub async fn way_back(
    connection: &Connection,
    ledger: &Ledger,
    job: JobId,
) -> Result<(Result<Chosen, ChooseError>, Vec<Savepoint>), Error> {
    let (family, line) = gather_line(connection, ledger, job, &[]).await?;
    let known = Known {
        job: Some(job),
        ancestors: &family.ancestors,
        savepoints: &line,
        descendants: &[],
    };
    Ok((savepoint::choose(&Which::Latest, &known, true), line))
}

/// The states that the ancestors were restored from, which may lie anywhere.
async fn origins(connection: &Connection, ledger: &Ledger, ancestors: &[Lineage]) -> Vec<Savepoint> {
    let mut found = Vec::new();
    if let Some(stores) = &connection.stores {
        for ancestor in ancestors {
            if let Ok(savepoint) = stores.inspect(&ancestor.path).await {
                found.push(savepoint);
            }
        }
    }
    // A ledger that can't be read knows of no claims.
    mark_claimed(&mut found, &ledger.claims().await.unwrap_or_default());
    found
}
