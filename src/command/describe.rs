//! `!describe`.

use async_trait::async_trait;
use serde_json::json;

use super::args::Args;
use super::handler::{Command, Flow};
use super::spec::{Arity, Category, Kind, Positional, Spec};
use crate::error::Error;
use crate::session::Session;
use crate::ui::{Align, Listing};

/// `!describe TABLE`.
#[derive(Debug)]
pub struct Describe;

static SPEC: Spec = Spec {
    name: "describe",
    aliases: &["columns"],
    category: Category::Connections,
    summary: "lists the columns of a table or view",
    help: "Names and types, in the engine's own words. TABLE may have its database in front of it.",
    positionals: &[Positional {
        name: "TABLE",
        kind: Kind::Word,
        arity: Arity::One,
    }],
    flags: &[],
    example: "!describe n",
    one_shot: true,
};

#[async_trait]
impl Command for Describe {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, session: &mut Session, args: Args) -> Result<Flow, Error> {
        let sql = session.open()?.sql()?;
        let table = args.word(0).unwrap_or_default();
        let columns = session
            .unless_interrupted(async { Ok(sql.columns(table).await?) })
            .await?;
        if session.settings.json {
            for column in columns {
                session
                    .ui
                    .json(&json!({ "name": column.name, "type": column.data_type }))?;
            }
        } else {
            let mut listing = Listing::new([("name", Align::Left), ("type", Align::Left)]);
            for column in columns {
                listing.row([column.name, column.data_type]);
            }
            session.ui.list(&listing)?;
        }
        Ok(Flow::Continue)
    }
}
