//! What the operators of a saved state keep, for whoever looks into it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use datafusion::arrow::array::RecordBatch;
use skep_engine::Result;

use super::foreign::{self, Foreign};
use super::restore::local_path;
use super::snapshot::{self, FileEntry};

/// A saved state that is looked into.
pub(crate) struct SavedState {
    /// Where it lies.
    pub path: PathBuf,
    /// Its operators that keep rows.
    pub operators: Vec<SavedOperator>,
    /// What else operators keep, and why it can't be read.
    pub unread: Vec<String>,
}

/// An operator that keeps rows.
pub(crate) struct SavedOperator {
    /// Its name.
    pub name: String,
    /// How many.
    pub count: u64,
    /// What defines it: its keys and calls, or its columns.
    pub facts: BTreeMap<String, String>,
    rows: Rows,
}

/// Where the rows are.
enum Rows {
    File(FileEntry),
    Here(RecordBatch),
}

impl SavedState {
    /// Looks what the state holds.
    ///
    /// # Errors
    /// There is none at that path, or it is damaged.
    pub fn open(path: &str) -> Result<Self> {
        let path = local_path(path)?;
        if snapshot::is_foreign(&path) {
            let Foreign { states, unread } = foreign::read(&path)?;
            let operators = states.into_iter().map(|(name, rows)| SavedOperator {
                name,
                count: rows.num_rows() as u64,
                facts: BTreeMap::new(),
                rows: Rows::Here(rows),
            });
            return Ok(Self {
                operators: operators.collect(),
                unread,
                path,
            });
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
                rows: Rows::File(table),
            })
        });
        Ok(Self {
            operators: operators.collect(),
            unread: Vec::new(),
            path,
        })
    }

    /// Reads an operator's rows; of this engine's states every byte is checked.
    ///
    /// # Errors
    /// They are not as they were written.
    pub fn rows(&self, operator: &SavedOperator) -> Result<Vec<RecordBatch>> {
        match &operator.rows {
            Rows::File(table) => snapshot::read_table(&self.path, table),
            Rows::Here(rows) => Ok(vec![rows.clone()]),
        }
    }
}
