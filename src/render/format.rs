//! The names of the formats.

use std::fmt;
use std::str::FromStr;

/// A format of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Format {
    /// A table with borders.
    #[default]
    Table,
    /// A line a value.
    Vertical,
    /// Comma-separated values.
    Csv,
    /// Tab-separated values.
    Tsv,
    /// Values separated by a delimiter that can be set.
    Dsv,
    /// One array of objects.
    Json,
    /// An object a line.
    Jsonl,
    /// A Markdown table.
    Markdown,
    /// An XML element a row, values as its attributes.
    XmlAttr,
    /// An XML element a row, values as elements in it.
    XmlElements,
}

/// Each format with its name first, then the other spellings (beeline's, duckdb's, the Flink SQL client's).
const NAMES: [(Format, &[&str]); 10] = [
    (Format::Table, &["table", "tableau"]),
    (Format::Vertical, &["vertical"]),
    (Format::Csv, &["csv", "csv2"]),
    (Format::Tsv, &["tsv", "tsv2"]),
    (Format::Dsv, &["dsv"]),
    (Format::Json, &["json"]),
    (Format::Jsonl, &["jsonl", "jsonfile", "jsonlines", "ndjson"]),
    (Format::Markdown, &["markdown", "md"]),
    (Format::XmlAttr, &["xmlattr", "xmlattrs"]),
    (Format::XmlElements, &["xmlelements"]),
];

impl Format {
    /// All formats, in the order in which help lists them.
    pub fn all() -> impl Iterator<Item = Self> {
        NAMES.iter().map(|(format, _)| *format)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        self.spellings()[0]
    }

    /// Its name and the other spellings that are understood.
    pub fn spellings(self) -> &'static [&'static str] {
        NAMES
            .iter()
            .find(|(format, _)| *format == self)
            .map_or(&["table"], |(_, names)| names)
    }

    /// Whether a person reads it, not a program.
    pub const fn is_for_people(self) -> bool {
        matches!(self, Self::Table | Self::Vertical | Self::Markdown)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no such format. Its text lists those that there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownFormat(String);

impl fmt::Display for UnknownFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no output format {:?}; there are ", self.0)?;
        for (at, format) in Format::all().enumerate() {
            write!(f, "{}{format}", if at > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownFormat {}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        NAMES
            .iter()
            .find(|(_, names)| names.iter().any(|name| name.eq_ignore_ascii_case(text)))
            .map(|(format, _)| *format)
            .ok_or_else(|| UnknownFormat(text.chars().take(64).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_names_its_format() {
        for format in Format::all() {
            for name in format.spellings() {
                assert_eq!(name.to_uppercase().parse(), Ok(format));
            }
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        assert_eq!(
            "cvs".parse::<Format>().unwrap_err().to_string(),
            "no output format \"cvs\"; there are table, vertical, csv, tsv, dsv, json, jsonl, \
             markdown, xmlattr, xmlelements"
        );
    }
}
