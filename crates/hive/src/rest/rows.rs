//! Rows as Kyuubi's REST API sends them, into Arrow: `{"rows": [{"fields": [{"dataType": "I32_VAL", "value": 1}, …]}, …]}`.
//! Each cell goes from the text of the answer into its column; nothing is made of it in between.

use std::fmt;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanBuilder, Float32Builder, Float64Builder, Int8Builder, Int16Builder, Int32Builder,
    Int64Builder, NullArray, RecordBatch, RecordBatchOptions, StringBuilder,
};
use arrow::datatypes::{DataType, SchemaRef};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::thrift::Malformed;

/// Reads an answer's rows into these columns.
pub(super) fn read(answer: &[u8], schema: &SchemaRef) -> Result<RecordBatch, Malformed> {
    let mut columns = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        columns.push(Column::new(field.data_type())?);
    }
    let mut rows = 0;
    let mut json = serde_json::Deserializer::from_slice(answer);
    let set = Set {
        columns: &mut columns,
        rows: &mut rows,
    };
    set.deserialize(&mut json)
        .and_then(|()| json.end())
        .map_err(|error| Malformed(error.to_string()))?;
    let arrays: Vec<ArrayRef> = columns.into_iter().map(Column::finish).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(SchemaRef::clone(schema), arrays, &options)
        .map_err(|error| Malformed(error.to_string()))
}

/// A column that is being filled.
enum Column {
    Null(usize),
    Bool(BooleanBuilder),
    I8(Int8Builder),
    I16(Int16Builder),
    I32(Int32Builder),
    I64(Int64Builder),
    F32(Float32Builder),
    F64(Float64Builder),
    Text(StringBuilder),
    Binary(BinaryBuilder),
}

/// What stands in a cell.
#[derive(Debug, Clone, Copy)]
enum Cell<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
}

impl Column {
    /// Of nothing: there may be many columns and few rows.
    fn new(data_type: &DataType) -> Result<Self, Malformed> {
        Ok(match data_type {
            DataType::Null => Self::Null(0),
            DataType::Boolean => Self::Bool(BooleanBuilder::with_capacity(0)),
            DataType::Int8 => Self::I8(Int8Builder::with_capacity(0)),
            DataType::Int16 => Self::I16(Int16Builder::with_capacity(0)),
            DataType::Int32 => Self::I32(Int32Builder::with_capacity(0)),
            DataType::Int64 => Self::I64(Int64Builder::with_capacity(0)),
            DataType::Float32 => Self::F32(Float32Builder::with_capacity(0)),
            DataType::Float64 => Self::F64(Float64Builder::with_capacity(0)),
            DataType::Utf8 => Self::Text(StringBuilder::with_capacity(0, 0)),
            DataType::Binary => Self::Binary(BinaryBuilder::with_capacity(0, 0)),
            other => return Err(Malformed(format!("no column is of {other}"))),
        })
    }

    /// Puts the next cell in; false if it can't be one of this column.
    fn put(&mut self, cell: Cell<'_>) -> bool {
        match (self, cell) {
            (Self::Null(count), _) => *count += 1,
            (Self::Bool(column), Cell::Bool(value)) => column.append_value(value),
            (Self::I8(column), Cell::Int(value)) => match value.try_into() {
                Ok(value) => column.append_value(value),
                Err(_) => return false,
            },
            (Self::I16(column), Cell::Int(value)) => match value.try_into() {
                Ok(value) => column.append_value(value),
                Err(_) => return false,
            },
            (Self::I32(column), Cell::Int(value)) => match value.try_into() {
                Ok(value) => column.append_value(value),
                Err(_) => return false,
            },
            (Self::I64(column), Cell::Int(value)) => column.append_value(value),
            // A FLOAT is sent as the double that has the same text.
            (Self::F32(column), cell) if cell.is_number() => {
                column.append_option(cell.number().map(|value| value as f32));
            }
            (Self::F64(column), cell) if cell.is_number() => column.append_option(cell.number()),
            (Self::Text(column), Cell::Text(text)) => column.append_value(text),
            // What has a type of its own elsewhere may be text here.
            (Self::Text(column), Cell::Bool(value)) => column.append_value(if value { "true" } else { "false" }),
            (Self::Text(column), Cell::Int(value)) => column.append_value(value.to_string()),
            (Self::Text(column), Cell::Float(value)) => column.append_value(value.to_string()),
            // It has been made a text of by the server.
            (Self::Binary(column), Cell::Text(text)) => column.append_value(text),
            (Self::Bool(column), Cell::Null) => column.append_null(),
            (Self::I8(column), Cell::Null) => column.append_null(),
            (Self::I16(column), Cell::Null) => column.append_null(),
            (Self::I32(column), Cell::Null) => column.append_null(),
            (Self::I64(column), Cell::Null) => column.append_null(),
            (Self::Text(column), Cell::Null) => column.append_null(),
            (Self::Binary(column), Cell::Null) => column.append_null(),
            _ => return false,
        }
        true
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Null(count) => Arc::new(NullArray::new(count)),
            Self::Bool(mut column) => Arc::new(column.finish()),
            Self::I8(mut column) => Arc::new(column.finish()),
            Self::I16(mut column) => Arc::new(column.finish()),
            Self::I32(mut column) => Arc::new(column.finish()),
            Self::I64(mut column) => Arc::new(column.finish()),
            Self::F32(mut column) => Arc::new(column.finish()),
            Self::F64(mut column) => Arc::new(column.finish()),
            Self::Text(mut column) => Arc::new(column.finish()),
            Self::Binary(mut column) => Arc::new(column.finish()),
        }
    }
}

