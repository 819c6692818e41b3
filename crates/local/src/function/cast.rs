//! Casts as Flink does them: numbers wrap around and saturate, text is read and written in Flink's way, and an instant
//! is shown in the session's time zone.

use std::fmt::Write;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, StringArray, StringBuilder, new_null_array,
};
use datafusion::arrow::compute::{CastOptions, cast, cast_with_options};
use datafusion::arrow::datatypes::{
    DataType, Decimal128Type, Field, FieldRef, Float32Type, Float64Type, Int64Type, IntervalMonthDayNanoType,
    IntervalUnit, TimeUnit,
};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue, exec_datafusion_err, exec_err, plan_err};
use datafusion::logical_expr::expr::{Cast, ScalarFunction, TryCast};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use datafusion::optimizer::AnalyzerRule;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::time::{civil, per_second, read_date, read_time, read_timestamp, units};
use crate::sql::types::flink_name;

/// Puts our own function in the place of DataFusion's casts, where the two differ.
#[derive(Debug)]
pub(crate) struct FlinkCasts;

impl AnalyzerRule for FlinkCasts {
    fn name(&self) -> &'static str {
        "flink_casts"
    }

    fn analyze(&self, plan: LogicalPlan, options: &ConfigOptions) -> Result<LogicalPlan> {
        let zone = options.execution.time_zone.as_deref();
        plan.transform_up_with_subqueries(|plan| {
            let mut schema = merge_schema(&plan.inputs());
            schema.merge(plan.schema());
            let preserver = NamePreserver::new(&plan);
            plan.map_expressions(|expr| {
                let name = preserver.save(&expr);
                let rewritten = expr.transform_up(|expr| rewrite(expr, &schema, zone))?;
                Ok(rewritten.update_data(|expr| name.restore(expr)))
            })?
            .map_data(LogicalPlan::recompute_schema)
        })
        .map(|transformed| transformed.data)
    }
}

fn rewrite(expr: Expr, schema: &DFSchema, zone: Option<&str>) -> Result<Transformed<Expr>> {
    let (Expr::Cast(Cast { expr: inner, field }) | Expr::TryCast(TryCast { expr: inner, field })) = &expr else {
        return Ok(Transformed::no(expr));
    };
    // A type that can't be told here is left to DataFusion.
    let Ok(from) = inner.get_type(schema) else {
        return Ok(Transformed::no(expr));
    };
    let to = field.data_type();
    match way(&from, to) {
        Way::DataFusions => Ok(Transformed::no(expr)),
        Way::None => plan_err!("a {} can't be cast to {}", flink_name(&from), flink_name(to)),
        Way::Own => {
            let function = Arc::new(ScalarUDF::from(FlinkCast {
                to: to.clone(),
                lenient: matches!(expr, Expr::TryCast(_)),
                zone: zone.map(str::to_owned),
                signature: Signature::any(1, Volatility::Immutable),
            }));
            let call = ScalarFunction::new_udf(function, vec![inner.as_ref().clone()]);
            Ok(Transformed::yes(Expr::ScalarFunction(call)))
        }
    }
}

/// Who casts.
#[derive(Debug, PartialEq, Eq)]
enum Way {
    DataFusions,
    Own,
    /// Flink has no such cast.
    None,
}

fn way(from: &DataType, to: &DataType) -> Way {
    use DataType as D;
    let float = |t: &D| matches!(t, D::Float32 | D::Float64);
    let decimal = |t: &D| matches!(t, D::Decimal128(..));
    let number = |t: &D| t.is_signed_integer() || float(t) || decimal(t);
    let time = |t: &D| matches!(t, D::Date32 | D::Time32(_) | D::Timestamp(..));
    match (from, to) {
        (from, to) if from == to || from.is_null() => Way::DataFusions,
        (D::Utf8, D::Boolean | D::Date32 | D::Time32(_) | D::Timestamp(..)) => Way::Own,
        (D::Utf8, to) if number(to) => Way::Own,
        (D::Boolean | D::Timestamp(..) | D::Interval(_) | D::Binary, D::Utf8) => Way::Own,
        (from, D::Utf8) if float(from) => Way::Own,
        (from, to) if from.is_signed_integer() && to.is_signed_integer() => {
            if to.primitive_width() < from.primitive_width() {
                Way::Own
            } else {
                Way::DataFusions
            }
        }
        (from, to) if (float(from) || decimal(from)) && to.is_signed_integer() => Way::Own,
        (from, to) if number(from) && decimal(to) => Way::Own,
        (from, D::Boolean) if number(from) => Way::Own,
        (D::Boolean, to) if decimal(to) => Way::Own,
        (D::Timestamp(_, None), D::Timestamp(_, Some(_))) | (D::Timestamp(_, Some(_)), D::Timestamp(_, None)) => {
            Way::Own
        }
        (D::Timestamp(_, Some(_)), D::Date32 | D::Time32(_)) => Way::Own,
        (D::Date32, D::Timestamp(_, Some(_))) => Way::Own,
        // Coarser: what is cut off is cut off downwards before 1970, too.
        (D::Timestamp(_, None), D::Timestamp(_, None)) | (D::Timestamp(_, None), D::Date32 | D::Time32(_)) => Way::Own,
        (from, to) if (time(from) && (number(to) || to == &D::Boolean)) => Way::None,
        (from, to) if (number(from) || from == &D::Boolean) && time(to) => Way::None,
        _ => Way::DataFusions,
    }
}

