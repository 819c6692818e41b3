//! What is spoken at a port where nothing that was expected came: found out by asking in other words. No user and no
//! secret is told.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::http::STRANGER;
use super::tls;

/// How long each question is waited for: who understands it answers at once.
const PATIENCE: Duration = Duration::from_millis(1500);

/// So much of an answer is read, in bytes.
const ANSWER_LIMIT: usize = 4096;

/// A call of Thrift's that no server has, and line ends behind it, for those that read lines.
const CALL: &[u8] = b"\x80\x01\x00\x01\0\0\0\x05hello\0\0\0\x01\0\r\n\r\n";

/// The beginning of a log-in by SASL with a mechanism that no server has. Hive and Spark answer a call with BAD; Kyuubi, which has a newer
/// Thrift, closes the connection without a word where no log-in begins.
const LOG_IN: &[u8] = b"\x01\0\0\0\x05hello";

/// What Kyuubi's REST API answers with `pong`, to whom it knows ([`STRANGER`] to others).
const PING: &[u8] = b"GET /api/v1/ping HTTP/1.0\r\n\r\n";

/// What is spoken at a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spoken {
    /// Thrift within SASL's frames.
    Sasl,
    /// Thrift without them.
    Plain,
    /// Kyuubi's REST API, over HTTP without TLS.
    Rest,
    /// HTTP without TLS: Thrift's perhaps.
    Http,
    /// HTTP without TLS, for those alone whom the server knows.
    Guarded,
    /// TLS, with whatever within it.
    Tls,
}

/// What is spoken there; none if it does not say, or nobody is there.
pub async fn spoken(host: &str, port: u16) -> Option<Spoken> {
    match ask(host, port, CALL).await?.as_slice() {
        [0x80, 0x01, 0x00, 0x02 | 0x03, ..] => return Some(Spoken::Plain),
        answer if is_refused_by_sasl(answer) => return Some(Spoken::Sasl),
        // A record of TLS, an alert.
        [0x15, 0x03, ..] => return Some(Spoken::Tls),
        [] if is_refused_by_sasl(&ask(host, port, LOG_IN).await?) => return Some(Spoken::Sasl),
        _ => {}
    }
    let answer = ask(host, port, PING).await?;
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let is_http = head.starts_with("HTTP/");
    let has_status = |status: &str| is_http && head.split(' ').nth(1) == Some(status);
    if has_status("200") && body.contains("pong") || has_status("401") && body.contains(STRANGER) {
        return Some(Spoken::Rest);
    }
    // Some that want TLS say so in HTTP.
    if is_tls(host, port).await {
        return Some(Spoken::Tls);
    }
    if has_status("401") || has_status("403") {
        return Some(Spoken::Guarded);
    }
    is_http.then_some(Spoken::Http)
}

/// Whether it is TSaslTransport's BAD or ERROR, with the length of the message behind.
fn is_refused_by_sasl(answer: &[u8]) -> bool {
    matches!(answer, [3 | 4, 0, 0, ..])
}

/// The beginning of what is answered to that, if anybody is there.
async fn ask(host: &str, port: u16, question: &[u8]) -> Option<Vec<u8>> {
    let mut stream = connect(host, port).await?;
    let mut answer = Vec::new();
    let exchange = async {
        stream.write_all(question).await?;
        (&mut stream).take(ANSWER_LIMIT as u64).read_to_end(&mut answer).await
    };
    // What came until then may be enough.
    let _ = timeout(PATIENCE, exchange).await;
    Some(answer)
}

async fn connect(host: &str, port: u16) -> Option<TcpStream> {
    let connected = timeout(PATIENCE, TcpStream::connect((host, port))).await;
    connected.ok()?.ok()
}

/// Whether a handshake comes as far as the server's certificate, which nobody is trusted to have signed.
async fn is_tls(host: &str, port: u16) -> bool {
    let (Ok(config), Ok(name)) = (tls::unused(), ServerName::try_from(host.to_owned())) else {
        return false;
    };
    let Some(stream) = connect(host, port).await else {
        return false;
    };
    let shaken = timeout(PATIENCE, TlsConnector::from(Arc::new(config)).connect(name, stream)).await;
    match shaken {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => {
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            matches!(
                inner,
                Some(rustls::Error::InvalidCertificate(_) | rustls::Error::AlertReceived(_))
            )
        }
        Err(_) => false,
    }
}
