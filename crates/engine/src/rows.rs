//! Rows on their way from an engine to a renderer.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;

use crate::Result;

/// The key of a field's metadata under which an engine names its own type, where Arrow has none and the values travel
/// as text.
pub const ENGINE_TYPE: &str = "skep:type";

/// What a row of a changelog does. The words are Flink's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// `+I`: a new row.
    Insert,
    /// `-U`: the row before an update.
    UpdateBefore,
    /// `+U`: the row after an update.
    UpdateAfter,
    /// `-D`: a row that is gone.
    Delete,
}

impl RowKind {
    /// Flink's short form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Insert => "+I",
            Self::UpdateBefore => "-U",
            Self::UpdateAfter => "+U",
            Self::Delete => "-D",
        }
    }
}

/// Some rows.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The rows.
    pub rows: RecordBatch,
    /// What each row does, as many as there are rows; `None` means that all are inserts.
    pub kinds: Option<Vec<RowKind>>,
}

impl Batch {
    /// Rows that are all inserts.
    pub const fn inserts(rows: RecordBatch) -> Self {
        Self { rows, kinds: None }
    }
}

/// A pull stream of rows. It has one owner; dropping it lets the engine forget the rows, not the job.
#[async_trait]
pub trait Rows: Send {
    /// Returns when the columns are known. An engine may know them only when the statement has been carried out; then
    /// there may be none, and no rows. Cancel-safe.
    ///
    /// # Errors
    /// As [`Rows::next`].
    async fn ready(&mut self) -> Result<()> {
        Ok(())
    }

    /// The columns, once [`Rows::ready`] has returned.
    fn schema(&self) -> SchemaRef;

    /// Whether the rows are a changelog, so that each row's kind is to be shown.
    fn is_changelog(&self) -> bool {
        false
    }

    /// The next rows; `None` after the last. A batch is never empty. Cancel-safe: a dropped call loses no rows.
    ///
    /// # Errors
    /// The query failed, or was cancelled, or the connection broke. After an error the stream has ended.
    async fn next(&mut self) -> Result<Option<Batch>>;
}
