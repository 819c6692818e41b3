//! `!note`.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use skep_engine::{Savepoint, Stores};

use super::args::Args;
use super::handler::{Command, Flow};
use super::savepoint::LABEL;
use super::spec::{Arity, Category, Kind, Positional, Spec};
use super::target;
use crate::error::Error;
use crate::ledger::{self, Subject};
use crate::savepoint::{Which, parse_label};
use crate::session::Session;
use crate::ui::{Align, Listing, quantity};

/// `!note REF|PATH [TEXT…]`.
#[derive(Debug)]
pub struct Note;

/// A note is no longer than that, in characters.
const LONGEST: usize = 10_000;

static SPEC: Spec = Spec {
    name: "note",
    aliases: &[],
    category: Category::Savepoints,
    summary: "writes down something about a job or a saved state, or gives the state a label",
    help: "A path, or a label that is there already, means that savepoint or checkpoint; anything else a job. Without TEXT\n\
           and --label it shows what was written. Notes are kept in the ledger, with their time. A label is one word or\n\
           text by which every command finds the state; within a job and those that it came from it names one state, the\n\
           last to be given it.",
    positionals: &[
        Positional {
            name: "REF|PATH",
            kind: Kind::Reference,
            arity: Arity::One,
        },
        Positional {
            name: "TEXT",
            kind: Kind::Word,
            arity: Arity::Any,
        },
    ],
    flags: &[LABEL],
    example: "!note delays 'before the new carriers came'",
    one_shot: true,
};

#[async_trait]
impl Command for Note {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, session: &mut Session, args: Args) -> Result<Flow, Error> {
        let label = args.value("label").map(parse_label).transpose()?.map(str::to_owned);
        let text = args.words()[1..].join(" ");
        let word = args.word(0).unwrap_or_default();
        if !session.ledger.is_kept() {
            return Err(Error::failed("there is no ledger in which it could be kept"));
        }
        if text.chars().nth(LONGEST).is_some() {
            return Err(Error::usage(format!("a note has at most {LONGEST} characters")));
        }
        let state = state(session, word).await?;
        let subject = match &state {
            Some(state) => Subject::Path(state.path.clone()),
            None if label.is_some() => {
                return Err(
                    Error::failed(format!("{word} is a job, and a label names a saved state"))
                        .hint("give its path · !savepoint REF --label NAME takes one"),
                );
            }
            None => Subject::JobId(target::resolve(session, word).await?.job_id()?),
        };
        if let (Some(label), Some(state)) = (&label, &state) {
            let former = session.ledger.label(&state.path, label).await.map_err(not_kept)?;
            let moved = former.map(|path| format!(", which {path} had until now"));
            session.ui.say(&format!(
                "{} has the label {label}{}",
                state.path,
                moved.unwrap_or_default()
            ));
        }
        if !text.trim().is_empty() {
            let note = ledger::Note {
                subject: subject.clone(),
                at: Timestamp::now(),
                text,
            };
            session.ledger.note(note).await.map_err(not_kept)?;
        }
        show(session, subject).await?;
        Ok(Flow::Continue)
    }
}

fn not_kept(cause: ledger::LedgerError) -> Error {
    Error::failed(cause.to_string())
}

/// The saved state that a path or a label means; one that the ledger does not hold yet is written into it.
async fn state(session: &Session, word: &str) -> Result<Option<Savepoint>, Error> {
    let connection = Arc::clone(&session.open()?.connection);
    match Which::parse(word, &Zoned::now())? {
        Which::Path(path) => {
            let stores: Option<&Arc<dyn Stores>> = connection.stores.as_ref();
            let found = match stores {
                Some(stores) => stores.inspect(&path).await?,
                None => return Err(Error::unsupported(&connection.label, "savepoints")),
            };
            session.ledger.saved(&connection.url, found.clone());
            Ok(Some(found))
        }
        Which::Label(label) => named(session, &label).await,
        _ => Ok(None),
    }
}

/// The saved state of that label on the current connection, or where there is none on any, if there is one.
///
/// # Errors
/// There are several.
pub async fn named(session: &Session, label: &str) -> Result<Option<Savepoint>, Error> {
    let url = session.open.as_ref().map(|open| open.connection.url.as_str());
    let mut found = session.ledger.labelled(label, url).await.unwrap_or_default();
    match found.len() {
        0 | 1 => Ok(found.pop()),
        _ => {
            let paths: Vec<_> = found.into_iter().map(|state| state.path).collect();
            Err(
                Error::failed(format!("several states have the label {label}: {}", paths.join(", ")))
                    .hint("give the path"),
            )
        }
    }
}

async fn show(session: &Session, subject: Subject) -> Result<(), Error> {
    let notes = session.ledger.notes(vec![subject]).await.map_err(not_kept)?;
    if session.settings.json {
        for note in &notes {
            let mut object = serde_json::json!({ "job_id": null, "path": null, "at": note.at, "text": note.text });
            match &note.subject {
                Subject::JobId(job) => object["job_id"] = serde_json::json!(job),
                Subject::Path(path) => object["path"] = serde_json::json!(path),
            }
            session.ui.json(&object)?;
        }
        return Ok(());
    }
    if notes.is_empty() {
        session.ui.say("nothing was written about it");
        return Ok(());
    }
    let now = Timestamp::now();
    let mut listing = Listing::new([("written", Align::Left), ("note", Align::Left)]);
    for note in notes {
        listing.row([quantity::moment(note.at, now, &TimeZone::system()), note.text]);
    }
    session.ui.list(&listing)?;
    Ok(())
}
