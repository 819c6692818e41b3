//! The process: from the command line to the exit code.

use std::io::{self, IsTerminal};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use skep_engine::ShellTables;

use crate::cli::{self, Options, Source};
use crate::command::{self, Flow};
use crate::config::Config;
use crate::engines::{DEFAULT_URL, Engines};
use crate::error::Error;
use crate::interrupt::Interrupts;
use crate::job::Table;
use crate::job::schedule::Schedule;
use crate::ledger::Ledger;
use crate::properties::Properties;
use crate::session::{RestoreFrom, Session, Settings};
use crate::ui::Ui;
use crate::{credentials, dispatch, script, shell, shutdown};

/// The environment variable that names the data directory.
pub const DATA_DIR: &str = "SKEP_DATA_DIR";

/// The name of the shell's own threads.
const THREAD: &str = "skep";

/// Runs skep with these drivers on the process's own command line.
pub fn main(engines: Engines) -> ExitCode {
    let options = match cli::parse(std::env::args_os()) {
        Ok(options) => options,
        Err(error) => {
            // To stdout for --help and --version, else to stderr; a closed pipe is not worth a word.
            return match error.print() {
                Err(cause) if cause.kind() != io::ErrorKind::BrokenPipe => {
                    let unwritten = Error::from(cause);
                    Ui::new(false).error(&unwritten);
                    unwritten.exit_code().into()
                }
                _ => ExitCode::from(if error.use_stderr() { 2 } else { 0 }),
            };
        }
    };
    if let Some(Some(password)) = &options.password
        && options.password_file.is_none()
    {
        credentials::conceal(password);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name(THREAD)
        .enable_all()
        .build();
    panic::set_hook(Box::new(note_panic));
    match runtime {
        Ok(runtime) => {
            // What a panic was about has been told by then; as on its way out of anything, terminals are restored.
            let code = panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(run(engines, options))))
                .unwrap_or(crate::error::ErrorKind::Failed.exit_code());
            // A thread that waits for standard input can't be joined.
            runtime.shutdown_background();
            code.into()
        }
        Err(cause) => {
            Ui::new(false).error(&Error::internal(format!("can't start: {cause}")));
            ExitCode::FAILURE
        }
    }
}

/// Tells a panic in one line. One on a thread of an engine's own becomes the error of the statement or job that it was
/// in, and is told there; one on a worker ends its task and no more.
fn note_panic(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let message = panic.payload_as_str().unwrap_or("no message");
    let place = panic.location().map(|place| format!(" ({place})")).unwrap_or_default();
    // An object of its own: the thread may have panicked with the locks of the other one.
    let ui = Ui::new(false);
    match thread.name() {
        Some("main") => ui.error(&Error::internal(format!("{message}{place}"))),
        Some(THREAD) | None => ui.warn(&format!("internal error: {message}{place}")),
        Some(_) => {}
    }
}

async fn run(engines: Engines, mut options: Options) -> crate::error::ExitCode {
    let scripted = !options.sources.is_empty() || options.command.is_some() || !io::stdin().is_terminal();
    let ui = Ui::new(options.silent);
    let started = match &options.property_file {
        Some(file) => Properties::of_file(file).map(|said| said.complete(&mut options)),
        None => Ok(()),
    };
    let mut session = match started.and_then(|()| start(engines, &options, ui.clone(), !scripted)) {
        Ok(session) => session,
        Err(error) => {
            ui.error(&error);
            return error.exit_code();
        }
    };
    if let Err(error) = work(&mut session, options, scripted).await {
        session.ui.error(&error);
        session.note_failure(&error);
    }
    if let Err(error) = shutdown::leave(&mut session).await {
        session.ui.error(&error);
        session.note_failure(&error);
    }
    session.exit_code
}

