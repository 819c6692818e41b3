//! DDL, SHOW, DESCRIBE, USE, SET.

use crate::world::World;

#[tokio::test]
async fn a_table_is_described_and_shown_as_flink_does() {
    let w = World::new().await;
    w.run(
        "CREATE TABLE t (id BIGINT NOT NULL COMMENT 'it''s', price DECIMAL(10, 2), total AS price * 2, ts TIMESTAMP(3), pt \
         AS PROCTIME(), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector' = \
         'datagen', 'number-of-rows' = '5')",
    )
    .await;
    assert_eq!(
        w.rows("DESCRIBE t").await,
        [
            "name|type|null|key|extras|watermark|comment",
            "id|BIGINT|false|PRI(id)|∅|∅|it's",
            "price|DECIMAL(10, 2)|true|∅|∅|∅|∅",
            "total|DECIMAL(21, 2)|true|∅|AS price * 2|∅|∅",
            "ts|TIMESTAMP(3) *ROWTIME*|true|∅|∅|ts - INTERVAL '5' SECOND|∅",
            "pt|TIMESTAMP_LTZ(3) *PROCTIME*|true|∅|AS PROCTIME()|∅|∅",
        ]
    );
    let shown = w.value("SHOW CREATE TABLE t").await;
    assert_eq!(
        shown,
        "CREATE TABLE `default_catalog`.`default_database`.`t` (\n  `id` BIGINT NOT NULL COMMENT 'it''s',\n  `price` \
         DECIMAL(10, 2),\n  `total` AS price * 2,\n  `ts` TIMESTAMP(3),\n  `pt` AS PROCTIME(),\n  WATERMARK FOR `ts` AS ts - \
         INTERVAL '5' SECOND,\n  PRIMARY KEY (`id`) NOT ENFORCED\n) WITH (\n  'connector' = 'datagen',\n  'number-of-rows' \
         = '5'\n)"
    );
    // What is shown makes the same table.
    w.run("DROP TABLE t").await;
    w.run(&shown).await;
    assert_eq!(w.value("SHOW CREATE TABLE t").await, shown);
    // So it is for names that need their quotes.
    w.run("CREATE TABLE `a``b` (`c``d` INT) WITH ('connector' = 'memory')")
        .await;
    let quoted = w.value("SHOW CREATE TABLE `a``b`").await;
    assert!(quoted.contains(".`a``b` (\n  `c``d` INT"), "{quoted}");
    w.run("DROP TABLE `a``b`").await;
    w.run(&quoted).await;
    w.run("CREATE VIEW `v``w` AS SELECT * FROM `a``b`").await;
    assert_eq!(w.rows("DESCRIBE `v``w`").await.len(), 2);
    w.run("DROP VIEW `v``w`").await;
    w.run("DROP TABLE `a``b`").await;
    assert_eq!(w.values("SHOW COLUMNS FROM t LIKE 'p%'").await.len(), 2);
    let columns = w.sql.columns("t").await.unwrap();
    assert_eq!(columns.len(), 5);
    assert_eq!(columns[0].data_type, "BIGINT");
}

