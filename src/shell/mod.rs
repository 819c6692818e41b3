//! The prompt.
//!
//! Lines are read one by one; the splitter says whether a statement is complete, and the prompt for the next line says
//! what is open. Statements are run one after the other, however many were typed or pasted at once.

mod catalog;
mod completion;
mod editor;
mod entry;
mod helper;
mod highlight;
mod history;
mod prompt;
mod terminal;
mod welcome;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use skep_engine::Connection;

use crate::command::spec::{Kind as Argument, Positional};
use crate::command::{self, Flow};
use crate::error::{Error, ErrorKind};
use crate::interrupt::{Attendant, Signal};
use crate::script;
use crate::session::Session;
use crate::syntax::{Input, Kind, Piece, classify};
use crate::ui::text;

use catalog::Catalog;
use editor::{Answer, Editor, Request};
use entry::Entry;
use helper::LineHelper;
use terminal::Terminal;

/// How long an editor that is broken off is given to leave the terminal in order.
const BREAK_OFF: Duration = Duration::from_secs(1);

/// How long the first prompt waits to be told what can be brought back. That takes a moment, but on a machine that is busy.
const WELCOME: Duration = Duration::from_secs(2);

/// How long a shell that was continued waits for signals that are on their way to it. Only one that was continued in the
/// background (`bg`) waits so long, before it is stopped again for wanting the terminal.
const CONTINUED: Duration = Duration::from_secs(2);

/// Runs the prompt until the person leaves. Ending the session is the caller's.
///
/// # Errors
/// A signal ended it, or the terminal can't be read, or the reader of the results went away.
pub async fn run(session: &mut Session) -> Result<(), Error> {
    let mut shell = Shell::start(session)?;
    let done = shell.work(session).await;
    shell.leave(session).await;
    done
}

struct Shell {
    editor: Editor,
    terminal: Option<Arc<Terminal>>,
    catalog: Catalog,
    /// The connection that the catalog is of.
    connection: Option<Arc<Connection>>,
    /// A notice was shown since the last look.
    noticed: Arc<AtomicBool>,
}

impl Shell {
    fn start(session: &Session) -> Result<Self, Error> {
        let terminal = Terminal::open().map(Arc::new);
        if let Some(terminal) = &terminal {
            session
                .interrupts
                .set_attendant(Arc::clone(terminal) as Arc<dyn Attendant>);
        }
        let catalog = Catalog::default();
        let mut editor = None;
        if !session.ui.terminal().dumb && terminal.is_some() {
            let helper = LineHelper {
                catalog: catalog.clone(),
                jobs: session.jobs.clone(),
                connections: session.config.connections.keys().cloned().collect(),
                dialect: session.dialect(),
                before: String::new(),
            };
            let history = session.data_dir().join("history");
            // A terminal that can't be edited on can be read from.
            editor = Editor::start(helper, &history, session.ui.terminal().colour()).ok();
        }
        let editor = match editor {
            Some(editor) => editor,
            None => Editor::start_plain()?,
        };
        Ok(Self {
            editor,
            terminal,
            catalog,
            connection: None,
            noticed: Arc::default(),
        })
    }

    async fn work(&mut self, session: &mut Session) -> Result<(), Error> {
        session.ui.say(&welcome::greeting(session));
        // The prompt is not held up by an engine that takes its time.
        if let Ok(Some(jobs)) = tokio::time::timeout(WELCOME, welcome::restorable(session)).await {
            session.ui.say(&jobs);
        }
        self.refresh_catalog(session, false);
        let mut entry = Entry::new(session);
        loop {
            let request = entry.request(session);
            let width = text::width(&request.prompt.raw);
            let answer = self.read(session, request).await?;
            if self.noticed.swap(false, Ordering::Relaxed) {
                entry.interrupted();
            }
            match answer {
                Answer::Line(line) => {
                    entry.push(&line, width, self.columns());
                    if entry.is_complete() {
                        self.remember(session, &entry);
                    }
                    match self.run_pieces(session, &mut entry).await? {
                        Flow::Quit => return Ok(()),
                        _ if entry.is_empty() => entry = Entry::new(session),
                        _ => {}
                    }
                }
                Answer::Cleared { nothing } => {
                    if nothing && entry.is_empty() {
                        session.ui.hint("Ctrl-D or !quit leaves");
                    }
                    entry = Entry::new(session);
                }
                Answer::Suspend(left, right) => {
                    self.stop(session, true).await;
                    entry.put_back(left, right);
                }
                Answer::Back(left, right) => entry = self.go_back(session, &entry, &left, right, width),
                Answer::NotText => session.ui.warn("what was typed is not UTF-8; nothing was done"),
                Answer::End if !self.is_gone() => return Ok(()),
                Answer::End | Answer::Failed(_) if self.is_gone() => return Err(Signal::Hangup.error()),
                Answer::End => return Ok(()),
                Answer::Failed(cause) => return Err(Error::failed(format!("the terminal can't be read: {cause}"))),
            }
        }
    }

