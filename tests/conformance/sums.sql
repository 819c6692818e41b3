-- SUM has the type of its argument, and a DECIMAL the widest.

CREATE TABLE numbers (id INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, n DECIMAL(10, 2), flag BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = '${data}/numbers.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT SUM(n) AS a, SUM(n * 2) AS b, SUM(CAST(i AS DECIMAL(38, 10))) AS c FROM numbers WHERE id <> 4;

SELECT SUM(a) AS s FROM (VALUES (1.5), (2.25)) AS t(a);

SELECT SUM(i) AS s FROM numbers;

SELECT SUM(b) AS s FROM numbers;

SELECT flag, SUM(n) AS n, SUM(i) AS i FROM numbers WHERE id <> 4 GROUP BY flag;

SELECT SUM(a) / COUNT(*) AS m FROM (VALUES (1), (2)) AS t(a);
