//! A timestamp and an INTERVAL of days to seconds: one addition of two numbers.
//!
//! DataFusion has one type for all intervals, whose months make it walk through the calendar for every row. A day has
//! 24 hours here, as in Flink: neither a TIMESTAMP nor the instant of a TIMESTAMP_LTZ knows a zone's changes of the clock.

use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator};

/// Nanoseconds of a day.
const DAY: i64 = 86_400_000_000_000;

/// Makes a duration of an interval without months that is added to a timestamp or taken from one.
#[derive(Debug)]
pub(super) struct FixedIntervals;

impl FunctionRewrite for FixedIntervals {
    fn name(&self) -> &'static str {
        "fixed_intervals"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _: &ConfigOptions) -> Result<Transformed<Expr>> {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = &expr else {
            return Ok(Transformed::no(expr));
        };
        let (time, interval) = match (op, left.as_ref(), right.as_ref()) {
            (Operator::Plus | Operator::Minus, _, Expr::Literal(interval, _)) => (left, interval),
            (Operator::Plus, Expr::Literal(interval, _), _) => (right, interval),
            _ => return Ok(Transformed::no(expr)),
        };
        let Some(nanos) = nanoseconds(interval) else {
            return Ok(Transformed::no(expr));
        };
        // A type that can't be told here is left to DataFusion.
        let Ok(DataType::Timestamp(unit, _)) = time.get_type(schema) else {
            return Ok(Transformed::no(expr));
        };
        Ok(match duration(nanos, unit) {
            Some(duration) => Transformed::yes(Expr::BinaryExpr(BinaryExpr {
                left: time.clone(),
                op: *op,
                right: Box::new(Expr::Literal(duration, None)),
            })),
            None => Transformed::no(expr),
        })
    }
}

/// The length of an interval that has one: without months.
pub(super) fn nanoseconds(interval: &ScalarValue) -> Option<i64> {
    match interval {
        ScalarValue::IntervalMonthDayNano(Some(interval)) if interval.months == 0 => i64::from(interval.days)
            .checked_mul(DAY)?
            .checked_add(interval.nanoseconds),
        ScalarValue::IntervalDayTime(Some(interval)) => i64::from(interval.days)
            .checked_mul(DAY)?
            .checked_add(i64::from(interval.milliseconds) * 1_000_000),
        _ => None,
    }
}

/// Whether it is a length of time that does not depend on the calendar.
pub(crate) fn is_fixed(interval: &ScalarValue) -> bool {
    let duration = matches!(interval.data_type(), DataType::Duration(_)) && !interval.is_null();
    duration || nanoseconds(interval).is_some()
}

/// Nanoseconds in a unit of time.
pub(super) const fn scale(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

/// That many nanoseconds in the unit of a timestamp; `None` if they are no whole number of it.
fn duration(nanos: i64, unit: TimeUnit) -> Option<ScalarValue> {
    let scale = scale(unit);
    let count = (nanos % scale == 0).then_some(Some(nanos / scale))?;
    Some(match unit {
        TimeUnit::Second => ScalarValue::DurationSecond(count),
        TimeUnit::Millisecond => ScalarValue::DurationMillisecond(count),
        TimeUnit::Microsecond => ScalarValue::DurationMicrosecond(count),
        TimeUnit::Nanosecond => ScalarValue::DurationNanosecond(count),
    })
}
