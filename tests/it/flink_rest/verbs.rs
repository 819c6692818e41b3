//! Every verb, on each version.

use std::time::Duration;

use serde_json::json;
use skep::flink::{FlinkRest, Limits};
use skep_engine::{
    CheckpointRequest, EndedBy, Engine, ErrorKind, Format, JobId, JobState, SavepointKind, SavepointRequest, Secret,
    StopRequest, Target, Verdict,
};

use super::server::{Fault, Server};
use super::{VERSIONS, connect, connect_with, jobs, limits, savepoint_request, stores, trigger};

const UNKNOWN: JobId = JobId::from_bytes([0xff; 16]);

#[tokio::test]
async fn a_connection_takes_job_verbs_and_no_sql() {
    for version in VERSIONS {
        let server = Server::start(version, "running").await;
        let connection = connect(&server).await.unwrap();
        assert!(connection.sql.is_none());
        assert_eq!(connection.url, server.url);
        assert_eq!(connection.label, server.url.replace("://", " "));
        let beginning = format!("Apache Flink {version}, ");
        assert!(connection.greeting.starts_with(&beginning), "{}", connection.greeting);
        let can = connection.capabilities;
        assert!(can.savepoint && can.stop && can.cancel && can.checkpoint && can.drain && can.native_format);
        assert!(!can.restore && !can.chosen_job_id && !can.jobs_end_with_shell);
    }
}

#[tokio::test]
async fn user_and_password_are_sent_and_not_shown() {
    let server = Server::start("2.3.0", "running").await;
    assert!(connect(&server).await.is_ok() && server.header("authorization").is_none());
    let mut target = Target::new(server.url.clone(), "/nonexistent");
    target.user = Some("me".to_owned());
    target.password = Some(Secret::new("geheim".to_owned()));
    let connection = FlinkRest::new().connect(&target).await.unwrap();
    assert_eq!(server.header("authorization").as_deref(), Some("Basic bWU6Z2VoZWlt"));
    assert_eq!(connection.url, server.url);
}

#[tokio::test]
async fn another_rest_address_is_refused() {
    let mut target = Target::new("flink-rest://127.0.0.1:1", "/nonexistent");
    target.rest = Some("http://127.0.0.1:2".to_owned());
    let error = FlinkRest::new().connect(&target).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Rejected);
}

#[tokio::test]
async fn the_list_has_every_job_the_newest_first() {
    for version in VERSIONS {
        let server = Server::start(version, "restarting").await;
        let list = jobs(&server).await.list().await.unwrap();
        assert_eq!(list[0].job_id, server.job());
        assert_eq!(list[0].name, "failing");
        assert_eq!(list[0].status.state, JobState::Restarting);
        assert_eq!(list[0].status.tasks, Some((0, 2)));
        assert!(list.is_sorted_by_key(|job| std::cmp::Reverse(job.status.started)));
        let canceled = list.iter().find(|job| job.name == "to-cancel").unwrap();
        assert_eq!(canceled.status.ended_by, Some(EndedBy::Cancelled));
        assert!(canceled.status.ended > canceled.status.started);
    }
}

#[tokio::test]
async fn a_job_tells_its_cluster_from_others() {
    for version in VERSIONS {
        let server = Server::start(version, "saved").await;
        let ids = async || {
            let jobs = jobs(&server).await;
            let (list, detail) = (jobs.list().await.unwrap(), jobs.detail(&server.job()).await.unwrap());
            [list[0].cluster_id.clone(), detail.summary.cluster_id].map(Option::unwrap)
        };
        assert_eq!(ids().await, [server.place(); 2]);
        let named = br#"[{"key": "rest.port", "value": "8081"}, {"key": "kubernetes.cluster-id", "value": "bees"}]"#;
        server.fault("GET /v1/jobmanager/config", Fault::Body(named.to_vec()));
        assert_eq!(ids().await, ["bees"; 2]);
    }
}

#[tokio::test]
async fn a_status_says_more_than_the_state() {
    for version in VERSIONS {
        let server = Server::start(version, "saved").await;
        let status = jobs(&server).await.status(&server.job()).await.unwrap();
        assert_eq!(status.state, JobState::Running);
        assert!(status.all_tasks_run());
        assert_eq!(status.tasks, Some((2, 2)));
        assert_eq!((status.ended, status.ended_by), (None, None));
        let (number, at) = status.last_checkpoint.unwrap();
        assert!(number > 5 && Some(at) > status.started);
        assert!(status.savepoint.unwrap().starts_with("file:/srv/flink/savepoints/"));
        // One job was asked about, not all: the tasks ran, so that nothing was in doubt.
        assert!(server.requests("GET /v1/jobs/overview").is_empty());
    }
}

