//! Checkpoints and savepoints where they lie: in the directories that the configuration names, as far as this machine has
//! them. A JobManager that is gone can't tell of the last checkpoints of its jobs; the directories can.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;

use async_trait::async_trait;
use skep_engine::{JobId, Result, Savepoint, SavepointKind, Verdict};
use skep_metadata::FILE_NAME;

use super::state::{self, State};

/// What [`Savepoint::sources`] says of those that were found so.
pub(super) const SOURCE: &str = "directory";

/// The keys that name them: of 1.20 and later, and before.
const CHECKPOINT_DIRS: [&str; 2] = ["execution.checkpointing.dir", "state.checkpoints.dir"];
const SAVEPOINT_DIRS: [&str; 2] = ["execution.checkpointing.savepoint-dir", "state.savepoints.dir"];

/// Entries of a directory that are looked at.
const MOST_ENTRIES: usize = 1_000_000;

/// How far below a directory that a person names states are looked for.
const DEEPEST: u32 = 5;

/// What a job keeps beside its checkpoints: many files, and no state in them.
const FILES_ONLY: [&str; 2] = ["shared", "taskowned"];

/// Who knows how the cluster, or a session on it, is configured.
#[async_trait]
pub(super) trait Configured: Send + Sync {
    /// The effective configuration.
    ///
    /// # Errors
    /// The server could not be asked.
    async fn configuration(&self) -> Result<BTreeMap<String, String>>;
}

/// How a search goes, for those who wait for it, and the end of it if nobody does any more.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// States that have been looked at.
    pub(super) seen: AtomicU64,
    /// Nobody waits.
    pub(super) given_up: AtomicBool,
}

/// The directories to be searched.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Directories {
    /// The engine's own: it is known where in them states lie.
    configured: BTreeSet<PathBuf>,
    /// Those that a person names: in them states may lie anywhere.
    given: BTreeSet<PathBuf>,
}

impl Directories {
    /// Those that a configuration names, and `more`: only local ones are kept.
    pub(super) fn of(configuration: &BTreeMap<String, String>, more: &[String]) -> Self {
        let keys = CHECKPOINT_DIRS.iter().chain(&SAVEPOINT_DIRS);
        let named = keys.filter_map(|key| configuration.get(*key));
        Self {
            configured: named.filter_map(|uri| local(uri)).map(Path::to_owned).collect(),
            given: more.iter().filter_map(|uri| here(uri)).collect(),
        }
    }

    /// What lies in them of one job, or of all, each looked at. Reads the disk on several threads: not for a thread that
    /// must not block.
    pub(super) fn find(&self, job: Option<&JobId>, course: &Course) -> Vec<Savepoint> {
        let configured = self
            .configured
            .difference(&self.given)
            .map(|path| Place::Own(path.clone()));
        let given = self.given.iter().map(|path| Place::Any(path.clone(), 0));
        let mut places: Vec<Place> = configured.chain(given).collect();
        let mut found = Vec::new();
        while !places.is_empty() {
            let mut next = Vec::new();
            for step in each(&places, course, |place| place.look(job, course)) {
                next.extend(step.places);
                found.extend(step.found);
            }
            places = next;
        }
        found
    }
}

/// What is still to be looked at.
#[derive(Debug)]
enum Place {
    /// A directory of the engine's own, with a directory for each job and savepoints.
    Own(PathBuf),
    /// The directory of a job, in one of the engine's own or not.
    Job(PathBuf, bool),
    /// A directory that may be a state, or have some in it, so far below what was named.
    Any(PathBuf, u32),
    /// A directory that is a state by its name, in one of the engine's own or not.
    State(PathBuf, bool),
}

/// What a look has given.
#[derive(Default)]
struct Step {
    places: Vec<Place>,
    found: Option<Savepoint>,
}

