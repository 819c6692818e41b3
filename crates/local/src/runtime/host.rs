//! A `local:DIR`: the jobs that run in this process, and the directory that keeps what they leave.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::thread;

use datafusion::arrow::array::RecordBatch;
use jiff::Timestamp;
use skep_engine::{
    EngineError, ErrorKind, JobId, JobState, Lineage, LogRing, OperationHandle, Recipe, Restore, Result, Rows,
};
use tokio::runtime;

use super::checkpoint::Checkpoints;
use super::file;
use super::handle::{CancelJob, Command, Handle};
use super::job::Job;
use super::lock::{Lock, OWNER};
use super::record::Record;
use super::restore::Restoring;
use super::settings::Settings;
use super::sink::{self, Filesystem, MemoryTables, Opening, Sinks, Successor};
use super::snapshot::Segment;
use super::socket;
use crate::dataflow::{Dataflow, Outlet};
use crate::table::{Table, TablePath};

/// Where a job's rows go.
#[derive(Debug, Clone)]
pub enum SinkSpec {
    /// Into tables: one for each of the dataflow's outlets. Several outlets may write one table.
    Tables(Vec<Arc<Table>>),
    /// To the caller.
    Collect,
}

/// A job to be started.
#[derive(Debug, Clone)]
pub struct JobSpec {
    /// Its id.
    pub job_id: JobId,
    /// Its name.
    pub name: String,
    /// Its statement, as it may be written down.
    pub sql: String,
    /// The session-scoped statements that it needs, as they may be written down.
    pub prelude: Vec<String>,
    /// Its settings: the session's and the statement's own.
    pub settings: BTreeMap<String, String>,
    /// The state to start from.
    pub restore: Option<Restore>,
    /// Where its rows go.
    pub sink: SinkSpec,
}

/// A job that has been started.
pub struct Started {
    /// Its id.
    pub job_id: JobId,
    /// Its rows, for [`SinkSpec::Collect`].
    pub rows: Option<Box<dyn Rows>>,
    /// Its log.
    pub log: LogRing,
    /// The operators of the state it started from whose part it has not taken over.
    pub left_behind: Vec<String>,
    /// Ends it.
    pub handle: Arc<dyn OperationHandle>,
}

/// Sinks, and their rows if somebody reads them.
type Opened = (Sinks, Option<Box<dyn Rows>>);

/// A `local:DIR`. Implements [`skep_engine::JobControl`] and [`skep_engine::Stores`] for all jobs of the directory,
/// whichever process runs them.
pub struct Host {
    dir: PathBuf,
    jobs: Mutex<HashMap<JobId, Arc<Handle>>>,
    memory: MemoryTables,
    /// What dead jobs have left in the directory has been looked for.
    swept: Once,
}

impl Host {
    /// A host of that directory. The directory is made when the first job is started.
    ///
    /// # Errors
    /// The path is not a directory's.
    pub fn open(dir: impl AsRef<Path>) -> Result<Arc<Self>> {
        let dir = dir.as_ref();
        let dir = std::path::absolute(dir).map_err(|error| file::failed("find", dir, &error))?;
        if dir.exists() && !dir.is_dir() {
            return Err(EngineError::new(
                ErrorKind::Connect,
                format!("{} is not a directory", dir.display()),
            ));
        }
        Ok(Arc::new(Self::of(dir)))
    }

