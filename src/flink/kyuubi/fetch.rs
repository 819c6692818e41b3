//! Fetches from Kyuubi's Flink engine, which lose no rows, however late they come.
//!
//! What the engine does (`IncrementalResultFetchIterator` and `FlinkOperation`, the same in Kyuubi 1.9 to 1.12): a fetch that finds no
//! rows queues a round, which asks Flink's SQL Gateway once a second until there are rows or their end, and sleeps a second then; a
//! fetch that has waited for `kyuubi.session.engine.flink.fetch.timeout` gives what there is and leaves its round behind. A round that
//! meets the end makes all fetches end there and then: rows that another one has brought before and that nobody has fetched yet are
//! lost, and nothing says so.
//!
//! So no round is queued behind another one. While one is under way, the engine is asked whether it has rows, which queues none
//! ([`Fetches::has_more`]), and they wait there for whoever is held up. The end can only be asked for by a fetch: that is done once the
//! job has ended, and so long ago that the round has met the end as well, or has brought what came before it; and ever more seldom
//! where nobody can see whether it has ended. When the end has come, the engine is asked whether it has rows that it did not give.

use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use skep_hive::{Client, Error, OperationHandle, Orientation, Result};

/// How long the engine waits for the next rows before it gives those that it has, or says that there are none yet, and the session is
/// free again.
pub(super) const TIMEOUT: (&str, &str) = ("kyuubi.session.engine.flink.fetch.timeout", "PT0.1S");

/// How long a time-out is at least.
const WAITED: Duration = Duration::from_millis(100);

/// Between two questions of a round's: a second, and what a question takes.
const ROUND: Duration = Duration::from_millis(1100);

/// After so long a round has asked for the first time, and has all that there is at once.
const FIRST: Duration = Duration::from_millis(200);

/// After so long rows are fetched though a round is under way and its job, as far as is known, runs: in case there is no round.
const ANYWAY: Duration = Duration::from_secs(30);

/// No longer than this passes between such fetches. Each may queue a round behind another, so that they become rarer.
const LONGEST_PATIENCE: Duration = Duration::from_mins(10);

/// What the engine says when no rows have come within the time-out.
const NO_ROWS_YET: &str = "Futures timed out";

/// What it says of a place in the result that no row has.
const NO_SUCH_ROW: &str = "Cannot skip to an unreachable position";

/// The pauses between questions whether there are rows. An engine that has none logs each with a stack, as it does a time-out; so
/// that a query that keeps silent is asked seldom. Behind rows the next round has most of a second to sleep.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
const PAUSE_BEHIND_ROWS: Duration = Duration::from_millis(500);
const PAUSE_IN_SILENCE: Duration = Duration::from_secs(1);

/// After so long without rows a query keeps silent.
const SILENCE: Duration = Duration::from_secs(10);

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

/// Whether all rows have come that there were before an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Whole,
    /// The engine has rows that it did not give, and will not.
    Cut,
    /// It may have such, and does not say.
    Unknown,
}

/// The fetches of an operation, one after another.
pub(super) struct Fetches {
    /// Rows that have come.
    taken: u64,
    /// A round is under way, or about to be, that no fetch waits for; and since when.
    round: Option<Instant>,
    /// The engine does leave rounds behind.
    leaves_rounds: bool,
    /// One may have been queued behind another.
    is_doubtful: bool,
    /// How many may have been since rows came last.
    queued: u32,
    /// Flink has all rows before there is an operation, and gives them to the first round that asks.
    is_whole: bool,
    /// Such rows have come.
    is_over: bool,
    /// When rows were asked for last.
    asked: Instant,
    /// When rows came last, or were first waited for.
    came: Instant,
    pause: Duration,
}

