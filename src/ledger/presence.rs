//! Which shells are alive.
//!
//! A shell that has written an intent holds an OS lock on a file of its own for as long as it lives. A lock that can be
//! had is the only proof of death: a process id may be somebody else's by now.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

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

/// What a shell's lock tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// It holds its lock.
    Alive,
    /// Nobody is seen to hold it: that is proof where locks of all shells are seen.
    NotSeen,
    /// That can't be told.
    Unknown,
}

/// What can be seen of the shell with that number. Nothing is removed: elsewhere somebody may hold it.
pub(super) fn life(dir: &Path, shell: i64) -> Life {
    match File::open(file_of(dir, shell)).map(|file| file.try_lock()) {
        Ok(Ok(())) => Life::NotSeen,
        Ok(Err(TryLockError::WouldBlock)) => Life::Alive,
        Ok(Err(TryLockError::Error(_))) => Life::Unknown,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Life::NotSeen,
        Err(_) => Life::Unknown,
    }
}

/// Whether there is a process of that number, other than this one, which is a new one.
pub(super) fn runs(pid: u32) -> bool {
    let other = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let is_there = |pid| !matches!(test_kill_process(pid), Err(Errno::SRCH));
    pid != std::process::id() && other.is_some_and(is_there)
}

/// What tells this ledger on this machine, since that was started, from a copy of it and from all other machines: a shell that has said
/// the same has its lock where it is seen. None where nobody can tell.
#[cfg(target_os = "linux")]
pub(super) fn place(ledger: &Path) -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let file = fs::metadata(ledger).ok()?;
    Some(format!("{} {}:{}", boot.trim(), file.dev(), file.ino()))
}

/// What tells this ledger from a copy of it, if it lies on this machine. None where nobody can tell.
#[cfg(not(target_os = "linux"))]
pub(super) fn place(ledger: &Path) -> Option<String> {
    if !cfg!(target_os = "macos") || super::schema::is_remote(ledger) {
        return None;
    }
    let file = fs::metadata(ledger).ok()?;
    Some(format!("{}:{}", file.dev(), file.ino()))
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
    fn a_lock_that_is_held_is_a_life() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(life(dir.path(), 7), Life::NotSeen);
        let presence = Presence::declare(dir.path(), 7).unwrap();
        assert_eq!(life(dir.path(), 7), Life::Alive);
        drop(presence);
        fs::write(dir.path().join("shells/7"), "").unwrap();
        assert_eq!(life(dir.path(), 7), Life::NotSeen);
        assert!(dir.path().join("shells/7").exists(), "looking changes nothing");
    }

    #[test]
    fn a_process_that_has_ended_does_not_run() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        assert!(runs(child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!runs(child.id()));
        assert!(
            !runs(std::process::id()),
            "it is this one, and not the earlier one of that number"
        );
    }

    #[test]
    fn a_copy_is_another_place() {
        let dir = tempfile::tempdir().unwrap();
        let [ledger, copy] = ["ledger.db", "copy.db"].map(|name| dir.path().join(name));
        fs::write(&ledger, "x").unwrap();
        fs::copy(&ledger, &copy).unwrap();
        assert_eq!(place(&ledger), place(&ledger));
        assert_ne!(place(&ledger), place(&copy));
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
