//! One list of savepoints out of several, from places that know different things of them.

use std::cmp::Reverse;
use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use skep_engine::{Savepoint, SavepointKind, Verdict, path_key};

/// The source of what the ledger remembers. It has not been looked at since it was recorded.
pub const LEDGER: &str = "ledger";

/// Puts lists together into one, newest first, in which each path stands once with all its sources.
///
/// What the ledger alone knows counts only where nobody has looked, and of what was deleted also where others are only told of it, or find
/// nothing. Of the others the worst verdict is believed, since each of them sees only a part (a directory its files, a cluster the
/// jobs that need them).
pub fn merge(lists: impl IntoIterator<Item = Vec<Savepoint>>) -> Vec<Savepoint> {
    let mut merged: Vec<Savepoint> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for savepoint in lists.into_iter().flatten() {
        let key = path_key(&savepoint.path).into_owned();
        match places.get(&key) {
            Some(&place) => unite(&mut merged[place], savepoint),
            None => {
                places.insert(key, merged.len());
                merged.push(savepoint);
            }
        }
    }
    merged.sort_by_key(|savepoint| Reverse(recency(savepoint)));
    merged
}

/// Whether nobody but the ledger knows of it: its verdict is a memory, and the path should be inspected.
pub fn is_remembered(savepoint: &Savepoint) -> bool {
    savepoint.sources.iter().all(|source| source == LEDGER)
}

/// What orders savepoints of several jobs: the time, or where there is none the number.
fn recency(savepoint: &Savepoint) -> (Option<Timestamp>, Option<u64>) {
    (savepoint.taken, savepoint.checkpoint_id)
}

fn unite(known: &mut Savepoint, other: Savepoint) {
    let (known_is_memory, other_is_memory) = (is_remembered(known), is_remembered(&other));
    // Another one has been written there since: a job that gets the id of an earlier one counts its checkpoints from 1 again.
    if is_replaced(known, &other) {
        *known = other;
        return;
    }
    if is_replaced(&other, known) {
        return;
    }
    // That it was deleted explains that it is not there; and a cluster goes on telling of what was deleted behind its back.
    let was_deleted = |memory: &Savepoint, other: &Savepoint| {
        memory.verdict == Verdict::Gone && (other.verdict == Verdict::Missing || !other.is_seen())
    };
    let takes_over = match (known_is_memory, other_is_memory) {
        (true, false) => !was_deleted(known, &other),
        (false, true) => was_deleted(&other, known),
        _ if is_found_again(known, &other) => true,
        _ if is_found_again(&other, known) => false,
        _ => severity(other.verdict) > severity(known.verdict),
    };
    if takes_over {
        known.verdict = other.verdict;
        known.reasons = other.reasons;
        if known_is_memory && !other_is_memory {
            known.path = other.path;
            known.kind = other.kind;
        }
    } else if other.verdict == known.verdict && other_is_memory == known_is_memory {
        for reason in other.reasons {
            if !known.reasons.contains(&reason) {
                known.reasons.push(reason);
            }
        }
    }
    known.job_id = known.job_id.or(other.job_id);
    known.checkpoint_id = known.checkpoint_id.or(other.checkpoint_id);
    known.taken = known.taken.or(other.taken);
    known.size = known.size.or(other.size);
    known.format_version = known.format_version.or(other.format_version);
    known.label = known.label.take().or(other.label);
    for source in other.sources {
        if !known.sources.contains(&source) {
            known.sources.push(source);
        }
    }
}

/// Whether what is told of now is not what is remembered as deleted: it was taken later, by more than clocks and rounding explain. Names
/// of savepoints are never given again.
fn is_replaced(memory: &Savepoint, told: &Savepoint) -> bool {
    const APART: SignedDuration = SignedDuration::from_secs(10);
    let is_later = || Some(told.taken?.duration_since(memory.taken?) > APART);
    told.kind == SavepointKind::Checkpoint
        && is_remembered(memory)
        && memory.verdict == Verdict::Gone
        && !is_remembered(told)
        && is_later() == Some(true)
}

/// Whether what was remembered as deleted, and is told of, lies there all the same.
fn is_found_again(gone: &Savepoint, seen: &Savepoint) -> bool {
    let is_there = seen.is_seen() && !matches!(seen.verdict, Verdict::Missing | Verdict::Incomplete | Verdict::Gone);
    let is_remembered = || gone.sources.iter().any(|source| source == LEDGER);
    is_there && gone.verdict == Verdict::Gone && !gone.is_seen() && is_remembered()
}

