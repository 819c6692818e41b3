//! The job runtime, driven through its public API by small dataflows that keep real state.

#![allow(
    clippy::print_stdout,
    reason = "how many kills were telling belongs in the run's output"
)]
#![allow(
    clippy::unwrap_used,
    reason = "all of this is a test; clippy knows only the marked functions for one"
)]

mod crash;
mod flow;
mod restore;
mod sink;
mod sweep;
mod verb;
mod world;
