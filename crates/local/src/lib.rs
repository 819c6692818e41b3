//! The embedded engine: DataFusion plans the SQL, a small streaming runtime of our own keeps the state.
//!
//! Data walks one way. [`table`] says what a table is. The session reads statements and plans them. A
//! [`dataflow`] is a planned query that computes micro-batches and whose state can be saved and brought back. The
//! [`runtime`] drives a dataflow as a job: its thread, its checkpoints and savepoints, its sink's two-phase commit, its
//! directory, lock and socket.

mod batch;
mod catalog;
mod compute;
pub mod dataflow;
mod define;
mod engine;
pub mod failpoint;
mod failure;
mod function;
mod plan;
mod run;
pub mod runtime;
mod session;
mod setting;
mod show;
mod similar;
mod sql;
pub mod table;
mod zone;

pub use engine::LocalEngine;
