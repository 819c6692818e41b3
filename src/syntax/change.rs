//! What of a query has changed, told by where in it the differences stand. It is no parser: where it can't be told, it is
//! said to be a part that matters.

use std::collections::BTreeSet;

use similar::{Algorithm, DiffOp, capture_diff_slices};
use skep_engine::Dialect;

use super::lexer::TokenKind;
use super::normal::{self, Word};

/// A part of a query, by what a change of it means for the state that the query keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The outermost list of columns, as far as it is computed row by row from what comes out of the state.
    Projection,
    /// A filter of rows.
    Filter,
    /// What state is kept by: grouping, partitioning, joining, windows, orders, `DISTINCT`.
    Keys,
    /// What is aggregated, and how.
    Aggregates,
    /// The columns of an inner query.
    Inputs,
    /// What is read.
    Sources,
    /// What is written.
    Sink,
    /// Anything else.
    Other,
}

impl Part {
    /// State that was kept for the query before is right for the query after: what changed is computed for each row alone.
    pub const fn is_stateless(self) -> bool {
        matches!(self, Self::Projection | Self::Filter)
    }
}

/// The parts in which two statements differ. Empty if, and only if, they have one normal form.
pub fn parts(before: &str, after: &str, dialect: &Dialect) -> BTreeSet<Part> {
    let (before, after) = (placed(before, dialect), placed(after, dialect));
    let mut parts = BTreeSet::new();
    for operation in capture_diff_slices(Algorithm::Myers, &before, &after) {
        if !matches!(operation, DiffOp::Equal { .. }) {
            parts.extend(before[operation.old_range()].iter().map(|(_, part)| *part));
            parts.extend(after[operation.new_range()].iter().map(|(_, part)| *part));
        }
    }
    parts
}

/// The lines that were taken out (`- `) and put in (`+ `), with one that stayed on either side.
pub fn lines(before: &[String], after: &[String]) -> Vec<String> {
    let mut shown = Vec::new();
    let mut last_shown = None;
    for operation in capture_diff_slices(Algorithm::Myers, before, after) {
        let (old, new) = (operation.old_range(), operation.new_range());
        if matches!(operation, DiffOp::Equal { .. }) {
            continue;
        }
        if let Some(place) = old.start.checked_sub(1)
            && last_shown.is_none_or(|last| place > last)
        {
            if last_shown.is_some_and(|last| place > last + 1) {
                shown.push("  …".to_owned());
            }
            shown.push(format!("  {}", before[place]));
        }
        shown.extend(before[old.clone()].iter().map(|line| format!("- {line}")));
        shown.extend(after[new].iter().map(|line| format!("+ {line}")));
        last_shown = Some(old.end.saturating_sub(1));
        if let Some(line) = before.get(old.end) {
            shown.push(format!("  {line}"));
            last_shown = Some(old.end);
        }
    }
    shown
}

/// Aggregate functions, and those that keep state over the rows of a window.
const AGGREGATES: [&str; 34] = [
    "ARRAY_AGG",
    "AVG",
    "COLLECT",
    "COUNT",
    "CUME_DIST",
    "DENSE_RANK",
    "FIRST_VALUE",
    "JSON_ARRAYAGG",
    "JSON_OBJECTAGG",
    "LAG",
    "LAST_VALUE",
    "LEAD",
    "LISTAGG",
    "MAX",
    "MAXBY",
    "MIN",
    "NTH_VALUE",
    "NTILE",
    "PERCENTILE",
    "PERCENT_RANK",
    "RANK",
    "ROW_NUMBER",
    "STDDEV",
    "STDDEV_POP",
    "STDDEV_SAMP",
    "STRING_AGG",
    "SUM",
    "SUM0",
    "VARIANCE",
    "VAR_POP",
    "VAR_SAMP",
    "APPROX_COUNT_DISTINCT",
    "ANY_VALUE",
    "BITMAP_BUILD_AGG",
];

