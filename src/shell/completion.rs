//! What could stand where the cursor is. Pure: the names are handed in.

use skep_engine::Dialect;

use super::catalog::Names;
use crate::command::args::COMMON_FLAGS;
use crate::command::spec::{Arity, Kind, Spec};
use crate::command::{self, COMMANDS};
use crate::syntax::keywords::{is_keyword, keywords_with_prefix};
use crate::syntax::literal::quote_identifier;
use crate::syntax::{Lexer, Splitter, TokenKind};

/// What names there are.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Tables and columns.
    pub names: Names,
    /// What jobs are called: handles, ids and names.
    pub jobs: Vec<String>,
    /// What connections are called.
    pub connections: Vec<String>,
}

/// What could stand before the cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Completion {
    /// Where the word to be completed begins, in bytes.
    pub start: usize,
    /// What it could become, with what follows it.
    pub words: Vec<String>,
    /// The word is the name of a file.
    pub file: bool,
}

/// Completes the word that ends the text: all that was typed of the statement or command up to the cursor.
pub fn complete(text: &str, dialect: Dialect, known: &Known) -> Completion {
    let start = current_piece(text, dialect);
    let piece = &text[start..];
    let mut completion = match piece.strip_prefix('!') {
        Some(command) => complete_command(command, dialect, known).moved(1),
        None => complete_sql(piece, dialect, &known.names),
    };
    completion.words.dedup();
    completion.moved(start)
}

impl Completion {
    fn moved(mut self, by: usize) -> Self {
        self.start += by;
        self
    }

    fn of(start: usize, words: impl IntoIterator<Item = String>) -> Self {
        Self {
            start,
            words: words.into_iter().collect(),
            file: false,
        }
    }
}

/// Where the statement or command begins that is not complete yet.
fn current_piece(text: &str, dialect: Dialect) -> usize {
    let mut splitter = Splitter::with_sql_tails(dialect, command::sql_start);
    splitter.feed(text);
    let mut end = 0;
    while let Some(piece) = splitter.next_piece() {
        end = piece.span.end;
    }
    end + (text.len() - end - text[end..].trim_start().len())
}

fn complete_command(text: &str, dialect: Dialect, known: &Known) -> Completion {
    let Some(name_end) = text.find(char::is_whitespace) else {
        let lower = text.to_ascii_lowercase();
        let names = COMMANDS
            .iter()
            .map(|command| command.spec().name)
            .filter(|name| name.starts_with(&lower));
        let names: Vec<String> = names.map(|name| format!("{name} ")).collect();
        if !names.is_empty() {
            return Completion::of(0, names);
        }
        let aliases = COMMANDS
            .iter()
            .flat_map(|command| command.spec().aliases)
            .filter(|name| name.starts_with(&lower));
        return Completion::of(0, aliases.map(|name| format!("{name} ")));
    };
    let Ok(command) = command::find(&text[..name_end]) else {
        return Completion::default();
    };
    if let Some(sql) = command::sql_start(text).filter(|sql| *sql <= text.len()) {
        let sql = sql + (text.len() - sql - text[sql..].trim_start().len());
        return complete_sql(&text[sql..], dialect, &known.names).moved(sql);
    }
    let blank = text.char_indices().rfind(|(_, c)| c.is_whitespace());
    let start = blank.map_or(name_end, |(at, c)| at + c.len_utf8()).max(name_end);
    let before: Vec<&str> = text[name_end..start].split_whitespace().collect();
    complete_argument(command.spec(), &before, &text[start..], known).moved(start)
}

/// Completes an argument: a flag, a flag's value, or a positional one.
fn complete_argument(spec: &Spec, before: &[&str], word: &str, known: &Known) -> Completion {
    let flag = |word: &str| {
        let name = word.strip_prefix("--");
        spec.flags.iter().find(|flag| {
            Some(flag.name) == name
                || flag
                    .short
                    .is_some_and(|short| word.strip_prefix('-') == Some(&short.to_string()))
        })
    };
    let value_of = |word: &str| flag(word).and_then(|flag| flag.value).map(|(_, kind)| kind);
    if let Some(kind) = before.last().and_then(|last| value_of(last)) {
        return of_kind(kind, word, known);
    }
    if let Some((name, value)) = word.split_once('=')
        && let Some(kind) = value_of(name)
    {
        return of_kind(kind, value, known).moved(name.len() + 1);
    }
    if word.starts_with('-') {
        let flags = spec
            .flags
            .iter()
            .chain(&COMMON_FLAGS)
            .map(|flag| format!("--{} ", flag.name));
        return Completion::of(0, flags.filter(|flag| flag.starts_with(word)));
    }
    let mut place = 0;
    let mut words = before.iter();
    while let Some(word) = words.next() {
        if value_of(word).is_some() {
            words.next();
        } else if !word.starts_with('-') {
            place += 1;
        }
    }
    let positional = spec.positionals.get(place).or_else(|| {
        spec.positionals
            .last()
            .filter(|last| matches!(last.arity, Arity::Some | Arity::Any))
    });
    positional.map_or_else(Completion::default, |positional| of_kind(positional.kind, word, known))
}

