//! The ledger: what was run, what came of it, what was saved, what was restored from what.
//!
//! A SQLite database in the user's data directory, shared by any number of shells at once. Each shell has one thread
//! that owns its connection; a [`Ledger`] is a handle to that thread. What must be durable before something else may
//! happen is awaited, above all an [`Intent`]; what is only to be remembered is sent and never waited for. Requests are
//! carried out in the order in which they are sent, so that a read sees every write before it.
//!
//! A ledger that is found to be damaged is given up: from then on it is neither read nor written.
//!
//! A commit is on disk when it is reported. A process that dies at any moment leaves what it has committed and nothing
//! else.

mod columns;
mod error;
mod note;
mod presence;
mod query;
mod record;
mod rehearsal;
mod schema;
mod store;
mod tables;
mod transfer;
mod upgrade;

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod transfer_tests;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};

use skep_engine::{JobId, JobStatus, OperationId, Recipe, Savepoint, StartedJob};
use tokio::sync::oneshot;

use crate::savepoint::Claim;

pub use error::{LedgerError, Result};
pub use note::{Note, Subject};
pub use record::{
    Abandoned, AwaitedLabel, Family, Intent, JobFilter, JobRecord, LastKnown, NewestSavepoints, Outcome, Part, Plan,
    Submission, superseded,
};
pub use rehearsal::Rehearsal;
use store::Store;
pub use tables::Tables;
pub use transfer::{Line, Place, Ran, Saved, Taken, Upgraded, VERSION};
pub use upgrade::{Step, Taking, Terms, Upgrade, Version};

/// A handle to the ledger. Clones share it. When the last one is dropped, what was sent is written before the drop
/// returns.
#[derive(Debug, Clone)]
pub struct Ledger {
    writer: Option<Arc<Writer>>,
}

type Request = Box<dyn FnOnce(&mut Kept) + Send>;

/// The database, and whether it was found to be damaged: then it is left as it is.
struct Kept {
    store: Store,
    damage: Option<LedgerError>,
}

impl Kept {
    fn carry_out<T>(&mut self, work: impl FnOnce(&mut Store) -> Result<T>) -> Result<T> {
        if let Some(damage) = &self.damage {
            return Err(damage.clone());
        }
        let done = work(&mut self.store);
        if let Err(damage @ LedgerError::Damaged { .. }) = &done {
            self.store.leave_as_it_is();
            self.damage = Some(damage.clone());
        }
        done
    }
}

#[derive(Debug)]
struct Writer {
    /// `None` only while it is being dropped.
    requests: Option<mpsc::Sender<Request>>,
    thread: Option<JoinHandle<()>>,
    problem: Arc<Mutex<Option<LedgerError>>>,
    /// The failure that was told last.
    told: Mutex<Option<LedgerError>>,
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.requests.take());
        if let Some(thread) = self.thread.take() {
            // A panic over there has been reported by then.
            let _ = thread.join();
        }
    }
}

