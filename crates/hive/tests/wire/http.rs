//! Calls over HTTP, with TLS and without: what a server is sent, and what becomes of its answers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, mpsc};
use std::thread;

use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use skep_hive::{Authorization, Client, Endpoint, Error, Header, Pem, Tls, Transport};

use crate::{golden, limits, open, renumbered};

trait Both: Read + Write {}
impl<T: Read + Write> Both for T {}

/// A request: its head, in small letters but for values, and its body.
pub struct Request {
    pub head: Vec<String>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.iter().filter_map(|line| line.split_once(": "));
        lines
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// Answers one request on each connection, with the next of these texts: a head and a body.
pub struct Server {
    pub port: u16,
    pub heard: mpsc::Receiver<Request>,
}

impl Server {
    pub fn start(tls: Option<Arc<ServerConfig>>, answers: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, heard) = mpsc::channel();
        thread::spawn(move || {
            let mut answers = answers.into_iter().peekable();
            while answers.peek().is_some() {
                let (tcp, _) = listener.accept().unwrap();
                let mut stream: Box<dyn Both> = match &tls {
                    Some(config) => Box::new(StreamOwned::new(
                        ServerConnection::new(Arc::clone(config)).unwrap(),
                        tcp,
                    )),
                    None => Box::new(tcp),
                };
                // Who does not trust the server says no more.
                let Some(request) = read(&mut stream) else { continue };
                let _ = sender.send(request);
                let answer = answers.next().unwrap();
                let _ = stream.write_all(&answer).and_then(|()| stream.flush());
            }
        });
        Self { port, heard }
    }

    fn endpoint(&self, host: &str, authorization: Option<Authorization>, tls: Option<Tls>) -> Endpoint {
        Endpoint {
            host: host.to_owned(),
            port: self.port,
            transport: Transport::Http {
                path: "gate/cliservice".to_owned(),
                authorization,
                headers: vec![Header("x-trace".to_owned(), "7".to_owned())],
            },
            tls,
        }
    }
}

fn read(stream: &mut Box<dyn Both>) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        head.push(line);
    }
    let mut request = Request { head, body: Vec::new() };
    let length = request.header("content-length").unwrap_or("0").parse().ok()?;
    request.body = vec![0; length];
    reader.read_exact(&mut request.body).ok()?;
    Some(request)
}

