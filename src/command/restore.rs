//! `!restore`.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Zoned;
use skep_engine::{
    ClaimMode, Connection, EndedBy, ErrorKind, JobId, JobState, Lineage, Savepoint, Search, Sql, Verdict,
};

use super::args::Args;
use super::gather::{gather, search_line};
use super::handler::{Command, Flow};
use super::spec::{Arity, Category, Flag, Kind, Positional, Spec};
use super::target::{self, Target};
use super::upgrade;
use crate::error::Error;
use crate::savepoint::{self, ChooseError, Chosen, Descendant, Progress, Which};
use crate::session::{self, RestoreFrom, Session};
use crate::statement::replay::{self, Recipe};
use crate::statement::{self, Change, Request, Start};
use crate::syntax::normal::normal;
use crate::syntax::{classify, job_name, secrets};
use crate::ui::sanitize;

/// `!restore REF [WHICH] [AS SQL]`.
#[derive(Debug)]
pub struct Restore;

static SPEC: Spec = Spec {
    name: "restore",
    aliases: &[],
    category: Category::Savepoints,
    summary: "starts a job again from a saved state",
    help: "Brings back a job that this or an earlier shell ran, with the tables and settings it had, from its newest\n\
           usable state or from WHICH: a path, a checkpoint's number, latest, a label, @time. AS SQL runs another\n\
           statement from that state; with a PATH instead of REF it runs in this session as it is.\n\
           What is submitted is held against the statement and the tables that made the state, and what differs is\n\
           shown. Where the engine would not notice a change that makes the result wrong, it is refused, unless\n\
           --changed-query says that it is meant.\n\
           In a session that has nothing of its own yet the job's tables are made there, so that they can be queried;\n\
           otherwise they are made in a session of their own.",
    positionals: &[
        Positional {
            name: "REF|PATH",
            kind: Kind::Reference,
            arity: Arity::One,
        },
        Positional {
            name: "WHICH",
            kind: Kind::Which,
            arity: Arity::Optional,
        },
        Positional {
            name: "AS SQL",
            kind: Kind::Sql,
            arity: Arity::Optional,
        },
    ],
    flags: &[
        Flag {
            name: "fork",
            short: None,
            value: None,
            help: "go back although another job has gone on from there",
        },
        Flag {
            name: "changed-query",
            short: None,
            value: None,
            help: "start it although the query is not the one that made the state",
        },
        Flag {
            name: "claim",
            short: None,
            value: Some(("MODE", Kind::Choice(&["no_claim", "claim", "legacy"]))),
            help: "whose the state is then: no_claim leaves it alone (the default), claim lets the job delete it",
        },
        Flag {
            name: "allow-non-restored-state",
            short: None,
            value: None,
            help: "leave behind the state of operators that the statement does not have",
        },
    ],
    example: "!restore delays latest",
    one_shot: true,
};

#[async_trait]
impl Command for Restore {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, session: &mut Session, args: Args) -> Result<Flow, Error> {
        let word = args.word(0).unwrap_or_default();
        if !session.open()?.connection.capabilities.restore {
            return Err(Error::unsupported(&session.open()?.connection.label, "restoring"));
        }
        match args.sql() {
            Some(sql) if args.word(1).is_none() && matches!(Which::parse(word, &Zoned::now()), Ok(Which::Path(_))) => {
                from_path(session, word, sql.to_owned(), &args).await?;
            }
            _ => from_job(session, word, &args).await?,
        }
        Ok(Flow::Continue)
    }
}

/// A statement of this session from a state given by its path.
async fn from_path(session: &mut Session, path: &str, sql: String, args: &Args) -> Result<(), Error> {
    let connection = Arc::clone(&session.open()?.connection);
    let chosen = statement::given(session, &connection, path, args.has("fork")).await?;
    if let Some(job) = chosen.savepoint.job_id.filter(|_| !args.has("fork")) {
        upgrade::refuse_unfinished(session, &connection.url, job).await?;
    }
    run(session, &chosen, sql, None, args).await
}

