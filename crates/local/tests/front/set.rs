//! Statement sets.

use skep_engine::{EndedBy, ErrorKind, Format, JobId, Restore, SavepointRequest, StopRequest, Submit};

use crate::world::{World, lines_under};

impl World {
    /// A directory `src` with a file in it, watched or not, and sinks: `a` and `b` of files, `m` in memory, `p` for the
    /// log, `h` for nobody.
    async fn tables(&self, is_watched: bool) {
        self.file("src/a.csv", "x,1\ny,2\nx,3\n");
        let watched = if is_watched {
            ", 'source.monitor-interval' = '10 ms'"
        } else {
            ""
        };
        for (name, columns, options) in [
            ("src", "k STRING, v INT", format!("{}{watched}", self.files("src"))),
            ("a", "k STRING, v INT", self.files("a")),
            ("b", "v INT", self.files("b")),
            ("same", "v INT", self.files("b")),
            (
                "m",
                "k STRING, n BIGINT, PRIMARY KEY (k) NOT ENFORCED",
                "'connector' = 'memory'".to_owned(),
            ),
            ("p", "v INT", "'connector' = 'print'".to_owned()),
            ("h", "v INT", "'connector' = 'blackhole'".to_owned()),
        ] {
            self.run(&format!("CREATE TABLE {name} ({columns}) WITH ({options})"))
                .await;
        }
    }

    fn files(&self, name: &str) -> String {
        format!(
            "'connector' = 'filesystem', 'path' = '{}', 'format' = 'csv'",
            self.path(name)
        )
    }

    /// Starts the statement and stops it when it has written that many rows: the savepoint's path.
    async fn stopped(&self, sql: &str, rows: u64) -> String {
        let operation = self
            .submit(sql)
            .await
            .unwrap_or_else(|e| panic!("{sql}: {e} {:?}", e.hints));
        let job = operation.job.unwrap().job_id;
        let jobs = self.connection.jobs.clone().unwrap();
        let mut watch = jobs.clone().watch(job);
        watch
            .wait_for(|w| w.status.as_ref().is_some_and(|s| s.rows_out == Some(rows)))
            .await
            .unwrap();
        let request = StopRequest {
            savepoint: SavepointRequest {
                trigger: JobId::from_bytes(*b"a stop's trigger"),
                dir: None,
                format: Format::Canonical,
                numbered: false,
            },
            drain: false,
        };
        jobs.stop(&job, request).await.unwrap().path
    }

    async fn restored(&self, path: &str, sql: &str) -> Result<skep_engine::Operation, skep_engine::EngineError> {
        let mut submit = Submit::new(sql);
        submit.restore = Some(Restore {
            path: path.to_owned(),
            job_id: None,
            allow_non_restored: false,
            fork: false,
            claim: skep_engine::ClaimMode::NoClaim,
        });
        self.sql.submit(submit).await
    }
}

const SET: &str = "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT k, v FROM src; INSERT INTO b SELECT v * 10 FROM src WHERE v > 1; \
                   INSERT INTO m SELECT k, count(*) FROM src GROUP BY k; INSERT INTO p SELECT v FROM src; \
                   INSERT INTO h SELECT v FROM src; INSERT INTO b VALUES (7), (8); END";

