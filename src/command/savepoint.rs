//! `!savepoint`.

use std::time::Instant;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::json;
use skep_engine::{EngineError, ErrorKind, Format, JobId, SavepointRequest};

use super::args::Args;
use super::handler::{Command, Flow};
use super::spec::{Arity, Category, Flag, Kind, Positional, Spec};
use super::target::{self, Target};
use crate::error::Error;
use crate::job::record::Action;
use crate::ledger::AwaitedLabel;
use crate::savepoint::parse_label;
use crate::session::Session;
use crate::statement::new_job_id;
use crate::ui::quantity;

/// `!savepoint REF…`.
#[derive(Debug)]
pub struct Savepoint;

/// Flags that say where a savepoint goes and how it is written.
pub const DIR: Flag = Flag {
    name: "dir",
    short: None,
    value: Some(("URI", Kind::Location)),
    help: "the directory it is made in, instead of the configured one",
};
pub const FORMAT: Flag = Flag {
    name: "format",
    short: None,
    value: Some(("FORMAT", Kind::Choice(&["canonical", "native"]))),
    help: "canonical (the default) or native",
};
pub const LABEL: Flag = Flag {
    name: "label",
    short: None,
    value: Some(("LABEL", Kind::Word)),
    help: "a name of your own for it, by which !restore finds it",
};

const DETACH: Flag = Flag {
    name: "detach",
    short: None,
    value: None,
    help: "come back once the engine has taken the request, and print the request's id",
};
const TRIGGER: Flag = Flag {
    name: "trigger",
    short: None,
    value: Some(("ID", Kind::Word)),
    help: "wait for the request of that id, which --detach has printed",
};

static SPEC: Spec = Spec {
    name: "savepoint",
    aliases: &[],
    category: Category::Savepoints,
    summary: "takes a savepoint of running jobs and prints its path",
    help: "The job runs on. Several jobs are saved side by side. The path is the result (on stdout); what is said about\n\
           it is not.",
    positionals: &[Positional {
        name: "REF",
        kind: Kind::Reference,
        arity: Arity::Some,
    }],
    flags: &[DIR, FORMAT, LABEL, DETACH, TRIGGER],
    example: "!savepoint %1 --label before-fix",
    one_shot: true,
};

#[async_trait]
impl Command for Savepoint {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, session: &mut Session, args: Args) -> Result<Flow, Error> {
        let targets = target::resolve_all(session, args.words()).await?;
        let label = args.value("label").map(parse_label).transpose()?;
        if label.is_some() && targets.len() > 1 {
            return Err(Error::usage("one label can't name several savepoints").hint("save one job at a time"));
        }
        for target in &targets {
            if !target.connection.capabilities.savepoint {
                return Err(Error::unsupported(&target.connection.label, "savepoints"));
            }
        }
        let trigger = match args.value("trigger") {
            Some(_) if targets.len() > 1 => {
                return Err(Error::usage("one request can't be for several jobs").hint("name one job"));
            }
            Some(text) => Some(
                text.parse::<JobId>()
                    .map_err(|_| Error::usage(format!("{text:?} is not the id of a request: it has 32 hex digits")))?,
            ),
            None => None,
        };
        if args.has("detach") {
            return detach(session, targets, &args, trigger).await;
        }
        each(session, targets, Action::Savepointing, "· savepoint", label, |target| {
            let request = request(&args, trigger);
            async move {
                let (job_id, control) = (target.job_id()?, target.control()?);
                Ok(match trigger {
                    Some(_) => control.await_savepoint(&job_id, request).await?,
                    None => control.savepoint(&job_id, request).await?,
                })
            }
        })
        .await?;
        Ok(Flow::Continue)
    }
}

/// Has savepoints begun, and tells of their end if the shell is still there.
async fn detach(
    session: &mut Session,
    targets: Vec<Target>,
    args: &Args,
    trigger: Option<JobId>,
) -> Result<Flow, Error> {
    for target in targets {
        let request = request(args, trigger);
        let (job_id, control) = (target.job_id()?, target.control()?);
        let is_begun = match control.begin_savepoint(&job_id, request.clone()).await {
            // Where the shell stays, it can wait by itself.
            Err(error) if error.kind == ErrorKind::Unsupported && session.settings.interactive => false,
            begun => begun.map(|()| true)?,
        };
        let id = request.trigger.to_string();
        if session.settings.json {
            session.ui.json(&json!({ "job_id": job_id, "trigger": id }))?;
        } else {
            session.ui.say(&format!(
                "{} · savepoint begun · !savepoint {} --trigger {id} waits for it",
                target.job.title(),
                job_id.short(),
            ));
            session.ui.print(&id)?;
        }
        let (ledger, ui, label) = (
            session.ledger.clone(),
            session.ui.clone(),
            args.value("label").map(|label| label.trim().to_owned()),
        );
        tokio::spawn(async move {
            let saved = if is_begun {
                control.await_savepoint(&job_id, request).await
            } else {
                control.savepoint(&job_id, request).await
            };
            match saved {
                Ok(mut savepoint) => {
                    savepoint.label = label;
                    ui.note(&format!("{} · savepoint {}", target.job.title(), savepoint.path));
                    ledger.saved(&target.connection.url, savepoint);
                }
                Err(error) => ui.note(&format!("{} · savepoint failed: {error}", target.job.title())),
            }
        });
    }
    Ok(Flow::Continue)
}

