//! The ledger as tables, for an engine that can query them.
//!
//! Rows come a page at a time: the ledger's thread has other things to do, and a reader who takes long must not keep the
//! database from anybody. What is written down after the first page was asked for is not among them.

use std::sync::{Arc, Weak};

use arrow::array::{ArrayBuilder, ArrayRef, Int64Builder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use async_trait::async_trait;
use rusqlite::params;
use rusqlite::types::ValueRef;
use skep_engine::{Batch, EngineError, Rows, ShellTables};

use super::error::{LedgerError, Result};
use super::store::Store;
use super::{Ledger, Writer};

/// The database in which they stand.
const DATABASE: &str = "skep";

/// How many rows are read at a time.
const PAGE: i64 = 1_000;

/// A table: its name, its columns, and the queries that give its rows one after another.
struct Table {
    name: &'static str,
    columns: &'static [(&'static str, Sort)],
    parts: &'static [Part],
}

/// Rows that come from one of the ledger's own tables, in the order of its numbers.
struct Part {
    /// The highest number there is.
    highest: &'static str,
    /// Up to `?4` rows behind the place (`?1`, `?2`) up to the number `?3`; the place comes before the columns.
    query: &'static str,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Text,
    Number,
    /// Microseconds since 1970.
    Time,
}

use Sort::{Number, Text, Time};

const JOBS: &str = "SELECT max(seq) FROM job";
const SAVEPOINTS: &str = "SELECT max(rowid) FROM savepoint";
const UPGRADES: &str = "SELECT max(rowid) FROM upgrade";
const NOTES: &str = "SELECT max(id) FROM note";

static TABLES: [Table; 4] = [
    Table {
        name: "jobs",
        columns: &[
            ("job_id", Text),
            ("name", Text),
            ("url", Text),
            ("engine", Text),
            ("sql", Text),
            ("outcome", Text),
            ("state", Text),
            ("as_of", Time),
            ("submitted", Time),
            ("started", Time),
            ("ended", Time),
            ("ended_by", Text),
            ("error", Text),
            ("cluster_id", Text),
            ("operation_id", Text),
            ("restored_from", Text),
            ("restored_job_id", Text),
            ("restored_checkpoint_id", Number),
        ],
        parts: &[Part {
            highest: JOBS,
            query: "SELECT seq, 0, job_id, name, url, engine, sql, outcome, state, as_of, created, started, ended, \
                    ended_by, coalesce(error, message), cluster_id, operation_id, restored_path, restored_job, \
                    restored_checkpoint FROM job WHERE seq > ?1 AND seq <= ?3 ORDER BY seq LIMIT ?4",
        }],
    },
    Table {
        name: "savepoints",
        columns: &[
            ("path", Text),
            ("kind", Text),
            ("job_id", Text),
            ("checkpoint_id", Number),
            ("label", Text),
            ("taken", Time),
            ("size", Number),
            ("format_version", Number),
            ("verdict", Text),
            ("url", Text),
            ("recorded", Time),
        ],
        parts: &[Part {
            highest: SAVEPOINTS,
            query: "SELECT rowid, 0, path, kind, job_id, checkpoint_id, label, taken, size, format_version, verdict, \
                    url, recorded FROM savepoint WHERE rowid > ?1 AND rowid <= ?3 ORDER BY rowid LIMIT ?4",
        }],
    },
    Table {
        name: "statements",
        columns: &[
            ("job_id", Text),
            ("url", Text),
            ("position", Number),
            ("kind", Text),
            ("sql", Text),
        ],
        parts: &[
            Part {
                highest: JOBS,
                query: "SELECT prelude.job, prelude.position, job.job_id, job.url, prelude.position + 1, 'prelude', \
                        statement.text FROM prelude CROSS JOIN job ON job.seq = prelude.job \
                        CROSS JOIN statement ON statement.id = prelude.statement \
                        WHERE prelude.job >= ?1 AND prelude.job <= ?3 AND (prelude.job > ?1 OR prelude.position > ?2) \
                        ORDER BY prelude.job, prelude.position LIMIT ?4",
            },
            Part {
                highest: JOBS,
                query: "SELECT seq, 0, job_id, url, 1 + (SELECT count(*) FROM prelude WHERE prelude.job = job.seq), \
                        'job', sql FROM job WHERE seq > ?1 AND seq <= ?3 ORDER BY seq LIMIT ?4",
            },
        ],
    },
    Table {
        name: "events",
        columns: &[
            ("at", Time),
            ("event", Text),
            ("job_id", Text),
            ("url", Text),
            ("detail", Text),
        ],
        parts: &[
            Part {
                highest: JOBS,
                query: "SELECT seq, 0, created, CASE WHEN restored_path IS NULL THEN 'submitted' ELSE 'restored' END, \
                        job_id, url, restored_path FROM job WHERE seq > ?1 AND seq <= ?3 ORDER BY seq LIMIT ?4",
            },
            Part {
                highest: JOBS,
                query: "SELECT seq, 0, ended, 'ended', job_id, url, coalesce(ended_by, state) FROM job \
                        WHERE seq > ?1 AND seq <= ?3 AND ended IS NOT NULL ORDER BY seq LIMIT ?4",
            },
            Part {
                highest: SAVEPOINTS,
                query: "SELECT rowid, 0, coalesce(taken, recorded), kind, job_id, url, path FROM savepoint \
                        WHERE rowid > ?1 AND rowid <= ?3 ORDER BY rowid LIMIT ?4",
            },
            Part {
                highest: UPGRADES,
                query: "SELECT upgrade.rowid, upgrade_step.number, upgrade_step.at, 'upgrade', upgrade.old_job, \
                        upgrade.url, upgrade_step.step FROM upgrade \
                        CROSS JOIN upgrade_step ON upgrade_step.upgrade = upgrade.id \
                        WHERE upgrade.rowid >= ?1 AND upgrade.rowid <= ?3 \
                        AND (upgrade.rowid > ?1 OR upgrade_step.number > ?2) \
                        ORDER BY upgrade.rowid, upgrade_step.number LIMIT ?4",
            },
            Part {
                highest: NOTES,
                // An id has no slash, and a path does.
                query: "SELECT id, 0, at, 'note', CASE WHEN instr(subject, '/') = 0 THEN subject END, NULL, text \
                        FROM note WHERE id > ?1 AND id <= ?3 ORDER BY id LIMIT ?4",
            },
        ],
    },
];

