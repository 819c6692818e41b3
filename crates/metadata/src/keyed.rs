//! What a canonical savepoint holds by key: the rows of value states whose serializers are known.
//!
//! The stream of a subtask begins with the serializers (Flink's `KeyedBackendSerializationProxy`), as every backend writes
//! them. Then come the key groups, each entry a key and a value behind their lengths; the first bit of a key says that the
//! number of the next state follows, or the end of the key group (`FullSnapshotUtil`). A row is Flink's `BinaryRowData`.
//! Proved on the canonical savepoints of heap and RocksDB in `tests/samples`.

use crate::bytes::Bytes;
use crate::error::{Error, Result};
use crate::java;

/// The version of the proxy, of Flink 1.16 to 2.3.
const PROXY: i32 = 6;
/// The version of a serializer's snapshot in it.
const SNAPSHOT: i32 = 2;
/// The first bytes of a composite serializer's snapshot, and of the nested ones in it.
const COMPOSITE: i32 = 911_108;
const NESTED: i32 = 1_333_245;
/// What stands in place of a state's number at the end of a key group.
const END_OF_GROUP: u16 = 0xFFFF;
/// Serializers in serializers.
const DEEPEST: u32 = 16;

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Type {
    /// BOOLEAN.
    Boolean,
    /// INT.
    Int,
    /// BIGINT.
    BigInt,
    /// DOUBLE.
    Double,
    /// CHAR, VARCHAR, STRING.
    Text,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// BOOLEAN.
    Boolean(bool),
    /// INT and BIGINT.
    Integer(i64),
    /// DOUBLE.
    Double(f64),
    /// CHAR, VARCHAR, STRING.
    Text(String),
}

/// The values of a row; `None` is NULL.
pub type Row = Vec<Option<Scalar>>;

/// A state that an operator keeps by key.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyedState {
    /// Its name.
    pub name: String,
    /// What it holds, or why that can't be read.
    pub contents: Result<Contents, String>,
}

/// What a state holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Contents {
    /// The types of the key's columns.
    pub key: Vec<Type>,
    /// The types of the value's columns.
    pub value: Vec<Type>,
    /// Keys with their values.
    pub rows: Vec<(Row, Row)>,
}

/// How bytes become values.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Serializer {
    Row(Vec<Type>),
    One(Type),
    /// The namespace of a state that has none.
    Void,
    /// One whose values are not read; the end of its class's name.
    Other(String),
}

struct Meta {
    name: String,
    /// Why it can't be read, or how it is.
    value: Result<Serializer, String>,
}

/// Reads the keyed state of one subtask of a canonical savepoint. `max_parallelism` is its operator's.
///
/// `Ok(Err(…))`: a serializer is not known, so that nothing behind it can be found; its class.
///
/// # Errors
/// It is cut, or damaged where that can be seen.
pub fn keyed_states(bytes: &[u8], max_parallelism: u32) -> Result<Result<Vec<KeyedState>, String>> {
    let mut bytes = Bytes::new(bytes);
    let offset = bytes.offset();
    let version = bytes.i32()?;
    if version != PROXY {
        return Ok(Err(format!("a keyed backend of version {version}")));
    }
    let compressed = bytes.u8()?;
    if compressed > 1 {
        return Err(Error::damaged(offset, format!("compression {compressed}")));
    }
    if compressed == 1 {
        return Ok(Err("Snappy compression".to_owned()));
    }
    let key = match snapshot(&mut bytes)? {
        Ok(key) => key,
        Err(unknown) => return Ok(Err(unknown)),
    };
    let mut metas = Vec::new();
    for _ in 0..bytes.u16()? {
        match meta(&mut bytes)? {
            Ok(meta) => metas.push(meta),
            Err(unknown) => return Ok(Err(unknown)),
        }
    }
    let prefix = if max_parallelism > 128 { 2 } else { 1 };
    let mut rows: Vec<Vec<(Row, Row)>> = vec![Vec::new(); metas.len()];
    entries(&mut bytes, |offset, state, entry| {
        let meta = metas
            .get(usize::from(state))
            .ok_or_else(|| Error::damaged(offset, format!("a state of the unknown number {state}")))?;
        if let (Ok(value), Some(_)) = (&meta.value, types(&key)) {
            rows[usize::from(state)].push((
                read_key(entry.0, offset, prefix, &key)?,
                read_all(entry.1, offset, value)?,
            ));
        }
        Ok(())
    })?;
    let states = metas.into_iter().zip(rows).map(|(meta, rows)| KeyedState {
        name: meta.name,
        contents: match (types(&key), meta.value) {
            (None, _) => Err(format!("its key is written by {}", name(&key))),
            (_, Err(why)) => Err(why),
            (Some(key), Ok(value)) => Ok(Contents {
                key,
                value: types(&value).unwrap_or_default(),
                rows,
            }),
        },
    });
    Ok(Ok(states.collect()))
}

