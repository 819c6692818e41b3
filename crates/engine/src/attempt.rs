//! A connection that is being made.

use crate::{LogRing, Withdrawal};

/// An attempt to connect. All clones are the same one.
///
/// A server may take its time, such as one that starts an engine for a session. A driver then tells in `log` what happens
/// there, a line each, fit to be shown; with its first line it promises to heed `withdrawal`: when that is asked for it takes
/// back what it has begun, and fails with [`crate::ErrorKind::Cancelled`].
#[derive(Debug, Clone, Default)]
pub struct Attempt {
    /// What happens meanwhile.
    pub log: LogRing,
    /// Whether the connection is still wanted.
    pub withdrawal: Withdrawal,
}
