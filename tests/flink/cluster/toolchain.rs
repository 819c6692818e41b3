//! The Java and the Maven that a cluster needs.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The oldest Java that both versions of Flink are run on.
const OLDEST: u32 = 17;

/// What else to do where nothing can be installed.
const SWITCH: &str = "or set SKEP_TEST_ENGINES=none to run the tests that need no engine";

/// Programs that were found.
#[derive(Debug, Clone)]
pub struct Toolchain {
    /// The directory that `bin/java` is in.
    pub java_home: PathBuf,
    /// Maven.
    pub mvn: PathBuf,
}

impl Toolchain {
    /// What this machine has. As root on Debian or Ubuntu, what is missing is installed; `log` is where that is written.
    pub fn find(log: &Path) -> Result<Self, String> {
        let missing = match (java_home(), in_path("mvn")) {
            (Some(java_home), Some(mvn)) => return Ok(Self { java_home, mvn }),
            (None, None) => "neither a JDK 17 or newer nor Maven was found",
            (None, Some(_)) => "no JDK 17 or newer was found",
            (Some(_), None) => "Maven (mvn) was not found",
        };
        let apt = in_path("apt-get").filter(|_| Path::new("/etc/debian_version").exists());
        let Some(apt) = apt.filter(|_| rustix::process::geteuid().is_root()) else {
            return Err(format!(
                "{missing}: the tests start Flink clusters of their own; install a JDK (17 or newer) and Maven, {SWITCH}"
            ));
        };
        super::say(&format!("{missing}: installing with apt-get"));
        install(&apt, log).map_err(|why| format!("{missing} and could not be installed: {why}; {SWITCH}"))?;
        match (java_home(), in_path("mvn")) {
            (Some(java_home), Some(mvn)) => Ok(Self { java_home, mvn }),
            _ => Err(format!("{missing}, not even after apt-get had installed them")),
        }
    }

    /// The `java` program.
    pub fn java(&self) -> PathBuf {
        self.java_home.join("bin/java")
    }
}

fn install(apt: &Path, log: &Path) -> Result<(), String> {
    let limit = Duration::from_secs(900);
    let run = |args: &[&str]| {
        let mut command = Command::new(apt);
        command.args(args).env("DEBIAN_FRONTEND", "noninteractive");
        run_within(&mut command, limit, log)
    };
    run(&["update"])?;
    let install = ["install", "-y", "--no-install-recommends"];
    // A release that no longer has Java 17 has a newer one as its default.
    run(&[&install[..], &["openjdk-17-jdk-headless", "maven"]].concat())
        .or_else(|_| run(&[&install[..], &["default-jdk-headless", "maven"]].concat()))
}

fn in_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let mut places = env::split_paths(&path).map(|dir| dir.join(program));
    places.find(|place| place.is_file())
}

/// The first Java that is new enough: what `JAVA_HOME` and the path name, then what is installed.
fn java_home() -> Option<PathBuf> {
    let named = env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin/java"));
    let installed = fs::read_dir("/usr/lib/jvm").into_iter().flatten().flatten();
    let installed = installed.map(|home| home.path().join("bin/java"));
    let mut places = named.into_iter().chain(in_path("java")).chain(installed);
    let java = places.find(|java| major_version(java).is_some_and(|version| version >= OLDEST))?;
    let java = fs::canonicalize(java).ok()?;
    Some(java.parent()?.parent()?.to_owned())
}

fn major_version(java: &Path) -> Option<u32> {
    let output = Command::new(java).arg("-version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    // `openjdk version "17.0.15" 2025-04-15`; before Java 9 it was `"1.8.0_412"`.
    let version = text.split('"').nth(1)?;
    version.split(['.', '-', '+']).next()?.parse().ok()
}

/// Runs a program until it ends, its output appended to `log`. Fails with the last lines of that.
pub fn run_within(command: &mut Command, limit: Duration, log: &Path) -> Result<(), String> {
    let what = command.get_program().to_owned();
    let what = Path::new(&what)
        .file_name()
        .map(OsStr::to_string_lossy)
        .unwrap_or_default();
    let output = File::options().create(true).append(true).open(log);
    let output = output.map_err(|error| format!("{}: {error}", log.display()))?;
    let errors = output.try_clone().map_err(|error| error.to_string())?;
    command.stdin(Stdio::null()).stdout(output).stderr(errors);
    let mut child = command.spawn().map_err(|error| format!("{what}: {error}"))?;
    let deadline = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            break status;
        }
        if Instant::now() > deadline {
            child.kill().map_err(|error| error.to_string())?;
            child.wait().map_err(|error| error.to_string())?;
            return Err(format!(
                "{what} took longer than {} s\n{}",
                limit.as_secs(),
                super::tail(log, 20)
            ));
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    if status.success() {
        return Ok(());
    }
    Err(format!("{what}: {status}\n{}", super::tail(log, 20)))
}
