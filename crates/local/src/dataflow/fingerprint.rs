//! What must be the same for a state to be taken over.

use std::collections::BTreeMap;

use datafusion::logical_expr::{Aggregate, Expr};

use super::Fingerprint;
use super::aggregate::Aggregation;
use super::branch::Grouping;
use super::input::Input;
use super::query::source_name;
use super::trace::trace;
use crate::sql;

/// Options that say how fast a source is read, not what it gives.
const PACE: [&str; 2] = ["source.monitor-interval", "rows-per-second"];

/// A source's: its options, columns and watermark.
pub(super) fn source(input: &Input) -> Fingerprint {
    let table = &input.table;
    let mut facts = BTreeMap::new();
    for (key, value) in &table.options {
        if !PACE.contains(&key.as_str()) && !key.starts_with("sink.") {
            let value = match key.as_str() {
                "path" => sql::full(value).unwrap_or_else(|| value.clone()),
                _ => value.clone(),
            };
            facts.insert(format!("option {key}"), value);
        }
    }
    let columns = table
        .physical
        .fields()
        .iter()
        .map(|field| format!("{} {}", field.name(), field.data_type()));
    facts.insert("columns".into(), columns.collect::<Vec<_>>().join(", "));
    for computed in &table.computed {
        facts.insert(format!("column {}", computed.name), computed.expression.clone());
    }
    if let Some(watermark) = &table.watermark {
        facts.insert(
            "watermark".into(),
            format!("{} AS {}", watermark.column, watermark.expression),
        );
    }
    Fingerprint {
        operator: source_name(input),
        facts,
    }
}

/// A constant input's: what is planned for it.
pub(super) fn constant(operator: String, plan: String) -> Fingerprint {
    Fingerprint {
        operator,
        facts: BTreeMap::from([("plan".into(), plan)]),
    }
}

/// An aggregation's: how its groups are kept, its keys and calls followed down to the tables' columns, and the types of
/// the states. Filters and projections around it may change.
pub(super) fn aggregate(
    operator: String,
    logical: &Aggregate,
    aggregation: &Aggregation,
    grouping: &Grouping,
) -> Fingerprint {
    let mut facts = BTreeMap::new();
    let kept = match grouping {
        Grouping::AtEnd(_) => "at the end",
        Grouping::Changes(_) => "as they change",
        Grouping::Windows(_) => "by windows",
    };
    facts.insert("results".into(), kept.into());
    let text = |expression: &Expr| match trace(expression, &logical.input) {
        Some(traced) => traced
            .iter()
            .map(|t| t.expression.to_string())
            .collect::<Vec<_>>()
            .join(" / "),
        None => expression.to_string(),
    };
    for (index, (key, field)) in logical
        .group_expr
        .iter()
        .zip(aggregation.key_schema().fields())
        .enumerate()
    {
        facts.insert(format!("key {index}"), format!("{} {}", text(key), field.data_type()));
    }
    for (index, (call, plan)) in logical.aggr_expr.iter().zip(&aggregation.calls).enumerate() {
        facts.insert(format!("call {index}"), text(call));
        let states = plan.state_fields().unwrap_or_default();
        let types = states
            .iter()
            .map(|field| field.data_type().to_string())
            .collect::<Vec<_>>();
        facts.insert(format!("call {index} state"), types.join(", "));
    }
    Fingerprint { operator, facts }
}
