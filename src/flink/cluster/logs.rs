//! What a job has logged: its failures, and the lines of the JobManager's and the TaskManagers' logs that are about it.

use futures::{StreamExt, stream};
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::Deserialize;
use skep_engine::{JobId, LogLine, Result};

use super::answers::{Exception, Job};
use super::{Cluster, time};

/// Failures, and lines of one log, that are given.
const FAILURES: usize = 20;
const MOST_LINES: usize = 500;

/// TaskManagers that are asked at the same time, and at all.
const AT_ONCE: usize = 4;
const MOST_MANAGERS: usize = 64;

/// Lines of these levels in a TaskManager's log are given whatever they are about: most don't say which job they mean.
const LEVELS: [&str; 3] = [" WARN ", " ERROR ", " FATAL "];

/// `GET /taskmanagers`.
#[derive(Deserialize)]
struct TaskManagers {
    taskmanagers: Vec<TaskManager>,
}

#[derive(Deserialize)]
struct TaskManager {
    id: String,
}

impl Cluster {
    /// What the job has logged, source by source, each oldest first. A log that can't be had is said to be so.
    pub(super) async fn job_log(&self, job: &JobId) -> Result<Vec<LogLine>> {
        let graph = self.graph(job).await?;
        let start = time(graph.start_time).unwrap_or(Timestamp::UNIX_EPOCH);
        let told = time(graph.now).unwrap_or_else(Timestamp::now);
        let mut failures = self.exceptions(job, FAILURES).await?;
        failures.reverse();
        let mut lines: Vec<LogLine> = failures.iter().flat_map(|failure| of_failure(failure, start)).collect();
        let id = job.to_string();
        let manager = self.client.fetch("/v1/jobmanager/log").await;
        let about = |line: &str| line.contains(&id);
        lines.extend(of_log("JobManager", manager, (start, told), about));
        let managers: Result<TaskManagers> = self.client.get("/v1/taskmanagers").await;
        let managers = managers.map(|list| list.taskmanagers).unwrap_or_default();
        let asked = stream::iter(managers.into_iter().take(MOST_MANAGERS)).map(|manager| async move {
            let path = format!("/v1/taskmanagers/{}/log", segment(&manager.id));
            (manager.id, self.client.fetch(&path).await)
        });
        let logs: Vec<_> = asked.buffered(AT_ONCE).collect().await;
        for (name, log) in logs {
            let about = |line: &str| {
                line.contains(&id) || LEVELS.iter().any(|level| line.contains(level)) || names_task(&graph, line)
            };
            lines.extend(of_log(&format!("TaskManager {name}"), log, (start, told), about));
        }
        Ok(lines)
    }
}

/// The line is about one of the job's tasks.
fn names_task(graph: &Job, line: &str) -> bool {
    graph
        .vertices
        .iter()
        .any(|vertex| line.contains(&format!("{} (", vertex.name)))
}

