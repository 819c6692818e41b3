//! Flink's SQL Gateway (`flink://`): statements over its REST interface, job verbs over the cluster's.
//!
//! Written against what the gateways of Flink 1.20.3 and 2.3.0 really answer.

mod api;
mod cell;
pub(super) mod complaint;
pub(super) mod control;
mod decode;
mod fit;
mod literal;
mod logical_type;
pub(super) mod operation;
mod page;
mod plan;
pub(super) mod rows;
mod scalar;
mod schema;
mod session;
pub(super) mod settings;
pub(super) mod sql;
pub(super) mod submission;
#[cfg(test)]
mod tests;
mod trial;

pub(super) use settings::mark;
pub use sql::FlinkGateway;
