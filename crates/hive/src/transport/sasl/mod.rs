//! SASL's log-ins and frames, as Thrift's `TSaslTransport` has them.

mod gssapi;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

pub(super) use gssapi::{Layer, log_in as log_in_by_kerberos};

/// Why a log-in did not come to its end.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server says no.
    Refused(String),
    /// The server does not speak SASL.
    Malformed(String),
    /// Kerberos says no, or the server says what Kerberos does not understand.
    Kerberos(String),
    /// The connection broke.
    Io(std::io::Error),
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

/// What a message of the log-in says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Start = 1,
    Ok = 2,
    Bad = 3,
    Error = 4,
    Complete = 5,
}

/// What a server says in a log-in is no longer.
const ANSWER_LIMIT: usize = 64 * 1024;

/// Logs in by the mechanism PLAIN.
pub(super) async fn log_in(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    user: &str,
    password: &str,
) -> Result<(), Failure> {
    // RFC 4616: no other identity to act as, the user, the password.
    let identity = format!("\0{user}\0{password}");
    send(stream, &[(Status::Start, b"PLAIN"), (Status::Ok, identity.as_bytes())]).await?;
    match receive(stream).await? {
        (Status::Complete, _) => Ok(()),
        _ => Err(Failure::Malformed("it wants more than SASL's PLAIN".to_owned())),
    }
}

/// Sends messages in one piece.
async fn send(stream: &mut (impl AsyncWrite + Unpin), messages: &[(Status, &[u8])]) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    for (status, payload) in messages {
        bytes.push(*status as u8);
        bytes.extend(length(payload.len()));
        bytes.extend_from_slice(payload);
    }
    stream.write_all(&bytes).await?;
    stream.flush().await?;
    Ok(())
}

/// What the server says next, unless it is no.
async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> Result<(Status, Vec<u8>), Failure> {
    let mut header = [0; 5];
    stream.read_exact(&mut header).await?;
    let [status, length @ ..] = header;
    let statuses = [Status::Start, Status::Ok, Status::Bad, Status::Error, Status::Complete];
    let status = statuses.into_iter().find(|known| *known as u8 == status);
    let length = u32::from_be_bytes(length) as usize;
    let Some(status) = status.filter(|_| length <= ANSWER_LIMIT) else {
        return Err(Failure::Malformed("it does not speak SASL".to_owned()));
    };
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await?;
    match status {
        Status::Bad | Status::Error => Err(Failure::Refused(String::from_utf8_lossy(&payload).into_owned())),
        status => Ok((status, payload)),
    }
}

/// The length in front of a frame. A message that is sent is never longer than a person's statement.
pub(super) fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}
