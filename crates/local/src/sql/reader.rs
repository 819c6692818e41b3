//! A token cursor over one statement that knows where each token stands.

use datafusion::sql::sqlparser::ast::{Expr, Query};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer, Whitespace};
use skep_engine::{EngineError, Position, Result};

use super::chain;
use super::dialect::FlinkDialect;
use crate::table::TablePath;

/// Nesting deeper than this is refused by the parser.
const DEPTH: usize = 256;

/// One statement being read.
pub(crate) struct Reader<'a> {
    source: &'a str,
    /// All tokens, white space and comments included.
    tokens: Vec<TokenWithSpan>,
    /// sqlparser's own cursor over the same tokens.
    pub parser: Parser<'a>,
}

impl<'a> Reader<'a> {
    /// Cuts the statement into tokens.
    pub fn new(source: &'a str) -> Result<Self> {
        let tokens = Tokenizer::new(&FlinkDialect, source)
            .tokenize_with_location()
            .map_err(|e| {
                let start = Span::new(e.location, e.location);
                EngineError::rejected(lower_first(&e.message)).at(position(start))
            })?;
        chain::check(&tokens)?;
        let tokens = super::tvf::rewrite(super::state::rewrite(tokens)?)?;
        let parser = Parser::new(&FlinkDialect)
            .with_recursion_limit(DEPTH)
            .with_tokens_with_locations(tokens.clone());
        Ok(Self { source, tokens, parser })
    }

    /// All tokens, with where they stand.
    pub fn tokens(&self) -> &[TokenWithSpan] {
        &self.tokens
    }

    /// The next token that is neither white space nor a comment.
    pub fn peek(&self) -> &TokenWithSpan {
        self.parser.peek_token_ref()
    }

    /// Whether nothing is left but `;`.
    pub fn at_end(&self) -> bool {
        self.peek().token == Token::EOF
    }

    /// Takes the next token if it is this word, in any case and without quotes.
    pub fn word(&mut self, word: &str) -> bool {
        let found = self.is_word(0, word);
        if found {
            self.parser.next_token();
        }
        found
    }

    /// Takes these words if they are all next.
    pub fn words(&mut self, words: &[&str]) -> bool {
        let found = words.iter().enumerate().all(|(n, word)| self.is_word(n, word));
        if found {
            for _ in words {
                self.parser.next_token();
            }
        }
        found
    }

    /// Whether the `n`th next token is this word.
    pub fn is_word(&self, n: usize, word: &str) -> bool {
        is_word(&self.parser.peek_nth_token_ref(n).token, word)
    }

    /// Takes this word or says that it was expected.
    pub fn expect_word(&mut self, word: &str) -> Result<()> {
        if self.word(word) {
            Ok(())
        } else {
            Err(self.expected(word))
        }
    }

    /// Takes this token or says that it was expected.
    pub fn expect(&mut self, token: &Token) -> Result<()> {
        if self.parser.consume_token(token) {
            Ok(())
        } else {
            Err(self.expected(&token.to_string()))
        }
    }

    /// The statement must end here.
    pub fn expect_end(&mut self) -> Result<()> {
        while self.parser.consume_token(&Token::SemiColon) {}
        if self.at_end() {
            Ok(())
        } else {
            Err(self.expected("the end of the statement"))
        }
    }

    /// `IF EXISTS`.
    pub fn if_exists(&mut self) -> bool {
        self.words(&["IF", "EXISTS"])
    }

    /// `IF NOT EXISTS`.
    pub fn if_not_exists(&mut self) -> bool {
        self.words(&["IF", "NOT", "EXISTS"])
    }

    /// A string in single quotes.
    pub fn string(&mut self, what: &str) -> Result<String> {
        if let Token::SingleQuotedString(text) = &self.peek().token {
            let text = text.clone();
            self.parser.next_token();
            Ok(text)
        } else {
            Err(self.expected(what))
        }
    }

