//! Between a statement's being sent and the engine's answer.

use std::sync::Arc;

use skep_engine::{Connection, EngineError, ErrorKind, JobId, Operation, Withdrawal};
use tokio::task::JoinHandle;

use crate::interrupt::Signal;
use crate::ledger::{Ledger, Outcome};
use crate::session::Session;
use crate::ui::Ui;

/// How the waiting for the answer ended.
pub(super) enum Submitted {
    /// The engine's answer, and what was asked for in the meantime: Ctrl-C or Ctrl-Z.
    Answered(Result<Operation, EngineError>, Option<Signal>),
    /// The person, or the system, does not wait for it.
    Left(Signal),
}

/// Waits for the engine's answer. The first Ctrl-C withdraws the statement and goes on waiting, since what was sent may
/// have been accepted; the second leaves.
pub(super) async fn answer(
    session: &mut Session,
    task: &mut JoinHandle<Result<Operation, EngineError>>,
    withdrawal: &Withdrawal,
) -> Submitted {
    let mut asked = None;
    loop {
        tokio::select! {
            answer = &mut *task => {
                let answer = answer.unwrap_or_else(|panic| Err(EngineError::failed(format!("internal error: {panic}"))));
                return Submitted::Answered(answer, asked);
            }
            signal = session.interrupts.next() => match signal {
                Signal::Interrupt if asked == Some(Signal::Interrupt) => return Submitted::Left(signal),
                signal if signal.is_final() => return Submitted::Left(signal),
                Signal::Interrupt => {
                    asked = Some(signal);
                    withdrawal.ask();
                    session.ui.say("the statement is being submitted and will be cancelled as soon as the engine answers · Ctrl-C again to leave it");
                }
                signal => asked = asked.or(Some(signal)),
            }
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
    let (ui, ledger) = (session.ui.clone(), session.ledger.clone());
    let connection = Arc::clone(connection);
    tokio::spawn(async move {
        let operation = match task.await {
            Ok(Ok(operation)) => operation,
            Ok(Err(error)) => {
                if let Some(job_id) = intent {
                    note_refusal(&ledger, &ui, job_id, &error);
                }
                return;
            }
            Err(_) => return,
        };
        if let (Some(job_id), Some(started)) = (intent, &operation.job) {
            ledger.accepted(job_id, started.clone(), Some(operation.id.clone()));
        }
        let job = operation.job.as_ref().map(|job| job.job_id);
        let what = job.map_or_else(|| format!("operation {}", operation.id), |id| format!("job {id}"));
        match super::end(operation.handle.as_ref(), connection.jobs.as_deref(), job).await {
            Ok(status) => {
                if let (Some(job_id), Some(status)) = (job, status) {
                    ledger.status(job_id, status);
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
pub(super) fn note_refusal(ledger: &Ledger, ui: &Ui, job_id: JobId, error: &EngineError) {
    match error.kind {
        ErrorKind::Lost | ErrorKind::Timeout => {
            ledger.settled(job_id, Outcome::Unknown(error.message.clone()));
            ui.note(&format!(
                "whether job {job_id} was started is not known · !job {job_id} asks the engine"
            ));
        }
        _ => ledger.settled(job_id, Outcome::Refused(error.message.clone())),
    }
}
