//! What can't work is said before it is submitted.

use super::{COUNT, Run};
use crate::cluster::Cluster;
use crate::suite::cases;

cases! {
    jobs 1: what_can_not_work_is_refused_before_it_is_submitted,
}

fn what_can_not_work_is_refused_before_it_is_submitted(cluster: &Cluster) {
    let name = "fitting";
    let run = Run::start(cluster, name, COUNT);
    let job = run.running();
    let output = run.shell.one_shot(&format!("savepoint {name}")).expect_code(0);
    let savepoint = output.stdout.trim_end().to_owned();
    let native = run
        .shell
        .one_shot(&format!("savepoint {name} --format native"))
        .expect_code(0);
    let native = native.stdout.trim_end().to_owned();
    let _ = run.shell.one_shot(&format!("cancel {name}")).expect_code(0);
    let tables = run.tables.statements(20, 50_000).join(";\n");
    let restore = |path: &str, setting: &str| {
        let script = format!("{tables};\nSET 'pipeline.name' = '{name}';\n{setting};\n!restore {path} AS {COUNT};\n");
        run.shell.script(&script).expect(1, "").stderr
    };
    // Flink would give a job id for the third and fail then.
    for (path, setting, says) in [
        (&savepoint, "SET 'pipeline.max-parallelism' = '256'", "128 key groups"),
        (&savepoint, "SET 'parallelism.default' = '130'", "128 key groups"),
        (
            &native,
            "SET 'state.backend.type' = 'rocksdb'",
            "heap backend's own format",
        ),
    ] {
        let said = restore(path, setting);
        assert!(
            said.contains(says) && said.contains("nothing was submitted"),
            "{setting}: {said}"
        );
    }
    let jobs = cluster.witness().named(name);
    assert_eq!(jobs.iter().map(|job| job.id.as_str()).collect::<Vec<_>>(), [job]);
}
