//! Running again what has run before: the statement of a job, and the session that it needs.

use std::sync::Arc;

use skep_engine::{Connection, JobId, Sql, Submit};

use super::expand;
use crate::error::Error;
use crate::session::{Open, Session};
use crate::syntax::definitions::Definitions;
use crate::ui::sanitize;

/// What it takes to run a job again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// Its statement, secrets as references.
    pub sql: String,
    /// The session-scoped statements it needs, in order, secrets as references.
    pub prelude: Vec<String>,
}

/// The job's statement and what it needs: from the engine's own record, or from the ledger. `title` is what the job is
/// called in the error.
///
/// # Errors
/// Nobody knows it.
pub async fn recipe(session: &Session, connection: &Connection, job_id: JobId, title: &str) -> Result<Recipe, Error> {
    if let Some(stores) = &connection.stores {
        let recipes = stores.recipes().await?;
        if let Some(recipe) = recipes.into_iter().find(|recipe| recipe.job_id == job_id) {
            return Ok(Recipe {
                sql: recipe.sql,
                prelude: recipe.prelude,
            });
        }
    }
    match session.ledger.job(&connection.url, job_id).await {
        Ok(Some(record)) => Ok(Recipe {
            sql: record.intent.sql,
            prelude: record.intent.prelude,
        }),
        _ => Err(
            Error::failed(format!("the SQL of {title} is not known: it was not started by skep"))
                .hint(format!("!restore {} AS INSERT … gives it", job_id.short())),
        ),
    }
}

/// Makes the tables and settings that a job had: in the current session if it has none of its own yet, else in a new
/// one, which is returned. `None`: the current session has them.
///
/// # Errors
/// A secret is not given, or a statement was not accepted.
pub async fn replay(
    session: &mut Session,
    connection: &Connection,
    prelude: &[String],
) -> Result<Option<Arc<dyn Sql>>, Error> {
    let open = session.open()?;
    let here = open.prelude.is_empty() && open.connection.url == connection.url;
    tell_given(session, open, prelude);
    if !here && open.needs() == prelude {
        return Ok(None);
    }
    if !here {
        return replay_apart(session, connection, prelude).await.map(Some);
    }
    let (sql, given) = (open.sql()?, open.given.clone());
    for (statement, recorded) in expanded(session, sql.as_ref(), prelude)? {
        if given.contains(recorded) {
            continue;
        }
        make(sql.as_ref(), statement, recorded).await?;
        if let Some(open) = &mut session.open {
            open.prelude.push(recorded.clone());
        }
    }
    Ok(None)
}

/// Says where a job's settings are not those that this connection was opened with: the job keeps its own.
fn tell_given(session: &Session, open: &Open, prelude: &[String]) {
    let Some(dialect) = open.connection.sql.as_ref().map(|sql| sql.dialect()) else {
        return;
    };
    let had = Definitions::of(prelude.iter().map(String::as_str), &dialect);
    let now = Definitions::of(open.given.iter().map(String::as_str), &dialect);
    for (key, value) in now.settings() {
        match had.settings().get(key) {
            Some(own) if own == value => {}
            Some(own) => session.ui.say(&format!(
                "{} is {} as the job had it, not {} as this connection was opened with",
                sanitize(key),
                sanitize(own),
                sanitize(value)
            )),
            None => session.ui.say(&format!(
                "{} is {} as this connection was opened with: the job had none of its own",
                sanitize(key),
                sanitize(value)
            )),
        }
    }
}

/// Makes the tables and settings that a job had in a session of their own.
///
/// # Errors
/// A secret is not given, there is no other session to be had, or a statement was not accepted.
pub async fn replay_apart(
    session: &mut Session,
    connection: &Connection,
    prelude: &[String],
) -> Result<Arc<dyn Sql>, Error> {
    let none = || {
        Error::failed(format!(
            "{} takes no SQL, so that nothing can be restored there",
            connection.label
        ))
    };
    let sql = connection.sql.clone().ok_or_else(none)?.fresh().await?;
    for (statement, recorded) in expanded(session, sql.as_ref(), prelude)? {
        make(sql.as_ref(), statement, recorded).await?;
    }
    Ok(sql)
}

/// The statements as they are sent, beside those that are written down. Every secret is looked for before anything is
/// submitted.
fn expanded<'a>(
    session: &mut Session,
    sql: &dyn Sql,
    prelude: &'a [String],
) -> Result<Vec<(String, &'a String)>, Error> {
    let dialect = sql.dialect();
    let pairs = prelude
        .iter()
        .map(|statement| Ok((expand(session, statement, &dialect)?, statement)));
    pairs.collect()
}

async fn make(sql: &dyn Sql, text: String, recorded: &str) -> Result<(), Error> {
    let submit = Submit {
        text,
        recorded: recorded.to_owned(),
        ..Submit::default()
    };
    let made = sql.submit(submit).await.map_err(|error| {
        Error::from(error)
            .in_statement(recorded)
            .within("the job's tables and settings")
    });
    made.map(drop)
}
