-- Aggregates over groups that are all NULL.

SELECT k, COUNT(*) AS n, COUNT(v) AS nv, SUM(v) AS s, AVG(v) AS mean, MIN(v) AS low, MAX(v) AS high
FROM (VALUES ('a', 1), ('a', CAST(NULL AS INT)), ('b', CAST(NULL AS INT)), ('b', CAST(NULL AS INT)), (CAST(NULL AS STRING), 5)) AS t(k, v)
GROUP BY k;
--: k STRING, n BIGINT NOT NULL, nv BIGINT NOT NULL, s INT, mean INT, low INT, high INT
--> ["a", 2, 1, 1, 1, 1, 1]
--> ["b", 2, 0, null, null, null, null]
--> [null, 1, 1, 5, 5, 5, 5]

SELECT k, COUNT(DISTINCT v) AS n, SUM(DISTINCT v) AS s
FROM (VALUES ('a', 1), ('a', 1), ('b', CAST(NULL AS INT))) AS t(k, v)
GROUP BY k;
--: k CHAR(1) NOT NULL, n BIGINT NOT NULL, s INT
--> ["a", 1, 1]
--> ["b", 0, null]

SELECT SUM(v) AS s FROM (VALUES (CAST(NULL AS DECIMAL(5, 2)))) AS t(v);
--: s DECIMAL(38, 2)
--> [null]

SELECT AVG(v) AS m, STDDEV_POP(v) AS s FROM (VALUES (CAST(NULL AS DOUBLE))) AS t(v);
--: m DOUBLE, s DOUBLE
--> [null, null]
