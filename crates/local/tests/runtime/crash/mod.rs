//! Exactly once: a job's process is killed at random moments and at every named point, restored from its latest state
//! again and again, and what the sink holds in the end is what an undisturbed run writes.

mod life;
mod numbers;
mod saga;
mod sql;

use std::env;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use self::life::Life;
use self::saga::{Case, Outcome, SIGKILL, Saga};

/// The child: runs one life of a job if the environment says so. On its own it does nothing.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let Some((case, life)) = Life::from_environment() else {
        return;
    };
    let mut cases = numbers::CASES.iter().chain(&sql::CASES);
    let case = cases.find(|known| known.name == case).unwrap();
    (case.live)(life).await;
}

/// Kills of dataflows that keep their state in plain maps: quick ones, so that there are many checkpoints in a life.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_moments_the_sink_holds_each_row_once() {
    kill_at_random_moments(&numbers::CASES, 24).await;
}

/// Kills of SQL statements, as a session starts them.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_moments_a_statement_gives_what_it_gives_undisturbed() {
    kill_at_random_moments(&sql::CASES, 30).await;
}

/// Kills at random moments; `SKEP_KILLS` says how many, `SKEP_SEED` from which seed.
async fn kill_at_random_moments(cases: &'static [Case], kills: u64) {
    let number = |name: &str, default: u64| env::var(name).map_or(default, |text| text.parse().unwrap());
    let wanted = number("SKEP_KILLS", kills);
    let seed = number("SKEP_SEED", u64::from(std::process::id()));
    let mut random = StdRng::seed_from_u64(seed);
    let mut expected: Vec<Option<Outcome>> = cases.iter().map(|_| None).collect();
    // Of each case: kills, those that were telling, those of restored jobs.
    let mut counts = vec![(0, 0, 0); cases.len()];
    for round in 0.. {
        let number = round % cases.len();
        let case = &cases[number];
        if expected[number].is_none() {
            expected[number] = Some(case.undisturbed().await);
        }
        let mut saga = Saga::new(case);
        for _ in 0..8 {
            let moment = Duration::from_micros(random.random_range(0..3000));
            // From one checkpoint after each step to one after many.
            let interval = format!("{} ms", random.random_range(1..25));
            let reports = random.random_range(1..case.reports);
            let death = saga
                .live(Some((reports, moment)), &[("SKEP_CRASH_INTERVAL", &interval)])
                .await;
            if death.signal() != Some(SIGKILL) {
                break;
            }
            let count = &mut counts[number];
            count.0 += 1;
            count.1 += u64::from(death.telling);
            count.2 += u64::from(death.restored);
        }
        saga.finish_and_compare(expected[number].as_ref().unwrap()).await;
        let kills: u64 = counts.iter().map(|count| count.0).sum();
        println!(
            "seed {seed}, round {round}: {} held after {kills} kills {counts:?}",
            case.name
        );
        // Every sort of query, and kills that could have shown a fault: left behind rows that no state had committed.
        let is_enough = |(kills, telling, restored): &(u64, u64, u64)| {
            *kills > 0 && telling * 3 >= *kills && restored * 3 >= *kills
        };
        if kills >= wanted && counts.iter().all(is_enough) {
            break;
        }
        assert!(
            // On a busy machine many come too early to tell.
            kills < wanted * 12,
            "seed {seed}: too few telling kills of (kills, telling, of restored jobs): {counts:?}"
        );
    }
    for (case, (kills, telling, restored)) in cases.iter().zip(&counts) {
        println!(
            "seed {seed}: {}: {kills} kills, {telling} with rows since a commit, {restored} of restored jobs",
            case.name
        );
    }
}

/// A build without the feature passes the points by.
#[cfg(not(feature = "failpoints"))]
#[tokio::test(flavor = "multi_thread")]
async fn without_the_feature_no_point_ends_anything() {
    for name in skep_local::failpoint::names() {
        let mut saga = Saga::new(&numbers::CASES[0]);
        let life = saga.live(None, &[("SKEP_FAILPOINT", name)]).await;
        assert!(life.status.success(), "{name}: {}", life.status);
    }
}

/// Each named point ends the process of a job that has been restored from a state with an unpublished part; the points
/// of a checkpoint also at a later one.
#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread")]
async fn aborted_at_every_failpoint_the_sink_holds_each_row_once() {
    let cases: Vec<&'static Case> = numbers::CASES.iter().chain([&sql::CASES[0]]).collect();
    let mut expected: Vec<Option<Outcome>> = cases.iter().map(|_| None).collect();
    for (number, &name) in skep_local::failpoint::names().iter().enumerate() {
        let number = number % cases.len();
        let case = cases[number];
        if expected[number].is_none() {
            expected[number] = Some(case.undisturbed().await);
        }
        let is_repeated = ["checkpoint.", "part.", "snapshot.", "commit."]
            .iter()
            .any(|p| name.starts_with(p));
        let mut points = vec!["commit.before-publish:2".to_owned(), name.to_owned()];
        points.extend(is_repeated.then(|| format!("{name}:3")));
        abort_and_compare(case, &points, expected[number].as_ref().unwrap()).await;
    }
}

/// The same of a job with two sinks. A point that each sink passes ends it at the first one, and at the second one when
/// the first one is through.
#[cfg(feature = "failpoints")]
#[tokio::test(flavor = "multi_thread")]
async fn aborted_at_every_failpoint_both_sinks_of_a_job_hold_each_row_once() {
    let case = sql::CASES.iter().find(|case| case.name == "two sinks").unwrap();
    let expected = case.undisturbed().await;
    for &name in skep_local::failpoint::names() {
        let of_each_sink = [
            "part.before-sync",
            "part.after-sync",
            "commit.after-rename",
            "restore.before-publish",
            "restore.after-publish",
            "restore.after-discard",
        ];
        let mut points = vec!["commit.before-publish:2".to_owned(), name.to_owned()];
        points.extend(of_each_sink.contains(&name).then(|| format!("{name}:2")));
        abort_and_compare(case, &points, &expected).await;
    }
}

/// Lets each point end one life of the same work, the first of which leaves a state with unpublished parts.
#[cfg(feature = "failpoints")]
async fn abort_and_compare(case: &'static Case, points: &[String], expected: &Outcome) {
    const SIGABRT: i32 = 6;
    let mut saga = Saga::new(case);
    for (life, point) in points.iter().enumerate() {
        let death = saga
            .live(None, &[("SKEP_FAILPOINT", point), ("SKEP_CRASH_SAVEPOINT", "1")])
            .await;
        assert_eq!(
            death.signal(),
            Some(SIGABRT),
            "{point} of {} was not reached",
            case.name
        );
        assert_eq!(death.restored, life > 0, "{point}");
        saga.bystander().await;
    }
    saga.finish_and_compare(expected).await;
}
