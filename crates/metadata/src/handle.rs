//! State handles: what says where the bytes of a state are.

use std::ops::Range;

use crate::bytes::Bytes;
use crate::error::{Error, Result};
use crate::file::{Extent, FileReference, Place};
use crate::operator::{Form, Role, State};

/// The least that a channel's handle takes: that of merged channels in format 6 (tag, subtask, size, stream, offsets).
pub(crate) const LEAST_CHANNEL_BYTES: usize = 1 + 4 + 8 + 1 + 4;

/// A changelog holds the handles of the state it builds on, and these could hold others: Flink nests them once.
const DEEPEST: u32 = 8;

/// What the handles of one piece of state come to.
#[derive(Debug, Default)]
struct Found {
    inline: u64,
    blocks: Vec<Range<u64>>,
    files: Vec<FileReference>,
}

impl Found {
    fn state(self, role: Role, form: Form) -> State {
        State {
            role,
            form,
            inline: self.inline,
            blocks: self.blocks,
            files: self.files,
        }
    }

    fn file(&mut self, place: Place, extent: Extent) {
        self.files.push(FileReference { place, extent });
    }
}

/// Whose bytes a stream handle points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    State,
    Changelog,
}

impl Whose {
    const fn extent(self, size: u64) -> Extent {
        match self {
            Self::State => Extent::Whole(size),
            Self::Changelog => Extent::Changelog(size),
        }
    }
}

/// A coordinator's state: its size, if there is any. It is never in a file.
pub(crate) fn coordinator(bytes: &mut Bytes<'_>) -> Result<Option<u64>> {
    let offset = bytes.offset();
    match bytes.u8()? {
        0 => Ok(None),
        1 => {
            bytes.text()?;
            Ok(Some(bytes.block("a coordinator's state")?.len() as u64))
        }
        tag => Err(unknown(offset, "coordinator state", tag)),
    }
}

/// An operator's state.
pub(crate) fn operator(bytes: &mut Bytes<'_>, role: Role) -> Result<Option<State>> {
    let offset = bytes.offset();
    let tag = bytes.u8()?;
    if tag == 0 {
        return Ok(None);
    }
    if !matches!(tag, 4 | 17) {
        return Err(unknown(offset, "operator state", tag));
    }
    // A name, a mode and offsets.
    for _ in 0..bytes.count("states", 2 + 1 + 4)? {
        bytes.text()?;
        let offset = bytes.offset();
        let mode = bytes.u8()?;
        if mode > 2 {
            return Err(Error::damaged(offset, format!("distribution mode {mode}")));
        }
        bytes.skip_longs()?;
    }
    if tag == 17 {
        // The directories of merged files, and whether there is nothing in them.
        bytes.text()?;
        bytes.text()?;
        bytes.u8()?;
    }
    let mut found = Found::default();
    stream(bytes, Whose::State, 0, &mut found)?;
    Ok(Some(found.state(role, Form::Operator)))
}

/// Keyed state.
pub(crate) fn keyed(bytes: &mut Bytes<'_>, role: Role) -> Result<Option<State>> {
    let mut found = Found::default();
    let form = keyed_into(bytes, 0, &mut found)?;
    Ok(form.map(|form| found.state(role, form)))
}

/// The state of a channel between operators.
pub(crate) fn channel(bytes: &mut Bytes<'_>, format: u32, role: Role) -> Result<State> {
    let offset = bytes.offset();
    let tag = if format >= 6 { bytes.u8()? } else { 1 };
    let mut found = Found::default();
    match tag {
        1 | 2 => {
            // Subtask, gate, channel.
            bytes.take("a channel", 3 * 4)?;
            bytes.skip_longs()?;
            bytes.i64()?;
            stream(bytes, Whose::State, 0, &mut found)?;
        }
        3 | 4 => {
            bytes.i32()?;
            bytes.i64()?;
            stream(bytes, Whose::State, 0, &mut found)?;
            bytes.block("a channel's offsets")?;
        }
        tag => return Err(unknown(offset, "channel state", tag)),
    }
    Ok(found.state(role, Form::Channel))
}

