//! Queries whose rows are changes: what Kyuubi does not tell of them.

use skep_engine::Dialect;

use crate::syntax::lexer::significant;

/// What is said of such a query. Kyuubi's protocols have no place for the kind of a change.
pub(super) const UNKNOWN: &str = "if this query updates rows that it has given, each change is shown as one row more, and Kyuubi does not \
                                  tell old ones from new ones · SET 'execution.runtime-mode' = 'batch' gives the result alone, where \
                                  the input ends";

/// Without one of these a query only adds rows: clauses, and Flink's own aggregate and ranking functions.
const UPDATING: [&str; 37] = [
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
    "ORDER",
    "COUNT",
    "SUM",
    "AVG",
    "MIN",
    "MAX",
    "STDDEV_POP",
    "STDDEV_SAMP",
    "STDDEV",
    "VAR_POP",
    "VAR_SAMP",
    "VARIANCE",
    "COLLECT",
    "LISTAGG",
    "ARRAY_AGG",
    "JSON_OBJECTAGG",
    "JSON_ARRAYAGG",
    "PERCENTILE",
    "FIRST_VALUE",
    "LAST_VALUE",
    "ROW_NUMBER",
    "RANK",
    "DENSE_RANK",
    "PERCENT_RANK",
    "CUME_DIST",
    "NTILE",
];

/// With one of these a query that has no other in it groups by windows, each of which is given once.
const WINDOWS: [&str; 4] = ["TUMBLE", "HOP", "CUMULATE", "SESSION"];

/// Whether a query may take back rows that it has given, as far as its words tell.
pub(super) fn may_update(text: &str) -> bool {
    let count = |words: &[&str]| {
        let tokens = significant(text, &Dialect::FLINK).map(|token| token.span.of(text));
        tokens
            .filter(|token| words.iter().any(|word| word.eq_ignore_ascii_case(token)))
            .count()
    };
    let is_windowed = count(&WINDOWS) > 0 && count(&["SELECT"]) == 1;
    count(&UPDATING) > 0 && !is_windowed
}

#[cfg(test)]
mod tests {
    use super::may_update;

    #[test]
    fn a_query_that_aggregates_may_update_its_rows() {
        assert!(may_update("SELECT k, count(*) c FROM g GROUP BY k"));
        assert!(may_update("select max(a) from t"));
        assert!(may_update("SELECT a.x FROM a JOIN b ON a.x = b.x"));
        assert!(may_update("SELECT LISTAGG(s) FROM t"));
        // What is made of windows is updated again.
        assert!(may_update(
            "SELECT SUM(n) FROM (SELECT COUNT(*) n FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) \
             GROUP BY window_start, window_end)"
        ));
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
