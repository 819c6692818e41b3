//! Reading messages that are there as a whole.

use super::scanner::Scanner;
use super::{DEPTH_LIMIT, Kind, Malformed, VERSION, length};

/// What a message says in front of its struct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    /// The method.
    pub(crate) name: &'a [u8],
    /// It is an exception in place of an answer.
    pub(crate) is_exception: bool,
    /// The number of the call that it answers.
    pub(crate) sequence: i32,
}

/// Bytes that are being read, from the front.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    depth: usize,
}

impl<'a> Reader<'a> {
    /// Reads the header of an answer; the struct comes next.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn message(bytes: &'a [u8]) -> Result<(Message<'a>, Self), Malformed> {
        const REPLY: u32 = 2;
        const EXCEPTION: u32 = 3;
        let mut reader = Self { rest: bytes, depth: 0 };
        let header = u32::from_be_bytes(*reader.chunk()?);
        let kind = header ^ VERSION;
        if kind != REPLY && kind != EXCEPTION {
            return Err(Malformed("it is no answer in Thrift's binary protocol".to_owned()));
        }
        let message = Message {
            name: reader.binary()?,
            is_exception: kind == EXCEPTION,
            sequence: reader.i32()?,
        };
        Ok((message, reader))
    }

    /// How many bytes are left.
    pub(crate) const fn left(&self) -> usize {
        self.rest.len()
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(Malformed::cut_short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn chunk<const N: usize>(&mut self) -> Result<&'a [u8; N], Malformed> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(Malformed::cut_short)?;
        self.rest = rest;
        Ok(taken)
    }

    /// A byte.
    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.chunk::<1>()?[0])
    }

    /// A truth value.
    pub(crate) fn bool(&mut self) -> Result<bool, Malformed> {
        Ok(self.byte()? != 0)
    }

    /// 16 bits.
    pub(crate) fn i16(&mut self) -> Result<i16, Malformed> {
        Ok(i16::from_be_bytes(*self.chunk()?))
    }

    /// 32 bits.
    pub(crate) fn i32(&mut self) -> Result<i32, Malformed> {
        Ok(i32::from_be_bytes(*self.chunk()?))
    }

    /// 64 bits with a fraction.
    pub(crate) fn double(&mut self) -> Result<f64, Malformed> {
        Ok(f64::from_be_bytes(*self.chunk()?))
    }

    /// Text or bytes.
    pub(crate) fn binary(&mut self) -> Result<&'a [u8], Malformed> {
        let count = length(self.i32()?)?;
        self.take(count)
    }

    /// Text; what is no UTF-8 in it is replaced.
    pub(crate) fn text(&mut self) -> Result<String, Malformed> {
        Ok(String::from_utf8_lossy(self.binary()?).into_owned())
    }

    /// The beginning of a list or set: how many elements of that kind follow. There are bytes for each of them.
    pub(crate) fn list(&mut self, kind: Kind) -> Result<usize, Malformed> {
        let code = self.byte()?;
        let count = length(self.i32()?)?;
        if count == 0 {
            return Ok(0);
        }
        let found = Kind::of_code(code)?;
        if found != kind {
            return Err(Malformed(format!("a list of {kind:?} holds {found:?}")));
        }
        self.has(count, kind.least())?;
        Ok(count)
    }

    /// Numbers of `N` bytes each, the beginning of the list included.
    pub(crate) fn numbers<const N: usize>(&mut self, kind: Kind) -> Result<&'a [[u8; N]], Malformed> {
        let count = self.list(kind)?;
        // That they are there was just looked at: the product can't be too large.
        Ok(self.take(count * N)?.as_chunks().0)
    }

    /// The beginning of a map from texts: how many entries with values of that kind follow.
    pub(crate) fn map(&mut self, kind: Kind) -> Result<usize, Malformed> {
        let codes = *self.chunk::<2>()?;
        let count = length(self.i32()?)?;
        if count == 0 {
            return Ok(0);
        }
        if (Kind::of_code(codes[0])?, Kind::of_code(codes[1])?) != (Kind::Binary, kind) {
            return Err(Malformed(format!("a map of text to {kind:?} holds something else")));
        }
        self.has(count, Kind::Binary.least() + kind.least())?;
        Ok(count)
    }

    fn has(&self, count: usize, least: usize) -> Result<(), Malformed> {
        match count.checked_mul(least) {
            Some(bytes) if bytes <= self.rest.len() => Ok(()),
            _ => Err(Malformed::cut_short()),
        }
    }

    /// A struct: `take` gets every field and says whether it has read its value; what it has not is skipped.
    ///
    /// # Errors
    /// It is none, or `take` fails.
    pub(crate) fn structure(
        &mut self,
        mut take: impl FnMut(&mut Self, i16, Kind) -> Result<bool, Malformed>,
    ) -> Result<(), Malformed> {
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err(Malformed(format!("values are nested deeper than {DEPTH_LIMIT} levels")));
        }
        loop {
            let code = self.byte()?;
            if code == 0 {
                self.depth -= 1;
                return Ok(());
            }
            let kind = Kind::of_code(code)?;
            let id = self.i16()?;
            if !take(self, id, kind)? {
                self.skip(kind)?;
            }
        }
    }

    fn skip(&mut self, kind: Kind) -> Result<(), Malformed> {
        let end = Scanner::value(kind, self.rest, self.depth)?;
        self.take(end)?;
        Ok(())
    }
}
