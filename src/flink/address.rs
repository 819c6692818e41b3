//! The URLs of Flink's servers.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use skep_engine::{EngineError, Result, Target};
use url::Url;

use crate::syntax::secrets::is_secret_key;

/// Where a URL without a port leads: Flink's defaults of `sql-gateway.endpoint.rest.port`, `rest.port` and
/// `historyserver.web.port`.
const GATEWAY_PORT: u16 = 8083;
const REST_PORT: u16 = 8081;
const HISTORY_PORT: u16 = 8082;

/// Where a URL over TLS without a port leads: such servers stand behind a proxy, as Flink's own have no TLS by default.
const TLS_PORT: u16 = 443;

/// What stands at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// A SQL Gateway.
    Gateway,
    /// A JobManager, which serves the cluster's REST interface.
    JobManager,
    /// A History Server.
    HistoryServer,
}

impl Server {
    /// The option of Flink's that says its port, and that option's default.
    const fn port(self) -> (&'static str, u16) {
        match self {
            Self::Gateway => ("sql-gateway.endpoint.rest.port", GATEWAY_PORT),
            Self::JobManager => ("rest.port", REST_PORT),
            Self::HistoryServer => ("historyserver.web.port", HISTORY_PORT),
        }
    }

    /// The scheme of its URL, without TLS.
    pub(crate) const fn scheme(self) -> &'static str {
        match self {
            Self::Gateway => "flink",
            Self::JobManager | Self::HistoryServer => "flink-rest",
        }
    }

    /// What a person can look at when nobody answers at its address.
    pub(crate) fn question(self) -> String {
        let (option, port) = self.port();
        format!("is the {self} up, and is this its REST address ({option}, {port} unless it is set)?")
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gateway => "SQL Gateway",
            Self::JobManager => "JobManager",
            Self::HistoryServer => "History Server",
        })
    }
}

/// What a URL says of who the shell is at one server, and of whom to trust there. Never a secret itself, but the file that
/// it is in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The authorities that are trusted instead of the system's (`ca`).
    pub ca: Option<PathBuf>,
    /// The client certificate (`cert`).
    pub cert: Option<PathBuf>,
    /// Its private key (`key`).
    pub key: Option<PathBuf>,
    /// A Bearer token (`token-file`).
    pub token_file: Option<PathBuf>,
    /// Headers of every request (`header-file`).
    pub header_file: Option<PathBuf>,
    /// User name (`user`).
    pub user: Option<String>,
    /// The user's password (`password-file`).
    pub password_file: Option<PathBuf>,
}

impl Credentials {
    /// Takes an option; whether there is one of that name.
    fn take(&mut self, name: &str, value: &str) -> bool {
        let file = match name {
            "ca" => &mut self.ca,
            "cert" => &mut self.cert,
            "key" => &mut self.key,
            "token-file" => &mut self.token_file,
            "header-file" => &mut self.header_file,
            "password-file" => &mut self.password_file,
            "user" => {
                self.user = Some(value.to_owned());
                return true;
            }
            _ => return false,
        };
        *file = Some(value.into());
        true
    }
}

/// A Flink URL taken apart.
///
/// `flink://host:port[/path]`, `flink+https://…` and `jdbc:flink://host:port[/catalog[/database]]` are a SQL Gateway's,
/// `flink-rest://host:port[/path]` and `flink-rest+https://…` a JobManager's. Options follow as `;k=v;k=v`, or as Flink's
/// JDBC driver has them, `?k=v&k=v`; a character that ends a value is written `%3B`, `%26`, and `%` itself `%25`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// What stands there.
    pub server: Server,
    /// Where requests go: `http` or `https`.
    pub url: Url,
    /// The URL in its plain form, without options: fit to be shown and stored, and the same for every way to write it.
    pub shown: String,
    /// The cluster's REST address, if it is given (`rest`).
    pub rest: Option<Url>,
    /// The History Server's address, if it is given (`history`).
    pub history: Option<Url>,
    /// The catalog that a session begins in, of a `jdbc:flink` URL.
    pub catalog: Option<String>,
    /// The database that a session begins in.
    pub database: Option<String>,
    /// What holds for the server itself, and for the two beside it unless they have their own.
    pub credentials: Credentials,
    /// What holds for the cluster's REST address alone (`rest.ca`, …).
    pub rest_credentials: Credentials,
    /// What holds for the History Server alone (`history.ca`, …).
    pub history_credentials: Credentials,
    /// Every other option: properties of the session, over which [`Target::properties`] win.
    pub properties: BTreeMap<String, String>,
}

