//! The certificates of a cluster that is reached over TLS alone, by clients that show one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};

use super::jars::Installation;
use super::toolchain::run_within;

/// It guards nothing: the keys are made for one run.
const PASSWORD: &str = "of-this-run";

/// Certificates and keys, as files.
#[derive(Debug, Clone)]
pub struct Tls {
    /// What the cluster shows; whoever connects trusts it.
    pub ca: PathBuf,
    /// What the cluster accepts of clients: certificate and key.
    pub client: [PathBuf; 2],
    /// What it does not accept.
    pub stranger: [PathBuf; 2],
    keystore: PathBuf,
}

impl Tls {
    /// Makes them in `dir`. `keytool` is what people make Flink's keystores with.
    ///
    /// # Errors
    /// A program failed.
    pub fn make(dir: &Path, installation: &Installation) -> Result<Self, String> {
        fs::create_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        let tls = Self {
            ca: dir.join("rest.pem"),
            client: client(dir, "client"),
            stranger: client(dir, "stranger"),
            keystore: dir.join("rest.p12"),
        };
        let keytool = |arguments: &str, file: Option<&Path>| {
            let mut command = Command::new(installation.java.with_file_name("keytool"));
            command.args(arguments.split(' ')).arg("-keystore").arg(&tls.keystore);
            command.args(["-storepass", PASSWORD]);
            command.args(file.iter().flat_map(|file| [Path::new("-file"), file]));
            run_within(&mut command, Duration::from_secs(120), &dir.join("keytool.log"))
        };
        let names = "SAN=ip:127.0.0.1,dns:localhost";
        // The cipher suites that Flink 2.3 allows unless it is told otherwise are for RSA.
        keytool(
            &format!(
                "-genkeypair -alias rest -keyalg RSA -keysize 2048 -dname CN=cluster -ext {names} -validity 30 -storetype PKCS12"
            ),
            None,
        )?;
        keytool("-exportcert -rfc -alias rest", Some(&tls.ca))?;
        keytool("-importcert -noprompt -alias client", Some(&tls.client[0]))?;
        Ok(tls)
    }

    /// What the cluster is told. The servers are each other's clients too: one store is for both.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let store = self.keystore.display().to_string();
        let password = || PASSWORD.to_owned();
        vec![
            ("security.ssl.rest.enabled", "true".to_owned()),
            ("security.ssl.rest.authentication-enabled", "true".to_owned()),
            ("security.ssl.rest.keystore", store.clone()),
            ("security.ssl.rest.keystore-password", password()),
            ("security.ssl.rest.key-password", password()),
            ("security.ssl.rest.truststore", store),
            ("security.ssl.rest.truststore-password", password()),
            // The default of 1.20 is a suite that nobody should speak any more.
            (
                "security.ssl.algorithms",
                "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384".to_owned(),
            ),
            ("historyserver.web.ssl.enabled", "true".to_owned()),
        ]
    }

    /// A client that the cluster accepts.
    pub fn http(&self) -> reqwest::ClientBuilder {
        let read = |file: &Path| fs::read(file).unwrap();
        let [certificate, key] = &self.client;
        let identity = [read(certificate), read(key)].concat();
        reqwest::Client::builder()
            .tls_certs_only(reqwest::Certificate::from_pem_bundle(&read(&self.ca)).unwrap())
            .identity(reqwest::Identity::from_pem(&identity).unwrap())
    }
}

/// A certificate of its own making, and its key.
fn client(dir: &Path, name: &str) -> [PathBuf; 2] {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
    let certificate = params.self_signed(&key).unwrap();
    let files = ["pem", "key"].map(|end| dir.join(format!("{name}.{end}")));
    fs::write(&files[0], certificate.pem()).unwrap();
    fs::write(&files[1], key.serialize_pem()).unwrap();
    files
}
