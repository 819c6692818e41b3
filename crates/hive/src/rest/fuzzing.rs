//! Answers of every sort, from bytes that the fuzzer has made up.

use super::{body, is_early, submitted};
use crate::error::Failure;
use crate::service::Handle;

fn read<T: serde::de::DeserializeOwned>(answer: &[u8]) -> Option<T> {
    serde_json::from_slice(answer).ok()
}

/// Reads it as an answer of each sort. `key` is where a column's own type stands.
pub(crate) fn understand(answer: &[u8], key: &str) {
    if let Some(begun) = read::<body::Begun>(answer) {
        let _ = Handle::of_uuid(&begun.identifier);
    }
    if let Some(event) = read::<body::SessionEvent>(answer) {
        let _ = event.status();
    }
    if let Some(event) = read::<body::OperationEvent>(answer) {
        let _ = event.status();
    }
    if let Some(metadata) = read::<body::Metadata>(answer) {
        let schema = metadata.schema();
        assert_eq!(schema.to_arrow(key).fields().len(), schema.columns.len());
    }
    let _ = read::<body::Info>(answer);
    let _ = read::<Vec<super::SessionEntry>>(answer);
    let _ = read::<Vec<super::EngineEntry>>(answer);
    for entry in read::<Vec<super::OperationEntry>>(answer).unwrap_or_default() {
        let _ = entry.complaint();
    }
    if let Some(log) = read::<body::Log>(answer) {
        let _ = submitted(&log.log_row_set.join("\n"));
    }
    let text = read::<body::Refusal>(answer).map_or_else(
        || String::from_utf8_lossy(answer).into_owned(),
        |refusal| refusal.message,
    );
    let _ = is_early(&Failure::of_answer(&text));
    let _ = submitted(&text);
}
