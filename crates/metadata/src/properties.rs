//! The checkpoint's properties behind everything else: what kind it is.

use crate::bytes::Bytes;
use crate::error::{Error, Result};
use crate::java::{self, Value};

/// The format of a savepoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SavepointFormat {
    /// Every state backend reads it.
    Canonical,
    /// The backend's own.
    Native,
}

/// What was to happen to the job once the savepoint was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PostAction {
    /// It ran on.
    None,
    /// It was stopped.
    Suspend,
    /// It was drained and stopped: its windows have been closed early.
    Terminate,
}

/// What a `_metadata` is the metadata of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The engine took it by itself.
    Checkpoint,
    /// A person asked for it.
    Savepoint {
        /// In this format.
        format: SavepointFormat,
        /// And this was to happen then.
        post: PostAction,
    },
}

/// Reads them: one object of Flink's class `CheckpointProperties` in a Java serialization stream.
pub(crate) fn read(bytes: &mut Bytes<'_>) -> Result<Kind> {
    let offset = bytes.offset();
    let damaged = |what: &str| Error::damaged(offset, format!("checkpoint properties {what}"));
    let properties = java::read(bytes)?;
    let snapshot = properties
        .field("checkpointType")
        .ok_or_else(|| damaged("without a type"))?;
    match snapshot.class().and_then(|class| class.rsplit('.').next()) {
        Some("CheckpointType") => Ok(Kind::Checkpoint),
        Some("SavepointType") => {
            let format = match snapshot.field("formatType").and_then(Value::constant) {
                Some("CANONICAL") => SavepointFormat::Canonical,
                Some("NATIVE") => SavepointFormat::Native,
                _ => return Err(damaged("with a savepoint format that is not known")),
            };
            let post = match snapshot.field("postCheckpointAction").and_then(Value::constant) {
                Some("NONE") => PostAction::None,
                Some("SUSPEND") => PostAction::Suspend,
                Some("TERMINATE") => PostAction::Terminate,
                _ => return Err(damaged("with an action after the savepoint that is not known")),
            };
            Ok(Kind::Savepoint { format, post })
        }
        _ => Err(damaged("of a type that is not known")),
    }
}
