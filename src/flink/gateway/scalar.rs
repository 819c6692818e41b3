//! One value that is not nested, as it stands in the JSON of a page.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, Unexpected, Visitor};
use serde_json::value::RawValue;

/// What stands for a value.
pub(super) enum Seen<'v> {
    Null,
    Boolean(bool),
    Integer(i64),
    Text(&'v str),
}

/// Reads a value that is not nested and not a fraction, and has it taken; `take` says whether it fits.
pub(super) fn scalar<'de, D: Deserializer<'de>>(
    deserializer: D,
    wanted: &'static str,
    take: impl FnMut(Seen<'_>) -> bool,
) -> Result<(), D::Error> {
    deserializer.deserialize_any(Scalar { wanted, take })
}

struct Scalar<F> {
    wanted: &'static str,
    take: F,
}

impl<'de, F: FnMut(Seen<'_>) -> bool> Visitor<'de> for Scalar<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.wanted)
    }

    fn visit_unit<E: de::Error>(mut self) -> Result<(), E> {
        let fits = (self.take)(Seen::Null);
        debug_assert!(fits, "every column takes a null");
        Ok(())
    }

    fn visit_bool<E: de::Error>(mut self, value: bool) -> Result<(), E> {
        if (self.take)(Seen::Boolean(value)) {
            return Ok(());
        }
        Err(E::invalid_type(Unexpected::Bool(value), &self))
    }

    fn visit_i64<E: de::Error>(mut self, value: i64) -> Result<(), E> {
        if (self.take)(Seen::Integer(value)) {
            return Ok(());
        }
        Err(E::invalid_value(Unexpected::Signed(value), &self))
    }

    fn visit_u64<E: de::Error>(mut self, value: u64) -> Result<(), E> {
        if let Ok(value) = i64::try_from(value)
            && (self.take)(Seen::Integer(value))
        {
            return Ok(());
        }
        Err(E::invalid_value(Unexpected::Unsigned(value), &self))
    }

    fn visit_str<E: de::Error>(mut self, value: &str) -> Result<(), E> {
        if (self.take)(Seen::Text(value)) {
            return Ok(());
        }
        Err(E::invalid_value(Unexpected::Str(value), &self))
    }
}

/// Reads a number by its own text, never by way of a binary fraction, and has it taken: none for a null. Where JSON has no
/// number (`NaN`), and in plain text always, it is a string.
pub(super) fn number<'de, D: Deserializer<'de>>(
    deserializer: D,
    wanted: &'static str,
    take: impl FnOnce(Option<&str>) -> bool,
) -> Result<(), D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?.get();
    let text = unquote(raw).unwrap_or(raw);
    if take((raw != "null").then_some(text)) {
        return Ok(());
    }
    Err(de::Error::invalid_value(Unexpected::Other(raw), &wanted))
}

/// What stands between the quotes of a JSON string; none for other JSON.
pub(super) fn unquote(raw: &str) -> Option<&str> {
    raw.strip_prefix('"')?.strip_suffix('"')
}
