//! Savepoints and checkpoints from everywhere they are known: the cluster, its archive, and the directories.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use skep_engine::{EngineError, ErrorKind, Inspection, JobId, Result, Savepoint, Search, Stores, Verdict, path_key};

use super::cluster::{Cluster, Needs, is_missing_here};
use super::directories::{AT_ONCE, Configured, Directories, unfinished};
use super::failure::fit_to_show;
use super::files::{Location, Reader, Volumes, is_absence};
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
    /// The file systems that have been opened so far.
    pub(super) volumes: Arc<Volumes>,
}

/// Ends a search when nobody waits for it any more.
struct Waiting(Option<Search>);

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(search) = &self.0 {
            search.end();
        }
    }
}

impl Shelves {
    /// Reads files where it holds up nobody.
    async fn off_thread<T, F>(&self, search: &Search, work: F) -> Option<T>
    where
        T: Send + 'static,
        F: FnOnce(&Reader) -> T + Send + 'static,
    {
        let reader = Reader::new(Arc::clone(&self.volumes), search.clone());
        let mut waiting = Waiting(Some(search.clone()));
        let done = tokio::task::spawn_blocking(move || work(&reader)).await;
        waiting.0 = None;
        // It fails only if it panics.
        done.ok()
    }

    /// What lies in the directories that this machine can read. One that can't be asked for them names none.
    async fn lying(&self, job: Option<&JobId>, dirs: &[String], search: &Search) -> Vec<Savepoint> {
        let mut configuration = BTreeMap::new();
        for configured in &self.configured {
            // The session's word stands before the cluster's.
            let asked = unless_ended(search, configured.configuration()).await;
            for (key, value) in asked.and_then(Result::ok).unwrap_or_default() {
                configuration.entry(key).or_insert(value);
            }
        }
        let directories = Directories::of(&configuration, dirs);
        let job = job.copied();
        self.off_thread(search, move |reader| directories.find(job.as_ref(), reader))
            .await
            .unwrap_or_default()
    }

    /// Looks at those that this machine can read and that are known by hearsay only.
    async fn look(&self, known: Vec<Savepoint>, search: &Search) -> Vec<Savepoint> {
        self.off_thread(search, move |reader| {
            let places: Vec<usize> = (0..known.len()).collect();
            let looks = reader.search().each(&places, AT_ONCE, |&place| {
                let dir = Location::of(&known[place].path)?;
                match State::read(reader, &dir, None) {
                    Ok(Some(seen)) => Some((place, Some(seen.savepoint()))),
                    // Of this machine's own directories the cluster's machines may have others.
                    Ok(None) if dir.local().is_none() => Some((place, None)),
                    // Of one that can't be got at its cluster knows more.
                    _ => None,
                }
            });
            let mut known = known;
            for (place, seen) in looks.into_iter().flatten() {
                match seen {
                    Some(seen) => unite(&mut known[place], seen),
                    None if known[place].verdict == Verdict::Usable => {
                        known[place].verdict = Verdict::Missing;
                        known[place].reasons = vec!["it is not there".to_owned()];
                    }
                    None => {}
                }
            }
            known
        })
        .await
        .unwrap_or_default()
    }

    async fn archived(&self, job: Option<&JobId>) -> Vec<Savepoint> {
        match &self.archive {
            Some(archive) => archive.find(job).await.unwrap_or_default(),
            None => Vec::new(),
        }
    }

    /// What running jobs need.
    async fn needs(&self) -> Needs {
        match &self.cluster {
            // A cluster that can't be asked runs nothing that is known.
            Some(cluster) => cluster.needs().await.unwrap_or_default(),
            None => Needs::default(),
        }
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
        self.search(job, dirs, &Search::new()).await
    }

