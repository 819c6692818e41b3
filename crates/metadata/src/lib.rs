//! Reads `_metadata`, the file that makes a Flink checkpoint or savepoint: formats 4 to 6, which Flink 1.16 to 2.3 write.
//!
//! [`Metadata::read`] takes the bytes of the file and says what the state consists of: its kind and number, the operators,
//! and every other file that is needed, with the length that it must have. Flink itself checks none of these files before
//! it restores. Nothing is read from a disk here.
//!
//! The bytes may come from anywhere: nothing is allocated for items before the bytes that they take are known to be there,
//! nesting is bounded, and what can't be understood is an [`Error`] with its offset. Nothing in the format is checksummed,
//! though: that a file reads well does not prove that it is as it was written.
//!
//! [`keyed_states`] reads what a state holds by key, of types that are known, if it is a canonical savepoint or that of a heap.
//!
//! The layout is that of Flink's `MetadataV2V3SerializerBase` and the serializers derived from it, proved on files of Flink
//! 1.20.3, 2.0.0 and 2.3.0 (`tests/samples`).

mod bytes;
mod error;
mod file;
mod handle;
mod java;
mod keyed;
mod operator;
mod properties;
mod serializer;

use bytes::Bytes;
pub use error::{Error, Result};
pub use file::{Extent, FileReference, Length, Needed, Place};
pub use keyed::{Contents, KeyedState, Row, Scalar, Type, keyed_states};
pub use operator::{Form, Operator, OperatorId, Role, State, Subtask, operator_id};
pub use properties::{Kind, PostAction, SavepointFormat};

/// The name of the file.
pub const FILE_NAME: &str = "_metadata";

/// The formats that are read, oldest and newest.
pub const FORMATS: (u32, u32) = (4, 6);

/// The first bytes of the file.
const MAGIC: i32 = 0x4960_672D;
/// The first bytes of a master's state.
const MASTER_MAGIC: i32 = 0xC96B_1696_u32.cast_signed();

/// What a checkpoint or savepoint consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// The version of the file's format.
    pub format: u32,
    /// Its number: checkpoints and savepoints of a job share one numbering.
    pub checkpoint_id: u64,
    /// What it is.
    pub kind: Kind,
    /// The operators, the stateless ones too, in the order of the file, which means nothing.
    pub operators: Vec<Operator>,
}

impl Metadata {
    /// Reads the whole file.
    ///
    /// Bytes behind its end are ignored, as Flink does.
    ///
    /// # Errors
    /// It is no `_metadata`, of another format, cut, or damaged where that can be seen.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let mut bytes = Bytes::new(bytes);
        let format = read_format(&mut bytes)?;
        let checkpoint_id = bytes.unsigned("checkpoint id")?;
        for _ in 0..bytes.count("master states", 8)? {
            read_master(&mut bytes)?;
        }
        let count = bytes.count("operators", Operator::least_bytes(format))?;
        let mut operators = Vec::with_capacity(count);
        for _ in 0..count {
            operators.push(Operator::read(&mut bytes, format)?);
        }
        Ok(Self {
            format,
            checkpoint_id,
            kind: properties::read(&mut bytes)?,
            operators,
        })
    }

    /// Every file that is needed besides `_metadata`, each once, in the order of the file.
    pub fn files(&self) -> Vec<Needed<'_>> {
        file::needed(self.operators.iter().flat_map(Operator::references))
    }

    /// The size in bytes: of the files, or the parts of files, that it needs, and of the state that is in `_metadata`
    /// itself.
    pub fn size(&self) -> u64 {
        let inline: u64 = self.operators.iter().map(Operator::inline).fold(0, u64::saturating_add);
        inline.saturating_add(file::size(self.operators.iter().flat_map(Operator::references)))
    }
}

/// The format that the first eight bytes of a `_metadata` tell.
///
/// # Errors
/// It is no `_metadata`, or of a format that is not read.
pub fn peek(bytes: &[u8]) -> Result<u32> {
    read_format(&mut Bytes::new(bytes))
}

fn read_format(bytes: &mut Bytes<'_>) -> Result<u32> {
    let found = bytes.i32()?;
    if found != MAGIC {
        return Err(Error::Foreign(found.to_be_bytes()));
    }
    let offset = bytes.offset();
    let format = u32::try_from(bytes.i32()?).map_err(|_| Error::damaged(offset, "a negative format"))?;
    match format {
        _ if format < FORMATS.0 => Err(Error::Older(format)),
        _ if format > FORMATS.1 => Err(Error::Newer(format)),
        _ => Ok(format),
    }
}

/// The state of a source's hook on the master. No file of Flink's own sources has any.
fn read_master(bytes: &mut Bytes<'_>) -> Result<()> {
    let offset = bytes.offset();
    if bytes.i32()? != MASTER_MAGIC {
        return Err(Error::damaged(offset, "no master state where one should begin"));
    }
    bytes.block("master state").map(drop)
}
