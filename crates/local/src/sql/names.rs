//! Names as Flink gives them, and what else is put right in a query before it is planned.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    Expr, Fetch, Ident, LimitClause, ObjectName, OrderBy, OrderByKind, Query, Select, SelectItem, SetExpr, SetOperator,
    SetQuantifier, Spanned, TableFactor, Value, Visit, VisitMut, Visitor, VisitorMut,
};

use super::calls;

/// Puts a query right in place and returns the paths that stand in it as tables (`FROM 'path'`).
///
/// `width` tells how many columns a query has that has not been put right yet; it is asked where an expression without a
/// name stands behind a `*`.
pub(crate) fn prepare(query: &mut Query, width: &dyn Fn(Query) -> Option<usize>) -> BTreeSet<String> {
    name_values(query);
    let mut visitor = Prepare {
        paths: BTreeSet::new(),
        width,
    };
    // The visitor never breaks off.
    let _: ControlFlow<()> = VisitMut::visit(query, &mut visitor);
    visitor.paths
}

/// Whether somewhere in the query is an `INTERSECT ALL` or `EXCEPT ALL`: DataFusion passes over how often a row is there.
pub(crate) fn counts_rows(query: &Query) -> bool {
    fn in_body(body: &SetExpr) -> bool {
        match body {
            SetExpr::SetOperation {
                op,
                set_quantifier,
                left,
                right,
            } => {
                let counts = *op != SetOperator::Union && *set_quantifier == SetQuantifier::All;
                counts || in_body(left) || in_body(right)
            }
            _ => false,
        }
    }
    struct Bodies;
    impl Visitor for Bodies {
        type Break = ();

        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            if in_body(&query.body) {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        }
    }
    Visit::visit(query, &mut Bodies).is_break()
}

/// Puts an expression right that stands alone.
pub(crate) fn prepare_expression(expr: &mut Expr) {
    // As above.
    let mut visitor = Prepare {
        paths: BTreeSet::new(),
        width: &|_| None,
    };
    let _: ControlFlow<()> = VisitMut::visit(expr, &mut visitor);
}

struct Prepare<'a> {
    paths: BTreeSet<String>,
    width: &'a dyn Fn(Query) -> Option<usize>,
}

impl VisitorMut for Prepare<'_> {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        name_items(select, self.width);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Derived { subquery, alias, .. } = factor
            && alias.as_ref().is_none_or(|a| a.columns.is_empty())
        {
            name_values(subquery);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &mut ObjectName) -> ControlFlow<()> {
        if let [part] = relation.0.as_slice()
            && let Some(ident) = part.as_ident()
            && ident.quote_style == Some('\'')
        {
            self.paths.insert(ident.value.clone());
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Some(better) = calls::better(expr) {
            *expr = better;
        }
        ControlFlow::Continue(())
    }

    /// What is counted, and not computed with, stays as it is written.
    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if let Some(OrderBy {
            kind: OrderByKind::Expressions(keys),
            ..
        }) = &mut query.order_by
        {
            keys.iter_mut().for_each(|key| calls::plain(&mut key.expr));
        }
        fetch_as_limit(query);
        match &mut query.limit_clause {
            Some(LimitClause::LimitOffset { limit, offset, .. }) => {
                let offset = offset.as_mut().map(|offset| &mut offset.value);
                limit.iter_mut().chain(offset).for_each(calls::plain);
            }
            Some(LimitClause::OffsetCommaLimit { offset, limit }) => {
                calls::plain(offset);
                calls::plain(limit);
            }
            None => {}
        }
        ControlFlow::Continue(())
    }
}

/// `FETCH FIRST n ROWS ONLY` is a LIMIT: the planner passes over it.
fn fetch_as_limit(query: &mut Query) {
    let Some(Fetch {
        with_ties: false,
        percent: false,
        quantity,
    }) = &query.fetch
    else {
        return;
    };
    let rows = quantity
        .clone()
        .unwrap_or_else(|| Expr::Value(Value::Number("1".to_owned(), false).into()));
    match &mut query.limit_clause {
        Some(LimitClause::LimitOffset {
            limit: limit @ None, ..
        }) => *limit = Some(rows),
        clause @ None => {
            *clause = Some(LimitClause::LimitOffset {
                limit: Some(rows),
                offset: None,
                limit_by: Vec::new(),
            });
        }
        Some(_) => return,
    }
    query.fetch = None;
}

