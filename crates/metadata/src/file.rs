//! The files beside `_metadata` that hold the state.

use std::collections::{HashMap, HashSet};

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// In the directory that holds `_metadata`: the path from there. Moves with it.
    Beside(String),
    /// At this URI, wherever `_metadata` is moved to.
    At(String),
}

/// How much of a file belongs to the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Extent {
    /// All of it: so many bytes.
    Whole(u64),
    /// A part of a file that several states share.
    Segment {
        /// The first byte.
        start: u64,
        /// So many bytes.
        size: u64,
        /// Whether the file lies in the directory that checkpoints share, rather than in a task's own.
        shared: bool,
    },
    /// A file of a changelog, with so many bytes before it was perhaps compressed.
    Changelog(u64),
}

impl Extent {
    /// The bytes that belong to the state.
    pub const fn size(self) -> u64 {
        match self {
            Self::Whole(size) | Self::Segment { size, .. } | Self::Changelog(size) => size,
        }
    }

    /// The length that the file must have.
    pub const fn length(self) -> Length {
        match self {
            Self::Whole(size) => Length::Exactly(size),
            Self::Segment { start, size, .. } => Length::AtLeast(start.saturating_add(size)),
            Self::Changelog(size) => Length::Changelog(size),
        }
    }
}

/// A file, or a part of one, that some operator's state is in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FileReference {
    /// Where it is.
    pub place: Place,
    /// How much of it.
    pub extent: Extent,
}

/// What is to be said of a file's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Length {
    /// So many bytes.
    Exactly(u64),
    /// So many bytes or more: a file that is written on while others use it.
    AtLeast(u64),
    /// A changelog of so many bytes. Its file has one more in front that says whether the rest is compressed (Flink's
    /// `StateChangeFsUploader`); a compressed file's length is not written down anywhere.
    Changelog(u64),
}

impl Length {
    /// Whether a file of `actual` bytes can be the one. `first` gives its first byte, and is only asked where that decides.
    pub fn fits(self, actual: u64, first: impl FnOnce() -> Option<u8>) -> bool {
        match self {
            Self::Exactly(length) => actual == length,
            Self::AtLeast(length) => actual >= length,
            Self::Changelog(length) => {
                actual == length.saturating_add(1) || (actual > 1 && length > 0 && first() == Some(1))
            }
        }
    }

    /// The bytes that the file has, or has at least.
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Exactly(length) | Self::AtLeast(length) => length,
            Self::Changelog(length) => length.saturating_add(1),
        }
    }
}

/// A file that must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needed<'a> {
    /// Where it is.
    pub place: &'a Place,
    /// The length that it must have.
    pub length: Length,
}

/// Each file once, in the order of the references; of the segments of one file the farthest counts. References that
/// contradict each other both stay: one of them will not be met.
pub(crate) fn needed<'a>(references: impl Iterator<Item = &'a FileReference>) -> Vec<Needed<'a>> {
    let mut needed: Vec<Needed<'a>> = Vec::new();
    // A segment's demand goes by 0, so that those of one file meet.
    let mut seen: HashMap<(&Place, Length), usize> = HashMap::new();
    for FileReference { place, extent } in references {
        let length = extent.length();
        let key = match length {
            Length::AtLeast(_) => Length::AtLeast(0),
            other => other,
        };
        match seen.get(&(place, key)) {
            Some(&index) => {
                if length.bytes() > needed[index].length.bytes() {
                    needed[index].length = length;
                }
            }
            None => {
                seen.insert((place, key), needed.len());
                needed.push(Needed { place, length });
            }
        }
    }
    needed
}

/// The bytes of all references together, those of one file or segment counted once.
pub(crate) fn size<'a>(references: impl Iterator<Item = &'a FileReference>) -> u64 {
    let distinct: HashSet<_> = references.collect();
    distinct
        .into_iter()
        .map(|reference| reference.extent.size())
        .fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(path: &str, start: u64, size: u64) -> FileReference {
        FileReference {
            place: Place::At(path.to_owned()),
            extent: Extent::Segment {
                start,
                size,
                shared: true,
            },
        }
    }

    #[test]
    fn segments_of_one_file_need_it_as_far_as_the_last_one_goes() {
        let references = [
            segment("a", 10, 5),
            segment("b", 0, 1),
            segment("a", 0, 10),
            segment("a", 10, 5),
        ];
        let lengths: Vec<_> = needed(references.iter()).into_iter().map(|file| file.length).collect();
        assert_eq!(lengths, [Length::AtLeast(15), Length::AtLeast(1)]);
        assert_eq!(size(references.iter()), 16);
    }

    #[test]
    fn a_changelog_file_is_a_byte_longer_unless_it_is_compressed() {
        let fits = |actual, first| Length::Changelog(100).fits(actual, || first);
        assert!(fits(101, None));
        assert!(!fits(100, Some(0)) && !fits(60, Some(0)) && !fits(60, None));
        assert!(fits(60, Some(1)) && fits(130, Some(1)));
        assert!(!fits(1, Some(1)));
    }
}