impl Cell<'_> {
    /// Whether it can stand where a number with a fraction does.
    fn is_number(self) -> bool {
        match self {
            Self::Null | Self::Int(_) | Self::Float(_) => true,
            // JSON has no numbers for them.
            Self::Text(text) => matches!(text, "NaN" | "Infinity" | "-Infinity"),
            Self::Bool(_) => false,
        }
    }

    fn number(self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(value as f64),
            Self::Float(value) => Some(value),
            Self::Text("Infinity") => Some(f64::INFINITY),
            Self::Text("-Infinity") => Some(f64::NEG_INFINITY),
            Self::Text(_) => Some(f64::NAN),
            Self::Null | Self::Bool(_) => None,
        }
    }
}

/// The names that are looked for.
enum Key {
    Rows,
    Fields,
    Value,
    Other,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Names;
        impl Visitor<'_> for Names {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Key, E> {
                Ok(match name {
                    "rows" => Key::Rows,
                    "fields" => Key::Fields,
                    "value" => Key::Value,
                    _ => Key::Other,
                })
            }
        }
        from.deserialize_identifier(Names)
    }
}

/// The whole answer.
struct Set<'c> {
    columns: &'c mut [Column],
    rows: &'c mut usize,
}

impl<'de> DeserializeSeed<'de> for Set<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Set<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a set of rows")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { columns, rows } = self;
        let mut is_there = false;
        while let Some(key) = map.next_key()? {
            match key {
                Key::Rows if !std::mem::replace(&mut is_there, true) => map.next_value_seed(Rows {
                    columns: &mut *columns,
                    rows: &mut *rows,
                })?,
                Key::Rows => return Err(A::Error::duplicate_field("rows")),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if is_there {
            Ok(())
        } else {
            Err(A::Error::missing_field("rows"))
        }
    }
}

struct Rows<'c> {
    columns: &'c mut [Column],
    rows: &'c mut usize,
}

impl<'de> DeserializeSeed<'de> for Rows<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        while rows.next_element_seed(Row(&mut *self.columns))?.is_some() {
            *self.rows += 1;
        }
        Ok(())
    }
}

struct Row<'c>(&'c mut [Column]);

impl<'de> DeserializeSeed<'de> for Row<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Row<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut is_there = false;
        while let Some(key) = map.next_key()? {
            match key {
                Key::Fields if !std::mem::replace(&mut is_there, true) => map.next_value_seed(Fields(&mut *self.0))?,
                Key::Fields => return Err(A::Error::duplicate_field("fields")),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if is_there {
            Ok(())
        } else {
            Err(A::Error::missing_field("fields"))
        }
    }
}

struct Fields<'c>(&'c mut [Column]);

impl<'de> DeserializeSeed<'de> for Fields<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the cells of a row")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut cells: A) -> Result<(), A::Error> {
        for (at, column) in self.0.iter_mut().enumerate() {
            if cells.next_element_seed(Field(column, at))?.is_none() {
                return Err(A::Error::custom(format_args!("a row ends after {at} cells")));
            }
        }
        if cells.next_element::<IgnoredAny>()?.is_some() {
            return Err(A::Error::custom("a row has more cells than there are columns"));
        }
        Ok(())
    }
}

