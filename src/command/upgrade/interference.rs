//! What interferes with an upgrade: a person who breaks an upgrade off, and a job that somebody else has started from its savepoint.

use skep_engine::JobId;

use super::steps::{Run, runs};
use crate::error::Error;
use crate::interrupt::Signal;
use crate::ledger::Step;
use crate::savepoint::path_key;
use crate::statement::new_job_id;

/// Why an upgrade is taken back that a person has broken off.
const INTERRUPTED: &str = "it was interrupted";

impl Run<'_> {
    /// The first Ctrl-C takes the upgrade back, since a job that is stopped already is not to stay so. Another, or what ends
    /// the shell, leaves it as it is.
    ///
    /// # Errors
    /// It is left.
    pub(super) async fn break_off(&mut self, signal: Signal) -> Result<(), Error> {
        if signal != Signal::Interrupt || self.interrupted {
            return Err(signal.error());
        }
        self.interrupted = true;
        self.upgrade.cause.get_or_insert_with(|| INTERRUPTED.to_owned());
        self.write().await;
        self.session.ui.say(
            "the upgrade is taken back: the old statement is put back where it was stopped · Ctrl-C again leaves it unfinished",
        );
        Ok(())
    }

    /// Whether a job that is none of its own has gone on from its savepoint: then one that is taken back is finished.
    ///
    /// # Errors
    /// One has, and the upgrade is to be finished; or the engine can't be asked.
    pub(super) async fn is_overtaken_by_another(&mut self) -> Result<bool, Error> {
        let Some(savepoint) = &self.upgrade.savepoint else {
            return Ok(false);
        };
        let from = path_key(&savepoint.path).into_owned();
        let own = [self.upgrade.new_job, self.upgrade.again_job];
        for job in self.control.list().await? {
            if !runs(&job.status) || own.contains(&Some(job.job_id)) {
                continue;
            }
            let recorded = self
                .session
                .ledger
                .job(&self.connection.url, job.job_id)
                .await
                .ok()
                .flatten();
            let origin = match recorded.and_then(|record| record.intent.restored_from) {
                Some(state) => Some(state.path),
                None => self.control.detail(&job.job_id).await?.restored_from,
            };
            if origin.is_none_or(|path| path_key(&path) != from) {
                continue;
            }
            if self.upgrade.is_taken_back() {
                self.gone_on = Some(job.job_id);
                self.give_up(Step::Failed, String::new()).await;
                return Ok(true);
            }
            let id = job.job_id;
            return Err(Error::failed(format!(
                "job {id} runs, which somebody has started from the same savepoint"
            )));
        }
        Ok(false)
    }

    /// The submission of the new statement was interrupted.
    ///
    /// # Errors
    /// It may still be on its way to the engine: nothing else is started then.
    pub(super) async fn withdrawn(&mut self, id: JobId, error: Error) -> Result<(), Error> {
        let record = self.session.ledger.job(&self.connection.url, id).await.ok().flatten();
        let is_written = self.session.ledger.is_kept() && self.session.settings.remember;
        let is_settled = match &record {
            Some(record) => !record.outcome.is_unsettled(),
            // It was not even written down.
            None => is_written,
        };
        if !is_settled {
            return Err(error);
        }
        self.break_off(Signal::Interrupt).await?;
        match self.control.submitted(&id).await? {
            Some((job, status)) if runs(&status) => {
                self.upgrade.new_job = Some(job);
                self.go(Step::Cancelling).await;
            }
            Some((job, status)) => {
                self.upgrade.overtaken = self.has_own_state(&job, Some(&status)).await;
                self.upgrade.again_job = Some(new_job_id());
                self.go(Step::Restoring).await;
            }
            None => {
                self.upgrade.again_job = Some(new_job_id());
                self.go(Step::Restoring).await;
            }
        }
        Ok(())
    }
}