impl Fetches {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            taken: 0,
            round: None,
            leaves_rounds: false,
            is_doubtful: false,
            queued: 0,
            is_whole: false,
            is_over: false,
            asked: now,
            came: now,
            pause: FIRST_PAUSE,
        }
    }

    /// Those of a statement whose rows Flink has all at once (`ResultFetcher.fromResults`): to know that there are no more takes no
    /// second.
    pub(super) fn of_whole() -> Self {
        Self {
            is_whole: true,
            ..Self::new()
        }
    }

    /// Fetches so many rows at most. `over` is when the operation was first known to give no more than what Flink has already,
    /// because its job has ended; or when nobody could tell.
    ///
    /// # Errors
    /// The engine's, but for that there are no rows yet.
    pub(super) async fn next(
        &mut self,
        client: &Client,
        operation: &OperationHandle,
        schema: &SchemaRef,
        size: usize,
        over: Option<Instant>,
    ) -> Result<Page> {
        if self.is_over {
            return Ok(Page::End);
        }
        let mut is_behind = false;
        if let Some(since) = self.round {
            let has_more = self.has_more(client, operation).await?;
            if has_more == Some(false) && !self.is_due(since, over) {
                self.rest().await;
                return Ok(Page::NotYet);
            }
            is_behind = has_more != Some(true);
        }
        let sent = Instant::now();
        self.asked = sent;
        match client.fetch(operation, schema, size).await {
            Ok(set) => match set.rows.filter(|rows| rows.num_rows() > 0) {
                Some(rows) => {
                    self.took(rows.num_rows(), size, sent);
                    Ok(Page::Rows { rows, bytes: set.bytes })
                }
                None if !set.more => Ok(Page::End),
                // Others than Kyuubi's say so, and at once.
                None => {
                    tokio::time::sleep(FIRST_PAUSE).await;
                    Ok(Page::NotYet)
                }
            },
            Err(Error::Server(failure)) if failure.message.contains(NO_ROWS_YET) => {
                self.leaves_rounds = true;
                if is_behind {
                    self.is_doubtful = true;
                    self.queued += 1;
                    self.round = Some(sent);
                } else {
                    self.round.get_or_insert(sent);
                }
                // A server that says so at once is not asked without end.
                if is_behind || sent.elapsed() < WAITED {
                    self.rest().await;
                }
                Ok(Page::NotYet)
            }
            Err(error) => Err(error),
        }
    }

    /// Takes note of rows that have come in answer to a question for so many at most.
    fn took(&mut self, count: usize, size: usize, sent: Instant) {
        self.taken += count as u64;
        self.queued = 0;
        self.came = Instant::now();
        self.pause = PAUSE_BEHIND_ROWS;
        // The round that brought them is over. Who gets fewer rows than were asked for has waited for those of another one, unless the
        // end has come.
        let has_waited = self.leaves_rounds && count < size && sent.elapsed() >= WAITED;
        if has_waited {
            self.is_over = self.is_whole;
            self.round = Some(sent);
        } else if !self.is_doubtful {
            self.round = None;
        }
    }

    /// What the end was the end of.
    pub(super) async fn ending(&self, client: &Client, operation: &OperationHandle) -> Ending {
        if !self.leaves_rounds || self.is_over {
            return Ending::Whole;
        }
        match self.has_more(client, operation).await {
            Ok(Some(true)) => Ending::Cut,
            Ok(Some(false)) => Ending::Whole,
            Ok(None) | Err(_) if self.is_doubtful => Ending::Unknown,
            Ok(None) | Err(_) => Ending::Whole,
        }
    }

    /// Whether the engine has rows that have not been fetched; nothing if it does not say. It moves to the first row, and from there as many
    /// rows back as the negative of those that have come: a place that no row has is refused. It gives no rows where none are asked
    /// for, or fewer, and queues no round for them. Where the next rows are given from does not change with it (`fetchAbsolute` sets
    /// `fetchStart`, and `pos` not).
    async fn has_more(&self, client: &Client, operation: &OperationHandle) -> Result<Option<bool>> {
        let Ok(taken) = i32::try_from(self.taken) else {
            return Ok(None);
        };
        for (orientation, count) in [(Orientation::First, 0), (Orientation::Prior, -taken)] {
            match client.turn(operation, orientation, count).await {
                Ok(()) => {}
                Err(Error::Server(failure)) if failure.message.contains(NO_SUCH_ROW) => return Ok(Some(false)),
                Err(Error::Server(failure)) if !failure.is_unknown_handle => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(true))
    }

    async fn rest(&mut self) {
        tokio::time::sleep(self.pause).await;
        let longest = match self.came.elapsed() >= SILENCE {
            true => PAUSE_IN_SILENCE,
            false => LONGEST_PAUSE,
        };
        self.pause = (self.pause * 2).min(longest);
    }

    /// Whether a round of which nothing has been heard since then must have met the end, if that was there since `over`; or whether that
    /// is to be tried.
    fn is_due(&self, since: Instant, over: Option<Instant>) -> bool {
        // Each that finds none queues another round, and who can't see the job's end may be wrong any number of times.
        let patience = |first: Duration| first.saturating_mul(1 << self.queued.min(10)).min(LONGEST_PATIENCE);
        over.is_some_and(|over| over.max(since).elapsed() >= patience(ROUND))
            || self.is_whole && since.elapsed() >= patience(FIRST)
            || self.asked.elapsed() >= patience(ANYWAY)
    }
}
