//! From an INSERT's query to the rows that its table takes.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Cast, Expr, LogicalPlan, LogicalPlanBuilder, lit};
use skep_engine::{EngineError, Result};

use crate::failure::Explained;
use crate::function::not_null;
use crate::similar::most_similar;
use crate::sql::statement::Insert;
use crate::sql::types::flink_name;
use crate::table::Table;

/// Puts the query's columns into the table's stored columns: by position, cast where Flink casts by itself, NULL where
/// the statement names no such column, and checked where the table says NOT NULL.
///
/// # Errors
/// The columns do not fit.
pub(crate) fn fit(insert: &Insert, plan: LogicalPlan, table: &Table) -> Result<LogicalPlan> {
    let targets = targets(insert, table)?;
    let given = plan.schema().columns();
    if given.len() != targets.len() {
        return Err(EngineError::rejected(format!(
            "the query gives {} columns and {} takes {}",
            given.len(),
            insert.table,
            targets.len()
        ))
        .at(insert.table.position())
        .hint(format!("it takes {}", names(&targets))));
    }
    let mut columns = Vec::with_capacity(table.physical.fields().len());
    for field in table.physical.fields() {
        let name = field.name();
        let Some(at) = targets.iter().position(|target| target.name() == name) else {
            if !field.is_nullable() {
                return Err(
                    EngineError::rejected(format!("the column {name} is NOT NULL and gets no value"))
                        .at(insert.table.position()),
                );
            }
            let null = ScalarValue::try_from(field.data_type()).rejected()?;
            columns.push(lit(null).alias(name));
            continue;
        };
        let source = plan.schema().field(at);
        let (from, to) = (source.data_type(), field.data_type());
        if !assignable(from, to) {
            return Err(EngineError::rejected(format!(
                "column {} of the query is {} and {name} is {}",
                at + 1,
                flink_name(from),
                flink_name(to)
            ))
            .at(insert.table.position())
            .hint(format!(
                "CAST({} AS {}) says that it is meant",
                source.name(),
                flink_name(to)
            )));
        }
        let mut value = Expr::Column(given[at].clone());
        if from != to {
            value = Expr::Cast(Cast::new(Box::new(value), to.clone()));
        }
        if !field.is_nullable() && source.is_nullable() {
            value = not_null(value, name);
        }
        columns.push(value.alias(name));
    }
    LogicalPlanBuilder::from(plan)
        .project(columns)
        .and_then(LogicalPlanBuilder::build)
        .rejected()
}

/// The columns that the query's columns go to.
fn targets(insert: &Insert, table: &Table) -> Result<Vec<Arc<Field>>> {
    if insert.columns.is_empty() {
        return Ok(table.physical.fields().iter().cloned().collect());
    }
    let mut targets: Vec<Arc<Field>> = Vec::new();
    for column in &insert.columns {
        let name = column.to_string();
        let Ok(field) = table.physical.field_with_name(&name) else {
            let known = table.physical.fields().iter().map(|f| f.name().as_str());
            let error = if table.computed.iter().any(|c| c.name == name) {
                EngineError::rejected(format!("the column {name} of {} is computed", insert.table))
            } else {
                EngineError::rejected(format!("no column {name} in {}", insert.table))
            };
            let error = error.at(column.position());
            return Err(match most_similar(&name, known) {
                Some(other) => error.hint(format!("did you mean {other}?")),
                None => error,
            });
        };
        if targets.iter().any(|target| target.name() == &name) {
            return Err(EngineError::rejected(format!("the column {name} is named twice")).at(column.position()));
        }
        targets.push(Arc::new(field.clone()));
    }
    Ok(targets)
}

fn names(fields: &[Arc<Field>]) -> String {
    let names: Vec<String> = fields
        .iter()
        .map(|field| format!("{} {}", field.name(), flink_name(field.data_type())))
        .collect();
    names.join(", ")
}

/// Whether a number is taken without a CAST: where Flink's `LogicalTypeCasts` says that it is implicit.
fn widens(from: &DataType, to: &DataType) -> bool {
    match (from, to) {
        (from, to) if from.is_integer() && to.is_integer() => from.primitive_width() <= to.primitive_width(),
        (_, DataType::Decimal128(..) | DataType::Float64) => true,
        (from, DataType::Float32) => from != &DataType::Float64,
        _ => false,
    }
}

/// Whether a value is taken without a CAST: the same family of types, as in Flink. What has too many digits for a DECIMAL
/// is NULL.
fn assignable(from: &DataType, to: &DataType) -> bool {
    let text = |t: &DataType| matches!(t, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let bytes = |t: &DataType| matches!(t, DataType::Binary | DataType::LargeBinary | DataType::BinaryView);
    match (from, to) {
        (DataType::Null, _) => true,
        (from, to) if from == to => true,
        (from, to) if from.is_numeric() && to.is_numeric() => widens(from, to),
        (from, to) if text(from) && text(to) => true,
        (from, to) if bytes(from) && bytes(to) => true,
        (DataType::Timestamp(..) | DataType::Date32, DataType::Timestamp(..)) => true,
        (DataType::Time32(_) | DataType::Time64(_), DataType::Time32(_) | DataType::Time64(_)) => true,
        (DataType::List(from), DataType::List(to)) => assignable(from.data_type(), to.data_type()),
        _ => false,
    }
}
