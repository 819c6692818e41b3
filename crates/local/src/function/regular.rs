//! Functions over regular expressions. Java's and Rust's agree but for look-around and back references, which are refused.

use std::cell::RefCell;

use datafusion::common::{Result, exec_datafusion_err};
use regex::{NoExpand, Regex};

use super::row::{Kind, Row, Spec, Value};

const TEXT: Kind = Kind::Text;

/// The functions.
pub(super) static FUNCTIONS: [Spec; 7] = [
    Spec {
        name: "regexp",
        aliases: &["regexp_like"],
        takes: &[TEXT, TEXT],
        optional: 0,
        gives: Kind::Bool,
        call: |row| Ok(Value::Bool(pattern(row.text(1))?.is_match(row.text(0)))),
    },
    Spec {
        name: "regexp_replace",
        aliases: &[],
        takes: &[TEXT, TEXT, TEXT],
        optional: 0,
        gives: TEXT,
        // The replacement stands for itself: Flink quotes it.
        call: |row| {
            let replacement = NoExpand(row.text(2));
            let replaced = pattern(row.text(1))?.replace_all(row.text(0), replacement);
            Ok(Value::Text(replaced.into_owned()))
        },
    },
    Spec {
        name: "regexp_extract",
        aliases: &[],
        takes: &[TEXT, TEXT, Kind::Int],
        optional: 1,
        gives: TEXT,
        call: extract,
    },
    Spec {
        name: "regexp_count",
        aliases: &[],
        takes: &[TEXT, TEXT],
        optional: 0,
        gives: Kind::Int,
        call: |row| {
            let found = pattern(row.text(1))?.find_iter(row.text(0)).count();
            Ok(Value::Int(i64::try_from(found).unwrap_or(i64::MAX)))
        },
    },
    Spec {
        name: "regexp_instr",
        aliases: &[],
        takes: &[TEXT, TEXT],
        optional: 0,
        gives: Kind::Int,
        call: |row| {
            let text = row.text(0);
            let found = pattern(row.text(1))?
                .find(text)
                .map_or(0, |found| text[..found.start()].chars().count() + 1);
            Ok(Value::Int(i64::try_from(found).unwrap_or(i64::MAX)))
        },
    },
    Spec {
        name: "regexp_substr",
        aliases: &[],
        takes: &[TEXT, TEXT],
        optional: 0,
        gives: TEXT,
        call: |row| {
            Ok(pattern(row.text(1))?
                .find(row.text(0))
                .map(|found| found.as_str().to_owned())
                .into())
        },
    },
    Spec {
        name: "similar_to",
        aliases: &[],
        takes: &[TEXT, TEXT],
        optional: 0,
        gives: Kind::Bool,
        call: |row| Ok(Value::Bool(pattern(&similar(row.text(1)))?.is_match(row.text(0)))),
    },
];

/// SQL's pattern as a regular expression over the whole text.
fn similar(pattern: &str) -> String {
    let mut out = String::from("(?s)^(?:");
    for ch in pattern.chars() {
        match ch {
            '%' => out.push_str(".*"),
            '_' => out.push('.'),
            '.' | '^' | '$' | '\\' => out.extend(['\\', ch]),
            other => out.push(other),
        }
    }
    out + ")$"
}

fn extract(row: &Row<'_>) -> Result<Value> {
    let pattern = pattern(row.text(1))?;
    let group = if row.has(3) { row.int(2) } else { 0 };
    let Ok(group) = usize::try_from(group) else {
        return Ok(Value::Null);
    };
    let found = pattern.captures(row.text(0));
    Ok(found
        .and_then(|found| found.get(group).map(|part| part.as_str().to_owned()))
        .into())
}

/// The compiled pattern. The last one is kept: it is mostly the same for all rows.
fn pattern(text: &str) -> Result<Regex> {
    thread_local! {
        static LAST: RefCell<Option<(String, Regex)>> = const { RefCell::new(None) };
    }
    LAST.with_borrow_mut(|last| {
        if let Some((known, regex)) = last
            && known == text
        {
            return Ok(regex.clone());
        }
        let regex = Regex::new(text).map_err(|e| {
            let reason = e.to_string();
            let reason = reason
                .lines()
                .last()
                .unwrap_or_default()
                .trim_start_matches("error: ")
                .to_owned();
            exec_datafusion_err!("the regular expression {text} can't be used: {reason}")
        })?;
        *last = Some((text.to_owned(), regex.clone()));
        Ok(regex)
    })
}