/// Goes through the entries of all key groups: a state's number, and a key and a value.
fn entries(bytes: &mut Bytes<'_>, mut take: impl FnMut(u64, u16, (&[u8], &[u8])) -> Result<()>) -> Result<()> {
    while !bytes.is_empty() {
        let mut state = bytes.u16()?;
        while state != END_OF_GROUP {
            let offset = bytes.offset();
            let key = bytes.block("a key")?;
            let value = bytes.block("a value")?;
            let Some((first, rest)) = key.split_first() else {
                return Err(Error::damaged(offset, "a key without bytes"));
            };
            let switches = first & 0x80 != 0;
            let mut plain = vec![first & 0x7F];
            plain.extend_from_slice(rest);
            take(offset, state, (&plain, value))?;
            if switches {
                state = bytes.u16()?;
            }
        }
    }
    Ok(())
}

/// A state's name, kind, options and serializers.
fn meta(bytes: &mut Bytes<'_>) -> Result<Result<Meta, String>> {
    let name = bytes.text()?;
    let kind = bytes.i32()?;
    let mut state_type = None;
    for _ in 0..bytes.count("options", 2 + 2)? {
        let (option, value) = (bytes.text()?, bytes.text()?);
        if option == "KEYED_STATE_TYPE" {
            state_type = Some(value);
        }
    }
    let (mut value, mut namespace) = (None, None);
    for _ in 0..bytes.count("serializers", 2 + 4)? {
        let role = bytes.text()?;
        let serializer = match snapshot(bytes)? {
            Ok(serializer) => serializer,
            Err(unknown) => return Ok(Err(unknown)),
        };
        match role.as_str() {
            "VALUE_SERIALIZER" => value = Some(serializer),
            "NAMESPACE_SERIALIZER" => namespace = Some(serializer),
            _ => {}
        }
    }
    let value = match (kind, state_type.as_deref(), namespace, value) {
        (0, Some("VALUE"), Some(Serializer::Void), Some(value)) if types(&value).is_some() => Ok(value),
        (0, Some("VALUE"), Some(Serializer::Void), Some(value)) => {
            Err(format!("its values are written by {}", self::name(&value)))
        }
        (0, Some("VALUE"), Some(namespace), _) => Err(format!(
            "it is kept by namespaces, written by {}",
            self::name(&namespace)
        )),
        (0, Some(other), ..) => Err(format!("it is a {other} state")),
        (3, ..) => Err("it is a queue of timers".to_owned()),
        _ => Err("it is no value state".to_owned()),
    };
    Ok(Ok(Meta { name, value }))
}

/// The types of the columns that a serializer writes, if it can be read.
fn types(serializer: &Serializer) -> Option<Vec<Type>> {
    match serializer {
        Serializer::Row(types) => Some(types.clone()),
        Serializer::One(one) => Some(vec![*one]),
        Serializer::Void | Serializer::Other(_) => None,
    }
}

