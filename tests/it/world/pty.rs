//! A program in a pseudo-terminal, and the screen that a person would see.
//!
//! Nothing here waits by the clock: a thread feeds the bytes that arrive to a model of the screen, and whoever waits is
//! woken by them.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};

use super::Program;

/// A program in a terminal.
pub struct Pty {
    what: String,
    shared: Arc<Shared>,
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    pid: u32,
    limit: Duration,
}

struct Shared {
    state: Mutex<State>,
    arrived: Condvar,
}

struct State {
    parser: vt100::Parser,
    /// Every byte that came.
    raw: Vec<u8>,
    /// Nothing more comes: the program has ended.
    ended: Option<Ended>,
    /// How it ended, while what it wrote last is still on its way.
    exit: Option<(i32, bool)>,
    /// Nobody reads what it writes.
    held: bool,
    /// From when this has come nobody does.
    hold_at: Option<String>,
}

impl State {
    /// Whether the last `n` bytes have brought what nobody reads on from.
    fn is_reached(&self, n: usize) -> bool {
        let Some(text) = &self.hold_at else { return false };
        let from = self.raw.len().saturating_sub(n + text.len());
        self.raw[from..].windows(text.len()).any(|part| part == text.as_bytes())
    }
}

/// How a program has left its terminal.
#[derive(Clone)]
pub struct Ended {
    /// Its exit code, as a shell says it: 128 and the signal's number where one ended it.
    pub code: i32,
    /// The terminal echoes and takes lines, as a shell wants to find it.
    pub cooked: bool,
    /// What is on the screen.
    pub screen: Screen,
}

/// What is on the screen, and what was.
#[derive(Clone)]
pub struct Screen {
    /// What a person reads: a line that goes on over several rows is one line.
    pub text: String,
    /// The row that the cursor is in, up to the cursor.
    pub line: String,
    /// The cursor's row and column, from 0.
    pub cursor: (u16, u16),
    /// What went past, all that ever came: with escape sequences.
    pub raw: String,
    /// The program has asked for bracketed paste: it is editing.
    pub editing: bool,
}

impl Screen {
    /// That text is on the screen.
    pub fn has(&self, text: &str) -> bool {
        self.text.contains(text)
    }
}

impl std::fmt::Display for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (row, column) = self.cursor;
        write!(f, "{}\n--- cursor in row {row}, column {column}", self.text)
    }
}

fn size(rows: u16, columns: u16) -> PtySize {
    PtySize {
        rows,
        cols: columns,
        pixel_width: 0,
        pixel_height: 0,
    }
}

fn nonzero(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).unwrap()
}

