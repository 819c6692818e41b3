//! What comes from PyPI, kept between runs.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The directory of that name in the cache. If it is not there, `make` makes it in an empty directory and says where: it
/// comes to its place in one piece, so that what is there is whole.
pub fn fill(name: &str, make: impl FnOnce(&Path) -> Result<PathBuf, String>) -> Result<PathBuf, String> {
    let cache = match env::var_os("XDG_CACHE_HOME").filter(|dir| !dir.is_empty()) {
        Some(dir) => PathBuf::from(dir),
        None => PathBuf::from(env::var_os("HOME").ok_or("neither XDG_CACHE_HOME nor HOME is set")?).join(".cache"),
    };
    let cache = cache.join("skep-test");
    let place = cache.join(name);
    if place.is_dir() {
        return Ok(place);
    }
    fs::create_dir_all(&cache).map_err(|error| error.to_string())?;
    let making = tempfile::tempdir_in(&cache).map_err(|error| error.to_string())?;
    let made = make(making.path())?;
    match fs::rename(made, &place) {
        // Another run was faster.
        Err(_) if place.is_dir() => Ok(place),
        renamed => renamed.map(|()| place).map_err(|error| error.to_string()),
    }
}

/// Runs a program to its end; what it wrote.
pub fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| {
        format!(
            "{}: {error}: these tests need a JDK, Python 3 with pip, and tar; SKEP_TEST_ENGINES=none leaves them out",
            command.get_program().display()
        )
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)))
}
