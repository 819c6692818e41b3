//! A server, or something in its place, that misbehaves.

use std::time::Duration;

use skep::flink::{FlinkRest, Limits};
use skep_engine::{CheckpointRequest, Engine, ErrorKind, StopRequest, Target};

use super::server::{Fault, Server};
use super::{connect, connect_with, jobs, limits, savepoint_request};
use crate::world::http::Nobody;

/// As a JobManager says it of a request that it does not know.
const UNKNOWN: &str =
    r#"{"errors": ["org.apache.flink.runtime.rest.handler.RestHandlerException: There is no savepoint operation"]}"#;

/// A limit that is waited for, and in which everything else is answered, however busy the machine is.
const IMPATIENT: Duration = Duration::from_secs(3);

#[tokio::test]
async fn a_server_that_is_not_there_can_not_be_reached() {
    let nobody = Nobody::new();
    let address = nobody.address();
    for scheme in ["flink-rest", "flink-rest+https"] {
        let target = Target::new(format!("{scheme}://{address}"), "/nonexistent");
        let error = FlinkRest::new().connect(&target).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Connect);
        assert!(
            error.message.starts_with(&format!("{address} can't be reached: ")),
            "{error}"
        );
        assert_eq!(error.hints.len(), 1);
    }
}

#[tokio::test]
async fn tls_to_a_server_that_speaks_none_is_a_failure_to_connect() {
    let server = Server::start("2.3.0", "running").await;
    let target = Target::new(server.url.replace("flink-rest", "flink-rest+https"), "/nonexistent");
    let error = FlinkRest::with_limits(limits()).connect(&target).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Connect, "{error}");
}

#[tokio::test]
async fn something_else_than_a_jobmanager_is_not_connected_to() {
    for fault in [
        Fault::Status(404, r#"{"errors": ["File not found."]}"#),
        Fault::Status(404, "<html>nothing</html>"),
        Fault::Status(301, ""),
        Fault::Status(401, ""),
        Fault::Status(502, "bad gateway"),
        Fault::Body(b"<html>hello</html>".to_vec()),
        Fault::Body(b"{\"productName\": \"Apache Flink\", \"version\": \"2.3.0\"}".to_vec()),
        Fault::Body(b"".to_vec()),
        Fault::Body(b"\x1b[2J\xff\xfe{{{".to_vec()),
        Fault::NotHttp,
        Fault::Huge,
        Fault::Endless,
    ] {
        let server = Server::start("2.3.0", "running").await;
        // A question whose answer is lost is asked twice.
        server.fault("GET /v1/config", fault.clone());
        server.fault("GET /v1/config", fault.clone());
        let error = connect(&server).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Connect, "{fault:?}: {error}");
        assert!(!error.message.chars().any(char::is_control), "{:?}", error.message);
        assert!(
            !error.hints.is_empty() || matches!(fault, Fault::Huge | Fault::Endless),
            "{error}"
        );
    }
}

#[tokio::test]
async fn an_answer_may_hold_anything_and_makes_an_error() {
    for body in [
        r#"{"jobs": null}"#,
        r#"{"jobs": [{"jid": "../../etc", "name": "x", "state": "RUNNING", "start-time": 1, "end-time": -1, "tasks": {}}]}"#,
        r#"{"jobs": [{"jid": "ffffffffffffffffffffffffffffffff", "name": "x", "state": "\u001b[31mDANCING",
            "start-time": 1, "end-time": -1, "tasks": {}}]}"#,
        r#"{"jobs": [{"jid": "ffffffffffffffffffffffffffffffff", "name": "x", "state": "RUNNING",
            "start-time": 1e300, "end-time": -1, "tasks": {"total": -5}}]}"#,
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    ] {
        let server = Server::start("2.3.0", "running").await;
        let jobs = jobs(&server).await;
        server.fault("GET /v1/jobs/overview", Fault::Body(body.as_bytes().to_vec()));
        let error = jobs.list().await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Protocol, "{body}");
        assert!(!error.message.chars().any(char::is_control), "{:?}", error.message);
        // The next answer is as good as ever.
        jobs.list().await.unwrap();
    }
}

#[tokio::test]
async fn a_time_beyond_the_calendar_is_no_time() {
    let server = Server::start("2.3.0", "running").await;
    let jobs = jobs(&server).await;
    let body = br#"{"jobs": [{"jid": "ffffffffffffffffffffffffffffffff", "name": "x", "state": "RUNNING",
        "start-time": 9223372036854775807, "end-time": -9223372036854775808, "tasks": {"total": 4294967295,
        "running": 4294967295, "finished": 4294967295}}]}"#;
    server.fault("GET /v1/jobs/overview", Fault::Body(body.to_vec()));
    let list = jobs.list().await.unwrap();
    assert_eq!((list[0].status.started, list[0].status.ended), (None, None));
}