impl Table {
    fn find(name: &str) -> Option<&'static Self> {
        TABLES.iter().find(|table| table.name == name)
    }

    fn schema(&self) -> SchemaRef {
        let field = |(name, sort): &(&str, Sort)| {
            let data_type = match sort {
                Text => DataType::Utf8,
                Number => DataType::Int64,
                Time => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
            };
            Field::new(*name, data_type, true)
        };
        Arc::new(Schema::new(self.columns.iter().map(field).collect::<Vec<_>>()))
    }
}

const UTC: &str = "UTC";

/// The builder of one column.
enum Column {
    Text(StringBuilder),
    Number(Int64Builder),
    Time(TimestampMicrosecondBuilder),
}

impl Column {
    fn new(sort: Sort) -> Self {
        match sort {
            Text => Self::Text(StringBuilder::new()),
            Number => Self::Number(Int64Builder::new()),
            Time => Self::Time(TimestampMicrosecondBuilder::new().with_timezone(UTC)),
        }
    }

    /// The tables are strict: a value that is not of the column's sort is NULL.
    fn push(&mut self, value: ValueRef<'_>) {
        match (self, value) {
            (Self::Text(column), ValueRef::Text(text)) => column.append_value(String::from_utf8_lossy(text)),
            (Self::Text(column), _) => column.append_null(),
            (Self::Number(column), ValueRef::Integer(number)) => column.append_value(number),
            (Self::Number(column), _) => column.append_null(),
            (Self::Time(column), ValueRef::Integer(time)) => column.append_value(time),
            (Self::Time(column), _) => column.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(column) => ArrayBuilder::finish(column),
            Self::Number(column) => ArrayBuilder::finish(column),
            Self::Time(column) => ArrayBuilder::finish(column),
        }
    }
}

