//! CREATE TABLE, CREATE VIEW, CREATE DATABASE.

use std::collections::BTreeMap;

use datafusion::arrow::datatypes::DataType;
use datafusion::sql::sqlparser::ast::{DataType as SqlType, Query};
use datafusion::sql::sqlparser::tokenizer::Token;
use skep_engine::{EngineError, Position, Result};

use super::reader::{Name, Reader, position};
use super::statement::Statement;
use super::types::{arrow_type, flink_name};

/// `CREATE [TEMPORARY] TABLE`.
#[derive(Debug)]
pub(crate) struct CreateTable {
    pub name: Name,
    pub temporary: bool,
    pub if_not_exists: bool,
    pub columns: Vec<ColumnDecl>,
    pub watermark: Option<WatermarkDecl>,
    pub primary_key: Vec<(String, Position)>,
    pub comment: Option<String>,
    pub options: BTreeMap<String, String>,
    /// Where `WITH` stands.
    pub options_at: Option<Position>,
}

/// A column of a `CREATE TABLE`.
#[derive(Debug)]
pub(crate) struct ColumnDecl {
    pub name: String,
    pub kind: ColumnKind,
    pub comment: Option<String>,
    pub at: Position,
}

/// What a column holds.
#[derive(Debug)]
pub(crate) enum ColumnKind {
    /// It is stored.
    Physical {
        data_type: DataType,
        /// Flink's name of the type.
        type_name: String,
        nullable: bool,
    },
    /// It is computed: the expression as written.
    Computed(String),
}

/// `WATERMARK FOR column AS expression`.
#[derive(Debug)]
pub(crate) struct WatermarkDecl {
    pub column: String,
    pub expression: String,
    pub at: Position,
}

/// `CREATE [TEMPORARY] VIEW`.
#[derive(Debug)]
pub(crate) struct CreateView {
    pub name: Name,
    pub temporary: bool,
    pub if_not_exists: bool,
    /// The columns' names; the query's own if empty.
    pub columns: Vec<String>,
    pub comment: Option<String>,
    pub query: Box<Query>,
    /// The query as written.
    pub text: String,
}

/// Reads `CREATE …`.
pub(super) fn create(r: &mut Reader<'_>) -> Result<Statement> {
    r.expect_word("CREATE")?;
    if r.words(&["OR", "REPLACE"]) || r.words(&["OR", "ALTER"]) {
        return Err(r.refused("the embedded engine has no CREATE OR REPLACE: drop the object first"));
    }
    let temporary = r.word("TEMPORARY");
    if r.word("TABLE") {
        return Ok(Statement::CreateTable(create_table(r, temporary)?));
    }
    if r.word("VIEW") {
        return Ok(Statement::CreateView(create_view(r, temporary)?));
    }
    if !temporary && (r.word("DATABASE") || r.word("SCHEMA")) {
        let if_not_exists = r.if_not_exists();
        let name = r.name("a database's name", 2)?;
        if r.word("COMMENT") {
            r.string("a comment in quotes")?;
        }
        if r.is_word(0, "WITH") {
            return Err(r.refused("a database of the embedded engine has no options"));
        }
        return Ok(Statement::CreateDatabase { name, if_not_exists });
    }
    for what in ["FUNCTION", "SYSTEM", "CATALOG", "MODEL", "MATERIALIZED", "CONNECTION"] {
        if r.is_word(0, what) {
            return Err(r.refused(format!("the embedded engine has no CREATE {what}")));
        }
    }
    Err(r.expected("TABLE, VIEW or DATABASE"))
}

fn create_table(r: &mut Reader<'_>, temporary: bool) -> Result<CreateTable> {
    let if_not_exists = r.if_not_exists();
    let name = r.name("a table's name", 3)?;
    let mut table = CreateTable {
        name,
        temporary,
        if_not_exists,
        columns: Vec::new(),
        watermark: None,
        primary_key: Vec::new(),
        comment: None,
        options: BTreeMap::new(),
        options_at: None,
    };
    if r.parser.consume_token(&Token::LParen) {
        loop {
            element(r, &mut table)?;
            if !r.parser.consume_token(&Token::Comma) {
                break;
            }
        }
        r.expect(&Token::RParen)?;
    }
    if r.word("COMMENT") {
        table.comment = Some(r.string("a comment in quotes")?);
    }
    for (word, why) in [
        ("PARTITIONED", "the embedded engine has no partitioned tables"),
        ("DISTRIBUTED", "the embedded engine has no distributed tables"),
        ("LIKE", "the embedded engine has no CREATE TABLE … LIKE"),
    ] {
        if r.is_word(0, word) {
            return Err(r.refused(why));
        }
    }
    let with = position(r.peek().span);
    if r.word("WITH") {
        table.options_at = Some(with);
        table.options = options(r)?;
    }
    if r.is_word(0, "LIKE") {
        return Err(r.refused("the embedded engine has no CREATE TABLE … LIKE"));
    }
    if r.is_word(0, "AS") {
        return Err(r
            .refused("the embedded engine has no CREATE TABLE … AS")
            .hint("create the table, then INSERT INTO it"));
    }
    if table.columns.is_empty() {
        return Err(
            EngineError::rejected(format!("the table {} has no columns", table.name)).at(table.name.position()),
        );
    }
    Ok(table)
}

