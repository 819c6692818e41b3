//! Values of one column on their way from JSON into an Arrow array, appended without an allocation of their own.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::{
    ArrayBuilder, ArrayRef, BinaryBuilder, BooleanBuilder, Decimal128Builder, ListArray, MapArray, NullArray,
    NullBufferBuilder, PrimitiveBuilder, StringBuilder, StructArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, DurationMillisecondType, Field, Fields, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, IntervalYearMonthType, Time32MillisecondType, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType,
};
use arrow::error::ArrowError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Unexpected, Visitor};
use serde_json::value::RawValue;

use super::literal;
use super::logical_type::LogicalType;
use super::page::RowFormat;
use super::scalar::{Seen, number, scalar, unquote};

/// The cells of a column, or of what is nested in one.
pub(super) enum Cells {
    /// Of the type NULL: how many.
    Nothing(usize),
    Boolean(BooleanBuilder),
    Int8(PrimitiveBuilder<Int8Type>),
    Int16(PrimitiveBuilder<Int16Type>),
    Int32(PrimitiveBuilder<Int32Type>),
    Int64(PrimitiveBuilder<Int64Type>),
    Float32(PrimitiveBuilder<Float32Type>),
    Float64(PrimitiveBuilder<Float64Type>),
    Decimal {
        builder: Decimal128Builder,
        precision: u8,
        scale: i8,
    },
    Text(StringBuilder),
    /// What Arrow can't hold: a string's text, and any other JSON as it stands.
    Foreign(StringBuilder),
    /// A timestamp that Arrow can't hold, with the digits of its fraction.
    ForeignTimestamp(StringBuilder, u32),
    Bytes {
        builder: BinaryBuilder,
        format: RowFormat,
        scratch: Vec<u8>,
    },
    Date(PrimitiveBuilder<Date32Type>),
    Time(PrimitiveBuilder<Time32MillisecondType>),
    /// The flag, here and below: it is an instant.
    Milliseconds(PrimitiveBuilder<TimestampMillisecondType>, bool),
    Microseconds(PrimitiveBuilder<TimestampMicrosecondType>, bool),
    Months(PrimitiveBuilder<IntervalYearMonthType>),
    DayTime(PrimitiveBuilder<DurationMillisecondType>),
    List {
        field: Arc<Field>,
        items: Box<Self>,
        rows: Ranges,
    },
    Map {
        entries: Arc<Field>,
        keys: StringBuilder,
        values: Box<Self>,
        rows: Ranges,
    },
    Struct {
        fields: Fields,
        places: HashMap<String, usize>,
        cells: Vec<Self>,
        nulls: NullBufferBuilder,
    },
}

/// Where in the items each row's own begin and end, and which rows are null.
pub(super) struct Ranges {
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
}

impl Ranges {
    fn new() -> Self {
        Self {
            offsets: vec![0],
            nulls: NullBufferBuilder::new(0),
        }
    }

    /// Ends a row whose items end there.
    fn push<E: de::Error>(&mut self, end: usize) -> Result<(), E> {
        self.offsets.push(i32::try_from(end).map_err(E::custom)?);
        self.nulls.append_non_null();
        Ok(())
    }

    /// Ends a row that is null.
    fn push_null(&mut self) {
        // The first offset is there from the start.
        self.offsets.push(self.offsets.last().copied().unwrap_or_default());
        self.nulls.append_null();
    }

    fn finish(self) -> (OffsetBuffer<i32>, Option<NullBuffer>) {
        (OffsetBuffer::new(ScalarBuffer::from(self.offsets)), self.nulls.build())
    }
}

