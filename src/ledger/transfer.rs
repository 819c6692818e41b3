//! A ledger as lines, which another ledger takes in.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};
use skep_engine::Savepoint;

use super::error::Result;
use super::note::{self, Note};
use super::record::{JobRecord, Outcome, Submission};
use super::store::{Failure, Store, insert, later, replace, save, step, update_last, write_submission};
use super::upgrade::{self, Taking, Upgrade};
use super::{columns, query};

/// The version of the lines that are written here.
pub const VERSION: u32 = 1;

/// How many entries of each sort come at a time.
const PAGE: i64 = 1_000;

/// An entry of a ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Line {
    /// The first one.
    Ledger {
        /// The version of the lines.
        version: u32,
    },
    /// A statement that started a job, or may have.
    Job(Box<Ran>),
    /// A savepoint or checkpoint.
    Savepoint(Box<Saved>),
    /// An upgrade.
    Upgrade(Box<Upgraded>),
    /// A note.
    Note(Note),
}

/// A job with all that is known of how it was submitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ran {
    /// It.
    #[serde(flatten)]
    pub record: JobRecord,
    /// How it was submitted.
    pub submission: Submission,
}

/// A savepoint with where it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// The connection's URL.
    pub url: String,
    /// When it was written down; not in the oldest exports.
    pub recorded: Option<Timestamp>,
    /// It.
    #[serde(flatten)]
    pub savepoint: Savepoint,
}

/// An upgrade with the steps that it has taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upgraded {
    /// It.
    #[serde(flatten)]
    pub upgrade: Upgrade,
    /// Its steps, in order; not in the oldest exports.
    #[serde(default)]
    pub steps: Vec<Taking>,
}

/// How far an export has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    sort: usize,
    after: i64,
}

/// How many entries a ledger has taken in that it did not hold as they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// Jobs.
    pub jobs: u64,
    /// Savepoints and checkpoints.
    pub savepoints: u64,
    /// Upgrades.
    pub upgrades: u64,
    /// Notes.
    pub notes: u64,
}

impl Taken {
    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            jobs: self.jobs + other.jobs,
            savepoints: self.savepoints + other.savepoints,
            upgrades: self.upgrades + other.upgrades,
            notes: self.notes + other.notes,
        }
    }
}

impl Store {
    /// The next entries of an export, and where it goes on; `None` at its end.
    pub fn export(&self, place: Place) -> Result<(Vec<Line>, Option<Place>)> {
        let Place { sort, after } = place;
        let (lines, last) = self.read(|connection| {
            let mut lines = Vec::new();
            let mut last = after;
            match sort {
                0 => {
                    let condition = "job.seq > ?1 ORDER BY job.seq LIMIT ?2";
                    let jobs = query::select_numbered(connection, condition, params![after, PAGE])?;
                    for (sequence, mut record) in jobs {
                        last = sequence;
                        let whole = query::job(connection, &record.intent.url, &record.job_id())?;
                        let submission = whole.map(|job| job.intent.submission).unwrap_or_default();
                        record.intent.submission = Submission::default();
                        // Of the processes elsewhere it says nothing.
                        record.shell_pid = None;
                        lines.push(Line::Job(Box::new(Ran { record, submission })));
                    }
                }
                1 => {
                    let mut statement = connection.prepare_cached(
                        "SELECT rowid AS number, * FROM savepoint WHERE rowid > ?1 ORDER BY rowid LIMIT ?2",
                    )?;
                    let mut rows = statement.query(params![after, PAGE])?;
                    while let Some(row) = rows.next()? {
                        last = row.get("number")?;
                        let saved = Saved {
                            url: row.get("url")?,
                            recorded: Some(columns::timestamp(row.get("recorded")?)?),
                            savepoint: columns::savepoint(row)?,
                        };
                        lines.push(Line::Savepoint(Box::new(saved)));
                    }
                }
                2 => {
                    let mut statement = connection.prepare_cached(
                        "SELECT rowid AS number, * FROM upgrade WHERE rowid > ?1 ORDER BY rowid LIMIT ?2",
                    )?;
                    let mut rows = statement.query(params![after, PAGE])?;
                    while let Some(row) = rows.next()? {
                        last = row.get("number")?;
                        let upgrade = upgrade::read(row)?;
                        let steps = upgrade::steps(connection, &upgrade.id)?;
                        lines.push(Line::Upgrade(Box::new(Upgraded { upgrade, steps })));
                    }
                }
                _ => {
                    let mut statement =
                        connection.prepare_cached("SELECT * FROM note WHERE id > ?1 ORDER BY id LIMIT ?2")?;
                    let mut rows = statement.query(params![after, PAGE])?;
                    while let Some(row) = rows.next()? {
                        last = row.get("id")?;
                        lines.push(Line::Note(note::read(row)?));
                    }
                }
            }
            Ok((lines, last))
        })?;
        let next = match (lines.is_empty(), sort) {
            (false, _) => Some(Place { sort, after: last }),
            (true, 0..=2) => Some(Place {
                sort: sort + 1,
                after: 0,
            }),
            (true, _) => None,
        };
        Ok((lines, next))
    }

