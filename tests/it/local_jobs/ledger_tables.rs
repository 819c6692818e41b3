//! The ledger as tables, and as a file that goes elsewhere.

use std::fs;

use super::{COPY, counting, local, object, slowly, stopped};
use crate::world::{Output, World};

/// Runs SQL and gives its rows as CSV without headers.
fn rows(world: &World, sql: &str) -> Output {
    local(world).with("-o csv --showHeader=false").stdin(sql).run()
}

#[test]
fn it_can_be_queried_and_joined() {
    let world = World::new();
    let path = stopped(&world, &counting(), COPY);
    drop(
        local(&world)
            .with("note --label good")
            .arg(&path)
            .arg("keep")
            .run()
            .expect_code(0),
    );
    let joined = "SELECT j.name, j.state, j.ended_by, j.outcome, s.kind, s.label, s.verdict, s.path \
                  FROM skep.jobs AS j JOIN skep.savepoints AS s ON s.job_id = j.job_id;";
    rows(&world, joined).expect(
        0,
        &format!("copy,FINISHED,stopped,accepted,savepoint,good,usable,{path}\n"),
    );
    // What the job was made of, in order; the statement itself is the last.
    rows(
        &world,
        "SELECT position, kind, sql FROM skep.statements WHERE kind = 'job' OR position = 1 ORDER BY position;",
    )
    .expect(
        0,
        "1,prelude,SET 'execution.runtime-mode' = 'streaming'\n5,job,INSERT INTO copy SELECT n FROM n\n",
    );
    rows(
        &world,
        "SELECT event FROM skep.events WHERE `at` <= CURRENT_TIMESTAMP GROUP BY event ORDER BY event;",
    )
    .expect(0, "ended\nnote\nsavepoint\nsubmitted\n");
    rows(
        &world,
        "SELECT count(*) FROM skep.jobs WHERE submitted <= ended AND ended <= as_of;",
    )
    .expect(0, "1\n");
    // As any other tables they are described, and can be used from within.
    rows(&world, "SHOW TABLES IN skep;").expect(0, "events\njobs\nsavepoints\nstatements\n");
    let described = rows(&world, "DESCRIBE skep.savepoints;").expect_code(0);
    assert!(described.stdout.contains("taken,TIMESTAMP_LTZ(6),true,"), "{described}");
    assert!(described.stdout.contains("size,BIGINT,true,"), "{described}");
    rows(&world, "USE skep; SELECT label FROM savepoints;").expect(0, "good\n");
    rows(
        &world,
        "CREATE VIEW good AS SELECT * FROM skep.savepoints WHERE label = 'good'; SELECT kind FROM good;",
    )
    .expect(0, "savepoint\n");
    // Into a table of one's own they go as a job, which ends.
    rows(
        &world,
        "CREATE TABLE mine (name STRING) WITH ('connector' = 'memory');\n\
         INSERT INTO mine SELECT name FROM skep.jobs WHERE state = 'FINISHED';\n\
         SELECT name FROM mine;",
    )
    .expect(0, "copy\n");
}

#[test]
fn a_job_that_runs_has_its_state() {
    let world = World::new();
    let script = format!(
        "{}{COPY}!wait %1 --until first-checkpoint\nSELECT state FROM skep.jobs;\n",
        counting()
    );
    let program = slowly(&world).with("-o csv --showHeader=false").stdin(script);
    let output = program.run().expect_code(0);
    assert!(output.stdout.lines().any(|line| line == "RUNNING"), "{output}");
}

#[test]
fn it_can_only_be_read() {
    let world = World::new();
    for (sql, says) in [
        (
            "INSERT INTO skep.jobs SELECT * FROM skep.jobs",
            "nothing can be written to it",
        ),
        ("DROP TABLE skep.jobs", "the shell's own"),
        ("DROP DATABASE skep", "the shell's own"),
        (
            "CREATE TABLE skep.mine (n INT) WITH ('connector' = 'memory')",
            "the shell's own",
        ),
        ("CREATE TEMPORARY VIEW skep.mine AS SELECT 1 AS n", "the shell's own"),
        ("SHOW CREATE TABLE skep.jobs", "no statement makes it"),
        ("SELECT * FROM skep.job", "did you mean jobs?"),
        // A job without end would see what there was at its start.
        (
            "CREATE TABLE endless (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '1');\n\
             SELECT e.n FROM endless AS e JOIN skep.jobs AS j ON e.n = j.restored_checkpoint_id",
            "it would be read once, at the job's start",
        ),
    ] {
        drop(rows(&world, &format!("{sql};")).expect(1, "").expect_stderr(says));
    }
}

