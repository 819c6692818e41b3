//! `--hivevar`: what stands for `${hivevar:K}` and `${K}` in statements.

use crate::world::World;

#[test]
fn a_variable_is_put_into_statements_as_it_is() {
    let world = World::new();
    let script = "SELECT '${hivevar:day}' AS a, ${n} + 1 AS b, ${what} /* ${what} */ AS c -- ${what}\n;\n\
                  SELECT '${other}' AS a, '${hiveconf:day}' AS b, '${hivevar:}' AS c;\n";
    let output = world
        .skep()
        .with("-o csv --showHeader=false --hivevar day=2024-02-29 --hivevar n=2 --hivevar")
        .arg("what='a;b'")
        .stdin(script)
        .run();
    output.expect(0, "2024-02-29,3,a;b\n${other},${hiveconf:day},${hivevar:}\n");
}

#[test]
fn the_sql_of_a_command_has_them_too() {
    let world = World::new();
    let output = world
        .skep()
        .with("-o csv --hivevar n=2")
        .stdin("!async SELECT ${n} + 1 AS three\n;\n!fg %%\n")
        .run()
        .expect_code(0);
    assert!(output.stdout.contains("three\n3\n"), "{output}");
}

#[test]
fn what_ran_is_what_is_remembered() {
    let world = World::new();
    let script = "CREATE TABLE t (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '1');\n\
                  CREATE TABLE d (n BIGINT) WITH ('connector' = 'blackhole');\nINSERT INTO d SELECT n + ${more} FROM t;\n!job %1\n";
    let output = world.skep().with("--hivevar more=40").stdin(script).run();
    assert!(
        output.stdout.contains("n + 40") && !output.stdout.contains("${"),
        "{output}"
    );
}

#[test]
fn a_secret_is_no_variable() {
    let world = World::new();
    let output = world
        .skep()
        .with("--hivevar db.password=geheim -e")
        .arg("SELECT 1")
        .run();
    assert!(!output.stderr.contains("geheim"), "{output}");
    output.expect_code(2).expect_stderr("--secret NAME=@FILE");
    let output = world.skep().with("--hivevar day -e").arg("SELECT 1").run();
    output.expect_code(2).expect_stderr("not NAME=VALUE");
    for nameless in ["=x", "hivevar:=x", " =x"] {
        let output = world
            .skep()
            .with("--hivevar")
            .arg(nameless)
            .with("-e")
            .arg("SELECT 1")
            .run();
        output.expect_code(2).expect_stderr("a variable has no name");
    }
    let output = world.skep().with("-D =x -e").arg("SELECT 1").run();
    output.expect_code(2).expect_stderr("a session property has no name");
}

#[test]
fn a_statement_makes_one_too() {
    let world = World::new();
    let script = "SET hivevar:day='2024-02-29';\nSELECT ${day} AS a, '${hivevar:n}' AS b;\nSET 'hivevar:n' = '2';\n\
                  SELECT ${n} + 1 AS c;\nSET hivevar:n=${n}0;\nSET hivevar:n;\nSET hivevar:db.password=geheim;\n\
                  SET hivevar:other;\nSET hivevar:=x;\n";
    let output = world
        .skep()
        .with("--force -o csv --showHeader=false")
        .stdin(script)
        .run();
    assert_eq!(output.stdout, "2024-02-29,${hivevar:n}\n3\nhivevar:n=20\n", "{output}");
    assert!(!output.stderr.contains("geheim"), "{output}");
    output
        .expect_code(1)
        .expect_stderr("the variable db.password is a secret")
        .expect_stderr("there is no variable other")
        .expect_stderr("a variable has no name");
}
