//! A saved state as a table: the rows of one of its operators, or how they differ from those of another state.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{Array, ArrayRef, RecordBatch, StringArray, UInt32Array};
use datafusion::arrow::compute::{concat, concat_batches, take};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::row::{Row, RowConverter, Rows, SortField};
use datafusion::datasource::MemTable;
use regex::{Captures, Regex};
use skep_engine::{EngineError, Result};

use crate::runtime::{SavedOperator, SavedState};
use crate::sql::StateOf;

/// The table that is meant.
///
/// # Errors
/// There is no state of this engine at the path, it is damaged, it has no such operator, or several and none is named.
pub(crate) fn open(state: &StateOf) -> Result<MemTable> {
    let rows = read(&state.path, state.operator.as_deref())?;
    let rows = match &state.other {
        None => rows.rows,
        Some(other) => difference(&rows, &read(other, Some(&rows.operator))?)?,
    };
    MemTable::try_new(rows.schema(), vec![vec![rows]]).map_err(|e| EngineError::failed(e.to_string()))
}

/// The rows of an operator.
struct Saved {
    path: PathBuf,
    operator: String,
    rows: RecordBatch,
    /// The columns that tell its rows apart.
    key: Vec<usize>,
}

fn read(path: &str, wanted: Option<&str>) -> Result<Saved> {
    let state = SavedState::open(path)?;
    let operator = choose(&state, wanted)?;
    let tables = state.rows(operator)?;
    let Some(first) = tables.first() else {
        return Err(EngineError::refused(format!("{} of {path} has no rows", operator.name)));
    };
    let (names, key) = columns(&first.schema(), operator);
    let fields = first.schema_ref().fields().iter().zip(names);
    let fields: Vec<Field> = fields
        .map(|(field, name)| Field::new(name, field.data_type().clone(), true))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let unfit = |e: datafusion::arrow::error::ArrowError| EngineError::failed(e.to_string());
    let named = tables
        .iter()
        .map(|table| RecordBatch::try_new(Arc::clone(&schema), table.columns().to_vec()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(unfit)?;
    Ok(Saved {
        path: state.path.clone(),
        operator: operator.name.clone(),
        rows: concat_batches(&schema, &named).map_err(unfit)?,
        key,
    })
}

/// The operator that is meant: by its name, or by a part of it that no other has; the only one if none is named.
fn choose<'a>(state: &'a SavedState, wanted: Option<&str>) -> Result<&'a SavedOperator> {
    let all: Vec<&SavedOperator> = state.operators.iter().collect();
    let list = |operators: &[&SavedOperator]| {
        let shown = operators
            .iter()
            .map(|operator| format!("'{}' ({} rows)", operator.name, operator.count));
        shown.collect::<Vec<_>>().join(", ")
    };
    let path = state.path.display();
    let meant: Vec<&SavedOperator> = match wanted {
        None => all.clone(),
        Some(wanted) => {
            let exact = all.iter().copied().filter(|operator| operator.name == wanted);
            let exact: Vec<_> = exact.collect();
            let lower = wanted.to_lowercase();
            let part = all
                .iter()
                .copied()
                .filter(|operator| operator.name.to_lowercase().contains(&lower));
            if exact.is_empty() { part.collect() } else { exact }
        }
    };
    match (meant.as_slice(), all.is_empty()) {
        ([one], _) => Ok(one),
        (_, true) if !state.unread.is_empty() => Err(EngineError::unsupported(format!(
            "what {path} holds can't be read as tables: {}",
            state.unread.join("; ")
        ))
        .hint(
            "of Flink's states those of simple types in canonical savepoints, and in what a heap has written, can; !inspect \
             shows operators and files",
        )),
        (_, true) => Err(EngineError::refused(format!("no operator of {path} keeps rows"))
            .hint("!inspect shows what it holds: positions in the input, for one")),
        ([], false) => Err(EngineError::rejected(format!("{path} has no such operator"))
            .hint(format!("those that keep rows: {}", list(&all)))),
        (several, _) => Err(
            EngineError::rejected(format!("{path} has several operators: {}", list(several)))
                .hint("OPERATOR 'name' says which is meant"),
        ),
    }
}

