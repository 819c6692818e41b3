//! `!checkpoints`.

use async_trait::async_trait;
use jiff::Timestamp;
use skep_engine::{Savepoint, SavepointKind};

use super::args::Args;
use super::gather::gather;
use super::handler::{Command, Flow};
use super::savepoints::listing;
use super::spec::{Arity, Category, Kind, Positional, Spec};
use super::target;
use crate::error::Error;
use crate::session::Session;

/// `!checkpoints [REF]`.
#[derive(Debug)]
pub struct Checkpoints;

static SPEC: Spec = Spec {
    name: "checkpoints",
    aliases: &[],
    category: Category::Savepoints,
    summary: "lists a job's own checkpoints, each with a verdict",
    help: "Those that the engine took by itself or was triggered to take, newest first, as far as it still keeps them or\n\
           says what became of them. !savepoints lists what was asked for by name, too.",
    positionals: &[Positional {
        name: "REF",
        kind: Kind::Reference,
        arity: Arity::Optional,
    }],
    flags: &[],
    example: "!checkpoints %%",
    one_shot: true,
};

#[async_trait]
impl Command for Checkpoints {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, session: &mut Session, args: Args) -> Result<Flow, Error> {
        let target = target::resolve(session, args.word(0).unwrap_or("%%")).await?;
        let gathered = gather(&target.connection, &session.ledger, Some(target.job_id()?), &[]);
        let found = session.unless_interrupted(gathered).await?;
        let checkpoints: Vec<Savepoint> = found
            .into_iter()
            .filter(|found| found.kind == SavepointKind::Checkpoint)
            .collect();
        if session.settings.json {
            for checkpoint in &checkpoints {
                session.ui.json(checkpoint)?;
            }
        } else if checkpoints.is_empty() {
            session.ui.say(&format!("{} has no checkpoints", target.job.title()));
        } else {
            session.ui.list(&listing(&checkpoints, Timestamp::now()))?;
        }
        Ok(Flow::Continue)
    }
}
