-- Every type through a file and back.

CREATE TABLE typed (a BOOLEAN, b TINYINT, c SMALLINT, d INT, e BIGINT, f FLOAT, g DOUBLE, h DECIMAL(12, 3), i STRING, j DATE, k TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${dir}/typed', 'format' = 'csv', 'csv.null-literal' = 'NULL');

INSERT INTO typed VALUES (TRUE, CAST(1 AS TINYINT), CAST(-2 AS SMALLINT), 3, 4, CAST(1.5 AS FLOAT), 2.5e0, 1.25, 'a,"b"', DATE '2024-02-29', TIMESTAMP '2024-02-29 12:34:56.789');

INSERT INTO typed (d) VALUES (7);

INSERT INTO typed (d, i, h) VALUES (8, '', 12345.6789);

SELECT * FROM typed;

SELECT d, i IS NULL AS no_text, CHAR_LENGTH(i) AS n FROM typed;

INSERT INTO typed (b) VALUES (300);

SELECT b FROM typed WHERE b IS NOT NULL;

INSERT INTO typed (i) VALUES (5);

INSERT INTO typed (d) VALUES ('5');
