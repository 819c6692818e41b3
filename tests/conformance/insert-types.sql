-- Every type through a file and back.

CREATE TABLE typed (a BOOLEAN, b TINYINT, c SMALLINT, d INT, e BIGINT, f FLOAT, g DOUBLE, h DECIMAL(12, 3), i STRING, j DATE, k TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${dir}/typed', 'format' = 'csv', 'csv.null-literal' = 'NULL');

INSERT INTO typed VALUES (TRUE, CAST(1 AS TINYINT), CAST(-2 AS SMALLINT), 3, 4, CAST(1.5 AS FLOAT), 2.5e0, 1.25, 'a,"b"', DATE '2024-02-29', TIMESTAMP '2024-02-29 12:34:56.789');

INSERT INTO typed (d) VALUES (7);

INSERT INTO typed (d, i, h) VALUES (8, '', 12345.6789);

SELECT * FROM typed;
--: a BOOLEAN, b TINYINT, c SMALLINT, d INT, e BIGINT, f FLOAT, g DOUBLE, h DECIMAL(12, 3), i STRING, j DATE, k TIMESTAMP(3)
--> [null, null, null, 7, null, null, null, null, null, null, null]
--> [null, null, null, 8, null, null, null, 12345.679, "", null, null]
--> [true, 1, -2, 3, 4, 1.5, 2.5, 1.250, "a,\"b\"", "2024-02-29", "2024-02-29 12:34:56.789"]

SELECT d, i IS NULL AS no_text, CHAR_LENGTH(i) AS n FROM typed;
--: d INT, no_text BOOLEAN NOT NULL, n INT
--> [3, false, 5]
--> [7, true, null]
--> [8, false, 0]

INSERT INTO typed (b) VALUES (300);
--! org.apache.flink.table.api.ValidationException: Column types of query result and sink for 'default_catalog.default_database.typed' do not match

SELECT b FROM typed WHERE b IS NOT NULL;
--: b TINYINT
--> [1]

INSERT INTO typed (i) VALUES (5);
--! org.apache.flink.table.api.ValidationException: Column types of query result and sink for 'default_catalog.default_database.typed' do not match

INSERT INTO typed (d) VALUES ('5');
--! org.apache.flink.table.api.ValidationException: Column types of query result and sink for 'default_catalog.default_database.typed' do not match
