//! Which statement is it.

use datafusion::sql::sqlparser::ast::Query;
use datafusion::sql::sqlparser::tokenizer::Token;
use skep_engine::{EngineError, ErrorKind, Result};

use super::ddl::{self, CreateTable, CreateView};
pub(crate) use super::reader::Name;
use super::reader::{Reader, position};

/// A statement as it was written.
#[derive(Debug)]
pub(crate) enum Statement {
    /// SELECT, WITH, VALUES.
    Query(Box<Query>),
    /// INSERT INTO.
    Insert(Insert),
    /// EXECUTE STATEMENT SET, or BEGIN STATEMENT SET: at least one INSERT.
    Inserts(Vec<Insert>),
    /// CREATE TABLE.
    CreateTable(CreateTable),
    /// CREATE VIEW.
    CreateView(CreateView),
    /// CREATE DATABASE.
    CreateDatabase {
        /// Its name, with or without a catalog.
        name: Name,
        /// IF NOT EXISTS.
        if_not_exists: bool,
    },
    /// DROP TABLE, VIEW or DATABASE.
    Drop(Drop),
    /// USE.
    Use(Name),
    /// USE CATALOG.
    UseCatalog(Name),
    /// SET.
    Set(Option<(String, String)>),
    /// RESET.
    Reset(Option<String>),
    /// SHOW.
    Show(Show),
    /// DESCRIBE.
    Describe(Name),
    /// EXPLAIN.
    Explain(Box<Self>),
}

/// `INSERT INTO sink [(columns)] query`.
#[derive(Debug)]
pub(crate) struct Insert {
    /// Where to.
    pub table: Name,
    /// The columns that the query gives; all if empty.
    pub columns: Vec<Name>,
    /// The query.
    pub query: Box<Query>,
    /// The query as it was written.
    pub text: String,
}

/// `DROP …`.
#[derive(Debug)]
pub(crate) struct Drop {
    /// What is dropped.
    pub kind: DropKind,
    /// Its name.
    pub name: Name,
    /// IF EXISTS.
    pub if_exists: bool,
    /// Only the temporary one.
    pub temporary: bool,
    /// With what is in it.
    pub cascade: bool,
}

/// What can be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DropKind {
    Table,
    View,
    Database,
}

/// What can be shown.
#[derive(Debug)]
pub(crate) enum Show {
    Catalogs,
    CurrentCatalog,
    Databases,
    CurrentDatabase,
    Tables(Listing),
    Views,
    Functions,
    Modules,
    Jars,
    CreateTable(Name),
    CreateView(Name),
    Columns(Name, Option<Pattern>),
}

/// `[FROM database] [[NOT] LIKE 'pattern']`.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub from: Option<Name>,
    pub pattern: Option<Pattern>,
}

/// `[NOT] LIKE 'pattern'`.
#[derive(Debug)]
pub(crate) struct Pattern {
    pub text: String,
    pub negated: bool,
}

/// What a statement of Flink's begins with that the embedded engine does not carry out, and why.
const NOT_HERE: [(&[&str], &str); 16] = [
    (
        &["ALTER"],
        "the embedded engine has no ALTER: drop the object and create it anew",
    ),
    (
        &["UPDATE"],
        "the embedded engine has no UPDATE: its tables are files and streams",
    ),
    (
        &["DELETE"],
        "the embedded engine has no DELETE: its tables are files and streams",
    ),
    (
        &["MERGE"],
        "the embedded engine has no MERGE: its tables are files and streams",
    ),
    (
        &["TRUNCATE"],
        "the embedded engine has no TRUNCATE: its tables are files and streams",
    ),
    (&["ANALYZE"], "the embedded engine keeps no statistics to ANALYZE"),
    (&["CALL"], "the embedded engine has no procedures to CALL"),
    (&["LOAD"], "the embedded engine has no modules but core"),
    (&["UNLOAD"], "the embedded engine has no modules but core"),
    (&["ADD"], "the embedded engine runs no jars"),
    (&["REMOVE"], "the embedded engine runs no jars"),
    (&["COMPILE"], "the embedded engine has no compiled plans"),
    (&["EXECUTE"], "the embedded engine has no compiled plans"),
    (
        &["COPY"],
        "the embedded engine has no COPY: INSERT INTO a table with 'connector' = 'filesystem'",
    ),
    (&["STOP"], "a job is stopped with !stop JOB"),
    (&["RESTORE"], "a job is restored with !restore JOB"),
];

