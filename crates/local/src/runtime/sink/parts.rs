//! The parts of a sink's directory: their names, and what a restore does with those that are there.
//!
//! A part is hidden while it is written and visible once a checkpoint has committed it. Its name carries the root of
//! the job's lineage, the job, and the epoch: the number of the checkpoint that commits it. So a restored job knows the
//! parts of its own lineage from those of any other job that writes the same directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use skep_engine::{EngineError, JobId, LogRing, Result};

use crate::failpoint;
use crate::runtime::file;
use crate::runtime::snapshot::{Manifest, Part, SinkState};

/// Who writes parts: a job and the root of its lineage.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Successor {
    /// The first job of the lineage.
    pub root: JobId,
    /// The job.
    pub job: JobId,
}

impl Successor {
    /// The names of this job's part of an epoch.
    pub(crate) fn part(&self, epoch: u64) -> Part {
        let stem = format!("part-{}-{}-{epoch}", self.root.short(), self.job);
        Part {
            hidden: format!(".{stem}.inprogress"),
            visible: format!("{stem}.csv"),
            length: 0,
        }
    }
}

/// A part as its name tells it.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    root: String,
    job: JobId,
    epoch: u64,
    hidden: bool,
}

impl Named {
    fn parse(name: &str) -> Option<Self> {
        let (stem, hidden) = match name.strip_prefix('.') {
            Some(rest) => (rest.strip_suffix(".inprogress")?, true),
            None => (name.strip_suffix(".csv")?, false),
        };
        let mut words = stem.strip_prefix("part-")?.splitn(3, '-');
        Some(Self {
            root: words.next()?.to_owned(),
            job: words.next()?.parse().ok()?,
            epoch: words.next()?.parse().ok()?,
            hidden,
        })
    }
}

/// Whether the part has the names that a sink gives.
fn is_own(part: &Part) -> bool {
    match (Named::parse(&part.hidden), Named::parse(&part.visible)) {
        (Some(hidden), Some(visible)) => {
            hidden.hidden
                && !visible.hidden
                && (hidden.root, hidden.job, hidden.epoch) == (visible.root, visible.job, visible.epoch)
        }
        _ => false,
    }
}

/// The job that wrote a hidden part, if that is what the name says.
pub(crate) fn hidden_part_of(name: &str) -> Option<JobId> {
    Named::parse(name).filter(|named| named.hidden).map(|named| named.job)
}

/// Makes parts visible. A part that is visible already is left as it is.
pub(crate) fn publish(dir: &Path, parts: &[Part]) -> Result<()> {
    for part in parts {
        let path = dir.join(&part.visible);
        match fs::rename(dir.join(&part.hidden), &path) {
            Ok(()) => failpoint::hit("commit.after-rename"),
            Err(error) if error.kind() == io::ErrorKind::NotFound && path.exists() => {}
            Err(error) => return Err(file::failed("make visible", &path, &error)),
        }
    }
    if parts.is_empty() {
        return Ok(());
    }
    file::sync_dir(dir).map_err(|error| file::failed("make durable", dir, &error))
}

/// What a restore has to do in a sink's directory, found out before anything is changed.
pub(crate) struct Recovery {
    dir: PathBuf,
    publish: Vec<Part>,
    discard: Vec<String>,
    consumed: Vec<String>,
}

impl Recovery {
    /// Looks at the directory that one of a saved state's sinks wrote. `same_sink` says that the restored job writes it too;
    /// `is_dead` that a job is known and does not run.
    ///
    /// # Errors
    /// [`skep_engine::ErrorKind::Refused`] if the same sink has published rows that the state knows nothing of (unless
    /// `fork`), or if a part that the state committed is damaged.
    pub(crate) fn plan(
        (manifest, sink): (&Manifest, &SinkState),
        state: &Path,
        same_sink: bool,
        fork: bool,
        is_dead: impl Fn(&JobId) -> bool,
    ) -> Result<Option<Self>> {
        let Some(dir) = sink.dir.clone() else {
            return Ok(None);
        };
        let mut recovery = Self {
            dir,
            publish: Vec::new(),
            discard: Vec::new(),
            consumed: Vec::new(),
        };
        recovery.plan_parts(manifest, sink)?;
        if same_sink {
            recovery.plan_others(manifest, state, fork, is_dead)?;
        }
        Ok(Some(recovery))
    }

