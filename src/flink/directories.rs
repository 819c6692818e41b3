//! Checkpoints and savepoints where they lie: in the directories that the configuration names, as far as they can be read
//! from this machine. A JobManager that is gone can't tell of the last checkpoints of its jobs; the directories can.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;

use async_trait::async_trait;
use skep_engine::{JobId, Result, Savepoint, SavepointKind, Search, Verdict};
use skep_metadata::FILE_NAME;

use super::failure::fit_to_show;
use super::files::{Entry, Location, Reader, is_absence};
use super::state::{self, State};

/// The keys that name them: of 1.20 and later, and before.
const CHECKPOINT_DIRS: [&str; 2] = ["execution.checkpointing.dir", "state.checkpoints.dir"];
const SAVEPOINT_DIRS: [&str; 2] = ["execution.checkpointing.savepoint-dir", "state.savepoints.dir"];

/// How far below a directory that a person names states are looked for.
const DEEPEST: u32 = 5;

/// How many are looked at at the same time. Looking is mostly waiting, for a disk or for a server.
pub(super) const AT_ONCE: usize = 32;

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

/// The directories to be searched, by what all spellings of one have in common.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Directories {
    /// The engine's own: it is known where in them states lie.
    configured: BTreeMap<String, Location>,
    /// Those that a person names: in them states may lie anywhere.
    given: BTreeMap<String, Location>,
}

impl Directories {
    /// Those that a configuration names, and `more`.
    pub(super) fn of(configuration: &BTreeMap<String, String>, more: &[String]) -> Self {
        let keys = CHECKPOINT_DIRS.iter().chain(&SAVEPOINT_DIRS);
        let named = keys.filter_map(|key| configuration.get(*key));
        let by_key = |location: Location| (location.key(), location);
        Self {
            configured: named.filter_map(|uri| Location::of(uri)).map(by_key).collect(),
            given: more.iter().filter_map(|uri| Location::typed(uri)).map(by_key).collect(),
        }
    }

    /// What lies in them of one job, or of all, each looked at. What can't be searched is complained of; of a directory
    /// that the configuration names only if this machine should have a way to it.
    pub(super) fn find(&self, job: Option<&JobId>, reader: &Reader) -> Vec<Savepoint> {
        let own = self
            .configured
            .iter()
            .filter(|(key, _)| !self.given.contains_key(*key))
            .map(|(_, dir)| Place::Own(dir.clone()));
        let given = self.given.values().map(|dir| Place::Any(dir.clone(), 0));
        let mut stores: BTreeMap<String, Vec<Place>> = BTreeMap::new();
        for place in own.chain(given) {
            stores.entry(place.dir().store()).or_default().push(place);
        }
        // A store that is slow to answer holds up no other.
        thread::scope(|scope| {
            let searches: Vec<_> = stores
                .into_values()
                .map(|places| scope.spawn(|| walk(places, job, reader)))
                .collect();
            let found = searches.into_iter().filter_map(|search| search.join().ok());
            found.flatten().collect()
        })
    }
}

/// What lies below those directories, level by level.
fn walk(mut places: Vec<Place>, job: Option<&JobId>, reader: &Reader) -> Vec<Savepoint> {
    let mut states = Vec::new();
    while !places.is_empty() {
        let mut next = Vec::new();
        for step in reader.search().each(&places, AT_ONCE, |place| place.open(job, reader)) {
            next.extend(step.places);
            states.extend(step.states);
        }
        places = next;
    }
    let states = newest(states, reader);
    let looks = reader.search().each(&states, AT_ONCE, |state| state.look(job, reader));
    looks.into_iter().flatten().collect()
}

/// A directory that is still to be opened.
#[derive(Debug)]
enum Place {
    /// One of the engine's own, with a directory for each job and savepoints.
    Own(Location),
    /// That of a job, in one of the engine's own or not.
    Job(Location, bool),
    /// One that may be a state, or have some in it, so far below what was named.
    Any(Location, u32),
}

/// What opening a directory has given.
#[derive(Default)]
struct Step {
    places: Vec<Place>,
    states: Vec<Candidate>,
}

/// A directory that is a state by its name, or by what is in it.
#[derive(Debug)]
struct Candidate {
    dir: Location,
    /// It lies in one of the engine's own directories.
    own: bool,
    /// What is in it, where that is known already.
    content: Option<Vec<Entry>>,
}

impl Place {
    const fn dir(&self) -> &Location {
        match self {
            Self::Own(dir) | Self::Job(dir, _) | Self::Any(dir, _) => dir,
        }
    }

