//! What a statement is, told by its first words. It is no parser: whether the rest is valid, the engine says.

use skep_engine::Dialect;

use super::Span;
use super::cursor::Cursor;
use super::job_statement;
use super::lexer::TokenKind;
use super::literal::unquote;

pub use super::kind::{Kind, ObjectType, Scope};

/// What `text` (one statement) is.
pub fn classify(text: &str, dialect: &Dialect) -> Kind {
    let mut cursor = Cursor::new(text, dialect);
    if cursor.at_end() {
        return Kind::Empty;
    }
    if let Some(job) = job_statement::parse(text, dialect) {
        return Kind::Job(job);
    }
    let span = cursor.here();
    let unknown = || Kind::Unknown {
        word: span.of(text).to_owned(),
        span,
    };
    if cursor.eat_symbol("(") || cursor.eat_any(&["SELECT", "VALUES", "TABLE"]) {
        return Kind::Query;
    }
    if cursor.eat("EXECUTE") {
        return match () {
            () if cursor.eat_all(&["STATEMENT", "SET"]) => Kind::StatementSet,
            () if cursor.eat("PLAN") => Kind::ExecutePlan,
            () if cursor.at("INSERT") => insert(&mut cursor),
            () if cursor.at_any(&["SELECT", "VALUES", "WITH"]) => Kind::Query,
            () => unknown(),
        };
    }
    let word = span.of(text).to_ascii_uppercase();
    if cursor.peek().is_some_and(|token| token.kind == TokenKind::Word) {
        match word.as_str() {
            "INSERT" => return insert(&mut cursor),
            "WITH" | "FROM" => return insert_or_query(&mut cursor),
            "CREATE" | "REPLACE" => return create(&mut cursor),
            "SET" => return set(text, dialect, &mut cursor),
            _ => {}
        }
        cursor.bump();
    }
    let object = |cursor: &mut Cursor<'_>| {
        let temporary = cursor.eat("TEMPORARY");
        (temporary, object_type(cursor))
    };
    match word.as_str() {
        "UPDATE" | "MERGE" => Kind::Change,
        "DELETE" if cursor.at_any(&RESOURCES) => Kind::RemoveJar,
        "DELETE" => Kind::Change,
        "BEGIN" if cursor.eat_all(&["STATEMENT", "SET"]) => Kind::StatementSet,
        "COMPILE" if cursor.eat("PLAN") => Kind::CompilePlan,
        "COMPILE" if cursor.eat_all(&["AND", "EXECUTE", "PLAN"]) => Kind::CompileAndExecute,
        "DROP" => {
            let (temporary, object) = object(&mut cursor);
            Kind::Drop { temporary, object }
        }
        "ALTER" => {
            let (temporary, object) = object(&mut cursor);
            Kind::Alter { temporary, object }
        }
        "USE" if cursor.at("MODULES") => Kind::UseModules,
        "USE" => Kind::Use,
        "RESET" => Kind::Reset {
            key: (!cursor.at_end()).then(|| rest(text, &cursor)),
        },
        "SHOW" => Kind::Show,
        "DESCRIBE" | "DESC" => Kind::Describe,
        "EXPLAIN" => Kind::Explain,
        "ADD" if cursor.at_any(&RESOURCES) => Kind::AddJar,
        "REMOVE" if cursor.at_any(&RESOURCES) => Kind::RemoveJar,
        "LIST" if cursor.at_any(&RESOURCES) => Kind::Show,
        "LOAD" if cursor.at("MODULE") => Kind::LoadModule,
        "UNLOAD" if cursor.at("MODULE") => Kind::UnloadModule,
        "CALL" => Kind::Call,
        "ANALYZE" => Kind::Analyze,
        "TRUNCATE" => Kind::Truncate,
        _ => unknown(),
    }
}

const RESOURCES: [&str; 6] = ["JAR", "JARS", "FILE", "FILES", "ARCHIVE", "ARCHIVES"];

