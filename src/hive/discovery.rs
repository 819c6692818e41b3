//! Servers that have registered in ZooKeeper (`serviceDiscoveryMode=zooKeeper`).

use std::hash::{BuildHasher, RandomState};

use skep_engine::{EngineError, Result};
use skep_hive::{Limits, Registry};

use super::address::{Mode, read_authority};
use super::failure::{explain_connecting, one_line};

/// Where ZooKeeper is if no port is written.
pub(crate) const PORT: u16 = 2181;

/// What the names of registered servers begin with: HiveServer2's and Kyuubi's, and `host:port` follows.
const URI: [&str; 2] = ["serverUri=", "serviceUri="];

/// Where servers have registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Discovery {
    /// The servers of ZooKeeper: host and port.
    pub(crate) ensemble: Vec<(String, u16)>,
    /// The node below which they are, without the `/` at its beginning.
    pub(crate) namespace: String,
    /// What the URL says they speak: one that says otherwise there is not spoken to.
    pub(crate) mode: Mode,
}

impl Discovery {
    /// The servers that are registered now: host and port of each, in another order each time, so that they share the work.
    ///
    /// # Errors
    /// ZooKeeper can't be asked, or none is registered that can be spoken to.
    pub(crate) async fn servers(&self, limits: &Limits) -> Result<Vec<(String, u16)>> {
        let mut failure = None;
        for (host, port) in shuffled(self.ensemble.clone()) {
            let found = match Registry::connect(&host, port, limits.connect).await {
                Ok(registry) => self.read(registry).await,
                Err(error) => Err(error),
            };
            match found {
                Ok(nodes) => return self.choose(nodes),
                Err(error) => failure = Some(explain_connecting(error)),
            }
        }
        let failure = failure.unwrap_or_else(|| EngineError::rejected("the URL names no ZooKeeper"));
        Err(EngineError {
            hints: vec![format!(
                "are ZooKeeper's address and zooKeeperNamespace={} as the servers have them?",
                self.namespace
            )],
            ..failure
        })
    }

    /// Names and contents of the nodes.
    async fn read(&self, mut registry: Registry) -> skep_hive::Result<Vec<(String, String)>> {
        let path = format!("/{}", self.namespace);
        let mut nodes = Vec::new();
        for name in registry.children(&path).await? {
            if URI.iter().any(|uri| name.starts_with(uri)) {
                // A server may leave in between.
                let data = registry.data(&format!("{path}/{name}")).await.unwrap_or_default();
                nodes.push((name, String::from_utf8_lossy(&data).into_owned()));
            }
        }
        registry.close().await;
        Ok(nodes)
    }

    fn choose(&self, nodes: Vec<(String, String)>) -> Result<Vec<(String, u16)>> {
        let (mut servers, mut other) = (Vec::new(), None);
        for (name, data) in nodes {
            let Some(server) = Registered::read(&name, &data) else {
                continue;
            };
            if server.is_http == matches!(self.mode, Mode::Http(_)) {
                servers.push((server.host, server.port));
            } else {
                other = Some(server);
            }
        }
        match other {
            _ if !servers.is_empty() => Ok(shuffled(servers)),
            Some(server) if server.is_http => {
                let path = server.path.unwrap_or_else(|| "cliservice".to_owned());
                let message = "the servers that are registered in ZooKeeper speak HTTP";
                Err(EngineError::rejected(message)
                    .hint(format!(";transportMode=http;httpPath={} in the URL", one_line(&path))))
            }
            Some(_) => {
                let message = "the servers that are registered in ZooKeeper do not speak HTTP";
                Err(EngineError::rejected(message).hint("leave out ;transportMode=http"))
            }
            None => Err(EngineError::new(
                skep_engine::ErrorKind::Connect,
                format!("no server is registered in ZooKeeper below /{}", self.namespace),
            )),
        }
    }
}

/// A server, as it has registered.
#[derive(Debug, PartialEq, Eq)]
struct Registered {
    host: String,
    port: u16,
    is_http: bool,
    path: Option<String>,
}

