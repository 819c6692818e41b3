//! HTTP: a call over Thrift is a POST, one of Kyuubi's REST API what that says.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{
    AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE, WWW_AUTHENTICATE,
};
use reqwest::{Method, Response, StatusCode};

use super::{Authorization, Endpoint, Header, MESSAGE_LIMIT, Transport, innermost, kerberos, tls};
use crate::error::{Caller, Error, Result};
use crate::limits::Limits;

/// Cookies that a server may have kept here, and how long each may be.
const COOKIES: usize = 16;
const COOKIE_LIMIT: usize = 4096;

/// So much of a refusal is read, in bytes. Kyuubi's have stack traces in them, of 50 kB and more.
const REFUSAL_LIMIT: usize = 1024 * 1024;

/// So much of a refusal's text is kept where nothing is known of its form, in bytes.
const TEXT_LIMIT: usize = 2048;

/// What Kyuubi's REST API says to who shows nothing that it would look at (1.11.1).
pub(super) const STRANGER: &str = "No auth scheme matched for";

/// The same of its Thrift.
const STRANGER_TO_THRIFT: &str = "No valid authorization provided";

/// Where Kyuubi's REST API begins.
const REST_PATH: &str = "api/v1";

/// A request: its method, where it goes below the server's own path, and what it carries, with the type of that.
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Option<(&'static str, Vec<u8>)>,
}

/// An answer, with whatever status.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Vec<u8>,
    /// The server wants Kerberos.
    negotiates: bool,
}

impl Answer {
    /// The beginning of what came.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body[..self.body.len().min(TEXT_LIMIT)]).into_owned()
    }

    /// Whether it is Kyuubi's to who shows what it does not look at: over REST with 401, over Thrift with 500. It names nothing that
    /// it would look at.
    fn knows_no_such_log_in(&self) -> bool {
        let text = self.text();
        text.contains(STRANGER) || text.contains(STRANGER_TO_THRIFT)
    }
}

/// A server behind HTTP.
#[derive(Debug, Clone)]
pub(crate) struct Http(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: reqwest::Client,
    url: String,
    place: String,
    caller: Caller,
    /// The server's name in Kerberos, where a ticket is shown to it.
    service: Option<String>,
    tls: bool,
    token_file: Option<PathBuf>,
    /// What the server wants to be told again, by name. A session of a server behind a balancer may hang on it.
    cookies: Mutex<BTreeMap<String, String>>,
}

impl Http {
    /// The server at that endpoint, if HTTP is spoken there.
    pub(crate) fn open(endpoint: &Endpoint, limits: &Limits) -> Result<Option<Self>> {
        let (path, authorization, headers) = match &endpoint.transport {
            Transport::Http {
                path,
                authorization,
                headers,
            } => (path.as_str(), authorization, headers),
            Transport::Rest { authorization, headers } => (REST_PATH, authorization, headers),
            Transport::Plain | Transport::Sasl { .. } | Transport::Kerberos { .. } => return Ok(None),
        };
        Self::new(endpoint, path, authorization.as_ref(), headers, limits).map(Some)
    }