fn insert(cursor: &mut Cursor<'_>) -> Kind {
    cursor.bump();
    cursor.eat_any(&["INTO", "OVERWRITE"]);
    cursor.eat("TABLE");
    cursor.name();
    // Hive's and Flink's PARTITION (…), and a list of columns.
    cursor.eat("PARTITION");
    while cursor.peek_text() == "(" {
        cursor.skip();
    }
    Kind::Insert {
        values: cursor.at("VALUES"),
    }
}

/// `WITH` and `FROM` may begin both: the first of the two words outside of parentheses tells.
fn insert_or_query(cursor: &mut Cursor<'_>) -> Kind {
    while cursor.peek().is_some() {
        if cursor.at("INSERT") {
            return Kind::Insert { values: false };
        }
        if cursor.at("SELECT") {
            break;
        }
        cursor.skip();
    }
    Kind::Query
}

fn create(cursor: &mut Cursor<'_>) -> Kind {
    cursor.bump();
    cursor.eat_all(&["OR", "REPLACE"]);
    cursor.eat_any(&["GLOBAL", "EXTERNAL"]);
    let temporary = cursor.eat_any(&["TEMPORARY", "TEMP"]);
    cursor.eat("SYSTEM");
    let object = object_type(cursor);
    if object == ObjectType::Table {
        while cursor.peek().is_some() {
            if cursor.eat("AS")
                && (cursor.peek_text() == "(" || cursor.at_any(&["SELECT", "WITH", "VALUES", "TABLE", "FROM"]))
            {
                return Kind::Ctas;
            }
            cursor.skip();
        }
    }
    Kind::Create { temporary, object }
}

fn object_type(cursor: &mut Cursor<'_>) -> ObjectType {
    if cursor.eat("SYSTEM") && !cursor.at("FUNCTION") {
        return ObjectType::Other;
    }
    let found = [
        ("TABLE", ObjectType::Table),
        ("VIEW", ObjectType::View),
        ("DATABASE", ObjectType::Database),
        ("SCHEMA", ObjectType::Database),
        ("CATALOG", ObjectType::Catalog),
        ("FUNCTION", ObjectType::Function),
        ("MACRO", ObjectType::Function),
        ("MODEL", ObjectType::Model),
    ]
    .into_iter()
    .find(|(word, _)| cursor.eat(word));
    match found {
        Some((_, object)) => object,
        None if cursor.eat_all(&["MATERIALIZED", "TABLE"]) => ObjectType::MaterializedTable,
        None => ObjectType::Other,
    }
}

fn set(text: &str, dialect: &Dialect, cursor: &mut Cursor<'_>) -> Kind {
    cursor.bump();
    if cursor.at_end() {
        return Kind::SetList { key: None };
    }
    let start = cursor.here().start;
    let mut before = Span::new(start, start);
    let mut count = 0;
    while let Some(token) = cursor.peek() {
        cursor.bump();
        if token.span.of(text) == "=" {
            let key = unquote(text[start..before.end].trim(), dialect).into_owned();
            return Kind::Set {
                key,
                value: rest(text, cursor),
            };
        }
        before = token.span;
        count += 1;
    }
    let first = text[start..before.end].trim_end_matches(';').trim();
    match (first, count) {
        ("-v", _) => Kind::SetList { key: None },
        (key, 1) => Kind::SetList {
            key: Some(unquote(key, dialect).into_owned()),
        },
        // Spark's SET TIME ZONE 'UTC'.
        (words, _) => {
            let (key, value) = words.rsplit_once(char::is_whitespace).unwrap_or((words, ""));
            Kind::Set {
                key: key.trim().to_owned(),
                value: unquote(value, dialect).into_owned(),
            }
        }
    }
}