/// A job that this or an earlier shell ran.
async fn from_job(session: &mut Session, word: &str, args: &Args) -> Result<(), Error> {
    let target = target::resolve(session, word).await?;
    let job_id = target.job_id()?;
    refuse_running(&target).await?;
    if !args.has("fork") {
        upgrade::refuse_unfinished(session, &target.connection.url, job_id).await?;
    }
    let which = match args.word(1) {
        Some(text) => Which::parse(text, &Zoned::now())?,
        None => Which::Latest,
    };
    let chosen = choose(session, &target.connection, job_id, &which, args.has("fork")).await?;
    if target.job.ended_by == Some(EndedBy::Drained) && target.job.savepoint.as_deref() == Some(&chosen.savepoint.path)
    {
        session.ui.warn(
            "the job was drained into this savepoint: every open window was ended and has given its result, which may come \
             again and short · WHICH names an older state",
        );
    }
    let name = target::told_apart(session, &target).await?;
    let recipe = replay::recipe(session, &target.connection, job_id, &target.job.title()).await;
    let Recipe { sql, prelude } = match (recipe, args.sql()) {
        (Ok(recipe), _) => recipe,
        // What nobody has written down is given here, with the tables of this session.
        (Err(_), Some(sql)) => {
            session
                .ui
                .say(&format!("{name} from {} ({})", name_of(&chosen.savepoint), chosen.why));
            return run(session, &chosen, sql.to_owned(), None, args).await;
        }
        (Err(error), None) => return Err(error),
    };
    let sql = args.sql().map_or(sql, str::to_owned);
    let own = replay::replay(session, &target.connection, &prelude).await?;
    session.ui.say(&format!(
        "{name} from {} ({}), prelude of {}",
        name_of(&chosen.savepoint),
        chosen.why,
        match prelude.len() {
            1 => "1 statement".to_owned(),
            n => format!("{n} statements"),
        }
    ));
    run(session, &chosen, sql, own.map(|own| (own, prelude)), args).await
}

async fn refuse_running(target: &Target) -> Result<(), Error> {
    match running(target).await {
        None => Ok(()),
        Some(process) => Err(Error::failed(format!("{} still runs{process}", target.job.title()))
            .hint("!stop it with a savepoint first")),
    }
}

/// Where a job runs, to be said behind "runs": empty if only that it does is known. None if it does not, or nobody can say.
async fn running(target: &Target) -> Option<String> {
    let (jobs, job_id) = target.connection.jobs.as_ref().zip(target.job.job_id)?;
    match jobs.status(&job_id).await {
        Ok(status) if !status.state.is_terminal() && !status.lost => {}
        _ => return None,
    }
    let facts = jobs
        .detail(&job_id)
        .await
        .map(|detail| detail.facts)
        .unwrap_or_default();
    let process = facts.iter().find(|(name, _)| name == "process");
    Some(process.map(|(_, id)| format!(", in process {id}")).unwrap_or_default())
}

/// Gathers what is known of the job and its ancestors, and chooses.
async fn choose(
    session: &Session,
    connection: &Connection,
    job_id: JobId,
    which: &Which,
    fork: bool,
) -> Result<Chosen, ChooseFailure> {
    let dirs = match which {
        Which::Path(path) => vec![path.clone()],
        _ => Vec::new(),
    };
    let search = Search::new();
    let (family, line) = search_line(connection, &session.ledger, job_id, &dirs, &search)
        .await
        .map_err(ChooseFailure::Look)?;
    // What could not be searched may have a newer one.
    for trouble in search.troubles().iter().filter(|_| dirs.is_empty()) {
        session.ui.warn(trouble);
    }
    let mut lists = vec![line];
    if let (Which::Path(path), Some(stores)) = (which, &connection.stores)
        && let Ok(savepoint) = stores.inspect(path).await
    {
        lists.push(vec![savepoint]);
    }
    let mut descendants = Vec::new();
    for record in &family.descendants {
        let progress = progress(connection, record).await;
        descendants.push(Descendant {
            job_id: record.job_id(),
            name: record.intent.name.clone(),
            progress,
        });
    }
    let known = savepoint::Known {
        job: Some(job_id),
        ancestors: &family.ancestors,
        savepoints: &savepoint::merge(lists),
        descendants: &descendants,
    };
    savepoint::choose(which, &known, fork).map_err(ChooseFailure::Choose)
}

