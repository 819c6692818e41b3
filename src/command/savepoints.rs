//! `!savepoints`.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::TryFutureExt;
use futures::future::try_join_all;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use skep_engine::{Savepoint, SavepointKind, Stores, Verdict};

use super::args::Args;
use super::gather::{gather, gather_line};
use super::handler::{Command, Flow};
use super::spec::{Arity, Category, Flag, Kind, Positional, Spec};
use super::{prune, target};
use crate::error::Error;
use crate::savepoint::merge;
use crate::session::Session;
use crate::ui::quantity;
use crate::ui::{Align, Listing, Ui};

/// How often is said how far a search has come.
const TICK: Duration = Duration::from_millis(200);

/// The word that makes of the list what is done with it.
const PRUNE: &str = "prune";

/// `!savepoints [REF]` and `!savepoints prune [REF]`.
#[derive(Debug)]
pub struct Savepoints;

static SPEC: Spec = Spec {
    name: "savepoints",
    aliases: &[],
    category: Category::Savepoints,
    summary: "lists savepoints and checkpoints, each with a verdict",
    help: "Of one job and those it came from, or of all that this connection knows, newest first: from the engine, from\n\
           the ledger, and from the directories, those that are configured and, with what is below them, those of --dir.\n\
           Every file that a state needs is looked at, as far as this machine has them. The verdict says whether it can be\n\
           restored from, and why not. Ctrl-C ends a search.\n\
           !savepoints prune says which savepoints --keep and --older-than let go, and with --yes deletes them: never a\n\
           checkpoint, the newest usable one of a job, one with a label, or one that a running job needs.",
    positionals: &[
        Positional {
            name: "REF|prune",
            kind: Kind::Reference,
            arity: Arity::Optional,
        },
        Positional {
            name: "REF",
            kind: Kind::Reference,
            arity: Arity::Optional,
        },
    ],
    flags: &[
        Flag {
            name: "dir",
            short: None,
            value: Some(("URI", Kind::Location)),
            help: "a directory to be searched too; may stand several times",
        },
        Flag {
            name: "keep",
            short: None,
            value: Some(("N", Kind::Word)),
            help: "prune: keep so many usable savepoints of each job",
        },
        Flag {
            name: "older-than",
            short: None,
            value: Some(("AGE", Kind::Duration)),
            help: "prune: keep what is younger, such as 7d",
        },
        Flag {
            name: "forget",
            short: None,
            value: None,
            help: "prune: drop them from the ledger only, and delete no file",
        },
    ],
    example: "!savepoints",
    one_shot: true,
};

#[async_trait]
impl Command for Savepoints {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, session: &mut Session, args: Args) -> Result<Flow, Error> {
        let (prunes, word) = match args.words() {
            [first, rest @ ..] if first == PRUNE => (true, rest.first()),
            [first] => (false, Some(first)),
            [] => (false, None),
            [_, extra, ..] => return Err(Error::usage(format!("!savepoints: {extra:?} is one too many"))),
        };
        if let Some(flag) = ["keep", "older-than", "forget"]
            .into_iter()
            .find(|flag| !prunes && args.has(flag))
        {
            return Err(Error::usage(format!("--{flag} belongs to !savepoints prune")));
        }
        let (job_id, connection) = match word {
            Some(word) => {
                let target = target::resolve(session, word).await?;
                (Some(target.job_id()?), target.connection)
            }
            None => (None, session.open()?.connection.clone()),
        };
        if prunes {
            prune::run(session, &connection, job_id, &args).await?;
            return Ok(Flow::Continue);
        }
        let dirs = args.values("dir");
        let others = session.engines.offline(connection.stores.as_deref());
        let searched: Vec<Arc<dyn Stores>> = connection.stores.iter().chain(&others).cloned().collect();
        let search = async {
            let known = async {
                match job_id {
                    Some(job_id) => Ok(gather_line(&connection, &session.ledger, job_id, &dirs).await?.1),
                    None => gather(&connection, &session.ledger, None, &dirs).await,
                }
            };
            // What a person points to may be another engine's than the one that is connected.
            let pointed_to = others.iter().filter(|_| !dirs.is_empty());
            let elsewhere = try_join_all(pointed_to.map(|stores| stores.find(job_id.as_ref(), &dirs)));
            let (known, elsewhere) = futures::try_join!(known, elsewhere.map_err(Error::from))?;
            Ok(merge([known].into_iter().chain(elsewhere)))
        };
        let found = session
            .unless_interrupted(with_progress(&session.ui, &searched, search))
            .await;
        session.ui.clear_progress();
        let found = found?;
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

/// Says how far a search has come while it is waited for.
async fn with_progress<T>(ui: &Ui, searched: &[Arc<dyn Stores>], search: impl Future<Output = T>) -> T {
    let mut ticks = tokio::time::interval(TICK);
    tokio::pin!(search);
    loop {
        tokio::select! {
            found = &mut search => return found,
            _ = ticks.tick() => {
                let seen: u64 = searched.iter().map(|stores| stores.searched()).sum();
                if seen > 0 {
                    ui.progress(&format!("{} looked at", quantity::counted(seen, "state", "states")));
                }
            }
        }
    }
}

/// A verdict in a word or two.
pub const fn verdict_in_words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Usable => "usable",
        Verdict::Incomplete => "incomplete",
        Verdict::Missing => "missing",
        Verdict::InUse => "in use",
        Verdict::Claimed => "claimed",
        Verdict::Gone => "gone",
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
        ("format", Align::Right),
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
        let verdict = verdict_in_words(savepoint.verdict);
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
            savepoint
                .format_version
                .map_or_else(dash, |version| version.to_string()),
            format!("{verdict}{reasons}"),
            savepoint.sources.join(", "),
            savepoint.path.clone(),
        ]);
    }
    listing
}
