//! Which shells are alive.
//!
//! A shell that has written an intent holds an OS lock on a file of its own for as long as it lives. A lock that can be
//! had is the only proof of death: a process id may be somebody else's by now.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// This shell's own lock. Dropping it says that the shell has left.
#[derive(Debug)]
pub(super) struct Presence {
    /// The shell's number in the ledger.
    pub shell: i64,
    path: PathBuf,
    lock: File,
}

impl Presence {
    /// Takes the lock of the shell with that number. `dir` is the ledger's directory.
    pub fn declare(dir: &Path, shell: i64) -> io::Result<Self> {
        let path = file_of(dir, shell);
        if let Some(parent) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        }
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600);
        let lock = options.open(&path)?;
        // Where there are no locks nobody else can have it either, and so nobody takes us for dead.
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Self { shell, path, lock })
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        // One that stays behind is found to be nobody's, and is removed then.
        let _ = fs::remove_file(&self.path);
        // A process that is just being started has a copy of the file, and closing ours would not give the lock up.
        let _ = self.lock.unlock();
    }
}

/// Whether the shell with that number has certainly ended. What it leaves behind is removed: numbers are given once.
pub(super) fn is_dead(dir: &Path, shell: i64) -> bool {
    let path = file_of(dir, shell);
    match File::open(&path) {
        Ok(file) if file.try_lock().is_ok() => {
            // If it stays it is found again the next time.
            let _ = fs::remove_file(&path);
            true
        }
        Ok(_) => false,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

fn file_of(dir: &Path, shell: i64) -> PathBuf {
    dir.join("shells").join(shell.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_is_dead_once_its_lock_is_free() {
        let dir = tempfile::tempdir().unwrap();
        let presence = Presence::declare(dir.path(), 7).unwrap();
        assert!(!is_dead(dir.path(), 7));
        assert!(Presence::declare(dir.path(), 7).is_err(), "nobody else can have it");
        drop(presence);
        assert!(is_dead(dir.path(), 7));
    }

    #[test]
    fn a_file_that_nobody_holds_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("shells")).unwrap();
        fs::write(dir.path().join("shells/3"), "").unwrap();
        assert!(is_dead(dir.path(), 3));
        assert!(!dir.path().join("shells/3").exists());
        assert!(is_dead(dir.path(), 3));
    }
}
