//! `!fg`.

use std::time::Instant;

use async_trait::async_trait;
use jiff::Timestamp;

use super::args::Args;
use super::handler::{Command, Flow};
use super::spec::{Arity, Category, Kind, Positional, Spec};
use super::target;
use crate::error::Error;
use crate::foreground::{self, End};
use crate::interrupt::Signal;
use crate::job::wait::{self, Until};
use crate::job::watcher;
use crate::session::Session;
use crate::ui::quantity;

/// `!fg [REF]`.
#[derive(Debug)]
pub struct Fg;

static SPEC: Spec = Spec {
    name: "fg",
    aliases: &[],
    category: Category::Statements,
    summary: "shows the rows of a background query, or waits for a job",
    help: "Shows each row that has come since it went into the background once, then the new ones as they come. Ctrl-C\n\
           and Ctrl-Z stop the showing, never the job. A job without rows is waited for.",
    positionals: &[Positional {
        name: "REF",
        kind: Kind::Reference,
        arity: Arity::Optional,
    }],
    flags: &[],
    example: "!fg %%",
    one_shot: false,
};

#[async_trait]
impl Command for Fg {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, session: &mut Session, args: Args) -> Result<Flow, Error> {
        let target = target::resolve(session, args.word(0).unwrap_or("%%")).await?;
        let (Some(entry), Some(handle)) = (&target.entry, target.job.handle) else {
            return Err(Error::failed(format!(
                "{} was not started by this session: it has no rows here",
                target.job.title()
            )));
        };
        watcher::attend(&session.jobs, handle);
        match &entry.spool {
            Some(spool) => {
                let shown = show(session, handle, &mut spool.rows(), &entry.log).await;
                // The end of the rows was told, not what became of the job.
                watcher::release(&session.jobs, handle, false, &session.ui);
                shown?;
            }
            None => wait_for(session, handle).await?,
        }
        Ok(Flow::Continue)
    }
}

async fn show(
    session: &mut Session,
    handle: u32,
    rows: &mut dyn skep_engine::Rows,
    log: &skep_engine::LogRing,
) -> Result<(), Error> {
    let (count, end) = foreground::show(session, rows, log, true, Instant::now()).await?;
    let count = quantity::counted(count, "row", "rows");
    match end {
        End::Complete => session.ui.say(&format!("[{handle}] {count}, and no more to come")),
        End::Failed(error) => {
            let is_job = session.jobs.get(handle).is_some_and(|entry| entry.job.job_id.is_some());
            return Err(Error::of_rows(error, is_job));
        }
        End::Interrupted(signal) => leave(session, handle, &format!("{count} · "), signal)?,
    }
    Ok(())
}

async fn wait_for(session: &mut Session, handle: u32) -> Result<(), Error> {
    let table = session.jobs.clone();
    let outcome = wait::wait(&table, &[handle], Until::Finished, false, None, &mut session.interrupts).await;
    if let wait::Outcome::Interrupted(_) = outcome {
        session.ui.clear_key();
    }
    let is_told = matches!(outcome, wait::Outcome::Reached(_));
    watcher::release(&table, handle, is_told, &session.ui);
    match outcome {
        wait::Outcome::Reached(ended) => {
            for (job, result) in ended {
                if session.settings.json {
                    session.ui.json(&job.clone().timed(Timestamp::now()))?;
                }
                if result.is_err() {
                    return Err(job.ended_badly());
                }
                session.ui.say(&format!("{} has ended", job.title()));
            }
        }
        wait::Outcome::TimedOut(_) => {}
        wait::Outcome::Interrupted(signal) => leave(session, handle, "", signal)?,
    }
    Ok(())
}

fn leave(session: &Session, handle: u32, before: &str, signal: Signal) -> Result<(), Error> {
    session.ui.say(&format!("{before}[{handle}] goes on in the background"));
    match signal {
        Signal::Suspend => Ok(()),
        signal => Err(signal.error()),
    }
}
