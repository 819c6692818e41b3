//! Exact texts of every format.

mod properties;
mod values;

use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::*;

use super::*;
use crate::ui::text::width;

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
fn a_first_null_leaves_room_for_the_values_of_its_type() {
    let of = |at: Option<i64>| {
        batch(vec![
            ("b", Arc::new(BooleanArray::from(vec![at.map(|_| false)]))),
            (
                "t",
                Arc::new(TimestampMillisecondArray::from(vec![at]).with_timezone("UTC")),
            ),
        ])
    };
    let mut out = Vec::new();
    let mut table = renderer(Format::Table, &terminal(60));
    table.begin(of(None).rows.schema_ref(), true, &mut out).unwrap();
    table.batch(&of(None), &mut out).unwrap();
    table.flush(&mut out).unwrap();
    table.batch(&of(Some(0)), &mut out).unwrap();
    table.end(&mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "\
┌────┬───────┬──────────────────────────┐
│ op │ b     │ t                        │
├────┼───────┼──────────────────────────┤
│ +I │ NULL  │ NULL                     │
│ +I │ FALSE │ 1970-01-01 00:00:00.000Z │
└────┴───────┴──────────────────────────┘
"
    );
}

#[test]
fn no_format_holds_rows_back_once_the_first_are_shown() {
    let rows = batch(vec![("n", Arc::new(Int64Array::from(vec![7; 5000])))]);
    for format in Format::all() {
        let mut renderer = renderer(format, &Options::default());
        let mut out = Vec::new();
        renderer.begin(rows.rows.schema_ref(), false, &mut out).unwrap();
        renderer.batch(&rows, &mut out).unwrap();
        let sizes: Vec<usize> = (0..3)
            .map(|_| {
                let before = out.len();
                renderer.batch(&rows, &mut out).unwrap();
                out.len() - before
            })
            .collect();
        assert!(sizes[0] > 5000, "{format}");
        if format != Format::Vertical {
            assert!(sizes.iter().all(|&size| size == sizes[0]), "{format}: {sizes:?}");
        }
    }
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

#[test]
fn markdown_escapes_what_means_something_there() {
    let odd = batch(vec![
        ("a_b", strings(&[Some("x|y"), Some("l\nl"), None])),
        ("n", Arc::new(Int32Array::from(vec![-1, 2, 3]))),
    ]);
    assert_eq!(
        render(Format::Markdown, odd),
        "| a\\_b | n |\n| --- | ---: |\n| x\\|y | -1 |\n| l<br>l | 2 |\n| NULL | 3 |\n"
    );
}

#[test]
fn xml_leaves_nulls_out_and_escapes_the_rest() {
    let odd = batch(vec![
        ("EXPR$0", strings(&[Some("<a href=\"x\">&\n\x1b\u{9b}"), Some("")])),
        ("EXPR_0", Arc::new(Int32Array::from(vec![None, Some(1)]))),
        ("1", Arc::new(Int32Array::from(vec![2, 3]))),
    ]);
    assert_eq!(
        render(Format::XmlAttr, odd.clone()),
        "\
<resultset>
  <result EXPR_0=\"&lt;a href=&quot;x&quot;&gt;&amp;&#xa;\\u{1b}&#x9b;\" _1=\"2\"/>
  <result EXPR_0=\"\" EXPR_0_2=\"1\" _1=\"3\"/>
</resultset>
"
    );
    let odd = Batch::inserts(odd.rows.slice(1, 1));
    assert_eq!(
        render_all(Format::XmlElements, &Options::default(), true, &[odd]),
        "\
<resultset>
  <result>
    <op>+I</op>
    <EXPR_0></EXPR_0>
    <EXPR_0_2>1</EXPR_0_2>
    <_1>3</_1>
  </result>
</resultset>
"
    );
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
