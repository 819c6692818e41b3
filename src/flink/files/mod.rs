//! The file systems that saved states lie on: this machine's, object stores, and HDFS.
//!
//! Whoever reads does so on threads that may block, as a local disk wants it; a store that is asked over a network is
//! waited for there, until its time limit or the end of the search.

#[cfg(feature = "cloud")]
mod cloud;
mod local;
mod location;
mod webhdfs;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use skep_engine::Search;
use tokio::runtime::Handle;

pub(super) use location::{Location, local};

/// Entries of a directory that are looked at.
const MOST_ENTRIES: usize = 1_000_000;

/// What is in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its name.
    pub(super) name: String,
    /// It is a directory.
    pub(super) is_dir: bool,
    /// Those of a file, where the listing tells them.
    pub(super) attributes: Option<Attributes>,
}

/// What is known of a file without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attributes {
    /// Its length in bytes.
    pub(super) length: u64,
    /// When it was last written.
    pub(super) modified: Option<Timestamp>,
}

/// A file system that is asked over a network. Paths have no slash at their beginning nor at their end.
///
/// Errors have a kind that says what they mean: [`io::ErrorKind::NotFound`] and [`io::ErrorKind::PermissionDenied`] are
/// about the path, [`io::ErrorKind::NotConnected`] about the store.
#[async_trait]
trait Remote: Send + Sync {
    /// What is in a directory, with the attributes of its files.
    async fn list(&self, path: &str) -> io::Result<Vec<Entry>>;

    /// The attributes of a file.
    async fn look(&self, path: &str) -> io::Result<Attributes>;

    /// A file's beginning: at most so many bytes.
    async fn read(&self, path: &str, most: u64) -> io::Result<(Vec<u8>, Attributes)>;

    /// Deletes a file.
    async fn remove(&self, path: &str) -> io::Result<()>;

    /// Deletes a directory if nothing is in it.
    async fn remove_dir(&self, path: &str) -> io::Result<()>;
}

/// A store that did not answer is not asked again for so long.
const QUIET: Duration = Duration::from_secs(30);

/// A remote file system, or why it can't be reached.
type Opened = Result<Arc<dyn Remote>, String>;

/// The stores that have been opened. What could not be opened is not tried again.
#[derive(Default)]
pub(super) struct Volumes {
    opened: Mutex<HashMap<String, Opened>>,
    /// Stores that did not answer, when, and why: they are not waited for at each of many files anew.
    silent: Mutex<HashMap<String, (Instant, String)>>,
}

impl Volumes {
    fn of(&self, scheme: &str, authority: &str) -> io::Result<Arc<dyn Remote>> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let opened = opened
            .entry(format!("{scheme}://{authority}"))
            .or_insert_with(|| open(scheme, authority));
        opened
            .clone()
            .map_err(|why| io::Error::new(io::ErrorKind::Unsupported, why))
    }

    /// Why a store did not answer, if that was just now.
    fn silence(&self, store: &str) -> Option<String> {
        let silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, why) = silent.get(store)?;
        (since.elapsed() < QUIET).then(|| why.clone())
    }

    fn fell_silent(&self, store: String, why: String) {
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        silent.insert(store, (Instant::now(), why));
    }
}

/// Opens a store. Nothing is sent yet.
fn open(scheme: &str, authority: &str) -> Result<Arc<dyn Remote>, String> {
    match scheme {
        "hdfs" | "webhdfs" | "swebhdfs" => webhdfs::open(scheme, authority),
        "s3" | "s3a" | "s3p" | "s3n" | "gs" | "abfs" | "abfss" | "wasb" | "wasbs" => open_cloud(scheme, authority),
        _ => Err(format!("{scheme}:// is not a file system that skep reads")),
    }
}

#[cfg(feature = "cloud")]
use cloud::open as open_cloud;

#[cfg(not(feature = "cloud"))]
fn open_cloud(scheme: &str, _authority: &str) -> Result<Arc<dyn Remote>, String> {
    Err(format!(
        "this skep was built without {scheme}://: cargo build --features cloud makes one with it"
    ))
}

