//! A Flink cluster, spoken to through its JobManager.

mod answers;
mod deeds;
mod forgotten;
mod jobs;
mod logs;
mod needs;
mod operations;
mod stores;
mod vertices;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use skep_engine::{
    CheckpointRequest, EngineError, ErrorKind, JobControl, JobDetail, JobId, JobStatus, JobSummary, LogLine, Result,
    Savepoint, SavepointRequest, StopRequest, Stores,
};

pub(crate) use needs::Needs;
pub(super) use stores::is_missing_here;

use super::beginning::await_tasks;
use super::directories::Configured;
use super::http::Client;
use super::{failure, gateway, in_task};

/// The paths of a JobManager's interface, and of a History Server's, begin so.
const LIVE: &str = "/v1";
const ARCHIVE: &str = "";

/// A cluster. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Cluster {
    client: Arc<Client>,
    /// What the paths of its interface begin with.
    root: &'static str,
    /// The age that the server's statistics can have (`web.refresh-interval`).
    refresh: Duration,
    /// How long after its end it forgets a job.
    forgets_after: Duration,
    version: String,
    /// What tells it from other clusters. An archive holds jobs of several, and does not say of which.
    id: Option<String>,
    deeds: deeds::Deeds,
}

impl Cluster {
    /// How long after its end a JobManager forgets a job, unless it is told otherwise (`jobstore.expiration-time`).
    pub(crate) const FORGETS_AFTER: Duration = Duration::from_secs(60 * 60);

    /// Asks the JobManager who it is, and gives the cluster and how it fares in a line.
    ///
    /// # Errors
    /// [`ErrorKind::Connect`]: it could not be asked, or is something else.
    pub(crate) async fn connect(client: Client) -> Result<(Self, String)> {
        let (config, overview, configuration) = tokio::try_join!(
            client.get::<answers::Config>("/v1/config"),
            client.get::<answers::Overview>("/v1/overview"),
            // One that does not tell its configuration is a cluster all the same.
            async { Ok(configuration(&client).await.unwrap_or_default()) },
        )
        .map_err(|error| {
            let mut error = match error.kind {
                ErrorKind::NotFound => EngineError {
                    message: format!("{} is not a Flink JobManager: {}", client.server(), error.message),
                    ..error
                }
                .hint("give the JobManager's REST address (rest.port), not a gateway's or History Server's"),
                ErrorKind::Lost if !client.speaks_tls() => {
                    error.hint("a server with TLS is reached by flink-rest+https://")
                }
                _ => error,
            };
            // Nothing was asked for but the connection: whatever went wrong, there is none.
            error.kind = ErrorKind::Connect;
            error
        })?;
        let greeting = format!(
            "{} of {} slots free on {} TaskManager{}, {} job{} running",
            overview.slots_available,
            overview.slots_total,
            overview.taskmanagers,
            plural(overview.taskmanagers),
            overview.jobs_running,
            plural(overview.jobs_running),
        );
        let cluster = Self {
            root: LIVE,
            refresh: Duration::from_millis(config.refresh_interval),
            version: failure::fit_to_show(&config.flink_version),
            forgets_after: forgets_after(&configuration),
            id: Some(cluster_name(&configuration).unwrap_or_else(|| client.server().to_owned())),
            client: Arc::new(client),
            deeds: deeds::Deeds::default(),
        };
        Ok((cluster, greeting))
    }

    /// The archive of a History Server, which answers as a JobManager does, of jobs that have ended.
    ///
    /// # Errors
    /// It could not be asked, or is something else.
    pub(crate) async fn archive(client: Client) -> Result<Self> {
        let config = client.get::<answers::Config>("/config").await?;
        Ok(Self {
            client: Arc::new(client),
            root: ARCHIVE,
            refresh: Duration::ZERO,
            forgets_after: Duration::MAX,
            version: failure::fit_to_show(&config.flink_version),
            id: None,
            deeds: deeds::Deeds::default(),
        })
    }

    /// What tells it from other clusters: the name that it was given where it was started, or where its JobManager is.
    pub(crate) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// How long after its end it forgets a job.
    pub(crate) const fn forgets_after(&self) -> Duration {
        self.forgets_after
    }

    /// Whether it is an archive: nothing in it changes any more.
    fn is_archive(&self) -> bool {
        self.root == ARCHIVE
    }

    /// The version of Flink that it runs.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Its JobManager as `host:port`.
    pub(crate) fn server(&self) -> &str {
        self.client.server()
    }

    /// The error for a job that the JobManager does not know.
    fn unknown_job(&self, job: &JobId) -> EngineError {
        EngineError::not_found(format!("the cluster at {} knows no job {job}", self.server())).hint(
            "a JobManager forgets ended jobs after a while, and without high availability all of them at a restart",
        )
    }

    /// Gives a 404 for a request about a job its meaning.
    fn about_job(&self, job: &JobId, error: EngineError) -> EngineError {
        if error.kind != ErrorKind::NotFound {
            return error;
        }
        let mut unknown = self.unknown_job(job);
        unknown.trace = error.trace;
        unknown
    }
}

