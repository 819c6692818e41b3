//! The settings that mean something here.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use skep_engine::{EngineError, Result};

use crate::similar::most_similar;
use crate::zone::Zone;

/// Key: `automatic` (all inputs bounded is batch), `streaming` or `batch`.
pub(crate) const RUNTIME_MODE: &str = "execution.runtime-mode";
/// Key: a job's name.
pub(crate) const JOB_NAME: &str = "pipeline.name";
/// Key: the time zone of the session.
pub(crate) const TIME_ZONE: &str = "table.local-time-zone";

/// The keys that are known. Those of the shell itself are among them: it keeps them in the session.
const KNOWN: [&str; 23] = [
    RUNTIME_MODE,
    JOB_NAME,
    TIME_ZONE,
    "table.dml-sync",
    "local.source.rows-per-second",
    "table.exec.source.idle-timeout",
    "table.exec.sink.not-null-enforcer",
    "parallelism.default",
    "execution.checkpointing.interval",
    "execution.checkpointing.num-retained",
    "execution.checkpointing.externalized-checkpoint-retention",
    "execution.checkpointing.tolerable-failed-checkpoints",
    "execution.checkpointing.savepoint-dir",
    "execution.checkpointing.mode",
    "state.checkpoints.num-retained",
    "state.savepoints.dir",
    "execution.savepoint.path",
    "execution.savepoint.ignore-unclaimed-state",
    "execution.state-recovery.path",
    "execution.state-recovery.ignore-unclaimed-state",
    "execution.state-recovery.claim-mode",
    "sql-client.execution.result-mode",
    "$internal.pipeline.job-id",
];

/// Whether a setting is about what one job is started from, or as.
pub(crate) fn is_for_one_submission(key: &str) -> bool {
    ["execution.state-recovery.", "execution.savepoint.", "$internal."]
        .iter()
        .any(|prefix| key.starts_with(prefix))
}

/// Words in the key of a secret.
const SENSITIVE: [&str; 14] = [
    "password",
    "passwd",
    "secret",
    "token",
    "apikey",
    "api-key",
    "api_key",
    "credential",
    "jaas.config",
    "access-key",
    "access.key",
    "account.key",
    "private-key",
    "basic-auth",
];

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RuntimeMode {
    Automatic,
    Streaming,
    Batch,
}

/// The runtime mode of the settings.
///
/// # Errors
/// The value is none of the three.
pub(crate) fn runtime_mode(settings: &BTreeMap<String, String>) -> Result<RuntimeMode> {
    let Some(text) = settings.get(RUNTIME_MODE) else {
        return Ok(RuntimeMode::Automatic);
    };
    match text.trim().to_ascii_lowercase().as_str() {
        "automatic" => Ok(RuntimeMode::Automatic),
        "streaming" => Ok(RuntimeMode::Streaming),
        "batch" => Ok(RuntimeMode::Batch),
        _ => Err(EngineError::rejected(format!("'{RUNTIME_MODE}' is '{text}'"))
            .hint("it can be automatic, streaming or batch")),
    }
}

/// The session's time zone: the machine's own if it is not set.
///
/// # Errors
/// There is no such zone.
pub(crate) fn time_zone(settings: &BTreeMap<String, String>) -> Result<Zone> {
    match settings.get(TIME_ZONE).map(|zone| zone.trim()) {
        None | Some("default" | "") => Ok(Zone::System),
        Some(name) => TimeZone::get(name).map(Zone::Named).map_err(|_| {
            EngineError::rejected(format!("'{TIME_ZONE}' is '{name}', and there is no such time zone"))
                .hint("a name such as UTC or Europe/Berlin")
        }),
    }
}

/// The settings as they may be shown: Flink, too, shows no value of a key that sounds like a secret.
pub(crate) fn shown(mut settings: BTreeMap<String, String>) -> BTreeMap<String, String> {
    for (key, value) in &mut settings {
        let key = key.to_ascii_lowercase();
        if SENSITIVE.iter().any(|word| key.contains(word)) {
            "******".clone_into(value);
        }
    }
    settings
}

/// Whether the key means something here.
pub(crate) fn is_known(key: &str) -> bool {
    KNOWN.contains(&key)
}

/// Checks a value before it is set; says what is to be said of the key.
///
/// # Errors
/// The value can't be one of that key's.
pub(crate) fn check(key: &str, value: &str) -> Result<Option<String>> {
    let alone = BTreeMap::from([(key.to_owned(), value.to_owned())]);
    runtime_mode(&alone)?;
    time_zone(&alone)?;
    if key == "parallelism.default" && value.trim() != "1" {
        return Ok(Some(
            "the embedded engine runs each job on one thread: parallelism.default has no effect".to_owned(),
        ));
    }
    if is_known(key) {
        return Ok(None);
    }
    let similar = most_similar(key, KNOWN)
        .map(|known| format!(" (did you mean {known}?)"))
        .unwrap_or_default();
    Ok(Some(format!(
        "the embedded engine does not know the setting {key}{similar}: it is kept and has no effect"
    )))
}