    /// One identifier.
    pub fn identifier(&mut self, what: &str) -> Result<String> {
        match &self.peek().token {
            Token::Word(word) => {
                let name = word.value.clone();
                self.parser.next_token();
                Ok(name)
            }
            _ => Err(self.expected(what)),
        }
    }

    /// A name of up to `limit` parts, and where it stands.
    pub fn name(&mut self, what: &str, limit: usize) -> Result<Name> {
        let first = self.peek().span;
        let mut parts = vec![self.identifier(what)?];
        let mut last = first;
        while self.parser.consume_token(&Token::Period) {
            last = self.peek().span;
            parts.push(self.identifier(what)?);
        }
        let span = Span::new(first.start, last.end);
        if parts.len() > limit {
            return Err(EngineError::rejected(format!(
                "{} has {} parts, {what} has at most {limit}",
                parts.join("."),
                parts.len()
            ))
            .at(position(span)));
        }
        Ok(Name { parts, span })
    }

    /// A query.
    pub fn query(&mut self) -> Result<Box<Query>> {
        let mut query = self.parser.parse_query().map_err(|e| self.explain(e))?;
        chain::balance(&mut query);
        Ok(query)
    }

    /// An expression.
    pub fn expression(&mut self) -> Result<Expr> {
        let mut expr = self.parser.parse_expr().map_err(|e| self.explain(e))?;
        chain::balance(&mut expr);
        Ok(expr)
    }

    /// An error at the next token: something else was expected.
    pub fn expected(&self, what: &str) -> EngineError {
        let found = self.peek();
        let message = match &found.token {
            Token::EOF => format!("expected {what}, found the end of the statement"),
            token => format!("expected {what}, found {token}"),
        };
        let error = EngineError::rejected(message);
        match found.token {
            Token::EOF => error.at(self.end()),
            _ => error.at(position(found.span)),
        }
    }

    /// A refusal that points at the next token.
    pub fn refused(&self, message: impl Into<String>) -> EngineError {
        EngineError::unsupported(message).at(position(self.peek().span))
    }

    /// Where the statement ends.
    fn end(&self) -> Position {
        let last = self
            .tokens
            .iter()
            .rev()
            .find(|t| !matches!(t.token, Token::Whitespace(_) | Token::EOF));
        last.map_or(
            Position {
                line: 1,
                column: 1,
                length: 1,
            },
            |t| position(Span::new(t.span.end, t.span.end)),
        )
    }

    /// What sqlparser has to say, with the place of it. Its message ends in ` at Line: 1, Column: 8`.
    pub fn explain(&self, error: ParserError) -> EngineError {
        let text = match error {
            ParserError::RecursionLimitExceeded => {
                return EngineError::rejected(format!("the statement is nested more than {DEPTH} levels deep"));
            }
            ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
        };
        let (message, place) = split_place(&text);
        let message = lower_first(message)
            .replace("expected: ", "expected ")
            .replace(", found: EOF", ", found the end of the statement")
            .replace(", found: ", ", found ");
        let error = EngineError::rejected(message);
        match place {
            Some(start) => match self.tokens.iter().find(|t| t.span.start == start) {
                Some(token) => error.at(position(token.span)),
                None => error.at(position(Span::new(start, start))),
            },
            None if text.contains("found: EOF") => error.at(self.end()),
            // Some messages come without a place: the token that they name stands at the cursor or just before it.
            None => {
                let found = text.rsplit_once("found: ").map(|(_, found)| found);
                let near = self.parser.index().saturating_sub(2)..(self.parser.index() + 3).min(self.tokens.len());
                let named = self.tokens.get(near).into_iter().flatten();
                match named.into_iter().find(|t| Some(t.token.to_string().as_str()) == found) {
                    Some(token) => error.at(position(token.span)),
                    None => error,
                }
            }
        }
    }

    /// The text between two places of sqlparser's cursor, as it was written.
    pub fn text_between(&self, from: usize, to: usize) -> String {
        let mut tokens = self.tokens[from..to]
            .iter()
            .filter(|t| !matches!(t.token, Token::Whitespace(_)));
        let Some(first) = tokens.next() else {
            return String::new();
        };
        let last = tokens.next_back().unwrap_or(first);
        let start = offset(self.source, first.span.start);
        let end = offset(self.source, last.span.end);
        self.source[start..end.max(start)].to_owned()
    }