impl Cells {
    /// No cells yet of that field, which [`super::schema`] made of that type.
    pub(super) fn new(field: &Field, logical_type: &LogicalType, format: RowFormat) -> Self {
        use LogicalType as T;
        match (field.data_type(), logical_type) {
            (DataType::Null, _) => Self::Nothing(0),
            (DataType::Boolean, _) => Self::Boolean(BooleanBuilder::with_capacity(0)),
            (DataType::Int8, _) => Self::Int8(empty()),
            (DataType::Int16, _) => Self::Int16(empty()),
            (DataType::Int32, _) => Self::Int32(empty()),
            (DataType::Int64, _) => Self::Int64(empty()),
            (DataType::Float32, _) => Self::Float32(empty()),
            (DataType::Float64, _) => Self::Float64(empty()),
            (&DataType::Decimal128(precision, scale), _) => Self::Decimal {
                builder: Decimal128Builder::with_capacity(0).with_data_type(field.data_type().clone()),
                precision,
                scale,
            },
            (DataType::Binary, _) => Self::Bytes {
                builder: BinaryBuilder::with_capacity(0, 0),
                format,
                scratch: Vec::new(),
            },
            (DataType::Date32, _) => Self::Date(empty()),
            (DataType::Time32(_), _) => Self::Time(empty()),
            (DataType::Timestamp(TimeUnit::Millisecond, zone), _) => Self::Milliseconds(
                empty::<TimestampMillisecondType>().with_data_type(field.data_type().clone()),
                zone.is_some(),
            ),
            (DataType::Timestamp(_, zone), _) => Self::Microseconds(
                empty::<TimestampMicrosecondType>().with_data_type(field.data_type().clone()),
                zone.is_some(),
            ),
            (DataType::Interval(_), _) => Self::Months(empty()),
            (DataType::Duration(_), _) => Self::DayTime(empty()),
            (DataType::List(item), T::Array(inner)) => Self::List {
                items: Box::new(Self::new(item, inner, format)),
                field: Arc::clone(item),
                rows: Ranges::new(),
            },
            (DataType::Map(entries, _), T::Map(..) | T::Multiset(_)) => Self::Map {
                values: Box::new(match (entries.data_type(), logical_type) {
                    (DataType::Struct(pair), T::Map(_, value)) => Self::new(&pair[1], value, format),
                    _ => Self::Int32(empty()),
                }),
                keys: StringBuilder::with_capacity(0, 0),
                entries: Arc::clone(entries),
                rows: Ranges::new(),
            },
            (DataType::Struct(fields), T::Row(types)) => Self::Struct {
                cells: fields
                    .iter()
                    .zip(types)
                    .map(|(field, (_, inner))| Self::new(field, inner, format))
                    .collect(),
                places: fields
                    .iter()
                    .enumerate()
                    .map(|(place, field)| (field.name().clone(), place))
                    .collect(),
                fields: fields.clone(),
                nulls: NullBufferBuilder::new(0),
            },
            (_, T::Char(_) | T::VarChar(_)) => Self::Text(StringBuilder::with_capacity(0, 0)),
            (_, T::Timestamp(precision) | T::TimestampLtz(precision)) if format == RowFormat::Json => {
                Self::ForeignTimestamp(StringBuilder::with_capacity(0, 0), *precision)
            }
            _ => Self::Foreign(StringBuilder::with_capacity(0, 0)),
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Nothing(count) => *count,
            Self::Boolean(builder) => builder.len(),
            Self::Int8(builder) => builder.len(),
            Self::Int16(builder) => builder.len(),
            Self::Int32(builder) => builder.len(),
            Self::Int64(builder) => builder.len(),
            Self::Float32(builder) => builder.len(),
            Self::Float64(builder) => builder.len(),
            Self::Decimal { builder, .. } => builder.len(),
            Self::Text(builder) | Self::Foreign(builder) | Self::ForeignTimestamp(builder, _) => builder.len(),
            Self::Bytes { builder, .. } => builder.len(),
            Self::Date(builder) => builder.len(),
            Self::Time(builder) => builder.len(),
            Self::Milliseconds(builder, _) => builder.len(),
            Self::Microseconds(builder, _) => builder.len(),
            Self::Months(builder) => builder.len(),
            Self::DayTime(builder) => builder.len(),
            Self::List { rows, .. } | Self::Map { rows, .. } => rows.nulls.len(),
            Self::Struct { nulls, .. } => nulls.len(),
        }
    }

