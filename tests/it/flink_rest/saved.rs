//! Savepoints and checkpoints as the cluster knows them.

use std::fs;
use std::path::{Path, PathBuf};

use skep_engine::{ErrorKind, SavepointKind, Verdict};

use super::server::{Fault, Server};
use super::{VERSIONS, stores};

#[tokio::test]
async fn what_outlives_a_job_is_told_apart_from_what_does_not() {
    for version in VERSIONS {
        for (moment, kept) in [
            ("saved", true),
            ("canceled", true),
            ("failed", true),
            ("finished", false),
        ] {
            let server = Server::start(version, moment).await;
            let found = stores(&server).await.find(Some(&server.job()), &[]).await.unwrap();
            assert!(found.is_sorted_by_key(|saved| std::cmp::Reverse(saved.taken)));
            let has = |kind, verdict| found.iter().any(|saved| saved.kind == kind && saved.verdict == verdict);
            // A job that runs needs its checkpoints itself.
            let of_checkpoints = if moment == "saved" {
                Verdict::InUse
            } else {
                Verdict::Usable
            };
            if !found.is_empty() {
                assert_eq!(
                    has(SavepointKind::Checkpoint, of_checkpoints),
                    kept,
                    "{version} {moment}"
                );
            }
            assert_eq!(
                has(SavepointKind::Savepoint, Verdict::Usable),
                matches!(moment, "saved" | "finished"),
                "{version} {moment}"
            );
            for gone in found.iter().filter(|saved| saved.verdict == Verdict::Gone) {
                assert_eq!(gone.reasons.len(), 1);
            }
        }
    }
}

#[tokio::test]
async fn the_saved_states_of_all_jobs_are_found_together() {
    for version in VERSIONS {
        let server = Server::start(version, "saved").await;
        let stores = stores(&server).await;
        let all = stores.find(None, &[]).await.unwrap();
        let of_job = stores.find(Some(&server.job()), &[]).await.unwrap();
        // The recordings have the statistics of this one job; the others answer that they have none.
        assert_eq!(all, of_job);
        assert!(server.requests("GET /v1/jobs/").len() > 3);
    }
}

#[tokio::test]
async fn a_savepoint_is_found_by_any_spelling_of_its_path() {
    for version in VERSIONS {
        let server = Server::start(version, "saved").await;
        let stores = stores(&server).await;
        let found = stores.find(None, &[]).await.unwrap();
        let saved = found
            .iter()
            .find(|saved| saved.kind == SavepointKind::Savepoint)
            .unwrap();
        let plain = saved.path.strip_prefix("file:").unwrap();
        for path in [
            saved.path.clone(),
            plain.to_owned(),
            format!("file://{plain}/_metadata"),
        ] {
            assert_eq!(stores.inspect(&path).await.unwrap(), *saved);
        }
        let error = stores.inspect("s3://bucket/\u{1b}[2Jnowhere").await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotFound);
        assert!(!error.message.contains('\u{1b}'), "{:?}", error.message);
    }
}

#[tokio::test]
async fn a_savepoint_on_this_machine_is_seen_though_the_cluster_has_forgotten_it() {
    let server = Server::start("2.3.0", "saved").await;
    let stores = stores(&server).await;
    let dir = tempfile::tempdir().unwrap();
    for (name, kind) in [
        ("savepoint-x", SavepointKind::Savepoint),
        ("chk-7", SavepointKind::Checkpoint),
    ] {
        let saved = dir.path().join(name);
        let path = format!("file://{}", saved.display());
        assert_eq!(stores.inspect(&path).await.unwrap_err().kind, ErrorKind::NotFound);
        let like = match kind {
            SavepointKind::Savepoint => "2.3.0-heap-savepoint-canonical",
            SavepointKind::Checkpoint => "2.3.0-heap-files",
        };
        copy_sample(like, &saved);
        let found = stores.inspect(&path).await.unwrap();
        assert_eq!((found.kind, found.verdict, found.job_id), (kind, Verdict::Usable, None));
        assert_eq!(found.sources, ["directory"]);
    }
}

/// Makes a state that a real cluster wrote, with all its files, at that path.
fn copy_sample(name: &str, to: &Path) {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/metadata/tests/samples");
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(samples.join(name)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// A file of a state beside its `_metadata`.
fn state_file(dir: &Path) -> PathBuf {
    let mut paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths.find(|path| !path.ends_with("_metadata")).unwrap()
}

/// Statistics with one savepoint at that path.
fn statistics(path: &str, restored: &str) -> Vec<u8> {
    format!(
        r#"{{"counts": {{"total": 1, "in_progress": 0, "completed": 0, "failed": 0}},
        "latest": {{"completed": null, "savepoint": null, "failed": null, "restored": {restored}}},
        "history": [{{"id": 3, "status": "COMPLETED", "is_savepoint": true, "checkpoint_type": "SAVEPOINT",
        "latest_ack_timestamp": 1795223757246, "state_size": 1, "end_to_end_duration": 1, "external_path": "{path}",
        "discarded": false}}]}}"#
    )
    .into_bytes()
}

