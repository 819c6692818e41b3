//! Apache Flink: the SQL Gateway (`flink://`), and the cluster's REST interface alone (`flink-rest://`), which takes job
//! verbs and no SQL.

pub mod address;
mod beginning;
mod cluster;
mod directories;
mod failure;
mod files;
mod gateway;
mod given;
mod history;
mod http;
mod kyuubi;
mod limits;
mod shelves;
mod state;
mod transport;

use async_trait::async_trait;
use skep_engine::{Capabilities, Connection, Engine, EngineError, ErrorKind, JobControl, Result, Stores, Target};
use std::collections::BTreeMap;
use std::sync::Arc;

use address::{Address, Server};
use cluster::Cluster;
use directories::Configured;
pub use gateway::FlinkGateway;
use history::{Archive, Away};
use http::Client;
pub(crate) use kyuubi::BehindKyuubi;
pub use limits::Limits;
use shelves::Shelves;
use transport::Transports;

/// The driver of `flink-rest://host:port` and, over TLS, `flink-rest+https://host:port`: a Flink cluster's JobManager.
///
/// Written against the REST API `/v1` of Flink 1.20 and 2.3.
#[derive(Debug, Clone, Copy, Default)]
pub struct FlinkRest {
    limits: Limits,
}

impl FlinkRest {
    /// The driver with the default limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// The driver with other limits.
    pub const fn with_limits(limits: Limits) -> Self {
        Self { limits }
    }
}

#[async_trait]
impl Engine for FlinkRest {
    fn schemes(&self) -> &'static [&'static str] {
        Address::REST_SCHEMES
    }

    fn summary(&self) -> &'static str {
        "flink-rest://host:port[/path][;history=HOST:PORT] (flink-rest+https:// over TLS): a Flink cluster's JobManager; \
         job verbs, no SQL"
    }

    async fn connect(&self, target: &Target) -> Result<Connection> {
        let address = Address::of(target)?;
        if address.server != Server::JobManager {
            let message = format!("{} is not a JobManager's address", address.shown);
            return Err(EngineError::rejected(message).hint("write flink-rest://host:port"));
        }
        if address.rest.is_some() {
            let message = format!(
                "{} is the cluster's REST address already: another one can't be given",
                address.shown
            );
            return Err(EngineError::rejected(message).hint("leave out --rest, or connect to the SQL gateway"));
        }
        if let Some(property) = address.properties.keys().next() {
            let message = format!(
                "there is no session at {} that {property:?} could be set in",
                address.shown
            );
            return Err(EngineError::rejected(message).hint("leave it out, or connect to a SQL Gateway (flink://)"));
        }
        let transports = Transports::read(target, &address)?;
        let client = Client::new(address.server, &address.url, transports.own().clone(), self.limits)?;
        let label = format!("flink-rest {}", client.server());
        let archive = Archive::beside(&address, &transports, &BTreeMap::new(), self.limits);
        let (mut jobs, cluster, greeting): (Arc<dyn JobControl>, Option<Arc<Cluster>>, _) =
            match (Cluster::connect(client).await, &archive) {
                (Ok((cluster, fares)), _) => {
                    let greeting = format!("Apache Flink {}, {fares}", cluster.version());
                    let cluster = Arc::new(cluster);
                    (cluster.clone(), Some(cluster), greeting)
                }
                (Err(error), Some(archive)) => match archive.answers().await {
                    Ok(()) => {
                        let greeting = format!("{error}: the History Server tells of jobs that have ended");
                        (Arc::new(Away(error)), None, greeting)
                    }
                    Err(beside) => {
                        let error = error.hint(format!("the History Server can't be asked either: {beside}"));
                        return Err(beside.hints.into_iter().fold(error, EngineError::hint));
                    }
                },
                (Err(error), None) => return Err(error),
            };
        if let Some(archive) = &archive {
            jobs = Arc::clone(archive).remember(jobs);
        }
        let forgets_after = cluster
            .as_deref()
            .map_or(Cluster::FORGETS_AFTER, Cluster::forgets_after);
        let stores = Shelves {
            cluster: cluster.clone(),
            archive,
            configured: cluster
                .map(|cluster| cluster as Arc<dyn Configured>)
                .into_iter()
                .collect(),
            ..Shelves::default()
        };
        Ok(Connection {
            url: address.shown,
            label,
            greeting,
            capabilities: Capabilities {
                savepoint: true,
                stop: true,
                cancel: true,
                checkpoint: true,
                drain: true,
                native_format: true,
                forgets_jobs_after: Some(forgets_after),
                ..Capabilities::default()
            },
            sql: None,
            jobs: Some(jobs),
            stores: Some(Arc::new(stores)),
            server: None,
        })
    }

    fn offline(&self) -> Option<Arc<dyn Stores>> {
        Some(Arc::new(Shelves::default()))
    }
}

/// Carries out something with a side effect in a task of its own, so that a caller who stops waiting does not stop it.
async fn in_task<T, F>(work: F) -> Result<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    tokio::spawn(work).await.unwrap_or_else(|error| {
        let kind = if error.is_panic() {
            ErrorKind::Failed
        } else {
            ErrorKind::Cancelled
        };
        let message = format!("the request was given up ({error}): whether it took effect is not known");
        Err(EngineError::new(kind, message))
    })
}
