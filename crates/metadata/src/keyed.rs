//! What a savepoint or checkpoint holds by key: the rows of value states whose serializers are known.
//!
//! The stream of a subtask begins with the serializers (Flink's `KeyedBackendSerializationProxy`), as every backend writes
//! them. Then come the key groups. In a canonical savepoint each entry is a key and a value behind their lengths; the first bit of
//! a key says that the number of the next state follows, or the end of the key group (`FullSnapshotUtil`). A heap writes entry
//! after entry without lengths. Proved on those of `tests/samples`.

use crate::bytes::Bytes;
use crate::error::{Error, Result};
use crate::operator::Form;
use crate::serializer::{Reach, Serializer, snapshot};

/// The version of the proxy, of Flink 1.16 to 2.3.
const PROXY: i32 = 6;
/// What stands in place of a state's number at the end of a key group.
const END_OF_GROUP: u16 = 0xFFFF;

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

struct Meta {
    name: String,
    /// Why it can't be read, or how it is.
    value: Result<Serializer, String>,
    /// How far an entry reaches before its key, and behind it; those of a queue have no key of their own.
    reach: Layout,
}

/// How the entries of a state stand in a heap's checkpoint.
enum Layout {
    /// A namespace, the key, a value.
    ByKey {
        before: Option<Reach>,
        behind: Option<Reach>,
    },
    /// Whole elements.
    Queue(Option<Reach>),
}

/// Reads the keyed state of one subtask: of a canonical savepoint, or of a checkpoint or native savepoint of a heap. `form` is its
/// own, `max_parallelism` its operator's.
///
/// `Ok(Err(…))`: it is written in a way that is not known; which.
///
/// # Errors
/// It is cut, or damaged where that can be seen.
pub fn keyed_states(bytes: &[u8], form: Form, max_parallelism: u32) -> Result<Result<Vec<KeyedState>, String>> {
    match form {
        Form::Canonical => read(bytes, |bytes, key, metas| canonical(bytes, max_parallelism, key, metas)),
        Form::KeyGroups => read(bytes, heap),
        Form::Operator | Form::Incremental | Form::Changelog | Form::Channel => Ok(Err("another form".to_owned())),
    }
}

/// The rows of each state, or why none of them can be found.
type Rows = Result<Vec<Vec<(Row, Row)>>, String>;

fn read(
    bytes: &[u8],
    rows: impl FnOnce(&mut Bytes<'_>, &Serializer, &[Meta]) -> Result<Rows>,
) -> Result<Result<Vec<KeyedState>, String>> {
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
    let rows = match rows(&mut bytes, &key, &metas)? {
        Ok(rows) => rows,
        Err(unknown) => return Ok(Err(unknown)),
    };
    let states = metas.into_iter().zip(rows).map(|(meta, rows)| KeyedState {
        name: meta.name,
        contents: match (key.types(), meta.value) {
            (None, _) => Err(format!("its key is written by {}", key.name())),
            (_, Err(why)) => Err(why),
            (Some(key), Ok(value)) => Ok(Contents {
                key,
                value: value.types().unwrap_or_default(),
                rows,
            }),
        },
    });
    Ok(Ok(states.collect()))
}

fn canonical(bytes: &mut Bytes<'_>, max_parallelism: u32, key: &Serializer, metas: &[Meta]) -> Result<Rows> {
    let prefix = if max_parallelism > 128 { 2 } else { 1 };
    let key_is_read = key.types().is_some();
    let mut rows: Vec<Vec<(Row, Row)>> = vec![Vec::new(); metas.len()];
    entries(bytes, |offset, state, entry| {
        let meta = metas
            .get(usize::from(state))
            .ok_or_else(|| Error::damaged(offset, format!("a state of the unknown number {state}")))?;
        if let (Ok(value), true) = (&meta.value, key_is_read) {
            rows[usize::from(state)].push((
                read_key(entry.0, offset, prefix, key)?,
                read_all(entry.1, offset, value)?,
            ));
        }
        Ok(())
    })?;
    Ok(Ok(rows))
}

/// The key groups of a heap (Flink's `HeapSnapshotStrategy`): the group's number, and each state's number with how many
/// entries it has there and these, one after the other (`CopyOnWriteStateMapSnapshot`, `KeyGroupPartitioner`). What is not
/// read must be known in length, or what stands behind it can't be found.
fn heap(bytes: &mut Bytes<'_>, key: &Serializer, metas: &[Meta]) -> Result<Rows> {
    let key = Key {
        serializer: key,
        is_read: key.types().is_some(),
        reach: key.reach(),
    };
    let mut rows: Vec<Vec<(Row, Row)>> = vec![Vec::new(); metas.len()];
    let mut last: Option<i32> = None;
    while !bytes.is_empty() {
        let offset = bytes.offset();
        let group = bytes.i32()?;
        if group < 0 || last.is_some_and(|last| last.checked_add(1) != Some(group)) {
            return Err(Error::damaged(
                offset,
                format!("key group {group} where another should begin"),
            ));
        }
        last = Some(group);
        let mut is_read = vec![false; metas.len()];
        for _ in metas {
            let offset = bytes.offset();
            let state = usize::from(bytes.u16()?);
            let meta = metas
                .get(state)
                .filter(|_| !std::mem::replace(&mut is_read[state], true));
            let meta =
                meta.ok_or_else(|| Error::damaged(offset, format!("state {state} where another should begin")))?;
            for _ in 0..bytes.count("entries", 1)? {
                if let Err(unknown) = entry(bytes, &key, meta, &mut rows[state])? {
                    return Ok(Err(unknown));
                }
            }
        }
    }
    Ok(Ok(rows))
}

/// How the keys of a heap are written.
struct Key<'a> {
    serializer: &'a Serializer,
    is_read: bool,
    /// How far those that are not read reach.
    reach: Option<Reach>,
}

