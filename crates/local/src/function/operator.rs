//! `+ - * / %` with Flink's types: the precision and scale of decimals, and numbers of different kinds.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Decimal128Array};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, i256};
use datafusion::common::{DFSchema, Result, ScalarValue, exec_datafusion_err, exec_err, plan_err};
use datafusion::logical_expr::expr::{Cast, ScalarFunction};
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use datafusion::sql::sqlparser::ast::BinaryOperator;

/// The most digits of a DECIMAL.
const DIGITS: u8 = 38;

/// An operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operation {
    Plus,
    Minus,
    Times,
    Over,
    Modulo,
}

impl Operation {
    fn new(operator: &BinaryOperator) -> Option<Self> {
        Some(match operator {
            BinaryOperator::Plus => Self::Plus,
            BinaryOperator::Minus => Self::Minus,
            BinaryOperator::Multiply => Self::Times,
            BinaryOperator::Divide => Self::Over,
            BinaryOperator::Modulo => Self::Modulo,
            _ => return None,
        })
    }

    const fn operator(self) -> Operator {
        match self {
            Self::Plus => Operator::Plus,
            Self::Minus => Operator::Minus,
            Self::Times => Operator::Multiply,
            Self::Over => Operator::Divide,
            Self::Modulo => Operator::Modulo,
        }
    }

    /// Precision and scale of a result, by Flink's `LogicalTypeMerging`.
    fn result(self, (p1, s1): (u8, u8), (p2, s2): (u8, u8)) -> (u8, u8) {
        let scale = s1.max(s2);
        let (precision, scale) = match self {
            Self::Plus | Self::Minus => ((p1 - s1).max(p2 - s2) + scale + 1, scale),
            Self::Times => (p1 + p2 + 1, s1 + s2),
            Self::Over => {
                let scale = (s1 + p2 + 1).max(6);
                (p1 - s1 + s2 + scale, scale)
            }
            Self::Modulo => ((p1 - s1).min(p2 - s2) + scale, scale),
        };
        if precision <= DIGITS {
            return (precision.max(1), scale);
        }
        let whole = precision - scale;
        (DIGITS, DIGITS.saturating_sub(whole).max(scale.min(6)))
    }
}

/// Plans the operators whose types in Flink are not DataFusion's.
#[derive(Debug)]
pub(crate) struct FlinkOperators;

impl ExprPlanner for FlinkOperators {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let planned = Operation::new(&expr.op).and_then(|operation| {
            // A type that can't be told here is left to DataFusion.
            let (left, right) = (expr.left.get_type(schema).ok()?, expr.right.get_type(schema).ok()?);
            plan(operation, (&expr.left, &left), (&expr.right, &right))
        });
        Ok(planned.map_or(PlannerResult::Original(expr), PlannerResult::Planned))
    }
}

fn plan(operation: Operation, (left, l): (&Expr, &DataType), (right, r): (&Expr, &DataType)) -> Option<Expr> {
    let cast = |expr: &Expr, to: &DataType| Expr::Cast(Cast::new(Box::new(expr.clone()), to.clone()));
    let plain = |left: Expr, right: Expr| {
        Expr::BinaryExpr(BinaryExpr::new(Box::new(left), operation.operator(), Box::new(right)))
    };
    let float = |t: &DataType| matches!(t, DataType::Float32 | DataType::Float64);
    let decimal = |t: &DataType| matches!(t, DataType::Decimal128(..));
    match (l, r) {
        _ if (decimal(l) && exact(r).is_some()) || (decimal(r) && exact(l).is_some()) => {
            let function = Arc::new(ScalarUDF::from(Decimals::new(operation)));
            let args = vec![left.clone(), right.clone()];
            Some(Expr::ScalarFunction(ScalarFunction::new_udf(function, args)))
        }
        // A DECIMAL beside a floating-point number is a DOUBLE.
        _ if (decimal(l) && float(r)) || (float(l) && decimal(r)) => {
            Some(plain(cast(left, &DataType::Float64), cast(right, &DataType::Float64)))
        }
        // The first one's type counts.
        (DataType::Float32, DataType::Float64) => Some(plain(left.clone(), cast(right, &DataType::Float32))),
        // A rest is smaller than the divisor, and has its type.
        _ if operation == Operation::Modulo && l.is_signed_integer() && r.is_signed_integer() && l != r => {
            Some(cast(&plain(left.clone(), right.clone()), r))
        }
        _ => None,
    }
}

/// Precision and scale of an exact number.
fn exact(data_type: &DataType) -> Option<(u8, u8)> {
    Some(match data_type {
        DataType::Int8 => (3, 0),
        DataType::Int16 => (5, 0),
        DataType::Int32 => (10, 0),
        DataType::Int64 => (19, 0),
        DataType::Decimal128(precision, scale) => (*precision, u8::try_from(*scale).ok()?),
        _ => return None,
    })
}

/// An operation on decimals.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Decimals {
    operation: Operation,
    signature: Signature,
}

