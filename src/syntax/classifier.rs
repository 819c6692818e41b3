//! What a statement is, told by its first words. It is no parser: whether the rest is valid, the engine says.

use skep_engine::Dialect;

use super::cursor::Cursor;
use super::job_statement::{self, JobStatement, JobStatementError};
use super::lexer::TokenKind;
use super::literal::unquote;
use super::{Span, statement_set};

/// What a statement is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Nothing but blanks and comments.
    Empty,
    /// `SELECT`, `WITH`, `VALUES`, `TABLE t`, `(`, Hive's `FROM t SELECT`.
    Query,
    /// `INSERT`; Hive's `FROM t INSERT` and `WITH … INSERT` too.
    Insert {
        /// It inserts a list of `VALUES`, so that it ends.
        values: bool,
    },
    /// `UPDATE`, `DELETE FROM` or `MERGE`.
    Change,
    /// `EXECUTE STATEMENT SET BEGIN …` or `BEGIN STATEMENT SET; …`.
    StatementSet,
    /// `EXECUTE PLAN`.
    ExecutePlan,
    /// `COMPILE AND EXECUTE PLAN`.
    CompileAndExecute,
    /// `COMPILE PLAN`.
    CompilePlan,
    /// `CREATE TABLE … AS SELECT`, `REPLACE TABLE … AS SELECT`.
    Ctas,
    /// `CREATE`.
    Create {
        /// It lives as long as the session.
        temporary: bool,
        /// What is created.
        object: ObjectType,
    },
    /// `DROP`.
    Drop {
        /// `DROP TEMPORARY …`.
        temporary: bool,
        /// What is dropped.
        object: ObjectType,
    },
    /// `ALTER`.
    Alter {
        /// `ALTER TEMPORARY …`.
        temporary: bool,
        /// What is altered.
        object: ObjectType,
    },
    /// `USE`, `USE CATALOG`.
    Use,
    /// `USE MODULES`.
    UseModules,
    /// `SET 'key' = 'value'`, with or without the quotes.
    Set {
        /// Key.
        key: String,
        /// Value.
        value: String,
    },
    /// `SET`, `SET -v` or `SET key`: shows settings.
    SetList {
        /// The one asked for.
        key: Option<String>,
    },
    /// `RESET`.
    Reset {
        /// The one to reset; all without one.
        key: Option<String>,
    },
    /// `SHOW`.
    Show,
    /// `DESCRIBE`, `DESC`.
    Describe,
    /// `EXPLAIN`.
    Explain,
    /// `ADD JAR`, `ADD FILE`, `ADD ARCHIVE`.
    AddJar,
    /// `REMOVE JAR`, `DELETE JAR`.
    RemoveJar,
    /// `LOAD MODULE`.
    LoadModule,
    /// `UNLOAD MODULE`.
    UnloadModule,
    /// `CALL`.
    Call,
    /// `ANALYZE`.
    Analyze,
    /// `TRUNCATE`.
    Truncate,
    /// A statement about jobs, which the shell carries out; or one that is not written as it must be.
    Job(Result<JobStatement, JobStatementError>),
    /// Another beginning. The engine may know it.
    Unknown {
        /// The first word, or character.
        word: String,
        /// Where it stands.
        span: Span,
    },
}

/// What DDL is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectType {
    /// A table.
    Table,
    /// A view.
    View,
    /// A materialized table, whose refresh job is the catalog's.
    MaterializedTable,
    /// A database or schema.
    Database,
    /// A catalog.
    Catalog,
    /// A function.
    Function,
    /// A model.
    Model,
    /// Anything else.
    Other,
}

/// How long the effect of a statement lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// As long as the session.
    Session,
    /// As long as the session, if the catalog it is about is kept in memory.
    Catalog,
    /// It outlives the session, or has no effect on it.
    Lasting,
}

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
    let unknown = || Kind::Unknown { word: span.of(text).to_owned(), span };
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
        "RESET" => Kind::Reset { key: (!cursor.at_end()).then(|| rest(text, dialect, &cursor)) },
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
    Kind::Insert { values: cursor.at("VALUES") }
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
            if cursor.eat("AS") && (cursor.peek_text() == "(" || cursor.at_any(&["SELECT", "WITH", "VALUES", "TABLE", "FROM"])) {
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
            return Kind::Set { key, value: rest(text, dialect, cursor) };
        }
        before = token.span;
        count += 1;
    }
    let first = text[start..before.end].trim_end_matches(';').trim();
    match (first, count) {
        ("-v", _) => Kind::SetList { key: None },
        (key, 1) => Kind::SetList { key: Some(unquote(key, dialect).into_owned()) },
        // Spark's SET TIME ZONE 'UTC'.
        (words, _) => {
            let (key, value) = words.rsplit_once(char::is_whitespace).unwrap_or((words, ""));
            Kind::Set { key: key.trim().to_owned(), value: unquote(value, dialect).into_owned() }
        }
    }
}

