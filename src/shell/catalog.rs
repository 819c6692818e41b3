//! Tables and columns for the completer, fetched beforehand: completing never waits for a server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use skep_engine::Sql;
use tokio::task::JoinHandle;

/// Of more tables than this the columns are not fetched: each is a question to the server.
const DESCRIBED: usize = 200;

/// What is known of the current database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Tables and views.
    pub tables: Vec<String>,
    /// Their columns, as far as they are known.
    pub columns: BTreeMap<String, Vec<String>>,
}

/// The names as they were when they were last fetched. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    names: Arc<Mutex<Names>>,
    fetching: Arc<Mutex<Option<JoinHandle<()>>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is in there is replaced at once: there is nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Catalog {
    /// The names as far as they are known.
    pub fn names(&self) -> Names {
        lock(&self.names).clone()
    }

    /// Fetches them anew in the background, or forgets them where there is nobody to ask. Until the answer comes the old
    /// ones stay.
    pub fn refresh(&self, sql: Option<Arc<dyn Sql>>) {
        let mut fetching = lock(&self.fetching);
        if let Some(task) = fetching.take() {
            task.abort();
        }
        let Some(sql) = sql else {
            *lock(&self.names) = Names::default();
            return;
        };
        let names = Arc::clone(&self.names);
        *fetching = Some(tokio::spawn(async move {
            // Somebody who presses Tab gets keywords only; the statement itself will tell what is wrong.
            let Ok(objects) = sql.objects().await else { return };
            let tables: Vec<String> = objects.into_iter().map(|object| object.name).collect();
            *lock(&names) = Names {
                tables: tables.clone(),
                columns: BTreeMap::new(),
            };
            for table in tables.into_iter().take(DESCRIBED) {
                if let Ok(columns) = sql.columns(&table).await {
                    let columns = columns.into_iter().map(|column| column.name).collect();
                    lock(&names).columns.insert(table, columns);
                }
            }
        }));
    }
}
