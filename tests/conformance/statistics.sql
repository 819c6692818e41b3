-- Standard deviation and variance.

CREATE TABLE numbers (id INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, n DECIMAL(10, 2), flag BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = '${data}/numbers.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT STDDEV_POP(a) AS sp, STDDEV_SAMP(a) AS ss, VAR_POP(a) AS vp, VAR_SAMP(a) AS vs FROM (VALUES (1e0), (2e0), (3e0), (4e0)) AS t(a);

SELECT STDDEV_SAMP(a) AS ss, VAR_SAMP(a) AS vs, VAR_POP(a) AS vp FROM (VALUES (1e0)) AS t(a);

SELECT STDDEV_POP(i) AS i, VAR_POP(i) AS v FROM numbers WHERE id <> 4;

SELECT VARIANCE(a) AS v, STDDEV(a) AS s FROM (VALUES (1e0), (2e0), (3e0)) AS t(a);
