//! `!drop-savepoint`.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Zoned;
use skep_engine::ErrorKind;

use super::args::Args;
use super::handler::{Command, Flow};
use super::note::named;
use super::spec::{Arity, Category, Kind, Positional, Spec};
use crate::error::Error;
use crate::savepoint::Which;
use crate::session::{self, Session};

/// `!drop-savepoint PATH`.
#[derive(Debug)]
pub struct DropSavepoint;

static SPEC: Spec = Spec {
    name: "drop-savepoint",
    aliases: &[],
    category: Category::Savepoints,
    summary: "deletes a savepoint",
    help: "By its path or its label. Only a savepoint: checkpoints are the engine's own. It can't be taken back, so it asks.",
    positionals: &[Positional {
        name: "PATH",
        kind: Kind::Location,
        arity: Arity::One,
    }],
    flags: &[],
    example: "!drop-savepoint savepoints/savepoint-5f2c9a-8d1e0b",
    one_shot: true,
};

#[async_trait]
impl Command for DropSavepoint {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, session: &mut Session, args: Args) -> Result<Flow, Error> {
        let word = args.word(0).unwrap_or_default();
        let labelled = match Which::parse(word, &Zoned::now()) {
            Ok(Which::Label(label)) => named(session, &label).await?,
            _ => None,
        };
        let path = labelled.as_ref().map_or(word, |state| &state.path);
        let connection = Arc::clone(&session.open()?.connection);
        let stores = session::stores(&connection)?;
        let savepoint = stores.inspect(path).await?;
        if !args.has("yes") && !session.settings.yes {
            session::agreed(session.ui.confirm(&format!("delete {}?", savepoint.path)))?;
        }
        if let Err(error) = stores.delete(&savepoint.path).await {
            if error.kind == ErrorKind::NotFound {
                let gone = savepoint.gone("it was not there any more when it was to be dropped");
                session.ledger.saved(&connection.url, gone);
            }
            return Err(error.into());
        }
        session.ui.say(&format!("deleted {}", savepoint.path));
        let savepoint = savepoint.gone("it was dropped");
        if session.settings.json {
            session.ui.json(&savepoint)?;
        }
        session.ledger.saved(&connection.url, savepoint);
        Ok(Flow::Continue)
    }
}
