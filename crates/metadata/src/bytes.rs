//! Numbers and texts out of bytes, as Java's `DataOutputStream` writes them: big-endian, lengths first.

use crate::error::{Error, Result};

/// Bytes that are read from the front. Whatever is asked for is there, or an error is given: nothing is taken on trust.
#[derive(Debug)]
pub(crate) struct Bytes<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Bytes<'a> {
    pub(crate) const fn new(all: &'a [u8]) -> Self {
        Self { all, at: 0 }
    }

    /// How many have been read.
    pub(crate) const fn offset(&self) -> u64 {
        self.at as u64
    }

    /// Whether all have been read.
    pub(crate) const fn is_empty(&self) -> bool {
        self.left() == 0
    }

    const fn left(&self) -> usize {
        self.all.len() - self.at
    }

    /// The next `length` bytes.
    pub(crate) fn take(&mut self, what: &'static str, length: u64) -> Result<&'a [u8]> {
        match usize::try_from(length) {
            Ok(length) if length <= self.left() => {
                let taken = &self.all[self.at..self.at + length];
                self.at += length;
                Ok(taken)
            }
            _ => Err(Error::Cut {
                offset: self.offset(),
                what,
                needed: length,
                left: self.left() as u64,
            }),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take("a number", N as u64)?);
        Ok(array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    /// The next byte, which stays.
    pub(crate) fn peek(&self) -> Result<u8> {
        Bytes { ..*self }.u8()
    }

    pub(crate) fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(crate) fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    pub(crate) fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// An `i64` that can't be negative.
    pub(crate) fn unsigned(&mut self, what: &'static str) -> Result<u64> {
        let offset = self.offset();
        let number = self.i64()?;
        u64::try_from(number).map_err(|_| Error::damaged(offset, format!("{what} {number}")))
    }

    /// An `i32` that can't be negative.
    pub(crate) fn unsigned32(&mut self, what: &'static str) -> Result<u32> {
        let offset = self.offset();
        let number = self.i32()?;
        u32::try_from(number).map_err(|_| Error::damaged(offset, format!("{what} {number}")))
    }

    /// How many items follow, each of at least so many bytes: never more than there can be.
    pub(crate) fn count(&mut self, what: &'static str, least: usize) -> Result<usize> {
        let offset = self.offset();
        let count = self.unsigned32(what)? as usize;
        self.fits(offset, what, count, least)?;
        Ok(count)
    }

    /// Says whether `count` items of at least so many bytes can follow.
    pub(crate) fn fits(&self, offset: u64, what: &'static str, count: usize, least: usize) -> Result<()> {
        if count > self.left() / least {
            return Err(Error::Cut {
                offset,
                what,
                needed: (count as u64).saturating_mul(least as u64),
                left: self.left() as u64,
            });
        }
        Ok(())
    }

    /// Bytes behind their `i32` length.
    pub(crate) fn block(&mut self, what: &'static str) -> Result<&'a [u8]> {
        let length = self.unsigned32(what)?;
        self.take(what, u64::from(length))
    }

    /// So many `i64`, which nobody needs.
    pub(crate) fn skip_longs(&mut self) -> Result<()> {
        let count = self.unsigned32("offsets")?;
        self.take("offsets", u64::from(count) * 8).map(drop)
    }

    /// A text behind its `u16` length, in Java's modified UTF-8.
    pub(crate) fn text(&mut self) -> Result<String> {
        let offset = self.offset();
        let length = self.u16()?;
        let text = self.take("a text", u64::from(length))?;
        modified_utf8(text).ok_or_else(|| Error::damaged(offset, "a text that is not in modified UTF-8"))
    }
}

/// Decodes Java's modified UTF-8: U+0000 is two bytes, and a character above U+FFFF two surrogates of three bytes each.
/// Halves of a pair, which Java lets stand alone, become U+FFFD.
fn modified_utf8(bytes: &[u8]) -> Option<String> {
    let special = |byte: &u8| matches!(byte, 0xC0 | 0xED);
    if !bytes.iter().any(special) {
        return String::from_utf8(bytes.to_vec()).ok();
    }
    let mut units = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, behind)) = rest.split_first() {
        let (bits, more) = match first {
            0..0x80 => (u16::from(first), 0),
            0xC0..0xE0 => (u16::from(first & 0x1F), 1),
            0xE0..0xF0 => (u16::from(first & 0x0F), 2),
            _ => return None,
        };
        let (tail, behind) = behind.split_at_checked(more)?;
        let mut unit = bits;
        for byte in tail {
            if byte & 0xC0 != 0x80 {
                return None;
            }
            unit = unit << 6 | u16::from(byte & 0x3F);
        }
        units.push(unit);
        rest = behind;
    }
    Some(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_s_own_utf_8_is_understood() {
        let text = |bytes: &[u8]| modified_utf8(bytes);
        assert_eq!(text(b"a\xC3\xA9").as_deref(), Some("aé"));
        assert_eq!(text(b"a\xC0\x80b").as_deref(), Some("a\0b"));
        assert_eq!(text(b"\xED\xA0\xBD\xED\xB0\x9D\xE2\x82\xAC").as_deref(), Some("🐝€"));
        assert_eq!(text(b"\xED\xA0\xBD!").as_deref(), Some("\u{FFFD}!"));
        assert_eq!(text(b"\xED\x95\x9C").as_deref(), Some("한"));
        for bad in [&b"\xC0"[..], b"\xED\xA0", b"\xC0\x41", b"\xFF", b"\xED\xA0\xBD\xF0"] {
            assert_eq!(text(bad), None, "{bad:02x?}");
        }
    }

    #[test]
    fn a_count_is_held_against_what_is_left() {
        let bytes = [0, 0, 0, 3, 1, 2, 3, 4, 5, 6];
        assert_eq!(Bytes::new(&bytes).count("items", 2), Ok(3));
        let error = Bytes::new(&bytes).count("items", 3).unwrap_err();
        assert_eq!(
            error.to_string(),
            "is cut or damaged at byte 0: items should take 9 bytes, and there are 6"
        );
        assert!(Bytes::new(&[0xFF; 4]).count("items", 1).is_err());
    }
}
