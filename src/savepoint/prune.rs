//! Which savepoints need not be kept any more.
//!
//! Checkpoints are the engine's own and are never among them. A savepoint that somebody may still need is kept whatever the
//! rules say, and which that is decided by what is known, not by what is hoped: one of unknown age is young.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use skep_engine::{JobId, Savepoint, SavepointKind, Verdict, path_key};

/// What a person wants to keep.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// So many usable ones of each job; at least the newest is kept.
    pub keep: usize,
    /// And all that were taken later than that.
    pub before: Option<Timestamp>,
    /// What running jobs were restored from, by [`path_key`].
    pub needed: &'a HashSet<String>,
}

/// What is to become of a savepoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is deleted: nobody needs it.
    Delete,
    /// It is kept by the rules, because.
    Within(&'static str),
    /// It is kept whatever the rules say, because.
    Keep(&'static str),
}

/// Says of each savepoint that is there what is to become of it, newest first.
pub fn prune<'a>(savepoints: &'a [Savepoint], rules: &Rules<'_>) -> Vec<(&'a Savepoint, Fate)> {
    let is_there =
        |savepoint: &&Savepoint| savepoint.kind == SavepointKind::Savepoint && savepoint.verdict != Verdict::Gone;
    let mut there: Vec<&Savepoint> = savepoints.iter().filter(is_there).collect();
    there.sort_by_key(|savepoint| Reverse((savepoint.taken, savepoint.checkpoint_id)));
    let mut usable: HashMap<Maker<'_>, usize> = HashMap::new();
    there
        .into_iter()
        .map(|savepoint| {
            let newer = usable.entry(Maker::of(savepoint)).or_default();
            let fate = fate(savepoint, *newer, rules);
            *newer += usize::from(savepoint.verdict == Verdict::Usable);
            (savepoint, fate)
        })
        .collect()
}

/// The fate of one of which there are so many newer usable ones.
fn fate(savepoint: &Savepoint, newer: usize, rules: &Rules<'_>) -> Fate {
    let is_usable = savepoint.verdict == Verdict::Usable;
    Fate::Keep(match savepoint.verdict {
        Verdict::InUse => "a running job needs it",
        Verdict::Claimed => "a job has claimed it",
        Verdict::Incomplete => "it may be being written",
        _ if rules.needed.contains(path_key(&savepoint.path).as_ref()) => "a running job was restored from it",
        _ if savepoint.label.is_some() => "it has a label",
        _ if is_usable && newer == 0 => "the newest usable one",
        _ if is_usable && newer < rules.keep => return Fate::Within("one of the newest"),
        // Another machine may see all of it, such as the one that the cluster runs on.
        Verdict::Missing if newer < rules.keep.max(1) => {
            "it is not whole as seen from here, and too few newer ones are"
        }
        _ => match (rules.before, savepoint.taken) {
            (None, _) => return Fate::Delete,
            (Some(before), Some(taken)) if taken < before => return Fate::Delete,
            (Some(_), Some(_)) => return Fate::Within("not old enough"),
            (Some(_), None) => "its age is not known",
        },
    })
}

/// Whose a savepoint is: a job's, or where that is not known that of those which have a like name beside it.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Maker<'a> {
    Job(JobId),
    Name(&'a str),
}

