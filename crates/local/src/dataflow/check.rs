//! What a streaming query may contain: everything that is not known to be right over micro-batches is refused.
//!
//! DataFusion runs a plan over one micro-batch as if it were the whole input. LIMIT, ORDER BY, OVER, a second aggregation
//! or a join of two streams would give plausible, wrong rows without any error.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, JoinType};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams};
use datafusion::logical_expr::{Aggregate, Expr, Join, LogicalPlan, TableScan, Volatility};
use skep_engine::{EngineError, Result};

use super::error::failed;
use super::slot::SlotTable;
use crate::plan::shell::ShellTable;

/// Aggregates that give the right answer also when their rows come in several batches, each in the wanted order.
const ORDERED: [&str; 3] = ["first_value", "last_value", "string_agg"];

/// Refuses what can't run correctly over micro-batches.
pub(super) fn check(plan: &LogicalPlan) -> Result<()> {
    walk(plan, &Above { construct: None })
}

/// What stands above a node on the way to the sink.
struct Above {
    /// Something that must not stand above an aggregation.
    construct: Option<&'static str>,
}

fn walk(plan: &LogicalPlan, above: &Above) -> Result<()> {
    if !reads(plan) {
        return Ok(());
    }
    for expression in plan.expressions() {
        check_expression(&expression)?;
    }
    let under = |construct| Above {
        construct: Some(above.construct.unwrap_or(construct)),
    };
    match plan {
        LogicalPlan::Projection(projection) => walk(&projection.input, above),
        LogicalPlan::Filter(filter) => walk(&filter.input, above),
        LogicalPlan::SubqueryAlias(alias) => walk(&alias.input, above),
        LogicalPlan::Union(union) => union
            .inputs
            .iter()
            .try_for_each(|input| walk(input, &under("UNION ALL"))),
        LogicalPlan::Unnest(unnest) => walk(&unnest.input, &under("UNNEST")),
        LogicalPlan::TableScan(scan) if scan.fetch.is_some() => {
            Err(refuse("LIMIT", "which rows come first is not settled"))
        }
        LogicalPlan::TableScan(_) => Ok(()),
        LogicalPlan::Aggregate(aggregate) => {
            check_aggregate(aggregate)?;
            match above.construct {
                None => walk(&aggregate.input, &under("a second aggregation")),
                Some(construct) => Err(refuse(
                    construct,
                    "it would stand above an aggregation whose results change",
                )),
            }
        }
        LogicalPlan::Join(join) => {
            let stream = match static_side(join) {
                Some(Side::Left) => &join.right,
                Some(Side::Right) => &join.left,
                None => return Err(refuse("a join of two streams", "both sides would have to be kept")),
            };
            check_join(join)?;
            walk(stream, &under("a join"))
        }
        LogicalPlan::Limit(_) => Err(refuse("LIMIT", "which rows come first is not settled")),
        LogicalPlan::Sort(_) => Err(refuse("ORDER BY", "an input without end can't be sorted")),
        LogicalPlan::Window(_) => Err(refuse("OVER", "its frame would end with each micro-batch")),
        LogicalPlan::RecursiveQuery(_) => Err(refuse(
            "WITH RECURSIVE",
            "it would have to read the stream again and again",
        )),
        LogicalPlan::Subquery(_) => Err(subquery()),
        other => Err(refuse(
            other.display().to_string(),
            "it is not known to be right over micro-batches",
        )),
    }
}

/// A side of a join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// The side of a join that is read whole: the one that reads no source, or only bounded ones if the other never ends.
fn static_side(join: &Join) -> Option<Side> {
    match (reads(&join.left), reads(&join.right)) {
        (false, _) => Some(Side::Left),
        (_, false) => Some(Side::Right),
        (true, true) => match (is_endless(&join.left), is_endless(&join.right)) {
            (false, true) => Some(Side::Left),
            (true, false) => Some(Side::Right),
            _ => None,
        },
    }
}

fn check_join(join: &Join) -> Result<()> {
    let static_side = static_side(join);
    let right = match join.join_type {
        JoinType::Inner => true,
        JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => {
            static_side == Some(Side::Right)
        }
        JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => {
            static_side == Some(Side::Left)
        }
        JoinType::Full => false,
    };
    if right {
        return Ok(());
    }
    Err(refuse(
        format!(
            "a {} JOIN that keeps the rows of the bounded side",
            join.join_type.to_string().to_uppercase()
        ),
        "it would give those without a partner in every micro-batch",
    ))
}