impl Ledger {
    /// Opens the ledger in that directory (the file `ledger.db`), and makes both if they are not there. Waits up to a
    /// few seconds if another process holds it.
    ///
    /// # Errors
    /// It can't be made, opened or read, or a later version has written it. The shell works on with [`Ledger::none`].
    pub fn open(dir: &Path) -> Result<Self> {
        let store = Store::open(dir)?;
        let path = dir.join("ledger.db");
        let (sender, receiver) = mpsc::channel::<Request>();
        let thread = thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || {
                let mut kept = Kept { store, damage: None };
                for request in receiver {
                    request(&mut kept);
                }
            })
            .map_err(|error| LedgerError::Open {
                path,
                cause: error.to_string(),
            })?;
        Ok(Self {
            writer: Some(Arc::new(Writer {
                requests: Some(sender),
                thread: Some(thread),
                problem: Arc::default(),
                told: Mutex::default(),
            })),
        })
    }

    /// A ledger that keeps nothing: every write succeeds and every read finds nothing.
    pub const fn none() -> Self {
        Self { writer: None }
    }

    /// Whether anything is kept.
    pub const fn is_kept(&self) -> bool {
        self.writer.is_some()
    }

    /// The newest failure of a write that nobody waited for, or that the ledger was found to be damaged. It is handed out
    /// once.
    pub fn take_problem(&self) -> Option<LedgerError> {
        let writer = self.writer.as_ref()?;
        writer.problem.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether a failure is worth a word: the same one is told once, however often it comes.
    pub fn is_news(&self, failure: &LedgerError) -> bool {
        let Some(writer) = &self.writer else { return true };
        let mut told = writer.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = told.as_ref() != Some(failure);
        *told = Some(failure.clone());
        is_news
    }

    /// Writes down what is about to be submitted. When this returns, it is on disk.
    ///
    /// # Errors
    /// It is not: the ledger can't be written, or [`LedgerError::Duplicate`].
    pub async fn intend(&self, intent: Intent) -> Result<()> {
        self.ask(move |store| store.intend(&intent)).await
    }

    /// Writes down what is about to be submitted once more under the same id, of which the engine takes only one.
    ///
    /// # Errors
    /// It is not written down.
    pub async fn intend_again(&self, intent: Intent) -> Result<()> {
        self.ask(move |store| store.intend_again(&intent)).await
    }

    /// Writes down an upgrade that is about to begin. When this returns, it is on disk.
    ///
    /// # Errors
    /// It is not: [`LedgerError::UpgradeOpen`], or the ledger can't be written.
    pub async fn begin_upgrade(&self, upgrade: Upgrade) -> Result<()> {
        self.ask(move |store| store.begin_upgrade(&upgrade)).await
    }

    /// Writes down how far an upgrade has come. When this returns, it is on disk.
    ///
    /// # Errors
    /// The ledger can't be written.
    pub async fn write_upgrade(&self, upgrade: Upgrade) -> Result<()> {
        self.ask(move |store| store.write_upgrade(&upgrade)).await
    }

    /// Makes an unfinished upgrade this shell's to finish.
    ///
    /// # Errors
    /// [`LedgerError::NoUpgrade`], [`LedgerError::UpgradeHeld`], or the ledger can't be written.
    pub async fn take_upgrade(&self, id: JobId) -> Result<Upgrade> {
        if self.writer.is_none() {
            return Err(LedgerError::NoUpgrade(id));
        }
        self.ask(move |store| store.take_upgrade(&id).map(Some))
            .await?
            .ok_or(LedgerError::NoUpgrade(id))
    }

    /// Upgrades of that connection (or of all) that are not finished, newest first. `abandoned`: only those whose shell
    /// has ended.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub async fn open_upgrades(&self, url: Option<&str>, abandoned: bool) -> Result<Vec<Upgrade>> {
        let url = url.map(str::to_owned);
        self.ask(move |store| store.open_upgrades(url.as_deref(), abandoned))
            .await
    }

    /// Every upgrade that one of these jobs took part in, oldest first.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub async fn upgrades_of(&self, jobs: Vec<JobId>) -> Result<Vec<Upgrade>> {
        self.ask(move |store| store.upgrades_of(&jobs)).await
    }

    /// Writes down what a rehearsal is about to make, or what is now known of it. When this returns, it is on disk.
    ///
    /// # Errors
    /// The ledger can't be written.
    pub async fn write_rehearsal(&self, rehearsal: Rehearsal) -> Result<()> {
        self.ask(move |store| store.write_rehearsal(&rehearsal)).await
    }

    /// Nothing of that rehearsal is left.
    pub fn end_rehearsal(&self, id: JobId) {
        self.tell(move |store| store.end_rehearsal(&id));
    }

    /// A savepoint that was made for that rehearsal has been deleted. The engine may go on naming it.
    pub fn discarded(&self, rehearsal: &Rehearsal, savepoint: Savepoint) {
        let gone = savepoint.gone("it was made for a rehearsal, and deleted with it");
        self.saved(&rehearsal.url, gone);
    }

    /// Makes the rehearsals on that connection whose shell has ended this shell's to clear away.
    ///
    /// # Errors
    /// The ledger can't be read or written.
    pub async fn take_rehearsals(&self, url: &str) -> Result<Vec<Rehearsal>> {
        let url = url.to_owned();
        self.ask(move |store| store.take_rehearsals(&url)).await
    }

    /// Writes down that the engine has accepted the intent of that id on that connection. From now on the job's id and
    /// name are those that the engine gave it.
    pub fn accepted(&self, url: &str, intent: JobId, started: StartedJob, operation: Option<OperationId>) {
        let url = url.to_owned();
        self.tell(move |store| store.accept(&url, intent, &started, operation.as_ref()));
    }

    /// Writes down what came of the intent on that connection, if that is not known yet.
    pub fn settled(&self, url: &str, intent: JobId, outcome: Outcome) {
        let url = url.to_owned();
        self.tell(move |store| store.settle(&url, intent, &outcome));
    }

    /// Takes out the job of a query that has ended before the person's eyes: there is nothing to go back to.
    pub fn forget(&self, url: &str, job: JobId) {
        let url = url.to_owned();
        self.tell(move |store| store.forget(&url, job));
    }

    /// Writes down a job's state as it was seen through that connection, unless a later one is known. Nothing is kept of
    /// jobs that the ledger does not know.
    pub fn status(&self, url: &str, job: JobId, status: JobStatus) {
        let url = url.to_owned();
        self.tell(move |store| store.note_status(&url, job, &status));
    }

    /// Keeps a savepoint that was made on that connection, or what is now known of it. A label that it carries is given
    /// to it as by [`Ledger::label`].
    pub fn saved(&self, url: &str, savepoint: Savepoint) {
        let url = url.to_owned();
        self.tell(move |store| store.save(&url, &savepoint));
    }

    /// Writes down the label of a savepoint that is about to be asked for. When this returns, it is on disk. It is given to the
    /// savepoint when that is kept with it, or when somebody finds it.
    ///
    /// # Errors
    /// The ledger can't be written.
    pub async fn await_label(&self, awaited: AwaitedLabel) -> Result<()> {
        self.ask(move |store| store.await_label(&awaited)).await
    }

    /// There will be no such savepoint.
    pub fn forget_label(&self, url: &str, job: JobId) {
        let url = url.to_owned();
        self.tell(move |store| store.forget_label(&url, job));
    }

    /// The labels that savepoints of that job, or of any, are to get once they are found, oldest first.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub async fn awaited_labels(&self, job: Option<JobId>) -> Result<Vec<AwaitedLabel>> {
        self.ask(move |store| store.awaited_labels(job)).await
    }

    /// The newest savepoint of each job, as far as it is recorded.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub async fn newest_savepoints(&self) -> Result<NewestSavepoints> {
        self.ask(|store| store.newest_savepoints()).await
    }

    /// Forgets the savepoint at that path. What it was taken of or restored from stays.
    pub fn forget_saved(&self, path: &str) {
        let path = path.to_owned();
        self.tell(move |store| store.forget_saved(&path));
    }

    /// Gives the savepoint at that path a label, and returns the path of the one that had it until now. Within a job
    /// and its ancestors and descendants a label names one savepoint: the last to be given it.
    ///
    /// # Errors
    /// [`LedgerError::NoSavepoint`], or the ledger can't be written.
    pub async fn label(&self, path: &str, label: &str) -> Result<Option<String>> {
        let (path, label) = (path.to_owned(), label.to_owned());
        self.ask(move |store| store.label(&path, &label)).await
    }

    /// Takes over what an engine has written down of its jobs: that record is the truth and the ledger an index of it.
    /// Doing so again changes nothing.
    pub fn import(&self, url: &str, engine: &str, recipes: Vec<Recipe>) {
        let (url, engine) = (url.to_owned(), engine.to_owned());
        self.tell(move |store| store.import(&url, &engine, &recipes));
    }

    /// Jobs, newest first.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub async fn jobs(&self, filter: JobFilter) -> Result<Vec<JobRecord>> {
        self.ask(move |store| store.jobs(&filter)).await
    }

    /// The job of that id: of that connection, or else the newest of another.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub async fn job(&self, url: &str, job: JobId) -> Result<Option<JobRecord>> {
        let url = url.to_owned();
        self.ask(move |store| store.job(&url, &job)).await
    }

    /// Every job of that connection (or of all) that a word may mean, newest first: by its id, by a prefix of at least
    /// four digits, by its operation's id or by its name.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub async fn find(&self, word: &str, url: Option<&str>) -> Result<Vec<JobRecord>> {
        let (word, url) = (word.to_owned(), url.map(str::to_owned));
        self.ask(move |store| store.find(&word, url.as_deref())).await
    }

    /// Statements of that connection (or of all) whose outcome is still to be had and whose shell has ended.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub async fn orphans(&self, url: Option<&str>) -> Result<Vec<JobRecord>> {
        let url = url.map(str::to_owned);
        self.ask(move |store| store.orphans(url.as_deref())).await
    }

    /// Queries, on any connection, that are not known to have ended and whose shell has, or may have.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub async fn abandoned(&self) -> Result<Vec<Abandoned>> {
        self.ask(|store| store.abandoned()).await
    }

    /// Statements that have been written down and of which the engine has said nothing yet, of any connection.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub async fn submitted(&self) -> Result<Vec<JobRecord>> {
        self.ask(move |store| store.submitted()).await
    }

    /// The savepoints that are known of these jobs, and those that they were restored from, newest first. The verdict
    /// is the one that was recorded.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub async fn savepoints(&self, jobs: Vec<JobId>) -> Result<Vec<Savepoint>> {
        self.ask(move |store| store.savepoints(&jobs)).await
    }

    /// The savepoint or checkpoint at that path, as it was recorded.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub async fn savepoint(&self, path: &str) -> Result<Option<Savepoint>> {
        let path = path.to_owned();
        self.ask(move |store| store.savepoint(&path)).await
    }

    /// The jobs that have taken over the state they started from.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub async fn claims(&self) -> Result<Vec<Claim>> {
        self.ask(move |store| store.claims()).await
    }

    /// The runs on that connection of statements in which this text stands, newest first.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub async fn runs(&self, url: &str, text: &str) -> Result<Vec<JobRecord>> {
        let (url, text) = (url.to_owned(), text.to_owned());
        self.ask(move |store| store.runs(&url, &text)).await
    }

    /// The savepoints that were recorded on that connection (or on any), newest first.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub async fn all_savepoints(&self, url: Option<&str>) -> Result<Vec<Savepoint>> {
        let url = url.map(str::to_owned);
        self.ask(move |store| store.all_savepoints(url.as_deref())).await
    }

    /// The savepoints of that label on that connection (or on any), newest first.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub async fn labelled(&self, label: &str, url: Option<&str>) -> Result<Vec<Savepoint>> {
        let (label, url) = (label.to_owned(), url.map(str::to_owned));
        self.ask(move |store| store.labelled(&label, url.as_deref())).await
    }

    /// Keeps a note.
    ///
    /// # Errors
    /// The ledger can't be written.
    pub async fn note(&self, note: Note) -> Result<()> {
        self.ask(move |store| store.note(&note)).await
    }

    /// What was written about these jobs and saved states, oldest first.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub async fn notes(&self, subjects: Vec<Subject>) -> Result<Vec<Note>> {
        self.ask(move |store| store.notes(&subjects)).await
    }

    /// The next entries of an export that has come to that place, and the place where it goes on; `None` at its end.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub async fn export(&self, place: Place) -> Result<(Vec<Line>, Option<Place>)> {
        self.ask(move |store| store.export(place)).await
    }

    /// Takes in entries of another ledger, all or none. Nothing that is known is lost, and doing so again changes nothing.
    ///
    /// # Errors
    /// The ledger can't be written.
    pub async fn take_in(&self, lines: Vec<Line>) -> Result<Taken> {
        self.ask(move |store| store.take_in(&lines)).await
    }

    /// What a job was restored from, and who was restored from it.
    ///
    /// # Errors
    /// The ledger can't be read.
    pub async fn family(&self, job: JobId) -> Result<Family> {
        self.ask(move |store| store.family(&job)).await
    }

    /// Returns when everything sent so far is written, or has failed.
    pub async fn flush(&self) {
        // Without a thread there is nothing left to wait for.
        let _ = self.ask(|_| Ok(())).await;
    }

    /// Sends a request and waits for its answer.
    async fn ask<T: Default + Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let Some(writer) = &self.writer else {
            return Ok(T::default());
        };
        let answer = writer.request(work)?;
        answer.await.unwrap_or(Err(LedgerError::Closed))
    }

    /// Sends a request and goes on.
    fn tell(&self, work: impl FnOnce(&mut Store) -> Result<()> + Send + 'static) {
        let Some(writer) = &self.writer else {
            return;
        };
        let problem = Arc::clone(&writer.problem);
        let sent = writer.send(Box::new(move |kept| {
            if let Err(error) = kept.carry_out(work) {
                keep(&problem, error);
            }
        }));
        if let Err(error) = sent {
            keep(&writer.problem, error);
        }
    }
}

fn keep(problem: &Mutex<Option<LedgerError>>, error: LedgerError) {
    *problem.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
}

impl Writer {
    /// Sends a request whose answer can be waited for.
    fn request<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> Result<T> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T>>> {
        let (answer, wait) = oneshot::channel();
        let problem = Arc::clone(&self.problem);
        self.send(Box::new(move |kept| {
            let done = kept.carry_out(work);
            // Who asks may make do without an answer, but it must be said.
            if let Err(damage @ LedgerError::Damaged { .. }) = &done {
                keep(&problem, damage.clone());
            }
            // Nobody listens any more if the caller was cancelled: the work is done all the same.
            let _ = answer.send(done);
        }))?;
        Ok(wait)
    }

    fn send(&self, request: Request) -> Result<()> {
        let requests = self.requests.as_ref().ok_or(LedgerError::Closed)?;
        requests.send(request).map_err(|_| LedgerError::Closed)
    }
}