    /// The text from the next token to the end of the statement, as it was written.
    pub fn rest(&self) -> &'a str {
        let start = match self.peek().token {
            Token::EOF => self.source.len(),
            _ => offset(self.source, self.peek().span.start),
        };
        let text = self.source[start..].trim_end();
        text.strip_suffix(';').unwrap_or(text).trim_end()
    }

    /// What is left, without comments and with single spaces: for `SET key = value` in bare words.
    pub fn bare_rest(&mut self) -> String {
        let mut text = String::new();
        while let Some(token) = self.parser.next_token_no_skip() {
            match &token.token {
                Token::EOF | Token::SemiColon => break,
                Token::Whitespace(Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_)) => {}
                Token::Whitespace(_) if text.is_empty() || text.ends_with(' ') => {}
                Token::Whitespace(_) => text.push(' '),
                Token::SingleQuotedString(value) => text.push_str(value),
                other => text.push_str(&other.to_string()),
            }
        }
        text.trim_end().to_owned()
    }
}

/// A name of an object: one to three parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    /// The parts as written, without quotes.
    pub parts: Vec<String>,
    /// Where it stands.
    pub span: Span,
}

impl Name {
    /// The full path, with the current catalog and database where the name has none.
    pub fn resolve(&self, catalog: &str, database: &str) -> TablePath {
        let mut parts = self.parts.iter().rev().cloned();
        let name = parts.next().unwrap_or_default();
        TablePath {
            name,
            database: parts.next().unwrap_or_else(|| database.to_owned()),
            catalog: parts.next().unwrap_or_else(|| catalog.to_owned()),
        }
    }

    /// The place of it.
    pub fn position(&self) -> Position {
        position(self.span)
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.parts.join("."))
    }
}

/// Whether the token is this word, in any case and without quotes.
pub(super) fn is_word(token: &Token, word: &str) -> bool {
    match token {
        Token::Word(w) => w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word),
        _ => false,
    }
}

/// Whether an unquoted word is one of these keywords.
pub(super) fn is_keyword(token: &Token, keywords: &[Keyword]) -> bool {
    matches!(token, Token::Word(w) if w.quote_style.is_none() && keywords.contains(&w.keyword))
}

/// A span as a place in the statement.
pub(crate) fn position(span: Span) -> Position {
    let line = u32::try_from(span.start.line).unwrap_or(u32::MAX).max(1);
    let column = u32::try_from(span.start.column).unwrap_or(u32::MAX).max(1);
    let length = if span.end.line == span.start.line && span.end.column > span.start.column {
        u32::try_from(span.end.column - span.start.column).unwrap_or(1)
    } else {
        1
    };
    Position { line, column, length }
}

/// The bytes of a span.
pub(super) fn range(source: &str, span: Span) -> std::ops::Range<usize> {
    let start = offset(source, span.start);
    start..offset(source, span.end).max(start)
}

/// The byte at which a line and column (in characters, from 1) begin.
fn offset(source: &str, place: Location) -> usize {
    let mut line = 1;
    let mut column = 1;
    for (at, ch) in source.char_indices() {
        if line == place.line && column == place.column {
            return at;
        }
        if ch == '\n' {
            line += 1;
            column = 1;
        } else {
            column += 1;
        }
    }
    source.len()
}

/// Cuts ` at Line: 1, Column: 8` off the end of sqlparser's message.
fn split_place(text: &str) -> (&str, Option<Location>) {
    let place = || {
        let (message, place) = text.rsplit_once(" at Line: ")?;
        let (line, column) = place.split_once(", Column: ")?;
        let location = Location::new(line.trim().parse().ok()?, column.trim().parse().ok()?);
        Some((message, location))
    };
    match place() {
        Some((message, location)) => (message, Some(location)),
        None => (text, None),
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}
