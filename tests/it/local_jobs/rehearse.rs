//! `!upgrade --rehearse`: what would be written otherwise, and nothing changed.

use std::path::PathBuf;

use serde_json::Value;

use super::{COPY, contents, counting, local, object, stopped};
use crate::world::{Program, World};

/// Files with what they hold.
type Contents = Vec<(PathBuf, Vec<u8>)>;

/// All that could be changed: what the engine and the ledger keep, and what the sinks hold.
fn kept(world: &World) -> (Contents, String, Contents) {
    let ledger = local(world).with("ledger export").run().expect_code(0).stdout;
    let sink = world.path("copy");
    let rows = if sink.exists() { contents(&sink) } else { Vec::new() };
    (contents(&world.path("state")), ledger, rows)
}

fn rehearse(world: &World, options: &str, job: &str, sql: &str) -> Program {
    local(world)
        .with("upgrade --rehearse --json")
        .with(options)
        .arg(job)
        .arg(sql)
}

/// The counts of the one table that was compared.
#[track_caller]
fn counts(done: &Value) -> [u64; 4] {
    let tables = done["tables"].as_array().unwrap();
    assert_eq!(tables.len(), 1, "{done}");
    ["same", "added", "removed", "changed"].map(|count| tables[0][count].as_u64().unwrap())
}

#[test]
fn rows_that_would_be_written_otherwise_are_shown_and_nothing_is_changed() {
    let world = World::new();
    let path = stopped(&world, &counting(), COPY);
    let before = kept(&world);
    assert!(!before.2.is_empty());

    let output = rehearse(&world, "", "copy", "INSERT INTO copy SELECT n FROM n WHERE n > 0")
        .run()
        .expect_code(0);
    let done = object(&output.stdout);
    assert_eq!(done["same"], true, "{output}");
    assert_eq!(done["state"], path.as_str());
    assert_eq!(counts(&done), [10_000, 0, 0, 0]);
    assert_eq!(done["lost"], serde_json::json!([]));

    // Every third row is gone, and every ninth another one.
    let sql = "INSERT INTO copy SELECT CASE WHEN n % 9 = 1 THEN -n ELSE n END FROM n WHERE n % 3 <> 0";
    let output = rehearse(&world, "--rows 900 --limit 3", "copy", sql)
        .run()
        .expect_code(0);
    let done = object(&output.stdout);
    assert_eq!(done["same"], false);
    assert_eq!(counts(&done), [500, 100, 400, 0], "{output}");
    let shown = done["tables"][0]["rows"].as_array().unwrap();
    assert_eq!(shown.len(), 3);
    assert!(
        shown[0]["change"] == "added" && shown[0]["new"]["n"].as_i64().unwrap() < 0,
        "{output}"
    );
    let read = done["read"].as_object().unwrap();
    assert_eq!(read.values().map(|rows| rows.as_u64().unwrap()).sum::<u64>(), 900);

    // The same for people.
    let output = local(&world)
        .with("upgrade --rehearse --rows 9 --limit 1")
        .arg("copy")
        .arg(sql)
        .run();
    let output = output
        .expect_code(0)
        .expect_stderr("over 9 rows of input: nothing was changed");
    assert!(
        output
            .stdout
            .starts_with("copy: 5 rows the same, 1 added, 4 removed, 0 changed\n  + {\"n\":-"),
        "{output}"
    );
    assert!(output.stdout.ends_with("  … 1 of 5 shown (--limit N)\n"), "{output}");

    assert!(kept(&world) == before, "something has changed");
    // And the job goes on as if nothing had been.
    drop(local(&world).with("restore copy").run().expect_code(0));
}

#[test]
fn groups_are_compared_by_their_key_from_the_state_on() {
    let world = World::new();
    let preamble = counting()
        + "CREATE TABLE sums (k BIGINT, s BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'memory');\n";
    let job = "INSERT INTO sums SELECT n % 7, sum(n) FROM n GROUP BY n % 7 &;\n";
    stopped(&world, &preamble, job);
    let before = kept(&world);
    // What stands above the aggregation keeps its state.
    let sql = "INSERT INTO sums SELECT k, CASE WHEN k = 3 THEN -s ELSE s END FROM \
               (SELECT n % 7 AS k, sum(n) AS s FROM n GROUP BY n % 7)";
    let output = rehearse(&world, "--rows 700", "sums", sql).run().expect_code(0);
    let done = object(&output.stdout);
    assert_eq!(counts(&done), [6, 0, 0, 1], "{output}");
    let row = &done["tables"][0]["rows"][0];
    assert_eq!(row["old"]["k"], 3);
    let (old, new) = (row["old"]["s"].as_i64().unwrap(), row["new"]["s"].as_i64().unwrap());
    // The state is in it: a hundred rows alone do not come to that.
    assert!(old == -new && old > 0, "{output}");

    // Another aggregation does not take the state over, and starts from nothing.
    let output = rehearse(
        &world,
        "",
        "sums",
        "INSERT INTO sums SELECT n % 7, max(n) FROM n GROUP BY n % 7",
    )
    .run()
    .expect_code(0);
    let done = object(&output.stdout);
    let lost = &done["lost"][0];
    assert_eq!(
        (&lost["operator"], &lost["rows"]),
        (&"aggregate".into(), &7.into()),
        "{output}"
    );
    assert!(lost["reason"].as_str().unwrap().contains("call 0"), "{output}");
    assert_eq!(counts(&done), [0, 0, 0, 7]);
    let output = local(&world)
        .with("upgrade --rehearse sums")
        .arg("INSERT INTO sums SELECT n % 7, max(n) FROM n GROUP BY n % 7")
        .run()
        .expect_code(0);
    assert!(
        output.stdout.starts_with("state lost (7 rows): aggregate: "),
        "{output}"
    );
    drop(output.expect_stderr("--allow-non-restored-state"));
    assert!(kept(&world) == before, "something has changed");
}