impl Address {
    /// The URL schemes of a SQL Gateway, the preferred one first.
    pub const GATEWAY_SCHEMES: &[&str] = &["flink", "flink+https", "jdbc:flink"];

    /// The URL schemes of a JobManager, the preferred one first.
    pub const REST_SCHEMES: &[&str] = &["flink-rest", "flink-rest+https"];

    /// Takes a URL apart.
    ///
    /// # Errors
    /// [`skep_engine::ErrorKind::Rejected`]; the message does not repeat the text, which may hold a password.
    pub fn read(text: &str) -> Result<Self> {
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| malformed("there is no `://` in it"))?;
        let (server, tls) = match scheme {
            "flink" | "jdbc:flink" => (Server::Gateway, false),
            "flink+https" => (Server::Gateway, true),
            "flink-rest" => (Server::JobManager, false),
            "flink-rest+https" => (Server::JobManager, true),
            _ => return Err(malformed("its scheme is unknown")),
        };
        let (place, options) = match rest.find([';', '?']) {
            Some(at) if rest[at..].starts_with('?') => (&rest[..at], read_options(&rest[at + 1..], '&')?),
            Some(at) => (&rest[..at], read_options(&rest[at + 1..], ';')?),
            None => (rest, BTreeMap::new()),
        };
        let port = if tls { TLS_PORT } else { server.port().1 };
        let mut url = read_place(place, tls, port)?;
        let (mut catalog, mut database) = (None, None);
        if scheme == "jdbc:flink" {
            (catalog, database) = read_names(&url)?;
            url.set_path("");
        }
        let mut address = Self {
            server,
            shown: shown(server, &url),
            url,
            rest: None,
            history: None,
            catalog,
            database,
            credentials: Credentials::default(),
            rest_credentials: Credentials::default(),
            history_credentials: Credentials::default(),
            properties: BTreeMap::new(),
        };
        for (key, value) in options {
            address.take_option(key, value)?;
        }
        Ok(address)
    }

    /// The URL of a target taken apart, with the addresses that the command line gives besides: these win.
    ///
    /// # Errors
    /// See [`Address::read`] and [`read_server`].
    pub fn of(target: &Target) -> Result<Self> {
        let mut address = Self::read(&target.url)?;
        if let Some(rest) = &target.rest {
            address.rest = Some(read_server(rest, Server::JobManager)?);
        }
        if let Some(history) = &target.history {
            address.history = Some(read_server(history, Server::HistoryServer)?);
        }
        Ok(address)
    }

    fn take_option(&mut self, key: String, value: String) -> Result<()> {
        if is_secret_key(&key) {
            // Everybody on the machine can read the command line, and the history keeps what is typed.
            return Err(malformed("a secret does not belong there")
                .hint("a password is given as -p or -w FILE, a token as --token-file FILE, a property by SET"));
        }
        let is_taken = match key.split_once('.') {
            None => self.credentials.take(&key, &value),
            Some(("rest", name)) => self.rest_credentials.take(name, &value),
            Some(("history", name)) => self.history_credentials.take(name, &value),
            Some(_) => false,
        };
        match key.as_str() {
            _ if is_taken => {}
            "rest" => self.rest = Some(read_server(&value, Server::JobManager)?),
            "history" => self.history = Some(read_server(&value, Server::HistoryServer)?),
            _ => {
                self.properties.insert(key, value);
            }
        }
        Ok(())
    }
}

/// The address of a server that another server's configuration names by host and port. A loopback address, or one that
/// stands for all, means the machine of the server that was reached at `beside`.
pub(super) fn server_beside(host: &str, port: Option<&str>, tls: bool, server: Server, beside: &Url) -> Option<Url> {
    let host = Some(host.trim()).filter(|host| !host.is_empty())?;
    let own = host
        .parse::<IpAddr>()
        .is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified());
    let host = if own || host == "localhost" {
        beside.host_str()?
    } else {
        host
    };
    let bare_v6 = host.contains(':') && !host.starts_with('[');
    let host = if bare_v6 { format!("[{host}]") } else { host.to_owned() };
    let port = match port.map(str::trim).filter(|port| !port.is_empty()) {
        Some(port) => port.parse().ok()?,
        None => server.port().1,
    };
    let scheme = if tls { "https" } else { "http" };
    Url::parse(&format!("{scheme}://{host}:{port}")).ok()
}

