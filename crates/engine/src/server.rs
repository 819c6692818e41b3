//! What a server tells of itself: who uses it, what it does for them, and what it has started to that end.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::Result;

/// A server that has lists of what it does, of everybody's.
#[async_trait]
pub trait Server: Send + Sync {
    /// The sessions that it has.
    ///
    /// # Errors
    /// It could not be asked, or does not tell whoever asks.
    async fn sessions(&self) -> Result<Vec<ServerSession>>;

    /// The operations that it has, and whether these are all: of the connection's own session alone, if who asks may see no
    /// more.
    ///
    /// # Errors
    /// As [`Server::sessions`].
    async fn operations(&self) -> Result<(Vec<ServerOperation>, bool)>;

    /// The engines that it has started for the connection's user.
    ///
    /// # Errors
    /// As [`Server::sessions`].
    async fn engines(&self) -> Result<Vec<ServerEngine>>;
}

/// A session of a server's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSession {
    /// Its id.
    pub id: String,
    /// The name it was given; empty if it has none.
    pub name: String,
    /// Whose it is.
    pub user: String,
    /// From where it was opened.
    pub address: String,
    /// The sort of engine it wants, where it says so.
    pub engine: String,
    /// When it was opened.
    pub opened: Option<Timestamp>,
    /// How long nothing has been asked of it, in milliseconds.
    pub idle_ms: i64,
    /// It is the connection's own.
    pub is_own: bool,
}

/// An operation of a server's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerOperation {
    /// Its id.
    pub id: String,
    /// Its session's id.
    pub session: String,
    /// Whose that is.
    pub user: String,
    /// How far it is, in the server's word.
    pub state: String,
    /// When it was begun.
    pub begun: Option<Timestamp>,
    /// When it was done.
    pub ended: Option<Timestamp>,
    /// The statement, or what else it does.
    pub statement: String,
    /// Why it failed; empty if it has not.
    pub error: String,
    /// It is the connection's own session's.
    pub is_own: bool,
}

/// An engine that a server has started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerEngine {
    /// Whose it is.
    pub user: String,
    /// What it is.
    pub kind: String,
    /// Who shares it.
    pub share_level: String,
    /// Its name among those of its user.
    pub subdomain: String,
    /// Where it listens.
    pub address: String,
    /// Its version.
    pub version: String,
    /// The session that it was started for.
    pub session: String,
}
