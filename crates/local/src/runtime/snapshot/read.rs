//! Reading a saved state, after every byte of it has been checked.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::ipc::reader::FileReader;
use sha2::{Digest, Sha256};
use skep_engine::{EngineError, ErrorKind, Result};

use super::manifest::{FileEntry, LIMIT, METADATA, Manifest};
use crate::dataflow::{OperatorState, State};
use crate::runtime::file;

fn unusable(dir: &Path, why: &str) -> EngineError {
    EngineError::refused(format!("{} {why}", dir.display()))
        .hint("!savepoints lists the savepoints and checkpoints with what is wrong with each")
}

/// Reads a saved state's manifest alone.
///
/// # Errors
/// As [`verify`], for the manifest.
pub(crate) fn peek(dir: &Path) -> Result<Manifest> {
    let path = dir.join(METADATA);
    let bytes = file::read_capped(&path, LIMIT).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => EngineError::not_found(format!(
            "there is no savepoint or checkpoint at {}: it has no {METADATA}",
            dir.display()
        )),
        _ => file::failed("read", &path, &error),
    })?;
    Manifest::decode(&bytes).map_err(|why| unusable(dir, &why))
}

/// Reads a saved state's manifest and checks every file against it. Gives the state's size too.
///
/// # Errors
/// [`ErrorKind::NotFound`] if there is nothing of the kind, [`ErrorKind::Refused`] if a byte is not as it was written.
pub(crate) fn verify(dir: &Path) -> Result<Manifest> {
    let manifest = peek(dir)?;
    for entry in entries(&manifest) {
        verify_table(dir, entry)?;
    }
    Ok(manifest)
}

/// Checks one file of a saved state, every byte.
///
/// # Errors
/// It is not there, or is not as it was written.
pub(crate) fn verify_table(dir: &Path, entry: &FileEntry) -> Result<()> {
    let mut file = open_table(dir, entry)?;
    let mut buffer = vec![0; 1 << 16];
    let mut sum = Sha256::new();
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => sum.update(&buffer[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(file::failed("read", &dir.join(&entry.name), &error)),
        }
    }
    if file::hex(&sum.finalize()) != entry.sha256 {
        return Err(damaged(dir, entry));
    }
    Ok(())
}

/// Whether there is a `_metadata` in the directory, and it begins otherwise than one of this engine.
pub(crate) fn is_foreign(dir: &Path) -> bool {
    let mut begin = Vec::new();
    let read = file::open_regular(&dir.join(METADATA))
        .and_then(|file| file.take(Manifest::HEAD.len() as u64).read_to_end(&mut begin));
    read.is_ok() && begin != Manifest::HEAD.as_bytes()
}

/// The size of a saved state in bytes: its tables and its manifest.
pub(crate) fn size(dir: &Path, manifest: &Manifest) -> u64 {
    let own = std::fs::metadata(dir.join(METADATA)).map_or(0, |m| m.len());
    entries(manifest).map(|entry| entry.length).sum::<u64>() + own
}

/// Reads a saved state whole.
///
/// # Errors
/// As [`verify`]; also if it was made by another major version of DataFusion.
pub(crate) fn load(dir: &Path) -> Result<(Manifest, State)> {
    let manifest = peek(dir)?;
    let major = |version: &str| version.split('.').next().unwrap_or_default().to_owned();
    if major(&manifest.datafusion) != major(datafusion::DATAFUSION_VERSION) {
        let why = format!(
            "was written with DataFusion {}, and the aggregates of {} may store their state differently",
            manifest.datafusion,
            datafusion::DATAFUSION_VERSION
        );
        return Err(unusable(dir, &why).hint("restore it with the version of skep that wrote it"));
    }
    let mut state = State::default();
    for operator in &manifest.operators {
        let tables = match &operator.table {
            None => Vec::new(),
            Some(entry) => read_table(dir, entry)?,
        };
        state.operators.push(OperatorState {
            operator: operator.operator.clone(),
            tables,
            meta: operator.meta.clone(),
        });
    }
    Ok((manifest, state))
}

fn entries(manifest: &Manifest) -> impl Iterator<Item = &FileEntry> {
    manifest.operators.iter().filter_map(|operator| operator.table.as_ref())
}

fn damaged(dir: &Path, entry: &FileEntry) -> EngineError {
    unusable(
        dir,
        &format!("is damaged: the checksum of {} does not match", entry.name),
    )
}

fn open_table(dir: &Path, entry: &FileEntry) -> Result<File> {
    let path = dir.join(&entry.name);
    let file = file::open_regular(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => unusable(dir, &format!("is not whole: {} is missing", entry.name)),
        _ => file::failed("read", &path, &error),
    })?;
    let length = file
        .metadata()
        .map_err(|error| file::failed("read", &path, &error))?
        .len();
    if length != entry.length {
        let why = format!(
            "is damaged: {} has {length} bytes instead of {}",
            entry.name, entry.length
        );
        return Err(unusable(dir, &why));
    }
    Ok(file)
}

/// Reads the rows of one file.
///
/// # Errors
/// It is not there, or is not as it was written.
pub(crate) fn read_table(dir: &Path, entry: &FileEntry) -> Result<Vec<RecordBatch>> {
    let path = dir.join(&entry.name);
    // The length has been compared with the real one before anything of that length is allocated.
    let file = open_table(dir, entry)?;
    let mut bytes = Vec::with_capacity(usize::try_from(entry.length).unwrap_or(0));
    file.take(entry.length)
        .read_to_end(&mut bytes)
        .map_err(|error| file::failed("read", &path, &error))?;
    if file::sha256(&bytes) != entry.sha256 {
        return Err(damaged(dir, entry));
    }
    // The bytes are as they were written, but whoever can forge a checksum can forge offsets that Arrow trusts.
    let tables = catch_unwind(AssertUnwindSafe(|| {
        FileReader::try_new(Cursor::new(bytes), None)?.collect::<Result<Vec<_>, _>>()
    }));
    match tables {
        Ok(Ok(tables)) => Ok(tables),
        Ok(Err(error)) => Err(unusable(
            dir,
            &format!("has a table that can't be read, {}: {error}", entry.name),
        )),
        Err(_) => Err(EngineError::new(
            ErrorKind::Refused,
            format!("{} is not a table that can be read", path.display()),
        )),
    }
}
