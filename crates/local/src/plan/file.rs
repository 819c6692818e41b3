//! `FROM 'path'`: a CSV file, or a directory of them, read as it lies there.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::csv::reader::{Format, Reader, ReaderBuilder};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::catalog::{Session, TableProvider};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::streaming::PartitionStream;
use skep_engine::{EngineError, Result, async_trait};

use super::scan::{one_partition, stream};

/// Rows that the types are inferred from.
const SAMPLE: usize = 1000;
/// Rows in a batch.
const BATCH: usize = 8192;
/// No line is longer than that.
const LONGEST_LINE: usize = 64 << 20;

/// Files that a query names by their path.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    files: Arc<[PathBuf]>,
    schema: SchemaRef,
    header: bool,
}

/// Looks at what lies at the path: the first file's first line tells whether there is a header, its first rows tell the
/// types.
///
/// # Errors
/// There is nothing, or it can't be read as CSV.
pub(crate) fn open(path: &str) -> Result<Files> {
    let bare = path.strip_prefix("file://").unwrap_or(path);
    let unreadable = |path: &Path, e: &dyn std::fmt::Display| {
        EngineError::rejected(format!("{} can't be read: {e}", path.display()))
    };
    let files = list(Path::new(bare)).map_err(|e| unreadable(Path::new(bare), &e))?;
    let Some(first) = files.first() else {
        return Err(EngineError::rejected(format!("there is no CSV file in {bare}")));
    };
    let mut file = File::open(first).map_err(|e| unreadable(first, &e))?;
    let names = header(&file).map_err(|e| unreadable(first, &e))?;
    file.rewind().map_err(|e| unreadable(first, &e))?;
    let format = Format::default().with_header(names.is_some());
    let (inferred, _) = format
        .infer_schema(BufReader::new(Lines::new(file)), Some(SAMPLE))
        .map_err(|e| unreadable(first, &e))?;
    if inferred.fields().is_empty() {
        return Err(EngineError::rejected(format!("{} is empty", first.display())));
    }
    let header = names.is_some();
    let fields: Vec<Field> = inferred
        .fields()
        .iter()
        .enumerate()
        .map(|(n, field)| {
            let name = match &names {
                Some(names) => names.get(n).unwrap_or(field.name()).clone(),
                None => format!("f{n}"),
            };
            let data_type = match field.data_type() {
                DataType::Timestamp(_, None) => DataType::Timestamp(TimeUnit::Millisecond, None),
                DataType::Null => DataType::Utf8,
                other => other.clone(),
            };
            Field::new(name, data_type, true)
        })
        .collect();
    Ok(Files {
        files: files.into(),
        schema: Arc::new(Schema::new(fields)),
        header,
    })
}

/// The file itself, or the CSV files of the directory in the order of their names; without the hidden ones.
fn list(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let metadata = std::fs::metadata(path)?;
    if metadata.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    if !metadata.is_dir() {
        // A pipe can be read once only, and a device may have no end.
        return Err(std::io::Error::other("it is neither a file nor a directory"));
    }
    let mut files = BTreeSet::new();
    for entry in std::fs::read_dir(path)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let visible = !name.starts_with(['.', '_']);
        if visible && path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv")) && path.is_file() {
            files.insert(path);
        }
    }
    Ok(files.into_iter().collect())
}

/// The first line's fields if they are names: all there, all different, none a number, a date or a truth value.
fn header(file: &File) -> Result<Option<Vec<String>>, Box<dyn std::error::Error>> {
    let format = Format::default().with_header(false);
    let (first, _) = format.infer_schema(BufReader::new(Lines::new(file)), Some(1))?;
    let words = first.fields().iter().all(|f| f.data_type() == &DataType::Utf8);
    let (named, _) = {
        let mut again = file.try_clone()?;
        again.rewind()?;
        Format::default()
            .with_header(true)
            .infer_schema(BufReader::new(Lines::new(again)), Some(1))?
    };
    let mut names: Vec<String> = named.fields().iter().map(|f| f.name().clone()).collect();
    // A header may stand in a comment.
    if let Some(name) = names.first_mut()
        && let Some(bare) = name.strip_prefix('#')
    {
        *name = bare.trim_start().to_owned();
    }
    let different: BTreeSet<&String> = names.iter().collect();
    let is_header = words && different.len() == names.len() && names.iter().all(|n| !n.is_empty());
    Ok(is_header.then_some(names))
}

