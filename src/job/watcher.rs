//! Follows jobs: what the engine says of one goes into the table, into the ledger when it ends, and above the prompt when
//! it is news.

use std::sync::Arc;

use skep_engine::{Connection, EndedBy, EngineError, ErrorKind, JobControl, JobId, JobState, LogRing, Watched};
use tokio::sync::watch;

use super::record::{Action, Job, Known};
use super::spool::Progress;
use super::table::{Entry, Table};
use crate::ledger::Ledger;
use crate::ui::Ui;

/// Questions in a row that must fail until that is said: a single one can be lost.
const SILENT: u32 = 2;

/// Follows a job until it has ended or is lost.
pub async fn follow(
    table: Table,
    handle: u32,
    job: JobId,
    mut watched: watch::Receiver<Watched>,
    ledger: Ledger,
    ui: Ui,
) {
    let mut failed: u32 = 0;
    let mut noted = None;
    loop {
        let now = watched.borrow_and_update().clone();
        if now.status.is_some() || now.problem.is_some() {
            let gone = now
                .problem
                .as_ref()
                .is_some_and(|problem| problem.kind == ErrorKind::NotFound);
            let mut changed = false;
            let entry = table.update(handle, |entry| {
                let before = (entry.job.state, entry.job.known);
                entry.job.apply_watched(&now);
                changed = before != (entry.job.state, entry.job.known);
                entry.untold |= changed && entry.attended;
            });
            if let Some(entry) = entry {
                // That it runs was known when it was started, and is no news; the ledger has not heard of it.
                if let Some(status) = &now.status
                    && (changed || noted != Some(status.state))
                {
                    noted = Some(status.state);
                    ledger.status(&entry.connection.url, job, status.clone());
                }
                if changed {
                    announce(&ui, &entry);
                }
                match &now.problem {
                    Some(problem) if !gone => {
                        failed = failed.saturating_add(1);
                        if failed == SILENT {
                            tell_silence(&ui, &table, &entry, problem);
                        }
                    }
                    _ if failed >= SILENT => {
                        failed = 0;
                        tell_answer(&ui, &table, &entry);
                    }
                    _ => failed = 0,
                }
                if gone || entry.job.known == Known::Ended {
                    return;
                }
            }
        }
        if watched.changed().await.is_err() {
            return;
        }
    }
}

/// Tells, once for all jobs of a connection, that nobody answers any more for them.
fn tell_silence(ui: &Ui, table: &Table, entry: &Entry, problem: &EngineError) {
    let is_told = table.update_all(|other| {
        let is_same = other.connection.url == entry.connection.url;
        let was_told = is_same && other.silent;
        other.silent |= other.job.handle == entry.job.handle;
        was_told
    });
    if is_told {
        return;
    }
    let state = entry
        .job
        .state
        .map(|state| format!(": it was {state}"))
        .unwrap_or_default();
    ui.note(&format!(
        "{} can't be asked any more ({}); whether {} still runs is not known{state}",
        entry.connection.label,
        problem.message,
        entry.job.title()
    ));
}

/// Tells, once for all jobs of a connection, that it answers again.
fn tell_answer(ui: &Ui, table: &Table, entry: &Entry) {
    let was_silent = table.update_all(|other| {
        let is_same = other.connection.url == entry.connection.url;
        is_same && std::mem::take(&mut other.silent)
    });
    if was_silent {
        ui.note(&format!("{} answers again", entry.connection.label));
    }
}

/// A job that this session did not start.
pub struct Stranger {
    /// What is known of it.
    pub job: Job,
    /// Its id.
    pub job_id: JobId,
    /// Where it is.
    pub connection: Arc<Connection>,
    /// The job verbs there.
    pub control: Arc<dyn JobControl>,
}