#[tokio::test]
async fn objects_are_listed_by_database() {
    let w = World::new().await;
    w.run("CREATE TABLE a (x INT) WITH ('connector' = 'print')").await;
    w.run("CREATE VIEW b AS SELECT 1 AS one").await;
    assert_eq!(w.rows("SHOW TABLES").await, ["table name", "a", "b"]);
    assert_eq!(w.rows("SHOW VIEWS").await, ["view name", "b"]);
    assert_eq!(w.rows("SHOW CATALOGS").await, ["catalog name", "default_catalog"]);
    assert_eq!(
        w.rows("SHOW CURRENT CATALOG").await,
        ["current catalog name", "default_catalog"]
    );
    w.run("CREATE DATABASE IF NOT EXISTS d COMMENT 'x'").await;
    assert_eq!(
        w.rows("SHOW DATABASES").await,
        ["database name", "d", "default_database"]
    );
    w.run("USE d").await;
    assert_eq!(w.value("SHOW CURRENT DATABASE").await, "d");
    assert!(w.values("SHOW TABLES").await.is_empty());
    assert_eq!(w.values("SHOW TABLES FROM default_database LIKE 'a%'").await, ["a"]);
    assert_eq!(
        w.values("SHOW TABLES FROM default_catalog.default_database NOT LIKE 'a%'")
            .await,
        ["b"]
    );
    w.run("USE default_catalog.default_database").await;
    assert_eq!(w.sql.objects().await.unwrap().len(), 2);
    w.run("DROP DATABASE d").await;
    assert_eq!(w.error("USE d").await.message, "there is no database d");
    assert_eq!(
        w.rows("DESCRIBE b").await,
        ["name|type|null|key|extras|watermark", "one|INT|false|∅|∅|∅"]
    );
    assert_eq!(
        w.value("SHOW CREATE VIEW b").await,
        "CREATE VIEW `default_catalog`.`default_database`.`b`\nAS SELECT 1 AS one"
    );
    assert!(w.values("SHOW FUNCTIONS").await.contains(&"date_format".to_owned()));
}

#[tokio::test]
async fn what_is_there_already_stays() {
    let w = World::new().await;
    w.run("CREATE TABLE a (x INT) WITH ('connector' = 'print')").await;
    assert_eq!(
        w.error("CREATE TABLE a (y INT) WITH ('connector' = 'print')")
            .await
            .message,
        "there is a table or view a already"
    );
    w.run("CREATE TABLE IF NOT EXISTS a (y INT) WITH ('connector' = 'print')")
        .await;
    assert_eq!(w.values("DESCRIBE a").await, ["x|INT|true|∅|∅|∅"]);
    // A temporary one hides it and goes first.
    w.run("CREATE TEMPORARY TABLE a (z INT) WITH ('connector' = 'print')")
        .await;
    assert_eq!(w.values("DESCRIBE a").await, ["z|INT|true|∅|∅|∅"]);
    w.run("DROP TABLE a").await;
    assert_eq!(w.values("DESCRIBE a").await, ["x|INT|true|∅|∅|∅"]);
    assert_eq!(w.error("DROP VIEW a").await.message, "a is a table, not a view");
    w.run("DROP TABLE a").await;
    assert_eq!(w.error("DROP TABLE a").await.message, "there is no table a");
    w.run("DROP TABLE IF EXISTS a").await;
    // A fresh session has nothing of it.
    w.run("CREATE VIEW v AS SELECT 1 AS one").await;
    let fresh = w.sql.fresh().await.unwrap();
    assert!(fresh.objects().await.unwrap().is_empty());
}

#[tokio::test]
async fn settings_are_kept_and_unknown_ones_named() {
    let w = World::new().await;
    w.run("SET 'execution.runtime-mode' = 'batch'").await;
    w.run("SET pipeline.name = my job").await;
    assert_eq!(
        w.rows("SET").await,
        [
            "key|value",
            "execution.runtime-mode|batch",
            "pipeline.name|my job",
            "table.local-time-zone|UTC"
        ]
    );
    assert_eq!(w.sql.setting("pipeline.name").await.unwrap().as_deref(), Some("my job"));
    let operation = w.submit("SET 'pipeline.nam' = 'x'").await.unwrap();
    assert_eq!(
        operation.notes,
        [
            "the embedded engine does not know the setting pipeline.nam (did you mean pipeline.name?): it is kept and has no effect"
        ]
    );
    assert_eq!(
        w.error("SET 'execution.runtime-mode' = 'fast'").await.message,
        "'execution.runtime-mode' is 'fast'"
    );
    w.run("RESET 'pipeline.name'").await;
    assert_eq!(w.sql.setting("pipeline.name").await.unwrap(), None);
    w.run("RESET").await;
    assert_eq!(w.rows("SET").await, ["key|value", "table.local-time-zone|UTC"]);
}
