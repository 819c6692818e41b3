//! Statements about jobs and savepoints that the shell understands on every engine. The grammar of the job statements is
//! Flink's: <https://nightlies.apache.org/flink/flink-docs-stable/docs/dev/table/sql/job/>; that of the savepoint
//! statements follows Flink's FLIP-222.

use skep_engine::Dialect;

use super::Span;
use super::cursor::Cursor;

/// A statement about jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobStatement {
    /// `SHOW JOBS`.
    ShowJobs,
    /// `DESCRIBE JOB 'id'`.
    DescribeJob(Reference),
    /// `STOP JOB 'id' [WITH SAVEPOINT] [WITH DRAIN]`. Without a savepoint it is a cancel.
    StopJob {
        /// Which.
        job: Reference,
        /// Take a savepoint first.
        savepoint: bool,
        /// End every open window first.
        drain: bool,
    },
    /// `CREATE SAVEPOINT FOR JOB 'id'`.
    CreateSavepoint(Reference),
    /// `SHOW SAVEPOINTS [FOR JOB 'id']`.
    ShowSavepoints(Option<Reference>),
    /// `DROP SAVEPOINT 'path'`.
    DropSavepoint(Reference),
}

/// The string that names a job or a savepoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// What it says.
    pub text: String,
    /// Where it stands in the statement, with its quotes.
    pub span: Span,
}

/// A statement about jobs that is not complete or not right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct JobStatementError {
    /// What was expected.
    pub message: String,
    /// Where, in the statement; empty at its end.
    pub span: Span,
    /// How the statement is written.
    pub usage: &'static str,
}

/// Reads `text` as a statement about jobs; `None` if it is another one. A table may be called `job`: `DESCRIBE job` is
/// about the table.
///
/// # Errors
/// The words say that it is one, and what follows is not as it must be.
pub fn parse(text: &str, dialect: &Dialect) -> Option<Result<JobStatement, JobStatementError>> {
    let mut cursor = Cursor::new(text, dialect);
    let (usage, read): (_, Read) = if cursor.eat_all(&["SHOW", "JOBS"]) {
        ("SHOW JOBS", |_| Ok(JobStatement::ShowJobs))
    } else if cursor.eat_all(&["SHOW", "SAVEPOINTS"]) {
        ("SHOW SAVEPOINTS [FOR JOB 'id']", show_savepoints)
    } else if cursor.eat_all(&["STOP", "JOB"]) {
        ("STOP JOB 'id' [WITH SAVEPOINT] [WITH DRAIN]", stop_job)
    } else if cursor.eat_all(&["CREATE", "SAVEPOINT"]) {
        ("CREATE SAVEPOINT FOR JOB 'id'", |cursor| {
            for_job(cursor).map(JobStatement::CreateSavepoint)
        })
    } else if cursor.eat_all(&["DROP", "SAVEPOINT"]) {
        ("DROP SAVEPOINT 'path'", |cursor| {
            string(cursor, "the savepoint's path").map(JobStatement::DropSavepoint)
        })
    } else if cursor.eat_all(&["DESCRIBE", "JOB"]) || cursor.eat_all(&["DESC", "JOB"]) {
        cursor.peek().filter(|token| token.kind == super::TokenKind::String)?;
        ("DESCRIBE JOB 'id'", |cursor| {
            job_id(cursor).map(JobStatement::DescribeJob)
        })
    } else {
        return None;
    };
    let statement = read(&mut cursor).and_then(|statement| {
        if cursor.at_end() {
            Ok(statement)
        } else {
            Err(format!("{} is not expected here", shown(&cursor)))
        }
    });
    Some(statement.map_err(|message| JobStatementError {
        message,
        span: cursor.here(),
        usage,
    }))
}

