//! A column of a batch, found out about once and then written cell by cell without allocating.

use std::fmt::Write as _;
use std::io;

use arrow::array::{Array, AsArray, BooleanArray, FixedSizeBinaryArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{
    ArrowNativeType, DataType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType, DurationSecondType, Field, Float16Type,
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, IntervalDayTime, IntervalDayTimeType,
    IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, IntervalYearMonthType, Time32MillisecondType,
    Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type, i256,
};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use skep_engine::ENGINE_TYPE;

use super::json;
use super::number::{NumberText, is_json_number, push_decimal, push_float, push_integer};
use super::time::{digits_of, push_date, push_days, push_months, push_time, push_timestamp};

/// Who reads the text of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// A person: `TRUE`, `x'68656c'`, as Flink's client prints them.
    Person,
    /// A program: `true`, `68656c`.
    Program,
}

/// Whether a field's values are numbers, and so stand right-aligned: by its type, or by the engine's own type where
/// they travel as text.
pub(super) fn is_number(field: &Field) -> bool {
    match field.data_type() {
        DataType::Dictionary(_, values) => values.is_numeric(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => is_number_as_text(field),
        other => other.is_numeric(),
    }
}

fn is_number_as_text(field: &Field) -> bool {
    const NUMBERS: [&str; 8] = [
        "DECIMAL", "DEC", "NUMERIC", "NUMBER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE",
    ];
    field.metadata().get(ENGINE_TYPE).is_some_and(|name| {
        let word = name
            .split(|c: char| !c.is_ascii_alphabetic())
            .next()
            .unwrap_or_default();
        NUMBERS.iter().any(|number| number.eq_ignore_ascii_case(word))
    })
}

/// The digits of a fraction of a second that each of a field's times has at least: those of its unit, or fewer where the
/// engine's own type says so, as `TIMESTAMP(0)` does.
fn digits(field: &Field, unit: TimeUnit) -> usize {
    let declared = field.metadata().get(ENGINE_TYPE).and_then(|name| {
        let (_, after) = name.split_once('(')?;
        after.split_once(')')?.0.parse().ok()
    });
    let whole = digits_of(unit);
    declared.unwrap_or(whole).min(whole)
}

/// One column of a batch.
pub(super) struct Column<'a> {
    nulls: Option<&'a NullBuffer>,
    values: Values<'a>,
    numbers: NumberText,
}

