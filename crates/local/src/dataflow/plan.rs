//! From a logical plan to a dataflow: tables become slots, the plan is checked, planned, and cut at its aggregation.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::TableReference;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::provider_as_source;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{Aggregate, BinaryExpr, Expr, LogicalPlan, Operator};
use datafusion::optimizer::Optimizer;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};
use skep_engine::{EngineError, Result};

use super::aggregate::Aggregation;
use super::check;
use super::constant::Constant;
use super::error::{failed, rejected};
use super::groups::Groups;
use super::input::Input;
use super::lower::Executor;
use super::query::{Grouping, Query, Summary, constant_name};
use super::slot::{Scan, Scans, Slot, SlotTable, WholeTable};
use super::trace::{Traced, trace};
use super::upper::{Cut, cut};
use super::windows::Windows;
use super::{Dataflow, fingerprint, source};
use crate::function;
use crate::table::Table;

/// The setting that limits how many rows a second each source gives.
const RATE: &str = "local.source.rows-per-second";
/// The setting by which a bounded query runs as a stream (`streaming`) or a plain one (`batch`, `automatic`).
const MODE: &str = "execution.runtime-mode";

/// Builds a dataflow of a query: an INSERT's input or a SELECT. `tables` knows the tables that are read as sources; any
/// other one is read once, as it is.
///
/// A query over bounded tables alone gives what the same query gives at once: its groups' results come at the end, no
/// row is late, and what can't be computed as rows come (ORDER BY, OVER, joins) is computed when all have come. With
/// `execution.runtime-mode` = `streaming` it runs as if its tables had no end.
///
/// # Errors
/// The query contains something that can't run correctly over an endless input (refused, with the reason), a table's
/// options are not valid, or the plan is not.
pub fn build(
    state: &SessionState,
    input: LogicalPlan,
    tables: &dyn Fn(&TableReference) -> Option<Arc<Table>>,
    settings: &BTreeMap<String, String>,
) -> Result<Box<dyn Dataflow>> {
    let state = planner(state);
    let scans = Arc::new(Scans::default());
    let plan = substitute(input, tables, &scans)?;
    let bounded = !check::is_endless(&plan);
    if !bounded {
        check::check_clock(&plan)?;
    }
    let plan = rejected(state.optimize(&plan))?;
    let streaming = !bounded
        || settings
            .get(MODE)
            .is_some_and(|mode| mode.eq_ignore_ascii_case("streaming"));
    let builder = Builder {
        state: Arc::new(state),
        scans,
        bounded,
        streaming,
        rate: rate(settings)?,
    };
    match check::check(&plan) {
        Ok(()) if check::reads(&plan) => builder.incremental(&plan),
        Err(error) if !bounded => Err(error),
        // All of the input is there: what can't be computed as it comes is computed at once.
        Ok(()) | Err(_) => builder.whole(&plan),
    }
}

fn rate(settings: &BTreeMap<String, String>) -> Result<Option<u64>> {
    let Some(text) = settings.get(RATE) else {
        return Ok(None);
    };
    match text.trim().parse() {
        Ok(rate) if rate > 0 => Ok(Some(rate)),
        _ => Err(EngineError::rejected(format!(
            "the setting '{RATE}' is '{text}', but must be a whole number above 0"
        ))),
    }
}

/// The session's state, set up to plan for micro-batches.
fn planner(state: &SessionState) -> SessionState {
    let config = state.config().clone().with_target_partitions(1).with_batch_size(65_536);
    // The catalogs are shared with the session: a default one would replace the session's.
    let mut config = config.with_create_default_catalog_and_schema(false);
    let options = config.options_mut();
    options.optimizer.enable_dynamic_filter_pushdown = false;
    // It would make two aggregations of one count(DISTINCT …).
    let is_wanted = |name: &str| name != "single_distinct_aggregation_to_group_by";
    let known = state.optimizers().iter().cloned();
    let mut rules: Vec<_> = known.filter(|rule| is_wanted(rule.name())).collect();
    if rules.is_empty() {
        rules = Optimizer::new()
            .rules
            .into_iter()
            .filter(|rule| is_wanted(rule.name()))
            .collect();
    }
    SessionStateBuilder::new_from_existing(state.clone())
        .with_config(config)
        .with_optimizer_rules(rules)
        .build()
}

