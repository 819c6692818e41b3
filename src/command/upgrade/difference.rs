//! What two statements would have written into a table, held against each other. Pure.

use std::collections::BTreeMap;

use skep_engine::RowKind;

/// A row as a JSON object, and what it does.
pub(super) type Written = (RowKind, String);

/// A row that only one of the statements writes, or that they write differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// Only the new one.
    Added(String),
    /// Only the old one.
    Removed(String),
    /// Both under the same key: the old one's and the new one's.
    Changed(String, String),
}

/// How what they write differs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Difference {
    /// Rows that both write.
    pub same: u64,
    /// Rows that only the new one writes.
    pub added: u64,
    /// Rows that only the old one writes.
    pub removed: u64,
    /// Rows that have the same key, and other values.
    pub changed: u64,
    /// The first of those that differ.
    pub shown: Vec<Change>,
}

impl Difference {
    /// Whether both write the same.
    pub(super) const fn is_none(&self) -> bool {
        self.added + self.removed + self.changed == 0
    }

    fn note(&mut self, change: Change, limit: usize) {
        match &change {
            Change::Added(_) => self.added += 1,
            Change::Removed(_) => self.removed += 1,
            Change::Changed(..) => self.changed += 1,
        }
        if self.shown.len() < limit {
            self.shown.push(change);
        }
    }
}

/// Compares what two statements write: by the columns of the key, if there is one, else row by row, each as often as it is
/// written. A row that is taken back counts as not written. At most `limit` of those that differ are kept.
pub(super) fn between(old: &[Written], new: &[Written], key: &[String], limit: usize) -> Difference {
    if key.is_empty() {
        by_row(old, new, limit)
    } else {
        by_key(old, new, key, limit)
    }
}

fn by_row(old: &[Written], new: &[Written], limit: usize) -> Difference {
    // How often the row is written by either.
    let mut counts: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    let step = |kind: RowKind| match kind {
        RowKind::Insert | RowKind::UpdateAfter => 1,
        RowKind::UpdateBefore | RowKind::Delete => -1,
    };
    for (kind, row) in old {
        counts.entry(row).or_default().0 += step(*kind);
    }
    for (kind, row) in new {
        counts.entry(row).or_default().1 += step(*kind);
    }
    let mut difference = Difference::default();
    for (row, (old, new)) in counts {
        difference.same += u64::try_from(old.min(new)).unwrap_or(0);
        for _ in old..new {
            difference.note(Change::Added(row.to_owned()), limit);
        }
        for _ in new..old {
            difference.note(Change::Removed(row.to_owned()), limit);
        }
    }
    difference
}

fn by_key(old: &[Written], new: &[Written], key: &[String], limit: usize) -> Difference {
    let mut rows: BTreeMap<String, (Option<&str>, Option<&str>)> = BTreeMap::new();
    for (kind, row) in old {
        settle(&mut rows.entry(key_of(row, key)).or_default().0, *kind, row);
    }
    for (kind, row) in new {
        settle(&mut rows.entry(key_of(row, key)).or_default().1, *kind, row);
    }
    let mut difference = Difference::default();
    for pair in rows.into_values() {
        let change = match pair {
            (None, None) => continue,
            (Some(old), Some(new)) if old == new => {
                difference.same += 1;
                continue;
            }
            (Some(old), Some(new)) => Change::Changed(old.to_owned(), new.to_owned()),
            (None, Some(new)) => Change::Added(new.to_owned()),
            (Some(old), None) => Change::Removed(old.to_owned()),
        };
        difference.note(change, limit);
    }
    difference
}

/// What stands under a key after that.
fn settle<'a>(known: &mut Option<&'a str>, kind: RowKind, row: &'a str) {
    match kind {
        RowKind::Insert | RowKind::UpdateAfter => *known = Some(row),
        RowKind::Delete => *known = None,
        // Its successor has the same key, or it is gone; a newer row may have taken its place.
        RowKind::UpdateBefore => *known = known.filter(|known| *known != row),
    }
}

/// The values of the key's columns, as text.
fn key_of(row: &str, key: &[String]) -> String {
    let row: BTreeMap<&str, &serde_json::value::RawValue> = match serde_json::from_str(row) {
        Ok(row) => row,
        // A column's name may have an escape in it: then the whole row is its key.
        Err(_) => return row.to_owned(),
    };
    let values: Vec<&str> = key
        .iter()
        .map(|column| row.get(column.as_str()).map_or("", |value| value.get()))
        .collect();
    values.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[(RowKind, &str)]) -> Vec<Written> {
        rows.iter().map(|(kind, row)| (*kind, (*row).to_owned())).collect()
    }

    #[test]
    fn without_a_key_each_row_counts_as_often_as_it_is_written() {
        use RowKind::{Delete, Insert, UpdateAfter, UpdateBefore};
        let old = rows(&[
            (Insert, "a"),
            (Insert, "a"),
            (Insert, "b"),
            (Insert, "c"),
            (Delete, "c"),
        ]);
        let new = rows(&[
            (Insert, "a"),
            (Insert, "d"),
            (UpdateBefore, "d"),
            (UpdateAfter, "b"),
            (Insert, "e"),
        ]);
        let found = between(&old, &new, &[], 1);
        assert_eq!((found.same, found.added, found.removed, found.changed), (2, 1, 1, 0));
        assert_eq!(found.shown, [Change::Removed("a".to_owned())], "no more than that");
        assert!(between(&old, &old, &[], 9).is_none());
    }

    #[test]
    fn with_a_key_the_last_row_under_it_counts() {
        use RowKind::{Delete, Insert, UpdateAfter, UpdateBefore};
        let key = ["k".to_owned()];
        let old = rows(&[
            (Insert, r#"{"k":1,"v":1}"#),
            (UpdateBefore, r#"{"k":1,"v":1}"#),
            (UpdateAfter, r#"{"k":1,"v":2}"#),
            (Insert, r#"{"k":2,"v":1}"#),
            (Insert, r#"{"k":3,"v":1}"#),
            (Insert, r#"{"k":5,"v":1}"#),
            (Delete, r#"{"k":5,"v":1}"#),
        ]);
        let new = rows(&[
            (Insert, r#"{"k":1,"v":2}"#),
            (Insert, r#"{"k":2,"v":7}"#),
            (Insert, r#"{"k":4,"v":1}"#),
        ]);
        let found = between(&old, &new, &key, 9);
        assert_eq!((found.same, found.added, found.removed, found.changed), (1, 1, 1, 1));
        let row = |k, v| format!(r#"{{"k":{k},"v":{v}}}"#);
        assert_eq!(
            found.shown,
            [
                Change::Changed(row(2, 1), row(2, 7)),
                Change::Removed(row(3, 1)),
                Change::Added(row(4, 1))
            ]
        );
    }
}
