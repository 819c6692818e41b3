//! What in a statement must not be written down, and how it comes back.
//!
//! A secret is replaced by a reference, `${secret:table.option}`, under which the value is found again when the statement
//! is replayed: from the configuration, the environment, a command, or by asking. `${env:X}` is a reference that a person
//! wrote; it is kept as it is.

mod find;
mod key;
mod reference;

use skep_engine::Dialect;

pub use key::{SECRET_ENDINGS, is_secret_key};
pub use reference::{Missing, Origin, references, resolve};

/// A statement without its secrets, and these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted {
    /// The statement with a reference where a secret was.
    pub text: String,
    /// The secrets, in the order of the statement.
    pub secrets: Vec<Secret>,
}

/// A secret and the name that its reference gives it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// The table (or catalog, …) as it was written, and the option; of a `SET`, the key alone.
    pub name: String,
    /// The value, without quotes and escapes.
    pub value: String,
}

/// Shows the name only: what is printed for debugging ends up in logs.
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Takes the secrets out of one statement.
///
/// ```
/// use skep::syntax::secrets::redact;
/// use skep_engine::Dialect;
///
/// let redacted = redact("CREATE TABLE t (a INT) WITH ('password' = 'x')", &Dialect::FLINK);
/// assert_eq!(redacted.text, "CREATE TABLE t (a INT) WITH ('password' = '${secret:t.password}')");
/// assert_eq!(redacted.secrets[0].value, "x");
/// ```
pub fn redact(sql: &str, dialect: &Dialect) -> Redacted {
    let mut text = String::with_capacity(sql.len());
    let mut secrets: Vec<Secret> = Vec::new();
    let mut end = 0;
    for found in find::secrets(sql, dialect) {
        let name = unused_name(&secrets, &found.name, &found.value);
        text.push_str(&sql[end..found.span.start]);
        text.push_str("${secret:");
        text.push_str(&name);
        text.push('}');
        end = found.span.end;
        if !secrets.iter().any(|secret| secret.name == name) {
            secrets.push(Secret {
                name,
                value: found.value,
            });
        }
    }
    text.push_str(&sql[end..]);
    Redacted { text, secrets }
}

/// A line as it may be shown: `***` for each secret. The line may be a statement, a part of one or a bang-command.
pub fn mask(line: &str, dialect: &Dialect) -> String {
    let mut found = find::secrets(line, dialect);
    if line.trim_start().starts_with('!') {
        found.extend(find::in_command(line));
        found.sort_by_key(|found| (found.span.start, std::cmp::Reverse(found.span.end)));
    }
    let mut masked = String::with_capacity(line.len());
    let mut end = 0;
    for found in found {
        if found.span.start >= end {
            masked.push_str(&line[end..found.span.start]);
            masked.push_str("***");
        }
        end = end.max(found.span.end);
    }
    masked.push_str(&line[end..]);
    masked
}

/// The statement with a star for each character of a secret: every other character stays where it is, so that a position in
/// the one is a position in the other.
pub fn blank(sql: &str, dialect: &Dialect) -> String {
    let star = |c: char| if c == '\n' { c } else { '*' };
    let mut blanked = String::with_capacity(sql.len());
    let mut end = 0;
    for found in find::secrets(sql, dialect)
        .iter()
        .filter(|found| found.span.start < found.span.end)
    {
        if found.span.start >= end {
            blanked.push_str(&sql[end..found.span.start]);
            blanked.extend(found.span.of(sql).chars().map(star));
            end = found.span.end;
        }
    }
    blanked.push_str(&sql[end..]);
    blanked
}

/// `name`, or the first of `name-2`, `name-3`, … that does not stand for another value.
fn unused_name(secrets: &[Secret], name: &str, value: &str) -> String {
    let taken = |name: &str| {
        secrets
            .iter()
            .any(|secret| secret.name == name && secret.value != value)
    };
    let mut candidate = name.to_owned();
    let mut number = 2;
    while taken(&candidate) {
        candidate = format!("{name}-{number}");
        number += 1;
    }
    candidate
}

#[cfg(test)]
mod tests;
