//! Which job a command means.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use skep_engine::{Connection, EngineError, ErrorKind, JobControl, JobId, JobSummary};

use crate::error::Error;
use crate::job::reference::{self, Candidate, Reference, ReferenceError};
use crate::job::{Entry, Job, Known, Origin};
use crate::ledger::{JobFilter, JobRecord, LedgerError};
use crate::session::{self, Session};
use crate::ui::sanitize;

/// A job that a command is about.
#[derive(Debug, Clone)]
pub struct Target {
    /// What is known of it.
    pub job: Job,
    /// Where it is.
    pub connection: Arc<Connection>,
    /// Its entry in the session's table, if it has one.
    pub entry: Option<Entry>,
}

impl Target {
    fn of_entry(entry: Entry) -> Self {
        Self {
            job: entry.job.clone(),
            connection: Arc::clone(&entry.connection),
            entry: Some(entry),
        }
    }

    /// Its engine's id.
    ///
    /// # Errors
    /// The statement has started no job.
    pub fn job_id(&self) -> Result<JobId, Error> {
        let none = || {
            Error::failed(format!(
                "{} is a statement without a job: it has no state",
                self.job.title()
            ))
        };
        self.job.job_id.ok_or_else(none)
    }

    /// The job verbs of its connection.
    ///
    /// # Errors
    /// The connection has none.
    pub fn control(&self) -> Result<Arc<dyn JobControl>, Error> {
        session::job_control(&self.connection)
    }
}

/// What is said when no job of this session runs: on the command line there is hardly a session.
pub fn none_runs(session: &Session) -> &'static str {
    if session.settings.one_shot {
        "no job was named, and this command has started none"
    } else {
        "no job of this session runs"
    }
}

/// The job that a word means: of this session first, then of the ledger and of the engine.
///
/// # Errors
/// There is none, or there are several, or a signal came.
pub async fn resolve(session: &Session, word: &str) -> Result<Target, Error> {
    session.unless_interrupted(find(session, word)).await
}

async fn find(session: &Session, word: &str) -> Result<Target, Error> {
    let reference: Reference = word.parse()?;
    let refused = |error: ReferenceError| match session.settings.one_shot {
        true => error.on_command_line(),
        false => error.into(),
    };
    let entries = session.jobs.entries();
    let (last, previous) = session.jobs.recent();
    let own: Vec<Job> = entries.iter().map(|entry| entry.job.clone()).collect();
    match reference::resolve(&reference, &candidates(&own), last, previous) {
        Ok(index) => {
            return Ok(Target::of_entry(entries[index].clone()));
        }
        Err(error @ ReferenceError::Ambiguous { .. }) => return Err(refused(error)),
        Err(error) => {
            if !matches!(reference, Reference::Word(_)) {
                return Err(refused(error));
            }
        }
    }
    let connection = Arc::clone(&session.open()?.connection);
    let mut unasked = None;
    if let Ok(job_id) = word.parse::<JobId>()
        && let Some(jobs) = &connection.jobs
    {
        match ask_by_id(session, &connection, jobs.as_ref(), job_id).await {
            // A whole id that the engine knows needs no list.
            Ok(job) => {
                return Ok(Target {
                    job,
                    connection,
                    entry: None,
                });
            }
            Err(error) => unasked = (error.kind != ErrorKind::NotFound).then_some(error),
        }
    }
    let (known, unlisted) = gather(session, Part::Meant(word)).await?;
    if let Some(error) = unlisted {
        session.ui.warn(&error.message);
    }
    let index = match (reference::resolve(&reference, &candidates(&known), None, None), unasked) {
        (Ok(index), _) => index,
        // The engine has said why nothing can be said of the job.
        (Err(ReferenceError::NotFound { .. }), Some(error)) => return Err(error.into()),
        (Err(error @ ReferenceError::NotFound { .. }), None) => {
            let job = left_behind(session, &connection, word).await;
            return Ok(Target {
                job: job.ok_or_else(|| refused(error))?,
                connection,
                entry: None,
            });
        }
        (Err(error), _) => return Err(refused(error)),
    };
    let mut job = known[index].clone();
    // A list says less of a job than the engine does when it is asked for this one.
    if let (Some(jobs), Some(job_id)) = (&connection.jobs, job.job_id)
        && let Ok(status) = jobs.status(&job_id).await
    {
        job.apply(&status);
    }
    Ok(Target {
        job,
        connection,
        entry: None,
    })
}

