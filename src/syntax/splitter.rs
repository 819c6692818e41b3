//! Splits what is typed, pasted or piped into statements and bang-commands, while it arrives.
//!
//! Text is fed in pieces of any size and pieces are taken out one by one; where the text was cut makes no difference to
//! them. Nothing behind the piece last taken has been looked at (but for an `&` behind its `;`), so the dialect may change
//! from piece to piece. What is kept is the statement that is not complete yet.

use skep_engine::Dialect;

use super::lexer::{Head, Open, Scan, Token, TokenKind, is_blank};
use super::statement_set::Block;
use super::{Place, Span};

/// Where the SQL begins in a bang-command whose tail is SQL, and therefore runs to a `;`, over lines if need be. It is
/// given the command's first line without the `!` (such as `restore %3 latest AS`) and answers with a byte offset into it,
/// or `None` if the command ends with the line. What stands before the SQL is never read as SQL: no `--` in a file's name
/// opens a comment.
pub type SqlTail = fn(&str) -> Option<usize>;

/// A part of the input. Every byte of the input is in exactly one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its bytes, counted from the beginning of the whole input; a statement's `;` (and `&`) is among them.
    pub span: Span,
    /// Where it begins.
    pub place: Place,
    /// What it is.
    pub input: Input,
}

/// What a piece is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Blanks, comments and empty statements.
    Trivia,
    /// A statement.
    Sql {
        /// From its first token to its last, without the `;` and the `&`. It begins where the piece does.
        text: String,
        /// An `&` was its last token before the `;`, or followed the `;` on the same line.
        background: bool,
    },
    /// A bang-command.
    Bang {
        /// Its name as typed, without the `!`.
        name: String,
        /// What follows the name, without blanks around it and without a last `;`.
        tail: String,
        /// Where the tail begins.
        tail_place: Place,
        /// As for a statement; only where the tail is SQL.
        background: bool,
    },
}

/// What the input has opened and not closed so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// What is open, the innermost.
    pub open: Open,
    /// Where it was opened.
    pub place: Place,
}

/// The incremental splitter.
///
/// ```
/// use skep::syntax::{Input, Splitter};
/// use skep_engine::Dialect;
///
/// let mut splitter = Splitter::new(Dialect::FLINK);
/// splitter.feed("SELECT ';'; SEL");
/// let piece = splitter.next_piece().expect("a whole statement was fed");
/// assert_eq!(piece.input, Input::Sql { text: "SELECT ';'".into(), background: false });
/// ```
#[derive(Debug, Clone)]
pub struct Splitter {
    dialect: Dialect,
    sql_tail: SqlTail,
    /// Text that no piece has taken, and up to as much that one has.
    buffer: String,
    /// Where the buffer begins in the whole input.
    base: usize,
    /// Where the next piece begins in the buffer.
    start: usize,
    /// The place of `start` in the whole input.
    place: Place,
    ended: bool,
    scan: Scan,
    /// Where the token that awaits more text begins.
    mark: Place,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Nothing but blanks, comments and `;`.
    Trivia,
    /// A bang-command's first line, looked at up to here.
    BangLine(usize),
    /// A statement, or the SQL of a bang-command.
    Statement(Statement),
    /// A statement and its `;`; blanks behind it have been looked at up to here.
    Closed(Statement, usize),
}

/// A statement that is being read. Offsets are into the buffer.
#[derive(Debug, Clone, Copy)]
struct Statement {
    /// The end of a bang-command's words before its SQL.
    bang: Option<usize>,
    head: Head,
    block: Block,
    /// Where the last token ends, and the one before it.
    last: usize,
    before_last: usize,
    ampersand: bool,
}

impl Statement {
    /// Words have no meaning any more up to the next `;`.
    fn is_plain(&self) -> bool {
        self.head == Head::Plain && self.block.is_plain()
    }

    /// Reads what is neither `;` nor `&` nor can begin a quote or a comment, without making tokens of it.
    fn skip(&mut self, bytes: &[u8], scan: &mut Scan) {
        let start = scan.start;
        scan.skip_plain(bytes);
        if let Some(last) = bytes[start..scan.start].iter().rposition(|byte| !is_blank(*byte)) {
            self.last = start + last + 1;
            self.ampersand = false;
        }
    }

    /// Takes the next token that is neither blank nor comment. A `;` can only be one within a statement set.
    fn note(&mut self, token: Token, bytes: &[u8]) {
        if token.kind != TokenKind::Semicolon {
            self.head.note(token, bytes);
            self.block.note(token, bytes);
        }
        self.before_last = self.last;
        self.last = token.span.end;
        self.ampersand = token.kind == TokenKind::Symbol && bytes[token.span.start] == b'&';
    }
}

