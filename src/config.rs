//! The configuration file: named connections, where secrets come from, and how the shell behaves from the start.
//!
//! It holds no secret itself, so that it can be shown and shared: a password is in a file or comes from a command.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind::{NotADirectory, NotFound};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use skep_engine::{Secret, Security, Target, Token, read_headers};

use crate::error::Error;

/// The environment variable that names the file.
pub const CONFIG: &str = "SKEP_CONFIG";

/// A file of the configuration, of a secret or of headers is read up to here, in bytes.
const FILE_LIMIT: u64 = 1 << 20;

/// What the file says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The connection that is opened if neither a URL nor a name is given.
    pub default: Option<String>,
    /// What `!set` would set.
    #[serde(default)]
    pub set: BTreeMap<String, Value>,
    /// Where the secrets come from to which statements refer.
    #[serde(default)]
    pub secrets: BTreeMap<String, Origin>,
    /// Connections by name.
    #[serde(default)]
    pub connections: BTreeMap<String, Named>,
    /// The file; none if there is none.
    #[serde(skip)]
    file: Option<PathBuf>,
}

/// A value of a setting.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Integer(i64),
    /// Any other, as `!set` takes it.
    Text(String),
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Integer(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
        }
    }
}

/// Where a secret is.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// In a file, to the end of its last line.
    File(PathBuf),
    /// In an environment variable.
    Env(String),
    /// In the output of this line to the system's shell.
    Command(String),
}

/// A connection that has a name. Each field is what the flag of that name is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Named {
    /// Where to.
    pub url: String,
    /// User.
    pub user: Option<String>,
    /// The file that the password is in.
    pub password_file: Option<PathBuf>,
    /// The line to the system's shell that prints the password.
    pub password_command: Option<String>,
    /// The file that a Bearer token is in.
    pub token_file: Option<PathBuf>,
    /// The file that headers of every request are in.
    pub header_file: Option<PathBuf>,
    /// The authorities that are trusted.
    pub ca: Option<PathBuf>,
    /// The client certificate.
    pub cert: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// The cluster's REST address.
    pub rest: Option<String>,
    /// The History Server's address.
    pub history: Option<String>,
    /// Session properties.
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
}

impl Config {
    /// Reads the file that `SKEP_CONFIG` names, or else `skep/config.toml` in the user's configuration directory, if there
    /// is one.
    ///
    /// # Errors
    /// It can't be read, or is not what it has to be.
    pub fn load() -> Result<Self, Error> {
        let named = std::env::var_os(CONFIG)
            .filter(|name| !name.is_empty())
            .map(PathBuf::from);
        let usual = || dirs::config_dir().map(|dir| dir.join("skep").join("config.toml"));
        let is_named = named.is_some();
        let Some(path) = named.or_else(usual) else {
            return Ok(Self::default());
        };
        match read_text(&path) {
            Ok(text) => Self::parse(&text, path),
            Err(cause) if !is_named && matches!(cause.kind(), NotFound | NotADirectory) => Ok(Self {
                file: Some(path),
                ..Self::default()
            }),
            Err(cause) => Err(Error::unreadable(&path.display().to_string(), &cause)),
        }
    }

    fn parse(text: &str, path: PathBuf) -> Result<Self, Error> {
        let mut config: Self = toml::from_str(text).map_err(|cause| misread(text, &path, &cause))?;
        let base = path.parent().unwrap_or(Path::new("")).to_owned();
        for connection in config.connections.values_mut() {
            for file in [
                &mut connection.password_file,
                &mut connection.token_file,
                &mut connection.header_file,
                &mut connection.ca,
                &mut connection.cert,
                &mut connection.key,
            ]
            .into_iter()
            .flatten()
            {
                *file = resolve(&base, file);
            }
        }
        for origin in config.secrets.values_mut() {
            if let Origin::File(file) = origin {
                *file = resolve(&base, file);
            }
        }
        config.file = Some(path);
        Ok(config)
    }

    /// The connection of that name.
    ///
    /// # Errors
    /// There is none.
    pub fn connection(&self, name: &str) -> Result<&Named, Error> {
        self.connections.get(name).ok_or_else(|| {
            let file = self
                .file
                .as_ref()
                .map_or("the configuration file".to_owned(), |file| file.display().to_string());
            let error = Error::usage(format!("no connection is named {name:?} in {file}"));
            if self.connections.is_empty() {
                return error.hint(format!("[connections.{name}] and url = \"…\" there name one"));
            }
            let known: Vec<_> = self.connections.keys().map(String::as_str).collect();
            error.hint(format!("known are {}", known.join(", ")))
        })
    }

    /// The secret of that name, from where the file says it is; none if it says nothing.
    ///
    /// # Errors
    /// It is not there.
    pub fn secret(&self, name: &str) -> Result<Option<String>, Error> {
        self.secrets.get(name).map(Origin::read).transpose()
    }
}