/// A column, a watermark or a constraint.
fn element(r: &mut Reader<'_>, table: &mut CreateTable) -> Result<()> {
    let at = position(r.peek().span);
    if r.words(&["WATERMARK", "FOR"]) {
        if table.watermark.is_some() {
            return Err(EngineError::rejected("a table has one watermark").at(at));
        }
        let column = r.name("a column's name", 1)?.to_string();
        r.expect_word("AS")?;
        let (expression, at) = expression(r)?;
        table.watermark = Some(WatermarkDecl { column, expression, at });
        return Ok(());
    }
    if r.is_word(0, "CONSTRAINT") || (r.is_word(0, "PRIMARY") && r.is_word(1, "KEY")) {
        if r.word("CONSTRAINT") {
            r.identifier("a constraint's name")?;
        }
        if !r.words(&["PRIMARY", "KEY"]) {
            return Err(r.refused("the embedded engine has no constraint but PRIMARY KEY"));
        }
        r.expect(&Token::LParen)?;
        let mut columns = Vec::new();
        loop {
            let name = r.name("a column's name", 1)?;
            columns.push((name.to_string(), name.position()));
            if !r.parser.consume_token(&Token::Comma) {
                break;
            }
        }
        r.expect(&Token::RParen)?;
        return primary_key(r, table, columns, at);
    }
    if r.is_word(0, "UNIQUE") && r.parser.peek_nth_token_ref(1).token == Token::LParen {
        return Err(r.refused("the embedded engine has no constraint but PRIMARY KEY"));
    }
    let name = r.identifier("a column's name")?;
    if table.columns.iter().any(|c| c.name == name) {
        return Err(EngineError::rejected(format!("there are two columns {name}")).at(at));
    }
    let kind = if r.word("AS") {
        ColumnKind::Computed(expression(r)?.0)
    } else {
        physical(r)?
    };
    table.columns.push(ColumnDecl {
        name: name.clone(),
        kind,
        comment: None,
        at,
    });
    loop {
        if r.words(&["PRIMARY", "KEY"]) {
            primary_key(r, table, vec![(name.clone(), at)], at)?;
        } else if r.word("COMMENT") {
            let comment = r.string("a comment in quotes")?;
            if let Some(column) = table.columns.last_mut() {
                column.comment = Some(comment);
            }
        } else if r.is_word(0, "METADATA") {
            return Err(r.refused("the embedded engine has no METADATA columns"));
        } else {
            return Ok(());
        }
    }
}

fn physical(r: &mut Reader<'_>) -> Result<ColumnKind> {
    let at = position(r.peek().span);
    for what in ["ROW", "MULTISET", "RAW"] {
        if r.is_word(0, what) {
            return Err(r.refused(format!("the embedded engine has no type {what}")));
        }
    }
    let sql = r.parser.parse_data_type().map_err(|e| r.explain(e))?;
    let data_type = arrow_type(&sql).map_err(|why| EngineError::unsupported(why).at(at))?;
    let type_name = match &sql {
        SqlType::Char(Some(_)) | SqlType::Varchar(Some(_)) | SqlType::Binary(Some(_)) | SqlType::Varbinary(Some(_)) => {
            sql.to_string()
        }
        _ => flink_name(&data_type),
    };
    let nullable = !r.words(&["NOT", "NULL"]);
    r.word("NULL");
    Ok(ColumnKind::Physical {
        data_type,
        type_name,
        nullable,
    })
}

fn primary_key(
    r: &mut Reader<'_>,
    table: &mut CreateTable,
    columns: Vec<(String, Position)>,
    at: Position,
) -> Result<()> {
    if !r.words(&["NOT", "ENFORCED"]) {
        return Err(EngineError::rejected(
            "a primary key is not checked here and must say so: PRIMARY KEY … NOT ENFORCED",
        )
        .at(at));
    }
    if !table.primary_key.is_empty() {
        return Err(EngineError::rejected("a table has one primary key").at(at));
    }
    table.primary_key = columns;
    Ok(())
}

/// An expression: its text as written, and where it stands.
fn expression(r: &mut Reader<'_>) -> Result<(String, Position)> {
    let at = position(r.peek().span);
    let from = r.parser.index();
    r.expression()?;
    Ok((r.text_between(from, r.parser.index()), at))
}

