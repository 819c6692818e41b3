//! `!upgrade --rehearse`: both statements are tried from one state over the same slice of input, and what they would write
//! is compared. Nothing is changed: no job stays, and no table gets a row.

use std::sync::Arc;
use std::time::Instant;

use jiff::Zoned;
use serde_json::json;
use serde_json::value::RawValue;
use skep_engine::{
    Connection, Discarded, EngineError, ErrorKind, JobId, Rows, Savepoint, Sql, Trial, TrialState, Trials, Tried,
    TriedTable, Withdrawal,
};

use super::super::args::Args;
use super::super::gather::readable;
use super::super::savepoint::request;
use super::super::target::{self, Target};
use super::difference::{Change, Difference, Written, between};
use super::journal::Journal;
use super::{CHOICES, PATIENCE, new_version, steps};
use crate::error::Error;
use crate::failpoint;
use crate::ledger::Version;
use crate::orphans;
use crate::render::{Format, Options, renderer};
use crate::savepoint::Which;
use crate::session::Session;
use crate::statement::replay::{self, Recipe, replay_apart};
use crate::statement::{self, Statement, expand};
use crate::ui::{Waiting, quantity, sanitize};

/// So many rows are read of each source, if nothing else is said.
const ROWS: u64 = 10_000;

/// So many rows that differ are shown of each table, if nothing else is said.
const SHOWN: usize = 20;

/// What a person can do meanwhile.
const WAY_OUT: &str = "Ctrl-C ends the rehearsal";

/// The two statements, as they are told of.
const OLD: &str = "the old statement";
const NEW: &str = "the new statement";

/// The line that stands on a terminal while a rehearsal goes on.
struct Progress {
    waiting: Waiting,
    name: String,
}

impl Progress {
    /// Waits for the end of the work. The line says what is done.
    async fn until<W: Future>(&self, what: impl Fn() -> String, work: W) -> W::Output {
        let line = || format!("rehearsal of {}: {}", self.name, what());
        self.waiting.until(line, work).await
    }
}

/// What is different in one table.
struct Compared {
    table: String,
    difference: Difference,
}

/// The state that both go on from.
enum Origin {
    /// One that there is: it may be replaced by a newer one at any time.
    Known(Which),
    /// One that was taken for them.
    Taken(Savepoint),
}

