//! The SQL front of the embedded engine, through the `Sql` trait: each kind of statement with its exact results, and
//! what is refused with its sentence.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod batch;
mod catalog;
mod errors;
mod functions;
mod job;
mod set;
mod world;
