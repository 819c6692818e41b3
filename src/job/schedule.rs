//! What is done to jobs again and again, until they end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::task::AbortHandle;

/// Something that is done at times.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// Its number in this session.
    pub number: u32,
    /// How far apart, in ms.
    pub every_ms: u64,
    /// The command.
    pub command: String,
    /// When it is done next.
    pub next: Timestamp,
    /// How often it was done.
    pub done: u64,
    /// How often it failed.
    pub failed: u64,
    /// What came of it last.
    pub last: Option<String>,
}

#[derive(Debug, Default)]
struct Inner {
    given: u32,
    plans: Vec<(Plan, Option<AbortHandle>)>,
}

/// The session's plans. Cheap to clone; all clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Schedule {
    inner: Arc<Mutex<Inner>>,
}

impl Schedule {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that holds the lock can panic between two changes of it.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a plan and gives it its number.
    pub fn add(&self, every: Duration, command: String) -> u32 {
        let mut inner = self.lock();
        inner.given += 1;
        let plan = Plan {
            number: inner.given,
            every_ms: u64::try_from(every.as_millis()).unwrap_or(u64::MAX),
            command,
            next: Timestamp::now(),
            done: 0,
            failed: 0,
            last: None,
        };
        inner.plans.push((plan, None));
        inner.given
    }

    /// The task that carries it out.
    pub fn runs_in(&self, number: u32, task: AbortHandle) {
        if let Some((_, slot)) = self.lock().plans.iter_mut().find(|(plan, _)| plan.number == number) {
            *slot = Some(task);
        }
    }

    /// Changes a plan.
    pub fn update(&self, number: u32, change: impl FnOnce(&mut Plan)) {
        if let Some((plan, _)) = self.lock().plans.iter_mut().find(|(plan, _)| plan.number == number) {
            change(plan);
        }
    }

    /// Takes a plan out; its task, which is then to be ended, is returned.
    pub fn remove(&self, number: u32) -> Option<(Plan, Option<AbortHandle>)> {
        let mut inner = self.lock();
        let place = inner.plans.iter().position(|(plan, _)| plan.number == number)?;
        Some(inner.plans.remove(place))
    }

    /// All plans, in the order of their numbers.
    pub fn plans(&self) -> Vec<Plan> {
        self.lock().plans.iter().map(|(plan, _)| plan.clone()).collect()
    }
}
