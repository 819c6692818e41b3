//! `!cancel`.

use super::{has_metadata, unwritable};
use crate::cluster::Cluster;
use crate::job::Job;
use crate::shell::{Shell, object};
use crate::suite::cases;

cases! {
    jobs 1: is_said_when_it_is_so,
    jobs 1: with_a_savepoint,
    jobs 1: not_without_the_savepoint_that_was_asked_for,
    jobs 1: by_a_prefix_of_its_id_and_by_its_name,
    jobs 2: a_name_that_two_have,
}

fn is_said_when_it_is_so(cluster: &Cluster) {
    let shell = Shell::rest(cluster);
    let job = Job::start(cluster, "to be cancelled");
    let output = shell.one_shot(&format!("cancel {job}")).expect(0, "");
    assert_eq!(cluster.witness().state(&job), "CANCELED");
    output.expect_stderr("CANCELED");
    let shown = object(&shell.one_shot(&format!("job {job} --json")).expect_code(0).stdout);
    assert_eq!(
        (&shown["state"], &shown["ended_by"]),
        (&"CANCELED".into(), &"cancelled".into())
    );
    // Once more changes nothing, and says what is so.
    shell
        .one_shot(&format!("cancel {job}"))
        .expect(0, "")
        .expect_stderr("CANCELED");
}

fn with_a_savepoint(cluster: &Cluster) {
    let job = Job::start(cluster, "cancelled and saved");
    let output = Shell::rest(cluster)
        .one_shot(&format!("cancel --savepoint {job}"))
        .expect_code(0);
    let path = output.stdout.trim_end();
    assert!(has_metadata(path), "{output}");
    assert_eq!(cluster.witness().state(&job), "CANCELED");
    cluster.witness().wait_savepoint(&job, path);
}

fn not_without_the_savepoint_that_was_asked_for(cluster: &Cluster) {
    let job = Job::start(cluster, "not cancelled");
    let dir = unwritable(cluster, "cancel-occupied");
    let command = format!("cancel --savepoint --dir {dir} {job}");
    let output = Shell::rest(cluster).one_shot(&command).expect(1, "");
    output.expect_stderr("FileAlreadyExistsException: ");
    assert!(cluster.witness().runs(&job));
}

fn by_a_prefix_of_its_id_and_by_its_name(cluster: &Cluster) {
    let shell = Shell::rest(cluster);
    let job = Job::start(cluster, "known-by-name");
    let saved = shell.one_shot(&format!("savepoint {}", &job[..16])).expect_code(0);
    assert!(has_metadata(saved.stdout.trim_end()), "{saved}");
    let _ = shell.one_shot("cancel known-by-name").expect(0, "");
    assert_eq!(cluster.witness().state(&job), "CANCELED");
}

fn a_name_that_two_have(cluster: &Cluster) {
    let jobs = [Job::start(cluster, "twin"), Job::start(cluster, "twin")];
    let output = Shell::rest(cluster).one_shot("cancel twin").expect(1, "");
    for job in &jobs {
        assert!(output.stderr.contains(&job[..8]), "{output}");
        assert_eq!(cluster.witness().state(job), "RUNNING");
    }
}
