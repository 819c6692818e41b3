//! Variables in statements, as Hive has them: `${hivevar:NAME}` and `${NAME}`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use skep_engine::Dialect;

use super::lexer::{Lexer, TokenKind};

/// The statement with the values of its variables in their places, as they are: in a literal and outside alike, but not in
/// comments. What names none of them stays as it was written, and a value is not looked at again.
pub fn substitute<'a>(sql: &'a str, dialect: &Dialect, variables: &BTreeMap<String, String>) -> Cow<'a, str> {
    if variables.is_empty() || !sql.contains("${") {
        return Cow::Borrowed(sql);
    }
    let mut out = String::with_capacity(sql.len());
    for token in Lexer::new(sql, dialect) {
        let text = token.span.of(sql);
        if matches!(token.kind, TokenKind::LineComment | TokenKind::BlockComment) {
            out.push_str(text);
            continue;
        }
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            let inner = &rest[start + 2..];
            let found = inner.split_once('}').and_then(|(name, behind)| {
                let value = variables.get(name.strip_prefix("hivevar:").unwrap_or(name))?;
                Some((value, behind))
            });
            match found {
                Some((value, behind)) => {
                    out.push_str(&rest[..start]);
                    out.push_str(value);
                    rest = behind;
                }
                None => {
                    out.push_str(&rest[..start + 2]);
                    rest = inner;
                }
            }
        }
        out.push_str(rest);
    }
    Cow::Owned(out)
}

/// The variable that a key of SET names (`SET hivevar:NAME=VALUE`).
pub fn named(key: &str) -> Option<&str> {
    let (kind, name) = key.split_once(':')?;
    kind.eq_ignore_ascii_case("hivevar").then(|| name.trim())
}

/// The value that a variable is given by the statement `text`, which sets `key` to `value`: without quotes around the key it is, as in
/// Hive, all that stands behind the `=`, quotes included.
pub fn assigned<'a>(text: &'a str, key: &str, value: &'a str) -> &'a str {
    let plain = text
        .split_once(key)
        .filter(|(before, _)| !before.ends_with(['\'', '"', '`']));
    let behind = plain.and_then(|(_, behind)| behind.trim_start().strip_prefix('='));
    behind.map_or(value, |behind| behind.trim().trim_end_matches(';').trim_end())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn substituted(sql: &str) -> String {
        let variables = [
            ("day", "2024-02-29"),
            ("t", "orders o"),
            ("all", "${day}"),
            ("a.b", "1"),
        ];
        let variables = variables.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        substitute(sql, &Dialect::FLINK, &variables).into_owned()
    }

    #[test]
    fn variables_are_put_in_as_they_are() {
        for (sql, expected) in [
            (
                "SELECT * FROM ${t} WHERE d = '${hivevar:day}'",
                "SELECT * FROM orders o WHERE d = '2024-02-29'",
            ),
            (
                "SELECT '${all}', `${t}`, ${a.b}${a.b}",
                "SELECT '${day}', `orders o`, 11",
            ),
            (
                "/*+ ${t} */ /* ${t} */ ${t} -- ${t}",
                "/*+ orders o */ /* ${t} */ orders o -- ${t}",
            ),
        ] {
            assert_eq!(substituted(sql), expected);
        }
    }

    #[test]
    fn a_value_has_its_quotes_unless_the_key_has_them_too() {
        for (text, value) in [
            ("SET hivevar:x = 'a b' ;", "'a b'"),
            ("SET hivevar:x=1 + 1", "1 + 1"),
            ("set 'hivevar:x' = 'a b'", "a b"),
            ("SET hivevar:x=", ""),
        ] {
            let crate::syntax::Kind::Set { key, value: read } = crate::syntax::classify(text, &Dialect::FLINK) else {
                panic!("{text}")
            };
            assert_eq!(named(&key), Some("x"));
            assert_eq!(assigned(text, &key, &read), value, "{text}");
        }
        assert_eq!(named("HIVEVAR:x"), Some("x"));
        assert_eq!(named("hiveconf:x"), None);
    }

    #[test]
    fn what_is_no_variable_stays() {
        for sql in [
            "${other}",
            "'${secret:t}'",
            "${env:day}",
            "${hiveconf:day}",
            "${",
            "${}",
            "${day",
            "$day",
            "'${' || '}'",
        ] {
            assert_eq!(substituted(sql), sql);
        }
        assert_eq!(substituted("'${${day}'"), "'${2024-02-29'");
    }

    proptest! {
        #[test]
        fn no_text_is_lost(sql in "[${}a-z'`;/*\\n -]{0,40}") {
            let none = BTreeMap::from([("not-there".to_owned(), "x".to_owned())]);
            prop_assert_eq!(substitute(&sql, &Dialect::FLINK, &none).into_owned(), sql);
        }
    }
}
