//! Queries whose rows are changes: what Kyuubi does not tell of them.

use skep_engine::Dialect;

use crate::syntax::lexer::significant;

/// What is said of such a query. Kyuubi's protocols have no place for the kind of a change.
pub(super) const UNKNOWN: &str = "if this query updates rows that it has given, each change is shown as one row more, and Kyuubi does not \
                                  tell old ones from new ones · SET 'execution.runtime-mode' = 'batch' gives the result alone, where \
                                  the input ends";

/// Without one of these a query only adds rows.
const UPDATING: [&str; 17] = [
    "GROUP",
    "HAVING",
    "DISTINCT",
    "JOIN",
    "UNION",
    "INTERSECT",
    "EXCEPT",
    "EXISTS",
    "IN",
    "LIMIT",
    "FETCH",
    "COUNT",
    "SUM",
    "AVG",
    "MIN",
    "MAX",
    "ROW_NUMBER",
];

/// With one of these it groups by windows, each of which is given once.
const WINDOWS: [&str; 3] = ["TUMBLE", "HOP", "CUMULATE"];

/// Whether a query may take back rows that it has given, as far as its words tell.
pub(super) fn may_update(text: &str) -> bool {
    let has = |words: &[&str]| {
        significant(text, &Dialect::FLINK).any(|token| {
            let token = token.span.of(text);
            words.iter().any(|word| word.eq_ignore_ascii_case(token))
        })
    };
    has(&UPDATING) && !has(&WINDOWS)
}

#[cfg(test)]
mod tests {
    use super::may_update;

    #[test]
    fn a_query_that_aggregates_may_update_its_rows() {
        assert!(may_update("SELECT k, count(*) c FROM g GROUP BY k"));
        assert!(may_update("select max(a) from t"));
        assert!(may_update("SELECT a.x FROM a JOIN b ON a.x = b.x"));
        for only_adds in [
            "SELECT a, 'GROUP BY' FROM t WHERE a > 1",
            "SELECT a FROM t -- GROUP BY a",
            "SELECT `count` FROM t",
            "SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
        ] {
            assert!(!may_update(only_adds), "{only_adds}");
        }
    }
}
