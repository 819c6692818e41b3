//! HTTP with limits: what every request to a Flink server goes through.

mod tls;

use std::error::Error;
use std::fmt;
use std::time::Duration;

use reqwest::header::LOCATION;
use reqwest::{Method, RequestBuilder, Response};
use serde::de::DeserializeOwned;
use serde_json::Value;
use skep_engine::{EngineError, ErrorKind, Result, Secret};
use url::{Host, Url};

use super::Limits;
use super::address::Server;
use super::failure;
use super::transport::{self, Authorization, Transport};

/// How long an answer that takes a server no work is waited for on one connection, and how many are tried.
const SOON: Duration = Duration::from_secs(3);
const CONNECTIONS: usize = 4;

/// Whether a request may be sent again when its answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Sending it twice does the same as sending it once.
    Idempotent,
    /// It is sent once.
    Never,
}

/// A server as messages name it.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// What it is.
    pub(crate) server: Server,
    /// Where it is, as `host:port`.
    pub(crate) place: String,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)
    }
}

/// A server that is spoken to.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    peer: Peer,
    transport: Transport,
    /// The variable that names the proxy for this server.
    proxy: Option<&'static str>,
    limits: Limits,
}

impl Client {
    /// A client of the server at that `http` or `https` URL; requests are made below its path. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] if a certificate can't be read, [`ErrorKind::Connect`] if TLS could not be set up.
    pub(crate) fn new(server: Server, url: &Url, transport: Transport, limits: Limits) -> Result<Self> {
        let (proxy, builder) = plain(url);
        let http = build(builder, url, &transport, &limits)?;
        let host = url.host_str().unwrap_or_default();
        let place = url
            .port_or_known_default()
            .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Ok(Self {
            http,
            base: url.as_str().trim_end_matches('/').to_owned(),
            peer: Peer { server, place },
            transport,
            proxy,
            limits,
        })
    }

    /// The server as `host:port`.
    pub(crate) fn server(&self) -> &str {
        &self.peer.place
    }

    /// Whether TLS is spoken.
    pub(crate) fn speaks_tls(&self) -> bool {
        self.base.starts_with("https:")
    }

