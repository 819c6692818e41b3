//! `!ledger`.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use skep_engine::Search;

use super::args::Args;
use super::handler::{Command, Flow};
use super::spec::{Arity, Category, Flag, Kind, Positional, Spec};
use crate::error::Error;
use crate::ledger::{LedgerError, Line, Place, Taken, VERSION};
use crate::session::Session;
use crate::ui::quantity;

/// `!ledger export|import|rebuild`.
#[derive(Debug)]
pub struct Ledger;

/// A line of an export is no longer than that, in bytes.
const LONGEST_LINE: u64 = 64 << 20;

/// So many entries are taken in at a time.
const BATCH: usize = 1_000;

static SPEC: Spec = Spec {
    name: "ledger",
    aliases: &[],
    category: Category::Shell,
    summary: "carries the ledger to another machine, or builds it anew",
    help: "export writes all that is remembered, of every connection, a JSON object a line, to FILE or standard output;\n\
           secrets in it are references. import takes such lines in: nothing that is known is lost, and what is known\n\
           already is not taken twice. rebuild writes down what the engine has kept about its jobs, and the savepoints and\n\
           checkpoints in its directories and in those of --dir.",
    positionals: &[
        Positional {
            name: "VERB",
            kind: Kind::Choice(&["export", "import", "rebuild"]),
            arity: Arity::One,
        },
        Positional {
            name: "FILE",
            kind: Kind::Path,
            arity: Arity::Optional,
        },
    ],
    flags: &[Flag {
        name: "dir",
        short: None,
        value: Some(("URI", Kind::Location)),
        help: "a directory to be searched by rebuild; may stand several times",
    }],
    example: "!ledger export",
    one_shot: true,
};

#[async_trait]
impl Command for Ledger {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, session: &mut Session, args: Args) -> Result<Flow, Error> {
        if !session.ledger.is_kept() {
            return Err(Error::failed("there is no ledger: nothing is remembered"));
        }
        match (args.word(0), args.word(1)) {
            (Some("export"), file) => export(session, file.map(Path::new)).await?,
            (Some("import"), Some(file)) => import(session, Path::new(file)).await?,
            (Some("rebuild"), None) => rebuild(session, &args.values("dir")).await?,
            (verb, _) => {
                let what = if verb == Some("import") {
                    "it needs FILE"
                } else {
                    "it takes no FILE"
                };
                let verb = verb.unwrap_or_default();
                return Err(Error::usage(format!("!ledger {verb}: {what}")).hint(format!("usage: {}", SPEC.usage())));
            }
        }
        Ok(Flow::Continue)
    }
}

fn failed(cause: LedgerError) -> Error {
    Error::failed(cause.to_string())
}

async fn export(session: &Session, file: Option<&Path>) -> Result<(), Error> {
    let not_written =
        |path: &Path, cause: &std::io::Error| Error::failed(format!("{} can't be written: {cause}", path.display()));
    // What was run is the owner's alone, as in the ledger; and nothing that is there is written over.
    let mut writer = match file {
        Some(path) => {
            let mut options = OpenOptions::new();
            let made = options.write(true).create_new(true).mode(0o600).open(path);
            Some((path, BufWriter::new(made.map_err(|cause| not_written(path, &cause))?)))
        }
        None => None,
    };
    let (mut lines, mut count) = (vec![Line::Ledger { version: VERSION }], 0_u64);
    let mut place = Some(Place::default());
    loop {
        for line in &lines {
            match &mut writer {
                Some((path, writer)) => {
                    let written = serde_json::to_writer(&mut *writer, line)
                        .map_err(std::io::Error::other)
                        .and_then(|()| writer.write_all(b"\n"));
                    written.map_err(|cause| not_written(path, &cause))?;
                }
                None => session.ui.json(line)?,
            }
        }
        let Some(next) = place else { break };
        (lines, place) = session.ledger.export(next).await.map_err(failed)?;
        count += lines.len() as u64;
    }
    if let Some((path, mut writer)) = writer {
        let kept = writer.flush().and_then(|()| writer.get_ref().sync_all());
        kept.map_err(|cause| not_written(path, &cause))?;
        let entries = quantity::counted(count, "entry", "entries");
        if session.settings.json {
            session.ui.json(&json!({ "path": path, "entries": count }))?;
        }
        session.ui.say(&format!("{entries} written to {}", path.display()));
    }
    Ok(())
}