impl Splitter {
    /// A splitter in which every bang-command ends with its line.
    pub fn new(dialect: Dialect) -> Self {
        Self::with_sql_tails(dialect, |_| None)
    }

    /// A splitter that asks `sql_tail` which bang-commands run to a `;`.
    pub fn with_sql_tails(dialect: Dialect, sql_tail: SqlTail) -> Self {
        Self {
            dialect,
            sql_tail,
            buffer: String::new(),
            base: 0,
            start: 0,
            place: Place::default(),
            ended: false,
            scan: Scan::at(0),
            mark: Place::default(),
            state: State::Trivia,
        }
    }

    /// Reads what follows by the rules of another dialect. To be called between pieces: after a `!connect`, say.
    pub fn set_dialect(&mut self, dialect: Dialect) {
        self.dialect = dialect;
    }

    /// Takes the next part of the input. A line that is to be run when it ends must be fed with its `\n`: until then an
    /// `&` might follow.
    pub fn feed(&mut self, text: &str) {
        self.ended = false;
        self.buffer.push_str(text);
    }

    /// Says that no more input comes: [`Self::next_piece`] then yields what is left, complete or not. Ask
    /// [`Self::pending`] before, to know which.
    pub fn finish(&mut self) {
        self.ended = true;
    }

    /// Forgets what is pending, as when a person gives up a line. Places go on from there.
    pub fn clear(&mut self) {
        let end = self.buffer.len();
        self.begin(end);
        self.scan = Scan::at(end);
        self.state = State::Trivia;
        self.drop_taken();
    }

    /// What is open, after all pieces have been taken; `None` if the input could end here. To be asked at the end of a
    /// line: a bang-command whose first line has not ended is not open.
    pub fn pending(&self) -> Option<Pending> {
        let inner = self
            .scan
            .open(self.buffer.as_bytes())
            .map(|open| Pending { open, place: self.mark });
        match &self.state {
            State::Trivia => inner,
            State::Statement(statement) => inner.or(Some(Pending {
                open: if statement.block.is_set() {
                    Open::StatementSet
                } else {
                    Open::Statement
                },
                place: self.place,
            })),
            State::BangLine(_) | State::Closed(..) => None,
        }
    }

