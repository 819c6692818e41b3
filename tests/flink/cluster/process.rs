//! A process that can't outlive the tests.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

use crate::world::wait_until;

/// Runs `"$@"`, with its output in `$0`, until it ends or nobody holds the other end of standard input any more: which is so
/// as soon as the tests have ended, in whatever way. The program's process id is this shell's to give back, so that nobody
/// else can have it when it is killed.
const GUARD: &str = r#"
exec 3<&0
"$@" 3<&- </dev/null >>"$0" 2>&1 &
program=$!
{ read -r _ <&3; kill -9 $program; } 2>/dev/null &
guard=$!
exec 3<&-
echo $program
wait $program
kill -9 $guard
"#;

/// A running program and its guard.
#[derive(Debug)]
pub struct Process {
    guard: Child,
    pid: Pid,
}

impl Process {
    /// Starts `command`; `output` takes what it writes, behind what is there.
    ///
    /// # Errors
    /// Those of starting a shell.
    pub fn start(command: &Command, output: &Path) -> io::Result<Self> {
        let mut guard = Command::new("sh");
        guard
            .args(["-c", GUARD])
            .arg(output)
            .arg(command.get_program())
            .args(command.get_args())
            // A Ctrl-C at the terminal is meant for the tests, which then end the guard.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A shell says "Killed" there.
            .stderr(Stdio::null());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => guard.env(name, value),
                None => guard.env_remove(name),
            };
        }
        if let Some(dir) = command.get_current_dir() {
            guard.current_dir(dir);
        }
        let mut guard = guard.spawn()?;
        let mut line = String::new();
        if let Some(stdout) = guard.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let pid = line.trim().parse().ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other(format!("the guard said {line:?}")))?;
        Ok(Self { guard, pid })
    }

    /// Whether it runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.guard.try_wait(), Ok(None))
    }

    /// Sends it a signal. After SIGSTOP each of its threads has stopped, where the system tells: on a busy machine the others
    /// go on for a while after the first has heard of it.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).unwrap();
        if signal == Signal::STOP && cfg!(target_os = "linux") {
            let tasks = format!("/proc/{}/task", self.pid.as_raw_nonzero());
            wait_until(
                || format!("{tasks} to stop"),
                || {
                    let threads = fs::read_dir(&tasks).unwrap().flatten();
                    let mut states = threads.map(|thread| state(&thread.path()));
                    states.all(|state| matches!(state, None | Some('T')))
                },
            );
        }
    }

    /// Lets it write no more than so many bytes into any file, or as many as it likes.
    pub fn limit_files(&self, bytes: Option<u64>) {
        let limit = Rlimit {
            current: bytes,
            maximum: None,
        };
        prlimit(Some(self.pid), Resource::Fsize, limit).unwrap();
    }

    /// Ends it with SIGKILL and returns when it is gone.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

/// A thread's state, as `/proc` has it behind the name in parentheses; none of one that has ended.
fn state(thread: &Path) -> Option<char> {
    let stat = fs::read_to_string(thread.join("stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}
