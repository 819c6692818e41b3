//! What a rehearsal makes on a cluster, written down before it is made: a shell that is killed can't remove it.

use jiff::Timestamp;
use skep_engine::{JobId, Savepoint, Trial};

use super::super::target::Target;
use crate::error::Error;
use crate::ledger::{Ledger, Rehearsal};
use crate::session::Session;
use crate::statement::new_job_id;
use crate::ui::Ui;

/// The record of one rehearsal.
pub(super) struct Journal {
    ledger: Ledger,
    ui: Ui,
    /// None where a rehearsal makes nothing.
    rehearsal: Option<Rehearsal>,
}

impl Journal {
    /// Of a rehearsal that takes jobs and savepoints of its own, or of one that makes nothing.
    pub(super) fn new(session: &Session, target: &Target, makes_jobs: bool) -> Result<Self, Error> {
        let rehearsal = Rehearsal {
            id: new_job_id(),
            url: target.connection.url.clone(),
            name: target.job.name.clone(),
            job: target.job_id()?,
            trigger: None,
            savepoint: None,
            trials: Vec::new(),
            began: Timestamp::now(),
        };
        Ok(Self {
            ledger: session.ledger.clone(),
            ui: session.ui.clone(),
            rehearsal: makes_jobs.then_some(rehearsal),
        })
    }

    /// A savepoint of the job is about to be asked for by that request.
    pub(super) async fn asks(&mut self, trigger: JobId) {
        if let Some(rehearsal) = &mut self.rehearsal {
            rehearsal.trigger = Some(trigger);
        }
        self.write().await;
    }

    /// The savepoint was taken.
    pub(super) async fn took(&mut self, path: &str) {
        if let Some(rehearsal) = &mut self.rehearsal {
            rehearsal.savepoint = Some(path.to_owned());
        }
        self.write().await;
    }

    /// Ids for the jobs of a trial that is about to begin.
    pub(super) async fn trial(&mut self) -> Vec<JobId> {
        let Some(rehearsal) = &mut self.rehearsal else {
            return Vec::new();
        };
        let ids: Vec<JobId> = (0..Trial::MOST_JOBS).map(|_| new_job_id()).collect();
        rehearsal.trials.extend(&ids);
        self.write().await;
        ids
    }

    /// A savepoint that was made for it has been deleted.
    pub(super) fn discarded(&self, savepoint: Savepoint) {
        if let Some(rehearsal) = &self.rehearsal {
            self.ledger.discarded(rehearsal, savepoint);
        }
    }

    /// All that was made is removed.
    pub(super) fn end(&self) {
        if let Some(rehearsal) = &self.rehearsal {
            self.ledger.end_rehearsal(rehearsal.id);
        }
    }

    async fn write(&self) {
        let Some(rehearsal) = &self.rehearsal else { return };
        if let Err(cause) = self.ledger.write_rehearsal(rehearsal.clone()).await
            && self.ledger.is_news(&cause)
        {
            let warning = format!("{cause}; if this shell is killed, what the rehearsal has made stays");
            self.ui.warn(&warning);
        }
    }
}
