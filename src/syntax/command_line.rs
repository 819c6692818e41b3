//! The words of a bang-command's tail.
//!
//! Blanks part words. Quotes of both sorts keep blanks and everything else; between `'…'` a quote is doubled, between
//! `"…"` a backslash before `"` or `\` takes it as it is. Outside of quotes a backslash does so before a blank or a quote
//! only, so that paths such as `C:\data` survive.

use super::Span;

/// A word, without its quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// What it says.
    pub text: String,
    /// Where it stands in the tail, with its quotes.
    pub span: Span,
    /// It begins with a quote (or an escape) and is therefore never a flag.
    pub quoted: bool,
}

/// A word, or a flag with what is said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// What it is.
    pub kind: ArgumentKind,
    /// Where it stands in the tail.
    pub span: Span,
}

/// What an argument is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArgumentKind {
    /// A plain word.
    Positional(String),
    /// `--name`, `--name=value` or `-n`. Whether the next word is its value, the command knows.
    Flag {
        /// Without the dashes.
        name: String,
        /// What follows the `=`.
        value: Option<String>,
    },
}

/// A tail that can't be parted into words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandLineError {
    /// A quote is not closed.
    #[error("the {quote} at column {} is never closed", .at + 1)]
    OpenQuote {
        /// Which.
        quote: char,
        /// Characters of the tail before it.
        at: usize,
        /// Where it stands in the tail.
        span: Span,
    },
}

/// The words of `tail`.
///
/// # Errors
/// A quote is not closed.
pub fn words(tail: &str) -> Result<Vec<Word>, CommandLineError> {
    let mut words = Vec::new();
    let mut rest = tail.char_indices().peekable();
    loop {
        while rest.next_if(|(_, c)| c.is_whitespace()).is_some() {}
        let Some(&(start, first)) = rest.peek() else {
            return Ok(words);
        };
        let mut text = String::new();
        while let Some((at, c)) = rest.next_if(|(_, c)| !c.is_whitespace()) {
            match c {
                '\'' | '"' => loop {
                    match rest.next() {
                        None => {
                            let span = Span::new(at, tail.len());
                            return Err(CommandLineError::OpenQuote {
                                quote: c,
                                at: tail[..at].chars().count(),
                                span,
                            });
                        }
                        Some((_, q)) if q == c => {
                            if c == '"' || rest.next_if(|(_, next)| *next == c).is_none() {
                                break;
                            }
                            text.push(c);
                        }
                        Some((_, '\\')) if c == '"' => {
                            let escaped = rest.next_if(|(_, next)| matches!(next, '"' | '\\'));
                            text.push(escaped.map_or('\\', |(_, next)| next));
                        }
                        Some((_, other)) => text.push(other),
                    }
                },
                '\\' => {
                    let escaped = rest.next_if(|(_, next)| next.is_whitespace() || matches!(next, '\'' | '"'));
                    text.push(escaped.map_or('\\', |(_, next)| next));
                }
                other => text.push(other),
            }
        }
        let end = rest.peek().map_or(tail.len(), |(at, _)| *at);
        let quoted = matches!(first, '\'' | '"' | '\\');
        words.push(Word {
            text,
            span: Span::new(start, end),
            quoted,
        });
    }
}

/// The words of `tail`, flags told apart. After a `--` alone there are none; a `-` alone, a negative number and `%-` are
/// plain words.
///
/// # Errors
/// A quote is not closed.
pub fn arguments(tail: &str) -> Result<Vec<Argument>, CommandLineError> {
    let mut flags_end = false;
    let mut arguments = Vec::new();
    for word in words(tail)? {
        if word.text == "--" && !word.quoted && !flags_end {
            flags_end = true;
            continue;
        }
        let span = word.span;
        let kind = if word.quoted || flags_end {
            None
        } else {
            flag(&word.text)
        };
        arguments.push(Argument {
            kind: kind.unwrap_or(ArgumentKind::Positional(word.text)),
            span,
        });
    }
    Ok(arguments)
}

fn flag(word: &str) -> Option<ArgumentKind> {
    let (name, value) = match word.strip_prefix("--") {
        Some(long) => match long.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (long, None),
        },
        None => (word.strip_prefix('-')?, None),
    };
    let is_flag = name.starts_with(|c: char| c.is_alphabetic() || c == '?');
    is_flag.then(|| ArgumentKind::Flag {
        name: name.to_owned(),
        value,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(tail: &str) -> Vec<String> {
        words(tail).unwrap().into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn blanks_part_words_and_quotes_keep_them() {
        assert_eq!(texts("  %1\t %2 "), ["%1", "%2"]);
        assert_eq!(texts("'a b' \"c d\" e'f g'h"), ["a b", "c d", "ef gh"]);
        assert_eq!(texts("'it''s' '' \"\" ''''"), ["it's", "", "", "'"]);
        assert_eq!(texts(r#""a\"b" "c:\dir" "\\x""#), ["a\"b", r"c:\dir", r"\x"]);
        assert_eq!(
            texts(r"C:\data\new \\server\share a\ b \'q\' end\"),
            [r"C:\data\new", r"\\server\share", "a b", "'q'", r"end\"]
        );
        assert_eq!(texts(""), Vec::<String>::new());
        assert_eq!(
            texts("jdbc:hive2://h:1/db;auth=x?a=b#c"),
            ["jdbc:hive2://h:1/db;auth=x?a=b#c"]
        );
    }

    #[test]
    fn spans_hold_the_quotes() {
        let tail = " ä 'b c' d";
        let spans: Vec<&str> = words(tail).unwrap().iter().map(|word| word.span.of(tail)).collect();
        assert_eq!(spans, ["ä", "'b c'", "d"]);
    }

    #[test]
    fn an_open_quote_is_said_with_its_place() {
        let error = words("ä b'c d").unwrap_err();
        assert_eq!(
            error,
            CommandLineError::OpenQuote {
                quote: '\'',
                at: 3,
                span: Span::new(4, 8)
            }
        );
        assert_eq!(error.to_string(), "the ' at column 4 is never closed");
        assert!(words(r#""a\""#).is_err());
    }

    #[test]
    fn flags_are_told_apart() {
        let flag = |name: &str, value: Option<&str>| ArgumentKind::Flag {
            name: name.to_owned(),
            value: value.map(str::to_owned),
        };
        let word = |text: &str| ArgumentKind::Positional(text.to_owned());
        let kinds: Vec<_> = arguments("%- --drain --dir='s3://a b' -a --label= '--x' -1 - -- --y")
            .unwrap()
            .into_iter()
            .map(|argument| argument.kind)
            .collect();
        let expected = [
            word("%-"),
            flag("drain", None),
            flag("dir", Some("s3://a b")),
            flag("a", None),
            flag("label", Some("")),
            word("--x"),
            word("-1"),
            word("-"),
            word("--y"),
        ];
        assert_eq!(kinds, expected);
    }

    proptest! {
        #[test]
        fn any_tail_is_taken(tail in any::<String>()) {
            if let Ok(words) = words(&tail) {
                let mut end = 0;
                for word in words {
                    prop_assert!(word.span.start >= end && !word.span.is_empty());
                    end = word.span.end;
                }
            }
        }

        #[test]
        fn a_quoted_word_is_itself_again(word in any::<String>()) {
            let tail = format!("a '{}' b", word.replace('\'', "''"));
            prop_assert_eq!(&texts(&tail)[1], &word);
        }
    }
}
