//! Apache Flink: the cluster's REST interface (`flink-rest://`), which takes job verbs and no SQL.

mod cluster;
mod failure;
mod gateway;
mod http;
mod limits;

use async_trait::async_trait;
use skep_engine::{Capabilities, Connection, Engine, EngineError, Result, Target};
use std::sync::Arc;
use url::Url;

use cluster::Cluster;
use http::Client;
pub use limits::Limits;

/// Where `flink-rest://host` without a port leads: Flink's default `rest.port`.
const DEFAULT_PORT: u16 = 8081;

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
        &["flink-rest", "flink-rest+https"]
    }

    fn summary(&self) -> &'static str {
        "flink-rest://host:port[/path] (flink-rest+https:// over TLS): a Flink cluster's JobManager; job verbs, no SQL"
    }

    async fn connect(&self, target: &Target) -> Result<Connection> {
        let address = Address::read(&target.url)?;
        if target.rest.is_some() {
            let message = format!(
                "{} is the cluster's REST address already: another one can't be given",
                address.shown
            );
            return Err(EngineError::rejected(message).hint("leave out --rest, or connect to the SQL gateway"));
        }
        let credentials = target.user.clone().map(|user| (user, target.password.clone()));
        let client = Client::new(&address.url, credentials, self.limits)?;
        let (cluster, greeting) = Cluster::connect(client).await?;
        let label = format!("flink-rest {}", cluster.server());
        let cluster = Arc::new(cluster);
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
                ..Capabilities::default()
            },
            sql: None,
            jobs: Some(cluster.clone()),
            stores: Some(cluster),
        })
    }
}

/// A `flink-rest` URL taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Address {
    /// Where requests go.
    url: Url,
    /// The URL in its plain form, fit to be shown and stored.
    shown: String,
}

impl Address {
    fn read(text: &str) -> Result<Self> {
        let malformed = |why: &str| {
            // The text is not repeated: it may hold a password.
            EngineError::rejected(format!("the URL is not a Flink cluster's: {why}"))
                .hint("write flink-rest://host:port, or flink-rest+https://host:port for TLS")
        };
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| malformed("there is no `://` in it"))?;
        let (http, default_port) = match scheme {
            "flink-rest" => ("http", DEFAULT_PORT),
            "flink-rest+https" => ("https", 443),
            _ => return Err(malformed("its scheme is not flink-rest")),
        };
        let mut url = Url::parse(&format!("{http}://{rest}")).map_err(|error| malformed(&error.to_string()))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(malformed("user and password don't belong there").hint("give them as -n USER and -p"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(malformed("nothing may follow the path"));
        }
        // `Url` drops the port that is its scheme's own, so that `:80` and no port at all look the same in `url`.
        let written = Url::parse(text).map_err(|error| malformed(&error.to_string()))?.port();
        let port = written.unwrap_or(default_port);
        url.set_port(Some(port))
            .map_err(|()| malformed("there is no host in it"))?;
        let host = url.host_str().ok_or_else(|| malformed("there is no host in it"))?;
        let path = url.path().trim_end_matches('/');
        let shown = format!("{scheme}://{host}:{port}{path}");
        Ok(Self { shown, url })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_and_written_plainly() {
        for (text, url, shown) in [
            ("flink-rest://jm:8081", "http://jm:8081/", "flink-rest://jm:8081"),
            ("flink-rest://jm", "http://jm:8081/", "flink-rest://jm:8081"),
            ("flink-rest://jm:80/", "http://jm/", "flink-rest://jm:80"),
            (
                "flink-rest://[::1]:1234",
                "http://[::1]:1234/",
                "flink-rest://[::1]:1234",
            ),
            (
                "flink-rest+https://JM/a/b/",
                "https://jm/a/b/",
                "flink-rest+https://jm:443/a/b",
            ),
            (
                "flink-rest+https://jm:8081",
                "https://jm:8081/",
                "flink-rest+https://jm:8081",
            ),
        ] {
            let address = Address::read(text).unwrap();
            assert_eq!((address.url.as_str(), address.shown.as_str()), (url, shown));
        }
    }

    #[test]
    fn a_malformed_url_is_refused_without_repeating_it() {
        for text in [
            "",
            "flink-rest",
            "flink-rest:jm:8081",
            "flink-rest://",
            "flink-rest://:8081",
            "flink-rest://jm:port",
            "flink-rest://jm:99999",
            "flink-rest://jm:8081?x=1",
            "flink-rest://jm:8081#x",
            "flink-rest://me:geheim@jm:8081",
            "flink://jm:8083",
            "flink-rest://a b",
        ] {
            let error = Address::read(text).unwrap_err();
            assert_eq!(error.kind, skep_engine::ErrorKind::Rejected, "{text}");
            assert!(!error.message.contains("geheim") && !error.hints.is_empty(), "{error}");
        }
    }
}
