//! Finds secrets: values of options with telling keys, and passwords inside of URLs.

use skep_engine::Dialect;

use super::super::Span;
use super::super::command_line;
use super::super::cursor::Cursor;
use super::super::lexer::{Lexer, Token, TokenKind};
use super::super::literal::unquote;
use super::super::{Kind, classifier};
use super::key::is_secret_key;

/// A secret in a text.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// What is to be replaced: without the quotes around it.
    pub(super) span: Span,
    pub(super) name: String,
    /// What it means: without escapes.
    pub(super) value: String,
}

/// The secrets of a statement (or of a line of one) in their order.
pub(super) fn secrets(text: &str, dialect: &Dialect) -> Vec<Found> {
    let mut search = Search {
        text,
        dialect,
        found: Vec::new(),
    };
    if let Some(value) = unquoted_setting(text, dialect) {
        match classifier::classify(text, dialect) {
            Kind::Set { key, .. } if is_secret_key(&key) => search.add(value, None, key),
            Kind::Set { key, .. } => {
                search.urls(value, None, &key);
                search.entries(value, None, &key);
            }
            _ => search.urls(value, None, "url"),
        }
    } else {
        let owner = owner(text, dialect).unwrap_or_default();
        search.options(Span::new(0, text.len()), &owner);
    }
    search.found.sort_by_key(|found| found.span.start);
    search.found
}

/// The secrets of a bang-command's own words: after flags such as `--password`, after keys as in `!set`, in URLs, and the
/// password that beeline's `!connect URL USER PASSWORD` takes.
pub(super) fn in_command(line: &str) -> Vec<Found> {
    let mut search = Search {
        text: line,
        dialect: &Dialect::FLINK,
        found: Vec::new(),
    };
    search.urls(Span::new(0, line.len()), None, "url");
    let start = line.find('!').map_or(0, |bang| bang + 1);
    // With an open quote there is no telling what is a word: then each run of other characters is one.
    let words = command_line::words(&line[start..]).unwrap_or_else(|_| plain_words(&line[start..]));
    let command = words.first().map_or("", |word| word.text.as_str());
    let connects = command.len() >= 3 && "connect".starts_with(command);
    // What the next word is the value of.
    let mut key = "";
    let mut positional = 0;
    for word in words.iter().skip(1).filter(|word| word.text != "=") {
        let span = word.span.shift(start);
        let name = word.text.trim_start_matches('-');
        let is_flag = name.len() < word.text.len() && !word.quoted;
        if let Some((name, _)) = name.split_once('=').filter(|(name, _)| is_secret_key(name)) {
            let value = span.of(line).find('=').map_or(span.start, |at| span.start + at + 1);
            search.add(Span::new(value, span.end), None, name.to_owned());
            key = "";
            continue;
        }
        positional += usize::from(!is_flag);
        if is_secret_key(key) || (connects && !is_flag && positional == 3 && key.is_empty()) {
            search.add(span, None, key.to_owned());
        }
        key = match name {
            "p" if is_flag => "password",
            _ if is_flag || (command == "set" && positional == 1) => name,
            _ => "",
        };
    }
    search.found
}

fn plain_words(text: &str) -> Vec<command_line::Word> {
    text.split_whitespace()
        .map(|word| {
            let start = word.as_ptr().addr() - text.as_ptr().addr();
            command_line::Word {
                text: word.to_owned(),
                span: Span::new(start, start + word.len()),
                quoted: false,
            }
        })
        .collect()
}

/// The value of a `SET`, or the path of an `ADD JAR`, that stands without quotes.
fn unquoted_setting(text: &str, dialect: &Dialect) -> Option<Span> {
    let tokens =
        Lexer::new(text, dialect).filter(|token| !token.kind.is_trivia() && token.kind != TokenKind::Semicolon);
    let mut tokens = tokens.peekable();
    let first = tokens.next_if(|token| token.kind == TokenKind::Word)?;
    let is_set = first.span.of(text).eq_ignore_ascii_case("SET");
    if is_set {
        tokens.by_ref().find(|token| token.span.of(text) == "=")?;
    } else {
        tokens.next()?;
    }
    let value = tokens.next_if(|token| token.kind == TokenKind::Bare)?;
    Some(Span::new(
        value.span.start,
        tokens.last().map_or(value.span.end, |last| last.span.end),
    ))
}

