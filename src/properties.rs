//! Java's property files, as beeline's `--property-file` takes them: where to connect, and as whom.

use std::path::Path;

use crate::cli::Options;
use crate::config::read;
use crate::error::Error;

/// What a file says of a connection. The password is not shown.
#[derive(Default)]
pub struct Properties {
    /// Where to connect.
    pub url: Option<String>,
    /// User.
    pub user: Option<String>,
    /// Password.
    pub password: Option<String>,
}

impl Properties {
    /// Reads a file. What it says besides, such as the name of a driver, is beeline's own.
    ///
    /// # Errors
    /// It can't be read, or names no URL.
    pub fn of_file(path: &Path) -> Result<Self, Error> {
        let properties = Self::of_text(&read(path)?);
        if properties.url.is_none() {
            return Err(Error::usage(format!("{} names no `url`", path.display())).hint("url=jdbc:hive2://host:port/"));
        }
        Ok(properties)
    }

    /// Puts in what the command line does not say.
    pub fn complete(self, options: &mut Options) {
        options.url = options.url.take().or(self.url);
        options.user = options.user.take().or(self.user);
        if options.password_file.is_none() && options.password.is_none() {
            options.password = self.password.map(Some);
        }
    }

    fn of_text(text: &str) -> Self {
        let mut properties = Self::default();
        for (key, value) in pairs(text) {
            // As in beeline, a connection's parts have these names, too.
            let key = key.strip_prefix("javax.jdo.option.").unwrap_or(&key);
            match key {
                "url" | "ConnectionURL" => properties.url = Some(value),
                "user" | "ConnectionUserName" => properties.user = Some(value),
                "password" | "ConnectionPassword" => properties.password = Some(value),
                _ => {}
            }
        }
        properties
    }
}

/// The keys and values, as `java.util.Properties` reads them.
fn pairs(text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut lines = text.lines().map(str::trim_start);
    while let Some(line) = lines.next() {
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let mut whole = line.to_owned();
        while goes_on(&whole) {
            whole.pop();
            match lines.next() {
                Some(next) => whole.push_str(next),
                None => break,
            }
        }
        let mut escaped = false;
        let end = whole.find(|c: char| {
            let ends = !escaped && (c.is_whitespace() || matches!(c, '=' | ':'));
            escaped = c == '\\' && !escaped;
            ends
        });
        let (key, rest) = whole.split_at(end.unwrap_or(whole.len()));
        let rest = rest.trim_start();
        let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start();
        pairs.push((unescape(key), unescape(rest)));
    }
    pairs
}

/// Whether a line goes on in the next: it ends with an odd number of backslashes.
fn goes_on(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match rest.next() {
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('f') => out.push('\u{c}'),
            Some('u') => {
                let digits: String = rest.by_ref().take(4).collect();
                out.extend(u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32));
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_file_is_read_as_java_does() {
        let text = "# of the warehouse\n! too\n\nurl = jdbc\\:hive2\\://h:1/db;ssl=true?a.b=c d\n\
                    javax.jdo.option.ConnectionUserName:b\\u00e9e\n  password  se\\\n   cret=\ndriver=org.apache.hive.jdbc.HiveDriver\n";
        let properties = Properties::of_text(text);
        assert_eq!(properties.url.as_deref(), Some("jdbc:hive2://h:1/db;ssl=true?a.b=c d"));
        assert_eq!(properties.user.as_deref(), Some("bée"));
        assert_eq!(properties.password.as_deref(), Some("secret="));
        assert_eq!(
            pairs("a\nb="),
            [("a".to_owned(), String::new()), ("b".to_owned(), String::new())]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "[a-z=:#\\\\\n u0-9]{0,60}") {
            let _ = Properties::of_text(&text);
        }

        #[test]
        fn what_is_written_is_read(key in "[a-z.]{1,9}", value in "[!-~é][ -~é]{0,20}") {
            let escaped = value.replace('\\', "\\\\").replace(' ', "\\ ");
            let read = pairs(&format!("{key}={escaped}"));
            prop_assert_eq!(read, [(key, value)]);
        }
    }
}
