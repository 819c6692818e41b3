//! All output, and the questions: one object owns standard output and standard error.
//!
//! Results go to standard output, everything else to standard error. Whatever text comes in, from a server or a file,
//! goes out with its control characters made visible.

mod ask;
mod listing;
mod pager;
pub mod quantity;
mod report;
mod results;
mod terminal;
pub mod text;
mod waiting;

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use skep_engine::Secret;

pub use listing::{Align, Listing};
pub use report::report;
pub use results::Results;
pub use terminal::Terminal;
pub use text::sanitize;
pub use waiting::Waiting;

use crate::error::Error;
use report::Word;

/// Takes away what stands in the line of the cursor.
const CLEAR_LINE: &str = "\r\x1b[K";

/// Shows a message above the line that is being edited.
pub type Printer = Box<dyn FnMut(String) + Send>;

/// All output. Clones are the same object; any thread may use it.
#[derive(Clone)]
pub struct Ui {
    shared: Arc<Shared>,
}

struct Shared {
    terminal: Terminal,
    silent: bool,
    /// Apart from `messages`, so that results nobody reads at the moment hold up no message.
    out: Mutex<Box<dyn Write + Send>>,
    messages: Mutex<Messages>,
    asking: ask::Saved,
}

struct Messages {
    err: Box<dyn Write + Send>,
    printer: Option<Printer>,
    /// A progress line stands on the terminal.
    progress: bool,
}

impl std::fmt::Debug for Ui {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ui").finish_non_exhaustive()
    }
}

impl Ui {
    /// The process's own streams. With `silent`, status lines and progress are left out.
    pub fn new(silent: bool) -> Self {
        Self::with(
            Terminal::detect(),
            silent,
            Box::new(io::stdout()),
            Box::new(io::stderr()),
        )
    }

    /// Other streams, which are what `terminal` says.
    pub fn with(terminal: Terminal, silent: bool, out: Box<dyn Write + Send>, err: Box<dyn Write + Send>) -> Self {
        Self {
            shared: Arc::new(Shared {
                terminal,
                silent,
                out: Mutex::new(out),
                messages: Mutex::new(Messages {
                    err,
                    printer: None,
                    progress: false,
                }),
                asking: ask::Saved::default(),
            }),
        }
    }

    /// What the streams are.
    pub fn terminal(&self) -> &Terminal {
        &self.shared.terminal
    }

    /// Whether status lines are left out.
    pub fn is_silent(&self) -> bool {
        self.shared.silent
    }

    /// A writer of results.
    pub fn results(&self) -> Results {
        Results::new(self.clone())
    }

    /// Writes lines to standard output: what a command was asked for and is not rows. A line end is added. Off a
    /// terminal they are written as they are, for a program to read.
    ///
    /// # Errors
    /// Those of standard output; see [`Results`].
    pub fn print(&self, lines: &str) -> io::Result<()> {
        let mut lines = lines.trim_end_matches('\n').to_owned();
        if self.terminal().stdout {
            lines = text::sanitize_lines(&lines).into_owned();
        }
        lines.push('\n');
        self.write_out(lines.as_bytes())?;
        self.flush_out()
    }

    /// As [`Ui::print`], but on a terminal a text that is longer than the screen goes to `$PAGER` (else `less`).
    /// Blocks the thread until the person leaves it.
    ///
    /// # Errors
    /// Those of standard output; see [`Results`].
    pub fn page(&self, lines: &str) -> io::Result<()> {
        let terminal = self.terminal();
        let long = terminal.rows().is_some_and(|rows| lines.lines().count() >= rows);
        let pager = std::env::var("PAGER").unwrap_or_else(|_| "less".to_owned());
        if long && terminal.can_ask() && !terminal.dumb && !pager.trim().is_empty() {
            self.clear_progress();
            if pager::page(&pager, &text::sanitize_lines(lines)).unwrap_or(false) {
                return Ok(());
            }
        }
        self.print(lines)
    }

    /// Writes a table of the shell's own to standard output, on a terminal so that it fits its window.
    ///
    /// # Errors
    /// Those of standard output; see [`Results`].
    pub fn list(&self, listing: &Listing) -> io::Result<()> {
        self.print(&listing.render(self.terminal().results_width()))
    }

    /// Writes a value as one line of JSON to standard output.
    ///
    /// # Errors
    /// Those of standard output (see [`Results`]), and a value that JSON has no form for.
    pub fn json(&self, value: &impl Serialize) -> io::Result<()> {
        let json = serde_json::to_string(value).map_err(io::Error::other)?;
        let mut line = text::sanitize_json(&json).into_owned();
        line.push('\n');
        self.write_out(line.as_bytes())?;
        self.flush_out()
    }

    /// A status line: what was done. Left out when silent.
    pub fn say(&self, line: &str) {
        if !self.shared.silent {
            self.write_err(&line_of(line));
        }
    }

    /// A notice about a job: above the line being edited, if one is.
    pub fn note(&self, line: &str) {
        let line = line_of(line);
        let mut messages = self.messages();
        messages.erase_progress();
        match &mut messages.printer {
            Some(printer) => printer(line),
            None => messages.write(&line),
        }
    }