/// The columns' names for people, and which of them are the key. `key0.carrier` is the column `carrier`; of a call whose
/// state is several columns each has its number.
fn columns(schema: &Schema, operator: &SavedOperator) -> (Vec<String>, Vec<usize>) {
    let mut taken = BTreeSet::new();
    let mut key: Vec<usize> = Vec::new();
    let mut names = Vec::new();
    let parts_of = |call: &str| {
        let prefix = format!("{call}.");
        schema
            .fields()
            .iter()
            .filter(|field| field.name().starts_with(&prefix))
            .count()
    };
    for (at, field) in schema.fields().iter().enumerate() {
        let name = match field.name().split_once('.') {
            Some((place, name)) if numbered(place, "key").is_some() => {
                key.push(at);
                name.to_owned()
            }
            Some((call, part)) if numbered(call, "call").is_some() => {
                let fact = numbered(call, "call").map(|number| format!("call {number}"));
                let text = fact
                    .and_then(|fact| operator.facts.get(&fact))
                    .map_or_else(|| call.to_owned(), |text| as_written(text));
                if parts_of(call) > 1 {
                    format!("{text}[{part}]")
                } else {
                    text
                }
            }
            _ => field.name().clone(),
        };
        let mut free = name.clone();
        for number in 0.. {
            if taken.insert(free.clone()) {
                break;
            }
            free = format!("{name}{number}");
        }
        names.push(free);
    }
    if let Some(columns) = operator.facts.get("primary key") {
        let is_key = |field: &Field| columns.split(", ").any(|column| column == field.name());
        key = (0..names.len()).filter(|at| is_key(schema.field(*at))).collect();
    }
    (names, key)
}

/// A call as a person would write it: the planner says with each literal of what type it is, and of `COUNT(*)` that it counts
/// a one.
fn as_written(call: &str) -> String {
    static LITERAL: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r#"\b(?:U?Int(?:8|16|32|64)|Float(?:32|64)|Boolean|Utf8(?:View)?|LargeUtf8)\(("[^"]*"|[^()]*)\)"#)
            .ok()
    });
    if call == "count(Int64(1))" {
        return "count(*)".to_owned();
    }
    let Some(literal) = LITERAL.as_ref() else {
        return call.to_owned();
    };
    literal
        .replace_all(call, |found: &Captures<'_>| match found[1].strip_prefix('"') {
            Some(text) => format!("'{}'", text.trim_end_matches('"').replace('\'', "''")),
            None => found[1].to_owned(),
        })
        .into_owned()
}

fn numbered<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let number = text.strip_prefix(word)?;
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(number)
}

/// The rows that only one of the states has, or that are different in them: `change` is `-`, `+` or `~`, then come the key's
/// columns, then each other one as `old_…` and `new_…`. Without a key the rows themselves are it.
fn difference(old: &Saved, new: &Saved) -> Result<RecordBatch> {
    if old.rows.schema() != new.rows.schema() {
        return Err(EngineError::rejected(format!(
            "{} keeps other columns in {} than in {}: they can't be compared",
            old.operator,
            old.path.display(),
            new.path.display()
        )));
    }
    let width = old.rows.num_columns();
    let is_grouped = old.operator.starts_with("aggregate");
    let key: Vec<usize> = match old.key.is_empty() && !is_grouped {
        true => (0..width).collect(),
        false => old.key.clone(),
    };
    let values: Vec<usize> = (0..width).filter(|column| !key.contains(column)).collect();
    let keys = converted(&old.rows, &new.rows, &key)?;
    let others = converted(&old.rows, &new.rows, &values)?;
    let mut before: HashMap<Row<'_>, Vec<u32>> = HashMap::new();
    for (row, key) in (0_u32..).zip(&keys.0) {
        before.entry(key).or_default().push(row);
    }
    let mut changes: Vec<(&str, Option<u32>, Option<u32>)> = Vec::new();
    for (row, key) in (0_u32..).zip(&keys.1) {
        match before.get_mut(&key).and_then(Vec::pop) {
            None => changes.push(("+", None, Some(row))),
            Some(was) if others.0.row(was as usize) != others.1.row(row as usize) => {
                changes.push(("~", Some(was), Some(row)));
            }
            Some(_) => {}
        }
    }
    let mut gone: Vec<u32> = before.into_values().flatten().collect();
    gone.sort_unstable();
    changes.extend(gone.into_iter().map(|row| ("-", Some(row), None)));
    gathered(old, new, &key, &values, &changes)
}