fn keyed_into(bytes: &mut Bytes<'_>, depth: u32, found: &mut Found) -> Result<Option<Form>> {
    let offset = bytes.offset();
    bounded(offset, depth)?;
    let tag = bytes.u8()?;
    let form = match tag {
        0 => return Ok(None),
        3 | 7 | 12 => {
            key_groups(bytes, depth, found)?;
            if tag == 7 { Form::Canonical } else { Form::KeyGroups }
        }
        5 | 11 => {
            // The checkpoint, the backend's id, the key groups.
            bytes.i64()?;
            bytes.text()?;
            range(bytes)?;
            if tag == 11 {
                bytes.i64()?;
            }
            stream(bytes, Whose::State, depth + 1, found)?;
            for _ in ["shared", "private"] {
                for _ in 0..bytes.count("files", 2 + 1)? {
                    bytes.text()?;
                    stream(bytes, Whose::State, depth + 1, found)?;
                }
            }
            Form::Incremental
        }
        8 | 14 => {
            range(bytes)?;
            bytes.i64()?;
            for _ in ["materialized", "changes"] {
                for _ in 0..bytes.count("handles", 1)? {
                    keyed_into(bytes, depth + 1, found)?;
                }
            }
            // The materialization, and in 14 the checkpoint.
            bytes.take("a changelog", if tag == 14 { 16 } else { 8 })?;
            Form::Changelog
        }
        9 => {
            range(bytes)?;
            // From and to.
            bytes.take("changes", 16)?;
            for _ in 0..bytes.count("changes", 4 + 4)? {
                bytes.i32()?;
                found.inline = found.inline.saturating_add(bytes.block("a change")?.len() as u64);
            }
            Form::Changelog
        }
        10 | 13 => {
            range(bytes)?;
            for _ in 0..bytes.count("changes", 8 + 1)? {
                bytes.i64()?;
                stream(bytes, Whose::Changelog, depth + 1, found)?;
            }
            // The sizes of all and of what is new.
            bytes.take("changes", 16)?;
            Form::Changelog
        }
        tag => return Err(unknown(offset, "keyed state", tag)),
    };
    if tag >= 8 {
        // The handle's own id; in 13 the name of the storage behind it.
        bytes.text()?;
        if tag == 13 {
            bytes.text()?;
        }
    }
    Ok(Some(form))
}

/// First key group and their number.
fn range(bytes: &mut Bytes<'_>) -> Result<()> {
    bytes.take("key groups", 8).map(drop)
}

fn key_groups(bytes: &mut Bytes<'_>, depth: u32, found: &mut Found) -> Result<()> {
    bytes.i32()?;
    bytes.skip_longs()?;
    stream(bytes, Whose::State, depth + 1, found)
}

fn stream(bytes: &mut Bytes<'_>, whose: Whose, depth: u32, found: &mut Found) -> Result<()> {
    let offset = bytes.offset();
    bounded(offset, depth)?;
    match bytes.u8()? {
        // None, and an empty segment.
        0 | 16 => Ok(()),
        1 => {
            // The name is that of the file it would have been in: there is none.
            bytes.text()?;
            let length = bytes.block("a state")?.len() as u64;
            found.inline = found.inline.saturating_add(length);
            let end = bytes.offset();
            found.blocks.push(end - length..end);
            Ok(())
        }
        2 => {
            let size = bytes.unsigned("file size")?;
            let uri = bytes.text()?;
            found.file(Place::At(uri), whose.extent(size));
            Ok(())
        }
        3 => key_groups(bytes, depth, found),
        6 => {
            let path = bytes.text()?;
            let size = bytes.unsigned("file size")?;
            found.file(Place::Beside(path), whose.extent(size));
            Ok(())
        }
        15 => {
            let offset = bytes.offset();
            let start = bytes.unsigned("segment start")?;
            let size = bytes.unsigned("segment size")?;
            if start.checked_add(size).is_none() {
                return Err(Error::damaged(offset, "a segment beyond every file"));
            }
            let offset = bytes.offset();
            let scope = bytes.i32()?;
            if !matches!(scope, 0 | 1) {
                return Err(Error::damaged(offset, format!("segment scope {scope}")));
            }
            let uri = bytes.text()?;
            // The logical file's id.
            bytes.text()?;
            let extent = Extent::Segment {
                start,
                size,
                shared: scope == 1,
            };
            found.file(Place::At(uri), extent);
            Ok(())
        }
        tag => Err(unknown(offset, "state", tag)),
    }
}

fn bounded(offset: u64, depth: u32) -> Result<()> {
    if depth > DEEPEST {
        return Err(Error::damaged(
            offset,
            format!("handles nested more than {DEEPEST} deep"),
        ));
    }
    Ok(())
}

/// What is behind an unknown handle can't be found, for its length is not known.
fn unknown(offset: u64, what: &str, tag: u8) -> Error {
    Error::damaged(offset, format!("{what} of the unknown kind {tag}"))
}
