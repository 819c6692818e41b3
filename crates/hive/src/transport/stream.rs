//! Calls over a connection of TCP: a task of its own sends one after another and reads what answers it.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::kerberos::{self, Mechanism};
use super::{Endpoint, MESSAGE_LIMIT, Transport, innermost, sasl};
use crate::error::{Caller, Error, Result};
use crate::limits::Limits;
use crate::thrift::Scanner;

/// So much is made room for at once, whatever length a server announces.
const STRETCH: usize = 256 * 1024;

/// What Thrift's server says of a mechanism that it has not.
const NO_MECHANISM: &str = "Unsupported mechanism type";

/// The connection, for whoever calls.
#[derive(Debug)]
pub(crate) struct Stream {
    calls: mpsc::Sender<Call>,
    broken: Broken,
    /// Each call that has no answer yet has one, also if nobody waits for that any more.
    pending: Arc<()>,
}

/// Why nothing can be sent any more, once that is so.
type Broken = Arc<Mutex<Option<String>>>;

#[derive(Debug)]
struct Call {
    name: &'static str,
    message: Vec<u8>,
    limit: Duration,
    answer: oneshot::Sender<Result<Vec<u8>>>,
    pending: Arc<()>,
}

/// What is laid around messages.
#[derive(Debug)]
enum Framing {
    /// Nothing.
    Bare,
    /// SASL's frames.
    Frames,
    /// SASL's frames, protected.
    Protected(sasl::Layer),
}

trait Both: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Both for T {}

impl Stream {
    /// Connects, and logs in where the server wants it.
    pub(super) async fn open(endpoint: &Endpoint, limits: &Limits) -> Result<Self> {
        let mut stream = connect(endpoint, limits.connect).await?;
        let framing = match timeout(limits.connect, log_in(&mut stream, endpoint)).await {
            Ok(framing) => framing?,
            Err(_) => {
                return Err(Error::Connect {
                    place: endpoint.place(),
                    cause: format!("no answer to the log-in (SASL) in {:?}", limits.connect),
                });
            }
        };
        let (calls, queue) = mpsc::channel(1);
        let broken = Broken::default();
        tokio::spawn(serve(stream, framing, queue, Arc::clone(&broken)));
        Ok(Self {
            calls,
            broken,
            pending: Arc::default(),
        })
    }

    pub(super) async fn call(&self, name: &'static str, message: Vec<u8>, limit: Duration) -> Result<Vec<u8>> {
        let (answer, answered) = oneshot::channel();
        let call = Call {
            name,
            message,
            limit,
            answer,
            pending: Arc::clone(&self.pending),
        };
        if self.why_broken().is_some() || self.calls.send(call).await.is_err() {
            return Err(self.closed());
        }
        // The task answers each call that it has taken; it ends in between only with the whole program.
        answered.await.unwrap_or_else(|_| Err(self.closed()))
    }

    /// Whether a call would wait for the answer to another one.
    pub(crate) fn is_busy(&self) -> bool {
        Arc::strong_count(&self.pending) > 1
    }

    pub(super) fn give_up(&self, why: &str) {
        break_off(&self.broken, why);
    }

    fn why_broken(&self) -> Option<String> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn closed(&self) -> Error {
        Error::Closed(self.why_broken().unwrap_or_else(|| "it was closed".to_owned()))
    }
}

fn break_off(broken: &Broken, why: &str) {
    broken
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get_or_insert_with(|| why.to_owned());
}

/// Logs in, and says what lies around messages from then on.
async fn log_in(stream: &mut Box<dyn Both>, endpoint: &Endpoint) -> Result<Framing> {
    let (done, caller) = match &endpoint.transport {
        Transport::Sasl { user, password } => {
            let done = sasl::log_in(stream, user, password).await;
            (done.map(|()| Framing::Frames), Caller::User(user.clone()))
        }
        Transport::Kerberos { service, protection } => {
            let done = match kerberos::context(&service.at(&endpoint.host), Mechanism::Kerberos) {
                Ok(context) => sasl::log_in_by_kerberos(stream, context, *protection).await,
                Err(cause) => Err(sasl::Failure::Kerberos(cause)),
            };
            let framing = done.map(|layer| layer.map_or(Framing::Frames, Framing::Protected));
            (framing, Caller::Ticket)
        }
        Transport::Plain | Transport::Http { .. } | Transport::Rest { .. } => return Ok(Framing::Bare),
    };
    let place = endpoint.place();
    done.map_err(|failure| match failure {
        sasl::Failure::Refused(cause) => Error::Login {
            place,
            caller,
            is_of_no_use: cause.contains(NO_MECHANISM),
            cause,
        },
        sasl::Failure::Malformed(cause) => Error::Connect { place, cause },
        sasl::Failure::Kerberos(cause) => Error::Kerberos { place, cause },
        sasl::Failure::Io(error) => no_tls(&place, &error, "in the log-in (SASL)"),
    })
}

