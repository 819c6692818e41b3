//! The command line: options, and every command that makes sense there.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, StyledStr};
use clap::{Arg, ArgAction, ArgMatches};

use crate::command::spec::{Arity, Kind};
use crate::command::{Args, COMMANDS, Command, Spec, SqlTail};
use crate::error::Error;
use crate::render::Format;

/// Something to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file (`-f`).
    File(PathBuf),
    /// A text (`-e`).
    Text(String),
}

/// What the command line asks for.
pub struct Options {
    /// Where to connect (`-u`).
    pub url: Option<String>,
    /// The name of the connection (`-c`).
    pub connection: Option<String>,
    /// The file that says where and as whom (`--property-file`).
    pub property_file: Option<PathBuf>,
    /// User (`-n`).
    pub user: Option<String>,
    /// Password (`-p`): given, or to be asked for.
    pub password: Option<Option<String>>,
    /// The file that the password is in (`-w`).
    pub password_file: Option<PathBuf>,
    /// What is run first (`-i`).
    pub init: Option<PathBuf>,
    /// What is run instead of standard input, in order.
    pub sources: Vec<Source>,
    /// The format of results (`-o`).
    pub format: Option<Format>,
    /// Whether results have a header.
    pub show_header: Option<bool>,
    /// Nothing but results and errors.
    pub silent: bool,
    /// Scripts go on after a failure.
    pub force: bool,
    /// Yes to what would be asked.
    pub yes: bool,
    /// Commands answer in JSON.
    pub json: bool,
    /// Session properties (`-D k=v`).
    pub properties: Vec<(String, String)>,
    /// Variables of statements (`--hivevar k=v`).
    pub variables: Vec<(String, String)>,
    /// The files that secrets are in (`--secret k=@file`).
    pub secrets: Vec<(String, String)>,
    /// The authorities that are trusted (`--ca`).
    pub ca: Option<PathBuf>,
    /// The client certificate (`--cert`).
    pub cert: Option<PathBuf>,
    /// Its key (`--key`).
    pub key: Option<PathBuf>,
    /// The file that a Bearer token is in (`--token-file`).
    pub token_file: Option<PathBuf>,
    /// Headers of every request, or `@FILE` (`--header`).
    pub headers: Vec<String>,
    /// The cluster's REST address.
    pub rest: Option<String>,
    /// The History Server's address.
    pub history: Option<String>,
    /// One command instead of a script.
    pub command: Option<(&'static dyn Command, Args)>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("url", &self.url)
            .field("sources", &self.sources)
            .finish_non_exhaustive()
    }
}

/// Reads the command line. `--help` and `--version` come back as an error of clap's that holds their text.
///
/// # Errors
/// What clap says of it.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Options, clap::Error> {
    let matches = definition()
        .try_get_matches_from(words.into_iter().map(unlike_a_flag))
        .map_err(without_usage_of_others)?;
    read(&matches)
}

/// Behind an option that there is not, clap shows a usage of the options that were given beside it, as if there were no
/// others.
fn without_usage_of_others(mut error: clap::Error) -> clap::Error {
    if error.kind() == clap::error::ErrorKind::UnknownArgument {
        error.remove(clap::error::ContextKind::Usage);
    }
    error
}

/// SQL can begin with a comment, which looks like a flag: a blank before it, where it takes nothing away, tells them apart.
fn unlike_a_flag(word: OsString) -> OsString {
    let is_comment = word
        .to_str()
        .and_then(|text| text.strip_prefix("--"))
        .is_some_and(|rest| rest.starts_with(char::is_whitespace));
    if !is_comment {
        return word;
    }
    let mut apart = OsString::from(" ");
    apart.push(word);
    apart
}

