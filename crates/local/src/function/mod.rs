//! The functions whose results in Flink differ from DataFusion's, or that DataFusion does not have. One registry.

mod average;
mod cast;
mod clock;
mod date_bin;
mod date_format;
mod interval;
mod required;
mod text;

use std::sync::Arc;

use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

pub(crate) use cast::FlinkCasts;
use clock::Clock;
pub(crate) use interval::is_fixed;
pub(crate) use required::not_null;

use crate::plan::Mode;
use crate::zone::Zone;

/// Registers what does not depend on the statement.
pub(crate) fn register(state: &mut SessionState) {
    for function in [
        ScalarUDF::from(date_bin::DateBin::default()),
        ScalarUDF::from(date_format::DateFormat::default()),
        ScalarUDF::from(text::Concat::default()),
    ] {
        add(state, function);
    }
    // Registering an aggregate only fails in registries that can't be changed; this one can.
    let _ = state.register_udaf(Arc::new(AggregateUDF::from(average::Average::default())));
    let _ = state.register_function_rewrite(Arc::new(interval::FixedIntervals));
}

/// Registers the functions that tell the time: one instant for a whole batch query, the time of each row in a stream.
pub(crate) fn register_clock(state: &mut SessionState, mode: Mode, zone: &Zone) {
    let fixed = (mode == Mode::Batch).then(jiff::Timestamp::now);
    for function in Clock::all(fixed, zone) {
        add(state, ScalarUDF::from(function));
    }
}

fn add(state: &mut SessionState, function: ScalarUDF) {
    // As above.
    let _ = state.register_udf(Arc::new(function));
}

/// The names of all functions that a query can call.
pub(crate) fn names(state: &SessionState) -> Vec<String> {
    let mut names: Vec<String> = state
        .scalar_functions()
        .keys()
        .chain(state.aggregate_functions().keys())
        .chain(state.window_functions().keys())
        .chain(state.table_functions().keys())
        .cloned()
        .collect();
    names.push("if".to_owned());
    names.sort_unstable();
    names.dedup();
    names
}