    /// The limits it keeps.
    pub(crate) const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// `GET`.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.send(Method::GET, path, None, Repeat::Idempotent).await
    }

    /// `GET` of what a server has at hand. If it does not answer soon it is asked again on another connection: the SQL
    /// Gateway serves each by one of a few threads, and a statement that waits in another's session blocks that thread for
    /// all its connections (seen on 2.3.0).
    pub(crate) async fn get_at_hand<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        for _ in 1..CONNECTIONS {
            if let Ok(answer) = tokio::time::timeout(SOON, self.get(path)).await {
                return answer;
            }
        }
        self.get(path).await
    }

    /// `GET`, and the answer as it came.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub(crate) async fn fetch(&self, path: &str) -> Result<Vec<u8>> {
        let ask = Ask {
            method: Method::GET,
            path,
            body: None,
        };
        self.answer(&ask, Repeat::Idempotent).await
    }

    /// Sends a request and reads its answer. An idempotent one is sent a second time if the connection breaks.
    ///
    /// # Errors
    /// [`ErrorKind::Connect`], [`ErrorKind::Timeout`], [`ErrorKind::Lost`], [`ErrorKind::Protocol`], or what an answer
    /// other than 2xx stands for ([`failure::from_answer`]).
    pub(crate) async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        repeat: Repeat,
    ) -> Result<T> {
        let ask = Ask { method, path, body };
        let bytes = self.answer(&ask, repeat).await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            let start = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]);
            let shown = failure::fit_to_show(&start);
            let message = format!("the answer of {} to {ask} can't be understood: {error}", self.peer);
            EngineError::new(ErrorKind::Protocol, message)
                .hint(format!("is it the REST address of a Flink {}?", self.peer.server))
                .trace(format!("it begins: {shown}"))
        })
    }

    async fn answer(&self, ask: &Ask<'_>, repeat: Repeat) -> Result<Vec<u8>> {
        match self.answer_once(&self.http, ask, repeat).await {
            Err(error) if error.kind == ErrorKind::Lost && repeat == Repeat::Idempotent => {
                // Each connection that was kept open may have died with the server, or with what a proxy held behind it.
                let url = Url::parse(&self.base).map_err(|error| EngineError::failed(error.to_string()))?;
                let builder = plain(&url).1.pool_max_idle_per_host(0);
                let fresh = build(builder, &url, &self.transport, &self.limits)?;
                self.answer_once(&fresh, ask, repeat).await
            }
            first => first,
        }
    }

    async fn answer_once(&self, http: &reqwest::Client, ask: &Ask<'_>, repeat: Repeat) -> Result<Vec<u8>> {
        let url = format!("{}{}", self.base, ask.path);
        let mut request = http.request(ask.method.clone(), url);
        request = self.authorize(request).await?;
        if let Some(body) = ask.body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|error| self.explain(&error, ask))?;
        let status = response.status();
        let elsewhere = status.is_redirection().then(|| {
            let location = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            failure::elsewhere(location, &self.peer)
        });
        let bytes = self.read(response, ask).await?;
        if status.is_success() {
            return Ok(bytes);
        }
        let mut error = failure::from_answer(status.as_u16(), &bytes, &ask.to_string(), &self.peer);
        if let Some(hint) = elsewhere {
            error = error.hint(hint);
        }
        // A proxy's word that it heard nothing from the server says nothing of what the server has done.
        if status.is_server_error()
            && repeat == Repeat::Never
            && matches!(
                error.kind,
                ErrorKind::Connect | ErrorKind::Timeout | ErrorKind::Protocol
            )
        {
            error.kind = ErrorKind::Lost;
        }
        if self.transport.withheld && matches!(status.as_u16(), 401 | 403) {
            return Err(error.hint(format!(
                "your credentials are not sent to {}, which only the session's properties name: give --rest or --history",
                self.peer
            )));
        }
        Err(error)
    }

    async fn authorize(&self, request: RequestBuilder) -> Result<RequestBuilder> {
        Ok(match &self.transport.authorization {
            None => request,
            Some(Authorization::Basic { user, password }) => {
                request.basic_auth(user, password.as_ref().map(Secret::reveal))
            }
            Some(Authorization::Bearer(token)) => request.bearer_auth(transport::read_token(token).await?.reveal()),
        })
    }

    /// The whole body, up to the limit.
    async fn read(&self, mut response: Response, ask: &Ask<'_>) -> Result<Vec<u8>> {
        let too_long = || {
            let message = format!(
                "the answer of {} to {ask} is longer than {} bytes",
                self.peer, self.limits.body
            );
            EngineError::new(ErrorKind::Protocol, message)
        };
        let announced = response.content_length().unwrap_or(0);
        if usize::try_from(announced).map_or(true, |length| length > self.limits.body) {
            return Err(too_long());
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.explain(&error, ask))? {
            if bytes.len() + chunk.len() > self.limits.body {
                return Err(too_long());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// Why there is no answer.
    fn explain(&self, error: &reqwest::Error, ask: &Ask<'_>) -> EngineError {
        let peer = &self.peer;
        if let Some(error) = tls::explain(error, peer, self.transport.identity.is_some()) {
            return error;
        }
        let cause = failure::fit_to_show(&innermost(error));
        if error.is_connect() {
            let message = if error.is_timeout() {
                format!("{peer} did not take the connection within {:?}", self.limits.connect)
            } else {
                format!("{peer} can't be reached: {cause}")
            };
            let error = EngineError::new(ErrorKind::Connect, message).hint(peer.server.question());
            return match self.proxy {
                Some(variable) => error.hint(format!(
                    "{variable} is set: is that proxy up, and does it lead there? NO_PROXY names hosts that need none"
                )),
                None => error,
            };
        }
        if error.is_timeout() {
            let message = format!("{peer} did not answer {ask} within {:?}", self.limits.request);
            return EngineError::new(ErrorKind::Timeout, message);
        }
        let message = format!("the connection to {peer} broke during {ask}: {cause}");
        let error = EngineError::new(ErrorKind::Lost, message);
        // Flink's servers redirect who comes without TLS, or, if the connection's end is quicker, say nothing.
        if !self.speaks_tls() && cause.starts_with("connection closed before") {
            return error.hint(format!("perhaps it wants TLS: {}", failure::over_tls(peer)));
        }
        error
    }
}

/// The client that keeps these limits, with the headers, certificates and authorities of that transport.
fn build(
    builder: reqwest::ClientBuilder,
    url: &Url,
    transport: &Transport,
    limits: &Limits,
) -> Result<reqwest::Client> {
    let mut builder = builder
        .default_headers(transport.headers.clone())
        .connect_timeout(limits.connect)
        .timeout(limits.request);
    if url.scheme() == "https" {
        builder = tls::set_up(builder, transport)?;
    }
    builder.build().map_err(|error| {
        let cause = failure::fit_to_show(&innermost(&error));
        EngineError::new(ErrorKind::Connect, format!("{cause}: HTTP could not be set up"))
    })
}

/// What every client of a server at that URL begins with, and the variable that names a proxy on the way there. It follows
/// no redirect: that would carry a request, and credentials, to a server that nobody named.
pub(super) fn plain(url: &Url) -> (Option<&'static str>, reqwest::ClientBuilder) {
    tls::install_provider();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("skep/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none());
    let proxy = proxy_variable(url);
    if proxy.is_none() {
        builder = builder.no_proxy();
    }
    if url.scheme() != "https" && !proxy.as_ref().is_some_and(|(_, proxy)| proxy.starts_with("https:")) {
        // No certificate will ever be checked: the system's are not loaded, which takes longer than the connection.
        builder = builder.tls_certs_only([]);
    }
    (proxy.map(|(variable, _)| variable), builder)
}

/// One request.
struct Ask<'a> {
    method: Method,
    path: &'a str,
    body: Option<&'a Value>,
}

impl fmt::Display for Ask<'_> {
    /// Without the handles of a gateway in the path: they tell a person nothing, and who has one has the session.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.method)?;
        for (at, segment) in self.path.split('/').enumerate() {
            let slash = if at > 0 { "/" } else { "" };
            write!(f, "{slash}{}", if is_handle(segment) { "…" } else { segment })?;
        }
        Ok(())
    }
}