/// Functions of one row. Any other may be an aggregation of the person's own.
const SCALARS: [&str; 62] = [
    "ABS",
    "ASCII",
    "BTRIM",
    "CARDINALITY",
    "CAST",
    "CEIL",
    "CEILING",
    "CHAR_LENGTH",
    "COALESCE",
    "CONCAT",
    "CONCAT_WS",
    "DATE_FORMAT",
    "DAYOFMONTH",
    "DECODE",
    "ELEMENT",
    "EXP",
    "EXTRACT",
    "FLOOR",
    "FROM_UNIXTIME",
    "GREATEST",
    "HOUR",
    "IF",
    "IFNULL",
    "INITCAP",
    "JSON_EXISTS",
    "JSON_QUERY",
    "JSON_VALUE",
    "LEAST",
    "LEFT",
    "LENGTH",
    "LN",
    "LOCATE",
    "LOG",
    "LOWER",
    "LPAD",
    "LTRIM",
    "MD5",
    "MINUTE",
    "MOD",
    "MONTH",
    "NULLIF",
    "POSITION",
    "POWER",
    "QUARTER",
    "REGEXP",
    "REGEXP_EXTRACT",
    "REGEXP_REPLACE",
    "REPLACE",
    "REVERSE",
    "RIGHT",
    "ROUND",
    "RPAD",
    "RTRIM",
    "SIGN",
    "SPLIT_INDEX",
    "SQRT",
    "SUBSTR",
    "SUBSTRING",
    "TRIM",
    "TRY_CAST",
    "UPPER",
    "YEAR",
];

/// Functions by which a filter becomes part of the state: the first rows of each key.
const RANKS: [&str; 3] = ["ROW_NUMBER", "RANK", "DENSE_RANK"];

/// Where in a query a token stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clause {
    Head,
    List,
    From,
    Filter,
    Keys,
    Other,
}

/// A query, or the statement around it.
#[derive(Debug)]
struct Query {
    is_outermost: bool,
    clause: Clause,
    /// It has several inputs, so that a filter may say how they are joined.
    is_joined: bool,
    /// Its columns are what rows are told apart by.
    is_distinct: bool,
    is_aggregated: bool,
}

/// What a token's place makes of it, before all of its query has been read.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// In this clause of that query.
    Clause(usize, Clause),
    /// In a call of a function that may be an aggregation, in this clause of that query.
    Call(usize, Clause),
    Is(Part),
}

/// What an open parenthesis is.
#[derive(Debug, Clone, Copy)]
enum Paren {
    Query(usize),
    Plain,
    Call,
    Is(Part),
}

/// The tokens of a statement's normal form, each with the part that it belongs to.
fn placed(text: &str, dialect: &Dialect) -> Vec<(String, Part)> {
    let words = normal::words(text, dialect);
    let mut scan = Scan {
        queries: vec![Query::new(true)],
        open: Vec::new(),
        places: Vec::with_capacity(words.len()),
    };
    for place in 0..words.len() {
        scan.read(&words, place);
    }
    let ranks = words.iter().any(|word| word.is_any(&RANKS));
    let Scan { queries, places, .. } = scan;
    let parts = places.into_iter().map(|place| part(place, &queries, ranks));
    words.into_iter().map(|word| word.text).zip(parts).collect()
}

impl Query {
    const fn new(is_outermost: bool) -> Self {
        Self {
            is_outermost,
            clause: Clause::Head,
            is_joined: false,
            is_distinct: false,
            is_aggregated: false,
        }
    }
}

struct Scan {
    queries: Vec<Query>,
    open: Vec<Paren>,
    places: Vec<Place>,
}

impl Scan {
    /// The innermost query that is open.
    fn query(&self) -> usize {
        let queries = self.open.iter().rev().filter_map(|paren| match paren {
            Paren::Query(query) => Some(*query),
            _ => None,
        });
        queries.into_iter().next().unwrap_or(0)
    }

    /// What the parentheses that are open within the innermost query say.
    fn inherited(&self) -> Option<Paren> {
        let within = self.open.iter().rev();
        let within = within.take_while(|paren| !matches!(paren, Paren::Query(_)));
        let mut strongest = None;
        for paren in within {
            match (paren, strongest) {
                (Paren::Is(_), _) => strongest = Some(*paren),
                (Paren::Call, None) => strongest = Some(*paren),
                _ => {}
            }
        }
        strongest
    }

