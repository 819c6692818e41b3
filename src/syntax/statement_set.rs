//! Statement sets: several `INSERT`s between `BEGIN` and `END` that are one statement.

use skep_engine::Dialect;

use super::Span;
use super::lexer::{Lexer, Token, TokenKind};
use super::rewritten::Rewritten;

/// Follows a statement token by token and knows which `;` belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Block {
    /// Nothing has been read.
    Start,
    /// So many words of `BEGIN STATEMENT SET`.
    Begin(usize),
    /// A statement that may hold `STATEMENT SET BEGIN`, and how many of these words were the last ones.
    Opener(usize),
    /// A statement that ends with its first `;`.
    Plain,
    /// Inside a set, within one of its statements.
    Member(Member),
}

/// How far a statement inside a set is from being `END` alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Member {
    Empty,
    End,
    /// `END &`.
    EndBackground,
    Other,
}

const BEGIN: [&[u8]; 3] = [b"BEGIN", b"STATEMENT", b"SET"];
const OPENER: [&[u8]; 3] = [b"STATEMENT", b"SET", b"BEGIN"];

impl Block {
    pub(super) fn new(dialect: &Dialect) -> Self {
        if dialect.statement_sets {
            Self::Start
        } else {
            Self::Plain
        }
    }

    pub(super) fn is_set(self) -> bool {
        matches!(self, Self::Member(_))
    }

    /// No token can change anything before the next `;`.
    pub(super) fn is_plain(self) -> bool {
        matches!(self, Self::Plain | Self::Member(Member::Other))
    }

    /// Takes the next token that is neither blank nor comment nor `;`.
    pub(super) fn note(&mut self, token: Token, bytes: &[u8]) {
        if *self == Self::Plain {
            return;
        }
        let text = &bytes[token.span.start..token.span.end];
        let is = |word: &[u8]| token.kind == TokenKind::Word && text.eq_ignore_ascii_case(word);
        *self = match *self {
            Self::Start if is(BEGIN[0]) => Self::Begin(1),
            Self::Start if is(b"EXECUTE") || is(b"EXPLAIN") || is(b"COMPILE") => Self::Opener(0),
            Self::Begin(count) if BEGIN.get(count).is_some_and(|word| is(word)) => Self::Begin(count + 1),
            Self::Opener(2) if is(OPENER[2]) => Self::Member(Member::Empty),
            Self::Opener(count) if count < 2 && is(OPENER[count]) => Self::Opener(count + 1),
            Self::Opener(_) => Self::Opener(usize::from(is(OPENER[0]))),
            Self::Start | Self::Begin(_) | Self::Plain => Self::Plain,
            Self::Member(Member::Empty) if is(b"END") => Self::Member(Member::End),
            Self::Member(Member::End) if token.kind == TokenKind::Symbol && text == b"&" => {
                Self::Member(Member::EndBackground)
            }
            Self::Member(_) => Self::Member(Member::Other),
        };
    }

    /// Takes a `;` and says whether the whole statement ends with it.
    pub(super) fn ends(&mut self) -> bool {
        match self {
            Self::Begin(3) => *self = Self::Member(Member::Empty),
            Self::Member(Member::Empty | Member::Other) => *self = Self::Member(Member::Empty),
            _ => return true,
        }
        false
    }
}

/// The statements inside a statement set (without their `;`), or `None` if `text` is not a whole one. Any sort of it:
/// `EXECUTE`, `EXPLAIN`, `COMPILE PLAN … FOR STATEMENT SET BEGIN … END` and `BEGIN STATEMENT SET; … END`.
pub fn members(text: &str, dialect: &Dialect) -> Option<Vec<Span>> {
    let mut block = Block::new(dialect);
    let mut members: Vec<Span> = Vec::new();
    let mut current: Option<Span> = None;
    for token in Lexer::new(text, dialect) {
        if token.kind.is_trivia() {
            continue;
        }
        let inside = block.is_set();
        if token.kind == TokenKind::Semicolon {
            if block.ends() {
                break;
            }
            members.extend(current.take());
            continue;
        }
        block.note(token, text.as_bytes());
        if inside {
            current = Some(Span::new(
                current.map_or(token.span.start, |span| span.start),
                token.span.end,
            ));
        }
    }
    matches!(block, Block::Member(Member::End | Member::EndBackground)).then_some(members)
}

/// The same statement set as one `EXECUTE STATEMENT SET BEGIN … END`, if `text` is a `BEGIN STATEMENT SET; … END`, which
/// a server takes as several statements only.
pub fn as_execute(text: &str, dialect: &Dialect) -> Option<Rewritten> {
    let first = Lexer::new(text, dialect).find(|token| !token.kind.is_trivia())?;
    if !first.span.of(text).eq_ignore_ascii_case("BEGIN") {
        return None;
    }
    let members = members(text, dialect)?;
    let mut set = Rewritten::default();
    set.add("EXECUTE STATEMENT SET\nBEGIN\n");
    for member in members {
        set.take(text, member);
        set.add(";\n");
    }
    set.add("END;");
    Some(set)
}

#[cfg(test)]
mod tests {
    use skep_engine::Position;

    use super::*;

    fn texts(text: &str) -> Option<Vec<&str>> {
        members(text, &Dialect::FLINK).map(|spans| spans.into_iter().map(|span| span.of(text)).collect())
    }

    #[test]
    fn members_are_what_stands_between_begin_and_end() {
        let inserts = Some(vec![
            "INSERT INTO a SELECT ';' FROM s",
            "INSERT INTO b SELECT CASE WHEN x THEN 1 END",
        ]);
        let body = "INSERT INTO a SELECT ';' FROM s; -- c;\n INSERT INTO b SELECT CASE WHEN x THEN 1 END;";
        assert_eq!(texts(&format!("EXECUTE STATEMENT SET BEGIN {body} END")), inserts);
        assert_eq!(texts(&format!("begin statement set; {body} end;")), inserts);
        assert_eq!(
            texts(&format!("COMPILE PLAN 'p' FOR STATEMENT SET BEGIN {body} END")),
            inserts
        );
        assert_eq!(texts("EXECUTE STATEMENT SET BEGIN END"), Some(vec![]));
        assert_eq!(texts("EXECUTE STATEMENT SET BEGIN INSERT INTO a VALUES (1);"), None);
        assert_eq!(texts("INSERT INTO a VALUES (1)"), None);
    }

    #[test]
    fn a_set_of_several_statements_becomes_one() {
        let set = "BEGIN STATEMENT SET; INSERT INTO a SELECT 1 /*+ h */; INSERT INTO b SELECT 2; END;";
        let one = as_execute(set, &Dialect::FLINK);
        let expected = "EXECUTE STATEMENT SET\nBEGIN\nINSERT INTO a SELECT 1 /*+ h */;\nINSERT INTO b SELECT 2;\nEND;";
        assert_eq!(one.as_ref().map(Rewritten::text), Some(expected));
        // The second INSERT, and the `2` in it.
        let place = |line, column| {
            one.as_ref()
                .unwrap()
                .locate(
                    set,
                    Position {
                        line,
                        column,
                        length: 1,
                    },
                )
                .column
        };
        assert_eq!((place(4, 1), place(4, 22)), (55, 76));
        assert_eq!(as_execute(expected, &Dialect::FLINK), None);
    }
}