/// How far a reading has come.
#[derive(Debug, Clone)]
struct Bookmark {
    part: usize,
    after: (i64, i64),
    /// The highest number of each part when the reading began.
    highest: Arc<[i64]>,
}

impl Store {
    /// The next rows behind that place, and where it goes on; `None` at the end.
    fn page(&self, table: &'static Table, from: Option<Bookmark>) -> Result<Option<(Vec<ArrayRef>, Bookmark)>> {
        self.read(|connection| {
            let mut place = match from {
                Some(place) => place,
                None => {
                    let number =
                        |part: &Part| connection.query_row(part.highest, [], |row| row.get::<_, Option<i64>>(0));
                    let numbers = table.parts.iter().map(|part| Ok(number(part)?.unwrap_or(0)));
                    Bookmark {
                        part: 0,
                        after: (0, -1),
                        highest: numbers.collect::<rusqlite::Result<_>>()?,
                    }
                }
            };
            while let (Some(part), Some(highest)) = (table.parts.get(place.part), place.highest.get(place.part)) {
                let mut columns: Vec<Column> = table.columns.iter().map(|(_, sort)| Column::new(*sort)).collect();
                let mut statement = connection.prepare_cached(part.query)?;
                let mut rows = statement.query(params![place.after.0, place.after.1, highest, PAGE])?;
                let mut count = 0;
                while let Some(row) = rows.next()? {
                    place.after = (row.get(0)?, row.get(1)?);
                    for (number, column) in columns.iter_mut().enumerate() {
                        column.push(row.get_ref(number + 2)?);
                    }
                    count += 1;
                }
                if count < PAGE {
                    place.part += 1;
                    place.after = (0, -1);
                }
                if count > 0 {
                    return Ok(Some((columns.iter_mut().map(Column::finish).collect(), place)));
                }
            }
            Ok(None)
        })
    }
}

/// The tables of a ledger. They keep it from nothing: once the shell has let it go, there is nothing to be read.
#[derive(Debug, Clone)]
pub struct Tables {
    writer: Weak<Writer>,
}

impl Ledger {
    /// The ledger as tables; none if nothing is kept.
    pub fn tables(&self) -> Option<Tables> {
        let writer = Arc::downgrade(self.writer.as_ref()?);
        Some(Tables { writer })
    }
}

impl ShellTables for Tables {
    fn database(&self) -> &'static str {
        DATABASE
    }

    fn tables(&self) -> Vec<(&'static str, SchemaRef)> {
        TABLES.iter().map(|table| (table.name, table.schema())).collect()
    }

    fn rows(&self, table: &str) -> skep_engine::Result<Box<dyn Rows>> {
        let unknown = || EngineError::not_found(format!("the ledger has no table {table}"));
        let table = Table::find(table).ok_or_else(unknown)?;
        Ok(Box::new(Reading {
            writer: Weak::clone(&self.writer),
            table,
            place: None,
            ended: false,
        }))
    }
}

/// The rows of a table on their way.
struct Reading {
    writer: Weak<Writer>,
    table: &'static Table,
    place: Option<Bookmark>,
    ended: bool,
}

impl Reading {
    async fn page(&self) -> Result<Option<(Vec<ArrayRef>, Bookmark)>> {
        let (table, place) = (self.table, self.place.clone());
        // The ledger is held only while it is asked: who reads must not be the last to let it go.
        let answer = match self.writer.upgrade() {
            Some(writer) => writer.request(move |store| store.page(table, place))?,
            None => return Err(LedgerError::Closed),
        };
        answer.await.unwrap_or(Err(LedgerError::Closed))
    }
}

#[async_trait]
impl Rows for Reading {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    async fn next(&mut self) -> skep_engine::Result<Option<Batch>> {
        if self.ended {
            return Ok(None);
        }
        let page = self.page().await;
        let Some((columns, place)) = page.map_err(|cause| EngineError::failed(cause.to_string()))? else {
            self.ended = true;
            return Ok(None);
        };
        let rows = RecordBatch::try_new(self.schema(), columns);
        let rows = rows.map_err(|cause| EngineError::failed(cause.to_string()))?;
        self.place = Some(place);
        Ok(Some(Batch::inserts(rows)))
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use skep_engine::{JobId, JobState, Recipe};

