//! What is said when the prompt comes up: what one is connected to, and which jobs can be brought back.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use skep_engine::{EndedBy, JobState};

use crate::command::target;
use crate::job::{Job, Known, Origin};
use crate::session::Session;
use crate::ui::{quantity, sanitize};

/// At most so many jobs are named.
const NAMED: usize = 3;

/// The version, the connection, where to find help.
pub fn greeting(session: &Session) -> String {
    let connection = session
        .open
        .as_ref()
        .map(|open| format!(" · {} ({})", open.connection.url, open.connection.greeting));
    format!(
        "skep {}{} · !help for commands",
        env!("CARGO_PKG_VERSION"),
        connection.unwrap_or_default()
    )
}

/// The jobs of the connection that were left with a state to go on from; `None` if there are none, or if the engine
/// can't be asked.
pub async fn restorable(session: &Session) -> Option<String> {
    if !session.open.as_ref()?.connection.capabilities.restore {
        return None;
    }
    // Whether the engine can be asked is for whoever asks it for something.
    let part = target::Part::Newest(Some(target::ENOUGH));
    let (all, _) = target::known(session, part).await.ok()?;
    let superseded = target::Superseded::of(&all);
    let jobs: Vec<&Job> = all
        .iter()
        .filter(|job| job.origin != Origin::Session && !superseded.holds(job))
        .filter(|job| how(job).is_some())
        .collect();
    let (first, now) = (jobs.first()?, Timestamp::now());
    let mut named: Vec<String> = jobs.iter().take(NAMED).filter_map(|job| describe(job, now)).collect();
    if jobs.len() > NAMED {
        named.push(format!("{} more (!jobs -a)", jobs.len() - NAMED));
    }
    let what = if jobs.len() == 1 { "job" } else { "jobs" };
    Some(format!(
        "{} {what} can be brought back: {} · !restore {}",
        jobs.len(),
        named.join(", "),
        first.lasting_reference()
    ))
}

/// How the job was left, if there is a state to go on from.
fn how(job: &Job) -> Option<&'static str> {
    let has_state = job.savepoint.is_some() || job.checkpoint_id.is_some() || job.restored_from.is_some();
    match (job.known, job.state, job.ended_by) {
        _ if !has_state => None,
        (Known::Lost, ..) => Some("lost"),
        (Known::Ended, Some(JobState::Failed), _) => Some("failed"),
        (Known::Ended, _, Some(EndedBy::Stopped)) => Some("stopped"),
        _ => None,
    }
}

fn describe(job: &Job, now: Timestamp) -> Option<String> {
    let zone = TimeZone::system();
    let ended = job
        .ended
        .map(|ended| format!(" {}", quantity::moment(ended, now, &zone)));
    let checkpoint = job.checkpoint_id.map(|id| format!(", checkpoint {id}"));
    Some(format!(
        "{} ({}{}{})",
        sanitize(&job.name),
        how(job)?,
        ended.unwrap_or_default(),
        checkpoint.unwrap_or_default()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_a_state_can_be_brought_back() {
        let mut job = Job::new("j".to_owned(), "e".to_owned(), "e:".to_owned(), Origin::Ledger);
        (job.known, job.state, job.ended_by) = (Known::Ended, Some(JobState::Finished), Some(EndedBy::Stopped));
        assert_eq!(how(&job), None);
        job.savepoint = Some("/s".to_owned());
        assert_eq!(how(&job), Some("stopped"));
        job.ended_by = Some(EndedBy::Completed);
        assert_eq!(how(&job), None);
        job.ended_by = Some(EndedBy::Drained);
        assert_eq!(how(&job), None);
        (job.state, job.ended_by) = (Some(JobState::Failed), Some(EndedBy::Failed));
        assert_eq!(how(&job), Some("failed"));
        (job.known, job.state) = (Known::Lost, Some(JobState::Running));
        job.checkpoint_id = Some(7);
        assert_eq!(
            describe(&job, Timestamp::now()).as_deref(),
            Some("j (lost, checkpoint 7)")
        );
        job.known = Known::Live;
        assert_eq!(how(&job), None);
    }
}