#[tokio::test]
async fn a_set_is_one_job_that_writes_all_of_its_tables() {
    for mode in ["batch", "streaming"] {
        let w = World::new().await;
        w.tables(false).await;
        w.run(&format!("SET 'execution.runtime-mode' = '{mode}'")).await;
        let operation = w.submit(SET).await.unwrap();
        let job = operation.job.clone().unwrap();
        assert_eq!((job.name.as_str(), job.bounded), ("a", true));
        let status = w.wait(&operation).await;
        assert_eq!(status.ended_by, Some(EndedBy::Completed), "{:?}", status.error);
        assert_eq!(lines_under(&w.dir.path().join("a")), ["x,1", "x,3", "y,2"]);
        assert_eq!(lines_under(&w.dir.path().join("b")), ["20", "30", "7", "8"]);
        assert_eq!(w.values("SELECT k, n FROM m ORDER BY k").await, ["x|2", "y|1"]);
        let printed: Vec<_> = operation.log.lines().0.into_iter().map(|line| line.text).collect();
        assert_eq!(
            printed.iter().filter(|line| line.starts_with("+I[")).count(),
            3,
            "{printed:?}"
        );
        // Three rows of `src`, read once, and two constants; each sink's rows.
        assert_eq!(status.rows_in, Some(5));
        assert_eq!(status.rows_out, Some(3 + 2 + 2 + 3 + 3 + 2));
        let jobs = w.connection.jobs.clone().unwrap();
        assert_eq!(jobs.list().await.unwrap().len(), 1);
        let detail = jobs.detail(&job.job_id).await.unwrap();
        let sink = detail.facts.iter().find(|(name, _)| name == "sink").unwrap();
        assert_eq!(sink.1.split("; ").count(), 5, "{}", sink.1);
        let sources = detail
            .vertices
            .iter()
            .filter(|vertex| vertex.name.starts_with("source"));
        assert_eq!(sources.count(), 1, "{:?}", detail.vertices);
    }
}

#[tokio::test]
async fn a_set_in_several_statements_is_one() {
    let w = World::new().await;
    w.tables(false).await;
    w.insert("BEGIN STATEMENT SET; INSERT INTO a SELECT k, v FROM src; INSERT INTO b SELECT v FROM src; END;")
        .await;
    assert_eq!(lines_under(&w.dir.path().join("b")), ["1", "2", "3"]);
    // The job has one mode: counts are no last word where another INSERT has no end.
    w.run(&format!(
        "CREATE TABLE endless (v INT) WITH ({}, 'source.monitor-interval' = '1 h')",
        w.files("endless")
    ))
    .await;
    let counted = "INSERT INTO b SELECT CAST(count(*) AS INT) FROM src";
    w.insert(&format!("EXECUTE STATEMENT SET BEGIN {counted}; END")).await;
    let error = w
        .error(&format!(
            "EXECUTE STATEMENT SET BEGIN INSERT INTO h SELECT v FROM endless; {counted}; END"
        ))
        .await;
    assert!(error.message.contains("update changes"), "{error}");
    w.run("SET 'execution.runtime-mode' = 'batch'").await;
    let error = w
        .error("EXECUTE STATEMENT SET BEGIN INSERT INTO h SELECT v FROM src; INSERT INTO h SELECT v FROM endless; END")
        .await;
    assert_eq!(error.message, "endless has no end and can't be read in batch mode");
}

#[tokio::test]
async fn what_a_set_can_not_do_is_said_where_it_stands() {
    let w = World::new().await;
    w.tables(true).await;
    for begin in ["EXECUTE STATEMENT SET BEGIN\n", "BEGIN STATEMENT SET;\n"] {
        for (second, message, column) in [
            ("INSERT INTO nowhere SELECT 1", "nowhere", 13),
            ("INSERT INTO b SELECT x FROM src", "no column x in src", 22),
            ("INSERT INTO b SELECT v FROM src ORDER BY v", "ORDER BY", 13),
            ("INSERT INTO b SELECT v, v FROM src", "gives 2 columns", 13),
            ("SELECT 1", "expected INSERT or END, found SELECT", 1),
        ] {
            let error = w
                .error(&format!("{begin}INSERT INTO a SELECT k, v FROM src;\n{second};\nEND"))
                .await;
            assert!(error.message.contains(message), "{second}: {error}");
            let place = error.position.map(|place| (place.line, place.column));
            assert_eq!(place, Some((3, column)), "{second}: {error}");
        }
    }
    let error = w
        .error("EXECUTE STATEMENT SET BEGIN INSERT INTO b SELECT v FROM src; INSERT INTO same SELECT v FROM src; END")
        .await;
    assert_eq!(error.kind, ErrorKind::Refused);
    assert!(error.message.contains("write the same directory"), "{error}");
    // Nothing has been started.
    assert!(w.connection.jobs.as_ref().unwrap().list().await.unwrap().is_empty());
}

