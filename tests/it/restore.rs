//! What a restore is held against, on an engine that would notice nothing.

use crate::world::World;

const QUERY: &str = "INSERT INTO a SELECT k, COUNT(*) FROM kept GROUP BY k";

/// A world in which the job of `QUERY` was stopped with a savepoint.
fn stopped() -> World {
    let world = World::new();
    world.write(
        "kept.ddl",
        "CREATE TABLE kept (k BIGINT) WITH ('connector' = 'x', 'password' = 'hunter2')",
    );
    let script = format!("{QUERY};\n!stop %1 --label here\n");
    let _ = world
        .scripted()
        .with("-u scripted:kept")
        .stdin(script)
        .run()
        .expect_code(0);
    world
}

#[test]
fn a_table_that_outlives_the_session_is_compared_and_never_touched() {
    let world = stopped();
    let restore = |world: &World| {
        world
            .scripted()
            .with("-u scripted:kept restore a here")
            .run()
            .expect_code(0)
    };
    let output = restore(&world);
    assert!(!output.stderr.contains("is not defined as it was"), "{output}");
    let world = stopped();
    world.write(
        "kept.ddl",
        "CREATE TABLE kept (k STRING) WITH ('connector' = 'x', 'password' = 'changed')",
    );
    let output = restore(&world);
    for line in ["kept is not defined as it was", "- k BIGINT", "+ k STRING"] {
        assert!(output.stderr.contains(line), "{line}: {output}");
    }
    assert!(
        !output.stderr.contains("hunter2") && !output.stderr.contains("changed'"),
        "{output}"
    );
    let submitted: Vec<_> = world
        .journal()
        .into_iter()
        .filter(|line| line.starts_with("submit"))
        .collect();
    assert!(
        submitted.iter().all(|line| line.starts_with("submit INSERT")),
        "{submitted:?}"
    );
}

#[test]
fn what_the_engine_would_not_notice_is_refused() {
    let restore = |world: &World, sql: &str| {
        let script = format!("!restore {sql};\n");
        world.scripted().with("-u scripted:kept").stdin(script).run()
    };
    let world = stopped();
    let output = restore(
        &world,
        &format!("a here AS {}", QUERY.replace("GROUP BY k", "GROUP BY j")),
    )
    .expect(1, "");
    assert!(output.stderr.contains("--changed-query"), "{output}");
    let before = world.journal().len();
    let output = restore(
        &world,
        &format!("a here AS {}", QUERY.replace("SELECT k", "SELECT k + 1")),
    )
    .expect_code(0);
    // What was asked for is shown, and nothing to be warned of.
    assert!(output.stderr.contains("k + 1"), "{output}");
    assert!(!output.stderr.contains("warning"), "{output}");
    assert!(world.journal().len() > before);
    let meant = format!("--changed-query a here AS {}", QUERY.replace("COUNT(*)", "SUM(k)"));
    let _ = restore(&stopped(), &meant)
        .expect_code(0)
        .expect_stderr("does not notice");
}
