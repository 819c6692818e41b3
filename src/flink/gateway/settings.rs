//! What is set for one statement alone: the `executionConfig` that goes with it.

use std::collections::BTreeMap;

use skep_engine::{ClaimMode, Submit};

use crate::syntax::classifier::Kind;

/// The id that the job of a statement is to have: `PipelineOptionsInternal.PIPELINE_FIXED_JOB_ID`. Not documented; seen to
/// work for INSERT, SELECT and statement sets on 1.20.3 and 2.3.0, where a second submission is refused.
const JOB_ID: &str = "$internal.pipeline.job-id";

/// `true` makes the gateway run the whole job before it answers, and hold the session meanwhile.
const DML_SYNC: &str = "table.dml-sync";

const JOB_NAME: &str = "pipeline.name";
const RUNTIME_MODE: &str = "execution.runtime-mode";
const CHECKPOINTING_INTERVAL: &str = "execution.checkpointing.interval";
const CHECKPOINTING_MODE: &str = "execution.checkpointing.mode";
const CHECKPOINT_DIR: [&str; 2] = ["execution.checkpointing.dir", "state.checkpoints.dir"];
const RETENTION: &str = "execution.checkpointing.externalized-checkpoint-retention";
const RETAIN: &str = "RETAIN_ON_CANCELLATION";
const DELETE: &str = "DELETE_ON_CANCELLATION";

/// A setting of ours in the session: `false` leaves the checkpointing mode of queries alone.
const EARLY_ROWS: &str = "skep.select.at-least-once";

/// What is said of a query that [`of`] lets give its rows early.
pub(in crate::flink) const EARLY: &str = "rows are shown before a checkpoint has secured them (AT_LEAST_ONCE for this query \
                                          alone): after a failure some may come twice · SET \
                                          'skep.select.at-least-once' = 'false' keeps them back";

/// A version of Flink: major and minor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::flink) struct Version(u32, u32);