/// Reads what follows a statement's first words.
type Read = fn(&mut Cursor<'_>) -> Result<JobStatement, String>;

fn show_savepoints(cursor: &mut Cursor<'_>) -> Result<JobStatement, String> {
    let job = if cursor.at("FOR") { Some(for_job(cursor)?) } else { None };
    Ok(JobStatement::ShowSavepoints(job))
}

fn stop_job(cursor: &mut Cursor<'_>) -> Result<JobStatement, String> {
    let job = job_id(cursor)?;
    let (mut savepoint, mut drain) = (false, false);
    while cursor.at("WITH") {
        cursor.bump();
        let option = match () {
            () if cursor.at("SAVEPOINT") => &mut savepoint,
            () if cursor.at("DRAIN") => &mut drain,
            () => {
                return Err(format!(
                    "WITH is followed by SAVEPOINT or DRAIN, not by {}",
                    shown(cursor)
                ));
            }
        };
        if std::mem::replace(option, true) {
            return Err(format!(
                "WITH {} is there twice",
                cursor.peek_text().to_ascii_uppercase()
            ));
        }
        cursor.bump();
    }
    Ok(JobStatement::StopJob { job, savepoint, drain })
}

fn for_job(cursor: &mut Cursor<'_>) -> Result<Reference, String> {
    for keyword in ["FOR", "JOB"] {
        if !cursor.eat(keyword) {
            return Err(format!("FOR JOB 'id' is expected, not {}", shown(cursor)));
        }
    }
    job_id(cursor)
}

fn job_id(cursor: &mut Cursor<'_>) -> Result<Reference, String> {
    string(cursor, "the job's id")
}

fn string(cursor: &mut Cursor<'_>, what: &str) -> Result<Reference, String> {
    let before = cursor.clone();
    match cursor.string() {
        Some((text, span)) if !text.trim().is_empty() => Ok(Reference { text, span }),
        Some(_) => {
            *cursor = before;
            Err(format!("{what} is empty"))
        }
        None => Err(format!(
            "{what} is expected as a string in quotes, not {}",
            shown(cursor)
        )),
    }
}

fn shown(cursor: &Cursor<'_>) -> String {
    match cursor.peek_text() {
        "" => "the end of the statement".to_owned(),
        text if text.chars().count() > 40 => format!("{}…", text.chars().take(40).collect::<String>()),
        text => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Result<JobStatement, JobStatementError>> {
        parse(text, &Dialect::FLINK)
    }

    fn reference(text: &str, start: usize) -> Reference {
        Reference {
            text: text.to_owned(),
            span: Span::new(start, start + text.len() + 2),
        }
    }

    #[test]
    fn each_statement_is_read() {
        let stop = |savepoint, drain| {
            Some(Ok(JobStatement::StopJob {
                job: reference("ab", 9),
                savepoint,
                drain,
            }))
        };
        assert_eq!(read("show jobs"), Some(Ok(JobStatement::ShowJobs)));
        assert_eq!(read(" SHOW /* all */ JOBS;"), Some(Ok(JobStatement::ShowJobs)));
        assert_eq!(
            read("DESCRIBE JOB 'ab'"),
            Some(Ok(JobStatement::DescribeJob(reference("ab", 13))))
        );
        assert_eq!(
            read("desc job 'ab'"),
            Some(Ok(JobStatement::DescribeJob(reference("ab", 9))))
        );
        assert_eq!(read("STOP JOB 'ab'"), stop(false, false));
        assert_eq!(read("STOP JOB 'ab' WITH SAVEPOINT"), stop(true, false));
        assert_eq!(read("STOP JOB 'ab' WITH DRAIN"), stop(false, true));
        assert_eq!(read("STOP JOB 'ab' WITH SAVEPOINT WITH DRAIN"), stop(true, true));
        assert_eq!(read("stop job 'ab' with drain with savepoint"), stop(true, true));
        assert_eq!(
            read("CREATE SAVEPOINT FOR JOB 'ab'"),
            Some(Ok(JobStatement::CreateSavepoint(reference("ab", 25))))
        );
        assert_eq!(read("SHOW SAVEPOINTS"), Some(Ok(JobStatement::ShowSavepoints(None))));
        let of_job = JobStatement::ShowSavepoints(Some(reference("ab", 24)));
        assert_eq!(read("SHOW SAVEPOINTS FOR JOB 'ab'"), Some(Ok(of_job)));
        assert_eq!(
            read("DROP SAVEPOINT 's3://b/x'"),
            Some(Ok(JobStatement::DropSavepoint(reference("s3://b/x", 15))))
        );
    }

    #[test]
    fn other_statements_are_left_alone() {
        for text in [
            "",
            "SHOW TABLES",
            "DESCRIBE job",
            "DESC job.t",
            "STOP",
            "CREATE TABLE savepoint (a INT)",
            "`SHOW` JOBS",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn errors_say_what_was_expected_and_where() {
        let cases = [
            (
                "STOP JOB",
                "the job's id is expected as a string in quotes, not the end of the statement",
                8,
                8,
            ),
            (
                "STOP JOB ab",
                "the job's id is expected as a string in quotes, not ab",
                9,
                11,
            ),
            ("STOP JOB ''", "the job's id is empty", 9, 11),
            (
                "STOP JOB 'ab' WITH",
                "WITH is followed by SAVEPOINT or DRAIN, not by the end of the statement",
                18,
                18,
            ),
            (
                "STOP JOB 'ab' WITH x",
                "WITH is followed by SAVEPOINT or DRAIN, not by x",
                19,
                20,
            ),
            (
                "STOP JOB 'ab' WITH DRAIN WITH DRAIN",
                "WITH DRAIN is there twice",
                30,
                35,
            ),
            ("STOP JOB 'ab' now", "now is not expected here", 14, 17),
            ("SHOW JOBS ALL", "ALL is not expected here", 10, 13),
            ("CREATE SAVEPOINT 'ab'", "FOR JOB 'id' is expected, not 'ab'", 17, 21),
            (
                "CREATE SAVEPOINT FOR 'ab'",
                "FOR JOB 'id' is expected, not 'ab'",
                21,
                25,
            ),
            (
                "SHOW SAVEPOINTS FOR JOB",
                "the job's id is expected as a string in quotes, not the end of the statement",
                23,
                23,
            ),
            (
                "DROP SAVEPOINT path",
                "the savepoint's path is expected as a string in quotes, not path",
                15,
                19,
            ),
        ];
        for (text, message, start, end) in cases {
            let error = read(text).unwrap().unwrap_err();
            assert_eq!(
                (error.message.as_str(), error.span),
                (message, Span::new(start, end)),
                "{text}"
            );
            assert!(error.usage.starts_with(&text[..4]), "{text}");
        }
    }
}