fn of_kind(kind: Kind, word: &str, known: &Known) -> Completion {
    let beginning = |words: &mut dyn Iterator<Item = String>| {
        Completion::of(
            0,
            words
                .filter(|known| known.starts_with(word))
                .map(|word| format!("{word} ")),
        )
    };
    match kind {
        Kind::Reference => beginning(&mut known.jobs.iter().cloned()),
        Kind::Which => beginning(&mut ["latest".to_owned()].into_iter()),
        Kind::Choice(words) => beginning(&mut words.iter().map(|word| (*word).to_owned())),
        Kind::Setting => beginning(&mut command::set::names().map(str::to_owned)),
        Kind::Command => beginning(&mut COMMANDS.iter().map(|command| command.spec().name.to_owned())),
        Kind::Path | Kind::Location => Completion {
            start: 0,
            words: Vec::new(),
            file: true,
        },
        Kind::Url => beginning(&mut known.connections.iter().cloned()),
        Kind::Duration | Kind::Word | Kind::Sql => Completion::default(),
    }
}

fn complete_sql(text: &str, dialect: Dialect, names: &Names) -> Completion {
    let tokens: Vec<_> = Lexer::new(text, &dialect).collect();
    let last = tokens.last();
    // Within a string or a comment nothing is offered, except that the quote of an identifier may be open.
    let (start, prefix) = match last {
        Some(token) if token.kind == TokenKind::Word => (token.span.start, token.span.of(text)),
        Some(token) if token.kind == TokenKind::Identifier && is_open(token.span.of(text)) => {
            (token.span.start, &token.span.of(text)[1..])
        }
        Some(token) if matches!(token.kind, TokenKind::Whitespace | TokenKind::Symbol) => (text.len(), ""),
        None => (text.len(), ""),
        Some(_) => return Completion::default(),
    };
    let quoted = last.is_some_and(|token| token.kind == TokenKind::Identifier);
    let before: Vec<&str> = tokens
        .iter()
        .filter(|token| token.span.end <= start && !token.kind.is_trivia())
        .map(|token| token.span.of(text))
        .collect();
    let name = |name: &String| {
        if quoted || !is_simple(name) {
            quote_identifier(name)
        } else {
            name.clone()
        }
    };
    let fits = |name: &&String| starts_with(name, prefix);
    if before.last() == Some(&".") {
        let table = before
            .iter()
            .rev()
            .nth(1)
            .map(|table| table.trim_matches(['`', '"']))
            .unwrap_or_default();
        let is_meant = |name: &&String| name.eq_ignore_ascii_case(table);
        if let Some(database) = names.databases.keys().find(is_meant) {
            let tables = names.databases[database].keys();
            return Completion::of(start, tables.filter(fits).cloned());
        }
        let others = names.databases.values().flatten();
        let mut all = names.columns.iter().chain(others);
        let columns = all.find(|(name, _)| is_meant(name)).map(|(_, columns)| columns);
        return Completion::of(start, columns.into_iter().flatten().filter(fits).map(name));
    }
    let tables = names.tables.iter().filter(fits).map(name);
    let wants_table = before.last().is_some_and(|word| {
        [
            "FROM",
            "JOIN",
            "INTO",
            "TABLE",
            "VIEW",
            "DESCRIBE",
            "DESC",
            "UPDATE",
            "OVERWRITE",
        ]
        .iter()
        .any(|known| word.eq_ignore_ascii_case(known))
    });
    if wants_table || (quoted && prefix.is_empty()) {
        let databases = names.databases.keys().filter(fits).filter(|_| !quoted);
        return Completion::of(start, tables.chain(databases.map(|database| format!("{database}."))));
    }
    if prefix.is_empty() {
        return Completion::default();
    }
    // Columns of the tables that the statement names; of all, before it has named any.
    let named = |table: &str| {
        before
            .iter()
            .any(|word| word.trim_matches(['`', '"']).eq_ignore_ascii_case(table))
    };
    let any_named = names.columns.keys().any(|table| named(table));
    let columns = names
        .columns
        .iter()
        .filter(|(table, _)| !any_named || named(table))
        .chain(names.databases.values().flatten().filter(|(table, _)| named(table)))
        .flat_map(|(_, columns)| columns);
    let mut words: Vec<String> = columns.filter(fits).map(name).chain(tables).collect();
    if !quoted {
        let lower = prefix.chars().any(char::is_lowercase);
        let keywords = keywords_with_prefix(prefix).iter();
        words.extend(keywords.map(|word| {
            if lower {
                word.to_ascii_lowercase()
            } else {
                (*word).to_owned()
            }
        }));
    }
    words.sort();
    Completion::of(start, words)
}

