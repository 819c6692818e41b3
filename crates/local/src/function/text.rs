//! Functions over text.

use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, StringBuilder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use super::row::{Kind, Row, Spec, Value};

const INT: Kind = Kind::Int;
const TEXT: Kind = Kind::Text;

/// The functions that are computed row by row.
pub(super) static FUNCTIONS: [Spec; 23] = [
    spec("char", &[TEXT, INT], 0, TEXT, |row| {
        let (text, length) = (row.text(0), count(row.int(1)));
        let mut cut: String = text.chars().take(length).collect();
        cut.extend(std::iter::repeat_n(' ', length.saturating_sub(text.chars().count())));
        Ok(Value::Text(cut))
    }),
    spec("varchar", &[TEXT, INT], 0, TEXT, |row| {
        Ok(Value::Text(row.text(0).chars().take(count(row.int(1))).collect()))
    }),
    spec("left", &[TEXT, INT], 0, TEXT, |row| {
        Ok(Value::Text(row.text(0).chars().take(count(row.int(1))).collect()))
    }),
    spec("right", &[TEXT, INT], 0, TEXT, |row| {
        let text = row.text(0);
        let skipped = text.chars().count().saturating_sub(count(row.int(1)));
        Ok(Value::Text(text.chars().skip(skipped).collect()))
    }),
    Spec {
        aliases: &["substring"],
        ..spec("substr", &[TEXT, INT, INT], 1, TEXT, substring)
    },
    spec("lpad", &[TEXT, INT, TEXT], 0, TEXT, |row| {
        Ok(padded(row).map(|(cut, padding)| padding + &cut).into())
    }),
    spec("rpad", &[TEXT, INT, TEXT], 0, TEXT, |row| {
        Ok(padded(row).map(|(cut, padding)| cut + &padding).into())
    }),
    spec("repeat", &[TEXT, INT], 0, TEXT, |row| {
        let (text, times) = (row.text(0), count(row.int(1)));
        if text.len().saturating_mul(times) > LONGEST {
            return datafusion::common::exec_err!("REPEAT would give a text of more than 64 MiB");
        }
        Ok(Value::Text(text.repeat(times)))
    }),
    spec("upper", &[TEXT], 0, TEXT, |row| {
        Ok(Value::Text(row.text(0).to_uppercase()))
    }),
    spec("lower", &[TEXT], 0, TEXT, |row| {
        Ok(Value::Text(row.text(0).to_lowercase()))
    }),
    spec("initcap", &[TEXT], 0, TEXT, |row| {
        Ok(Value::Text(capitalized(row.text(0))))
    }),
    spec("reverse", &[TEXT], 0, TEXT, |row| {
        Ok(Value::Text(row.text(0).chars().rev().collect()))
    }),
    spec("replace", &[TEXT, TEXT, TEXT], 0, TEXT, |row| {
        let (text, old) = (row.text(0), row.text(1));
        let replaced = if old.is_empty() {
            text.to_owned()
        } else {
            text.replace(old, row.text(2))
        };
        Ok(Value::Text(replaced))
    }),
    Spec {
        aliases: &["character_length"],
        ..spec("char_length", &[TEXT], 0, INT, |row| {
            Ok(Value::Int(length(row.text(0))))
        })
    },
    spec("position", &[TEXT, TEXT], 0, INT, |row| {
        Ok(Value::Int(position(row.text(0), row.text(1), 1)))
    }),
    spec("locate", &[TEXT, TEXT, INT], 1, INT, |row| {
        let from = if row.has(3) { row.int(2) } else { 1 };
        Ok(Value::Int(position(row.text(0), row.text(1), from)))
    }),
    spec("instr", &[TEXT, TEXT], 0, INT, |row| {
        Ok(Value::Int(position(row.text(1), row.text(0), 1)))
    }),
    spec("split_index", &[TEXT, TEXT, INT], 0, TEXT, |row| {
        let Ok(at) = usize::try_from(row.int(2)) else {
            return Ok(Value::Null);
        };
        Ok(row.text(0).split(row.text(1)).nth(at).map(str::to_owned).into())
    }),
    spec("startswith", &[TEXT, TEXT], 0, Kind::Bool, |row| {
        Ok(Value::Bool(row.text(0).starts_with(row.text(1))))
    }),
    spec("endswith", &[TEXT, TEXT], 0, Kind::Bool, |row| {
        Ok(Value::Bool(row.text(0).ends_with(row.text(1))))
    }),
    spec("ascii", &[TEXT], 0, INT, |row| {
        Ok(Value::Int(row.text(0).bytes().next().map_or(0, i64::from)))
    }),
    spec("chr", &[INT], 0, TEXT, |row| {
        let code = row.int(0);
        // Of a code beyond 255 the lowest byte counts.
        let text = u8::try_from(code & 0xff).map_or_else(|_| String::new(), |byte| char::from(byte).to_string());
        Ok(Value::Text(if code < 0 { String::new() } else { text }))
    }),
    spec("octet_length", &[TEXT], 0, INT, |row| {
        Ok(Value::Int(i64::try_from(row.text(0).len()).unwrap_or(i64::MAX)))
    }),
];

