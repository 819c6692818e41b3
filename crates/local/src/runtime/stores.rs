//! Where saved states lie: the jobs' checkpoints, the host's savepoints, and any other directory.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use skep_engine::{
    EngineError, ErrorKind, Inspection, JobId, Recipe, Result, Savepoint, SavepointKind, Search, Stores, Verdict,
};

use super::file;
use super::host::Host;
use super::inspection::{self, ENGINE};
use super::lock::{self, OWNER};
use super::record::Record;
use super::restore::{is_elsewhere, local_path};
use super::snapshot::{self, FORMAT_VERSION, METADATA, Manifest};

/// How many states are looked at at the same time: every byte of each is read.
const AT_ONCE: usize = 8;

/// What is in a directory, whole or not.
fn children(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter(|entry| match entry.file_type() {
            Ok(kind) if kind.is_symlink() => entry.path().is_dir(),
            kind => kind.is_ok_and(|kind| kind.is_dir()),
        })
        .map(|entry| entry.path())
        .collect()
}

/// What a directory's name says it is.
fn named(path: &Path) -> Option<(SavepointKind, Option<u64>, bool)> {
    let name = path.file_name()?.to_str()?;
    let (name, whole) = match name.strip_prefix(".tmp-") {
        Some(rest) => (rest, false),
        None => (name, true),
    };
    if let Some(number) = name.strip_prefix("chk-") {
        return Some((SavepointKind::Checkpoint, Some(number.parse().ok()?), whole));
    }
    name.starts_with("savepoint-")
        .then_some((SavepointKind::Savepoint, None, whole))
}

/// What a directory's name says it is, or else a savepoint.
pub(super) fn kind_named(path: &Path) -> SavepointKind {
    named(path).map_or(SavepointKind::Savepoint, |(kind, ..)| kind)
}

pub(super) fn bare(path: &Path, kind: SavepointKind, verdict: Verdict, reason: String) -> Savepoint {
    Savepoint {
        path: path.display().to_string(),
        kind,
        job_id: None,
        checkpoint_id: None,
        taken: None,
        size: None,
        format_version: None,
        label: None,
        verdict,
        reasons: vec![reason],
        sources: vec![Savepoint::SEEN.to_owned()],
    }
}

/// A state with that manifest, in which nothing is missing.
pub(super) fn whole(path: &Path, manifest: &Manifest) -> Savepoint {
    Savepoint {
        path: path.display().to_string(),
        kind: manifest.kind,
        job_id: Some(manifest.job_id),
        checkpoint_id: Some(manifest.checkpoint_id),
        taken: Some(manifest.taken),
        size: Some(snapshot::size(path, manifest)),
        format_version: Some(FORMAT_VERSION),
        label: None,
        verdict: Verdict::Usable,
        reasons: Vec::new(),
        sources: vec![Savepoint::SEEN.to_owned()],
    }
}

/// Looks at a saved state, every byte.
fn examine(path: &Path) -> Result<Savepoint> {
    match snapshot::verify(path) {
        Ok(manifest) => Ok(whole(path, &manifest)),
        Err(error) if error.kind == ErrorKind::NotFound => Err(error),
        Err(error) => Ok(bare(path, kind_named(path), Verdict::Missing, error.message)),
    }
}

impl Host {
    /// What there is, by its path, each with the job whose directory it lies in.
    fn candidates(&self, job: Option<&JobId>, dirs: &[PathBuf]) -> Result<BTreeMap<PathBuf, Option<JobId>>> {
        let mut found = BTreeMap::new();
        for id in self.job_ids()? {
            if job.is_none_or(|job| *job == id) {
                found.extend(children(&self.job_dir(&id)).into_iter().map(|path| (path, Some(id))));
                if let Ok(record) = Record::read(&self.job_dir(&id)) {
                    found.extend(record.savepoints.into_iter().map(|path| (path, Some(id))));
                }
            }
        }
        let mut places = dirs.to_vec();
        places.push(self.savepoints_dir());
        for place in places {
            for child in children(&place) {
                // Flink keeps a job's checkpoints in a directory of the job's name.
                if child
                    .file_name()
                    .is_some_and(|name| name.to_string_lossy().parse::<JobId>().is_ok())
                {
                    found.extend(children(&child).into_iter().map(|path| (path, None)));
                }
                found.entry(child).or_insert(None);
            }
            if place.join(METADATA).exists() {
                found.entry(place).or_insert(None);
            }
        }
        Ok(found)
    }

    /// Looks at one candidate; `None` if it is nothing of the kind.
    fn look_at(&self, path: &Path, owner: Option<JobId>) -> Option<Savepoint> {
        // Elsewhere there may be states of other engines.
        let is_elsewhere = owner.is_none() && !path.starts_with(self.savepoints_dir());
        if is_elsewhere && snapshot::is_foreign(path) {
            return None;
        }
        let name = named(path);
        let running = |job: &JobId| lock::is_held(&self.job_dir(job), OWNER).unwrap_or(false);
        if let Some((kind, number, false)) = name {
            // One that is being written is no news.
            if owner.is_some_and(|job| running(&job)) {
                return None;
            }
            let mut savepoint = bare(path, kind, Verdict::Incomplete, "it was never finished".to_owned());
            (savepoint.job_id, savepoint.checkpoint_id) = (owner, number);
            return Some(savepoint);
        }
        match examine(path) {
            Ok(mut savepoint) => {
                if savepoint.job_id.is_none() {
                    savepoint.job_id = owner;
                    savepoint.checkpoint_id = name.and_then(|(_, number, _)| number);
                }
                let runs = savepoint.job_id.filter(running);
                if let Some(job) = runs
                    && savepoint.kind == SavepointKind::Checkpoint
                    && savepoint.verdict == Verdict::Usable
                {
                    savepoint.verdict = Verdict::InUse;
                    let holder = lock::holder(&self.job_dir(&job), OWNER);
                    savepoint.reasons.push(format!("job {} runs, in {holder}", job.short()));
                }
                Some(savepoint)
            }
            Err(_) => {
                let (kind, number, _) = name?;
                // A checkpoint may be deleted while it is looked at; a savepoint that was noted has been taken away.
                if !path.exists() {
                    if kind == SavepointKind::Checkpoint {
                        return None;
                    }
                    let mut savepoint = bare(path, kind, Verdict::Gone, "it is no longer there".to_owned());
                    savepoint.job_id = owner;
                    savepoint.sources = vec!["job.json".to_owned()];
                    return Some(savepoint);
                }
                let mut savepoint = bare(path, kind, Verdict::Incomplete, format!("it has no {METADATA}"));
                (savepoint.job_id, savepoint.checkpoint_id) = (owner, number);
                Some(savepoint)
            }
        }
    }

