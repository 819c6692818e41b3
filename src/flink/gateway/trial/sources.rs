//! The sources of a statement that is tried: how each is made to end after a slice that can be read again, and how to go on
//! without an end for as long as its job is looked at.

use std::collections::BTreeMap;

use skep_engine::{Dialect, EngineError, Result};

use crate::syntax::literal::{quote_identifier, quote_string};
use crate::syntax::table_definition::TableDefinition;

/// What a plan reads and writes, as `EXPLAIN` says it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ends {
    /// The full name of the table that is written.
    pub(super) sink: Option<String>,
    /// The tables that are read, each once.
    pub(super) scans: Vec<Scan>,
}

/// A table that is read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scan {
    /// Catalog, database and name.
    pub(super) path: Vec<String>,
    /// The statement gives it options of its own.
    pub(super) is_hinted: bool,
}

/// Reads the first of the plans that `EXPLAIN` gives, in which views are tables already and nothing has been pushed down.
pub(super) fn ends(explained: &str) -> Ends {
    let mut ends = Ends::default();
    for line in explained.lines().take_while(|line| !line.starts_with("== Optimized")) {
        if let Some((sink, _)) = after(line, "LogicalSink(table=[").and_then(|rest| rest.split_once(']')) {
            ends.sink = Some(sink.to_owned());
        }
        let Some((table, rest)) = after(line, "TableScan(table=[[").and_then(|rest| rest.split_once("]]")) else {
            continue;
        };
        let path: Vec<String> = table.split(", ").map(str::to_owned).collect();
        let is_hinted = rest.contains("OPTIONS");
        match ends.scans.iter_mut().find(|scan| scan.path == path) {
            Some(scan) => scan.is_hinted |= is_hinted,
            None => ends.scans.push(Scan { path, is_hinted }),
        }
    }
    ends
}

fn after<'a>(line: &'a str, mark: &str) -> Option<&'a str> {
    line.split_once(mark).map(|(_, rest)| rest)
}

/// Options that take the place of a table's own, or are added to them.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Options {
    Instead(BTreeMap<String, String>),
    Over(BTreeMap<String, String>),
}

/// A source that can be read again within bounds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Source {
    path: Vec<String>,
    /// The copy of its definition that the others are made from.
    copy: String,
    bounded: Options,
    endless: Options,
    /// What of it is read, in words.
    pub(super) slice: String,
}

/// How a source is to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// The slice, and no more.
    Slice,
    /// On and on.
    Endless,
}

const DATAGEN_ROWS: &str = "number-of-rows";
const DATAGEN_RATE: &str = "rows-per-second";
const MONITORING: &str = "source.monitor-interval";
const KAFKA_END: &str = "scan.bounded.mode";

