//! Writing a saved state.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::ipc::writer::FileWriter;
use sha2::{Digest, Sha256};
use skep_engine::{EngineError, Result};

use super::manifest::{FileEntry, METADATA, Manifest, OperatorEntry};
use crate::dataflow::State;
use crate::failpoint;
use crate::runtime::file;

/// Counts and sums what goes through it.
struct Summing<W> {
    inner: W,
    sum: Sha256,
    length: u64,
}

impl<W: Write> Write for Summing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.sum.update(&bytes[..n]);
        self.length += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Writes a state under a hidden name, makes it durable, and gives it its name: that is the moment from which it
/// counts. `manifest.operators` is filled in. Gives the size in bytes.
///
/// # Errors
/// It was not written; what was begun is removed.
pub(crate) fn write(target: &Path, state: &State, manifest: &mut Manifest) -> Result<u64> {
    let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else {
        return Err(EngineError::refused(format!(
            "{} can't hold a saved state",
            target.display()
        )));
    };
    let hidden = parent.join(format!(".tmp-{}", name.to_string_lossy()));
    let written = write_hidden(&hidden, state, manifest).and_then(|size| {
        failpoint::hit("snapshot.before-rename");
        // A directory that is not empty is not replaced: two jobs can't take the same name.
        fs::rename(&hidden, target).map_err(|error| file::failed("give a saved state its name", target, &error))?;
        Ok(size)
    });
    if written.is_err() {
        // The first error is the one to tell; what can't be removed is hidden and never read.
        let _ = fs::remove_dir_all(&hidden);
    }
    let size = written?;
    failpoint::hit("snapshot.after-rename");
    file::sync_dir(parent).map_err(|error| file::failed("make durable", parent, &error))?;
    Ok(size)
}

fn write_hidden(dir: &Path, state: &State, manifest: &mut Manifest) -> Result<u64> {
    if dir.exists() {
        fs::remove_dir_all(dir).map_err(|error| file::failed("clear", dir, &error))?;
    }
    file::create_private_dir(dir).map_err(|error| file::failed("make", dir, &error))?;
    failpoint::hit("snapshot.after-mkdir");
    let mut size = 0;
    manifest.operators.clear();
    for (number, operator) in state.operators.iter().enumerate() {
        let table = match operator.tables.first() {
            None => None,
            Some(_) => Some(write_table(
                dir,
                &format!("operator-{number:03}.arrow"),
                &operator.tables,
            )?),
        };
        size += table.as_ref().map_or(0, |entry| entry.length);
        manifest.operators.push(OperatorEntry {
            operator: operator.operator.clone(),
            meta: operator.meta.clone(),
            table,
        });
    }
    failpoint::hit("snapshot.after-tables");
    let bytes = manifest.encode()?;
    let path = dir.join(METADATA);
    file::write_synced(&path, &bytes).map_err(|error| file::failed("write", &path, &error))?;
    failpoint::hit("snapshot.after-manifest");
    file::sync_dir(dir).map_err(|error| file::failed("make durable", dir, &error))?;
    Ok(size + bytes.len() as u64)
}

fn write_table(dir: &Path, name: &str, tables: &[RecordBatch]) -> Result<FileEntry> {
    let path = dir.join(name);
    let io_failed = |error: io::Error| file::failed("write", &path, &error);
    let failed = |error: datafusion::arrow::error::ArrowError| {
        EngineError::failed(format!("can't write {}: {error}", path.display()))
    };
    let mut out = Summing {
        inner: io::BufWriter::with_capacity(1 << 16, file::create_private(&path).map_err(io_failed)?),
        sum: Sha256::new(),
        length: 0,
    };
    let mut writer = FileWriter::try_new(&mut out, &tables[0].schema()).map_err(failed)?;
    let mut rows = 0;
    for batch in tables {
        rows += batch.num_rows() as u64;
        writer.write(batch).map_err(failed)?;
    }
    writer.finish().map_err(failed)?;
    drop(writer);
    let file = out.inner.into_inner().map_err(|error| io_failed(error.into_error()))?;
    file.sync_all().map_err(io_failed)?;
    Ok(FileEntry {
        name: name.to_owned(),
        length: out.length,
        sha256: file::hex(&out.sum.finalize()),
        rows,
    })
}
