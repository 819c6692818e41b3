//! The driver of `flink://`: from a URL to a connection, and the side of it that takes statements.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::AsArray;
use async_trait::async_trait;
use skep_engine::{
    Capabilities, Column, Compile, Compiled, Connection, Dialect, Engine, EngineError, ErrorKind, Fit, JobControl,
    Misfit, Object, ObjectKind, Operation, Result, Rows, Sql, Stores, Submit, Target, Trial, Trials, Tried,
};
use url::Url;

use super::api::Api;
use super::control::Control;
use super::session::{Session, idle_timeout};
use super::settings::Version;
use super::{fit, plan, submission, trial};
use crate::flink::Limits;
use crate::flink::address::{Address, Server, server_beside};
use crate::flink::cluster::{Cluster, cluster_name};
use crate::flink::directories::Configured;
use crate::flink::failure::fit_to_show;
use crate::flink::history::Archive;
use crate::flink::http::Client;
use crate::flink::in_task;
use crate::flink::shelves::Shelves;
use crate::flink::transport::Transports;
use crate::syntax::literal;

/// The driver of `flink://host:port`: a Flink SQL Gateway, and the cluster behind it.
#[derive(Debug, Clone, Copy, Default)]
pub struct FlinkGateway {
    limits: Limits,
}

impl FlinkGateway {
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
impl Engine for FlinkGateway {
    fn schemes(&self) -> &'static [&'static str] {
        Address::GATEWAY_SCHEMES
    }

    fn summary(&self) -> &'static str {
        "flink://host:port[;rest=HOST:PORT;history=HOST:PORT;k=v] (flink+https:// over TLS, jdbc:flink://): a Flink SQL \
         Gateway; SQL, and the jobs of its cluster"
    }

    async fn connect(&self, target: &Target) -> Result<Connection> {
        let address = Address::of(target)?;
        let transports = Transports::read(target, &address)?;
        let client = Client::new(Server::Gateway, &address.url, transports.own().clone(), self.limits)?;
        let server = client.server().to_owned();
        let (api, info) = Api::negotiate(client)
            .await
            .map_err(|error| not_a_gateway(error, &server))?;
        let api = Arc::new(api);
        let mut properties = address.properties.clone();
        properties.extend(target.properties.clone());
        let (handle, effective) = Session::open(Arc::clone(&api), properties.clone())
            .await
            .map_err(not_connected)?;
        let rest = address.rest.clone().or_else(|| rest_address(&effective, &address.url));
        let cluster = match &rest {
            Some(url) => {
                let transport = transports.rest(url);
                let connected = Client::new(Server::JobManager, url, transport, self.limits).map(Cluster::connect);
                match connected {
                    Ok(connecting) => connecting.await,
                    Err(error) => Err(error),
                }
            }
            None => Err(EngineError::new(
                ErrorKind::Connect,
                "the session's properties name no REST address",
            )),
        };
        let product = format!("{} {}", fit_to_show(&info.product_name), fit_to_show(&info.version));
        let mut sides = Sides::of(cluster, &api, &properties, cluster_name(&effective));
        let archive = Archive::beside(&address, &transports, &effective, self.limits);
        if let Some(archive) = &archive {
            sides.jobs = Arc::clone(archive).remember(sides.jobs);
        }
        let version = Version::read(&info.version);
        let session = Session::new(
            Arc::clone(&api),
            handle,
            properties,
            Some(Arc::clone(&sides.jobs)),
            version,
            sides.cluster_id,
            idle_timeout(&effective),
        );
        let known = sides.cluster.as_deref();
        let forgets_after = known.map_or(Cluster::FORGETS_AFTER, Cluster::forgets_after);
        let stores: Arc<dyn Stores> = Arc::new(Shelves {
            configured: std::iter::once(Arc::clone(&session) as Arc<dyn Configured>)
                .chain(sides.cluster.clone().map(|cluster| cluster as Arc<dyn Configured>))
                .collect(),
            cluster: sides.cluster,
            archive,
            ..Shelves::default()
        });
        for statement in use_statements(&address) {
            if let Err(error) = submission::submit(Arc::clone(&session), Submit::new(statement)).await {
                // Nobody will use it.
                let _ = api.close_session(&session.handle()).await;
                return Err(not_connected(error));
            }
        }
        Ok(Connection {
            label: format!("flink {}", api.server()),
            greeting: format!("{product} SQL Gateway, {}", sides.greeting),
            url: address.shown,
            capabilities: Capabilities {
                chosen_job_id: true,
                queries_are_jobs: true,
                forgets_jobs_after: Some(forgets_after),
                stop: true,
                cancel: true,
                drain: true,
                restore: true,
                claim: true,
                plans: true,
                // Over SQL alone they are refused, with the reason.
                savepoint: true,
                checkpoint: true,
                native_format: true,
                ..Capabilities::default()
            },
            sql: Some(Arc::new(GatewaySql {
                session,
                stores: Arc::clone(&stores),
            })),
            jobs: Some(sides.jobs),
            stores: Some(stores),
            server: None,
        })
    }
}