/// `('key' = 'value', …)`.
fn options(r: &mut Reader<'_>) -> Result<BTreeMap<String, String>> {
    let mut options = BTreeMap::new();
    r.expect(&Token::LParen)?;
    loop {
        let at = position(r.peek().span);
        let key = r.string("an option's name in quotes")?;
        r.expect(&Token::Eq)?;
        let value = r.string("an option's value in quotes")?;
        if options.insert(key.clone(), value).is_some() {
            return Err(EngineError::rejected(format!("the option '{key}' is given twice")).at(at));
        }
        if !r.parser.consume_token(&Token::Comma) {
            break;
        }
    }
    r.expect(&Token::RParen)?;
    Ok(options)
}

fn create_view(r: &mut Reader<'_>, temporary: bool) -> Result<CreateView> {
    let if_not_exists = r.if_not_exists();
    let name = r.name("a view's name", 3)?;
    let mut columns = Vec::new();
    if r.parser.consume_token(&Token::LParen) {
        loop {
            columns.push(r.identifier("a column's name")?);
            if r.word("COMMENT") {
                r.string("a comment in quotes")?;
            }
            if !r.parser.consume_token(&Token::Comma) {
                break;
            }
        }
        r.expect(&Token::RParen)?;
    }
    let comment = if r.word("COMMENT") {
        Some(r.string("a comment in quotes")?)
    } else {
        None
    };
    r.expect_word("AS")?;
    let text = r.rest().to_owned();
    let query = r.query()?;
    Ok(CreateView {
        name,
        temporary,
        if_not_exists,
        columns,
        comment,
        query,
        text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(sql: &str) -> CreateTable {
        match Statement::read(sql).unwrap() {
            Statement::CreateTable(table) => table,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_table_has_all_of_flinks_parts() {
        let table = table(
            "CREATE TEMPORARY TABLE IF NOT EXISTS a.b.`my t` (\n  id BIGINT NOT NULL COMMENT 'it''s',\n  \
             price DECIMAL(10, 2), total AS price * (1 + id), ts TIMESTAMP(3), pt AS PROCTIME(), name VARCHAR(20),\n  \
             WATERMARK FOR ts AS ts -\n    INTERVAL '5' SECOND,\n  CONSTRAINT k PRIMARY KEY (id) NOT ENFORCED\n) \
             COMMENT 'x' WITH ('connector' = 'print', 'a' = 'b;c')",
        );
        assert_eq!(table.name.parts, ["a", "b", "my t"]);
        assert!(table.temporary && table.if_not_exists);
        assert_eq!(table.columns.len(), 6);
        assert_eq!(table.columns[0].comment.as_deref(), Some("it's"));
        assert!(matches!(
            &table.columns[0].kind,
            ColumnKind::Physical { nullable: false, .. }
        ));
        assert!(matches!(&table.columns[2].kind, ColumnKind::Computed(text) if text == "price * (1 + id)"));
        assert!(matches!(&table.columns[4].kind, ColumnKind::Computed(text) if text == "PROCTIME()"));
        assert!(matches!(&table.columns[5].kind, ColumnKind::Physical { type_name, .. } if type_name == "VARCHAR(20)"));
        let watermark = table.watermark.unwrap();
        assert_eq!(watermark.column, "ts");
        assert_eq!(watermark.expression, "ts -\n    INTERVAL '5' SECOND");
        assert_eq!(table.primary_key[0].0, "id");
        assert_eq!(table.options["a"], "b;c");
        assert_eq!(table.comment.as_deref(), Some("x"));
    }

    #[test]
    fn a_broken_table_says_where() {
        for (sql, message, at) in [
            ("CREATE TABLE t (a INT, a STRING)", "there are two columns a", (1, 24)),
            (
                "CREATE TABLE t (a BLURB)",
                "the embedded engine has no type BLURB",
                (1, 19),
            ),
            ("CREATE TABLE t", "the table t has no columns", (1, 14)),
            (
                "CREATE TABLE t (a INT) WITH (a = 'b')",
                "expected an option's name in quotes, found a",
                (1, 30),
            ),
            (
                "CREATE TABLE t (a INT PRIMARY KEY)",
                "a primary key is not checked here and must say so: PRIMARY KEY … NOT ENFORCED",
                (1, 17),
            ),
        ] {
            let error = Statement::read(sql).unwrap_err();
            assert_eq!(error.message, message, "{sql}");
            assert_eq!(error.position.map(|p| (p.line, p.column)), Some(at), "{sql}");
        }
    }

    #[test]
    fn a_view_keeps_its_query_as_written() {
        let Statement::CreateView(view) = Statement::read("CREATE VIEW v (x, y) AS SELECT a,\n b FROM t ;").unwrap()
        else {
            panic!()
        };
        assert_eq!(view.text, "SELECT a,\n b FROM t");
        assert_eq!(view.columns, ["x", "y"]);
    }
}
