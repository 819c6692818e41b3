//! Who the shell is at a Flink server, and which servers it trusts.

use std::io::Read;
use std::path::{Path, PathBuf};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use skep_engine::{EngineError, ErrorKind, Result, Secret, Target, Token, read_headers};
use url::Url;

use super::address::{Address, Credentials};

/// The environment variable that Flink's own clients read headers from: `NAME:VALUE` in each line.
const HEADERS_VARIABLE: &str = "FLINK_REST_CLIENT_HEADERS";

/// A file of certificates, headers or a secret is read up to here, in bytes.
pub(super) const FILE_LIMIT: u64 = 1 << 20;

/// How one server is spoken to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Transport {
    /// The file of the authorities that are trusted instead of the system's.
    pub(super) ca: Option<PathBuf>,
    /// The files of the client certificate and of its key.
    pub(super) identity: Option<(PathBuf, PathBuf)>,
    pub(super) authorization: Option<Authorization>,
    /// Every value is marked as sensitive, so that nothing prints it.
    pub(super) headers: HeaderMap,
    /// There are credentials that are not sent to this server.
    pub(super) withheld: bool,
}

/// What stands in the header `Authorization`.
#[derive(Debug, Clone)]
pub(super) enum Authorization {
    Basic { user: String, password: Option<Secret> },
    Bearer(Token),
}

/// How the servers of one connection are spoken to.
#[derive(Debug, Clone)]
pub(crate) struct Transports {
    url: Url,
    own: Transport,
    rest: Transport,
    history: Transport,
    rest_is_given: bool,
    history_is_given: bool,
}

impl Transports {
    /// Of the servers at that address, with what the target has of credentials.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`]: a file can't be read, or two credentials exclude each other.
    pub(crate) fn read(target: &Target, address: &Address) -> Result<Self> {
        let own = Transport::given(target)?.with(&address.credentials, false)?;
        Ok(Self {
            url: address.url.clone(),
            rest: own.clone().with(&address.rest_credentials, true)?,
            history: own.clone().with(&address.history_credentials, true)?,
            own,
            rest_is_given: address.rest.is_some(),
            history_is_given: address.history.is_some(),
        })
    }

    /// Of the server that the URL names.
    pub(crate) const fn own(&self) -> &Transport {
        &self.own
    }

    /// Of the cluster's REST interface at that URL. If the person did not give the address, the session's properties did:
    /// they are another's word, and get the credentials only where these go anyway.
    pub(crate) fn rest(&self, url: &Url) -> Transport {
        self.beside(&self.rest, url, self.rest_is_given)
    }

    /// Of the History Server at that URL, by the same rule.
    pub(crate) fn history(&self, url: &Url) -> Transport {
        self.beside(&self.history, url, self.history_is_given)
    }

    fn beside(&self, transport: &Transport, url: &Url, is_given: bool) -> Transport {
        let is_same = url.host() == self.url.host() && (url.scheme() == "https" || self.url.scheme() == "http");
        if is_given || is_same {
            transport.clone()
        } else {
            transport.without_credentials()
        }
    }
}

impl Transport {
    /// What the command line and the environment give.
    fn given(target: &Target) -> Result<Self> {
        let security = &target.security;
        let mut headers = HeaderMap::new();
        if let Some(text) = std::env::var_os(HEADERS_VARIABLE) {
            // A line that is no header is skipped, as Flink's own clients do.
            for (name, value) in read_headers(&text.to_string_lossy()).flatten() {
                if let Ok((name, value)) = header(&name, &value) {
                    headers.append(name, value);
                }
            }
        }
        // What is given on the command line takes the place of what the environment says.
        let given = security
            .headers
            .iter()
            .map(|(name, value)| header(name, value))
            .collect::<Result<Vec<_>>>()?;
        for (name, _) in &given {
            headers.remove(name);
        }
        headers.extend(given.into_iter().fold(HeaderMap::new(), |mut map, (name, value)| {
            map.append(name, value);
            map
        }));
        let basic = target.user.clone().map(|user| Authorization::Basic {
            user,
            password: target.password.clone(),
        });
        let bearer = security.token.clone().map(Authorization::Bearer);
        Ok(Self {
            ca: security.ca.clone(),
            identity: identity(security.cert.as_ref(), security.key.as_ref())?,
            authorization: either(basic, bearer)?,
            headers,
            withheld: false,
        })
    }