/// What is left of the statement: a string without its quotes, or text as it stands.
fn rest(text: &str, dialect: &Dialect, cursor: &Cursor<'_>) -> String {
    let mut ahead = cursor.clone();
    let start = ahead.here().start;
    if let Some((value, _)) = ahead.string() {
        if ahead.at_end() {
            return value;
        }
        ahead = cursor.clone();
    }
    let mut end = start;
    while let Some(token) = ahead.bump() {
        if token.kind != TokenKind::Semicolon {
            end = token.span.end;
        }
    }
    let rest = text[start..end].trim();
    // RESET's key may be quoted; a value in backticks is nobody's.
    rest.to_owned()
}

impl Kind {
    /// It leaves a job behind that writes somewhere. (A query has a job too, for as long as its rows are read.)
    pub const fn starts_job(&self) -> bool {
        matches!(
            self,
            Self::Insert { .. }
                | Self::Change
                | Self::StatementSet
                | Self::ExecutePlan
                | Self::CompileAndExecute
                | Self::Ctas
        )
    }

    /// How long its effect lasts.
    pub const fn scope(&self) -> Scope {
        use ObjectType::{Catalog, Database, Function, Model, Table, View};
        match self {
            Self::Create { temporary: true, .. }
            | Self::Drop { temporary: true, .. }
            | Self::Alter { temporary: true, .. }
            | Self::Create { object: Catalog, .. }
            | Self::Drop { object: Catalog, .. }
            | Self::Alter { object: Catalog, .. }
            | Self::Use
            | Self::UseModules
            | Self::Set { .. }
            | Self::Reset { .. }
            | Self::AddJar
            | Self::RemoveJar
            | Self::LoadModule
            | Self::UnloadModule => Scope::Session,
            Self::Create { object, .. } | Self::Drop { object, .. } | Self::Alter { object, .. } => match object {
                Table | View | Database | Function | Model => Scope::Catalog,
                _ => Scope::Lasting,
            },
            _ => Scope::Lasting,
        }
    }

    /// It belongs in the prelude of what is run after it. Of objects that are not temporary this holds only if their
    /// catalog is kept in memory ([`Scope::Catalog`]): the caller knows the catalog.
    pub fn is_session_scoped(&self) -> bool {
        self.scope() != Scope::Lasting
    }
}

/// The name (its last part, without quotes) of the first table that a statement writes to: that of its `INSERT`, of the
/// first one in a statement set, or the table it creates.
pub fn sink(text: &str, dialect: &Dialect) -> Option<String> {
    let first = statement_set::members(text, dialect).and_then(|members| members.first().map(|span| span.of(text)));
    let mut cursor = Cursor::new(first.unwrap_or(text), dialect);
    let mut last = None;
    while cursor.peek().is_some() {
        if cursor.eat("INSERT") {
            cursor.eat_any(&["INTO", "OVERWRITE"]);
            cursor.eat("TABLE");
            let hive_directory = cursor.at_any(&["LOCAL", "DIRECTORY"]) && cursor.clone().name()?.len() == 1 && {
                let mut ahead = cursor.clone();
                ahead.eat("LOCAL");
                ahead.eat("DIRECTORY") && ahead.string().is_some()
            };
            return if hive_directory { None } else { cursor.name()?.pop() };
        }
        let starts = last.is_none();
        if starts && (cursor.eat("UPDATE") || cursor.eat_all(&["DELETE", "FROM"]) || cursor.eat_all(&["MERGE", "INTO"])) {
            return cursor.name()?.pop();
        }
        if starts && cursor.at_any(&["CREATE", "REPLACE"]) {
            while cursor.peek().is_some() && !cursor.eat("TABLE") {
                cursor.skip();
            }
            cursor.eat_all(&["IF", "NOT", "EXISTS"]);
            return cursor.name()?.pop();
        }
        if cursor.at("SELECT") {
            return None;
        }
        last = cursor.skip();
    }
    None
}
