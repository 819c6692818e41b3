//! Whether answers are those that are expected.

use super::script::{Engine, Expected, Mode, Outcome, Script, Statement, sorted};
use super::value::{canonical, comparable};

/// A script's answers in batch and in streaming mode; none in a mode in which it was not run.
pub type Answers = [Option<Vec<Outcome>>; 2];

/// Holds answers to what is expected, and returns how they differ. With `SKEP_BLESS=1` the script is rewritten instead,
/// with what came where the engine differs from the recording: read the difference.
pub fn hold(script: &mut Script, engine: Engine, answers: &Answers) -> Vec<String> {
    let name = script.name();
    if std::env::var_os("SKEP_BLESS").is_some() {
        for (at, statement) in script.statements_mut().enumerate() {
            let [batch, streaming] = [(0, Mode::Batch), (1, Mode::Streaming)].map(|(of, mode)| {
                let outcome = answers[of].as_ref().map(|all| all[at].clone())?;
                from_recording(statement, engine, mode, &outcome).and(Some(outcome))
            });
            let differs = batch.is_some() || streaming.is_some();
            let own = differs.then(|| Expected::of_differences(batch, streaming));
            statement.set_own(engine, own.unwrap_or_default());
        }
        script.write();
        return Vec::new();
    }
    let mut wrong = Vec::new();
    for (mode, answers) in [Mode::Batch, Mode::Streaming].iter().zip(answers) {
        for (statement, outcome) in script.statements().zip(answers.iter().flatten()) {
            if let Some(difference) = difference(statement, engine, *mode, outcome) {
                let (line, text, mode) = (statement.line, &statement.text, mode.name());
                wrong.push(format!("{name}.sql:{line} in {mode} mode: {text}\n  {difference}"));
            }
        }
    }
    wrong
}

/// How an outcome differs from what is expected: what is written down of the engine itself goes before the recording.
fn difference(statement: &Statement, engine: Engine, mode: Mode, actual: &Outcome) -> Option<String> {
    let own = statement.own(engine).and_then(|own| own.get(mode));
    match (own, actual) {
        (None, _) => from_recording(statement, engine, mode, actual),
        (Some(Outcome::Failed(part)), Outcome::Failed(message)) if message.contains(part.as_str()) => None,
        (Some(Outcome::Failed(part)), _) => Some(format!("expected the error {part:?}, but came {actual:?}")),
        (Some(own), _) => compare(statement, mode, own, actual),
    }
}

/// How an outcome differs from the recording.
fn from_recording(statement: &Statement, engine: Engine, mode: Mode, actual: &Outcome) -> Option<String> {
    let fails = |mode: Mode| matches!(statement.flink.get(mode), Some(Outcome::Failed(_)));
    let fails_in_one = fails(mode) && !(fails(Mode::Batch) && fails(Mode::Streaming));
    if engine == Engine::Local && fails_in_one {
        // Flink does it in the other mode only: there is nothing to compare with.
        return None;
    }
    let expected = statement.flink.get(mode).unwrap_or(&Outcome::Done);
    compare(statement, mode, expected, actual)
}

fn compare(statement: &Statement, mode: Mode, expected: &Outcome, actual: &Outcome) -> Option<String> {
    let differ = || Some(format!("expected {expected:?}\n  but came {actual:?}"));
    let (Outcome::Rows { columns, rows }, Outcome::Rows { columns: c, rows: r }) = (expected, actual) else {
        return if expected.agrees(actual) { None } else { differ() };
    };
    // What SHOW gives has no types, nor what was not asked for them; and then nothing has names where no row is.
    let no_names = c.is_empty() && r.is_empty();
    let same = |((name, kind), (n, k)): (&(String, String), &(String, String))| {
        name == n && (k.is_empty() || comparable(kind) == comparable(k))
    };
    let same_columns = no_names || columns.len() == c.len() && columns.iter().zip(c).all(same);
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
