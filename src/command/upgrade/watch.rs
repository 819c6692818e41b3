//! Waiting until the new job has shown that it works.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use skep_engine::{CheckpointRequest, JobId, JobState, JobStatus};

use super::steps::{Run, runs};
use crate::error::Error;
use crate::failpoint;
use crate::job::record::{Job, Known as Knowledge, Origin};
use crate::job::wait::{self, Trouble, Until};
use crate::job::watcher;
use crate::ledger::Step;
use crate::session::Session;
use crate::statement::ChosenId;
use crate::ui::quantity;

/// How long the new job's own first checkpoint is waited for before one is asked for: by then its first rows have passed,
/// if there are any, and a failure would have shown.
const OWN_CHECKPOINT: Duration = Duration::from_secs(5);

impl Run<'_> {
    /// Waits until the new job has shown that it works.
    pub(super) async fn watch(&mut self) -> Result<(), Error> {
        let new = self.new_job()?;
        if self.resumed {
            let status = self.status(&new).await?;
            if !status.as_ref().is_some_and(runs) {
                let status = status.unwrap_or_else(|| JobStatus {
                    lost: true,
                    ..JobStatus::new(JobState::Failed)
                });
                if let Some(state) = self.ended(new, &status).await? {
                    self.choose_new().await;
                    let id = self.new_job()?;
                    self.upgrade.step = Step::Submitting;
                    self.write().await;
                    match self.submit(ChosenId { id, again: false }, state, true).await {
                        Ok(()) => self.submitted().await,
                        Err(error) => match self.not_submitted(id, error).await? {
                            Some(cause) => self.take_back(cause, true).await,
                            None => self.submitted().await,
                        },
                    }
                }
                return Ok(());
            }
        }
        if self.upgrade.is_taken_back() {
            self.go(Step::Cancelling).await;
            return Ok(());
        }
        let handle = self.attach(new)?;
        watcher::attend(&self.session.jobs, handle);
        let outcome = self.await_proof(handle, new).await;
        watcher::release(&self.session.jobs, handle, true, &self.session.ui);
        let reached = match outcome {
            wait::Outcome::Interrupted(signal) => {
                self.break_off(signal).await?;
                self.go(Step::Cancelling).await;
                return Ok(());
            }
            wait::Outcome::TimedOut(jobs) => Err((self.too_late(jobs.first()), false)),
            wait::Outcome::Reached(jobs) => match jobs.into_iter().next() {
                // One that has read all its input needs no checkpoint.
                None | Some((_, Ok(()) | Err(Trouble::EndedBefore))) => Ok(()),
                Some((job, Err(_))) => Err((job.ended_badly().message, true)),
            },
        };
        match reached {
            Ok(()) => {
                failpoint::hit("upgrade.up");
                self.go(Step::Upgraded).await;
            }
            Err((cause, ended)) => {
                // A job that is lost may run on where nobody sees it.
                let ended = ended && !self.status(&new).await?.is_some_and(|status| runs(&status));
                self.upgrade.overtaken = ended && self.has_own_state(&new, None).await;
                self.take_back(cause, ended).await;
            }
        }
        Ok(())
    }

    fn too_late(&self, job: Option<&Job>) -> String {
        let limit = quantity::duration(Duration::from_millis(self.upgrade.terms.timeout_ms));
        let state = job
            .and_then(|job| job.state)
            .map_or_else(|| "its state is not known".to_owned(), |state| format!("it is {state}"));
        let why = job
            .and_then(|job| job.error.as_deref())
            .map(|why| format!(": {why}"))
            .unwrap_or_default();
        format!("it was not up after {limit}, {state}{why}")
    }

    /// Waits until the job runs and, unless that is enough, has completed a checkpoint. If its own is long in coming, one
    /// is asked for.
    async fn await_proof(&mut self, handle: u32, job: JobId) -> wait::Outcome {
        let limit = Duration::from_millis(self.upgrade.terms.timeout_ms);
        let began = Instant::now();
        let runs = self.await_point(handle, Until::Running, began, limit).await;
        let is_well = matches!(&runs, wait::Outcome::Reached(jobs) if jobs.iter().all(|(_, result)| result.is_ok()));
        if self.upgrade.terms.until_running || !is_well {
            return runs;
        }
        let left = limit.saturating_sub(began.elapsed());
        let own = self
            .await_point(handle, Until::FirstCheckpoint, began, left.min(OWN_CHECKPOINT))
            .await;
        if !matches!(own, wait::Outcome::TimedOut(_)) {
            return own;
        }
        if self.connection.capabilities.checkpoint {
            let control = Arc::clone(&self.control);
            // If it can't be taken, the job's own first checkpoint is waited for.
            tokio::spawn(async move { control.checkpoint(&job, CheckpointRequest::Configured).await });
        }
        let left = limit.saturating_sub(began.elapsed());
        self.await_point(handle, Until::FirstCheckpoint, began, left).await
    }

    /// Waits until the job has come so far. It is waited for since it was submitted.
    async fn await_point(&mut self, handle: u32, until: Until, since: Instant, limit: Duration) -> wait::Outcome {
        let table = self.session.jobs.clone();
        if limit.is_zero() {
            return wait::Outcome::TimedOut(table.get(handle).map(|entry| entry.job).into_iter().collect());
        }
        let waiting = self.waiting(since);
        let awaited = match until {
            Until::Running => "all its tasks are to run",
            _ => "its first checkpoint is awaited",
        };
        let handles = [handle];
        let interrupts = &mut self.session.interrupts;
        let work = wait::wait(&table, &handles, until, false, Some(limit), interrupts);
        let what = || format!("{} · {awaited}", wait::so_far(&table, &handles));
        waiting.until(what, work).await
    }

    /// The new job's handle; one that another shell started is put into the table.
    fn attach(&mut self, job_id: JobId) -> Result<u32, Error> {
        if let Some(handle) = self.handle_of(&job_id) {
            return Ok(handle);
        }
        let (label, url) = (self.connection.label.clone(), self.connection.url.clone());
        let mut job = Job::new(self.upgrade.name.clone(), label, url, Origin::Ledger);
        (job.job_id, job.known) = (Some(job_id), Knowledge::Live);
        job.sql = Some(self.upgrade.new.sql.clone());
        job.started = Some(Timestamp::now());
        job.restored_from = self.upgrade.savepoint.as_ref().map(|from| from.path.clone());
        let stranger = watcher::Stranger {
            job,
            job_id,
            connection: Arc::clone(&self.connection),
            control: Arc::clone(&self.control),
        };
        let Session { jobs, ledger, ui, .. } = &*self.session;
        Ok(watcher::take_up(jobs, stranger, ledger, ui))
    }
}
