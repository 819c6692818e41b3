//! Starting from a saved state: what is taken over and what is refused.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use skep_engine::{CheckpointRequest, ErrorKind, JobControl, Stores, Verdict};

use crate::flow::{Numbers, Query, expected};
use crate::world::{World, blackhole, restore, savepoint, spec, stop};

#[tokio::test(flavor = "multi_thread")]
async fn stopped_and_restored_jobs_together_write_what_one_would() {
    for query in [Query::Each, Query::Running, Query::Windowed] {
        let world = World::new();
        let gate = Arc::new(AtomicU64::new(130));
        let flow = || Numbers::new(query).to(450).gated(&gate);
        let first = world.start(spec(world.csv()), flow()).await.job_id;
        world.until(&first, |status| status.rows_in == Some(130)).await;
        let saved = world.host.stop(&first, stop(false)).await.unwrap();
        // A savepoint can be moved.
        let moved = world.temp.path().join("moved");
        fs::rename(&saved.path, &moved).unwrap();

        gate.store(1000, Ordering::Release);
        let mut again = spec(world.csv());
        again.restore = restore(moved.to_str().unwrap());
        let second = world.start(again, flow()).await.job_id;
        let status = world.until_ended(&second).await;
        assert_eq!(status.rows_in, Some(320), "{query:?}");
        // Rows are counted from the job's own start, also in its tasks, and whoever asks.
        assert_eq!(world.host.detail(&second).await.unwrap().vertices[0].rows_in, Some(320));
        let seen = world.other_process().status(&second).await.unwrap();
        assert_eq!(
            (seen.rows_in, seen.rows_out, seen.late_rows),
            (status.rows_in, status.rows_out, status.late_rows),
            "{query:?}"
        );
        assert_eq!(world.rows(), expected(query, 450), "{query:?}");
        let gone = world.host.find(Some(&first), &[]).await.unwrap();
        assert_eq!(gone.iter().map(|s| s.verdict).collect::<Vec<_>>(), [Verdict::Gone]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_go_on_from_the_restored_checkpoint() {
    let world = World::new();
    let first = world.start(spec(blackhole()), Numbers::new(Query::Each)).await.job_id;
    let saved = world.host.stop(&first, stop(false)).await.unwrap();
    let mut again = spec(blackhole());
    again.restore = restore(&saved.path);
    let second = world.start(again, Numbers::new(Query::Each)).await.job_id;
    let next = world
        .host
        .checkpoint(&second, CheckpointRequest::Configured)
        .await
        .unwrap();
    assert_eq!(next.checkpoint_id, saved.checkpoint_id.map(|n| n + 1));
    let detail = world.host.detail(&second).await.unwrap();
    assert_eq!(detail.restored_from.as_deref(), Some(saved.path.as_str()));
    world.host.cancel(&second).await.unwrap();
    world.until_ended(&second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_operator_or_source_is_refused_by_name() {
    let world = World::new();
    // It does not come to its end before it is stopped.
    let gate = Arc::new(AtomicU64::new(100));
    let first = world
        .start(
            spec(blackhole()),
            Numbers::new(Query::Running).to(1_000_000).gated(&gate),
        )
        .await
        .job_id;
    let saved = world.host.stop(&first, stop(false)).await.unwrap();
    let mut again = spec(blackhole());
    again.restore = restore(&saved.path);
    let error = world
        .host
        .start(again.clone(), Box::new(Numbers::new(Query::Windowed).to(5)))
        .await
        .err()
        .unwrap();
    assert_eq!(error.kind, ErrorKind::Refused);
    for part in [
        "source numbers: end was Some(1000000) and is Some(5)",
        "aggregate: query was Running and is Windowed",
    ] {
        assert!(error.message.contains(part), "{error}");
    }
    again.restore.as_mut().unwrap().allow_non_restored = true;
    let started = world.start(again, Numbers::new(Query::Windowed).to(5)).await;
    let status = world.until_ended(&started.job_id).await;
    assert_eq!(status.rows_in, Some(5));
    let log = started.log.lines().0;
    assert!(
        log.iter()
            .any(|line| line.text.contains("the state of aggregate is left behind"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_savepoint_is_refused_and_nothing_is_started() {
    let world = World::new();
    let first = world
        .start(spec(blackhole()), Numbers::new(Query::Running))
        .await
        .job_id;
    let saved = world.host.stop(&first, stop(false)).await.unwrap();
    let file = std::path::Path::new(&saved.path).join("operator-001.arrow");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    let mut again = spec(blackhole());
    again.restore = restore(&saved.path);
    let error = world
        .host
        .start(again, Box::new(Numbers::new(Query::Running)))
        .await
        .err()
        .unwrap();
    assert_eq!(error.kind, ErrorKind::Refused);
    assert!(error.message.contains("damaged"), "{error}");
    assert_eq!(world.host.inspect(&saved.path).await.unwrap().verdict, Verdict::Missing);
    assert_eq!(world.host.list().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_job_and_a_continued_one_are_refused_with_their_process() {
    let world = World::new();
    let first = world.start(spec(blackhole()), Numbers::new(Query::Each)).await.job_id;
    let saved = world.host.savepoint(&first, savepoint()).await.unwrap();
    let pid = format!("process {}", std::process::id());
    let mut again = spec(blackhole());
    again.restore = restore(&saved.path);
    let other = world.other_process();
    let error = other
        .start(again.clone(), Box::new(Numbers::new(Query::Each)))
        .await
        .err()
        .unwrap();
    assert!(
        error.message.contains("still runs") && error.message.contains(&pid),
        "{error}"
    );

    world.host.cancel(&first).await.unwrap();
    world.until_ended(&first).await;
    let second = world.start(again.clone(), Numbers::new(Query::Each)).await.job_id;
    again.job_id = crate::world::new_id();
    let error = other
        .start(again.clone(), Box::new(Numbers::new(Query::Each)))
        .await
        .err()
        .unwrap();
    assert!(
        error.message.contains("is being continued") && error.message.contains(&pid),
        "{error}"
    );
    let error = other.delete(&saved.path).await.unwrap_err();
    assert!(error.message.contains("no checkpoint of its own yet"), "{error}");

    again.restore.as_mut().unwrap().fork = true;
    let fork = world.start(again, Numbers::new(Query::Each)).await.job_id;
    for job in [second, fork] {
        world.host.cancel(&job).await.unwrap();
        world.until_ended(&job).await;
    }
    world.host.delete(&saved.path).await.unwrap();
    assert_eq!(
        world.host.inspect(&saved.path).await.unwrap_err().kind,
        ErrorKind::NotFound
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn going_back_behind_what_is_published_is_refused_unless_it_is_a_fork() {
    let world = World::new();
    let gate = Arc::new(AtomicU64::new(20));
    let flow = || Numbers::new(Query::Each).to(60).gated(&gate);
    let first = world.start(spec(world.csv()), flow()).await.job_id;
    world.until(&first, |status| status.rows_in == Some(20)).await;
    let old = world.host.savepoint(&first, savepoint()).await.unwrap();
    gate.store(40, Ordering::Release);
    // A command wakes the job.
    world.host.detail(&first).await.unwrap();
    world.until(&first, |status| status.rows_in == Some(40)).await;
    world.host.stop(&first, stop(false)).await.unwrap();

    gate.store(60, Ordering::Release);
    let mut again = spec(world.csv());
    again.restore = restore(&old.path);
    let error = world.host.start(again.clone(), Box::new(flow())).await.err().unwrap();
    assert_eq!(error.kind, ErrorKind::Refused);
    assert!(error.message.contains(&old.path), "{error}");
    assert!(error.message.contains(world.out.to_str().unwrap()), "{error}");
    assert_eq!(world.rows(), expected(Query::Each, 40), "nothing has changed");

    again.restore.as_mut().unwrap().fork = true;
    let fork = world.start(again, flow()).await.job_id;
    world.until_ended(&fork).await;
    let mut twice = expected(Query::Each, 60);
    twice.extend((20..40).map(|n| (n % 7, n)));
    twice.sort_unstable();
    assert_eq!(world.rows(), twice);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_job_in_the_same_directory_keeps_its_parts() {
    let world = World::new();
    let gate = Arc::new(AtomicU64::new(20));
    let neighbour = world
        .start(spec(world.csv()), Numbers::new(Query::Each).gated(&gate))
        .await
        .job_id;
    world.until(&neighbour, |status| status.rows_out == Some(20)).await;
    let first = world
        .start(spec(world.csv()), Numbers::new(Query::Each).to(100).gated(&gate))
        .await
        .job_id;
    world.until(&first, |status| status.rows_in == Some(20)).await;
    let saved = world.host.stop(&first, stop(false)).await.unwrap();
    assert_eq!(world.hidden_parts(), 1);
    let mut again = spec(world.csv());
    again.restore = restore(&saved.path);
    gate.store(100, Ordering::Release);
    let second = world
        .start(again, Numbers::new(Query::Each).to(100).gated(&gate))
        .await
        .job_id;
    world.until_ended(&second).await;
    world.host.stop(&neighbour, stop(false)).await.unwrap();
    let status = world.host.status(&neighbour).await.unwrap();
    let mut both = expected(Query::Each, 100);
    both.extend(expected(Query::Each, i64::try_from(status.rows_in.unwrap()).unwrap()));
    both.sort_unstable();
    assert_eq!(world.rows(), both);
}
