-- Aggregations above others, and unions and joins of them.

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

CREATE TABLE people (name STRING, city STRING, age INT)
WITH ('connector' = 'filesystem', 'path' = '${data}/people.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT n, COUNT(*) AS customers FROM (SELECT customer, COUNT(*) AS n FROM orders GROUP BY customer) AS t GROUP BY n;
--: n BIGINT NOT NULL, customers BIGINT NOT NULL
--> [1, 2]
--> [2, 1]
--> [3, 1]

SELECT customer, SUM(amount) AS total FROM (SELECT customer, amount FROM orders UNION ALL SELECT name, CAST(age AS DECIMAL(10, 2)) FROM people) AS t GROUP BY customer;
--: customer STRING, total DECIMAL(38, 2)
--> ["ann", 68.50]
--> ["bob", 41.00]
--> ["cat", null]
--> ["dan", 40.00]
--> [null, 7.00]

SELECT MAX(total) AS best FROM (SELECT customer, SUM(amount) AS total FROM orders GROUP BY customer) AS t;
--: best DECIMAL(38, 2)
--> [41.00]
