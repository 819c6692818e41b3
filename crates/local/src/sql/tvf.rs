//! Window table functions, rewritten into subqueries before the parser sees them: no dialect of sqlparser reads
//! `TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR))`.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan, Whitespace};
use skep_engine::{EngineError, Result};

use super::reader::{is_keyword, is_word, position};

/// Replaces each `TUMBLE` over a table by a subquery with `window_start`, `window_end` and `window_time`. What is made
/// up carries the place of the word `TUMBLE`; what is copied keeps its own.
pub(super) fn rewrite(tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>> {
    if !tokens.iter().any(|t| window(&t.token).is_some()) {
        return Ok(tokens);
    }
    let tokens: Vec<TokenWithSpan> = tokens
        .into_iter()
        .filter(|t| {
            !matches!(
                t.token,
                Token::Whitespace(Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_))
            )
        })
        .collect();
    let mut out = Vec::with_capacity(tokens.len() + 64);
    let mut at = 0;
    while at < tokens.len() {
        match Call::read(&tokens, at)? {
            Some((call, next)) => {
                call.write(&mut out);
                at = next;
            }
            None => {
                out.push(tokens[at].clone());
                at += 1;
            }
        }
    }
    Ok(out)
}

/// The window table function of that name.
fn window(token: &Token) -> Option<&'static str> {
    ["TUMBLE", "HOP", "CUMULATE", "SESSION"]
        .into_iter()
        .find(|name| is_word(token, name))
}

/// A call of `TUMBLE`.
struct Call {
    span: Span,
    table: Vec<TokenWithSpan>,
    column: TokenWithSpan,
    size: Vec<TokenWithSpan>,
    offset: Vec<TokenWithSpan>,
}

impl Call {
    /// Reads a call that begins at that token, and says where it ends.
    fn read(tokens: &[TokenWithSpan], start: usize) -> Result<Option<(Self, usize)>> {
        let mut cursor = Cursor { tokens, at: start };
        let wrapped = cursor.is_next(|t| is_keyword(t, &[Keyword::TABLE]));
        if wrapped {
            cursor.take();
            if !cursor.is_next(|t| *t == Token::LParen) {
                return Ok(None);
            }
            cursor.take();
        }
        let Some(head) = cursor.take() else { return Ok(None) };
        let Some(name) = window(&head.token) else {
            return Ok(None);
        };
        let span = head.span;
        if !cursor.is_next(|t| *t == Token::LParen) {
            return Ok(None);
        }
        cursor.take();
        let over_table = cursor.is_next(|t| is_keyword(t, &[Keyword::TABLE]) || is_word(t, "DATA"))
            || cursor.is_next(|t| *t == Token::LParen);
        if !wrapped && !over_table {
            // A column or a grouped window function of that name: none of our business.
            return Ok(None);
        }
        if name != "TUMBLE" {
            return Err(
                EngineError::unsupported(format!("the embedded engine has no {name} windows, only TUMBLE"))
                    .at(position(span)),
            );
        }
        let arguments = cursor.arguments(span)?;
        if wrapped {
            cursor.expect(&Token::RParen, span)?;
        }
        Ok(Some((Self::from_arguments(span, arguments)?, cursor.at)))
    }

