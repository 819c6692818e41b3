//! Rows as CSV, so that reading them back gives the same rows.
//!
//! NULL is an empty field (or the `csv.null-literal`), as Flink writes it; an empty string is `""`, so that the two
//! differ.

use std::collections::BTreeMap;
use std::fmt::Write;

use datafusion::arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray, TimestampMillisecondArray};
use datafusion::arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use jiff::Timestamp;
use jiff::tz::Offset;
use skep_engine::{EngineError, Result};

/// The options of the format that writing respects or that only reading needs.
pub(super) const OPTIONS: [&str; 9] = [
    "csv.field-delimiter",
    "csv.quote-character",
    "csv.disable-quote-character",
    "csv.escape-character",
    "csv.null-literal",
    "csv.allow-comments",
    "csv.ignore-parse-errors",
    "csv.array-element-delimiter",
    "csv.write-bigdecimal-in-scientific-notation",
];

/// How values are written: as Flink's SQL timestamp format does.
const FORMAT: FormatOptions<'static> = FormatOptions::new()
    .with_display_error(false)
    .with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"))
    .with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S%.fZ"));

/// Writes rows as CSV.
#[derive(Debug, Clone)]
pub(super) struct Encoder {
    delimiter: char,
    quote: Option<char>,
    escape: Option<char>,
    null: String,
    /// The bytes that make quotes necessary.
    special: [bool; 256],
    /// What numbers and times are spelled with never makes quotes necessary.
    bare: bool,
    text: String,
}

