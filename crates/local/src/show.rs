//! SHOW and DESCRIBE, with Flink's column names.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use skep_engine::{EngineError, ObjectKind, Result};

use crate::catalog::{Catalog, Described, Entry, View};
use crate::sql::statement::{Listing, Pattern};
use crate::table::{Table, TablePath};

/// One column of text.
pub(crate) fn list(column: &str, values: impl IntoIterator<Item = String>) -> Result<RecordBatch> {
    let values: StringArray = values.into_iter().map(Some).collect();
    batch(vec![(column, Arc::new(values))])
}

/// Two columns of text.
pub(crate) fn pairs<'a>(
    columns: [&str; 2],
    values: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> Result<RecordBatch> {
    let (keys, values): (Vec<&str>, Vec<&str>) = values.into_iter().map(|(k, v)| (k.as_str(), v.as_str())).unzip();
    batch(vec![
        (columns[0], Arc::new(StringArray::from(keys))),
        (columns[1], Arc::new(StringArray::from(values))),
    ])
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch> {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, values)| Field::new(*name, values.data_type().clone(), true))
        .collect();
    let values = columns.into_iter().map(|(_, values)| values).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), values).map_err(|e| EngineError::failed(e.to_string()))
}

/// The names of a database's tables and views.
pub(crate) fn tables(catalog: &Catalog, listing: &Listing) -> Result<RecordBatch> {
    let (in_catalog, in_database) = match &listing.from {
        None => (catalog.current.clone(), catalog.database.clone()),
        Some(name) => {
            let path = name.resolve(&catalog.current, &catalog.current);
            // Two parts: `resolve` takes the last for a table's name.
            let in_catalog = if name.parts.len() == 2 {
                path.database
            } else {
                catalog.current.clone()
            };
            if !catalog.has_database(&in_catalog, &path.name) {
                return Err(EngineError::rejected(format!("there is no database {name}")).at(name.position()));
            }
            (in_catalog, path.name)
        }
    };
    let names = catalog.list(&in_catalog, &in_database);
    list(
        "table name",
        names.into_keys().filter(|name| matches(listing.pattern.as_ref(), name)),
    )
}

/// The names of the current database's views.
pub(crate) fn views(catalog: &Catalog) -> Result<RecordBatch> {
    let names = catalog.list(&catalog.current, &catalog.database);
    let views = names.into_iter().filter(|(_, kind)| *kind == ObjectKind::View);
    list("view name", views.map(|(name, _)| name))
}

/// Whether a name is wanted.
pub(crate) fn matches(pattern: Option<&Pattern>, name: &str) -> bool {
    pattern.is_none_or(|pattern| {
        let text: Vec<char> = pattern.text.chars().collect();
        let name: Vec<char> = name.chars().collect();
        like(&text, &name) != pattern.negated
    })
}

