//! Reading from ZooKeeper, as much as it takes to find a server that has registered there: the names below a node, and what
//! is in one.
//!
//! The protocol: <https://github.com/apache/zookeeper/blob/master/zookeeper-jute/src/main/resources/zookeeper.jute>, in frames
//! of four bytes of length and that many more. Nothing is written there, and no watch is set.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::error::{Error, Result};
use crate::thrift::Malformed;

/// A longer frame is not taken, in bytes. ZooKeeper's own limit is 1 MiB (`jute.maxbuffer`).
const FRAME_LIMIT: usize = 4 * 1024 * 1024;

/// How long ZooKeeper keeps the session after it has heard nothing, in milliseconds.
const SESSION_TIMEOUT: i32 = 30_000;

/// What is asked for (`ZooDefs.OpCode`).
#[derive(Debug, Clone, Copy)]
enum Request {
    Data = 4,
    Children = 8,
    Close = -11,
}

/// What ZooKeeper says of a request (`KeeperException.Code`).
const NO_NODE: i32 = -101;
const NO_AUTH: i32 = -102;

/// Events, pings and the like, which answer nothing, have negative numbers.
const FIRST_NUMBER: i32 = 1;

/// A session with a ZooKeeper server.
#[derive(Debug)]
pub struct Registry {
    stream: TcpStream,
    place: String,
    limit: Duration,
    number: i32,
}

impl Registry {
    /// Opens a session with the server at `host:port`. Every answer is waited for that long.
    ///
    /// # Errors
    /// [`Error::Connect`].
    pub async fn connect(host: &str, port: u16, limit: Duration) -> Result<Self> {
        let place = format!("ZooKeeper at {host}:{port}");
        let unreachable = |cause: String| Error::Connect {
            place: place.clone(),
            cause,
        };
        let stream = timeout(limit, TcpStream::connect((host, port)))
            .await
            .map_err(|_| unreachable(format!("no answer in {limit:?}")))?
            .map_err(|error| unreachable(error.to_string()))?;
        let mut registry = Self {
            stream,
            place,
            limit,
            number: FIRST_NUMBER,
        };
        // Version of the protocol, last transaction seen, time-out, session, and its password: none.
        let mut request = Vec::new();
        request.extend(0_i32.to_be_bytes());
        request.extend(0_i64.to_be_bytes());
        request.extend(SESSION_TIMEOUT.to_be_bytes());
        request.extend(0_i64.to_be_bytes());
        request.extend(16_i32.to_be_bytes());
        request.extend([0; 16]);
        registry.send(&request).await?;
        registry.frame().await?;
        Ok(registry)
    }

    /// The names of the nodes below one.
    ///
    /// # Errors
    /// [`Error::Connect`], [`Error::Registry`].
    pub async fn children(&mut self, path: &str) -> Result<Vec<String>> {
        let answer = self.ask(Request::Children, path).await?;
        read_children(&answer).map_err(|Malformed(cause)| self.unreadable(cause))
    }

    /// What is in a node.
    ///
    /// # Errors
    /// [`Error::Connect`], [`Error::Registry`].
    pub async fn data(&mut self, path: &str) -> Result<Vec<u8>> {
        let answer = self.ask(Request::Data, path).await?;
        let mut rest = answer.as_slice();
        Ok(read_buffer(&mut rest)
            .map_err(|Malformed(cause)| self.unreadable(cause))?
            .to_vec())
    }

    /// Ends the session. ZooKeeper that can't be told ends it by itself.
    pub async fn close(mut self) {
        let mut request = self.number.to_be_bytes().to_vec();
        request.extend((Request::Close as i32).to_be_bytes());
        let _ = self.send(&request).await;
    }

    fn unreadable(&self, cause: String) -> Error {
        Error::Registry {
            place: self.place.clone(),
            cause: format!("its answer can't be understood: {cause}"),
        }
    }

