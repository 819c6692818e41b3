//! Flink's SQL engine behind a Kyuubi server: statements over HiveServer2's Thrift, job verbs over the cluster's REST interface,
//! or over SQL where that can't be reached.
//!
//! Written against what was recorded of Kyuubi 1.11 with Flink 1.20.

mod changes;
mod control;
mod fetch;
mod list;
mod operation;
mod orphan;
mod rows;
mod submission;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_trait::async_trait;
use futures::future::{join_all, join3};
use skep_engine::{
    Capabilities, Column, Connection, Dialect, EngineError, JobControl, Object, Operation, Result, Security, Sql,
    Submit, Target,
};
use url::Url;

use operation::Query;

use super::address::{self, Server, read_server};
use super::cluster::{Cluster, cluster_name};
use super::directories::Configured;
use super::failure::fit_to_show;
use super::gateway::control::Control;
use super::gateway::settings::Version;
use super::gateway::sql::rest_address;
use super::http::Client;
use super::limits::Limits;
use super::shelves::Shelves;
use super::transport::Transports;
use crate::hive::Behind;
use crate::hive::address::Address;
use crate::hive::session::Session;
use crate::hive::sql::HiveSql;
use crate::syntax::classifier::{Kind, classify};

/// The setting that says which engine a session has, and its value for this one.
const KIND: &str = "kyuubi.engine.type";
const FLINK_SQL: &str = "FLINK_SQL";

/// The engine, as a connection sees it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Flink(Arc<Inner>);

struct Inner {
    session: Arc<Session>,
    /// The catalog's side of the session is as any HiveServer2's.
    catalog: HiveSql,
    /// The session's configuration as it was opened.
    base: BTreeMap<String, String>,
    /// What the URL says that stands for variables: the engine puts in none.
    variables: BTreeMap<String, String>,
    jobs: Arc<dyn JobControl>,
    version: Option<Version>,
    /// What tells the cluster from others.
    cluster_id: Option<String>,
    /// The control session, where job verbs need one.
    apart: Option<Arc<control::Apart>>,
    /// Queries that have been started, which end with the connection.
    queries: Mutex<Vec<Weak<Query>>>,
    /// It was said that rows come before a checkpoint has secured them.
    said_early: AtomicBool,
}

/// Flink as the engine of a Kyuubi server.
#[derive(Debug)]
pub(crate) struct BehindKyuubi;

#[async_trait]
impl Behind for BehindKyuubi {
    fn product(&self) -> &'static str {
        "Apache Flink"
    }

    fn settings(&self, given: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let kind = given.get(KIND);
        if kind.is_some_and(|kind| kind.eq_ignore_ascii_case(FLINK_SQL)) {
            let (key, value) = fetch::TIMEOUT;
            BTreeMap::from([(key.to_owned(), value.to_owned())])
        } else {
            BTreeMap::new()
        }
    }

    async fn connect(
        &self,
        session: Arc<Session>,
        address: &Address,
        target: &Target,
        version: &str,
        label: String,
    ) -> Result<Connection> {
        session.speaks(Dialect::FLINK);
        let base = submission::configuration(&session).await?;
        let given = target
            .rest
            .as_deref()
            .map(|rest| read_server(rest, Server::JobManager))
            .transpose()?;
        let cluster = reach(given, &base, address, target).await;
        let cluster_id = cluster_name(&base);
        let mut apart = None;
        let (jobs, cluster, cluster_id, greeting): (Arc<dyn JobControl>, _, _, _) = match cluster {
            Ok((cluster, greeting)) => {
                let cluster = Arc::new(cluster);
                let greeting = format!("cluster {}: {greeting}", cluster.server());
                let id = cluster.id().map(str::to_owned).or(cluster_id);
                (cluster.clone(), Some(cluster), id, greeting)
            }
            Err(error) => {
                let why = format!("the cluster's REST interface can't be used: {error}");
                let greeting = format!("job verbs by SQL alone ({why})");
                let session = Arc::new(control::Apart::new(Arc::clone(&session)));
                let jobs = Arc::new(Control::over(session.clone(), cluster_id.clone(), why));
                apart = Some(session);
                (jobs, None, cluster_id, greeting)
            }
        };
        let flink = Flink(Arc::new(Inner {
            catalog: HiveSql(Arc::clone(&session)),
            session,
            base,
            variables: address.variables.clone(),
            jobs: Arc::clone(&jobs),
            version: Version::read(version),
            cluster_id,
            apart,
            queries: Mutex::default(),
            said_early: AtomicBool::new(false),
        }));
        let forgets_after = cluster
            .as_deref()
            .map_or(Cluster::FORGETS_AFTER, Cluster::forgets_after);
        let stores = Shelves {
            configured: std::iter::once(Arc::new(flink.clone()) as Arc<dyn Configured>)
                .chain(cluster.clone().map(|cluster| cluster as Arc<dyn Configured>))
                .collect(),
            cluster,
            ..Shelves::default()
        };
        Ok(Connection {
            url: address.shown(),
            label,
            greeting: format!("Apache Flink {}, {greeting}", fit_to_show(version)),
            capabilities: Capabilities {
                chosen_job_id: true,
                queries_are_jobs: true,
                forgets_jobs_after: Some(forgets_after),
                stop: true,
                cancel: true,
                drain: true,
                restore: true,
                claim: true,
                // Over SQL alone they are refused, with the reason.
                savepoint: true,
                checkpoint: true,
                native_format: true,
                ..Capabilities::default()
            },
            sql: Some(Arc::new(flink)),
            jobs: Some(jobs),
            stores: Some(Arc::new(stores)),
            server: None,
        })
    }
}

