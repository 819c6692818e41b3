//! The normal form of a statement: what it says, without how it is written. Two texts that differ in blanks, comments,
//! and the case of keywords and function names alone have one normal form; literals and identifiers are kept.

use skep_engine::Dialect;

use super::lexer::{Token, TokenKind, significant};
use super::rewritten::Rewritten;
use super::statement_set;

/// Words that a parenthesis may follow and that are no function's name.
pub(super) const NO_FUNCTIONS: [&str; 24] = [
    "ALL",
    "AND",
    "ANY",
    "AS",
    "BY",
    "EXCEPT",
    "EXISTS",
    "FROM",
    "IN",
    "INTERSECT",
    "INTO",
    "JOIN",
    "LATERAL",
    "NOT",
    "ON",
    "OR",
    "OVER",
    "SELECT",
    "TABLE",
    "UNION",
    "USING",
    "VALUES",
    "WHERE",
    "WITH",
];

/// Words that can't be a name unless they are quoted, in alphabetical order: their case makes no difference. (Others, such
/// as `id` or `name`, are keywords too, and names of columns far more often.)
const RESERVED: [&str; 110] = [
    "ALL",
    "ALTER",
    "AND",
    "ANY",
    "ARRAY",
    "AS",
    "ASC",
    "BEGIN",
    "BETWEEN",
    "BIGINT",
    "BINARY",
    "BOOLEAN",
    "BOTH",
    "BY",
    "BYTES",
    "CASE",
    "CATALOG",
    "CHAR",
    "COLUMN",
    "CONSTRAINT",
    "CREATE",
    "CROSS",
    "CURRENT",
    "DATABASE",
    "DATE",
    "DECIMAL",
    "DESC",
    "DESCRIPTOR",
    "DISTINCT",
    "DOUBLE",
    "DROP",
    "ELSE",
    "END",
    "ENFORCED",
    "ESCAPE",
    "EXCEPT",
    "EXECUTE",
    "EXISTS",
    "FALSE",
    "FETCH",
    "FILTER",
    "FLOAT",
    "FOLLOWING",
    "FOR",
    "FROM",
    "FULL",
    "FUNCTION",
    "GROUP",
    "HAVING",
    "IF",
    "IN",
    "INNER",
    "INSERT",
    "INT",
    "INTEGER",
    "INTERSECT",
    "INTERVAL",
    "INTO",
    "IS",
    "JOIN",
    "KEY",
    "LATERAL",
    "LEFT",
    "LIKE",
    "LIMIT",
    "MAP",
    "MULTISET",
    "NATURAL",
    "NOT",
    "NULL",
    "OF",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "OUTER",
    "OVER",
    "OVERWRITE",
    "PARTITION",
    "PRECEDING",
    "PRIMARY",
    "RANGE",
    "REPLACE",
    "RIGHT",
    "ROW",
    "ROWS",
    "SELECT",
    "SET",
    "SMALLINT",
    "STATEMENT",
    "STRING",
    "TABLE",
    "TEMPORARY",
    "THEN",
    "TIME",
    "TIMESTAMP",
    "TINYINT",
    "TO",
    "TRUE",
    "UNBOUNDED",
    "UNION",
    "UNNEST",
    "USE",
    "USING",
    "VALUES",
    "VARCHAR",
    "VIEW",
    "WATERMARK",
    "WHEN",
    "WITH",
];

fn is_reserved(word: &str) -> bool {
    // Of the clauses, WHERE and WINDOW stand in their own list.
    let word = word.to_ascii_uppercase();
    RESERVED.binary_search(&word.as_str()).is_ok() || CLAUSES.contains(&word.as_str())
}

/// Words that begin a line of a query.
const CLAUSES: [&str; 14] = [
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP",
    "HAVING",
    "WINDOW",
    "ORDER",
    "LIMIT",
    "UNION",
    "INTERSECT",
    "EXCEPT",
    "INSERT",
    "JOIN",
    "END",
];

/// A token of a normal form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// As it stands in the normal form.
    pub text: String,
    /// What it is.
    pub kind: TokenKind,
}

impl Word {
    /// It is this keyword.
    pub fn is(&self, keyword: &str) -> bool {
        self.kind == TokenKind::Word && self.text == keyword
    }

    /// It is one of these keywords.
    pub fn is_any(&self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is(keyword))
    }
}

/// The tokens of a statement's normal form. A `BEGIN STATEMENT SET; … END` is an `EXECUTE STATEMENT SET BEGIN … END`.
pub fn words(text: &str, dialect: &Dialect) -> Vec<Word> {
    let set = statement_set::as_execute(text, dialect);
    let text = set.as_ref().map_or(text, Rewritten::text);
    let tokens: Vec<Token> = significant(text, dialect).collect();
    let mut words: Vec<Word> = Vec::with_capacity(tokens.len());
    for (place, token) in tokens.iter().enumerate() {
        let written = token.span.of(text);
        let is_call = tokens.get(place + 1).is_some_and(|next| next.span.of(text) == "(")
            && !words
                .last()
                .is_some_and(|before| before.text == "." || before.is_any(&["EXISTS", "INTO", "TABLE", "VIEW"]));
        let text = if token.kind == TokenKind::Word && (is_call || is_reserved(written)) {
            written.to_ascii_uppercase()
        } else {
            written.to_owned()
        };
        words.push(Word { text, kind: token.kind });
    }
    while words.last().is_some_and(|word| word.kind == TokenKind::Semicolon) {
        words.pop();
    }
    words
}

