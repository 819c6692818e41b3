//! The job verbs as SQL.

use super::has_metadata;
use crate::cluster::Cluster;
use crate::job::Job;
use crate::shell::Shell;
use crate::suite::cases;

cases! {
    jobs 1: from_saving_to_stopping,
    jobs 2: stopping_without_a_savepoint_and_drained,
}

fn from_saving_to_stopping(cluster: &Cluster) {
    let shell = Shell::sql(cluster);
    let job = Job::start(cluster, "statements");
    let output = shell.script("SHOW JOBS;\n").expect_code(0);
    assert!(output.stdout.contains(&job[..8]), "{output}");
    let output = shell.script(&format!("DESCRIBE JOB '{job}';\n")).expect_code(0);
    assert!(output.stdout.contains("statements"), "{output}");
    let output = shell
        .skep()
        .with("-e")
        .arg(format!("CREATE SAVEPOINT FOR JOB '{job}'"))
        .run();
    let path = output.expect_code(0).stdout.trim_end().to_owned();
    cluster.witness().wait_savepoint(&job, &path);
    let output = shell
        .script(&format!("SHOW SAVEPOINTS FOR JOB '{job}';\n"))
        .expect_code(0);
    assert!(output.stdout.contains(path.rsplit('/').next().unwrap()), "{output}");
    let _ = shell.script(&format!("DROP SAVEPOINT '{path}';\n")).expect(0, "");
    assert!(!has_metadata(&path));
    let output = shell
        .script(&format!("STOP JOB '{job}' WITH SAVEPOINT;\n"))
        .expect_code(0);
    assert!(has_metadata(output.stdout.trim_end()), "{output}");
    assert_eq!(cluster.witness().state(&job), "FINISHED");
}

fn stopping_without_a_savepoint_and_drained(cluster: &Cluster) {
    let shell = Shell::rest(cluster);
    let (cancelled, drained) = (Job::start(cluster, "STOP JOB"), Job::start(cluster, "WITH DRAIN"));
    let _ = shell.script(&format!("STOP JOB '{cancelled}';\n")).expect(0, "");
    assert_eq!(cluster.witness().state(&cancelled), "CANCELED");
    let script = format!("STOP JOB '{drained}' WITH SAVEPOINT WITH DRAIN;\n");
    let output = shell.skep().with("--yes").stdin(script).run().expect_code(0);
    assert!(has_metadata(output.stdout.trim_end()), "{output}");
    assert_eq!(cluster.witness().state(&drained), "FINISHED");
}