    fn of(dir: PathBuf) -> Self {
        Self {
            dir,
            jobs: Mutex::default(),
            memory: MemoryTables::default(),
            swept: Once::new(),
        }
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The same directory without the jobs of this process: enough to read it.
    pub(super) fn beside(&self) -> Self {
        Self::of(self.dir.clone())
    }

    pub(super) fn jobs_dir(&self) -> PathBuf {
        self.dir.join("jobs")
    }

    pub(super) fn job_dir(&self, job: &JobId) -> PathBuf {
        self.jobs_dir().join(job.to_string())
    }

    pub(super) fn savepoints_dir(&self) -> PathBuf {
        self.dir.join("savepoints")
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Arc<Handle>>> {
        // The map is changed by single calls.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A job of this process.
    pub(super) fn own(&self, job: &JobId) -> Option<Arc<Handle>> {
        self.lock().get(job).cloned()
    }

    /// The rows of a memory table, if a job of this process has written it.
    ///
    /// # Errors
    /// The rows could not be read out.
    pub fn memory_table(&self, path: &TablePath) -> Result<Option<Vec<RecordBatch>>> {
        self.memory.get(path).map(|table| table.batches()).transpose()
    }

    /// Forgets the rows of a memory table that has been dropped. A job that writes it goes on with its own.
    pub fn drop_memory_table(&self, path: &TablePath) {
        self.memory.remove(path);
    }

    /// Starts a job. Returns when it is written down and its thread runs. The work is done on a thread of its own, so
    /// that a caller who drops the future does not lose the job.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] for settings and options that can't be used, [`ErrorKind::Refused`] if the id is taken or
    /// the state can't be taken over; nothing has been started then.
    pub async fn start(self: &Arc<Self>, spec: JobSpec, dataflow: Box<dyn Dataflow>) -> Result<Started> {
        let host = Arc::clone(self);
        let runtime = runtime::Handle::current();
        let starting = tokio::task::spawn_blocking(move || host.start_here(spec, dataflow, &runtime));
        match starting.await {
            Ok(started) => started,
            Err(error) => Err(EngineError::failed(format!("the job could not be started: {error}"))),
        }
    }

    fn start_here(&self, spec: JobSpec, dataflow: Box<dyn Dataflow>, runtime: &runtime::Handle) -> Result<Started> {
        let settings = Settings::parse(&spec.settings)?;
        for table in spec.sink.tables() {
            sink::validate(table)?;
        }
        let restoring = match &spec.restore {
            Some(restore) => Some(Restoring::load(self, restore)?),
            None => None,
        };
        let dir = self.job_dir(&spec.job_id);
        let lock = self.make_job_dir(&dir, &spec.job_id)?;
        let launched = self.launch(&spec, settings, dataflow, restoring, (&dir, lock), runtime);
        if launched.is_err() && !Record::exists(&dir) {
            // Nothing has begun: no trace is left. What can't be removed has no record and is taken for nothing.
            let _ = fs::remove_dir_all(&dir);
        }
        launched
    }

    /// Makes a job's directory and takes its lock: of two that want the same id one gets it.
    fn make_job_dir(&self, dir: &Path, job: &JobId) -> Result<Lock> {
        let taken = || {
            EngineError::refused(format!("job {job} has been submitted already"))
                .hint(format!("!job {} shows what has become of it", job.short()))
        };
        let parent = self.jobs_dir();
        file::create_private_dir(&parent).map_err(|error| {
            file::failed("make", &parent, &error).hint("jobs need a directory that can be written: local:DIR names one")
        })?;
        let holder = format!("process {}", std::process::id());
        let lock = match DirBuilder::new().mode(0o700).create(dir) {
            Ok(()) => Lock::take_own(dir, OWNER, &holder),
            // A start that was killed before it wrote anything down.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !Record::exists(dir) => {
                Lock::try_take(dir, OWNER, &holder)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(taken()),
            Err(error) => return Err(file::failed("make", dir, &error)),
        };
        let lock = lock
            .map_err(|error| file::failed("lock", dir, &error))?
            .ok_or_else(taken)?;
        if Record::exists(dir) {
            return Err(taken());
        }
        Ok(lock)
    }

    fn launch(
        &self,
        spec: &JobSpec,
        settings: Settings,
        mut dataflow: Box<dyn Dataflow>,
        mut restoring: Option<Restoring>,
        (dir, lock): (&Path, Lock),
        runtime: &runtime::Handle,
    ) -> Result<Started> {
        let log = LogRing::default();
        let mut locks = vec![lock];
        let mut root = spec.job_id;
        let mut lineage = Vec::new();
        let mut next = 1;
        let mut totals = (0, 0, 0);
        let mut restored_from = None;
        if let Some(restoring) = &restoring {
            locks.extend(restoring.claim(self, &spec.job_id)?);
            let manifest = &restoring.manifest;
            next = manifest.checkpoint_id + 1;
            totals = manifest.rows;
            lineage.clone_from(&manifest.lineage);
            lineage.push(Segment {
                job_id: manifest.job_id,
                last: manifest.checkpoint_id,
            });
            if !restoring.is_fork() {
                root = manifest.root;
            }
            restored_from = Some(Lineage {
                job_id: Some(manifest.job_id),
                checkpoint_id: Some(manifest.checkpoint_id),
                path: restoring.path.display().to_string(),
            });
        }
        let (sender, commands) = mpsc::channel();
        let successor = Successor { root, job: spec.job_id };
        let (mut sinks, rows) = self.open_sinks(&spec.sink, &dataflow.outlets(), &log, successor, &sender)?;
        let sink_dirs = spec.sink.dirs();
        let mut recoveries = Vec::new();
        let mut left_behind = Vec::new();
        if let Some(restoring) = &mut restoring {
            recoveries = restoring.plan_sinks(self, &sink_dirs)?;
            let (state, sink_states, dropped) =
                restoring.divide(&dataflow.fingerprints(), &sinks.fingerprints(), &log)?;
            dataflow.restore(state)?;
            sinks.restore(sink_states)?;
            left_behind = dropped;
            for name in sinks.names() {
                if !restoring.manifest.sinks.iter().any(|saved| saved.name == name) {
                    log.push(format!("{name} is new: it gets the rows from here on"));
                }
            }
        }
        let recipe = Recipe {
            job_id: spec.job_id,
            name: spec.name.clone(),
            sql: spec.sql.clone(),
            prelude: spec.prelude.clone(),
            started: Timestamp::now(),
            ended: None,
            ended_by: None,
            state: JobState::Running,
            restored_from,
            error: None,
        };
        let mut record = Record::new(recipe, spec.settings.clone(), sinks.names().join("; "));
        let handle = Arc::new(Handle::new(
            (spec.job_id, spec.name.clone()),
            (dir.to_path_buf(), self.savepoints_dir()),
            log.clone(),
            sender,
        ));
        let listener = socket::bind(dir, &spec.job_id)?;
        record.socket = Some(listener.path.clone());
        record.write(dir)?;
        for recovery in &recoveries {
            if let Err(error) = recovery.run(&log) {
                // The record stands and the state is as it was: the same restore can be tried again.
                record.recipe.state = JobState::Failed;
                record.recipe.error = Some(error.to_string());
                record.write(dir)?;
                return Err(error);
            }
        }
        self.swept.call_once(|| self.sweep_states(&log));
        for sink_dir in &sink_dirs {
            self.sweep_parts(sink_dir, &log);
        }
        let before = dataflow.vertices();
        let job = Job {
            handle: Arc::clone(&handle),
            commands,
            dataflow,
            sinks,
            checkpoints: Checkpoints::new(next, root, lineage),
            record,
            settings,
            locks,
            totals,
            rows: (0, 0, 0),
            before,
            dirty: false,
            failed_checkpoints: 0,
        };
        socket::serve(listener, &handle, runtime)?;
        thread::Builder::new()
            .name(format!("job {}", spec.job_id.short()))
            .stack_size(crate::compute::STACK)
            .spawn(move || job.run())
            .map_err(|error| EngineError::failed(format!("the job's thread could not be started: {error}")))?;
        self.lock().insert(spec.job_id, Arc::clone(&handle));
        Ok(Started {
            job_id: spec.job_id,
            rows,
            log,
            left_behind,
            handle: Arc::new(CancelJob(handle)),
        })
    }

    fn open_sinks(
        &self,
        spec: &SinkSpec,
        outlets: &[Outlet],
        log: &LogRing,
        successor: Successor,
        commands: &mpsc::Sender<Command>,
    ) -> Result<Opened> {
        let mut sinks = Sinks::new();
        match spec {
            SinkSpec::Tables(tables) => {
                for (number, (table, outlet)) in tables.iter().zip(outlets).enumerate() {
                    let opening = Opening {
                        schema: outlet.schema.clone(),
                        updating: outlet.updating,
                        log,
                        memory: &self.memory,
                        successor,
                    };
                    sink::check(table, &opening)?;
                    match tables[..number].iter().position(|earlier| earlier.path == table.path) {
                        Some(earlier) => sinks.share(earlier),
                        None => {
                            sinks.add(sink::open(table, opening)?);
                            // Each counts its parts for itself.
                            let dir = Filesystem::dir(&table.options);
                            let same =
                                |earlier: &&Arc<Table>| dir.is_some() && Filesystem::dir(&earlier.options) == dir;
                            if let Some(earlier) = tables[..number].iter().find(same) {
                                return Err(EngineError::refused(format!(
                                    "{} and {} write the same directory: within one job their files would have the same \
                                     names",
                                    earlier.path, table.path
                                ))
                                .hint("write both times to the same table, or run two statements"));
                            }
                        }
                    }
                }
                Ok((sinks, None))
            }
            SinkSpec::Collect => {
                let [outlet] = outlets else {
                    return Err(EngineError::failed(
                        "the rows of several queries can't be collected as one's",
                    ));
                };
                let commands = commands.clone();
                let wake = Box::new(move || {
                    // A job that has ended needs no waking.
                    let _ = commands.send(Command::Wake);
                });
                let (sink, rows) = sink::channel(outlet.schema.clone(), outlet.updating, wake);
                sinks.add(Box::new(sink));
                Ok((sinks, Some(Box::new(rows))))
            }
        }
    }
}

impl SinkSpec {
    fn tables(&self) -> &[Arc<Table>] {
        match self {
            Self::Tables(tables) => tables,
            Self::Collect => &[],
        }
    }

    /// The directories that are written.
    fn dirs(&self) -> Vec<PathBuf> {
        let mut dirs: Vec<_> = self
            .tables()
            .iter()
            .filter_map(|table| Filesystem::dir(&table.options))
            .collect();
        dirs.sort_unstable();
        dirs.dedup();
        dirs
    }
}
