//! Text on its way to a person: what would act on a terminal is made visible, and widths are counted in columns.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Whether a character acts on the terminal or hides, instead of being seen: controls (C0, DEL, C1), bidirectional
/// marks, overrides and isolates, line and paragraph separators, and the invisible formatting characters. The joiners
/// U+200C and U+200D are text (Persian, emoji).
pub const fn is_hidden(c: char) -> bool {
    matches!(c,
        '\0'..='\x1f' | '\x7f'..='\u{9f}'
        | '\u{ad}' | '\u{61c}' | '\u{180e}'
        | '\u{200b}' | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

/// Appends a character as it is shown: itself, or `\n`, `\r`, `\t`, `\u{1b}`.
fn push_visible(c: char, to: &mut String) {
    match c {
        '\n' => to.push_str("\\n"),
        '\r' => to.push_str("\\r"),
        '\t' => to.push_str("\\t"),
        c if is_hidden(c) => {
            // Writing to a String can't fail.
            let _ = write!(to, "\\u{{{:x}}}", u32::from(c));
        }
        c => to.push(c),
    }
}

/// Whether every byte is printable ASCII, so that the text shows as it is, a column a byte.
pub fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|&b| (b' '..=b'~').contains(&b))
}

/// The text on one line, with every hidden character made visible (see [`is_hidden`]).
///
/// ```
/// assert_eq!(skep::ui::sanitize("a\x1b[2Jb\n"), "a\\u{1b}[2Jb\\n");
/// ```
pub fn sanitize(text: &str) -> Cow<'_, str> {
    sanitize_but(text, |_| false)
}

/// As [`sanitize`], but line ends stay (CRLF becomes LF) and a tab becomes four spaces: for messages of several lines.
pub fn sanitize_lines(text: &str) -> Cow<'_, str> {
    if text.contains(['\t', '\r']) {
        let text = text.replace("\r\n", "\n").replace('\t', "    ");
        return Cow::Owned(sanitize_but(&text, |c| c == '\n').into_owned());
    }
    sanitize_but(text, |c| c == '\n')
}

fn sanitize_but(text: &str, keep: impl Fn(char) -> bool) -> Cow<'_, str> {
    if is_plain(text.as_bytes()) || !text.chars().any(|c| is_hidden(c) && !keep(c)) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if keep(c) {
            shown.push(c);
        } else {
            push_visible(c, &mut shown);
        }
    }
    Cow::Owned(shown)
}

/// A JSON text with the characters that [`is_hidden`] names, and that JSON lets stand, as `\uXXXX`: the same value,
/// safe on a terminal. The argument must be JSON, where such characters stand in strings only.
pub fn sanitize_json(json: &str) -> Cow<'_, str> {
    if json.is_ascii() && !json.contains('\x7f') || !json.chars().any(is_hidden) {
        return Cow::Borrowed(json);
    }
    let mut shown = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if is_hidden(c) && !c.is_ascii_whitespace() {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String can't fail.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// The columns that a text takes on a terminal. Hidden characters are to be made visible first.
pub fn width(text: &str) -> usize {
    if is_plain(text.as_bytes()) {
        text.len()
    } else {
        text.width()
    }
}

/// The longest beginning of a text that takes at most so many columns; a combining character stays with its base.
pub fn prefix(text: &str, columns: usize) -> &str {
    let mut taken = 0;
    let end = text.char_indices().find_map(|(at, c)| {
        taken += c.width().unwrap_or(0);
        (taken > columns).then_some(at)
    });
    let mut part = match end {
        Some(end) => text[..end].trim_end_matches('\u{200d}'),
        None => text,
    };
    // Together, characters can be wider than one by one: a heart with an emoji selector takes two columns.
    while width(part) > columns
        && let Some((last, _)) = part.char_indices().next_back()
    {
        part = &part[..last];
    }
    part
}

/// The text in at most so many columns: a longer one is cut, and ends with the mark (`…`) where that fits.
pub fn cut<'a>(text: &'a str, columns: usize, mark: &str) -> Cow<'a, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let room = width(mark);
    if room > columns {
        return Cow::Borrowed(prefix(text, columns));
    }
    Cow::Owned(format!("{}{mark}", prefix(text, columns - room)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_acts_on_a_terminal_is_made_visible() {
        for (text, shown) in [
            ("plain", "plain"),
            ("héllo 漢字 👍", "héllo 漢字 👍"),
            ("\x1b]0;title\x07", "\\u{1b}]0;title\\u{7}"),
            ("a\r\n\tb", "a\\r\\n\\tb"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("user\u{202e}gpj.exe", "user\\u{202e}gpj.exe"),
            ("\u{2066}x\u{2069}", "\\u{2066}x\\u{2069}"),
            ("\0\x7f", "\\u{0}\\u{7f}"),
            ("\u{feff}bom", "\\u{feff}bom"),
        ] {
            assert_eq!(sanitize(text), shown);
        }
        assert_eq!(sanitize_lines("a\r\n\tb\x1b"), "a\n    b\\u{1b}");
    }

    #[test]
    fn widths_are_columns() {
        for (text, columns) in [("", 0), ("abc", 3), ("漢字", 4), ("e\u{301}", 1), ("👍", 2), ("ａ", 2)] {
            assert_eq!(width(text), columns, "{text}");
        }
    }

    #[test]
    fn a_cut_keeps_characters_whole() {
        assert_eq!(cut("漢字漢字", 5, "…"), "漢字…");
        assert_eq!(cut("漢字漢字", 4, "…"), "漢…");
        assert_eq!(cut("abcdef", 6, "…"), "abcdef");
        assert_eq!(cut("abcdef", 3, "..."), "...");
        assert_eq!(cut("abcdef", 2, "..."), "ab");
        assert_eq!(cut("e\u{301}e\u{301}e\u{301}", 2, "…"), "e\u{301}…");
        assert_eq!(cut("abc", 0, "…"), "");
        assert_eq!(width("❤\u{fe0f}"), 2);
        assert_eq!(width(prefix("❤\u{fe0f}❤\u{fe0f}", 3)), 3);
        assert_eq!(prefix("❤\u{fe0f}❤\u{fe0f}", 2), "❤\u{fe0f}");
    }

    #[test]
    fn json_keeps_its_value() {
        let json = serde_json::to_string("a\u{9b}\u{202e}\x7f\u{e0041}é").unwrap();
        let safe = sanitize_json(&json);
        assert_eq!(safe, "\"a\\u009b\\u202e\\u007f\\udb40\\udc41é\"");
        assert_eq!(
            serde_json::from_str::<String>(&safe).unwrap(),
            "a\u{9b}\u{202e}\x7f\u{e0041}é"
        );
    }

    proptest! {
        #[test]
        fn no_text_keeps_a_hidden_character(text: String) {
            prop_assert!(!sanitize(&text).chars().any(is_hidden));
            prop_assert!(!sanitize_lines(&text).chars().any(|c| is_hidden(c) && c != '\n'));
        }

        #[test]
        fn a_cut_fits(text in ".*|[a漢❤👍\u{fe0f}\u{200d}\u{301}1\u{20e3}]{0,20}", columns in 0usize..40) {
            let text = sanitize(&text);
            prop_assert!(width(&cut(&text, columns, "…")) <= columns);
        }
    }
}
