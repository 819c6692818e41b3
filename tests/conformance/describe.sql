-- DESCRIBE and SHOW CREATE TABLE.

CREATE TABLE t (
  id BIGINT NOT NULL,
  name STRING COMMENT 'who',
  price DECIMAL(10, 2),
  ts TIMESTAMP(3),
  cost AS price * 2,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND,
  PRIMARY KEY (id) NOT ENFORCED
) COMMENT 'things' WITH ('connector' = 'blackhole');

DESCRIBE t;
--batch: name STRING, type STRING, null BOOLEAN, key STRING, extras STRING, watermark STRING, comment STRING
--batch> ["cost", "DECIMAL(21, 2)", true, null, "AS `price` * 2", null, null]
--batch> ["id", "BIGINT", false, "PRI(id)", null, null, null]
--batch> ["name", "STRING", true, null, null, null, "who"]
--batch> ["price", "DECIMAL(10, 2)", true, null, null, null, null]
--batch> ["ts", "TIMESTAMP(3)", true, null, null, "`ts` - INTERVAL '5' SECOND", null]
--streaming: name STRING, type STRING, null BOOLEAN, key STRING, extras STRING, watermark STRING, comment STRING
--streaming> ["cost", "DECIMAL(21, 2)", true, null, "AS `price` * 2", null, null]
--streaming> ["id", "BIGINT", false, "PRI(id)", null, null, null]
--streaming> ["name", "STRING", true, null, null, null, "who"]
--streaming> ["price", "DECIMAL(10, 2)", true, null, null, null, null]
--streaming> ["ts", "TIMESTAMP(3) *ROWTIME*", true, null, null, "`ts` - INTERVAL '5' SECOND", null]
--local: name , type , null , key , extras , watermark , comment 
--local> ["cost", "DECIMAL(21, 2)", true, null, "AS price * 2", null, null]
--local> ["id", "BIGINT", false, "PRI(id)", null, null, null]
--local> ["name", "STRING", true, null, null, null, "who"]
--local> ["price", "DECIMAL(10, 2)", true, null, null, null, null]
--local> ["ts", "TIMESTAMP(3) *ROWTIME*", true, null, null, "ts - INTERVAL '5' SECOND", null]

DESC t;
--batch: name STRING, type STRING, null BOOLEAN, key STRING, extras STRING, watermark STRING, comment STRING
--batch> ["cost", "DECIMAL(21, 2)", true, null, "AS `price` * 2", null, null]
--batch> ["id", "BIGINT", false, "PRI(id)", null, null, null]
--batch> ["name", "STRING", true, null, null, null, "who"]
--batch> ["price", "DECIMAL(10, 2)", true, null, null, null, null]
--batch> ["ts", "TIMESTAMP(3)", true, null, null, "`ts` - INTERVAL '5' SECOND", null]
--streaming: name STRING, type STRING, null BOOLEAN, key STRING, extras STRING, watermark STRING, comment STRING
--streaming> ["cost", "DECIMAL(21, 2)", true, null, "AS `price` * 2", null, null]
--streaming> ["id", "BIGINT", false, "PRI(id)", null, null, null]
--streaming> ["name", "STRING", true, null, null, null, "who"]
--streaming> ["price", "DECIMAL(10, 2)", true, null, null, null, null]
--streaming> ["ts", "TIMESTAMP(3) *ROWTIME*", true, null, null, "`ts` - INTERVAL '5' SECOND", null]
--local: name , type , null , key , extras , watermark , comment 
--local> ["cost", "DECIMAL(21, 2)", true, null, "AS price * 2", null, null]
--local> ["id", "BIGINT", false, "PRI(id)", null, null, null]
--local> ["name", "STRING", true, null, null, null, "who"]
--local> ["price", "DECIMAL(10, 2)", true, null, null, null, null]
--local> ["ts", "TIMESTAMP(3) *ROWTIME*", true, null, null, "ts - INTERVAL '5' SECOND", null]

SHOW CREATE TABLE t;
--: result STRING
--> ["CREATE TABLE `default_catalog`.`default_database`.`t` (\n  `id` BIGINT NOT NULL,\n  `name` VARCHAR(2147483647) COMMENT 'who',\n  `price` DECIMAL(10, 2),\n  `ts` TIMESTAMP(3),\n  `cost` AS `price` * 2,\n  WATERMARK FOR `ts` AS `ts` - INTERVAL '5' SECOND,\n  CONSTRAINT `PK_id` PRIMARY KEY (`id`) NOT ENFORCED\n)\nCOMMENT 'things'\nWITH (\n  'connector' = 'blackhole'\n)\n"]
--local: result 
--local> ["CREATE TABLE `default_catalog`.`default_database`.`t` (\n  `id` BIGINT NOT NULL,\n  `name` STRING COMMENT 'who',\n  `price` DECIMAL(10, 2),\n  `ts` TIMESTAMP(3),\n  `cost` AS price * 2,\n  WATERMARK FOR `ts` AS ts - INTERVAL '5' SECOND,\n  PRIMARY KEY (`id`) NOT ENFORCED\n) COMMENT 'things' WITH (\n  'connector' = 'blackhole'\n)"]
--1.20: result 
--1.20> ["CREATE TABLE `default_catalog`.`default_database`.`t` (\n  `id` BIGINT NOT NULL,\n  `name` VARCHAR(2147483647) COMMENT 'who',\n  `price` DECIMAL(10, 2),\n  `ts` TIMESTAMP(3),\n  `cost` AS `price` * 2,\n  WATERMARK FOR `ts` AS `ts` - INTERVAL '5' SECOND,\n  CONSTRAINT `PK_id` PRIMARY KEY (`id`) NOT ENFORCED\n) COMMENT 'things'\nWITH (\n  'connector' = 'blackhole'\n)\n"]