    fn read(&mut self, words: &[Word], place: usize) {
        let word = &words[place];
        let before = place.checked_sub(1).and_then(|place| words.get(place));
        match word.text.as_str() {
            "(" if word.kind == TokenKind::Symbol => {
                self.open_paren(words, place, before);
                return;
            }
            ")" if word.kind == TokenKind::Symbol => {
                // It belongs to what it ends, and that of a query to the one around it.
                let within = self.here();
                let place = match self.open.pop() {
                    Some(Paren::Query(_)) => self.here(),
                    _ => within,
                };
                self.places.push(place);
                return;
            }
            _ => {}
        }
        let is_within = self.open.last().is_some_and(|paren| !matches!(paren, Paren::Query(_)));
        if !is_within {
            self.turn(word, words.get(place + 1));
        }
        let here = self.here();
        self.places.push(here);
    }

    fn here(&self) -> Place {
        let query = self.query();
        let clause = self.queries[query].clause;
        match self.inherited() {
            Some(Paren::Is(part)) => Place::Is(part),
            Some(Paren::Call) => Place::Call(query, clause),
            _ => Place::Clause(query, clause),
        }
    }

    fn open_paren(&mut self, words: &[Word], place: usize, before: Option<&Word>) {
        let query = self.query();
        let is_query = words
            .get(place + 1)
            .is_some_and(|next| next.is_any(&["SELECT", "WITH", "VALUES"]));
        let name = before.filter(|before| before.kind == TokenKind::Word);
        let paren = if is_query {
            if self.queries[query].clause == Clause::Filter {
                self.queries[query].is_joined = true;
            }
            self.queries.push(Query::new(false));
            Paren::Query(self.queries.len() - 1)
        } else if name.is_some_and(|name| name.is("OVER")) {
            self.queries[query].is_aggregated = true;
            Paren::Is(Part::Keys)
        } else if name.is_some_and(|name| name.is_any(&AGGREGATES)) || is_windowed(words, place) {
            self.queries[query].is_aggregated = true;
            if let Some(name) = self.places.last_mut() {
                *name = Place::Is(Part::Aggregates);
            }
            Paren::Is(Part::Aggregates)
        } else if let Some(name) = name
            && !name.is_any(&SCALARS)
            && !name.is_any(&normal::NO_FUNCTIONS)
            && matches!(self.queries[query].clause, Clause::List | Clause::Filter)
        {
            if let Some(Place::Clause(query, clause)) = self.places.last().copied()
                && let Some(name) = self.places.last_mut()
            {
                *name = Place::Call(query, clause);
            }
            Paren::Call
        } else {
            Paren::Plain
        };
        let around = self.here();
        self.open.push(paren);
        let place = match paren {
            Paren::Query(_) => around,
            _ => self.here(),
        };
        self.places.push(place);
    }

    /// A word that begins a clause of the innermost query.
    fn turn(&mut self, word: &Word, next: Option<&Word>) {
        let query = self.query();
        let query = &mut self.queries[query];
        if word.kind == TokenKind::Semicolon {
            // The next of a statement set.
            query.clause = Clause::Head;
            return;
        }
        if word.text == "," && query.clause == Clause::From {
            query.is_joined = true;
        }
        if word.kind != TokenKind::Word {
            return;
        }
        match word.text.as_str() {
            "SELECT" => {
                query.clause = Clause::List;
                query.is_distinct |= next.is_some_and(|next| next.is("DISTINCT"));
            }
            "FROM" => query.clause = Clause::From,
            "JOIN" => {
                query.clause = Clause::From;
                query.is_joined = true;
            }
            "LEFT" | "RIGHT" | "FULL" | "INNER" | "CROSS" if query.clause == Clause::Keys => {
                query.clause = Clause::From;
            }
            "ON" | "USING" if query.clause == Clause::From => query.clause = Clause::Keys,
            "WHERE" | "HAVING" => query.clause = Clause::Filter,
            "GROUP" => {
                query.clause = Clause::Keys;
                query.is_aggregated = true;
            }
            "ORDER" | "WINDOW" | "PARTITION" | "QUALIFY" => query.clause = Clause::Keys,
            "LIMIT" | "OFFSET" | "FETCH" => query.clause = Clause::Other,
            "UNION" | "INTERSECT" | "EXCEPT" | "MINUS" => {
                query.clause = Clause::Other;
                query.is_distinct |= !(word.is("UNION") && next.is_some_and(|next| next.is("ALL")));
            }
            "INSERT" => query.clause = Clause::Head,
            _ => {}
        }
    }
}

