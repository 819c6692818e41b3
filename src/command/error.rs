//! `!error`.

use async_trait::async_trait;

use super::args::Args;
use super::handler::{Command, Flow};
use super::spec::{Category, Spec};
use crate::error::Error as Failure;
use crate::session::Session;

/// `!error`.
#[derive(Debug)]
pub struct Error;

static SPEC: Spec = Spec {
    name: "error",
    aliases: &[],
    category: Category::Shell,
    summary: "shows the last error at length",
    help: "The message, what can be done, and the server's own account, such as a stack trace, where it gave one.",
    positionals: &[],
    flags: &[],
    example: "!error",
    one_shot: false,
};

#[async_trait]
impl Command for Error {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, session: &mut Session, _args: Args) -> Result<Flow, Failure> {
        let Some(error) = &session.last_error else {
            session.ui.say("no error so far");
            return Ok(Flow::Continue);
        };
        if session.settings.json {
            session.ui.json(error)?;
            return Ok(Flow::Continue);
        }
        session.ui.print(&error.message)?;
        for hint in &error.hints {
            session.ui.print(&format!("hint: {hint}"))?;
        }
        match &error.trace {
            Some(trace) => {
                for line in trace.lines() {
                    session.ui.print(line)?;
                }
            }
            None => session.ui.say("there is no longer account of it"),
        }
        Ok(Flow::Continue)
    }
}
