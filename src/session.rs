//! The shell's state: what a command works on.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use skep_engine::{Attempt, Connection, Dialect, JobControl, LogRing, Sql, Stores, Target};

use crate::config::Config;
use crate::engines::Engines;
use crate::error::{Error, ExitCode};
use crate::interrupt::Interrupts;
use crate::job::Table;
use crate::job::schedule::Schedule;
use crate::ledger::{Ledger, LedgerError};
use crate::orphans::{self, OrphanedQueries};
use crate::render;
use crate::syntax::literal::quote_string;
use crate::syntax::{secrets, variables};
use crate::ui::{Ui, quantity, sanitize};

/// What statements that start a job start from, unless they say it themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RestoreFrom {
    /// From nothing.
    #[default]
    Nothing,
    /// The next one from a state.
    Path {
        /// Where the state is.
        path: String,
        /// Also if another job has gone on from there.
        fork: bool,
    },
    /// Each that has run before from its newest usable state.
    Newest,
}

impl RestoreFrom {
    /// A statement has started a job: a path is for one alone.
    pub fn spend(&mut self) {
        if matches!(self, Self::Path { .. }) {
            *self = Self::Nothing;
        }
    }
}

/// How the shell behaves; `!set` and the command line's flags change it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The format of results.
    pub format: render::Format,
    /// Whether results have a header.
    pub show_header: bool,
    /// Every command answers in JSON.
    pub json: bool,
    /// What would be asked is answered by yes.
    pub yes: bool,
    /// A script goes on after a failure.
    pub force: bool,
    /// Somebody sits at a terminal and types.
    pub interactive: bool,
    /// One command was given on the command line: there is no session before it.
    pub one_shot: bool,
    /// What statements that start a job start from.
    pub restore: RestoreFrom,
    /// The directory in which the compiled plans of jobs are kept; jobs are started without if none is named.
    pub keep_plan: Option<String>,
    /// The checkpoints of jobs stay when they are cancelled or fail, whatever is configured.
    pub keep_checkpoints: bool,
    /// How many bytes of a detached query's rows are kept before the engine is held back.
    pub spool_limit: u64,
    /// A statement that starts a job is written down before it is submitted.
    pub remember: bool,
    /// What is done, when a connection is made, with queries whose shell has ended.
    pub orphans: OrphanedQueries,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            format: render::Format::Table,
            show_header: true,
            json: false,
            yes: false,
            one_shot: false,
            force: false,
            interactive: false,
            restore: RestoreFrom::Nothing,
            keep_plan: None,
            keep_checkpoints: false,
            spool_limit: crate::job::spool::LIMIT,
            remember: true,
            orphans: OrphanedQueries::default(),
        }
    }
}

/// An open connection with what this session has told it.
#[derive(Debug, Clone)]
pub struct Open {
    /// The connection.
    pub connection: Arc<Connection>,
    /// What the session was opened with, as statements that would set it, secrets as references.
    pub given: Vec<String>,
    /// The session-scoped statements so far, in order, secrets as references.
    pub prelude: Vec<String>,
}

impl Open {
    /// What a statement needs of this session, in order: what it was opened with, and what it has been told.
    pub fn needs(&self) -> Vec<String> {
        self.given.iter().chain(&self.prelude).cloned().collect()
    }

    /// The side that takes statements.
    ///
    /// # Errors
    /// The connection has none.
    pub fn sql(&self) -> Result<Arc<dyn Sql>, Error> {
        self.connection.sql.clone().ok_or_else(|| {
            Error::failed(format!("{} takes no SQL, only job commands", self.connection.label))
                .hint("!jobs lists what runs there · !connect URL opens another connection")
        })
    }
}

/// The side of a connection that takes job verbs.
///
/// # Errors
/// The connection has none.
pub fn job_control(connection: &Connection) -> Result<Arc<dyn JobControl>, Error> {
    let none = || Error::failed(format!("{} has no jobs that could be controlled", connection.label));
    connection.jobs.clone().ok_or_else(none)
}

/// The side of a connection that finds savepoints.
///
/// # Errors
/// The connection has none.
pub fn stores(connection: &Connection) -> Result<Arc<dyn Stores>, Error> {
    let none = || Error::failed(format!("{} has no savepoints", connection.label));
    connection.stores.clone().ok_or_else(none)
}

/// What usually takes a moment takes no longer.
const MOMENT: Duration = Duration::from_secs(2);

/// How long a new connection waits for what has become of the statements of earlier shells. After that it is said as it
/// is found out.
const SETTLING: Duration = Duration::from_secs(3);

