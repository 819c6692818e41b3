//! Statements that start jobs.

use skep_engine::{
    EndedBy, ErrorKind, Format, JobId, JobState, Restore, RowKind, SavepointRequest, StopRequest, Submit,
};

use crate::world::{World, lines_under};

const ID: &str = "5f2c9a4e0b1d4c6e8f7a9b0c1d2e3f40";

impl World {
    async fn sink(&self, name: &str, columns: &str) -> std::path::PathBuf {
        let dir = self.dir.path().join(name);
        self.run(&format!(
            "CREATE TABLE {name} ({columns}) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv')",
            dir.display()
        ))
        .await;
        dir
    }

    /// A directory that is watched, with one file in it.
    async fn watched(&self, name: &str, text: &str) {
        self.file(&format!("{name}/a.csv"), text);
        self.run(&format!(
            "CREATE TABLE {name} (k STRING, v INT) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv', \
             'source.monitor-interval' = '10 ms')",
            self.path(name)
        ))
        .await;
    }
}

#[tokio::test]
async fn values_become_rows_of_a_file() {
    let w = World::new().await;
    let dir = w.sink("t", "a INT, b STRING, d DECIMAL(5, 2)").await;
    w.insert("INSERT INTO t VALUES (1, 'x', 1.5), (2, NULL, NULL)").await;
    w.insert("INSERT INTO t (b, a) VALUES ('it''s, \"quoted\"', 3)").await;
    assert_eq!(lines_under(&dir).len(), 3);
    // CSV has one word for NULL and '': as in Flink an empty text is a text, an empty number is NULL.
    assert_eq!(
        w.values("SELECT * FROM t ORDER BY a").await,
        ["1|x|1.50", "2||∅", "3|it's, \"quoted\"|∅"]
    );
}

#[tokio::test]
async fn a_secret_setting_is_neither_written_down_nor_shown() {
    let w = World::new().await;
    w.run("SET 'my.password' = 'hunter2'").await;
    w.sink("t", "a INT").await;
    w.insert("INSERT INTO t VALUES (1)").await;
    for job in std::fs::read_dir(w.dir.path().join("jobs/jobs")).unwrap() {
        let record = std::fs::read_to_string(job.unwrap().path().join("job.json")).unwrap();
        assert!(record.contains("INSERT") && !record.contains("hunter2"), "{record}");
    }
    let settings = w.values("SET").await;
    assert!(settings.contains(&"my.password|******".to_owned()), "{settings:?}");
}

#[tokio::test]
async fn a_batch_insert_gives_final_results() {
    let w = World::new().await;
    w.sink("t", "a INT, n BIGINT").await;
    let operation = w
        .submit(
            "INSERT INTO t SELECT avg(a), count(*) FROM (VALUES ('x', 1), ('x', 2), ('y', 5)) AS v(k, a) GROUP BY k",
        )
        .await
        .unwrap();
    let job = operation.job.clone().unwrap();
    assert_eq!(job.name, "t");
    assert!(job.bounded);
    let status = w.wait(&operation).await;
    assert_eq!(
        (status.state, status.ended_by),
        (JobState::Finished, Some(EndedBy::Completed))
    );
    assert_eq!(w.values("SELECT * FROM t ORDER BY a").await, ["1|2", "5|1"]);
    // Sorted, joined, limited: a batch is computed whole.
    w.sink("u", "a INT").await;
    w.insert("INSERT INTO u SELECT x.a FROM t x JOIN t y ON x.a < y.a ORDER BY x.a DESC LIMIT 1")
        .await;
    assert_eq!(w.values("SELECT * FROM u").await, ["1"]);
}

