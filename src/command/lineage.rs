//! `!lineage`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use skep_engine::{Dialect, EndedBy, JobId, JobState};

use super::args::Args;
use super::handler::{Command, Flow};
use super::spec::{Arity, Category, Kind, Positional, Spec};
use super::target;
use crate::error::Error;
use crate::job::record::Known;
use crate::ledger::{JobRecord, LedgerError, Subject};
use crate::savepoint::path_key;
use crate::session::Session;
use crate::syntax::{change, normal};
use crate::ui::{quantity, sanitize};

/// `!lineage REF`.
#[derive(Debug)]
pub struct Lineage;

static SPEC: Spec = Spec {
    name: "lineage",
    aliases: &[],
    category: Category::Jobs,
    summary: "shows which job came from which, and what changed",
    help: "From the first job of the line down over restores and upgrades: each with the state that it went on from, and\n\
           what is different in its statement, tables and settings. Where several went on from one job, the earlier ones\n\
           stand aside as forks. The job that was asked for has a star.",
    positionals: &[Positional {
        name: "REF",
        kind: Kind::Reference,
        arity: Arity::One,
    }],
    flags: &[],
    example: "!lineage delays",
    one_shot: true,
};

#[async_trait]
impl Command for Lineage {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, session: &mut Session, args: Args) -> Result<Flow, Error> {
        let target = target::resolve(session, args.word(0).unwrap_or_default()).await?;
        let job_id = target.job_id()?;
        let line = line(session, job_id).await?;
        if line.is_empty() {
            let message = format!("the ledger knows nothing of {}", target.job.title());
            return Err(Error::failed(message).hint("!ledger rebuild writes down what the engine has kept"));
        }
        if session.settings.json {
            for member in &line {
                session.ui.json(member)?;
            }
            return Ok(Flow::Continue);
        }
        let mut text = String::new();
        draw(&line, 0, "", job_id, Timestamp::now(), &mut text);
        session.ui.print(&text)?;
        Ok(Flow::Continue)
    }
}

/// How a job came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum How {
    /// From the beginning of its input.
    Submitted,
    Restored,
    /// By `!upgrade`.
    Upgraded,
    /// By an `!upgrade` that did not come up.
    RolledBack,
}

/// A saved state.
#[derive(Debug, Clone, Serialize)]
struct Origin {
    path: String,
    checkpoint_id: Option<u64>,
    label: Option<String>,
    notes: Vec<String>,
}

/// A job of the line.
#[derive(Debug, Clone, Serialize)]
struct Member {
    job_id: JobId,
    name: String,
    parent: Option<JobId>,
    how: How,
    /// Another job has gone on from the same one since.
    fork: bool,
    from: Option<Origin>,
    state: Option<JobState>,
    known: Known,
    started: Timestamp,
    ended: Option<Timestamp>,
    ended_by: Option<EndedBy>,
    sql: String,
    /// What is different from the parent's statement.
    changed: Vec<String>,
    /// What is different from the parent's tables and settings.
    changed_prelude: Vec<String>,
    notes: Vec<String>,
    #[serde(skip)]
    children: Vec<usize>,
}

fn unread(cause: LedgerError) -> Error {
    Error::failed(cause.to_string())
}

