//! `!savepoints`.

use std::time::Duration;

use async_trait::async_trait;
use futures::TryFutureExt;
use futures::future::try_join_all;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use skep_engine::{Connection, JobId, Savepoint, SavepointKind, Search, Verdict};

use super::args::Args;
use super::gather::{self, search_line};
use super::handler::{Command, Flow};
use super::spec::{Arity, Category, Flag, Kind, Positional, Spec};
use super::{prune, target};
use crate::error::Error;
use crate::interrupt::Signal;
use crate::savepoint::{LEDGER, merge};
use crate::session::Session;
use crate::ui::quantity;
use crate::ui::{Align, Listing};

/// How often is said how far a search has come.
const TICK: Duration = Duration::from_millis(200);

/// So many states are enough for somebody who looks at a list of all jobs'.
const LISTED: usize = 100;

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
           Every file that a state needs is looked at, as far as this machine can read them. The verdict says whether it can\n\
           be restored from, and why not. Without REF and --dir the newest 100 are listed, unless --all is given. Ctrl-C ends\n\
           a search and shows what it has found.\n\
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
            name: "all",
            short: Some('a'),
            value: None,
            help: "list all: not only the newest 100, and also checkpoints that the engine has deleted",
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
        let is_whole = job_id.is_some() || !dirs.is_empty() || args.has("all");
        let search = if is_whole {
            Search::new()
        } else {
            Search::of_newest(LISTED)
        };
        let work = find(session, &connection, job_id, &dirs, &search);
        let outcome = attend(session, &search, work).await;
        session.ui.clear_progress();
        let (found, broken_off) = outcome?;
        let troubles = search.troubles();
        if session.settings.json {
            for savepoint in &found {
                session.ui.json(savepoint)?;
            }
        } else if !found.is_empty() {
            let (routine, listed): (Vec<_>, Vec<_>) = found
                .into_iter()
                .partition(|state| !args.has("all") && is_routinely_gone(state));
            if !listed.is_empty() {
                session.ui.list(&listing(&listed, Timestamp::now()))?;
            }
            if !routine.is_empty() {
                let deleted = quantity::counted(routine.len() as u64, "checkpoint", "checkpoints");
                session.ui.say(&format!(
                    "not listed: {deleted} that the engine took and has deleted · --all lists them"
                ));
            }
        } else if broken_off.is_none() && troubles.is_empty() {
            // Of what could not be searched nothing is known.
            session
                .ui
                .say("no savepoints and no checkpoints · !savepoint REF takes one");
        }
        if search.has_left_out() {
            session.ui.say(&format!(
                "these are the newest {LISTED} · --all looks at the others too"
            ));
        }
        for trouble in &troubles {
            session.ui.warn(trouble);
        }
        if let Some(signal) = broken_off {
            session.ui.warn("the search was ended: this list is not complete");
            return Err(signal.error());
        }
        if !dirs.is_empty() && !troubles.is_empty() {
            return Err(Error::failed("not all that was named could be searched"));
        }
        Ok(Flow::Continue)
    }
}

/// Whether it is one of the many checkpoints that an engine takes and deletes, and that nobody has asked for.
pub fn is_routinely_gone(state: &Savepoint) -> bool {
    state.kind == SavepointKind::Checkpoint
        && state.verdict == Verdict::Gone
        && !state.sources.iter().any(|source| source == LEDGER)
}

/// What this connection knows of, and what lies in directories that a person names, whichever engine's it is.
async fn find(
    session: &Session,
    connection: &Connection,
    job: Option<JobId>,
    dirs: &[String],
    search: &Search,
) -> Result<Vec<Savepoint>, Error> {
    let known = async {
        match job {
            Some(job) => Ok(search_line(connection, &session.ledger, job, dirs, search).await?.1),
            None => gather::search(connection, &session.ledger, None, dirs, search).await,
        }
    };
    let others = session.engines.offline(connection.stores.as_deref());
    let pointed_to = others.iter().filter(|_| !dirs.is_empty());
    let elsewhere = try_join_all(pointed_to.map(|stores| stores.search(job.as_ref(), dirs, search)));
    let (known, elsewhere) = futures::try_join!(known, elsewhere.map_err(Error::from))?;
    Ok(merge([known].into_iter().chain(elsewhere)))
}

/// Waits for a search and says how far it has come. The first Ctrl-C ends it with what has been found so far, a second one
/// gives it up.
async fn attend<T>(
    session: &Session,
    search: &Search,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<(T, Option<Signal>), Error> {
    let mut interrupts = session.interrupts.clone();
    let mut ticks = tokio::time::interval(TICK);
    let mut broken_off: Option<Signal> = None;
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            done = &mut work => return Ok((done?, broken_off)),
            signal = interrupts.stop() => {
                if let Some(first) = broken_off {
                    return Err(first.error());
                }
                broken_off = Some(signal);
                search.end();
                session.ui.progress("gathering what has been found · Ctrl-C gives it up");
            }
            _ = ticks.tick() => {
                if broken_off.is_none() && search.seen() > 0 {
                    let seen = quantity::counted(search.seen(), "state", "states");
                    session.ui.progress(&format!("{seen} looked at · Ctrl-C shows what has been found"));
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

/// Savepoints and checkpoints as a table. Why one can't be used stands below it.
pub fn listing(found: &[Savepoint], now: Timestamp) -> Listing {
    let has_labels = found.iter().any(|savepoint| savepoint.label.is_some());
    let zone = TimeZone::system();
    let columns = has_labels.then_some(("label", Align::Left)).into_iter().chain([
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
    let mut listing = Listing::new(columns)
        .below("path")
        .yielding(&["found in", "format", "job id"]);
    for savepoint in found {
        let dash = || "–".to_owned();
        let kind = match savepoint.kind {
            SavepointKind::Checkpoint => "checkpoint",
            SavepointKind::Savepoint => "savepoint",
        };
        let label = has_labels.then(|| savepoint.label.clone().unwrap_or_default());
        listing.row(
            label.into_iter().chain([
                kind.to_owned(),
                savepoint.checkpoint_id.map_or_else(dash, |id| id.to_string()),
                savepoint.job_id.map_or_else(dash, |id| id.short()),
                savepoint
                    .taken
                    .map_or_else(dash, |taken| quantity::moment(taken, now, &zone)),
                savepoint.size.map_or_else(dash, quantity::bytes),
                savepoint
                    .format_version
                    .map_or_else(dash, |version| version.to_string()),
                verdict_in_words(savepoint.verdict).to_owned(),
                savepoint.sources.join(", "),
                savepoint.path.clone(),
            ]),
        );
        for reason in &savepoint.reasons {
            listing.note(reason);
        }
    }
    listing
}
