//! Before a statement starts from a saved state: is it the one that made the state? An engine that maps state by the shape
//! of the query alone takes it over into another query of that shape, and says nothing.

use std::collections::{BTreeMap, BTreeSet};

use skep_engine::{Connection, Dialect, Fit, Inspection, JobId, Restore, Savepoint, Sql};

use super::replay::{self, Recipe};
use crate::error::Error;
use crate::ledger::Submission;
use crate::session::Session;
use crate::syntax::change::{self, Part};
use crate::syntax::definitions::{Definitions, Difference};
use crate::syntax::normal;
use crate::ui::sanitize;

/// Whether another statement than the one that made the state is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Change {
    /// Nobody has said so.
    #[default]
    Unasked,
    /// It was given for this state: what an engine would not notice is still refused.
    Asked,
    /// Whatever has changed is meant.
    Allowed,
    /// It is only tried beside the one that made the state.
    Rehearsed,
    /// It has been looked at and shown before.
    Settled,
}

/// A statement, and the session it is submitted in.
#[derive(Clone, Copy)]
pub struct Statement<'a> {
    /// The session.
    pub sql: &'a dyn Sql,
    /// The statement, secrets as references.
    pub text: &'a str,
    /// What the session has been told, secrets as references.
    pub prelude: &'a [String],
}

/// What is known of how a state was made.
pub(super) struct Maker {
    job: Option<JobId>,
    path: String,
    pub(super) recipe: Option<Recipe>,
    pub(super) submission: Submission,
    /// The state, looked into.
    pub(super) state: Option<Inspection>,
}

impl Maker {
    /// Asks the engine's record and the ledger for it.
    pub(super) async fn find(session: &Session, connection: &Connection, restore: &Restore) -> Self {
        let path = restore.path.clone();
        // An engine that compares all of it by itself needs nothing from here.
        let state = match &connection.stores {
            Some(stores) if !connection.capabilities.exact_state => stores.examine(&path).await.ok(),
            _ => None,
        };
        let job = match restore
            .job_id
            .or(state.as_ref().and_then(|state| state.savepoint.job_id))
        {
            Some(job) => Some(job),
            None => self::state(session, connection, &path)
                .await
                .and_then(|state| state.job_id),
        };
        let (recipe, submission) = match job {
            Some(job) => {
                let record = session.ledger.job(&connection.url, job).await.ok().flatten();
                (
                    replay::recipe(session, connection, job, "").await.ok(),
                    record.map(|record| record.intent.submission).unwrap_or_default(),
                )
            }
            None => (None, Submission::default()),
        };
        Self {
            job,
            path,
            recipe,
            submission,
            state,
        }
    }
}

/// Asks the engine what of the state does not fit: what is certain not to run is refused.
///
/// # Errors
/// It would not run.
pub(super) async fn fits(
    session: &Session,
    maker: &Maker,
    submitted: &Statement<'_>,
    planned: bool,
) -> Result<(), Error> {
    let Some(state) = &maker.state else {
        return Ok(());
    };
    let made = Some(&maker.submission.circumstances).filter(|made| !made.is_empty());
    let fit = Fit { state, made, planned };
    let misfits = submitted.sql.misfits(&fit).await?;
    let fatal = misfits.iter().find(|misfit| misfit.is_fatal);
    if let Some(misfit) = fatal {
        return Err(Error::failed(format!("{}; nothing was submitted", misfit.message)).hint(&misfit.hint));
    }
    for misfit in misfits {
        session.ui.warn(&misfit.message);
        session.ui.hint(&misfit.hint);
    }
    Ok(())
}

/// Holds the definitions of what outlives the session against those that there were, and shows what differs. They are never
/// touched.
pub(super) fn same_objects(session: &Session, maker: &Maker, now: &BTreeMap<String, String>, dialect: &Dialect) {
    for (name, before) in &maker.submission.objects {
        let after = now.get(name).map(String::as_str).unwrap_or_default();
        let lines = change::lines(&normal::lines(before, dialect), &normal::lines(after, dialect));
        if !lines.is_empty() {
            session.ui.warn(&format!(
                "{name} is not defined as it was when the state was made; it is left as it is:\n{}",
                lines.join("\n")
            ));
        }
    }
}

/// Holds the statement against the one that made the state, shows what differs, and refuses what must not be.
///
/// # Errors
/// The state may not be taken over by this statement, unless that is said.
pub async fn same_query(
    session: &Session,
    connection: &Connection,
    submitted: &Statement<'_>,
    from: (JobId, &str),
    change: Change,
) -> Result<(), Error> {
    let restore = Restore {
        job_id: Some(from.0),
        path: from.1.to_owned(),
        ..Restore::default()
    };
    let maker = Maker::find(session, connection, &restore).await;
    same_as_made(session, connection, submitted, &maker, change)
}