/// Tries the new statement beside the old one.
///
/// # Errors
/// There is no state, the engine can't do that, or one of the statements fails; nothing was changed.
pub(super) async fn rehearse(session: &mut Session, word: &str, args: &Args) -> Result<(), Error> {
    let rows = number(args, "rows")?.unwrap_or(ROWS);
    let limit = number(args, "limit")?.map_or(SHOWN, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let which = args
        .value("from")
        .map(|text| Which::parse(text, &Zoned::now()))
        .transpose()?;
    let target = target::resolve(session, word).await?;
    let (job_id, title) = (target.job_id()?, target.job.title());
    let connection = Arc::clone(&session.open()?.connection);
    if target.connection.url != connection.url {
        return Err(Error::failed(format!("{title} is on {}", target.connection.label)).hint("!connect to it first"));
    }
    let Some(trials) = connection.sql.as_ref().and_then(|sql| sql.trials()) else {
        let message = format!("{} can't rehearse: it can't try a statement", connection.label);
        return Err(Error::failed(message)
            .hint("!upgrade itself puts the old statement back if the new one does not come up")
            .hint("on local: the same statements can be rehearsed over a sample of the input"));
    };
    if trials == Trials::AsJobs {
        refuse_planned(session, &connection, job_id, &title).await?;
        // Jobs that a dead shell has left may hold the slots that are needed.
        let clearing = async {
            orphans::clear_rehearsals(&connection, &session.ledger, &session.ui).await;
            Ok(())
        };
        session.unless_interrupted(clearing).await?;
    }
    let Recipe { sql, prelude } = replay::recipe(session, &connection, job_id, &title).await?;
    let old = Version { sql, prelude };
    let new = new_version(session, &old.prelude, args)?;
    let progress = Progress {
        waiting: session.ui.waiting(Instant::now(), WAY_OUT),
        name: target.job.name.clone(),
    };
    let patience = args.duration("timeout")?.unwrap_or(PATIENCE);
    let trial = Trial {
        rows,
        dir: args.value("dir").map(str::to_owned),
        name: target.job.name.clone(),
        patience: (trials == Trials::AsJobs).then_some(patience),
        ..Trial::default()
    };
    let preparing = || "a session is opened for each statement".to_owned();
    let prepared = async {
        let old = prepare(session, &connection, &old).await?;
        Ok::<_, Error>((old, prepare(session, &connection, &new).await?))
    };
    let ((old_text, old_session), (new_text, new_session)) = progress.until(preparing, prepared).await?;
    let begun = async {
        let checking = || "the statements are looked at".to_owned();
        for (sql, text, version, which) in [
            (&old_session, &old_text, &old, OLD),
            (&new_session, &new_text, &new, NEW),
        ] {
            let trial = Trial {
                text: text.clone(),
                ..trial.clone()
            };
            let checked = session.unless_interrupted(async {
                let checked = sql.check_trial(trial).await;
                checked.map_err(|error| Error::from(error).in_statement(&version.sql).within(which))
            });
            progress.until(checking, checked).await?;
        }
        if trials == Trials::AsJobs {
            // What the engine would make wrong without a word is said.
            let submitted = Statement {
                sql: new_session.as_ref(),
                text: &new.sql,
                prelude: &new.prelude,
            };
            statement::same_query(
                session,
                &connection,
                &submitted,
                (job_id, &title),
                statement::Change::Rehearsed,
            )
            .await?;
        }
        let mut journal = Journal::new(session, &target, trials == Trials::AsJobs)?;
        let from = match (trials, which) {
            (_, Some(which)) => Origin::Known(which),
            (Trials::AsJobs, None) if runs(&target).await => {
                Origin::Taken(take(session, &target, args, (&mut journal, &progress)).await?)
            }
            _ => Origin::Known(Which::Latest),
        };
        Ok::<_, Error>((journal, from))
    };
    let (mut journal, from) = match begun.await {
        Ok(begun) => begun,
        Err(error) => {
            close([old_session, new_session]).await;
            return Err(error);
        }
    };
    let both = async {
        let old_trial = Trial {
            text: old_text,
            ..trial.clone()
        };
        let (state, tried_old) = first(
            session,
            (&connection, &old_session),
            job_id,
            old_trial,
            (&from, &mut journal, &progress),
        )
        .await?;
        failpoint::hit("upgrade.rehearsing");
        let read = tried_old.read.iter();
        let new_trial = Trial {
            text: new_text,
            state: TrialState::Held(tried_old.state.clone()),
            job_ids: journal.trial().await,
            // Each is taken back by itself.
            withdrawal: Withdrawal::default(),
            discarded: Discarded::default(),
            same: read
                .filter_map(|(table, rows)| Some((table.clone(), (*rows)?)))
                .collect(),
            ..trial
        };
        let tried_new = carry_out(session, &new_session, new_trial, (&journal, &progress), NEW).await?;
        let tried_new = tried_new.map_err(|error| Error::from(error).in_statement(&new.sql).within(NEW))?;
        Ok::<_, Error>((state, tried_old, tried_new))
    };
    let tried = both.await;
    close([old_session, new_session]).await;
    let is_removed = match &from {
        Origin::Taken(state) => remove(session, &connection, &journal, state).await,
        Origin::Known(_) => true,
    };
    let (state, tried_old, tried_new) = tried?;
    // Of one that failed the next shell looks whether all its jobs have ended.
    if is_removed {
        journal.end();
    }
    let tries = (tried_old, tried_new);
    show(session, (&target, job_id), (&from, &state), tries, limit, &progress).await
}

/// Closes the sessions of both statements.
async fn close(sessions: [Arc<dyn Sql>; 2]) {
    for sql in sessions {
        // One that stays ends by itself.
        let _ = sql.close().await;
    }
}

/// A job that was started by a compiled plan has operators that no other statement has.
async fn refuse_planned(session: &Session, connection: &Connection, job_id: JobId, title: &str) -> Result<(), Error> {
    // A ledger that can't be read knows of no plan; then the trial finds that nothing of the state is taken over.
    let record = session.ledger.job(&connection.url, job_id).await.ok().flatten();
    match record.and_then(|record| record.intent.submission.plan) {
        None => Ok(()),
        Some(plan) => Err(Error::failed(format!(
            "{title} was started by a compiled plan ({}), and what has no sink can't be compiled: it can't be rehearsed",
            plan.path
        ))
        .hint("!upgrade compiles the new statement to be like it, and names what would be left behind before it stops the job")),
    }
}

async fn runs(target: &Target) -> bool {
    let Some((jobs, job_id)) = target.connection.jobs.as_ref().zip(target.job.job_id) else {
        return false;
    };
    jobs.status(&job_id).await.is_ok_and(|status| steps::runs(&status))
}

/// Takes a savepoint for the rehearsal alone; the job goes on.
async fn take(
    session: &Session,
    target: &Target,
    args: &Args,
    (journal, progress): (&mut Journal, &Progress),
) -> Result<Savepoint, Error> {
    let (job_id, control, request) = (target.job_id()?, target.control()?, request(args, None));
    journal.asks(request.trigger).await;
    let connection = Arc::clone(&target.connection);
    session.ui.say(&format!(
        "a savepoint of {} is taken for the rehearsal",
        target.job.title()
    ));
    let mut task = tokio::spawn(async move { control.savepoint(&job_id, request).await });
    let mut interrupts = session.interrupts.clone();
    let taking = async {
        tokio::select! {
            biased;
            taken = &mut task => (taken, None),
            // It can't be taken back: it is waited for, and removed.
            signal = interrupts.stop() => (task.await, Some(signal)),
        }
    };
    let what = || "a savepoint is taken for it".to_owned();
    let (taken, signal) = progress.until(what, taking).await;
    let taken = taken.map_err(Error::internal)?;
    match (taken, signal) {
        (Ok(state), None) => {
            failpoint::hit("upgrade.rehearsal.saved");
            journal.took(&state.path).await;
            Ok(state)
        }
        (Ok(state), Some(signal)) => {
            if remove(session, &connection, journal, &state).await {
                journal.end();
            }
            Err(signal.error())
        }
        (Err(_), Some(signal)) => Err(signal.error()),
        (Err(error), None) => Err(Error::from(error).within(&target.job.title())),
    }
}

/// Removes a savepoint that was taken for the rehearsal. Whether it is gone.
async fn remove(session: &Session, connection: &Connection, journal: &Journal, state: &Savepoint) -> bool {
    let removed = match &connection.stores {
        Some(stores) => stores.delete(&state.path).await,
        None => return true,
    };
    match removed {
        Ok(()) => {
            journal.discarded(state.clone());
            true
        }
        Err(error) => {
            let warning = format!(
                "the savepoint of the rehearsal, {}, could not be removed: {error}",
                state.path
            );
            session.ui.warn(&warning);
            false
        }
    }
}

/// Tries a statement. One that is broken off is taken back, and what it has started ends first.
async fn carry_out(
    session: &Session,
    sql: &Arc<dyn Sql>,
    trial: Trial,
    (journal, progress): (&Journal, &Progress),
    which: &str,
) -> Result<Result<Tried, EngineError>, Error> {
    let (sql, withdrawal) = (Arc::clone(sql), trial.withdrawal.clone());
    let discarded = trial.discarded.clone();
    let mut task = tokio::spawn(async move { sql.try_out(trial).await });
    let mut interrupts = session.interrupts.clone();
    let trying = async {
        tokio::select! {
            biased;
            tried = &mut task => tried.map_err(Error::internal),
            signal = interrupts.stop() => {
                withdrawal.ask();
                // That it was taken back is all there is to say.
                let _ = task.await;
                Err(signal.error())
            }
        }
    };
    let what = || match withdrawal.is_asked() {
        false => format!("{which} is tried"),
        true => format!("{which} is taken back"),
    };
    let tried = progress.until(what, trying).await;
    for state in discarded.take() {
        journal.discarded(state);
    }
    tried
}

/// Says what came of it.
async fn show(
    session: &Session,
    (target, job_id): (&Target, JobId),
    (from, state): (&Origin, &Savepoint),
    (old, new): (Tried, Tried),
    limit: usize,
    progress: &Progress,
) -> Result<(), Error> {
    let lost = new.lost.clone();
    let read: Option<u64> = new.read.values().copied().sum();
    let sources = new.read.clone();
    let mut notes = old.notes.clone();
    notes.extend(new.notes.iter().filter(|note| !old.notes.contains(note)).cloned());
    let comparing = || "what both would write is compared".to_owned();
    let compared = compare(old, new, limit);
    let compared = progress.until(comparing, session.unless_interrupted(compared)).await?;
    let is_same = lost.is_empty() && compared.iter().all(|table| table.difference.is_none());
    if session.settings.json {
        let tables: Vec<_> = compared.iter().map(json_of).collect();
        let lost: Vec<_> = lost
            .iter()
            .map(|lost| json!({ "operator": lost.operator, "rows": lost.rows, "reason": lost.reason }))
            .collect();
        session.ui.json(&json!({
            "name": target.job.name,
            "job_id": job_id,
            "state": state.path,
            "checkpoint_id": state.checkpoint_id,
            "read": sources,
            "same": is_same,
            "tables": tables,
            "lost": lost,
            "notes": notes,
        }))?;
        return Ok(());
    }
    let input = match read {
        Some(read) => format!("over {} of input", quantity::counted(read, "row", "rows")),
        None => "over the same input".to_owned(),
    };
    let from = match from {
        Origin::Known(_) => &state.path,
        Origin::Taken(_) => "a savepoint that was taken for it and is removed",
    };
    session.ui.say(&format!(
        "{} from {from}, {input}: nothing was changed",
        sanitize(&target.job.name),
    ));
    for note in &notes {
        session.ui.say(&sanitize(note));
    }
    let written = |table: &Compared| {
        let Difference {
            same,
            added,
            removed,
            changed,
            ..
        } = table.difference;
        same + added + removed + changed
    };
    if read.is_none() && compared.iter().map(written).sum::<u64>() == 0 {
        session.ui.hint(
            "neither has written a row: the state had read all there was · --from WHICH goes on from an older one",
        );
    }
    let mut text = String::new();
    for lost in &lost {
        let rows = match lost.rows {
            None => String::new(),
            Some(rows) => format!(" ({})", quantity::counted(rows, "row", "rows")),
        };
        text.push_str(&format!("state lost{rows}: {}\n", sanitize(&lost.reason)));
    }
    if !lost.is_empty() {
        session
            .ui
            .say("!upgrade refuses that unless --allow-non-restored-state is given");
    }
    for table in &compared {
        draw(table, &mut text);
    }
    session.ui.print(&text)?;
    Ok(())
}

fn number(args: &Args, flag: &str) -> Result<Option<u64>, Error> {
    let number = args.value(flag).map(str::parse).transpose();
    number.map_err(|_| Error::usage(format!("--{flag} is a number")))
}

/// A session in which the statement can be tried, and the statement as it is sent.
async fn prepare(
    session: &mut Session,
    connection: &Connection,
    version: &Version,
) -> Result<(String, Arc<dyn Sql>), Error> {
    let sql = replay_apart(session, connection, &version.prelude).await?;
    let text = expand(session, &version.sql, &sql.dialect())?;
    Ok((text, sql))
}

/// Chooses the state and tries the old statement from it.
async fn first(
    session: &Session,
    (connection, sql): (&Connection, &Arc<dyn Sql>),
    job_id: JobId,
    trial: Trial,
    (from, journal, progress): (&Origin, &mut Journal, &Progress),
) -> Result<(Savepoint, Tried), Error> {
    let mut choices = 0;
    loop {
        let state = match from {
            Origin::Taken(state) => state.clone(),
            Origin::Known(Which::Path(path)) => crate::session::stores(connection)?.inspect(path).await?,
            Origin::Known(which) => {
                session
                    .unless_interrupted(readable(connection, &session.ledger, job_id, which))
                    .await?
            }
        };
        let trial = Trial {
            state: TrialState::Path(state.path.clone()),
            job_ids: journal.trial().await,
            withdrawal: Withdrawal::default(),
            discarded: Discarded::default(),
            ..trial.clone()
        };
        let text = trial.text.clone();
        choices += 1;
        match carry_out(session, sql, trial, (journal, progress), OLD).await? {
            Ok(tried) => return Ok((state, tried)),
            // It was replaced by a newer one in the meantime.
            Err(error) if error.kind == ErrorKind::NotFound && choices < CHOICES => {}
            Err(error) => return Err(Error::from(error).in_statement(&text).within(OLD)),
        }
    }
}

/// Holds what both would write against each other, table by table.
async fn compare(old: Tried, new: Tried, limit: usize) -> Result<Vec<Compared>, Error> {
    let mut new = new.tables;
    let mut compared = Vec::new();
    for table in old.tables {
        let place = new.iter().position(|other| other.table == table.table);
        let other = place.map(|place| new.remove(place));
        compared.push(compare_table(Some(table), other, limit).await?);
    }
    for table in new {
        compared.push(compare_table(None, Some(table), limit).await?);
    }
    Ok(compared)
}

async fn compare_table(old: Option<TriedTable>, new: Option<TriedTable>, limit: usize) -> Result<Compared, Error> {
    let key = match (&old, &new) {
        // Under another key they are other rows.
        (Some(old), Some(new)) if old.key != new.key => Vec::new(),
        (Some(table), _) | (None, Some(table)) => table.key.clone(),
        (None, None) => Vec::new(),
    };
    let name = old.as_ref().or(new.as_ref()).map(|table| table.table.clone());
    let old = written(old).await?;
    let new = written(new).await?;
    Ok(Compared {
        table: name.unwrap_or_default(),
        difference: between(&old, &new, &key, limit),
    })
}

/// The rows of a table as JSON.
async fn written(table: Option<TriedTable>) -> Result<Vec<Written>, Error> {
    let Some(mut table) = table else {
        return Ok(Vec::new());
    };
    let rows: &mut dyn Rows = table.rows.as_mut();
    let mut written = Vec::new();
    while let Some(batch) = rows.next().await? {
        let mut renderer = renderer(Format::Jsonl, &Options::default());
        let mut text = Vec::new();
        let rendered = renderer
            .begin(&batch.rows.schema(), false, &mut text)
            .and_then(|()| renderer.batch(&batch, &mut text))
            .and_then(|()| renderer.end(&mut text));
        rendered.map_err(Error::internal)?;
        let text = String::from_utf8(text).map_err(Error::internal)?;
        let kind = |row: usize| batch.kinds.as_ref().and_then(|kinds| kinds.get(row)).copied();
        let lines = text.lines().enumerate();
        written.extend(lines.map(|(row, line)| (kind(row).unwrap_or(skep_engine::RowKind::Insert), line.to_owned())));
    }
    Ok(written)
}

fn json_of(table: &Compared) -> serde_json::Value {
    let raw = |row: &String| RawValue::from_string(row.clone()).ok();
    let change = |change: &Change| match change {
        Change::Added(new) => json!({ "change": "added", "new": raw(new) }),
        Change::Removed(old) => json!({ "change": "removed", "old": raw(old) }),
        Change::Changed(old, new) => json!({ "change": "changed", "old": raw(old), "new": raw(new) }),
    };
    let Difference {
        same,
        added,
        removed,
        changed,
        shown,
    } = &table.difference;
    json!({
        "table": table.table,
        "same": same,
        "added": added,
        "removed": removed,
        "changed": changed,
        "rows": shown.iter().map(change).collect::<Vec<_>>(),
    })
}

fn draw(table: &Compared, text: &mut String) {
    let Difference {
        same,
        added,
        removed,
        changed,
        shown,
    } = &table.difference;
    text.push_str(&format!(
        "{}: {same} rows the same, {added} added, {removed} removed, {changed} changed\n",
        sanitize(&table.table)
    ));
    for change in shown {
        text.push_str(&match change {
            Change::Added(new) => format!("  + {new}\n"),
            Change::Removed(old) => format!("  - {old}\n"),
            Change::Changed(old, new) => format!("  ~ {old} → {new}\n"),
        });
    }
    let all = added + removed + changed;
    if all > shown.len() as u64 {
        text.push_str(&format!("  … {} of {all} shown (--limit N)\n", shown.len()));
    }
}
