//! From a query to a logical plan: names are looked up in the session's catalog, views opened, paths read.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::catalog::cte_worktable::CteWorkTable;
use datafusion::catalog::view::ViewTable;
use datafusion::catalog::{TableFunctionArgs, TableProvider};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{DFSchema, DataFusionError, ScalarValue, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::Expr;
use datafusion::logical_expr::planner::{ContextProvider, ExprPlanner, RelationPlanner, TypePlanner};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{
    AggregateUDF, HigherOrderUDF, LogicalPlan, LogicalPlanBuilder, ScalarUDF, TableSource, WindowUDF,
};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::sql::planner::SqlToRel;
use datafusion::sql::sqlparser::ast::{Query, Statement as SqlStatement};
use skep_engine::{EngineError, Result};

use super::scan::LocalTable;
use super::state::{Mode, session_state};
use super::{file, saved};
use crate::catalog::{Catalog, Entry, View};
use crate::failure::Explained;
use crate::runtime::Host;
use crate::similar::most_similar;
use crate::sql::types::FlinkTypes;
use crate::sql::{Reader, StateOf, names};
use crate::table::{Table, TablePath};
use crate::zone::Zone;

/// Views nested deeper than this are taken for a circle.
const VIEW_DEPTH: usize = 32;

/// A planned query.
pub(crate) struct Planned {
    /// Type-checked, not optimized.
    pub plan: LogicalPlan,
    /// The tables that the plan scans, by the names it knows them under.
    pub tables: BTreeMap<TableReference, Arc<Table>>,
    /// The state it was planned with.
    pub state: SessionState,
}

/// Plans the statements of one session as it is now.
pub(crate) struct Planner {
    pub catalog: Arc<Catalog>,
    pub host: Arc<Host>,
    pub zone: Zone,
}

impl Planner {
    /// Plans a query.
    ///
    /// # Errors
    /// It names what is not there, or its types do not fit.
    pub fn plan(&self, mut query: Box<Query>, mode: Mode) -> Result<Planned> {
        if names::counts_rows(&query) {
            return Err(EngineError::unsupported(
                "the embedded engine has no INTERSECT ALL and no EXCEPT ALL, only those of distinct rows",
            ));
        }
        let state = session_state(mode, &self.zone);
        let scope = Scope {
            planner: self,
            state: &state,
            catalog: self.catalog.current.clone(),
            database: self.catalog.database.clone(),
            paths: BTreeSet::new(),
            tables: RefCell::default(),
            depth: 0,
        };
        let scope = scope.prepared(&mut query);
        let plan = scope.plan(query).rejected()?;
        let tables = scope.tables.into_inner();
        let plan = state
            .analyzer()
            .execute_and_check(plan, state.config_options(), |_, _| {})
            .rejected()?;
        Ok(Planned { plan, tables, state })
    }

    /// Binds an expression over columns: a watermark's or a computed column's.
    ///
    /// # Errors
    /// It does not parse, or names a column that is not there.
    pub fn bind(&self, text: &str, columns: &Schema) -> Result<Expr> {
        let state = session_state(Mode::Streaming, &self.zone);
        super::expression::bind(&state, text, columns)
    }
}

/// What SQL's names mean while one query is planned.
struct Scope<'a> {
    planner: &'a Planner,
    state: &'a SessionState,
    catalog: String,
    database: String,
    /// The strings that stand in the query as tables.
    paths: BTreeSet<String>,
    tables: RefCell<BTreeMap<TableReference, Arc<Table>>>,
    depth: usize,
}

