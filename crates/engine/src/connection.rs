//! Drivers, what they connect to, and what comes of it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::{Attempt, JobControl, Result, Security, Server, ShellTables, Sql, Stores};

/// A text that must not be shown: its `Debug` says nothing of it.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps the text.
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for the one place that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// What to connect to.
#[derive(Debug, Clone)]
pub struct Target {
    /// The URL as the person gave it, without user information.
    pub url: String,
    /// User name, if one is given.
    pub user: Option<String>,
    /// Password, if one is given.
    pub password: Option<Secret>,
    /// Certificates, tokens and headers.
    pub security: Security,
    /// Session properties (`-D k=v`).
    pub properties: BTreeMap<String, String>,
    /// What stands for `${hivevar:K}` and `${K}` in statements (`--hivevar K=V`).
    pub variables: BTreeMap<String, String>,
    /// The cluster's REST address, if it is overridden (`--rest`).
    pub rest: Option<String>,
    /// The History Server's address, if it is given (`--history`).
    pub history: Option<String>,
    /// The directory where the shell keeps what outlives it (the user's data directory).
    pub data_dir: PathBuf,
    /// Tables of the shell's own, for an engine that runs in its process.
    pub tables: Option<Arc<dyn ShellTables>>,
    /// What happens while the connection is made, and whether it is still wanted.
    pub attempt: Attempt,
}

impl Target {
    /// A target with nothing but a URL and the data directory.
    pub fn new(url: impl Into<String>, data_dir: impl Into<PathBuf>) -> Self {
        Self {
            url: url.into(),
            user: None,
            password: None,
            security: Security::default(),
            properties: BTreeMap::new(),
            variables: BTreeMap::new(),
            rest: None,
            history: None,
            data_dir: data_dir.into(),
            tables: None,
            attempt: Attempt::default(),
        }
    }

    /// The URL's scheme: what stands before the first `:`, in a JDBC URL (`jdbc:flink://…`) before the second.
    pub fn scheme(&self) -> &str {
        let jdbc = if self.url.starts_with("jdbc:") {
            "jdbc:".len()
        } else {
            0
        };
        let scheme = self.url[jdbc..].split(':').next().unwrap_or_default();
        &self.url[..jdbc + scheme.len()]
    }
}

/// A driver.
#[async_trait]
pub trait Engine: Send + Sync {
    /// The URL schemes it answers to, the preferred one first.
    fn schemes(&self) -> &'static [&'static str];

    /// One line for `!help connect`: the URL's form and what it reaches.
    fn summary(&self) -> &'static str;

    /// Connects.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Connect`] if the server can't be reached, [`crate::ErrorKind::Rejected`] if the URL is
    /// malformed.
    async fn connect(&self, target: &Target) -> Result<Connection>;

    /// Finds and looks into the states that this machine has, without any connection; none if that can't be done.
    fn offline(&self) -> Option<Arc<dyn Stores>> {
        None
    }
}

/// What an engine can do. The shell asks before it offers a verb; what is not declared is refused by name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// The server puts the values of variables into statements. For all others the shell does.
    pub variables: bool,
    /// A statement takes a job id of the caller's choosing.
    pub chosen_job_id: bool,
    /// A query runs as a job that outlives this process if it is killed: what is known of it must be written down first.
    pub queries_are_jobs: bool,
    /// Savepoints of a running job.
    pub savepoint: bool,
    /// Stop with savepoint.
    pub stop: bool,
    /// Cancelling a job by its id.
    pub cancel: bool,
    /// Triggering a checkpoint.
    pub checkpoint: bool,
    /// Draining: ending every open window before the job stops.
    pub drain: bool,
    /// The engine's own (native) savepoint format beside the canonical one.
    pub native_format: bool,
    /// Restoring a statement from a savepoint.
    pub restore: bool,
    /// A state is taken over only by what it was made by, and anything that differs is named. Elsewhere a query of the same
    /// shape takes the state of another one without a word.
    pub exact_state: bool,
    /// A job can take over the state it starts from: other claim modes than the default.
    pub claim: bool,
    /// Statements can be compiled into files that jobs are run from, and keep their identity there.
    pub plans: bool,
    /// The engine forgets jobs so long after they have ended: that it does not know one which may have ended before says
    /// little of it. None where it never does.
    pub forgets_jobs_after: Option<Duration>,
    /// Jobs run inside this process and end with it, so that the shell must stop them before it leaves.
    pub jobs_end_with_shell: bool,
}

/// A connection: what the shell holds of an engine.
#[derive(Clone)]
pub struct Connection {
    /// The URL, fit to be shown and stored: no secret in it.
    pub url: String,
    /// What is shown in the prompt, such as `local` or `flink gw:8083`.
    pub label: String,
    /// One line of greeting: product and version.
    pub greeting: String,
    /// What it can do.
    pub capabilities: Capabilities,
    /// Takes statements.
    pub sql: Option<Arc<dyn Sql>>,
    /// Takes job verbs.
    pub jobs: Option<Arc<dyn JobControl>>,
    /// Finds savepoints and checkpoints.
    pub stores: Option<Arc<dyn Stores>>,
    /// Tells what else the server does.
    pub server: Option<Arc<dyn Server>>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("url", &self.url)
            .field("capabilities", &self.capabilities)
            .finish()
    }
}
