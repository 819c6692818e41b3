//! Tokens with byte spans, by the rules of a [`Dialect`]. Every byte belongs to exactly one token, and every text can be
//! lexed: what is not closed is a token like any other, and said to be open.

use skep_engine::{Dialect, DoubleQuote};

use super::Span;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// Blanks and line ends; a byte order mark too.
    Whitespace,
    /// `-- …` (and `# …`), without the line end.
    LineComment,
    /// `/* … */`.
    BlockComment,
    /// `/*+ … */`: a comment that the planner reads.
    Hint,
    /// A keyword or an identifier without quotes.
    Word,
    /// A number.
    Number,
    /// A string, with its quotes.
    String,
    /// A quoted identifier, with its quotes.
    Identifier,
    /// `${…}`.
    Variable,
    /// Text that some statements take as it stands: the path of `ADD JAR`, the value of `SET`.
    Bare,
    /// `;`.
    Semicolon,
    /// Any other character.
    Symbol,
}

impl TokenKind {
    /// Blanks and comments, but not hints.
    pub const fn is_trivia(self) -> bool {
        matches!(self, Self::Whitespace | Self::LineComment | Self::BlockComment)
    }
}

/// A token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it stands.
    pub span: Span,
}

/// What a text has opened and not closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Open {
    /// A string.
    String,
    /// A quoted identifier.
    Identifier,
    /// A comment or hint between `/*` and `*/`.
    Comment,
    /// A statement set that no `END;` has closed.
    StatementSet,
    /// A statement without its `;`.
    Statement,
}

/// The tokens of a text, which may hold several statements.
#[derive(Debug, Clone)]
pub struct Lexer<'a> {
    text: &'a str,
    dialect: Dialect,
    scan: Scan,
    head: Head,
    open: Option<Open>,
}

impl<'a> Lexer<'a> {
    /// Reads `text` from its beginning.
    pub fn new(text: &'a str, dialect: &Dialect) -> Self {
        Self {
            text,
            dialect: *dialect,
            scan: Scan::at(0),
            head: Head::Start,
            open: None,
        }
    }

    /// What the last token left open, once all tokens have been taken.
    pub fn open(&self) -> Option<Open> {
        self.open
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let bytes = self.text.as_bytes();
        let token = self.scan.next(bytes, &self.dialect, self.head.is_bare(), true)?;
        self.open = self.scan.left_open;
        if token.kind == TokenKind::Semicolon {
            self.head = Head::Start;
        } else if !token.kind.is_trivia() {
            self.head.note(token, bytes);
        }
        Some(token)
    }
}

/// All tokens of `text` but blanks and comments.
pub fn significant<'a>(text: &'a str, dialect: &Dialect) -> impl Iterator<Item = Token> + 'a {
    Lexer::new(text, dialect).filter(|token| !token.kind.is_trivia())
}

/// The first words of a statement, as far as they decide how the rest is lexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Head {
    /// No word yet.
    Start,
    /// `ADD`, `REMOVE`, `DELETE`, `LIST`.
    Resource,
    /// `ADD JAR` and its like, or `SET`: what follows may stand without quotes.
    Bare,
    /// Any other statement.
    Plain,
}

impl Head {
    pub(super) fn is_bare(self) -> bool {
        self == Self::Bare
    }

    /// Takes the next token that is neither blank nor comment.
    pub(super) fn note(&mut self, token: Token, bytes: &[u8]) {
        let is = |words: &[&str]| {
            token.kind == TokenKind::Word
                && words
                    .iter()
                    .any(|word| bytes[token.span.start..token.span.end].eq_ignore_ascii_case(word.as_bytes()))
        };
        *self = match self {
            Self::Start if is(&["SET"]) => Self::Bare,
            Self::Start if is(&["ADD", "REMOVE", "DELETE", "LIST"]) => Self::Resource,
            Self::Resource if is(&["JAR", "JARS", "FILE", "FILES", "ARCHIVE", "ARCHIVES"]) => Self::Bare,
            Self::Bare => Self::Bare,
            _ => Self::Plain,
        };
    }
}