impl Version {
    /// Reads `2.3.0` or `1.20-SNAPSHOT`; none if it is nothing of the kind.
    pub(in crate::flink) fn read(text: &str) -> Option<Self> {
        let mut numbers = text.split(|c: char| !c.is_ascii_digit());
        Some(Self(numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    }

    /// Flink 1 can't read what Flink 2 has made.
    pub(super) const fn is_before_2(self) -> bool {
        self.0 < 2
    }

    /// Whether a statement takes the id that its job shall have.
    pub(super) fn takes_job_id(self) -> bool {
        (Self(1, 20)..=Self(2, 3)).contains(&self)
    }

    /// Whether what a job is restored from is said by `execution.state-recovery.*`; before, by `execution.savepoint.*`.
    fn has_state_recovery(self) -> bool {
        self >= Self(1, 20)
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// What the session's configuration says that matters for a job.
#[derive(Debug, Clone, Copy)]
pub(in crate::flink) struct Circumstances<'a>(pub(in crate::flink) &'a BTreeMap<String, String>);

impl Circumstances<'_> {
    fn is(&self, key: &str, value: &str) -> bool {
        self.0.get(key).is_some_and(|set| set.eq_ignore_ascii_case(value))
    }

    /// Inputs are taken to end.
    pub(in crate::flink) fn is_batch(&self) -> bool {
        self.is(RUNTIME_MODE, "batch")
    }

    /// The name that the person gave to jobs.
    pub(in crate::flink) fn job_name(&self) -> Option<&str> {
        self.0.get(JOB_NAME).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// What a job without an end would lose in a crash, if that is all: one line.
    pub(in crate::flink) fn at_risk(&self, keeps: bool) -> Option<&'static str> {
        if self.is_batch() {
            return None;
        }
        if !self.0.contains_key(CHECKPOINTING_INTERVAL) {
            return Some(
                "no checkpoints are taken: after a failure, or if the cluster goes, the job starts from nothing · SET \
                 'execution.checkpointing.interval' = '1 min'",
            );
        }
        if CHECKPOINT_DIR.iter().all(|key| !self.0.contains_key(*key)) {
            return Some(
                "its checkpoints are in the JobManager's memory and gone with it · SET 'execution.checkpointing.dir' = \
                 'file:///…'",
            );
        }
        if !keeps && !self.is(RETENTION, RETAIN) {
            return Some("its checkpoints are deleted when it is cancelled · !set keep checkpoints keeps them");
        }
        None
    }

    /// A query's rows would come only with its checkpoints.
    fn holds_rows_back(&self) -> bool {
        self.0.contains_key(CHECKPOINTING_INTERVAL)
            && !self.is_batch()
            && !self.is(CHECKPOINTING_MODE, "AT_LEAST_ONCE")
            && !self.is(EARLY_ROWS, "false")
    }
}

/// The settings for one statement, and whether its rows will come before a checkpoint has secured them.
pub(in crate::flink) fn of(
    submit: &Submit,
    kind: &Kind,
    name: &str,
    session: Circumstances<'_>,
    version: Option<Version>,
) -> (BTreeMap<String, String>, bool) {
    let mut settings = BTreeMap::new();
    let mut set = |key: &str, value: String| settings.insert(key.to_owned(), value);
    let is_query = matches!(kind, Kind::Query);
    if kind.starts_job() {
        set(DML_SYNC, "false".to_owned());
    }
    if let Some(id) = submit.job_id {
        if version.is_some_and(Version::takes_job_id) {
            set(JOB_ID, id.to_string());
        } else {
            set(JOB_NAME, marked(session.job_name().unwrap_or(name), &id.to_string()));
        }
    }
    let early = is_query && submit.foreground && session.holds_rows_back();
    if early {
        set(CHECKPOINTING_MODE, "AT_LEAST_ONCE".to_owned());
    }
    if let Some(restore) = &submit.restore {
        let recovery = version.is_none_or(Version::has_state_recovery);
        let [path, ignore, claim] = if recovery {
            [
                "execution.state-recovery.path",
                "execution.state-recovery.ignore-unclaimed-state",
                "execution.state-recovery.claim-mode",
            ]
        } else {
            [
                "execution.savepoint.path",
                "execution.savepoint.ignore-unclaimed-state",
                "execution.savepoint-restore-mode",
            ]
        };
        set(path, restore.path.clone());
        set(ignore, restore.allow_non_restored.to_string());
        if restore.claim != ClaimMode::NoClaim {
            set(claim, restore.claim.as_str().to_ascii_uppercase());
        }
    }
    if submit.keep_checkpoints && !is_query {
        set(RETENTION, RETAIN.to_owned());
    }
    // Nobody can go on from a query's: its rows went to a reader who is gone.
    if is_query && session.is(RETENTION, RETAIN) {
        set(RETENTION, DELETE.to_owned());
    }
    // What the person asks for this statement wins.
    settings.extend(submit.settings.clone());
    (settings, early)
}

/// Whether a setting is about what one job is started from, or as.
pub(super) fn is_for_one_submission(key: &str) -> bool {
    [
        "execution.state-recovery.",
        "execution.savepoint",
        "$internal.",
        "pipeline.jobid",
    ]
    .iter()
    .any(|prefix| key.starts_with(prefix))
}

/// The name of a job that can't be given an id: it is found again by the mark.
fn marked(name: &str, id: &str) -> String {
    format!("{name} {}", mark(id))
}

/// The mark of a job that was submitted under that chosen id.
pub(in crate::flink) fn mark(id: &str) -> String {
    format!("[skep {id}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "5f2c9a4e0b1d4c6e8f7a9b0c1d2e3f40";

    fn settings_of(kind: &Kind, foreground: bool, session: &[(&str, &str)], version: &str) -> BTreeMap<String, String> {
        let session = session
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        let submit = Submit {
            job_id: Some(ID.parse().unwrap()),
            foreground,
            ..Submit::new("…")
        };
        of(&submit, kind, "name", Circumstances(&session), Version::read(version)).0
    }

    #[test]
    fn a_version_is_read() {
        assert_eq!(Version::read("2.3.0"), Some(Version(2, 3)));
        assert_eq!(Version::read("1.20-SNAPSHOT"), Some(Version(1, 20)));
        assert_eq!(Version::read("mine"), None);
    }

    #[test]
    fn only_a_query_in_the_foreground_shows_rows_early() {
        let session = [(CHECKPOINTING_INTERVAL, "60s")];
        let query = settings_of(&Kind::Query, true, &session, "2.3.0");
        assert_eq!(query.get(CHECKPOINTING_MODE).map(String::as_str), Some("AT_LEAST_ONCE"));
        let insert = Kind::Insert { values: false };
        for settings in [
            settings_of(&insert, true, &session, "2.3.0"),
            settings_of(&Kind::Query, false, &session, "2.3.0"),
            settings_of(&Kind::Query, true, &[], "2.3.0"),
            settings_of(&Kind::Query, true, &[session[0], (EARLY_ROWS, "FALSE")], "2.3.0"),
            settings_of(&Kind::Query, true, &[session[0], (RUNTIME_MODE, "batch")], "2.3.0"),
        ] {
            assert!(!settings.contains_key(CHECKPOINTING_MODE), "{settings:?}");
        }
    }

    #[test]
    fn a_query_leaves_no_checkpoint_behind() {
        let session = [(RETENTION, RETAIN)];
        let query = settings_of(&Kind::Query, false, &session, "2.3.0");
        assert_eq!(query.get(RETENTION).map(String::as_str), Some(DELETE));
        let insert = settings_of(&Kind::Insert { values: false }, true, &session, "2.3.0");
        assert!(!insert.contains_key(RETENTION), "{insert:?}");
    }

    #[test]
    fn a_job_gets_the_chosen_id_or_a_mark() {
        let insert = Kind::Insert { values: false };
        for version in ["1.20.3", "2.3.0"] {
            let settings = settings_of(&insert, true, &[], version);
            assert_eq!(settings.get(JOB_ID).map(String::as_str), Some(ID));
            assert_eq!(settings.get(DML_SYNC).map(String::as_str), Some("false"));
            assert!(!settings.contains_key(JOB_NAME));
        }
        for version in ["1.17.0", "3.0.0", "mine"] {
            let settings = settings_of(&insert, true, &[(JOB_NAME, "mine")], version);
            assert_eq!(settings.get(JOB_NAME), Some(&format!("mine [skep {ID}]")));
            assert!(!settings.contains_key(JOB_ID));
        }
    }

    #[test]
    fn a_restore_is_for_one_statement() {
        let mut submit = Submit::new("…");
        submit.restore = Some(skep_engine::Restore {
            path: "s3://b/sp".to_owned(),
            job_id: None,
            allow_non_restored: true,
            fork: false,
            claim: skep_engine::ClaimMode::NoClaim,
        });
        let none = BTreeMap::new();
        let key = |version: &str, key: &str| {
            let kind = Kind::Insert { values: false };
            of(&submit, &kind, "name", Circumstances(&none), Version::read(version))
                .0
                .get(key)
                .cloned()
        };
        assert_eq!(
            key("1.20.3", "execution.state-recovery.path").as_deref(),
            Some("s3://b/sp")
        );
        assert_eq!(
            key("2.3.0", "execution.state-recovery.ignore-unclaimed-state").as_deref(),
            Some("true")
        );
        assert_eq!(key("1.18.1", "execution.savepoint.path").as_deref(), Some("s3://b/sp"));
        assert_eq!(key("2.3.0", "execution.state-recovery.claim-mode"), None);
    }

    #[test]
    fn what_a_crash_would_cost_is_said_in_one_line() {
        let interval = (CHECKPOINTING_INTERVAL, "1 min");
        let dir = (CHECKPOINT_DIR[0], "file:///c");
        let risk = |session: &[(&str, &str)], keeps| {
            let session: BTreeMap<_, _> = session
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect();
            Circumstances(&session)
                .at_risk(keeps)
                .unwrap_or_default()
                .split(':')
                .next()
                .unwrap()
                .to_owned()
        };
        assert_eq!(risk(&[], true), "no checkpoints are taken");
        assert!(risk(&[interval], true).starts_with("its checkpoints are in the JobManager's memory"));
        assert!(risk(&[interval, dir], false).starts_with("its checkpoints are deleted"));
        assert_eq!(risk(&[interval, dir], true), "");
        assert_eq!(risk(&[interval, dir, (RETENTION, RETAIN)], false), "");
        assert_eq!(risk(&[(RUNTIME_MODE, "batch")], false), "");
    }

    #[test]
    fn a_claim_and_retention_are_for_one_statement() {
        let mut submit = Submit::new("…");
        submit.keep_checkpoints = true;
        submit.restore = Some(skep_engine::Restore {
            path: "s3://b/sp".to_owned(),
            claim: ClaimMode::Claim,
            ..skep_engine::Restore::default()
        });
        let none = BTreeMap::new();
        let of = |kind: &Kind, version: &str| of(&submit, kind, "name", Circumstances(&none), Version::read(version)).0;
        let insert = Kind::Insert { values: false };
        let settings = of(&insert, "2.3.0");
        assert_eq!(settings["execution.state-recovery.claim-mode"], "CLAIM");
        assert_eq!(settings[RETENTION], RETAIN);
        assert_eq!(of(&insert, "1.18.1")["execution.savepoint-restore-mode"], "CLAIM");
        assert!(!of(&Kind::Query, "2.3.0").contains_key(RETENTION));
    }
}