/// The normal form in one line.
pub fn normal(text: &str, dialect: &Dialect) -> String {
    let mut normal = String::with_capacity(text.len());
    let mut before: Option<&Word> = None;
    let words = words(text, dialect);
    for word in &words {
        if before.is_some_and(|before| is_apart(before, word)) {
            normal.push(' ');
        }
        normal.push_str(&word.text);
        before = Some(word);
    }
    normal
}

/// The normal form in lines, a clause, column or option each: so that what differs between two of them is short.
pub fn lines(text: &str, dialect: &Dialect) -> Vec<String> {
    let words = words(text, dialect);
    // What the open parentheses hold: a query, or the list of a definition.
    let mut open = vec![true];
    let mut lines = vec![String::new()];
    let mut before: Option<&Word> = None;
    for (place, word) in words.iter().enumerate() {
        let is_list = *open.last().unwrap_or(&true);
        let starts =
            is_list && word.is_any(&CLAUSES) || before.is_some_and(|before| is_list && ends_line(before, word));
        if starts && lines.last().is_some_and(|line| !line.is_empty()) {
            lines.push(String::new());
        } else if before.is_some_and(|before| is_apart(before, word))
            && let Some(line) = lines.last_mut()
        {
            line.push(' ');
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(&word.text);
        }
        match word.text.as_str() {
            "(" => {
                let next = words.get(place + 1);
                let is_query = next.is_some_and(|next| next.is_any(&["SELECT", "WITH"]));
                let is_definition =
                    open.len() == 1 && words.first().is_some_and(|first| first.is_any(&["CREATE", "ALTER"]));
                open.push(is_query || is_definition);
            }
            ")" if open.len() > 1 => {
                open.pop();
            }
            _ => {}
        }
        before = Some(word);
    }
    lines.retain(|line| !line.is_empty());
    lines
}

fn ends_line(before: &Word, word: &Word) -> bool {
    before.text == "," || before.kind == TokenKind::Semicolon || (before.text == "(" && word.kind != TokenKind::Symbol)
}

/// Whether a blank stands between two tokens.
fn is_apart(before: &Word, word: &Word) -> bool {
    // `1 .` and `. 5` are no numbers.
    if before.kind == TokenKind::Number && word.text == "." || before.text == "." && word.kind == TokenKind::Number {
        return true;
    }
    if matches!(word.text.as_str(), "," | ")" | "." | "]" | ";") || matches!(before.text.as_str(), "(" | "." | "[") {
        return false;
    }
    let is_call = word.text == "("
        && matches!(before.kind, TokenKind::Word | TokenKind::Identifier)
        && !before.is_any(&NO_FUNCTIONS);
    !is_call
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn flink(text: &str) -> String {
        normal(text, &Dialect::FLINK)
    }

    #[test]
    fn how_it_is_written_makes_no_difference() {
        let one =
            "INSERT INTO t SELECT Id, count(*) FROM s -- all of them\n  WHERE a.b > 1.5 AND c = 'It''s' GROUP BY Id;";
        let other = "insert into t\nselect Id,COUNT ( * )from s where a . b>1.5/* c */and c='It''s' group by Id";
        assert_eq!(flink(one), flink(other));
        assert_eq!(
            flink(one),
            "INSERT INTO t SELECT Id, COUNT(*) FROM s WHERE a.b > 1.5 AND c = 'It''s' GROUP BY Id"
        );
        assert_eq!(
            flink("BEGIN STATEMENT SET; INSERT INTO a SELECT 1; END;"),
            flink("execute statement set begin insert into a select 1; end")
        );
    }

    #[test]
    fn what_it_says_does() {
        for (one, other) in [
            ("SELECT id FROM t", "SELECT Id FROM t"),
            ("SELECT 'a'", "SELECT 'A'"),
            ("SELECT 1", "SELECT 1.0"),
            ("SELECT `a` FROM t", "SELECT a FROM t"),
            ("SELECT a FROM t /*+ OPTIONS('x'='1') */", "SELECT a FROM t"),
            ("SELECT - -1", "SELECT -1"),
            ("INSERT INTO T (a) SELECT 1", "INSERT INTO t (a) SELECT 1"),
        ] {
            assert_ne!(flink(one), flink(other));
        }
    }

    #[test]
    fn lines_hold_a_clause_or_a_column_each() {
        let query =
            "INSERT INTO t SELECT a, COUNT(*) OVER (PARTITION BY a ORDER BY p) FROM (SELECT x, y FROM s) WHERE a > 1";
        assert_eq!(
            lines(query, &Dialect::FLINK),
            [
                "INSERT INTO t",
                "SELECT a,",
                "COUNT(*) OVER (PARTITION BY a ORDER BY p)",
                "FROM (",
                "SELECT x,",
                "y",
                "FROM s)",
                "WHERE a > 1"
            ]
        );
        let table = "CREATE TABLE t (a INT, b DECIMAL(10, 2)) WITH ('x' = '1', 'y' = '2')";
        assert_eq!(
            lines(table, &Dialect::FLINK),
            [
                "CREATE TABLE t(",
                "a INT,",
                "b DECIMAL(10, 2)) WITH (",
                "'x' = '1',",
                "'y' = '2')"
            ]
        );
    }

    proptest! {
        #[test]
        fn a_normal_form_is_its_own(text in "[a-zA-Z0-9_ .,()*='<>\n-]{0,80}") {
            let once = flink(&text);
            prop_assert_eq!(flink(&once), once);
        }

        #[test]
        fn any_text_has_lines(text in ".{0,80}") {
            for dialect in [Dialect::FLINK, Dialect::HIVE] {
                let _ = lines(&text, &dialect);
            }
        }
    }
}
