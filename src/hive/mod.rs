//! HiveServer2 and what speaks its protocol, such as Spark Thrift Server (`hive2://`, `jdbc:hive2://`) and Kyuubi, that one
//! also over REST: statements, each an operation that can be followed and cancelled. There are no jobs with savepoints behind
//! them, unless an engine is that knows of them.

pub(crate) mod address;
mod discovery;
mod driver;
pub(crate) mod failure;
mod launch;
mod lists;
mod mistake;
pub(crate) mod operation;
pub(crate) mod rows;
pub(crate) mod session;
pub(crate) mod sql;

pub(crate) use driver::Behind;
pub use driver::HiveServer2;