    fn from_arguments(span: Span, arguments: Vec<Vec<TokenWithSpan>>) -> Result<Self> {
        let mut named: [Option<Vec<TokenWithSpan>>; 4] = [None, None, None, None];
        for (n, argument) in arguments.into_iter().enumerate() {
            let (slot, value) = match argument.as_slice() {
                [name, arrow, value @ ..] if arrow.token == Token::RArrow => {
                    let slot = ["DATA", "TIMECOL", "SIZE", "OFFSET"]
                        .iter()
                        .position(|known| is_word(&name.token, known));
                    let slot = slot.ok_or_else(|| {
                        EngineError::rejected(format!("TUMBLE has no argument {}", name.token))
                            .at(position(name.span))
                            .hint("its arguments are DATA, TIMECOL, SIZE and OFFSET")
                    })?;
                    (slot, value.to_vec())
                }
                _ => (n, argument),
            };
            match named.get_mut(slot) {
                Some(place @ None) => *place = Some(value),
                _ => return Err(usage(span)),
            }
        }
        let [table, column, size, offset] = named;
        let (Some(table), Some(column), Some(size)) = (table, column, size) else {
            return Err(usage(span));
        };
        let table = match table.as_slice() {
            [keyword, name @ ..] if is_keyword(&keyword.token, &[Keyword::TABLE]) && !name.is_empty() => name.to_vec(),
            [open, ..] if open.token == Token::LParen => table,
            _ => return Err(usage(span)),
        };
        let column = match column.as_slice() {
            [word, open, column, close]
                if is_word(&word.token, "DESCRIPTOR")
                    && open.token == Token::LParen
                    && close.token == Token::RParen =>
            {
                column.clone()
            }
            _ => return Err(usage(span)),
        };
        if size.is_empty() {
            return Err(usage(span));
        }
        Ok(Self {
            span,
            table,
            column,
            size,
            offset: offset.unwrap_or_default(),
        })
    }

    /// `(SELECT *, date_bin(size, column) AS window_start, … FROM table)`.
    fn write(self, out: &mut Vec<TokenWithSpan>) {
        let made = |token: Token| TokenWithSpan::new(token, self.span);
        let word = |text: &str| made(Token::make_keyword(text));
        let space = || made(Token::Whitespace(Whitespace::Space));
        let start = |out: &mut Vec<TokenWithSpan>| {
            out.extend([word("date_bin"), made(Token::LParen)]);
            out.extend(self.size.iter().cloned());
            out.extend([made(Token::Comma), self.column.clone()]);
            if !self.offset.is_empty() {
                // The windows are aligned to the epoch, shifted by the offset.
                let epoch = Token::SingleQuotedString("1970-01-01 00:00:00".to_owned());
                out.extend([
                    made(Token::Comma),
                    word("TIMESTAMP"),
                    space(),
                    made(epoch),
                    made(Token::Plus),
                ]);
                out.extend(self.offset.iter().cloned());
            }
            out.push(made(Token::RParen));
        };
        let named = |out: &mut Vec<TokenWithSpan>, name: &str| out.extend([space(), word("AS"), space(), word(name)]);
        out.extend([
            made(Token::LParen),
            word("SELECT"),
            space(),
            made(Token::Mul),
            made(Token::Comma),
        ]);
        start(out);
        named(out, "window_start");
        for name in ["window_end", "window_time"] {
            out.push(made(Token::Comma));
            start(out);
            out.push(made(Token::Plus));
            out.extend(self.size.iter().cloned());
            if name == "window_time" {
                // The window's last instant: Flink's time attribute of a window.
                let millisecond = Token::SingleQuotedString("0.001".to_owned());
                out.extend([
                    made(Token::Minus),
                    word("INTERVAL"),
                    space(),
                    made(millisecond),
                    space(),
                    word("SECOND"),
                ]);
            }
            named(out, name);
        }
        out.extend([space(), word("FROM"), space()]);
        out.extend(self.table.iter().cloned());
        if self.table.first().is_some_and(|t| t.token == Token::LParen) {
            named(out, "window_input");
        }
        out.push(made(Token::RParen));
    }
}

fn usage(span: Span) -> EngineError {
    EngineError::rejected("TUMBLE takes a table, a time column and a size")
        .at(position(span))
        .hint("TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR))")
}

/// Walks over tokens, white space left out.
struct Cursor<'a> {
    tokens: &'a [TokenWithSpan],
    at: usize,
}