/// Puts a stand-in for each reference of a table that is read as a source.
fn substitute(
    plan: LogicalPlan,
    tables: &dyn Fn(&TableReference) -> Option<Arc<Table>>,
    scans: &Arc<Scans>,
) -> Result<LogicalPlan> {
    let mut reference = 0;
    let replaced = plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::TableScan(mut scan) = node else {
            return Ok(Transformed::no(node));
        };
        let Some(table) = tables(&scan.table_name) else {
            return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
        };
        let bounded = source::is_bounded(&table).map_err(external)?;
        scan.source = provider_as_source(Arc::new(SlotTable::new(reference, table, bounded, scans.clone())));
        reference += 1;
        Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
    });
    rejected(replaced).map(|transformed| transformed.data)
}

fn external(error: EngineError) -> datafusion::error::DataFusionError {
    datafusion::error::DataFusionError::External(Box::new(error))
}

/// What is known when a plan is checked.
struct Builder {
    state: Arc<SessionState>,
    scans: Arc<Scans>,
    bounded: bool,
    streaming: bool,
    rate: Option<u64>,
}

/// The leaves of a plan that give rows.
#[derive(Default)]
struct Leaves {
    scans: Vec<Scan>,
    constants: Vec<(Arc<dyn ExecutionPlan>, Arc<Slot>)>,
}

impl Builder {
    fn physical(&self, plan: &LogicalPlan) -> Result<Arc<dyn ExecutionPlan>> {
        // Planning waits for nothing: our tables' scans are ready at once.
        rejected(futures::executor::block_on(
            self.state
                .query_planner()
                .create_physical_plan(plan, self.state.as_ref()),
        ))
    }

    /// A query that is computed as its rows come.
    fn incremental(&self, plan: &LogicalPlan) -> Result<Box<dyn Dataflow>> {
        let physical = self.physical(plan)?;
        let logical = find_aggregate(plan);
        let mut leaves = Leaves::default();
        let (lower, summary, windows) = match (logical, cut(&physical)?) {
            (Some(logical), Some(cut)) => {
                let Cut {
                    upper,
                    aggregate,
                    output,
                } = cut;
                let exec = aggregate.downcast_ref::<AggregateExec>();
                let exec = exec.ok_or_else(|| EngineError::failed("the plan's aggregation is not one"))?;
                let aggregation = Aggregation::new(exec, output)?;
                let (grouping, windows) = self.grouping(logical, &aggregation)?;
                let lower = self.split(exec.input().clone(), &mut leaves)?;
                (
                    lower,
                    Some((
                        logical,
                        Summary {
                            aggregation,
                            grouping,
                            upper,
                        },
                    )),
                    windows,
                )
            }
            (None, None) => (self.split(physical, &mut leaves)?, None, Vec::new()),
            _ => {
                return Err(EngineError::refused(
                    "a streaming query can't contain an aggregation in that place",
                ));
            }
        };
        self.finish(leaves, lower, summary, &windows)
    }

    /// A bounded query that is computed at once.
    fn whole(&self, plan: &LogicalPlan) -> Result<Box<dyn Dataflow>> {
        let physical = self.physical(plan)?;
        let whole = self.read_whole(physical, false)?;
        let mut leaves = Leaves::default();
        let lower = constant(whole, &mut leaves)?;
        self.finish(leaves, lower, None, &[])
    }

    fn finish(
        &self,
        leaves: Leaves,
        lower: Arc<dyn ExecutionPlan>,
        summary: Option<(&Aggregate, Summary)>,
        windows: &[Traced],
    ) -> Result<Box<dyn Dataflow>> {
        let mut by_table: BTreeMap<_, Vec<Scan>> = BTreeMap::new();
        for scan in leaves.scans {
            by_table.entry(scan.table.path.clone()).or_default().push(scan);
        }
        let mut inputs = Vec::new();
        for scans in by_table.into_values() {
            let own = scans
                .first()
                .map(|scan| source::rate(&scan.table))
                .transpose()?
                .flatten();
            let rate = own.into_iter().chain(self.rate).min();
            inputs.extend(Input::new(&self.state, scans, windows, rate)?);
        }
        let mut fingerprints: Vec<_> = inputs.iter().map(fingerprint::source).collect();
        let mut constants = Vec::new();
        for (index, (plan, slot)) in leaves.constants.into_iter().enumerate() {
            let text = datafusion::physical_plan::displayable(plan.as_ref())
                .indent(false)
                .to_string();
            fingerprints.push(fingerprint::constant(constant_name(index), text));
            constants.push((Constant::new(plan), slot));
        }
        let summary = summary.map(|(logical, summary)| {
            fingerprints.push(fingerprint::aggregate(logical, &summary.aggregation, &summary.grouping));
            summary
        });
        Ok(Box::new(Query {
            inputs,
            constants,
            lower,
            summary,
            executor: Executor::new(self.state.task_ctx()),
            bounded: self.bounded,
            fingerprints,
            finished: false,
            counts: (0, 0),
        }))
    }

