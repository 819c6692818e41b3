//! Starting from a saved state: may it be done, and what becomes of each operator's state.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use skep_engine::{EngineError, JobId, LogRing, Restore, Result};

use super::lock::{self, Lock, OWNER, SUCCESSOR};
use super::sink::Recovery;
use super::snapshot::{self, METADATA, Manifest, SinkState};
use super::{file, host::Host};
use crate::dataflow::{Fingerprint, OperatorState, State};
use crate::failpoint;

/// A saved state that has been checked.
pub(super) struct Restoring {
    pub(super) path: PathBuf,
    pub(super) manifest: Manifest,
    state: State,
    fork: bool,
    allow_non_restored: bool,
}

impl Restoring {
    /// Reads and checks the state, every byte.
    ///
    /// # Errors
    /// There is none, it is damaged, or its job still runs.
    pub(super) fn load(host: &Host, restore: &Restore) -> Result<Self> {
        let path = local_path(&restore.path)?;
        let (manifest, state) = snapshot::load(&path)?;
        if let Some(expected) = restore.job_id
            && expected != manifest.job_id
        {
            return Err(EngineError::refused(format!(
                "{} was made by job {}, not by job {expected}",
                path.display(),
                manifest.job_id
            )));
        }
        failpoint::hit("restore.after-verify");
        let this = Self {
            path,
            manifest,
            state,
            fork: restore.fork,
            allow_non_restored: restore.allow_non_restored,
        };
        if !this.fork {
            let job = this.manifest.job_id;
            for dir in this.job_dirs(host, &job) {
                if lock::is_held(&dir, OWNER).map_err(|error| file::failed("look at the lock of", &dir, &error))? {
                    return Err(EngineError::refused(format!(
                        "job {} still runs, in {}",
                        job.short(),
                        lock::holder(&dir, OWNER)
                    ))
                    .hint(format!(
                        "!stop {} stops it with a savepoint, from any shell",
                        job.short()
                    ))
                    .hint("--fork starts a second job beside it"));
                }
            }
        }
        Ok(this)
    }

    pub(super) const fn is_fork(&self) -> bool {
        self.fork
    }

    /// The directories of a job: the host's, and the one in which this state lies, should that be another host's.
    fn job_dirs(&self, host: &Host, job: &JobId) -> BTreeSet<PathBuf> {
        let beside = self
            .path
            .parent()
            .filter(|dir| dir.file_name().is_some_and(|n| *n == *job.to_string()));
        let own = fs::canonicalize(host.job_dir(job)).ok();
        own.into_iter()
            .chain(beside.map(Path::to_path_buf))
            .filter(|dir| dir.is_dir())
            .collect()
    }

    /// Claims the jobs that the new one continues, so that nobody else continues them at the same time. A fork claims
    /// nothing: it begins a lineage of its own.
    ///
    /// # Errors
    /// Somebody else does.
    pub(super) fn claim(&self, host: &Host, job: &JobId) -> Result<Vec<Lock>> {
        let mut locks = Vec::new();
        if self.fork {
            return Ok(locks);
        }
        let holder = format!("process {} as job {job}", std::process::id());
        let ancestors = self.manifest.lineage.iter().map(|segment| segment.job_id);
        for ancestor in ancestors.chain([self.manifest.job_id]) {
            for dir in self.job_dirs(host, &ancestor) {
                match Lock::try_take(&dir, SUCCESSOR, &holder) {
                    Ok(Some(lock)) => locks.push(lock),
                    Ok(None) => {
                        return Err(EngineError::refused(format!(
                            "job {} is being continued, by {}",
                            ancestor.short(),
                            lock::holder(&dir, SUCCESSOR)
                        ))
                        .hint("--fork starts a second job beside it"));
                    }
                    Err(error) => return Err(file::failed("lock", &dir, &error)),
                }
            }
        }
        failpoint::hit("restore.after-claim");
        Ok(locks)
    }

