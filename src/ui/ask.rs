//! Questions to the person at the terminal.
//!
//! The answer is read from the terminal itself, a key at a time: text that was pasted or typed ahead of a command does
//! not answer its question, and Ctrl-C is an answer (no) instead of a signal that somebody else handles.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use unicode_width::UnicodeWidthChar;

use crate::ui::text;

/// An answer is no longer than this many bytes.
const LIMIT: usize = 4096;

/// The modes of a terminal that is being read from, to be put back.
pub(super) type Saved = Arc<Mutex<Option<(File, Termios)>>>;

/// Puts the terminal's modes back, if a question has changed them.
pub(super) fn restore(saved: &Saved) {
    if let Some((tty, modes)) = saved.lock().unwrap_or_else(PoisonError::into_inner).take() {
        // Nothing can be done about a terminal that is gone.
        let _ = tcsetattr(&tty, OptionalActions::Flush, &modes);
    }
}

/// Puts the modes back when the question is over, however it ends.
struct Restore<'a>(&'a Saved);

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        restore(self.0);
    }
}

/// Asks on the terminal at that path. `None`: Ctrl-C, Ctrl-D or the end of input.
///
/// # Errors
/// The terminal can't be opened, read or written.
pub(super) fn ask(path: &Path, question: &str, echo: bool, saved: &Saved) -> io::Result<Option<String>> {
    let mut tty = OpenOptions::new().read(true).write(true).open(path)?;
    let before = tcgetattr(&tty)?;
    let mut modes = before.clone();
    modes.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
    modes.special_codes[SpecialCodeIndex::VMIN] = 1;
    modes.special_codes[SpecialCodeIndex::VTIME] = 0;
    *saved.lock().unwrap_or_else(PoisonError::into_inner) = Some((tty.try_clone()?, before));
    let _restore = Restore(saved);
    tcsetattr(&tty, OptionalActions::Flush, &modes)?;
    tty.write_all(text::sanitize(question).as_bytes())?;
    let mut screen = tty.try_clone()?;
    let answer = read_answer(&mut tty, &mut screen, echo);
    screen.write_all(b"\n")?;
    answer
}

/// Reads keys up to Enter.
fn read_answer(keys: &mut dyn Read, screen: &mut dyn Write, echo: bool) -> io::Result<Option<String>> {
    let mut answer = String::new();
    // The bytes of a character that is not whole yet.
    let mut partial = Vec::new();
    let mut escape = Escape::None;
    let mut key = [0];
    loop {
        match keys.read(&mut key) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        let [key] = key;
        escape = escape.after(key);
        if escape != Escape::None {
            continue;
        }
        match key {
            b'\n' | b'\r' => return Ok(Some(answer)),
            0x03 => return Ok(None),
            0x04 if answer.is_empty() => return Ok(None),
            0x08 | 0x7f => erase(&mut answer, 1, screen, echo)?,
            0x15 => erase(&mut answer, usize::MAX, screen, echo)?,
            key if key < b' ' => {}
            key => {
                partial.push(key);
                match std::str::from_utf8(&partial) {
                    Ok(c) => {
                        if answer.len() + c.len() <= LIMIT && !c.chars().any(text::is_hidden) {
                            answer.push_str(c);
                            if echo {
                                screen.write_all(c.as_bytes())?;
                            }
                        }
                        partial.clear();
                    }
                    Err(error) if error.error_len().is_some() || partial.len() >= 4 => partial.clear(),
                    Err(_) => {}
                }
            }
        }
    }
}

/// Where in an escape sequence (an arrow key, say) the keys are; they are no part of an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escape {
    None,
    Started,
    Inside,
    /// The key at hand is the sequence's last.
    Ended,
}

impl Escape {
    const fn after(self, key: u8) -> Self {
        match (self, key) {
            (_, 0x1b) => Self::Started,
            // What ends an answer is never swallowed.
            (_, 0x03 | b'\r' | b'\n') | (Self::None | Self::Ended, _) => Self::None,
            (Self::Started, b'[' | b'O') => Self::Inside,
            (Self::Inside, b' '..=b'?') => Self::Inside,
            (Self::Started | Self::Inside, _) => Self::Ended,
        }
    }
}

fn erase(answer: &mut String, count: usize, screen: &mut dyn Write, echo: bool) -> io::Result<()> {
    for _ in 0..count {
        let Some(c) = answer.pop() else { break };
        if echo {
            for _ in 0..c.width().unwrap_or(0) {
                screen.write_all(b"\x08 \x08")?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(keys: &[u8], echo: bool) -> (Option<String>, String) {
        let mut screen = Vec::new();
        let answer = read_answer(&mut &*keys, &mut screen, echo).unwrap();
        (answer, String::from_utf8(screen).unwrap())
    }

    #[test]
    fn an_answer_ends_with_enter() {
        assert_eq!(answer(b"delays\nmore", true), (Some("delays".into()), "delays".into()));
        assert_eq!(answer("grün\r".as_bytes(), true).0, Some("grün".into()));
        assert_eq!(answer(b"secret\n", false), (Some("secret".into()), String::new()));
    }

    #[test]
    fn ctrl_c_ctrl_d_and_the_end_of_input_are_no_answer() {
        assert_eq!(answer(b"ye\x03", true).0, None);
        assert_eq!(answer(b"\x04", true).0, None);
        assert_eq!(answer(b"yes", true).0, None);
        assert_eq!(answer(b"\x1b[\x03", true).0, None);
    }

    #[test]
    fn keys_that_edit_are_no_part_of_it() {
        assert_eq!(
            answer("a漢\x7fb\n".as_bytes(), true),
            (Some("ab".into()), "a漢\x08 \x08\x08 \x08b".into())
        );
        assert_eq!(answer(b"wrong\x15right\n", false).0, Some("right".into()));
        assert_eq!(
            answer(b"a\x1b[A\x1b[1;5Cb\x1bOHc\x1bxd\x01\n", false).0,
            Some("abcd".into())
        );
        assert_eq!(answer(b"a\xff\xc3\x28b\n", false).0.as_deref(), Some("ab"));
    }

    #[test]
    fn a_password_is_not_shown_and_the_modes_are_put_back() {
        let pty = portable_pty::native_pty_system()
            .openpty(portable_pty::PtySize::default())
            .unwrap();
        let path = pty.master.tty_name().unwrap();
        let before = tcgetattr(File::open(&path).unwrap()).unwrap().local_modes;
        let mut reader = pty.master.try_clone_reader().unwrap();
        let mut keys = pty.master.take_writer().unwrap();
        let question = std::thread::spawn({
            let path = path.clone();
            move || ask(&path, "password: ", false, &Saved::default()).unwrap()
        });
        let mut screen = Vec::new();
        let mut read_until = |end: &str| {
            let mut chunk = [0; 64];
            while !String::from_utf8_lossy(&screen).ends_with(end) {
                let n = reader.read(&mut chunk).unwrap();
                screen.extend_from_slice(&chunk[..n]);
            }
            String::from_utf8_lossy(&screen).into_owned()
        };
        // The modes are set before the question is shown, so the answer may come once it is.
        read_until("password: ");
        keys.write_all(b"hunter2\r").unwrap();
        assert_eq!(question.join().unwrap().as_deref(), Some("hunter2"));
        assert_eq!(read_until("\r\n"), "password: \r\n");
        assert_eq!(tcgetattr(File::open(&path).unwrap()).unwrap().local_modes, before);
    }
}