/// `CAST(x AS type)`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct FlinkCast {
    to: DataType,
    /// `TRY_CAST`: NULL in the place of an error.
    lenient: bool,
    /// The session's zone; the system's if it has no name.
    zone: Option<String>,
    signature: Signature,
}

impl ScalarUDFImpl for FlinkCast {
    fn name(&self) -> &'static str {
        if self.lenient { "try_cast" } else { "cast" }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        // A decimal of too many digits is NULL.
        let loses = self.lenient || matches!(self.to, DataType::Decimal128(..));
        let nullable = loses || args.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), self.to.clone(), nullable)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        match args.args.into_iter().next() {
            Some(ColumnarValue::Scalar(value)) => {
                let array = self.cast(&value.to_array_of_size(1)?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?))
            }
            Some(array) => Ok(ColumnarValue::Array(self.cast(&array.into_array(rows)?)?)),
            None => exec_err!("CAST takes an argument"),
        }
    }
}

impl FlinkCast {
    fn zone(&self) -> TimeZone {
        let named = self.zone.as_deref().and_then(|name| TimeZone::get(name).ok());
        named.unwrap_or_else(TimeZone::system)
    }

    fn cast(&self, array: &ArrayRef) -> Result<ArrayRef> {
        use DataType as D;
        match (array.data_type(), &self.to) {
            (D::Utf8, _) => self.read(array.as_string::<i32>()),
            (from, D::Utf8) => match from {
                D::Timestamp(unit, Some(_)) => self.text(&self.local(array, *unit)?),
                _ => self.text(array),
            },
            (D::Boolean, D::Decimal128(..)) => Ok(cast(&cast(array, &D::Int32)?, &self.to)?),
            (_, D::Boolean) => {
                let numbers = cast(array, &D::Float64)?;
                let is_true = |value: Option<f64>| value.map(|value| value != 0.0);
                Ok(Arc::new(
                    numbers
                        .as_primitive::<Float64Type>()
                        .iter()
                        .map(is_true)
                        .collect::<BooleanArray>(),
                ))
            }
            // What has too many digits is NULL.
            (_, D::Decimal128(..)) => {
                let null = CastOptions {
                    safe: true,
                    ..CastOptions::default()
                };
                Ok(cast_with_options(array, &self.to, &null)?)
            }
            (_, to) if to.is_signed_integer() => whole(array, to),
            (D::Timestamp(unit, Some(_)), D::Timestamp(_, None) | D::Date32 | D::Time32(_)) => {
                let local = self.local(array, *unit)?;
                coarse(&local, *unit, &self.to)
            }
            (D::Timestamp(unit, None), D::Timestamp(_, None) | D::Date32 | D::Time32(_)) => {
                coarse(array, *unit, &self.to)
            }
            (D::Timestamp(..) | D::Date32, D::Timestamp(unit, Some(_))) => {
                let zone = self.zone();
                let times = cast(array, &D::Timestamp(*unit, None))?;
                let instants = map(&times, |value| {
                    let instant = civil(value, *unit)?.to_zoned(zone.clone());
                    let instant = instant.map_err(|e| exec_datafusion_err!("{e}"))?.timestamp();
                    let utc = instant.to_zoned(TimeZone::UTC).datetime();
                    Ok(units(utc, *unit))
                })?;
                Ok(cast(&instants, &self.to)?)
            }
            _ => Ok(cast(array, &self.to)?),
        }
    }

    /// Instants as the civil times of the session's zone.
    fn local(&self, array: &ArrayRef, unit: TimeUnit) -> Result<ArrayRef> {
        let zone = self.zone();
        let times = map(array, |value| {
            let instant = civil(value, unit)?.to_zoned(TimeZone::UTC);
            let instant = instant.map_err(|e| exec_datafusion_err!("{e}"))?.timestamp();
            Ok(units(instant.to_zoned(zone.clone()).datetime(), unit))
        })?;
        Ok(cast(&times, &DataType::Timestamp(unit, None))?)
    }

