//! Savepoints and checkpoints from everywhere they are known: the cluster, its archive, and the directories.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use skep_engine::{EngineError, ErrorKind, Inspection, JobId, Result, Savepoint, Stores, Verdict};

use super::cluster::Cluster;
use super::directories::{Configured, Course, Directories, here, plain, unfinished};
use super::history::{Archive, is_for_archive};
use super::state::State;

/// The stores of a connection.
#[derive(Default)]
pub(super) struct Shelves {
    /// The cluster's own; none where its REST interface can't be used.
    pub(super) cluster: Option<Arc<Cluster>>,
    pub(super) archive: Option<Arc<Archive>>,
    /// Who says which directories there are.
    pub(super) configured: Vec<Arc<dyn Configured>>,
    /// The newest search.
    pub(super) course: Mutex<Arc<Course>>,
}

/// Ends a search when nobody waits for it any more.
struct Waiting(Arc<Course>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.given_up.store(true, Ordering::Relaxed);
    }
}

impl Shelves {
    /// Reads the disk where it holds up nobody.
    async fn off_thread<T, F>(&self, work: F) -> T
    where
        T: Default + Send + 'static,
        F: FnOnce(&Course) -> T + Send + 'static,
    {
        let course = Arc::new(Course::default());
        *self.course.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&course);
        let waiting = Waiting(Arc::clone(&course));
        let done = tokio::task::spawn_blocking(move || work(&course)).await;
        drop(waiting);
        // It reads and does nothing else: what can't be read is not there.
        done.unwrap_or_default()
    }

    /// What lies in the directories that this machine has. One that can't be asked for them names none.
    async fn lying(&self, job: Option<&JobId>, dirs: &[String]) -> Vec<Savepoint> {
        let mut configuration = BTreeMap::new();
        for configured in &self.configured {
            // The session's word stands before the cluster's.
            for (key, value) in configured.configuration().await.unwrap_or_default() {
                configuration.entry(key).or_insert(value);
            }
        }
        let directories = Directories::of(&configuration, dirs);
        let job = job.copied();
        self.off_thread(move |course| directories.find(job.as_ref(), course))
            .await
    }

    /// Looks at those that this machine has and that are known by hearsay only.
    async fn look(&self, known: Vec<Savepoint>) -> Vec<Savepoint> {
        self.off_thread(move |_| {
            let mut known = known;
            for savepoint in &mut known {
                let dir = here(&savepoint.path).filter(|_| !savepoint.path.is_empty());
                if let Some(state) = dir.and_then(|dir| State::read(&dir)) {
                    unite(savepoint, state.savepoint());
                }
            }
            known
        })
        .await
    }

    async fn archived(&self, job: Option<&JobId>) -> Vec<Savepoint> {
        match &self.archive {
            Some(archive) => archive.find(job).await.unwrap_or_default(),
            None => Vec::new(),
        }
    }

    /// Says of each which running job has claimed it.
    async fn mark_claimed(&self, found: &mut [Savepoint]) {
        let (Some(cluster), false) = (&self.cluster, found.is_empty()) else {
            return;
        };
        // A cluster that can't be asked runs nothing that is known.
        for claim in cluster.claims().await.unwrap_or_default() {
            let path = claim.path;
            for savepoint in found.iter_mut().filter(|savepoint| plain(&savepoint.path) == path) {
                if savepoint.verdict == Verdict::Usable {
                    savepoint.verdict = Verdict::Claimed;
                }
                let reason = format!(
                    "job {} has claimed it and deletes it when it needs it no more",
                    claim.job.short()
                );
                savepoint.reasons.push(reason);
            }
        }
    }

    /// What is to be known of a path, and whether a file lies there that nobody knows of and that looks like none of Flink's.
    async fn look_at(&self, path: &str) -> Result<(Inspection, bool)> {
        let dir = here(path);
        let seen = self
            .off_thread(move |_| {
                let dir = dir?;
                match State::read(&dir) {
                    Some(state) => Some((state.inspection(), state.is_foreign())),
                    // The directory of one that was never finished.
                    None => dir.is_dir().then(|| (Inspection::of(unfinished(&dir)), true)),
                }
            })
            .await;
        let mut is_foreign = false;
        let mut inspection = match (self.told(path).await, seen) {
            (Ok(mut told), Some((mut seen, _))) => {
                unite(&mut told, seen.savepoint);
                seen.savepoint = told;
                seen
            }
            (Ok(told), None) => Inspection::of(told),
            (Err(_), Some((seen, false))) => seen,
            (Err(_), Some((seen, true))) if seen.savepoint.verdict == Verdict::Missing => {
                is_foreign = true;
                seen
            }
            // Nobody knows of it, and it looks like nothing of the kind.
            (Err(error), _) => return Err(error),
        };
        self.mark_claimed(std::slice::from_mut(&mut inspection.savepoint)).await;
        Ok((inspection, is_foreign))
    }

    /// What the cluster or its archive says of a path.
    async fn told(&self, path: &str) -> Result<Savepoint> {
        let mut error = EngineError::not_found(format!("nothing is known of {}", super::failure::fit_to_show(path)));
        if let Some(cluster) = &self.cluster {
            match cluster.inspect(path).await {
                Err(unknown) if is_for_archive(&unknown) => error = unknown,
                seen => return seen,
            }
        }
        if let Some(archive) = &self.archive
            && let Ok(savepoint) = archive.inspect(path).await
        {
            return Ok(savepoint);
        }
        Err(error)
    }
}