impl Statement {
    /// Reads one statement.
    ///
    /// # Errors
    /// It is not valid SQL, or no statement that the embedded engine has: with the place of it.
    pub fn read(source: &str) -> Result<Self> {
        let mut reader = Reader::new(source)?;
        let statement = Self::parse(&mut reader)?;
        reader.expect_end()?;
        Ok(statement)
    }

    fn parse(r: &mut Reader<'_>) -> Result<Self> {
        if r.words(&["EXECUTE", "STATEMENT", "SET"]) {
            r.expect_word("BEGIN")?;
            return statement_set(r);
        }
        if r.words(&["BEGIN", "STATEMENT", "SET"]) {
            r.expect(&Token::SemiColon)?;
            return statement_set(r);
        }
        if let Some((_, why)) = NOT_HERE
            .iter()
            .find(|(words, _)| words.iter().enumerate().all(|(n, word)| r.is_word(n, word)))
        {
            return Err(r.refused(*why));
        }
        let first = r.peek().clone();
        if first.token == Token::LParen || ["SELECT", "WITH", "VALUES"].iter().any(|w| r.is_word(0, w)) {
            return Ok(Self::Query(r.query()?));
        }
        let Token::Word(word) = &first.token else {
            return Err(match &first.token {
                Token::EOF | Token::SemiColon => EngineError::rejected("the statement is empty"),
                token => EngineError::rejected(format!("{token} is not the beginning of a statement"))
                    .at(position(first.span)),
            });
        };
        match word.value.to_ascii_uppercase().as_str() {
            "INSERT" => Ok(Self::Insert(insert(r)?)),
            "CREATE" => ddl::create(r),
            "DROP" => drop(r),
            "USE" => {
                r.word("USE");
                if r.word("CATALOG") {
                    return Ok(Self::UseCatalog(r.name("a catalog's name", 1)?));
                }
                if r.is_word(0, "MODULES") {
                    return Err(r.refused("the embedded engine has no modules but core"));
                }
                Ok(Self::Use(r.name("a database's name", 2)?))
            }
            "SET" => set(r),
            "RESET" => {
                r.word("RESET");
                let key = r.bare_rest();
                Ok(Self::Reset((!key.is_empty()).then_some(key)))
            }
            "SHOW" => show(r),
            "DESCRIBE" | "DESC" => {
                r.parser.next_token();
                for other in ["JOB", "CATALOG", "DATABASE", "FUNCTION", "MODEL"] {
                    if r.is_word(0, other)
                        && matches!(
                            r.parser.peek_nth_token_ref(1).token,
                            Token::Word(_) | Token::SingleQuotedString(_)
                        )
                    {
                        return Err(r.refused(format!("the embedded engine has no DESCRIBE {other}")));
                    }
                }
                r.word("EXTENDED");
                Ok(Self::Describe(r.name("a table's name", 3)?))
            }
            "EXPLAIN" => explain(r),
            _ => Err(
                EngineError::rejected(format!("{} is not the beginning of a statement", first.token))
                    .at(position(first.span)),
            ),
        }
    }
}

fn insert(r: &mut Reader<'_>) -> Result<Insert> {
    r.expect_word("INSERT")?;
    if r.is_word(0, "OVERWRITE") {
        return Err(r.refused("the embedded engine has no INSERT OVERWRITE: its sinks only append"));
    }
    r.expect_word("INTO")?;
    let table = r.name("a table's name", 3)?;
    if r.is_word(0, "PARTITION") {
        return Err(r.refused("the embedded engine has no partitioned tables"));
    }
    let mut columns = Vec::new();
    let starts_query = |token: &Token| {
        matches!(token, Token::LParen)
            || super::reader::is_word(token, "SELECT")
            || super::reader::is_word(token, "WITH")
            || super::reader::is_word(token, "VALUES")
    };
    if r.peek().token == Token::LParen && !starts_query(&r.parser.peek_nth_token_ref(1).token) {
        r.expect(&Token::LParen)?;
        loop {
            columns.push(r.name("a column's name", 1)?);
            if !r.parser.consume_token(&Token::Comma) {
                break;
            }
        }
        r.expect(&Token::RParen)?;
    }
    if !starts_query(&r.peek().token) {
        return Err(r.expected("SELECT or VALUES"));
    }
    let from = r.parser.index();
    let query = r.query()?;
    let text = r.text_between(from, r.parser.index());
    Ok(Insert {
        table,
        columns,
        query,
        text,
    })
}