#[tokio::test]
async fn what_does_not_fit_a_table_is_rejected() {
    let w = World::new().await;
    w.sink("t", "a INT, b STRING NOT NULL, ts TIMESTAMP(3)").await;
    for (sql, message) in [
        ("INSERT INTO t SELECT 1", "the query gives 1 columns and t takes 3"),
        ("INSERT INTO t (a, x) SELECT 1, 2", "no column x in t"),
        ("INSERT INTO t (a, a) SELECT 1, 2", "the column a is named twice"),
        (
            "INSERT INTO t (a) SELECT 1",
            "the column b is NOT NULL and gets no value",
        ),
        (
            "INSERT INTO t VALUES ('1', 'x', NULL)",
            "column 1 of the query is STRING and a is INT",
        ),
        (
            "INSERT INTO t VALUES (1, 'x', '2024-01-01 00:00:00')",
            "column 3 of the query is STRING and ts is TIMESTAMP(3)",
        ),
    ] {
        let error = w.error(sql).await;
        assert_eq!(
            (error.kind, error.message.as_str()),
            (ErrorKind::Rejected, message),
            "{sql}"
        );
        assert!(error.position.is_some(), "{sql}");
    }
    w.run("CREATE VIEW v AS SELECT 1 AS one").await;
    assert_eq!(
        w.error("INSERT INTO v SELECT 1").await.message,
        "v is a view: nothing can be written to it"
    );
    // A NULL for a NOT NULL column fails the job, and none of its rows is seen.
    for (sql, message) in [
        (
            "INSERT INTO t SELECT a, b, NULL FROM (VALUES (1, 'x'), (2, NULL)) AS v(a, b)",
            "a NULL came for the column b, which is NOT NULL",
        ),
        ("INSERT INTO t VALUES (3000000000, 'x', NULL)", ""),
    ] {
        let operation = w.submit(sql).await;
        let error = match operation {
            Err(error) => error.message,
            Ok(operation) => {
                let status = w.wait(&operation).await;
                assert_eq!(status.state, JobState::Failed, "{sql}");
                status.error.unwrap_or_default()
            }
        };
        assert!(error.contains(message), "{sql}: {error}");
    }
    assert!(w.values("SELECT * FROM t").await.is_empty());
}

#[tokio::test]
async fn a_memory_table_can_be_queried() {
    let w = World::new().await;
    w.run("CREATE TABLE m (k STRING, n BIGINT, s BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'memory')")
        .await;
    assert_eq!(w.rows("SELECT * FROM m").await, ["k|n|s"]);
    w.run("SET 'execution.runtime-mode' = 'streaming'").await;
    w.file("in/a.csv", "x,1\ny,2\nx,3\n");
    w.run(&format!(
        "CREATE TABLE src (k STRING, v INT) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv')",
        w.path("in")
    ))
    .await;
    w.insert("INSERT INTO m SELECT k, count(*), sum(v) FROM src GROUP BY k")
        .await;
    assert_eq!(w.values("SELECT k, n, s FROM m ORDER BY k").await, ["x|2|4", "y|1|2"]);
    assert_eq!(w.values("SELECT s FROM m WHERE k = 'y'").await, ["2"]);
    w.run("DROP TABLE m").await;
}

#[tokio::test]
async fn a_select_over_an_endless_table_is_a_job_with_a_changelog() {
    let w = World::new().await;
    w.watched("src", "x,1\ny,2\n").await;
    let mut submit = Submit::new("SELECT k, sum(v) AS s FROM src GROUP BY k");
    submit.job_id = Some(ID.parse().unwrap());
    let operation = w.sql.submit(submit.clone()).await.unwrap();
    let job = operation.job.clone().unwrap();
    assert_eq!(job.job_id.to_string(), ID);
    assert!(!job.bounded);
    let mut rows = operation.rows.unwrap();
    assert!(rows.is_changelog());
    let mut kinds = Vec::new();
    while kinds.len() < 2 {
        let batch = rows.next().await.unwrap().unwrap();
        kinds.extend(batch.kinds.unwrap());
    }
    assert_eq!(kinds, [RowKind::Insert, RowKind::Insert]);
    w.file("src/b.csv", "x,5\n");
    let batch = rows.next().await.unwrap().unwrap();
    assert_eq!(batch.kinds.unwrap(), [RowKind::UpdateBefore, RowKind::UpdateAfter]);
    // The same id is not taken twice.
    let error = w.sql.submit(submit).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused, "{error}");
    operation.handle.cancel().await.unwrap();
    while let Ok(Some(_)) = rows.next().await {}
    let status = w.connection.jobs.as_ref().unwrap().status(&job.job_id).await.unwrap();
    assert_eq!(status.state, JobState::Canceled);
}