/// How far a job has come that was restored from this one.
async fn progress(connection: &Connection, record: &crate::ledger::JobRecord) -> Progress {
    let Some(jobs) = &connection.jobs else {
        return Progress::Unknown;
    };
    let job_id = record.job_id();
    let (state, ended_by) = match jobs.status(&job_id).await {
        // Its process is gone: it will do no more.
        Ok(status) if status.lost => (JobState::Failed, None),
        Ok(status) if status.state == JobState::Finished => {
            (status.state, status.ended_by.or(Some(EndedBy::Completed)))
        }
        Ok(status) => (status.state, status.ended_by),
        Err(error) if error.kind == ErrorKind::NotFound => (JobState::Failed, None),
        Err(_) => return Progress::Unknown,
    };
    let own = match &connection.stores {
        Some(stores) => stores.find(Some(&job_id), &[]).await.unwrap_or_default(),
        None => Vec::new(),
    };
    Progress::of(Some(state), ended_by, !own.is_empty())
}

async fn run(
    session: &mut Session,
    chosen: &Chosen,
    sql: String,
    own: Option<(Arc<dyn Sql>, Vec<String>)>,
    args: &Args,
) -> Result<(), Error> {
    let claim = claim(session, &chosen.savepoint, args).await?;
    let restore = skep_engine::Restore {
        path: chosen.savepoint.path.clone(),
        job_id: chosen.savepoint.job_id,
        allow_non_restored: args.has("allow-non-restored-state"),
        fork: args.has("fork"),
        claim,
    };
    let start = Start {
        restore,
        checkpoint_id: chosen.savepoint.checkpoint_id,
        change: match (args.has("changed-query"), args.sql()) {
            (true, _) => Change::Allowed,
            (false, Some(_)) => Change::Asked,
            (false, None) => Change::Unasked,
        },
        session: own,
    };
    let request = Request {
        text: sql.clone(),
        background: false,
        restore: Some(start),
        job_id: None,
    };
    statement::execute(session, request)
        .await
        .map_err(|error| error.in_statement(&sql))?;
    Ok(())
}

/// Whose the state is to be. That it is to be deleted needs a yes, and what goes with it is named first.
async fn claim(session: &Session, state: &Savepoint, args: &Args) -> Result<ClaimMode, Error> {
    let mode = match args.value("claim") {
        Some("claim") => ClaimMode::Claim,
        Some("legacy") => ClaimMode::Legacy,
        _ => ClaimMode::NoClaim,
    };
    let connection = &session.open()?.connection;
    if mode != ClaimMode::NoClaim && !connection.capabilities.claim {
        return Err(Error::unsupported(&connection.label, "other claim mode than no_claim"));
    }
    if mode != ClaimMode::Claim {
        return Ok(mode);
    }
    let origin = Lineage {
        job_id: state.job_id,
        checkpoint_id: state.checkpoint_id,
        path: state.path.clone(),
    };
    let known = gather(connection, &session.ledger, state.job_id, &[]).await?;
    let beside = known.iter().filter(|other| other.verdict == Verdict::Usable);
    let beside = beside.filter(|other| savepoint::shares(other, &origin));
    let beside: Vec<&str> = beside.map(|other| other.path.as_str()).collect();
    let also = match beside.len() {
        0 => String::new(),
        n => format!(
            ", with files that {n} other {} of that job may need, which will go on looking whole: {}",
            if n == 1 { "checkpoint" } else { "checkpoints" },
            beside.join(", ")
        ),
    };
    let what = format!("the job will delete {} when it no longer needs it{also}", state.path);
    session.ui.warn(&what);
    let yes = session.settings.yes || args.has("yes");
    session::agreed(if yes {
        Some(true)
    } else {
        session.ui.confirm("let the job have it?")
    })?;
    Ok(mode)
}

/// What `!set restore auto` makes of a statement.
pub enum Auto {
    /// It is run as it is: it has not run before, or has left no state.
    Afresh,
    /// It has run before, and starts from this.
    From(Box<Start>),
    /// Its job still runs: there is nothing to be started.
    Runs,
}

