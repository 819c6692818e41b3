//! Dataflows over the natural numbers under the killer.

use futures::FutureExt;
use futures::future::BoxFuture;
use skep_engine::EndedBy;
use skep_local::runtime::{Host, SinkSpec};

use super::life::Life;
use super::saga::Case;
use crate::flow::{Numbers, Query, expected};
use crate::world::{csv_table, settings, spec};

/// Enough for many checkpoints in a life and many lives in a run.
const END: i64 = 120_000;

const fn case(name: &'static str, live: fn(Life) -> BoxFuture<'static, ()>, expected: fn() -> Vec<String>) -> Case {
    Case {
        name,
        prepare: |_| {},
        live,
        // A few tens of checkpoints' worth.
        reports: 1000,
        counts: 1,
        expected: Some(expected),
    }
}

pub const CASES: [Case; 3] = [
    case("numbers", |life| live(Query::Each, life).boxed(), || lines(Query::Each)),
    case(
        "numbers counted",
        |life| live(Query::Running, life).boxed(),
        || lines(Query::Running),
    ),
    case(
        "numbers in windows",
        |life| live(Query::Windowed, life).boxed(),
        || lines(Query::Windowed),
    ),
];

fn lines(query: Query) -> Vec<String> {
    let rows = expected(query, END);
    let mut lines: Vec<_> = rows.into_iter().map(|(k, v)| format!("{k},{v}")).collect();
    lines.sort_unstable();
    lines
}

async fn live(query: Query, life: Life) {
    let host = Host::open(life.dir.join("local")).unwrap();
    let mut spec = spec(SinkSpec::Tables(vec![csv_table(&life.dir.join("out"))]));
    spec.job_id = life.job;
    spec.restore.clone_from(&life.restore);
    spec.settings = settings(&[
        ("execution.checkpointing.interval", &life.interval),
        ("execution.checkpointing.num-retained", "1"),
    ]);
    let mut flow = Numbers::new(query).to(END);
    flow.per_step = 20;
    flow.after_step = Some(Life::report());
    host.start(spec, Box::new(flow)).await.unwrap();
    let status = life.watch(host, |_| false).await;
    assert_eq!(status.ended_by, Some(EndedBy::Completed), "{:?}", status.error);
}
