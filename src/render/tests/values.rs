//! Each type as a person, csv and JSON have it.

use std::collections::HashMap;

use arrow::buffer::{NullBuffer, OffsetBuffer};
use skep_engine::ENGINE_TYPE;

use super::*;

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
