//! `!run`.

use std::path::PathBuf;

use async_trait::async_trait;

use super::args::Args;
use super::handler::{Command, Flow};
use super::spec::{Arity, Category, Kind, Positional, Spec};
use crate::error::Error;
use crate::session::Session;

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
    flags: &[],
    example: "!run examples/tables.sql",
    one_shot: false,
};

#[async_trait]
impl Command for Run {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, _session: &mut Session, args: Args) -> Result<Flow, Error> {
        Ok(Flow::Run(PathBuf::from(args.word(0).unwrap_or_default())))
    }
}
