//! The bang-commands: a table, in the order of `!help`. Adding a command is a file and a line here.

pub mod args;
pub mod handler;
pub mod manual;
pub mod spec;

mod background;
mod cancel;
mod checkpoint;
mod checkpoints;
mod connect;
mod describe;
mod drop_savepoint;
mod error;
mod every;
mod foreground;
mod gather;
mod help;
mod inspect;
mod job;
mod jobs;
mod ledger;
mod lineage;
mod logs;
mod note;
mod plan;
mod prune;
mod quit;
pub(crate) mod restore;
mod run;
mod savepoint;
mod savepoints;
mod server;
pub mod set;
pub(crate) mod state_of;
mod stop;
mod tables;
pub mod target;
mod upgrade;
mod wait;

pub use args::Args;
pub use handler::{Command, Flow};
pub use set::{configure, names as setting_names};
pub use spec::{Spec, SqlTail};

use crate::error::Error;

/// Every command.
pub static COMMANDS: &[&dyn Command] = &[
    &connect::Connect,
    &tables::Tables,
    &describe::Describe,
    &server::Server,
    &background::Async,
    &foreground::Fg,
    &plan::Plan,
    &run::Run,
    &jobs::Jobs,
    &job::Job,
    &lineage::Lineage,
    &wait::Wait,
    &cancel::Cancel,
    &logs::Logs,
    &savepoint::Savepoint,
    &every::Every,
    &stop::Stop,
    &checkpoint::Checkpoint,
    &checkpoints::Checkpoints,
    &savepoints::Savepoints,
    &inspect::Inspect,
    &restore::Restore,
    &upgrade::Upgrades,
    &drop_savepoint::DropSavepoint,
    &note::Note,
    &ledger::Ledger,
    &set::Set,
    &error::Error,
    &help::Help,
    &quit::Quit,
];

/// The command of that name, alias, or beginning of a name that only one command has.
///
/// # Errors
/// There is none, or there are several.
pub fn find(name: &str) -> Result<&'static dyn Command, Error> {
    let lower = name.to_ascii_lowercase();
    let exact = COMMANDS
        .iter()
        .find(|command| names(command.spec()).any(|n| n == lower));
    if let Some(command) = exact {
        return Ok(*command);
    }
    let starting: Vec<_> = COMMANDS
        .iter()
        .filter(|command| names(command.spec()).any(|n| n.starts_with(&lower)))
        .collect();
    match starting.as_slice() {
        [command] if !lower.is_empty() => Ok(**command),
        [] | [_] => {
            let error = Error::failed(format!("no command !{name}"));
            Err(match nearest(&lower) {
                Some(near) => error.hint(format!("did you mean !{near}? · !help lists all")),
                None => error.hint("!help lists all"),
            })
        }
        several => {
            let names: Vec<_> = several
                .iter()
                .map(|command| format!("!{}", command.spec().name))
                .collect();
            Err(Error::failed(format!("!{name} could be {}", names.join(", "))))
        }
    }
}

/// Where SQL begins in a command's first line (without its `!`), for the splitter: nowhere if the command takes none.
pub fn sql_start(line: &str) -> Option<usize> {
    let name = line
        .split(|c: char| c.is_whitespace() || c == ';')
        .next()
        .unwrap_or_default();
    let command = find(name).ok()?;
    args::sql_start(command.spec(), &line[name.len()..]).map(|start| name.len() + start)
}

fn names(spec: &'static Spec) -> impl Iterator<Item = &'static str> {
    std::iter::once(spec.name).chain(spec.aliases.iter().copied())
}

/// The name that is nearest to what was typed, if one is near.
fn nearest(typed: &str) -> Option<&'static str> {
    let names = COMMANDS.iter().flat_map(|command| names(command.spec()));
    let (distance, name) = names.map(|name| (distance(typed, name), name)).min()?;
    (distance <= 2 && distance < typed.chars().count()).then_some(name)
}

/// How many letters must be changed, added or removed to make one word of the other (Levenshtein).
pub fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(x != *y)).min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_found_by_name_alias_and_unique_beginning() {
        assert_eq!(find("jobs").unwrap().spec().name, "jobs");
        assert_eq!(find("job").unwrap().spec().name, "job");
        assert_eq!(find("JOBS").unwrap().spec().name, "jobs");
        assert_eq!(find("savepoi").map(|c| c.spec().name).ok(), None);
        assert_eq!(find("canc").unwrap().spec().name, "cancel");
    }

    #[test]
    fn a_typing_error_gets_a_suggestion() {
        let error = find("restroe").err().unwrap();
        assert!(error.hints.iter().any(|hint| hint.contains("!restore")), "{error:?}");
    }

    #[test]
    fn no_name_stands_twice_and_every_text_is_there() {
        let mut all: Vec<_> = COMMANDS.iter().flat_map(|command| names(command.spec())).collect();
        all.sort_unstable();
        let count = all.len();
        all.dedup();
        assert_eq!(all.len(), count);
        for command in COMMANDS {
            let spec = command.spec();
            assert!(
                !spec.summary.is_empty() && !spec.help.is_empty() && spec.example.contains(spec.name),
                "{}",
                spec.name
            );
        }
    }
}
