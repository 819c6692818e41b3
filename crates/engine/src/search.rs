//! A search for saved states that is under way: how far it has come, what stood in its way, and its end.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::watch;

/// Troubles that are kept: whoever has read so many knows enough.
const MOST_TROUBLES: usize = 20;

/// A search. Its copies are the same search: one is handed to who searches, and one is held by who waits.
#[derive(Debug, Clone, Default)]
pub struct Search {
    course: Arc<Course>,
    newest: Option<usize>,
}

#[derive(Debug, Default)]
struct Course {
    seen: AtomicU64,
    left_out: AtomicBool,
    ended: watch::Sender<bool>,
    troubles: Mutex<Vec<String>>,
}

impl Search {
    /// A search for everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// A search that looks at the newest so many states only, where there are more.
    pub fn of_newest(count: usize) -> Self {
        Self {
            newest: Some(count),
            ..Self::default()
        }
    }

    /// How many states are wanted, if not all.
    pub const fn newest(&self) -> Option<usize> {
        self.newest
    }

    /// One more state has been looked at.
    pub fn see(&self) {
        self.course.seen.fetch_add(1, Ordering::Relaxed);
    }

    /// How many states have been looked at.
    pub fn seen(&self) -> u64 {
        self.course.seen.load(Ordering::Relaxed)
    }

    /// Some states are there and were not looked at, because newer ones were enough.
    pub fn leave_out(&self) {
        self.course.left_out.store(true, Ordering::Relaxed);
    }

    /// Whether some were left out.
    pub fn has_left_out(&self) -> bool {
        self.course.left_out.load(Ordering::Relaxed)
    }

    /// Asks for the end: whoever searches gives what has been found so far.
    pub fn end(&self) {
        self.course.ended.send_replace(true);
    }

    /// Whether it is to end.
    pub fn is_ended(&self) -> bool {
        *self.course.ended.borrow()
    }

    /// Waits until it is to end.
    pub async fn ended(&self) {
        let mut ended = self.course.ended.subscribe();
        // The sender lives as long as `self`.
        let _ = ended.wait_for(|ended| *ended).await;
    }

    /// Does the same with each item, on so many threads at most; what is left when the search is to end is left out. The
    /// results are in no order. Not for a thread that must not block.
    pub fn each<T: Sync, R: Send>(&self, items: &[T], threads: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::with_capacity(items.len()));
        let run = || {
            let mut own = Vec::new();
            while !self.is_ended() {
                let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) else {
                    break;
                };
                own.push(work(item));
            }
            done.lock().unwrap_or_else(PoisonError::into_inner).extend(own);
        };
        thread::scope(|scope| {
            for _ in 1..threads.min(items.len()) {
                scope.spawn(run);
            }
            run();
        });
        done.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a place that could not be searched, and why, in a sentence.
    pub fn complain(&self, trouble: String) {
        let mut troubles = self.course.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        if troubles.len() < MOST_TROUBLES && !troubles.contains(&trouble) {
            troubles.push(trouble);
        }
    }

    /// The places that could not be searched, each with why.
    pub fn troubles(&self) -> Vec<String> {
        self.course
            .troubles
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_item_is_taken_once_and_after_the_end_none() {
        let search = Search::new();
        let items: Vec<u32> = (0..1_000).collect();
        let mut doubled = search.each(&items, 8, |item| item * 2);
        doubled.sort_unstable();
        assert!(doubled.iter().copied().eq((0..1_000).map(|item| item * 2)));
        let some = search.each(&items, 4, |item| {
            if *item == 100 {
                search.end();
            }
            *item
        });
        assert!(some.len() > 100 && some.len() < 1_000, "{}", some.len());
        assert!(search.each(&items, 4, |item| *item).is_empty());
    }

    #[tokio::test]
    async fn copies_are_one_search_and_its_end_is_heard_by_who_comes_late() {
        let search = Search::new();
        let other = search.clone();
        other.see();
        other.complain("a".to_owned());
        other.complain("a".to_owned());
        assert_eq!((search.seen(), search.troubles()), (1, vec!["a".to_owned()]));
        assert!(!search.is_ended());
        other.end();
        search.ended().await;
        assert!(search.is_ended());
        (0..50).for_each(|n| search.complain(n.to_string()));
        assert_eq!(search.troubles().len(), MOST_TROUBLES);
    }
}
