//! Files of a directory, each read by byte offset at the start of a record.
//!
//! Without `source.monitor-interval` the files that are there at the first read are the input, and a last line without
//! a line end is a row. With it the directory is looked at again and again: new files are read in the order of their
//! names, files that grew are read on, and a last line is taken only when its line end has come, since somebody may
//! still be writing it.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::array::{Array, AsArray, RecordBatch, StringArray, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt64Type};
use serde_json::{Value, json};
use skep_engine::{EngineError, Result};

use super::csv::{Layout, Parser};
use super::options::Options;
use super::{Pull, Source};
use crate::dataflow::failed;
use crate::table::Table;

/// Read at a time.
const CHUNK: usize = 1 << 20;
/// A record must end within that many bytes.
const LONGEST_RECORD: usize = 64 << 20;
/// The bytes at a file's start by which it is known again.
const HEAD: u64 = 4096;
/// What some programs put before UTF-8 text. It is no part of the first field.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A table's options.
#[derive(Debug, Clone)]
pub(super) struct Config {
    path: PathBuf,
    layout: Layout,
    /// How often to look for new files; `None`: the input is what is there at the start.
    pub(super) monitor: Option<Duration>,
}

impl Config {
    /// Reads the options, refusing unknown ones.
    pub(super) fn new(table: &Table) -> Result<Self> {
        let options = Options(table);
        let mut known = vec!["connector", "path", "format", "source.monitor-interval", "sink.*"];
        known.extend(Layout::KNOWN);
        options.allow(&known)?;
        if options.required("format")? != "csv" {
            return Err(options.bad("format", "csv"));
        }
        let path = options.required("path")?;
        let path = match path.strip_prefix("file:") {
            Some(rest) => match rest.strip_prefix("//") {
                Some(rest) if rest.starts_with('/') => rest,
                Some(_) => return Err(options.bad("path", "a local path or file:///…")),
                None => rest,
            },
            None if path.contains("://") => return Err(options.bad("path", "a local path or file:///…")),
            None => path,
        };
        if path.is_empty() {
            return Err(options.bad("path", "a local path or file:///…"));
        }
        let monitor = options.duration("source.monitor-interval")?;
        if monitor.is_some_and(|interval| interval.is_zero()) {
            return Err(options.bad("source.monitor-interval", "more than 0"));
        }
        Ok(Self {
            path: path.into(),
            layout: Layout::new(&options)?,
            monitor,
        })
    }
}

/// How far a file was read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Progress {
    /// The start of the next record.
    offset: u64,
    /// Lines before it.
    lines: u64,
    /// The file's length when it was last read to its end.
    seen: u64,
    head: Head,
}

/// A hash of the first bytes that were read, at most [`HEAD`]; it grows as the file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    length: u64,
    hash: u64,
}

impl Head {
    const EMPTY: Self = Self {
        length: 0,
        hash: 0xcbf2_9ce4_8422_2325,
    };

    /// Takes the next bytes (FNV-1a).
    fn extend(&mut self, bytes: &[u8]) {
        let left = usize::try_from(HEAD - self.length).unwrap_or(0).min(bytes.len());
        for byte in &bytes[..left] {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.length += left as u64;
    }
}

/// The file being read.
struct Open {
    name: String,
    file: File,
    /// Bytes read and not yet parsed.
    buffer: Vec<u8>,
    /// Where in the buffer they start.
    start: usize,
    at_end: bool,
}

/// The source.
pub(super) struct Filesystem {
    config: Config,
    /// Whether to look for new files; else what is there at the first look is all.
    follow: bool,
    parser: Parser,
    files: BTreeMap<String, Progress>,
    /// Files of this discovery with bytes to read, by name.
    pending: VecDeque<String>,
    open: Option<Open>,
    listed: bool,
    next_discovery: Option<Instant>,
}

impl Filesystem {
    /// A source that gives those physical columns.
    pub(super) fn new(table: &Table, wanted: &[usize], follow: bool) -> Result<Self> {
        let config = Config::new(table)?;
        let parser = Parser::new(table, config.layout.clone(), wanted)?;
        Ok(Self {
            follow: follow && config.monitor.is_some(),
            config,
            parser,
            files: BTreeMap::new(),
            pending: VecDeque::new(),
            open: None,
            listed: false,
            next_discovery: None,
        })
    }

