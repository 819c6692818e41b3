//! What Flink would not do with a state, or would find out too late: said before anything is submitted. All of it was seen on
//! clusters of 1.20.3 and 2.3.0.

use std::collections::BTreeMap;

use skep_engine::{Fit, Format, Misfit, SavepointKind};

use super::settings::Version;

/// The keys of the circumstances that are kept with a job.
const VERSION: &str = "version";
const PARALLELISM: &str = "parallelism.default";
const MAX_PARALLELISM: &str = "pipeline.max-parallelism";
/// Of 1.20 and later, and before.
const BACKEND: [&str; 2] = ["state.backend.type", "state.backend"];

/// The newest format that Flink 1.x reads: `Unrecognized checkpoint version number` says it of later ones.
const NEWEST_OF_1: u32 = 4;

/// The most instances where nobody has said how many (`KeyGroupRangeAssignment`): between these two.
const LEAST_DEFAULT: u32 = 128;
const MOST_DEFAULT: u32 = 32_768;

/// The settings of a session by which it is decided whether a state fits elsewhere.
pub(super) fn circumstances(
    configuration: &BTreeMap<String, String>,
    version: Option<Version>,
) -> BTreeMap<String, String> {
    let mut kept = BTreeMap::new();
    let mut keep = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            kept.insert(key.to_owned(), value);
        }
    };
    keep(VERSION, version.map(|version| version.to_string()));
    keep(PARALLELISM, configuration.get(PARALLELISM).cloned());
    keep(MAX_PARALLELISM, configuration.get(MAX_PARALLELISM).cloned());
    let backend = BACKEND.iter().find_map(|key| configuration.get(*key));
    keep(BACKEND[0], Some(backend.map_or("hashmap", String::as_str).to_owned()));
    kept
}

/// What of the state does not fit the circumstances of now.
pub(super) fn misfits(fit: &Fit<'_>, now: &BTreeMap<String, String>) -> Vec<Misfit> {
    let mut misfits = Vec::new();
    let made = fit.made;
    misfits.extend(version(fit, now));
    misfits.extend(max_parallelism(fit, now));
    if let (Some(made), false) = (made, fit.planned) {
        misfits.extend(parallelism(made, now));
    }
    misfits.extend(backend(fit, now));
    misfits
}

fn version(fit: &Fit<'_>, now: &BTreeMap<String, String>) -> Option<Misfit> {
    let now = now.get(VERSION).and_then(|text| Version::read(text))?;
    let format = fit.state.savepoint.format_version?;
    (now.is_before_2() && format > NEWEST_OF_1).then(|| {
        Misfit::fatal(
            format!("the state has format {format}, which Flink {now} can't read: it was made by Flink 2"),
            "state goes from Flink 1 to Flink 2, not back",
        )
    })
}

/// The number of key groups of the state, which can't be changed.
fn max_parallelism(fit: &Fit<'_>, now: &BTreeMap<String, String>) -> Option<Misfit> {
    let number = |settings: &BTreeMap<String, String>, key: &str| -> Option<u32> {
        settings.get(key)?.trim().parse().ok().filter(|number| *number > 0)
    };
    let in_state = fit.state.operators.iter().filter(|operator| operator.size > 0);
    // Those that can have one instance only have one group, too.
    let in_state = in_state.filter_map(|operator| operator.max_parallelism).max();
    let groups = in_state.or_else(|| {
        let made = fit.made?;
        number(made, MAX_PARALLELISM).or_else(|| number(made, PARALLELISM).map(default_max))
    })?;
    let parallelism = number(now, PARALLELISM).unwrap_or(1);
    if let Some(wanted) = number(now, MAX_PARALLELISM)
        && wanted != groups
    {
        return Some(Misfit::fatal(
            format!("the state has {groups} key groups, and {MAX_PARALLELISM} is {wanted}: it can't be changed"),
            format!("SET '{MAX_PARALLELISM}' = '{groups}'"),
        ));
    }
    (parallelism > groups).then(|| {
        Misfit::fatal(
            format!("the state has {groups} key groups: it can't be run with a parallelism of {parallelism}"),
            format!("SET '{PARALLELISM}' = '{groups}', or less"),
        )
    })
}

/// `KeyGroupRangeAssignment.computeDefaultMaxParallelism`.
fn default_max(parallelism: u32) -> u32 {
    let wanted = parallelism.saturating_add(parallelism / 2).min(MOST_DEFAULT);
    wanted.next_power_of_two().clamp(LEAST_DEFAULT, MOST_DEFAULT)
}

fn parallelism(made: &BTreeMap<String, String>, now: &BTreeMap<String, String>) -> Option<Misfit> {
    let of = |settings: &BTreeMap<String, String>| settings.get(PARALLELISM).cloned().unwrap_or_else(|| "1".to_owned());
    let (before, after) = (of(made), of(now));
    (before != after).then(|| {
        Misfit::possible(
            format!(
                "the job ran with {PARALLELISM} = {before}, and it is {after} now: operators may be chained in another way, \
                 and then Flink does not find their state"
            ),
            format!("SET '{PARALLELISM}' = '{before}' if it is refused · a compiled plan (!set keep plan DIR) bears the change"),
        )
    })
}