    /// A running job that would need the state again if it died now: it has no checkpoint of its own yet.
    fn dependant(&self, path: &Path) -> Option<JobId> {
        let ids = self.job_ids().ok()?;
        ids.into_iter().find(|job| {
            let dir = self.job_dir(job);
            lock::is_held(&dir, OWNER).unwrap_or(false)
                && super::control::newest_checkpoint(&dir).is_none()
                && Record::read(&dir).is_ok_and(|record| {
                    record
                        .recipe
                        .restored_from
                        .is_some_and(|from| Path::new(&from.path) == path)
                })
        })
    }

    fn find_here(&self, job: Option<&JobId>, dirs: &[String], search: &Search) -> Result<Vec<Savepoint>> {
        let mut places = Vec::new();
        // What lies on other file systems is none of this engine's.
        for dir in dirs.iter().filter(|dir| !is_elsewhere(dir)) {
            places.push(local_path(dir)?);
        }
        let mut candidates: Vec<_> = self.candidates(job, &places)?.into_iter().collect();
        if let Some(wanted) = search.newest().filter(|wanted| *wanted < candidates.len()) {
            let written = |path: &Path| fs::metadata(path.join(METADATA)).and_then(|metadata| metadata.modified());
            candidates.sort_by_cached_key(|(path, _)| std::cmp::Reverse(written(path).ok()));
            candidates.truncate(wanted);
            search.leave_out();
        }
        let found = search.each(&candidates, AT_ONCE, |(path, owner)| {
            let savepoint = self.look_at(path, *owner);
            if savepoint.is_some() {
                search.see();
            }
            savepoint
        });
        let mut found: Vec<_> = found
            .into_iter()
            .flatten()
            .filter(|s| job.is_none_or(|job| s.job_id.as_ref() == Some(job)))
            .collect();
        found.sort_by_key(|savepoint| std::cmp::Reverse((savepoint.taken, savepoint.checkpoint_id)));
        Ok(found)
    }

    fn delete_here(&self, path: &str) -> Result<()> {
        let path = local_path(path)?;
        let manifest = snapshot::peek(&path)?;
        if manifest.kind == SavepointKind::Checkpoint {
            return Err(EngineError::refused(format!(
                "{} is a checkpoint: the engine deletes it when it is no longer needed",
                path.display()
            )));
        }
        if let Some(job) = self.dependant(&path) {
            return Err(EngineError::refused(format!(
                "job {} was restored from {} and has no checkpoint of its own yet",
                job.short(),
                path.display()
            )));
        }
        file::remove_dir(&path).map_err(|error| file::failed("delete", &path, &error))
    }

    /// Runs what reads files where it holds up nobody.
    async fn off_thread<T: Send + 'static>(&self, work: impl FnOnce(&Self) -> Result<T> + Send + 'static) -> Result<T> {
        let here = self.beside();
        let done = tokio::task::spawn_blocking(move || work(&here)).await;
        done.unwrap_or_else(|error| Err(EngineError::failed(format!("the directory could not be read: {error}"))))
    }
}

#[async_trait]
impl Stores for Host {
    fn engine(&self) -> &'static str {
        ENGINE
    }

    async fn find(&self, job: Option<&JobId>, dirs: &[String]) -> Result<Vec<Savepoint>> {
        self.search(job, dirs, &Search::new()).await
    }

    async fn search(&self, job: Option<&JobId>, dirs: &[String], search: &Search) -> Result<Vec<Savepoint>> {
        let (job, dirs, search) = (job.copied(), dirs.to_vec(), search.clone());
        self.off_thread(move |host| host.find_here(job.as_ref(), &dirs, &search))
            .await
    }

    fn is_missing(&self, path: &str) -> bool {
        local_path(path).is_ok_and(|path| !path.exists())
    }

    async fn inspect(&self, path: &str) -> Result<Savepoint> {
        let path = local_path(path)?;
        self.off_thread(move |_| examine(&path)).await
    }

    async fn examine(&self, path: &str) -> Result<Inspection> {
        let path = path.to_owned();
        self.off_thread(move |_| inspection::examine(&path)).await
    }

    async fn recipes(&self) -> Result<Vec<Recipe>> {
        self.off_thread(|host| {
            let ids = host.job_ids()?.into_iter();
            // A record that can't be read says nothing that could be told.
            let recipes = ids.filter_map(|job| Record::read(&host.job_dir(&job)).ok());
            let mut recipes: Vec<_> = recipes.map(|record| record.recipe).collect();
            recipes.sort_by_key(|recipe| std::cmp::Reverse(recipe.started));
            Ok(recipes)
        })
        .await
    }

    async fn delete(&self, path: &str) -> Result<()> {
        let path = path.to_owned();
        self.off_thread(move |host| host.delete_here(&path)).await
    }
}