impl Scope<'_> {
    /// Puts a query right, and takes in the paths that stand in it.
    fn prepared(mut self, query: &mut Query) -> Self {
        self.paths = names::prepare(query, &|query| self.width(query));
        self
    }

    /// How many columns a query has that has not been put right; `None` if it can't be planned by itself.
    fn width(&self, mut query: Query) -> Option<usize> {
        let scope = Scope {
            planner: self.planner,
            state: self.state,
            catalog: self.catalog.clone(),
            database: self.database.clone(),
            paths: BTreeSet::new(),
            tables: RefCell::default(),
            depth: self.depth + 1,
        };
        if scope.depth >= VIEW_DEPTH {
            return None;
        }
        let scope = scope.prepared(&mut query);
        let plan = scope.plan(Box::new(query)).ok()?;
        Some(plan.schema().fields().len())
    }

    fn plan(&self, query: Box<Query>) -> datafusion::common::Result<LogicalPlan> {
        SqlToRel::new(self).sql_statement_to_plan(SqlStatement::Query(query))
    }

    fn path(&self, name: &TableReference) -> TablePath {
        TablePath {
            catalog: name.catalog().unwrap_or(&self.catalog).to_owned(),
            database: name.schema().unwrap_or(&self.database).to_owned(),
            name: name.table().to_owned(),
        }
    }

    fn source(&self, name: &TableReference) -> Result<Arc<dyn TableSource>> {
        if let TableReference::Bare { table } = name
            && self.paths.contains(table.as_ref())
        {
            return Ok(match StateOf::decode(table) {
                Some(state) => provider_as_source(Arc::new(saved::open(&state)?)),
                None => provider_as_source(Arc::new(file::open(table)?)),
            });
        }
        let path = self.path(name);
        match self.planner.catalog.find(&path)? {
            Entry::Table(entry) => {
                let table = Arc::clone(&entry.table);
                let known = self.tables.borrow().get(name).is_some_and(|known| known.path != path);
                if known {
                    // Two views of different databases that mean different tables by one name.
                    return Err(EngineError::unsupported(format!(
                        "{name} means two tables in this query: write its database before it"
                    )));
                }
                self.tables.borrow_mut().insert(name.clone(), Arc::clone(&table));
                let provider: Arc<dyn TableProvider> = Arc::new(LocalTable {
                    table,
                    host: Arc::clone(&self.planner.host),
                });
                Ok(provider_as_source(provider))
            }
            Entry::Shell(table) => Ok(provider_as_source(Arc::new(table.clone()))),
            Entry::View(view) => self.open(view).map_err(|mut e| {
                // The place is one in the view's text, not in this statement's.
                e.position = None;
                e.message = format!("in the view {}: {}", view.path.name, e.message);
                e
            }),
        }
    }

    fn open(&self, view: &View) -> Result<Arc<dyn TableSource>> {
        if self.depth >= VIEW_DEPTH {
            return Err(EngineError::rejected("it is defined by itself"));
        }
        let mut reader = Reader::new(&view.query)?;
        let mut query = reader.query()?;
        let inner = Scope {
            planner: self.planner,
            state: self.state,
            catalog: view.catalog.clone(),
            database: view.database.clone(),
            paths: BTreeSet::new(),
            tables: RefCell::new(self.tables.take()),
            depth: self.depth + 1,
        };
        let inner = inner.prepared(&mut query);
        let plan = inner.plan(query).rejected();
        self.tables.replace(inner.tables.into_inner());
        let plan = rename(plan?, &view.columns)?;
        Ok(provider_as_source(Arc::new(ViewTable::new(
            plan,
            Some(view.query.clone()),
        ))))
    }
}

/// Gives the plan's columns those names.
pub(crate) fn rename(plan: LogicalPlan, columns: &[String]) -> Result<LogicalPlan> {
    if columns.is_empty() {
        return Ok(plan);
    }
    let given = plan.schema().fields().len();
    if given != columns.len() {
        return Err(EngineError::rejected(format!(
            "the view names {} columns and its query has {given}",
            columns.len()
        )));
    }
    let named: Vec<Expr> = plan
        .schema()
        .columns()
        .into_iter()
        .zip(columns)
        .map(|(column, name)| Expr::Column(column).alias(name))
        .collect();
    LogicalPlanBuilder::from(plan)
        .project(named)
        .and_then(LogicalPlanBuilder::build)
        .rejected()
}

impl ContextProvider for Scope<'_> {
    fn get_table_source(&self, name: TableReference) -> datafusion::common::Result<Arc<dyn TableSource>> {
        self.source(&name).map_err(|e| DataFusionError::External(Box::new(e)))
    }

    fn get_table_function_source(
        &self,
        name: &str,
        args: Vec<Expr>,
    ) -> datafusion::common::Result<Arc<dyn TableSource>> {
        let functions = self.state.table_functions();
        let Some(function) = functions.get(&name.to_lowercase()) else {
            let error = EngineError::rejected(format!("there is no table function {name}"));
            let error = match most_similar(name, functions.keys().map(String::as_str)) {
                Some(other) => error.hint(format!("did you mean {other}?")),
                None => error,
            };
            return Err(DataFusionError::External(Box::new(error)));
        };
        let simplifier = ExprSimplifier::new(
            SimplifyContext::builder()
                .with_config_options(Arc::clone(self.state.config_options()))
                .with_query_execution_start_time(self.state.execution_props().query_execution_start_time)
                .build(),
        );
        let schema = DFSchema::empty();
        let args = args
            .into_iter()
            .map(|arg| simplifier.coerce(arg, &schema).and_then(|e| simplifier.simplify(e)))
            // An INT is a BIGINT to them.
            .map(|arg| match arg? {
                Expr::Literal(ScalarValue::Int32(value), metadata) => {
                    Ok(Expr::Literal(ScalarValue::Int64(value.map(i64::from)), metadata))
                }
                other => Ok(other),
            })
            .collect::<datafusion::common::Result<Vec<_>>>()?;
        let provider = function.create_table_provider_with_args(TableFunctionArgs::new(&args, self.state))?;
        Ok(provider_as_source(provider))
    }

    fn create_cte_work_table(&self, name: &str, schema: SchemaRef) -> datafusion::common::Result<Arc<dyn TableSource>> {
        Ok(provider_as_source(Arc::new(CteWorkTable::new(name, schema))))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.state.expr_planners()
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        self.state.relation_planners()
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(FlinkTypes))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        self.state.scalar_functions().get(name).cloned()
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.state.higher_order_functions().get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.state.aggregate_functions().get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.state.window_functions().get(name).cloned()
    }

    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.state.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        self.state.scalar_functions().keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        self.state.higher_order_functions().keys().cloned().collect()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.state.aggregate_functions().keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.state.window_functions().keys().cloned().collect()
    }
}