/// The heap backend's own format can't be read by RocksDB: the job gets an id and then fails.
fn backend(fit: &Fit<'_>, now: &BTreeMap<String, String>) -> Option<Misfit> {
    let is_heap = |settings: &BTreeMap<String, String>| {
        let backend = settings.get(BACKEND[0])?.to_ascii_lowercase();
        Some(["hashmap", "filesystem", "jobmanager"].contains(&backend.as_str()))
    };
    // A checkpoint is always in the backend's own format.
    let is_native = match fit.state.format {
        Some(format) => format == Format::Native,
        None => fit.state.savepoint.kind == SavepointKind::Checkpoint,
    };
    (is_native && is_heap(fit.made?)? && !is_heap(now)?).then(|| {
        Misfit::fatal(
            "the state is in the heap backend's own format, which RocksDB can't read: the job would be given an id and fail",
            format!(
                "SET '{}' = 'hashmap' · take a canonical savepoint (!savepoint JOB) to change the backend",
                BACKEND[0]
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use skep_engine::{Inspection, OperatorState, Savepoint, Verdict};

    use super::*;

    fn state(kind: SavepointKind, format: Option<Format>, version: u32, groups: u32) -> Inspection {
        let savepoint = Savepoint {
            path: "/sp".to_owned(),
            kind,
            job_id: None,
            checkpoint_id: None,
            taken: None,
            size: None,
            format_version: Some(version),
            label: None,
            verdict: Verdict::Usable,
            reasons: Vec::new(),
            sources: Vec::new(),
        };
        Inspection {
            format,
            operators: vec![OperatorState {
                id: String::new(),
                name: None,
                uid: None,
                parallelism: Some(1),
                max_parallelism: Some(groups),
                keyed: true,
                finished: false,
                size: 1,
                files: 0,
            }],
            ..Inspection::of(savepoint)
        }
    }

    fn settings(version: &str, more: &[(&str, &str)]) -> BTreeMap<String, String> {
        let more = more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        circumstances(&more, Version::read(version))
    }

    fn found(
        state: &Inspection,
        made: &BTreeMap<String, String>,
        now: &BTreeMap<String, String>,
        planned: bool,
    ) -> Vec<(bool, String)> {
        let fit = Fit {
            state,
            made: Some(made),
            planned,
        };
        misfits(&fit, now)
            .into_iter()
            .map(|misfit| (misfit.is_fatal, misfit.message))
            .collect()
    }

    #[test]
    fn what_fits_is_not_spoken_of() {
        let state = state(SavepointKind::Savepoint, Some(Format::Canonical), 4, 128);
        let plain = settings("1.20.3", &[]);
        assert_eq!(found(&state, &plain, &plain, false), []);
        assert_eq!(
            found(&state, &plain, &settings("2.3.0", &[(BACKEND[0], "rocksdb")]), false),
            []
        );
        assert_eq!(
            found(&state, &plain, &settings("2.3.0", &[(MAX_PARALLELISM, "128")]), false),
            []
        );
    }

    #[test]
    fn what_flink_refuses_or_finds_too_late_is_fatal() {
        let made = settings("2.3.0", &[]);
        let fatal = |state: &Inspection, now: &BTreeMap<String, String>, word: &str| {
            let found = found(state, &made, now, false);
            assert!(
                found.iter().any(|(fatal, message)| *fatal && message.contains(word)),
                "{found:?}"
            );
        };
        let savepoint = |format| state(SavepointKind::Savepoint, Some(format), 6, 128);
        fatal(&savepoint(Format::Canonical), &settings("1.20.3", &[]), "can't read");
        fatal(
            &savepoint(Format::Native),
            &settings("2.3.0", &[(BACKEND[1], "rocksdb")]),
            "heap backend",
        );
        fatal(
            &state(SavepointKind::Checkpoint, None, 6, 128),
            &settings("2.3.0", &[(BACKEND[0], "rocksdb")]),
            "heap backend",
        );
        fatal(
            &savepoint(Format::Canonical),
            &settings("2.3.0", &[(MAX_PARALLELISM, "256")]),
            "key groups",
        );
        fatal(
            &savepoint(Format::Canonical),
            &settings("2.3.0", &[(PARALLELISM, "130")]),
            "key groups",
        );
    }

    #[test]
    fn another_parallelism_is_pointed_out_unless_a_plan_bears_it() {
        let state = state(SavepointKind::Savepoint, Some(Format::Canonical), 6, 128);
        let (made, now) = (
            settings("2.3.0", &[(PARALLELISM, "4")]),
            settings("2.3.0", &[(PARALLELISM, "1")]),
        );
        let said = found(&state, &made, &now, false);
        assert!(
            matches!(&said[..], [(false, message)] if message.contains("= 4, and it is 1 now")),
            "{said:?}"
        );
        assert_eq!(found(&state, &made, &now, true), []);
    }

    #[test]
    fn key_groups_are_as_many_as_flink_gives() {
        for (parallelism, groups) in [
            (1, 128),
            (85, 128),
            (86, 256),
            (100, 256),
            (30_000, 32_768),
            (u32::MAX, 32_768),
        ] {
            assert_eq!(default_max(parallelism), groups, "{parallelism}");
        }
    }
}