    /// Takes in entries of another ledger, all or none: what is not there is added, what is there is completed, and
    /// nothing that is known is lost. Doing so again changes nothing.
    pub fn take_in(&mut self, lines: &[Line]) -> Result<Taken> {
        self.write(&step!("merged"), |transaction| {
            let mut taken = Taken::default();
            for line in lines {
                match line {
                    Line::Ledger { .. } => {}
                    Line::Job(ran) => {
                        let mut job = ran.record.clone();
                        job.intent.submission = ran.submission.clone();
                        taken.jobs += u64::from(take_job(transaction, &job)?);
                    }
                    Line::Savepoint(saved) => taken.savepoints += u64::from(take_savepoint(transaction, saved)?),
                    Line::Upgrade(upgraded) => {
                        taken.upgrades += u64::from(upgrade::take_in(transaction, upgraded)?);
                    }
                    Line::Note(note) => {
                        let before = transaction.total_changes();
                        note::insert(transaction, note)?;
                        taken.notes += transaction.total_changes() - before;
                    }
                }
            }
            Ok(taken)
        })
    }
}

fn take_job(transaction: &Transaction<'_>, job: &JobRecord) -> Result<bool, Failure> {
    let (url, id) = (&job.intent.url, job.job_id());
    let Some(sequence) = query::own_sequence(transaction, url, &id)? else {
        // Its shell is another machine's, or of another home: nobody here can tell whether it is alive.
        let outcome = match &job.outcome {
            Outcome::Open => Outcome::Unknown("it was taken over from another ledger before that was known".to_owned()),
            other => other.clone(),
        };
        insert(transaction, &job.intent, &outcome, job.created, None)?;
        let Some(sequence) = query::own_sequence(transaction, url, &id)? else {
            return Ok(false);
        };
        write_origin(transaction, sequence, job)?;
        if let Some(last) = &job.last {
            update_last(transaction, sequence, last)?;
        }
        return Ok(true);
    };
    let Some(known) = query::job(transaction, url, &id)? else {
        return Ok(false);
    };
    let last = match (known.last.clone(), job.last.clone()) {
        (known, Some(seen)) => Some(later(known, seen)),
        (known, None) => known,
    };
    let mut merged = JobRecord {
        last,
        cluster_id: known.cluster_id.clone().or_else(|| job.cluster_id.clone()),
        operation_id: known.operation_id.clone().or_else(|| job.operation_id.clone()),
        ..known.clone()
    };
    // What an engine has written down of a job says nothing of how it was submitted.
    if known.intent.submission == Submission::default() {
        merged.intent.submission = job.intent.submission.clone();
    }
    if known.outcome.is_unsettled() && !job.outcome.is_unsettled() {
        merged.outcome = job.outcome.clone();
    }
    if merged == known {
        return Ok(false);
    }
    write_origin(transaction, sequence, &merged)?;
    if merged.intent.submission != known.intent.submission {
        write_submission(transaction, sequence, &merged.intent.submission)?;
    }
    if merged.outcome == Outcome::Accepted {
        replace(transaction, sequence, &merged)?;
        return Ok(true);
    }
    let (word, message) = columns::outcome(&merged.outcome);
    transaction.execute(
        "UPDATE job SET outcome = ?2, message = ?3 WHERE seq = ?1",
        params![sequence, word, message],
    )?;
    if let Some(last) = &merged.last {
        update_last(transaction, sequence, last)?;
    }
    Ok(true)
}

/// Writes by what the engine knows it.
fn write_origin(transaction: &Transaction<'_>, sequence: i64, job: &JobRecord) -> Result<(), Failure> {
    transaction.execute(
        "UPDATE job SET cluster_id = ?2, operation_id = ?3 WHERE seq = ?1",
        params![
            sequence,
            job.cluster_id,
            job.operation_id.as_ref().map(|operation| &operation.0)
        ],
    )?;
    Ok(())
}

fn take_savepoint(transaction: &Transaction<'_>, saved: &Saved) -> Result<bool, Failure> {
    let mut savepoint = saved.savepoint.clone();
    let key = crate::savepoint::path_key(&savepoint.path).into_owned();
    let known = transaction
        .query_row(
            "SELECT url, * FROM savepoint WHERE key = ?1",
            [&key],
            columns::savepoint,
        )
        .optional()?;
    if let Some(known) = known {
        // What is known here of it is not undone by an older word.
        if known.label.is_some() {
            savepoint.label = None;
        }
        savepoint.verdict = known.verdict;
        savepoint.reasons.clone_from(&known.reasons);
        let adds = (known.label.is_none() && savepoint.label.is_some())
            || (known.job_id.is_none() && savepoint.job_id.is_some())
            || (known.taken.is_none() && savepoint.taken.is_some())
            || (known.size.is_none() && savepoint.size.is_some())
            || (known.checkpoint_id.is_none() && savepoint.checkpoint_id.is_some());
        if !adds {
            return Ok(false);
        }
        savepoint.job_id = known.job_id.or(savepoint.job_id);
        savepoint.taken = known.taken.or(savepoint.taken);
        savepoint.size = known.size.or(savepoint.size);
        savepoint.checkpoint_id = known.checkpoint_id.or(savepoint.checkpoint_id);
    }
    // A label that another state of the family has by now stays there.
    if let Some(label) = savepoint.label.take() {
        let holder: Option<String> = transaction
            .query_row(
                "SELECT path FROM savepoint WHERE label = ?1 AND key <> ?2 AND job_id IS ?3",
                params![label, key, savepoint.job_id.map(|job| job.to_string())],
                |row| row.get(0),
            )
            .optional()?;
        savepoint.label = holder.is_none().then_some(label);
    }
    save(
        transaction,
        &saved.url,
        &savepoint,
        saved.recorded.unwrap_or_else(Timestamp::now),
    )?;
    Ok(true)
}
