//! Where a value ends, found without reading it, also while its bytes are still arriving.

use super::{DEPTH_LIMIT, Kind, Malformed, length};

/// What is open around the place that has been reached.
#[derive(Debug, Clone, Copy)]
enum Open {
    /// The header of a message; its struct follows.
    Message,
    /// A struct: a field or its end follows.
    Struct,
    /// A list or set with so many elements to come.
    List(Kind, usize),
    /// A map with so many entries to come.
    Map(Kind, Kind, usize),
}

/// Finds the end of a value. It stops at a place where bytes are missing and goes on from there when they have come, so
/// that no byte is looked at twice.
#[derive(Debug)]
pub(crate) struct Scanner {
    at: usize,
    open: Vec<Open>,
    limit: usize,
}

impl Scanner {
    /// Of a message of up to `limit` bytes.
    pub(crate) fn message(limit: usize) -> Self {
        Self {
            at: 0,
            open: vec![Open::Message],
            limit,
        }
    }

    /// Of a value of that kind.
    ///
    /// # Errors
    /// It is nested too deep.
    pub(super) fn value(kind: Kind, bytes: &[u8], depth: usize) -> Result<usize, Malformed> {
        let mut scanner = Self {
            at: 0,
            open: vec![Open::List(kind, 1)],
            limit: bytes.len(),
        };
        // The list of one element around it is not there: it takes no level.
        let left = DEPTH_LIMIT.saturating_sub(depth) + 1;
        scanner.go(bytes, left)?.ok_or_else(Malformed::cut_short)
    }

    /// The end of the message in these bytes, which begin with it; none if it has not come yet. Each call gives the bytes
    /// of the call before and those that have come since.
    ///
    /// # Errors
    /// It is no message, or one that is too long.
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        self.go(bytes, DEPTH_LIMIT)
    }

    fn go(&mut self, bytes: &[u8], depth: usize) -> Result<Option<usize>, Malformed> {
        while let Some(open) = self.open.pop() {
            if self.open.len() > depth {
                return Err(Malformed(format!("values are nested deeper than {DEPTH_LIMIT} levels")));
            }
            let before = self.at;
            if !self.step(open, bytes)? {
                // The whole step is made again when more bytes are there.
                self.at = before;
                self.open.push(open);
                return Ok(None);
            }
            if self.at > self.limit {
                return Err(Malformed(format!("it is longer than {} bytes", self.limit)));
            }
        }
        Ok((self.at <= bytes.len()).then_some(self.at))
    }

    /// Goes on by one token; false if bytes are missing. What is open is pushed back by whoever is not done with it.
    fn step(&mut self, open: Open, bytes: &[u8]) -> Result<bool, Malformed> {
        match open {
            Open::Message => {
                let Some(name) = self.take(bytes, 8).map(|header| int(&header[4..])) else {
                    return Ok(false);
                };
                self.at += length(name)? + 4;
                self.open.push(Open::Struct);
            }
            Open::Struct => {
                let Some(&code) = bytes.get(self.at) else {
                    return Ok(false);
                };
                self.at += 1;
                if code != 0 {
                    self.at += 2;
                    self.open.push(Open::Struct);
                    self.open.push(Open::List(Kind::of_code(code)?, 1));
                }
            }
            Open::List(_, 0) | Open::Map(_, _, 0) => {}
            Open::List(kind, count) if kind.is_fixed() => self.jump(kind.least(), count)?,
            Open::List(kind, count) => {
                self.open.push(Open::List(kind, count - 1));
                return self.enter(kind, bytes);
            }
            // As many as are announced are not gone through before a byte of them has come.
            Open::Map(key, value, count) if key.is_fixed() && value.is_fixed() => {
                self.jump(key.least() + value.least(), count)?;
            }
            Open::Map(key, value, count) => {
                self.open.push(Open::Map(key, value, count - 1));
                self.open.push(Open::List(value, 1));
                self.open.push(Open::List(key, 1));
            }
        }
        Ok(true)
    }

    /// The beginning of a value that is not of a fixed size.
    fn enter(&mut self, kind: Kind, bytes: &[u8]) -> Result<bool, Malformed> {
        let entered = match kind {
            Kind::Struct => Some(Open::Struct),
            Kind::Map => match self.take(bytes, 6) {
                Some(header) => {
                    let count = length(int(&header[2..]))?;
                    match count {
                        // The types of an empty map may be left out.
                        0 => None,
                        _ => Some(Open::Map(Kind::of_code(header[0])?, Kind::of_code(header[1])?, count)),
                    }
                }
                None => return Ok(self.undo()),
            },
            Kind::Set | Kind::List => match self.take(bytes, 5) {
                Some(header) => {
                    let count = length(int(&header[1..]))?;
                    match count {
                        0 => None,
                        _ => Some(Open::List(Kind::of_code(header[0])?, count)),
                    }
                }
                None => return Ok(self.undo()),
            },
            _ => match self.take(bytes, 4) {
                Some(header) => {
                    self.at += length(int(header))?;
                    None
                }
                None => return Ok(self.undo()),
            },
        };
        self.open.extend(entered);
        Ok(true)
    }

    /// Takes back what the list around has noted of an element that has not come yet.
    fn undo(&mut self) -> bool {
        self.open.pop();
        false
    }

    fn jump(&mut self, size: usize, count: usize) -> Result<(), Malformed> {
        let end = size.checked_mul(count).and_then(|bytes| self.at.checked_add(bytes));
        self.at = end.ok_or_else(|| Malformed("a length is too large".to_owned()))?;
        Ok(())
    }

    fn take<'a>(&mut self, bytes: &'a [u8], count: usize) -> Option<&'a [u8]> {
        let taken = bytes.get(self.at..self.at + count)?;
        self.at += count;
        Some(taken)
    }
}

/// The first four bytes as a number.
fn int(bytes: &[u8]) -> i32 {
    bytes
        .first_chunk()
        .map_or(0, |bytes: &[u8; 4]| i32::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reply with a field that is a map of so many entries of those types.
    fn map(key: u8, value: u8, count: u32, entries: &[u8]) -> Vec<u8> {
        let mut message = b"\x80\x01\0\x02\0\0\0\0\0\0\0\x01\x0d\0\x01".to_vec();
        message.extend([key, value]);
        message.extend(count.to_be_bytes());
        message.extend(entries);
        message
    }

    /// It would take minutes to go through them.
    #[test]
    fn entries_that_were_announced_and_have_not_come_are_not_gone_through() {
        const MOST: u32 = i32::MAX as u32;
        let message = map(2, 2, MOST, b"");
        assert_eq!(Scanner::message(usize::MAX).advance(&message), Ok(None));
        let error = Scanner::message(1 << 20).advance(&message).unwrap_err();
        assert!(error.to_string().contains("longer than"), "{error}");
    }

    #[test]
    fn a_map_of_numbers_ends_behind_its_last_entry() {
        let message = map(3, 6, 2, b"\x01\0\x02\x03\0\x04\0");
        let whole = message.len();
        assert_eq!(Scanner::message(1 << 20).advance(&message), Ok(Some(whole)));
        let mut scanner = Scanner::message(1 << 20);
        for end in 0..whole {
            assert_eq!(scanner.advance(&message[..end]), Ok(None), "{end}");
        }
        assert_eq!(scanner.advance(&message), Ok(Some(whole)));
    }
}
