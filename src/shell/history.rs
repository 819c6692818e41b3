//! What was typed before, in a file that all shells of a user share.
//!
//! An entry is a line of the file: `\` is written `\\` and a line end `\n`. Entries are only ever appended, each by one
//! write, so that shells that write at the same time lose nothing; a shell reads what others have appended before each
//! prompt. What stands twice is kept once, where it stood last.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// How many entries are kept in memory, and in the file when it is written anew.
pub const LIMIT: usize = 10_000;

/// A file of more bytes is written anew when a shell starts. Of a longer one only so much is read, from its end.
const FILE_LIMIT: u64 = 4 << 20;

/// The history.
#[derive(Debug)]
pub struct History {
    path: PathBuf,
    /// Oldest first, each once.
    entries: Vec<String>,
    /// How much of the file has been read.
    read: u64,
}

impl History {
    /// Reads the file, if there is one.
    pub fn open(path: &Path) -> Self {
        let mut history = Self {
            path: path.to_owned(),
            entries: Vec::new(),
            read: 0,
        };
        let length = history.length();
        history.read = length.saturating_sub(FILE_LIMIT);
        history.refresh();
        if length > FILE_LIMIT {
            // What could not be shortened stays as it is.
            let _ = history.rewrite();
        }
        history
    }

    /// The entries, oldest first.
    pub fn entries(&self) -> &[String] {
        &self.entries
    }

    /// Reads what other shells have appended. Says whether there was anything.
    pub fn refresh(&mut self) -> bool {
        let length = self.length();
        if length < self.read {
            // Another shell has written it anew, and shorter.
            self.read = 0;
        }
        if length == self.read {
            return false;
        }
        let Ok(text) = self.read_from(self.read) else {
            return false;
        };
        // An entry that is being written has no line end yet.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let cut = self.read > 0 && self.entries.is_empty();
        self.read += whole as u64;
        // If the beginning was left out, the first line is a part of one.
        for line in text[..whole].lines().skip(usize::from(cut)) {
            self.push(unescape(line));
        }
        true
    }

    /// Adds an entry to memory and file. One that begins with a blank is not kept.
    ///
    /// # Errors
    /// It could not be written; in memory it is kept.
    pub fn add(&mut self, entry: &str) -> io::Result<()> {
        if entry.trim().is_empty() || entry.starts_with([' ', '\t']) {
            return Ok(());
        }
        self.refresh();
        if self.entries.last().is_some_and(|last| last == entry) {
            return Ok(());
        }
        self.push(entry.to_owned());
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.path)?;
        let line = format!("{}\n", escape(entry));
        file.write_all(line.as_bytes())?;
        if file.metadata()?.len() == self.read + line.len() as u64 {
            self.read += line.len() as u64;
        }
        Ok(())
    }

    fn push(&mut self, entry: String) {
        if let Some(place) = self.entries.iter().rposition(|known| *known == entry) {
            self.entries.remove(place);
        }
        if self.entries.len() == LIMIT {
            self.entries.remove(0);
        }
        self.entries.push(entry);
    }

    fn length(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len())
    }

    fn read_from(&self, start: u64) -> io::Result<String> {
        let mut file = File::open(&self.path)?;
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            // It may have been copied from elsewhere; what people type is theirs alone.
            let _ = file.set_permissions(std::fs::Permissions::from_mode(0o600));
        }
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(2 * FILE_LIMIT).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Writes the file anew with the entries in memory, so that a crash leaves the old or the new one.
    fn rewrite(&mut self) -> io::Result<()> {
        let new = self.path.with_extension(format!("{}.new", std::process::id()));
        let text: String = self
            .entries
            .iter()
            .map(|entry| format!("{}\n", escape(entry)))
            .collect();
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        let written = file
            .write_all(text.as_bytes())
            .and_then(|()| std::fs::rename(&new, &self.path));
        if written.is_err() {
            let _ = std::fs::remove_file(&new);
        }
        self.read = self.length();
        written
    }
}

fn escape(entry: &str) -> String {
    entry.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "")
}

fn unescape(line: &str) -> String {
    let mut entry = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (c, chars.clone().next()) {
            ('\\', Some('n')) => entry.push('\n'),
            ('\\', Some('\\')) => entry.push('\\'),
            _ => {
                entry.push(c);
                continue;
            }
        }
        chars.next();
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn open(dir: &tempfile::TempDir) -> History {
        History::open(&dir.path().join("history"))
    }

    #[test]
    fn what_one_shell_adds_another_sees() {
        let dir = tempfile::tempdir().unwrap();
        let (mut one, mut other) = (open(&dir), open(&dir));
        one.add("SELECT 1;").unwrap();
        other.add("SELECT\n  '\\n';").unwrap();
        assert!(one.refresh());
        assert_eq!(one.entries(), ["SELECT 1;", "SELECT\n  '\\n';"]);
        assert_eq!(other.entries(), one.entries());
        assert!(!one.refresh());
        assert_eq!(open(&dir).entries(), one.entries());
    }

    #[test]
    fn an_entry_is_kept_once_where_it_stood_last() {
        let dir = tempfile::tempdir().unwrap();
        let mut history = open(&dir);
        for entry in ["a", "b", "a", "a", " secret", "", "  "] {
            history.add(entry).unwrap();
        }
        assert_eq!(history.entries(), ["b", "a"]);
        assert_eq!(open(&dir).entries(), ["b", "a"]);
    }

    #[test]
    fn only_its_owner_can_read_it() {
        let dir = tempfile::tempdir().unwrap();
        open(&dir).add("a").unwrap();
        let path = dir.path().join("history");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        open(&dir);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_has_grown_long_is_written_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history");
        let line = "x".repeat(1000);
        let text: String = (0..6000).map(|n| format!("{n} {line}\n")).collect();
        std::fs::write(&path, text).unwrap();
        let history = open(&dir);
        assert!(history.entries().last().unwrap().starts_with("5999 "));
        assert!(
            history
                .entries()
                .iter()
                .all(|entry| entry.ends_with(&line) && entry.len() > 1000)
        );
        assert!(path.metadata().unwrap().len() <= FILE_LIMIT);
        assert_eq!(open(&dir).entries(), history.entries());
    }

    #[test]
    fn an_entry_that_is_half_written_is_read_when_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history");
        std::fs::write(&path, "a\nhal").unwrap();
        let mut history = open(&dir);
        assert_eq!(history.entries(), ["a"]);
        std::fs::write(&path, "a\nhalf\n").unwrap();
        assert!(history.refresh());
        assert_eq!(history.entries(), ["a", "half"]);
    }

    proptest! {
        #[test]
        fn escaping_loses_nothing(entry in "[^\r]*") {
            let escaped = escape(&entry);
            prop_assert!(!escaped.contains('\n'));
            prop_assert_eq!(unescape(&escaped), entry);
        }
    }
}