/// The INSERTs of a statement set, from behind its BEGIN to its END.
fn statement_set(r: &mut Reader<'_>) -> Result<Statement> {
    let mut inserts = Vec::new();
    loop {
        while r.parser.consume_token(&Token::SemiColon) {}
        if r.is_word(0, "END") {
            break;
        }
        if !r.is_word(0, "INSERT") {
            return Err(match r.peek().token {
                Token::EOF => r.expected("INSERT or END"),
                _ => r
                    .expected("INSERT or END")
                    .hint("a statement set holds INSERTs and nothing else"),
            });
        }
        inserts.push(insert(r)?);
        if r.peek().token != Token::SemiColon {
            return Err(r.expected("; after this INSERT"));
        }
    }
    if inserts.is_empty() {
        return Err(r.expected("INSERT"));
    }
    r.expect_word("END")?;
    Ok(Statement::Inserts(inserts))
}

fn drop(r: &mut Reader<'_>) -> Result<Statement> {
    r.expect_word("DROP")?;
    let temporary = r.word("TEMPORARY");
    let kind = if r.word("TABLE") {
        DropKind::Table
    } else if r.word("VIEW") {
        DropKind::View
    } else if !temporary && (r.word("DATABASE") || r.word("SCHEMA")) {
        DropKind::Database
    } else if ["FUNCTION", "SYSTEM", "CATALOG", "MODEL", "MATERIALIZED"]
        .iter()
        .any(|w| r.is_word(0, w))
    {
        let what = r.peek().token.to_string().to_uppercase();
        return Err(r.refused(format!("the embedded engine has no DROP {what}")));
    } else {
        return Err(r.expected("TABLE, VIEW or DATABASE"));
    };
    let if_exists = r.if_exists();
    let name = r.name("a name", if kind == DropKind::Database { 2 } else { 3 })?;
    let cascade = kind == DropKind::Database && r.word("CASCADE");
    if kind == DropKind::Database && !cascade {
        r.word("RESTRICT");
    }
    Ok(Statement::Drop(Drop {
        kind,
        name,
        if_exists,
        temporary,
        cascade,
    }))
}

fn set(r: &mut Reader<'_>) -> Result<Statement> {
    r.expect_word("SET")?;
    if r.at_end() {
        return Ok(Statement::Set(None));
    }
    if let Token::SingleQuotedString(_) = r.peek().token {
        let key = r.string("a key in quotes")?;
        r.expect(&Token::Eq)?;
        let value = r.string("a value in quotes")?;
        return Ok(Statement::Set(Some((key, value))));
    }
    let place = position(r.peek().span);
    let text = r.bare_rest();
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok(Statement::Set(Some((key.trim().to_owned(), value.trim().to_owned()))))
        }
        _ => Err(EngineError::rejected("SET takes a key and a value")
            .at(place)
            .hint("SET 'key' = 'value'")),
    }
}