    /// With what a URL says of one of its servers. For the server itself the command line wins; what is said for a server
    /// beside it (`rest.ca`) replaces what holds for all, and a credential of its own means that no other is sent there.
    fn with(mut self, said: &Credentials, replaces: bool) -> Result<Self> {
        let identity = identity(said.cert.as_ref(), said.key.as_ref())?;
        let password = said.password_file.as_deref().map(read_secret).transpose()?;
        let basic = said.user.clone().map(|user| Authorization::Basic { user, password });
        let bearer = said
            .token_file
            .clone()
            .map(|file| Authorization::Bearer(Token::File(file)));
        let authorization = either(basic, bearer)?;
        let mut headers = HeaderMap::new();
        if let Some(file) = &said.header_file {
            let text = read(file)?;
            for (name, value) in read_headers(&text)
                .collect::<Result<Vec<_>, _>>()
                .map_err(|line| EngineError::rejected(format!("{}: line {line} is not NAME: VALUE", file.display())))?
            {
                let (name, value) = header(&name, &value)?;
                headers.append(name, value);
            }
        }
        if replaces && (identity.is_some() || authorization.is_some() || !headers.is_empty()) {
            return Ok(Self {
                ca: said.ca.clone().or(self.ca),
                identity,
                authorization,
                headers,
                withheld: false,
            });
        }
        if replaces {
            self.ca = said.ca.clone().or(self.ca);
        } else {
            self.ca = self.ca.or_else(|| said.ca.clone());
            self.identity = self.identity.or(identity);
            self.authorization = self.authorization.or(authorization);
            for name in self.headers.keys() {
                headers.remove(name);
            }
            self.headers.extend(headers);
        }
        Ok(self)
    }

    fn without_credentials(&self) -> Self {
        Self {
            ca: self.ca.clone(),
            withheld: self.identity.is_some() || self.authorization.is_some() || !self.headers.is_empty(),
            ..Self::default()
        }
    }
}

fn either(basic: Option<Authorization>, bearer: Option<Authorization>) -> Result<Option<Authorization>> {
    if basic.is_some() && bearer.is_some() {
        return Err(EngineError::rejected("a user name and a token can't both be sent").hint("give one of the two"));
    }
    Ok(basic.or(bearer))
}

fn identity(cert: Option<&PathBuf>, key: Option<&PathBuf>) -> Result<Option<(PathBuf, PathBuf)>> {
    match (cert, key) {
        (Some(cert), key) => Ok(Some((cert.clone(), key.unwrap_or(cert).clone()))),
        (None, None) => Ok(None),
        (None, Some(_)) => Err(EngineError::rejected("a key without a certificate proves nothing")
            .hint("--cert FILE (in a URL ;cert=FILE) names the certificate that it belongs to")),
    }
}

fn header(name: &str, value: &Secret) -> Result<(HeaderName, HeaderValue)> {
    let no_header = || EngineError::rejected(format!("{name:?} and its value can't be a header"));
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| no_header())?;
    let mut value = HeaderValue::from_str(value.reveal()).map_err(|_| no_header())?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// A text file, up to [`FILE_LIMIT`].
///
/// # Errors
/// [`ErrorKind::Rejected`] with the file's name.
pub(super) fn read(file: &Path) -> Result<String> {
    let mut text = String::new();
    std::fs::File::open(file)
        .and_then(|file| file.take(FILE_LIMIT).read_to_string(&mut text))
        .map_err(|cause| unreadable(file, &cause))?;
    Ok(text)
}

fn read_secret(file: &Path) -> Result<Secret> {
    Ok(Secret::new(read(file)?.trim_end_matches(['\r', '\n']).to_owned()))
}

