//! What the shell knows of a job, and its JSON form.

use crate::error::Error;
use crate::ui::sanitize;
use jiff::Timestamp;
use serde::Serialize;
use skep_engine::{EndedBy, ErrorKind, JobId, JobState, JobStatus, Watched};

/// What the shell is doing to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing.
    #[default]
    None,
    /// Taking a savepoint.
    Savepointing,
    /// Stopping it with a savepoint.
    Stopping,
    /// Cancelling it.
    Cancelling,
}

/// How well a job is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Known {
    /// The engine says that it runs.
    Live,
    /// It has ended.
    Ended,
    /// It does not run any more, and nobody ended it.
    Lost,
    /// Nobody can say.
    Unknown,
}

/// Where a job is known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// This session started it.
    Session,
    /// An earlier one did; the ledger remembers.
    Ledger,
    /// The engine told of it.
    Cluster,
}

/// A job as the shell knows it. Its JSON form is the one that users' scripts read.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Job {
    /// The session's own number for it, `%N`; none for a job of another session.
    pub handle: Option<u32>,
    /// The engine's id; none while the statement has started no job.
    pub job_id: Option<JobId>,
    /// The cluster it runs on.
    pub cluster_id: Option<String>,
    /// Its name.
    pub name: String,
    /// The engine's own word.
    pub state: Option<JobState>,
    /// What the shell is doing to it.
    pub action: Action,
    /// How well it is known.
    pub known: Known,
    /// When `state` was so.
    pub as_of: Option<Timestamp>,
    /// The connection's label.
    pub engine: String,
    /// The connection's URL.
    pub url: String,
    /// Where it is known from.
    pub origin: Origin,
    /// Its statement, secrets as references.
    pub sql: Option<String>,
    /// When it started.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How it ended.
    pub ended_by: Option<EndedBy>,
    /// How long it ran, or has run, in ms.
    pub duration_ms: Option<i64>,
    /// The path of its newest savepoint.
    pub savepoint: Option<String>,
    /// The path it was restored from.
    pub restored_from: Option<String>,
    /// Why it failed, or why it can't be asked for.
    pub error: Option<String>,
    /// Rows read since it started.
    pub rows_in: Option<u64>,
    /// Rows written since it started.
    pub rows_out: Option<u64>,
    /// Late rows dropped since it started.
    pub late_rows: Option<u64>,
    /// Whether every task runs, as far as the engine tells.
    #[serde(skip)]
    pub all_tasks_run: bool,
    /// The newest completed checkpoint: its number.
    pub checkpoint_id: Option<u64>,
    /// The newest completed checkpoint: when it was completed.
    pub checkpoint_taken: Option<Timestamp>,
}

impl Job {
    /// A job of which nothing is known but its name and where it runs.
    pub fn new(name: String, engine: String, url: String, origin: Origin) -> Self {
        Self {
            handle: None,
            job_id: None,
            cluster_id: None,
            name,
            state: None,
            action: Action::None,
            known: Known::Unknown,
            as_of: None,
            engine,
            url,
            origin,
            sql: None,
            started: None,
            ended: None,
            ended_by: None,
            duration_ms: None,
            savepoint: None,
            restored_from: None,
            error: None,
            rows_in: None,
            rows_out: None,
            late_rows: None,
            all_tasks_run: false,
            checkpoint_id: None,
            checkpoint_taken: None,
        }
    }

    /// Takes over what the engine says. What it does not say stays as it was.
    pub fn apply(&mut self, status: &JobStatus) {
        self.state = Some(status.state);
        self.as_of = Some(status.as_of);
        self.known = if status.lost {
            Known::Lost
        } else if status.state.is_terminal() {
            Known::Ended
        } else {
            Known::Live
        };
        self.started = status.started.or(self.started);
        // That it has ended is told again without its time: the first that was heard stays.
        self.ended = status.ended.or(match status.state.is_terminal() {
            true => self.ended.or(Some(status.as_of)),
            false => None,
        });
        self.ended_by = status.ended_by.or(self.ended_by).or(match status.state {
            JobState::Canceled => Some(EndedBy::Cancelled),
            JobState::Failed => Some(EndedBy::Failed),
            _ => None,
        });
        self.savepoint = status.savepoint.clone().or_else(|| self.savepoint.take());
        self.error.clone_from(&status.error);
        self.all_tasks_run = status.all_tasks_run();
        self.rows_in = status.rows_in.or(self.rows_in);
        self.rows_out = status.rows_out.or(self.rows_out);
        self.late_rows = status.late_rows.or(self.late_rows);
        if let Some((id, taken)) = status.last_checkpoint {
            self.checkpoint_id = Some(id);
            self.checkpoint_taken = Some(taken);
        }
    }

    /// Takes over what a watcher saw.
    pub fn apply_watched(&mut self, watched: &Watched) {
        if let Some(status) = &watched.status {
            self.apply(status);
        }
        if let Some(problem) = &watched.problem {
            self.known = match problem.kind {
                ErrorKind::NotFound => Known::Lost,
                _ => Known::Unknown,
            };
            self.error = Some(problem.message.clone());
        }
    }

