//! CSV files: what a field may hold, where a record may be cut, and what becomes of files that change.

use std::io::Write;

use datafusion::arrow::datatypes::DataType;
use skep_local::dataflow::Dataflow;

use crate::world::{Output, TIMESTAMP, World, lines, run, run_all, through_ipc};

const TEXTS: [(&str, DataType); 2] = [("a", DataType::Utf8), ("b", DataType::Utf8)];

/// Reads the bytes as a table of two strings.
fn read(content: impl AsRef<[u8]>, options: &[(&str, &str)]) -> skep_engine::Result<Vec<String>> {
    let mut world = World::new();
    world.write("t/0", content);
    let mut table = world.csv_table("t", &TEXTS);
    for (key, value) in options {
        table = table.option(key, value);
    }
    table.add();
    world.scan("t").map(|rows| lines(&rows))
}

fn message(result: skep_engine::Result<Vec<String>>) -> String {
    result.unwrap_err().message
}

#[test]
fn quotes_line_ends_and_the_last_line() {
    let rows = |content: &str| read(content, &[]).unwrap();
    assert_eq!(rows("x,y\n"), ["x|y"]);
    assert_eq!(rows("x,y"), ["x|y"]);
    assert_eq!(rows("x,y\r\nz,\r\n"), ["x|y", "z|"]);
    assert_eq!(rows("\"a,b\",\"c\"\"d\"\n"), ["a,b|c\"d"]);
    assert_eq!(rows("\"two\nlines\",\"x\"\r\nq,w"), ["two\nlines|x", "q|w"]);
    assert_eq!(rows("a\"b,c\n"), ["a\"b|c"]);
    assert_eq!(rows("\n\nx,y\n\n"), ["x|y"]);
    assert_eq!(rows("x,\"\""), ["x|"]);
    assert_eq!(rows(""), [""; 0]);
    assert_eq!(rows("käse,日本\n"), ["käse|日本"]);
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_field() {
    assert_eq!(read("\u{feff}x,y\nz,\u{feff}w\n", &[]).unwrap(), ["x|y", "z|\u{feff}w"]);
    assert_eq!(read("\u{feff}x,y", &[]).unwrap(), ["x|y"]);
    assert_eq!(read("\u{feff}\"x\",y\n", &[]).unwrap(), ["x|y"]);
    assert_eq!(read("\u{feff}a,b\nx,y\n", &[("csv.header", "true")]).unwrap(), ["x|y"]);
    assert_eq!(read("\u{feff}", &[]).unwrap(), [""; 0]);
}

#[test]
fn options_of_the_format() {
    assert_eq!(read("x;y\n", &[("csv.field-delimiter", ";")]).unwrap(), ["x|y"]);
    assert_eq!(read("x\ty\n", &[("csv.field-delimiter", "\\t")]).unwrap(), ["x|y"]);
    assert_eq!(read("'a,b',c\n", &[("csv.quote-character", "'")]).unwrap(), ["a,b|c"]);
    assert_eq!(
        read("\"x,y\"\n", &[("csv.disable-quote-character", "true")]).unwrap(),
        ["\"x|y\""]
    );
    assert_eq!(read("a\\,b,c\n", &[("csv.escape-character", "\\")]).unwrap(), ["a,b|c"]);
    assert_eq!(
        read("# a \" comment\nx,y\n#end", &[("csv.allow-comments", "true")]).unwrap(),
        ["x|y"]
    );
    assert_eq!(
        read("NIL,\"NIL\"\n", &[("csv.null-literal", "NIL")]).unwrap(),
        ["NULL|NIL"]
    );
    assert_eq!(read("a,b\nx,y\n", &[("csv.header", "true")]).unwrap(), ["x|y"]);
    let lenient = [("csv.ignore-parse-errors", "true")];
    assert_eq!(read("x\nx,y,z\n\"a\"b,c\nq,w\n", &lenient).unwrap(), ["x|NULL", "q|w"]);
}

#[test]
fn an_error_names_file_line_and_column() {
    assert!(message(read("x,y\nx\n", &[])).contains("line 2 has 1 fields, but the table has 2 columns"));
    let open = message(read("x,y\n\"a\nb", &[]));
    assert!(
        open.contains("line 2, column 1 (a)") && open.contains("a quote is not closed"),
        "{open}"
    );
    let text = message(read("x,y\n\"a\nb\",\"c\"d\n", &[]));
    assert!(
        text.contains("line 2, column 2 (b)") && text.contains("text follows a closing quote"),
        "{text}"
    );
    assert!(message(read(b"x,\xff\xfe\n", &[])).contains("it is no STRING"));

    let mut world = World::new();
    world.write(
        "t/sub/data.csv",
        "1,2024-01-01 00:00:00,\n,,true\n3,2024-01-01 00:00:00.5,maybe\n",
    );
    let columns = [("n", DataType::Int32), ("ts", TIMESTAMP), ("f", DataType::Boolean)];
    world.csv_table("t", &columns).add();
    let error = world.scan("t").unwrap_err().message;
    let expected = "line 3, column 3 (f): \"maybe\" can't be read: it is no BOOLEAN";
    assert!(error.contains("sub/data.csv") && error.contains(expected), "{error}");
    let error = run_all(&world, "SELECT * FROM t").map(|_| ()).unwrap_err().message;
    assert!(error.contains(expected), "{error}");
    world
        .csv_table("t", &columns)
        .option("csv.ignore-parse-errors", "true")
        .add();
    let rows = lines(&world.scan("t").unwrap());
    assert_eq!(
        rows,
        [
            "1|2024-01-01T00:00:00|NULL",
            "NULL|NULL|true",
            "3|2024-01-01T00:00:00.500|NULL"
        ]
    );
}

#[test]
fn a_plan_reads_only_what_it_wants() {
    let mut world = World::new();
    world.write("t/0", "1,not a number\n2,\n");
    world
        .csv_table("t", &[("a", DataType::Int64), ("b", DataType::Int64)])
        .computed("c", "a * 10", DataType::Int64)
        .add();
    assert_eq!(run_all(&world, "SELECT c FROM t").unwrap().rows, ["+I 10", "+I 20"]);
    assert_eq!(run_all(&world, "SELECT count(*) FROM t").unwrap().rows, ["+I 2"]);
    assert!(run_all(&world, "SELECT b FROM t").is_err());
}

/// A watched directory with the query `SELECT * FROM t`.
fn watched() -> World {
    let mut world = World::new();
    world
        .csv_table("t", &TEXTS)
        .option("source.monitor-interval", "1 ms")
        .add();
    world
}

/// Steps until the source has looked again and found nothing.
fn settle(flow: &mut dyn Dataflow, output: &mut Output) {
    run(flow, output).unwrap();
    let deadline = std::time::Instant::now() + std::time::Duration::from_millis(2);
    while std::time::Instant::now() < deadline {
        run(flow, output).unwrap();
    }
    run(flow, output).unwrap();
}

fn append(world: &World, name: &str, bytes: &[u8]) {
    let file = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(world.path().join(name));
    file.unwrap().write_all(bytes).unwrap();
}

#[test]
fn a_growing_file_gives_whole_records_wherever_it_is_cut() {
    let content = "ä,\"x\r\ny\"\"z\"\r\nb,日\n\"q\",w\n".as_bytes();
    let expected = ["+I ä|x\r\ny\"z", "+I b|日", "+I q|w"];
    for cut in 0..=content.len() {
        let world = watched();
        let mut flow = world.dataflow("SELECT * FROM t").unwrap();
        let mut output = Output::default();
        world.write("t/0", &content[..cut]);
        settle(flow.as_mut(), &mut output);
        let state = through_ipc(flow.snapshot().unwrap());
        let mut restored = world.dataflow("SELECT * FROM t").unwrap();
        restored.restore(state).unwrap();
        append(&world, "t/0", &content[cut..]);
        settle(restored.as_mut(), &mut output);
        assert_eq!(output.rows, expected, "cut at {cut}");
    }
}

#[test]
fn a_last_line_without_its_end_waits() {
    let world = watched();
    world.write("t/0", "a,1\nb,2");
    world.write("t/.hidden", "no,no\n");
    world.write("t/_temporary/0", "no,no\n");
    let mut flow = world.dataflow("SELECT * FROM t").unwrap();
    let mut output = Output::default();
    settle(flow.as_mut(), &mut output);
    assert_eq!(output.rows, ["+I a|1"]);
    append(&world, "t/0", b"2\n");
    world.write("t/1", "c,3\n");
    settle(flow.as_mut(), &mut output);
    assert_eq!(output.rows, ["+I a|1", "+I b|22", "+I c|3"]);
    assert_eq!(lines(&world.scan("t").unwrap()).len(), 3);
}

#[test]
fn a_changed_file_is_refused() {
    let sql = "SELECT * FROM t";
    for (change, reason) in [("a,1\n", "shorter"), ("x,1\nb,2\nc,3\n", "begins otherwise")] {
        let world = watched();
        world.write("t/0", "a,1\nb,2\n");
        let mut flow = world.dataflow(sql).unwrap();
        settle(flow.as_mut(), &mut Output::default());
        let state = flow.snapshot().unwrap();
        world.write("t/0", change);
        let error = world.dataflow(sql).unwrap().restore(state.clone()).unwrap_err();
        assert!(error.message.contains(reason), "{error}");
        let failure = loop {
            match flow.step() {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(failure.message.contains(reason), "{failure}");

        std::fs::remove_file(world.path().join("t/0")).unwrap();
        world.dataflow(sql).unwrap().restore(state).unwrap();
    }
}

#[test]
fn a_file_that_is_gone_before_it_was_read_is_refused() {
    let mut world = World::new();
    world.write("t/0", "a,1\n");
    world.write("t/1", "b,2\n");
    world.csv_table("t", &TEXTS).add();
    let mut flow = world.dataflow("SELECT * FROM t").unwrap();
    flow.step().unwrap();
    let state = flow.snapshot().unwrap();
    std::fs::remove_file(world.path().join("t/1")).unwrap();
    assert!(world.dataflow("SELECT * FROM t").unwrap().restore(state).is_err());
}

#[test]
fn a_bounded_read_keeps_to_the_files_of_its_start() {
    let mut world = World::new();
    world.write("t/0", "a,1\n");
    world.write("t/1", "b,2\n");
    world.csv_table("t", &TEXTS).add();
    let mut flow = world.dataflow("SELECT * FROM t").unwrap();
    let mut output = Output::default();
    output.take(flow.step().unwrap());
    world.write("t/2", "c,3\n");
    let state = through_ipc(flow.snapshot().unwrap());
    let mut flow = world.dataflow("SELECT * FROM t").unwrap();
    flow.restore(state).unwrap();
    run(flow.as_mut(), &mut output).unwrap();
    assert_eq!(output.rows, ["+I a|1", "+I b|2"]);
}

#[test]
fn large_files_are_read_in_parts() {
    let mut world = World::new();
    let row = |n: usize| format!("{n},\"{}\"\n", "x".repeat(n % 300));
    world.write("t/0", (0..20_000).map(row).collect::<String>());
    world
        .csv_table("t", &[("n", DataType::Int64), ("b", DataType::Utf8)])
        .add();
    let mut flow = world.dataflow("SELECT n, length(b) FROM t").unwrap();
    let first = flow.step().unwrap();
    assert!(first.rows_in > 1000 && first.rows_in < 20_000, "{}", first.rows_in);
    let state = flow.snapshot().unwrap();
    let mut flow = world.dataflow("SELECT n, length(b) FROM t").unwrap();
    flow.restore(state).unwrap();
    let mut output = Output::default();
    output.take(first);
    run(flow.as_mut(), &mut output).unwrap();
    let expected: Vec<String> = (0..20_000).map(|n| format!("+I {n}|{}", n % 300)).collect();
    assert_eq!(output.rows, expected);
}
