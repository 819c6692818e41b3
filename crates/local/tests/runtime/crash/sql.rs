//! SQL statements under the killer, in a session as a shell has one.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use futures::FutureExt;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use skep_engine::{EndedBy, Engine, JobStatus, Sql, Submit, Target};
use skep_local::LocalEngine;

use super::life::Life;
use super::saga::{Case, RESULT};

/// Small files, each of them one micro-batch, and their rows.
const FILES: usize = 240;
const ROWS: usize = 100;
/// Rows of the big file, which is read in several pieces.
const BIG: usize = 6000;

/// What the cases differ in.
struct Statement {
    /// The sink's columns and options.
    sink: &'static str,
    /// The same of a second sink of the same job.
    second: Option<&'static str>,
    insert: &'static str,
    mode: &'static str,
    /// The source's files are watched: the job has no end of its own and is ended when all is read.
    is_watched: bool,
    /// Which count is reported.
    counts: usize,
}

const CSV: &str = "'connector' = 'filesystem', 'path' = '{out}', 'format' = 'csv'";

const STATEMENTS: [Statement; 6] = [
    Statement {
        sink: "k STRING, n BIGINT, note STRING",
        second: None,
        insert: "INSERT INTO totals SELECT k, n * 2, note FROM events WHERE n % 3 <> 0",
        mode: "streaming",
        is_watched: false,
        counts: 1,
    },
    Statement {
        sink: "id BIGINT, k INT, word STRING",
        second: None,
        insert: "INSERT INTO totals SELECT id, k + 1, word FROM made WHERE k < 100",
        mode: "streaming",
        is_watched: false,
        counts: 1,
    },
    Statement {
        sink: "k STRING, c BIGINT, s BIGINT, top BIGINT, mean BIGINT, PRIMARY KEY (k) NOT ENFORCED",
        second: None,
        insert: "INSERT INTO totals SELECT k, count(*), sum(n), max(n), avg(n) FROM events GROUP BY k",
        mode: "streaming",
        is_watched: true,
        counts: 1,
    },
    Statement {
        sink: "k STRING, c BIGINT, s BIGINT, latest TIMESTAMP(3)",
        second: None,
        insert: "INSERT INTO totals SELECT k, count(*), sum(n), max(ts) FROM events GROUP BY k",
        mode: "batch",
        is_watched: false,
        counts: 0,
    },
    Statement {
        sink: "opened TIMESTAMP(3), k STRING, c BIGINT, s BIGINT",
        second: None,
        insert: "INSERT INTO totals SELECT window_start, k, count(*), sum(n) \
                 FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND)) \
                 GROUP BY window_start, window_end, k",
        mode: "streaming",
        is_watched: false,
        counts: 1,
    },
    Statement {
        sink: "opened TIMESTAMP(3), k STRING, c BIGINT, s BIGINT",
        second: Some("k STRING, n BIGINT, note STRING"),
        insert: "EXECUTE STATEMENT SET BEGIN \
                 INSERT INTO totals SELECT window_start, k, count(*), sum(n) \
                 FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND)) \
                 GROUP BY window_start, window_end, k; \
                 INSERT INTO copies SELECT k, n * 2, note FROM events WHERE n % 3 <> 0; \
                 END",
        mode: "streaming",
        is_watched: false,
        counts: 1,
    },
];

const fn case(name: &'static str, number: usize, live: fn(Life) -> futures::future::BoxFuture<'static, ()>) -> Case {
    Case {
        name,
        prepare: write_events,
        live,
        reports: 40,
        counts: STATEMENTS[number].counts,
        expected: None,
    }
}

pub const CASES: [Case; 6] = [
    case("filter over files", 0, |life| live(&STATEMENTS[0], life).boxed()),
    case("filter over datagen", 1, |life| live(&STATEMENTS[1], life).boxed()),
    case("grouped into memory", 2, |life| live(&STATEMENTS[2], life).boxed()),
    case("grouped at the end", 3, |life| live(&STATEMENTS[3], life).boxed()),
    case("windowed", 4, |life| live(&STATEMENTS[4], life).boxed()),
    case("two sinks", 5, |life| live(&STATEMENTS[5], life).boxed()),
];

/// Lays the files of `events` into the directory, always the same: times go forward and up to 12 s back, which makes some
/// rows late, a key comes for a while and then no more, and some notes have line ends.
fn write_events(dir: &Path) {
    let mut random = StdRng::seed_from_u64(7);
    let dir = dir.join("events");
    fs::create_dir_all(&dir).unwrap();
    let mut number = 0;
    for file in 0..=FILES {
        let is_big = file == FILES / 4;
        let mut text = String::new();
        for _ in 0..if is_big { BIG } else { ROWS } {
            let second = (number * 2_i64 - random.random_range(0..12)).max(0);
            let (hour, minute) = (second / 3600, second / 60 % 60);
            let key = number / 100 + random.random_range(0..if is_big { 40 } else { 400 });
            let note = match (is_big, key % 5) {
                (true, _) => format!("\"{key}, \n\"\"{}\"\"\"", "x".repeat(190)),
                (false, 0) => "\"two\nlines\"".to_owned(),
                (false, 1) => String::new(),
                _ => format!("note {number}"),
            };
            let n = random.random_range(-1000..1000);
            writeln!(
                text,
                "k{key},{n},2024-05-{:02} {:02}:{minute:02}:{:02}.000,{note}",
                1 + hour / 24,
                hour % 24,
                second % 60,
            )
            .unwrap();
            number += 1;
        }
        fs::write(dir.join(format!("{file:04}.csv")), text).unwrap();
    }
}

