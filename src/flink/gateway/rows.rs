//! The rows of an operation: a task fetches page after page, ahead of who reads them by a few.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use skep_engine::{Batch, EngineError, ErrorKind, JobControl, JobId, JobState, JobStatus, LogRing, Result, Rows};
use tokio::sync::mpsc;

use super::api::{Api, Handle};
use super::complaint;
use super::decode::Decoder;
use super::page::{self, ResultType, RowFormat};
use crate::flink::given::Given;

/// Pages that are fetched before anybody has read the first of them. The gateway holds the source back for the rest.
const AHEAD: usize = 2;

/// The pauses between empty pages: the gateway answers them at once, also while the job is still starting.
const FIRST_PAUSE: Duration = Duration::from_millis(4);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// After so long without a row the job is looked at, and then as often.
const LOOK: Duration = Duration::from_secs(2);

/// An operation whose result is fetched.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) api: Arc<Api>,
    pub(super) session: Handle,
    pub(super) operation: Handle,
    pub(super) format: RowFormat,
    /// The job behind it, of a query.
    pub(super) job: Option<JobId>,
    /// Who knows of the job.
    pub(super) jobs: Option<Arc<dyn JobControl>>,
    /// Set once its end was asked for.
    pub(super) cancelled: Arc<AtomicBool>,
    /// Where the reader is told why there are no rows.
    pub(super) log: LogRing,
}

/// The rows, for their one owner.
pub(super) struct ResultRows {
    schema: SchemaRef,
    changelog: bool,
    batches: mpsc::Receiver<Result<Batch>>,
}

/// Begins to fetch: `first` are the rows of the first page, `next` the token that comes after it.
pub(super) fn fetch(
    source: Source,
    decoder: Decoder,
    changelog: bool,
    mut given: Given,
    first: Option<Batch>,
    next: Option<u64>,
) -> ResultRows {
    let (sender, batches) = mpsc::channel(AHEAD);
    let schema = decoder.schema();
    tokio::spawn(async move {
        if let Some(batch) = first {
            given.count(&batch);
            if sender.send(Ok(batch)).await.is_err() {
                return;
            }
        }
        let fetching = Fetching {
            source,
            decoder,
            given,
            said: None,
        };
        fetching.run(next, &sender).await;
    });
    ResultRows {
        schema,
        changelog,
        batches,
    }
}

#[async_trait]
impl Rows for ResultRows {
    fn schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    fn is_changelog(&self) -> bool {
        self.changelog
    }

    async fn next(&mut self) -> Result<Option<Batch>> {
        self.batches.recv().await.transpose()
    }
}

struct Fetching {
    source: Source,
    decoder: Decoder,
    given: Given,
    /// What the reader was told last, so as not to say it again.
    said: Option<String>,
}

