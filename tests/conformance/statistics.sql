-- Standard deviation and variance.

CREATE TABLE numbers (id INT, t TINYINT, s SMALLINT, i INT, b BIGINT, f FLOAT, d DOUBLE, n DECIMAL(10, 2), flag BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = '${data}/numbers.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT STDDEV_POP(a) AS sp, STDDEV_SAMP(a) AS ss, VAR_POP(a) AS vp, VAR_SAMP(a) AS vs FROM (VALUES (1e0), (2e0), (3e0), (4e0)) AS t(a);
--: sp DOUBLE, ss DOUBLE, vp DOUBLE, vs DOUBLE
--> [1.118033988749895, 1.2909944487358056, 1.25, 1.6666666666666667]

SELECT STDDEV_SAMP(a) AS ss, VAR_SAMP(a) AS vs, VAR_POP(a) AS vp FROM (VALUES (1e0)) AS t(a);
--: ss DOUBLE, vs DOUBLE, vp DOUBLE
--> [null, null, 0.0]

SELECT STDDEV_POP(i) AS i, VAR_POP(i) AS v FROM numbers WHERE id <> 4;
--: i INT, v INT
--> [40, 1674]
--local: i DOUBLE, v DOUBLE
--local> [40.92065493122025, 1674.5]

SELECT VARIANCE(a) AS v, STDDEV(a) AS s FROM (VALUES (1e0), (2e0), (3e0)) AS t(a);
--: v DOUBLE, s DOUBLE
--> [1.0, 1.0]
--local! there is no function variance
