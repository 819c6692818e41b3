//! Who the shell is at a server, as the command line and the environment say it.

#[cfg(unix)]
use std::ffi::OsString;
#[cfg(unix)]
use std::fs::File;
use std::path::{Path, PathBuf};

use skep_engine::{Secret, Security, Target, Token, read_headers};

use crate::cli::Options;
use crate::config::{headers_in, read};
use crate::error::Error;
use crate::syntax::secrets::is_secret_key;
use crate::ui::Ui;

/// The environment variable that a Bearer token is in. Nobody else can read it there, other than on the command line.
pub const TOKEN: &str = "SKEP_TOKEN";

/// The password: from its file, from the command line, or from the person.
///
/// # Errors
/// The file can't be read, or nobody can be asked.
fn password(options: &Options, ui: &Ui) -> Result<Option<Secret>, Error> {
    if let Some(file) = &options.password_file {
        return Ok(Some(Secret::new(read(file)?)));
    }
    match &options.password {
        Some(Some(password)) => Ok(Some(Secret::new(password.clone()))),
        Some(None) => match ui.password("password: ") {
            Some(password) => Ok(Some(password)),
            None => Err(Error::usage("no password: nobody can be asked").hint("-w FILE reads it from a file")),
        },
        None => Ok(None),
    }
}

/// The target that command line and environment describe, with that URL.
///
/// # Errors
/// A file can't be read, or holds something else; nobody can be asked for the password.
pub fn described(options: &Options, url: &str, data_dir: PathBuf, ui: &Ui) -> Result<Target, Error> {
    let mut target = Target::new(url, data_dir);
    target.user.clone_from(&options.user);
    target.password = password(options, ui)?;
    target.security = security(options)?;
    target.properties = options.properties.iter().map(property).collect::<Result<_, _>>()?;
    target.variables = options.variables.iter().map(variable).collect::<Result<_, _>>()?;
    target.rest.clone_from(&options.rest);
    target.history.clone_from(&options.history);
    Ok(target)
}

/// What the command line says wins over what a named connection has. The environment's token is for one that has no other.
pub fn overrule(target: &mut Target, said: Target, options: &Options) {
    let is_known = target.user.is_some() || target.security.token.is_some();
    let replace = |known: &mut Option<String>, said: Option<String>| {
        if said.is_some() {
            *known = said;
        }
    };
    replace(&mut target.user, said.user);
    replace(&mut target.rest, said.rest);
    replace(&mut target.history, said.history);
    if said.password.is_some() {
        target.password = said.password;
    }
    target.properties.extend(said.properties);
    target.variables.extend(said.variables);
    let security = &mut target.security;
    if said.security.ca.is_some() {
        security.ca = said.security.ca;
    }
    if said.security.cert.is_some() {
        security.cert = said.security.cert;
        security.key = None;
    }
    if said.security.key.is_some() {
        security.key = said.security.key;
    }
    if said.security.token.is_some() && (options.token_file.is_some() || !is_known) {
        security.token = said.security.token;
    }
    for (name, value) in said.security.headers {
        security.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(&name));
        security.headers.push((name, value));
    }
}

/// Passwords longer than this, in bytes, are not concealed: a pipe takes as much without a reader.
#[cfg(unix)]
const PIPE: usize = 4096;

/// Takes a password that was given on the command line out of the process list, where every user of the machine could
/// read it: the program is started anew in its place, with the password in a pipe. Returns only if that can't be done.
#[cfg(unix)]
pub fn conceal(password: &str) {
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::os::unix::process::CommandExt;
    let (Ok(program), Ok((reader, writer))) = (std::env::current_exe(), rustix::pipe::pipe()) else {
        return;
    };
    let file = format!("--password-file=/dev/fd/{}", reader.as_raw_fd());
    let Some(args) = concealed(std::env::args_os().skip(1).collect(), password, file) else {
        return;
    };
    if password.len() > PIPE || File::from(writer).write_all(password.as_bytes()).is_err() {
        return;
    }
    // What can't be concealed works all the same.
    let _ = std::process::Command::new(program).args(args).exec();
}

/// There is no such way.
#[cfg(not(unix))]
pub fn conceal(_: &str) {}

/// The arguments with another in place of that password; none if it is not found as it is usually written.
#[cfg(unix)]
fn concealed(mut args: Vec<OsString>, password: &str, instead: String) -> Option<Vec<OsString>> {
    let is_option = |arg: &OsString| arg == "-p" || arg == "--password";
    let apart = args
        .windows(2)
        .position(|pair| is_option(&pair[0]) && pair[1] == password);
    let joined = || {
        let forms = [
            format!("--password={password}"),
            format!("-p={password}"),
            format!("-p{password}"),
        ];
        args.iter()
            .position(|arg| forms.iter().any(|form| arg == form.as_str()))
    };
    let (at, count) = apart.map(|at| (at, 2)).or_else(|| joined().map(|at| (at, 1)))?;
    args.splice(at..at + count, [instead.into()]);
    Some(args)
}