/// Whether a quoted identifier has not been closed.
fn is_open(identifier: &str) -> bool {
    let quotes = identifier.chars().filter(|c| identifier.starts_with(*c)).count();
    quotes % 2 == 1
}

/// Whether an identifier needs no quotes.
fn is_simple(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && !is_keyword(name)
}

fn starts_with(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn known() -> Known {
        let columns = |names: [&str; 2]| names.map(str::to_owned).to_vec();
        Known {
            names: Names {
                tables: ["delays", "flights", "odd name"].map(str::to_owned).to_vec(),
                columns: [
                    ("delays".to_owned(), columns(["carrier", "delay"])),
                    ("flights".to_owned(), columns(["carrier", "dep_delay"])),
                ]
                .into(),
                databases: [(
                    "skep".to_owned(),
                    [("jobs".to_owned(), columns(["job_id", "state"]))].into(),
                )]
                .into(),
            },
            jobs: ["%1", "5f2c9a4e", "delays"].map(str::to_owned).to_vec(),
            connections: ["prod", "test"].map(str::to_owned).to_vec(),
        }
    }

    fn at(text: &str) -> (usize, Vec<String>) {
        let completion = complete(text, Dialect::FLINK, &known());
        (completion.start, completion.words)
    }

    fn words(text: &str) -> Vec<String> {
        at(text).1
    }

    #[test]
    fn commands_and_their_arguments() {
        assert_eq!(
            at("!savepoint"),
            (1, vec!["savepoint ".to_owned(), "savepoints ".to_owned()])
        );
        assert_eq!(words("!JO"), ["jobs ", "job "]);
        assert_eq!(words("!savepoint %"), ["%1 "]);
        assert_eq!(words("!savepoint %1 d"), ["delays "]);
        assert_eq!(words("!wait --un"), ["--until "]);
        assert_eq!(words("!wait --until f"), ["first-checkpoint ", "finished "]);
        assert_eq!(at("!wait --until=r"), (14, vec!["running ".to_owned()]));
        assert_eq!(words("!wait --timeout 5m %"), ["%1 "]);
        assert_eq!(words("!set f"), ["format ", "force "]);
        assert_eq!(words("!restore delays l"), ["latest "]);
        assert_eq!(words("SELECT 1; !savepoint %"), ["%1 "]);
        assert!(complete("!run exa", Dialect::FLINK, &known()).file);
        assert_eq!(words("!nonsense "), Vec::<String>::new());
    }

    #[test]
    fn the_sql_of_a_command_is_sql() {
        assert_eq!(at("!async SELECT * FROM fl"), (21, vec!["flights".to_owned()]));
        assert_eq!(words("!async SEL"), words("SEL"));
    }

    #[test]
    fn connections_have_names() {
        assert_eq!(words("!connect pr"), ["prod "]);
    }

    #[test]
    fn keywords_follow_the_case() {
        assert!(words("SEL").contains(&"SELECT".to_owned()));
        assert!(words("sel").contains(&"select".to_owned()));
        assert_eq!(words("SELECT 1; waterm"), ["watermark", "watermarks"]);
    }

    #[test]
    fn tables_and_columns() {
        assert_eq!(
            at("SELECT * FROM "),
            (
                14,
                ["delays", "flights", "`odd name`", "skep."].map(str::to_owned).to_vec()
            )
        );
        assert_eq!(words("SELECT * FROM DE"), ["delays"]);
        assert_eq!(words("SELECT * FROM `o"), ["`odd name`"]);
        assert_eq!(words("SELECT flights.d"), ["dep_delay"]);
        assert!(words("SELECT dep_d").contains(&"dep_delay".to_owned()));
        assert!(!words("SELECT * FROM delays WHERE dep_d").contains(&"dep_delay".to_owned()));
        assert_eq!(words("SELECT * FROM sk"), ["skep."]);
        assert_eq!(words("SELECT * FROM skep."), ["jobs"]);
        assert_eq!(words("SELECT * FROM skep.jobs WHERE jobs.s"), ["state"]);
        assert!(words("SELECT * FROM skep.jobs WHERE sta").contains(&"state".to_owned()));
        assert!(!words("SELECT sta").contains(&"state".to_owned()));
        assert_eq!(words("SELECT 'fl"), Vec::<String>::new());
        assert_eq!(words("SELECT 1 -- fl"), Vec::<String>::new());
        assert_eq!(words("SELECT "), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn any_text_can_be_completed(text in "(?s).*", command in "![a-z]{0,4}[ =-].*") {
            for text in [text, command] {
                let completion = complete(&text, Dialect::FLINK, &known());
                prop_assert!(text.is_char_boundary(completion.start));
            }
        }
    }
}
