//! Flink's SQL Gateway (`flink://`): statements over its REST interface, job verbs over the cluster's.
//!
//! Written against what the gateways of Flink 1.20.3 and 2.3.0 really answer.

mod api;
mod cell;
mod complaint;
mod control;
mod decode;
mod fit;
mod literal;
mod logical_type;
mod operation;
mod page;
mod plan;
mod rows;
mod scalar;
mod schema;
mod session;
mod settings;
mod sql;
mod submission;
#[cfg(test)]
mod tests;

pub(super) use settings::mark;
pub use sql::FlinkGateway;