#[tokio::test]
async fn how_a_job_ended_is_told_apart() {
    for version in VERSIONS {
        for (moment, state, ended_by) in [
            ("finished", JobState::Finished, Some(EndedBy::Stopped)),
            ("drained", JobState::Finished, Some(EndedBy::Drained)),
            ("batch", JobState::Finished, Some(EndedBy::Completed)),
            ("canceled", JobState::Canceled, Some(EndedBy::Cancelled)),
            ("failed", JobState::Failed, Some(EndedBy::Failed)),
            // The statistics are older than the end: nothing is claimed.
            ("just-finished", JobState::Finished, None),
        ] {
            let server = Server::start(version, moment).await;
            let status = jobs(&server).await.status(&server.job()).await.unwrap();
            assert_eq!((status.state, status.ended_by), (state, ended_by), "{version} {moment}");
            assert!(status.ended.is_some(), "{version} {moment}");
        }
    }
}

#[tokio::test]
async fn a_failing_job_says_why() {
    for version in VERSIONS {
        for moment in ["restarting", "failed"] {
            let server = Server::start(version, moment).await;
            let jobs = jobs(&server).await;
            let status = jobs.status(&server.job()).await.unwrap();
            assert_eq!(
                status.error.as_deref(),
                Some("ArithmeticException: / by zero"),
                "{version} {moment}"
            );
            let detail = jobs.detail(&server.job()).await.unwrap();
            assert!(
                detail.exceptions[0].contains(": ArithmeticException: / by zero"),
                "{:?}",
                detail.exceptions
            );
            // A failure of the job as a whole names no task.
            assert_eq!(detail.exceptions[0].contains("(in Source: gen"), moment == "restarting");
        }
    }
}

#[tokio::test]
async fn a_detail_has_vertices_checkpoints_and_facts() {
    for version in VERSIONS {
        let server = Server::start(version, "saved").await;
        let detail = jobs(&server).await.detail(&server.job()).await.unwrap();
        assert_eq!(detail.summary.name, "rest-demo");
        assert_eq!(detail.vertices.len(), 2);
        assert!(detail.vertices[0].name.starts_with("Source: gen"));
        assert_eq!(
            (detail.vertices[0].state.as_str(), detail.vertices[0].parallelism),
            ("RUNNING", 1)
        );
        // Its metrics had not been collected when this was recorded.
        assert_eq!((detail.vertices[0].rows_in, detail.vertices[0].rows_out), (None, None));
        assert!(detail.exceptions.is_empty());
        assert_eq!(detail.restored_from, None);
        let fact = |name: &str| {
            let found = detail.facts.iter().find(|(fact, _)| fact == name);
            found.map(|(_, value)| value.as_str())
        };
        assert_eq!(fact("type"), Some("STREAMING"));
        assert_eq!(fact("restarts"), Some("0"));
        assert_eq!(fact("checkpointing"), Some("every 2 s, exactly_once"));
        assert_eq!(fact("checkpoints kept"), Some("after a failure or a cancel"));
        assert!(fact("last failed checkpoint").is_some());
        assert!(
            detail
                .checkpoints
                .is_sorted_by_key(|saved| std::cmp::Reverse(saved.checkpoint_id))
        );
        assert!(
            detail
                .checkpoints
                .iter()
                .any(|saved| saved.kind == SavepointKind::Savepoint)
        );
    }
}

#[tokio::test]
async fn a_restored_job_says_from_what() {
    for version in VERSIONS {
        let server = Server::start(version, "drained").await;
        let detail = jobs(&server).await.detail(&server.job()).await.unwrap();
        assert_eq!(
            (detail.vertices[0].rows_out, detail.vertices[1].rows_in),
            (Some(80), Some(80))
        );
        let from = detail.restored_from.unwrap();
        assert!(from.starts_with("file:/srv/flink/savepoints/savepoint-"), "{from}");
    }
}

