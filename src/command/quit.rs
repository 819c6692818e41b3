//! `!quit`.

use async_trait::async_trait;

use super::args::Args;
use super::handler::{Command, Flow};
use super::spec::{Category, Spec};
use crate::error::Error;
use crate::session::Session;

/// `!quit`.
#[derive(Debug)]
pub struct Quit;

static SPEC: Spec = Spec {
    name: "quit",
    aliases: &["exit", "q"],
    category: Category::Shell,
    summary: "leaves the shell",
    help: "Jobs that run inside the shell are stopped with a savepoint first, and it says how to go on; jobs on a cluster\n\
           go on. The same as Ctrl-D.",
    positionals: &[],
    flags: &[],
    example: "!quit",
    one_shot: false,
};

#[async_trait]
impl Command for Quit {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, _session: &mut Session, _args: Args) -> Result<Flow, Error> {
        Ok(Flow::Quit)
    }
}
