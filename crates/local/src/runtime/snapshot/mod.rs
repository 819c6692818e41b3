//! A saved state on disk: a directory with an Arrow IPC file an operator and a manifest, `_metadata`, written last.
//!
//! Everything in it is named relatively, so that it can be moved as a whole. Every file's length and SHA-256 are in the
//! manifest and the manifest carries its own, so that one changed byte anywhere is noticed.

mod manifest;
mod read;
mod write;

pub(crate) use manifest::{FORMAT_VERSION, FileEntry, LIMIT, METADATA, Manifest, Part, Segment, SinkState};
pub(crate) use read::{is_foreign, load, peek, read_table, size, verify, verify_table};
pub(crate) use write::write;

#[cfg(test)]
mod tests;
