//! Between a statement's being sent and the engine's answer.

use std::sync::Arc;
use std::time::Duration;

use skep_engine::{Connection, EngineError, ErrorKind, JobId, Operation, Withdrawal};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::interrupt::Signal;
use crate::ledger::{Ledger, Outcome};
use crate::session::Session;
use crate::ui::Ui;

/// How long the engine's word on a statement that was withdrawn is waited for. Ending one that has begun takes a moment.
const PATIENCE: Duration = Duration::from_secs(5);

/// How the waiting for the answer ended.
pub(super) enum Submitted {
    /// The engine's answer, and what was asked for in the meantime: Ctrl-C or Ctrl-Z.
    Answered(Result<Operation, EngineError>, Option<Signal>),
    /// The person, or the system, does not wait for it.
    Left(Signal),
}

/// Waits for the engine's answer. The first Ctrl-C withdraws the statement and goes on waiting for a while, since what was
/// sent may have been accepted; the second leaves.
pub(super) async fn answer(
    session: &mut Session,
    task: &mut JoinHandle<Result<Operation, EngineError>>,
    withdrawal: &Withdrawal,
) -> Submitted {
    let mut asked = None;
    let mut limit = None;
    loop {
        let time_is_up = async {
            match limit {
                Some(limit) => tokio::time::sleep_until(limit).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            answer = &mut *task => {
                let answer = answer.unwrap_or_else(|panic| Err(EngineError::failed(format!("internal error: {panic}"))));
                return Submitted::Answered(answer, asked);
            }
            signal = session.interrupts.next() => {
                session.ui.clear_key();
                match signal {
                    Signal::Interrupt if asked == Some(Signal::Interrupt) => return Submitted::Left(signal),
                    signal if signal.is_final() => return Submitted::Left(signal),
                    Signal::Interrupt => {
                        asked = Some(signal);
                        limit = Some(Instant::now() + PATIENCE);
                        withdrawal.ask();
                        session.ui.say("the statement is being submitted and will be cancelled as soon as the engine answers · Ctrl-C again to leave it");
                    }
                    signal => asked = asked.or(Some(signal)),
                }
            }
            () = time_is_up => return Submitted::Left(Signal::Interrupt),
        }
    }
}

/// The person does not want to wait for the engine's answer: when it comes, what it started is cancelled.
pub(super) fn leave(
    session: &Session,
    task: JoinHandle<Result<Operation, EngineError>>,
    name: String,
    connection: &Arc<Connection>,
    intent: Option<JobId>,
) {
    match intent {
        // Nobody will be here to hear it.
        Some(job_id) if !session.settings.interactive => {
            let why = "the shell ended before it heard what came of it";
            let outcome = Outcome::Unknown(why.to_owned());
            session.ledger.settled(&connection.url, job_id, outcome);
            session.ui.note(&format!(
                "the engine has not answered: whether job {job_id} was started is not known · !job {job_id} asks the engine"
            ));
        }
        _ => session
            .ui
            .note("the engine has not answered: what it starts late is cancelled then"),
    }
    let (ui, ledger) = (session.ui.clone(), session.ledger.clone());
    let connection = Arc::clone(connection);
    tokio::spawn(async move {
        let operation = match task.await {
            Ok(Ok(operation)) => operation,
            Ok(Err(error)) => {
                if let Some(job_id) = intent {
                    note_refusal(&ledger, &ui, &connection.url, job_id, &error);
                }
                return;
            }
            Err(_) => return,
        };
        if let (Some(job_id), Some(started)) = (intent, &operation.job) {
            ledger.accepted(&connection.url, job_id, started.clone(), Some(operation.id.clone()));
        }
        let job = operation.job.as_ref().map(|job| job.job_id);
        let what = job.map_or_else(|| format!("operation {}", operation.id), |id| format!("job {id}"));
        match super::end(operation.handle.as_ref(), connection.jobs.as_deref(), job).await {
            Ok(status) => {
                if let (Some(job_id), Some(status)) = (job, status) {
                    ledger.status(&connection.url, job_id, status);
                }
                ui.note(&format!("{name}: accepted late as {what}, and cancelled"));
            }
            Err(error) => ui.note(&format!(
                "{name}: accepted late as {what}, and could not be cancelled: {error}"
            )),
        }
    });
}

/// Writes down that the engine has not accepted it, or may not have.
pub(super) fn note_refusal(ledger: &Ledger, ui: &Ui, url: &str, job_id: JobId, error: &EngineError) {
    match error.kind {
        ErrorKind::Lost | ErrorKind::Timeout => {
            ledger.settled(url, job_id, Outcome::Unknown(error.message.clone()));
            ui.note(&format!(
                "whether job {job_id} was started is not known · !job {job_id} asks the engine"
            ));
        }
        _ => ledger.settled(url, job_id, Outcome::Refused(error.message.clone())),
    }
}
