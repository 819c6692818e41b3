//! One list of savepoints out of several, from places that know different things of them.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::HashMap;

use jiff::Timestamp;
use skep_engine::{Savepoint, Verdict};

/// The source of what the ledger remembers. It has not been looked at since it was recorded.
pub const LEDGER: &str = "ledger";

/// What two spellings of one path have in common: `file:` and slashes at the end make no difference.
pub fn path_key(path: &str) -> Cow<'_, str> {
    let local = match path.strip_prefix("file:") {
        Some(rest) => rest.strip_prefix("//").unwrap_or(rest),
        None => path,
    };
    let trimmed = local.trim_end_matches('/');
    if trimmed.is_empty() {
        Cow::Borrowed(local)
    } else {
        Cow::Borrowed(trimmed)
    }
}

/// Puts lists together into one, newest first, in which each path stands once with all its sources.
///
/// What the ledger alone knows counts only where nobody has looked: of the others, the worst verdict is believed, since
/// each of them sees only a part (a directory its files, a cluster the jobs that need them).
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

/// Those that nobody but the ledger knows of: their verdict is a memory, and the path should be inspected.
pub fn remembered(savepoints: &[Savepoint]) -> impl Iterator<Item = &Savepoint> {
    savepoints.iter().filter(|savepoint| is_memory(savepoint))
}

fn is_memory(savepoint: &Savepoint) -> bool {
    savepoint.sources.iter().all(|source| source == LEDGER)
}

/// What orders savepoints of several jobs: the time, or where there is none the number.
fn recency(savepoint: &Savepoint) -> (Option<Timestamp>, Option<u64>) {
    (savepoint.taken, savepoint.checkpoint_id)
}

fn unite(known: &mut Savepoint, other: Savepoint) {
    let (known_is_memory, other_is_memory) = (is_memory(known), is_memory(&other));
    let takes_over = match (known_is_memory, other_is_memory) {
        (true, false) => true,
        (false, true) => false,
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
