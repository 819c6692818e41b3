//! The jobs that earlier shells left behind and that can be brought back: told once, when a prompt begins.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use skep_engine::{Connection, EndedBy, Savepoint, SavepointKind, Verdict};

use crate::ledger::{self, JobFilter, JobRecord, Ledger};
use crate::session::Session;
use crate::ui::quantity;

/// So many of the newest jobs are looked at: who begins a session thinks of the last ones.
const LOOKED_AT: u32 = 200;

/// So many are named.
const NAMED: usize = 3;

/// So long the prompt waits for them; later they are told of above it.
const PATIENCE: Duration = Duration::from_millis(20);

/// Tells of them.
pub async fn announce(session: &Session) {
    let Some(open) = session
        .open
        .as_ref()
        .filter(|open| open.connection.capabilities.restore)
    else {
        return;
    };
    if session.ui.is_silent() {
        return;
    }
    let (connection, ledger, ui) = (Arc::clone(&open.connection), session.ledger.clone(), session.ui.clone());
    let told = tokio::spawn(async move {
        if let Some(line) = line(&find(&connection, &ledger).await) {
            ui.note(&line);
        }
    });
    // The task goes on without us.
    let _ = tokio::time::timeout(PATIENCE, told).await;
}

/// A job that can be brought back, and what became of it.
struct Restorable {
    name: String,
    fate: String,
}

async fn find(connection: &Connection, ledger: &Ledger) -> Vec<Restorable> {
    let filter = JobFilter {
        url: Some(connection.url.clone()),
        limit: Some(LOOKED_AT),
        ..JobFilter::default()
    };
    // A ledger that can't be read has been told of.
    let records = ledger.jobs(filter).await.unwrap_or_default();
    let gone_on = ledger::superseded(&records);
    // `!restore NAME` means the newest of that name.
    let mut names = HashSet::new();
    let mut found = Vec::new();
    for record in &records {
        if !names.insert(record.intent.name.as_str()) || gone_on.contains(&record.job_id()) {
            continue;
        }
        let fate = match record
            .last
            .as_ref()
            .map(|last| (last.state.is_terminal(), last.ended_by))
        {
            Some((true, Some(EndedBy::Stopped))) => stopped(record, ledger).await,
            Some((true, _)) => None,
            _ => lost(connection, record).await,
        };
        if let Some(fate) = fate {
            let name = record.intent.name.clone();
            found.push(Restorable { name, fate });
        }
    }
    found
}

/// `stopped 14:03:11, savepoint 6`.
async fn stopped(record: &JobRecord, ledger: &Ledger) -> Option<String> {
    let savepoints = ledger.savepoints(vec![record.job_id()]).await.unwrap_or_default();
    let own = |state: &&Savepoint| state.kind == SavepointKind::Savepoint && state.job_id == Some(record.job_id());
    let newest = savepoints.iter().find(own);
    if newest.is_some_and(|savepoint| savepoint.verdict == Verdict::Gone) {
        return None;
    }
    let ended = record.last.as_ref().and_then(|last| last.ended);
    let ended = ended.map(|at| format!(" {}", quantity::moment(at, Timestamp::now(), &TimeZone::system())));
    let number = newest.and_then(|savepoint| savepoint.checkpoint_id);
    let number = number.map(|number| format!(", savepoint {number}"));
    Some(format!(
        "stopped{}{}",
        ended.unwrap_or_default(),
        number.unwrap_or_default()
    ))
}

/// `lost, checkpoint 4`, if nobody runs it any more and it left something behind.
async fn lost(connection: &Connection, record: &JobRecord) -> Option<String> {
    let jobs = connection.jobs.as_ref()?;
    let status = jobs.status(&record.job_id()).await.ok().filter(|status| status.lost)?;
    match (status.last_checkpoint, status.savepoint, &record.intent.restored_from) {
        (Some((number, _)), ..) => Some(format!("lost, checkpoint {number}")),
        (None, Some(_), _) => Some("lost, a savepoint".to_owned()),
        (None, None, Some(_)) => Some("lost, as it was restored".to_owned()),
        (None, None, None) => None,
    }
}

fn line(found: &[Restorable]) -> Option<String> {
    let first = found.first()?;
    let named: Vec<_> = found
        .iter()
        .take(NAMED)
        .map(|job| format!("{} ({})", job.name, job.fate))
        .collect();
    let more = match found.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more, see !jobs -a"),
    };
    Some(format!(
        "{} can be brought back: {}{more} · !restore {}",
        quantity::counted(found.len() as u64, "job", "jobs"),
        named.join(", "),
        if found.len() == 1 { &first.name } else { "NAME" },
    ))
}