    /// Text as Flink writes it.
    fn text(&self, array: &ArrayRef) -> Result<ArrayRef> {
        let mut out = StringBuilder::with_capacity(array.len(), array.len() * 16);
        match array.data_type() {
            DataType::Boolean => {
                for value in array.as_boolean() {
                    out.append_option(value.map(|v| if v { "TRUE" } else { "FALSE" }));
                }
            }
            DataType::Float32 => {
                for value in array.as_primitive::<Float32Type>() {
                    out.append_option(value.map(|v| java(f64::from(v), &format!("{v:e}"))));
                }
            }
            DataType::Float64 => {
                for value in array.as_primitive::<Float64Type>() {
                    out.append_option(value.map(|v| java(v, &format!("{v:e}"))));
                }
            }
            DataType::Timestamp(unit, _) => {
                let values = cast(array, &DataType::Int64)?;
                for value in values.as_primitive::<Int64Type>() {
                    let time = value.map(|value| civil(value, *unit)).transpose()?;
                    out.append_option(time.map(|time| timestamp(time, *unit)));
                }
            }
            DataType::Interval(IntervalUnit::MonthDayNano) => {
                for value in array.as_primitive::<IntervalMonthDayNanoType>() {
                    out.append_option(value.map(|v| interval(v.months, v.days, v.nanoseconds)));
                }
            }
            DataType::Binary => {
                for value in array.as_binary::<i32>() {
                    out.append_option(value.map(String::from_utf8_lossy));
                }
            }
            _ => return Ok(cast(array, &DataType::Utf8)?),
        }
        Ok(Arc::new(out.finish()))
    }

    /// Reads text.
    fn read(&self, texts: &StringArray) -> Result<ArrayRef> {
        let parsed = |reader: &dyn Fn(&str) -> Option<i64>| -> Result<ArrayRef> {
            let mut values = Vec::with_capacity(texts.len());
            for text in texts {
                values.push(match text {
                    None => None,
                    Some(text) => match reader(text) {
                        None if !self.lenient => {
                            return exec_err!("'{text}' is no {}", flink_name(&self.to));
                        }
                        read => read,
                    },
                });
            }
            Ok(Arc::new(Int64Array::from(values)))
        };
        let through = |values: ArrayRef, by: &DataType| Ok(cast(&cast(&values, by)?, &self.to)?);
        match &self.to {
            DataType::Boolean => through(parsed(&|text| boolean(text).map(i64::from))?, &DataType::Int64),
            to if to.is_signed_integer() => {
                let bits = 8 * u32::try_from(to.primitive_width().unwrap_or(8)).unwrap_or(8) - 1;
                let (low, high) = (-1_i128 << bits, (1_i128 << bits) - 1);
                let fits = |value: &i64| (low..=high).contains(&i128::from(*value));
                through(parsed(&|text| integer(text).filter(fits))?, &DataType::Int64)
            }
            DataType::Float32 | DataType::Float64 => {
                let bits = parsed(&|text| double(text).map(|value| i64::from_ne_bytes(value.to_ne_bytes())))?;
                let value = |bits: i64| f64::from_ne_bytes(bits.to_ne_bytes());
                let values: Float64Array = bits.as_primitive::<Int64Type>().unary(value);
                Ok(cast(&values, &self.to)?)
            }
            DataType::Decimal128(precision, scale) => {
                let mut values = Vec::with_capacity(texts.len());
                for text in texts {
                    let read = text.and_then(|text| decimal(text, *precision, *scale));
                    if let (Some(text), None, false) = (text, read, self.lenient) {
                        return exec_err!("'{text}' is no {}", flink_name(&self.to));
                    }
                    values.push(read);
                }
                let array = datafusion::arrow::array::PrimitiveArray::<Decimal128Type>::from(values);
                Ok(Arc::new(array.with_precision_and_scale(*precision, *scale)?))
            }
            DataType::Date32 => {
                let seconds = parsed(&|text| read_date(text).map(|time| units(time, TimeUnit::Second)))?;
                through(seconds, &DataType::Timestamp(TimeUnit::Second, None))
            }
            DataType::Time32(_) => {
                let midnight = |time: jiff::civil::Time| {
                    let day = jiff::civil::Date::constant(1970, 1, 1).to_datetime(time);
                    units(day, TimeUnit::Microsecond)
                };
                let micros = parsed(&|text| read_time(text).map(midnight))?;
                through(micros, &DataType::Time64(TimeUnit::Microsecond))
            }
            DataType::Timestamp(unit, None) => {
                let values = parsed(&|text| read_timestamp(text).map(|time| units(time, *unit)))?;
                Ok(cast(&values, &self.to)?)
            }
            DataType::Timestamp(unit, Some(_)) => {
                let values = parsed(&|text| read_timestamp(text).map(|time| units(time, *unit)))?;
                self.cast(&cast(&values, &DataType::Timestamp(*unit, None))?)
            }
            _ => Ok(new_null_array(&self.to, texts.len())),
        }
    }
}