async fn import(session: &Session, path: &Path) -> Result<(), Error> {
    // All of it is read before anything is taken in: a line that can't be understood changes nothing.
    let mut lines = Vec::new();
    read(path, |line| lines.push(line))?;
    let mut taken = Taken::default();
    for batch in lines.chunks(BATCH) {
        taken = taken.and(session.ledger.take_in(batch.to_vec()).await.map_err(failed)?);
    }
    report(session, taken)
}

fn report(session: &Session, taken: Taken) -> Result<(), Error> {
    if session.settings.json {
        session.ui.json(&taken)?;
        return Ok(());
    }
    session.ui.say(&format!(
        "taken in: {}, {}, {}, {}",
        quantity::counted(taken.jobs, "job", "jobs"),
        quantity::counted(
            taken.savepoints,
            "savepoint or checkpoint",
            "savepoints and checkpoints"
        ),
        quantity::counted(taken.upgrades, "upgrade", "upgrades"),
        quantity::counted(taken.notes, "note", "notes"),
    ));
    Ok(())
}

/// Reads an export line by line.
fn read(path: &Path, mut take: impl FnMut(Line)) -> Result<(), Error> {
    let name = path.display().to_string();
    let unreadable = |cause| Error::unreadable(&name, &cause);
    let mut reader = BufReader::new(File::open(path).map_err(unreadable)?);
    let mut text = Vec::new();
    for number in 1_u64.. {
        text.clear();
        let read = reader
            .by_ref()
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut text)
            .map_err(unreadable)?;
        let bad = |why: String| Error::failed(format!("{name}, line {number}: {why}; nothing was taken in"));
        if read == 0 && number == 1 {
            return Err(bad("it is no export of a ledger: it is empty".to_owned()));
        }
        if read == 0 {
            break;
        }
        if read as u64 == LONGEST_LINE && !text.ends_with(b"\n") {
            return Err(bad("it is longer than any line of an export".to_owned()));
        }
        let line: Line = serde_json::from_slice(&text).map_err(|cause| bad(cause.to_string()))?;
        match (number, &line) {
            (1, Line::Ledger { version }) if *version <= VERSION => {}
            (1, Line::Ledger { version }) => {
                return Err(bad(format!(
                    "a newer version of skep has written it (form {version}, {VERSION} is known here)"
                )));
            }
            (1, _) => {
                return Err(bad(
                    "it is no export of a ledger: its first line has to say so".to_owned()
                ));
            }
            _ => {}
        }
        take(line);
    }
    Ok(())
}

async fn rebuild(session: &Session, dirs: &[String]) -> Result<(), Error> {
    let connection = Arc::clone(&session.open()?.connection);
    let stores = crate::session::stores(&connection)?;
    let recipes = stores.recipes().await?;
    let search = Search::new();
    let found = stores.search(None, dirs, &search).await?;
    for trouble in search.troubles() {
        session.ui.warn(&trouble);
    }
    let (jobs, states) = (recipes.len() as u64, found.len() as u64);
    session.ledger.import(&connection.url, &connection.label, recipes);
    for state in found {
        session.ledger.saved(&connection.url, state);
    }
    session.ledger.flush().await;
    if let Some(problem) = session.ledger.take_problem() {
        return Err(failed(problem));
    }
    if session.settings.json {
        session.ui.json(&json!({ "jobs": jobs, "savepoints": states }))?;
        return Ok(());
    }
    session.ui.say(&format!(
        "written down: {}, {}",
        quantity::counted(jobs, "job", "jobs"),
        quantity::counted(states, "savepoint or checkpoint", "savepoints and checkpoints")
    ));
    Ok(())
}
