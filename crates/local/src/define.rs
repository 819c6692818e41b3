//! From CREATE TABLE to a table: types are settled, expressions bound, options checked.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::DFSchema;
use datafusion::logical_expr::ExprSchemable;
use skep_engine::{EngineError, Position, Result};

use crate::catalog::{Described, TableEntry};
use crate::failure::Explained;
use crate::plan::Planner;
use crate::show::{quoted, ticked};
use crate::similar::most_similar;
use crate::sql::ddl::{ColumnKind, CreateTable};
use crate::sql::types::flink_name;
use crate::table::{Computed, Table, TablePath, Watermark};

/// The connectors, as Flink calls them; `memory` is ours.
const CONNECTORS: [&str; 5] = ["datagen", "filesystem", "print", "blackhole", "memory"];

/// Makes the table that the statement declares.
///
/// # Errors
/// It names what is not there, an expression does not fit, or the connector does not take the options.
pub(crate) fn table(create: &CreateTable, path: TablePath, planner: &Planner) -> Result<TableEntry> {
    let mut physical = Vec::new();
    for column in &create.columns {
        if let ColumnKind::Physical {
            data_type, nullable, ..
        } = &column.kind
        {
            // A key is never NULL, as in Flink.
            let key = create.primary_key.iter().any(|(name, _)| *name == column.name);
            physical.push(Field::new(&column.name, data_type.clone(), *nullable && !key));
        }
    }
    if physical.is_empty() {
        return Err(
            EngineError::rejected(format!("the table {} has no column that is stored", create.name))
                .at(create.name.position()),
        );
    }
    let stored = Schema::new(physical);
    for (name, at) in &create.primary_key {
        if stored.field_with_name(name).is_err() {
            return Err(no_column(name, &create.name.to_string(), &stored, *at));
        }
    }

    let mut fields = Vec::new();
    let mut columns = Vec::new();
    let mut computed = Vec::new();
    for column in &create.columns {
        let (field, type_name, extras) = match &column.kind {
            ColumnKind::Physical { type_name, .. } => {
                let field = stored
                    .field_with_name(&column.name)
                    .map_err(|e| EngineError::failed(e.to_string()))?;
                (field.clone(), type_name.clone(), None)
            }
            ColumnKind::Computed(text) => {
                let field = computed_field(&column.name, text, &stored, planner).map_err(|e| placed(e, column.at))?;
                computed.push(Computed {
                    name: column.name.clone(),
                    expression: text.clone(),
                });
                let type_name = flink_name(field.data_type());
                (field, type_name, Some(format!("AS {text}")))
            }
        };
        columns.push(Described {
            name: column.name.clone(),
            type_name,
            nullable: field.is_nullable(),
            extras,
            comment: column.comment.clone(),
        });
        fields.push(field);
    }
    let schema = Schema::new(fields);
    let watermark = match &create.watermark {
        None => None,
        Some(declared) => {
            check_watermark(&declared.column, &declared.expression, create, &schema, planner)
                .map_err(|e| placed(e, declared.at))?;
            Some(Watermark {
                column: declared.column.clone(),
                expression: declared.expression.clone(),
            })
        }
    };
    let mut table = Table {
        path,
        schema: Arc::new(schema),
        physical: Arc::new(stored),
        computed,
        watermark,
        primary_key: create.primary_key.iter().map(|(name, _)| name.clone()).collect(),
        options: create.options.clone(),
        ddl: String::new(),
    };
    table.ddl = ddl(create, &table, &columns);
    check_connector(&table).map_err(|e| placed(e, create.options_at.unwrap_or_else(|| create.name.position())))?;
    Ok(TableEntry {
        table: Arc::new(table),
        columns,
    })
}

fn placed(error: EngineError, at: Position) -> EngineError {
    // A place inside an expression's text is not one in the statement.
    EngineError {
        position: Some(at),
        ..error
    }
}

fn no_column(name: &str, table: &str, schema: &Schema, at: Position) -> EngineError {
    let error = EngineError::rejected(format!("no column {name} in {table}")).at(at);
    match most_similar(name, schema.fields().iter().map(|f| f.name().as_str())) {
        Some(other) => error.hint(format!("did you mean {other}?")),
        None => error,
    }
}

