//! SASL's log-in by PLAIN, and its frames, as Thrift's `TSaslTransport` has them.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Why a log-in did not come to its end.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server says no.
    Refused(String),
    /// The server does not speak SASL.
    Malformed(String),
    /// The connection broke.
    Io(std::io::Error),
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

const START: u8 = 1;
const OK: u8 = 2;
const BAD: u8 = 3;
const ERROR: u8 = 4;
const COMPLETE: u8 = 5;

/// What a server says in a log-in is no longer.
const ANSWER_LIMIT: usize = 64 * 1024;

/// Logs in.
pub(super) async fn log_in(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    user: &str,
    password: &str,
) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    push(&mut bytes, START, b"PLAIN");
    // RFC 4616: no other identity to act as, the user, the password.
    push(&mut bytes, OK, format!("\0{user}\0{password}").as_bytes());
    stream.write_all(&bytes).await?;
    stream.flush().await?;
    let mut header = [0; 5];
    stream.read_exact(&mut header).await?;
    let [status, length @ ..] = header;
    let length = u32::from_be_bytes(length) as usize;
    if !(START..=COMPLETE).contains(&status) || length > ANSWER_LIMIT {
        return Err(Failure::Malformed("it does not speak SASL".to_owned()));
    }
    let mut text = vec![0; length];
    stream.read_exact(&mut text).await?;
    match status {
        COMPLETE => Ok(()),
        BAD | ERROR => Err(Failure::Refused(String::from_utf8_lossy(&text).into_owned())),
        _ => Err(Failure::Malformed("it wants more than SASL's PLAIN".to_owned())),
    }
}

fn push(bytes: &mut Vec<u8>, status: u8, payload: &[u8]) {
    bytes.push(status);
    bytes.extend(length(payload.len()));
    bytes.extend(payload);
}

/// The length in front of a frame. A message that is sent is never longer than a person's statement.
pub(super) fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}
