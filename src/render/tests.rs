//! Exact texts of every format and type, and what holds for any value.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::*;
use proptest::prelude::*;

use super::*;
use crate::ui::text::{is_hidden, width};

fn batch(columns: Vec<(&str, ArrayRef)>) -> Batch {
    let fields: Vec<_> = columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), true))
        .collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    Batch::inserts(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap())
}

fn render_all(format: Format, options: &Options, changelog: bool, batches: &[Batch]) -> String {
    let mut out = Vec::new();
    let mut renderer = renderer(format, options);
    renderer
        .begin(batches[0].rows.schema_ref(), changelog, &mut out)
        .unwrap();
    for batch in batches {
        renderer.batch(batch, &mut out).unwrap();
    }
    renderer.end(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn render(format: Format, batch: Batch) -> String {
    render_all(format, &Options::default(), false, &[batch])
}

fn terminal(columns: usize) -> Options {
    Options {
        terminal: true,
        width: Some(columns),
        unicode: true,
        ..Options::default()
    }
}

fn strings(values: &[Option<&str>]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn flights() -> Batch {
    batch(vec![
        ("carrier", strings(&[Some("UA"), Some("B6"), Some("EV")])),
        ("flights", Arc::new(Int64Array::from(vec![912, 877, 803]))),
        ("delay", Arc::new(Float64Array::from(vec![12.1, 13.0, 19.9]))),
    ])
}

fn clicks() -> Batch {
    Batch {
        kinds: Some(vec![RowKind::Insert, RowKind::UpdateBefore, RowKind::UpdateAfter]),
        ..batch(vec![
            ("user", strings(&[Some("u1"), Some("u1"), None])),
            ("op", strings(&[Some("/a"), Some(""), Some("/b")])),
        ])
    }
}

#[test]
fn a_table_on_a_terminal() {
    assert_eq!(
        render_all(Format::Table, &terminal(80), false, &[flights()]),
        "\
┌─────────┬─────────┬───────┐
│ carrier │ flights │ delay │
├─────────┼─────────┼───────┤
│ UA      │     912 │  12.1 │
│ B6      │     877 │  13.0 │
│ EV      │     803 │  19.9 │
└─────────┴─────────┴───────┘
"
    );
}

#[test]
fn a_table_in_a_pipe() {
    assert_eq!(
        render(Format::Table, flights()),
        "\
+---------+---------+-------+
| carrier | flights | delay |
+---------+---------+-------+
| UA      |     912 |  12.1 |
| B6      |     877 |  13.0 |
| EV      |     803 |  19.9 |
+---------+---------+-------+
"
    );
}

#[test]
fn a_table_without_rows_and_one_without_a_header() {
    let empty = Batch::inserts(flights().rows.slice(0, 0));
    assert_eq!(
        render(Format::Table, empty),
        "\
+---------+---------+-------+
| carrier | flights | delay |
+---------+---------+-------+
+---------+---------+-------+
"
    );
    let bare = Options {
        show_header: false,
        ..Options::default()
    };
    assert_eq!(
        render_all(
            Format::Table,
            &bare,
            false,
            &[batch(vec![("a", strings(&[Some("x")]))])]
        ),
        "+---+\n| x |\n+---+\n"
    );
}

#[test]
fn a_changelog_has_its_op_first_in_every_format() {
    let of = |format| render_all(format, &Options::default(), true, &[clicks()]);
    assert_eq!(
        of(Format::Table),
        "\
+----+------+----+
| op | user | op |
+----+------+----+
| +I | u1   | /a |
| -U | u1   |    |
| +U | NULL | /b |
+----+------+----+
"
    );
    assert_eq!(of(Format::Csv), "op,user,op\n+I,u1,/a\n-U,u1,\"\"\n+U,,/b\n");
    assert_eq!(of(Format::Tsv), "op\tuser\top\n+I\tu1\t/a\n-U\tu1\t\"\"\n+U\t\t/b\n");
    assert_eq!(
        of(Format::Jsonl),
        "{\"op\":\"+I\",\"user\":\"u1\",\"op_2\":\"/a\"}\n{\"op\":\"-U\",\"user\":\"u1\",\"op_2\":\"\"}\n{\"op\":\"+U\",\"user\":null,\"op_2\":\"/b\"}\n"
    );
    assert_eq!(
        of(Format::Vertical),
        "\
-[ 1 ]------------------
op    +I
user  u1
op    /a
-[ 2 ]------------------
op    -U
user  u1
op    
-[ 3 ]------------------
op    +U
user  NULL
op    /b
"
    );
}

#[test]
fn a_flush_shows_what_came_with_room_for_what_comes() {
    let mut out = Vec::new();
    let mut table = renderer(Format::Table, &terminal(40));
    let count = |n: i64| {
        batch(vec![
            ("n", Arc::new(Int64Array::from(vec![n]))),
            ("s", strings(&[Some("x")])),
        ])
    };
    table.begin(count(1).rows.schema_ref(), false, &mut out).unwrap();
    table.flush(&mut out).unwrap();
    assert!(out.is_empty());
    table.batch(&count(1), &mut out).unwrap();
    assert!(out.is_empty());
    table.flush(&mut out).unwrap();
    assert_eq!(
        String::from_utf8(out.clone()).unwrap(),
        "\
┌──────────────┬──────────────────┐
│            n │ s                │
├──────────────┼──────────────────┤
│            1 │ x                │
"
    );
    out.clear();
    table.batch(&count(123_456_789_012), &mut out).unwrap();
    table.end(&mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "\
│ 123456789012 │ x                │
└──────────────┴──────────────────┘
"
    );
}

#[test]
fn the_first_thousand_rows_decide_and_a_later_wide_text_is_cut_on_a_terminal() {
    let many = batch(vec![
        ("s", strings(&vec![Some("ab"); 1000])),
        ("n", Arc::new(Int64Array::from(vec![1; 1000]))),
    ]);
    let later = batch(vec![
        ("s", strings(&[Some("abcdefgh"), Some("漢字")])),
        ("n", Arc::new(Int64Array::from(vec![i64::MIN, 2]))),
    ]);
    let of = |options: &Options| {
        let text = render_all(Format::Table, options, false, &[many.clone(), later.clone()]);
        text.lines().skip(1002).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        of(&terminal(80)),
        [
            "│ ab │            1 │",
            "│ a… │ -9223372036854775808 │",
            "│ …  │            2 │",
            "└────┴──────────────┘",
        ]
    );
    assert_eq!(
        of(&Options::default())[1..3],
        ["| abcdefgh | -9223372036854775808 |", "| 漢字 |            2 |"]
    );
}

#[test]
fn a_table_fits_the_terminal_by_narrowing_its_widest_texts() {
    let wide = batch(vec![
        ("id", Arc::new(Int64Array::from(vec![123_456_789]))),
        ("short", strings(&[Some("abc")])),
        ("long", strings(&[Some("the quick brown fox jumps over the lazy dog")])),
        ("longer", strings(&[Some(&"ab".repeat(50))])),
    ]);
    let of = |columns| render_all(Format::Table, &terminal(columns), false, std::slice::from_ref(&wide));
    let text = of(60);
    assert_eq!(
        text.lines().nth(3),
        Some("│ 123456789 │ abc   │ the quick brown… │ abababababababa… │")
    );
    assert!(text.lines().all(|line| width(line) <= 60), "{text}");
    assert!(of(20).starts_with("─[ 1 ]──────────────────\nid      123456789\n"));
}

#[test]
fn a_single_column_is_wrapped_and_line_ends_are_kept() {
    let plan = batch(vec![(
        "plan",
        strings(&[Some("Sort: a\n  Scan: t, columns=[a, b]"), Some("x")]),
    )]);
    assert_eq!(
        render_all(Format::Table, &terminal(20), false, std::slice::from_ref(&plan)),
        "\
┌──────────────────┐
│ plan             │
├──────────────────┤
│ Sort: a         ↵│
│   Scan: t, colum…│
│ ns=[a, b]        │
│ x                │
└──────────────────┘
"
    );
    assert_eq!(
        render(Format::Table, plan),
        "\
+---------------------------+
| plan                      |
+---------------------------+
| Sort: a                  +|
|   Scan: t, columns=[a, b] |
| x                         |
+---------------------------+
"
    );
}

#[test]
fn escapes_and_widths_in_a_table() {
    let odd = batch(vec![
        (
            "漢\x1b",
            strings(&[Some("\x1b[31mred"), Some("tab\there"), Some("👍é")]),
        ),
        ("b", strings(&[Some("e\u{301}"), Some("\u{202e}abc"), None])),
    ]);
    assert_eq!(
        render_all(Format::Table, &terminal(80), false, &[odd]),
        "\
┌───────────────┬─────────────┐
│ 漢\\u{1b}      │ b           │
├───────────────┼─────────────┤
│ \\u{1b}[31mred │ e\u{301}           │
│ tab    here   │ \\u{202e}abc │
│ 👍é           │ NULL        │
└───────────────┴─────────────┘
"
    );
}

#[test]
fn vertical_shows_lines_under_each_other() {
    let ddl = batch(vec![
        ("name", strings(&[Some("t"), None])),
        ("ddl", strings(&[Some("CREATE TABLE t (\n\ta INT)"), Some("")])),
    ]);
    assert_eq!(
        render_all(Format::Vertical, &terminal(80), false, std::slice::from_ref(&ddl)),
        "\
─[ 1 ]──────────────────
name  t
ddl   CREATE TABLE t (
          a INT)
─[ 2 ]──────────────────
name  NULL
ddl   
"
    );
    let bare = Options {
        show_header: false,
        null: "-".to_owned(),
        ..Options::default()
    };
    assert_eq!(
        render_all(Format::Vertical, &bare, false, &[ddl]),
        "name  t\nddl   CREATE TABLE t (\n          a INT)\n\nname  -\nddl   \n"
    );
}

#[test]
fn csv_quotes_what_must_be_quoted() {
    let odd = batch(vec![
        (
            "a,b",
            strings(&[Some("x"), Some(""), None, Some("q\"q"), Some("l\nl"), Some("c,c")]),
        ),
        (
            "t",
            strings(&[Some("t\tt"), Some(" "), Some("r\r"), Some("\x1b"), Some("é"), None]),
        ),
    ]);
    assert_eq!(
        render(Format::Csv, odd.clone()),
        "\"a,b\",t\nx,t\tt\n\"\", \n,\"r\r\"\n\"q\"\"q\",\x1b\n\"l\nl\",é\n\"c,c\",\n"
    );
    assert_eq!(
        render(Format::Tsv, odd.clone()),
        "a,b\tt\nx\t\"t\tt\"\n\"\"\t \n\t\"r\r\"\n\"q\"\"q\"\t\x1b\n\"l\nl\"\té\nc,c\t\n"
    );
    let quiet = Options {
        show_header: false,
        delimiter: '-',
        ..Options::default()
    };
    let minus = batch(vec![
        ("n", Arc::new(Int32Array::from(vec![-1, 1]))),
        ("s", strings(&[None, Some("a-b")])),
    ]);
    assert_eq!(render_all(Format::Dsv, &quiet, false, &[minus]), "\"-1\"-\n1-\"a-b\"\n");
    // Shown on a terminal, nothing acts on it.
    let shown = render_all(Format::Csv, &terminal(80), false, &[odd]);
    assert!(shown.contains("\"q\"\"q\",\\u{1b}\nl\\nl,é\n"), "{shown}");
}

#[test]
fn json_is_one_array_and_jsonl_an_object_a_line() {
    assert_eq!(
        render(Format::Json, flights()),
        "[\n{\"carrier\":\"UA\",\"flights\":912,\"delay\":12.1},\n{\"carrier\":\"B6\",\"flights\":877,\"delay\":13.0},\n{\"carrier\":\"EV\",\"flights\":803,\"delay\":19.9}\n]\n"
    );
    let empty = Batch::inserts(flights().rows.slice(0, 0));
    assert_eq!(render(Format::Json, empty.clone()), "[]\n");
    assert_eq!(render(Format::Jsonl, empty), "");
    assert_eq!(
        render(
            Format::Jsonl,
            batch(vec![("a\"", strings(&[Some("\\\x1b\u{9b}\u{e0041}\n"), None]))])
        ),
        "{\"a\\\"\":\"\\\\\\u001b\\u009b\\udb40\\udc41\\n\"}\n{\"a\\\"\":null}\n"
    );
}

/// Asserts how a value shows to a person, in csv and in JSON; the column has a NULL after it.
#[track_caller]
fn assert_value(array: impl Array + 'static, person: &str, program: &str, json: &str) {
    let array: ArrayRef = Arc::new(array);
    assert_eq!(array.len(), 1);
    let null = new_null_array(array.data_type(), 1);
    let with_null = arrow::compute::concat(&[&array, &null]).unwrap();
    let batch = batch(vec![("k", strings(&[Some("k"), Some("k")])), ("v", with_null)]);
    let vertical = render(Format::Vertical, batch.clone());
    assert_eq!(vertical.lines().nth(2), Some(format!("v  {person}").as_str()));
    assert_eq!(vertical.lines().nth(5), Some("v  NULL"));
    assert_eq!(render(Format::Csv, batch.clone()), format!("k,v\nk,{program}\nk,\n"));
    let lines = render(Format::Jsonl, batch);
    assert_eq!(
        lines,
        format!("{{\"k\":\"k\",\"v\":{json}}}\n{{\"k\":\"k\",\"v\":null}}\n")
    );
    for line in lines.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
}

/// A value that shows alike everywhere, in quotes in JSON.
#[track_caller]
fn assert_quoted(array: impl Array + 'static, text: &str) {
    assert_value(array, text, text, &format!("\"{text}\""));
}

/// A value that shows alike everywhere.
#[track_caller]
fn assert_number(array: impl Array + 'static, text: &str) {
    assert_value(array, text, text, text);
}

#[test]
fn numbers() {
    assert_number(Int8Array::from(vec![-128]), "-128");
    assert_number(Int16Array::from(vec![i16::MIN]), "-32768");
    assert_number(Int32Array::from(vec![7]), "7");
    assert_number(Int64Array::from(vec![i64::MIN]), "-9223372036854775808");
    assert_number(UInt8Array::from(vec![255]), "255");
    assert_number(UInt16Array::from(vec![65535]), "65535");
    assert_number(UInt32Array::from(vec![u32::MAX]), "4294967295");
    assert_number(UInt64Array::from(vec![u64::MAX]), "18446744073709551615");
    assert_number(Float32Array::from(vec![1.1]), "1.1");
    assert_number(Float64Array::from(vec![1e10]), "1.0E10");
    assert_quoted(Float64Array::from(vec![f64::NAN]), "NaN");
    assert_quoted(Float32Array::from(vec![f32::NEG_INFINITY]), "-Infinity");
    assert_value(BooleanArray::from(vec![true]), "TRUE", "true", "true");
    assert_value(BooleanArray::from(vec![false]), "FALSE", "false", "false");
    let decimal = Decimal128Array::from(vec![-123_456_789_012_345_678_901_234_567_890])
        .with_precision_and_scale(38, 10)
        .unwrap();
    assert_number(decimal, "-12345678901234567890.1234567890");
    let wide = Decimal256Array::from(vec![i256::from_string(&"9".repeat(76)).unwrap()])
        .with_precision_and_scale(76, 0)
        .unwrap();
    assert_number(wide, &"9".repeat(76));
    let cents = Decimal64Array::from(vec![5]).with_precision_and_scale(10, 2).unwrap();
    assert_number(cents, "0.05");
    assert_number(
        Decimal32Array::from(vec![15]).with_precision_and_scale(9, 1).unwrap(),
        "1.5",
    );
}

#[test]
fn dates_times_and_intervals() {
    assert_quoted(Date32Array::from(vec![19_675]), "2023-11-14");
    assert_quoted(Date64Array::from(vec![1_700_000_000_123]), "2023-11-14");
    assert_quoted(Time32SecondArray::from(vec![80_000]), "22:13:20");
    assert_quoted(Time32MillisecondArray::from(vec![80_000_123]), "22:13:20.123");
    assert_quoted(Time64MicrosecondArray::from(vec![1]), "00:00:00.000001");
    assert_quoted(Time64NanosecondArray::from(vec![1]), "00:00:00.000000001");
    assert_quoted(TimestampSecondArray::from(vec![0]), "1970-01-01 00:00:00");
    assert_quoted(
        TimestampMillisecondArray::from(vec![1_700_000_000_123]),
        "2023-11-14 22:13:20.123",
    );
    assert_quoted(TimestampMicrosecondArray::from(vec![-1]), "1969-12-31 23:59:59.999999");
    assert_quoted(
        TimestampNanosecondArray::from(vec![1]).with_timezone("Europe/Berlin"),
        "1970-01-01 00:00:00.000000001Z",
    );
    assert_quoted(IntervalYearMonthArray::from(vec![14]), "+1-02");
    assert_quoted(
        IntervalDayTimeArray::from(vec![IntervalDayTime::new(2, 36_000_000)]),
        "+2 10:00:00.000",
    );
    assert_quoted(
        IntervalMonthDayNanoArray::from(vec![IntervalMonthDayNano::new(-1, 1, 5)]),
        "-0-01 +1 00:00:00.000000005",
    );
    assert_quoted(DurationMillisecondArray::from(vec![-1500]), "-0 00:00:01.500");
}

#[test]
fn texts_and_bytes() {
    assert_quoted(StringArray::from(vec!["é"]), "é");
    assert_quoted(LargeStringArray::from(vec!["é"]), "é");
    assert_quoted(StringViewArray::from(vec!["é"]), "é");
    assert_value(
        BinaryArray::from(vec![&b"\x00hi"[..]]),
        "x'006869'",
        "006869",
        "\"006869\"",
    );
    assert_value(LargeBinaryArray::from(vec![&b"hi"[..]]), "x'6869'", "6869", "\"6869\"");
    assert_value(BinaryViewArray::from(vec![&b"hi"[..]]), "x'6869'", "6869", "\"6869\"");
    assert_value(BinaryArray::from(vec![&b""[..]]), "x''", "\"\"", "\"\"");
    assert_value(
        FixedSizeBinaryArray::try_from(vec![&b"hi"[..]]).unwrap(),
        "x'6869'",
        "6869",
        "\"6869\"",
    );
}

#[test]
fn nested_values() {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1), None, Some(3)])]);
    assert_value(list, "[1, NULL, 3]", "\"[1, NULL, 3]\"", "[1,null,3]");
    let large = LargeListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1)])]);
    assert_value(large, "[1]", "[1]", "[1]");
    let fixed = FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1), Some(2)])], 2);
    assert_value(fixed, "[1, 2]", "\"[1, 2]\"", "[1,2]");
    let fields = Fields::from(vec![
        Field::new("a", DataType::Int32, true),
        Field::new("b", DataType::Utf8, true),
    ]);
    let row = StructArray::new(
        fields,
        vec![Arc::new(Int32Array::from(vec![1])), strings(&[None])],
        None,
    );
    assert_value(row, "(1, NULL)", "\"(1, NULL)\"", "{\"a\":1,\"b\":null}");
    let mut map = MapBuilder::new(None, Int32Builder::new(), StringBuilder::new());
    map.keys().append_value(1);
    map.values().append_value("x\"y");
    map.keys().append_value(2);
    map.values().append_null();
    map.append(true).unwrap();
    assert_value(
        map.finish(),
        "{1=x\"y, 2=NULL}",
        "\"{1=x\"\"y, 2=NULL}\"",
        "{\"1\":\"x\\\"y\",\"2\":null}",
    );
}