/// An entry of a state in a heap.
fn entry(bytes: &mut Bytes<'_>, key: &Key<'_>, meta: &Meta, rows: &mut Vec<(Row, Row)>) -> Result<Result<(), String>> {
    let offset = bytes.offset();
    let unknown = |what: &str| format!("{what} of unknown length in {}", meta.name);
    let (before, behind) = match &meta.reach {
        Layout::Queue(Some(element)) => return element.pass(bytes).map(Ok),
        Layout::Queue(None) => return Ok(Err(unknown("elements"))),
        Layout::ByKey { before: None, .. } => return Ok(Err(unknown("namespaces"))),
        Layout::ByKey { behind: None, .. } => return Ok(Err(unknown("values"))),
        Layout::ByKey {
            before: Some(before),
            behind: Some(behind),
        } => (before, behind),
    };
    before.pass(bytes)?;
    match (&meta.value, key.is_read, &key.reach) {
        (Ok(value), true, _) => rows.push((key.serializer.value(bytes, offset)?, value.value(bytes, offset)?)),
        (_, _, Some(reach)) => {
            reach.pass(bytes)?;
            behind.pass(bytes)?;
        }
        (_, _, None) => return Ok(Err(unknown("keys"))),
    }
    Ok(Ok(()))
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
    let reach = |serializer: &Option<Serializer>| serializer.as_ref().and_then(Serializer::reach);
    let layout = match kind {
        3 => Layout::Queue(reach(&value)),
        _ => Layout::ByKey {
            before: reach(&namespace),
            behind: reach(&value),
        },
    };
    let value = match (kind, state_type.as_deref(), namespace, value) {
        (0, Some("VALUE"), Some(Serializer::Void), Some(value)) if value.types().is_some() => Ok(value),
        (0, Some("VALUE"), Some(Serializer::Void), Some(value)) => {
            Err(format!("its values are written by {}", value.name()))
        }
        (0, Some("VALUE"), Some(namespace), _) => {
            Err(format!("it is kept by namespaces, written by {}", namespace.name()))
        }
        (0, Some(other), ..) => Err(format!("it is a {other} state")),
        (3, ..) => Err("it is a queue of timers".to_owned()),
        _ => Err("it is no value state".to_owned()),
    };
    Ok(Ok(Meta {
        name,
        value,
        reach: layout,
    }))
}

/// A key behind the number of its group, and before its empty namespace.
fn read_key(key: &[u8], offset: u64, prefix: u64, serializer: &Serializer) -> Result<Row> {
    let mut bytes = Bytes::new(key);
    bytes.take("a key group", prefix)?;
    let row = serializer.value(&mut bytes, offset)?;
    match (bytes.u8(), bytes.is_empty()) {
        (Ok(0), true) => Ok(row),
        _ => Err(Error::damaged(offset, "a key of another form")),
    }
}

fn read_all(value: &[u8], offset: u64, serializer: &Serializer) -> Result<Row> {
    let mut bytes = Bytes::new(value);
    let row = serializer.value(&mut bytes, offset)?;
    match bytes.is_empty() {
        true => Ok(row),
        false => Err(Error::damaged(offset, "a value of another form")),
    }
}
