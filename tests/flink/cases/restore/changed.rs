//! A query that is not the one that made the state: Flink maps state by the shape of the plan alone.

use super::{COUNT, Run, restored_from};
use crate::cluster::Cluster;
use crate::suite::cases;

cases! {
    jobs 2: a_changed_key_is_refused_unless_it_is_meant,
    jobs 2: a_changed_column_is_shown_and_accepted,
    jobs 2: set_restore_takes_the_same_query_only,
    jobs 2: a_changed_table_is_a_changed_query,
}

/// A job that was stopped, and the path of its savepoint.
fn stopped<'a>(cluster: &'a Cluster, name: &'a str) -> (Run<'a>, String) {
    let run = Run::start(cluster, name, COUNT);
    let output = run.shell.one_shot(&format!("stop {name}")).expect_code(0);
    let path = output.stdout.trim_end().to_owned();
    (run, path)
}

/// No job of that name runs.
#[track_caller]
fn assert_still(cluster: &Cluster, name: &str) {
    let jobs = cluster.witness().named(name);
    assert!(jobs.iter().all(|job| job.state == "FINISHED"), "{jobs:?}");
}

/// The one job of that name that runs was restored from there; it is ended.
#[track_caller]
fn assert_restored(run: &Run<'_>, path: &str) {
    let cluster = run.tables.cluster;
    let job = run.running();
    assert_eq!(restored_from(cluster, &job), path);
    cluster.witness().cancel(&job);
    cluster.witness().wait_state(&job, "CANCELED");
}

fn a_changed_key_is_refused_unless_it_is_meant(cluster: &Cluster) {
    let name = "changed-key";
    let (run, path) = stopped(cluster, name);
    let changed = COUNT.replace("MOD(id, 10)", "MOD(id, 7)");
    let output = run.shell.script(&format!("!restore {name} AS {changed};\n"));
    let output = output.expect(1, "").expect_stderr("--changed-query");
    assert!(output.stderr.contains("silently wrong"), "{output}");
    for line in ["MOD(id, 10)", "MOD(id, 7)"] {
        assert!(
            output
                .stderr
                .lines()
                .any(|shown| shown.starts_with(['-', '+']) && shown.contains(line)),
            "{output}"
        );
    }
    assert_still(cluster, name);
    // It is not Flink that refuses it: told to, it goes on with the wrong counts.
    let output = run
        .shell
        .script(&format!("!restore --changed-query {name} AS {changed};\n"));
    let _ = output.expect_code(0).expect_stderr("does not notice");
    assert_restored(&run, &path);
}

fn a_changed_column_is_shown_and_accepted(cluster: &Cluster) {
    let name = "changed-column";
    let (run, path) = stopped(cluster, name);
    let changed = COUNT.replace("SELECT id, COUNT", "SELECT id + 1000000, COUNT");
    let output = run
        .shell
        .script(&format!("!restore {name} AS {changed};\n"))
        .expect_code(0);
    assert!(output.stderr.contains("+ SELECT id + 1000000,"), "{output}");
    assert_restored(&run, &path);
}

fn set_restore_takes_the_same_query_only(cluster: &Cluster) {
    let name = "changed-set";
    let (run, path) = stopped(cluster, name);
    let tables = run.tables.statements(20, 50_000).join(";\n");
    let prelude = format!("{tables};\nSET 'pipeline.name' = '{name}';\n!set restore {path}\n");
    let changed = COUNT.replace("FROM gen)", "FROM gen WHERE id <> 7)");
    let output = run.shell.script(&format!("{prelude}{changed};\n"));
    let _ = output.expect(1, "").expect_stderr("--changed-query");
    assert_still(cluster, name);
    // The same query, written in another way.
    let same = COUNT
        .replace("INSERT INTO", "insert into -- what is counted\n")
        .replace("FROM", "from  ");
    let output = run
        .shell
        .script(&format!("{prelude}{same};\n!set restore\n"))
        .expect_code(0);
    assert_eq!(output.stdout, "off\n");
    assert_restored(&run, &path);
}

fn a_changed_table_is_a_changed_query(cluster: &Cluster) {
    let name = "changed-table";
    let (run, path) = stopped(cluster, name);
    let tables = run.tables.statements(20, 40_000).join(";\n");
    let script = format!("{tables};\nSET 'pipeline.name' = '{name}';\n!restore {path} AS {COUNT};\n");
    let output = run.shell.script(&script).expect(1, "").expect_stderr("table gen");
    assert!(output.stderr.contains("+ 'fields.id.end' = '40000')"), "{output}");
    assert_still(cluster, name);
    let script = script.replace("!restore", "!restore --changed-query");
    let _ = run.shell.script(&script).expect_code(0);
    assert_restored(&run, &path);
}
