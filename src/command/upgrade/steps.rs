//! The steps of an upgrade. Each is written into the ledger before it is done; one that was begun by a shell that has
//! ended is found in whatever state that shell left it, and finished from there.
//!
//! Never do two jobs run. On a cluster a submission of a dead shell may still be on its way: then the same statement is
//! submitted again under the same id, of which the engine takes only one, and what came of either is known.

use std::sync::Arc;
use std::time::Instant;

use skep_engine::{
    Connection, EndedBy, ErrorKind, Format, JobControl, JobId, JobState, JobStatus, Lineage, Restore, Savepoint,
    SavepointRequest, Sql, StopRequest,
};

use super::super::gather::gather_line;
use crate::error::Error;
use crate::failpoint;
use crate::job::cancel;
use crate::job::record::Action;
use crate::ledger::{Outcome, Step, Upgrade};
use crate::savepoint::{self, Known, Which, path_key};
use crate::session::{self, Session};
use crate::statement::replay::replay_apart;
use crate::statement::{self, Change, ChosenId, Done, Request, Start, new_job_id};
use crate::ui::{Waiting, quantity};

/// An upgrade that is being carried out.
pub(super) struct Run<'a> {
    pub session: &'a mut Session,
    pub connection: Arc<Connection>,
    pub control: Arc<dyn JobControl>,
    pub upgrade: Upgrade,
    /// The next step was begun by a shell that has ended.
    pub resumed: bool,
    /// A session in which the new statement can be run, if it is there already.
    pub prepared: Option<Arc<dyn Sql>>,
    /// The handle of the new job in this session's table.
    pub handle: Option<u32>,
    /// A person has broken it off, and it is being taken back.
    pub interrupted: bool,
    /// The job that somebody has started from its savepoint in the meantime.
    pub gone_on: Option<JobId>,
}

impl<'a> Run<'a> {
    /// An upgrade of which this shell does the next step.
    pub fn new(session: &'a mut Session, connection: Arc<Connection>, upgrade: Upgrade) -> Result<Self, Error> {
        let control = session::job_control(&connection)?;
        Ok(Self {
            session,
            connection,
            control,
            upgrade,
            resumed: false,
            prepared: None,
            handle: None,
            interrupted: false,
            gone_on: None,
        })
    }

    /// Does what is left to be done.
    ///
    /// # Errors
    /// It could not be gone on, and is not finished: whatever stands in the ledger is still to be done.
    pub async fn finish(&mut self) -> Result<(), Error> {
        if self.resumed && self.is_overtaken_by_another().await? {
            return Ok(());
        }
        while !self.upgrade.step.is_final() {
            match self.upgrade.step {
                Step::Stopping => self.stop().await?,
                Step::Submitting => self.submit_new().await?,
                Step::Watching => self.watch().await?,
                Step::Cancelling => self.cancel().await?,
                _ => self.restore_old().await?,
            }
            self.resumed = false;
        }
        Ok(())
    }

    /// Writes down what is done next.
    pub(super) async fn go(&mut self, step: Step) {
        self.upgrade.step = step;
        self.write().await;
        failpoint::hit(match step {
            Step::Stopping => "upgrade.stopping",
            Step::Submitting => "upgrade.submitting",
            Step::Watching => "upgrade.watching",
            Step::Cancelling => "upgrade.cancelling",
            Step::Restoring => "upgrade.restoring",
            Step::Upgraded | Step::RolledBack | Step::NotStopped | Step::Failed => return,
        });
    }

    /// What a person waits for since then, with what the next Ctrl-C does.
    pub(super) fn waiting(&self, since: Instant) -> Waiting {
        let way_out = match self.interrupted {
            false => "Ctrl-C takes the upgrade back",
            true => "Ctrl-C leaves the upgrade unfinished",
        };
        self.session.ui.waiting(since, way_out)
    }

