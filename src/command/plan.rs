//! `!plan`.

use async_trait::async_trait;

use super::args::Args;
use super::handler::{Command, Flow};
use super::spec::{Arity, Category, Kind, Positional, Spec};
use super::state_of;
use crate::error::Error;
use crate::session::Session;
use crate::statement::{self, Request};

/// `!plan SQL`.
#[derive(Debug)]
pub struct Plan;

static SPEC: Spec = Spec {
    name: "plan",
    aliases: &[],
    category: Category::Statements,
    summary: "shows how the engine would run a statement",
    help: "The same as EXPLAIN: nothing is run.",
    positionals: &[Positional {
        name: "SQL",
        kind: Kind::Sql,
        arity: Arity::One,
    }],
    flags: &[],
    example: "!plan SELECT 1;",
    one_shot: true,
};

#[async_trait]
impl Command for Plan {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, session: &mut Session, args: Args) -> Result<Flow, Error> {
        let sql = args.sql().unwrap_or_default();
        if let Some(job) = sql.split_whitespace().next().filter(|word| word.starts_with('%')) {
            return Err(Error::usage("!plan takes a statement, not a job").hint(format!("!job {job} shows its tasks")));
        }
        let sql = state_of::resolved(session, sql).await?;
        let text = format!("EXPLAIN {sql}");
        let request = Request {
            text: text.clone(),
            ..Request::default()
        };
        statement::execute(session, request)
            .await
            .map_err(|error| error.in_statement(&text))?;
        Ok(Flow::Continue)
    }
}
