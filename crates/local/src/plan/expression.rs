//! Expressions over the columns of one table: a watermark's, a computed column's.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{EmptyRelation, Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{self, ExprWithAlias};
use skep_engine::{EngineError, Result};

use crate::failure::Explained;
use crate::sql::{Reader, names};

/// Binds an expression to columns, with the meaning it has in a query: every place that evaluates it gets it from here.
///
/// # Errors
/// It does not parse, names a column that is not there, or needs more than one row.
pub(crate) fn bind(state: &SessionState, text: &str, columns: &Schema) -> Result<Expr> {
    let mut reader = Reader::new(text)?;
    let mut expr = reader.expression()?;
    reader.expect_end()?;
    let queries = ast::visit_expressions(&expr, |expr| match expr {
        ast::Expr::Subquery(_) | ast::Expr::Exists { .. } | ast::Expr::InSubquery { .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    if queries.is_break() {
        return Err(EngineError::rejected(
            "it must be computed from its own row, and not from a query",
        ));
    }
    names::prepare_expression(&mut expr);
    let schema = DFSchema::try_from(columns.clone()).rejected()?;
    let sql = ExprWithAlias { expr, alias: None };
    let expr = state.create_logical_expr_from_sql_expr(sql, &schema).rejected()?;
    let aggregates = expr.exists(|e| Ok(matches!(e, Expr::AggregateFunction(_) | Expr::WindowFunction(_))));
    if aggregates.rejected()? {
        return Err(EngineError::rejected(
            "it must be computed from its own row, and not from several",
        ));
    }
    // The rules of a query's analysis work on plans.
    let rows = LogicalPlan::EmptyRelation(EmptyRelation {
        produce_one_row: false,
        schema: Arc::new(schema),
    });
    let plan = LogicalPlanBuilder::from(rows)
        .project([expr.alias("value")])
        .and_then(LogicalPlanBuilder::build)
        .and_then(|plan| {
            state
                .analyzer()
                .execute_and_check(plan, state.config_options(), |_, _| {})
        })
        .rejected()?;
    let mut bound = None;
    plan.apply_expressions(|expr| {
        bound = Some(expr.clone().unalias());
        Ok(TreeNodeRecursion::Stop)
    })
    .rejected()?;
    bound.ok_or_else(|| EngineError::failed(format!("{text} has no value")))
}
