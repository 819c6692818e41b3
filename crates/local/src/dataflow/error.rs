//! DataFusion's errors as the engine's.

use std::sync::Arc;

use datafusion::error::DataFusionError;
use skep_engine::{EngineError, ErrorKind, Result};

/// The computation failed.
pub(super) fn failed<T>(result: Result<T, impl Into<DataFusionError>>) -> Result<T> {
    result.map_err(|error| convert(error.into(), ErrorKind::Failed))
}

/// The statement is not valid.
pub(super) fn rejected<T>(result: Result<T, DataFusionError>) -> Result<T> {
    result.map_err(|error| convert(error, ErrorKind::Rejected))
}

fn convert(error: DataFusionError, kind: ErrorKind) -> EngineError {
    match error {
        DataFusionError::External(inner) => match inner.downcast::<EngineError>() {
            Ok(error) => *error,
            Err(other) => EngineError::new(kind, other.to_string()),
        },
        DataFusionError::Context(_, inner) => convert(*inner, kind),
        DataFusionError::Shared(inner) => match Arc::try_unwrap(inner) {
            Ok(error) => convert(error, kind),
            Err(shared) => EngineError::new(kind, shared.strip_backtrace()),
        },
        other => EngineError::new(kind, other.strip_backtrace()),
    }
}
