//! Checkpoints and savepoints where they lie: in the directories that the configuration names, as far as this machine has
//! them. A JobManager that is gone can't tell of the last checkpoints of its jobs; the directories can.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use jiff::Timestamp;
use skep_engine::{JobId, Result, Savepoint, SavepointKind, Verdict};

/// What [`Savepoint::sources`] says of those that were found so.
pub(super) const SOURCE: &str = "directory";

/// The keys that name them: of 1.20 and later, and before.
const CHECKPOINT_DIRS: [&str; 2] = ["execution.checkpointing.dir", "state.checkpoints.dir"];
const SAVEPOINT_DIRS: [&str; 2] = ["execution.checkpointing.savepoint-dir", "state.savepoints.dir"];

/// Entries of a directory that are looked at.
const MOST_ENTRIES: usize = 100_000;

/// Who knows how the cluster, or a session on it, is configured.
#[async_trait]
pub(super) trait Configured: Send + Sync {
    /// The effective configuration.
    ///
    /// # Errors
    /// The server could not be asked.
    async fn configuration(&self) -> Result<BTreeMap<String, String>>;
}

/// The directories of a configuration.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Directories(BTreeSet<PathBuf>);

impl Directories {
    /// Those that a configuration names, and `more`: only local ones are kept.
    pub(super) fn of(configuration: &BTreeMap<String, String>, more: &[String]) -> Self {
        let named = CHECKPOINT_DIRS
            .iter()
            .chain(&SAVEPOINT_DIRS)
            .filter_map(|key| configuration.get(*key));
        Self(
            named
                .chain(more)
                .filter_map(|uri| local(uri))
                .map(Path::to_owned)
                .collect(),
        )
    }

    /// What lies in them of one job, or of all. Reads the disk: not for a thread that must not block.
    pub(super) fn find(&self, job: Option<&JobId>) -> Vec<Savepoint> {
        let mut found = Vec::new();
        for dir in &self.0 {
            match job {
                Some(job) => {
                    checkpoints(&dir.join(job.to_string()), *job, &mut found);
                    let begin = format!("savepoint-{}-", &job.to_string()[..6]);
                    savepoints(dir, &begin, Some(*job), &mut found);
                }
                None => {
                    for (name, path) in entries(dir) {
                        if let Ok(job) = name.parse() {
                            checkpoints(&path, job, &mut found);
                        }
                    }
                    savepoints(dir, "savepoint-", None, &mut found);
                }
            }
        }
        found
    }
}

/// The checkpoints `chk-N` of a job's directory.
fn checkpoints(dir: &Path, job: JobId, found: &mut Vec<Savepoint>) {
    for (name, path) in entries(dir) {
        if let Some(Ok(number)) = name.strip_prefix("chk-").map(str::parse) {
            found.push(saved(&path, SavepointKind::Checkpoint, Some(job), Some(number)));
        }
    }
}

/// The savepoints of a directory whose names begin so: Flink takes the first six digits of the job's id into the name.
fn savepoints(dir: &Path, begin: &str, job: Option<JobId>, found: &mut Vec<Savepoint>) {
    for (name, path) in entries(dir) {
        if name.starts_with(begin) {
            found.push(saved(&path, SavepointKind::Savepoint, job, None));
        }
    }
}

/// The directories in a directory; none if it can't be read.
fn entries(dir: &Path) -> impl Iterator<Item = (String, PathBuf)> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().take(MOST_ENTRIES);
    entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        entry.file_type().ok()?.is_dir().then(|| (name, entry.path()))
    })
}

/// A state at that path. `_metadata` is written last: with it the state is whole, as far as that is seen from outside.
fn saved(path: &Path, kind: SavepointKind, job_id: Option<JobId>, checkpoint_id: Option<u64>) -> Savepoint {
    let metadata = fs::metadata(path.join("_metadata")).ok().filter(fs::Metadata::is_file);
    let taken = metadata
        .as_ref()
        .and_then(|metadata| Timestamp::try_from(metadata.modified().ok()?).ok());
    let (verdict, reasons) = match metadata {
        Some(_) => (Verdict::Usable, Vec::new()),
        None => (Verdict::Incomplete, vec!["there is no _metadata in it".to_owned()]),
    };
    Savepoint {
        path: format!("file:{}", path.display()),
        kind,
        job_id,
        checkpoint_id,
        taken,
        size: None,
        format_version: None,
        label: None,
        verdict,
        reasons,
        sources: vec![SOURCE.to_owned()],
    }
}

/// The path without what may be written or left out: the scheme of local files, `_metadata`, trailing slashes.
pub(super) fn plain(path: &str) -> &str {
    let path = path.strip_prefix("file:").unwrap_or(path);
    let path = path
        .strip_prefix("//")
        .filter(|rest| rest.starts_with('/'))
        .unwrap_or(path);
    let path = path.trim_end_matches('/');
    path.strip_suffix("/_metadata").unwrap_or(path)
}

/// A path of a local file system. `file://host/…` is another machine's.
pub(super) fn local(path: &str) -> Option<&Path> {
    let plain = plain(path);
    (plain.starts_with('/') && !plain.starts_with("//")).then(|| Path::new(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_path_has_many_spellings() {
        for path in [
            "/a/b",
            "file:/a/b",
            "file:///a/b",
            "file:/a/b/",
            "file:///a/b/_metadata",
        ] {
            assert_eq!(plain(path), "/a/b");
        }
        assert_eq!(plain("s3://bucket/b/"), "s3://bucket/b");
        assert_ne!(plain("file://host/b"), "/b");
    }

    #[test]
    fn a_job_s_states_are_found_where_they_lie() {
        let dir = tempfile::tempdir().unwrap();
        let job: JobId = "c0ffee12000000000000000000000001".parse().unwrap();
        for (path, whole) in [
            ("chk/c0ffee12000000000000000000000001/chk-7", true),
            ("chk/c0ffee12000000000000000000000001/chk-8", false),
            ("chk/c0ffee12000000000000000000000001/shared", false),
            ("chk/c0ffee12000000000000000000000002/chk-1", true),
            ("sp/savepoint-c0ffee-91d2a", true),
            ("sp/savepoint-c0ffef-91d2b", true),
        ] {
            let path = dir.path().join(path);
            fs::create_dir_all(&path).unwrap();
            if whole {
                fs::write(path.join("_metadata"), "m").unwrap();
            }
        }
        let uri = |name: &str| format!("file://{}", dir.path().join(name).display());
        let configuration = BTreeMap::from([
            ("execution.checkpointing.dir".to_owned(), uri("chk")),
            ("state.savepoints.dir".to_owned(), "s3://elsewhere".to_owned()),
        ]);
        let directories = Directories::of(&configuration, &[uri("sp")]);
        let mut found: Vec<_> = directories
            .find(Some(&job))
            .into_iter()
            .map(|state| (state.checkpoint_id, state.verdict, state.kind))
            .collect();
        found.sort_by_key(|(id, ..)| *id);
        assert_eq!(
            found,
            [
                (None, Verdict::Usable, SavepointKind::Savepoint),
                (Some(7), Verdict::Usable, SavepointKind::Checkpoint),
                (Some(8), Verdict::Incomplete, SavepointKind::Checkpoint),
            ]
        );
        assert_eq!(directories.find(None).len(), 5);
    }
}
