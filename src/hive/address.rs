//! The URLs of HiveServer2, as its JDBC driver has them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use skep_engine::{EngineError, Result};
use skep_hive::{Principal, Protection};
use url::{Host, Url};

use super::discovery::{self, Discovery};
use crate::syntax::secrets::is_secret_key;

/// Whose URL it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// HiveServer2's.
    Hive,
    /// Kyuubi's.
    Kyuubi,
}

impl Family {
    /// The scheme that is shown.
    pub(crate) const fn scheme(self) -> &'static str {
        match self {
            Self::Hive => "hive2",
            Self::Kyuubi => "kyuubi",
        }
    }

    /// Where a URL without a port leads, over TCP and over HTTP: the defaults of `hive.server2.thrift.port` and
    /// `hive.server2.thrift.http.port`, and of `kyuubi.frontend.thrift.binary.bind.port` and
    /// `kyuubi.frontend.thrift.http.bind.port`.
    const fn ports(self) -> [u16; 2] {
        match self {
            Self::Hive => [10000, 10001],
            Self::Kyuubi => [10009, 10010],
        }
    }
}

/// The path of a URL without one: the default of `hive.server2.thrift.http.path`.
pub(crate) const HTTP_PATH: &str = "cliservice";

/// What is spoken at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mode {
    /// TCP and SASL.
    Sasl,
    /// TCP alone.
    NoSasl,
    /// HTTP at that path.
    Http(String),
    /// Kyuubi's REST API.
    Rest,
}

impl Mode {
    /// Whether requests have headers.
    pub(crate) const fn has_headers(&self) -> bool {
        matches!(self, Self::Http(_) | Self::Rest)
    }
}

/// The port of a URL of the REST API without one: the default of `kyuubi.frontend.rest.bind.port`.
const REST_PORT: u16 = 10099;

/// What a server is in Kerberos over HTTP, in front of its host (RFC 4559). Kyuubi takes tickets for no other.
const SPNEGO: &str = "HTTP";

/// For whom a session is opened by somebody else, as Hive's and Kyuubi's drivers say it. A server looks for them as they
/// are, not among the settings.
pub(crate) const PROXY_USER: [&str; 2] = ["hive.server2.proxy.user", "kyuubi.session.proxy.user"];

/// Files and names of who the shell is, and of whom it trusts. Never a secret itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) user: Option<String>,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) password_file: Option<PathBuf>,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) header_file: Option<PathBuf>,
}

/// A server that users log in to by Kerberos.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kerberos {
    /// The server's name there.
    pub(crate) service: Principal,
    /// What SASL's frames must be protected by.
    pub(crate) protection: Option<Protection>,
}

impl Kerberos {
    /// The same where something else is spoken; none where that has no Kerberos, or the server another name there that nobody
    /// can know.
    pub(crate) fn over(self, mode: &Mode) -> Option<Self> {
        let service = self.service.to_string();
        let (name, host) = service.split_once('/')?;
        let service = match mode {
            Mode::NoSasl => return None,
            Mode::Sasl if name == SPNEGO => return None,
            Mode::Sasl | Mode::Http(_) => self.service,
            Mode::Rest => Principal::new(format!("{SPNEGO}/{host}")),
        };
        let protection = self.protection.filter(|_| *mode == Mode::Sasl);
        Some(Self { service, protection })
    }
}

/// A URL taken apart: `jdbc:hive2://host:port/database;option=value?setting=value#variable=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// Whose it is.
    pub(crate) family: Family,
    /// Name or address, an IPv6 one without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Where servers are to be looked for, of which `host` and `port` are then none.
    pub(crate) discovery: Option<Discovery>,
    /// The database that a session begins in.
    pub(crate) database: Option<String>,
    pub(crate) mode: Mode,
    pub(crate) kerberos: Option<Kerberos>,
    pub(crate) tls: bool,
    pub(crate) credentials: Credentials,
    /// For whom the session is opened, if not for who opens it.
    pub(crate) proxy_user: Option<String>,
    /// Settings of the session (`hiveconf`).
    pub(crate) settings: BTreeMap<String, String>,
    /// Variables of the session (`hivevar`).
    pub(crate) variables: BTreeMap<String, String>,
}