/// The whole command line as clap needs it, also for the manual page.
pub fn definition() -> clap::Command {
    let option = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let file =
        |name: &'static str, help: &'static str| option(name, "FILE", help).value_parser(clap::value_parser!(PathBuf));
    let switch =
        |name: &'static str, help: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    let formats = PossibleValuesParser::new(Format::all().flat_map(|format| format.spellings().iter().copied()));
    let mut definition = clap::Command::new("skep")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A SQL shell that keeps the jobs, savepoints and checkpoints that streaming queries leave behind")
        .subcommand_negates_reqs(true)
        .arg(option("url", "URL", "where to connect; local: by default").short('u'))
        .arg(
            option("connection", "NAME", "a connection that the configuration file names")
                .short('c')
                .conflicts_with("url"),
        )
        .arg(
            file("property-file", "url, user and password in one file, as beeline reads it").conflicts_with_all(["url", "connection"]),
        )
        .arg(
            option("execute", "SQL", "run this; may stand several times")
                .short('e')
                .action(ArgAction::Append)
                .allow_hyphen_values(true),
        )
        .arg(
            option("file", "FILE", "run this script; may stand several times")
                .short('f')
                .action(ArgAction::Append)
                .value_parser(clap::value_parser!(PathBuf)),
        )
        .arg(
            option("init", "FILE", "run this first")
                .short('i')
                .value_parser(clap::value_parser!(PathBuf)),
        )
        .arg(
            option("output", "FORMAT", "the format of results")
                .short('o')
                .aliases(["outputformat", "outputFormat"])
                .ignore_case(true)
                .value_parser(formats),
        )
        .arg(
            option("showHeader", "BOOL", "whether results have a header")
                .alias("showheader")
                .value_parser(clap::value_parser!(bool)),
        )
        .arg(
            option("silent", "BOOL", "say nothing but results and errors")
                .num_args(0..=1)
                .default_missing_value("true")
                .require_equals(true)
                .value_parser(clap::value_parser!(bool)),
        )
        .arg(
            option("force", "BOOL", "a script goes on after a failure")
                .num_args(0..=1)
                .default_missing_value("true")
                .require_equals(true)
                .value_parser(clap::value_parser!(bool)),
        )
        .arg(option("user", "USER", "user name").short('n'))
        .arg(
            option(
                "password",
                "PASSWORD",
                "password; asked for if none is given (safer: -w, for a password here stands in the history of your shell)",
            )
            .short('p')
            .num_args(0..=1),
        )
        .arg(
            option("password-file", "FILE", "the file that the password is in")
                .short('w')
                .value_parser(clap::value_parser!(PathBuf)),
        )
        .arg(
            option("define", "K=V", "a session property")
                .short('D')
                .alias("hiveconf")
                .action(ArgAction::Append),
        )
        .arg(
            option("hivevar", "K=V", "what ${hivevar:K} and ${K} in statements stand for").action(ArgAction::Append),
        )
        .arg(option("secret", "NAME=@FILE", "the file that a secret is in").action(ArgAction::Append))
        .arg(file(
            "ca",
            "certificates of the authorities to trust instead of the system's, in PEM",
        ))
        .arg(file("cert", "the client certificate, in PEM"))
        .arg(file("key", "the client certificate's private key, in PEM"))
        .arg(file(
            "token-file",
            "the file that a Bearer token is in (SKEP_TOKEN may hold it too)",
        ))
        .arg(
            option(
                "header",
                "NAME: VALUE",
                "a header of every request; @FILE holds one in each line",
            )
            .action(ArgAction::Append),
        )
        .arg(option("rest", "URL", "the cluster's REST address"))
        .arg(option("history", "URL", "the History Server's address"))
        .arg(switch("json", "answer in JSON, one object a line").global(true))
        .arg(switch("yes", "yes to what would be asked").short('y').global(true))
        .after_help("Without -e, -f and a command: a prompt at a terminal, else the script on standard input.");
    for spec in COMMANDS
        .iter()
        .map(|command| command.spec())
        .filter(|spec| spec.one_shot)
    {
        definition = definition.subcommand(subcommand(spec));
    }
    definition
}

fn subcommand(spec: &'static Spec) -> clap::Command {
    let mut command = clap::Command::new(spec.name)
        .visible_aliases(spec.aliases.iter().copied())
        .about(spec.summary)
        .long_about(StyledStr::from(format!("{}\n\n{}", spec.summary, spec.help)));
    for positional in spec.positionals {
        let (least, most) = match positional.arity {
            Arity::One => (true, false),
            Arity::Optional => (false, false),
            Arity::Some => (true, true),
            Arity::Any => (false, true),
        };
        let mut arg = Arg::new(positional.name).required(least).value_name(positional.name);
        if positional.kind == Kind::Sql {
            // One word in quotes, or several; what looks like a flag is one, wherever it stands.
            arg = Arg::new(positional.name)
                .num_args(1..)
                .action(ArgAction::Append)
                .value_name(positional.name)
                .allow_negative_numbers(true);
        } else if most {
            arg = arg.num_args(1..).action(ArgAction::Append);
        }
        command = command.arg(arg);
    }
    for flag in spec.flags {
        let mut arg = Arg::new(flag.name).long(flag.name).help(flag.help);
        if let Some(short) = flag.short {
            arg = arg.short(short);
        }
        arg = match flag.value {
            Some((name, _)) => arg.value_name(name).action(ArgAction::Append),
            None => arg.action(ArgAction::SetTrue),
        };
        command = command.arg(arg);
    }
    command
}

