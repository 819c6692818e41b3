//! Tables and columns for the completer, fetched beforehand: completing waits for a server only when the very first answer
//! is still on its way, and then not for long.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use skep_engine::{Offered, Sql};
use tokio::task::JoinHandle;

/// Of more tables than this the columns are not fetched: each is a question to the server.
const DESCRIBED: usize = 200;

/// How long a completion waits for the first answer: short enough not to be felt as a hang.
const PATIENCE: Duration = Duration::from_millis(400);

/// What is known of the current database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Tables and views.
    pub tables: Vec<String>,
    /// Their columns, as far as they are known.
    pub columns: BTreeMap<String, Vec<String>>,
    /// Other databases, with their tables and these with their columns.
    pub databases: Offered,
}

/// The names as they were when they were last fetched. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    known: Arc<Known>,
    fetching: Arc<Mutex<Option<JoinHandle<()>>>>,
}

#[derive(Debug, Default)]
struct Known {
    /// `None` while the first answer is on its way.
    names: Mutex<Option<Names>>,
    answered: Condvar,
}

impl Known {
    fn set(&self, names: Names) {
        *lock(&self.names) = Some(names);
        self.answered.notify_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is in there is replaced at once: there is nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Catalog {
    /// The names as far as they are known. Blocks for a moment if the first answer is on its way.
    pub fn names(&self) -> Names {
        let names = lock(&self.known.names);
        let (names, _) = self
            .known
            .answered
            .wait_timeout_while(names, PATIENCE, |names| names.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        names.clone().unwrap_or_default()
    }

    /// Fetches them anew in the background, or forgets them where there is nobody to ask. Until the answer comes the old
    /// ones stay.
    pub fn refresh(&self, sql: Option<Arc<dyn Sql>>) {
        let mut fetching = lock(&self.fetching);
        if let Some(task) = fetching.take() {
            task.abort();
        }
        let Some(sql) = sql else {
            self.known.set(Names::default());
            return;
        };
        let known = Arc::clone(&self.known);
        *fetching = Some(tokio::spawn(async move {
            // Somebody who presses Tab gets keywords only; the statement itself will tell what is wrong.
            let objects = sql.objects().await.unwrap_or_default();
            let mut names = Names {
                tables: objects.into_iter().map(|object| object.name).collect(),
                columns: BTreeMap::new(),
                databases: sql.offered(),
            };
            known.set(names.clone());
            for table in names.tables.iter().take(DESCRIBED) {
                if let Ok(columns) = sql.columns(table).await {
                    let columns = columns.into_iter().map(|column| column.name).collect();
                    names.columns.insert(table.clone(), columns);
                }
            }
            known.set(names);
        }));
    }
}
