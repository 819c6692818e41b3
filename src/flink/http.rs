//! HTTP with limits: what every request to a Flink server goes through.

use std::error::Error;
use std::sync::Once;

use reqwest::{Method, Response};
use serde::de::DeserializeOwned;
use serde_json::Value;
use skep_engine::{EngineError, ErrorKind, Result, Secret};
use url::{Host, Url};

use super::Limits;
use super::failure;

/// TLS needs a provider of cryptography, once per process. Only a connection that is made pays for it.
fn install_tls_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error says that another part of the process has installed one already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// Whether a request may be sent again when its answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Sending it twice does the same as sending it once.
    Idempotent,
    /// It is sent once.
    Never,
}

/// A server that is spoken to.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    server: String,
    credentials: Option<(String, Option<Secret>)>,
    limits: Limits,
}

impl Client {
    /// A client of the server at that `http` or `https` URL; requests are made below its path. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ErrorKind::Connect`] if TLS could not be set up.
    pub(crate) fn new(url: &Url, credentials: Option<(String, Option<Secret>)>, limits: Limits) -> Result<Self> {
        install_tls_provider();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("skep/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(limits.connect)
            .timeout(limits.request)
            // A redirect would carry a request, and credentials, to a server that nobody named.
            .redirect(reqwest::redirect::Policy::none());
        if is_loopback(url) {
            builder = builder.no_proxy();
        }
        if url.scheme() == "http" {
            // No certificate will ever be checked: the system's are not loaded, which takes longer than the connection.
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(|error| {
            let cause = failure::fit_to_show(&innermost(&error));
            EngineError::new(ErrorKind::Connect, format!("{cause}: HTTP could not be set up"))
        })?;
        let host = url.host_str().unwrap_or_default();
        let server = url
            .port_or_known_default()
            .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Ok(Self {
            http,
            base: url.as_str().trim_end_matches('/').to_owned(),
            server,
            credentials,
            limits,
        })
    }

    /// The server as `host:port`.
    pub(crate) fn server(&self) -> &str {
        &self.server
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
        let first = self.send_once(&method, path, body).await;
        match first {
            Err(error) if error.kind == ErrorKind::Lost && repeat == Repeat::Idempotent => {
                self.send_once(&method, path, body).await
            }
            first => first,
        }
    }

    /// `GET`, and the answer as it came. The request is sent a second time if the connection breaks.
    pub(crate) async fn fetch(&self, path: &str) -> Result<Vec<u8>> {
        match self.exchange(&Method::GET, path, None).await {
            Err(error) if error.kind == ErrorKind::Lost => self.exchange(&Method::GET, path, None).await,
            first => first,
        }
    }

    async fn send_once<T: DeserializeOwned>(&self, method: &Method, path: &str, body: Option<&Value>) -> Result<T> {
        let bytes = self.exchange(method, path, body).await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            let start = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]);
            let shown = failure::fit_to_show(&start);
            let message = format!(
                "the answer of {} to {method} {path} can't be understood: {error}",
                self.server
            );
            EngineError::new(ErrorKind::Protocol, message)
                .hint("is it the REST address of a Flink JobManager?")
                .trace(format!("it begins: {shown}"))
        })
    }

    /// One request and the body of its answer.
    async fn exchange(&self, method: &Method, path: &str, body: Option<&Value>) -> Result<Vec<u8>> {
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.base));
        if let Some((user, password)) = &self.credentials {
            request = request.basic_auth(user, password.as_ref().map(Secret::reveal));
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let name = format!("{method} {path}");
        let response = request.send().await.map_err(|error| self.explain(&error, &name))?;
        let status = response.status();
        let bytes = self.read(response, &name).await?;
        if !status.is_success() {
            return Err(failure::from_answer(status.as_u16(), &bytes, &name, &self.server));
        }
        Ok(bytes)
    }

    /// The whole body, up to the limit.
    async fn read(&self, mut response: Response, name: &str) -> Result<Vec<u8>> {
        let too_long = || {
            let message = format!(
                "the answer of {} to {name} is longer than {} bytes",
                self.server, self.limits.body
            );
            EngineError::new(ErrorKind::Protocol, message)
        };
        let announced = response.content_length().unwrap_or(0);
        if usize::try_from(announced).map_or(true, |length| length > self.limits.body) {
            return Err(too_long());
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.explain(&error, name))? {
            if bytes.len() + chunk.len() > self.limits.body {
                return Err(too_long());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// Why there is no answer.
    fn explain(&self, error: &reqwest::Error, name: &str) -> EngineError {
        let server = &self.server;
        let cause = failure::fit_to_show(&innermost(error));
        if error.is_connect() {
            let message = if error.is_timeout() {
                format!("{server} did not take the connection within {:?}", self.limits.connect)
            } else {
                format!("{server} can't be reached: {cause}")
            };
            return EngineError::new(ErrorKind::Connect, message)
                .hint("is the JobManager up, and is this its REST address (rest.port, 8081 unless it is set)?");
        }
        if error.is_timeout() {
            let message = format!("{server} did not answer {name} within {:?}", self.limits.request);
            return EngineError::new(ErrorKind::Timeout, message);
        }
        let message = format!("the connection to {server} broke during {name}: {cause}");
        EngineError::new(ErrorKind::Lost, message)
    }
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
fn innermost(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
