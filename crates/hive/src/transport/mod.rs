//! How calls reach the server.

#[cfg(fuzzing)]
pub(crate) mod fuzzing;
pub(crate) mod http;
mod kerberos;
mod probe;
mod sasl;
mod stream;
mod tls;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use crate::error::{Error, Result};
use crate::limits::Limits;

pub use kerberos::{KERBEROS, Principal, Protection};
pub use probe::{Spoken, spoken};

/// A longer message is not taken, in bytes.
pub const MESSAGE_LIMIT: usize = 256 * 1024 * 1024;

/// Where a server is and how it is spoken to.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Name or address, an IPv6 one without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// What is spoken.
    pub transport: Transport,
    /// TLS below it.
    pub tls: Option<Tls>,
}

impl Endpoint {
    /// As `host:port`.
    pub(crate) fn place(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    fn config(&self) -> Result<Option<Arc<ClientConfig>>> {
        self.tls.as_ref().map(tls::config).transpose()
    }
}

/// What is spoken to a server (`hive.server2.transport.mode` and `hive.server2.authentication`).
#[derive(Clone)]
pub enum Transport {
    /// TCP without authentication (`NOSASL`).
    Plain,
    /// TCP within SASL's frames, after a log-in by the mechanism PLAIN (`NONE`, `LDAP`, `PAM`, `CUSTOM`).
    Sasl {
        /// User name.
        user: String,
        /// Password. A server with `NONE` does not look at it, but wants one.
        password: String,
    },
    /// TCP within SASL's frames, after a log-in by Kerberos (`KERBEROS`).
    Kerberos {
        /// The server's name there.
        service: Principal,
        /// What the frames must be protected by; what the server asks for if none.
        protection: Option<Protection>,
    },
    /// Thrift over HTTP: each call is a POST.
    Http {
        /// The path, without the `/` at its beginning.
        path: String,
        /// Who this client is.
        authorization: Option<Authorization>,
        /// Headers of every request.
        headers: Vec<Header>,
    },
    /// Kyuubi's REST API.
    Rest {
        /// Who this client is.
        authorization: Option<Authorization>,
        /// Headers of every request.
        headers: Vec<Header>,
    },
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain => f.write_str("Plain"),
            Self::Sasl { user, .. } => write!(f, "Sasl({user:?})"),
            Self::Kerberos { service, .. } => write!(f, "Kerberos({service})"),
            Self::Http { path, .. } => write!(f, "Http({path:?})"),
            Self::Rest { .. } => f.write_str("Rest"),
        }
    }
}

/// A header: name and value.
#[derive(Clone)]
pub struct Header(pub String, pub String);

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Header({:?})", self.0)
    }
}

/// What stands in the header `Authorization`.
#[derive(Clone)]
pub enum Authorization {
    /// User name and password.
    Basic {
        /// User name.
        user: String,
        /// Password.
        password: String,
    },
    /// A token.
    Bearer(String),
    /// A ticket of Kerberos for the server of that name (SPNEGO).
    Negotiate(Principal),
    /// The token in that file, which is read for each request: it may be replaced there before it expires.
    BearerIn(PathBuf),
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic { .. } => "Basic",
            Self::Bearer(_) | Self::BearerIn(_) => "Bearer",
            Self::Negotiate(_) => "Negotiate",
        })
    }
}

/// Text in PEM, and what it is called in messages.
#[derive(Clone)]
pub struct Pem {
    /// The name, such as its file's.
    pub name: String,
    /// The text.
    pub text: Vec<u8>,
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pem({:?})", self.name)
    }
}

/// Whom to trust, and who this client is.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// The authorities that are trusted; the system's if there are none.
    pub authorities: Option<Pem>,
    /// The client's certificate with its chain, and its key.
    pub identity: Option<(Pem, Pem)>,
}

/// The way to a server.
#[derive(Debug)]
pub(crate) enum Channel {
    /// Over a connection of TCP.
    Stream(stream::Stream),
    /// Over HTTP.
    Http(http::Http),
    /// To nobody.
    #[cfg(fuzzing)]
    Fuzzing(fuzzing::Answering),
}

impl Channel {
    pub(crate) async fn open(endpoint: &Endpoint, limits: &Limits) -> Result<Self> {
        Ok(match http::Http::open(endpoint, limits)? {
            Some(http) => Self::Http(http),
            None => Self::Stream(stream::Stream::open(endpoint, limits).await?),
        })
    }

    /// Sends a message and waits for the one that answers it. What was begun is brought to its end also if nobody waits.
    pub(crate) async fn call(&self, call: &'static str, message: Vec<u8>, limit: Duration) -> Result<Vec<u8>> {
        match self {
            Self::Stream(stream) => stream.call(call, message, limit).await,
            Self::Http(http) => http.call(call, message, limit).await,
            #[cfg(fuzzing)]
            Self::Fuzzing(answering) => Ok(answering.answer(&message)),
        }
    }

    /// No answer can be told from another any more: nothing is sent again.
    pub(crate) fn give_up(&self, why: &str) {
        if let Self::Stream(stream) = self {
            stream.give_up(why);
        }
    }
}

/// The innermost cause of an error.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

fn certificate(name: &str, why: &str) -> Error {
    Error::Certificate(format!("{name}: {why}"))
}