impl Fetching {
    /// Fetches until the end, an error, or until nobody reads any more. Then the job goes on: ending it is for its handle.
    async fn run(mut self, mut next: Option<u64>, sender: &mpsc::Sender<Result<Batch>>) {
        let mut pause = FIRST_PAUSE;
        let mut quiet = Instant::now();
        while let Some(token) = next {
            let page = tokio::select! {
                page = self.page(token) => page,
                () = sender.closed() => return,
            };
            let (batch, after) = match page {
                Ok(page) => page,
                Err(error) => {
                    if !self.source.cancelled.load(Ordering::Acquire) {
                        let _ = sender.send(Err(error)).await;
                    }
                    return;
                }
            };
            next = after;
            if let Some(batch) = batch {
                self.given.count(&batch);
                if sender.send(Ok(batch)).await.is_err() {
                    return;
                }
                pause = FIRST_PAUSE;
                quiet = Instant::now();
                continue;
            }
            if quiet.elapsed() >= LOOK {
                quiet = Instant::now();
                if let Err(error) = self.look().await {
                    let _ = sender.send(Err(error)).await;
                    return;
                }
            }
            if next.is_some() {
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = sender.closed() => return,
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
        // All is read: the gateway need not keep it. If it can't be told, it will find out when the session ends.
        let _ = self
            .source
            .api
            .close(&self.source.session, &self.source.operation)
            .await;
    }

    /// The rows of a page, and the token after it.
    async fn page(&mut self, token: u64) -> Result<(Option<Batch>, Option<u64>)> {
        let bytes = self.bytes(token).await?;
        let page = page::read(&bytes)?;
        let batch = match &page.results {
            Some(results) => self.decoder.decode(results)?,
            None => None,
        };
        let next = match page.result_type {
            ResultType::Eos => None,
            ResultType::NotReady => Some(token),
            // Pages are numbered one by one; anything else would lose rows or go round in a circle.
            ResultType::Payload if page.next_token == token.checked_add(1) => page.next_token,
            ResultType::Payload => return Err(out_of_turn(token, page.next_token)),
        };
        Ok((batch, next))
    }

    /// A page as it came. The same one can be asked for again, so that a gateway that is away for a moment is waited for.
    async fn bytes(&mut self, token: u64) -> Result<Vec<u8>> {
        let Source {
            api,
            session,
            operation,
            format,
            ..
        } = self.source.clone();
        let limit = api.client().limits().outage;
        let mut since: Option<Instant> = None;
        loop {
            let error = match api.fetch(&session, &operation, token, format).await {
                Ok(bytes) => {
                    if since.is_some() {
                        self.tell("the gateway answers again".to_owned());
                    }
                    return Ok(bytes);
                }
                Err(error) => error,
            };
            let away = matches!(error.kind, ErrorKind::Connect | ErrorKind::Lost | ErrorKind::Timeout);
            if !away || since.is_some_and(|since| since.elapsed() >= limit) {
                return Err(self.explain(error).await);
            }
            since.get_or_insert_with(Instant::now);
            self.tell(format!("{error} · waiting for it"));
            tokio::time::sleep(LONGEST_PAUSE * 4).await;
        }
    }

    /// Why the rows end before their end.
    async fn explain(&self, error: EngineError) -> EngineError {
        let gone = complaint::is_session_gone(&error) || complaint::is_operation_gone(&error);
        let away = matches!(error.kind, ErrorKind::Connect | ErrorKind::Lost | ErrorKind::Timeout);
        if !gone && !away {
            return match self.source.job {
                Some(job) if complaint::is_job_cancelled(&error) => EngineError::new(
                    ErrorKind::Cancelled,
                    format!("job {job} was cancelled by somebody else"),
                ),
                Some(job) if complaint::is_job_unknown(&error) => EngineError {
                    trace: error.trace,
                    ..forgotten(&job)
                },
                _ => error,
            };
        }
        let what = if gone {
            format!(
                "{} has dropped the query's result (was it restarted?)",
                self.source.api.server()
            )
        } else {
            error.message.clone()
        };
        let fate = fate(self.source.jobs.as_deref(), self.source.job).await;
        // What became of the rows says nothing of the job.
        let mut told = EngineError::new(ErrorKind::Lost, format!("{what}; {fate}"));
        told.trace = error.trace;
        match self.source.job {
            Some(job) => told.hint(format!(
                "!job {job} shows it, !cancel {job} ends it; its rows can't be had any more"
            )),
            None => told,
        }
    }

    /// Looks why there are no rows, and tells the reader.
    ///
    /// # Errors
    /// There will never be any: the job is not there any more.
    async fn look(&mut self) -> Result<()> {
        let (Some(jobs), Some(job)) = (&self.source.jobs, self.source.job) else {
            return Ok(());
        };
        match jobs.status(&job).await {
            Ok(status) => {
                let state = status.state;
                let said = absence(&job, status).or_else(|| self.given.limit_reached(&job, state));
                match said {
                    Some(said) => self.tell(said),
                    None => self.said = None,
                }
                Ok(())
            }
            // Of a JobManager that was killed the gateway may hear nothing: it gives empty pages for ever.
            Err(error) if error.kind == ErrorKind::NotFound => Err(forgotten(&job)),
            Err(error) => {
                self.tell(format!("no rows, and the cluster can't be asked why: {error}"));
                Ok(())
            }
        }
    }

    fn tell(&mut self, text: String) {
        if self.said.as_ref() != Some(&text) {
            self.source.log.push(text.clone());
            self.said = Some(text);
        }
    }
}

/// What is to be said of a query whose job the cluster does not know any more, whoever notices it first: who looks why there are no
/// rows, or the gateway when it asks for some.
fn forgotten(job: &JobId) -> EngineError {
    EngineError::failed(format!(
        "the cluster does not know job {job} any more (was its JobManager restarted?): no more rows will come"
    ))
    .hint(format!("!job {job} names what it has left"))
}

/// Why a job in that status gives no rows, if the status tells.
pub(in crate::flink) fn absence(job: &JobId, status: JobStatus) -> Option<String> {
    let job = job.short();
    match status.state {
        JobState::Restarting | JobState::Failing => {
            let why = status.error.map(|why| format!(": {why}")).unwrap_or_default();
            Some(format!("job {job} is {}{why}", status.state))
        }
        JobState::Created | JobState::Initializing => Some(format!("job {job} is {}", status.state)),
        JobState::Running if !status.all_tasks_run() => status.tasks.map(|(run, all)| {
            // A task that has a slot is being brought there.
            let what = match status.waiting {
                Some(0) => "starts",
                _ => "waits for slots",
            };
            format!("job {job} {what}: {run} of {all} tasks run")
        }),
        _ => None,
    }
}

/// A page that names another than the one after it as the next.
fn out_of_turn(token: u64, next: Option<u64>) -> EngineError {
    let next = next.map_or_else(|| "none".to_owned(), |next| format!("page {next}"));
    EngineError::new(
        ErrorKind::Protocol,
        format!(
            "the gateway names {next} of the result as the one after page {token}: rows would be missing, or come twice"
        ),
    )
}

/// What is known of the job behind an operation that can't be asked any more, as half a sentence.
pub(in crate::flink) async fn fate(jobs: Option<&dyn JobControl>, job: Option<JobId>) -> String {
    let Some(job) = job else {
        return "whether it was carried out is not known".to_owned();
    };
    let Some(jobs) = jobs else {
        return format!("what became of job {job} is not known");
    };
    match jobs.status(&job).await {
        Ok(status) => format!("job {job} is {}", status.state),
        Err(error) if error.kind == ErrorKind::NotFound => format!("the cluster does not know job {job}"),
        Err(error) => format!("what became of job {job} is not known ({error})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_waited_for_by_tasks_that_have_none() {
        let mut status = JobStatus::new(JobState::Running);
        (status.tasks, status.waiting) = (Some((1, 4)), Some(2));
        let said = |status: &JobStatus| absence(&JobId::from_bytes([0xab; 16]), status.clone());
        assert_eq!(
            said(&status).as_deref(),
            Some("job abababab waits for slots: 1 of 4 tasks run")
        );
        status.waiting = Some(0);
        assert_eq!(said(&status).as_deref(), Some("job abababab starts: 1 of 4 tasks run"));
        status.tasks = Some((4, 4));
        assert_eq!(said(&status), None);
    }
}
