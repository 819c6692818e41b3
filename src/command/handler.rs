//! What every command is able to do, and what the shell does after it.

use std::path::PathBuf;

use async_trait::async_trait;

use super::args::Args;
use super::spec::Spec;
use crate::error::Error;
use crate::session::Session;

/// What the shell does after a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flow {
    /// Goes on.
    Continue,
    /// Runs the script in that file first.
    Run(PathBuf),
    /// Ends.
    Quit,
}

/// A command.
#[async_trait]
pub trait Command: Sync {
    /// What it is.
    fn spec(&self) -> &'static Spec;

    /// Whether it is of any use only with a connection. Without one, a command on the command line connects only where a
    /// URL says so.
    fn needs_connection(&self) -> bool {
        true
    }

    /// Runs it.
    ///
    /// # Errors
    /// It failed or was refused. It has then changed nothing, or the error says what it changed.
    async fn run(&self, session: &mut Session, args: Args) -> Result<Flow, Error>;
}
