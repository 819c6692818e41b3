//! Names as Flink gives them, and what else is put right in a query before it is planned.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    Ident, ObjectName, Query, Select, SelectItem, SetExpr, Spanned, TableFactor, Value, VisitMut, VisitorMut,
};

/// Puts a query right in place and returns the paths that stand in it as tables (`FROM 'path'`).
pub(crate) fn prepare(query: &mut Query) -> BTreeSet<String> {
    name_values(query);
    let mut visitor = Prepare::default();
    // The visitor never breaks off.
    let _: ControlFlow<()> = VisitMut::visit(query, &mut visitor);
    visitor.paths
}

/// Puts an expression right that stands alone.
pub(crate) fn prepare_expression(expr: &mut Expr) {
    // As above.
    let _: ControlFlow<()> = VisitMut::visit(expr, &mut Prepare::default());
}

#[derive(Default)]
struct Prepare {
    paths: BTreeSet<String>,
}

impl VisitorMut for Prepare {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        name_items(select);
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
        let better = match expr {
            Expr::Function(function) => if_as_case(function).or_else(|| mod_as_operator(function)),
            // A number with an exponent is a DOUBLE.
            Expr::Value(value) => match &value.value {
                Value::Number(number, _) if number.contains(['e', 'E']) => Some(double(number.clone())),
                _ => None,
            },
            _ => None,
        };
        if let Some(better) = better {
            *expr = better;
        }
        ControlFlow::Continue(())
    }
}

fn double(number: String) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(Expr::Value(Value::SingleQuotedString(number).into())),
        data_type: DataType::DoublePrecision,
        array: false,
        format: None,
    }
}

/// The two or three arguments of a call of that function.
fn arguments<'a, const N: usize>(function: &'a Function, name: &str) -> Option<[&'a Expr; N]> {
    let [part] = function.name.0.as_slice() else {
        return None;
    };
    if !part.as_ident()?.value.eq_ignore_ascii_case(name) {
        return None;
    }
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    let arguments: Option<Vec<&Expr>> = list
        .args
        .iter()
        .map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
            _ => None,
        })
        .collect();
    arguments?.try_into().ok()
}

/// `MOD(a, b)` is `a % b`: DataFusion has no such function.
fn mod_as_operator(function: &Function) -> Option<Expr> {
    let [a, b] = arguments(function, "mod")?;
    let nested = |expr: &Expr| Box::new(Expr::Nested(Box::new(expr.clone())));
    Some(Expr::Nested(Box::new(Expr::BinaryOp {
        left: nested(a),
        op: BinaryOperator::Modulo,
        right: nested(b),
    })))
}

/// An expression without a name is `EXPR$n`, n its place in the list; a column's name that is there already gets the
/// next free number behind it. DataFusion would name it by its text, and refuse two of the same name.
fn name_items(select: &mut Select) {
    let mut taken = BTreeSet::new();
    for (n, item) in select.projection.iter_mut().enumerate() {
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
                    None => free_name(&format!("EXPR${n}"), &mut taken),
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

/// `IF(condition, a, b)` is a CASE: DataFusion has no such function.
fn if_as_case(function: &Function) -> Option<Expr> {
    let [condition, yes, no] = arguments(function, "if")?;
    Some(Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen {
            condition: condition.clone(),
            result: yes.clone(),
        }],
        else_result: Some(Box::new(no.clone())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Reader;

    fn prepared(sql: &str) -> (String, BTreeSet<String>) {
        let mut query = Reader::new(sql).unwrap().parser.parse_query().unwrap();
        let paths = prepare(&mut query);
        (query.to_string(), paths)
    }

    #[test]
    fn what_has_no_name_gets_one() {
        assert_eq!(
            prepared("SELECT 1, a, t.a, b + 1, count(*) AS c FROM t").0,
            "SELECT 1 AS `EXPR$0`, a, t.a AS `a0`, b + 1 AS `EXPR$3`, count(*) AS c FROM t"
        );
        assert_eq!(
            prepared("VALUES (1, 'x')").0,
            "SELECT * FROM (VALUES (1, 'x')) AS `VALUES` (`EXPR$0`, `EXPR$1`)"
        );
        assert_eq!(
            prepared("SELECT * FROM (VALUES (1)) AS t(a)").0,
            "SELECT * FROM (VALUES (1)) AS t (a)"
        );
    }

    #[test]
    fn if_is_a_case() {
        assert_eq!(
            prepared("SELECT IF(a > 1, 'x', IF(b, 'y', 'z')) AS v FROM t").0,
            "SELECT CASE WHEN a > 1 THEN 'x' ELSE CASE WHEN b THEN 'y' ELSE 'z' END END AS v FROM t"
        );
    }

    #[test]
    fn a_quoted_string_as_a_table_is_a_path() {
        let (_, paths) = prepared("SELECT * FROM 'a/b.csv' x JOIN t ON x.i = t.i WHERE v = 'c/d.csv'");
        assert_eq!(paths.into_iter().collect::<Vec<_>>(), ["a/b.csv"]);
    }
}