    fn new(
        endpoint: &Endpoint,
        path: &str,
        authorization: Option<&Authorization>,
        headers: &[Header],
        limits: &Limits,
    ) -> Result<Self> {
        let place = endpoint.place();
        let config = match endpoint.config()? {
            Some(config) => (*config).clone(),
            None => tls::unused()?,
        };
        let mut all = HeaderMap::new();
        let (value, token_file) = match authorization {
            // A ticket is a new one for each request: it can't be shown twice.
            None | Some(Authorization::Negotiate(_)) => (None, None),
            Some(Authorization::Basic { user, password }) => {
                let pair = STANDARD.encode(format!("{user}:{password}"));
                (Some(format!("Basic {pair}")), None)
            }
            Some(Authorization::Bearer(token)) => (Some(format!("Bearer {token}")), None),
            Some(Authorization::BearerIn(file)) => (None, Some(file.clone())),
        };
        if let Some(value) = value {
            all.insert(AUTHORIZATION, header_value("Authorization", &value)?);
        }
        for Header(name, value) in headers {
            let value = header_value(name, value)?;
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| no_header(name))?;
            all.append(name, value);
        }
        let mut builder = reqwest::Client::builder();
        if is_here(&endpoint.host) {
            // A proxy is a way out of this machine.
            builder = builder.no_proxy();
        }
        let client = builder
            .tls_backend_preconfigured(config)
            .default_headers(all)
            .connect_timeout(limits.connect)
            // A redirect would carry a call, and credentials, to a server that nobody named.
            .redirect(reqwest::redirect::Policy::none())
            // A connection that the server has just closed would lose the next call: none is kept for longer than a server
            // does.
            .pool_idle_timeout(Duration::from_secs(15))
            .build()
            .map_err(|error| Error::Connect {
                place: place.clone(),
                cause: innermost(&error),
            })?;
        let scheme = if endpoint.tls.is_some() { "https" } else { "http" };
        Ok(Self(Arc::new(Inner {
            client,
            url: format!("{scheme}://{place}/{}", path.trim_start_matches('/')),
            place,
            caller: match authorization {
                Some(Authorization::Basic { user, .. }) => Caller::User(user.clone()),
                Some(Authorization::Bearer(_) | Authorization::BearerIn(_)) => Caller::Token,
                Some(Authorization::Negotiate(_)) => Caller::Ticket,
                None => Caller::Nobody,
            },
            service: match authorization {
                Some(Authorization::Negotiate(service)) => Some(service.at(&endpoint.host)),
                _ => None,
            },
            tls: endpoint.tls.is_some(),
            token_file,
            cookies: Mutex::default(),
        })))
    }

    /// Makes a call of Thrift's.
    pub(super) async fn call(&self, call: &'static str, message: Vec<u8>, limit: Duration) -> Result<Vec<u8>> {
        let request = Request {
            method: Method::POST,
            path: String::new(),
            body: Some(("application/x-thrift", message)),
        };
        let answer = self.ask(call, request, limit).await?;
        match answer.status {
            StatusCode::OK => Ok(answer.body),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(self.stranger(&answer)),
            _ if answer.knows_no_such_log_in() => Err(self.stranger(&answer)),
            status => Err(Error::Http {
                call,
                status: status.as_u16(),
                text: answer.text(),
            }),
        }
    }

    /// Sends a request, once, and gives the answer, whatever its status.
    pub(crate) async fn ask(&self, call: &'static str, request: Request, limit: Duration) -> Result<Answer> {
        let inner = Arc::clone(&self.0);
        // In a task of its own: it goes on also if nobody waits for it.
        let exchange = tokio::spawn(async move {
            let exchanged = tokio::time::timeout(limit, inner.exchange(call, request)).await;
            exchanged.unwrap_or(Err(Error::Timeout { call, limit }))
        });
        exchange.await.unwrap_or_else(|error| {
            let cause = error.to_string();
            Err(Error::Lost { call, cause })
        })
    }

    /// What it means that the server does not let this client in.
    pub(crate) fn stranger(&self, answer: &Answer) -> Error {
        let is_of_no_use = answer.knows_no_such_log_in();
        Error::Login {
            place: self.0.place.clone(),
            caller: self.0.caller.clone(),
            // The server's own words may repeat what was sent, which is a secret.
            cause: match answer.status {
                status if answer.negotiates && self.0.caller != Caller::Ticket => {
                    format!("{status}, the server wants Kerberos")
                }
                _ if is_of_no_use => "the server knows no log-in of this kind".to_owned(),
                status => status.to_string(),
            },
            is_of_no_use,
        }
    }
}

