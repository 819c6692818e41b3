//! Saved states as tables.

use std::path::Path;

use serde_json::Value;

use super::{counting, local, object, objects, slowly};
use crate::world::{Output, World, wait_until};

/// Counts and sums by tens: with every row that is read there is more, and soon another group.
const JOB: &str = "INSERT INTO sums SELECT n / 10, sum(n), avg(n) FROM n GROUP BY n / 10";

fn preamble() -> String {
    counting()
        + "CREATE TABLE sums (k BIGINT, s BIGINT, a BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'memory');\n"
}

/// Lets the job run, or go on, until it has saved something, and stops it: its id and its savepoint.
fn advance(world: &World, script: &str) -> (String, Value) {
    let mut live = slowly(world).start();
    live.send(format!("{script}!wait\n"));
    let running = || {
        let listed = local(world).with("jobs --all --json").run().expect_code(0);
        let lives = |job: &Value| job["known"] == "live";
        objects(&listed.stdout).into_iter().find(lives)
    };
    wait_until(|| "a job that runs".to_owned(), || running().is_some());
    let id = running().unwrap()["job_id"].as_str().unwrap().to_owned();
    let wait = local(world).with("wait --until first-checkpoint").arg(&id);
    drop(wait.run().expect_code(0));
    let stopped = local(world).with("stop --json").arg(&id).run().expect_code(0);
    drop(live.wait());
    (id, object(&stopped.stdout))
}

fn rows(world: &World, sql: &str) -> Output {
    local(world)
        .with("-o csv --showHeader=false")
        .stdin(format!("{sql};\n"))
        .run()
}

/// The one number that a query gives.
#[track_caller]
fn number(world: &World, sql: &str) -> i64 {
    rows(world, sql).expect_code(0).stdout.trim().parse().unwrap()
}

#[test]
fn what_operators_keep_can_be_queried_and_compared() {
    let world = World::new();
    let (first, saved) = advance(&world, &(preamble() + JOB + " &;\n"));
    let (path, id) = (
        saved["path"].as_str().unwrap(),
        saved["checkpoint_id"].as_u64().unwrap(),
    );
    drop(
        local(&world)
            .with("note --label early")
            .arg(path)
            .arg("x")
            .run()
            .expect_code(0),
    );
    let (second, later) = advance(&world, "!restore sums\n");
    let later = later["path"].as_str().unwrap();

    // It has two operators that keep rows, and the error names them.
    let output = rows(&world, &format!("SELECT * FROM STATE OF '{path}'")).expect(1, "");
    for part in [
        "'aggregate' (",
        "sink `default_catalog`.`default_database`.`sums`",
        "OPERATOR 'name'",
    ] {
        assert!(output.stderr.contains(part), "{part}: {output}");
    }
    let output = rows(&world, &format!("SELECT * FROM STATE OF '{path}' OPERATOR 'window'")).expect(1, "");
    drop(output.expect_stderr("has no such operator"));

    // Both hold the same sums, of every row that was read.
    let groups = number(
        &world,
        &format!("SELECT count(*) FROM STATE OF '{path}' OPERATOR 'aggregate'"),
    );
    let sum = number(&world, &format!("SELECT sum(s) FROM STATE OF '{path}' OPERATOR 'sink'"));
    assert!(groups > 0 && sum > 0);
    let header = local(&world)
        .with("-o csv")
        .stdin(format!(
            "SELECT * FROM STATE OF '{path}' OPERATOR 'aggregate' LIMIT 0;\n"
        ))
        .run()
        .expect_code(0);
    let columns: Vec<_> = header.stdout.trim().split(',').collect();
    assert_eq!(
        columns.len(),
        4,
        "a key, a sum, and what an average is made of: {header}"
    );
    assert!(
        columns[1].contains("sum(") && columns[2].contains("[0]") && columns[3].contains("[1]"),
        "{header}"
    );
    let summed = format!(
        "SELECT sum(`{}`) FROM STATE OF '{path}' OPERATOR 'aggregate'",
        columns[1].trim_matches('"')
    );
    assert_eq!(number(&world, &summed), sum);

    // Whatever names it, it is the same state: by the job, with its number, its label, or a time.
    let (from, until) = (format!("STATE OF '{first}'"), "OPERATOR 'sink'");
    for which in [
        "".to_owned(),
        "AT 'latest'".to_owned(),
        format!("AT {id}"),
        "AT 'early'".to_owned(),
        "AT '@2100-01-01'".to_owned(),
    ] {
        assert_eq!(
            number(&world, &format!("SELECT sum(s) FROM {from} {which} {until}")),
            sum,
            "{which}"
        );
    }
    let newest = number(&world, &format!("SELECT sum(s) FROM STATE OF '{second}' {until}"));
    assert!(newest > sum);
    assert_eq!(
        number(&world, &format!("SELECT sum(s) FROM STATE OF 'sums' {until}")),
        newest,
        "the one that goes on"
    );
    drop(
        rows(&world, &format!("SELECT * FROM {from} AT 'never' {until}"))
            .expect(1, "")
            .expect_stderr("never"),
    );

    // What became of it: as tables, and by key.
    let difference = format!("STATE OF '{first}' AT 'early' DIFF '{second}' {until}");
    let counted = |word: &str| {
        number(
            &world,
            &format!("SELECT count(*) FROM {difference} WHERE `change` = '{word}'"),
        )
    };
    let (added, changed) = (counted("+"), counted("~"));
    assert!(
        added > 0 && changed <= 1 && counted("-") == 0,
        "{added} added, {changed} changed"
    );
    let grown = number(
        &world,
        &format!("SELECT sum(new_s) - coalesce(sum(old_s), 0) FROM {difference}"),
    );
    assert_eq!(grown, newest - sum);
    let back =
        format!("SELECT count(*) FROM STATE OF '{later}' DIFF '{path}' {until} WHERE `change` = '-' AND new_s IS NULL");
    assert_eq!(number(&world, &back), added);
    let same = format!("SELECT count(*) FROM STATE OF '{path}' OPERATOR 'aggregate' DIFF '{path}'");
    assert_eq!(number(&world, &same), 0);
    let except = format!(
        "SELECT count(*) FROM (SELECT k, s FROM STATE OF '{later}' {until} EXCEPT SELECT k, s FROM STATE OF '{path}' {until})"
    );
    assert_eq!(number(&world, &except), added + changed);
}