/// A column, found out about once for a batch.
enum Values<'a> {
    Text(&'a StringArray),
    /// A wall clock's time.
    Millis(&'a TimestampMillisecondArray, ArrayFormatter<'a>),
    /// Numbers, truth and times.
    Plain(ArrayFormatter<'a>),
}

impl Encoder {
    /// An encoder with a table's options.
    ///
    /// # Errors
    /// An option has a value that can't be used.
    pub(super) fn new(options: &BTreeMap<String, String>) -> Result<Self> {
        let character = |key: &str| match options.get(key) {
            None => Ok(None),
            Some(text) => {
                let text = if text == "\\t" { "\t" } else { text.as_str() };
                let mut characters = text.chars();
                match (characters.next(), characters.next()) {
                    (Some(c), None) if c.is_ascii() && !matches!(c, '\n' | '\r') => Ok(Some(c)),
                    _ => Err(EngineError::rejected(format!(
                        "option '{key}' = '{text}': one ASCII character is wanted"
                    ))),
                }
            }
        };
        let disabled = match options.get("csv.disable-quote-character").map(String::as_str) {
            None | Some("false") => false,
            Some("true") => true,
            Some(other) => {
                return Err(EngineError::rejected(format!(
                    "option 'csv.disable-quote-character' = '{other}': true or false is wanted"
                )));
            }
        };
        let quote = (!disabled).then_some(character("csv.quote-character")?.unwrap_or('"'));
        let delimiter = character("csv.field-delimiter")?.unwrap_or(',');
        let escape = character("csv.escape-character")?;
        let null = options.get("csv.null-literal").cloned().unwrap_or_default();
        let mut special = [false; 256];
        for c in [Some(delimiter), Some('\n'), Some('\r'), quote, escape]
            .into_iter()
            .flatten()
        {
            // All of them are ASCII.
            special[c as usize & 0xff] = true;
        }
        let spelled = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.: ".contains(&byte);
        Ok(Self {
            delimiter,
            quote,
            escape,
            bare: null.is_empty() && !(0..=u8::MAX).any(|byte| special[usize::from(byte)] && spelled(byte)),
            null,
            special,
            text: String::new(),
        })
    }

    /// Refuses columns that CSV has no form for.
    pub(super) fn check(schema: &SchemaRef) -> Result<()> {
        for field in schema.fields() {
            let plain = match field.data_type() {
                DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => false,
                other => !other.is_nested(),
            };
            if !plain {
                return Err(EngineError::rejected(format!(
                    "column {} has type {}, which format 'csv' can't hold here",
                    field.name(),
                    field.data_type()
                ))
                .hint("cast it to STRING"));
            }
        }
        Ok(())
    }

    /// Appends the rows to `out`.
    ///
    /// # Errors
    /// A value can't be written: quoting is off and it holds what would need it.
    pub(super) fn encode(&mut self, rows: &RecordBatch, out: &mut String) -> Result<()> {
        let failed = |error: ArrowError| EngineError::failed(format!("a value can't be written as CSV: {error}"));
        let unwritable = |row: usize| EngineError::failed(format!("row {row} can't be written as CSV"));
        let columns = rows.columns().iter().map(Values::new);
        let columns = columns.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        for row in 0..rows.num_rows() {
            for (number, (column, values)) in std::iter::zip(&columns, rows.columns()).enumerate() {
                if number > 0 {
                    out.push(self.delimiter);
                }
                if values.is_null(row) {
                    out.push_str(&self.null);
                    continue;
                }
                match column {
                    Values::Text(texts) => self.field(texts.value(row), out)?,
                    plain if self.bare => plain.push(row, out).map_err(|_| unwritable(row))?,
                    plain => {
                        let mut text = std::mem::take(&mut self.text);
                        text.clear();
                        plain.push(row, &mut text).map_err(|_| unwritable(row))?;
                        self.field(&text, out)?;
                        self.text = text;
                    }
                }
            }
            out.push('\n');
        }
        Ok(())
    }

    fn field(&self, text: &str, out: &mut String) -> Result<()> {
        let plain = !text.is_empty()
            && *text != self.null
            && !text.bytes().any(|byte| self.special[usize::from(byte)])
            && !text.starts_with([' ', '#'])
            && !text.ends_with(' ');
        if plain {
            out.push_str(text);
            return Ok(());
        }
        let Some(quote) = self.quote else {
            return Err(EngineError::failed(format!(
                "the value {:?} can't be written: it needs quotes and 'csv.disable-quote-character' is true",
                text.chars().take(60).collect::<String>()
            )));
        };
        out.push(quote);
        for c in text.chars() {
            if c == quote || Some(c) == self.escape {
                out.push(self.escape.unwrap_or(quote));
            }
            out.push(c);
        }
        out.push(quote);
        Ok(())
    }
}

impl<'a> Values<'a> {
    fn new(column: &'a ArrayRef) -> Result<Self, ArrowError> {
        if let Some(texts) = column.as_string_opt::<i32>() {
            return Ok(Self::Text(texts));
        }
        let formatter = ArrayFormatter::try_new(column.as_ref(), &FORMAT)?;
        Ok(match column.data_type() {
            DataType::Timestamp(TimeUnit::Millisecond, None) => Self::Millis(column.as_primitive(), formatter),
            _ => Self::Plain(formatter),
        })
    }

    /// Appends a value that is not NULL.
    fn push(&self, row: usize, out: &mut String) -> std::fmt::Result {
        match self {
            Self::Text(texts) => out.write_str(texts.value(row)),
            Self::Plain(values) => write!(out, "{}", values.value(row)),
            Self::Millis(millis, values) => match push_millis(millis.value(row), out) {
                Some(()) => Ok(()),
                None => write!(out, "{}", values.value(row)),
            },
        }
    }
}

/// Appends `YYYY-MM-DD HH:MM:SS[.fff]`; `None`, and nothing is appended, for years that don't have four digits (and the end of 9999). The
/// general formatter takes ten times as long.
fn push_millis(millis: i64, out: &mut String) -> Option<()> {
    let time = Timestamp::from_millisecond(millis).ok()?;
    let time = Offset::UTC.to_datetime(time);
    let mut text = *b"0000-00-00 00:00:00.000";
    let mut put = |at: usize, value: u32| text[at..at + 2].copy_from_slice(&[digit(value / 10), digit(value)]);
    let year = u32::try_from(time.year()).ok()?;
    put(0, year / 100);
    put(2, year);
    // The other fields are never negative.
    for (at, value) in [
        (5, time.month()),
        (8, time.day()),
        (11, time.hour()),
        (14, time.minute()),
        (17, time.second()),
    ] {
        put(at, u32::from(value.unsigned_abs()));
    }
    let fraction = u32::from(time.millisecond().unsigned_abs());
    put(20, fraction / 10);
    text[22] = digit(fraction);
    let length = if fraction == 0 { 19 } else { 23 };
    out.push_str(std::str::from_utf8(&text[..length]).ok()?);
    Some(())
}

/// The last digit of a number.
const fn digit(value: u32) -> u8 {
    b'0' + (value % 10) as u8
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{Float64Array, Int64Array};
    use datafusion::arrow::datatypes::{Field, Schema};

    use super::*;

    fn rows() -> RecordBatch {
        let schema = Schema::new(vec![
            Field::new("n", DataType::Int64, true),
            Field::new("s", DataType::Utf8, true),
            Field::new("f", DataType::Float64, true),
            Field::new("t", DataType::Timestamp(TimeUnit::Millisecond, None), true),
        ]);
        RecordBatch::try_new(
            Arc::new(schema),
            vec![
                Arc::new(Int64Array::from(vec![Some(1), None, Some(-3)])),
                Arc::new(StringArray::from(vec![Some("a,\"b\"\nc"), Some(""), None])),
                Arc::new(Float64Array::from(vec![Some(0.5), None, Some(2.0)])),
                Arc::new(TimestampMillisecondArray::from(vec![Some(1_500), Some(0), None])),
            ],
        )
        .unwrap()
    }

    fn encode(options: &[(&str, &str)], rows: &RecordBatch) -> Result<String> {
        let options = options
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        let mut out = String::new();
        Encoder::new(&options)?.encode(rows, &mut out)?;
        Ok(out)
    }

    #[test]
    fn null_is_empty_and_the_empty_string_is_quoted() {
        assert_eq!(
            encode(&[], &rows()).unwrap(),
            "1,\"a,\"\"b\"\"\nc\",0.5,1970-01-01 00:00:01.500\n,\"\",,1970-01-01 00:00:00\n-3,,2.0,\n"
        );
    }

    #[test]
    fn the_options_are_respected() {
        let options = [
            ("csv.field-delimiter", ";"),
            ("csv.quote-character", "'"),
            ("csv.null-literal", "n/a"),
        ];
        assert_eq!(
            encode(&options, &rows().slice(1, 2)).unwrap(),
            "n/a;'';n/a;1970-01-01 00:00:00\n-3;n/a;2.0;n/a\n"
        );
        let error = encode(&[("csv.disable-quote-character", "true")], &rows()).unwrap_err();
        assert!(error.message.contains("csv.disable-quote-character"), "{error}");
        assert!(encode(&[("csv.field-delimiter", "ab")], &rows()).is_err());
    }

    #[test]
    fn a_delimiter_that_numbers_are_spelled_with_is_quoted() {
        assert_eq!(
            encode(&[("csv.field-delimiter", "-")], &rows().slice(1, 2)).unwrap(),
            "-\"\"--\"1970-01-01 00:00:00\"\n\"-3\"--2.0-\n"
        );
    }

    #[test]
    fn times_are_spelled_as_the_general_formatter_does() {
        let step = 86_400_000 * 13 + 3_600_007;
        let mut millis: Vec<i64> = (0..20_000).map(|n| (n - 5_000) * step).collect();
        millis.extend([-1, 999, 1000, 253_402_207_199_999, -62_167_219_200_000]);
        let array = TimestampMillisecondArray::from(millis.clone());
        let formatter = ArrayFormatter::try_new(&array, &FORMAT).unwrap();
        for (row, millis) in millis.into_iter().enumerate() {
            let mut text = String::new();
            push_millis(millis, &mut text).unwrap();
            assert_eq!(text, formatter.value(row).to_string());
        }
        for millis in [i64::MIN, -62_167_219_200_001, 253_402_300_800_000, i64::MAX] {
            let mut text = String::new();
            assert_eq!(push_millis(millis, &mut text), None);
            assert_eq!(text, "");
        }
    }
}
