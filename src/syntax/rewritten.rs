//! A statement in another form, and where its parts stood before: so that a server's "line 3, column 5" can be shown
//! in what the person wrote.

use skep_engine::Position;

use super::Span;
use super::span::Place;

/// A rewritten statement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rewritten {
    text: String,
    /// What was taken over: where it begins in `text`, and where it stood.
    parts: Vec<(usize, Span)>,
}

impl Rewritten {
    /// A statement that stays as it is.
    pub fn unchanged(text: &str) -> Self {
        let mut same = Self::default();
        same.take(text, Span::new(0, text.len()));
        same
    }

    /// Adds text that the person did not write.
    pub fn add(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Adds a stretch of what the person wrote.
    pub fn take(&mut self, original: &str, span: Span) {
        self.parts.push((self.text.len(), span));
        self.text.push_str(span.of(original));
    }

    /// The new form.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where a position in the new form stands in the original. What the person did not write is shown where the next
    /// thing they wrote begins.
    pub fn locate(&self, original: &str, position: Position) -> Position {
        let begin = self.origin(offset_of(&self.text, position.line, position.column));
        let place = Place::of(original, begin.min(original.len()));
        let rest = original.get(place.offset..).unwrap_or_default();
        let line = rest.lines().next().unwrap_or_default().chars().count();
        let whole = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Position {
            line: whole(place.line),
            column: whole(place.column),
            length: position.length.min(whole(line)).max(1),
        }
    }

    fn origin(&self, offset: usize) -> usize {
        let mut end = 0;
        for (start, span) in &self.parts {
            if offset < *start {
                return span.start;
            }
            if offset < start + span.len() {
                return span.start + (offset - start);
            }
            end = span.end;
        }
        end
    }
}

/// The byte at which a line and column (both from 1, in characters) begin; the end of the line if it is shorter.
fn offset_of(text: &str, line: u32, column: u32) -> usize {
    let mut start = 0;
    for _ in 1..line {
        match text[start..].find('\n') {
            Some(end) => start += end + 1,
            None => return text.len(),
        }
    }
    let line = text[start..].split('\n').next().unwrap_or_default();
    let within = line.char_indices().nth(column.saturating_sub(1) as usize);
    start + within.map_or(line.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(line: u32, column: u32, length: u32) -> Position {
        Position { line, column, length }
    }

    #[test]
    fn an_unchanged_statement_keeps_its_places() {
        let text = "SELECT é,\n  b FROM t";
        let same = Rewritten::unchanged(text);
        assert_eq!(same.text(), text);
        for position in [at(1, 1, 6), at(1, 8, 1), at(2, 3, 1), at(2, 10, 1)] {
            assert_eq!(same.locate(text, position), position);
        }
    }

    #[test]
    fn places_beyond_the_text_are_its_end() {
        let text = "SELECT 1";
        let same = Rewritten::unchanged(text);
        assert_eq!(same.locate(text, at(9, 9, 9)), at(1, 9, 1));
        assert_eq!(same.locate(text, at(0, 0, 0)), at(1, 1, 1));
        assert_eq!(same.locate(text, at(1, 8, 500)), at(1, 8, 1));
    }

    #[test]
    fn what_was_taken_over_is_found_where_it_stood() {
        let original = "BEGIN x; aa;\n  bé; END";
        let mut new = Rewritten::default();
        new.add("EXECUTE\n");
        new.take(original, Span::new(9, 11));
        new.add(";\n");
        new.take(original, Span::new(15, 18));
        new.add("; END");
        assert_eq!(new.text(), "EXECUTE\naa;\nbé; END");
        assert_eq!(new.locate(original, at(1, 1, 7)), at(1, 10, 3));
        assert_eq!(new.locate(original, at(2, 2, 1)), at(1, 11, 1));
        assert_eq!(new.locate(original, at(3, 2, 1)), at(2, 4, 1));
        assert_eq!(new.locate(original, at(3, 5, 1)), at(2, 5, 1));
    }
}
