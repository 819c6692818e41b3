//! The driver: `local:` and `local:DIR`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use skep_engine::{Capabilities, Connection, Engine, EngineError, Result, Stores, Target, async_trait};

use crate::compute;
use crate::runtime::{Host, Offline};
use crate::session::Session;

/// The embedded engine.
#[derive(Debug, Default, Clone, Copy)]
pub struct LocalEngine;

impl LocalEngine {
    /// What the engine can do.
    pub const CAPABILITIES: Capabilities = Capabilities {
        variables: false,
        queries_are_jobs: false,
        forgets_jobs_after: None,
        chosen_job_id: true,
        savepoint: true,
        stop: true,
        cancel: true,
        checkpoint: true,
        drain: true,
        native_format: false,
        restore: true,
        exact_state: true,
        claim: false,
        plans: false,
        jobs_end_with_shell: true,
    };
}

#[async_trait]
impl Engine for LocalEngine {
    fn schemes(&self) -> &'static [&'static str] {
        &["local"]
    }

    fn summary(&self) -> &'static str {
        "local: or local:DIR  the embedded engine, its jobs kept in DIR (without one: in the data directory)"
    }

    async fn connect(&self, target: &Target) -> Result<Connection> {
        let dir = directory(target)?;
        let properties = target.properties.clone();
        for (key, value) in &properties {
            crate::setting::check(key, value)?;
        }
        let url = url(target, &dir);
        let host = compute::run(async move { Host::open(&dir) }).await?;
        Ok(Connection {
            label: target.url.strip_suffix(':').unwrap_or(&target.url).to_owned(),
            url,
            greeting: "embedded".to_owned(),
            capabilities: Self::CAPABILITIES,
            sql: Some(Arc::new(Session::new(
                Arc::clone(&host),
                properties,
                target.tables.clone(),
            ))),
            jobs: Some(host.clone()),
            stores: Some(host),
            server: None,
        })
    }

    fn offline(&self) -> Option<Arc<dyn Stores>> {
        Some(Arc::new(Offline))
    }
}

/// The directory that a URL names.
fn directory(target: &Target) -> Result<PathBuf> {
    let rest = target
        .url
        .strip_prefix("local:")
        .ok_or_else(|| EngineError::rejected(format!("{} is not a local: URL", target.url)))?;
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    if rest.is_empty() {
        return Ok(target.data_dir.join("local"));
    }
    std::path::absolute(Path::new(rest))
        .map_err(|e| EngineError::rejected(format!("{rest} can't be made an absolute path: {e}")))
}

/// The URL that names the directory wherever it is said: what is remembered of a relative one would be another one's.
fn url(target: &Target, dir: &Path) -> String {
    match dir.to_str() {
        _ if dir == target.data_dir.join("local") => "local:".to_owned(),
        Some(dir) => format!("local:{dir}"),
        None => target.url.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_directory() {
        let dir = |url: &str| directory(&Target::new(url, "/data")).unwrap();
        assert_eq!(dir("local:"), Path::new("/data/local"));
        assert_eq!(dir("local:/var/jobs"), Path::new("/var/jobs"));
        assert_eq!(dir("local:///var/jobs"), Path::new("/var/jobs"));
        assert!(dir("local:jobs").is_absolute());
        let url = |text: &str| url(&Target::new(text, "/data"), &dir(text));
        assert_eq!(url("local:/data/local"), "local:");
        assert_eq!(url("local:///var/jobs"), "local:/var/jobs");
        assert!(url("local:jobs").starts_with("local:/"));
    }
}