/// The text as one segment of a path.
fn segment(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

fn of_failure(failure: &Exception, start: Timestamp) -> Vec<LogLine> {
    let at = time(failure.timestamp).unwrap_or(start);
    failure
        .stacktrace
        .lines()
        .map(|line| LogLine {
            at,
            text: line.replace('\t', "    "),
        })
        .collect()
}

/// The newest lines of a log that are about the job, which started then, in a log that was asked for `told`. Lines that follow
/// such a line and have no time of their own, as those of a stack trace, belong to it.
fn of_log(
    source: &str,
    log: Result<Vec<u8>>,
    (start, told): (Timestamp, Timestamp),
    about: impl Fn(&str) -> bool,
) -> Vec<LogLine> {
    let line = |at, text: String| LogLine { at, text };
    let bytes = match log {
        Ok(bytes) => bytes,
        Err(error) => return vec![line(start, format!("{source}: its log can't be had: {error}"))],
    };
    let text = String::from_utf8_lossy(&bytes);
    // From the end, which is known to be of now: how long before the job a log begins says nothing.
    let mut next = told;
    let mut moments: Vec<Option<(Timestamp, &str)>> = text
        .lines()
        .rev()
        .map(|line| {
            let moment = moment(line, next)?;
            next = moment.0;
            Some(moment)
        })
        .collect();
    moments.reverse();
    let (mut at, mut taken) = (start, false);
    let mut lines = Vec::new();
    for (text, moment) in text.lines().zip(moments) {
        let begins = text.starts_with(|c: char| c.is_ascii_digit());
        let mut said = text;
        if begins {
            if let Some((moment, rest)) = moment {
                (at, said) = (moment, rest);
            }
            taken = about(text);
        }
        if taken {
            lines.push(line(at, format!("{source}: {}", said.replace('\t', "    "))));
        }
    }
    let skip = lines.len().saturating_sub(MOST_LINES);
    lines.drain(..skip);
    lines
}

/// The time that a line begins with, and the rest of it: `2026-11-20 09:14:02,123` as in Flink's own layout, or the time
/// alone, which is the last such moment up to a minute after `next`. It is the server's clock, taken for ours.
fn moment(line: &str, next: Timestamp) -> Option<(Timestamp, &str)> {
    let zone = TimeZone::system();
    let at = |time: DateTime| Some(time.to_zoned(zone.clone()).ok()?.timestamp());
    let stamp = |length| {
        Some((
            line.get(..length)?.replacen(',', ".", 1),
            line.get(length..)?.trim_start(),
        ))
    };
    if let Some((stamp, rest)) = stamp("2026-11-20 09:14:02,123".len())
        && let Ok(time) = stamp.replacen(' ', "T", 1).parse()
    {
        return Some((at(time)?, rest));
    }
    let (stamp, rest) = stamp("09:14:02,123".len())?;
    let time: Time = stamp.parse().ok()?;
    let latest = next.checked_add(1.minute()).ok()?;
    let day = zone.to_datetime(latest).date();
    let that_day = at(day.to_datetime(time))?;
    if that_day <= latest {
        return Some((that_day, rest));
    }
    Some((at(day.yesterday().ok()?.to_datetime(time))?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_searched_for_what_is_about_the_job() {
        let log = "2026-11-20 09:14:02,123 INFO  a - Job 5f2c begins\n\
                   2026-11-20 09:14:02,200 INFO  a - something else\n\tat x.Y.z\n\
                   2026-11-20 09:14:03,000 WARN  a - Job 5f2c failed\njava.lang.E: no\n\tat x.Y.z\n";
        let of = (Timestamp::UNIX_EPOCH, Timestamp::now());
        let found = of_log("JM", Ok(log.as_bytes().to_vec()), of, |line| line.contains("5f2c"));
        let texts: Vec<&str> = found.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "JM: INFO  a - Job 5f2c begins",
                "JM: WARN  a - Job 5f2c failed",
                "JM: java.lang.E: no",
                "JM:     at x.Y.z",
            ]
        );
        assert!(found[0].at > Timestamp::UNIX_EPOCH && found[3].at > found[0].at);
    }

    #[test]
    fn a_time_without_a_day_is_of_the_day_that_follows_from_the_line_behind() {
        // The log began long before the job.
        let log = "09:00:00,000 INFO  a - zero\n23:59:59,000 INFO  a - one\n23:59:58,900 INFO  a - two\n00:00:01,500 INFO  a - three\n\tat x.Y.z\n";
        let at = |text: &str| {
            let time: DateTime = text.parse().unwrap();
            time.to_zoned(TimeZone::system()).unwrap().timestamp()
        };
        let of = (at("2026-11-20T23:59:30"), at("2026-11-21T00:00:02"));
        let found = of_log("JM", Ok(log.as_bytes().to_vec()), of, |_| true);
        let found: Vec<_> = found.iter().map(|line| (line.at, line.text.as_str())).collect();
        assert_eq!(
            found,
            [
                (at("2026-11-20T09:00:00"), "JM: INFO  a - zero"),
                (at("2026-11-20T23:59:59"), "JM: INFO  a - one"),
                (at("2026-11-20T23:59:58.9"), "JM: INFO  a - two"),
                (at("2026-11-21T00:00:01.5"), "JM: INFO  a - three"),
                (at("2026-11-21T00:00:01.5"), "JM:     at x.Y.z"),
            ]
        );
    }

    #[test]
    fn a_log_that_can_not_be_had_is_said_to_be_so() {
        let error = skep_engine::EngineError::failed("no");
        let found = of_log("JM", Err(error), (Timestamp::UNIX_EPOCH, Timestamp::now()), |_| true);
        assert_eq!(found[0].text, "JM: its log can't be had: no");
    }

    #[test]
    fn an_id_becomes_one_segment() {
        assert_eq!(segment("127.0.0.1:4000-e62c24"), "127.0.0.1:4000-e62c24");
        assert_eq!(segment("a/../b?c"), "a%2F..%2Fb%3Fc");
    }
}
