//! The History Server beside a cluster: it knows the end of jobs that the JobManager has forgotten, or whose cluster is
//! gone, and where their checkpoints and savepoints lie.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use skep_engine::{
    CheckpointRequest, EndedBy, EngineError, ErrorKind, JobControl, JobDetail, JobId, JobStatus, JobSummary, LogLine,
    Result, Savepoint, SavepointKind, SavepointRequest, StopRequest, Stores,
};
use tokio::sync::OnceCell;
use url::Url;

use super::Limits;
use super::address::{Address, Server, server_beside};
use super::cluster::Cluster;
use super::http::Client;
use super::transport::Transports;

/// What [`Savepoint::sources`] says of those that the History Server names.
const SOURCE: &str = "history";

/// The archive of a History Server, which is asked when it is needed first.
#[derive(Debug)]
pub(super) struct Archive {
    url: Url,
    transport: super::transport::Transport,
    limits: Limits,
    /// It speaks as a cluster does, of jobs that have ended.
    cluster: OnceCell<Cluster>,
}

impl Archive {
    /// The archive that the person named, or else the configuration of a session. Nothing is sent yet.
    pub(super) fn beside(
        address: &Address,
        transports: &Transports,
        configuration: &BTreeMap<String, String>,
        limits: Limits,
    ) -> Option<Arc<Self>> {
        let found = || {
            let get = |key: &str| configuration.get(key).map(String::as_str);
            server_beside(
                get("historyserver.web.address")?,
                get("historyserver.web.port"),
                get("historyserver.web.ssl.enabled") == Some("true"),
                Server::HistoryServer,
                &address.url,
            )
        };
        let url = address.history.clone().or_else(found)?;
        Some(Arc::new(Self {
            transport: transports.history(&url),
            url,
            limits,
            cluster: OnceCell::new(),
        }))
    }

    /// The verbs of a connection, with what the archive knows beside them.
    pub(super) fn remember(self: Arc<Self>, jobs: Arc<dyn JobControl>) -> Arc<dyn JobControl> {
        Arc::new(Remembered { jobs, archive: self })
    }

    /// That it answers.
    ///
    /// # Errors
    /// Why it does not.
    pub(super) async fn answers(&self) -> Result<()> {
        self.cluster().await.map(|_| ())
    }

    async fn cluster(&self) -> Result<&Cluster> {
        let connect = async || {
            let client = Client::new(Server::HistoryServer, &self.url, self.transport.clone(), self.limits)?;
            Cluster::archive(client).await
        };
        self.cluster.get_or_try_init(connect).await
    }

    /// The savepoint or checkpoint at that path, under its own name.
    pub(super) async fn inspect(&self, path: &str) -> Result<Savepoint> {
        let mut savepoint = self.cluster().await?.inspect(path).await?;
        savepoint.sources = vec![SOURCE.to_owned()];
        Ok(savepoint)
    }

    /// Its savepoints and checkpoints of one job, or of all, under its own name.
    pub(super) async fn find(&self, job: Option<&JobId>) -> Result<Vec<Savepoint>> {
        let mut found = self.cluster().await?.find(job, &[]).await?;
        for savepoint in &mut found {
            savepoint.sources = vec![SOURCE.to_owned()];
        }
        Ok(found)
    }
}

/// Jobs of a cluster, with their afterlife in an archive.
struct Remembered {
    jobs: Arc<dyn JobControl>,
    archive: Arc<Archive>,
}

/// The cluster can't tell, so that the archive is asked.
pub(super) const fn is_for_archive(error: &EngineError) -> bool {
    matches!(
        error.kind,
        ErrorKind::NotFound | ErrorKind::Connect | ErrorKind::Timeout | ErrorKind::Lost
    )
}

impl Remembered {
    /// The savepoint that a job was stopped with, if the archive knows of that.
    async fn stopped(&self, job: &JobId) -> Option<Savepoint> {
        let status = self.archive.cluster().await.ok()?.status(job).await.ok()?;
        if !matches!(status.ended_by, Some(EndedBy::Stopped | EndedBy::Drained)) {
            return None;
        }
        let found = self.archive.find(Some(job)).await.ok()?;
        found.into_iter().find(|state| state.kind == SavepointKind::Savepoint)
    }
}

