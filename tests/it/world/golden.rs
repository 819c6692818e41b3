//! Golden scripts: a script with what it prints.
//!
//! Each file of `tests/scripts` is a script that anybody can run. What it prints stands below each statement, as
//! comments, so that it can be read from the top like a session:
//!
//! ```sql
//! --args -u scripted: -o csv
//!
//! ROWS 2;
//! --> n,text
//! --> 0,row 0
//! --> 1,row 1
//!
//! FAIL 'no';
//! --! error: line 8, column 6: no
//! --exit 1
//! ```
//!
//! `-->` is standard output and `--!` standard error, in that order; `--args` gives arguments, `--needs local` says that
//! the embedded engine must be built in, and `--exit` is the exit code if it is not 0. Job ids, times, lengths of time and
//! the test's directory are replaced by `<job-1>`, `<time>`, `<duration>` and `<dir>`. With `SKEP_BLESS=1` in the environment
//! the files are rewritten with what came; run it twice where lines move, and read the difference.
//!
//! To know which statement printed what, the line below each statement (a comment or a blank line) is replaced by
//! `!run` of a named pipe: skep can open it only once everything before has been carried out, and its output, which goes
//! to files, is complete up to there.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{LIMIT, World, exit_code, read_file};

/// Runs a golden script and compares.
pub fn check(path: &Path) {
    let text = fs::read_to_string(path).unwrap();
    let script = Script::parse(&text);
    if script.needs_local && !cfg!(feature = "local") {
        return;
    }
    let actual = script.run();
    if actual == text {
        return;
    }
    if std::env::var_os("SKEP_BLESS").is_some() {
        fs::write(path, &actual).unwrap();
        return;
    }
    panic!(
        "{}\n--- expected:\n{text}\n--- but it is:\n{actual}\n--- first difference: {}",
        path.display(),
        difference(&text, &actual)
    );
}

fn difference(expected: &str, actual: &str) -> String {
    let pairs = expected
        .lines()
        .map(Some)
        .chain(std::iter::repeat(None))
        .zip(actual.lines().map(Some).chain(std::iter::repeat(None)));
    let (at, (expected, actual)) = pairs
        .enumerate()
        .find(|(_, (expected, actual))| expected != actual)
        .expect("they differ");
    format!("line {}\n  expected {expected:?}\n  actual   {actual:?}", at + 1)
}

/// A golden script without what is expected.
struct Script<'a> {
    lines: Vec<&'a str>,
    args: Vec<&'a str>,
    needs_local: bool,
}

fn is_expected(line: &str) -> bool {
    ["-->", "--!", "--exit"].iter().any(|mark| line.starts_with(mark))
}

impl<'a> Script<'a> {
    fn parse(text: &'a str) -> Self {
        let lines: Vec<&str> = text.lines().collect();
        let args = lines
            .iter()
            .filter_map(|line| line.strip_prefix("--args "))
            .flat_map(str::split_whitespace)
            .collect();
        Self {
            args,
            needs_local: lines.contains(&"--needs local"),
            lines,
        }
    }

    /// The numbers of the lines that stand right below a statement.
    fn stops(&self) -> Vec<usize> {
        let is_code = |line: &str| !line.trim().is_empty() && !line.starts_with("--");
        (1..self.lines.len())
            .filter(|&n| is_code(self.lines[n - 1]) && !is_code(self.lines[n]))
            .collect()
    }

    /// The whole file with what the script prints now.
    fn run(&self) -> String {
        let world = World::new();
        let stops = self.stops();
        let pipes: Vec<PathBuf> = stops.iter().map(|stop| world.path(&format!("pipe{stop}"))).collect();
        let made = std::process::Command::new("mkfifo").args(&pipes).status().unwrap();
        assert!(made.success());
        let mut input: Vec<String> = self.lines.iter().map(|line| (*line).to_owned()).collect();
        for (&stop, pipe) in stops.iter().zip(&pipes) {
            input[stop] = format!("!run {}", pipe.display());
        }
        let input = world.write("input.sql", &(input.join("\n") + "\n"));
        let (out, err) = (world.path("stdout"), world.path("stderr"));
        let mut command = world.scripted().command();
        command.args(&self.args);
        command.stdin(File::open(&input).unwrap());
        command
            .stdout(Stdio::from(File::create(&out).unwrap()))
            .stderr(Stdio::from(File::create(&err).unwrap()));
        let mut child = command.spawn().unwrap();
        let ended = Arc::new(AtomicBool::new(false));
        let (sender, exit) = std::sync::mpsc::channel();
        let pid = rustix::process::Pid::from_child(&child);
        let watcher = {
            let (ended, pipes) = (Arc::clone(&ended), pipes.clone());
            std::thread::spawn(move || {
                let status = child.wait().unwrap();
                ended.store(true, Ordering::SeqCst);
                sender.send(exit_code(status)).unwrap();
                // Whoever waits for it to open a pipe need not wait any more.
                pipes.iter().map(|pipe| read_at_once(pipe)).collect::<Vec<File>>()
            })
        };
        let alarm = alarm(pid);
        let mut printed = BTreeMap::new();
        let (mut seen_out, mut seen_err) = (0, 0);
        for (&stop, pipe) in stops.iter().zip(&pipes) {
            // Opens when skep does, or has ended.
            let held = OpenOptions::new().write(true).open(pipe).unwrap();
            if ended.load(Ordering::SeqCst) {
                break;
            }
            let part = (rest(&out, &mut seen_out), rest(&err, &mut seen_err));
            printed.insert(stop, part);
            drop(held);
        }
        let code = exit.recv_timeout(LIMIT).unwrap_or_else(|_| panic!("it does not end"));
        drop(alarm);
        drop(watcher.join().unwrap());
        let last = (rest(&out, &mut seen_out), rest(&err, &mut seen_err));
        // What comes after the last stop that was reached belongs to the statement that ended it.
        let next = stops.iter().copied().find(|stop| !printed.contains_key(stop));
        let end = next.unwrap_or(self.lines.len());
        let tail: (String, String) = printed.remove(&end).unwrap_or_default();
        printed.insert(end, (tail.0 + &last.0, tail.1 + &last.1));
        self.render(&world, &printed, code)
    }

