//! What is spoken at a port.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use skep_hive::{Spoken, spoken};

/// What is said of a server that reads one message on each connection, answers that, if at all, and closes it.
async fn said_of(answer: fn(&[u8]) -> &'static [u8]) -> Option<Spoken> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut message) = (stream.unwrap(), [0; 4096]);
            let length = stream.read(&mut message).unwrap_or(0);
            let _ = stream.write_all(answer(&message[..length]));
        }
    });
    spoken("127.0.0.1", port).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_is_recognised_where_all_else_is_met_with_silence() {
    // Kyuubi 1.11.1: its TSaslServerTransport throws at a status that it does not know, and answers one that it does.
    let kyuubi = |message: &[u8]| -> &'static [u8] {
        match message {
            [1, ..] => b"\x03\0\0\0\x20Unsupported mechanism type hello",
            _ => b"",
        }
    };
    assert_eq!(said_of(kyuubi).await, Some(Spoken::Sasl));
    // Hive and Spark answer at once.
    assert_eq!(said_of(|_| b"\x04\0\0\0\x05hello").await, Some(Spoken::Sasl));
    assert_eq!(said_of(|_| b"").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn kyuubis_rest_api_is_recognised_by_who_is_not_let_in_too() {
    // Kyuubi 1.11.1 with Kerberos.
    let kyuubi = |_: &[u8]| -> &'static [u8] {
        b"HTTP/1.1 401 Unauthorized\r\n\r\n<html><title>Error 401 No auth scheme matched for null</title></html>"
    };
    assert_eq!(said_of(kyuubi).await, Some(Spoken::Rest));
    let other = |_: &[u8]| -> &'static [u8] { b"HTTP/1.1 401 Unauthorized\r\n\r\n<html></html>" };
    assert_eq!(said_of(other).await, Some(Spoken::Guarded));
}