/// A cell with its tag, of the column at that place.
struct Field<'c>(&'c mut Column, usize);

impl<'de> DeserializeSeed<'de> for Field<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Field<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a cell")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut is_there = false;
        while let Some(key) = map.next_key()? {
            match key {
                Key::Value if !std::mem::replace(&mut is_there, true) => {
                    map.next_value_seed(Value(&mut *self.0, self.1))?;
                }
                Key::Value => return Err(A::Error::duplicate_field("value")),
                // What the tag says, the column's type has said.
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if !is_there {
            put::<A::Error>(self.0, self.1, Cell::Null)?;
        }
        Ok(())
    }
}

struct Value<'c>(&'c mut Column, usize);

fn put<E: Error>(column: &mut Column, at: usize, cell: Cell<'_>) -> Result<(), E> {
    if column.put(cell) {
        return Ok(());
    }
    let what = match cell {
        Cell::Null => "null",
        Cell::Bool(_) => "a truth value",
        Cell::Int(_) => "a number that does not fit",
        Cell::Float(_) => "a number with a fraction",
        Cell::Text(_) => "text",
    };
    Err(E::custom(format_args!("{what} came in column {}", at + 1)))
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        if !matches!(self.0, Column::F32(_) | Column::F64(_)) {
            return from.deserialize_any(self);
        }
        // The nearest number to what is written, which the parser of JSON does not always give.
        let text = <&RawValue>::deserialize(from)?.get();
        let cell = match text {
            "null" => Cell::Null,
            "true" | "false" => Cell::Bool(text == "true"),
            text => match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
                Some(text) => Cell::Text(text),
                None => Cell::Float(text.parse().map_err(|_| D::Error::custom("a number was expected"))?),
            },
        };
        put(self.0, self.1, cell)
    }
}

