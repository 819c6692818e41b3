//! The session's job table: every statement that runs, or ran, in the background.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use skep_engine::{Connection, LogRing, OperationHandle};
use tokio::sync::watch;

use super::record::{Action, Job};
use super::spool::Spool;

/// A job of this session, with what it takes to reach it.
#[derive(Clone)]
pub struct Entry {
    /// What is known of it.
    pub job: Job,
    /// The connection it was started on, which may not be the current one any more.
    pub connection: Arc<Connection>,
    /// Ends the operation behind it.
    pub operation: Option<Arc<dyn OperationHandle>>,
    /// What the server logs about the statement.
    pub log: LogRing,
    /// Its rows, if it has any and they are kept.
    pub spool: Option<Spool>,
    /// Somebody waits for it in the foreground: its end is no news.
    pub attended: bool,
    /// Something happened to it meanwhile that would have been news.
    pub untold: bool,
    /// Nobody answers for it any more, and that was told.
    pub silent: bool,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("job", &self.job).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Inner {
    entries: Vec<Entry>,
}

/// The table. Cheap to clone; all clones are the same table.
#[derive(Debug, Clone)]
pub struct Table {
    inner: Arc<Mutex<Inner>>,
    version: Arc<watch::Sender<u64>>,
}

impl Table {
    /// An empty one.
    pub fn new() -> Self {
        Self {
            inner: Arc::default(),
            version: Arc::new(watch::channel(0).0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that holds the lock can panic between two changes of it.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job and gives it the next handle, which it returns.
    pub fn add(&self, mut entry: Entry) -> u32 {
        let handle = {
            let mut inner = self.lock();
            let handle = inner.entries.last().and_then(|e| e.job.handle).unwrap_or(0) + 1;
            entry.job.handle = Some(handle);
            inner.entries.push(entry);
            handle
        };
        self.tell();
        handle
    }

    /// The job with that handle.
    pub fn get(&self, handle: u32) -> Option<Entry> {
        self.lock()
            .entries
            .iter()
            .find(|entry| entry.job.handle == Some(handle))
            .cloned()
    }

    /// All jobs, in the order of their handles.
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().entries.clone()
    }

    /// The handles that `%%` and `%-` mean: of the newest job and of the one before it.
    pub fn recent(&self) -> (Option<u32>, Option<u32>) {
        let inner = self.lock();
        let mut newest = inner.entries.iter().rev().map(|entry| entry.job.handle);
        (newest.next().flatten(), newest.next().flatten())
    }

    /// Changes the job with that handle and tells all who watch the table. Returns it as it is then.
    pub fn update(&self, handle: u32, change: impl FnOnce(&mut Entry)) -> Option<Entry> {
        let changed = {
            let mut inner = self.lock();
            let entry = inner
                .entries
                .iter_mut()
                .find(|entry| entry.job.handle == Some(handle))?;
            change(entry);
            entry.clone()
        };
        self.tell();
        Some(changed)
    }

    /// Changes all jobs, and returns whether that has come upon something in any of them.
    pub fn update_all(&self, mut change: impl FnMut(&mut Entry) -> bool) -> bool {
        let found = self
            .lock()
            .entries
            .iter_mut()
            .fold(false, |found, entry| change(entry) | found);
        self.tell();
        found
    }

    /// Says what the shell is doing to a job until the returned guard is dropped.
    pub fn acting(&self, handle: Option<u32>, action: Action) -> Acting {
        if let Some(handle) = handle {
            self.update(handle, |entry| entry.job.action = action);
        }
        Acting {
            table: self.clone(),
            handle,
        }
    }

    /// How many jobs run, and how many have failed.
    pub fn counts(&self) -> (usize, usize) {
        let inner = self.lock();
        let active = inner.entries.iter().filter(|entry| entry.job.is_active()).count();
        let failed = inner
            .entries
            .iter()
            .filter(|entry| entry.job.ended_by == Some(skep_engine::EndedBy::Failed))
            .count();
        (active, failed)
    }

    /// Tells when anything in the table changes.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    fn tell(&self) {
        self.version.send_modify(|version| *version += 1);
    }
}

impl Default for Table {
    fn default() -> Self {
        Self::new()
    }
}

/// Says what the shell is doing to a job, for as long as it lives.
#[derive(Debug)]
pub struct Acting {
    table: Table,
    handle: Option<u32>,
}

impl Drop for Acting {
    fn drop(&mut self) {
        if let Some(handle) = self.handle {
            self.table.update(handle, |entry| entry.job.action = Action::None);
        }
    }
}
