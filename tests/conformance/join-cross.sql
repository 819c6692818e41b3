-- Cross joins, USING and inequalities.
--modes batch

CREATE TABLE people (name STRING, city STRING, age INT)
WITH ('connector' = 'filesystem', 'path' = '${data}/people.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT p.name, t.n FROM people AS p CROSS JOIN (VALUES (1), (2)) AS t(n);

SELECT a.name, b.name AS other FROM people AS a JOIN people AS b ON a.age < b.age;

SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS x(k, v) JOIN (VALUES (1, 'c'), (3, 'd')) AS y(k, w) USING (k);

SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS x(k, v) NATURAL JOIN (VALUES (1, 'c'), (3, 'd')) AS y(k, w);

SELECT x.k, y.k AS k2 FROM (VALUES (1), (2)) AS x(k) LEFT JOIN (VALUES (2), (3)) AS y(k) ON x.k = y.k;
