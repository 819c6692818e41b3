//! The cluster behind the scripted engine: jobs that run until they are ended.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use skep_engine::{
    CheckpointRequest, EndedBy, EngineError, ErrorKind, JobControl, JobDetail, JobId, JobState, JobStatus, JobSummary,
    Restore, Result, Savepoint, SavepointKind, SavepointRequest, StopRequest, Verdict, async_trait,
};
use tokio::sync::watch;

use crate::engine::{gate, journal, there};

/// How the engine carries out a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// It does it.
    Works,
    /// It says that it has done it, and has not.
    Lies,
    /// It answers when the gate opens.
    Hangs,
    /// It says that it could not.
    Fails,
}

/// A job.
pub struct Run {
    /// Its id.
    pub job_id: JobId,
    /// Its name.
    pub name: String,
    /// It ends by itself.
    pub bounded: bool,
    status: watch::Sender<JobStatus>,
    cancels: Arc<Mutex<Habit>>,
    restored_from: Option<String>,
    /// Where it is written down for other processes as long as it runs.
    kept: Option<PathBuf>,
}

impl Run {
    /// Its status.
    pub fn status(&self) -> watch::Receiver<JobStatus> {
        self.status.subscribe()
    }

    /// Ends it.
    pub fn end(&self, state: JobState, error: Option<String>) {
        self.status.send_modify(|status| {
            if !status.state.is_terminal() {
                status.state = state;
                status.as_of = jiff::Timestamp::now();
                status.ended = Some(status.as_of);
                status.error = error;
                if let Some(path) = &self.kept {
                    // Another process may have ended it before.
                    let _ = fs::remove_file(path);
                }
            }
        });
    }

    /// What a cancel of its operation does.
    pub async fn cancel(&self) -> Result<()> {
        journal(&format!("cancel operation of {}", self.name));
        let habit = *self.cancels.lock().expect("not poisoned");
        match habit {
            Habit::Works => self.end(JobState::Canceled, None),
            Habit::Lies => {}
            Habit::Hangs => {
                gate().await;
                self.end(JobState::Canceled, None);
            }
            Habit::Fails => return Err(EngineError::failed("the operation can't be cancelled")),
        }
        Ok(())
    }
}

/// The jobs.
pub struct Cluster {
    runs: Mutex<Vec<Arc<Run>>>,
    cancels: Arc<Mutex<Habit>>,
    savepoints: Mutex<Habit>,
    /// Where its jobs are written down for other processes.
    kept: Option<PathBuf>,
    /// It does not say which jobs it has.
    mute: bool,
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            runs: Mutex::default(),
            cancels: Arc::new(Mutex::new(Habit::Works)),
            savepoints: Mutex::new(Habit::Works),
            kept: None,
            mute: false,
        }
    }
}

impl Cluster {
    /// One that does not say which jobs it has.
    pub fn mute() -> Self {
        Self {
            mute: true,
            ..Self::default()
        }
    }

    /// The cluster whose running jobs are the files of that directory, named by their ids: it outlives its shells.
    pub fn kept_in(dir: &Path) -> Self {
        fs::create_dir_all(dir).expect("the cluster's directory can be made");
        let cluster = Self {
            kept: Some(dir.to_owned()),
            ..Self::default()
        };
        for entry in fs::read_dir(dir).expect("the cluster's directory can be read") {
            let path = entry.expect("the cluster's directory can be read").path();
            let id = path.file_name().and_then(|name| name.to_str()?.parse().ok());
            // Another process may have ended it in the meantime.
            let Ok(name) = fs::read_to_string(&path) else { continue };
            cluster.follow(id.expect("a job's file is named by its id"), &name, false, None);
        }
        cluster
    }

    /// Starts a job.
    pub fn start(&self, job_id: JobId, name: &str, bounded: bool, restore: Option<&Restore>) -> Arc<Run> {
        if let Some(dir) = &self.kept {
            // Whole at once: another process may be reading.
            let new = dir.with_extension(job_id.to_string());
            fs::write(&new, name).expect("a job's file can be written");
            fs::rename(new, dir.join(job_id.to_string())).expect("a job's file can be renamed");
        }
        self.follow(job_id, name, bounded, restore)
    }

    /// A job that runs.
    fn follow(&self, job_id: JobId, name: &str, bounded: bool, restore: Option<&Restore>) -> Arc<Run> {
        let kept = self.kept.as_ref().map(|dir| dir.join(job_id.to_string()));
        let mut status = JobStatus::new(JobState::Running);
        status.started = Some(status.as_of);
        let run = Arc::new(Run {
            job_id,
            name: name.to_owned(),
            bounded,
            status: watch::channel(status).0,
            cancels: Arc::clone(&self.cancels),
            restored_from: restore.map(|restore| restore.path.clone()),
            kept,
        });
        if bounded {
            let run = Arc::clone(&run);
            tokio::spawn(async move {
                gate().await;
                run.end(JobState::Finished, None);
            });
        }
        if let Some(path) = run.kept.clone() {
            let run = Arc::clone(&run);
            tokio::spawn(async move {
                there(&path, false).await;
                // Unless it has ended by itself, another process has ended it.
                run.end(JobState::Canceled, None);
            });
        }
        self.runs.lock().expect("not poisoned").push(Arc::clone(&run));
        run
    }