    fn open(&self, job: Option<&JobId>, reader: &Reader) -> Step {
        let dir = self.dir();
        let entries = match reader.list(dir) {
            Ok(entries) => entries,
            Err(error) => {
                self.complain(&error, reader.search());
                return Step::default();
            }
        };
        let is_state = |entry: &Entry| !entry.is_dir && entry.name == FILE_NAME;
        let mut step = Step::default();
        if matches!(self, Self::Any(..)) && entries.iter().any(is_state) {
            if belongs(dir, job) {
                step.states.push(Candidate {
                    dir: dir.clone(),
                    own: false,
                    content: dir.local().is_none().then_some(entries),
                });
            }
            return step;
        }
        for entry in entries.into_iter().filter(|entry| entry.is_dir) {
            self.sort(&entry.name, job, &mut step);
        }
        step
    }

    /// What a directory in this one is, if it is of interest.
    fn sort(&self, name: &str, job: Option<&JobId>, step: &mut Step) {
        let own = matches!(self, Self::Own(_) | Self::Job(_, true));
        let dir = || self.dir().join(name);
        if is_state(name) {
            // A checkpoint outside a job's directory is whose nobody knows.
            let may_lie_here = !matches!(self, Self::Own(_)) || !name.starts_with("chk-");
            let dir = dir();
            if may_lie_here && belongs(&dir, job) {
                step.states.push(Candidate {
                    dir,
                    own,
                    content: None,
                });
            }
        } else if let Ok(other) = name.parse::<JobId>() {
            if job.is_none_or(|job| *job == other) {
                step.places.push(Self::Job(dir(), own));
            }
        } else if let Self::Any(_, depth) = self
            && *depth < DEEPEST
            && !FILES_ONLY.contains(&name)
        {
            step.places.push(Self::Any(dir(), depth + 1));
        }
    }

    /// Notes what could not be searched, if a person is to know.
    fn complain(&self, error: &io::Error, search: &Search) {
        let dir = self.dir();
        let is_given = matches!(self, Self::Any(_, 0));
        // What is deleted while it is looked for is not missed, nor is a cluster's directory that is on its machines only.
        let is_expected = is_absence(error) && !is_given;
        let is_closed = error.kind() == io::ErrorKind::Unsupported && !is_given;
        if error.kind() == io::ErrorKind::Interrupted || is_expected || is_closed {
            return;
        }
        complain(dir, error, search);
    }
}

fn complain(dir: &Location, error: &io::Error, search: &Search) {
    let why = if is_absence(error) {
        "there is no such directory".to_owned()
    } else {
        fit_to_show(&error.to_string())
    };
    search.complain(format!(
        "{} could not be searched: {why}",
        fit_to_show(&dir.to_string())
    ));
}

impl Candidate {
    /// Looks at it; nothing if it is another engine's, or could not be looked at, which is complained of.
    fn look(&self, job: Option<&JobId>, reader: &Reader) -> Option<Savepoint> {
        match self.read(reader) {
            Ok(Some(mut savepoint)) => {
                reader.search().see();
                savepoint.job_id = savepoint.job_id.or(job.copied());
                Some(savepoint)
            }
            Ok(None) => None,
            Err(error) => {
                // What is deleted while it is looked for is not missed.
                if error.kind() != io::ErrorKind::Interrupted && !is_absence(&error) {
                    complain(&self.dir, &error, reader.search());
                }
                None
            }
        }
    }

    fn read(&self, reader: &Reader) -> io::Result<Option<Savepoint>> {
        let listed;
        let content = match &self.content {
            None if self.dir.local().is_none() => {
                // One request tells of all the files in it.
                listed = reader.list(&self.dir)?;
                Some(listed.as_slice())
            }
            content => content.as_deref(),
        };
        let state = State::read(reader, &self.dir, content)?;
        // Where a person points to there may be states of other engines.
        if !self.own && state.as_ref().is_some_and(State::is_foreign) {
            return Ok(None);
        }
        Ok(Some(
            state.map_or_else(|| unfinished(&self.dir), |state| state.savepoint()),
        ))
    }

    /// When it was taken, as its file says; nothing if it was never finished. Keeps what is seen on the way.
    fn date(&mut self, reader: &Reader) -> Option<jiff::Timestamp> {
        if self.dir.local().is_some() {
            return reader.look(&self.dir.join(FILE_NAME)).ok()?.modified;
        }
        if self.content.is_none() {
            self.content = reader.list(&self.dir).ok();
        }
        let metadata = self.content.iter().flatten().find(|entry| entry.name == FILE_NAME);
        metadata?.attributes?.modified
    }
}

