//! `!inspect`.

use async_trait::async_trait;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use skep_engine::{
    EngineError, ErrorKind, FileVerdict, Format, Inspection, OperatorState, Savepoint, SavepointKind, StateFile,
    Verdict,
};

use super::args::Args;
use super::handler::{Command, Flow};
use super::note::named;
use super::savepoints::verdict_in_words;
use super::spec::{Arity, Category, Kind, Positional, Spec};
use crate::error::Error;
use crate::savepoint::{Which, describe};
use crate::session::Session;
use crate::ui::quantity;
use crate::ui::{Align, Listing};

/// `!inspect PATH`.
#[derive(Debug)]
pub struct Inspect;

static SPEC: Spec = Spec {
    name: "inspect",
    aliases: &[],
    category: Category::Savepoints,
    summary: "looks into a savepoint or checkpoint",
    help: "By its path or its label. Shows what it is, the operators whose state it has, and every file that it needs with\n\
           whether that is there as it must be. A state that this machine has needs no connection: skep inspect PATH works\n\
           when the cluster is gone. Ends in 1 if the state can't be used.",
    positionals: &[Positional {
        name: "PATH",
        kind: Kind::Location,
        arity: Arity::One,
    }],
    flags: &[],
    example: "!inspect savepoints/savepoint-5f2c9a-8d1e0b",
    one_shot: true,
};

#[async_trait]
impl Command for Inspect {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn needs_connection(&self) -> bool {
        false
    }

    async fn run(&self, session: &mut Session, args: Args) -> Result<Flow, Error> {
        let word = args.word(0).unwrap_or_default();
        let labelled = match Which::parse(word, &Zoned::now()) {
            Ok(Which::Label(label)) => named(session, &label).await?,
            _ => None,
        };
        let work = examine(session, labelled.as_ref().map_or(word, |state| &state.path));
        let mut inspection = session.unless_interrupted(work).await?;
        recall(session, &mut inspection.savepoint).await;
        if session.settings.json {
            session.ui.json(&inspection)?;
        } else {
            print(session, &inspection)?;
        }
        let savepoint = inspection.savepoint;
        match savepoint.verdict {
            Verdict::Usable | Verdict::InUse => Ok(Flow::Continue),
            verdict => Err(Error::failed(format!(
                "{} can't be used: {}",
                savepoint.path,
                describe(verdict)
            ))),
        }
    }
}

/// Asks the connection, which may know more of the state than the state itself, and where it knows nothing of it or there
/// is none, the other engines.
async fn examine(session: &Session, path: &str) -> Result<Inspection, Error> {
    let connected = session.open.as_ref().and_then(|open| open.connection.stores.clone());
    let others = session.engines.offline(connected.as_deref());
    let mut unknown = EngineError::not_found(format!("there is no savepoint or checkpoint at {path}"));
    for (place, stores) in connected.iter().chain(&others).enumerate() {
        match stores.examine(path).await {
            // Something lies there that another engine may know: if none does, that is what is said.
            Err(error) if error.kind == ErrorKind::Protocol => unknown = error,
            // A state that is not on this machine at all is refused by an engine that can only read what is.
            Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Refused) => {
                if place == 0 && unknown.kind == ErrorKind::NotFound {
                    unknown = error;
                }
            }
            examined => return Ok(examined?),
        }
    }
    Err(unknown.into())
}

/// Adds what only the ledger knows: whose it is and what it is called are not in a state's files.
async fn recall(session: &Session, savepoint: &mut Savepoint) {
    // A ledger that can't be read knows nothing; the shell has said so already.
    if let Ok(Some(known)) = session.ledger.savepoint(&savepoint.path).await {
        savepoint.job_id = savepoint.job_id.or(known.job_id);
        savepoint.label = savepoint.label.take().or(known.label);
        for source in known.sources {
            if !savepoint.sources.contains(&source) {
                savepoint.sources.push(source);
            }
        }
    }
}

