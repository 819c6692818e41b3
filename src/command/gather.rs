//! All savepoints and checkpoints that anybody knows of.

use std::sync::Arc;

use futures::{StreamExt, stream};
use skep_engine::{Connection, ErrorKind, JobId, Lineage, Savepoint, Verdict};

use crate::error::Error;
use crate::ledger::{Family, Ledger};
use crate::savepoint::{self, ChooseError, Chosen, Known, Which, is_remembered, mark_claimed, merge};

/// States that are looked at at the same time.
const AT_ONCE: usize = 8;

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
    let found = match &connection.stores {
        Some(stores) => stores.find(job.as_ref(), dirs).await?,
        None => Vec::new(),
    };
    // A ledger that can't be read knows nothing; the shell has said so already.
    let recorded = match job {
        Some(job) => ledger.savepoints(vec![job]).await,
        None => ledger.all_savepoints(Some(&connection.url)).await,
    };
    let mut all = merge([found, recorded.unwrap_or_default()]);
    let claims = ledger.claims().await.unwrap_or_default();
    let Some(stores) = &connection.stores else {
        mark_claimed(&mut all, &claims);
        return Ok(all);
    };
    // What was seen to be gone, and has not been found again since, stays so.
    let again = all
        .iter()
        .enumerate()
        .filter(|(_, savepoint)| is_remembered(savepoint) && savepoint.verdict != Verdict::Gone);
    let again: Vec<(usize, String)> = again
        .map(|(place, savepoint)| (place, savepoint.path.clone()))
        .collect();
    let looks = again.into_iter().map(|(place, path)| {
        let stores = Arc::clone(stores);
        async move { (place, stores.inspect(&path).await) }
    });
    let mut looks = stream::iter(looks).buffer_unordered(AT_ONCE);
    while let Some((place, seen)) = looks.next().await {
        let savepoint = &mut all[place];
        match seen {
            Ok(seen) => {
                savepoint.verdict = seen.verdict;
                savepoint.reasons = seen.reasons;
                savepoint.size = seen.size.or(savepoint.size);
                savepoint.format_version = seen.format_version.or(savepoint.format_version);
                savepoint.sources.extend(seen.sources);
            }
            Err(error) if error.kind == ErrorKind::NotFound => {
                savepoint.verdict = Verdict::Gone;
                savepoint.reasons = vec![error.message];
            }
            Err(error) => savepoint.reasons.push(format!("could not be looked at: {error}")),
        }
    }
    mark_claimed(&mut all, &claims);
    Ok(all)
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
    // A ledger that can't be read knows no family.
    let family = ledger.family(job).await.unwrap_or_default();
    let mut lists = vec![gather(connection, ledger, Some(job), dirs).await?];
    for ancestor in family.ancestors.iter().filter_map(|lineage| lineage.job_id) {
        lists.push(gather(connection, ledger, Some(ancestor), &[]).await?);
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