fn start(engines: Engines, options: &Options, ui: Ui, interactive: bool) -> Result<Session, Error> {
    let data_dir = data_dir(&ui);
    let config = Config::load()?;
    let mut target = credentials::described(options, DEFAULT_URL, data_dir.clone(), &ui)?;
    let ledger = Ledger::open(&data_dir).unwrap_or_else(|cause| {
        ui.warn(&format!("{cause}; what runs now will not be remembered"));
        Ledger::none()
    });
    target.tables = ledger.tables().map(|tables| Arc::new(tables) as Arc<dyn ShellTables>);
    let mut settings = Settings {
        interactive,
        json: options.json,
        yes: options.yes,
        force: options.force,
        one_shot: options.command.is_some(),
        ..Settings::default()
    };
    for (name, value) in &config.set {
        command::configure(&mut settings, name, &value.to_string())
            .map_err(|error| error.within("the configuration file"))?;
    }
    if let Some(format) = options.format {
        settings.format = format;
    }
    if let Some(show_header) = options.show_header {
        settings.show_header = show_header;
    }
    let secrets = options
        .secrets
        .iter()
        .map(credentials::secret)
        .collect::<Result<_, _>>()?;
    Ok(Session {
        ui,
        engines,
        open: None,
        jobs: Table::new(),
        schedule: Schedule::default(),
        ledger,
        interrupts: Interrupts::install(interactive)?,
        settings,
        exit_code: crate::error::ExitCode::SUCCESS,
        last_error: None,
        target,
        secrets,
        config,
    })
}

/// The user's data directory, or one that ends with the process where there is no home.
fn data_dir(ui: &Ui) -> PathBuf {
    if let Some(dir) = std::env::var_os(DATA_DIR).filter(|dir| !dir.is_empty()) {
        return PathBuf::from(dir);
    }
    match dirs::data_dir() {
        Some(dir) => dir.join("skep"),
        None => {
            let dir = std::env::temp_dir().join(format!("skep-{}", std::process::id()));
            ui.warn(&format!(
                "there is no home directory: jobs and savepoints are kept in {} · {DATA_DIR} names another place",
                dir.display()
            ));
            dir
        }
    }
}

async fn work(session: &mut Session, options: Options, scripted: bool) -> Result<(), Error> {
    let needs_one = options
        .command
        .as_ref()
        .is_none_or(|(command, _)| command.needs_connection());
    let named = match (&options.url, &options.connection) {
        (None, None) if needs_one => session.config.default.clone(),
        (_, name) => name.clone(),
    };
    if let Some(name) = named {
        let mut target = session.named(&name)?;
        credentials::overrule(&mut target, session.target.clone(), &options);
        session.connect(target).await?;
    } else if needs_one || options.url.is_some() {
        let url = options.url.as_deref().unwrap_or(DEFAULT_URL);
        session.connect(session.at(url)).await?;
    }
    // They are addresses of the cluster behind that URL, not of the next that is connected to.
    session.target.rest = None;
    session.target.history = None;
    if let Some(init) = &options.init
        && script::run_file(session, init).await? == Flow::Quit
    {
        return Ok(());
    }
    if let Some((command, args)) = options.command {
        let done = dispatch::run(session, command, args).await;
        session.tell_ledger_problem();
        if let Ok(Flow::Run(file)) = &done {
            script::run_file(session, file).await?;
            if let RestoreFrom::Path { path, .. } = &session.settings.restore {
                session.ui.warn(&format!(
                    "nothing was started from {path}: no statement of {} starts a job",
                    file.display()
                ));
            }
            return Ok(());
        }
        // A command that started a job inside this process stays with it, also if it failed at something else.
        return match done {
            Err(error) if !error.ends_script() && shutdown::has_inside(session) => {
                session.ui.error(&error);
                session.note_failure(&error);
                shutdown::stay(session).await
            }
            Err(error) => Err(error),
            Ok(_) => shutdown::stay(session).await,
        };
    }
    for source in &options.sources {
        let flow = match source {
            Source::File(path) if path.as_os_str() == "-" => script::run_stdin(session).await?,
            Source::File(path) => script::run_file(session, path).await?,
            Source::Text(text) => script::run_text(session, text).await?,
        };
        if flow == Flow::Quit {
            return Ok(());
        }
    }
    if options.sources.is_empty() {
        if scripted {
            script::run_stdin(session).await?;
        } else {
            shell::run(session).await?;
        }
    }
    Ok(())
}