/// Applies a function to each value of an array of 64 bits.
fn map(array: &ArrayRef, function: impl Fn(i64) -> Result<i64>) -> Result<ArrayRef> {
    let values = cast(array, &DataType::Int64)?;
    let mut out = Vec::with_capacity(values.len());
    for value in values.as_primitive::<Int64Type>() {
        out.push(value.map(&function).transpose()?);
    }
    Ok(Arc::new(Int64Array::from(out)))
}

/// A number as an integer: a fraction is cut off, integers wrap around, floating-point numbers stay in the range.
fn whole(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let wide: Int64Array = match array.data_type() {
        DataType::Decimal128(_, scale) => {
            let unit = 10_i128.pow(u32::try_from(*scale).unwrap_or(0));
            let values = array.as_primitive::<Decimal128Type>();
            values.iter().map(|value| value.map(|v| (v / unit) as i64)).collect()
        }
        from if from.is_signed_integer() => cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone(),
        _ => {
            // INT is reached at its own ends; what is narrower goes through it.
            let clamped = |value: f64| match to {
                DataType::Int64 => value as i64,
                _ => i64::from(value as i32),
            };
            let values = cast(array, &DataType::Float64)?;
            values
                .as_primitive::<Float64Type>()
                .iter()
                .map(|value| value.map(clamped))
                .collect()
        }
    };
    let wrapped: Int64Array = wide
        .iter()
        .map(|value| {
            value.map(|value| match to {
                DataType::Int8 => i64::from(value as i8),
                DataType::Int16 => i64::from(value as i16),
                DataType::Int32 => i64::from(value as i32),
                _ => value,
            })
        })
        .collect();
    Ok(cast(&wrapped, to)?)
}

/// Civil times in a coarser type, or a finer one.
fn coarse(array: &ArrayRef, from: TimeUnit, to: &DataType) -> Result<ArrayRef> {
    let (have, scale) = (
        per_second(from),
        match to {
            DataType::Timestamp(unit, _) => per_second(*unit),
            DataType::Date32 => 1,
            _ => 1_000,
        },
    );
    let values = if scale < have {
        map(array, |value| Ok(value.div_euclid(have / scale)))?
    } else {
        map(array, |value| {
            value
                .checked_mul(scale / have)
                .ok_or_else(|| exec_datafusion_err!("a time is out of the range of {}", flink_name(to)))
        })?
    };
    Ok(match to {
        DataType::Date32 => {
            let days = map(&values, |value| Ok(value.div_euclid(86_400)))?;
            cast(&cast(&days, &DataType::Int32)?, to)?
        }
        DataType::Time32(_) => {
            let time = map(&values, |value| Ok(value.rem_euclid(86_400_000) * 1_000))?;
            cast(&cast(&time, &DataType::Time64(TimeUnit::Microsecond))?, to)?
        }
        _ => cast(&values, to)?,
    })
}

