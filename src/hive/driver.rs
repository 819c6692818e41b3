//! The driver: from a URL to a connection.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use skep_engine::{Capabilities, Connection, Engine, EngineError, Result, Server, Target, Token, read_headers};
use skep_hive::{Authorization, Endpoint, Header, KERBEROS, Limits, Pem, Tls, Transport};

use super::address::{Address, Credentials, Kerberos, Mode, PROXY_USER};
use super::failure::one_line;
use super::lists::Lists;
use super::mistake;
use super::session::{Opening, Session};
use super::sql::HiveSql;

/// Who a session is opened for if nobody says: what Hive's own driver says, too. A server without authentication wants a
/// name and a password all the same.
const ANONYMOUS: &str = "anonymous";

/// A file of certificates or a secret is read up to here, in bytes.
const FILE_LIMIT: u64 = 1 << 20;

/// The driver of `hive2://host:port/database` and `jdbc:hive2://…` (HiveServer2, Spark Thrift Server), and of `kyuubi://…` and
/// `kyuubi+http://…` (Kyuubi over Thrift and over REST).
#[derive(Debug, Clone, Default)]
pub struct HiveServer2 {
    limits: Limits,
    engines: Vec<Arc<dyn Behind>>,
}

/// An engine that speaks through such a server, and can more than the server's protocol offers.
#[async_trait]
pub(crate) trait Behind: std::fmt::Debug + Send + Sync {
    /// How it calls itself.
    fn product(&self) -> &'static str;

    /// What a session is opened with besides what the person has given, if that says that it is for this engine.
    fn settings(&self, given: &BTreeMap<String, String>) -> BTreeMap<String, String>;

    /// The connection to it, over a session that was opened on it.
    ///
    /// # Errors
    /// It can't be asked for what is needed.
    async fn connect(
        &self,
        session: Arc<Session>,
        address: &Address,
        target: &Target,
        version: &str,
        label: String,
    ) -> Result<Connection>;
}

impl HiveServer2 {
    /// The driver with the default limits.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with an engine that may be behind the server.
    #[must_use]
    pub(crate) fn with(mut self, engine: Arc<dyn Behind>) -> Self {
        self.engines.push(engine);
        self
    }
}

#[async_trait]
impl Engine for HiveServer2 {
    fn schemes(&self) -> &'static [&'static str] {
        Address::SCHEMES
    }

    fn summary(&self) -> &'static str {
        "hive2://host:port/database[;ssl=true;transportMode=http;httpPath=PATH;auth=noSasl?SETTING=V#VARIABLE=V] \
         (kyuubi://, jdbc:hive2://, jdbc:kyuubi://; kyuubi+http://host:port/database, kyuubi+https:// for Kyuubi over REST): \
         HiveServer2, Spark Thrift Server or Kyuubi; SQL, and the jobs of Kyuubi's Flink engine"
    }

    async fn connect(&self, target: &Target) -> Result<Connection> {
        if target.history.is_some() {
            return Err(
                EngineError::rejected("there is no History Server to be asked here").hint("leave out --history")
            );
        }
        let address = Address::read(&target.url)?;
        if address.kerberos.is_some() && !KERBEROS {
            return Err(EngineError::unsupported("this build does not speak Kerberos, which `principal` asks for")
                .hint("one that was built with --features kerberos does; that takes the headers of libkrb5, and libclang")
                .hint("a server may take user and password beside it (LDAP), or a token over HTTP"));
        }
        let mut opening = Opening::new(&address, target, self.limits)?;
        for engine in &self.engines {
            opening = opening.with(&engine.settings(&given(&address, target)));
        }
        let opened = tokio::select! {
            biased;
            opened = Session::open(Arc::new(opening), &target.attempt) => opened,
            mistaken = mistake::notice(&address, &target.attempt) => return Err(mistaken),
        };
        let session = match opened {
            Ok(session) => session,
            Err(error) => return Err(mistake::explain(error, &address).await),
        };
        let server = session.live().client.has_lists().then(|| {
            let lists: Arc<dyn Server> = Arc::new(Lists(Arc::clone(&session)));
            lists
        });
        let (name, version) = session.product().await;
        let label = format!("{} {}", address.family.scheme(), address.place());
        if let Some(engine) = self.engines.iter().find(|engine| engine.product() == name) {
            let connected = engine
                .connect(Arc::clone(&session), &address, target, &version, label)
                .await;
            if connected.is_err() {
                // Over REST Kyuubi would keep it: there is no connection with which it ends.
                session.live().close().await;
            }
            return Ok(Connection { server, ..connected? });
        }
        if target.rest.is_some() {
            session.live().close().await;
            return Err(
                EngineError::rejected(format!("{} has no REST address", one_line(&name))).hint("leave out --rest"),
            );
        }
        Ok(Connection {
            url: address.shown(),
            label,
            greeting: format!("{} {}", one_line(&name), one_line(&version)).trim().to_owned(),
            capabilities: Capabilities {
                variables: true,
                ..Capabilities::default()
            },
            sql: Some(Arc::new(HiveSql(session))),
            jobs: None,
            stores: None,
            server,
        })
    }
}

