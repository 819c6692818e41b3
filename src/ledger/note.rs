//! What people write down about jobs and saved states.

use jiff::Timestamp;
use rusqlite::{Row, Transaction, params};
use serde::{Deserialize, Serialize};
use skep_engine::JobId;

use super::columns;
use super::error::Result;
use super::store::{Failure, Store, step};
use crate::savepoint::path_key;

/// What a note is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A job.
    JobId(JobId),
    /// The savepoint or checkpoint at a path.
    Path(String),
}

impl Subject {
    /// How it stands in a column: ids have no slash, and paths do.
    fn key(&self) -> String {
        match self {
            Self::JobId(job) => job.to_string(),
            Self::Path(path) => path_key(path).into_owned(),
        }
    }

    fn of_key(key: String) -> Self {
        match key.parse() {
            Ok(job) => Self::JobId(job),
            Err(_) => Self::Path(key),
        }
    }
}

/// A note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// What it is about.
    #[serde(flatten)]
    pub subject: Subject,
    /// When it was written.
    pub at: Timestamp,
    /// What it says.
    pub text: String,
}

impl Store {
    /// Keeps a note; one that is there already is not kept twice.
    pub fn note(&mut self, note: &Note) -> Result<()> {
        self.write(&step!("note"), |transaction| insert(transaction, note))
    }

    /// What was written about these, oldest first.
    pub fn notes(&self, subjects: &[Subject]) -> Result<Vec<Note>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT * FROM note WHERE subject = ?1")?;
            let mut notes = Vec::new();
            for subject in subjects {
                for note in statement.query_map([subject.key()], read)? {
                    notes.push(note?);
                }
            }
            notes.sort_by_key(|note: &Note| note.at);
            Ok(notes)
        })
    }
}

pub(super) fn insert(transaction: &Transaction<'_>, note: &Note) -> Result<(), Failure> {
    transaction.execute(
        "INSERT INTO note (subject, at, text) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        params![note.subject.key(), note.at.as_microsecond(), note.text],
    )?;
    Ok(())
}

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Note> {
    Ok(Note {
        subject: Subject::of_key(row.get("subject")?),
        at: columns::timestamp(row.get("at")?)?,
        text: row.get("text")?,
    })
}
