//! From SQL text to DataFusion's plans.

pub(crate) mod explain;
pub(crate) mod expression;
pub(crate) mod file;
pub(crate) mod planner;
mod saved;
pub(crate) mod scan;
pub(crate) mod shell;
pub(crate) mod sink;
mod state;

pub(crate) use planner::{Planned, Planner};
pub(crate) use state::{Mode, session_state};