/// What the flags ask for. Without a known trigger it is new: one request, one id.
pub fn request(args: &Args, trigger: Option<JobId>) -> SavepointRequest {
    let format = if args.value("format") == Some("native") {
        Format::Native
    } else {
        Format::Canonical
    };
    SavepointRequest {
        trigger: trigger.unwrap_or_else(new_job_id),
        dir: args.value("dir").map(str::to_owned),
        format,
        numbered: false,
    }
}

/// Takes note of what became of a job that was to be stopped, without waiting for its watcher.
async fn note_end(session: &Session, target: &Target) {
    let (Some(job_id), Some(jobs)) = (target.job.job_id, &target.connection.jobs) else {
        return;
    };
    // What came of the stop itself is told; that the job can't be looked at now is the watcher's to tell.
    let Ok(status) = jobs.status(&job_id).await else { return };
    session.ledger.status(&target.connection.url, job_id, status.clone());
    if let Some(handle) = target.job.handle {
        session.jobs.update(handle, |entry| entry.job.apply(&status));
    }
}

/// Why there is no savepoint, as far as is known.
pub struct Unsaved {
    error: Error,
    /// There is none, and will be none.
    is_certain: bool,
}

impl From<Error> for Unsaved {
    fn from(error: Error) -> Self {
        Self {
            error,
            is_certain: true,
        }
    }
}

impl From<EngineError> for Unsaved {
    fn from(error: EngineError) -> Self {
        let is_certain = !matches!(error.kind, ErrorKind::Lost | ErrorKind::Timeout);
        Self {
            error: error.into(),
            is_certain,
        }
    }
}

/// Writes down what the savepoint is to be called, before it is asked for: whoever finds it gives it the label, should this
/// shell not live to hear of it.
async fn promise(session: &Session, targets: &[Target], label: &str) {
    for target in targets {
        let Some(job) = target.job.job_id else { continue };
        let awaited = AwaitedLabel {
            job,
            url: target.connection.url.clone(),
            label: label.trim().to_owned(),
            asked: Timestamp::now(),
        };
        if let Err(cause) = session.ledger.await_label(awaited).await
            && session.ledger.is_news(&cause)
        {
            session.ui.warn(&format!(
                "{cause}; the label is lost if this shell ends before the savepoint is complete"
            ));
        }
    }
}

/// Saves several jobs side by side: prints each path, remembers each savepoint. The first failure is the command's, but
/// every job is tried.
pub async fn each<F>(
    session: &mut Session,
    targets: Vec<Target>,
    action: Action,
    what: &str,
    label: Option<&str>,
    save: impl Fn(Target) -> F,
) -> Result<(), Error>
where
    F: Future<Output = Result<skep_engine::Savepoint, Unsaved>> + Send + 'static,
{
    if let Some(label) = label {
        promise(session, &targets, label).await;
    }
    let tasks: Vec<_> = targets
        .iter()
        .map(|target| {
            let acting = session.jobs.acting(target.job.handle, action);
            let began = Instant::now();
            let saving = save(target.clone());
            tokio::spawn(async move {
                let saved = saving.await;
                (saved, began.elapsed(), acting)
            })
        })
        .collect();
    let mut failure = None;
    for (target, mut task) in targets.iter().zip(tasks) {
        let (saved, took, acting) = tokio::select! {
            saved = &mut task => saved.map_err(Error::internal)?,
            signal = session.interrupts.next() => {
                session.ui.clear_key();
                session.ui.say("no longer waiting; what the engine was asked for goes on · !savepoints shows what came of it");
                return Err(signal.error());
            }
        };
        match saved {
            Ok(mut savepoint) => {
                savepoint.label = label.map(str::to_owned);
                session.ledger.saved(&target.connection.url, savepoint.clone());
                if let Some(handle) = target.job.handle {
                    session
                        .jobs
                        .update(handle, |entry| entry.job.savepoint = Some(savepoint.path.clone()));
                }
                if action == Action::Stopping {
                    note_end(session, target).await;
                }
                let mut line = format!("{} {what}", target.job.title());
                // Without a handle the title has it.
                if let (Some(_), Some(id)) = (target.job.handle, target.job.job_id) {
                    line.push_str(&format!(" · job {}", id.short()));
                }
                if let Some(number) = savepoint.checkpoint_id {
                    line.push_str(&format!(" · checkpoint {number}"));
                }
                if let Some(size) = savepoint.size {
                    line.push_str(&format!(" · {}", quantity::bytes(size)));
                }
                session.ui.say(&format!("{line} · {}", quantity::duration(took)));
                if session.settings.json {
                    session.ui.json(&savepoint)?;
                } else {
                    session.ui.print(&savepoint.path)?;
                }
            }
            Err(error) => {
                if action == Action::Stopping {
                    // It may have ended all the same.
                    note_end(session, target).await;
                }
                // Of one whose answer was lost nobody knows whether it was taken.
                if let (Some(_), true, Some(job)) = (label, error.is_certain, target.job.job_id) {
                    session.ledger.forget_label(&target.connection.url, job);
                }
                let error = error.error.within(&target.job.title());
                if failure.is_none() {
                    failure = Some(error);
                } else {
                    session.ui.error(&error);
                }
            }
        }
        // Only now: an end that was asked for is no news to the watcher.
        drop(acting);
    }
    failure.map_or(Ok(()), Err)
}
