//! What a statement that starts from a saved state is held against, and compiled plans.

use std::collections::BTreeMap;

use crate::Inspection;

/// A state, and what is known of how it was made.
#[derive(Debug, Clone, Copy)]
pub struct Fit<'a> {
    /// The state.
    pub state: &'a Inspection,
    /// What [`crate::Sql::circumstances`] said when the job was submitted that made it; none if that is not known.
    pub made: Option<&'a BTreeMap<String, String>>,
    /// A compiled plan is to be run.
    pub planned: bool,
}

/// Something that stands between a state and a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// What it is, in a sentence.
    pub message: String,
    /// What the person can do.
    pub hint: String,
    /// It is certain that the job would not run. Otherwise it may.
    pub is_fatal: bool,
}

impl Misfit {
    /// With this the job would not run.
    pub fn fatal(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: hint.into(),
            is_fatal: true,
        }
    }

    /// With this the job may not run.
    pub fn possible(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            is_fatal: false,
            ..Self::fatal(message, hint)
        }
    }
}

/// A statement to be compiled into a file that its jobs are run from.
#[derive(Debug, Clone, Default)]
pub struct Compile {
    /// The statement.
    pub text: String,
    /// The file, which is not there yet: a path or URI that the server and this machine know it by.
    pub path: String,
    /// The plan of the job whose state is to be taken over: the operators get its identities.
    pub like: Option<String>,
    /// That state.
    pub state: Option<Inspection>,
    /// State may be left behind.
    pub allow_non_restored: bool,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compiled {
    /// The SHA-256 of the file in hex, if this machine can read it.
    pub sha256: Option<String>,
    /// The operators of the state that the plan does not have.
    pub left_behind: Vec<String>,
    /// What else is to be said.
    pub notes: Vec<String>,
}