    /// How cancels of operations behave from now on.
    pub fn set_cancels(&self, habit: Habit) {
        *self.cancels.lock().expect("not poisoned") = habit;
    }

    /// How savepoints behave from now on.
    pub fn set_savepoints(&self, habit: Habit) {
        *self.savepoints.lock().expect("not poisoned") = habit;
    }

    /// The newest job of that name.
    pub fn run_named(&self, name: &str) -> Result<Arc<Run>> {
        let runs = self.runs.lock().expect("not poisoned");
        let run = runs.iter().rev().find(|run| run.name == name).cloned();
        run.ok_or_else(|| EngineError::not_found(format!("no job {name}")))
    }

    fn run(&self, job: &JobId) -> Result<Arc<Run>> {
        let runs = self.runs.lock().expect("not poisoned");
        let run = runs.iter().find(|run| run.job_id == *job).cloned();
        run.ok_or_else(|| EngineError::not_found(format!("no job {job}")))
    }

    /// Waits for the gate if savepoints hang.
    async fn hang(&self) {
        let hangs = *self.savepoints.lock().expect("not poisoned") == Habit::Hangs;
        if hangs {
            gate().await;
        }
    }

    fn save(&self, run: &Run, request: &SavepointRequest) -> Result<Savepoint> {
        if *self.savepoints.lock().expect("not poisoned") == Habit::Fails {
            return Err(EngineError::failed("the savepoint could not be written: disk full"));
        }
        Ok(Savepoint {
            path: format!(
                "{}/savepoint-{}",
                request.dir.as_deref().unwrap_or("/savepoints"),
                run.job_id.short()
            ),
            kind: SavepointKind::Savepoint,
            job_id: Some(run.job_id),
            checkpoint_id: Some(7),
            taken: Some(jiff::Timestamp::now()),
            size: Some(1234),
            format_version: Some(1),
            label: None,
            verdict: Verdict::Usable,
            reasons: Vec::new(),
            sources: vec!["cluster".to_owned()],
        })
    }
}

fn summary(run: &Run) -> JobSummary {
    JobSummary {
        job_id: run.job_id,
        cluster_id: None,
        name: run.name.clone(),
        status: run.status.borrow().clone(),
    }
}

#[async_trait]
impl JobControl for Cluster {
    async fn list(&self) -> Result<Vec<JobSummary>> {
        if self.mute {
            return Err(EngineError::new(ErrorKind::Connect, "nobody answers any more"));
        }
        Ok(self
            .runs
            .lock()
            .expect("not poisoned")
            .iter()
            .rev()
            .map(|run| summary(run))
            .collect())
    }

    async fn status(&self, job: &JobId) -> Result<JobStatus> {
        let run = self
            .run(job)
            .inspect_err(|_| journal(&format!("status of {job}, which is not here")))?;
        Ok(run.status.borrow().clone())
    }

    async fn detail(&self, job: &JobId) -> Result<JobDetail> {
        let run = self.run(job)?;
        Ok(JobDetail {
            summary: summary(&run),
            vertices: Vec::new(),
            facts: Vec::new(),
            checkpoints: Vec::new(),
            exceptions: Vec::new(),
            restored_from: run.restored_from.clone(),
        })
    }

    async fn savepoint(&self, job: &JobId, request: SavepointRequest) -> Result<Savepoint> {
        let run = self.run(job)?;
        journal(&format!("savepoint {}", run.name));
        self.hang().await;
        self.save(&run, &request)
    }

    async fn stop(&self, job: &JobId, request: StopRequest) -> Result<Savepoint> {
        let run = self.run(job)?;
        journal(&format!("stop {}", run.name));
        self.hang().await;
        let savepoint = self.save(&run, &request.savepoint)?;
        run.status
            .send_modify(|status| status.ended_by = Some(EndedBy::Stopped));
        run.end(JobState::Finished, None);
        Ok(savepoint)
    }

    async fn cancel(&self, job: &JobId) -> Result<()> {
        let run = self.run(job)?;
        journal(&format!("cancel job {}", run.name));
        run.end(JobState::Canceled, None);
        Ok(())
    }

    async fn checkpoint(&self, job: &JobId, _request: CheckpointRequest) -> Result<Savepoint> {
        let run = self.run(job)?;
        let request = SavepointRequest {
            trigger: run.job_id,
            dir: None,
            format: skep_engine::Format::Canonical,
            numbered: false,
        };
        Ok(Savepoint {
            kind: SavepointKind::Checkpoint,
            ..self.save(&run, &request)?
        })
    }
}
