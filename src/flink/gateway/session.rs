//! A session on the gateway, which is opened again with all it held when the gateway has dropped it.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use skep_engine::{Dialect, EngineError, JobControl, Result};
use tokio::sync::Mutex;

use super::api::{Api, Handle};
use super::complaint;
use super::settings::{self, Version};
use super::submission;
use crate::flink::directories::Configured;
use crate::syntax::classifier::{Scope, classify};

/// The gateway's own limit for unused sessions, and what it is unless it is set.
const IDLE_TIMEOUT: &str = "sql-gateway.session.idle-timeout";
const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(600);

/// The session of a connection. What it was told is kept, secrets in plain text: in memory only.
pub(super) struct Session {
    pub(super) api: Arc<Api>,
    /// Who knows of the cluster's jobs.
    pub(super) jobs: Option<Arc<dyn JobControl>>,
    pub(super) version: Option<Version>,
    /// What tells this cluster from others.
    pub(super) cluster_id: Option<String>,
    /// What every session of this connection is opened with.
    properties: BTreeMap<String, String>,
    handle: RwLock<Handle>,
    /// One statement at a time: a second one would block in the gateway, and one of its few workers with it.
    pub(super) turn: Mutex<Memory>,
}

/// What the session has been told, and the person.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// The statements that changed the session, in order.
    prelude: Vec<String>,
    /// It was said that rows come before a checkpoint has secured them.
    pub(super) said_early: bool,
    /// What has happened to the session and was not said yet.
    untold: Vec<String>,
}

impl Session {
    /// Opens a session, and keeps it from being closed for want of use.
    pub(super) async fn open(
        api: Arc<Api>,
        properties: BTreeMap<String, String>,
    ) -> Result<(Handle, BTreeMap<String, String>)> {
        let handle = api.open_session(&properties).await?;
        let effective = api.properties(&handle).await?;
        Ok((handle, effective))
    }

    pub(super) fn new(
        api: Arc<Api>,
        handle: Handle,
        properties: BTreeMap<String, String>,
        jobs: Option<Arc<dyn JobControl>>,
        version: Option<Version>,
        cluster_id: Option<String>,
        idle_timeout: Duration,
    ) -> Arc<Self> {
        let session = Arc::new(Self {
            api,
            jobs,
            version,
            cluster_id,
            properties,
            handle: RwLock::new(handle),
            turn: Mutex::default(),
        });
        tokio::spawn(keep_alive(Arc::downgrade(&session), idle_timeout / 3));
        session
    }

