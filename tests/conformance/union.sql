-- UNION ALL and UNION.

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

CREATE TABLE people (name STRING, city STRING, age INT)
WITH ('connector' = 'filesystem', 'path' = '${data}/people.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT customer FROM orders UNION ALL SELECT name FROM people;

SELECT customer FROM orders UNION SELECT name FROM people;

SELECT 1 AS a UNION ALL SELECT 2.5;

SELECT id, customer FROM orders WHERE id < 3 UNION ALL SELECT id, customer FROM orders WHERE id > 5;

SELECT 'a' AS x UNION SELECT 'a' UNION SELECT 'bc';

SELECT 1 AS a, 2 AS b UNION ALL SELECT 3;
