//! Contexts of the system's GSS-API.

use std::fmt;

use libgssapi::context::{ClientCtx, CtxFlags, SecurityContext};
use libgssapi::name::Name;
use libgssapi::oid::{GSS_MECH_KRB5, GSS_MECH_SPNEGO, GSS_NT_KRB5_PRINCIPAL};

use super::{Context, Mechanism};

/// A context that is not made yet, to a service of that name.
///
/// # Errors
/// The name is none.
pub(in crate::transport) fn context(service: &str, mechanism: Mechanism) -> Result<Box<dyn Context>, String> {
    let name = Name::new(service.as_bytes(), Some(GSS_NT_KRB5_PRINCIPAL)).map_err(words)?;
    let (mechanism, flags) = match mechanism {
        Mechanism::Kerberos => {
            let flags = CtxFlags::GSS_C_MUTUAL_FLAG | CtxFlags::GSS_C_SEQUENCE_FLAG;
            let layers = CtxFlags::GSS_C_INTEG_FLAG | CtxFlags::GSS_C_CONF_FLAG;
            (GSS_MECH_KRB5, flags | layers)
        }
        // Who the server is, TLS tells: its token would come with the answer, when the call has been made.
        Mechanism::Negotiate => (GSS_MECH_SPNEGO, CtxFlags::empty()),
    };
    // No credentials are named: the ones of the environment are taken (KRB5CCNAME, KRB5_CLIENT_KTNAME).
    Ok(Box::new(Client(ClientCtx::new(None, name, flags, Some(mechanism)))))
}

struct Client(ClientCtx);

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

impl Context for Client {
    fn step(&mut self, token: Option<&[u8]>) -> Result<Option<Vec<u8>>, String> {
        let next = self.0.step(token, None).map_err(words)?;
        Ok(next.map(|token| token.to_vec()))
    }

    fn is_complete(&self) -> bool {
        self.0.is_complete()
    }

    fn wrap(&mut self, encrypt: bool, bytes: &[u8]) -> Result<Vec<u8>, String> {
        Ok(self.0.wrap(encrypt, bytes).map_err(words)?.to_vec())
    }

    fn unwrap(&mut self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        Ok(self.0.unwrap(bytes).map_err(words)?.to_vec())
    }
}

/// What the library says.
fn words(error: libgssapi::error::Error) -> String {
    plain(&error.to_string())
}

/// The mechanism's word where the library's own says no more than that there is one: `Unspecified GSS failure.  Minor code may provide
/// more information (Ticket expired)`. MIT's ends in a zero byte.
fn plain(said: &str) -> String {
    let said: String = said.chars().filter(|c| !c.is_control() && *c != '\u{fffd}').collect();
    let minor = said
        .strip_prefix("Unspecified GSS failure")
        .and_then(|rest| rest.split_once('('))
        .and_then(|(_, minor)| minor.strip_suffix(')'));
    minor.unwrap_or(&said).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_that_tell_something() {
        let failure = "Unspecified GSS failure.  Minor code may provide more information";
        for (said, plainly) in [
            (format!("{failure} (Ticket expired)"), "Ticket expired"),
            (
                format!("{failure} (No tickets (default cache: FILE:/x))\0"),
                "No tickets (default cache: FILE:/x)",
            ),
            (
                "No credentials (SPNEGO finds none\u{fffd})".to_owned(),
                "No credentials (SPNEGO finds none)",
            ),
            (failure.to_owned(), failure),
        ] {
            assert_eq!(plain(&said), plainly);
        }
    }
}