/// An answer with that status and these lines in its head.
pub fn answer(status: &str, lines: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\n{lines}connection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn alice() -> Option<Authorization> {
    Some(Authorization::Basic {
        user: "alice".to_owned(),
        password: "x".to_owned(),
    })
}

#[tokio::test]
async fn a_call_is_a_post_and_cookies_come_back() {
    let cookies = "set-cookie: hive.server2.auth=\"cu=alice&s=1\"; HttpOnly\r\nset-cookie: route=b; Path=/\r\n\
                   set-cookie: secret=s; Secure\r\nset-cookie: nonsense\r\n";
    let end = renumbered(&golden("end").1, 2);
    let server = Server::start(
        None,
        vec![
            answer("200 OK", cookies, &golden("open").1),
            answer("200 OK", "set-cookie: route=c\r\n", &end),
            answer("200 OK", "", &renumbered(&end, 3)),
        ],
    );
    let client = Client::connect(&server.endpoint("127.0.0.1", alice(), None), limits())
        .await
        .unwrap();
    let session = open(&client).await.unwrap();
    client.close_session(&session.handle).await.unwrap();
    client.close_session(&session.handle).await.unwrap();

    let first = server.heard.recv().unwrap();
    assert_eq!(first.head[0], "POST /gate/cliservice HTTP/1.1");
    assert_eq!(first.header("authorization"), Some("Basic YWxpY2U6eA=="));
    assert_eq!(first.header("content-type"), Some("application/x-thrift"));
    assert_eq!(first.header("x-trace"), Some("7"));
    assert_eq!(first.header("cookie"), None);
    assert_eq!(first.body, golden("open").0);
    // The one that is for TLS alone is not told to anybody else.
    let second = server.heard.recv().unwrap();
    assert_eq!(
        second.header("cookie"),
        Some("hive.server2.auth=\"cu=alice&s=1\"; route=b")
    );
    let third = server.heard.recv().unwrap();
    assert_eq!(
        third.header("cookie"),
        Some("hive.server2.auth=\"cu=alice&s=1\"; route=c")
    );
}

#[tokio::test]
async fn a_token_is_sent_as_it_is() {
    let server = Server::start(None, vec![answer("200 OK", "", &golden("open").1)]);
    let token = Some(Authorization::Bearer("t0k3n".to_owned()));
    let client = Client::connect(&server.endpoint("127.0.0.1", token, None), limits())
        .await
        .unwrap();
    open(&client).await.unwrap();
    assert_eq!(
        server.heard.recv().unwrap().header("authorization"),
        Some("Bearer t0k3n")
    );
}

#[tokio::test]
async fn a_token_in_a_file_is_read_for_each_request() {
    let file = std::env::temp_dir().join(format!("skep-token-{}", std::process::id()));
    std::fs::write(&file, "first\n").unwrap();
    let end = renumbered(&golden("end").1, 2);
    let server = Server::start(
        None,
        vec![answer("200 OK", "", &golden("open").1), answer("200 OK", "", &end)],
    );
    let token = Some(Authorization::BearerIn(file.clone()));
    let client = Client::connect(&server.endpoint("127.0.0.1", token, None), limits())
        .await
        .unwrap();
    let session = open(&client).await.unwrap();
    std::fs::write(&file, "second").unwrap();
    client.close_session(&session.handle).await.unwrap();
    std::fs::write(&file, "no token").unwrap();
    let refused = client.close_session(&session.handle).await.unwrap_err();
    std::fs::remove_file(&file).unwrap();
    assert!(
        matches!(&refused, Error::Certificate(why) if !why.contains("no token")),
        "{refused}"
    );
    let sent: Vec<_> = server
        .heard
        .iter()
        .map(|request| request.header("authorization").map(str::to_owned))
        .collect();
    assert_eq!(
        sent,
        [Some("Bearer first".to_owned()), Some("Bearer second".to_owned())]
    );
}

#[tokio::test]
async fn a_refusal_is_told_and_nothing_is_sent_again() {
    let elsewhere = Server::start(None, vec![answer("200 OK", "", &golden("open").1)]);
    let redirect = format!("location: http://127.0.0.1:{}/\r\n", elsewhere.port);
    for (status, lines, body, is_login) in [
        (
            "401 Unauthorized",
            "www-authenticate: Negotiate\r\n",
            "bad luck\x1b",
            true,
        ),
        ("403 Forbidden", "", "bad luck", true),
        ("307 Elsewhere", redirect.as_str(), "bad luck", false),
        ("503 Busy", "", "bad luck", false),
        // Kyuubi's, to who shows what it does not look at.
        (
            "500 Server Error",
            "",
            "<title>Error 500: No valid authorization provided</title>",
            true,
        ),
    ] {
        let server = Server::start(None, vec![answer(status, lines, body.as_bytes())]);
        let client = Client::connect(&server.endpoint("127.0.0.1", alice(), None), limits())
            .await
            .unwrap();
        let error = open(&client).await.unwrap_err();
        assert_eq!(matches!(error, Error::Login { .. }), is_login, "{status}: {error}");
        assert_eq!(matches!(error, Error::Http { .. }), !is_login, "{status}: {error}");
        assert_eq!(
            error.to_string().contains("Kerberos"),
            lines.contains("Negotiate"),
            "{error}"
        );
        drop(client);
        assert_eq!(server.heard.iter().count(), 1, "{status}");
    }
    assert!(elsewhere.heard.try_recv().is_err());
}

#[tokio::test]
async fn an_answer_that_is_cut_is_lost_and_one_that_is_none_is_said_to_be() {
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n\x80\x01".to_vec();
    let server = Server::start(None, vec![cut, answer("200 OK", "", b"<html>")]);
    let client = Client::connect(&server.endpoint("127.0.0.1", alice(), None), limits())
        .await
        .unwrap();
    let lost = open(&client).await.unwrap_err();
    assert!(matches!(lost, Error::Lost { .. }), "{lost}");
    let nonsense = open(&client).await.unwrap_err();
    assert!(matches!(nonsense, Error::Protocol { .. }), "{nonsense}");
}

/// A server of that name: its configuration, and whom to trust.
fn server_of(name: &str) -> (Arc<ServerConfig>, Pem) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([name.to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .unwrap();
    let pem = Pem {
        name: "ca.pem".to_owned(),
        text: certificate.pem().into_bytes(),
    };
    (Arc::new(config), pem)
}

#[tokio::test]
async fn over_tls_only_who_is_trusted_hears_anything() {
    let (config, pem) = server_of("localhost");
    let (_, stranger) = server_of("localhost");
    let trusting = |pem: Pem| {
        Some(Tls {
            authorities: Some(pem),
            identity: None,
        })
    };
    let cookie = "set-cookie: secret=s; Secure\r\n";
    let end = renumbered(&golden("end").1, 2);
    let server = Server::start(
        Some(config),
        vec![answer("200 OK", cookie, &golden("open").1), answer("200 OK", "", &end)],
    );
    for (host, tls) in [("localhost", trusting(stranger)), ("127.0.0.1", trusting(pem.clone()))] {
        let client = Client::connect(&server.endpoint(host, alice(), tls), limits())
            .await
            .unwrap();
        let refused = open(&client).await.unwrap_err();
        assert!(matches!(refused, Error::Tls { .. }), "{refused}");
    }
    let client = Client::connect(&server.endpoint("localhost", alice(), trusting(pem)), limits())
        .await
        .unwrap();
    let session = open(&client).await.unwrap();
    client.close_session(&session.handle).await.unwrap();
    let requests: Vec<_> = server.heard.iter().collect();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].header("cookie"), Some("secret=s"));
}

#[tokio::test]
async fn what_java_keeps_certificates_in_is_named() {
    for (text, word) in [
        (&b"\xfe\xed\xfe\xed\0\0\0\x02"[..], "keytool"),
        (b"\x30\x82\x01\x00", "openssl pkcs12"),
        (b"nothing", "PEM is needed"),
    ] {
        let endpoint = Endpoint {
            host: "localhost".to_owned(),
            port: 1,
            transport: Transport::Plain,
            tls: Some(Tls {
                authorities: Some(Pem {
                    name: "store".to_owned(),
                    text: text.to_vec(),
                }),
                identity: None,
            }),
        };
        let error = Client::connect(&endpoint, limits()).await.unwrap_err();
        assert!(matches!(error, Error::Certificate(_)), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
}
