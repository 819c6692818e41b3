-- Cross joins, USING and inequalities.
--modes batch

CREATE TABLE people (name STRING, city STRING, age INT)
WITH ('connector' = 'filesystem', 'path' = '${data}/people.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT p.name, t.n FROM people AS p CROSS JOIN (VALUES (1), (2)) AS t(n);
--: name STRING, n INT NOT NULL
--> ["ann", 1]
--> ["ann", 1]
--> ["ann", 2]
--> ["ann", 2]
--> ["bob", 1]
--> ["bob", 2]
--> ["dan", 1]
--> ["dan", 2]

SELECT a.name, b.name AS other FROM people AS a JOIN people AS b ON a.age < b.age;
--: name STRING, other STRING
--> ["ann", "ann"]
--> ["ann", "dan"]
--> ["ann", "dan"]

SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS x(k, v) JOIN (VALUES (1, 'c'), (3, 'd')) AS y(k, w) USING (k);
--: k INT NOT NULL, v CHAR(1) NOT NULL, w CHAR(1) NOT NULL
--> [1, "a", "c"]

SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS x(k, v) NATURAL JOIN (VALUES (1, 'c'), (3, 'd')) AS y(k, w);
--: k INT NOT NULL, v CHAR(1) NOT NULL, w CHAR(1) NOT NULL
--> [1, "a", "c"]

SELECT x.k, y.k AS k2 FROM (VALUES (1), (2)) AS x(k) LEFT JOIN (VALUES (2), (3)) AS y(k) ON x.k = y.k;
--: k INT NOT NULL, k2 INT
--> [1, null]
--> [2, 2]