    /// How the groups are kept, and for windows the expressions of their ends over the tables.
    fn grouping(&self, logical: &Aggregate, aggregation: &Aggregation) -> Result<(Grouping, Vec<Traced>)> {
        if !self.streaming {
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
            let Some(table) = self.scans.table(end.reference) else {
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

    /// Finds the leaves of a plan, and puts slots for the parts that need no source and whole tables for the bounded
    /// sides of joins.
    fn split(&self, node: Arc<dyn ExecutionPlan>, leaves: &mut Leaves) -> Result<Arc<dyn ExecutionPlan>> {
        if !self.reads(&node) {
            return constant(node, leaves);
        }
        if let Some(scan) = self.scans.of(node.as_ref()) {
            leaves.scans.push(scan);
            return Ok(node);
        }
        let children: Vec<_> = node.children().into_iter().cloned().collect();
        let mut replaced = Vec::with_capacity(children.len());
        let is_union = node.is::<UnionExec>() || node.name() == "InterleaveExec";
        if children.len() == 2 && is_join(node.as_ref()) {
            let whole = self.whole_side(&children[0], &children[1])?;
            for (index, child) in children.into_iter().enumerate() {
                replaced.push(if index == whole {
                    self.read_whole(child, true)?
                } else {
                    self.split(child, leaves)?
                });
            }
        } else if children.len() == 1 || is_union {
            for child in children {
                replaced.push(self.split(child, leaves)?);
            }
        } else {
            return Err(EngineError::refused(format!(
                "a streaming query can't contain {}",
                node.name()
            )));
        }
        failed(node.replace_children(replaced, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute)))
    }

    /// Which side of a join is read whole: the one without a source, else the one that ends.
    fn whole_side(&self, left: &Arc<dyn ExecutionPlan>, right: &Arc<dyn ExecutionPlan>) -> Result<usize> {
        match (
            (self.reads(left), self.is_endless(left)),
            (self.reads(right), self.is_endless(right)),
        ) {
            ((false, _), _) | (_, (_, true)) => Ok(0),
            (_, (false, _)) | ((_, true), _) => Ok(1),
            _ => Err(EngineError::refused(
                "a streaming query can't contain a join of two streams",
            )),
        }
    }

    fn reads(&self, plan: &Arc<dyn ExecutionPlan>) -> bool {
        self.any_scan(plan, |_| true)
    }

    fn is_endless(&self, plan: &Arc<dyn ExecutionPlan>) -> bool {
        self.any_scan(plan, |scan| !source::is_bounded(&scan.table).unwrap_or(true))
    }

    fn any_scan(&self, plan: &Arc<dyn ExecutionPlan>, test: impl Fn(&Scan) -> bool) -> bool {
        let found = plan.exists(|node| Ok(self.scans.of(node.as_ref()).is_some_and(|scan| test(&scan))));
        found.unwrap_or(true)
    }

    /// Puts whole tables for all slots of a plan.
    fn read_whole(&self, plan: Arc<dyn ExecutionPlan>, cached: bool) -> Result<Arc<dyn ExecutionPlan>> {
        let replaced = plan.transform_up(|node| match self.scans.of(node.as_ref()) {
            Some(scan) => {
                let leaf = WholeTable::leaf(self.state.clone(), scan, cached, node.as_ref())?;
                Ok(Transformed::new(leaf, true, TreeNodeRecursion::Continue))
            }
            None => Ok(Transformed::no(node)),
        });
        failed(replaced).map(|transformed| transformed.data)
    }
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

/// A slot for a part of the plan that needs no source.
fn constant(plan: Arc<dyn ExecutionPlan>, leaves: &mut Leaves) -> Result<Arc<dyn ExecutionPlan>> {
    let slot = Slot::new(plan.schema());
    let leaf = failed(slot.leaf())?;
    leaves.constants.push((plan, slot));
    Ok(leaf)
}

fn is_join(node: &dyn ExecutionPlan) -> bool {
    node.is::<HashJoinExec>()
        || node.is::<NestedLoopJoinExec>()
        || node.is::<CrossJoinExec>()
        || node.is::<SortMergeJoinExec>()
}

/// The aggregation on the way from a plan's root to where it branches.
fn find_aggregate(plan: &LogicalPlan) -> Option<&Aggregate> {
    match plan {
        LogicalPlan::Aggregate(aggregate) => Some(aggregate),
        LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::SubqueryAlias(_) => {
            find_aggregate(plan.inputs().first()?)
        }
        _ => None,
    }
}
