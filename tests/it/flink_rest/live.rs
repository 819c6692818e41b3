//! A real cluster: `SKEP_FLINK_REST=host:port SKEP_FLINK_GATEWAY=host:port cargo test live -- --ignored`. The cluster
//! has a default savepoint directory, takes checkpoints, and has its files on this machine.

use std::env;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use skep::flink::FlinkRest;
use skep_engine::{
    CheckpointRequest, EndedBy, Engine, ErrorKind, Format, JobControl, JobId, JobState, JobStatus, SavepointKind,
    SavepointRequest, StopRequest, Target, Verdict,
};

/// A session of the SQL gateway.
struct Gateway {
    http: reqwest::Client,
    session: String,
}

impl Gateway {
    async fn open(address: &str) -> Self {
        let http = reqwest::Client::new();
        let sessions = format!("http://{address}/v3/sessions");
        let answer = http.post(&sessions).json(&json!({})).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        let session = format!("{sessions}/{}", answer["sessionHandle"].as_str().unwrap());
        Self { http, session }
    }

    /// Runs a statement and gives the job it started.
    async fn run(&self, statement: &str, name: &str) -> Option<JobId> {
        let body = json!({ "statement": statement, "executionConfig": { "pipeline.name": name } });
        let sent = self
            .http
            .post(format!("{}/statements", self.session))
            .json(&body)
            .send()
            .await;
        let answer: Value = sent.unwrap().json().await.unwrap();
        let handle = answer["operationHandle"].as_str().unwrap();
        let result = format!("{}/operations/{handle}/result/0?rowFormat=JSON", self.session);
        loop {
            let answer: Value = self.http.get(&result).send().await.unwrap().json().await.unwrap();
            match answer["resultType"].as_str() {
                Some("NOT_READY") => tokio::task::yield_now().await,
                Some(_) => return answer["jobID"].as_str().map(|id| id.parse().unwrap()),
                None => panic!("{answer}"),
            }
        }
    }
}

/// A fresh id for a request, so that the test can be run twice against one cluster.
fn fresh() -> JobId {
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_nanos();
    JobId::from_bytes(nanos.to_be_bytes())
}

fn request() -> SavepointRequest {
    SavepointRequest {
        trigger: fresh(),
        dir: None,
        format: Format::Canonical,
        numbered: false,
    }
}

fn metadata(path: &str) -> bool {
    Path::new(path.trim_start_matches("file:")).join("_metadata").is_file()
}

