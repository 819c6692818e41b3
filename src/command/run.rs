//! `!run`.

use std::path::PathBuf;

use async_trait::async_trait;

use super::args::Args;
use super::handler::{Command, Flow};
use super::restore;
use super::spec::{Arity, Category, Flag, Kind, Positional, Spec};
use crate::error::Error;
use crate::session::{RestoreFrom, Session};

/// `!run FILE`.
#[derive(Debug)]
pub struct Run;

static SPEC: Spec = Spec {
    name: "run",
    aliases: &["source"],
    category: Category::Statements,
    summary: "runs a script",
    help: "Its statements and commands run in this session, one after the other, up to the first that fails.",
    positionals: &[Positional {
        name: "FILE",
        kind: Kind::Path,
        arity: Arity::One,
    }],
    flags: &[
        Flag {
            name: "load-checkpoint",
            short: None,
            value: Some(("JOB[,WHICH]", Kind::Word)),
            help: "the first of its statements that starts a job starts from that job's state: the newest, or WHICH",
        },
        Flag {
            name: "fork",
            short: None,
            value: None,
            help: "with --load-checkpoint: go back although another job has gone on from there",
        },
    ],
    example: "!run examples/tables.sql",
    one_shot: true,
};

#[async_trait]
impl Command for Run {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, session: &mut Session, args: Args) -> Result<Flow, Error> {
        if let Some(text) = args.value("load-checkpoint") {
            let fork = args.has("fork");
            let chosen = restore::chosen(session, text, fork).await?;
            let path = chosen.savepoint.path;
            session.settings.restore = RestoreFrom::Path { path, fork };
        } else if args.has("fork") {
            return Err(Error::usage("!run: --fork says something of --load-checkpoint only"));
        }
        Ok(Flow::Run(PathBuf::from(args.word(0).unwrap_or_default())))
    }
}