impl Opening {
    /// What it takes to open sessions at that address.
    ///
    /// # Errors
    /// A file can't be read, or what was given does not go together.
    fn new(address: &Address, target: &Target, limits: Limits) -> Result<Self> {
        let said = &address.credentials;
        let user = target.user.clone().or_else(|| said.user.clone());
        let password = match (&target.password, &said.password_file) {
            (Some(password), _) => Some(password.reveal().to_owned()),
            (None, Some(file)) => Some(secret(file)?),
            (None, None) => None,
        };
        let token = match (&target.security.token, &said.token_file) {
            (Some(Token::Text(token)), _) => Some(Authorization::Bearer(token.reveal().to_owned())),
            (Some(Token::File(file)), _) | (None, Some(file)) => Some(Authorization::BearerIn(file.clone())),
            (None, None) => None,
        };
        let is_http = address.mode.has_headers();
        if token.is_some() && !is_http {
            return Err(EngineError::rejected("a token can be sent over HTTP only").hint(
                ";transportMode=http in the URL, if the server speaks it; a user name and a password otherwise",
            ));
        }
        if token.is_some() && user.is_some() {
            return Err(EngineError::rejected("a user name and a token can't both be sent").hint("give one of the two"));
        }
        if token.is_some() && address.kerberos.is_some() {
            return Err(
                EngineError::rejected("a token and a ticket of Kerberos can't both be sent")
                    .hint("leave out one of the two: the token, or ;principal=… in the URL"),
            );
        }
        let headers = headers(target, said)?;
        if !headers.is_empty() && !is_http {
            return Err(EngineError::rejected("headers can be sent over HTTP only").hint("leave them out"));
        }
        let is_anonymous = user.is_none() && password.is_none();
        let user = user.unwrap_or_else(|| ANONYMOUS.to_owned());
        let password = password.unwrap_or_else(|| ANONYMOUS.to_owned());
        if user.contains('\0') || password.contains('\0') {
            return Err(EngineError::rejected("a user name or password can't hold a zero byte"));
        }
        let kerberos = address.kerberos.clone();
        let authorization = match (token, &kerberos) {
            (Some(token), _) => Some(token),
            (None, Some(Kerberos { service, .. })) => Some(Authorization::Negotiate(service.clone())),
            // A header may say who it is.
            (None, None) if is_anonymous && address.mode == Mode::Rest => None,
            (None, None) => Some(Authorization::Basic {
                user: user.clone(),
                password: password.clone(),
            }),
        };
        let transport = match &address.mode {
            Mode::NoSasl => Transport::Plain,
            Mode::Sasl if let Some(Kerberos { service, protection }) = kerberos => {
                Transport::Kerberos { service, protection }
            }
            Mode::Sasl => Transport::Sasl {
                user: user.clone(),
                password: password.clone(),
            },
            Mode::Http(path) => Transport::Http {
                path: path.clone(),
                authorization,
                headers,
            },
            Mode::Rest => Transport::Rest { authorization, headers },
        };
        Ok(Self {
            endpoint: Endpoint {
                host: address.host.clone(),
                port: address.port,
                transport,
                tls: tls(address, target)?,
            },
            discovery: address.discovery.clone(),
            limits,
            user,
            password,
            configuration: configuration(address, target),
        })
    }
}

