//! Pages that real gateways answered, and pages that none would.

use std::fmt::Write as _;
use std::path::PathBuf;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Int64Type};
use proptest::prelude::*;
use skep_engine::{Batch, ENGINE_TYPE, ErrorKind, RowKind};

use super::decode::Decoder;
use super::page::{self, ResultType};
use crate::render::{self, Format, Options};

const VERSIONS: [&str; 2] = ["1.20.3", "2.3.0"];

fn data(version: &str, file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/flink/types")
        .join(version)
        .join(file)
}

/// What `record.py` wrote: `SQL …`, then the answers, each after the name of its row format.
fn recorded(version: &str) -> String {
    std::fs::read_to_string(data(version, "recorded.txt")).unwrap()
}

/// The recorded pages as they came.
fn pages(version: &str) -> Vec<String> {
    recorded(version)
        .lines()
        .filter_map(|line| line.split_once(" {"))
        .filter(|(format, _)| matches!(*format, "JSON" | "PLAIN_TEXT"))
        .map(|(_, page)| format!("{{{page}"))
        .collect()
}

fn decode(bytes: &[u8]) -> skep_engine::Result<(Decoder, Option<Batch>)> {
    let page = page::read(bytes)?;
    let results = page.results.expect("it has results");
    let decoder = Decoder::new(results.columns.clone(), results.row_format);
    let batch = decoder.decode(&results)?;
    Ok((decoder, batch))
}

