//! The SQL front of the embedded engine, through the `Sql` trait: each kind of statement with its exact results, and
//! what is refused with its sentence.

#![allow(clippy::unwrap_used)] // A helper of a test is a test.

mod batch;
mod catalog;
mod errors;
mod functions;
mod job;
mod world;
