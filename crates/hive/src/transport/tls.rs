//! TLS: whom to trust.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

use super::{Tls, certificate};
use crate::error::{Error, Result};

/// The configuration of a client that trusts these authorities, or the system's.
pub(super) fn config(tls: &Tls) -> Result<Arc<ClientConfig>> {
    let broken = |error: rustls::Error| Error::Certificate(format!("TLS can't be set up: {error}"));
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(broken)?;
    let builder = match &tls.authorities {
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(&pem.text) {
                // One that can't be used is none that is trusted.
                let _ = roots.add(authority);
            }
            if roots.is_empty() {
                return Err(not_pem(&pem.name, &pem.text, "no certificate"));
            }
            builder.with_root_certificates(roots)
        }
        None => builder.with_platform_verifier().map_err(broken)?,
    };
    let config = match &tls.identity {
        Some((cert, key)) => {
            let chain = certificates(&cert.text);
            if chain.is_empty() {
                return Err(not_pem(&cert.name, &cert.text, "no certificate"));
            }
            let private = PrivateKeyDer::from_pem_slice(&key.text)
                .map_err(|_| not_pem(&key.name, &key.text, "no private key"))?;
            builder
                .with_client_auth_cert(chain, private)
                .map_err(|error| certificate(&key.name, &error.to_string()))?
        }
        None => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

/// The configuration of a client that trusts nobody: for plain HTTP.
pub(super) fn unused() -> Result<ClientConfig> {
    let broken = |error: rustls::Error| Error::Certificate(format!("TLS can't be set up: {error}"));
    Ok(
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(broken)?
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth(),
    )
}

fn certificates(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).collect()
}

fn not_pem(name: &str, bytes: &[u8], what: &str) -> Error {
    /// The first bytes of a Java keystore.
    const JKS: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];
    let why = if bytes.starts_with(&JKS) {
        "this is a Java keystore, and PEM is needed: `keytool -exportcert -rfc -keystore FILE -alias NAME` writes a \
         certificate of it as PEM"
            .to_owned()
    } else if bytes.first() == Some(&0x30) {
        "this is PKCS#12 or DER, and PEM is needed: `openssl pkcs12 -in FILE -nokeys` writes the certificates as PEM"
            .to_owned()
    } else {
        format!("there is {what} in it (PEM is needed: -----BEGIN …)")
    };
    certificate(name, &why)
}
