//! A program that runs while the test goes on: it is given input, and what it writes is awaited.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{Output, Program, exit_code};

/// The program.
pub struct Live {
    what: String,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Arc<Stream>,
    stderr: Arc<Stream>,
}

/// What has come from one of its streams.
struct Stream {
    state: Mutex<State>,
    arrived: Condvar,
    limit: Duration,
}

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    ended: bool,
}

impl Stream {
    fn read(mut source: impl Read + Send + 'static, limit: Duration) -> Arc<Self> {
        let stream = Arc::new(Self {
            state: Mutex::default(),
            arrived: Condvar::new(),
            limit,
        });
        let shared = Arc::clone(&stream);
        std::thread::spawn(move || {
            let mut buffer = [0; 16 * 1024];
            loop {
                let n = source.read(&mut buffer).unwrap_or(0);
                let mut state = shared.state.lock().unwrap();
                state.bytes.extend_from_slice(&buffer[..n]);
                state.ended = n == 0;
                shared.arrived.notify_all();
                if n == 0 {
                    return;
                }
            }
        });
        stream
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.state.lock().unwrap().bytes).into_owned()
    }

    /// The text once it is as wanted, or why it never will be.
    fn wait(&self, wanted: impl Fn(&str, bool) -> bool) -> Result<String, &'static str> {
        let deadline = Instant::now() + self.limit;
        let mut state = self.state.lock().unwrap();
        loop {
            let text = String::from_utf8_lossy(&state.bytes);
            if wanted(&text, state.ended) {
                return Ok(text.into_owned());
            }
            if state.ended {
                return Err("it has ended");
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err("it took too long");
            }
            drop(text);
            state = self.arrived.wait_timeout(state, left).unwrap().0;
        }
    }
}

impl Program {
    /// Starts it in pipes, and goes on.
    pub fn start(&self) -> Live {
        self.start_with(Stdio::piped())
    }

    /// The same, with results that go nowhere.
    pub fn start_without_stdout(&self) -> Live {
        self.start_with(Stdio::null())
    }

    fn start_with(&self, stdout: Stdio) -> Live {
        let mut command = self.command();
        command.stdin(Stdio::piped()).stdout(stdout).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|cause| panic!("{self}: {cause}"));
        let stdout = match child.stdout.take() {
            Some(stdout) => Stream::read(stdout, self.limit),
            None => Stream::read(std::io::empty(), self.limit),
        };
        let stderr = Stream::read(child.stderr.take().unwrap(), self.limit);
        let mut live = Live {
            what: self.to_string(),
            stdin: child.stdin.take(),
            child,
            stdout,
            stderr,
        };
        if !self.stdin.is_empty() {
            live.send(&self.stdin);
        }
        live
    }

    /// Runs it, reads so many lines of its standard output, and closes that: a reader that goes away.
    pub fn run_and_leave_after(&self, lines: usize) -> Output {
        use std::io::BufRead;
        let mut command = self.command();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = Stream::read(child.stderr.take().unwrap(), self.limit);
        let read: Vec<String> = std::io::BufReader::new(child.stdout.take().unwrap())
            .lines()
            .take(lines)
            .map(Result::unwrap)
            .collect();
        let Ok(stderr) = stderr.wait(|_, ended| ended) else {
            child.kill().unwrap();
            panic!("{self}: goes on although its reader has gone");
        };
        Output {
            what: self.to_string(),
            stdout: read.join("\n"),
            stderr,
            code: exit_code(child.wait().unwrap()),
        }
    }
}

impl Live {
    /// Gives it input.
    #[track_caller]
    pub fn send(&mut self, text: impl AsRef<[u8]>) {
        let stdin = self.stdin.as_mut().expect("its input is open");
        stdin.write_all(text.as_ref()).unwrap();
        stdin.flush().unwrap();
    }

    /// Waits until it has written this to standard output; returns all that it has written there.
    #[track_caller]
    pub fn wait_out(&self, text: &str) -> String {
        self.wait_for_out(text, |out| out.contains(text))
    }

    /// Waits until its standard output is as wanted; returns it.
    #[track_caller]
    pub fn wait_for_out(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let waited = self.stdout.wait(|text, _| wanted(text));
        waited.unwrap_or_else(|why| self.give_up(what, why))
    }

    /// Waits until it has written this to standard error; returns all that it has written there.
    #[track_caller]
    pub fn wait_err(&self, text: &str) -> String {
        self.wait_for_err(text, |err| err.contains(text))
    }

    /// Waits until its standard error is as wanted; returns it.
    #[track_caller]
    pub fn wait_for_err(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let waited = self.stderr.wait(|err, _| wanted(err));
        waited.unwrap_or_else(|why| self.give_up(what, why))
    }

    #[track_caller]
    fn give_up(&self, what: &str, why: &str) -> ! {
        panic!(
            "{}: waited in vain for {what:?}: {why}; stdout:\n{}\n--- stderr:\n{}",
            self.what,
            self.stdout.text(),
            self.stderr.text()
        )
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that it has had so far, in kB. It must not have ended.
    #[cfg(target_os = "linux")]
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Ends its input and waits for its end.
    #[track_caller]
    pub fn wait(mut self) -> Output {
        self.stdin = None;
        self.wait_open()
    }

    /// Waits for its end without ending its input.
    #[track_caller]
    pub fn wait_open(mut self) -> Output {
        let ended = |stream: &Stream| stream.wait(|_, ended| ended);
        let stdout = ended(&self.stdout).unwrap_or_else(|why| self.give_up("its end", why));
        let stderr = ended(&self.stderr).unwrap_or_else(|why| self.give_up("its end", why));
        Output {
            what: self.what.clone(),
            stdout,
            stderr,
            code: exit_code(self.child.wait().unwrap()),
        }
    }

    /// Kills it and waits until it is gone.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // A test that failed leaves nothing running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
