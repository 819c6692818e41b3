//! Why a file can't be read.

use crate::FORMATS;

/// The result of reading.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a file can't be read: the end of a sentence that begins with its path. Offsets are in bytes from the file's start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It begins with other bytes.
    #[error("is not a _metadata of Flink: it begins with {0:02x?}")]
    Foreign([u8; 4]),
    /// A later Flink wrote it.
    #[error("has format {0}, which is newer than this program knows (up to {newest})", newest = FORMATS.1)]
    Newer(u32),
    /// A Flink before 1.16 wrote it.
    #[error("has format {0}, which Flink before 1.16 wrote; this program reads it from {oldest} on", oldest = FORMATS.0)]
    Older(u32),
    /// It ends too soon, or a length in it is wrong.
    #[error("is cut or damaged at byte {offset}: {what} should take {needed} bytes, and there are {left}")]
    Cut {
        /// Where what does not fit begins.
        offset: u64,
        /// What does not fit.
        what: &'static str,
        /// The bytes it takes, at least.
        needed: u64,
        /// The bytes that there are.
        left: u64,
    },
    /// There is something that can't stand there.
    #[error("is damaged at byte {offset}: {what}")]
    Damaged {
        /// Where it stands.
        offset: u64,
        /// What it is.
        what: String,
    },
}

impl Error {
    pub(crate) fn damaged(offset: u64, what: impl Into<String>) -> Self {
        Self::Damaged {
            offset,
            what: what.into(),
        }
    }

    /// Where in the file it was noticed.
    pub const fn offset(&self) -> u64 {
        match self {
            Self::Foreign(_) => 0,
            Self::Newer(_) | Self::Older(_) => 4,
            Self::Cut { offset, .. } | Self::Damaged { offset, .. } => *offset,
        }
    }
}