fn unreadable(file: &Path, cause: &std::io::Error) -> EngineError {
    EngineError::new(
        ErrorKind::Rejected,
        format!("{} can't be read: {cause}", file.display()),
    )
}

/// The token as it is now.
///
/// # Errors
/// [`ErrorKind::Rejected`]: there is none in its file.
pub(super) async fn read_token(token: &Token) -> Result<Secret> {
    let file = match token {
        Token::Text(text) => return Ok(text.clone()),
        Token::File(file) => file,
    };
    let text = tokio::fs::read_to_string(file)
        .await
        .map_err(|cause| unreadable(file, &cause))?;
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = format!(
            "what is in {} is not a token: it is empty, or not one word",
            file.display()
        );
        return Err(EngineError::rejected(message));
    }
    Ok(Secret::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transports(url: &str) -> Transports {
        let mut target = Target::new(url, "/nonexistent");
        target.user = Some("me".to_owned());
        target.password = Some(Secret::new("geheim".to_owned()));
        target.security.ca = Some("ca".into());
        target.security.headers = vec![("X-Key".to_owned(), Secret::new("geheim".to_owned()))];
        Transports::read(&target, &Address::read(url).unwrap()).unwrap()
    }

    fn has_credentials(transport: &Transport) -> bool {
        assert_eq!(transport.ca.as_deref(), Some(Path::new("ca")));
        assert_ne!(transport.withheld, transport.authorization.is_some());
        assert_eq!(transport.authorization.is_some(), !transport.headers.is_empty());
        transport.authorization.is_some()
    }

    #[test]
    fn credentials_go_where_the_person_sends_them() {
        let rest = |url: &str, rest: &str| has_credentials(&transports(url).rest(&Url::parse(rest).unwrap()));
        assert!(has_credentials(transports("flink://gw").own()));
        // Found in the session's properties.
        assert!(rest("flink://gw", "http://gw:8081"));
        assert!(rest("flink://gw", "https://gw:8081"));
        assert!(!rest("flink+https://gw", "http://gw:8081"));
        assert!(!rest("flink://gw", "http://evil:8081"));
        assert!(!rest("flink://gw", "http://gw.evil:8081"));
        // Given.
        assert!(rest("flink+https://gw;rest=jm", "http://jm:8081"));
        let history = transports("flink://gw;rest=jm").history(&Url::parse("http://hs:8082").unwrap());
        assert!(!has_credentials(&history));
    }

    #[test]
    fn a_server_beside_can_have_credentials_of_its_own() {
        let transports = transports("flink://gw;rest=jm;rest.user=other;history=hs;history.ca=other");
        let rest = transports.rest(&Url::parse("http://jm:8081").unwrap());
        assert!(matches!(rest.authorization, Some(Authorization::Basic { ref user, .. }) if user == "other"));
        assert!(rest.headers.is_empty());
        let history = transports.history(&Url::parse("http://hs:8082").unwrap());
        assert_eq!(history.ca.as_deref(), Some(Path::new("other")));
        assert!(history.authorization.is_some());
    }

    #[test]
    fn nothing_shows_a_secret() {
        assert!(!format!("{:?}", transports("flink://gw")).contains("geheim"));
    }

    #[test]
    fn what_can_not_be_together_is_refused() {
        let refused = |change: fn(&mut Target)| {
            let mut target = Target::new("flink://gw", "/nonexistent");
            change(&mut target);
            let error = Transports::read(&target, &Address::read("flink://gw").unwrap()).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Rejected);
            assert!(!error.message.contains("geheim"), "{error}");
        };
        refused(|target| {
            target.user = Some("me".to_owned());
            target.security.token = Some(Token::File("token".into()));
        });
        refused(|target| target.security.key = Some("key".into()));
        refused(|target| target.security.headers = vec![("a b".to_owned(), Secret::new("geheim".to_owned()))]);
        refused(|target| target.security.headers = vec![("a".to_owned(), Secret::new("geheim\n".to_owned()))]);
    }
}