    /// Looks what there is to read.
    fn discover(&mut self) -> Result<()> {
        let mut found = Vec::new();
        let root = &self.config.path;
        let metadata = std::fs::metadata(root).map_err(|e| unreadable(root, &e))?;
        if metadata.is_dir() {
            list(root, "", &mut found)?;
        } else if metadata.is_file() {
            found.push((String::new(), metadata.len()));
        } else {
            // Opening a pipe would wait for a writer, and a device may have no end.
            let error = std::io::Error::other("it is neither a file nor a directory");
            return Err(unreadable(root, &error));
        }
        found.sort();
        for (name, length) in found {
            match self.files.get(&name) {
                None => {
                    let progress = Progress {
                        offset: 0,
                        lines: 0,
                        seen: 0,
                        head: Head::EMPTY,
                    };
                    self.files.insert(name.clone(), progress);
                    self.pending.push_back(name);
                }
                Some(progress) if length < progress.offset => {
                    return Err(changed(
                        &self.locate(&name),
                        "it is shorter than what was already read of it",
                    ));
                }
                Some(progress) if length != progress.seen => self.pending.push_back(name),
                Some(_) => {}
            }
        }
        self.listed = true;
        Ok(())
    }

    fn locate(&self, name: &str) -> PathBuf {
        if name.is_empty() {
            self.config.path.clone()
        } else {
            self.config.path.join(name)
        }
    }

    /// Opens a file where reading stopped.
    fn open(&mut self, name: String) -> Result<()> {
        let path = self.locate(&name);
        let Some(progress) = self.files.get(&name) else {
            return Ok(());
        };
        let mut file = File::open(&path).map_err(|e| unreadable(&path, &e))?;
        verify(&mut file, &path, progress)?;
        file.seek(SeekFrom::Start(progress.offset))
            .map_err(|e| unreadable(&path, &e))?;
        self.open = Some(Open {
            name,
            file,
            buffer: Vec::new(),
            start: 0,
            at_end: false,
        });
        Ok(())
    }

    /// Reads on in the open file until there are rows or it ends.
    fn read(&mut self, max_rows: usize) -> Result<()> {
        let Some(mut open) = self.open.take() else {
            return Ok(());
        };
        let path = self.locate(&open.name);
        let bounded = self.config.monitor.is_none();
        let Some(progress) = self.files.get_mut(&open.name) else {
            return Ok(());
        };
        loop {
            let last = open.at_end && bounded;
            let begins = progress.offset == 0;
            let header = self.config.layout.header && begins;
            let bytes = &open.buffer[open.start..];
            let mark = if begins && bytes.starts_with(BYTE_ORDER_MARK) {
                BYTE_ORDER_MARK.len()
            } else {
                0
            };
            let parsed = self
                .parser
                .parse(&bytes[mark..], last, max_rows, progress.lines + 1, header)
                .map_err(|e| located(e, &path))?;
            // An offset is the start of a record: a mark alone is read again.
            let taken = if parsed.bytes == 0 { 0 } else { mark + parsed.bytes };
            progress.head.extend(&bytes[..taken]);
            progress.offset += taken as u64;
            progress.lines += parsed.lines;
            open.start += taken;
            if self.parser.rows() >= max_rows || (self.parser.rows() > 0 && !open.at_end) {
                self.open = Some(open);
                return Ok(());
            }
            if open.at_end {
                progress.seen = progress.offset + (open.buffer.len() - open.start) as u64;
                return Ok(());
            }
            open.buffer.drain(..open.start);
            open.start = 0;
            let held = open.buffer.len();
            if held > LONGEST_RECORD {
                let line = progress.lines + 1;
                return Err(located(
                    EngineError::failed(format!("line {line} begins a record of more than 64 MiB")),
                    &path,
                )
                .hint("is a quote not closed?"));
            }
            open.buffer.resize(held + CHUNK, 0);
            let read = open
                .file
                .read(&mut open.buffer[held..])
                .map_err(|e| unreadable(&path, &e))?;
            open.buffer.truncate(held + read);
            open.at_end = read == 0;
        }
    }
}

impl Source for Filesystem {
    fn pull(&mut self, max_rows: usize) -> Result<Pull> {
        loop {
            if self.open.is_some() {
                self.read(max_rows)?;
                if self.parser.rows() > 0 {
                    return Ok(Pull::Rows(self.parser.finish()?));
                }
                continue;
            }
            if let Some(name) = self.pending.pop_front() {
                self.open(name)?;
                continue;
            }
            match self.config.monitor.filter(|_| self.follow) {
                None if self.listed => return Ok(Pull::End),
                None => self.discover()?,
                Some(interval) => {
                    let now = Instant::now();
                    if let Some(next) = self.next_discovery.filter(|next| *next > now) {
                        return Ok(Pull::Idle(next - now));
                    }
                    self.next_discovery = Some(now + interval);
                    self.discover()?;
                    if self.pending.is_empty() {
                        return Ok(Pull::Idle(interval));
                    }
                }
            }
        }
    }

