//! Flink's types as the gateway describes them, and their SQL spelling.

use std::fmt;

use serde_json::Value;

/// Types nested deeper than this are refused. Flink's own parsers give up far earlier.
const DEEPEST: usize = 48;

/// The length of `STRING` and `BYTES`.
const UNBOUNDED: u32 = i32::MAX as u32;

/// A type, without its nullability. [`fmt::Display`] writes it as Flink's SQL does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LogicalType {
    Boolean,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    Float,
    Double,
    Decimal {
        precision: u32,
        scale: u32,
    },
    Char(u32),
    VarChar(u32),
    Binary(u32),
    VarBinary(u32),
    Date,
    Time(u32),
    Timestamp(u32),
    /// An instant.
    TimestampLtz(u32),
    /// Declared in SQL, supported nowhere in Flink's runtime.
    TimestampTz(u32),
    /// Months. Holds the SQL spelling.
    YearMonth(String),
    /// Milliseconds. Holds the SQL spelling.
    DayTime(String),
    Array(Box<Self>),
    Map(Box<Self>, Box<Self>),
    Multiset(Box<Self>),
    Row(Vec<(String, Self)>),
    Null,
    /// VARIANT, RAW and whatever a later version brings. Holds the SQL spelling.
    Other(String),
}

/// Reads a `logicalType`; the error says what is wrong with it.
///
/// The names and fields are those of Flink's `LogicalTypeJsonSerializer` (1.20 to 2.3). It never writes STRUCTURED,
/// DISTINCT, SYMBOL or UNRESOLVED types: the gateway answers 500 to a result that has one.
pub(crate) fn read(description: &Value) -> Result<LogicalType, String> {
    read_at(description, 0)
}

fn read_at(description: &Value, depth: usize) -> Result<LogicalType, String> {
    use LogicalType as T;
    if depth > DEEPEST {
        return Err(format!("it is nested more than {DEEPEST} deep"));
    }
    let inner = |field: &str| match description.get(field) {
        Some(inner) => read_at(inner, depth + 1).map(Box::new),
        None => Err(format!("it has no `{field}`")),
    };
    let number = |field: &str| number(description, field);
    Ok(match text(description, "type")? {
        "BOOLEAN" => T::Boolean,
        "TINYINT" => T::TinyInt,
        "SMALLINT" => T::SmallInt,
        "INTEGER" => T::Int,
        "BIGINT" => T::BigInt,
        "FLOAT" => T::Float,
        "DOUBLE" => T::Double,
        "DECIMAL" => T::Decimal {
            precision: number("precision")?,
            scale: number("scale")?,
        },
        "CHAR" => T::Char(number("length")?),
        "VARCHAR" => T::VarChar(number("length")?),
        "BINARY" => T::Binary(number("length")?),
        "VARBINARY" => T::VarBinary(number("length")?),
        "DATE" => T::Date,
        "TIME_WITHOUT_TIME_ZONE" => T::Time(number("precision")?),
        "TIMESTAMP_WITHOUT_TIME_ZONE" => T::Timestamp(number("precision")?),
        "TIMESTAMP_WITH_LOCAL_TIME_ZONE" => T::TimestampLtz(number("precision")?),
        "TIMESTAMP_WITH_TIME_ZONE" => T::TimestampTz(number("precision")?),
        "INTERVAL_YEAR_MONTH" => T::YearMonth(interval(text(description, "resolution")?, number("precision")?, 0)),
        "INTERVAL_DAY_TIME" => T::DayTime(interval(
            text(description, "resolution")?,
            number("precision")?,
            number("fractionalPrecision")?,
        )),
        "ARRAY" => T::Array(inner("elementType")?),
        "MAP" => T::Map(inner("keyType")?, inner("valueType")?),
        "MULTISET" => T::Multiset(inner("elementType")?),
        "ROW" => T::Row(row(description, depth)?),
        "NULL" => T::Null,
        "RAW" => T::Other(match text(description, "class") {
            // The serializer, which belongs to the full spelling, can be of any length.
            Ok(class) => format!("RAW({}, '...')", quoted(class, '\'')),
            Err(_) => "RAW".to_owned(),
        }),
        other => T::Other(other.to_owned()),
    })
}

