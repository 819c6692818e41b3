//! From a logical plan to a dataflow: tables become slots, the plan is checked, planned, and cut at its aggregation.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::common::TableReference;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::datasource::provider_as_source;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::{Aggregate, LogicalPlan};
use datafusion::optimizer::Optimizer;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::joins::{CrossJoinExec, HashJoinExec, NestedLoopJoinExec, SortMergeJoinExec};
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan, ReplaceChildrenOptions};
use skep_engine::{EngineError, Position, Result};

use super::aggregate::Aggregation;
use super::branch::{Branch, Name, Summary};
use super::check;
use super::constant::Constant;
use super::error::{failed, rejected};
use super::grouping::grouping;
use super::input::Input;
use super::lower::Executor;
use super::query::Query;
use super::slot::{Cache, Keeping, Scan, Scans, Slot, SlotTable, WholeTable};
use super::trace::Traced;
use super::upper::{Cut, cut};
use super::{Dataflow, fingerprint, source};
use crate::table::{Table, TablePath};

/// The setting that limits how many rows a second each source gives.
const RATE: &str = "local.source.rows-per-second";
/// The setting by which a bounded query runs as a stream (`streaming`) or a plain one (`batch`, `automatic`).
const MODE: &str = "execution.runtime-mode";

/// Knows the tables that a plan reads as sources, by the names it has for them.
pub type Tables<'a> = &'a dyn Fn(&TableReference) -> Option<Arc<Table>>;

/// One INSERT of a statement set.
pub struct Part<'a> {
    /// The rows to be inserted.
    pub plan: LogicalPlan,
    /// The tables that it reads as sources.
    pub tables: Tables<'a>,
    /// What tells its state from the others'.
    pub name: String,
    /// What else of it must be the same for its state to be taken over: a name and a value.
    pub facts: BTreeMap<String, String>,
    /// Where it stands in the statement.
    pub position: Position,
}

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
    tables: Tables<'_>,
    settings: &BTreeMap<String, String>,
) -> Result<Box<dyn Dataflow>> {
    let mut builder = Builder::new(state, settings)?;
    let query = builder.take((input, tables), Name::default(), BTreeMap::new())?;
    builder.build(&[query])
}

/// Builds one dataflow of several INSERTs, with an outlet for each. A table that several of them read is read once. One
/// that has no end makes streams of them all, as one job has one mode.
///
/// # Errors
/// As [`build`], with the place of the INSERT. Refused, if a table is wanted as a stream by one and whole by another.
pub fn build_set(
    state: &SessionState,
    parts: Vec<Part<'_>>,
    settings: &BTreeMap<String, String>,
) -> Result<Box<dyn Dataflow>> {
    let mut builder = Builder::new(state, settings)?;
    let mut queries = Vec::with_capacity(parts.len());
    for part in parts {
        let name = Name(Some(part.name));
        let query = builder.take((part.plan, part.tables), name, part.facts);
        let mut query = query.map_err(|error| at(error, Some(part.position)))?;
        query.position = Some(part.position);
        queries.push(query);
    }
    builder.build(&queries)
}

