//! Fetches from Kyuubi's Flink engine, and whether they have read all.
//!
//! What the engine does (`IncrementalResultFetchIterator` and `FlinkOperation`, the same in Kyuubi 1.9 to 1.12): a fetch that finds no
//! rows queues a round, which asks Flink's SQL Gateway until there are rows or their end, and then sleeps a second; a fetch that has
//! waited for `kyuubi.session.engine.flink.fetch.timeout` gives what there is and leaves its round behind. So rounds go on between fetches,
//! a second apart, and one that meets the end makes all fetches end there and then, whatever rows nobody has fetched yet: these
//! are lost, and nothing says so. With a time-out of a second that happens (one of fourteen queries, on a real server). With half
//! of it the rows of a round are fetched before the next one begins, and where that took longer, it is known.

use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use skep_hive::{Client, Error, OperationHandle, Result};

/// How long the engine waits for the next rows before it says that there are none yet, and the session is free again. Less
/// would show rows a little sooner; but each time engine and server log the time-out with its stack.
pub(super) const TIMEOUT: (&str, &str) = ("kyuubi.session.engine.flink.fetch.timeout", "PT0.5S");

/// The same for questions of the shell's own, whose answers are there at once.
pub(super) const SHORT_TIMEOUT: (&str, &str) = (TIMEOUT.0, "PT0.1S");

/// How long a time-out is at least.
const WAITED: Duration = Duration::from_millis(500);

/// Between two rounds of the engine's.
const ROUND: Duration = Duration::from_secs(1);

/// What the engine says when no rows have come within the time-out.
const NO_ROWS_YET: &str = "Futures timed out";

/// How long one is left alone that says at once that there are no rows yet.
const PAUSE: Duration = Duration::from_millis(50);

/// What a fetch gave.
pub(super) enum Page {
    Rows {
        rows: RecordBatch,
        /// What they took on their way.
        bytes: usize,
    },
    /// There are none yet.
    NotYet,
    /// There will be no more.
    End,
}

/// The fetches of an operation, one after another.
pub(super) struct Fetches {
    /// All that there was had been read when this was sent.
    read: Instant,
    /// A round was left behind.
    left: bool,
    /// When the last fetch gave something, or the end.
    answered: Instant,
}

impl Fetches {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            read: now,
            left: false,
            answered: now,
        }
    }

    /// Fetches so many rows at most.
    ///
    /// # Errors
    /// The engine's, but for that there are no rows yet.
    pub(super) async fn next(
        &mut self,
        client: &Client,
        operation: &OperationHandle,
        schema: &SchemaRef,
        size: usize,
    ) -> Result<Page> {
        let sent = Instant::now();
        let fetched = client.fetch(operation, schema, size).await;
        self.answered = Instant::now();
        let waited = self.answered - sent;
        let none_yet = match fetched {
            Ok(set) => match set.rows.filter(|rows| rows.num_rows() > 0) {
                Some(rows) => {
                    // Fewer than it was asked for it gives at once only at the end.
                    if rows.num_rows() < size && waited >= WAITED {
                        self.read = sent;
                    }
                    return Ok(Page::Rows { rows, bytes: set.bytes });
                }
                None if !set.more => return Ok(Page::End),
                None => Page::NotYet,
            },
            Err(Error::Server(failure)) if failure.message.contains(NO_ROWS_YET) => {
                (self.read, self.left) = (sent, true);
                Page::NotYet
            }
            Err(error) => return Err(error),
        };
        if waited < PAUSE {
            tokio::time::sleep(PAUSE - waited).await;
        }
        Ok(none_yet)
    }

    /// Whether the end that came is certainly behind all rows. Those that came since all was read came in one round, and the next
    /// one, a second later, had not begun.
    pub(super) fn are_whole(&self) -> bool {
        !self.left || self.answered - self.read < ROUND
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_comes_late_may_be_before_rows() {
        let mut fetches = Fetches::new();
        fetches.answered = fetches.read + Duration::from_millis(1500);
        // No round was left behind: the fetch that met the end has waited for it.
        assert!(fetches.are_whole());
        fetches.left = true;
        assert!(!fetches.are_whole());
        fetches.answered = fetches.read + Duration::from_millis(600);
        assert!(fetches.are_whole());
    }
}
