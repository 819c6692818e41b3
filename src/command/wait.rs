//! `!wait`.

use std::time::Instant;

use async_trait::async_trait;

use super::args::{Args, TIMEOUT};
use super::handler::{Command, Flow};
use super::spec::{Arity, Category, Flag, Kind, Positional, Spec};
use super::target::{self, Target};
use crate::error::{Error, ErrorKind};
use crate::job::wait::{self, Until};
use crate::job::watcher;
use crate::session::Session;

/// `!wait [REF…]`.
#[derive(Debug)]
pub struct Wait;

static SPEC: Spec = Spec {
    name: "wait",
    aliases: &[],
    category: Category::Jobs,
    summary: "waits for jobs",
    help: "Without REF, for all that run in this session. Ctrl-C stops the waiting, never the jobs.\n\
           The exit code tells how it went: 3 if a job failed, was cancelled or is lost, 4 if the time was up first.",
    positionals: &[Positional {
        name: "REF",
        kind: Kind::Reference,
        arity: Arity::Any,
    }],
    flags: &[
        Flag {
            name: "any",
            short: None,
            value: None,
            help: "one of them is enough",
        },
        Flag {
            name: "until",
            short: None,
            value: Some(("POINT", Kind::Choice(Until::WORDS))),
            help: "running, first-checkpoint or finished (the default)",
        },
        TIMEOUT,
    ],
    example: "!wait %% --until running --timeout 1m",
    one_shot: true,
};

#[async_trait]
impl Command for Wait {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, session: &mut Session, args: Args) -> Result<Flow, Error> {
        let until = args.value("until").map_or(Until::Finished, Until::from_word);
        let timeout = args.duration("timeout")?;
        let mut handles = Vec::new();
        if args.words().is_empty() {
            let active = session.jobs.entries().into_iter().filter(|entry| entry.job.is_active());
            handles.extend(active.filter_map(|entry| entry.job.handle));
        } else {
            for target in target::resolve_all(session, args.words()).await? {
                handles.push(take_up(session, target)?);
            }
        }
        if handles.is_empty() {
            session.ui.say(target::none_runs(session));
        }
        for handle in &handles {
            watcher::attend(&session.jobs, *handle);
        }
        let table = session.jobs.clone();
        let waiting = session
            .ui
            .waiting(Instant::now(), "Ctrl-C stops the waiting, not the jobs");
        let reached = wait::wait(
            &table,
            &handles,
            until,
            args.has("any"),
            timeout,
            &mut session.interrupts,
        );
        let outcome = waiting.until(|| wait::so_far(&table, &handles), reached).await;
        let told: Vec<Option<u32>> = match &outcome {
            wait::Outcome::Reached(jobs) => {
                let ended = jobs.iter().map(|(job, _)| job).filter(|job| !job.is_active());
                ended.map(|job| job.handle).collect()
            }
            _ => Vec::new(),
        };
        let reported = report(session, outcome, until);
        for handle in &handles {
            watcher::release(&session.jobs, *handle, told.contains(&Some(*handle)), &session.ui);
        }
        reported
    }
}

fn report(session: &Session, outcome: wait::Outcome, until: Until) -> Result<Flow, Error> {
    match outcome {
        wait::Outcome::Reached(jobs) => {
            let mut failure = None;
            for (job, result) in jobs {
                if session.settings.json {
                    session.ui.json(&job.clone().timed(jiff::Timestamp::now()))?;
                }
                match result {
                    Ok(()) => {
                        let state = job.state.map(|state| format!(" is {state}")).unwrap_or_default();
                        let checkpoint = job.checkpoint_id.filter(|_| until == Until::FirstCheckpoint);
                        let checkpoint = checkpoint.map(|id| format!(" · checkpoint {id}")).unwrap_or_default();
                        session.ui.say(&format!("{}{state}{checkpoint}", job.title()));
                    }
                    Err(_) => failure = failure.or(Some(job.ended_badly())),
                }
            }
            failure.map_or(Ok(Flow::Continue), Err)
        }
        wait::Outcome::TimedOut(jobs) => {
            if session.settings.json {
                for job in &jobs {
                    session.ui.json(&job.clone().timed(jiff::Timestamp::now()))?;
                }
            }
            let names: Vec<_> = jobs.iter().map(super::super::job::Job::title).collect();
            Err(Error::new(
                ErrorKind::Timeout,
                format!("the time is up, still running: {}", names.join(", ")),
            ))
        }
        wait::Outcome::Interrupted(signal) => {
            session.ui.clear_key();
            session.ui.say("no longer waiting; the jobs go on");
            Err(signal.error())
        }
    }
}

/// The handle of the job; one that is not in the table yet is put there, and followed.
fn take_up(session: &Session, target: Target) -> Result<u32, Error> {
    if let Some(handle) = target.entry.as_ref().and_then(|entry| entry.job.handle) {
        return Ok(handle);
    }
    let (job_id, control) = (target.job_id()?, target.control()?);
    let stranger = watcher::Stranger {
        job: target.job,
        job_id,
        connection: target.connection,
        control,
    };
    let handle = watcher::take_up(&session.jobs, stranger, &session.ledger, &session.ui);
    Ok(handle)
}