/// The error with that place, if it has none.
fn at(error: EngineError, position: Option<Position>) -> EngineError {
    match position {
        Some(position) if error.position.is_none() => error.at(position),
        _ => error,
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

fn external(error: EngineError) -> datafusion::error::DataFusionError {
    datafusion::error::DataFusionError::External(Box::new(error))
}

/// One query of the statement, with stand-ins for its tables.
struct Logical {
    name: Name,
    facts: BTreeMap<String, String>,
    position: Option<Position>,
    /// Not optimized.
    plan: LogicalPlan,
    endless: bool,
}

/// Builds a statement's dataflow.
struct Builder {
    state: Arc<SessionState>,
    scans: Arc<Scans>,
    /// References of tables so far.
    references: usize,
    /// Which branches read each table.
    readers: BTreeMap<TablePath, BTreeSet<usize>>,
    branches: usize,
    streaming: bool,
    rate: Option<u64>,
    /// Tables that several branches read, whole.
    caches: RefCell<BTreeMap<TablePath, Cache>>,
}

/// A branch, and what it reads as its rows come.
struct Built {
    branch: Branch,
    scans: Vec<Scan>,
    windows: Vec<Traced>,
    fingerprints: Vec<super::Fingerprint>,
}

/// The leaves of a plan that give rows.
#[derive(Default)]
struct Leaves {
    scans: Vec<Scan>,
    constants: Vec<(Arc<dyn ExecutionPlan>, Arc<Slot>)>,
}

impl Builder {
    fn new(state: &SessionState, settings: &BTreeMap<String, String>) -> Result<Self> {
        Ok(Self {
            state: Arc::new(planner(state)),
            scans: Arc::default(),
            references: 0,
            readers: BTreeMap::new(),
            branches: 0,
            streaming: settings
                .get(MODE)
                .is_some_and(|mode| mode.eq_ignore_ascii_case("streaming")),
            rate: rate(settings)?,
            caches: RefCell::default(),
        })
    }

    /// Takes a query, and puts a stand-in for each reference of a table that is read as a source.
    fn take(
        &mut self,
        (plan, tables): (LogicalPlan, Tables<'_>),
        name: Name,
        facts: BTreeMap<String, String>,
    ) -> Result<Logical> {
        let branch = self.branches;
        let replaced = plan.transform_up_with_subqueries(|node| {
            let LogicalPlan::TableScan(mut scan) = node else {
                return Ok(Transformed::no(node));
            };
            let Some(table) = tables(&scan.table_name) else {
                return Ok(Transformed::no(LogicalPlan::TableScan(scan)));
            };
            let bounded = source::is_bounded(&table).map_err(external)?;
            self.readers.entry(table.path.clone()).or_default().insert(branch);
            let place = (self.references, branch);
            scan.source = provider_as_source(Arc::new(SlotTable::new(place, table, bounded, self.scans.clone())));
            self.references += 1;
            Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
        });
        let plan = rejected(replaced)?.data;
        self.branches += 1;
        Ok(Logical {
            name,
            facts,
            position: None,
            endless: check::is_endless(&plan),
            plan,
        })
    }

    fn build(mut self, queries: &[Logical]) -> Result<Box<dyn Dataflow>> {
        let bounded = !queries.iter().any(|query| query.endless);
        self.streaming |= !bounded;
        let mut plans = Vec::with_capacity(queries.len());
        for query in queries {
            if !bounded {
                let checked = check::check_clock(&query.plan).and_then(|()| check::check_shell(&query.plan));
                checked.map_err(|error| at(error, query.position))?;
            }
            plans.push(rejected(self.state.optimize(&query.plan)).map_err(|error| at(error, query.position))?);
        }
        let mut built = self.branches(queries, &plans, false)?;
        if let Some((path, position)) = self.read_both_ways(queries, &built) {
            if self.streaming {
                return Err(at(
                    EngineError::refused(format!(
                        "this INSERT needs all of table {} at once, and another one of the set reads it row by row: it \
                         would be read twice, and might not be the same",
                        path.name
                    ))
                    .hint("give it a statement of its own"),
                    position,
                ));
            }
            built = self.branches(queries, &plans, true)?;
        }
        self.finish(built, bounded)
    }

    /// A table that a branch needs whole and another one reads as its rows come, and where the first one stands.
    fn read_both_ways(&self, queries: &[Logical], built: &[Built]) -> Option<(TablePath, Option<Position>)> {
        let caches = self.caches.borrow();
        let streamed = |path: &TablePath| built.iter().flat_map(|b| &b.scans).any(|scan| scan.table.path == *path);
        let path = caches.keys().find(|path| streamed(path))?;
        let streams = |branch: usize| built[branch].scans.iter().any(|scan| scan.table.path == *path);
        let whole = self.readers.get(path)?.iter().find(|branch| !streams(**branch));
        let position = whole.and_then(|branch| queries[*branch].position);
        Some((path.clone(), position))
    }

    fn branches(&self, queries: &[Logical], plans: &[LogicalPlan], whole: bool) -> Result<Vec<Built>> {
        let branches = queries.iter().zip(plans).map(|(query, plan)| {
            let built = match check::check(plan) {
                Ok(()) if check::reads(plan) && !whole => self.incremental(query, plan),
                Err(error) if query.endless => Err(error),
                // All of the input is there: what can't be computed as it comes is computed at once.
                Ok(()) | Err(_) => self.whole(query, plan),
            };
            built.map_err(|error| at(error, query.position))
        });
        branches.collect()
    }

    fn physical(&self, plan: &LogicalPlan) -> Result<Arc<dyn ExecutionPlan>> {
        // Planning waits for nothing: our tables' scans are ready at once.
        rejected(futures::executor::block_on(
            self.state
                .query_planner()
                .create_physical_plan(plan, self.state.as_ref()),
        ))
    }

    /// A query that is computed as its rows come.
    fn incremental(&self, query: &Logical, plan: &LogicalPlan) -> Result<Built> {
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
                let (grouping, windows) = grouping(&self.scans, self.streaming, (logical, &aggregation))?;
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
        Ok(branch(query, leaves, lower, summary, windows))
    }

    /// A bounded query that is computed at once.
    fn whole(&self, query: &Logical, plan: &LogicalPlan) -> Result<Built> {
        let physical = self.physical(plan)?;
        let whole = self.read_whole(physical, false)?;
        let mut leaves = Leaves::default();
        let lower = constant(whole, &mut leaves)?;
        Ok(branch(query, leaves, lower, None, Vec::new()))
    }

    /// Puts the branches together over their inputs.
    fn finish(&self, built: Vec<Built>, bounded: bool) -> Result<Box<dyn Dataflow>> {
        let mut by_table: BTreeMap<_, Vec<Scan>> = BTreeMap::new();
        let (mut branches, mut windows, mut of_branches) = (Vec::new(), Vec::new(), Vec::new());
        for built in built {
            for scan in built.scans {
                by_table.entry(scan.table.path.clone()).or_default().push(scan);
            }
            branches.push(built.branch);
            windows.extend(built.windows);
            of_branches.extend(built.fingerprints);
        }
        let mut inputs = Vec::new();
        for scans in by_table.into_values() {
            let own = scans
                .first()
                .map(|scan| source::rate(&scan.table))
                .transpose()?
                .flatten();
            let rate = own.into_iter().chain(self.rate).min();
            let readers: BTreeSet<usize> = scans.iter().map(|scan| scan.branch).collect();
            if let Some(input) = Input::new(&self.state, scans, &windows, rate)? {
                for reader in readers {
                    branches[reader].inputs.push(inputs.len());
                }
                inputs.push(input);
            }
        }
        let mut fingerprints: Vec<_> = inputs.iter().map(fingerprint::source).collect();
        fingerprints.extend(of_branches);
        Ok(Box::new(Query {
            inputs,
            branches,
            executor: Executor::new(self.state.task_ctx()),
            bounded,
            fingerprints,
        }))
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
                let keeping = self.keeping(&scan, cached);
                let leaf = WholeTable::leaf(self.state.clone(), scan, keeping, node.as_ref())?;
                Ok(Transformed::new(leaf, true, TreeNodeRecursion::Continue))
            }
            None => Ok(Transformed::no(node)),
        });
        failed(replaced).map(|transformed| transformed.data)
    }

    /// How the table of a scan is read whole: once for all, if other branches read it too.
    fn keeping(&self, scan: &Scan, cached: bool) -> Keeping {
        let path = &scan.table.path;
        if self.readers.get(path).is_some_and(|readers| readers.len() > 1) {
            return Keeping::Shared(self.caches.borrow_mut().entry(path.clone()).or_default().clone());
        }
        if cached { Keeping::Own } else { Keeping::Nothing }
    }
}

