//! Who runs a job: an OS lock that the kernel releases when its owner is gone, however it went.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::file;

/// A job's own lock: held by the process that runs it.
pub(crate) const OWNER: &str = "lock";
/// Held by the process that continues the job under another id.
pub(crate) const SUCCESSOR: &str = "successor";

/// A lock that is held as long as this lives.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        unlock(&self.file);
    }
}

/// Lets go of the lock. Closing the file would not do: a process that is just being started has a copy of it until it
/// runs its program, and the lock lasts as long as the last copy.
fn unlock(file: &File) {
    // Closed it is all the same.
    let _ = flock(file, FlockOperation::Unlock);
}

fn open(dir: &Path, name: &str) -> io::Result<File> {
    let path = dir.join(name);
    if fs::symlink_metadata(&path).is_ok_and(|found| !found.is_file()) {
        // A pipe would be waited for, and what a link leads to is not this job's to write.
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not a file"));
    }
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

impl Lock {
    /// Takes the lock, writes `holder` into it, and gives it; `None` if somebody holds it.
    pub(crate) fn try_take(dir: &Path, name: &str, holder: &str) -> io::Result<Option<Self>> {
        Self::take(dir, name, holder, FlockOperation::NonBlockingLockExclusive)
    }

    /// Takes the lock of a directory that nobody else can own: at most a look ([`is_held`]) is in the way.
    pub(crate) fn take_own(dir: &Path, name: &str, holder: &str) -> io::Result<Option<Self>> {
        Self::take(dir, name, holder, FlockOperation::LockExclusive)
    }

    fn take(dir: &Path, name: &str, holder: &str, how: FlockOperation) -> io::Result<Option<Self>> {
        let mut file = open(dir, name)?;
        match flock(&file, how) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        file.set_len(0)?;
        file.write_all(holder.as_bytes())?;
        Ok(Some(Self { file }))
    }
}

/// Whether somebody holds the lock.
pub(crate) fn is_held(dir: &Path, name: &str) -> io::Result<bool> {
    let file = match file::open_regular(&dir.join(name)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => {
            unlock(&file);
            Ok(false)
        }
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// What the holder wrote into the lock.
pub(crate) fn holder(dir: &Path, name: &str) -> String {
    let bytes = file::read_capped(&dir.join(name), 4096).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_until_its_owner_lets_go() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_held(dir.path(), OWNER).unwrap());
        let lock = Lock::try_take(dir.path(), OWNER, "process 7").unwrap().unwrap();
        assert!(is_held(dir.path(), OWNER).unwrap());
        assert!(Lock::try_take(dir.path(), OWNER, "process 8").unwrap().is_none());
        assert_eq!(holder(dir.path(), OWNER), "process 7");
        drop(lock);
        assert!(!is_held(dir.path(), OWNER).unwrap());
    }
}
