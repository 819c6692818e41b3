//! The world that a test runs skep in: a home of its own, a known environment, and nothing else.

pub mod golden;
#[allow(dead_code, reason = "some tests have servers of their own, others proxies")]
pub mod http;
pub mod live;
pub mod pty;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub use live::Live;
pub use pty::Pty;

/// No test waits longer than this for anything, where it is not said otherwise: what takes so long hangs, also on a machine
/// that is slow and busy.
pub const LIMIT: Duration = Duration::from_secs(240);

/// Waits until it is so: for what nobody tells of.
#[track_caller]
pub fn wait_until(what: impl Fn() -> String, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain for {}", what());
        // Between two looks the processor is others': above all those who are waited for.
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A home directory, with what programs that run there are given.
pub struct World {
    home: TempDir,
    limit: Duration,
}

impl World {
    /// An empty one.
    pub fn new() -> Self {
        Self::with_limit(LIMIT)
    }

    /// An empty one, whose programs may take that long for each thing that is waited for.
    pub fn with_limit(limit: Duration) -> Self {
        let world = Self {
            home: tempfile::tempdir().unwrap(),
            limit,
        };
        fs::create_dir(world.path("tmp")).unwrap();
        world
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Reads a file; one that is not there is empty.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The `skep` executable.
    pub fn skep(&self) -> Program {
        self.program(env!("CARGO_BIN_EXE_skep"))
    }

    /// skep with the scripted engine, not yet told where to connect.
    pub fn scripted(&self) -> Program {
        self.program(scripted())
    }

    /// Where the executable with the scripted engine is.
    pub fn scripted_path(&self) -> PathBuf {
        scripted()
    }

    /// Any program.
    pub fn program(&self, program: impl Into<OsString>) -> Program {
        let home = self.home.path();
        let mut env: Vec<(OsString, OsString)> = [
            ("HOME", home.as_os_str().to_owned()),
            ("SKEP_DATA_DIR", home.join("data").into()),
            ("SCRIPTED_JOURNAL", home.join("journal").into()),
            ("SCRIPTED_CLUSTER", home.join("cluster").into()),
            ("SCRIPTED_GATE", home.join("gate").into()),
            ("TMPDIR", home.join("tmp").into()),
            ("PATH", std::env::var_os("PATH").unwrap_or_default()),
            ("LC_ALL", "C.UTF-8".into()),
            ("TZ", "UTC".into()),
            ("TERM", "xterm-256color".into()),
        ]
        .map(|(name, value)| (OsString::from(name), value))
        .to_vec();
        env.sort();
        Program {
            program: program.into(),
            args: Vec::new(),
            env,
            dir: home.to_owned(),
            stdin: Vec::new(),
            limit: self.limit,
        }
    }

    /// What the scripted engine was asked for, a line each.
    pub fn journal(&self) -> Vec<String> {
        self.read("journal").lines().map(str::to_owned).collect()
    }

    /// Waits until the scripted engine has been asked for that.
    #[track_caller]
    pub fn wait_journal(&self, line: &str) {
        let what = || format!("{line:?} in {:?}", self.journal());
        wait_until(what, || self.journal().iter().any(|known| known == line));
    }

    /// Lets the scripted engine answer what it holds back.
    pub fn open_gate(&self) {
        self.write("gate", "");
    }
}

/// The executable with the scripted engine, which cargo builds as an example beside the tests, if it builds all of them.
pub fn scripted() -> PathBuf {
    static FRESH: OnceLock<PathBuf> = OnceLock::new();
    FRESH
        .get_or_init(|| {
            let test = std::env::current_exe().unwrap();
            // target/<profile>/deps/it-<hash>
            let profile = test.parent().and_then(Path::parent).unwrap();
            let path = profile.join("examples").join("scripted");
            assert!(path.exists(), "{} is not built: {BUILD}", path.display());
            // `scripted: source source …`, with a backslash before each blank of a name.
            let sources = fs::read_to_string(path.with_extension("d"))
                .unwrap()
                .replace("\\ ", "\0");
            let built = modified(&path);
            for source in sources.split_whitespace().skip(1).map(|name| name.replace('\0', " ")) {
                let changed = Path::new(&source).exists() && modified(Path::new(&source)) > built;
                assert!(!changed, "{source} is newer than {}: {BUILD}", path.display());
            }
            path
        })
        .clone()
}

const BUILD: &str =
    "cargo build --examples, with the features of the tests; `cargo test` without --test does it by itself";

fn modified(path: &Path) -> std::time::SystemTime {
    fs::metadata(path).and_then(|metadata| metadata.modified()).unwrap()
}

/// A program that is to run.
#[derive(Clone)]
pub struct Program {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    dir: PathBuf,
    stdin: Vec<u8>,
    limit: Duration,
}

impl Program {
    /// Adds arguments, parted by blanks.
    pub fn with(mut self, args: &str) -> Self {
        self.args.extend(args.split_whitespace().map(OsString::from));
        self
    }

    /// Adds one argument.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Sets a variable.
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.into(), value.into()));
        self
    }

    /// Runs it in that directory of the world.
    pub fn dir(mut self, name: &str) -> Self {
        self.dir.push(name);
        self
    }

    /// What it reads from standard input.
    pub fn stdin(mut self, text: impl AsRef<[u8]>) -> Self {
        self.stdin = text.as_ref().to_vec();
        self
    }

    /// The command, without its streams.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .env_clear()
            .envs(self.env.iter().cloned())
            .current_dir(&self.dir);
        command
    }

    /// Runs it in pipes until it ends.
    #[must_use = "an output that nobody looks at tests nothing"]
    pub fn run(&self) -> Output {
        let mut command = self.command();
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|cause| panic!("{self}: {cause}"));
        let mut stdin = child.stdin.take().unwrap();
        let text = self.stdin.clone();
        // A program that does not read all of it is no failure here.
        std::thread::spawn(move || drop(stdin.write_all(&text)));
        let stdout = read_all(child.stdout.take().unwrap());
        let stderr = read_all(child.stderr.take().unwrap());
        let (Ok(stdout), Ok(stderr)) = (stdout.recv_timeout(self.limit), stderr.recv_timeout(self.limit)) else {
            child.kill().unwrap();
            panic!("{self}: still runs after {} s", self.limit.as_secs());
        };
        let status = child.wait().unwrap();
        Output {
            what: self.to_string(),
            stdout,
            stderr,
            code: exit_code(status),
        }
    }

    /// Runs it until it ends; returns what it wrote to both streams, in the order in which it wrote it.
    #[cfg(feature = "local")]
    pub fn run_merged(&self, limit: Duration) -> String {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut command = self.command();
        command
            .stdin(Stdio::null())
            .stdout(writer.try_clone().unwrap())
            .stderr(writer);
        let mut child = command.spawn().unwrap_or_else(|cause| panic!("{self}: {cause}"));
        // The command holds the pipe open as well.
        drop(command);
        let Ok(output) = read_all(reader).recv_timeout(limit) else {
            child.kill().unwrap();
            panic!("{self}: still runs after {} s", limit.as_secs());
        };
        child.wait().unwrap();
        output
    }

    /// Runs it in a terminal of 80 columns and 24 rows.
    pub fn pty(&self) -> Pty {
        Pty::spawn(self, 24, 80)
    }
}