/// Reads the address of a JobManager or History Server that stands beside another: `host:port`, `http://…`, `https://…`,
/// `flink-rest://…` or `flink-rest+https://…`.
///
/// # Errors
/// [`skep_engine::ErrorKind::Rejected`]; the message does not repeat the text.
pub fn read_server(text: &str, server: Server) -> Result<Url> {
    let (_, port) = server.port();
    let (place, tls, port) = match text.split_once("://") {
        None => (text, false, port),
        Some(("flink-rest", place)) => (place, false, port),
        Some(("flink-rest+https", place)) => (place, true, TLS_PORT),
        Some(("http", place)) => (place, false, 80),
        Some(("https", place)) => (place, true, TLS_PORT),
        Some(_) => return Err(not_a_server(server, "its scheme is unknown")),
    };
    if place.contains([';', '?']) {
        return Err(not_a_server(server, "nothing may follow the path"));
    }
    read_place(place, tls, port).map_err(|error| {
        let why = error.message.rsplit(": ").next().unwrap_or_default().to_owned();
        not_a_server(server, &why)
    })
}

/// `host[:port][/path]`.
fn read_place(place: &str, tls: bool, default_port: u16) -> Result<Url> {
    let http = if tls { "https" } else { "http" };
    // `Url` drops the port that is its scheme's own, so that `:80` and no port at all look the same: the other scheme's
    // is read first, which tells them apart.
    let plain =
        |scheme: &str| Url::parse(&format!("{scheme}://{place}")).map_err(|error| malformed(&error.to_string()));
    let mut url = plain(http)?;
    if place.starts_with('/') {
        return Err(malformed("there is no host in it"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(malformed("user and password don't belong there").hint("give them as -n USER and -p"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(malformed("nothing may follow the path"));
    }
    // In a host's name U+037E stands for `;`, behind which the options would begin wherever the URL is read again.
    if url.host_str().is_some_and(|host| host.contains(';')) {
        return Err(malformed("there is a `;` in its host"));
    }
    let written = url.port().or(plain(if tls { "http" } else { "https" })?.port());
    url.set_port(Some(written.unwrap_or(default_port)))
        .map_err(|()| malformed("there is no host in it"))?;
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// `k=v` and `k=v`, with that character between.
fn read_options(text: &str, separator: char) -> Result<BTreeMap<String, String>> {
    let mut options = BTreeMap::new();
    for option in text.split(separator).filter(|option| !option.is_empty()) {
        let (key, value) = option
            .split_once('=')
            .filter(|(key, _)| !key.is_empty())
            .ok_or_else(|| malformed("an option in it is not KEY=VALUE"))?;
        let (key, value) = (decode(key)?, decode(value)?);
        if options.insert(key, value).is_some() {
            return Err(malformed("an option in it stands twice"));
        }
    }
    Ok(options)
}

fn decode(text: &str) -> Result<String> {
    let decoded = percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| malformed("what its %XX stand for is not UTF-8"))?;
    Ok(decoded.into_owned())
}

/// The path of a `jdbc:flink` URL, `/catalog/database`, both optional.
fn read_names(url: &Url) -> Result<(Option<String>, Option<String>)> {
    let mut names = url.path().trim_start_matches('/').split('/').map(decode);
    let catalog = names.next().transpose()?.filter(|name| !name.is_empty());
    let database = names.next().transpose()?;
    if names.next().is_some() || database.as_ref().is_some_and(String::is_empty) {
        return Err(malformed("its path is not /catalog/database"));
    }
    Ok((catalog, database))
}

fn shown(server: Server, url: &Url) -> String {
    let scheme = server.scheme();
    let tls = if url.scheme() == "https" { "+https" } else { "" };
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    let path = url.path().trim_end_matches('/');
    format!("{scheme}{tls}://{host}:{port}{path}")
}

fn malformed(why: &str) -> EngineError {
    EngineError::rejected(format!("the URL is not a Flink server's: {why}")).hint(
        "write flink://host:port for a SQL Gateway, flink-rest://host:port for a JobManager, and +https after either \
         name for TLS",
    )
}

fn not_a_server(server: Server, why: &str) -> EngineError {
    let (_, port) = server.port();
    EngineError::rejected(format!("the {server}'s address is not one: {why}"))
        .hint(format!("write host:port, http://host:{port} or https://host"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Address {
        Address::read(text).unwrap()
    }

    #[test]
    fn a_url_is_read_and_written_plainly() {
        for (text, url, shown) in [
            ("flink://gw:8083", "http://gw:8083/", "flink://gw:8083"),
            ("flink://gw", "http://gw:8083/", "flink://gw:8083"),
            ("flink://GW:80/", "http://gw/", "flink://gw:80"),
            ("flink://gw/a/b/", "http://gw:8083/a/b", "flink://gw:8083/a/b"),
            ("flink+https://gw", "https://gw/", "flink+https://gw:443"),
            ("flink+https://gw:443/x", "https://gw/x", "flink+https://gw:443/x"),
            ("flink+https://gw:80", "https://gw:80/", "flink+https://gw:80"),
            ("jdbc:flink://gw:8083", "http://gw:8083/", "flink://gw:8083"),
            ("jdbc:flink://gw:443/c/d", "http://gw:443/", "flink://gw:443"),
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
                "https://jm/a/b",
                "flink-rest+https://jm:443/a/b",
            ),
            (
                "flink-rest+https://jm:8081",
                "https://jm:8081/",
                "flink-rest+https://jm:8081",
            ),
        ] {
            let address = read(text);
            assert_eq!((address.url.as_str(), address.shown.as_str()), (url, shown), "{text}");
            let again = read(shown);
            assert_eq!((&again.url, &again.shown), (&address.url, &address.shown));
        }
    }

    #[test]
    fn every_driver_reads_its_schemes() {
        for (schemes, server) in [
            (Address::GATEWAY_SCHEMES, Server::Gateway),
            (Address::REST_SCHEMES, Server::JobManager),
        ] {
            for scheme in schemes {
                let url = format!("{scheme}://h:1");
                assert_eq!(read(&url).server, server);
                assert_eq!(skep_engine::Target::new(url, "/").scheme(), *scheme);
            }
        }
    }

    #[test]
    fn options_follow_in_two_ways() {
        for text in [
            "flink://gw:8083;rest=jm:1234;history=https://h/x;pipeline.name=a b;k=1=2;",
            "flink://gw:8083/?rest=jm:1234&history=https://h/x&pipeline.name=a%20b&k=1=2",
            "jdbc:flink://gw:8083?rest=flink-rest://jm:1234&history=flink-rest%2Bhttps://h/x&pipeline.name=a b&k=1=2",
        ] {
            let address = read(text);
            assert_eq!(address.shown, "flink://gw:8083");
            assert_eq!(address.rest.unwrap().as_str(), "http://jm:1234/");
            assert_eq!(address.history.unwrap().as_str(), "https://h/x");
            let properties = [("k", "1=2"), ("pipeline.name", "a b")].map(|(k, v)| (k.to_owned(), v.to_owned()));
            assert_eq!(address.properties, BTreeMap::from(properties));
        }
        let jars = read("flink://gw;pipeline.jars=file:/a.jar%3Bfile:/b.jar?x&y");
        assert_eq!(jars.properties["pipeline.jars"], "file:/a.jar;file:/b.jar?x&y");
    }

    #[test]
    fn each_server_can_have_credentials_of_its_own() {
        let address = read("flink://gw;ca=/a;user=me;password-file=/p;rest.cert=/c;rest.key=/k;history.token-file=/t");
        let own = Credentials {
            ca: Some("/a".into()),
            user: Some("me".to_owned()),
            password_file: Some("/p".into()),
            ..Credentials::default()
        };
        let rest = Credentials {
            cert: Some("/c".into()),
            key: Some("/k".into()),
            ..Credentials::default()
        };
        assert_eq!((&address.credentials, &address.rest_credentials), (&own, &rest));
        assert_eq!(address.history_credentials.token_file, Some("/t".into()));
        assert!(address.properties.is_empty());
    }

    #[test]
    fn the_command_line_wins_over_the_url() {
        let mut target = Target::new("flink://gw;rest=a;history=b", "/");
        target.rest = Some("c".to_owned());
        let address = Address::of(&target).unwrap();
        assert_eq!(address.rest.unwrap().host_str(), Some("c"));
        assert_eq!(address.history.unwrap().host_str(), Some("b"));
    }

    #[test]
    fn the_path_of_a_jdbc_url_names_catalog_and_database() {
        let names = |text| {
            let address = read(text);
            (address.catalog, address.database)
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(names("jdbc:flink://gw:1"), (None, None));
        assert_eq!(names("jdbc:flink://gw:1/"), (None, None));
        assert_eq!(names("jdbc:flink://gw:1/hive/"), (some("hive"), None));
        assert_eq!(names("jdbc:flink://gw:1/my%20cat/db?k=v"), (some("my cat"), some("db")));
        assert_eq!(names("flink://gw:1/hive/db"), (None, None));
        for text in ["jdbc:flink://gw:1/a/b/c", "jdbc:flink://gw:1/a//c"] {
            assert!(Address::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_server_beside_is_written_in_many_ways() {
        for (text, server, url) in [
            ("jm:8081", Server::JobManager, "http://jm:8081/"),
            ("jm", Server::JobManager, "http://jm:8081/"),
            ("jm/flink/", Server::JobManager, "http://jm:8081/flink"),
            ("jm", Server::HistoryServer, "http://jm:8082/"),
            ("[::1]:80", Server::JobManager, "http://[::1]/"),
            ("http://jm", Server::JobManager, "http://jm/"),
            ("https://jm/a", Server::JobManager, "https://jm/a"),
            ("https://jm:80", Server::JobManager, "https://jm:80/"),
            ("flink-rest://jm", Server::JobManager, "http://jm:8081/"),
            ("flink-rest+https://jm", Server::HistoryServer, "https://jm/"),
        ] {
            assert_eq!(read_server(text, server).unwrap().as_str(), url, "{text}");
        }
        for text in [
            "",
            "http://",
            "me:geheim@jm:1",
            "jm:x",
            "jm:1?a=b",
            "flink://jm",
            "file:///x",
            "jm:1#geheim",
        ] {
            let error = read_server(text, Server::HistoryServer).unwrap_err();
            assert!(error.message.starts_with("the History Server's address"), "{error}");
            assert!(!error.message.contains("geheim") && !error.hints.is_empty(), "{error}");
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
            "flink-rest:///path",
            "flink-rest://jm:port",
            "flink-rest://jm:99999",
            "flink-rest://jm:8081?x",
            "flink-rest://jm:8081#x",
            "flink-rest://me:geheim@jm:8081",
            "flink://geheim@gw",
            "flink://gw;password=geheim",
            "flink://gw;rest.password=geheim",
            "flink://gw?s3.secret-key=geheim",
            "flink://gw;rest=me:geheim@jm",
            "flink://gw;=geheim",
            "flink://gw;k=geheim;k=geheim",
            "flink://gw;k=%ff",
            "flink+http://gw",
            "jdbc:flink-rest://jm",
            "jdbc:hive2://h:1",
            "flink-rest://a b",
            "flink://gw\u{37e}k=v",
        ] {
            let error = Address::read(text).unwrap_err();
            assert_eq!(error.kind, skep_engine::ErrorKind::Rejected, "{text}");
            assert!(!error.message.contains("geheim") && !error.hints.is_empty(), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
            for scheme in Address::GATEWAY_SCHEMES.iter().chain(Address::REST_SCHEMES) {
                if let Ok(address) = Address::read(&format!("{scheme}://{text}")) {
                    let again = Address::read(&address.shown).unwrap();
                    prop_assert_eq!(again.url, address.url);
                }
            }
        }

        #[test]
        fn a_property_of_any_text_comes_through(value in "\\PC{0,20}") {
            let encoded = percent_encoding::utf8_percent_encode(&value, percent_encoding::NON_ALPHANUMERIC);
            for separator in [';', '?'] {
                let address = Address::read(&format!("flink://gw{separator}a.b={encoded}")).unwrap();
                prop_assert_eq!(&address.properties["a.b"], &value);
            }
        }
    }
}
