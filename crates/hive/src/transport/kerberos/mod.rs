//! Kerberos, by the system's GSS-API: it knows the realms (`krb5.conf`), and where a person's tickets lie.

#[cfg(feature = "kerberos")]
mod gss;
#[cfg(feature = "kerberos")]
pub(super) use gss::context;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Whether this build speaks Kerberos (feature `kerberos`).
pub const KERBEROS: bool = cfg!(feature = "kerberos");

/// The name of a service in Kerberos: `hive/host@REALM`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal(String);

impl Principal {
    /// The principal of that name, in which `_HOST` stands for the host that is connected to.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The service's name on that host.
    pub(super) fn at(&self, host: &str) -> String {
        self.0.replace("_HOST", &host.to_lowercase())
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is laid around every frame after a log-in (`sasl.qop`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// Nothing.
    Authentication,
    /// A checksum.
    Integrity,
    /// Encryption.
    Confidentiality,
}

impl Protection {
    /// Its name, as URLs and servers have it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Authentication => "auth",
            Self::Integrity => "auth-int",
            Self::Confidentiality => "auth-conf",
        }
    }

    /// The one that has that name.
    pub fn of_word(word: &str) -> Option<Self> {
        let all = [Self::Authentication, Self::Integrity, Self::Confidentiality];
        all.into_iter().find(|known| known.word() == word)
    }
}

/// How Kerberos's tokens are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mechanism {
    /// As they are.
    Kerberos,
    /// In SPNEGO, for HTTP.
    Negotiate,
}

/// A security context that is being made, or has been.
pub(super) trait Context: fmt::Debug + Send {
    /// Goes on with the server's token; the next one for it, if there is one.
    fn step(&mut self, token: Option<&[u8]>) -> Result<Option<Vec<u8>>, String>;

    /// Whether both sides know who the other one is.
    fn is_complete(&self) -> bool;

    /// Lays a checksum around bytes, or encrypts them.
    fn wrap(&mut self, encrypt: bool, bytes: &[u8]) -> Result<Vec<u8>, String>;

    /// What was wrapped there.
    fn unwrap(&mut self, bytes: &[u8]) -> Result<Vec<u8>, String>;
}

/// There is none in this build.
#[cfg(not(feature = "kerberos"))]
pub(super) fn context(_: &str, _: Mechanism) -> Result<Box<dyn Context>, String> {
    Err("it is not in this build".to_owned())
}

/// A step, which may ask a server of Kerberos for a ticket: beside all that must not wait.
pub(super) async fn step(
    mut context: Box<dyn Context>,
    token: Option<Vec<u8>>,
) -> Result<(Box<dyn Context>, Option<Vec<u8>>), String> {
    let step = tokio::task::spawn_blocking(move || {
        let next = context.step(token.as_deref())?;
        Ok((context, next))
    });
    step.await.unwrap_or_else(|error| Err(error.to_string()))
}

/// What proves to a service over HTTP who this is (RFC 4559). It holds for one request.
pub(super) async fn negotiation(service: &str) -> Result<String, String> {
    match step(context(service, Mechanism::Negotiate)?, None).await {
        Ok((_, Some(token))) => Ok(format!("Negotiate {}", STANDARD.encode(token))),
        Ok((_, None)) => Err("it gives no token".to_owned()),
        // Of all that may be wrong MIT's SPNEGO says that it finds no mechanism. What is, Kerberos itself knows.
        Err(cause) => {
            let asked = step(context(service, Mechanism::Kerberos)?, None).await;
            Err(asked.err().unwrap_or(cause))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_stands_in_the_principal_in_lower_case() {
        assert_eq!(
            Principal::new("hive/_HOST@EX.ORG").at("Gw.Ex.Org"),
            "hive/gw.ex.org@EX.ORG"
        );
        assert_eq!(Principal::new("hive/lb@EX.ORG").at("gw"), "hive/lb@EX.ORG");
    }

    #[test]
    fn protections_have_the_names_of_sasl() {
        for (word, protection) in [
            ("auth", Protection::Authentication),
            ("auth-int", Protection::Integrity),
            ("auth-conf", Protection::Confidentiality),
        ] {
            assert_eq!(Protection::of_word(word), Some(protection));
            assert_eq!(protection.word(), word);
        }
        assert_eq!(Protection::of_word("auth,auth-int"), None);
    }
}
