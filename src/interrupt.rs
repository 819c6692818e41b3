//! Signals, and who is told of them.
//!
//! SIGINT is the `ctrlc` crate's. SIGTERM, SIGHUP and SIGTSTP come by tokio's signals, because `ctrlc` runs one handler
//! for all it owns and does not say which signal came, and the exit code (129, 130, 143) depends on that.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::watch;

use crate::error::{Error, ErrorKind};

/// What the person, or the system, wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTSTP: Ctrl-Z.
    Suspend,
    /// SIGTERM.
    Terminate,
    /// SIGHUP: the terminal is gone.
    Hangup,
}

impl Signal {
    /// The error of what it broke off.
    pub fn error(self) -> Error {
        let (kind, message) = match self {
            Self::Interrupt | Self::Suspend => (ErrorKind::Interrupted, "interrupted"),
            Self::Terminate => (ErrorKind::Terminated, "told to end by SIGTERM"),
            Self::Hangup => (ErrorKind::HungUp, "the terminal was hung up"),
        };
        Error::new(kind, message)
    }

    /// Whether the process is to end, whatever it is doing.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Terminate | Self::Hangup)
    }
}

/// How many of each have come since the start. A count loses nothing: a Ctrl-C that comes while nobody waits is still
/// there afterwards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    interrupt: u64,
    suspend: u64,
    terminate: u64,
    hangup: u64,
}

/// Who is told of a signal by the handler itself, whatever the shell is doing.
pub trait Attendant: std::fmt::Debug + Send + Sync {
    /// Ctrl-C has been pressed.
    fn interrupted(&self);

    /// The process ends at once, in the middle of things.
    fn ending(&self);
}

/// The sending side: what the handlers, the editor and tests call.
#[derive(Debug, Clone)]
pub struct Raiser {
    counts: Arc<watch::Sender<Counts>>,
    answered: Arc<AtomicU64>,
    attendant: Arc<OnceLock<Arc<dyn Attendant>>>,
}

impl Raiser {
    /// Tells of a signal.
    pub fn raise(&self, signal: Signal) {
        self.counts.send_modify(|counts| match signal {
            Signal::Interrupt => counts.interrupt += 1,
            Signal::Suspend => counts.suspend += 1,
            Signal::Terminate => counts.terminate += 1,
            Signal::Hangup => counts.hangup += 1,
        });
    }

    /// Ends the process at once: something is stuck.
    fn give_up(&self, signal: Signal) -> ! {
        if let Some(attendant) = self.attendant.get() {
            attendant.ending();
        }
        std::process::exit(i32::from(signal.error().exit_code().0))
    }

    /// How many Ctrl-C nobody has taken note of yet.
    fn unanswered(&self) -> u64 {
        self.counts
            .borrow()
            .interrupt
            .saturating_sub(self.answered.load(Ordering::Relaxed))
    }
}

/// The receiving side: each copy sees every signal that comes after it was made.
#[derive(Debug, Clone)]
pub struct Interrupts {
    receiver: watch::Receiver<Counts>,
    seen: Counts,
    raiser: Raiser,
}

/// After so many Ctrl-C that nobody takes note of, or SIGTERM, the next ends the process: something is stuck.
const PATIENCE: u64 = 3;

impl Interrupts {
    /// A receiver that only hears what [`Raiser::raise`] is told.
    pub fn new() -> Self {
        let (sender, receiver) = watch::channel(Counts::default());
        let raiser = Raiser {
            counts: Arc::new(sender),
            answered: Arc::default(),
            attendant: Arc::default(),
        };
        Self {
            receiver,
            seen: Counts::default(),
            raiser,
        }
    }

    /// Installs the handlers. SIGTSTP is caught only in an interactive shell: elsewhere it stops the process as any
    /// other. Must be called within the runtime, once a process.
    ///
    /// # Errors
    /// The handlers could not be installed.
    pub fn install(interactive: bool) -> Result<Self, Error> {
        let interrupts = Self::new();
        let raiser = interrupts.raiser();
        ctrlc::set_handler(move || {
            if let Some(attendant) = raiser.attendant.get() {
                attendant.interrupted();
            }
            raiser.raise(Signal::Interrupt);
            if raiser.unanswered() > PATIENCE {
                raiser.give_up(Signal::Interrupt);
            }
        })
        .map_err(|cause| Error::internal(format!("can't catch Ctrl-C: {cause}")))?;
        interrupts.forward(tokio::signal::unix::SignalKind::terminate(), Signal::Terminate)?;
        interrupts.forward(tokio::signal::unix::SignalKind::hangup(), Signal::Hangup)?;
        if interactive {
            // SIGTSTP: 20 on Linux and 18 on macOS.
            let number = if cfg!(target_os = "macos") { 18 } else { 20 };
            interrupts.forward(tokio::signal::unix::SignalKind::from_raw(number), Signal::Suspend)?;
        }
        Ok(interrupts)
    }

