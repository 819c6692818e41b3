//! `!checkpoint`.

use super::has_metadata;
use crate::cluster::Cluster;
use crate::job::Job;
use crate::shell::{Shell, object};
use crate::suite::cases;
use crate::witness::wait_for;

cases! {
    jobs 1: of_each_kind,
    jobs 1: that_stays,
}

fn of_each_kind(cluster: &Cluster) {
    let (shell, witness) = (Shell::rest(cluster), cluster.witness());
    let job = Job::start(cluster, "checkpoint kinds");
    for flag in ["", "--full"] {
        let output = shell
            .one_shot(&format!("checkpoint {job} {flag} --json"))
            .expect_code(0);
        let taken = object(&output.stdout);
        let (id, path) = (&taken["checkpoint_id"], taken["path"].as_str().unwrap());
        assert!(path.ends_with(&format!("/{job}/chk-{id}")), "{output}");
        assert_eq!(taken["kind"], "checkpoint");
        wait_for("the statistics to know it", || {
            let now = witness.checkpoints(&job);
            let history = now["history"].as_array().unwrap();
            let known = history
                .iter()
                .any(|known| known["id"] == *id && known["status"] == "COMPLETED");
            if known { Ok(()) } else { Err(now) }
        });
    }
    assert_eq!(witness.state(&job), "RUNNING");
}

fn that_stays(cluster: &Cluster) {
    let shell = Shell::rest(cluster);
    let job = Job::start(cluster, "checkpoint kept");
    let output = shell
        .one_shot(&format!("checkpoint {job} --keep --json"))
        .expect_code(0);
    let taken = object(&output.stdout);
    let path = taken["path"].as_str().unwrap();
    assert_eq!(taken["kind"], "savepoint");
    assert!(has_metadata(path), "{output}");
    cluster.witness().wait_savepoint(&job, path);
    // Not for ever either, if somebody says so.
    shell
        .one_shot(&format!("drop-savepoint {path}"))
        .expect(1, "")
        .expect_stderr("--yes");
    assert!(has_metadata(path));
    let _ = shell.one_shot(&format!("drop-savepoint {path} --yes")).expect(0, "");
    assert!(!has_metadata(path));
    let _ = shell.one_shot(&format!("drop-savepoint {path} --yes")).expect(1, "");
}