/// Puts a job that this session did not start into its table, somebody waiting for it, and has it followed. Returns its
/// handle.
pub fn take_up(table: &Table, stranger: Stranger, ledger: &Ledger, ui: &Ui) -> u32 {
    let handle = table.add(Entry {
        job: stranger.job,
        connection: stranger.connection,
        operation: None,
        log: LogRing::default(),
        spool: None,
        attended: true,
        untold: false,
        silent: false,
    });
    let watched = stranger.control.watch(stranger.job_id);
    let (table, ledger, ui) = (table.clone(), ledger.clone(), ui.clone());
    tokio::spawn(follow(table, handle, stranger.job_id, watched, ledger, ui));
    handle
}

/// Follows a statement that has no job id, by its rows.
pub async fn follow_rows(table: Table, handle: u32, mut progress: watch::Receiver<Progress>, ui: Ui) {
    loop {
        let now = progress.borrow_and_update().clone();
        let entry = table.update(handle, |entry| {
            entry.job.rows_out = Some(now.rows);
            if let Some(end) = &now.end {
                settle(entry, end.as_ref().err());
                entry.untold |= entry.attended;
            }
        });
        if now.end.is_some() {
            if let Some(entry) = entry {
                announce(&ui, &entry);
            }
            return;
        }
        if progress.changed().await.is_err() {
            return;
        }
    }
}

/// Somebody waits for a job in the foreground: until [`release`] its news are told there.
pub fn attend(table: &Table, handle: u32) {
    table.update(handle, |entry| (entry.attended, entry.untold) = (true, false));
}

/// Nobody waits for a job any more. What has happened to it meanwhile is told now, unless it `was_told`.
pub fn release(table: &Table, handle: u32, was_told: bool, ui: &Ui) {
    let mut untold = false;
    let entry = table.update(handle, |entry| {
        entry.attended = false;
        untold = std::mem::take(&mut entry.untold);
    });
    if let Some(entry) = entry.filter(|_| untold && !was_told) {
        announce(ui, &entry);
    }
}

/// Writes down that a statement without a job id has ended.
pub fn settle(entry: &mut Entry, error: Option<&EngineError>) {
    let state = match error {
        None => JobState::Finished,
        Some(error) if error.kind == ErrorKind::Cancelled => JobState::Canceled,
        Some(_) => JobState::Failed,
    };
    let mut status = skep_engine::JobStatus::new(state);
    // A cancel and a failure are told by the state.
    status.ended_by = (state == JobState::Finished).then_some(EndedBy::Completed);
    status.error = error
        .filter(|_| state == JobState::Failed)
        .map(|error| error.message.clone());
    entry.job.apply(&status);
}

