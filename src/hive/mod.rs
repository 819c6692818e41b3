//! HiveServer2 and what speaks its protocol, such as Spark Thrift Server (`hive2://`, `jdbc:hive2://`): statements, each an
//! operation that can be followed and cancelled. There are no jobs with savepoints behind them.

mod address;
mod driver;
mod failure;
mod operation;
mod rows;
mod session;
mod sql;

pub use driver::HiveServer2;