    /// Finds out what is to be done in the sinks' directories: `sink_dirs` are those that the new job writes.
    ///
    /// # Errors
    /// A sink that is still the same has published more than this state knows of, and it is not a fork.
    pub(super) fn plan_sinks(&self, host: &Host, sink_dirs: &[PathBuf]) -> Result<Vec<Recovery>> {
        let manifest = &self.manifest;
        let is_same = |sink: &SinkState| sink.dir.as_ref().is_some_and(|dir| sink_dirs.contains(dir));
        let is_dead = |job: &JobId| {
            let dir = host.job_dir(job);
            dir.is_dir() && lock::is_held(&dir, OWNER).is_ok_and(|held| !held)
        };
        let mut plans = Vec::new();
        for (path, later) in self.later_commits(host) {
            // A manifest is the point of no return: its rows count as published, also where the last rename is missing.
            for sink in later.sinks.iter().filter(|sink| !sink.parts.is_empty()) {
                if !manifest.sinks.iter().any(|saved| saved.dir == sink.dir) {
                    continue;
                }
                if is_same(sink) && !self.fork {
                    return Err(EngineError::refused(format!(
                        "{} is older than what {} already holds: checkpoint {} of job {} ({}) has committed rows since",
                        self.path.display(),
                        sink.name,
                        later.checkpoint_id,
                        later.job_id.short(),
                        path.display()
                    ))
                    .hint(format!("restore from {} instead", path.display()))
                    .hint("--fork starts from the older state all the same: rows will be in the directory twice"));
                }
                plans.extend(Recovery::plan((&later, sink), &path, false, true, is_dead)?);
            }
        }
        for sink in &manifest.sinks {
            plans.extend(Recovery::plan(
                (manifest, sink),
                &self.path,
                is_same(sink),
                self.fork,
                is_dead,
            )?);
        }
        Ok(plans)
    }

    /// Checkpoints of the same job that came later and committed rows, if nobody runs who would publish them.
    fn later_commits(&self, host: &Host) -> Vec<(PathBuf, Manifest)> {
        let mut later = Vec::new();
        for dir in self.job_dirs(host, &self.manifest.job_id) {
            if lock::is_held(&dir, OWNER).unwrap_or(true) {
                continue;
            }
            let entries = fs::read_dir(&dir).into_iter().flatten().flatten();
            for path in entries.map(|entry| entry.path()) {
                let number = path
                    .file_name()
                    .and_then(|n| n.to_str()?.strip_prefix("chk-")?.parse::<u64>().ok());
                if number.is_some_and(|number| number > self.manifest.checkpoint_id)
                    && let Ok(manifest) = snapshot::peek(&path)
                    && manifest.sinks.iter().any(|sink| !sink.parts.is_empty())
                {
                    later.push((path, manifest));
                }
            }
        }
        later.sort_by_key(|(_, manifest)| manifest.checkpoint_id);
        later
    }

    /// Matches the state with what the statement has now, and gives what each side takes over: the dataflow, and the
    /// sinks that have state. Gives the operators too whose state is left behind.
    ///
    /// # Errors
    /// [`skep_engine::ErrorKind::Refused`], naming what differs.
    pub(super) fn divide(
        &mut self,
        now: &[Fingerprint],
        sinks: &[Fingerprint],
        log: &LogRing,
    ) -> Result<(State, Vec<OperatorState>, Vec<String>)> {
        let all: Vec<_> = now.iter().chain(sinks).cloned().collect();
        let differences = compare(&self.manifest.fingerprints, &all);
        if !differences.is_empty() && !self.allow_non_restored {
            return Err(refused(&differences));
        }
        let saved: BTreeSet<_> = self.manifest.fingerprints.iter().map(|f| f.operator.as_str()).collect();
        let dropped = differences.into_iter().map(|difference| difference.operator);
        let dropped: BTreeSet<String> = dropped.filter(|operator| saved.contains(operator.as_str())).collect();
        for name in &dropped {
            log.push(format!(
                "the state of {name} is left behind, as --allow-non-restored-state says"
            ));
        }
        for new in all.iter().filter(|f| !saved.contains(f.operator.as_str())) {
            log.push(format!("{} is new and starts without state", new.operator));
        }
        let state = std::mem::take(&mut self.state);
        let kept = state
            .operators
            .into_iter()
            .filter(|operator| !dropped.contains(&operator.operator));
        let is_sink = |operator: &OperatorState| sinks.iter().any(|sink| sink.operator == operator.operator);
        let (sinks, operators): (Vec<_>, Vec<_>) = kept.partition(is_sink);
        Ok((State { operators }, sinks, dropped.into_iter().collect()))
    }
}

/// Something by which a statement does not fit a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    /// The operator whose state is not taken over, or would have to be there.
    pub operator: String,
    /// What is different, in a sentence.
    pub what: String,
}