/// Tells of an end that nobody asked for and nobody is waiting for.
fn announce(ui: &Ui, entry: &Entry) {
    let job = &entry.job;
    if entry.attended || job.action != Action::None {
        return;
    }
    let title = job.title_with_id();
    let see = job
        .handle
        .map(|handle| format!(" · !job %{handle}"))
        .unwrap_or_default();
    match (job.known, job.state) {
        (Known::Ended, Some(JobState::Failed)) => {
            let why = job.error.as_deref().unwrap_or("the engine does not say why");
            ui.note(&format!("{title} FAILED: {why}{see}"));
        }
        (Known::Ended, Some(state)) => ui.note(&format!("{title} {state}")),
        (Known::Lost, _) => {
            let see = if see.is_empty() {
                see
            } else {
                format!("{see} names what brings it back")
            };
            ui.note(&format!("{title} is lost: the engine does not know it any more{see}"));
        }
        (_, Some(JobState::Restarting)) => {
            let why = job.error.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
            ui.note(&format!("{title} RESTARTING{why}{see}"));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use skep_engine::{Capabilities, JobStatus};

    use super::*;
    use crate::job::record::Origin;
    use crate::ui::Terminal;

    const ID: JobId = JobId::from_bytes([7; 16]);

    /// A table with one job that runs, its handle, and where notices are told.
    fn running() -> (Table, u32, Ui, mpsc::Receiver<String>) {
        let connection = Connection {
            url: "engine:".to_owned(),
            label: "engine".to_owned(),
            greeting: String::new(),
            capabilities: Capabilities::default(),
            sql: None,
            jobs: None,
            stores: None,
            server: None,
        };
        let mut job = Job::new(
            "orders".to_owned(),
            "engine".to_owned(),
            "engine:".to_owned(),
            Origin::Session,
        );
        job.job_id = Some(ID);
        job.apply(&JobStatus::new(JobState::Running));
        let table = Table::new();
        let handle = table.add(Entry {
            job,
            connection: Arc::new(connection),
            operation: None,
            log: LogRing::default(),
            spool: None,
            attended: false,
            untold: false,
            silent: false,
        });
        let ui = Ui::with(
            Terminal::default(),
            false,
            Box::new(std::io::sink()),
            Box::new(std::io::sink()),
        );
        let (sender, notices) = mpsc::channel();
        ui.set_printer(Box::new(move |notice| sender.send(notice).unwrap()));
        (table, handle, ui, notices)
    }

    /// The engine says that it has finished.
    async fn finish(table: &Table, handle: u32, ui: &Ui) {
        let status = Some(JobStatus::new(JobState::Finished));
        let (_engine, watched) = watch::channel(Watched { status, problem: None });
        follow(table.clone(), handle, ID, watched, Ledger::none(), ui.clone()).await;
    }

    #[tokio::test]
    async fn that_nobody_answers_is_told_once_and_that_somebody_does_again() {
        let (table, handle, ui, notices) = running();
        let second = table.add(table.get(handle).unwrap());
        let (engine, watched) = watch::channel(Watched::default());
        for handle in [handle, second] {
            tokio::spawn(follow(
                table.clone(),
                handle,
                ID,
                watched.clone(),
                Ledger::none(),
                ui.clone(),
            ));
        }
        drop(watched);
        let say = async |watched: &Watched| {
            engine.send_replace(watched.clone());
            // Both have taken it up when they wait for the next.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        };
        let runs = Watched {
            status: Some(JobStatus::new(JobState::Running)),
            problem: None,
        };
        let silent = Watched {
            problem: Some(EngineError::new(ErrorKind::Connect, "jm:8081 can't be reached")),
            ..runs.clone()
        };
        // One question can be lost.
        for watched in [&runs, &silent, &runs] {
            say(watched).await;
        }
        assert!(notices.try_recv().is_err());
        for _ in 0..5 {
            say(&silent).await;
        }
        let told = notices.try_recv().unwrap();
        assert!(
            told.contains("engine can't be asked any more (jm:8081 can't be reached)") && told.contains("was RUNNING"),
            "{told}"
        );
        assert!(notices.try_recv().is_err());
        assert_eq!(table.get(handle).unwrap().job.known, Known::Unknown);
        say(&runs).await;
        assert_eq!(notices.try_recv().unwrap(), "engine answers again\n");
        assert!(notices.try_recv().is_err());
        // What does not know the job any more has answered, too.
        say(&silent).await;
        say(&silent).await;
        assert!(notices.try_recv().unwrap().contains("can't be asked"));
        let gone = Watched {
            problem: Some(EngineError::not_found("no such job")),
            ..runs
        };
        say(&gone).await;
        let told: Vec<_> = notices.try_iter().collect();
        assert!(told.iter().any(|told| told.contains("answers again")), "{told:?}");
        assert!(
            told.iter()
                .any(|told| told.contains("is lost") && told.contains("!job %1 names what brings it back")),
            "{told:?}"
        );
    }

    #[tokio::test]
    async fn an_end_that_nobody_waits_for_is_news() {
        let (table, handle, ui, notices) = running();
        finish(&table, handle, &ui).await;
        assert_eq!(notices.try_recv().unwrap(), "[1] orders · job 07070707 FINISHED\n");
    }

    #[tokio::test]
    async fn an_end_that_came_while_somebody_waited_is_told_once() {
        for was_told in [true, false] {
            let (table, handle, ui, notices) = running();
            attend(&table, handle);
            finish(&table, handle, &ui).await;
            assert!(notices.try_recv().is_err());
            release(&table, handle, was_told, &ui);
            assert_eq!(notices.try_recv().is_ok(), !was_told);
            release(&table, handle, was_told, &ui);
            assert!(notices.try_recv().is_err());
        }
    }
}
