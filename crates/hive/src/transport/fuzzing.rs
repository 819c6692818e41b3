//! A server that answers with what the fuzzer has made up.

use std::io::Cursor;

use crate::transport::kerberos::Context;
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

/// How a connection begins.
pub(super) enum LogIn {
    /// Without SASL.
    Bare,
    /// By SASL's PLAIN.
    Plain,
    /// By Kerberos, with what stands for that.
    Kerberos(Box<dyn Context>),
}

/// Stands for the system's GSS-API, whose tokens nobody can make up: the first byte of whatever comes says what it makes of it.
#[derive(Debug, Default)]
struct Gss {
    is_complete: bool,
}

impl Context for Gss {
    fn step(&mut self, token: Option<&[u8]>) -> Result<Option<Vec<u8>>, String> {
        match token {
            None => Ok(Some(b"ticket".to_vec())),
            Some([0, ..]) => {
                self.is_complete = true;
                Ok(None)
            }
            Some([1, more @ ..]) => Ok(Some(more.to_vec())),
            Some(_) => Err("it is not the server's".to_owned()),
        }
    }

    fn is_complete(&self) -> bool {
        self.is_complete
    }

    fn wrap(&mut self, _: bool, bytes: &[u8]) -> Result<Vec<u8>, String> {
        Ok(bytes.to_vec())
    }

    fn unwrap(&mut self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        match bytes {
            [0, rest @ ..] => Ok(rest.to_vec()),
            _ => Err("the checksum is wrong".to_owned()),
        }
    }
}

/// A log-in, and a call after it, on a connection on which that comes.
pub(crate) async fn exchange(data: &[u8], log_in: u8) {
    let log_in = match log_in {
        0 => LogIn::Bare,
        1 => LogIn::Plain,
        _ => LogIn::Kerberos(Box::<Gss>::default()),
    };
    let stream = tokio::io::join(Cursor::new(data.to_vec()), tokio::io::sink());
    stream::answered(Box::new(stream), log_in).await;
}