fn name(serializer: &Serializer) -> &str {
    match serializer {
        Serializer::Row(_) => "RowDataSerializer",
        Serializer::One(_) => "a basic serializer",
        Serializer::Void => "VoidNamespaceSerializer",
        Serializer::Other(class) => class,
    }
}

/// A serializer's snapshot behind the version of its frame.
fn snapshot(bytes: &mut Bytes<'_>) -> Result<Result<Serializer, String>> {
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
                Err(class) => Ok(Serializer::Other(format!("{short} with {class}"))),
            }
        }
        ("LongSerializerSnapshot", _) => Ok(Serializer::One(Type::BigInt)),
        ("IntSerializerSnapshot", _) => Ok(Serializer::One(Type::Int)),
        ("VoidNamespaceSerializerSnapshot", _) => Ok(Serializer::Void),
        // They write nothing.
        (
            "BooleanSerializerSnapshot"
            | "ByteSerializerSnapshot"
            | "ShortSerializerSnapshot"
            | "FloatSerializerSnapshot"
            | "DoubleSerializerSnapshot"
            | "StringSerializerSnapshot"
            | "StringDataSerializerSnapshot"
            | "BigDecSerializerSnapshot"
            | "TimeWindowSerializerSnapshot"
            | "Snapshot"
            | "BytePrimitiveArraySerializerSnapshot",
            _,
        ) => Ok(Serializer::Other(short)),
        // Nothing but what is nested in them.
        ("TimerSerializerSnapshot" | "MapSerializerSnapshot" | "ListSerializerSnapshot", _) => {
            let offset = bytes.offset();
            if bytes.i32()? != COMPOSITE {
                return Err(Error::damaged(offset, format!("no composite of {short}")));
            }
            bytes.i32()?;
            match nested(bytes, depth)? {
                Ok(()) => Ok(Serializer::Other(short)),
                Err(unknown) => Err(unknown),
            }
        }
        _ => Err(short),
    })
}

fn nested(bytes: &mut Bytes<'_>, depth: u32) -> Result<Result<(), String>> {
    let offset = bytes.offset();
    if bytes.i32()? != NESTED {
        return Err(Error::damaged(offset, "no nested serializers where they should begin"));
    }
    bytes.i32()?;
    for _ in 0..bytes.count("serializers", 2 + 4)? {
        if let Err(unknown) = versioned(bytes, depth + 1)? {
            return Ok(Err(unknown));
        }
    }
    Ok(Ok(()))
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

/// A key behind the number of its group, and before its empty namespace.
fn read_key(key: &[u8], offset: u64, prefix: u64, serializer: &Serializer) -> Result<Row> {
    let mut bytes = Bytes::new(key);
    bytes.take("a key group", prefix)?;
    let row = read_one(&mut bytes, offset, serializer)?;
    match (bytes.u8(), bytes.is_empty()) {
        (Ok(0), true) => Ok(row),
        _ => Err(Error::damaged(offset, "a key of another form")),
    }
}

fn read_all(value: &[u8], offset: u64, serializer: &Serializer) -> Result<Row> {
    let mut bytes = Bytes::new(value);
    let row = read_one(&mut bytes, offset, serializer)?;
    match bytes.is_empty() {
        true => Ok(row),
        false => Err(Error::damaged(offset, "a value of another form")),
    }
}

fn read_one(bytes: &mut Bytes<'_>, offset: u64, serializer: &Serializer) -> Result<Row> {
    match serializer {
        Serializer::Row(types) => binary_row(bytes.block("a row")?, offset, types),
        Serializer::One(Type::BigInt) => Ok(vec![Some(Scalar::Integer(bytes.i64()?))]),
        Serializer::One(Type::Int) => Ok(vec![Some(Scalar::Integer(i64::from(bytes.i32()?)))]),
        _ => Err(Error::damaged(offset, "a value that is not read")),
    }
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