/// Every job of the line that one belongs to, oldest first; the first is the one that all others come from.
async fn line(session: &Session, job_id: JobId) -> Result<Vec<Member>, Error> {
    let ledger = &session.ledger;
    let connection = Arc::clone(&session.open()?.connection);
    let url = connection.url.clone();
    let family = ledger.family(job_id).await.map_err(unread)?;
    let mut root = job_id;
    for origin in family.ancestors.iter().filter_map(|origin| origin.job_id) {
        if ledger.job(&url, origin).await.map_err(unread)?.is_none() {
            break;
        }
        root = origin;
    }
    let Some(first) = ledger.job(&url, root).await.map_err(unread)? else {
        return Ok(Vec::new());
    };
    let mut records = vec![first];
    records.extend(ledger.family(root).await.map_err(unread)?.descendants);
    let ids: Vec<JobId> = records.iter().map(JobRecord::job_id).collect();
    let mut how: HashMap<JobId, How> = HashMap::new();
    for upgrade in ledger.upgrades_of(ids.clone()).await.map_err(unread)? {
        how.extend(upgrade.new_job.map(|job| (job, How::Upgraded)));
        how.extend(upgrade.again_job.map(|job| (job, How::RolledBack)));
    }
    let states = ledger.savepoints(ids.clone()).await.map_err(unread)?;
    let mut subjects: Vec<Subject> = ids.iter().map(|id| Subject::JobId(*id)).collect();
    let paths = records.iter().filter_map(|record| record.intent.restored_from.as_ref());
    subjects.extend(
        paths
            .map(|from| Subject::Path(from.path.clone()))
            .collect::<HashSet<_>>(),
    );
    let notes = ledger.notes(subjects).await.map_err(unread)?;
    let notes_of = |is: &dyn Fn(&Subject) -> bool| -> Vec<String> {
        let own = notes.iter().filter(|note| is(&note.subject));
        own.map(|note| note.text.clone()).collect()
    };
    let dialect = session.dialect();
    let places: HashMap<JobId, usize> = ids.iter().enumerate().map(|(place, id)| (*id, place)).collect();
    let mut members: Vec<Member> = Vec::with_capacity(records.len());
    for (place, record) in records.iter().enumerate() {
        let id = record.job_id();
        let from = record.intent.restored_from.as_ref();
        // The root's own origin is a job that the ledger does not hold, or none.
        let parent = from
            .and_then(|from| from.job_id)
            .and_then(|job| places.get(&job).copied());
        let parent = parent.filter(|parent| *parent < place);
        let changed = parent
            .map(|parent| differences(&records[parent], record, &dialect))
            .unwrap_or_default();
        let job = target::as_it_is(record, &connection).await;
        members.push(Member {
            job_id: id,
            name: record.intent.name.clone(),
            parent: parent.map(|parent| ids[parent]),
            how: match from {
                None => How::Submitted,
                Some(_) => how.get(&id).copied().unwrap_or(How::Restored),
            },
            fork: false,
            from: from.map(|from| {
                let key = path_key(&from.path);
                let state = states.iter().find(|state| path_key(&state.path) == key);
                Origin {
                    path: from.path.clone(),
                    checkpoint_id: from
                        .checkpoint_id
                        .or_else(|| state.and_then(|state| state.checkpoint_id)),
                    label: state.and_then(|state| state.label.clone()),
                    notes: notes_of(&|subject| matches!(subject, Subject::Path(path) if path_key(path) == key)),
                }
            }),
            state: job.state,
            known: job.known,
            started: job.started.unwrap_or(record.created),
            ended: job.ended,
            ended_by: job.ended_by,
            sql: record.intent.sql.clone(),
            changed: changed.0,
            changed_prelude: changed.1,
            notes: notes_of(&|subject| *subject == Subject::JobId(id)),
            children: Vec::new(),
        });
        if let Some(parent) = parent {
            for earlier in members[parent].children.clone() {
                members[earlier].fork = true;
            }
            members[parent].children.push(place);
        }
    }
    Ok(members)
}

/// What is different in a job's statement, and in its tables and settings, from those that it came from.
fn differences(before: &JobRecord, after: &JobRecord, dialect: &Dialect) -> (Vec<String>, Vec<String>) {
    let lines = |sql: &str| normal::lines(sql, dialect);
    let (old, new) = (&before.intent, &after.intent);
    let statement = change::lines(&lines(&old.sql), &lines(&new.sql));
    (statement, change::lines(&old.prelude, &new.prelude))
}

/// Draws a job and those that came from it. The newest line goes straight down, forks stand aside.
fn draw(line: &[Member], place: usize, margin: &str, asked: JobId, now: Timestamp, text: &mut String) {
    let member = &line[place];
    let star = if member.job_id == asked { "*" } else { "o" };
    let moment = |time: Timestamp| quantity::moment(time, now, &TimeZone::system());
    let state = match (member.known, member.state, member.ended_by) {
        (Known::Lost, ..) => "lost".to_owned(),
        (_, Some(state), Some(by)) => format!("{state}, {}", format!("{by:?}").to_lowercase()),
        (Known::Unknown, Some(state), None) => format!("was {state}"),
        (_, Some(state), None) => state.to_string(),
        (_, None, _) => "never seen to run".to_owned(),
    };
    let name = sanitize(&member.name);
    let mut add = |mark: &str, line: &str| {
        text.push_str(format!("{margin}{mark} {}", sanitize(line)).trim_end());
        text.push('\n');
    };
    let started = moment(member.started);
    add(star, &format!("{} {name} · {started} · {state}", member.job_id.short()));
    if let Some(from) = &member.from {
        let number = from.checkpoint_id.map(|id| format!(" {id}")).unwrap_or_default();
        let label = from
            .label
            .as_ref()
            .map(|label| format!(" ({label})"))
            .unwrap_or_default();
        let how = match member.how {
            How::Upgraded => "upgraded",
            How::RolledBack => "put back after an upgrade",
            How::Submitted | How::Restored => "restored",
        };
        add("│", &format!("  {how} from{number}{label} {}", from.path));
        for note in &from.notes {
            add("│", &format!("  \"{note}\""));
        }
    }
    if member.parent.is_none() {
        for part in member.sql.lines() {
            add("│", &format!("  {part}"));
        }
    }
    for part in member.changed.iter().chain(&member.changed_prelude) {
        add("│", &format!("  {part}"));
    }
    for note in &member.notes {
        add("│", &format!("  \"{note}\""));
    }
    let Some((newest, forks)) = member.children.split_last() else {
        return;
    };
    for fork in forks {
        text.push_str(&format!("{margin}├─╮\n"));
        draw(line, *fork, &format!("{margin}│ "), asked, now, text);
    }
    draw(line, *newest, margin, asked, now, text);
}
