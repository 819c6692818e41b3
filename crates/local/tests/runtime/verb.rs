//! The job verbs, from the job's own process and from another.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use skep_engine::{CheckpointRequest, EndedBy, ErrorKind, JobControl, JobState, Stores, Verdict};
use skep_local::runtime::SinkSpec;

use crate::flow::{Numbers, Query, expected};
use crate::world::{World, blackhole, restore, savepoint, settings, spec, stop, table, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_bounded_job_finishes_by_itself_and_its_rows_are_visible() {
    let world = World::new();
    let started = world
        .start(spec(world.csv()), Numbers::new(Query::Windowed).to(250))
        .await;
    let status = world.until_ended(&started.job_id).await;
    assert_eq!(
        (status.state, status.ended_by),
        (JobState::Finished, Some(EndedBy::Completed))
    );
    assert_eq!((status.rows_in, status.rows_out), (Some(250), Some(21)));
    let detail = world.host.detail(&started.job_id).await.unwrap();
    assert_eq!(detail.vertices[0].state, "FINISHED");
    assert_eq!(world.rows(), expected(Query::Windowed, 250));
    assert_eq!(world.hidden_parts(), 0);
    let recipes = world.other_process().recipes().await.unwrap();
    assert_eq!(recipes.len(), 1);
    assert_eq!(
        (recipes[0].state, recipes[0].ended_by),
        (JobState::Finished, Some(EndedBy::Completed))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_become_visible_at_checkpoints() {
    let world = World::new();
    let gate = Arc::new(AtomicU64::new(30));
    let started = world
        .start(spec(world.csv()), Numbers::new(Query::Each).gated(&gate))
        .await;
    let job = started.job_id;
    world.until(&job, |status| status.rows_in == Some(30)).await;
    assert_eq!(world.rows(), []);
    let checkpoint = world
        .host
        .checkpoint(&job, CheckpointRequest::Configured)
        .await
        .unwrap();
    assert_eq!(checkpoint.checkpoint_id, Some(1));
    assert_eq!(world.rows(), expected(Query::Each, 30));
    world.host.cancel(&job).await.unwrap();
    let status = world.until_ended(&job).await;
    assert_eq!(
        (status.state, status.ended_by),
        (JobState::Canceled, Some(EndedBy::Cancelled))
    );
    let detail = world.host.detail(&job).await.unwrap();
    assert_eq!(detail.vertices[0].state, "CANCELED");
    let found = world.host.find(Some(&job), &[]).await.unwrap();
    assert_eq!(found.len(), 1, "a cancelled job keeps its checkpoint");
    assert_eq!(found[0].verdict, Verdict::Usable);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_jobs_uncommitted_rows_are_gone() {
    let world = World::new();
    let gate = Arc::new(AtomicU64::new(30));
    let started = world
        .start(spec(world.csv()), Numbers::new(Query::Each).gated(&gate))
        .await;
    world.until(&started.job_id, |status| status.rows_out == Some(30)).await;
    assert_eq!(world.hidden_parts(), 1);
    started.handle.cancel().await.unwrap();
    assert_eq!(world.hidden_parts(), 0);
    assert_eq!(world.rows(), []);
    // Cancelling what has ended is no error.
    started.handle.cancel().await.unwrap();
    let error = world.host.cancel(&started.job_id).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_come_by_themselves_and_the_oldest_go() {
    let world = World::new();
    let mut spec = spec(blackhole());
    spec.settings = settings(&[
        ("execution.checkpointing.interval", "1 ms"),
        ("execution.checkpointing.num-retained", "2"),
    ]);
    let job = world.start(spec, Numbers::new(Query::Running)).await.job_id;
    world
        .until(&job, |status| {
            status.last_checkpoint.is_some_and(|(number, _)| number >= 5)
        })
        .await;
    world.host.cancel(&job).await.unwrap();
    let status = world.until_ended(&job).await;
    let newest = status.last_checkpoint.unwrap().0;
    let found = world.host.find(Some(&job), &[]).await.unwrap();
    assert_eq!(
        found.iter().map(|s| s.checkpoint_id.unwrap()).collect::<Vec<_>>(),
        [newest, newest - 1]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_saved_where_nothing_happens() {
    let world = World::new();
    let gate = Arc::new(AtomicU64::new(20));
    let mut spec = spec(blackhole());
    spec.settings = settings(&[("execution.checkpointing.interval", "1 ms")]);
    let job = world.start(spec, Numbers::new(Query::Each).gated(&gate)).await.job_id;
    world
        .until(&job, |s| s.rows_in == Some(20) && s.last_checkpoint.is_some())
        .await;
    let first = world.host.savepoint(&job, savepoint()).await.unwrap();
    let second = world.host.savepoint(&job, savepoint()).await.unwrap();
    assert_eq!(second.checkpoint_id, first.checkpoint_id.map(|n| n + 1));
    world.host.cancel(&job).await.unwrap();
    world.until_ended(&job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_savepoint_with_the_same_trigger_is_the_same_savepoint() {
    let world = World::new();
    let job = world.start(spec(blackhole()), Numbers::new(Query::Each)).await.job_id;
    let request = savepoint();
    let first = world.host.savepoint(&job, request.clone()).await.unwrap();
    let again = world.other_process().savepoint(&job, request).await.unwrap();
    assert_eq!(first, again);
    world.host.cancel(&job).await.unwrap();
    world.until_ended(&job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_savepoint_that_cant_be_written_leaves_the_job_running() {
    let world = World::new();
    let job = world.start(spec(blackhole()), Numbers::new(Query::Each)).await.job_id;
    let file = world.temp.path().join("a-file");
    fs::write(&file, "").unwrap();
    let mut request = stop(false);
    request.savepoint.dir = Some(file.display().to_string());
    let error = world.host.stop(&job, request).await.unwrap_err();
    assert!(error.message.contains("a-file"), "{error}");
    assert_eq!(world.host.status(&job).await.unwrap().state, JobState::Running);
    world.host.cancel(&job).await.unwrap();
    world.until_ended(&job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_ends_the_open_windows() {
    let world = World::new();
    let gate = Arc::new(AtomicU64::new(150));
    let started = world
        .start(spec(world.csv()), Numbers::new(Query::Windowed).gated(&gate))
        .await;
    world.until(&started.job_id, |status| status.rows_in == Some(150)).await;
    let saved = world.host.stop(&started.job_id, stop(true)).await.unwrap();
    assert_eq!(saved.verdict, Verdict::Usable);
    let status = world.host.status(&started.job_id).await.unwrap();
    assert_eq!(
        (status.state, status.ended_by),
        (JobState::Finished, Some(EndedBy::Drained))
    );
    assert_eq!(world.rows(), expected(Query::Windowed, 150));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_and_a_panic_end_the_job_with_a_sentence() {
    let world = World::new();
    let mut failing = Numbers::new(Query::Each);
    failing.fail_at = Some(35);
    let job = world.start(spec(blackhole()), failing).await.job_id;
    let status = world.until_ended(&job).await;
    assert_eq!(
        (status.state, status.ended_by),
        (JobState::Failed, Some(EndedBy::Failed))
    );
    assert_eq!(status.error.as_deref(), Some("can't read number 35"));

    let mut panicking = Numbers::new(Query::Each);
    panicking.panic_at = Some(35);
    let job = world.start(spec(blackhole()), panicking).await.job_id;
    let status = world.until_ended(&job).await;
    assert!(status.error.unwrap().contains("that number"));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_reaches_the_job_through_its_socket() {
    let world = World::new();
    let gate = Arc::new(AtomicU64::new(30));
    let log = table("log", &[], &[("connector", "print")]);
    let job = world
        .start(
            spec(SinkSpec::Tables(vec![log])),
            Numbers::new(Query::Each).gated(&gate),
        )
        .await
        .job_id;
    world.until(&job, |status| status.rows_in == Some(30)).await;
    let socket = world.host.dir().join("jobs").join(job.to_string()).join("socket");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);

    let other = world.other_process();
    let list = other.list().await.unwrap();
    assert_eq!(
        (list.len(), list[0].status.state, list[0].status.rows_in),
        (1, JobState::Running, Some(30))
    );
    let detail = other.detail(&job).await.unwrap();
    assert_eq!(detail.vertices[0].rows_in, Some(30));
    assert_eq!(other.log(&job).await.unwrap()[8].text, "+I[1, 8]");
    let checkpoint = other.checkpoint(&job, CheckpointRequest::Full).await.unwrap();
    assert_eq!(checkpoint.checkpoint_id, Some(1));
    let saved = other.savepoint(&job, savepoint()).await.unwrap();
    assert_eq!(saved.checkpoint_id, Some(2));

    let watched = tokio::spawn({
        let other = Arc::clone(&other);
        async move { until(&other, &job, |status| status.state.is_terminal()).await }
    });
    let stopped = other.stop(&job, stop(false)).await.unwrap();
    assert_eq!(stopped.checkpoint_id, Some(3));
    assert_eq!(watched.await.unwrap().ended_by, Some(EndedBy::Stopped));
    assert!(!socket.exists());
    let status = other.status(&job).await.unwrap();
    assert_eq!((status.state, status.lost), (JobState::Finished, false));
    assert_eq!(other.log(&job).await.unwrap()[8].text, "+I[1, 8]");
    assert_eq!(other.cancel(&job).await.unwrap_err().kind, ErrorKind::Refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_said_to_have_ended_can_be_restored_at_once() {
    let world = World::new();
    let gate = Arc::new(AtomicU64::new(30));
    let (let_go, held) = std::sync::mpsc::channel();
    let mut flow = Numbers::new(Query::Each).to(40).gated(&gate);
    flow.held = Some(held);
    let job = world.start(spec(world.csv()), flow).await.job_id;
    world.until(&job, |status| status.rows_in == Some(30)).await;
    let other = world.other_process();
    let checkpoint = other.checkpoint(&job, CheckpointRequest::Full).await.unwrap();
    other.cancel(&job).await.unwrap();
    // Its end is written down, but its owner has not let go of everything.
    let is_written = async {
        while other.recipes().await.unwrap()[0].ended.is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), is_written).await.unwrap();
    for host in [&world.host, &other] {
        assert_eq!(host.status(&job).await.unwrap().state, JobState::Cancelling);
    }
    let_go.send(()).unwrap();
    until(&other, &job, |status| status.state == JobState::Canceled).await;
    let mut again = spec(world.csv());
    again.restore = restore(&checkpoint.path);
    let job = again.job_id;
    let flow = Numbers::new(Query::Each).to(40);
    other.start(again, Box::new(flow)).await.unwrap();
    until(&other, &job, |status| status.state == JobState::Finished).await;
    assert_eq!(world.rows(), expected(Query::Each, 40));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_owner_does_not_answer_is_followed_all_the_same() {
    let world = World::new();
    let job = world.start(spec(blackhole()), Numbers::new(Query::Each)).await.job_id;
    // As when its process is being killed: the socket is gone, and the lock is not yet.
    fs::remove_file(world.host.dir().join("jobs").join(job.to_string()).join("socket")).unwrap();
    let mut watch = world.other_process().watch(job);
    let unreachable = watch.wait_for(|watched| watched.status.as_ref().is_some_and(|status| status.error.is_some()));
    let status = unreachable.await.unwrap().status.clone().unwrap();
    assert_eq!((status.state, status.lost), (JobState::Running, false));
    world.host.cancel(&job).await.unwrap();
    let ended = watch.wait_for(|watched| watched.status.as_ref().is_some_and(|status| status.state.is_terminal()));
    assert_eq!(ended.await.unwrap().status.as_ref().unwrap().state, JobState::Canceled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_too_long_for_a_socket_is_no_obstacle() {
    let world = World::new();
    let host = skep_local::runtime::Host::open(world.temp.path().join("long".repeat(30))).unwrap();
    let spec = spec(blackhole());
    let job = spec.job_id;
    host.start(spec, Box::new(Numbers::new(Query::Each))).await.unwrap();
    let other = skep_local::runtime::Host::open(host.dir()).unwrap();
    until(&other, &job, |status| status.state == JobState::Running).await;
    other.cancel(&job).await.unwrap();
    until(&host, &job, |status| status.state.is_terminal()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_id_is_taken_once() {
    let world = World::new();
    let first = spec(blackhole());
    let second = first.clone();
    let job = world.start(first, Numbers::new(Query::Each).to(10)).await.job_id;
    let error = world
        .host
        .start(second, Box::new(Numbers::new(Query::Each).to(10)))
        .await
        .err()
        .unwrap();
    assert_eq!(error.kind, ErrorKind::Refused);
    assert!(error.message.contains(&job.to_string()), "{error}");
    world.until_ended(&job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_nobody_knows_is_not_found() {
    let world = World::new();
    let error = world.host.status(&crate::world::new_id()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert_eq!(world.host.list().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_waits_for_a_slow_reader_and_still_obeys() {
    let world = World::new();
    let mut flow = Numbers::new(Query::Each);
    flow.per_step = 10_000;
    let gate = Arc::new(AtomicU64::new(u64::MAX >> 1));
    let mut started = world.start(spec(SinkSpec::Collect), flow.gated(&gate)).await;
    let status = world
        .until(&started.job_id, |status| status.rows_out >= Some(64 * 1024))
        .await;
    assert_eq!(status.rows_out, Some(70_000));
    let saved = world.host.savepoint(&started.job_id, savepoint()).await.unwrap();
    assert_eq!(saved.verdict, Verdict::Usable);
    assert_eq!(world.host.status(&started.job_id).await.unwrap().rows_out, Some(70_000));
    let mut rows = started.rows.take().unwrap();
    let mut read = 0;
    while read < 200_000 {
        read += rows.next().await.unwrap().unwrap().rows.num_rows();
    }
    gate.store(0, Ordering::Release);
    started.handle.cancel().await.unwrap();
    let error = loop {
        match rows.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a cancelled job's rows do not end as if all had come"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind, ErrorKind::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_rows_does_not_end_the_job() {
    let world = World::new();
    let mut started = world
        .start(spec(SinkSpec::Collect), Numbers::new(Query::Updating).to(200_000))
        .await;
    let rows = started.rows.take().unwrap();
    assert!(rows.is_changelog());
    drop(rows);
    let status = world.until_ended(&started.job_id).await;
    assert_eq!(status.state, JobState::Finished);
}
