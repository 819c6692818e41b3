//! Flink's type names and Arrow's types.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast::{ArrayElemTypeDef, DataType as SqlType, ExactNumberInfo, TimezoneInfo};

/// The time zone of `TIMESTAMP_LTZ`.
const UTC: &str = "UTC";

/// The Arrow type that holds a Flink type; a sentence if there is none.
pub(crate) fn arrow_type(sql: &SqlType) -> Result<DataType, String> {
    Ok(match sql {
        SqlType::Boolean | SqlType::Bool => DataType::Boolean,
        SqlType::TinyInt(_) => DataType::Int8,
        SqlType::SmallInt(_) => DataType::Int16,
        SqlType::Int(_) | SqlType::Integer(_) => DataType::Int32,
        SqlType::BigInt(_) => DataType::Int64,
        SqlType::Float(_) | SqlType::Real => DataType::Float32,
        SqlType::Double(_) | SqlType::DoublePrecision => DataType::Float64,
        SqlType::Decimal(info) | SqlType::Numeric(info) | SqlType::Dec(info) => decimal(info)?,
        SqlType::Char(_)
        | SqlType::Character(_)
        | SqlType::Varchar(_)
        | SqlType::CharVarying(_)
        | SqlType::CharacterVarying(_)
        | SqlType::String(_) => DataType::Utf8,
        SqlType::Binary(_) | SqlType::Varbinary(_) | SqlType::Bytes(_) => DataType::Binary,
        SqlType::Date => DataType::Date32,
        SqlType::Time(None | Some(0), TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            DataType::Time32(TimeUnit::Second)
        }
        SqlType::Time(Some(3), TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            DataType::Time32(TimeUnit::Millisecond)
        }
        SqlType::Timestamp(precision, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            DataType::Timestamp(unit(*precision)?, None)
        }
        SqlType::Custom(name, arguments) if name.to_string().eq_ignore_ascii_case("TIMESTAMP_LTZ") => {
            let precision = match arguments.as_slice() {
                [] => None,
                [digits] => Some(digits.parse().map_err(|_| format!("{sql} has no such precision"))?),
                _ => return Err(format!("{sql} takes one number")),
            };
            DataType::Timestamp(unit(precision)?, Some(UTC.into()))
        }
        SqlType::Array(
            ArrayElemTypeDef::AngleBracket(item)
            | ArrayElemTypeDef::SquareBracket(item, None)
            | ArrayElemTypeDef::Parenthesis(item),
        ) => DataType::List(Arc::new(Field::new_list_field(arrow_type(item)?, true))),
        SqlType::Timestamp(..) => {
            return Err(format!("there is no type {sql}; TIMESTAMP_LTZ(3) holds an instant"));
        }
        other => return Err(format!("the embedded engine has no type {other}")),
    })
}

fn decimal(info: &ExactNumberInfo) -> Result<DataType, String> {
    // Flink's default is DECIMAL(10, 0).
    let (precision, scale) = match info {
        ExactNumberInfo::None => (10, 0),
        ExactNumberInfo::Precision(precision) => (*precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, *scale),
    };
    let valid = (1..=38).contains(&precision) && scale >= 0 && scale <= i64::try_from(precision).unwrap_or(0);
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(precision), Ok(scale)) if valid => Ok(DataType::Decimal128(precision, scale)),
        _ => Err(format!(
            "DECIMAL({precision}, {scale}) is not a type: precision is 1 to 38, scale 0 to precision"
        )),
    }
}

/// The unit that has this many digits after the second. Flink's default is 6.
fn unit(precision: Option<u64>) -> Result<TimeUnit, String> {
    match precision.unwrap_or(6) {
        0 => Ok(TimeUnit::Second),
        3 => Ok(TimeUnit::Millisecond),
        6 => Ok(TimeUnit::Microsecond),
        9 => Ok(TimeUnit::Nanosecond),
        other @ 0..=9 => Err(format!(
            "the embedded engine has no TIMESTAMP({other}): it keeps 0, 3, 6 or 9 digits of a second"
        )),
        other => Err(format!("TIMESTAMP({other}) is not a type: precision is 0 to 9")),
    }
}

/// Flink's name of an Arrow type.
pub(crate) fn flink_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Null => "NULL".to_owned(),
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Int8 => "TINYINT".to_owned(),
        DataType::Int16 | DataType::UInt8 => "SMALLINT".to_owned(),
        DataType::Int32 | DataType::UInt16 => "INT".to_owned(),
        DataType::Int64 | DataType::UInt32 => "BIGINT".to_owned(),
        DataType::UInt64 => "DECIMAL(20, 0)".to_owned(),
        DataType::Float16 | DataType::Float32 => "FLOAT".to_owned(),
        DataType::Float64 => "DOUBLE".to_owned(),
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) => {
            format!("DECIMAL({p}, {s})")
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "STRING".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            "BYTES".to_owned()
        }
        DataType::Date32 | DataType::Date64 => "DATE".to_owned(),
        DataType::Time32(unit) | DataType::Time64(unit) => format!("TIME({})", digits(*unit)),
        DataType::Timestamp(unit, None) => format!("TIMESTAMP({})", digits(*unit)),
        DataType::Timestamp(unit, Some(_)) => format!("TIMESTAMP_LTZ({})", digits(*unit)),
        DataType::Interval(IntervalUnit::YearMonth) => "INTERVAL YEAR TO MONTH".to_owned(),
        DataType::Interval(_) | DataType::Duration(_) => "INTERVAL DAY TO SECOND".to_owned(),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            format!("ARRAY<{}>", flink_name(item.data_type()))
        }
        DataType::Struct(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|f| format!("`{}` {}", f.name(), flink_name(f.data_type())))
                .collect();
            format!("ROW<{}>", fields.join(", "))
        }
        DataType::Dictionary(_, value) => flink_name(value),
        other => other.to_string().to_uppercase(),
    }
}

const fn digits(unit: TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

/// Makes `CAST(x AS TIMESTAMP)` mean what Flink means by it.
#[derive(Debug)]
pub(crate) struct FlinkTypes;

impl TypePlanner for FlinkTypes {
    fn plan_type(&self, sql: &SqlType) -> datafusion::common::Result<Option<DataType>> {
        arrow_type(sql)
            .map(Some)
            .map_err(datafusion::common::DataFusionError::Plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Reader;

    #[test]
    fn a_type_keeps_its_name_on_the_way_through_arrow() {
        for name in [
            "BOOLEAN",
            "TINYINT",
            "SMALLINT",
            "INT",
            "BIGINT",
            "FLOAT",
            "DOUBLE",
            "DECIMAL(12, 2)",
            "STRING",
            "BYTES",
            "DATE",
            "TIME(0)",
            "TIME(3)",
            "TIMESTAMP(0)",
            "TIMESTAMP(3)",
            "TIMESTAMP(6)",
            "TIMESTAMP_LTZ(3)",
            "ARRAY<INT>",
        ] {
            let sql = Reader::new(name).unwrap().parser.parse_data_type().unwrap();
            assert_eq!(flink_name(&arrow_type(&sql).unwrap()), name);
        }
    }

    #[test]
    fn what_arrow_can_not_hold_is_refused_in_a_sentence() {
        for name in [
            "DECIMAL(39, 2)",
            "DECIMAL(5, 6)",
            "TIMESTAMP(10)",
            "TIMESTAMP(2)",
            "JSON",
        ] {
            let sql = Reader::new(name).unwrap().parser.parse_data_type().unwrap();
            assert!(arrow_type(&sql).is_err(), "{name}");
        }
    }
}
