//! Named points at which a test aborts the process, to see what a kill at that very moment leaves behind.
//!
//! With the feature `failpoints`, the variable `SKEP_FAILPOINT` names a point (`ledger.intent.before`), or a point and
//! which hit of it is meant (`ledger.intent.before:3`). Without the feature [`hit`] does nothing.

#[cfg(all(feature = "failpoints", not(debug_assertions)))]
compile_error!("the feature `failpoints` is for tests: a release has none of these points");

/// Every point there is, for tests that go through all of them.
pub const ALL: &[&str] = &[
    "ledger.intent.before",
    "ledger.intent.after",
    "ledger.accepted.before",
    "ledger.accepted.after",
    "ledger.settled.before",
    "ledger.settled.after",
    "ledger.forgotten.before",
    "ledger.forgotten.after",
    "ledger.status.before",
    "ledger.status.after",
    "ledger.savepoint.before",
    "ledger.savepoint.after",
    "ledger.label.before",
    "ledger.label.after",
    "ledger.import.before",
    "ledger.import.after",
    "ledger.upgrade.before",
    "ledger.upgrade.after",
    "ledger.note.before",
    "ledger.note.after",
    "ledger.merged.before",
    "ledger.merged.after",
    "upgrade.rehearsal.saved",
    "upgrade.rehearsing",
    "upgrade.stopping",
    "upgrade.stopped",
    "upgrade.submitting",
    "upgrade.submitted",
    "upgrade.watching",
    "upgrade.up",
    "upgrade.cancelling",
    "upgrade.cancelled",
    "upgrade.restoring",
    "upgrade.restored",
];

/// The variable that names the point.
#[cfg(feature = "failpoints")]
pub const VARIABLE: &str = "SKEP_FAILPOINT";

/// Passes a point: aborts the process if `SKEP_FAILPOINT` asks for it. The name must stand in [`ALL`].
#[cfg(feature = "failpoints")]
pub fn hit(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    static ARMED: OnceLock<Option<(String, u32)>> = OnceLock::new();
    static HITS: AtomicU32 = AtomicU32::new(0);

    assert!(ALL.contains(&name), "the failpoint {name} is not listed");
    let armed = ARMED.get_or_init(|| std::env::var(VARIABLE).ok().map(|text| parse(&text)));
    if let Some((point, nth)) = armed
        && point == name
        && HITS.fetch_add(1, Ordering::Relaxed) + 1 == *nth
    {
        std::process::abort();
    }
}

/// Passes a point. The name must stand in [`ALL`].
#[cfg(not(feature = "failpoints"))]
#[inline]
pub fn hit(name: &str) {
    debug_assert!(ALL.contains(&name), "the failpoint {name} is not listed");
}

/// The point's name and which hit of it is meant, from 1.
#[cfg(feature = "failpoints")]
fn parse(text: &str) -> (String, u32) {
    match text.rsplit_once(':') {
        Some((name, nth)) if nth.parse::<u32>().is_ok_and(|nth| nth > 0) => (name.to_owned(), nth.parse().unwrap_or(1)),
        _ => (text.to_owned(), 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_listed_once() {
        let mut names = ALL.to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }

    #[test]
    #[should_panic(expected = "is not listed")]
    fn a_name_that_is_not_listed_is_an_error() {
        hit("ledger.nowhere");
    }

    #[cfg(feature = "failpoints")]
    #[test]
    fn a_point_may_name_the_hit_that_is_meant() {
        assert_eq!(parse("a.b"), ("a.b".to_owned(), 1));
        assert_eq!(parse("a.b:3"), ("a.b".to_owned(), 3));
        assert_eq!(parse("a.b:0"), ("a.b:0".to_owned(), 1));
    }
}
