//! TLS, credentials and proxies, as a person has them on the command line.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto::ring};

use super::server::Server;
use crate::world::World;

/// An authority that signs certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            der: certificate.der().clone(),
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// Its certificate as a file.
    fn file(&self, world: &World, name: &str) -> PathBuf {
        world.write(name, &self.pem)
    }

    fn sign(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// A server of that name, whose clients must be signed by `clients` if there is one.
    fn acceptor(&self, name: &str, clients: Option<&Self>) -> TlsAcceptor {
        let (certificate, key) = self.sign(name);
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(clients.der.clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A proxy that leads to one server, whatever is asked for, and keeps the first line of each connection.
struct Proxy {
    place: String,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    async fn start(to: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            place: listener.local_addr().unwrap().to_string(),
            lines: Arc::default(),
        };
        let (lines, to) = (proxy.lines.clone(), to.to_owned());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(lead(client, to.clone(), lines.clone()));
            }
        });
        proxy
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

async fn lead(mut client: TcpStream, to: String, lines: Arc<Mutex<Vec<String>>>) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.ok()?);
    }
    let line = String::from_utf8(head.clone()).unwrap().lines().next()?.to_owned();
    let mut server = TcpStream::connect(to).await.ok()?;
    if line.starts_with("CONNECT ") {
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
    } else {
        server.write_all(&head).await.ok()?;
    }
    lines.lock().unwrap().push(line);
    tokio::io::copy_bidirectional(&mut client, &mut server).await.ok()?;
    Some(())
}

async fn secure_server(tls: TlsAcceptor) -> Server {
    Server::start_tls("2.3.0", "running", tls).await
}

