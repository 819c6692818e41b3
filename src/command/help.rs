//! `!help`.

use async_trait::async_trait;
use serde_json::json;

use super::args::{Args, COMMON_FLAGS};
use super::handler::{Command, Flow};
use super::spec::{Arity, Category, Flag, Kind, Positional, Spec};
use super::{COMMANDS, find};
use crate::error::Error;
use crate::session::Session;
use crate::ui::{Align, Listing};

/// `!help [COMMAND]`.
#[derive(Debug)]
pub struct Help;

static SPEC: Spec = Spec {
    name: "help",
    aliases: &["h", "?"],
    category: Category::Shell,
    summary: "lists the commands, or explains one",
    help: "Everything that does not begin with ! is SQL and ends with ;",
    positionals: &[Positional {
        name: "COMMAND",
        kind: Kind::Command,
        arity: Arity::Optional,
    }],
    flags: &[],
    example: "!help restore",
    one_shot: false,
};

#[async_trait]
impl Command for Help {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, session: &mut Session, args: Args) -> Result<Flow, Error> {
        if session.settings.json {
            let named = args
                .word(0)
                .map(|name| find(name.trim_start_matches('!')))
                .transpose()?;
            for command in named.as_ref().map_or(COMMANDS, std::slice::from_ref) {
                session.ui.json(&object(command.spec()))?;
            }
            return Ok(Flow::Continue);
        }
        let text = match args.word(0) {
            Some(name) => explain(find(name.trim_start_matches('!'))?.spec()),
            None => overview(),
        };
        for line in text.lines() {
            session.ui.print(line)?;
        }
        Ok(Flow::Continue)
    }
}

fn object(spec: &Spec) -> serde_json::Value {
    json!({
        "name": spec.name, "aliases": spec.aliases, "category": spec.category.title(), "summary": spec.summary,
        "usage": spec.usage(), "help": spec.help, "example": spec.example, "one_shot": spec.one_shot,
    })
}

fn overview() -> String {
    let mut text = String::new();
    for category in Category::ALL {
        let mut listing = Listing::new([("", Align::Left), ("", Align::Left)]);
        for spec in COMMANDS
            .iter()
            .map(|command| command.spec())
            .filter(|spec| spec.category == category)
        {
            listing.row([format!("  !{}", spec.name), spec.summary.to_owned()]);
        }
        text.push_str(&format!("{}\n{}\n", category.title(), listing.render(None)));
    }
    text.push_str(
        "REF is %3, %% (the last job), %- (the one before), a job id or its first digits, or a job's name.\n\
         !help COMMAND says more. A name can be shortened as long as it is clear.\n\
         SQL ends with ; and runs in the background with & before or right after it. Jobs can be spoken of in SQL too:\n\
         SHOW JOBS, DESCRIBE JOB 'id', STOP JOB 'id' [WITH SAVEPOINT] [WITH DRAIN], CREATE SAVEPOINT FOR JOB 'id',\n\
         SHOW SAVEPOINTS [FOR JOB 'id'], DROP SAVEPOINT 'path'.\n",
    );
    text
}

fn explain(spec: &Spec) -> String {
    let mut text = format!("{}\n\n{}: {}\n{}\n", spec.usage(), spec.name, spec.summary, spec.help);
    let mut flags = Listing::new([("", Align::Left), ("", Align::Left)]);
    for Flag {
        name,
        short,
        value,
        help,
    } in spec.flags.iter().chain(&COMMON_FLAGS)
    {
        let short = short.map(|letter| format!("-{letter}, ")).unwrap_or_default();
        let value = value.map(|(name, _)| format!(" {name}")).unwrap_or_default();
        flags.row([format!("  {short}--{name}{value}"), (*help).to_owned()]);
    }
    text.push_str(&format!("\n{}", flags.render(None)));
    if !spec.aliases.is_empty() {
        let aliases: Vec<_> = spec.aliases.iter().map(|alias| format!("!{alias}")).collect();
        text.push_str(&format!("\nalso: {}\n", aliases.join(", ")));
    }
    text.push_str(&format!("\nexample: {}\n", spec.example));
    text
}