/// The inside of a token that is being read.
#[derive(Debug, Clone, Copy)]
enum Body {
    /// Nothing is known of it yet.
    Undecided,
    /// One character.
    Single(TokenKind),
    /// A run of characters of one class.
    Run(TokenKind),
    Line,
    Block {
        depth: usize,
        kind: TokenKind,
    },
    Quoted {
        quote: u8,
        kind: TokenKind,
        backslash: bool,
    },
    /// `$tag` whose second `$` has not been seen.
    DollarTag,
    Dollar {
        tag: usize,
    },
    Variable,
}

/// Reads token after token from a buffer that may grow. It remembers how far it has looked into an unfinished token, so
/// that no byte is looked at again for every piece of text that arrives.
#[derive(Debug, Clone)]
pub(super) struct Scan {
    /// Where the token begins.
    pub(super) start: usize,
    at: usize,
    body: Body,
    /// What the token returned last left open; only at the end of the text.
    left_open: Option<Open>,
}

impl Scan {
    pub(super) fn at(start: usize) -> Self {
        Self {
            start,
            at: start,
            body: Body::Undecided,
            left_open: None,
        }
    }

    /// What is open inside the unfinished token.
    pub(super) fn open(&self, bytes: &[u8]) -> Option<Open> {
        match self.body {
            // A closing quote that might yet be doubled.
            Body::Quoted { quote, .. } if bytes.get(self.at) == Some(&quote) => None,
            Body::Quoted {
                kind: TokenKind::Identifier,
                ..
            } => Some(Open::Identifier),
            Body::Quoted { .. } | Body::Dollar { .. } => Some(Open::String),
            Body::Block { .. } => Some(Open::Comment),
            _ => None,
        }
    }

    /// The next token, or `None` if more text is needed to know it. If the text has `ended`, none is needed.
    pub(super) fn next(&mut self, bytes: &[u8], dialect: &Dialect, bare: bool, ended: bool) -> Option<Token> {
        if matches!(self.body, Body::Undecided) {
            self.begin(bytes, dialect, bare, ended)?;
        }
        let closed = match self.body {
            Body::Undecided => None,
            Body::Single(kind) => Some((kind, self.start + 1)),
            Body::Run(kind) => self.run(bytes, kind, ended),
            Body::Line => self
                .seek(bytes, ended, |byte| byte == b'\n')
                .map(|end| (TokenKind::LineComment, end)),
            Body::Block { depth, kind } => self.block(bytes, depth, kind, dialect.nested_comments),
            Body::Quoted { quote, kind, backslash } => self.quoted(bytes, quote, kind, backslash, ended),
            Body::DollarTag => self.dollar_tag(bytes, ended),
            Body::Dollar { tag } => self.dollar(bytes, tag),
            Body::Variable => self.variable(bytes, ended),
        };
        let (kind, end) = match closed {
            Some(closed) => closed,
            None if !ended => return None,
            None => {
                self.left_open = match self.body {
                    Body::Block { .. } => Some(Open::Comment),
                    Body::Quoted {
                        kind: TokenKind::Identifier,
                        ..
                    } => Some(Open::Identifier),
                    _ => Some(Open::String),
                };
                let kind = match self.body {
                    Body::Block { kind, .. } | Body::Quoted { kind, .. } => kind,
                    _ => TokenKind::String,
                };
                (kind, bytes.len())
            }
        };
        let span = Span::new(self.start, end);
        self.start = end;
        self.at = end;
        self.body = Body::Undecided;
        Some(Token { kind, span })
    }