/// Those columns of both as rows that can be compared.
fn converted(old: &RecordBatch, new: &RecordBatch, columns: &[usize]) -> Result<(Rows, Rows)> {
    let fields: Vec<SortField> = columns
        .iter()
        .map(|column| SortField::new(old.column(*column).data_type().clone()))
        .collect();
    let unfit = |e: datafusion::arrow::error::ArrowError| {
        EngineError::unsupported(format!("the rows can't be compared: {e}")).hint("EXCEPT between two STATE OF may")
    };
    let converter = RowConverter::new(fields).map_err(unfit)?;
    let of = |batch: &RecordBatch| {
        let columns: Vec<ArrayRef> = columns.iter().map(|column| Arc::clone(batch.column(*column))).collect();
        if columns.is_empty() {
            // Without columns all rows are the same.
            let nothing: ArrayRef = Arc::new(StringArray::from(vec![""; batch.num_rows()]));
            let converter = RowConverter::new(vec![SortField::new(DataType::Utf8)]).map_err(unfit)?;
            return converter.convert_columns(&[nothing]).map_err(unfit);
        }
        converter.convert_columns(&columns).map_err(unfit)
    };
    Ok((of(old)?, of(new)?))
}

fn gathered(
    old: &Saved,
    new: &Saved,
    key: &[usize],
    values: &[usize],
    changes: &[(&str, Option<u32>, Option<u32>)],
) -> Result<RecordBatch> {
    let unfit = |e: datafusion::arrow::error::ArrowError| EngineError::failed(e.to_string());
    let words: StringArray = changes.iter().map(|(word, ..)| Some(*word)).collect();
    let mut columns: Vec<(String, ArrayRef)> = vec![("change".to_owned(), Arc::new(words))];
    let before: UInt32Array = changes.iter().map(|(_, old, _)| *old).collect();
    let after: UInt32Array = changes.iter().map(|(.., new)| *new).collect();
    // The new rows stand behind the old ones.
    let count = u32::try_from(old.rows.num_rows()).map_err(|e| EngineError::unsupported(e.to_string()))?;
    let either: UInt32Array = changes
        .iter()
        .map(|(_, old, new)| new.map(|row| row + count).or(*old))
        .collect();
    let schema = old.rows.schema();
    for column in key {
        let all = concat(&[old.rows.column(*column).as_ref(), new.rows.column(*column).as_ref()]).map_err(unfit)?;
        let name = schema.field(*column).name().clone();
        columns.push((name, take(&all, &either, None).map_err(unfit)?));
    }
    for column in values {
        let name = schema.field(*column).name();
        for (side, rows, from) in [("old", &old.rows, &before), ("new", &new.rows, &after)] {
            let taken = take(rows.column(*column), from, None).map_err(unfit)?;
            columns.push((format!("{side}_{name}"), taken));
        }
    }
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, values)| Field::new(name, values.data_type().clone(), true))
        .collect();
    let columns = columns.into_iter().map(|(_, values)| values).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(unfit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_shown_as_it_would_be_written() {
        for (planned, written) in [
            ("count(Int64(1))", "count(*)"),
            ("sum(n.n)", "sum(n.n)"),
            ("sum(n.n + Int64(-3))", "sum(n.n + -3)"),
            (
                "max(coalesce(t.a, Utf8(\"it's (x)\"), Float64(1.5)))",
                "max(coalesce(t.a, 'it''s (x)', 1.5))",
            ),
            ("min(Int64)", "min(Int64)"),
        ] {
            assert_eq!(as_written(planned), written);
        }
    }
}
