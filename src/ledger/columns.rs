//! How values stand in the database's columns.

use jiff::Timestamp;
use rusqlite::Row;
use rusqlite::types::Type;
use serde::Serialize;
use serde::de::DeserializeOwned;
use skep_engine::{JobId, Lineage, OperationId, Savepoint};

use super::record::{Intent, JobRecord, LastKnown, Outcome, Plan, Submission};

/// The sorts of facts that are kept of a job by name.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fact {
    Circumstance,
    Object,
}

impl Fact {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Circumstance => "circumstance",
            Self::Object => "object",
        }
    }
}

/// A value that can't be written.
pub(super) fn unfit(error: serde_json::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(error))
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error))
}

/// The word that stands for the value in JSON, too.
pub(super) fn word(value: &impl Serialize) -> rusqlite::Result<String> {
    let text = serde_json::to_string(value).map_err(unfit)?;
    Ok(text.trim_matches('"').to_owned())
}

/// A value that was written as JSON.
pub(super) fn parse_json<T: DeserializeOwned>(text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(unreadable)
}

fn parse_word<T: DeserializeOwned>(word: String) -> rusqlite::Result<T> {
    serde_json::from_value(serde_json::Value::String(word)).map_err(unreadable)
}

/// A job id as it stands in a column.
pub(super) fn parse_id(text: &str) -> rusqlite::Result<JobId> {
    text.parse().map_err(unreadable)
}

pub(super) fn timestamp(microseconds: i64) -> rusqlite::Result<Timestamp> {
    Timestamp::from_microsecond(microseconds).map_err(unreadable)
}

/// The value as it comes back: times have microseconds.
pub(super) fn at_stored_precision(last: LastKnown) -> LastKnown {
    let cut = |time: Timestamp| Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time);
    LastKnown {
        as_of: cut(last.as_of),
        started: last.started.map(cut),
        ended: last.ended.map(cut),
        ..last
    }
}

/// The outcome's word and message.
pub(super) fn outcome(outcome: &Outcome) -> (&'static str, Option<&str>) {
    match outcome {
        Outcome::Open => ("open", None),
        Outcome::Accepted => ("accepted", None),
        Outcome::Refused(message) => ("refused", Some(message)),
        Outcome::Unknown(message) => ("unknown", Some(message)),
        Outcome::NeverArrived => ("never_arrived", None),
    }
}

fn parse_outcome(word: &str, message: Option<String>) -> rusqlite::Result<Outcome> {
    let message = message.unwrap_or_default();
    match word {
        "open" => Ok(Outcome::Open),
        "accepted" => Ok(Outcome::Accepted),
        "refused" => Ok(Outcome::Refused(message)),
        "unknown" => Ok(Outcome::Unknown(message)),
        "never_arrived" => Ok(Outcome::NeverArrived),
        other => Err(unreadable(std::io::Error::other(format!("no outcome {other:?}")))),
    }
}

/// The columns that [`job`] reads, from `job` left-joined to `shell`.
pub(super) const JOB: &str = "job.seq, job.job_id, job.url, job.engine, job.name, job.sql, job.restored_path, \
    job.restored_job, job.restored_checkpoint, job.created, shell.pid AS shell_pid, job.outcome, job.message, \
    job.cluster_id, job.operation_id, job.state, job.as_of, job.started, job.ended, job.ended_by, job.error, \
    job.claim, job.plan_path, job.plan_sha256, job.is_query";

/// A job without its prelude.
pub(super) fn job(row: &Row<'_>) -> rusqlite::Result<JobRecord> {
    let intent = Intent {
        job_id: parse_id(&row.get::<_, String>("job_id")?)?,
        url: row.get("url")?,
        engine: row.get("engine")?,
        name: row.get("name")?,
        sql: row.get("sql")?,
        prelude: Vec::new(),
        restored_from: origin(row)?,
        submission: submission(row)?,
    };
    Ok(JobRecord {
        intent,
        outcome: parse_outcome(&row.get::<_, String>("outcome")?, row.get("message")?)?,
        cluster_id: row.get("cluster_id")?,
        operation_id: row.get::<_, Option<String>>("operation_id")?.map(OperationId),
        created: timestamp(row.get("created")?)?,
        shell_pid: row.get("shell_pid")?,
        last: last(row)?,
    })
}

/// How it was submitted, without the facts that are kept apart.
fn submission(row: &Row<'_>) -> rusqlite::Result<Submission> {
    let claim: Option<String> = row.get("claim")?;
    let path: Option<String> = row.get("plan_path")?;
    let sha256 = row.get("plan_sha256")?;
    Ok(Submission {
        claim: claim.map(parse_word).transpose()?.unwrap_or_default(),
        plan: path.map(|path| Plan { path, sha256 }),
        is_query: row.get("is_query")?,
        ..Submission::default()
    })
}

/// What it was restored from.
pub(super) fn origin(row: &Row<'_>) -> rusqlite::Result<Option<Lineage>> {
    let Some(path) = row.get("restored_path")? else {
        return Ok(None);
    };
    let job_id: Option<String> = row.get("restored_job")?;
    Ok(Some(Lineage {
        job_id: job_id.map(|text| parse_id(&text)).transpose()?,
        checkpoint_id: row
            .get::<_, Option<i64>>("restored_checkpoint")?
            .map(i64::cast_unsigned),
        path,
    }))
}

fn last(row: &Row<'_>) -> rusqlite::Result<Option<LastKnown>> {
    let (Some(state), Some(as_of)) = (row.get::<_, Option<String>>("state")?, row.get("as_of")?) else {
        return Ok(None);
    };
    let time = |column: &str| row.get::<_, Option<i64>>(column)?.map(timestamp).transpose();
    Ok(Some(LastKnown {
        state: parse_word(state)?,
        as_of: timestamp(as_of)?,
        started: time("started")?,
        ended: time("ended")?,
        ended_by: row.get::<_, Option<String>>("ended_by")?.map(parse_word).transpose()?,
        error: row.get("error")?,
    }))
}

/// A savepoint, from all columns of `savepoint`.
pub(super) fn savepoint(row: &Row<'_>) -> rusqlite::Result<Savepoint> {
    let job_id: Option<String> = row.get("job_id")?;
    let unsigned = |column: &str| {
        row.get::<_, Option<i64>>(column)
            .map(|value| value.map(i64::cast_unsigned))
    };
    Ok(Savepoint {
        path: row.get("path")?,
        kind: parse_word(row.get("kind")?)?,
        job_id: job_id.map(|text| parse_id(&text)).transpose()?,
        checkpoint_id: unsigned("checkpoint_id")?,
        taken: row.get::<_, Option<i64>>("taken")?.map(timestamp).transpose()?,
        size: unsigned("size")?,
        format_version: row.get("format_version")?,
        label: row.get("label")?,
        verdict: parse_word(row.get("verdict")?)?,
        reasons: serde_json::from_str(&row.get::<_, String>("reasons")?).map_err(unreadable)?,
        sources: vec!["ledger".to_owned()],
    })
}
