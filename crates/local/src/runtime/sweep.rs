//! Takes away what jobs have left that died: never anything of a job that runs, nor what a state could need.
//!
//! A job counts as dead when it has a record and nobody holds its lock. It stays so: no id is taken twice.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use skep_engine::{JobId, LogRing};

use super::file;
use super::host::Host;
use super::lock::{self, OWNER};
use super::record::{Record, UNFINISHED};
use super::sink;
use super::snapshot;

impl Host {
    /// Whether the directory knows the job, and nobody runs it nor ever will.
    fn is_dead(&self, job: &JobId) -> bool {
        let dir = self.job_dir(job);
        Record::exists(&dir) && lock::is_held(&dir, OWNER).is_ok_and(|held| !held)
    }

    /// Removes saved states that were begun or half deleted when their process died. What can't be removed is hidden
    /// and in nobody's way; the log says so.
    pub(super) fn sweep_states(&self, log: &LogRing) {
        let jobs = self.job_ids().unwrap_or_default();
        for job in jobs.iter().filter(|job| self.is_dead(job)) {
            for (path, name) in entries(&self.job_dir(job)) {
                if name.starts_with(".tmp-chk-") || name.starts_with(".deleted-chk-") || name == UNFINISHED {
                    remove(&path, log);
                }
            }
        }
        for (path, name) in entries(&self.savepoints_dir()) {
            // A deleted one is nobody's any more; one that was begun has the first digits of its job's id in its name.
            let is_left = match name.strip_prefix(".tmp-savepoint-") {
                Some(rest) => {
                    let begins = rest.split('-').next().unwrap_or_default();
                    let mut writers = jobs.iter().filter(|job| job.to_string().starts_with(begins)).peekable();
                    begins.len() == 6 && writers.peek().is_some() && writers.all(|job| self.is_dead(job))
                }
                None => name.starts_with(".deleted-savepoint-"),
            };
            if is_left {
                remove(&path, log);
            }
        }
    }

    /// Removes hidden parts in a sink's directory that dead jobs of this host were writing and no state of theirs names:
    /// nobody can publish them.
    pub(super) fn sweep_parts(&self, sink_dir: &Path, log: &LogRing) {
        for (path, name) in entries(sink_dir) {
            if let Some(job) = sink::hidden_part_of(&name)
                && self.is_dead(&job)
                && self.names_no(&job, &name)
            {
                match fs::remove_file(&path) {
                    Ok(()) => log.push(format!("removed {name}, which job {} never committed", job.short())),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => log.push(format!("{} could not be removed: {error}", path.display())),
                }
            }
        }
    }

    /// Whether no checkpoint of the job names that part. One that can't be read might. (A savepoint never has parts: what
    /// there is is committed by a checkpoint before it is taken.)
    fn names_no(&self, job: &JobId, part: &str) -> bool {
        entries(&self.job_dir(job))
            .into_iter()
            .filter(|(_, name)| name.starts_with("chk-"))
            .all(|(path, _)| {
                snapshot::peek(&path).is_ok_and(|manifest| {
                    let mut parts = manifest.sinks.iter().flat_map(|sink| &sink.parts);
                    parts.all(|named| named.hidden != part)
                })
            })
    }
}

/// What is in a directory, with its names.
fn entries(dir: &Path) -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| Some((entry.path(), entry.file_name().into_string().ok()?)));
    named.collect()
}

fn remove(path: &Path, log: &LogRing) {
    let removed = if path.is_dir() {
        file::remove_all(path)
    } else {
        fs::remove_file(path)
    };
    match removed {
        Ok(()) => log.push(format!("removed {}, which was never finished", path.display())),
        Err(error) => log.push(format!("{} could not be removed: {error}", path.display())),
    }
}