SHOW COLUMNS FROM t;
--batch: name STRING, type STRING, null BOOLEAN, key STRING, extras STRING, watermark STRING, comment STRING
--batch> ["cost", "DECIMAL(21, 2)", true, null, "AS `price` * 2", null, null]
--batch> ["id", "BIGINT", false, "PRI(id)", null, null, null]
--batch> ["name", "STRING", true, null, null, null, "who"]
--batch> ["price", "DECIMAL(10, 2)", true, null, null, null, null]
--batch> ["ts", "TIMESTAMP(3)", true, null, null, "`ts` - INTERVAL '5' SECOND", null]
--streaming: name STRING, type STRING, null BOOLEAN, key STRING, extras STRING, watermark STRING, comment STRING
--streaming> ["cost", "DECIMAL(21, 2)", true, null, "AS `price` * 2", null, null]
--streaming> ["id", "BIGINT", false, "PRI(id)", null, null, null]
--streaming> ["name", "STRING", true, null, null, null, "who"]
--streaming> ["price", "DECIMAL(10, 2)", true, null, null, null, null]
--streaming> ["ts", "TIMESTAMP(3) *ROWTIME*", true, null, null, "`ts` - INTERVAL '5' SECOND", null]
--local: name , type , null , key , extras , watermark , comment 
--local> ["cost", "DECIMAL(21, 2)", true, null, "AS price * 2", null, null]
--local> ["id", "BIGINT", false, "PRI(id)", null, null, null]
--local> ["name", "STRING", true, null, null, null, "who"]
--local> ["price", "DECIMAL(10, 2)", true, null, null, null, null]
--local> ["ts", "TIMESTAMP(3) *ROWTIME*", true, null, null, "ts - INTERVAL '5' SECOND", null]

CREATE TABLE types (a BOOLEAN, b TINYINT, c SMALLINT, d INT, e BIGINT, f FLOAT, g DOUBLE, h DECIMAL(5, 1), i CHAR(3), j VARCHAR(5), k STRING, l BYTES, m DATE, n TIME, o TIMESTAMP, p TIMESTAMP(3), q TIMESTAMP_LTZ(3), r ARRAY<INT>) WITH ('connector' = 'blackhole');

DESCRIBE types;
--: name STRING, type STRING, null BOOLEAN, key STRING, extras STRING, watermark STRING
--> ["a", "BOOLEAN", true, null, null, null]
--> ["b", "TINYINT", true, null, null, null]
--> ["c", "SMALLINT", true, null, null, null]
--> ["d", "INT", true, null, null, null]
--> ["e", "BIGINT", true, null, null, null]
--> ["f", "FLOAT", true, null, null, null]
--> ["g", "DOUBLE", true, null, null, null]
--> ["h", "DECIMAL(5, 1)", true, null, null, null]
--> ["i", "CHAR(3)", true, null, null, null]
--> ["j", "VARCHAR(5)", true, null, null, null]
--> ["k", "STRING", true, null, null, null]
--> ["l", "BYTES", true, null, null, null]
--> ["m", "DATE", true, null, null, null]
--> ["n", "TIME(0)", true, null, null, null]
--> ["o", "TIMESTAMP(6)", true, null, null, null]
--> ["p", "TIMESTAMP(3)", true, null, null, null]
--> ["q", "TIMESTAMP_LTZ(3)", true, null, null, null]
--> ["r", "ARRAY<INT>", true, null, null, null]

CREATE VIEW v AS SELECT id, name, price * 2 AS twice FROM t;
--! org.apache.flink.table.api.ValidationException: Connector 'blackhole' can only be used as a sink. It cannot be used as a source
--local= done

DESCRIBE v;
--! org.apache.flink.table.api.ValidationException: Tables or views with the identifier 'default_catalog.default_database.v' doesn't exist
--local: name , type , null , key , extras , watermark 
--local> ["id", "BIGINT", false, null, null, null]
--local> ["name", "STRING", true, null, null, null]
--local> ["twice", "DECIMAL(21, 2)", true, null, null, null]

SHOW CREATE VIEW v;
--! org.apache.flink.table.api.ValidationException: Could not execute SHOW CREATE VIEW. View with identifier `default_catalog`.`default_database`.`v` does not exist
--local: result 
--local> ["CREATE VIEW `default_catalog`.`default_database`.`v`\nAS SELECT id, name, price * 2 AS twice FROM t"]
