//! A URL that says of a server what it is not: which one would be right, by what is spoken at its port.

use std::time::Duration;

use skep_engine::{Attempt, EngineError, ErrorKind};
use skep_hive::{Spoken, spoken};

use super::address::{Address, Family, HTTP_PATH, Mode};

/// A server that opens no session in this time is looked at: one that does not understand may wait for more.
const LATE: Duration = Duration::from_secs(3);

/// The error that no session could be opened at that address, with what is likely wrong with that, if it is to be seen.
pub(super) async fn explain(error: EngineError, address: &Address) -> EngineError {
    if error.kind != ErrorKind::Connect {
        return error;
    }
    let Some((what, hints)) = look(address).await else {
        return error;
    };
    EngineError {
        message: format!("{}: {what}", error.message),
        hints,
        ..error
    }
}

/// The error of an address whose server has not opened a session for a while, if another one would be right; never where that
/// can't be seen. One that has something to tell of the session is understood.
pub(super) async fn notice(address: &Address, attempt: &Attempt) -> EngineError {
    tokio::time::sleep(LATE).await;
    let is_understood = *attempt.log.written().borrow() > 0;
    let seen = if is_understood { None } else { look(address).await };
    let Some((what, hints)) = seen else {
        return std::future::pending().await;
    };
    EngineError {
        hints,
        ..EngineError::new(
            ErrorKind::Connect,
            format!("{} opens no session: {what}", address.place()),
        )
    }
}

/// What is spoken at that address in place of what it says, and what to do.
async fn look(address: &Address) -> Option<(String, Vec<String>)> {
    // Of servers that are found in ZooKeeper the address says nothing.
    if address.discovery.is_some() {
        return None;
    }
    let found = spoken(&address.host, address.port).await?;
    let right = corrected(address, found)?;
    let what = format!("{} is spoken there, and not {}", words(found), expected(address));
    let mut hints = vec![format!("try {}", right.shown())];
    if matches!(right.mode, Mode::Http(_)) && right.family == Family::Kyuubi && address.mode != Mode::Rest {
        let rest = Address {
            kerberos: right.kerberos.clone().and_then(|kerberos| kerberos.over(&Mode::Rest)),
            mode: Mode::Rest,
            ..right
        };
        hints.push(format!("if it is Kyuubi's REST API: {}", rest.shown()));
    }
    Some((what, hints))
}

/// The address at which that is spoken, if it is another one.
fn corrected(address: &Address, found: Spoken) -> Option<Address> {
    let mut right = address.clone();
    right.tls = found == Spoken::Tls;
    let is_http = matches!(address.mode, Mode::Http(_));
    match found {
        Spoken::Sasl => right.mode = Mode::Sasl,
        Spoken::Plain => right.mode = Mode::NoSasl,
        Spoken::Rest => right.mode = Mode::Rest,
        Spoken::Http if !is_http => right.mode = Mode::Http(HTTP_PATH.to_owned()),
        Spoken::Guarded if !is_http && address.mode != Mode::Rest => right.mode = Mode::Http(HTTP_PATH.to_owned()),
        // What is within can't be seen.
        Spoken::Http | Spoken::Guarded | Spoken::Tls => {}
    }
    if right.mode == Mode::Rest {
        right.family = Family::Kyuubi;
    }
    if right.mode != address.mode {
        right.kerberos = right.kerberos.and_then(|kerberos| kerberos.over(&right.mode));
    }
    (right != *address).then_some(right)
}

const fn words(found: Spoken) -> &'static str {
    match found {
        Spoken::Sasl => "Thrift within SASL, without TLS,",
        Spoken::Plain => "Thrift without SASL and TLS",
        Spoken::Rest => "Kyuubi's REST API, without TLS,",
        Spoken::Http | Spoken::Guarded => "HTTP without TLS",
        Spoken::Tls => "TLS",
    }
}

fn expected(address: &Address) -> String {
    let what = match address.mode {
        Mode::Sasl => "Thrift within SASL",
        Mode::NoSasl => "Thrift without SASL",
        Mode::Http(_) => "Thrift over HTTP",
        Mode::Rest => "Kyuubi's REST API",
    };
    let tls = if address.tls { "with" } else { "without" };
    format!("{what} {tls} TLS")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_url_is_the_same_but_for_what_is_spoken() {
        use Spoken::{Guarded, Http, Plain, Rest, Sasl, Tls};
        for (given, found, right) in [
            ("kyuubi://h:1/db", Rest, Some("kyuubi+http://h:1/db")),
            ("hive2://h:1/db", Rest, Some("kyuubi+http://h:1/db")),
            (
                "hive2://h:1/db",
                Http,
                Some("hive2://h:1/db;transportMode=http;httpPath=cliservice"),
            ),
            ("kyuubi+http://h:1/db", Sasl, Some("kyuubi://h:1/db")),
            ("kyuubi+http://h:1", Plain, Some("kyuubi://h:1/;auth=noSasl")),
            ("kyuubi+https://h:1/db", Rest, Some("kyuubi+http://h:1/db")),
            ("kyuubi+http://h:1/db", Tls, Some("kyuubi+https://h:1/db")),
            ("hive2://h:1/", Tls, Some("hive2://h:1/;ssl=true")),
            ("hive2://h:1/;ssl=true", Sasl, Some("hive2://h:1/")),
            ("hive2://h:1/;auth=noSasl", Sasl, Some("hive2://h:1/")),
            (
                "hive2://h:1/;transportMode=http",
                Plain,
                Some("hive2://h:1/;auth=noSasl"),
            ),
            (
                "hive2://h:1/;principal=hive/_HOST@R",
                Plain,
                Some("hive2://h:1/;auth=noSasl"),
            ),
            ("hive2://h:1/;principal=hive/_HOST@R", Sasl, None),
            ("hive2://h:1/;transportMode=http;httpPath=x", Http, None),
            ("kyuubi+http://h:1/", Rest, None),
            ("kyuubi+http://h:1/", Guarded, None),
            ("kyuubi+https://h:1/", Guarded, Some("kyuubi+http://h:1/")),
            (
                "hive2://h:1/",
                Guarded,
                Some("hive2://h:1/;transportMode=http;httpPath=cliservice"),
            ),
            ("kyuubi+https://h:1/", Tls, None),
            (
                "kyuubi://h:1/;principal=kyuubi/_HOST@R;saslQop=auth",
                Rest,
                Some("kyuubi+http://h:1/;principal=HTTP/_HOST@R"),
            ),
            (
                "kyuubi://h:1/;principal=kyuubi/_HOST@R;saslQop=auth",
                Guarded,
                Some("kyuubi://h:1/;transportMode=http;httpPath=cliservice;principal=kyuubi/_HOST@R"),
            ),
            ("kyuubi+http://h:1/;principal=HTTP/_HOST@R", Sasl, Some("kyuubi://h:1/")),
        ] {
            let corrected = corrected(&Address::read(given).unwrap(), found).map(|address| address.shown());
            assert_eq!(corrected.as_deref(), right, "{given}, {found:?}");
        }
    }
}