/// How long a driver is given to take back what it has begun of a connection that nobody wants any more.
const TAKING_BACK: Duration = Duration::from_secs(3);

/// Shows the last line of a log, and for how long there has been one, until nobody wants to see it any more.
async fn tell(ui: Ui, log: LogRing) -> Infallible {
    let mut written = log.written();
    // The sender lives as long as `log`.
    let _ = written.wait_for(|count| *count > 0).await;
    let since = Instant::now();
    loop {
        if let Some(line) = log.lines().0.last() {
            ui.progress(&format!("{} · {}", quantity::age(since.elapsed()), line.text));
        }
        tokio::select! {
            _ = written.changed() => {}
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
}

/// What a question's answer means for the command that asked.
///
/// # Errors
/// The answer was no, or nobody could be asked.
pub fn agreed(answer: Option<bool>) -> Result<(), Error> {
    match answer {
        Some(true) => Ok(()),
        Some(false) => Err(Error::failed("not done")),
        None => Err(Error::failed("this needs a yes, and nobody can be asked").hint("--yes says it")),
    }
}

/// The shell's state.
#[derive(Debug)]
pub struct Session {
    /// All output.
    pub ui: Ui,
    /// The drivers.
    pub engines: Engines,
    /// The current connection.
    pub open: Option<Open>,
    /// This session's jobs.
    pub jobs: Table,
    /// What is done to them again and again.
    pub schedule: Schedule,
    /// What outlives the session.
    pub ledger: Ledger,
    /// Ctrl-C and its like.
    pub interrupts: Interrupts,
    /// How the shell behaves.
    pub settings: Settings,
    /// The first failure's exit code.
    pub exit_code: ExitCode,
    /// The newest failure, for `!error`.
    pub last_error: Option<Error>,
    /// What every target is made of: user, properties, data directory.
    pub target: Target,
    /// Secrets that `--secret` gave, by reference.
    pub secrets: BTreeMap<String, String>,
    /// What the configuration file says.
    pub config: Config,
}

impl Session {
    /// The current connection.
    ///
    /// # Errors
    /// There is none.
    pub fn open(&self) -> Result<&Open, Error> {
        self.open
            .as_ref()
            .ok_or_else(|| Error::failed("not connected").hint("!connect URL"))
    }

    /// Does what may be given up at any moment, such as a question to a server: a signal ends it at once, and stays for
    /// whoever looks for one next.
    ///
    /// # Errors
    /// Those of the work, or a signal came.
    pub async fn unless_interrupted<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let mut interrupts = self.interrupts.clone();
        tokio::select! {
            biased;
            done = work => done,
            signal = interrupts.stop() => {
                self.ui.clear_key();
                Err(signal.error())
            }
        }
    }

    /// Waits for what usually takes a moment. When it takes longer a person is told how to leave it.
    pub fn patiently<W: Future>(
        &self,
        work: W,
        how_to_leave: &'static str,
    ) -> impl Future<Output = W::Output> + use<W> {
        let (ui, is_watched) = (self.ui.clone(), self.settings.interactive);
        async move {
            tokio::pin!(work);
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = tokio::time::sleep(MOMENT), if is_watched => ui.say(how_to_leave),
            }
            work.await
        }
    }

    /// How the SQL of the current connection is read.
    pub fn dialect(&self) -> Dialect {
        let sql = self.open.as_ref().and_then(|open| open.connection.sql.as_ref());
        sql.map_or(Dialect::FLINK, |sql| sql.dialect())
    }

    /// The statement with the values of variables in it, unless the server puts them there.
    pub fn with_variables<'a>(&self, sql: &'a str) -> Cow<'a, str> {
        match &self.open {
            Some(open) if open.connection.capabilities.variables => Cow::Borrowed(sql),
            open => {
                let sql_side = open.as_ref().and_then(|open| open.connection.sql.as_ref());
                let mut known = sql_side.map(|sql| sql.variables()).unwrap_or_default();
                // Who says it here says it later than the URL.
                known.extend(self.target.variables.clone());
                variables::substitute(sql, &self.dialect(), &known)
            }
        }
    }

    /// The target at that URL, with what the command line says of it.
    pub fn at(&self, url: &str) -> Target {
        Target {
            url: url.to_owned(),
            ..self.target.clone()
        }
    }

    /// The target that has that name.
    ///
    /// # Errors
    /// None has, or a file of its credentials can't be read.
    pub fn named(&self, name: &str) -> Result<Target, Error> {
        Ok(Target {
            tables: self.target.tables.clone(),
            variables: self.target.variables.clone(),
            ..self.config.connection(name)?.target(self.target.data_dir.clone())?
        })
    }

    /// Connects, and makes that the current connection. Jobs of the one before go on and stay in the table.
    ///
    /// # Errors
    /// See [`Engines::connect`], or a signal came; the current connection stays as it was.
    pub async fn connect(&mut self, target: Target) -> Result<(), Error> {
        let target = Target {
            attempt: Attempt::default(),
            ..target
        };
        let connection = Arc::new(self.reach(&target).await?);
        if let Some(stores) = &connection.stores
            && let Ok(recipes) = stores.recipes().await
            && !recipes.is_empty()
        {
            self.ledger.import(&connection.url, &connection.label, recipes);
        }
        // A command that was given on the command line does what it says, and nothing besides.
        let queries = match self.settings.one_shot {
            true => OrphanedQueries::Leave,
            false => self.settings.orphans,
        };
        let settling = orphans::settle(Arc::clone(&connection), self.ledger.clone(), self.ui.clone(), queries);
        // It goes on if it takes longer.
        let _ = tokio::time::timeout(SETTLING, tokio::spawn(settling)).await;
        if !self.settings.one_shot {
            self.tell_upgrades(&connection.url).await;
            let (reached, ledger, ui) = (Arc::clone(&connection), self.ledger.clone(), self.ui.clone());
            let clearing = async move { orphans::clear_rehearsals(&reached, &ledger, &ui).await };
            let _ = tokio::time::timeout(SETTLING, tokio::spawn(clearing)).await;
        }
        let given = self.given(&connection);
        self.open = Some(Open {
            connection,
            given,
            prelude: Vec::new(),
        });
        Ok(())
    }

    /// Connects, and shows what happens meanwhile. A signal ends that at once, or, where something was begun that can be taken
    /// back, once it is.
    async fn reach(&self, target: &Target) -> Result<Connection, Error> {
        let connecting = self.engines.connect(target);
        tokio::pin!(connecting);
        let mut interrupts = self.interrupts.clone();
        let reached = tokio::select! {
            biased;
            reached = &mut connecting => reached,
            signal = interrupts.stop() => {
                target.attempt.withdrawal.ask();
                let (begun, _) = target.attempt.log.lines();
                if !begun.is_empty() {
                    let _ = tokio::time::timeout(TAKING_BACK, connecting).await;
                }
                Err(signal.error())
            }
            never = tell(self.ui.clone(), target.attempt.log.clone()) => match never {},
        };
        self.ui.clear_progress();
        reached
    }

    /// What a connection's session was opened with, as statements, secrets as references.
    fn given(&mut self, connection: &Connection) -> Vec<String> {
        let Some(sql) = connection.sql.as_ref().filter(|_| connection.capabilities.restore) else {
            return Vec::new();
        };
        let dialect = sql.dialect();
        let string = |text: &str| quote_string(text, &dialect);
        let mut given = Vec::new();
        for (key, value) in sql.opened_with() {
            let redacted = secrets::redact(&format!("SET {} = {}", string(&key), string(&value)), &dialect);
            let known = redacted.secrets.into_iter().map(|secret| (secret.name, secret.value));
            self.secrets.extend(known);
            given.push(redacted.text);
        }
        given
    }

    /// Says which upgrades shells that have ended did not finish.
    async fn tell_upgrades(&self, url: &str) {
        // A ledger that can't be read knows of none; the shell has said so already.
        for upgrade in self.ledger.open_upgrades(Some(url), true).await.unwrap_or_default() {
            let (name, id) = (sanitize(&upgrade.name), upgrade.id.short());
            self.ui.note(&format!(
                "an upgrade of {name} is not finished: it was {} · !upgrade --resume {id} goes on, --abort {id} takes it back",
                upgrade.step.describe()
            ));
        }
    }

    /// Says what has gone wrong with the ledger unnoticed, once.
    pub fn tell_ledger_problem(&self) {
        let Some(problem) = self.ledger.take_problem() else {
            return;
        };
        if !self.ledger.is_news(&problem) {
            return;
        }
        match &problem {
            LedgerError::Damaged { .. } => {
                self.ui.warn(&format!(
                    "{problem}; it is left as it is, and nothing is remembered any more"
                ));
                if let Some(hint) = problem.hint() {
                    self.ui.hint(&hint);
                }
            }
            _ => self
                .ui
                .warn(&format!("{problem}; what was just done is not remembered")),
        }
    }

    /// Where the shell keeps what outlives it.
    pub fn data_dir(&self) -> &PathBuf {
        &self.target.data_dir
    }

    /// Takes note of a failure: the first one decides the exit code.
    pub fn note_failure(&mut self, error: &Error) {
        self.exit_code = self.exit_code.or(error.exit_code());
    }
}
