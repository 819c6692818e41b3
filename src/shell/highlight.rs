//! Colours for what is being typed.

use nu_ansi_term::{Color, Style};
use skep_engine::Dialect;

use crate::syntax::keywords::is_keyword;
use crate::syntax::{Lexer, TokenKind};

/// The line in colour. `before` is the statement up to the line: a string may have been opened in it.
pub fn highlight(before: &str, line: &str, dialect: &Dialect) -> String {
    if before.is_empty() && line.trim_start().starts_with('!') {
        return highlight_command(line);
    }
    let text = format!("{before}{line}");
    let mut shown = String::with_capacity(line.len() * 2);
    for token in Lexer::new(&text, dialect) {
        let Some(part) = text.get(token.span.start.max(before.len())..token.span.end) else {
            continue;
        };
        match style(token.kind, token.span.of(&text)) {
            Some(style) => shown.push_str(&style.paint(part).to_string()),
            None => shown.push_str(part),
        }
    }
    shown
}

fn style(kind: TokenKind, text: &str) -> Option<Style> {
    Some(match kind {
        TokenKind::Word if is_keyword(text) => Style::new().fg(Color::Blue).bold(),
        TokenKind::String => Style::new().fg(Color::Green),
        TokenKind::Number => Style::new().fg(Color::Cyan),
        TokenKind::LineComment | TokenKind::BlockComment => Style::new().dimmed(),
        TokenKind::Hint | TokenKind::Variable => Style::new().fg(Color::Purple),
        _ => return None,
    })
}

fn highlight_command(line: &str) -> String {
    let start = line.len() - line.trim_start().len();
    let end = line[start..]
        .find(char::is_whitespace)
        .map_or(line.len(), |end| start + end);
    format!(
        "{}{}{}",
        &line[..start],
        Style::new().fg(Color::Blue).bold().paint(&line[start..end]),
        &line[end..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(text: &str) -> String {
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("\x1b[") {
            plain.push_str(&rest[..at]);
            let end = rest[at..].find('m').unwrap();
            rest = &rest[at + end + 1..];
        }
        plain + rest
    }

    #[test]
    fn keywords_strings_and_comments_are_coloured() {
        let shown = highlight("", "SELECT x, 'it' -- why", &Dialect::FLINK);
        assert_eq!(
            shown,
            "\x1b[1;34mSELECT\x1b[0m x, \x1b[32m'it'\x1b[0m \x1b[2m-- why\x1b[0m"
        );
        assert_eq!(highlight("", "!jobs -a", &Dialect::FLINK), "\x1b[1;34m!jobs\x1b[0m -a");
    }

    #[test]
    fn a_string_goes_on_from_the_line_before() {
        assert_eq!(
            highlight("SELECT '\n", "SELECT' x", &Dialect::FLINK),
            "\x1b[32mSELECT'\x1b[0m x"
        );
    }

    proptest! {
        #[test]
        fn nothing_but_colour_is_added(before in "[^\x1b]*", line in "[^\x1b]*") {
            prop_assert_eq!(plain(&highlight(&before, &line, &Dialect::FLINK)), line);
        }
    }
}
