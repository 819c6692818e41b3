//! Choosing the saved state that is meant.
//!
//! A job's history is a line: its own states, newest first; then the state it was restored from and what its origin had
//! before that; and so on upwards. What an ancestor did after the state that was taken from it belongs to another line,
//! and is chosen only by name.

use std::cmp::Reverse;
use std::collections::HashSet;

use crate::error::Error;
use skep_engine::{EndedBy, JobId, JobState, Lineage, Savepoint, Verdict, path_key};

use super::which::Which;

/// A job that was restored from the state of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descendant {
    /// Its id.
    pub job_id: JobId,
    /// Its name.
    pub name: String,
    /// What has become of it.
    pub progress: Progress,
}

/// How far a descendant has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It has ended and has no state of its own: nothing of it would be lost or done twice.
    None,
    /// It runs.
    Running,
    /// It has ended, and has states of its own or has read all its input.
    Advanced,
    /// The engine could not be asked.
    Unknown,
}

impl Progress {
    /// What a job's state says: the engine's word (`None` if it could not be asked), how the job ended, and whether it
    /// has left a checkpoint or savepoint.
    pub const fn of(state: Option<JobState>, ended_by: Option<EndedBy>, has_state: bool) -> Self {
        match state {
            None => Self::Unknown,
            Some(state) if !state.is_terminal() => Self::Running,
            Some(_) if has_state => Self::Advanced,
            Some(_) => match ended_by {
                Some(EndedBy::Completed | EndedBy::Stopped | EndedBy::Drained) => Self::Advanced,
                Some(EndedBy::Cancelled | EndedBy::Failed) | None => Self::None,
            },
        }
    }
}

/// What is known of the job whose state is looked for.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The job; `None` if only a path is given.
    pub job: Option<JobId>,
    /// What it was restored from, what that job was restored from, and so on.
    pub ancestors: &'a [Lineage],
    /// All that is known of the job's states and its ancestors', each path once (see [`super::merge()`]) and checked.
    pub savepoints: &'a [Savepoint],
    /// The jobs that were restored from this one's state, or from theirs.
    pub descendants: &'a [Descendant],
}

/// The state that is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// It.
    pub savepoint: Savepoint,
    /// How many states of the job's history can be used.
    pub usable: usize,
    /// Why this one, to be put in brackets, such as `newest of 3 usable`.
    pub why: String,
}

/// Why none can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChooseError {
    /// Nothing is known under that name.
    #[error("{}", missing(.0))]
    NotFound(Which),
    /// Several are meant.
    #[error("{which} is ambiguous: it could be {}", list(paths))]
    Ambiguous {
        /// What was asked for.
        which: Which,
        /// What it could mean.
        paths: Vec<String>,
    },
    /// The one that is meant can't be used.
    #[error("{path} can't be used: {}{}", describe(*verdict), explain(reasons))]
    Unusable {
        /// Its path.
        path: String,
        /// What is wrong with it.
        verdict: Verdict,
        /// In more words.
        reasons: Vec<String>,
    },
    /// There are states, but none can be used.
    #[error("none of {} states can be used; the newest, {path}: {}{}", count, describe(*verdict), explain(reasons))]
    NoneUsable {
        /// How many there are.
        count: usize,
        /// The newest one's path.
        path: String,
        /// What is wrong with that one.
        verdict: Verdict,
        /// In more words.
        reasons: Vec<String>,
    },
    /// The job has left no state at all.
    #[error("job {} has left no checkpoint and no savepoint", .0.short())]
    NoState(JobId),
    /// `latest` would go back behind a job that has gone on from there.
    #[error("{}", overtaken(descendants))]
    Overtaken {
        /// The jobs that have gone on.
        descendants: Vec<Descendant>,
    },
    /// The newest of what job is not said.
    #[error("{0} needs a job whose history it is about")]
    NoJob(Which),
}

impl ChooseError {
    /// What the person can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NotFound(Which::Label(_)) => "!savepoints lists what there is · a path holds a / (./name)".to_owned(),
            Self::NotFound(_) | Self::NoJob(_) => "!savepoints lists what there is".to_owned(),
            Self::Ambiguous { .. } => "give the path".to_owned(),
            Self::Unusable {
                verdict: Verdict::InUse | Verdict::Claimed,
                ..
            }
            | Self::NoneUsable {
                verdict: Verdict::InUse | Verdict::Claimed,
                ..
            } => "stop that job first, or take a savepoint of it".to_owned(),
            Self::Unusable { .. } => "!savepoints shows which can be used".to_owned(),
            Self::NoneUsable { .. } => "!savepoints shows what is wrong with each".to_owned(),
            Self::NoState(_) => "submit its statement anew: it starts from the beginning of its input".to_owned(),
            Self::Overtaken { descendants } => {
                let newest = descendants.last().map_or_else(String::new, |job| job.job_id.short());
                format!("!restore {newest} goes on from there · --fork goes back all the same")
            }
        }
    }
}

