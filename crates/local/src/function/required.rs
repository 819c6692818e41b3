//! A NULL on its way into a NOT NULL column fails the job, as with Flink's `table.exec.sink.not-null-enforcer`.

use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

/// The value, which must not be NULL when it goes into that column.
pub(crate) fn not_null(value: Expr, column: &str) -> Expr {
    let function = Required {
        column: column.to_owned(),
        signature: Signature::any(1, Volatility::Immutable),
    };
    Expr::ScalarFunction(ScalarFunction::new_udf(
        Arc::new(ScalarUDF::from(function)),
        vec![value],
    ))
}

/// The check.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Required {
    column: String,
    signature: Signature,
}

impl ScalarUDFImpl for Required {
    fn name(&self) -> &'static str {
        "not_null"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types[0].clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(
            self.name(),
            args.arg_fields[0].data_type().clone(),
            false,
        )))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let nulls = match &args.args[0] {
            ColumnarValue::Array(array) => array.logical_null_count() > 0,
            ColumnarValue::Scalar(value) => value.is_null(),
        };
        if nulls {
            return exec_err!("a NULL came for the column {}, which is NOT NULL", self.column);
        }
        Ok(args.args[0].clone())
    }
}
