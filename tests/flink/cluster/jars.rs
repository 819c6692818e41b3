//! The jars of each server that the tests start, from Maven, kept between runs where they can be.

use std::env;
use std::fmt::Write;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use super::toolchain::{Toolchain, run_within};

/// A download that breaks is tried so often.
const TRIES: usize = 3;

/// What a server is made of.
#[derive(Debug, Clone)]
pub struct Kit {
    /// What it is, with its version: the name of its directory.
    pub name: String,
    /// Maven's word for it.
    pub pom: &'static str,
    /// What the pom leaves open.
    pub properties: Vec<String>,
}

impl Kit {
    /// That version of Flink.
    pub fn flink(version: &str) -> Self {
        Self {
            name: format!("flink-{version}"),
            pom: include_str!("../pom.xml"),
            properties: vec![format!("-Dflink.version={version}")],
        }
    }
}

/// A server's jars and the Java that runs them.
#[derive(Debug, Clone)]
pub struct Installation {
    /// The directory of the jars.
    pub jars: PathBuf,
    /// The `java` program.
    pub java: PathBuf,
}

impl Installation {
    /// That server's, from the cache or by Maven. `log` takes what the programs write that this runs.
    ///
    /// One at a time on this machine: Maven's own repository does not bear two writers.
    pub fn prepare(kit: &Kit, log: &Path) -> Result<Self, String> {
        static ONE: Mutex<()> = Mutex::new(());
        let _one = ONE.lock().map_err(|_| "another cluster's jars failed".to_owned())?;
        let cache = cache()?;
        let in_cache = |error: io::Error| format!("{}: {error}", cache.display());
        fs::create_dir_all(&cache).map_err(in_cache)?;
        let lock = File::create(cache.join("lock")).map_err(in_cache)?;
        lock.lock().map_err(in_cache)?;
        let toolchain = Toolchain::find(log)?;
        let installation = Self {
            jars: cache.join(&kit.name),
            java: toolchain.java(),
        };
        if !is_complete(kit, &installation.jars) {
            resolve(kit, &installation.jars, &toolchain, log)?;
        }
        Ok(installation)
    }
}

/// Where jars are kept: outside the clone, so that a fresh one has them.
fn cache() -> Result<PathBuf, String> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
    let cache = cache.ok_or("neither XDG_CACHE_HOME nor HOME is set: there is no place for the servers' jars")?;
    Ok(cache.join("skep-test"))
}

/// The last thing that is written: without it, or if it does not tell what is there, all is made anew.
fn marker(jars: &Path) -> PathBuf {
    beside(jars, "complete")
}

fn beside(jars: &Path, what: &str) -> PathBuf {
    PathBuf::from(format!("{}.{what}", jars.display()))
}

/// What was asked for, and each file with its size.
fn contents(kit: &Kit, jars: &Path) -> io::Result<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(jars)? {
        let entry = entry?;
        files.push((
            entry.file_name().to_string_lossy().into_owned(),
            entry.metadata()?.len(),
        ));
    }
    files.sort();
    let mut text = kit.pom.to_owned();
    for (name, size) in files {
        let _ = writeln!(text, "{size} {name}");
    }
    Ok(text)
}

fn is_complete(kit: &Kit, jars: &Path) -> bool {
    match (fs::read_to_string(marker(jars)), contents(kit, jars)) {
        (Ok(marked), Ok(found)) => marked == found,
        _ => false,
    }
}

fn resolve(kit: &Kit, jars: &Path, toolchain: &Toolchain, log: &Path) -> Result<(), String> {
    super::say(&format!("resolving the jars of {}", kit.name));
    let failed = |error: io::Error| format!("{}: {error}", jars.display());
    let gone = |result: io::Result<()>| match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
        _ => Ok(()),
    };
    gone(fs::remove_file(marker(jars)))?;
    gone(fs::remove_dir_all(jars))?;
    // Maven works beside its pom: in the cache, not in the clone.
    let pom = beside(jars, "pom.xml");
    fs::write(&pom, kit.pom).map_err(failed)?;
    let mut tries = 0;
    loop {
        tries += 1;
        let mut maven = Command::new(&toolchain.mvn);
        maven
            .args(["-q", "-B", "-f"])
            .arg(&pom)
            .args(&kit.properties)
            .arg(format!("-Djars={}", jars.display()))
            .arg("process-resources")
            .env("JAVA_HOME", &toolchain.java_home);
        match run_within(&mut maven, Duration::from_secs(900), log) {
            Ok(()) => break,
            Err(why) if tries == TRIES => {
                return Err(format!("the jars of {} could not be resolved: {why}", kit.name));
            }
            Err(_) => {}
        }
    }
    let contents = contents(kit, jars).map_err(failed)?;
    let partial = beside(jars, "partial");
    fs::write(&partial, contents).map_err(failed)?;
    fs::rename(&partial, marker(jars)).map_err(failed)
}
