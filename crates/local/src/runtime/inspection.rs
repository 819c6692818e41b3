//! A saved state looked into: its operators, and each of its files.

use async_trait::async_trait;
use skep_engine::{
    EngineError, ErrorKind, FileVerdict, Inspection, JobId, OperatorState, Result, Savepoint, StateFile, Stores,
    Verdict,
};

use super::restore::local_path;
use super::snapshot;
use super::stores::{bare, kind_named, whole};

/// What tells this engine's states from others'.
pub(super) const ENGINE: &str = "local";

/// The states of this machine, whatever host they belong to: each is looked into by its path.
#[derive(Debug)]
pub(crate) struct Offline;

#[async_trait]
impl Stores for Offline {
    fn engine(&self) -> &'static str {
        ENGINE
    }

    async fn find(&self, _job: Option<&JobId>, _dirs: &[String]) -> Result<Vec<Savepoint>> {
        // What lies in a directory is whose host's that it is: only a connection knows what runs.
        Ok(Vec::new())
    }

    async fn inspect(&self, path: &str) -> Result<Savepoint> {
        Ok(self.examine(path).await?.savepoint)
    }

    async fn examine(&self, path: &str) -> Result<Inspection> {
        let path = path.to_owned();
        let seen = tokio::task::spawn_blocking(move || examine(&path)).await;
        seen.unwrap_or_else(|error| Err(EngineError::failed(format!("the directory could not be read: {error}"))))
    }
}

/// Looks into a saved state of this engine, every byte.
///
/// # Errors
/// [`ErrorKind::NotFound`] if there is none of this engine at that path.
pub(super) fn examine(path: &str) -> Result<Inspection> {
    let path = &local_path(path)?;
    let manifest = match snapshot::peek(path) {
        Ok(manifest) => manifest,
        Err(error) if error.kind == ErrorKind::NotFound => return Err(error),
        Err(_) if snapshot::is_foreign(path) => {
            let message = format!("{} is not a saved state of the embedded engine", path.display());
            return Err(EngineError::not_found(message));
        }
        Err(error) => {
            let damaged = bare(path, kind_named(path), Verdict::Missing, error.message);
            return Ok(Inspection::of(damaged));
        }
    };
    let mut inspection = Inspection::of(whole(path, &manifest));
    for operator in &manifest.operators {
        inspection.operators.push(OperatorState {
            id: operator.operator.clone(),
            name: None,
            uid: None,
            parallelism: None,
            max_parallelism: None,
            keyed: operator.table.is_some(),
            finished: false,
            size: operator.table.as_ref().map_or(0, |table| table.length),
            files: u64::from(operator.table.is_some()),
        });
        let Some(table) = &operator.table else { continue };
        let (verdict, reason) = match snapshot::verify_table(path, table) {
            Ok(()) => (FileVerdict::Whole, None),
            Err(error) if path.join(&table.name).exists() => (FileVerdict::Damaged, Some(error.message)),
            Err(error) => (FileVerdict::Missing, Some(error.message)),
        };
        if let Some(reason) = &reason {
            inspection.savepoint.verdict = Verdict::Missing;
            inspection.savepoint.reasons.push(reason.clone());
        }
        inspection.files.push(StateFile {
            path: table.name.clone(),
            size: table.length,
            verdict,
            reason,
        });
    }
    Ok(inspection)
}
