//! Savepoints and checkpoints from everywhere they are known: the cluster, its archive, and the directories.

use std::sync::Arc;

use async_trait::async_trait;
use skep_engine::{EngineError, ErrorKind, JobId, Result, Savepoint, Stores};

use super::directories::{Configured, Directories, plain};
use super::history::{Archive, is_for_archive};

/// The stores of a connection.
pub(super) struct Shelves {
    /// The cluster's own; none where its REST interface can't be used.
    pub(super) cluster: Option<Arc<dyn Stores>>,
    pub(super) archive: Option<Arc<Archive>>,
    /// Who says which directories there are.
    pub(super) configured: Option<Arc<dyn Configured>>,
}

impl Shelves {
    /// What lies in the directories that this machine has. One that can't be asked for them names none.
    async fn lying(&self, job: Option<&JobId>, dirs: &[String]) -> Vec<Savepoint> {
        let configuration = match &self.configured {
            Some(configured) => configured.configuration().await.unwrap_or_default(),
            None => std::collections::BTreeMap::new(),
        };
        let directories = Directories::of(&configuration, dirs);
        let job = job.copied();
        let found = tokio::task::spawn_blocking(move || directories.find(job.as_ref()));
        // It reads and does nothing else: what can't be read is not there.
        found.await.unwrap_or_default()
    }

    async fn archived(&self, job: Option<&JobId>) -> Vec<Savepoint> {
        match &self.archive {
            Some(archive) => archive.find(job).await.unwrap_or_default(),
            None => Vec::new(),
        }
    }
}

#[async_trait]
impl Stores for Shelves {
    async fn find(&self, job: Option<&JobId>, dirs: &[String]) -> Result<Vec<Savepoint>> {
        let known = match &self.cluster {
            Some(cluster) => cluster.find(job, dirs).await,
            None => Ok(Vec::new()),
        };
        let (mut found, problem) = match known {
            Ok(found) => (found, None),
            Err(error) if is_for_archive(&error) => (Vec::new(), Some(error)),
            Err(error) => return Err(error),
        };
        // Of a job that the cluster knows, its archive knows nothing more.
        if job.is_none() || found.is_empty() {
            join(&mut found, self.archived(job).await);
        }
        join(&mut found, self.lying(job, dirs).await);
        match problem {
            Some(error) if found.is_empty() => Err(error),
            _ => {
                found.sort_by_key(|savepoint| std::cmp::Reverse((savepoint.taken, savepoint.checkpoint_id)));
                Ok(found)
            }
        }
    }

    async fn inspect(&self, path: &str) -> Result<Savepoint> {
        let mut error = EngineError::not_found(format!("nothing is known of {path}"));
        if let Some(cluster) = &self.cluster {
            match cluster.inspect(path).await {
                Err(unknown) if is_for_archive(&unknown) => error = unknown,
                seen => return seen,
            }
        }
        if let Some(archive) = &self.archive
            && let Ok(savepoint) = archive.inspect(path).await
        {
            return Ok(savepoint);
        }
        let dir = plain(path).rsplit_once('/').map_or("", |(dir, _)| dir).to_owned();
        let lying =
            tokio::task::spawn_blocking(move || Directories::of(&std::collections::BTreeMap::new(), &[dir]).find(None));
        let mut lying = lying.await.unwrap_or_default().into_iter();
        lying
            .find(|savepoint| plain(&savepoint.path) == plain(path))
            .ok_or(error)
    }

    async fn delete(&self, path: &str) -> Result<()> {
        match &self.cluster {
            Some(cluster) => cluster.delete(path).await,
            None => Err(EngineError::new(
                ErrorKind::Unsupported,
                format!("without the cluster's REST interface the savepoint {path} can't be deleted"),
            )),
        }
    }
}

/// Adds what is not there yet; what is there is known from one place more.
fn join(found: &mut Vec<Savepoint>, others: Vec<Savepoint>) {
    for other in others {
        match found.iter_mut().find(|known| plain(&known.path) == plain(&other.path)) {
            Some(known) => known.sources.extend(other.sources),
            None => found.push(other),
        }
    }
}