/// Chooses the state that is meant. `fork` allows `latest` to go back behind a job that has gone on from there.
///
/// # Errors
/// Nothing or too much is meant, or what is meant can't be used.
pub fn choose(which: &Which, known: &Known<'_>, fork: bool) -> Result<Chosen, ChooseError> {
    let line = history(known);
    let usable = line.iter().filter(|savepoint| is_usable(savepoint)).count();
    let chosen = |savepoint: &Savepoint, why: String| Chosen {
        savepoint: savepoint.clone(),
        usable,
        why,
    };
    match which {
        Which::Latest => {
            refuse_overtaken(known, fork)?;
            let savepoint = newest_usable(which, known, &line)?;
            Ok(chosen(savepoint, explain_newest(known, &line, savepoint, usable)))
        }
        Which::At(time) => {
            let until = |savepoint: &&Savepoint| savepoint.taken.is_some_and(|taken| taken <= *time);
            let line: Vec<_> = line.into_iter().filter(until).collect();
            let savepoint = newest_usable(which, known, &line)?;
            Ok(chosen(savepoint, format!("newest usable at {time}")))
        }
        Which::Path(path) => {
            let key = path_key(path);
            let savepoint = known
                .savepoints
                .iter()
                .find(|savepoint| path_key(&savepoint.path) == key);
            let savepoint = savepoint.ok_or_else(|| ChooseError::NotFound(which.clone()))?;
            Ok(chosen(usable_or_why(savepoint)?, "as named".to_owned()))
        }
        Which::Id(id) => {
            let named = |savepoint: &&Savepoint| savepoint.checkpoint_id == Some(*id);
            // Numbers are given by each job anew: the job's own history goes before its ancestors' other lines.
            let own = known
                .savepoints
                .iter()
                .filter(named)
                .filter(|savepoint| savepoint.job_id == known.job);
            let historic = line.iter().copied().filter(named);
            let all = known.savepoints.iter().filter(named);
            let tiers = [own.collect(), historic.collect(), all.collect::<Vec<_>>()];
            let tier = tiers.into_iter().find(|tier| !tier.is_empty()).unwrap_or_default();
            Ok(chosen(only(which, tier)?, format!("number {id}")))
        }
        Which::Label(label) => {
            let named = |savepoint: &&Savepoint| savepoint.label.as_ref() == Some(label);
            let savepoint = only(which, known.savepoints.iter().filter(named).collect())?;
            Ok(chosen(savepoint, format!("labelled {label}")))
        }
    }
}

/// The states of the job's line of history, newest first.
fn history<'a>(known: &Known<'a>) -> Vec<&'a Savepoint> {
    let mut line = of_job(known, known.job);
    for origin in known.ancestors {
        let key = path_key(&origin.path);
        let start = known
            .savepoints
            .iter()
            .find(|savepoint| path_key(&savepoint.path) == key);
        line.extend(start);
        let older = of_job(known, origin.job_id)
            .into_iter()
            .filter(|savepoint| path_key(&savepoint.path) != key && is_before(savepoint, origin, start));
        line.extend(older);
    }
    // A circle of restores names a state twice.
    let mut seen = HashSet::new();
    line.retain(|savepoint| seen.insert(path_key(&savepoint.path)));
    line
}

/// A job's own states, newest first.
fn of_job<'a>(known: &Known<'a>, job: Option<JobId>) -> Vec<&'a Savepoint> {
    let Some(job) = job else {
        return Vec::new();
    };
    let mut own: Vec<_> = known
        .savepoints
        .iter()
        .filter(|savepoint| savepoint.job_id == Some(job))
        .collect();
    own.sort_by_key(|savepoint| Reverse((savepoint.checkpoint_id, savepoint.taken)));
    own
}

/// Whether a state of the same job was taken before the one that a restore started from. Where that can't be told, it
/// is not believed.
fn is_before(savepoint: &Savepoint, origin: &Lineage, start: Option<&Savepoint>) -> bool {
    let id = origin
        .checkpoint_id
        .or_else(|| start.and_then(|start| start.checkpoint_id));
    let taken = start.and_then(|start| start.taken);
    match (savepoint.checkpoint_id, id, savepoint.taken, taken) {
        (Some(own), Some(limit), _, _) => own <= limit,
        (_, _, Some(own), Some(limit)) => own <= limit,
        _ => false,
    }
}

fn is_usable(savepoint: &Savepoint) -> bool {
    savepoint.verdict == Verdict::Usable
}

