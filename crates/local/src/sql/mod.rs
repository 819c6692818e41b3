//! Reads SQL: which statement is it, and what does it say.

mod absolute;
mod calls;
mod chain;
pub(crate) mod ddl;
mod dialect;
pub(crate) mod names;
mod reader;
mod state;
pub(crate) mod statement;
mod tvf;
pub(crate) mod types;

pub(crate) use absolute::{absolute, full};
pub(crate) use reader::Reader;
pub(crate) use state::StateOf;
pub(crate) use statement::Statement;