/// The settings that the person has given.
fn given(address: &Address, target: &Target) -> BTreeMap<String, String> {
    let mut settings = address.settings.clone();
    settings.extend(target.properties.clone());
    settings
}

/// What a session is told when it is opened, as Hive's own driver writes it; a setting over REST by its own name.
fn configuration(address: &Address, target: &Target) -> BTreeMap<String, String> {
    let settings = given(address, target).into_iter().map(|(key, value)| {
        if address.mode == Mode::Rest || PROXY_USER.contains(&key.as_str()) {
            (key, value)
        } else {
            (format!("set:hiveconf:{key}"), value)
        }
    });
    let mut variables = address.variables.clone();
    variables.extend(target.variables.clone());
    let variables = variables
        .into_iter()
        .map(|(key, value)| (format!("set:hivevar:{key}"), value));
    let database = address.database.clone().map(|name| ("use:database".to_owned(), name));
    let proxy = address.proxy_user.clone().map(|user| (PROXY_USER[0].to_owned(), user));
    settings.chain(variables).chain(database).chain(proxy).collect()
}

fn tls(address: &Address, target: &Target) -> Result<Option<Tls>> {
    let (said, given) = (&address.credentials, &target.security);
    let authorities = given.ca.as_ref().or(said.ca.as_ref());
    let cert = given.cert.as_ref().or(said.cert.as_ref());
    let key = given.key.as_ref().or(said.key.as_ref());
    if !address.tls {
        if authorities.is_some() || cert.is_some() || key.is_some() {
            return Err(EngineError::rejected("certificates are of no use without TLS").hint(";ssl=true in the URL"));
        }
        return Ok(None);
    }
    let identity = match (cert, key) {
        (Some(cert), key) => Some((pem(cert)?, pem(key.unwrap_or(cert))?)),
        (None, None) => None,
        (None, Some(_)) => {
            return Err(EngineError::rejected("a key without a certificate proves nothing")
                .hint("--cert FILE (in the URL ;cert=FILE) names the certificate that it belongs to"));
        }
    };
    Ok(Some(Tls {
        authorities: authorities.map(|file| pem(file)).transpose()?,
        identity,
    }))
}

fn headers(target: &Target, said: &Credentials) -> Result<Vec<Header>> {
    let mut headers: Vec<_> = target
        .security
        .headers
        .iter()
        .map(|(name, value)| Header(name.clone(), value.reveal().to_owned()))
        .collect();
    if let Some(file) = &said.header_file {
        let text = String::from_utf8_lossy(&read(file)?).into_owned();
        for header in read_headers(&text) {
            let (name, value) = header
                .map_err(|line| EngineError::rejected(format!("{}: line {line} is not NAME: VALUE", file.display())))?;
            // What is given on the command line takes the place of what the URL says.
            if !headers.iter().any(|Header(given, _)| given.eq_ignore_ascii_case(&name)) {
                headers.push(Header(name, value.reveal().to_owned()));
            }
        }
    }
    Ok(headers)
}

fn pem(file: &Path) -> Result<Pem> {
    Ok(Pem {
        name: file.display().to_string(),
        text: read(file)?,
    })
}

fn secret(file: &Path) -> Result<String> {
    let text = String::from_utf8_lossy(&read(file)?).into_owned();
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn read(file: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|file| file.take(FILE_LIMIT).read_to_end(&mut bytes))
        .map_err(|cause| EngineError::rejected(format!("{} can't be read: {cause}", file.display())))?;
    Ok(bytes)
}

#[cfg(all(test, not(feature = "kerberos")))]
mod tests {
    use skep_engine::ErrorKind;

    use super::*;

    #[tokio::test]
    async fn a_build_without_kerberos_says_which_has_it() {
        for mode in ["", ";transportMode=http"] {
            let target = Target::new(format!("hive2://127.0.0.1:1/{mode};principal=hive/_HOST@R"), "");
            let error = HiveServer2::new().connect(&target).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Unsupported);
            assert!(error.hints[0].contains("--features kerberos"), "{error:?}");
        }
    }
}