    fn render(&self, world: &World, printed: &BTreeMap<usize, (String, String)>, code: i32) -> String {
        let mut normal = Normal {
            dir: world.path("").display().to_string(),
            jobs: Vec::new(),
        };
        let mut text = String::new();
        for n in 0..=self.lines.len() {
            if let Some((out, err)) = printed.get(&n) {
                for (mark, lines) in [("-->", out), ("--!", err)] {
                    for line in lines.lines() {
                        text.push_str(format!("{mark} {}", normal.line(line)).trim_end());
                        text.push('\n');
                    }
                }
            }
            match self.lines.get(n) {
                Some(line) if !is_expected(line) => {
                    text.push_str(line);
                    text.push('\n');
                }
                _ => {}
            }
        }
        if code != 0 {
            text.push_str(&format!("--exit {code}\n"));
        }
        text
    }
}

/// Opens a pipe for reading, whether or not somebody writes.
fn read_at_once(pipe: &Path) -> File {
    use rustix::fs::{Mode, OFlags};
    rustix::fs::open(pipe, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty())
        .unwrap()
        .into()
}

/// Ends a program that hangs, unless it is dropped before.
fn alarm(pid: rustix::process::Pid) -> std::sync::mpsc::Sender<()> {
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || {
        if receiver.recv_timeout(LIMIT - Duration::from_secs(5)) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    });
    sender
}

/// What has been added to the file since the last look.
fn rest(path: &Path, seen: &mut usize) -> String {
    let all = read_file(path);
    let new = all[*seen..].to_owned();
    *seen = all.len();
    new
}

/// Replaces what differs from run to run.
struct Normal {
    dir: String,
    /// Ids of jobs, in the order in which they came.
    jobs: Vec<String>,
}

impl Normal {
    fn line(&mut self, line: &str) -> String {
        let line = line.replace(&self.dir, "<dir>/");
        let mut shown = String::new();
        let mut replaced = false;
        let mut rest = line.as_str();
        while let Some(c) = rest.chars().next() {
            let word_before = shown.ends_with(|c: char| c.is_alphanumeric()) && c != '_';
            match self.token(rest).filter(|_| !word_before) {
                Some((length, name)) => {
                    shown.push_str(&name);
                    rest = &rest[length..];
                    replaced = true;
                }
                None => {
                    shown.push(c);
                    rest = &rest[c.len_utf8()..];
                }
            }
        }
        // Columns are as wide as what stood there.
        if replaced { squeeze(&shown) } else { shown }
    }

    /// What stands at the beginning of the text and differs from run to run: its length, and the name for it.
    fn token(&mut self, text: &str) -> Option<(usize, String)> {
        let hex = text
            .bytes()
            .take_while(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
            .count();
        let ends = !text[hex..].starts_with(|c: char| c.is_alphanumeric());
        if ends && (hex == 32 || hex == 8) {
            let id = &text[..hex];
            let known = self.jobs.iter().position(|job| job.starts_with(id));
            let known = known.or_else(|| {
                // Eight digits are the beginning of an id only if there are letters among them.
                (hex == 32 || id.bytes().any(|b| b.is_ascii_alphabetic())).then(|| {
                    self.jobs.push(id.to_owned());
                    self.jobs.len() - 1
                })
            });
            return known.map(|n| (hex, format!("<job-{}>", n + 1)));
        }
        if let Some(digits) = text
            .strip_prefix("_ms\":")
            .map(|rest| rest.bytes().take_while(u8::is_ascii_digit).count())
            && digits > 0
        {
            return Some((5 + digits, "_ms\":<duration>".to_owned()));
        }
        time(text)
            .map(|length| (length, "<time>".to_owned()))
            .or_else(|| duration(text).map(|length| (length, "<duration>".to_owned())))
    }
}

/// The length of `2026-11-21T03:48:01.5Z` or `03:48:01` at the beginning.
fn time(text: &str) -> Option<usize> {
    let fits = |text: &str, shape: &str| {
        text.len() >= shape.len()
            && text
                .bytes()
                .zip(shape.bytes())
                .all(|(c, s)| if s == b'0' { c.is_ascii_digit() } else { c == s })
    };
    let date = if fits(text, "0000-00-00T") { 11 } else { 0 };
    if !fits(&text[date..], "00:00:00") {
        return None;
    }
    let mut length = date + 8;
    if text[length..].starts_with('.') {
        length += 1 + text[length + 1..].bytes().take_while(u8::is_ascii_digit).count();
    }
    Some(if text[length..].starts_with('Z') {
        length + 1
    } else {
        length
    })
}

/// The length of `12 ms` or `0.3 s` at the beginning.
fn duration(text: &str) -> Option<usize> {
    let digits = text.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    let unit = ["ms", "s", "min", "µs"].iter().find(|unit| {
        text[digits..]
            .strip_prefix(' ')
            .and_then(|rest| rest.strip_prefix(**unit))
            .is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
    })?;
    (digits > 0).then_some(digits + 1 + unit.len())
}

/// Runs of blanks and of `─` as one.
fn squeeze(line: &str) -> String {
    let mut shown = String::new();
    for c in line.chars() {
        if !(matches!(c, ' ' | '─' | '-') && shown.ends_with(c)) {
            shown.push(c);
        }
    }
    shown
}
