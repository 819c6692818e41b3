//! What goes wrong without an error when a batch engine computes a stream; a test each.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use datafusion::arrow::array::{RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::ScalarValue;
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use crate::world::{Output, World, run};

fn numbers(world: &mut World, files: &[&str]) {
    for (index, file) in files.iter().enumerate() {
        world.write(&format!("t/{index}"), file);
    }
    let columns = [("k", DataType::Utf8), ("j", DataType::Utf8), ("n", DataType::Int64)];
    world
        .csv_table("t", &columns)
        .option("source.monitor-interval", "1 h")
        .add();
}

/// A snapshot takes the state out of DataFusion's accumulators, and a hash table that gave its keys is stale.
#[test]
fn snapshots_of_a_live_aggregation_change_nothing() {
    let mut world = World::new();
    world.set("execution.runtime-mode", "automatic");
    for (index, file) in ["a,x,1\nb,x,2\n", "a,x,4\na,y,8\n", "b,x,16\n"].iter().enumerate() {
        world.write(&format!("t/{index}"), file);
    }
    let columns = [("k", DataType::Utf8), ("j", DataType::Utf8), ("n", DataType::Int64)];
    world.csv_table("t", &columns).add();
    let mut flow = world
        .dataflow("SELECT k, j, sum(n), count(DISTINCT n) FROM t GROUP BY k, j")
        .unwrap();
    let mut output = Output::default();
    while !output.finished {
        output.take(flow.step().unwrap());
        flow.snapshot().unwrap();
        flow.snapshot().unwrap();
    }
    assert_eq!(output.rows, ["+I a|x|5|2", "+I b|x|18|2", "+I a|y|8|1"]);
}

/// A join keeps the rows that it built from the first micro-batch unless it is reset.
#[test]
fn a_join_sees_every_micro_batch() {
    let mut world = World::new();
    numbers(&mut world, &["a,x,1\n", "a,x,2\nb,x,3\n", "b,x,4\n", "a,x,5\n"]);
    let schema = Schema::new(vec![
        Field::new("k", DataType::Utf8, true),
        Field::new("name", DataType::Utf8, true),
    ]);
    let names = StringArray::from(vec!["Anna", "Bert"]);
    let keys = StringArray::from(vec!["a", "b"]);
    world.memory_table(
        "d",
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(keys), Arc::new(names)]).unwrap(),
    );
    let mut flow = world.dataflow("SELECT d.name, t.n FROM t JOIN d ON t.k = d.k").unwrap();
    let mut output = Output::default();
    run(flow.as_mut(), &mut output).unwrap();
    assert_eq!(
        output.rows,
        ["+I Anna|1", "+I Anna|2", "+I Bert|3", "+I Bert|4", "+I Anna|5"]
    );
}

/// A bounded table at a join's side is read by the join, not by the micro-batches.
#[test]
fn a_join_with_a_bounded_table_sees_it_whole() {
    let mut world = World::new();
    numbers(&mut world, &["a,x,1\n", "b,x,2\n", "c,x,3\n"]);
    world.write("d/0", "b,Bert\n");
    world.write("d/1", "a,Anna\n");
    world
        .csv_table("d", &[("k", DataType::Utf8), ("name", DataType::Utf8)])
        .add();
    let mut flow = world
        .dataflow("SELECT t.n, d.name FROM t LEFT JOIN d ON t.k = d.k")
        .unwrap();
    assert!(!flow.is_bounded());
    let mut output = Output::default();
    run(flow.as_mut(), &mut output).unwrap();
    assert_eq!(output.rows, ["+I 1|Anna", "+I 2|Bert", "+I 3|NULL"]);
}

/// Counts its calls, so that it is another value for each micro-batch.
#[derive(Debug)]
struct Clock {
    signature: Signature,
    calls: AtomicI64,
}

impl PartialEq for Clock {
    fn eq(&self, other: &Self) -> bool {
        self.signature == other.signature
    }
}