#[test]
fn encoded_and_sliced_arrays() {
    let dictionary: DictionaryArray<Int8Type> = [Some("a"), None, Some("b"), Some("a")].into_iter().collect();
    assert_eq!(
        render(
            Format::Csv,
            batch(vec![
                ("d", Arc::new(dictionary.slice(1, 3))),
                ("n", Arc::new(NullArray::new(3)))
            ])
        ),
        "d,n\n,\nb,\na,\n"
    );
    let nulls: DictionaryArray<Int8Type> = [None::<&str>].into_iter().collect();
    assert_eq!(
        render(Format::Jsonl, batch(vec![("d", Arc::new(nulls))])),
        "{\"d\":null}\n"
    );
    let inner = Int32Array::from(vec![1, 2, 3, 4]);
    let lists = ListArray::new(
        Arc::new(Field::new("item", DataType::Int32, true)),
        OffsetBuffer::new(vec![0, 1, 3, 4].into()),
        Arc::new(inner),
        Some(NullBuffer::from(vec![true, true, false])),
    );
    assert_eq!(
        render(Format::Jsonl, batch(vec![("l", Arc::new(lists.slice(1, 2)))])),
        "{\"l\":[2,3]}\n{\"l\":null}\n"
    );
    let ends = Int32Array::from(vec![2, 3]);
    let runs = RunArray::<Int32Type>::try_new(&ends, &StringArray::from(vec![Some("a"), Some("b")])).unwrap();
    assert_eq!(render(Format::Csv, batch(vec![("r", Arc::new(runs))])), "r\na\na\nb\n");
}