/// The job's name, and behind it its id where several jobs of that name are known.
///
/// # Errors
/// A signal came.
pub async fn told_apart(session: &Session, target: &Target) -> Result<String, Error> {
    let name = sanitize(&target.job.name);
    let (known, _) = known(session, Part::Meant(&target.job.name)).await?;
    let is_other = |job: &Job| job.name == target.job.name && job.job_id != target.job.job_id;
    Ok(match target.job.job_id.filter(|_| known.iter().any(is_other)) {
        Some(id) => format!("{name} (job {})", id.short()),
        None => name.into_owned(),
    })
}

/// A job of which nothing is known but the states that it has left, by its id or the beginning of it.
async fn left_behind(session: &Session, connection: &Connection, word: &str) -> Option<Job> {
    let word = word.to_ascii_lowercase();
    if word.len() < reference::SHORTEST_PREFIX || !word.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let states = super::gather::gather(connection, &session.ledger, None, &[])
        .await
        .ok()?;
    let ids = states.iter().filter_map(|state| state.job_id);
    let mut meant: Vec<JobId> = ids.filter(|id| id.to_string().starts_with(&word)).collect();
    meant.sort();
    meant.dedup();
    let [job_id] = meant[..] else { return None };
    let mut job = Job::new(
        job_id.short(),
        connection.label.clone(),
        connection.url.clone(),
        Origin::Ledger,
    );
    (job.job_id, job.known) = (Some(job_id), Known::Unknown);
    Some(job)
}

/// The jobs that the words mean; without a word, all that run in this session.
///
/// # Errors
/// A word means none or several.
pub async fn resolve_all(session: &Session, words: &[String]) -> Result<Vec<Target>, Error> {
    let mut targets: Vec<Target> = Vec::new();
    for word in words {
        let target = resolve(session, word).await?;
        if !targets
            .iter()
            .any(|other| other.job.job_id == target.job.job_id && other.job.handle == target.job.handle)
        {
            targets.push(target);
        }
    }
    Ok(targets)
}

/// So many jobs are enough for somebody who looks at a list.
pub const ENOUGH: u32 = 1_000;

/// Which jobs of the ledger are wanted.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a> {
    /// Those that a word may mean.
    Meant(&'a str),
    /// The newest so many, or all.
    Newest(Option<u32>),
}

/// The jobs that the current connection's engine, the ledger and this session know, newest first; and why the engine
/// could not be asked, if so.
///
/// # Errors
/// There is no connection, or a signal came.
pub async fn known(session: &Session, part: Part<'_>) -> Result<(Vec<Job>, Option<Error>), Error> {
    session.unless_interrupted(gather(session, part)).await
}

async fn gather(session: &Session, part: Part<'_>) -> Result<(Vec<Job>, Option<Error>), Error> {
    let connection = Arc::clone(&session.open()?.connection);
    let (listed, unlisted): (Option<Vec<JobSummary>>, Option<Error>) = match &connection.jobs {
        Some(jobs) => match jobs.list().await {
            Ok(listed) => (Some(listed), None),
            Err(error) => {
                let what = format!("{} could not be asked for its jobs", connection.label);
                (None, Some(Error::from(error).within(&what)))
            }
        },
        None => (None, None),
    };
    // An archive that can't be asked is as good as none: what it would add has ended.
    let archived = match &connection.jobs {
        Some(jobs) => jobs.archived().await.unwrap_or_default(),
        None => Vec::new(),
    };
    // The engine's own word goes before the archive's.
    let summaries: HashMap<JobId, &JobSummary> = archived
        .iter()
        .chain(listed.iter().flatten())
        .map(|summary| (summary.job_id, summary))
        .collect();
    let recorded = match part {
        Part::Meant(word) => session.ledger.find(word, Some(&connection.url)).await,
        Part::Newest(limit) => {
            let filter = JobFilter {
                url: Some(connection.url.clone()),
                limit,
                brief: true,
                ..JobFilter::default()
            };
            session.ledger.jobs(filter).await
        }
    };
    let recorded = recorded.unwrap_or_else(|cause| {
        // Damage is said with what follows from it.
        if !matches!(cause, LedgerError::Damaged { .. }) {
            session.ui.warn(&format!("the ledger could not be read: {cause}"));
        }
        Vec::new()
    });
    let mut jobs: Vec<Job> = session
        .jobs
        .entries()
        .into_iter()
        .map(|entry| entry.job)
        .rev()
        .collect();
    for job in jobs
        .iter_mut()
        .filter(|job| job.known == Known::Live && job.url == connection.url)
    {
        // Who watches it may not have heard yet of a checkpoint that was asked for just now.
        let summary = job.job_id.and_then(|id| summaries.get(&id));
        if let Some((id, taken)) = summary.and_then(|summary| summary.status.last_checkpoint)
            && job.checkpoint_id.is_none_or(|known| known < id)
        {
            job.checkpoint_id = Some(id);
            job.checkpoint_taken = Some(taken);
        }
    }
    let mut known: HashSet<JobId> = jobs.iter().filter_map(|job| job.job_id).collect();
    let mut others = Vec::new();
    for record in &recorded {
        if !known.insert(record.job_id()) {
            continue;
        }
        let mut job = from_record(record, &connection);
        match summaries.get(&record.job_id()) {
            // An engine that has lost what it knew does not undo an end that was seen.
            Some(summary) if summary.status.lost && job.known == Known::Ended => {}
            Some(summary) => {
                if summary.status.state.is_terminal() && !summary.status.lost && job.known != Known::Ended {
                    // The engine will not know it for ever.
                    session
                        .ledger
                        .status(&connection.url, summary.job_id, summary.status.clone());
                }
                job.apply(&summary.status);
                job.cluster_id = job.cluster_id.or_else(|| summary.cluster_id.clone());
            }
            None if job.known == Known::Ended || job.known == Known::Lost => {}
            // It may be on its way, from another shell, or never have arrived.
            None if record.outcome.is_unsettled() => {}
            None if listed.is_some() && would_be_known(&job, connection.capabilities.forgets_jobs_after) => {
                job.known = Known::Lost;
            }
            None => job.known = Known::Unknown,
        }
        others.push(job);
    }
    for summary in listed.iter().flatten().chain(&archived) {
        if known.insert(summary.job_id) {
            let mut job = from_summary(summary, &connection);
            // An older one that was not asked for: the ledger knows it all the same.
            if let Part::Newest(Some(_)) = part
                && let Ok(Some(record)) = session.ledger.job(&connection.url, summary.job_id).await
            {
                job = from_record(&record, &connection);
                job.apply(&summary.status);
            }
            others.push(job);
        }
    }
    others.sort_by_key(|job| std::cmp::Reverse(job.started));
    jobs.extend(others);
    Ok((jobs, unlisted))
}