enum Values<'a> {
    Null,
    Bool(&'a BooleanArray),
    Int8(&'a [i8]),
    Int16(&'a [i16]),
    Int32(&'a [i32]),
    Int64(&'a [i64]),
    UInt8(&'a [u8]),
    UInt16(&'a [u16]),
    UInt32(&'a [u32]),
    UInt64(&'a [u64]),
    Float16(&'a [<Float16Type as arrow::datatypes::ArrowPrimitiveType>::Native]),
    Float32(&'a [f32]),
    Float64(&'a [f64]),
    Decimal32(&'a [i32], i8),
    Decimal64(&'a [i64], i8),
    Decimal128(&'a [i128], i8),
    Decimal256(&'a [i256], i8),
    Utf8(&'a arrow::array::StringArray),
    LargeUtf8(&'a arrow::array::LargeStringArray),
    Utf8View(&'a arrow::array::StringViewArray),
    /// Text that the engine says is a number.
    NumberAsText(Box<Column<'a>>),
    Binary(&'a arrow::array::BinaryArray),
    LargeBinary(&'a arrow::array::LargeBinaryArray),
    BinaryView(&'a arrow::array::BinaryViewArray),
    FixedBinary(&'a FixedSizeBinaryArray),
    Date32(&'a [i32]),
    /// Milliseconds.
    Date64(&'a [i64]),
    /// With the digits of a fraction that each has at least.
    Time32(&'a [i32], TimeUnit, usize),
    Time64(&'a [i64], TimeUnit, usize),
    /// The flag: it is an instant.
    Timestamp(&'a [i64], TimeUnit, usize, bool),
    Months(&'a [i32]),
    DayTime(&'a [IntervalDayTime]),
    MonthDayNano(&'a [IntervalMonthDayNano]),
    Duration(&'a [i64], TimeUnit),
    List(&'a OffsetBuffer<i32>, Box<Column<'a>>),
    LargeList(&'a OffsetBuffer<i64>, Box<Column<'a>>),
    FixedList(usize, Box<Column<'a>>),
    Map(&'a OffsetBuffer<i32>, Box<Column<'a>>, Box<Column<'a>>),
    Struct(Vec<(&'a str, Column<'a>)>),
    /// Each row's place among the values.
    Dictionary(Vec<usize>, Box<Column<'a>>),
    Other(ArrayFormatter<'a>),
}

impl<'a> Column<'a> {
    /// The column of that field.
    ///
    /// # Errors
    /// `Unsupported` for an Arrow type that has no text.
    pub(super) fn new(array: &'a dyn Array, field: &Field, numbers: NumberText) -> io::Result<Self> {
        use Values as V;
        let child = |array: &'a dyn Array, field: &Field| Self::new(array, field, numbers).map(Box::new);
        let values = match array.data_type() {
            DataType::Null => V::Null,
            DataType::Boolean => V::Bool(array.as_boolean()),
            DataType::Int8 => V::Int8(array.as_primitive::<Int8Type>().values()),
            DataType::Int16 => V::Int16(array.as_primitive::<Int16Type>().values()),
            DataType::Int32 => V::Int32(array.as_primitive::<Int32Type>().values()),
            DataType::Int64 => V::Int64(array.as_primitive::<Int64Type>().values()),
            DataType::UInt8 => V::UInt8(array.as_primitive::<UInt8Type>().values()),
            DataType::UInt16 => V::UInt16(array.as_primitive::<UInt16Type>().values()),
            DataType::UInt32 => V::UInt32(array.as_primitive::<UInt32Type>().values()),
            DataType::UInt64 => V::UInt64(array.as_primitive::<UInt64Type>().values()),
            DataType::Float16 => V::Float16(array.as_primitive::<Float16Type>().values()),
            DataType::Float32 => V::Float32(array.as_primitive::<Float32Type>().values()),
            DataType::Float64 => V::Float64(array.as_primitive::<Float64Type>().values()),
            DataType::Decimal32(_, scale) => V::Decimal32(array.as_primitive::<Decimal32Type>().values(), *scale),
            DataType::Decimal64(_, scale) => V::Decimal64(array.as_primitive::<Decimal64Type>().values(), *scale),
            DataType::Decimal128(_, scale) => V::Decimal128(array.as_primitive::<Decimal128Type>().values(), *scale),
            DataType::Decimal256(_, scale) => V::Decimal256(array.as_primitive::<Decimal256Type>().values(), *scale),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                let text = match array.data_type() {
                    DataType::Utf8 => V::Utf8(array.as_string()),
                    DataType::LargeUtf8 => V::LargeUtf8(array.as_string()),
                    _ => V::Utf8View(array.as_string_view()),
                };
                if is_number_as_text(field) {
                    let nulls = array.nulls();
                    V::NumberAsText(Box::new(Self {
                        nulls,
                        values: text,
                        numbers,
                    }))
                } else {
                    text
                }
            }
            DataType::Binary => V::Binary(array.as_binary()),
            DataType::LargeBinary => V::LargeBinary(array.as_binary()),
            DataType::BinaryView => V::BinaryView(array.as_binary_view()),
            DataType::FixedSizeBinary(_) => V::FixedBinary(array.as_fixed_size_binary()),
            DataType::Date32 => V::Date32(array.as_primitive::<Date32Type>().values()),
            DataType::Date64 => V::Date64(array.as_primitive::<Date64Type>().values()),
            DataType::Time32(unit) => V::Time32(
                match unit {
                    TimeUnit::Second => array.as_primitive::<Time32SecondType>().values(),
                    _ => array.as_primitive::<Time32MillisecondType>().values(),
                },
                *unit,
                digits(field, *unit),
            ),
            DataType::Time64(unit) => V::Time64(
                match unit {
                    TimeUnit::Microsecond => array.as_primitive::<Time64MicrosecondType>().values(),
                    _ => array.as_primitive::<Time64NanosecondType>().values(),
                },
                *unit,
                digits(field, *unit),
            ),
            DataType::Timestamp(unit, zone) => V::Timestamp(
                match unit {
                    TimeUnit::Second => array.as_primitive::<TimestampSecondType>().values(),
                    TimeUnit::Millisecond => array.as_primitive::<TimestampMillisecondType>().values(),
                    TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().values(),
                    TimeUnit::Nanosecond => array.as_primitive::<TimestampNanosecondType>().values(),
                },
                *unit,
                digits(field, *unit),
                zone.is_some(),
            ),
            DataType::Interval(IntervalUnit::YearMonth) => {
                V::Months(array.as_primitive::<IntervalYearMonthType>().values())
            }
            DataType::Interval(IntervalUnit::DayTime) => {
                V::DayTime(array.as_primitive::<IntervalDayTimeType>().values())
            }
            DataType::Interval(IntervalUnit::MonthDayNano) => {
                V::MonthDayNano(array.as_primitive::<IntervalMonthDayNanoType>().values())
            }
            DataType::Duration(unit) => V::Duration(
                match unit {
                    TimeUnit::Second => array.as_primitive::<DurationSecondType>().values(),
                    TimeUnit::Millisecond => array.as_primitive::<DurationMillisecondType>().values(),
                    TimeUnit::Microsecond => array.as_primitive::<DurationMicrosecondType>().values(),
                    TimeUnit::Nanosecond => array.as_primitive::<DurationNanosecondType>().values(),
                },
                *unit,
            ),
            DataType::List(item) => {
                let list = array.as_list::<i32>();
                V::List(list.offsets(), child(list.values().as_ref(), item)?)
            }
            DataType::LargeList(item) => {
                let list = array.as_list::<i64>();
                V::LargeList(list.offsets(), child(list.values().as_ref(), item)?)
            }
            DataType::FixedSizeList(item, size) => {
                let list = array.as_fixed_size_list();
                V::FixedList(size.as_usize(), child(list.values().as_ref(), item)?)
            }
            DataType::Map(_, _) => {
                let map = array.as_map();
                let (key, value) = map.entries_fields();
                V::Map(
                    map.offsets(),
                    child(map.keys().as_ref(), key)?,
                    child(map.values().as_ref(), value)?,
                )
            }
            DataType::Struct(_) => {
                let rows = array.as_struct();
                V::Struct(
                    rows.fields()
                        .iter()
                        .zip(rows.columns())
                        .map(|(field, array)| Ok((field.name().as_str(), Self::new(array.as_ref(), field, numbers)?)))
                        .collect::<io::Result<_>>()?,
                )
            }
            DataType::Dictionary(_, _) => {
                let dictionary = array.as_any_dictionary();
                if dictionary.values().is_empty() {
                    V::Null
                } else {
                    V::Dictionary(
                        dictionary.normalized_keys(),
                        child(dictionary.values().as_ref(), field)?,
                    )
                }
            }
            other => V::Other(
                ArrayFormatter::try_new(array, &OTHER)
                    .map_err(|error| io::Error::new(io::ErrorKind::Unsupported, format!("{other}: {error}")))?,
            ),
        };
        Ok(Self {
            nulls: array.nulls(),
            values,
            numbers,
        })
    }

    /// Whether the row's value is NULL.
    pub(super) fn is_null(&self, row: usize) -> bool {
        self.nulls.is_some_and(|nulls| nulls.is_null(row))
            || match &self.values {
                Values::Null => true,
                Values::Dictionary(places, values) => values.is_null(places[row]),
                _ => false,
            }
    }

    /// The bytes of a text column's value; `None` for columns of other types.
    pub(super) fn text(&self, row: usize) -> Option<&'a [u8]> {
        match &self.values {
            Values::Utf8(texts) => Some(texts.value(row).as_bytes()),
            Values::LargeUtf8(texts) => Some(texts.value(row).as_bytes()),
            Values::Utf8View(texts) => Some(texts.value(row).as_bytes()),
            Values::NumberAsText(texts) => texts.text(row),
            Values::Dictionary(places, values) => values.text(places[row]),
            _ => None,
        }
    }

    /// Whether no value's text holds anything but letters, digits and `+-.: `, so that no format needs to quote it.
    pub(super) const fn is_bare(&self) -> bool {
        use Values as V;
        !matches!(
            &self.values,
            V::Utf8(_)
                | V::LargeUtf8(_)
                | V::Utf8View(_)
                | V::NumberAsText(_)
                | V::List(..)
                | V::LargeList(..)
                | V::FixedList(..)
                | V::Map(..)
                | V::Struct(_)
                | V::Dictionary(..)
                | V::Other(_)
        )
    }

    /// Appends a value that is not NULL as Flink spells it; within nested values, NULL is `NULL`.
    ///
    /// # Errors
    /// A value that its own type can't represent.
    pub(super) fn push_text(&self, row: usize, reader: Reader, to: &mut Vec<u8>) -> io::Result<()> {
        use Values as V;
        match &self.values {
            V::Null => to.extend_from_slice(b"NULL"),
            V::Bool(values) => to.extend_from_slice(match (values.value(row), reader) {
                (true, Reader::Person) => b"TRUE",
                (true, Reader::Program) => b"true",
                (false, Reader::Person) => b"FALSE",
                (false, Reader::Program) => b"false",
            }),
            V::Int8(values) => push_integer(values[row], to),
            V::Int16(values) => push_integer(values[row], to),
            V::Int32(values) => push_integer(values[row], to),
            V::Int64(values) => push_integer(values[row], to),
            V::UInt8(values) => push_integer(values[row], to),
            V::UInt16(values) => push_integer(values[row], to),
            V::UInt32(values) => push_integer(values[row], to),
            V::UInt64(values) => push_integer(values[row], to),
            V::Float16(values) => push_float(values[row].to_f32(), self.numbers, to),
            V::Float32(values) => push_float(values[row], self.numbers, to),
            V::Float64(values) => push_float(values[row], self.numbers, to),
            V::Decimal32(values, scale) => {
                push_decimal(itoa::Buffer::new().format(values[row]).as_bytes(), *scale, to);
            }
            V::Decimal64(values, scale) => {
                push_decimal(itoa::Buffer::new().format(values[row]).as_bytes(), *scale, to);
            }
            V::Decimal128(values, scale) => {
                push_decimal(itoa::Buffer::new().format(values[row]).as_bytes(), *scale, to);
            }
            V::Decimal256(values, scale) => push_decimal(values[row].to_string().as_bytes(), *scale, to),
            V::Utf8(values) => to.extend_from_slice(values.value(row).as_bytes()),
            V::LargeUtf8(values) => to.extend_from_slice(values.value(row).as_bytes()),
            V::Utf8View(values) => to.extend_from_slice(values.value(row).as_bytes()),
            V::NumberAsText(values) => values.push_text(row, reader, to)?,
            V::Binary(values) => push_bytes(values.value(row), reader, to),
            V::LargeBinary(values) => push_bytes(values.value(row), reader, to),
            V::BinaryView(values) => push_bytes(values.value(row), reader, to),
            V::FixedBinary(values) => push_bytes(values.value(row), reader, to),
            V::Date32(values) => push_date(i64::from(values[row]), to),
            V::Date64(values) => push_date(values[row].div_euclid(86_400_000), to),
            V::Time32(values, unit, least) => push_time(i64::from(values[row]), *unit, *least, to),
            V::Time64(values, unit, least) => push_time(values[row], *unit, *least, to),
            V::Timestamp(values, unit, least, instant) => push_timestamp(values[row], *unit, *least, *instant, to),
            V::Months(values) => push_months(i64::from(values[row]), to),
            V::DayTime(values) => {
                let IntervalDayTime { days, milliseconds } = values[row];
                push_days(i64::from(days), i64::from(milliseconds), TimeUnit::Millisecond, to);
            }
            V::MonthDayNano(values) => {
                let IntervalMonthDayNano {
                    months,
                    days,
                    nanoseconds,
                } = values[row];
                if months != 0 {
                    push_months(i64::from(months), to);
                    to.push(b' ');
                }
                push_days(i64::from(days), nanoseconds, TimeUnit::Nanosecond, to);
            }
            V::Duration(values, unit) => push_days(0, values[row], *unit, to),
            V::List(offsets, items) => items.push_items(range(offsets, row), reader, to)?,
            V::LargeList(offsets, items) => items.push_items(range(offsets, row), reader, to)?,
            V::FixedList(size, items) => items.push_items(row * size..(row + 1) * size, reader, to)?,
            V::Map(offsets, keys, values) => {
                to.push(b'{');
                let entries = range(offsets, row);
                for entry in entries.clone() {
                    if entry != entries.start {
                        to.extend_from_slice(b", ");
                    }
                    keys.push_inner(entry, reader, to)?;
                    to.push(b'=');
                    values.push_inner(entry, reader, to)?;
                }
                to.push(b'}');
            }
            V::Struct(fields) => {
                to.push(b'(');
                for (at, (_, values)) in fields.iter().enumerate() {
                    if at > 0 {
                        to.extend_from_slice(b", ");
                    }
                    values.push_inner(row, reader, to)?;
                }
                to.push(b')');
            }
            V::Dictionary(places, values) => values.push_text(places[row], reader, to)?,
            V::Other(formatter) => to.extend_from_slice(other(formatter, row)?.as_bytes()),
        }
        Ok(())
    }

    fn push_inner(&self, row: usize, reader: Reader, to: &mut Vec<u8>) -> io::Result<()> {
        if self.is_null(row) {
            to.extend_from_slice(b"NULL");
            return Ok(());
        }
        self.push_text(row, reader, to)
    }

    fn push_items(&self, rows: std::ops::Range<usize>, reader: Reader, to: &mut Vec<u8>) -> io::Result<()> {
        to.push(b'[');
        for row in rows.clone() {
            if row != rows.start {
                to.extend_from_slice(b", ");
            }
            self.push_inner(row, reader, to)?;
        }
        to.push(b']');
        Ok(())
    }

    /// Appends a value as JSON. Numbers are exact, `NaN` and the infinities are strings, bytes are hex.
    ///
    /// # Errors
    /// A value that its own type can't represent.
    pub(super) fn push_json(&self, row: usize, to: &mut Vec<u8>) -> io::Result<()> {
        use Values as V;
        if self.is_null(row) {
            to.extend_from_slice(b"null");
            return Ok(());
        }
        match &self.values {
            V::Float16(values) if !values[row].is_finite() => self.push_quoted(row, to)?,
            V::Float32(values) if !values[row].is_finite() => self.push_quoted(row, to)?,
            V::Float64(values) if !values[row].is_finite() => self.push_quoted(row, to)?,
            V::Bool(_)
            | V::Int8(_)
            | V::Int16(_)
            | V::Int32(_)
            | V::Int64(_)
            | V::UInt8(_)
            | V::UInt16(_)
            | V::UInt32(_)
            | V::UInt64(_)
            | V::Float16(_)
            | V::Float32(_)
            | V::Float64(_)
            | V::Decimal32(..)
            | V::Decimal64(..)
            | V::Decimal128(..)
            | V::Decimal256(..) => self.push_text(row, Reader::Program, to)?,
            V::Utf8(values) => json::push_string(values.value(row), to),
            V::LargeUtf8(values) => json::push_string(values.value(row), to),
            V::Utf8View(values) => json::push_string(values.value(row), to),
            V::NumberAsText(values) => match values.text(row).and_then(|text| std::str::from_utf8(text).ok()) {
                Some(text) if is_json_number(text) => to.extend_from_slice(text.as_bytes()),
                _ => values.push_json(row, to)?,
            },
            V::List(offsets, items) => items.push_array(range(offsets, row), to)?,
            V::LargeList(offsets, items) => items.push_array(range(offsets, row), to)?,
            V::FixedList(size, items) => items.push_array(row * size..(row + 1) * size, to)?,
            V::Map(offsets, keys, values) => {
                to.push(b'{');
                let entries = range(offsets, row);
                for entry in entries.clone() {
                    if entry != entries.start {
                        to.push(b',');
                    }
                    let mut key = Vec::new();
                    keys.push_inner(entry, Reader::Program, &mut key)?;
                    json::push_string(&String::from_utf8_lossy(&key), to);
                    to.push(b':');
                    values.push_json(entry, to)?;
                }
                to.push(b'}');
            }
            V::Struct(fields) => {
                to.push(b'{');
                for (at, (name, values)) in fields.iter().enumerate() {
                    if at > 0 {
                        to.push(b',');
                    }
                    json::push_string(name, to);
                    to.push(b':');
                    values.push_json(row, to)?;
                }
                to.push(b'}');
            }
            V::Dictionary(places, values) => values.push_json(places[row], to)?,
            V::Other(formatter) => json::push_string(&other(formatter, row)?, to),
            // Letters, digits and punctuation that JSON takes as they are.
            _ => self.push_quoted(row, to)?,
        }
        Ok(())
    }

    fn push_quoted(&self, row: usize, to: &mut Vec<u8>) -> io::Result<()> {
        to.push(b'"');
        self.push_text(row, Reader::Program, to)?;
        to.push(b'"');
        Ok(())
    }

    fn push_array(&self, rows: std::ops::Range<usize>, to: &mut Vec<u8>) -> io::Result<()> {
        to.push(b'[');
        for row in rows.clone() {
            if row != rows.start {
                to.push(b',');
            }
            self.push_json(row, to)?;
        }
        to.push(b']');
        Ok(())
    }
}

/// How values are shown whose types have no spelling here.
const OTHER: FormatOptions<'static> = FormatOptions::new().with_null("NULL");

fn other(formatter: &ArrayFormatter<'_>, row: usize) -> io::Result<String> {
    let mut text = String::new();
    write!(text, "{}", formatter.value(row)).map_err(|_| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("row {row} holds a value that has no text"),
        )
    })?;
    Ok(text)
}

fn range<O: arrow::array::OffsetSizeTrait>(offsets: &OffsetBuffer<O>, row: usize) -> std::ops::Range<usize> {
    offsets[row].as_usize()..offsets[row + 1].as_usize()
}

/// Appends bytes as lower-case hex digits; for a person in `x'…'`.
fn push_bytes(bytes: &[u8], reader: Reader, to: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    if reader == Reader::Person {
        to.extend_from_slice(b"x'");
    }
    for byte in bytes {
        to.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    if reader == Reader::Person {
        to.push(b'\'');
    }
}
