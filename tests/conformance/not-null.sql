-- NOT NULL columns.

CREATE TABLE strict (a INT NOT NULL, b STRING)
WITH ('connector' = 'filesystem', 'path' = '${dir}/strict', 'format' = 'csv');

INSERT INTO strict VALUES (1, 'x');

INSERT INTO strict (b) VALUES ('x');
--! org.apache.calcite.sql.validate.SqlValidatorException: Column 'a' has no default value and does not allow NULLs

INSERT INTO strict SELECT a, 'y' FROM (VALUES (2), (CAST(NULL AS INT))) AS t(a);
--! org.apache.flink.table.runtime.operators.sink.constraint.EnforcerException: Column 'a' is NOT NULL, however, a null value is being written into it. You can set

SELECT * FROM strict;
--: a INT NOT NULL, b STRING
--> [1, "x"]

DESCRIBE strict;
--: name STRING, type STRING, null BOOLEAN, key STRING, extras STRING, watermark STRING
--> ["a", "INT", false, null, null, null]
--> ["b", "STRING", true, null, null, null]
