//! The terminal that the prompt stands on: its modes, and stopping as job control wants it.

use std::fs::{File, OpenOptions};
use std::io::Write;

use rustix::process::{Signal, getpgrp, getpid, getsid, kill_current_process_group, kill_process};
use rustix::termios::{
    LocalModes, OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr,
};

use crate::interrupt::Attendant;

/// Ends bracketed paste, which an editor that was broken off has left on.
const BRACKETED_PASTE_OFF: &str = "\x1b[?2004l";

/// The controlling terminal, and the modes it was found in.
#[derive(Debug)]
pub struct Terminal {
    tty: File,
    modes: Termios,
}

impl Terminal {
    /// Opens it. `None` if there is none.
    pub fn open() -> Option<Self> {
        let tty = OpenOptions::new().read(true).write(true).open("/dev/tty").ok()?;
        let modes = tcgetattr(&tty).ok()?;
        Some(Self { tty, modes })
    }

    /// Whether it has been taken away (the window is closed, the line is cut).
    pub fn is_gone(&self) -> bool {
        tcgetattr(&self.tty).is_err()
    }

    /// Whether this process may use it: it is not in the background.
    pub fn is_ours(&self) -> bool {
        tcgetpgrp(&self.tty).is_ok_and(|group| group == getpgrp())
    }

    /// Puts the modes back that it was found in, where an editor had no time to.
    pub fn restore(&self) {
        self.discard_output();
        // From the background that would stop the process; whoever is in front has set what it wants.
        if !self.is_ours() {
            return;
        }
        let Ok(now) = tcgetattr(&self.tty) else { return };
        if now.local_modes != self.modes.local_modes {
            let _ = tcsetattr(&self.tty, OptionalActions::Now, &self.modes);
            let _ = (&self.tty).write_all(format!("{BRACKETED_PASTE_OFF}\n").as_bytes());
        }
    }

    /// Has Ctrl-Z and Ctrl-C leave alone what was written and has not been shown yet. Without that the terminal drops it
    /// with the key, and with it rows of a query that goes on in the background.
    pub fn keep_output(&self) {
        self.set_no_flush(true);
    }

    /// Has those keys do what they did when the terminal was found.
    pub fn discard_output(&self) {
        self.set_no_flush(self.modes.local_modes.contains(LocalModes::NOFLSH));
    }

    fn set_no_flush(&self, on: bool) {
        if !self.is_ours() {
            return;
        }
        let Ok(mut modes) = tcgetattr(&self.tty) else { return };
        if modes.local_modes.contains(LocalModes::NOFLSH) != on {
            modes.local_modes.set(LocalModes::NOFLSH, on);
            let _ = tcsetattr(&self.tty, OptionalActions::Now, &modes);
        }
    }

    /// How many columns it has.
    pub fn columns(&self) -> usize {
        tcgetwinsize(&self.tty)
            .ok()
            .map(|size| usize::from(size.ws_col))
            .filter(|columns| *columns > 0)
            .unwrap_or(80)
    }

    /// Takes away the last rows before the cursor's, which stands at the beginning of its own.
    pub fn erase_rows(&self, rows: usize) {
        let _ = (&self.tty).write_all(format!("\x1b[{rows}A\r\x1b[J").as_bytes());
    }
}

impl Attendant for Terminal {
    /// What was typed ahead is not wanted any more: where the terminal keeps what was written it keeps what was typed too,
    /// and nobody who breaks off a statement expects the next one to run.
    fn interrupted(&self) {
        let is_key = |modes: Termios| modes.local_modes.contains(LocalModes::NOFLSH | LocalModes::ISIG);
        let found = self.modes.local_modes.contains(LocalModes::NOFLSH);
        if !found && self.is_ours() && tcgetattr(&self.tty).is_ok_and(is_key) {
            let _ = tcflush(&self.tty, QueueSelector::IFlush);
        }
    }

    fn ending(&self) {
        self.restore();
    }
}

/// Stops this process until somebody continues it, and with `group` the others of its job, as Ctrl-Z does to a program
/// that does not catch it. Returns `false` at once where nobody could continue it: no shell with job control has
/// started it.
///
/// The others get SIGTSTP; this process, which catches that one, SIGSTOP.
pub fn stop(group: bool) -> bool {
    // A shell with job control gives each job a process group of its own; without one the session's leader is in ours,
    // and the system would not stop us by SIGTSTP either.
    let leads = getsid(None).is_ok_and(|session| session == getpgrp());
    if leads {
        return false;
    }
    if group {
        let _ = kill_current_process_group(Signal::TSTP);
    }
    kill_process(getpid(), Signal::STOP).is_ok()
}

/// Breaks off an editor that waits for a key: while it edits, SIGINT is its own, and it puts the terminal's modes back.
pub fn break_editor_off() {
    let _ = kill_process(getpid(), Signal::INT);
}
