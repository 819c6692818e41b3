//! A job's thread: it steps the dataflow, hands its rows to the sinks, and between two steps does as it is told.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use skep_engine::{EndedBy, EngineError, JobState, Result, Savepoint, SavepointKind, Vertex};

use super::checkpoint::Checkpoints;
use super::handle::{Command, Ended, Handle, Reply};
use super::lock::Lock;
use super::record::Record;
use super::settings::Settings;
use super::sink::Sinks;
use crate::dataflow::{Batches, Dataflow, Progress};
use crate::failpoint;

/// What goes wrong after the point of no return, or does not matter any more: the job can't go on.
pub(super) enum Failure {
    /// Nothing has changed; the job can go on.
    Harmless(EngineError),
    /// The job has to end.
    Fatal(EngineError),
}

impl Failure {
    pub(super) fn into_error(self) -> EngineError {
        match self {
            Self::Harmless(error) | Self::Fatal(error) => error,
        }
    }
}

/// A job on its thread.
pub(super) struct Job {
    pub(super) handle: Arc<Handle>,
    pub(super) commands: Receiver<Command>,
    pub(super) dataflow: Box<dyn Dataflow>,
    pub(super) sinks: Sinks,
    pub(super) checkpoints: Checkpoints,
    pub(super) record: Record,
    pub(super) settings: Settings,
    /// Its own lock and those of the jobs that it continues.
    pub(super) locks: Vec<Lock>,
    /// Rows read, written, late: over the whole lineage.
    pub(super) totals: (u64, u64, u64),
    /// Rows read, written, late: since the job started.
    pub(super) rows: (u64, u64, u64),
    /// The dataflow's vertices as the job started: a restored one counts on from those before it.
    pub(super) before: Vec<Vertex>,
    /// Something has happened since the last checkpoint.
    pub(super) dirty: bool,
    pub(super) failed_checkpoints: u32,
}

/// How a turn of the loop ends.
enum Turn {
    Go,
    End(EndedBy, Option<Reply<Savepoint>>, Option<Box<Savepoint>>),
}