/// Those of a search that are wanted, if it wants only so many: the newest. The others are counted and not looked at.
fn newest(mut states: Vec<Candidate>, reader: &Reader) -> Vec<Candidate> {
    let Some(wanted) = reader.search().newest().filter(|wanted| *wanted < states.len()) else {
        return states;
    };
    // Of one job the higher number is the newer: that costs no look.
    let number = |state: &Candidate| state::named(&state.dir).1.map(|(_, number)| number);
    states.sort_by_cached_key(|state| Reverse(number(state)));
    let mut of_job: HashMap<Option<String>, usize> = HashMap::new();
    states.retain(|state| {
        let job = number(state).and_then(|_| state.dir.around()).map(str::to_owned);
        let before = of_job.entry(job.clone()).or_default();
        *before += 1;
        job.is_none() || *before <= wanted
    });
    let states: Vec<Mutex<Candidate>> = states.into_iter().map(Mutex::new).collect();
    let mut dated = reader.search().each(&states, AT_ONCE, |state| {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let date = state.date(reader);
        let state = Candidate {
            dir: state.dir.clone(),
            own: state.own,
            content: state.content.take(),
        };
        (date, state)
    });
    dated.sort_by_key(|(date, _)| Reverse(*date));
    dated.truncate(wanted);
    reader.search().leave_out();
    dated.into_iter().map(|(_, state)| state).collect()
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
fn belongs(dir: &Location, job: Option<&JobId>) -> bool {
    let Some(job) = job else { return true };
    match state::named(dir) {
        (_, Some((of, _))) => of.as_ref() == Some(job),
        (..) => {
            let begin = format!("savepoint-{}-", &job.to_string()[..6]);
            dir.name().starts_with(&begin)
        }
    }
}

/// A state that was never finished: it has no `_metadata`, which is written last.
pub(super) fn unfinished(dir: &Location) -> Savepoint {
    let (kind, by_name) = state::named(dir);
    Savepoint {
        path: dir.to_string(),
        kind,
        job_id: by_name.and_then(|(job, _)| job),
        checkpoint_id: by_name.map(|(_, number)| number),
        taken: None,
        size: None,
        format_version: None,
        label: None,
        verdict: Verdict::Incomplete,
        reasons: vec![format!("there is no {FILE_NAME} in it")],
        sources: vec![Savepoint::SEEN.to_owned()],
    }
}

/// What the name of a path says.
pub(super) fn kind_by_name(path: &str) -> SavepointKind {
    Location::of(path).map_or(SavepointKind::Savepoint, |location| state::named(&location).0)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::flink::files::Volumes;

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

    fn search(directories: &Directories, job: Option<&JobId>, search: &Search) -> Vec<Savepoint> {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let _within = runtime.enter();
        directories.find(job, &Reader::new(Arc::new(Volumes::default()), search.clone()))
    }

    fn found(directories: &Directories, job: Option<&JobId>) -> Vec<(String, Verdict)> {
        let course = Search::new();
        let mut found: Vec<_> = search(directories, job, &course)
            .into_iter()
            .map(|state| {
                let name = state.path.rsplit('/').next().unwrap().to_owned();
                (name, state.verdict)
            })
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(course.seen(), found.len() as u64);
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
        let course = Search::new();
        course.end();
        assert_eq!(search(&directories, None, &course), []);
    }

    #[test]
    fn the_newest_of_many_are_looked_at_and_the_others_counted() {
        let job = "c0ffee12000000000000000000000001";
        let names: Vec<String> = (1..=12).map(|n| format!("chk/{job}/chk-{n}")).collect();
        let states: Vec<(&str, bool)> = names.iter().map(|name| (name.as_str(), true)).collect();
        let dir = world(&states);
        // The last one is the oldest.
        let old = fs::File::open(dir.path().join(&names[11]).join(FILE_NAME)).unwrap();
        old.set_modified(std::time::UNIX_EPOCH).unwrap();
        let directories = Directories::of(&BTreeMap::new(), &[dir.path().display().to_string()]);
        let course = Search::of_newest(3);
        let mut found = search(&directories, None, &course);
        found.sort_by_key(|state| state.checkpoint_id);
        let paths: Vec<_> = found
            .iter()
            .map(|state| state.path.rsplit('/').next().unwrap())
            .collect();
        assert!(course.has_left_out());
        assert!(!paths.contains(&"chk-1") && paths.len() == 3, "{paths:?}");
    }

    #[test]
    fn a_directory_that_a_person_names_and_that_is_not_there_is_told() {
        let dir = world(&[("chk/x", false)]);
        let at = |name: &str| dir.path().join(name).display().to_string();
        let configuration = BTreeMap::from([("state.savepoints.dir".to_owned(), at("other"))]);
        let course = Search::new();
        assert_eq!(
            search(&Directories::of(&configuration, &[at("nowhere")]), None, &course),
            []
        );
        let troubles = course.troubles();
        assert!(troubles.len() == 1 && troubles[0].contains("nowhere"), "{troubles:?}");
    }
}
