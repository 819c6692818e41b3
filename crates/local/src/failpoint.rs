//! Named points at which a test ends the process as if its power were cut.
//!
//! With the feature `failpoints`, `SKEP_FAILPOINT=name` aborts at the first time the point is reached and
//! `SKEP_FAILPOINT=name:N` at the N-th. Without the feature there are no such points.

#[cfg(all(feature = "failpoints", not(debug_assertions)))]
compile_error!("the feature `failpoints` is for tests: a release has none of these points");

/// Every point, in the order in which a job comes by them.
const NAMES: &[&str] = &[
    "record.before-write",
    "record.after-write",
    "record.after-rename",
    "restore.after-verify",
    "restore.after-claim",
    "restore.before-publish",
    "restore.after-publish",
    "restore.after-discard",
    "checkpoint.begin",
    "part.before-sync",
    "part.after-sync",
    "snapshot.after-mkdir",
    "snapshot.after-tables",
    "snapshot.after-manifest",
    "snapshot.before-rename",
    "snapshot.after-rename",
    "commit.before-publish",
    "commit.after-rename",
    "commit.after-publish",
    "retention.before-delete",
    "retention.after-delete",
    "savepoint.before-write",
    "savepoint.after-write",
    "end.before-record",
    "end.after-record",
];

/// The names of all points.
pub const fn names() -> &'static [&'static str] {
    NAMES
}

/// Reaches a point.
#[cfg(not(feature = "failpoints"))]
pub(crate) const fn hit(_name: &'static str) {}

/// Reaches a point: aborts the process if the environment says so.
#[cfg(feature = "failpoints")]
pub(crate) fn hit(name: &'static str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static ARMED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static HITS: AtomicU64 = AtomicU64::new(0);

    debug_assert!(NAMES.contains(&name), "{name} is not in the table");
    let armed = ARMED.get_or_init(|| {
        let text = std::env::var("SKEP_FAILPOINT").ok()?;
        let (name, nth) = text.split_once(':').unwrap_or((&text, "1"));
        Some((name.to_owned(), nth.parse().unwrap_or(1)))
    });
    if let Some((armed, nth)) = armed
        && armed == name
        && HITS.fetch_add(1, Ordering::Relaxed) + 1 == *nth
    {
        std::process::abort();
    }
}
