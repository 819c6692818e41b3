-- UNION ALL and UNION.

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

CREATE TABLE people (name STRING, city STRING, age INT)
WITH ('connector' = 'filesystem', 'path' = '${data}/people.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT customer FROM orders UNION ALL SELECT name FROM people;
--: customer STRING
--> ["ann"]
--> ["ann"]
--> ["ann"]
--> ["ann"]
--> ["ann"]
--> ["bob"]
--> ["bob"]
--> ["bob"]
--> ["cat"]
--> ["dan"]
--> [null]

SELECT customer FROM orders UNION SELECT name FROM people;
--: customer STRING
--> ["ann"]
--> ["bob"]
--> ["cat"]
--> ["dan"]
--> [null]

SELECT 1 AS a UNION ALL SELECT 2.5;
--: a DECIMAL(11, 1) NOT NULL
--> [1.0]
--> [2.5]

SELECT id, customer FROM orders WHERE id < 3 UNION ALL SELECT id, customer FROM orders WHERE id > 5;
--: id INT, customer STRING
--> [1, "ann"]
--> [2, "bob"]
--> [6, "bob"]
--> [7, "ann"]

SELECT 'a' AS x UNION SELECT 'a' UNION SELECT 'bc';
--: x VARCHAR(2) NOT NULL
--> ["a"]
--> ["bc"]

SELECT 1 AS a, 2 AS b UNION ALL SELECT 3;
--! org.apache.calcite.sql.validate.SqlValidatorException: Column count mismatch in UNION ALL
