//! A program in a pseudo-terminal, and the screen that a person would see.
//!
//! Nothing here waits by the clock: a thread feeds the bytes that arrive to a model of the screen, and whoever waits is
//! woken by them.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Instant;

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use super::{LIMIT, Program};

/// A program in a terminal.
pub struct Pty {
    what: String,
    shared: Arc<Shared>,
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    /// `None` once it is waited for.
    child: Option<Box<dyn Child + Send + Sync>>,
}

struct Shared {
    state: Mutex<State>,
    arrived: Condvar,
}

struct State {
    parser: vt100::Parser,
    /// Every byte that came.
    raw: Vec<u8>,
    ended: bool,
}

/// What is on the screen, and what was.
#[derive(Clone)]
pub struct Screen {
    /// The rows without blanks at their ends, joined by line ends, without empty ones at the end.
    pub text: String,
    /// The cursor's row and column, from 0.
    pub cursor: (u16, u16),
    /// What went past, all that ever came: with escape sequences.
    pub raw: String,
    /// The program has asked for bracketed paste: it is editing.
    pub editing: bool,
}

impl Screen {
    /// The row that the cursor is in, up to the cursor.
    pub fn line(&self) -> String {
        let row: Vec<char> = self
            .text
            .lines()
            .nth(usize::from(self.cursor.0))
            .unwrap_or_default()
            .chars()
            .collect();
        let mut line: String = row.iter().take(usize::from(self.cursor.1)).collect();
        // Blanks at a row's end are not in the text; before the cursor they are.
        while line.chars().count() < usize::from(self.cursor.1) {
            line.push(' ');
        }
        line
    }

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
        let child = pair
            .slave
            .spawn_command(command)
            .unwrap_or_else(|cause| panic!("{program}: {cause}"));
        drop(pair.slave);
        let keys = pair.master.take_writer().unwrap();
        let mut reader = pair.master.try_clone_reader().unwrap();
        let state = State {
            parser: vt100::Parser::new(nonzero(rows), nonzero(columns), 1000),
            raw: Vec::new(),
            ended: false,
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
                    state.ended = true;
                } else {
                    state.parser.process(&buffer[..n]);
                    state.raw.extend_from_slice(&buffer[..n]);
                }
                drop(state);
                sink.arrived.notify_all();
                if n == 0 {
                    return;
                }
            }
        });
        Self {
            what: program.to_string(),
            shared,
            master: pair.master,
            keys,
            child: Some(child),
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

    /// What is on the screen now.
    pub fn screen(&self) -> Screen {
        screen(&self.state())
    }

    /// Waits until the screen is as wanted, and returns it.
    #[track_caller]
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&Screen) -> bool) -> Screen {
        let deadline = Instant::now() + LIMIT;
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
            assert!(!state.ended, "{}: ended before {what}; the screen is\n{now}", self.what);
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
            screen.editing && screen.line() == prompt
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

    /// Sends a signal to the program alone.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.child.as_ref().and_then(|child| child.process_id()).unwrap()).unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// Whether the terminal echoes and takes lines, as a shell wants to find it.
    pub fn is_cooked(&self) -> bool {
        use rustix::termios::{LocalModes, tcgetattr};
        let name = self.master.tty_name().unwrap();
        let tty = std::fs::File::open(name).unwrap();
        tcgetattr(&tty)
            .unwrap()
            .local_modes
            .contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG)
    }

    /// Waits until the program has ended: its exit code, and what is on the screen then.
    #[track_caller]
    pub fn wait(mut self) -> (i32, Screen) {
        let (sender, receiver) = std::sync::mpsc::channel();
        let mut child = self.child.take().unwrap();
        let mut killer = child.clone_killer();
        std::thread::spawn(move || sender.send(child.wait().unwrap()));
        let Ok(status) = receiver.recv_timeout(LIMIT) else {
            let _ = killer.kill();
            panic!(
                "{}: does not end; the screen is
{}",
                self.what,
                self.screen()
            );
        };
        // Whatever it wrote last is still on its way.
        let mut state = self.state();
        while !state.ended {
            let (next, late) = self.shared.arrived.wait_timeout(state, LIMIT).unwrap();
            assert!(
                !late.timed_out(),
                "{}: something else holds its terminal open",
                self.what
            );
            state = next;
        }
        let now = screen(&state);
        assert!(
            status.signal().is_none(),
            "{}: ended by {:?}; the screen is
{now}",
            self.what,
            status.signal()
        );
        (i32::try_from(status.exit_code()).unwrap(), now)
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        // A test that failed leaves nothing running.
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn screen(state: &State) -> Screen {
    let now = state.parser.screen();
    let contents = now.contents();
    Screen {
        text: contents.trim_end_matches('\n').to_owned(),
        cursor: now.cursor_position(),
        raw: String::from_utf8_lossy(&state.raw).into_owned(),
        editing: now.bracketed_paste(),
    }
}
