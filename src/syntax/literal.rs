//! Quotes around strings and names: taking them off and putting them on.

use std::borrow::Cow;

use skep_engine::{Dialect, DoubleQuote};

/// What a string, a quoted identifier or a plain word means: without its quotes and escapes. An open one ends with the
/// text.
pub fn unquote<'a>(token: &'a str, dialect: &Dialect) -> Cow<'a, str> {
    let Some(quote @ ('\'' | '"' | '`')) = token.chars().next() else {
        return Cow::Borrowed(dollar_body(token, dialect).unwrap_or(token));
    };
    let inner = &token[1..];
    let backslash = dialect.backslash_escapes && is_string_quote(quote, dialect);
    let is_special = |c: char| c == quote || (backslash && c == '\\');
    if !inner.contains(is_special) {
        return Cow::Borrowed(inner);
    }
    let mut value = String::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        if c == quote {
            match rest.next() {
                Some(next) if next == quote => value.push(quote),
                _ => break,
            }
        } else if c == '\\' && backslash {
            unescape(&mut rest, &mut value);
        } else {
            value.push(c);
        }
    }
    Cow::Owned(value)
}

/// The value as a string literal.
pub fn quote_string(value: &str, dialect: &Dialect) -> String {
    let mut literal = String::with_capacity(value.len() + 2);
    literal.push('\'');
    escape(value, '\'', dialect, &mut literal);
    literal.push('\'');
    literal
}

/// The name as a quoted identifier.
pub fn quote_identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// Appends `value` as it must stand between two `quote`s.
pub(super) fn escape(value: &str, quote: char, dialect: &Dialect, out: &mut String) {
    let backslash = dialect.backslash_escapes && is_string_quote(quote, dialect);
    for c in value.chars() {
        if c == quote {
            out.push(if backslash { '\\' } else { quote });
        } else if c == '\\' && backslash {
            out.push('\\');
        }
        out.push(c);
    }
}

fn is_string_quote(quote: char, dialect: &Dialect) -> bool {
    quote == '\'' || (quote == '"' && dialect.double_quote == DoubleQuote::String)
}

/// What stands between `$tag$` and `$tag$`.
fn dollar_body<'a>(token: &'a str, dialect: &Dialect) -> Option<&'a str> {
    if !dialect.dollar_quotes {
        return None;
    }
    let tag = 2 + token.strip_prefix('$')?.find('$')?;
    let body = &token[tag..];
    Some(body.strip_suffix(&token[..tag]).unwrap_or(body))
}

/// Reads what follows a backslash, as Hive and Spark do: <https://spark.apache.org/docs/latest/sql-ref-literals.html>.
fn unescape(rest: &mut std::str::Chars<'_>, value: &mut String) {
    let Some(c) = rest.next() else {
        value.push('\\');
        return;
    };
    match c {
        'n' => value.push('\n'),
        't' => value.push('\t'),
        'r' => value.push('\r'),
        'b' => value.push('\u{8}'),
        '0' => value.push('\0'),
        'Z' => value.push('\u{1a}'),
        // Kept for LIKE, which has escapes of its own.
        '%' | '_' => value.extend(['\\', c]),
        'u' => {
            let digits = rest
                .as_str()
                .get(..4)
                .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
            let code = digits
                .and_then(|digits| u32::from_str_radix(digits, 16).ok())
                .and_then(char::from_u32);
            if let Some(code) = code {
                value.push(code);
                *rest = rest.as_str()[4..].chars();
            } else {
                value.push('u');
            }
        }
        other => value.push(other),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quotes_and_escapes_come_off() {
        let (flink, hive) = (&Dialect::FLINK, &Dialect::HIVE);
        assert_eq!(unquote("'it''s'", flink), "it's");
        assert_eq!(unquote(r"'a\n'", flink), r"a\n");
        assert_eq!(unquote(r"'a\n\'b\u00e4\%'", hive), "a\n'bä\\%");
        assert_eq!(unquote("`a``b`", flink), "a`b");
        assert_eq!(unquote("\"a\"\"b\"", flink), "a\"b");
        assert_eq!(unquote("plain", flink), "plain");
        assert_eq!(unquote("'open", flink), "open");
        assert_eq!(unquote("''", flink), "");
        assert_eq!(
            unquote(
                "$t$a'b$t$",
                &Dialect {
                    dollar_quotes: true,
                    ..Dialect::FLINK
                }
            ),
            "a'b"
        );
        assert_eq!(quote_identifier("a`b"), "`a``b`");
    }

    proptest! {
        #[test]
        fn a_quoted_value_is_itself_again(value in any::<String>()) {
            for dialect in [Dialect::FLINK, Dialect::HIVE] {
                let quoted = quote_string(&value, &dialect);
                prop_assert_eq!(unquote(&quoted, &dialect), value.as_str());
            }
        }
    }
}
