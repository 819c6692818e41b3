//! Errors as a person reads them: what happened, the statement's line with carets under the place, hints.

use crate::error::{Error, Origin, Place};
use crate::ui::text;

/// What stands before the statement's line.
const INDENT: usize = 3;
/// So many columns of a statement's line are shown where no terminal says how wide it is: a generated statement may be
/// one line of megabytes.
const WIDE: usize = 200;

/// How the words before a message are coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Error,
    Warning,
    Hint,
}

impl Word {
    /// The word, in colour if wanted.
    pub(super) fn paint(self, colour: bool) -> String {
        use nu_ansi_term::Color;
        let (word, style) = match self {
            Self::Error => ("error:", Color::Red.bold()),
            Self::Warning => ("warning:", Color::Yellow.bold()),
            Self::Hint => ("hint:", Color::Cyan.normal()),
        };
        if colour {
            style.paint(word).to_string()
        } else {
            word.to_owned()
        }
    }
}

/// The lines of an error, each with its line end. `width`: the terminal's columns, which long statements are cut to; off a
/// terminal to 200 columns.
pub fn report(error: &Error, colour: bool, unicode: bool, width: Option<usize>) -> String {
    let mut lines = Word::Error.paint(colour);
    if let Some(place) = &error.place {
        lines.push_str(&place_name(place));
    }
    lines.push(' ');
    lines.push_str(text::sanitize_lines(error.message.trim_end()).as_ref());
    lines.push('\n');
    if let Some(place) = error.place.as_ref().filter(|place| place.length > 0) {
        push_caret(place, colour, unicode, width.unwrap_or(WIDE), &mut lines);
    }
    for hint in &error.hints {
        lines.push_str(&Word::Hint.paint(colour));
        lines.push(' ');
        lines.push_str(text::sanitize_lines(hint.trim_end()).as_ref());
        lines.push('\n');
    }
    lines
}

fn place_name(place: &Place) -> String {
    let Place { line, column, .. } = place;
    match &place.origin {
        Origin::Prompt => String::new(),
        Origin::Stdin => format!(" line {line}, column {column}:"),
        Origin::Named(name) => format!(" {}: line {line}, column {column}:", text::sanitize(name)),
    }
}

/// Appends the statement's line and carets under the characters meant. Of a line that is too long for the width the part
/// around them is shown.
fn push_caret(place: &Place, colour: bool, unicode: bool, columns: usize, to: &mut String) {
    let total = place.text.chars().count();
    let first = (place.offset as usize).min(total);
    let count = (place.length as usize).clamp(1, (total - first).max(1));
    let part = |from: usize, count: usize| {
        let part: String = place.text.chars().skip(from).take(count).collect();
        text::sanitize(&part.replace('\t', "    ")).into_owned()
    };
    let (mut before, mut meant, mut after) = (part(0, first), part(first, count), part(first + count, total));
    let mark = if unicode { "…" } else { "..." };
    let room = columns.saturating_sub(INDENT).max(20);
    meant = text::cut(&meant, room / 2, mark).into_owned();
    let left = room / 4;
    if text::width(&before) + text::width(&meant) + text::width(&after) > room {
        before = keep_end(
            before,
            left.max(room.saturating_sub(text::width(&meant) + text::width(&after))),
            mark,
        );
    }
    after = text::cut(
        &after,
        room.saturating_sub(text::width(&before) + text::width(&meant)),
        mark,
    )
    .into_owned();
    to.push_str(format!("{:INDENT$}{before}{meant}{after}", "").trim_end());
    to.push('\n');
    let carets = "^".repeat(text::width(&meant).max(1));
    let carets = if colour {
        nu_ansi_term::Color::Red.bold().paint(carets).to_string()
    } else {
        carets
    };
    to.push_str(&" ".repeat(INDENT + text::width(&before)));
    to.push_str(&carets);
    to.push('\n');
}