    fn plan_parts(&mut self, manifest: &Manifest, sink: &SinkState) -> Result<()> {
        for part in &sink.parts {
            if !is_own(part) {
                // Whoever wrote this would have other files renamed.
                return Err(EngineError::refused(format!(
                    "the saved state names a part that no sink has written: {:?}",
                    part.hidden
                )));
            }
            let hidden = self.dir.join(&part.hidden);
            match fs::symlink_metadata(&hidden) {
                Ok(metadata) if metadata.len() == part.length && metadata.is_file() => self.publish.push(part.clone()),
                Ok(metadata) => {
                    return Err(EngineError::refused(format!(
                        "{} has {} bytes instead of the {} that checkpoint {} of job {} committed",
                        hidden.display(),
                        metadata.len(),
                        part.length,
                        manifest.checkpoint_id,
                        manifest.job_id.short()
                    )));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    if !self.dir.join(&part.visible).exists() {
                        // Whoever reads the directory may have taken it away after it was published.
                        self.consumed.push(part.visible.clone());
                    }
                }
                Err(error) => return Err(file::failed("look at", &hidden, &error)),
            }
        }
        Ok(())
    }

    fn plan_others(
        &mut self,
        manifest: &Manifest,
        state: &Path,
        fork: bool,
        is_dead: impl Fn(&JobId) -> bool,
    ) -> Result<()> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(file::failed("read", &self.dir, &error)),
        };
        let root = manifest.root.short();
        for entry in entries {
            let entry = entry.map_err(|error| file::failed("read", &self.dir, &error))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(named) = Named::parse(&name) else { continue };
            if named.root != root || manifest.covers(&named.job, named.epoch) || fork {
                continue;
            }
            if !named.hidden {
                return Err(EngineError::refused(format!(
                    "{} is older than what {} already holds: {name}, checkpoint {} of job {}, was published after it",
                    state.display(),
                    self.dir.display(),
                    named.epoch,
                    named.job.short(),
                ))
                .hint(format!(
                    "restore job {} from its latest state instead",
                    named.job.short()
                ))
                .hint("--fork starts from the older state all the same: rows will be in the directory twice"));
            }
            if is_dead(&named.job) {
                self.discard.push(name);
            }
        }
        Ok(())
    }

    /// Does it: publishes what the state committed, then discards what no state did.
    pub(crate) fn run(&self, log: &LogRing) -> Result<()> {
        failpoint::hit("restore.before-publish");
        publish(&self.dir, &self.publish)?;
        failpoint::hit("restore.after-publish");
        for part in &self.publish {
            log.push(format!(
                "published {}, which the restored state had committed",
                part.visible
            ));
        }
        for name in &self.consumed {
            log.push(format!(
                "{name} was published once and is no longer in {}",
                self.dir.display()
            ));
        }
        for name in &self.discard {
            let path = self.dir.join(name);
            match fs::remove_file(&path) {
                Ok(()) => log.push(format!("removed {name}, which was never committed")),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(file::failed("remove", &path, &error)),
            }
        }
        failpoint::hit("restore.after-discard");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parts_name_is_read_as_it_was_made() {
        let root: JobId = "00112233445566778899aabbccddeeff".parse().unwrap();
        let job: JobId = "5f2c9a4e0b1d4c6e8f7a9b0c1d2e3f40".parse().unwrap();
        let part = Successor { root, job }.part(12);
        for (name, hidden) in [(&part.hidden, true), (&part.visible, false)] {
            let named = Named::parse(name).unwrap();
            assert_eq!((named.root, named.job, named.epoch), (root.short(), job, 12));
            assert_eq!(named.hidden, hidden);
        }
        assert!(is_own(&part));
        for (hidden, visible) in [
            (".bashrc", part.visible.as_str()),
            (part.hidden.as_str(), "part-1.csv"),
            (part.visible.as_str(), part.visible.as_str()),
            (part.hidden.as_str(), part.hidden.as_str()),
        ] {
            let (hidden, visible) = (hidden.to_owned(), visible.to_owned());
            assert!(!is_own(&Part {
                hidden,
                visible,
                length: 0
            }));
        }
        for name in [
            "part-1.csv",
            "data.csv",
            ".part-x",
            "part-00112233-zz-1.csv",
            ".part-a-b-c.inprogress",
        ] {
            assert_eq!(Named::parse(name), None, "{name}");
        }
    }
}