    /// Goes on, if it is not inside a token, to the next character that might not stand for itself.
    pub(super) fn skip_plain(&mut self, bytes: &[u8]) {
        if !matches!(self.body, Body::Undecided) {
            return;
        }
        let mut at = self.start;
        while let Some(found) = bytes[at..].iter().position(|byte| SPECIAL[usize::from(*byte)]) {
            at += found;
            // Inside of a word a dollar is a letter.
            if bytes[at] != b'$' || at == 0 || !is_word(bytes[at - 1]) {
                *self = Self::at(at);
                return;
            }
            at += 1;
        }
        *self = Self::at(bytes.len());
    }

    /// Decides by the first characters what the token is.
    fn begin(&mut self, bytes: &[u8], dialect: &Dialect, bare: bool, ended: bool) -> Option<()> {
        let first = *bytes.get(self.start)?;
        let second = bytes.get(self.start + 1).copied();
        let unknown = second.is_none() && !ended;
        let quoted = |quote, kind, backslash| Body::Quoted { quote, kind, backslash };
        let (body, skip) = match first {
            b' ' | b'\n' | b'\r' | b'\t' | 0x0b | 0x0c => (Body::Run(TokenKind::Whitespace), 1),
            0xef if bytes[self.start..].starts_with(BYTE_ORDER_MARK) => (Body::Run(TokenKind::Whitespace), 3),
            b';' => (Body::Single(TokenKind::Semicolon), 1),
            b'\'' => (quoted(first, TokenKind::String, dialect.backslash_escapes), 1),
            b'"' if dialect.double_quote == DoubleQuote::String => {
                (quoted(first, TokenKind::String, dialect.backslash_escapes), 1)
            }
            b'"' | b'`' => (quoted(first, TokenKind::Identifier, false), 1),
            b'-' | b'/' | b'$' if unknown => return None,
            b'-' if second == Some(b'-') => (Body::Line, 2),
            b'/' if second == Some(b'*') => {
                let third = bytes.get(self.start + 2);
                if third.is_none() && !ended {
                    return None;
                }
                let hint = third == Some(&b'+');
                let kind = if hint { TokenKind::Hint } else { TokenKind::BlockComment };
                (Body::Block { depth: 1, kind }, 2)
            }
            b'#' if dialect.hash_comments => (Body::Line, 1),
            _ if bare => match first {
                b'=' => (Body::Single(TokenKind::Symbol), 1),
                _ => (Body::Run(TokenKind::Bare), 1),
            },
            b'$' if second == Some(b'{') => (Body::Variable, 2),
            b'$' if dialect.dollar_quotes && second.is_some_and(|byte| byte == b'$' || is_word_start(byte)) => {
                (Body::DollarTag, 1)
            }
            b'0'..=b'9' => (Body::Run(TokenKind::Number), 1),
            _ if is_word_start(first) => (Body::Run(TokenKind::Word), 1),
            _ => (Body::Single(TokenKind::Symbol), 1),
        };
        self.body = body;
        self.at = self.start + skip;
        Some(())
    }

    /// The first byte from here on of which `stop` is true, or the end of the text if it has ended.
    fn seek(&mut self, bytes: &[u8], ended: bool, stop: impl Fn(u8) -> bool) -> Option<usize> {
        match bytes[self.at..].iter().position(|byte| stop(*byte)) {
            Some(found) => Some(self.at + found),
            None if ended => Some(bytes.len()),
            None => {
                self.at = bytes.len();
                None
            }
        }
    }

    fn run(&mut self, bytes: &[u8], kind: TokenKind, ended: bool) -> Option<(TokenKind, usize)> {
        let end = match kind {
            TokenKind::Whitespace => self.seek(bytes, ended, |byte| !is_blank(byte)),
            TokenKind::Number => self.seek(bytes, ended, |byte| !is_word(byte) && byte != b'.'),
            TokenKind::Word => self.seek(bytes, ended, |byte| !is_word(byte)),
            _ => self.seek(bytes, ended, |byte| {
                is_blank(byte) || matches!(byte, b';' | b'=' | b'\'' | b'"' | b'`')
            }),
        }?;
        let ampersand = kind == TokenKind::Bare && &bytes[self.start..end] == b"&";
        Some((if ampersand { TokenKind::Symbol } else { kind }, end))
    }

