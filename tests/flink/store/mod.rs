//! Stores that saved states lie in, of real servers on loopback: S3 (S3Proxy) and HDFS (Hadoop's own, in one process).

pub mod cases;
mod hdfs;
#[cfg(feature = "cloud")]
pub mod s3;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::cluster::{Installation, Process, Work, tail};
use crate::world::{Program, World};

pub use hdfs::Hdfs;
#[cfg(feature = "cloud")]
pub use s3::S3;

/// No server takes longer than this to answer, not even on a machine that is busy.
const START: Duration = Duration::from_secs(180);

/// A store that runs.
pub trait Store: Send + Sync {
    /// The URI of a path in it.
    fn uri(&self, path: &str) -> String;

    /// The same, spelled otherwise, if there is another way to.
    fn alias(&self, path: &str) -> Option<String>;

    /// Writes a file.
    fn put(&self, path: &str, bytes: &[u8]);

    /// skep, told how to get at the store.
    fn skep(&self, world: &World) -> Program;
}

/// Puts a state that a real Flink wrote there, its files as `change` leaves them: one of which nothing is left is left out.
fn put_sample(store: &dyn Store, name: &str, to: &str, change: impl Fn(&str, &mut Option<Vec<u8>>)) {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("crates/metadata/tests/samples")
        .join(name);
    for entry in fs::read_dir(sample).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let mut bytes = Some(fs::read(&path).unwrap());
        change(name, &mut bytes);
        if let Some(bytes) = bytes {
            store.put(&format!("{to}/{name}"), &bytes);
        }
    }
}

/// A Java program with a small heap, in a directory of its own.
fn java(installation: &Installation, dir: &Path, heap: &str) -> Command {
    let mut java = Command::new(&installation.java);
    java.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", heap]);
    java.arg("-cp").arg(installation.jars.join("*"));
    java.current_dir(dir);
    java
}

/// A server's process, until it is ended.
#[derive(Debug)]
pub struct Server(Mutex<Option<Process>>);

impl Server {
    /// Ends it.
    pub fn stop(&self) {
        drop(self.0.lock().unwrap().take());
    }
}

/// Starts a server and waits until it answers.
fn start(command: &Command, work: &Work, name: &str, answers: impl Fn() -> bool) -> Result<Server, String> {
    let log = work.path(&format!("{name}.log"));
    let mut process = Process::start(command, &log).map_err(|error| format!("{name} can't be started: {error}"))?;
    let deadline = Instant::now() + START;
    while !answers() {
        if !process.runs() || Instant::now() > deadline {
            return Err(format!("{name} does not answer\n{}", tail(&log, 30)));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(Server(Mutex::new(Some(process))))
}