impl Job {
    /// Runs the job to its end. Whatever happens in here, the job's end is written down and told.
    pub(super) fn run(mut self) {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.turn_until_end())).unwrap_or_else(|panic| {
            let text = panic
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned());
            Err(EngineError::failed(format!(
                "the job panicked, which is a defect of the engine: {}",
                text.as_deref().unwrap_or("no message")
            )))
        });
        self.end(outcome);
    }

    fn turn_until_end(&mut self) -> Result<Turn> {
        // That nothing has been read yet is known, too.
        self.publish(|status| {
            status.state = JobState::Running;
            (status.rows_in, status.rows_out, status.late_rows) = (Some(0), Some(0), Some(0));
        });
        let mut due = self.settings.interval.map(|interval| Instant::now() + interval);
        let mut idle: Option<Duration> = None;
        loop {
            // Commands first: they are answered between two steps.
            let wait = match (idle.take(), self.sinks.has_room()) {
                (_, false) => Some(None),
                (Some(idle), true) => Some(Some(idle)),
                (None, true) => None,
            };
            let command = match wait {
                None => self.commands.try_recv().ok(),
                Some(timeout) => self.wait(timeout, due)?,
            };
            if let Some(command) = command {
                match self.obey(command)? {
                    Turn::Go => continue,
                    end @ Turn::End(..) => return Ok(end),
                }
            }
            if due.is_some_and(|due| Instant::now() >= due) {
                self.checkpoint_periodically()?;
                due = self.settings.interval.map(|interval| Instant::now() + interval);
            }
            if !self.sinks.has_room() {
                continue;
            }
            let step = self.dataflow.step()?;
            self.account(step.rows_in, step.late_rows, &step.output)?;
            match step.progress {
                Progress::More => {}
                Progress::Idle(timeout) => idle = Some(timeout),
                Progress::Finished => {
                    if self.sinks.has_uncommitted() {
                        self.checkpoint().map_err(Failure::into_error)?;
                    }
                    return Ok(Turn::End(EndedBy::Completed, None, None));
                }
            }
        }
    }

    /// Waits for a command: until the timeout, or the next checkpoint if one is wanted.
    fn wait(&self, timeout: Option<Duration>, due: Option<Instant>) -> Result<Option<Command>> {
        let until_due = due
            .filter(|_| self.wants_checkpoint())
            .map(|due| due.saturating_duration_since(Instant::now()));
        let timeout = match (timeout, until_due) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let gone = || EngineError::failed("the job's owner is gone");
        match timeout {
            None => self.commands.recv().map(Some).map_err(|_| gone()),
            Some(timeout) => match self.commands.recv_timeout(timeout) {
                Ok(command) => Ok(Some(command)),
                Err(RecvTimeoutError::Timeout) => Ok(None),
                Err(RecvTimeoutError::Disconnected) => Err(gone()),
            },
        }
    }

    fn account(&mut self, rows_in: u64, late: u64, output: &[Batches]) -> Result<()> {
        let rows_out = self.sinks.write(output, self.checkpoints.next())?;
        self.dirty |= rows_in > 0 || rows_out > 0;
        for rows in [&mut self.rows, &mut self.totals] {
            rows.0 += rows_in;
            rows.1 += rows_out;
            rows.2 += late;
        }
        let (rows_in, rows_out, late) = self.rows;
        self.publish(|status| {
            status.rows_in = Some(rows_in);
            status.rows_out = Some(rows_out);
            status.late_rows = Some(late);
        });
        Ok(())
    }

    /// Puts the counts into the record: those of this run, as the status has them while it runs.
    const fn note_rows(&mut self) {
        let (rows_in, rows_out, late) = self.rows;
        self.record.rows = (rows_in, rows_out);
        self.record.late_rows = late;
    }

    fn publish(&self, change: impl FnOnce(&mut skep_engine::JobStatus)) {
        self.handle.publish(change);
    }

    fn obey(&mut self, command: Command) -> Result<Turn> {
        match command {
            Command::Wake => {}
            Command::Cancel => {
                self.publish(|status| status.state = JobState::Cancelling);
                return Ok(Turn::End(EndedBy::Cancelled, None, None));
            }
            Command::Vertices(reply) => {
                // Whoever asked may have gone.
                let _ = reply.send(self.vertices());
            }
            Command::Checkpoint(reply) => {
                let taken = self.checkpoint();
                Self::answer(taken, reply)?;
            }
            Command::Savepoint { dir, reply } => {
                let taken = self.savepoint(dir);
                Self::answer(taken, reply)?;
            }
            Command::Stop { dir, drain, reply } => return self.stop(dir, drain, reply),
        }
        Ok(Turn::Go)
    }

    fn answer(taken: Result<Savepoint, Failure>, reply: Reply<Savepoint>) -> Result<()> {
        let (answer, end) = match taken {
            Ok(savepoint) => (Ok(savepoint), Ok(())),
            Err(Failure::Harmless(error)) => (Err(error), Ok(())),
            Err(Failure::Fatal(error)) => (Err(error.clone()), Err(error)),
        };
        let _ = reply.send(answer);
        end
    }

    fn stop(&mut self, dir: Option<PathBuf>, drain: bool, reply: Reply<Savepoint>) -> Result<Turn> {
        if drain {
            // A drain can't be taken back, so all that can fail before it is tried first.
            if let Err(failure) = self.savepoint_dir(dir.as_deref()).and_then(|_| self.checkpoint()) {
                Self::answer(Err(failure), reply)?;
                return Ok(Turn::Go);
            }
            let drained = self.dataflow.drain().and_then(|output| self.account(0, 0, &output));
            if let Err(error) = drained {
                return Self::answer(Err(Failure::Fatal(error)), reply).map(|()| Turn::Go);
            }
            self.dirty = true;
        }
        match self.savepoint(dir) {
            Ok(savepoint) => {
                let ended_by = if drain { EndedBy::Drained } else { EndedBy::Stopped };
                Ok(Turn::End(ended_by, Some(reply), Some(Box::new(savepoint))))
            }
            Err(Failure::Harmless(error)) if drain => {
                Self::answer(Err(Failure::Fatal(error)), reply).map(|()| Turn::Go)
            }
            Err(failure) => Self::answer(Err(failure), reply).map(|()| Turn::Go),
        }
    }

    fn vertices(&self) -> (Vec<Vertex>, Option<Timestamp>) {
        let mut vertices = self.dataflow.vertices();
        for (vertex, before) in vertices.iter_mut().zip(&self.before) {
            let since = |now: Option<u64>, before: Option<u64>| Some(now?.saturating_sub(before.unwrap_or(0)));
            vertex.rows_in = since(vertex.rows_in, before.rows_in);
            vertex.rows_out = since(vertex.rows_out, before.rows_out);
        }
        (vertices, self.dataflow.watermark())
    }

    fn wants_checkpoint(&self) -> bool {
        self.dirty && self.sinks.wants_checkpoints()
    }

    fn checkpoint_periodically(&mut self) -> Result<()> {
        if !self.wants_checkpoint() {
            return Ok(());
        }
        match self.checkpoint() {
            Ok(_) => Ok(()),
            Err(Failure::Harmless(error)) if self.failed_checkpoints < self.settings.tolerable => {
                self.failed_checkpoints += 1;
                self.handle
                    .log
                    .push(format!("a checkpoint failed and will be tried again: {error}"));
                Ok(())
            }
            Err(failure) => Err(failure.into_error()),
        }
    }

    /// Takes a checkpoint: the state is saved, then what the sinks hold becomes visible.
    fn checkpoint(&mut self) -> Result<Savepoint, Failure> {
        failpoint::hit("checkpoint.begin");
        let number = self.checkpoints.take_number();
        let target = self.handle.dir.join(format!("chk-{number}"));
        let savepoint = self
            .save(&target, number, SavepointKind::Checkpoint)
            .inspect_err(|failure| {
                if matches!(failure, Failure::Fatal(_)) {
                    // The manifest is there: its parts are for the next restore to publish, not for this job to discard.
                    self.sinks.abandon();
                }
            })?;
        failpoint::hit("commit.before-publish");
        self.sinks.commit().map_err(Failure::Fatal)?;
        failpoint::hit("commit.after-publish");
        self.dirty = false;
        self.failed_checkpoints = 0;
        let taken = savepoint.taken.unwrap_or_else(Timestamp::now);
        self.publish(|status| status.last_checkpoint = Some((number, taken)));
        self.checkpoints
            .keep(&self.handle.dir, number, self.settings.retained, &self.handle.log);
        Ok(savepoint)
    }

    fn savepoint_dir(&self, dir: Option<&Path>) -> Result<PathBuf, Failure> {
        let dir = dir
            .map(Path::to_path_buf)
            .or_else(|| self.settings.savepoint_dir.as_ref().map(PathBuf::from));
        super::checkpoint::prepare_savepoint_dir(dir.unwrap_or_else(|| self.handle.savepoints.clone()))
            .map_err(Failure::Harmless)
    }

    /// Takes a savepoint. What the sinks hold is committed by a checkpoint first, so that what is visible never depends
    /// on a savepoint that somebody may delete.
    fn savepoint(&mut self, dir: Option<PathBuf>) -> Result<Savepoint, Failure> {
        let dir = self.savepoint_dir(dir.as_deref())?;
        if self.dirty || self.sinks.has_uncommitted() {
            self.checkpoint()?;
        }
        let number = self.checkpoints.take_number();
        let target = dir.join(super::checkpoint::savepoint_name(&self.handle.job_id).map_err(Failure::Harmless)?);
        failpoint::hit("savepoint.before-write");
        let savepoint = self.save(&target, number, SavepointKind::Savepoint)?;
        failpoint::hit("savepoint.after-write");
        self.record.savepoints.push(target);
        self.note_rows();
        if let Err(error) = self.record.write(&self.handle.dir) {
            // The savepoint is there all the same, and its path is told.
            self.handle
                .log
                .push(format!("the savepoint {} could not be noted: {error}", savepoint.path));
        }
        let path = savepoint.path.clone();
        self.publish(|status| status.savepoint = Some(path));
        Ok(savepoint)
    }

    fn save(&mut self, target: &Path, number: u64, kind: SavepointKind) -> Result<Savepoint, Failure> {
        let mut state = self.dataflow.snapshot().map_err(Failure::Harmless)?;
        state
            .operators
            .extend(self.sinks.snapshot().map_err(Failure::Harmless)?);
        let mut fingerprints = self.dataflow.fingerprints();
        fingerprints.extend(self.sinks.fingerprints());
        let sinks = self.sinks.prepare().map_err(Failure::Harmless)?;
        let saving = super::checkpoint::Saving {
            target,
            number,
            kind,
            rows: self.totals,
            fingerprints,
            sinks,
        };
        self.checkpoints.save(saving, &state, &self.record.recipe)
    }

    /// The end: sinks, record, checkpoints, locks, and at last the word to whoever waits.
    fn end(mut self, outcome: Result<Turn>) {
        let (ended_by, reply, savepoint, error) = match outcome {
            Ok(Turn::End(ended_by, reply, savepoint)) => (ended_by, reply, savepoint, None),
            Ok(Turn::Go) => (EndedBy::Completed, None, None, None),
            Err(error) => (EndedBy::Failed, None, None, Some(error)),
        };
        let state = match ended_by {
            EndedBy::Completed | EndedBy::Stopped | EndedBy::Drained => JobState::Finished,
            EndedBy::Cancelled => JobState::Canceled,
            EndedBy::Failed => JobState::Failed,
        };
        // A dataflow that panicked may not bear another look.
        let mut vertices = catch_unwind(AssertUnwindSafe(|| self.vertices())).unwrap_or_default();
        // The dataflow knows of its inputs' ends, not of the job's.
        for vertex in &mut vertices.0 {
            state.as_str().clone_into(&mut vertex.state);
        }
        self.sinks.close(&match (&error, ended_by) {
            (Some(error), _) => Err(error.clone()),
            (None, EndedBy::Cancelled) => Err(EngineError::new(
                skep_engine::ErrorKind::Cancelled,
                "the job was cancelled",
            )),
            (None, _) => Ok(()),
        });
        let message = error.as_ref().map(|error| match self.checkpoints.newest() {
            Some(number) => format!("{error} (it can be restored from checkpoint {number})"),
            None => match &self.record.recipe.restored_from {
                Some(from) => format!("{error} (it can be restored from {}, as it was before)", from.path),
                None => error.to_string(),
            },
        });
        if let Some(message) = &message {
            self.handle.log.push(format!("the job failed: {message}"));
        }
        let now = Timestamp::now();
        failpoint::hit("end.before-record");
        self.record.recipe.state = state;
        self.record.recipe.ended = Some(now);
        self.record.recipe.ended_by = Some(ended_by);
        self.record.recipe.error.clone_from(&message);
        self.note_rows();
        if let Err(error) = self.record.write(&self.handle.dir) {
            self.handle
                .log
                .push(format!("the job's end could not be noted: {error}"));
        }
        failpoint::hit("end.after-record");
        self.checkpoints
            .discard(&self.handle.dir, ended_by, self.settings.retention, &self.handle.log);
        super::handle::write_log(&self.handle.dir, &self.handle.log);
        let Self {
            handle,
            locks,
            dataflow,
            sinks,
            ..
        } = self;
        // A source or sink may hold what a restored job wants to open; dropping one is foreign code too.
        let _ = catch_unwind(AssertUnwindSafe(|| drop((dataflow, sinks))));
        // Whoever finds the lock held finds somebody to ask.
        drop(locks);
        handle.close_socket();
        handle.end(Ended {
            state,
            ended_by,
            at: now,
            error: message,
            vertices,
        });
        if let (Some(reply), Some(savepoint)) = (reply, savepoint) {
            let _ = reply.send(Ok(*savepoint));
        }
    }
}