/// The headers in a file, one in each line.
///
/// # Errors
/// It can't be read, or a line is no header.
pub fn headers_in(file: &Path) -> Result<Vec<(String, Secret)>, Error> {
    let no_header = |line| Error::usage(format!("{}: line {line} is not NAME: VALUE", file.display()));
    read_headers(&read(file)?)
        .map(|header| header.map_err(no_header))
        .collect()
}

/// The text in a file, without the end of its last line.
///
/// # Errors
/// It can't be read.
pub fn read(path: &Path) -> Result<String, Error> {
    let text = read_text(path).map_err(|cause| Error::unreadable(&path.display().to_string(), &cause))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// The text in a file, up to a limit.
///
/// # Errors
/// It can't be read, or is no text.
pub fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_LIMIT).read_to_string(&mut text)?;
    Ok(text)
}

impl Named {
    /// What is connected to.
    ///
    /// # Errors
    /// A file can't be read, or the command for the password fails.
    pub fn target(&self, data_dir: PathBuf) -> Result<Target, Error> {
        let mut target = Target::new(self.url.clone(), data_dir);
        target.user.clone_from(&self.user);
        target.password = match (&self.password_file, &self.password_command) {
            (Some(file), _) => Some(Secret::new(read(file)?)),
            (None, Some(line)) => Some(Secret::new(run(line)?)),
            (None, None) => None,
        };
        target.properties.clone_from(&self.properties);
        target.rest.clone_from(&self.rest);
        target.history.clone_from(&self.history);
        target.security = Security {
            ca: self.ca.clone(),
            cert: self.cert.clone(),
            key: self.key.clone(),
            token: self.token_file.clone().map(Token::File),
            headers: self.header_file.as_deref().map_or(Ok(Vec::new()), headers_in)?,
        };
        Ok(target)
    }
}

impl Origin {
    /// Fetches it.
    ///
    /// # Errors
    /// It is not there, or the command fails.
    pub fn read(&self) -> Result<String, Error> {
        match self {
            Self::File(file) => read(file),
            Self::Env(name) => std::env::var(name)
                .map_err(|_| Error::failed(format!("the environment variable {name} is not set, or is no text"))),
            Self::Command(line) => run(line),
        }
    }
}

/// Where the file is not what it has to be. What stands there is not repeated: it may be a password.
fn misread(text: &str, path: &Path, cause: &toml::de::Error) -> Error {
    let place = cause.span().and_then(|span| text.get(..span.start));
    let line = place.map_or(1, |before| before.matches('\n').count() + 1);
    let message = cause.message();
    let is_of_names = ["unknown field", "missing field"]
        .iter()
        .any(|of| message.starts_with(of));
    let what = if is_of_names || toml::from_str::<toml::Table>(text).is_err() {
        message.lines().next().unwrap_or_default()
    } else {
        "this is not what is expected there"
    };
    Error::usage(format!("{}, line {line}: {what}", path.display()))
        .hint("docs/connections.md shows one · a secret is never written there: password-file, password-command")
}

/// What a line to the system's shell prints, without the end of its last line. It may ask at the terminal.
fn run(line: &str) -> Result<String, Error> {
    let failed = |what: String| Error::failed(format!("the command for a secret, {line:?}, {what}"));
    let output = Command::new("sh")
        .arg("-c")
        .arg(line)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|cause| failed(format!("can't be run: {cause}")))?;
    if !output.status.success() {
        return Err(failed(format!("failed: {}", output.status)));
    }
    let text = String::from_utf8(output.stdout).map_err(|_| failed("printed something that is no text".to_owned()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// A path in the file is taken from where the file is; `~/` is the home directory.
fn resolve(base: &Path, path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), dirs::home_dir()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => base.join(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, Error> {
        Config::parse(text, PathBuf::from("/etc/skep/config.toml"))
    }

    #[test]
    fn paths_are_taken_from_where_the_file_is() {
        let config = parse(
            "[connections.prod]\nurl = 'flink://gw'\nca = 'ca.pem'\nkey = '/k.pem'\nproperties = { 'a.b' = 'c' }\n\
             [secrets]\n'kafka.password' = { file = 'kafka' }\n[set]\nheader = false\nformat = 'csv'\n",
        )
        .unwrap();
        let prod = config.connection("prod").unwrap();
        assert_eq!(prod.ca.as_deref(), Some(Path::new("/etc/skep/ca.pem")));
        assert_eq!(prod.key.as_deref(), Some(Path::new("/k.pem")));
        assert_eq!(prod.properties["a.b"], "c");
        assert!(
            matches!(&config.secrets["kafka.password"], Origin::File(file) if file == Path::new("/etc/skep/kafka"))
        );
        assert_eq!(config.set["header"].to_string(), "false");
        assert!(config.connection("test").is_err());
    }

    #[test]
    fn what_is_not_known_is_refused_where_it_stands() {
        let error = parse("[connections.prod]\nurl = 'flink://gw'\npassword = 'x'\n").unwrap_err();
        assert!(error.to_string().contains("line 3"), "{error}");
        assert!(parse("[connections.prod]\nuser = 'me'\n").is_err());
        assert!(parse("[secrets]\nk = 'value'\n").is_err());
    }
}
