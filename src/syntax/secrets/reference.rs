//! References in a statement, and putting values in their place.

use skep_engine::Dialect;

use super::super::lexer::{Lexer, TokenKind};
use super::super::literal::escape;

/// Where the value of a reference comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// `${secret:…}`.
    Secret,
    /// `${env:…}`.
    Environment,
}

/// A reference without a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} {name} has no value", match .origin { Origin::Secret => "the secret", Origin::Environment => "the environment variable" })]
pub struct Missing {
    /// Where the value should have come from.
    pub origin: Origin,
    /// Of a secret, the name after `secret:`; of a variable, its name.
    pub name: String,
}

/// The names of the secrets that a statement refers to, each once, in the order of the statement. Comments don't count.
pub fn references<'a>(sql: &'a str, dialect: &Dialect) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for token in Lexer::new(sql, dialect).filter(|token| !token.kind.is_trivia()) {
        let mut rest = token.span.of(sql);
        while let Some((_, reference, behind)) = next_reference(rest) {
            if reference.0 == Origin::Secret && !names.contains(&reference.1) {
                names.push(reference.1);
            }
            rest = behind;
        }
    }
    names
}

/// The statement with the values of its references, each quoted as its place in the statement asks for.
///
/// # Errors
/// A reference has no value: nothing must be submitted.
pub fn resolve(
    sql: &str,
    dialect: &Dialect,
    secret: impl Fn(&str) -> Option<String>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<String, Missing> {
    let value = |(origin, name): (Origin, &str)| {
        let value = match origin {
            Origin::Secret => secret(name),
            Origin::Environment => environment(name),
        };
        value.ok_or_else(|| Missing {
            origin,
            name: name.to_owned(),
        })
    };
    let mut out = String::with_capacity(sql.len());
    expand(sql, dialect, &value, &mut out)?;
    Ok(out)
}

type Lookup<'a> = dyn Fn((Origin, &str)) -> Result<String, Missing> + 'a;

fn expand(sql: &str, dialect: &Dialect, value: &Lookup<'_>, out: &mut String) -> Result<(), Missing> {
    for token in Lexer::new(sql, dialect) {
        let text = token.span.of(sql);
        let quote = match token.kind {
            TokenKind::Whitespace | TokenKind::LineComment | TokenKind::BlockComment => {
                out.push_str(text);
                continue;
            }
            TokenKind::Hint => {
                let (open, inner) = text.split_at(3);
                out.push_str(open);
                expand(inner, dialect, value, out)?;
                continue;
            }
            TokenKind::String | TokenKind::Identifier => text.chars().next().filter(|quote| *quote != '$'),
            _ => None,
        };
        let mut rest = text;
        while let Some((before, reference, behind)) = next_reference(rest) {
            out.push_str(before);
            let value = value(reference)?;
            match quote {
                Some(quote) => escape(&value, quote, dialect, out),
                None => out.push_str(&value),
            }
            rest = behind;
        }
        out.push_str(rest);
    }
    Ok(())
}

/// The first reference in `text`, and what stands before and behind it. `${x}` and `${hiveconf:x}` are the server's.
fn next_reference(text: &str) -> Option<(&str, (Origin, &str), &str)> {
    let mut from = 0;
    while let Some(found) = text[from..].find("${") {
        let start = from + found;
        let inner = &text[start + 2..];
        let origins = [("secret:", Origin::Secret), ("env:", Origin::Environment)];
        let named = origins
            .iter()
            .find_map(|(prefix, origin)| Some((*origin, inner.strip_prefix(prefix)?)));
        if let Some((origin, rest)) = named
            && let Some((name, behind)) = rest.split_once('}')
            && !name.is_empty()
            && !name.contains(['$', '{', '\n', '\'', '"'])
        {
            return Some((&text[..start], (origin, name), behind));
        }
        from = start + 2;
    }
    None
}
