//! Drives a dataflow as a job.
//!
//! A [`Host`] is one `local:DIR`. Its layout:
//!
//! ```text
//! DIR/jobs/<job id>/job.json    what it takes to run the job again, and how it ended
//!                   lock        held by the process that runs it
//!                   successor   held by the process that continues it under another id
//!                   socket      where that process takes job verbs
//!                   chk-N/      checkpoints
//!                   log         the job's log, once it has ended
//! DIR/savepoints/savepoint-<job>-<random>/
//! ```
//!
//! Each job has one thread: it steps the dataflow, hands the rows to the sink and, between two steps, saves the state.
//! So a state is consistent without barriers.

mod checkpoint;
mod control;
mod file;
mod foreign;
mod handle;
mod host;
mod inspection;
mod job;
mod lock;
mod record;
mod restore;
mod saved;
mod settings;
mod sink;
mod snapshot;
mod socket;
mod stores;
mod sweep;
mod trial;

pub(crate) use file::sha256;
pub use host::{Host, JobSpec, SinkSpec, Started};
pub(crate) use inspection::Offline;
pub(crate) use saved::{SavedOperator, SavedState};
pub use sink::validate;
pub(crate) use trial::{hold, try_out};