    /// Reads a line.
    async fn read(&mut self, session: &mut Session, request: Request) -> Result<Answer, Error> {
        session.interrupts.forget();
        if let Some(signal) = session.interrupts.ending() {
            return Err(signal.error());
        }
        self.attach(session);
        if self.editor.is_plain()
            && let Some(terminal) = &self.terminal
        {
            // Ctrl-C is to take back what stands in the line.
            terminal.discard_output();
        }
        self.editor.ask(request.clone());
        let answer = if self.editor.is_plain() {
            self.plain_answer(session, request).await
        } else {
            // A Ctrl-C or Ctrl-Z that comes as a signal was pressed after Enter: it is meant for the statement. Before, the
            // editor sees the keys.
            tokio::select! {
                answer = self.editor.answer() => Ok(answer),
                signal = session.interrupts.end() => Err(signal.error()),
            }
        };
        session.ui.clear_printer();
        answer
    }

    /// Reads a line that the terminal edits: Ctrl-C and Ctrl-Z are signals all the time.
    async fn plain_answer(&mut self, session: &mut Session, request: Request) -> Result<Answer, Error> {
        loop {
            tokio::select! {
                biased;
                answer = self.editor.answer() => {
                    if matches!(answer, Answer::End) && !self.is_gone() {
                        // The terminal shows nothing of Ctrl-D: what is said next is not to stand behind the prompt.
                        session.ui.say("");
                    }
                    return Ok(answer);
                }
                signal = session.interrupts.next() => match signal {
                    signal if signal.is_final() => return Err(signal.error()),
                    Signal::Suspend => {
                        self.stop(session, false).await;
                        self.editor.ask(request.clone());
                    }
                    _ => {
                        // The terminal has dropped the line, and shown ^C in it.
                        session.ui.say("");
                        return Ok(Answer::Cleared { nothing: true });
                    }
                },
            }
        }
    }

    /// Has notices shown above the line being edited, if they go to the same terminal.
    fn attach(&self, session: &Session) {
        let Some(notices) = self.editor.notices().filter(|_| session.ui.terminal().stderr) else {
            return;
        };
        let noticed = Arc::clone(&self.noticed);
        session.ui.set_printer(Box::new(move |notice| {
            noticed.store(true, Ordering::Relaxed);
            // The thread behind it lives as long as the sender.
            let _ = notices.send(notice);
        }));
    }

    /// Runs what is complete.
    async fn run_pieces(&mut self, session: &mut Session, entry: &mut Entry) -> Result<Flow, Error> {
        while let Some(piece) = entry.next_piece(session.dialect()) {
            entry.interrupted();
            if let Some(terminal) = &self.terminal {
                terminal.keep_output();
            }
            let done = script::run_piece(session, &piece).await;
            let changed = changes_catalog(session, &piece);
            self.refresh_catalog(session, changed);
            let mut interrupted = match session.interrupts.pending() {
                Some(signal) if signal.is_final() => return Err(signal.error()),
                signal => signal.is_some(),
            };
            match done {
                Ok(Flow::Quit) => return Ok(Flow::Quit),
                Ok(_) => {}
                Err(error) => match error.kind {
                    ErrorKind::ReaderGone | ErrorKind::HungUp | ErrorKind::Terminated => return Err(error),
                    ErrorKind::Interrupted => interrupted = true,
                    _ if error.trace.is_some() => {
                        session.ui.error(&error.hint("!error shows the server's own account"));
                    }
                    _ => session.ui.error(&error),
                },
            }
            // Who breaks off one statement of several does not want the others.
            if interrupted {
                *entry = Entry::new(session);
            }
        }
        Ok(Flow::Continue)
    }

