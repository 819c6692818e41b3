//! What is left of rehearsals whose shells have ended in the middle.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use skep_engine::{
    Connection, EngineError, ErrorKind, Format, JobControl, JobId, Result, Savepoint, SavepointKind, SavepointRequest,
    Stores, Verdict,
};

use crate::ledger::{Ledger, Rehearsal};
use crate::ui::{Ui, quantity, sanitize};

/// So long is waited for the end of a job that was cancelled.
const ENDING: Duration = Duration::from_secs(60);

/// How often such a job is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Removes what rehearsals have made whose shells have ended, and says so. What can't be removed is said, too, and left to the
/// next shell.
pub async fn clear(connection: &Connection, ledger: &Ledger, ui: &Ui) {
    let (Some(jobs), Some(stores)) = (&connection.jobs, &connection.stores) else {
        return;
    };
    // A ledger that can't be read knows of none; the shell has said so already.
    for rehearsal in ledger.take_rehearsals(&connection.url).await.unwrap_or_default() {
        let began = quantity::moment(rehearsal.began, Timestamp::now(), &TimeZone::system());
        let name = sanitize(&rehearsal.name);
        let tell = |what: &str| ui.note(&format!("a rehearsal of {name}, begun {began}, was broken off: {what}"));
        match remove(jobs.as_ref(), stores.as_ref(), ledger, &rehearsal, &tell).await {
            Ok(()) => ledger.end_rehearsal(rehearsal.id),
            Err(error) => tell(&format!("what it has left could not be removed ({error})")),
        }
    }
}

/// Cancels the jobs that it has started and deletes the savepoints that were made for it. Each is told before it is done: the
/// shell may end before all is.
async fn remove(
    jobs: &dyn JobControl,
    stores: &dyn Stores,
    ledger: &Ledger,
    rehearsal: &Rehearsal,
    tell: &(dyn Fn(&str) + Send + Sync),
) -> Result<()> {
    let mut trials = Vec::new();
    for id in &rehearsal.trials {
        let Some((job, status)) = jobs.submitted(id).await? else {
            continue;
        };
        if !status.state.is_terminal() {
            tell(&format!("its job {} is cancelled", job.short()));
            jobs.cancel(&job).await?;
            await_end(jobs, &job).await?;
        }
        trials.push(job);
    }
    // The jobs that went on from it have ended.
    match own_savepoint(jobs, rehearsal).await? {
        Own::None => {}
        Own::At(path) => {
            if let Some(state) = delete(stores, &path, tell).await? {
                ledger.discarded(rehearsal, state);
            }
        }
        Own::Unknown => {
            let job = rehearsal.job.short();
            tell(&format!(
                "whether a savepoint of job {job} was taken for it is not known · !savepoints {job}"
            ));
        }
    }
    for job in trials {
        for saved in stores.find(Some(&job), &[]).await? {
            // By the first digits of its id some other job's savepoint could be taken for its own.
            let is_its_own = saved.job_id == Some(job) && saved.taken.is_none_or(|taken| taken >= rehearsal.began);
            if !is_its_own || saved.kind != SavepointKind::Savepoint {
                continue;
            }
            match saved.verdict {
                Verdict::Usable => {
                    delete(stores, &saved.path, tell).await?;
                }
                // The dead shell has deleted it, and could not write that down any more.
                Verdict::Missing => {}
                _ => continue,
            }
            ledger.discarded(rehearsal, saved);
        }
    }
    Ok(())
}

/// The savepoint of the job that was taken for the rehearsal.
enum Own {
    /// None was, or it failed.
    None,
    At(String),
    Unknown,
}

async fn own_savepoint(jobs: &dyn JobControl, rehearsal: &Rehearsal) -> Result<Own> {
    let (None, Some(trigger)) = (&rehearsal.savepoint, rehearsal.trigger) else {
        return Ok(rehearsal.savepoint.clone().map_or(Own::None, Own::At));
    };
    let request = SavepointRequest {
        trigger,
        dir: None,
        format: Format::Canonical,
        numbered: false,
    };
    match jobs.await_savepoint(&rehearsal.job, request).await {
        Ok(savepoint) => Ok(Own::At(savepoint.path)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(Own::Unknown),
        Err(error) if error.kind == ErrorKind::Failed => Ok(Own::None),
        Err(error) => Err(error),
    }
}

async fn await_end(jobs: &dyn JobControl, job: &JobId) -> Result<()> {
    let deadline = Instant::now() + ENDING;
    loop {
        match jobs.status(job).await {
            Ok(status) if status.state.is_terminal() => return Ok(()),
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
            Ok(status) if Instant::now() >= deadline => {
                let message = format!("job {} was cancelled and is {}", job.short(), status.state);
                return Err(EngineError::new(ErrorKind::Timeout, message));
            }
            Ok(_) => tokio::time::sleep(LOOK).await,
            Err(error) => return Err(error),
        }
    }
}

/// Deletes a savepoint, unless that has been done. Returns what is known of it.
async fn delete(stores: &dyn Stores, path: &str, tell: &(dyn Fn(&str) + Send + Sync)) -> Result<Option<Savepoint>> {
    let known = match stores.inspect(path).await {
        Ok(seen) if matches!(seen.verdict, Verdict::Gone | Verdict::Missing) => return Ok(Some(seen)),
        Ok(seen) => Some(seen),
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
        Err(_) => None,
    };
    tell(&format!("its savepoint {} is deleted", sanitize(path)));
    match stores.delete(path).await {
        Err(error) if error.kind != ErrorKind::NotFound => Err(error),
        _ => Ok(known),
    }
}
