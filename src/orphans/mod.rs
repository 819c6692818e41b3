//! What shells that have ended left on a cluster: statements of which they never heard what came of them, queries whose rows
//! nobody can read any more, and what rehearsals have made. The next shell that connects there sees to them.

mod queries;
mod rehearsals;
mod statements;

use std::sync::Arc;

use skep_engine::Connection;

use crate::ledger::Ledger;
use crate::ui::Ui;

pub use queries::OrphanedQueries;
pub use rehearsals::clear as clear_rehearsals;

/// Sees to the statements and the queries that shells which have ended left on that cluster.
pub async fn settle(connection: Arc<Connection>, ledger: Ledger, ui: Ui, queries: OrphanedQueries) {
    let Some(jobs) = &connection.jobs else { return };
    statements::settle(&connection, jobs.as_ref(), &ledger, &ui).await;
    if queries != OrphanedQueries::Leave && !connection.capabilities.jobs_end_with_shell {
        queries::settle(&connection, jobs.as_ref(), &ledger, &ui, queries).await;
    }
}