    /// Appends a null, also below: a struct that is null has fields that are.
    fn push_null(&mut self) {
        match self {
            Self::Nothing(count) => *count += 1,
            Self::Boolean(builder) => builder.append_null(),
            Self::Int8(builder) => builder.append_null(),
            Self::Int16(builder) => builder.append_null(),
            Self::Int32(builder) => builder.append_null(),
            Self::Int64(builder) => builder.append_null(),
            Self::Float32(builder) => builder.append_null(),
            Self::Float64(builder) => builder.append_null(),
            Self::Decimal { builder, .. } => builder.append_null(),
            Self::Text(builder) | Self::Foreign(builder) | Self::ForeignTimestamp(builder, _) => builder.append_null(),
            Self::Bytes { builder, .. } => builder.append_null(),
            Self::Date(builder) => builder.append_null(),
            Self::Time(builder) => builder.append_null(),
            Self::Milliseconds(builder, _) => builder.append_null(),
            Self::Microseconds(builder, _) => builder.append_null(),
            Self::Months(builder) => builder.append_null(),
            Self::DayTime(builder) => builder.append_null(),
            Self::List { rows, .. } | Self::Map { rows, .. } => rows.push_null(),
            Self::Struct { cells, nulls, .. } => {
                cells.iter_mut().for_each(Self::push_null);
                nulls.append_null();
            }
        }
    }

    /// The array of them.
    ///
    /// # Errors
    /// They don't make an array of the field's type.
    pub(super) fn finish(self) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Nothing(count) => Arc::new(NullArray::new(count)),
            Self::Boolean(mut builder) => Arc::new(builder.finish()),
            Self::Int8(mut builder) => Arc::new(builder.finish()),
            Self::Int16(mut builder) => Arc::new(builder.finish()),
            Self::Int32(mut builder) => Arc::new(builder.finish()),
            Self::Int64(mut builder) => Arc::new(builder.finish()),
            Self::Float32(mut builder) => Arc::new(builder.finish()),
            Self::Float64(mut builder) => Arc::new(builder.finish()),
            Self::Decimal { mut builder, .. } => Arc::new(builder.finish()),
            Self::Text(mut builder) | Self::Foreign(mut builder) | Self::ForeignTimestamp(mut builder, _) => {
                Arc::new(builder.finish())
            }
            Self::Bytes { mut builder, .. } => Arc::new(builder.finish()),
            Self::Date(mut builder) => Arc::new(builder.finish()),
            Self::Time(mut builder) => Arc::new(builder.finish()),
            Self::Milliseconds(mut builder, _) => Arc::new(builder.finish()),
            Self::Microseconds(mut builder, _) => Arc::new(builder.finish()),
            Self::Months(mut builder) => Arc::new(builder.finish()),
            Self::DayTime(mut builder) => Arc::new(builder.finish()),
            Self::List { field, items, rows } => {
                let (offsets, nulls) = rows.finish();
                Arc::new(ListArray::try_new(field, offsets, items.finish()?, nulls)?)
            }
            Self::Map {
                entries,
                mut keys,
                values,
                rows,
            } => {
                let (offsets, nulls) = rows.finish();
                let DataType::Struct(pair) = entries.data_type().clone() else {
                    return Err(ArrowError::SchemaError("a map's entries are a struct".to_owned()));
                };
                let pairs = StructArray::try_new(pair, vec![Arc::new(keys.finish()), values.finish()?], None)?;
                Arc::new(MapArray::try_new(entries, offsets, pairs, nulls, false)?)
            }
            Self::Struct {
                fields, cells, nulls, ..
            } => {
                let length = nulls.len();
                let arrays = cells.into_iter().map(Self::finish).collect::<Result<_, _>>()?;
                Arc::new(StructArray::try_new_with_length(fields, arrays, nulls.build(), length)?)
            }
        })
    }
}

/// A builder that has not allocated anything: how many rows will come is the server's word.
fn empty<T: ArrowPrimitiveType>() -> PrimitiveBuilder<T> {
    PrimitiveBuilder::with_capacity(0)
}