/// Waits until the job's status is as it shall be.
async fn settle(jobs: &dyn JobControl, job: &JobId, is_so: impl Fn(&JobStatus) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let status = jobs.status(job).await.unwrap();
        if is_so(&status) {
            return;
        }
        assert!(Instant::now() < deadline, "{status:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
#[ignore = "needs a cluster: SKEP_FLINK_REST and SKEP_FLINK_GATEWAY"]
async fn a_real_cluster_takes_every_verb() {
    let rest = env::var("SKEP_FLINK_REST").expect("SKEP_FLINK_REST names the JobManager as host:port");
    let gateway = env::var("SKEP_FLINK_GATEWAY").expect("SKEP_FLINK_GATEWAY names the SQL gateway as host:port");
    let target = Target::new(format!("flink-rest://{rest}"), "/nonexistent");
    let connection = FlinkRest::new().connect(&target).await.unwrap();
    let (jobs, stores) = (connection.jobs.unwrap(), connection.stores.unwrap());
    let gateway = Gateway::open(&gateway).await;
    let source = "CREATE TABLE gen (id BIGINT) WITH ('connector'='datagen','rows-per-second'='20',\
                  'fields.id.kind'='sequence','fields.id.start'='1','fields.id.end'='100000')";
    gateway.run(source, "").await;
    gateway
        .run(
            "CREATE TABLE bh (k BIGINT, n BIGINT) WITH ('connector'='blackhole')",
            "",
        )
        .await;
    let insert = "INSERT INTO bh SELECT MOD(id, 10), COUNT(*) FROM gen GROUP BY MOD(id, 10)";

    // A savepoint asked for at once waits for the tasks.
    let job = gateway.run(insert, "skep live").await.unwrap();
    let first = request();
    let saved = jobs.savepoint(&job, first.clone()).await.unwrap();
    assert!(metadata(&saved.path), "{saved:?}");
    assert_eq!(jobs.savepoint(&job, first).await.unwrap().path, saved.path);
    assert_eq!(stores.inspect(&saved.path).await.unwrap().verdict, Verdict::Usable);

    let list = jobs.list().await.unwrap();
    assert_eq!((list[0].job_id, list[0].name.as_str()), (job, "skep live"));
    settle(&*jobs, &job, |status| {
        status.all_tasks_run() && status.savepoint.as_ref() == Some(&saved.path)
    })
    .await;
    let detail = jobs.detail(&job).await.unwrap();
    assert!(!detail.vertices.is_empty() && !detail.checkpoints.is_empty());

    let checkpoint = jobs.checkpoint(&job, CheckpointRequest::Full).await.unwrap();
    assert!(
        checkpoint
            .path
            .ends_with(&format!("/chk-{}", checkpoint.checkpoint_id.unwrap()))
    );
    let found = stores.find(None, &[]).await.unwrap();
    assert!(
        found
            .iter()
            .any(|found| found.path == saved.path && found.verdict == Verdict::Usable)
    );
    assert!(
        found
            .iter()
            .any(|found| found.path == checkpoint.path && found.kind == SavepointKind::Checkpoint)
    );
    assert_eq!(
        stores.delete(&checkpoint.path).await.unwrap_err().kind,
        ErrorKind::Refused
    );

    // In the engine's own format; then deleted.
    let native = SavepointRequest {
        format: Format::Native,
        ..request()
    };
    let native = jobs.savepoint(&job, native).await.unwrap();
    assert!(metadata(&native.path));
    stores.delete(&native.path).await.unwrap();
    assert!(!metadata(&native.path));
    assert_eq!(stores.delete(&native.path).await.unwrap_err().kind, ErrorKind::NotFound);

    // A stop that can't write leaves the job running; one that can ends it.
    let bad = SavepointRequest {
        dir: Some("file:///proc/nope".to_owned()),
        ..request()
    };
    let error = jobs
        .stop(
            &job,
            StopRequest {
                savepoint: bad,
                drain: false,
            },
        )
        .await
        .unwrap_err();
    assert!(
        error
            .message
            .starts_with("IOException: Failed to create savepoint directory"),
        "{error}"
    );
    let stop = StopRequest {
        savepoint: request(),
        drain: false,
    };
    let stopped = jobs.stop(&job, stop.clone()).await.unwrap();
    assert!(metadata(&stopped.path));
    assert_eq!(jobs.status(&job).await.unwrap().state, JobState::Finished);
    assert_eq!(jobs.stop(&job, stop).await.unwrap().path, stopped.path);
    settle(&*jobs, &job, |status| status.ended_by == Some(EndedBy::Stopped)).await;
    assert_eq!(jobs.cancel(&job).await.unwrap_err().kind, ErrorKind::Refused);
    assert_eq!(
        jobs.savepoint(&job, request()).await.unwrap_err().kind,
        ErrorKind::Refused
    );
    let left = stores.find(Some(&job), &[]).await.unwrap();
    let usable = left.iter().filter(|saved| saved.verdict == Verdict::Usable);
    let mut usable: Vec<&str> = usable.map(|saved| saved.path.as_str()).collect();
    usable.sort_unstable();
    let mut expected = [saved.path.as_str(), stopped.path.as_str()];
    expected.sort_unstable();
    assert_eq!(usable, expected);

    // Drained, which shows as such only if a last checkpoint fell into the drain.
    let job = gateway.run(insert, "skep live drained").await.unwrap();
    let drained = jobs
        .stop(
            &job,
            StopRequest {
                savepoint: request(),
                drain: true,
            },
        )
        .await
        .unwrap();
    assert!(metadata(&drained.path));
    settle(&*jobs, &job, |status| {
        matches!(status.ended_by, Some(EndedBy::Drained | EndedBy::Stopped))
    })
    .await;

    // Cancelled, and seen to end by one who watches.
    let job = gateway.run(insert, "skep live cancelled").await.unwrap();
    let mut watched = jobs.clone().watch(job);
    jobs.cancel(&job).await.unwrap();
    let ended = watched.wait_for(|seen| seen.status.as_ref().is_some_and(|status| status.state.is_terminal()));
    let status = ended.await.unwrap().status.clone().unwrap();
    assert_eq!(
        (status.state, status.ended_by),
        (JobState::Canceled, Some(EndedBy::Cancelled))
    );

    // Fails for good.
    gateway.run("SET 'restart-strategy.type'='none'", "").await;
    let job = gateway
        .run("INSERT INTO bh SELECT 1/(id-id), 1 FROM gen", "skep live failing")
        .await
        .unwrap();
    settle(&*jobs, &job, |status| {
        status.state == JobState::Failed && status.error.is_some()
    })
    .await;
    let error = jobs.status(&job).await.unwrap().error.unwrap();
    assert_eq!(error, "ArithmeticException: / by zero");
}