/// Bytes whose lines are not too long: whoever reads records would take memory for a whole one.
struct Lines<R> {
    bytes: R,
    /// The length so far of the line at hand.
    length: usize,
}

impl<R> Lines<R> {
    const fn new(bytes: R) -> Self {
        Self { bytes, length: 0 }
    }
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.bytes.read(buffer)?;
        match buffer[..read].iter().rposition(|byte| *byte == b'\n') {
            Some(end) => self.length = read - end - 1,
            None => self.length += read,
        }
        if self.length > LONGEST_LINE {
            return Err(std::io::Error::other("it has a line of more than 64 MiB"));
        }
        Ok(read)
    }
}

#[async_trait]
impl TableProvider for Files {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        _: &[Expr],
        limit: Option<usize>,
    ) -> datafusion::common::Result<Arc<dyn ExecutionPlan>> {
        one_partition(Arc::new(self.clone()), projection, limit)
    }
}

impl PartitionStream for Files {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = Batches {
            files: self.clone(),
            next: 0,
            reader: None,
        };
        stream(&self.schema, Ok(rows))
    }
}

/// The batches of all files, one file open at a time.
struct Batches {
    files: Files,
    next: usize,
    reader: Option<Reader<Lines<File>>>,
}

impl Iterator for Batches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some(reader) = &mut self.reader else {
                let path = self.files.files.get(self.next)?;
                self.next += 1;
                let opened = File::open(path).map_err(|e| e.to_string()).and_then(|file| {
                    ReaderBuilder::new(Arc::clone(&self.files.schema))
                        .with_header(self.files.header)
                        .with_batch_size(BATCH)
                        .build(Lines::new(file))
                        .map_err(|e| e.to_string())
                });
                match opened {
                    Ok(reader) => self.reader = Some(reader),
                    Err(e) => return Some(Err(unread(path, &e))),
                }
                continue;
            };
            match reader.next() {
                Some(Ok(batch)) => return Some(Ok(batch)),
                Some(Err(e)) => {
                    let path = self.files.files.get(self.next.saturating_sub(1))?;
                    let error = unread(path, &e.to_string());
                    self.next = usize::MAX;
                    self.reader = None;
                    return Some(Err(error));
                }
                None => self.reader = None,
            }
        }
    }
}

fn unread(path: &Path, why: &str) -> EngineError {
    EngineError::failed(format!("{} can't be read: {why}", path.display()))
        .hint("the types come from its first 1000 rows: CREATE TABLE with the right ones reads it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_end_is_given_up() {
        let mut lines = BufReader::new(Lines::new(std::io::repeat(b'x')));
        let error = std::io::copy(&mut lines, &mut std::io::sink()).unwrap_err();
        assert!(error.to_string().contains("more than 64 MiB"), "{error}");
        let short = "a\n".repeat(1 << 20);
        let copied = std::io::copy(&mut Lines::new(short.as_bytes()), &mut std::io::sink());
        assert_eq!(copied.unwrap(), 2 << 20);
    }

    #[test]
    fn a_header_in_a_comment_names_the_columns() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        std::fs::write(&path, "# ts,n\n2024-01-01,1\n").unwrap();
        let files = open(&path.display().to_string()).unwrap();
        let names: Vec<_> = files.schema.fields().iter().map(|f| f.name().as_str()).collect();
        assert_eq!(names, ["ts", "n"]);
        assert!(
            open("/dev/null")
                .unwrap_err()
                .message
                .contains("neither a file nor a directory")
        );
    }
}