/// What is to be done with a statement that may have run before (`!set restore auto`): it starts from the newest usable
/// state, unless it still runs. Either is said.
///
/// # Errors
/// A job has gone on from its state, or none of its states can be used.
pub async fn known(session: &Session, text: &str) -> Result<Auto, Error> {
    let open = session.open()?;
    let connection = Arc::clone(&open.connection);
    let (RestoreFrom::Newest, true, Some(sql)) = (
        &session.settings.restore,
        connection.capabilities.restore,
        &connection.sql,
    ) else {
        return Ok(Auto::Afresh);
    };
    let dialect = sql.dialect();
    if !classify(text, &dialect).starts_job() {
        return Ok(Auto::Afresh);
    }
    let normal = |text: &str| normal(&sql.as_recorded(text), &dialect);
    let recorded = secrets::redact(text, &dialect).text;
    let (wanted, name) = (normal(&recorded), job_name(text, &dialect).unwrap_or_default());
    // A ledger that can't be read knows nothing; the shell has said so already.
    let runs = session.ledger.runs(&connection.url, &name).await.unwrap_or_default();
    let Some(run) = runs.into_iter().find(|run| normal(&run.intent.sql) == wanted) else {
        session.ui.say(&format!(
            "{} has not run before: it starts from nothing",
            sanitize(&name)
        ));
        return Ok(Auto::Afresh);
    };
    let target = target::resolve(session, &run.job_id().to_string()).await?;
    if let Some(process) = running(&target).await {
        let title = target.job.title();
        session
            .ui
            .say(&format!("{title} still runs{process}: it is not started a second time"));
        return Ok(Auto::Runs);
    }
    let title = sanitize(&run.intent.name).into_owned();
    match choose(session, &connection, run.job_id(), &Which::Latest, false).await {
        Ok(chosen) => {
            session.ui.say(&format!(
                "{title} has run before (job {}): it starts from {} ({})",
                run.job_id().short(),
                name_of(&chosen.savepoint),
                chosen.why
            ));
            Ok(Auto::From(Box::new(Start {
                restore: skep_engine::Restore {
                    path: chosen.savepoint.path.clone(),
                    job_id: chosen.savepoint.job_id,
                    ..skep_engine::Restore::default()
                },
                checkpoint_id: chosen.savepoint.checkpoint_id,
                change: Change::Unasked,
                session: None,
            })))
        }
        Err(ChooseFailure::Choose(ChooseError::NoState(_))) => {
            session.ui.warn(&format!(
                "{title} has run before (job {}) and has left no state: it starts from nothing",
                run.job_id().short()
            ));
            Ok(Auto::Afresh)
        }
        Err(failure) => Err(failure.into()),
    }
}

/// The state of a job that is meant, for a script that is to start from it: `JOB`, or `JOB,WHICH`.
///
/// # Errors
/// There is no such job or state, or the job still runs, or, without `fork`, another job has gone on from there.
pub async fn chosen(session: &Session, text: &str, fork: bool) -> Result<Chosen, Error> {
    let (word, which) = text.split_once(',').unwrap_or((text, "latest"));
    let target = target::resolve(session, word).await?;
    let job_id = target.job_id()?;
    refuse_running(&target).await?;
    let which = Which::parse(which, &Zoned::now())?;
    let chosen = choose(session, &target.connection, job_id, &which, fork).await?;
    session.ui.say(&format!(
        "{} from {} ({})",
        target::told_apart(session, &target).await?,
        name_of(&chosen.savepoint),
        chosen.why
    ));
    Ok(chosen)
}

/// Why no state is chosen.
enum ChooseFailure {
    /// None of those that are known is the one.
    Choose(ChooseError),
    /// They could not be looked at.
    Look(Error),
}

impl From<ChooseFailure> for Error {
    fn from(failure: ChooseFailure) -> Self {
        match failure {
            ChooseFailure::Choose(error) => error.into(),
            ChooseFailure::Look(error) => error,
        }
    }
}

/// `savepoint 6` or `checkpoint 8812`.
fn name_of(savepoint: &Savepoint) -> String {
    let kind = match savepoint.kind {
        skep_engine::SavepointKind::Checkpoint => "checkpoint",
        skep_engine::SavepointKind::Savepoint => "savepoint",
    };
    match savepoint.checkpoint_id {
        Some(id) => format!("{kind} {id}"),
        None => format!("{kind} {}", savepoint.path),
    }
}