impl Place {
    fn look(&self, job: Option<&JobId>, course: &Course) -> Step {
        match self {
            Self::State(dir, own) => {
                let state = State::read(dir);
                // Where a person points to there may be states of other engines.
                if !own && state.as_ref().is_some_and(State::is_foreign) {
                    return Step::default();
                }
                course.seen.fetch_add(1, Ordering::Relaxed);
                let mut savepoint = state.map_or_else(|| unfinished(dir), |state| state.savepoint());
                savepoint.job_id = savepoint.job_id.or(job.copied());
                Step {
                    found: Some(savepoint),
                    ..Step::default()
                }
            }
            Self::Any(dir, _) if dir.join(FILE_NAME).exists() => {
                let state = belongs(dir, job).then(|| Self::State(dir.clone(), false));
                Step {
                    places: state.into_iter().collect(),
                    ..Step::default()
                }
            }
            Self::Own(dir) | Self::Job(dir, _) | Self::Any(dir, _) => Step {
                places: children(dir).filter_map(|child| self.below(child, job)).collect(),
                ..Step::default()
            },
        }
    }

    /// What a directory in this one is, if it is of interest.
    fn below(&self, (name, path): (String, PathBuf), job: Option<&JobId>) -> Option<Self> {
        let own = matches!(self, Self::Own(_) | Self::Job(_, true));
        if is_state(&name) {
            // A checkpoint outside a job's directory is whose nobody knows.
            let may_lie_here = !matches!(self, Self::Own(_)) || !name.starts_with("chk-");
            return (may_lie_here && belongs(&path, job)).then_some(Self::State(path, own));
        }
        if let Ok(other) = name.parse::<JobId>() {
            return job.is_none_or(|job| *job == other).then_some(Self::Job(path, own));
        }
        match self {
            Self::Any(_, depth) if *depth < DEEPEST && !FILES_ONLY.contains(&name.as_str()) => {
                Some(Self::Any(path, depth + 1))
            }
            _ => None,
        }
    }
}

/// Whether a directory of that name is a saved state, finished or not.
fn is_state(name: &str) -> bool {
    name.starts_with("savepoint-")
        || name
            .strip_prefix("chk-")
            .is_some_and(|number| number.parse::<u64>().is_ok())
}

/// Whether a state can be of that job, by its name: a checkpoint lies in the job's directory, and Flink takes the first six
/// digits of the job's id into a savepoint's name. Of any other it is not known.
fn belongs(dir: &Path, job: Option<&JobId>) -> bool {
    let Some(job) = job else { return true };
    match state::named(dir) {
        (_, Some((of, _))) => of.as_ref() == Some(job),
        (..) => {
            let begin = format!("savepoint-{}-", &job.to_string()[..6]);
            dir.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(&begin))
        }
    }
}

/// A state that was never finished: it has no `_metadata`, which is written last.
pub(super) fn unfinished(dir: &Path) -> Savepoint {
    let (kind, by_name) = state::named(dir);
    Savepoint {
        path: format!("file:{}", dir.display()),
        kind,
        job_id: by_name.and_then(|(job, _)| job),
        checkpoint_id: by_name.map(|(_, number)| number),
        taken: None,
        size: None,
        format_version: None,
        label: None,
        verdict: Verdict::Incomplete,
        reasons: vec![format!("there is no {FILE_NAME} in it")],
        sources: vec![SOURCE.to_owned()],
    }
}

/// The directories in a directory; none if it can't be read. Links are not followed: they could lead round in a circle.
fn children(dir: &Path) -> impl Iterator<Item = (String, PathBuf)> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().take(MOST_ENTRIES);
    entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        entry.file_type().ok()?.is_dir().then(|| (name, entry.path()))
    })
}