    fn quoted(
        &mut self,
        bytes: &[u8],
        quote: u8,
        kind: TokenKind,
        backslash: bool,
        ended: bool,
    ) -> Option<(TokenKind, usize)> {
        let stop = |byte: &u8| *byte == quote || (backslash && *byte == b'\\');
        let mut at = self.at;
        while let Some(found) = bytes.get(at..).and_then(|rest| rest.iter().position(stop)) {
            at += found;
            match bytes.get(at + 1) {
                None if bytes[at] == quote && ended => return Some((kind, at + 1)),
                None => {
                    self.at = at;
                    return None;
                }
                Some(next) if bytes[at] == quote && *next != quote => return Some((kind, at + 1)),
                Some(_) => at += 2,
            }
        }
        self.at = bytes.len();
        None
    }

    fn block(&mut self, bytes: &[u8], mut depth: usize, kind: TokenKind, nested: bool) -> Option<(TokenKind, usize)> {
        let mut at = self.at;
        while let Some(found) = bytes[at..]
            .iter()
            .position(|byte| *byte == b'*' || (nested && *byte == b'/'))
        {
            at += found;
            match (bytes[at], bytes.get(at + 1)) {
                (_, None) => {
                    self.at = at;
                    self.body = Body::Block { depth, kind };
                    return None;
                }
                (b'*', Some(b'/')) => {
                    depth -= 1;
                    at += 2;
                    if depth == 0 {
                        return Some((kind, at));
                    }
                }
                (b'/', Some(b'*')) => {
                    depth += 1;
                    at += 2;
                }
                _ => at += 1,
            }
        }
        self.at = bytes.len();
        self.body = Body::Block { depth, kind };
        None
    }

    fn dollar_tag(&mut self, bytes: &[u8], ended: bool) -> Option<(TokenKind, usize)> {
        let end = self.seek(bytes, ended, |byte| byte == b'$' || !is_word(byte))?;
        if bytes.get(end) != Some(&b'$') {
            return Some((TokenKind::Symbol, self.start + 1));
        }
        let tag = end + 1 - self.start;
        self.at = end + 1;
        self.body = Body::Dollar { tag };
        self.dollar(bytes, tag)
    }

    fn dollar(&mut self, bytes: &[u8], tag: usize) -> Option<(TokenKind, usize)> {
        let tag = &bytes[self.start..self.start + tag];
        let mut at = self.at;
        while let Some(found) = bytes[at..].iter().position(|byte| *byte == b'$') {
            at += found;
            let rest = &bytes[at..];
            if rest.starts_with(tag) {
                return Some((TokenKind::String, at + tag.len()));
            }
            if tag.starts_with(rest) {
                self.at = at;
                return None;
            }
            at += 1;
        }
        self.at = bytes.len();
        None
    }

    fn variable(&mut self, bytes: &[u8], ended: bool) -> Option<(TokenKind, usize)> {
        let end = self.seek(bytes, ended, |byte| {
            matches!(byte, b'}' | b'\n' | b';' | b'\'' | b'"' | b'`' | b'$')
        })?;
        match bytes.get(end) {
            Some(b'}') => Some((TokenKind::Variable, end + 1)),
            _ => Some((TokenKind::Symbol, self.start + 1)),
        }
    }
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The characters that end a statement or can begin a quote, a comment or a variable, and `&`.
const SPECIAL: [bool; 256] = {
    let mut special = [false; 256];
    let characters = b";'\"`-/#$&";
    let mut index = 0;
    while index < characters.len() {
        special[characters[index] as usize] = true;
        index += 1;
    }
    special
};

pub(super) const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | 0x0b | 0x0c)
}

const fn is_word_start(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80..)
}

const fn is_word(byte: u8) -> bool {
    is_word_start(byte) || matches!(byte, b'0'..=b'9' | b'$')
}
