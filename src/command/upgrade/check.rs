//! What is looked at before anything is stopped.

use std::sync::Arc;

use skep_engine::{Connection, EngineError, ErrorKind, Sql, Submit, Trial, TrialState, Trials};

use super::super::gather;
use super::CHOICES;
use crate::error::{Error, ErrorKind as Fault};
use crate::ledger::Upgrade;
use crate::savepoint::Which;
use crate::session::Session;
use crate::statement::expand;
use crate::statement::replay::replay_apart;
use crate::syntax::{Kind, classify};
use crate::ui::sanitize;

/// Makes sure, as far as that can be told before anything is stopped, that both statements can be submitted: every
/// secret is there, and the engine understands the new one. Returns the session in which it does.
pub(super) async fn statements(
    session: &mut Session,
    connection: &Connection,
    upgrade: &Upgrade,
) -> Result<Arc<dyn Sql>, Error> {
    let of_old = replay_apart(session, connection, &upgrade.old.prelude).await?;
    let dialect = of_old.dialect();
    expand(session, &upgrade.old.sql, &dialect)?;
    let sql = if upgrade.new.prelude == upgrade.old.prelude {
        of_old
    } else {
        let _ = of_old.close().await;
        replay_apart(session, connection, &upgrade.new.prelude).await?
    };
    let recorded = format!("EXPLAIN {}", upgrade.new.sql);
    let submit = Submit {
        text: expand(session, &recorded, &dialect)?,
        recorded: recorded.clone(),
        ..Submit::default()
    };
    // A set has several spellings, of which not all can be explained.
    if matches!(classify(&upgrade.new.sql, &dialect), Kind::StatementSet) {
        return Ok(sql);
    }
    let located = |error: EngineError| {
        let error = Error::from(error).in_statement(&recorded);
        error.within("nothing was stopped; the new statement")
    };
    let explaining = async {
        let explained = sql.submit(submit).await.map_err(located)?;
        if let Some(mut rows) = explained.rows {
            while rows.next().await.map_err(located)?.is_some() {}
        }
        Ok(())
    };
    session.unless_interrupted(explaining).await?;
    Ok(sql)
}

/// Where the engine can compare a state with a statement without a job: makes sure that the new statement takes over all of
/// what the job has saved last. A later state of the same job has the same parts.
pub(super) async fn state(
    session: &mut Session,
    connection: &Connection,
    upgrade: &Upgrade,
    sql: &dyn Sql,
) -> Result<(), Error> {
    if upgrade.terms.allow_non_restored || sql.trials() != Some(Trials::Here) {
        return Ok(());
    }
    let text = expand(session, &upgrade.new.sql, &sql.dialect())?;
    let mut choices = 0;
    let tried = loop {
        let state = gather::readable(connection, &session.ledger, upgrade.old_job, &Which::Latest);
        choices += 1;
        let state = match session.unless_interrupted(state).await {
            Ok(state) => state,
            Err(error) if error.kind == Fault::Failed && choices < CHOICES => continue,
            // It has saved nothing yet, and is compared when it is restored.
            Err(error) if error.kind == Fault::Failed => return Ok(()),
            Err(error) => return Err(error),
        };
        let trial = Trial {
            text: text.clone(),
            state: TrialState::Path(state.path),
            ..Trial::default()
        };
        match session
            .unless_interrupted(async { Ok(sql.try_out(trial).await) })
            .await?
        {
            // A newer one has taken its place while it was looked at.
            Err(error) if error.kind == ErrorKind::NotFound && choices < CHOICES => {}
            Err(error) if error.kind == ErrorKind::NotFound => return Ok(()),
            Err(error) => {
                let error = Error::from(error).in_statement(&upgrade.new.sql);
                return Err(error.within("nothing was stopped; the new statement"));
            }
            Ok(tried) => break tried,
        }
    };
    if tried.lost.is_empty() {
        return Ok(());
    }
    let lost: Vec<_> = tried
        .lost
        .iter()
        .map(|lost| sanitize(&lost.reason).into_owned())
        .collect();
    Err(Error::failed(format!(
        "nothing was stopped; the new statement does not take over the state: {}",
        lost.join("; ")
    ))
    .hint("--allow-non-restored-state leaves that behind · --rehearse shows what it would write"))
}