/// No function makes a text longer than that.
const LONGEST: usize = 64 << 20;

/// A function without other names.
const fn spec(
    name: &'static str,
    takes: &'static [Kind],
    optional: usize,
    gives: Kind,
    call: fn(&Row<'_>) -> Result<Value>,
) -> Spec {
    Spec {
        name,
        aliases: &[],
        takes,
        optional,
        gives,
        call,
    }
}

/// A count of characters: none if it is negative.
fn count(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

fn length(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
}

/// A start below 0 counts from the end, 0 is 1; NULL if the length is negative.
fn substring(row: &Row<'_>) -> Result<Value> {
    let (text, start) = (row.text(0), row.int(1));
    let wanted = if row.has(3) { row.int(2) } else { i64::MAX };
    let total = length(text);
    if wanted < 0 {
        return Ok(Value::Null);
    }
    let skipped = match start {
        0 => 0,
        1.. => start - 1,
        _ => total.saturating_add(start),
    };
    if skipped < 0 {
        return Ok(Value::Text(String::new()));
    }
    let part = text.chars().skip(count(skipped)).take(count(wanted));
    Ok(Value::Text(part.collect()))
}

/// The text cut to the wanted length, and what fills it up; `None` if it can't be filled up.
fn padded(row: &Row<'_>) -> Option<(String, String)> {
    let (text, pad) = (row.text(0), row.text(2));
    let wanted = usize::try_from(row.int(1)).ok().filter(|wanted| *wanted <= LONGEST)?;
    let missing = wanted.saturating_sub(text.chars().count());
    if pad.is_empty() && missing > 0 {
        return None;
    }
    let cut = text.chars().take(wanted).collect();
    Some((cut, pad.chars().cycle().take(missing).collect()))
}

fn capitalized(text: &str) -> String {
    let mut begins = true;
    text.chars()
        .map(|ch| {
            let ch = if begins {
                ch.to_ascii_uppercase()
            } else {
                ch.to_ascii_lowercase()
            };
            begins = !ch.is_ascii_alphanumeric();
            ch
        })
        .collect()
}

/// Where the first text is in the other one, from 1 on and looked for from a place on; 0 if it is not.
fn position(part: &str, text: &str, from: i64) -> i64 {
    if from < 1 {
        return 0;
    }
    let Some((begin, _)) = text
        .char_indices()
        .chain(std::iter::once((text.len(), ' ')))
        .nth(count(from - 1))
    else {
        return 0;
    };
    text[begin..].find(part).map_or(0, |at| length(&text[..begin + at]) + 1)
}
/// `CONCAT(a, b, …)`: NULL if one of them is. DataFusion's leaves the NULLs out.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Concat {
    signature: Signature,
}

impl Default for Concat {
    fn default() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        if types.is_empty() {
            return datafusion::common::plan_err!("CONCAT takes at least one argument");
        }
        Ok(vec![DataType::Utf8; types.len()])
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let mut parts = Vec::with_capacity(args.args.len());
        for arg in args.args {
            parts.push(cast(&arg.into_array(rows)?, &DataType::Utf8)?);
        }
        let mut out = StringBuilder::new();
        for row in 0..rows {
            if parts.iter().any(|part| part.is_null(row)) {
                out.append_null();
                continue;
            }
            for part in &parts {
                // Writing into a string does not fail.
                let _ = std::fmt::Write::write_str(&mut out, part.as_string::<i32>().value(row));
            }
            out.append_value("");
        }
        let text = out.finish();
        Ok(if scalar {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&text, 0)?)
        } else {
            ColumnarValue::Array(Arc::new(text))
        })
    }
}
