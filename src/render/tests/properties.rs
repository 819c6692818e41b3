//! What holds for any value.

use proptest::prelude::*;

use super::*;
use crate::ui::text::is_hidden;

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
