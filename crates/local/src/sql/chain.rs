//! Long chains of operators. A parser makes of `a OR b OR c OR …` a tree as deep as the chain is long, and whatever walks
//! a tree by recursion needs a stack for it, and time that grows with the square of it.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, VisitMut, VisitorMut};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use skep_engine::{EngineError, Result};

use super::reader::position;

/// More operators in a row than that are refused. ANDs and ORs do not count: those are balanced.
const LIMIT: usize = 1000;
/// Shorter chains of AND or OR stay as they are.
const SHORT: usize = 32;

/// Refuses chains that would make too deep a tree, before there is one.
///
/// # Errors
/// There is such a chain; the error has its place.
pub(super) fn check(tokens: &[TokenWithSpan]) -> Result<()> {
    let mut outer: Vec<Chain> = Vec::new();
    let mut chain = Chain::default();
    for token in tokens {
        match &token.token {
            Token::LParen | Token::LBracket => outer.push(std::mem::take(&mut chain)),
            Token::RParen | Token::RBracket => chain = outer.pop().unwrap_or_default(),
            Token::SemiColon => chain = Chain::default(),
            Token::Comma => chain.operators = 0,
            Token::Whitespace(_) | Token::Number(..) | Token::SingleQuotedString(_) | Token::Period | Token::EOF => {}
            Token::Word(word) => match word.keyword {
                Keyword::NoKeyword => {}
                Keyword::AND | Keyword::OR | Keyword::WHEN | Keyword::THEN | Keyword::ELSE => chain.operators = 0,
                Keyword::SELECT | Keyword::FROM | Keyword::WHERE | Keyword::JOIN | Keyword::ON => chain.operators = 0,
                Keyword::UNION | Keyword::EXCEPT | Keyword::INTERSECT => {
                    chain.operators = 0;
                    chain.queries += 1;
                }
                _ => chain.operators += 1,
            },
            _ => chain.operators += 1,
        }
        let what = match () {
            () if chain.operators > LIMIT => "operators",
            () if chain.queries > LIMIT => "UNION, EXCEPT or INTERSECT",
            () => continue,
        };
        return Err(EngineError::rejected(format!("more than {LIMIT} {what} in a row")).at(position(token.span)));
    }
    Ok(())
}

/// What came in a row on one level of brackets.
#[derive(Default)]
struct Chain {
    operators: usize,
    queries: usize,
}

/// Makes trees of long chains of AND and of OR as flat as they can be: both are associative.
pub(super) fn balance(node: &mut impl VisitMut) {
    // The visitor never breaks off.
    let _: ControlFlow<()> = node.visit(&mut Balance);
}

struct Balance;

impl VisitorMut for Balance {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::BinaryOp { op, .. } = &*expr
            && matches!(op, BinaryOperator::And | BinaryOperator::Or)
            && is_long(expr, op)
        {
            let op = op.clone();
            let chain = std::mem::replace(expr, Expr::Wildcard(AttachedToken::empty()));
            if let Some(balanced) = join(operands(chain, &op), &op) {
                *expr = balanced;
            }
        }
        ControlFlow::Continue(())
    }
}

fn is_long(expr: &Expr, wanted: &BinaryOperator) -> bool {
    let mut length = 0;
    let mut next = expr;
    while let Expr::BinaryOp { left, op, .. } = next
        && op == wanted
        && length < SHORT
    {
        length += 1;
        next = left;
    }
    length == SHORT
}

/// The operands of a chain, from left to right.
fn operands(mut chain: Expr, wanted: &BinaryOperator) -> Vec<Expr> {
    let mut operands = Vec::new();
    loop {
        match chain {
            Expr::BinaryOp { left, op, right } if op == *wanted => {
                operands.push(*right);
                chain = *left;
            }
            first => {
                operands.push(first);
                operands.reverse();
                return operands;
            }
        }
    }
}

fn join(mut operands: Vec<Expr>, op: &BinaryOperator) -> Option<Expr> {
    if operands.len() < 2 {
        return operands.pop();
    }
    let right = operands.split_off(operands.len() / 2);
    Some(Expr::BinaryOp {
        left: Box::new(join(operands, op)?),
        op: op.clone(),
        right: Box::new(join(right, op)?),
    })
}

#[cfg(test)]
mod tests {
    use crate::sql::Reader;

    #[test]
    fn long_chains_keep_their_order() {
        let parts: Vec<String> = (0..100_000).map(|n| format!("a = {n}")).collect();
        for op in [" OR ", " AND "] {
            let chain = parts.join(op);
            let query = Reader::new(&format!("SELECT 1 FROM t WHERE {chain}")).unwrap().query();
            assert_eq!(query.unwrap().to_string(), format!("SELECT 1 FROM t WHERE {chain}"));
        }
    }

    #[test]
    fn what_would_be_too_deep_is_refused() {
        for sql in [
            format!("SELECT {}", vec!["1"; 1002].join(" + ")),
            format!("SELECT a{}", " IS NULL".repeat(1001)),
            format!("SELECT ({})", vec!["a"; 1002].join(" || ")),
            vec!["SELECT 1"; 1002].join(" UNION ALL "),
        ] {
            let error = Reader::new(&sql).err().unwrap();
            assert!(error.message.contains("more than 1000"), "{error}");
            assert!(error.position.is_some());
        }
        let wide = format!("SELECT {}", vec!["a + b * c"; 5000].join(", "));
        assert!(Reader::new(&wide).unwrap().query().is_ok());
    }
}