    fn snapshot(&mut self) -> Result<(Vec<RecordBatch>, Value)> {
        let numbers = |of: fn(&Progress) -> u64| Arc::new(UInt64Array::from_iter_values(self.files.values().map(of)));
        let columns: Vec<Arc<dyn Array>> = vec![
            Arc::new(StringArray::from_iter_values(self.files.keys())),
            numbers(|p| p.offset),
            numbers(|p| p.lines),
            numbers(|p| p.seen),
            numbers(|p| p.head.length),
            numbers(|p| p.head.hash),
        ];
        Ok((
            vec![failed(RecordBatch::try_new(state_schema(), columns))?],
            json!({ "listed": self.listed }),
        ))
    }

    fn restore(&mut self, tables: Vec<RecordBatch>, meta: &Value) -> Result<()> {
        for table in &tables {
            if table.schema() != state_schema() {
                return Err(EngineError::refused(
                    "the saved state of a file source has other columns than this version's",
                ));
            }
            let number = |column: usize, row: usize| table.column(column).as_primitive::<UInt64Type>().value(row);
            for row in 0..table.num_rows() {
                let name = table.column(0).as_string::<i32>().value(row).to_owned();
                let progress = Progress {
                    offset: number(1, row),
                    lines: number(2, row),
                    seen: number(3, row),
                    head: Head {
                        length: number(4, row),
                        hash: number(5, row),
                    },
                };
                let path = self.locate(&name);
                match File::open(&path) {
                    Ok(mut file) => verify(&mut file, &path, &progress)?,
                    // A file that was read whole may be gone: nothing more is wanted of it.
                    Err(e)
                        if e.kind() == std::io::ErrorKind::NotFound
                            && progress.seen == progress.offset
                            && progress.offset > 0 => {}
                    Err(e) => return Err(unreadable(&path, &e)),
                }
                self.files.insert(name, progress);
            }
        }
        self.listed = meta.get("listed").and_then(Value::as_bool).unwrap_or(false);
        if self.config.monitor.is_none() {
            let unread = self
                .files
                .iter()
                .filter(|(_, progress)| progress.offset == 0 || progress.seen != progress.offset);
            self.pending = unread.map(|(name, _)| name.clone()).collect();
        }
        Ok(())
    }
}

fn state_schema() -> SchemaRef {
    let number = |name| Field::new(name, DataType::UInt64, false);
    Arc::new(Schema::new(vec![
        Field::new("file", DataType::Utf8, false),
        number("offset"),
        number("lines"),
        number("seen"),
        number("head_length"),
        number("head_hash"),
    ]))
}

/// Lists the files below a directory, names relative to the root; hidden ones and those that begin with `_` are left
/// out, as Flink does.
fn list(directory: &Path, prefix: &str, into: &mut Vec<(String, u64)>) -> Result<()> {
    for entry in std::fs::read_dir(directory).map_err(|e| unreadable(directory, &e))? {
        let entry = entry.map_err(|e| unreadable(directory, &e))?;
        let Ok(name) = entry.file_name().into_string() else {
            return Err(EngineError::failed(format!(
                "a file name in {} is not UTF-8",
                directory.display()
            )));
        };
        if name.starts_with(['.', '_']) {
            continue;
        }
        let path = entry.path();
        let metadata = match std::fs::metadata(&path) {
            Ok(metadata) => metadata,
            // Removed or renamed since the directory was read.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => return Err(unreadable(&path, &e)),
        };
        let relative = if prefix.is_empty() {
            name
        } else {
            format!("{prefix}/{name}")
        };
        if metadata.is_dir() {
            list(&path, &relative, into)?;
        } else if metadata.is_file() {
            into.push((relative, metadata.len()));
        }
    }
    Ok(())
}

/// Whether the file still is the one that was read so far.
fn verify(file: &mut File, path: &Path, progress: &Progress) -> Result<()> {
    let length = file.metadata().map_err(|e| unreadable(path, &e))?.len();
    if length < progress.offset {
        return Err(changed(path, "it is shorter than what was already read of it"));
    }
    let mut bytes = Vec::new();
    let mut head = Head::EMPTY;
    Read::take(&mut *file, progress.head.length.min(HEAD))
        .read_to_end(&mut bytes)
        .map_err(|e| unreadable(path, &e))?;
    head.extend(&bytes);
    if head == progress.head {
        Ok(())
    } else {
        Err(changed(path, "it begins otherwise than when it was read"))
    }
}

fn changed(path: &Path, reason: &str) -> EngineError {
    EngineError::refused(format!("the file {} was changed: {reason}", path.display()))
        .hint("a file source reads files that are only added or appended to")
}

fn unreadable(path: &Path, error: &std::io::Error) -> EngineError {
    EngineError::failed(format!("can't read {}: {error}", path.display()))
}

fn located(mut error: EngineError, path: &Path) -> EngineError {
    error.message = format!("{}: {}", path.display(), error.message);
    error
}
