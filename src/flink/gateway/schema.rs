//! Which Arrow type holds a column.
//!
//! It follows from the logical type and the row format alone, so that a value met late can't need another one. What Arrow
//! can't hold without loss is the server's text, with the type's SQL spelling in the field's metadata.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, IntervalUnit, Schema, SchemaRef, TimeUnit};
use skep_engine::ENGINE_TYPE;

use super::logical_type::LogicalType;
use super::page::{Column, RowFormat};

/// The time zone of instants.
const UTC: &str = "UTC";

/// The schema of a result. Every field may be null: the server's word that one can't is not relied on.
pub(crate) fn of(columns: &[Column], format: RowFormat) -> SchemaRef {
    let fields: Vec<Field> = columns
        .iter()
        .map(|column| field(&column.name, &column.logical_type, format))
        .collect();
    Arc::new(Schema::new(fields))
}

/// The field of that name and type. It tells the type itself where Arrow's does not: of what travels as text, and of a time
/// with other digits than its unit has.
fn field(name: &str, logical_type: &LogicalType, format: RowFormat) -> Field {
    use LogicalType as T;
    let held = data_type(logical_type, format);
    let tells = match (logical_type, &held) {
        (_, None) => true,
        (T::Time(precision) | T::Timestamp(precision) | T::TimestampLtz(precision), _) => !matches!(precision, 3 | 6),
        _ => false,
    };
    let field = Field::new(name, held.unwrap_or(DataType::Utf8), true);
    if tells {
        return field.with_metadata(HashMap::from([(ENGINE_TYPE.to_owned(), logical_type.to_string())]));
    }
    field
}

/// The Arrow type that holds every value of the type, as it comes in that format; none if it is to travel as text.
fn data_type(logical_type: &LogicalType, format: RowFormat) -> Option<DataType> {
    use LogicalType as T;
    let nested = |name: &str, inner: &LogicalType| Arc::new(field(name, inner, format));
    Some(match logical_type {
        T::Boolean => DataType::Boolean,
        T::TinyInt => DataType::Int8,
        T::SmallInt => DataType::Int16,
        T::Int => DataType::Int32,
        T::BigInt => DataType::Int64,
        T::Float => DataType::Float32,
        T::Double => DataType::Float64,
        T::Decimal { precision, scale } if (1..=38).contains(precision) && scale <= precision => {
            DataType::Decimal128(u8::try_from(*precision).ok()?, i8::try_from(*scale).ok()?)
        }
        T::Char(_) | T::VarChar(_) => DataType::Utf8,
        T::Binary(_) | T::VarBinary(_) => DataType::Binary,
        // In plain text Flink writes years before 0 and after 9999 wrongly (`0')*-01-01` has been seen for -976), and an
        // instant in the session's time zone, without saying which: what it writes is passed on.
        T::Date | T::Time(_) | T::Timestamp(_) | T::TimestampLtz(_) if format == RowFormat::PlainText => return None,
        T::Date => DataType::Date32,
        // Milliseconds are what Flink holds a time in, whatever its precision: LOCALTIME is a TIME(0) and has them.
        T::Time(_) => DataType::Time32(TimeUnit::Millisecond),
        T::Timestamp(precision) => DataType::Timestamp(unit(*precision)?, None),
        T::TimestampLtz(precision) => DataType::Timestamp(unit(*precision)?, Some(UTC.into())),
        T::YearMonth(_) => DataType::Interval(IntervalUnit::YearMonth),
        T::DayTime(_) => DataType::Duration(TimeUnit::Millisecond),
        T::Null => DataType::Null,
        // A nested value in plain text can't be taken apart: `[a, b]` may be one string or two.
        T::Array(_) | T::Map(..) | T::Multiset(_) | T::Row(_) if format == RowFormat::PlainText => return None,
        T::Array(item) => DataType::List(nested("item", item)),
        T::Map(key, value) => map(key, &nested("value", value))?,
        T::Multiset(item) => map(item, &nested("value", &T::Int))?,
        T::Row(fields) => DataType::Struct(fields.iter().map(|(name, inner)| nested(name, inner)).collect()),
        T::Decimal { .. } | T::TimestampTz(_) | T::Other(_) => return None,
    })
}

/// The unit that holds a timestamp of that precision, for the years that Flink's SQL knows: from 7 digits on, 64 bits hold
/// nanoseconds up to the year 2262 only.
///
/// Below 4 digits Flink itself keeps milliseconds, all three of them. From 4 to 6 a careless source can leave further
/// digits in the value; they are cut off, as Flink cuts them off in a cast and in its own client.
const fn unit(precision: u32) -> Option<TimeUnit> {
    match precision {
        0..=3 => Some(TimeUnit::Millisecond),
        4..=6 => Some(TimeUnit::Microsecond),
        _ => None,
    }
}

/// A map; in JSON the keys are strings, and the server refuses to write others.
fn map(key: &LogicalType, value: &Arc<Field>) -> Option<DataType> {
    if !matches!(key, LogicalType::Char(_) | LogicalType::VarChar(_)) {
        return None;
    }
    let key = Arc::new(Field::new("key", DataType::Utf8, false));
    let entries = DataType::Struct(Fields::from(vec![key, Arc::clone(value)]));
    Some(DataType::Map(Arc::new(Field::new("entries", entries, false)), false))
}
