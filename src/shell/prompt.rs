//! What stands before the line being typed.

use nu_ansi_term::{Color, Style};

use crate::session::Session;
use crate::syntax::{Open, Pending};
use crate::ui::{sanitize, text};

/// A prompt: as it is, and in colour.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prompt {
    /// The text.
    pub raw: String,
    /// The text with colours, as wide.
    pub styled: String,
}

impl Prompt {
    /// The prompt for a new statement: the connection, how many jobs run, and how many have failed.
    pub fn of(session: &Session) -> Self {
        let label = session
            .open
            .as_ref()
            .map_or("skep", |open| open.connection.label.as_str());
        // A server's word for itself may be anything.
        let label = sanitize(label);
        let jobs = match session.jobs.counts() {
            (0, 0) => String::new(),
            (active, 0) => format!(" [{active}]"),
            (active, failed) => format!(" [{active}, {failed} failed]"),
        };
        let failed = jobs.contains("failed");
        let jobs_style = if failed {
            Style::new().fg(Color::Red)
        } else {
            Style::new().fg(Color::Cyan)
        };
        Self {
            raw: format!("{label}{jobs}> "),
            styled: format!("{}{}> ", paint(Style::new().bold(), &label), paint(jobs_style, &jobs)),
        }
    }

    /// The prompt for the next line of a statement: as wide as `first`, and it says what is open. `typed` is the
    /// statement so far.
    pub fn continuation(first: &Self, pending: Option<&Pending>, typed: &str) -> Self {
        let open = match pending {
            Some(Pending { open: Open::String, .. }) => "'",
            // The quote that it was opened with.
            Some(Pending {
                open: Open::Identifier,
                place,
            }) => match typed.as_bytes().get(place.offset) {
                Some(b'"') => "\"",
                _ => "`",
            },
            Some(Pending {
                open: Open::Comment, ..
            }) => "/*",
            Some(Pending {
                open: Open::StatementSet,
                ..
            }) => "set",
            Some(Pending {
                open: Open::Statement, ..
            })
            | None => "",
        };
        let end = format!("{open}> ");
        let blanks = " ".repeat(text::width(&first.raw).saturating_sub(text::width(&end)));
        let raw = format!("{blanks}{end}");
        Self {
            styled: format!("{blanks}{}", Style::new().dimmed().paint(&end)),
            raw,
        }
    }
}

fn paint(style: Style, text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    style.paint(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::Splitter;
    use skep_engine::Dialect;

    fn continuation(typed: &str) -> String {
        let mut splitter = Splitter::new(Dialect::FLINK);
        splitter.feed(typed);
        while splitter.next_piece().is_some() {}
        let first = Prompt {
            raw: "local [1]> ".to_owned(),
            styled: String::new(),
        };
        Prompt::continuation(&first, splitter.pending().as_ref(), typed).raw
    }

    #[test]
    fn a_continuation_says_what_is_open() {
        for (typed, expected) in [
            ("SELECT 1\n", "         > "),
            ("SELECT 'a\n", "        '> "),
            ("SELECT `a\n", "        `> "),
            ("SELECT \"a\n", "        \"> "),
            ("/* a\n", "       /*> "),
            ("EXECUTE STATEMENT SET BEGIN\n", "      set> "),
            ("EXECUTE STATEMENT SET BEGIN INSERT INTO t VALUES ('\n", "        '> "),
        ] {
            assert_eq!(continuation(typed), expected, "{typed:?}");
        }
    }
}