fn show(r: &mut Reader<'_>) -> Result<Statement> {
    r.expect_word("SHOW")?;
    let show = if r.word("CATALOGS") {
        Show::Catalogs
    } else if r.words(&["CURRENT", "CATALOG"]) {
        Show::CurrentCatalog
    } else if r.words(&["CURRENT", "DATABASE"]) {
        Show::CurrentDatabase
    } else if r.word("DATABASES") || r.word("SCHEMAS") {
        Show::Databases
    } else if r.word("TABLES") {
        let from = if r.word("FROM") || r.word("IN") {
            Some(r.name("a database's name", 2)?)
        } else {
            None
        };
        Show::Tables(Listing {
            from,
            pattern: pattern(r)?,
        })
    } else if r.word("VIEWS") {
        Show::Views
    } else if r.words(&["USER", "FUNCTIONS"]) || r.word("FUNCTIONS") {
        Show::Functions
    } else if r.words(&["FULL", "MODULES"]) || r.word("MODULES") {
        Show::Modules
    } else if r.word("JARS") {
        Show::Jars
    } else if r.words(&["CREATE", "TABLE"]) {
        Show::CreateTable(r.name("a table's name", 3)?)
    } else if r.words(&["CREATE", "VIEW"]) {
        Show::CreateView(r.name("a view's name", 3)?)
    } else if r.word("COLUMNS") {
        if !r.word("FROM") {
            r.expect_word("IN")?;
        }
        let name = r.name("a table's name", 3)?;
        Show::Columns(name, pattern(r)?)
    } else {
        return Err(r.expected("something to show").hint(
            "SHOW TABLES, VIEWS, DATABASES, CATALOGS, FUNCTIONS, COLUMNS FROM t, CREATE TABLE t, CURRENT DATABASE",
        ));
    };
    Ok(Statement::Show(show))
}

fn pattern(r: &mut Reader<'_>) -> Result<Option<Pattern>> {
    let negated = r.words(&["NOT", "LIKE"]);
    if !negated && !r.word("LIKE") {
        return Ok(None);
    }
    let text = r.string("a pattern in quotes")?;
    Ok(Some(Pattern { text, negated }))
}

fn explain(r: &mut Reader<'_>) -> Result<Statement> {
    r.expect_word("EXPLAIN")?;
    if !r.words(&["PLAN", "FOR"]) {
        // Flink's details (ESTIMATED_COST, CHANGELOG_MODE, …) ask for more than there is to say here: taken, not needed.
        while matches!(&r.peek().token, Token::Word(_)) && DETAILS.iter().any(|d| r.is_word(0, d)) {
            r.parser.next_token();
            if !r.parser.consume_token(&Token::Comma) {
                break;
            }
        }
    }
    let statement = if r.words(&["STATEMENT", "SET"]) {
        r.expect_word("BEGIN")?;
        statement_set(r)?
    } else {
        Statement::parse(r)?
    };
    match statement {
        Statement::Query(_) | Statement::Insert(_) | Statement::Inserts(_) => {
            Ok(Statement::Explain(Box::new(statement)))
        }
        _ => Err(EngineError::new(
            ErrorKind::Unsupported,
            "EXPLAIN takes a query, an INSERT or a statement set",
        )),
    }
}

