//! A table's options, read by name, each error naming the table and the option.

use std::time::Duration;

use skep_engine::{EngineError, Result};

use crate::table::Table;

/// A table's options.
pub(super) struct Options<'a>(pub(super) &'a Table);

impl<'a> Options<'a> {
    /// The option's text.
    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        self.0.options.get(key).map(String::as_str)
    }

    /// The option's text, which must be there.
    pub(super) fn required(&self, key: &str) -> Result<&'a str> {
        self.text(key)
            .ok_or_else(|| EngineError::rejected(format!("table {} needs the option '{key}'", self.0.path.name)))
    }

    /// `true` or `false`; `false` if it is not set.
    pub(super) fn boolean(&self, key: &str) -> Result<bool> {
        match self.text(key).map(str::trim) {
            None => Ok(false),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(_) => Err(self.bad(key, "true or false")),
        }
    }

    /// A value of a type that parses from text.
    pub(super) fn parse<T: std::str::FromStr>(&self, key: &str, what: &str) -> Result<Option<T>> {
        self.text(key)
            .map(|text| text.trim().parse().map_err(|_| self.bad(key, what)))
            .transpose()
    }

    /// A duration, written as Flink does: `500 ms`, `1 s`, `2min`; a number alone is milliseconds.
    pub(super) fn duration(&self, key: &str) -> Result<Option<Duration>> {
        self.text(key)
            .map(|text| parse_duration(text).ok_or_else(|| self.bad(key, "a duration such as '1 s' or '500 ms'")))
            .transpose()
    }

    /// One ASCII character; `\t` and other escapes of one character are understood.
    pub(super) fn byte(&self, key: &str) -> Result<Option<u8>> {
        let Some(text) = self.text(key) else { return Ok(None) };
        let byte = match text {
            "\\t" => b'\t',
            "\\\\" => b'\\',
            _ => match text.as_bytes() {
                [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r') => *byte,
                _ => return Err(self.bad(key, "one ASCII character")),
            },
        };
        Ok(Some(byte))
    }

    /// Refuses an option that is not known, naming those that are. A known name that ends in `*` stands for all that
    /// begin so.
    pub(super) fn allow(&self, known: &[&str]) -> Result<()> {
        let is_known = |key: &str| {
            known.iter().any(|known| match known.strip_suffix('*') {
                Some(prefix) => key.starts_with(prefix),
                None => key == *known,
            })
        };
        match self.0.options.keys().find(|key| !is_known(key)) {
            None => Ok(()),
            Some(key) => Err(EngineError::rejected(format!(
                "table {} has the unknown option '{key}'",
                self.0.path.name
            ))
            .hint(format!(
                "the connector '{}' knows: {}",
                self.text("connector").unwrap_or(""),
                known.join(", ")
            ))),
        }
    }

    /// An option whose value is not what it must be.
    pub(super) fn bad(&self, key: &str, what: &str) -> EngineError {
        let value = self.text(key).unwrap_or_default();
        EngineError::rejected(format!(
            "the option '{key}' of table {} is '{value}', but must be {what}",
            self.0.path.name
        ))
    }
}

/// Flink's duration texts (`TimeUtils.parseDuration`).
fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    match text[digits..].trim().to_ascii_lowercase().as_str() {
        "ns" | "nano" | "nanosecond" | "nanoseconds" => Some(Duration::from_nanos(number)),
        "us" | "µs" | "micro" | "microsecond" | "microseconds" => Some(Duration::from_micros(number)),
        "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => Some(Duration::from_millis(number)),
        "s" | "sec" | "secs" | "second" | "seconds" => Some(Duration::from_secs(number)),
        "m" | "min" | "minute" | "minutes" => number.checked_mul(60).map(Duration::from_secs),
        "h" | "hour" | "hours" => number.checked_mul(3600).map(Duration::from_secs),
        "d" | "day" | "days" => number.checked_mul(86_400).map(Duration::from_secs),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_flink_writes_them() {
        for (text, millis) in [
            ("1 s", 1000),
            ("500 ms", 500),
            ("2min", 120_000),
            ("7", 7),
            ("1 h", 3_600_000),
        ] {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "s",
            "1 fortnight",
            "-1 s",
            "99999999999999999999 s",
            "999999999999999999 d",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
