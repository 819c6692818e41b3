//! TLS: the certificates, and what it means when it can't be agreed on.

use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::Once;

use reqwest::{Certificate, ClientBuilder, Identity};
use rustls::{AlertDescription, CertificateError};
use skep_engine::{EngineError, ErrorKind, Result};

use super::super::failure;
use super::super::transport::{self, Transport};
use super::Peer;

/// TLS needs a provider of cryptography, once per process. Only a connection that is made pays for it.
pub(super) fn install_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error says that another part of the process has installed one already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// Sets up whom to trust and who we are.
///
/// # Errors
/// [`ErrorKind::Rejected`]: a file is not what it should be.
pub(super) fn set_up(mut builder: ClientBuilder, transport: &Transport) -> Result<ClientBuilder> {
    if let Some(file) = &transport.ca {
        let text = transport::read(file)?;
        let certificates = Certificate::from_pem_bundle(text.as_bytes()).unwrap_or_default();
        if certificates.is_empty() {
            return Err(not_pem(file, "no certificate"));
        }
        builder = builder.tls_certs_only(certificates);
    }
    if let Some((cert, key)) = &transport.identity {
        let mut text = transport::read(cert)?;
        if !text.contains("-----BEGIN CERTIFICATE-----") {
            return Err(not_pem(cert, "no certificate"));
        }
        if key != cert {
            text.push('\n');
            text.push_str(&transport::read(key)?);
        }
        if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
            let message = format!("the key in {} is locked by a passphrase", key.display());
            return Err(EngineError::rejected(message)
                .hint("`openssl pkey -in KEY -out UNLOCKED` unlocks it; keep the file to yourself (mode 0600)"));
        }
        let identity = Identity::from_pem(text.as_bytes()).map_err(|_| not_pem(key, "no private key"))?;
        builder = builder.identity(identity);
    }
    Ok(builder)
}

fn not_pem(file: &Path, what: &str) -> EngineError {
    EngineError::rejected(format!("there is {what} in {}", file.display())).hint(
        "it must be PEM (-----BEGIN …); out of a Java keystore: `keytool -importkeystore -deststoretype PKCS12 …`, then \
         `openssl pkcs12`",
    )
}

/// What it means that TLS was not agreed on; none if the failure is of another sort. `is_known`: the shell has shown a
/// client certificate.
pub(super) fn explain(error: &(dyn Error + 'static), peer: &Peer, is_known: bool) -> Option<EngineError> {
    let rejected = |why: &str| EngineError::new(ErrorKind::Connect, format!("{peer} can't be trusted: {why}"));
    let plain = peer.server.scheme();
    Some(match find(error)? {
        rustls::Error::InvalidCertificate(cause) => match cause {
            // The signature is bad where an authority was made anew under its old name.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                rejected("its certificate is signed by an authority that is not known")
                    .hint("--ca FILE (in the URL ;ca=FILE) names the authority's certificate")
            }
            CertificateError::NotValidForName => rejected("its certificate is for another name"),
            CertificateError::NotValidForNameContext { presented, .. } => {
                let names = failure::fit_to_show(&presented.join(", "));
                rejected(&format!("its certificate is for another name ({names})"))
                    .hint("connect to it by a name that its certificate has")
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                rejected("its certificate has expired")
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                rejected("its certificate is not valid yet").hint("is this machine's clock right?")
            }
            cause => rejected(&format!(
                "its certificate is not accepted: {}",
                failure::fit_to_show(&cause.to_string())
            )),
        },
        rustls::Error::AlertReceived(
            alert @ (AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::AccessDenied),
        ) => {
            let message = if is_known {
                format!("{peer} does not accept the client certificate ({alert:?})")
            } else {
                format!("{peer} wants a client certificate")
            };
            EngineError::new(ErrorKind::Connect, message)
                .hint("--cert FILE and --key FILE (in the URL ;cert=FILE;key=FILE) name one that it accepts")
        }
        rustls::Error::AlertReceived(alert) => {
            let error = EngineError::new(ErrorKind::Connect, format!("{peer} refuses TLS with us ({alert:?})"));
            if *alert != AlertDescription::HandshakeFailure {
                return Some(error);
            }
            // Seen on 1.20.3, whose default is TLS_RSA_WITH_AES_128_CBC_SHA; 2.3.0 has two of today's, both for RSA.
            error.hint(
                "it may allow no cipher suite of today: `security.ssl.algorithms: TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256` in \
                 Flink's configuration, with a key for RSA in its keystore",
            )
        }
        rustls::Error::InvalidMessage(_) => EngineError::new(ErrorKind::Connect, format!("{peer} does not speak TLS"))
            .hint(format!("a server without TLS is reached by {plain}://")),
        _ => return None,
    })
}

/// The error of TLS in a chain. `io::Error` does not give what it wraps as its source, only that one's source.
fn find<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref)
            && let Some(found) = find(inner as &(dyn Error + 'static))
        {
            return Some(found);
        }
        next = error.source();
    }
    None
}
