//! `!upgrade`.

mod check;
mod difference;
mod interference;
mod journal;
mod rehearse;
mod steps;
mod watch;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;
use skep_engine::{Dialect, JobId};

use super::args::{Args, TIMEOUT};
use super::handler::{Command, Flow};
use super::savepoint::{DIR, FORMAT};
use super::spec::{Arity, Category, Flag, Kind, Positional, Spec};
use super::target;
use crate::error::{Error, ErrorKind};
use crate::interrupt::Signal;
use crate::ledger::{LedgerError, Step, Terms, Upgrade, Version};
use crate::session::Session;
use crate::statement::replay::{self, Recipe};
use crate::statement::{self, Change, Statement, new_job_id};
use crate::syntax::{Input, Splitter, classify, secrets};
use crate::ui::{Align, Listing, quantity, sanitize};
use steps::Run;

/// `!upgrade REF SQL`.
#[derive(Debug)]
pub struct Upgrades;

/// How long the new job is given, if nothing else is said.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// How often a state is chosen anew: a running job may have deleted the one that was its newest.
const CHOICES: u32 = 5;

/// A script of statements is no longer than that, in bytes.
const LONGEST_FILE: u64 = 16 << 20;

static SPEC: Spec = Spec {
    name: "upgrade",
    aliases: &[],
    category: Category::Savepoints,
    summary: "replaces a running job's statement by another one, which goes on from its state",
    help: "Stops the job with a savepoint, starts the new statement from it, and waits until that runs and has completed\n\
           a checkpoint. If it does not come up, it is cancelled, and the old statement is started again from the same\n\
           savepoint. The last line says which job runs then; its id is the result (on stdout).\n\
           The new statement runs with the tables and settings that the old one had; a --file of several statements\n\
           brings its own. Before anything is stopped the engine has to explain the new statement.\n\
           Each step is written down before it is done: if the shell dies, --resume goes on where it stopped, and --abort\n\
           goes back to the old statement. Alone, !upgrade lists what is not finished.\n\
           With --rehearse nothing is changed: both statements are tried from one state of the job over the same rows of\n\
           input, and what they would write is compared.",
    positionals: &[
        Positional {
            name: "REF",
            kind: Kind::Reference,
            arity: Arity::Optional,
        },
        Positional {
            name: "SQL",
            kind: Kind::Sql,
            arity: Arity::Optional,
        },
    ],
    flags: &[
        Flag {
            name: "file",
            short: None,
            value: Some(("FILE", Kind::Path)),
            help: "the new statement, with its tables and settings if there are several",
        },
        Flag {
            name: "until",
            short: None,
            value: Some(("POINT", Kind::Choice(&["running", "first-checkpoint"]))),
            help: "first-checkpoint (the default), or running: what it writes before a rollback may come twice then",
        },
        TIMEOUT,
        DIR,
        FORMAT,
        Flag {
            name: "allow-non-restored-state",
            short: None,
            value: None,
            help: "leave behind the state of operators that the new statement does not have",
        },
        Flag {
            name: "changed-query",
            short: None,
            value: None,
            help: "upgrade although the engine would not notice that the new statement makes the state wrong",
        },
        Flag {
            name: "rehearse",
            short: None,
            value: None,
            help: "change nothing: show what the new statement would write otherwise than the old one",
        },
        Flag {
            name: "from",
            short: None,
            value: Some(("WHICH", Kind::Which)),
            help: "with --rehearse: go on from this state; if nothing is said from the newest, or from one that is taken for it",
        },
        Flag {
            name: "rows",
            short: None,
            value: Some(("N", Kind::Word)),
            help: "with --rehearse: read so many rows of each source, 10000 if nothing is said",
        },
        Flag {
            name: "limit",
            short: None,
            value: Some(("N", Kind::Word)),
            help: "with --rehearse: show so many rows that differ of each table, 20 if nothing is said",
        },
        Flag {
            name: "resume",
            short: None,
            value: None,
            help: "finish an upgrade that was begun",
        },
        Flag {
            name: "abort",
            short: None,
            value: None,
            help: "take back an upgrade that was begun",
        },
    ],
    example: "!upgrade delays INSERT INTO delays SELECT n FROM n WHERE n > 0;",
    one_shot: true,
};

