//! The tables and views that a statement names.

use std::collections::BTreeSet;

use skep_engine::Dialect;

use super::cursor::Cursor;

/// What stands where a table may stand, as it is written: the parts of each name, without quotes. Names that the statement
/// itself gives (`WITH x AS …`) may be among them.
pub fn tables(text: &str, dialect: &Dialect) -> BTreeSet<Vec<String>> {
    let mut cursor = Cursor::new(text, dialect);
    let mut found = BTreeSet::new();
    let mut in_from = false;
    while cursor.peek().is_some() {
        if cursor.eat_any(&["FROM", "JOIN"]) {
            in_from = true;
            cursor.eat("LATERAL");
            take(&mut cursor, &mut found);
        } else if cursor.eat_any(&["INTO", "OVERWRITE", "UPDATE"]) {
            in_from = false;
            cursor.eat("TABLE");
            found.extend(cursor.name());
        } else if cursor.eat("TABLE") {
            take(&mut cursor, &mut found);
        } else if cursor.at_any(&[
            "SELECT", "WHERE", "GROUP", "ON", "ORDER", "HAVING", "UNION", "LIMIT", "WINDOW",
        ]) {
            in_from = false;
            cursor.bump();
        } else if cursor.eat_symbol(",") {
            if in_from {
                take(&mut cursor, &mut found);
            }
        } else {
            cursor.bump();
        }
    }
    found
}

fn take(cursor: &mut Cursor<'_>, found: &mut BTreeSet<Vec<String>>) {
    if cursor.at_any(&["SELECT", "TABLE", "VALUES", "UNNEST", "LATERAL", "INTERVAL"]) {
        return;
    }
    let mut ahead = cursor.clone();
    if let Some(name) = ahead.name() {
        // A function of rows is none.
        if ahead.peek_text() != "(" {
            found.insert(name);
        }
        *cursor = ahead;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_read_and_written_is_found() {
        let names = |text: &str| {
            let found = tables(text, &Dialect::FLINK).into_iter();
            found.map(|parts| parts.join(".")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            names("INSERT INTO c.d.t SELECT a, b FROM s, `u v` AS x WHERE a IN (SELECT z FROM w)"),
            "c.d.t s u v w"
        );
        assert_eq!(
            names("INSERT INTO t SELECT * FROM a LEFT JOIN b ON a.x = b.x JOIN c ON TRUE"),
            "a b c t"
        );
        assert_eq!(
            names("SELECT * FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(ts), INTERVAL '1' MINUTE))"),
            "s"
        );
        assert_eq!(names("SELECT * FROM (SELECT * FROM s), UNNEST(x) AS t(y)"), "s");
        assert_eq!(
            names("EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1 FROM s; INSERT INTO b SELECT x, y FROM s; END"),
            "a b s"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in ".{0,60}") {
            let _ = tables(&text, &Dialect::FLINK);
        }
    }
}