#[test]
fn a_database_of_ones_own_hides_it() {
    let world = World::new();
    let own = "CREATE DATABASE skep; CREATE TABLE skep.jobs (n INT) WITH ('connector' = 'memory');\n\
               INSERT INTO skep.jobs VALUES (7); SELECT * FROM skep.jobs; SHOW TABLES IN skep;";
    rows(&world, own).expect(0, "7\njobs\n");
    // Once it is gone, the shell's is there again.
    rows(
        &world,
        "DROP DATABASE IF EXISTS skep; CREATE DATABASE IF NOT EXISTS skep; DROP DATABASE skep; SHOW TABLES IN skep;",
    )
    .expect(0, "events\njobs\nsavepoints\nstatements\n");
}

#[test]
fn no_secret_stands_in_it() {
    let world = World::new();
    let script = "SET 'store.password' = 'S3cr3tOne';\n\
                  CREATE TABLE sink (n INT) WITH ('connector' = 'blackhole');\n\
                  CREATE TABLE one (n INT) WITH ('connector' = 'datagen', 'number-of-rows' = '1');\n\
                  INSERT INTO sink SELECT n FROM one;\n";
    drop(local(&world).stdin(script).run().expect_code(0));
    let all = "SELECT * FROM skep.jobs; SELECT * FROM skep.statements; SELECT * FROM skep.events; SELECT * FROM skep.savepoints;";
    let output = rows(&world, all).expect_code(0);
    assert!(output.stdout.contains("CREATE TABLE sink"), "{output}");
    assert!(!output.stdout.contains("S3cr3tOne"), "{output}");
}

#[test]
fn what_is_taken_in_elsewhere_is_exported_there_as_it_was() {
    let world = World::new();
    let mut live = slowly(&world).start();
    live.send(counting() + COPY + "!wait %1 --until first-checkpoint\n!job %1 --json\n!wait\n");
    live.wait_for_out("the job as JSON", |out| out.contains('{') && out.ends_with('\n'));
    let upgrade = local(&world).with("upgrade --json copy");
    let upgraded = upgrade
        .arg("INSERT INTO copy SELECT n FROM n WHERE n > 0")
        .run()
        .expect_code(0);
    drop(live.wait());
    let path = object(&upgraded.stdout)["savepoint"].as_str().unwrap().to_owned();
    let note = local(&world).with("note --label good").arg(&path).arg("keep it");
    drop(note.run().expect_code(0));
    let export = |home: &str, dir: &str| {
        let program = world.skep().with("-u").arg(format!("local:{dir}"));
        let output = program
            .env("SKEP_DATA_DIR", world.path(home))
            .with("ledger export")
            .run();
        output.expect_code(0).stdout
    };
    let exported = export("data", "state");
    for sort in ["job", "savepoint", "upgrade", "note"] {
        assert!(
            exported.contains(&format!("{{\"type\":\"{sort}\"")),
            "{sort}: {exported}"
        );
    }
    let file = world.write("ledger.jsonl", &exported);
    // A connection without jobs: what is there was taken in.
    let elsewhere = || {
        world
            .skep()
            .with("-u local:empty")
            .env("SKEP_DATA_DIR", world.path("other home"))
    };
    let taken = elsewhere().with("--json ledger import").arg(&file).run().expect_code(0);
    assert_eq!(object(&taken.stdout)["jobs"], 2, "{taken}");
    assert_eq!(export("other home", "empty"), exported);
    assert_eq!(fs::read_to_string(&file).unwrap(), exported);
}
