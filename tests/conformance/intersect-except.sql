-- INTERSECT and EXCEPT.
--modes batch

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

CREATE TABLE people (name STRING, city STRING, age INT)
WITH ('connector' = 'filesystem', 'path' = '${data}/people.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT customer FROM orders INTERSECT SELECT name FROM people;
--: customer STRING
--> ["ann"]
--> ["bob"]

SELECT customer FROM orders EXCEPT SELECT name FROM people;
--: customer STRING
--> ["cat"]
--> [null]

SELECT a FROM (VALUES (1), (1), (2), (CAST(NULL AS INT))) AS t(a) INTERSECT ALL SELECT a FROM (VALUES (1), (1), (1), (CAST(NULL AS INT))) AS u(a);
--: a INT
--> [1]
--> [1]
--> [null]
--local batch! the embedded engine has no INTERSECT ALL and no EXCEPT ALL, only those of distinct rows

SELECT a FROM (VALUES (1), (1), (2), (3)) AS t(a) EXCEPT ALL SELECT a FROM (VALUES (1), (3)) AS u(a);
--: a INT NOT NULL
--> [1]
--> [2]
--local batch! the embedded engine has no INTERSECT ALL and no EXCEPT ALL, only those of distinct rows

SELECT a FROM (VALUES (1), (2)) AS t(a) EXCEPT SELECT a FROM (VALUES (2)) AS u(a) UNION ALL SELECT a FROM (VALUES (9)) AS v(a);
--: a INT NOT NULL
--> [1]
--> [9]