impl Flink {
    /// Keeps a query in mind, to end it with the connection.
    fn keep(&self, query: &Arc<Query>) {
        let mut queries = self.0.queries.lock().unwrap_or_else(PoisonError::into_inner);
        queries.retain(|query| query.strong_count() > 0);
        queries.push(Arc::downgrade(query));
    }

    /// The session's configuration now: as it was opened, and what was said since.
    async fn settings(&self) -> BTreeMap<String, String> {
        let mut settings = self.0.base.clone();
        for text in self.0.session.prelude().await {
            match classify(&text, &Dialect::FLINK) {
                Kind::Set { key, value } => {
                    settings.insert(key, value);
                }
                Kind::Reset { key: None } => settings.clone_from(&self.0.base),
                Kind::Reset { key: Some(key) } => match self.0.base.get(&key) {
                    Some(value) => {
                        settings.insert(key, value.clone());
                    }
                    None => {
                        settings.remove(&key);
                    }
                },
                _ => {}
            }
        }
        settings
    }
}

/// The cluster's REST interface: the one that was given, or that the engine's configuration names. User and password are
/// the Kyuubi server's own; certificates, token and headers go to an address that the person has given.
async fn reach(
    given: Option<Url>,
    configuration: &BTreeMap<String, String>,
    address: &Address,
    target: &Target,
) -> Result<(Cluster, String)> {
    let security = match &given {
        Some(_) => target.security.clone(),
        None => Security {
            ca: target.security.ca.clone(),
            ..Security::default()
        },
    };
    let here = Url::parse(&format!("http://{}", address.server())).ok();
    let url = given
        .or_else(|| here.and_then(|here| rest_address(configuration, &here)))
        .ok_or_else(|| EngineError::rejected("the engine's configuration names no REST address"))?;
    let tls = if url.scheme() == "https" { "+https" } else { "" };
    let (_, place) = url.as_str().split_once("://").unwrap_or_default();
    let mut cluster = Target::new(format!("flink-rest{tls}://{place}"), target.data_dir.clone());
    cluster.security = security;
    let address = address::Address::of(&cluster)?;
    let transports = Transports::read(&cluster, &address)?;
    let client = Client::new(
        Server::JobManager,
        &address.url,
        transports.own().clone(),
        Limits::default(),
    )?;
    Cluster::connect(client).await
}

#[async_trait]
impl Configured for Flink {
    async fn configuration(&self) -> Result<BTreeMap<String, String>> {
        Ok(self.settings().await)
    }
}

#[async_trait]
impl Sql for Flink {
    fn dialect(&self) -> Dialect {
        Dialect::FLINK
    }

    async fn submit(&self, statement: Submit) -> Result<Operation> {
        super::in_task(submission::submit(self.clone(), statement)).await
    }

    async fn fresh(&self) -> Result<Arc<dyn Sql>> {
        let session = self.0.session.another().await?;
        session.speaks(Dialect::FLINK);
        Ok(Arc::new(Self(Arc::new(Inner {
            catalog: HiveSql(Arc::clone(&session)),
            session,
            base: self.0.base.clone(),
            variables: self.0.variables.clone(),
            jobs: Arc::clone(&self.0.jobs),
            version: self.0.version,
            cluster_id: self.0.cluster_id.clone(),
            apart: None,
            queries: Mutex::default(),
            said_early: AtomicBool::new(true),
        }))))
    }

    fn variables(&self) -> BTreeMap<String, String> {
        self.0.variables.clone()
    }

    async fn setting(&self, key: &str) -> Result<Option<String>> {
        Ok(self.settings().await.remove(key))
    }

    async fn objects(&self) -> Result<Vec<Object>> {
        self.0.catalog.objects_like("%").await
    }

    async fn columns(&self, table: &str) -> Result<Vec<Column>> {
        self.0.catalog.columns_like("%", table).await
    }

    async fn close(&self) -> Result<()> {
        // Their sessions would be kept, and their jobs run, for ever: nobody could read their rows.
        let queries = std::mem::take(&mut *self.0.queries.lock().unwrap_or_else(PoisonError::into_inner));
        let queries = queries.iter().filter_map(Weak::upgrade);
        let apart = async {
            if let Some(apart) = &self.0.apart {
                apart.close().await;
            }
        };
        let live = self.0.session.live();
        // All at once: the shell does not wait long.
        join3(
            join_all(queries.map(|query| async move { query.close().await })),
            apart,
            live.close(),
        )
        .await;
        Ok(())
    }
}