#[async_trait]
impl Command for Upgrades {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, session: &mut Session, args: Args) -> Result<Flow, Error> {
        let new = [args.sql().is_some(), args.has("file")];
        let open = [args.has("resume"), args.has("abort")];
        if args.has("rehearse") {
            return match (new, open, args.word(0)) {
                ([true, false] | [false, true], [false, false], Some(word)) => {
                    rehearse::rehearse(session, word, &args).await?;
                    Ok(Flow::Continue)
                }
                _ => Err(Error::usage("!upgrade --rehearse takes REF with SQL or --file")
                    .hint(format!("usage: {}", SPEC.usage()))),
            };
        }
        match (new, open, args.word(0)) {
            ([false, false], [false, false], None) => list(session).await?,
            ([true, false] | [false, true], [false, false], Some(word)) => begin(session, word, &args).await?,
            ([false, false], [true, false], word) => take_up(session, word, false).await?,
            ([false, false], [false, true], word) => take_up(session, word, true).await?,
            _ => {
                let what = "it takes REF with SQL or --file, or else --resume or --abort";
                return Err(Error::usage(format!("!upgrade: {what}")).hint(format!("usage: {}", SPEC.usage())));
            }
        }
        Ok(Flow::Continue)
    }
}

/// Those that are not finished.
async fn list(session: &Session) -> Result<(), Error> {
    let open = open_upgrades(session).await?;
    if session.settings.json {
        for upgrade in &open {
            session.ui.json(&report(upgrade, None))?;
        }
        return Ok(());
    }
    if open.is_empty() {
        session.ui.say("every upgrade is finished");
        return Ok(());
    }
    let mut listing = Listing::new([
        ("upgrade", Align::Left),
        ("of", Align::Left),
        ("begun", Align::Left),
        ("it was", Align::Left),
        ("savepoint", Align::Left),
    ])
    .below("savepoint");
    let now = Timestamp::now();
    for upgrade in open {
        let path = upgrade.savepoint.as_ref().map_or("–", |savepoint| &savepoint.path);
        listing.row([
            upgrade.id.short(),
            format!("{} (job {})", sanitize(&upgrade.name), upgrade.old_job.short()),
            quantity::moment(upgrade.began, now, &TimeZone::system()),
            upgrade.step.describe().to_owned(),
            path.to_owned(),
        ]);
    }
    session.ui.list(&listing)?;
    Ok(())
}

async fn open_upgrades(session: &Session) -> Result<Vec<Upgrade>, Error> {
    let url = session.open()?.connection.url.clone();
    session.ledger.open_upgrades(Some(&url), false).await.map_err(refused)
}

/// An upgrade that is not finished has a job of its own to start: nobody else starts one from there.
///
/// # Errors
/// There is one of that job.
pub async fn refuse_unfinished(session: &Session, url: &str, job: JobId) -> Result<(), Error> {
    // A ledger that can't be read knows of none.
    let open = session.ledger.open_upgrades(Some(url), false).await.unwrap_or_default();
    let of_it = |upgrade: &&Upgrade| [Some(upgrade.old_job), upgrade.new_job, upgrade.again_job].contains(&Some(job));
    let Some(upgrade) = open.iter().find(of_it) else {
        return Ok(());
    };
    let (name, id) = (sanitize(&upgrade.name), upgrade.id.short());
    let message = format!(
        "an upgrade of {name} is not finished: it was {}",
        upgrade.step.describe()
    );
    Err(Error::failed(message).hint(format!("!upgrade --resume {id} goes on, --abort {id} takes it back")))
}

