//! How long looking things up takes in a large ledger: `cargo bench -p skep --bench ledger`.
//!
//! 100,000 jobs with 1,000,000 statements before them, which is what years of work leave behind. The list is as long as
//! `!jobs -a` shows it.
#![allow(clippy::print_stdout)]
#![allow(clippy::unwrap_used, reason = "a measurement that can't go on ends")]

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use skep::ledger::{JobFilter, Ledger};
use skep_engine::{EndedBy, JobId, JobState, Recipe, Savepoint, SavepointKind, Verdict};

const JOBS: u32 = 100_000;
const STATEMENTS: u32 = 10;
const BATCH: u32 = 10_000;
const ROUNDS: usize = 20;
const URL: &str = "local:/data";

fn id(number: u32) -> JobId {
    // Spread over all digits, as random ids are.
    let mixed = u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    JobId::from_bytes(mixed.to_be_bytes())
}

fn recipe(number: u32) -> Recipe {
    let started = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(i64::from(number) * 60);
    Recipe {
        job_id: id(number),
        // A thousand names, each with a hundred runs.
        name: format!("job_{}", number % 1_000),
        sql: format!("INSERT INTO t{number} SELECT carrier, COUNT(*), AVG(dep_delay) FROM flights GROUP BY carrier"),
        prelude: (0..STATEMENTS)
            .map(|n| format!("CREATE TEMPORARY TABLE t{number}_{n} (carrier STRING) WITH ('connector' = 'blackhole')"))
            .collect(),
        started,
        ended: Some(started + SignedDuration::from_secs(30)),
        ended_by: Some(EndedBy::Stopped),
        state: JobState::Finished,
        restored_from: None,
        error: None,
    }
}

fn state(number: u32) -> Savepoint {
    Savepoint {
        path: format!("/savepoints/savepoint-{number}"),
        kind: SavepointKind::Savepoint,
        job_id: Some(id(number)),
        checkpoint_id: Some(u64::from(number)),
        taken: Some(Timestamp::UNIX_EPOCH + SignedDuration::from_secs(i64::from(number) * 60)),
        size: Some(1_000),
        format_version: Some(1),
        label: None,
        verdict: Verdict::Usable,
        reasons: Vec::new(),
        sources: Vec::new(),
    }
}

async fn measure<F: Future<Output = usize>>(what: &str, mut look: impl FnMut(u32) -> F) {
    let mut times: Vec<Duration> = Vec::new();
    let mut found = 0;
    for round in 0..ROUNDS {
        let number = u32::try_from(round).unwrap() * 4_999;
        let began = Instant::now();
        found = look(number).await;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    println!(
        "{what:<40} median {:>8.2?}  slowest {:>8.2?}  ({found} found)",
        times[ROUNDS / 2],
        times[ROUNDS - 1]
    );
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(dir.path()).unwrap();
    let began = Instant::now();
    for first in (0..JOBS).step_by(BATCH as usize) {
        ledger.import(URL, "local", (first..first + BATCH).map(recipe).collect());
        ledger.flush().await;
    }
    for number in (0..JOBS).step_by(100) {
        ledger.saved(URL, state(number));
    }
    ledger.flush().await;
    println!("filled in {:.1?}", began.elapsed());
    let began = Instant::now();
    drop(ledger);
    let ledger = Ledger::open(dir.path()).unwrap();
    println!("opened in {:.1?}", began.elapsed());

    measure("the newest 1000 of a connection", |_| async {
        let filter = JobFilter {
            url: Some(URL.to_owned()),
            limit: Some(1_000),
            brief: true,
            ..JobFilter::default()
        };
        ledger.jobs(filter).await.unwrap().len()
    })
    .await;
    measure("by a name", |number| {
        let word = format!("job_{}", number % 1_000);
        let ledger = ledger.clone();
        async move { ledger.find(&word, Some(URL)).await.unwrap().len() }
    })
    .await;
    measure("by the first eight digits", |number| {
        let word = id(number).short();
        let ledger = ledger.clone();
        async move { ledger.find(&word, Some(URL)).await.unwrap().len() }
    })
    .await;
    measure("by an id", |number| {
        let ledger = ledger.clone();
        async move { usize::from(ledger.job(URL, id(number)).await.unwrap().is_some()) }
    })
    .await;
    measure("its savepoints", |number| {
        let ledger = ledger.clone();
        async move { ledger.savepoints(vec![id(number / 100 * 100)]).await.unwrap().len() }
    })
    .await;
    measure("its family", |number| {
        let ledger = ledger.clone();
        async move { ledger.family(id(number)).await.unwrap().descendants.len() }
    })
    .await;
    measure("what dead shells left", |_| async {
        ledger.orphans(Some(URL)).await.unwrap().len()
    })
    .await;
}