/// A session property of the command line; that of a secret is read from a file, `-D KEY=@FILE`.
///
/// # Errors
/// It has no name; the secret itself stands there, or the file can't be read.
fn property((key, value): &(String, String)) -> Result<(String, String), Error> {
    if key.trim().is_empty() {
        return Err(Error::usage("a session property has no name").hint("-D KEY=VALUE"));
    }
    if !is_secret_key(key) {
        return Ok((key.clone(), value.clone()));
    }
    let Some(path) = value.strip_prefix('@') else {
        return Err(Error::usage(format!("-D {key} needs a file: {key}=@FILE"))
            .hint("on the command line itself every user of the machine could read it"));
    };
    Ok((key.clone(), read(Path::new(path))?))
}

/// A variable of statements.
///
/// # Errors
/// It has no name; or it is a secret: its value would stand in the process list, and in whatever it is put into.
pub fn variable((key, value): &(String, String)) -> Result<(String, String), Error> {
    let key = key.strip_prefix("hivevar:").unwrap_or(key).trim();
    if key.is_empty() {
        return Err(Error::usage("a variable has no name").hint("--hivevar NAME=VALUE; SET hivevar:NAME=VALUE"));
    }
    if is_secret_key(key) {
        return Err(Error::usage(format!(
            "the variable {key} is a secret, and would stand in statements for all to see"
        ))
        .hint("--secret NAME=@FILE, and ${secret:NAME} in the statement"));
    }
    Ok((key.to_owned(), value.clone()))
}

/// `--secret NAME=@FILE`. A value itself would stand in the process list, for everybody to see.
///
/// # Errors
/// It is no file, or can't be read.
pub fn secret((name, value): &(String, String)) -> Result<(String, String), Error> {
    let Some(path) = value.strip_prefix('@') else {
        return Err(Error::usage(format!("--secret {name} needs a file: {name}=@FILE"))
            .hint("on the command line itself every user of the machine could read it"));
    };
    Ok((name.clone(), read(Path::new(path))?))
}

/// Certificates, token and headers. The environment's token is for whoever says nothing else.
///
/// # Errors
/// A file can't be read, or holds something else.
fn security(options: &Options) -> Result<Security, Error> {
    let token = match &options.token_file {
        // What can be read once only, a pipe, is read now.
        Some(file) if !file.is_file() => Some(Token::Text(Secret::new(read(file)?))),
        Some(file) => Some(Token::File(file.clone())),
        None if options.user.is_some() => None,
        None => std::env::var(TOKEN)
            .ok()
            .filter(|token| !token.is_empty())
            .map(|token| Token::Text(Secret::new(token))),
    };
    let mut headers = Vec::new();
    for header in &options.headers {
        match header.strip_prefix('@') {
            Some(path) => headers.extend(headers_in(Path::new(path))?),
            None => headers.push(plain_header(header)?),
        }
    }
    Ok(Security {
        ca: options.ca.clone(),
        cert: options.cert.clone(),
        key: options.key.clone(),
        token,
        headers,
    })
}

/// A header on the command line itself, which must not hold a secret.
fn plain_header(text: &str) -> Result<(String, Secret), Error> {
    let Some(Ok((name, value))) = read_headers(text).next() else {
        return Err(Error::usage("--header needs NAME: VALUE, or @FILE"));
    };
    let is_secret = is_secret_key(&name)
        || ["authorization", "proxy-authorization", "cookie"].contains(&name.to_ascii_lowercase().as_str());
    if is_secret {
        return Err(
            Error::usage(format!("--header {name} needs a file: @FILE, with the header in it"))
                .hint("on the command line itself every user of the machine could read it"),
        );
    }
    Ok((name, value))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn without(args: &[&str]) -> Option<Vec<OsString>> {
        let args = args.iter().map(OsString::from).collect();
        concealed(args, "se cret", "--password-file=F".to_owned())
    }

    #[test]
    fn a_password_is_found_as_it_is_usually_written() {
        let expected: Vec<OsString> = ["-u", "x:", "--password-file=F", "jobs"].map(OsString::from).to_vec();
        for forms in [
            &["-p", "se cret"][..],
            &["-pse cret"],
            &["--password", "se cret"],
            &["--password=se cret"],
        ] {
            let args = [&["-u", "x:"], forms, &["jobs"]].concat();
            assert_eq!(without(&args), Some(expected.clone()), "{args:?}");
        }
        assert_eq!(without(&["-qpse cret"]), None);
    }
}
