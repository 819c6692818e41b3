//! How the groups of an aggregation are kept.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{Aggregate, BinaryExpr, Expr, Operator};
use skep_engine::{EngineError, Result};

use super::aggregate::Aggregation;
use super::branch::Grouping;
use super::groups::Groups;
use super::slot::Scans;
use super::trace::{Traced, trace};
use super::windows::Windows;
use crate::function;

/// How the groups are kept, and for windows the expressions of their ends over the tables.
pub(super) fn grouping(
    scans: &Scans,
    streaming: bool,
    (logical, aggregation): (&Aggregate, &Aggregation),
) -> Result<(Grouping, Vec<Traced>)> {
    if !streaming {
        return Ok((Grouping::AtEnd(None), Vec::new()));
    }
    let changes = || Ok((Grouping::Changes(Groups::new(aggregation)?), Vec::new()));
    let is_end = |(_, field): &(usize, &Arc<datafusion::arrow::datatypes::Field>)| {
        field.name() == "window_end" && matches!(field.data_type(), DataType::Timestamp(..))
    };
    let Some((key, _)) = aggregation.key_schema().fields().iter().enumerate().find(is_end) else {
        return changes();
    };
    let Some(ends) = logical.group_expr.get(key).and_then(|end| trace(end, &logical.input)) else {
        return changes();
    };
    if !ends.iter().any(|end| end.expression.to_string().contains("date_bin(")) {
        return changes();
    }
    for end in &ends {
        let Some(table) = scans.table(end.reference) else {
            continue;
        };
        let Some(watermark) = &table.watermark else {
            return Err(EngineError::refused(format!(
                "a window over table {} would never close: the table has no watermark",
                table.path.name
            ))
            .hint("declare WATERMARK FOR column AS column - INTERVAL '5' SECOND in its CREATE TABLE"));
        };
        if !end
            .expression
            .column_refs()
            .iter()
            .any(|column| column.name == watermark.column)
        {
            return Err(EngineError::refused(format!(
                "a window over table {} must be one of its event-time column {}",
                table.path.name, watermark.column
            )));
        }
    }
    let following = logical
        .group_expr
        .iter()
        .enumerate()
        .filter(|(at, expression)| *at != key && follows(trace(expression, &logical.input).as_deref(), &ends));
    let windows = Windows::new(key, following.map(|(at, _)| at));
    Ok((Grouping::Windows(windows), ends))
}

/// Whether a key is known by the window's end, as `window_start` is: both stand over one table, so many seconds apart.
fn follows(key: Option<&[Traced]>, ends: &[Traced]) -> bool {
    let (Some([key]), [end]) = (key, ends) else {
        return false;
    };
    let is_apart = |from: &Expr, to: &Expr| match to {
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::Plus | Operator::Minus,
            right,
        }) => left.as_ref() == from && matches!(right.as_ref(), Expr::Literal(value, _) if function::is_fixed(value)),
        _ => false,
    };
    key.reference == end.reference
        && !key.expression.is_volatile()
        && (is_apart(&key.expression, &end.expression) || is_apart(&end.expression, &key.expression))
}
