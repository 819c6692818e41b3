//! Runs the scripts on the embedded engine, through the executable.

use std::path::Path;
use std::time::Duration;

use serde_json::value::RawValue;

use super::script::{Expected, Mode, Outcome, Script, Statement, filled, sorted};
use super::value::{canonical, comparable};
use crate::world::World;

/// No script takes longer.
const LIMIT: Duration = Duration::from_secs(300);

/// With `SKEP_BLESS=1` the scripts' `--local` lines are rewritten with what came: read the difference.
#[test]
fn the_embedded_engine_answers_as_flink_does() {
    let bless = std::env::var_os("SKEP_BLESS").is_some();
    let mut wrong = Vec::new();
    let mut checked = 0;
    for mut script in super::scripts() {
        let by_mode =
            [Mode::Batch, Mode::Streaming].map(|mode| script.modes.contains(&mode).then(|| run(&script, mode)));
        let name = script.name();
        for (at, statement) in script.statements_mut().enumerate() {
            let outcome = |mode: usize| by_mode[mode].as_ref().map(|all| all[at].clone());
            let (batch, streaming) = (outcome(0), outcome(1));
            let differs = |mode: Mode, outcome: &Option<Outcome>, local: bool| match outcome {
                None => None,
                Some(outcome) => difference(statement, mode, outcome, local),
            };
            checked += 1;
            if bless {
                let is_flinks = differs(Mode::Batch, &batch, false).is_none()
                    && differs(Mode::Streaming, &streaming, false).is_none();
                statement.local = if is_flinks {
                    Expected::default()
                } else {
                    let own = |mode: Mode, outcome: Option<Outcome>| differs(mode, &outcome, false).and(outcome);
                    Expected::of_differences(own(Mode::Batch, batch), own(Mode::Streaming, streaming))
                };
                continue;
            }
            for (mode, outcome) in [(Mode::Batch, &batch), (Mode::Streaming, &streaming)] {
                if let Some(difference) = differs(mode, outcome, true) {
                    wrong.push(format!(
                        "{name}.sql:{} in {} mode: {}\n  {difference}",
                        statement.line,
                        mode.name(),
                        statement.text
                    ));
                }
            }
        }
        if bless {
            script.write();
        }
    }
    assert!(checked > 0, "there is no script");
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

/// How an outcome differs from what is expected of it. With `local`, what is written down of the embedded engine goes
/// before what Flink answered.
fn difference(statement: &Statement, mode: Mode, actual: &Outcome, local: bool) -> Option<String> {
    if local && let Some(own) = statement.local.get(mode) {
        return match (own, actual) {
            (Outcome::Failed(part), Outcome::Failed(message)) if message.contains(part.as_str()) => None,
            (Outcome::Failed(part), _) => Some(format!("expected the error {part:?}, but came {actual:?}")),
            _ => compare(statement, mode, own, actual),
        };
    }
    let expected = statement.flink.get(mode).unwrap_or(&Outcome::Done);
    let fails = |mode: Mode| matches!(statement.flink.get(mode), Some(Outcome::Failed(_)));
    if fails(mode) && !(fails(Mode::Batch) && fails(Mode::Streaming)) {
        // Flink does it in the other mode only: there is nothing to compare with.
        return None;
    }
    compare(statement, mode, expected, actual)
}

fn compare(statement: &Statement, mode: Mode, expected: &Outcome, actual: &Outcome) -> Option<String> {
    let differ = || Some(format!("expected {expected:?}\n  but came {actual:?}"));
    let (Outcome::Rows { columns, rows }, Outcome::Rows { columns: c, rows: r }) = (expected, actual) else {
        return if expected.agrees(actual) { None } else { differ() };
    };
    let same_columns = columns.len() == c.len()
        && columns.iter().zip(c).all(|((name, kind), (n, k))| {
            // What SHOW gives has no types here.
            name == n && (k.is_empty() || comparable(kind) == comparable(k))
        });
    let form = |rows: &[Vec<String>]| -> Vec<Vec<String>> {
        let value = |(at, raw): (usize, &String)| {
            let kind = columns.get(at).map(|(_, kind)| comparable(kind)).unwrap_or_default();
            canonical(&kind, raw)
        };
        rows.iter()
            .map(|row| row.iter().enumerate().map(value).collect())
            .collect()
    };
    let (rows, r) = (form(rows), form(r));
    let same_rows = if statement.is_sorted() && mode == Mode::Batch {
        rows == r
    } else {
        sorted(&rows) == sorted(&r)
    };
    if same_columns && same_rows { None } else { differ() }
}

/// Runs a script in one process.
fn run(script: &Script, mode: Mode) -> Vec<Outcome> {
    let world = World::new();
    let dir = world.path("files");
    std::fs::create_dir(&dir).unwrap();
    let text = text(script, mode, &dir);
    world.write("script.sql", &text);
    let output = world
        .skep()
        .with("-u local: -o json --force -f script.sql")
        .run_merged(LIMIT);
    read(script, mode, &output, &dir)
}

/// The script with a mark behind each statement, and with the types of each query: a view is made of it and described.
fn text(script: &Script, mode: Mode, dir: &Path) -> String {
    let mut text = format!(
        "SET 'execution.runtime-mode' = '{}';\nSET 'table.local-time-zone' = 'UTC';\nSET 'table.dml-sync' = 'true';\n!begin\n",
        mode.name()
    );
    for (at, statement) in script.statements().enumerate() {
        let sql = filled(&statement.text, dir);
        text.push_str(&format!("{sql};\n!mark-{at}\n"));
        if statement.is_query() {
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

fn read(script: &Script, mode: Mode, output: &str, dir: &Path) -> Vec<Outcome> {
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
                if columns.is_empty()
                    && let Some(first) = rows.first()
                {
                    columns = first.iter().map(|(name, _)| (name.clone(), String::new())).collect();
                }
                let changelog = rows.first().is_some_and(|row| row[0].0 == "op") && columns[0].0 != "op";
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
