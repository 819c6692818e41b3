//! Saved states of Flink, as far as what they hold by key can be read: value states of simple types in canonical savepoints and in
//! what a heap has written. Everything else is named and never guessed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
};
use datafusion::arrow::datatypes::{Field, Schema};
use skep_engine::{EngineError, Result};
use skep_metadata::{Contents, Extent, Form, Metadata, Operator, Place, Role, Row, Scalar, State, Type, keyed_states};

use super::file;
use super::snapshot::{LIMIT, METADATA};

/// No subtask's state that is read whole is larger.
const LARGEST: u64 = 1 << 30;

/// What is in such a state.
#[derive(Default)]
pub(super) struct Foreign {
    /// The rows of each state that can be read, under its operator's name and its own. The key's columns are `key0.k0`, …,
    /// the value's `v0`, ….
    pub states: Vec<(String, RecordBatch)>,
    /// What can't be read, and why.
    pub unread: Vec<String>,
}

/// Reads a state's keyed part.
///
/// # Errors
/// It is none, or is damaged.
pub(super) fn read(dir: &Path) -> Result<Foreign> {
    let path = dir.join(METADATA);
    let bytes = file::read_capped(&path, LIMIT).map_err(|error| file::failed("read", &path, &error))?;
    let metadata = Metadata::read(&bytes).map_err(|error| {
        let message = format!("{} is no state of the embedded engine, and {error}", dir.display());
        EngineError::unsupported(message).hint(format!("!inspect {} tells what can be told of it", dir.display()))
    })?;
    let mut foreign = Foreign::default();
    for operator in &metadata.operators {
        read_operator(dir, &bytes, operator, &mut foreign)?;
    }
    Ok(foreign)
}

fn read_operator(dir: &Path, bytes: &[u8], operator: &Operator, foreign: &mut Foreign) -> Result<()> {
    let name = operator.name.clone().unwrap_or_else(|| operator.id.to_string());
    // The subtasks have the same states.
    let mut found: BTreeMap<String, Contents> = BTreeMap::new();
    let mut note = |why: String| {
        if !foreign.unread.contains(&why) {
            foreign.unread.push(why);
        }
    };
    for state in operator.states() {
        match (state.role, state.form) {
            (Role::ManagedKeyed, Form::Canonical | Form::KeyGroups) => {}
            (Role::ManagedKeyed, Form::Incremental) => {
                note(format!("{name}: files of RocksDB (take a canonical savepoint)"));
                continue;
            }
            (Role::ManagedKeyed, _) => {
                note(format!("{name}: a log of changes (take a canonical savepoint)"));
                continue;
            }
            (Role::RawKeyed, _) => {
                note(format!("{name}: what the operator itself has written"));
                continue;
            }
            _ => continue,
        }
        for stream in streams(dir, bytes, state)? {
            let states = keyed_states(&stream, state.form, operator.max_parallelism).map_err(|error| {
                EngineError::refused(format!("{}: the keyed state of {name} {error}", dir.display()))
            })?;
            let states = match states {
                Ok(states) => states,
                Err(unknown) => {
                    note(format!("{name}: it is written by {unknown}"));
                    continue;
                }
            };
            for state in states {
                let label = format!("{name} {}", state.name);
                match state.contents {
                    Err(why) => note(format!("{label}: {why}")),
                    Ok(contents) => match found.get_mut(&label) {
                        Some(known) if known.key == contents.key && known.value == contents.value => {
                            known.rows.extend(contents.rows);
                        }
                        Some(_) => note(format!("{label}: its subtasks have other types")),
                        None => {
                            found.insert(label, contents);
                        }
                    },
                }
            }
        }
    }
    for (label, contents) in found {
        foreign.states.push((label, table(&contents)?));
    }
    Ok(())
}

/// The bytes of a state, in `_metadata` or beside it.
fn streams(dir: &Path, bytes: &[u8], state: &State) -> Result<Vec<Vec<u8>>> {
    let mut streams = Vec::new();
    for block in &state.blocks {
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        streams.extend(bytes.get(place(block.start)..place(block.end)).map(<[u8]>::to_vec));
    }
    for file in &state.files {
        let path = match &file.place {
            Place::Beside(name) => dir.join(name),
            Place::At(uri) => PathBuf::from(
                uri.strip_prefix("file://")
                    .or_else(|| uri.strip_prefix("file:"))
                    .unwrap_or(uri),
            ),
        };
        let (start, size) = match file.extent {
            Extent::Whole(size) => (0, size),
            Extent::Segment { start, size, .. } => (start, size),
            Extent::Changelog(_) => continue,
        };
        if size > LARGEST {
            return Err(EngineError::unsupported(format!(
                "{} is too large to be read whole",
                path.display()
            )));
        }
        let stream = file::read_part(&path, start, size).map_err(|error| file::failed("read", &path, &error))?;
        if stream.len() as u64 != size {
            return Err(EngineError::refused(format!(
                "{} has {} bytes instead of {size}",
                path.display(),
                stream.len()
            )));
        }
        streams.push(stream);
    }
    Ok(streams)
}

fn table(contents: &Contents) -> Result<RecordBatch> {
    let mut fields = Vec::new();
    let mut columns = Vec::new();
    let mut add = |name: String, kind: Type, value: &dyn Fn(&(Row, Row)) -> Option<Scalar>| {
        let array = column(kind, contents.rows.iter().map(value));
        fields.push(Field::new(name, array.data_type().clone(), true));
        columns.push(array);
    };
    for (at, kind) in contents.key.iter().enumerate() {
        add(format!("key{at}.k{at}"), *kind, &|(key, _)| {
            key.get(at).cloned().flatten()
        });
    }
    for (at, kind) in contents.value.iter().enumerate() {
        add(format!("v{at}"), *kind, &|(_, value)| value.get(at).cloned().flatten());
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|e| EngineError::failed(e.to_string()))
}

fn column(kind: Type, values: impl Iterator<Item = Option<Scalar>>) -> ArrayRef {
    let integer = |value: Option<Scalar>| match value {
        Some(Scalar::Integer(value)) => Some(value),
        _ => None,
    };
    match kind {
        Type::Boolean => Arc::new(
            values
                .map(|value| match value {
                    Some(Scalar::Boolean(value)) => Some(value),
                    _ => None,
                })
                .collect::<BooleanArray>(),
        ),
        Type::Int => Arc::new(
            values
                .map(|value| integer(value).and_then(|value| i32::try_from(value).ok()))
                .collect::<Int32Array>(),
        ),
        Type::BigInt => Arc::new(values.map(integer).collect::<Int64Array>()),
        Type::Double => Arc::new(
            values
                .map(|value| match value {
                    Some(Scalar::Double(value)) => Some(value),
                    _ => None,
                })
                .collect::<Float64Array>(),
        ),
        Type::Text => Arc::new(
            values
                .map(|value| match value {
                    Some(Scalar::Text(value)) => Some(value),
                    _ => None,
                })
                .collect::<StringArray>(),
        ),
    }
}