/// The same for a state whose maker has been found.
pub(super) fn same_as_made(
    session: &Session,
    connection: &Connection,
    submitted: &Statement<'_>,
    maker: &Maker,
    change: Change,
) -> Result<(), Error> {
    if change == Change::Settled {
        return Ok(());
    }
    let exact = connection.capabilities.exact_state;
    let path = maker.path.as_str();
    let Some(known) = &maker.recipe else {
        if !exact {
            session.ui.warn(&format!(
                "which statement made {path} is not known: whether this one may go on from it can't be checked"
            ));
        }
        return Ok(());
    };
    let dialect = submitted.sql.dialect();
    let found = Found::between(known, submitted, &dialect);
    if found.is_empty() {
        return Ok(());
    }
    let maker = maker
        .job
        .map(|job| format!(" (job {})", job.short()))
        .unwrap_or_default();
    let shown = found.lines.join("\n");
    let refused = match change {
        Change::Allowed | Change::Rehearsed | Change::Settled => None,
        _ if exact => None,
        Change::Asked => found.unnoticed(),
        Change::Unasked => found.changed(),
    };
    let Some(changes) = refused else {
        session
            .ui
            .say(&format!("changes from what made the state{maker}:\n{shown}"));
        // That is no matter of taste: what is asked for may come out wrong.
        if let Some(changes) = found.unnoticed().filter(|_| !exact) {
            let hazard = format!(
                "{} does not notice that {changes}, and takes the state over",
                connection.label
            );
            match change {
                Change::Rehearsed => session.ui.say(&hazard),
                _ => session.ui.warn(&hazard),
            }
        }
        return Ok(());
    };
    session.ui.say(&shown);
    let mut error = Error::failed(format!(
        "what is submitted is not what made the state{maker}: {changes}, and {} would take the state over without a word",
        connection.label
    ));
    for meaning in found.meanings() {
        error = error.hint(meaning);
    }
    let error = error.hint(match change {
        Change::Unasked => format!(
            "!restore {} --changed-query AS … starts it from there all the same",
            sanitize(path)
        ),
        _ => "--changed-query starts it from there all the same".to_owned(),
    });
    Err(error)
}

/// What differs.
struct Found {
    parts: BTreeSet<Part>,
    session: Vec<Difference>,
    /// All of it, to be shown.
    lines: Vec<String>,
}

impl Found {
    fn between(known: &Recipe, submitted: &Statement<'_>, dialect: &Dialect) -> Self {
        // An engine's own record may have names of files in full.
        let written = |text: &str| submitted.sql.as_recorded(text);
        let (before, after) = (written(&known.sql), written(submitted.text));
        let parts = change::parts(&before, &after, dialect);
        let mut lines = change::lines(&normal::lines(&before, dialect), &normal::lines(&after, dialect));
        let definitions = |prelude: &[String]| {
            let statements: Vec<String> = prelude.iter().map(|text| written(text)).collect();
            Definitions::of(statements.iter().map(String::as_str), dialect)
        };
        let now = definitions(submitted.prelude);
        let session = definitions(&known.prelude).differences(&before, (&now, &after), dialect);
        for difference in &session {
            lines.push(format!("{}:", difference.what));
            lines.extend(change::lines(&difference.before, &difference.after));
        }
        Self { parts, session, lines }
    }

    fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.session.is_empty()
    }

    /// Tables, views and functions that are others now.
    fn objects(&self) -> impl Iterator<Item = &str> {
        let objects = self.session.iter().filter(|difference| difference.is_object);
        objects.map(|difference| difference.what.as_str())
    }

    /// What has changed, settings apart.
    fn changed(&self) -> Option<String> {
        self.named(|_| true)
    }

    /// Of this, what an engine would not notice that knows a state by the shape of its query.
    fn unnoticed(&self) -> Option<String> {
        self.named(|part| !part.is_stateless())
    }

    fn named(&self, counts: impl Fn(Part) -> bool) -> Option<String> {
        let parts = self.parts.iter().copied().filter(|part| counts(*part));
        let mut named: Vec<&str> = parts.map(name).collect();
        named.extend(self.objects());
        (!named.is_empty()).then(|| format!("{} changed", named.join(", ")))
    }

    /// What it would mean, a sentence each.
    fn meanings(&self) -> Vec<&'static str> {
        let mut meanings: Vec<_> = self.parts.iter().copied().filter_map(meaning).collect();
        if self.objects().next().is_some() && !self.parts.contains(&Part::Sources) {
            meanings.extend(meaning(Part::Sources));
        }
        meanings
    }
}

const fn name(part: Part) -> &'static str {
    match part {
        Part::Projection => "a column of the result",
        Part::Filter => "a filter",
        Part::Keys => "what the state is kept by (GROUP BY, PARTITION BY, JOIN, DISTINCT, ORDER BY)",
        Part::Aggregates => "an aggregate",
        Part::Inputs => "a column of an inner query",
        Part::Sources => "what is read",
        Part::Sink => "what is written",
        Part::Other => "the statement",
    }
}

const fn meaning(part: Part) -> Option<&'static str> {
    match part {
        Part::Keys | Part::Inputs => {
            Some("what was counted for the old keys would go on under the new ones: silently wrong")
        }
        Part::Aggregates => Some(
            "an aggregate whose state is of another type fails after the job has been given an id; one of the same type \
             goes on from the old value",
        ),
        Part::Sources => Some("another source would be read on from the position in the old one"),
        Part::Sink => Some("another sink would be given what the old one has not finished"),
        Part::Projection | Part::Filter | Part::Other => None,
    }
}

/// What is known of the state at a path: by the engine, and by the ledger.
pub(super) async fn state(session: &Session, connection: &Connection, path: &str) -> Option<Savepoint> {
    let seen = match &connection.stores {
        Some(stores) => stores.inspect(path).await.ok(),
        None => None,
    };
    // A ledger that can't be read knows nothing; the shell has said so already.
    let recorded = session.ledger.savepoint(path).await.ok().flatten();
    match (seen, recorded) {
        (Some(seen), Some(recorded)) => Some(Savepoint {
            job_id: seen.job_id.or(recorded.job_id),
            checkpoint_id: seen.checkpoint_id.or(recorded.checkpoint_id),
            ..seen
        }),
        (seen, recorded) => seen.or(recorded),
    }
}