    /// Something that is not as it should be, and stops nothing.
    pub fn warn(&self, line: &str) {
        self.write_err(&format!(
            "{} {}",
            Word::Warning.paint(self.terminal().colour()),
            line_of(line)
        ));
    }

    /// What the person can do.
    pub fn hint(&self, line: &str) {
        self.write_err(&format!(
            "{} {}",
            Word::Hint.paint(self.terminal().colour()),
            line_of(line)
        ));
    }

    /// An error, with the place and the hints. Of a reader that went away nothing is said.
    pub fn error(&self, error: &Error) {
        if error.kind == crate::error::ErrorKind::ReaderGone {
            return;
        }
        let terminal = self.terminal();
        self.write_err(&report(
            error,
            terminal.colour(),
            terminal.utf8,
            terminal.messages_width(),
        ));
    }

    /// Shows how far something has come, on one line that is gone before anything else is written. Only on a terminal.
    pub fn progress(&self, line: &str) {
        let terminal = self.terminal();
        if self.shared.silent || terminal.dumb {
            return;
        }
        let Some(width) = terminal.messages_width() else { return };
        let shown = text::sanitize(line);
        // The terminal shows a key (^C) behind it, and some go to the next line after the last column: it would be out of
        // reach there.
        let shown = text::cut(&shown, width.saturating_sub(3), if terminal.utf8 { "…" } else { "..." });
        let mut messages = self.messages();
        messages.write(&format!("{CLEAR_LINE}{shown}"));
        messages.progress = true;
    }

    /// Takes the progress line away.
    pub fn clear_progress(&self) {
        self.messages().erase_progress();
    }

    /// A key such as Ctrl-Z has come, and the terminal has shown it (`^Z`) where the next message is to stand: takes it
    /// away. Not for when a row may stand in that line.
    pub fn clear_key(&self) {
        let terminal = self.terminal();
        if !terminal.can_ask() {
            return;
        }
        let mut messages = self.messages();
        messages.progress = false;
        messages.write(if terminal.dumb { "\n" } else { CLEAR_LINE });
    }

    /// From now on notices go through this printer. It must not use the `Ui`.
    pub fn set_printer(&self, printer: Printer) {
        self.messages().printer = Some(printer);
    }

    /// Notices go to standard error again.
    pub fn clear_printer(&self) {
        self.messages().printer = None;
    }

    /// Asks for a yes. `None`: nobody is there to ask, so it is to be refused; Ctrl-C and all but yes are a no.
    /// Blocks the thread.
    pub fn confirm(&self, question: &str) -> Option<bool> {
        let answer = self.ask(&format!("{question} [y/N] "), true)?;
        Some(answer.is_some_and(|answer| matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")))
    }

    /// Asks to type a name, for what can't be taken back. `None` as in [`Ui::confirm`]. Blocks the thread.
    pub fn ask_name(&self, question: &str, name: &str) -> Option<bool> {
        let answer = self.ask(&format!("{question} type its name: "), true)?;
        Some(answer.is_some_and(|answer| answer.trim() == name))
    }

    /// Asks for a password, which is not shown. `None`: nobody is there to ask, or Ctrl-C. Blocks the thread.
    pub fn password(&self, prompt: &str) -> Option<Secret> {
        self.ask(prompt, false)?.map(Secret::new)
    }

    /// The outer `None`: nobody is there to ask.
    fn ask(&self, question: &str, echo: bool) -> Option<Option<String>> {
        if !self.terminal().can_ask() {
            return None;
        }
        self.clear_progress();
        // A terminal that can't be opened can't be asked on.
        ask::ask(Path::new("/dev/tty"), question, echo, &self.shared.asking).ok()
    }

    /// Leaves the terminal as it was found: to be called before the process ends in the middle of things.
    pub fn restore_terminal(&self) {
        ask::restore(&self.shared.asking);
        self.clear_progress();
    }

    fn messages(&self) -> MutexGuard<'_, Messages> {
        // A thread that panicked while writing leaves nothing behind that others could not go on with.
        self.shared.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_err(&self, text: &str) {
        let mut messages = self.messages();
        messages.erase_progress();
        messages.write(text);
    }

    fn write_out(&self, bytes: &[u8]) -> io::Result<()> {
        if self.terminal().stdout {
            self.clear_progress();
        }
        self.out().write_all(bytes)
    }

    fn flush_out(&self) -> io::Result<()> {
        self.out().flush()
    }

    fn out(&self) -> MutexGuard<'_, Box<dyn Write + Send>> {
        self.shared.out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Messages {
    /// Messages that can't be written are lost: there is nowhere else to tell.
    fn write(&mut self, text: &str) {
        let _ = self.err.write_all(text.as_bytes());
        let _ = self.err.flush();
    }

    fn erase_progress(&mut self) {
        if std::mem::take(&mut self.progress) {
            self.write(CLEAR_LINE);
        }
    }
}

fn line_of(text: &str) -> String {
    let mut line = text::sanitize_lines(text.trim_end_matches('\n')).into_owned();
    line.push('\n');
    line
}

#[cfg(test)]
mod tests;
