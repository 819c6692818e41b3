//! A directory of CSV files, written exactly once.
//!
//! Rows go into a hidden part. A checkpoint closes it and makes it durable, the checkpoint's manifest names it, and then
//! it gets its visible name: parts roll at every checkpoint, whatever `sink.rolling-policy.*` says.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use datafusion::arrow::datatypes::SchemaRef;
use skep_engine::{Batch, EngineError, Result, RowKind};

use super::csv::{self, Encoder};
use super::parts::{self, Successor};
use super::{Sink, under};
use crate::failpoint;
use crate::runtime::file;
use crate::runtime::snapshot::{Part, SinkState};
use crate::table::Table;

/// Options beside the format's. Those of a source are known because a table may be both.
const OPTIONS: [&str; 8] = [
    "path",
    "format",
    "source.monitor-interval",
    "source.path.regex-pattern",
    "sink.rolling-policy.file-size",
    "sink.rolling-policy.rollover-interval",
    "sink.rolling-policy.check-interval",
    "sink.parallelism",
];

/// Text is handed to the file in pieces of about that many bytes.
const BUFFER: usize = 1 << 18;

/// Checks the options and gives the directory and an encoder.
pub(super) fn validate(table: &Table) -> Result<(PathBuf, Encoder)> {
    let mut options = OPTIONS.to_vec();
    options.extend(csv::OPTIONS);
    super::known(table, &options)?;
    let required = |key: &str| {
        table
            .options
            .get(key)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| EngineError::rejected(format!("table {} needs option '{key}'", table.path)))
    };
    let format = required("format")?;
    if format != "csv" {
        return Err(EngineError::rejected(format!(
            "table {} has format '{format}'; the one that can be written is 'csv'",
            table.path
        )));
    }
    let path = required("path")?;
    let path = match path.split_once(':') {
        Some(("file", rest)) => match rest.strip_prefix("//") {
            Some(rest) => rest,
            None => rest,
        },
        Some((scheme, _)) if path.contains("://") => {
            return Err(EngineError::rejected(format!(
                "table {} has path '{path}': file system '{scheme}' can't be written, only local directories",
                table.path
            )));
        }
        _ => path,
    };
    Encoder::check(&table.physical)?;
    Ok((PathBuf::from(path), Encoder::new(&table.options)?))
}

struct Open {
    part: Part,
    file: File,
    length: u64,
}

/// The sink.
pub(crate) struct Filesystem {
    dir: PathBuf,
    schema: SchemaRef,
    encoder: Encoder,
    successor: Successor,
    /// The part that is written.
    open: Option<Open>,
    /// Closed parts that no checkpoint has committed.
    closed: Vec<Part>,
    /// Parts that a manifest names.
    committing: Vec<Part>,
    text: String,
}

impl Filesystem {
    /// Opens a table's directory, and makes it if it is not there.
    pub(super) fn open(table: &Table, successor: Successor) -> Result<Self> {
        let (dir, encoder) = validate(table)?;
        fs::create_dir_all(&dir).map_err(|error| file::failed("make", &dir, &error))?;
        let dir = fs::canonicalize(&dir).map_err(|error| file::failed("find", &dir, &error))?;
        Ok(Self {
            dir,
            schema: table.physical.clone(),
            encoder,
            successor,
            open: None,
            closed: Vec::new(),
            committing: Vec::new(),
            text: String::new(),
        })
    }

    /// The directory that a table writes, as a saved state names it.
    pub(crate) fn dir(options: &BTreeMap<String, String>) -> Option<PathBuf> {
        if options.get("connector").map(String::as_str) != Some("filesystem") {
            return None;
        }
        let path = options.get("path")?;
        let path = path
            .strip_prefix("file://")
            .or_else(|| path.strip_prefix("file:"))
            .unwrap_or(path);
        fs::canonicalize(Path::new(path)).ok()
    }

    fn flush(&mut self, epoch: u64) -> Result<()> {
        if self.text.is_empty() {
            return Ok(());
        }
        let open = match &mut self.open {
            Some(open) => open,
            None => {
                let part = self.successor.part(epoch);
                let path = self.dir.join(&part.hidden);
                let file = OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .open(&path)
                    .map_err(|error| file::failed("make", &path, &error))?;
                self.open.insert(Open { part, file, length: 0 })
            }
        };
        open.file
            .write_all(self.text.as_bytes())
            .map_err(|error| file::failed("write", &self.dir.join(&open.part.hidden), &error))?;
        open.length += self.text.len() as u64;
        self.text.clear();
        Ok(())
    }
}

impl Sink for Filesystem {
    fn name(&self) -> String {
        format!("csv files in {}", self.dir.display())
    }

    fn write(&mut self, batch: &Batch, epoch: u64) -> Result<()> {
        if batch
            .kinds
            .as_ref()
            .is_some_and(|kinds| kinds.iter().any(|kind| *kind != RowKind::Insert))
        {
            return Err(EngineError::failed(format!(
                "{} doesn't support consuming update changes, and the query produced one",
                self.name()
            )));
        }
        let rows = under(&self.schema, &batch.rows)?;
        // A big batch is not turned into text whole.
        let mut offset = 0;
        while offset < rows.num_rows() {
            let length = (rows.num_rows() - offset).min(1024);
            self.encoder.encode(&rows.slice(offset, length), &mut self.text)?;
            offset += length;
            if self.text.len() >= BUFFER {
                self.flush(epoch)?;
            }
        }
        // What was computed is in the file when the step is over: a kill shows what a crash of this process leaves.
        self.flush(epoch)
    }

    fn has_uncommitted(&self) -> bool {
        self.open.is_some() || !self.closed.is_empty() || !self.committing.is_empty()
    }

    fn prepare(&mut self) -> Result<SinkState> {
        // A checkpoint that failed has left its parts to this one.
        self.closed.append(&mut self.committing);
        if let Some(mut open) = self.open.take() {
            failpoint::hit("part.before-sync");
            let synced = open.file.sync_all();
            open.part.length = open.length;
            let path = self.dir.join(&open.part.hidden);
            self.closed.push(open.part);
            synced.map_err(|error| file::failed("make durable", &path, &error))?;
            file::sync_dir(&self.dir).map_err(|error| file::failed("make durable", &self.dir, &error))?;
            failpoint::hit("part.after-sync");
        }
        self.committing.append(&mut self.closed);
        Ok(SinkState {
            name: self.name(),
            dir: Some(self.dir.clone()),
            parts: self.committing.clone(),
        })
    }

    fn commit(&mut self) -> Result<()> {
        // From here on the parts belong to the manifest: even if one can't be renamed none may be discarded.
        let parts = std::mem::take(&mut self.committing);
        parts::publish(&self.dir, &parts)
    }

    fn abandon(&mut self) {
        self.committing.clear();
    }

    fn close(&mut self, _outcome: Result<()>) {
        let open = self.open.take().map(|open| open.part);
        let parts = open
            .into_iter()
            .chain(self.closed.drain(..))
            .chain(self.committing.drain(..));
        for part in parts {
            match fs::remove_file(self.dir.join(&part.hidden)) {
                Ok(()) => {}
                // It is hidden, and no state names it: the next restore of this lineage removes it.
                Err(error) => debug_assert_ne!(error.kind(), io::ErrorKind::InvalidInput),
            }
        }
    }
}