async fn connect(endpoint: &Endpoint, limit: Duration) -> Result<Box<dyn Both>> {
    let place = endpoint.place();
    let unreachable = |cause: String| Error::Connect {
        place: place.clone(),
        cause,
    };
    let config = endpoint.config()?;
    let late = |_| unreachable(format!("no answer in {limit:?}"));
    let tcp = timeout(limit, TcpStream::connect((endpoint.host.as_str(), endpoint.port)))
        .await
        .map_err(late)?
        .map_err(|error| unreachable(error.to_string()))?;
    // Calls are short and wait for their answers. Without it they are slower, not wrong.
    let _ = tcp.set_nodelay(true);
    let Some(config) = config else {
        return Ok(Box::new(tcp));
    };
    let name = ServerName::try_from(endpoint.host.clone())
        .map_err(|_| unreachable("its name is none that a certificate could have".to_owned()))?;
    let tls = timeout(limit, TlsConnector::from(config).connect(name, tcp))
        .await
        .map_err(late)?
        .map_err(|error| no_tls(&place, &error, "in TLS's handshake"))?;
    Ok(Box::new(tls))
}

/// A connection that did not come to be. With TLS 1.3 a server's no to a client certificate comes after the handshake.
fn no_tls(place: &str, error: &io::Error, when: &str) -> Error {
    let place = place.to_owned();
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(inner) => Error::Tls {
            place,
            cause: inner.to_string(),
        },
        None => Error::Connect {
            place,
            cause: format!("the connection broke {when}: {}", innermost(error)),
        },
    }
}

/// Carries out calls until nobody can make any, or one breaks the connection.
async fn serve(mut stream: Box<dyn Both>, mut framing: Framing, mut calls: mpsc::Receiver<Call>, broken: Broken) {
    let mut buffer = Vec::new();
    loop {
        let call = tokio::select! {
            biased;
            // Known now, no call is lost in a connection that nobody reads any more.
            why = ended(&mut stream) => {
                break_off(&broken, &why);
                return;
            }
            call = calls.recv() => call,
        };
        let Some(call) = call else { break };
        let Call {
            name,
            message,
            limit,
            answer,
            pending,
        } = call;
        let given_up = broken.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(why) = given_up {
            let _ = answer.send(Err(Error::Closed(why)));
            return;
        }
        let exchanged = timeout(limit, exchange(&mut stream, &mut framing, &message, &mut buffer)).await;
        drop(pending);
        let error = match exchanged {
            Ok(Ok(bytes)) => {
                // Who called may have gone.
                let _ = answer.send(Ok(bytes));
                continue;
            }
            Ok(Err(Broke::Malformed(cause))) => Error::Protocol { call: name, cause },
            Ok(Err(Broke::Io(error))) if error.kind() == io::ErrorKind::UnexpectedEof => Error::Lost {
                call: name,
                cause: "the server closed it".to_owned(),
            },
            Ok(Err(Broke::Io(error))) => Error::Lost {
                call: name,
                cause: innermost(&error),
            },
            Err(_) => Error::Timeout { call: name, limit },
        };
        break_off(&broken, &error.to_string());
        let _ = answer.send(Err(error));
        return;
    }
    // A server over TLS wants to be told. One that can't be told any more is gone.
    let _ = stream.shutdown().await;
}

/// Waits until the server ends the connection, and says how. Nothing comes that was not asked for.
async fn ended(stream: &mut Box<dyn Both>) -> String {
    match stream.read(&mut [0]).await {
        Ok(0) => "the server closed it".to_owned(),
        Ok(_) => "the server sent what nobody had asked for".to_owned(),
        Err(error) => innermost(&error),
    }
}