/// Compares a state's fingerprints with a statement's.
pub(super) fn compare(saved: &[Fingerprint], now: &[Fingerprint]) -> Vec<Difference> {
    let mut differences = Vec::new();
    for old in saved {
        let found = now.iter().find(|new| new.operator == old.operator);
        let difference = match found {
            None => Some(format!("{} is no longer there", old.operator)),
            Some(new) => difference(old, new),
        };
        differences.extend(difference.map(|what| Difference {
            operator: old.operator.clone(),
            what,
        }));
    }
    // Its state would be of the rows that come now, and tell of the earlier ones as if there had been none.
    let is_new = |new: &&Fingerprint| new.is_aggregate() && !saved.iter().any(|old| old.operator == new.operator);
    for new in now.iter().filter(is_new) {
        differences.push(Difference {
            operator: new.operator.clone(),
            what: format!("{} is new and would miss all rows before", new.operator),
        });
    }
    differences
}

fn refused(differences: &[Difference]) -> EngineError {
    let differences: Vec<_> = differences.iter().map(|difference| difference.what.as_str()).collect();
    EngineError::refused(format!(
        "the statement does not fit the saved state: {}",
        differences.join("; ")
    ))
    .hint("--allow-non-restored-state leaves the state of these operators behind; they start without any")
}

fn difference(old: &Fingerprint, new: &Fingerprint) -> Option<String> {
    let names: BTreeSet<_> = old.facts.keys().chain(new.facts.keys()).collect();
    let changes = names.into_iter().filter_map(|name| {
        let (before, after) = (old.facts.get(name), new.facts.get(name));
        let show = |fact: Option<&String>| fact.map_or_else(|| "(none)".to_owned(), Clone::clone);
        (before != after).then(|| format!("{name} was {} and is {}", show(before), show(after)))
    });
    let changes: Vec<_> = changes.collect();
    (!changes.is_empty()).then(|| format!("{}: {}", old.operator, changes.join(", ")))
}

/// Whether a path is on another file system than this machine's.
pub(super) fn is_elsewhere(text: &str) -> bool {
    text.strip_prefix("file://").unwrap_or(text).contains("://")
}

/// A path of this machine from what a person or a list gave: `file:` or plain, the directory or its `_metadata`.
pub(super) fn local_path(text: &str) -> Result<PathBuf> {
    let plain = text
        .strip_prefix("file://")
        .or_else(|| text.strip_prefix("file:"))
        .unwrap_or(text);
    if is_elsewhere(text) {
        return Err(EngineError::refused(format!(
            "{text} is not on this machine; the embedded engine reads local directories"
        )));
    }
    let path = fs::canonicalize(plain).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            EngineError::not_found(format!("there is no savepoint or checkpoint at {plain}"))
        }
        _ => file::failed("find", Path::new(plain), &error),
    })?;
    match path.file_name() {
        Some(name) if name == METADATA => Ok(path.parent().map_or_else(|| path.clone(), Path::to_path_buf)),
        _ => Ok(path),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn fingerprint(operator: &str, facts: &[(&str, &str)]) -> Fingerprint {
        let facts = facts.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Fingerprint {
            operator: operator.to_owned(),
            facts: facts.collect::<BTreeMap<_, _>>(),
        }
    }

    #[test]
    fn what_differs_is_named_from_old_to_new() {
        let saved = [
            fingerprint("source f", &[("path", "/a")]),
            fingerprint("aggregate", &[("keys", "k")]),
        ];
        let now = [fingerprint("source f", &[("path", "/b")])];
        let differences = compare(&saved, &now);
        assert_eq!(
            refused(&differences).message,
            "the statement does not fit the saved state: source f: path was /a and is /b; aggregate is no longer there"
        );
        let operators: Vec<_> = differences
            .iter()
            .map(|difference| difference.operator.as_str())
            .collect();
        assert_eq!(operators, ["source f", "aggregate"]);
        // What is new may be there, but for an aggregation, which would have missed rows.
        let more = [saved[0].clone(), fingerprint("source g", &[])];
        assert!(compare(&saved[..1], &more).is_empty());
        let differences = compare(&saved[..1], &saved);
        assert_eq!(differences.len(), 1);
        assert_eq!(differences[0].what, "aggregate is new and would miss all rows before");
    }
}