/// What is left of the statement: a string without its quotes, or text as it stands.
fn rest(text: &str, cursor: &Cursor<'_>) -> String {
    let mut ahead = cursor.clone();
    let start = ahead.here().start;
    if let Some((value, _)) = ahead.string()
        && ahead.at_end()
    {
        return value;
    }
    ahead = cursor.clone();
    let mut end = start;
    while let Some(token) = ahead.bump() {
        if token.kind != TokenKind::Semicolon {
            end = token.span.end;
        }
    }
    text[start..end].trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::JobStatement;

    fn flink(text: &str) -> Kind {
        classify(text, &Dialect::FLINK)
    }

    fn set(key: &str, value: &str) -> Kind {
        Kind::Set {
            key: key.to_owned(),
            value: value.to_owned(),
        }
    }

    #[test]
    fn the_first_words_tell() {
        let cases = [
            ("", Kind::Empty),
            (" -- nothing\n;;", Kind::Empty),
            ("select 1", Kind::Query),
            ("/* c */ WITH a AS (INSERT) SELECT 1", Kind::Query),
            ("(SELECT 1) UNION (SELECT 2)", Kind::Query),
            ("VALUES (1)", Kind::Query),
            ("TABLE t", Kind::Query),
            ("INSERT INTO t SELECT 1", Kind::Insert { values: false }),
            (
                "INSERT INTO `a`.b PARTITION (p = 'x') (c, d) VALUES (1, 2)",
                Kind::Insert { values: true },
            ),
            ("EXECUTE INSERT OVERWRITE t VALUES (1)", Kind::Insert { values: true }),
            ("EXECUTE SELECT 1", Kind::Query),
            (
                "WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a",
                Kind::Insert { values: false },
            ),
            (
                "FROM s INSERT OVERWRITE TABLE t SELECT a",
                Kind::Insert { values: false },
            ),
            ("FROM s SELECT a", Kind::Query),
            (
                "EXECUTE STATEMENT SET BEGIN INSERT INTO t SELECT 1; END",
                Kind::StatementSet,
            ),
            ("BEGIN STATEMENT SET; INSERT INTO t SELECT 1; END", Kind::StatementSet),
            ("EXECUTE PLAN '/p.json'", Kind::ExecutePlan),
            ("COMPILE PLAN '/p.json' FOR INSERT INTO t SELECT 1", Kind::CompilePlan),
            (
                "COMPILE AND EXECUTE PLAN '/p.json' FOR INSERT INTO t SELECT 1",
                Kind::CompileAndExecute,
            ),
            ("CREATE TABLE t WITH ('a' = 'b') AS SELECT 1", Kind::Ctas),
            ("CREATE OR REPLACE TABLE t AS (SELECT 1)", Kind::Ctas),
            ("REPLACE TABLE t AS TABLE s", Kind::Ctas),
            ("USE c.d", Kind::Use),
            ("USE MODULES a, b", Kind::UseModules),
            ("SHOW TABLES", Kind::Show),
            ("DESC t", Kind::Describe),
            ("DESCRIBE job", Kind::Describe),
            ("EXPLAIN INSERT INTO t SELECT 1", Kind::Explain),
            ("ADD JAR 'a.jar'", Kind::AddJar),
            ("ADD JAR hdfs://a/b--c.jar", Kind::AddJar),
            ("REMOVE JAR 'a.jar'", Kind::RemoveJar),
            ("DELETE JAR a.jar", Kind::RemoveJar),
            ("DELETE FROM t", Kind::Change),
            ("UPDATE t SET a = 1", Kind::Change),
            ("LOAD MODULE hive WITH ('a' = 'b')", Kind::LoadModule),
            ("UNLOAD MODULE hive", Kind::UnloadModule),
            ("CALL sys.compact('t')", Kind::Call),
            ("ANALYZE TABLE t COMPUTE STATISTICS", Kind::Analyze),
            ("TRUNCATE TABLE t", Kind::Truncate),
            ("SHOW JOBS", Kind::Job(Ok(JobStatement::ShowJobs))),
        ];
        for (text, kind) in cases {
            assert_eq!(flink(text), kind, "{text}");
        }
        assert!(matches!(flink("STOP JOB"), Kind::Job(Err(_))));
    }

    #[test]
    fn what_is_not_known_is_named() {
        assert_eq!(
            flink(" SELEC 2"),
            Kind::Unknown {
                word: "SELEC".to_owned(),
                span: Span::new(1, 6)
            }
        );
        assert_eq!(
            flink("'a'"),
            Kind::Unknown {
                word: "'a'".to_owned(),
                span: Span::new(0, 3)
            }
        );
        assert_eq!(
            flink("`SELECT` 1"),
            Kind::Unknown {
                word: "`SELECT`".to_owned(),
                span: Span::new(0, 8)
            }
        );
        assert_eq!(
            flink("EXECUTE x"),
            Kind::Unknown {
                word: "EXECUTE".to_owned(),
                span: Span::new(0, 7)
            }
        );
        assert_eq!(
            flink("BEGIN"),
            Kind::Unknown {
                word: "BEGIN".to_owned(),
                span: Span::new(0, 5)
            }
        );
    }

    #[test]
    fn ddl_says_what_it_is_about() {
        use ObjectType::*;
        let cases = [
            ("CREATE TABLE t (a AS b + 1, PROCTIME AS PROCTIME())", false, Table),
            ("CREATE TEMPORARY TABLE IF NOT EXISTS t (a INT)", true, Table),
            ("CREATE EXTERNAL TABLE t (a INT)", false, Table),
            ("CREATE OR REPLACE TEMPORARY VIEW v AS SELECT 1", true, View),
            ("CREATE GLOBAL TEMPORARY VIEW v AS SELECT 1", true, View),
            ("CREATE VIEW v AS SELECT 1", false, View),
            ("CREATE MATERIALIZED TABLE m AS SELECT 1", false, MaterializedTable),
            ("CREATE DATABASE d", false, Database),
            ("CREATE SCHEMA d", false, Database),
            ("CREATE CATALOG c WITH ('type' = 'jdbc')", false, Catalog),
            ("CREATE TEMPORARY SYSTEM FUNCTION f AS 'a.B'", true, Function),
            ("CREATE FUNCTION f AS 'a.B'", false, Function),
            ("CREATE MODEL m INPUT (a INT)", false, Model),
            ("CREATE ROLE r", false, Other),
        ];
        for (text, temporary, object) in cases {
            assert_eq!(flink(text), Kind::Create { temporary, object }, "{text}");
        }
        assert_eq!(
            flink("DROP TEMPORARY VIEW IF EXISTS v"),
            Kind::Drop {
                temporary: true,
                object: View
            }
        );
        assert_eq!(
            flink("DROP TEMPORARY SYSTEM FUNCTION f"),
            Kind::Drop {
                temporary: true,
                object: Function
            }
        );
        assert_eq!(
            flink("ALTER TABLE t SET ('a' = 'b')"),
            Kind::Alter {
                temporary: false,
                object: Table
            }
        );
    }

    #[test]
    fn settings_are_read_with_and_without_quotes() {
        assert_eq!(flink("SET 'a.b' = 'it''s'"), set("a.b", "it's"));
        assert_eq!(flink("set a.b=c d ;"), set("a.b", "c d"));
        assert_eq!(
            flink("SET pipeline.jars = hdfs://a/b--c.jar"),
            set("pipeline.jars", "hdfs://a/b--c.jar")
        );
        assert_eq!(flink("SET 'a' = ''"), set("a", ""));
        assert_eq!(flink("SET a="), set("a", ""));
        assert_eq!(classify("SET hivevar:x='y'", &Dialect::HIVE), set("hivevar:x", "y"));
        assert_eq!(classify("SET TIME ZONE 'UTC'", &Dialect::HIVE), set("TIME ZONE", "UTC"));
        assert_eq!(flink("SET"), Kind::SetList { key: None });
        assert_eq!(flink("SET;"), Kind::SetList { key: None });
        assert_eq!(flink("SET -v"), Kind::SetList { key: None });
        assert_eq!(
            flink("SET 'a.b'"),
            Kind::SetList {
                key: Some("a.b".to_owned())
            }
        );
        assert_eq!(flink("RESET"), Kind::Reset { key: None });
        assert_eq!(
            flink("RESET 'a.b'"),
            Kind::Reset {
                key: Some("a.b".to_owned())
            }
        );
        assert_eq!(
            flink("RESET a.b"),
            Kind::Reset {
                key: Some("a.b".to_owned())
            }
        );
    }
}
