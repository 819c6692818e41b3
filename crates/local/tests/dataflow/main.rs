//! Dataflows from the outside: SQL in, micro-batches, snapshots and restores, rows out.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod equality;
mod files;
mod refusals;
mod sets;
mod traps;
mod windows;
mod world;
