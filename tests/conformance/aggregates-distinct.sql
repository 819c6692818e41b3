-- DISTINCT in aggregates.

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT COUNT(DISTINCT customer) AS n, COUNT(customer) AS all_of_them FROM orders;
--: n BIGINT NOT NULL, all_of_them BIGINT NOT NULL
--> [3, 6]

SELECT SUM(DISTINCT amount) AS s, AVG(DISTINCT amount) AS mean, COUNT(DISTINCT amount) AS n FROM orders;
--: s DECIMAL(38, 2), mean DECIMAL(38, 6), n BIGINT NOT NULL
--> [43.00, 8.600000, 5]

SELECT customer, COUNT(DISTINCT amount) AS n FROM orders GROUP BY customer;
--: customer STRING, n BIGINT NOT NULL
--> ["ann", 3]
--> ["bob", 1]
--> ["cat", 0]
--> [null, 1]

SELECT DISTINCT customer FROM orders;
--: customer STRING
--> ["ann"]
--> ["bob"]
--> ["cat"]
--> [null]

SELECT DISTINCT customer, amount FROM orders;
--: customer STRING, amount DECIMAL(10, 2)
--> ["ann", 0.25]
--> ["ann", 10.00]
--> ["ann", 5.25]
--> ["bob", 20.50]
--> ["cat", null]
--> [null, 7.00]

SELECT COUNT(DISTINCT customer) AS a, COUNT(DISTINCT amount) AS b FROM orders;
--: a BIGINT NOT NULL, b BIGINT NOT NULL
--> [3, 5]