impl Eq for Clock {}

impl std::hash::Hash for Clock {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.signature.hash(state);
    }
}

impl ScalarUDFImpl for Clock {
    fn name(&self) -> &str {
        "now"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, _arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(ScalarValue::Int64(Some(
            self.calls.fetch_add(1, Ordering::SeqCst),
        ))))
    }
}

/// DataFusion's `now()` is folded to a literal when the query is planned.
#[test]
fn the_clock_does_not_stand_still() {
    let mut world = World::new();
    numbers(&mut world, &["a,x,1\n", "a,x,2\n", "a,x,3\n"]);
    let error = world.dataflow("SELECT n, now() FROM t").map(|_| ()).unwrap_err();
    assert!(
        error.message.contains("now()") && error.message.contains("stand still"),
        "{error}"
    );

    let clock = Clock {
        signature: Signature::nullary(Volatility::Volatile),
        calls: AtomicI64::new(0),
    };
    world.context.register_udf(ScalarUDF::new_from_impl(clock));
    let mut flow = world.dataflow("SELECT n, now() FROM t").unwrap();
    let mut output = Output::default();
    run(flow.as_mut(), &mut output).unwrap();
    assert_eq!(output.rows, ["+I 1|0", "+I 2|1", "+I 3|2"]);
}

/// What DataFusion does over the whole input it would do over each micro-batch.
#[test]
fn what_needs_the_whole_input_is_refused() {
    let mut world = World::new();
    numbers(&mut world, &["a,x,1\n"]);
    for (sql, construct) in [
        ("SELECT * FROM t LIMIT 3", "LIMIT"),
        ("SELECT n FROM (SELECT n FROM t LIMIT 3) x WHERE n > 0", "LIMIT"),
        ("SELECT * FROM t ORDER BY n", "ORDER BY"),
        ("SELECT n, row_number() OVER (PARTITION BY k ORDER BY n) FROM t", "OVER"),
        ("SELECT a.n FROM t a JOIN t b ON a.k = b.k", "a join of two streams"),
        (
            "SELECT n FROM t WHERE k IN (SELECT k FROM t WHERE n > 3)",
            "a join of two streams",
        ),
        (
            "SELECT max(s) FROM (SELECT k, sum(n) AS s FROM t GROUP BY k) x",
            "a second aggregation",
        ),
        (
            "SELECT k, count(*) FROM (SELECT DISTINCT k, j FROM t) x GROUP BY k",
            "a second aggregation",
        ),
        ("SELECT k FROM t GROUP BY k UNION ALL SELECT j FROM t", "UNION ALL"),
        ("SELECT k, n FROM t INTERSECT SELECT 'a', 1", "a join"),
        ("SELECT d.k FROM t RIGHT JOIN (VALUES ('a')) d (k) ON t.k = d.k", "JOIN"),
        (
            "SELECT k, sum(n) FROM t GROUP BY GROUPING SETS ((k), ())",
            "GROUPING SETS",
        ),
        ("SELECT k, array_agg(n ORDER BY j) FROM t GROUP BY k", "array_agg"),
        ("SELECT k, nth_value(n, 2 ORDER BY j) FROM t GROUP BY k", "nth_value"),
    ] {
        match world.dataflow(sql) {
            Err(error) => assert!(error.message.contains(construct), "{sql}: {error}"),
            Ok(_) => panic!("{sql} is not refused"),
        }
    }
}

/// Nothing of a plan may be a number that was right for the first micro-batch alone.
#[test]
fn numbers_of_rows_are_not_known_in_advance() {
    let mut world = World::new();
    numbers(&mut world, &["a,x,1\n", "a,x,2\nb,x,3\n"]);
    let mut flow = world.dataflow("SELECT count(*), max(n) FROM t").unwrap();
    let mut output = Output::default();
    run(flow.as_mut(), &mut output).unwrap();
    assert_eq!(output.rows, ["+I 1|1", "-U 1|1", "+U 3|3"]);
}
