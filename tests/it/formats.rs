//! Formats of results, as a program on the other side of the pipe sees them.

use crate::world::World;

const FORMATS: [&str; 10] = [
    "table",
    "vertical",
    "csv",
    "tsv",
    "dsv",
    "json",
    "jsonl",
    "markdown",
    "xmlattr",
    "xmlelements",
];

/// What ends a line, a field or a quotation somewhere, and what a terminal would obey.
const NASTY: &str = "SELECT 1 AS id, chr(27) || '[31m' || chr(7) || chr(8) || chr(127) AS a, 'x,\"y\"' || chr(10) || chr(13) || \
                     chr(9) || 'z;|<&>' || chr(92) AS b, '' AS c, CAST(NULL AS STRING) AS d, chr(133) || chr(155) || '2J' AS e, \
                     '\u{202e}abc' AS f";

fn nasty() -> [Option<String>; 7] {
    [
        Some("1".to_owned()),
        Some("\u{1b}[31m\u{7}\u{8}\u{7f}".to_owned()),
        Some("x,\"y\"\n\r\tz;|<&>\\".to_owned()),
        Some(String::new()),
        None,
        Some("\u{85}\u{9b}2J".to_owned()),
        Some("\u{202e}abc".to_owned()),
    ]
}

#[test]
fn csv_read_back_is_what_was_written() {
    for (format, delimiter) in [("csv", b','), ("tsv", b'\t')] {
        let world = World::new();
        let output = world
            .skep()
            .with("-o")
            .arg(format)
            .with("-e")
            .arg(NASTY)
            .run()
            .expect_code(0)
            .expect_quiet();
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .from_reader(output.stdout.as_bytes());
        assert_eq!(reader.headers().unwrap(), vec!["id", "a", "b", "c", "d", "e", "f"]);
        let records: Vec<_> = reader.records().map(Result::unwrap).collect();
        assert_eq!(records.len(), 1, "{output}");
        let expected = nasty().map(Option::unwrap_or_default);
        assert_eq!(records[0].iter().collect::<Vec<_>>(), expected, "{format}");
        // A reader of CSV can't tell '' from NULL; the file can.
        assert!(
            output.stdout.contains(&format!("{0}\"\"{0}{0}", char::from(delimiter))),
            "{output}"
        );
    }
}

#[test]
fn json_read_back_is_what_was_written() {
    for format in ["json", "jsonl"] {
        let world = World::new();
        let output = world
            .skep()
            .with("-o")
            .arg(format)
            .with("-e")
            .arg(NASTY)
            .run()
            .expect_code(0)
            .expect_quiet();
        let value: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
        let row = if format == "json" { &value[0] } else { &value };
        for (key, expected) in ["id", "a", "b", "c", "d", "e", "f"].into_iter().zip(nasty()) {
            match (key, expected) {
                ("id", _) => assert_eq!(row[key], 1),
                (_, Some(text)) => assert_eq!(row[key], text.as_str(), "{key}"),
                (_, None) => assert!(row[key].is_null(), "{key}"),
            }
        }
        assert!(
            output.stdout.bytes().all(|byte| byte >= b' ' || byte == b'\n'),
            "{output}"
        );
    }
}

/// Control characters but line ends and tabs, of ASCII and of Latin-1, and those that turn the direction of text.
fn is_raw(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t')) || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[test]
fn what_people_read_holds_no_raw_control_characters() {
    for format in ["table", "vertical", "markdown", "xmlattr", "xmlelements"] {
        let world = World::new();
        let output = world
            .skep()
            .with("-o")
            .arg(format)
            .with("-e")
            .arg(NASTY)
            .run()
            .expect_code(0)
            .expect_quiet();
        let raw: Vec<char> = output.stdout.chars().filter(|c| is_raw(*c)).collect();
        assert!(raw.is_empty(), "{format}: {raw:?} {output}");
    }
}

#[test]
fn no_format_sends_raw_control_characters_to_a_terminal() {
    for format in FORMATS {
        let world = World::new();
        let ended = world.skep().with("-o").arg(format).with("-e").arg(NASTY).pty().wait();
        assert_eq!(ended.code, 0);
        let screen = &ended.screen.raw;
        // Nothing but what the terminal's own driver adds to a line end.
        let raw: Vec<char> = screen.chars().filter(|c| is_raw(*c) && *c != '\r').collect();
        assert!(raw.is_empty(), "{format}: {raw:?} {screen:?}");
    }
}

#[test]
fn a_header_can_be_left_out() {
    for (format, expected) in [
        ("csv", "1,x\n"),
        ("tsv", "1\tx\n"),
        ("jsonl", "{\"a\":1,\"b\":\"x\"}\n"),
    ] {
        let world = World::new();
        let program = world.skep().with("--showHeader=false -o").arg(format);
        program
            .with("-e")
            .arg("SELECT 1 AS a, 'x' AS b")
            .run()
            .expect(0, expected)
            .expect_quiet();
    }
}

#[test]
fn times_are_written_in_full() {
    let world = World::new();
    let sql = "SELECT CAST('2026-01-02 03:04:05.678' AS TIMESTAMP(3)) AS a, \
               DATE '0001-01-01' AS c, CAST(NULL AS TIMESTAMP(3)) AS d";
    let program = world.skep().with("-o csv --showHeader=false -e").arg(sql);
    program
        .run()
        .expect(0, "2026-01-02 03:04:05.678,0001-01-01,\n")
        .expect_quiet();
}

#[test]
fn a_table_is_as_wide_as_its_text() {
    let world = World::new();
    let sql = "SELECT 'zwölf' AS a, '漢字' AS b, '🐝' AS c, 'e\u{301}' AS d";
    let output = world.skep().with("-e").arg(sql).run().expect_code(0);
    let widths: Vec<_> = output
        .stdout
        .lines()
        .map(unicode_width::UnicodeWidthStr::width)
        .collect();
    assert!(
        widths.len() == 5 && widths.iter().all(|width| *width == widths[0]),
        "{output}"
    );
}

/// Three million rows take no more memory than three thousand.
#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_the_rows() {
    // A table and the vertical form lay out each value: fewer will do to see whether they pile up.
    for (format, many) in [
        ("csv", 3_000_000),
        ("tsv", 3_000_000),
        ("json", 3_000_000),
        ("jsonl", 3_000_000),
        ("table", 200_000),
        ("vertical", 200_000),
    ] {
        let [few, many] = [3000, many].map(|rows| {
            let world = World::new();
            let program = world.skep().with("--force -o").arg(format);
            let sql = format!("SELECT value, value * 2 AS twice, 'a row' AS text FROM generate_series(1, {rows});\n");
            let mut live = program.start_without_stdout();
            live.send(sql + "!done\n");
            live.wait_err("no command !done");
            let peak = live.peak_memory();
            drop(live.wait().expect_code(1));
            peak
        });
        assert!(many < few + 30_000, "{format}: {few} kB of 3000 rows, and {many} kB");
    }
}