fn read(matches: &ArgMatches) -> Result<Options, clap::Error> {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let command = match matches.subcommand() {
        Some((name, matches)) => Some(read_command(name, matches)?),
        None => None,
    };
    let on =
        |name: &str| matches.get_flag(name) || matches.subcommand().is_some_and(|(_, matches)| matches.get_flag(name));
    Ok(Options {
        url: text("url"),
        connection: text("connection"),
        property_file: matches.get_one("property-file").cloned(),
        user: text("user"),
        password: matches.contains_id("password").then(|| text("password")),
        password_file: matches.get_one("password-file").cloned(),
        init: matches.get_one("init").cloned(),
        sources: sources(matches),
        format: text("output").and_then(|format| format.parse().ok()),
        show_header: matches.get_one("showHeader").copied(),
        silent: matches.get_one("silent").copied().unwrap_or(false),
        force: matches.get_one("force").copied().unwrap_or(false),
        yes: on("yes"),
        json: on("json"),
        properties: pairs(matches, "define")?,
        variables: pairs(matches, "hivevar")?,
        secrets: pairs(matches, "secret")?,
        ca: matches.get_one("ca").cloned(),
        cert: matches.get_one("cert").cloned(),
        key: matches.get_one("key").cloned(),
        token_file: matches.get_one("token-file").cloned(),
        headers: matches
            .get_many::<String>("header")
            .into_iter()
            .flatten()
            .cloned()
            .collect(),
        rest: text("rest"),
        history: text("history"),
        command,
    })
}

/// `-e` and `-f` in the order in which they stand.
fn sources(matches: &ArgMatches) -> Vec<Source> {
    let mut found: Vec<(usize, Source)> = Vec::new();
    if let (Some(indices), Some(texts)) = (matches.indices_of("execute"), matches.get_many::<String>("execute")) {
        found.extend(indices.zip(texts.map(|text| Source::Text(text.clone()))));
    }
    if let (Some(indices), Some(files)) = (matches.indices_of("file"), matches.get_many::<PathBuf>("file")) {
        found.extend(indices.zip(files.map(|file| Source::File(file.clone()))));
    }
    found.sort_by_key(|(index, _)| *index);
    found.into_iter().map(|(_, source)| source).collect()
}

fn pairs(matches: &ArgMatches, name: &str) -> Result<Vec<(String, String)>, clap::Error> {
    let pair = |text: &String| {
        let (key, value) = text
            .split_once('=')
            .ok_or_else(|| invalid(&format!("{text:?} is not NAME=VALUE")))?;
        Ok((key.to_owned(), value.to_owned()))
    };
    matches
        .get_many::<String>(name)
        .into_iter()
        .flatten()
        .map(pair)
        .collect()
}

fn read_command(name: &str, matches: &ArgMatches) -> Result<(&'static dyn Command, Args), clap::Error> {
    let command = crate::command::find(name).map_err(|error| invalid(&error.to_string()))?;
    let spec = command.spec();
    let mut words = Vec::new();
    for flag in spec.flags {
        match flag.value {
            Some(_) => {
                for value in matches.get_many::<String>(flag.name).into_iter().flatten() {
                    words.push(format!("--{}={value}", flag.name));
                }
            }
            None if matches.get_flag(flag.name) => words.push(format!("--{}", flag.name)),
            None => {}
        }
    }
    for name in ["json", "yes"] {
        if matches.get_flag(name) {
            words.push(format!("--{name}"));
        }
    }
    words.push("--".to_owned());
    let values = spec
        .positionals
        .iter()
        .flat_map(|positional| matches.get_many::<String>(positional.name))
        .flatten();
    let mut values: Vec<String> = values.cloned().collect();
    let sql = match spec.sql_tail() {
        SqlTail::AfterAs => {
            let place = values.iter().position(|word| word.eq_ignore_ascii_case("as"));
            place.map(|place| values.split_off(place)[1..].join(" "))
        }
        SqlTail::Always => Some(std::mem::take(&mut values).join(" ")),
        SqlTail::AfterWord => Some(values.split_off(values.len().min(1)).join(" ")),
        SqlTail::Never => None,
    };
    words.extend(values);
    let args = Args::from_words(spec, words, sql).map_err(|error: Error| invalid(&error.to_string()))?;
    Ok((command, args))
}

