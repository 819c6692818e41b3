//! A server that answers with what the fuzzer has made up.

use std::io::Cursor;

use crate::transport::stream;

/// Answers every call with the same.
#[derive(Debug)]
pub(crate) struct Answering {
    body: Vec<u8>,
    is_raw: bool,
}

impl Answering {
    /// With that, or, unless it is `raw`, with that behind the header of an answer to the call.
    pub(crate) fn new(body: &[u8], is_raw: bool) -> Self {
        Self {
            body: body.to_vec(),
            is_raw,
        }
    }

    /// The answer to a call.
    pub(super) fn answer(&self, message: &[u8]) -> Vec<u8> {
        if self.is_raw {
            return self.body.clone();
        }
        // Version and type, the name with its length, the sequence number.
        let name = usize::from(message[7]);
        let mut answer = message[..8 + name + 4].to_vec();
        answer[3] = 2;
        answer.extend_from_slice(&self.body);
        answer
    }
}

/// A log-in, and a call after it, on a connection on which that comes.
pub(crate) async fn exchange(data: &[u8], is_bare: bool) {
    let stream = tokio::io::join(Cursor::new(data.to_vec()), tokio::io::sink());
    stream::answered(Box::new(stream), is_bare).await;
}