fn print(session: &Session, inspection: &Inspection) -> Result<(), Error> {
    session.ui.list(&facts(inspection))?;
    if !inspection.operators.is_empty() {
        session.ui.print("")?;
        session.ui.list(&operators(&inspection.operators))?;
    }
    if !inspection.files.is_empty() {
        session.ui.print("")?;
        session.ui.list(&files(&inspection.files))?;
    }
    Ok(())
}

fn facts(inspection: &Inspection) -> Listing {
    let savepoint = &inspection.savepoint;
    let mut facts = Listing::new([("", Align::Left), ("", Align::Left)]);
    let mut fact = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            facts.row([name.to_owned(), value]);
        }
    };
    let format = inspection.format.map(|format| match format {
        Format::Canonical => "canonical ",
        Format::Native => "native ",
    });
    let kind = match savepoint.kind {
        SavepointKind::Checkpoint => "checkpoint",
        SavepointKind::Savepoint => "savepoint",
    };
    let drained = if inspection.drained {
        ", into which the job was drained"
    } else {
        ""
    };
    fact("path", Some(savepoint.path.clone()));
    fact("kind", Some(format!("{}{kind}{drained}", format.unwrap_or_default())));
    fact("label", savepoint.label.clone());
    fact("job id", savepoint.job_id.map(|id| id.to_string()));
    fact("checkpoint id", savepoint.checkpoint_id.map(|id| id.to_string()));
    let moment = |taken| quantity::moment(taken, Timestamp::now(), &TimeZone::system());
    fact("taken", savepoint.taken.map(moment));
    fact("size", savepoint.size.map(quantity::bytes));
    fact(
        "format version",
        savepoint.format_version.map(|version| version.to_string()),
    );
    fact("verdict", Some(verdict_in_words(savepoint.verdict).to_owned()));
    for reason in &savepoint.reasons {
        fact("", Some(reason.clone()));
    }
    fact("known from", Some(savepoint.sources.join(", ")));
    let files = &inspection.files;
    if !files.is_empty() {
        let size: u64 = files.iter().map(|file| file.size).fold(0, u64::saturating_add);
        let count = quantity::counted(files.len() as u64, "file", "files");
        fact("files", Some(format!("{count}, {}", quantity::bytes(size))));
    }
    facts
}

fn operators(operators: &[OperatorState]) -> Listing {
    let mut listing = Listing::new([
        ("operator", Align::Left),
        ("name", Align::Left),
        ("uid", Align::Left),
        ("parallelism", Align::Right),
        ("at most", Align::Right),
        ("state", Align::Right),
        ("files", Align::Right),
    ]);
    let dash = || "–".to_owned();
    for operator in operators {
        let number = |number: Option<u32>| number.map_or_else(dash, |number| number.to_string());
        let state = if operator.finished {
            "finished".to_owned()
        } else {
            quantity::bytes(operator.size)
        };
        listing.row([
            operator.id.clone(),
            operator.name.clone().unwrap_or_else(dash),
            operator.uid.clone().unwrap_or_else(dash),
            number(operator.parallelism),
            number(operator.max_parallelism),
            state,
            operator.files.to_string(),
        ]);
    }
    listing
}

/// Those that are not as they must be stand first.
fn files(files: &[StateFile]) -> Listing {
    let mut listing =
        Listing::new([("file", Align::Left), ("size", Align::Right), ("verdict", Align::Left)]).below("file");
    let is_whole = |file: &&StateFile| file.verdict == FileVerdict::Whole;
    let faults = files.iter().filter(|file| !is_whole(file));
    for file in faults.chain(files.iter().filter(is_whole)) {
        let reason = file
            .reason
            .as_ref()
            .map(|reason| format!(": {reason}"))
            .unwrap_or_default();
        listing.row([
            file.path.clone(),
            quantity::bytes(file.size),
            format!("{}{reason}", file.verdict.as_str()),
        ]);
    }
    listing
}