/// Whether an engine that forgets jobs so long after their end would still know this one if it had ended: it ran later
/// than that ago.
fn would_be_known(job: &Job, forgets_after: Option<Duration>) -> bool {
    let Some(forgets_after) = forgets_after else {
        return true;
    };
    let ran = job.as_of.max(job.checkpoint_taken).max(job.started);
    // What is still to come, by a clock that is ahead of this one, was a moment ago.
    let since = |ran| Duration::try_from(Timestamp::now().duration_since(ran)).unwrap_or_default();
    ran.is_some_and(|ran| since(ran) < forgets_after)
}

/// The job of that id, if the engine knows it: a whole id needs no list.
async fn ask_by_id(
    session: &Session,
    connection: &Connection,
    jobs: &dyn JobControl,
    job_id: JobId,
) -> Result<Job, EngineError> {
    if let Ok(Some(record)) = session.ledger.job(&connection.url, job_id).await {
        let mut job = from_record(&record, connection);
        job.apply(&jobs.status(&job_id).await?);
        return Ok(job);
    }
    // Its name is the engine's to tell.
    let detail = jobs.detail(&job_id).await?;
    Ok(from_summary(&detail.summary, connection))
}

/// A job of the ledger as it is now: one that had not ended when it was last seen is asked for.
pub async fn as_it_is(record: &JobRecord, connection: &Connection) -> Job {
    let mut job = from_record(record, connection);
    let jobs = connection.jobs.as_ref().filter(|_| record.intent.url == connection.url);
    if job.known == Known::Ended {
        return job;
    }
    let Some(jobs) = jobs else {
        job.doubt();
        return job;
    };
    match jobs.status(&record.job_id()).await {
        Ok(status) => job.apply(&status),
        Err(error) if error.kind == ErrorKind::NotFound && !record.outcome.is_unsettled() => {
            let is_lost = would_be_known(&job, connection.capabilities.forgets_jobs_after);
            job.known = if is_lost { Known::Lost } else { Known::Unknown };
        }
        Err(_) => job.known = Known::Unknown,
    }
    job
}

/// A job that the engine tells of, and the ledger does not.
fn from_summary(summary: &JobSummary, connection: &Connection) -> Job {
    let mut job = Job::new(
        summary.name.clone(),
        connection.label.clone(),
        connection.url.clone(),
        Origin::Cluster,
    );
    job.job_id = Some(summary.job_id);
    job.cluster_id.clone_from(&summary.cluster_id);
    job.apply(&summary.status);
    job
}

