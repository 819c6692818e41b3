//! How fast rows are let in.

use std::time::{Duration, Instant};

/// Rows come in batches of at least a twentieth of a second.
const BATCHES_PER_SECOND: u64 = 20;

/// A limit of rows in a second. It never waits: it says how long there is to wait.
pub(super) struct Pace {
    per_second: Option<u64>,
    started: Option<Instant>,
    given: u64,
}

impl Pace {
    /// That many rows a second, or as fast as it goes.
    pub(super) const fn new(per_second: Option<u64>) -> Self {
        Self {
            per_second,
            started: None,
            given: 0,
        }
    }

    /// How many rows may be read now, or for how long none.
    pub(super) fn allowance(&mut self, now: Instant) -> Result<usize, Duration> {
        let Some(rate) = self.per_second else {
            return Ok(usize::MAX);
        };
        let elapsed = now.saturating_duration_since(*self.started.get_or_insert(now));
        let due = u64::try_from(elapsed.as_nanos() * u128::from(rate) / 1_000_000_000).unwrap_or(u64::MAX);
        // Time in which there was nothing to read, or nobody asked, is not made up for.
        self.given = self.given.max(due.saturating_sub(rate));
        let (open, batch) = (due.saturating_sub(self.given), (rate / BATCHES_PER_SECOND).max(1));
        if open >= batch {
            return Ok(usize::try_from(open).unwrap_or(usize::MAX));
        }
        let missing = u128::from(batch - open) * 1_000_000_000 / u128::from(rate) + 1;
        Err(Duration::from_nanos(u64::try_from(missing).unwrap_or(u64::MAX)))
    }

    /// That many rows were read.
    pub(super) const fn spend(&mut self, rows: usize) {
        self.given += rows as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lets_in_the_rate_and_no_more() {
        let mut pace = Pace::new(Some(1000));
        let start = Instant::now();
        let (mut now, mut given) = (start, 0);
        while now <= start + Duration::from_secs(1) {
            match pace.allowance(now) {
                Ok(rows) => {
                    pace.spend(rows.min(7));
                    given += rows.min(7);
                }
                Err(wait) => now += wait,
            }
        }
        assert!((940..=1000).contains(&given), "{given}");
        assert_eq!(pace.allowance(start + Duration::from_secs(60)), Ok(1000));
    }

    #[test]
    fn without_a_rate_all_may_come() {
        assert_eq!(Pace::new(None).allowance(Instant::now()), Ok(usize::MAX));
    }
}
