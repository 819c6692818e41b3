//! `STATE OF 'REF or PATH' [AT WHICH]`, where a table may stand.

use skep_engine::Dialect;

use super::cursor::Cursor;
use super::{Span, TokenKind};

/// A saved state that a statement reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateOf {
    /// Where the job or path, and which of its states, is written.
    pub span: Span,
    /// The job or the path.
    pub subject: String,
    /// Which of the job's states.
    pub which: Option<String>,
}

/// The saved states that a statement reads, in order: also those behind `DIFF`.
pub fn states(text: &str, dialect: &Dialect) -> Vec<StateOf> {
    let mut cursor = Cursor::new(text, dialect);
    let mut found = Vec::new();
    while cursor.peek().is_some() {
        if !cursor.eat_all(&["STATE", "OF"]) {
            cursor.bump();
            continue;
        }
        let mut next = state(&mut cursor);
        while let Some(one) = next.take() {
            found.push(one);
            // What follows may come before or behind the operator's name.
            let mut ahead = cursor.clone();
            if ahead.eat("OPERATOR") && ahead.string().is_some() {
                cursor = ahead;
            }
            if cursor.eat("DIFF") {
                next = state(&mut cursor);
            }
        }
    }
    found
}

fn state(cursor: &mut Cursor<'_>) -> Option<StateOf> {
    let (subject, mut span) = cursor.string()?;
    let mut which = None;
    let mut ahead = cursor.clone();
    if ahead.eat("AT") {
        // A number, or a label that is one word, needs no quotes.
        let plain = ahead
            .peek()
            .filter(|token| matches!(token.kind, TokenKind::Number | TokenKind::Word));
        let read = match plain {
            Some(token) => {
                let text = ahead.peek_text().to_owned();
                ahead.bump();
                Some((text, token.span))
            }
            None => ahead.string(),
        };
        if let Some((text, end)) = read {
            span = Span::new(span.start, end.end);
            which = Some(text);
            *cursor = ahead;
        }
    }
    Some(StateOf { span, subject, which })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(text: &str) -> Vec<(String, Option<String>, &str)> {
        let states = states(text, &Dialect::FLINK).into_iter();
        states
            .map(|state| (state.subject, state.which, state.span.of(text)))
            .collect()
    }

    #[test]
    fn jobs_and_paths_are_found_with_which_of_their_states() {
        let text = "SELECT * FROM STATE OF '%1' AT 12 AS a, state of 'it''s' at 'before fix' OPERATOR 'o' \
                    JOIN STATE OF 'a' DIFF 'b' AT '@14:05' ON TRUE, STATE OF 'c' AT latest DIFF 'c' AT v1";
        let which = |text: &str| Some(text.to_owned());
        assert_eq!(
            found(text),
            [
                ("%1".to_owned(), which("12"), "'%1' AT 12"),
                ("it's".to_owned(), which("before fix"), "'it''s' at 'before fix'"),
                ("a".to_owned(), None, "'a'"),
                ("b".to_owned(), which("@14:05"), "'b' AT '@14:05'"),
                ("c".to_owned(), which("latest"), "'c' AT latest"),
                ("c".to_owned(), which("v1"), "'c' AT v1"),
            ]
        );
        assert_eq!(found("SELECT state, of FROM state WHERE x = 'STATE OF ''a'''"), []);
        assert_eq!(found("SELECT 1 FROM STATE OF"), []);
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in "(?s).*") {
            for state in states(&text, &Dialect::FLINK) {
                prop_assert!(text.get(state.span.start..state.span.end).is_some());
            }
        }
    }
}
