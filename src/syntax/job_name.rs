//! The name that a statement's job goes by.

use skep_engine::Dialect;

use super::cursor::Cursor;
use super::statement_set;

/// The name (its last part, without quotes) of the first table that a statement writes to: that of its `INSERT`, of the
/// first one in a statement set, or the table it creates. Of `EXECUTE PLAN` it is that of the plan's file, without its
/// folders and its extension.
pub fn job_name(text: &str, dialect: &Dialect) -> Option<String> {
    let members = statement_set::members(text, dialect).unwrap_or_default();
    let first = members.first().map_or(text, |member| member.of(text));
    let mut cursor = Cursor::new(first, dialect);
    let named = match () {
        () if cursor.eat_all(&["EXECUTE", "PLAN"]) => return plan_name(&cursor.string()?.0),
        () if cursor.eat("UPDATE") || cursor.eat_all(&["DELETE", "FROM"]) || cursor.eat_all(&["MERGE", "INTO"]) => true,
        () if cursor.at_any(&["CREATE", "REPLACE"]) => {
            let found = skip_past(&mut cursor, "TABLE");
            cursor.eat_all(&["IF", "NOT", "EXISTS"]);
            found
        }
        () if cursor.at_any(&["INSERT", "EXECUTE", "COMPILE", "WITH", "FROM"]) => {
            let found = skip_past(&mut cursor, "INSERT");
            cursor.eat_any(&["INTO", "OVERWRITE"]);
            cursor.eat("TABLE");
            found && !writes_directory(&cursor)
        }
        () => false,
    };
    if named { cursor.name()?.pop() } else { None }
}

fn plan_name(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?;
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    Some(stem.to_owned()).filter(|stem| !stem.is_empty())
}

/// Hive's `INSERT OVERWRITE [LOCAL] DIRECTORY 'path'`.
fn writes_directory(cursor: &Cursor<'_>) -> bool {
    let mut ahead = cursor.clone();
    ahead.eat("LOCAL");
    ahead.eat("DIRECTORY") && ahead.string().is_some()
}

/// Reads on until after `keyword`; what is in parentheses does not count.
fn skip_past(cursor: &mut Cursor<'_>, keyword: &str) -> bool {
    while cursor.peek().is_some() {
        if cursor.eat(keyword) {
            return true;
        }
        cursor.skip();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_of_the_first_table_written_to_or_of_the_plan() {
        let cases = [
            ("INSERT INTO delays SELECT 1", Some("delays")),
            ("insert into `c`.`d`.`my table` select 1", Some("my table")),
            ("INSERT OVERWRITE TABLE t PARTITION (p = 1) SELECT 1", Some("t")),
            ("EXECUTE INSERT INTO t SELECT 1", Some("t")),
            (
                "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; INSERT INTO b SELECT 2; END",
                Some("a"),
            ),
            ("BEGIN STATEMENT SET; INSERT INTO a SELECT 1; END", Some("a")),
            ("COMPILE AND EXECUTE PLAN 'p' FOR INSERT INTO t SELECT 1", Some("t")),
            (
                "WITH q AS (SELECT insert FROM x) INSERT INTO t SELECT * FROM q",
                Some("t"),
            ),
            ("FROM s INSERT INTO TABLE t SELECT a", Some("t")),
            ("CREATE TABLE IF NOT EXISTS d.t AS SELECT 1", Some("t")),
            ("UPDATE t SET a = 1", Some("t")),
            ("DELETE FROM t", Some("t")),
            ("INSERT OVERWRITE LOCAL DIRECTORY '/tmp/x' SELECT 1", None),
            ("INSERT INTO directory SELECT 1", Some("directory")),
            ("SELECT 1", None),
            ("EXECUTE PLAN 'p'", Some("p")),
            ("EXECUTE PLAN 's3://plans/by/day.v2.json'", Some("day.v2")),
            ("EXECUTE PLAN '/plans/.json'", None),
            ("EXECUTE PLAN '/plans/'", None),
            ("EXECUTE PLAN", None),
            ("INSERT INTO", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(job_name(text, &Dialect::FLINK).as_deref(), expected, "{text}");
        }
    }
}