    /// How many bytes are allocated for what has not been taken.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.buffer.capacity()
    }

    /// The next piece, or `None` if it is not complete.
    pub fn next_piece(&mut self) -> Option<Piece> {
        loop {
            match &mut self.state {
                State::Trivia => {
                    if let Some(found) = self.skip_trivia() {
                        return found;
                    }
                }
                State::BangLine(seen) => {
                    let newline = self.buffer.as_bytes()[*seen..].iter().position(|byte| *byte == b'\n');
                    if newline.is_none() && !self.ended {
                        *seen = self.buffer.len();
                        return None;
                    }
                    let end = newline.map_or(self.buffer.len(), |newline| *seen + newline);
                    if let Some(piece) = self.read_bang_line(end) {
                        return Some(piece);
                    }
                }
                State::Statement(statement) => {
                    let bytes = self.buffer.as_bytes();
                    if statement.is_plain() {
                        statement.skip(bytes, &mut self.scan);
                    }
                    let Some(token) = self
                        .scan
                        .next(bytes, &self.dialect, statement.head.is_bare(), self.ended)
                    else {
                        if self.ended {
                            let statement = *statement;
                            return Some(self.take(statement, statement.last, false));
                        }
                        self.mark = self
                            .mark
                            .after(&self.buffer[self.mark.offset - self.base..self.scan.start]);
                        return None;
                    };
                    if token.kind.is_trivia() {
                        continue;
                    }
                    if token.kind == TokenKind::Semicolon && statement.block.ends() {
                        self.state = State::Closed(*statement, token.span.end);
                    } else {
                        statement.note(token, bytes);
                    }
                }
                State::Closed(statement, seen) => {
                    let bytes = self.buffer.as_bytes();
                    let found = bytes[*seen..]
                        .iter()
                        .position(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | 0x0c));
                    if found.is_none() && !self.ended {
                        *seen = bytes.len();
                        return None;
                    }
                    let ampersand = found.map(|found| *seen + found).filter(|at| bytes[*at] == b'&');
                    let end = ampersand.map_or(self.scan.start, |at| at + 1);
                    let statement = *statement;
                    return Some(self.take(statement, end, ampersand.is_some()));
                }
            }
        }
    }

    /// Reads on to the first token that matters. `Some` is what [`Self::next_piece`] has to answer.
    fn skip_trivia(&mut self) -> Option<Option<Piece>> {
        loop {
            let bytes = self.buffer.as_bytes();
            let Some(token) = self.scan.next(bytes, &self.dialect, false, self.ended) else {
                if self.ended {
                    return Some(self.take_trivia(self.scan.start));
                }
                self.mark = self
                    .mark
                    .after(&self.buffer[self.mark.offset - self.base..self.scan.start]);
                return Some(None);
            };
            if token.kind.is_trivia() || matches!(token.kind, TokenKind::Hint | TokenKind::Semicolon) {
                continue;
            }
            let bang = bytes[token.span.start] == b'!';
            let trivia = self.take_trivia(token.span.start);
            self.state = if bang {
                State::BangLine(token.span.end)
            } else {
                let mut statement = self.open_statement(None, token.span.start);
                statement.note(token, self.buffer.as_bytes());
                State::Statement(statement)
            };
            return trivia.map(Some);
        }
    }

    fn open_statement(&self, bang: Option<usize>, at: usize) -> Statement {
        Statement {
            bang,
            head: Head::Start,
            block: Block::new(&self.dialect),
            last: at,
            before_last: at,
            ampersand: false,
        }
    }

    /// Takes a bang-command whose first line ends at `end`, or begins to read its SQL.
    fn read_bang_line(&mut self, end: usize) -> Option<Piece> {
        let name = self.start + 1;
        let line = &self.buffer[name..end];
        let line = line.strip_suffix('\r').unwrap_or(line);
        if let Some(offset) = (self.sql_tail)(line) {
            let words = &line[..line.floor_char_boundary(offset)];
            let last = name + words.trim_end().len();
            self.scan = Scan::at(name + words.len());
            self.state = State::Statement(self.open_statement(Some(last), last));
            return None;
        }
        let tail_end = name + line.trim_end().strip_suffix(';').unwrap_or(line).len();
        Some(self.take_piece(name + line.len(), self.bang(tail_end, false)))
    }

    /// Takes the statement that ends, with `;` and `&`, at `end`.
    fn take(&mut self, statement: Statement, end: usize, ampersand_behind: bool) -> Piece {
        // An `&` that is all there is stands for itself.
        let ampersand_within = statement.ampersand && statement.before_last > statement.bang.unwrap_or(self.start);
        let text_end = if ampersand_within {
            statement.before_last
        } else {
            statement.last
        };
        let background = ampersand_within || ampersand_behind;
        let input = match statement.bang {
            Some(_) => self.bang(text_end, background),
            None => Input::Sql {
                text: self.buffer[self.start..text_end].to_owned(),
                background,
            },
        };
        self.take_piece(end, input)
    }

    /// The bang-command at the start, whose tail ends at `end`.
    fn bang(&self, end: usize, background: bool) -> Input {
        let text = &self.buffer[self.start + 1..end];
        let name = &text[..text.find(|c: char| c.is_whitespace() || c == ';').unwrap_or(text.len())];
        let tail = text[name.len()..].trim_start();
        let tail_place = self.place.after(&self.buffer[self.start..end - tail.len()]);
        Input::Bang {
            name: name.to_owned(),
            tail: tail.trim_end().to_owned(),
            tail_place,
            background,
        }
    }

    /// Takes the blanks, comments and `;` up to `end`, if there are any.
    fn take_trivia(&mut self, end: usize) -> Option<Piece> {
        let span = Span::new(self.start, end);
        if span.is_empty() {
            return None;
        }
        let piece = Piece {
            span: span.shift(self.base),
            place: self.place,
            input: Input::Trivia,
        };
        self.begin(end);
        Some(piece)
    }

    fn take_piece(&mut self, end: usize, input: Input) -> Piece {
        let piece = Piece {
            span: Span::new(self.start, end).shift(self.base),
            place: self.place,
            input,
        };
        self.begin(end);
        self.scan = Scan::at(end);
        self.state = State::Trivia;
        self.drop_taken();
        piece
    }

    /// Makes `start` the beginning of the next piece.
    fn begin(&mut self, start: usize) {
        self.place = self.place.after(&self.buffer[self.start..start]);
        self.mark = self.place;
        self.start = start;
    }

    /// Frees the text of former pieces once it is half of the buffer, so that each byte is moved once on average.
    fn drop_taken(&mut self) {
        if self.start * 2 < self.buffer.len() {
            return;
        }
        self.buffer.drain(..self.start);
        self.buffer.shrink_to(self.buffer.len().max(KEPT_CAPACITY));
        self.base += self.start;
        self.start = 0;
        self.scan = Scan::at(0);
    }
}

/// What the buffer may keep allocated when it holds less, in bytes.
const KEPT_CAPACITY: usize = 1 << 16;