/// How much a verdict stands in the way.
const fn severity(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Usable => 0,
        Verdict::InUse => 1,
        Verdict::Claimed => 2,
        Verdict::Incomplete => 3,
        Verdict::Missing => 4,
        Verdict::Gone => 5,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(path: &str, source: &str, verdict: Verdict) -> Savepoint {
        Savepoint {
            path: path.to_owned(),
            kind: SavepointKind::Savepoint,
            job_id: None,
            checkpoint_id: None,
            taken: None,
            size: None,
            format_version: None,
            label: None,
            verdict,
            reasons: Vec::new(),
            sources: vec![source.to_owned()],
        }
    }

    #[test]
    fn sources_are_united_and_gaps_filled() {
        let ledger = Savepoint {
            label: Some("v1".to_owned()),
            checkpoint_id: Some(7),
            ..found("/sp/1", LEDGER, Verdict::Usable)
        };
        let directory = Savepoint {
            size: Some(12),
            ..found("file:///sp/1/", "directory", Verdict::Usable)
        };
        let expected = Savepoint {
            path: "file:///sp/1/".to_owned(),
            size: Some(12),
            sources: vec![LEDGER.to_owned(), "directory".to_owned()],
            ..ledger.clone()
        };
        assert_eq!(merge([vec![ledger], vec![directory]]), [expected]);
    }

    #[test]
    fn who_has_looked_is_believed_rather_than_a_memory() {
        let lists = |ledger, directory| {
            let lists = [
                vec![found("/sp", LEDGER, ledger)],
                vec![found("/sp", Savepoint::SEEN, directory)],
            ];
            let there = merge(lists.clone());
            let back = merge(lists.into_iter().rev());
            assert_eq!(there[0].verdict, back[0].verdict);
            there[0].verdict
        };
        assert_eq!(lists(Verdict::Usable, Verdict::Missing), Verdict::Missing);
        assert_eq!(lists(Verdict::InUse, Verdict::Usable), Verdict::Usable);
        assert_eq!(lists(Verdict::Gone, Verdict::Usable), Verdict::Usable);
    }

    #[test]
    fn what_was_deleted_stays_so_though_the_cluster_goes_on_telling_of_it() {
        let remembered = || vec![found("/sp", LEDGER, Verdict::Usable).gone("it was dropped")];
        let told = || vec![found("/sp", "cluster", Verdict::Usable)];
        for merged in [merge([remembered(), told()]), merge([told(), remembered()])] {
            assert_eq!(
                (merged[0].verdict, &merged[0].reasons[..]),
                (Verdict::Gone, &["it was dropped".to_owned()][..])
            );
        }
    }

    #[test]
    fn what_lies_where_another_was_deleted_is_not_that_one() {
        let at = |second, savepoint| Savepoint {
            kind: SavepointKind::Checkpoint,
            taken: Timestamp::from_second(second).ok(),
            ..savepoint
        };
        let remembered = || Savepoint {
            label: Some("v1".to_owned()),
            ..at(100, found("/c/1/chk-7", LEDGER, Verdict::Usable).gone("it was dropped"))
        };
        let told = || at(500, found("/c/1/chk-7", "cluster", Verdict::InUse));
        for merged in [
            merge([vec![remembered()], vec![told()]]),
            merge([vec![told()], vec![remembered()]]),
        ] {
            assert_eq!(merged, [told()]);
        }
    }

    #[test]
    fn in_whatever_order_they_are_told_what_lies_there_is_there() {
        let lists = [
            found("/sp", LEDGER, Verdict::Usable).gone("it was dropped"),
            found("/sp", "cluster", Verdict::Usable),
            found("/sp", Savepoint::SEEN, Verdict::Usable),
        ];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let merged = merge(order.map(|place| vec![lists[place].clone()]));
            assert_eq!(merged[0].verdict, Verdict::Usable, "{order:?}");
        }
    }

    #[test]
    fn of_those_who_have_looked_the_worst_is_believed_with_its_reasons() {
        let missing = Savepoint {
            reasons: vec!["1 file".to_owned()],
            ..found("/sp", "directory", Verdict::Missing)
        };
        let merged = merge([vec![found("/sp", "cluster", Verdict::Usable)], vec![missing]]);
        assert_eq!(merged[0].verdict, Verdict::Missing);
        assert_eq!(merged[0].reasons, ["1 file"]);
    }

    #[test]
    fn what_only_the_ledger_knows_is_pointed_out() {
        let merged = merge([
            vec![
                found("/a", LEDGER, Verdict::Usable),
                found("/b", LEDGER, Verdict::Usable),
            ],
            vec![found("/b", "directory", Verdict::Usable)],
        ]);
        let paths: Vec<_> = merged
            .iter()
            .filter(|savepoint| is_remembered(savepoint))
            .map(|savepoint| savepoint.path.as_str())
            .collect();
        assert_eq!(paths, ["/a"]);
    }

    prop_compose! {
        fn any_savepoint()(
            place in 0..4,
            source in prop::sample::select(vec![LEDGER, "directory", "cluster"]),
            second in prop::option::of(0_i64..100),
            verdict in prop::sample::select(vec![Verdict::Usable, Verdict::Gone, Verdict::InUse]),
        ) -> Savepoint {
            Savepoint {
                taken: second.and_then(|second| Timestamp::from_second(second).ok()),
                ..found(&format!("/sp/{place}"), source, verdict)
            }
        }
    }

    proptest! {
        #[test]
        fn each_path_stands_once_newest_first_and_merging_again_changes_nothing(
            lists in prop::collection::vec(prop::collection::vec(any_savepoint(), 0..6), 0..4),
        ) {
            let mut paths: Vec<_> = lists.iter().flatten().map(|savepoint| savepoint.path.clone()).collect();
            paths.sort();
            paths.dedup();
            let merged = merge(lists);
            let mut kept: Vec<_> = merged.iter().map(|savepoint| savepoint.path.clone()).collect();
            kept.sort();
            prop_assert_eq!(kept, paths);
            prop_assert!(merged.is_sorted_by_key(|savepoint| Reverse(savepoint.taken)));
            prop_assert_eq!(merge([merged.clone(), merged.clone()]), merged);
        }
    }
}
