//! x

pub mod failpoint;
pub mod job;
pub mod ledger;
pub mod savepoint;
