//! Sinks, as far as their rows can be seen.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use skep_engine::ErrorKind;
use skep_engine::JobControl;
use skep_local::runtime::{SinkSpec, validate};

use crate::flow::{Numbers, Query};
use crate::world::{World, csv_table, restore, spec, stop, table, table_path};

fn memory_rows(world: &World, name: &str) -> Vec<(i64, i64)> {
    let mut rows = Vec::new();
    for batch in world.host.memory_table(&table_path(name)).unwrap().unwrap() {
        let (keys, values) = (
            batch.column(0).as_primitive::<Int64Type>(),
            batch.column(1).as_primitive::<Int64Type>(),
        );
        rows.extend(std::iter::zip(keys.values(), values.values()).map(|(k, v)| (*k, *v)));
    }
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_table_with_a_key_holds_one_row_a_key() {
    let world = World::new();
    let counts = table("counts", &["k"], &[("connector", "memory")]);
    let job = world
        .start(
            spec(SinkSpec::Tables(vec![counts])),
            Numbers::new(Query::Updating).to(100),
        )
        .await
        .job_id;
    world.until_ended(&job).await;
    let expected: Vec<_> = (0..7).map(|k| (k, if k < 2 { 15 } else { 14 })).collect();
    assert_eq!(memory_rows(&world, "counts"), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_a_row_is_taken_back_whole() {
    let world = World::new();
    let counts = table("counts", &[], &[("connector", "memory")]);
    let job = world
        .start(
            spec(SinkSpec::Tables(vec![counts])),
            Numbers::new(Query::Updating).to(100),
        )
        .await
        .job_id;
    world.until_ended(&job).await;
    let mut rows = memory_rows(&world, "counts");
    rows.sort_unstable();
    assert_eq!(
        rows,
        (0..7).map(|k| (k, if k < 2 { 15 } else { 14 })).collect::<Vec<_>>()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_tables_rows_are_part_of_the_jobs_state() {
    let world = World::new();
    let counts = || SinkSpec::Tables(vec![table("counts", &["k"], &[("connector", "memory")])]);
    let gate = Arc::new(AtomicU64::new(50));
    let job = world
        .start(spec(counts()), Numbers::new(Query::Updating).gated(&gate))
        .await
        .job_id;
    world.until(&job, |status| status.rows_in == Some(50)).await;
    let error = world
        .host
        .start(spec(counts()), Box::new(Numbers::new(Query::Updating)))
        .await
        .err()
        .unwrap();
    assert_eq!(error.kind, ErrorKind::Refused, "two jobs can't write one memory table");
    let saved = world.host.stop(&job, stop(false)).await.unwrap();
    let before = memory_rows(&world, "counts");
    world.host.drop_memory_table(&table_path("counts"));
    assert!(world.host.memory_table(&table_path("counts")).unwrap().is_none());

    let mut again = spec(counts());
    again.restore = restore(&saved.path);
    let job = world
        .start(again, Numbers::new(Query::Updating).gated(&gate))
        .await
        .job_id;
    assert_eq!(memory_rows(&world, "counts"), before);
    world.host.cancel(&job).await.unwrap();
    world.until_ended(&job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_refuse_updates_before_anything_runs() {
    let world = World::new();
    let error = world
        .host
        .start(spec(world.csv()), Box::new(Numbers::new(Query::Updating)))
        .await
        .err()
        .unwrap();
    assert_eq!(error.kind, ErrorKind::Refused);
    assert!(
        error.message.contains("doesn't support consuming update changes"),
        "{error}"
    );
    assert_eq!(world.host.list().await.unwrap(), [], "no trace is left");
}

#[test]
fn options_are_checked_by_name() {
    let cases: [(&[(&str, &str)], &str); 6] = [
        (&[], "no 'connector'"),
        (&[("connector", "datagen")], "'datagen', which can't be written"),
        (&[("connector", "filesystem"), ("format", "csv")], "needs option 'path'"),
        (
            &[("connector", "filesystem"), ("path", "/x"), ("format", "avro")],
            "format 'avro'",
        ),
        (
            &[("connector", "filesystem"), ("path", "s3://b/x"), ("format", "csv")],
            "'s3'",
        ),
        (
            &[("connector", "blackhole"), ("colour", "black")],
            "unknown option 'colour'",
        ),
    ];
    for (options, part) in cases {
        let error = validate(&table("t", &[], options)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Rejected);
        assert!(error.message.contains(part), "{error}");
    }
    validate(&csv_table(std::path::Path::new("/x"))).unwrap();
}