#[test]
fn the_statement_may_bring_its_own_tables_and_write_others() {
    let world = World::new();
    stopped(&world, &counting(), COPY);
    let file = world.write(
        "new.sql",
        &(counting()
            + "CREATE TABLE other (n BIGINT) WITH ('connector' = 'filesystem', 'path' = 'other', 'format' = 'csv');\n\
               INSERT INTO other SELECT n FROM n;\n"),
    );
    let output = local(&world)
        .with("upgrade --rehearse --json --rows 10 copy --file")
        .arg(&file)
        .run()
        .expect_code(0);
    let done = object(&output.stdout);
    let tables: Vec<_> = done["tables"].as_array().unwrap().iter().collect();
    assert_eq!(tables.len(), 2, "{output}");
    assert_eq!(
        (&tables[0]["table"], &tables[0]["removed"]),
        (&"copy".into(), &10.into())
    );
    assert_eq!(
        (&tables[1]["table"], &tables[1]["added"]),
        (&"other".into(), &10.into())
    );
    assert!(!world.path("other").exists(), "not even the directory is made");
}

#[test]
fn what_fails_is_told_and_changes_nothing() {
    let world = World::new();
    stopped(&world, &counting(), COPY);
    let before = kept(&world);
    for (sql, says) in [
        ("INSERT INTO copy SELECT n / (n - n) FROM n", "the new statement"),
        ("INSERT INTO copy SELECT nothing FROM n", "nothing"),
        ("SELECT n FROM n", "starts no job"),
    ] {
        drop(
            rehearse(&world, "", "copy", sql)
                .run()
                .expect(1, "")
                .expect_stderr(says),
        );
    }
    drop(local(&world).with("upgrade --rehearse copy").run().expect(2, ""));
    drop(
        rehearse(&world, "--rows few", "copy", "INSERT INTO copy SELECT n FROM n")
            .run()
            .expect(2, ""),
    );
    // Killed between the two statements it has left nothing either.
    let output = rehearse(&world, "", "copy", "INSERT INTO copy SELECT n FROM n")
        .env("SKEP_FAILPOINT", "upgrade.rehearsing")
        .run();
    assert_eq!(output.code, 128 + 6, "{output}");
    assert!(kept(&world) == before, "something has changed");
    let temporary: Vec<_> = super::files(&world.path("tmp"));
    assert!(temporary.is_empty(), "{temporary:?}");
}

#[test]
fn a_job_that_runs_runs_on_meanwhile() {
    let world = World::new();
    let mut live = super::slowly(&world).start();
    live.send(counting().replace("'20 ms'", "'1 s'") + COPY);
    live.send("!wait %1 --until first-checkpoint\n!job %1 --json\n!wait\n");
    let out = live.wait_for_out("the job as JSON", |out| out.contains('{') && out.ends_with('\n'));
    let id = object(&out)["job_id"].as_str().unwrap().to_owned();
    let output = rehearse(&world, "--rows 10", &id, "INSERT INTO copy SELECT n + 1 FROM n")
        .run()
        .expect_code(0);
    let done = object(&output.stdout);
    assert_eq!(counts(&done), [9, 1, 1, 0], "{output}");
    let jobs = local(&world).with("jobs --all --json").run().expect_code(0);
    let job = object(&jobs.stdout);
    assert_eq!(
        (&job["job_id"], &job["state"]),
        (&id.as_str().into(), &"RUNNING".into())
    );
    drop(local(&world).with("cancel").arg(&id).run().expect_code(0));
    drop(live.wait());
}

#[test]
fn an_engine_that_can_not_try_statements_says_what_to_do() {
    let world = World::new();
    let output = world
        .scripted()
        .with("-u scripted:kept --json")
        .stdin("INSERT INTO orders;\n!upgrade --rehearse orders INSERT INTO orders;\n");
    drop(output.run().expect_code(1).expect_stderr("can't rehearse"));
}