    use super::*;

    fn recipe(number: u64, statements: usize) -> Recipe {
        Recipe {
            job_id: JobId::from_bytes(u128::from(number).to_be_bytes()),
            name: format!("job_{number}"),
            sql: "INSERT INTO t SELECT 1".to_owned(),
            prelude: (0..statements).map(|n| format!("SET 'k{n}' = 'v'")).collect(),
            started: Timestamp::UNIX_EPOCH,
            ended: None,
            ended_by: None,
            state: JobState::Running,
            restored_from: None,
            error: None,
        }
    }

    async fn count(tables: &Tables, name: &str) -> (usize, usize) {
        let mut rows = tables.rows(name).unwrap();
        let (mut pages, mut count) = (0, 0);
        while let Some(batch) = rows.next().await.unwrap() {
            assert!(batch.rows.num_rows() > 0, "a batch is never empty");
            pages += 1;
            count += batch.rows.num_rows();
        }
        assert!(rows.next().await.unwrap().is_none(), "it has ended");
        (pages, count)
    }

    #[tokio::test]
    async fn every_row_comes_once_over_any_number_of_pages() {
        let root = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(root.path()).unwrap();
        let tables = ledger.tables().unwrap();
        for table in &TABLES {
            assert_eq!(count(&tables, table.name).await, (0, 0), "{}", table.name);
        }
        // A page of statements ends within a job's.
        ledger.import("local:", "local", (1..=1_000).map(|number| recipe(number, 7)).collect());
        assert_eq!(count(&tables, "jobs").await, (1, 1_000));
        assert_eq!(count(&tables, "statements").await, (8, 8_000));
        ledger.import(
            "local:",
            "local",
            (1_001..=2_500).map(|number| recipe(number, 0)).collect(),
        );
        assert_eq!(count(&tables, "jobs").await, (3, 2_500));
        assert_eq!(count(&tables, "statements").await.1, 9_500);
        assert_eq!(count(&tables, "events").await.1, 2_500);
    }

    #[tokio::test]
    async fn what_comes_later_is_not_among_the_rows() {
        let root = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(root.path()).unwrap();
        ledger.import("local:", "local", (1..=1_500).map(|number| recipe(number, 0)).collect());
        let mut rows = ledger.tables().unwrap().rows("jobs").unwrap();
        let mut count = rows.next().await.unwrap().unwrap().rows.num_rows();
        ledger.import(
            "local:",
            "local",
            (1_501..=1_600).map(|number| recipe(number, 0)).collect(),
        );
        while let Some(batch) = rows.next().await.unwrap() {
            count += batch.rows.num_rows();
        }
        assert_eq!(count, 1_500);
    }

    #[tokio::test]
    async fn a_reader_does_not_hold_the_ledger() {
        let root = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(root.path()).unwrap();
        ledger.import("local:", "local", vec![recipe(1, 0)]);
        let tables = ledger.tables().unwrap();
        let mut rows = tables.rows("jobs").unwrap();
        drop(ledger);
        assert!(rows.next().await.is_err());
        let again = Ledger::open(root.path()).unwrap();
        assert_eq!(count(&again.tables().unwrap(), "jobs").await, (1, 1));
        assert!(Ledger::none().tables().is_none());
    }

    #[test]
    fn no_query_walks_through_what_it_does_not_need() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path()).unwrap();
        for part in TABLES.iter().flat_map(|table| table.parts) {
            let mut statement = store
                .connection
                .prepare(&format!("EXPLAIN QUERY PLAN {}", part.query))
                .unwrap();
            let plan: Vec<String> = statement
                .query_map(params![0, 0, 0, 0], |row| row.get(3))
                .unwrap()
                .collect::<rusqlite::Result<_>>()
                .unwrap();
            let walks = |step: &String| step.starts_with("SCAN") || step.contains("TEMP B-TREE");
            assert!(!plan.iter().any(walks), "{}: {plan:?}", part.query);
        }
    }
}
