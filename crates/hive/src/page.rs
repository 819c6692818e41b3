//! Rows on their way: where they are asked for, sent, and not read yet.

use arrow::datatypes::SchemaRef;

use crate::error::Result;
use crate::service::RowSet;
use crate::{calls, rest};

/// Where in a result rows are asked for (`TFetchOrientation`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Orientation {
    /// Behind those that were fetched last.
    Next,
    /// So many before the place at which the last fetch began.
    Prior,
    /// At the beginning.
    First,
}

impl Orientation {
    /// Its number in Thrift.
    pub(crate) const fn wire(self) -> i32 {
        match self {
            Self::Next => 0,
            Self::Prior => 1,
            Self::First => 4,
        }
    }

    /// Its name over REST.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Next => "FETCH_NEXT",
            Self::Prior => "FETCH_PRIOR",
            Self::First => "FETCH_FIRST",
        }
    }
}

/// Rows as they were sent.
#[derive(Debug)]
pub struct Page(pub(crate) Sent);

/// What was sent, by what was spoken.
#[derive(Debug)]
pub(crate) enum Sent {
    Thrift(Vec<u8>),
    Rest(Vec<u8>),
}

impl Page {
    /// How many bytes it has.
    pub fn size(&self) -> usize {
        match &self.0 {
            Sent::Thrift(bytes) | Sent::Rest(bytes) => bytes.len(),
        }
    }

    /// Its rows, in the columns that [`crate::Client::schema`] gave.
    ///
    /// # Errors
    /// The operation has failed, was cancelled, or is not finished yet; or these are no such rows.
    pub fn read(&self, schema: &SchemaRef) -> Result<RowSet> {
        match &self.0 {
            Sent::Thrift(bytes) => calls::read_page(bytes, schema),
            Sent::Rest(bytes) => rest::read_page(bytes, schema),
        }
    }
}