    /// Nobody can be asked about it now: what is known of it may be old.
    pub fn doubt(&mut self) {
        if self.known == Known::Live {
            self.known = Known::Unknown;
        }
    }

    /// Whether it may still run: anything but ended or lost.
    pub fn is_active(&self) -> bool {
        matches!(self.known, Known::Live | Known::Unknown)
    }

    /// The same with `duration_ms` as of `now`.
    #[must_use]
    pub fn timed(mut self, now: Timestamp) -> Self {
        let end = self.ended.or(match self.known {
            Known::Live | Known::Unknown => Some(now),
            Known::Ended => self.as_of,
            // Nobody saw its end; then it still ran.
            Known::Lost => self.checkpoint_taken,
        });
        self.duration_ms = self
            .started
            .zip(end)
            .map(|(from, to)| to.as_millisecond() - from.as_millisecond());
        self
    }

    /// The error of having waited for it: it failed, was cancelled, or is lost.
    pub fn ended_badly(&self) -> Error {
        let id = self
            .job_id
            .map(|id| format!(" (job {})", id.short()))
            .unwrap_or_default();
        let why = self.error.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let end = match (self.known, self.state) {
            (Known::Lost, _) => "is lost".to_owned(),
            (_, Some(state)) => format!("ended {state}"),
            (_, None) => "ended".to_owned(),
        };
        Error::new(
            crate::error::ErrorKind::JobEnded,
            format!("{}{id} {end}{why}", sanitize(&self.name)),
        )
        .hint(format!("!job {} shows it", self.reference()))
    }

    /// The shortest word by which a command can be told of it.
    pub fn reference(&self) -> String {
        match (self.handle, self.job_id) {
            (Some(handle), _) => format!("%{handle}"),
            (None, Some(id)) => id.short(),
            (None, None) => self.name.clone(),
        }
    }

    /// The word by which a command of a later session can be told of it: its name, where that is one word.
    pub fn lasting_reference(&self) -> String {
        let is_word = !self.name.starts_with('-')
            && !self.name.is_empty()
            && self.name.chars().all(|c| c.is_alphanumeric() || "._-".contains(c));
        match self.job_id {
            Some(id) if !is_word => id.short(),
            _ => self.name.clone(),
        }
    }

    /// `[3] delays`, or the id and name of a job without a handle: how messages call it. A name may hold line ends, from
    /// which a message of its own could be forged.
    pub fn title(&self) -> String {
        let name = sanitize(&self.name);
        match (self.handle, self.job_id) {
            (Some(handle), _) => format!("[{handle}] {name}"),
            (None, Some(id)) if name == id.short() => format!("job {name}"),
            (None, Some(id)) => format!("{name} (job {})", id.short()),
            (None, None) => name.into_owned(),
        }
    }

    /// As [`Job::title`], with the beginning of the job id behind a title that does not have it.
    pub fn title_with_id(&self) -> String {
        match (self.handle, self.job_id) {
            (Some(_), Some(id)) => format!("{} · job {}", self.title(), id.short()),
            _ => self.title(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(name: &str) -> Job {
        let mut job = Job::new(name.to_owned(), "e".to_owned(), "e:".to_owned(), Origin::Session);
        job.job_id = Some(JobId::from_bytes([0xab; 16]));
        job
    }

    #[test]
    fn a_name_forges_no_message_of_its_own() {
        let mut forged = job("a\nerror: b\x1b[2J");
        assert_eq!(forged.title(), "a\\nerror: b\\u{1b}[2J (job abababab)");
        forged.handle = Some(3);
        assert_eq!(forged.title(), "[3] a\\nerror: b\\u{1b}[2J");
        assert!(!forged.ended_badly().message.contains('\n'));
    }

    #[test]
    fn a_title_has_the_id_once() {
        let mut job = job("delays");
        assert_eq!(job.title_with_id(), "delays (job abababab)");
        job.handle = Some(3);
        assert_eq!(job.title_with_id(), "[3] delays · job abababab");
        job.job_id = None;
        assert_eq!(job.title_with_id(), "[3] delays");
    }

    #[test]
    fn an_end_that_is_told_again_without_its_time_stays_when_it_was() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let told = |as_of, ended| {
            let mut status = JobStatus::new(JobState::Canceled);
            (status.as_of, status.ended) = (at(as_of), ended);
            status
        };
        let mut job = job("delays");
        job.apply(&told(20, Some(at(10))));
        job.apply(&told(30, None));
        assert_eq!(job.ended, Some(at(10)));
        // Of one whose end nobody has dated, the first look at it is the nearest that is known.
        let mut undated = self::job("delays");
        undated.apply(&told(20, None));
        undated.apply(&told(30, None));
        assert_eq!(undated.ended, Some(at(20)));
    }

    #[test]
    fn a_name_that_is_no_word_is_called_by_its_id() {
        for name in ["delays", "a.b-c_1", "Verspätung"] {
            assert_eq!(job(name).lasting_reference(), name);
        }
        for name in ["", "my job", "a'b", "-x", "../../x", "%1", "a\nb"] {
            assert_eq!(job(name).lasting_reference(), "abababab", "{name:?}");
        }
    }
}
