//! `!savepoints`.

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use skep_engine::{Savepoint, SavepointKind, Verdict};

use super::args::Args;
use super::gather::{gather, gather_line};
use super::handler::{Command, Flow};
use super::spec::{Arity, Category, Flag, Kind, Positional, Spec};
use super::target;
use crate::error::Error;
use crate::session::Session;
use crate::ui::quantity;
use crate::ui::{Align, Listing};

/// `!savepoints [REF]`.
#[derive(Debug)]
pub struct Savepoints;

static SPEC: Spec = Spec {
    name: "savepoints",
    aliases: &[],
    category: Category::Savepoints,
    summary: "lists savepoints and checkpoints, each with a verdict",
    help: "Of one job and those it came from, or of all that this connection knows, newest first: from the engine, from\n\
           the ledger, and from the directories, those of --dir too. The verdict says whether it can be restored from, and why not.",
    positionals: &[Positional {
        name: "REF",
        kind: Kind::Reference,
        arity: Arity::Optional,
    }],
    flags: &[Flag {
        name: "dir",
        short: None,
        value: Some(("URI", Kind::Location)),
        help: "a directory to be searched too; may stand several times",
    }],
    example: "!savepoints",
    one_shot: true,
};

#[async_trait]
impl Command for Savepoints {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, session: &mut Session, args: Args) -> Result<Flow, Error> {
        let (job_id, connection) = match args.word(0) {
            Some(word) => {
                let target = target::resolve(session, word).await?;
                (Some(target.job_id()?), target.connection)
            }
            None => (None, session.open()?.connection.clone()),
        };
        let dirs = args.values("dir");
        let gathered = async {
            match job_id {
                Some(job_id) => Ok(gather_line(&connection, &session.ledger, job_id, &dirs).await?.1),
                None => gather(&connection, &session.ledger, None, &dirs).await,
            }
        };
        let found = session.unless_interrupted(gathered).await?;
        if session.settings.json {
            for savepoint in &found {
                session.ui.json(savepoint)?;
            }
        } else if found.is_empty() {
            session
                .ui
                .say("no savepoints and no checkpoints · !savepoint REF takes one");
        } else {
            session.ui.list(&listing(&found, Timestamp::now()))?;
        }
        Ok(Flow::Continue)
    }
}

/// Savepoints and checkpoints as a table.
pub fn listing(found: &[Savepoint], now: Timestamp) -> Listing {
    let mut listing = Listing::new([
        ("label", Align::Left),
        ("kind", Align::Left),
        ("id", Align::Right),
        ("job id", Align::Left),
        ("taken", Align::Left),
        ("size", Align::Right),
        ("verdict", Align::Left),
        ("found in", Align::Left),
        ("path", Align::Left),
    ]);
    for savepoint in found {
        let dash = || "–".to_owned();
        let kind = match savepoint.kind {
            SavepointKind::Checkpoint => "checkpoint",
            SavepointKind::Savepoint => "savepoint",
        };
        let verdict = match savepoint.verdict {
            Verdict::Usable => "usable",
            Verdict::Incomplete => "incomplete",
            Verdict::Missing => "missing",
            Verdict::InUse => "in use",
            Verdict::Claimed => "claimed",
            Verdict::Gone => "gone",
        };
        let reasons = if savepoint.reasons.is_empty() {
            String::new()
        } else {
            format!(": {}", savepoint.reasons.join("; "))
        };
        listing.row([
            savepoint.label.clone().unwrap_or_default(),
            kind.to_owned(),
            savepoint.checkpoint_id.map_or_else(dash, |id| id.to_string()),
            savepoint.job_id.map_or_else(dash, |id| id.short()),
            savepoint
                .taken
                .map_or_else(dash, |taken| quantity::moment(taken, now, &TimeZone::system())),
            savepoint.size.map_or_else(dash, quantity::bytes),
            format!("{verdict}{reasons}"),
            savepoint.sources.join(", "),
            savepoint.path.clone(),
        ]);
    }
    listing
}