/// The name that a cluster was given where it was started, on Kubernetes or YARN.
pub(crate) fn cluster_name(configuration: &BTreeMap<String, String>) -> Option<String> {
    ["kubernetes.cluster-id", "yarn.application.id"]
        .iter()
        .find_map(|key| configuration.get(*key))
        .map(|name| failure::fit_to_show(name))
}

fn forgets_after(configuration: &BTreeMap<String, String>) -> Duration {
    let seconds = configuration
        .get("jobstore.expiration-time")
        .and_then(|text| text.parse().ok());
    seconds.map_or(Cluster::FORGETS_AFTER, Duration::from_secs)
}

const fn plural(n: u32) -> &'static str {
    if n == 1 { "" } else { "s" }
}

/// A time of an answer: milliseconds since 1970; none if there is none (-1, 0) or it can't be one.
fn time(milliseconds: i64) -> Option<Timestamp> {
    (milliseconds > 0)
        .then(|| Timestamp::from_millisecond(milliseconds).ok())
        .flatten()
}

#[async_trait]
impl JobControl for Cluster {
    async fn list(&self) -> Result<Vec<JobSummary>> {
        self.list_jobs().await
    }

    async fn status(&self, job: &JobId) -> Result<JobStatus> {
        self.job_status(job).await
    }

    async fn submitted(&self, chosen: &JobId) -> Result<Option<(JobId, JobStatus)>> {
        match self.job_status(chosen).await {
            Ok(status) => return Ok(Some((*chosen, status))),
            Err(error) if error.kind != ErrorKind::NotFound => return Err(error),
            Err(_) => {}
        }
        // A job of a Flink that takes no id bears it as a mark in its name.
        let mark = gateway::mark(&chosen.to_string());
        let found = self.list_jobs().await?.into_iter().find(|job| job.name.contains(&mark));
        Ok(found.map(|job| (job.job_id, job.status)))
    }

    async fn detail(&self, job: &JobId) -> Result<JobDetail> {
        self.job_detail(job).await
    }

    async fn savepoint(&self, job: &JobId, request: SavepointRequest) -> Result<Savepoint> {
        let (cluster, job) = (self.clone(), *job);
        in_task(async move { cluster.take_savepoint(&job, &request).await }).await
    }

    async fn begin_savepoint(&self, job: &JobId, request: SavepointRequest) -> Result<()> {
        let (cluster, job) = (self.clone(), *job);
        in_task(async move { cluster.begin_savepoint(&job, &request).await }).await
    }

    async fn await_savepoint(&self, job: &JobId, request: SavepointRequest) -> Result<Savepoint> {
        self.await_savepoint(job, &request).await
    }

    async fn stop(&self, job: &JobId, request: StopRequest) -> Result<Savepoint> {
        let (cluster, job) = (self.clone(), *job);
        in_task(async move { cluster.stop_job(&job, &request).await }).await
    }

    async fn cancel(&self, job: &JobId) -> Result<()> {
        let (cluster, job) = (self.clone(), *job);
        in_task(async move {
            // Whoever asks: what is cancelled may be a query that has just been submitted.
            await_tasks(&cluster, &job, Instant::now()).await;
            cluster.cancel_job(&job).await
        })
        .await
    }

    async fn log(&self, job: &JobId) -> Result<Vec<LogLine>> {
        self.job_log(job).await
    }

    async fn checkpoint(&self, job: &JobId, request: CheckpointRequest) -> Result<Savepoint> {
        let (cluster, job) = (self.clone(), *job);
        in_task(async move { cluster.take_checkpoint(&job, request).await }).await
    }
}

/// A line of `GET /jobmanager/config`.
#[derive(serde::Deserialize)]
struct Setting {
    key: String,
    value: String,
}

/// The JobManager's configuration.
async fn configuration(client: &Client) -> Result<BTreeMap<String, String>> {
    let settings: Vec<Setting> = client.get("/v1/jobmanager/config").await?;
    Ok(settings
        .into_iter()
        .map(|setting| (setting.key, setting.value))
        .collect())
}

#[async_trait]
impl Configured for Cluster {
    async fn configuration(&self) -> Result<BTreeMap<String, String>> {
        configuration(&self.client).await
    }
}

#[async_trait]
impl Stores for Cluster {
    /// What the cluster's statistics name. `dirs` are not searched: the cluster offers no way to list a directory.
    async fn find(&self, job: Option<&JobId>, _dirs: &[String]) -> Result<Vec<Savepoint>> {
        match job {
            Some(job) => self.find_of(job).await,
            None => self.find_all().await,
        }
    }

    async fn inspect(&self, path: &str) -> Result<Savepoint> {
        self.inspect_path(path).await
    }

    async fn delete(&self, path: &str) -> Result<()> {
        let (cluster, path) = (self.clone(), path.to_owned());
        in_task(async move { cluster.dispose(&path).await }).await
    }
}
