//! What the executable answers to a script.

use std::path::Path;

use serde_json::value::RawValue;

use super::script::{Mode, Outcome, Script, filled};

/// The script with a mark behind each statement. With `typed` each query's types are asked for too: a view is made of it
/// and described.
pub fn text(script: &Script, mode: Mode, dir: &Path, typed: bool) -> String {
    let mut text = format!(
        "SET 'execution.runtime-mode' = '{}';\nSET 'table.local-time-zone' = 'UTC';\nSET 'table.dml-sync' = 'true';\n!begin\n",
        mode.name()
    );
    for (at, statement) in script.statements().enumerate() {
        let sql = filled(&statement.text, dir);
        text.push_str(&format!("{sql};\n!mark-{at}\n"));
        if typed && statement.is_query() {
            text.push_str(&format!(
                "CREATE TEMPORARY VIEW conformance_{at} AS {sql};\nDESCRIBE conformance_{at};\nDROP TEMPORARY VIEW conformance_{at};\n"
            ));
        }
        text.push_str(&format!("!types-{at}\n"));
    }
    text
}

/// What stands in the output up to a mark, which no command is called by.
fn until<'a>(output: &'a str, mark: &str) -> (&'a str, &'a str) {
    let told = format!("no command !{mark}\n");
    let at = output
        .find(&told)
        .unwrap_or_else(|| panic!("{mark} was not reached:\n{output}"));
    (&output[..at], &output[at + told.len()..])
}

/// What came of each statement of [`text`], which was run from a file `script.sql` with `-o json --force` and all of its
/// output in one.
pub fn read(script: &Script, mode: Mode, output: &str, dir: &Path) -> Vec<Outcome> {
    let (_, mut rest) = until(output, "begin");
    let mut outcomes = Vec::new();
    for (at, statement) in script.statements().enumerate() {
        let answer;
        (answer, rest) = until(rest, &format!("mark-{at}"));
        let described;
        (described, rest) = until(rest, &format!("types-{at}"));
        let error = answer.lines().find_map(|line| line.strip_prefix("error: "));
        // The last line is the beginning of the mark's own.
        let own = |line: &&str| !line.contains("script.sql: line") || !line.ends_with(": ");
        let outcome = match error.filter(own) {
            Some(error) => Outcome::Failed(message(error).replace(&dir.display().to_string(), "${dir}")),
            None if answer.lines().any(|line| line == "[" || line == "[]") => {
                let mut columns: Vec<(String, String)> = rows(described)
                    .iter()
                    .map(|row| (text_of(&row[0].1), text_of(&row[1].1)))
                    .collect();
                let mut rows = rows(answer);
                let own_op = columns.first().is_some_and(|(name, _)| name == "op");
                let changelog = rows.first().is_some_and(|row| row[0].0 == "op") && !own_op;
                if columns.is_empty()
                    && let Some(first) = rows.first()
                {
                    let names = first.iter().skip(usize::from(changelog));
                    columns = names.map(|(name, _)| (name.clone(), String::new())).collect();
                }
                if changelog {
                    rows = folded(rows);
                }
                let mut rows: Vec<Vec<String>> = rows
                    .into_iter()
                    .map(|row| row.into_iter().map(|(_, value)| value).collect())
                    .collect();
                if !(statement.is_sorted() && mode == Mode::Batch) {
                    rows.sort();
                }
                Outcome::Rows { columns, rows }
            }
            None => Outcome::Done,
        };
        outcomes.push(outcome);
    }
    outcomes
}

/// An error without the place in the file.
fn message(error: &str) -> String {
    let mut parts = error.splitn(3, ": ");
    match (parts.next(), parts.next(), parts.next()) {
        (Some(file), Some(_), Some(message)) if file.ends_with("script.sql") => message.to_owned(),
        _ => error.to_owned(),
    }
}

fn text_of(raw: &str) -> String {
    serde_json::from_str(raw).unwrap()
}

/// The objects of a JSON result, a line each.
fn rows(output: &str) -> Vec<Vec<(String, String)>> {
    output
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| {
            let object: Object = serde_json::from_str(line.trim_end_matches(',')).unwrap();
            object.0
        })
        .collect()
}

/// An object's members in their order, with the text of their values.
struct Object(Vec<(String, String)>);

impl<'de> serde::Deserialize<'de> for Object {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> serde::de::Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    members.push((name, value.get().to_owned()));
                }
                Ok(Object(members))
            }
        }
        from.deserialize_map(Members)
    }
}

/// The rows that are left when a changelog has been applied.
fn folded(changes: Vec<Vec<(String, String)>>) -> Vec<Vec<(String, String)>> {
    let mut rows: Vec<Vec<(String, String)>> = Vec::new();
    for mut row in changes {
        let (_, op) = row.remove(0);
        match op.as_str() {
            "\"+I\"" | "\"+U\"" => rows.push(row),
            _ => {
                let at = rows.iter().position(|known| *known == row);
                rows.remove(at.unwrap_or_else(|| panic!("{op} of a row that is not there: {row:?}")));
            }
        }
    }
    rows
}
