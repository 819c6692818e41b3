//! Dataflows from the outside: SQL in, micro-batches, snapshots and restores, rows out.

mod equality;
mod files;
mod refusals;
mod traps;
mod windows;
mod world;