fn invalid(message: &str) -> clap::Error {
    clap::Error::raw(clap::error::ErrorKind::ValueValidation, format!("{message}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_words(line: &str) -> Result<Options, clap::Error> {
        parse(line.split(' ').map(OsString::from))
    }

    #[test]
    fn the_definition_is_sound() {
        definition().debug_assert();
    }

    #[test]
    fn an_option_that_there_is_not_is_told_without_a_usage_of_the_others() {
        for line in ["skep -u local: --jsn", "skep -u local: savepoint 5f2c --dri x"] {
            let told = read_words(line).unwrap_err().to_string();
            assert!(
                told.contains("unexpected argument") && told.contains("--help"),
                "{told}"
            );
            assert!(!told.contains("Usage"), "{told}");
        }
    }

    #[test]
    fn sources_keep_their_order() {
        let options = read_words("skep -e a -f b -e c").unwrap();
        let expected = [
            Source::Text("a".into()),
            Source::File("b".into()),
            Source::Text("c".into()),
        ];
        assert_eq!(options.sources, expected);
    }

    #[test]
    fn beelines_spellings_are_understood() {
        let options =
            read_words("skep -u local: --outputformat=csv2 --showHeader=false --silent=true --force=true").unwrap();
        assert_eq!(options.format, Some(Format::Csv));
        assert_eq!(
            (options.show_header, options.silent, options.force),
            (Some(false), true, true)
        );
        let options =
            read_words("skep -u x -n me -w pw -i init.sql --hiveconf a=b --hivevar day=x=y --hivevar n=1").unwrap();
        assert_eq!(
            (options.user.as_deref(), options.init),
            (Some("me"), Some("init.sql".into()))
        );
        assert_eq!(options.password_file, Some("pw".into()));
        assert_eq!(options.properties, [("a".to_owned(), "b".to_owned())]);
        let variables = [("day".to_owned(), "x=y".to_owned()), ("n".to_owned(), "1".to_owned())];
        assert_eq!(options.variables, variables);
    }

    #[test]
    fn flags_behind_the_sql_are_flags() {
        let read =
            |words: &[&str]| parse(["skep"].iter().chain(words).map(OsString::from)).map(|o| o.command.unwrap().1);
        let insert = "INSERT INTO a SELECT 1";
        for words in [
            &["upgrade", "J", insert, "--json", "--timeout", "5s"][..],
            &["upgrade", "--json", "J", "--timeout=5s", insert],
            &[
                "upgrade",
                "J",
                "INSERT",
                "INTO",
                "a",
                "SELECT",
                "1",
                "--json",
                "--timeout=5s",
            ],
        ] {
            let args = read(words).unwrap();
            assert_eq!((args.word(0), args.sql()), (Some("J"), Some(insert)), "{words:?}");
            assert_eq!(
                (args.has("json"), args.value("timeout")),
                (true, Some("5s")),
                "{words:?}"
            );
        }
        let args = read(&["restore", "J", "latest", "AS", insert, "--fork", "-y"]).unwrap();
        assert_eq!(
            (args.words(), args.sql()),
            (&["J".to_owned(), "latest".to_owned()][..], Some(insert))
        );
        assert!(args.has("fork") && args.has("yes"));
        let args = read(&["plan", "SELECT", "-1", "--json"]).unwrap();
        assert_eq!((args.sql(), args.has("json")), (Some("SELECT -1"), true));
        let args = read(&["upgrade", "J", "-- as before\nINSERT INTO a SELECT 1", "--yes"]).unwrap();
        assert_eq!(args.sql(), Some("-- as before\nINSERT INTO a SELECT 1"));
        assert!(args.has("yes"));
        for refused in [
            &["upgrade", "J", insert, "--fork"][..],
            &["restore", "J", "AS", insert, "--rehearse"],
            &["restore", "J", "AS"],
            &["restore", "J", "AS", "--fork"],
        ] {
            assert!(read(refused).is_err(), "{refused:?}");
        }
    }

    #[test]
    fn a_command_takes_its_own_flags_and_the_common_ones() {
        let options = read_words("skep savepoint 5f2c --dir s3://b/sp --json").unwrap();
        let (command, args) = options.command.unwrap();
        assert_eq!(
            (command.spec().name, args.word(0), args.value("dir")),
            ("savepoint", Some("5f2c"), Some("s3://b/sp"))
        );
        assert!(options.json && args.has("json"));
    }
}