impl Decimals {
    fn new(operation: Operation) -> Self {
        Self {
            operation,
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for Decimals {
    fn name(&self) -> &'static str {
        match self.operation {
            Operation::Plus => "decimal_plus",
            Operation::Minus => "decimal_minus",
            Operation::Times => "decimal_times",
            Operation::Over => "decimal_over",
            Operation::Modulo => "decimal_modulo",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let decimals: Option<Vec<DataType>> = types
            .iter()
            .map(|t| exact(t).map(|(precision, scale)| DataType::Decimal128(precision, scale as i8)))
            .collect();
        match decimals {
            Some(decimals) => Ok(decimals),
            None => plan_err!("it takes two exact numbers"),
        }
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [l, r] => {
                let (Some(l), Some(r)) = (exact(l), exact(r)) else {
                    return plan_err!("it takes two exact numbers");
                };
                let (precision, scale) = self.operation.result(l, r);
                Ok(DataType::Decimal128(precision, scale as i8))
            }
            _ => plan_err!("it takes two exact numbers"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let arrays: Vec<ArrayRef> = args
            .args
            .into_iter()
            .map(|arg| arg.into_array(rows))
            .collect::<Result<_>>()?;
        let [left, right] = arrays.as_slice() else {
            return exec_err!("it takes two numbers");
        };
        let (Some((_, s1)), Some((_, s2))) = (exact(left.data_type()), exact(right.data_type())) else {
            return exec_err!("it takes two exact numbers");
        };
        let Some((precision, scale)) = exact(args.return_field.data_type()) else {
            return exec_err!("it gives an exact number");
        };
        let compute = Compute {
            operation: self.operation,
            scales: (s1, s2),
            scale,
            limit: power(precision),
        };
        let (left, right) = (
            left.as_primitive::<Decimal128Type>(),
            right.as_primitive::<Decimal128Type>(),
        );
        let mut values = Vec::with_capacity(rows);
        for row in 0..rows {
            values.push(if left.is_null(row) || right.is_null(row) {
                None
            } else {
                compute.one(i256::from_i128(left.value(row)), i256::from_i128(right.value(row)))?
            });
        }
        let array = Decimal128Array::from(values).with_precision_and_scale(precision, scale as i8)?;
        let array: ArrayRef = Arc::new(array);
        Ok(if scalar {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?)
        } else {
            ColumnarValue::Array(array)
        })
    }
}

/// 10 to that power.
fn power(exponent: u8) -> i256 {
    let ten = i256::from_i128(10);
    (0..exponent).fold(i256::ONE, |power, _| power.wrapping_mul(ten))
}

/// What is computed for each row.
struct Compute {
    operation: Operation,
    scales: (u8, u8),
    scale: u8,
    /// The first number that has too many digits.
    limit: i256,
}

impl Compute {
    /// NULL if the result has too many digits.
    fn one(&self, left: i256, right: i256) -> Result<Option<i128>> {
        let (s1, s2) = self.scales;
        let common = s1.max(s2);
        let wide = |value: i256, by: u8| {
            value
                .checked_mul(power(by))
                .ok_or_else(|| exec_datafusion_err!("a decimal is out of range"))
        };
        let result = match self.operation {
            Operation::Plus | Operation::Minus | Operation::Modulo => {
                let (left, right) = (wide(left, common - s1)?, wide(right, common - s2)?);
                let exact = match self.operation {
                    Operation::Plus => left.wrapping_add(right),
                    Operation::Minus => left.wrapping_sub(right),
                    _ => left
                        .checked_rem(right)
                        .ok_or_else(|| exec_datafusion_err!("division by zero"))?,
                };
                round(exact, common, self.scale)
            }
            Operation::Times => {
                let exact = left
                    .checked_mul(right)
                    .ok_or_else(|| exec_datafusion_err!("a decimal is out of range"))?;
                round(exact, s1 + s2, self.scale)
            }
            Operation::Over => {
                // The quotient of left and right has the scale s1 - s2.
                let up = i16::from(self.scale) + i16::from(s2) - i16::from(s1);
                let by = u8::try_from(up.unsigned_abs()).unwrap_or(u8::MAX);
                let (left, right) = if up >= 0 {
                    (wide(left, by)?, right)
                } else {
                    (left, wide(right, by)?)
                };
                half_up(left, right)?
            }
        };
        let fits = result < self.limit && result > self.limit.wrapping_neg();
        Ok(if fits { result.to_i128() } else { None })
    }
}

/// The number with another scale, rounded half up.
fn round(value: i256, from: u8, to: u8) -> i256 {
    if to >= from {
        return value.wrapping_mul(power(to - from));
    }
    half_up(value, power(from - to)).unwrap_or(value)
}

/// The quotient, rounded half up (away from zero).
fn half_up(left: i256, right: i256) -> Result<i256> {
    let (Some(quotient), Some(rest)) = (left.checked_div(right), left.checked_rem(right)) else {
        return exec_err!("division by zero");
    };
    let twice = rest.wrapping_abs().wrapping_add(rest.wrapping_abs());
    if twice < right.wrapping_abs() {
        return Ok(quotient);
    }
    let negative = left.is_negative() != right.is_negative();
    Ok(if negative {
        quotient.wrapping_sub(i256::ONE)
    } else {
        quotient.wrapping_add(i256::ONE)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn types_are_those_of_flink() {
        let result = Operation::result;
        assert_eq!(result(Operation::Over, (10, 2), (10, 0)), (21, 13));
        assert_eq!(result(Operation::Over, (38, 10), (38, 10)), (38, 6));
        assert_eq!(result(Operation::Over, (20, 0), (20, 0)), (38, 18));
        assert_eq!(result(Operation::Plus, (38, 10), (38, 20)), (38, 9));
        assert_eq!(result(Operation::Times, (20, 10), (20, 10)), (38, 17));
        assert_eq!(result(Operation::Modulo, (10, 2), (3, 2)), (3, 2));
    }

    proptest! {
        #[test]
        fn a_quotient_is_the_nearest(left in any::<i64>(), right in any::<i64>().prop_filter("0", |n| *n != 0)) {
            let (l, r) = (i128::from(left), i128::from(right));
            let quotient = half_up(i256::from_i128(l), i256::from_i128(r)).unwrap().to_i128().unwrap();
            prop_assert!(2 * (quotient * r - l).abs() <= r.abs());
        }
    }
}
