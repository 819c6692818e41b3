//! The writer of results.

use std::io::{self, Write};

use super::Ui;

/// So many bytes go to the system at once.
const CHUNK: usize = 64 * 1024;

/// A buffered writer to standard output. An error of kind [`io::ErrorKind::BrokenPipe`] says that the reader went away;
/// [`crate::error::Error`] made of it has the exit code 141.
///
/// What is written in one call goes out in one piece, so that lines stay whole beside messages. `flush` it to see its
/// last error; dropping it writes what is left.
pub struct Results {
    ui: Ui,
    buffer: Vec<u8>,
}

impl Results {
    pub(super) const fn new(ui: Ui) -> Self {
        Self { ui, buffer: Vec::new() }
    }

    fn drain(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let written = self.ui.write_out(&self.buffer);
        // Whatever came of it, it is not to be written again.
        self.buffer.clear();
        written
    }
}

impl Write for Results {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() >= CHUNK {
            self.drain()?;
            self.ui.write_out(bytes)?;
        } else {
            self.buffer.extend_from_slice(bytes);
            if self.buffer.len() >= CHUNK {
                self.drain()?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.drain()?;
        self.ui.flush_out()
    }
}

impl Drop for Results {
    fn drop(&mut self) {
        // An error can't be told from here; who wants to know it has flushed.
        let _ = self.flush();
    }
}
