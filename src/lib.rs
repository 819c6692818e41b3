//! A SQL shell that keeps the jobs, savepoints and checkpoints that streaming queries leave behind.
//!
//! Data walks one way: bytes → [`syntax`] → [`dispatch`] → an engine behind [`skep_engine`]'s traits → [`render`] →
//! [`ui`]. The drivers are listed in [`engines`]; nothing else names one.
//!
//! From Rust: [`engines::Engines`] connects, and what it returns submits statements and takes job verbs. A program that
//! brings a driver of its own adds it and calls [`app::main`]; `examples/engine.rs` shows how.

pub mod app;
pub mod cli;
pub mod command;
pub mod config;
pub mod credentials;
pub mod dispatch;
pub mod engines;
pub mod error;
pub mod failpoint;
pub mod flink;
pub mod foreground;
pub mod hive;
pub mod interrupt;
pub mod job;
pub mod ledger;
pub mod orphans;
pub mod properties;
pub mod render;
pub mod savepoint;
pub mod script;
pub mod session;
pub mod shell;
pub mod shutdown;
pub mod statement;
pub mod syntax;
pub mod ui;
