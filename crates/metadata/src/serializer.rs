//! How Flink's serializers are written down, and the values that they write, as far as SQL uses them.

use crate::bytes::Bytes;
use crate::error::{Error, Result};
use crate::java;
use crate::keyed::{Row, Scalar, Type};

/// The version of a serializer's snapshot in its frame.
const SNAPSHOT: i32 = 2;
/// The first bytes of a composite serializer's snapshot, and of the nested ones in it.
const COMPOSITE: i32 = 911_108;
const NESTED: i32 = 1_333_245;
/// Serializers in serializers.
const DEEPEST: u32 = 16;

/// How bytes become values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Serializer {
    Row(Vec<Type>),
    One(Type),
    /// The namespace of a state that has none.
    Void,
    /// One whose values are not read: the end of its class's name, and how far they reach, if that is known.
    Other(String, Option<Reach>),
}

/// How far a value reaches that is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reach {
    /// So many bytes.
    Fixed(u64),
    /// Its length, and so many bytes.
    Block,
    /// One after the other.
    All(Vec<Self>),
    /// Their number, and each.
    List(Box<Self>),
    /// Their number, and each key with its value, which may be none.
    Map(Box<Self>, Box<Self>),
}

impl Reach {
    /// Goes to the end of a value.
    pub(crate) fn pass(&self, bytes: &mut Bytes<'_>) -> Result<()> {
        match self {
            Self::Fixed(length) => bytes.take("a value", *length).map(drop),
            Self::Block => bytes.block("a value").map(drop),
            Self::All(parts) => parts.iter().try_for_each(|part| part.pass(bytes)),
            Self::List(item) => {
                for _ in 0..bytes.count("items", 1)? {
                    item.pass(bytes)?;
                }
                Ok(())
            }
            Self::Map(key, value) => {
                for _ in 0..bytes.count("entries", 2)? {
                    key.pass(bytes)?;
                    if bytes.u8()? == 0 {
                        value.pass(bytes)?;
                    }
                }
                Ok(())
            }
        }
    }
}

impl Serializer {
    /// The types of the columns that it writes, if they can be read.
    pub(crate) fn types(&self) -> Option<Vec<Type>> {
        match self {
            Self::Row(types) => Some(types.clone()),
            Self::One(one) => Some(vec![*one]),
            Self::Void | Self::Other(..) => None,
        }
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Row(_) => "RowDataSerializer",
            Self::One(_) => "a basic serializer",
            Self::Void => "VoidNamespaceSerializer",
            Self::Other(class, _) => class,
        }
    }

    /// How far its values reach, if that is known.
    pub(crate) fn reach(&self) -> Option<Reach> {
        match self {
            Self::Row(_) => Some(Reach::Block),
            Self::One(Type::BigInt) => Some(Reach::Fixed(8)),
            Self::One(Type::Int) => Some(Reach::Fixed(4)),
            Self::One(_) => None,
            Self::Void => Some(Reach::Fixed(1)),
            Self::Other(_, reach) => reach.clone(),
        }
    }

    /// A value of one that can be read.
    pub(crate) fn value(&self, bytes: &mut Bytes<'_>, offset: u64) -> Result<Row> {
        match self {
            Self::Row(types) => binary_row(bytes.block("a row")?, offset, types),
            Self::One(Type::BigInt) => Ok(vec![Some(Scalar::Integer(bytes.i64()?))]),
            Self::One(Type::Int) => Ok(vec![Some(Scalar::Integer(i64::from(bytes.i32()?)))]),
            _ => Err(Error::damaged(offset, "a value that is not read")),
        }
    }
}

/// A serializer's snapshot behind the version of its frame.
pub(crate) fn snapshot(bytes: &mut Bytes<'_>) -> Result<Result<Serializer, String>> {
    let version = bytes.i32()?;
    if version != SNAPSHOT {
        return Ok(Err(format!("a serializer of version {version}")));
    }
    versioned(bytes, 0)
}

/// A class's name, its snapshot's version, and what that class writes.
fn versioned(bytes: &mut Bytes<'_>, depth: u32) -> Result<Result<Serializer, String>> {
    let offset = bytes.offset();
    if depth > DEEPEST {
        return Err(Error::damaged(
            offset,
            format!("serializers nested more than {DEEPEST} deep"),
        ));
    }
    let class = bytes.text()?;
    let version = bytes.i32()?;
    let short = class.rsplit('.').next().unwrap_or_default();
    let short = short.split('$').next().unwrap_or_default().to_owned();
    Ok(match (class.rsplit(['.', '$']).next().unwrap_or_default(), version) {
        ("RowDataSerializerSnapshot", 3) => {
            let mut types = Vec::new();
            for _ in 0..bytes.count("types", 4)? {
                types.push(logical(bytes)?);
            }
            if let Err(unknown) = nested(bytes, depth)? {
                return Ok(Err(unknown));
            }
            match types.into_iter().collect::<Result<Vec<Type>, String>>() {
                Ok(types) => Ok(Serializer::Row(types)),
                Err(class) => Ok(Serializer::Other(format!("{short} with {class}"), Some(Reach::Block))),
            }
        }
        ("LongSerializerSnapshot", _) => Ok(Serializer::One(Type::BigInt)),
        ("IntSerializerSnapshot", _) => Ok(Serializer::One(Type::Int)),
        ("VoidNamespaceSerializerSnapshot", _) => Ok(Serializer::Void),
        // They write nothing down.
        (class, _) if basic(class).is_some() => Ok(Serializer::Other(short, basic(class).flatten())),
        // Nothing but what is nested in them.
        ("TimerSerializerSnapshot" | "MapSerializerSnapshot" | "ListSerializerSnapshot", _) => {
            let offset = bytes.offset();
            if bytes.i32()? != COMPOSITE {
                return Err(Error::damaged(offset, format!("no composite of {short}")));
            }
            bytes.i32()?;
            match nested(bytes, depth)? {
                Ok(parts) => {
                    let reach = composite(&short, &parts);
                    Ok(Serializer::Other(short, reach))
                }
                Err(unknown) => Err(unknown),
            }
        }
        _ => Err(short),
    })
}

