//! What is said of saved states: each of the verdicts, with its reason.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{COPY, counting, files, local, objects, slowly, stopped};
use crate::world::{Pty, World};

/// What is listed, by path.
fn listed(text: &str) -> BTreeMap<String, Value> {
    let states = objects(text).into_iter();
    states
        .map(|state| (state["path"].as_str().unwrap().to_owned(), state))
        .collect()
}

#[test]
fn each_state_has_the_verdict_that_it_deserves() {
    let world = World::new();
    // A running job's newest checkpoint is the one that it would go back to. It stays: only one is taken.
    let script = format!(
        "{}{COPY}!checkpoint %1\n!savepoints --json\n!stop %1\n",
        counting().replace("'20 ms'", "'1 h'")
    );
    let output = slowly(&world).stdin(script).run().expect_code(0);
    let running = objects(&output.stdout);
    let in_use = running.iter().find(|state| state["verdict"] == "in_use");
    let in_use = in_use.unwrap_or_else(|| panic!("{output}"));
    assert_eq!(in_use["kind"], "checkpoint");
    assert!(in_use["reasons"][0].as_str().unwrap().contains("runs"), "{in_use}");

    let world = World::new();
    let whole = stopped(&world, &counting(), COPY);
    let copy = |name: &str| {
        let to = world.path("state/savepoints").join(name);
        fs::create_dir_all(&to).unwrap();
        for file in files(Path::new(&whole)) {
            fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
        }
        to
    };
    // Never finished: what is written last is not there.
    let incomplete = copy("savepoint-incomplete");
    fs::remove_file(incomplete.join("_metadata")).unwrap();
    let gone = copy("savepoint-gone");
    drop(
        local(&world)
            .with("note --label doomed")
            .arg(&gone)
            .arg("goes")
            .run()
            .expect_code(0),
    );
    drop(local(&world).with("savepoints --json").run().expect_code(0));
    fs::remove_dir_all(&gone).unwrap();
    let output = local(&world).with("savepoints --json").run().expect_code(0);
    let found = listed(&output.stdout);
    let verdict = |path: &Path| {
        let ends = |(known, _): &(&String, &Value)| Path::new(known) == path || known.ends_with(path.to_str().unwrap());
        let state = found.iter().find(ends);
        state.unwrap_or_else(|| panic!("{} in {output}", path.display())).1
    };
    assert_eq!(verdict(Path::new(&whole))["verdict"], "usable");
    assert_eq!(verdict(&incomplete)["verdict"], "incomplete");
    assert_eq!(verdict(&gone)["verdict"], "gone");
    assert!(!verdict(&gone)["reasons"].as_array().unwrap().is_empty());
    assert!(!verdict(&incomplete)["reasons"].as_array().unwrap().is_empty());
}

#[test]
fn a_file_that_is_missing_is_named() {
    let world = World::new();
    let grouped = "CREATE TABLE sums (k BIGINT, n BIGINT) WITH ('connector' = 'blackhole');\n";
    let job = "INSERT INTO sums SELECT n / 1000, COUNT(*) FROM n GROUP BY n / 1000 &;\n";
    let path = stopped(&world, &format!("{}{grouped}", counting()), job);
    let file = files(Path::new(&path))
        .into_iter()
        .find(|file| !file.ends_with("_metadata"));
    let file = file.expect("a group has state");
    fs::remove_file(&file).unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();
    let output = local(&world).with("savepoints --json").run().expect_code(0);
    let found = listed(&output.stdout);
    let state = found.values().find(|state| state["path"] == path.as_str()).unwrap();
    assert_eq!(state["verdict"], "missing");
    assert!(state["reasons"][0].as_str().unwrap().contains(name), "{state}");
    let output = local(&world).with("restore sums").arg(&path).run().expect(1, "");
    assert!(output.stderr.contains("missing or damaged"), "{output}");
}

#[test]
fn a_list_is_laid_out_for_a_narrow_terminal_and_not_for_a_pipe() {
    let world = World::new();
    let path = stopped(&world, &counting(), COPY);
    let piped = local(&world).with("savepoints").run().expect_code(0);
    let row = piped.stdout.lines().find(|line| line.ends_with(&path));
    let row = row.unwrap_or_else(|| panic!("{piped}"));
    assert!(row.starts_with("  savepoint") && row.contains("  usable  "), "{piped}");
    for (columns, has_room) in [(80, false), (row.chars().count(), true)] {
        let columns = u16::try_from(columns).unwrap();
        let ended = Pty::spawn(&local(&world).with("savepoints"), 24, columns).wait();
        assert_eq!(ended.code, 0, "{}", ended.screen);
        let lines: Vec<&str> = ended.screen.text.lines().map(str::trim_end).collect();
        let at = lines.iter().position(|line| line.starts_with("  savepoint"));
        let at = at.unwrap_or_else(|| panic!("{}", ended.screen));
        if has_room {
            assert_eq!(lines[at], row);
        } else {
            assert!(
                row.starts_with(lines[at]) && lines[at].contains("  usable"),
                "{}",
                ended.screen
            );
            assert_eq!(lines[at + 1], format!("    {path}"));
        }
    }
}