/// The rows of a page, of columns with these logical types, in JSON.
fn rows(types: &[&str], rows: &str) -> skep_engine::Result<Option<Batch>> {
    let columns: Vec<String> = types
        .iter()
        .enumerate()
        .map(|(at, logical_type)| format!(r#"{{"name": "c{at}", "logicalType": {logical_type}}}"#))
        .collect();
    let page = format!(
        r#"{{"results": {{"data": {rows}, "columns": [{}]}}, "resultType": "EOS"}}"#,
        columns.join(", ")
    );
    Ok(decode(page.as_bytes())?.1)
}

/// The array of one column with that logical type and these values.
fn column(logical_type: &str, values: &[String]) -> skep_engine::Result<ArrayRef> {
    let data: Vec<String> = values
        .iter()
        .map(|value| format!(r#"{{"kind": "INSERT", "fields": [{value}]}}"#))
        .collect();
    let batch = rows(&[logical_type], &format!("[{}]", data.join(",")))?.expect("there are rows");
    Ok(batch.rows.column(0).clone())
}

fn refusal(logical_type: &str, value: &str) -> String {
    let error = column(logical_type, &[value.to_owned()]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Protocol);
    error.message
}

/// What a page says, for a person to check.
fn describe(page: &str) -> String {
    let (decoder, batch) = decode(page.as_bytes()).unwrap();
    let mut text = String::new();
    for field in decoder.schema().fields() {
        let engine_type = field.metadata().get(ENGINE_TYPE);
        let engine_type = engine_type.map(|name| format!(" for {name}")).unwrap_or_default();
        writeln!(text, "  {}: {}{engine_type}", field.name(), field.data_type()).unwrap();
    }
    if let Some(batch) = batch {
        let mut out = Vec::new();
        let mut renderer = render::renderer(Format::Jsonl, &Options::default());
        renderer
            .begin(&decoder.schema(), batch.kinds.is_some(), &mut out)
            .unwrap();
        renderer.batch(&batch, &mut out).unwrap();
        renderer.end(&mut out).unwrap();
        for line in String::from_utf8(out).unwrap().lines() {
            writeln!(text, "  {line}").unwrap();
        }
    }
    text
}

#[test]
fn what_real_gateways_answered_is_read_in_full() {
    for version in VERSIONS {
        let mut read = String::new();
        for line in recorded(version).lines() {
            match line.split_once(" {") {
                Some((format @ ("JSON" | "PLAIN_TEXT"), page)) => {
                    write!(read, "{format}\n{}", describe(&format!("{{{page}"))).unwrap();
                }
                _ => writeln!(read, "{line}").unwrap(),
            }
        }
        let expected = std::fs::read_to_string(data(version, "expected.txt")).unwrap_or_default();
        for (at, (read, expected)) in read.lines().zip(expected.lines()).enumerate() {
            assert_eq!(read, expected, "{version}, line {}", at + 1);
        }
        assert_eq!(read.lines().count(), expected.lines().count(), "{version}:\n{read}");
    }
}

#[test]
fn a_hundred_thousand_columns_of_one_name_are_read_and_shown_in_every_format() {
    const COLUMNS: usize = 100_000;
    let column = r#"{"name": "a", "logicalType": {"type": "INTEGER", "nullable": true}}"#;
    let page = format!(
        r#"{{"results": {{"data": [{{"kind": "INSERT", "fields": [{}]}}], "columns": [{}]}}, "resultType": "EOS"}}"#,
        vec!["7"; COLUMNS].join(","),
        vec![column; COLUMNS].join(",")
    );
    let (decoder, batch) = decode(page.as_bytes()).unwrap();
    let batch = batch.unwrap();
    assert_eq!(batch.rows.num_columns(), COLUMNS);
    for format in Format::all() {
        // A table that has to fit is shown as vertical.
        let options = Options {
            width: Some(80),
            ..Options::default()
        };
        let mut out = Vec::new();
        let mut renderer = render::renderer(format, &options);
        renderer.begin(&decoder.schema(), false, &mut out).unwrap();
        renderer.batch(&batch, &mut out).unwrap();
        renderer.end(&mut out).unwrap();
        let sevens = out.iter().filter(|byte| **byte == b'7').count();
        assert!(sevens >= COLUMNS, "{format}: {sevens}");
    }
}

#[test]
fn a_page_says_what_it_is() {
    let ready = br#"{"nextResultUri": "/v2/sessions/1f/operations/66/result/17?rowFormat=JSON", "later": [{}], "resultType": "NOT_READY"}"#;
    let page = page::read(ready).unwrap();
    assert_eq!((page.result_type, page.next_token), (ResultType::NotReady, Some(17)));
    assert!(page.results.is_none() && page.job_id.is_none());
    let end = br#"{"resultType":"EOS","isQueryResult":true,"jobID":"00f158af2bb8a35ecfe10eed1d44b930","resultKind":"SUCCESS_WITH_CONTENT","results":{"columns":[],"rowFormat":"PLAIN_TEXT","data":[]}}"#;
    let page = page::read(end).unwrap();
    assert_eq!((page.result_type, page.next_token), (ResultType::Eos, None));
    assert_eq!(page.is_query, Some(true));
    assert_eq!(page.kind, Some(page::ResultKind::SuccessWithContent));
    assert_eq!(page.job_id.unwrap().to_string(), "00f158af2bb8a35ecfe10eed1d44b930");
    assert_eq!(page.results.unwrap().row_format, page::RowFormat::PlainText);
}

#[test]
fn a_page_that_is_none_is_refused_with_the_reason() {
    for (body, reason) in [
        ("", "EOF while parsing"),
        ("<html>", "expected value"),
        (r#"{"resultType": "LATER"}"#, "unknown variant `LATER`"),
        (r#"{"resultType": 7}"#, "at line 1"),
        (r#"{}"#, "missing field `resultType`"),
        (r#"{"resultType": "EOS"}"#, "it has no `results`"),
        (r#"{"resultType": "EOS", "resultType": "EOS"}"#, "duplicate field"),
        (r#"{"resultType": "NOT_READY"}"#, "has no `nextResultUri`"),
        (
            r#"{"resultType": "NOT_READY", "nextResultUri": "http://elsewhere/"}"#,
            "names no token: http://elsewhere/",
        ),
        (
            r#"{"resultType": "NOT_READY", "nextResultUri": "/result/99999999999999999999"}"#,
            "names no token",
        ),
        (
            r#"{"resultType": "NOT_READY", "nextResultUri": "/result/?x"}"#,
            "names no token",
        ),
        (
            r#"{"resultType": "NOT_READY", "nextResultUri": "/result/+1"}"#,
            "names no token",
        ),
        (
            r#"{"resultType": "NOT_READY", "nextResultUri": "/result/1", "jobID": "xyz"}"#,
            "`jobID`: \"xyz\" is not a job id",
        ),
        (
            r#"{"resultType": "EOS", "results": {"columns": [{"name": "a", "logicalType": {"type": "CHAR"}}], "data": []}}"#,
            "the type of its column `a`: it has no number `length`",
        ),
        (
            r#"{"resultType": "EOS", "results": {"columns": []}}"#,
            "missing field `data`",
        ),
    ] {
        let error = page::read(body.as_bytes()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Protocol);
        assert!(error.message.contains(reason), "{}", error.message);
    }
    let deep = format!(
        r#"{{"resultType": "EOS", "results": {{"columns": [{{"name": "a", "logicalType": {}1{}}}], "data": []}}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert!(
        page::read(deep.as_bytes())
            .unwrap_err()
            .message
            .contains("recursion limit")
    );
}

#[test]
fn values_that_do_not_fit_are_refused_and_named() {
    let message = refusal(r#"{"type": "TINYINT"}"#, "128");
    assert!(
        message.contains("row 1, column `c0` (TINYINT): invalid value: integer `128`, expected a TINYINT"),
        "{message}"
    );
    for (logical_type, value) in [
        (r#"{"type": "BIGINT"}"#, "9223372036854775808"),
        (r#"{"type": "BIGINT"}"#, "1.0"),
        (r#"{"type": "BIGINT"}"#, "true"),
        (r#"{"type": "BOOLEAN"}"#, r#""yes""#),
        (r#"{"type": "BOOLEAN"}"#, "1"),
        (r#"{"type": "DOUBLE"}"#, r#""nan""#),
        (r#"{"type": "DOUBLE"}"#, "1e999"),
        (r#"{"type": "DOUBLE"}"#, "[1]"),
        (r#"{"type": "DECIMAL", "precision": 4, "scale": 2}"#, "123.45"),
        (r#"{"type": "DECIMAL", "precision": 4, "scale": 2}"#, "1.234"),
        (r#"{"type": "VARCHAR", "length": 3}"#, "7"),
        (r#"{"type": "BINARY", "length": 3}"#, r#""A""#),
        (r#"{"type": "DATE"}"#, r#""2023-02-29""#),
        (
            r#"{"type": "TIMESTAMP_WITHOUT_TIME_ZONE", "precision": 6}"#,
            r#""+300000-01-01T00:00:00""#,
        ),
        (
            r#"{"type": "TIMESTAMP_WITH_LOCAL_TIME_ZONE", "precision": 3}"#,
            r#""2024-01-01T00:00:00""#,
        ),
        (
            r#"{"type": "INTERVAL_YEAR_MONTH", "precision": 2, "resolution": "MONTH"}"#,
            "2147483648",
        ),
        (r#"{"type": "NULL"}"#, "1"),
        (r#"{"type": "ARRAY", "elementType": {"type": "INTEGER"}}"#, "{}"),
        (
            r#"{"type": "MULTISET", "elementType": {"type": "CHAR", "length": 1}}"#,
            "[]",
        ),
        (
            r#"{"type": "ROW", "fields": [{"name": "a", "fieldType": {"type": "INTEGER"}}]}"#,
            "[1]",
        ),
        (
            r#"{"type": "ROW", "fields": [{"name": "a", "fieldType": {"type": "INTEGER"}}]}"#,
            "{}",
        ),
        (
            r#"{"type": "ROW", "fields": [{"name": "a", "fieldType": {"type": "INTEGER"}}]}"#,
            r#"{"b": 1}"#,
        ),
        (
            r#"{"type": "ROW", "fields": [{"name": "a", "fieldType": {"type": "INTEGER"}}]}"#,
            r#"{"a": 1, "a": 1}"#,
        ),
    ] {
        let message = refusal(logical_type, value);
        assert!(message.contains("row 1, column `c0`"), "{message}");
    }
    assert!(refusal(r#"{"type": "DATE"}"#, &format!("\"{}\"", "\\u001b".repeat(50_000))).len() < 2000);
}

#[test]
fn rows_that_are_none_are_refused() {
    for (data, reason) in [
        ("{}", "expected a list of rows"),
        ("[7]", "expected a row"),
        (r#"[{"kind": "INSERT"}]"#, "missing field `fields`"),
        (r#"[{"fields": [1]}]"#, "missing field `kind`"),
        (r#"[{"kind": "UPSERT", "fields": [1]}]"#, "unknown variant `UPSERT`"),
        (
            r#"[{"kind": "INSERT", "fields": [1], "fields": [1]}]"#,
            "duplicate field `fields`",
        ),
        (
            r#"[{"kind": "INSERT", "kind": "INSERT", "fields": [1]}]"#,
            "duplicate field `kind`",
        ),
        (
            r#"[{"kind": "INSERT", "fields": []}]"#,
            "invalid length 0, expected a list of 1 values",
        ),
        (r#"[{"kind": "INSERT", "fields": [1, 2]}]"#, "row 1 has more values"),
    ] {
        let error = rows(&[r#"{"type": "INTEGER"}"#], data).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Protocol);
        assert!(error.message.contains(reason), "{}", error.message);
    }
}

#[test]
fn a_page_of_another_result_is_refused() {
    let of = |logical_type: &str| {
        format!(
            r#"{{"resultType": "EOS", "results": {{"columns": [{{"name": "a", "logicalType": {{"type": "{logical_type}"}}}}], "data": []}}}}"#
        )
    };
    let (decoder, none) = decode(of("INTEGER").as_bytes()).unwrap();
    assert!(none.is_none());
    let other = of("BIGINT");
    let error = decoder
        .decode(&page::read(other.as_bytes()).unwrap().results.unwrap())
        .unwrap_err();
    assert!(
        error.message.contains("not those of the first page"),
        "{}",
        error.message
    );
}

#[test]
fn kinds_are_kept_and_are_none_for_inserts_alone() {
    let kinds = |data: &str| rows(&[r#"{"type": "INTEGER"}"#], data).unwrap().unwrap().kinds;
    assert_eq!(kinds(r#"[{"kind": "INSERT", "fields": [1]}]"#), None);
    assert_eq!(
        kinds(
            r#"[{"fields": [1], "kind": "INSERT"}, {"kind": "UPDATE_BEFORE", "fields": [1]}, {"x": [], "kind": "UPDATE_AFTER", "fields": [2]}, {"kind": "DELETE", "fields": [2]}, {"kind": "INSERT", "fields": [null]}]"#
        ),
        Some(vec![
            RowKind::Insert,
            RowKind::UpdateBefore,
            RowKind::UpdateAfter,
            RowKind::Delete,
            RowKind::Insert
        ])
    );
}

#[test]
fn rows_without_columns_are_counted() {
    let batch = rows(
        &[],
        r#"[{"kind": "INSERT", "fields": []}, {"kind": "INSERT", "fields": []}]"#,
    );
    assert_eq!(batch.unwrap().unwrap().rows.num_rows(), 2);
    let empty = column(r#"{"type": "ROW", "fields": []}"#, &["{}".into(), "null".into()]).unwrap();
    assert_eq!((empty.len(), empty.null_count()), (2, 1));
}

#[test]
fn an_unknown_type_travels_as_it_stands() {
    let values = [r#""a\nb""#, r#"{"x": [1, 2.50]}"#, "null", "1E+400"].map(str::to_owned);
    let array = column(r#"{"type": "BITMAP"}"#, &values).unwrap();
    let texts: Vec<_> = array.as_string::<i32>().iter().collect();
    assert_eq!(texts, [Some("a\nb"), Some(r#"{"x": [1, 2.50]}"#), None, Some("1E+400")]);
}

#[test]
fn fields_of_a_row_may_come_in_any_order() {
    let row = r#"{"type": "ROW", "fields": [{"name": "a", "fieldType": {"type": "BIGINT"}}, {"name": "b", "fieldType": {"type": "BIGINT"}}]}"#;
    let array = column(
        row,
        &[
            r#"{"b": 2, "a": 1}"#.into(),
            "null".into(),
            r#"{"a": 3, "b": null}"#.into(),
        ],
    )
    .unwrap();
    let rows = array.as_struct();
    let column = |at: usize| rows.column(at).as_primitive::<Int64Type>().iter().collect::<Vec<_>>();
    assert_eq!(
        (column(0), column(1)),
        (vec![Some(1), None, Some(3)], vec![Some(2), None, None])
    );
    assert!(rows.is_null(1));
}

proptest! {
    #[test]
    fn any_bytes_are_a_page_or_refused(bytes in any::<Vec<u8>>()) {
        prop_assert_eq!(page::read(&bytes).unwrap_err().kind, ErrorKind::Protocol);
    }

    #[test]
    fn damaged_pages_are_read_or_refused(
        version in prop::sample::select(&VERSIONS[..]),
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        damage in 0..3,
    ) {
        let pages = pages(version);
        let mut page = which.get(&pages).clone().into_bytes();
        let at = at.index(page.len());
        match damage {
            0 => page.truncate(at),
            1 => page[at] = byte,
            _ => page[at] ^= 1 << (byte % 8),
        }
        if let Err(error) = page::read(&page).and_then(|page| {
            let results = page.results.unwrap();
            Decoder::new(results.columns.clone(), results.row_format).decode(&results)
        }) {
            prop_assert_eq!(error.kind, ErrorKind::Protocol);
        }
    }

    #[test]
    fn numbers_come_back(
        longs in prop::collection::vec(any::<Option<i64>>(), 1..20),
        doubles in prop::collection::vec(any::<f64>(), 1..20),
        singles in prop::collection::vec(any::<f32>(), 1..20),
    ) {
        let json = |value: &Option<i64>| value.map_or("null".to_owned(), |value| value.to_string());
        let array = column(r#"{"type": "BIGINT"}"#, &longs.iter().map(json).collect::<Vec<_>>()).unwrap();
        prop_assert_eq!(array.as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), longs);
        let doubles: Vec<f64> = doubles.into_iter().filter(|value| value.is_finite()).chain([0.0]).collect();
        let array = column(r#"{"type": "DOUBLE"}"#, &doubles.iter().map(|v| format!("{v:?}")).collect::<Vec<_>>()).unwrap();
        prop_assert_eq!(array.as_primitive::<arrow::datatypes::Float64Type>().values().to_vec(), doubles);
        let singles: Vec<f32> = singles.into_iter().filter(|value| value.is_finite()).chain([0.0]).collect();
        let array = column(r#"{"type": "FLOAT"}"#, &singles.iter().map(|v| format!("{v:?}")).collect::<Vec<_>>()).unwrap();
        prop_assert_eq!(array.as_primitive::<arrow::datatypes::Float32Type>().values().to_vec(), singles);
    }

    #[test]
    fn strings_and_bytes_come_back(
        texts in prop::collection::vec(any::<Option<String>>(), 1..20),
        bytes in prop::collection::vec(any::<Vec<u8>>(), 1..20),
    ) {
        use base64::Engine as _;
        let json = |value: &Option<String>| serde_json::to_string(value).unwrap();
        let array = column(r#"{"type": "VARCHAR", "length": 9}"#, &texts.iter().map(json).collect::<Vec<_>>()).unwrap();
        let read: Vec<_> = array.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect();
        prop_assert_eq!(read, texts);
        let encoded: Vec<_> = bytes
            .iter()
            .map(|bytes| format!("\"{}\"", base64::engine::general_purpose::STANDARD.encode(bytes)))
            .collect();
        let array = column(r#"{"type": "VARBINARY", "length": 9}"#, &encoded).unwrap();
        prop_assert_eq!(array.as_binary::<i32>().iter().map(|b| b.unwrap().to_vec()).collect::<Vec<_>>(), bytes);
    }

    #[test]
    fn maps_and_lists_come_back(
        maps in prop::collection::vec(prop::option::of(prop::collection::btree_map(any::<String>(), prop::collection::vec(any::<i64>(), 0..4), 0..4)), 1..10),
    ) {
        let logical_type = r#"{"type": "MAP", "keyType": {"type": "VARCHAR", "length": 9}, "valueType": {"type": "ARRAY", "elementType": {"type": "BIGINT"}}}"#;
        let json: Vec<_> = maps.iter().map(|map| serde_json::to_string(map).unwrap()).collect();
        let array = column(logical_type, &json).unwrap();
        prop_assert!(matches!(array.data_type(), DataType::Map(..)));
        let read = array.as_map();
        for (row, map) in maps.iter().enumerate() {
            prop_assert_eq!(read.is_null(row), map.is_none());
            let entries = read.value(row);
            let keys: Vec<_> = entries.column(0).as_string::<i32>().iter().map(|key| key.unwrap().to_owned()).collect();
            let values: Vec<_> = entries.column(1).as_list::<i32>().iter()
                .map(|list| list.unwrap().as_primitive::<Int64Type>().values().to_vec()).collect();
            let map = map.clone().unwrap_or_default();
            prop_assert_eq!(keys, map.keys().cloned().collect::<Vec<_>>());
            prop_assert_eq!(values, map.into_values().collect::<Vec<_>>());
        }
    }
}