/// The end of a text in at most so many columns, the mark before it if something is missing.
fn keep_end(text: String, columns: usize, mark: &str) -> String {
    if text::width(&text) <= columns {
        return text;
    }
    let room = columns.saturating_sub(text::width(mark));
    let (mut taken, mut from) = (0, text.len());
    for (at, c) in text.char_indices().rev() {
        taken += text::width(c.encode_utf8(&mut [0; 4]));
        if taken > room {
            break;
        }
        from = at;
    }
    format!("{mark}{}", &text[from..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use skep_engine::Position;

    fn place(origin: Origin, statement: &str, column: u32, length: u32) -> Place {
        let position = Position {
            line: 1,
            column,
            length,
        };
        Place::new(origin, statement, 1, 11, position).unwrap()
    }

    fn plain(error: &Error, width: Option<usize>) -> String {
        report(error, false, true, width)
    }

    #[test]
    fn at_the_prompt_the_caret_says_where() {
        let error = Error::failed("no column carier in flights")
            .at(place(Origin::Prompt, "SELECT carier FROM flights;", 8, 6))
            .hint("did you mean carrier?");
        assert_eq!(
            plain(&error, Some(80)),
            "error: no column carier in flights\n   SELECT carier FROM flights;\n          ^^^^^^\nhint: did you mean carrier?\n"
        );
    }

    #[test]
    fn in_a_script_line_and_column_are_named() {
        let stdin =
            Error::failed("SELEC is not the beginning of a statement").at(place(Origin::Stdin, "SELEC 2", 1, 5));
        assert_eq!(
            plain(&stdin, None),
            "error: line 1, column 11: SELEC is not the beginning of a statement\n   SELEC 2\n   ^^^^^\n"
        );
        let file = Error::failed("x").at(place(Origin::Named("a\x1b.sql".to_owned()), "SELEC 2", 1, 5));
        assert!(plain(&file, None).starts_with("error: a\\u{1b}.sql: line 1, column 11: x\n"));
    }

    #[test]
    fn carets_stand_under_tabs_and_wide_characters() {
        let error = Error::failed("x").at(place(Origin::Prompt, "\t漢字\x1b 漢x", 6, 2));
        assert_eq!(
            plain(&error, None),
            "error: x\n       漢字\\u{1b} 漢x\n                  ^^^\n"
        );
    }

    #[test]
    fn a_place_behind_the_end_still_gets_a_caret() {
        let error = Error::failed("the statement ends too soon").at(place(Origin::Prompt, "SELECT", 7, 1));
        assert_eq!(
            plain(&error, None),
            "error: the statement ends too soon\n   SELECT\n         ^\n"
        );
        let far = Error::failed("x").at(place(Origin::Prompt, "", 4_000_000_000, u32::MAX));
        assert_eq!(plain(&far, None), "error: x\n\n   ^\n");
    }

    #[test]
    fn a_long_line_is_shown_around_the_place() {
        let statement = format!("SELECT {}carier{} FROM t", "a, ".repeat(100), ", b".repeat(100));
        let error = Error::failed("x").at(place(Origin::Prompt, &statement, 308, 6));
        let shown = plain(&error, Some(43));
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[1], "   …a, a, a, carier, b, b, b, b, b, b, b, …");
        assert_eq!(lines[2], "             ^^^^^^");
        assert_eq!(text::width(lines[1]), 43);
        // In a log, too, a generated statement of one line is not repeated whole.
        let statement = format!("SELECT {}carier", "a, ".repeat(1_000_000));
        let error = Error::failed("x").at(place(Origin::Stdin, &statement, 3_000_008, 6));
        let shown = plain(&error, None);
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[1].ends_with("a, carier"), "{}", lines[1]);
        assert_eq!(text::width(lines[1]), text::width(lines[2]));
        assert!(text::width(lines[1]) <= WIDE);
    }

    #[test]
    fn a_servers_text_is_made_safe() {
        let error = Error::failed("a\x1b[2J\nb\r").hint("\u{9b}0m");
        assert_eq!(plain(&error, None), "error: a\\u{1b}[2J\nb\nhint: \\u{9b}0m\n");
    }
}
