//! Casts to text as Flink writes them: `TRUE`, `1.0E10`, `2024-01-01 00:00:00.000`.

use std::fmt::Write;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringBuilder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float32Type, Float64Type, TimeUnit, TimestampNanosecondType};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{Cast, ScalarFunction, TryCast};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::optimizer::AnalyzerRule;

use super::date_format::civil;

/// Puts our own function in the place of DataFusion's casts to text, where the two write differently.
#[derive(Debug)]
pub(crate) struct FlinkCasts;

impl AnalyzerRule for FlinkCasts {
    fn name(&self) -> &'static str {
        "flink_casts"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| {
            let mut schema = merge_schema(&plan.inputs());
            schema.merge(plan.schema());
            let preserver = NamePreserver::new(&plan);
            plan.map_expressions(|expr| {
                let name = preserver.save(&expr);
                let rewritten = expr.transform_up(|expr| rewrite(expr, &schema))?;
                Ok(rewritten.update_data(|expr| name.restore(expr)))
            })?
            .map_data(LogicalPlan::recompute_schema)
        })
        .map(|transformed| transformed.data)
    }
}

fn rewrite(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let (Expr::Cast(Cast { expr: inner, field }) | Expr::TryCast(TryCast { expr: inner, field })) = &expr else {
        return Ok(Transformed::no(expr));
    };
    if !matches!(field.data_type(), DataType::Utf8) {
        return Ok(Transformed::no(expr));
    }
    // A type that can't be told here is left to DataFusion.
    match inner.get_type(schema) {
        Ok(DataType::Boolean | DataType::Float32 | DataType::Float64 | DataType::Timestamp(..)) => {
            let function = Arc::new(ScalarUDF::from(ToText::default()));
            let call = ScalarFunction::new_udf(function, vec![inner.as_ref().clone()]);
            Ok(Transformed::yes(Expr::ScalarFunction(call)))
        }
        _ => Ok(Transformed::no(expr)),
    }
}

/// `CAST(x AS STRING)`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ToText {
    signature: Signature,
}

impl Default for ToText {
    fn default() -> Self {
        Self {
            signature: Signature::any(1, Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for ToText {
    fn name(&self) -> &'static str {
        "cast_to_string"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        match args.args.into_iter().next() {
            Some(ColumnarValue::Scalar(value)) => {
                let text = text(&value.to_array_of_size(1)?)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&text, 0)?))
            }
            Some(array) => Ok(ColumnarValue::Array(text(&array.into_array(rows)?)?)),
            None => datafusion::common::exec_err!("CAST takes an argument"),
        }
    }
}

fn text(array: &ArrayRef) -> Result<ArrayRef> {
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
            let digits = match unit {
                TimeUnit::Second => 0,
                TimeUnit::Millisecond => 3,
                TimeUnit::Microsecond => 6,
                TimeUnit::Nanosecond => 9,
            };
            let times = cast(array, &DataType::Timestamp(TimeUnit::Nanosecond, None))?;
            for value in times.as_primitive::<TimestampNanosecondType>() {
                match value {
                    Some(value) => {
                        let time = civil(value)?;
                        let mut text = time.strftime("%Y-%m-%d %H:%M:%S").to_string();
                        if digits > 0 {
                            let fraction = format!("{:09}", time.subsec_nanosecond());
                            // Writing into a string does not fail.
                            let _ = write!(text, ".{}", &fraction[..digits]);
                        }
                        out.append_value(text);
                    }
                    None => out.append_null(),
                }
            }
        }
        _ => return Ok(cast(array, &DataType::Utf8)?),
    }
    Ok(Arc::new(out.finish()))
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
}