impl std::fmt::Display for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}",
            Path::new(&self.program)
                .file_name()
                .unwrap_or(&self.program)
                .to_string_lossy()
        )?;
        self.args
            .iter()
            .try_for_each(|arg| write!(f, " {}", arg.to_string_lossy()))
    }
}

/// The exit code as a shell says it: 128 and the signal's number where one ended it.
fn exit_code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap())
}

fn read_all(mut stream: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

/// How a program ended, and what it wrote.
#[derive(Debug, Clone)]
pub struct Output {
    what: String,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
    /// Its exit code.
    pub code: i32,
}

impl Output {
    /// It ended with that code and wrote exactly this to standard output.
    #[track_caller]
    pub fn expect(self, code: i32, stdout: &str) -> Self {
        assert!(
            self.code == code && self.stdout == stdout,
            "{}\n--- expected exit code {code} and stdout:\n{stdout}\n--- but {self}",
            self.what
        );
        self
    }

    /// It ended with that code.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert!(
            self.code == code,
            "{}\n--- expected exit code {code}\n--- but {self}",
            self.what
        );
        self
    }

    /// This stands in what it wrote to standard error.
    #[track_caller]
    pub fn expect_stderr(self, part: &str) -> Self {
        assert!(
            self.stderr.contains(part),
            "{}\n--- expected in stderr:\n{part}\n--- but {self}",
            self.what
        );
        self
    }

    /// It wrote nothing to standard error.
    #[track_caller]
    pub fn expect_quiet(self) -> Self {
        assert!(
            self.stderr.is_empty(),
            "{}\n--- expected nothing in stderr\n--- but {self}",
            self.what
        );
        self
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "exit code {}, stdout:\n{}\n--- stderr:\n{}",
            self.code, self.stdout, self.stderr
        )
    }
}

/// The file's whole text.
fn read_file(path: &Path) -> String {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}
