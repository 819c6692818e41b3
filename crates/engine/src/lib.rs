//! The seam between the shell and an engine.
//!
//! An [`Engine`] is a driver: it turns a [`Target`] (a URL and what goes with it) into a [`Connection`].
//! A connection has up to four sides, and a driver fills in those that its server really has:
//!
//! * [`Sql`]: a session that takes statements. Submitting is apart from fetching.
//! * [`JobControl`]: the job verbs, addressed by [`JobId`] alone. It needs no SQL session.
//! * [`Stores`]: where savepoints and checkpoints lie, and what is known of the jobs that made them.
//! * [`Server`]: what the server does for everybody else.
//!
//! Rows come as a pull stream with one owner ([`Rows`]), a job's status as a latest value ([`Watched`] in a
//! [`tokio::sync::watch`] channel), its log as a bounded ring ([`LogRing`]).
//!
//! Two rules hold for every driver. Each side effect runs in a task of the driver's own, so that a caller who drops
//! the future never loses the server's reply. And nothing that is not idempotent is sent twice.

mod attempt;
mod connection;
mod dialect;
mod error;
mod id;
mod inspection;
mod job;
mod location;
mod log;
mod restore;
mod rows;
mod savepoint;
mod search;
mod security;
mod server;
mod sql;
mod tables;
mod trial;
mod withdrawal;

pub use attempt::Attempt;
pub use connection::{Capabilities, Connection, Engine, Secret, Target};
pub use dialect::{Dialect, DoubleQuote};
pub use error::{EngineError, ErrorKind, Position, Result};
pub use id::{InvalidJobId, JobId, OperationId};
pub use inspection::{FileVerdict, Inspection, OperatorState, StateFile};
pub use job::{
    CheckpointRequest, EndedBy, Format, JobControl, JobDetail, JobState, JobStatus, JobSummary, SavepointRequest,
    StopRequest, Vertex, Watched,
};
pub use location::path_key;
pub use log::{LogLine, LogRing};
pub use restore::{Compile, Compiled, Fit, Misfit};
pub use rows::{Batch, ENGINE_TYPE, RowKind, Rows};
pub use savepoint::{Lineage, Recipe, Savepoint, SavepointKind, Stores, Verdict};
pub use search::Search;
pub use security::{Security, Token, read_headers};
pub use server::{Server, ServerEngine, ServerOperation, ServerSession};
pub use sql::{
    ClaimMode, Column, Object, ObjectKind, Offered, Operation, OperationHandle, Restore, Sql, StartedJob, Submit,
};
pub use tables::ShellTables;
pub use trial::{Discarded, HeldState, LostState, Trial, TrialState, Trials, Tried, TriedTable};
pub use withdrawal::Withdrawal;

/// Re-exported so that a driver outside this repository names the same Arrow types.
pub use arrow;
/// Re-exported so that a driver outside this repository can implement the traits.
pub use async_trait::async_trait;