fn from_record(record: &JobRecord, connection: &Connection) -> Job {
    let intent = &record.intent;
    let mut job = Job::new(
        intent.name.clone(),
        connection.label.clone(),
        intent.url.clone(),
        Origin::Ledger,
    );
    job.job_id = Some(intent.job_id);
    job.cluster_id.clone_from(&record.cluster_id);
    job.sql = Some(intent.sql.clone());
    job.started = Some(record.created);
    job.restored_from = intent.restored_from.as_ref().map(|lineage| lineage.path.clone());
    if let Some(last) = &record.last {
        job.state = Some(last.state);
        job.as_of = Some(last.as_of);
        job.started = last.started.or(job.started);
        job.ended = last.ended;
        job.ended_by = last.ended_by;
        job.error.clone_from(&last.error);
        job.known = if last.state.is_terminal() {
            Known::Ended
        } else {
            Known::Live
        };
    }
    job
}

/// The runs of each name: its name means the one that runs or, where none of them does, the one that did so last.
#[derive(Debug, Default)]
pub struct Superseded<'a> {
    runs: HashMap<&'a str, Runs>,
}

#[derive(Debug, Default)]
struct Runs {
    goes_on: bool,
    last: (Option<Timestamp>, Option<Timestamp>),
}

impl<'a> Superseded<'a> {
    /// Of these jobs.
    pub fn of(jobs: &'a [Job]) -> Self {
        let mut runs: HashMap<&str, Runs> = HashMap::new();
        for job in jobs {
            let runs = runs.entry(&job.name).or_default();
            runs.goes_on |= goes_on(job);
            runs.last = runs.last.max(last_ran(job));
        }
        Self { runs }
    }

    /// Whether a later run has taken this one's place.
    pub fn holds(&self, job: &Job) -> bool {
        let runs = self.runs.get(job.name.as_str());
        !goes_on(job) && runs.is_some_and(|runs| runs.goes_on || runs.last > last_ran(job))
    }
}

/// Until when it ran, as far as that is known, and since when. When it was looked at says nothing of one that is lost.
fn last_ran(job: &Job) -> (Option<Timestamp>, Option<Timestamp>) {
    let until = match job.known {
        Known::Ended => job.ended.or(job.started),
        _ => job.checkpoint_taken.max(job.started),
    };
    (until, job.started)
}

/// Of one that another shell submitted and nobody has heard of it is not known that it ever ran.
fn goes_on(job: &Job) -> bool {
    job.is_active() && (job.state.is_some() || job.origin == Origin::Session)
}

fn candidates(jobs: &[Job]) -> Vec<Candidate> {
    let superseded = Superseded::of(jobs);
    let candidate = |job: &Job| Candidate {
        handle: job.handle,
        job_id: job.job_id,
        operation: None,
        name: job.name.clone(),
        superseded: superseded.holds(job),
    };
    jobs.iter().map(candidate).collect()
}

#[cfg(test)]
mod tests {
    use skep_engine::{JobState, JobStatus};

    use super::*;

    fn job(handle: u32, state: JobState) -> Job {
        let mut job = Job::new(
            "delays".to_owned(),
            "engine".to_owned(),
            "engine:".to_owned(),
            Origin::Session,
        );
        job.handle = Some(handle);
        job.job_id = Some(JobId::from_bytes([u8::try_from(handle).unwrap(); 16]));
        let mut status = JobStatus::new(state);
        status.started = Some(jiff::Timestamp::from_second(handle.into()).unwrap());
        status.ended = status.started.filter(|_| state.is_terminal());
        job.apply(&status);
        job
    }

    fn meant(jobs: &[Job]) -> Result<usize, ReferenceError> {
        reference::resolve(&"delays".parse()?, &candidates(jobs), None, None)
    }

    #[test]
    fn a_name_means_the_run_that_goes_on() {
        let (ended, runs) = (JobState::Finished, JobState::Running);
        assert_eq!(meant(&[job(1, ended), job(2, runs)]), Ok(1));
        assert_eq!(meant(&[job(1, runs), job(2, ended)]), Ok(0));
        assert_eq!(meant(&[job(1, ended), job(2, ended)]), Ok(1));
        // What was stopped a moment ago is meant, though another run began, and ended, after it had begun.
        let until = |mut job: Job, second| {
            job.ended = Some(jiff::Timestamp::from_second(second).unwrap());
            job
        };
        assert_eq!(meant(&[until(job(1, ended), 9), until(job(2, ended), 5)]), Ok(0));
        assert_eq!(meant(&[until(job(1, ended), 5), until(job(2, ended), 9)]), Ok(1));
        assert!(matches!(
            meant(&[job(1, runs), job(2, runs)]),
            Err(ReferenceError::Ambiguous { .. })
        ));
        let mut unheard = job(3, runs);
        (unheard.origin, unheard.known, unheard.state) = (Origin::Ledger, Known::Unknown, None);
        assert_eq!(meant(&[job(1, runs), unheard.clone()]), Ok(0));
        assert_eq!(meant(&[job(1, ended), unheard]), Ok(1));
    }
}
