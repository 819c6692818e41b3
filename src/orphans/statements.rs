//! Statements that were submitted by shells which ended before they heard what came of them.

use skep_engine::{Connection, JobControl, StartedJob};

use crate::ledger::{Ledger, Outcome};
use crate::ui::Ui;

/// Asks the engine about the statements of shells that have ended without hearing what came of them, and says it. One that
/// it knows was accepted. That it does not know one proves nothing: a server forgets, and then it is unknown, and asked
/// for again by the next shell.
pub async fn settle(connection: &Connection, jobs: &dyn JobControl, ledger: &Ledger, ui: &Ui) {
    // What ran in a shell that has ended does not run any more.
    let may_run = !connection.capabilities.jobs_end_with_shell;
    // A ledger that can't be read has nothing to settle; the shell has said so already.
    for record in ledger.orphans(Some(&connection.url)).await.unwrap_or_default() {
        let chosen = record.job_id();
        let name = record.intent.name;
        let why = match jobs.submitted(&chosen).await {
            Ok(Some((job_id, status))) => {
                if may_run {
                    let state = status.state;
                    ui.note(&format!(
                        "{name}, which an earlier shell submitted and heard nothing of: job {job_id} is {state}"
                    ));
                }
                let started = StartedJob {
                    job_id,
                    cluster_id: None,
                    name,
                    bounded: false,
                };
                ledger.accepted(&connection.url, chosen, started, record.operation_id);
                ledger.status(&connection.url, job_id, status);
                continue;
            }
            // Such an engine's jobs are its shell's, and leave a record: without one there was none.
            Ok(None) if !may_run => {
                ledger.settled(&connection.url, chosen, Outcome::NeverArrived);
                continue;
            }
            Ok(None) => "the cluster knows no job of that id".to_owned(),
            Err(error) => error.message,
        };
        // What is unknown already has been said.
        if may_run && record.outcome == Outcome::Open {
            ui.note(&format!(
                "{name}, which an earlier shell submitted and heard nothing of: whether job {chosen} was started is not \
                 known ({why}) · !job {chosen} asks again"
            ));
            let unheard = format!("the shell ended before it heard what came of it; {why}");
            ledger.settled(&connection.url, chosen, Outcome::Unknown(unheard));
        }
    }
}