/// Appends the value that is read to those cells.
impl<'de> DeserializeSeed<'de> for &mut Cells {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self {
            Cells::Nothing(count) => scalar(deserializer, "null", |seen| {
                *count += 1;
                matches!(seen, Seen::Null)
            }),
            Cells::Boolean(builder) => scalar(deserializer, "a BOOLEAN", |seen| {
                match seen {
                    Seen::Null => builder.append_null(),
                    Seen::Boolean(value) => builder.append_value(value),
                    Seen::Text("TRUE") => builder.append_value(true),
                    Seen::Text("FALSE") => builder.append_value(false),
                    _ => return false,
                }
                true
            }),
            Cells::Int8(builder) => scalar(deserializer, "a TINYINT", |seen| push_integer(builder, seen)),
            Cells::Int16(builder) => scalar(deserializer, "a SMALLINT", |seen| push_integer(builder, seen)),
            Cells::Int32(builder) => scalar(deserializer, "an INT", |seen| push_integer(builder, seen)),
            Cells::Int64(builder) => scalar(deserializer, "a BIGINT", |seen| push_integer(builder, seen)),
            Cells::Float32(builder) => number(deserializer, "a FLOAT", |text| {
                push(builder, text, |text| {
                    literal::float(text, |value: &f32| value.is_finite())
                })
            }),
            Cells::Float64(builder) => number(deserializer, "a DOUBLE", |text| {
                push(builder, text, |text| {
                    literal::float(text, |value: &f64| value.is_finite())
                })
            }),
            Cells::Decimal {
                builder,
                precision,
                scale,
            } => number(deserializer, "a DECIMAL of that precision and scale", |text| {
                push(builder, text, |text| {
                    literal::decimal(text.as_bytes(), *precision, *scale)
                })
            }),
            Cells::Text(builder) => scalar(deserializer, "a string", |seen| {
                match seen {
                    Seen::Null => builder.append_null(),
                    Seen::Text(text) => builder.append_value(text),
                    _ => return false,
                }
                true
            }),
            Cells::Foreign(builder) => {
                let raw = <&RawValue>::deserialize(deserializer)?.get();
                match unquote(raw) {
                    _ if raw == "null" => builder.append_null(),
                    Some(text) if !text.contains('\\') => builder.append_value(text),
                    Some(_) => builder.append_value(serde_json::from_str::<String>(raw).map_err(de::Error::custom)?),
                    None => builder.append_value(raw),
                }
                Ok(())
            }
            Cells::ForeignTimestamp(builder, precision) => scalar(deserializer, "a timestamp", |seen| {
                match seen {
                    Seen::Null => builder.append_null(),
                    Seen::Text(text) if literal::write_timestamp(text, *precision, builder).is_ok() => {
                        builder.append_value("");
                    }
                    _ => return false,
                }
                true
            }),
            Cells::Bytes {
                builder,
                format,
                scratch,
            } => scalar(deserializer, "bytes", |seen| {
                match seen {
                    Seen::Null => builder.append_null(),
                    Seen::Text(text) => {
                        scratch.clear();
                        let read = match format {
                            RowFormat::Json => STANDARD.decode_vec(text, scratch).is_ok(),
                            RowFormat::PlainText => literal::hex(text.as_bytes(), scratch),
                        };
                        if !read {
                            return false;
                        }
                        builder.append_value(&scratch);
                    }
                    _ => return false,
                }
                true
            }),
            Cells::Date(builder) => scalar(deserializer, "a DATE", |seen| push_text(builder, seen, literal::date)),
            Cells::Time(builder) => scalar(deserializer, "a TIME", |seen| {
                push_text(builder, seen, literal::milliseconds)
            }),
            Cells::Milliseconds(builder, instant) => scalar(deserializer, "a timestamp", |seen| {
                push_text(builder, seen, |text| literal::timestamp(text, 1000, *instant))
            }),
            Cells::Microseconds(builder, instant) => scalar(deserializer, "a timestamp", |seen| {
                push_text(builder, seen, |text| literal::timestamp(text, 1_000_000, *instant))
            }),
            Cells::Months(builder) => scalar(deserializer, "an interval of months", |seen| match seen {
                Seen::Integer(_) => push_integer(builder, seen),
                _ => push_text(builder, seen, literal::months),
            }),
            Cells::DayTime(builder) => scalar(deserializer, "an interval of days", |seen| match seen {
                Seen::Integer(_) => push_integer(builder, seen),
                _ => push_text(builder, seen, literal::day_time),
            }),
            Cells::List { .. } | Cells::Map { .. } | Cells::Struct { .. } => deserializer.deserialize_any(Nested(self)),
        }
    }
}

