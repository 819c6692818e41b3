//! Compiled plans: the identity of a job's operators that outlasts another parallelism and a changed query.

use std::fs;

use super::{COUNT, Counts, Run, Tables, restored_from, undisturbed};
use crate::cluster::Cluster;
use crate::shell::Shell;
use crate::suite::cases;
use crate::witness::wait_for;

cases! {
    jobs 3: a_plan_bears_another_parallelism,
    jobs 2: a_changed_query_finds_its_state_by_the_old_numbers,
    jobs 1: a_plan_that_was_changed_is_refused,
    jobs 2: what_would_be_left_behind_is_named_before,
}

/// A job that is run from a compiled plan, and the directory that the plan is in.
fn planned<'a>(cluster: &'a Cluster, name: &'a str) -> (Run<'a>, std::path::PathBuf) {
    let dir = cluster.path(&format!("plans/{name}"));
    fs::create_dir_all(&dir).unwrap();
    let run = Run {
        tables: Tables { cluster, name },
        shell: Shell::sql(cluster),
        insert: COUNT.to_owned(),
    };
    let tables = run.tables.statements(20, 50_000).join(";\n");
    let script = format!(
        "!set keep plan {}\n{tables};\nSET 'pipeline.name' = '{name}';\n{COUNT};\n",
        dir.display()
    );
    let _ = run.shell.script(&script).expect_code(0);
    cluster.witness().wait_checkpoint(&run.running());
    (run, dir)
}

/// The plans in a directory.
fn plans(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn a_plan_bears_another_parallelism(cluster: &Cluster) {
    let name = "planned";
    let (run, dir) = planned(cluster, name);
    let job = run.running();
    let files = plans(&dir);
    let [file] = &files[..] else { panic!("{files:?}") };
    assert!(file.ends_with(format!("{job}.json")), "{file:?}");
    let before = fs::read(file).unwrap();
    // No option of a table is in it, a password least of all.
    assert!(!String::from_utf8_lossy(&before).contains("connector"));
    let mut counted = Counts::new();
    for parallelism in [2, 1] {
        let _ = run.shell.one_shot(&format!("stop {name}")).expect_code(0);
        counted.extend(run.tables.rows("counted"));
        // In a session that has its tables, at another parallelism.
        let tables = run.tables.statements(20, 50_000).join(";\n");
        let path = run.shell.one_shot(&format!("savepoints {name} --json")).expect_code(0);
        let states = crate::shell::objects(&path.stdout);
        let path = states[0]["path"].as_str().unwrap().to_owned();
        let script = format!(
            "{tables};\nSET 'pipeline.name' = '{name}';\nSET 'parallelism.default' = '{parallelism}';\n\
             !restore {path} AS {COUNT};\n"
        );
        let output = run.shell.script(&script).expect_code(0);
        assert!(!output.stderr.contains("chained in another way"), "{output}");
        assert_eq!(restored_from(cluster, &run.running()), path);
    }
    let _ = run.shell.one_shot(&format!("stop {name}")).expect_code(0);
    let rows = wait_for("the last files", || {
        let rows = run.tables.rows("counted");
        if rows.len() > counted.len() {
            Ok(rows)
        } else {
            Err(rows.len())
        }
    });
    // Two instances of the source give the rows in another order; of each key the counts go on without gap all the same.
    for key in 0..10 {
        let mut counts: Vec<u64> = rows.iter().filter(|(id, _)| *id % 10 == key).map(|(_, n)| *n).collect();
        counts.sort_unstable();
        assert!(counts.iter().copied().eq(1..=counts.len() as u64), "{key}: {counts:?}");
    }
    assert_eq!(plans(&dir), files, "it was not compiled again");
    assert_eq!(fs::read(file).unwrap(), before);
}

fn a_changed_query_finds_its_state_by_the_old_numbers(cluster: &Cluster) {
    let name = "planned-changed";
    let (run, dir) = planned(cluster, name);
    let output = run.shell.one_shot(&format!("stop {name}")).expect_code(0);
    let path = output.stdout.trim_end().to_owned();
    let rows = run.tables.rows("counted").len();
    let changed = COUNT.replace("SELECT id, COUNT", "SELECT id, 1000 * COUNT");
    let _ = run
        .shell
        .script(&format!("!restore {name} AS {changed};\n"))
        .expect_code(0);
    let job = run.running();
    assert_eq!(restored_from(cluster, &job), path);
    assert_eq!(plans(&dir).len(), 2);
    let _ = run.shell.one_shot(&format!("stop {name}")).expect_code(0);
    // The first row after the change counts on from the last before.
    let after = wait_for("the last files", || {
        let all = run.tables.rows("counted");
        if all.len() > rows { Ok(all) } else { Err(all.len()) }
    });
    let undisturbed = undisturbed(cluster);
    let scaled = after.iter().filter(|(_, n)| **n >= 1000);
    let mut count = 0;
    for (id, n) in scaled {
        assert_eq!(*n, undisturbed[id] * 1000, "{id}");
        count += 1;
    }
    assert!(count > 0);
}

fn a_plan_that_was_changed_is_refused(cluster: &Cluster) {
    let name = "planned-touched";
    let (run, dir) = planned(cluster, name);
    let _ = run.shell.one_shot(&format!("stop {name}")).expect_code(0);
    let file = plans(&dir).remove(0);
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("flinkVersion", "flinkversion")).unwrap();
    let output = run.shell.one_shot(&format!("restore {name}")).expect(1, "");
    assert!(output.stderr.contains("somebody has changed it"), "{output}");
    fs::remove_file(&file).unwrap();
    let output = run.shell.one_shot(&format!("restore {name}")).expect(1, "");
    assert!(output.stderr.contains("can't be read"), "{output}");
    assert!(cluster.witness().named(name).iter().all(|job| job.state == "FINISHED"));
}

