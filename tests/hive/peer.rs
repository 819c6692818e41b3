//! PyHive, another client of the same servers: what it reads, and whether skep has read the same.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::cache;
use crate::server::{Server, jdk, spark};

/// What pip installs, PyHive with what it needs for SASL.
const PACKAGES: [&str; 3] = ["pyhive==0.7.0", "thrift-sasl==0.4.3", "pure-sasl==0.6.2"];

/// What it reads of each query on the server at that port: the names of the columns, and the rows.
pub fn read(port: u16, queries: &[&str]) -> Vec<[Value; 2]> {
    let mut python = script("peer.py");
    python.arg(port.to_string()).args(queries);
    let written = cache::run(&mut python).unwrap();
    written
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Runs `replay.py` on the Kyuubi server at that port; it fails where that is not as was recorded.
pub fn replay(port: u16, arguments: &[&str]) {
    cache::run(script("kyuubi/replay.py").arg(port.to_string()).args(arguments)).unwrap();
}

/// Asks a Kyuubi server's REST API what was recorded of a real one, and panics where it answers otherwise.
pub fn replay_rest(port: u16) {
    cache::run(script("kyuubi/replay_rest.py").arg(port.to_string())).unwrap();
}

fn script(name: &str) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hive").join(name);
    let mut python = python().unwrap();
    python.env("PYTHONDONTWRITEBYTECODE", "1").arg(script);
    python
}

/// What beeline, of the same Spark, prints of a script as csv2.
pub fn beeline(server: &Server, script: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("script.sql");
    fs::write(&file, script).unwrap();
    let mut java = Command::new(jdk("java"));
    java.arg(format!("-Duser.home={}", home.path().display()))
        .args(["-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp"])
        .arg(spark().unwrap().join("jars").join("*"))
        .args([
            "org.apache.hive.beeline.BeeLine",
            "-n",
            "peer",
            "--silent=true",
            "--outputformat=csv2",
        ])
        .arg("-u")
        .arg(server.url())
        .arg("-f")
        .arg(&file);
    let written = cache::run(&mut java).unwrap();
    // It writes its prompt and what it reads there, too.
    written
        .lines()
        .filter(|line| !line.contains("jdbc:hive2://"))
        .map(|line| format!("{line}\n"))
        .collect()
}

/// Python, which finds PyHive and Thrift.
pub fn python() -> Result<Command, String> {
    let packages = cache::fill("pyhive-0.7.0", install)?;
    let mut python = Command::new("python3");
    python.env("PYTHONPATH", packages).env("PYTHONIOENCODING", "utf-8");
    Ok(python)
}

fn install(place: &Path) -> Result<PathBuf, String> {
    let target = place.join("packages");
    fs::create_dir(&target).map_err(|error| error.to_string())?;
    let mut arguments: Vec<OsString> = ["-m", "pip", "install", "--quiet", "--target"]
        .map(OsString::from)
        .into();
    arguments.push(target.clone().into());
    arguments.extend(PACKAGES.map(OsString::from));
    cache::run(Command::new("python3").args(arguments))?;
    Ok(target)
}

/// Whether a cell of skep's JSON is what PyHive has read. A number with a fraction is the same if it reads as the same
/// double: Python spells it in its own way. All else is the same text.
pub fn agree(ours: &RawValue, theirs: &Value) -> bool {
    let ours = ours.get();
    let Some(theirs) = theirs.as_str() else {
        return ours == "null";
    };
    let text = serde_json::from_str::<String>(ours).unwrap_or_else(|_| ours.to_owned());
    let is_text = ours.starts_with('"') && !matches!(text.as_str(), "NaN" | "Infinity" | "-Infinity");
    match (text.parse::<f64>(), theirs.parse::<f64>()) {
        (Ok(ours), Ok(theirs)) if !is_text && text.contains(['.', 'N', 'I']) => ours.to_bits() == theirs.to_bits(),
        _ => ours != "null" && text == theirs,
    }
}