/// Somebody answers there who is no gateway, or nobody does.
fn not_a_gateway(error: EngineError, server: &str) -> EngineError {
    let error = match error.kind {
        ErrorKind::NotFound => EngineError {
            message: format!("{server} is not a Flink SQL Gateway: {}", error.message),
            ..error
        }
        .hint("a JobManager's REST address is reached by flink-rest://"),
        ErrorKind::Protocol => error.hint("a JobManager's REST address is reached by flink-rest://"),
        _ => error,
    };
    not_connected(error)
}

/// Whatever went wrong, there is no connection.
fn not_connected(error: EngineError) -> EngineError {
    EngineError {
        kind: ErrorKind::Connect,
        ..error
    }
}

/// The sides of a connection that know of jobs.
struct Sides {
    jobs: Arc<dyn JobControl>,
    cluster: Option<Arc<Cluster>>,
    /// What tells the cluster from others.
    cluster_id: Option<String>,
    greeting: String,
}

impl Sides {
    /// Those of the cluster's REST interface, or what SQL alone offers.
    fn of(
        cluster: Result<(Cluster, String)>,
        api: &Arc<Api>,
        properties: &BTreeMap<String, String>,
        name: Option<String>,
    ) -> Self {
        match cluster {
            Ok((cluster, greeting)) => {
                let cluster = Arc::new(cluster);
                Self {
                    greeting: format!("cluster {}: {greeting}", cluster.server()),
                    cluster_id: cluster.id().map(str::to_owned),
                    jobs: cluster.clone(),
                    cluster: Some(cluster),
                }
            }
            Err(error) => {
                let why = format!("the cluster's REST interface can't be used: {error}");
                Self {
                    greeting: format!("job verbs by SQL alone ({why})"),
                    jobs: Arc::new(Control::new(Arc::clone(api), properties.clone(), name.clone(), why)),
                    cluster_id: name,
                    cluster: None,
                }
            }
        }
    }
}

/// The cluster's REST address, as the session's configuration has it.
pub(in crate::flink) fn rest_address(effective: &BTreeMap<String, String>, gateway: &Url) -> Option<Url> {
    let get = |key: &str| effective.get(key).map(String::as_str);
    let host = get("rest.address").or_else(|| get("jobmanager.rpc.address"))?;
    let tls = get("security.ssl.rest.enabled").or_else(|| get("security.ssl.enabled")) == Some("true");
    server_beside(host, get("rest.port"), tls, Server::JobManager, gateway)
}

/// The statements that lead to the catalog and database of a `jdbc:flink` URL.
fn use_statements(address: &Address) -> Vec<String> {
    let catalog = address
        .catalog
        .iter()
        .map(|name| format!("USE CATALOG {}", literal::quote_identifier(name)));
    let database = address
        .database
        .iter()
        .map(|name| format!("USE {}", literal::quote_identifier(name)));
    catalog.chain(database).collect()
}

/// The session of a connection, as the shell sees it.
#[derive(Clone)]
pub(super) struct GatewaySql {
    session: Arc<Session>,
    /// Where the states of its jobs lie.
    stores: Arc<dyn Stores>,
}

impl GatewaySql {
    /// Who knows of the cluster's jobs.
    pub(super) fn jobs(&self) -> Option<Arc<dyn JobControl>> {
        self.session.jobs.clone()
    }

    /// All rows of a statement that only looks.
    pub(super) async fn ask(&self, text: String) -> Result<Vec<Vec<String>>> {
        let operation = self.submit(Submit::new(text)).await?;
        let mut found = Vec::new();
        let Some(mut rows) = operation.rows else {
            return Ok(found);
        };
        while let Some(batch) = next(rows.as_mut()).await? {
            let columns: Vec<_> = batch
                .columns()
                .iter()
                .map(|column| column.as_string_opt::<i32>())
                .collect();
            for row in 0..batch.num_rows() {
                let cells = columns
                    .iter()
                    .map(|column| column.map_or("", |column| column.value(row)).to_owned());
                found.push(cells.collect());
            }
        }
        Ok(found)
    }

    async fn names(&self, text: &str) -> Result<Vec<String>> {
        let rows = self.ask(text.to_owned()).await?;
        Ok(rows.into_iter().filter_map(|row| row.into_iter().next()).collect())
    }
}

async fn next(rows: &mut dyn Rows) -> Result<Option<arrow::array::RecordBatch>> {
    Ok(rows.next().await?.map(|batch| batch.rows))
}

#[async_trait]
impl Sql for GatewaySql {
    fn dialect(&self) -> Dialect {
        Dialect::FLINK
    }

    async fn submit(&self, statement: Submit) -> Result<Operation> {
        in_task(submission::submit(Arc::clone(&self.session), statement)).await
    }

    fn opened_with(&self) -> BTreeMap<String, String> {
        self.session.opened_with()
    }

