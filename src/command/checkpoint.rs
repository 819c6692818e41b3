//! `!checkpoint`.

use async_trait::async_trait;
use skep_engine::{CheckpointRequest, SavepointRequest};

use super::args::Args;
use super::handler::{Command, Flow};
use super::savepoint;
use super::spec::{Arity, Category, Flag, Kind, Positional, Spec};
use super::target;
use crate::error::Error;
use crate::job::record::Action;
use crate::session::Session;
use crate::ui::quantity;

/// `!checkpoint REF`.
#[derive(Debug)]
pub struct Checkpoint;

static SPEC: Spec = Spec {
    name: "checkpoint",
    aliases: &[],
    category: Category::Savepoints,
    summary: "triggers a checkpoint now and prints its id",
    help: "A checkpoint is the engine's own: it lives until newer ones have taken its place. With --keep a savepoint is\n\
           taken instead, which stays until somebody drops it; its id and path are printed.",
    positionals: &[Positional {
        name: "REF",
        kind: Kind::Reference,
        arity: Arity::One,
    }],
    flags: &[
        Flag {
            name: "keep",
            short: None,
            value: None,
            help: "take a savepoint instead, which stays",
        },
        Flag {
            name: "full",
            short: None,
            value: None,
            help: "everything, not only what changed",
        },
        Flag {
            name: "incremental",
            short: None,
            value: None,
            help: "only what changed",
        },
    ],
    example: "!checkpoint %1",
    one_shot: true,
};

#[async_trait]
impl Command for Checkpoint {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, session: &mut Session, args: Args) -> Result<Flow, Error> {
        let request = match (args.has("full"), args.has("incremental")) {
            (true, true) => return Err(Error::usage("--full and --incremental can't stand together")),
            (true, false) => CheckpointRequest::Full,
            (false, true) => CheckpointRequest::Incremental,
            (false, false) => CheckpointRequest::Configured,
        };
        let target = target::resolve(session, args.word(0).unwrap_or_default()).await?;
        let capabilities = target.connection.capabilities;
        let (what, can) = if args.has("keep") {
            ("savepoints", capabilities.savepoint)
        } else {
            ("triggering checkpoints", capabilities.checkpoint)
        };
        if !can {
            return Err(Error::unsupported(&target.connection.label, what));
        }
        let (job_id, control) = (target.job_id()?, target.control()?);
        let acting = session.jobs.acting(target.job.handle, Action::Savepointing);
        let keep = args.has("keep").then(|| SavepointRequest {
            numbered: true,
            ..savepoint::request(&args, None)
        });
        let mut task = tokio::spawn(async move {
            match keep {
                Some(request) => control.savepoint(&job_id, request).await,
                None => control.checkpoint(&job_id, request).await,
            }
        });
        let taken = tokio::select! {
            taken = &mut task => taken.map_err(Error::internal)??,
            signal = session.interrupts.next() => {
                session.ui.say("no longer waiting; the checkpoint goes on");
                return Err(signal.error());
            }
        };
        drop(acting);
        let size = taken
            .size
            .map(|size| format!(" · {}", quantity::bytes(size)))
            .unwrap_or_default();
        // A dash keeps the place of a number that the engine does not tell.
        let id = taken.checkpoint_id.map_or_else(|| "-".to_owned(), |id| id.to_string());
        if args.has("keep") {
            session.ledger.saved(&target.connection.url, taken.clone());
            session.ui.say(&format!(
                "{} · savepoint {id}{size} · kept until !drop-savepoint",
                target.job.title()
            ));
        } else {
            session.ui.say(&format!(
                "{} · checkpoint {id}{size} · lives until newer checkpoints have taken its place (--keep for one that stays)",
                target.job.title()
            ));
        }
        if session.settings.json {
            session.ui.json(&taken)?;
        } else if args.has("keep") {
            session.ui.print(&format!("{id} {}", taken.path))?;
        } else {
            session.ui.print(&id)?;
        }
        Ok(Flow::Continue)
    }
}
