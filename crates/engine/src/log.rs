//! Logs as bounded rings.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::watch;

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written.
    pub at: Timestamp,
    /// What it says. May hold anything a server sent: make it safe before it reaches a terminal.
    pub text: String,
}

#[derive(Debug)]
struct Ring {
    lines: VecDeque<LogLine>,
    bytes: usize,
    dropped: u64,
}

/// A bounded ring of lines: the oldest go first. Cheap to clone; all clones are the same ring.
#[derive(Debug, Clone)]
pub struct LogRing {
    ring: Arc<Mutex<Ring>>,
    written: Arc<watch::Sender<u64>>,
    limit: usize,
}

/// A longer line is cut here.
const LINE_LIMIT: usize = 16 * 1024;

impl LogRing {
    /// A ring that holds up to `limit` bytes of text.
    pub fn new(limit: usize) -> Self {
        let ring = Ring {
            lines: VecDeque::new(),
            bytes: 0,
            dropped: 0,
        };
        Self {
            ring: Arc::new(Mutex::new(ring)),
            written: Arc::new(watch::channel(0).0),
            limit,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        // A panic while the lock is held can only happen between two pushes: the ring is still whole.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line; a long one is cut.
    pub fn push(&self, text: impl Into<String>) {
        let mut text: String = text.into();
        if text.len() > LINE_LIMIT {
            let end = (0..=LINE_LIMIT).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
            text.truncate(end);
            text.push_str(" …");
        }
        {
            let mut ring = self.lock();
            ring.bytes += text.len();
            ring.lines.push_back(LogLine {
                at: Timestamp::now(),
                text,
            });
            while ring.bytes > self.limit && ring.lines.len() > 1 {
                if let Some(line) = ring.lines.pop_front() {
                    ring.bytes -= line.text.len();
                    ring.dropped += 1;
                }
            }
        }
        self.written.send_modify(|n| *n += 1);
    }

    /// The lines that are still there, oldest first, and how many older ones have been dropped.
    pub fn lines(&self) -> (Vec<LogLine>, u64) {
        let ring = self.lock();
        (ring.lines.iter().cloned().collect(), ring.dropped)
    }

    /// The lines written after the first `seen` ones, as far as they are still there.
    pub fn after(&self, seen: u64) -> Vec<LogLine> {
        let ring = self.lock();
        let skip = usize::try_from(seen.saturating_sub(ring.dropped)).unwrap_or(usize::MAX);
        ring.lines.iter().skip(skip).cloned().collect()
    }

    /// Tells when lines are added: the value is the number of lines ever written.
    pub fn written(&self) -> watch::Receiver<u64> {
        self.written.subscribe()
    }
}

impl Default for LogRing {
    /// A ring of 256 KiB.
    fn default() -> Self {
        Self::new(256 * 1024)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_lines_go_first() {
        let log = LogRing::new(10);
        for text in ["aaaa", "bbbb", "cccc"] {
            log.push(text);
        }
        let (lines, dropped) = log.lines();
        assert_eq!(
            lines.iter().map(|l| l.text.as_str()).collect::<Vec<_>>(),
            ["bbbb", "cccc"]
        );
        assert_eq!(dropped, 1);
        let after = |seen| log.after(seen).into_iter().map(|line| line.text).collect::<Vec<_>>();
        assert_eq!(after(0), ["bbbb", "cccc"]);
        assert_eq!(after(2), ["cccc"]);
        assert!(after(3).is_empty() && after(u64::MAX).is_empty());
        assert_eq!(*log.written().borrow(), 3);
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let log = LogRing::new(1 << 20);
        log.push("é".repeat(LINE_LIMIT));
        assert!(log.lines().0[0].text.len() <= LINE_LIMIT + " …".len());
    }
}
