//! A detached query's rows, on disk until somebody looks at them.
//!
//! One task pulls them from the engine and writes them; `!fg` reads each once. When the file has reached its limit the
//! task stops pulling, so that the engine is held back: rows are never dropped and never pile up in memory. When all that
//! was written has been read the file starts anew.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow::datatypes::{Schema, SchemaRef};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use async_trait::async_trait;
use skep_engine::{Batch, EngineError, Result, RowKind, Rows};
use tokio::sync::{mpsc, watch};

/// How the stream behind a spool stands.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// The columns are known.
    pub ready: bool,
    /// Rows written so far.
    pub rows: u64,
    /// Bytes in the file that nobody has read yet.
    pub waiting: u64,
    /// The file is full: the engine is held back.
    pub full: bool,
    /// The stream has ended, well or not.
    pub end: Option<Result<(), EngineError>>,
}

#[derive(Debug)]
struct Store {
    file: File,
    written: u64,
    read: u64,
}

/// A spool. Cheap to clone; all clones are the same one.
#[derive(Debug, Clone)]
pub struct Spool {
    /// The columns, once they are known.
    schema: Arc<OnceLock<SchemaRef>>,
    changelog: bool,
    store: Arc<Mutex<Store>>,
    progress: Arc<watch::Sender<Progress>>,
    stop: mpsc::Sender<()>,
}

/// The default limit of a spool, in bytes.
pub const LIMIT: u64 = 1 << 30;

impl Spool {
    /// Takes over a row stream: from now on a task of its own pulls it, up to `limit` bytes ahead of the reader.
    ///
    /// # Errors
    /// The file could not be made. The rows are handed back with the error, none of them lost.
    pub fn start(rows: Box<dyn Rows>, limit: u64) -> Result<Self, (io::Error, Box<dyn Rows>)> {
        let file = match tempfile::tempfile() {
            Ok(file) => file,
            Err(cause) => return Err((cause, rows)),
        };
        let (stop, stopped) = mpsc::channel(1);
        let spool = Self {
            schema: Arc::default(),
            changelog: rows.is_changelog(),
            store: Arc::new(Mutex::new(Store {
                file,
                written: 0,
                read: 0,
            })),
            progress: Arc::new(watch::channel(Progress::default()).0),
            stop,
        };
        tokio::spawn(spool.clone().fill(rows, limit, stopped));
        Ok(spool)
    }

    /// How the stream stands, as a latest value.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Lets go of the row stream. What is on disk can still be read.
    pub fn release(&self) {
        // A full channel means that it has been asked already.
        let _ = self.stop.try_send(());
    }

    /// The rows that nobody has read yet, and those that are still to come.
    pub fn rows(&self) -> SpooledRows {
        SpooledRows {
            spool: self.clone(),
            progress: self.progress(),
            ended: false,
        }
    }

