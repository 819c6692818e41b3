//! The line editor. Editing blocks, so it has a thread of its own: it is asked for a line and answers with it.
//!
//! On a terminal that can't move its cursor (TERM=dumb), lines are read as the terminal gives them.

use std::io::{self, BufRead, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

use rustyline::config::BellStyle;
use rustyline::error::ReadlineError;
use rustyline::history::{History as _, MemHistory};
use rustyline::{
    Behavior, Cmd, ColorMode, CompletionType, ConditionalEventHandler, Config, Event, EventContext, EventHandler,
    ExternalPrinter as _, KeyCode, KeyEvent, Modifiers, RepeatCount,
};
use skep_engine::Dialect;
use tokio::sync::mpsc as answers;

use super::helper::LineHelper;
use super::history::{self, History};
use super::prompt::Prompt;
use crate::error::Error;

type LineEditor = rustyline::Editor<LineHelper, MemHistory>;

/// A line that is to be read.
#[derive(Debug, Clone)]
pub struct Request {
    /// What stands before it.
    pub prompt: Prompt,
    /// The statement so far, if this is not its first line.
    pub before: String,
    /// What stands in the line already, before and behind the cursor.
    pub initial: (String, String),
    /// How the statement is to be read.
    pub dialect: Dialect,
}

/// What came of it.
#[derive(Debug)]
pub enum Answer {
    /// A line (of several lines, if it was pasted or comes from the history), without its line end.
    Line(String),
    /// Ctrl-C: the line is given up. Whether there was `nothing` in it.
    Cleared {
        /// Nothing stood in the line.
        nothing: bool,
    },
    /// Ctrl-D on an empty line, or the end of the terminal.
    End,
    /// Ctrl-Z, and what stood in the line before and behind the cursor.
    Suspend(String, String),
    /// The person wants to go back into the lines before; the line, before and behind the cursor.
    Back(String, String),
    /// What was typed is no text: it can't be read.
    NotText,
    /// The terminal can't be read.
    Failed(String),
}

enum Order {
    Read(Request),
    Remember(String),
}

/// A handle to the editor.
pub struct Editor {
    orders: mpsc::Sender<Order>,
    answers: answers::UnboundedReceiver<Answer>,
    /// Shows text above the line being edited; `None` on a plain terminal.
    notices: Option<mpsc::Sender<String>>,
    plain: bool,
    reading: bool,
}

impl Editor {
    /// Starts an editor of lines with history, completion and, if wanted, colours.
    ///
    /// # Errors
    /// The terminal can't be used for that, or there are no more threads.
    pub fn start(helper: LineHelper, history: &Path, colour: bool) -> Result<Self, Error> {
        let mut editor = line_editor(helper, colour).map_err(|cause| unusable(&cause))?;
        let mut printer = editor.create_external_printer().map_err(|cause| unusable(&cause))?;
        let (notices, shown) = mpsc::channel::<String>();
        // Printing can block for as long as the editor is busy: whoever has something to say need not wait.
        thread::Builder::new()
            .name("notices".to_owned())
            .spawn(move || shown.iter().for_each(|notice| drop(printer.print(notice))))
            .map_err(|cause| unusable(&cause))?;
        let history = history.to_owned();
        Self::spawn(Some(notices), move |orders, answers| {
            Edit::new(editor, &history).work(orders, &answers);
        })
    }

    /// Starts a reader of lines that leaves editing to the terminal.
    ///
    /// # Errors
    /// There are no more threads.
    pub fn start_plain() -> Result<Self, Error> {
        Self::spawn(None, read_plainly)
    }

    fn spawn(
        notices: Option<mpsc::Sender<String>>,
        work: impl FnOnce(mpsc::Receiver<Order>, answers::UnboundedSender<Answer>) + Send + 'static,
    ) -> Result<Self, Error> {
        let (orders, received) = mpsc::channel();
        let (sender, answers) = answers::unbounded_channel();
        let plain = notices.is_none();
        thread::Builder::new()
            .name("editor".to_owned())
            .spawn(move || work(received, sender))
            .map_err(|cause| unusable(&cause))?;
        Ok(Self {
            orders,
            answers,
            notices,
            plain,
            reading: false,
        })
    }

    /// Whether editing is left to the terminal.
    pub fn is_plain(&self) -> bool {
        self.plain
    }

    /// Whether it waits for a key.
    pub fn is_reading(&self) -> bool {
        self.reading
    }

    /// Shows text above the line being edited.
    pub fn notices(&self) -> Option<mpsc::Sender<String>> {
        self.notices.clone()
    }

    /// Asks for a line.
    pub fn ask(&mut self, request: Request) {
        if self.plain {
            // Standard output may be a file.
            let mut stderr = io::stderr();
            let _ = stderr
                .write_all(request.prompt.raw.as_bytes())
                .and_then(|()| stderr.flush());
        }
        // A plain line that Ctrl-C has cleared is still being read.
        if !self.reading {
            self.reading = self.orders.send(Order::Read(request)).is_ok();
        }
    }

    /// The answer.
    pub async fn answer(&mut self) -> Answer {
        let answer = self.answers.recv().await;
        self.reading = false;
        answer.unwrap_or_else(|| Answer::Failed("the editor has ended".to_owned()))
    }

    /// Keeps a statement in the history.
    pub fn remember(&self, entry: String) {
        // Without an editor there is nothing to remember it.
        let _ = self.orders.send(Order::Remember(entry));
    }
}

fn unusable(cause: &impl std::fmt::Display) -> Error {
    Error::failed(format!("the terminal can't be used: {cause}"))
}

fn line_editor(helper: LineHelper, colour: bool) -> rustyline::Result<LineEditor> {
    let config = Config::builder()
        .max_history_size(history::LIMIT)?
        // The terminal itself, so that results can go elsewhere.
        .behavior(Behavior::PreferTerm)
        .completion_type(CompletionType::List)
        .bell_style(BellStyle::None)
        .color_mode(if colour {
            ColorMode::Enabled
        } else {
            ColorMode::Disabled
        })
        .build();
    let history = MemHistory::with_config(&config);
    let mut editor = LineEditor::with_history(config, history)?;
    editor.set_helper(Some(helper));
    Ok(editor)
}

/// What a key that ends the editing meant.
#[derive(Debug, Clone, Copy, Default)]
struct Pressed {
    /// It is not the first line of a statement.
    continues: bool,
    /// Ctrl-C was pressed on an empty line.
    cleared_nothing: bool,
    /// The key, and where the cursor was.
    key: Option<(Key, usize)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Interrupt,
    Suspend,
    Back,
}

/// Answers to keys that are the shell's, not the editor's.
struct Handler {
    key: Key,
    pressed: Arc<Mutex<Pressed>>,
}

fn lock(pressed: &Mutex<Pressed>) -> MutexGuard<'_, Pressed> {
    // It is a few plain values, each valid with any other.
    pressed.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ConditionalEventHandler for Handler {
    fn handle(&self, _event: &Event, _n: RepeatCount, _positive: bool, context: &EventContext<'_>) -> Option<Cmd> {
        let (line, cursor) = (context.line(), context.pos());
        let mut pressed = lock(&self.pressed);
        match self.key {
            Key::Interrupt => {
                pressed.cleared_nothing = line.is_empty();
                return Some(Cmd::Interrupt);
            }
            // Within the line, and where there are no lines before, the key means what it always means.
            Key::Back if !pressed.continues || line[..cursor].contains('\n') => return None,
            Key::Back | Key::Suspend => {}
        }
        pressed.key = Some((self.key, cursor));
        Some(Cmd::AcceptLine)
    }
}

/// The editor's thread.
struct Edit {
    editor: LineEditor,
    history: History,
    pressed: Arc<Mutex<Pressed>>,
}

impl Edit {
    fn new(mut editor: LineEditor, history: &Path) -> Self {
        let pressed = Arc::<Mutex<Pressed>>::default();
        let mut bind = |event: KeyEvent, key: Key| {
            let handler = Handler {
                key,
                pressed: Arc::clone(&pressed),
            };
            editor.bind_sequence(event, EventHandler::Conditional(Box::new(handler)));
        };
        bind(KeyEvent::ctrl('C'), Key::Interrupt);
        bind(KeyEvent::ctrl('Z'), Key::Suspend);
        bind(KeyEvent(KeyCode::Up, Modifiers::NONE), Key::Back);
        bind(KeyEvent::ctrl('P'), Key::Back);
        editor.bind_sequence(KeyEvent(KeyCode::Enter, Modifiers::ALT), Cmd::Newline);
        let mut edit = Self {
            editor,
            history: History::open(history),
            pressed,
        };
        edit.show_history();
        edit
    }

    fn work(mut self, orders: mpsc::Receiver<Order>, answers: &answers::UnboundedSender<Answer>) {
        for order in orders {
            match order {
                Order::Remember(entry) => {
                    // A history that can't be written is kept in memory.
                    let _ = self.history.add(&entry);
                    self.show_history();
                }
                Order::Read(request) => {
                    if answers.send(self.read(request)).is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Hands the entries to the editor.
    fn show_history(&mut self) {
        let history = self.editor.history_mut();
        let _ = history.clear();
        for entry in self.history.entries() {
            let _ = history.add(entry);
        }
    }

    fn read(&mut self, request: Request) -> Answer {
        if request.before.is_empty() && self.history.refresh() {
            self.show_history();
        }
        *lock(&self.pressed) = Pressed {
            continues: !request.before.is_empty(),
            ..Pressed::default()
        };
        if let Some(helper) = self.editor.helper_mut() {
            helper.before = request.before;
            helper.dialect = request.dialect;
        }
        let prompt = (request.prompt.raw, request.prompt.styled);
        let (left, right) = &request.initial;
        let read = self.editor.readline_with_initial(&prompt, (left, right));
        let pressed = *lock(&self.pressed);
        match read {
            Ok(line) => match pressed.key {
                None => Answer::Line(line),
                Some((key, cursor)) => {
                    let (left, right) = line.split_at(cursor.min(line.len()));
                    let answer = if key == Key::Suspend {
                        Answer::Suspend
                    } else {
                        Answer::Back
                    };
                    answer(left.to_owned(), right.to_owned())
                }
            },
            Err(ReadlineError::Interrupted | ReadlineError::Signal(_)) => Answer::Cleared {
                nothing: pressed.cleared_nothing,
            },
            Err(ReadlineError::Eof) => Answer::End,
            Err(ReadlineError::Io(cause)) if cause.kind() == io::ErrorKind::InvalidData => Answer::NotText,
            Err(cause) => Answer::Failed(cause.to_string()),
        }
    }
}

/// The plain reader's thread.
fn read_plainly(orders: mpsc::Receiver<Order>, answers: answers::UnboundedSender<Answer>) {
    let mut stdin = io::stdin().lock();
    for order in orders {
        let Order::Read(_) = order else { continue };
        let mut line = Vec::new();
        let answer = match stdin.read_until(b'\n', &mut line) {
            Ok(0) => Answer::End,
            Ok(_) => match String::from_utf8(line) {
                Ok(line) => Answer::Line(line.trim_end_matches(['\r', '\n']).to_owned()),
                Err(_) => Answer::NotText,
            },
            Err(cause) => Answer::Failed(cause.to_string()),
        };
        if answers.send(answer).is_err() {
            return;
        }
    }
}
