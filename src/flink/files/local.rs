//! The file systems of this machine.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use jiff::Timestamp;
use rustix::fs::OFlags;
use skep_metadata::FILE_NAME;

use super::{Attributes, Entry, MOST_ENTRIES};

/// The directories in a directory, and the `_metadata` if it has one: nothing else is of interest. Links are not followed:
/// they could lead round in a circle.
pub(super) fn list(dir: &Path) -> io::Result<Vec<Entry>> {
    let entries = fs::read_dir(dir)?.flatten().take(MOST_ENTRIES);
    let wanted = entries.filter_map(|entry| {
        let is_dir = entry.file_type().ok()?.is_dir();
        let name = entry.file_name().into_string().ok()?;
        (is_dir || name == FILE_NAME).then_some(Entry {
            name,
            is_dir,
            attributes: None,
        })
    });
    Ok(wanted.collect())
}

/// The attributes of a file.
pub(super) fn look(path: &Path) -> io::Result<Attributes> {
    attributes(&fs::metadata(path)?)
}

/// A file's beginning: at most so many bytes.
pub(super) fn read(path: &Path, most: u64) -> io::Result<(Vec<u8>, Attributes)> {
    let (file, attributes) = open(path)?;
    let expected = attributes.length.min(most);
    let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or(0));
    // It may grow between the two calls.
    file.take(most).read_to_end(&mut bytes)?;
    Ok((bytes, attributes))
}

/// Opens a file, and nothing else that may bear its name: a pipe would never open.
fn open(path: &Path) -> io::Result<(File, Attributes)> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let attributes = attributes(&file.metadata()?)?;
    Ok((file, attributes))
}

fn attributes(metadata: &Metadata) -> io::Result<Attributes> {
    if !metadata.is_file() {
        return Err(super::not_a_file());
    }
    let modified = metadata.modified().ok();
    Ok(Attributes {
        length: metadata.len(),
        modified: modified.and_then(|modified| Timestamp::try_from(modified).ok()),
    })
}