    /// What answers a request about a node, without its header.
    async fn ask(&mut self, what: Request, path: &str) -> Result<Vec<u8>> {
        const NO_WATCH: u8 = 0;
        let number = self.number;
        self.number = number.checked_add(1).unwrap_or(FIRST_NUMBER);
        let mut request = number.to_be_bytes().to_vec();
        request.extend((what as i32).to_be_bytes());
        let length = u32::try_from(path.len()).unwrap_or(u32::MAX);
        request.extend(length.to_be_bytes());
        request.extend(path.as_bytes());
        request.push(NO_WATCH);
        self.send(&request).await?;
        loop {
            let frame = self.frame().await?;
            // The number of the request, that of the last transaction, and what became of it.
            let header = frame.split_first_chunk::<16>();
            let Some((header, answer)) = header else {
                return Err(self.unreadable("it is too short".to_owned()));
            };
            let [a, b, c, d, .., w, x, y, z] = *header;
            let (answered, code) = (i32::from_be_bytes([a, b, c, d]), i32::from_be_bytes([w, x, y, z]));
            if answered < FIRST_NUMBER {
                continue;
            }
            let cause = match code {
                _ if answered != number => return Err(self.unreadable("it answers something else".to_owned())),
                0 => return Ok(answer.to_vec()),
                NO_NODE => format!("there is no node {path}"),
                NO_AUTH => format!("{path} may not be read without authentication"),
                code => format!("{path} can't be read (error {code})"),
            };
            return Err(Error::Registry {
                place: self.place.clone(),
                cause,
            });
        }
    }

    async fn send(&mut self, request: &[u8]) -> Result<()> {
        let length = u32::try_from(request.len()).unwrap_or(u32::MAX);
        let bytes = [&length.to_be_bytes(), request].concat();
        let sent = timeout(self.limit, self.stream.write_all(&bytes)).await;
        self.in_time(sent)
    }

    async fn frame(&mut self) -> Result<Vec<u8>> {
        let stream = &mut self.stream;
        let read = timeout(self.limit, async {
            let length = stream.read_u32().await? as usize;
            if length > FRAME_LIMIT {
                let message = format!("an answer is longer than {FRAME_LIMIT} bytes");
                return Err(std::io::Error::other(message));
            }
            // Room is made as bytes come, not as a length announces them.
            let mut frame = Vec::new();
            stream.take(length as u64).read_to_end(&mut frame).await?;
            match frame.len() {
                read if read == length => Ok(frame),
                _ => Err(std::io::ErrorKind::UnexpectedEof.into()),
            }
        })
        .await;
        self.in_time(read)
    }

    fn in_time<T>(&self, done: Result<std::io::Result<T>, tokio::time::error::Elapsed>) -> Result<T> {
        let cause = match done {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer in {:?}", self.limit),
        };
        Err(Error::Connect {
            place: self.place.clone(),
            cause,
        })
    }
}

/// A list of names.
fn read_children(answer: &[u8]) -> Result<Vec<String>, Malformed> {
    let mut rest = answer;
    let count = read_int(&mut rest)?;
    // Each has four bytes for its length: there are no more than bytes.
    let mut names = Vec::new();
    for _ in 0..count {
        let name = read_buffer(&mut rest)?;
        names.push(String::from_utf8_lossy(name).into_owned());
    }
    Ok(names)
}

/// Bytes behind their number; -1 stands for none.
fn read_buffer<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
    let length = read_int(rest)?;
    let length = usize::try_from(length.max(0)).unwrap_or_default();
    let (bytes, after) = rest.split_at_checked(length).ok_or_else(cut_short)?;
    *rest = after;
    Ok(bytes)
}

fn read_int(rest: &mut &[u8]) -> Result<i32, Malformed> {
    let (bytes, after) = rest.split_first_chunk().ok_or_else(cut_short)?;
    *rest = after;
    Ok(i32::from_be_bytes(*bytes))
}

fn cut_short() -> Malformed {
    Malformed("it ends in the middle of a value".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_count_that_nothing_stands_behind_is_refused() {
        assert!(read_children(&[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 1, b'a']).is_err());
        assert!(read_children(&[0, 0, 0, 1, 0x7f, 0xff, 0xff, 0xff]).is_err());
        assert_eq!(read_children(&[0xff; 4]).unwrap(), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn names_are_read_as_they_were_written(names in proptest::collection::vec("[a-zé=;:.0-9]{0,20}", 0..20)) {
            let mut bytes = u32::try_from(names.len()).unwrap().to_be_bytes().to_vec();
            for name in &names {
                bytes.extend(u32::try_from(name.len()).unwrap().to_be_bytes());
                bytes.extend(name.as_bytes());
            }
            prop_assert_eq!(read_children(&bytes).unwrap(), names);
            for end in 0..bytes.len() {
                prop_assert!(read_children(&bytes[..end]).is_err());
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = read_children(&bytes);
            let _ = read_buffer(&mut bytes.as_slice());
        }
    }
}
