//! Functions over numbers.

use std::f64::consts;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Float32Type, Float64Type, Int64Type};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::row::{Kind, Row, Spec, Value};
use crate::sql::types::flink_name;

/// The functions that give a DOUBLE.
pub(super) static FUNCTIONS: [Spec; 22] = [
    one("sqrt", |row| Ok(Value::Double(row.double(0).sqrt()))),
    one("exp", |row| Ok(Value::Double(row.double(0).exp()))),
    one("ln", |row| Ok(Value::Double(row.double(0).ln()))),
    one("log10", |row| Ok(Value::Double(row.double(0).log10()))),
    one("log2", |row| Ok(Value::Double(row.double(0).log2()))),
    one("sin", |row| Ok(Value::Double(row.double(0).sin()))),
    one("cos", |row| Ok(Value::Double(row.double(0).cos()))),
    one("tan", |row| Ok(Value::Double(row.double(0).tan()))),
    one("cot", |row| Ok(Value::Double(1.0 / row.double(0).tan()))),
    one("asin", |row| Ok(Value::Double(row.double(0).asin()))),
    one("acos", |row| Ok(Value::Double(row.double(0).acos()))),
    one("atan", |row| Ok(Value::Double(row.double(0).atan()))),
    one("sinh", |row| Ok(Value::Double(row.double(0).sinh()))),
    one("cosh", |row| Ok(Value::Double(row.double(0).cosh()))),
    one("tanh", |row| Ok(Value::Double(row.double(0).tanh()))),
    one("degrees", |row| Ok(Value::Double(row.double(0).to_degrees()))),
    one("radians", |row| Ok(Value::Double(row.double(0).to_radians()))),
    Spec {
        takes: &[Kind::Double, Kind::Double],
        ..one("atan2", |row| Ok(Value::Double(row.double(0).atan2(row.double(1)))))
    },
    Spec {
        takes: &[Kind::Double, Kind::Double],
        aliases: &["pow"],
        ..one("power", |row| Ok(Value::Double(row.double(0).powf(row.double(1)))))
    },
    // Of one argument the natural logarithm; of two the first is the base.
    Spec {
        takes: &[Kind::Double, Kind::Double],
        optional: 1,
        ..one("log", |row| {
            let ln = |argument| row.double(argument).ln();
            Ok(Value::Double(if row.has(2) { ln(1) / ln(0) } else { ln(0) }))
        })
    },
    Spec {
        takes: &[],
        ..one("pi", |_| Ok(Value::Double(consts::PI)))
    },
    Spec {
        takes: &[],
        ..one("e", |_| Ok(Value::Double(consts::E)))
    },
];

/// A function of one DOUBLE.
const fn one(name: &'static str, call: fn(&Row<'_>) -> Result<Value>) -> Spec {
    Spec {
        name,
        aliases: &[],
        takes: &[Kind::Double],
        optional: 0,
        gives: Kind::Double,
        call,
    }
}

/// What is done with a number so that it keeps its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    Round,
    Truncate,
    Ceil,
    Floor,
    Sign,
}

/// `ROUND`, `TRUNCATE`, `CEIL`, `FLOOR` and `SIGN`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Rounding {
    step: Step,
    aliases: Vec<String>,
    signature: Signature,
}

impl Rounding {
    pub(super) fn all() -> [Self; 5] {
        [Step::Round, Step::Truncate, Step::Ceil, Step::Floor, Step::Sign].map(|step| Self {
            step,
            aliases: match step {
                Step::Ceil => vec!["ceiling".to_owned()],
                Step::Truncate => vec!["trunc".to_owned()],
                Step::Sign => vec!["signum".to_owned()],
                Step::Round | Step::Floor => Vec::new(),
            },
            signature: Signature::user_defined(Volatility::Immutable),
        })
    }

