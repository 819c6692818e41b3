//! The kinds of statements, and what follows from them.

use super::Span;
use super::job_statement::{JobStatement, JobStatementError};

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

#[cfg(test)]
mod tests {
    use skep_engine::Dialect;

    use super::*;
    use crate::syntax::classify;

    fn flink(text: &str) -> Kind {
        classify(text, &Dialect::FLINK)
    }

    #[test]
    fn the_prelude_takes_session_scoped_statements_only() {
        let session = [
            "CREATE TEMPORARY TABLE t (a INT)",
            "CREATE CATALOG c WITH ('type' = 'x')",
            "USE d",
            "SET 'a' = 'b'",
            "RESET",
            "ADD JAR 'a'",
            "REMOVE JAR 'a'",
            "LOAD MODULE m",
            "USE MODULES m",
            "DROP TEMPORARY FUNCTION f",
        ];
        let catalog = [
            "CREATE TABLE t (a INT)",
            "ALTER TABLE t RENAME TO u",
            "DROP VIEW v",
            "CREATE DATABASE d",
            "DROP FUNCTION f",
        ];
        let lasting = [
            "CREATE TABLE t AS SELECT 1",
            "CALL p()",
            "INSERT INTO t SELECT 1",
            "SELECT 1",
            "SET",
            "SHOW JOBS",
            "CREATE MATERIALIZED TABLE m AS SELECT 1",
            "TRUNCATE TABLE t",
            "",
            "nonsense",
        ];
        for (texts, scope) in [
            (&session[..], Scope::Session),
            (&catalog, Scope::Catalog),
            (&lasting, Scope::Lasting),
        ] {
            for text in texts {
                assert_eq!(flink(text).scope(), scope, "{text}");
                assert_eq!(flink(text).is_session_scoped(), scope != Scope::Lasting, "{text}");
            }
        }
    }

    #[test]
    fn what_writes_starts_a_job() {
        for text in [
            "INSERT INTO t VALUES (1)",
            "EXECUTE PLAN 'p'",
            "CREATE TABLE t AS SELECT 1",
            "BEGIN STATEMENT SET",
            "UPDATE t SET a = 1",
        ] {
            assert!(flink(text).starts_job(), "{text}");
        }
        for text in [
            "SELECT 1",
            "COMPILE PLAN 'p' FOR INSERT INTO t SELECT 1",
            "EXPLAIN INSERT INTO t SELECT 1",
            "CALL p()",
        ] {
            assert!(!flink(text).starts_job(), "{text}");
        }
    }
}