impl Cursor<'_> {
    fn skip_space(&mut self) {
        while matches!(self.tokens.get(self.at), Some(t) if matches!(t.token, Token::Whitespace(_))) {
            self.at += 1;
        }
    }

    fn is_next(&mut self, test: impl Fn(&Token) -> bool) -> bool {
        self.skip_space();
        self.tokens.get(self.at).is_some_and(|t| test(&t.token))
    }

    fn take(&mut self) -> Option<TokenWithSpan> {
        self.skip_space();
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn expect(&mut self, token: &Token, call: Span) -> Result<()> {
        match self.take() {
            Some(found) if found.token == *token => Ok(()),
            Some(found) if found.token != Token::EOF => Err(usage(found.span)),
            _ => Err(usage(call)),
        }
    }

    /// The arguments up to the closing parenthesis, which is taken too.
    fn arguments(&mut self, call: Span) -> Result<Vec<Vec<TokenWithSpan>>> {
        let mut arguments = vec![Vec::new()];
        let mut depth = 0_usize;
        loop {
            let Some(token) = self.take() else {
                return Err(usage(call));
            };
            match token.token {
                Token::EOF => return Err(usage(call)),
                Token::RParen if depth == 0 => return Ok(arguments),
                Token::Comma if depth == 0 => {
                    arguments.push(Vec::new());
                    continue;
                }
                Token::LParen => depth += 1,
                Token::RParen => depth -= 1,
                _ => {}
            }
            if let Some(argument) = arguments.last_mut() {
                argument.push(token);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::sql::Reader;

    fn parsed(sql: &str) -> String {
        Reader::new(sql).unwrap().parser.parse_query().unwrap().to_string()
    }

    const EXPECTED: &str = "SELECT * FROM (SELECT *, date_bin(INTERVAL '10' SECOND, ts) AS window_start, \
        date_bin(INTERVAL '10' SECOND, ts) + INTERVAL '10' SECOND AS window_end, \
        date_bin(INTERVAL '10' SECOND, ts) + INTERVAL '10' SECOND - INTERVAL '0.001' SECOND AS window_time FROM t)";

    #[test]
    fn tumble_becomes_a_subquery_in_every_spelling() {
        for sql in [
            "SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND))",
            "SELECT * FROM TABLE ( tumble ( TABLE t , -- comment\n DESCRIPTOR ( ts ) , INTERVAL '10' SECOND ) )",
            "SELECT * FROM TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND)",
            "SELECT * FROM TABLE(TUMBLE(DATA => TABLE t, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '10' SECOND))",
        ] {
            assert_eq!(parsed(sql), EXPECTED, "{sql}");
        }
    }

    #[test]
    fn an_alias_of_the_window_stays() {
        let sql = "SELECT w.a FROM TABLE(TUMBLE(TABLE c.d.t, DESCRIPTOR(`t s`), INTERVAL '1' HOUR)) AS w WHERE a > 1";
        let text = parsed(sql);
        assert!(text.contains("FROM c.d.t) AS w WHERE a > 1"), "{text}");
        assert!(text.contains("date_bin(INTERVAL '1' HOUR, `t s`)"), "{text}");
    }

    #[test]
    fn a_column_called_tumble_is_left_alone() {
        let sql = "SELECT tumble, TUMBLE(ts, INTERVAL '1' HOUR) FROM session";
        assert_eq!(parsed(sql), sql);
    }

    #[test]
    fn other_windows_are_refused_and_broken_calls_rejected() {
        let refused = |sql: &str| Reader::new(sql).err().unwrap().message;
        assert_eq!(
            refused("SELECT * FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND))"),
            "the embedded engine has no HOP windows, only TUMBLE"
        );
        for sql in [
            "SELECT * FROM TABLE(TUMBLE(TABLE t))",
            "SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR",
            "SELECT * FROM TABLE(TUMBLE(TABLE t, ts, INTERVAL '1' HOUR))",
            "SELECT * FROM TABLE(TUMBLE(",
        ] {
            assert_eq!(refused(sql), "TUMBLE takes a table, a time column and a size", "{sql}");
        }
    }
}
