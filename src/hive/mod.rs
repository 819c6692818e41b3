//! HiveServer2 and what speaks its protocol, such as Spark Thrift Server (`hive2://`, `jdbc:hive2://`): statements, each an
//! operation that can be followed and cancelled. There are no jobs with savepoints behind them.

pub(crate) mod address;
mod discovery;
mod driver;
pub(crate) mod failure;
pub(crate) mod operation;
pub(crate) mod rows;
pub(crate) mod session;
pub(crate) mod sql;

pub(crate) use driver::Behind;
pub use driver::HiveServer2;
