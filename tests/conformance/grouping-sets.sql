-- GROUPING SETS, ROLLUP and CUBE.
--modes batch

CREATE TABLE orders (id INT, customer STRING, amount DECIMAL(10, 2), placed TIMESTAMP(3))
WITH ('connector' = 'filesystem', 'path' = '${data}/orders.csv', 'format' = 'csv', 'csv.null-literal' = '');

SELECT customer, id % 2 AS odd, COUNT(*) AS n FROM orders GROUP BY GROUPING SETS ((customer), (id % 2), ());
--: customer STRING, odd INT, n BIGINT NOT NULL
--> ["ann", null, 3]
--> ["bob", null, 2]
--> ["cat", null, 1]
--> [null, 0, 3]
--> [null, 1, 4]
--> [null, null, 1]
--> [null, null, 7]
--local batch! there is no table orders in this query to take customer from

SELECT customer, COUNT(*) AS n FROM orders GROUP BY ROLLUP (customer);
--: customer STRING, n BIGINT NOT NULL
--> ["ann", 3]
--> ["bob", 2]
--> ["cat", 1]
--> [null, 1]
--> [null, 7]

SELECT a, b, SUM(c) AS s FROM (VALUES (1, 'x', 10), (1, 'y', 20), (2, 'x', 30)) AS t(a, b, c) GROUP BY CUBE (a, b);
--: a INT, b CHAR(1), s INT NOT NULL
--> [1, "x", 10]
--> [1, "y", 20]
--> [1, null, 30]
--> [2, "x", 30]
--> [2, null, 30]
--> [null, "x", 40]
--> [null, "y", 20]
--> [null, null, 60]