impl Address {
    /// The URL schemes, the preferred one first.
    pub(crate) const SCHEMES: &[&str] = &[
        "hive2",
        "jdbc:hive2",
        "kyuubi",
        "jdbc:kyuubi",
        "kyuubi+http",
        "kyuubi+https",
    ];

    /// Takes a URL apart.
    ///
    /// # Errors
    /// [`skep_engine::ErrorKind::Rejected`]; the message does not repeat the text, which may hold a password.
    pub(crate) fn read(text: &str) -> Result<Self> {
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| malformed("there is no `://` in it"))?;
        // Over REST the scheme says whether there is TLS.
        let (family, rest_tls) = match scheme {
            "hive2" | "jdbc:hive2" => (Family::Hive, None),
            "kyuubi" | "jdbc:kyuubi" => (Family::Kyuubi, None),
            "kyuubi+http" => (Family::Kyuubi, Some(false)),
            "kyuubi+https" => (Family::Kyuubi, Some(true)),
            _ => return Err(malformed("its scheme is unknown")),
        };
        let (rest, variables) = rest.split_once('#').unwrap_or((rest, ""));
        let (rest, settings) = rest.split_once('?').unwrap_or((rest, ""));
        let (place, options) = rest.split_once(';').unwrap_or((rest, ""));
        let (authority, database) = place.split_once('/').unwrap_or((place, ""));
        let mut options = Options::read(options)?;
        let namespace = options.namespace(family)?;
        if authority.contains(',') && namespace.is_none() {
            return Err(malformed("it names several servers")
                .hint("name the one to connect to, or ;serviceDiscoveryMode=zooKeeper if they are ZooKeeper's"));
        }
        let mode = match rest_tls {
            None => options.mode()?,
            Some(_) => options.rest(namespace.is_some())?,
        };
        let kerberos = options.kerberos(&mode)?;
        let [tcp, http] = family.ports();
        let default_port = match (&namespace, &mode) {
            (Some(_), _) => discovery::PORT,
            (None, Mode::Http(_)) => http,
            (None, Mode::Rest) => REST_PORT,
            (None, _) => tcp,
        };
        let mut servers = Vec::new();
        for server in authority.split(',') {
            servers.push(read_authority(server, default_port)?);
        }
        let (host, port) = servers
            .first()
            .cloned()
            .ok_or_else(|| malformed("there is no host in it"))?;
        let discovery = namespace.map(|namespace| Discovery {
            ensemble: servers,
            namespace,
            mode: mode.clone(),
        });
        let tls = match rest_tls {
            Some(tls) => tls,
            None => options.tls()?,
        };
        let proxy_user = options.proxy_user()?;
        Ok(Self {
            family,
            host,
            port,
            discovery,
            database: Some(database.to_owned()).filter(|name| !name.is_empty()),
            mode,
            kerberos,
            tls,
            credentials: options.credentials()?,
            proxy_user,
            settings: read_pairs(settings)?,
            variables: read_pairs(variables)?,
        })
    }

    /// The server as `host:port`; the servers of ZooKeeper and the namespace, if it is to be looked for.
    pub(crate) fn place(&self) -> String {
        match &self.discovery {
            None => written(&self.host, self.port),
            Some(discovery) => format!("{}/{}", written_all(&discovery.ensemble), discovery.namespace),
        }
    }

    /// The first server that it names, as `host:port`.
    pub(crate) fn server(&self) -> String {
        written(&self.host, self.port)
    }

    /// The URL in its plain form: fit to be shown and stored, and the same for every way to write it.
    pub(crate) fn shown(&self) -> String {
        let database = self.database.as_deref().unwrap_or_default();
        let (scheme, tls) = match (&self.mode, self.tls) {
            (Mode::Rest, true) => ("kyuubi+https", ""),
            (Mode::Rest, false) => ("kyuubi+http", ""),
            (_, true) => (self.family.scheme(), ";ssl=true"),
            (_, false) => (self.family.scheme(), ""),
        };
        let mode = match &self.mode {
            Mode::Sasl | Mode::Rest => String::new(),
            Mode::NoSasl => ";auth=noSasl".to_owned(),
            Mode::Http(path) => format!(";transportMode=http;httpPath={path}"),
        };
        let kerberos = self.kerberos.as_ref().map_or_else(String::new, |kerberos| {
            let protection = kerberos
                .protection
                .map(|protection| format!(";saslQop={}", protection.word()));
            format!(";principal={}{}", kerberos.service, protection.unwrap_or_default())
        });
        let (place, found) = match &self.discovery {
            None => (written(&self.host, self.port), String::new()),
            Some(discovery) => (
                written_all(&discovery.ensemble),
                format!(
                    ";serviceDiscoveryMode=zooKeeper;zooKeeperNamespace={}",
                    discovery.namespace
                ),
            ),
        };
        format!("{scheme}://{place}/{database}{tls}{mode}{kerberos}{found}")
    }
}