#[tokio::test]
async fn what_a_stream_can_not_do_is_refused_and_batch_mode_wants_an_end() {
    let w = World::new().await;
    w.watched("src", "x,1\n").await;
    w.sink("t", "k STRING, n BIGINT").await;
    for (sql, part) in [
        ("SELECT * FROM src ORDER BY k", "ORDER BY"),
        ("SELECT * FROM src LIMIT 3", "LIMIT"),
        ("SELECT a.k FROM src a JOIN src b ON a.k = b.k", "join"),
        ("SELECT k, row_number() OVER (ORDER BY v) FROM src", "OVER"),
        ("INSERT INTO t SELECT k, count(*) FROM src GROUP BY k", "update"),
    ] {
        let error = w.error(sql).await;
        assert_eq!(error.kind, ErrorKind::Refused, "{sql}: {error}");
        assert!(error.message.contains(part), "{sql}: {error}");
    }
    w.run("SET 'execution.runtime-mode' = 'batch'").await;
    assert_eq!(
        w.error("SELECT * FROM src").await.message,
        "src has no end and can't be read in batch mode"
    );
    // Nothing is left of what was refused.
    assert!(w.connection.jobs.as_ref().unwrap().list().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_stopped_insert_goes_on_in_another_connection() {
    let w = World::new().await;
    w.watched("src", "x,1\ny,2\n").await;
    let dir = w.sink("t", "k STRING, v INT").await;
    let prelude: Vec<String> = vec![
        w.value("SHOW CREATE TABLE src").await,
        w.value("SHOW CREATE TABLE t").await,
    ];
    let mut submit = Submit::new("INSERT INTO t SELECT k, v * 10 FROM src");
    submit.prelude = prelude.clone().into();
    let operation = w.sql.submit(submit.clone()).await.unwrap();
    let job = operation.job.clone().unwrap().job_id;
    let jobs = w.connection.jobs.clone().unwrap();
    let mut watch = jobs.clone().watch(job);
    watch
        .wait_for(|w| w.status.as_ref().is_some_and(|s| s.rows_out == Some(2)))
        .await
        .unwrap();
    let request = StopRequest {
        savepoint: SavepointRequest {
            trigger: JobId::from_bytes([7; 16]),
            dir: None,
            format: Format::Canonical,
            numbered: false,
        },
        drain: false,
    };
    let savepoint = jobs.stop(&job, request).await.unwrap();
    assert_eq!(lines_under(&dir), ["x,10", "y,20"]);
    let tasks = jobs.detail(&job).await.unwrap().vertices;
    assert!(
        !tasks.is_empty() && tasks.iter().all(|task| task.state == "FINISHED"),
        "{tasks:?}"
    );
    let recipes = w.connection.stores.as_ref().unwrap().recipes().await.unwrap();
    assert_eq!(recipes[0].prelude, prelude);
    assert_eq!(recipes[0].sql, submit.text);

    w.file("src/b.csv", "z,3\n");
    let fresh = w.sql.fresh().await.unwrap();
    for statement in &recipes[0].prelude {
        fresh.submit(Submit::new(statement.as_str())).await.unwrap();
    }
    submit.restore = Some(Restore {
        path: savepoint.path.clone(),
        job_id: Some(job),
        allow_non_restored: false,
        fork: false,
        claim: skep_engine::ClaimMode::NoClaim,
    });
    let restored = fresh.submit(submit).await.unwrap();
    let next = restored.job.clone().unwrap().job_id;
    assert_ne!(next, job);
    let mut watch = jobs.clone().watch(next);
    watch
        .wait_for(|w| {
            w.status
                .as_ref()
                .is_some_and(|s| s.rows_out == Some(1) && s.last_checkpoint.is_some())
        })
        .await
        .unwrap();
    assert_eq!(lines_under(&dir), ["x,10", "y,20", "z,30"]);
    restored.handle.cancel().await.unwrap();
}

#[tokio::test]
async fn windows_close_and_their_rows_are_written() {
    let w = World::new().await;
    w.file(
        "in/a.csv",
        "x,1,2013-01-01 05:10:00\nx,3,2013-01-01 05:20:00\ny,5,2013-01-01 06:10:00\n",
    );
    w.run(&format!(
        "CREATE TABLE src (k STRING, v INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH \
         ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv')",
        w.path("in")
    ))
    .await;
    w.sink("t", "k STRING, until TIMESTAMP(3), v INT").await;
    for mode in ["streaming", "automatic"] {
        w.run(&format!("SET 'execution.runtime-mode' = '{mode}'")).await;
        w.insert(
            "INSERT INTO t SELECT k, window_end, avg(v) FROM TABLE(TUMBLE(TABLE src, DESCRIPTOR(ts), INTERVAL '1' HOUR)) \
             GROUP BY k, window_end",
        )
        .await;
    }
    assert_eq!(
        w.values("SELECT * FROM t ORDER BY k").await,
        [
            "x|2013-01-01T06:00:00|2",
            "x|2013-01-01T06:00:00|2",
            "y|2013-01-01T07:00:00|5",
            "y|2013-01-01T07:00:00|5"
        ]
    );
}

#[tokio::test]
async fn windows_before_1970_and_after_2262_start_where_flinks_do() {
    let w = World::new().await;
    w.file(
        "in/a.csv",
        "1600-02-29 23:59:59.999,a\n1969-12-31 23:59:49.999,a\n1969-12-31 23:59:50.000,b\n1969-12-31 23:59:59.999,a\n\
         1970-01-01 00:00:00.000,b\n9998-12-31 23:59:59.999,b\n",
    );
    w.file(
        "near/a.csv",
        "1969-12-31 23:59:52.999,a\n1969-12-31 23:59:53.000,b\n1970-01-01 00:00:02.999,b\n",
    );
    for table in ["in", "near"] {
        w.run(&format!(
            "CREATE TABLE `{table}` (ts TIMESTAMP(3), k STRING, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH \
             ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv')",
            w.path(table)
        ))
        .await;
    }
    let columns = "s TIMESTAMP(3), k STRING, n BIGINT, t TIMESTAMP(3), e TIMESTAMP(3)";
    w.sink("shifted", columns).await;
    w.sink("plain", columns).await;
    w.run("SET 'execution.runtime-mode' = 'streaming'").await;
    for (source, table, offset) in [("in", "plain", ""), ("near", "shifted", ", INTERVAL '3' SECOND")] {
        w.insert(&format!(
            "INSERT INTO {table} SELECT window_start, k, count(*), window_time, window_end FROM TABLE(TUMBLE(TABLE `{source}`, \
             DESCRIPTOR(ts), INTERVAL '10' SECOND{offset})) GROUP BY window_start, k, window_time, window_end"
        ))
        .await;
    }
    w.run("RESET").await;
    assert_eq!(
        w.values("SELECT * FROM plain ORDER BY s, k").await,
        [
            "1600-02-29T23:59:50|a|1|1600-02-29T23:59:59.999|1600-03-01T00:00:00",
            "1969-12-31T23:59:40|a|1|1969-12-31T23:59:49.999|1969-12-31T23:59:50",
            "1969-12-31T23:59:50|a|1|1969-12-31T23:59:59.999|1970-01-01T00:00:00",
            "1969-12-31T23:59:50|b|1|1969-12-31T23:59:59.999|1970-01-01T00:00:00",
            "1970-01-01T00:00:00|b|1|1970-01-01T00:00:09.999|1970-01-01T00:00:10",
            "9998-12-31T23:59:50|b|1|9998-12-31T23:59:59.999|9999-01-01T00:00:00",
        ]
    );
    assert_eq!(
        w.values("SELECT s, k, n FROM shifted ORDER BY s, k").await,
        ["1969-12-31T23:59:43|a|1", "1969-12-31T23:59:53|b|2",]
    );
}
