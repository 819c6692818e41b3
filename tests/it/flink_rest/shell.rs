//! What the shell's commands make of what a cluster says.

use serde_json::Value;

use super::VERSIONS;
use super::server::Server;
use crate::world::World;

/// The JSON object that a one-shot command gives.
async fn ask(server: &Server, command: &str) -> Value {
    let command = format!("-u {} {command} --json", server.url);
    let asking = tokio::task::spawn_blocking(move || {
        let output = World::new().skep().with(&command).run().expect_code(0);
        serde_json::from_str(&output.stdout).unwrap_or_else(|_| panic!("{output}"))
    });
    asking.await.unwrap()
}

#[tokio::test]
async fn a_job_that_is_named_by_its_whole_id_has_its_name() {
    for version in VERSIONS {
        let server = Server::start(version, "saved").await;
        for command in ["job", "wait --until running"] {
            let job = ask(&server, &format!("{command} {}", server.job())).await;
            assert_eq!(job["name"], "rest-demo", "{job}");
        }
    }
}

#[tokio::test]
async fn a_job_that_only_the_cluster_knows_has_its_cluster() {
    let server = Server::start("2.3.0", "saved").await;
    let job = ask(&server, &format!("job {}", server.job())).await;
    assert_eq!(
        (&job["cluster_id"], &job["origin"]),
        (&server.place().into(), &"cluster".into())
    );
}

#[tokio::test]
async fn a_job_that_has_ended_before_it_is_waited_for_says_how() {
    for version in VERSIONS {
        let server = Server::start(version, "finished").await;
        // By a part of its id it is found in the list, which says less of it.
        let part = &server.job().to_string()[..8];
        let job = ask(&server, &format!("wait {part}")).await;
        assert_eq!(job["ended_by"], "stopped", "{job}");
        let savepoint = job["savepoint"].as_str().unwrap_or_default();
        assert!(savepoint.starts_with("file:/srv/flink/savepoints/savepoint-"), "{job}");
    }
}