fn row(description: &Value, depth: usize) -> Result<Vec<(String, LogicalType)>, String> {
    description
        .get("fields")
        .and_then(Value::as_array)
        .ok_or("it has no list `fields`")?
        .iter()
        .map(|field| {
            let name = text(field, "name")?.to_owned();
            let inner = field.get("fieldType").ok_or("a field has no `fieldType`")?;
            Ok((name, read_at(inner, depth + 1)?))
        })
        .collect()
}

fn text<'a>(description: &'a Value, field: &str) -> Result<&'a str, String> {
    description
        .get(field)
        .and_then(Value::as_str)
        .ok_or_else(|| format!("it has no text `{field}`"))
}

fn number(description: &Value, field: &str) -> Result<u32, String> {
    description
        .get(field)
        .and_then(Value::as_u64)
        .and_then(|number| u32::try_from(number).ok())
        .ok_or_else(|| format!("it has no number `{field}`"))
}

/// The spelling of an interval type; `resolution` is a constant of Flink's `YearMonthResolution` or `DayTimeResolution`.
fn interval(resolution: &str, precision: u32, fraction: u32) -> String {
    let unit = |unit: &str| match unit {
        "YEAR" | "DAY" => format!("{unit}({precision})"),
        "SECOND" => format!("SECOND({fraction})"),
        other => other.to_owned(),
    };
    match resolution.split_once("_TO_") {
        Some((from, to)) => format!("INTERVAL {} TO {}", unit(from), unit(to)),
        None => format!("INTERVAL {}", unit(resolution)),
    }
}

fn quoted(text: &str, quote: char) -> String {
    format!("{quote}{}{quote}", text.replace(quote, &format!("{quote}{quote}")))
}

