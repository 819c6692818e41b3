//! Tables of the shell's own, which an engine that runs in the shell's process can query.

use std::fmt;

use arrow::datatypes::SchemaRef;

use crate::{Result, Rows};

/// Tables that the shell gives an engine to read. They stand in a database of their own; the engine knows nothing else of
/// them.
pub trait ShellTables: fmt::Debug + Send + Sync {
    /// The database's name.
    fn database(&self) -> &'static str;

    /// The tables' names with their columns.
    fn tables(&self) -> Vec<(&'static str, SchemaRef)>;

    /// The rows that a table of that name has when the first of them are asked for. What comes later is not among them.
    ///
    /// # Errors
    /// There is no such table, or nothing that could be read.
    fn rows(&self, table: &str) -> Result<Box<dyn Rows>>;
}