    fn trials(&self) -> Option<Trials> {
        Some(Trials::AsJobs)
    }

    async fn check_trial(&self, trial: Trial) -> Result<()> {
        in_task(trial::check(self.clone(), Arc::clone(&self.stores), trial)).await
    }

    async fn try_out(&self, trial: Trial) -> Result<Tried> {
        in_task(trial::try_out(self.clone(), Arc::clone(&self.stores), trial)).await
    }

    async fn fresh(&self) -> Result<Arc<dyn Sql>> {
        Ok(Arc::new(Self {
            session: self.session.another().await?,
            stores: Arc::clone(&self.stores),
        }))
    }

    async fn setting(&self, key: &str) -> Result<Option<String>> {
        Ok(self.session.configuration_now().await?.remove(key))
    }

    async fn circumstances(&self) -> Result<BTreeMap<String, String>> {
        Ok(fit::circumstances(
            &self.session.configuration_now().await?,
            self.session.version,
        ))
    }

    async fn misfits(&self, fit: &Fit<'_>) -> Result<Vec<Misfit>> {
        Ok(fit::misfits(fit, &self.circumstances().await?))
    }

    async fn definition(&self, name: &[String]) -> Result<Option<String>> {
        let quoted: Vec<String> = name.iter().map(|part| literal::quote_identifier(part)).collect();
        for sort in ["TABLE", "VIEW"] {
            match self.names(&format!("SHOW CREATE {sort} {}", quoted.join("."))).await {
                Ok(lines) => return Ok(lines.into_iter().next()),
                // It is the other one, or nothing.
                Err(error)
                    if matches!(
                        error.kind,
                        ErrorKind::Rejected | ErrorKind::Failed | ErrorKind::NotFound
                    ) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    async fn compile(&self, request: Compile) -> Result<Compiled> {
        in_task(submission::compile(Arc::clone(&self.session), request)).await
    }

    async fn plan_sum(&self, path: &str) -> Result<Option<String>> {
        let path = path.to_owned();
        let read = tokio::task::spawn_blocking(move || plan::read(&path)).await;
        let bytes = read.map_err(|error| EngineError::failed(format!("internal error: {error}")))??;
        Ok(bytes.map(|bytes| plan::sum(&bytes)))
    }

    async fn objects(&self) -> Result<Vec<Object>> {
        let here = async |text: &str| Ok::<_, EngineError>(self.names(text).await?.pop().unwrap_or_default());
        let catalog = here("SHOW CURRENT CATALOG").await?;
        let database = here("SHOW CURRENT DATABASE").await?;
        let views = self.names("SHOW VIEWS").await?;
        // Flink's SHOW TABLES lists views too.
        let names = self.names("SHOW TABLES").await?;
        let object = |name: String| Object {
            catalog: catalog.clone(),
            database: database.clone(),
            kind: if views.contains(&name) {
                ObjectKind::View
            } else {
                ObjectKind::Table
            },
            name,
        };
        Ok(names.into_iter().map(object).collect())
    }

    async fn columns(&self, table: &str) -> Result<Vec<Column>> {
        let rows = self.ask(format!("DESCRIBE {table}")).await?;
        let columns = rows.into_iter().filter_map(|row| {
            let mut cells = row.into_iter();
            Some(Column {
                name: cells.next()?,
                data_type: cells.next()?,
            })
        });
        Ok(columns.collect())
    }

    async fn close(&self) -> Result<()> {
        self.session.api.close_session(&self.session.handle()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rest(properties: &[(&str, &str)], gateway: &str) -> Option<String> {
        let effective = properties
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        rest_address(&effective, &Url::parse(gateway).unwrap()).map(|url| url.to_string())
    }

    #[test]
    fn the_rest_address_is_found_in_the_session() {
        let gateway = "http://gw.example:8083";
        assert_eq!(
            rest(&[("rest.address", "jm"), ("rest.port", "81")], gateway).as_deref(),
            Some("http://jm:81/")
        );
        assert_eq!(
            rest(&[("jobmanager.rpc.address", "jm")], gateway).as_deref(),
            Some("http://jm:8081/")
        );
        assert_eq!(
            rest(
                &[("rest.address", "jm"), ("security.ssl.rest.enabled", "true")],
                gateway
            )
            .as_deref(),
            Some("https://jm:8081/")
        );
        assert_eq!(rest(&[], gateway), None);
        assert_eq!(rest(&[("rest.address", "a b")], gateway), None);
    }

    #[test]
    fn the_gateways_own_machine_is_the_one_it_is_reached_at() {
        for own in ["localhost", "0.0.0.0", "127.0.0.1", "::1"] {
            assert_eq!(
                rest(&[("rest.address", own)], "http://gw:8083").as_deref(),
                Some("http://gw:8081/")
            );
        }
        assert_eq!(
            rest(&[("rest.address", "localhost")], "http://[::1]:8083").as_deref(),
            Some("http://[::1]:8081/")
        );
    }
}