/// SQL's LIKE: `%` any characters, `_` one.
fn like(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('%') => {
                back = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '_' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match back {
                Some((at, from)) => {
                    p = at + 1;
                    t = from + 1;
                    back = Some((at, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '%')
}

/// What DESCRIBE says: name, type, null, key, extras, watermark.
pub(crate) fn describe(columns: &[Described], table: Option<&Table>, pattern: Option<&Pattern>) -> Result<RecordBatch> {
    let columns: Vec<&Described> = columns.iter().filter(|c| matches(pattern, &c.name)).collect();
    let text = |of: &dyn Fn(&Described) -> Option<String>| -> ArrayRef {
        Arc::new(columns.iter().map(|c| of(c)).collect::<StringArray>())
    };
    let key = table
        .filter(|t| !t.primary_key.is_empty())
        .map(|t| format!("PRI({})", t.primary_key.join(", ")));
    let watermark = table.and_then(|t| t.watermark.as_ref());
    let mut shown = vec![
        ("name", text(&|c| Some(c.name.clone()))),
        ("type", text(&|c| Some(type_shown(c, table)))),
        (
            "null",
            Arc::new(columns.iter().map(|c| Some(c.nullable)).collect::<BooleanArray>()) as ArrayRef,
        ),
        (
            "key",
            text(&|c| {
                key.clone()
                    .filter(|_| table.is_some_and(|t| t.primary_key.contains(&c.name)))
            }),
        ),
        ("extras", text(&|c| c.extras.clone())),
        (
            "watermark",
            text(&|c| watermark.filter(|w| w.column == c.name).map(|w| w.expression.clone())),
        ),
    ];
    if columns.iter().any(|c| c.comment.is_some()) {
        shown.push(("comment", text(&|c| c.comment.clone())));
    }
    batch(shown)
}

/// The type, with Flink's mark of a time attribute.
fn type_shown(column: &Described, table: Option<&Table>) -> String {
    let rowtime = table
        .and_then(|t| t.watermark.as_ref())
        .is_some_and(|w| w.column == column.name);
    let proctime = column
        .extras
        .as_deref()
        .is_some_and(|e| e.replace(' ', "").eq_ignore_ascii_case("ASPROCTIME()"));
    match (rowtime, proctime) {
        (true, _) => format!("{} *ROWTIME*", column.type_name),
        (_, true) => format!("{} *PROCTIME*", column.type_name),
        _ => column.type_name.clone(),
    }
}

/// The statement that makes the object anew.
pub(crate) fn create(entry: &Entry, kind: ObjectKind, path: &TablePath) -> Result<RecordBatch> {
    match (entry, kind) {
        (Entry::Table(table), ObjectKind::Table) => list("result", [table.table.ddl.clone()]),
        (Entry::Shell(_), _) => {
            let shown = format!("{}.{}", path.database, path.name);
            Err(
                EngineError::rejected(format!("{shown} is a table of the shell's own: no statement makes it"))
                    .hint(format!("DESCRIBE {shown} shows its columns")),
            )
        }
        (Entry::View(view), ObjectKind::View) => list("result", [view_ddl(view)]),
        (Entry::View(_), ObjectKind::Table) => {
            Err(EngineError::rejected(format!("{} is a view", path.name))
                .hint(format!("SHOW CREATE VIEW {}", path.name)))
        }
        (Entry::Table(_), ObjectKind::View) => {
            Err(EngineError::rejected(format!("{} is a table", path.name))
                .hint(format!("SHOW CREATE TABLE {}", path.name)))
        }
    }
}

/// A string in quotes.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A name in backticks.
pub(crate) fn ticked(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn view_ddl(view: &View) -> String {
    let temporary = if view.temporary { "TEMPORARY " } else { "" };
    let columns: Vec<String> = view.columns.iter().map(|c| ticked(c)).collect();
    let columns = if columns.is_empty() {
        String::new()
    } else {
        format!(" ({})", columns.join(", "))
    };
    let comment = view
        .comment
        .as_ref()
        .map(|c| format!("COMMENT {}\n", quoted(c)))
        .unwrap_or_default();
    format!(
        "CREATE {temporary}VIEW {}{columns}\n{comment}AS {}",
        view.path, view.query
    )
}

/// The columns of a query, as DESCRIBE shows a view's.
pub(crate) fn described(schema: &Schema) -> Vec<Described> {
    schema
        .fields()
        .iter()
        .map(|field| Described {
            name: field.name().clone(),
            type_name: crate::sql::types::flink_name(field.data_type()),
            nullable: field.is_nullable() || field.data_type() == &DataType::Null,
            extras: None,
            comment: None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_means_what_it_means_in_sql() {
        let like = |pattern: &str, text: &str| {
            let pattern = Pattern {
                text: pattern.to_owned(),
                negated: false,
            };
            matches(Some(&pattern), text)
        };
        assert!(like("f%", "flights"));
        assert!(like("%ght%", "flights"));
        assert!(like("_lights", "flights"));
        assert!(like("%", ""));
        assert!(!like("f", "flights"));
        assert!(!like("%x", "flights"));
        assert!(like("a%b%c", "aXbbYc"));
    }
}