#[tokio::test]
async fn a_question_is_asked_again_when_its_answer_is_lost() {
    let server = Server::start("2.3.0", "running").await;
    let jobs = jobs(&server).await;
    server.fault("GET /v1/jobs/overview", Fault::Cut);
    jobs.list().await.unwrap();
    server.fault("GET /v1/jobs/overview", Fault::Cut);
    server.fault("GET /v1/jobs/overview", Fault::Cut);
    assert_eq!(jobs.list().await.unwrap_err().kind, ErrorKind::Lost);
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let server = Server::start("2.3.0", "running").await;
    let short = Limits {
        request: IMPATIENT,
        ..limits()
    };
    let jobs = connect_with(&server, short).await.unwrap().jobs.unwrap();
    server.fault("GET /v1/jobs/overview", Fault::Silence);
    let error = jobs.list().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout);
    assert!(
        error
            .message
            .ends_with("did not answer GET /v1/jobs/overview within 3s"),
        "{error}"
    );
    assert_eq!(server.requests("GET /v1/jobs/overview").len(), 1);
}

#[tokio::test]
async fn a_small_answer_that_unpacks_to_a_long_one_is_refused() {
    let server = Server::start("2.3.0", "running").await;
    let jobs = jobs(&server).await;
    let packed = include_bytes!("../../data/flink/two-mebibytes-of-spaces.gz").to_vec();
    server.fault("GET /v1/jobs/overview", Fault::Gzip(packed));
    let error = jobs.list().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Protocol);
    assert!(error.message.ends_with("is longer than 1048576 bytes"), "{error}");
}

#[tokio::test]
async fn a_savepoint_whose_acceptance_is_not_heard_of_may_have_been_taken() {
    let server = Server::start("2.3.0", "running").await;
    let short = Limits {
        request: IMPATIENT,
        ..limits()
    };
    let (jobs, job) = (connect_with(&server, short).await.unwrap().jobs.unwrap(), server.job());
    let progress = format!("GET /v1/jobs/{job}/savepoints/");
    server.fault(&progress, Fault::Status(404, UNKNOWN));
    server.fault("POST ", Fault::Silence);
    server.fault(&progress, Fault::Silence);
    let error = jobs.savepoint(&job, savepoint_request(3)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Lost);
    let unknown = format!(
        "what came of a savepoint of job {} is not known, and the job runs on",
        job.short()
    );
    assert!(error.message.ends_with(&unknown), "{error}");
    // The same request once more tells.
    jobs.savepoint(&job, savepoint_request(3)).await.unwrap();
    assert_eq!(server.requests("POST ").len(), 1);
}

#[tokio::test]
async fn a_savepoint_whose_acceptance_is_not_heard_of_is_found_by_its_id() {
    let server = Server::start("2.3.0", "running").await;
    let short = Limits {
        request: IMPATIENT,
        ..limits()
    };
    let (jobs, job) = (connect_with(&server, short).await.unwrap().jobs.unwrap(), server.job());
    server.fault("POST ", Fault::Silence);
    jobs.savepoint(&job, savepoint_request(3)).await.unwrap();
    assert_eq!(server.requests("POST ").len(), 1);
}

#[tokio::test]
async fn what_was_asked_for_before_is_never_asked_for_again() {
    let server = Server::start("2.3.0", "running").await;
    let (jobs, job) = (jobs(&server).await, server.job());
    let error = jobs.await_savepoint(&job, savepoint_request(3)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(error.message.ends_with("nothing was asked for again"), "{error}");
    assert_eq!(server.requests("POST ").len(), 0);
    jobs.savepoint(&job, savepoint_request(3)).await.unwrap();
    jobs.await_savepoint(&job, savepoint_request(3)).await.unwrap();
    assert_eq!(server.requests("POST ").len(), 1);
}

#[tokio::test]
async fn a_lost_reply_to_a_savepoint_or_stop_makes_one_savepoint() {
    for verb in ["savepoints", "stop"] {
        let server = Server::start("2.3.0", "running").await;
        let (jobs, job) = (jobs(&server).await, server.job());
        server.fault("POST ", Fault::Cut);
        let made = if verb == "stop" {
            let savepoint = savepoint_request(3);
            jobs.stop(
                &job,
                StopRequest {
                    savepoint,
                    drain: false,
                },
            )
            .await
        } else {
            jobs.savepoint(&job, savepoint_request(3)).await
        };
        assert!(made.unwrap().path.contains("/savepoint-"));
        // Sent twice, with the same id.
        let sent = server.requests(&format!("POST /v1/jobs/{job}/{verb}"));
        assert_eq!(sent.len(), 2);
        assert_eq!(sent[0], sent[1]);
    }
}

#[tokio::test]
async fn a_lost_reply_to_a_cancel_is_asked_for_again() {
    let server = Server::start("2.3.0", "canceled").await;
    let (jobs, job) = (jobs(&server).await, server.job());
    server.fault("PATCH ", Fault::Cut);
    jobs.cancel(&job).await.unwrap();
    assert_eq!(server.requests("PATCH ").len(), 2);
}

#[tokio::test]
async fn a_lost_reply_to_a_checkpoint_is_not_asked_for_again() {
    let server = Server::start("2.3.0", "running").await;
    let (jobs, job) = (jobs(&server).await, server.job());
    server.fault("POST ", Fault::Cut);
    let error = jobs.checkpoint(&job, CheckpointRequest::Full).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Lost);
    assert_eq!(server.requests("POST ").len(), 1);
}

