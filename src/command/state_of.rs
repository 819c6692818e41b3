//! What `STATE OF 'REF' [AT WHICH]` means: the path of a job's state takes its place in the statement.

use std::borrow::Cow;

use jiff::Zoned;

use super::gather::readable;
use super::target;
use crate::error::Error;
use crate::savepoint::Which;
use crate::session::Session;
use crate::syntax::literal::quote_string;
use crate::syntax::state_of::states;

/// The statement with the path of each state that it names by a job.
///
/// # Errors
/// There is no such job or state, or the connection can't read states.
pub async fn resolved<'a>(session: &Session, text: &'a str) -> Result<Cow<'a, str>, Error> {
    let open = session.open()?;
    let Some(sql) = &open.connection.sql else {
        return Ok(Cow::Borrowed(text));
    };
    let dialect = sql.dialect();
    let found = states(text, &dialect);
    if found.is_empty() {
        return Ok(Cow::Borrowed(text));
    }
    let mut resolved = String::new();
    let mut written = 0;
    let mut paths = Vec::new();
    for state in found {
        let which = state.which.as_deref();
        let path = match (Which::parse(&state.subject, &Zoned::now()), which) {
            (Ok(Which::Path(path)), None) => path,
            _ => {
                let target = target::resolve(session, &state.subject).await?;
                let which = Which::parse(which.unwrap_or("latest"), &Zoned::now())?;
                let chosen = readable(&target.connection, &session.ledger, target.job_id()?, &which);
                session.unless_interrupted(chosen).await?.path
            }
        };
        resolved.push_str(&text[written..state.span.start]);
        resolved.push_str(&quote_string(&path, &dialect));
        written = state.span.end;
        paths.push(path);
    }
    resolved.push_str(&text[written..]);
    if !sql.reads_states() {
        let message = format!("{} can't read saved states as tables", open.connection.label);
        let hint = format!(
            "on local: the same statement can, by the state's path: {}",
            paths.join(", ")
        );
        return Err(Error::failed(message).hint(hint));
    }
    Ok(Cow::Owned(resolved))
}