    /// Opens the lines before for editing, in place of the prompts that they were typed at.
    fn go_back(&self, session: &Session, entry: &Entry, left: &str, right: String, prompt: usize) -> Entry {
        let line = format!("{left}{right}");
        if let (Some(rows), Some(terminal)) = (entry.rows(), &self.terminal) {
            terminal.erase_rows(rows + (prompt + text::width(&line)) / terminal.columns() + 1);
        }
        let before = entry.rest().trim_end_matches('\n').to_owned();
        let behind = if line.is_empty() { line } else { format!("\n{line}") };
        Entry::with_initial(session, (before, behind))
    }

    fn remember(&self, session: &Session, entry: &Entry) {
        // A blank before the first statement keeps all of it out.
        self.editor.remember(entry.without_secrets(session));
    }

    fn refresh_catalog(&mut self, session: &Session, changed: bool) {
        let now = session.open.as_ref().map(|open| &open.connection);
        let same = match (now, &self.connection) {
            (Some(now), Some(before)) => Arc::ptr_eq(now, before),
            (None, None) => true,
            _ => false,
        };
        if changed || !same {
            self.connection = now.cloned();
            self.catalog.refresh(now.and_then(|connection| connection.sql.clone()));
        }
    }

    /// Stops as Ctrl-Z wants it, until the shell that started us continues us.
    async fn stop(&self, session: &mut Session, group: bool) {
        if let Some(terminal) = &self.terminal {
            terminal.discard_output();
        }
        if !terminal::stop(group) {
            session
                .ui
                .hint("nothing could bring the shell back: it was not started by a shell with job control");
            return;
        }
        let interrupts = &mut session.interrupts;
        if group {
            // Our own SIGTSTP was for the others.
            let _ = tokio::time::timeout(CONTINUED, interrupts.next()).await;
        }
        // `kill %1` continues a stopped job for it to see SIGTERM; using the terminal now would stop us again.
        if self.terminal.as_ref().is_some_and(|terminal| !terminal.is_ours()) {
            let _ = tokio::time::timeout(CONTINUED, interrupts.end()).await;
        }
    }

    fn is_gone(&self) -> bool {
        self.terminal.as_ref().is_some_and(|terminal| terminal.is_gone())
    }

    fn columns(&self) -> usize {
        self.terminal.as_ref().map_or(80, |terminal| terminal.columns())
    }

    /// Has the editor leave the terminal.
    async fn leave(&mut self, session: &mut Session) {
        session.ui.clear_printer();
        let Some(terminal) = &self.terminal else { return };
        if self.editor.is_reading() && !self.editor.is_plain() && terminal.is_ours() {
            terminal::break_editor_off();
            // One that does not answer is left behind, and what it did to the terminal is undone.
            let _ = tokio::time::timeout(BREAK_OFF, self.editor.answer()).await;
            session.interrupts.forget();
        }
    }
}

impl Drop for Shell {
    /// Leaves the terminal as it was found, also when a panic ends the prompt.
    fn drop(&mut self) {
        if let Some(terminal) = &self.terminal {
            terminal.restore();
        }
    }
}

/// Whether other tables may be there after it.
fn changes_catalog(session: &Session, piece: &Piece) -> bool {
    match &piece.input {
        Input::Trivia => false,
        Input::Sql { text, .. } => !matches!(
            classify(text, &session.dialect()),
            Kind::Empty
                | Kind::Query
                | Kind::Insert { .. }
                | Kind::Change
                | Kind::StatementSet
                | Kind::Set { .. }
                | Kind::SetList { .. }
                | Kind::Reset { .. }
                | Kind::Show
                | Kind::Describe
                | Kind::Explain
                | Kind::Job(_)
        ),
        // A command that runs statements.
        Input::Bang { name, .. } => command::find(name).is_ok_and(|command| {
            let runs = |positional: &Positional| matches!(positional.kind, Argument::Sql | Argument::Path);
            command.spec().positionals.iter().any(runs)
        }),
    }
}