#[test]
fn a_number_that_travels_as_text_stays_a_number() {
    let field = Field::new("d", DataType::Utf8, true)
        .with_metadata(HashMap::from([(ENGINE_TYPE.to_owned(), "DECIMAL(90, 1)".to_owned())]));
    let rows = RecordBatch::try_new(
        Arc::new(Schema::new(vec![field])),
        vec![strings(&[Some("123.0"), Some("oops"), None])],
    )
    .unwrap();
    let batch = Batch::inserts(rows);
    assert_eq!(
        render(Format::Jsonl, batch.clone()),
        "{\"d\":123.0}\n{\"d\":\"oops\"}\n{\"d\":null}\n"
    );
    assert_eq!(render(Format::Csv, batch.clone()), "d\n123.0\noops\n\n");
    assert_eq!(render(Format::Table, batch).lines().nth(4), Some("|  oops |"));
}

#[test]
fn an_error_of_the_writer_comes_through() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for format in Format::all() {
        let mut renderer = renderer(format, &Options::default());
        let result = renderer
            .begin(flights().rows.schema_ref(), false, &mut Gone)
            .and_then(|()| renderer.batch(&flights(), &mut Gone))
            .and_then(|()| renderer.end(&mut Gone));
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::BrokenPipe, "{format}");
    }
}

