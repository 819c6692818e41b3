//! A command's arguments, read by its [`Spec`].

use std::collections::BTreeMap;
use std::time::Duration;

use super::spec::{Arity, Flag, Kind, Spec, SqlTail};
use crate::error::Error;
use crate::syntax::command_line;

/// The flags that every command takes.
pub const COMMON_FLAGS: [Flag; 2] = [
    Flag {
        name: "json",
        short: None,
        value: None,
        help: "one JSON object a line instead of text",
    },
    Flag {
        name: "yes",
        short: Some('y'),
        value: None,
        help: "yes to what would be asked",
    },
];

/// How long something is waited for.
pub const TIMEOUT: Flag = Flag {
    name: "timeout",
    short: None,
    value: Some(("TIME", Kind::Duration)),
    help: "at most so long, such as 5m",
};

/// The flags that stand for a command's SQL: with one of them it ends with the line.
const INSTEAD_OF_SQL: [&str; 3] = ["file", "resume", "abort"];

/// What was typed, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Args {
    positionals: Vec<String>,
    flags: BTreeMap<&'static str, Vec<String>>,
    sql: Option<String>,
}

impl Args {
    /// Reads a command's tail, as typed behind its name.
    ///
    /// # Errors
    /// A usage error that shows the usage line.
    pub fn parse(spec: &Spec, tail: &str) -> Result<Self, Error> {
        let (words, sql) = match sql_start(spec, tail) {
            Some(start) => (&tail[..start], Some(&tail[start..])),
            None => (tail, None),
        };
        let words = command_line::words(words).map_err(|cause| usage(spec, &cause.to_string()))?;
        let mut words: Vec<String> = words.into_iter().map(|word| word.text).collect();
        if sql.is_some() && spec.sql_tail() == SqlTail::AfterAs {
            // The word AS itself.
            words.pop();
        }
        Self::from_words(spec, words, sql.map(str::to_owned))
    }

    /// Takes words that are split already, as the command line gives them.
    ///
    /// # Errors
    /// A usage error that shows the usage line.
    pub fn from_words(spec: &Spec, words: Vec<String>, sql: Option<String>) -> Result<Self, Error> {
        let mut args = Self::default();
        let has_as = sql.is_some() && spec.sql_tail() == SqlTail::AfterAs;
        let mut words = words.into_iter();
        let mut only_positionals = false;
        while let Some(word) = words.next() {
            if only_positionals || !word.starts_with('-') || word.len() == 1 {
                args.positionals.push(word);
            } else if word == "--" {
                only_positionals = true;
            } else {
                let (name, given) = match word.split_once('=') {
                    Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                    None => (word, None),
                };
                let flag = find_flag(spec, &name).ok_or_else(|| usage(spec, &format!("no flag {name}")))?;
                let value = match (flag.value, given) {
                    (None, None) => String::new(),
                    (None, Some(_)) => return Err(usage(spec, &format!("{name} takes no value"))),
                    (Some(_), Some(value)) => value,
                    (Some((what, _)), None) => words
                        .next()
                        .ok_or_else(|| usage(spec, &format!("{name} needs a value: {what}")))?,
                };
                args.flags.entry(flag.name).or_default().push(value);
            }
        }
        args.sql = sql
            .map(|sql| sql.trim().trim_end_matches(';').trim_end().to_owned())
            .filter(|sql| !sql.is_empty());
        if has_as && args.sql.is_none() {
            let error = usage(spec, "no statement stands behind AS");
            return Err(error.hint("what is called AS is written 'AS' at the prompt"));
        }
        args.check(spec)?;
        Ok(args)
    }