fn boolean(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "1" => Some(true),
        "f" | "false" | "n" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// An integer; digits behind a point are cut off.
fn integer(text: &str) -> Option<i64> {
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = whole.trim_start_matches(['+', '-']);
    if !fraction.bytes().all(|b| b.is_ascii_digit()) || whole.len() - digits.len() > 1 {
        return None;
    }
    whole.parse().ok()
}

fn double(text: &str) -> Option<f64> {
    let text = text.trim();
    // Rust reads more words than Java does.
    let unsigned = text.trim_start_matches(['+', '-']);
    let word = unsigned.starts_with(|c: char| c.is_ascii_alphabetic());
    if word && !["NaN", "Infinity"].contains(&unsigned) {
        return None;
    }
    text.parse().ok()
}

/// A decimal, rounded half up to that scale; `None` if it is none, or has too many digits.
fn decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let text = text.trim();
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().ok()?;
    let (negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let digits = digits.trim_start_matches('0');
    // The place of the last digit that is kept.
    let behind = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    let drop = behind.checked_sub(i32::from(scale))?;
    let limit = 10_i128.pow(u32::from(precision));
    let value = if drop <= 0 {
        if digits.is_empty() {
            0
        } else {
            let up = 10_i128.checked_pow(drop.unsigned_abs())?;
            digits.parse::<i128>().ok()?.checked_mul(up)?
        }
    } else {
        let kept = digits.len().checked_sub(usize::try_from(drop).ok()?);
        match kept {
            None => 0,
            Some(kept) => {
                let value: i128 = if kept == 0 { 0 } else { digits[..kept].parse().ok()? };
                value + i128::from(digits.as_bytes()[kept] >= b'5')
            }
        }
    };
    (value < limit).then_some(if negative { -value } else { value })
}

fn timestamp(time: DateTime, unit: TimeUnit) -> String {
    let digits = match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    };
    let mut text = time.strftime("%Y-%m-%d %H:%M:%S").to_string();
    if digits > 0 {
        let fraction = format!("{:09}", time.subsec_nanosecond());
        // Writing into a string does not fail.
        let _ = write!(text, ".{}", &fraction[..digits]);
    }
    text
}

/// `+1-02` of months, `+1 02:03:04.000` of days and less.
fn interval(months: i32, days: i32, nanoseconds: i64) -> String {
    if months != 0 {
        let sign = if months < 0 { '-' } else { '+' };
        let months = months.unsigned_abs();
        return format!("{sign}{}-{:02}", months / 12, months % 12);
    }
    let ms = i64::from(days) * 86_400_000 + nanoseconds / 1_000_000;
    let sign = if ms < 0 { '-' } else { '+' };
    let ms = ms.unsigned_abs();
    let (days, hours, minutes) = (ms / 86_400_000, ms / 3_600_000 % 24, ms / 60_000 % 60);
    format!(
        "{sign}{days} {hours:02}:{minutes:02}:{:02}.{:03}",
        ms / 1000 % 60,
        ms % 1000
    )
}

/// A floating-point number as Java writes it, from its shortest digits (`1.25e-7`).
fn java(value: f64, shortest: &str) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if value == 0.0 || (-3..7).contains(&exponent) {
        let (sign, digits) = match mantissa.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", mantissa),
        };
        let digits: String = digits.chars().filter(|c| *c != '.').collect();
        let point = exponent + 1;
        let (whole, fraction) = match usize::try_from(point) {
            Ok(point) if point > 0 => {
                let padded = format!("{digits:0<point$}");
                let (whole, fraction) = padded.split_at(point);
                (whole.to_owned(), fraction.to_owned())
            }
            _ => {
                let zeros = usize::try_from(-point).unwrap_or(0);
                ("0".to_owned(), format!("{}{digits}", "0".repeat(zeros)))
            }
        };
        let fraction = if fraction.is_empty() { "0" } else { &fraction };
        format!("{sign}{whole}.{fraction}")
    } else {
        let point = if mantissa.contains('.') { "" } else { ".0" };
        format!("{mantissa}{point}E{exponent}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_java_does() {
        for (value, expected) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-12.5, "-12.5"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (1.25e-7, "1.25E-7"),
            (100.0, "100.0"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(java(value, &format!("{value:e}")), expected);
        }
    }

    #[test]
    fn text_is_read_as_flink_does() {
        assert_eq!(integer(" +12.9 "), Some(12));
        assert_eq!((integer(""), integer("1x"), integer("--1")), (None, None, None));
        assert_eq!(double("NaN").map(f64::is_nan), Some(true));
        assert_eq!(
            (double("nan"), double("inf"), double("1e3")),
            (None, None, Some(1000.0))
        );
        assert_eq!(decimal("12.345", 5, 2), Some(1235));
        assert_eq!(decimal("-0.005", 5, 2), Some(-1));
        assert_eq!(decimal("1e2", 10, 3), Some(100_000));
        assert_eq!(decimal("0.0004", 5, 2), Some(0));
        assert_eq!((decimal("999.995", 5, 2), decimal("x", 5, 2)), (None, None));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_number_or_none(text in ".*", precision in 1_u8..=38, scale in 0_i8..=38) {
            let _ = (decimal(&text, precision, scale), integer(&text), double(&text), boolean(&text));
        }

        #[test]
        fn a_decimal_is_read_as_it_is_written(value in -99_999_i128..=99_999) {
            let sign = if value < 0 { "-" } else { "" };
            let text = format!("{sign}{}.{:02}", value.abs() / 100, value.abs() % 100);
            proptest::prop_assert_eq!(decimal(&text, 5, 2), Some(value));
        }
    }
}