/// How far the values of a serializer without parameters reach, if that is known; nothing if it is no such.
fn basic(class: &str) -> Option<Option<Reach>> {
    let fixed = |length| Some(Some(Reach::Fixed(length)));
    match class {
        "BooleanSerializerSnapshot" | "ByteSerializerSnapshot" => fixed(1),
        "ShortSerializerSnapshot" => fixed(2),
        "FloatSerializerSnapshot" => fixed(4),
        "DoubleSerializerSnapshot" => fixed(8),
        // Start and end.
        "TimeWindowSerializerSnapshot" => fixed(16),
        "StringDataSerializerSnapshot" | "BytePrimitiveArraySerializerSnapshot" => Some(Some(Reach::Block)),
        "StringSerializerSnapshot" | "BigDecSerializerSnapshot" | "Snapshot" => Some(None),
        _ => None,
    }
}

/// How far a value reaches that is made of others.
fn composite(class: &str, parts: &[Serializer]) -> Option<Reach> {
    let reaches: Option<Vec<Reach>> = parts.iter().map(Serializer::reach).collect();
    let boxed = |reach: &Reach| Box::new(reach.clone());
    match (class, reaches?.as_slice()) {
        // When it is due, and of which key and namespace.
        ("TimerSerializerSnapshot", [key, namespace]) => {
            Some(Reach::All(vec![Reach::Fixed(8), key.clone(), namespace.clone()]))
        }
        ("MapSerializerSnapshot", [key, value]) => Some(Reach::Map(boxed(key), boxed(value))),
        ("ListSerializerSnapshot", [item]) => Some(Reach::List(boxed(item))),
        _ => None,
    }
}

fn nested(bytes: &mut Bytes<'_>, depth: u32) -> Result<Result<Vec<Serializer>, String>> {
    let offset = bytes.offset();
    if bytes.i32()? != NESTED {
        return Err(Error::damaged(offset, "no nested serializers where they should begin"));
    }
    bytes.i32()?;
    let mut parts = Vec::new();
    for _ in 0..bytes.count("serializers", 2 + 4)? {
        match versioned(bytes, depth + 1)? {
            Ok(part) => parts.push(part),
            Err(unknown) => return Ok(Err(unknown)),
        }
    }
    Ok(Ok(parts))
}

/// A type of Flink's SQL; the end of its class's name if it is not read.
fn logical(bytes: &mut Bytes<'_>) -> Result<Result<Type, String>> {
    let value = java::read(bytes)?;
    let class = value.class().unwrap_or_default();
    let short = class.rsplit('.').next().unwrap_or_default();
    Ok(match short {
        "BooleanType" => Ok(Type::Boolean),
        "IntType" => Ok(Type::Int),
        "BigIntType" => Ok(Type::BigInt),
        "DoubleType" => Ok(Type::Double),
        "VarCharType" | "CharType" => Ok(Type::Text),
        other => Err(other.to_owned()),
    })
}

/// Flink's `BinaryRowData`, little-endian: a byte for the kind of row, a bit for each NULL, then eight bytes a column. A text of
/// more than seven bytes stands behind them.
fn binary_row(row: &[u8], offset: u64, types: &[Type]) -> Result<Row> {
    let bad = || Error::damaged(offset, "a row of another form");
    let fixed = (types.len() + 63 + 8) / 64 * 8;
    let mut values = Vec::new();
    for (column, kind) in types.iter().enumerate() {
        let bit = column + 8;
        let byte = row.get(bit / 8).ok_or_else(bad)?;
        let at = fixed + column * 8;
        let slot = row.get(at..at + 8).ok_or_else(bad)?;
        let slot: [u8; 8] = slot.try_into().map_err(|_| bad())?;
        if byte & (1 << (bit % 8)) != 0 {
            values.push(None);
            continue;
        }
        values.push(Some(match kind {
            Type::Boolean => Scalar::Boolean(slot[0] != 0),
            Type::Int => Scalar::Integer(i64::from(i32::from_le_bytes([slot[0], slot[1], slot[2], slot[3]]))),
            Type::BigInt => Scalar::Integer(i64::from_le_bytes(slot)),
            Type::Double => Scalar::Double(f64::from_le_bytes(slot)),
            Type::Text => {
                let bytes = if slot[7] & 0x80 != 0 {
                    slot.get(..usize::from(slot[7] & 0x7F)).filter(|bytes| bytes.len() < 8)
                } else {
                    let word = u64::from_le_bytes(slot);
                    let (start, length) = ((word >> 32) as usize, (word & 0xFFFF_FFFF) as usize);
                    start.checked_add(length).and_then(|end| row.get(start..end))
                };
                let text = std::str::from_utf8(bytes.ok_or_else(bad)?).map_err(|_| bad())?;
                Scalar::Text(text.to_owned())
            }
        }));
    }
    Ok(values)
}