    async fn search(&self, job: Option<&JobId>, dirs: &[String], search: &Search) -> Result<Vec<Savepoint>> {
        let known = match &self.cluster {
            Some(cluster) => unless_ended(search, cluster.find(job, dirs))
                .await
                .unwrap_or_else(|| Ok(Vec::new())),
            None => Ok(Vec::new()),
        };
        let (mut known, problem) = match known {
            Ok(found) => (found, None),
            Err(error) if is_for_archive(&error) => (Vec::new(), Some(error)),
            Err(error) => return Err(error),
        };
        // Of a job that the cluster knows, its archive knows nothing more.
        if job.is_none() || known.is_empty() {
            known.extend(unless_ended(search, self.archived(job)).await.unwrap_or_default());
        }
        let mut found = join(self.lying(job, dirs, search).await, known);
        let hearsay = found
            .iter()
            .position(|savepoint| !savepoint.sources.iter().any(is_own_look));
        if let Some(first) = hearsay {
            let hearsay = found.split_off(first);
            found.extend(self.look(hearsay, search).await);
        }
        if !found.is_empty() {
            let needs = unless_ended(search, self.needs()).await.unwrap_or_default();
            needs.mark(&mut found);
        }
        match problem {
            Some(error) if found.is_empty() => Err(error),
            _ => {
                name_makers(&mut found);
                found.sort_by_key(|savepoint| std::cmp::Reverse((savepoint.taken, savepoint.checkpoint_id)));
                Ok(found)
            }
        }
    }

    fn is_missing(&self, path: &str) -> bool {
        is_missing_here(path)
    }

    async fn inspect(&self, path: &str) -> Result<Savepoint> {
        Ok(self.examine(path).await?.savepoint)
    }

    async fn recheck(&self, paths: Vec<String>, search: &Search) -> HashMap<String, Result<Savepoint>> {
        // What the cluster and its archive tell is asked for once, not for each.
        let told = match &self.cluster {
            Some(cluster) => unless_ended(search, cluster.find(None, &[])).await.and_then(Result::ok),
            None => None,
        };
        let mut told = told.unwrap_or_default();
        told.extend(unless_ended(search, self.archived(None)).await.unwrap_or_default());
        let needs = unless_ended(search, self.needs()).await.unwrap_or_default();
        let by_key = |savepoint: Savepoint| (path_key(&savepoint.path).into_owned(), savepoint);
        let told: HashMap<String, Savepoint> = told.into_iter().map(by_key).collect();
        let looks = self.off_thread(search, move |reader| {
            reader.search().each(&paths, AT_ONCE, |path| {
                let told = told.get(path_key(path).as_ref()).cloned();
                let seen = judge(path, told, examine(path, reader)).map(|mut inspection| {
                    needs.mark(std::slice::from_mut(&mut inspection.savepoint));
                    inspection.savepoint
                });
                (path.clone(), seen)
            })
        });
        looks.await.into_iter().flatten().collect()
    }

    async fn examine(&self, path: &str) -> Result<Inspection> {
        let text = path.to_owned();
        let seen = self
            .off_thread(&Search::new(), move |reader| examine(&text, reader))
            .await;
        let told = self.told(path).await;
        let mut inspection = match (told, seen.unwrap_or(Ok(None))) {
            // Another engine may know it.
            (Err(_), Ok(Some((seen, false)))) if seen.savepoint.verdict == Verdict::Missing => {
                let (shown, why) = (fit_to_show(path), seen.savepoint.reasons.join("; "));
                let message =
                    format!("{shown} can't be used: it is no saved state of Flink's, or a damaged one ({why})");
                return Err(EngineError::new(ErrorKind::Protocol, message));
            }
            (Err(error), Ok(None | Some((_, false)))) => return Err(error),
            (told, seen) => judge(path, told.ok(), seen)?,
        };
        self.needs().await.mark(std::slice::from_mut(&mut inspection.savepoint));
        Ok(inspection)
    }

    async fn delete(&self, path: &str) -> Result<()> {
        match &self.cluster {
            Some(cluster) => cluster.delete(path).await,
            None if self.configured.is_empty() => {
                let text = path.to_owned();
                let search = Search::new();
                let deleted = self.off_thread(&search, move |reader| {
                    let dir = Location::typed(&text);
                    let state = dir.as_ref().map(|dir| State::read(reader, dir, None));
                    match state {
                        Some(Ok(Some(state))) => state.delete(),
                        Some(Err(error)) => Err(unreadable(&text, &error)),
                        Some(Ok(None)) | None => {
                            Err(EngineError::not_found(format!("there is no savepoint at {text}")))
                        }
                    }
                });
                let broken = || Err(EngineError::failed(format!("{path} could not be deleted")));
                deleted.await.unwrap_or_else(broken)
            }
            // Somebody runs jobs there, and can't be asked which.
            None => Err(EngineError::new(
                ErrorKind::Unsupported,
                format!("without the cluster's REST interface the savepoint {path} can't be deleted"),
            )),
        }
    }
}

