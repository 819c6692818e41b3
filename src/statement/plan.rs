//! Compiled plans: which one a statement is run by, if by any.

use skep_engine::{Compile, Connection, JobId};

use super::check::{Maker, Statement};
use crate::error::Error;
use crate::ledger::Plan;
use crate::session::Session;
use crate::syntax::Kind;
use crate::syntax::normal::normal;

/// A statement for which a plan is looked for.
pub(super) struct Wanted<'a> {
    pub(super) submitted: &'a Statement<'a>,
    /// The statement as it is sent.
    pub(super) text: &'a str,
    pub(super) kind: &'a Kind,
    pub(super) job_id: Option<JobId>,
    /// Who made the state that it starts from, if it starts from one.
    pub(super) maker: Option<&'a Maker>,
    pub(super) allow_non_restored: bool,
}

/// The plan that a statement is to be run by: that of the job whose state it takes over, one that is compiled to be like it,
/// or a new one if plans are kept (`!set keep plan`). None: it is run as it is.
///
/// # Errors
/// The plan is not the one that it was, or can't be made, or would leave state behind.
pub(super) async fn choose(
    session: &Session,
    connection: &Connection,
    wanted: &Wanted<'_>,
) -> Result<Option<Plan>, Error> {
    let is_compiled = matches!(wanted.kind, Kind::Insert { values: false } | Kind::StatementSet);
    let (true, true, Some(job_id)) = (connection.capabilities.plans, is_compiled, wanted.job_id) else {
        return Ok(None);
    };
    let dir = session.settings.keep_plan.as_deref();
    let Some(maker) = wanted.maker else {
        let Some(dir) = dir else { return Ok(None) };
        let mode = wanted.submitted.sql.setting("execution.runtime-mode").await?;
        if mode.is_some_and(|mode| mode.eq_ignore_ascii_case("batch")) {
            return Ok(None);
        }
        return compile(session, wanted, place(dir, job_id), None).await.map(Some);
    };
    let Some(old) = &maker.submission.plan else {
        if dir.is_some() {
            session.ui.say(
                "the state was made without a compiled plan, and a plan can't take it over: the statement is run as it is",
            );
        }
        return Ok(None);
    };
    let dialect = wanted.submitted.sql.dialect();
    let is_same = maker.recipe.as_ref().is_some_and(|recipe| {
        let written = |text: &str| normal(&wanted.submitted.sql.as_recorded(text), &dialect);
        written(&recipe.sql) == written(wanted.submitted.text)
    });
    if is_same {
        return unchanged(session, wanted, old).await.map(Some);
    }
    let beside = old.path.rsplit_once('/').map_or(".", |(dir, _)| dir);
    let path = place(dir.unwrap_or(beside), job_id);
    compile(session, wanted, path, Some(old.path.clone())).await.map(Some)
}

/// The file in that directory for the job of that id: no other job has had the name.
fn place(dir: &str, job_id: JobId) -> String {
    let dir = dir.trim_end_matches('/');
    let scheme = if dir.starts_with('/') { "file://" } else { "" };
    format!("{scheme}{dir}/{job_id}.json")
}

/// The same plan again, as it was: a plan that is compiled anew is another one, also of the same statement.
async fn unchanged(session: &Session, wanted: &Wanted<'_>, plan: &Plan) -> Result<Plan, Error> {
    let now = wanted.submitted.sql.plan_sum(&plan.path).await?;
    match (&now, &plan.sha256) {
        (Some(now), Some(then)) if now != then => Err(Error::failed(format!(
            "the compiled plan {} is not the one that the job was run by: somebody has changed it",
            plan.path
        ))
        .hint("put the file back as it was: only that one knows the operators of the state")),
        (None, _) => {
            session.ui.say(&format!(
                "this machine can't read the compiled plan {}: whether it is still the same was not checked",
                plan.path
            ));
            Ok(plan.clone())
        }
        _ => Ok(plan.clone()),
    }
}

async fn compile(session: &Session, wanted: &Wanted<'_>, path: String, like: Option<String>) -> Result<Plan, Error> {
    let request = Compile {
        text: wanted.text.to_owned(),
        path: path.clone(),
        like,
        state: wanted.maker.and_then(|maker| maker.state.clone()),
        allow_non_restored: wanted.allow_non_restored,
    };
    let compiled = wanted.submitted.sql.compile(request).await?;
    for note in &compiled.notes {
        session.ui.warn(note);
    }
    if !compiled.left_behind.is_empty() {
        session.ui.warn(&format!(
            "left behind is the state of {}",
            compiled.left_behind.join(", ")
        ));
    }
    session.ui.say(&format!("compiled plan: {path}"));
    Ok(Plan {
        path,
        sha256: compiled.sha256,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_job_has_a_file_of_its_own() {
        let job = JobId::from_bytes([1; 16]);
        assert_eq!(place("/p/", job), format!("file:///p/{job}.json"));
        assert_eq!(place("s3://b/p", job), format!("s3://b/p/{job}.json"));
    }
}