/// The options of a URL, each taken by whoever knows it.
struct Options(BTreeMap<String, String>);

impl Options {
    fn read(text: &str) -> Result<Self> {
        Ok(Self(read_pairs(text)?))
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let key = self.0.keys().find(|key| key.eq_ignore_ascii_case(name))?.clone();
        self.0.remove(&key)
    }

    /// The node of ZooKeeper below which servers are to be looked for, if they are.
    fn namespace(&mut self, family: Family) -> Result<Option<String>> {
        let namespace = self.take("zooKeeperNamespace");
        match self.take("serviceDiscoveryMode") {
            None if namespace.is_some() => Err(malformed(
                "`zooKeeperNamespace` says nothing without `serviceDiscoveryMode`",
            )
            .hint("add ;serviceDiscoveryMode=zooKeeper")),
            None => Ok(None),
            Some(mode) if mode.eq_ignore_ascii_case("zooKeeper") => {
                let default = match family {
                    Family::Hive => "hiveserver2",
                    Family::Kyuubi => "kyuubi",
                };
                let namespace = namespace.unwrap_or_else(|| default.to_owned());
                Ok(Some(namespace.trim_matches('/').to_owned()))
            }
            Some(_) => Err(malformed("its `serviceDiscoveryMode` is not known").hint("`zooKeeper` is")),
        }
    }

