//! `!cancel`.

use std::time::Instant;

use async_trait::async_trait;
use jiff::Timestamp;
use skep_engine::{EngineError, ErrorKind, JobStatus};

use super::args::Args;
use super::handler::{Command, Flow};
use super::savepoint::{self, DIR};
use super::spec::{Arity, Category, Flag, Kind, Positional, Spec};
use super::target::{self, Target};
use crate::error::Error;
use crate::job::record::Action;
use crate::job::{cancel, watcher};
use crate::session::Session;
use crate::statement;
use crate::ui::quantity;

/// `!cancel REF…`.
#[derive(Debug)]
pub struct Cancel;

static SPEC: Spec = Spec {
    name: "cancel",
    aliases: &["kill"],
    category: Category::Jobs,
    summary: "cancels jobs and sees that they have ended",
    help: "Says that a job is cancelled only when the engine says so. With --savepoint one is taken first, and if that\n\
           fails the job runs on; !stop does the same more cleanly.",
    positionals: &[Positional {
        name: "REF",
        kind: Kind::Reference,
        arity: Arity::Any,
    }],
    flags: &[
        Flag {
            name: "all",
            short: None,
            value: None,
            help: "every job of this session that runs",
        },
        Flag {
            name: "savepoint",
            short: None,
            value: None,
            help: "take a savepoint first and print its path",
        },
        DIR,
    ],
    example: "!cancel %1",
    one_shot: true,
};

#[async_trait]
impl Command for Cancel {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, session: &mut Session, args: Args) -> Result<Flow, Error> {
        let targets = match (args.has("all"), args.words().is_empty()) {
            (true, true) => running(session),
            (false, false) => target::resolve_all(session, args.words()).await?,
            _ => return Err(Error::usage("!cancel takes either REF or --all").hint(format!("usage: {}", SPEC.usage()))),
        };
        if targets.is_empty() {
            session.ui.say(target::none_runs(session));
        }
        if args.has("savepoint") {
            savepoint::each(
                session,
                targets.clone(),
                Action::Savepointing,
                "· savepoint",
                None,
                |target| {
                    let request = savepoint::request(&args, None);
                    async move {
                        let (job_id, control) = (target.job_id()?, target.control()?);
                        Ok(control.savepoint(&job_id, request).await?)
                    }
                },
            )
            .await?;
        }
        end_all(session, targets).await?;
        Ok(Flow::Continue)
    }
}

fn running(session: &Session) -> Vec<Target> {
    let entries = session.jobs.entries().into_iter().filter(|entry| entry.job.is_active());
    entries
        .map(|entry| Target {
            job: entry.job.clone(),
            connection: entry.connection.clone(),
            entry: Some(entry),
        })
        .collect()
}

async fn end_all(session: &mut Session, targets: Vec<Target>) -> Result<(), Error> {
    let mut failure = None;
    let tasks: Vec<_> = targets
        .into_iter()
        .map(|target| {
            let acting = session.jobs.acting(target.job.handle, Action::Cancelling);
            let (began, asked) = (Instant::now(), target.clone());
            let task = tokio::spawn(async move {
                let ended = end(&asked).await;
                (ended, began.elapsed(), acting)
            });
            (target, task)
        })
        .collect();
    for (target, mut task) in tasks {
        let ended = session.patiently(&mut task, "it has not ended yet · Ctrl-C leaves it to end by itself");
        let (ended, took, acting) = tokio::select! {
            ended = ended => ended.map_err(Error::internal)?,
            signal = session.interrupts.next() => {
                session.ui.clear_key();
                session.ui.say("no longer waiting; the cancel goes on · !jobs shows what came of it");
                return Err(signal.error());
            }
        };
        match ended {
            Ok(status) => {
                let mut job = target.job.clone();
                if let Some(status) = &status {
                    job.apply(status);
                }
                if let (Some(job_id), Some(status)) = (job.job_id, &status) {
                    session.ledger.status(&target.connection.url, job_id, status.clone());
                }
                if let Some(handle) = job.handle {
                    let status = status.clone();
                    session.jobs.update(handle, |entry| match &status {
                        Some(status) => entry.job.apply(status),
                        None => watcher::settle(entry, Some(&EngineError::new(ErrorKind::Cancelled, "cancelled"))),
                    });
                }
                let state = status.map_or_else(|| " · cancelled".to_owned(), |status| format!(" is {}", status.state));
                session.ui.say(&format!(
                    "{}{state} · {}",
                    job.title_with_id(),
                    quantity::duration(took)
                ));
                if session.settings.json {
                    session.ui.json(&job.timed(Timestamp::now()))?;
                }
            }
            Err(error) => {
                let error = error.within(&target.job.title());
                if failure.is_none() {
                    failure = Some(error);
                } else {
                    session.ui.error(&error);
                }
            }
        }
        drop(acting);
    }
    failure.map_or(Ok(()), Err)
}

/// Goes up the ladder: the operation first, where this session has it, then the job by its id.
async fn end(target: &Target) -> Result<Option<JobStatus>, Error> {
    let operation = target.entry.as_ref().and_then(|entry| entry.operation.clone());
    if let Some(spool) = target.entry.as_ref().and_then(|entry| entry.spool.as_ref()) {
        spool.release();
    }
    if let Some(operation) = operation {
        return Ok(statement::end(operation.as_ref(), target.connection.jobs.as_deref(), target.job.job_id).await?);
    }
    if !target.connection.capabilities.cancel {
        return Err(Error::unsupported(&target.connection.label, "cancelling"));
    }
    let (job_id, control) = (target.job_id()?, target.control()?);
    Ok(Some(cancel::cancel(control.as_ref(), &job_id).await?))
}
