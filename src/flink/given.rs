//! How many rows a query has given, and whether its `LIMIT` lets more through.

use skep_engine::{Batch, Dialect, JobId, JobState, RowKind};

use crate::syntax::row_limit::row_limit;

/// What a query has given so far.
#[derive(Debug)]
pub(super) struct Given {
    limit: Option<u64>,
    rows: u64,
    /// It has changed rows that it had given, and may give others in their place.
    has_changed: bool,
}

impl Given {
    /// Nothing yet, of that statement.
    pub(super) fn nothing_of(text: &str) -> Self {
        Self {
            limit: row_limit(text, &Dialect::FLINK),
            rows: 0,
            has_changed: false,
        }
    }

    /// How many rows there were.
    pub(super) const fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn count(&mut self, batch: &Batch) {
        self.rows += batch.rows.num_rows() as u64;
        let kinds = batch.kinds.iter().flatten();
        self.has_changed |= kinds.into_iter().any(|kind| *kind != RowKind::Insert);
    }

    /// Why there are no more rows, if that is its `LIMIT`: Flink's streaming job ends there only where the source itself can be told of
    /// the limit.
    pub(super) fn limit_reached(&self, job: &JobId, state: JobState) -> Option<String> {
        let limit = self.limit.filter(|limit| *limit == self.rows)?;
        let runs_on = state == JobState::Running && !self.has_changed;
        runs_on.then(|| {
            format!(
                "LIMIT {limit} is reached, and job {} runs on until its sources end or it is cancelled",
                job.short()
            )
        })
    }
}
