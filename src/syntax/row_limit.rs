//! How many rows a query lets through.

use skep_engine::Dialect;

use super::lexer::significant;

/// The number in the `LIMIT n` or `FETCH FIRST n ROWS ONLY` that a statement ends with.
pub fn row_limit(text: &str, dialect: &Dialect) -> Option<u64> {
    let mut words: Vec<&str> = significant(text, dialect).map(|token| token.span.of(text)).collect();
    while words.last() == Some(&";") {
        words.pop();
    }
    let is = |word: &str, keywords: &[&str]| keywords.iter().any(|keyword| word.eq_ignore_ascii_case(keyword));
    if let [head @ .., offset, _] = &words[..]
        && is(offset, &["OFFSET"])
    {
        words.truncate(head.len());
    }
    let number = match &words[..] {
        [.., limit, number] if is(limit, &["LIMIT"]) => number,
        [.., fetch, first, number, rows, only]
            if is(fetch, &["FETCH"])
                && is(first, &["FIRST", "NEXT"])
                && is(rows, &["ROW", "ROWS"])
                && is(only, &["ONLY"]) =>
        {
            number
        }
        _ => return None,
    };
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_at_the_end_of_a_query() {
        let cases = [
            ("SELECT * FROM t LIMIT 20", Some(20)),
            ("select * from t limit 20 offset 5 -- of them\n;", Some(20)),
            ("SELECT * FROM t ORDER BY a FETCH FIRST 3 ROWS ONLY", Some(3)),
            ("SELECT * FROM t OFFSET 2 ROWS FETCH NEXT 1 ROW ONLY", Some(1)),
            ("SELECT * FROM (SELECT * FROM t LIMIT 20)", None),
            ("SELECT 'LIMIT 20' FROM t", None),
            ("SELECT * FROM t LIMIT ALL", None),
            ("SELECT a AS `LIMIT` FROM t", None),
            ("SELECT * FROM t", None),
            ("LIMIT 99999999999999999999999", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(row_limit(text, &Dialect::FLINK), expected, "{text}");
        }
    }
}
