//! One piece of input, to where it belongs: a bang-command, a job statement, or SQL for the engine.

use crate::command::restore::Auto;
use crate::command::{self, Args, Command, Flow};
use crate::credentials;
use crate::error::Error;
use crate::session::Session;
use crate::statement::{self, Request};
use crate::syntax::job_statement::JobStatement;
use crate::syntax::{Input, Piece, variables};
use crate::syntax::{Kind, classifier};

/// Carries out one piece.
///
/// # Errors
/// It failed, was refused, or was interrupted.
pub async fn dispatch(session: &mut Session, piece: &Piece) -> Result<Flow, Error> {
    let done = carry_out(session, piece).await;
    if let Err(error) = &done {
        session.last_error = Some(error.clone());
    }
    session.tell_ledger_problem();
    done
}

async fn carry_out(session: &mut Session, piece: &Piece) -> Result<Flow, Error> {
    match &piece.input {
        Input::Trivia => Ok(Flow::Continue),
        Input::Bang { name, tail, .. } => {
            let command = command::find(name)?;
            let args = Args::parse(command.spec(), tail)?;
            run(session, command, args).await
        }
        Input::Sql { text, background } => sql(session, text, *background).await,
    }
}

/// Runs a command.
///
/// # Errors
/// See [`Command::run`].
pub async fn run(session: &mut Session, command: &'static dyn Command, args: Args) -> Result<Flow, Error> {
    let before = session.settings.json;
    let json = args.has("json");
    session.settings.json |= json;
    let args = args.map_sql(|sql| session.with_variables(&sql).into_owned());
    let done = command.run(session, args).await;
    if json {
        session.settings.json = before;
    }
    done
}

async fn sql(session: &mut Session, text: &str, background: bool) -> Result<Flow, Error> {
    let text = &*session.with_variables(text);
    let dialect = match session.open().and_then(crate::session::Open::sql) {
        Ok(sql) => sql.dialect(),
        // Job statements work without a session.
        Err(_) => skep_engine::Dialect::FLINK,
    };
    match classifier::classify(text, &dialect) {
        Kind::Empty => Ok(Flow::Continue),
        Kind::Job(statement) => {
            let statement = statement.map_err(|cause| Error::malformed(text, &cause))?;
            let (name, args) = command_of(statement);
            run(session, command::find(name)?, args).await
        }
        Kind::Set { key, value } if let Some(name) = own_variable(session, &key) => {
            let value = variables::assigned(text, &key, &value).to_owned();
            let (name, value) = credentials::variable(&(name, value))?;
            session.target.variables.insert(name, value);
            if session.settings.interactive {
                session.ui.say("ok");
            }
            Ok(Flow::Continue)
        }
        Kind::SetList { key: Some(key) } if let Some(name) = own_variable(session, &key) => {
            let Some(value) = session.target.variables.get(&name) else {
                return Err(
                    Error::failed(format!("there is no variable {name}")).hint("SET hivevar:NAME=VALUE makes one")
                );
            };
            session.ui.print(&format!("{key}={value}"))?;
            Ok(Flow::Continue)
        }
        _ => {
            let text = command::state_of::resolved(session, text).await?.into_owned();
            let restore = match command::restore::known(session, &text).await? {
                Auto::Afresh => None,
                Auto::From(start) => Some(*start),
                Auto::Runs => return Ok(Flow::Continue),
            };
            let request = Request {
                text,
                background,
                restore,
                ..Request::default()
            };
            statement::execute(session, request).await?;
            Ok(Flow::Continue)
        }
    }
}

/// The variable that a key of SET names, if this shell puts variables into statements, and not the server.
fn own_variable(session: &Session, key: &str) -> Option<String> {
    let is_servers = session
        .open
        .as_ref()
        .is_some_and(|open| open.connection.capabilities.variables);
    variables::named(key).filter(|_| !is_servers).map(str::to_owned)
}

/// The command that a job statement stands for.
fn command_of(statement: JobStatement) -> (&'static str, Args) {
    match statement {
        JobStatement::ShowJobs => ("jobs", Args::default().with_flag("all", "")),
        JobStatement::DescribeJob(job) => ("job", Args::of_words([&job.text])),
        JobStatement::StopJob {
            job,
            savepoint: false,
            drain: false,
        } => ("cancel", Args::of_words([&job.text])),
        JobStatement::StopJob { job, drain, .. } => {
            let args = Args::of_words([&job.text]);
            // The statement itself says that it is meant.
            (
                "stop",
                if drain {
                    args.with_flag("drain", "").with_flag("yes", "")
                } else {
                    args
                },
            )
        }
        JobStatement::CreateSavepoint(job) => ("savepoint", Args::of_words([&job.text])),
        JobStatement::ShowSavepoints(Some(job)) => ("savepoints", Args::of_words([&job.text])),
        JobStatement::ShowSavepoints(None) => ("savepoints", Args::default()),
        JobStatement::DropSavepoint(path) => ("drop-savepoint", Args::of_words([&path.text]).with_flag("yes", "")),
    }
}