async fn live(statement: &'static Statement, life: Life) {
    let local = life.dir.join("local");
    let mut target = Target::new(format!("local:{}", local.display()), &life.dir);
    let properties = [
        ("table.local-time-zone", "UTC"),
        ("execution.runtime-mode", statement.mode),
        ("execution.checkpointing.interval", &life.interval),
        ("execution.checkpointing.num-retained", "1"),
    ];
    let properties = properties.map(|(key, value)| (key.to_owned(), value.to_owned()));
    target.properties.extend(properties);
    let connection = LocalEngine.connect(&target).await.unwrap();
    let sql = connection.sql.clone().unwrap();
    for table in tables(statement, &life.dir) {
        sql.submit(Submit::new(table)).await.unwrap();
    }
    let before = life.rows_before();
    let mut submit = Submit::new(statement.insert);
    submit.job_id = Some(life.job);
    submit.restore.clone_from(&life.restore);
    sql.submit(submit).await.unwrap();

    let all = (FILES * ROWS + BIG) as u64;
    let read = |status: &JobStatus| before[0] + status.rows_in.unwrap_or(0);
    let mut report = Life::report();
    let jobs = connection.jobs.clone().unwrap();
    let status = life
        .watch(jobs.clone(), |status| {
            let rows = [status.rows_in, status.rows_out][statement.counts];
            report(before[statement.counts] + rows.unwrap_or(0));
            statement.is_watched && read(status) == all
        })
        .await;
    let late = before[2] + status.late_rows.unwrap_or(0);
    let mut result = format!("read {}, late {late}\n", read(&status));
    if statement.is_watched {
        assert!(!status.state.is_terminal(), "{:?}", status.error);
        result += &contents(&*sql).await;
        // Not left to the end of the process, which would be a kill like the others.
        jobs.cancel(&life.job).await.unwrap();
        life.watch(jobs, |_| false).await;
    } else {
        assert_eq!(status.ended_by, Some(EndedBy::Completed), "{:?}", status.error);
    }
    // Whole or not at all: the process may be killed here too.
    fs::write(life.dir.join("result.new"), result).unwrap();
    fs::rename(life.dir.join("result.new"), life.dir.join(RESULT)).unwrap();
}

fn tables(statement: &Statement, dir: &Path) -> Vec<String> {
    let path = |name: &str| dir.join(name).display().to_string();
    let watched = if statement.is_watched {
        ", 'source.monitor-interval' = '1 ms'"
    } else {
        ""
    };
    let sink = if statement.is_watched {
        "'connector' = 'memory'".to_owned()
    } else {
        CSV.replace("{out}", &path("out"))
    };
    let mut tables = vec![
        format!(
            "CREATE TABLE events (k STRING, n BIGINT, ts TIMESTAMP(3), note STRING, \
             WATERMARK FOR ts AS ts - INTERVAL '3' SECOND) WITH \
             ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv'{watched})",
            path("events")
        ),
        "CREATE TABLE made (id BIGINT, k INT, word STRING) WITH ('connector' = 'datagen', \
         'rows-per-second' = '1000000000', 'local.datagen.seed' = '11', 'fields.id.kind' = 'sequence', \
         'fields.id.start' = '1', 'fields.id.end' = '1500000', 'fields.k.min' = '0', 'fields.k.max' = '2999', \
         'fields.word.length' = '9')"
            .to_owned(),
        format!("CREATE TABLE totals ({}) WITH ({sink})", statement.sink),
    ];
    if let Some(columns) = statement.second {
        let sink = CSV.replace("{out}", &path("out-too"));
        tables.push(format!("CREATE TABLE copies ({columns}) WITH ({sink})"));
    }
    tables
}

/// The rows of the memory table.
async fn contents(sql: &dyn Sql) -> String {
    let mut submit = Submit::new("SELECT * FROM totals ORDER BY k");
    submit
        .settings
        .insert("execution.runtime-mode".to_owned(), "batch".to_owned());
    let mut rows = sql.submit(submit).await.unwrap().rows.unwrap();
    let mut text = String::new();
    while let Some(batch) = rows.next().await.unwrap() {
        let columns = batch.rows.columns();
        for row in 0..batch.rows.num_rows() {
            for column in columns {
                let value = datafusion::arrow::util::display::array_value_to_string(column, row).unwrap();
                write!(text, "{value}|").unwrap();
            }
            text.push('\n');
        }
    }
    text
}