#[tokio::test]
async fn a_server_that_is_away_for_a_moment_does_not_lose_a_savepoint() {
    let server = Server::start("2.3.0", "running").await;
    server.in_progress(5);
    let (jobs, job) = (jobs(&server).await, server.job());
    // Both tries of two questions, after the one that finds the request to be new.
    let waiting = tokio::spawn(async move { jobs.savepoint(&job, savepoint_request(4)).await });
    server.asked("POST ").await;
    for _ in 0..4 {
        server.fault(&format!("GET /v1/jobs/{job}/savepoints/"), Fault::Cut);
    }
    assert!(waiting.await.unwrap().unwrap().path.contains("/savepoint-"));
}

#[tokio::test]
async fn a_server_that_stays_away_leaves_it_unknown_whether_it_was_saved() {
    let server = Server::start("2.3.0", "running").await;
    let short = Limits {
        outage: Duration::from_millis(400),
        ..limits()
    };
    let (jobs, job) = (connect_with(&server, short).await.unwrap().jobs.unwrap(), server.job());
    server.in_progress(usize::MAX);
    let waiting = tokio::spawn(async move { jobs.savepoint(&job, savepoint_request(4)).await });
    server.asked("POST ").await;
    for _ in 0..200 {
        server.fault(&format!("GET /v1/jobs/{job}/savepoints/"), Fault::Cut);
    }
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Lost);
    let unknown = format!(
        "what came of a savepoint of job {} is not known, and the job runs on",
        job.short()
    );
    assert!(error.message.ends_with(&unknown), "{error}");
}

#[tokio::test]
async fn a_request_that_the_server_has_forgotten_is_looked_for_in_the_statistics() {
    let server = Server::start("2.3.0", "running").await;
    server.in_progress(usize::MAX);
    let config = br#"{"refresh-interval": 100, "flink-version": "2.3.0"}"#;
    server.fault("GET /v1/config", Fault::Body(config.to_vec()));
    let short = Limits {
        outage: Duration::from_millis(400),
        ..limits()
    };
    let (jobs, job) = (connect_with(&server, short).await.unwrap().jobs.unwrap(), server.job());
    let waiting = tokio::spawn(async move { jobs.savepoint(&job, savepoint_request(4)).await });
    server.asked("POST ").await;
    server.fault(&format!("GET /v1/jobs/{job}/savepoints/"), Fault::Status(404, UNKNOWN));
    // Those that they name are older.
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Failed, "{error}");
    assert!(error.message.contains("has forgotten the request"), "{error}");
    assert!(error.message.ends_with("and the job runs on"), "{error}");
}

#[tokio::test]
async fn a_savepoint_that_takes_too_long_is_no_longer_waited_for() {
    let server = Server::start("2.3.0", "running").await;
    server.in_progress(usize::MAX);
    let short = Limits {
        operation: Duration::from_millis(100),
        ..limits()
    };
    let jobs = connect_with(&server, short).await.unwrap().jobs.unwrap();
    let error = jobs.savepoint(&server.job(), savepoint_request(4)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout);
    assert!(
        error
            .message
            .contains("is not complete after 100ms; it may still come to be"),
        "{error}"
    );
}

#[tokio::test]
async fn a_caller_who_goes_away_does_not_stop_the_request() {
    let server = Server::start("2.3.0", "running").await;
    let (jobs, job) = (jobs(&server).await, server.job());
    let waiting = tokio::spawn({
        let jobs = jobs.clone();
        async move { jobs.savepoint(&job, savepoint_request(5)).await }
    });
    // The first question is on its way, the request itself is not.
    server.asked(&format!("GET /v1/jobs/{job}/savepoints/")).await;
    waiting.abort();
    server.asked("POST ").await;
    // Whoever asks again with the same id gets that one.
    jobs.savepoint(&job, savepoint_request(5)).await.unwrap();
}

#[tokio::test]
async fn a_server_error_in_the_middle_of_a_stop_keeps_its_trace() {
    let server = Server::start("2.3.0", "running").await;
    let (jobs, job) = (jobs(&server).await, server.job());
    let broken = r#"{"errors": ["Internal server error.", "<Exception on server side:\njava.util.concurrent.CompletionException: x\n\tat a.b.C.d(C.java:1)\nCaused by: java.lang.IllegalStateException: broken inside\n\tat a.b.C.d(C.java:2)\n\nEnd of exception on server side>"]}"#;
    let progress = format!("GET /v1/jobs/{job}/savepoints/");
    server.fault(&progress, Fault::Status(404, UNKNOWN));
    server.fault("POST ", Fault::Status(500, broken));
    server.fault(&progress, Fault::Status(404, UNKNOWN));
    let stop = StopRequest {
        savepoint: savepoint_request(6),
        drain: false,
    };
    let error = jobs.stop(&job, stop).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Failed);
    assert!(
        error.message.starts_with("IllegalStateException: broken inside"),
        "{error}"
    );
    assert!(error.trace.unwrap().contains("at a.b.C.d(C.java:2)"));
}
