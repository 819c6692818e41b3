//! How long the client waits.

use std::time::Duration;

/// Time limits. Every call has one; what is not answered within it fails with [`crate::Error::Timeout`] and is not sent
/// again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For a connection to be made: each of TCP, TLS and SASL.
    pub connect: Duration,
    /// For a session to be opened: a server may have to start an engine for it.
    pub open: Duration,
    /// For a statement to be accepted: a server compiles it first, and for some that means planning it.
    pub execute: Duration,
    /// For rows to come.
    pub fetch: Duration,
    /// For any other call.
    pub request: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            open: Duration::from_secs(180),
            execute: Duration::from_secs(600),
            fetch: Duration::from_secs(600),
            request: Duration::from_secs(60),
        }
    }
}
