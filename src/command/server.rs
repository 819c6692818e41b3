//! `!server`.

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;
use skep_engine::Server as Lists;

use super::args::Args;
use super::handler::{Command, Flow};
use super::jobs::age_ms;
use super::spec::{Arity, Category, Kind, Positional, Spec};
use crate::error::Error;
use crate::session::Session;
use crate::syntax::secrets::mask;
use crate::ui::{Align, Listing};
use crate::ui::{quantity, text};

/// `!server sessions|operations|engines`.
#[derive(Debug)]
pub struct Server;

/// What can be listed.
const LISTS: [&str; 3] = ["sessions", "operations", "engines"];

static SPEC: Spec = Spec {
    name: "server",
    aliases: &[],
    category: Category::Connections,
    summary: "lists the sessions, operations or engines that the server has",
    help: "Those of everybody, as far as the server shows them; `*` marks what is this session's own. Secrets in statements are\n\
           left out. Engines are those of the connection's user, of the sort that it asked for.",
    positionals: &[Positional {
        name: "sessions|operations|engines",
        kind: Kind::Choice(&LISTS),
        arity: Arity::One,
    }],
    flags: &[],
    example: "!server sessions",
    one_shot: true,
};

#[async_trait]
impl Command for Server {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, session: &mut Session, args: Args) -> Result<Flow, Error> {
        let connection = &session.open()?.connection;
        let lists = connection.server.clone().ok_or_else(|| {
            let message = format!("{} does not tell what else it does", connection.label);
            Error::failed(message)
                .hint("!connect lists the engines and their URLs; docs/connections.md says which of them do")
        })?;
        match args.word(0) {
            Some("sessions") => sessions(session, lists.as_ref()).await?,
            Some("operations") => operations(session, lists.as_ref()).await?,
            _ => engines(session, lists.as_ref()).await?,
        }
        Ok(Flow::Continue)
    }
}

async fn sessions(session: &Session, lists: &dyn Lists) -> Result<(), Error> {
    let found = session
        .unless_interrupted(async { Ok(lists.sessions().await?) })
        .await?;
    let mut listing = Listing::new([
        ("", Align::Left),
        ("session", Align::Left),
        ("user", Align::Left),
        ("from", Align::Left),
        ("opened", Align::Left),
        ("idle", Align::Right),
        ("engine", Align::Left),
        ("name", Align::Left),
    ]);
    for entry in found {
        if session.settings.json {
            session.ui.json(&json!({
                "id": entry.id, "name": entry.name, "user": entry.user, "address": entry.address, "engine": entry.engine,
                "opened": entry.opened, "idle_ms": entry.idle_ms, "own": entry.is_own,
            }))?;
            continue;
        }
        listing.row([
            mark(entry.is_own),
            entry.id,
            entry.user,
            entry.address,
            moment(entry.opened),
            age_ms(entry.idle_ms),
            entry.engine,
            entry.name,
        ]);
    }
    show(session, &listing, "no sessions")
}

/// A statement is cut here: the JSON form has it in full.
const STATEMENT_WIDTH: usize = 60;

async fn operations(session: &Session, lists: &dyn Lists) -> Result<(), Error> {
    let (found, is_all) = session
        .unless_interrupted(async { Ok(lists.operations().await?) })
        .await?;
    let dialect = session.dialect();
    let mut listing = Listing::new([
        ("", Align::Left),
        ("operation", Align::Left),
        ("session", Align::Left),
        ("user", Align::Left),
        ("state", Align::Left),
        ("begun", Align::Left),
        ("ended", Align::Left),
        ("statement", Align::Left),
    ]);
    for entry in found {
        let statement = mask(&entry.statement, &dialect);
        if session.settings.json {
            session.ui.json(&json!({
                "id": entry.id, "session": entry.session, "user": entry.user, "state": entry.state, "begun": entry.begun,
                "ended": entry.ended, "statement": statement, "error": entry.error, "own": entry.is_own,
            }))?;
            continue;
        }
        let statement = statement.split_whitespace().collect::<Vec<_>>().join(" ");
        listing.row([
            mark(entry.is_own),
            entry.id,
            entry.session.chars().take(8).collect(),
            entry.user,
            entry.state,
            moment(entry.begun),
            moment(entry.ended),
            text::cut(&text::sanitize(&statement), STATEMENT_WIDTH, "…").into_owned(),
        ]);
        if !entry.error.is_empty() {
            listing.note(&entry.error);
        }
    }
    show(session, &listing, "no operations")?;
    if !is_all {
        session.ui.say("of other sessions the server tells administrators only");
    }
    Ok(())
}

async fn engines(session: &Session, lists: &dyn Lists) -> Result<(), Error> {
    let found = session.unless_interrupted(async { Ok(lists.engines().await?) }).await?;
    let mut listing = Listing::new([
        ("engine", Align::Left),
        ("user", Align::Left),
        ("shared by", Align::Left),
        ("name", Align::Left),
        ("address", Align::Left),
        ("version", Align::Left),
        ("started for", Align::Left),
    ]);
    for entry in found {
        if session.settings.json {
            session.ui.json(&json!({
                "engine": entry.kind, "user": entry.user, "share_level": entry.share_level, "subdomain": entry.subdomain,
                "address": entry.address, "version": entry.version, "session": entry.session,
            }))?;
            continue;
        }
        listing.row([
            entry.kind,
            entry.user,
            entry.share_level,
            entry.subdomain,
            entry.address,
            entry.version,
            entry.session,
        ]);
    }
    show(session, &listing, "no engines")
}

fn show(session: &Session, listing: &Listing, none: &str) -> Result<(), Error> {
    if session.settings.json {
        return Ok(());
    }
    if listing.is_empty() {
        session.ui.say(none);
        return Ok(());
    }
    Ok(session.ui.list(listing)?)
}

fn mark(is_own: bool) -> String {
    if is_own { "*" } else { "" }.to_owned()
}

fn moment(at: Option<Timestamp>) -> String {
    at.map_or_else(
        || quantity::NOTHING.to_owned(),
        |at| quantity::moment(at, Timestamp::now(), &TimeZone::system()),
    )
}
