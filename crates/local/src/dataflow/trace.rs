//! Follows an expression down a plan to the columns of the tables that it is made of.

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{JoinType, TableReference};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::check;

/// An expression over one scan of a table.
#[derive(Debug, Clone)]
pub(super) struct Traced {
    /// Which reference of the statement.
    pub(super) reference: usize,
    /// The name by which the expression's columns call the table.
    pub(super) name: TableReference,
    /// The expression.
    pub(super) expression: Expr,
}

/// Rewrites the expression over `plan`'s output so that it stands over the scans below, one for each branch of a UNION
/// ALL. `None` if that can't be done: a column comes from a join's bounded side, from UNNEST, from constants.
pub(super) fn trace(expression: &Expr, plan: &LogicalPlan) -> Option<Vec<Traced>> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let reference = check::with_slot(scan, |table| table.reference)?;
            Some(vec![Traced {
                reference,
                name: scan.table_name.clone(),
                expression: expression.clone(),
            }])
        }
        LogicalPlan::Projection(projection) => {
            let inner = replace(expression, plan, |index| {
                Some(projection.expr.get(index)?.clone().unalias())
            })?;
            trace(&inner, &projection.input)
        }
        LogicalPlan::Filter(filter) => trace(expression, &filter.input),
        LogicalPlan::SubqueryAlias(alias) => trace(&positional(expression, plan, &alias.input, 0)?, &alias.input),
        LogicalPlan::Union(union) => {
            let mut all = Vec::new();
            for input in union.inputs.iter().filter(|input| check::reads(input)) {
                all.extend(trace(&positional(expression, plan, input, 0)?, input)?);
            }
            Some(all)
        }
        LogicalPlan::Join(join) => {
            let left = join.left.schema().fields().len();
            let from_right = || {
                let columns = expression.column_refs();
                columns
                    .iter()
                    .any(|column| check::index(plan.schema(), column).is_none_or(|index| index >= left))
            };
            let (input, offset) = match join.join_type {
                JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => (&join.right, 0),
                _ if from_right() => (&join.right, left),
                _ => (&join.left, 0),
            };
            trace(&positional(expression, plan, input, offset)?, input)
        }
        _ => None,
    }
}

/// Renames the columns of `outer` to those of `input` at the same position, less the offset.
fn positional(expression: &Expr, outer: &LogicalPlan, input: &LogicalPlan, offset: usize) -> Option<Expr> {
    replace(expression, outer, |index| {
        let index = index
            .checked_sub(offset)
            .filter(|index| *index < input.schema().fields().len())?;
        Some(Expr::Column(input.schema().qualified_field(index).into()))
    })
}

fn replace(expression: &Expr, plan: &LogicalPlan, of: impl Fn(usize) -> Option<Expr>) -> Option<Expr> {
    expression
        .clone()
        .transform_down(|node| match &node {
            Expr::Column(column) => match check::index(plan.schema(), column).and_then(&of) {
                // The replacement stands over another schema: it must not be walked into.
                Some(replacement) => Ok(Transformed::new(replacement, true, TreeNodeRecursion::Jump)),
                None => Err(DataFusionError::Plan(format!("`{column}` can't be followed"))),
            },
            _ => Ok(Transformed::no(node)),
        })
        .ok()
        .map(|transformed| transformed.data)
}