#[async_trait]
impl JobControl for Remembered {
    async fn list(&self) -> Result<Vec<JobSummary>> {
        self.jobs.list().await
    }

    async fn archived(&self) -> Result<Vec<JobSummary>> {
        self.archive.cluster().await?.list().await
    }

    async fn status(&self, job: &JobId) -> Result<JobStatus> {
        let error = match self.jobs.status(job).await {
            Err(error) if is_for_archive(&error) => error,
            known => return known,
        };
        match self.archive.cluster().await {
            // What the archive can't tell either is the cluster's to say.
            Ok(archive) => archive.status(job).await.or(Err(error)),
            Err(_) => Err(error),
        }
    }

    async fn submitted(&self, chosen: &JobId) -> Result<Option<(JobId, JobStatus)>> {
        match self.jobs.submitted(chosen).await? {
            Some(found) => Ok(Some(found)),
            None => Ok(self.status(chosen).await.ok().map(|status| (*chosen, status))),
        }
    }

    async fn detail(&self, job: &JobId) -> Result<JobDetail> {
        let error = match self.jobs.detail(job).await {
            Err(error) if is_for_archive(&error) => error,
            known => return known,
        };
        let Ok(archive) = self.archive.cluster().await else {
            return Err(error);
        };
        let mut detail = archive.detail(job).await.or(Err(error))?;
        let told = format!("the History Server at {}", archive.server());
        detail.facts.insert(0, ("told by".to_owned(), told));
        for savepoint in &mut detail.checkpoints {
            savepoint.sources = vec![SOURCE.to_owned()];
        }
        Ok(detail)
    }

    async fn savepoint(&self, job: &JobId, request: SavepointRequest) -> Result<Savepoint> {
        self.jobs.savepoint(job, request).await
    }

    async fn begin_savepoint(&self, job: &JobId, request: SavepointRequest) -> Result<()> {
        self.jobs.begin_savepoint(job, request).await
    }

    async fn await_savepoint(&self, job: &JobId, request: SavepointRequest) -> Result<Savepoint> {
        self.jobs.await_savepoint(job, request).await
    }

    async fn stop(&self, job: &JobId, request: StopRequest) -> Result<Savepoint> {
        match self.jobs.stop(job, request).await {
            // The cluster took the request, and was killed before it could be asked what came of it.
            Err(error) if error.kind == ErrorKind::Lost => self.stopped(job).await.ok_or(error),
            done => done,
        }
    }

    async fn cancel(&self, job: &JobId) -> Result<()> {
        self.jobs.cancel(job).await
    }

    async fn checkpoint(&self, job: &JobId, request: CheckpointRequest) -> Result<Savepoint> {
        self.jobs.checkpoint(job, request).await
    }

    async fn log(&self, job: &JobId) -> Result<Vec<LogLine>> {
        self.jobs.log(job).await
    }
}

/// A cluster that is away: its archive is all there is of it.
pub(super) struct Away(pub(super) EngineError);

impl Away {
    fn refuse<T>(&self) -> Result<T> {
        Err(self.0.clone())
    }
}

#[async_trait]
impl JobControl for Away {
    async fn list(&self) -> Result<Vec<JobSummary>> {
        self.refuse()
    }

    async fn status(&self, _job: &JobId) -> Result<JobStatus> {
        self.refuse()
    }

    async fn detail(&self, _job: &JobId) -> Result<JobDetail> {
        self.refuse()
    }

    async fn savepoint(&self, _job: &JobId, _request: SavepointRequest) -> Result<Savepoint> {
        self.refuse()
    }

    async fn stop(&self, _job: &JobId, _request: StopRequest) -> Result<Savepoint> {
        self.refuse()
    }

    async fn cancel(&self, _job: &JobId) -> Result<()> {
        self.refuse()
    }

    async fn checkpoint(&self, _job: &JobId, _request: CheckpointRequest) -> Result<Savepoint> {
        self.refuse()
    }
}
