//! `!connect`.

use async_trait::async_trait;
use serde_json::json;

use super::args::Args;
use super::handler::{Command, Flow};
use super::spec::{Arity, Category, Kind, Positional, Spec};
use crate::error::Error;
use crate::session::Session;

/// `!connect URL|NAME`.
#[derive(Debug)]
pub struct Connect;

static SPEC: Spec = Spec {
    name: "connect",
    aliases: &["open"],
    category: Category::Connections,
    summary: "connects to an engine, or says to which one",
    help: "Opens a connection and makes it the current one. Jobs of the connection before go on and stay in !jobs.\n\
           NAME is a connection of the configuration file (see docs/connections.md). Without either it says what is\n\
           connected, and which URLs and names there are.",
    positionals: &[Positional {
        name: "URL|NAME",
        kind: Kind::Url,
        arity: Arity::Optional,
    }],
    flags: &[],
    example: "!connect",
    one_shot: false,
};

#[async_trait]
impl Command for Connect {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, session: &mut Session, args: Args) -> Result<Flow, Error> {
        match args.word(0) {
            Some(url) => {
                let target = match url.contains(':') {
                    true => session.at(url),
                    false => session.named(url)?,
                };
                session.connect(target).await?;
                if let Ok(open) = session.open() {
                    session.ui.say(&open.connection.greeting);
                }
                if session.settings.json {
                    show(session)?;
                }
            }
            None if session.settings.json => show(session)?,
            None => {
                match &session.open {
                    Some(open) => session
                        .ui
                        .print(&format!("{} · {}", open.connection.url, open.connection.greeting))?,
                    None => session.ui.print("not connected")?,
                }
                for summary in session.engines.summaries() {
                    session.ui.print(&format!("    {summary}"))?;
                }
                for (name, named) in &session.config.connections {
                    session.ui.print(&format!("    {name} · {}", named.url))?;
                }
            }
        }
        Ok(Flow::Continue)
    }
}

/// The current connection as JSON; nothing if there is none.
fn show(session: &Session) -> Result<(), Error> {
    let Some(open) = &session.open else { return Ok(()) };
    let connection = &open.connection;
    let object = json!({ "url": connection.url, "engine": connection.label, "greeting": connection.greeting });
    Ok(session.ui.json(&object)?)
}