/// Whether the call whose parenthesis opens there is one over a window, or with a filter of its own.
fn is_windowed(words: &[Word], place: usize) -> bool {
    let mut depth = 0_usize;
    for (at, word) in words.iter().enumerate().skip(place) {
        match word.text.as_str() {
            "(" => depth += 1,
            ")" => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return words
                        .get(at + 1)
                        .is_some_and(|next| next.is_any(&["OVER", "FILTER", "WITHIN"]));
                }
            }
            _ => {}
        }
    }
    false
}

fn part(place: Place, queries: &[Query], ranks: bool) -> Part {
    let (query, clause) = match place {
        Place::Is(part) => return part,
        Place::Call(query, clause) => {
            if queries[query].is_aggregated {
                return Part::Aggregates;
            }
            (query, clause)
        }
        Place::Clause(query, clause) => (query, clause),
    };
    let query = &queries[query];
    match clause {
        Clause::Head if query.is_outermost => Part::Sink,
        Clause::Head | Clause::Other => Part::Other,
        Clause::List if !query.is_outermost => Part::Inputs,
        Clause::List if query.is_distinct => Part::Keys,
        Clause::List => Part::Projection,
        Clause::From => Part::Sources,
        Clause::Filter if query.is_joined || ranks => Part::Keys,
        Clause::Filter => Part::Filter,
        Clause::Keys => Part::Keys,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Part::*;
    use super::*;

    #[track_caller]
    fn check(before: &str, after: &str, expected: &[Part]) {
        let found = parts(before, after, &Dialect::FLINK);
        assert_eq!(found.into_iter().collect::<Vec<_>>(), expected, "{before}\n{after}");
    }

    /// The query of the recorded facts: what is said of each change was seen on a cluster.
    const COUNT: &str = "INSERT INTO outf SELECT id, k, COUNT(*) OVER (PARTITION BY k ORDER BY pt ROWS BETWEEN \
                         UNBOUNDED PRECEDING AND CURRENT ROW) FROM (SELECT id, MOD(id, 10) AS k, PROCTIME() AS pt FROM gen)";

    #[test]
    fn what_is_computed_row_by_row_is_told_from_what_state_depends_on() {
        check(COUNT, COUNT, &[]);
        check(
            COUNT,
            &COUNT.replace("SELECT id, k,", "SELECT id, k + 100,"),
            &[Projection],
        );
        check(COUNT, &COUNT.replace("COUNT(*)", "1000 * COUNT(*)"), &[Projection]);
        check(COUNT, &COUNT.replace("FROM gen)", "FROM gen WHERE id <> 7)"), &[Filter]);
        check(COUNT, &COUNT.replace("MOD(id, 10)", "MOD(id, 7)"), &[Inputs]);
        check(COUNT, &COUNT.replace("PARTITION BY k", "PARTITION BY id"), &[Keys]);
        check(COUNT, &COUNT.replace("COUNT(*)", "SUM(id)"), &[Aggregates]);
        check(COUNT, &COUNT.replace("COUNT(*)", "COUNT(DISTINCT id)"), &[Aggregates]);
        check(COUNT, &COUNT.replace("gen", "gen2"), &[Sources]);
        check(COUNT, &COUNT.replace("outf", "outg"), &[Sink]);
    }

    #[test]
    fn grouping_joining_and_ranking_are_part_of_the_state() {
        let grouped = "INSERT INTO t SELECT a, SUM(b) FROM s WHERE b > 1 GROUP BY a HAVING SUM(b) > 5";
        check(grouped, &grouped.replace("b > 1", "b > 2"), &[Filter]);
        check(grouped, &grouped.replace("> 5", "> 6"), &[Filter]);
        check(grouped, &grouped.replace("SUM(b) >", "MAX(b) >"), &[Aggregates]);
        check(grouped, &grouped.replace("SELECT a", "SELECT UPPER(a)"), &[Projection]);
        check(
            grouped,
            &grouped.replace("SELECT a", "SELECT MINE(a)"),
            &[Projection, Aggregates],
        );
        check(grouped, &grouped.replace("GROUP BY a", "GROUP BY MOD(a, 3)"), &[Keys]);
        let joined = "INSERT INTO t SELECT x.a FROM x, y WHERE x.i = y.i";
        check(joined, &joined.replace("y.i", "y.j"), &[Keys]);
        let joined = "INSERT INTO t SELECT x.a FROM x LEFT JOIN y ON x.i = y.i WHERE x.a > 1";
        check(joined, &joined.replace("y.i", "y.j"), &[Keys]);
        check(joined, &joined.replace("> 1", "> 2"), &[Keys]);
        let first = "INSERT INTO t SELECT a FROM (SELECT a, ROW_NUMBER() OVER (PARTITION BY a ORDER BY b) AS n FROM s) \
                     WHERE n <= 3";
        check(first, &first.replace("<= 3", "<= 5"), &[Keys]);
        check("SELECT DISTINCT a FROM s", "SELECT DISTINCT b FROM s", &[Keys]);
        check(
            "SELECT a FROM s UNION SELECT b FROM s",
            "SELECT a FROM s UNION SELECT c FROM s",
            &[Keys],
        );
        check(
            "SELECT a FROM s UNION ALL SELECT b FROM s",
            "SELECT a FROM s UNION ALL SELECT c FROM s",
            &[Projection],
        );
        check(
            "SELECT a FROM s WHERE a IN (SELECT b FROM u)",
            "SELECT a FROM s WHERE c IN (SELECT b FROM u)",
            &[Keys],
        );
        let window = "INSERT INTO t SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(ts), INTERVAL '1' \
                      MINUTE)) GROUP BY window_start";
        check(window, &window.replace("'1'", "'2'"), &[Sources]);
    }

    #[test]
    fn each_insert_of_a_set_is_looked_at() {
        let set = "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT x FROM s; INSERT INTO b SELECT y, COUNT(*) FROM s GROUP \
                   BY y; END";
        check(set, &set.replace("SELECT x", "SELECT x + 1"), &[Projection]);
        check(set, &set.replace("GROUP BY y", "GROUP BY z"), &[Keys]);
        check(set, &set.replace("INTO b", "INTO c"), &[Sink]);
    }

    #[test]
    fn what_differs_is_shown_with_what_stands_beside_it() {
        let lines_of = |text: &str| normal::lines(text, &Dialect::FLINK);
        let (before, after) = (lines_of(COUNT), lines_of(&COUNT.replace("MOD(id, 10)", "MOD(id, 7)")));
        assert_eq!(
            lines(&before, &after),
            [
                "  SELECT id,",
                "- MOD(id, 10) AS k,",
                "+ MOD(id, 7) AS k,",
                "  PROCTIME() AS pt"
            ]
        );
        assert!(lines(&before, &before).is_empty());
    }

    /// Queries out of fragments that mean something here.
    fn queries() -> impl Strategy<Value = String> {
        let fragments = prop::sample::select(vec![
            "SELECT",
            " a",
            " b",
            ",",
            "(",
            ")",
            " FROM",
            " s",
            " WHERE",
            " GROUP BY",
            " OVER (",
            "COUNT(",
            "*",
            " JOIN",
            " ON",
            " UNION",
            " ALL",
            "; ",
            " INSERT INTO t",
            " DISTINCT",
            " 1",
            " 'x'",
            " f(",
            " WITH",
            " AS",
        ]);
        prop::collection::vec(fragments, 0..24).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn nothing_has_changed_if_and_only_if_the_normal_form_is_the_same(before in queries(), after in queries()) {
            let same = normal::normal(&before, &Dialect::FLINK) == normal::normal(&after, &Dialect::FLINK);
            prop_assert_eq!(parts(&before, &after, &Dialect::FLINK).is_empty(), same);
            prop_assert!(parts(&before, &before, &Dialect::FLINK).is_empty());
        }

        #[test]
        fn the_lines_that_differ_lead_from_one_to_the_other(
            before in prop::collection::vec("[a-c]", 0..8),
            after in prop::collection::vec("[a-c]", 0..8),
        ) {
            let shown = lines(&before, &after);
            let count = |sign: char| shown.iter().filter(|line| line.starts_with(sign)).count();
            prop_assert_eq!(before.len() + count('+'), after.len() + count('-'));
            prop_assert_eq!(shown.is_empty(), before == after);
        }
    }
}