/// Does the same with each item, on several threads; what is left when the search is given up is left out.
fn each<T: Sync, R: Send>(items: &[T], course: &Course, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    // Looking is mostly waiting, for a disk or for a server behind it.
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = (2 * cores).clamp(4, 16).min(items.len());
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(items.len()));
    let run = || {
        let mut own = Vec::new();
        while !course.given_up.load(Ordering::Relaxed) {
            let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) else {
                break;
            };
            own.push(work(item));
        }
        done.lock().unwrap_or_else(PoisonError::into_inner).extend(own);
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(run);
        }
        run();
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// What the name of a path says.
pub(super) fn kind_by_name(path: &str) -> SavepointKind {
    state::named(Path::new(plain(path))).0
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

/// The same of what a person types, who may mean it from where they are.
pub(super) fn here(path: &str) -> Option<PathBuf> {
    if let Some(path) = local(path) {
        return Some(path.to_owned());
    }
    let is_elsewhere = path.contains(":/") || path.starts_with("//") || plain(path).is_empty();
    if is_elsewhere {
        return None;
    }
    std::path::absolute(plain(path)).ok()
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
        assert_eq!(here("s3://bucket/b"), None);
        assert_eq!(here("file://host/b"), None);
        assert_eq!(here("b/_metadata"), Some(std::env::current_dir().unwrap().join("b")));
    }

    const WHOLE: &str = "1.20.3-heap-files";

    /// A directory with states: `true` is a whole one, `false` one without `_metadata`.
    fn world(states: &[(&str, bool)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let sample = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("crates/metadata/tests/samples")
            .join(WHOLE);
        for (path, whole) in states {
            let path = dir.path().join(path);
            fs::create_dir_all(&path).unwrap();
            if *whole {
                for entry in fs::read_dir(&sample).unwrap() {
                    let entry = entry.unwrap();
                    fs::copy(entry.path(), path.join(entry.file_name())).unwrap();
                }
            }
        }
        dir
    }

    fn found(directories: &Directories, job: Option<&JobId>) -> Vec<(String, Verdict)> {
        let course = Course::default();
        let mut found: Vec<_> = directories
            .find(job, &course)
            .into_iter()
            .map(|state| {
                let name = state.path.rsplit('/').next().unwrap().to_owned();
                (name, state.verdict)
            })
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(course.seen.into_inner(), found.len() as u64);
        found
    }

    #[test]
    fn a_job_s_states_are_found_where_they_lie() {
        let job: JobId = "c0ffee12000000000000000000000001".parse().unwrap();
        let dir = world(&[
            ("chk/c0ffee12000000000000000000000001/chk-7", true),
            ("chk/c0ffee12000000000000000000000001/chk-8", false),
            ("chk/c0ffee12000000000000000000000001/shared", false),
            ("chk/c0ffee12000000000000000000000002/chk-1", true),
            ("sp/savepoint-c0ffee-91d2a", true),
            ("sp/savepoint-c0ffef-91d2b", true),
        ]);
        let uri = |name: &str| format!("file://{}", dir.path().join(name).display());
        let configuration = BTreeMap::from([
            ("execution.checkpointing.dir".to_owned(), uri("chk")),
            ("state.savepoints.dir".to_owned(), "s3://elsewhere".to_owned()),
        ]);
        let directories = Directories::of(&configuration, &[uri("sp")]);
        let own = |name: &str, verdict| (name.to_owned(), verdict);
        assert_eq!(
            found(&directories, Some(&job)),
            [
                own("chk-7", Verdict::Usable),
                own("chk-8", Verdict::Incomplete),
                own("savepoint-c0ffee-91d2a", Verdict::Usable),
            ]
        );
        assert_eq!(found(&directories, None).len(), 5);
    }

    #[test]
    fn below_a_directory_that_is_named_states_are_found_wherever_they_lie() {
        let dir = world(&[
            ("backup/2026/before-upgrade", true),
            ("backup/2026/savepoint-c0ffee-1", true),
            ("backup/jobs/c0ffee12000000000000000000000001/chk-7", true),
            (
                "backup/jobs/c0ffee12000000000000000000000001/shared/savepoint-c0ffee-2",
                true,
            ),
            ("backup/empty", false),
            ("backup/savepoint-other", false),
        ]);
        fs::write(dir.path().join("backup/savepoint-other/_metadata"), "another engine's").unwrap();
        let named = |path: &str| {
            let uri = dir.path().join(path).display().to_string();
            let all = found(&Directories::of(&BTreeMap::new(), &[uri]), None);
            all.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(named("backup"), ["before-upgrade", "chk-7", "savepoint-c0ffee-1"]);
        // A state itself, and the directory of one job.
        assert_eq!(named("backup/2026/before-upgrade"), ["before-upgrade"]);
        assert_eq!(named("backup/jobs/c0ffee12000000000000000000000001"), ["chk-7"]);
        assert_eq!(named("nowhere"), Vec::<String>::new());
    }

    #[test]
    fn a_search_that_nobody_waits_for_ends() {
        let dir = world(&[("sp/savepoint-c0ffee-1", true)]);
        let directories = Directories::of(&BTreeMap::new(), &[dir.path().display().to_string()]);
        let course = Course::default();
        course.given_up.store(true, Ordering::Relaxed);
        assert_eq!(directories.find(None, &course), []);
    }
}