const DETAILS: [&str; 4] = ["ESTIMATED_COST", "CHANGELOG_MODE", "JSON_EXECUTION_PLAN", "PLAN_ADVICE"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_reads_quoted_and_bare_words() {
        for text in [
            "SET 'a.b-c' = '1 s'",
            "set a.b-c = 1 s",
            "SET a.b-c=1 s;",
            "SET 'a.b-c' -- why\n = '1 s' ;",
        ] {
            let Statement::Set(Some((key, value))) = Statement::read(text).unwrap() else {
                panic!("{text}")
            };
            assert_eq!((key.as_str(), value.as_str()), ("a.b-c", "1 s"), "{text}");
        }
        assert!(matches!(Statement::read("SET").unwrap(), Statement::Set(None)));
        assert!(matches!(Statement::read("RESET 'k'").unwrap(), Statement::Reset(Some(k)) if k == "k"));
    }

    #[test]
    fn an_error_says_where() {
        let error = Statement::read("SELECT 1,\n  FROM").unwrap_err();
        assert_eq!(error.position.map(|p| (p.line, p.column)), Some((2, 3)), "{error}");
        let error = Statement::read("  SELEC 2").unwrap_err();
        assert_eq!(error.message, "SELEC is not the beginning of a statement");
        assert_eq!(error.position.map(|p| (p.line, p.column, p.length)), Some((1, 3, 5)));
        let error = Statement::read("SELECT 'abc").unwrap_err();
        assert_eq!(error.message, "unterminated string literal");
        let error = Statement::read("SELECT (1").unwrap_err();
        assert_eq!(error.message, "expected ), found the end of the statement");
        assert_eq!(error.position.map(|p| (p.line, p.column)), Some((1, 10)));
    }

    #[test]
    fn what_can_not_be_done_here_is_refused_by_name() {
        for text in [
            "COMPILE PLAN 'p' FOR STATEMENT SET BEGIN INSERT INTO a SELECT 1; END",
            "ALTER TABLE t RENAME TO u",
            "ADD JAR 'x.jar'",
            "CREATE TABLE t AS SELECT 1",
            "CREATE TABLE t (a INT METADATA FROM 'x') WITH ('connector' = 'print')",
            "CREATE TABLE t LIKE u",
            "CREATE FUNCTION f AS 'x.Y'",
            "INSERT OVERWRITE t SELECT 1",
            "DESCRIBE JOB 'x'",
        ] {
            let error = Statement::read(text).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Unsupported, "{text}: {error}");
        }
    }

    #[test]
    fn insert_takes_columns_and_any_query() {
        let Statement::Insert(insert) = Statement::read("INSERT INTO c.d.t (b, `a x`) (SELECT 1, 2)").unwrap() else {
            panic!()
        };
        assert_eq!(insert.table.to_string(), "c.d.t");
        assert_eq!(insert.columns.len(), 2);
        let Statement::Insert(insert) = Statement::read("INSERT INTO t WITH x AS (SELECT 1) SELECT * FROM x").unwrap()
        else {
            panic!()
        };
        assert!(insert.columns.is_empty());
    }

    #[test]
    fn a_statement_set_is_its_inserts() {
        let body = "INSERT INTO a SELECT ';', CASE WHEN x THEN 1 END FROM s; /* ; */ INSERT INTO b (y) VALUES (2);";
        for text in [
            format!("EXECUTE STATEMENT SET BEGIN {body} END"),
            format!("begin statement set; {body} end;"),
            format!("EXECUTE STATEMENT SET\nBEGIN ; {body}; END;"),
        ] {
            let Statement::Inserts(inserts) = Statement::read(&text).unwrap() else {
                panic!("{text}")
            };
            let texts: Vec<_> = inserts.iter().map(|insert| insert.text.as_str()).collect();
            assert_eq!(
                texts,
                ["SELECT ';', CASE WHEN x THEN 1 END FROM s", "VALUES (2)"],
                "{text}"
            );
            assert!(Statement::read(&format!("EXPLAIN {text}")).is_ok(), "{text}");
        }
        assert!(matches!(
            Statement::read(&format!("EXPLAIN PLAN FOR STATEMENT SET BEGIN {body} END")),
            Ok(Statement::Explain(_))
        ));
        for (text, message, column) in [
            ("EXECUTE STATEMENT SET BEGIN END", "expected INSERT, found END", 29),
            (
                "BEGIN STATEMENT SET; SELECT 1; END",
                "expected INSERT or END, found SELECT",
                22,
            ),
            (
                "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; INSERT INTO",
                "expected a table's name, found the end of the statement",
                64,
            ),
            (
                "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1;",
                "expected INSERT or END, found the end of the statement",
                52,
            ),
            ("EXECUTE STATEMENT SET INSERT", "expected BEGIN, found INSERT", 23),
            (
                "EXECUTE STATEMENT SET BEGIN INSERT INTO a VALUES (1) END",
                "expected ; after this INSERT, found END",
                54,
            ),
        ] {
            let error = Statement::read(text).unwrap_err();
            assert_eq!(error.message, message, "{text}");
            assert_eq!(error.position.map(|place| place.column), Some(column), "{text}");
        }
    }

    #[test]
    fn any_prefix_of_a_statement_is_an_error_or_a_statement() {
        let text = "EXPLAIN PLAN FOR INSERT INTO `a`.b SELECT w, count(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), \
                    INTERVAL '1' HOUR)) WHERE x = 'é' /* c */ GROUP BY w -- end";
        for (at, _) in text.char_indices() {
            let _ = Statement::read(&text[..at]);
        }
        assert!(Statement::read(text).is_ok());
    }
}
