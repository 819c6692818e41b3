//! Paths that still mean the same when a statement is run again from another directory.

use std::ops::ControlFlow;
use std::path::Path;

use datafusion::sql::sqlparser::ast::{ObjectName, Query, Visit, Visitor};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Span, Token, Whitespace};

use super::Statement;
use super::reader::Reader;

/// The statement with its relative paths made absolute: those of `'path' = '…'` in a table's options and of `FROM '…'`.
/// A statement that can't be read, or whose path is a reference, stays as it is.
pub(crate) fn absolute(text: &str) -> String {
    let mut paths = match Statement::read(text) {
        Ok(Statement::CreateTable(table)) if table.options.get("connector").is_some_and(|c| c == "filesystem") => {
            option(text)
        }
        Ok(Statement::CreateView(view)) => relations(text, &view.query),
        Ok(Statement::Insert(insert)) => relations(text, &insert.query),
        Ok(Statement::Inserts(inserts)) => inserts
            .iter()
            .flat_map(|insert| relations(text, &insert.query))
            .collect(),
        Ok(Statement::Query(query)) => relations(text, &query),
        _ => Vec::new(),
    };
    paths.sort_by_key(|(_, span)| std::cmp::Reverse(span.start));
    paths.dedup();
    let mut absolute = text.to_owned();
    for (path, span) in paths {
        if let Some(path) = full(&path) {
            let range = super::reader::range(text, span);
            absolute.replace_range(range, &format!("'{}'", path.replace('\'', "''")));
        }
    }
    absolute
}

/// An absolute path of the same file; `None` if it is one already or not known.
pub(crate) fn full(path: &str) -> Option<String> {
    let bare = path.strip_prefix("file:").unwrap_or(path);
    if bare.is_empty() || bare.contains("://") || bare.starts_with("//") || bare.contains("${") {
        return None;
    }
    if Path::new(bare).is_absolute() {
        return None;
    }
    Some(std::path::absolute(bare).ok()?.to_str()?.to_owned())
}

/// The value of the option `path`, and where it stands.
fn option(text: &str) -> Vec<(String, Span)> {
    let Ok(reader) = Reader::new(text) else {
        return Vec::new();
    };
    let tokens: Vec<_> = reader.tokens().iter().filter(|t| !is_space(&t.token)).collect();
    let path = tokens
        .windows(3)
        .find_map(|three| match (&three[0].token, &three[1].token, &three[2].token) {
            (Token::SingleQuotedString(key), Token::Eq, Token::SingleQuotedString(value)) if key == "path" => {
                Some((value.clone(), three[2].span))
            }
            _ => None,
        });
    path.into_iter().collect()
}

fn is_space(token: &Token) -> bool {
    matches!(
        token,
        Token::Whitespace(
            Whitespace::Space
                | Whitespace::Tab
                | Whitespace::Newline
                | Whitespace::SingleLineComment { .. }
                | Whitespace::MultiLineComment(_)
        )
    )
}

/// The strings that stand as tables, and where: behind `FROM` or `JOIN`. The parser keeps no place of them.
fn relations(text: &str, query: &Query) -> Vec<(String, Span)> {
    let mut found = Quoted::default();
    // The visitor never breaks off.
    let _: ControlFlow<()> = query.visit(&mut found);
    let Ok(reader) = Reader::new(text) else {
        return Vec::new();
    };
    let tokens: Vec<_> = reader.tokens().iter().filter(|t| !is_space(&t.token)).collect();
    let pairs = tokens
        .windows(2)
        .filter_map(|two| match (&two[0].token, &two[1].token) {
            (Token::Word(word), Token::SingleQuotedString(path))
                if matches!(word.keyword, Keyword::FROM | Keyword::JOIN) && found.0.contains(path) =>
            {
                Some((path.clone(), two[1].span))
            }
            _ => None,
        });
    pairs.collect()
}

/// Strings that stand as tables.
#[derive(Default)]
struct Quoted(Vec<String>);

impl Visitor for Quoted {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        if let [part] = relation.0.as_slice()
            && let Some(ident) = part.as_ident()
            && ident.quote_style == Some('\'')
        {
            self.0.push(ident.value.clone());
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_become_absolute() {
        let here = std::env::current_dir().unwrap().display().to_string();
        for (text, expected) in [
            (
                "CREATE TABLE `é` (a INT, b AS 'path') WITH ('connector'='filesystem', /* x */ 'path' = 'in''put', 'format'='csv')",
                format!(
                    "CREATE TABLE `é` (a INT, b AS 'path') WITH ('connector'='filesystem', /* x */ 'path' = '{here}/in''put', 'format'='csv')"
                ),
            ),
            (
                "INSERT INTO t SELECT *, 'x.csv'\nFROM 'x.csv' JOIN '/y.csv' z ON TRUE WHERE a IN (SELECT b FROM 'q')",
                format!(
                    "INSERT INTO t SELECT *, 'x.csv'\nFROM '{here}/x.csv' JOIN '/y.csv' z ON TRUE WHERE a IN (SELECT b FROM '{here}/q')"
                ),
            ),
            (
                "BEGIN STATEMENT SET; INSERT INTO t SELECT 'y' FROM 'x'; INSERT INTO u SELECT 'x' FROM 'y'; END",
                format!(
                    "BEGIN STATEMENT SET; INSERT INTO t SELECT 'y' FROM '{here}/x'; INSERT INTO u SELECT 'x' FROM '{here}/y'; END"
                ),
            ),
            (
                "CREATE VIEW v AS SELECT * FROM 'x'",
                format!("CREATE VIEW v AS SELECT * FROM '{here}/x'"),
            ),
        ] {
            assert_eq!(absolute(text), expected);
            assert_eq!(absolute(&expected), expected);
        }
        for text in [
            "CREATE TABLE t (a INT) WITH ('connector'='filesystem', 'path'='${env:DATA}/x', 'format'='csv')",
            "CREATE TABLE t (a INT) WITH ('connector'='datagen')",
            "SET 'path' = 'x'",
            "not SQL 'path' = 'x'",
        ] {
            assert_eq!(absolute(text), text);
        }
    }
}