/// No file below holds the text.
fn assert_in_no_file(dir: &Path, text: &str) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_in_no_file(&path, text);
        } else if let Ok(bytes) = std::fs::read(&path) {
            let found = bytes.windows(text.len()).any(|window| window == text.as_bytes());
            assert!(!found, "{text} is in {}", path.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_is_trusted_if_it_is_given_or_the_systems() {
    let world = World::new();
    let (authority, other) = (Authority::new("one"), Authority::new("other"));
    let (ca, wrong) = (authority.file(&world, "ca.pem"), other.file(&world, "wrong.pem"));
    let server = secure_server(authority.acceptor("127.0.0.1", None)).await;
    let jobs = |url: &str| world.skep().with("-u").arg(url).with("jobs");

    let given = world
        .skep()
        .with("--ca")
        .arg(&ca)
        .with("-u")
        .arg(&server.url)
        .with("jobs");
    given.run().expect_code(0);
    jobs(&format!("{};ca={}", server.url, ca.display()))
        .run()
        .expect_code(0);
    jobs(&server.url).env("SSL_CERT_FILE", &ca).run().expect_code(0);
    for unknown in [
        jobs(&server.url).env("SSL_CERT_FILE", &wrong),
        // The given one stands instead of the system's.
        jobs(&format!("{};ca={}", server.url, wrong.display())).env("SSL_CERT_FILE", &ca),
    ] {
        unknown
            .run()
            .expect(5, "")
            .expect_stderr("can't be trusted: its certificate is signed by an authority that is not known")
            .expect_stderr("--ca FILE");
    }
    jobs(&format!("{};ca={}/nowhere.pem", server.url, ca.display()))
        .run()
        .expect_stderr("nowhere.pem can't be read");
    let none = world.write("none.pem", "nothing");
    jobs(&format!("{};ca={}", server.url, none.display()))
        .run()
        .expect_stderr("there is no certificate in");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_for_a_name() {
    let world = World::new();
    let authority = Authority::new("one");
    let ca = authority.file(&world, "ca.pem");
    let server = secure_server(authority.acceptor("jm.test", None)).await;
    let url = format!("{};ca={}", server.url, ca.display());
    world
        .skep()
        .with("-u")
        .arg(url)
        .with("jobs")
        .run()
        .expect(5, "")
        .expect_stderr("its certificate is for another name")
        .expect_stderr("jm.test");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_told_from_one_with_it() {
    let world = World::new();
    let server = Server::start("2.3.0", "running").await;
    let url = server.url.replace("flink-rest", "flink-rest+https");
    let ca = Authority::new("one").file(&world, "ca.pem");
    let program = world
        .skep()
        .with("-u")
        .arg(format!("{url};ca={}", ca.display()))
        .with("jobs");
    program
        .run()
        .expect(5, "")
        .expect_stderr("does not speak TLS")
        .expect_stderr("flink-rest://");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_is_shown() {
    let world = World::new();
    let (authority, clients) = (Authority::new("servers"), Authority::new("clients"));
    let ca = authority.file(&world, "ca.pem");
    let server = secure_server(authority.acceptor("127.0.0.1", Some(&clients))).await;
    let with = |name: &str, (certificate, key): &(rcgen::Certificate, KeyPair)| {
        let cert = world.write(&format!("{name}.pem"), &certificate.pem());
        let key = world.write(&format!("{name}.key"), &key.serialize_pem());
        format!(
            "{};ca={};cert={};key={}",
            server.url,
            ca.display(),
            cert.display(),
            key.display()
        )
    };
    let jobs = |url: String| world.skep().with("-u").arg(url).with("jobs").run();

    let known = clients.sign("me");
    jobs(with("known", &known)).expect_code(0);
    let both = world.write("both.pem", &format!("{}{}", known.0.pem(), known.1.serialize_pem()));
    jobs(format!("{};ca={};cert={}", server.url, ca.display(), both.display())).expect_code(0);
    jobs(with("stranger", &Authority::new("strangers").sign("me")))
        .expect(5, "")
        .expect_stderr("does not accept the client certificate");
    jobs(format!("{};ca={}", server.url, ca.display()))
        .expect(5, "")
        .expect_stderr("wants a client certificate")
        .expect_stderr("--cert FILE");
    jobs(format!("{};ca={};cert={}", server.url, ca.display(), ca.display()))
        .expect_stderr("there is no private key in");
    let locked = world.write("locked.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n");
    jobs(format!(
        "{};cert={};key={}",
        server.url,
        both.display(),
        locked.display()
    ))
    .expect_stderr("locked by a passphrase");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_headers_are_sent_and_kept_nowhere() {
    let world = World::new();
    let server = Server::start("2.3.0", "running").await;
    let token = world.write("token", "geheim-1\n");
    let headers = world.write("headers", "X-Team: a\nX-Api-Key: geheim-2\n");
    let password = world.write("password", "geheim-3\n");
    let skep = || world.skep().with("-u").arg(&server.url);

    skep()
        .with("--token-file")
        .arg(&token)
        .with("jobs")
        .run()
        .expect_code(0);
    assert_eq!(server.header("authorization").as_deref(), Some("Bearer geheim-1"));
    skep().env("SKEP_TOKEN", "geheim-4").with("jobs").run().expect_code(0);
    assert_eq!(server.header("authorization").as_deref(), Some("Bearer geheim-4"));
    skep()
        .with("-n me -w")
        .arg(&password)
        .env("SKEP_TOKEN", "geheim-4")
        .with("jobs")
        .run()
        .expect_code(0);
    assert_eq!(
        server.header("authorization").as_deref(),
        Some("Basic bWU6Z2VoZWltLTM=")
    );
    // On the command line it is not there for long.
    for password in [&["-p", "geheim-3"][..], &["--password=geheim-3"]] {
        let program = password
            .iter()
            .fold(skep().with("-n me"), |program, arg| program.arg(arg));
        program.with("jobs").run().expect_code(0);
        assert_eq!(
            server.header("authorization").as_deref(),
            Some("Basic bWU6Z2VoZWltLTM=")
        );
    }

    let environment = "Cookie:auth=geheim-5\nX-Team: b\nno header";
    let program = skep().env("FLINK_REST_CLIENT_HEADERS", environment).with("--header");
    program
        .arg(format!("@{}", headers.display()))
        .with("jobs")
        .run()
        .expect_code(0);
    assert_eq!(server.header("cookie").as_deref(), Some("auth=geheim-5"));
    assert_eq!(server.header("x-team").as_deref(), Some("a"));
    assert_eq!(server.header("x-api-key").as_deref(), Some("geheim-2"));
    skep()
        .with("--header")
        .arg("X-Team: c")
        .with("jobs")
        .run()
        .expect_code(0);
    assert_eq!(server.header("x-team").as_deref(), Some("c"));

    // An answer that repeats what was sent would be another matter; no error of ours does.
    server.fault("GET /v1/config", super::server::Fault::Status(401, ""));
    let refused = skep().with("--token-file").arg(&token).with("jobs").run();
    let refused = refused
        .expect_code(5)
        .expect_stderr("HTTP 401")
        .expect_stderr("--token-file FILE");
    assert!(!refused.stderr.contains("geheim"));
    for file in [&token, &headers, &password] {
        std::fs::remove_file(file).unwrap();
    }
    assert_in_no_file(&world.path(""), "geheim");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_taken_from_the_command_line() {
    let world = World::new();
    for header in ["Authorization: Bearer geheim", "Cookie: geheim", "X-Auth-Token: geheim"] {
        let output = world.skep().with("--header").arg(header).with("jobs").run();
        let output = output.expect(2, "").expect_stderr("@FILE");
        assert!(!output.stderr.contains("geheim"));
    }
    let output = world.skep().with("-D kafka.password=geheim jobs").run();
    let output = output.expect(2, "").expect_stderr("kafka.password=@FILE");
    assert!(!output.stderr.contains("geheim"));
    let output = world
        .skep()
        .with("-u flink-rest://127.0.0.1:1;password=geheim jobs")
        .run();
    let output = output.expect_stderr("a secret does not belong there");
    assert!(!output.stderr.contains("geheim"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_used_but_not_on_the_way_to_this_machine() {
    let world = World::new();
    let server = Server::start("2.3.0", "running").await;
    let proxy = Proxy::start(server.place()).await;
    let jobs = |url: &str| {
        let proxy = format!("http://{}", proxy.place);
        world.skep().with("-u").arg(url).with("jobs").env("HTTP_PROXY", proxy)
    };
    jobs("flink-rest://jm.test:8081/a").run().expect_code(5);
    // Two questions are asked at once, and a refusal of either is enough.
    let asked = |line: &String| line.starts_with("GET http://jm.test:8081/a/v1/");
    assert!(proxy.lines().iter().any(asked), "{:?}", proxy.lines());
    jobs("flink-rest://jm.test:8081").run().expect_code(0);
    let used = proxy.lines().len();
    jobs(&server.url).run().expect_code(0);
    jobs("flink-rest://jm.test:8081")
        .env("NO_PROXY", ".test")
        .run()
        .expect_code(5);
    assert_eq!(proxy.lines().len(), used);

    let away = world
        .skep()
        .with("-u flink-rest://jm.test jobs")
        .env("ALL_PROXY", "http://127.0.0.1:1");
    away.run().expect(5, "").expect_stderr("ALL_PROXY is set");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_goes_through_a_proxy() {
    let world = World::new();
    let authority = Authority::new("one");
    let ca = authority.file(&world, "ca.pem");
    let server = secure_server(authority.acceptor("jm.test", None)).await;
    let proxy = Proxy::start(server.place()).await;
    let url = format!("flink-rest+https://jm.test;ca={}", ca.display());
    let program = world.skep().with("-u").arg(url).with("jobs");
    program
        .env("HTTPS_PROXY", format!("http://{}", proxy.place))
        .run()
        .expect_code(0);
    assert!(proxy.lines().iter().all(|line| line == "CONNECT jm.test:443 HTTP/1.1"));
    assert!(!proxy.lines().is_empty());
}