    async fn fill(self, mut rows: Box<dyn Rows>, limit: u64, mut stopped: mpsc::Receiver<()>) {
        let ready = tokio::select! {
            ready = rows.ready() => ready.map(|()| true),
            _ = stopped.recv() => Ok(false),
        };
        let end = match ready {
            Ok(true) => {
                self.schema.get_or_init(|| rows.schema());
                self.progress.send_modify(|p| p.ready = true);
                self.pull(rows.as_mut(), limit, &mut stopped).await
            }
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        drop(rows);
        self.progress.send_modify(|p| p.end = Some(end));
    }

    async fn pull(&self, rows: &mut dyn Rows, limit: u64, stopped: &mut mpsc::Receiver<()>) -> Result<()> {
        let mut progress = self.progress();
        loop {
            let room = async {
                // The sender lives in `self`: waiting can only end by a value that fits.
                let _ = progress.wait_for(|p| p.waiting < limit).await;
            };
            tokio::select! {
                () = room => {}
                _ = stopped.recv() => break Ok(()),
            }
            let batch = tokio::select! {
                batch = rows.next() => batch,
                _ = stopped.recv() => break Ok(()),
            };
            match batch {
                Ok(Some(batch)) => match self.write(&batch) {
                    Ok(waiting) => self.progress.send_modify(|p| {
                        p.rows += batch.rows.num_rows() as u64;
                        p.waiting = waiting;
                        p.full = waiting >= limit;
                    }),
                    Err(cause) => break Err(EngineError::failed(format!("the rows can't be kept on disk: {cause}"))),
                },
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Each record is: the length of what follows (u64), the number of kinds (u64, 0 if all are inserts), the kinds (a
    /// byte each), the batch as an Arrow IPC stream.
    fn write(&self, batch: &Batch) -> io::Result<u64> {
        let kinds = batch.kinds.as_deref().unwrap_or_default();
        let mut record = vec![0; 16];
        record[8..16].copy_from_slice(&(kinds.len() as u64).to_le_bytes());
        record.extend(kinds.iter().map(|kind| *kind as u8));
        let mut writer = StreamWriter::try_new(&mut record, &batch.rows.schema()).map_err(io::Error::other)?;
        writer
            .write(&batch.rows)
            .and_then(|()| writer.finish())
            .map_err(io::Error::other)?;
        drop(writer);
        let length = record.len() as u64 - 8;
        record[..8].copy_from_slice(&length.to_le_bytes());
        let mut store = self.lock();
        let end = store.written;
        store.file.seek(SeekFrom::Start(end))?;
        store.file.write_all(&record)?;
        store.written = end + record.len() as u64;
        Ok(store.written - store.read)
    }

    /// The next batch in the file, if there is one.
    fn read(&self) -> io::Result<Option<Batch>> {
        let (batch, waiting) = {
            let mut store = self.lock();
            if store.read == store.written {
                return Ok(None);
            }
            let start = store.read;
            store.file.seek(SeekFrom::Start(start))?;
            let mut head = [0; 16];
            store.file.read_exact(&mut head)?;
            let [length, kinds] = [&head[..8], &head[8..]].map(|part| {
                let mut bytes = [0; 8];
                bytes.copy_from_slice(part);
                u64::from_le_bytes(bytes)
            });
            let size = usize::try_from(length - 8).map_err(io::Error::other)?;
            let mut record = vec![0; size];
            store.file.read_exact(&mut record)?;
            store.read = start + 8 + length;
            if store.read == store.written {
                store.file.set_len(0)?;
                store.read = 0;
                store.written = 0;
            }
            let kinds = usize::try_from(kinds).map_err(io::Error::other)?;
            let (kinds, stream) = record.split_at(kinds);
            let mut reader = StreamReader::try_new(stream, None).map_err(io::Error::other)?;
            let rows = reader
                .next()
                .ok_or_else(|| io::Error::other("an empty record"))?
                .map_err(io::Error::other)?;
            let kinds = (!kinds.is_empty()).then(|| kinds.iter().map(|kind| row_kind(*kind)).collect());
            (Batch { rows, kinds }, store.written - store.read)
        };
        self.progress.send_modify(|p| {
            p.waiting = waiting;
            p.full = false;
        });
        Ok(Some(batch))
    }
}

const fn row_kind(byte: u8) -> RowKind {
    match byte {
        1 => RowKind::UpdateBefore,
        2 => RowKind::UpdateAfter,
        3 => RowKind::Delete,
        _ => RowKind::Insert,
    }
}

/// The rows of a spool as a stream.
#[derive(Debug)]
pub struct SpooledRows {
    spool: Spool,
    progress: watch::Receiver<Progress>,
    ended: bool,
}

#[async_trait]
impl Rows for SpooledRows {
    async fn ready(&mut self) -> Result<()> {
        // The sender lives in `self.spool`: waiting can't fail. What has ended before is told by `next`.
        let _ = self.progress.wait_for(|p| p.ready || p.end.is_some()).await;
        Ok(())
    }

    fn schema(&self) -> SchemaRef {
        let known = self.spool.schema.get();
        known.map_or_else(|| Arc::new(Schema::empty()), SchemaRef::clone)
    }

    fn is_changelog(&self) -> bool {
        self.spool.changelog
    }

    async fn next(&mut self) -> Result<Option<Batch>> {
        while !self.ended {
            // Looked at before the file: a stream that ends afterwards leaves nothing behind that is not seen.
            let end = self.progress.borrow_and_update().end.clone();
            let batch = self.spool.read();
            match batch.map_err(|cause| EngineError::failed(format!("the kept rows can't be read: {cause}")))? {
                Some(batch) => return Ok(Some(batch)),
                None => match end {
                    Some(end) => {
                        self.ended = true;
                        end?;
                    }
                    // The sender lives in `self.spool`.
                    None => drop(self.progress.changed().await),
                },
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, RecordBatch};
    use arrow::datatypes::{DataType, Field};

    use super::*;

    struct Counting {
        next: i64,
        end: i64,
        pulled: watch::Sender<i64>,
    }

    fn schema() -> SchemaRef {
        Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]))
    }

    #[async_trait]
    impl Rows for Counting {
        fn schema(&self) -> SchemaRef {
            schema()
        }

        async fn next(&mut self) -> Result<Option<Batch>> {
            if self.next == self.end {
                return Ok(None);
            }
            let values: Vec<i64> = (self.next..self.next + 10).collect();
            self.next += 10;
            self.pulled.send_replace(self.next);
            let rows = RecordBatch::try_new(schema(), vec![Arc::new(Int64Array::from(values))]).unwrap();
            let kinds = (self.next % 20 == 0).then(|| vec![RowKind::UpdateAfter; 10]);
            Ok(Some(Batch { rows, kinds }))
        }
    }

    fn values(batch: &Batch) -> Vec<i64> {
        let column = batch.rows.column(0).as_any().downcast_ref::<Int64Array>().unwrap();
        column.values().to_vec()
    }

    #[tokio::test]
    async fn every_row_is_read_once_and_in_order() {
        let rows = Counting {
            next: 0,
            end: 1000,
            pulled: watch::channel(0).0,
        };
        let spool = Spool::start(Box::new(rows), 1 << 20).ok().unwrap();
        let mut seen = Vec::new();
        let mut first = spool.rows();
        for _ in 0..7 {
            let batch = first.next().await.unwrap().unwrap();
            assert_eq!(batch.kinds.is_some(), values(&batch)[0] % 20 == 10);
            seen.extend(values(&batch));
        }
        drop(first);
        let mut second = spool.rows();
        while let Some(batch) = second.next().await.unwrap() {
            seen.extend(values(&batch));
        }
        assert_eq!(seen, (0..1000).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_full_spool_holds_the_source_back_until_somebody_reads() {
        let (pulled, mut seen_pulled) = watch::channel(0);
        let rows = Counting {
            next: 0,
            end: 100_000,
            pulled,
        };
        let spool = Spool::start(Box::new(rows), 2_000).ok().unwrap();
        spool.progress().wait_for(|p| p.full).await.unwrap();
        let held_at = *seen_pulled.borrow_and_update();
        assert!(held_at < 100_000, "{held_at}");
        let mut rows = spool.rows();
        let mut count = 0;
        while let Some(batch) = rows.next().await.unwrap() {
            count += batch.rows.num_rows();
        }
        assert_eq!(count, 100_000);
    }
}
