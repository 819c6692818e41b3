//! Functions over text.

use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, StringBuilder};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

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