    fn check(&mut self, spec: &Spec) -> Result<(), Error> {
        let words: Vec<_> = spec.positionals.iter().filter(|p| p.kind != Kind::Sql).collect();
        let least = words
            .iter()
            .filter(|p| matches!(p.arity, Arity::One | Arity::Some))
            .count();
        let unbounded = words.iter().any(|p| matches!(p.arity, Arity::Some | Arity::Any));
        let sql_wanted = spec.positionals.iter().find(|p| p.kind == Kind::Sql);
        if let Some(missing) = words
            .iter()
            .filter(|p| matches!(p.arity, Arity::One | Arity::Some))
            .nth(self.positionals.len())
        {
            return Err(usage(spec, &format!("{} is missing", missing.name)));
        }
        debug_assert!(least <= self.positionals.len());
        if !unbounded && self.positionals.len() > words.len() {
            return Err(usage(
                spec,
                &format!("{:?} is one too many", self.positionals[words.len()]),
            ));
        }
        if sql_wanted.is_some_and(|p| p.arity == Arity::One) && self.sql.is_none() {
            return Err(usage(spec, "the SQL is missing"));
        }
        for (positional, word) in words.iter().zip(&self.positionals) {
            check_choice(spec, positional.kind, word)?;
        }
        for flag in spec.flags {
            for value in self.flags.get(flag.name).into_iter().flatten() {
                if let Some((_, kind)) = flag.value {
                    check_choice(spec, kind, value)?;
                }
            }
        }
        Ok(())
    }

    /// The same with other SQL.
    #[must_use]
    pub fn map_sql(self, map: impl FnOnce(String) -> String) -> Self {
        Self {
            sql: self.sql.map(map),
            ..self
        }
    }

    /// The positional words.
    pub fn words(&self) -> &[String] {
        &self.positionals
    }

    /// The n-th positional word, from 0.
    pub fn word(&self, n: usize) -> Option<&str> {
        self.positionals.get(n).map(String::as_str)
    }

    /// The SQL, without its `;`.
    pub fn sql(&self) -> Option<&str> {
        self.sql.as_deref()
    }

    /// Whether a flag stands.
    pub fn has(&self, flag: &str) -> bool {
        self.flags.contains_key(flag)
    }

    /// A flag's value; the last one counts.
    pub fn value(&self, flag: &str) -> Option<&str> {
        self.flags.get(flag)?.last().map(String::as_str)
    }

    /// All values of a flag.
    pub fn values(&self, flag: &str) -> Vec<String> {
        self.flags.get(flag).cloned().unwrap_or_default()
    }

    /// A flag's value as a length of time.
    ///
    /// # Errors
    /// It is not one.
    pub fn duration(&self, flag: &str) -> Result<Option<Duration>, Error> {
        self.value(flag)
            .map(|text| parse_duration(text).map_err(|cause| cause.within(&format!("--{flag}"))))
            .transpose()
    }

    /// The same with a flag added, for statements that stand for a command.
    #[must_use]
    pub fn with_flag(mut self, flag: &'static str, value: &str) -> Self {
        self.flags.entry(flag).or_default().push(value.to_owned());
        self
    }

    /// Arguments of these positional words.
    pub fn of_words<const N: usize>(words: [&str; N]) -> Self {
        Self {
            positionals: words.map(str::to_owned).to_vec(),
            ..Self::default()
        }
    }
}

/// A length of time: `30s`, `1m 30s`, `500 ms`; a bare number is seconds.
///
/// # Errors
/// The text is not one.
pub fn parse_duration(text: &str) -> Result<Duration, Error> {
    let bad = || Error::usage(format!("{text:?} is not a length of time")).hint("such as 500ms, 30s, 5m or 1h30m");
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().map_err(|_| bad())?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "ms" | "milli" | "millis" => 0.001,
            "" | "s" | "sec" | "second" | "seconds" => 1.0,
            "m" | "min" | "minute" | "minutes" => 60.0,
            "h" | "hour" | "hours" => 3_600.0,
            "d" | "day" | "days" => 86_400.0,
            _ => return Err(bad()),
        };
        rest = rest[letters..].trim_start();
        let part = Duration::try_from_secs_f64(number * unit).map_err(|_| bad())?;
        total = total.checked_add(part).ok_or_else(bad)?;
    }
    Ok(total)
}