/// An expression without a name is `EXPR$n`, n its place in the list; a column's name that is there already gets the
/// next free number behind it. DataFusion would name it by its text, and refuse two of the same name.
fn name_items(select: &mut Select, width: &dyn Fn(Query) -> Option<usize>) {
    let mut taken = BTreeSet::new();
    let unnamed = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(expr) => !matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)),
        _ => false,
    };
    // What is counted is the columns, and not the items.
    let mut n = 0;
    for at in 0..select.projection.len() {
        if matches!(
            select.projection[at],
            SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..)
        ) {
            let counts = select.projection[at + 1..].iter().any(unnamed);
            n += counts
                .then(|| width(alone(select, select.projection[at].clone())))
                .flatten()
                .unwrap_or(1);
            continue;
        }
        let item = &mut select.projection[at];
        n += 1;
        match item {
            SelectItem::UnnamedExpr(expr) => {
                let own = match &*expr {
                    Expr::Identifier(ident) => Some(ident.value.clone()),
                    Expr::CompoundIdentifier(parts) => parts.last().map(|ident| ident.value.clone()),
                    _ => None,
                };
                let name = match own {
                    Some(own) if taken.insert(own.clone()) => continue,
                    Some(own) => free_name(&own, &mut taken),
                    None => free_name(&format!("EXPR${}", n - 1), &mut taken),
                };
                let alias = Ident::with_quote_and_span('`', expr.span(), name);
                let expr = std::mem::replace(expr, Expr::Wildcard(AttachedToken::empty()));
                *item = SelectItem::ExprWithAlias { expr, alias };
            }
            SelectItem::ExprWithAlias { alias, .. } => {
                if !taken.insert(alias.value.clone()) {
                    alias.value = free_name(&alias.value, &mut taken);
                }
            }
            SelectItem::ExprWithAliases { .. } | SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => {}
        }
    }
}

/// The query of one item alone.
fn alone(select: &Select, item: SelectItem) -> Query {
    let select = Select {
        projection: vec![item],
        selection: None,
        having: None,
        qualify: None,
        ..select.clone()
    };
    Query {
        with: None,
        body: Box::new(SetExpr::Select(Box::new(select))),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}

fn free_name(wanted: &str, taken: &mut BTreeSet<String>) -> String {
    if taken.insert(wanted.to_owned()) {
        return wanted.to_owned();
    }
    let mut number = 0_usize;
    loop {
        let name = format!("{wanted}{number}");
        if taken.insert(name.clone()) {
            return name;
        }
        number += 1;
    }
}

/// `VALUES (…)` has the columns `EXPR$0`, `EXPR$1`, …: it becomes a SELECT that renames DataFusion's `column1`, ….
fn name_values(query: &mut Query) {
    let SetExpr::Values(values) = query.body.as_ref() else {
        return;
    };
    let Some(width) = values.rows.first().map(|row| row.len()) else {
        return;
    };
    let columns: Vec<String> = (0..width).map(|n| format!("`EXPR${n}`")).collect();
    let text = format!("SELECT * FROM (VALUES (1)) AS `VALUES`({})", columns.join(", "));
    let Ok(mut reader) = super::Reader::new(&text) else {
        return;
    };
    let Ok(mut wrapper) = reader.parser.parse_query() else {
        return;
    };
    let SetExpr::Select(select) = wrapper.body.as_mut() else {
        return;
    };
    let Some(TableFactor::Derived { subquery, .. }) = select.from.first_mut().map(|from| &mut from.relation) else {
        return;
    };
    std::mem::swap(&mut subquery.body, &mut query.body);
    query.body = wrapper.body;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Reader;

    fn prepared(sql: &str) -> (String, BTreeSet<String>) {
        let mut query = Reader::new(sql).unwrap().parser.parse_query().unwrap();
        let paths = prepare(&mut query, &|_| Some(4));
        (query.to_string(), paths)
    }

    #[test]
    fn what_has_no_name_gets_one() {
        assert_eq!(
            prepared("SELECT 1, a, t.a, b + 1, count(*) AS c FROM t").0,
            "SELECT CAST(1 AS INT) AS `EXPR$0`, a, t.a AS `a0`, b + CAST(1 AS INT) AS `EXPR$3`, count(*) AS c FROM t"
        );
        assert_eq!(
            prepared("SELECT a, *, b + c, b FROM t").0,
            "SELECT a, *, b + c AS `EXPR$5`, b FROM t"
        );
        assert_eq!(
            prepared("VALUES (1, 'x')").0,
            "SELECT * FROM (VALUES (CAST(1 AS INT), 'x')) AS `VALUES` (`EXPR$0`, `EXPR$1`)"
        );
        assert_eq!(
            prepared("SELECT * FROM (VALUES (1)) AS t(a)").0,
            "SELECT * FROM (VALUES (CAST(1 AS INT))) AS t (a)"
        );
    }

    #[test]
    fn if_is_a_case() {
        assert_eq!(
            prepared("SELECT IF(a > 1, 'x', IF(b, 'y', 'z')) AS v FROM t").0,
            "SELECT CASE WHEN a > CAST(1 AS INT) THEN 'x' ELSE CASE WHEN b THEN 'y' ELSE 'z' END END AS v FROM t"
        );
    }

    #[test]
    fn a_quoted_string_as_a_table_is_a_path() {
        let (_, paths) = prepared("SELECT * FROM 'a/b.csv' x JOIN t ON x.i = t.i WHERE v = 'c/d.csv'");
        assert_eq!(paths.into_iter().collect::<Vec<_>>(), ["a/b.csv"]);
    }
}