enum Broke {
    Io(io::Error),
    Malformed(String),
}

impl From<io::Error> for Broke {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Sends a message and reads the one that answers it. Nothing comes that was not asked for: what is left in `buffer` is a
/// failure.
async fn exchange(
    stream: &mut Box<dyn Both>,
    framing: &mut Framing,
    message: &[u8],
    buffer: &mut Vec<u8>,
) -> Result<Vec<u8>, Broke> {
    // In one piece: the length alone would be a packet of its own.
    let bytes = match framing {
        Framing::Bare => message.to_vec(),
        Framing::Frames => framed(message),
        Framing::Protected(layer) => {
            let frames = layer.wrap(message).map_err(unprotected)?;
            frames.iter().flat_map(|frame| framed(frame)).collect()
        }
    };
    stream.write_all(&bytes).await?;
    stream.flush().await?;
    let mut scanner = Scanner::message(MESSAGE_LIMIT);
    loop {
        match framing {
            Framing::Bare => read_some(stream, buffer).await?,
            Framing::Frames => read_frame(stream, buffer).await?,
            Framing::Protected(layer) => {
                let mut frame = Vec::new();
                read_frame(stream, &mut frame).await?;
                buffer.extend_from_slice(&layer.unwrap(&frame).map_err(unprotected)?);
            }
        }
        let end = scanner
            .advance(buffer)
            .map_err(|error| Broke::Malformed(error.to_string()))?;
        match end {
            Some(end) if end == buffer.len() => return Ok(std::mem::take(buffer)),
            Some(_) => return Err(Broke::Malformed("there is something behind its end".to_owned())),
            None if buffer.len() > MESSAGE_LIMIT => return Err(too_long()),
            None => {}
        }
    }
}

/// A frame with that payload.
fn framed(payload: &[u8]) -> Vec<u8> {
    [&sasl::length(payload.len())[..], payload].concat()
}

fn unprotected(why: String) -> Broke {
    Broke::Malformed(format!("Kerberos does not protect it: {why}"))
}

/// Adds a frame's payload. Room is made as bytes come, not as a length announces them.
async fn read_frame(stream: &mut Box<dyn Both>, buffer: &mut Vec<u8>) -> Result<(), Broke> {
    let length = stream.read_u32().await? as usize;
    if length.saturating_add(buffer.len()) > MESSAGE_LIMIT {
        return Err(too_long());
    }
    let end = buffer.len() + length;
    while buffer.len() < end {
        let left = (end - buffer.len()).min(STRETCH);
        buffer.reserve(left);
        if (&mut **stream).take(left as u64).read_buf(buffer).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
    Ok(())
}

async fn read_some(stream: &mut Box<dyn Both>, buffer: &mut Vec<u8>) -> Result<(), Broke> {
    buffer.reserve(64 * 1024);
    match stream.read_buf(buffer).await? {
        0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        _ => Ok(()),
    }
}

fn too_long() -> Broke {
    Broke::Malformed(format!("it is longer than {MESSAGE_LIMIT} bytes"))
}

/// A log-in and a call on a connection on which that comes, for the fuzzer.
#[cfg(fuzzing)]
pub(super) async fn answered(
    mut stream: Box<impl AsyncRead + AsyncWrite + Unpin + Send + 'static>,
    log_in: super::fuzzing::LogIn,
) {
    use super::fuzzing::LogIn;
    let framing = match log_in {
        LogIn::Bare => Ok(Framing::Bare),
        LogIn::Plain => sasl::log_in(&mut stream, "user", "password")
            .await
            .map(|()| Framing::Frames),
        LogIn::Kerberos(context) => sasl::log_in_by_kerberos(&mut stream, context, None)
            .await
            .map(|layer| layer.map_or(Framing::Frames, Framing::Protected)),
    };
    let Ok(mut framing) = framing else { return };
    let mut stream: Box<dyn Both> = stream;
    let mut buffer = Vec::new();
    if let Ok(message) = exchange(&mut stream, &mut framing, b"", &mut buffer).await {
        assert!(message.len() <= MESSAGE_LIMIT && buffer.is_empty());
    }
}
