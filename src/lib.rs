//! x

pub mod failpoint;
pub mod ledger;
pub mod savepoint;