    pub(super) async fn write(&self) {
        if let Err(cause) = self.session.ledger.write_upgrade(self.upgrade.clone()).await {
            let why = format!("{cause}; if this shell ends now, the upgrade can't be finished by another");
            self.session.ui.warn(&why);
        }
    }

    /// The job's status; `None` if the engine does not know it.
    pub(super) async fn status(&self, job: &JobId) -> Result<Option<JobStatus>, Error> {
        match self.control.status(job).await {
            Ok(status) => Ok(Some(status)),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The newest state of a job, or what it was restored from.
    async fn newest_state(&self, job: JobId) -> Result<Savepoint, Error> {
        let (family, line) = gather_line(&self.connection, &self.session.ledger, job, &[]).await?;
        let known = Known {
            job: Some(job),
            ancestors: &family.ancestors,
            savepoints: &line,
            descendants: &[],
        };
        Ok(savepoint::choose(&Which::Latest, &known, true)?.savepoint)
    }

    /// Stops the old job.
    async fn stop(&mut self) -> Result<(), Error> {
        let old = self.upgrade.old_job;
        if self.resumed && !self.status(&old).await?.is_some_and(|status| runs(&status)) {
            // It was stopped, or died with its shell.
            match self.newest_state(old).await {
                Ok(state) => self.stopped(&state).await,
                Err(error) => self.give_up(Step::Failed, error.message).await,
            }
            return Ok(());
        }
        let terms = &self.upgrade.terms;
        let request = StopRequest {
            savepoint: SavepointRequest {
                trigger: self.upgrade.id,
                dir: terms.dir.clone(),
                format: if terms.native {
                    Format::Native
                } else {
                    Format::Canonical
                },
                numbered: false,
            },
            drain: false,
        };
        let handle = self.handle_of(&old);
        let acting = self.session.jobs.acting(handle, Action::Stopping);
        let control = Arc::clone(&self.control);
        let mut task = tokio::spawn(async move { control.stop(&old, request).await });
        let (began, name) = (Instant::now(), self.upgrade.name.clone());
        // A stop that was asked for can't be taken back: what comes of it is waited for.
        let what = || format!("{name} (job {}) is being stopped with a savepoint", old.short());
        let stopped = loop {
            let waiting = self.waiting(began);
            let interrupts = &mut self.session.interrupts;
            let either = async {
                tokio::select! {
                    stopped = &mut task => Ok(stopped),
                    signal = interrupts.next() => Err(signal),
                }
            };
            match waiting.until(what, either).await {
                Ok(stopped) => break stopped.map_err(Error::internal)?,
                Err(signal) => self.break_off(signal).await?,
            }
        };
        let saved = match stopped {
            Ok(savepoint) => savepoint,
            Err(error) => {
                return match self.status(&old).await? {
                    Some(status) if runs(&status) => {
                        self.give_up(Step::NotStopped, error.message).await;
                        Ok(())
                    }
                    status => self.ended_instead(status, error.message).await,
                };
            }
        };
        failpoint::hit("upgrade.stopped");
        if let (Some(handle), Ok(Some(status))) = (handle, self.status(&old).await) {
            self.session.jobs.update(handle, |entry| {
                entry.job.apply(&status);
                entry.job.savepoint = Some(saved.path.clone());
            });
            self.session.ledger.status(&self.connection.url, old, status);
        }
        drop(acting);
        let took = quantity::duration(began.elapsed());
        self.session.ui.say(&format!(
            "{} (job {}) stopped with savepoint {} · {took}",
            self.upgrade.name,
            old.short(),
            saved.path
        ));
        self.session.ledger.saved(&self.connection.url, saved.clone());
        self.stopped(&saved).await;
        Ok(())
    }

    /// A stop has failed, and the old job does not run any more. It was stopped all the same, with a savepoint of which
    /// nothing was heard, or it has ended in another way, or the engine has lost it.
    async fn ended_instead(&mut self, status: Option<JobStatus>, cause: String) -> Result<(), Error> {
        let old = self.upgrade.old_job;
        // Looked for first: an engine whose word on the end is behind has caught up by then.
        let state = self.newest_state(old).await;
        let ended_by = match status {
            Some(_) => self.status(&old).await?.and_then(|status| status.ended_by),
            None => None,
        };
        match state {
            Ok(state) if ended_by == Some(EndedBy::Stopped) => self.stopped(&state).await,
            state => {
                // From there a person can bring it back.
                self.upgrade.savepoint = state.ok().as_ref().map(lineage);
                self.give_up(Step::Failed, cause).await;
            }
        }
        Ok(())
    }

    /// The old job has ended and left this state.
    async fn stopped(&mut self, state: &Savepoint) {
        self.upgrade.savepoint = Some(lineage(state));
        if self.upgrade.is_taken_back() {
            self.upgrade.again_job = Some(new_job_id());
            self.go(Step::Restoring).await;
        } else {
            self.upgrade.new_job = Some(new_job_id());
            self.go(Step::Submitting).await;
        }
    }

    pub(super) async fn give_up(&mut self, step: Step, cause: String) {
        self.upgrade.cause.get_or_insert(cause);
        self.go(step).await;
    }

    /// The new statement goes back, for this reason.
    pub(super) async fn take_back(&mut self, cause: String, ended: bool) {
        self.session
            .ui
            .say(&format!("the new statement did not come up: {cause}"));
        self.upgrade.cause.get_or_insert(cause);
        if ended {
            self.upgrade.again_job = Some(new_job_id());
            self.go(Step::Restoring).await;
        } else {
            self.go(Step::Cancelling).await;
        }
    }

    /// Submits the new statement.
    async fn submit_new(&mut self) -> Result<(), Error> {
        let (mut state, mut again) = (self.savepoint()?, false);
        if self.resumed {
            let chosen = self.new_job()?;
            match self.control.submitted(&chosen).await? {
                Some((job, status)) if runs(&status) => {
                    self.upgrade.new_job = Some(job);
                    self.submitted().await;
                    return Ok(());
                }
                Some((job, status)) => match self.ended(job, &status).await? {
                    Some(newest) => {
                        state = newest;
                        self.choose_new().await;
                    }
                    None => return Ok(()),
                },
                None if self.connection.capabilities.jobs_end_with_shell => {
                    if self.upgrade.is_taken_back() {
                        self.upgrade.again_job = Some(new_job_id());
                        self.go(Step::Restoring).await;
                        return Ok(());
                    }
                    self.choose_new().await;
                }
                None => again = true,
            }
        }
        let id = self.new_job()?;
        match self.submit(ChosenId { id, again }, state, true).await {
            Ok(()) => {
                failpoint::hit("upgrade.submitted");
                self.submitted().await;
            }
            Err(error) if error.kind == crate::error::ErrorKind::Interrupted => {
                self.withdrawn(id, error).await?;
            }
            Err(error) => {
                let cause = self.not_submitted(id, error).await?;
                match cause {
                    Some(cause) => self.take_back(cause, true).await,
                    None => self.submitted().await,
                }
            }
        }
        Ok(())
    }

    pub(super) async fn submitted(&mut self) {
        let step = if self.upgrade.is_taken_back() {
            Step::Cancelling
        } else {
            Step::Watching
        };
        self.go(step).await;
    }

    pub(super) async fn choose_new(&mut self) {
        self.upgrade.new_job = Some(new_job_id());
        self.write().await;
    }

    /// What a failed submission means: why the engine did not take it, or `None` if the job is there all the same.
    ///
    /// # Errors
    /// It is not known, or the person does not wait.
    pub(super) async fn not_submitted(&self, id: JobId, error: Error) -> Result<Option<String>, Error> {
        if error.ends_script() {
            return Err(error);
        }
        if let Some((_, status)) = self.control.submitted(&id).await?
            && runs(&status)
        {
            return Ok(None);
        }
        let record = self.session.ledger.job(&self.connection.url, id).await.ok().flatten();
        if record.is_some_and(|record| matches!(record.outcome, Outcome::Unknown(_))) {
            return Err(error.within("whether the job was started is not known"));
        }
        Ok(Some(error.message))
    }

    /// Submits one of the two statements, to go on from that state.
    pub(super) async fn submit(&mut self, job_id: ChosenId, state: Lineage, is_new: bool) -> Result<(), Error> {
        let version = if is_new { &self.upgrade.new } else { &self.upgrade.old }.clone();
        let sql = match self.prepared.take().filter(|_| is_new) {
            Some(sql) => sql,
            None => replay_apart(self.session, &self.connection, &version.prelude).await?,
        };
        let restore = Restore {
            path: state.path,
            job_id: state.job_id,
            allow_non_restored: is_new && self.upgrade.terms.allow_non_restored,
            fork: !is_new && self.upgrade.overtaken,
            ..Restore::default()
        };
        let request = Request {
            text: version.sql.clone(),
            background: true,
            restore: Some(Start {
                restore,
                checkpoint_id: state.checkpoint_id,
                // It was looked at before anything was stopped.
                change: Change::Settled,
                session: Some((sql, version.prelude)),
            }),
            job_id: Some(job_id),
        };
        // What comes of it is told at the end, once.
        let json = std::mem::take(&mut self.session.settings.json);
        let done = statement::execute(self.session, request).await;
        self.session.settings.json = json;
        match done.map_err(|error| error.in_statement(&version.sql))? {
            Done::Job(handle) => {
                self.handle = Some(handle);
                let job = self.session.jobs.get(handle).and_then(|entry| entry.job.job_id);
                let slot = if is_new {
                    &mut self.upgrade.new_job
                } else {
                    &mut self.upgrade.again_job
                };
                *slot = job.or(*slot);
                Ok(())
            }
            Done::Over => Ok(()),
        }
    }

    /// A new job that a dead shell started has ended. Returns the state that it is to go on from, if that is so.
    pub(super) async fn ended(&mut self, job: JobId, status: &JobStatus) -> Result<Option<Lineage>, Error> {
        if self.upgrade.is_taken_back() {
            self.upgrade.overtaken = self.has_own_state(&job, Some(status)).await;
            self.upgrade.again_job = Some(new_job_id());
            self.go(Step::Restoring).await;
            return Ok(None);
        }
        if !status.lost && status.state == JobState::Failed {
            let why = status.error.as_deref().unwrap_or("the engine does not say why");
            self.upgrade.overtaken = self.has_own_state(&job, Some(status)).await;
            self.take_back(format!("job {} FAILED: {why}", job.short()), true).await;
            return Ok(None);
        }
        let completed = status.ended_by.unwrap_or(EndedBy::Completed) == EndedBy::Completed;
        if !status.lost && status.state == JobState::Finished && completed {
            self.go(Step::Upgraded).await;
            return Ok(None);
        }
        // It died with its shell, or was stopped when that left.
        self.newest_state(job).await.map(|state| Some(lineage(&state)))
    }

    /// Whether the job has saved a state of its own: then it has written behind the one that it was restored from.
    pub(super) async fn has_own_state(&self, job: &JobId, status: Option<&JobStatus>) -> bool {
        if status.is_some_and(|status| status.last_checkpoint.is_some()) {
            return true;
        }
        let Some(stores) = &self.connection.stores else {
            return false;
        };
        let origin = self.upgrade.savepoint.as_ref().map(|from| path_key(&from.path));
        let found = stores.find(Some(job), &[]).await.unwrap_or_default();
        found.iter().any(|state| Some(path_key(&state.path)) != origin)
    }

    /// Cancels the new job.
    async fn cancel(&mut self) -> Result<(), Error> {
        let new = self.new_job()?;
        let handle = self.handle_of(&new);
        let acting = self.session.jobs.acting(handle, Action::Cancelling);
        let waiting = self
            .session
            .ui
            .waiting(Instant::now(), "then the old statement is put back");
        let what = || format!("{} (job {}) is being cancelled", self.upgrade.name, new.short());
        let cancelled = waiting.until(what, cancel::cancel(self.control.as_ref(), &new)).await;
        let status = match cancelled {
            Ok(status) => Some(status),
            Err(error) if error.kind == ErrorKind::NotFound => None,
            Err(error) => return Err(Error::from(error).within("the new job could not be cancelled")),
        };
        failpoint::hit("upgrade.cancelled");
        if let Some(status) = &status {
            self.session.ledger.status(&self.connection.url, new, status.clone());
            if let Some(handle) = handle {
                self.session.jobs.update(handle, |entry| entry.job.apply(status));
            }
        }
        drop(acting);
        self.upgrade.overtaken = self.has_own_state(&new, status.as_ref()).await;
        self.upgrade.again_job = Some(new_job_id());
        self.go(Step::Restoring).await;
        Ok(())
    }

    /// Submits the old statement again.
    async fn restore_old(&mut self) -> Result<(), Error> {
        let (mut state, mut again) = (self.savepoint()?, false);
        let mut id = *self.upgrade.again_job.get_or_insert_with(new_job_id);
        if self.resumed {
            match self.control.submitted(&id).await? {
                Some((job, status)) if runs(&status) => {
                    self.upgrade.again_job = Some(job);
                    self.go(Step::RolledBack).await;
                    return Ok(());
                }
                Some((job, status)) if !status.lost && status.state == JobState::Failed => {
                    let why = status.error.unwrap_or_default();
                    let cause = format!("job {} FAILED: {why}", job.short());
                    self.upgrade.cause = Some(cause);
                    self.go(Step::Failed).await;
                    return Ok(());
                }
                Some((job, status)) if !status.lost && status.ended_by == Some(EndedBy::Completed) => {
                    self.upgrade.again_job = Some(job);
                    self.go(Step::RolledBack).await;
                    return Ok(());
                }
                Some((job, _)) => {
                    state = lineage(&self.newest_state(job).await?);
                    id = new_job_id();
                }
                None if self.connection.capabilities.jobs_end_with_shell => id = new_job_id(),
                None => again = true,
            }
            self.upgrade.again_job = Some(id);
            self.write().await;
        }
        if self.upgrade.overtaken {
            self.session.ui.warn(
                "the new job has completed a checkpoint behind the savepoint: what it wrote there comes again from the old one",
            );
        }
        match self.submit(ChosenId { id, again }, state, false).await {
            Ok(()) => failpoint::hit("upgrade.restored"),
            Err(error) => {
                if let Some(cause) = self.not_submitted(id, error).await? {
                    let why = self.upgrade.cause.take().unwrap_or_default();
                    self.upgrade.cause = Some(format!("{why}; and the old statement was not accepted: {cause}"));
                    self.go(Step::Failed).await;
                    return Ok(());
                }
            }
        }
        self.go(Step::RolledBack).await;
        Ok(())
    }

    pub(super) fn new_job(&self) -> Result<JobId, Error> {
        let none = || Error::failed("the ledger's record of this upgrade names no new job");
        self.upgrade.new_job.ok_or_else(none)
    }

    fn savepoint(&self) -> Result<Lineage, Error> {
        let none = || Error::failed("the ledger's record of this upgrade names no savepoint");
        self.upgrade.savepoint.clone().ok_or_else(none)
    }

    pub(super) fn handle_of(&self, job: &JobId) -> Option<u32> {
        let entries = self.session.jobs.entries().into_iter();
        let mut handles = entries.filter(|entry| entry.job.job_id.as_ref() == Some(job));
        handles.next().and_then(|entry| entry.job.handle)
    }
}

/// Whether the job runs, or may run again by itself.
pub(super) fn runs(status: &JobStatus) -> bool {
    !status.lost && !status.state.is_terminal()
}

fn lineage(state: &Savepoint) -> Lineage {
    Lineage {
        job_id: state.job_id,
        checkpoint_id: state.checkpoint_id,
        path: state.path.clone(),
    }
}