    /// The server's name in Kerberos, under the name that Hive's driver has for it or Kyuubi's.
    fn kerberos(&mut self, mode: &Mode) -> Result<Option<Kerberos>> {
        let services = [self.take("principal"), self.take("kyuubiServerPrincipal")];
        let protections = [self.take("saslQop"), self.take("sasl.qop")];
        let protection = protections.into_iter().flatten().next();
        let Some(service) = services.into_iter().flatten().next() else {
            return match protection {
                Some(_) => Err(malformed("`saslQop` says nothing without `principal`")),
                None => Ok(None),
            };
        };
        if *mode == Mode::NoSasl {
            return Err(malformed("`auth=noSasl` and `principal` can't both be"));
        }
        if protection.is_some() && *mode != Mode::Sasl {
            return Err(malformed("`saslQop` says nothing over HTTP").hint("TLS protects what goes there: ;ssl=true"));
        }
        let is_whole = service
            .split_once('/')
            .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !service.contains(char::is_whitespace));
        if !is_whole {
            return Err(malformed("its `principal` is none of a server").hint("such as hive/_HOST@EXAMPLE.ORG"));
        }
        if *mode == Mode::Rest
            && let Some((name, rest)) = service.split_once('/')
            && name != SPNEGO
        {
            return Err(
                malformed("a server of Kyuubi's REST API is HTTP/… in Kerberos (kyuubi.spnego.principal)")
                    .hint(format!("write ;principal={SPNEGO}/{rest}")),
            );
        }
        let protection = protection
            .map(|word| {
                Protection::of_word(&word).ok_or_else(|| {
                    malformed("its `saslQop` is not known").hint("`auth`, `auth-int` and `auth-conf` are")
                })
            })
            .transpose()?;
        let service = Principal::new(service);
        Ok(Some(Kerberos { service, protection }))
    }

    fn mode(&mut self) -> Result<Mode> {
        let auth = self.take("auth").map(|auth| auth.to_ascii_lowercase());
        let transport = self.take("transportMode").map(|mode| mode.to_ascii_lowercase());
        let path = self.take("httpPath");
        let no_sasl = match auth.as_deref() {
            None | Some("none" | "ldap" | "pam" | "custom" | "plain" | "kerberos") => false,
            Some("nosasl") => true,
            Some(_) => return Err(malformed("its `auth` is not known").hint("`noSasl` is, and leaving it out")),
        };
        match transport.as_deref() {
            Some("http") => {
                let path = path.unwrap_or_else(|| HTTP_PATH.to_owned());
                Ok(Mode::Http(path.trim_matches('/').to_owned()))
            }
            None | Some("binary") if path.is_some() => {
                Err(malformed("`httpPath` says nothing without `transportMode=http`"))
            }
            None | Some("binary") if no_sasl => Ok(Mode::NoSasl),
            None | Some("binary") => Ok(Mode::Sasl),
            Some(_) => Err(malformed("its `transportMode` is neither `binary` nor `http`")),
        }
    }

    /// Of a URL of the REST API, which says all of that by its scheme.
    fn rest(&mut self, is_discovered: bool) -> Result<Mode> {
        if is_discovered {
            return Err(
                malformed("servers register their Thrift address in ZooKeeper, not the one of REST")
                    .hint("name the server itself, or write kyuubi:// for Thrift"),
            );
        }
        match ["transportMode", "httpPath", "auth", "ssl"]
            .into_iter()
            .find(|name| self.take(name).is_some())
        {
            None => Ok(Mode::Rest),
            Some(name) => Err(malformed(&format!("`{name}` is an option of Thrift"))
                .hint("kyuubi+https:// is REST over TLS, kyuubi+http:// without, and kyuubi:// is Thrift")),
        }
    }

    /// For whom the session is to be opened.
    fn proxy_user(&mut self) -> Result<Option<String>> {
        let said: Vec<_> = PROXY_USER.into_iter().filter_map(|name| self.take(name)).collect();
        match said.as_slice() {
            [first, second] if first != second => Err(malformed("it names two proxy users")),
            said => Ok(said.first().cloned().filter(|name| !name.is_empty())),
        }
    }

    fn tls(&mut self) -> Result<bool> {
        match self.take("ssl").map(|ssl| ssl.to_ascii_lowercase()).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(malformed("its `ssl` is neither `true` nor `false`")),
        }
    }

    /// What is left must be credentials.
    fn credentials(mut self) -> Result<Credentials> {
        let mut file = |name: &str| self.take(name).map(PathBuf::from);
        let trust_store = file("sslTrustStore");
        let credentials = Credentials {
            ca: file("ca").or(trust_store),
            cert: file("cert"),
            key: file("key"),
            password_file: file("password-file"),
            token_file: file("token-file"),
            header_file: file("header-file"),
            user: self.take("user"),
        };
        match self.0.into_keys().next() {
            None => Ok(credentials),
            Some(key) if ["sslkeystore", "twoway"].contains(&key.to_ascii_lowercase().as_str()) => {
                Err(malformed(&format!("a Java keystore, and so {key:?}, is not read"))
                    .hint("certificate and key in PEM: ;cert=FILE;key=FILE"))
            }
            Some(key) => Err(malformed(&format!("its option {key:?} is not known"))
                .hint("a setting of the session stands behind `?`, a variable behind `#`")),
        }
    }
}

