//! What a table is: its columns, its watermark, its options.

use std::collections::BTreeMap;
use std::fmt;

use datafusion::arrow::datatypes::SchemaRef;

/// A table's full name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TablePath {
    /// Catalog.
    pub catalog: String,
    /// Database.
    pub database: String,
    /// Table.
    pub name: String,
}

impl fmt::Display for TablePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |name: &str| name.replace('`', "``");
        write!(
            f,
            "`{}`.`{}`.`{}`",
            quoted(&self.catalog),
            quoted(&self.database),
            quoted(&self.name)
        )
    }
}

/// `WATERMARK FOR column AS expression`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watermark {
    /// The event-time column.
    pub column: String,
    /// The expression's SQL text, over the table's columns.
    pub expression: String,
}

/// A computed column: `name AS expression`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Computed {
    /// Column name.
    pub name: String,
    /// The expression's SQL text, over the physical columns.
    pub expression: String,
}

/// A table as `CREATE TABLE` declared it.
#[derive(Debug, Clone)]
pub struct Table {
    /// Full name.
    pub path: TablePath,
    /// All columns as a query sees them, computed ones included, in declared order.
    pub schema: SchemaRef,
    /// The columns that are stored (read from a source, written by a sink), in declared order.
    pub physical: SchemaRef,
    /// The computed columns.
    pub computed: Vec<Computed>,
    /// Its watermark.
    pub watermark: Option<Watermark>,
    /// The columns of `PRIMARY KEY (…) NOT ENFORCED`; empty if there is none.
    pub primary_key: Vec<String>,
    /// What stands in `WITH (…)`.
    pub options: BTreeMap<String, String>,
    /// The statement that made it, for SHOW CREATE TABLE.
    pub ddl: String,
}