#[tokio::test]
async fn a_savepoint_that_this_machine_should_have_and_has_not_is_missing() {
    let server = Server::start("2.3.0", "saved").await;
    let stores = stores(&server).await;
    let dir = tempfile::tempdir().unwrap();
    let saved = dir.path().join("savepoint-x");
    let path = format!("file:{}", saved.display());
    let statistics = statistics(&path, "null");
    let checkpoints = format!("GET /v1/jobs/{}/checkpoints", server.job());
    server.fault(&checkpoints, Fault::Body(statistics.clone()));
    let found = stores.find(Some(&server.job()), &[]).await.unwrap();
    assert_eq!((found[0].verdict, found[0].reasons.len()), (Verdict::Missing, 1));
    copy_sample("2.3.0-heap-savepoint-native", &saved);
    server.fault(&checkpoints, Fault::Body(statistics.clone()));
    let found = stores.find(Some(&server.job()), &[]).await.unwrap();
    assert_eq!((found[0].verdict, found[0].reasons.len()), (Verdict::Usable, 0));
    assert_eq!(found[0].format_version, Some(6));
    // The cluster knows nothing of the files.
    let file = state_file(&saved);
    fs::remove_file(&file).unwrap();
    server.fault(&checkpoints, Fault::Body(statistics));
    let found = stores.find(Some(&server.job()), &[]).await.unwrap();
    assert_eq!(found[0].verdict, Verdict::Missing);
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(found[0].reasons[0].contains(name), "{found:?}");
    assert_eq!(found[0].sources, ["cluster", "directory"]);
}

#[tokio::test]
async fn a_state_that_a_running_job_has_claimed_is_not_usable() {
    let restored = r#"{"is_savepoint": false, "external_path": "s3://bucket/savepoint-9"}"#;
    let server = Server::start("2.3.0", "saved").await;
    let stores = stores(&server).await;
    let checkpoints = format!("GET /v1/jobs/{}/checkpoints", server.job());
    // Asked twice: what there is, and what is claimed.
    for _ in 0..2 {
        server.fault(
            &checkpoints,
            Fault::Body(statistics("s3://bucket/savepoint-9/", restored)),
        );
    }
    let found = stores.find(Some(&server.job()), &[]).await.unwrap();
    assert_eq!((found.len(), found[0].verdict), (1, Verdict::Claimed));
    assert!(found[0].reasons[0].contains(&server.job().short()), "{found:?}");
}

#[tokio::test]
async fn the_cluster_deletes_a_savepoint() {
    for version in VERSIONS {
        let server = Server::start(version, "saved").await;
        let stores = stores(&server).await;
        stores.delete("s3://bucket/savepoint-1").await.unwrap();
        let sent = server.requests("POST ");
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].1["savepoint-path"], "s3://bucket/savepoint-1");
        server.outcome("disposal", "disposal-missing-completed");
        let error = stores.delete("file:///no/such").await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotFound);
        assert!(
            error
                .message
                .starts_with("FileNotFoundException: Cannot find checkpoint or savepoint"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_checkpoint_is_not_the_persons_to_delete() {
    for version in VERSIONS {
        let server = Server::start(version, "saved").await;
        let stores = stores(&server).await;
        let found = stores.find(None, &[]).await.unwrap();
        let known = found
            .iter()
            .find(|saved| saved.kind == SavepointKind::Checkpoint)
            .unwrap();
        for path in [known.path.as_str(), "s3://bucket/0123/chk-4/"] {
            assert_eq!(stores.delete(path).await.unwrap_err().kind, ErrorKind::Refused);
        }
        assert!(server.requests("POST ").is_empty());
    }
}

#[tokio::test]
async fn a_savepoint_that_a_running_job_lives_on_is_not_deleted() {
    for restored in [
        r#"{"is_savepoint": true, "external_path": "s3://bucket/savepoint-1"}"#,
        r#"{"is_savepoint": false, "external_path": "s3://bucket/savepoint-1"}"#,
    ] {
        let server = Server::start("2.3.0", "saved").await;
        let stores = stores(&server).await;
        // Asked twice: what kind it is, and who uses it.
        for _ in 0..2 {
            let statistics = statistics("s3://bucket/savepoint-9", restored);
            server.fault(
                &format!("GET /v1/jobs/{}/checkpoints", server.job()),
                Fault::Body(statistics),
            );
        }
        let error = stores.delete("s3://bucket/savepoint-1").await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused);
        assert!(error.message.contains(&server.job().to_string()), "{error}");
        assert!(server.requests("POST ").is_empty());
    }
}

#[tokio::test]
async fn a_job_that_is_being_set_up_has_nothing_saved_yet() {
    let server = Server::start("2.3.0", "saved").await;
    let stores = stores(&server).await;
    let early = r#"{"errors": ["Internal server error.", "<Exception on server side:\norg.apache.flink.runtime.dispatcher.UnavailableDispatcherOperationException: Unable to get JobMasterGateway for initializing job. The requested operation is not available while the JobManager is initializing.\n\tat a.b.C.d(C.java:1)\n\nEnd of exception on server side>"]}"#;
    let checkpoints = format!("GET /v1/jobs/{}/checkpoints", server.job());
    server.fault(&checkpoints, Fault::Status(500, early));
    assert_eq!(stores.find(Some(&server.job()), &[]).await.unwrap(), []);
    // It does not stand in the way of what is asked of all.
    server.fault(&checkpoints, Fault::Status(500, early));
    stores.delete("s3://bucket/savepoint-1").await.unwrap();
}