impl Registered {
    /// Reads the name of a node and what is in it: `host:port`, or the server's settings as `key=value;key=value`.
    fn read(name: &str, data: &str) -> Option<Self> {
        let uri = URI.iter().find_map(|uri| name.strip_prefix(uri))?;
        let settings: Vec<_> = data.split(';').filter_map(|pair| pair.split_once('=')).collect();
        let get = |key: &str| {
            let found = settings.iter().find(|(name, _)| *name == key);
            found.map(|(_, value)| *value).filter(|value| !value.is_empty())
        };
        let is_http = get("hive.server2.transport.mode").is_some_and(|mode| mode.eq_ignore_ascii_case("http"));
        let port = get(if is_http {
            "hive.server2.thrift.http.port"
        } else {
            "hive.server2.thrift.port"
        });
        let written = match (get("hive.server2.thrift.bind.host"), port) {
            (Some(host), Some(port)) if host.contains(':') && !host.starts_with('[') => format!("[{host}]:{port}"),
            (Some(host), Some(port)) => format!("{host}:{port}"),
            _ if settings.is_empty() && data.contains(':') => data.trim().to_owned(),
            _ => uri.split(';').next().unwrap_or_default().to_owned(),
        };
        // A port is always written.
        let (host, port) = read_authority(&written, 0).ok().filter(|(_, port)| *port != 0)?;
        Some(Self {
            host,
            port,
            is_http,
            path: get("hive.server2.thrift.http.path").map(str::to_owned),
        })
    }
}

/// In another order each time.
fn shuffled<T>(items: Vec<T>) -> Vec<T> {
    let random = RandomState::new();
    let mut items: Vec<_> = items
        .into_iter()
        .enumerate()
        .map(|(at, item)| (random.hash_one(at), item))
        .collect();
    items.sort_by_key(|(key, _)| *key);
    items.into_iter().map(|(_, item)| item).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place(name: &str, data: &str) -> Option<(String, u16, bool)> {
        Registered::read(name, data).map(|server| (server.host, server.port, server.is_http))
    }

    #[test]
    fn what_servers_write_is_read() {
        let name = "serverUri=a:10000;version=3.1.3;sequence=0000000001";
        let own = |host: &str, port, http| Some((host.to_owned(), port, http));
        assert_eq!(place(name, ""), own("a", 10000, false));
        assert_eq!(place(name, "b:1"), own("b", 1, false));
        let settings = "hive.server2.thrift.bind.host=c;hive.server2.transport.mode=binary;hive.server2.thrift.port=2;\
                        hive.server2.thrift.http.port=3";
        assert_eq!(place(name, settings), own("c", 2, false));
        assert_eq!(place(name, &settings.replace("binary", "http")), own("c", 3, true));
        assert_eq!(place("serverUri=[::1]:5;version=1", ""), own("::1", 5, false));
        assert_eq!(place("leader=a:1", ""), None);
        assert_eq!(place("serverUri=a", ""), None);
    }

    #[test]
    fn who_speaks_otherwise_is_not_spoken_to() {
        let discovery = |mode| Discovery {
            ensemble: Vec::new(),
            namespace: "n".to_owned(),
            mode,
        };
        let http = "hive.server2.thrift.bind.host=c;hive.server2.transport.mode=http;hive.server2.thrift.http.port=3";
        let nodes = |data: &str| vec![("serverUri=a:1;".to_owned(), data.to_owned())];
        assert!(discovery(Mode::Sasl).choose(nodes(http)).unwrap_err().hints[0].contains("transportMode=http"));
        assert!(discovery(Mode::Http("p".to_owned())).choose(nodes("")).is_err());
        assert!(
            discovery(Mode::Sasl)
                .choose(Vec::new())
                .unwrap_err()
                .message
                .contains("/n")
        );
        assert_eq!(discovery(Mode::Sasl).choose(nodes("")).unwrap(), [("a".to_owned(), 1)]);
    }

    proptest! {
        #[test]
        fn any_node_is_read_or_left_out(name in "(serverUri=|serviceUri=)?[ -~]{0,40}", data in "[ -~é;=]{0,60}") {
            let _ = Registered::read(&name, &data);
        }
    }
}
