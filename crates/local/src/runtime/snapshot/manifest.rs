//! The manifest of a saved state, and the frame that guards it.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use skep_engine::{EngineError, JobId, Lineage, Result, SavepointKind};

use crate::dataflow::Fingerprint;
use crate::runtime::file;

/// The manifest's file name, Flink's.
pub(crate) const METADATA: &str = "_metadata";
/// The version of the format that this program writes and reads.
pub(crate) const FORMAT_VERSION: u32 = 1;
/// No manifest is longer than that.
pub(crate) const LIMIT: u64 = 64 << 20;
/// No checkpoint has a higher number, and no job more rows: there is room to count on from there, also in a ledger.
const COUNT_LIMIT: u64 = 1 << 62;

/// A file of a saved state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileEntry {
    /// Its name in the directory.
    pub name: String,
    /// Its length in bytes.
    pub length: u64,
    /// Its SHA-256 as hex digits.
    pub sha256: String,
    /// The rows in it.
    pub rows: u64,
}

/// The state of one operator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct OperatorEntry {
    /// Its word, as in its fingerprint.
    pub operator: String,
    /// Offsets, watermarks, counters.
    pub meta: serde_json::Value,
    /// Its rows, if it has any tables.
    pub table: Option<FileEntry>,
}

/// A part of a sink's directory that becomes visible with this state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// The name while it was written.
    pub hidden: String,
    /// The name when it is visible.
    pub visible: String,
    /// Its length in bytes.
    pub length: u64,
}

/// What a sink needs to go on from this state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SinkState {
    /// The sink in words.
    pub name: String,
    /// The directory it writes, where it writes one.
    pub dir: Option<PathBuf>,
    /// The parts that this state commits.
    pub parts: Vec<Part>,
}

/// A job that came before, and the last checkpoint of it that this one builds on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Segment {
    /// The job.
    pub job_id: JobId,
    /// The number of the checkpoint or savepoint at which the next one took over.
    pub last: u64,
}

/// What a saved state says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The program's version.
    pub engine: String,
    /// The version of DataFusion, whose accumulators' states are in the tables.
    pub datafusion: String,
    /// The job.
    pub job_id: JobId,
    /// Its name.
    pub name: String,
    /// Its statement, secrets as references.
    pub sql: String,
    /// The number of this checkpoint or savepoint.
    pub checkpoint_id: u64,
    /// Checkpoint or savepoint.
    pub kind: SavepointKind,
    /// When it was taken.
    pub taken: Timestamp,
    /// Rows read, rows written and late rows, over the whole lineage.
    pub rows: (u64, u64, u64),
    /// What a dataflow must match to take it over.
    pub fingerprints: Vec<Fingerprint>,
    /// The operators' states.
    pub operators: Vec<OperatorEntry>,
    /// The sinks', one for each table that the job writes.
    pub sinks: Vec<SinkState>,
    /// The first job of the lineage; a fork begins a new one.
    pub root: JobId,
    /// The jobs that came before, oldest first.
    pub lineage: Vec<Segment>,
    /// What the job was restored from.
    pub restored_from: Option<Lineage>,
}

const SUM: &str = r#","sha256":""#;
const BODY: &str = r#"","manifest":"#;
const TAIL: &str = "}\n";

impl Manifest {
    /// What the file begins with.
    pub(crate) const HEAD: &str = r#"{"skep-state":"#;

    /// The file's bytes: a JSON object of fixed spelling around the manifest, with its checksum.
    ///
    /// # Errors
    /// It can't be expressed as JSON.
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        let body = serde_json::to_string(self)
            .map_err(|error| EngineError::failed(format!("the state can't be written down: {error}")))?;
        let sum = file::sha256(body.as_bytes());
        Ok(format!("{head}{FORMAT_VERSION}{SUM}{sum}{BODY}{body}{TAIL}", head = Self::HEAD).into_bytes())
    }

    /// Reads a manifest and checks it against its checksum.
    ///
    /// # Errors
    /// Why it can't be used, as the end of a sentence that begins with its path.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let foreign = || "is not a saved state of this engine".to_owned();
        let damaged = || "is damaged: its checksum does not match".to_owned();
        let text = std::str::from_utf8(bytes).map_err(|_| foreign())?;
        let rest = text.strip_prefix(Self::HEAD).ok_or_else(foreign)?;
        let (version, rest) = rest.split_once(SUM).ok_or_else(foreign)?;
        if version != FORMAT_VERSION.to_string() {
            return Err(match version.parse::<u32>() {
                Ok(newer) if newer > FORMAT_VERSION => {
                    format!("has format {newer}; this program reads format {FORMAT_VERSION} (use a newer one)")
                }
                _ => damaged(),
            });
        }
        let (sum, rest) = rest.split_once(BODY).ok_or_else(damaged)?;
        let body = rest.strip_suffix(TAIL).ok_or_else(damaged)?;
        if sum != file::sha256(body.as_bytes()) {
            return Err(damaged());
        }
        let manifest: Self =
            serde_json::from_str(body).map_err(|error| format!("has a manifest that can't be understood: {error}"))?;
        let (read, written, late) = manifest.rows;
        if [manifest.checkpoint_id, read, written, late]
            .iter()
            .any(|n| *n > COUNT_LIMIT)
        {
            return Err("counts what no job can have counted".to_owned());
        }
        for entry in manifest.operators.iter().filter_map(|operator| operator.table.as_ref()) {
            if !is_plain_name(&entry.name) {
                return Err(format!("names a file outside itself: {:?}", entry.name));
            }
        }
        for part in manifest.sinks.iter().flat_map(|sink| &sink.parts) {
            if !is_plain_name(&part.hidden) || !is_plain_name(&part.visible) {
                return Err(format!("names a part outside its directory: {:?}", part.hidden));
            }
        }
        Ok(manifest)
    }

    /// Whether an epoch of a job is part of this state's past.
    pub(crate) fn covers(&self, job: &JobId, epoch: u64) -> bool {
        (self.job_id == *job && epoch <= self.checkpoint_id)
            || self.lineage.iter().any(|s| s.job_id == *job && epoch <= s.last)
    }
}

/// A name that stays within its directory.
fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 255
        && name != "."
        && name != ".."
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}
