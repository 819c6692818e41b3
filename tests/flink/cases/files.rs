//! The files of a state, which Flink does not look at before it has given out a job id.

use std::fs;
use std::path::Path;

use crate::cluster::Cluster;
use crate::shell::{Shell, object};
use crate::suite::cases;

cases! {
    jobs 1: what_is_missing_is_named_before_anything_is_submitted,
}

fn what_is_missing_is_named_before_anything_is_submitted(cluster: &Cluster) {
    let shell = Shell::sql(cluster);
    // So many keys that their state is not in `_metadata` itself: that takes 20 kB.
    let script = "CREATE TABLE gen (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '5000');\n\
                  CREATE TABLE nowhere (id BIGINT, n BIGINT) WITH ('connector' = 'blackhole');\n\
                  SET 'pipeline.name' = 'many-keys';\n\
                  INSERT INTO nowhere SELECT id, COUNT(*) FROM gen GROUP BY id;\n\
                  !wait many-keys --until first-checkpoint\n\
                  !stop many-keys --json\n";
    let output = shell.script(script).expect_code(0);
    let saved = object(&output.stdout);
    let path = saved["path"].as_str().unwrap();
    let inspected = object(&shell.one_shot(&format!("inspect {path} --json")).expect_code(0).stdout);
    assert_eq!(inspected["verdict"], "usable", "{inspected}");
    assert_eq!(
        (&inspected["kind"], &inspected["format"]),
        (&"savepoint".into(), &"canonical".into())
    );
    assert_eq!(inspected["job_id"], saved["job_id"]);
    assert!(inspected["operators"].as_array().unwrap().len() > 1, "{inspected}");
    let name = inspected["files"][0]["path"].as_str().unwrap();
    fs::remove_file(Path::new(path.trim_start_matches("file:")).join(name)).unwrap();

    let started = shell.ledger().len();
    for command in [format!("restore many-keys {path}"), "restore many-keys".to_owned()] {
        let output = shell.one_shot(&command).expect(1, "");
        assert!(output.stderr.contains(name), "{output}");
    }
    assert_eq!(shell.ledger().len(), started);
    let _ = shell.one_shot(&format!("inspect {path}")).expect_code(1);
    let listed = shell.one_shot("savepoints --all --json").expect_code(0);
    let line = listed.stdout.lines().find(|line| line.contains(path));
    assert!(
        line.is_some_and(|line| line.contains("\"verdict\":\"missing\"")),
        "{listed}"
    );
}