fn usage(spec: &Spec, what: &str) -> Error {
    Error::usage(format!("!{}: {what}", spec.name)).hint(format!("usage: {}", spec.usage()))
}

fn check_choice(spec: &Spec, kind: Kind, word: &str) -> Result<(), Error> {
    match kind {
        Kind::Choice(choices) if !choices.contains(&word) => {
            Err(usage(spec, &format!("{word:?} is not one of {}", choices.join(", "))))
        }
        _ => Ok(()),
    }
}

fn find_flag(spec: &Spec, typed: &str) -> Option<Flag> {
    let all = || spec.flags.iter().chain(&COMMON_FLAGS);
    match typed.strip_prefix("--") {
        Some(name) => all().find(|flag| flag.name == name).copied(),
        None => {
            let letter = typed.strip_prefix('-')?;
            all()
                .find(|flag| flag.short.is_some_and(|short| letter == short.to_string()))
                .copied()
        }
    }
}

/// Where SQL begins in a command's tail, if it is to be read as SQL.
pub fn sql_start(spec: &Spec, tail: &str) -> Option<usize> {
    match spec.sql_tail() {
        SqlTail::Never => None,
        SqlTail::AfterAs => behind_as(tail),
        SqlTail::Always => Some(tail.len() - skip_flags(spec, tail, &mut Vec::new()).len()),
        SqlTail::AfterWord => {
            let mut flags = Vec::new();
            let word = skip_flags(spec, tail, &mut flags);
            let sql = word[word.find(char::is_whitespace).unwrap_or(word.len())..].trim_start();
            let sql = skip_flags(spec, sql, &mut flags);
            let ends = word.is_empty() || flags.iter().any(|flag| INSTEAD_OF_SQL.contains(flag));
            (!ends).then(|| tail.len() - sql.len())
        }
    }
}

/// The place behind the first word `AS` outside quotes.
fn behind_as(tail: &str) -> Option<usize> {
    let mut quote = None;
    let bytes = tail.as_bytes();
    for (i, c) in tail.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '\'' || c == '"' => quote = Some(c),
            None => {
                let starts = i == 0 || bytes[i - 1].is_ascii_whitespace();
                let is_as = bytes[i..].get(..2).is_some_and(|word| word.eq_ignore_ascii_case(b"as"));
                if starts && is_as && bytes.get(i + 2).is_none_or(u8::is_ascii_whitespace) {
                    return Some(i + 2);
                }
            }
        }
    }
    None
}

/// What stands behind the leading flags, whose names are added to `flags`.
fn skip_flags<'a>(spec: &Spec, tail: &'a str, flags: &mut Vec<&'static str>) -> &'a str {
    let mut rest = tail.trim_start();
    loop {
        let word = &rest[..rest.find(char::is_whitespace).unwrap_or(rest.len())];
        // SQL can begin with a comment.
        let name = word.split('=').next().unwrap_or_default();
        let Some(flag) = find_flag(spec, name) else { return rest };
        flags.push(flag.name);
        rest = rest[word.len()..].trim_start();
        if flag.value.is_some() && !word.contains('=') {
            rest = rest[rest.find(char::is_whitespace).unwrap_or(rest.len())..].trim_start();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, ms) in [
            ("30s", 30_000),
            ("500 ms", 500),
            ("1m 30s", 90_000),
            ("1h30m", 5_400_000),
            ("2", 2_000),
        ] {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_millis(ms), "{text}");
        }
        for text in ["", "soon", "5 parsecs", "-1s", "1e400d", "99999999999999999999999h"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_word_as_is_found_outside_quotes_only() {
        assert_eq!(behind_as("%1 'as is' AS SELECT 1"), Some(13));
        assert_eq!(behind_as("%1 latest as"), Some(12));
        assert_eq!(behind_as("%1 latest"), None);
        assert_eq!(behind_as("/tmp/as x"), None);
    }
}