/// `host:port`.
fn written(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// `host:port,host:port`.
fn written_all(servers: &[(String, u16)]) -> String {
    let servers: Vec<_> = servers.iter().map(|(host, port)| written(host, *port)).collect();
    servers.join(",")
}

/// `host[:port]`.
pub(crate) fn read_authority(text: &str, default_port: u16) -> Result<(String, u16)> {
    let url = Url::parse(&format!("http://{text}")).map_err(|error| malformed(&error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(malformed("user and password don't belong there").hint("give them as -n USER and -p"));
    }
    let host = match url.host() {
        Some(Host::Ipv6(address)) => address.to_string(),
        Some(host) => host.to_string(),
        None => return Err(malformed("there is no host in it")),
    };
    // What `%2C` stands for, say: it would part two servers, or begin the settings, wherever the URL is read again.
    if host.contains([',', ';']) {
        return Err(malformed("there is a `,` or `;` in its host"));
    }
    // `Url` takes 80 away, which is HTTP's own.
    let port = url.port().or(text.ends_with(":80").then_some(80));
    Ok((host, port.unwrap_or(default_port)))
}

/// `k=v;k=v`.
fn read_pairs(text: &str) -> Result<BTreeMap<String, String>> {
    let mut pairs = BTreeMap::new();
    for pair in text.split(';').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair
            .split_once('=')
            .filter(|(key, _)| !key.is_empty())
            .ok_or_else(|| malformed("something in it is not KEY=VALUE"))?;
        if is_secret_key(key) {
            // Everybody on the machine can read the command line, and the history keeps what is typed.
            return Err(malformed("a secret does not belong there").hint(
                "a password is given as -p or -w FILE (in the URL ;password-file=FILE), a token as --token-file FILE; a \
                 trust store in PEM has no password",
            ));
        }
        if pairs.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(malformed("something in it stands twice"));
        }
    }
    Ok(pairs)
}

