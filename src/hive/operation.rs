//! An operation that the server runs: waiting for its end, and ending it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use skep_engine::{EngineError, ErrorKind, LogRing, OperationHandle as Ending, Result};
use skep_hive::{Client, Error, OperationHandle, OperationState, OperationStatus};

use super::failure::{explain, of_failure};

/// The pauses between looks at an operation that runs.
const FIRST_PAUSE: Duration = Duration::from_millis(4);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// How often the log of an operation that runs is asked for. One that is over sooner is asked for its log once.
const LOG_PAUSE: Duration = Duration::from_millis(500);

/// Lines of a log that are asked for at once.
const LOG_LINES: usize = 1000;
const PAGES: usize = 10;

/// How long a server is given to end what it was asked to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// An operation, and what is known of it. Cheap to clone; all clones are the same one.
#[derive(Clone)]
pub(crate) struct Running {
    pub(crate) client: Arc<Client>,
    pub(crate) operation: OperationHandle,
    pub(crate) log: LogRing,
    /// Set once its end was asked for.
    pub(crate) cancelled: Arc<AtomicBool>,
}

impl Running {
    pub(crate) fn new(client: Arc<Client>, operation: OperationHandle) -> Self {
        Self {
            client,
            operation,
            log: LogRing::default(),
            cancelled: Arc::default(),
        }
    }

    /// Waits until the operation is finished, and keeps its log meanwhile.
    ///
    /// # Errors
    /// It has failed, was cancelled, or could not be asked about.
    pub(crate) async fn finish(&self) -> Result<OperationStatus> {
        let (mut pause, mut log) = (FIRST_PAUSE, Log::new(self));
        loop {
            let status = self.client.status(&self.operation).await.map_err(explain)?;
            if !status.state.is_terminal() {
                log.read_in_time().await?;
                log.tell_progress(&status);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                continue;
            }
            log.read().await?;
            return match status.state {
                OperationState::Finished => Ok(status),
                OperationState::Error => Err(of_failure(&status.failure.unwrap_or_default())),
                OperationState::TimedOut => Err(EngineError::failed("it took longer than the server gives it")),
                _ => Err(EngineError::new(ErrorKind::Cancelled, "the statement was cancelled")),
            };
        }
    }

    /// Lets the server forget it. If it can't be told, the end of the session tells it.
    pub(crate) async fn close(&self) {
        let _ = self.client.close(&self.operation).await;
    }
}

/// The server's log of an operation, read now and then.
struct Log<'a> {
    running: &'a Running,
    schema: SchemaRef,
    next: Instant,
    /// The server keeps none.
    is_absent: bool,
    /// How far the operation was when it was told last, in tenths.
    told: u32,
}

impl<'a> Log<'a> {
    fn new(running: &'a Running) -> Self {
        Self {
            running,
            schema: Arc::new(Schema::new(vec![Field::new("log", DataType::Utf8, true)])),
            next: Instant::now() + LOG_PAUSE,
            is_absent: false,
            told: 0,
        }
    }

    async fn read_in_time(&mut self) -> Result<()> {
        if Instant::now() < self.next {
            return Ok(());
        }
        self.next = Instant::now() + LOG_PAUSE;
        self.read().await
    }

    /// Reads what has been added, up to some pages: a log that grows as fast as it is read has no end. That there is no log is
    /// no failure.
    async fn read(&mut self) -> Result<()> {
        for _ in 0..PAGES {
            if self.is_absent {
                break;
            }
            let Running { client, operation, .. } = self.running;
            let lines = match client.log(operation, &self.schema, LOG_LINES).await {
                Ok(set) => set.rows,
                Err(Error::Server(_) | Error::Refused { .. } | Error::Protocol { .. }) => {
                    self.is_absent = true;
                    return Ok(());
                }
                Err(error) => return Err(explain(error)),
            };
            let texts = lines.as_ref().and_then(|lines| lines.column(0).as_string_opt::<i32>());
            let Some(texts) = texts.filter(|texts| !texts.is_empty()) else {
                return Ok(());
            };
            for text in texts.iter().flatten() {
                for line in text.lines() {
                    self.running.log.push(line);
                }
            }
            if texts.len() < LOG_LINES {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Says how far it is, each time a tenth has been done.
    fn tell_progress(&mut self, status: &OperationStatus) {
        let Some(progress) = &status.progress else { return };
        let tenths = (progress.share.clamp(0.0, 1.0) * 10.0) as u32;
        if tenths > self.told {
            self.told = tenths;
            self.running
                .log
                .push(format!("{}0 % done {}", tenths, progress.footer.trim()));
        }
    }
}

#[async_trait]
impl Ending for Running {
    async fn cancel(&self) -> Result<()> {
        self.cancelled.store(true, Ordering::Release);
        let running = self.clone();
        let ended = tokio::spawn(async move {
            match running.client.cancel(&running.operation).await {
                Err(Error::Server(failure)) if failure.is_unknown_handle => return Ok(()),
                asked => asked.map_err(explain)?,
            }
            let deadline = Instant::now() + PATIENCE;
            let mut pause = FIRST_PAUSE;
            loop {
                let state = match running.client.status(&running.operation).await {
                    Ok(status) => status.state,
                    Err(Error::Server(failure)) if failure.is_unknown_handle => return Ok(()),
                    Err(error) => return Err(explain(error)),
                };
                if state.is_terminal() {
                    running.close().await;
                    return Ok(());
                }
                if Instant::now() >= deadline {
                    let message = format!("the statement was asked to end {PATIENCE:?} ago and still runs");
                    return Err(EngineError::failed(message));
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        });
        ended
            .await
            .unwrap_or_else(|error| Err(EngineError::failed(format!("internal error: {error}"))))
    }
}