#[async_trait]
impl Stores for Shelves {
    fn engine(&self) -> &'static str {
        "flink"
    }

    async fn find(&self, job: Option<&JobId>, dirs: &[String]) -> Result<Vec<Savepoint>> {
        let known = match &self.cluster {
            Some(cluster) => cluster.find(job, dirs).await,
            None => Ok(Vec::new()),
        };
        let (mut known, problem) = match known {
            Ok(found) => (found, None),
            Err(error) if is_for_archive(&error) => (Vec::new(), Some(error)),
            Err(error) => return Err(error),
        };
        // Of a job that the cluster knows, its archive knows nothing more.
        if job.is_none() || known.is_empty() {
            known.extend(self.archived(job).await);
        }
        let mut found = join(self.lying(job, dirs).await, known);
        let hearsay = found
            .iter()
            .position(|savepoint| !savepoint.sources.iter().any(is_own_look));
        if let Some(first) = hearsay {
            let hearsay = found.split_off(first);
            found.extend(self.look(hearsay).await);
        }
        self.mark_claimed(&mut found).await;
        match problem {
            Some(error) if found.is_empty() => Err(error),
            _ => {
                name_makers(&mut found);
                found.sort_by_key(|savepoint| std::cmp::Reverse((savepoint.taken, savepoint.checkpoint_id)));
                Ok(found)
            }
        }
    }

    async fn inspect(&self, path: &str) -> Result<Savepoint> {
        Ok(self.look_at(path).await?.0.savepoint)
    }

    async fn examine(&self, path: &str) -> Result<Inspection> {
        let (inspection, is_foreign) = self.look_at(path).await?;
        if !is_foreign {
            return Ok(inspection);
        }
        // Another engine may know it.
        let why = inspection.savepoint.reasons.join("; ");
        let message = format!(
            "{} can't be used: it is no saved state of Flink's, or a damaged one ({why})",
            super::failure::fit_to_show(path)
        );
        Err(EngineError::new(ErrorKind::Protocol, message))
    }

    fn searched(&self) -> u64 {
        let course = self.course.lock().unwrap_or_else(PoisonError::into_inner);
        course.seen.load(Ordering::Relaxed)
    }

    async fn delete(&self, path: &str) -> Result<()> {
        match &self.cluster {
            Some(cluster) => cluster.delete(path).await,
            None if self.configured.is_empty() => {
                let nothing = EngineError::not_found(format!("there is no savepoint at {path} on this machine"));
                let Some(dir) = here(path) else { return Err(nothing) };
                let deleted = self
                    .off_thread(move |_| State::read(&dir).map(|state| state.delete()))
                    .await;
                deleted.unwrap_or(Err(nothing))
            }
            // Somebody runs jobs there, and can't be asked which.
            None => Err(EngineError::new(
                ErrorKind::Unsupported,
                format!("without the cluster's REST interface the savepoint {path} can't be deleted"),
            )),
        }
    }
}

fn is_own_look(source: &String) -> bool {
    source == super::directories::SOURCE
}

/// What has been seen, and what is told of it and of others: each path once, those that have been seen first.
fn join(seen: Vec<Savepoint>, told: Vec<Savepoint>) -> Vec<Savepoint> {
    let mut found: Vec<Savepoint> = Vec::with_capacity(seen.len() + told.len());
    let mut places: HashMap<String, usize> = HashMap::new();
    for savepoint in seen {
        places.entry(plain(&savepoint.path).to_owned()).or_insert_with(|| {
            found.push(savepoint);
            found.len() - 1
        });
    }
    for mut savepoint in told {
        match places.get(plain(&savepoint.path)) {
            Some(&place) if savepoint.sources == found[place].sources => {}
            Some(&place) => {
                let own = found[place].clone();
                unite(&mut savepoint, own);
                found[place] = savepoint;
            }
            None => {
                places.insert(plain(&savepoint.path).to_owned(), found.len());
                found.push(savepoint);
            }
        }
    }
    found
}

/// Adds to what is told of a state what has been seen of it. Who has looked is believed, but for what can't be seen: that
/// the cluster is deleting it.
fn unite(told: &mut Savepoint, seen: Savepoint) {
    let is_being_deleted = told.verdict == Verdict::Gone && seen.verdict == Verdict::Incomplete;
    if !is_being_deleted {
        told.verdict = seen.verdict;
        told.reasons = seen.reasons;
    }
    if told.format_version.is_none() && seen.format_version.is_some() {
        // Its bytes say what it is; statistics that are older say what it was to be.
        told.kind = seen.kind;
    }
    told.job_id = told.job_id.or(seen.job_id);
    told.checkpoint_id = told.checkpoint_id.or(seen.checkpoint_id);
    told.taken = told.taken.or(seen.taken);
    told.size = told.size.or(seen.size);
    told.format_version = told.format_version.or(seen.format_version);
    for source in seen.sources {
        if !told.sources.contains(&source) {
            told.sources.push(source);
        }
    }
}

/// Says of savepoints whose they are, where their name fits one job that is known and no other.
fn name_makers(found: &mut [Savepoint]) {
    let mut makers: HashMap<String, Option<JobId>> = HashMap::new();
    for job in found.iter().filter_map(|savepoint| savepoint.job_id) {
        let begin = job.to_string()[..6].to_owned();
        let maker = makers.entry(begin).or_insert(Some(job));
        if *maker != Some(job) {
            *maker = None;
        }
    }
    for savepoint in found.iter_mut().filter(|savepoint| savepoint.job_id.is_none()) {
        let name = plain(&savepoint.path).rsplit('/').next().unwrap_or_default();
        let begin = name.strip_prefix("savepoint-").and_then(|rest| rest.split('-').next());
        savepoint.job_id = begin.and_then(|begin| *makers.get(begin)?);
    }
}