impl Source {
    /// A table that is read, by its definition: so many rows of it, where they can be counted.
    ///
    /// # Errors
    /// It can't be read again, or has no end that it could be given.
    pub(super) fn new(scan: &Scan, number: usize, definition: &TableDefinition, rows: u64) -> Result<Self> {
        let name = shown(&scan.path);
        let refused = |why: String| {
            EngineError::refused(format!(
                "both statements would have to read the same rows of {name}, and can't: {why}"
            ))
            .hint("on local: the same statements can be rehearsed over a sample of the input")
        };
        if scan.is_hinted {
            let why =
                "the statement gives it options of its own (OPTIONS), which win over those that would make it end";
            return Err(refused(why.to_owned()));
        }
        let own = &definition.options;
        let with = |changes: &[(&str, String)], without: &[&str]| {
            let mut options = own.clone();
            options.retain(|key, _| !without.contains(&key.as_str()));
            options.extend(changes.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
            Options::Instead(options)
        };
        let connector = own.get("connector").map(String::as_str).unwrap_or_default();
        let (bounded, endless, slice) = match connector {
            "datagen" => {
                let is_sequence = |column: &&String| {
                    let kind = own.get(&format!("fields.{column}.kind")).map(String::as_str);
                    kind == Some("sequence")
                };
                if let Some(column) = definition.physical.iter().find(|column| !is_sequence(column)) {
                    return Err(refused(format!(
                        "its column {column} is random, so that each gets other values ('fields.{column}.kind' = 'sequence' \
                         gives the same)"
                    )));
                }
                // It counts from where a job starts, also if that is from a state.
                let bounded = [
                    (DATAGEN_ROWS, rows.to_string()),
                    (DATAGEN_RATE, rows.max(1).to_string()),
                ];
                let endless = [(DATAGEN_RATE, "1".to_owned())];
                (
                    with(&bounded, &[]),
                    with(&endless, &[DATAGEN_ROWS]),
                    format!("{name}: up to {rows} rows behind the state"),
                )
            }
            "filesystem" => (
                with(&[], &[MONITORING]),
                with(&[(MONITORING, "1 h".to_owned())], &[]),
                format!("{name}: what the state knows of and has not read"),
            ),
            // The end of each partition is in the state, as it was when the job started: what has none there gets none.
            "kafka" if own.get(KAFKA_END).is_some_and(|mode| mode != "unbounded") => (
                Options::Over(BTreeMap::new()),
                Options::Over(BTreeMap::new()),
                format!("{name}: from the state to the end that it has"),
            ),
            "kafka" => {
                return Err(refused(format!(
                    "it was started without {KAFKA_END}, and from a state Flink gives its partitions no other end"
                )));
            }
            "" => return Err(refused("nothing says what its connector is".to_owned())),
            other => {
                return Err(refused(format!(
                    "how its connector ({other}) could be given an end is not known; datagen sequences, filesystem and \
                     bounded kafka can be"
                )));
            }
        };
        Ok(Self {
            path: scan.path.clone(),
            copy: format!("skep_rehearsed_{number}"),
            bounded,
            endless,
            slice,
        })
    }

    /// The statements that keep its definition aside, so that it can be made in other ways: for this session alone.
    pub(super) fn aside(&self) -> [String; 2] {
        let (copy, table) = (quote_identifier(&self.copy), quoted(&self.path));
        [
            format!("CREATE TEMPORARY TABLE {copy} LIKE {table}"),
            format!("DROP TEMPORARY TABLE IF EXISTS {table}"),
        ]
    }

    /// The statements that make it read so.
    pub(super) fn declare(&self, reading: Reading) -> [String; 2] {
        let (copy, table) = (quote_identifier(&self.copy), quoted(&self.path));
        let options = match reading {
            Reading::Slice => &self.bounded,
            Reading::Endless => &self.endless,
        };
        let (options, how) = match options {
            Options::Instead(options) => (options, " (EXCLUDING OPTIONS)"),
            Options::Over(options) => (options, ""),
        };
        let string = |text: &str| quote_string(text, &Dialect::FLINK);
        let pairs: Vec<String> = options
            .iter()
            .map(|(key, value)| format!("{} = {}", string(key), string(value)))
            .collect();
        let with = match pairs.is_empty() {
            true => String::new(),
            false => format!(" WITH ({})", pairs.join(", ")),
        };
        [
            format!("DROP TEMPORARY TABLE IF EXISTS {table}"),
            format!("CREATE TEMPORARY TABLE {table}{with} LIKE {copy}{how}"),
        ]
    }
}

/// A name as it is shown: without what every session begins in.
pub(super) fn shown(path: &[String]) -> String {
    match path {
        [catalog, database, name] if catalog == "default_catalog" && database == "default_database" => name.clone(),
        _ => path.join("."),
    }
}

fn quoted(path: &[String]) -> String {
    let parts: Vec<String> = path.iter().map(|part| quote_identifier(part)).collect();
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Flink 2.3.0 says it.
    const EXPLAINED: &str = "== Abstract Syntax Tree ==\n\
        LogicalSink(table=[default_catalog.default_database.t], fields=[k, c])\n\
        +- LogicalJoin(condition=[=($0, $1)], joinType=[inner])\n   \
        :- LogicalTableScan(table=[[default_catalog, default_database, n]])\n   \
        +- LogicalTableScan(table=[[other, d, n]], hints=[[[OPTIONS inheritPath:[] options:{rows-per-second=3}]]])\n\n\
        == Optimized Physical Plan ==\n\
        Sink(table=[default_catalog.default_database.t], fields=[k, c])\n\
        +- TableSourceScan(table=[[default_catalog, default_database, n, project=[id]]], fields=[id])\n";

    fn scan() -> Scan {
        Scan {
            path: ["default_catalog", "default_database", "n"].map(str::to_owned).to_vec(),
            is_hinted: false,
        }
    }

    fn source(options: &[(&str, &str)]) -> Result<Source> {
        let definition = TableDefinition {
            physical: vec!["id".to_owned()],
            options: options
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
        };
        Source::new(&scan(), 0, &definition, 50)
    }

    #[test]
    fn what_is_read_and_written_is_found() {
        let ends = ends(EXPLAINED);
        assert_eq!(ends.sink.as_deref(), Some("default_catalog.default_database.t"));
        let other = Scan {
            path: ["other", "d", "n"].map(str::to_owned).to_vec(),
            is_hinted: true,
        };
        assert_eq!(ends.scans, [scan(), other]);
    }

    #[test]
    fn a_sequence_is_read_from_the_state_on() {
        let found = source(&[
            ("connector", "datagen"),
            ("fields.id.kind", "sequence"),
            ("number-of-rows", "9"),
            ("rows-per-second", "2"),
        ])
        .unwrap();
        let [_, bounded] = found.declare(Reading::Slice);
        assert_eq!(
            bounded,
            "CREATE TEMPORARY TABLE `default_catalog`.`default_database`.`n` WITH ('connector' = 'datagen', \
             'fields.id.kind' = 'sequence', 'number-of-rows' = '50', 'rows-per-second' = '50') LIKE `skep_rehearsed_0` \
             (EXCLUDING OPTIONS)"
        );
        let [_, endless] = found.declare(Reading::Endless);
        assert!(
            !endless.contains("number-of-rows") && endless.contains("'rows-per-second' = '1'"),
            "{endless}"
        );
    }

    #[test]
    fn a_directory_is_read_to_its_end() {
        let found = source(&[("connector", "filesystem"), ("path", "/it's"), (MONITORING, "1 s")]).unwrap();
        assert!(!found.declare(Reading::Slice)[1].contains(MONITORING));
        assert!(found.declare(Reading::Slice)[1].contains("'path' = '/it''s'"));
        assert!(found.declare(Reading::Endless)[1].contains("'source.monitor-interval' = '1 h'"));
    }

    #[test]
    fn what_has_no_end_or_is_another_each_time_is_refused_by_name() {
        for (options, why) in [
            (&[("connector", "datagen")][..], "its column id is random"),
            (&[("connector", "kafka"), ("topic", "t")], "without scan.bounded.mode"),
            (
                &[("connector", "kafka"), (KAFKA_END, "unbounded")],
                "without scan.bounded.mode",
            ),
            (&[("connector", "jdbc")], "its connector (jdbc)"),
            (&[], "nothing says"),
        ] {
            let error = source(options).unwrap_err();
            assert!(
                error
                    .message
                    .starts_with("both statements would have to read the same rows of n, "),
                "{error}"
            );
            assert!(error.message.contains(why), "{error}");
        }
        let hinted = Scan {
            is_hinted: true,
            ..scan()
        };
        let error = Source::new(&hinted, 0, &TableDefinition::default(), 1).unwrap_err();
        assert!(error.message.contains("OPTIONS"), "{error}");
        let bounded = [("connector", "kafka"), (KAFKA_END, "latest-offset")];
        assert!(source(&bounded).unwrap().declare(Reading::Slice)[1].ends_with("`n` LIKE `skep_rehearsed_0`"));
    }
}