/// A UUID, as a gateway names its sessions and operations.
fn is_handle(segment: &str) -> bool {
    let groups: Vec<&str> = segment.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups
            .iter()
            .all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The environment variable that names a proxy for that URL, and its value; none for this machine itself. `NO_PROXY` is
/// not looked at.
fn proxy_variable(url: &Url) -> Option<(&'static str, String)> {
    if is_loopback(url) {
        return None;
    }
    let variables = match url.scheme() {
        "https" => ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"],
        _ => ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"],
    };
    variables.into_iter().find_map(|variable| {
        let proxy = std::env::var(variable).ok().filter(|proxy| !proxy.is_empty())?;
        Some((variable, proxy))
    })
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The innermost cause of an error: what a person can use of `reqwest`'s chain.
pub(super) fn innermost(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_named_without_handles() {
        let shown = |path: &str| {
            let ask = Ask {
                method: Method::GET,
                path,
                body: None,
            };
            ask.to_string()
        };
        let (session, operation) = (
            "80c8fb24-0694-440e-b4a9-db3d8f402b0b",
            "43fb1d6c-7894-47e1-a58d-24bb8516e217",
        );
        assert_eq!(
            shown(&format!(
                "/v4/sessions/{session}/operations/{operation}/result/41?rowFormat=JSON"
            )),
            "GET /v4/sessions/…/operations/…/result/41?rowFormat=JSON"
        );
        let path = "/v1/jobs/94af10254b3cd77e41d9c648c264f426/status";
        assert_eq!(shown(path), format!("GET {path}"));
    }
}
