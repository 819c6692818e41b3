//! What the operators of a saved state keep, for whoever looks into it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use datafusion::arrow::array::RecordBatch;
use skep_engine::{EngineError, Result};

use super::restore::local_path;
use super::snapshot::{self, FileEntry};

/// A saved state that is looked into.
pub(crate) struct SavedState {
    /// Where it lies.
    pub path: PathBuf,
    /// Its operators that keep rows.
    pub operators: Vec<SavedOperator>,
}

/// An operator that keeps rows.
pub(crate) struct SavedOperator {
    /// Its name.
    pub name: String,
    /// How many.
    pub count: u64,
    /// What defines it: its keys and calls, or its columns.
    pub facts: BTreeMap<String, String>,
    table: FileEntry,
}

impl SavedState {
    /// Looks what the state holds.
    ///
    /// # Errors
    /// There is none of this engine at that path, or it is damaged.
    pub fn open(path: &str) -> Result<Self> {
        let path = local_path(path)?;
        if snapshot::is_foreign(&path) {
            return Err(EngineError::unsupported(format!(
                "{} is a state of another engine: what its operators keep can't be read as a table",
                path.display()
            ))
            .hint(format!("!inspect {} shows its operators and files", path.display())));
        }
        let manifest = snapshot::peek(&path)?;
        let operators = manifest.operators.into_iter().filter_map(|operator| {
            let own = manifest
                .fingerprints
                .iter()
                .find(|own| own.operator == operator.operator);
            let table = operator.table?;
            Some(SavedOperator {
                name: operator.operator,
                count: table.rows,
                facts: own.map(|own| own.facts.clone()).unwrap_or_default(),
                table,
            })
        });
        Ok(Self {
            operators: operators.collect(),
            path,
        })
    }

    /// Reads an operator's rows; every byte is checked.
    ///
    /// # Errors
    /// They are not as they were written.
    pub fn rows(&self, operator: &SavedOperator) -> Result<Vec<RecordBatch>> {
        snapshot::read_table(&self.path, &operator.table)
    }
}