fn refused(cause: LedgerError) -> Error {
    let hint = cause.hint();
    let error = Error::failed(cause.to_string());
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// A new one.
async fn begin(session: &mut Session, word: &str, args: &Args) -> Result<(), Error> {
    let target = target::resolve(session, word).await?;
    let (job_id, title) = (target.job_id()?, target.job.title());
    let connection = Arc::clone(&session.open()?.connection);
    if target.connection.url != connection.url {
        return Err(Error::failed(format!("{title} is on {}", target.connection.label)).hint("!connect to it first"));
    }
    let can = connection.capabilities;
    for (has, what) in [
        (can.stop, "stopping with a savepoint"),
        (can.restore, "restoring"),
        (can.chosen_job_id, "ids of jobs that are chosen beforehand"),
    ] {
        if !has {
            return Err(Error::unsupported(&connection.label, what));
        }
    }
    let status = target.control()?.status(&job_id).await?;
    if !steps::runs(&status) {
        refuse_unfinished(session, &connection.url, job_id).await?;
        let state = if status.lost {
            "lost".to_owned()
        } else {
            status.state.to_string()
        };
        let go_on = format!("!restore {} AS SQL goes on from its newest state", job_id.short());
        return Err(Error::failed(format!("{title} is {state}: an upgrade needs it running")).hint(go_on));
    }
    let Recipe { sql, prelude } = replay::recipe(session, &connection, job_id, &title).await?;
    let new = new_version(session, &prelude, args)?;
    let timeout = args.duration("timeout")?.unwrap_or(PATIENCE);
    let upgrade = Upgrade {
        id: new_job_id(),
        url: connection.url.clone(),
        name: target.job.name.clone(),
        old_job: job_id,
        old: Version { sql, prelude },
        new,
        terms: Terms {
            dir: args.value("dir").map(str::to_owned),
            native: args.value("format") == Some("native"),
            until_running: args.value("until") == Some("running"),
            timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
            allow_non_restored: args.has("allow-non-restored-state"),
        },
        savepoint: None,
        new_job: None,
        again_job: None,
        cause: None,
        overtaken: false,
        step: Step::Stopping,
        began: Timestamp::now(),
    };
    let waiting = session
        .ui
        .waiting(Instant::now(), "Ctrl-C gives it up, nothing is stopped yet");
    let looking = || format!("upgrade of {}: the new statement is looked at", upgrade.name);
    let checks = async {
        let prepared = check::statements(session, &connection, &upgrade).await?;
        check::state(session, &connection, &upgrade, prepared.as_ref()).await?;
        Ok::<_, Error>(prepared)
    };
    let prepared = waiting.until(looking, checks).await?;
    let change = if args.has("changed-query") {
        Change::Allowed
    } else {
        Change::Asked
    };
    let submitted = Statement {
        sql: prepared.as_ref(),
        text: &upgrade.new.sql,
        prelude: &upgrade.new.prelude,
    };
    statement::same_query(session, &connection, &submitted, (job_id, &title), change).await?;
    if upgrade.terms.until_running {
        session.ui.warn(
            "until it runs, and no further: if it fails before its first checkpoint, nobody puts the old statement back, and \
             what it has written by then may come twice",
        );
    }
    if !session.ledger.is_kept() {
        session
            .ui
            .warn("there is no ledger: if this shell ends before the upgrade does, nobody can finish it");
    }
    match session.ledger.begin_upgrade(upgrade.clone()).await {
        Ok(()) => {}
        Err(cause @ LedgerError::UpgradeOpen(_)) => return Err(refused(cause).within(&title)),
        Err(cause) => {
            let why = format!("{cause}; if this shell ends before the upgrade does, nobody can finish it");
            session.ui.warn(&why);
        }
    }
    crate::failpoint::hit("upgrade.stopping");
    let mut run = Run::new(session, connection, upgrade)?;
    run.prepared = Some(prepared);
    conclude(run, false).await
}

/// The new statement, secrets as references, with what it needs.
fn new_version(session: &mut Session, prelude: &[String], args: &Args) -> Result<Version, Error> {
    let dialect = session.dialect();
    let mut statements = match (args.sql(), args.value("file")) {
        (Some(sql), _) => vec![sql.to_owned()],
        (None, Some(file)) => read_file(Path::new(file), dialect)?
            .iter()
            .map(|statement| session.with_variables(statement).into_owned())
            .collect(),
        (None, None) => Vec::new(),
    };
    let sql = statements
        .pop()
        .ok_or_else(|| Error::usage("the file holds no statement"))?;
    if !classify(&sql, &dialect).starts_job() {
        return Err(Error::failed("the new statement starts no job").hint("an INSERT or a statement set does"));
    }
    if let Some(other) = statements
        .iter()
        .find(|statement| !classify(statement, &dialect).is_session_scoped())
    {
        let words: Vec<_> = other.split_whitespace().take(3).collect();
        let message = format!("the file holds {:?} before its last statement", words.join(" "));
        return Err(Error::failed(message).hint("only tables, settings and the like can stand there"));
    }
    let mut redact = |statement: &String| {
        let redacted = secrets::redact(statement, &dialect);
        let known = redacted.secrets.into_iter().map(|secret| (secret.name, secret.value));
        session.secrets.extend(known);
        redacted.text
    };
    let (sql, own): (String, Vec<String>) = (redact(&sql), statements.iter().map(&mut redact).collect());
    let prelude = if own.is_empty() { prelude.to_vec() } else { own };
    Ok(Version { sql, prelude })
}

/// The statements of a file.
fn read_file(path: &Path, dialect: Dialect) -> Result<Vec<String>, Error> {
    let name = path.display().to_string();
    let unreadable = |cause| Error::unreadable(&name, &cause);
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > LONGEST_FILE {
        return Err(Error::usage(format!(
            "{name} is no statement: it has {}",
            quantity::bytes(size)
        )));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    let mut splitter = Splitter::new(dialect);
    splitter.feed(&text);
    splitter.finish();
    let mut statements = Vec::new();
    while let Some(piece) = splitter.next_piece() {
        match piece.input {
            Input::Sql { text, .. } => statements.push(text),
            Input::Trivia => {}
            Input::Bang { name: command, .. } => {
                return Err(Error::usage(format!(
                    "{name} holds !{command}: only SQL can stand there"
                )));
            }
        }
    }
    Ok(statements)
}

/// One that was begun by another shell, or by this one.
async fn take_up(session: &mut Session, word: Option<&str>, abort: bool) -> Result<(), Error> {
    let open = open_upgrades(session).await?;
    let meant: Vec<&Upgrade> = match word {
        None => open.iter().collect(),
        Some(word) => {
            let lower = word.to_ascii_lowercase();
            let starts = |id: &JobId| lower.len() >= 4 && id.to_string().starts_with(&lower);
            let is = |upgrade: &&Upgrade| {
                let jobs = [
                    Some(upgrade.id),
                    Some(upgrade.old_job),
                    upgrade.new_job,
                    upgrade.again_job,
                ];
                upgrade.name == word || jobs.iter().flatten().any(starts)
            };
            open.iter().filter(is).collect()
        }
    };
    let meant = match meant[..] {
        [one] => one.id,
        [] => return Err(Error::failed("no such upgrade is unfinished").hint("!upgrade lists those that are")),
        _ => {
            let ids: Vec<_> = meant
                .iter()
                .map(|upgrade| format!("{} of {}", upgrade.id.short(), sanitize(&upgrade.name)))
                .collect();
            return Err(Error::failed(format!("several are not finished: {}", ids.join(", "))));
        }
    };
    let mut upgrade = session.ledger.take_upgrade(meant).await.map_err(refused)?;
    session.ui.say(&format!(
        "the upgrade of {} was {}",
        sanitize(&upgrade.name),
        upgrade.step.describe()
    ));
    if abort && !upgrade.is_taken_back() {
        upgrade.cause = Some(ABORTED.to_owned());
        session.ledger.write_upgrade(upgrade.clone()).await.map_err(refused)?;
    }
    let connection = Arc::clone(&session.open()?.connection);
    let mut run = Run::new(session, connection, upgrade)?;
    run.resumed = true;
    conclude(run, abort).await
}

/// Why an upgrade is taken back if a person wants it.
const ABORTED: &str = "it was taken back";

/// Carries it out to its end, and says which job runs then and where its savepoint is.
async fn conclude(mut run: Run<'_>, abort: bool) -> Result<(), Error> {
    let finished = run.finish().await;
    let Run {
        session,
        upgrade,
        interrupted,
        gone_on,
        ..
    } = run;
    let path = upgrade.savepoint.as_ref().map(|savepoint| savepoint.path.as_str());
    let from = path.map(|path| format!(" · savepoint {path}")).unwrap_or_default();
    if let Err(error) = finished {
        let id = upgrade.id.short();
        let mut message = format!(
            "{}; the upgrade is not finished: it was {}",
            error.message,
            upgrade.step.describe()
        );
        message.push_str(&format!(
            "{}{from} · !upgrade --resume {id} goes on, --abort {id} takes it back",
            last_known(&upgrade)
        ));
        if error.ends_script() {
            // What ends a script, or was typed, is not told as an error; what is left behind is.
            session.ui.warn(&message);
            return Err(error);
        }
        return Err(Error {
            message,
            hints: Vec::new(),
            ..error
        });
    }
    let runs = match upgrade.step {
        Step::Upgraded => upgrade.new_job,
        Step::RolledBack => upgrade.again_job,
        Step::NotStopped => Some(upgrade.old_job),
        _ => None,
    };
    if session.settings.json {
        session.ui.json(&report(&upgrade, runs))?;
    } else if let Some(job) = runs {
        session.ui.print(&job.to_string())?;
    }
    let name = sanitize(&upgrade.name);
    let job = runs.map(|job| job.to_string()).unwrap_or_default();
    let cause = upgrade.cause.clone().unwrap_or_default();
    if interrupted && upgrade.step != Step::Failed {
        let which = match upgrade.step {
            Step::Upgraded => format!("{name} is upgraded all the same"),
            Step::NotStopped => format!("{name} was not stopped, and runs its old statement as before"),
            _ => format!("{name} runs its old statement again"),
        };
        session.ui.say(&format!("{which}: job {job}{from}"));
        return Err(Signal::Interrupt.error());
    }
    match upgrade.step {
        Step::Upgraded => session.ui.say(&format!("{name} is upgraded: job {job} runs{from}")),
        Step::RolledBack if abort => {
            session
                .ui
                .say(&format!("{name} runs its old statement again: job {job}{from}"));
        }
        Step::NotStopped if abort => session.ui.say(&format!("{name} was never stopped: job {job} runs")),
        Step::RolledBack => {
            let message = format!("{cause}; {name} runs its old statement again: job {job}{from}");
            return Err(Error::failed(message));
        }
        Step::NotStopped => {
            let message = format!("{cause}; {name} was not stopped, and runs its old statement as before: job {job}");
            return Err(Error::failed(message));
        }
        _ if let Some(job) = gone_on => {
            let message = format!("{cause}; {name} goes on as job {job}, which was restored from there");
            return Err(Error::failed(message));
        }
        _ => {
            let back = match path {
                Some(path) => format!("its state is in {path} · !restore {} {path}", upgrade.old_job.short()),
                None => format!("!savepoints {} shows what it left", upgrade.old_job.short()),
            };
            let message = format!("{cause}; no job of {name} runs now: {back}");
            return Err(Error::new(ErrorKind::JobEnded, message));
        }
    }
    Ok(())
}

/// What is known of who runs in the middle of an upgrade.
fn last_known(upgrade: &Upgrade) -> String {
    let job = match upgrade.step {
        Step::Stopping => Some(upgrade.old_job),
        Step::Watching | Step::Cancelling => upgrade.new_job,
        _ => None,
    };
    job.map(|job| format!(" · job {job} may run")).unwrap_or_default()
}

fn report(upgrade: &Upgrade, runs: Option<JobId>) -> serde_json::Value {
    json!({
        "upgrade": upgrade.id,
        "name": upgrade.name,
        "outcome": upgrade.step,
        "job_id": runs,
        "old_job_id": upgrade.old_job,
        "new_job_id": upgrade.new_job,
        "restored_job_id": upgrade.again_job,
        "savepoint": upgrade.savepoint.as_ref().map(|savepoint| &savepoint.path),
        "cause": upgrade.cause,
        "began": upgrade.began,
    })
}
