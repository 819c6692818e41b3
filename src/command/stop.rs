//! `!stop`.

use async_trait::async_trait;
use skep_engine::StopRequest;

use super::args::Args;
use super::handler::{Command, Flow};
use super::savepoint::{self, DIR, FORMAT, LABEL};
use super::spec::{Arity, Category, Flag, Kind, Positional, Spec};
use super::target;
use crate::error::Error;
use crate::job::record::Action;
use crate::savepoint::parse_label;
use crate::session::{self, Session};

/// `!stop REF…`.
#[derive(Debug)]
pub struct Stop;

static SPEC: Spec = Spec {
    name: "stop",
    aliases: &[],
    category: Category::Savepoints,
    summary: "stops jobs with a savepoint and prints its path",
    help: "If the savepoint fails the job runs on. With --drain every open window is ended first, which can't be taken\n\
           back: a job should not be restored from such a savepoint to go on.",
    positionals: &[Positional {
        name: "REF",
        kind: Kind::Reference,
        arity: Arity::Some,
    }],
    flags: &[
        Flag {
            name: "drain",
            short: None,
            value: None,
            help: "end every open window first",
        },
        DIR,
        FORMAT,
        LABEL,
    ],
    example: "!stop %1",
    one_shot: true,
};

#[async_trait]
impl Command for Stop {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, session: &mut Session, args: Args) -> Result<Flow, Error> {
        let label = args.value("label").map(parse_label).transpose()?;
        let targets = target::resolve_all(session, args.words()).await?;
        if label.is_some() && targets.len() > 1 {
            return Err(Error::usage("one label can't name several savepoints").hint("stop one job at a time"));
        }
        let drain = args.has("drain");
        for target in &targets {
            let capabilities = target.connection.capabilities;
            if !capabilities.stop {
                return Err(Error::unsupported(
                    &target.connection.label,
                    "stopping with a savepoint",
                ));
            }
            if drain && !capabilities.drain {
                return Err(Error::unsupported(&target.connection.label, "draining"));
            }
        }
        if drain && !args.has("yes") && !session.settings.yes {
            let mut running = Vec::new();
            for target in &targets {
                // What the engine says of a job that has ended is said below; of one that it can't be asked about, too.
                let (job_id, control) = (target.job_id()?, target.control()?);
                let status = session.unless_interrupted(async { Ok(control.status(&job_id).await?) });
                if !status.await?.state.is_terminal() {
                    running.push(target);
                }
            }
            if !running.is_empty() {
                session.ui.say(
                    "draining ends every open window and can't be taken back; the job should not be restored from this savepoint to go on.",
                );
            }
            for target in running {
                let answer = session
                    .ui
                    .ask_name(&format!("drain {}?", target.job.name), &target.job.name);
                session::agreed(answer)?;
            }
        }
        let what = if drain {
            "drained and stopped with a savepoint"
        } else {
            "stopped with a savepoint"
        };
        savepoint::each(session, targets, Action::Stopping, what, label, |target| {
            let request = StopRequest {
                savepoint: savepoint::request(&args, None),
                drain,
            };
            async move {
                let (job_id, control) = (target.job_id()?, target.control()?);
                Ok(control.stop(&job_id, request).await?)
            }
        })
        .await?;
        Ok(Flow::Continue)
    }
}
