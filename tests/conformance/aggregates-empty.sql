-- Aggregates over nothing.

CREATE TABLE numbers (id INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, n DECIMAL(10, 2), flag BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = '${data}/numbers.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT COUNT(*) AS n, COUNT(i) AS ni, SUM(i) AS s, MIN(i) AS low, MAX(i) AS high, AVG(i) AS mean FROM numbers WHERE id > 100;
--batch: n BIGINT NOT NULL, ni BIGINT NOT NULL, s INT, low INT, high INT, mean INT
--batch> [0, 0, null, null, null, null]
--streaming: n BIGINT NOT NULL, ni BIGINT NOT NULL, s INT, low INT, high INT, mean INT

SELECT id, COUNT(*) AS n FROM numbers WHERE id > 100 GROUP BY id;
--: id INT, n BIGINT NOT NULL

SELECT COUNT(*) AS n FROM (VALUES (1)) AS t(a) WHERE a > 1;
--batch: n BIGINT NOT NULL
--batch> [0]
--streaming: n BIGINT NOT NULL
--local streaming: n BIGINT
--local streaming> [0]

SELECT SUM(a) AS s, COUNT(DISTINCT a) AS n FROM (VALUES (1)) AS t(a) WHERE a > 1;
--batch: s INT, n BIGINT NOT NULL
--batch> [null, 0]
--streaming: s INT, n BIGINT NOT NULL
--local streaming: s INT, n BIGINT
--local streaming> [null, 0]

SELECT COUNT(*) AS n FROM numbers WHERE id > 100 HAVING COUNT(*) > 0;
--: n BIGINT NOT NULL