impl Pty {
    /// Starts a program in a terminal of that size, of which it becomes the session leader.
    pub fn spawn(program: &Program, rows: u16, columns: u16) -> Self {
        let pair = native_pty_system().openpty(size(rows, columns)).unwrap();
        let mut command = CommandBuilder::new(&program.program);
        command.env_clear();
        command.args(&program.args);
        command.cwd(&program.dir);
        for (name, value) in &program.env {
            command.env(name, value);
        }
        let mut child = pair
            .slave
            .spawn_command(command)
            .unwrap_or_else(|cause| panic!("{program}: {cause}"));
        let pid = child.process_id().unwrap();
        // Held until the program has ended, so that its last words and the terminal's modes can be read.
        let terminal = open(&pair.master.tty_name().unwrap());
        drop(pair.slave);
        let keys = pair.master.take_writer().unwrap();
        let mut reader = pair.master.try_clone_reader().unwrap();
        let state = State {
            parser: vt100::Parser::new(nonzero(rows), nonzero(columns), 1000),
            raw: Vec::new(),
            ended: None,
            exit: None,
            held: false,
            hold_at: None,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            arrived: Condvar::new(),
        });
        let sink = Arc::clone(&shared);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                // The end of the terminal is an error on Linux.
                let n = reader.read(&mut buffer).unwrap_or(0);
                let mut state = sink.state.lock().unwrap();
                if n == 0 {
                    let (code, cooked) = state.exit.unwrap_or((-1, false));
                    state.ended = Some(Ended {
                        code,
                        cooked,
                        screen: screen(&state),
                    });
                } else {
                    state.parser.process(&buffer[..n]);
                    state.raw.extend_from_slice(&buffer[..n]);
                    state.held |= state.is_reached(n);
                }
                sink.arrived.notify_all();
                if n == 0 {
                    return;
                }
                drop(sink.arrived.wait_while(state, |state| state.held).unwrap());
            }
        });
        let told = Arc::clone(&shared);
        std::thread::spawn(move || {
            let status = child.wait().unwrap();
            let code = match status.signal() {
                None => i32::try_from(status.exit_code()).unwrap(),
                // The crate has the signal's name only.
                Some(_) => -1,
            };
            told.state.lock().unwrap().exit = Some((code, is_cooked(&terminal)));
            // The reader sees the end when nobody has the terminal open.
            drop(terminal);
        });
        Self {
            what: program.to_string(),
            shared,
            master: pair.master,
            keys,
            pid,
            limit: program.limit,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }

    /// Types.
    pub fn send(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Types a line and Enter.
    pub fn line(&mut self, text: &str) {
        self.send(&format!("{text}\r"));
    }

    /// Once it has written that, nothing more is read of what it writes: the terminal stands still.
    pub fn hold_at(&self, text: &str) {
        self.state().hold_at = Some(text.to_owned());
    }

    /// What it writes is read again.
    pub fn release(&self) {
        let mut state = self.state();
        (state.held, state.hold_at) = (false, None);
        drop(state);
        self.shared.arrived.notify_all();
    }

    /// What is on the screen now.
    pub fn screen(&self) -> Screen {
        screen(&self.state())
    }

    /// Waits until the screen is as wanted, and returns it.
    #[track_caller]
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&Screen) -> bool) -> Screen {
        let deadline = Instant::now() + self.limit;
        let mut state = self.state();
        loop {
            let now = screen(&state);
            if wanted(&now) {
                return now;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "{}: waited in vain for {what}; the screen is\n{now}",
                self.what
            );
            assert!(
                state.ended.is_none(),
                "{}: ended before {what}; the screen is\n{now}",
                self.what
            );
            state = self.shared.arrived.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Waits until a text is on the screen.
    #[track_caller]
    pub fn wait_text(&self, text: &str) -> Screen {
        self.wait_for(text, |screen| screen.has(text))
    }

    /// Waits until the program is ready for a line: the cursor stands behind this, and it edits.
    #[track_caller]
    pub fn wait_prompt(&self, prompt: &str) -> Screen {
        self.wait_for(&format!("the prompt {prompt:?}"), |screen| {
            screen.editing && screen.line == prompt
        })
    }

    /// Changes the terminal's size.
    pub fn resize(&mut self, rows: u16, columns: u16) {
        self.state()
            .parser
            .screen_mut()
            .set_size(nonzero(rows), nonzero(columns));
        self.master.resize(size(rows, columns)).unwrap();
    }

    /// The program's process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends a signal to the program alone.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(i32::try_from(self.pid).unwrap()).unwrap(), signal).unwrap();
    }

    /// Whether the terminal echoes and takes lines, as a shell wants to find it.
    pub fn is_cooked(&self) -> bool {
        is_cooked(&open(&self.master.tty_name().unwrap()))
    }

    /// Waits until the program has ended.
    #[track_caller]
    pub fn wait(self) -> Ended {
        let deadline = Instant::now() + self.limit;
        let mut state = self.state();
        loop {
            if let Some(ended) = &state.ended {
                assert!(
                    ended.code >= 0,
                    "{}: a signal ended it; the screen is\n{}",
                    self.what,
                    ended.screen
                );
                return ended.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "{}: does not end; the screen is\n{}",
                self.what,
                screen(&state)
            );
            state = self.shared.arrived.wait_timeout(state, left).unwrap().0;
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        // A test that failed leaves nothing running.
        if let Ok(state) = self.shared.state.lock()
            && state.exit.is_none()
        {
            let _ = kill_process(Pid::from_raw(i32::try_from(self.pid).unwrap()).unwrap(), Signal::KILL);
        }
    }
}

fn open(terminal: &Path) -> File {
    use rustix::fs::{Mode, OFlags};
    rustix::fs::open(terminal, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())
        .unwrap()
        .into()
}

fn is_cooked(terminal: &File) -> bool {
    use rustix::termios::{LocalModes, tcgetattr};
    tcgetattr(terminal).is_ok_and(|modes| {
        modes
            .local_modes
            .contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG)
    })
}

fn screen(state: &State) -> Screen {
    let now = state.parser.screen();
    let contents = now.contents();
    let (row, column) = now.cursor_position();
    let mut line = now.rows(0, column).nth(usize::from(row)).unwrap_or_default();
    // Blanks at a row's end are not in its text; before the cursor they count.
    while line.chars().count() < usize::from(column) {
        line.push(' ');
    }
    Screen {
        text: contents.trim_end_matches('\n').to_owned(),
        line,
        cursor: (row, column),
        raw: String::from_utf8_lossy(&state.raw).into_owned(),
        editing: now.bracketed_paste(),
    }
}
