//! What a job's settings mean to the runtime.

use std::collections::BTreeMap;
use std::time::Duration;

use skep_engine::{EngineError, Result};

/// Key: how often a checkpoint is taken while there is progress. Flink's default is never; here it is one second, so
/// that rows become visible without a setting. `0` turns periodic checkpoints off.
pub const INTERVAL: &str = "execution.checkpointing.interval";
/// Key: how many checkpoints are kept. Flink's default is 1; here it is 3, so that a damaged newest one is no loss.
pub const RETAINED: &str = "execution.checkpointing.num-retained";
/// Key: what becomes of the checkpoints when the job ends. Flink's default deletes them on cancellation; here they are
/// kept unless the job finished. (A job that was stopped has its savepoint, and one that completed needs none.)
pub const RETENTION: &str = "execution.checkpointing.externalized-checkpoint-retention";
/// Key: how many periodic checkpoints in a row may fail before the job does.
pub const TOLERABLE: &str = "execution.checkpointing.tolerable-failed-checkpoints";
/// Key: where savepoints go.
pub const SAVEPOINT_DIR: &str = "execution.checkpointing.savepoint-dir";

/// When a job's checkpoints outlive it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retention {
    /// Kept when the job failed or was cancelled.
    OnCancellation,
    /// Kept when the job failed.
    OnFailure,
}

/// The runtime's part of a job's settings.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Time between two periodic checkpoints.
    pub interval: Option<Duration>,
    /// Checkpoints kept, at least 1.
    pub retained: usize,
    /// What outlives the job.
    pub retention: Retention,
    /// Periodic checkpoints that may fail in a row.
    pub tolerable: u32,
    /// Where savepoints go; the host's own place if none.
    pub savepoint_dir: Option<String>,
}

impl Settings {
    /// Reads them.
    ///
    /// # Errors
    /// A value can't be understood; the message names the key.
    pub(crate) fn parse(settings: &BTreeMap<String, String>) -> Result<Self> {
        let number = |key: &str, default: u32, least: u32| match settings.get(key) {
            None => Ok(default),
            Some(text) => match text.trim().parse::<u32>() {
                Ok(n) if n >= least => Ok(n),
                _ => Err(invalid(key, text, &format!("a whole number of at least {least}"))),
            },
        };
        let interval = match settings.get(INTERVAL) {
            None => Some(Duration::from_secs(1)),
            Some(text) => {
                let interval = parse_duration(text)
                    .ok_or_else(|| invalid(INTERVAL, text, "a duration such as 500 ms, 10 s or 1 min"))?;
                (!interval.is_zero()).then_some(interval)
            }
        };
        let retention = match settings
            .get(RETENTION)
            .map(|s| s.trim().to_ascii_uppercase())
            .as_deref()
        {
            None | Some("RETAIN_ON_CANCELLATION") => Retention::OnCancellation,
            // Without external retention Flink keeps a failed job's state in its own hands; here the directory is that.
            Some("DELETE_ON_CANCELLATION" | "NO_EXTERNALIZED_CHECKPOINTS") => Retention::OnFailure,
            Some(text) => {
                return Err(invalid(
                    RETENTION,
                    text,
                    "RETAIN_ON_CANCELLATION or DELETE_ON_CANCELLATION",
                ));
            }
        };
        Ok(Self {
            interval,
            retained: number(RETAINED, 3, 1)? as usize,
            retention,
            tolerable: number(TOLERABLE, 0, 0)?,
            savepoint_dir: settings.get(SAVEPOINT_DIR).filter(|s| !s.trim().is_empty()).cloned(),
        })
    }
}

fn invalid(key: &str, value: &str, wanted: &str) -> EngineError {
    EngineError::rejected(format!("{key} = '{value}': {wanted} is wanted"))
}

/// Reads a duration as Flink's `TimeUtils` does: a whole number and a unit; without a unit it is milliseconds.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let times = |seconds: u64| number.checked_mul(seconds).map(Duration::from_secs);
    match unit.trim().to_ascii_lowercase().as_str() {
        "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => Some(Duration::from_millis(number)),
        "d" | "day" | "days" => times(86_400),
        "h" | "hour" | "hours" => times(3_600),
        "m" | "min" | "minute" | "minutes" => times(60),
        "s" | "sec" | "secs" | "second" | "seconds" => times(1),
        "µs" | "micro" | "micros" | "microsecond" | "microseconds" => Some(Duration::from_micros(number)),
        "ns" | "nano" | "nanos" | "nanosecond" | "nanoseconds" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_flink_writes_them() {
        for (text, millis) in [
            ("500", 500),
            ("500 ms", 500),
            ("10s", 10_000),
            ("1 min", 60_000),
            ("2h", 7_200_000),
            (" 1 day ", 86_400_000),
            ("0", 0),
        ] {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "s", "-1 s", "1.5 s", "1 fortnight", "18446744073709551615 d"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn a_value_that_is_not_understood_is_refused_by_its_key() {
        for (key, value) in [
            (INTERVAL, "soon"),
            (RETAINED, "0"),
            (RETENTION, "MAYBE"),
            (TOLERABLE, "-1"),
        ] {
            let error = Settings::parse(&BTreeMap::from([(key.to_owned(), value.to_owned())])).unwrap_err();
            assert!(error.message.contains(key), "{error}");
        }
        let off = Settings::parse(&BTreeMap::from([(INTERVAL.to_owned(), "0".to_owned())])).unwrap();
        assert_eq!(off.interval, None);
    }
}
