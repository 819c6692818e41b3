//! `!async`.

use async_trait::async_trait;

use super::args::Args;
use super::handler::{Command, Flow};
use super::restore::{self, Auto};
use super::spec::{Arity, Category, Kind, Positional, Spec};
use super::state_of;
use crate::error::Error;
use crate::session::Session;
use crate::statement::{self, Request};

/// `!async SQL`.
#[derive(Debug)]
pub struct Async;

static SPEC: Spec = Spec {
    name: "async",
    aliases: &["bg"],
    category: Category::Statements,
    summary: "runs a statement in the background",
    help: "The prompt comes back at once and the statement is a job of this session. Its rows are kept on disk until !fg\n\
           shows them. An & before or right after the ; does the same.",
    positionals: &[Positional {
        name: "SQL",
        kind: Kind::Sql,
        arity: Arity::One,
    }],
    flags: &[],
    example: "!async SELECT 1;",
    one_shot: false,
};

#[async_trait]
impl Command for Async {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, session: &mut Session, args: Args) -> Result<Flow, Error> {
        let text = args.sql().unwrap_or_default();
        let text = state_of::resolved(session, text).await?.into_owned();
        let restore = match restore::known(session, &text).await? {
            Auto::Afresh => None,
            Auto::From(start) => Some(*start),
            Auto::Runs => return Ok(Flow::Continue),
        };
        let request = Request {
            text: text.clone(),
            background: true,
            restore,
            ..Request::default()
        };
        statement::execute(session, request)
            .await
            .map_err(|error| error.in_statement(&text))?;
        Ok(Flow::Continue)
    }
}