/// Somebody who reads: from where, and until when.
pub(super) struct Reader {
    volumes: Arc<Volumes>,
    runtime: Handle,
    search: Search,
    /// What has been seen of files that several states need, on stores where a look costs a request.
    looked: Mutex<HashMap<Location, Look>>,
}

/// What a look has given; an error is kept as its kind and words.
type Look = Result<Attributes, (io::ErrorKind, String)>;

impl Reader {
    /// Somebody who reads for this search. To be made within the runtime.
    pub(super) fn new(volumes: Arc<Volumes>, search: Search) -> Self {
        Self {
            volumes,
            runtime: Handle::current(),
            search,
            looked: Mutex::default(),
        }
    }

    /// The search.
    pub(super) const fn search(&self) -> &Search {
        &self.search
    }

    /// What is of interest in a directory: on this machine its directories and `_metadata`, elsewhere everything.
    pub(super) fn list(&self, dir: &Location) -> io::Result<Vec<Entry>> {
        match dir.local() {
            Some(path) => local::list(path),
            None => self.ask(dir, |remote, path| async move { remote.list(&path).await }),
        }
    }

    /// The attributes of a file.
    pub(super) fn look(&self, file: &Location) -> io::Result<Attributes> {
        if let Some(path) = file.local() {
            return local::look(path);
        }
        let known = self.lock_looked().get(file).cloned();
        let look = known.unwrap_or_else(|| {
            let seen = self.ask(file, |remote, path| async move { remote.look(&path).await });
            let seen = seen.map_err(|error| (error.kind(), error.to_string()));
            self.lock_looked().insert(file.clone(), seen.clone());
            seen
        });
        look.map_err(|(kind, why)| io::Error::new(kind, why))
    }

    fn lock_looked(&self) -> std::sync::MutexGuard<'_, HashMap<Location, Look>> {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A file's beginning: at most so many bytes.
    pub(super) fn read(&self, file: &Location, most: u64) -> io::Result<(Vec<u8>, Attributes)> {
        match file.local() {
            Some(path) => local::read(path, most),
            None => self.ask(file, |remote, path| async move { remote.read(&path, most).await }),
        }
    }

    /// Deletes a file.
    pub(super) fn remove(&self, file: &Location) -> io::Result<()> {
        match file.local() {
            Some(path) => std::fs::remove_file(path),
            None => self.ask(file, |remote, path| async move { remote.remove(&path).await }),
        }
    }

    /// Deletes a directory if nothing is in it.
    pub(super) fn remove_dir(&self, dir: &Location) -> io::Result<()> {
        match dir.local() {
            Some(path) => std::fs::remove_dir(path),
            None => self.ask(dir, |remote, path| async move { remote.remove_dir(&path).await }),
        }
    }

    /// Asks a store, and waits for its answer or the end of the search.
    fn ask<T, F>(&self, at: &Location, request: impl FnOnce(Arc<dyn Remote>, String) -> F) -> io::Result<T>
    where
        F: Future<Output = io::Result<T>>,
    {
        let (scheme, authority, path) = at
            .parts()
            .ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, "it is not on this machine"))?;
        let store = at.store();
        if let Some(why) = self.volumes.silence(&store) {
            return Err(io::Error::new(io::ErrorKind::NotConnected, why));
        }
        let remote = self.volumes.of(scheme, authority)?;
        let request = request(remote, path.to_owned());
        let answer = self.runtime.block_on(async {
            tokio::select! {
                answer = request => answer,
                () = self.search.ended() => Err(io::Error::new(io::ErrorKind::Interrupted, "the search was ended")),
            }
        });
        if let Err(error) = &answer
            && error.kind() == io::ErrorKind::NotConnected
        {
            self.volumes.fell_silent(store, error.to_string());
        }
        answer
    }
}

/// What is said of a directory, or a pipe, where a file should be.
fn not_a_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "it is not a file")
}

/// Whether an error says that there is nothing at that path.
pub(super) fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
