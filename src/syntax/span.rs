//! Places in a text.

use std::ops::Range;

/// A stretch of a text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// One after the last byte.
    pub end: usize,
}

impl Span {
    /// From `start` to before `end`.
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// Its text, or nothing if the span is not of this text.
    pub fn of(self, text: &str) -> &str {
        text.get(self.start..self.end).unwrap_or_default()
    }

    /// How many bytes.
    pub const fn len(self) -> usize {
        self.end - self.start
    }

    /// No byte at all.
    pub const fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The same stretch, `by` bytes further on.
    #[must_use]
    pub const fn shift(self, by: usize) -> Self {
        Self::new(self.start + by, self.end + by)
    }
}

impl From<Span> for Range<usize> {
    fn from(span: Span) -> Self {
        span.start..span.end
    }
}

/// A point of a text, as a person counts. A byte order mark at the beginning has no width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// Bytes before it.
    pub offset: usize,
    /// Line, from 1. Lines end with `\n`.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            offset: 0,
            line: 1,
            column: 1,
        }
    }
}

impl Place {
    /// The place after `text`, if the text begins at this one.
    #[must_use]
    pub fn after(self, text: &str) -> Self {
        let offset = self.offset + text.len();
        let counted = match text.strip_prefix('\u{feff}') {
            Some(rest) if self.offset == 0 => rest,
            _ => text,
        };
        match counted.rfind('\n') {
            None => Self {
                offset,
                line: self.line,
                column: self.column + counted.chars().count(),
            },
            Some(newline) => Self {
                offset,
                line: self.line + counted.bytes().filter(|byte| *byte == b'\n').count(),
                column: 1 + counted[newline + 1..].chars().count(),
            },
        }
    }

    /// The place `offset` bytes into `text`; the nearest one before it if that is inside a character.
    pub fn of(text: &str, offset: usize) -> Self {
        Self::default().after(&text[..text.floor_char_boundary(offset)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_and_lines() {
        let text = "\u{feff}ä;\r\nb\nçd";
        assert_eq!(
            Place::of(text, 3),
            Place {
                offset: 3,
                line: 1,
                column: 1
            }
        );
        assert_eq!(
            Place::of(text, 5),
            Place {
                offset: 5,
                line: 1,
                column: 2
            }
        );
        assert_eq!(
            Place::of(text, 8),
            Place {
                offset: 8,
                line: 2,
                column: 1
            }
        );
        assert_eq!(
            Place::of(text, text.len()),
            Place {
                offset: 13,
                line: 3,
                column: 3
            }
        );
        assert_eq!(Place::of("ä", 1).offset, 0);
        assert_eq!(Place::of("a", 99).offset, 1);
    }

    #[test]
    fn a_span_of_another_text_is_empty() {
        assert_eq!(Span::new(1, 3).of("abcd"), "bc");
        assert_eq!(Span::new(1, 9).of("abcd"), "");
    }
}
