//! Bytes that arrive in pieces, as text.

/// The bytes are not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset} of the input is not UTF-8: convert the file, for instance with `iconv -t UTF-8`")]
pub struct NotUtf8 {
    /// How many valid bytes come before it.
    pub offset: usize,
}

/// Makes text of bytes that may be cut inside a character.
#[derive(Debug, Clone, Default)]
pub struct Utf8Decoder {
    /// The first bytes of a character whose end has not come yet; at most three.
    incomplete: Vec<u8>,
    /// Valid bytes so far.
    offset: usize,
}

impl Utf8Decoder {
    /// The text of `bytes` and of what was left over before. An incomplete character at the end is kept for next time.
    ///
    /// # Errors
    /// A byte can't be part of any character.
    pub fn decode(&mut self, bytes: &[u8]) -> Result<String, NotUtf8> {
        let mut all = std::mem::take(&mut self.incomplete);
        all.extend_from_slice(bytes);
        match String::from_utf8(all) {
            Ok(text) => {
                self.offset += text.len();
                Ok(text)
            }
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let offset = self.offset + valid;
                if error.utf8_error().error_len().is_some() {
                    return Err(NotUtf8 { offset });
                }
                let mut all = error.into_bytes();
                self.incomplete = all.split_off(valid);
                self.offset = offset;
                String::from_utf8(all).map_err(|_| NotUtf8 { offset })
            }
        }
    }

    /// Says that no more bytes come.
    ///
    /// # Errors
    /// The last character is incomplete.
    pub fn finish(self) -> Result<(), NotUtf8> {
        if self.incomplete.is_empty() {
            Ok(())
        } else {
            Err(NotUtf8 { offset: self.offset })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_may_be_cut() {
        let text = "añ漢😀";
        for cut in 0..=text.len() {
            let (head, tail) = text.as_bytes().split_at(cut);
            let mut decoder = Utf8Decoder::default();
            let joined = decoder.decode(head).unwrap() + &decoder.decode(tail).unwrap();
            assert_eq!(joined, text);
            assert_eq!(decoder.finish(), Ok(()));
        }
    }

    #[test]
    fn what_is_not_utf8_is_said_with_its_place() {
        let mut decoder = Utf8Decoder::default();
        assert_eq!(decoder.decode("ä".as_bytes()).unwrap(), "ä");
        assert_eq!(decoder.decode(b"b\xffc"), Err(NotUtf8 { offset: 3 }));
        let mut cut = Utf8Decoder::default();
        assert_eq!(cut.decode(b"a\xe6").unwrap(), "a");
        assert_eq!(cut.finish(), Err(NotUtf8 { offset: 1 }));
    }
}