/// Does something until the search is to end.
async fn unless_ended<T>(search: &Search, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = search.ended() => None,
        done = work => Some(done),
    }
}

/// A state at a path that somebody names, and whether it looks like one of Flink's; nothing if there is none.
///
/// # Errors
/// The file system can't be asked.
fn examine(path: &str, reader: &Reader) -> io::Result<Option<(Inspection, bool)>> {
    let Some(dir) = Location::typed(path) else {
        return Ok(None);
    };
    if let Some(state) = State::read(reader, &dir, None)? {
        return Ok(Some((state.inspection(), !state.is_foreign())));
    }
    // The directory of one that was never finished.
    let is_dir = match dir.local() {
        Some(path) => path.is_dir(),
        None => match reader.list(&dir) {
            Ok(entries) => !entries.is_empty(),
            Err(error) if is_absence(&error) => false,
            Err(error) => return Err(error),
        },
    };
    Ok(is_dir.then(|| (Inspection::of(unfinished(&dir)), false)))
}

/// What is to be said of a path of which something is told, or seen, or both.
///
/// # Errors
/// Nobody knows of it, or it can't be got at.
fn judge(path: &str, told: Option<Savepoint>, seen: io::Result<Option<(Inspection, bool)>>) -> Result<Inspection> {
    match (told, seen) {
        (Some(mut told), Ok(Some((mut seen, _)))) => {
            unite(&mut told, seen.savepoint);
            seen.savepoint = told;
            Ok(seen)
        }
        (Some(told), _) => Ok(Inspection::of(told)),
        (None, Ok(Some((seen, true)))) => Ok(seen),
        // Nobody knows of it, and it looks like nothing of the kind.
        (None, Ok(_)) => Err(EngineError::not_found(format!(
            "nothing is known of {}",
            fit_to_show(path)
        ))),
        (None, Err(error)) => Err(unreadable(path, &error)),
    }
}

/// That a file system can't be asked.
fn unreadable(path: &str, error: &io::Error) -> EngineError {
    let why = fit_to_show(&error.to_string());
    let kind = match error.kind() {
        io::ErrorKind::Unsupported => ErrorKind::Unsupported,
        io::ErrorKind::NotConnected => ErrorKind::Connect,
        _ => ErrorKind::Failed,
    };
    EngineError::new(kind, format!("{} can't be read: {why}", fit_to_show(path)))
}

fn is_own_look(source: &String) -> bool {
    source == Savepoint::SEEN
}

/// What has been seen, and what is told of it and of others: each path once, those that have been seen first.
fn join(seen: Vec<Savepoint>, told: Vec<Savepoint>) -> Vec<Savepoint> {
    let mut found: Vec<Savepoint> = Vec::with_capacity(seen.len() + told.len());
    let mut places: HashMap<String, usize> = HashMap::new();
    for savepoint in seen {
        places.entry(path_key(&savepoint.path).into_owned()).or_insert_with(|| {
            found.push(savepoint);
            found.len() - 1
        });
    }
    for mut savepoint in told {
        match places.get(path_key(&savepoint.path).as_ref()) {
            Some(&place) if savepoint.sources == found[place].sources => {}
            Some(&place) => {
                let own = found[place].clone();
                unite(&mut savepoint, own);
                found[place] = savepoint;
            }
            None => {
                places.insert(path_key(&savepoint.path).into_owned(), found.len());
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
        let path = path_key(&savepoint.path);
        let name = path.rsplit('/').next().unwrap_or_default();
        let begin = name.strip_prefix("savepoint-").and_then(|rest| rest.split('-').next());
        savepoint.job_id = begin.and_then(|begin| *makers.get(begin)?);
    }
}
