//! The prompt.

use crate::error::Error;
use crate::session::Session;

/// Runs the prompt until the person leaves.
///
/// # Errors
/// The terminal can't be read.
pub async fn run(session: &mut Session) -> Result<(), Error> {
    crate::script::run_stdin(session).await?;
    Ok(())
}
