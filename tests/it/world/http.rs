//! As much of HTTP/1.1 as servers of the tests' own need, and what can go wrong with an answer.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpSocket;

/// A port of this machine at which nobody listens, and nobody else can as long as this lives.
pub struct Nobody(TcpSocket);

impl Nobody {
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self(socket)
    }

    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }
}

/// What comes instead of an answer.
#[derive(Debug, Clone)]
pub enum Fault {
    /// The connection is cut.
    Cut,
    /// Nothing comes.
    Silence,
    /// What a server of another kind says: the alert of one that speaks TLS.
    NotHttp,
    /// A body without an end.
    Endless,
    /// A length is announced that nobody can hold.
    Huge,
    /// One line of so many bytes, the beginning of JSON.
    Line(u64),
    /// These bytes as the body of a 200.
    Body(Vec<u8>),
    /// The same, said to be gzip.
    Gzip(Vec<u8>),
    /// A status and a body of another making.
    Status(u16, &'static str),
    /// The answer is said to be at another address.
    Redirect(String),
}

impl Fault {
    /// Lets a client that waits for an answer have this.
    ///
    /// # Errors
    /// The connection is of no further use.
    pub async fn play(self, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        match self {
            Self::Cut => Err(io::ErrorKind::ConnectionAborted.into()),
            Self::Silence => std::future::pending().await,
            Self::NotHttp => stream.write_all(&[21, 3, 1, 0, 2, 2, 22]).await,
            Self::Endless => {
                let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
                stream.write_all(head).await?;
                let chunk = [b"1000\r\n".as_slice(), &[b' '; 0x1000], b"\r\n"].concat();
                loop {
                    stream.write_all(&chunk).await?;
                }
            }
            Self::Huge => {
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", u64::MAX / 2);
                stream.write_all(head.as_bytes()).await
            }
            Self::Line(length) => {
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{{\"errors\": [\"");
                stream.write_all(head.as_bytes()).await?;
                let mut left = length.saturating_sub(13);
                let piece = [b'x'; 0x1_0000];
                while left > 0 {
                    let n = usize::try_from(left).map_or(piece.len(), |left| left.min(piece.len()));
                    stream.write_all(&piece[..n]).await?;
                    left -= n as u64;
                }
                Ok(())
            }
            Self::Body(body) => send(stream, 200, &body).await,
            Self::Gzip(body) => {
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                stream.write_all(&[head.as_bytes(), &body].concat()).await
            }
            Self::Status(status, body) => send(stream, status, body.as_bytes()).await,
            Self::Redirect(location) => {
                let head = format!("HTTP/1.1 307 Elsewhere\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(head.as_bytes()).await
            }
        }
    }
}

/// Sends an answer.
///
/// # Errors
/// The connection broke.
pub async fn send(stream: &mut (impl AsyncWrite + Unpin), status: u16, body: &[u8]) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status} Whatever\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).await
}

/// A request or an answer.
#[derive(Debug, Clone)]
pub struct Message {
    /// All of it, as it came.
    pub bytes: Vec<u8>,
    /// Where the body begins.
    head: usize,
}

impl Message {
    /// Reads a request; none at the end of the connection.
    pub async fn read_request(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Option<Self> {
        let mut request = Self::read_head(stream).await?;
        let length = request.length().unwrap_or(0);
        request.read_to(stream, length).await?;
        Some(request)
    }

    /// Reads an answer whole; none if the connection ends before.
    pub async fn read_answer(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Option<Self> {
        let mut answer = Self::read_head(stream).await?;
        let chunked = answer
            .header("transfer-encoding")
            .is_some_and(|coding| coding == "chunked");
        match answer.length() {
            Some(length) => answer.read_to(stream, length).await?,
            None if chunked => {
                while !answer.bytes.ends_with(b"\r\n0\r\n\r\n") {
                    answer.read_more(stream).await?;
                }
            }
            None if answer.status() == 204 => {}
            // Its end is the connection's.
            None => while answer.read_more(stream).await.is_some() {},
        }
        Some(answer)
    }

    async fn read_head(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> Option<Self> {
        let mut message = Self {
            bytes: Vec::new(),
            head: 0,
        };
        loop {
            if let Some(end) = message.bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                message.head = end + 4;
                return Some(message);
            }
            message.read_more(stream).await?;
            // A TLS handshake, to which a server without TLS answers like this.
            if message.bytes[0] == 0x16 {
                send(stream, 400, b"").await.ok()?;
                return None;
            }
        }
    }

    async fn read_more(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> Option<()> {
        (stream.read_buf(&mut self.bytes).await.ok()? > 0).then_some(())
    }

    async fn read_to(&mut self, stream: &mut (impl AsyncRead + Unpin), length: usize) -> Option<()> {
        while self.bytes.len() < self.head + length {
            self.read_more(stream).await?;
        }
        Some(())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.head]).unwrap()
    }

    fn length(&self) -> Option<usize> {
        self.header("content-length").map(|length| length.parse().unwrap())
    }

    /// `METHOD path` of a request.
    pub fn line(&self) -> &str {
        let first = self.text().lines().next().unwrap_or_default();
        first.trim_end_matches(" HTTP/1.1")
    }

    /// The status of an answer.
    pub fn status(&self) -> u16 {
        let word = self.text().split_whitespace().nth(1);
        word.and_then(|word| word.parse().ok()).unwrap_or(0)
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.text().lines().filter_map(|line| line.split_once(':'));
        let found = lines.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    }

    /// What follows the head.
    pub fn body(&self) -> &[u8] {
        &self.bytes[self.head..]
    }
}