#[test]
fn what_can_not_be_read_is_told() {
    let world = World::new();
    drop(
        rows(&world, "SELECT * FROM STATE OF 'nobody'")
            .expect(1, "")
            .expect_stderr("nobody"),
    );
    drop(
        rows(&world, "SELECT * FROM STATE OF './nothing'")
            .expect(1, "")
            .expect_stderr("there is no savepoint"),
    );
    world.write("theirs/_metadata", "\u{0}\u{0}\u{0}\u{4} something else");
    let output = rows(&world, "SELECT * FROM STATE OF './theirs'").expect(1, "");
    drop(
        output
            .expect_stderr("is not a _metadata of Flink")
            .expect_stderr("!inspect"),
    );
    // Where states are not read, what to do is said, with the path.
    let output = world
        .scripted()
        .with("-u scripted: -e")
        .arg("SELECT * FROM STATE OF '/states/1'")
        .run();
    let output = output.expect(1, "").expect_stderr("can't read saved states as tables");
    drop(output.expect_stderr("/states/1"));
}

#[test]
fn what_is_known_of_another_engines_state_is_read_and_the_rest_is_named() {
    let world = World::new();
    let sample = |name: &str| {
        let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/metadata/tests/samples");
        samples.join(name).display().to_string()
    };
    // COUNT(*) by MOD(id, 10) over 120 ids, by two backends, and in what the heap writes for itself.
    for name in [
        "2.3.0-heap-savepoint-canonical",
        "2.3.0-rocksdb-savepoint-canonical",
        "2.3.0-heap-files",
        "1.20.3-heap-checkpoint",
        "1.20.3-heap-savepoint-native",
    ] {
        let sql = format!(
            "SELECT count(*), sum(k0), min(v0), max(v0) FROM STATE OF '{}'",
            sample(name)
        );
        let output = rows(&world, &sql).expect_code(0);
        let counts: Vec<i64> = output
            .stdout
            .trim()
            .split(',')
            .map(|count| count.parse().unwrap())
            .collect();
        assert!(
            counts[..2] == [10, 45] && counts[2] >= 1 && counts[3] - counts[2] <= 1,
            "{name}: {output}"
        );
    }
    let same = format!(
        "SELECT count(*) FROM STATE OF 'file:{}' DIFF '{}' OPERATOR 'accState'",
        sample("2.3.0-heap-savepoint-canonical"),
        sample("2.3.0-heap-savepoint-canonical")
    );
    assert_eq!(number(&world, &same), 0);
    for (name, why) in [
        ("2.3.0-heap-changelog", "take a canonical savepoint"),
        ("2.3.0-rocksdb-incremental-2", "files of RocksDB"),
        ("2.3.0-rocksdb-savepoint-native", "OverAggregate[34]"),
    ] {
        let output = rows(&world, &format!("SELECT * FROM STATE OF '{}'", sample(name))).expect(1, "");
        drop(output.expect_stderr("can't be read as tables").expect_stderr(why));
    }
}