fn push<T: ArrowPrimitiveType>(
    builder: &mut PrimitiveBuilder<T>,
    text: Option<&str>,
    read: impl FnOnce(&str) -> Option<T::Native>,
) -> bool {
    match text {
        None => builder.append_null(),
        Some(text) => match read(text) {
            Some(value) => builder.append_value(value),
            None => return false,
        },
    }
    true
}

fn push_text<T: ArrowPrimitiveType>(
    builder: &mut PrimitiveBuilder<T>,
    seen: Seen<'_>,
    read: impl FnOnce(&[u8]) -> Option<T::Native>,
) -> bool {
    match seen {
        Seen::Null => push(builder, None, |_| None),
        Seen::Text(text) => push(builder, Some(text), |text| read(text.as_bytes())),
        _ => false,
    }
}

fn push_integer<T: ArrowPrimitiveType>(builder: &mut PrimitiveBuilder<T>, seen: Seen<'_>) -> bool
where
    T::Native: TryFrom<i64>,
{
    let value = match seen {
        Seen::Null => {
            builder.append_null();
            return true;
        }
        Seen::Integer(value) => Some(value),
        Seen::Text(text) => text.parse().ok(),
        Seen::Boolean(_) => None,
    };
    match value.and_then(|value| T::Native::try_from(value).ok()) {
        Some(value) => builder.append_value(value),
        None => return false,
    }
    true
}

/// A list, map or struct.
struct Nested<'b>(&'b mut Cells);

impl<'de> Visitor<'de> for Nested<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Cells::List { .. } => "an array",
            Cells::Map { .. } => "an object that holds a map",
            _ => "an object that holds a row",
        })
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.0.push_null();
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        let Cells::List { items, rows, .. } = self.0 else {
            return Err(de::Error::invalid_type(Unexpected::Seq, &self));
        };
        while sequence.next_element_seed(&mut **items)?.is_some() {}
        rows.push(items.len())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        match self.0 {
            Cells::Map { keys, values, rows, .. } => {
                while map.next_key_seed(MapKey(keys))?.is_some() {
                    map.next_value_seed(&mut **values)?;
                }
                rows.push(keys.len())
            }
            Cells::Struct {
                fields,
                places,
                cells,
                nulls,
            } => {
                let row = nulls.len();
                // Flink writes the fields in their order.
                let mut next = 0;
                while let Some(place) = map.next_key_seed(FieldName { fields, places, next })? {
                    if cells[place].len() != row {
                        return Err(de::Error::custom(format_args!(
                            "the row has the field `{}` twice",
                            fields[place].name()
                        )));
                    }
                    map.next_value_seed(&mut cells[place])?;
                    next = place + 1;
                }
                if let Some(missing) = cells.iter().position(|cells| cells.len() == row) {
                    return Err(de::Error::custom(format_args!(
                        "the row has no field `{}`",
                        fields[missing].name()
                    )));
                }
                nulls.append_non_null();
                Ok(())
            }
            _ => Err(de::Error::invalid_type(Unexpected::Map, &self)),
        }
    }
}

/// A map's key, appended.
struct MapKey<'b>(&'b mut StringBuilder);

impl<'de> DeserializeSeed<'de> for MapKey<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for MapKey<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map's key")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<(), E> {
        self.0.append_value(key);
        Ok(())
    }
}

/// The place of a row's field by its name.
struct FieldName<'b> {
    fields: &'b Fields,
    places: &'b HashMap<String, usize>,
    /// The field that is to be expected.
    next: usize,
}

impl<'de> DeserializeSeed<'de> for FieldName<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for FieldName<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field of the row")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<usize, E> {
        if self.fields.get(self.next).is_some_and(|field| field.name() == name) {
            return Ok(self.next);
        }
        let place = self.places.get(name).copied();
        place.ok_or_else(|| E::invalid_value(Unexpected::Str(name), &self))
    }
}