fn malformed(why: &str) -> EngineError {
    EngineError::rejected(format!("the URL is not HiveServer2's or Kyuubi's: {why}"))
        .hint("write hive2://host:port/database;option=value?setting=value#variable=value, or kyuubi://, or kyuubi+http:// for its REST API")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use skep_engine::ErrorKind;

    use super::*;

    fn read(text: &str) -> Address {
        Address::read(text).unwrap()
    }

    #[test]
    fn a_url_is_read_and_written_plainly() {
        for (text, shown) in [
            ("jdbc:hive2://h", "hive2://h:10000/"),
            ("hive2://h:1/", "hive2://h:1/"),
            ("hive2://h:80/db", "hive2://h:80/db"),
            ("hive2://[::1]:1/db", "hive2://[::1]:1/db"),
            (
                "hive2://h/db;transportMode=http",
                "hive2://h:10001/db;transportMode=http;httpPath=cliservice",
            ),
            (
                "jdbc:hive2://h:1/db;transportMode=HTTP;ssl=TRUE;httpPath=/gw/hive/",
                "hive2://h:1/db;ssl=true;transportMode=http;httpPath=gw/hive",
            ),
            ("hive2://h/;auth=NOSASL", "hive2://h:10000/;auth=noSasl"),
            ("jdbc:kyuubi://h/db", "kyuubi://h:10009/db"),
            (
                "jdbc:hive2://a,b:1/db;serviceDiscoveryMode=ZOOKEEPER;ssl=true",
                "hive2://a:2181,b:1/db;ssl=true;serviceDiscoveryMode=zooKeeper;zooKeeperNamespace=hiveserver2",
            ),
            (
                "kyuubi://a;serviceDiscoveryMode=zooKeeper;zooKeeperNamespace=/x/y",
                "kyuubi://a:2181/;serviceDiscoveryMode=zooKeeper;zooKeeperNamespace=x/y",
            ),
            (
                "jdbc:hive2://h/db;principal=hive/_HOST@EX.ORG;sasl.qop=auth-conf",
                "hive2://h:10000/db;principal=hive/_HOST@EX.ORG;saslQop=auth-conf",
            ),
            (
                "kyuubi://h;auth=KERBEROS;kyuubiServerPrincipal=kyuubi/gw@R;transportMode=http",
                "kyuubi://h:10010/;transportMode=http;httpPath=cliservice;principal=kyuubi/gw@R",
            ),
            (
                "kyuubi://h;transportMode=http",
                "kyuubi://h:10010/;transportMode=http;httpPath=cliservice",
            ),
            ("kyuubi+http://h", "kyuubi+http://h:10099/"),
            ("kyuubi+https://[::1]:443/db", "kyuubi+https://[::1]:443/db"),
            (
                "kyuubi+http://h/db;kyuubiServerPrincipal=HTTP/_HOST@R",
                "kyuubi+http://h:10099/db;principal=HTTP/_HOST@R",
            ),
        ] {
            let address = read(text);
            assert_eq!(address.shown(), shown, "{text}");
            assert_eq!(read(shown), address, "{text}");
        }
    }

    #[test]
    fn every_part_is_found() {
        let address = read("jdbc:hive2://h/db;user=me;ssl=true;sslTrustStore=/ca.pem?a.b=1;c=x=y#v=2");
        assert_eq!(address.database.as_deref(), Some("db"));
        assert_eq!(address.credentials.user.as_deref(), Some("me"));
        assert_eq!(address.credentials.ca, Some("/ca.pem".into()));
        let pairs = |pairs: &BTreeMap<String, String>| format!("{pairs:?}");
        assert_eq!(pairs(&address.settings), r#"{"a.b": "1", "c": "x=y"}"#);
        assert_eq!(pairs(&address.variables), r#"{"v": "2"}"#);
        let address = read("kyuubi+https://h/db;hive.server2.proxy.user=bob?a=b#v=1");
        assert_eq!((address.mode, address.tls), (Mode::Rest, true));
        assert_eq!(address.proxy_user.as_deref(), Some("bob"));
        assert_eq!(
            read("hive2://h;kyuubi.session.proxy.user=x").proxy_user.as_deref(),
            Some("x")
        );
    }

    #[test]
    fn what_can_not_be_is_refused_without_being_repeated() {
        for text in [
            "hive2:h",
            "hive3://h",
            "hive2:///db",
            "hive2://u:geheim@h",
            "hive2://h;password=geheim",
            "hive2://h;trustStorePassword=geheim",
            "hive2://h?x.secret.key=geheim",
            "hive2://h;geheim",
            "hive2://h;a=1;a=2",
            "hive2://h;transportMode=smoke",
            "hive2://h;httpPath=x",
            "hive2://h;auth=geheim",
            "hive2://h;principal=geheim",
            "hive2://h;principal=hive/",
            "hive2://h;principal=hive/a b@R",
            "hive2://h;principal=hive/_HOST@R;auth=noSasl",
            "hive2://h;principal=hive/_HOST@R;saslQop=geheim",
            "hive2://h;principal=hive/_HOST@R;saslQop=auth;transportMode=http",
            "hive2://h;saslQop=auth",
            "hive2://h;ssl=true;sslKeyStore=/k.jks",
            "hive2://a:1,b:2/",
            "hive2://a:1,b:99999/;serviceDiscoveryMode=zooKeeper",
            "hive2://a:1/;serviceDiscoveryMode=zooKeeperHA",
            "hive2://a:1/;zooKeeperNamespace=x",
            "hive2://h:99999",
            "hive2://a%2Cb",
            "kyuubi+http://h;ssl=true",
            "kyuubi+http://h;auth=geheim",
            "kyuubi+http://h;transportMode=http",
            "kyuubi+http://h;principal=geheim",
            "kyuubi+http://h;principal=HTTP/_HOST@R;saslQop=auth",
            "kyuubi+http://h;serviceDiscoveryMode=zooKeeper",
            "kyuubi+http://h;hive.server2.proxy.user=a;kyuubi.session.proxy.user=geheim",
            "kyuubi+ftp://h",
        ] {
            let error = Address::read(text).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Rejected, "{text}");
            assert!(!format!("{error:?}").contains("geheim"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "((jdbc:)?hive2|kyuubi\\+https?)://[ -~é]{0,40}") {
            if let Ok(address) = Address::read(&text) {
                prop_assert_eq!(Address::read(&address.shown()).map(|again| again.shown()).ok(), Some(address.shown()));
            }
        }
    }
}
