//! The job runtime, driven through its public API by small dataflows that keep real state.

mod crash;
mod flow;
mod restore;
mod sink;
mod verb;
mod world;
