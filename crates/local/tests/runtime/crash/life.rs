//! One life of a job, as its process is told it.

use std::env;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use skep_engine::{JobControl, JobId, JobStatus, Restore};

use crate::world::{restore, savepoint};

/// Is told the rows so far, over the whole lineage.
pub type Report = Box<dyn FnMut(u64) + Send>;

/// What a process is to do.
pub struct Life {
    pub dir: PathBuf,
    pub job: JobId,
    pub restore: Option<Restore>,
    pub interval: String,
    /// Take a savepoint after the first checkpoint.
    savepoint: bool,
}

impl Life {
    /// The case's name and the life, if there is one to be lived.
    pub fn from_environment() -> Option<(String, Self)> {
        let case = env::var("SKEP_CRASH_CASE").ok()?;
        let life = Self {
            dir: PathBuf::from(env::var("SKEP_CRASH_DIR").unwrap()),
            job: env::var("SKEP_CRASH_JOB").unwrap().parse().unwrap(),
            restore: env::var("SKEP_CRASH_RESTORE").ok().and_then(|path| restore(&path)),
            interval: env::var("SKEP_CRASH_INTERVAL").unwrap_or("1 ms".to_owned()),
            savepoint: env::var("SKEP_CRASH_SAVEPOINT").is_ok(),
        };
        Some((case, life))
    }

    /// Tells the parent.
    pub fn report() -> Report {
        let mut stdout = std::io::stdout();
        Box::new(move |rows| {
            writeln!(stdout, "\nrows {rows}").unwrap();
            stdout.flush().unwrap();
        })
    }

    /// Rows read, written and late before this life.
    pub fn rows_before(&self) -> [u64; 3] {
        let path = self.restore.as_ref().map(|restore| Path::new(&restore.path));
        path.map_or([0; 3], rows_of)
    }

    /// Watches the job until it has ended or `is_over`, and gives its last status.
    pub async fn watch(&self, jobs: Arc<dyn JobControl>, mut is_over: impl FnMut(&JobStatus) -> bool) -> JobStatus {
        let mut watch = Arc::clone(&jobs).watch(self.job);
        if self.savepoint {
            watch
                .wait_for(|watched| {
                    let status = watched.status.as_ref();
                    status.is_some_and(|status| status.last_checkpoint.is_some() || status.state.is_terminal())
                })
                .await
                .unwrap();
            // The job may be faster than that.
            let _ = jobs.savepoint(&self.job, savepoint()).await;
        }
        loop {
            let status = watch.borrow_and_update().status.clone().unwrap();
            if is_over(&status) || status.state.is_terminal() {
                return status;
            }
            watch.changed().await.unwrap();
        }
    }
}

/// Rows read, written and late up to a saved state.
pub fn rows_of(state: &Path) -> [u64; 3] {
    let text = fs::read_to_string(state.join("_metadata")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    serde_json::from_value(json["manifest"]["rows"].clone()).unwrap()
}