fn any_column() -> impl Strategy<Value = Vec<Option<String>>> {
    proptest::collection::vec(proptest::option::of(".*|[\u{0}-\u{ff}\",\t|]{0,6}"), 1..20)
}

fn pairs(values: &[Option<String>]) -> Batch {
    let texts: StringArray = values.iter().map(Option::as_deref).collect();
    let numbers: Int64Array = (0..values.len() as i64).collect::<Vec<_>>().into();
    batch(vec![("n", Arc::new(numbers)), ("s\"\x1b\n", Arc::new(texts))])
}

proptest! {
    #[test]
    fn csv_reads_back(values in any_column()) {
        for (format, delimiter) in [(Format::Csv, b','), (Format::Tsv, b'\t'), (Format::Dsv, b'|')] {
            let text = render(format, pairs(&values));
            let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text.as_bytes());
            prop_assert_eq!(&reader.headers().unwrap()[1], "s\"\x1b\n");
            let back: Vec<String> = reader.records().map(|record| record.unwrap()[1].to_owned()).collect();
            let expected: Vec<String> = values.iter().map(|value| value.clone().unwrap_or_default()).collect();
            prop_assert_eq!(back, expected);
        }
    }

    #[test]
    fn csv_tells_null_from_empty(empty in proptest::collection::vec(proptest::bool::ANY, 1..20)) {
        let values: Vec<_> = empty.iter().map(|&empty| empty.then(String::new)).collect();
        let text = render(Format::Csv, batch(vec![
            ("n", Arc::new(Int8Array::from(vec![1; values.len()]))),
            ("s", Arc::new(StringArray::from(values))),
        ]));
        let back: Vec<bool> = text.lines().skip(1).map(|line| line == "1,\"\"").collect();
        prop_assert_eq!(back, empty);
    }

    #[test]
    fn json_reads_back_and_is_safe_to_show(values in any_column()) {
        let expected: Vec<_> = values
            .iter()
            .enumerate()
            .map(|(n, value)| serde_json::json!({"n": n, "s\"\x1b\n": value}))
            .collect();
        let text = render(Format::Json, pairs(&values));
        prop_assert!(!text.chars().any(|c| is_hidden(c) && c != '\n'));
        prop_assert_eq!(serde_json::from_str::<Vec<serde_json::Value>>(&text).unwrap(), expected.clone());
        let text = render(Format::Jsonl, pairs(&values));
        let back: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        prop_assert_eq!(back, expected);
    }

    #[test]
    fn no_format_for_people_acts_on_the_terminal(values in any_column(), columns in 1usize..100, unicode: bool) {
        let options = Options { unicode, ..terminal(columns) };
        for format in Format::all() {
            for options in [&options, &Options { terminal: format == Format::Csv, ..Options::default() }] {
                if !format.is_for_people() && !options.terminal {
                    continue;
                }
                let text = render_all(format, options, true, &[pairs(&values), pairs(&values)]);
                // The tab is the delimiter of tsv.
                prop_assert!(!text.chars().any(|c| is_hidden(c) && c != '\n' && (c, format) != ('\t', Format::Tsv)), "{:?}", text);
            }
        }
    }

    #[test]
    fn the_frame_of_a_table_holds_on_a_terminal(values in any_column(), columns in 30usize..100) {
        let text = render_all(Format::Table, &terminal(columns), false, &[pairs(&values)]);
        let mut widths: Vec<usize> = text.lines().map(width).collect();
        widths.dedup();
        prop_assert_eq!(widths.len(), 1, "{}", text);
        prop_assert!(widths[0] <= columns);
    }
}
