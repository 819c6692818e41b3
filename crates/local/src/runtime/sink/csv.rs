//! Rows as CSV, so that reading them back gives the same rows.
//!
//! NULL is an empty field (or the `csv.null-literal`), as Flink writes it; an empty string is `""`, so that the two
//! differ.

use std::collections::BTreeMap;
use std::fmt::Write;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
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
    text: String,
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
        let quote = character("csv.quote-character")?.unwrap_or('"');
        Ok(Self {
            delimiter: character("csv.field-delimiter")?.unwrap_or(','),
            quote: (!disabled).then_some(quote),
            escape: character("csv.escape-character")?,
            null: options.get("csv.null-literal").cloned().unwrap_or_default(),
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
        let failed = |error: datafusion::arrow::error::ArrowError| {
            EngineError::failed(format!("a value can't be written as CSV: {error}"))
        };
        let columns = rows
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &FORMAT));
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
                self.text.clear();
                write!(self.text, "{}", column.value(row))
                    .map_err(|_| EngineError::failed(format!("row {row} can't be written as CSV")))?;
                self.field(out)?;
            }
            out.push('\n');
        }
        Ok(())
    }

    fn field(&self, out: &mut String) -> Result<()> {
        let text = &self.text;
        let special =
            |c: char| c == self.delimiter || c == '\n' || c == '\r' || Some(c) == self.quote || Some(c) == self.escape;
        let plain = !text.is_empty()
            && *text != self.null
            && !text.contains(special)
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{Float64Array, Int64Array, StringArray, TimestampMillisecondArray};
    use datafusion::arrow::datatypes::{Field, Schema, TimeUnit};

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
}