/// A branch of that plan, which reads those leaves.
fn branch(
    query: &Logical,
    leaves: Leaves,
    lower: Arc<dyn ExecutionPlan>,
    summary: Option<(&Aggregate, Summary)>,
    windows: Vec<Traced>,
) -> Built {
    let mut fingerprints = Vec::new();
    let mut constants = Vec::new();
    for (index, (plan, slot)) in leaves.constants.into_iter().enumerate() {
        let text = datafusion::physical_plan::displayable(plan.as_ref())
            .indent(false)
            .to_string();
        fingerprints.push(fingerprint::constant(query.name.constant(index), text));
        constants.push((Constant::new(plan), slot));
    }
    let summary = summary.map(|(logical, summary)| {
        let name = query.name.aggregate();
        fingerprints.push(fingerprint::aggregate(
            name,
            logical,
            &summary.aggregation,
            &summary.grouping,
        ));
        summary
    });
    for fingerprint in &mut fingerprints {
        fingerprint.facts.extend(query.facts.clone());
    }
    Built {
        branch: Branch {
            name: query.name.clone(),
            inputs: Vec::new(),
            constants,
            lower,
            summary,
            finished: false,
            counts: (0, 0),
        },
        scans: leaves.scans,
        windows,
        fingerprints,
    }
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
