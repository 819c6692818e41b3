//! Reads a statement's tokens one after the other, without blanks and comments.

use skep_engine::Dialect;

use super::Span;
use super::lexer::{Lexer, Token, TokenKind};
use super::literal::unquote;

/// A statement and how far it has been read.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    dialect: Dialect,
    lexer: Lexer<'a>,
    next: Option<Token>,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str, dialect: &Dialect) -> Self {
        let mut cursor = Self {
            text,
            dialect: *dialect,
            lexer: Lexer::new(text, dialect),
            next: None,
        };
        cursor.bump();
        cursor
    }

    /// The token to be read next.
    pub(super) fn peek(&self) -> Option<Token> {
        self.next
    }

    /// The text of the token to be read next; empty at the end.
    pub(super) fn peek_text(&self) -> &'a str {
        self.next.map_or("", |token| token.span.of(self.text))
    }

    /// Reads a token.
    pub(super) fn bump(&mut self) -> Option<Token> {
        let next = self
            .lexer
            .find(|token| !token.kind.is_trivia() && token.kind != TokenKind::Hint);
        std::mem::replace(&mut self.next, next)
    }

    /// Where the next token begins, or the text ends.
    pub(super) fn here(&self) -> Span {
        self.next
            .map_or(Span::new(self.text.len(), self.text.len()), |token| token.span)
    }

    /// The next token is this keyword.
    pub(super) fn at(&self, keyword: &str) -> bool {
        self.next.is_some_and(|token| token.kind == TokenKind::Word) && self.peek_text().eq_ignore_ascii_case(keyword)
    }

    /// The next token is one of these keywords.
    pub(super) fn at_any(&self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.at(keyword))
    }

    /// Reads this keyword, if it is next.
    pub(super) fn eat(&mut self, keyword: &str) -> bool {
        let found = self.at(keyword);
        if found {
            self.bump();
        }
        found
    }

    /// Reads one of these keywords, if one is next.
    pub(super) fn eat_any(&mut self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.eat(keyword))
    }

    /// Reads these keywords, if they are next; otherwise reads nothing.
    pub(super) fn eat_all(&mut self, keywords: &[&str]) -> bool {
        let mut ahead = self.clone();
        let found = keywords.iter().all(|keyword| ahead.eat(keyword));
        if found {
            *self = ahead;
        }
        found
    }

    /// Reads this one character, if it is next.
    pub(super) fn eat_symbol(&mut self, symbol: &str) -> bool {
        let found = self.next.is_some_and(|token| token.kind == TokenKind::Symbol) && self.peek_text() == symbol;
        if found {
            self.bump();
        }
        found
    }

    /// Reads a string and says what it means.
    pub(super) fn string(&mut self) -> Option<(String, Span)> {
        let token = self.next.filter(|token| token.kind == TokenKind::String)?;
        self.bump();
        Some((
            unquote(token.span.of(self.text), &self.dialect).into_owned(),
            token.span,
        ))
    }

    /// Reads a name such as `` a.`b`.c `` and gives its parts without quotes.
    pub(super) fn name(&mut self) -> Option<Vec<String>> {
        let mut parts = Vec::new();
        loop {
            let token = self
                .next
                .filter(|token| matches!(token.kind, TokenKind::Word | TokenKind::Identifier))?;
            parts.push(unquote(token.span.of(self.text), &self.dialect).into_owned());
            self.bump();
            if !self.eat_symbol(".") {
                return Some(parts);
            }
        }
    }

    /// Reads a token; of a parenthesis, all that is in it.
    pub(super) fn skip(&mut self) -> Option<Token> {
        let first = self.next?;
        let mut depth = 0_usize;
        loop {
            match self.peek_text() {
                "" => return Some(first),
                "(" => depth += 1,
                ")" => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.bump();
            if depth == 0 {
                return Some(first);
            }
        }
    }

    /// Reads `;` and says whether the text ends then.
    pub(super) fn at_end(&mut self) -> bool {
        while self.next.is_some_and(|token| token.kind == TokenKind::Semicolon) {
            self.bump();
        }
        self.next.is_none()
    }
}