impl<'a> Maker<'a> {
    fn of(savepoint: &'a Savepoint) -> Self {
        match savepoint.job_id {
            Some(job) => Self::Job(job),
            None => {
                let path = savepoint.path.trim_end_matches('/');
                Self::Name(path.rsplit_once('-').map_or(path, |(stem, _)| stem))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn saved(name: &str, second: i64) -> Savepoint {
        Savepoint {
            path: format!("/sp/{name}"),
            kind: SavepointKind::Savepoint,
            job_id: Some(JobId::from_bytes([1; 16])),
            checkpoint_id: None,
            taken: Timestamp::from_second(second).ok(),
            size: None,
            format_version: None,
            label: None,
            verdict: Verdict::Usable,
            reasons: Vec::new(),
            sources: Vec::new(),
        }
    }

    fn doomed(savepoints: &[Savepoint], keep: usize, before: Option<i64>, needed: &[&str]) -> Vec<String> {
        let rules = Rules {
            keep,
            before: before.map(|second| Timestamp::from_second(second).unwrap()),
            needed: &needed.iter().map(|path| (*path).to_owned()).collect(),
        };
        let fates = prune(savepoints, &rules);
        let doomed = fates.into_iter().filter(|(_, fate)| *fate == Fate::Delete);
        doomed.map(|(savepoint, _)| savepoint.path.clone()).collect()
    }

    #[test]
    fn the_newest_usable_ones_of_each_job_stay() {
        let mut all = vec![saved("a", 1), saved("b", 2), saved("c", 3), saved("d", 4)];
        assert_eq!(doomed(&all, 2, None, &[]), ["/sp/b", "/sp/a"]);
        assert_eq!(doomed(&all, 0, None, &[]), ["/sp/c", "/sp/b", "/sp/a"]);
        // What can't be used does not count as kept, and the newest that can stays.
        all[3].verdict = Verdict::Missing;
        assert_eq!(doomed(&all, 1, None, &[]), ["/sp/b", "/sp/a"]);
        // Nor does it go before there are newer ones.
        all[1].verdict = Verdict::Missing;
        assert_eq!(doomed(&all, 1, None, &[]), ["/sp/b", "/sp/a"]);
        assert_eq!(doomed(&all, 2, None, &[]), Vec::<String>::new());
        all[0].job_id = Some(JobId::from_bytes([2; 16]));
        assert_eq!(doomed(&all, 1, None, &[]), ["/sp/b"]);
        for savepoint in &mut all {
            savepoint.verdict = Verdict::Missing;
        }
        assert_eq!(doomed(&all, 0, None, &[]), Vec::<String>::new());
    }

    #[test]
    fn what_somebody_may_need_stays() {
        let mut all = vec![
            saved("a", 1),
            saved("b", 2),
            saved("c", 3),
            saved("d", 4),
            saved("e", 5),
        ];
        assert_eq!(doomed(&all, 1, Some(3), &[]), ["/sp/b", "/sp/a"]);
        assert_eq!(doomed(&all, 1, Some(3), &["/sp/a"]), ["/sp/b"]);
        all[1].label = Some("before".to_owned());
        all[0].taken = None;
        assert_eq!(doomed(&all, 1, Some(3), &[]), Vec::<String>::new());
        for verdict in [Verdict::InUse, Verdict::Claimed, Verdict::Incomplete, Verdict::Gone] {
            all[2].verdict = verdict;
            assert_eq!(doomed(&all, 1, None, &[]), ["/sp/d", "/sp/a"], "{verdict:?}");
        }
        all[3].kind = SavepointKind::Checkpoint;
        assert_eq!(doomed(&all, 1, None, &[]), ["/sp/a"]);
    }

    #[test]
    fn those_of_unknown_jobs_go_by_their_names() {
        let unknown = |name: &str, second| Savepoint {
            job_id: None,
            ..saved(name, second)
        };
        let all = [
            unknown("savepoint-c0ffee-1", 1),
            unknown("savepoint-c0ffee-2", 2),
            unknown("savepoint-decade-3", 3),
        ];
        assert_eq!(doomed(&all, 1, None, &[]), ["/sp/savepoint-c0ffee-1"]);
    }

    proptest! {
        #[test]
        fn of_each_job_one_that_can_be_used_is_left(
            all in prop::collection::vec((0..3u8, 0..50i64, any::<bool>()), 0..20),
            keep in 0..4usize,
            before in prop::option::of(0..60i64),
        ) {
            let all: Vec<Savepoint> = all
                .into_iter()
                .enumerate()
                .map(|(n, (job, second, whole))| Savepoint {
                    job_id: Some(JobId::from_bytes([job; 16])),
                    verdict: if whole { Verdict::Usable } else { Verdict::Missing },
                    ..saved(&n.to_string(), second)
                })
                .collect();
            let doomed = doomed(&all, keep, before, &[]);
            for job in 0..3 {
                let usable = all.iter().filter(|s| {
                    s.job_id == Some(JobId::from_bytes([job; 16])) && s.verdict == Verdict::Usable
                });
                let usable: Vec<_> = usable.collect();
                let left = usable.iter().filter(|s| !doomed.contains(&s.path));
                prop_assert!(left.count() >= usable.len().min(keep.max(1)));
            }
        }
    }
}