impl Inner {
    async fn exchange(&self, call: &'static str, sent: Request) -> Result<Answer> {
        let url = format!("{}{}", self.url, sent.path);
        let mut request = self.client.request(sent.method, url);
        if let Some((kind, body)) = sent.body {
            request = request.header(CONTENT_TYPE, kind).body(body);
        }
        if let Some(service) = &self.service {
            let place = self.place.clone();
            let shown = kerberos::negotiation(service).await;
            let shown = shown.map_err(|cause| Error::Kerberos { place, cause })?;
            request = request.header(AUTHORIZATION, header_value("Authorization", &shown)?);
        }
        if let Some(file) = &self.token_file {
            request = request.header(AUTHORIZATION, token_in(file).await?);
        }
        if let Some(cookies) = self.cookies() {
            request = request.header(COOKIE, cookies);
        }
        let mut response = request.send().await.map_err(|error| self.not_sent(call, &error))?;
        self.keep_cookies(&response);
        let status = response.status();
        let negotiates = response
            .headers()
            .get(WWW_AUTHENTICATE)
            .is_some_and(|value| value.as_bytes().starts_with(b"Negotiate"));
        let mut body = Vec::new();
        if !status.is_success() {
            // What it says is kept as far as it came.
            while let Ok(Some(chunk)) = response.chunk().await {
                body.extend_from_slice(&chunk[..chunk.len().min(REFUSAL_LIMIT - body.len())]);
                if body.len() == REFUSAL_LIMIT {
                    break;
                }
            }
        }
        while status.is_success()
            && let Some(chunk) = response.chunk().await.map_err(|error| lost(call, &error))?
        {
            if body.len() + chunk.len() > MESSAGE_LIMIT {
                return Err(Error::protocol(
                    call,
                    format!("it is longer than {MESSAGE_LIMIT} bytes"),
                ));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status,
            body,
            negotiates,
        })
    }

    fn not_sent(&self, call: &'static str, error: &reqwest::Error) -> Error {
        if !error.is_connect() {
            return lost(call, error);
        }
        let place = self.place.clone();
        let cause = innermost(error);
        if is_tls(error) {
            return Error::Tls { place, cause };
        }
        Error::Connect { place, cause }
    }

    fn cookies(&self) -> Option<HeaderValue> {
        let cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        let pairs: Vec<_> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut value = HeaderValue::from_str(&pairs.join("; ")).ok()?;
        value.set_sensitive(true);
        (!pairs.is_empty()).then_some(value)
    }

    /// Keeps the cookies that the server sets. One that is for TLS alone is not told to anybody else (RFC 6265, 5.4): Hive
    /// sets such a one over plain HTTP too.
    fn keep_cookies(&self, response: &Response) {
        let mut cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        for cookie in response.headers().get_all(SET_COOKIE) {
            let Ok(cookie) = cookie.to_str() else { continue };
            let mut parts = cookie.split(';').map(str::trim);
            let pair = parts.next().and_then(|pair| pair.split_once('='));
            let Some((name, value)) = pair.filter(|(name, _)| !name.is_empty()) else {
                continue;
            };
            let is_secure = parts.any(|part| part.eq_ignore_ascii_case("secure"));
            let fits = cookie.len() <= COOKIE_LIMIT && (cookies.len() < COOKIES || cookies.contains_key(name));
            if fits && (self.tls || !is_secure) {
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

/// Whether that is this machine itself.
fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether TLS is behind an error. One of I/O names what it wraps, and not as its source; it may wrap another.
fn is_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    error.is::<rustls::Error>() || wrapped.is_some_and(|inner| is_tls(inner)) || error.source().is_some_and(is_tls)
}

fn lost(call: &'static str, error: &reqwest::Error) -> Error {
    Error::Lost {
        call,
        cause: innermost(error),
    }
}

/// The header that the token in that file makes.
async fn token_in(file: &Path) -> Result<HeaderValue> {
    let unusable = |why: String| Error::Certificate(format!("{}: {why}", file.display()));
    let text = tokio::fs::read_to_string(file)
        .await
        .map_err(|cause| unusable(format!("it can't be read: {cause}")))?;
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(unusable(
            "what is in it is not a token: it is empty, or not one word".to_owned(),
        ));
    }
    header_value("Authorization", &format!("Bearer {token}"))
}

fn header_value(name: &str, value: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(value).map_err(|_| no_header(name))?;
    value.set_sensitive(true);
    Ok(value)
}

fn no_header(name: &str) -> Error {
    Error::Certificate(format!("{name:?} and its value can't be a header"))
}
