//! All savepoints and checkpoints that anybody knows of.

use skep_engine::{Connection, ErrorKind, JobId, Savepoint, Verdict};

use crate::error::Error;
use crate::ledger::Ledger;
use crate::savepoint::{merge, remembered};

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
    let Some(stores) = &connection.stores else {
        return Ok(all);
    };
    let paths: Vec<String> = remembered(&all).map(|savepoint| savepoint.path.clone()).collect();
    for path in paths {
        let Some(savepoint) = all.iter_mut().find(|savepoint| savepoint.path == path) else {
            continue;
        };
        match stores.inspect(&path).await {
            Ok(seen) => {
                savepoint.verdict = seen.verdict;
                savepoint.reasons = seen.reasons;
                savepoint.size = seen.size.or(savepoint.size);
            }
            Err(error) if error.kind == ErrorKind::NotFound => {
                savepoint.verdict = Verdict::Gone;
                savepoint.reasons = vec![error.message];
            }
            Err(error) => savepoint.reasons.push(format!("could not be looked at: {error}")),
        }
    }
    Ok(all)
}
