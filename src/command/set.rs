//! `!set`.

use async_trait::async_trait;
use serde_json::json;

use super::args::Args;
use super::handler::{Command, Flow};
use super::spec::{Arity, Category, Kind, Positional, Spec};
use crate::error::Error;
use crate::orphans::OrphanedQueries;
use crate::session::{RestoreFrom, Session, Settings};
use crate::statement;
use crate::ui::quantity;
use crate::ui::{Align, Listing};

/// `!set [NAME [VALUE]]`.
#[derive(Debug)]
pub struct Set;

static SPEC: Spec = Spec {
    name: "set",
    aliases: &[],
    category: Category::Shell,
    summary: "shows or changes how the shell behaves",
    help: "Without a name it lists all settings, without a value it shows one. The engine's own settings are changed by\n\
           the SQL statement SET 'key' = 'value'.\n\
           !set restore PATH makes the next statement that starts a job start from that state. !set restore auto makes\n\
           each that has run before start from its newest usable state, so that a script can be run again as it is; !set\n\
           restore off takes either back.\n\
           !set keep checkpoints makes the checkpoints of the jobs that are started then stay when these are cancelled or\n\
           fail, however the engine is configured.\n\
           !set keep plan DIR starts streaming INSERTs and statement sets from compiled plans, which are kept in DIR, a\n\
           directory that the server and every shell can read and write: with the same plan a job is restored at another\n\
           parallelism, and a changed query finds the state of its operators.",
    positionals: &[
        Positional {
            name: "NAME",
            kind: Kind::Setting,
            arity: Arity::Optional,
        },
        Positional {
            name: "VALUE",
            kind: Kind::Word,
            arity: Arity::Any,
        },
    ],
    flags: &[],
    example: "!set format csv",
    one_shot: false,
};

/// A setting: its names, what it is about, and how it is read and written.
struct Setting {
    name: &'static str,
    aliases: &'static [&'static str],
    help: &'static str,
    read: fn(&Settings) -> String,
    write: fn(&mut Settings, &str) -> Result<(), Error>,
}

static SETTINGS: &[Setting] = &[
    Setting {
        name: "format",
        aliases: &["outputformat", "output"],
        help: "the format of results",
        read: |settings| settings.format.to_string(),
        write: |settings, value| {
            settings.format = value.parse().map_err(|cause| Error::usage(format!("{cause}")))?;
            Ok(())
        },
    },
    Setting {
        name: "header",
        aliases: &["showheader"],
        help: "whether results have a header",
        read: |settings| settings.show_header.to_string(),
        write: |settings, value| read_bool(value).map(|on| settings.show_header = on),
    },
    Setting {
        name: "json",
        aliases: &[],
        help: "whether commands answer in JSON",
        read: |settings| settings.json.to_string(),
        write: |settings, value| read_bool(value).map(|on| settings.json = on),
    },
    Setting {
        name: "force",
        aliases: &[],
        help: "whether a script goes on after a failure",
        read: |settings| settings.force.to_string(),
        write: |settings, value| read_bool(value).map(|on| settings.force = on),
    },
    Setting {
        name: "restore",
        aliases: &[],
        help: "what a statement that starts a job starts from: a path (the next one), auto or off",
        read: |settings| match &settings.restore {
            RestoreFrom::Nothing => "off".to_owned(),
            RestoreFrom::Path { path, .. } => path.clone(),
            RestoreFrom::Newest => "auto".to_owned(),
        },
        write: |settings, value| {
            settings.restore = match value {
                "off" => RestoreFrom::Nothing,
                "auto" => RestoreFrom::Newest,
                path => RestoreFrom::Path {
                    path: path.to_owned(),
                    fork: false,
                },
            };
            Ok(())
        },
    },
    Setting {
        name: "keep-checkpoints",
        aliases: &["keep checkpoints"],
        help: "whether a job's checkpoints stay when it is cancelled or fails (a stop with a savepoint deletes them)",
        read: |settings| settings.keep_checkpoints.to_string(),
        write: |settings, value| read_bool(value).map(|on| settings.keep_checkpoints = on),
    },
    Setting {
        name: "ledger",
        aliases: &[],
        help: "whether a statement that starts a job is written down before it is submitted",
        read: |settings| settings.remember.to_string(),
        write: |settings, value| read_bool(value).map(|on| settings.remember = on),
    },
    Setting {
        name: "orphans",
        aliases: &[],
        help: "what is done at !connect with queries whose shell has ended: cancel, tell (of them) or leave",
        read: |settings| {
            let word = match settings.orphans {
                OrphanedQueries::Cancel => "cancel",
                OrphanedQueries::Tell => "tell",
                OrphanedQueries::Leave => "leave",
            };
            word.to_owned()
        },
        write: |settings, value| {
            settings.orphans = match value {
                "cancel" => OrphanedQueries::Cancel,
                "tell" => OrphanedQueries::Tell,
                "leave" => OrphanedQueries::Leave,
                _ => return Err(Error::usage(format!("{value:?} is none of cancel, tell and leave"))),
            };
            Ok(())
        },
    },
    Setting {
        name: "keep-plan",
        aliases: &["keep plan"],
        help: "the directory in which the compiled plans are kept that jobs are started from, or off",
        read: |settings| settings.keep_plan.clone().unwrap_or_else(|| "off".to_owned()),
        write: |settings, value| {
            settings.keep_plan = match value {
                "off" => None,
                "on" => return Err(Error::usage("which directory is not said").hint("!set keep plan DIR")),
                dir => Some(dir.to_owned()),
            };
            Ok(())
        },
    },
    Setting {
        name: "spool-limit",
        aliases: &[],
        help: "how many bytes of a background query's rows are kept before the engine is held back",
        read: |settings| quantity::bytes(settings.spool_limit),
        write: |settings, value| {
            settings.spool_limit = parse_bytes(value)
                .ok_or_else(|| Error::usage(format!("{value:?} is not a size")).hint("such as 500MB or 2GB"))?;
            Ok(())
        },
    },
];