#[tokio::test]
async fn a_job_without_checkpoints_has_a_status_and_a_detail() {
    for version in VERSIONS {
        let server = Server::start(version, "batch").await;
        let detail = jobs(&server).await.detail(&server.job()).await.unwrap();
        assert!(detail.facts.contains(&("checkpointing".to_owned(), "off".to_owned())));
        assert!(detail.checkpoints.is_empty());
        assert_eq!(stores(&server).await.find(Some(&server.job()), &[]).await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_savepoint_is_waited_for() {
    for version in VERSIONS {
        let server = Server::start(version, "running").await;
        server.in_progress(3);
        let request = SavepointRequest {
            dir: Some("s3://bucket/sp".to_owned()),
            format: Format::Native,
            ..savepoint_request(7)
        };
        let saved = jobs(&server).await.savepoint(&server.job(), request).await.unwrap();
        assert!(
            saved.path.starts_with("file:/srv/flink/savepoints/savepoint-"),
            "{}",
            saved.path
        );
        assert_eq!((saved.kind, saved.verdict), (SavepointKind::Savepoint, Verdict::Usable));
        assert_eq!(saved.job_id, Some(server.job()));
        let sent = server.requests(&format!("POST /v1/jobs/{}/savepoints", server.job()));
        let body = json!({
            "triggerId": trigger(7).to_string(), "cancel-job": false, "formatType": "NATIVE",
            "target-directory": "s3://bucket/sp",
        });
        assert_eq!(sent.iter().map(|(_, body)| body).collect::<Vec<_>>(), [&body]);
        // Once for a request that was made before, three times in progress, once complete.
        let polled = server.requests(&format!("GET /v1/jobs/{}/savepoints/", server.job()));
        assert_eq!(polled.len(), 5);
    }
}

#[tokio::test]
async fn a_savepoint_that_the_statistics_know_has_its_number_and_size() {
    for version in VERSIONS {
        let server = Server::start(version, "saved").await;
        let saved = jobs(&server)
            .await
            .savepoint(&server.job(), savepoint_request(7))
            .await
            .unwrap();
        assert!(
            saved.checkpoint_id.is_some() && saved.size.is_some_and(|size| size > 0),
            "{version}"
        );
    }
}

#[tokio::test]
async fn a_savepoint_whose_number_is_wanted_waits_for_the_statistics() {
    for version in VERSIONS {
        let server = Server::start(version, "running").await;
        let (jobs, job) = (jobs(&server).await, server.job());
        let request = SavepointRequest {
            numbered: true,
            ..savepoint_request(7)
        };
        let saving = tokio::spawn(async move { jobs.savepoint(&job, request).await });
        // They do not name it when they are asked first.
        server.asked(&format!("GET /v1/jobs/{job}/checkpoints")).await;
        server.go_to("saved");
        let saved = saving.await.unwrap().unwrap();
        assert!(
            saved.checkpoint_id.is_some() && saved.size.is_some(),
            "{version} {saved:?}"
        );
    }
}

#[tokio::test]
async fn a_savepoint_waits_until_the_tasks_run() {
    for version in VERSIONS {
        let server = Server::start(version, "early").await;
        jobs(&server)
            .await
            .savepoint(&server.job(), savepoint_request(7))
            .await
            .unwrap();
        assert_eq!(server.requests("GET /v1/jobs/overview").len(), 2);
    }
}

#[tokio::test]
async fn a_job_whose_tasks_never_run_is_not_saved_and_says_why() {
    for version in VERSIONS {
        let server = Server::start(version, "restarting").await;
        let short = Limits {
            tasks: Duration::from_millis(200),
            ..limits()
        };
        let jobs = connect_with(&server, short).await.unwrap().jobs.unwrap();
        let error = jobs.savepoint(&server.job(), savepoint_request(7)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused);
        assert!(error.message.starts_with("ArithmeticException: / by zero; "), "{error}");
        assert!(error.message.contains("is RESTARTING (Source: gen"), "{error}");
        assert!(error.trace.is_some_and(|trace| trace.contains("\tat ")));
        assert!(server.requests("POST ").is_empty());
    }
}

#[tokio::test]
async fn a_job_that_has_ended_is_not_saved_stopped_or_checkpointed() {
    for version in VERSIONS {
        let server = Server::start(version, "finished").await;
        let (jobs, job) = (jobs(&server).await, server.job());
        let stop = StopRequest {
            savepoint: savepoint_request(8),
            drain: false,
        };
        for error in [
            jobs.savepoint(&job, savepoint_request(7)).await.unwrap_err(),
            jobs.stop(&job, stop).await.unwrap_err(),
            jobs.checkpoint(&job, CheckpointRequest::Full).await.unwrap_err(),
        ] {
            assert_eq!(error.kind, ErrorKind::Refused);
            assert!(error.message.contains("is FINISHED"), "{error}");
        }
        assert!(server.requests("POST ").is_empty());
    }
}

#[tokio::test]
async fn a_savepoint_that_fails_gives_the_root_cause_first() {
    for version in VERSIONS {
        for (outcome, beginning) in [
            (
                "savepoint-unwritable-completed",
                "IOException: Failed to create savepoint directory at file:/proc/nope; ",
            ),
            (
                "savepoint-nofs-completed",
                "UnsupportedFileSystemSchemeException: Could not find a file system",
            ),
            ("savepoint-early", "CheckpointException: "),
        ] {
            let server = Server::start(version, "running").await;
            server.outcome("savepoints", outcome);
            let error = jobs(&server)
                .await
                .savepoint(&server.job(), savepoint_request(7))
                .await
                .unwrap_err();
            assert_eq!(error.kind, ErrorKind::Failed);
            assert!(error.message.starts_with(beginning), "{version} {outcome}: {error}");
            assert!(error.message.ends_with("and the job runs on"), "{error}");
            assert!(error.trace.is_some_and(|trace| trace.contains("Caused by: ")));
            assert_eq!(
                error.hints.len(),
                usize::from(outcome == "savepoint-early"),
                "{:?}",
                error.hints
            );
        }
    }
}

#[tokio::test]
async fn a_cluster_without_a_default_directory_wants_one() {
    let server = Server::start("2.3.0", "running").await;
    let (jobs, job) = (jobs(&server).await, server.job());
    let wanted = r#"{"errors": ["org.apache.flink.runtime.rest.handler.RestHandlerException: Config key [execution.checkpointing.savepoint-dir] is not set. Property [targetDirectory] must be provided.\n\tat a.b.C.d(C.java:1)"]}"#;
    server.fault("POST ", Fault::Status(400, wanted));
    let error = jobs.savepoint(&job, savepoint_request(7)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Rejected);
    assert!(error.message.contains("savepoint-dir] is not set"), "{error}");
    assert_eq!(error.hints.len(), 1);
    server.fault("POST ", Fault::Status(400, wanted));
    let stop = StopRequest {
        savepoint: savepoint_request(8),
        drain: false,
    };
    assert_eq!(jobs.stop(&job, stop).await.unwrap_err().hints, error.hints);
}

#[tokio::test]
async fn a_stop_ends_the_job_with_a_savepoint() {
    for version in VERSIONS {
        let server = Server::start(version, "running").await;
        let (jobs, job) = (jobs(&server).await, server.job());
        let request = StopRequest {
            savepoint: savepoint_request(9),
            drain: true,
        };
        let saved = jobs.stop(&job, request.clone()).await.unwrap();
        assert!(saved.path.starts_with("file:/srv/flink/savepoints/savepoint-"));
        // The statistics are older than the stop: they name another savepoint, and no end.
        let status = jobs.status(&job).await.unwrap();
        assert_eq!(
            (status.state, status.ended_by, status.savepoint.as_ref()),
            (JobState::Finished, Some(EndedBy::Drained), Some(&saved.path))
        );
        let (_, body) = &server.requests(&format!("POST /v1/jobs/{job}/stop"))[0];
        let expected = json!({
            "triggerId": trigger(9).to_string(), "drain": true, "formatType": "CANONICAL", "targetDirectory": null,
        });
        assert_eq!(*body, expected);
        // The same request once more, its answer lost: the job has ended, and the same savepoint is named.
        assert_eq!(jobs.stop(&job, request).await.unwrap().path, saved.path);
        assert_eq!(server.requests("POST ").len(), 1);
    }
}

#[tokio::test]
async fn a_stop_that_fails_leaves_the_job_running_and_says_so() {
    for version in VERSIONS {
        let server = Server::start(version, "running").await;
        server.outcome("stop", "stop-unwritable-completed");
        let request = StopRequest {
            savepoint: savepoint_request(9),
            drain: false,
        };
        let error = jobs(&server).await.stop(&server.job(), request).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Failed);
        assert!(
            error
                .message
                .starts_with("IOException: Failed to create savepoint directory"),
            "{error}"
        );
        assert!(error.message.ends_with("the job runs on"), "{error}");
        assert!(error.trace.is_some());
    }
}

#[tokio::test]
async fn a_cancel_returns_when_it_is_taken() {
    for version in VERSIONS {
        let server = Server::start(version, "canceled").await;
        server.go_to("cancelling");
        let (jobs, job) = (jobs(&server).await, server.job());
        jobs.cancel(&job).await.unwrap();
        assert_eq!(
            server.requests("PATCH ")[0].0,
            format!("PATCH /v1/jobs/{job}?mode=cancel")
        );
        let status = jobs.status(&job).await.unwrap();
        assert_eq!(status.state, JobState::Cancelling);
        assert!(!status.all_tasks_run());
        let status = jobs.status(&job).await.unwrap();
        assert_eq!(
            (status.state, status.ended_by),
            (JobState::Canceled, Some(EndedBy::Cancelled))
        );
    }
}

#[tokio::test]
async fn a_finished_job_can_not_be_cancelled() {
    for version in VERSIONS {
        let server = Server::start(version, "finished").await;
        let error = jobs(&server).await.cancel(&server.job()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused);
        assert!(
            error
                .message
                .contains("already reached another terminal state (FINISHED)"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_checkpoint_is_named_with_its_path() {
    for version in VERSIONS {
        let server = Server::start(version, "saved").await;
        let (jobs, job) = (jobs(&server).await, server.job());
        for (request, word) in [
            (CheckpointRequest::Full, "FULL"),
            (CheckpointRequest::Configured, "CONFIGURED"),
        ] {
            let taken = jobs.checkpoint(&job, request).await.unwrap();
            assert_eq!(taken.kind, SavepointKind::Checkpoint);
            let number = taken.checkpoint_id.unwrap();
            assert_eq!(taken.path, format!("file:/srv/flink/checkpoints/{job}/chk-{number}"));
            let sent = server.requests("POST ");
            assert_eq!(sent.last().unwrap().1, json!({ "checkpointType": word }));
        }
        let error = jobs.checkpoint(&job, CheckpointRequest::Incremental).await.unwrap_err();
        assert!(
            error
                .message
                .contains("does not support triggering incremental checkpoint"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn no_verb_takes_an_unknown_job() {
    for version in VERSIONS {
        let server = Server::start(version, "running").await;
        let jobs = jobs(&server).await;
        let stop = StopRequest {
            savepoint: savepoint_request(8),
            drain: false,
        };
        for error in [
            jobs.status(&UNKNOWN).await.unwrap_err(),
            jobs.detail(&UNKNOWN).await.unwrap_err(),
            jobs.savepoint(&UNKNOWN, savepoint_request(7)).await.unwrap_err(),
            jobs.stop(&UNKNOWN, stop).await.unwrap_err(),
            jobs.cancel(&UNKNOWN).await.unwrap_err(),
            jobs.checkpoint(&UNKNOWN, CheckpointRequest::Full).await.unwrap_err(),
            stores(&server).await.find(Some(&UNKNOWN), &[]).await.unwrap_err(),
        ] {
            assert_eq!(error.kind, ErrorKind::NotFound);
            assert!(error.message.ends_with(&format!("knows no job {UNKNOWN}")), "{error}");
        }
        assert!(server.requests("POST ").is_empty());
    }
}

#[tokio::test]
async fn a_log_that_the_cluster_does_not_give_is_said_to_be_missing() {
    let server = Server::start("2.3.0", "running").await;
    let lines = jobs(&server).await.log(&server.job()).await.unwrap();
    assert!(
        lines[0].text.starts_with("JobManager: its log can't be had"),
        "{lines:?}"
    );
}

#[tokio::test]
async fn a_watched_job_shows_its_end() {
    let server = Server::start("2.3.0", "running").await;
    let mut watched = jobs(&server).await.watch(server.job());
    let state = |seen: &skep_engine::Watched| seen.status.as_ref().map(|status| status.state);
    watched
        .wait_for(|seen| state(seen) == Some(JobState::Running))
        .await
        .unwrap();
    server.go_to("failed");
    let job = server.job();
    let mut watched = jobs(&server).await.watch(job);
    let seen = watched
        .wait_for(|seen| state(seen) == Some(JobState::Failed))
        .await
        .unwrap();
    assert!(seen.problem.is_none());
}
