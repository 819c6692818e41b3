//! Where a run of the tests keeps its clusters' files.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// A directory of this run's own. What a run that was killed has left is removed by the next.
#[derive(Debug)]
pub struct Work {
    dir: PathBuf,
    /// Held as long as the run lasts: whoever gets it knows that the run is over.
    _lock: File,
}

impl Work {
    /// A new one.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn new() -> io::Result<Self> {
        let base = Path::new(env!("CARGO_TARGET_TMPDIR")).join("flink");
        fs::create_dir_all(&base)?;
        // Between a directory's beginning and its lock nobody sweeps.
        let all = File::create(base.join("lock"))?;
        all.lock()?;
        for entry in fs::read_dir(&base)? {
            let left = entry?.path();
            if left.is_dir() && File::create(left.join("lock")).is_ok_and(|lock| lock.try_lock().is_ok()) {
                fs::remove_dir_all(&left)?;
            }
        }
        let dir = tempfile::Builder::new().prefix("run-").tempdir_in(&base)?.keep();
        let lock = File::create(dir.join("lock"))?;
        lock.lock()?;
        Ok(Self { dir, _lock: lock })
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Removes it.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn remove(&self) -> io::Result<()> {
        fs::remove_dir_all(&self.dir)
    }
}