    /// What it was opened with, but for what is about one submission.
    pub(super) fn opened_with(&self) -> BTreeMap<String, String> {
        let lasting = self
            .properties
            .iter()
            .filter(|(key, _)| !settings::is_for_one_submission(key));
        lasting.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// A session of the same sort with nothing in it.
    pub(super) async fn another(&self) -> Result<Arc<Self>> {
        let (handle, effective) = Self::open(Arc::clone(&self.api), self.properties.clone()).await?;
        Ok(Self::new(
            Arc::clone(&self.api),
            handle,
            self.properties.clone(),
            self.jobs.clone(),
            self.version,
            self.cluster_id.clone(),
            idle_timeout(&effective),
        ))
    }

    /// Its handle now.
    pub(super) fn handle(&self) -> Handle {
        self.handle.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The session's configuration now. A session that the gateway has dropped is opened again first.
    pub(super) async fn revived_configuration(
        &self,
        memory: &mut Memory,
        notes: &mut Vec<String>,
    ) -> Result<BTreeMap<String, String>> {
        match self.api.properties(&self.handle()).await {
            Err(error) if complaint::is_session_gone(&error) => {
                self.revive(memory, notes).await?;
                self.api.properties(&self.handle()).await
            }
            answer => answer,
        }
    }

    /// The same for who submits nothing: what is to be said of it is said with the next statement.
    pub(super) async fn configuration_now(&self) -> Result<BTreeMap<String, String>> {
        match self.api.properties(&self.handle()).await {
            Err(error) if complaint::is_session_gone(&error) => {}
            answer => return answer,
        }
        let mut memory = self.turn.lock().await;
        let mut notes = Vec::new();
        let configuration = self.revived_configuration(&mut memory, &mut notes).await;
        memory.untold.append(&mut notes);
        configuration
    }

    /// What was not said yet.
    pub(super) fn untold(memory: &mut Memory) -> Vec<String> {
        std::mem::take(&mut memory.untold)
    }

    /// Opens the session again and tells it all that it was told, because the gateway has dropped it.
    ///
    /// # Errors
    /// It could not be opened, or is not what it was.
    pub(super) async fn revive(&self, memory: &Memory, notes: &mut Vec<String>) -> Result<()> {
        let handle = self.api.open_session(&self.properties).await?;
        for text in &memory.prelude {
            let told = submission::run(&self.api, &handle, text).await;
            if let Err(error) = told
                && !is_there_already(text, &error)
            {
                let _ = self.api.close_session(&handle).await;
                let mut error = error;
                error.message = format!(
                    "the gateway has dropped the session, and a new one could not be told what the old one was: {}",
                    error.message
                );
                return Err(error.hint("!connect opens an empty one"));
            }
        }
        *self.handle.write().unwrap_or_else(PoisonError::into_inner) = handle;
        let told = match memory.prelude.len() {
            0 => String::new(),
            1 => " and told the 1 statement that had changed it".to_owned(),
            n => format!(" and told the {n} statements that had changed it"),
        };
        notes.push(format!(
            "the gateway had dropped the session: it was opened again{told}"
        ));
        Ok(())
    }

    /// Takes note of a statement that has changed the session.
    pub(super) fn remember(memory: &mut Memory, text: &str) {
        memory.prelude.push(text.to_owned());
    }
}

#[async_trait]
impl Configured for Session {
    async fn configuration(&self) -> Result<BTreeMap<String, String>> {
        self.configuration_now().await
    }
}

/// A statement that made something which outlives the session fails when it is made again, and all is well.
fn is_there_already(text: &str, error: &EngineError) -> bool {
    let outlives = classify(text, &Dialect::FLINK).scope() == Scope::Catalog;
    outlives && (error.message.contains("already exists") || error.message.contains("does not exist"))
}

/// How long the gateway keeps an unused session; `None` where it keeps it for ever.
pub(super) fn idle_timeout(effective: &BTreeMap<String, String>) -> Duration {
    let set = effective.get(IDLE_TIMEOUT).and_then(|text| read_duration(text));
    match set {
        Some(Duration::ZERO) | None => DEFAULT_IDLE_TIMEOUT,
        Some(set) => set,
    }
}

/// A duration as Flink writes it: `10 min`, `600000 ms`, `PT10M` is not used for this option.
fn read_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let milliseconds = match unit.trim() {
        "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => 1,
        "s" | "sec" | "secs" | "second" | "seconds" => 1000,
        "m" | "min" | "minute" | "minutes" => 60_000,
        "h" | "hour" | "hours" => 3_600_000,
        "d" | "day" | "days" => 86_400_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.checked_mul(milliseconds)?))
}

/// Tells the gateway again and again that the session is in use, for as long as it is.
async fn keep_alive(session: Weak<Session>, every: Duration) {
    let every = every.clamp(Duration::from_millis(500), Duration::from_secs(60));
    loop {
        tokio::time::sleep(every).await;
        let Some(session) = session.upgrade() else { return };
        // If the gateway can't be told, or has dropped the session, the next statement finds out.
        let _ = session.api.heartbeat(&session.handle()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_flink_writes_them() {
        let seconds = |text: &str| read_duration(text).map(|duration| duration.as_secs());
        assert_eq!(seconds("10 min"), Some(600));
        assert_eq!(seconds("600000ms"), Some(600));
        assert_eq!(seconds("30 s"), Some(30));
        assert_eq!(seconds("2 h"), Some(7200));
        assert_eq!(seconds("99999999999999999999 d"), None);
        assert_eq!(seconds("soon"), None);
    }
}