impl fmt::Display for LogicalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("BOOLEAN"),
            Self::TinyInt => f.write_str("TINYINT"),
            Self::SmallInt => f.write_str("SMALLINT"),
            Self::Int => f.write_str("INT"),
            Self::BigInt => f.write_str("BIGINT"),
            Self::Float => f.write_str("FLOAT"),
            Self::Double => f.write_str("DOUBLE"),
            Self::Decimal { precision, scale } => write!(f, "DECIMAL({precision}, {scale})"),
            Self::Char(length) => write!(f, "CHAR({length})"),
            Self::VarChar(UNBOUNDED) => f.write_str("STRING"),
            Self::VarChar(length) => write!(f, "VARCHAR({length})"),
            Self::Binary(length) => write!(f, "BINARY({length})"),
            Self::VarBinary(UNBOUNDED) => f.write_str("BYTES"),
            Self::VarBinary(length) => write!(f, "VARBINARY({length})"),
            Self::Date => f.write_str("DATE"),
            Self::Time(precision) => write!(f, "TIME({precision})"),
            Self::Timestamp(precision) => write!(f, "TIMESTAMP({precision})"),
            Self::TimestampLtz(precision) => write!(f, "TIMESTAMP_LTZ({precision})"),
            Self::TimestampTz(precision) => write!(f, "TIMESTAMP({precision}) WITH TIME ZONE"),
            Self::YearMonth(spelling) | Self::DayTime(spelling) | Self::Other(spelling) => f.write_str(spelling),
            Self::Array(item) => write!(f, "ARRAY<{item}>"),
            Self::Map(key, value) => write!(f, "MAP<{key}, {value}>"),
            Self::Multiset(item) => write!(f, "MULTISET<{item}>"),
            Self::Row(fields) => {
                f.write_str("ROW<")?;
                for (at, (name, inner)) in fields.iter().enumerate() {
                    let comma = if at > 0 { ", " } else { "" };
                    write!(f, "{comma}{} {inner}", quoted(name, '`'))?;
                }
                f.write_str(">")
            }
            Self::Null => f.write_str("NULL"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(description: &str) -> String {
        read(&serde_json::from_str(description).unwrap()).unwrap().to_string()
    }

    #[test]
    fn types_are_spelled_as_in_sql() {
        for (description, spelling) in [
            (r#"{"type": "INTEGER", "nullable": false}"#, "INT"),
            (
                r#"{"nullable": true, "scale": 18, "precision": 38, "type": "DECIMAL"}"#,
                "DECIMAL(38, 18)",
            ),
            (
                r#"{"type": "VARCHAR", "nullable": true, "length": 2147483647}"#,
                "STRING",
            ),
            (
                r#"{"type": "VARBINARY", "nullable": true, "length": 2147483647}"#,
                "BYTES",
            ),
            (r#"{"type": "CHAR", "nullable": true, "length": 4}"#, "CHAR(4)"),
            (
                r#"{"type": "TIMESTAMP_WITH_LOCAL_TIME_ZONE", "precision": 3}"#,
                "TIMESTAMP_LTZ(3)",
            ),
            (
                r#"{"type": "TIMESTAMP_WITH_TIME_ZONE", "precision": 6}"#,
                "TIMESTAMP(6) WITH TIME ZONE",
            ),
            (
                r#"{"type": "INTERVAL_YEAR_MONTH", "precision": 2, "resolution": "YEAR_TO_MONTH"}"#,
                "INTERVAL YEAR(2) TO MONTH",
            ),
            (
                r#"{"type": "INTERVAL_DAY_TIME", "precision": 2, "fractionalPrecision": 3, "resolution": "DAY_TO_SECOND"}"#,
                "INTERVAL DAY(2) TO SECOND(3)",
            ),
            (
                r#"{"type": "INTERVAL_DAY_TIME", "precision": 2, "fractionalPrecision": 3, "resolution": "SECOND"}"#,
                "INTERVAL SECOND(3)",
            ),
            (
                r#"{"type": "MAP", "keyType": {"type": "DATE"}, "valueType": {"type": "ARRAY", "elementType": {"type": "BIGINT"}}}"#,
                "MAP<DATE, ARRAY<BIGINT>>",
            ),
            (
                r#"{"type": "ROW", "fields": [{"name": "a`b", "fieldType": {"type": "NULL"}},
                    {"name": "m", "fieldType": {"type": "MULTISET", "elementType": {"type": "DOUBLE"}}, "description": "x"}]}"#,
                "ROW<`a``b` NULL, `m` MULTISET<DOUBLE>>",
            ),
            (r#"{"type": "ROW", "fields": []}"#, "ROW<>"),
            (
                r#"{"type": "RAW", "class": "a.B", "serializer": "AAEC"}"#,
                "RAW('a.B', '...')",
            ),
            (r#"{"type": "VARIANT", "nullable": false}"#, "VARIANT"),
            (r#"{"type": "BITMAP", "precision": "odd", "fields": 7}"#, "BITMAP"),
        ] {
            assert_eq!(spelled(description), spelling);
        }
    }

    #[test]
    fn what_is_wrong_with_a_type_is_said() {
        let refusal = |description: &str| read(&serde_json::from_str(description).unwrap()).unwrap_err();
        assert_eq!(refusal("7"), "it has no text `type`");
        assert_eq!(refusal(r#"{"type": ["INTEGER"]}"#), "it has no text `type`");
        assert_eq!(
            refusal(r#"{"type": "CHAR", "length": -1}"#),
            "it has no number `length`"
        );
        assert_eq!(refusal(r#"{"type": "ARRAY"}"#), "it has no `elementType`");
        assert_eq!(refusal(r#"{"type": "ROW", "fields": {}}"#), "it has no list `fields`");
        assert_eq!(
            refusal(r#"{"type": "ROW", "fields": [{"name": "a"}]}"#),
            "a field has no `fieldType`"
        );
        let deep = r#"{"type":"ARRAY","elementType":"#.repeat(60) + r#"{"type":"DATE"}"# + &"}".repeat(60);
        assert_eq!(refusal(&deep), "it is nested more than 48 deep");
    }
}