fn computed_field(name: &str, text: &str, stored: &Schema, planner: &Planner) -> Result<Field> {
    let expr = planner.bind(text, stored)?;
    let schema = DFSchema::try_from(stored.clone()).rejected()?;
    let data_type = expr.get_type(&schema).rejected()?;
    let nullable = expr.nullable(&schema).rejected()?;
    Ok(Field::new(name, data_type, nullable))
}

fn check_watermark(column: &str, text: &str, create: &CreateTable, schema: &Schema, planner: &Planner) -> Result<()> {
    let Ok(field) = schema.field_with_name(column) else {
        let at = create.name.position();
        return Err(no_column(column, &create.name.to_string(), schema, at));
    };
    let time = |t: &DataType| matches!(t, DataType::Timestamp(..));
    if !time(field.data_type()) {
        return Err(EngineError::rejected(format!(
            "the watermark's column {column} is {}, and must be a TIMESTAMP(3) or TIMESTAMP_LTZ(3)",
            flink_name(field.data_type())
        )));
    }
    let expr = planner.bind(text, schema)?;
    let data_type = expr
        .get_type(&DFSchema::try_from(schema.clone()).rejected()?)
        .rejected()?;
    if time(&data_type) {
        Ok(())
    } else {
        Err(EngineError::rejected(format!(
            "the watermark {text} is {}, and must be a timestamp",
            flink_name(&data_type)
        )))
    }
}

fn check_connector(table: &Table) -> Result<()> {
    let known = CONNECTORS.join(", ");
    let Some(connector) = table.options.get("connector") else {
        return Err(
            EngineError::rejected(format!("the table {} has no option 'connector'", table.path.name))
                .hint(format!("the connectors are {known}")),
        );
    };
    match connector.as_str() {
        "datagen" | "filesystem" => crate::dataflow::source::validate(table),
        "print" | "blackhole" | "memory" => crate::runtime::validate(table),
        other => {
            let error = EngineError::rejected(format!("the embedded engine has no connector '{other}'"));
            Err(match most_similar(other, CONNECTORS) {
                Some(similar) => error.hint(format!("did you mean '{similar}'?")),
                None => error
                    .hint(format!("the connectors are {known}"))
                    .hint("other systems are reached through Flink: !connect flink://host:port"),
            })
        }
    }
}

/// The statement in Flink's form.
fn ddl(create: &CreateTable, table: &Table, columns: &[Described]) -> String {
    let mut lines: Vec<String> = create
        .columns
        .iter()
        .zip(columns)
        .map(|(column, described)| {
            let name = ticked(&column.name);
            let mut line = match &column.kind {
                ColumnKind::Physical { type_name, .. } => {
                    let not_null = if described.nullable { "" } else { " NOT NULL" };
                    format!("{name} {type_name}{not_null}")
                }
                ColumnKind::Computed(text) => format!("{name} AS {text}"),
            };
            if let Some(comment) = &column.comment {
                line.push_str(&format!(" COMMENT {}", quoted(comment)));
            }
            line
        })
        .collect();
    if let Some(watermark) = &table.watermark {
        lines.push(format!(
            "WATERMARK FOR {} AS {}",
            ticked(&watermark.column),
            watermark.expression
        ));
    }
    if !table.primary_key.is_empty() {
        let key: Vec<String> = table.primary_key.iter().map(|name| ticked(name)).collect();
        lines.push(format!("PRIMARY KEY ({}) NOT ENFORCED", key.join(", ")));
    }
    let options: Vec<String> = table
        .options
        .iter()
        .map(|(key, value)| format!("  {} = {}", quoted(key), quoted(value)))
        .collect();
    let temporary = if create.temporary { "TEMPORARY " } else { "" };
    let comment = create
        .comment
        .as_ref()
        .map(|c| format!(" COMMENT {}", quoted(c)))
        .unwrap_or_default();
    format!(
        "CREATE {temporary}TABLE {} (\n  {}\n){comment} WITH (\n{}\n)",
        table.path,
        lines.join(",\n  "),
        options.join(",\n")
    )
}