/// The table, catalog or other object that a statement is about, as written but for its quotes.
fn owner(text: &str, dialect: &Dialect) -> Option<String> {
    const TYPES: [&str; 8] = [
        "TABLE", "VIEW", "CATALOG", "DATABASE", "SCHEMA", "MODEL", "FUNCTION", "MODULE",
    ];
    let mut cursor = Cursor::new(text, dialect);
    if !cursor.eat_any(&["CREATE", "REPLACE", "ALTER", "LOAD"]) {
        return None;
    }
    while !cursor.eat_any(&TYPES) {
        cursor.bump().filter(|token| token.kind == TokenKind::Word)?;
    }
    let _ = cursor.eat_all(&["IF", "NOT", "EXISTS"]) || cursor.eat_all(&["IF", "EXISTS"]);
    Some(cursor.name()?.join("."))
}

struct Search<'a> {
    text: &'a str,
    dialect: &'a Dialect,
    found: Vec<Found>,
}

impl Search<'_> {
    /// Looks through `'key' = 'value'`, `OPTIONS (key 'value')`, hints and all other strings within `area`.
    fn options(&mut self, area: Span, owner: &str) {
        const LISTS: [&str; 5] = [
            "OPTIONS",
            "PROPERTIES",
            "TBLPROPERTIES",
            "DBPROPERTIES",
            "SERDEPROPERTIES",
        ];
        let text = self.text;
        let area_text = area.of(text);
        let mut lexer = Lexer::new(area_text, self.dialect);
        // The two tokens before, the name before, and where the entry of a list of options began.
        let (mut last, mut before_last): (Option<Token>, Option<Token>) = (None, None);
        let mut name = Span::new(area.start, area.start);
        let mut entry = None;
        while let Some(token) = lexer.next() {
            if token.kind.is_trivia() {
                continue;
            }
            let span = token.span.shift(area.start);
            let is = |token: Option<Token>, what: &str| token.is_some_and(|token| token.span.of(area_text) == what);
            match token.kind {
                TokenKind::Hint => {
                    let end = if lexer.open().is_some() { span.end } else { span.end - 2 };
                    let owner = unquoted_name(name.of(text), self.dialect);
                    self.options(Span::new((span.start + 3).min(end), end), &owner);
                }
                TokenKind::Word | TokenKind::Identifier if is(last, ".") => name.end = span.end,
                TokenKind::Word | TokenKind::Identifier => name = span,
                TokenKind::String => {
                    let key = match (before_last, entry) {
                        (Some(key), _) if is(last, "=") && key.kind == TokenKind::String => {
                            Some(key.span.shift(area.start))
                        }
                        (_, Some(entry)) => Some(Span::new(entry, span.start)),
                        _ => None,
                    };
                    let key = key.map(|key| key.of(text).trim_end().trim_end_matches('=').trim());
                    self.string(span, lexer.open().is_some(), key, owner);
                }
                TokenKind::Bare => self.urls(span, None, "url"),
                TokenKind::Symbol => match token.span.of(area_text) {
                    "(" if last.is_some_and(|word| {
                        LISTS
                            .iter()
                            .any(|list| word.span.of(area_text).eq_ignore_ascii_case(list))
                    }) =>
                    {
                        entry = Some(span.end);
                    }
                    "," => entry = entry.map(|_| span.end),
                    ")" => entry = None,
                    _ => {}
                },
                _ => {}
            }
            before_last = last.replace(token);
        }
    }

    fn string(&mut self, token: Span, open: bool, key: Option<&str>, owner: &str) {
        let quote = token.of(self.text).chars().next().filter(|c| matches!(c, '\'' | '"'));
        let end = if open { token.end } else { token.end - 1 };
        let inner = match quote {
            Some(_) => Span::new(token.start + 1, end),
            None => token,
        };
        let key = key.map(|key| unquote(key, self.dialect)).unwrap_or_default();
        let name = match (owner, &*key) {
            ("", "") => "url".to_owned(),
            ("", key) => key.to_owned(),
            (owner, "") => format!("{owner}.url"),
            (owner, key) => format!("{owner}.{key}"),
        };
        if is_secret_key(&key) {
            self.add(inner, quote, name);
        } else {
            self.urls(inner, quote, &name);
            if !key.is_empty() {
                self.entries(inner, quote, &name);
            }
        }
    }

    /// Secrets of an option that holds others, as `pipeline.global-job-parameters` does: `key:value,key:value`.
    fn entries(&mut self, area: Span, quote: Option<char>, name: &str) {
        let mut start = area.start;
        for entry in area.of(self.text).split(',') {
            if let Some((key, value)) = entry.split_once(':')
                && is_secret_key(key.trim())
            {
                let end = start + entry.len();
                self.add(
                    Span::new(end - value.len(), end),
                    quote,
                    format!("{name}.{}", key.trim()),
                );
            }
            start += entry.len() + 1;
        }
    }

    /// Passwords in the URLs within `area`: `scheme://user:password@host`, `?password=…`, `;password=…`.
    fn urls(&mut self, area: Span, quote: Option<char>, name: &str) {
        let text = area.of(self.text);
        let name = format!("{name}.password");
        for (scheme, _) in text.match_indices("://") {
            let start = scheme + 3;
            let authority = text[start..]
                .split(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#'))
                .next();
            let user_info = authority
                .and_then(|authority| authority.rsplit_once('@'))
                .map(|(user_info, _)| user_info);
            if let Some((user, password)) = user_info.and_then(|user_info| user_info.split_once(':')) {
                let at = area.start + start + user.len() + 1;
                self.add(Span::new(at, at + password.len()), quote, name.clone());
            }
        }
        if !text.contains("://") && !text.contains("jdbc:") {
            return;
        }
        let mut end = 0;
        for (at, _) in text.match_indices('=') {
            let is_key = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
            let key = text[..at].rfind(|c| !is_key(c)).map_or(&text[..at], |before| {
                text[before..at].trim_start_matches(|c| !is_key(c))
            });
            if at < end || !is_secret_key(key) {
                continue;
            }
            let value = text[at + 1..]
                .split(|c: char| c.is_whitespace() || matches!(c, '&' | ';'))
                .next()
                .unwrap_or_default();
            end = at + 1 + value.len();
            self.add(Span::new(area.start + at + 1, area.start + end), quote, name.clone());
        }
    }

    fn add(&mut self, span: Span, quote: Option<char>, name: String) {
        let raw = span.of(self.text);
        let is_reference = raw.starts_with("${") && raw.find('}') == Some(raw.len() - 1);
        let overlaps = self
            .found
            .iter()
            .any(|found| found.span.start < span.end && span.start < found.span.end);
        if raw.is_empty() || is_reference || overlaps {
            return;
        }
        let value = match quote {
            Some(quote) => unquote(&format!("{quote}{raw}{quote}"), self.dialect).into_owned(),
            None => raw.to_owned(),
        };
        let name = name
            .chars()
            .map(|c| {
                if c.is_alphanumeric() || ".-_".contains(c) {
                    c
                } else {
                    '_'
                }
            })
            .collect();
        self.found.push(Found { span, name, value });
    }
}

fn unquoted_name(name: &str, dialect: &Dialect) -> String {
    let mut cursor = Cursor::new(name, dialect);
    cursor.name().unwrap_or_default().join(".")
}
