//! What the parts do together, seen from outside.
#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod architecture;
#[cfg(feature = "local")]
mod commands;
mod configuration;
mod conformance;
mod documentation;
mod exit_codes;
mod exit_signals;
mod flink_gateway;
mod flink_rest;
#[cfg(feature = "local")]
mod formats;
mod inspect;
mod interrupts;
mod ledger;
#[cfg(feature = "local")]
mod local_jobs;
mod orphans;
mod panics;
mod prompt;
#[cfg(feature = "local")]
mod prune;
mod restore;
mod scripts;
#[cfg(feature = "local")]
mod search;
mod variables;
mod world;