#[tokio::test]
async fn explain_shows_each_insert_and_the_one_job() {
    let w = World::new().await;
    w.tables(true).await;
    let text = w
        .value(
            "EXPLAIN STATEMENT SET BEGIN INSERT INTO a SELECT k, v FROM src; \
             INSERT INTO m SELECT k, count(*) FROM src GROUP BY k; END",
        )
        .await;
    let name = |table: &str| format!("INSERT INTO `default_catalog`.`default_database`.`{table}`");
    for part in [format!("== {} ==", name("a")), format!("== {} ==", name("m"))] {
        assert_eq!(text.matches(&part).count(), 1, "{text}");
    }
    let (_, job) = text.split_once("== Streaming Plan ==\n").unwrap();
    let expected = format!(
        "aggregate of {}\nsource src\nchangelogMode=[I]\nchangelogMode=[I,UB,UA,D]",
        name("m")
    );
    assert_eq!(job, expected);
}

#[tokio::test]
async fn a_stopped_set_goes_on_and_a_changed_one_is_refused_by_what_differs() {
    const COPY: &str = "INSERT INTO a SELECT k, v FROM src;";
    const COUNT: &str = "INSERT INTO m SELECT k, count(*) FROM src GROUP BY k;";
    const MORE: &str = "INSERT INTO p SELECT CAST(sum(v) AS INT) FROM src;";
    let w = World::new().await;
    w.tables(true).await;
    let set = |inserts: &[&str]| format!("EXECUTE STATEMENT SET BEGIN {} END", inserts.concat());
    let path = w.stopped(&set(&[COPY, COUNT]), 3 + 2).await;
    assert_eq!(lines_under(&w.dir.path().join("a")), ["x,1", "x,3", "y,2"]);
    for (inserts, part) in [
        (
            vec![COPY],
            "aggregate of INSERT INTO `default_catalog`.`default_database`.`m` is no longer there",
        ),
        (
            vec![COPY, COUNT, MORE],
            "aggregate of INSERT INTO `default_catalog`.`default_database`.`p` is new and would miss all rows before",
        ),
        (
            vec![COPY, "INSERT INTO m SELECT k, sum(v) FROM src GROUP BY k;"],
            "aggregate of INSERT INTO `default_catalog`.`default_database`.`m`: call 0 was",
        ),
    ] {
        let error = w.restored(&path, &set(&inserts)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused);
        assert!(error.message.contains(part), "{error}");
    }
    // In another order each table's state is still its own.
    w.file("src/b.csv", "y,4\n");
    let operation = w.restored(&path, &set(&[COUNT, COPY])).await.unwrap();
    let job = operation.job.unwrap().job_id;
    let mut watch = w.connection.jobs.clone().unwrap().watch(job);
    watch
        .wait_for(|w| {
            w.status
                .as_ref()
                .is_some_and(|s| s.rows_out == Some(1 + 2) && s.last_checkpoint.is_some())
        })
        .await
        .unwrap();
    assert_eq!(lines_under(&w.dir.path().join("a")), ["x,1", "x,3", "y,2", "y,4"]);
    assert_eq!(w.values("SELECT k, n FROM m ORDER BY k").await, ["x|2", "y|2"]);
    operation.handle.cancel().await.unwrap();
}

#[tokio::test]
async fn two_inserts_into_one_table_do_not_take_each_others_state() {
    const FIRST: &str = "INSERT INTO p SELECT CAST(sum(v) AS INT) FROM src WHERE k = 'x';";
    const SECOND: &str = "INSERT INTO p SELECT CAST(sum(v) AS INT) FROM src WHERE k = 'y';";
    let w = World::new().await;
    w.tables(true).await;
    let set = |inserts: &[&str]| format!("EXECUTE STATEMENT SET BEGIN {} END", inserts.concat());
    let path = w.stopped(&set(&[FIRST, SECOND]), 1 + 1).await;
    let error = w.restored(&path, &set(&[SECOND, FIRST])).await.unwrap_err();
    assert!(error.message.contains("aggregate of INSERT 1 INTO"), "{error}");
    assert!(error.message.contains("SHA-256 of the query's text was"), "{error}");
    let operation = w.restored(&path, &set(&[FIRST, SECOND])).await.unwrap();
    operation.handle.cancel().await.unwrap();
}