    /// Precision and scale of the result, by Flink's `LogicalTypeMerging`.
    fn decimal(&self, precision: u8, scale: i8, digits: i64) -> (u8, i8) {
        match self.step {
            Step::Sign => (precision, scale),
            Step::Ceil | Step::Floor => (precision, 0),
            Step::Round | Step::Truncate if digits >= i64::from(scale) => (precision, scale),
            Step::Round | Step::Truncate => {
                // Below the scale, which is at most 38.
                let digits = i8::try_from(digits.max(0)).unwrap_or(0);
                let precision = i16::from(precision) - i16::from(scale) + i16::from(digits) + 1;
                (u8::try_from(precision.clamp(1, 38)).unwrap_or(38), digits)
            }
        }
    }
}

impl ScalarUDFImpl for Rounding {
    fn name(&self) -> &'static str {
        match self.step {
            Step::Round => "round",
            Step::Truncate => "truncate",
            Step::Ceil => "ceil",
            Step::Floor => "floor",
            Step::Sign => "sign",
        }
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let number = match given.first() {
            Some(
                number @ (DataType::Int8
                | DataType::Int16
                | DataType::Int32
                | DataType::Int64
                | DataType::Float32
                | DataType::Float64
                | DataType::Decimal128(..)),
            ) => Some(number.clone()),
            Some(number) if number.is_unsigned_integer() => Some(DataType::Int64),
            Some(DataType::Null) => Some(DataType::Int32),
            _ => None,
        };
        let takes_digits = matches!(self.step, Step::Round | Step::Truncate);
        match (number, given) {
            (Some(number), [_]) => Ok(vec![number]),
            (Some(number), [_, digits]) if takes_digits && (digits.is_integer() || digits.is_null()) => {
                Ok(vec![number, DataType::Int64])
            }
            _ => {
                let given: Vec<String> = given.iter().map(flink_name).collect();
                plan_err!(
                    "{} takes a number, and was given {}",
                    self.name().to_uppercase(),
                    given.join(", ")
                )
            }
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        plan_err!(
            "{} has a type by the values of its arguments",
            self.name().to_uppercase()
        )
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let digits = match args.scalar_arguments.get(1) {
            None => Some(0),
            Some(Some(ScalarValue::Int64(digits))) => Some(digits.unwrap_or(0)),
            Some(_) => None,
        };
        let data_type = match (args.arg_fields[0].data_type(), digits) {
            (DataType::Decimal128(precision, scale), Some(digits)) => {
                let (precision, scale) = self.decimal(*precision, *scale, digits);
                DataType::Decimal128(precision, scale)
            }
            (DataType::Decimal128(..), None) => {
                return plan_err!(
                    "{} of a DECIMAL takes a literal number of digits: its type depends on it",
                    self.name().to_uppercase()
                );
            }
            (other, _) => other.clone(),
        };
        Ok(Arc::new(Field::new(self.name(), data_type, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let arrays: Vec<ArrayRef> = args
            .args
            .into_iter()
            .map(|arg| arg.into_array(rows))
            .collect::<Result<_>>()?;
        let Some(numbers) = arrays.first() else {
            return exec_err!("{} takes a number", self.name());
        };
        let digits: Vec<Option<i64>> = match arrays.get(1) {
            Some(digits) => digits.as_primitive::<Int64Type>().iter().collect(),
            None => vec![Some(0); rows],
        };
        let step = self.step;
        let array: ArrayRef = match (numbers.data_type(), args.return_field.data_type()) {
            (DataType::Decimal128(_, from), DataType::Decimal128(precision, to)) => {
                let values = numbers.as_primitive::<Decimal128Type>().iter().zip(digits);
                let values = values.map(|(value, digits)| Some(decimal(step, value?, *from, *to, digits?)));
                let array: Decimal128Array = values.collect();
                Arc::new(array.with_precision_and_scale(*precision, *to)?)
            }
            (DataType::Float32, _) => {
                let values = numbers.as_primitive::<Float32Type>().iter().zip(digits);
                let values =
                    values.map(|(value, digits)| Some(float(step, f64::from(value?), &value?.to_string(), digits?)));
                cast(&values.collect::<Float64Array>(), &DataType::Float32)?
            }
            (DataType::Float64, _) => {
                let values = numbers.as_primitive::<Float64Type>().iter().zip(digits);
                let values = values.map(|(value, digits)| Some(float(step, value?, &value?.to_string(), digits?)));
                Arc::new(values.collect::<Float64Array>())
            }
            (_, result) => {
                let wide = cast(numbers, &DataType::Int64)?;
                let values = wide.as_primitive::<Int64Type>().iter().zip(digits);
                let values = values.map(|(value, digits)| Some(integer(step, value?, digits?)));
                cast(&values.collect::<Int64Array>(), result)?
            }
        };
        Ok(if scalar {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?)
        } else {
            ColumnarValue::Array(array)
        })
    }
}

/// 10 to that power; `None` if it is larger than any number here.
fn power(exponent: i64) -> Option<i128> {
    10_i128.checked_pow(u32::try_from(exponent).ok()?)
}

/// The number of that many units, made a multiple of a power of ten.
fn stepped(step: Step, value: i128, unit: i128) -> i128 {
    let (whole, rest) = (value / unit, value % unit);
    let away = match step {
        Step::Round => i128::from(2 * rest.abs() >= unit) * value.signum(),
        Step::Ceil => i128::from(rest > 0),
        Step::Floor => -i128::from(rest < 0),
        Step::Truncate | Step::Sign => 0,
    };
    whole + away
}

fn integer(step: Step, value: i64, digits: i64) -> i64 {
    match step {
        Step::Sign => value.signum(),
        Step::Round | Step::Truncate if digits < 0 => match power(-digits) {
            Some(unit) => (stepped(step, value.into(), unit) * unit) as i64,
            None => 0,
        },
        _ => value,
    }
}

fn decimal(step: Step, value: i128, from: i8, to: i8, digits: i64) -> i128 {
    let scale = i64::from(from);
    let kept = match step {
        Step::Sign => return value.signum() * power(scale).unwrap_or(1),
        Step::Ceil | Step::Floor => 0,
        Step::Round | Step::Truncate if digits >= scale => return value,
        Step::Round | Step::Truncate => digits,
    };
    let Some(unit) = power(scale - kept) else { return 0 };
    let up = power(i64::from(to) - kept).unwrap_or(1);
    stepped(step, value, unit) * up
}

/// A floating-point number is rounded by its shortest digits, as Java's `BigDecimal.valueOf` takes them.
fn float(step: Step, value: f64, shortest: &str, digits: i64) -> f64 {
    match step {
        Step::Sign if value == 0.0 => value,
        Step::Sign => value.signum(),
        Step::Ceil => value.ceil(),
        Step::Floor => value.floor(),
        Step::Round | Step::Truncate => {
            let (whole, fraction) = shortest.split_once('.').unwrap_or((shortest, ""));
            let given = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
            if !value.is_finite() || digits >= given {
                return value;
            }
            let (Ok(number), Some(unit)) = (format!("{whole}{fraction}").parse::<i128>(), power(given - digits)) else {
                // Beyond 38 digits there is no fraction worth the name.
                return if digits < 0 { 0.0 } else { value };
            };
            let kept = stepped(step, number, unit);
            format!("{kept}e{}", -digits).parse().unwrap_or(value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_half_up_by_the_digits_that_are_seen() {
        let round = |value: f64, digits| float(Step::Round, value, &value.to_string(), digits);
        assert_eq!((round(2.345, 2), round(2.5, 0), round(-2.5, 0)), (2.35, 3.0, -3.0));
        assert_eq!((round(1e300, 2), round(125.5, -1), round(0.1, 5)), (1e300, 130.0, 0.1));
        assert_eq!(float(Step::Truncate, -12.345, "-12.345", 2), -12.34);
        assert_eq!(
            (integer(Step::Round, 25, -1), integer(Step::Truncate, -29, -1)),
            (30, -20)
        );
        assert_eq!(decimal(Step::Round, 1255, 1, 0, -1), 130);
        assert_eq!(decimal(Step::Ceil, -12, 1, 0, 0), -1);
        assert_eq!(decimal(Step::Floor, -12, 1, 0, 0), -2);
    }
}
