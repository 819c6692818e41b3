//! A saved state looked into: what is in it, and the files that it needs.

use serde::{Deserialize, Serialize};

use crate::{Format, Savepoint};

/// A saved state with its operators and files. Its JSON form is that of the [`Savepoint`] with more keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspection {
    /// What it is, and whether it can be used.
    #[serde(flatten)]
    pub savepoint: Savepoint,
    /// The format that a savepoint was asked for in; none for a checkpoint, which is always the backend's own.
    pub format: Option<Format>,
    /// The job was drained into it: its windows have been ended.
    pub drained: bool,
    /// The operators whose state it has.
    pub operators: Vec<OperatorState>,
    /// Every file that it needs, each once.
    pub files: Vec<StateFile>,
}

impl Inspection {
    /// A state of which nothing is known but what it is.
    pub const fn of(savepoint: Savepoint) -> Self {
        Self {
            savepoint,
            format: None,
            drained: false,
            operators: Vec::new(),
            files: Vec::new(),
        }
    }
}

/// An operator in a saved state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorState {
    /// The engine's id of it.
    pub id: String,
    /// Its name, where the state has it.
    pub name: Option<String>,
    /// The uid that it was given, where the state has it.
    pub uid: Option<String>,
    /// Its parallel instances, where it can have several.
    pub parallelism: Option<u32>,
    /// The most it can have with this state.
    pub max_parallelism: Option<u32>,
    /// It keeps state by key.
    #[serde(default)]
    pub keyed: bool,
    /// It had read all its input.
    pub finished: bool,
    /// The size of its state in bytes.
    pub size: u64,
    /// The files that its state is in.
    pub files: u64,
}

/// A file that a saved state needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateFile {
    /// Where it must be.
    pub path: String,
    /// The length in bytes that it must have, or have at least.
    pub size: u64,
    /// Whether it is.
    pub verdict: FileVerdict,
    /// Why not, or why that is not known.
    pub reason: Option<String>,
}

/// What has been seen of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileVerdict {
    /// It is there as it must be, as far as the engine wrote down how it must be.
    Whole,
    /// It is not there.
    Missing,
    /// It is there and is not as it was written.
    Damaged,
    /// It can't be looked at from here.
    NotChecked,
}

impl FileVerdict {
    /// The verdict in words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Missing => "missing",
            Self::Damaged => "damaged",
            Self::NotChecked => "not checked",
        }
    }
}
