//! Thrift's binary protocol, as far as a client of HiveServer2 needs it.
//!
//! The format: <https://github.com/apache/thrift/blob/master/doc/specs/thrift-binary-protocol.md>. What a server sends is
//! trusted in nothing: a length is held against the bytes that are there before anything is allocated, and values are
//! nested to [`DEPTH_LIMIT`] at most.

mod reader;
mod scanner;
mod writer;

pub(crate) use reader::Reader;
pub(crate) use scanner::Scanner;
pub(crate) use writer::Writer;

/// How deep values may be nested. Those of HiveServer2 are, to ten levels.
pub(crate) const DEPTH_LIMIT: usize = 64;

/// The first two bytes of a message: version 1 of the strict binary protocol.
const VERSION: u32 = 0x8001_0000;

/// The bytes are not a message, or not the one that was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub(crate) String);

impl Malformed {
    fn cut_short() -> Self {
        Self("the message ends in the middle of a value".to_owned())
    }
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Byte,
    Double,
    I16,
    I32,
    I64,
    /// Text or bytes.
    Binary,
    Struct,
    Map,
    Set,
    List,
}

impl Kind {
    const fn code(self) -> u8 {
        match self {
            Self::Bool => 2,
            Self::Byte => 3,
            Self::Double => 4,
            Self::I16 => 6,
            Self::I32 => 8,
            Self::I64 => 10,
            Self::Binary => 11,
            Self::Struct => 12,
            Self::Map => 13,
            Self::Set => 14,
            Self::List => 15,
        }
    }

    fn of_code(code: u8) -> Result<Self, Malformed> {
        Ok(match code {
            2 => Self::Bool,
            3 => Self::Byte,
            4 => Self::Double,
            6 => Self::I16,
            8 => Self::I32,
            10 => Self::I64,
            11 => Self::Binary,
            12 => Self::Struct,
            13 => Self::Map,
            14 => Self::Set,
            15 => Self::List,
            other => return Err(Malformed(format!("{other} is no type of Thrift's"))),
        })
    }

    /// The fewest bytes that a value of it has.
    const fn least(self) -> usize {
        match self {
            Self::Bool | Self::Byte | Self::Struct => 1,
            Self::I16 => 2,
            Self::I32 | Self::Binary => 4,
            Self::Double | Self::I64 => 8,
            Self::Set | Self::List => 5,
            Self::Map => 6,
        }
    }

    /// Whether each of its values has as many bytes.
    const fn is_fixed(self) -> bool {
        matches!(
            self,
            Self::Bool | Self::Byte | Self::Double | Self::I16 | Self::I32 | Self::I64
        )
    }
}

fn length(read: i32) -> Result<usize, Malformed> {
    usize::try_from(read).map_err(|_| Malformed(format!("a length is negative ({read})")))
}