fn what_would_be_left_behind_is_named_before(cluster: &Cluster) {
    let name = "planned-other";
    let (run, dir) = planned(cluster, name);
    let _ = run.shell.one_shot(&format!("stop {name}")).expect_code(0);
    let other = "INSERT INTO counted SELECT MOD(id, 10), COUNT(*) FROM gen GROUP BY MOD(id, 10)";
    let other = other.replace("INTO counted", "INTO held");
    let held = "CREATE TABLE held (id BIGINT, n BIGINT) WITH ('connector' = 'blackhole')";
    let tables = run.tables.statements(20, 50_000).join(";\n");
    let path = run.shell.one_shot(&format!("savepoints {name} --json")).expect_code(0);
    let path = crate::shell::objects(&path.stdout)[0]["path"]
        .as_str()
        .unwrap()
        .to_owned();
    let script = format!("{tables};\n{held};\n!restore --changed-query {path} AS {other};\n");
    let output = run.shell.script(&script).expect(1, "");
    assert!(output.stderr.contains("has other operators"), "{output}");
    assert_eq!(plans(&dir).len(), 1, "what is not run is not kept");
    assert!(cluster.witness().named(name).iter().all(|job| job.state == "FINISHED"));
    // Told to, it starts, and what is dropped is named: Flink says nothing of it.
    let allowed = script.replace("--changed-query", "--changed-query --allow-non-restored-state");
    let output = run
        .shell
        .script(&allowed.replacen("!restore", "SET 'pipeline.name' = 'planned-less';\n!restore", 1));
    let output = output.expect_code(0);
    let told = output
        .stderr
        .lines()
        .find(|line| line.contains("left behind is the state of "));
    assert!(told.is_some_and(|told| told.contains("over-aggregate")), "{output}");
    let job = cluster.witness().wait_named("planned-less");
    assert_eq!(restored_from(cluster, &job), path);
    cluster.witness().cancel(&job);
}
