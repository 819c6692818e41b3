//! Operators and the state of their parallel instances.

use std::fmt;
use std::ops::Range;

use crate::bytes::Bytes;
use crate::error::{Error, Result};
use crate::file::{self, FileReference, Needed};
use crate::handle;

/// The id of an operator. Flink prints it and its error messages name it; REST shows that of the first operator of a chain
/// as the vertex's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperatorId(pub [u8; 16]);

impl fmt::Display for OperatorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for OperatorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OperatorId({self})")
    }
}

/// The id that Flink gives an operator with this uid (`StreamGraphHasherV2`): the uid's MurmurHash3 of 128 bits with seed 0.
/// Without a uid an operator's id is a hash over the topology.
pub fn operator_id(uid: &str) -> OperatorId {
    // The only error is that of the reader, and a slice gives none.
    let hash = murmur3::murmur3_x64_128(&mut uid.as_bytes(), 0).unwrap_or_default();
    OperatorId(hash.to_le_bytes())
}

/// What an instance's state is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Operator state that Flink manages, such as a source's splits.
    ManagedOperator,
    /// Operator state that the operator writes itself.
    RawOperator,
    /// Keyed state that Flink manages.
    ManagedKeyed,
    /// Keyed state that the operator writes itself.
    RawKeyed,
    /// Rows that were on their way in (unaligned checkpoints).
    InputChannel,
    /// Rows that were on their way out (unaligned checkpoints).
    OutputChannel,
}

/// How it is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// Lists of a name, each with its offsets.
    Operator,
    /// The heap's own, by key groups. (RocksDB has written files for a full checkpoint, too, since before format 4.)
    KeyGroups,
    /// By key groups in the form that every backend reads.
    Canonical,
    /// Files of RocksDB.
    Incremental,
    /// A log of changes upon a state.
    Changelog,
    /// Buffers of rows.
    Channel,
}

/// One piece of state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// What it is for.
    pub role: Role,
    /// How it is written down.
    pub form: Form,
    /// So many bytes of it are in `_metadata` itself.
    pub inline: u64,
    /// Where these bytes stand in it.
    pub blocks: Vec<Range<u64>>,
    /// The rest.
    pub files: Vec<FileReference>,
}

/// A parallel instance of an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subtask {
    /// Its index, from 0.
    pub index: u32,
    /// It had read all its input and has no state.
    pub finished: bool,
    /// Its state.
    pub states: Vec<State>,
}

/// An operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Its id.
    pub id: OperatorId,
    /// Its name as the plan shows it. From format 5 on.
    pub name: Option<String>,
    /// Its uid, if it was given one. From format 5 on.
    pub uid: Option<String>,
    /// Its parallel instances.
    pub parallelism: u32,
    /// The most it can have with this state: the number of key groups.
    pub max_parallelism: u32,
    /// All its instances had read all their input.
    pub finished: bool,
    /// The size in bytes of its coordinator's state, which is always in `_metadata`.
    pub coordinator: Option<u64>,
    /// The instances that have something to say.
    pub subtasks: Vec<Subtask>,
}

impl Operator {
    /// The least that an operator takes in the file.
    pub(crate) const fn least_bytes(format: u32) -> usize {
        // Id, two numbers, no coordinator, no subtask; before it from 5 on two empty texts.
        16 + 8 + 1 + 4 + if format >= 5 { 4 } else { 0 }
    }

    pub(crate) fn read(bytes: &mut Bytes<'_>, format: u32) -> Result<Self> {
        let (name, uid) = match format {
            5.. => (named(bytes)?, named(bytes)?),
            _ => (None, None),
        };
        let mut id = [0; 16];
        id.copy_from_slice(bytes.take("operator id", 16)?);
        let parallelism = bytes.unsigned32("parallelism")?;
        let offset = bytes.offset();
        let max_parallelism = bytes.unsigned32("max parallelism")?;
        if max_parallelism < parallelism {
            // Flink refuses it as well.
            let what = format!("parallelism {parallelism} above the greatest possible, {max_parallelism}");
            return Err(Error::damaged(offset, what));
        }
        let coordinator = handle::coordinator(bytes)?;
        let offset = bytes.offset();
        let count = bytes.i32()?;
        let finished = count < 0;
        let count = usize::try_from(count).unwrap_or(0);
        // An index; a finished one has nothing more.
        bytes.fits(offset, "subtasks", count, 4)?;
        let mut subtasks = Vec::new();
        for _ in 0..count {
            subtasks.push(Subtask::read(bytes, format)?);
        }
        Ok(Self {
            id: OperatorId(id),
            name,
            uid,
            parallelism,
            max_parallelism,
            finished,
            coordinator,
            subtasks,
        })
    }

    /// All its state, instance by instance.
    pub fn states(&self) -> impl Iterator<Item = &State> {
        self.subtasks.iter().flat_map(|subtask| &subtask.states)
    }

    /// Every reference to a file, in the order of the file: several may be to the same one.
    pub fn references(&self) -> impl Iterator<Item = &FileReference> {
        self.states().flat_map(|state| &state.files)
    }

    /// The files that it needs, each once.
    pub fn files(&self) -> Vec<Needed<'_>> {
        file::needed(self.references())
    }

    /// Whether it keeps state by key.
    pub fn is_keyed(&self) -> bool {
        self.states()
            .any(|state| matches!(state.role, Role::ManagedKeyed | Role::RawKeyed))
    }

    /// The bytes of its state that are in `_metadata` itself.
    pub fn inline(&self) -> u64 {
        let inline = self.states().map(|state| state.inline).fold(0, u64::saturating_add);
        inline.saturating_add(self.coordinator.unwrap_or(0))
    }

    /// The size of its state in bytes.
    pub fn size(&self) -> u64 {
        self.inline().saturating_add(file::size(self.references()))
    }
}

fn named(bytes: &mut Bytes<'_>) -> Result<Option<String>> {
    Ok(Some(bytes.text()?).filter(|text| !text.is_empty()))
}

impl Subtask {
    fn read(bytes: &mut Bytes<'_>, format: u32) -> Result<Self> {
        let index = bytes.i32()?;
        let finished = index < 0;
        let mut states = Vec::new();
        if !finished {
            for role in [Role::ManagedOperator, Role::RawOperator] {
                if bytes.i32()? != 0 {
                    states.extend(handle::operator(bytes, role)?);
                }
            }
            for role in [Role::ManagedKeyed, Role::RawKeyed] {
                states.extend(handle::keyed(bytes, role)?);
            }
            for role in [Role::InputChannel, Role::OutputChannel] {
                for _ in 0..bytes.count("channels", handle::LEAST_CHANNEL_BYTES)? {
                    states.push(handle::channel(bytes, format, role)?);
                }
            }
        }
        Ok(Self {
            // Of a finished one it is -index - 1, which is the complement.
            index: if finished { !index } else { index }.unsigned_abs(),
            finished,
            states,
        })
    }
}
