//! How long, and how much, a Flink server may take.

use std::time::Duration;

/// Limits of time and size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Until a connection stands.
    pub connect: Duration,
    /// From the request to the last byte of its answer.
    pub request: Duration,
    /// Bytes of an answer, after decompression.
    pub body: usize,
    /// Until every task of a job runs, before a savepoint is asked for.
    pub tasks: Duration,
    /// Until a savepoint, stop or checkpoint is complete. The job's own `execution.checkpointing.timeout` (10 minutes
    /// unless it is set) ends it on the cluster's side.
    pub operation: Duration,
    /// How long the server may be away while such an operation is waited for.
    pub outage: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            request: Duration::from_secs(30),
            body: 64 << 20,
            tasks: Duration::from_secs(60),
            operation: Duration::from_secs(60 * 60),
            outage: Duration::from_secs(30),
        }
    }
}

/// The pauses between two questions: from 50 ms, doubled up to 1 s.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff(Duration);

impl Backoff {
    const LONGEST: Duration = Duration::from_secs(1);

    pub(super) const fn new() -> Self {
        Self(Duration::from_millis(50))
    }

    /// Sleeps for the next pause.
    pub(super) async fn pause(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(Self::LONGEST);
    }
}
