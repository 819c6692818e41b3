//! `!tables`.

use async_trait::async_trait;
use serde_json::json;
use skep_engine::ObjectKind;

use super::args::Args;
use super::handler::{Command, Flow};
use super::spec::{Arity, Category, Kind, Positional, Spec};
use crate::error::Error;
use crate::session::Session;
use crate::ui::{Align, Listing};

/// `!tables [PATTERN]`.
#[derive(Debug)]
pub struct Tables;

static SPEC: Spec = Spec {
    name: "tables",
    aliases: &[],
    category: Category::Connections,
    summary: "lists the tables and views of the current database",
    help: "With a PATTERN only those whose name it fits: % stands for any text, _ for one character, as in LIKE.",
    positionals: &[Positional {
        name: "PATTERN",
        kind: Kind::Word,
        arity: Arity::Optional,
    }],
    flags: &[],
    example: "!tables",
    one_shot: true,
};

#[async_trait]
impl Command for Tables {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    async fn run(&self, session: &mut Session, args: Args) -> Result<Flow, Error> {
        let sql = session.open()?.sql()?;
        let objects = session.unless_interrupted(async { Ok(sql.objects().await?) }).await?;
        let pattern: Option<Vec<char>> = args.word(0).map(|pattern| pattern.chars().collect());
        let shown = objects.iter().filter(|object| {
            pattern
                .as_ref()
                .is_none_or(|pattern| like(pattern, &object.name.chars().collect::<Vec<_>>()))
        });
        let kind = |kind| match kind {
            ObjectKind::Table => "table",
            ObjectKind::View => "view",
        };
        if session.settings.json {
            for object in shown {
                session.ui.json(&json!({
                    "catalog": object.catalog, "database": object.database, "name": object.name, "kind": kind(object.kind),
                }))?;
            }
        } else {
            let mut listing = Listing::new([
                ("name", Align::Left),
                ("kind", Align::Left),
                ("database", Align::Left),
                ("catalog", Align::Left),
            ]);
            for object in shown {
                listing.row([
                    object.name.clone(),
                    kind(object.kind).to_owned(),
                    object.database.clone(),
                    object.catalog.clone(),
                ]);
            }
            session.ui.list(&listing)?;
        }
        Ok(Flow::Continue)
    }
}

/// SQL's LIKE, by characters.
fn like(pattern: &[char], text: &[char]) -> bool {
    // Where to go on when what follows the last `%` does not fit: one character further.
    let (mut p, mut t, mut retry) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('%') => {
                p += 1;
                retry = Some((p, t));
            }
            Some(c) if *c == '_' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match retry {
                Some((after, from)) => {
                    p = after;
                    t = from + 1;
                    retry = Some((after, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '%')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_in_like() {
        let fits = |p: &str, t: &str| like(&p.chars().collect::<Vec<_>>(), &t.chars().collect::<Vec<_>>());
        for (pattern, text) in [
            ("%", ""),
            ("a%", "abc"),
            ("%c", "abc"),
            ("a_c", "abc"),
            ("%b%", "abc"),
            ("%aab", "aaaab"),
        ] {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("a_", "a"), ("b%", "abc"), ("%ab", "abc")] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }
}
