//! `!upgrade --rehearse`: both statements are tried from one state over the same slice of input, and what they would write
//! is compared. Nothing is changed: no job is started, no table gets a row, and the ledger is not written.

use std::sync::Arc;

use serde_json::json;
use serde_json::value::RawValue;
use skep_engine::{Connection, ErrorKind, JobId, Rows, Savepoint, Sql, Trial, TrialState, Tried, TriedTable};

use super::super::args::Args;
use super::super::gather::readable;
use super::super::target;
use super::difference::{Change, Difference, Written, between};
use super::new_version;
use crate::error::Error;
use crate::failpoint;
use crate::ledger::Version;
use crate::render::{Format, Options, renderer};
use crate::savepoint::Which;
use crate::session::Session;
use crate::statement::expand;
use crate::statement::replay::{self, Recipe, replay_apart};
use crate::ui::{quantity, sanitize};

/// So many rows are read of each source, if nothing else is said.
const ROWS: u64 = 10_000;

/// So many rows that differ are shown of each table, if nothing else is said.
const SHOWN: usize = 20;

/// How often a state is chosen anew: a running job may have deleted the one that was its newest.
const CHOICES: u32 = 5;

/// What is different in one table.
struct Compared {
    table: String,
    difference: Difference,
}

/// Tries the new statement beside the old one.
///
/// # Errors
/// There is no state, the engine can't do that, or one of the statements fails; nothing was changed.
pub(super) async fn rehearse(session: &mut Session, word: &str, args: &Args) -> Result<(), Error> {
    let rows = number(args, "rows")?.unwrap_or(ROWS);
    let limit = number(args, "limit")?.map_or(SHOWN, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let target = target::resolve(session, word).await?;
    let (job_id, title) = (target.job_id()?, target.job.title());
    let connection = Arc::clone(&session.open()?.connection);
    if target.connection.url != connection.url {
        return Err(Error::failed(format!("{title} is on {}", target.connection.label)).hint("!connect to it first"));
    }
    if !connection.sql.as_ref().is_some_and(|sql| sql.can_try()) {
        let message = format!(
            "{} can't rehearse: it can't run a statement without a job",
            connection.label
        );
        return Err(Error::failed(message)
            .hint("!upgrade itself puts the old statement back if the new one does not come up")
            .hint("on local: the same statements can be rehearsed over a sample of the input"));
    }
    let Recipe { sql, prelude } = replay::recipe(session, &connection, job_id, &title).await?;
    let old = Version { sql, prelude };
    let new = new_version(session, &old.prelude, args)?;
    let (old_text, old_session) = prepare(session, &connection, &old).await?;
    let (new_text, new_session) = prepare(session, &connection, &new).await?;

    let (state, tried_old) = first(session, &connection, job_id, old_session.as_ref(), &old_text, rows).await?;
    failpoint::hit("upgrade.rehearsing");
    let trial = Trial {
        text: new_text,
        state: TrialState::Held(tried_old.state.clone()),
        rows,
        same: tried_old.read.clone(),
        ..Trial::default()
    };
    let tried_new = session
        .unless_interrupted(async {
            let tried = new_session.try_out(trial).await;
            tried.map_err(|error| Error::from(error).in_statement(&new.sql).within("the new statement"))
        })
        .await?;
    let lost = tried_new.lost.clone();
    let read: u64 = tried_new.read.values().sum();
    let sources = tried_new.read.clone();
    let compared = compare(tried_old, tried_new, limit).await?;
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
        }))?;
        return Ok(());
    }
    session.ui.say(&format!(
        "{} from {}, over {} of input: nothing was changed",
        sanitize(&target.job.name),
        state.path,
        quantity::counted(read, "row", "rows")
    ));
    let mut text = String::new();
    for lost in &lost {
        let rows = match lost.rows {
            0 => String::new(),
            rows => format!(" ({})", quantity::counted(rows, "row", "rows")),
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
    connection: &Connection,
    job_id: JobId,
    sql: &dyn Sql,
    text: &str,
    rows: u64,
) -> Result<(Savepoint, Tried), Error> {
    let mut choices = 0;
    loop {
        let state = session
            .unless_interrupted(readable(connection, &session.ledger, job_id, &Which::Latest))
            .await?;
        let trial = Trial {
            text: text.to_owned(),
            state: TrialState::Path(state.path.clone()),
            rows,
            ..Trial::default()
        };
        choices += 1;
        let tried = session
            .unless_interrupted(async { Ok(sql.try_out(trial).await) })
            .await?;
        match tried {
            Ok(tried) => return Ok((state, tried)),
            // It was replaced by a newer one in the meantime.
            Err(error) if error.kind == ErrorKind::NotFound && choices < CHOICES => {}
            Err(error) => return Err(Error::from(error).in_statement(text).within("the old statement")),
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
