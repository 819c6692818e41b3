//! Values of every type, as they are shown: what was recorded of each version in tests/data/flink/types and read by a person.

use std::fmt::Write;
use std::time::Duration;

use crate::LIMIT;
use crate::cluster::Cluster;
use crate::shell::Shell;
use crate::suite::cases;

cases! {
    jobs 25: every_type_is_shown_without_loss,
}

/// The script is dozens of jobs, one after another, beside those of other cases.
const SCRIPT: Duration = LIMIT.saturating_mul(4);

/// A statement, with the rows that it has, an object a line.
struct Expected {
    statement: String,
    rows: Vec<String>,
}

/// What is expected of that version. The gateway can't write some types in JSON, and answers 500: the shell then asks for
/// plain text by itself.
fn expected(version: &str) -> Vec<Expected> {
    let path = format!(
        "{}/tests/data/flink/types/{version}/expected.txt",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(path).unwrap();
    let statements = text.split("SQL ").skip(1);
    let read = statements.map(|part| {
        let (statement, answers) = part.split_once('\n').unwrap();
        let (json, plain) = answers.split_once("PLAIN_TEXT").unwrap_or((answers, ""));
        let taken = if json.starts_with("JSON 500") { plain } else { json };
        let rows = taken
            .lines()
            .filter_map(|line| Some(line.trim()).filter(|line| line.starts_with('{')));
        Expected {
            statement: statement.to_owned(),
            rows: rows.map(str::to_owned).collect(),
        }
    });
    read.collect()
}

fn every_type_is_shown_without_loss(cluster: &Cluster) {
    let shell = Shell::sql(cluster);
    let mut expected = expected(cluster.version());
    let file = shell.world().write(
        "careless/careless.csv",
        "2024-02-29 12:34:56.123456789,2024-02-29 12:34:56.123456789,2024-02-29 12:34:56.123456789,12:34:56.789,123.456\n",
    );
    let directory = file.parent().unwrap().display().to_string();
    // Changelogs are looked at by tests/conformance.
    expected.retain(|expected| !expected.statement.contains("streaming"));
    for expected in &mut expected {
        // What only says that it was done is said on standard error.
        expected.rows.retain(|row| row != r#"{"result":"OK"}"#);
    }
    let mut script = "SET 'execution.runtime-mode' = 'batch';\nSET 'restart-strategy.type' = 'none';\n\
                      SET 'table.local-time-zone' = 'Asia/Kolkata';\n!begin\n"
        .to_owned();
    for expected in &expected {
        let statement = expected.statement.replace("${directory}", &directory);
        // No command is called so: the shell says it, which parts the answers.
        writeln!(script, "{statement};\n!next").unwrap();
    }
    shell.world().write("script.sql", &script);
    let output = shell.skep().with("-o jsonl --force -f script.sql").run_merged(SCRIPT);
    let answers: Vec<&str> = output.split("no command !next").collect();
    assert_eq!(answers.len(), expected.len() + 1, "{output}");
    for (expected, answer) in expected.iter().zip(answers) {
        let rows: Vec<&str> = answer.lines().filter(|line| line.starts_with('{')).collect();
        // Flink gives the entries of a map as they come.
        let unordered = ["MAP[", "COLLECT("]
            .iter()
            .any(|word| expected.statement.contains(word));
        let is_same = |(row, told): (&&str, &String)| row == told || (unordered && letters(row) == letters(told));
        let same = rows.len() == expected.rows.len() && rows.iter().zip(&expected.rows).all(is_same);
        assert!(same, "{}\n{:?}, but came\n{answer}", expected.statement, expected.rows);
    }
}

/// The same for rows that differ in order alone.
fn letters(row: &str) -> Vec<char> {
    let mut letters: Vec<char> = row.chars().collect();
    letters.sort_unstable();
    letters
}