/// The names of all settings, for the completer.
pub fn names() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().map(|setting| setting.name)
}

#[async_trait]
impl Command for Set {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, session: &mut Session, args: Args) -> Result<Flow, Error> {
        let object = |setting: &Setting, settings: &Settings| json!({ "name": setting.name, "value": (setting.read)(settings), "help": setting.help });
        let words = args.words();
        let Some(name) = words.first() else {
            if session.settings.json {
                for setting in SETTINGS {
                    session.ui.json(&object(setting, &session.settings))?;
                }
                return Ok(Flow::Continue);
            }
            let mut listing = Listing::new([("setting", Align::Left), ("value", Align::Left), ("", Align::Left)]);
            for setting in SETTINGS {
                listing.row([
                    setting.name.to_owned(),
                    (setting.read)(&session.settings),
                    setting.help.to_owned(),
                ]);
            }
            session.ui.list(&listing)?;
            return Ok(Flow::Continue);
        };
        // A name may be of two words; said alone, one that is on or off is meant to be on.
        let pair = words.get(1).map(|second| format!("{name} {second}"));
        let two = pair.as_deref().and_then(find);
        let (setting, value) = match two {
            Some(setting) => (setting, words.get(2).map(String::as_str).or(Some("on"))),
            None => (
                find(name).ok_or_else(|| unknown(name))?,
                words.get(1).map(String::as_str),
            ),
        };
        let most = if two.is_some() { 3 } else { 2 };
        if let Some(word) = words.get(most) {
            return Err(
                Error::usage(format!("!set: {word:?} is one too many")).hint(format!("usage: {}", SPEC.usage()))
            );
        }
        match value {
            Some(value) => {
                look(session, setting, value).await?;
                (setting.write)(&mut session.settings, value)?;
            }
            None if session.settings.json => session.ui.json(&object(setting, &session.settings))?,
            None => session.ui.print(&(setting.read)(&session.settings))?,
        }
        Ok(Flow::Continue)
    }
}

/// Looks at what a setting names, as far as that can be seen from here.
///
/// # Errors
/// It can't be what the setting is about.
async fn look(session: &Session, setting: &Setting, value: &str) -> Result<(), Error> {
    match (setting.name, value) {
        (_, "off" | "on" | "auto") => Ok(()),
        ("restore", path) => match &session.open {
            Some(open) if open.connection.stores.is_some() => {
                let state = statement::given(session, &open.connection, path, false);
                session.unless_interrupted(state).await.map(drop)
            }
            _ => Ok(()),
        },
        ("keep-plan", dir) => {
            let path = dir.strip_prefix("file:").unwrap_or(dir);
            match std::fs::metadata(path) {
                Ok(found) if !found.is_dir() => Err(Error::failed(format!("{dir} is not a directory"))),
                Ok(_) => Ok(()),
                // The server may have it, or make it.
                Err(cause) => {
                    session.ui.warn(&format!("{dir} can't be seen from here: {cause}"));
                    session.ui.hint(
                        "the server and every shell that restores a job from a plan must be able to read and write it",
                    );
                    Ok(())
                }
            }
        }
        _ => Ok(()),
    }
}

/// Changes a setting of the shell.
///
/// # Errors
/// There is none of that name, or the value is not one of its.
pub fn configure(settings: &mut Settings, name: &str, value: &str) -> Result<(), Error> {
    let setting = find(name).ok_or_else(|| unknown(name))?;
    (setting.write)(settings, value)
}

fn unknown(name: &str) -> Error {
    Error::failed(format!("no setting {name}")).hint("!set lists all · SET 'key' = 'value'; is the engine's own")
}

/// The setting of that name, in any case.
fn find(name: &str) -> Option<&'static Setting> {
    let lower = name.to_ascii_lowercase();
    SETTINGS
        .iter()
        .find(|setting| setting.name == lower || setting.aliases.contains(&lower.as_str()))
}

/// A size such as `500MB`, `1.5 GB` or `4096`; units count by thousands.
fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let number: f64 = text[..digits].parse().ok()?;
    let scale = match text[digits..].trim().to_ascii_uppercase().as_str() {
        "" | "B" => 1.0,
        "K" | "KB" => 1e3,
        "M" | "MB" => 1e6,
        "G" | "GB" => 1e9,
        "T" | "TB" => 1e12,
        _ => return None,
    };
    // A cast of a number that is too large gives the largest there is.
    Some((number * scale) as u64)
}

fn read_bool(value: &str) -> Result<bool, Error> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "1" => Ok(true),
        "false" | "off" | "no" | "0" => Ok(false),
        _ => Err(Error::usage(format!("{value:?} is neither true nor false"))),
    }
}