fn usable_or_why(savepoint: &Savepoint) -> Result<&Savepoint, ChooseError> {
    if is_usable(savepoint) {
        return Ok(savepoint);
    }
    Err(ChooseError::Unusable {
        path: savepoint.path.clone(),
        verdict: savepoint.verdict,
        reasons: savepoint.reasons.clone(),
    })
}

fn newest_usable<'a>(which: &Which, known: &Known<'_>, line: &[&'a Savepoint]) -> Result<&'a Savepoint, ChooseError> {
    let Some(job) = known.job else {
        return Err(ChooseError::NoJob(which.clone()));
    };
    if let Some(savepoint) = line.iter().find(|savepoint| is_usable(savepoint)) {
        return Ok(savepoint);
    }
    match (line.first(), which) {
        (Some(newest), _) => Err(ChooseError::NoneUsable {
            count: line.len(),
            path: newest.path.clone(),
            verdict: newest.verdict,
            reasons: newest.reasons.clone(),
        }),
        (None, Which::Latest) => Err(ChooseError::NoState(job)),
        (None, _) => Err(ChooseError::NotFound(which.clone())),
    }
}

/// The one that a name means. One that can be used goes before those that can't.
fn only<'a>(which: &Which, candidates: Vec<&'a Savepoint>) -> Result<&'a Savepoint, ChooseError> {
    let usable: Vec<_> = candidates
        .iter()
        .copied()
        .filter(|savepoint| is_usable(savepoint))
        .collect();
    let meant = if usable.is_empty() { candidates } else { usable };
    match meant[..] {
        [] => Err(ChooseError::NotFound(which.clone())),
        [one] => usable_or_why(one),
        _ => Err(ChooseError::Ambiguous {
            which: which.clone(),
            paths: meant.iter().map(|savepoint| savepoint.path.clone()).collect(),
        }),
    }
}

fn refuse_overtaken(known: &Known<'_>, fork: bool) -> Result<(), ChooseError> {
    let ahead = known.descendants.iter().filter(|job| job.progress != Progress::None);
    let descendants: Vec<_> = ahead.cloned().collect();
    if fork || descendants.is_empty() {
        return Ok(());
    }
    Err(ChooseError::Overtaken { descendants })
}

fn explain_newest(known: &Known<'_>, line: &[&Savepoint], chosen: &Savepoint, usable: usize) -> String {
    let place = line
        .iter()
        .position(|savepoint| savepoint.path == chosen.path)
        .unwrap_or(0);
    let mut why = if usable == 1 {
        "the only usable one".to_owned()
    } else {
        format!("newest of {usable} usable")
    };
    if place > 0 {
        why.push_str(&format!(", {place} newer can't be used"));
    }
    let own = line
        .iter()
        .any(|savepoint| savepoint.job_id == known.job && is_usable(savepoint));
    let origin = known.ancestors.first();
    if !own && origin.is_some_and(|origin| path_key(&origin.path) == path_key(&chosen.path)) {
        why = format!("what the job was restored from, as it has none of its own; {why}");
    }
    why
}

/// A verdict in words.
pub const fn describe(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Usable => "usable",
        Verdict::Incomplete => "incomplete",
        Verdict::Missing => "files are missing or damaged",
        Verdict::InUse => "a running job needs it",
        Verdict::Claimed => "a job has claimed it and may delete it",
        Verdict::Gone => "it is gone",
    }
}

fn explain(reasons: &[String]) -> String {
    if reasons.is_empty() {
        return String::new();
    }
    format!(" ({})", reasons.join("; "))
}

fn missing(which: &Which) -> String {
    match which {
        Which::Path(path) => format!("no savepoint or checkpoint at {path}"),
        Which::Id(id) => format!("no savepoint or checkpoint has number {id}"),
        Which::Label(label) => format!("no savepoint has the label {label}"),
        Which::At(time) => format!("no savepoint or checkpoint was taken at {time} or before"),
        Which::Latest => "no savepoint or checkpoint".to_owned(),
    }
}

fn list(paths: &[String]) -> String {
    paths.join(", ")
}

fn overtaken(descendants: &[Descendant]) -> String {
    let jobs: Vec<_> = descendants
        .iter()
        .map(|job| {
            let progress = match job.progress {
                Progress::None => "has done nothing",
                Progress::Running => "runs",
                Progress::Advanced => "has gone on",
                Progress::Unknown => "may still run (the engine could not be asked)",
            };
            format!("job {} ({}) {progress}", job.job_id.short(), job.name)
        })
        .collect();
    format!("restored from this job's state, {}", jobs.join(", and "))
}

impl From<ChooseError> for Error {
    fn from(error: ChooseError) -> Self {
        Self::failed(error.to_string()).hint(error.hint())
    }
}

#[cfg(test)]
mod tests;
