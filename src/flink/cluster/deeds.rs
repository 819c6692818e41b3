//! What was done to jobs through this connection. The server's statistics tell of it only when they are renewed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use skep_engine::{EndedBy, JobId, JobState, JobStatus};

/// The newest savepoint that was made of each job, and how the job was ended. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Deeds(Arc<Mutex<HashMap<JobId, Deed>>>);

#[derive(Debug, Clone)]
struct Deed {
    at: Instant,
    savepoint: String,
    ended_by: Option<EndedBy>,
}

impl Deeds {
    /// Remembers a savepoint that is complete and, if the job was stopped with it, how.
    pub(super) fn remember(&self, job: &JobId, savepoint: &str, ended_by: Option<EndedBy>) {
        let deed = Deed {
            at: Instant::now(),
            savepoint: savepoint.to_owned(),
            ended_by,
        };
        // The map is changed by single calls.
        let mut deeds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        deeds.insert(*job, deed);
    }

    /// Adds what statistics that may be as old as `refresh` can't tell yet.
    pub(super) fn complete(&self, job: &JobId, status: &mut JobStatus, refresh: Duration) {
        let deed = {
            let deeds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(deed) = deeds.get(job) else { return };
            deed.clone()
        };
        if deed.at.elapsed() <= refresh {
            status.savepoint = Some(deed.savepoint);
        }
        if status.state == JobState::Finished {
            status.ended_by = deed.ended_by.or(status.ended_by);
        }
    }
}
