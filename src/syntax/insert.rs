//! An `INSERT` taken apart: what is written where.

use skep_engine::Dialect;

use super::Span;
use super::cursor::Cursor;

/// A single `INSERT` of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Insert {
    /// The columns that are named, in their order; none if all are meant.
    pub columns: Option<Vec<String>>,
    /// It writes into a partition that it names.
    pub partition: bool,
    /// Where the query stands.
    pub query: Span,
}

/// Takes a statement apart; none if it is anything else, also a statement set.
pub fn insert(text: &str, dialect: &Dialect) -> Option<Insert> {
    let mut cursor = Cursor::new(text, dialect);
    cursor.eat("EXECUTE");
    if !cursor.eat("INSERT") || !cursor.eat_any(&["INTO", "OVERWRITE"]) {
        return None;
    }
    cursor.eat("TABLE");
    cursor.name()?;
    let partition = cursor.eat("PARTITION");
    if partition {
        cursor.skip();
    }
    let mut ahead = cursor.clone();
    let columns = if ahead.eat_symbol("(") && !ahead.at_any(&QUERY) && ahead.peek_text() != "(" {
        cursor = ahead;
        Some(names(&mut cursor)?)
    } else {
        None
    };
    let start = cursor.here().start;
    if !cursor.at_any(&QUERY) && cursor.peek_text() != "(" {
        return None;
    }
    let mut end = start;
    while let Some(token) = cursor.bump() {
        if token.kind == super::TokenKind::Semicolon {
            break;
        }
        end = token.span.end;
    }
    Some(Insert {
        columns,
        partition,
        query: Span::new(start, end),
    })
}

/// What a query begins with, besides a parenthesis.
const QUERY: [&str; 4] = ["SELECT", "WITH", "VALUES", "TABLE"];

/// The names of a list, up to its `)`.
fn names(cursor: &mut Cursor<'_>) -> Option<Vec<String>> {
    let mut names = Vec::new();
    loop {
        names.push(cursor.name()?.pop()?);
        if cursor.eat_symbol(")") {
            return Some(names);
        }
        if !cursor.eat_symbol(",") {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_is_told_from_where() {
        let query = |text: &'static str| insert(text, &Dialect::FLINK).map(|insert| insert.query.of(text));
        assert_eq!(query("INSERT INTO a.`b c` SELECT 1 -- end"), Some("SELECT 1"));
        assert_eq!(query("insert overwrite t (a, `b`) (select 1);"), Some("(select 1)"));
        assert_eq!(
            query("EXECUTE INSERT INTO t /*+ OPTIONS('a'='b') */ WITH q AS (SELECT 1) SELECT * FROM q"),
            Some("WITH q AS (SELECT 1) SELECT * FROM q")
        );
        assert_eq!(
            query("INSERT INTO t ((SELECT 1) UNION ALL SELECT 2)"),
            Some("((SELECT 1) UNION ALL SELECT 2)")
        );
        for other in [
            "SELECT 1",
            "INSERT INTO t",
            "INSERT INTO t (a b) SELECT 1",
            "INSERT INTO t nothing",
            "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; END",
        ] {
            assert_eq!(query(other), None, "{other}");
        }
        let found = insert("INSERT INTO t PARTITION (p = 'x') (b, a) SELECT 1, 2", &Dialect::FLINK).unwrap();
        assert_eq!(found.columns, Some(vec!["b".to_owned(), "a".to_owned()]));
        assert!(found.partition);
    }

    proptest! {
        #[test]
        fn any_text_is_one_or_not(text in "(INSERT INTO t )?\\PC{0,40}") {
            if let Some(found) = insert(&text, &Dialect::FLINK) {
                prop_assert!(!found.query.of(&text).is_empty());
            }
        }
    }
}