fn check_aggregate(aggregate: &Aggregate) -> Result<()> {
    if aggregate
        .group_expr
        .iter()
        .any(|key| matches!(key, Expr::GroupingSet(_)))
    {
        return Err(refuse("GROUPING SETS, CUBE or ROLLUP", "its groups are not kept"));
    }
    for call in &aggregate.aggr_expr {
        failed(call.apply(|node| {
            if let Expr::AggregateFunction(AggregateFunction { func, params }) = node {
                let AggregateFunctionParams { order_by, .. } = params;
                if !order_by.is_empty() && !ORDERED.contains(&func.name()) {
                    return Err(datafusion::error::DataFusionError::External(Box::new(refuse(
                        format!("{}(… ORDER BY …)", func.name()),
                        "its rows would be in order within each micro-batch only",
                    ))));
                }
            }
            Ok(TreeNodeRecursion::Continue)
        }))?;
    }
    Ok(())
}

fn check_expression(expression: &Expr) -> Result<()> {
    let found = expression.exists(|node| {
        Ok(matches!(
            node,
            Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_)
        ))
    });
    if failed(found)? { Err(subquery()) } else { Ok(()) }
}

/// Refuses functions that DataFusion would evaluate once, when it plans, and that must not stand still in a job that
/// runs on: `now()` and its like. Looks at the plan before it is optimized.
pub(super) fn check_clock(plan: &LogicalPlan) -> Result<()> {
    let mut frozen = None;
    failed(plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expression| {
            expression.apply(|inner| {
                if let Expr::ScalarFunction(call) = inner
                    && call.func.signature().volatility == Volatility::Stable
                    && call.args.is_empty()
                {
                    frozen = Some(call.func.name().to_owned());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    }))?;
    match frozen {
        None => Ok(()),
        Some(name) => Err(refuse(format!("{name}()"), "it would stand still at the job's start")),
    }
}

/// Refuses a table of the shell's own: it is read as it is at one moment. Looks at the plan before it is optimized.
pub(super) fn check_shell(plan: &LogicalPlan) -> Result<()> {
    let mut found = None;
    failed(plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && source_as_provider(&scan.source).is_ok_and(|provider| provider.is::<ShellTable>())
        {
            found = Some(scan.table_name.to_string());
        }
        Ok(TreeNodeRecursion::Continue)
    }))?;
    match found {
        None => Ok(()),
        Some(name) => Err(refuse(name, "it would be read once, at the job's start")),
    }
}

/// Whether the plan reads a table as a stream.
pub(super) fn reads(plan: &LogicalPlan) -> bool {
    any_scan(plan, |_| true)
}

/// Whether the plan reads a table that has no end.
pub(super) fn is_endless(plan: &LogicalPlan) -> bool {
    any_scan(plan, |table| !table.bounded)
}

fn any_scan(plan: &LogicalPlan, test: impl Fn(&SlotTable) -> bool) -> bool {
    let mut found = false;
    let walked = plan.apply_with_subqueries(|node| {
        found |= matches!(node, LogicalPlan::TableScan(scan) if with_slot(scan, &test).unwrap_or(false));
        Ok(if found {
            TreeNodeRecursion::Stop
        } else {
            TreeNodeRecursion::Continue
        })
    });
    found || walked.is_err()
}

/// Gives the stand-in of a scan to `f`; `None` if the scan has none.
pub(super) fn with_slot<T>(scan: &TableScan, f: impl Fn(&SlotTable) -> T) -> Option<T> {
    let provider = source_as_provider(&scan.source).ok()?;
    provider.downcast_ref::<SlotTable>().map(f)
}

/// The index of a column of that schema among its fields.
pub(super) fn index(schema: &DFSchema, column: &datafusion::common::Column) -> Option<usize> {
    schema.maybe_index_of_column(column)
}

fn subquery() -> EngineError {
    refuse("a subquery", "it would be answered from each micro-batch alone")
}

fn refuse(construct: impl Into<String>, reason: &str) -> EngineError {
    let construct = construct.into();
    EngineError::refused(format!("a streaming query can't contain {construct}: {reason}"))
        .hint("run it over bounded tables, or on Flink: !connect flink://host:port")
}
