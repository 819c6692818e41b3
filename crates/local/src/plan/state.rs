//! DataFusion's session state, as a batch query and as a stream need it.

use std::sync::{Arc, OnceLock};

use datafusion::execution::config::SessionConfig;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};

use crate::function;
use crate::sql::types::FlinkTypes;
use crate::zone::Zone;

/// How a query runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Over all of its input, once.
    Batch,
    /// In micro-batches.
    Streaming,
}

/// The state for one statement. The first call builds what all statements share, which takes some milliseconds.
pub(crate) fn session_state(mode: Mode, zone: &Zone) -> SessionState {
    static SHARED: OnceLock<SessionState> = OnceLock::new();
    let mut state = SHARED.get_or_init(build).clone();
    state.mark_start_execution();
    // Instants are shown in it.
    state.config_mut().options_mut().execution.time_zone = zone.name();
    function::register_clock(&mut state, mode, zone);
    state
}

fn build() -> SessionState {
    let mut config = SessionConfig::new()
        // One partition: the rows of a file come in the file's order, and the machine is shared with the prompt.
        .with_target_partitions(1)
        .with_information_schema(false)
        .with_create_default_catalog_and_schema(false);
    let options = config.options_mut();
    // Flink's identifiers are case-sensitive.
    options.sql_parser.enable_ident_normalization = false;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.collect_spans = true;
    // NULL is the smallest value: first in an ascending order, last in a descending one.
    options.sql_parser.default_null_ordering = "nulls_min".to_owned();
    let mut state = SessionStateBuilder::new()
        .with_config(config)
        // Ours are asked first.
        .with_expr_planners(vec![Arc::new(function::FlinkOperators)])
        .with_default_features()
        .with_type_planner(Arc::new(FlinkTypes))
        .with_analyzer_rule(Arc::new(function::FlinkCasts))
        .build();
    function::register(&mut state);
    state
}