impl Visitor<'_> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a single value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        put(self.0, self.1, Cell::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        put(self.0, self.1, Cell::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        put(self.0, self.1, Cell::Int(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        let cell = i64::try_from(value).map_or(Cell::Float(value as f64), Cell::Int);
        put(self.0, self.1, cell)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        put(self.0, self.1, Cell::Float(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        put(self.0, self.1, Cell::Text(value))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{Field, Float32Type, Float64Type, Int64Type, Schema};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const TYPES: [DataType; 10] = [
        DataType::Boolean,
        DataType::Int8,
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::Float32,
        DataType::Float64,
        DataType::Utf8,
        DataType::Binary,
        DataType::Null,
    ];

    fn schema(types: &[DataType]) -> SchemaRef {
        let fields = types.iter().map(|data_type| Field::new("c", data_type.clone(), true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    fn all() -> SchemaRef {
        schema(&TYPES)
    }

    #[test]
    fn rows_become_columns() {
        let answer = r#"{"rowCount": 2, "rows": [
            {"fields": [{"dataType": "BOOL_VAL", "value": true}, {"value": 1, "dataType": "BYTE_VAL"}, {"value": 2},
                {"value": 3}, {"value": 9223372036854775807}, {"value": 0.1}, {"value": "-Infinity"}, {"value": "a\u0000\n"},
                {"value": "é"}, {"value": null}], "more": [1, {}]},
            {"fields": [{"value": null}, {}, {}, {}, {}, {}, {}, {}, {}, {}]}]}"#;
        let rows = read(answer.as_bytes(), &all()).unwrap();
        assert_eq!(rows.num_rows(), 2);
        assert_eq!(rows.column(4).as_primitive::<Int64Type>().value(0), i64::MAX);
        assert_eq!(rows.column(5).as_primitive::<Float32Type>().value(0), 0.1);
        assert_eq!(rows.column(6).as_primitive::<Float64Type>().value(0), f64::NEG_INFINITY);
        assert_eq!(rows.column(7).as_string::<i32>().value(0), "a\0\n");
        assert_eq!(rows.column(8).as_binary::<i32>().value(0), "é".as_bytes());
        assert!((0..9).all(|at| rows.column(at).is_null(1)));
    }

    #[test]
    fn what_is_no_set_of_rows_is_refused() {
        let one = schema(&[DataType::Int32]);
        for answer in [
            "",
            "[]",
            "{}",
            r#"{"rows": null}"#,
            r#"{"rows": [{"fields": []}]}"#,
            r#"{"rows": [{}]}"#,
            r#"{"rows": [{"fields": [{"value": 1}, {"value": 2}]}]}"#,
            r#"{"rows": [{"fields": [{"value": 1, "value": 2}]}]}"#,
            r#"{"rows": [{"fields": [{"value": 1}], "fields": [{"value": 1}]}]}"#,
            r#"{"rows": [], "rows": []}"#,
            r#"{"rows": [{"fields": [{"value": 2147483648}]}]}"#,
            r#"{"rows": [{"fields": [{"value": "1"}]}]}"#,
            r#"{"rows": [{"fields": [{"value": [1]}]}]}"#,
            r#"{"rows": [{"fields": [{"value": 1}]}]} x"#,
        ] {
            assert!(read(answer.as_bytes(), &one).is_err(), "{answer}");
        }
        assert_eq!(read(br#"{"rows": []}"#, &one).unwrap().num_rows(), 0);
    }

    /// Any JSON, with the names that mean something among others.
    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(json!(null)),
            any::<bool>().prop_map(|value| json!(value)),
            any::<i64>().prop_map(|value| json!(value)),
            any::<u64>().prop_map(|value| json!(value)),
            any::<f64>().prop_map(|value| json!(value)),
            ".{0,8}".prop_map(|value| json!(value)),
        ];
        leaf.prop_recursive(6, 64, 6, |inner| {
            let names = prop_oneof![Just("rows"), Just("fields"), Just("value"), Just("dataType")];
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(|values| json!(values)),
                proptest::collection::vec((names, inner), 0..4).prop_map(|pairs| {
                    let pairs = pairs.into_iter().map(|(name, value)| (name.to_owned(), value));
                    serde_json::Value::Object(pairs.collect())
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes, &all());
        }

        /// What is read takes no more than the answer's own length allows: a cell is at least `{}`.
        #[test]
        fn any_json_is_read_or_refused(value in any_json(), cut in any::<prop::sample::Index>()) {
            let text = value.to_string();
            let one = schema(&[DataType::Utf8]);
            if let Ok(rows) = read(text.as_bytes(), &one) {
                prop_assert!(rows.num_rows() * 2 <= text.len());
            }
            let _ = read(&text.as_bytes()[..cut.index(text.len() + 1)], &one);
            let wrapped = json!({"rows": [{"fields": [{"value": value}]}]}).to_string();
            for data_type in TYPES {
                let _ = read(wrapped.as_bytes(), &schema(&[data_type]));
            }
        }

        #[test]
        fn cells_are_read_as_they_were_written(
            cells in proptest::collection::vec((any::<Option<i64>>(), proptest::option::of(".{0,12}"), any::<f64>()), 0..30),
        ) {
            let rows: Vec<_> = cells
                .iter()
                .map(|(number, text, double)| {
                    // As Jackson writes what JSON has no number for.
                    let double = if double.is_finite() { json!(double) } else if double.is_nan() { json!("NaN") }
                        else if *double > 0.0 { json!("Infinity") } else { json!("-Infinity") };
                    json!({"fields": [{"dataType": "I64_VAL", "value": number}, {"dataType": "STRING_VAL", "value": text}, {"value": double}]})
                })
                .collect();
            let answer = json!({"rows": rows, "rowCount": rows.len()}).to_string();
            let read = read(answer.as_bytes(), &schema(&[DataType::Int64, DataType::Utf8, DataType::Float64])).unwrap();
            prop_assert_eq!(read.num_rows(), cells.len());
            let numbers = read.column(0).as_primitive::<Int64Type>();
            let texts = read.column(1).as_string::<i32>();
            let doubles = read.column(2).as_primitive::<Float64Type>();
            for (row, (number, text, double)) in cells.iter().enumerate() {
                prop_assert_eq!(numbers.is_valid(row).then(|| numbers.value(row)), *number);
                prop_assert_eq!(texts.is_valid(row).then(|| texts.value(row)), text.as_deref());
                prop_assert!(doubles.value(row) == *double || (double.is_nan() && doubles.value(row).is_nan()));
            }
        }
    }
}
