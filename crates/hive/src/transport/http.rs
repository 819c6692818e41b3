//! Calls over HTTP: each is a POST.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{
    AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE, WWW_AUTHENTICATE,
};
use reqwest::{Response, StatusCode};

use super::{Authorization, Endpoint, Header, MESSAGE_LIMIT, innermost, kerberos, tls};
use crate::error::{Error, Result};
use crate::limits::Limits;

/// Cookies that a server may have kept here, and how long each may be.
const COOKIES: usize = 16;
const COOKIE_LIMIT: usize = 4096;

/// So much of a refusal's text is kept, in bytes.
const TEXT_LIMIT: usize = 2048;

/// A server behind HTTP.
#[derive(Debug, Clone)]
pub(crate) struct Http(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: reqwest::Client,
    url: String,
    place: String,
    user: String,
    /// The server's name in Kerberos, where a ticket is shown to it.
    service: Option<String>,
    tls: bool,
    /// What the server wants to be told again, by name. A session of a server behind a balancer may hang on it.
    cookies: Mutex<BTreeMap<String, String>>,
}

impl Http {
    pub(super) fn new(
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
        all.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-thrift"));
        let value = match authorization {
            Some(Authorization::Basic { user, password }) => {
                Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
            }
            Some(Authorization::Bearer(token)) => Some(format!("Bearer {token}")),
            // A new one for each request: it can't be shown twice.
            Some(Authorization::Negotiate(_)) | None => None,
        };
        if let Some(value) = value {
            all.insert(AUTHORIZATION, header_value("Authorization", &value)?);
        }
        for Header(name, value) in headers {
            let value = header_value(name, value)?;
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| no_header(name))?;
            all.append(name, value);
        }
        let client = reqwest::Client::builder()
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
            user: match authorization {
                Some(Authorization::Basic { user, .. }) => user.clone(),
                Some(Authorization::Bearer(_)) => "the bearer of this token".to_owned(),
                Some(Authorization::Negotiate(_)) => "the holder of this ticket".to_owned(),
                None => "nobody in particular".to_owned(),
            },
            service: match authorization {
                Some(Authorization::Negotiate(service)) => Some(service.at(&endpoint.host)),
                _ => None,
            },
            tls: endpoint.tls.is_some(),
            cookies: Mutex::default(),
        })))
    }

    pub(super) async fn call(&self, call: &'static str, message: Vec<u8>, limit: Duration) -> Result<Vec<u8>> {
        let inner = Arc::clone(&self.0);
        // In a task of its own: it goes on also if nobody waits for it.
        let exchange = tokio::spawn(async move {
            let exchanged = tokio::time::timeout(limit, inner.exchange(call, message)).await;
            exchanged.unwrap_or(Err(Error::Timeout { call, limit }))
        });
        exchange.await.unwrap_or_else(|error| {
            let cause = error.to_string();
            Err(Error::Lost { call, cause })
        })
    }
}

impl Inner {
    async fn exchange(&self, call: &'static str, message: Vec<u8>) -> Result<Vec<u8>> {
        let mut request = self.client.post(&self.url).body(message);
        if let Some(service) = &self.service {
            let place = self.place.clone();
            let shown = kerberos::negotiation(service).await;
            let shown = shown.map_err(|cause| Error::Kerberos { place, cause })?;
            request = request.header(AUTHORIZATION, header_value("Authorization", &shown)?);
        }
        if let Some(cookies) = self.cookies() {
            request = request.header(COOKIE, cookies);
        }
        let mut response = request.send().await.map_err(|error| self.not_sent(call, &error))?;
        self.keep_cookies(&response);
        let status = response.status();
        if status != StatusCode::OK {
            return Err(self.refused(call, response).await);
        }
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| lost(call, &error))? {
            if answer.len() + chunk.len() > MESSAGE_LIMIT {
                return Err(Error::protocol(
                    call,
                    format!("it is longer than {MESSAGE_LIMIT} bytes"),
                ));
            }
            answer.extend_from_slice(&chunk);
        }
        Ok(answer)
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

    async fn refused(&self, call: &'static str, mut response: Response) -> Error {
        let status = response.status();
        let negotiates = response
            .headers()
            .get(WWW_AUTHENTICATE)
            .is_some_and(|value| value.as_bytes().starts_with(b"Negotiate"));
        let mut text = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            text.extend_from_slice(&chunk[..chunk.len().min(TEXT_LIMIT - text.len())]);
            if text.len() == TEXT_LIMIT {
                break;
            }
        }
        let text = String::from_utf8_lossy(&text).into_owned();
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Error::Login {
                place: self.place.clone(),
                user: self.user.clone(),
                cause: if negotiates {
                    format!("{status}, the server wants Kerberos")
                } else {
                    status.to_string()
                },
            },
            _ => Error::Http {
                call,
                status: status.as_u16(),
                text,
            },
        }
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

fn header_value(name: &str, value: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(value).map_err(|_| no_header(name))?;
    value.set_sensitive(true);
    Ok(value)
}

fn no_header(name: &str) -> Error {
    Error::Certificate(format!("{name:?} and its value can't be a header"))
}