    fn forward(&self, kind: tokio::signal::unix::SignalKind, signal: Signal) -> Result<(), Error> {
        let mut stream = tokio::signal::unix::signal(kind)
            .map_err(|cause| Error::internal(format!("can't catch a signal ({signal:?}): {cause}")))?;
        let raiser = self.raiser();
        tokio::spawn(async move {
            let mut come = 0;
            while stream.recv().await.is_some() {
                raiser.raise(signal);
                // Each Ctrl-Z is for a statement of its own, and any number of them may come.
                come += u64::from(signal.is_final());
                if come > PATIENCE {
                    raiser.give_up(signal);
                }
            }
        });
        Ok(())
    }

    /// The sending side.
    pub fn raiser(&self) -> Raiser {
        self.raiser.clone()
    }

    /// From now on this one is told by the handlers themselves. There is one a process: the first.
    pub fn set_attendant(&self, attendant: Arc<dyn Attendant>) {
        let _ = self.raiser.attendant.set(attendant);
    }

    /// The next signal. SIGTERM and SIGHUP come before the others, and come again at every call: the end stays asked for.
    pub async fn next(&mut self) -> Signal {
        loop {
            let counts = *self.receiver.borrow_and_update();
            if let Some(signal) = self.take(counts) {
                return signal;
            }
            // The sender lives as long as `self.raiser`, so this can only be a change.
            let _ = self.receiver.changed().await;
        }
    }

    /// The next signal that asks for the end of what is being done. A Ctrl-Z is meant for something else.
    pub async fn stop(&mut self) -> Signal {
        loop {
            match self.next().await {
                Signal::Suspend => {}
                signal => return signal,
            }
        }
    }

    /// Waits for a signal that asks for the end of the process. Others stay for whom they are meant.
    pub async fn end(&mut self) -> Signal {
        loop {
            if let Some(signal) = self.ending() {
                return signal;
            }
            // As in `next`, this can only be a change.
            let _ = self.receiver.changed().await;
        }
    }

    /// The signal that asks for the end of the process, if one has come.
    pub fn ending(&self) -> Option<Signal> {
        let counts = *self.receiver.borrow();
        if counts.terminate > 0 {
            Some(Signal::Terminate)
        } else if counts.hangup > 0 {
            Some(Signal::Hangup)
        } else {
            None
        }
    }

    /// Between two statements: the signal that asks for the end of what is being run, if one has come and nobody was
    /// there to take it. A Ctrl-Z was meant for the statement that is over.
    pub fn pending(&mut self) -> Option<Signal> {
        let counts = *self.receiver.borrow_and_update();
        let interrupted = counts.interrupt > self.seen.interrupt;
        // Exactly those that were looked at: one that comes meanwhile is for the next look.
        self.seen = counts;
        self.note_answered();
        self.ending().or(interrupted.then_some(Signal::Interrupt))
    }

    /// Forgets the Ctrl-C and Ctrl-Z that have come: they were meant for something that is over.
    pub fn forget(&mut self) {
        self.seen = *self.receiver.borrow_and_update();
        self.note_answered();
    }

    fn note_answered(&self) {
        self.raiser.answered.store(self.seen.interrupt, Ordering::Relaxed);
    }

    fn take(&mut self, counts: Counts) -> Option<Signal> {
        if let Some(signal) = self.ending() {
            return Some(signal);
        }
        if counts.interrupt > self.seen.interrupt {
            self.seen.interrupt += 1;
            self.note_answered();
            return Some(Signal::Interrupt);
        }
        if counts.suspend > self.seen.suspend {
            self.seen.suspend += 1;
            return Some(Signal::Suspend);
        }
        None
    }
}

impl Default for Interrupts {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_ctrl_c_that_comes_while_nobody_waits_is_not_lost() {
        let mut interrupts = Interrupts::new();
        interrupts.raiser().raise(Signal::Interrupt);
        interrupts.raiser().raise(Signal::Interrupt);
        assert_eq!(interrupts.next().await, Signal::Interrupt);
        assert_eq!(interrupts.next().await, Signal::Interrupt);
    }

    #[tokio::test]
    async fn what_is_forgotten_does_not_come() {
        let mut interrupts = Interrupts::new();
        interrupts.raiser().raise(Signal::Interrupt);
        interrupts.forget();
        interrupts.raiser().raise(Signal::Suspend);
        assert_eq!(interrupts.next().await, Signal::Suspend);
    }

    #[tokio::test]
    async fn a_ctrl_c_between_two_statements_is_seen_once() {
        let mut interrupts = Interrupts::new();
        assert_eq!(interrupts.pending(), None);
        interrupts.raiser().raise(Signal::Suspend);
        assert_eq!(interrupts.pending(), None);
        interrupts.raiser().raise(Signal::Interrupt);
        interrupts.raiser().raise(Signal::Interrupt);
        assert_eq!(interrupts.pending(), Some(Signal::Interrupt));
        assert_eq!(interrupts.pending(), None);
    }

    #[tokio::test]
    async fn the_end_stays_asked_for() {
        let mut interrupts = Interrupts::new();
        interrupts.raiser().raise(Signal::Hangup);
        interrupts.forget();
        assert_eq!(interrupts.next().await, Signal::Hangup);
        assert_eq!(interrupts.next().await, Signal::Hangup);
        assert_eq!(interrupts.ending(), Some(Signal::Hangup));
    }
}
